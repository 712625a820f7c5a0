//! What a command came to is stored with its unit of work; by itself where the unit goes on for long.

use mandate_runtime::engine::{InstanceId, PublicId, Variables};
use mandate_runtime::query::{IncidentFilter, Page};
use serde_json::json;

use crate::common::{self, Host, commands, detail, process};

/// On a busy machine an outcome may be written by itself before its delegate returns: of so many units some are quicker.
const UNITS: usize = 30;

const MANIFEST: &str = r#"
[delegates.worker]
file = "test_scripted.wasm"
version = "1.0.0"
commands = ["test.ok@1"]

[delegates.worker.limits]
cpu = "60s"
wall = "60s"
"#;

/// A person's task, and a delegate behind it.
const AFTER_A_TASK: &str = r#"<bpmn:startEvent id="s"/><bpmn:userTask id="u"/><bpmn:serviceTask id="w" camunda:class="worker"/>
    <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="u"/><bpmn:sequenceFlow id="f2" sourceRef="u" targetRef="w"/>"#;

async fn on_both(elements: &str, test: impl AsyncFn(Host)) {
    common::on_both(async |host| {
        host.deploy_with(process(elements), MANIFEST).await;
        test(host).await;
    })
    .await;
}

async fn states(host: &Host, id: InstanceId) -> Vec<&'static str> {
    let rows = host.runtime.reads().ledger_of_instance(id.0, Page::ALL).await.expect("read");
    rows.into_iter().map(|row| row.state.as_str()).collect()
}

async fn task(host: &Host, id: InstanceId) -> PublicId {
    let view = host.runtime.instance(id).await.expect("it lives");
    PublicId { instance: id, number: view.instance.tasks().next().expect("a person's task").wait.0 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unit_is_one_transaction_more_than_it_has_commands() {
    on_both(AFTER_A_TASK, async |host| {
        for count in [1, 2, 5] {
            let commands: Vec<_> = (0..count).map(|number| json!({ "name": "test.ok@1", "body": { "number": number } })).collect();
            let mut least = u64::MAX;
            for _ in 0..UNITS {
                let id = host.start_instance(json!({ "script": { "w": { "commands": commands } } })).await.expect("it starts").id;
                let task = task(&host, id).await;
                let before = host.runtime.counters().commits;
                host.runtime.complete_task(task, Variables::new()).await.expect("completed");
                least = least.min(host.runtime.counters().commits - before);
                assert_eq!(states(&host, id).await, vec!["applied"; commands.len()]);
            }
            assert_eq!(least, count + 1, "each attempt before it leaves, with what the one before came to; the last with the unit");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_came_to_does_not_wait_for_a_delegate_that_goes_on() {
    on_both(AFTER_A_TASK, async |host| {
        let mut script = commands(&[("w", "test.ok@1")]);
        script["w"]["spin"] = json!(true);
        let id = host.start_instance(json!({ "script": script })).await.expect("it starts").id;
        let task = task(&host, id).await;
        let runtime = host.runtime.clone();
        let completing = tokio::spawn(async move { runtime.complete_task(task, Variables::new()).await });
        host.until("the ledger has it", || async { states(&host, id).await == ["applied"] }).await;
        assert!(!completing.is_finished(), "its delegate goes on");
        host.runtime.delete_instance(id, None, false).await.expect("deleted");
        completing.await.expect("no panic").expect_err("its task is gone");
        assert_eq!(states(&host, id).await, ["applied"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_of_the_same_unit_has_what_its_command_came_to() {
    let elements = r#"<bpmn:startEvent id="s"/><bpmn:userTask id="u"/><bpmn:serviceTask id="w" camunda:class="worker"/>
        <bpmn:userTask id="two" startQuantity="2"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="u"/>
        <bpmn:sequenceFlow id="f2" sourceRef="u" targetRef="w"/><bpmn:sequenceFlow id="f3" sourceRef="w" targetRef="two"/>"#;
    on_both(elements, async |host| {
        let id = host.start_instance(json!({ "script": commands(&[("w", "test.ok@1")]) })).await.expect("it starts").id;
        host.runtime.complete_task(task(&host, id).await, Variables::new()).await.expect("completed");
        let incidents = host.runtime.reads().incidents(IncidentFilter::default(), Page::ALL, &[]).await.expect("read");
        let detail = detail(&host.runtime, &incidents[0]).await;
        assert_eq!((&detail["code"], &detail["commandsApplied"][0]["command"]), (&json!("JOIN_CANNOT_COMPLETE"), &json!("test.ok@1")));
        assert_eq!(detail["commandsUnknown"], json!([]));
    })
    .await;
}
