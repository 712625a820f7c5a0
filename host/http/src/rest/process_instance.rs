//! `/process-instance`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use mandate_runtime::engine::Variables;
use mandate_runtime::query::{InstanceFilter, InstanceListed, InstanceSort, Page};
use mandate_runtime::{InstanceView, Started};
use serde_json::{Value, json};

use super::{activity_tree, camunda, incident};
use crate::error::stored;
use crate::extract::{Body, Params, Segments};
use crate::query_params::{Fields, instance_or_none, public_or_none};
use crate::{App, Error, variable};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/process-instance", get(list).post(list_by_body))
        .route("/process-instance/count", get(count).post(count_by_body))
        .route("/process-instance/{id}", get(one).delete(remove))
        .route("/process-instance/{id}/activity-instances", get(tree))
        .route("/process-instance/{id}/suspended", put(suspend))
        .route("/process-instance/{id}/variables", get(variables).post(modify_variables))
        .route("/process-instance/{id}/variables/{name}", get(variable_of).put(set_variable).delete(remove_variable))
        .route("/process-instance/{id}/variables/{name}/data", get(variable_data))
}

/// Camunda's `ProcessInstanceDto` of an instance that was started.
pub(super) fn started(started: &Started) -> Value {
    json!({
        "links": [],
        "id": started.id.to_string(),
        "definitionId": started.definition_id,
        "definitionKey": started.definition_key,
        "businessKey": started.business_key,
        "caseInstanceId": null,
        "ended": started.ended,
        "suspended": started.suspended,
        "tenantId": started.tenant,
    })
}

/// The same of one in a list.
fn dto(row: &InstanceListed) -> Value {
    json!({
        "links": [],
        "id": row.id.to_string(),
        "definitionId": row.definition_id,
        "definitionKey": row.definition_key,
        "businessKey": row.business_key,
        "caseInstanceId": null,
        "ended": false,
        "suspended": row.suspended,
        "tenantId": row.tenant,
    })
}

const SORTS: &[(&str, InstanceSort)] = &[
    ("instanceId", InstanceSort::Id),
    ("definitionKey", InstanceSort::DefinitionKey),
    ("definitionId", InstanceSort::DefinitionId),
    ("tenantId", InstanceSort::Tenant),
    ("businessKey", InstanceSort::BusinessKey),
];

pub(super) fn filter(fields: &mut Fields) -> Result<InstanceFilter, Error> {
    let ids = match fields.texts("processInstanceIds")? {
        Some(texts) => texts.iter().map(|text| instance_or_none(text).0).collect(),
        None => Vec::new(),
    };
    let incident_type = incident::code_of_type(fields.text("incidentType")?);
    Ok(InstanceFilter {
        ids,
        business_key: fields.text("businessKey")?,
        business_key_like: fields.like("businessKeyLike")?,
        definition_id: fields.text("processDefinitionId")?,
        definition_key: fields.text("processDefinitionKey")?,
        definition_keys: fields.filter_texts("processDefinitionKeyIn")?,
        definition_keys_not: fields.filter_texts("processDefinitionKeyNotIn")?,
        deployment_id: fields.text("deploymentId")?,
        tenants: fields.tenants(None)?,
        without_tenant: fields.flag("withoutTenantId")?,
        suspended: fields.suspension()?,
        with_incident: fields.flag("withIncident")?,
        incident: fields.text("incidentId")?.map(|id| super::numbered(public_or_none(&id))),
        incident_code: incident_type.code(),
        incident_code_not: incident_type.code_not(),
        incident_message: fields.text("incidentMessage")?,
        incident_message_like: fields.like("incidentMessageLike")?,
        activity_ids: fields.filter_texts("activityIdIn")?,
        ..InstanceFilter::default()
    })
}

async fn list(State(app): State<App>, Params(fields): Params) -> Result<Json<Value>, Error> {
    listed(&app, fields, None).await
}

async fn list_by_body(State(app): State<App>, paging: Params, Body(fields): Body) -> Result<Json<Value>, Error> {
    listed(&app, fields, Some(paging)).await
}

async fn listed(app: &App, mut fields: Fields, paging: Option<Params>) -> Result<Json<Value>, Error> {
    let filter = filter(&mut fields)?;
    let (page, sort) = (super::page(&mut fields, paging)?, fields.sorting(SORTS)?);
    fields.finish(camunda::PROCESS_INSTANCES)?;
    let rows = stored(app.runtime.reads().instances(filter, page, &sort).await)?;
    Ok(Json(rows.iter().map(dto).collect()))
}

async fn count(State(app): State<App>, Params(fields): Params) -> Result<Json<Value>, Error> {
    counted(&app, fields).await
}

