//! Traces of modifications among what has completed and what is being undone.

use expect_test::expect;

use crate::compensation::scopes::{THROW, behind};
use crate::testing::{check, undone, watching};

/// `a`, which a handler undoes, then `u`, then an event `x` that has everything undone.
fn undoable() -> String {
    format!("<startEvent id='s'/><task id='a'/><userTask id='u'/>{THROW}<userTask id='z'/>{{s>a>u>x>z}}{}", undone("a", "userTask"))
}

#[test]
fn what_has_completed_is_no_transition_that_could_be_cancelled() {
    check(
        &undoable(),
        "
            start
            modify cancel-transition #4
            modify cancel #4
            complete u
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a #3
              - #3
              + u #5
              task u !6 of nobody users [] groups []
            > modify cancel-transition #4
              rejected: instruction 1: there is no transition instance with number 4
            > modify cancel #4
              rejected: instruction 1: there is no activity instance with number 4
            > complete u
              task !6 gone
              - #5
              + x #7
              + undo_a #8
              task undo_a !9 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn instances_that_may_be_undone_are_counted_once() {
    let each = "<multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics>";
    check(
        &format!("<startEvent id='s'/><userTask id='a'>{each}</userTask><userTask id='z'/>{{s>a>z}}{}", undone("a", "userTask")),
        "
            start
            complete !6
            modify cancel-transition #8
            modify cancel #5
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 2 in #3
              loopCounter = 0 in #4
              loopCounter = 1 in #5
              + a #4 in #3
              task a !6 of nobody users [] groups []
              + a #5 in #3
              task a !7 of nobody users [] groups []
            > complete !6
              task !6 gone
              - #4
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 1 in #3
            > modify cancel-transition #8
              rejected: instruction 1: there is no transition instance with number 8
            > modify cancel #5
              task !7 gone
              - #5 canceled
              - #3 canceled
              ended: ExternallyTerminated (Cancellation due to process instance modification)
              end
        "#]],
    );
}

#[test]
fn what_is_being_compensated_is_cancelled_under_the_number_that_it_had_and_nothing_begins_in_it() {
    let inside = format!("<startEvent id='ps'/><task id='a'/>{{ps>a}}{}", undone("a", "userTask"));
    check(
        &behind("", &inside, ""),
        "
            start
            modify before a in #3
            modify cancel #3
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
            > modify before a in #3
              rejected: instruction 1: activity instance 3 has completed and is being compensated: nothing can be started in it
            > modify cancel #3
              task !10 gone
              - #9 canceled
              - #8 canceled
              ended: ExternallyTerminated (Cancellation due to process instance modification)
              end
        "#]],
    );
}

#[test]
fn what_begins_when_something_is_compensated_is_not_started_by_hand() {
    let event = watching("", "<compensateEventDefinition/>");
    let inside = format!("<startEvent id='ps'/><userTask id='a'/>{{ps>a}}{event}{}", undone("a", "userTask"));
    check(
        &behind("", &inside, ""),
        "
            start
            modify before a_undone
            modify before v
            modify before vs
            modify before undo_a
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
              task a !6 of nobody users [] groups []
            > modify before a_undone
              rejected: instruction 1: 'a_undone' begins when something that has completed is compensated; it cannot be started
            > modify before v
              rejected: instruction 1: 'v' begins when something that has completed is compensated; it cannot be started
            > modify before vs
              rejected: instruction 1: 'vs' begins when something that has completed is compensated; it cannot be started
            > modify before undo_a
              + undo_a #7 in #3
              task undo_a !8 of nobody users [] groups []
        "#]],
    );
}
