//! Removing history whose time to live is over, and reading it before.

use std::collections::BTreeMap;

use mandate_store::query::{HistoryInstanceFilter, RecordRows};
use mandate_store::{
    CalledBy, Due, Error, Expect, HistoryDeletion, HistoryLevel, HistoryRow, InstanceHead, InstanceWrite, LedgerState, Origin, StartKey,
    Store, Unit,
};
use uuid::Uuid;

use crate::common::{Fixture, begun, definition, end, head, incident, job, start, started_with, step, subscription, task, unit};
use crate::ledger::{close, open};
use crate::operations::operation;

/// Everything that history has, with rows in every table. It ended at 99.
async fn ended(store: &Store, key: &str, removal: Option<i64>) -> Uuid {
    let process = definition(store, "p").await;
    let id = Uuid::now_v7();
    let mut write = start(&process, id);
    write.history.push(begun(&process, 2, "Task", 11));
    for json in ["1", "2"] {
        write.history.push(HistoryRow::Variable {
            scope: 1,
            name: "amount".into(),
            kind: "Integer".into(),
            json: json.into(),
            removed: false,
            at: 12,
        });
    }
    write.put_jobs = vec![job(&process, 1, 5)];
    write.put_tasks = vec![task(&process, 2)];
    write.put_subscriptions = vec![subscription(&process, 3, "paid")];
    write.put_incidents = vec![incident(&process, 4, Some(1))];
    let start_key = StartKey { tenant: String::new(), definition_key: "p".into(), key: key.into() };
    store.commit(Unit { start_key: Some(start_key), ..unit(write) }).await.expect("stored");
    let asked = open(id, Origin::Job(1), key);
    store.ledger_open(asked.clone()).await.expect("opened");
    store.ledger_close(close(&asked, 1, LedgerState::Applied)).await.expect("closed");
    let mut write = end(id, 1);
    let Some(HistoryRow::InstanceEnded { removal_at, .. }) = write.history.last_mut() else { panic!("it ends") };
    *removal_at = removal;
    store.commit(unit(write)).await.expect("stored");
    id
}

/// How many rows of each list the record of an ended instance has.
pub(crate) async fn recorded(store: &Store, id: Uuid) -> Option<BTreeMap<&'static str, usize>> {
    let mut record = store.instance_record(id).await.expect("read")?;
    let (mut counts, mut is_last) = (BTreeMap::new(), true);
    while let Some(part) = record.next().await.expect("read") {
        assert_eq!(part.is_first, is_last, "one list after the other");
        is_last = part.is_last;
        let (list, count) = match part.rows {
            RecordRows::Activities(rows) => ("activities", rows.len()),
            RecordRows::Variables(rows) => ("variables", rows.len()),
            RecordRows::Updates(rows) => ("updates", rows.len()),
            RecordRows::Tasks(rows) => {
                *counts.entry("links").or_default() += rows.iter().map(|(_, links)| links.len()).sum::<usize>();
                ("tasks", rows.len())
            }
            RecordRows::Incidents(rows) => ("incidents", rows.len()),
            RecordRows::Operations(rows) => ("operations", rows.len()),
            RecordRows::Ledger(rows) => ("ledger", rows.len()),
        };
        *counts.entry(list).or_default() += count;
    }
    assert!(is_last, "all of them");
    Some(counts)
}

/// How many rows there are of each kind.
async fn rows(fixture: &Fixture) -> Vec<i64> {
    const TABLES: [&str; 11] = [
        "history_instance",
        "history_activity",
        "history_variable",
        "history_variable_update",
        "history_task",
        "history_task_link",
        "history_incident",
        "history_incident_caller",
        "instance",
        "start_key",
        "ledger",
    ];
    let mut rows = Vec::new();
    for table in TABLES {
        rows.push(fixture.count(table).await);
    }
    rows
}

