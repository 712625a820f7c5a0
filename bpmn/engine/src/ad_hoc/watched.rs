//! Traces of event sub-processes in ad-hoc sub-processes.

use expect_test::expect;

use crate::testing::{MESSAGE, check, watching};

/// `s > p > u`, where `p` is an ad-hoc sub-process with these attributes and parts, the user tasks `a` and `b`, and an event sub-process.
fn watched(attributes: &str, parts: &str, watching: &str) -> String {
    format!(
        "<startEvent id='s'/><adHocSubProcess id='p'{attributes}>{parts}<userTask id='a'/><userTask id='b'/>{watching}</adHocSubProcess>\
         <userTask id='u'/>{{s>p>u}}"
    )
}

const DONE: &str = "<completionCondition>= done</completionCondition>";

const OTHER: &str = " isInterrupting='false'";

#[test]
fn event_sub_process_runs_beside_a_sequence_and_is_awaited() {
    check(
        &watched(" ordering='Sequential'", "", &watching(OTHER, MESSAGE)),
        "
            start
            message vs
            complete a
            complete b
            leaves
            complete handle
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              subscription vs !4 'paid'
              + a #6 in #3
              task a !7 of nobody users [] groups []
            > message vs
              subscription !4 gone
              subscription vs !8 'paid'
              + v #9 in #3
              + vs #10 in #9
              - #10
              + handle #11 in #9
              task handle !12 of nobody users [] groups []
            > complete a
              task !7 gone
              - #6
              + b #13 in #3
              task b !14 of nobody users [] groups []
            > complete b
              task !14 gone
              - #13
            > leaves
              handle #11: task of nobody
            > complete handle
              task !12 gone
              - #11
              - #9
              subscription !8 gone
              - #3
              + u #15
              task u !16 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn condition_that_comes_true_cancels_the_event_sub_process_too() {
    check(
        &watched("", DONE, &watching(OTHER, MESSAGE)),
        r#"
            start {"done": false}
            message vs
            complete a {"done": true}
        "#,
        expect![[r#"
            > start {"done": false}
              started at s
              done = false
              + s #2
              - #2
              + p #3
              subscription vs !4 'paid'
              + a #7 in #3
              task a !8 of nobody users [] groups []
              + b #9 in #3
              task b !10 of nobody users [] groups []
            > message vs
              subscription !4 gone
              subscription vs !11 'paid'
              + v #12 in #3
              + vs #13 in #12
              - #13
              + handle #14 in #12
              task handle !15 of nobody users [] groups []
            > complete a {"done": true}
              task !8 gone
              done = true
              - #7
              task !10 gone
              - #9 canceled
              task !15 gone
              - #14 canceled
              - #12 canceled
              subscription !11 gone
              - #3
              + u #16
              task u !17 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn event_that_interrupts_ends_what_is_enabled_and_the_sub_process_with_it() {
    check(
        &watched("", DONE, &watching("", MESSAGE)),
        r#"
            start {"done": false}
            message vs
            leaves
            complete handle
        "#,
        expect![[r#"
            > start {"done": false}
              started at s
              done = false
              + s #2
              - #2
              + p #3
              subscription vs !4 'paid'
              + a #7 in #3
              task a !8 of nobody users [] groups []
              + b #9 in #3
              task b !10 of nobody users [] groups []
            > message vs
              subscription !4 gone
              task !8 gone
              - #7 canceled
              task !10 gone
              - #9 canceled
              + v #11 in #3
              + vs #12 in #11
              - #12
              + handle #13 in #11
              task handle !14 of nobody users [] groups []
            > leaves
              handle #13: task of nobody
            > complete handle
              task !14 gone
              - #13
              - #11
              - #3
              + u #15
              task u !16 of nobody users [] groups []
        "#]],
    );
}

/// Nothing begins in it any more: whether it is done is no question of its condition, which may fail by then.
#[test]
fn condition_is_not_asked_when_the_event_that_has_interrupted_is_over() {
    check(
        &watched("", DONE, &watching("", MESSAGE)),
        r#"
            start {"done": false}
            message vs
            complete handle {"done": "who knows"}
        "#,
        expect![[r#"
            > start {"done": false}
              started at s
              done = false
              + s #2
              - #2
              + p #3
              subscription vs !4 'paid'
              + a #7 in #3
              task a !8 of nobody users [] groups []
              + b #9 in #3
              task b !10 of nobody users [] groups []
            > message vs
              subscription !4 gone
              task !8 gone
              - #7 canceled
              task !10 gone
              - #9 canceled
              + v #11 in #3
              + vs #12 in #11
              - #12
              + handle #13 in #11
              task handle !14 of nobody users [] groups []
            > complete handle {"done": "who knows"}
              task !14 gone
              done = "who knows"
              - #13
              - #11
              - #3
              + u #15
              task u !16 of nobody users [] groups []
        "#]],
    );
}

/// The change comes while the sub-process is active, though it is what makes it complete.
#[test]
fn condition_of_an_event_is_asked_before_that_of_the_sub_process() {
    let condition = "<conditionalEventDefinition><condition>= done</condition></conditionalEventDefinition>";
    check(
        &format!(
            "<startEvent id='s'/><adHocSubProcess id='p'>{DONE}<userTask id='a'><extensionElements><zeebe:ioMapping><zeebe:output source='= true' \
             target='done'/></zeebe:ioMapping></extensionElements></userTask>{}</adHocSubProcess><userTask id='u'/>{{s>p>u}}",
            watching("", condition)
        ),
        r#"
            start {"done": false}
            complete a
            complete handle
        "#,
        expect![[r#"
            > start {"done": false}
              started at s
              done = false
              + s #2
              - #2
              + p #3
              condition vs !4
              + a #6 in #3
              task a !7 of nobody users [] groups []
            > complete a
              task !7 gone
              done = true
              - #6
              subscription !4 gone
              + v #8 in #3
              + vs #9 in #8
              - #9
              + handle #10 in #8
              task handle !11 of nobody users [] groups []
            > complete handle
              task !11 gone
              - #10
              - #8
              - #3
              + u #12
              task u !13 of nobody users [] groups []
        "#]],
    );
}

const POSITIVE: &str = "<conditionalEventDefinition><condition>= n > 0</condition></conditionalEventDefinition>";

/// It is done by then: an event sub-process that began in it would be left without the scope that it runs in.
#[test]
fn what_is_mapped_out_of_what_the_condition_cancels_triggers_nothing_inside() {
    check(
        &format!(
            "<startEvent id='s'/><adHocSubProcess id='p'>{DONE}<userTask id='a'/><userTask id='b'><extensionElements><camunda:inputOutput>\
             <camunda:outputParameter name='n'>= 1</camunda:outputParameter></camunda:inputOutput></extensionElements></userTask>{}\
             </adHocSubProcess><boundaryEvent id='m' attachedToRef='p' cancelActivity='false'>{POSITIVE}</boundaryEvent><userTask id='seen'/>\
             <userTask id='u'/>{{s>p>u}}{{m>seen}}",
            watching(OTHER, POSITIVE)
        ),
        r#"
            start {"done": false, "n": 0}
            complete a {"done": true}
            leaves
        "#,
        expect![[r#"
            > start {"done": false, "n": 0}
              started at s
              done = false
              n = 0
              + s #2
              - #2
              + p #3
              condition m !4
              condition vs !5
              + a #8 in #3
              task a !9 of nobody users [] groups []
              + b #10 in #3
              task b !11 of nobody users [] groups []
            > complete a {"done": true}
              task !9 gone
              done = true
              - #8
              n = 1
              task !11 gone
              - #10 canceled
              subscription !5 gone
              + m #12
              - #12
              + seen #13
              task seen !14 of nobody users [] groups []
              subscription !4 gone
              - #3
              + u #15
              task u !16 of nobody users [] groups []
            > leaves
              seen #13: task of nobody
              u #15: task of nobody
        "#]],
    );
}

#[test]
fn what_delegates_set_that_are_told_what_the_condition_cancels_triggers_nothing_inside() {
    check(
        &format!(
            "<startEvent id='s'/><adHocSubProcess id='p'>{DONE}<userTask id='a'/><userTask id='b'><extensionElements>\
             <camunda:taskListener event='delete' class='Gone'/></extensionElements></userTask>{}</adHocSubProcess><userTask id='u'/>{{s>p>u}}",
            watching(OTHER, POSITIVE)
        ),
        r#"
            start {"done": false, "n": 0}
            complete a {"done": true}
            return {"n": 1}
            leaves
        "#,
        expect![[r#"
            > start {"done": false, "n": 0}
              started at s
              done = false
              n = 0
              + s #2
              - #2
              + p #3
              condition vs !4
              + a #7 in #3
              task a !8 of nobody users [] groups []
              + b #9 in #3
              task b !10 of nobody users [] groups []
            > complete a {"done": true}
              task !8 gone
              done = true
              - #7
              task !10 gone
              - #9 canceled
              subscription !4 gone
              call delete b !11 attempt 1, 0 left {done: true, n: 0}
            > return {"n": 1}
              n = 1
              - #3
              + u #12
              task u !13 of nobody users [] groups []
            > leaves
              u #12: task of nobody
        "#]],
    );
}
