//! Units of work.

use futures_util::future::join_all;
use mandate_store::query::{
    AskedValue, HistoryActivityFilter, HistoryInstanceFilter, IndexRows, InstanceFilter, JobFilter, Page, TaskFilter,
};
use mandate_store::{
    Beside, CommitError, DeploymentDeletion, Except, Expect, HistoryLevel, HistoryRow, InstanceWrite, PartRow, Parts, StartKey, State, Unit,
};
use uuid::Uuid;

use crate::common::{
    Fixture, begun, definition, end, external_task, head, incident, job, live, resolved, start, started_with, step, subscription, task,
    task_asked, unit,
};

pub(crate) async fn a_unit_is_stored_with_the_rows_beside_it(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    let mut write = start(&process, id);
    write.put_jobs = vec![job(&process, 1, 5), job(&process, 2, 7)];
    write.put_tasks = vec![task(&process, 3)];
    write.put_subscriptions = vec![subscription(&process, 4, "paid")];
    write.put_external_tasks = vec![external_task(&process, 6, "charge")];
    write.put_incidents = vec![incident(&process, 5, Some(1))];
    let expected = IndexRows {
        jobs: write.put_jobs.clone(),
        tasks: write.put_tasks.clone(),
        external_tasks: write.put_external_tasks.clone(),
        subscriptions: write.put_subscriptions.clone(),
        incidents: write.put_incidents.clone(),
        called: Vec::new(),
    };
    let the_unit = unit(write);
    let unit_id = the_unit.id;
    let committed = store.commit(the_unit).await.expect("stored");
    assert_eq!(committed.revisions, [(id, 1)]);
    let (row, rows) = store.instance_with_rows(id).await.expect("read").expect("there");
    assert_eq!(rows, expected);
    assert_eq!((row.revision, row.last_unit, row.suspended), (1, unit_id, false));
    assert_eq!((row.business_key.as_deref(), row.started_at, row.snapshot.as_slice()), (Some("order-1"), 10, b"snapshot".as_slice()));
    assert_eq!(store.load_instance(id).await.expect("read"), Some(row));
}

pub(crate) async fn what_is_stored_apart_is_read_with_its_instance_and_goes_with_it(fixture: Fixture) {
    // Without history an id may begin again, which shows what the first instance left behind.
    let store = fixture.open_with(HistoryLevel::None).await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    let part = |activity, variable: &str, bytes: &[u8]| PartRow { activity, variable: variable.into(), bytes: bytes.into() };
    let changed = |count, put: &[PartRow], remove: &[(i64, &str)]| {
        let remove = remove.iter().map(|(activity, variable)| (*activity, (*variable).to_owned())).collect();
        State::Live { snapshot: b"snapshot".to_vec(), parts: Parts { count, put: put.to_vec(), remove } }
    };
    let mut write = start(&process, id);
    write.state = changed(3, &[part(1, "", b"one"), part(1, "large", b"\0\xff"), part(2, "", b"two")], &[]);
    store.commit(unit(write)).await.expect("stored");
    let row = store.load_instance(id).await.expect("read").expect("there");
    assert_eq!(row.parts, [part(1, "", b"one"), part(1, "large", b"\0\xff"), part(2, "", b"two")]);

    let mut write = step(id, 1);
    write.state = changed(2, &[part(1, "large", b"larger")], &[(2, "")]);
    store.commit(unit(write)).await.expect("stored");
    let row = store.load_instance(id).await.expect("read").expect("there");
    assert_eq!(row.parts, [part(1, "", b"one"), part(1, "large", b"larger")]);
    assert_eq!(store.instances_after(None, 10).await.expect("read"), (vec![row.clone()], None));
    assert_eq!(store.instance_with_rows(id).await.expect("read").expect("there").0, row);

    store.commit(unit(end(id, 2))).await.expect("stored");
    let again = InstanceWrite::new(id, Expect::New(head(&process)), changed(0, &[], &[]));
    store.commit(unit(again)).await.expect("stored");
    assert_eq!(store.load_instance(id).await.expect("read").expect("there").parts, []);
}

