//! `/process-definition`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use mandate_runtime::query::{
    ActivityStatistics, DEFINITIONS, DefinitionFilter, DefinitionRow, DefinitionSort, DefinitionStatistics, Page,
};
use mandate_runtime::{DefinitionRef, Extent, Suspended, Suspension};
use serde::Deserialize;
use serde_json::{Value, json};

use super::suspension::{execution_date, plan};
use super::{camunda, incident};
use crate::error::stored;
use crate::extract::{Body, Params, Segments};
use crate::operator::Acting;
use crate::query_params::{Fields, public_or_none};
use crate::{App, Error, to_the_end};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/process-definition", get(list))
        .route("/process-definition/count", get(count))
        .route("/process-definition/statistics", get(statistics))
        .route("/process-definition/suspended", put(suspend))
        .route("/process-definition/{id}/static-called-process-definitions", get(static_called))
        .merge(of_one("/process-definition/{id}"))
        .merge(of_one("/process-definition/key/{key}"))
        .merge(of_one("/process-definition/key/{key}/tenant-id/{tenant}"))
}

pub(super) fn no_definition(id: &str) -> Error {
    Error::NotFound(format!("No matching definition with id {id}"))
}

pub(super) fn no_key(key: &str, tenant: Option<&str>) -> Error {
    let tenant = tenant.map_or_else(|| "no tenant-id".to_owned(), |tenant| format!("tenant-id: {tenant}"));
    Error::NotFound(format!("No matching process definition with key: {key} and {tenant}"))
}

/// The resources of one definition, however its path names it.
fn of_one(path: &str) -> Router<App> {
    Router::new()
        .route(path, get(one).delete(delete))
        .route(&format!("{path}/xml"), get(xml))
        .route(&format!("{path}/diagram"), get(diagram))
        .route(&format!("{path}/statistics"), get(activity_statistics))
        .route(&format!("{path}/suspended"), put(suspend_one))
}

/// How a path names a definition: by its id, or as the newest version of a key, of one tenant or of none.
#[derive(Debug, Deserialize)]
pub(super) struct Named {
    id: Option<String>,
    key: Option<String>,
    tenant: Option<String>,
}

impl Named {
    pub(super) fn reference(&self) -> DefinitionRef {
        match &self.key {
            Some(key) => DefinitionRef::Key { key: key.clone(), tenant: self.tenant.clone() },
            None => DefinitionRef::Id(self.id.clone().unwrap_or_default()),
        }
    }

    pub(super) async fn find(&self, app: &App) -> Result<DefinitionRow, Error> {
        match (&self.id, &self.key) {
            (_, Some(key)) => {
                let tenant = self.tenant.as_deref();
                stored(app.runtime.reads().latest_definition(key, tenant).await)?.ok_or_else(|| no_key(key, tenant))
            }
            (id, None) => find(app, id.as_deref().unwrap_or_default()).await,
        }
    }
}

const SORTS: &[(&str, DefinitionSort)] = &[
    ("id", DefinitionSort::Id),
    ("category", DefinitionSort::Category),
    ("key", DefinitionSort::Key),
    ("name", DefinitionSort::Name),
    ("version", DefinitionSort::Version),
    ("versionTag", DefinitionSort::VersionTag),
    ("deploymentId", DefinitionSort::DeploymentId),
    ("deployTime", DefinitionSort::DeployedAt),
    ("tenantId", DefinitionSort::Tenant),
];

fn filter(fields: &mut Fields) -> Result<DefinitionFilter, Error> {
    // There are no permissions: everybody may start everything.
    fields.ignore(&["startablePermissionCheck"]);
    let incident_type = incident::code_of_type(fields.text("incidentType")?);
    let mut ids = fields.filter_texts("processDefinitionIdIn")?;
    if let Some(id) = fields.text("processDefinitionId")? {
        ids = if ids.is_empty() || ids.contains(&id) { vec![id] } else { vec![String::new()] };
    }
    Ok(DefinitionFilter {
        ids,
        key: fields.text("key")?,
        version: fields.count("version")?.map(i64::from),
        latest_version: fields.flag("latestVersion")?,
        version_tag: fields.text("versionTag")?,
        deployment_id: fields.text("deploymentId")?,
        incident: fields.text("incidentId")?.map(|id| super::numbered(public_or_none(&id))),
        incident_code: incident_type.code(),
        incident_code_not: incident_type.code_not(),
        tenants: fields.tenants(Some("includeProcessDefinitionsWithoutTenantId"))?,
        without_tenant: fields.flag("withoutTenantId")?,
        suspended: fields.suspension()?,
        asked: fields.asked(DEFINITIONS)?,
    })
}

async fn list(State(app): State<App>, Params(mut fields): Params) -> Result<Json<Value>, Error> {
    let filter = filter(&mut fields)?;
    let (page, sort) = (fields.page()?, fields.sorting(SORTS)?);
    fields.finish(camunda::PROCESS_DEFINITIONS)?;
    let rows = stored(app.runtime.reads().definitions(filter, page, &sort).await)?;
    Ok(Json(rows.iter().map(dto).collect()))
}

