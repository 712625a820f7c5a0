//! Chains of synchronous delegates that fail half-way: a command is applied once, and no answer belongs to another request.

use crate::common::{Host, as_variables, commands, process};
use mandate_runtime::engine::{PublicId, Variables};
use mandate_runtime::query::{HistoryInstanceFilter, InstanceFilter};
use mandate_runtime::{Instruction, Modify, Place};
use serde_json::json;

/// start → a → b → c → end, synchronous, retried quickly; the start is deferred because the delegates may issue commands.
const CHAIN: &str = r#"
  <bpmn:startEvent id="s"/>
  <bpmn:serviceTask id="a" camunda:class="worker" camunda:asyncBefore="true">
    <bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R4/PT0.05S</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
  </bpmn:serviceTask>
  <bpmn:serviceTask id="b" camunda:class="worker"/>
  <bpmn:serviceTask id="c" camunda:class="worker"/>
  <bpmn:endEvent id="e"/>
  <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="a"/>
  <bpmn:sequenceFlow id="f2" sourceRef="a" targetRef="b"/>
  <bpmn:sequenceFlow id="f3" sourceRef="b" targetRef="c"/>
  <bpmn:sequenceFlow id="f4" sourceRef="c" targetRef="e"/>"#;

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_a_unit_that_failed_answer_from_the_ledger_when_it_runs_again() {
    let host = Host::start().await;
    host.deploy(process(CHAIN)).await;
    let mut script = commands(&[("a", "test.ok@1"), ("b", "test.ok@1")]);
    script["c"] = json!({ "failAttempts": 2 });
    let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
    host.ended(started.id).await;
    let applied: Vec<_> = host.domain.applied().into_iter().map(|applied| applied.body["by"].clone()).collect();
    assert_eq!(applied, ["a", "b"]);
    assert!(host.domain.calls().values().all(|calls| *calls == 1), "nothing was sent twice: {:?}", host.domain.calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_takes_another_path_on_the_retry_leaves_a_command_behind_and_a_modification_goes_on() {
    let host = Host::start().await;
    host.deploy(process(
        r#"
      <bpmn:startEvent id="s"/>
      <bpmn:serviceTask id="a" camunda:class="worker" camunda:asyncBefore="true">
        <bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R2/PT0.05S</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
      </bpmn:serviceTask>
      <bpmn:exclusiveGateway id="x" default="right"/>
      <bpmn:serviceTask id="l" camunda:class="worker"/>
      <bpmn:serviceTask id="r" camunda:class="worker"/>
      <bpmn:serviceTask id="z" camunda:class="worker">
        <bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R3/PT0.05S</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
      </bpmn:serviceTask>
      <bpmn:endEvent id="e"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="a"/>
      <bpmn:sequenceFlow id="f2" sourceRef="a" targetRef="x"/>
      <bpmn:sequenceFlow id="left" sourceRef="x" targetRef="l">
        <bpmn:conditionExpression xsi:type="bpmn:tFormalExpression">${path == 'left'}</bpmn:conditionExpression>
      </bpmn:sequenceFlow>
      <bpmn:sequenceFlow id="right" sourceRef="x" targetRef="r"/>
      <bpmn:sequenceFlow id="f3" sourceRef="l" targetRef="z"/>
      <bpmn:sequenceFlow id="f4" sourceRef="r" targetRef="z"/>
      <bpmn:sequenceFlow id="f5" sourceRef="z" targetRef="e"/>"#,
    ))
    .await;
    let mut script = commands(&[("a", "test.ok@1"), ("l", "test.ok@1"), ("r", "test.ok@1")]);
    script["z"] = json!({ "failAttempts": 2 });
    let started = host.start_instance(json!({ "script": script, "path": "left" })).await.expect("it starts");
    assert_eq!(host.incident(started.id).await, "DELEGATE_FAILED");
    // The operator changes the path before the retry.
    host.runtime.set_variables(started.id, None, as_variables(&json!({ "path": "right" })), Vec::new()).await.expect("set");
    host.retry(started.id, 3).await;
    assert_eq!(host.incident(started.id).await, "COMMAND_LEFT_BEHIND");
    // Both paths have sent something by now, and no retry comes to both: whoever wanted this says where it goes on.
    let at = Place::Before("z".into());
    let start = Instruction::Start { at, ancestor: None, variables: Variables::new(), local_variables: Variables::new() };
    let instructions = vec![Instruction::CancelAll { activity_id: "a".into(), current: false }, start];
    host.runtime.modify_instance(started.id, Modify { instructions, ..Modify::default() }).await.expect("it is modified");
    host.ended(started.id).await;
    let mut applied: Vec<_> = host.domain.applied().into_iter().map(|applied| applied.body["by"].to_string()).collect();
    applied.sort();
    assert_eq!(applied, ["\"a\"", "\"l\"", "\"r\""], "a once, and each path under its own key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_and_two_branches_have_keys_of_their_own() {
    let host = Host::start().await;
    host.deploy(process(
        r#"
      <bpmn:startEvent id="s"/>
      <bpmn:parallelGateway id="fork"/>
      <bpmn:serviceTask id="one" camunda:class="worker"/>
      <bpmn:serviceTask id="two" camunda:class="worker"/>
      <bpmn:exclusiveGateway id="merge"/>
      <bpmn:serviceTask id="both" camunda:class="worker"/>
      <bpmn:endEvent id="e"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="fork"/>
      <bpmn:sequenceFlow id="f2" sourceRef="fork" targetRef="one"/>
      <bpmn:sequenceFlow id="f3" sourceRef="fork" targetRef="two"/>
      <bpmn:sequenceFlow id="f4" sourceRef="one" targetRef="merge"/>
      <bpmn:sequenceFlow id="f5" sourceRef="two" targetRef="merge"/>
      <bpmn:sequenceFlow id="f6" sourceRef="merge" targetRef="both"/>
      <bpmn:sequenceFlow id="f7" sourceRef="both" targetRef="e"/>"#,
    ))
    .await;
    // The same element with the same body on both branches: two applications, two keys.
    let script = commands(&[("one", "test.ok@1"), ("two", "test.ok@1"), ("both", "test.ok@1")]);
    let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
    host.ended(started.id).await;
    let applied = host.domain.applied();
    assert_eq!(applied.iter().filter(|applied| applied.body["by"] == "both").count(), 2, "{applied:?}");
    assert_eq!(applied.len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_variable_never_gets_the_answer_of_another_request() {
    let host = Host::start().await;
    host.deploy(process(CHAIN)).await;
    let script = json!({
        "a": { "commands": [{ "name": "test.ok@1", "body": { "amount": "$amount" } }] },
        "c": { "failAttempts": 4 },
    });
    let started = host.start_instance(json!({ "script": script, "amount": 1 })).await.expect("it starts");
    assert_eq!(host.incident(started.id).await, "DELEGATE_FAILED");
    host.runtime.set_variables(started.id, None, as_variables(&json!({ "amount": 2 })), Vec::new()).await.expect("set");
    host.retry(started.id, 1).await;
    host.until("the conflict is seen", || async {
        let view = host.runtime.instance(started.id).await.expect("it lives");
        view.instance.incidents().any(|incident| incident.code.as_str() == "COMMAND_KEY_CONFLICT")
    })
    .await;
    assert_eq!(host.domain.applied().len(), 1, "the second request was not sent");
    // Put back, it goes on with the answer of the first.
    host.runtime.set_variables(started.id, None, as_variables(&json!({ "amount": 1 })), Vec::new()).await.expect("set");
    host.retry(started.id, 1).await;
    host.ended(started.id).await;
    assert_eq!(host.domain.applied().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_found_out_before_the_process_goes_on() {
    let host = Host::start().await;
    host.deploy(process(CHAIN)).await;
    let mut script = commands(&[("a", "test.lost-once@1"), ("b", "test.busy-once@1")]);
    // A delegate that swallows the unknown outcome does not get its unit past it.
    script["a"]["commands"][0]["careless"] = json!(true);
    let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
    host.ended(started.id).await;
    assert_eq!(host.domain.applied().len(), 2);
    assert!(host.domain.calls().values().all(|calls| *calls == 2), "resent under the same key: {:?}", host.domain.calls());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_outcome_that_nobody_can_clear_up_is_parked_for_a_person() {
    let host = Host::start().await;
    host.deploy(process(CHAIN)).await;
    let script = commands(&[("a", "test.dark@1")]);
    let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
    assert_eq!(host.incident(started.id).await, "COMMAND_OUTCOME_UNKNOWN");
    assert_eq!(host.domain.calls().values().copied().collect::<Vec<_>>(), [1], "it was sent once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_completion_whose_chain_fails_leaves_the_task_and_repeats_nothing() {
    let host = Host::start().await;
    host.deploy(process(
        r#"
      <bpmn:startEvent id="s"/>
      <bpmn:userTask id="u"/>
      <bpmn:serviceTask id="a" camunda:class="worker"/>
      <bpmn:serviceTask id="b" camunda:class="worker"/>
      <bpmn:endEvent id="e"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="u"/>
      <bpmn:sequenceFlow id="f2" sourceRef="u" targetRef="a"/>
      <bpmn:sequenceFlow id="f3" sourceRef="a" targetRef="b"/>
      <bpmn:sequenceFlow id="f4" sourceRef="b" targetRef="e"/>"#,
    ))
    .await;
    let script = commands(&[("a", "test.ok@1"), ("b", "test.busy-once@1")]);
    let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
    let view = host.runtime.instance(started.id).await.expect("it lives");
    let task = PublicId { instance: started.id, number: view.instance.tasks().next().expect("a task").wait.0 };
    let failed = host.runtime.complete_task(task, as_variables(&json!({}))).await;
    assert!(matches!(failed, Err(mandate_runtime::Error::UnitFailed(_))), "{failed:?}");
    host.runtime.complete_task(task, as_variables(&json!({}))).await.expect("the second time it goes through");
    host.ended(started.id).await;
    assert_eq!(host.domain.applied().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_between_failure_and_retry_changes_nothing() {
    let host = Host::start().await;
    host.deploy(process(CHAIN)).await;
    let mut script = commands(&[("a", "test.ok@1"), ("b", "test.ok@1")]);
    script["c"] = json!({ "failAttempts": 4 });
    let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
    host.incident(started.id).await;
    let host = host.restart().await;
    host.retry(started.id, 1).await;
    host.ended(started.id).await;
    assert_eq!(host.domain.applied().len(), 2);
    let report = host.runtime.check_store().await.expect("it can be checked");
    assert_eq!(report.findings, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_goes_away_changes_nothing_about_its_instance() {
    let host = Host::start().await;
    host.deploy(process(CHAIN.replace(r#" camunda:asyncBefore="true""#, "").as_str())).await;
    let script = commands(&[("a", "test.held@1"), ("b", "test.ok@1")]);
    tokio::select! {
        ended = host.start_instance(json!({ "script": script })) => panic!("its first command is held: {ended:?}"),
        () = host.until("its first command is on its way", || async { host.domain.held() == 1 }) => {}
    }
    host.domain.let_go(1);
    host.until("both commands are applied", || async { host.domain.applied().len() == 2 }).await;
    host.until("the instance has ended", || async {
        let running = host.runtime.reads().count_instances(InstanceFilter::default()).await.expect("counted");
        let ended = HistoryInstanceFilter { finished: true, ..Default::default() };
        running == 0 && host.runtime.reads().count_history_instances(ended).await.expect("counted") == 1
    })
    .await;
}