pub(crate) async fn a_unit_updates_in_place_and_removes_what_is_gone(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    let mut write = start(&process, id);
    write.put_jobs = vec![job(&process, 1, 5), job(&process, 2, 7)];
    write.put_tasks = vec![task(&process, 3), task(&process, 4)];
    write.put_subscriptions = vec![subscription(&process, 5, "paid")];
    write.put_incidents = vec![incident(&process, 6, Some(1))];
    store.commit(unit(write)).await.expect("stored");

    let mut write = step(id, 1);
    let mut failed = job(&process, 1, 50);
    failed.retries = 2;
    failed.failures = 1;
    failed.failure = Some("no answer".into());
    let mut claimed = task(&process, 3);
    claimed.assignee = Some("ann".into());
    claimed.candidate_groups = vec!["ops".into()];
    write.put_jobs = vec![failed.clone()];
    write.remove_jobs = vec![2];
    write.put_tasks = vec![claimed.clone()];
    write.remove_tasks = vec![4];
    write.remove_subscriptions = vec![5];
    write.remove_incidents = vec![resolved(6, 70)];
    assert_eq!(store.commit(unit(write)).await.expect("stored").revisions, [(id, 2)]);
    let (_, rows) = store.instance_with_rows(id).await.expect("read").expect("there");
    assert_eq!(rows, IndexRows { jobs: vec![failed], tasks: vec![claimed], ..IndexRows::default() });
    let repair = TaskFilter { candidate_groups: vec!["repair".into()], include_assigned: true, ..TaskFilter::default() };
    assert_eq!(store.count_tasks(repair).await.expect("read"), 0, "a group that may no longer claim is gone");
}

pub(crate) async fn a_late_unit_conflicts_and_its_neighbours_go_on(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(started_with(&store, &process, Vec::new()).await.0);
    }
    let units = ids.iter().enumerate().map(|(at, id)| unit(step(*id, if at % 5 == 0 { 7 } else { 1 })));
    let answers = join_all(units.map(|unit| store.commit(unit))).await;
    for (at, answer) in answers.into_iter().enumerate() {
        match answer {
            Err(CommitError::Conflict) => assert_eq!(at % 5, 0),
            Ok(committed) => assert_eq!(committed.revisions, [(ids[at], 2)]),
            other => panic!("{at}: {other:?}"),
        }
    }
    // Two at the same revision at the same moment: one of them.
    let twice = join_all([store.commit(unit(step(ids[1], 2))), store.commit(unit(step(ids[1], 2)))]).await;
    let won = twice.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(won, 1, "{twice:?}");
    // One that is handed in again, beside one that is not: its instance says that it was the last to write it.
    let (again, other) = (unit(step(ids[2], 2)), unit(step(ids[3], 2)));
    store.commit(again.clone()).await.expect("stored");
    let answers = join_all([store.commit(again), store.commit(other)]).await;
    assert!(matches!(answers[0], Err(CommitError::Conflict)), "{answers:?}");
    assert_eq!(answers[1].as_ref().expect("stored").revisions, [(ids[3], 3)]);
}

pub(crate) async fn a_unit_of_two_instances_is_stored_whole_or_not_at_all(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let (a, _) = started_with(&store, &process, Vec::new()).await;
    let (b, _) = started_with(&store, &process, Vec::new()).await;
    let child = Uuid::now_v7();
    let both = |a_revision, b_revision| Unit {
        id: Uuid::now_v7(),
        instances: vec![step(a, a_revision), start(&process, child), step(b, b_revision)],
        start_key: None,
        newest: false,
        closes: Vec::new(),
    };
    assert!(matches!(store.commit(both(1, 9)).await, Err(CommitError::Conflict)));
    assert_eq!(store.load_instance(a).await.expect("read").expect("there").revision, 1);
    assert_eq!(store.load_instance(child).await.expect("read"), None);
    let committed = store.commit(both(1, 1)).await.expect("stored");
    assert_eq!(committed.revisions, [(a, 2), (child, 1), (b, 2)]);
}

pub(crate) async fn an_ended_instance_leaves_only_history(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    let mut write = start(&process, id);
    write.put_jobs = vec![job(&process, 1, 5)];
    write.put_tasks = vec![task(&process, 2)];
    write.put_subscriptions = vec![subscription(&process, 3, "paid")];
    write.put_incidents = vec![incident(&process, 4, None)];
    store.commit(unit(write)).await.expect("stored");
    let committed = store.commit(unit(end(id, 1))).await.expect("stored");
    assert_eq!(committed.revisions, []);
    assert_eq!(store.load_instance(id).await.expect("read"), None);
    assert_eq!(store.count_jobs(JobFilter::default()).await.expect("read"), 0);
    assert_eq!(store.count_tasks(TaskFilter::default()).await.expect("read"), 0);
    assert_eq!(store.counts(100).await.expect("read").open_incidents, 0);
    let history = store.history_instance(id).await.expect("read").expect("there");
    assert_eq!((history.state.as_str(), history.ended_at), ("COMPLETED", Some(99)));
    assert_eq!((history.definition_key.as_str(), history.definition_version), ("p", Some(1)));
    assert!(matches!(store.commit(unit(step(id, 2))).await, Err(CommitError::Gone)));
}