pub(crate) async fn history_goes_when_its_time_is_over_and_not_before(fixture: Fixture) {
    let store = fixture.open_with(HistoryLevel::Full).await;
    let first = ended(&store, "first", Some(200)).await;
    let later = ended(&store, "later", Some(300)).await;
    let kept = ended(&store, "kept", None).await;
    let process = definition(&store, "p").await;
    let live = Uuid::now_v7();
    // The first has called it, and has its incident as well.
    let called_by = Some(CalledBy { instance: first, activity_id: "Call".into(), activity: 3, root: first });
    let expect = Expect::New(InstanceHead { called_by, ..head(&process) });
    let fails = InstanceWrite { put_incidents: vec![incident(&process, 4, None)], expect, ..start(&process, live) };
    store.commit(unit(fails)).await.expect("stored");
    let all = vec![first, later, kept, live];

    let due = async |now, max, behind| store.history_due(now, max, behind).await.expect("read");
    let [of_first, of_later] = [(200, first), (300, later)].map(|(since, instance)| Due { since, instance });
    assert!(due(199, 10, None).await.is_empty());
    assert_eq!(due(1_000, 10, None).await, [of_first, of_later]);
    assert_eq!(due(1_000, 1, None).await, [of_first]);
    assert_eq!(due(1_000, 10, Some(of_first)).await, [of_later]);
    assert!(due(299, 10, Some(of_first)).await.is_empty());
    assert!(due(1_000, 10, Some(of_later)).await.is_empty());
    assert_eq!(store.counts(250).await.expect("read").history_due, 1);
    assert_eq!(store.history_instance(first).await.expect("read").expect("there").removal_at, Some(200));
    assert!(store.take_history_cleanup().await.expect("asked"));
    assert!(store.take_history_cleanup().await.expect("asked"), "it stays this host's");

    let before = rows(&fixture).await;
    assert_eq!(before, [4, 3, 3, 6, 3, 9, 4, 1, 1, 3, 3]);
    assert_eq!(store.remove_history(all.clone(), 199).await.expect("removed"), Some(0));
    assert_eq!(rows(&fixture).await, before);

    assert_eq!(store.remove_history(all.clone(), 200).await.expect("removed"), Some(1));
    assert_eq!(recorded(&store, first).await, None);
    assert_eq!(store.remove_history(all.clone(), 300).await.expect("removed"), Some(1));
    // What is kept for ever and what lives stays, whenever it is.
    assert_eq!(store.remove_history(all, i64::MAX).await.expect("removed"), Some(0));
    // Of one ended instance and one that lives; what was started under a key, and what was sent, is remembered of all.
    assert_eq!(rows(&fixture).await, [2, 1, 1, 2, 1, 3, 2, 0, 1, 3, 3]);
    let record = recorded(&store, kept).await.expect("there");
    assert_eq!((record["updates"], record["tasks"], record["incidents"], record["ledger"]), (2, 1, 1, 1));
    let mut reader = store.instance_record(kept).await.expect("read").expect("there");
    let mut linked = Vec::new();
    while let Some(part) = reader.next().await.expect("read") {
        if let RecordRows::Tasks(tasks) = part.rows {
            linked.extend(tasks.into_iter().flat_map(|(_, links)| links).map(|it| (it.kind, it.name)));
        }
    }
    let wanted = [("group", "ops"), ("group", "repair"), ("user", "ann")].map(|(kind, name)| (kind.to_owned(), name.to_owned()));
    assert_eq!(linked, wanted);
    let key = StartKey { tenant: String::new(), definition_key: "p".into(), key: "first".into() };
    assert_eq!(store.keyed_start(&key).await.expect("read").expect("there").instance, first);
    store.commit(unit(step(live, 1))).await.expect("it goes on");
}

pub(crate) async fn a_cascade_and_the_cleanup_leave_nothing_to_each_other(fixture: Fixture) {
    let store = fixture.open().await;
    let id = ended(&store, "k", Some(200)).await;
    let process = store.history_instance(id).await.expect("read").expect("there");
    assert!(store.take_history_cleanup().await.expect("asked"));
    let deployment = store.definition(&process.definition_id).await.expect("read").expect("there").deployment_id;
    store.delete_deployment(&deployment, true, &[], &Vec::new(), 0).await.expect("deleted");
    // Found before, gone since.
    assert_eq!(store.remove_history(vec![id], 1_000).await.expect("removed"), Some(0));
    assert!(store.history_due(1_000, 10, None).await.expect("read").is_empty());
}

/// Far more activities than one transaction removes.
async fn enlarge(fixture: &Fixture, id: Uuid) {
    enlarge_by(fixture, id, 12_000).await;
}

async fn enlarge_by(fixture: &Fixture, id: Uuid, rows: u32) {
    let last = 1_000 + rows;
    let id = if fixture.is_postgres() { format!("'{id}'::uuid") } else { format!("x'{}'", id.simple()) };
    fixture
        .raw(&format!(
            "INSERT INTO history_activity (instance_id, n, parent, element, started_at, ended_at, canceled, complete_scope) \
             WITH RECURSIVE numbers (n) AS (SELECT 1000 UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}) \
             SELECT {id}, n, 1, 1, 20, 30, FALSE, FALSE FROM numbers"
        ))
        .await;
}

