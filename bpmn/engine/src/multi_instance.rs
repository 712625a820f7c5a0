//! Multi-instance: a body and the instances in it (BPMN 2.0, 13.3.7; Camunda `ParallelMultiInstanceActivityBehavior` and
//! `SequentialMultiInstanceActivityBehavior`).
//!
//! The body is entered and left by the element's flows. Its boundary events watch all instances together: when one fires, or an instance's
//! BPMN error is caught there, they are cancelled with the body. `asyncBefore` and `asyncAfter` of the element stand around the body, those of
//! the loop characteristics around each instance; mappings run in each instance.
//!
//! Parallel instances are all made at once, each with its element, and begin one after the other: one that does not wait has ended before
//! the next begins, and may end the body before that. What has not begun then leaves no trace in history. Of a sequence each instance is made when the
//! one before has ended, and its element is looked up then.
//!
//! What one instance costs does not depend on how many there are: the body counts, and nothing walks over the others until it ends.

use std::sync::Arc;

use mandate_feel::Value;
use mandate_model::{Element, ElementIndex, MultiInstance, ProcessDefinition, RetryPolicy, Source};

use crate::Code;
use crate::effect::JobKind;
use crate::elements::{At, multi_instance};
use crate::ids::ActivityId;
use crate::input::Failure;
use crate::instance::{Activity, Body, Phase, Role};
use crate::limits::MAX_SCOPE_ACTIVITIES;
use crate::step::Machine;
use crate::unit::Token;
use crate::variable::{Variable, VariableKind, Variables};

/// In each instance: which one it is, from 0; from 1 in models for Camunda 8.
const LOOP_COUNTER: &str = "loopCounter";

/// The counters of a body: how many instances there are to be, have ended, and are active.
const COUNTERS: [&str; 3] = ["nrOfInstances", "nrOfCompletedInstances", "nrOfActiveInstances"];

/// The same in models for Camunda 8.
const ZEEBE_COUNTERS: [&str; 3] = ["numberOfInstances", "numberOfCompletedInstances", "numberOfActiveInstances"];

/// Whether a variable is one that each instance is given: its counter, its element or its result.
pub(crate) fn is_loop_variable(element: &Element, name: &str) -> bool {
    let is_own = |it: &MultiInstance| it.element_variable.as_deref() == Some(name) || result_variable(it) == Some(name);
    name == LOOP_COUNTER || element.multi_instance.as_ref().is_some_and(is_own)
}

/// The variable of each instance that holds its result.
fn result_variable(each: &MultiInstance) -> Option<&str> {
    match &each.output.as_ref()?.element {
        Source::Variable(name) => Some(name),
        Source::Expression(_) => None,
    }
}

/// What a model says of an activity's jobs.
pub(crate) struct Continuation<'a> {
    pub exclusive: bool,
    pub retries: Option<&'a RetryPolicy>,
}

impl<'a> Continuation<'a> {
    /// Of an activity's own jobs, or those of an event that is attached to it. The loop characteristics speak for each of several instances.
    pub(crate) fn of(definition: &'a ProcessDefinition, activity: &Activity, element: ElementIndex) -> Self {
        let it = definition.element(element);
        match (activity.role, &it.multi_instance) {
            (Role::Inner { .. }, Some(each)) => Self { exclusive: each.exclusive, retries: each.retries.as_ref() },
            _ => Self { exclusive: it.exclusive, retries: it.retries.as_ref() },
        }
    }
}

impl<'d> Machine<'d> {
    /// A body begins, with at least one instance to come.
    pub(crate) fn repeat(&mut self, body: ActivityId, instances: u32) -> Result<(), Failure> {
        let (element, each) = self.each(body);
        let together = !each.sequential;
        if together && instances as usize > MAX_SCOPE_ACTIVITIES {
            let message = format!("there would be {instances} instances at once; at most {MAX_SCOPE_ACTIVITIES} are allowed");
            return Err(Failure::never(Code::ActivityLimit, element, message));
        }
        self.count(body, each, [Some(instances), Some(0), Some(if together { instances } else { 1 })])?;
        // Nothing else is given a number while they are made.
        let first = together.then_some(ActivityId(self.instance.last + 1));
        self.instance.set_body(body, Body { instances, begun: 0, ended: 0, first });
        if together {
            let elements = self.elements_of(body)?;
            for index in 0..instances {
                self.place_instance(body, index, elements.as_deref())?;
            }
        }
        let lineage = self.unit.lineage(self.instance.id, body);
        self.unit.agenda.push(Token { element, scope: body, by: None, lineage });
        Ok(())
    }

    /// A token in a body: its next instance begins, or waits for the job before it. Of parallel ones the others follow as soon as this one waits.
    pub(crate) fn begin_instance(&mut self, token: Token, body: Body) -> Result<(), Failure> {
        let (element, each) = self.each(token.scope);
        let index = body.begun;
        let activity = if let Some(first) = body.first {
            ActivityId(first.0 + u64::from(index))
        } else {
            let elements = self.elements_of(token.scope)?;
            self.place_instance(token.scope, index, elements.as_deref())?
        };
        let body = Body { begun: index + 1, ..body };
        self.instance.set_body(token.scope, body);
        let lineage = token.lineage.instance(index);
        if body.first.is_some() && body.begun < body.instances {
            self.unit.agenda.push(token);
        }
        if each.async_before {
            self.put_job(activity, element, JobKind::AsyncBefore, self.now);
            return Ok(());
        }
        self.unit.lineages.insert(activity, lineage);
        self.begin(activity)
    }

