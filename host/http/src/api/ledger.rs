//! The ledger: every sending of a command with what came of it, and what people say of those of which nobody knows. It outlives the
//! instance.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use mandate_runtime::commands::NOT_STORED;
use mandate_runtime::{Finding, LedgerRow, LedgerState, Verdict};
use serde_json::{Value, json};

use crate::error::stored;
use crate::extract::{Body, Params, Segments};
use crate::query_params::{Fields, instance_or_none};
use crate::{App, Error, date, to_the_end};

pub(super) fn router() -> Router<App> {
    Router::new().route("/process-instances/{id}/ledger", get(ledger)).route("/ledger/verdict", post(verdict))
}

/// In the order in which attempts were written; empty for an instance that has sent nothing, or never was. `firstResult` and `maxResults`
/// as in every list.
async fn ledger(State(app): State<App>, Segments(id): Segments<String>, Params(mut params): Params) -> Result<Json<Value>, Error> {
    let page = params.page()?;
    params.finish_own()?;
    let rows = stored(app.runtime.reads().ledger_of_instance(instance_or_none(&id).0, page).await)?;
    Ok(Json(rows.iter().map(dto).collect()))
}

/// An attempt as the ledger lists it.
pub(crate) fn dto(row: &LedgerRow) -> Value {
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
            "requestDigest": (!lacks_something(&row.request)).then_some(&row.request_digest),
            // Without the fields that the catalogue says must not be stored.
            "request": parsed(&row.request),
            "reply": row.reply.as_deref().map(parsed),
            "openedAt": date::print(row.opened_at),
            "closedAt": date::print_option(row.closed_at),
            "appliedAfterCancellation": row.cancelled && row.state == LedgerState::Applied,
            "verdict": row.verdict.as_ref().map(|verdict| json!({"by": verdict.by, "reason": verdict.reason, "at": date::print(verdict.at)})),
    })
}

/// Whether the request was sent with more than its row has of it. Its digest is of all of it, and would tell whoever guesses the rest that
/// they are right.
fn lacks_something(request: &str) -> bool {
    request.contains(&Value::from(NOT_STORED).to_string())
}

/// `command`, `key` and `attempt` as the ledger lists them, `tenantId` where it lists one, `applied` (true or false), `reply` (what the
/// delegate is answered, with `applied` true only), `by` and `reason`. 409: there is nothing to decide, and what the attempt is.
async fn verdict(State(app): State<App>, Body(body): Body) -> Result<StatusCode, Error> {
    let verdict = read_verdict(body)?;
    // Two writes, of which a client that hangs up must not leave the second one undone.
    let runtime = app.runtime.clone();
    to_the_end(async move { runtime.give_verdict(verdict).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read_verdict(mut body: Fields) -> Result<Verdict, Error> {
    fn required<T>(name: &str, value: Option<T>) -> Result<T, Error> {
        value.ok_or_else(|| Error::Invalid(format!("'{name}' is missing")))
    }
    let applied = required("applied", body.boolean("applied")?)?;
    let reply = body.json("reply");
    if !applied && reply.is_some() {
        return Err(Error::Invalid("'reply' is what a command was answered that was applied; leave it out".to_owned()));
    }
    let verdict = Verdict {
        tenant: body.text("tenantId")?,
        command: required("command", body.text("command")?)?,
        key: required("key", body.text("key")?)?,
        attempt: required("attempt", body.count("attempt")?)?.into(),
        finding: if applied { Finding::Applied { reply } } else { Finding::NotApplied },
        by: required("by", body.stored_text("by")?)?,
        reason: required("reason", body.text("reason")?)?,
    };
    body.finish_own()?;
    Ok(verdict)
}

/// Stored JSON as JSON.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::from(text))
}
