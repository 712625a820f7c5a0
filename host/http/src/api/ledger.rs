//! The ledger of an instance: every sending of a command with what came of it. It outlives the instance.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::error::stored;
use crate::extract::{Params, Segments};
use crate::query_params::instance_or_none;
use crate::{App, Error, date};

pub(super) fn router() -> Router<App> {
    Router::new().route("/process-instances/{id}/ledger", get(ledger))
}

/// In the order in which attempts were written; empty for an instance that has sent nothing, or never was. `firstResult` and `maxResults` as
/// in every list.
async fn ledger(State(app): State<App>, Segments(id): Segments<String>, Params(mut params): Params) -> Result<Json<Value>, Error> {
    let page = params.page()?;
    params.finish_own()?;
    let rows = stored(app.runtime.reads().ledger_of_instance(instance_or_none(&id).0, page).await)?;
    let dtos = rows.iter().map(|row| {
        json!({
            "command": row.command,
            "key": row.key,
            "generation": row.generation,
            "attempt": row.attempt,
            "tenantId": Some(&row.tenant).filter(|tenant| !tenant.is_empty()),
            "processInstanceId": row.instance.to_string(),
            "processDefinitionId": row.definition_id,
            "activityId": row.activity_id,
            "state": row.state.as_str(),
            "code": row.code,
            "message": row.message,
            "requestDigest": row.request_digest,
            // Without the fields that the catalogue says must not be stored.
            "request": parsed(&row.request),
            "reply": row.reply.as_deref().map(parsed),
            "openedAt": date::print(row.opened_at),
            "closedAt": date::print_option(row.closed_at),
            "appliedAfterCancellation": row.cancelled,
        })
    });
    Ok(Json(dtos.collect()))
}

/// Stored JSON as JSON.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}
