//! Timer start events: each firing begins one instance.

use mandate_store::query::{
    DefinitionRow, HistoryIncidentFilter, HistoryInstanceFilter, IncidentFilter, IncidentState, JobFilter, Page, START_TIMER,
};
use mandate_store::{
    CommitError, DeploymentDeletion, Except, FailedFiring, FiredTimer, NewStartTimer, RevisedTimer, StartTimerClaim, StartTimerRow, Store,
    Unit,
};
use uuid::Uuid;

use crate::common::{Fixture, start, unit, upload};

fn timer(due: i64) -> NewStartTimer {
    NewStartTimer { activity_id: "Timer".into(), due, cycle: Some("R/PT1H".into()), retries: 3, priority: 0 }
}

/// Deploys the next version of a process that starts by these timers.
async fn deployed(store: &Store, timers: Vec<NewStartTimer>) -> DefinitionRow {
    let mut write = upload("p");
    write.definitions[0].start_timers = timers;
    store.deploy(write).await.expect("a deployment").definitions.remove(0)
}

async fn claimed(store: &Store, now: i64) -> Vec<StartTimerRow> {
    store.claim_start_timers(now, 10, &[], &Except::NOTHING).await.expect("claimed")
}

/// The unit that begins the instance of a firing.
fn firing(definition: &DefinitionRow, row: &StartTimerRow, next: Option<NewStartTimer>) -> Unit {
    let mut write = start(definition, Uuid::now_v7());
    write.fired = Some(FiredTimer { id: row.id, firing: row.firing, at: row.timer.due, next });
    unit(write)
}

async fn instances(store: &Store) -> i64 {
    store.count_history_instances(HistoryInstanceFilter::default()).await.expect("counted")
}

pub(crate) async fn each_firing_begins_one_instance(fixture: Fixture) {
    let store = fixture.open().await;
    let definition = deployed(&store, vec![timer(100), timer(500)]).await;
    assert_eq!(claimed(&store, 99).await, []);
    assert_eq!(store.next_due(99).await.expect("read"), Some(100));
    assert!(store.is_quiet(99, &Except::NOTHING).await.expect("read") && !store.is_quiet(100, &Except::NOTHING).await.expect("read"));
    let found = claimed(&store, 100).await;
    assert_eq!(found.iter().map(|row| (row.firing, &row.timer, row.created)).collect::<Vec<_>>(), [(1, &timer(100), 1_000)]);
    let running = [found[0].id];
    assert_eq!(store.claim_start_timers(100, 10, &running, &Except::NOTHING).await.expect("claimed"), [], "this host is at it");
    let except = Except { instances: running.into(), ..Except::default() };
    assert_eq!(store.claim_start_timers(100, 10, &[], &except).await.expect("claimed"), [], "this host leaves it alone");
    assert!(store.is_quiet(100, &except).await.expect("read"));

    // Two in one transaction, and one after it: the first counts.
    let units = [firing(&definition, &found[0], Some(timer(200))), firing(&definition, &found[0], Some(timer(300)))];
    let [first, second] = units.map(|unit| store.commit(unit));
    let (first, second) = tokio::join!(first, second);
    assert!(first.is_ok() ^ second.is_ok(), "{first:?} {second:?}");
    let late = store.commit(firing(&definition, &found[0], None)).await;
    assert!(matches!(late, Err(CommitError::Gone)), "{late:?}");
    assert_eq!(instances(&store).await, 1);

    let found = claimed(&store, 400).await;
    assert_eq!((found.len(), found[0].firing, found[0].id), (1, 2, running[0]), "the same timer waits for its next firing");
    store.commit(firing(&definition, &found[0], None)).await.expect("stored");
    assert_eq!(claimed(&store, 400).await, [], "that was its last");
    assert_eq!(store.next_due(400).await.expect("read"), Some(500));
    assert_eq!(instances(&store).await, 2);
}

pub(crate) async fn a_firing_whose_start_is_refused_is_not_over(fixture: Fixture) {
    let store = fixture.open().await;
    let definition = deployed(&store, vec![timer(100)]).await;
    let found = claimed(&store, 100).await.remove(0);
    store.set_definition_suspended(&definition.id, true, |_| Vec::new()).await.expect("suspended");
    let refused = store.commit(firing(&definition, &found, Some(timer(200)))).await;
    assert!(matches!(refused, Err(CommitError::Suspended)), "{refused:?}");
    store.release_start_timer(found.id).await.expect("released");
    assert_eq!(claimed(&store, 100).await, []);
    store.set_definition_suspended(&definition.id, false, |_| Vec::new()).await.expect("activated");
    assert_eq!(claimed(&store, 100).await, [found]);
}

