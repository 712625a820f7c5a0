//! External tasks: service and send tasks that wait for a worker outside.

use mandate_model::ServiceTask;

use super::{At, Next, WaitFor};
use crate::input::Failure;

/// The longest topic, which is as long as a model's may be.
const MAX_TOPIC: usize = 255;

/// A token came in: the task waits under its topic. That, if it is an expression, and its priority are evaluated now (Camunda
/// `ExternalTaskActivityBehavior`); a priority that is null is 0, the default.
pub(super) fn enter(at: &At<'_>, topic: &str, task: &ServiceTask) -> Result<Next, Failure> {
    let topic = match &task.topic {
        None => topic.to_owned(),
        Some(expression) => {
            let topic = at.text(expression)?.filter(|topic| (1..=MAX_TOPIC).contains(&topic.chars().count()));
            topic.ok_or_else(|| at.failed(expression, &format!("gives no topic of 1 to {MAX_TOPIC} characters")))?
        }
    };
    let priority = task.priority.as_ref().map(|it| at.whole(it)).transpose()?.flatten().unwrap_or(0);
    Ok(Next::Wait(WaitFor::ExternalTask { topic, priority }))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{check, check_definition, parse};

    #[test]
    fn worker_completes_it_once_and_the_process_goes_on() {
        check(
            "<startEvent id='s'/><serviceTask id='x' camunda:type='external' camunda:topic='charge' camunda:taskPriority='${urgency}'/>\
             <endEvent id='e'/>{s>x>e}",
            r#"
                start {"urgency": 7}
                leaves
                done x {"paid": true}
                done !4
            "#,
            expect![[r#"
                > start {"urgency": 7}
                  started at s
                  urgency = 7
                  + s #2
                  - #2
                  + x #3
                  external task x !4 'charge' priority 7
                > leaves
                  x #3: external task 'charge'
                > done x {"paid": true}
                  external task !4 gone
                  paid = true
                  - #3
                  + e #5
                  - #5
                  ended: Completed
                  end
                > done !4
                  rejected: the instance has ended
            "#]],
        );
    }

    #[test]
    fn what_is_local_stays_inside_and_outputs_carry_it_out() {
        check(
            "<startEvent id='s'/><serviceTask id='x' camunda:type='external' camunda:topic='charge'><extensionElements>\
             <camunda:inputOutput><camunda:inputParameter name='amount'>= total * 100</camunda:inputParameter>\
             <camunda:outputParameter name='receipt'>= number + amount</camunda:outputParameter></camunda:inputOutput>\
             </extensionElements></serviceTask><userTask id='u'/>{s>x>u}",
            r#"
                start {"total": 3}
                variables x
                done x {"number": 1} local {"amount": 5}
                variables u
            "#,
            expect![[r#"
                > start {"total": 3}
                  started at s
                  total = 3
                  + s #2
                  - #2
                  + x #3
                  amount = 300 in #3
                  external task x !4 'charge' priority 0
                > variables x
                  {amount: 300, total: 3}
                > done x {"number": 1} local {"amount": 5}
                  external task !4 gone
                  number = 1
                  amount = 5 in #3
                  receipt = 6
                  - #3
                  + u #5
                  task u !6 of nobody users [] groups []
                > variables u
                  {number: 1, receipt: 6, total: 3}
            "#]],
        );
    }

    #[test]
    fn failures_count_down_to_an_incident_that_new_retries_resolve() {
        check(
            "<startEvent id='s'/><sendTask id='x' camunda:type='external' camunda:topic='mail'/><endEvent id='e'/>{s>x>e}",
            r#"
                start
                unable x 1 smtp is down
                leaves
                unable x 0
                leaves
                suspend
                done x
                grant x 2
                rank x 7
                activate
                leaves
                grant x 0
                grant x 0
                done x
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + x #3
                  external task x !4 'mail' priority 0
                > unable x 1 smtp is down
                  external task x !4 'mail' priority 0, 1 left, 1 failed: smtp is down
                > leaves
                  x #3: external task 'mail', 1 left
                > unable x 0
                  external task x !4 'mail' priority 0, 0 left, 2 failed
                  incident 5 of !4 at x, attempt 2: EXTERNAL_TASK_FAILED: the worker reported a failure without a message
                > leaves
                  x #3: incident 5
                > suspend
                  suspended: true
                > done x
                  rejected: the instance is suspended
                > grant x 2
                  external task x !4 'mail' priority 0, 2 left, 2 failed
                  incident 5 resolved
                > rank x 7
                  external task x !4 'mail' priority 7, 2 left, 2 failed
                > activate
                  suspended: false
                > leaves
                  x #3: external task 'mail', 2 left
                > grant x 0
                  external task x !4 'mail' priority 7, 0 left, 2 failed
                  incident 6 of !4 at x, attempt 2: EXTERNAL_TASK_FAILED: somebody set its retries to 0
                > grant x 0
                  external task x !4 'mail' priority 7, 0 left, 2 failed
                > done x
                  incident 6 resolved
                  external task !4 gone
                  - #3
                  + e #7
                  - #7
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn business_error_is_caught_or_is_an_incident() {
        check(
            "<startEvent id='s'/><serviceTask id='x' camunda:type='external' camunda:topic='charge'/>\
             <boundaryEvent id='b' attachedToRef='x'><errorEventDefinition errorRef='err' camunda:errorMessageVariable='why'/></boundaryEvent>\
             <userTask id='u'/><endEvent id='e'/>{s>x>e}{b>u}",
            r#"
                start
                throw x E2 {"ignored": 1}
                leaves
                throw x E {"limit": 10}
                throw !4 E
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + x #3
                  external task x !4 'charge' priority 0
                > throw x E2 {"ignored": 1}
                  external task x !4 'charge' priority 0, 0 left, 1 failed: BPMN error 'E2', which nothing catches: no
                  incident 5 of !4 at x, attempt 1: EXTERNAL_TASK_FAILED: BPMN error 'E2', which nothing catches: no
                > leaves
                  x #3: incident 5
                > throw x E {"limit": 10}
                  limit = 10
                  why = "no"
                  incident 5 deleted
                  external task !4 gone
                  - #3 canceled
                  + b #6
                  - #6
                  + u #7
                  task u !8 of nobody users [] groups []
                > throw !4 E
                  rejected: nothing waits under number 4
            "#]],
        );
    }

    #[test]
    fn timer_that_wins_cancels_the_task() {
        check(
            "<startEvent id='s'/><serviceTask id='x' camunda:type='external' camunda:topic='charge'/>\
             <boundaryEvent id='b' attachedToRef='x'><timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition></boundaryEvent>\
             <userTask id='u'/><endEvent id='e'/>{s>x>e}{b>u}",
            "
                start
                leaves
                at 60000
                run b
                done !5
                run !5
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + x #3
                  job Timer b !4 due 60000, 3 left, 0 failed
                  external task x !5 'charge' priority 0
                > leaves
                  x #3: external task 'charge' until 60000
                > at 60000
                > run b
                  job !4 gone
                  external task !5 gone
                  - #3 canceled
                  + b #6
                  - #6
                  + u #7
                  task u !8 of nobody users [] groups []
                > done !5
                  rejected: nothing waits under number 5
                > run !5
                  rejected: nothing waits under number 5
            "#]],
        );
    }

    #[test]
    fn priority_that_is_no_whole_number_fails_the_unit() {
        check(
            "<startEvent id='s'/><serviceTask id='x' camunda:type='external' camunda:topic='charge' camunda:taskPriority='${urgency}'/>{s>x}",
            r#"
                start {"urgency": "high"}
                start {"urgency": 1.5}
                start {"urgency": null}
            "#,
            expect![[r#"
                > start {"urgency": "high"}
                  failed: EXPRESSION_FAILED: the expression '${urgency}' of 'x': gives string, not a whole number
                > start {"urgency": 1.5}
                  failed: EXPRESSION_FAILED: the expression '${urgency}' of 'x': gives number, not a whole number
                > start {"urgency": null}
                  started at s
                  urgency = null
                  + s #2
                  - #2
                  + x #3
                  external task x !4 'charge' priority 0
            "#]],
        );
    }

    /// An external task `x` with what is caught of it, whose reports are errors by these expressions.
    fn judged(errors: &[(&str, &str)]) -> String {
        let errors: Vec<_> = errors
            .iter()
            .map(|(error, expression)| format!("<camunda:errorEventDefinition errorRef='{error}' expression=\"{expression}\"/>"))
            .collect();
        let errors = errors.concat();
        format!(
            "<startEvent id='s'/><serviceTask id='x' camunda:type='external' camunda:topic='charge'><extensionElements>{errors}\
             </extensionElements></serviceTask><boundaryEvent id='b' attachedToRef='x'><errorEventDefinition errorRef='err' \
             camunda:errorMessageVariable='why'/></boundaryEvent><userTask id='u'/><endEvent id='e'/>{{s>x>e}}{{b>u}}"
        )
    }

    #[test]
    fn what_is_done_is_an_error_if_an_expression_says_so() {
        check(
            &judged(&[("err2", "${false}"), ("err", "${status == 'lost'}")]),
            r#"
                start
                done x {"status": "lost"}
                done !4
                leaves
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + x #3
                  external task x !4 'charge' priority 0
                > done x {"status": "lost"}
                  status = "lost"
                  why = null
                  external task !4 gone
                  - #3 canceled
                  + b #5
                  - #5
                  + u #6
                  task u !7 of nobody users [] groups []
                > done !4
                  rejected: nothing waits under number 4
                > leaves
                  u #6: task of nobody
            "#]],
        );
        check(
            &judged(&[("err", "${status == 'lost'}")]),
            r#"
                start
                done x {"status": "fine"}
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + x #3
                  external task x !4 'charge' priority 0
                > done x {"status": "fine"}
                  status = "fine"
                  external task !4 gone
                  - #3
                  + e #5
                  - #5
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn failure_is_an_error_by_its_message_or_details() {
        check(
            &judged(&[
                ("err2", "${nobody.knows.this}"),
                ("err", "${externalTask.errorMessage == 'sold out' and externalTask.getErrorDetails().contains('at length')}"),
            ]),
            "
                start
                unable x 3 busy
                leaves
                unable x 2 sold out
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + x #3
                  external task x !4 'charge' priority 0
                > unable x 3 busy
                  external task x !4 'charge' priority 0, 3 left, 1 failed: busy
                > leaves
                  x #3: external task 'charge', 3 left
                > unable x 2 sold out
                  why = "sold out"
                  external task !4 gone
                  - #3 canceled
                  + b #5
                  - #5
                  + u #6
                  task u !7 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn error_that_nothing_catches_leaves_the_task_with_an_incident() {
        check(
            &judged(&[("err2", "${status == 'lost'}")]),
            r#"
                start
                done x {"status": "lost"}
                leaves
                done x {"status": "fine"}
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + x #3
                  external task x !4 'charge' priority 0
                > done x {"status": "lost"}
                  status = "lost"
                  external task x !4 'charge' priority 0, 0 left, 1 failed: BPMN error 'E2', which nothing catches
                  incident 5 of !4 at x, attempt 1: EXTERNAL_TASK_FAILED: BPMN error 'E2', which nothing catches
                > leaves
                  x #3: incident 5
                > done x {"status": "fine"}
                  status = "fine"
                  incident 5 resolved
                  external task !4 gone
                  - #3
                  + e #6
                  - #6
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn expression_that_fails_lets_nothing_be_done_but_hinders_no_failure() {
        check(
            &judged(&[("err", "${status == 'lost'}")]),
            r#"
                start
                done x
                unable x 1 busy
                done x {"status": null}
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + x #3
                  external task x !4 'charge' priority 0
                > done x
                  failed: EXPRESSION_FAILED: the expression '${status == 'lost'}' of 'x': Cannot resolve identifier 'status'
                > unable x 1 busy
                  external task x !4 'charge' priority 0, 1 left, 1 failed: busy
                > done x {"status": null}
                  status = null
                  external task !4 gone
                  - #3
                  + e #5
                  - #5
                  ended: Completed
                  end
            "#]],
        );
    }

    /// Nothing catches the error, so that the task is answered again: what the condition begins must not hang on its wait.
    #[test]
    fn what_a_condition_begins_beside_an_error_that_stays_sends_from_a_job_of_its_own() {
        check(
            "<startEvent id='s'/><serviceTask id='x' camunda:type='external' camunda:topic='charge'><extensionElements>\
             <camunda:errorEventDefinition errorRef='err' expression=\"${status == 'lost'}\"/></extensionElements></serviceTask>{s>x}\
             <subProcess id='p' triggeredByEvent='true'><startEvent id='ps' isInterrupting='false'><conditionalEventDefinition>\
             <condition>= status = \"lost\"</condition></conditionalEventDefinition></startEvent><serviceTask id='d' camunda:class='d'/>{ps>d}</subProcess>",
            r#"
                start {"status": null}
                done x {"status": "lost"}
            "#,
            expect![[r#"
                > start {"status": null}
                  started at s
                  status = null
                  condition ps !2
                  + s #3
                  - #3
                  + x #4
                  external task x !5 'charge' priority 0
                > done x {"status": "lost"}
                  status = "lost"
                  external task x !5 'charge' priority 0, 0 left, 1 failed: BPMN error 'E', which nothing catches
                  incident 6 of !5 at x, attempt 1: EXTERNAL_TASK_FAILED: BPMN error 'E', which nothing catches
                  job AsyncBefore p !8 due 0, 3 left, 0 failed
            "#]],
        );
    }

    #[test]
    fn delegate_that_does_a_worker_s_task_is_asked_as_well() {
        let mut definition = parse(&judged(&[("err", "${status == 'lost'}")]));
        definition.serve_topics(|topic| topic == "charge");
        check_definition(
            &definition,
            r#"
                start
                return {"status": "lost"}
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + x #3
                  call x !4 attempt 1, 0 left {}
                > return {"status": "lost"}
                  status = "lost"
                  why = null
                  - #3 canceled
                  + b #5
                  - #5
                  + u #6
                  task u !7 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn topic_that_is_an_expression_is_evaluated_when_the_task_is_entered() {
        check(
            "<startEvent id='s'/><serviceTask id='x' camunda:type='external' camunda:topic='charge-${kind}'/>{s>x}",
            r#"
                start
                start {"kind": "card"}
                done x
            "#,
            expect![[r#"
                > start
                  failed: EXPRESSION_FAILED: the expression 'charge-${kind}' of 'x': Cannot resolve identifier 'kind'
                > start {"kind": "card"}
                  started at s
                  kind = "card"
                  + s #2
                  - #2
                  + x #3
                  external task x !4 'charge-card' priority 0
                > done x
                  external task !4 gone
                  - #3
                  ended: Completed
                  end
            "#]],
        );
        check(
            "<startEvent id='s'/><serviceTask id='x' camunda:type='external' camunda:topic='= kind'/>{s>x}",
            r#"start {"kind": ""}"#,
            expect![[r#"
                > start {"kind": ""}
                  failed: EXPRESSION_FAILED: the expression '= kind' of 'x': gives no topic of 1 to 255 characters
            "#]],
        );
    }
}
