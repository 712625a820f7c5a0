//! Traces of handlers: what is undone, in which order, by what, and what becomes of the event that has it undone.

use expect_test::expect;

use super::scopes::THROW;
use crate::testing::{Run, check, keys, parse, undone, undone_by};

#[test]
fn what_has_completed_is_undone_from_the_last_to_the_first() {
    check(
        &format!(
            "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><userTask id='b'/><userTask id='c'/>{THROW}<userTask id='after'/>\
             {{s>f}}{{f>a}}{{f>b}}{{f>c}}{{a>x>after}}{}{}{}",
            undone("a", "userTask"),
            undone("b", "userTask"),
            undone("c", "userTask")
        ),
        "
            start
            complete b
            complete a
            leaves
            complete undo_b
            complete undo_a
            complete !14
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
            > complete b
              task !7 gone
              - #6
            > complete a
              task !5 gone
              - #4
              + x #12
              + undo_a #13
              task undo_a !14 of nobody users [] groups []
              + undo_b #15
              task undo_b !16 of nobody users [] groups []
            > leaves
              c #8: task of nobody
              undo_a #13: task of nobody
              undo_b #15: task of nobody
            > complete undo_b
              task !16 gone
              - #15
            > complete undo_a
              task !14 gone
              - #13
              - #12
              + after #17
              task after !18 of nobody users [] groups []
            > complete !14
              rejected: nothing waits under number 14
            > complete c
              task !9 gone
              - #8
        "#]],
    );
}

