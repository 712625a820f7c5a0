//! Multi-instance: a body and the instances in it (BPMN 2.0, 13.3.7; Camunda `ParallelMultiInstanceActivityBehavior` and
//! `SequentialMultiInstanceActivityBehavior`).
//!
//! The body is entered and left by the element's flows. Its boundary events watch all instances together: when one fires, or an instance's
//! BPMN error is caught there, they are cancelled with the body. `asyncBefore` and `asyncAfter` of the element stand around the body, those
//! of the loop characteristics around each instance; mappings run in each instance.
//!
//! Parallel instances are all made at once, each with its element, and begin one after the other: one that does not wait has ended before
//! the next begins, and may end the body before that. What has not begun then leaves no trace in history. Of a sequence each instance is
//! made when the one before has ended, and its element is looked up then.
//!
//! A standard loop (13.3.6) has a body as well: it is a sequence whose end a condition says, asked behind each turn and perhaps before the
//! first.
//!
//! What one instance costs does not depend on how many there are: the body counts, and nothing walks over the others until it ends.

#[cfg(test)]
mod behavior;
#[cfg(test)]
mod crossing;
#[cfg(test)]
mod standard_loop;

use std::sync::Arc;

use mandate_feel::Value;
use mandate_model::{Element, ElementIndex, EventTrigger, MultiInstance, ProcessDefinition, RetryCycle, Source};

use crate::Code;
use crate::all_of::is_last;
use crate::effect::JobKind;
use crate::elements::At;
use crate::elements::multi_instance::{self, InstanceThrown};
use crate::ids::ActivityId;
use crate::input::Failure;
use crate::instance::{Activity, Body, Phase, Role};
use crate::limits::MAX_SCOPE_ACTIVITIES;
use crate::lineage::Lineage;
use crate::step::Machine;
use crate::unit::{LaterKind, Token};
use crate::variable::{Variable, VariableKind, Variables};

/// In each instance: which one it is, from 0; from 1 in models for Camunda 8. In the body of a standard loop: how many turns have begun.
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
    pub retries: Option<&'a RetryCycle>,
    /// The model has a job before it.
    pub async_before: bool,
}

impl<'a> Continuation<'a> {
    /// Of an activity's own jobs, or those of an event that is attached to it. The loop characteristics speak for each of several
    /// instances.
    pub(crate) fn of(definition: &'a ProcessDefinition, activity: &Activity, element: ElementIndex) -> Self {
        let it = definition.element(element);
        match (activity.role, &it.multi_instance) {
            (Role::Inner { .. }, Some(each)) => {
                Self { exclusive: each.exclusive, retries: each.retries.as_ref(), async_before: each.async_before }
            }
            _ => Self { exclusive: it.exclusive, retries: it.retries.as_ref(), async_before: it.async_before },
        }
    }
}

impl<'d> Machine<'d> {
    /// A body begins, with at least one instance to come.
    pub(crate) fn repeat(&mut self, body: ActivityId, instances: u32) -> Result<(), Failure> {
        let (element, each) = self.each(body);
        let together = !each.sequential;
        // What has a result stays, so that a sequence fills its body as well.
        if (together || each.output.is_some()) && instances as usize > MAX_SCOPE_ACTIVITIES {
            let message = format!("its body would hold {instances} instances; at most {MAX_SCOPE_ACTIVITIES} are allowed");
            return Err(Failure::never(Code::ActivityLimit, element, message));
        }
        if let Some(standard) = each.standard_loop.as_ref().filter(|standard| standard.test_before) {
            self.count_turns(body, 0)?;
            let at = At::new(self.definition, self.instance, body, self.moment);
            if !multi_instance::goes_on(&at, standard)? {
                return self.resume(body);
            }
        }
        self.count(body, each, [Some(instances), Some(0), Some(if together { instances } else { 1 })])?;
        // Nothing else is given a number while they are made.
        let first = together.then_some(ActivityId(self.instance.last + 1));
        self.instance.set_body(body, Body { instances, begun: 0, ended: 0, canceled: 0, first });
        if together {
            let elements = self.elements_of(body)?;
            for index in 0..instances {
                self.place_instance(body, index, elements.as_deref())?;
            }
        }
        let lineage = self.unit.lineage(self.instance.id, body);
        self.unit.agenda.push(Token { element, scope: body, by: None, taken: false, lineage });
        Ok(())
    }

