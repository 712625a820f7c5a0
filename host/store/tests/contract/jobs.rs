//! Claims.

use mandate_store::query::{JobFilter, Page};
use mandate_store::{Claim, Except, JobRevision, JobRow};
use uuid::Uuid;

use crate::common::{Fixture, definition, job, locked, started_with, step, unit};

pub(crate) async fn due_jobs_are_claimed_longest_due_first(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    for due in [40, 10, 30, 20, 1_000] {
        started_with(&store, &process, vec![job(&process, 1, due)]).await;
    }
    let dues = |jobs: Vec<mandate_store::ClaimedJob>| jobs.iter().map(|job| job.due).collect::<Vec<_>>();
    assert_eq!(store.next_due(25).await.expect("read"), Some(30));
    assert_eq!(dues(store.claim(50, 3, &Except::NOTHING).await.expect("claimed")), [10, 20, 30]);
    assert_eq!(dues(store.claim(50, 3, &Except::NOTHING).await.expect("claimed")), [40]);
    assert_eq!(dues(store.claim(50, 3, &Except::NOTHING).await.expect("claimed")), [0; 0]);
    assert_eq!(store.next_due(50).await.expect("read"), Some(1_000));
    let held = store.jobs(JobFilter { due_before: Some(50), ..JobFilter::default() }, Page::ALL, &[]).await.expect("read");
    assert!(held.iter().all(|job| job.locked_by.is_some() && job.row.locked), "{held:?}");
    assert_eq!(store.job_holders(held[0].instance).await.expect("read").len(), 1);
}

pub(crate) async fn higher_priorities_are_claimed_first_and_of_these_the_longest_due(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let claim = async |now, max| {
        let claimed = store.claim(now, max, &Except::NOTHING).await.expect("claimed");
        claimed.iter().map(|job| job.wait).collect::<Vec<_>>()
    };
    for (wait, priority, due) in [(1, 0, 5), (2, 0, 4), (3, -3, 1), (4, 50, 9), (5, 50, 8), (6, 90, 70), (7, -9, 2), (8, 51, 9)] {
        started_with(&store, &process, vec![JobRow { priority, ..job(&process, wait, due) }]).await;
    }
    assert_eq!(store.counts(10).await.expect("read").jobs_due, 7);
    assert_eq!((store.next_due(5).await.expect("read"), store.next_due(9).await.expect("read")), (Some(8), Some(70)));
    assert_eq!(claim(10, 2).await, [8, 5]);
    assert_eq!(claim(10, 3).await, [4, 2, 1]);
    assert!(!store.is_quiet(10, &Except::NOTHING).await.expect("read"));
    assert_eq!(claim(10, 9).await, [3, 7]);
    assert_eq!(claim(10, 9).await, [0; 0]);
    assert_eq!(claim(70, 9).await, [6]);
    let listed = |filter| async { store.count_jobs(filter).await.expect("read") };
    assert_eq!(listed(JobFilter { priority_from: Some(50), ..JobFilter::default() }).await, 4);
    assert_eq!(listed(JobFilter { priority_from: Some(-3), priority_to: Some(0), ..JobFilter::default() }).await, 3);
}

pub(crate) async fn jobs_of_more_priorities_than_are_told_apart_are_claimed_all_the_same(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let jobs = (1..=130).map(|wait| JobRow { priority: wait, ..job(&process, wait, 200 - wait) }).collect();
    started_with(&store, &process, jobs).await;
    started_with(&store, &process, vec![job(&process, 1_000, 1)]).await;
    let waits = async |max| {
        let claimed = store.claim(500, max, &Except::NOTHING).await.expect("claimed");
        claimed.iter().map(|job| job.wait).collect::<Vec<_>>()
    };
    assert_eq!(waits(3).await, [130, 129, 128]);
    // Below the hundred highest the longest due come first, and what might be above 0 before what has no priority.
    let rest = waits(125).await;
    assert_eq!(rest[..100], (28..=127).rev().collect::<Vec<_>>());
    assert_eq!(rest[100..], (3..=27).rev().collect::<Vec<_>>());
    assert_eq!(waits(9).await, [2, 1, 1_000]);
}

