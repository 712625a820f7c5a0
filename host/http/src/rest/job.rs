//! `/job`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use mandate_runtime::engine::Rejection;
use mandate_runtime::query::{DELIVERY, JobFilter, JobListed, JobSort, Order, Page, Reads, START_TIMER};
use mandate_runtime::{JobDefinition, JobDefinitionName, StoreError};
use serde_json::{Value, json};

use super::list::{List, by_query_or_body};
use super::{NO_ACTIVITY, camunda};
use crate::error::stored;
use crate::extract::{Body, Params, Segments};
use crate::operator::Acting;
use crate::query_params::{Fields, public_or_none};
use crate::{App, Error, date};

/// The kinds of timers' jobs.
const TIMERS: [&str; 3] = ["timer", "event-timer", START_TIMER];

/// More retries than this are a loop without an end.
const MAX_RETRIES: u32 = 1_000;

pub(super) fn router() -> Router<App> {
    Router::new()
        .merge(by_query_or_body::<Jobs>())
        .route("/job/{id}", get(one).delete(delete))
        .route("/job/{id}/stacktrace", get(stacktrace))
        .route("/job/{id}/retries", put(retries))
        .route("/job/{id}/priority", put(priority))
        .route("/job/{id}/execute", post(execute))
        .route("/job/{id}/duedate", put(due_date))
        .route("/job/{id}/duedate/recalculate", post(recalculate))
}

struct Jobs;

impl List for Jobs {
    const PATH: &'static str = "/job";
    const CAMUNDA: &'static [&'static str] = camunda::JOBS;
    const SORTS: &'static [(&'static str, JobSort)] = &[
        ("jobId", JobSort::Id),
        ("executionId", JobSort::Instance),
        ("processInstanceId", JobSort::Instance),
        ("processDefinitionId", JobSort::DefinitionId),
        ("processDefinitionKey", JobSort::DefinitionKey),
        ("jobRetries", JobSort::Retries),
        ("jobDueDate", JobSort::Due),
        ("jobPriority", JobSort::Priority),
        ("tenantId", JobSort::Tenant),
    ];

    type Sort = JobSort;
    type Filter = JobFilter;
    type Row = JobListed;

    fn filter(fields: &mut Fields, app: &App) -> Result<JobFilter, Error> {
        let (due_after, due_before) = fields.comparisons("dueDates")?;
        let (created_after, created_before) = fields.comparisons("createTimes")?;
        let (timers, messages) = match fields.either("timers", "messages")? {
            None => (false, false),
            Some(timers) => (timers, !timers),
        };
        Ok(JobFilter {
            ids: fields.public_ids("jobId", Some("jobIds"))?.into_iter().map(super::numbered).collect(),
            instances: fields.instances("processInstanceId", Some("processInstanceIds"))?.into_iter().map(|id| id.0).collect(),
            definition_id: fields.text("processDefinitionId")?,
            definition_key: fields.text("processDefinitionKey")?,
            job_definition: fields.text("jobDefinitionId")?.map(|id| JobDefinition::named(&id).unwrap_or_else(nobodys)),
            activity_id: fields.text("activityId")?,
            execution: fields.text("executionId")?.map(|id| super::scope_or_none(&id)),
            acquired: fields.flag("acquired")?,
            failed_activity_id: fields.text("failedActivityId")?,
            with_retries_left: fields.flag("withRetriesLeft")?,
            no_retries_left: fields.flag("noRetriesLeft")?,
            executable_at: fields.flag("executable")?.then(|| app.runtime.now()),
            priority_to: fields.whole("priorityLowerThanOrEquals")?,
            priority_from: fields.whole("priorityHigherThanOrEquals")?,
            timers,
            messages,
            with_exception: fields.flag("withException")?,
            exception_message: fields.text("exceptionMessage")?,
            due_before,
            due_after,
            created_before,
            created_after,
            suspended: fields.suspension()?,
            tenants: fields.tenants(Some("includeJobsWithoutTenantId"))?,
            without_tenant: fields.flag("withoutTenantId")?,
        })
    }

    async fn rows(reads: &Reads, filter: JobFilter, page: Page, sort: &[(JobSort, Order)]) -> Result<Vec<JobListed>, StoreError> {
        reads.jobs(filter, page, sort).await
    }

    async fn count(reads: &Reads, filter: JobFilter) -> Result<i64, StoreError> {
        reads.count_jobs(filter).await
    }

    fn dto(row: &JobListed) -> Value {
        dto(row)
    }
}

/// An id that is none finds nothing.
fn nobodys() -> JobDefinitionName {
    JobDefinitionName { definition_id: String::new(), activity_id: String::new(), kind: String::new() }
}

async fn find(app: &App, id: &str) -> Result<JobListed, Error> {
    let filter = JobFilter { ids: vec![super::numbered(public_or_none(id))], ..JobFilter::default() };
    stored(app.runtime.reads().jobs(filter, Page::ALL, &[]).await)?.pop().ok_or_else(|| missing(id))
}

async fn one(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let found = find(&app, &id).await.map_err(|error| error.or_missing(|| Error::NotFound(format!("Job with id {id} does not exist"))));
    found.map(|row| Json(dto(&row)))
}