    /// A token in a body: its next instance begins, or waits for the job before it. Of parallel ones the others follow as soon as this one
    /// waits.
    pub(crate) fn begin_instance(&mut self, token: Token, body: Body) -> Result<(), Failure> {
        let index = body.begun;
        let activity = if let Some(first) = body.first {
            ActivityId(first.0 + u64::from(index))
        } else {
            let elements = self.elements_of(token.scope)?;
            self.place_instance(token.scope, index, elements.as_deref())?
        };
        let body = Body { begun: index + 1, ..body };
        self.instance.set_body(token.scope, body);
        if self.each(token.scope).1.standard_loop.is_some() {
            self.count_turns(token.scope, body.begun)?;
        }
        let lineage = token.lineage.instance(index);
        if body.first.is_some() && body.begun < body.instances {
            self.unit.agenda.push(token);
        }
        self.enter_instance(activity, Variables::new(), lineage)
    }

    /// One more instance, by hand (Camunda `ModificationObserverBehavior.createInnerInstance`). It has its counter; which element of a
    /// collection it is for, only whoever makes it knows.
    pub(crate) fn add_instance(&mut self, id: ActivityId) -> Result<ActivityId, Failure> {
        let (_, each) = self.each(id);
        let Role::Body(body) = self.instance.at(id).role else { unreachable!("only a body has instances") };
        // Nobody knows how many turns a standard loop is to have.
        let (index, instances) = match &each.standard_loop {
            Some(standard) => (body.begun, standard.maximum.unwrap_or(u32::MAX).max(body.begun + 1)),
            None => (body.instances, body.instances + 1),
        };
        let first = if each.sequential || index > 0 { body.first } else { Some(ActivityId(self.instance.last + 1)) };
        let body = Body { instances, begun: body.begun + 1, first, ..body };
        self.instance.set_body(id, body);
        let active = if each.sequential { 1 } else { body.active() };
        self.count(id, each, [Some(body.instances), Some(body.ended), Some(active)])?;
        self.place_instance(id, index, None)
    }

    /// An instance that is there begins, or waits for the job before it.
    pub(crate) fn enter_instance(&mut self, activity: ActivityId, variables: Variables, lineage: Lineage) -> Result<(), Failure> {
        let (element, each) = self.each(self.instance.at(activity).scope());
        if !variables.is_empty() {
            self.set_variables_in(activity, variables)?;
        }
        if each.async_before || self.unit.defers {
            return self.put_job(activity, element, JobKind::AsyncBefore, self.now);
        }
        self.unit.lineages.insert(activity, lineage);
        self.begin(activity)
    }

    /// An instance was cancelled by hand: a body that counts its active instances counts one less.
    pub(crate) fn show_active(&mut self, id: ActivityId, body: Body) -> Result<(), Failure> {
        let (_, each) = self.each(id);
        if each.sequential { Ok(()) } else { self.count(id, each, [None, None, Some(body.active())]) }
    }

    /// An instance is over, as history has it; a job may stand behind it. What the completion condition reads is kept so long, and its
    /// result.
    pub(crate) fn leave_instance(&mut self, activity: ActivityId, index: u32) -> Result<(), Failure> {
        let body = self.instance.at(activity).scope();
        let (element, each) = self.each(body);
        let at = At::new(self.definition, self.instance, activity, self.moment);
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
        self.put_job(after, element, JobKind::AsyncAfter, self.now)
    }

