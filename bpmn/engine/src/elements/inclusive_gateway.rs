//! The inclusive gateway (BPMN 2.0, 10.6.3 and 13.4.3; Camunda `InclusiveGatewayActivityBehavior`): forks into each flow whose condition is
//! true, or into its default flow, and joins what such a fork has made.
//!
//! # What the join waits for
//! A token at the gateway waits until every incoming flow has been taken (in Camunda 7's dialect: until as many tokens have come as it has
//! flows), or until no other token can come any more. A token can come if a path of sequence flows leads from where it stands to the
//! gateway, whichever way the decisions on it would go. It is looked for in the gateway's own scope instance:
//!
//! - A token inside a sub-process counts as one at that sub-process; those of other instances of the scope, and outside of it, do not
//!   count.
//! - A path may begin at a boundary event of an activity that is active or that the path leads through.
//! - It may lead through other inclusive gateways, and through a parallel gateway if each of its flows has been taken or may still be (in
//!   Camunda 7's dialect: if a token may come to it). So a parallel join that can never complete keeps no inclusive one waiting.
//! - A token that has left this gateway counts again if it may come round: in a loop the join waits for it.
//!
//! Then all tokens at the gateway go on as one, those that came by one flow as well (Camunda 7 merges them; in the standard each begins a
//! round of its own). Unlike in Camunda 7, which looks only when one arrives, a token that ends, is cancelled or turns away lets the join
//! go on, in the unit of work in which that happened. If several can go on they do so one after the other, in document order. Joins that
//! would wait for each other, and for nothing else, do not: the first of them goes on.
//!
//! The conditions of its flows are asked in the unit of work that lets the join go on; if none is true, that unit fails.
//!
//! The search is in `join.rs`, with the traces of several joins beside each other.

use super::{At, Behaviour, Next};
use crate::input::Failure;

pub(super) struct InclusiveGateway;

impl Behaviour for InclusiveGateway {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        if at.element().incoming.len() > 1 { Ok(Next::Join) } else { at.leave() }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    /// Up to three branches: `a` and `b` for their conditions, `c` when neither is true.
    const MODEL: &str = "<startEvent id='s'/><inclusiveGateway id='f' default='f_c'/><userTask id='a'/><userTask id='b'/><userTask id='c'/>\
        <inclusiveGateway id='j'/><userTask id='d'/>{s>f}{f>a ? n > 1}{f>b ? n > 2}{f>c}{a>j}{b>j}{c>j}{j>d}";

