//! `GET /metrics`: Prometheus text.

use std::fmt;
use std::sync::OnceLock;
use std::time::Duration;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::{App, Error};

/// Buckets of everything that is measured in seconds: a delegate takes some tens of microseconds, a command may take a minute.
const SECONDS: &[f64] = &[0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0];

/// How often samples are folded into their buckets when nobody scrapes; without it they would pile up.
const UPKEEP: Duration = Duration::from_secs(5);

/// What has been counted in this process.
#[derive(Clone)]
pub struct Metrics(PrometheusHandle);

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

/// Makes the process count, without a listener of its own; the result goes into [`Options::prometheus`](crate::Options::prometheus). A
/// second call answers with the same counters.
pub fn metrics_recorder() -> Metrics {
    static INSTALLED: OnceLock<Metrics> = OnceLock::new();
    INSTALLED.get_or_init(install).clone()
}

fn install() -> Metrics {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)
        .expect("the table of buckets is not empty");
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    if metrics::set_global_recorder(recorder).is_err() {
        tracing::warn!("this process counts elsewhere already: GET /metrics will be empty");
    }
    Metrics(handle)
}

impl Metrics {
    /// Folds samples for ever.
    pub(crate) async fn upkeep(self) {
        let mut interval = tokio::time::interval(UPKEEP);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            self.0.run_upkeep();
        }
    }
}

/// What was counted, and what only the store knows as of now. Whoever watches a host needs the first most while the database is away; the
/// second is then as it was when the store last told it.
pub(crate) async fn render(State(app): State<App>) -> Result<Response, Error> {
    let metrics = app.metrics.ok_or_else(|| Error::NotFound("this host does not count".to_owned()))?;
    if let Err(error) = app.runtime.refresh_gauges().await {
        tracing::warn!("metrics are told without what the store knows as of now: {error}");
    }
    let headers = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    Ok((headers, metrics.0.render()).into_response())
}
