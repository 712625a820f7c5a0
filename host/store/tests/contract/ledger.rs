//! The ledger's constraints.

use futures_util::future::join_all;
use mandate_store::query::Page;
use mandate_store::{Error, Except, LedgerClose, LedgerOpen, LedgerOpened, LedgerState, Origin, Store};
use uuid::Uuid;

use crate::common::{Fixture, definition, end, job, start, started_with, step, subscription, task, unit};

pub(crate) fn open(instance: Uuid, origin: Origin, key: &str) -> LedgerOpen {
    LedgerOpen {
        tenant: "acme".into(),
        command: "orders.reserve-line@1".into(),
        key: key.into(),
        generation: 1,
        activity_key: "entry".into(),
        request_digest: "request-1".into(),
        request: "{\"line\":1}".into(),
        instance,
        origin,
        activity_id: "Reserve".into(),
        definition_id: "p:1:x".into(),
        at: 100,
    }
}

pub(crate) fn close(open: &LedgerOpen, attempt: i64, state: LedgerState) -> LedgerClose {
    LedgerClose {
        tenant: open.tenant.clone(),
        command: open.command.clone(),
        key: open.key.clone(),
        attempt,
        state,
        reply: Some("{\"ok\":true}".into()),
        code: None,
        message: None,
        at: 200,
        cancelled: false,
    }
}

async fn with_job(fixture: &Fixture) -> (Store, Uuid) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let (id, _) = started_with(&store, &process, vec![job(&process, 1, 5)]).await;
    (store, id)
}

async fn opened(store: &Store, open: LedgerOpen) -> i64 {
    match store.ledger_open(open).await.expect("written") {
        LedgerOpened::Opened { attempt } => attempt,
        other => panic!("{other:?}"),
    }
}

