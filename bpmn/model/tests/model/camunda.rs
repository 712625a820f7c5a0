//! What Camunda 7's attributes and extension elements say, and where they say nothing.

use expect_test::expect;
use mandate_model::{ElementKind, RetryCycle, ServiceTask};

use crate::common::{around, around_with, definition, diagnostics, element, file};

#[test]
fn whoever_starts_a_process_becomes_the_variable_that_its_last_start_event_names() {
    let starts = "<bpmn:startEvent id='s' camunda:initiator='ann'/><bpmn:startEvent id='t' camunda:initiator=' starter '>\
                  <bpmn:timerEventDefinition><bpmn:timeCycle>R/PT1H</bpmn:timeCycle></bpmn:timerEventDefinition></bpmn:startEvent>\
                  <bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='e'/>\
                  <bpmn:sequenceFlow id='g' sourceRef='t' targetRef='e'/>";
    assert_eq!(definition(&file(starts)).initiator.as_deref(), Some("starter"));
}

#[test]
fn an_initiator_is_a_name_and_stands_on_the_process_s_start_events() {
    let nameless =
        "<bpmn:startEvent id='s' camunda:initiator=' '/><bpmn:endEvent id='e'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='e'/>";
    assert!(diagnostics(file(nameless).as_bytes()).contains("names no variable"));
    let inside = "<bpmn:startEvent id='s'/><bpmn:subProcess id='p'><bpmn:startEvent id='ps' camunda:initiator='x'/></bpmn:subProcess>\
                  <bpmn:sequenceFlow id='f' sourceRef='s' targetRef='p'/>";
    assert!(diagnostics(file(inside).as_bytes()).contains("has no effect on the start event of a sub-process"));
}

const ERROR: &str = "<bpmn:error id='err' name='e' errorCode='E'/>";

/// An external task with these extension elements.
fn external(extensions: &str) -> String {
    let task = format!(
        "<bpmn:serviceTask id='a' camunda:type='external' camunda:topic='t'><bpmn:extensionElements>{extensions}</bpmn:extensionElements>\
         </bpmn:serviceTask>"
    );
    around_with(ERROR, &task)
}

#[test]
fn a_worker_s_report_is_an_error_by_expressions_in_their_order() {
    let two = "<camunda:errorEventDefinition id='x' errorRef='err' expression=\"${externalTask.getErrorMessage() == 'no'}\"/>\
               <camunda:errorEventDefinition errorRef='bpmn:err' expression='= lost'/>";
    let definition = definition(&external(two));
    let ElementKind::ServiceTask(ServiceTask { errors, .. }) = &element(&definition, "a").kind else { panic!() };
    let errors: Vec<_> = errors.iter().map(|error| (error.code.as_str(), error.condition.source())).collect();
    assert_eq!(errors, [("E", "${externalTask.getErrorMessage() == 'no'}"), ("E", "= lost")]);
}

#[test]
fn an_error_of_a_worker_needs_a_code_and_an_expression_and_a_worker() {
    for (extensions, expected) in [
        ("<camunda:errorEventDefinition errorRef='err'/>", "has no expression"),
        ("<camunda:errorEventDefinition expression='${x}'/>", "has no errorRef"),
        ("<camunda:errorEventDefinition errorRef='err' expression='${'/>", "the expression of camunda:errorEventDefinition"),
        (
            "<camunda:errorEventDefinition errorRef='err' expression='${externalTask.getWorkerId()}'/>",
            "what can be asked of it: id, activityId",
        ),
        (
            "<camunda:errorEventDefinition errorRef='err' expression='${externalTask.workerId}'/>",
            "externalTask has no property 'workerId', at character 16 (element 'a'); help: what can be asked of it: id, activityId",
        ),
    ] {
        let said = diagnostics(external(extensions).as_bytes());
        assert!(said.contains(expected), "{extensions}: {said}");
    }
    let by_delegate = external("<camunda:errorEventDefinition errorRef='err' expression='${x}'/>")
        .replace("camunda:type='external' camunda:topic='t'", "camunda:class='t'");
    assert!(diagnostics(by_delegate.as_bytes()).contains("no effect on a task that no worker does"));
}

