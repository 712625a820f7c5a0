//! What nobody can find out is said by a person: applied answers, not applied is sent again, and nothing is decided twice.

use crate::common::{Host, Setup, postgres, process};
use mandate_runtime::engine::InstanceId;
use mandate_runtime::query::Page;
use mandate_runtime::{Error, Finding, LedgerState, Verdict};
use mandate_store::{LedgerClose, LedgerOpen, LedgerOpened, LedgerRow, Store};
use serde_json::json;

/// start → a → b → end; `a` is a job of its own that is tried once, `b` waits for a person.
const PAIR: &str = r#"
  <bpmn:startEvent id="s"/>
  <bpmn:serviceTask id="a" camunda:class="worker" camunda:asyncBefore="true">
    <bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R1/PT0.05S</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
  </bpmn:serviceTask>
  <bpmn:userTask id="b"/>
  <bpmn:endEvent id="e"/>
  <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="a"/>
  <bpmn:sequenceFlow id="f2" sourceRef="a" targetRef="b"/>
  <bpmn:sequenceFlow id="f3" sourceRef="b" targetRef="e"/>"#;

/// An instance whose only command was sent and not heard of, and the row of it.
async fn parked(host: &Host, command: &str) -> (InstanceId, LedgerRow) {
    host.deploy(process(PAIR)).await;
    let script = json!({ "a": { "commands": [{ "name": command, "body": { "n": 1 }, "into": "reply" }] } });
    let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
    assert_eq!(host.incident(started.id).await, "COMMAND_OUTCOME_UNKNOWN");
    let [row] = &ledger(host, started.id).await[..] else { panic!("one attempt") };
    assert_eq!(row.state, LedgerState::Unknown);
    (started.id, row.clone())
}

async fn ledger(host: &Host, id: InstanceId) -> Vec<LedgerRow> {
    host.runtime.reads().ledger_of_instance(id.0, Page::ALL).await.expect("read")
}

fn verdict(row: &LedgerRow, finding: Finding) -> Verdict {
    Verdict {
        tenant: None,
        command: row.command.clone(),
        key: row.key.clone(),
        attempt: row.attempt,
        finding,
        by: "ann".into(),
        reason: "asked the service".into(),
    }
}

