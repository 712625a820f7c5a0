//! What a definition's references are pinned to.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::extract::Segments;
use crate::{App, Error};

pub(super) fn router() -> Router<App> {
    Router::new().route("/process-definitions/{id}/bindings", get(bindings))
}

/// One entry for each task that a delegate does, in the order of their elements' ids.
async fn bindings(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let definition = app.runtime.definition(&id).await?;
    let mut bindings: Vec<_> =
        definition.bindings().map(|(element, binding)| (definition.model.element(element).id.to_string(), binding)).collect();
    bindings.sort_by(|(one, _), (other, _)| one.cmp(other));
    let dtos = bindings.into_iter().map(|(activity_id, binding)| {
        json!({
            "activityId": activity_id,
            "delegate": binding.delegate,
            "version": binding.version,
            "digest": binding.digest,
            "mandate": binding.mandate,
        })
    });
    Ok(Json(dtos.collect()))
}
