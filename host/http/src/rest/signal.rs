//! `POST /signal`.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use mandate_runtime::{SignalTenants, SignalThrown};

use super::scope_or_none;
use crate::extract::Body;
use crate::{App, Error, to_the_end, variable};

/// Every field that Camunda's `SignalDto` has.
const FIELDS: &[&str] = &["name", "executionId", "variables", "tenantId", "withoutTenantId"];

pub(super) fn router() -> Router<App> {
    Router::new().route("/signal", post(throw))
}

async fn throw(State(app): State<App>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let name = body.stored_text("name")?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| Error::Invalid("No signal name given".to_owned()))?;
    let execution = body.text("executionId")?;
    let variables = body.variables("variables")?;
    let tenant = body.text("tenantId")?;
    let without_tenant = body.flag("withoutTenantId")?;
    body.finish(FIELDS)?;
    if tenant.is_some() && without_tenant {
        return Err(Error::Invalid("Parameter 'tenantId' cannot be used together with parameter 'withoutTenantId'.".to_owned()));
    }
    let runtime = app.runtime.clone();
    let Some(execution) = execution else {
        // It is stored until each has it.
        variable::check_stored(&variables)?;
        let tenants = match (tenant, without_tenant) {
            (None, false) => SignalTenants::Any,
            (tenant, _) => SignalTenants::Only(tenant),
        };
        to_the_end(async move { runtime.throw_signal(SignalThrown { name, variables, tenants }).await }).await?;
        return Ok(StatusCode::NO_CONTENT);
    };
    if tenant.is_some() || without_tenant {
        return Err(Error::Invalid("Cannot deliver a signal with tenant-id to a single execution.".to_owned()));
    }
    to_the_end(async move { to_one(&runtime, &name, &execution, &variables).await }).await
}

/// As in Camunda, an execution that is not there or does not wait for the signal is the server's error.
async fn to_one(
    runtime: &mandate_runtime::Runtime,
    name: &str,
    execution: &str,
    variables: &mandate_runtime::engine::Variables,
) -> Result<StatusCode, Error> {
    let (instance, activity) = scope_or_none(execution);
    let instance = mandate_runtime::engine::InstanceId(instance);
    let missing = || Error::with_status(StatusCode::INTERNAL_SERVER_ERROR, format!("Cannot find execution with id '{execution}'"));
    let view = runtime.instance(instance).await.map_err(|error| Error::from(error).or_missing(missing))?;
    let is_meant = |it: &mandate_runtime::engine::Activity| i64::try_from(it.id.0).is_ok_and(|id| id == activity);
    if !view.instance.activities().any(is_meant) {
        return Err(missing());
    }
    if runtime.signal_execution(instance, activity, name, variables).await? == 0 {
        let message = format!("Execution '{execution}' has not subscribed to a signal event with name '{name}'.");
        return Err(Error::with_status(StatusCode::INTERNAL_SERVER_ERROR, message));
    }
    Ok(StatusCode::NO_CONTENT)
}