fn conflict(refusal: Result<(), Error>) -> String {
    match refusal {
        Err(Error::Conflict(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_says_was_applied_answers_the_retry_and_is_not_sent_again() {
    let host = Host::start().await;
    let (id, row) = parked(&host, "test.dark@1").await;
    let applied = Finding::Applied { reply: Some(json!({ "by": "hand" })) };
    host.runtime.give_verdict(verdict(&row, applied.clone())).await.expect("given");
    for again in [applied, Finding::NotApplied] {
        let refusal = conflict(host.runtime.give_verdict(verdict(&row, again)).await);
        assert!(refusal.ends_with("is applied by the verdict of ann"), "{refusal}");
    }
    host.retry(id, 1).await;
    host.until("it goes on", || async { host.runtime.instance(id).await.is_ok_and(|view| view.instance.tasks().next().is_some()) }).await;
    let view = host.runtime.instance(id).await.expect("it lives");
    assert_eq!(view.instance.variables(view.instance.root()).expect("its variables")["reply"].to_json(), json!({ "by": "hand" }));
    assert_eq!(host.domain.calls().into_values().collect::<Vec<_>>(), [1], "it was sent once");
    let [decided] = &ledger(&host, id).await[..] else { panic!("one attempt") };
    assert_eq!((decided.state, &decided.message, decided.closed_at), (LedgerState::Applied, &row.message, row.closed_at));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_says_was_not_applied_is_sent_once_more_under_the_same_key() {
    let host = Host::start().await;
    let (id, row) = parked(&host, "test.cut@1").await;
    assert_eq!(host.domain.applied(), []);
    // It counts from the moment at which the attempt can no longer arrive.
    let refusal = conflict(host.runtime.give_verdict(verdict(&row, Finding::NotApplied)).await);
    assert!(refusal.contains("may still arrive"), "{refusal}");
    host.until("it cannot arrive any more", || async { host.runtime.give_verdict(verdict(&row, Finding::NotApplied)).await.is_ok() }).await;
    assert_eq!(ledger(&host, id).await[0].state, LedgerState::Unavailable);
    host.retry(id, 1).await;
    host.until("it goes on", || async { host.runtime.instance(id).await.is_ok_and(|view| view.instance.tasks().next().is_some()) }).await;
    assert_eq!(host.domain.calls().into_iter().collect::<Vec<_>>(), [(row.key.clone(), 2)]);
    assert_eq!(host.domain.applied().len(), 1);
    let states = ledger(&host, id).await.into_iter().map(|row| (row.attempt, row.generation, row.state)).collect::<Vec<_>>();
    assert_eq!(states, [(1, 1, LedgerState::Unavailable), (2, 1, LedgerState::Applied)]);
    // The first attempt is no longer the one that counts.
    let refusal = conflict(host.runtime.give_verdict(verdict(&row, Finding::Applied { reply: None })).await);
    assert!(refusal.contains("followed by attempt 2"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_is_open_is_decided_when_its_host_is_gone_and_not_before() {
    let host = Host::start().await;
    let (id, row) = parked(&host, "test.dark@1").await;
    // Another host opened an attempt of the same wait, and left it so.
    host.runtime.shut_down(std::time::Duration::from_secs(5)).await;
    let url = format!("sqlite:{}", host.dir.path().join("mandate.db").display());
    let store = Store::open(mandate_store::Config::new(url)).await.expect("the store opens");
    let left = LedgerOpen {
        tenant: String::new(),
        command: row.command.clone(),
        key: "left-open".into(),
        generation: 1,
        entry_key: row.entry_key.clone(),
        request_digest: row.request_digest.clone(),
        request: row.request.clone(),
        instance: row.instance,
        origin: row.origin,
        worker: None,
        activity_id: row.activity_id.clone(),
        definition_id: row.definition_id.clone(),
        at: Some(row.opened_at),
        first: false,
    };
    assert_eq!(store.ledger_open(left).await.expect("opened"), LedgerOpened::Opened { attempt: 1 });
    store.close().await;
    let host = host.restart().await;
    let open = LedgerRow { key: "left-open".into(), ..row };
    host.runtime.give_verdict(verdict(&open, Finding::Applied { reply: None })).await.expect("given");
    let rows = ledger(&host, id).await;
    let decided = rows.iter().find(|row| row.key == "left-open").expect("it is there");
    assert_eq!(decided.state, LedgerState::Applied);
    assert!(decided.message.as_ref().is_some_and(|message| message.contains("died")), "{decided:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_whose_answer_is_awaited_is_not_decided_by_a_person() {
    let host = Host::start().await;
    host.deploy(process(PAIR)).await;
    let script = json!({ "a": { "commands": [{ "name": "test.slow@1", "body": {} }] } });
    let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
    host.until("it is sent", || async { !ledger(&host, started.id).await.is_empty() }).await;
    let row = ledger(&host, started.id).await.remove(0);
    conflict(host.runtime.give_verdict(verdict(&row, Finding::Applied { reply: None })).await);
    host.until("it goes on", || async { ledger(&host, started.id).await[0].state == LedgerState::Applied }).await;
    assert_eq!(ledger(&host, started.id).await[0].verdict, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_more_is_sent_behind_an_outcome_that_was_recorded_otherwise() {
    let url = postgres();
    let host = Host::start_with(Setup { database: Some(url.clone()), ..Setup::default() }).await;
    host.deploy(process(PAIR)).await;
    let script = json!({ "a": { "commands": [{ "name": "test.held@1", "body": {} }, { "name": "test.ok@1", "body": {} }] } });
    let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
    host.until("it is sent", || async { host.domain.held() == 1 }).await;
    let held = ledger(&host, started.id).await.remove(0);
    // Somebody takes this host for gone, and is wrong about what became of the command.
    let store = Store::open(mandate_store::Config::new(url)).await.expect("the store opens");
    let said = |state, verdict| LedgerClose {
        tenant: String::new(),
        command: held.command.clone(),
        key: held.key.clone(),
        attempt: held.attempt,
        state,
        reply: None,
        code: None,
        message: None,
        at: held.opened_at,
        verdict,
        operations: Vec::new(),
    };
    store.ledger_close(said(LedgerState::Unknown, None)).await.expect("recorded");
    let wrong = mandate_store::Verdict { by: "ann".into(), reason: "it looked so".into(), at: held.opened_at };
    store.ledger_close(said(LedgerState::Unavailable, Some(wrong))).await.expect("recorded");
    host.domain.let_go(1);
    assert_eq!(host.incident(started.id).await, "COMMAND_OUTCOME_UNKNOWN");
    assert!(host.domain.calls().into_keys().eq([held.key.clone()]), "the second command has not left");
    let states = ledger(&host, started.id).await.into_iter().map(|row| (row.command, row.state)).collect::<Vec<_>>();
    assert_eq!(states, [("test.held@1".to_owned(), LedgerState::Unavailable), ("test.ok@1".to_owned(), LedgerState::Unavailable)]);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_names_its_author_its_reason_and_an_attempt_that_there_is() {
    let host = Host::start().await;
    let (_, row) = parked(&host, "test.dark@1").await;
    let good = || verdict(&row, Finding::Applied { reply: None });
    for nameless in
        [Verdict { by: " ".into(), ..good() }, Verdict { reason: String::new(), ..good() }, Verdict { by: "\0".into(), ..good() }]
    {
        let refusal = host.runtime.give_verdict(nameless).await;
        assert!(matches!(refusal, Err(Error::Invalid(_))), "{refusal:?}");
    }
    for absent in [
        Verdict { attempt: 2, ..good() },
        Verdict { attempt: 0, ..good() },
        Verdict { key: "other".into(), ..good() },
        Verdict { tenant: Some("acme".into()), ..good() },
    ] {
        let refusal = host.runtime.give_verdict(absent).await;
        assert!(matches!(refusal, Err(Error::NotFound { .. })), "{refusal:?}");
    }
}
