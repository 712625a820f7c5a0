//! The parallel gateway: joins what comes by all its incoming flows, forks into all its outgoing ones (BPMN 2.0, 13.4.1).
//! The counting is in `join.rs`.

use super::{At, Behaviour, Next};
use crate::input::Failure;

pub(super) struct ParallelGateway;

impl Behaviour for ParallelGateway {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        Ok(if at.element().incoming.len() > 1 { Next::Join } else { at.leave() })
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    #[test]
    fn branches_run_depth_first_and_join() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><task id='a'/><userTask id='b'/><task id='c'/>\
             <parallelGateway id='j'/><userTask id='d'/>{s>f}{f>a>j}{f>b>j}{f>c>j}{j>d}",
            "
                start
                leaves
                complete b
            ",
            expect![[""]],
        );
    }

    #[test]
    fn token_that_comes_twice_by_one_flow_waits_for_the_next_round() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><task id='m'/><userTask id='b'/><parallelGateway id='j'/>\
             <userTask id='d'/>{s>f}{f>m}<sequenceFlow id='f_m2' sourceRef='f' targetRef='m'/>{f>b>j}{m>j}{j>d}",
            "
                start
                leaves
                complete b
                leaves
            ",
            expect![[""]],
        );
    }

    #[test]
    fn join_that_can_never_complete_is_an_incident_until_it_is_cancelled() {
        check(
            "<startEvent id='s'/><exclusiveGateway id='x' default='x_a'/><task id='a'/><userTask id='b'/>\
             <parallelGateway id='j'/><userTask id='d'/>{s>x}{x>a>j}{x>b ? n > 1}{b>j}{j>d}",
            r#"
                start {"n": 1}
                leaves
                suspend
                leaves
                activate
                cancel
            "#,
            expect![[""]],
        );
    }

    #[test]
    fn join_waits_quietly_while_a_boundary_event_may_still_reach_it() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><userTask id='b'/>\
             <boundaryEvent id='t' attachedToRef='b'><timerEventDefinition><timeDuration>PT1M</timeDuration>\
             </timerEventDefinition></boundaryEvent><parallelGateway id='j'/><endEvent id='e'/>{s>f}{f>a>j}{f>b>e}{t>j}",
            "
                start
                complete a
                leaves
                complete b
                leaves
            ",
            expect![[""]],
        );
    }

    #[test]
    fn joins_that_wait_for_each_other_are_both_found() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><parallelGateway id='j'/><parallelGateway id='k'/><task id='a'/>\
             <task id='b'/>{s>f}{f>j}{f>k}{j>a>k}{k>b>j}",
            "start",
            expect![[""]],
        );
    }

    #[test]
    fn joins_count_in_their_own_scope_instance() {
        check(
            "<startEvent id='s'/><task id='m'/><subProcess id='p'><startEvent id='ps'/><parallelGateway id='f'/>\
             <task id='a'/><userTask id='b'/><parallelGateway id='j'/>{ps>f}{f>a>j}{f>b>j}</subProcess><endEvent id='e'/>\
             {s>m}{m>p}<sequenceFlow id='m_p2' sourceRef='m' targetRef='p'/>{p>e}",
            "
                start
                leaves
                complete b
                complete b
            ",
            expect![[""]],
        );
    }
}