    /// The job behind an instance has run.
    pub(crate) fn leave_instance_after(&mut self, activity: ActivityId, index: u32) -> Result<(), Failure> {
        let it = self.instance.at(activity);
        let body = it.scope();
        let output = self.each(body).1.output.as_ref();
        let result = output.and_then(|output| it.variables.get(&output.collection)).cloned();
        self.end_instance_of(body, activity, index, result)
    }

    /// Nothing stands behind an instance any more: the body counts it, and goes on or is done. As in Camunda 7 the completion condition is
    /// asked after each instance, but not after the last of a sequence.
    fn end_instance_of(&mut self, id: ActivityId, activity: ActivityId, index: u32, result: Option<Variable>) -> Result<(), Failure> {
        let (element, each) = self.each(id);
        let Role::Body(body) = self.instance.at(id).role else { unreachable!("an inner instance stands in a body") };
        let body = Body { ended: body.ended + 1, ..body };
        self.instance.set_body(id, body);
        let active = (!each.sequential).then_some(body.active());
        self.count(id, each, [None, Some(body.ended), active])?;
        let last = body.active() == 0;
        let at = At::new(self.definition, self.instance, activity, self.moment);
        let complete = if last && each.sequential { true } else { multi_instance::is_complete(&at, each)? || last };
        let thrown = multi_instance::thrown(&at, each, body.ended)?;
        self.forget_variables_unless_live(activity);
        match (&each.output, result) {
            (Some(output), Some(result)) => self.instance.set_result(activity, index, &output.collection, result),
            _ => self.forget(activity),
        }
        if complete && thrown.is_empty() {
            return self.resume(id);
        }
        let lineage = self.unit.lineage(self.instance.id, id);
        if complete || thrown.iter().any(|thrown| self.ends_the_others(id, thrown)) {
            self.unit.do_later(LaterKind::Resume(id));
        } else if each.sequential {
            self.unit.agenda.push(Token { element, scope: id, by: None, taken: false, lineage });
        }
        // What catches something runs until it waits, then the activity goes on: as with an escalation.
        for InstanceThrown { event, .. } in thrown {
            let lineage = lineage.branch(&self.definition.element(event).id).instance(index);
            if matches!(self.definition.element(event).kind.trigger(), Some((EventTrigger::Error(_), _))) {
                if is_last(self.definition, self.instance, id, event) {
                    return self.trigger_as(id, event, lineage, Variables::new());
                }
                continue;
            }
            if !self.completes(id, event) {
                continue;
            }
            let scope = self.instance.at(id).scope();
            self.unit.agenda.push(Token { element: event, scope, by: None, taken: false, lineage });
            self.collect_anew(id, event);
        }
        Ok(())
    }

    /// Whether what an instance throws ends those that have not ended, so that the activity is done. An error always ends all of it, and
    /// that is `trigger_as`'s. Otherwise the standard has `None` throw for each instance, and `One` while the others go on: what catches
    /// it, whether it interrupts or not, finds an instance that has ended already. With `Complex` the model says when, and means the others
    /// if it says that the event interrupts.
    fn ends_the_others(&self, body: ActivityId, thrown: &InstanceThrown) -> bool {
        // One of all that waits for another has not happened yet.
        thrown.chosen && self.interrupts(thrown.event) && is_last(self.definition, self.instance, body, thrown.event)
    }

