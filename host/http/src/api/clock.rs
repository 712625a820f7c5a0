//! The time as processes see it, and setting it on a host whose clock is set.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::extract::{Body, Params};
use crate::{App, Error, date};

pub(super) fn router() -> Router<App> {
    Router::new().route("/clock", get(read).put(set))
}

/// `now`, a date.
async fn read(State(app): State<App>, Params(params): Params) -> Result<Json<Value>, Error> {
    params.finish_own()?;
    Ok(shown(app.runtime.now()))
}

/// `now`: the date to move to, forward only. Answers when everything has run that became due on the way. 409: this host uses its system's
/// clock. A client that hangs up leaves the clock at the due date that it has come to.
async fn set(State(app): State<App>, Body(mut body): Body) -> Result<Json<Value>, Error> {
    let to = body.date("now")?.ok_or_else(|| Error::Invalid("'now' is missing: the date to move the clock to".to_owned()))?;
    body.finish(&["now"])?;
    Ok(shown(app.runtime.set_clock(to).await?))
}

fn shown(now: i64) -> Json<Value> {
    Json(json!({"now": date::stored(now)}))
}
