//! In which order rows are locked beside the committer, and what becomes of a transaction that PostgreSQL undoes for another one's sake,
//! and of units that wait for a lock in vain.

use std::time::Duration;

use futures_util::future::join_all;
use mandate_store::{
    CalledBy, CommitError, Committed, DeploymentDeletion, Except, Expect, InstanceHead, InstanceWrite, JobDefinitionChange,
    JobDefinitionName, Store, Unit,
};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use uuid::Uuid;

use crate::common::{Fixture, definition, head, job, live, start, step, unit};
use crate::running::begin;

/// Somebody else's transaction.
struct Other {
    session: PgConnection,
    watching: PgConnection,
}

impl Other {
    async fn begin(fixture: &Fixture) -> Self {
        let mut session = PgConnection::connect(&fixture.url).await.expect("a connection");
        sqlx::raw_sql("BEGIN").execute(&mut session).await.expect("begun");
        Self { session, watching: PgConnection::connect(&fixture.url).await.expect("a connection") }
    }

    async fn run(&mut self, sql: &str) {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut self.session).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Until a transaction waits for something of this one.
    async fn until_waited_for<T>(&mut self, waits: &tokio::task::JoinHandle<T>) {
        let blocked = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(blocked).fetch_one(&mut self.watching).await.expect("a number") == 0 {
            assert!(!waits.is_finished(), "it waits for nothing");
        }
    }

    async fn end(mut self) {
        self.run("ROLLBACK").await;
    }
}

