//! What Camunda 8's extension elements say that Camunda 7's say as well.

use crate::common::{around, definition, diagnostics, element, file_with};
use expect_test::expect;
use mandate_feel::Expression;
use mandate_model::{CorrelationKey, ElementKind};

#[test]
fn a_task_has_mappings_and_headers() {
    let file = around(
        "<bpmn:serviceTask id='a'><bpmn:extensionElements><zeebe:taskDefinition type='pack'/><zeebe:ioMapping>\
         <zeebe:input source='= order.lines' target='lines'/><zeebe:input source='fixed' target='kind'/>\
         <zeebe:output source='= result' target='packed'/></zeebe:ioMapping><zeebe:taskHeaders><zeebe:header key='queue' value='slow'/>\
         </zeebe:taskHeaders><zeebe:properties><zeebe:property name='colour' value='red'/></zeebe:properties>\
         </bpmn:extensionElements></bpmn:serviceTask>",
    );
    let definition = definition(&file);
    let task = element(&definition, "a");
    let shown = |mappings: &[mandate_model::Mapping]| -> Vec<_> {
        mappings.iter().map(|mapping| format!("{} <- {}", mapping.target, mapping.source.source())).collect()
    };
    assert_eq!(shown(&task.inputs), ["lines <- = order.lines", "kind <- fixed"]);
    assert_eq!(shown(&task.outputs), ["packed <- = result"]);
    assert_eq!(task.properties, [("queue".into(), "slow".into()), ("colour".into(), "red".into())]);
}

