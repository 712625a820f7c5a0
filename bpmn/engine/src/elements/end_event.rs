//! End events: none, terminate, error (BPMN 2.0, 10.5.3 and 13.5.6).

use mandate_model::EndResult;

use super::{At, Behaviour, Next};
use crate::input::Failure;

impl Behaviour for EndResult {
    fn enter(&self, _at: &At<'_>) -> Result<Next, Failure> {
        Ok(match self {
            EndResult::None => Next::Leave(Vec::new()),
            EndResult::Terminate => Next::Terminate,
            EndResult::Error(error) => Next::Throw { code: error.code.clone(), message: error.message.clone() },
        })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

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
            expect![[""]],
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
            expect![[""]],
        );
    }

    #[test]
    fn terminate_stops_tokens_that_have_not_moved_yet() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><endEvent id='t'><terminateEventDefinition/></endEvent>\
             <userTask id='c'/>{s>f}{f>t}{f>c}",
            "start",
            expect![[""]],
        );
    }

    #[test]
    fn terminate_in_a_sub_process_ends_only_that() {
        check(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><parallelGateway id='f'/><userTask id='a'/>\
             <endEvent id='t'><terminateEventDefinition/></endEvent>{ps>f}{f>a}{f>t}</subProcess><userTask id='after'/>\
             {s>p>after}",
            "start",
            expect![[""]],
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
            expect![[""]],
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
            expect![[""]],
        );
    }
}
