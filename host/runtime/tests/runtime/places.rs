//! Commands that wait for a place at their target: not for longer than their delegate may run.

use mandate_runtime::Start;
use mandate_runtime::deploy::Upload;
use mandate_runtime::engine::InstanceId;
use mandate_runtime::query::Page;
use serde_json::json;

use crate::common::{Host, as_variables, commands, guest, process};

/// The scripted guest twice: one that may wait, and one that may not.
const PATIENT_AND_HASTY: &str = r#"
[delegates.patient]
file = "test_scripted.wasm"
version = "1.0.0"
commands = ["test.held@1"]
limits = { wall = "60s" }

[delegates.hasty]
file = "test_hasty.wasm"
version = "1.0.0"
commands = ["test.ok@1"]
limits = { wall = "2s" }
"#;

/// A host whose domain service is sent one request at a time, with the processes `patient` and `hasty`: one job each.
async fn host() -> Host {
    let host = Host::start().await;
    let catalogue = host.dir.path().join("catalogue.toml");
    let narrow = host.domain.catalogue().replace("[targets.domain]\n", "[targets.domain]\nin-flight = 1\n");
    std::fs::write(catalogue, narrow).expect("written");
    let host = host.restart().await;
    let model = |key: &str| {
        let text = String::from_utf8(process(&format!(
            r#"<bpmn:startEvent id="s"/><bpmn:serviceTask id="w" camunda:class="{key}" camunda:asyncBefore="true"><bpmn:extensionElements>
              <camunda:failedJobRetryTimeCycle>R1/PT0S</camunda:failedJobRetryTimeCycle></bpmn:extensionElements></bpmn:serviceTask>
              <bpmn:sequenceFlow id="f" sourceRef="s" targetRef="w"/>"#
        )));
        text.expect("text").replace(r#"<bpmn:process id="p""#, &format!(r#"<bpmn:process id="{key}""#)).into_bytes()
    };
    let resources = vec![
        ("patient.bpmn".to_owned(), model("patient")),
        ("hasty.bpmn".to_owned(), model("hasty")),
        ("test_scripted.wasm".to_owned(), guest("test_scripted.wasm")),
        ("test_hasty.wasm".to_owned(), guest("test_scripted.wasm")),
        ("mandate.toml".to_owned(), PATIENT_AND_HASTY.as_bytes().to_vec()),
    ];
    host.runtime.deploy(Upload { resources, ..Upload::default() }).await.unwrap_or_else(|error| panic!("deployed: {error}"));
    host
}

async fn start(host: &Host, key: &str, command: &str) -> InstanceId {
    let start = Start::of_key(key, as_variables(&json!({ "script": commands(&[("w", command)]) })));
    host.runtime.start(start).await.expect("it starts").id
}

async fn failed_by_wall(host: &Host, id: InstanceId) {
    assert_eq!(host.incident(id).await, "DELEGATE_LIMIT_EXCEEDED");
    let view = host.runtime.instance(id).await.expect("it lives");
    let message = view.instance.incidents().next().expect("just seen").message.clone();
    assert!(message.contains("wall limit") && message.contains("waiting for a command"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_gets_no_place_does_not_outlast_its_delegate() {
    let host = host().await;
    let patient = start(&host, "patient", "test.held@1").await;
    host.until("the only place is taken", || async { host.domain.held() == 1 }).await;
    let hasty = start(&host, "hasty", "test.ok@1").await;
    failed_by_wall(&host, hasty).await;
    assert_eq!(host.domain.held(), 1, "and there still is no place");
    host.domain.let_go(1);
    host.ended(patient).await;
    assert_eq!(sent(&host), ["/held/held"]);
    let attempts = host.runtime.reads().ledger_of_instance(hasty.0, Page::ALL).await.expect("read");
    assert!(attempts.is_empty(), "nothing was sent: {attempts:?}");

    host.retry(hasty, 1).await;
    host.ended(hasty).await;
    assert_eq!(sent(&host), ["/held/held", "/ok/ok"]);
}

fn sent(host: &Host) -> Vec<String> {
    host.domain.applied().into_iter().map(|applied| applied.path).collect()
}
