//! What operators say of several jobs at once: suspension, of jobs and of job definitions; priority and retries, of job definitions.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::put;
use mandate_runtime::query::{DefinitionFilter, Page};
use mandate_runtime::{Extent, JobDefinition, Suspended, Suspension};

use super::job::{job_retries, missing};
use super::job_definition::named;
use super::suspension::{execution_date, plan};
use crate::error::stored;
use crate::extract::{Body, Segments};
use crate::operator::Acting;
use crate::query_params::{Fields, instance_or_none, public_or_none};
use crate::{App, Error, to_the_end};

/// Every field that Camunda's `JobSuspensionStateDto`, `JobDefinitionSuspensionStateDto` and `JobDefinitionsSuspensionStateDto` have.
const FIELDS: &[&str] = &[
    "suspended",
    "jobId",
    "jobDefinitionId",
    "processInstanceId",
    "processDefinitionId",
    "processDefinitionKey",
    "processDefinitionTenantId",
    "processDefinitionWithoutTenantId",
    "includeJobs",
    "executionDate",
];

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/job/suspended", put(suspend_jobs))
        .route("/job/{id}/suspended", put(suspend_job))
        .route("/job-definition/suspended", put(suspend_definitions))
        .route("/job-definition/{id}/suspended", put(suspend_definition))
        .route("/job-definition/{id}/jobPriority", put(priority))
        .route("/job-definition/{id}/retries", put(retries))
}

