//! Boundary events. The token is there once the event has been triggered; arming and catching are in `trigger.rs` and `error.rs`.

use mandate_model::BoundaryEvent;

use super::{At, Behaviour, Next};
use crate::input::Failure;

impl Behaviour for BoundaryEvent {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        at.leave()
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    #[test]
    fn interrupting_timer_cancels_a_task() {
        check(
            "<startEvent id='s'/><userTask id='u'/><boundaryEvent id='t' attachedToRef='u'><timerEventDefinition>\
             <timeDuration>PT1M</timeDuration></timerEventDefinition></boundaryEvent><userTask id='late'/><endEvent id='e'/>\
             {s>u>e}{t>late}",
            "
                start
                leaves
                at 60000
                run t
                complete !5
                run !4
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  job Timer t !4 due 60000, 3 left, 0 failed
                  task u !5 of nobody users [] groups []
                > leaves
                  u #3: task of nobody until 60000
                > at 60000
                > run t
                  job !4 gone
                  task !5 gone
                  - #3 canceled
                  + t #6
                  - #6
                  + late #7
                  task late !8 of nobody users [] groups []
                > complete !5
                  rejected: nothing waits under number 5
                > run !4
                  rejected: nothing waits under number 4
            "#]],
        );
    }

    #[test]
    fn timer_is_gone_with_its_task() {
        check(
            "<startEvent id='s'/><userTask id='u'/><boundaryEvent id='t' attachedToRef='u'><timerEventDefinition>\
             <timeDuration>PT1M</timeDuration></timerEventDefinition></boundaryEvent><userTask id='late'/><userTask id='v'/>\
             {s>u>v}{t>late}",
            "
                start
                complete u
                run !4
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  job Timer t !4 due 60000, 3 left, 0 failed
                  task u !5 of nobody users [] groups []
                > complete u
                  task !5 gone
                  job !4 gone
                  - #3
                  + v #6
                  task v !7 of nobody users [] groups []
                > run !4
                  rejected: nothing waits under number 4
            "#]],
        );
    }