#[test]
fn delegates_undo_one_after_the_other_in_one_unit() {
    check(
        &format!(
            "<startEvent id='s'/><serviceTask id='a' camunda:class='A'/><serviceTask id='b' camunda:class='B'/>{THROW}<endEvent id='e'/>\
             {{s>a>b>x>e}}{}{}",
            undone("a", "serviceTask camunda:class='UndoA'"),
            undone("b", "serviceTask camunda:class='UndoB'")
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
              + a #3
              call a !4 attempt 1, 0 left {}
            > return
              - #3
              + b #6
              call b !7 attempt 1, 0 left {}
            > return
              - #6
              + x #9
              + undo_b #10
              call undo_b !11 attempt 1, 0 left {}
            > return
              - #10
              + undo_a #12
              call undo_a !13 attempt 1, 0 left {}
            > return
              - #12
              - #9
              + e #14
              - #14
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn each_turn_of_a_loop_is_undone_and_none_twice() {
    check(
        &format!(
            "<startEvent id='s'/><task id='m'/><userTask id='a'/><exclusiveGateway id='g' default='g_x'/>{THROW}\
             <intermediateThrowEvent id='y'><compensateEventDefinition/></intermediateThrowEvent>{{s>m>a>g}}{{g>m ? again}}{{g>x>y}}{}",
            undone("a", "serviceTask camunda:class='UndoA'")
        ),
        r#"
            start
            complete a {"again": true}
            complete a {"again": false}
            return
            return
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + m #3
              - #3
              + a #4
              task a !5 of nobody users [] groups []
            > complete a {"again": true}
              task !5 gone
              again = true
              - #4
              + g #7
              - #7
              + m #8
              - #8
              + a #9
              task a !10 of nobody users [] groups []
            > complete a {"again": false}
              task !10 gone
              again = false
              - #9
              + g #12
              - #12
              + x #13
              + undo_a #14
              call undo_a !15 attempt 1, 0 left {again: false}
            > return
              - #14
              + undo_a #16
              call undo_a !17 attempt 1, 0 left {again: false}
            > return
              - #16
              - #13
              + y #18
              - #18
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn one_activity_is_undone_and_the_others_are_remembered() {
    check(
        &format!(
            "<startEvent id='s'/><task id='a'/><task id='b'/><intermediateThrowEvent id='x'><compensateEventDefinition activityRef='a' \
             waitForCompletion='true'/></intermediateThrowEvent><endEvent id='y'><compensateEventDefinition/></endEvent>{{s>a>b>x>y}}{}{}",
            undone("a", "userTask"),
            undone("b", "userTask")
        ),
        "
            start
            complete undo_a
            complete undo_b
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
              + x #7
              + undo_a #8
              task undo_a !9 of nobody users [] groups []
            > complete undo_a
              task !9 gone
              - #8
              - #7
              + y #10
              + undo_b #11
              task undo_b !12 of nobody users [] groups []
            > complete undo_b
              task !12 gone
              - #11
              - #10
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn process_that_ends_forgets_what_could_have_been_undone() {
    check(
        &format!("<startEvent id='s'/><task id='a'/><userTask id='u'/>{{s>a>u}}{}", undone("a", "userTask")),
        "
            start
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
            > complete u
              task !6 gone
              - #5
              ended: Completed
              end
        "#]],
    );
}

#[test]
fn jobs_before_and_behind_activity_handler_and_event() {
    check(
        &format!(
            "<startEvent id='s'/><task id='a' camunda:asyncBefore='true' camunda:asyncAfter='true'/><intermediateThrowEvent id='x' \
             camunda:asyncBefore='true' camunda:asyncAfter='true'><compensateEventDefinition/></intermediateThrowEvent><userTask id='u'/>\
             {{s>a>x>u}}{}",
            undone("a", "serviceTask camunda:class='UndoA' camunda:asyncBefore='true' camunda:asyncAfter='true'")
        ),
        "
            start
            run a
            run a
            run x
            leaves
            fail undo_a
            run undo_a
            return
            run undo_a
            run x
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              job AsyncBefore a !4 due 0, 3 left, 0 failed
            > run a
              job !4 gone
              + a #3
              - #3
              job AsyncAfter a !7 due 0, 3 left, 0 failed
            > run a
              job !7 gone
              job AsyncBefore x !9 due 0, 3 left, 0 failed
            > run x
              job !9 gone
              + x #8
              job AsyncBefore undo_a !11 due 0, 3 left, 0 failed
            > leaves
              undo_a #10: job, attempt 1, 3 left, due 0 until 0
            > fail undo_a
              job AsyncBefore undo_a !11 due 4387, 2 left, 1 failed
            > run undo_a
              job !11 gone
              + undo_a #10
              call undo_a !12 attempt 2, 1 left {}
            > return
              - #10
              job AsyncAfter undo_a !14 due 0, 3 left, 0 failed
            > run undo_a
              job !14 gone
              - #8
              job AsyncAfter x !16 due 0, 3 left, 0 failed
            > run x
              job !16 gone
              + u #17
              task u !18 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn worker_sub_process_and_several_instances_undo() {
    let several = "<multiInstanceLoopCharacteristics><loopCardinality>2</loopCardinality></multiInstanceLoopCharacteristics>";
    let inside = "<startEvent id='q'/><userTask id='t'/>{q>t}";
    check(
        &format!(
            "<startEvent id='s'/><task id='a'/><manualTask id='b'/><task id='c'/>{THROW}<userTask id='after'/>{{s>a>b>c>x>after}}{}{}{}",
            undone("a", "serviceTask camunda:type='external' camunda:topic='undo'"),
            undone_by("b", "subProcess", inside),
            undone_by("c", "userTask", several)
        ),
        "
            start
            done undo_a
            complete t
            complete undo_c
            complete undo_c
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
              + c #7
              - #7
              + x #9
              + undo_c body #10
              nrOfActiveInstances = 2 in #10
              nrOfCompletedInstances = 0 in #10
              nrOfInstances = 2 in #10
              loopCounter = 0 in #11
              loopCounter = 1 in #12
              + undo_c #11 in #10
              task undo_c !13 of nobody users [] groups []
              + undo_c #12 in #10
              task undo_c !14 of nobody users [] groups []
              + undo_b #15
              + q #16 in #15
              - #16
              + t #17 in #15
              task t !18 of nobody users [] groups []
              + undo_a #19
              external task undo_a !20 'undo' priority 0
            > done undo_a
              external task !20 gone
              - #19
            > complete t
              task !18 gone
              - #17
              - #15
            > complete undo_c
              task !13 gone
              - #11
              nrOfActiveInstances = 1 in #10
              nrOfCompletedInstances = 1 in #10
            > complete undo_c
              task !14 gone
              - #12
              nrOfActiveInstances = 0 in #10
              nrOfCompletedInstances = 2 in #10
              - #10
              - #9
              + after #21
              task after !22 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn interrupted_and_cancelled_activities_are_not_undone() {
    check(
        &format!(
            "<startEvent id='s'/><userTask id='a'/><boundaryEvent id='m' attachedToRef='a'><messageEventDefinition messageRef='msg'/>\
             </boundaryEvent>{THROW}<userTask id='after'/>{{s>a}}{{m>x>after}}{}",
            undone("a", "userTask")
        ),
        "
            start
            message m
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a #3
              subscription m !4 'paid'
              task a !5 of nobody users [] groups []
            > message m
              subscription !4 gone
              task !5 gone
              - #3 canceled
              + m #6
              - #6
              + x #7
              - #7
              + after #8
              task after !9 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn unit_that_runs_again_undoes_under_the_same_keys() {
    let model = format!(
        "<startEvent id='s'/><task id='h' camunda:asyncBefore='true'/><userTask id='u'/><task id='a'/><exclusiveGateway id='g' default='g_x'/>\
         <userTask id='w'/>{THROW}{{s>h>a>g}}{{s>u>a}}{{g>w ? stop}}{{g>x}}{}",
        undone("a", "serviceTask camunda:class='UndoA'")
    );
    // Another branch completes the same activity in between, and counts the numbers of the instance up.
    let script = r#"start {"stop": false}
                    run h
                    crash
                    complete u {"stop": true}
                    set {"stop": false}
                    run h
                    return"#;
    let keys = keys("undo_a", &model, script);
    assert_eq!((keys.len(), keys[0]), (3, keys[1]));
    assert_ne!(keys[1], keys[2]);
}

#[test]
fn what_else_there_is_to_undo_changes_no_key() {
    let model = format!(
        "<startEvent id='s'/><userTask id='u'/><userTask id='v'/><exclusiveGateway id='m'/><task id='a'/><userTask id='w'/>{THROW}\
         {{s>u>m}}{{s>v>m}}{{s>w>x}}{{m>a}}{}",
        undone("a", "serviceTask camunda:class='UndoA'")
    );
    let keys = keys("undo_a", &model, "start\n complete u\n complete w\n crash\n complete v\n complete w\n return");
    assert_eq!(keys.len(), 3);
    assert_eq!(keys[0], keys[2], "what completed first is undone under the same key, though there is another before it now");
    assert_ne!(keys[0], keys[1]);
}

#[test]
fn thousands_of_turns_are_stored_apart_and_cost_little() {
    let definition = parse(&format!(
        "<startEvent id='s'/><exclusiveGateway id='m'/><task id='a'/><userTask id='u'/><exclusiveGateway id='g' default='g_m'/>{THROW}\
         <endEvent id='e'/>{{s>m>a>u>g>m}}{{g>x ? done}}{{x>e}}{}",
        undone("a", "task")
    ));
    let mut run = Run::new(&definition);
    run.line("start");
    run.line(r#"set {"done": false}"#);
    for _ in 0..1_000 {
        run.line("complete u");
    }
    let stored = run.instance.encode();
    assert!(stored.snapshot.len() < 4_000, "{}", stored.snapshot.len());
    let largest = stored.parts.values().map(Vec::len).max().unwrap_or_default();
    assert!(stored.parts.len() > 900 && largest < 40, "{} parts of up to {largest} bytes", stored.parts.len());
    let before = run.instance.clone();
    run.line("complete u");
    let changes = run.instance.changes(Some(&before));
    assert!(changes.put.len() + changes.remove.len() <= 6, "{} parts written", changes.put.len());
    run.line(r#"complete u {"done": true}"#);
    assert!(run.instance.is_ended());
}
