//! The exclusive event-based gateway (BPMN 2.0, 10.6.6 and 13.4.4; Camunda `EventBasedGatewayActivityBehavior`).
//!
//! It is entered by each token that comes and waits for all elements behind it at once: for each of them what that element would wait for,
//! a message, a signal, a condition or a moment. As in Camunda 7 a condition that holds already is what happens, the first of several by
//! the gateway's flows; others are asked when a variable changes. Messages' names and timers are evaluated when the gateway is entered. The
//! first event to happen cancels the gateway, and with it the other waits, in the same unit of work; then a token is at that element, which
//! does not wait again (an `asyncBefore` of the element ends the unit there). Variables of a message are set around the gateway, so that
//! the element's output mappings see them from outside.
//!
//! As in Camunda 7, history shows the gateway as cancelled however it went on, and jobs and subscriptions bear the id of their event.

use super::{At, Behaviour, Next, behaviour};
use crate::input::Failure;

pub(super) struct EventBasedGateway;

impl Behaviour for EventBasedGateway {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        let targets = at.element().outgoing.iter().map(|flow| at.definition.flow(*flow).target);
        let mut waits = Vec::new();
        for event in targets {
            let at = at.attached(event);
            match behaviour(&at.element().kind).enter(&at)? {
                Next::Wait(wait) => waits.push((event, wait)),
                Next::WaitForFirst(several) => waits.extend(several),
                other => unreachable!("the parser lets an event-based gateway lead to what waits only, not to {other:?}"),
            }
        }
        Ok(Next::WaitForFirst(waits))
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    /// A message against a timer, each with a task behind it.
    const MODEL: &str = "<startEvent id='s'/><eventBasedGateway id='g'/><intermediateCatchEvent id='m'>\
        <messageEventDefinition messageRef='msg'/></intermediateCatchEvent><intermediateCatchEvent id='t'><timerEventDefinition>\
        <timeDuration>PT5M</timeDuration></timerEventDefinition></intermediateCatchEvent><userTask id='paid'/><userTask id='late'/>\
        {s>g}{g>m>paid}{g>t>late}";

