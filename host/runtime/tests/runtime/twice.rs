//! Two requests that complete one task, or one external task, at the same moment, while a command of the unit that follows is under way.

use std::time::Duration;

use mandate_runtime::engine::{PublicId, Rejection, Variables};
use mandate_runtime::query::Page;
use mandate_runtime::{Error, Runtime};
use serde_json::json;

use crate::common::{Host, Setup, commands, postgres, process};
use crate::external;

/// `task`, then a delegate that sends one command, then another one in the same unit of work.
fn model(task: &str) -> Vec<u8> {
    process(&format!(
        r#"<bpmn:startEvent id="s"/>{task}<bpmn:serviceTask id="w1" camunda:class="worker"/><bpmn:serviceTask id="w2" camunda:class="worker"/>
      <bpmn:endEvent id="e"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="t"/><bpmn:sequenceFlow id="f2" sourceRef="t" targetRef="w1"/>
      <bpmn:sequenceFlow id="f3" sourceRef="w1" targetRef="w2"/><bpmn:sequenceFlow id="f4" sourceRef="w2" targetRef="e"/>"#
    ))
}

/// Completes the task with both at once, and lets the first command go when it has arrived.
async fn at_once(
    host: &Host,
    first: impl Future<Output = Result<(), Error>>,
    second: impl Future<Output = Result<(), Error>>,
) -> [Result<(), Error>; 2] {
    let let_go = async {
        host.until("the first command is on its way", || async { host.domain.held() >= 1 }).await;
        host.domain.let_go(1);
    };
    let (first, second, ()) = tokio::join!(first, second, let_go);
    [first, second]
}

/// One of them has completed it, and the other is told that it is over; each command was sent once, and none is open.
async fn one_has_won(host: &Host, task: PublicId, answers: [Result<(), Error>; 2]) {
    let won = answers.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(won, 1, "{answers:?}");
    for answer in &answers {
        let is_told = matches!(
            answer,
            Ok(()) | Err(Error::NotFound { .. } | Error::Cancelled(_) | Error::Rejected(Rejection::NoSuchWait { .. } | Rejection::Ended))
        );
        assert!(is_told, "{answers:?}");
    }
    host.ended(task.instance).await;
    assert_eq!(host.domain.calls().into_values().collect::<Vec<_>>(), [1, 1], "each was sent once");
    let ledger = host.runtime.reads().ledger_of_instance(task.instance.0, Page::ALL).await.expect("read");
    let states: Vec<_> = ledger.iter().map(|row| (row.attempt, row.state.as_str())).collect();
    assert_eq!(states, [(1, "applied"), (1, "applied")]);
    let report = host.runtime.check_store().await.expect("it can be checked");
    assert_eq!(report.findings, [] as [String; 0]);
}

/// Hosts on both databases, each with whoever the second request comes to: itself and, where there can be one, another host.
async fn each(test: impl AsyncFn(&Host, &Runtime)) {
    let host = Host::start().await;
    test(&host, &host.runtime).await;
    for beside in [false, true] {
        let host = Host::start_with(Setup { database: Some(postgres()), ..Setup::default() }).await;
        if beside {
            let other = host.beside(Setup::default()).await;
            test(&host, &other).await;
            other.shut_down(Duration::from_secs(5)).await;
        } else {
            test(&host, &host.runtime).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_completions_of_a_task_one_wins_and_nothing_is_sent_twice() {
    each(async |host, other| {
        host.deploy(model(r#"<bpmn:userTask id="t"/>"#)).await;
        let script = commands(&[("w1", "test.held@1"), ("w2", "test.ok@1")]);
        let id = host.start_instance(json!({ "script": script })).await.expect("it starts").id;
        let view = host.runtime.instance(id).await.expect("it lives");
        let task = PublicId { instance: id, number: view.instance.tasks().next().expect("the person's task").wait.0 };
        let complete = async |runtime: &Runtime| runtime.complete_task(task, Variables::new()).await.map(drop);
        let answers = at_once(host, complete(&host.runtime), complete(other)).await;
        one_has_won(host, task, answers).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_completions_of_an_external_task_one_wins_and_nothing_is_sent_twice() {
    each(async |host, other| {
        host.deploy(model(r#"<bpmn:serviceTask id="t" camunda:type="external" camunda:topic="charge"/>"#)).await;
        let script = commands(&[("w1", "test.held@1"), ("w2", "test.ok@1")]);
        host.start_instance(json!({ "script": script })).await.expect("it starts");
        let task = external::id(&external::fetch(&host.runtime, "ann", 60_000, Duration::ZERO).await[0]);
        let complete =
            async |runtime: &Runtime| runtime.complete_external_task(task, "ann".into(), Variables::new(), Variables::new()).await;
        let answers = at_once(host, complete(&host.runtime), complete(other)).await;
        one_has_won(host, task, answers).await;
    })
    .await;
}
