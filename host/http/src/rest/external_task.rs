//! `/external-task`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use mandate_runtime::engine::PublicId;
use mandate_runtime::query::{ExternalTaskFilter, ExternalTaskListed, ExternalTaskSort, Order};
use mandate_runtime::{Fetch, FetchTopic, FetchedTask, LockChange, Wanted, WorkerFailure};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::modification::named_instances;
use super::{camunda, list, variable_query};
use crate::error::stored;
use crate::extract::{Body, Params, Segments};
use crate::operator::Acting;
use crate::query_params::{Fields, check_stored, public_or_none};
use crate::{App, Error, LARGEST_MAX_RESULTS, date, to_the_end, variable};

pub(super) fn router() -> Router<App> {
    list::routes("/external-task", listed, counted)
        .route("/external-task/fetchAndLock", post(fetch_and_lock))
        .route("/external-task/topic-names", get(topic_names))
        .route("/external-task/retries", put(retries_of_several))
        .route("/external-task/{id}", get(one))
        .route("/external-task/{id}/complete", post(complete))
        .route("/external-task/{id}/failure", post(failure))
        .route("/external-task/{id}/bpmnError", post(bpmn_error))
        .route("/external-task/{id}/lock", post(lock))
        .route("/external-task/{id}/extendLock", post(extend_lock))
        .route("/external-task/{id}/unlock", post(unlock))
        .route("/external-task/{id}/retries", put(retries))
        .route("/external-task/{id}/priority", put(priority))
        .route("/external-task/{id}/errorDetails", get(error_details))
}

/// The longest that a client may let itself be kept waiting, as in Camunda: half an hour.
const LONGEST_WAIT_MS: i64 = 1_800_000;

/// The most tasks of one fetch: each comes with its variables.
const MOST_TASKS: u32 = 1_000;

async fn fetch_and_lock(State(app): State<App>, Body(mut body): Body) -> Result<Json<Value>, Error> {
    let worker = worker(&mut body)?;
    let max = body.count("maxTasks")?.unwrap_or(0).min(MOST_TASKS);
    let by_priority = body.flag("usePriority")?;
    let patience = body.whole("asyncResponseTimeout")?.unwrap_or(0).max(0);
    if patience > LONGEST_WAIT_MS {
        let message = format!("The asynchronous response timeout cannot be set to a value greater than {LONGEST_WAIT_MS} milliseconds");
        return Err(Error::Invalid(message));
    }
    let by_created = body.sorting(&[("createTime", ())])?.first().map(|((), order)| *order);
    let mut topics: BTreeMap<String, FetchTopic> = BTreeMap::new();
    let (mut wanted, mut with_properties) = (BTreeMap::new(), BTreeSet::new());
    for mut fields in body.objects("topics")? {
        let (topic, variables, properties) = read_topic(&mut fields)?;
        fields.finish(camunda::FETCHED_TOPIC)?;
        if properties {
            with_properties.insert(topic.topic.clone());
        }
        wanted.insert(topic.topic.clone(), variables);
        // As in Camunda the last word on a topic counts.
        topics.insert(topic.topic.clone(), topic);
    }
    body.finish(&["workerId", "maxTasks", "usePriority", "asyncResponseTimeout", "sorting", "topics"])?;
    let fetch = Fetch { worker, max, topics: topics.into_values().collect(), by_created, by_priority, now: app.runtime.now() };
    let patience = Duration::from_millis(patience.unsigned_abs());
    let fetched = app.runtime.fetch_and_lock(fetch, wanted, patience).await?;
    Ok(Json(fetched.iter().map(|it| locked_dto(it, with_properties.contains(&it.task.row.topic))).collect()))
}

