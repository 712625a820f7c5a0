//! What is a batch in Camunda 7: there are none here, and each of its paths says what does the same at once.

use axum::Router;
use axum::routing::{MethodRouter, post};

use crate::{App, Error};

const EACH: &str = "DELETE /process-instance/{id} for each";
const OF_JOBS: &str = "PUT /job/{id}/retries or PUT /job-definition/{id}/retries";

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/modification/executeAsync", instead("POST /modification/execute"))
        .route("/process-instance/{id}/modification-async", instead("POST /process-instance/{id}/modification"))
        .route("/process-instance/delete", instead(EACH))
        .route("/process-instance/delete-historic-query-based", instead(EACH))
        .route("/process-instance/suspended-async", instead("PUT /process-instance/suspended"))
        .route("/process-instance/message-async", instead("POST /message"))
        .route("/process-instance/variables-async", instead("POST /process-instance/{id}/variables for each"))
        .route("/process-instance/job-retries", instead(OF_JOBS))
        .route("/process-instance/job-retries-historic-query-based", instead(OF_JOBS))
        .route("/job/retries", instead(OF_JOBS))
        .route("/external-task/retries-async", instead("PUT /external-task/retries"))
        .route("/history/process-instance/delete", instead("DELETE /history/process-instance/{id} for each"))
        .route("/history/process-instance/set-removal-time", instead("camunda:historyTimeToLive in the model"))
}

/// Refuses, and says what to use.
fn instead(of_it: &'static str) -> MethodRouter<App> {
    post(move || async move { Error::Invalid(format!("batches are not supported by this host: use {of_it}")) })
}