#[test]
fn a_task_that_is_a_job_is_tried_as_often_as_it_says() {
    let task = |attributes: &str, retries: &str, more: &str| {
        around(&format!(
            "<bpmn:serviceTask id='a' {attributes}><bpmn:extensionElements><zeebe:taskDefinition type='pack' retries='{retries}'/>\n{more}\
             </bpmn:extensionElements></bpmn:serviceTask>"
        ))
    };
    let own = task("camunda:asyncBefore='true'", "4", "");
    assert_eq!(element(&definition(&own), "a").retries.as_ref().unwrap().fixed().unwrap().waits_ms, [0, 0, 0]);
    let each = around(
        "<bpmn:serviceTask id='a'><bpmn:extensionElements><zeebe:taskDefinition type='pack' retries='2'/></bpmn:extensionElements>\
         <bpmn:multiInstanceLoopCharacteristics camunda:asyncBefore='true'><bpmn:loopCardinality>3</bpmn:loopCardinality>\
         </bpmn:multiInstanceLoopCharacteristics></bpmn:serviceTask>",
    );
    let each = definition(&each);
    let of_each = element(&each, "a").multi_instance.as_ref().unwrap().retries.as_ref().unwrap();
    assert_eq!((&element(&each, "a").retries, &of_each.fixed().unwrap().waits_ms), (&None, &vec![0]));
    let cycle = "<camunda:failedJobRetryTimeCycle>R2/PT1S</camunda:failedJobRetryTimeCycle>";
    let found = [task("", "3", ""), task("camunda:asyncBefore='true'", "3", cycle), task("", "=n", ""), task("", "0", "")];
    expect![[r#"
        t.bpmn:2:51: warning: retries of zeebe:taskDefinition has no effect (element 'a'); help: the task is tried as often as the job that leads to it; with camunda:asyncBefore it has a job of its own
        t.bpmn:2:77: warning: retries of zeebe:taskDefinition has no effect (element 'a'); help: camunda:failedJobRetryTimeCycle says it already
        t.bpmn:2:51: error: retries '=n' of zeebe:taskDefinition is not a number from 1 to 1000 (element 'a'); help: write how often the task is tried in all, for example 3
        t.bpmn:2:51: error: retries '0' of zeebe:taskDefinition is not a number from 1 to 1000 (element 'a'); help: write how often the task is tried in all, for example 3
    "#]].assert_eq(&found.map(|file| diagnostics(file.as_bytes())).concat());
}

#[test]
fn a_user_task_is_assigned_scheduled_and_ranked() {
    let file = around(
        "<bpmn:userTask id='a'><bpmn:extensionElements><zeebe:userTask/><zeebe:assignmentDefinition assignee='= clerk' candidateUsers='ann, bob' \
         candidateGroups='= groups'/><zeebe:taskSchedule dueDate='= by' followUpDate='P1D'/><zeebe:priorityDefinition priority='70'/>\
         <zeebe:formDefinition formKey='review'/></bpmn:extensionElements></bpmn:userTask>",
    );
    let definition = definition(&file);
    let ElementKind::UserTask(task) = &element(&definition, "a").kind else { panic!("a user task") };
    let said = [&task.assignee, &task.candidate_users, &task.candidate_groups, &task.due_date, &task.follow_up_date, &task.priority];
    let said = said.map(|it| it.as_ref().map(Expression::source));
    assert_eq!(said, [Some("= clerk"), Some("ann, bob"), Some("= groups"), Some("= by"), Some("P1D"), Some("70")]);
    let form = element(&definition, "a").form.as_deref().expect("a form");
    assert_eq!(form.key.as_ref().and_then(|key| key.as_literal()), Some("review"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let file = around(
        "<bpmn:userTask id='a'><bpmn:extensionElements>\n<zeebe:ioMapping>\n<zeebe:input source='= 1' target='a.b'/>\n<zeebe:output source='= +' target='x'/>\n\
         <zeebe:inout/></zeebe:ioMapping>\n<zeebe:taskSchedule dueDate='tomorrow'/>\n<zeebe:priorityDefinition priority='high'/>\n\
         <zeebe:properties>\n<zeebe:property value='1'/></zeebe:properties>\n<zeebe:formDefinition formId='f'/>\n<zeebe:taskHeaders/>\
         </bpmn:extensionElements></bpmn:userTask>",
    );
    expect![[r#"
        t.bpmn:2:1: error: camunda:dueDate: 'tomorrow' is not an ISO 8601 date such as 2030-12-24T18:00:00Z: failed to parse four digit integer as year: invalid digit, expected 0-9 but got t (element 'a'); help: write a date such as 2030-12-24T18:00:00Z, a duration such as P2D, or an expression that gives one
        t.bpmn:2:1: error: camunda:priority 'high' is not a whole number (element 'a'); help: write for example 50, or an expression that gives a whole number
        t.bpmn:4:1: error: the target 'a.b' of zeebe:input is not a variable's name of 1 to 255 characters (element 'a'); help: name a variable; build an object in the source, as in = {a: 1}
        t.bpmn:5:1: error: the source of 'x' '= +': expected a value, found "+", at character 3 (element 'a'); help: correct the expression
        t.bpmn:6:1: error: zeebe:inout has no place in zeebe:ioMapping (element 'a'); help: use zeebe:input or zeebe:output
        t.bpmn:10:1: error: zeebe:property has no name, or no place in zeebe:properties (element 'a'); help: write zeebe:property with a name and a value
        t.bpmn:11:1: warning: zeebe:formDefinition names a form that is not served (element 'a'); help: use formKey: forms are not served, but task lists see the key
        t.bpmn:12:1: warning: zeebe:taskHeaders has no effect on userTask (element 'a'); help: remove it; it is read on serviceTask, sendTask and businessRuleTask
    "#]].assert_eq(&diagnostics(file.as_bytes()));
}

/// A receive task for a message with this in it.
fn receiving(inside: &str) -> String {
    let message = format!("<bpmn:message id='m' name='paid'>\n<bpmn:extensionElements>{inside}</bpmn:extensionElements></bpmn:message>");
    file_with(
        &message,
        "<bpmn:startEvent id='s'/><bpmn:receiveTask id='a' messageRef='m'/><bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='a'/>",
    )
}

#[test]
fn a_message_says_what_tells_its_waits_apart() {
    let definition = definition(&receiving("<zeebe:subscription correlationKey='=order.id'/>"));
    let ElementKind::ReceiveTask(Some(message)) = &element(&definition, "a").kind else { panic!("a receive task") };
    assert_eq!(message.correlation_key, Some(CorrelationKey(vec![Expression::parse("=order.id").unwrap()])));

    // What starts a process needs none, and it need not be one.
    let starts = "<bpmn:startEvent id='a'><bpmn:messageEventDefinition messageRef='m'/></bpmn:startEvent><bpmn:task id='t'/>\
                  <bpmn:sequenceFlow id='f1' sourceRef='a' targetRef='t'/>";
    let message = "<bpmn:message id='m' name='paid'><bpmn:extensionElements><zeebe:subscription/></bpmn:extensionElements></bpmn:message>";
    assert_eq!(diagnostics(file_with(message, starts).as_bytes()), "fine\n");

    let broken = ["correlationKey='= order.'", "correlationKey='order'", "correlationKey=' '", ""];
    let mut found = broken.map(|key| diagnostics(receiving(&format!("<zeebe:subscription {key}/>")).as_bytes())).concat();
    let elsewhere =
        "<bpmn:task id='a'><bpmn:extensionElements>\n<zeebe:subscription correlationKey='=order'/></bpmn:extensionElements></bpmn:task>";
    found += &diagnostics(around(elsewhere).as_bytes());
    expect![[r#"
        t.bpmn:4:25: error: correlationKey of zeebe:subscription '= order.': expected a name, found the end, at character 9; help: correct the expression
        t.bpmn:4:25: error: correlationKey 'order' of zeebe:subscription is not an expression (as in Camunda 8); help: write one that gives each instance its own, for example = orderId; or remove zeebe:subscription
        t.bpmn:4:25: error: correlationKey '' of zeebe:subscription is not an expression (as in Camunda 8); help: write one that gives each instance its own, for example = orderId; or remove zeebe:subscription
        t.bpmn:4:25: error: correlationKey '' of zeebe:subscription is not an expression (as in Camunda 8); help: write one that gives each instance its own, for example = orderId; or remove zeebe:subscription
        t.bpmn:3:1: warning: zeebe:subscription has no effect on task (element 'a'); help: remove it; it is read on message
    "#]].assert_eq(&found);
}
