//! `/process-instance`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use mandate_runtime::engine::ActivityId;
use mandate_runtime::query::{CallFilter, IncidentFilter, InstanceFilter, InstanceListed, InstanceSort, Order, Page, Reads};
use mandate_runtime::{InstanceView, Started, StoreError};
use serde_json::{Value, json};

use super::list::{List, by_query_or_body};
use super::scope_variables::{self, Scope};
use super::{activity_tree, alternatives, camunda, incident, variable_query};
use crate::error::stored;
use crate::extract::{Body, Params, Segments};
use crate::operator::Acting;
use crate::query_params::{Fields, instance_or_none, public_or_none};
use crate::{App, Error};

pub(super) fn router() -> Router<App> {
    Router::new()
        .merge(by_query_or_body::<Instances>())
        .route("/process-instance/{id}", get(one).delete(remove))
        .route("/process-instance/{id}/activity-instances", get(tree))
        .route("/process-instance/{id}/suspended", put(suspend))
        .merge(scope_variables::router::<OfProcess>())
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

struct Instances;

impl List for Instances {
    const PATH: &'static str = "/process-instance";
    const CAMUNDA: &'static [&'static str] = camunda::PROCESS_INSTANCES;
    const SORTS: &'static [(&'static str, InstanceSort)] = &[
        ("instanceId", InstanceSort::Id),
        ("definitionKey", InstanceSort::DefinitionKey),
        ("definitionId", InstanceSort::DefinitionId),
        ("tenantId", InstanceSort::Tenant),
        ("businessKey", InstanceSort::BusinessKey),
    ];

    type Sort = InstanceSort;
    type Filter = InstanceFilter;
    type Row = InstanceListed;

    fn filter(fields: &mut Fields, _: &App) -> Result<InstanceFilter, Error> {
        filter(fields)
    }

    fn check(app: &App, filter: &InstanceFilter) -> Result<(), Error> {
        check(app, filter)
    }

    async fn rows(
        reads: &Reads,
        filter: InstanceFilter,
        page: Page,
        sort: &[(InstanceSort, Order)],
    ) -> Result<Vec<InstanceListed>, StoreError> {
        reads.instances(filter, page, sort).await
    }

    async fn count(reads: &Reads, filter: InstanceFilter) -> Result<i64, StoreError> {
        reads.count_instances(filter).await
    }

    fn dto(row: &InstanceListed) -> Value {
        dto(row)
    }
}

/// Refuses what this host cannot answer.
pub(super) fn check(app: &App, filter: &InstanceFilter) -> Result<(), Error> {
    variable_query::check(app, !filter.variables.is_empty() || filter.any.iter().any(|it| !it.variables.is_empty()))
}

pub(super) fn filter(fields: &mut Fields) -> Result<InstanceFilter, Error> {
    let ids = match fields.texts("processInstanceIds")? {
        Some(texts) => texts.iter().map(|text| instance_or_none(text).0).collect(),
        None => Vec::new(),
    };
    let incident_type = incident::code_of_type(fields.text("incidentType")?);
    let case = variable_query::ignoring_case(fields)?;
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
        definition_without_tenant: fields.flag("processDefinitionWithoutTenantId")?,
        suspended: fields.suspension()?,
        with_incident: fields.flag("withIncident")?,
        incident: fields.text("incidentId")?.map(|id| super::numbered(public_or_none(&id))),
        incident_code: incident_type.code(),
        incident_code_not: incident_type.code_not(),
        incident_message: fields.text("incidentMessage")?,
        incident_message_like: fields.like("incidentMessageLike")?,
        activity_ids: fields.filter_texts("activityIdIn")?,
        calls: CallFilter {
            of_super: fields.text("superProcessInstance")?.map(|id| instance_or_none(&id).0),
            of_sub: fields.text("subProcessInstance")?.map(|id| instance_or_none(&id).0),
            of_root: fields.text("rootProcessInstanceId")?.map(|id| instance_or_none(&id).0),
            roots: fields.flag("rootProcessInstances")?,
            leaves: fields.flag("leafProcessInstances")?,
        },
        variables: variable_query::conditions(fields, "variables", case)?,
        any: alternatives(fields, camunda::PROCESS_INSTANCES, filter)?,
        ..InstanceFilter::default()
    })
}

async fn one(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let filter = InstanceFilter { ids: vec![instance_or_none(&id).0], ..InstanceFilter::default() };
    let rows = stored(app.runtime.reads().instances(filter, Page::ALL, &[]).await)?;
    rows.first().map(dto).map(Json).ok_or_else(|| missing(&id))
}

fn missing(id: &str) -> Error {
    Error::NotFound(format!("Process instance with id {id} does not exist"))
}

async fn remove(Acting(app): Acting, Segments(id): Segments<String>, Params(mut params): Params) -> Result<StatusCode, Error> {
    let lenient = params.boolean("failIfNotExists")? == Some(false);
    // Of what is deleted no output is mapped any more.
    params.ignore(&["skipIoMappings"]);
    let skip_listeners = params.boolean("skipCustomListeners")?.unwrap_or(false);
    params.finish(&["skipSubprocesses"])?;
    let deleted = app.runtime.delete_instance(instance_or_none(&id), None, skip_listeners).await.map_err(Error::from);
    match deleted {
        Err(error) if error.is_missing() && !lenient => Err(missing(&id)),
        Err(error) if !error.is_missing() => Err(if skip_listeners { error } else { error.or_without_listeners() }),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

async fn tree(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let view = view(&app, &id).await?;
    let of_called = IncidentFilter { instances: vec![view.instance.id().0], of_called: true, ..IncidentFilter::default() };
    let called = match view.instance.calls().next() {
        Some(_) => stored(app.runtime.reads().incidents(of_called, Page::ALL, &[]).await)?,
        None => Vec::new(),
    };
    Ok(Json(activity_tree::of(&view, &called)))
}

async fn suspend(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let suspended = body.boolean("suspended")?.ok_or_else(|| Error::Invalid("'suspended' is missing".to_owned()))?;
    body.finish(&["suspended"])?;
    let done = app.runtime.suspend_instance(instance_or_none(&id), suspended).await;
    done.map_err(|error| Error::from(error).or_missing(|| missing(&id)))?;
    Ok(StatusCode::NO_CONTENT)
}

/// The process's own variables.
struct OfProcess;

impl Scope for OfProcess {
    const VARIABLES: &'static str = "/process-instance/{id}/variables";
    const WHAT: &'static str = "process instance";
    const LOCAL: bool = true;
    const IS_NULL: &'static str = "execution";

    async fn find(app: &App, id: &str) -> Result<(InstanceView, ActivityId), Error> {
        let view = view(app, id).await?;
        let root = view.instance.root();
        Ok((view, root))
    }
}

async fn view(app: &App, id: &str) -> Result<InstanceView, Error> {
    let found = app.runtime.instance(instance_or_none(id)).await;
    found.map_err(|error| Error::from(error).or_missing(|| missing(id)))
}
