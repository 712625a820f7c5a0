//! Delegates that misbehave cost one retry of their own instance, are named in the incident, and disturb nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::common::{Host, guest, process};
use mandate_runtime::deploy::Upload;
use serde_json::json;

const HOSTILE: &str = r#"
[delegates.hostile]
file = "test_hostile.wasm"
version = "1.0.0"
limits = { cpu = "300ms", wall = "10s", memory = "32 MiB" }

[delegates.worker]
file = "test_scripted.wasm"
version = "1.0.0"
"#;

async fn deploy(host: &Host) {
    let hostile = process(
        r#"
      <bpmn:startEvent id="s"/>
      <bpmn:serviceTask id="bad" camunda:class="hostile" camunda:asyncBefore="true">
        <bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R2/PT0.05S</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
      </bpmn:serviceTask>
      <bpmn:endEvent id="e"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="bad"/>
      <bpmn:sequenceFlow id="f2" sourceRef="bad" targetRef="e"/>"#,
    );
    let good = String::from_utf8(process(
        r#"
      <bpmn:startEvent id="s"/>
      <bpmn:serviceTask id="good" camunda:class="worker" camunda:asyncBefore="true"/>
      <bpmn:endEvent id="e"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="good"/>
      <bpmn:sequenceFlow id="f2" sourceRef="good" targetRef="e"/>"#,
    ))
    .expect("text")
    .replace(r#"<bpmn:process id="p""#, r#"<bpmn:process id="q""#);
    let resources = vec![
        ("p.bpmn".to_owned(), hostile),
        ("q.bpmn".to_owned(), good.into_bytes()),
        ("test_hostile.wasm".to_owned(), guest("test_hostile.wasm")),
        ("test_scripted.wasm".to_owned(), guest("test_scripted.wasm")),
        ("mandate.toml".to_owned(), HOSTILE.as_bytes().to_vec()),
    ];
    host.runtime.deploy(Upload { resources, ..Upload::default() }).await.unwrap_or_else(|error| panic!("deployed: {error}"));
}

/// Runs one mode to its incident while others work, and says what the incident is.
async fn incident_of(mode: &str, amount: usize) -> (String, String) {
    let host = Host::start().await;
    deploy(&host).await;
    let started = host.start_instance(json!({ "mode": mode, "amount": amount })).await.expect("it starts");
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicUsize::new(0));
    let neighbours = tokio::spawn({
        let (runtime, stop, done) = (host.runtime.clone(), stop.clone(), done.clone());
        async move {
            while !stop.load(Ordering::Relaxed) {
                let start = mandate_runtime::Start::of_key("q", mandate_runtime::engine::Variables::new());
                let id = runtime.start(start).await.expect("neighbours start").id;
                while runtime.instance(id).await.is_ok() {
                    tokio::task::yield_now().await;
                }
                done.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    let code = host.incident(started.id).await;
    stop.store(true, Ordering::Relaxed);
    neighbours.await.expect("neighbours end");
    assert!(done.load(Ordering::Relaxed) > 0, "others went on meanwhile");
    let view = host.runtime.instance(started.id).await.expect("it lives");
    let incident = view.instance.incidents().next().expect("just seen").clone();
    assert_eq!(incident.attempt, 2, "each failure cost one attempt of its own instance");
    (code, incident.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegate_that_loops_for_ever() {
    let (code, message) = incident_of("spin", 0).await;
    assert_eq!(code, "DELEGATE_LIMIT_EXCEEDED");
    assert!(message.contains("cpu") && message.contains("hostile"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegate_that_eats_memory() {
    let (code, message) = incident_of("memory", 1 << 30).await;
    assert_eq!(code, "DELEGATE_LIMIT_EXCEEDED");
    assert!(message.contains("memory"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegate_that_traps() {
    let (code, _) = incident_of("trap", 0).await;
    assert_eq!(code, "DELEGATE_TRAPPED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegate_that_returns_100_megabytes() {
    let (code, message) = incident_of("output", 100_000_000).await;
    assert_eq!(code, "DELEGATE_LIMIT_EXCEEDED");
    // It may not even get so far as to hold them.
    assert!(message.contains("output") || message.contains("memory"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegate_that_issues_10000_commands() {
    let host = Host::start().await;
    let model = process(
        r#"
      <bpmn:startEvent id="s"/>
      <bpmn:serviceTask id="many" camunda:class="worker" camunda:asyncBefore="true">
        <bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R2/PT0.05S</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
      </bpmn:serviceTask>
      <bpmn:endEvent id="e"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="many"/>
      <bpmn:sequenceFlow id="f2" sourceRef="many" targetRef="e"/>"#,
    );
    host.deploy(model).await;
    let script = json!({ "many": { "commands": [{ "name": "test.ok@1", "body": {}, "repeat": 10_000 }] } });
    let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
    assert_eq!(host.incident(started.id).await, "DELEGATE_LIMIT_EXCEEDED");
    let view = host.runtime.instance(started.id).await.expect("it lives");
    let message = view.instance.incidents().next().expect("just seen").message.clone();
    assert!(message.contains("commands"), "{message}");
    assert_eq!(host.domain.applied().len(), 50, "its limit, once: the second attempt was answered from the ledger");
}
