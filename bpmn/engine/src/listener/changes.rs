//! Traces of listeners for changes of user tasks, and for their cancellation.

use expect_test::expect;

use crate::testing::{Run, check, parse};

/// A delegate that is called when a task is changed, and what it says of it.
fn told(event: &str, delegate: &str) -> String {
    format!(
        "<camunda:taskListener event='{event}' class='{delegate}'><camunda:field name='who' expression='${{task.assignee}}'/></camunda:taskListener>"
    )
}

#[test]
fn task_that_is_changed_calls_delegates_each_time_under_another_key() {
    let model = format!(
        "<startEvent id='s'/><userTask id='u' camunda:assignee='ann'><extensionElements>{}{}<camunda:taskListener event='update' \
         expression='${{times}}'/></extensionElements></userTask><boundaryEvent id='b' attachedToRef='u' cancelActivity='false'>\
         <escalationEventDefinition escalationRef='esc'/></boundaryEvent><serviceTask id='c' camunda:class='C'/>{{s>u}}{{b>c}}",
        told("assignment", "Assigned"),
        told("update", "Updated"),
    );
    let definition = parse(&model);
    let mut run = Run::new(&definition);
    for line in [
        r#"start {"times": 0}"#,
        r#"return {"times": 1}"#,
        "claim u ann",
        "delegate u bob",
        "crash",
        "delegate u bob",
        "return",
        r#"return {"times": 2}"#,
        "resolve u",
        "return",
        "return",
        "escalate u LATE",
        "return",
        "complete u",
    ] {
        run.line(line);
    }
    expect![[r#"
        > start {"times": 0}
          started at s
          times = 0
          + s #2
          - #2
          + u #3
          task u !4 of ann users [] groups []
          call assignment u !5 attempt 1, 0 left {times: 0} who=ann
        > return {"times": 1}
          times = 1
        > claim u ann
        > delegate u bob
          task u !4 of bob owner ann PENDING users [] groups []
          call update u !6 attempt 1, 0 left {times: 1} who=bob
        > crash
        > delegate u bob
          task u !4 of bob owner ann PENDING users [] groups []
          call update u !6 attempt 1, 0 left {times: 1} who=bob
        > return
          call assignment u !7 attempt 1, 0 left {times: 1} who=bob
        > return {"times": 2}
          times = 2
        > resolve u
          task u !4 of ann owner ann RESOLVED users [] groups []
          call update u !8 attempt 1, 0 left {times: 2} who=ann
        > return
          call assignment u !9 attempt 1, 0 left {times: 2} who=ann
        > return
        > escalate u LATE
          task u !4 of ann owner ann RESOLVED users [] groups []
          + b #10
          - #10
          + c #11
          call c !12 attempt 1, 0 left {times: 2}
        > return
          - #11
        > complete u
          task !4 gone
          - #3
          ended: Completed
          end
    "#]]
    .assert_eq(&run.trace);
}

#[test]
fn variable_of_the_task_itself_is_a_change_of_it() {
    check(
        &format!(
            "<startEvent id='s'/><userTask id='u'><extensionElements>{}</extensionElements></userTask>{{s>u}}",
            told("update", "Updated")
        ),
        r#"
            start {"n": 1}
            putlocal #4 {"draft": 1}
            return
            putlocal #4 {"n": 2}
            return
            put #4 {"n": 3}
            return
            put #4 {"m": 3}
            drop #4 m
            drop #4 draft
            return
            putlocal #3 {"k": 1}
            suspend
            putlocal #4 {"draft": 2}
        "#,
        expect![[r#"
            > start {"n": 1}
              started at s
              n = 1
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > putlocal #4 {"draft": 1}
              draft = 1 in #4
              task u !4 of nobody users [] groups []
              call update u !5 attempt 1, 0 left {draft: 1, n: 1}
            > return
            > putlocal #4 {"n": 2}
              n = 2 in #4
              task u !4 of nobody users [] groups []
              call update u !6 attempt 1, 0 left {draft: 1, n: 2}
            > return
            > put #4 {"n": 3}
              n = 3 in #4
              task u !4 of nobody users [] groups []
              call update u !7 attempt 1, 0 left {draft: 1, n: 3}
            > return
            > put #4 {"m": 3}
              m = 3
            > drop #4 m
              m removed
            > drop #4 draft
              draft removed in #4
              task u !4 of nobody users [] groups []
              call update u !8 attempt 1, 0 left {n: 3}
            > return
            > putlocal #3 {"k": 1}
              k = 1 in #3
            > suspend
              suspended: true
            > putlocal #4 {"draft": 2}
              draft = 2 in #4
              task u !4 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn error_of_a_delegate_that_is_told_of_a_change_is_caught_around_the_task() {
    check(
        &format!(
            "<startEvent id='s'/><userTask id='u'><extensionElements>{}</extensionElements></userTask><boundaryEvent id='b' attachedToRef='u'>\
             <errorEventDefinition errorRef='err'/></boundaryEvent><userTask id='v'/>{{s>u}}{{b>v}}",
            told("assignment", "Assigned")
        ),
        "
            start
            claim u ann
            error E
        ",
        expect![[r#"
            > start
              started at s
              + s #2
              - #2
              + u #3
              task u !4 of nobody users [] groups []
            > claim u ann
              task u !4 of ann users [] groups []
              call assignment u !5 attempt 1, 0 left {} who=ann
            > error E
              task !4 gone
              - #3 canceled
              + b #6
              - #6
              + v #7
              task v !8 of nobody users [] groups []
        "#]],
    );
}

#[test]
fn task_that_is_cancelled_is_asked_first_and_not_when_it_is_completed_or_deleted_with_its_instance() {
    let model = "<startEvent id='s'/><userTask id='u'><extensionElements><camunda:taskListener event='delete' expression='${1 / left}'/>\
                 </extensionElements></userTask><boundaryEvent id='b' attachedToRef='u'><messageEventDefinition messageRef='msg'/></boundaryEvent>\
                 <boundaryEvent id='e' attachedToRef='u'><errorEventDefinition errorRef='err'/></boundaryEvent>{s>u}";
    check(
        model,
        r#"
            start {"left": 0}
            message b
            answer u E
            modify cancel-all u
            modify silent: cancel-all u
        "#,
        expect![[r#"
            > start {"left": 0}
              started at s
              left = 0
              + s #2
              - #2
              + u #3
              subscription b !4 'paid'
              task u !5 of nobody users [] groups []
            > message b
              failed: EXPRESSION_FAILED: the expression '${1 / left}' of 'u': division by zero
            > answer u E
              failed: EXPRESSION_FAILED: the expression '${1 / left}' of 'u': division by zero
            > modify cancel-all u
              failed: EXPRESSION_FAILED: the expression '${1 / left}' of 'u': division by zero
            > modify silent: cancel-all u
              subscription !4 gone
              task !5 gone
              - #3 canceled
              ended: ExternallyTerminated (Cancellation due to process instance modification)
              end
        "#]],
    );
    check(
        model,
        "start {\"left\": 0}\n cancel",
        expect![[r#"
        > start {"left": 0}
          started at s
          left = 0
          + s #2
          - #2
          + u #3
          subscription b !4 'paid'
          task u !5 of nobody users [] groups []
        > cancel
          subscription !4 gone
          task !5 gone
          - #3 canceled
          ended: ExternallyTerminated
          end
    "#]],
    );
    check(
        model,
        "start {\"left\": 0}\n complete u",
        expect![[r#"
        > start {"left": 0}
          started at s
          left = 0
          + s #2
          - #2
          + u #3
          subscription b !4 'paid'
          task u !5 of nobody users [] groups []
        > complete u
          task !5 gone
          subscription !4 gone
          - #3
          ended: Completed
          end
    "#]],
    );
    check(
        model,
        "start {\"left\": 1}\n message b",
        expect![[r#"
        > start {"left": 1}
          started at s
          left = 1
          + s #2
          - #2
          + u #3
          subscription b !4 'paid'
          task u !5 of nobody users [] groups []
        > message b
          subscription !4 gone
          task !5 gone
          - #3 canceled
          + b #6
          - #6
          ended: Completed
          end
    "#]],
    );
}