pub(crate) async fn what_must_not_run_is_not_claimed(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let failed = JobRow { retries: 0, ..job(&process, 1, 5) };
    started_with(&store, &process, vec![failed]).await;
    assert_eq!(store.claim(100, 10, &Except::NOTHING).await.expect("claimed"), []);
    started_with(&store, &process, vec![job(&process, 1, 5)]).await;
    assert!(store.set_definition_suspended(&process.id, true, |_| Vec::new()).await.expect("written"));
    assert!(store.definition(&process.id).await.expect("read").expect("there").suspended);
    assert_eq!(store.claim(100, 10, &Except::NOTHING).await.expect("claimed"), []);
    assert!(store.set_definition_suspended(&process.id, false, |_| Vec::new()).await.expect("written"));
    assert_eq!(store.claim(100, 10, &Except::NOTHING).await.expect("claimed").len(), 1);
    assert!(!store.set_definition_suspended("nothing", true, |_| Vec::new()).await.expect("written"));
}

pub(crate) async fn of_exclusive_jobs_one_at_a_time_is_claimed(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let exclusive = |wait| JobRow { exclusive: true, ..job(&process, wait, wait) };
    let (id, _) = started_with(&store, &process, vec![exclusive(1), exclusive(2), job(&process, 3, 3), exclusive(4)]).await;
    let waits = |jobs: Vec<mandate_store::ClaimedJob>| jobs.iter().map(|job| job.wait).collect::<Vec<_>>();
    assert_eq!(waits(store.claim(100, 10, &Except::NOTHING).await.expect("claimed")), [1, 3], "one exclusive, and what is not exclusive");
    assert_eq!(waits(store.claim(100, 10, &Except::NOTHING).await.expect("claimed")), [0; 0]);
    let mut write = step(id, 1);
    write.remove_jobs = vec![1];
    store.commit(unit(write)).await.expect("stored");
    assert_eq!(waits(store.claim(100, 10, &Except::NOTHING).await.expect("claimed")), [2]);
}

pub(crate) async fn many_exclusive_jobs_of_one_instance_do_not_starve_others(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let many = (1..=300).map(|wait| JobRow { exclusive: true, behind: wait > 1, ..job(&process, wait, 1) }).collect();
    started_with(&store, &process, many).await;
    let (other, _) = started_with(&store, &process, vec![job(&process, 1, 2)]).await;
    let claimed = store.claim(100, 20, &Except::NOTHING).await.expect("claimed");
    assert!(claimed.iter().any(|job| job.instance == other), "{claimed:?}");
    assert_eq!(claimed.len(), 2);
}

pub(crate) async fn a_born_locked_job_is_not_claimed_until_it_is_put_unlocked(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let born = JobRow { locked: true, exclusive: true, ..job(&process, 1, 5) };
    let (id, committed) = started_with(&store, &process, vec![born.clone(), JobRow { wait: 2, ..born.clone() }]).await;
    assert_eq!(locked(&committed), [(id, 1), (id, 2)], "the host itself runs its exclusive jobs one after the other");
    assert_eq!(store.claim(100, 10, &Except::NOTHING).await.expect("claimed"), []);
    assert_eq!(store.next_due(0).await.expect("read"), None);
    // It failed and comes again later: an update without `locked` clears the lock.
    let mut write = step(id, 1);
    write.put_jobs = vec![JobRow { due: 50, locked: false, ..born }];
    write.remove_jobs = vec![2];
    assert_eq!(locked(&store.commit(unit(write)).await.expect("stored")), []);
    assert_eq!(store.next_due(0).await.expect("read"), Some(50));
    assert_eq!(store.claim(100, 10, &Except::NOTHING).await.expect("claimed").len(), 1);
}

