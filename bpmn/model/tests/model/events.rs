//! Events that are triggered from outside of the flow, and what throws to them.

use crate::common::{around_with, definition, diagnostics, element};
use expect_test::{Expect, expect};
use mandate_model::{
    ElementKind, EndResult, Escalation, EscalationCatch, EventTrigger, Implementation, ProcessDefinition, ROOT, ServiceTask, ThrowResult,
};

const ROOTS: &str = "<bpmn:message id='m' name='Changed'/><bpmn:message id='m2' name='Revoked'/><bpmn:error id='err' errorCode='REJECTED'/>\
                     <bpmn:escalation id='esc' escalationCode='LATE'/><bpmn:escalation id='esc2'/>";

const MESSAGE: &str = "<bpmn:messageEventDefinition messageRef='m'/>";
const TIMER: &str = "<bpmn:timerEventDefinition><bpmn:timeDuration>PT1H</bpmn:timeDuration></bpmn:timerEventDefinition>";
const ESCALATION: &str = "<bpmn:escalationEventDefinition escalationRef='esc' camunda:escalationCodeVariable='code'/>";

/// A process with a user task `a` and these elements.
fn with(elements: &str) -> String {
    around_with(ROOTS, &format!("<bpmn:userTask id='a'/>{elements}"))
}

/// An event sub-process with nothing but its start event, which is `ID-start`.
fn event_sub_process(id: &str, start: &str, inside: &str) -> String {
    format!(
        "<bpmn:subProcess id='{id}' triggeredByEvent='true'><bpmn:startEvent id='{id}-start'{start}>{inside}</bpmn:startEvent>\
         <bpmn:endEvent id='{id}-end'/><bpmn:sequenceFlow id='{id}-flow' sourceRef='{id}-start' targetRef='{id}-end'/></bpmn:subProcess>"
    )
}

fn check(elements: &str, expect: Expect) {
    expect.assert_eq(&diagnostics(with(elements).as_bytes()));
}

fn trigger<'d>(definition: &'d ProcessDefinition, id: &str) -> (&'d EventTrigger, bool) {
    element(definition, id).kind.trigger().unwrap_or_else(|| panic!("nothing triggers '{id}'"))
}

#[test]
fn event_sub_processes_are_known_to_the_scope_around_them() {
    let inner = event_sub_process("w", " isInterrupting='false'", TIMER);
    let elements = event_sub_process("v", "", MESSAGE).replace("</bpmn:subProcess>", &format!("{inner}</bpmn:subProcess>"))
        + &event_sub_process("x", "", "<bpmn:errorEventDefinition errorRef='err' camunda:errorCodeVariable='code'/>")
        + &event_sub_process("y", " isInterrupting='false'", ESCALATION);
    let definition = definition(&with(&elements));
    let ids = |ids: &[&str]| ids.iter().map(|id| definition.find(id).unwrap()).collect::<Vec<_>>();
    assert_eq!(definition.element(ROOT).kind.scope().unwrap().event_starts, ids(&["v-start", "x-start", "y-start"]));
    let ElementKind::EventSubProcess(event) = &element(&definition, "v").kind else { panic!() };
    assert_eq!((vec![event.start], &event.scope.event_starts), (ids(&["v-start"]), &ids(&["w-start"])));
    assert!(event.scope.begins.is_empty());

    assert!(matches!(trigger(&definition, "v-start"), (EventTrigger::Message(_), true)));
    assert!(matches!(trigger(&definition, "w-start"), (EventTrigger::Timer(_), false)));
    assert!(matches!(trigger(&definition, "x-start"), (EventTrigger::Error(_), true)));
    let (EventTrigger::Escalation(EscalationCatch { code, code_variable }), false) = trigger(&definition, "y-start") else { panic!() };
    assert_eq!((code.as_deref(), code_variable.as_deref()), (Some("LATE"), Some("code")));
}

