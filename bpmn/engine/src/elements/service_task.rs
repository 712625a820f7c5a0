//! Service and send tasks that a delegate does. Those that a worker does are in `external_task.rs`.

use mandate_model::{Implementation, ServiceTask};

use super::{At, Behaviour, Next, external_task};
use crate::input::Failure;

impl Behaviour for ServiceTask {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        match &self.implementation {
            Implementation::Topic(topic) if self.by_worker => external_task::enter(at, topic, self),
            implementation => Ok(Next::Call(implementation.clone())),
        }
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
            expect![[r#"
                > start {"n": 1}
                  started at s
                  n = 1
                  + s #2
                  - #2
                  + a #3
                  call a !4 attempt 1, 0 left {n: 1}
                > leaves
                  a #3: running
                > suspend
                  rejected: a delegate is running in this unit of work
                > return {"n": 2, "ok": true}
                  n = 2
                  ok = true
                  - #3
                  + b #5
                  call b !6 attempt 1, 0 left {n: 2, ok: true}
                > return {"late": true}
                  late = true
                  - #5
                  + u #7
                  task u !8 of nobody users [] groups []
            "#]],
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
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + a #3
                  call a !4 attempt 1, 0 left {}
                > return
                  - #3
                  + u #5
                  task u !6 of nobody users [] groups []
                > return
                  rejected: nothing waits under number 4
            "#]],
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
            expect![[r#"
                > start {"n": 1, "result": 0}
                  started at s
                  n = 1
                  result = 0
                  + s #2
                  - #2
                  + a #3
                  x = 2 in #3
                  y = 4 in #3
                  call a !4 attempt 1, 0 left {n: 1, result: 0, x: 2, y: 4}
                > return {"result": 10}
                  result = 10
                  sum = 14
                  - #3
                  + u #5
                  task u !6 of nobody users [] groups []
            "#]],
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
            expect![[r#"
                > start {"n": 1}
                  failed: EXPRESSION_FAILED: the expression '${nobody + 1}' of 'a': Cannot resolve identifier 'nobody'
            "#]],
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
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + a #3
                  call a !4 attempt 1, 0 left {}
                > error E {"why": "stock"}
                  code = "E"
                  text = "no"
                  why = "stock"
                  - #3 canceled
                  + b #5
                  - #5
                  + w #6
                  task w !7 of nobody users [] groups []
            "#]],
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
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + a #3
                  call a !4 attempt 1, 0 left {}
                > error OTHER
                  - #3 canceled
                  + any #5
                  - #5
                  + v #6
                  task v !7 of nobody users [] groups []
            "#]],
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
                  + t #6 in #3
                  task t !7 of nobody users [] groups []
                  + a #8 in #3
                  call a !9 attempt 1, 0 left {}
                > error E
                  task !7 gone
                  - #6 canceled
                  - #8 canceled
                  - #3 canceled
                  + b #10
                  - #10
                  + w #11
                  task w !12 of nobody users [] groups []
            "#]],
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
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  job AsyncBefore a !4 due 0, 3 left, 0 failed
                > run a
                  job !4 gone
                  + a #3
                  call a !5 attempt 1, 2 left {}
                > error E
                  failed: UNHANDLED_BPMN_ERROR: BPMN error 'E', which nothing catches: no
            "#]],
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
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  job AsyncBefore a !4 due 0, 3 left, 0 failed
                > run a
                  job !4 gone
                  + a #3
                  call a !5 attempt 1, 2 left {}
                > crash
                > fail a
                  job AsyncBefore a !4 due 10000, 2 left, 1 failed
                > at 10000
                > run a
                  job !4 gone
                  + a #3
                  call a !5 attempt 2, 1 left {}
                > crash
                > fail a
                  job AsyncBefore a !4 due 70000, 1 left, 2 failed
                > leaves
                  a #3: job, attempt 3, 1 left, due 70000 until 70000
                > fail a
                  job AsyncBefore a !4 due 70000, 0 left, 3 failed
                  incident 5 of !4 at a, attempt 3: DELEGATE_FAILED: it broke
                > leaves
                  a #3: incident 5
                > run a
                  incident 5 resolved
                  job !4 gone
                  + a #3
                  call a !6 attempt 4, 0 left {}
                > crash
                > retries a 2
                  job AsyncBefore a !4 due 10000, 2 left, 3 failed
                  incident 5 resolved
                > leaves
                  a #3: job, attempt 4, 2 left, due 10000 until 10000
                > run a
                  job !4 gone
                  + a #3
                  call a !6 attempt 4, 1 left {}
                > return
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn default_policy_doubles_with_jitter() {
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A' camunda:asyncBefore='true'/>{s>a}",
            "
                start
                fail a
                at 10000
                fail a
                fail a
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  job AsyncBefore a !4 due 0, 3 left, 0 failed
                > fail a
                  job AsyncBefore a !4 due 5733, 2 left, 1 failed
                > at 10000
                > fail a
                  job AsyncBefore a !4 due 21679, 1 left, 2 failed
                > fail a
                  job AsyncBefore a !4 due 21679, 0 left, 3 failed
                  incident 5 of !4 at a, attempt 3: DELEGATE_FAILED: it broke
            "#]],
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
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  job AsyncBefore a !4 due 0, 3 left, 0 failed
                > fail a after 77
                  job AsyncBefore a !4 due 77, 2 left, 1 failed
                > fail a after 99999999999999
                  job AsyncBefore a !4 due 2592000000, 1 left, 2 failed
                > retries a 3
                  job AsyncBefore a !4 due 0, 3 left, 2 failed
                > fail a never
                  job AsyncBefore a !4 due 0, 0 left, 3 failed
                  incident 5 of !4 at a, attempt 3: DELEGATE_FAILED: it broke
                > fail a
                  job AsyncBefore a !4 due 0, 0 left, 4 failed
                  incident 5 of !4 at a, attempt 4: DELEGATE_FAILED: it broke
            "#]],
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
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  job AsyncBefore a !4 due 0, 3 left, 0 failed
                > retries a 0
                  job AsyncBefore a !4 due 0, 0 left, 0 failed
                  incident 5 of !4 at a, attempt 1: RETRIES_SET_TO_ZERO: somebody set its retries to 0
                > retries a 0
                  job AsyncBefore a !4 due 0, 0 left, 0 failed
                > leaves
                  a #3: incident 5
                > retries a 1
                  job AsyncBefore a !4 due 0, 1 left, 0 failed
                  incident 5 resolved
            "#]],
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
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  job AsyncBefore a !4 due 0, 3 left, 0 failed
                > suspend
                  suspended: true
                > suspend
                > run a
                  rejected: the instance is suspended
                > fail a
                  rejected: the instance is suspended
                > set {"n": 1}
                  n = 1
                > unset n
                  n removed
                > unset n
                > retries a 5
                  job AsyncBefore a !4 due 0, 5 left, 0 failed
                > activate
                  suspended: false
                > run a
                  job !4 gone
                  + a #3
                  call a !5 attempt 1, 4 left {}
                > return
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn delegate_is_given_its_fields_as_they_are_when_it_is_called() {
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A'><extensionElements><camunda:field name='fixed' stringValue='${x}'/>\
             <camunda:field name='computed'><camunda:expression>${n + 1}</camunda:expression></camunda:field>\
             <camunda:field name='text' expression='order-${n}'/><camunda:field name='none' expression='= null'/>\
             <camunda:executionListener event='end' class='Audit'><camunda:field name='who'><camunda:string>me</camunda:string></camunda:field>\
             </camunda:executionListener></extensionElements></serviceTask>{s>a}",
            r#"
                start {"n": 1}
                return {"n": 2}
                return
                start {"m": 1}
            "#,
            expect![[r#"
                > start {"n": 1}
                  started at s
                  n = 1
                  + s #2
                  - #2
                  + a #3
                  call a !4 attempt 1, 0 left {n: 1} fixed=${x} computed=2 text=order-1
                > return {"n": 2}
                  n = 2
                  call end a !5 attempt 1, 0 left {n: 2} who=me
                > return
                  - #3
                  ended: Completed
                  end
                > start {"m": 1}
                  rejected: the instance has been started already
            "#]],
        );
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A'><extensionElements><camunda:field name='f' expression='${nobody}'/>\
             </extensionElements></serviceTask>{s>a}",
            "start",
            expect![[r#"
                > start
                  failed: EXPRESSION_FAILED: the expression '${nobody}' of 'a': Cannot resolve identifier 'nobody'
            "#]],
        );
    }
}
