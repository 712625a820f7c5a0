//! `PUT /process-instance/suspended`: several instances, by their ids, a query, or what they run.

use std::collections::BTreeSet;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::put;
use mandate_runtime::Suspension;
use mandate_runtime::engine::InstanceId;
use mandate_runtime::query::InstanceFilter;

use super::modification::named_instances;
use crate::error::stored;
use crate::extract::Body;
use crate::operator::Acting;
use crate::query_params::Fields;
use crate::{App, Error, to_the_end};

/// Every field that Camunda's `ProcessInstanceSuspensionStateDto` has.
const FIELDS: &[&str] = &[
    "suspended",
    "processDefinitionId",
    "processDefinitionKey",
    "processDefinitionTenantId",
    "processDefinitionWithoutTenantId",
    "processInstanceIds",
    "processInstanceQuery",
    "historicProcessInstanceQuery",
];

/// When it is to be done, if not at once.
pub(super) fn execution_date(body: &mut Fields) -> Result<Option<i64>, Error> {
    body.date("executionDate")
}

/// Plans something for a later date.
pub(super) async fn plan(app: &App, suspension: &Suspension, at: i64) -> Result<StatusCode, Error> {
    app.runtime.plan_suspension(suspension, at).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) fn router() -> Router<App> {
    Router::new().route("/process-instance/suspended", put(suspend))
}

/// Each instance is a unit of work of its own: whoever hears of an error, or of nothing, may simply repeat the request.
async fn suspend(Acting(app): Acting, Body(mut body): Body) -> Result<StatusCode, Error> {
    let suspended = body.boolean("suspended")?.ok_or_else(|| Error::Invalid("'suspended' is missing".to_owned()))?;
    let definition = of_definition(&mut body)?;
    let by_instance = body.has("processInstanceIds") || body.has("processInstanceQuery");
    let instances = match (definition, by_instance) {
        (Some(filter), false) => found(&app, filter).await?,
        (None, true) => {
            let named = named_instances(&app, &mut body).await?;
            if named.is_empty() {
                return Err(Error::Invalid("Process instance ids cannot be empty".to_owned()));
            }
            let filter = InstanceFilter { ids: named.iter().map(|instance| instance.0).collect(), ..InstanceFilter::default() };
            let there: BTreeSet<_> = found(&app, filter).await?.into_iter().collect();
            if let Some(missing) = named.iter().find(|instance| !there.contains(instance)) {
                return Err(Error::NotFound(format!("Process instance with id {missing} does not exist")));
            }
            named
        }
        _ => {
            return Err(Error::Invalid(
                "Exactly one of processDefinitionId, processDefinitionKey, and processInstanceIds with processInstanceQuery should be set to \
                 update the suspension state."
                    .to_owned(),
            ));
        }
    };
    body.finish(FIELDS)?;
    let runtime = app.runtime.clone();
    to_the_end(async move { runtime.suspend_instances(instances, suspended).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What runs a definition, or any version of a key.
fn of_definition(body: &mut Fields) -> Result<Option<InstanceFilter>, Error> {
    let (definition_id, definition_key) = (body.text("processDefinitionId")?, body.text("processDefinitionKey")?);
    let (tenant, without_tenant) = (body.text("processDefinitionTenantId")?, body.flag("processDefinitionWithoutTenantId")?);
    match (&definition_id, &definition_key) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => return Err(Error::Invalid("processDefinitionId and processDefinitionKey cannot both be set".to_owned())),
        (Some(_), None) if tenant.is_some() || without_tenant => {
            return Err(Error::Invalid("a tenant of the definition goes with processDefinitionKey only".to_owned()));
        }
        _ => {}
    }
    let tenants = tenant.into_iter().collect();
    Ok(Some(InstanceFilter { definition_id, definition_key, tenants, without_tenant, ..InstanceFilter::default() }))
}

async fn found(app: &App, filter: InstanceFilter) -> Result<Vec<InstanceId>, Error> {
    Ok(stored(app.runtime.reads().instance_ids(filter).await)?.into_iter().map(InstanceId).collect())
}