#[test]
fn a_delegate_is_given_fields_of_one_value_each() {
    let task = |fields: &str| {
        around_with(
            "",
            &format!(
                "<bpmn:serviceTask id='a' camunda:class='A'><bpmn:extensionElements>{fields}</bpmn:extensionElements></bpmn:serviceTask>"
            ),
        )
    };
    let four = "<camunda:field name='a' stringValue='${x}'/><camunda:field name='b' expression='${x}'/>\
                <camunda:field name='c'><camunda:string>text</camunda:string></camunda:field>\
                <camunda:field name='d'><camunda:expression>order-${x}</camunda:expression></camunda:field>";
    let definition = definition(&task(four));
    let ElementKind::ServiceTask(ServiceTask { fields, .. }) = &element(&definition, "a").kind else { panic!() };
    let fields: Vec<_> = fields.iter().map(|field| (field.name.as_str(), field.value.as_literal())).collect();
    assert_eq!(fields, [("a", Some("${x}")), ("b", None), ("c", Some("text")), ("d", None)]);
    for (fields, expected) in [
        ("<camunda:field stringValue='x'/>", "has no name"),
        ("<camunda:field name='f'/>", "'f' has 0 values"),
        ("<camunda:field name='f' stringValue='x' expression='${x}'/>", "'f' has 2 values"),
        ("<camunda:field name='f' expression='${'/>", "camunda:field 'f'"),
    ] {
        let said = diagnostics(task(fields).as_bytes());
        assert!(said.contains(expected), "{fields}: {said}");
    }
    let by_worker = external("<camunda:field name='f' stringValue='x'/>");
    assert!(diagnostics(by_worker.as_bytes()).contains("no effect on a task that no delegate does"));
}

#[test]
fn what_modellers_leave_empty_says_nothing() {
    let file = around(
        "<bpmn:userTask id='a'><bpmn:extensionElements><camunda:properties><camunda:property/><camunda:property name='' value=''/></camunda:properties>\
         <camunda:failedJobRetryTimeCycle> </camunda:failedJobRetryTimeCycle><camunda:inputOutput/></bpmn:extensionElements></bpmn:userTask>",
    );
    expect![[r#"
        fine
    "#]]
    .assert_eq(&diagnostics(file.as_bytes()));
    let definition = definition(&file);
    let task = element(&definition, "a");
    assert!(task.properties.is_empty() && task.retries.is_none());
}

#[test]
fn event_whose_message_nobody_sends_passes_through() {
    let event = |attributes: &str| {
        around(&format!("<bpmn:intermediateThrowEvent id='a'{attributes}>\n<bpmn:messageEventDefinition/></bpmn:intermediateThrowEvent>"))
    };
    expect![[r#"
        t.bpmn:3:1: warning: nobody sends the message: the event passes through (as in Camunda 7) (element 'a'); help: name who sends it, by camunda:class or camunda:type="external" with a camunda:topic, or lead a message flow to a process of the file
    "#]].assert_eq(&diagnostics(event(" camunda:asyncBefore='true'").as_bytes()));
    expect![[r#"
        t.bpmn:2:1: error: messageEventDefinition does not say who does it (element 'a'); help: name its delegate: camunda:class="reserve-line", camunda:delegateExpression="${reserveLine}", zeebe:taskDefinition type="reserve-line", mandate:delegate="reserve-line@^1.2", or camunda:type="external" with a camunda:topic that workers fetch or the manifest maps to a delegate; or compute it by a camunda:expression
    "#]].assert_eq(&diagnostics(event("").as_bytes()));
}

#[test]
fn retry_cycle_may_be_an_expression() {
    let task = |cycle: &str| {
        around(&format!(
            "<bpmn:task id='a' camunda:asyncBefore='true'><bpmn:extensionElements>\n<camunda:failedJobRetryTimeCycle>{cycle}</camunda:failedJobRetryTimeCycle>\
             </bpmn:extensionElements></bpmn:task>"
        ))
    };
    for cycle in ["${cycle}", "#{cycle}", "= cycle", "R${n}/PT1S"] {
        let definition = definition(&task(cycle));
        assert!(matches!(&element(&definition, "a").retries, Some(RetryCycle::Computed(it)) if it.source() == cycle), "{cycle}");
    }
    expect![[r#"
        t.bpmn:3:1: error: camunda:failedJobRetryTimeCycle '${': expected a value, found the end, at character 3 (element 'a'); help: correct the expression
    "#]].assert_eq(&diagnostics(task("${").as_bytes()));
}