pub(crate) async fn what_begins_and_ends_in_one_unit_never_touches_the_live_tables(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let before = store.counters();
    let id = Uuid::now_v7();
    let mut write = InstanceWrite::new(id, Expect::New(head(&process)), State::Ended { beside: Beside::ALL });
    write.history = vec![
        HistoryRow::InstanceStarted { start_activity: "Start".into(), at: 10 },
        begun(&process, 2, "Reserve", 11),
        HistoryRow::Delegate { n: 2, attempt: 2 },
        HistoryRow::ActivityEnded { n: 2, canceled: false, complete_scope: true, at: 12 },
        HistoryRow::InstanceEnded { state: "COMPLETED".into(), reason: None, at: 13, removal_at: None },
    ];
    store.commit(unit(write)).await.expect("stored");
    let after = store.counters();
    // This host's epoch with the definition, and on PostgreSQL the transaction's trace; one row of history for the instance with one for
    // the activity.
    assert_eq!(after.statements - before.statements, 2);
    assert_eq!(after.rows - before.rows, 2 + u64::from(fixture.is_postgres()));
    let filter = HistoryActivityFilter { instance: Some(id), ..HistoryActivityFilter::default() };
    let activities = store.history_activities(filter, Page::ALL, &[]).await.expect("read");
    assert_eq!(activities.len(), 1);
    let activity = &activities[0];
    assert_eq!(
        (activity.activity_id.as_str(), activity.name.as_deref(), activity.kind.as_str()),
        ("Reserve", Some("The Reserve"), "serviceTask")
    );
    assert_eq!((activity.started_at, activity.ended_at, activity.canceled, activity.complete_scope), (11, Some(12), false, true));
    assert_eq!((activity.delegate.as_deref(), activity.digest.as_deref(), activity.attempt), (Some("reserve-line"), Some("abc"), Some(2)));
    assert_eq!(store.history_instance(id).await.expect("read").expect("there").ended_at, Some(13));
}

pub(crate) async fn a_unit_at_fault_alone_gets_the_error(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let activity = |n| begun(&process, n, "Task", 1);
    let mut ids = Vec::new();
    for _ in 0..40 {
        let id = Uuid::now_v7();
        let mut write = start(&process, id);
        write.history.push(activity(2));
        store.commit(unit(write)).await.expect("stored");
        ids.push(id);
    }
    // An activity that began before cannot begin again: the primary key refuses it.
    let at_fault = |at: usize| at == 3 || at == 17 || at == 18;
    let units = ids.iter().enumerate().map(|(at, id)| {
        let mut write = step(*id, 1);
        write.history.push(activity(if at_fault(at) { 2 } else { 3 }));
        unit(write)
    });
    let answers = join_all(units.map(|unit| store.commit(unit))).await;
    for (at, answer) in answers.iter().enumerate() {
        let row = store.load_instance(ids[at]).await.expect("read").expect("there");
        if at_fault(at) {
            assert!(matches!(answer, Err(CommitError::Database(_))), "{at}: {answer:?}");
            assert_eq!(row.revision, 1);
        } else {
            assert!(answer.is_ok(), "{at}: {answer:?}");
            assert_eq!(row.revision, 2);
        }
    }
}

