//! A unit of work that runs again on another state of its instance, and would not come to a command that it has sent.

use crate::common::{Host, as_variables, commands, on_both, process};
use mandate_runtime::engine::{Code, InstanceId, PublicId, Variables};
use mandate_runtime::{Error, Instruction, Modify, Place};
use serde_json::{Value, json};

/// A sub-process whose last token ends it and goes on to `w1` and `w2` in one unit of work. `x` is a job, `u` waits for a person; nothing
/// leads to `r`.
fn model(last: &str) -> Vec<u8> {
    process(&format!(
        r#"
      <bpmn:startEvent id="s"/><bpmn:endEvent id="e"/>
      <bpmn:subProcess id="sub">
        <bpmn:startEvent id="in"/><bpmn:exclusiveGateway id="g" default="g2"/>
        {last}
        <bpmn:userTask id="r"/>
        <bpmn:sequenceFlow id="g1" sourceRef="in" targetRef="g"/><bpmn:sequenceFlow id="g2" sourceRef="g" targetRef="last"/>
        <bpmn:sequenceFlow id="g3" sourceRef="g" targetRef="r"><bpmn:conditionExpression>${{1 > 2}}</bpmn:conditionExpression></bpmn:sequenceFlow>
      </bpmn:subProcess>
      <bpmn:serviceTask id="w1" camunda:class="worker"/><bpmn:serviceTask id="w2" camunda:class="worker"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="sub"/><bpmn:sequenceFlow id="f2" sourceRef="sub" targetRef="w1"/>
      <bpmn:sequenceFlow id="f3" sourceRef="w1" targetRef="w2"/><bpmn:sequenceFlow id="f4" sourceRef="w2" targetRef="e"/>"#
    ))
}

const JOB: &str = r#"<bpmn:serviceTask id="last" camunda:class="worker" camunda:asyncBefore="true">
  <bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R1/PT0.05S</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
</bpmn:serviceTask>"#;

const TASK: &str = r#"<bpmn:userTask id="last"/>"#;

async fn start(host: &Host, last: &str, script: Value) -> InstanceId {
    host.deploy(model(last)).await;
    host.start_instance(json!({ "script": script })).await.expect("it starts").id
}

async fn modify(host: &Host, id: InstanceId, instruction: Instruction) {
    let modify = Modify { instructions: vec![instruction], ..Modify::default() };
    host.runtime.modify_instance(id, modify).await.expect("it is modified");
}

fn before_r() -> Instruction {
    Instruction::Start { at: Place::Before("r".into()), ancestor: None, variables: Variables::new(), local_variables: Variables::new() }
}

fn cancel_r() -> Instruction {
    Instruction::CancelAll { activity_id: "r".into(), current: false }
}