/// Everybody may die between two transactions: what is left is not told of, not exported again, and gone in the end.
pub(crate) async fn a_large_history_goes_in_slices(fixture: Fixture) {
    let store = fixture.open_with(HistoryLevel::Full).await;
    let large = ended(&store, "large", Some(200)).await;
    let deleted = ended(&store, "deleted", None).await;
    let kept = ended(&store, "kept", None).await;
    store.close().await;
    enlarge(&fixture, large).await;
    enlarge(&fixture, deleted).await;

    let store = fixture.open_with(HistoryLevel::Full).await;
    assert!(store.take_history_cleanup().await.expect("asked"));
    assert_eq!(store.remove_history(vec![large, kept], 200).await.expect("removed"), Some(1));
    let operations = vec![operation(Some(deleted), "DeleteHistory", 1)];
    assert_eq!(store.delete_history(deleted, &operations).await.expect("removed"), HistoryDeletion::Deleted);
    store.close().await;
    // As another host finds it.
    let store = fixture.open_with(HistoryLevel::Full).await;
    for id in [large, deleted] {
        assert_eq!(store.history_instance(id).await.expect("read"), None);
        assert_eq!(recorded(&store, id).await, None, "it would be exported once more, and less of it");
    }
    assert!(store.history_due(i64::MAX, 10, None).await.expect("read").is_empty());
    assert!(fixture.count("history_activity").await > 10_000, "not in one transaction");
    assert_eq!(fixture.count("history_remains").await, 2);
    assert!(store.history_orphans().await.expect("read").is_empty(), "they are looked for");
    assert_eq!(store.counts(0).await.expect("read").history_due, 2, "it is not all gone");
    let mut left = Vec::new();
    while let Some(next) = removed_some_left(&store, 10).await {
        left.extend(next);
    }
    left.dedup();
    assert_eq!(left, [large, deleted], "one after the other");
    // Of one ended instance; and what was started under a key, and what was sent, of all.
    assert_eq!(rows(&fixture).await, [1, 1, 1, 2, 1, 3, 1, 0, 0, 3, 3]);
    assert_eq!((fixture.count("history_remains").await, fixture.count("history_operation").await), (0, 1));
    assert!(recorded(&store, kept).await.is_some());
}

/// A slice of what is left, of which instances; none: nothing is left.
async fn removed_some_left(store: &Store, max: u32) -> Option<Vec<Uuid>> {
    let left: Vec<Uuid> = store.history_left(max, None).await.expect("read").iter().map(|left| left.instance).collect();
    if left.is_empty() {
        return store.find_left_history(max).await.expect("looked").then(Vec::new);
    }
    store.remove_left_history(left.clone()).await.expect("removed");
    Some(left)
}

/// None of them is half gone, and nothing is put off but of one that is too much by itself.
pub(crate) async fn as_many_instances_go_as_are_not_too_much_for_one_transaction(fixture: Fixture) {
    let store = fixture.open_with(HistoryLevel::Full).await;
    let mut ids = Vec::new();
    for n in 0..40 {
        ids.push(ended(&store, &format!("k{n}"), Some(200 + n)).await);
    }
    let rows_each = fixture.count("history_activity").await / 40;
    store.close().await;
    for (n, id) in ids.iter().enumerate() {
        enlarge_by(&fixture, *id, if n == 30 { 12_000 } else { 400 }).await;
    }
    let large = |n: usize| if n == 30 { 12_001 } else { 401 };
    let store = fixture.open_with(HistoryLevel::Full).await;
    assert!(store.take_history_cleanup().await.expect("asked"));
    let (mut batches, mut gone) = (Vec::new(), 0);
    while gone < 40 {
        let due = store.history_due(1_000, 256, None).await.expect("read");
        let due: Vec<Uuid> = due.iter().map(|due| due.instance).collect();
        assert_eq!(due, ids[gone..gone + due.len()], "the longest due first");
        assert_eq!(store.remove_history(due.clone(), 1_000).await.expect("removed"), Some(due.len()));
        batches.push(due.len());
        gone += due.len();
        let left: Vec<Uuid> = store.history_left(256, None).await.expect("read").iter().map(|left| left.instance).collect();
        assert_eq!(left, if due == [ids[30]] { due } else { Vec::new() });
        while removed_some_left(&store, 256).await.is_some() {}
        let kept: i64 = (gone..40).map(|n| rows_each + large(n)).sum();
        assert_eq!(fixture.count("history_activity").await, kept, "of those that are still due everything is there");
    }
    assert!(batches.len() < 12 && batches.contains(&1) && batches.iter().max() >= Some(&8), "{batches:?}");
    assert_eq!(rows(&fixture).await[..8], [0; 8]);
}

