//! Boundary events. The token is there once the event has been triggered; arming and catching are in `boundary.rs` and `error.rs`.

use mandate_model::BoundaryEvent;

use super::{At, Behaviour, Next};
use crate::input::Failure;

impl Behaviour for BoundaryEvent {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        Ok(at.leave())
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
                complete !4
                run !3
            ",
            expect![[""]],
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
            expect![[""]],
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
            expect![[""]],
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
            expect![[""]],
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
            expect![[""]],
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
            expect![[""]],
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
            expect![[""]],
        );
    }
}
