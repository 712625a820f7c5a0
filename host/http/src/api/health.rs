//! Whether the process is up, whether it should get requests, whether its store agrees with itself.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use mandate_runtime::StoreReport;
use serde_json::{Value, json};

use crate::{App, Error};

pub(super) fn router() -> Router<App> {
    Router::new().route("/health", get(health)).route("/readiness", get(readiness)).route("/check-store", post(check_store))
}

/// The process is up; says nothing about its store, so that nobody restarts a host because a database is down.
async fn health() -> Json<Value> {
    Json(json!({"status": "up"}))
}

/// This host holds its lease and its store answers; 503 otherwise.
async fn readiness(State(app): State<App>) -> Result<Json<Value>, Error> {
    match app.runtime.ready().await {
        Ok(()) => Ok(Json(json!({"ready": true}))),
        Err(error) => {
            tracing::warn!(%error, "not ready");
            Err(match error {
                acting @ mandate_runtime::Error::NotActing(_) => acting.into(),
                _ => mandate_runtime::Error::NotActing("its store does not answer").into(),
            })
        }
    }
}

/// Compares every snapshot with its rows and every binding with its bytes. Reads everything: not for probes.
async fn check_store(State(app): State<App>) -> Result<Json<StoreReport>, Error> {
    Ok(Json(app.runtime.check_store().await?))
}