pub(crate) async fn what_is_behind_is_claimed_when_a_unit_makes_it_the_next(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let exclusive = |wait| JobRow { exclusive: true, behind: wait > 1, ..job(&process, wait, wait) };
    let (id, _) = started_with(&store, &process, vec![exclusive(1), exclusive(2), exclusive(3)]).await;
    assert_eq!(store.counts(100).await.expect("read").jobs_due, 1);
    assert_eq!(store.claim(100, 10, &Except::NOTHING).await.expect("claimed").len(), 1);
    store.release(&[(id, 1)]).await.expect("released");
    // The first one's turn comes later, the second one's now.
    let mut write = step(id, 1);
    write.put_jobs = vec![JobRow { due: 50, behind: true, ..exclusive(1) }];
    write.behind_jobs = vec![(2, false)];
    store.commit(unit(write)).await.expect("stored");
    assert_eq!(store.next_due(0).await.expect("read"), Some(2));
    let claimed = store.claim(100, 10, &Except::NOTHING).await.expect("claimed");
    assert_eq!(claimed.iter().map(|job| job.wait).collect::<Vec<_>>(), [2]);
}

pub(crate) async fn a_turn_is_handed_on_in_the_commit_that_ends_the_one_before(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let exclusive = |wait| JobRow { exclusive: true, behind: wait > 1, locked: wait == 1, ..job(&process, wait, 5) };
    let (id, _) = started_with(&store, &process, vec![exclusive(1), exclusive(2), exclusive(3), exclusive(4)]).await;
    let hand_on = |revision, from, to| {
        let mut write = step(id, revision);
        write.remove_jobs = vec![from];
        write.behind_jobs = vec![(to, false)];
        write.lock_jobs = vec![to];
        unit(write)
    };
    let stored = store.commit(hand_on(1, 1, 2)).await.expect("stored");
    assert_eq!(locked(&stored), [(id, 2)]);
    assert!(stored.locked_jobs[0].exclusive);
    assert_eq!(store.claim(100, 10, &Except::NOTHING).await.expect("claimed"), []);
    // One that may not run now is the next all the same.
    assert!(store.set_definition_suspended(&process.id, true, |_| Vec::new()).await.expect("written"));
    assert_eq!(locked(&store.commit(hand_on(2, 2, 3)).await.expect("stored")), []);
    assert!(store.set_definition_suspended(&process.id, false, |_| Vec::new()).await.expect("written"));
    let claimed = store.claim(100, 10, &Except::NOTHING).await.expect("claimed");
    assert_eq!(claimed.iter().map(|job| job.wait).collect::<Vec<_>>(), [3]);
    // Two of one instance are not locked at once.
    let mut write = step(id, 3);
    write.lock_jobs = vec![4];
    assert_eq!(locked(&store.commit(unit(write)).await.expect("stored")), []);
}

pub(crate) async fn retries_from_an_operator_leave_a_running_job_to_its_host(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let (id, _) = started_with(&store, &process, vec![job(&process, 1, 5), JobRow { retries: 0, ..job(&process, 2, 5) }]).await;
    let claimed = store.claim(100, 10, &Except::NOTHING).await.expect("claimed");
    assert_eq!(claimed.iter().map(|job| job.wait).collect::<Vec<_>>(), [1]);
    let mut write = step(id, 1);
    let revision = |wait| JobRevision { wait, due: 7, retries: 9, priority: 0, suspended: false, behind: false };
    write.revise_jobs = vec![revision(1), revision(2)];
    write.lock_jobs = vec![1, 2];
    let stored = store.commit(unit(write)).await.expect("stored");
    assert_eq!(locked(&stored), [(id, 2)], "the first one is under way");
    let jobs = store.jobs(JobFilter::default(), Page::ALL, &[]).await.expect("read");
    assert!(jobs.iter().all(|job| job.row.locked && job.row.retries == 9 && job.row.due == 7), "{jobs:?}");
}

pub(crate) async fn one_job_is_claimed_by_its_name_due_or_not(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let exclusive = |wait| JobRow { exclusive: true, behind: wait > 1, ..job(&process, wait, 1_000) };
    let failed = JobRow { retries: 0, ..job(&process, 3, 5) };
    let (id, _) = started_with(&store, &process, vec![exclusive(1), exclusive(2), failed]).await;
    for wait in [2, 3, 1] {
        assert!(matches!(store.claim_one(id, wait).await.expect("claimed"), Claim::Locked(job) if job.wait == wait), "{wait}");
        let Claim::Taken(holder) = store.claim_one(id, wait).await.expect("answered") else { panic!("{wait} is locked") };
        assert_eq!((holder.host, holder.alive), (store.host().id, true));
    }
    assert_eq!(store.claim_one(id, 9).await.expect("answered"), Claim::Missing);
    assert_eq!(store.claim_one(Uuid::now_v7(), 1).await.expect("answered"), Claim::Missing);
}

