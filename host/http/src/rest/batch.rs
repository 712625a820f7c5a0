//! What is a batch in Camunda 7: there are none here, and each of its paths says what does the same at once.

use axum::Router;
use axum::routing::post;

use crate::{App, Error};

const EACH: &str = "DELETE /process-instance/{id} for each";
const OF_JOBS: &str = "PUT /job/{id}/retries or PUT /job-definition/{id}/retries";

/// Camunda's paths, all of them to be posted to, and what to use instead.
const BATCHES: &[(&str, &str)] = &[
    ("/modification/executeAsync", "POST /modification/execute"),
    ("/process-instance/{id}/modification-async", "POST /process-instance/{id}/modification"),
    ("/process-instance/delete", EACH),
    ("/process-instance/delete-historic-query-based", EACH),
    ("/process-instance/suspended-async", "PUT /process-instance/suspended"),
    ("/process-instance/message-async", "POST /message"),
    ("/process-instance/variables-async", "POST /process-instance/{id}/variables for each"),
    ("/process-instance/job-retries", OF_JOBS),
    ("/process-instance/job-retries-historic-query-based", OF_JOBS),
    ("/job/retries", OF_JOBS),
    ("/external-task/retries-async", "PUT /external-task/retries"),
    ("/history/process-instance/delete", "DELETE /history/process-instance/{id} for each"),
    ("/history/process-instance/set-removal-time", "camunda:historyTimeToLive in the model"),
];

pub(super) fn router() -> Router<App> {
    BATCHES.iter().fold(Router::new(), |router, (path, instead)| router.route(path, post(|| refused(instead))))
}

async fn refused(instead: &'static str) -> Error {
    Error::Invalid(format!("batches are not supported by this host: use {instead}"))
}
