//! HTTP: the Camunda 7 REST API under `/engine-rest`, what Camunda has no word for under `/api/v1`, metrics under `/metrics`.
//!
//! - `rest/`: one file per noun of Camunda's API. Paths, bodies and statuses are Camunda's; so are the surprises.
//! - `api/`: delegates, bindings, ledger, catalogue, waiting, health.
//! - `error.rs`: the one place where an error becomes a status.
//! - `extract.rs`, `query_params.rs`: how parameters and bodies are read, and why some are refused.
//! - `operator.rs`: who asks, for the log of operations.
//! - `record.rs`: an ended instance as one line.
//! - `variable.rs`, `date.rs`: values on the wire.
//! - `fuzzing.rs`: what holds of every body; for tests only.
//! - `origin.rs`: what browsers may ask on behalf of pages.
//! - `server.rs`: what surrounds every request. `connections.rs`, `patience.rs`: how many clients there may be, and for how long each may
//!   keep a host waiting.
//!
//! This crate knows the runtime, never the store or the sandbox.

mod api;
mod connections;
mod date;
mod error;
mod extract;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod metrics_page;
mod operator;
mod origin;
mod patience;
mod query_params;
mod record;
mod rest;
mod server;
mod variable;

use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Router, middleware};
use mandate_runtime::Runtime;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

pub use error::Error;
pub use metrics_page::{Metrics, metrics_recorder};
pub use origin::Hosts;
pub use query_params::{DEFAULT_MAX_RESULTS, LARGEST_MAX_RESULTS};
pub use record::history_line;
pub use server::{check_listen, serve};

/// The largest upload of a deployment unless the operator says otherwise: three Python components of some 20 MB each.
pub const DEFAULT_UPLOAD_LIMIT: usize = 64 * 1024 * 1024;

/// The largest JSON body: an instance may hold 1 MiB of variables, and JSON texts inside JSON are escaped.
pub const JSON_LIMIT: usize = 2 * 1024 * 1024;

/// How long a host that is to end waits for what is under way unless the operator says otherwise: a delegate may run for as long.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(30);

/// What a host may set about its HTTP interface.
#[derive(Clone, Debug)]
pub struct Options {
    /// The largest upload of a deployment, in bytes.
    pub upload_limit: usize,
    /// What `GET /metrics` renders; none: it answers 404.
    pub prometheus: Option<Metrics>,
    /// Under which names it answers.
    pub hosts: Hosts,
    /// How long requests that are under way at the shutdown may take.
    pub drain: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { upload_limit: DEFAULT_UPLOAD_LIMIT, prometheus: None, hosts: Hosts::Any, drain: DEFAULT_DRAIN }
    }
}

/// What every handler is given.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) runtime: Runtime,
    pub(crate) metrics: Option<Metrics>,
}

/// Carries something out to its end, whether or not its client is still there: a handler is dropped with its connection.
pub(crate) async fn to_the_end<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work.in_current_span()).await {
        Ok(done) => done,
        // Nobody aborts it, so that it can only have panicked; the panic goes on where it would have.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// All paths of a host.
pub fn router(runtime: Runtime, options: Options) -> Router {
    let app = App { runtime, metrics: options.prometheus };
    let rest = rest::router(options.upload_limit);
    Router::new()
        // Camunda's name for the one engine of a host; some clients always say it.
        .nest("/engine-rest/engine/default", rest.clone())
        .nest("/engine-rest", rest)
        .nest("/api/v1", api::router())
        .route("/metrics", get(metrics_page::render))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(JSON_LIMIT))
        .layer(middleware::from_fn_with_state(options.hosts, origin::guard))
        .layer(middleware::from_fn(server::read_body))
        // Outside of what waits for bodies.
        .layer(middleware::from_fn(connections::turn_away))
        .layer(CatchPanicLayer::custom(server::panicked))
        .layer(middleware::from_fn(server::trace))
        .with_state(app)
}

async fn not_found(uri: axum::http::Uri) -> Error {
    Error::NotFound(format!("there is no resource at {}", uri.path()))
}

async fn method_not_allowed(method: axum::http::Method, uri: axum::http::Uri) -> Error {
    Error::with_status(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not know the method {method}", uri.path()))
}
