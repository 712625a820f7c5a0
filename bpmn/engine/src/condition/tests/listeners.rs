//! Traces of conditional events that are told what listeners change.

use expect_test::expect;

use super::{OTHER, condition};
use crate::testing::check;

#[test]
fn what_listeners_change_is_told_before_the_token_goes_on() {
    let log = |event: &str| format!("<extensionElements><camunda:executionListener event='{event}' class='Log'/></extensionElements>");
    let model = format!(
        "<startEvent id='s'/><userTask id='a'>{}</userTask><userTask id='b'>{}</userTask><userTask id='c'/>{{s>a>b}}\
         <sequenceFlow id='b_c' sourceRef='b' targetRef='c'>{}</sequenceFlow>\
         <subProcess id='p' triggeredByEvent='true'><startEvent id='ps'{OTHER}>{}</startEvent><userTask id='v'/>{{ps>v}}</subProcess>\
         <subProcess id='q' triggeredByEvent='true'><startEvent id='qs'>{}</startEvent></subProcess>",
        log("start"),
        log("end"),
        log("take"),
        condition(" camunda:variableName='n'", "= n > 1"),
        condition("", "= stop"),
    );
    check(
        &model,
        r#"
            start
            return {"n": 2}
            complete a
            complete b
            return {"n": 3}
            return {"stop": true}
        "#,
        expect![[r#"
            > start
              started at s
              condition ps !2
              condition qs !3
              + s #4
              - #4
              + a #5
              call start a !6 attempt 1, 0 left {}
            > return {"n": 2}
              n = 2
              + p #7
              + ps #8 in #7
              - #8
              + v #9 in #7
              task v !10 of nobody users [] groups []
              task a !11 of nobody users [] groups []
            > complete a
              task !11 gone
              - #5
              + b #12
              task b !13 of nobody users [] groups []
            > complete b
              task !13 gone
              call end b !14 attempt 1, 0 left {n: 2}
            > return {"n": 3}
              n = 3
              + p #15
              + ps #16 in #15
              - #16
              + v #17 in #15
              task v !18 of nobody users [] groups []
              - #12
              call take b !19 attempt 1, 0 left {n: 3}
            > return {"stop": true}
              stop = true
              subscription !3 gone
              task !10 gone
              - #9 canceled
              - #7 canceled
              task !18 gone
              - #17 canceled
              - #15 canceled
              subscription !2 gone
              + q #20
              + qs #21 in #20
              - #21
              - #20
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn scope_does_not_end_while_conditions_are_asked_for_what_a_flow_has_set() {
    let log = "<extensionElements><camunda:executionListener event='take' class='Log'/></extensionElements>";
    check(
        &format!(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='is'/><userTask id='u'/>\
             <sequenceFlow id='is_u' sourceRef='is' targetRef='u'>{log}</sequenceFlow>\
             <subProcess id='e' triggeredByEvent='true'><startEvent id='es'{OTHER}>{}</startEvent></subProcess></subProcess>{{s>p}}",
            condition("", "= n > 1")
        ),
        r#"
            start
            return {"n": 2}
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              condition es !4
              + is #5 in #3
              - #5
              call take is !6 attempt 1, 0 left {}
            > return {"n": 2}
              n = 2
              + e #7 in #3
              + es #8 in #7
              - #8
              - #7
              + u #9 in #3
              task u !10 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn scope_that_ends_is_not_triggered_by_what_its_own_end_listener_changes() {
    check(
        &format!(
            "<startEvent id='s'/><subProcess id='p'><extensionElements><camunda:executionListener event='end' class='Log'/></extensionElements>\
             <startEvent id='is'/><userTask id='u'/>{{is>u}}\
             <subProcess id='e' triggeredByEvent='true'><startEvent id='es'{OTHER}>{}</startEvent><userTask id='v'/>{{es>v}}</subProcess></subProcess>\
             <userTask id='w'/>{{s>p>w}}",
            condition("", "= n > 1")
        ),
        r#"
            start
            complete u
            return {"n": 2}
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              condition es !4
              + is #5 in #3
              - #5
              + u #6 in #3
              task u !7 of nobody users [] groups []
            > complete u
              task !7 gone
              - #6
              call end p !8 attempt 1, 0 left {}
            > return {"n": 2}
              n = 2
              subscription !4 gone
              - #3
              + w #9
              task w !10 of nobody users [] groups []
        "#]],
    );
}