async fn suspend_job(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let suspended = suspended(&mut body)?;
    body.finish(&["suspended"])?;
    let done = app.runtime.suspend_job(public_or_none(&id), suspended).await;
    done.map_err(|error| Error::from(error).or_missing(|| missing(&id)))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Those that there are of a job definition, an instance, or what runs a definition or any version of a key.
async fn suspend_jobs(Acting(app): Acting, Body(mut body): Body) -> Result<StatusCode, Error> {
    let suspended = suspended(&mut body)?;
    let (job_definition, instance) = (body.text("jobDefinitionId")?, body.text("processInstanceId")?);
    let definitions = definitions(&app, &mut body).await?;
    body.finish(FIELDS)?;
    let runtime = app.runtime.clone();
    match (job_definition, instance, definitions) {
        (Some(id), None, None) => {
            let which = named(&app, &id).await?;
            to_the_end(async move { runtime.suspend_jobs_of_job_definitions(&which, suspended).await }).await?;
        }
        (None, Some(id), None) => {
            let instance = instance_or_none(&id);
            to_the_end(async move { runtime.suspend_jobs_of_instance(instance, suspended).await }).await?;
        }
        (None, None, Some(definitions)) => {
            to_the_end(async move { runtime.suspend_jobs_of_definitions(&definitions, suspended).await }).await?;
        }
        _ => {
            return Err(Error::Invalid(
                "Either jobDefinitionId, processInstanceId, processDefinitionId or processDefinitionKey can be set to update the suspension state."
                    .to_owned(),
            ));
        }
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn suspend_definition(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let (at, suspended, extent) = (execution_date(&mut body)?, suspended(&mut body)?, extent(&mut body)?);
    body.finish(FIELDS)?;
    let which = named(&app, &id).await?;
    if let (Some(at), Some(name)) = (at, JobDefinition::named(&id)) {
        let suspension = Suspension {
            process_definition_id: Some(name.definition_id),
            job_definition: Some((name.activity_id, name.kind)),
            include: extent.includes(),
            ..Suspension::of(Suspended::JobDefinitions, suspended)
        };
        return plan(&app, &suspension, at).await;
    }
    let runtime = app.runtime.clone();
    to_the_end(async move { runtime.suspend_job_definitions(&which, suspended, extent).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Those of a definition, or of all versions of a key.
async fn suspend_definitions(Acting(app): Acting, Body(mut body): Body) -> Result<StatusCode, Error> {
    let (at, suspended, extent) = (execution_date(&mut body)?, suspended(&mut body)?, extent(&mut body)?);
    let (filter, one) = (filter(&mut body)?, body.text("jobDefinitionId")?);
    body.finish(FIELDS)?;
    // As in Camunda a job definition is not named here.
    let filter = filter.filter(|_| one.is_none()).ok_or_else(|| {
        let id = one.as_deref().unwrap_or("{jobDefinitionId}");
        Error::Invalid(format!(
            "Either processDefinitionId or processDefinitionKey can be set to update the suspension state; for one job definition use \
             PUT /job-definition/{id}/suspended."
        ))
    })?;
    if let Some(at) = at {
        let suspension = Suspension {
            process_definition_id: filter.ids.first().cloned(),
            process_definition_key: filter.key,
            tenant_id: filter.tenants.first().cloned(),
            without_tenant_id: filter.without_tenant,
            include: extent.includes(),
            ..Suspension::of(Suspended::JobDefinitions, suspended)
        };
        return plan(&app, &suspension, at).await;
    }
    let ids = found(&app, filter).await?;
    if ids.is_empty() {
        return Ok(StatusCode::NO_CONTENT);
    }
    let which = app.runtime.job_definitions(DefinitionFilter { ids, ..DefinitionFilter::default() }).await?;
    let runtime = app.runtime.clone();
    to_the_end(async move { runtime.suspend_job_definitions(&which, suspended, extent).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Camunda's `JobDefinitionPriorityDto`: no priority is that of the model.
async fn priority(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let (priority, extent) = (body.whole("priority")?, extent(&mut body)?);
    body.finish(&["priority", "includeJobs"])?;
    if priority.is_none() && extent.includes() {
        let message = format!("Cannot reset priority for job definition {id} with includeJobs=true");
        return Err(Error::Invalid(message));
    }
    let which = named(&app, &id).await?;
    let runtime = app.runtime.clone();
    to_the_end(async move { runtime.prioritize_job_definitions(&which, priority, extent).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// As in Camunda 7, of those jobs that have none left.
async fn retries(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let (retries, due) = job_retries(&app, &mut body)?;
    body.finish(&["retries", "dueDate"])?;
    let which = named(&app, &id).await?;
    let runtime = app.runtime.clone();
    to_the_end(async move { runtime.set_retries_of_job_definitions(&which, retries, due).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn extent(body: &mut Fields) -> Result<Extent, Error> {
    Ok(Extent::including(body.flag("includeJobs")?))
}

fn suspended(body: &mut Fields) -> Result<bool, Error> {
    body.boolean("suspended")?.ok_or_else(|| Error::Invalid("'suspended' is missing".to_owned()))
}

/// The definition that is meant, or all versions of a key; none: the request names none.
async fn definitions(app: &App, body: &mut Fields) -> Result<Option<Vec<String>>, Error> {
    match filter(body)? {
        Some(filter) => found(app, filter).await.map(Some),
        None => Ok(None),
    }
}

async fn found(app: &App, filter: DefinitionFilter) -> Result<Vec<String>, Error> {
    let rows = stored(app.runtime.reads().definitions(filter, Page::ALL, &[]).await)?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// What the request says of the definitions that are meant, if it does.
fn filter(body: &mut Fields) -> Result<Option<DefinitionFilter>, Error> {
    let (id, key) = (body.text("processDefinitionId")?, body.text("processDefinitionKey")?);
    let (tenant, without_tenant) = (body.text("processDefinitionTenantId")?, body.flag("processDefinitionWithoutTenantId")?);
    Ok(Some(match (id, key) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(Error::Invalid("processDefinitionId and processDefinitionKey cannot both be set".to_owned())),
        (Some(_), None) if tenant.is_some() || without_tenant => {
            return Err(Error::Invalid("a tenant of the definition goes with processDefinitionKey only".to_owned()));
        }
        (Some(id), None) => DefinitionFilter { ids: vec![id], ..DefinitionFilter::default() },
        (None, key) => DefinitionFilter { key, tenants: tenant.into_iter().collect(), without_tenant, ..DefinitionFilter::default() },
    }))
}
