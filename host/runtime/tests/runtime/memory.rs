//! What a host remembers of an instance counts only until somebody else has moved it on.

use crate::common::{Host, Setup, as_variables, postgres, process};
use mandate_runtime::engine::{InstanceId, PublicId};
use mandate_runtime::{Error, Runtime};
use serde_json::json;

/// start → one → two → a → end: two user tasks, then a delegate with commands.
const TASKS: &str = r#"
  <bpmn:startEvent id="s"/>
  <bpmn:userTask id="one"/>
  <bpmn:userTask id="two"/>
  <bpmn:serviceTask id="a" camunda:class="worker"/>
  <bpmn:endEvent id="e"/>
  <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="one"/>
  <bpmn:sequenceFlow id="f2" sourceRef="one" targetRef="two"/>
  <bpmn:sequenceFlow id="f3" sourceRef="two" targetRef="a"/>
  <bpmn:sequenceFlow id="f4" sourceRef="a" targetRef="e"/>"#;

async fn task(runtime: &Runtime, instance: InstanceId) -> PublicId {
    let view = runtime.instance(instance).await.expect("it lives");
    PublicId { instance, number: view.instance.tasks().next().expect("it waits at a task").wait.0 }
}

async fn set(runtime: &Runtime, instance: InstanceId, variables: serde_json::Value) {
    runtime.set_variables(instance, None, as_variables(&variables), Vec::new()).await.expect("it lives");
}

/// Two hosts on one PostgreSQL. Whatever one of them remembers, the other changes behind its back.
async fn two_hosts() -> (Host, Host) {
    let setup = Setup { database: Some(postgres()), ..Setup::default() };
    let here = Host::start_with(setup.clone()).await;
    let there = Host::start_with(setup).await;
    here.deploy(process(TASKS)).await;
    (here, there)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_host_did_is_found_before_anything_is_refused_or_sent() {
    let (here, there) = two_hosts().await;
    let script = json!({ "a": { "commands": [{ "name": "test.ok@1", "body": { "plan": "$plan" }, "key": "k" }] } });
    let started = here.start_instance(json!({ "script": script, "plan": 1 })).await.expect("it starts");
    let id = started.id;

    // This host remembers the first task; the other completes it.
    let first = task(&here.runtime, id).await;
    there.runtime.complete_task(first, as_variables(&json!({}))).await.expect("it waits");
    let again = here.runtime.complete_task(first, as_variables(&json!({}))).await;
    assert!(matches!(again, Err(Error::NotFound { .. } | Error::Rejected(_))), "{again:?}");
    // The second task is unknown to what was remembered, and yet it is found.
    let second = task(&here.runtime, id).await;
    here.runtime.claim_task(second, "ann".to_owned()).await.expect("it waits");

    // Remembered here with plan 1; changed there to 2. What is sent says 2.
    set(&there.runtime, id, json!({ "plan": 2 })).await;
    here.runtime.complete_task(second, as_variables(&json!({}))).await.expect("the delegate has done its work");
    let ledger = here.runtime.reads().ledger_of_instance(id.0, mandate_runtime::query::Page::ALL).await.expect("read");
    let requests: Vec<&str> = ledger.iter().map(|row| row.request.as_str()).collect();
    assert_eq!(requests, [r#"{"plan":2}"#]);

    // Deleted there, remembered here.
    let started = here.start_instance(json!({ "script": {}, "plan": 1 })).await.expect("it starts");
    there.runtime.delete_instance(started.id, None, false).await.expect("it lives");
    let gone = here.runtime.suspend_instance(started.id, true).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    for host in [here, there] {
        host.runtime.shut_down(std::time::Duration::from_secs(5)).await;
    }
}
