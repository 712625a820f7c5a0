//! Traces of events that have something undone: what handlers have from them, and what ends both.

use expect_test::expect;

use super::scopes::THROW;
use crate::testing::{check, undone};

#[test]
fn event_waits_also_when_it_says_that_it_does_not() {
    check(
        &format!(
            "<startEvent id='s'/><task id='a'/><intermediateThrowEvent id='x'><compensateEventDefinition waitForCompletion='false'/>\
             </intermediateThrowEvent><userTask id='after'/>{{s>a>x>after}}{}",
            undone("a", "userTask")
        ),
        "
            start
            complete undo_a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a #3
              - #3
              + x #5
              + undo_a #6
              task undo_a !7 of nobody users [] groups []
            > complete undo_a
              task !7 gone
              - #6
              - #5
              + after #8
              task after !9 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn error_of_a_handler_goes_outward_from_the_event() {
    check(
        &format!(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/><task id='a'/><task id='b'/>{THROW}{{ps>a>b>x}}{}{}</subProcess>\
             <boundaryEvent id='e' attachedToRef='p'><errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='repair'/>{{s>p}}{{e>repair}}",
            undone("a", "userTask"),
            undone("b", "serviceTask camunda:class='UndoB'")
        ),
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
              + b #7 in #3
              - #7
              + x #9 in #3
              + undo_b #10 in #3
              call undo_b !11 attempt 1, 0 left {}
            > error E
              - #10 canceled
              - #9 canceled
              - #3 canceled
              + e #12
              - #12
              + repair #13
              task repair !14 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn handler_is_watched_by_its_own_boundary_events() {
    check(
        &format!(
            "<startEvent id='s'/><task id='a'/>{THROW}<userTask id='after'/>{{s>a>x>after}}{}<boundaryEvent id='t' attachedToRef='undo_a'>\
             <timerEventDefinition><timeDuration>PT1M</timeDuration></timerEventDefinition></boundaryEvent><userTask id='late'/>{{t>late}}",
            undone("a", "userTask")
        ),
        "
            start
            run t
            complete late
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a #3
              - #3
              + x #5
              + undo_a #6
              job Timer t !7 due 60000, 3 left, 0 failed
              task undo_a !8 of nobody users [] groups []
            > run t
              job !7 gone
              task !8 gone
              - #6 canceled
              + t #9
              - #9
              + late #10
              task late !11 of nobody users [] groups []
            > complete late
              task !11 gone
              - #10
              - #5
              + after #12
              task after !13 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn who_cancels_the_event_cancels_its_handlers() {
    check(
        &format!(
            "<startEvent id='s'/><task id='a'/>{THROW}<userTask id='after'/>{{s>a>x>after}}{}<subProcess id='v' triggeredByEvent='true'>\
             <startEvent id='vs'><messageEventDefinition messageRef='msg'/></startEvent><intermediateThrowEvent id='y'>\
             <compensateEventDefinition/></intermediateThrowEvent><userTask id='w'/>{{vs>y>w}}</subProcess>",
            undone("a", "userTask")
        ),
        "
            start
            message vs
        ",
        expect![[r#"
            > start
              started at s
              subscription vs !2 'paid'
              + s #3
              - #3
              + a #4
              - #4
              + x #6
              + undo_a #7
              task undo_a !8 of nobody users [] groups []
            > message vs
              subscription !2 gone
              task !8 gone
              - #7 canceled
              - #6 canceled
              + v #9
              + vs #10 in #9
              - #10
              + y #11 in #9
              - #11
              + w #12 in #9
              task w !13 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn cancellation_that_interrupts_undoes_what_had_completed_by_then() {
    check(
        &format!(
            "<startEvent id='s'/><userTask id='a'/><userTask id='b'/>{{s>a>b}}{}{}<subProcess id='v' triggeredByEvent='true'>\
             <startEvent id='vs'><messageEventDefinition messageRef='msg'/></startEvent><task id='c'/><endEvent id='x'>\
             <compensateEventDefinition/></endEvent>{{vs>c>x}}{}</subProcess>",
            undone("a", "userTask"),
            undone("b", "userTask"),
            undone("c", "userTask")
        ),
        "
            start
            complete a
            message vs
            complete undo_a
            complete undo_c
        ",
        expect![[r#"
            > start
              started at s
              subscription vs !2 'paid'
              + s #3
              - #3
              + a #4
              task a !5 of nobody users [] groups []
            > complete a
              task !5 gone
              - #4
              + b #7
              task b !8 of nobody users [] groups []
            > message vs
              subscription !2 gone
              task !8 gone
              - #7 canceled
              + v #9
              + vs #10 in #9
              - #10
              + c #11 in #9
              - #11
              + x #13 in #9
              + undo_c #14 in #9
              task undo_c !15 of nobody users [] groups []
              + undo_a #16
              task undo_a !17 of nobody users [] groups []
            > complete undo_a
              task !17 gone
              - #16
            > complete undo_c
              task !15 gone
              - #14
              - #13
              - #9
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn handlers_see_what_the_event_maps_and_set_variables_around_it() {
    check(
        &format!(
            "<startEvent id='s'/><task id='a'/><intermediateThrowEvent id='x'><extensionElements><camunda:inputOutput>\
             <camunda:inputParameter name='why'>= reason</camunda:inputParameter></camunda:inputOutput></extensionElements>\
             <compensateEventDefinition/></intermediateThrowEvent><userTask id='after'/>{{s>a>x>after}}{}",
            undone("a", "serviceTask camunda:class='UndoA'")
        ),
        r#"
            start {"reason": "sold out"}
            return {"undone": true}
        "#,
        expect![[r#"
            > start {"reason": "sold out"}
              started at s
              reason = "sold out"
              + s #2
              - #2
              + a #3
              - #3
              + x #5
              why = "sold out" in #5
              + undo_a #6
              call undo_a !7 attempt 1, 0 left {reason: "sold out", why: "sold out"}
            > return {"undone": true}
              undone = true
              - #6
              - #5
              + after #8
              task after !9 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn cancelled_instance_ends_its_handlers() {
    check(
        &format!("<startEvent id='s'/><task id='a'/><task id='b'/>{THROW}{{s>a>b>x}}{}", undone("a", "userTask")),
        "
            start
            cancel enough
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a #3
              - #3
              + b #5
              - #5
              + x #6
              + undo_a #7
              task undo_a !8 of nobody users [] groups []
            > cancel enough
              task !8 gone
              - #7 canceled
              - #6 canceled
              ended: ExternallyTerminated (enough)
              end
        "#]],
    );
}
