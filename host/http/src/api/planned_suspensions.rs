//! Suspensions and activations that are planned for a later date (`executionDate`).

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use mandate_runtime::{PlannedSuspension, Suspended};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::extract::{Params, Segments};
use crate::operator::Acting;
use crate::{App, Error, date};

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/planned-suspensions", get(list))
        .route("/planned-suspensions/{id}", get(one).delete(forget))
        .route("/planned-suspensions/{id}/execute", post(execute))
}

/// In the order of their dates; `firstResult` and `maxResults` as in every list.
async fn list(State(app): State<App>, Params(mut params): Params) -> Result<Json<Value>, Error> {
    let page = params.page()?;
    params.finish_own()?;
    let found = app.runtime.planned_suspensions(page).await?;
    Ok(Json(found.iter().map(dto).collect()))
}

async fn one(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let found = app.runtime.planned_suspension(Uuid::parse_str(&id).unwrap_or_default()).await?;
    found.as_ref().map(dto).map(Json).ok_or_else(|| missing(&id))
}

fn missing(id: &str) -> Error {
    Error::NotFound(format!("Planned suspension with id '{id}' does not exist; it is done, or was forgotten"))
}

fn dto(it: &PlannedSuspension) -> Value {
    let mut dto = json!({
        "id": it.id,
        "executionDate": date::print(it.due),
        "userId": it.user,
        "created": date::print(it.created),
        "nextAttempt": it.next.map(date::print),
        "failedAttempts": it.attempts,
        "failure": it.failure,
    });
    // Of one that cannot be read nothing more is known.
    if let Some(of) = &it.suspension {
        let (include, of_jobs) = match of.what {
            Suspended::ProcessDefinitions | Suspended::ProcessInstances => ("includeProcessInstances", false),
            Suspended::JobDefinitions | Suspended::Jobs => ("includeJobs", true),
        };
        dto["suspended"] = json!(of.suspended);
        dto["jobDefinitions"] = json!(of_jobs);
        dto[include] = json!(of.include);
        dto["processDefinitionId"] = json!(of.process_definition_id);
        dto["processDefinitionKey"] = json!(of.process_definition_key);
        dto["tenantId"] = json!(of.tenant_id);
        dto["activityId"] = json!(of.job_definition.as_ref().map(|(activity, _)| activity));
    }
    dto
}

/// Carries it out now, on any host, and answers when all of it is done. 409: another host is at it, or one for an earlier date comes first;
/// 500: it could not be done, and is tried again as any that has failed.
async fn execute(Acting(app): Acting, Segments(id): Segments<String>) -> Result<StatusCode, Error> {
    let executed = app.runtime.execute_planned_suspension(Uuid::parse_str(&id).unwrap_or_default()).await;
    executed.map_err(|error| Error::from(error).or_missing(|| missing(&id)))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Nothing is suspended or activated then. The log of operations says by whom.
async fn forget(Acting(app): Acting, Segments(id): Segments<String>) -> Result<StatusCode, Error> {
    let forgotten = app.runtime.forget_planned_suspension(Uuid::parse_str(&id).unwrap_or_default()).await;
    forgotten.map_err(|error| Error::from(error).or_missing(|| missing(&id)))?;
    Ok(StatusCode::NO_CONTENT)
}
