//! Call activities.

use mandate_feel::{Expression, Value};
use mandate_model::{Binding, CallActivity, Pass, Source};
use serde_json::Value as Json;

use super::{At, Behaviour, Next, WaitFor, only_stored};
use crate::Code;
use crate::call::{Asked, CalledVersion};
use crate::input::Failure;
use crate::limits::MAX_CALL_DEPTH;
use crate::variable::{Variable, Variables};

/// BPMN 2.0, 10.3.6. Entered, it evaluates whom it calls and with what, and waits, its boundary events armed, until the called instance has
/// ended. It goes on by the flows whose conditions say so; by a boundary event or event sub-process around it when the called instance ends
/// with an error or escalation that nothing catches there. When it is cancelled, the called instance is.
impl Behaviour for CallActivity {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        let depth = at.instance.caller().map_or(0, |caller| caller.depth);
        if depth >= MAX_CALL_DEPTH {
            let message = format!("processes call each other more than {MAX_CALL_DEPTH} deep; one that calls itself without an end?");
            return Err(Failure::never(Code::CallDepth, at.index, message));
        }
        let tenant = match &self.tenant {
            Some(tenant) => at.text(tenant)?.filter(|it| !it.is_empty()),
            None => at.instance.tenant().map(str::to_owned),
        };
        let business_key = self.business_key.as_ref().map(|it| at.text(it)).transpose()?.flatten();
        Ok(Next::Wait(WaitFor::Called(Box::new(Asked {
            process: named(at, &self.process)?,
            version: version(at, &self.binding)?,
            tenant,
            business_key,
            variables: inputs(at, &self.inputs)?,
        }))))
    }
}

/// A text that must be there.
fn named(at: &At<'_>, expression: &Expression) -> Result<String, Failure> {
    let text = at.text(expression)?.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    text.ok_or_else(|| at.mismatch(expression, "string", &Value::Null))
}

fn version(at: &At<'_>, binding: &Binding) -> Result<CalledVersion, Failure> {
    Ok(match binding {
        Binding::Latest => CalledVersion::Latest,
        Binding::Deployment => CalledVersion::Deployment,
        Binding::VersionTag(tag) => CalledVersion::Tag(named(at, tag)?),
        Binding::Version(version) => {
            let number = named(at, version)?;
            let number = number.parse().map_err(|_| at.mismatch(version, "a whole number", &Value::from_json(&Json::String(number))))?;
            CalledVersion::Number(number)
        }
    })
}

