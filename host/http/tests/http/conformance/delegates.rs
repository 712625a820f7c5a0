//! Tasks that take their time or go wrong, which no expression can: a delegate does them, and a command is held as long as the test wants.

use std::time::Duration;

use mandate_tests::domain::Domain;
use mandate_tests::program::root;
use serde_json::{Value, json};

use super::written;
use crate::common::Host;

const MANIFEST: &str = "[delegates.worker]\nfile = \"test_scripted.wasm\"\ncommands = [\"test.held@1\"]\n";

/// The suite's models that are run here, once each.
pub(super) const SUITE: &[&str] =
    &["ParallelGateway_TrueParallelism", "Timer_BoundaryEvent_SubProcess_Interrupting_Activity", "WCP19_CancelTask"];

/// A host with a domain service, on which this process has been started; each task does what the script says.
async fn started(domain: &Domain, beside: &str, process: &str, script: Value) -> Host {
    let host = Host::open_executing_before(domain).await;
    let guest = root().join("delegates/target/wasm32-wasip2/release/test_scripted.wasm");
    let guest = std::fs::read(&guest).unwrap_or_else(|error| panic!("{}: {error}; run `make guests`", guest.display()));
    let model = written(beside, process);
    let files: [(&str, &[u8]); 3] = [("p.bpmn", model.as_bytes()), ("mandate.toml", MANIFEST.as_bytes()), ("test_scripted.wasm", &guest)];
    host.upload("/engine-rest/deployment/create", &[("deployment-name", "d")], &files).await.ok();
    host.start("p", json!({"variables": {"script": {"type": "Json", "value": script.to_string()}}})).await;
    host
}

fn held() -> Value {
    json!({"commands": [{"name": "test.held@1", "body": {}}]})
}

/// Waits until so many commands are on their way at once.
async fn wait_until_held(domain: &Domain, commands: u32) {
    let waiting = async {
        while domain.held() != commands {
            tokio::task::yield_now().await;
        }
    };
    let held = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert!(held.is_ok(), "{} of {commands} commands are on their way", domain.held());
}

/// `ParallelGateway_TrueParallelism`: two tasks between a fork and a join are done at the same time.
#[tokio::test]
async fn two_tasks_are_done_at_once() {
    let domain = Domain::start().expect("a free port");
    let task = |id: &str| format!("<serviceTask id='{id}' camunda:class='worker' camunda:asyncBefore='true' camunda:exclusive='false'/>");
    let process =
        format!("<parallelGateway id='g'/><parallelGateway id='j'/>{}{}{{s>g}}{{g>t1>j}}{{g>t2>j}}{{j>t3>e}}", task("t1"), task("t2"));
    let host = started(&domain, "", &process, json!({"t1": held(), "t2": held()})).await;
    wait_until_held(&domain, 2).await;
    domain.let_go(2);
    host.wait_for_count("/engine-rest/history/activity-instance/count?activityId=t3&finished=true", 1).await;
    host.close().await;
}

/// `Timer_BoundaryEvent_SubProcess_Interrupting_Activity`: a timer on the sub-process ends a task inside that takes longer. The timer's job
/// is exclusive, so the task's is not, or the one would wait for the other, as in Camunda 7.
#[tokio::test]
async fn timer_ends_a_task_that_is_being_done() {
    let domain = Domain::start().expect("a free port");
    let process = "<subProcess id='p1'><serviceTask id='w' camunda:class='worker' camunda:asyncBefore='true' camunda:exclusive='false'/>{s1>w>t1>e1}</subProcess>\
                   <boundaryEvent id='b' attachedToRef='p1'><timerEventDefinition><timeDuration>PT1S</timeDuration></timerEventDefinition>\
                   </boundaryEvent>{s>p1>e}{b>t2>e2}";
    let host = started(&domain, "", process, json!({"w": held()})).await;
    wait_until_held(&domain, 1).await;
    host.wait_for_count("/engine-rest/history/activity-instance/count?activityId=t2&finished=true", 1).await;
    assert_eq!(domain.held(), 1, "the task is being done still");
    domain.let_go(1);
    assert_eq!(host.count("/engine-rest/history/activity-instance/count?activityId=t1").await, 0);
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 0);
    host.close().await;
}

/// `WCP19_CancelTask`: an error ends the task that throws it.
#[tokio::test]
async fn error_ends_the_task_that_throws_it() {
    let domain = Domain::start().expect("a free port");
    let process = "<serviceTask id='w' camunda:class='worker'/><boundaryEvent id='b' attachedToRef='w'><errorEventDefinition errorRef='err'/>\
                   </boundaryEvent>{s>w>t1>e}{b>t2>e2}";
    let host = started(&domain, "<error id='err' name='err' errorCode='E'/>", process, json!({"w": {"error": "E"}})).await;
    host.wait_for_count("/engine-rest/history/activity-instance/count?activityId=t2&finished=true", 1).await;
    assert_eq!(host.count("/engine-rest/history/activity-instance/count?activityId=t1").await, 0);
    host.close().await;
}