fn read_topic(fields: &mut Fields) -> Result<(FetchTopic, Wanted, bool), Error> {
    let topic = fields.text("topicName")?.ok_or_else(|| Error::Invalid("topicName is null".to_owned()))?;
    let lock_ms = positive("lockTime", fields.whole("lockDuration")?)?;
    let names = if fields.has("variables") { Some(fields.texts_or_none("variables")?.into_iter().collect()) } else { None };
    let process_variables = fields.object("processVariables")?.unwrap_or_default().into_iter().collect();
    let wanted = Wanted { names, local: fields.flag("localVariables")?, process_variables };
    let topic = FetchTopic {
        topic,
        lock_ms,
        business_key: fields.text("businessKey")?,
        instances: None,
        definition_ids: super::one_of(fields.text("processDefinitionId")?, fields.texts_or_none("processDefinitionIdIn")?),
        definition_keys: super::one_of(fields.text("processDefinitionKey")?, fields.texts_or_none("processDefinitionKeyIn")?),
        version_tag: fields.text("processDefinitionVersionTag")?,
        tenants: fields.texts_or_none("tenantIdIn")?,
        without_tenant: fields.flag("withoutTenantId")?,
    };
    let properties = fields.flag("includeExtensionProperties")?;
    // Every value travels as Camunda sends a serialised one: Json as its text.
    fields.flag("deserializeValues")?;
    Ok((topic, wanted, properties))
}

/// Camunda's words for a length of time that is none.
fn positive(name: &str, given: Option<i64>) -> Result<i64, Error> {
    match given {
        None => Err(Error::Invalid(format!("{name} is null"))),
        Some(given) if given <= 0 => Err(Error::Invalid(format!("{name} is not greater than 0"))),
        Some(given) => Ok(given),
    }
}

fn worker(body: &mut Fields) -> Result<String, Error> {
    let worker = body.text("workerId")?.ok_or_else(|| Error::Invalid("workerId is null".to_owned()))?;
    check_stored("workerId", &worker)?;
    Ok(worker)
}

/// Camunda's `LockedExternalTaskDto`.
fn locked_dto(fetched: &FetchedTask, with_properties: bool) -> Value {
    let definition = &fetched.definition.row;
    let mut dto = dto(&fetched.task, Some(&definition.key), definition.version_tag.as_deref());
    let properties = fetched.properties.iter().filter(|_| with_properties);
    let properties: Map<String, Value> = properties.map(|(name, value)| (name.clone(), Value::from(value.as_str()))).collect();
    dto["errorDetails"] = json!(fetched.task.details);
    dto["variables"] = variable::write_all(&fetched.variables);
    dto["extensionProperties"] = Value::Object(properties);
    dto
}

/// Camunda's `ExternalTaskDto`.
fn dto(listed: &ExternalTaskListed, definition_key: Option<&str>, version_tag: Option<&str>) -> Value {
    let row = &listed.row;
    let execution = super::execution(listed.instance, row.activity);
    json!({
        "activityId": row.activity_id,
        "activityInstanceId": execution,
        "businessKey": listed.business_key,
        "createTime": date::print(row.created),
        "errorMessage": row.failure,
        "executionId": execution,
        "id": super::public(listed.instance, row.wait),
        "lockExpirationTime": listed.worker.as_ref().map(|_| date::print(listed.lock_until)),
        "priority": row.priority,
        "processDefinitionId": row.definition_id,
        "processDefinitionKey": definition_key,
        "processDefinitionVersionTag": version_tag,
        "processInstanceId": listed.instance.to_string(),
        "retries": row.retries,
        "suspended": listed.suspended,
        "tenantId": listed.tenant,
        "topicName": row.topic,
        "workerId": listed.worker,
    })
}

/// What the runtime said about a worker's answer, in Camunda's words: `what` is what cannot be done by the worker.
fn refused(id: &str, worker: &str, what: &'static str) -> impl FnOnce(mandate_runtime::Error) -> Error {
    let (id, worker) = (id.to_owned(), worker.to_owned());
    move |error| match error {
        mandate_runtime::Error::NotHeld { worker: holder } => not_held(&id, &worker, what, holder.as_deref()),
        error => Error::from(error).or_missing(|| gone(&id)),
    }
}

fn not_held(id: &str, worker: &str, what: &str, holder: Option<&str>) -> Error {
    let what = what.replace("{id}", id);
    let holder = holder.unwrap_or("null");
    Error::rest_with(StatusCode::BAD_REQUEST, format!("{what} by worker '{worker}'. It is locked by worker '{holder}'."))
}

/// Camunda's words for a task that does not exist, or no longer does.
fn gone(id: &str) -> Error {
    Error::rest_with(StatusCode::NOT_FOUND, format!("External task with id {id} does not exist"))
}