/// What the called instance begins with (Camunda 7 `CallableElement.getInputVariables`).
fn inputs(at: &At<'_>, passes: &[Pass]) -> Result<Variables, Failure> {
    let mut inputs = Variables::new();
    let own = || at.instance.variables(at.activity).cloned().unwrap_or_default();
    for pass in passes {
        match pass {
            Pass::All { local: true } => inputs.extend(only_stored(own())),
            Pass::All { local: false } => inputs.extend(at.visible_variables()),
            Pass::One { source, target, local } => {
                let value = match source {
                    Source::Variable(name) if *local => own().remove(name),
                    Source::Variable(name) => at.instance.visible_variable(at.activity, name).cloned(),
                    Source::Expression(expression) => Some(at.variable_of(expression)?),
                };
                inputs.insert(target.clone(), value.map_or_else(|| Variable::from_json(&Json::Null), Variable::into_stored));
            }
            Pass::Data(name) => inputs.extend(own().remove_entry(name)),
        }
    }
    Ok(inputs)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::call::crossing::{WATCHED, caller};
    use crate::testing::{Run, check, parse};

    /// `start > c > u`, where `c` calls a process with these attributes and extensions.
    fn calling(attributes: &str, extensions: &str) -> String {
        format!(
            "<startEvent id='s'/><callActivity id='c' {attributes}><extensionElements>{extensions}</extensionElements></callActivity>\
             <userTask id='u'/>{{s>c>u}}"
        )
    }

    #[test]
    fn nothing_goes_in_or_comes_out_that_is_not_named() {
        check(
            &calling(
                "calledElement='${which}' camunda:calledElementBinding='version' camunda:calledElementVersion='3' \
                 camunda:calledElementTenantId='acme'",
                "<camunda:in businessKey='${execution.processBusinessKey}'/><camunda:in source='a' target='x'/>\
                 <camunda:in source='missing' target='y'/><camunda:in sourceExpression='${a + 1}' target='z'/>\
                 <camunda:out source='r' target='result'/><camunda:out sourceExpression='${r * 2}' target='twice' local='true'/>\
                 <camunda:out source='nothing' target='none'/>",
            ),
            r#"
                start {"which": "other", "a": 1}
                leaves
                hear c completed {"r": 20, "secret": true}
                hear !4 completed
            "#,
            expect![[r#"
                > start {"which": "other", "a": 1}
                  started at s
                  a = 1
                  which = "other"
                  + s #2
                  - #2
                  + c #3
                  #3 calls
                  process call c !4 'other' Number(3) of acme key order-17 {x: 1, y: null, z: 2}
                > leaves
                  c #3: called instance of 'other'
                > hear c completed {"r": 20, "secret": true}
                  none = null
                  result = 20
                  twice = 40 in #3
                  - #3
                  + u #5
                  task u !6 of nobody users [] groups []
                > hear !4 completed
                  rejected: nothing waits under number 4
            "#]],
        );
    }

    #[test]
    fn all_variables_or_only_the_activitys_own() {
        let mapped = "<camunda:inputOutput><camunda:inputParameter name='own'>= a + 1</camunda:inputParameter></camunda:inputOutput>";
        let all = |local: &str| {
            calling("calledElement='other'", &format!("{mapped}<camunda:in variables='all'{local}/><camunda:out variables='all'/>"))
        };
        check(
            &all(""),
            r#"
                start {"a": 1}
                hear c completed {"a": 5, "own": 6, "new": 7}
            "#,
            expect![[r#"
                > start {"a": 1}
                  started at s
                  a = 1
                  + s #2
                  - #2
                  + c #3
                  own = 2 in #3
                  #3 calls
                  process call c !4 'other' Latest {a: 1, own: 2}
                > hear c completed {"a": 5, "own": 6, "new": 7}
                  a = 5
                  new = 7
                  own = 6 in #3
                  - #3
                  + u #5
                  task u !6 of nobody users [] groups []
            "#]],
        );
        check(
            &all(" local='true'"),
            r#"start {"a": 1}"#,
            expect![[r#"
            > start {"a": 1}
              started at s
              a = 1
              + s #2
              - #2
              + c #3
              own = 2 in #3
              #3 calls
              process call c !4 'other' Latest {own: 2}
        "#]],
        );
    }

    #[test]
    fn zeebe_propagates_all_both_ways_unless_told_otherwise() {
        check(
            &calling("", "<zeebe:calledElement processId='= which'/>"),
            r#"
                start {"which": "other"}
                hear c completed {"r": 1}
            "#,
            expect![[r#"
                > start {"which": "other"}
                  started at s
                  which = "other"
                  + s #2
                  - #2
                  + c #3
                  #3 calls
                  process call c !4 'other' Latest {which: "other"}
                > hear c completed {"r": 1}
                  r = 1
                  - #3
                  + u #5
                  task u !6 of nobody users [] groups []
            "#]],
        );
        check(
            &calling(
                "",
                "<zeebe:calledElement processId='other' propagateAllChildVariables='false' propagateAllParentVariables='false'/>\
                 <zeebe:ioMapping><zeebe:input source='= a' target='x'/><zeebe:output source='= r + 1' target='result'/></zeebe:ioMapping>",
            ),
            r#"
                start {"a": 1}
                hear c completed {"r": 1}
            "#,
            expect![[r#"
                > start {"a": 1}
                  started at s
                  a = 1
                  + s #2
                  - #2
                  + c #3
                  x = 1 in #3
                  #3 calls
                  process call c !4 'other' Latest {x: 1}
                > hear c completed {"r": 1}
                  r = 1 in #3
                  result = 2
                  - #3
                  + u #5
                  task u !6 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn error_of_the_called_instance_is_caught_on_the_activity() {
        check(
            WATCHED,
            r#"
                start
                hear c error E {"r": 1}
                hear !5 error E
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + c #3
                  job Timer t !4 due 60000, 3 left, 0 failed
                  #3 calls
                  process call c !5 'other' Latest {}
                > hear c error E {"r": 1}
                  r = 1
                  code = "E"
                  text = "no"
                  job !4 gone
                  - #3 canceled
                  + b #6
                  - #6
                  + caught #7
                  task caught !8 of nobody users [] groups []
                > hear !5 error E
                  rejected: nothing waits under number 5
            "#]],
        );
    }

    #[test]
    fn escalation_lets_the_call_go_on_or_ends_it_and_none_is_heard_twice() {
        check(
            WATCHED,
            r#"
                start
                hear c escalation LATE {"r": 1}
                hear c again
                hear c escalation LATE {"r": 2}
                hear c escalation-ends LOST {"r": 3}
                hear !5 again
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + c #3
                  job Timer t !4 due 60000, 3 left, 0 failed
                  #3 calls
                  process call c !5 'other' Latest {}
                > hear c escalation LATE {"r": 1}
                  r = 1
                  + n #6
                  - #6
                  + noted #7
                  task noted !8 of nobody users [] groups []
                > hear c again
                  rejected: the call has heard 1 reports; this is number 1
                > hear c escalation LATE {"r": 2}
                  r = 2
                  + n #9
                  - #9
                  + noted #10
                  task noted !11 of nobody users [] groups []
                > hear c escalation-ends LOST {"r": 3}
                  r = 3
                  job !4 gone
                  - #3 canceled
                  + i #12
                  - #12
                  + caught #13
                  task caught !14 of nobody users [] groups []
                > hear !5 again
                  rejected: nothing waits under number 5
            "#]],
        );
    }

    #[test]
    fn call_that_is_left_ends_what_it_called_once() {
        check(
            WATCHED,
            "
                start
                run t
                hear !5 completed
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + c #3
                  job Timer t !4 due 60000, 3 left, 0 failed
                  #3 calls
                  process call c !5 'other' Latest {}
                > run t
                  job !4 gone
                  process call !5 ends it: InternallyTerminated None
                  - #3 canceled
                  + t #6
                  - #6
                  + caught #7
                  task caught !8 of nobody users [] groups []
                > hear !5 completed
                  rejected: nothing waits under number 5
            "#]],
        );
        check(
            WATCHED,
            "start\n cancel no more",
            expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + c #3
              job Timer t !4 due 60000, 3 left, 0 failed
              #3 calls
              process call c !5 'other' Latest {}
            > cancel no more
              job !4 gone
              process call !5 ends it: ExternallyTerminated Some("no more")
              - #3 canceled
              ended: ExternallyTerminated (no more)
              end
        "#]],
        );
    }

    #[test]
    fn each_instance_of_several_calls_and_one_that_is_deleted_is_waited_for_no_longer() {
        check(
            &crate::testing::several("callActivity id='a' calledElement='other'", "><loopCardinality>3</loopCardinality>", ""),
            "
                start
                leaves
                hear !7 completed
                hear !8 deleted
                hear !9 completed
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
                  #4 calls
                  process call a !7 'other' Latest {}
                  + a #5 in #3
                  #5 calls
                  process call a !8 'other' Latest {}
                  + a #6 in #3
                  #6 calls
                  process call a !9 'other' Latest {}
                > leaves
                  a #4: called instance of 'other'
                  a #5: called instance of 'other'
                  a #6: called instance of 'other'
                > hear !7 completed
                  - #4
                  nrOfActiveInstances = 2 in #3
                  nrOfCompletedInstances = 1 in #3
                > hear !8 deleted
                  - #5 canceled
                  nrOfActiveInstances = 1 in #3
                > hear !9 completed
                  - #6
                  nrOfActiveInstances = 0 in #3
                  nrOfCompletedInstances = 2 in #3
                  - #3
                  + u #10
                  task u !11 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn calls_nest_no_deeper_than_the_bound() {
        let definition = parse("<startEvent id='s'/><callActivity id='c' calledElement='process'/>{s>c}");
        let ends = |depth| {
            let mut run = Run::called(&definition, caller(depth, Vec::new()));
            run.line("start");
            run.trace
        };
        assert!(ends(crate::limits::MAX_CALL_DEPTH - 1).contains("process call c"));
        assert!(ends(crate::limits::MAX_CALL_DEPTH).contains("failed: CALL_DEPTH"));
    }

    #[test]
    fn call_of_nobody_fails_the_unit() {
        check(
            &calling("calledElement='${which}'", ""),
            "start {\"which\": null}",
            expect![[r#"
            > start {"which": null}
              failed: EXPRESSION_FAILED: the expression '${which}' of 'c': gives null, not string
        "#]],
        );
    }
}
