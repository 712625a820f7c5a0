//! The routes. Answers are JSON; an error is `{"code": …, "message": …}`.
//!
//! | route | answers |
//! |---|---|
//! | `POST /orders` | 201 with the order, 200 if it was there already, 409 `ORDER_ID_TAKEN` |
//! | `GET /orders?state=&after=&limit=` | orders in the order of their ids |
//! | `GET /orders/{id}` | the order with its lines |
//! | `GET /orders/{id}/process` | the order and the engine's view of its process |
//! | `POST /orders/{id}/cancellation` | 202: the order's process will be told that the customer wants to cancel |
//! | `GET /orders/{id}/history` | transition log and audit evidence |
//! | `GET /orders/{id}/fulfillment-status` | is it fulfilled? |
//! | `POST /commands/{name}` | 200 applied, 409 rejected with a code, 422 key reused, 400 misunderstood |
//! | `GET /commands/by-key/{key}?command=` | the stored reply if the key was applied, else 404 |
//! | `GET /facts?after=&limit=` | the feed of business facts |
//! | `GET /stats?keys=true` | how often each command was really applied |
//! | `GET /faults`, `PUT /faults` | misbehaviour |
//! | `GET /health` | 200 |

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::commands::{self, Answer, Command, ErrorBody, MAX_KEY, Origin, Request};
use crate::faults::{CallFault, Faults, FulfillmentFault};
use crate::order::Order;
use crate::relay::{Delivery, LineNews, Work, now_ms};
use crate::service::{self, App};
use crate::state::OrderState;
use crate::{repository, stats};

/// The largest body that is read. An order of fifty items has a few KiB.
const MAX_BODY: usize = 64 * 1024;
/// How many rows a list answers when nothing is said.
const DEFAULT_LIMIT: i64 = 100;
/// How many rows a list answers at most.
const MAX_LIMIT: i64 = 10_000;
/// If early fulfilment is interrupted by a kill, it is made up for after this long, in milliseconds.
const EARLY_GRACE_MS: i64 = 2_000;

/// All routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/orders", post(create_order).get(list_orders))
        .route("/orders/{id}", get(order))
        .route("/orders/{id}/cancellation", post(cancellation))
        .route("/orders/{id}/process", get(process))
        .route("/orders/{id}/history", get(history))
        .route("/orders/{id}/fulfillment-status", get(fulfillment_status))
        .route("/commands/{name}", post(command))
        .route("/commands/by-key/{key}", get(command_by_key))
        .route("/facts", get(facts))
        .route("/stats", get(statistics))
        .route("/faults", get(faults).put(set_faults))
        .route("/health", get(async || json_answer(StatusCode::OK, &json!({ "status": "up" }))))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(app)
}