    #[test]
    fn join_waits_for_the_branches_that_were_taken() {
        check(
            MODEL,
            r#"
                start {"n": 3}
                complete a
                leaves
                complete b
            "#,
            expect![[r#"
                > start {"n": 3}
                  started at s
                  n = 3
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + a #4
                  task a !5 of nobody users [] groups []
                  + b #6
                  task b !7 of nobody users [] groups []
                > complete a
                  task !5 gone
                  - #4
                  + j #8
                > leaves
                  b #6: task of nobody
                  j #8: join, missing b_j
                > complete b
                  task !7 gone
                  - #6
                  + j #9
                  - #8
                  - #9
                  + d #10
                  task d !11 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn default_flow_is_taken_alone() {
        check(
            MODEL,
            r#"
                start {"n": 0}
                complete c
            "#,
            expect![[r#"
                > start {"n": 0}
                  started at s
                  n = 0
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + c #4
                  task c !5 of nobody users [] groups []
                > complete c
                  task !5 gone
                  - #4
                  + j #6
                  - #6
                  + d #7
                  task d !8 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn unit_fails_when_no_flow_can_be_taken() {
        check(
            "<startEvent id='s'/><inclusiveGateway id='f'/><userTask id='a'/><userTask id='b'/>{s>f}{f>a ? n > 1}{f>b ? n > 2}",
            r#"start {"n": 0}"#,
            expect![[r#"
                > start {"n": 0}
                  failed: NO_FLOW_TAKEN: no condition of a flow out of 'f' is true and it has no default flow
            "#]],
        );
    }

    #[test]
    fn join_does_not_wait_for_more_once_each_flow_was_taken() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><userTask id='b'/><userTask id='c'/><exclusiveGateway id='m'/>\
             <inclusiveGateway id='j'/><userTask id='d'/>{s>f}{f>a>j}{f>b>m}{f>c>m}{m>j}{j>d}",
            "
                start
                complete a
                complete b
                complete c
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
                  task b !7 of nobody users [] groups []
                  + c #8
                  task c !9 of nobody users [] groups []
                > complete a
                  task !5 gone
                  - #4
                  + j #10
                > complete b
                  task !7 gone
                  - #6
                  + m #11
                  - #11
                  + j #12
                  - #10
                  - #12
                  + d #13
                  task d !14 of nobody users [] groups []
                > complete c
                  task !9 gone
                  - #8
                  + m #15
                  - #15
                  + j #16
                  - #16
                  + d #17
                  task d !18 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn tokens_that_came_by_one_flow_go_on_as_one() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><userTask id='b'/><exclusiveGateway id='m'/><task id='n'/>\
             <inclusiveGateway id='j'/><userTask id='d'/>{s>f}{f>a>m}{f>b>m}{m>j}{n>j}{j>d}",
            "
                start
                complete a
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
                  task a !5 of nobody users [] groups []
                  + b #6
                  task b !7 of nobody users [] groups []
                > complete a
                  task !5 gone
                  - #4
                  + m #8
                  - #8
                  + j #9
                > leaves
                  b #6: task of nobody
                  j #9: join, missing m_j
                > complete b
                  task !7 gone
                  - #6
                  + m #10
                  - #10
                  + j #11
                  - #9
                  - #11
                  + d #12
                  task d !13 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn token_that_ends_elsewhere_lets_the_join_go_on() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><userTask id='b'/><exclusiveGateway id='x' default='x_e'/>\
             <endEvent id='e'/><inclusiveGateway id='j'/><userTask id='d'/>{s>f}{f>a>j}{f>b>x}{x>j ? n > 1}{x>e}{j>d}",
            r#"
                start {"n": 0}
                complete a
                leaves
                complete b
            "#,
            expect![[r#"
                > start {"n": 0}
                  started at s
                  n = 0
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + a #4
                  task a !5 of nobody users [] groups []
                  + b #6
                  task b !7 of nobody users [] groups []
                > complete a
                  task !5 gone
                  - #4
                  + j #8
                > leaves
                  b #6: task of nobody
                  j #8: join, missing x_j
                > complete b
                  task !7 gone
                  - #6
                  + x #9
                  - #9
                  + e #10
                  - #10
                  - #8
                  + d #11
                  task d !12 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn join_waits_for_a_boundary_event_and_goes_on_with_its_activity() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><userTask id='b'/><boundaryEvent id='t' attachedToRef='b'>\
             <timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition></boundaryEvent><endEvent id='e'/>\
             <inclusiveGateway id='j'/><userTask id='d'/>{s>f}{f>a>j}{f>b>e}{t>j}{j>d}",
            "
                start
                complete a
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
                  - #9
                  + d #11
                  task d !12 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn error_that_cancels_a_branch_lets_the_join_go_on() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><serviceTask id='b' camunda:type='external' camunda:topic='t'/>\
             <boundaryEvent id='x' attachedToRef='b'><errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='repair'/>\
             <inclusiveGateway id='j'/><userTask id='d'/>{s>f}{f>a>j}{f>b>j}{x>repair}{j>d}",
            "
                start
                complete a
                throw b E
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
                  external task b !7 't' priority 0
                > complete a
                  task !5 gone
                  - #4
                  + j #8
                > throw b E
                  external task !7 gone
                  - #6 canceled
                  + x #9
                  - #9
                  + repair #10
                  task repair !11 of nobody users [] groups []
                  - #8
                  + d #12
                  task d !13 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn token_in_a_sub_process_counts_as_one_at_it() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><subProcess id='p'><startEvent id='ps'/><userTask id='b'/>\
             <endEvent id='pe'/>{ps>b>pe}</subProcess><inclusiveGateway id='j'/><userTask id='d'/>{s>f}{f>a>j}{f>p>j}{j>d}",
            "
                start
                complete a
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
                  task a !5 of nobody users [] groups []
                  + p #6
                  + ps #7 in #6
                  - #7
                  + b #8 in #6
                  task b !9 of nobody users [] groups []
                > complete a
                  task !5 gone
                  - #4
                  + j #10
                > leaves
                  b #8: task of nobody
                  j #10: join, missing p_j
                > complete b
                  task !9 gone
                  - #8
                  + pe #11 in #6
                  - #11
                  - #6
                  + j #12
                  - #10
                  - #12
                  + d #13
                  task d !14 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn join_in_a_loop_waits_for_what_may_come_round() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><inclusiveGateway id='j'/><userTask id='a'/><exclusiveGateway id='x' default='x_e'/>\
             <userTask id='b'/><endEvent id='e'/>{s>f}{f>j}{f>b}{b>j}{j>a>x}{x>j ? n > 1}{x>e}",
            r#"
                start {"n": 3}
                leaves
                complete b
                complete a
                complete a {"n": 0}
            "#,
            expect![[r#"
                > start {"n": 3}
                  started at s
                  n = 3
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + j #4
                  + b #5
                  task b !6 of nobody users [] groups []
                > leaves
                  j #4: join, missing b_j
                  b #5: task of nobody
                > complete b
                  task !6 gone
                  - #5
                  + j #7
                  - #4
                  - #7
                  + a #8
                  task a !9 of nobody users [] groups []
                > complete a
                  task !9 gone
                  - #8
                  + x #10
                  - #10
                  + j #11
                  - #11
                  + a #12
                  task a !13 of nobody users [] groups []
                > complete a {"n": 0}
                  task !13 gone
                  n = 0
                  - #12
                  + x #14
                  - #14
                  + e #15
                  - #15
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn jobs_before_and_behind_the_join_end_units() {
        check(
            "<startEvent id='s'/><inclusiveGateway id='f' default='f_a'/><task id='a'/><task id='b'/>\
             <inclusiveGateway id='j' camunda:asyncBefore='true' camunda:asyncAfter='true'/><userTask id='d'/>\
             {s>f}{f>a}{f>b ? n = 1}{f>j ? n = 1}{a>j}{b>j}{j>d}",
            r#"
                start {"n": 1}
                leaves
                run j
                leaves
                run !8
                run j
            "#,
            expect![[r#"
                > start {"n": 1}
                  started at s
                  n = 1
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + b #4
                  - #4
                  job AsyncBefore j !6 due 0, 3 left, 0 failed
                  job AsyncBefore j !8 due 0, 3 left, 0 failed
                > leaves
                  j #5: job, attempt 1, 3 left, due 0 until 0
                  j #7: job, attempt 1, 3 left, due 0 until 0
                > run j
                  job !6 gone
                  + j #5
                > leaves
                  j #5: join, missing f_j
                  j #7: job, attempt 1, 3 left, due 0 until 0
                > run !8
                  job !8 gone
                  + j #7
                  - #5
                  - #7
                  job AsyncAfter j !10 due 0, 3 left, 0 failed
                > run j
                  job !10 gone
                  + d #11
                  task d !12 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn unit_that_lets_a_join_go_on_fails_with_its_conditions() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><userTask id='b'/><exclusiveGateway id='x' default='x_e'/>\
             <endEvent id='e'/><inclusiveGateway id='j'/><userTask id='d'/>{s>f}{f>a>j}{f>b>x}{x>j ? n > 1}{x>e}{j>d ? n > 0}",
            r#"
                start {"n": 0}
                complete a
                complete b
                complete b {"n": 1}
            "#,
            expect![[r#"
                > start {"n": 0}
                  started at s
                  n = 0
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + a #4
                  task a !5 of nobody users [] groups []
                  + b #6
                  task b !7 of nobody users [] groups []
                > complete a
                  task !5 gone
                  - #4
                  + j #8
                > complete b
                  failed: NO_FLOW_TAKEN: no condition of a flow out of 'j' is true and it has no default flow
                > complete b {"n": 1}
                  task !7 gone
                  n = 1
                  - #6
                  + x #9
                  - #9
                  + e #10
                  - #10
                  - #8
                  + d #11
                  task d !12 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn scope_ends_behind_its_join() {
        check(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><inclusiveGateway id='f' default='f_a'/><task id='a'/>\
             <serviceTask id='b' camunda:class='B'/><inclusiveGateway id='j'/><endEvent id='pe'/>{ps>f}{f>a}{f>b ? n = 1}{a>j}{b>j}{j>pe}</subProcess>\
             <userTask id='d'/>{s>p>d}",
            r#"start {"n": 0}"#,
            expect![[r#"
                > start {"n": 0}
                  started at s
                  n = 0
                  + s #2
                  - #2
                  + p #3
                  + ps #4 in #3
                  - #4
                  + f #5 in #3
                  - #5
                  + a #6 in #3
                  - #6
                  + j #7 in #3
                  - #7
                  + pe #8 in #3
                  - #8
                  - #3
                  + d #9
                  task d !10 of nobody users [] groups []
            "#]],
        );
    }
}