    /// An instance is over, as history has it; a job may stand behind it. What the completion condition reads is kept so long, and its result.
    pub(crate) fn leave_instance(&mut self, activity: ActivityId, index: u32) -> Result<(), Failure> {
        let body = self.instance.at(activity).scope();
        let (element, each) = self.each(body);
        let at = At::new(self.definition, self.instance, activity, self.now);
        let result = each.output.as_ref().map(|output| multi_instance::result(&at, output)).transpose()?;
        if !each.async_after {
            return self.end_instance_of(body, activity, index, result);
        }
        let mut kept = self.instance.at(activity).variables.clone();
        kept.retain(|name, _| is_loop_variable(self.definition.element(element), name));
        kept.extend(each.output.iter().map(|output| output.collection.clone()).zip(result));
        self.forget(activity);
        let after = self.instance.add_activity(body, element, Phase::After { flow: None }, Role::Inner { index }, self.now);
        self.set_variables_in(after, kept)?;
        self.put_job(after, element, JobKind::AsyncAfter, self.now);
        Ok(())
    }

    /// The job behind an instance has run.
    pub(crate) fn leave_instance_after(&mut self, activity: ActivityId, index: u32) -> Result<(), Failure> {
        let it = self.instance.at(activity);
        let body = it.scope();
        let output = self.each(body).1.output.as_ref();
        let result = output.and_then(|output| it.variables.get(&output.collection)).cloned();
        self.end_instance_of(body, activity, index, result)
    }

    /// Nothing stands behind an instance any more: the body counts it, and goes on or is done. As in Camunda 7 the completion condition is asked
    /// after each instance, but not after the last of a sequence.
    fn end_instance_of(&mut self, id: ActivityId, activity: ActivityId, index: u32, result: Option<Variable>) -> Result<(), Failure> {
        let (element, each) = self.each(id);
        let Role::Body(body) = self.instance.at(id).role else { unreachable!("an inner instance stands in a body") };
        let body = Body { ended: body.ended + 1, ..body };
        self.instance.set_body(id, body);
        let active = (!each.sequential).then_some(body.instances - body.ended);
        self.count(id, each, [None, Some(body.ended), active])?;
        let last = body.ended == body.instances;
        let at = At::new(self.definition, self.instance, activity, self.now);
        let complete = if last && each.sequential { true } else { multi_instance::is_complete(&at, each)? || last };
        self.forget_variables_unless_live(activity);
        match (&each.output, result) {
            (Some(output), Some(result)) => self.instance.set_result(activity, index, &output.collection, result),
            _ => self.forget(activity),
        }
        if complete {
            return self.resume(id);
        }
        if each.sequential {
            let lineage = self.unit.lineage(self.instance.id, id);
            self.unit.agenda.push(Token { element, scope: id, by: None, lineage });
        }
        Ok(())
    }

    /// A body is done, perhaps before all of its instances are: these are cancelled, and the list of results is set around it, in the order of the
    /// instances and with null for those that have not ended.
    pub(crate) fn end_body(&mut self, id: ActivityId, body: Body) -> Result<(), Failure> {
        let (element, each) = self.each(id);
        if let Some(output) = &each.output {
            let mut results = vec!["null"; body.instances as usize];
            for child in self.instance.children(id).map(|child| self.instance.at(child)) {
                if let (Role::Result { index }, Some(result)) = (child.role, child.variables.get(&output.collection)) {
                    results[index as usize] = &result.json;
                }
            }
            let list = Variable { kind: VariableKind::Json, json: format!("[{}]", results.join(",")).into() };
            let scope = self.instance.at(id).scope();
            let set = self.set_variables_in(scope, Variables::from([(output.collection.clone(), list)]));
            set.map_err(|failure| Failure { element: Some(element), ..failure })?;
        }
        self.cancel_children(id);
        Ok(())
    }

    /// The element of a body, and what it says of its instances.
    fn each(&self, body: ActivityId) -> (ElementIndex, &'d MultiInstance) {
        let element = self.instance.at(body).element;
        let each = self.definition.element(element).multi_instance.as_ref();
        (element, each.expect("only a multi-instance activity has a body"))
    }

    fn elements_of(&self, body: ActivityId) -> Result<Option<Arc<Vec<Value>>>, Failure> {
        let at = At::new(self.definition, self.instance, body, self.now);
        multi_instance::elements(&at, self.each(body).1)
    }

    /// Makes an instance, with its counter and its element.
    fn place_instance(&mut self, body: ActivityId, index: u32, elements: Option<&Vec<Value>>) -> Result<ActivityId, Failure> {
        let (element, each) = self.each(body);
        let mut own = Variables::from([(LOOP_COUNTER.to_owned(), number(index + u32::from(each.zeebe)))]);
        own.extend(result_variable(each).map(|name| (name.to_owned(), Variable::from_json(&serde_json::Value::Null))));
        if let (Some(elements), Some(name)) = (elements, &each.element_variable) {
            let at = At::new(self.definition, self.instance, body, self.now);
            own.insert(name.clone(), Variable::from_json(&multi_instance::element(&at, elements, index)?.to_json()));
        }
        self.check_room(element, body)?;
        let activity = self.instance.add_activity(body, element, Phase::Before { by: None }, Role::Inner { index }, self.now);
        self.set_variables_in(activity, own)?;
        Ok(activity)
    }

