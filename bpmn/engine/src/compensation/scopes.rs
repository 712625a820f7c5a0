//! Traces of scopes inside each other: sub-processes and compensation event sub-processes.

use expect_test::expect;

use crate::testing::{check, undone};

/// An event `x` that has everything undone.
pub(crate) const THROW: &str = "<intermediateThrowEvent id='x'><compensateEventDefinition/></intermediateThrowEvent>";

/// `start > p > x > after`: a sub-process with this inside, then a throwing event.
pub(crate) fn behind(attributes: &str, inside: &str, beside: &str) -> String {
    format!("<startEvent id='s'/><subProcess id='p'{attributes}>{inside}</subProcess>{THROW}<userTask id='after'/>{{s>p>x>after}}{beside}")
}

#[test]
fn completed_sub_process_is_undone_by_what_is_inside_with_its_variables_as_they_were() {
    let mapping = "<extensionElements><camunda:inputOutput><camunda:inputParameter name='n'>= 1</camunda:inputParameter></camunda:inputOutput>\
                   </extensionElements>";
    let inside = format!(
        "{mapping}<startEvent id='ps'/><userTask id='a'/><task id='b'/>{{ps>a>b}}{}{}",
        undone("a", "userTask"),
        undone("b", "serviceTask camunda:class='UndoB'")
    );
    check(
        &behind("", &inside, ""),
        r#"
            start
            complete a {"n": 2}
            return {"n": 3}
            variables undo_a
            complete undo_a
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              n = 1 in #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              task a !6 of nobody users [] groups []
            > complete a {"n": 2}
              task !6 gone
              n = 2 in #3
              - #5
              + b #8 in #3
              - #8
              - #3
              + x #11
              + undo_b #12 in #3
              call undo_b !13 attempt 1, 0 left {n: 2}
            > return {"n": 3}
              n = 3 in #3
              - #12
              + undo_a #14 in #3
              task undo_a !15 of nobody users [] groups []
            > variables undo_a
              {n: 3}
            > complete undo_a
              task !15 gone
              - #14
              - #11
              + after #16
              task after !17 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn sub_process_that_has_not_completed_keeps_what_is_inside() {
    check(
        &format!(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><task id='a'/><userTask id='u'/>{{ps>a>u}}{}</subProcess>\
             <userTask id='c'/>{THROW}<endEvent id='y'><compensateEventDefinition/></endEvent>{{s>p>y}}{{s>c>x}}",
            undone("a", "userTask")
        ),
        "
            start
            complete c
            complete u
            complete undo_a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              - #5
              + u #7 in #3
              task u !8 of nobody users [] groups []
              + c #9
              task c !10 of nobody users [] groups []
            > complete c
              task !10 gone
              - #9
              + x #11
              - #11
            > complete u
              task !8 gone
              - #7
              - #3
              + y #13
              + undo_a #14 in #3
              task undo_a !15 of nobody users [] groups []
            > complete undo_a
              task !15 gone
              - #14
              - #13
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn scopes_inside_of_each_other_are_undone_from_the_last_to_the_first() {
    let q = format!("<subProcess id='q'><startEvent id='qs'/><task id='b'/>{{qs>b}}{}</subProcess>", undone("b", "userTask"));
    let inside =
        format!("<startEvent id='ps'/><task id='a'/>{q}<task id='c'/>{{ps>a>q>c}}{}{}", undone("a", "userTask"), undone("c", "userTask"));
    check(
        &behind("", &inside, ""),
        "
            start
            leaves
            complete undo_a
            complete undo_b
            complete undo_c
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              - #5
              + q #7 in #3
              + qs #8 in #7
              - #8
              + b #9 in #7
              - #9
              - #7
              + c #12 in #3
              - #12
              - #3
              + x #15
              + undo_c #16 in #3
              task undo_c !17 of nobody users [] groups []
              + undo_b #18 in #7
              task undo_b !19 of nobody users [] groups []
              + undo_a #20 in #3
              task undo_a !21 of nobody users [] groups []
            > leaves
              undo_c #16: task of nobody
              undo_b #18: task of nobody
              undo_a #20: task of nobody
            > complete undo_a
              task !21 gone
              - #20
            > complete undo_b
              task !19 gone
              - #18
            > complete undo_c
              task !17 gone
              - #16
              - #15
              + after #22
              task after !23 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn sub_process_with_a_handler_of_its_own_is_undone_by_both() {
    let inside = format!("<startEvent id='ps'/><task id='a'/>{{ps>a}}{}", undone("a", "userTask"));
    check(
        &behind("", &inside, &undone("p", "userTask")),
        "
            start
            complete undo_p
            complete undo_a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              - #5
              - #3
              + x #9
              + undo_p #10
              task undo_p !11 of nobody users [] groups []
              + undo_a #12 in #3
              task undo_a !13 of nobody users [] groups []
            > complete undo_p
              task !11 gone
              - #10
            > complete undo_a
              task !13 gone
              - #12
              - #9
              + after #14
              task after !15 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn by_reference_only_the_handler_of_a_sub_process_undoes_it() {
    let inside = format!("<startEvent id='ps'/><task id='a'/>{{ps>a}}{}", undone("a", "userTask"));
    check(
        &behind("", &inside, &undone("p", "userTask"))
            .replace("<compensateEventDefinition/></int", "<compensateEventDefinition activityRef='p'/></int"),
        "
            start
            complete undo_p
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              - #5
              - #3
              + x #9
              + undo_p #10
              task undo_p !11 of nobody users [] groups []
            > complete undo_p
              task !11 gone
              - #10
              - #9
              + after #12
              task after !13 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn by_reference_a_sub_process_without_handler_is_undone_by_what_is_inside() {
    let inside = format!("<startEvent id='ps'/><task id='a'/>{{ps>a}}{}", undone("a", "userTask"));
    check(
        &behind("", &inside, "").replace("<compensateEventDefinition/></int", "<compensateEventDefinition activityRef='p'/></int"),
        "
            start
            complete undo_a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              - #5
              - #3
              + x #8
              + undo_a #9 in #3
              task undo_a !10 of nobody users [] groups []
            > complete undo_a
              task !10 gone
              - #9
              - #8
              + after #11
              task after !12 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn compensation_event_sub_process_undoes_in_place_of_what_is_inside() {
    let event = "<subProcess id='v' triggeredByEvent='true'><startEvent id='vs'><compensateEventDefinition/></startEvent><userTask id='w'/>\
                 {vs>w}</subProcess>";
    let inside = format!("<startEvent id='ps'/><task id='a'/>{{ps>a}}{}{event}", undone("a", "userTask"));
    check(
        &behind("", &inside, ""),
        "
            start
            complete w
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              - #5
              - #3
              + x #8
              + v #9 in #3
              + vs #10 in #9
              - #10
              + w #11 in #9
              task w !12 of nobody users [] groups []
            > complete w
              task !12 gone
              - #11
              - #9
              - #8
              + after #13
              task after !14 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn compensation_event_sub_process_may_have_the_rest_undone_itself() {
    let event = "<subProcess id='v' triggeredByEvent='true'><startEvent id='vs'><compensateEventDefinition/></startEvent>\
                 <intermediateThrowEvent id='y'><compensateEventDefinition/></intermediateThrowEvent><userTask id='w'/>{vs>y>w}</subProcess>";
    let inside = format!("<startEvent id='ps'/><task id='a'/>{{ps>a}}{}{event}", undone("a", "userTask"));
    check(
        &behind("", &inside, ""),
        "
            start
            complete undo_a
            complete w
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              - #5
              - #3
              + x #8
              + v #9 in #3
              + vs #10 in #9
              - #10
              + y #11 in #9
              + undo_a #12 in #3
              task undo_a !13 of nobody users [] groups []
            > complete undo_a
              task !13 gone
              - #12
              - #11
              + w #14 in #9
              task w !15 of nobody users [] groups []
            > complete w
              task !15 gone
              - #14
              - #9
              - #8
              + after #16
              task after !17 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn error_in_a_completed_scope_is_not_caught_by_what_watched_it() {
    let watching = "<subProcess id='v' triggeredByEvent='true'><startEvent id='vs'><errorEventDefinition/></startEvent></subProcess>";
    let inside = format!("<startEvent id='ps'/><task id='a'/>{{ps>a}}{}{watching}", undone("a", "serviceTask camunda:class='UndoA'"));
    let beside = "<boundaryEvent id='e' attachedToRef='p'><errorEventDefinition/></boundaryEvent><userTask id='wrong'/>{e>wrong}\
                  <subProcess id='r' triggeredByEvent='true'><startEvent id='rs'><errorEventDefinition/></startEvent><userTask id='right'/>\
                  {rs>right}</subProcess>";
    check(
        &behind("", &inside, beside),
        "
            start
            error E
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              - #5
              - #3
              + x #8
              + undo_a #9 in #3
              call undo_a !10 attempt 1, 0 left {}
            > error E
              - #9 canceled
              - #8 canceled
              + r #11
              + rs #12 in #11
              - #12
              + right #13 in #11
              task right !14 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn terminated_sub_process_has_completed_what_it_had() {
    let inside = format!(
        "<startEvent id='ps'/><task id='a'/><parallelGateway id='f'/><userTask id='b'/><endEvent id='t'><terminateEventDefinition/></endEvent>\
         {{ps>a>f}}{{f>b}}{{f>t}}{}{}",
        undone("a", "userTask"),
        undone("b", "userTask")
    );
    check(
        &behind("", &inside, ""),
        "
            start
            complete undo_a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              + ps #4 in #3
              - #4
              + a #5 in #3
              - #5
              + f #7 in #3
              - #7
              + b #8 in #3
              task b !9 of nobody users [] groups []
              + t #10 in #3
              task !9 gone
              - #8 canceled
              - #10
              - #3
              + x #12
              + undo_a #13 in #3
              task undo_a !14 of nobody users [] groups []
            > complete undo_a
              task !14 gone
              - #13
              - #12
              + after #15
              task after !16 of nobody users [] groups []
        "#]],
    );
}
