//! Traces of delegates that are told of user tasks that nobody has completed.

mod by_hand;

use expect_test::expect;
use mandate_model::ProcessDefinition;
use uuid::Uuid;

use crate::call::{Catch, CatchKind};
use crate::limits::MAX_STEPS;
use crate::testing::{MESSAGE, Run, check, parse};
use crate::{Caller, InstanceId, WaitId};

/// A user task of which a delegate is told, with what it has of its own.
fn task(id: &str, own: &str) -> String {
    format!(
        "<userTask id='{id}' camunda:assignee='ann'><extensionElements><camunda:inputOutput><camunda:inputParameter name='{own}'>= 1\
         </camunda:inputParameter></camunda:inputOutput><camunda:taskListener event='delete' class='Gone'><camunda:field name='who' \
         expression='${{task.assignee}} ${{task.eventName}}'/></camunda:taskListener></extensionElements></userTask>"
    )
}

/// An instance that another one has called, around which errors are caught.
fn called(definition: &ProcessDefinition) -> Run<'_> {
    let catches = vec![Catch { kind: CatchKind::Error, code: None }];
    let of = |id| InstanceId(Uuid::from_u128(id));
    Run::called(definition, Caller { instance: of(2), wait: WaitId(7), root: of(2), depth: 1, catches })
}