async fn refused(store: &Store, open: LedgerOpen) -> (i64, LedgerState) {
    match store.ledger_open(open).await.expect("read") {
        LedgerOpened::Exists(row) => (row.attempt, row.state),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn an_attempt_is_opened_once_and_closed_once(fixture: Fixture) {
    let (store, id) = with_job(&fixture).await;
    let asked = open(id, Origin::Job(1), "k");
    assert_eq!(store.ledger_latest("acme", &asked.command, "k").await.expect("read"), None);
    assert_eq!(opened(&store, asked.clone()).await, 1);
    let row = store.ledger_latest("acme", &asked.command, "k").await.expect("read").expect("there");
    assert_eq!((row.state, row.attempt, row.generation), (LedgerState::Open, 1, 1));
    assert_eq!((row.host, row.epoch, row.origin), (store.host().id, store.host().epoch, Origin::Job(1)));
    assert!(store.ledger_holder_alive(row.host, row.epoch).await.expect("read"));
    store.ledger_close(close(&asked, 1, LedgerState::Applied)).await.expect("closed");
    store.ledger_close(close(&asked, 1, LedgerState::Applied)).await.expect("the same again is nothing");
    let row = store.ledger_latest("acme", &asked.command, "k").await.expect("read").expect("there");
    assert_eq!((row.state, row.reply.as_deref(), row.closed_at), (LedgerState::Applied, Some("{\"ok\":true}"), Some(200)));
    match store.ledger_close(close(&asked, 1, LedgerState::Unknown)).await {
        Err(Error::LedgerTransition { from, to, .. }) => assert_eq!((from.as_str(), to.as_str()), ("applied", "unknown")),
        other => panic!("{other:?}"),
    }
    match store.ledger_close(close(&asked, 2, LedgerState::Applied)).await {
        Err(Error::LedgerTransition { from, .. }) => assert_eq!(from, "missing"),
        other => panic!("{other:?}"),
    }
    assert_eq!(refused(&store, asked).await, (1, LedgerState::Applied));
}

pub(crate) async fn an_attempt_needs_its_wait(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    let mut write = start(&process, id);
    write.put_jobs = vec![job(&process, 1, 5)];
    write.put_tasks = vec![task(&process, 2)];
    write.put_subscriptions = vec![subscription(&process, 3, "paid")];
    store.commit(unit(write)).await.expect("stored");
    for (origin, there) in [
        (Origin::Job(1), true),
        (Origin::Task(2), true),
        (Origin::Subscription(3), true),
        (Origin::Job(2), false),
        (Origin::Task(3), false),
        (Origin::Subscription(1), false),
    ] {
        let answer = store.ledger_open(open(id, origin, &format!("{origin:?}"))).await.expect("answered");
        assert_eq!(answer == LedgerOpened::Gone, !there, "{origin:?}: {answer:?}");
    }
    assert_eq!(store.ledger_open(open(Uuid::now_v7(), Origin::Job(1), "other")).await.expect("answered"), LedgerOpened::Gone);
    // A job of this host's own is as good as an unlocked one.
    assert_eq!(store.claim(100, 10, &Except::NOTHING).await.expect("claimed").len(), 1);
    assert_eq!(opened(&store, open(id, Origin::Job(1), "claimed")).await, 1);
}

pub(crate) async fn one_attempt_per_key_is_open_at_a_time(fixture: Fixture) {
    let (store, id) = with_job(&fixture).await;
    let asked = open(id, Origin::Job(1), "k");
    let answers = join_all((0..20).map(|_| {
        let (store, asked) = (store.clone(), asked.clone());
        tokio::spawn(async move { store.ledger_open(asked).await.expect("answered") })
    }))
    .await;
    let won = answers.iter().filter(|answer| matches!(answer, Ok(LedgerOpened::Opened { attempt: 1 }))).count();
    let lost = answers.iter().filter(|answer| matches!(answer, Ok(LedgerOpened::Exists(row)) if row.state == LedgerState::Open)).count();
    assert_eq!((won, lost), (1, 19));
    // The key is the command's and the tenant's own.
    assert_eq!(opened(&store, LedgerOpen { tenant: String::new(), ..asked.clone() }).await, 1);
    assert_eq!(opened(&store, LedgerOpen { command: "orders.release-line@1".into(), ..asked }).await, 1);
}

pub(crate) async fn another_request_is_another_generation(fixture: Fixture) {
    let (store, id) = with_job(&fixture).await;
    let asked = open(id, Origin::Job(1), "k");
    opened(&store, asked.clone()).await;
    store.ledger_close(close(&asked, 1, LedgerState::Unavailable)).await.expect("closed");
    let other = LedgerOpen { request_digest: "request-2".into(), ..asked.clone() };
    assert_eq!(refused(&store, other.clone()).await, (1, LedgerState::Unavailable), "another request under the same generation");
    assert_eq!(opened(&store, asked.clone()).await, 2, "the same request again");
    store.ledger_close(close(&asked, 2, LedgerState::Rejected)).await.expect("closed");
    assert_eq!(refused(&store, asked.clone()).await, (2, LedgerState::Rejected));
    assert_eq!(opened(&store, LedgerOpen { generation: 2, ..other }).await, 3);
    let row = store.ledger_latest("acme", &asked.command, "k").await.expect("read").expect("there");
    assert_eq!((row.attempt, row.generation, row.request_digest.as_str()), (3, 2, "request-2"));
}

pub(crate) async fn an_unknown_outcome_is_reconciled(fixture: Fixture) {
    let (store, id) = with_job(&fixture).await;
    let asked = open(id, Origin::Job(1), "k");
    opened(&store, asked.clone()).await;
    store.ledger_close(close(&asked, 1, LedgerState::Unknown)).await.expect("closed");
    store.ledger_close(close(&asked, 1, LedgerState::Unknown)).await.expect("the same again is nothing");
    let late = LedgerClose { cancelled: true, message: Some("found".into()), ..close(&asked, 1, LedgerState::Applied) };
    store.ledger_close(late).await.expect("reconciled");
    let row = store.ledger_latest("acme", &asked.command, "k").await.expect("read").expect("there");
    assert_eq!((row.state, row.cancelled, row.message.as_deref()), (LedgerState::Applied, true, Some("found")));
    let refusal = store.ledger_close(close(&asked, 1, LedgerState::Open)).await;
    assert!(matches!(refusal, Err(Error::Refused(_))), "{refusal:?}");
}

pub(crate) async fn the_ledger_outlives_its_instance(fixture: Fixture) {
    let (store, id) = with_job(&fixture).await;
    for key in ["a", "b", "c"] {
        let asked = open(id, Origin::Job(1), key);
        opened(&store, asked.clone()).await;
        store.ledger_close(close(&asked, 1, LedgerState::Applied)).await.expect("closed");
    }
    let left_open = open(id, Origin::Job(1), "d");
    opened(&store, left_open.clone()).await;
    store.commit(unit(end(id, 1))).await.expect("ended");
    let keys = |rows: Vec<mandate_store::LedgerRow>| rows.into_iter().map(|row| row.key).collect::<Vec<_>>();
    assert_eq!(keys(store.ledger_of_instance(id, Page::ALL).await.expect("read")), ["a", "b", "c", "d"]);
    assert_eq!(keys(store.ledger_of_instance(id, Page { first: 1, max: 2 }).await.expect("read")), ["b", "c"]);
    // What was on its way when the instance ended is recorded all the same.
    store.ledger_close(LedgerClose { cancelled: true, ..close(&left_open, 1, LedgerState::Applied) }).await.expect("closed");
    let counts = store.ledger_counts().await.expect("read");
    assert_eq!(counts.len(), 1);
    assert_eq!((counts[0].state.as_str(), counts[0].attempts), ("applied", 4));
    assert_eq!(store.ledger_open(open(id, Origin::Job(1), "e")).await.expect("answered"), LedgerOpened::Gone);
    assert!(matches!(store.commit(unit(step(id, 2))).await, Err(mandate_store::CommitError::Gone)));
}
