//! End events: none, terminate, error, escalation, signal, compensation, cancel (BPMN 2.0, 10.5.3 and 13.5.6). The last two wait until what
//! they have compensated is undone.

use mandate_model::EndResult;

use super::{At, Behaviour, Next};
use crate::input::Failure;

impl Behaviour for EndResult {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        Ok(match self {
            EndResult::None => Next::Leave(Vec::new()),
            EndResult::Terminate => Next::Terminate,
            EndResult::Escalation(escalation) => Next::Escalate { code: escalation.code.clone() },
            EndResult::Signal(signal) => signal.enter(at)?,
            EndResult::Compensation(throw) => Next::Compensate { only: throw.activity },
            EndResult::Cancel => Next::Cancel,
            EndResult::Error(error) => {
                let message = error.message.as_ref().map(|it| at.text(it)).transpose()?.flatten();
                Next::Throw { code: error.code.clone(), message }
            }
        })
    }

    fn resume(&self, at: &At<'_>) -> Result<Next, Failure> {
        if let EndResult::Cancel = self { Ok(Next::LeaveTransaction) } else { at.leave() }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{check, check_definition, parse_file};

    #[test]
    fn process_ends_with_its_last_token() {
        check(
            "<startEvent id='s'/><task id='f'/><userTask id='a'/><userTask id='b'/><endEvent id='ea'/><endEvent id='eb'/>\
             {s>f}{f>a>ea}{f>b>eb}",
            "
                start
                complete b
                complete a
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + a #4
                  task a !5 of nobody users [] groups []
                  + b #6
                  task b !7 of nobody users [] groups []
                > complete b
                  task !7 gone
                  - #6
                  + eb #8
                  - #8
                > complete a
                  task !5 gone
                  - #4
                  + ea #9
                  - #9
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn terminate_ends_everything_in_the_process() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><subProcess id='p'><startEvent id='ps'/>\
             <userTask id='b'/>{ps>b}</subProcess><userTask id='c'/><endEvent id='t'><terminateEventDefinition/></endEvent>\
             {s>f}{f>a}{f>p}{f>c>t}",
            "
                start
                complete c
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + a #4
                  task a !5 of nobody users [] groups []
                  + p #6
                  + ps #7 in #6
                  - #7
                  + b #8 in #6
                  task b !9 of nobody users [] groups []
                  + c #10
                  task c !11 of nobody users [] groups []
                > complete c
                  task !11 gone
                  - #10
                  + t #12
                  task !5 gone
                  - #4 canceled
                  task !9 gone
                  - #8 canceled
                  - #6 canceled
                  - #12
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn terminate_stops_tokens_that_have_not_moved_yet() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><endEvent id='t'><terminateEventDefinition/></endEvent>\
             <userTask id='c'/>{s>f}{f>t}{f>c}",
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + t #4
                  - #4
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn terminate_in_a_sub_process_ends_only_that() {
        check(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><parallelGateway id='f'/><userTask id='a'/>\
             <endEvent id='t'><terminateEventDefinition/></endEvent>{ps>f}{f>a}{f>t}</subProcess><userTask id='after'/>\
             {s>p>after}",
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + f #5 in #3
                  - #5
                  + a #6 in #3
                  task a !7 of nobody users [] groups []
                  + t #8 in #3
                  task !7 gone
                  - #6 canceled
                  - #8
                  - #3
                  + after #9
                  task after !10 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn error_end_is_caught_on_the_sub_process() {
        check(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><parallelGateway id='f'/><userTask id='a'/>\
             <endEvent id='x'><errorEventDefinition errorRef='err'/></endEvent>{ps>f}{f>a}{f>x}</subProcess>\
             <boundaryEvent id='b' attachedToRef='p'>\
             <errorEventDefinition errorRef='err' camunda:errorCodeVariable='code' camunda:errorMessageVariable='text'/>\
             </boundaryEvent><userTask id='repair'/><endEvent id='e'/>{s>p>e}{b>repair}",
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + f #5 in #3
                  - #5
                  + a #6 in #3
                  task a !7 of nobody users [] groups []
                  + x #8 in #3
                  - #8 canceled
                  code = "E"
                  text = null
                  task !7 gone
                  - #6 canceled
                  - #3 canceled
                  + b #9
                  - #9
                  + repair #10
                  task repair !11 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn error_of_another_code_passes_by_and_is_consumed() {
        check(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><endEvent id='x'>\
             <errorEventDefinition errorRef='err2'/></endEvent>{ps>x}</subProcess><boundaryEvent id='b' attachedToRef='p'>\
             <errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='repair'/><userTask id='on'/>{s>p>on}\
             {b>repair}",
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + x #5 in #3
                  - #5
                  - #3
                  + on #6
                  task on !7 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn end_event_with_several_definitions_throws_all_and_ends_by_the_last() {
        check(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><endEvent id='e'><errorEventDefinition errorRef='err'/>\
             <escalationEventDefinition escalationRef='esc'/></endEvent>{ps>e}</subProcess><boundaryEvent id='x' attachedToRef='p' \
             cancelActivity='false'><escalationEventDefinition/></boundaryEvent><boundaryEvent id='b' attachedToRef='p'><errorEventDefinition \
             errorRef='err'/></boundaryEvent><userTask id='u'/>{s>p}{b>u}",
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + e #5 in #3
                  + x #6
                  - #6
                  - #5
                  + e #7 in #3
                  - #7 canceled
                  - #3 canceled
                  + b #8
                  - #8
                  + u #9
                  task u !10 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn message_of_an_error_is_what_its_expression_gives_when_it_is_thrown() {
        let error = "<error id='told' name='told' errorCode='E' camunda:errorMessage='no ${item}'/>";
        let elements = "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><endEvent id='e'><errorEventDefinition errorRef='told'/></endEvent>\
                        {ps>e}</subProcess><boundaryEvent id='b' attachedToRef='p'><errorEventDefinition errorRef='err' \
                        camunda:errorMessageVariable='why'/></boundaryEvent><userTask id='u'/>{s>p}{b>u}";
        check_definition(
            &parse_file(elements, error),
            r#"
                start {"thing": 1}
                start {"item": "router"}
            "#,
            expect![[r#"
                > start {"thing": 1}
                  failed: EXPRESSION_FAILED: the expression 'no ${item}' of 'e': Cannot resolve identifier 'item'
                > start {"item": "router"}
                  started at s
                  item = "router"
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + e #5 in #3
                  - #5 canceled
                  why = "no router"
                  - #3 canceled
                  + b #6
                  - #6
                  + u #7
                  task u !8 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn message_that_nobody_sends_is_a_none_event_in_camundas_dialect() {
        check(
            "<startEvent id='s'/><intermediateThrowEvent id='t' camunda:asyncAfter='true'><messageEventDefinition messageRef='msg'/></intermediateThrowEvent>\
             <endEvent id='e'><messageEventDefinition messageRef='msg'/></endEvent>{s>t>e}",
            "
                start
                run t
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + t #3
                  - #3
                  job AsyncAfter t !5 due 0, 3 left, 0 failed
                > run t
                  job !5 gone
                  + e #6
                  - #6
                  ended: Completed
                  end
            "#]],
        );
    }
}
