//! What the body of a multi-instance activity evaluates: how often, over what, and whether it is done (BPMN 2.0, 13.3.7; Camunda
//! `MultiInstanceActivityBehavior`); and that of a standard loop (13.3.6), which is a sequence that a condition ends. The instances
//! themselves are in `multi_instance.rs` beside the loop.

use std::sync::Arc;

use mandate_feel::{Expression, Rounding, Value};
use mandate_model::{ElementIndex, InstanceThrow, MultiInstance, Output, Source, StandardLoop, ThrowWhen};

use super::{At, Behaviour, Next};
use crate::Code;
use crate::input::Failure;
use crate::variable::Variable;

impl Behaviour for MultiInstance {
    /// As many instances as the cardinality says or, failing that, as the collection has elements. None at all: the activity is done.
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        let instances = match (&self.cardinality, &self.collection, &self.standard_loop) {
            (Some(cardinality), ..) => cardinality_of(at, cardinality)?,
            (None, Some(collection), _) => u32::try_from(list(at, collection)?.len()).unwrap_or(u32::MAX),
            (None, None, Some(standard)) => standard.maximum.unwrap_or(u32::MAX),
            (None, None, None) => unreachable!("the parser refuses what does not say how often"),
        };
        if instances == 0 { at.leave() } else { Ok(Next::Repeat { instances }) }
    }
}

/// The elements that instances are given; none if the model names no variable for them. Called by the body.
pub(crate) fn elements(at: &At<'_>, multi_instance: &MultiInstance) -> Result<Option<Arc<Vec<Value>>>, Failure> {
    match &multi_instance.collection {
        Some(collection) if multi_instance.element_variable.is_some() => list(at, collection).map(Some),
        _ => Ok(None),
    }
}

/// The element of one instance. Camunda 7 fails as well if a cardinality says more than there are.
pub(crate) fn element(at: &At<'_>, elements: &[Value], index: u32) -> Result<Value, Failure> {
    elements.get(index as usize).cloned().ok_or_else(|| {
        let message =
            format!("the collection of '{}' has {} elements, and instance {index} was to have one", at.element().id, elements.len());
        Failure::by_policy(Code::ExpressionFailed, at.index, message)
    })
}

/// The result of an instance that has just ended: null if its variable is gone.
pub(crate) fn result(at: &At<'_>, output: &Output) -> Result<Variable, Failure> {
    match &output.element {
        Source::Expression(expression) => at.variable_of(expression),
        Source::Variable(name) => {
            let variable = at.instance.visible_variable(at.activity, name).cloned();
            Ok(variable.map_or_else(|| Variable::from_json(&serde_json::Value::Null), Variable::into_stored))
        }
    }
}

/// Whether the completion condition is true, as the instance that has just ended sees it. FEEL's null is not true, as at an exclusive
/// gateway.
pub(crate) fn is_complete(at: &At<'_>, multi_instance: &MultiInstance) -> Result<bool, Failure> {
    match (&multi_instance.standard_loop, &multi_instance.completion_condition) {
        (Some(standard), _) => Ok(!goes_on(at, standard)?),
        (None, Some(condition)) => at.is_true(condition),
        (None, None) => Ok(false),
    }
}

/// What an instance throws.
pub(crate) struct InstanceThrown {
    /// The boundary event that catches it.
    pub(crate) event: ElementIndex,
    /// A condition of the model says that it is thrown.
    pub(crate) chosen: bool,
}

/// What an instance throws that has just ended as the nth, as it sees things.
pub(crate) fn thrown(at: &At<'_>, multi_instance: &MultiInstance, nth: u32) -> Result<Vec<InstanceThrown>, Failure> {
    let mut events = Vec::new();
    for InstanceThrow { when, caught_by } in &multi_instance.behavior {
        let is_thrown = match when {
            ThrowWhen::Each => true,
            ThrowWhen::First => nth == 1,
            ThrowWhen::Condition(condition) => at.is_true(condition)?,
        };
        if is_thrown {
            let chosen = matches!(when, ThrowWhen::Condition(_));
            events.extend(caught_by.iter().map(|event| InstanceThrown { event: *event, chosen }));
        }
    }
    Ok(events)
}

