//! Several hosts on one database: who may write, and who runs what.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use mandate_store::query::{InstanceFilter, JobFilter, Page};
use mandate_store::{
    Claim, CommitError, Config, Error, Except, HistoryRow, JobDefinitionChange, JobDefinitionName, JobRevision, JobRow, LedgerOpened,
    LedgerState, Origin, StartKey, Store, Unit,
};
use uuid::Uuid;

use crate::common::{Fixture, definition, end, job, locked, start, started_with, step, unit};
use crate::ledger::{close, latest, one_counts, open};

async fn two(test: &str) -> (Fixture, Store, Store) {
    let fixture = Fixture::postgres(test);
    let (a, b) = (fixture.open().await, fixture.open().await);
    (fixture, a, b)
}

/// Ends a host's lease, as the database's clock would, while the others have been well for long.
async fn expire(fixture: &Fixture, store: &Store) {
    fixture.raw(&format!("UPDATE host SET lease_until = 0 WHERE id = '{}'", store.host().id)).await;
    fixture.raw(&format!("UPDATE host SET steady_since = 0 WHERE id <> '{}'", store.host().id)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_were_all_away_from_the_database_do_not_take_each_other_over() {
    let (fixture, a, b) = two("all_away").await;
    let process = definition(&a, "p").await;
    // The database was away for longer than a lease, or its clock was set.
    fixture.raw("UPDATE host SET lease_until = 0, steady_since = 0").await;
    for store in [&a, &b] {
        assert_eq!(store.take_over().await.expect("nobody").hosts, 0, "its own lease is over too");
    }
    // One renews before the other.
    started_with(&b, &process, Vec::new()).await;
    assert_eq!(b.take_over().await.expect("nobody").hosts, 0, "the other may renew yet");
    started_with(&a, &process, Vec::new()).await;
    assert!(a.may_act() && b.may_act());
    // Who does not renew within half a lease is gone.
    expire(&fixture, &a).await;
    assert_eq!(b.take_over().await.expect("taken over").hosts, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_might_not_have_acted_a_moment_ago_takes_nobody_over() {
    let (fixture, a, b) = two("away").await;
    let process = definition(&a, "p").await;
    expire(&fixture, &a).await;
    // Its last renewal is older than half a lease: it, or the database, was away.
    let (half, me) = (crate::common::LEASE.as_millis() / 2, b.host().id);
    let late = format!("UPDATE host SET lease_until = lease_until - {half} - 1 WHERE id = '{me}'");
    fixture.raw(&late).await;
    assert_eq!(b.take_over().await.expect("nobody").hosts, 0);
    started_with(&b, &process, Vec::new()).await;
    assert_eq!(b.take_over().await.expect("nobody").hosts, 0, "it has not renewed yet");
    // When it renews, it begins to count anew.
    fixture.raw(&format!("UPDATE host SET lease_until = 0 WHERE id = '{me}'")).await;
    started_with(&b, &process, Vec::new()).await;
    assert_eq!(b.take_over().await.expect("nobody").hosts, 0);
    expire(&fixture, &a).await;
    assert_eq!(b.take_over().await.expect("taken over").hosts, 1);
}

/// What it has found before it supposes, and writes in one statement: the database says if it holds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_host_supposes_and_another_has_changed_is_stored_by_no_unit() {
    let (fixture, a, b) = two("supposed").await;
    let process = definition(&a, "p").await;
    let begin_knowing = async |job_definitions| {
        let before = a.counters().statements;
        let mut begin = unit(start(&process, Uuid::now_v7()));
        begin.newest = true;
        begin.instances[0].job_definitions = job_definitions;
        let answer = a.commit(begin).await;
        (answer, a.counters().statements - before, fixture.count("instance").await)
    };
    let begin = async || begin_knowing(None).await;
    assert!(matches!(begin().await, (Ok(_), 2, 1)));
    assert!(matches!(begin().await, (Ok(_), 1, 2)), "it supposes");

    b.set_definition_suspended(&process.id, true, |_| Vec::new()).await.expect("written");
    assert!(matches!(begin().await, (Err(CommitError::Suspended), _, 2)));
    b.set_definition_suspended(&process.id, false, |_| Vec::new()).await.expect("written");
    assert!(matches!(begin().await, (Ok(_), 2, 3)), "what it has found to be suspended it asks for");

    // Its lease has run out and nobody has taken over: it renews it.
    fixture.raw(&format!("UPDATE host SET lease_until = 0 WHERE id = '{}'", a.host().id)).await;
    assert!(matches!(begin().await, (Ok(_), _, 4)));

    let name = JobDefinitionName { definition_id: process.id.clone(), activity_id: "Task".into(), kind: "async-before".into() };
    b.change_job_definitions(&[name], JobDefinitionChange::Suspended(true), false, &[]).await.expect("changed");
    assert!(matches!(begin_knowing(Some(0)).await, (Err(CommitError::JobDefinitions), _, 4)));
    assert!(matches!(begin().await, (Ok(_), _, 5)));

    let newest = definition(&b, "p").await;
    assert!(matches!(begin().await, (Err(CommitError::Superseded), _, 5)));
    b.delete_definitions(vec![process.id.clone(), newest.id], true, &[], &Vec::new(), 0).await.expect("deleted");
    assert!(matches!(begin().await, (Err(CommitError::Gone), _, 0)));

    let process = definition(&a, "q").await;
    for _ in 0..2 {
        started_with(&a, &process, Vec::new()).await;
    }
    expire(&fixture, &a).await;
    b.take_over().await.expect("taken over");
    assert!(matches!(a.commit(unit(start(&process, Uuid::now_v7()))).await, Err(CommitError::Fenced)));
    assert_eq!(fixture.count("instance").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_a_dead_host_ran_from_memory_is_taken_over_with_its_instance() {
    let (fixture, a, b) = two("running").await;
    let process = definition(&a, "p").await;
    let id = Uuid::now_v7();
    let mut write = start(&process, id);
    crate::running::begin(&a, &mut write, 1);
    a.commit(unit(write)).await.expect("stored");
    assert_eq!(b.claim(100, 10, &Except::NOTHING).await.expect("claimed"), []);
    assert!(matches!(b.claim_one(id, 1).await.expect("answered"), Claim::Taken(holder) if holder.alive));
    assert_eq!(b.ledger_open(open(id, Origin::Job(1), "k")).await.expect("answered"), LedgerOpened::Gone, "the job is another host's");
    expire(&fixture, &a).await;
    let taken = b.take_over().await.expect("taken over");
    assert_eq!((taken.hosts, taken.jobs), (1, 1));
    let row = b.load_instance(id).await.expect("read").expect("there");
    assert_eq!((row.revision, row.running), (2, None));
    let claimed = b.claim(100, 10, &Except::NOTHING).await.expect("claimed");
    assert_eq!((claimed.len(), claimed[0].takeovers), (1, 1));
    assert!(matches!(a.commit(unit(step(id, 1))).await, Err(CommitError::Fenced)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_was_taken_over_writes_nothing_more() {
    let (fixture, a, b) = two("fenced").await;
    let process = definition(&a, "p").await;
    let (id, _) = started_with(&a, &process, vec![job(&process, 1, 5)]).await;
    assert_eq!(a.claim(100, 10, &Except::NOTHING).await.expect("claimed").len(), 1);
    let asked = open(id, Origin::Job(1), "k");
    assert_eq!(a.ledger_open(asked.clone()).await.expect("opened"), LedgerOpened::Opened { attempt: 1 });
    assert!(b.ledger_holder_alive(a.host().id, a.host().epoch).await.expect("read"));
    assert_eq!(b.ledger_open(open(id, Origin::Job(1), "other")).await.expect("answered"), LedgerOpened::Gone, "the job is another host's");
    assert!(a.may_act());

    expire(&fixture, &a).await;
    let taken = b.take_over().await.expect("taken over");
    assert_eq!((taken.hosts, taken.jobs), (1, 1));
    assert!(!b.ledger_holder_alive(a.host().id, a.host().epoch).await.expect("read"));

    assert!(matches!(a.commit(unit(step(id, 1))).await, Err(CommitError::Fenced)));
    assert!(!a.may_act());
    assert_eq!(a.ledger_open(open(id, Origin::Job(1), "late")).await.expect("answered"), LedgerOpened::Fenced);
    assert!(matches!(a.ledger_close(close(&asked, 1, LedgerState::Applied)).await, Err(Error::Fenced)));
    assert!(
        matches!(a.claim(100, 10, &Except::NOTHING).await, Err(Error::Fenced))
            || b.count_jobs(JobFilter::default()).await.expect("read") == 1
    );
    assert_eq!(b.load_instance(id).await.expect("read").expect("there").revision, 1);
    assert_eq!(b.ledger_latest("acme", &asked.command, "k").await.expect("read").expect("there").state, LedgerState::Unknown);

    let claimed = b.claim(100, 10, &Except::NOTHING).await.expect("claimed");
    assert_eq!((claimed.len(), claimed[0].takeovers), (1, 1));
    b.commit(unit(step(id, 1))).await.expect("stored");
    // It leaves without touching what is no longer its own.
    a.close().await;
    let held = b.jobs(JobFilter::default(), Page::ALL, &[]).await.expect("read");
    assert!(held[0].locked_by.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_was_slow_and_not_taken_over_goes_on() {
    let (fixture, a, b) = two("slow").await;
    let process = definition(&a, "p").await;
    expire(&fixture, &a).await;
    let (id, _) = started_with(&a, &process, Vec::new()).await;
    a.commit(unit(step(id, 1))).await.expect("stored");
    assert!(a.may_act());
    assert_eq!(b.take_over().await.expect("nobody").hosts, 0, "its lease was renewed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_takeover_waits_for_no_one_and_a_commit_is_before_or_after_it() {
    let (fixture, a, b) = two("before_or_after").await;
    let process = definition(&a, "p").await;
    let mut ids = Vec::new();
    for _ in 0..200 {
        ids.push(started_with(&a, &process, Vec::new()).await.0);
    }
    let stored = Arc::new(AtomicUsize::new(0));
    let commits = ids.iter().map(|id| {
        let (a, id, stored) = (a.clone(), *id, stored.clone());
        tokio::spawn(async move {
            let answer = a.commit(unit(step(id, 1))).await;
            stored.fetch_add(1, Ordering::SeqCst);
            (id, answer)
        })
    });
    let commits: Vec<_> = commits.collect();
    while stored.load(Ordering::SeqCst) < 20 {
        tokio::task::yield_now().await;
    }
    loop {
        expire(&fixture, &a).await;
        // A host that commits at this moment is left for the next time.
        if b.take_over().await.expect("taken over").hosts == 1 || a.may_act() && stored.load(Ordering::SeqCst) == 200 {
            break;
        }
    }
    for commit in commits {
        let (id, answer) = commit.await.expect("a task");
        let revision = b.load_instance(id).await.expect("read").expect("there").revision;
        match answer {
            Ok(_) => assert_eq!(revision, 2),
            Err(CommitError::Fenced) => assert_eq!(revision, 1),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_not_born_locked_beside_another_hosts_exclusive_one() {
    let (_fixture, a, b) = two("born_locked").await;
    let process = definition(&a, "p").await;
    let exclusive = |wait| JobRow { exclusive: true, ..job(&process, wait, 5) };
    let (id, _) = started_with(&a, &process, vec![exclusive(1)]).await;
    assert_eq!(b.claim(100, 10, &Except::NOTHING).await.expect("claimed").len(), 1);
    let mut write = step(id, 1);
    write.put_jobs = vec![JobRow { locked: true, ..exclusive(2) }, JobRow { locked: true, ..job(&process, 3, 5) }];
    let stored = a.commit(unit(write)).await.expect("stored");
    assert_eq!(locked(&stored), [(id, 3)], "what is not exclusive may run beside it");
    assert_eq!(a.claim(100, 10, &Except::NOTHING).await.expect("claimed"), []);
    // The other host ends its job and makes the next one its own, in one unit.
    let mut write = step(id, 2);
    write.remove_jobs = vec![1];
    write.put_jobs = vec![JobRow { locked: true, ..exclusive(4) }];
    assert_eq!(locked(&b.commit(unit(write)).await.expect("stored")), [(id, 4)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_not_claimed_by_name_while_a_host_that_lives_has_it_or_runs_another_exclusive_one() {
    let (fixture, a, b) = two("by_name").await;
    let process = definition(&a, "p").await;
    let exclusive = |wait| JobRow { exclusive: true, behind: wait > 1, ..job(&process, wait, 5) };
    let (id, _) = started_with(&a, &process, vec![exclusive(1), exclusive(2), job(&process, 3, 5)]).await;
    assert!(matches!(a.claim_one(id, 1).await.expect("claimed"), Claim::Locked(job) if job.wait == 1));
    for alive in [true, false] {
        let Claim::Taken(holder) = b.claim_one(id, 1).await.expect("answered") else { panic!("it is taken") };
        assert_eq!((holder.host, holder.alive), (a.host().id, alive));
        let Claim::Exclusive { wait, holder } = b.claim_one(id, 2).await.expect("answered") else { panic!("another one is under way") };
        assert_eq!((wait, holder.host, holder.alive), (1, a.host().id, alive));
        expire(&fixture, &a).await;
    }
    assert!(matches!(a.claim_one(id, 3).await, Err(Error::Expired)), "nobody has taken over yet");
    assert_eq!(b.take_over().await.expect("taken over").hosts, 1);
    assert!(matches!(b.claim_one(id, 2).await.expect("claimed"), Claim::Locked(_)));
    assert!(matches!(b.claim_one(id, 3).await.expect("claimed"), Claim::Locked(_)), "what is not exclusive runs beside it");
    // This host's own exclusive jobs wait for each other in its memory.
    assert!(matches!(b.claim_one(id, 1).await.expect("claimed"), Claim::Locked(job) if job.takeovers == 1));
    assert!(matches!(a.claim_one(id, 3).await, Err(Error::Fenced)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_is_not_handed_on_beside_another_hosts_exclusive_job() {
    let (_fixture, a, b) = two("turns").await;
    let process = definition(&a, "p").await;
    let exclusive = |wait| JobRow { exclusive: true, behind: wait > 1, ..job(&process, wait, 5) };
    let (id, _) = started_with(&a, &process, vec![exclusive(1), exclusive(2)]).await;
    assert_eq!(b.claim(100, 10, &Except::NOTHING).await.expect("claimed").len(), 1);
    let mut write = step(id, 1);
    write.behind_jobs = vec![(2, false)];
    write.lock_jobs = vec![1, 2];
    assert_eq!(locked(&a.commit(unit(write)).await.expect("stored")), []);
    b.release(&[(id, 1)]).await.expect("released");
    assert_eq!(a.claim(100, 10, &Except::NOTHING).await.expect("claimed").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hosts_never_have_two_exclusive_jobs_of_one_instance() {
    const INSTANCES: usize = 30;
    const JOBS: i64 = 6;
    let (_fixture, a, b) = two("exclusive").await;
    let process = definition(&a, "p").await;
    for _ in 0..INSTANCES {
        let jobs = (1..=JOBS).map(|wait| JobRow { exclusive: wait % 3 != 0, ..job(&process, wait, 1) }).collect();
        started_with(&a, &process, jobs).await;
    }
    let done = Arc::new(AtomicUsize::new(0));
    let hosts = [a.clone(), b.clone()].map(|store| {
        let done = done.clone();
        tokio::spawn(async move { run_all(store, &done, INSTANCES * usize::try_from(JOBS).expect("small")).await })
    });
    for host in hosts {
        host.await.expect("a host that saw nothing wrong");
    }
    assert_eq!(a.count_jobs(JobFilter::default()).await.expect("read"), 0);
}

/// Claims and ends jobs until all are done, and looks for two exclusive ones of one instance.
async fn run_all(store: Store, done: &AtomicUsize, all: usize) {
    while done.load(Ordering::SeqCst) < all {
        let claimed = store.claim(100, 7, &Except::NOTHING).await.expect("claimed");
        let listed = store.jobs(JobFilter::default(), Page::ALL, &[]).await.expect("read");
        let mut running: Vec<Uuid> = listed.iter().filter(|job| job.row.locked && job.row.exclusive).map(|job| job.instance).collect();
        let count = running.len();
        running.sort_unstable();
        running.dedup();
        assert_eq!(running.len(), count, "two exclusive jobs of one instance are locked");
        for job in claimed {
            loop {
                let row = store.load_instance(job.instance).await.expect("read").expect("there");
                let mut write = step(job.instance, row.revision);
                write.remove_jobs = vec![job.wait];
                match store.commit(unit(write)).await {
                    Ok(_) => break,
                    Err(CommitError::Conflict) => {}
                    other => panic!("{other:?}"),
                }
            }
            done.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_host_removes_history_until_it_is_gone() {
    let (fixture, a, b) = two("cleanup").await;
    let process = definition(&a, "p").await;
    let (id, _) = started_with(&a, &process, Vec::new()).await;
    let mut write = end(id, 1);
    let Some(HistoryRow::InstanceEnded { removal_at, .. }) = write.history.last_mut() else { panic!("it ends") };
    *removal_at = Some(100);
    a.commit(unit(write)).await.expect("stored");
    assert_eq!(b.remove_history(vec![id], 100).await.expect("asked"), None, "it has not asked");
    let asked = join_all((0..20).map(|n| if n % 2 == 0 { &a } else { &b }).map(Store::take_history_cleanup)).await;
    let took: Vec<bool> = asked.into_iter().map(|answer| answer.expect("asked")).collect();
    let (first, second) = if took[0] { (&a, &b) } else { (&b, &a) };
    assert!(took.iter().enumerate().all(|(n, mine)| *mine == (n % 2 == usize::from(!took[0]))), "{took:?}");
    assert_eq!(second.remove_history(vec![id], 100).await.expect("asked"), None);

    expire(&fixture, first).await;
    assert!(second.take_history_cleanup().await.expect("asked"), "the first may be gone");
    assert_eq!(first.remove_history(vec![id], 100).await.expect("asked"), None);
    assert_eq!(second.remove_history(vec![id], 100).await.expect("asked"), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_starts_once_across_hosts() {
    let (_fixture, a, b) = two("start_keys").await;
    let process = definition(&a, "p").await;
    let starts = (0..200).map(|n| {
        let store = if n % 2 == 0 { a.clone() } else { b.clone() };
        let key = StartKey { tenant: String::new(), definition_key: "p".into(), key: format!("order-{}", n % 10) };
        let unit = Unit { start_key: Some(key), ..unit(start(&process, Uuid::now_v7())) };
        tokio::spawn(async move { store.commit(unit).await })
    });
    let mut won = 0;
    for answer in join_all(starts).await {
        match answer.expect("a task") {
            Ok(_) => won += 1,
            Err(CommitError::AlreadyStarted { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(won, 10);
    assert_eq!(a.count_instances(InstanceFilter::default()).await.expect("read"), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_attempt_is_opened_across_hosts() {
    let (_fixture, a, b) = two("attempts").await;
    let process = definition(&a, "p").await;
    let (id, _) = started_with(&a, &process, vec![job(&process, 1, 5)]).await;
    for round in 0..10 {
        let answers = join_all([&a, &b, &a, &b].map(|store| {
            let (store, asked) = (store.clone(), open(id, Origin::Job(1), &format!("k{round}")));
            tokio::spawn(async move { store.ledger_open(asked).await.expect("answered") })
        }))
        .await;
        let opened = answers.iter().filter(|answer| matches!(answer, Ok(LedgerOpened::Opened { .. }))).count();
        assert_eq!(opened, 1, "{answers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_that_another_host_ended_marks_what_was_on_its_way() {
    let (_fixture, a, b) = two("cancelled").await;
    let process = definition(&a, "p").await;
    let (deleted, _) = started_with(&a, &process, vec![job(&process, 1, 5)]).await;
    let (stays, _) = started_with(&a, &process, vec![job(&process, 1, 5)]).await;
    let sent = [open(deleted, Origin::Job(1), "deleted"), open(stays, Origin::Job(1), "stays")];
    for asked in &sent {
        assert_eq!(a.ledger_open(asked.clone()).await.expect("opened"), LedgerOpened::Opened { attempt: 1 });
    }
    b.commit(unit(end(deleted, 1))).await.expect("ended");
    for closed in join_all(sent.iter().map(|asked| a.ledger_close(close(asked, 1, LedgerState::Applied)))).await {
        closed.expect("closed");
    }
    let rows = [latest(&b, &sent[0]).await, latest(&b, &sent[1]).await];
    assert_eq!(rows.map(|row| (row.state, row.cancelled)), [(LedgerState::Applied, true), (LedgerState::Applied, false)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_verdicts_and_late_outcomes_on_two_hosts_one_counts() {
    let (_fixture, a, b) = two("verdicts").await;
    let process = definition(&a, "p").await;
    let (id, _) = started_with(&a, &process, vec![job(&process, 1, 5)]).await;
    one_counts(id, &[a, b]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_is_renewed_while_the_store_is_open() {
    let fixture = Fixture::postgres("renewed");
    let config = Config { lease: std::time::Duration::from_secs(1), ..fixture.config() };
    let store = Store::open(config).await.expect("the store opens");
    let until = async || -> i64 {
        let name = fixture.url.split('/').nth(3).and_then(|rest| rest.split('?').next()).expect("a database");
        let lease = crate::common::cluster().sql(name, "SELECT lease_until FROM host").expect("read");
        lease.parse().expect("a number")
    };
    let first = until().await;
    // Three renewals, seen in the database; the test's own patience is far longer than a lease.
    let begun = std::time::Instant::now();
    while until().await < first + 900 {
        assert!(begun.elapsed().as_secs() < 60, "the lease is not renewed");
        tokio::task::yield_now().await;
    }
    assert!(store.may_act());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_may_run_since_a_unit_changed_it_wakes_the_other() {
    let (fixture, a, b) = two("wake_changed").await;
    let process = definition(&a, "p").await;
    let name = fixture.database();
    let listening = format!("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = '{name}' AND state = 'idle' AND query LIKE 'LISTEN%'");
    while crate::common::cluster().sql("postgres", &listening).expect("read") != "2" {
        tokio::task::yield_now().await;
    }
    // Nobody is told of these.
    let behind = JobRow { exclusive: true, behind: true, ..job(&process, 1, 5) };
    let failed = JobRow { retries: 0, ..job(&process, 2, 5) };
    let (id, _) = started_with(&a, &process, vec![behind, failed]).await;
    let mut next = step(id, 1);
    next.behind_jobs = vec![(1, false)];
    let mut retried = step(id, 2);
    retried.revise_jobs = vec![JobRevision { wait: 2, due: 5, retries: 1, priority: 0, suspended: false, behind: false }];
    for write in [next, retried] {
        a.commit(unit(write)).await.expect("stored");
        tokio::time::timeout(std::time::Duration::from_secs(30), b.jobs_elsewhere()).await.expect("it is heard");
    }
    for store in [a, b] {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_that_one_host_leaves_wakes_the_other() {
    let (_fixture, a, b) = two("wake").await;
    let process = definition(&a, "p").await;
    let heard = tokio::spawn({
        let b = b.clone();
        async move { b.jobs_elsewhere().await }
    });
    // The other may not be listening yet, so it is said until it is heard.
    let said = async {
        while !heard.is_finished() {
            started_with(&a, &process, vec![job(&process, 1, 5)]).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), said).await.expect("it is heard");
    heard.await.expect("it ends well");
    // Nobody wakes itself: else a host whose queue is full would claim without an end.
    let myself = tokio::time::timeout(std::time::Duration::from_millis(50), a.jobs_elsewhere()).await;
    assert!(myself.is_err());
    for store in [a, b] {
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_job_definitions_waits_for_commits_under_way_and_holds_on_every_host() {
    let (fixture, a, b) = two("job_definitions").await;
    let process = definition(&a, "p").await;
    let makes = |seen| {
        let mut write = start(&process, Uuid::now_v7());
        write.put_jobs = vec![job(&process, 1, 5)];
        write.job_definitions = Some(seen);
        unit(write)
    };
    let name = JobDefinitionName { definition_id: process.id.clone(), activity_id: "Task".into(), kind: "async-before".into() };
    for round in 0..5 {
        // Both hosts make jobs as fast as they can, until each of its makers is refused.
        let makers = [&a, &b].map(|store| {
            join_all((0..8).map(|_| async {
                loop {
                    match store.commit(makes(round)).await {
                        Ok(_) => {}
                        Err(CommitError::JobDefinitions) => return,
                        Err(error) => panic!("{error}"),
                    }
                }
            }))
        });
        let changed = async {
            let suspended = JobDefinitionChange::Suspended(round % 2 == 0);
            b.change_job_definitions(std::slice::from_ref(&name), suspended, false, &[]).await.expect("written");
            // Whoever has not heard of it has made its last job.
            b.count_jobs(JobFilter::default()).await.expect("counted")
        };
        let (jobs, _) = tokio::join!(changed, join_all(makers));
        assert_eq!(a.count_jobs(JobFilter::default()).await.expect("counted"), jobs);
        for store in [&a, &b] {
            assert_eq!(store.job_definitions().await.expect("read").seen, round + 1);
        }
    }
    // Who opens the database later knows what there is.
    let c = fixture.open().await;
    assert_eq!((c.job_definitions().await.expect("read").seen, c.job_definitions().await.expect("read").rows.len()), (5, 1));
    c.commit(makes(5)).await.expect("stored");
}

/// A session beside the hosts, in the middle of a transaction that has done this.
pub(crate) async fn in_the_middle_of(fixture: &Fixture, sql: &str) -> sqlx::PgConnection {
    use sqlx::Connection as _;
    let mut session = sqlx::PgConnection::connect(&fixture.url).await.expect("a connection");
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("BEGIN; {sql}"))).execute(&mut session).await.expect("done");
    session
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_stopped_in_the_middle_of_a_commit_holds_up_the_change_of_job_definitions_and_nobody_else() {
    use sqlx::Connection as _;
    let (fixture, a, b) = two("stopped").await;
    let process = definition(&a, "p").await;
    let hold = "SELECT 1 FROM host, job_definition_changes WHERE name IS NOT NULL FOR KEY SHARE";
    let stopped = in_the_middle_of(&fixture, hold).await;
    let name = JobDefinitionName { definition_id: process.id.clone(), activity_id: "Task".into(), kind: "async-before".into() };
    let changing = tokio::spawn({
        let b = b.clone();
        async move { b.change_job_definitions(std::slice::from_ref(&name), JobDefinitionChange::Suspended(true), false, &[]).await }
    });
    let waits = format!(
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock' AND query NOT LIKE '%pg_stat_activity%'",
        fixture.database()
    );
    while crate::common::cluster().sql("postgres", &waits).expect("read") == "0" {
        tokio::task::yield_now().await;
    }
    // Leases are renewed at once, and commits are no later than the change lets go.
    fixture.raw("SET lock_timeout = '100ms'; UPDATE host SET lease_until = lease_until + 1").await;
    for store in [&a, &b] {
        started_with(store, &process, Vec::new()).await;
    }
    assert!(!changing.is_finished());
    stopped.close().await.expect("it is gone");
    changing.await.expect("a task").expect("written");
    assert_eq!(a.job_definitions().await.expect("read").seen, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_leaves_locks_its_own_row_first_as_one_that_commits_does() {
    use sqlx::Connection as _;
    let (fixture, a, b) = two("leaves").await;
    let process = definition(&a, "p").await;
    let id = Uuid::now_v7();
    let mut write = start(&process, id);
    crate::running::begin(&a, &mut write, 1);
    a.commit(unit(write)).await.expect("stored");
    let committing = in_the_middle_of(&fixture, &format!("SELECT 1 FROM host WHERE id = '{}' FOR KEY SHARE", a.host().id)).await;
    let leaving = tokio::spawn(async move { a.close().await });
    let waits = format!(
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock' AND query LIKE 'UPDATE host%'",
        fixture.database()
    );
    while crate::common::cluster().sql("postgres", &waits).expect("read") == "0" {
        tokio::task::yield_now().await;
    }
    fixture.raw(&format!("BEGIN; SELECT 1 FROM instance WHERE id = '{id}' FOR UPDATE NOWAIT; ROLLBACK")).await;
    committing.close().await.expect("it is gone");
    leaving.await.expect("it has left");
    assert_eq!(b.claim(100, 10, &Except::NOTHING).await.expect("claimed").len(), 1);
}
