//! Lists of rows that have been made large, by failures, workers, operators or services: one answer holds so many of them.

use std::future::Future;

use mandate_store::query::{
    ExternalTaskFilter, HistoryIncidentFilter, HistoryInstanceFilter, HistoryTaskFilter, IncidentFilter, IncidentName, JobFilter,
    MAX_ANSWER_BYTES, OperationFilter, Page, TaskFilter,
};
use mandate_store::{Error, ExternalTaskRow, HistoryRow, IncidentRow, JobRow, OperationRow, TaskRow};
use uuid::Uuid;

use crate::common::{Fixture, definition, end, external_task, incident, job, start, started_with, task, unit};
use crate::ledger::{close, open};
use crate::operations::operation;

/// As large as a text of a row can be.
const LARGE: usize = 1 << 20;

/// So many of them are more than one answer holds.
const ROWS: i64 = 17;

/// Part of a list is answered, and all of it is refused.
async fn check<T, F: Future<Output = Result<Vec<T>, Error>>>(what: &str, list: impl Fn(Page) -> F) {
    let many = usize::try_from(ROWS).expect("a few");
    assert_eq!(list(Page { first: 0, max: 15 }).await.unwrap_or_else(|error| panic!("{what}: {error}")).len(), 15, "{what}");
    let refused = list(Page { first: 0, max: 10_000 }).await.err();
    let fitting =
        format!("more than {} of these rows are too much for one answer; ask for fewer with maxResults", MAX_ANSWER_BYTES / LARGE - 1);
    assert!(matches!(&refused, Some(Error::Refused(why)) if *why == fitting), "{what}: {refused:?}");
    // Who wants all of them for himself has them.
    assert_eq!(list(Page::ALL).await.expect("read").len(), many, "{what}");
}

pub(crate) async fn lists_of_large_rows_are_refused_where_one_answer_does_not_hold_them(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let text = "x".repeat(LARGE);
    let (id, large) = (Uuid::now_v7(), || Some(text.clone()));
    let mut write = start(&process, id);
    for n in 1..=ROWS {
        write.put_jobs.push(JobRow { failure: large(), failures: 1, ..job(&process, n, 5) });
        write.put_tasks.push(TaskRow { description: large(), ..task(&process, 100 + n) });
        write.put_external_tasks.push(ExternalTaskRow { failure: large(), failures: 1, ..external_task(&process, 200 + n, "t") });
        write.put_incidents.push(IncidentRow { message: text.clone(), ..incident(&process, 300 + n, Some(n)) });
        write.operations.push(OperationRow { new_value: large(), ..operation(Some(id), "Claim", n) });
    }
    store.commit(unit(write)).await.expect("stored");

    check("jobs", |page| store.jobs(JobFilter::default(), page, &[])).await;
    check("tasks", |page| store.tasks(TaskFilter::default(), page, &[])).await;
    check("external tasks", |page| store.external_tasks(ExternalTaskFilter::default(), page, &[])).await;
    check("incidents", |page| store.incidents(IncidentFilter::default(), page, &[])).await;
    check("operations", |page| store.operations(OperationFilter::default(), page, &[])).await;
    check("incidents in history", |page| store.remembered_incidents(HistoryIncidentFilter::default(), page, &[])).await;
    check("tasks in history", |page| store.remembered_tasks(HistoryTaskFilter::default(), page, &[])).await;
    // Who wants their names only is not stopped by what else they have.
    assert_eq!(store.job_names(JobFilter::default()).await.expect("read").len(), 17);
    assert_eq!(store.external_task_names(ExternalTaskFilter::default(), 10_000).await.expect("read").len(), 17);
    store.close().await;
}

pub(crate) async fn attempts_and_instances_that_are_large_are_no_exception(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let (id, _) = started_with(&store, &process, vec![job(&process, 1, 5)]).await;
    for n in 0..ROWS {
        let attempt = open(id, mandate_store::Origin::Job(1), &format!("k{n}"));
        store.ledger_open(attempt.clone()).await.expect("written");
        let reply = Some(format!("\"{}\"", "x".repeat(LARGE - 2)));
        store
            .ledger_close(mandate_store::LedgerClose { reply, ..close(&attempt, 1, mandate_store::LedgerState::Applied) })
            .await
            .expect("written");
        let (ended, reason) = (Uuid::now_v7(), Some("x".repeat(LARGE)));
        store.commit(unit(start(&process, ended))).await.expect("stored");
        let mut write = end(ended, 1);
        write.history = vec![HistoryRow::InstanceEnded { state: "EXTERNALLY_TERMINATED".into(), reason, at: 50, removal_at: None }];
        store.commit(unit(write)).await.expect("stored");
    }
    check("ledger", |page| store.ledger_of_instance(id, page)).await;
    let over = || HistoryInstanceFilter { finished: true, ..HistoryInstanceFilter::default() };
    check("instances in history", |page| store.history_instances(over(), page, &[])).await;
    store.close().await;
}

pub(crate) async fn an_incident_has_its_detail_where_it_is_asked_for_and_a_list_has_none(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let id = Uuid::now_v7();
    let mut write = start(&process, id);
    let detail = format!("\"{}\"", "x".repeat(LARGE - 2));
    write.put_incidents = (1..=ROWS).map(|n| IncidentRow { detail: detail.clone(), ..incident(&process, n, None) }).collect();
    store.commit(unit(write)).await.expect("stored");
    let listed = store.incidents(IncidentFilter::default(), Page { first: 0, max: 10_000 }, &[]).await.expect("read");
    assert_eq!((listed.len(), listed.iter().all(|it| it.row.detail.is_empty())), (17, true));
    let named = IncidentFilter { name: Some(IncidentName { instance: id, n: 7, at: None }), ..IncidentFilter::default() };
    let found = store.incidents(named, Page::ALL, &[]).await.expect("read");
    assert!(found.len() == 1 && found[0].row.detail == detail);
    store.close().await;
}