async fn count(State(app): State<App>, Params(mut fields): Params) -> Result<Json<Value>, Error> {
    let filter = filter(&mut fields)?;
    fields.of_list_only(SORTS)?;
    fields.finish(camunda::PROCESS_DEFINITIONS)?;
    Ok(super::count(stored(app.runtime.reads().count_definitions(filter).await)?))
}

/// Camunda's `ProcessDefinitionDto`. No diagrams are stored beside models.
pub(super) fn dto(row: &DefinitionRow) -> Value {
    json!({
        "id": row.id,
        "key": row.key,
        "category": row.category,
        "description": null,
        "name": row.name,
        "version": row.version,
        "resource": row.resource_name,
        "deploymentId": row.deployment_id,
        "diagram": null,
        "suspended": row.suspended,
        "tenantId": row.tenant,
        "versionTag": row.version_tag,
        "historyTimeToLive": row.history_ttl,
        "startableInTasklist": row.startable_in_tasklist,
    })
}

async fn find(app: &App, id: &str) -> Result<DefinitionRow, Error> {
    stored(app.runtime.reads().definition(id).await)?.ok_or_else(|| no_definition(id))
}

async fn one(State(app): State<App>, Segments(named): Segments<Named>) -> Result<Json<Value>, Error> {
    Ok(Json(dto(&named.find(&app).await?)))
}

/// Camunda's `CalledProcessDefinitionDto`s: what call activities name without an expression.
async fn static_called(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let caller = find(&app, &id).await?;
    let called = app.runtime.static_called(&caller.id).await.map_err(Error::from)?;
    let dto = |(row, from): (DefinitionRow, Vec<String>)| {
        let mut dto = dto(&row);
        dto["calledFromActivityIds"] = json!(from);
        dto["callingProcessDefinitionId"] = json!(caller.id);
        dto
    };
    Ok(Json(called.into_iter().map(dto).collect()))
}

/// Camunda's `ProcessDefinitionDiagramDto`: the file as it was uploaded.
async fn xml(State(app): State<App>, Segments(named): Segments<Named>) -> Result<Json<Value>, Error> {
    let row = named.find(&app).await?;
    let bytes = stored(app.runtime.reads().resource_bytes(&row.deployment_id, &row.resource_name).await)?;
    let bytes = bytes.ok_or_else(|| no_definition(&row.id))?;
    // The parser takes UTF-8 only.
    Ok(Json(json!({"id": row.id, "bpmn20Xml": String::from_utf8_lossy(&bytes)})))
}

/// As Camunda answers where no picture was deployed: none is kept here.
async fn diagram(State(app): State<App>, Segments(named): Segments<Named>) -> Result<StatusCode, Error> {
    named.find(&app).await.map(|_| StatusCode::NO_CONTENT)
}

/// What statistics are to tell beyond the number of instances.
struct Told {
    failed_jobs: bool,
    incidents: ToldIncidents,
}

/// Which incidents are counted.
enum ToldIncidents {
    None,
    OfType(String),
    All,
    /// Those that come from nothing that was called.
    Root,
}

fn told(mut fields: Fields, of_root: bool) -> Result<Told, Error> {
    let failed_jobs = fields.flag("failedJobs")?;
    let incidents = match (fields.flag("incidents")?, fields.text("incidentsForType")?, of_root) {
        (false, None, true) => ToldIncidents::Root,
        (_, _, true) => {
            let message = "Only one of the query parameter includeIncidents, includeRootIncidents or includeIncidentsForType can be set.";
            return Err(Error::Invalid(message.to_owned()));
        }
        (true, _, false) => ToldIncidents::All,
        (false, Some(wanted), false) => ToldIncidents::OfType(wanted),
        (false, None, false) => ToldIncidents::None,
    };
    fields.finish(camunda::DEFINITION_STATISTICS)?;
    Ok(Told { failed_jobs, incidents })
}

impl Told {
    /// Camunda's names of both kinds of statistics.
    fn dto(&self, class: &str, id: &str, instances: i64, failed_jobs: i64, incidents: &[(String, i64)]) -> Value {
        let mut by_type = std::collections::BTreeMap::<&str, i64>::new();
        for (code, count) in incidents {
            let kind = incident::type_of(code);
            let is_told = match &self.incidents {
                ToldIncidents::None => false,
                ToldIncidents::OfType(wanted) => wanted == kind,
                ToldIncidents::All | ToldIncidents::Root => true,
            };
            if is_told {
                *by_type.entry(kind).or_default() += count;
            }
        }
        let incidents: Vec<_> = by_type.into_iter().map(|(kind, count)| json!({"incidentType": kind, "incidentCount": count})).collect();
        json!({
            "@class": format!("org.camunda.bpm.engine.rest.dto.repository.{class}"),
            "id": id,
            "instances": instances,
            "failedJobs": if self.failed_jobs { failed_jobs } else { 0 },
            "incidents": incidents,
        })
    }
}

