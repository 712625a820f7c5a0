//! `/job-definition`.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use mandate_runtime::JobDefinition;
use mandate_runtime::query::{DefinitionFilter, Order, Page};
use serde_json::{Value, json};

use super::list;
use crate::extract::{Params, Segments};
use crate::query_params::Fields;
use crate::{App, Error};

pub(super) fn router() -> Router<App> {
    list::routes("/job-definition", listed, counted).route("/job-definition/{id}", get(one))
}

/// All filters that Camunda has.
#[rustfmt::skip]
const CAMUNDA: &[&str] = &[
    "jobDefinitionId", "activityIdIn", "processDefinitionId", "processDefinitionKey", "jobType", "jobConfiguration", "active", "suspended",
    "withOverridingJobPriority", "tenantIdIn", "withoutTenantId", "includeJobDefinitionsWithoutTenantId", "sortBy", "sortOrder", "firstResult",
    "maxResults", "sorting",
];

/// By what they are sorted.
type Key = fn(&JobDefinition) -> String;

const SORTS: &[(&str, Key)] = &[
    ("jobDefinitionId", JobDefinition::id),
    ("activityId", |it| it.activity_id.clone()),
    ("processDefinitionId", |it| it.definition.id.clone()),
    ("processDefinitionKey", |it| it.definition.key.clone()),
    ("jobType", |it| it.job_type.to_owned()),
    ("jobConfiguration", |it| it.configuration.clone()),
    ("tenantId", |it| it.definition.tenant.clone().unwrap_or_default()),
];

/// Those that a request asks for, all of them: they follow from a few models.
async fn found(app: &App, fields: &mut Fields) -> Result<Vec<JobDefinition>, Error> {
    let id = fields.text("jobDefinitionId")?;
    let definition = fields.text("processDefinitionId")?;
    let of_id = id.as_deref().map(definition_of);
    let (suspended, prioritized) = (fields.suspension()?, fields.flag("withOverridingJobPriority")?);
    let definitions = DefinitionFilter {
        ids: definition.or(of_id).into_iter().collect(),
        key: fields.text("processDefinitionKey")?,
        tenants: fields.tenants(Some("includeJobDefinitionsWithoutTenantId"))?,
        without_tenant: fields.flag("withoutTenantId")?,
        ..DefinitionFilter::default()
    };
    let activities = fields.filter_texts("activityIdIn")?;
    let (job_type, configuration) = (fields.text("jobType")?, fields.text("jobConfiguration")?);
    let mut found = app.runtime.job_definitions(definitions).await?;
    found.retain(|it| {
        id.as_ref().is_none_or(|id| *id == it.id())
            && (activities.is_empty() || activities.contains(&it.activity_id))
            && job_type.as_ref().is_none_or(|wanted| wanted == it.job_type)
            && configuration.as_ref().is_none_or(|wanted| *wanted == it.configuration)
            && suspended.is_none_or(|wanted| wanted == is_suspended(it))
            && (!prioritized || it.priority.is_some())
    });
    Ok(found)
}

async fn listed(app: App, mut fields: Fields, paging: Option<Params>) -> Result<Json<Value>, Error> {
    let (Page { first, max }, sort) = (super::page(&mut fields, paging)?, fields.sorting(SORTS)?);
    let mut found = found(&app, &mut fields).await?;
    fields.finish(CAMUNDA)?;
    // The last key first: each sort keeps the order of the one before where it finds no difference.
    for (key, order) in sort.into_iter().rev() {
        found.sort_by(|one, other| match order {
            Order::Asc => key(one).cmp(&key(other)),
            Order::Desc => key(other).cmp(&key(one)),
        });
    }
    Ok(Json(found.iter().skip(first as usize).take(max as usize).map(dto).collect()))
}

async fn counted(app: App, mut fields: Fields) -> Result<Json<Value>, Error> {
    let found = found(&app, &mut fields).await?;
    fields.of_list_only(SORTS)?;
    fields.finish(CAMUNDA)?;
    Ok(super::count(i64::try_from(found.len()).unwrap_or(i64::MAX)))
}

async fn one(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let found = named(&app, &id).await?;
    Ok(Json(dto(&found[0])))
}

/// Those of this id, at least one: the definitions of an event with several timers share theirs.
pub(super) async fn named(app: &App, id: &str) -> Result<Vec<JobDefinition>, Error> {
    let filter = DefinitionFilter { ids: vec![definition_of(id)], ..DefinitionFilter::default() };
    let mut found = app.runtime.job_definitions(filter).await?;
    found.retain(|it| it.id() == id);
    if found.is_empty() { Err(Error::NotFound(format!("Job Definition with id '{id}' does not exist"))) } else { Ok(found) }
}

/// The definition in an id; of what is no id nobody's.
fn definition_of(id: &str) -> String {
    JobDefinition::named(id).map(|name| name.definition_id).unwrap_or_default()
}

/// By itself, or with its definition.
fn is_suspended(it: &JobDefinition) -> bool {
    it.suspended || it.definition.suspended
}

/// Camunda's `JobDefinitionDto`.
fn dto(it: &JobDefinition) -> Value {
    json!({
        "id": it.id(),
        "processDefinitionId": it.definition.id,
        "processDefinitionKey": it.definition.key,
        "activityId": it.activity_id,
        "jobType": it.job_type,
        "jobConfiguration": it.configuration,
        "overridingJobPriority": it.priority,
        "suspended": is_suspended(it),
        "tenantId": it.definition.tenant,
        "deploymentId": it.definition.deployment_id,
    })
}