    #[test]
    fn gateway_that_instantiates_is_not_started_by_hand() {
        let model = MODEL.replace("<startEvent id='s'/>", "").replace("{s>g}", "").replace("id='g'", "id='g' instantiate='true'");
        check(
            &model,
            "
                start
                modify before g
                modify before m
            ",
            expect![[r#"
                > start
                  started at m
                  + m #2
                  - #2
                  + paid #3
                  task paid !4 of nobody users [] groups []
                > modify before g
                  rejected: instruction 1: 'g' only starts the process; start one of the events behind it
                > modify before m
                  + m #5
                  - #5
                  + paid #6
                  task paid !7 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn message_comes_before_the_timer() {
        check(
            MODEL,
            r#"
                start
                leaves
                message m {"amount": 3}
                leaves
                message !4
                run !5
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + g #3
                  subscription m !4 'paid'
                  job Timer t !5 due 300000, 3 left, 0 failed
                > leaves
                  g #3: the first of m, t until 300000
                > message m {"amount": 3}
                  subscription !4 gone
                  amount = 3
                  job !5 gone
                  - #3 canceled
                  + m #6
                  - #6
                  + paid #7
                  task paid !8 of nobody users [] groups []
                > leaves
                  paid #7: task of nobody
                > message !4
                  rejected: nothing waits under number 4
                > run !5
                  rejected: nothing waits under number 5
            "#]],
        );
    }

    #[test]
    fn timer_comes_before_the_message() {
        check(
            MODEL,
            "
                start
                at 300000
                run t
                message !4
                run !5
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + g #3
                  subscription m !4 'paid'
                  job Timer t !5 due 300000, 3 left, 0 failed
                > at 300000
                > run t
                  job !5 gone
                  subscription !4 gone
                  - #3 canceled
                  + t #6
                  - #6
                  + late #7
                  task late !8 of nobody users [] groups []
                > message !4
                  rejected: nothing waits under number 4
                > run !5
                  rejected: nothing waits under number 5
            "#]],
        );
    }

    #[test]
    fn timer_that_cannot_be_run_leaves_the_message_to_wait_for() {
        check(
            MODEL,
            "
                start
                fail t never
                leaves
                message m
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + g #3
                  subscription m !4 'paid'
                  job Timer t !5 due 300000, 3 left, 0 failed
                > fail t never
                  job Timer t !5 due 300000, 0 left, 1 failed
                  incident 6 of !5 at t, attempt 1: DELEGATE_FAILED: it broke
                > leaves
                  g #3: the first of m
                > message m
                  subscription !4 gone
                  incident 6 deleted
                  job !5 gone
                  - #3 canceled
                  + m #7
                  - #7
                  + paid #8
                  task paid !9 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn only_timers_that_cannot_be_run_are_an_incident() {
        check(
            "<startEvent id='s'/><eventBasedGateway id='g'/><intermediateCatchEvent id='t'><timerEventDefinition>\
             <timeDuration>PT5M</timeDuration></timerEventDefinition></intermediateCatchEvent>{s>g>t}",
            "
                start
                fail t never
                leaves
                retries t 1
                leaves
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + g #3
                  job Timer t !4 due 300000, 3 left, 0 failed
                > fail t never
                  job Timer t !4 due 300000, 0 left, 1 failed
                  incident 5 of !4 at t, attempt 1: DELEGATE_FAILED: it broke
                > leaves
                  g #3: incident 5
                > retries t 1
                  job Timer t !4 due 0, 1 left, 1 failed
                  incident 5 resolved
                > leaves
                  g #3: the first of t until 0
            "#]],
        );
    }

    #[test]
    fn jobs_stand_before_the_gateway_and_before_the_event_that_happened() {
        check(
            "<startEvent id='s'/><eventBasedGateway id='g' camunda:asyncBefore='true'/>\
             <intermediateCatchEvent id='m' camunda:asyncBefore='true' camunda:asyncAfter='true'>\
             <messageEventDefinition messageRef='msg'/></intermediateCatchEvent><intermediateCatchEvent id='t'>\
             <timerEventDefinition><timeDuration>PT5M</timeDuration></timerEventDefinition></intermediateCatchEvent>{s>g}{g>m}{g>t}",
            "
                start
                leaves
                run g
                leaves
                message m
                leaves
                run m
                leaves
                run m
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  job AsyncBefore g !4 due 0, 3 left, 0 failed
                > leaves
                  g #3: job, attempt 1, 3 left, due 0 until 0
                > run g
                  job !4 gone
                  + g #3
                  subscription m !5 'paid'
                  job Timer t !6 due 300000, 3 left, 0 failed
                > leaves
                  g #3: the first of m, t until 300000
                > message m
                  subscription !5 gone
                  job !6 gone
                  - #3 canceled
                  job AsyncBefore m !8 due 0, 3 left, 0 failed
                > leaves
                  m #7: job, attempt 1, 3 left, due 0 until 0
                > run m
                  job !8 gone
                  + m #7
                  - #7
                  job AsyncAfter m !10 due 0, 3 left, 0 failed
                > leaves
                  m #9: job, attempt 1, 3 left, due 0 until 0
                > run m
                  job !10 gone
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn receive_tasks_are_waited_for_as_well_and_map_their_variables() {
        check(
            "<startEvent id='s'/><eventBasedGateway id='g'/><receiveTask id='r' messageRef='msg'><extensionElements>\
             <camunda:inputOutput><camunda:inputParameter name='given'>= amount</camunda:inputParameter>\
             <camunda:outputParameter name='paid'>= given + 1</camunda:outputParameter></camunda:inputOutput></extensionElements>\
             </receiveTask><intermediateCatchEvent id='t'><timerEventDefinition><timeDuration>PT5M</timeDuration>\
             </timerEventDefinition></intermediateCatchEvent><endEvent id='e'/>{s>g}{g>r>e}{g>t>e}",
            r#"
                start
                message r {"amount": 3}
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + g #3
                  subscription r !4 'paid'
                  job Timer t !5 due 300000, 3 left, 0 failed
                > message r {"amount": 3}
                  subscription !4 gone
                  amount = 3
                  job !5 gone
                  - #3 canceled
                  + r #6
                  given = 3 in #6
                  paid = 4
                  - #6
                  + e #7
                  - #7
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn gateway_goes_with_the_scope_around_it() {
        check(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><eventBasedGateway id='g'/><intermediateCatchEvent id='m'>\
             <messageEventDefinition messageRef='msg'/></intermediateCatchEvent><intermediateCatchEvent id='t'><timerEventDefinition>\
             <timeDuration>PT5M</timeDuration></timerEventDefinition></intermediateCatchEvent>{ps>g}{g>m}{g>t}</subProcess>\
             <boundaryEvent id='b' attachedToRef='p'><timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition>\
             </boundaryEvent><endEvent id='e'/>{s>p}{b>e}",
            "
                start
                leaves
                run b
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  job Timer b !4 due 60000, 3 left, 0 failed
                  + ps #5 in #3
                  - #5
                  + g #6 in #3
                  subscription m !7 'paid'
                  job Timer t !8 due 300000, 3 left, 0 failed
                > leaves
                  g #6: the first of m, t until 300000
                > run b
                  job !4 gone
                  subscription !7 gone
                  job !8 gone
                  - #6 canceled
                  - #3 canceled
                  + b #9
                  - #9
                  + e #10
                  - #10
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn gateway_in_a_loop_waits_anew() {
        check(
            "<startEvent id='s'/><eventBasedGateway id='g'/><intermediateCatchEvent id='m'><messageEventDefinition messageRef='msg'/>\
             </intermediateCatchEvent><intermediateCatchEvent id='t'><timerEventDefinition><timeDuration>PT5M</timeDuration>\
             </timerEventDefinition></intermediateCatchEvent><endEvent id='e'/>{s>g}{g>m>g}{g>t>e}",
            "
                start
                message m
                message !4
                run t
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + g #3
                  subscription m !4 'paid'
                  job Timer t !5 due 300000, 3 left, 0 failed
                > message m
                  subscription !4 gone
                  job !5 gone
                  - #3 canceled
                  + m #6
                  - #6
                  + g #7
                  subscription m !8 'paid'
                  job Timer t !9 due 300000, 3 left, 0 failed
                > message !4
                  rejected: nothing waits under number 4
                > run t
                  job !9 gone
                  subscription !8 gone
                  - #7 canceled
                  + t #10
                  - #10
                  + e #11
                  - #11
                  ended: Completed
                  end
            "#]],
        );
    }
}