/// Whether a standard loop has another turn.
pub(crate) fn goes_on(at: &At<'_>, standard: &StandardLoop) -> Result<bool, Failure> {
    standard.condition.as_ref().map_or(Ok(true), |condition| at.is_true(condition))
}

/// A number of which the fraction is cut off, also as text (`MultiInstanceActivityBehavior.resolveLoopCardinality`).
fn cardinality_of(at: &At<'_>, expression: &Expression) -> Result<u32, Failure> {
    let value = at.evaluate(expression)?;
    let number = match &value {
        Value::Number(number) => number.round(0, Rounding::Down).and_then(mandate_feel::Number::to_i64),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match number {
        Some(number) if number < 0 => Err(at.failed(expression, "the cardinality is negative")),
        Some(number) => u32::try_from(number).map_err(|_| at.failed(expression, "the cardinality is too large")),
        None => Err(at.mismatch(expression, "a number", &value)),
    }
}

fn list(at: &At<'_>, collection: &Source) -> Result<Arc<Vec<Value>>, Failure> {
    match collection {
        Source::Expression(expression) => match &at.evaluate(expression)? {
            Value::List(items) => Ok(Arc::clone(items)),
            other => Err(at.mismatch(expression, "a list", other)),
        },
        Source::Variable(name) => {
            let variable = at.instance.visible_variable(at.activity, name);
            let reason = match &variable.and_then(Variable::to_value) {
                Some(Value::List(items)) => return Ok(Arc::clone(items)),
                Some(other) => format!("is {}, not a list", other.kind()),
                None => "is not there".to_owned(),
            };
            let message = format!("the variable '{name}', the collection of '{}', {reason}", at.element().id);
            Err(Failure::by_policy(Code::ExpressionFailed, at.index, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::expect;

    use crate::limits::MAX_SCOPE_ACTIVITIES;
    use crate::testing::{Run, check, parse, several};

    #[test]
    fn sequence_sees_a_collection_that_has_changed_within_the_same_unit() {
        check(
            &several(
                "scriptTask id='a' scriptFormat='feel' camunda:resultVariable='items'",
                " isSequential='true' camunda:collection='items' camunda:elementVariable='item'>",
                "<script>[\"x\", \"y\"]</script>",
            ),
            r#"start {"items": [1, 2]}"#,
            expect![[r#"
                > start {"items": [1, 2]}
                  started at s
                  items = [1,2]
                  + s #2
                  - #2
                  + a body #3
                  nrOfActiveInstances = 1 in #3
                  nrOfCompletedInstances = 0 in #3
                  nrOfInstances = 2 in #3
                  item = 1 in #4
                  loopCounter = 0 in #4
                  + a #4 in #3
                  items = ["x","y"]
                  - #4
                  nrOfCompletedInstances = 1 in #3
                  item = "y" in #5
                  loopCounter = 1 in #5
                  + a #5 in #3
                  items = ["x","y"]
                  - #5
                  nrOfCompletedInstances = 2 in #3
                  - #3
                  + u #6
                  task u !7 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn completion_condition_ends_what_has_begun_and_forgets_what_has_not() {
        check(
            &several(
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
            &several(
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
            &several(
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
        let once = several(
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
                several("userTask id='a'", " camunda:collection='items'>", "")
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
            let definition = parse(&several("task id='a'", loops, ""));
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
            (
                " isSequential='true'><loopCardinality>${n}</loopCardinality><loopDataOutputRef>o</loopDataOutputRef><outputDataItem name='i'/>",
                r#"{"n": 4000000000}"#,
            ),
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
            ACTIVITY_LIMIT: its body would hold 100001 instances; at most 100000 are allowed
            ACTIVITY_LIMIT: its body would hold 4000000000 instances; at most 100000 are allowed
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
            let definition = parse(&several("userTask id='a'", "><loopCardinality>${n}</loopCardinality>", ""));
            let mut run = Run::new(&definition);
            run.line(&format!("start {{\"n\": {start}}}"));
            let a = definition.find("a").unwrap();
            assert_eq!(run.instance.tasks().filter(|task| task.element == a).count(), instances, "{start}");
        }
    }

    #[test]
    fn results_are_a_list_in_the_order_of_the_instances_when_all_is_done() {
        check(
            &several(
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
            &several(
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
            &several(
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