pub(crate) async fn a_failed_firing_waits_beside_the_next_one(fixture: Fixture) {
    let store = fixture.open().await;
    let definition = deployed(&store, vec![timer(100)]).await;
    let found = claimed(&store, 100).await.remove(0);
    let once = NewStartTimer { cycle: None, retries: 0, ..timer(150) };
    let failed = StartTimerRow { timer: once, failures: 1, failure: Some("it broke".into()), ..found.clone() };
    let why = FailedFiring { code: "DELEGATE_FAILED".into(), failed_activity: Some("task".into()), detail: Some("{}".into()) };
    assert_eq!(store.fail_start_timer(&found, &failed, &why, Some(timer(200)), 110).await.expect("stored"), None);
    let again = store.fail_start_timer(&found, &failed, &why, Some(timer(200)), 110).await;
    assert_eq!(again.expect("answered"), None, "this host does not have it any more");
    let next = claimed(&store, 900).await;
    assert_eq!(next.iter().map(|row| (row.firing, row.timer.due, row.created)).collect::<Vec<_>>(), [(1, 200, 110)]);

    let filter = || JobFilter { definition_id: Some(definition.id.clone()), no_retries_left: true, timers: true, ..JobFilter::default() };
    let listed = store.jobs(filter(), Page::ALL, &[]).await.expect("listed").remove(0);
    assert_eq!((listed.instance, listed.row.kind.as_str(), listed.row.failure.as_deref()), (found.id, START_TIMER, Some("it broke")));
    assert_eq!(listed.row.failed_activity.as_deref(), Some("task"));
    // It is an incident of no instance, and counts where its definition is looked at.
    let open = async |state| {
        let of = HistoryIncidentFilter { state: Some(state), ..HistoryIncidentFilter::default() };
        let live = store.count_incidents(IncidentFilter { definition_id: Some(definition.id.clone()), ..IncidentFilter::default() });
        (live.await.expect("counted"), store.count_remembered_incidents(of).await.expect("counted"))
    };
    let raised = store.incidents(IncidentFilter::default(), Page::ALL, &[]).await.expect("listed").remove(0);
    let row = &raised.row;
    assert_eq!((raised.instance, row.n, row.wait, row.activity, row.created), (found.id, 1, Some(1), 0, 110));
    assert_eq!(
        (row.activity_id.as_str(), row.failed_activity_id.as_deref(), row.code.as_str()),
        ("Timer", Some("task"), "DELEGATE_FAILED")
    );
    assert_eq!(row.job_definition_id.as_deref(), Some(format!("{}:Timer:timer", definition.id).as_str()));
    assert_eq!(open(IncidentState::Open).await, (1, 1));
    let statistics = store.definition_statistics().await.expect("read").remove(0);
    assert_eq!((statistics.failed_jobs, statistics.incidents), (1, vec![("DELEGATE_FAILED".to_owned(), 1)]));
    let statistics = store.activity_statistics(&definition.id).await.expect("read").remove(0);
    assert_eq!((statistics.activity_id.as_str(), statistics.failed_jobs, statistics.incidents.len()), ("Timer", 1, 1));
    let revised = RevisedTimer { due: 950, cycle: None, retries: 2, priority: 0, suspended: false };
    assert!(!store.revise_start_timer(&found, &revised, None, &[], 900).await.expect("answered"), "it has failed since");
    let seen = store.start_timer(found.id, 1).await.expect("read").expect("there");
    assert!(store.revise_start_timer(&seen, &revised, None, &[], 900).await.expect("revised"));
    assert_eq!(store.start_timer(found.id, 2).await.expect("read"), None, "no such firing");
    assert_eq!(store.count_jobs(filter()).await.expect("counted"), 0);
    assert_eq!(open(IncidentState::Resolved).await, (0, 1));
    let again = store.claim_start_timers(950, 10, &[next[0].id], &Except::NOTHING).await.expect("claimed").remove(0);
    assert_eq!((again.id, again.timer.due, again.timer.retries), (found.id, 950, 2));

    // Given up by hand, and executed all the same: it is over with the start. Another one is closed by a newer version.
    let seen = store.start_timer(found.id, 1).await.expect("read").expect("there");
    let stopped = RevisedTimer { retries: 0, ..revised.clone() };
    assert!(store.revise_start_timer(&seen, &stopped, Some(&why), &[], 970).await.expect("revised"));
    assert!(!store.revise_start_timer(&seen, &revised, None, &[], 970).await.expect("answered"), "it has been given up since");
    assert_eq!(open(IncidentState::Open).await, (1, 1));
    let raised = store.incidents(IncidentFilter::default(), Page::ALL, &[]).await.expect("listed").remove(0);
    assert_eq!(
        (raised.instance, raised.row.n, raised.row.wait, raised.row.created),
        (found.id, 2, Some(1), 970),
        "another one of this job"
    );
    store.commit(firing(&definition, &again, None)).await.expect("stored");
    assert_eq!(open(IncidentState::Resolved).await, (0, 2));
    let seen = store.start_timer(next[0].id, 1).await.expect("read").expect("there");
    assert!(store.revise_start_timer(&seen, &RevisedTimer { retries: 0, ..seen.unchanged() }, None, &[], 980).await.expect("revised"));
    assert_eq!(open(IncidentState::Open).await, (1, 1));
    // The host that was at it meanwhile fails: it has no attempt to spend any more, and it stays one incident.
    let spent = |of: &StartTimerRow| {
        let timer = NewStartTimer { retries: (of.timer.retries - 1).max(0), ..of.timer.clone() };
        StartTimerRow { timer, failures: of.failures + 1, failure: Some("it broke".into()), ..of.clone() }
    };
    let changed = store.fail_start_timer(&seen, &spent(&seen), &why, None, 985).await.expect("answered").expect("it has changed");
    assert_eq!((changed.timer.retries, changed.failures), (0, 0));
    assert_eq!(store.fail_start_timer(&changed, &spent(&changed), &why, None, 985).await.expect("stored"), None);
    assert_eq!(open(IncidentState::Open).await, (1, 1));
    deployed(&store, Vec::new()).await;
    assert_eq!(open(IncidentState::Deleted).await, (0, 1));
}