pub(crate) async fn fifty_starts_with_one_key_start_once(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let key = StartKey { tenant: String::new(), definition_key: "p".into(), key: "order-17".into() };
    let starts = (0..50).map(|_| {
        let id = Uuid::now_v7();
        let unit = Unit { start_key: Some(key.clone()), ..unit(start(&process, id)) };
        let store = store.clone();
        tokio::spawn(async move { (id, store.commit(unit).await) })
    });
    let mut winners = Vec::new();
    let mut told = Vec::new();
    for started in join_all(starts).await {
        match started.expect("a task") {
            (id, Ok(_)) => winners.push(id),
            (_, Err(CommitError::AlreadyStarted { instance })) => told.push(instance),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((winners.len(), told.len()), (1, 49));
    assert!(told.iter().all(|id| *id == winners[0]));
    assert_eq!(store.count_instances(InstanceFilter::default()).await.expect("read"), 1);
    let first = store.keyed_start(&key).await.expect("read").expect("it is remembered");
    assert_eq!(
        (first.instance, first.definition_id.as_str(), first.business_key.as_deref()),
        (winners[0], process.id.as_str(), Some("order-1"))
    );
    assert_eq!(store.keyed_start_of(&process.id, &key.key).await.expect("read"), Some(first));
    assert_eq!(store.keyed_start_of("p:9:gone", &key.key).await.expect("read"), None);
    assert_eq!(store.keyed_start(&StartKey { tenant: "t".into(), ..key.clone() }).await.expect("read"), None);
    // Another tenant, another definition, another key: other starts.
    for other in [
        StartKey { tenant: "t".into(), ..key.clone() },
        StartKey { definition_key: "q".into(), ..key.clone() },
        StartKey { key: "order-18".into(), ..key.clone() },
    ] {
        let unit = Unit { start_key: Some(other), ..unit(start(&process, Uuid::now_v7())) };
        store.commit(unit).await.expect("stored");
    }
}

pub(crate) async fn a_nul_byte_is_refused_at_the_edge(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let mut write = start(&process, Uuid::now_v7());
    write.put_tasks = vec![task(&process, 3)];
    write.put_tasks[0].candidate_groups.push("o\0ps".into());
    match store.commit(unit(write)).await {
        Err(CommitError::Refused(reason)) => assert!(reason.contains("candidate group"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let filter = task_asked("name", AskedValue::Text("a\0".into()));
    assert!(matches!(store.count_tasks(filter).await, Err(mandate_store::Error::Refused(_))));
    let filter = TaskFilter { candidate_groups: vec!["a\0".into()], ..TaskFilter::default() };
    assert!(matches!(store.count_tasks(filter).await, Err(mandate_store::Error::Refused(_))));
}

pub(crate) async fn suspending_an_instance_takes_its_jobs_and_tasks_along(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    let mut write = start(&process, id);
    write.put_jobs = vec![job(&process, 1, 5)];
    write.put_tasks = vec![task(&process, 2)];
    store.commit(unit(write)).await.expect("stored");
    let mut write = step(id, 1);
    write.suspended = Some(true);
    write.put_jobs = vec![job(&process, 3, 5)];
    store.commit(unit(write)).await.expect("stored");
    assert!(store.load_instance(id).await.expect("read").expect("there").suspended);
    assert_eq!(store.claim(100, 10, &Except::NOTHING).await.expect("claimed"), []);
    let suspended = task_asked("suspended", AskedValue::Holds(true));
    assert_eq!(store.count_tasks(suspended).await.expect("read"), 1);
    assert_eq!(store.history_instance(id).await.expect("read").expect("there").state, "SUSPENDED");
    // A job that comes while the instance is suspended is suspended too.
    let mut write = step(id, 2);
    write.put_jobs = vec![job(&process, 4, 5)];
    store.commit(unit(write)).await.expect("stored");
    assert_eq!(store.claim(100, 10, &Except::NOTHING).await.expect("claimed"), []);
    let mut write = step(id, 3);
    write.suspended = Some(false);
    store.commit(unit(write)).await.expect("stored");
    assert_eq!(store.claim(100, 10, &Except::NOTHING).await.expect("claimed").len(), 3);
    assert_eq!(store.history_instance(id).await.expect("read").expect("there").state, "ACTIVE");
}

pub(crate) async fn history_keeps_what_its_level_says(fixture: Fixture) {
    let mut kept = Vec::new();
    for level in [HistoryLevel::None, HistoryLevel::Activity, HistoryLevel::Audit, HistoryLevel::Full] {
        let store = fixture.open_with(level).await;
        let process = definition(&store, "p").await;
        let id = Uuid::now_v7();
        let mut write = start(&process, id);
        write.put_tasks = vec![task(&process, 3)];
        for value in ["1", "2"] {
            write.history.push(HistoryRow::Variable {
                scope: 1,
                name: "x".into(),
                kind: "Integer".into(),
                json: value.into(),
                removed: false,
                at: 11,
            });
        }
        write.history.push(begun(&process, 2, "Task", 12));
        store.commit(unit(write)).await.expect("stored");
        let instances = store.count_history_instances(HistoryInstanceFilter::default()).await.expect("read");
        let activities = store.count_history_activities(HistoryActivityFilter::default()).await.expect("read");
        let variables = store.history_variables(id).await.expect("read");
        kept.push((instances, activities, variables.iter().map(|variable| variable.json.clone()).collect::<Vec<_>>()));
        store.close().await;
    }
    let latest = || vec!["2".to_owned()];
    assert_eq!(kept, [(0, 0, vec![]), (1, 1, vec![]), (2, 2, latest()), (3, 3, latest())]);
}

pub(crate) async fn a_unit_of_nothing_that_is_there_is_gone(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    assert!(matches!(store.commit(unit(step(Uuid::now_v7(), 1))).await, Err(CommitError::Gone)));
    let mut deleted = process.clone();
    deleted.id = "p:9:gone".into();
    assert!(matches!(store.commit(unit(start(&deleted, Uuid::now_v7()))).await, Err(CommitError::Gone)));
    let twice = InstanceWrite::new(Uuid::now_v7(), Expect::New(head(&process)), live());
    let unit = Unit { id: Uuid::now_v7(), instances: vec![twice.clone(), twice], start_key: None, newest: false, closes: Vec::new() };
    assert!(matches!(store.commit(unit).await, Err(CommitError::Refused(_))));
}

/// A start does not ask again what its host knows from the start before it.
pub(crate) async fn a_start_knows_the_last_that_became_of_its_definition(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let begin = async || {
        let mut begin = unit(start(&process, Uuid::now_v7()));
        begin.newest = true;
        let before = store.counters().statements;
        (store.commit(begin).await, store.counters().statements - before)
    };
    let ((first, asking), (second, knowing)) = (begin().await, begin().await);
    assert!(first.is_ok() && second.is_ok());
    assert_eq!((asking, knowing), (2, 1), "all of a lone start is one statement");

    for (suspended, instances) in [(true, 2), (false, 3)] {
        store.set_definition_suspended(&process.id, suspended, |_| Vec::new()).await.expect("written");
        let (begun, _) = begin().await;
        assert_eq!(matches!(begun, Err(CommitError::Suspended)), suspended, "{begun:?}");
        assert_eq!(fixture.count("instance").await, instances);
    }
    let newest = definition(&store, "p").await;
    assert!(matches!(begin().await.0, Err(CommitError::Superseded)));
    let gone = store.delete_definitions(vec![process.id.clone(), newest.id], true, &[], &Vec::new(), 0).await.expect("answered");
    assert!(matches!(gone, DeploymentDeletion::Deleted { .. }), "{gone:?}");
    assert!(matches!(begin().await.0, Err(CommitError::Gone)));
}

pub(crate) async fn many_units_share_few_transactions(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let before = store.counters();
    let starts = (0..1_000).map(|n| {
        let mut write = start(&process, Uuid::now_v7());
        write.put_jobs = vec![job(&process, 1, n)];
        let store = store.clone();
        tokio::spawn(async move { store.commit(unit(write)).await.expect("stored") })
    });
    for started in join_all(starts).await {
        started.expect("a task");
    }
    let after = store.counters();
    assert_eq!(after.units - before.units, 1_000);
    let (commits, statements) = (after.commits - before.commits, after.statements - before.statements);
    assert!(commits <= 250, "{commits} transactions for 1000 units that came at once");
    assert!(statements <= commits * 6, "{statements} statements in {commits} transactions");
    assert_eq!(store.count_instances(InstanceFilter::default()).await.expect("read"), 1_000);
}

/// Of the units of a busy instance all that began from one state lose the race together, and no other unit waits for them.
pub(crate) async fn units_that_lose_one_race_together_cost_few_transactions(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    store.commit(unit(start(&process, id))).await.expect("stored");
    for revision in 1..4 {
        let before = store.counters();
        let steps = join_all((0..300).map(|_| store.commit(unit(step(id, revision)))));
        let others = join_all((0..40).map(|_| store.commit(unit(start(&process, Uuid::now_v7())))));
        let (steps, others) = tokio::join!(steps, others);
        let stored = steps.iter().filter(|answer| answer.is_ok()).count();
        let late = steps.iter().filter(|answer| matches!(answer, Err(CommitError::Conflict))).count();
        assert_eq!((stored, late), (1, 299));
        assert!(others.iter().all(Result::is_ok));
        let after = store.counters();
        let (commits, statements) = (after.commits - before.commits, after.statements - before.statements);
        assert!(commits <= 20 && statements <= 120, "{statements} statements in {commits} transactions");
    }
    store.close().await;
}

/// To be run by one thread: then the committer has all of them before it begins.
pub(crate) async fn units_that_come_at_once_share_a_transaction(fixture: Fixture) {
    const MANY: u64 = 50;
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let before = store.counters();
    let starts = (0..MANY).map(|n| {
        let mut write = start(&process, Uuid::now_v7());
        write.put_jobs = vec![job(&process, 1, i64::try_from(n).expect("small"))];
        store.commit(unit(write))
    });
    for started in join_all(starts).await {
        started.expect("stored");
    }
    let after = store.counters();
    assert_eq!((after.units - before.units, after.commits - before.commits), (MANY, 1));
    let statements = after.statements - before.statements;
    assert!(statements <= 6, "{statements} statements in one transaction");
}
