//! What an incident tells an operator beyond its message: what was sent, what may safely be done, what to do next.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::Value;

use crate::extract::Segments;
use crate::{App, Error, rest};

pub(super) fn router() -> Router<App> {
    Router::new().route("/incidents/{id}", get(detail))
}

/// The detail as it was stored when the incident was raised.
async fn detail(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let found = rest::find_incident(&app, &id).await?;
    let detail = serde_json::from_str::<Value>(&found.row.detail);
    detail.map(Json).map_err(|_| Error::NotFound(format!("incident {id} has no detail")))
}