/// Deletes one definition, or all versions of a key. Neither listeners nor mappings run for what is deleted.
async fn delete(Acting(app): Acting, Segments(named): Segments<Named>, Params(mut params): Params) -> Result<StatusCode, Error> {
    let cascade = params.flag("cascade")?;
    params.ignore(&["skipCustomListeners", "skipIoMappings"]);
    params.finish(&[])?;
    let newest = named.find(&app).await?;
    let rows = if named.id.is_some() {
        vec![newest]
    } else {
        let filter = DefinitionFilter {
            key: Some(newest.key.clone()),
            tenants: newest.tenant.clone().into_iter().collect(),
            without_tenant: newest.tenant.is_none(),
            ..DefinitionFilter::default()
        };
        stored(app.runtime.reads().definitions(filter, Page::ALL, &[]).await)?
    };
    let runtime = app.runtime.clone();
    to_the_end(async move { runtime.delete_definitions(&rows, cascade).await }).await.map_err(|error| match error {
        mandate_runtime::Error::NotFound { id, .. } => no_definition(&id),
        error => error.into(),
    })?;
    Ok(StatusCode::NO_CONTENT)
}

async fn statistics(State(app): State<App>, Params(mut fields): Params) -> Result<Json<Value>, Error> {
    let of_root = fields.flag("rootIncidents")?;
    let told = told(fields, of_root)?;
    let rows = stored(app.runtime.reads().definition_statistics().await)?;
    let one = |row: DefinitionStatistics| {
        let class = "ProcessDefinitionStatisticsResultDto";
        let incidents = if let ToldIncidents::Root = told.incidents { &row.root_incidents } else { &row.incidents };
        let mut statistics = told.dto(class, &row.definition.id, row.instances, row.failed_jobs, incidents);
        statistics["definition"] = dto(&row.definition);
        statistics
    };
    Ok(Json(rows.into_iter().map(one).collect()))
}

async fn activity_statistics(
    State(app): State<App>,
    Segments(named): Segments<Named>,
    Params(fields): Params,
) -> Result<Json<Value>, Error> {
    let told = told(fields, false)?;
    let id = named.find(&app).await?.id;
    let rows = stored(app.runtime.reads().activity_statistics(&id).await)?;
    let one =
        |row: ActivityStatistics| told.dto("ActivityStatisticsResultDto", &row.activity_id, row.instances, row.failed_jobs, &row.incidents);
    Ok(Json(rows.into_iter().map(one).collect()))
}

/// Every field that Camunda's `ProcessDefinitionSuspensionStateDto` has.
const SUSPENSION_FIELDS: &[&str] =
    &["suspended", "includeProcessInstances", "executionDate", "processDefinitionId", "processDefinitionKey"];

async fn suspend_one(Acting(app): Acting, Segments(named): Segments<Named>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let (suspension, at) = suspension(&mut body)?;
    body.finish(SUSPENSION_FIELDS)?;
    let id = named.find(&app).await?.id;
    match at {
        Some(at) => plan(&app, &Suspension { process_definition_id: Some(id), ..suspension }, at).await,
        None => suspend_all(&app, vec![id], &suspension).await,
    }
}

/// All versions of a key, or one definition.
async fn suspend(Acting(app): Acting, Body(mut body): Body) -> Result<StatusCode, Error> {
    let (suspension, at) = suspension(&mut body)?;
    let (id, key) = (body.text("processDefinitionId")?, body.text("processDefinitionKey")?);
    body.finish(SUSPENSION_FIELDS)?;
    let suspension = Suspension { process_definition_id: id.clone(), process_definition_key: key.clone(), ..suspension };
    let ids = match (id, key) {
        (Some(id), None) => vec![find(&app, &id).await?.id],
        (None, Some(key)) => {
            let filter = DefinitionFilter { key: Some(key.clone()), ..DefinitionFilter::default() };
            let rows = stored(app.runtime.reads().definitions(filter, Page::ALL, &[]).await)?;
            if rows.is_empty() {
                return Err(no_key(&key, None));
            }
            rows.into_iter().map(|row| row.id).collect()
        }
        _ => {
            return Err(Error::Invalid(
                "Either processDefinitionId or processDefinitionKey can be set to update the suspension state.".to_owned(),
            ));
        }
    };
    match at {
        Some(at) => plan(&app, &suspension, at).await,
        None => suspend_all(&app, ids, &suspension).await,
    }
}

/// What is to be done to definitions that are still to be named, and when, if not at once.
fn suspension(body: &mut Fields) -> Result<(Suspension, Option<i64>), Error> {
    let at = execution_date(body)?;
    let suspended = body.boolean("suspended")?.ok_or_else(|| Error::Invalid("'suspended' is missing".to_owned()))?;
    let include = body.flag("includeProcessInstances")?;
    let suspension = Suspension { include, ..Suspension::of(Suspended::ProcessDefinitions, suspended) };
    Ok((suspension, at))
}

async fn suspend_all(app: &App, ids: Vec<String>, suspension: &Suspension) -> Result<StatusCode, Error> {
    let (runtime, suspended, extent) = (app.runtime.clone(), suspension.suspended, Extent::including(suspension.include));
    to_the_end(async move { runtime.suspend_definitions(&ids, suspended, extent).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}