    /// Sets those of a body's counters that have changed.
    fn count(&mut self, body: ActivityId, each: &MultiInstance, numbers: [Option<u32>; 3]) -> Result<(), Failure> {
        let names = if each.zeebe { ZEEBE_COUNTERS } else { COUNTERS };
        let changed = names.into_iter().zip(numbers).filter_map(|(name, value)| Some((name.to_owned(), number(value?))));
        self.set_variables_in(body, changed.collect())
    }
}

fn number(value: u32) -> Variable {
    Variable::from_json(&value.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use expect_test::expect;

    use crate::limits::MAX_SCOPE_ACTIVITIES;
    use crate::testing::{Run, check, parse};

    /// `start > a > u`, where `a` is an activity of this kind with these loop characteristics.
    fn around(open: &str, loops: &str, inside: &str) -> String {
        let kind = open.split(' ').next().unwrap();
        format!(
            "<startEvent id='s'/><{open}><multiInstanceLoopCharacteristics{loops}</multiInstanceLoopCharacteristics>{inside}</{kind}><userTask id='u'/>{{s>a>u}}"
        )
    }

    #[test]
    fn parallel_tasks_are_all_there_at_once_each_with_its_element() {
        check(
            &around("userTask id='a' camunda:assignee='${who}'", " camunda:collection='people' camunda:elementVariable='who'>", ""),
            r#"
                start {"people": ["ann", "bob"]}
                leaves
                variables #4
                complete !7 {"ok": true, "who": "mine"}
                complete !6
            "#,
            expect![[r#"
                > start {"people": ["ann", "bob"]}
                  started at s
                  people = ["ann","bob"]
                  + s #2
                  - #2
                  + a body #3
                  nrOfActiveInstances = 2 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 2 in #3
                  loopCounter = 0 in #4
                  who = "ann" in #4
                  loopCounter = 1 in #5
                  who = "bob" in #5
                  + a #4 in #3
                  task a !6 of ann users [] groups []
                  + a #5 in #3
                  task a !7 of bob users [] groups []
                > leaves
                  a #4: task of ann
                  a #5: task of bob
                > variables #4
                  {loopCounter: 0, nrOfActiveInstances: 2, nrOfCompletedInstances: 0, nrOfInstances: 2, people: ["ann","bob"], who: "ann"}
                > complete !7 {"ok": true, "who": "mine"}
                  task !7 gone
                  ok = true
                  who = "mine" in #5
                  - #5
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 1 in #3
                > complete !6
                  task !6 gone
                  - #4
                  nrOfActiveInstances = 0 in #3
                  nrOfCompletedInstances = 2 in #3
                  - #3
                  + u #8
                  task u !9 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn sequence_runs_one_after_the_other_and_looks_the_collection_up_each_time() {
        check(
            &around(
                "userTask id='a' camunda:assignee='${who}'",
                " isSequential='true' camunda:collection='${people}' camunda:elementVariable='who'>",
                "",
            ),
            r#"
                start {"people": ["ann", "bob"]}
                set {"people": ["ann", "carl", "dora"]}
                complete a
                leaves
                complete a
            "#,
            expect![[r#"
                > start {"people": ["ann", "bob"]}
                  started at s
                  people = ["ann","bob"]
                  + s #2
                  - #2
                  + a body #3
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 2 in #3
                  loopCounter = 0 in #4
                  who = "ann" in #4
                  + a #4 in #3
                  task a !5 of ann users [] groups []
                > set {"people": ["ann", "carl", "dora"]}
                  people = ["ann","carl","dora"]
                > complete a
                  task !5 gone
                  - #4
                  nrOfCompletedInstances = 1 in #3
                  loopCounter = 1 in #6
                  who = "carl" in #6
                  + a #6 in #3
                  task a !7 of carl users [] groups []
                > leaves
                  a #6: task of carl
                > complete a
                  task !7 gone
                  - #6
                  nrOfCompletedInstances = 2 in #3
                  - #3
                  + u #8
                  task u !9 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn delegates_are_called_one_after_the_other_in_one_unit() {
        check(
            &around("serviceTask id='a' camunda:class='A'", "><loopCardinality>2</loopCardinality>", ""),
            "
                start
                return
                return
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + a body #3
                  nrOfActiveInstances = 2 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 2 in #3
                  loopCounter = 0 in #4
                  loopCounter = 1 in #5
                  + a #4 in #3
                  call a !6 attempt 1, 0 left {loopCounter: 0, nrOfActiveInstances: 2, nrOfCompletedInstances: 0, nrOfInstances: 2}
                > return
                  - #4
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 1 in #3
                  + a #5 in #3
                  call a !7 attempt 1, 0 left {loopCounter: 1, nrOfActiveInstances: 1, nrOfCompletedInstances: 1, nrOfInstances: 2}
                > return
                  - #5
                  nrOfActiveInstances = 0 in #3
                  nrOfCompletedInstances = 2 in #3
                  - #3
                  + u #8
                  task u !9 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn completion_condition_ends_what_has_begun_and_forgets_what_has_not() {
        check(
            &around(
                "serviceTask id='a' camunda:class='A'",
                "><loopCardinality>= n</loopCardinality><completionCondition>${found || loopCounter == 5}</completionCondition>",
                "",
            ),
            r#"
                start {"n": 3, "found": false}
                return
                return {"found": true}
            "#,
            expect![[r#"
                > start {"n": 3, "found": false}
                  started at s
                  found = false
                  n = 3
                  + s #2
                  - #2
                  + a body #3
                  nrOfActiveInstances = 3 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 3 in #3
                  loopCounter = 0 in #4
                  loopCounter = 1 in #5
                  loopCounter = 2 in #6
                  + a #4 in #3
                  call a !7 attempt 1, 0 left {found: false, loopCounter: 0, n: 3, nrOfActiveInstances: 3, nrOfCompletedInstances: 0, nrOfInstances: 3}
                > return
                  - #4
                  nrOfActiveInstances = 2 in #3
                  nrOfCompletedInstances = 1 in #3
                  + a #5 in #3
                  call a !8 attempt 1, 0 left {found: false, loopCounter: 1, n: 3, nrOfActiveInstances: 2, nrOfCompletedInstances: 1, nrOfInstances: 3}
                > return {"found": true}
                  found = true
                  - #5
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 2 in #3
                  loopCounter removed in #6
                  - #3
                  + u #9
                  task u !10 of nobody users [] groups []
            "#]],
        );
        check(
            &around(
                "userTask id='a'",
                "><loopCardinality>3</loopCardinality><completionCondition>${nrOfCompletedInstances / nrOfInstances &gt;= 0.6}</completionCondition>",
                "",
            ),
            "
                start
                complete a
                complete a
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + a body #3
                  nrOfActiveInstances = 3 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 3 in #3
                  loopCounter = 0 in #4
                  loopCounter = 1 in #5
                  loopCounter = 2 in #6
                  + a #4 in #3
                  task a !7 of nobody users [] groups []
                  + a #5 in #3
                  task a !8 of nobody users [] groups []
                  + a #6 in #3
                  task a !9 of nobody users [] groups []
                > complete a
                  task !7 gone
                  - #4
                  nrOfActiveInstances = 2 in #3
                  nrOfCompletedInstances = 1 in #3
                > complete a
                  task !8 gone
                  - #5
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 2 in #3
                  task !9 gone
                  - #6 canceled
                  - #3
                  + u #10
                  task u !11 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn sequence_ends_early_but_is_not_asked_after_its_last() {
        check(
            &around(
                "task id='a'",
                " isSequential='true'><loopCardinality>3</loopCardinality><completionCondition>${loopCounter == stop}</completionCondition>",
                "",
            ),
            "
                start {\"stop\": 1}
            ",
            expect![[r#"
                > start {"stop": 1}
                  started at s
                  stop = 1
                  + s #2
                  - #2
                  + a body #3
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 3 in #3
                  loopCounter = 0 in #4
                  + a #4 in #3
                  - #4
                  nrOfCompletedInstances = 1 in #3
                  loopCounter = 1 in #5
                  + a #5 in #3
                  - #5
                  nrOfCompletedInstances = 2 in #3
                  - #3
                  + u #6
                  task u !7 of nobody users [] groups []
            "#]],
        );
        // Of one instance the condition, which nothing could evaluate, is never asked.
        let once = around(
            "task id='a'",
            " isSequential='true'><loopCardinality>1</loopCardinality><completionCondition>${nobody}</completionCondition>",
            "",
        );
        let definition = parse(&once);
        let mut run = Run::new(&definition);
        run.line("start");
        assert!(run.instance.tasks().next().is_some(), "{}", run.trace);
        let definition = parse(&once.replace(" isSequential='true'", ""));
        let mut run = Run::new(&definition);
        run.line("start");
        assert!(run.trace.contains("EXPRESSION_FAILED"), "{}", run.trace);
    }

    #[test]
    fn nothing_to_do_is_left_at_once_and_boundary_timers_are_never_armed() {
        check(
            &format!(
                "{}<boundaryEvent id='t' attachedToRef='a'><timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition></boundaryEvent>",
                around("userTask id='a'", " camunda:collection='items'>", "")
            ),
            r#"
                start {"items": []}
            "#,
            expect![[r#"
                > start {"items": []}
                  started at s
                  items = []
                  + s #2
                  - #2
                  + a body #3
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn what_cannot_be_counted_fails() {
        let fails = |loops: &str, start: &str| {
            let definition = parse(&around("task id='a'", loops, ""));
            let mut run = Run::new(&definition);
            run.line(&format!("start {start}"));
            let failed = run.trace.lines().find_map(|line| line.trim().strip_prefix("failed: "));
            failed.unwrap_or_else(|| panic!("{}", run.trace)).to_owned()
        };
        let mut all = String::new();
        for (loops, start) in [
            ("><loopCardinality>${n}</loopCardinality>", r#"{"n": -1}"#),
            ("><loopCardinality>= n</loopCardinality>", "{}"),
            ("><loopCardinality>${n}</loopCardinality>", r#"{"n": "many"}"#),
            ("><loopCardinality>${n}</loopCardinality>", r#"{"n": 100001}"#),
            ("><loopCardinality>${n}</loopCardinality>", r#"{"n": 10000000000}"#),
            (" camunda:collection='items'>", "{}"),
            (" camunda:collection='items'>", r#"{"items": 3}"#),
            (" camunda:collection='= items'>", r#"{"items": {}}"#),
            (" camunda:collection='items' camunda:elementVariable='item'><loopCardinality>2</loopCardinality>", r#"{"items": [1]}"#),
            ("><loopCardinality>2</loopCardinality><completionCondition>= 1</completionCondition>", "{}"),
        ] {
            writeln!(all, "{}", fails(loops, start)).unwrap();
        }
        assert_eq!(MAX_SCOPE_ACTIVITIES, 100_000);
        expect![[r#"
            EXPRESSION_FAILED: the expression '${n}' of 'a': the cardinality is negative
            EXPRESSION_FAILED: the expression '= n' of 'a': gives null (there is no variable 'n'), not a number
            EXPRESSION_FAILED: the expression '${n}' of 'a': gives string, not a number
            ACTIVITY_LIMIT: there would be 100001 instances at once; at most 100000 are allowed
            EXPRESSION_FAILED: the expression '${n}' of 'a': the cardinality is too large
            EXPRESSION_FAILED: the variable 'items', the collection of 'a', is not there
            EXPRESSION_FAILED: the variable 'items', the collection of 'a', is number, not a list
            EXPRESSION_FAILED: the expression '= items' of 'a': gives context, not a list
            EXPRESSION_FAILED: the collection of 'a' has 1 elements, and instance 1 was to have one
            EXPRESSION_FAILED: the expression '= 1' of 'a': gives number, not boolean
        "#]]
        .assert_eq(&all);
    }

    #[test]
    fn cardinality_may_be_text_and_its_fraction_is_cut_off() {
        for (start, instances) in [("\"2\"", 2), ("2.9", 2), ("\" 1 \"", 1), ("0.5", 0)] {
            let definition = parse(&around("userTask id='a'", "><loopCardinality>${n}</loopCardinality>", ""));
            let mut run = Run::new(&definition);
            run.line(&format!("start {{\"n\": {start}}}"));
            let a = definition.find("a").unwrap();
            assert_eq!(run.instance.tasks().filter(|task| task.element == a).count(), instances, "{start}");
        }
    }

    #[test]
    fn sub_process_runs_in_scopes_of_their_own() {
        check(
            &around(
                "subProcess id='a'",
                " camunda:collection='items' camunda:elementVariable='item'>",
                "<startEvent id='as'/><serviceTask id='w' camunda:class='W'/><userTask id='t'/>{as>w>t}",
            ),
            r#"
                start {"items": [{"n": 1}, {"n": 2}]}
                return
                return
                complete t
                complete t
            "#,
            expect![[r#"
                > start {"items": [{"n": 1}, {"n": 2}]}
                  started at s
                  items = [{"n":1},{"n":2}]
                  + s #2
                  - #2
                  + a body #3
                  nrOfActiveInstances = 2 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 2 in #3
                  item = {"n":1} in #4
                  loopCounter = 0 in #4
                  item = {"n":2} in #5
                  loopCounter = 1 in #5
                  + a #4 in #3
                  + as #6 in #4
                  - #6
                  + w #7 in #4
                  call w !8 attempt 1, 0 left {item: {"n":1}, items: [{"n":1},{"n":2}], loopCounter: 0, nrOfActiveInstances: 2, nrOfCompletedInstances: 0, nrOfInstances: 2}
                > return
                  - #7
                  + t #9 in #4
                  task t !10 of nobody users [] groups []
                  + a #5 in #3
                  + as #11 in #5
                  - #11
                  + w #12 in #5
                  call w !13 attempt 1, 0 left {item: {"n":2}, items: [{"n":1},{"n":2}], loopCounter: 1, nrOfActiveInstances: 2, nrOfCompletedInstances: 0, nrOfInstances: 2}
                > return
                  - #12
                  + t #14 in #5
                  task t !15 of nobody users [] groups []
                > complete t
                  task !10 gone
                  - #9
                  - #4
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 1 in #3
                > complete t
                  task !15 gone
                  - #14
                  - #5
                  nrOfActiveInstances = 0 in #3
                  nrOfCompletedInstances = 2 in #3
                  - #3
                  + u #16
                  task u !17 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn boundary_timer_watches_all_instances_together() {
        check(
            &format!(
                "{}<boundaryEvent id='t' attachedToRef='a'><timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition>\
                 </boundaryEvent><userTask id='late'/>{{t>late}}",
                around("userTask id='a'", "><loopCardinality>2</loopCardinality>", "")
            ),
            "
                start
                leaves
                complete a
                run t
                complete !8
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + a body #3
                  job Timer t !4 due 60000, 3 left, 0 failed
                  nrOfActiveInstances = 2 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 2 in #3
                  loopCounter = 0 in #5
                  loopCounter = 1 in #6
                  + a #5 in #3
                  task a !7 of nobody users [] groups []
                  + a #6 in #3
                  task a !8 of nobody users [] groups []
                > leaves
                  a #5: task of nobody
                  a #6: task of nobody
                > complete a
                  task !7 gone
                  - #5
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 1 in #3
                > run t
                  job !4 gone
                  task !8 gone
                  - #6 canceled
                  - #3 canceled
                  + t #9
                  - #9
                  + late #10
                  task late !11 of nobody users [] groups []
                > complete !8
                  rejected: nothing waits under number 8
            "#]],
        );
    }

    #[test]
    fn business_error_of_one_instance_cancels_all() {
        check(
            &format!(
                "{}<boundaryEvent id='b' attachedToRef='a'><errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='sorry'/>{{b>sorry}}",
                around("serviceTask id='a' camunda:type='external' camunda:topic='t'", "><loopCardinality>2</loopCardinality>", "")
            ),
            r#"
                start
                throw !7 E {"why": "sold out"}
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + a body #3
                  nrOfActiveInstances = 2 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 2 in #3
                  loopCounter = 0 in #4
                  loopCounter = 1 in #5
                  + a #4 in #3
                  external task a !6 't' priority 0
                  + a #5 in #3
                  external task a !7 't' priority 0
                > throw !7 E {"why": "sold out"}
                  external task !6 gone
                  - #4 canceled
                  external task !7 gone
                  - #5 canceled
                  - #3 canceled
                  why = "sold out"
                  + b #8
                  - #8
                  + sorry #9
                  task sorry !10 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn mappings_are_each_instances_own() {
        check(
            &around(
                "userTask id='a'",
                " camunda:collection='items' camunda:elementVariable='item'>",
                "<extensionElements><camunda:inputOutput><camunda:inputParameter name='twice'>= item * 2</camunda:inputParameter>\
                 <camunda:outputParameter name='last'>= twice + loopCounter</camunda:outputParameter>\
                 <camunda:outputParameter name='item'>= answer</camunda:outputParameter></camunda:inputOutput></extensionElements>",
            ),
            r#"
                start {"items": [1, 2]}
                complete a {"answer": 7}
                complete a
            "#,
            expect![[r#"
                > start {"items": [1, 2]}
                  started at s
                  items = [1,2]
                  + s #2
                  - #2
                  + a body #3
                  nrOfActiveInstances = 2 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 2 in #3
                  item = 1 in #4
                  loopCounter = 0 in #4
                  item = 2 in #5
                  loopCounter = 1 in #5
                  + a #4 in #3
                  twice = 2 in #4
                  task a !6 of nobody users [] groups []
                  + a #5 in #3
                  twice = 4 in #5
                  task a !7 of nobody users [] groups []
                > complete a {"answer": 7}
                  task !6 gone
                  answer = 7 in #4
                  last = 2
                  item = 7 in #4
                  - #4
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 1 in #3
                > complete a
                  task !7 gone
                  last = 5
                  item = null in #5
                  - #5
                  nrOfActiveInstances = 0 in #3
                  nrOfCompletedInstances = 2 in #3
                  - #3
                  + u #8
                  task u !9 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn jobs_stand_around_the_body_and_around_each_instance() {
        check(
            &around(
                "serviceTask id='a' camunda:class='A' camunda:asyncBefore='true' camunda:asyncAfter='true'",
                " camunda:collection='items' camunda:elementVariable='item' camunda:asyncBefore='true' camunda:asyncAfter='true' \
                 camunda:exclusive='false'><extensionElements><camunda:failedJobRetryTimeCycle>R5/PT1S</camunda:failedJobRetryTimeCycle>\
                 </extensionElements><completionCondition>= item = \"x\"</completionCondition>",
                "",
            ),
            r#"
                start {"items": ["x", "y"]}
                leaves
                run a
                leaves
                fail !8
                run !7
                return
                leaves
                run !11
                run a
            "#,
            expect![[r#"
                > start {"items": ["x", "y"]}
                  started at s
                  items = ["x","y"]
                  + s #2
                  - #2
                  job AsyncBefore a !4 due 0, 3 left, 0 failed
                > leaves
                  a #3: job, attempt 1, 3 left, due 0 until 0
                > run a
                  job !4 gone
                  + a body #3
                  nrOfActiveInstances = 2 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 2 in #3
                  item = "x" in #5
                  loopCounter = 0 in #5
                  item = "y" in #6
                  loopCounter = 1 in #6
                  job AsyncBefore a !7 due 0, 5 left, 0 failed not exclusive
                  job AsyncBefore a !8 due 0, 5 left, 0 failed not exclusive
                > leaves
                  a #5: job, attempt 1, 5 left, due 0 until 0
                  a #6: job, attempt 1, 5 left, due 0 until 0
                > fail !8
                  job AsyncBefore a !8 due 1000, 4 left, 1 failed not exclusive
                > run !7
                  job !7 gone
                  + a #5 in #3
                  call a !9 attempt 1, 4 left {item: "x", items: ["x","y"], loopCounter: 0, nrOfActiveInstances: 2, nrOfCompletedInstances: 0, nrOfInstances: 2}
                > return
                  - #5
                  item = "x" in #10
                  loopCounter = 0 in #10
                  job AsyncAfter a !11 due 0, 5 left, 0 failed not exclusive
                > leaves
                  a #6: job, attempt 2, 4 left, due 1000 until 1000
                  a #10: job, attempt 1, 5 left, due 0 until 0
                > run !11
                  job !11 gone
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 1 in #3
                  item removed in #10
                  loopCounter removed in #10
                  job !8 gone
                  item removed in #6
                  loopCounter removed in #6
                  - #3
                  job AsyncAfter a !13 due 0, 3 left, 0 failed
                > run a
                  job !13 gone
                  + u #14
                  task u !15 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn terminate_ends_one_instance_and_an_outer_one_the_body() {
        check(
            &around(
                "subProcess id='a'",
                "><loopCardinality>2</loopCardinality>",
                "<startEvent id='as'/><userTask id='t'/><userTask id='o'/><endEvent id='x'><terminateEventDefinition/></endEvent>{as>t>x}{as>o}",
            ),
            "
                start
                complete t
                complete t
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + a body #3
                  nrOfActiveInstances = 2 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 2 in #3
                  loopCounter = 0 in #4
                  loopCounter = 1 in #5
                  + a #4 in #3
                  + as #6 in #4
                  - #6
                  + t #7 in #4
                  task t !8 of nobody users [] groups []
                  + o #9 in #4
                  task o !10 of nobody users [] groups []
                  + a #5 in #3
                  + as #11 in #5
                  - #11
                  + t #12 in #5
                  task t !13 of nobody users [] groups []
                  + o #14 in #5
                  task o !15 of nobody users [] groups []
                > complete t
                  task !8 gone
                  - #7
                  + x #16 in #4
                  task !10 gone
                  - #9 canceled
                  - #16
                  - #4
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 1 in #3
                > complete t
                  task !13 gone
                  - #12
                  + x #17 in #5
                  task !15 gone
                  - #14 canceled
                  - #17
                  - #5
                  nrOfActiveInstances = 0 in #3
                  nrOfCompletedInstances = 2 in #3
                  - #3
                  + u #18
                  task u !19 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn instance_whose_unit_runs_again_makes_the_same_keys_whatever_the_others_did() {
        for sequential in ["", " isSequential='true'"] {
            let loops = format!("{sequential}><loopCardinality>${{n}}</loopCardinality>");
            let definition = parse(&around("serviceTask id='a' camunda:class='A'", &loops, ""));
            let keys = |n: u32| {
                let mut run = Run::new(&definition);
                run.line(&format!("start {{\"n\": {n}}}"));
                (0..n).for_each(|_| run.line("return"));
                run.keys("a")
            };
            let three = keys(3);
            assert_eq!(three.iter().collect::<BTreeSet<_>>().len(), 3);
            assert_eq!(keys(2), three[..2], "an instance does not know how many others there are");
        }
    }

    #[test]
    fn nested_bodies_and_joins_inside_keep_apart() {
        check(
            &around(
                "subProcess id='a'",
                "><loopCardinality>2</loopCardinality>",
                "<startEvent id='as'/><task id='f'/><userTask id='t'><multiInstanceLoopCharacteristics isSequential='true'><loopCardinality>2</loopCardinality>\
                 </multiInstanceLoopCharacteristics></userTask><userTask id='o'/><parallelGateway id='j'/>{as>f}{f>t>j}{f>o>j}",
            ),
            "
                start
                complete o
                leaves
                complete t
                complete t
                complete t
                complete o
                complete t
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + a body #3
                  nrOfActiveInstances = 2 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 2 in #3
                  loopCounter = 0 in #4
                  loopCounter = 1 in #5
                  + a #4 in #3
                  + as #6 in #4
                  - #6
                  + f #7 in #4
                  - #7
                  + t body #8 in #4
                  nrOfActiveInstances = 1 in #8
                  nrOfCompletedInstances = 0 in #8
                  nrOfInstances = 2 in #8
                  loopCounter = 0 in #9
                  + t #9 in #8
                  task t !10 of nobody users [] groups []
                  + o #11 in #4
                  task o !12 of nobody users [] groups []
                  + a #5 in #3
                  + as #13 in #5
                  - #13
                  + f #14 in #5
                  - #14
                  + t body #15 in #5
                  nrOfActiveInstances = 1 in #15
                  nrOfCompletedInstances = 0 in #15
                  nrOfInstances = 2 in #15
                  loopCounter = 0 in #16
                  + t #16 in #15
                  task t !17 of nobody users [] groups []
                  + o #18 in #5
                  task o !19 of nobody users [] groups []
                > complete o
                  task !12 gone
                  - #11
                  + j #20 in #4
                > leaves
                  t #9: task of nobody
                  t #16: task of nobody
                  o #18: task of nobody
                  j #20: join, missing t_j
                > complete t
                  task !10 gone
                  - #9
                  nrOfCompletedInstances = 1 in #8
                  loopCounter = 1 in #21
                  + t #21 in #8
                  task t !22 of nobody users [] groups []
                > complete t
                  task !17 gone
                  - #16
                  nrOfCompletedInstances = 1 in #15
                  loopCounter = 1 in #23
                  + t #23 in #15
                  task t !24 of nobody users [] groups []
                > complete t
                  task !22 gone
                  - #21
                  nrOfCompletedInstances = 2 in #8
                  - #8
                  + j #25 in #4
                  - #20
                  - #25
                  - #4
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 1 in #3
                > complete o
                  task !19 gone
                  - #18
                  + j #26 in #5
                > complete t
                  task !24 gone
                  - #23
                  nrOfCompletedInstances = 2 in #15
                  - #15
                  + j #27 in #5
                  - #26
                  - #27
                  - #5
                  nrOfActiveInstances = 0 in #3
                  nrOfCompletedInstances = 2 in #3
                  - #3
                  + u #28
                  task u !29 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn results_are_a_list_in_the_order_of_the_instances_when_all_is_done() {
        check(
            &around(
                "userTask id='a'",
                "><extensionElements><zeebe:loopCharacteristics inputCollection='= items' inputElement='item' outputCollection='sums' \
                 outputElement='= [item, n + loopCounter]'/></extensionElements>\
                 <completionCondition>= numberOfCompletedInstances = 2 and n > 0</completionCondition>",
                "",
            ),
            r#"
                start {"items": ["x", "y", "z"], "n": 0}
                complete !9 {"n": 10}
                leaves
                complete !7 {"n": 20}
                variables u
            "#,
            expect![[r#"
                > start {"items": ["x", "y", "z"], "n": 0}
                  started at s
                  items = ["x","y","z"]
                  n = 0
                  + s #2
                  - #2
                  + a body #3
                  numberOfActiveInstances = 3 in #3
                  numberOfCompletedInstances = 0 in #3
                  numberOfInstances = 3 in #3
                  item = "x" in #4
                  loopCounter = 1 in #4
                  item = "y" in #5
                  loopCounter = 2 in #5
                  item = "z" in #6
                  loopCounter = 3 in #6
                  + a #4 in #3
                  task a !7 of nobody users [] groups []
                  + a #5 in #3
                  task a !8 of nobody users [] groups []
                  + a #6 in #3
                  task a !9 of nobody users [] groups []
                > complete !9 {"n": 10}
                  task !9 gone
                  n = 10
                  - #6
                  numberOfActiveInstances = 2 in #3
                  numberOfCompletedInstances = 1 in #3
                > leaves
                  a #4: task of nobody
                  a #5: task of nobody
                > complete !7 {"n": 20}
                  task !7 gone
                  n = 20
                  - #4
                  numberOfActiveInstances = 1 in #3
                  numberOfCompletedInstances = 2 in #3
                  sums = [["x",21],null,["z",13]]
                  task !8 gone
                  - #5 canceled
                  - #3
                  + u #10
                  task u !11 of nobody users [] groups []
                > variables u
                  {items: ["x","y","z"], n: 20, sums: [["x",21],null,["z",13]]}
            "#]],
        );
        check(
            &around(
                "serviceTask id='a' camunda:class='A'",
                " isSequential='true' camunda:collection='items' camunda:asyncAfter='true'>\
                 <loopDataOutputRef>results</loopDataOutputRef><outputDataItem name='result'/>",
                "",
            ),
            r#"
                start {"items": ["x", "y"]}
                return {"result": {"ok": true}}
                run a
                return
                run a
                variables u
            "#,
            expect![[r#"
                > start {"items": ["x", "y"]}
                  started at s
                  items = ["x","y"]
                  + s #2
                  - #2
                  + a body #3
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 2 in #3
                  loopCounter = 0 in #4
                  result = null in #4
                  + a #4 in #3
                  call a !5 attempt 1, 0 left {items: ["x","y"], loopCounter: 0, nrOfActiveInstances: 1, nrOfCompletedInstances: 0, nrOfInstances: 2, result: null}
                > return {"result": {"ok": true}}
                  result = {"ok":true} in #4
                  - #4
                  loopCounter = 0 in #6
                  result = {"ok":true} in #6
                  results = {"ok":true} in #6
                  job AsyncAfter a !7 due 0, 3 left, 0 failed
                > run a
                  job !7 gone
                  nrOfCompletedInstances = 1 in #3
                  loopCounter removed in #6
                  result removed in #6
                  results removed in #6
                  loopCounter = 1 in #8
                  result = null in #8
                  + a #8 in #3
                  call a !9 attempt 1, 2 left {items: ["x","y"], loopCounter: 1, nrOfActiveInstances: 1, nrOfCompletedInstances: 1, nrOfInstances: 2, result: null}
                > return
                  - #8
                  loopCounter = 1 in #10
                  result = null in #10
                  results = null in #10
                  job AsyncAfter a !11 due 0, 3 left, 0 failed
                > run a
                  job !11 gone
                  nrOfCompletedInstances = 2 in #3
                  loopCounter removed in #10
                  result removed in #10
                  results removed in #10
                  results = [{"ok":true},null]
                  - #3
                  + u #12
                  task u !13 of nobody users [] groups []
                > variables u
                  {items: ["x","y"], results: [{"ok":true},null]}
            "#]],
        );
    }

    #[test]
    fn nothing_to_do_has_no_results() {
        check(
            &around(
                "task id='a'",
                "><extensionElements><zeebe:loopCharacteristics inputCollection='items' outputCollection='all' outputElement='x'/></extensionElements>",
                "",
            ),
            r#"
                start {"items": []}
            "#,
            expect![[r#"
                > start {"items": []}
                  started at s
                  items = []
                  + s #2
                  - #2
                  + a body #3
                  all = []
                  - #3
                  + u #4
                  task u !5 of nobody users [] groups []
            "#]],
        );
    }
}