async fn count_by_body(State(app): State<App>, Body(fields): Body) -> Result<Json<Value>, Error> {
    counted(&app, fields).await
}

async fn counted(app: &App, mut fields: Fields) -> Result<Json<Value>, Error> {
    let filter = filter(&mut fields)?;
    fields.finish(camunda::PROCESS_INSTANCES)?;
    Ok(super::count(stored(app.runtime.reads().count_instances(filter).await)?))
}

async fn one(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let filter = InstanceFilter { ids: vec![instance_or_none(&id).0], ..InstanceFilter::default() };
    let rows = stored(app.runtime.reads().instances(filter, Page::ALL, &[]).await)?;
    rows.first().map(dto).map(Json).ok_or_else(|| missing(&id))
}

fn missing(id: &str) -> Error {
    Error::NotFound(format!("Process instance with id {id} does not exist"))
}

/// Camunda's words where variables of an instance that does not exist are asked for or changed.
fn no_execution(id: &str) -> Error {
    Error::rest(format!("execution {id} doesn't exist: execution is null"))
}

async fn remove(State(app): State<App>, Segments(id): Segments<String>, Params(mut params): Params) -> Result<StatusCode, Error> {
    let lenient = params.boolean("failIfNotExists")? == Some(false);
    let deleted = app.runtime.delete_instance(instance_or_none(&id), None).await.map_err(Error::from);
    match deleted {
        Err(error) if error.is_missing() && !lenient => Err(missing(&id)),
        Err(error) if !error.is_missing() => Err(error),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

async fn tree(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let view = view(&app, &id, missing).await?;
    Ok(Json(activity_tree::of(&view)))
}

async fn suspend(State(app): State<App>, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let suspended = body.boolean("suspended")?.ok_or_else(|| Error::Invalid("'suspended' is missing".to_owned()))?;
    body.finish(&["suspended"])?;
    let done = app.runtime.suspend_instance(instance_or_none(&id), suspended).await;
    done.map_err(|error| Error::from(error).or_missing(|| missing(&id)))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn variables(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let view = view(&app, &id, no_execution).await?;
    Ok(Json(variable::write_all(&of_process(&view))))
}

async fn variable_of(State(app): State<App>, Segments((id, name)): Segments<(String, String)>) -> Result<Json<Value>, Error> {
    let view = view(&app, &id, no_execution).await?;
    let found = of_process(&view).get(&name).map(variable::write);
    found.map(Json).ok_or_else(|| no_variable(&name))
}

/// Files and bytes are not supported, so that there is never anything binary to answer with.
async fn variable_data(State(app): State<App>, Segments((id, name)): Segments<(String, String)>) -> Result<Json<Value>, Error> {
    let view = view(&app, &id, no_execution).await?;
    if of_process(&view).contains_key(&name) {
        Err(Error::Invalid(format!("Value of variable with name {name} is not a binary value.")))
    } else {
        Err(no_variable(&name))
    }
}

fn no_variable(name: &str) -> Error {
    Error::NotFound(format!("process instance variable with name {name} does not exist"))
}

async fn set_variable(
    State(app): State<App>,
    Segments((id, name)): Segments<(String, String)>,
    Body(body): Body,
) -> Result<StatusCode, Error> {
    variable::check_name(&name)?;
    let value = variable::read(&name, body.into_object())?;
    change(&app, &id, Variables::from([(name, value)]), Vec::new()).await
}

async fn remove_variable(State(app): State<App>, Segments((id, name)): Segments<(String, String)>) -> Result<StatusCode, Error> {
    change(&app, &id, Variables::new(), vec![name]).await
}

async fn modify_variables(State(app): State<App>, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let set = body.variables("modifications")?;
    let remove = body.texts_or_none("deletions")?;
    body.finish(&["modifications", "deletions"])?;
    change(&app, &id, set, remove).await
}

async fn change(app: &App, id: &str, set: Variables, remove: Vec<String>) -> Result<StatusCode, Error> {
    let changed = app.runtime.set_variables(instance_or_none(id), None, set, remove).await;
    changed.map_err(|error| Error::from(error).or_missing(|| no_execution(id)))?;
    Ok(StatusCode::NO_CONTENT)
}

async fn view(app: &App, id: &str, missing: impl FnOnce(&str) -> Error) -> Result<InstanceView, Error> {
    let found = app.runtime.instance(instance_or_none(id)).await;
    found.map_err(|error| Error::from(error).or_missing(|| missing(id)))
}

fn of_process(view: &InstanceView) -> Variables {
    view.instance.variables(view.instance.root()).cloned().unwrap_or_default()
}