    /// A body is done, perhaps before all of its instances are: these are cancelled, and the list of results is set around it, in the order
    /// of the instances and with null for those that have not ended.
    pub(crate) fn end_body(&mut self, id: ActivityId, body: Body) -> Result<(), Failure> {
        let (element, each) = self.each(id);
        if let Some(output) = &each.output {
            let mut results = vec!["null"; body.instances as usize];
            for child in self.instance.children(id).map(|child| self.instance.at(child)) {
                if let (Role::Result { index }, Some(result)) = (child.role, child.variables.get(&output.collection)) {
                    results[index as usize] = &result.json;
                }
            }
            let list = Variable::new(VariableKind::Json, format!("[{}]", results.join(",")));
            let scope = self.instance.at(id).scope();
            let set = self.set_variables_in(scope, Variables::from([(output.collection.clone(), list)]));
            set.map_err(|failure| failure.at(element))?;
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

    /// What instances are given of a collection. Each of a sequence asks anew; a variable that is the same text still is not parsed again.
    fn elements_of(&mut self, body: ActivityId) -> Result<Option<Arc<Vec<Value>>>, Failure> {
        let (_, each) = self.each(body);
        let at = At::new(self.definition, self.instance, body, self.moment);
        let (Some(Source::Variable(name)), true) = (&each.collection, each.element_variable.is_some()) else {
            return multi_instance::elements(&at, each);
        };
        let text = self.instance.visible_variable(body, name).map(|variable| Arc::clone(&variable.json));
        match (&self.parsed, &text) {
            (Some((known, elements)), Some(text)) if Arc::ptr_eq(known, text) => return Ok(Some(Arc::clone(elements))),
            _ => {}
        }
        let elements = multi_instance::elements(&at, each)?;
        self.parsed = text.zip(elements.clone());
        Ok(elements)
    }

    /// Makes an instance, with its counter and its element.
    fn place_instance(&mut self, body: ActivityId, index: u32, elements: Option<&Vec<Value>>) -> Result<ActivityId, Failure> {
        let (element, each) = self.each(body);
        let mut own = Variables::new();
        if each.standard_loop.is_none() {
            own.insert(LOOP_COUNTER.to_owned(), number(index + u32::from(each.zeebe)));
        }
        own.extend(result_variable(each).map(|name| (name.to_owned(), Variable::from_json(&serde_json::Value::Null))));
        if let (Some(elements), Some(name)) = (elements, &each.element_variable) {
            let at = At::new(self.definition, self.instance, body, self.moment);
            own.insert(name.clone(), Variable::from_value(&multi_instance::element(&at, elements, index)?));
        }
        self.check_room(element, body)?;
        let activity = self.instance.add_activity(body, element, Phase::Before { by: None }, Role::Inner { index }, self.now);
        self.set_variables_in(activity, own)?;
        Ok(activity)
    }

    /// Sets those of a body's counters that have changed. Nobody knows how many turns a standard loop is to have.
    fn count(&mut self, body: ActivityId, each: &MultiInstance, numbers: [Option<u32>; 3]) -> Result<(), Failure> {
        if each.standard_loop.is_some() {
            return Ok(());
        }
        let names = if each.zeebe { ZEEBE_COUNTERS } else { COUNTERS };
        let changed = names.into_iter().zip(numbers).filter_map(|(name, value)| Some((name.to_owned(), number(value?))));
        self.set_variables_in(body, changed.collect())
    }

    fn count_turns(&mut self, body: ActivityId, begun: u32) -> Result<(), Failure> {
        self.set_variables_in(body, Variables::from([(LOOP_COUNTER.to_owned(), number(begun))]))
    }
}

fn number(value: u32) -> Variable {
    Variable::from_json(&value.into())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use expect_test::expect;

    use crate::testing::{Run, check, parse, several};

    #[test]
    fn parallel_tasks_are_all_there_at_once_each_with_its_element() {
        check(
            &several("userTask id='a' camunda:assignee='${who}'", " camunda:collection='people' camunda:elementVariable='who'>", ""),
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
            &several(
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
            &several("serviceTask id='a' camunda:class='A'", "><loopCardinality>2</loopCardinality>", ""),
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
    fn mappings_are_each_instances_own() {
        check(
            &several(
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
                  answer = 7
                  last = 2
                  item = 7 in #4
                  - #4
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 1 in #3
                > complete a
                  task !7 gone
                  last = 5
                  item = 7 in #5
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
    fn instance_whose_unit_runs_again_makes_the_same_keys_whatever_the_others_did() {
        for sequential in ["", " isSequential='true'"] {
            let loops = format!("{sequential}><loopCardinality>${{n}}</loopCardinality>");
            let definition = parse(&several("serviceTask id='a' camunda:class='A'", &loops, ""));
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
}
