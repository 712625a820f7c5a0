//! `POST /condition`.

use axum::routing::post;
use axum::{Json, Router};
use mandate_runtime::ConditionEvaluation;
use serde_json::Value;

use super::process_definition::no_definition;
use super::process_instance;
use crate::extract::Body;
use crate::operator::Acting;
use crate::{App, Error, to_the_end};

/// Every field that Camunda's `EvaluationConditionDto` has.
const FIELDS: &[&str] = &["variables", "businessKey", "tenantId", "withoutTenantId", "processDefinitionId"];

pub(super) fn router() -> Router<App> {
    Router::new().route("/condition", post(evaluate))
}

async fn evaluate(Acting(app): Acting, Body(mut body): Body) -> Result<Json<Value>, Error> {
    let evaluation = ConditionEvaluation {
        variables: body.variables("variables")?,
        business_key: body.stored_text("businessKey")?,
        tenant: body.text("tenantId")?,
        without_tenant: body.flag("withoutTenantId")?,
        definition_id: body.text("processDefinitionId")?,
    };
    body.finish(FIELDS)?;
    if evaluation.tenant.is_some() && evaluation.without_tenant {
        return Err(Error::Invalid("Parameter 'tenantId' cannot be used together with parameter 'withoutTenantId'.".to_owned()));
    }
    let id = evaluation.definition_id.clone().unwrap_or_default();
    let runtime = app.runtime.clone();
    let started = to_the_end(async move { runtime.evaluate_conditions(evaluation).await }).await;
    let started = started.map_err(|error| Error::from(error).or_missing(|| no_definition(&id)))?;
    Ok(Json(started.iter().map(process_instance::started).collect()))
}