pub(crate) async fn what_a_host_cannot_run_stands_in_nobodys_way(fixture: Fixture) {
    let store = fixture.open().await;
    let (process, other) = (definition(&store, "p").await, definition(&store, "q").await);
    let mut except = Except::default();
    for _ in 0..30 {
        except.instances.push(started_with(&store, &process, vec![job(&process, 1, 1)]).await.0);
        started_with(&store, &other, vec![job(&other, 1, 2)]).await;
    }
    except.definitions.push(other.id.clone());
    assert_eq!(store.claim(100, 10, &except).await.expect("claimed"), []);
    let (last, _) = started_with(&store, &process, vec![job(&process, 1, 3)]).await;
    let claimed = store.claim(100, 10, &except).await.expect("claimed");
    assert_eq!(claimed.iter().map(|job| job.instance).collect::<Vec<_>>(), [last]);
    assert_eq!(store.claim(100, 100, &Except::NOTHING).await.expect("claimed").len(), 60, "another host takes them");
}

pub(crate) async fn a_released_job_is_claimed_again_unchanged(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    started_with(&store, &process, vec![job(&process, 1, 5)]).await;
    let first = store.claim(100, 10, &Except::NOTHING).await.expect("claimed");
    assert_eq!(store.release(&[(first[0].instance, 1), (Uuid::now_v7(), 9)]).await.expect("released"), 1);
    assert_eq!(store.claim(100, 10, &Except::NOTHING).await.expect("claimed"), first);
    store.release(&[]).await.expect("nothing to do");
}

pub(crate) async fn the_next_process_takes_over_what_the_last_one_had_locked(fixture: Fixture) {
    let first = fixture.open().await;
    let process = definition(&first, "p").await;
    started_with(&first, &process, vec![job(&process, 1, 5)]).await;
    assert_eq!(first.claim(100, 10, &Except::NOTHING).await.expect("claimed").len(), 1);
    let dead = first.host();
    // It goes without closing.
    drop(first);
    let second = reopened(&fixture).await;
    if fixture.is_postgres() {
        assert!(second.ledger_holder_alive(dead.id, dead.epoch).await.expect("read"));
        fixture.raw("UPDATE host SET lease_until = 0 WHERE ended_at IS NULL AND started_at = (SELECT MIN(started_at) FROM host)").await;
        fixture.raw("UPDATE host SET steady_since = 0").await;
        let taken = second.take_over().await.expect("taken over");
        assert_eq!((taken.hosts, taken.jobs), (1, 1));
    }
    assert!(!second.ledger_holder_alive(dead.id, dead.epoch).await.expect("read"));
    let again = second.claim(100, 10, &Except::NOTHING).await.expect("claimed");
    assert_eq!(again.len(), 1);
    assert_eq!(again[0].takeovers, 1);
    assert_eq!(second.take_over().await.expect("nobody").hosts, 0);
    // An outcome, whatever it is, shows that the job does not kill its hosts.
    let mut write = step(again[0].instance, 1);
    write.put_jobs = vec![job(&process, 1, 6)];
    second.commit(unit(write)).await.expect("stored");
    assert_eq!(second.claim(100, 10, &Except::NOTHING).await.expect("claimed")[0].takeovers, 0);
}

/// Opens the database again as soon as the process that dropped it lets go.
pub(crate) async fn reopened(fixture: &Fixture) -> mandate_store::Store {
    let begun = std::time::Instant::now();
    while begun.elapsed().as_secs() < 60 {
        match mandate_store::Store::open(fixture.config()).await {
            Err(mandate_store::Error::Locked { .. }) => tokio::task::yield_now().await,
            opened => return opened.expect("the store opens"),
        }
    }
    panic!("the lock of a dropped store is still held");
}