#[test]
fn boundary_events_wait_for_messages_and_escalations() {
    let boundary = |id: &str, on: &str, inside: &str| {
        format!(
            "<bpmn:boundaryEvent id='{id}' attachedToRef='{on}' cancelActivity='false'>{inside}</bpmn:boundaryEvent>\
             <bpmn:sequenceFlow id='{id}-flow' sourceRef='{id}' targetRef='e'/>"
        )
    };
    let scope = "<bpmn:subProcess id='q'><bpmn:startEvent id='qs'/><bpmn:endEvent id='qe'/>\
                 <bpmn:sequenceFlow id='qf' sourceRef='qs' targetRef='qe'/></bpmn:subProcess>\
                 <bpmn:sequenceFlow id='g' sourceRef='a' targetRef='q'/>";
    let elements = boundary("b1", "a", MESSAGE) + scope + &boundary("b2", "q", "<bpmn:escalationEventDefinition/>");
    let definition = definition(&with(&elements));
    let (EventTrigger::Message(message), false) = trigger(&definition, "b1") else { panic!() };
    assert_eq!(message.name.as_literal(), Some("Changed"));
    assert!(matches!(trigger(&definition, "b2"), (EventTrigger::Escalation(EscalationCatch { code: None, .. }), false)));
}

#[test]
fn what_throws_says_what_or_who_does_it() {
    let elements = format!(
        "<bpmn:intermediateThrowEvent id='t1'/><bpmn:intermediateThrowEvent id='t2'>{}</bpmn:intermediateThrowEvent>\
         <bpmn:intermediateThrowEvent id='t3'><bpmn:messageEventDefinition messageRef='m' camunda:class='tell'/></bpmn:intermediateThrowEvent>\
         <bpmn:endEvent id='t4'><bpmn:escalationEventDefinition/></bpmn:endEvent>\
         <bpmn:endEvent id='t5'><bpmn:messageEventDefinition camunda:type='external' camunda:topic='tell' camunda:taskPriority='3'/>\
         </bpmn:endEvent><bpmn:sequenceFlow id='g1' sourceRef='a' targetRef='t1'/><bpmn:sequenceFlow id='g2' sourceRef='t1' targetRef='t2'/>\
         <bpmn:sequenceFlow id='g3' sourceRef='t2' targetRef='t3'/><bpmn:sequenceFlow id='g4' sourceRef='t3' targetRef='t4'/>\
         <bpmn:sequenceFlow id='g5' sourceRef='t3' targetRef='t5'/>",
        ESCALATION.replace(" camunda:escalationCodeVariable='code'", "")
    );
    let definition = definition(&with(&elements));
    let kind = |id: &str| element(&definition, id).kind.clone();
    assert!(matches!(kind("t1"), ElementKind::IntermediateThrowEvent(ThrowResult::None)));
    let ElementKind::IntermediateThrowEvent(ThrowResult::Escalation(Escalation { code })) = kind("t2") else { panic!() };
    assert_eq!(code.as_deref(), Some("LATE"));
    let ElementKind::ServiceTask(ServiceTask { implementation, by_worker, element_type, .. }) = kind("t3") else { panic!() };
    assert_eq!((by_worker, element_type), (false, "intermediateMessageThrowEvent"));
    assert_eq!(implementation, Implementation::Delegate { name: "tell".into(), requirement: None });
    assert!(matches!(kind("t4"), ElementKind::EndEvent(EndResult::Escalation(Escalation { code: None }))));
    let ElementKind::ServiceTask(ServiceTask { by_worker, element_type, priority, .. }) = kind("t5") else { panic!() };
    assert_eq!((by_worker, element_type, priority.unwrap().as_literal()), (true, "messageEndEvent", Some("3")));
}