pub(crate) async fn a_failure_counts_upon_what_an_operator_has_changed_meanwhile(fixture: Fixture) {
    let store = fixture.open().await;
    deployed(&store, vec![timer(100)]).await;
    let mut seen = claimed(&store, 100).await.remove(0);
    let why = FailedFiring { code: "DELEGATE_FAILED".into(), failed_activity: None, detail: None };
    for revised in [
        RevisedTimer { retries: 9, ..seen.unchanged() },
        RevisedTimer { due: 105, ..seen.unchanged() },
        RevisedTimer { cycle: None, ..seen.unchanged() },
    ] {
        assert!(store.revise_start_timer(&seen, &revised, None, &[], 110).await.expect("revised"));
        let failed = StartTimerRow { timer: NewStartTimer { retries: 2, ..timer(150) }, failures: 1, ..seen.clone() };
        let changed = store.fail_start_timer(&seen, &failed, &why, Some(timer(200)), 120).await.expect("answered").expect("it has changed");
        assert_eq!(changed.unchanged(), revised);
        assert_eq!(store.all_start_timers().await.expect("read"), std::slice::from_ref(&changed), "nothing is written");
        assert!(store.revise_start_timer(&changed, &seen.unchanged(), None, &[], 130).await.expect("revised"));
        seen = store.start_timer(seen.id, 1).await.expect("read").expect("there");
    }
    let failed = StartTimerRow { timer: NewStartTimer { cycle: None, retries: 2, ..timer(150) }, failures: 1, ..seen.clone() };
    assert_eq!(store.fail_start_timer(&seen, &failed, &why, Some(timer(200)), 140).await.expect("stored"), None);
    let left = claimed(&store, 900).await;
    assert_eq!(left.iter().map(|row| (row.timer.due, row.timer.retries)).collect::<Vec<_>>(), [(150, 2), (200, 3)]);
}

pub(crate) async fn versions_close_and_reopen_what_starts_a_process(fixture: Fixture) {
    let store = fixture.open().await;
    let first = deployed(&store, vec![timer(100)]).await;
    let old = claimed(&store, 100).await.remove(0);
    let second = deployed(&store, vec![timer(150)]).await;
    let late = store.commit(firing(&first, &old, Some(timer(200)))).await;
    assert!(matches!(late, Err(CommitError::Gone)), "closed while a host was at it: {late:?}");
    assert_eq!(claimed(&store, 900).await.iter().map(|row| &row.definition_id).collect::<Vec<_>>(), [&second.id]);

    assert_eq!(store.uncovered_by(vec![second.id.clone()]).await.expect("read"), std::slice::from_ref(&first.id));
    assert_eq!(store.uncovered_by(vec![first.id.clone()]).await.expect("read"), [""; 0], "the second stays the newest");
    let nothing = store.delete_deployment(&second.deployment_id, false, &[], &Vec::new(), 900).await.expect("answered");
    assert_eq!(nothing, DeploymentDeletion::Moved, "whoever deletes it must say what opens");
    let reopened = vec![(first.id.clone(), vec![timer(950)])];
    let deleted = store.delete_deployment(&second.deployment_id, false, &[], &reopened, 900).await.expect("answered");
    assert!(matches!(deleted, DeploymentDeletion::Deleted { .. }), "{deleted:?}");
    let open = claimed(&store, 950).await;
    assert_eq!(open.iter().map(|row| (&row.definition_id, row.timer.due)).collect::<Vec<_>>(), [(&first.id, 950)]);
    store.delete_deployment(&first.deployment_id, false, &[], &Vec::new(), 960).await.expect("answered");
    assert_eq!(store.count_jobs(JobFilter::default()).await.expect("counted"), 0);
}

