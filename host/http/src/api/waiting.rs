//! Nothing is silently stuck: every leaf of every active instance with the reason why it stands where it stands, and every open incident
//! beside them.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use mandate_runtime::WaitingFilter;
use serde_json::{Value, json};

use crate::extract::Params;
use crate::query_params::instance_or_none;
use crate::{App, Error};

/// Instances looked at by one request unless it says otherwise.
const DEFAULT_INSTANCES: u32 = 200;

/// The most instances that one request looks at: each is a snapshot to be read.
const MAX_INSTANCES: u32 = 2_000;

pub(super) fn router() -> Router<App> {
    Router::new().route("/waiting", get(waiting))
}

/// `processInstanceId`, `processDefinitionKey`, `businessKey`, `overdue` (true: now; or `overdueAt`, a date), `maxInstances`, `after` (the
/// `next` of the page before). A page may hold fewer leaves than there are on later pages: go on until `next` is null.
async fn waiting(State(app): State<App>, Params(mut params): Params) -> Result<Json<Value>, Error> {
    let overdue = params.flag("overdue")?;
    let overdue_at = params.date("overdueAt")?.or_else(|| overdue.then(|| app.runtime.now()));
    let max_instances = params.count("maxInstances")?.unwrap_or(DEFAULT_INSTANCES);
    if !(1..=MAX_INSTANCES).contains(&max_instances) {
        return Err(Error::Invalid(format!("'maxInstances' is a number from 1 to {MAX_INSTANCES}")));
    }
    let after = params
        .text("after")?
        .map(|text| text.parse().map_err(|_| Error::Invalid(format!("'after' is not an id of a process instance: '{text}'"))));
    let filter = WaitingFilter {
        instance: params.text("processInstanceId")?.map(|id| instance_or_none(&id)),
        definition_key: params.text("processDefinitionKey")?,
        business_key: params.text("businessKey")?,
        overdue_at,
        max_instances,
        after: after.transpose()?,
    };
    params.finish_own()?;
    let (waiting, next) = app.runtime.waiting(filter).await?;
    Ok(Json(json!({"items": waiting, "next": next.map(|id| id.to_string())})))
}
