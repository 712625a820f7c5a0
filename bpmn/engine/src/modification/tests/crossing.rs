//! Traces of modifications at joins, gateways, boundary events and event sub-processes.

use expect_test::expect;

use crate::testing::{MESSAGE, TIMER, check, watching};

#[test]
fn boundary_events_and_event_sub_processes_are_armed() {
    check(
        &format!(
            "<startEvent id='s'/><userTask id='u'/><subProcess id='p'><startEvent id='ps'/><userTask id='a'/>{{ps>a}}{}</subProcess>\
             <boundaryEvent id='t' attachedToRef='p'>{TIMER}</boundaryEvent><userTask id='late'/>{{s>u>p}}{{t>late}}",
            watching("", MESSAGE)
        ),
        "
            start
            modify before a
            message vs
            run t
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > modify before a
              + p #5
              job Timer t !6 due 60000, 3 left, 0 failed
              subscription vs !7 'paid'
              + a #8 in #5
              task a !9 of nobody users [] groups []
            > message vs
              subscription !7 gone
              task !9 gone
              - #8 canceled
              + v #10 in #5
              + vs #11 in #10
              - #11
              + handle #12 in #10
              task handle !13 of nobody users [] groups []
            > run t
              job !6 gone
              task !13 gone
              - #12 canceled
              - #10 canceled
              - #5 canceled
              + t #14
              - #14
              + late #15
              task late !16 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn interrupting_boundary_event_cancels_its_activity_and_another_does_not() {
    check(
        &format!(
            "<startEvent id='s'/><userTask id='u'/><boundaryEvent id='t' attachedToRef='u'>{TIMER}</boundaryEvent><userTask id='late'/>\
             <boundaryEvent id='m' attachedToRef='u' cancelActivity='false'>{MESSAGE}</boundaryEvent><userTask id='note'/>{{s>u}}{{t>late}}{{m>note}}"
        ),
        "
            start
            modify before m
            modify before t
            modify before t; before u; before u
            modify before t
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              job Timer t !4 due 60000, 3 left, 0 failed
              subscription m !5 'paid'
              task u !6 of nobody users [] groups []
            > modify before m
              + m #7
              - #7
              + note #8
              task note !9 of nobody users [] groups []
            > modify before t
              job !4 gone
              subscription !5 gone
              task !6 gone
              - #3 canceled
              + t #10
              - #10
              + late #11
              task late !12 of nobody users [] groups []
            > modify before t; before u; before u
              + t #13
              - #13
              + late #14
              task late !15 of nobody users [] groups []
              + u #16
              job Timer t !17 due 60000, 3 left, 0 failed
              subscription m !18 'paid'
              task u !19 of nobody users [] groups []
              + u #20
              job Timer t !21 due 60000, 3 left, 0 failed
              subscription m !22 'paid'
              task u !23 of nobody users [] groups []
            > modify before t
              rejected: instruction 1: which instance of 'u' the event 't' interrupts is ambiguous: 2 are active
        "#]],
    );
}

#[test]
fn event_sub_process_interrupts_when_it_is_started_and_not_when_something_inside_is() {
    check(
        &format!("<startEvent id='s'/><userTask id='u'/>{{s>u}}{}", watching("", MESSAGE)),
        "
            start
            modify before handle
            leaves
            modify before vs in #1
            modify before vs
            modify before v
        ",
        expect![[r#"
            > start
              started at s
              subscription vs !2 'paid'
              + s #3
              - #3
              + u #4
              task u !5 of nobody users [] groups []
            > modify before handle
              + v #6
              + handle #7 in #6
              task handle !8 of nobody users [] groups []
            > leaves
              u #4: task of nobody
              handle #7: task of nobody
            > modify before vs in #1
              task !5 gone
              - #4 canceled
              task !8 gone
              - #7 canceled
              - #6 canceled
              subscription !2 gone
              + v #9
              + vs #10 in #9
              - #10
              + handle #11 in #9
              task handle !12 of nobody users [] groups []
            > modify before vs
              + vs #13 in #9
              - #13
              + handle #14 in #9
              task handle !15 of nobody users [] groups []
            > modify before v
              task !12 gone
              - #11 canceled
              task !15 gone
              - #14 canceled
              - #9 canceled
              + v #16
              + vs #17 in #16
              - #17
              + handle #18 in #16
              task handle !19 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn event_sub_process_that_does_not_interrupt_runs_beside() {
    check(
        &format!("<startEvent id='s'/><userTask id='u'/>{{s>u}}{}", watching(" isInterrupting='false'", MESSAGE)),
        "
            start
            modify before v
            modify before vs
            message vs
        ",
        expect![[r#"
            > start
              started at s
              subscription vs !2 'paid'
              + s #3
              - #3
              + u #4
              task u !5 of nobody users [] groups []
            > modify before v
              + v #6
              + vs #7 in #6
              - #7
              + handle #8 in #6
              task handle !9 of nobody users [] groups []
            > modify before vs
              + vs #10 in #6
              - #10
              + handle #11 in #6
              task handle !12 of nobody users [] groups []
            > message vs
              subscription !2 gone
              subscription vs !13 'paid'
              + v #14
              + vs #15 in #14
              - #15
              + handle #16 in #14
              task handle !17 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn join_becomes_impossible_and_possible_again() {
    check(
        "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><userTask id='b'/><parallelGateway id='j'/><userTask id='z'/>{s>f}{f>a>j}{f>b>j}{j>z}",
        "
            start
            complete a
            modify cancel-all b
            modify before b
            leaves
            complete b
            complete z
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
              + j #8
            > modify cancel-all b
              task !7 gone
              - #6 canceled
              incident 9 at j, attempt 1: JOIN_CANNOT_COMPLETE: the parallel gateway 'j' waits for 'b_j', on which nothing can arrive any more
            > modify before b
              incident 9 resolved
              + b #10
              task b !11 of nobody users [] groups []
            > leaves
              j #8: join, missing b_j
              b #10: task of nobody
            > complete b
              task !11 gone
              - #10
              + j #12
              - #8
              - #12
              + z #13
              task z !14 of nobody users [] groups []
            > complete z
              task !14 gone
              - #13
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn token_before_a_join_counts_for_a_flow_that_nobody_else_can_take() {
    check(
        "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><userTask id='b'/><parallelGateway id='j'/><userTask id='z'/>{s>f}{f>a>j}{f>b>j}{j>z}",
        "
            start
            modify cancel-all a; before j
            leaves
            complete b
            modify cancel-all z; flow a_j; before j
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
            > modify cancel-all a; before j
              task !5 gone
              - #4 canceled
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
              + z #10
              task z !11 of nobody users [] groups []
            > modify cancel-all z; flow a_j; before j
              task !11 gone
              - #10 canceled
              + j #12
              + j #13
              - #12
              - #13
              + z #14
              task z !15 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn inclusive_join_waits_for_what_is_started_and_goes_on_without_what_is_cancelled() {
    check(
        "<startEvent id='s'/><inclusiveGateway id='f'/><userTask id='a'/><userTask id='b'/><inclusiveGateway id='j'/><userTask id='z'/>{s>f}{f>a>j}{f>b>j ? n > 1}{j>z}",
        r#"
            start {"n": 1}
            modify before b; flow a_j
            complete a
            modify cancel-all b
        "#,
        expect![[r#"
            > start {"n": 1}
              started at s
              n = 1
              + s #2
              - #2
              + f #3
              - #3
              + a #4
              task a !5 of nobody users [] groups []
            > modify before b; flow a_j
              + b #6
              task b !7 of nobody users [] groups []
              + j #8
            > complete a
              task !5 gone
              - #4
              + j #9
            > modify cancel-all b
              task !7 gone
              - #6 canceled
              - #8
              - #9
              + z #10
              task z !11 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn event_based_gateway_and_what_it_waits_for() {
    check(
        &format!(
            "<startEvent id='s'/><userTask id='u'/><eventBasedGateway id='g'/><intermediateCatchEvent id='m'>{MESSAGE}</intermediateCatchEvent>\
             <intermediateCatchEvent id='t'>{TIMER}</intermediateCatchEvent><userTask id='paid'/><userTask id='late'/>{{s>u>g}}{{g>m>paid}}{{g>t>late}}"
        ),
        "
            start
            modify cancel-all u; before g
            message m
            modify before m
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > modify cancel-all u; before g
              task !4 gone
              - #3 canceled
              + g #5
              subscription m !6 'paid'
              job Timer t !7 due 60000, 3 left, 0 failed
            > message m
              subscription !6 gone
              job !7 gone
              - #5 canceled
              + m #8
              - #8
              + paid #9
              task paid !10 of nobody users [] groups []
            > modify before m
              + m #11
              - #11
              + paid #12
              task paid !13 of nobody users [] groups []
        "#]],
    );
}
