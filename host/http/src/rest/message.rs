//! `POST /message`.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use mandate_runtime::engine::InstanceId;
use mandate_runtime::{Correlated, Correlation};
use serde_json::{Value, json};

use super::process_instance;
use crate::extract::Body;
use crate::query_params::instance_or_none;
use crate::{App, Error, to_the_end, variable};

/// Every field that Camunda's `CorrelationMessageDto` has.
const FIELDS: &[&str] = &[
    "messageName",
    "businessKey",
    "tenantId",
    "withoutTenantId",
    "processInstanceId",
    "correlationKeys",
    "localCorrelationKeys",
    "processVariables",
    "processVariablesLocal",
    "processVariablesToTriggeredScope",
    "all",
    "resultEnabled",
    "variablesInResultEnabled",
];

pub(super) fn router() -> Router<App> {
    Router::new().route("/message", post(correlate))
}

async fn correlate(State(app): State<App>, Body(mut body): Body) -> Result<Response, Error> {
    let message = body.text("messageName")?.filter(|name| !name.is_empty());
    let message = message.ok_or_else(|| Error::Invalid("No message name supplied".to_owned()))?;
    let correlation = Correlation {
        message,
        business_key: body.stored_text("businessKey")?,
        instance: body.text("processInstanceId")?.map(|id| instance_or_none(&id)),
        tenant: body.text("tenantId")?,
        without_tenant: body.flag("withoutTenantId")?,
        correlation_keys: body.variables("correlationKeys")?,
        variables: body.variables("processVariables")?,
        all: body.flag("all")?,
    };
    let result_enabled = body.flag("resultEnabled")?;
    let variables_enabled = body.flag("variablesInResultEnabled")?;
    body.finish(FIELDS)?;
    if correlation.tenant.is_some() && correlation.without_tenant {
        return Err(Error::Invalid("Parameter 'tenantId' cannot be used together with parameter 'withoutTenantId'.".to_owned()));
    }
    if variables_enabled && !result_enabled {
        return Err(Error::Invalid("Parameter 'variablesInResultEnabled' cannot be used without 'resultEnabled' set to true.".to_owned()));
    }
    let runtime = app.runtime.clone();
    let correlated = to_the_end(async move { runtime.correlate(correlation).await }).await?;
    if !result_enabled {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let mut results = Vec::with_capacity(correlated.len());
    for receiver in correlated {
        results.push(result(&app, receiver, variables_enabled).await?);
    }
    Ok(Json(results).into_response())
}

async fn result(app: &App, correlated: Correlated, with_variables: bool) -> Result<Value, Error> {
    let (mut dto, variables) = match correlated {
        Correlated::Execution { instance, definition_id, .. } => {
            let tenant = app.runtime.definition(&definition_id).await?.row.tenant.clone();
            let variables = if with_variables { variables_of(app, instance).await? } else { json!({}) };
            // The wait is over and its activity instance with it; what the receiver still is, is the process instance.
            let execution =
                json!({"id": instance.to_string(), "processInstanceId": instance.to_string(), "ended": false, "tenantId": tenant});
            (json!({"resultType": "Execution", "execution": execution, "processInstance": null}), variables)
        }
        Correlated::Started(started) => {
            let variables = started.variables.as_ref().map_or_else(|| json!({}), variable::write_all);
            (
                json!({"resultType": "ProcessDefinition", "execution": null, "processInstance": process_instance::started(&started)}),
                variables,
            )
        }
    };
    if with_variables {
        dto["variables"] = variables;
    }
    Ok(dto)
}

/// The process variables of an instance; none if the message has brought it to its end.
async fn variables_of(app: &App, instance: InstanceId) -> Result<Value, Error> {
    match app.runtime.instance(instance).await.map_err(Error::from) {
        Ok(view) => Ok(view.instance.variables(view.instance.root()).map_or_else(|| json!({}), variable::write_all)),
        Err(error) if error.is_missing() => Ok(json!({})),
        Err(error) => Err(error),
    }
}
