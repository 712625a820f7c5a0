//! Traces of multi-instance activities of which the instances are undone.

use expect_test::expect;

use super::scopes::{THROW, behind};
use crate::testing::{check, undone};

const TWO: &str = "<multiInstanceLoopCharacteristics camunda:collection='= [7, 8]' camunda:elementVariable='item'/>";

#[test]
fn each_instance_of_a_task_is_undone() {
    check(
        &format!(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A'>{TWO}</serviceTask>{THROW}<userTask id='after'/>{{s>a>x>after}}{}",
            undone("a", "serviceTask camunda:class='UndoA'")
        ),
        "
            start
            return
            return
            return
            return
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
              item = 7 in #4
              loopCounter = 0 in #4
              item = 8 in #5
              loopCounter = 1 in #5
              + a #4 in #3
              call a !6 attempt 1, 0 left {item: 7, loopCounter: 0, nrOfActiveInstances: 2, nrOfCompletedInstances: 0, nrOfInstances: 2}
            > return
              - #4
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 1 in #3
              + a #5 in #3
              call a !8 attempt 1, 0 left {item: 8, loopCounter: 1, nrOfActiveInstances: 1, nrOfCompletedInstances: 1, nrOfInstances: 2}
            > return
              - #5
              nrOfActiveInstances = 0 in #3
              nrOfCompletedInstances = 2 in #3
              - #3
              + x #11
              + undo_a #12 in #3
              call undo_a !13 attempt 1, 0 left {nrOfActiveInstances: 0, nrOfCompletedInstances: 2, nrOfInstances: 2}
            > return
              - #12
              + undo_a #14 in #3
              call undo_a !15 attempt 1, 0 left {nrOfActiveInstances: 0, nrOfCompletedInstances: 2, nrOfInstances: 2}
            > return
              - #14
              - #11
              + after #16
              task after !17 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn instances_of_a_sub_process_are_undone_each_with_its_element() {
    let inside = format!("{TWO}<startEvent id='ps'/><userTask id='a'/>{{ps>a}}{}", undone("a", "serviceTask camunda:class='UndoA'"));
    check(
        &behind("", &inside, ""),
        "
            start
            complete a
            complete a
            return
            return
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p body #3
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 2 in #3
              item = 7 in #4
              loopCounter = 0 in #4
              item = 8 in #5
              loopCounter = 1 in #5
              + p #4 in #3
              + ps #6 in #4
              - #6
              + a #7 in #4
              task a !8 of nobody users [] groups []
              + p #5 in #3
              + ps #9 in #5
              - #9
              + a #10 in #5
              task a !11 of nobody users [] groups []
            > complete a
              task !8 gone
              - #7
              - #4
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 1 in #3
            > complete a
              task !11 gone
              - #10
              - #5
              nrOfActiveInstances = 0 in #3
              nrOfCompletedInstances = 2 in #3
              - #3
              + x #17
              + undo_a #18 in #5
              call undo_a !19 attempt 1, 0 left {item: 8, loopCounter: 1, nrOfActiveInstances: 0, nrOfCompletedInstances: 2, nrOfInstances: 2}
            > return
              - #18
              + undo_a #20 in #4
              call undo_a !21 attempt 1, 0 left {item: 7, loopCounter: 0, nrOfActiveInstances: 0, nrOfCompletedInstances: 2, nrOfInstances: 2}
            > return
              - #20
              - #17
              + after #22
              task after !23 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn instances_with_compensation_event_sub_processes_are_undone_by_these() {
    let event = "<subProcess id='v' triggeredByEvent='true'><startEvent id='vs'><compensateEventDefinition/></startEvent>\
                 <serviceTask id='w' camunda:class='W'/>{vs>w}</subProcess>";
    let inside = format!("{TWO}<startEvent id='ps'/><task id='a'/>{{ps>a}}{event}");
    check(
        &behind("", &inside, "").replace("<compensateEventDefinition/></int", "<compensateEventDefinition activityRef='p'/></int"),
        "
            start
            return
            return
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p body #3
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 2 in #3
              item = 7 in #4
              loopCounter = 0 in #4
              item = 8 in #5
              loopCounter = 1 in #5
              + p #4 in #3
              + ps #6 in #4
              - #6
              + a #7 in #4
              - #7
              - #4
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 1 in #3
              + p #5 in #3
              + ps #9 in #5
              - #9
              + a #10 in #5
              - #10
              - #5
              nrOfActiveInstances = 0 in #3
              nrOfCompletedInstances = 2 in #3
              - #3
              + x #13
              + v #14 in #5
              + vs #15 in #14
              - #15
              + w #16 in #14
              call w !17 attempt 1, 0 left {item: 8, loopCounter: 1, nrOfActiveInstances: 0, nrOfCompletedInstances: 2, nrOfInstances: 2}
            > return
              - #16
              - #14
              + v #18 in #4
              + vs #19 in #18
              - #19
              + w #20 in #18
              call w !21 attempt 1, 0 left {item: 7, loopCounter: 0, nrOfActiveInstances: 0, nrOfCompletedInstances: 2, nrOfInstances: 2}
            > return
              - #20
              - #18
              - #13
              + after #22
              task after !23 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn in_a_model_for_camunda_8_all_instances_are_undone_at_once() {
    let often = "<multiInstanceLoopCharacteristics><extensionElements><zeebe:loopCharacteristics inputCollection='= [7, 8]' inputElement='item'/>\
                 </extensionElements></multiInstanceLoopCharacteristics>";
    check(
        &format!("<startEvent id='s'/><task id='a'>{often}</task>{THROW}<userTask id='after'/>{{s>a>x>after}}{}", undone("a", "userTask")),
        "
            start
            complete undo_a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              numberOfActiveInstances = 2 in #3
              numberOfCompletedInstances = 0 in #3
              numberOfInstances = 2 in #3
              item = 7 in #4
              loopCounter = 1 in #4
              item = 8 in #5
              loopCounter = 2 in #5
              + a #4 in #3
              - #4
              numberOfActiveInstances = 1 in #3
              numberOfCompletedInstances = 1 in #3
              + a #5 in #3
              - #5
              numberOfActiveInstances = 0 in #3
              numberOfCompletedInstances = 2 in #3
              - #3
              + x #7
              + undo_a #8
              task undo_a !9 of nobody users [] groups []
            > complete undo_a
              task !9 gone
              - #8
              - #7
              + after #10
              task after !11 of nobody users [] groups []
        "#]],
    );
}

/// `start > a > x`: two of three instances of a task will do; or the message comes, and `y` has all undone.
fn two_of_three() -> String {
    let often = "<multiInstanceLoopCharacteristics><loopCardinality>3</loopCardinality><completionCondition>= nrOfCompletedInstances = 2\
                 </completionCondition></multiInstanceLoopCharacteristics>";
    format!(
        "<startEvent id='s'/><userTask id='a'>{often}</userTask><boundaryEvent id='m' attachedToRef='a'><messageEventDefinition messageRef='msg'/>\
         </boundaryEvent>{THROW}<endEvent id='y'><compensateEventDefinition/></endEvent>{{s>a>x}}{{m>y}}{}",
        undone("a", "userTask")
    )
}

#[test]
fn of_several_instances_those_are_undone_that_have_completed() {
    check(
        &two_of_three(),
        "
            start
            complete a
            complete a
            complete undo_a
            complete undo_a
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              subscription m !4 'paid'
              nrOfActiveInstances = 3 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 3 in #3
              loopCounter = 0 in #5
              loopCounter = 1 in #6
              loopCounter = 2 in #7
              + a #5 in #3
              task a !8 of nobody users [] groups []
              + a #6 in #3
              task a !9 of nobody users [] groups []
              + a #7 in #3
              task a !10 of nobody users [] groups []
            > complete a
              task !8 gone
              - #5
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 1 in #3
            > complete a
              task !9 gone
              - #6
              nrOfActiveInstances = 1 in #3
              nrOfCompletedInstances = 2 in #3
              task !10 gone
              - #7 canceled
              subscription !4 gone
              - #3
              + x #14
              + undo_a #15 in #3
              task undo_a !16 of nobody users [] groups []
              + undo_a #17 in #3
              task undo_a !18 of nobody users [] groups []
            > complete undo_a
              task !16 gone
              - #15
            > complete undo_a
              task !18 gone
              - #17
              - #14
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn body_that_is_interrupted_leaves_nothing_to_undo() {
    check(
        &two_of_three(),
        "
            start
            complete a
            message m
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a body #3
              subscription m !4 'paid'
              nrOfActiveInstances = 3 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 3 in #3
              loopCounter = 0 in #5
              loopCounter = 1 in #6
              loopCounter = 2 in #7
              + a #5 in #3
              task a !8 of nobody users [] groups []
              + a #6 in #3
              task a !9 of nobody users [] groups []
              + a #7 in #3
              task a !10 of nobody users [] groups []
            > complete a
              task !8 gone
              - #5
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 1 in #3
            > message m
              subscription !4 gone
              task !9 gone
              - #6 canceled
              task !10 gone
              - #7 canceled
              - #3 canceled
              + m #12
              - #12
              + y #13
              - #13
              ended: Completed
              end
        "#]],
    );
}
