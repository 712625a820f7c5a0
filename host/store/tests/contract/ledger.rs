//! The ledger's constraints.

use futures_util::future::join_all;
use mandate_store::query::Page;
use mandate_store::{
    CommitError, Error, Except, LedgerClose, LedgerOpen, LedgerOpened, LedgerRow, LedgerState, LockChange, Origin, Store, Unit, Verdict,
};
use uuid::Uuid;

use crate::common::{Fixture, definition, end, external_task, job, start, started_with, step, subscription, task, unit};
use crate::jobs::reopened;

pub(crate) fn open(instance: Uuid, origin: Origin, key: &str) -> LedgerOpen {
    LedgerOpen {
        tenant: "acme".into(),
        command: "orders.reserve-line@1".into(),
        key: key.into(),
        generation: 1,
        entry_key: "entry".into(),
        request_digest: "request-1".into(),
        request: "{\"line\":1}".into(),
        instance,
        origin,
        worker: None,
        activity_id: "Reserve".into(),
        definition_id: "p:1:x".into(),
        at: Some(100),
        first: false,
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
        verdict: None,
        operations: Vec::new(),
    }
}

/// What a person says of an attempt.
pub(crate) fn verdict(open: &LedgerOpen, attempt: i64, state: LedgerState, by: &str) -> LedgerClose {
    let verdict = Verdict { by: by.into(), reason: "asked the service".into(), at: 300 };
    LedgerClose { reply: Some(format!("{{\"by\":\"{by}\"}}")), at: 300, verdict: Some(verdict), ..close(open, attempt, state) }
}

