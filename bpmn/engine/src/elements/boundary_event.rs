//! Boundary events. The token is there once the event has been triggered; arming and catching are in `boundary.rs` and `error.rs`.

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
                  incident 14 resolved
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
                  incident 6 resolved
                  job !4 gone
                  - #3
                  ended: Completed
                  end
            "#]],
        );
    }
}
