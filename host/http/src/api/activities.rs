//! Activities that somebody begins: those that are enabled in an ad-hoc sub-process.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use mandate_runtime::engine::ActivityId;

use crate::extract::Segments;
use crate::operator::Acting;
use crate::query_params::public_or_none;
use crate::{App, Error};

pub(super) fn router() -> Router<App> {
    Router::new().route("/activities/{id}/begin", post(begin))
}

/// Begins an activity by its id in `/waiting`, where its reason is `enabled`. Once: the activity that runs then has another id, so that a
/// repeated request finds nothing.
async fn begin(Acting(app): Acting, Segments(id): Segments<String>) -> Result<StatusCode, Error> {
    let id = public_or_none(&id);
    app.runtime.begin_activity(id.instance, ActivityId(id.number)).await?;
    Ok(StatusCode::NO_CONTENT)
}