/// The instance comes to its end, and nothing was sent twice.
async fn ends(host: &Host, id: InstanceId) {
    host.ended(id).await;
    assert_eq!(host.domain.calls().into_values().collect::<Vec<_>>(), [1], "it was sent once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_would_not_come_to_what_was_sent_is_an_incident_until_it_does() {
    on_both(async |host| {
        let mut script = commands(&[("w1", "test.ok@1")]);
        script["w2"] = json!({ "failAttempts": 1 });
        let id = start(&host, JOB, script).await;
        assert_eq!(host.incident(id).await, "DELEGATE_FAILED");
        modify(&host, id, before_r()).await;
        host.retry(id, 1).await;
        assert_eq!(host.incident(id).await, "COMMAND_LEFT_BEHIND");
        let view = host.runtime.instance(id).await.expect("it lives");
        let message = &view.instance.incidents().next().expect("just seen").message;
        assert!(message.contains("'w1'") && message.contains("test.ok@1"), "{message}");
        modify(&host, id, cancel_r()).await;
        host.retry(id, 1).await;
        ends(&host, id).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_that_lost_its_way_to_a_race_does_not_forget_what_it_sent() {
    on_both(async |host| {
        let id = start(&host, JOB, commands(&[("w1", "test.held@1")])).await;
        host.until("the command is on its way", || async { host.domain.held() == 1 }).await;
        modify(&host, id, before_r()).await;
        host.domain.let_go(1);
        assert_eq!(host.incident(id).await, "COMMAND_LEFT_BEHIND");
        modify(&host, id, cancel_r()).await;
        host.retry(id, 1).await;
        ends(&host, id).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_completes_a_task_again_is_told_what_the_first_time_has_sent() {
    on_both(async |host| {
        let mut script = commands(&[("w1", "test.ok@1")]);
        script["w2"] = json!({ "error": "NOT_NOW" });
        let id = start(&host, TASK, script).await;
        let view = host.runtime.instance(id).await.expect("it lives");
        let task = PublicId { instance: id, number: view.instance.tasks().next().expect("the person's task").wait.0 };
        let code = async || match host.runtime.complete_task(task, Variables::new()).await {
            Err(Error::UnitFailed(failure)) => failure.code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code().await, Code::UnhandledBpmnError);
        modify(&host, id, before_r()).await;
        assert_eq!(code().await, Code::CommandLeftBehind);
        modify(&host, id, cancel_r()).await;
        let repaired = as_variables(&json!({ "script": commands(&[("w1", "test.ok@1")]) }));
        host.runtime.complete_task(task, repaired).await.expect("it is completed");
        ends(&host, id).await;
    })
    .await;
}

/// The same, from which a person may report something meanwhile: `w3` sends a command, and the task goes on waiting.
const ESCALATING: &str = r#"<bpmn:userTask id="last"/><bpmn:boundaryEvent id="b" attachedToRef="last" cancelActivity="false">
  <bpmn:escalationEventDefinition/></bpmn:boundaryEvent><bpmn:serviceTask id="w3" camunda:class="worker"/>
  <bpmn:sequenceFlow id="g5" sourceRef="b" targetRef="w3"/>"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_an_escalation_has_sent_is_stored_and_hides_nothing_of_what_a_completion_has() {
    on_both(async |host| {
        let mut script = commands(&[("w1", "test.ok@1"), ("w3", "test.ok@1")]);
        script["w2"] = json!({ "error": "NOT_NOW" });
        let id = start(&host, ESCALATING, script).await;
        let view = host.runtime.instance(id).await.expect("it lives");
        let task = PublicId { instance: id, number: view.instance.tasks().next().expect("the person's task").wait.0 };
        host.runtime.escalate_from_task(task, "LATE".into(), Variables::new()).await.expect("reported");
        let code = async || match host.runtime.complete_task(task, Variables::new()).await {
            Err(Error::UnitFailed(failure)) => failure.code,
            other => panic!("{other:?}"),
        };
        assert_eq!(code().await, Code::UnhandledBpmnError);
        modify(&host, id, before_r()).await;
        assert_eq!(code().await, Code::CommandLeftBehind);
        modify(&host, id, cancel_r()).await;
        let repaired = as_variables(&json!({ "script": commands(&[("w1", "test.ok@1")]) }));
        host.runtime.complete_task(task, repaired).await.expect("it is completed");
        host.ended(id).await;
        assert_eq!(host.domain.calls().into_values().collect::<Vec<_>>(), [1, 1], "each was sent once");
    })
    .await;
}

/// A task from which a person may report something twice: `w3` and `w4` follow in one unit of work as long as `go` is true.
const REPORTED: &str = r#"<bpmn:startEvent id="s"/><bpmn:userTask id="last"/><bpmn:boundaryEvent id="b" attachedToRef="last" cancelActivity="false">
  <bpmn:escalationEventDefinition/></bpmn:boundaryEvent><bpmn:exclusiveGateway id="x" default="g4"/>
  <bpmn:serviceTask id="w3" camunda:class="worker"/><bpmn:serviceTask id="w4" camunda:class="worker"/><bpmn:endEvent id="not"/>
  <bpmn:sequenceFlow id="g1" sourceRef="s" targetRef="last"/><bpmn:sequenceFlow id="g2" sourceRef="b" targetRef="x"/>
  <bpmn:sequenceFlow id="g3" sourceRef="x" targetRef="w3"><bpmn:conditionExpression>${go}</bpmn:conditionExpression></bpmn:sequenceFlow>
  <bpmn:sequenceFlow id="g4" sourceRef="x" targetRef="not"/><bpmn:sequenceFlow id="g5" sourceRef="w3" targetRef="w4"/>"#;

#[tokio::test(flavor = "multi_thread")]
async fn each_report_of_a_task_is_compared_with_what_it_has_sent_itself() {
    on_both(async |host| {
        host.deploy(process(REPORTED)).await;
        let works = commands(&[("w3", "test.ok@1")]);
        let mut fails = works.clone();
        fails["w4"] = json!({ "error": "NOT_NOW" });
        let id = host.start_instance(json!({ "script": works, "go": true })).await.expect("it starts").id;
        let view = host.runtime.instance(id).await.expect("it lives");
        let task = PublicId { instance: id, number: view.instance.tasks().next().expect("the person's task").wait.0 };
        let report = async |script: &Value, go: bool| {
            let set = as_variables(&json!({ "script": script, "go": go }));
            host.runtime.set_variables(id, None, set, Vec::new()).await.expect("set");
            host.runtime.escalate_from_task(task, "LATE".into(), Variables::new()).await
        };
        let refused = async |script: &Value, go| match report(script, go).await {
            Err(Error::UnitFailed(failure)) => failure.code,
            other => panic!("{other:?}"),
        };
        report(&works, true).await.expect("reported");
        // What the first one has sent is stored, and the second one need not come there.
        report(&works, false).await.expect("reported");
        assert_eq!(refused(&fails, true).await, Code::UnhandledBpmnError);
        assert_eq!(refused(&works, false).await, Code::CommandLeftBehind);
        report(&works, true).await.expect("reported");
        assert_eq!(host.domain.calls().into_values().collect::<Vec<_>>(), [1, 1], "once for each report that comes there");
    })
    .await;
}
