//! `POST /message`.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use mandate_runtime::{Correlated, Correlation};
use serde_json::{Value, json};

use super::process_instance;
use crate::extract::Body;
use crate::operator::Acting;
use crate::query_params::{Fields, instance_or_none};
use crate::{App, Error, to_the_end, variable};

/// Every field that Camunda's `CorrelationMessageDto` has, and one of our own: the key of a wait in a model for Camunda 8.
const FIELDS: &[&str] = &[
    "messageName",
    "businessKey",
    "correlationKey",
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

async fn correlate(Acting(app): Acting, Body(mut body): Body) -> Result<Response, Error> {
    let message = body.text("messageName")?.filter(|name| !name.is_empty());
    let message = message.ok_or_else(|| Error::Invalid("No message name supplied".to_owned()))?;
    let result_enabled = body.flag("resultEnabled")?;
    let correlation = Correlation {
        message,
        business_key: body.stored_text("businessKey")?,
        correlation_key: correlation_key(&mut body)?,
        instance: body.text("processInstanceId")?.map(|id| instance_or_none(&id)),
        tenant: body.text("tenantId")?,
        without_tenant: body.flag("withoutTenantId")?,
        correlation_keys: body.stored_variables("correlationKeys")?,
        local_correlation_keys: body.stored_variables("localCorrelationKeys")?,
        variables: body.variables("processVariables")?,
        local_variables: body.variables("processVariablesLocal")?,
        triggered_variables: body.variables("processVariablesToTriggeredScope")?,
        all: body.flag("all")?,
        with_variables: body.flag("variablesInResultEnabled")?,
    };
    body.finish(FIELDS)?;
    if correlation.tenant.is_some() && correlation.without_tenant {
        return Err(Error::Invalid("Parameter 'tenantId' cannot be used together with parameter 'withoutTenantId'.".to_owned()));
    }
    if correlation.with_variables && !result_enabled {
        return Err(Error::Invalid("Parameter 'variablesInResultEnabled' cannot be used without 'resultEnabled' set to true.".to_owned()));
    }
    let runtime = app.runtime.clone();
    let correlated = to_the_end(async move { runtime.correlate(correlation).await }).await?;
    if !result_enabled {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Ok(Json(correlated.iter().map(result).collect::<Value>()).into_response())
}

/// What tells a wait from others. A number is its text, as it is where the wait begins.
fn correlation_key(body: &mut Fields) -> Result<Option<String>, Error> {
    let name = "correlationKey";
    if !body.has_number(name) {
        return body.stored_text(name);
    }
    Ok(body.json(name).map(|number| match number.as_f64() {
        Some(whole) if number.is_f64() && whole.fract() == 0.0 => format!("{whole:.0}"),
        _ => number.to_string(),
    }))
}

/// Camunda's `MessageCorrelationResultWithVariableDto`.
fn result(correlated: &Correlated) -> Value {
    let mut dto = match correlated {
        Correlated::Execution { instance, activity, tenant, ended, .. } => {
            let execution = json!({
                "id": super::execution(instance.0, *activity),
                "processInstanceId": instance.to_string(),
                "ended": ended,
                "tenantId": tenant,
            });
            json!({"resultType": "Execution", "execution": execution, "processInstance": null})
        }
        Correlated::Started(started) => {
            json!({"resultType": "ProcessDefinition", "execution": null, "processInstance": process_instance::started(started)})
        }
    };
    if let Some(variables) = correlated.variables() {
        dto["variables"] = variable::write_all(variables);
    }
    dto
}