    #[test]
    fn other_timer_lets_its_task_go_on() {
        check(
            "<startEvent id='s'/><userTask id='u'/><boundaryEvent id='t' attachedToRef='u' cancelActivity='false'>\
             <timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition></boundaryEvent>\
             <userTask id='remind'/>{s>u}{t>remind}",
            "
                start
                run t
                complete u
                complete remind
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  job Timer t !4 due 60000, 3 left, 0 failed
                  task u !5 of nobody users [] groups []
                > run t
                  job !4 gone
                  + t #6
                  - #6
                  + remind #7
                  task remind !8 of nobody users [] groups []
                > complete u
                  task !5 gone
                  - #3
                > complete remind
                  task !8 gone
                  - #7
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn timer_on_a_sub_process_cancels_all_inside() {
        check(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><parallelGateway id='f'/>\
             <receiveTask id='r' messageRef='msg'/><task id='a' camunda:asyncBefore='true'/>\
             <task id='b' camunda:asyncAfter='true'/>{ps>f}{f>r}{f>a}{f>b}</subProcess>\
             <boundaryEvent id='t' attachedToRef='p'><timerEventDefinition><timeDuration>PT1M</timeDuration>\
             </timerEventDefinition></boundaryEvent><userTask id='late'/>{s>p}{t>late}",
            "
                start
                fail a never
                run t
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + p #3
                  job Timer t !4 due 60000, 3 left, 0 failed
                  + ps #5 in #3
                  - #5
                  + f #6 in #3
                  - #6
                  + r #7 in #3
                  subscription r !8 'paid'
                  job AsyncBefore a !10 due 0, 3 left, 0 failed
                  + b #11 in #3
                  - #11
                  job AsyncAfter b !13 due 0, 3 left, 0 failed
                > fail a never
                  job AsyncBefore a !10 due 0, 0 left, 1 failed
                  incident 14 of !10 at a, attempt 1: DELEGATE_FAILED: it broke
                > run t
                  job !4 gone
                  subscription !8 gone
                  - #7 canceled
                  incident 14 deleted
                  job !10 gone
                  job !13 gone
                  - #3 canceled
                  + t #15
                  - #15
                  + late #16
                  task late !17 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn synchronous_delegate_never_sees_its_timer() {
        check(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A' camunda:asyncBefore='true'/>\
             <boundaryEvent id='t' attachedToRef='a'><timerEventDefinition><timeDuration>PT1M</timeDuration>\
             </timerEventDefinition></boundaryEvent><userTask id='late'/>{s>a}{t>late}",
            "
                start
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
                > return
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn async_boundary_event_cancels_first_and_goes_on_later() {
        check(
            "<startEvent id='s'/><userTask id='u'/><boundaryEvent id='t' attachedToRef='u' camunda:asyncBefore='true'>\
             <timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition></boundaryEvent><task id='late'/>\
             {s>u}{t>late}",
            "
                start
                run t
                run t
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  job Timer t !4 due 60000, 3 left, 0 failed
                  task u !5 of nobody users [] groups []
                > run t
                  job !4 gone
                  task !5 gone
                  - #3 canceled
                  job AsyncBefore t !7 due 0, 3 left, 0 failed
                > run t
                  job !7 gone
                  + t #6
                  - #6
                  + late #8
                  - #8
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn failing_timer_unit_leaves_the_task_and_is_an_incident() {
        check(
            "<startEvent id='s'/><userTask id='u'/><boundaryEvent id='t' attachedToRef='u'><timerEventDefinition>\
             <timeDuration>PT1M</timeDuration></timerEventDefinition></boundaryEvent><task id='late'/>{s>u}{t>late}",
            "
                start
                fail t never
                leaves
                complete u
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  job Timer t !4 due 60000, 3 left, 0 failed
                  task u !5 of nobody users [] groups []
                > fail t never
                  job Timer t !4 due 60000, 0 left, 1 failed
                  incident 6 of !4 at t, attempt 1: DELEGATE_FAILED: it broke
                > leaves
                  u #3: task of nobody
                > complete u
                  task !5 gone
                  incident 6 deleted
                  job !4 gone
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }

    /// A user task with a message event on it.
    const REMINDED: &str = "<startEvent id='s'/><userTask id='u'/><boundaryEvent id='m' attachedToRef='u' cancelActivity='false'>\
                            <messageEventDefinition messageRef='msg'/></boundaryEvent><userTask id='read'/>{s>u}{m>read}";

    #[test]
    fn interrupting_message_cancels_a_task() {
        check(
            &REMINDED.replace("false", "true"),
            r#"
                start
                leaves
                message m {"n": 1}
                message !4
                complete !5
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  subscription m !4 'paid'
                  task u !5 of nobody users [] groups []
                > leaves
                  u #3: task of nobody
                > message m {"n": 1}
                  subscription !4 gone
                  n = 1
                  task !5 gone
                  - #3 canceled
                  + m #6
                  - #6
                  + read #7
                  task read !8 of nobody users [] groups []
                > message !4
                  rejected: nothing waits under number 4
                > complete !5
                  rejected: nothing waits under number 5
            "#]],
        );
    }

    #[test]
    fn each_message_to_the_other_event_starts_a_token_and_ends_a_wait() {
        check(
            REMINDED,
            r#"
                start
                message m {"n": 1}
                message !4 {"n": 1}
                message m {"n": 2}
                complete u
                complete read
                complete read
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  subscription m !4 'paid'
                  task u !5 of nobody users [] groups []
                > message m {"n": 1}
                  subscription !4 gone
                  subscription m !6 'paid'
                  n = 1
                  + m #7
                  - #7
                  + read #8
                  task read !9 of nobody users [] groups []
                > message !4 {"n": 1}
                  rejected: nothing waits under number 4
                > message m {"n": 2}
                  subscription !6 gone
                  subscription m !10 'paid'
                  n = 2
                  + m #11
                  - #11
                  + read #12
                  task read !13 of nobody users [] groups []
                > complete u
                  task !5 gone
                  subscription !10 gone
                  - #3
                > complete read
                  task !9 gone
                  - #8
                > complete read
                  task !13 gone
                  - #12
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn message_is_gone_with_its_external_task() {
        check(
            "<startEvent id='s'/><serviceTask id='x' camunda:type='external' camunda:topic='t'/><boundaryEvent id='m' attachedToRef='x'>\
             <messageEventDefinition messageRef='msg'/></boundaryEvent><userTask id='late'/>{s>x}{m>late}",
            "
                start
                done x
                message !4
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + x #3
                  subscription m !4 'paid'
                  external task x !5 't' priority 0
                > done x
                  external task !5 gone
                  subscription !4 gone
                  - #3
                  ended: Completed
                  end
                > message !4
                  rejected: the instance has ended
            "#]],
        );
    }

    #[test]
    fn receive_task_and_its_event_wait_for_different_messages() {
        check(
            "<startEvent id='s'/><receiveTask id='r' messageRef='msg'/><boundaryEvent id='m' attachedToRef='r'>\
             <messageEventDefinition messageRef='msg2'/></boundaryEvent><userTask id='late'/>{s>r}{m>late}",
            "
                start
                leaves
                message m
                message !5
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + r #3
                  subscription m !4 'changed'
                  subscription r !5 'paid'
                > leaves
                  r #3: message 'paid'
                > message m
                  subscription !4 gone
                  subscription !5 gone
                  - #3 canceled
                  + m #6
                  - #6
                  + late #7
                  task late !8 of nobody users [] groups []
                > message !5
                  rejected: nothing waits under number 5
            "#]],
        );
    }

    #[test]
    fn variables_of_a_message_are_set_around_the_activity() {
        check(
            "<startEvent id='s'/><userTask id='u'><extensionElements><camunda:inputOutput><camunda:inputParameter name='n'>= 0\
             </camunda:inputParameter><camunda:outputParameter name='out'>= n</camunda:outputParameter></camunda:inputOutput>\
             </extensionElements></userTask><boundaryEvent id='m' attachedToRef='u'>\
             <messageEventDefinition messageRef='msg'/></boundaryEvent><userTask id='late'/>{s>u}{m>late}",
            r#"
                start
                message m {"n": 1}
                variables late
            "#,
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + u #3
                  n = 0 in #3
                  subscription m !4 'paid'
                  task u !5 of nobody users [] groups []
                > message m {"n": 1}
                  subscription !4 gone
                  n = 1
                  out = 0
                  task !5 gone
                  - #3 canceled
                  + m #6
                  - #6
                  + late #7
                  task late !8 of nobody users [] groups []
                > variables late
                  {n: 1, out: 0}
            "#]],
        );
    }

    #[test]
    fn name_of_a_message_is_evaluated_when_the_wait_begins() {
        check(
            &REMINDED.replace("messageRef='msg'", "messageRef='byKey'"),
            r#"
                start
                start {"key": 7}
                set {"key": 8}
                message m
            "#,
            expect![[r#"
                > start
                  failed: EXPRESSION_FAILED: the expression 'paid-${key}' of 'm': Cannot resolve identifier 'key'
                > start {"key": 7}
                  started at s
                  key = 7
                  + s #2
                  - #2
                  + u #3
                  subscription m !4 'paid-7'
                  task u !5 of nobody users [] groups []
                > set {"key": 8}
                  key = 8
                > message m
                  subscription !4 gone
                  subscription m !6 'paid-7'
                  + m #7
                  - #7
                  + read #8
                  task read !9 of nobody users [] groups []
            "#]],
        );
    }
}