/// Ends a host's lease, as the database's clock would.
async fn expire(fixture: &Fixture, store: &Store) {
    fixture.raw(&format!("UPDATE host SET lease_until = 0 WHERE id = '{}'", store.host().id)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_firing_belongs_to_one_host_until_that_is_gone() {
    let fixture = Fixture::postgres("firing");
    let (a, b) = (fixture.open().await, fixture.open().await);
    let definition = deployed(&a, vec![timer(100)]).await;
    let found = claimed(&a, 100).await.remove(0);
    assert_eq!(claimed(&b, 100).await, []);
    assert!(matches!(b.claim_start_timer(found.id, 1).await.expect("answered"), StartTimerClaim::Taken(_)));
    assert!(!b.is_quiet(99, &Except::NOTHING).await.expect("read"), "a host is at it");
    expire(&fixture, &a).await;
    assert_eq!(claimed(&b, 100).await, std::slice::from_ref(&found));
    b.commit(firing(&definition, &found, Some(timer(200)))).await.expect("stored");
    // The first host has not noticed yet.
    let late = a.commit(firing(&definition, &found, Some(timer(200)))).await;
    assert!(matches!(late, Err(CommitError::Gone | CommitError::Fenced)), "{late:?}");
    assert_eq!(instances(&b).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_fire_the_same_begin_one_instance() {
    let fixture = Fixture::postgres("both_fire");
    let (a, b) = (fixture.open().await, fixture.open().await);
    let definition = deployed(&a, vec![timer(1)]).await;
    let mut row = claimed(&a, 1).await.remove(0);
    for round in 1..=20 {
        let (first, second) =
            tokio::join!(a.commit(firing(&definition, &row, Some(timer(1)))), b.commit(firing(&definition, &row, Some(timer(1)))));
        assert!(first.is_ok() ^ second.is_ok(), "{first:?} {second:?}");
        row.firing += 1;
        assert_eq!(instances(&a).await, round);
    }
}

/// Waits until so many of the store's sessions wait for locks.
async fn waiting_for_locks(fixture: &Fixture, sessions: usize) {
    let waits = format!(
        "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock' AND query NOT LIKE '%pg_stat_activity%'",
        fixture.database()
    );
    while crate::common::cluster().sql("postgres", &waits).expect("read") != sessions.to_string() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failure_puts_beside_a_firing_is_closed_with_it() {
    for deletes in [false, true] {
        let fixture = Fixture::postgres("close_beside_failure");
        let store = fixture.open().await;
        let first = deployed(&store, vec![timer(100)]).await;
        let found = claimed(&store, 100).await.remove(0);
        // The firing fails, and a deployment or deletion comes while it is doing so.
        let held = crate::hosts::in_the_middle_of(&fixture, "SELECT 1 FROM start_timer FOR UPDATE").await;
        let failing = tokio::spawn({
            let (store, found) = (store.clone(), found.clone());
            async move {
                let why = FailedFiring { code: "DELEGATE_FAILED".into(), failed_activity: None, detail: None };
                let once = NewStartTimer { cycle: None, retries: 2, ..timer(150) };
                let failed = StartTimerRow { timer: once, failures: 1, ..found.clone() };
                store.fail_start_timer(&found, &failed, &why, Some(timer(200)), 110).await.expect("stored")
            }
        });
        waiting_for_locks(&fixture, 1).await;
        let closing = tokio::spawn({
            let (store, first) = (store.clone(), first.clone());
            async move {
                if deletes {
                    let deleted = store.delete_deployment(&first.deployment_id, false, &[], &Vec::new(), 120).await.expect("answered");
                    assert!(matches!(deleted, DeploymentDeletion::Deleted { .. }), "{deleted:?}");
                    Vec::new()
                } else {
                    vec![deployed(&store, vec![timer(300)]).await.id]
                }
            }
        });
        waiting_for_locks(&fixture, 2).await;
        sqlx::Connection::close(held).await.expect("it lets go");
        assert_eq!(failing.await.expect("a task"), None);
        let newest = closing.await.expect("a task");
        let left = store.all_start_timers().await.expect("read");
        assert_eq!(left.iter().map(|row| row.definition_id.clone()).collect::<Vec<_>>(), newest, "deletes: {deletes}");
    }
}