/// There are no stack traces of models and components; the last failure's message is what there is to read.
async fn stacktrace(State(app): State<App>, Segments(id): Segments<String>) -> Result<String, Error> {
    Ok(find(&app, &id).await?.row.failure.unwrap_or_default())
}

/// Camunda's `JobDto`.
fn dto(listed: &JobListed) -> Value {
    let row = &listed.row;
    // A continuation that has never failed, and that nobody has moved, is due whenever a worker is free, which Camunda writes as no date at
    // all.
    let due = Some(row.due).filter(|due| TIMERS.contains(&row.kind.as_str()) || row.failures > 0 || *due > row.created);
    // What starts a process has no instance yet.
    let in_instance = row.activity != NO_ACTIVITY;
    let of_element = row.kind != DELIVERY;
    let failed_activity = row.failed_activity.as_ref().or((row.failures > 0).then_some(&row.activity_id));
    json!({
        "id": super::public(listed.instance, row.wait),
        "jobDefinitionId": of_element.then(|| JobDefinition::id_of(&row.definition_id, &row.activity_id, &row.kind)),
        "dueDate": date::print_option(due),
        "processInstanceId": in_instance.then(|| listed.instance.to_string()),
        "executionId": in_instance.then(|| super::execution(listed.instance, row.activity)),
        "processDefinitionId": row.definition_id,
        "processDefinitionKey": listed.definition_key,
        "retries": row.retries,
        "exceptionMessage": row.failure,
        "failedActivityId": failed_activity,
        "suspended": row.suspended,
        "priority": row.priority,
        "tenantId": listed.tenant,
        "createTime": date::print(row.created),
        "batchId": null,
    })
}

pub(super) fn missing(id: &str) -> Error {
    Error::NotFound(format!("No job found with id '{id}'"))
}

async fn retries(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let (retries, due) = job_retries(&app, &mut body)?;
    body.finish(&["retries", "dueDate"])?;
    let set = app.runtime.set_job_retries(public_or_none(&id), retries, due).await;
    set.map_err(|error| Error::from(error).or_missing(|| missing(&id)))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Camunda's `JobRetriesDto`: how many, and when the job is due, if that changes. As in Camunda a date that is null is no date, which is at
/// once.
pub(super) fn job_retries(app: &App, body: &mut Fields) -> Result<(u32, Option<i64>), Error> {
    let retries = body.count("retries")?.ok_or_else(|| Error::Invalid("'retries' is missing".to_owned()))?;
    if retries > MAX_RETRIES {
        return Err(Error::Invalid(format!("a job has at most {MAX_RETRIES} retries")));
    }
    let at_once = body.is_null("dueDate").then(|| app.runtime.now());
    Ok((retries, body.date("dueDate")?.or(at_once)))
}

/// Only of a signal that could not be delivered.
async fn delete(Acting(app): Acting, Segments(id): Segments<String>) -> Result<StatusCode, Error> {
    let deleted = app.runtime.delete_job(public_or_none(&id)).await;
    deleted.map_err(|error| Error::from(error).or_missing(|| missing(&id)))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Camunda's `PriorityDto`.
async fn priority(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let priority = body.whole("priority")?;
    body.finish(&["priority"])?;
    let none = || Error::rest_with(StatusCode::BAD_REQUEST, format!("Priority for job '{id}' cannot be null."));
    let priority = priority.ok_or_else(none)?;
    let set = app.runtime.set_job_priority(public_or_none(&id), priority).await;
    set.map_err(|error| Error::from(error).or_missing(|| missing(&id)))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Camunda's `JobDuedateDto`: no date is at once.
async fn due_date(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let due = body.date("duedate")?.unwrap_or_else(|| app.runtime.now());
    let cascade = body.flag("cascade")?;
    body.finish(&["duedate", "cascade"])?;
    if cascade {
        return Err(Error::Invalid("'cascade' is not supported: the dates that follow are those of the timer's cycle".to_owned()));
    }
    let set = app.runtime.set_job_due(public_or_none(&id), due).await;
    set.map_err(|error| Error::from(error).or_missing(|| missing(&id)))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn recalculate(Acting(app): Acting, Segments(id): Segments<String>, Params(mut fields): Params) -> Result<StatusCode, Error> {
    let since_creation = fields.boolean("creationDateBased")?.unwrap_or(true);
    fields.finish(&["creationDateBased"])?;
    let set = app.runtime.recalculate_job_due(public_or_none(&id), since_creation).await;
    set.map_err(|error| Error::from(error).or_missing(|| missing(&id)))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn execute(State(app): State<App>, Segments(id): Segments<String>) -> Result<StatusCode, Error> {
    match app.runtime.execute_job(public_or_none(&id)).await {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(mandate_runtime::Error::Rejected(Rejection::JobSuspended { .. })) => {
            Err(Error::suspended(format!("Job '{id}' is suspended; activate it first (PUT /job/{id}/suspended)")))
        }
        Err(error) => Err(Error::from(error).or_missing(|| missing(&id))),
    }
}