async fn complete(State(app): State<App>, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let worker = worker(&mut body)?;
    let (variables, local_variables) = (body.variables("variables")?, body.variables("localVariables")?);
    body.finish(&["workerId", "variables", "localVariables"])?;
    let completed = app.runtime.complete_external_task(public_or_none(&id), worker.clone(), variables, local_variables).await;
    completed.map_err(refused(&id, &worker, "External Task {id} cannot be completed"))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn failure(State(app): State<App>, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let worker = worker(&mut body)?;
    let rest_ms = body.whole("retryTimeout")?.unwrap_or(0);
    if rest_ms < 0 {
        return Err(Error::Invalid("retryTimeout is not greater than or equal to 0".to_owned()));
    }
    let failure = WorkerFailure {
        message: body.text("errorMessage")?,
        details: body.text("errorDetails")?,
        // As in Camunda whoever does not say has none left.
        retries: body.count("retries")?.unwrap_or(0),
        rest_ms,
        variables: body.variables("variables")?,
        local_variables: body.variables("localVariables")?,
    };
    body.finish(&["workerId", "errorMessage", "errorDetails", "retries", "retryTimeout", "variables", "localVariables"])?;
    let failed = app.runtime.fail_external_task(public_or_none(&id), worker.clone(), failure).await;
    failed.map_err(refused(&id, &worker, "Failure of External Task {id} cannot be reported"))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn bpmn_error(State(app): State<App>, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let worker = worker(&mut body)?;
    let code = body.text("errorCode")?.filter(|code| !code.is_empty());
    let code = code.ok_or_else(|| Error::Invalid("errorCode is null".to_owned()))?;
    let (message, variables) = (body.text("errorMessage")?, body.variables("variables")?);
    body.finish(&["workerId", "errorCode", "errorMessage", "variables"])?;
    let thrown = app.runtime.throw_from_external_task(public_or_none(&id), worker.clone(), code, message, variables).await;
    thrown.map_err(refused(&id, &worker, "Bpmn error of External Task {id} cannot be reported"))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn lock(State(app): State<App>, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let worker = worker(&mut body)?;
    let lock_ms = positive("lockDuration", body.whole("lockDuration")?)?;
    body.finish(&["workerId", "lockDuration"])?;
    let changed = app.runtime.lock_external_task(public_or_none(&id), &worker, lock_ms).await?;
    of_lock(changed, app.runtime.now(), &id, &worker, "External Task {id} cannot be locked")
}

async fn extend_lock(State(app): State<App>, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let worker = worker(&mut body)?;
    let lock_ms = positive("lockTime", body.whole("newDuration")?)?;
    body.finish(&["workerId", "newDuration"])?;
    let changed = app.runtime.extend_external_task_lock(public_or_none(&id), &worker, lock_ms).await?;
    of_lock(changed, app.runtime.now(), &id, &worker, "The lock of the External Task {id} cannot be extended")
}

async fn unlock(Acting(app): Acting, Segments(id): Segments<String>) -> Result<StatusCode, Error> {
    let changed = app.runtime.unlock_external_task(public_or_none(&id)).await?;
    of_lock(changed, app.runtime.now(), &id, "", "")
}

fn of_lock(changed: LockChange, now: i64, id: &str, worker: &str, what: &str) -> Result<StatusCode, Error> {
    match changed {
        LockChange::Changed => Ok(StatusCode::NO_CONTENT),
        LockChange::Missing => Err(gone(id)),
        LockChange::NotHeld(holder) => Err(not_held(id, worker, what, holder.as_deref())),
        LockChange::Expired(_) => {
            let message = format!("Cannot extend a lock that expired: lockExpirationTime is not greater than or equal to {now}");
            Err(Error::rest_with(StatusCode::BAD_REQUEST, message))
        }
    }
}

async fn retries(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let no_retries = || Error::rest_with(StatusCode::BAD_REQUEST, "The number of retries cannot be null.");
    let retries = body.count("retries")?.ok_or_else(no_retries)?;
    body.finish(&["retries"])?;
    let set = app.runtime.set_external_task_retries(public_or_none(&id), retries).await;
    set.map_err(|error| Error::from(error).or_missing(|| gone(&id)))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Camunda's `PriorityDto`.
async fn priority(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let no_priority = || Error::rest_with(StatusCode::BAD_REQUEST, "The priority cannot be null.");
    let priority = body.whole("priority")?.ok_or_else(no_priority)?;
    body.finish(&["priority"])?;
    let set = app.runtime.set_external_task_priority(public_or_none(&id), priority).await;
    set.map_err(|error| Error::from(error).or_missing(|| gone(&id)))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives several tasks retries: named ones, those of instances, those that a query finds. All are looked at first; then each is a unit of
/// work of its own, and a request that breaks off may be repeated.
async fn retries_of_several(Acting(app): Acting, Body(mut body): Body) -> Result<StatusCode, Error> {
    let retries = body.count("retries")?.ok_or_else(|| Error::Invalid("The number of retries cannot be null.".to_owned()))?;
    let named = body.texts_or_none("externalTaskIds")?;
    let query = body.fields("externalTaskQuery")?;
    let instances = named_instances(&app, &mut body).await?;
    body.finish(SEVERAL_FIELDS)?;
    let mut tasks: BTreeSet<PublicId> = BTreeSet::new();
    for id in &named {
        let task = find(&app, id).await?;
        tasks.insert(id_of(task.instance, task.row.wait));
    }
    if let Some(mut query) = query {
        let filter = filter(&mut query, app.runtime.now())?;
        query.finish(camunda::EXTERNAL_TASKS)?;
        tasks.extend(found(&app, filter).await?);
    }
    if !instances.is_empty() {
        let instances = instances.into_iter().map(|id| id.0).collect();
        tasks.extend(found(&app, ExternalTaskFilter { instances, ..ExternalTaskFilter::default() }).await?);
    }
    if tasks.is_empty() {
        return Err(Error::Invalid("externalTaskIds is empty".to_owned()));
    }
    let runtime = app.runtime.clone();
    let set = async move {
        for task in tasks {
            match runtime.set_external_task_retries(task, retries).await.map_err(Error::from) {
                // It was done while this went on.
                Err(error) if error.is_missing() => {}
                set => set?,
            }
        }
        Ok(StatusCode::NO_CONTENT)
    };
    to_the_end(set).await
}

/// Every field that Camunda's `SetRetriesForExternalTasksDto` has.
const SEVERAL_FIELDS: &[&str] =
    &["retries", "externalTaskIds", "processInstanceIds", "externalTaskQuery", "processInstanceQuery", "historicProcessInstanceQuery"];

/// The tasks that a filter finds, which must not be more than one request can take.
async fn found(app: &App, filter: ExternalTaskFilter) -> Result<Vec<PublicId>, Error> {
    variable_query::check(app, !filter.variables.is_empty())?;
    let found = stored(app.runtime.reads().external_task_names(filter, LARGEST_MAX_RESULTS + 1).await)?;
    if found.len() > LARGEST_MAX_RESULTS as usize {
        return Err(Error::Invalid(format!("more than {LARGEST_MAX_RESULTS} external tasks are meant; take them in several requests")));
    }
    Ok(found.into_iter().map(|(instance, wait)| id_of(instance, wait)).collect())
}

fn id_of(instance: Uuid, wait: i64) -> PublicId {
    public_or_none(&super::public(instance, wait))
}

/// The topics that there are tasks of.
async fn topic_names(State(app): State<App>, Params(mut fields): Params) -> Result<Json<Value>, Error> {
    let filter = ExternalTaskFilter {
        locked: fields.either("withLockedTasks", "withUnlockedTasks")?.map(|locked| (locked, app.runtime.now())),
        retries_left: fields.flag("withRetriesLeft")?.then_some(true),
        ..ExternalTaskFilter::default()
    };
    fields.finish(&[])?;
    Ok(Json(json!(stored(app.runtime.reads().external_task_topics(filter).await)?)))
}

const SORTS: &[(&str, ExternalTaskSort)] = &[
    ("id", ExternalTaskSort::Id),
    ("lockExpirationTime", ExternalTaskSort::LockUntil),
    ("processInstanceId", ExternalTaskSort::Instance),
    ("processDefinitionId", ExternalTaskSort::DefinitionId),
    ("processDefinitionKey", ExternalTaskSort::DefinitionKey),
    ("tenantId", ExternalTaskSort::Tenant),
    ("taskPriority", ExternalTaskSort::Priority),
    ("createTime", ExternalTaskSort::Created),
];

fn filter(fields: &mut Fields, now: i64) -> Result<ExternalTaskFilter, Error> {
    let case = variable_query::ignoring_case(fields)?;
    Ok(ExternalTaskFilter {
        ids: fields.public_ids("externalTaskId", Some("externalTaskIdIn"))?.into_iter().map(super::numbered).collect(),
        topic: fields.text("topicName")?,
        worker: fields.text("workerId")?,
        locked: fields.either("locked", "notLocked")?.map(|locked| (locked, now)),
        lock_until_before: fields.date("lockExpirationBefore")?,
        lock_until_after: fields.date("lockExpirationAfter")?,
        retries_left: fields.either("withRetriesLeft", "noRetriesLeft")?,
        activity_ids: super::one_of(fields.text("activityId")?, fields.filter_texts("activityIdIn")?),
        execution: fields.text("executionId")?.map(|id| super::numbered(public_or_none(&id))),
        instances: fields.instances("processInstanceId", Some("processInstanceIdIn"))?.into_iter().map(|id| id.0).collect(),
        definition_id: fields.text("processDefinitionId")?,
        definition_name: fields.text("processDefinitionName")?,
        definition_name_like: fields.like("processDefinitionNameLike")?,
        definition_keys: super::one_of(fields.text("processDefinitionKey")?, fields.filter_texts("processDefinitionKeyIn")?),
        priority_from: fields.whole("priorityHigherThanOrEquals")?,
        priority_to: fields.whole("priorityLowerThanOrEquals")?,
        suspended: fields.suspension()?,
        tenants: fields.tenants(None)?,
        variables: variable_query::conditions(fields, "processVariables", case)?,
    })
}

async fn listed(app: App, mut fields: Fields, paging: Option<Params>) -> Result<Json<Value>, Error> {
    let filter = filter(&mut fields, app.runtime.now())?;
    let (page, sort): (_, Vec<(ExternalTaskSort, Order)>) = (super::page(&mut fields, paging)?, fields.sorting(SORTS)?);
    fields.finish(camunda::EXTERNAL_TASKS)?;
    variable_query::check(&app, !filter.variables.is_empty())?;
    let rows = stored(app.runtime.reads().external_tasks(filter, page, &sort).await)?;
    let mut dtos = Vec::with_capacity(rows.len());
    for row in &rows {
        dtos.push(with_definition(&app, row).await);
    }
    Ok(Json(Value::Array(dtos)))
}

/// One that cannot be loaded does not hide its tasks.
async fn with_definition(app: &App, listed: &ExternalTaskListed) -> Value {
    match app.runtime.definition(&listed.row.definition_id).await {
        Ok(definition) => dto(listed, Some(&definition.row.key), definition.row.version_tag.as_deref()),
        Err(_) => dto(listed, None, None),
    }
}

async fn counted(app: App, mut fields: Fields) -> Result<Json<Value>, Error> {
    let filter = filter(&mut fields, app.runtime.now())?;
    fields.of_list_only(SORTS)?;
    fields.finish(camunda::EXTERNAL_TASKS)?;
    variable_query::check(&app, !filter.variables.is_empty())?;
    Ok(super::count(stored(app.runtime.reads().count_external_tasks(filter).await)?))
}

async fn find(app: &App, id: &str) -> Result<ExternalTaskListed, Error> {
    let (instance, wait) = super::numbered(public_or_none(id));
    let found = stored(app.runtime.reads().external_task(instance, wait).await)?;
    found.ok_or_else(|| Error::NotFound(format!("External task with id {id} does not exist")))
}

async fn one(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let found = find(&app, &id).await.map_err(|error| error.or_missing(|| gone(&id)))?;
    Ok(Json(with_definition(&app, &found).await))
}

async fn error_details(State(app): State<App>, Segments(id): Segments<String>) -> Result<Response, Error> {
    Ok(match find(&app, &id).await.map_err(|error| error.or_missing(|| gone(&id)))?.details {
        None => StatusCode::NO_CONTENT.into_response(),
        Some(details) => ([(header::CONTENT_TYPE, "text/plain")], details).into_response(),
    })
}