#[test]
fn event_sub_process_needs_one_start_event_that_something_triggers() {
    check(
        "\n<bpmn:subProcess id='v1' triggeredByEvent='true'><bpmn:startEvent id='s1'/></bpmn:subProcess>",
        expect![[r#"
            t.bpmn:3:50: error: the start event of the event sub-process waits for nothing (element 's1'); help: make it a message, timer, error, escalation, signal, conditional or compensation start event
        "#]],
    );
    check(
        &format!(
            "\n<bpmn:subProcess id='v1' triggeredByEvent='true'><bpmn:userTask id='u'/></bpmn:subProcess>\n\
             <bpmn:subProcess id='v2' triggeredByEvent='true'><bpmn:startEvent id='s2'>{MESSAGE}</bpmn:startEvent>\n\
             <bpmn:startEvent id='s3'>{TIMER}</bpmn:startEvent></bpmn:subProcess>"
        ),
        expect![[r#"
            t.bpmn:3:1: error: the subProcess has no start event (element 'v1'); help: begin it with a start event that says what triggers it
            t.bpmn:4:50: warning: the start event leads nowhere: it ends as soon as it begins (element 's2'); help: lead a sequence flow from it to the first activity
            t.bpmn:5:1: error: the event sub-process has more than one start event (element 's3'); help: draw an event sub-process for each of them
            t.bpmn:5:1: warning: the start event leads nowhere: it ends as soon as it begins (element 's3'); help: lead a sequence flow from it to the first activity
        "#]],
    );
}

#[test]
fn nothing_leads_to_an_event_sub_process_or_hangs_on_it() {
    let elements = format!(
        "\n{}\n<bpmn:sequenceFlow id='g' sourceRef='a' targetRef='v'/>\
         <bpmn:boundaryEvent id='b' attachedToRef='v'>{TIMER}</bpmn:boundaryEvent><bpmn:sequenceFlow id='h' sourceRef='b' targetRef='e'/>",
        event_sub_process("v", "", MESSAGE)
    );
    check(
        &elements,
        expect![[r#"
            t.bpmn:3:1: error: an event sub-process has a sequence flow (element 'v'); help: remove the flow: its start event begins it, and nothing follows it (BPMN 2.0, 10.3.5)
            t.bpmn:4:56: error: the boundary event is attached to an event sub-process, which can't carry one (element 'b'); help: attach it to a task, a sub-process or a call activity
        "#]],
    );
    let mapped = event_sub_process("v", "", MESSAGE).replace(
        "<bpmn:startEvent",
        "<bpmn:extensionElements><camunda:inputOutput><camunda:inputParameter name='x'>1</camunda:inputParameter></camunda:inputOutput>\
         </bpmn:extensionElements><bpmn:startEvent",
    );
    check(
        &mapped,
        expect![[r#"
        t.bpmn:2:24: error: camunda:inputOutput on an event sub-process is not supported (element 'v'); help: map the variables on an activity inside (as in Camunda 7)
    "#]],
    );
}

#[test]
fn no_two_events_of_one_scope_wait_for_the_same() {
    let watching = |id: &str, inside: &str| event_sub_process(id, "", inside);
    let error = "<bpmn:errorEventDefinition errorRef='err'/>";
    check(
        &format!(
            "\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{}",
            watching("v1", MESSAGE),
            watching("v2", MESSAGE),
            watching("v3", error),
            watching("v4", error),
            watching("v5", ESCALATION),
            watching("v6", ESCALATION),
            watching("v7", TIMER),
            watching("v8", TIMER)
        ),
        expect![[r#"
            t.bpmn:4:50: error: two events of 'p' wait for the message 'Changed' (element 'v2-start'); help: keep one of them
            t.bpmn:6:50: error: two event sub-processes of 'p' catch the error code 'REJECTED' (element 'v4-start'); help: keep one of them
            t.bpmn:8:50: error: two event sub-processes of 'p' catch the escalation code 'LATE' (element 'v6-start'); help: keep one of them
        "#]],
    );
    check(
        &format!(
            "\n<bpmn:boundaryEvent id='b1' attachedToRef='a'>{MESSAGE}</bpmn:boundaryEvent>\n\
             <bpmn:boundaryEvent id='b2' attachedToRef='a'>{MESSAGE}</bpmn:boundaryEvent>"
        ),
        expect![[r#"
            t.bpmn:3:1: warning: the boundary event leads nowhere: the path ends when it fires (element 'b1'); help: lead a sequence flow from it to what should happen then
            t.bpmn:4:1: error: two events of 'a' wait for the message 'Changed' (element 'b2'); help: keep one of them
            t.bpmn:4:1: warning: the boundary event leads nowhere: the path ends when it fires (element 'b2'); help: lead a sequence flow from it to what should happen then
        "#]],
    );
}

#[test]
fn an_error_interrupts_and_an_escalation_should_have_a_code() {
    check(
        &format!(
            "\n{}\n<bpmn:endEvent id='x1'><bpmn:escalationEventDefinition escalationRef='nobody'/></bpmn:endEvent>\n\
             <bpmn:endEvent id='x2'><bpmn:escalationEventDefinition escalationRef='esc2'/></bpmn:endEvent>",
            event_sub_process("v", " isInterrupting='false'", "<bpmn:errorEventDefinition/>"),
        ),
        expect![[r#"
            t.bpmn:3:49: error: an event that waits for an error can't be non-interrupting (element 'v-start'); help: let it interrupt (cancelActivity or isInterrupting): an error always ends what it happened in (BPMN 2.0, 10.5.4)
            t.bpmn:4:24: error: the escalation 'nobody' does not exist (element 'x1'); help: choose one of the file's escalations, or create one with this id and a code
            t.bpmn:5:24: warning: the escalation 'esc2' has no escalationCode (element 'x2'); help: give it one; without, an event that catches it catches every escalation (as in Camunda 7)
        "#]],
    );
}

#[test]
fn an_event_on_a_sub_process_and_one_inside_wait_for_different_messages() {
    check(
        &format!(
            "\n<bpmn:subProcess id='q'><bpmn:startEvent id='ps'/><bpmn:endEvent id='pe'/>\
             <bpmn:sequenceFlow id='pf' sourceRef='ps' targetRef='pe'/>\n{}</bpmn:subProcess>\
             <bpmn:sequenceFlow id='g' sourceRef='a' targetRef='q'/><bpmn:boundaryEvent id='b' attachedToRef='q'>{MESSAGE}</bpmn:boundaryEvent>\
             <bpmn:sequenceFlow id='h' sourceRef='b' targetRef='e'/>",
            event_sub_process("v", "", MESSAGE)
        ),
        expect![[r#"
            t.bpmn:4:49: error: two events of 'q' wait for the message 'Changed' (element 'v-start'); help: keep one of them
        "#]],
    );
}

#[test]
fn an_escalation_is_caught_on_what_can_throw_one() {
    check(
        &format!(
            "\n<bpmn:receiveTask id='r' messageRef='m'/><bpmn:sequenceFlow id='g' sourceRef='a' targetRef='r'/>\
             <bpmn:boundaryEvent id='b' attachedToRef='r'>{ESCALATION}</bpmn:boundaryEvent>\
             <bpmn:sequenceFlow id='h' sourceRef='b' targetRef='e'/>\n\
             <bpmn:boundaryEvent id='c' attachedToRef='a'>{ESCALATION}</bpmn:boundaryEvent>\
             <bpmn:sequenceFlow id='i' sourceRef='c' targetRef='e'/>"
        ),
        expect![[r#"
            t.bpmn:3:97: error: the escalation boundary event is attached to receiveTask, in which nothing can throw one (element 'b'); help: attach it to a sub-process, call activity or user task (as in Camunda 7), or use an error event
        "#]],
    );
}

#[test]
fn event_that_waits_is_done_by_nobody_and_a_task_that_does_not_wait_gets_no_message() {
    check(
        "\n<bpmn:boundaryEvent id='b1' attachedToRef='a'><bpmn:messageEventDefinition messageRef='m' camunda:class='x'/></bpmn:boundaryEvent>\
         <bpmn:sequenceFlow id='g' sourceRef='b1' targetRef='e'/>\n<bpmn:serviceTask id='t' camunda:class='x'/>\
         <bpmn:boundaryEvent id='b2' attachedToRef='t'><bpmn:messageEventDefinition messageRef='m2'/></bpmn:boundaryEvent>\
         <bpmn:sequenceFlow id='h' sourceRef='b2' targetRef='e'/><bpmn:sequenceFlow id='i' sourceRef='a' targetRef='t'/>",
        expect![[r#"
            t.bpmn:3:47: warning: camunda:class has no effect on an event that waits for a message (element 'b1'); help: remove it: only an event that sends a message is done by somebody
            t.bpmn:4:45: warning: the message never arrives: a task done by a delegate does not wait (as in Camunda 7) (element 'b2'); help: put the event on a sub-process around tasks that wait
        "#]],
    );
}