/// Every way a request fails, in one place.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{0}")]
    BadRequest(String),
    #[error("there is no order {0}")]
    NoOrder(String),
    #[error("this key was not applied")]
    NotApplied,
    #[error(transparent)]
    Command(#[from] commands::Error),
    #[error(transparent)]
    Service(#[from] service::Error),
    #[error(transparent)]
    Repository(#[from] repository::Error),
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    #[error("the request was dropped: {0}")]
    Dropped(#[from] tokio::task::JoinError),
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, code) = match &self {
            Self::BadRequest(_) | Self::Command(commands::Error::Body { .. }) | Self::Service(service::Error::Invalid(_)) => {
                (StatusCode::BAD_REQUEST, "BAD_REQUEST")
            }
            Self::Command(commands::Error::UnknownCommand(_)) => (StatusCode::NOT_FOUND, "UNKNOWN_COMMAND"),
            Self::Command(commands::Error::KeyReused(_)) => (StatusCode::UNPROCESSABLE_ENTITY, "IDEMPOTENCY_KEY_REUSED"),
            Self::NoOrder(_) => (StatusCode::NOT_FOUND, "ORDER_NOT_FOUND"),
            Self::NotApplied => (StatusCode::NOT_FOUND, "NOT_APPLIED"),
            Self::Service(service::Error::OrderIdTaken(_)) => (StatusCode::CONFLICT, "ORDER_ID_TAKEN"),
            _ => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
        };
        if status.is_server_error() {
            tracing::error!(error = %self, "a request failed");
        }
        json_answer(status, &json!(ErrorBody { code, message: self.to_string() }))
    }
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    (status, [("content-type", "application/json")], body.to_string()).into_response()
}

fn read_json(body: &Bytes) -> Result<Value, Error> {
    serde_json::from_slice(body).map_err(|error| Error::BadRequest(format!("the body is not JSON: {error}")))
}

async fn find(app: &App, id: &str) -> Result<Order, Error> {
    repository::load(&app.db, id).await?.ok_or_else(|| Error::NoOrder(id.to_owned()))
}

async fn create_order(State(app): State<App>, body: Bytes) -> Result<Response, Error> {
    let body = read_json(&body)?;
    // On a task of its own: a client that hangs up does not decide halfway.
    let (order, new) = tokio::spawn(async move { service::take_in(&app, body).await }).await??;
    Ok(json_answer(if new { StatusCode::CREATED } else { StatusCode::OK }, &json!(order)))
}

#[derive(Deserialize)]
struct ListQuery {
    state: Option<String>,
    after: Option<String>,
    limit: Option<i64>,
}

async fn list_orders(State(app): State<App>, Query(query): Query<ListQuery>) -> Result<Response, Error> {
    let state = match query.state.as_deref() {
        None | Some("") => None,
        Some(name) => Some(OrderState::parse(name).ok_or_else(|| Error::BadRequest(format!("{name:?} is no state of an order")))?),
    };
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let orders = repository::list(&app.db, state, query.after.as_deref().unwrap_or_default(), limit).await?;
    Ok(json_answer(StatusCode::OK, &json!(orders)))
}

async fn order(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Error> {
    Ok(json_answer(StatusCode::OK, &json!(find(&app, &id).await?)))
}

async fn process(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Error> {
    let order = find(&app, &id).await?;
    let process = match &order.process_instance_id {
        None => json!({ "state": "NOT_STARTED" }),
        Some(instance) => match app.relay.engine().process_view(instance).await {
            Ok(view) => view,
            // The order is this service's own to answer, whether or not the engine can be reached.
            Err(why) => json!({ "state": "ENGINE_UNREACHABLE", "message": why }),
        },
    };
    Ok(json_answer(StatusCode::OK, &json!({ "order": order, "process": process })))
}

async fn cancellation(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Error> {
    let order = find(&app, &id).await?;
    // On a task of its own: a client that hangs up does not decide halfway.
    tokio::spawn(async move { service::request_cancellation(&app, &order).await }).await??;
    Ok(json_answer(StatusCode::ACCEPTED, &json!({ "requested": true })))
}

async fn history(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Error> {
    let order = find(&app, &id).await?;
    Ok(json_answer(StatusCode::OK, &repository::history(&app.db, &order.order_id).await?))
}

async fn fulfillment_status(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Error> {
    Ok(json_answer(StatusCode::OK, &find(&app, &id).await?.fulfillment_status()))
}

async fn command(State(app): State<App>, Path(name): Path<String>, headers: HeaderMap, body: Bytes) -> Result<Response, Error> {
    let key = headers.get("idempotency-key").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(Error::BadRequest(format!("the header Idempotency-Key must have 1 to {MAX_KEY} characters")));
    }
    let request = Request::parse(&name, key, read_json(&body)?, Origin::Http)?;
    let fault = app.injector.next_call(&name, key);
    if fault == CallFault::Unavailable {
        let message = "told to be unavailable; nothing was applied".to_owned();
        return Ok(json_answer(StatusCode::SERVICE_UNAVAILABLE, &json!(ErrorBody { code: "UNAVAILABLE", message })));
    }
    // On a task of its own: a client that hangs up does not decide halfway.
    let working = app.clone();
    let answer = tokio::spawn(async move { apply(&working, &request).await }).await??;
    match fault {
        CallFault::HangAfterApply(how_long) => {
            let mut stopping = app.stopping.clone();
            tokio::select! {
                () = tokio::time::sleep(how_long) => {}
                _ = stopping.wait_for(|stop| *stop) => {}
            }
        }
        CallFault::ErrorAfterApply => {
            let message = "told to fail after applying".to_owned();
            return Ok(json_answer(StatusCode::INTERNAL_SERVER_ERROR, &json!(ErrorBody { code: "INTERNAL", message })));
        }
        CallFault::None | CallFault::Unavailable => {}
    }
    Ok(match answer {
        Answer::Applied { reply, replayed } => {
            let mut response = json_answer(StatusCode::OK, &reply);
            if replayed {
                response.headers_mut().insert("idempotent-replayed", axum::http::HeaderValue::from_static("true"));
            }
            response
        }
        Answer::Rejected(rejection) => json_answer(StatusCode::CONFLICT, &json!(rejection)),
    })
}

/// Executes a command and sees to it that what follows from it gets going.
async fn apply(app: &App, request: &Request) -> Result<Answer, commands::Error> {
    let now_ms = now_ms();
    let faults = app.injector.faults();
    let fault = faults.fulfillment(request.order_id());
    let answer = commands::execute(&app.db, request, now_ms, |_| follows(&faults, request, now_ms)).await?;
    if matches!(answer, Answer::Applied { replayed: false, .. }) {
        if matches!(request.command(), Command::SubmitFulfillment {})
            && fault == FulfillmentFault::Early
            && let Err(error) = app.relay.deliver_early(request.order_id()).await
        {
            tracing::warn!(order = request.order_id(), %error, "early fulfilment failed; it is made up for");
        }
        app.relay.wake();
    }
    Ok(answer)
}

/// What is to leave the service because a command was applied.
fn follows(faults: &Faults, request: &Request, now_ms: i64) -> Vec<Delivery> {
    let after = |millis: u64| now_ms.saturating_add(i64::try_from(millis).unwrap_or(i64::MAX));
    let due = |fault: FulfillmentFault| match fault {
        FulfillmentFault::Stalled => None,
        FulfillmentFault::Late => Some(after(faults.late_millis)),
        FulfillmentFault::Early => Some(now_ms + EARLY_GRACE_MS),
        _ => Some(after(faults.fulfillment_millis)),
    };
    let delivery = match request.command() {
        Command::SubmitFulfillment {} => {
            let fault = faults.fulfillment(request.order_id());
            due(fault).map(|due_ms| Delivery { work: Work::Fulfill { fault }, due_ms })
        }
        Command::SubmitLine { line_id } => {
            let fault = faults.fulfillment(&format!("{}:{line_id}", request.order_id()));
            due(fault).map(|due_ms| Delivery { work: Work::FulfillLine { line_id: line_id.clone(), fault }, due_ms })
        }
        Command::AskCustomer { line_id, .. } => {
            let work = Work::TellLine { line_id: line_id.clone(), news: LineNews::Answered };
            Some(Delivery { work, due_ms: after(faults.fulfillment_millis) })
        }
        Command::DecideQuote { approved: true, .. } => Some(Delivery { work: Work::Start, due_ms: now_ms }),
        _ => None,
    };
    delivery.into_iter().collect()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ByKeyQuery {
    command: Option<String>,
    tenant_id: Option<String>,
}

async fn command_by_key(State(app): State<App>, Path(key): Path<String>, Query(query): Query<ByKeyQuery>) -> Result<Response, Error> {
    let (command, tenant) = (query.command.as_deref(), query.tenant_id.as_deref());
    let reply = commands::applied_under(&app.db, &key, command, tenant).await?.ok_or(Error::NotApplied)?;
    let mut response = json_answer(StatusCode::OK, &reply);
    response.headers_mut().insert("command-outcome", axum::http::HeaderValue::from_static("APPLIED"));
    Ok(response)
}

#[derive(Deserialize)]
struct FactsQuery {
    after: Option<i64>,
    limit: Option<i64>,
}

/// Consumers remember the highest number they have seen. On PostgreSQL a number may become visible after a higher
/// one, if two transactions overlap: who must miss nothing reads with some overlap and skips what is known.
async fn facts(State(app): State<App>, Query(query): Query<FactsQuery>) -> Result<Response, Error> {
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let facts = repository::facts(&app.db, query.after.unwrap_or_default(), limit).await?;
    Ok(json_answer(StatusCode::OK, &json!(facts)))
}

#[derive(Deserialize)]
struct StatsQuery {
    #[serde(default)]
    keys: bool,
}

async fn statistics(State(app): State<App>, Query(query): Query<StatsQuery>) -> Result<Response, Error> {
    Ok(json_answer(StatusCode::OK, &json!(stats::collect(&app.db, query.keys).await?)))
}

async fn faults(State(app): State<App>) -> Response {
    json_answer(StatusCode::OK, &json!(app.injector.faults()))
}

async fn set_faults(State(app): State<App>, body: Bytes) -> Result<Response, Error> {
    let faults: Faults = serde_json::from_slice(&body).map_err(|error| Error::BadRequest(format!("faults: {error}")))?;
    faults.check().map_err(|error| Error::BadRequest(error.to_string()))?;
    app.injector.set(faults);
    Ok(json_answer(StatusCode::OK, &json!(app.injector.faults())))
}