/// A page of each list, a page and one, and pages in which the last key of one is the first of the next but for its second part.
pub(crate) async fn a_record_is_read_part_by_part_and_is_whole(fixture: Fixture) {
    let store = fixture.open_with(HistoryLevel::Full).await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    let mut write = start(&process, id);
    for n in 0..200 {
        let (scope, name) = (1 + n / 150, format!("v{n}"));
        write.history.push(HistoryRow::Variable { scope, name, kind: "Integer".into(), json: "1".into(), removed: false, at: 12 });
    }
    for n in 0..101 {
        write.put_tasks.push(task(&process, 100 + n));
        write.put_incidents.push(incident(&process, 300 + n, None));
        write.operations.push(operation(Some(id), "Claim", n));
    }
    write.put_jobs = vec![job(&process, 1, 5)];
    store.commit(unit(write)).await.expect("stored");
    for n in 0..11 {
        store.ledger_open(open(id, Origin::Job(1), &format!("k{n}"))).await.expect("opened");
    }
    store.commit(unit(end(id, 1))).await.expect("ended");
    store.close().await;
    enlarge(&fixture, id).await;
    let store = fixture.open_with(HistoryLevel::Full).await;
    let counts = recorded(&store, id).await.expect("it has ended");
    let activities = usize::try_from(fixture.count("history_activity").await).expect("a count");
    let expected = [
        ("activities", activities),
        ("incidents", 101),
        ("ledger", 11),
        ("links", 303),
        ("operations", 101),
        ("tasks", 101),
        ("updates", 200),
        ("variables", 200),
    ];
    assert!(activities > 12_000, "{activities}");
    assert_eq!(counts, BTreeMap::from(expected));

    // One that is removed while it is read is not taken for whole.
    let mut record = store.instance_record(id).await.expect("read").expect("it has ended");
    record.next().await.expect("read").expect("a part");
    store.delete_history(id, &[]).await.expect("deleted");
    let error = loop {
        match record.next().await {
            Ok(part) => drop(part.expect("the last one is an error")),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Removed(of) if of == id), "{error}");
}

/// As whoever deletes dies behind the commit that does.
pub(crate) async fn history_of_a_cascade_goes_whoever_has_begun_it(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let other = definition(&store, "p").await;
    let mut of_both = Vec::new();
    for definition in [&process, &other, &process, &process] {
        let (id, _) = started_with(&store, definition, Vec::new()).await;
        store.commit(unit(end(id, 1))).await.expect("ended");
        of_both.push(id);
    }
    let ended_at = store.history_instance(of_both[0]).await.expect("read").expect("there").ended_at.expect("just ended");
    store.delete_definitions(vec![process.id.clone()], false, &[], &Vec::new(), 0).await.expect("deleted");
    store.close().await;
    fixture.raw("UPDATE deleted_definition SET with_history = TRUE").await;
    let one = if fixture.is_postgres() { "gen_random_uuid()" } else { "randomblob(16)" };
    fixture
        .raw(&format!(
            "INSERT INTO history_instance (instance_id, tenant, definition_id, definition_key, started_at, ended_at, state) \
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3000) \
             SELECT {one}, '', '{}', 'p', 1, {ended_at} - 1500 + n, 'COMPLETED' FROM numbers",
            other.id
        ))
        .await;
    let store = fixture.open().await;
    assert_eq!(store.remove_left_elements().await.expect("looked"), 0, "history tells of them still");
    while removed_some_left(&store, 2).await.is_some() {
        assert!(fixture.count("history_remains").await <= 2, "no more than are removed at once");
    }
    for (n, id) in of_both.into_iter().enumerate() {
        assert_eq!(store.history_instance(id).await.expect("read").is_some(), n == 1, "{n}");
    }
    assert_eq!(fixture.count("history_instance").await, 3_001);
    assert_eq!((fixture.count("element").await, fixture.count("deleted_definition").await), (5, 0), "those of the other version");
}

pub(crate) async fn finished_instances_are_found_page_by_page(fixture: Fixture) {
    let store = fixture.open().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(ended(&store, &format!("k{n}"), None).await);
    }
    let process = definition(&store, "p").await;
    let live = Uuid::now_v7();
    store.commit(unit(start(&process, live))).await.expect("stored");
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.finished_instances(HistoryInstanceFilter::default(), after, 2).await.expect("read");
        if page.is_empty() {
            break;
        }
        after = page.last().copied();
        found.extend(page);
    }
    assert_eq!(found, ids);
    assert_eq!(recorded(&store, live).await, None, "it has not ended");
}