#[test]
fn delegates_are_told_one_after_the_other_before_anything_else_moves() {
    let model = format!(
        "<startEvent id='s'/><subProcess id='p'><extensionElements><camunda:inputOutput><camunda:inputParameter name='l'>= 1\
         </camunda:inputParameter></camunda:inputOutput></extensionElements><startEvent id='ps'/><parallelGateway id='f'/>{}{}{{ps>f}}{{f>u}}{{f>w}}\
         </subProcess><boundaryEvent id='m' attachedToRef='p'>{MESSAGE}</boundaryEvent><userTask id='v'><extensionElements><camunda:inputOutput>\
         <camunda:inputParameter name='told'>= told</camunda:inputParameter></camunda:inputOutput></extensionElements></userTask>{{s>p}}{{m>v}}",
        task("u", "of_u"),
        task("w", "of_w")
    );
    let definition = parse(&model);
    let mut run = Run::new(&definition);
    for line in [
        "start",
        r#"putlocal #8 {"draft": 1}"#,
        r#"message m {"n": 2}"#,
        r#"return {"told": 1, "l": 2, "draft": 3}"#,
        "crash",
        "leaves",
        r#"message m {"n": 2}"#,
        r#"return {"told": 1, "l": 2, "draft": 3}"#,
        r#"return {"told": 2}"#,
    ] {
        run.line(line);
    }
    expect![[r#"
        > start
          started at s
          + s #2
          - #2
          + p #3
          l = 1 in #3
          subscription m !4 'paid'
          + ps #5 in #3
          - #5
          + f #6 in #3
          - #6
          + u #7 in #3
          of_u = 1 in #7
          task u !8 of ann users [] groups []
          + w #9 in #3
          of_w = 1 in #9
          task w !10 of ann users [] groups []
        > putlocal #8 {"draft": 1}
          draft = 1 in #8
          task u !8 of ann users [] groups []
        > message m {"n": 2}
          subscription !4 gone
          n = 2
          task !8 gone
          - #7 canceled
          task !10 gone
          - #9 canceled
          - #3 canceled
          call delete u !11 attempt 1, 0 left {draft: 1, l: 1, n: 2, of_u: 1} who=ann delete
        > return {"told": 1, "l": 2, "draft": 3}
          told = 1
          call delete w !12 attempt 1, 0 left {l: 1, n: 2, of_w: 1, told: 1} who=ann delete
        > crash
        > leaves
          u #7: task of ann
          w #9: task of ann
        > message m {"n": 2}
          subscription !4 gone
          n = 2
          task !8 gone
          - #7 canceled
          task !10 gone
          - #9 canceled
          - #3 canceled
          call delete u !11 attempt 1, 0 left {draft: 1, l: 1, n: 2, of_u: 1} who=ann delete
        > return {"told": 1, "l": 2, "draft": 3}
          told = 1
          call delete w !12 attempt 1, 0 left {l: 1, n: 2, of_w: 1, told: 1} who=ann delete
        > return {"told": 2}
          told = 2
          + m #13
          - #13
          + v #14
          told = 2 in #14
          task v !15 of nobody users [] groups []
    "#]]
    .assert_eq(&run.trace);
}

#[test]
fn task_that_is_completed_is_not_gone_and_what_is_terminated_is() {
    let model = format!(
        "<startEvent id='s'/><parallelGateway id='f'/>{}<userTask id='w'/><endEvent id='t'><extensionElements><camunda:executionListener event='end' \
         class='Over'/></extensionElements><terminateEventDefinition/></endEvent>{{s>f}}{{f>u}}{{f>w>t}}",
        task("u", "l")
    );
    check(
        &model,
        "start\n complete u\n complete w\n return",
        expect![[r#"
        > start
          started at s
          + s #2
          - #2
          + f #3
          - #3
          + u #4
          l = 1 in #4
          task u !5 of ann users [] groups []
          + w #6
          task w !7 of nobody users [] groups []
        > complete u
          task !5 gone
          - #4
        > complete w
          task !7 gone
          - #6
          + t #8
          call end t !9 attempt 1, 0 left {}
        > return
          - #8
          ended: Completed
          end
    "#]],
    );
    // The end event's own listener is called as the event ends its scope, then who is to be told of what it has cancelled.
    check(
        &model,
        "start\n complete w\n return {\"seen\": 1}\n return {\"told\": 1}",
        expect![[r#"
        > start
          started at s
          + s #2
          - #2
          + f #3
          - #3
          + u #4
          l = 1 in #4
          task u !5 of ann users [] groups []
          + w #6
          task w !7 of nobody users [] groups []
        > complete w
          task !7 gone
          - #6
          + t #8
          task !5 gone
          - #4 canceled
          call end t !9 attempt 1, 0 left {}
        > return {"seen": 1}
          seen = 1
          call delete u !10 attempt 1, 0 left {l: 1, seen: 1} who=ann delete
        > return {"told": 1}
          told = 1
          - #8
          ended: Completed
          end
    "#]],
    );
}

#[test]
fn more_who_are_to_be_told_than_one_unit_may_tell_keep_the_instance() {
    let model = format!("<startEvent id='s'/><parallelGateway id='f'/>{}{}{{s>f}}{{f>u}}{{f>w}}", task("u", "a"), task("w", "b"));
    let definition = parse(&model);
    let mut run = Run::new(&definition);
    for line in ["start", "cancel no more"] {
        run.line(line);
    }
    // As if it were the last of a hundred thousand.
    run.instance.unit.as_mut().expect("a delegate is being told").steps = MAX_STEPS;
    run.trace.clear();
    run.line("return");
    run.line("cancel silent: no more");
    expect![[r#"
        > return
          failed: STEP_LIMIT: one unit of work cancels so many user tasks that delegates would be told more than 100000 times
        > cancel silent: no more
          task !5 gone
          - #4 canceled
          task !7 gone
          - #6 canceled
          ended: ExternallyTerminated (no more)
          end
    "#]]
    .assert_eq(&run.trace);
}

#[test]
fn instance_that_is_deleted_ends_when_all_are_told_and_nothing_begins_in_it() {
    let model = format!(
        "<startEvent id='s'/>{}<subProcess id='e' triggeredByEvent='true'><startEvent id='es'><conditionalEventDefinition>\
         <condition>= told = 1</condition></conditionalEventDefinition></startEvent><userTask id='h'/>{{es>h}}</subProcess>{{s>u}}",
        task("u", "l")
    );
    check(
        &model,
        r#"
            start
            cancel no more
            error E
            cancel no more
            return {"told": 1}
        "#,
        expect![[r#"
            > start
              started at s
              condition es !2
              + s #3
              - #3
              + u #4
              l = 1 in #4
              task u !5 of ann users [] groups []
            > cancel no more
              task !5 gone
              - #4 canceled
              subscription !2 gone
              call delete u !6 attempt 1, 0 left {l: 1} who=ann delete
            > error E
              failed: UNHANDLED_BPMN_ERROR: BPMN error 'E', which nothing catches: no
            > cancel no more
              task !5 gone
              - #4 canceled
              subscription !2 gone
              call delete u !6 attempt 1, 0 left {l: 1} who=ann delete
            > return {"told": 1}
              told = 1
              ended: ExternallyTerminated (no more)
              end
        "#]],
    );
    check(
        &model,
        "start\n cancel silent: no more",
        expect![[r#"
        > start
          started at s
          condition es !2
          + s #3
          - #3
          + u #4
          l = 1 in #4
          task u !5 of ann users [] groups []
        > cancel silent: no more
          task !5 gone
          - #4 canceled
          subscription !2 gone
          ended: ExternallyTerminated (no more)
          end
    "#]],
    );
    check(
        &model,
        "start\n suspend\n cancel\n return {\"told\": 1}",
        expect![[r#"
        > start
          started at s
          condition es !2
          + s #3
          - #3
          + u #4
          l = 1 in #4
          task u !5 of ann users [] groups []
        > suspend
          suspended: true
        > cancel
          task !5 gone
          - #4 canceled
          subscription !2 gone
          call delete u !6 attempt 1, 0 left {l: 1} who=ann delete
        > return {"told": 1}
          told = 1
          ended: ExternallyTerminated
          end
    "#]],
    );
    // Its caller ends it.
    let definition = parse(&model);
    let mut run = called(&definition);
    for line in ["start", "end", r#"return {"told": 1}"#] {
        run.line(line);
    }
    expect![[r#"
        > start
          started at s
          condition es !2
          + s #3
          - #3
          + u #4
          l = 1 in #4
          task u !5 of ann users [] groups []
        > end
          task !5 gone
          - #4 canceled
          subscription !2 gone
          call delete u !6 attempt 1, 0 left {l: 1} who=ann delete
        > return {"told": 1}
          told = 1
          ended: InternallyTerminated
          end
    "#]]
    .assert_eq(&run.trace);
}

#[test]
fn condition_is_asked_after_what_a_delegate_has_set() {
    check(
        &format!(
            "<startEvent id='s'/><subProcess id='p'><startEvent id='ps'/>{}{{ps>u}}<subProcess id='e' triggeredByEvent='true'><startEvent id='es'>\
             {MESSAGE}</startEvent><userTask id='h'/>{{es>h}}</subProcess></subProcess><boundaryEvent id='c' attachedToRef='p' cancelActivity='false'>\
             <conditionalEventDefinition><condition>= told = 1</condition></conditionalEventDefinition></boundaryEvent><userTask id='v'/>{{s>p}}{{c>v}}",
            task("u", "l")
        ),
        r#"
            start
            message es
            return {"told": 1}
        "#,
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + p #3
              condition c !4
              subscription es !5 'paid'
              + ps #6 in #3
              - #6
              + u #7 in #3
              l = 1 in #7
              task u !8 of ann users [] groups []
            > message es
              subscription !5 gone
              task !8 gone
              - #7 canceled
              call delete u !9 attempt 1, 0 left {l: 1} who=ann delete
            > return {"told": 1}
              told = 1
              + c #10
              - #10
              + v #11
              task v !12 of nobody users [] groups []
              + e #13 in #3
              + es #14 in #13
              - #14
              + h #15 in #13
              task h !16 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn error_that_is_caught_around_the_call_ends_the_instance_when_all_are_told() {
    let model = format!(
        "<startEvent id='s'/><parallelGateway id='f'/>{}<userTask id='w'/><endEvent id='t'><errorEventDefinition errorRef='err'/></endEvent>\
         {{s>f}}{{f>u}}{{f>w>t}}",
        task("u", "l")
    );
    let definition = parse(&model);
    let mut run = called(&definition);
    for line in ["start", "complete w", r#"return {"told": 1}"#] {
        run.line(line);
    }
    expect![[r#"
        > start
          started at s
          + s #2
          - #2
          + f #3
          - #3
          + u #4
          l = 1 in #4
          task u !5 of ann users [] groups []
          + w #6
          task w !7 of nobody users [] groups []
        > complete w
          task !7 gone
          - #6
          + t #8
          - #8 canceled
          task !5 gone
          - #4 canceled
          call delete u !9 attempt 1, 0 left {l: 1} who=ann delete
        > return {"told": 1}
          told = 1
          tell caller !7: 1 Error { code: "E", message: None } {told: 1}
          ended: InternallyTerminated
          end
    "#]]
    .assert_eq(&run.trace);
}

#[test]
fn others_of_several_instances_and_of_an_ad_hoc_sub_process_are_told_of() {
    let several = task("u", "l").replace(
        "</userTask>",
        "<multiInstanceLoopCharacteristics><loopCardinality>3</loopCardinality><completionCondition>= true</completionCondition>\
         </multiInstanceLoopCharacteristics></userTask>",
    );
    check(
        &format!("<startEvent id='s'/>{several}<serviceTask id='c' camunda:class='C'/>{{s>u>c}}"),
        "start\n complete u\n return\n return {\"told\": 1}\n return",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u body #3
              nrOfActiveInstances = 3 in #3
              nrOfCompletedInstances = 0 in #3
              nrOfInstances = 3 in #3
              loopCounter = 0 in #4
              loopCounter = 1 in #5
              loopCounter = 2 in #6
              + u #4 in #3
              l = 1 in #4
              task u !7 of ann users [] groups []
              + u #5 in #3
              l = 1 in #5
              task u !8 of ann users [] groups []
              + u #6 in #3
              l = 1 in #6
              task u !9 of ann users [] groups []
            > complete u
              task !7 gone
              - #4
              nrOfActiveInstances = 2 in #3
              nrOfCompletedInstances = 1 in #3
              task !8 gone
              - #5 canceled
              task !9 gone
              - #6 canceled
              - #3
              call delete u !10 attempt 1, 0 left {l: 1, loopCounter: 1, nrOfActiveInstances: 2, nrOfCompletedInstances: 1, nrOfInstances: 3} who=ann delete
            > return
              call delete u !11 attempt 1, 0 left {l: 1, loopCounter: 2, nrOfActiveInstances: 2, nrOfCompletedInstances: 1, nrOfInstances: 3} who=ann delete
            > return {"told": 1}
              told = 1
              + c #12
              call c !13 attempt 1, 0 left {told: 1}
            > return
              - #12
              ended: Completed
              end
        "#]],
    );
    check(
        &format!(
            "<startEvent id='s'/><adHocSubProcess id='a'>{}<userTask id='w'/><completionCondition>= done = true</completionCondition></adHocSubProcess>\
             <serviceTask id='c' camunda:class='C'/>{{s>a>c}}",
            task("u", "l")
        ),
        "start\n choose u\n choose w\n complete w {\"done\": true}\n return {\"told\": 1}\n return",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + a #3
              + u #6 in #3
              l = 1 in #6
              task u !7 of ann users [] groups []
              + w #8 in #3
              task w !9 of nobody users [] groups []
            > choose u
              + u #11 in #3
              l = 1 in #11
              task u !12 of ann users [] groups []
            > choose w
              + w #14 in #3
              task w !15 of nobody users [] groups []
            > complete w {"done": true}
              task !9 gone
              done = true
              - #8
              task !7 gone
              - #6 canceled
              task !12 gone
              - #11 canceled
              task !15 gone
              - #14 canceled
              call delete u !16 attempt 1, 0 left {done: true, l: 1} who=ann delete
            > return {"told": 1}
              told = 1
              call delete u !17 attempt 1, 0 left {done: true, l: 1, told: 1} who=ann delete
            > return
              - #3
              + c #18
              call c !19 attempt 1, 0 left {done: true, told: 1}
        "#]],
    );
}
