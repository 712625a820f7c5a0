//! The parallel gateway: joins what comes by all its incoming flows or, in Camunda 7's dialect, as many tokens as it has, and forks into
//! all its outgoing ones (BPMN 2.0, 13.4.1; Camunda `ParallelGatewayActivityBehavior`). The counting is in `join.rs`.

use super::{At, Behaviour, Next};
use crate::input::Failure;

pub(super) struct ParallelGateway;

impl Behaviour for ParallelGateway {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        if at.element().incoming.len() > 1 { Ok(Next::Join) } else { self.resume(at) }
    }

    /// By all flows: conditions on them have no effect.
    fn resume(&self, at: &At<'_>) -> Result<Next, Failure> {
        Ok(Next::Leave(at.element().outgoing.clone()))
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
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + a #4
                  - #4
                  + j #5
                  + b #6
                  task b !7 of nobody users [] groups []
                  + c #8
                  - #8
                  + j #9
                > leaves
                  j #5: join, missing b_j
                  b #6: task of nobody
                  j #9: join, missing b_j
                > complete b
                  task !7 gone
                  - #6
                  + j #10
                  - #5
                  - #9
                  - #10
                  + d #11
                  task d !12 of nobody users [] groups []
            "#]],
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
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + m #4
                  - #4
                  + j #5
                  + m #6
                  - #6
                  + j #7
                  + b #8
                  task b !9 of nobody users [] groups []
                > leaves
                  j #5: join, missing b_j
                  j #7: join, missing b_j
                  b #8: task of nobody
                > complete b
                  task !9 gone
                  - #8
                  + j #10
                  - #5
                  - #10
                  + d #11
                  task d !12 of nobody users [] groups []
                  incident 13 at j, attempt 1: JOIN_CANNOT_COMPLETE: the parallel gateway 'j' waits for 'b_j', on which nothing can arrive any more
                > leaves
                  j #7: incident 13
                  d #11: task of nobody
            "#]],
        );
    }

    /// `token_that_comes_twice_by_one_flow_waits_for_the_next_round` in Camunda 7's dialect.
    #[test]
    fn tokens_are_counted_in_camundas_dialect_whichever_flow_they_came_by() {
        check(
            "<startEvent id='s' camunda:initiator='who'/><parallelGateway id='f'/><task id='m'/><userTask id='b'/><parallelGateway id='j'/>\
             <userTask id='d'/>{s>f}{f>m}<sequenceFlow id='f_m2' sourceRef='f' targetRef='m'/>{f>b>j}{m>j}{j>d}",
            "
                start
                leaves
                complete b
                leaves
            ",
            expect![[r#"
                > start
                  started at s
                  who = null
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + m #4
                  - #4
                  + j #5
                  + m #6
                  - #6
                  + j #7
                  - #5
                  - #7
                  + d #8
                  task d !9 of nobody users [] groups []
                  + b #10
                  task b !11 of nobody users [] groups []
                > leaves
                  d #8: task of nobody
                  b #10: task of nobody
                > complete b
                  task !11 gone
                  - #10
                  + j #12
                  incident 13 at j, attempt 1: JOIN_CANNOT_COMPLETE: the parallel gateway 'j' waits for another token, and none can come any more
                > leaves
                  d #8: task of nobody
                  j #12: incident 13
            "#]],
        );
    }

    #[test]
    fn join_that_counts_tokens_is_an_incident_when_none_can_come_by_any_flow() {
        check(
            "<startEvent id='s' camunda:initiator='who'/><parallelGateway id='f'/><userTask id='a'/><userTask id='b'/><parallelGateway id='j'/>\
             <task id='c'/><endEvent id='e'/>{s>f}{f>a>j}{f>b>e}{c>j}{j>e}<boundaryEvent id='t' attachedToRef='b'><timerEventDefinition>\
             <timeDuration>PT1M</timeDuration></timerEventDefinition></boundaryEvent>{t>c}<task id='x'/>{x>j}",
            "
                start
                complete a
                leaves
                complete b
            ",
            expect![[r#"
                > start
                  started at s
                  who = null
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + a #4
                  task a !5 of nobody users [] groups []
                  + b #6
                  job Timer t !7 due 60000, 3 left, 0 failed
                  task b !8 of nobody users [] groups []
                > complete a
                  task !5 gone
                  - #4
                  + j #9
                > leaves
                  b #6: task of nobody until 60000
                  j #9: join, missing c_j, x_j
                > complete b
                  task !8 gone
                  job !7 gone
                  - #6
                  + e #10
                  - #10
                  incident 11 at j, attempt 1: JOIN_CANNOT_COMPLETE: the parallel gateway 'j' waits for 2 more tokens, and none can come any more
            "#]],
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
            expect![[r#"
                > start {"n": 1}
                  started at s
                  n = 1
                  + s #2
                  - #2
                  + x #3
                  - #3
                  + a #4
                  - #4
                  + j #5
                  incident 6 at j, attempt 1: JOIN_CANNOT_COMPLETE: the parallel gateway 'j' waits for 'b_j', on which nothing can arrive any more
                > leaves
                  j #5: incident 6
                > suspend
                  suspended: true
                > leaves
                  j #5: suspended
                > activate
                  suspended: false
                > cancel
                  - #5 canceled
                  incident 6 deleted
                  ended: ExternallyTerminated
                  end
            "#]],
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
                  job Timer t !7 due 60000, 3 left, 0 failed
                  task b !8 of nobody users [] groups []
                > complete a
                  task !5 gone
                  - #4
                  + j #9
                > leaves
                  b #6: task of nobody until 60000
                  j #9: join, missing t_j
                > complete b
                  task !8 gone
                  job !7 gone
                  - #6
                  + e #10
                  - #10
                  incident 11 at j, attempt 1: JOIN_CANNOT_COMPLETE: the parallel gateway 'j' waits for 't_j', on which nothing can arrive any more
                > leaves
                  j #9: incident 11
            "#]],
        );
    }

    #[test]
    fn joins_that_wait_for_each_other_are_both_found() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><parallelGateway id='j'/><parallelGateway id='k'/><task id='a'/>\
             <task id='b'/>{s>f}{f>j}{f>k}{j>a>k}{k>b>j}",
            "start",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + j #4
                  + k #5
                  incident 6 at j, attempt 1: JOIN_CANNOT_COMPLETE: the parallel gateway 'j' waits for 'b_j', on which nothing can arrive any more
                  incident 7 at k, attempt 1: JOIN_CANNOT_COMPLETE: the parallel gateway 'k' waits for 'a_k', on which nothing can arrive any more
            "#]],
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
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + m #3
                  - #3
                  + p #4
                  + ps #5 in #4
                  - #5
                  + f #6 in #4
                  - #6
                  + a #7 in #4
                  - #7
                  + j #8 in #4
                  + b #9 in #4
                  task b !10 of nobody users [] groups []
                  + p #11
                  + ps #12 in #11
                  - #12
                  + f #13 in #11
                  - #13
                  + a #14 in #11
                  - #14
                  + j #15 in #11
                  + b #16 in #11
                  task b !17 of nobody users [] groups []
                > leaves
                  j #8: join, missing b_j
                  b #9: task of nobody
                  j #15: join, missing b_j
                  b #16: task of nobody
                > complete b
                  task !10 gone
                  - #9
                  + j #18 in #4
                  - #8
                  - #18
                  - #4
                  + e #19
                  - #19
                > complete b
                  task !17 gone
                  - #16
                  + j #20 in #11
                  - #15
                  - #20
                  - #11
                  + e #21
                  - #21
                  ended: Completed
                  end
            "#]],
        );
    }
}
