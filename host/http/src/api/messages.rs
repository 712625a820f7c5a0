//! Messages along message flows that have come to nobody yet.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::extract::{Params, Segments};
use crate::operator::Acting;
use crate::{App, Error, date};

pub(super) fn router() -> Router<App> {
    Router::new().route("/messages", get(messages)).route("/messages/{id}", delete(remove))
}

/// The oldest first; `firstResult` and `maxResults` as in every list. `reason` says why nobody was found when somebody was looked for last;
/// `receiver` is the instance that is to get it, whose job the delivery is if it has failed.
async fn messages(State(app): State<App>, Params(mut params): Params) -> Result<Json<Value>, Error> {
    let page = params.page()?;
    params.finish_own()?;
    let found = app.runtime.messages_on_the_way(page).await?;
    let dto = |it: &mandate_runtime::MessageListed| {
        json!({
            "id": it.id,
            "messageName": it.name,
            "sender": it.sender,
            "processDefinitionKey": it.process,
            "tenantId": it.tenant,
            "activityId": it.element,
            "businessKey": it.business_key,
            "correlationKey": it.correlation_key,
            "sent": date::print(it.created),
            "nextAttempt": date::print(it.due),
            "reason": it.reason,
            "receiver": it.receiver,
        })
    };
    Ok(Json(found.iter().map(dto).collect()))
}

/// Removes a message that nobody is to get any more. It is lost then, and the log of operations says by whom.
async fn remove(Acting(app): Acting, Segments(id): Segments<String>) -> Result<StatusCode, Error> {
    app.runtime.remove_message(Uuid::parse_str(&id).unwrap_or_default()).await?;
    Ok(StatusCode::NO_CONTENT)
}