/// The last attempt under the key of a request.
pub(crate) async fn latest(store: &Store, open: &LedgerOpen) -> LedgerRow {
    store.ledger_latest(&open.tenant, &open.command, &open.key).await.expect("read").expect("there")
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

pub(crate) async fn a_unit_brings_what_its_commands_came_to(fixture: Fixture) {
    let (store, id) = with_job(&fixture).await;
    let [first, second, other, last] = ["first", "second", "other", "last"].map(|key| open(id, Origin::Job(1), key));
    for asked in [&first, &second, &other, &last] {
        assert_eq!(opened(&store, asked.clone()).await, 1);
    }
    let state = async |asked: &LedgerOpen| latest(&store, asked).await.state;
    let bringing = |revision, closes: Vec<LedgerClose>| Unit { closes, ..unit(step(id, revision)) };
    let applied = |asked: &LedgerOpen| close(asked, 1, LedgerState::Applied);
    let before = store.counters().commits;
    store.commit(bringing(1, vec![applied(&first), applied(&second)])).await.expect("stored");
    assert_eq!(store.counters().commits - before, 1, "it is one transaction");
    assert_eq!((state(&first).await, state(&second).await), (LedgerState::Applied, LedgerState::Applied));
    // Whether or not the unit is stored, if there is nothing wrong with it but the moment.
    let late = store.commit(bringing(1, vec![applied(&other)])).await.expect_err("too late");
    assert!(matches!(late, CommitError::Conflict) && late.is_closed(), "{late:?}");
    assert_eq!(state(&other).await, LedgerState::Applied);
    // Without it the unit is nothing; its neighbours are stored.
    store.ledger_close(close(&last, 1, LedgerState::Unknown)).await.expect("closed");
    store.ledger_close(verdict(&last, 1, LedgerState::Unavailable, "ann")).await.expect("said");
    let (neighbour, _) = started_with(&store, &definition(&store, "q").await, Vec::new()).await;
    let (refused, stored) = tokio::join!(
        store.commit(bringing(2, vec![applied(&first), applied(&last)])),
        store.commit(Unit { closes: vec![applied(&second)], ..unit(step(neighbour, 1)) }),
    );
    let refused = refused.expect_err("somebody has said otherwise");
    assert!(matches!(refused, CommitError::NotClosed) && !refused.is_closed(), "{refused:?}");
    stored.expect("what was written before is written");
    assert_eq!(store.load_instance(id).await.expect("read").expect("there").revision, 2);
    assert_eq!(state(&last).await, LedgerState::Unavailable);
    let spoilt = LedgerClose { reply: Some("\0".into()), ..applied(&last) };
    assert!(matches!(store.commit(bringing(2, vec![spoilt])).await, Err(CommitError::NotClosed)));
}

pub(crate) async fn an_attempt_needs_its_wait(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    let mut write = start(&process, id);
    write.put_jobs = vec![job(&process, 1, 5)];
    write.put_tasks = vec![task(&process, 2)];
    write.put_subscriptions = vec![subscription(&process, 3, "paid")];
    write.put_external_tasks = vec![external_task(&process, 4, "charge")];
    store.commit(unit(write)).await.expect("stored");
    for (origin, there) in [
        (Origin::Job(1), true),
        (Origin::Task(2), true),
        (Origin::Escalation { wait: 2, report: 1 }, true),
        (Origin::Subscription(3), true),
        (Origin::Job(2), false),
        (Origin::Task(3), false),
        (Origin::Escalation { wait: 3, report: 1 }, false),
        (Origin::Subscription(1), false),
    ] {
        let answer = store.ledger_open(open(id, origin, &format!("{origin:?}"))).await.expect("answered");
        assert_eq!(answer == LedgerOpened::Gone, !there, "{origin:?}: {answer:?}");
    }
    assert_eq!(store.ledger_open(open(Uuid::now_v7(), Origin::Job(1), "other")).await.expect("answered"), LedgerOpened::Gone);
    // An external task counts for the worker that has it.
    let asked = |worker: &str| LedgerOpen { worker: Some(worker.into()), ..open(id, Origin::ExternalTask(4), "done") };
    assert_eq!(store.ledger_open(asked("ann")).await.expect("answered"), LedgerOpened::Gone);
    assert_eq!(store.lock_external_task(id, 4, "ann", 100, 200).await.expect("locked"), LockChange::Changed);
    assert_eq!(store.ledger_open(asked("bob")).await.expect("answered"), LedgerOpened::Gone);
    assert_eq!(opened(&store, asked("ann")).await, 1);
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
    let late = LedgerClose { message: Some("found".into()), ..close(&asked, 1, LedgerState::Applied) };
    store.ledger_close(late).await.expect("reconciled");
    let row = latest(&store, &asked).await;
    assert_eq!((row.state, row.cancelled, row.message.as_deref()), (LedgerState::Applied, false, Some("found")));
    let refusal = store.ledger_close(close(&asked, 1, LedgerState::Open)).await;
    assert!(matches!(refusal, Err(Error::Refused(_))), "{refusal:?}");
}

pub(crate) async fn an_outcome_that_is_heard_after_its_wait_ended_is_marked(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    let mut write = start(&process, id);
    write.put_jobs = vec![job(&process, 1, 5), job(&process, 2, 5)];
    write.put_tasks = vec![task(&process, 3), task(&process, 4)];
    write.put_subscriptions = vec![subscription(&process, 5, "paid"), subscription(&process, 6, "paid")];
    store.commit(unit(write)).await.expect("stored");
    // Each kind of wait twice: the first goes on, the second is ended by another unit while the command is on its way.
    let sent: Vec<LedgerOpen> =
        [Origin::Job(1), Origin::Job(2), Origin::Task(3), Origin::Task(4), Origin::Subscription(5), Origin::Subscription(6)]
            .into_iter()
            .map(|origin| open(id, origin, &format!("{origin:?}")))
            .collect();
    for asked in &sent {
        opened(&store, asked.clone()).await;
    }
    // Of this one it is heard before, and again after the end.
    let twice = open(id, Origin::Job(2), "twice");
    opened(&store, twice.clone()).await;
    store.ledger_close(close(&twice, 1, LedgerState::Unknown)).await.expect("closed");
    let mut write = step(id, 1);
    (write.remove_jobs, write.remove_tasks, write.remove_subscriptions) = (vec![2], vec![4], vec![6]);
    store.commit(unit(write)).await.expect("stored");
    // All at once, so that they share a transaction.
    let closes = sent.iter().chain([&twice]).map(|asked| store.ledger_close(close(asked, 1, LedgerState::Applied)));
    for closed in join_all(closes).await {
        closed.expect("closed");
    }
    let mut marks = Vec::new();
    for asked in sent.iter().chain([&twice]) {
        marks.push(latest(&store, asked).await.cancelled);
    }
    assert_eq!(marks, [false, true, false, true, false, true, true]);
}

pub(crate) async fn a_verdict_decides_what_is_unknown_and_leaves_the_evidence(fixture: Fixture) {
    let (store, id) = with_job(&fixture).await;
    for (key, state) in [("applied", LedgerState::Applied), ("not", LedgerState::Unavailable)] {
        let asked = open(id, Origin::Job(1), key);
        opened(&store, asked.clone()).await;
        let refusal = store.ledger_close(verdict(&asked, 1, state, "ann")).await;
        assert!(matches!(&refusal, Err(Error::LedgerTransition { from, .. }) if from == "open"), "{refusal:?}");
        let unknown = LedgerClose { reply: None, message: Some("no answer".into()), ..close(&asked, 1, LedgerState::Unknown) };
        store.ledger_close(unknown).await.expect("closed");
        store.ledger_close(verdict(&asked, 1, state, "ann")).await.expect("given");
        let row = latest(&store, &asked).await;
        assert_eq!((row.state, row.reply.as_deref()), (state, Some("{\"by\":\"ann\"}")));
        assert_eq!((row.message.as_deref(), row.closed_at), (Some("no answer"), Some(200)), "what was known stays");
        assert_eq!(row.verdict, Some(Verdict { by: "ann".into(), reason: "asked the service".into(), at: 300 }));
        // The same words again are another person's, or come too late: they are not written, and not taken for written.
        for again in [verdict(&asked, 1, state, "ann"), close(&asked, 1, state)] {
            let refusal = store.ledger_close(again).await;
            assert!(matches!(&refusal, Err(Error::LedgerTransition { from, .. }) if *from == state.as_str()), "{refusal:?}");
        }
        assert_eq!(latest(&store, &asked).await, row);
    }
    // Not applied is as good as unavailable: the same request may go out again, under the same generation.
    assert_eq!(opened(&store, open(id, Origin::Job(1), "not")).await, 2);
    assert_eq!(refused(&store, open(id, Origin::Job(1), "applied")).await, (1, LedgerState::Applied));
}

pub(crate) async fn a_verdict_is_of_the_last_attempt_and_says_applied_or_not(fixture: Fixture) {
    let (store, id) = with_job(&fixture).await;
    let asked = open(id, Origin::Job(1), "k");
    for attempt in [1, 2] {
        assert_eq!(opened(&store, asked.clone()).await, attempt);
        store.ledger_close(close(&asked, attempt, LedgerState::Unknown)).await.expect("closed");
    }
    let refusal = store.ledger_close(verdict(&asked, 1, LedgerState::Applied, "ann")).await;
    assert!(matches!(&refusal, Err(Error::LedgerTransition { attempt: 1, .. })), "{refusal:?}");
    for state in [LedgerState::Unknown, LedgerState::Rejected] {
        let refusal = store.ledger_close(verdict(&asked, 2, state, "ann")).await;
        assert!(matches!(refusal, Err(Error::Refused(_))), "{refusal:?}");
    }
    store.ledger_close(verdict(&asked, 2, LedgerState::Applied, "ann")).await.expect("given");
}

pub(crate) async fn of_verdicts_and_late_outcomes_one_counts(fixture: Fixture) {
    let (store, id) = with_job(&fixture).await;
    one_counts(id, &[store.clone(), store]).await;
}

/// Two people and the sender decide the same attempt at once, again and again, each on one of these hosts.
pub(crate) async fn one_counts(id: Uuid, stores: &[Store; 2]) {
    for round in 0..20 {
        let asked = open(id, Origin::Job(1), &format!("k{round}"));
        opened(&stores[0], asked.clone()).await;
        stores[0].ledger_close(close(&asked, 1, LedgerState::Unknown)).await.expect("closed");
        let said = [
            verdict(&asked, 1, LedgerState::Applied, "ann"),
            verdict(&asked, 1, LedgerState::Unavailable, "bob"),
            verdict(&asked, 1, LedgerState::Applied, "eve"),
            close(&asked, 1, LedgerState::Applied),
        ];
        let decisions = said.iter().enumerate().map(|(n, close)| {
            let (store, close) = (stores[(n + round) % 2].clone(), close.clone());
            tokio::spawn(async move { store.ledger_close(close).await })
        });
        let mut won = Vec::new();
        for (answer, close) in join_all(decisions).await.into_iter().zip(&said) {
            match answer.expect("a task") {
                Ok(()) => won.push(close),
                Err(Error::LedgerTransition { .. }) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(won.len(), 1, "{won:?}");
        let row = latest(&stores[0], &asked).await;
        assert_eq!((row.state, &row.reply, &row.verdict), (won[0].state, &won[0].reply, &won[0].verdict));
    }
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
    store.ledger_close(close(&left_open, 1, LedgerState::Applied)).await.expect("closed");
    let marks = store.ledger_of_instance(id, Page::ALL).await.expect("read").into_iter().map(|row| row.cancelled).collect::<Vec<_>>();
    assert_eq!(marks, [false, false, false, true], "nobody took up what was heard after the end");
    assert_eq!(store.ledger_open(open(id, Origin::Job(1), "e")).await.expect("answered"), LedgerOpened::Gone);
    assert!(matches!(store.commit(unit(step(id, 2))).await, Err(mandate_store::CommitError::Gone)));
}

pub(crate) async fn who_has_not_looked_opens_the_first_attempt_only(fixture: Fixture) {
    let (store, id) = with_job(&fixture).await;
    let unseen = LedgerOpen { first: true, at: None, ..open(id, Origin::Job(1), "k") };
    assert_eq!(store.ledger_open(unseen.clone()).await.expect("answered"), LedgerOpened::Opened { attempt: 1 });
    let row = latest(&store, &unseen).await;
    assert!((row.opened_at - store.now().await.expect("read")).abs() < 60_000, "by the database's clock: {}", row.opened_at);
    // It may be sent again, but not by somebody who does not know what it came to.
    store.ledger_close(close(&unseen, 1, LedgerState::Unavailable)).await.expect("closed");
    let answered = store.ledger_open(unseen.clone()).await.expect("answered");
    assert!(matches!(answered, LedgerOpened::Exists(row) if row.state == LedgerState::Unavailable));
    let seen = LedgerOpen { first: false, ..unseen };
    assert_eq!(store.ledger_open(seen).await.expect("answered"), LedgerOpened::Opened { attempt: 2 });
}

/// They share transactions, and what is wrong with one is not told to another.
pub(crate) async fn of_many_attempts_at_once_each_is_told_its_own(fixture: Fixture) {
    let (store, id) = with_job(&fixture).await;
    let first = |origin, key: &str| LedgerOpen { first: true, ..open(id, origin, key) };
    let there = first(Origin::Job(1), "there");
    opened(&store, there.clone()).await;
    let good: Vec<LedgerOpen> = (0..40).map(|n| first(Origin::Job(1), &format!("good-{n}"))).collect();
    let mut asked = good.clone();
    asked.insert(7, first(Origin::Job(9), "gone"));
    asked.insert(21, there.clone());
    let answers = join_all(asked.iter().map(|open| store.ledger_open(open.clone()))).await;
    for (open, answer) in asked.iter().zip(answers) {
        match (open.key.as_str(), answer.expect("answered")) {
            ("gone", LedgerOpened::Gone) => {}
            ("there", LedgerOpened::Exists(row)) => assert_eq!((row.attempt, row.state), (1, LedgerState::Open)),
            (_, LedgerOpened::Opened { attempt: 1 }) => {}
            (key, answer) => panic!("{key}: {answer:?}"),
        }
    }
    assert_eq!(store.ledger_of_instance(id, Page::ALL).await.expect("read").len(), 41);

    store.ledger_close(close(&there, 1, LedgerState::Applied)).await.expect("closed");
    let mut closing: Vec<_> = good.iter().map(|open| close(open, 1, LedgerState::Applied)).collect();
    closing.insert(7, close(&there, 1, LedgerState::Applied));
    closing.insert(21, close(&first(Origin::Job(1), "never"), 1, LedgerState::Applied));
    let closed = join_all(closing.iter().map(|close| store.ledger_close(close.clone()))).await;
    for (close, closed) in closing.iter().zip(closed) {
        assert_eq!(closed.is_err(), close.key == "never", "{}: {closed:?}", close.key);
    }
    let rows = store.ledger_of_instance(id, Page::ALL).await.expect("read");
    assert!(rows.iter().all(|row| row.state == LedgerState::Applied), "{rows:?}");
}

pub(crate) async fn what_a_dead_host_had_under_way_is_unknown(fixture: Fixture) {
    let first = fixture.open().await;
    let process = definition(&first, "p").await;
    let (id, _) = started_with(&first, &process, vec![job(&process, 1, 5), job(&process, 2, 5)]).await;
    let (left, goes_on) = (open(id, Origin::Job(1), "left"), open(id, Origin::Job(2), "goes on"));
    for asked in [&left, &goes_on] {
        opened(&first, asked.clone()).await;
    }
    // Somebody ends one of the two waits, and it goes without closing either.
    let mut write = step(id, 1);
    write.remove_jobs = vec![1];
    first.commit(unit(write)).await.expect("stored");
    drop(first);
    let second = reopened(&fixture).await;
    if fixture.is_postgres() {
        fixture.raw("UPDATE host SET lease_until = 0 WHERE ended_at IS NULL AND started_at = (SELECT MIN(started_at) FROM host)").await;
        fixture.raw("UPDATE host SET steady_since = 0").await;
        assert_eq!(latest(&second, &left).await.state, LedgerState::Open, "its lease may be renewed");
        assert_eq!(second.take_over().await.expect("taken over").commands, 2);
    }
    let row = latest(&second, &left).await;
    assert_eq!((row.state, row.cancelled, row.closed_at.is_some()), (LedgerState::Unknown, true, true));
    let row = latest(&second, &goes_on).await;
    assert_eq!((row.state, row.cancelled), (LedgerState::Unknown, false), "whoever resumes its wait will ask");
    second.ledger_close(verdict(&left, 1, LedgerState::Applied, "ann")).await.expect("decided");
}

/// Of many entries that are handed in at once and written in one transaction, one cannot be written. To be run by one thread: then the
/// committer has all of them before it begins.
pub(crate) async fn an_entry_that_cannot_be_written_costs_its_neighbours_one_more_transaction(fixture: Fixture) {
    const MANY: usize = 40;
    let (store, id) = with_job(&fixture).await;
    let asked: Vec<_> = (0..MANY).map(|n| open(id, Origin::Job(if n == 7 { 9 } else { 1 }), &format!("k{n}"))).collect();
    let before = store.counters();
    let answers = join_all(asked.iter().map(|asked| store.ledger_open(asked.clone()))).await;
    for (n, answer) in answers.into_iter().enumerate() {
        let expected = if n == 7 { LedgerOpened::Gone } else { LedgerOpened::Opened { attempt: 1 } };
        assert_eq!(answer.expect("answered"), expected, "{n}");
    }
    let opened = store.counters();
    assert_eq!((opened.commits - before.commits, opened.units - before.units), (1, MANY as u64 - 1));
    let statements = opened.statements - before.statements;
    assert!(statements <= 10, "{statements} statements: the batch is given up, written once more, and of one it is asked why");
    for (n, asked) in asked.iter().enumerate() {
        let row = store.ledger_latest("acme", &asked.command, &asked.key).await.expect("read");
        assert_eq!(row.map(|row| (row.state, row.attempt)), (n != 7).then_some((LedgerState::Open, 1)), "{n}");
    }
    let answers = join_all(asked.iter().map(|asked| store.ledger_close(close(asked, 1, LedgerState::Applied)))).await;
    for (n, answer) in answers.iter().enumerate() {
        let is_missing = matches!(answer, Err(Error::LedgerTransition { from, .. }) if from == "missing");
        assert!(if n == 7 { is_missing } else { answer.is_ok() }, "{n}: {answer:?}");
    }
    let closed = store.counters();
    assert_eq!(closed.commits - opened.commits, 1);
    let statements = closed.statements - opened.statements;
    assert!(statements <= 8, "{statements} statements");
    for (n, asked) in asked.iter().enumerate().filter(|(n, _)| *n != 7) {
        assert_eq!(latest(&store, asked).await.state, LedgerState::Applied, "{n}");
    }
}