async fn deletes(store: &Store, deployment: String) -> DeploymentDeletion {
    store.delete_deployment(&deployment, true, &[], &Vec::new(), 0).await.expect("answered")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_locks_what_is_called_and_its_callers_in_the_order_of_their_ids() {
    let fixture = Fixture::postgres("deletion_order");
    let store = fixture.open().await;
    let (calls, is_called) = (definition(&store, "calls").await, definition(&store, "called").await);
    // The other way round than they have begun.
    let [inner, outer] = [1, 2].map(|n| Uuid::from_u128(n << 64));
    let called_by = Some(CalledBy { instance: outer, activity_id: "Call".into(), activity: 3, root: outer });
    let called = InstanceWrite::new(inner, Expect::New(InstanceHead { called_by, ..head(&is_called) }), live());
    let both = Unit { instances: vec![start(&calls, outer), called], ..unit(step(outer, 1)) };
    store.commit(both).await.expect("stored");

    let mut other = Other::begin(&fixture).await;
    other.run(&format!("SELECT 1 FROM instance WHERE id = '{inner}' FOR UPDATE")).await;
    let deleting = tokio::spawn({
        let store = store.clone();
        async move { deletes(&store, calls.deployment_id).await }
    });
    other.until_waited_for(&deleting).await;
    other.run(&format!("SELECT 1 FROM instance WHERE id = '{outer}' FOR UPDATE NOWAIT")).await;
    other.end().await;
    assert!(matches!(deleting.await.expect("it ends"), DeploymentDeletion::Deleted { .. }));
    assert_eq!(fixture.count("instance").await, 0);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_is_undone_for_another_transactions_sake_is_begun_again() {
    let fixture = Fixture::postgres("deadlock");
    // Long enough for the other one to come into the deletion's way before that looks whether anybody is.
    fixture.raw(&format!("ALTER DATABASE \"{}\" SET deadlock_timeout = '3s'", fixture.database())).await;
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    store.commit(unit(InstanceWrite { put_jobs: vec![job(&process, 1, 9)], ..start(&process, id) })).await.expect("stored");

    let mut other = Other::begin(&fixture).await;
    // It is the deletion that finds out.
    other.run("SET LOCAL deadlock_timeout = '1h'").await;
    other.run(&format!("SELECT 1 FROM job WHERE instance_id = '{id}' FOR UPDATE")).await;
    let deleting = tokio::spawn({
        let store = store.clone();
        async move { deletes(&store, process.deployment_id).await }
    });
    other.until_waited_for(&deleting).await;
    other.run(&format!("SELECT 1 FROM instance WHERE id = '{id}' FOR UPDATE")).await;
    assert!(!deleting.is_finished());
    other.end().await;
    assert!(matches!(deleting.await.expect("it ends"), DeploymentDeletion::Deleted { .. }));
    for table in ["instance", "job", "definition", "deployment", "history_instance"] {
        assert_eq!(fixture.count(table).await, 0, "{table}");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn timers_that_are_suspended_are_locked_in_the_order_of_their_ids() {
    let fixture = Fixture::postgres("timer_order");
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let [first, second] = [1, 2].map(Uuid::from_u128);
    // The second stands before the first.
    for (id, activity) in [(second, "B"), (first, "A")] {
        fixture
            .raw(&format!(
                "INSERT INTO start_timer (id, firing, definition_id, activity_id, due, retries, priority, suspended, failures, given_up, created) \
                 VALUES ('{id}', 1, '{}', '{activity}', 9, 3, 0, FALSE, 0, 0, 1)",
                process.id
            ))
            .await;
    }
    let name = JobDefinitionName { definition_id: process.id.clone(), activity_id: "A".into(), kind: "timer".into() };
    for way in 0..3 {
        let mut other = Other::begin(&fixture).await;
        other.run(&format!("SELECT 1 FROM start_timer WHERE id = '{first}' FOR UPDATE")).await;
        let suspended = way != 1;
        let changing = tokio::spawn({
            let other = JobDefinitionName { activity_id: "B".into(), ..name.clone() };
            let (store, process, names) = (store.clone(), process.id.clone(), [name.clone(), other]);
            async move {
                match way {
                    0 => store.suspend_start_timers(&process, None, suspended, &[]).await,
                    1 => store.set_definition_suspended(&process, suspended, |_| Vec::new()).await.map(drop),
                    _ => store.change_job_definitions(&names, JobDefinitionChange::Suspended(suspended), true, &[]).await,
                }
            }
        });
        other.until_waited_for(&changing).await;
        other.run(&format!("SELECT 1 FROM start_timer WHERE id = '{second}' FOR UPDATE NOWAIT")).await;
        other.end().await;
        changing.await.expect("it ends").expect("written");
        let are = store.all_start_timers().await.expect("read").into_iter().map(|it| it.suspended).collect::<Vec<_>>();
        assert_eq!(are, [suspended; 2], "{way}");
    }
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_operators_say_of_job_definitions_waits_for_the_definition_before_it_locks_anything_of_it() {
    let fixture = Fixture::postgres("job_definition_order");
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let name = JobDefinitionName { definition_id: process.id.clone(), activity_id: "Task".into(), kind: "async-before".into() };
    let suspended = JobDefinitionChange::Suspended(true);
    store.change_job_definitions(std::slice::from_ref(&name), suspended, false, &[]).await.expect("written");
    let mut other = Other::begin(&fixture).await;
    other.run("SELECT 1 FROM definition FOR UPDATE").await;
    let changing = tokio::spawn({
        let store = store.clone();
        async move { store.change_job_definitions(&[name], JobDefinitionChange::Suspended(false), false, &[]).await }
    });
    other.until_waited_for(&changing).await;
    other.run("SELECT 1 FROM job_definition FOR UPDATE NOWAIT").await;
    other.end().await;
    changing.await.expect("it ends").expect("written");
    assert_eq!(fixture.count("job_definition WHERE suspended").await, 0);
    store.close().await;
}

/// By one thread: all of them are one batch.
#[tokio::test]
async fn who_waits_for_a_lock_in_vain_keeps_back_no_other() {
    let fixture = Fixture::postgres("lock_timeout");
    let store = fixture.open().await;
    let (held, free) = (definition(&store, "held").await, definition(&store, "free").await);
    let mut other = Other::begin(&fixture).await;
    other.run(&format!("SELECT 1 FROM definition WHERE id = '{}' FOR UPDATE", held.id)).await;
    let all: Vec<_> = (0..40).map(|n| (n % 16 == 7, Uuid::now_v7())).collect();
    let before = store.counters();
    let units = all.iter().map(|(waits, id)| unit(start(if *waits { &held } else { &free }, *id)));
    let answers = join_all(units.map(|unit| store.commit(unit))).await;
    for ((waits, id), answer) in all.iter().zip(answers) {
        match answer {
            Ok(committed) => assert!(!waits && committed.revisions == [(*id, 1)]),
            Err(CommitError::Database(error)) => assert!(*waits && error.is_of_lock()),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(store.counters().commits - before.commits < 20, "neighbours are stored together");
    other.end().await;
    let (_, id) = all[7];
    until_stored(&store, unit(start(&held, id))).await;
    assert_eq!(fixture.count("instance").await, 38);
    store.close().await;
}

/// A row that nobody has locked any more may not be tried at once.
async fn until_stored(store: &Store, unit: Unit) -> Committed {
    loop {
        match store.commit(unit.clone()).await {
            Ok(committed) => return committed,
            Err(CommitError::Database(error)) if error.is_of_lock() => {}
            Err(error) => panic!("{error}"),
        }
    }
}

#[tokio::test]
async fn units_of_an_instance_that_somebody_has_locked_are_handed_back_and_its_job_stays_locked() {
    let fixture = Fixture::postgres("locked_instance");
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let (held, free) = (Uuid::now_v7(), Uuid::now_v7());
    let mut write = start(&process, held);
    begin(&store, &mut write, 1);
    store.commit(unit(write)).await.expect("stored");
    store.commit(unit(start(&process, free))).await.expect("stored");

    let mut other = Other::begin(&fixture).await;
    other.run(&format!("SELECT 1 FROM instance WHERE id = '{held}' FOR UPDATE")).await;
    for revision in 1..20 {
        // Of many at once all are handed back, and nobody else is.
        let waiting = join_all((0..20).map(|_| store.commit(unit(step(held, 1)))));
        let (waited, stored) = tokio::join!(waiting, store.commit(unit(step(free, revision))));
        assert!(waited.iter().all(|answer| matches!(answer, Err(CommitError::Database(error)) if error.is_of_lock())), "{waited:?}");
        assert_eq!(stored.expect("nobody has it").revisions, [(free, revision + 1)]);
    }
    let error = store.release(&[(held, 1)]).await.expect_err("its instance is locked");
    assert!(error.is_of_lock(), "{error}");
    assert_eq!(store.locked().await.expect("read"), [(held, 1)]);
    other.end().await;
    assert_eq!(store.release(&[(held, 1)]).await.expect("released"), 1);
    assert_eq!(until_stored(&store, unit(step(held, 2))).await.revisions, [(held, 3)]);
    store.close().await;
}

/// Else whoever claims jobs would wait behind it for half a lease, which is longer here than any test lasts.
#[tokio::test]
async fn who_executes_what_somebody_has_locked_is_told_so_soon() {
    let fixture = Fixture::postgres("locked_one");
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let (id, timer) = (Uuid::now_v7(), Uuid::now_v7());
    store.commit(unit(InstanceWrite { put_jobs: vec![job(&process, 1, 9)], ..start(&process, id) })).await.expect("stored");
    fixture
        .raw(&format!(
            "INSERT INTO start_timer (id, firing, definition_id, activity_id, due, retries, priority, suspended, failures, given_up, created) \
             VALUES ('{timer}', 1, '{}', 'S', 9, 3, 0, FALSE, 0, 0, 1)",
            process.id
        ))
        .await;
    for (held, of_job) in [("instance", true), ("job", true), ("start_timer", false)] {
        let mut other = Other::begin(&fixture).await;
        other.run(&format!("SELECT 1 FROM {held} FOR UPDATE")).await;
        let claimed =
            async { if of_job { store.claim_one(id, 1).await.map(drop) } else { store.claim_start_timer(timer, 1).await.map(drop) } };
        let claimed = tokio::time::timeout(Duration::from_secs(60), claimed).await.expect("it does not wait for long");
        assert!(claimed.is_err_and(|error| error.is_of_lock()), "{held}");
        other.end().await;
    }
    store.claim_one(id, 1).await.expect("nobody has it");
    store.claim_start_timer(timer, 1).await.expect("nobody has it");
    store.close().await;
}

#[tokio::test]
async fn what_waits_for_a_lock_in_vain_is_tried_once() {
    let fixture = Fixture::postgres("tried_once");
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let [held, free, next] = [(); 3].map(|()| Uuid::now_v7());
    for id in [held, free] {
        store.commit(unit(start(&process, id))).await.expect("stored");
    }
    let mut other = Other::begin(&fixture).await;
    // Of the last transaction that was stored: they are counted as they begin.
    let nth = async |other: &mut Other| -> i64 {
        sqlx::query_scalar("SELECT MAX(nth) FROM host_commit").fetch_one(&mut other.watching).await.expect("read")
    };
    let before = nth(&mut other).await;
    other.run(&format!("SELECT 1 FROM instance WHERE id = '{held}' FOR UPDATE")).await;
    let waited = store.commit(unit(step(held, 1))).await;
    assert!(matches!(&waited, Err(CommitError::Database(error)) if error.is_of_lock()), "{waited:?}");
    store.commit(unit(start(&process, next))).await.expect("stored");
    assert_eq!(nth(&mut other).await - before, 2);
    other.end().await;
    store.close().await;
}

#[tokio::test]
async fn a_job_that_somebody_has_locked_keeps_no_other_from_being_claimed() {
    let fixture = Fixture::postgres("locked_job");
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let (held, free) = (Uuid::now_v7(), Uuid::now_v7());
    for (id, due) in [(held, 1), (free, 2)] {
        store.commit(unit(InstanceWrite { put_jobs: vec![job(&process, 1, due)], ..start(&process, id) })).await.expect("stored");
    }
    let mut other = Other::begin(&fixture).await;
    other.run(&format!("SELECT 1 FROM job WHERE instance_id = '{held}' FOR UPDATE")).await;
    let claim = async || -> Vec<Uuid> {
        let except = Except::NOTHING;
        let claim = store.claim(9, 1, &except);
        let claimed = tokio::time::timeout(Duration::from_secs(60), claim).await.expect("it waits for nobody");
        claimed.expect("claimed").into_iter().map(|job| job.instance).collect()
    };
    assert_eq!(claim().await, [free]);
    assert_eq!(claim().await, Vec::<Uuid>::new());
    other.end().await;
    assert_eq!(claim().await, [held]);
    store.close().await;
}

/// What all transactions of a host need is nobody's fault.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_waits_for_its_hosts_rows_is_begun_again_whole() {
    let fixture = Fixture::postgres("locked_host");
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let all: Vec<_> = (0..10).map(|_| Uuid::now_v7()).collect();
    for id in &all {
        store.commit(unit(start(&process, *id))).await.expect("stored");
    }
    let mut other = Other::begin(&fixture).await;
    other.run("SELECT 1 FROM host FOR UPDATE").await;
    let before = store.counters();
    let steps = tokio::spawn({
        let (store, all) = (store.clone(), all.clone());
        async move { join_all(all.iter().map(|id| store.commit(unit(step(*id, 1))))).await }
    });
    while store.counters().retries - before.retries < 2 {
        assert!(!steps.is_finished(), "it waits for nothing");
        tokio::task::yield_now().await;
    }
    other.end().await;
    for answer in steps.await.expect("it ends") {
        answer.expect("stored");
    }
    store.close().await;
}
