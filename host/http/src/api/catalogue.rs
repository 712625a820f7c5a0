//! The operator's catalogue, without its URLs and credentials.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use mandate_runtime::commands::{Command, Undo};
use serde_json::{Value, json};

use crate::App;

pub(super) fn router() -> Router<App> {
    Router::new().route("/catalogue", get(catalogue))
}

async fn catalogue(State(app): State<App>) -> Json<Value> {
    Json(app.runtime.catalogue().commands().map(dto).collect())
}

/// Names only: where a command goes and with which secret is the operator's own business.
fn dto(command: &Command) -> Value {
    let grants: Vec<_> = command.grants.iter().map(|grant| json!({"tenants": grant.tenants, "delegates": grant.delegates})).collect();
    json!({
        "name": command.name,
        "target": command.target(),
        "timeoutMillis": u64::try_from(command.timeout.as_millis()).unwrap_or(u64::MAX),
        "honoursKey": command.honours_key,
        "reconcilable": command.reconcilable(),
        "undo": match &command.undo {
            Undo::Command(name) => Some(name),
            Undo::Nothing => None,
        },
        "grants": grants,
    })
}
