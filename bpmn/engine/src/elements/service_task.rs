//! Service tasks, and send tasks that a delegate does.

use mandate_model::ServiceTask;

use super::{At, Behaviour, Next};
use crate::input::Failure;

impl Behaviour for ServiceTask {
    fn enter(&self, _at: &At<'_>) -> Result<Next, Failure> {
        Ok(Next::Call)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    #[test]
    fn chain_of_delegates_is_one_unit() {
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A'/><serviceTask id='b' camunda:class='B'/>\
             <userTask id='u'/>{s>a>b>u}",
            r#"
                start {"n": 1}
                leaves
                suspend
                return {"n": 2, "ok": true}
                return {"late": true}
            "#,
            expect![[""]],
        );
    }

    #[test]
    fn answer_that_comes_twice_finds_no_call() {
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A'/><userTask id='u'/>{s>a>u}",
            "
                start
                return
                return
            ",
            expect![[""]],
        );
    }

    #[test]
    fn inputs_are_local_and_outputs_carry_out_what_is_meant_to_leave() {
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A'><extensionElements><camunda:inputOutput>\
             <camunda:inputParameter name='x'>${n + 1}</camunda:inputParameter><camunda:inputParameter name='y'>= x * 2\
             </camunda:inputParameter><camunda:outputParameter name='sum'>= result + y</camunda:outputParameter>\
             </camunda:inputOutput></extensionElements></serviceTask><userTask id='u'/>{s>a>u}",
            r#"
                start {"n": 1, "result": 0}
                return {"result": 10}
            "#,
            expect![[""]],
        );
    }

    #[test]
    fn expression_that_fails_names_itself_and_no_value() {
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A'><extensionElements><camunda:inputOutput>\
             <camunda:inputParameter name='x'>${nobody + 1}</camunda:inputParameter></camunda:inputOutput>\
             </extensionElements></serviceTask>{s>a}",
            r#"
                start {"n": 1}
            "#,
            expect![[""]],
        );
    }

    #[test]
    fn business_error_is_caught_by_its_code_before_the_catch_all() {
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A'/><boundaryEvent id='any' attachedToRef='a'>\
             <errorEventDefinition/></boundaryEvent><boundaryEvent id='b' attachedToRef='a'>\
             <errorEventDefinition errorRef='err' camunda:errorCodeVariable='code' camunda:errorMessageVariable='text'/>\
             </boundaryEvent><userTask id='u'/><userTask id='v'/><userTask id='w'/>{s>a>u}{any>v}{b>w}",
            r#"
                start
                error E {"why": "stock"}
            "#,
            expect![[""]],
        );
    }

    #[test]
    fn business_error_of_an_unknown_code_goes_to_the_catch_all() {
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A'/><boundaryEvent id='any' attachedToRef='a'>\
             <errorEventDefinition/></boundaryEvent><boundaryEvent id='b' attachedToRef='a'>\
             <errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='u'/><userTask id='v'/><userTask id='w'/>\
             {s>a>u}{any>v}{b>w}",
            "
                start
                error OTHER
            ",
            expect![[""]],
        );
    }

    #[test]
    fn business_error_walks_outward_over_scopes() {
        check(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><parallelGateway id='f'/><userTask id='t'/>\
             <serviceTask id='a' camunda:class='A'/>{ps>f}{f>t}{f>a}</subProcess><boundaryEvent id='b' attachedToRef='p'>\
             <errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='w'/>{s>p}{b>w}",
            "
                start
                error E
            ",
            expect![[""]],
        );
    }

    #[test]
    fn business_error_that_nothing_catches_fails_for_good() {
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A' camunda:asyncBefore='true'/>{s>a}",
            "
                start
                run a
                error E
            ",
            expect![[""]],
        );
    }

    #[test]
    fn failed_job_is_retried_by_its_policy_and_ends_in_an_incident() {
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A' camunda:asyncBefore='true'><extensionElements>\
             <camunda:failedJobRetryTimeCycle>PT10S,PT1M</camunda:failedJobRetryTimeCycle></extensionElements></serviceTask>\
             {s>a}",
            "
                start
                run a
                crash
                fail a
                at 10000
                run a
                crash
                fail a
                leaves
                fail a
                leaves
                run a
                crash
                retries a 2
                leaves
                run a
                return
            ",
            expect![[""]],
        );
    }

    #[test]
    fn default_policy_doubles_with_jitter() {
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A' camunda:asyncBefore='true'/>{s>a}",
            "
                start
                fail a
                fail a
                fail a
            ",
            expect![[""]],
        );
    }

    #[test]
    fn advice_of_the_delegate_goes_before_the_policy() {
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A' camunda:asyncBefore='true'/>{s>a}",
            "
                start
                fail a after 77
                fail a after 99999999999999
                retries a 3
                fail a never
                fail a
            ",
            expect![[""]],
        );
    }

    #[test]
    fn retries_set_to_zero_are_an_incident_of_their_own() {
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A' camunda:asyncBefore='true'/>{s>a}",
            "
                start
                retries a 0
                retries a 0
                leaves
                retries a 1
            ",
            expect![[""]],
        );
    }

    #[test]
    fn suspended_instance_refuses_all_but_repair() {
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A' camunda:asyncBefore='true'/>{s>a}",
            r#"
                start
                suspend
                suspend
                run a
                fail a
                set {"n": 1}
                unset n
                unset n
                retries a 5
                activate
                run a
                return
            "#,
            expect![[""]],
        );
    }
}
