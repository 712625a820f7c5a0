//! A job's unit that has failed: what is counted, logged and stored about it.

use mandate_engine::{Code, Failure, Input, WaitId};

use super::MAX_FAILURE_BYTES;
use crate::definitions::Definition;
use crate::text;

/// A failure with a message that can be logged, answered and stored: a delegate names variables and commands as long as it likes. One that
/// could not be stored would make the failure itself fail, and the job come back without spending an attempt.
pub(crate) fn bounded(failure: Failure) -> Failure {
    Failure { message: text::storable(&failure.message, MAX_FAILURE_BYTES), ..failure }
}

/// The next input after a job's unit has failed: what is counted, logged and stored about it.
pub(super) fn failed_job(definition: &Definition, wait: WaitId, failure: Failure) -> Input {
    let failure = bounded(failure);
    tracing::Span::current().record("code", failure.code.as_str());
    tracing::warn!(code = %failure.code, "unit failed: {}", text::one_line(loggable(&failure)));
    let activity = failure.element.map(|element| definition.model.element(element).id.to_string());
    crate::metrics::job_failed(activity.as_deref().unwrap_or("unknown"), failure.code.as_str());
    Input::FailJob { wait, failure }
}

/// A failure's message without what the log must not have: a conflict of keys shows both requests.
fn loggable(failure: &Failure) -> &str {
    match failure.code {
        Code::CommandKeyConflict => "another request under the key of a command that was sent; the incident shows both",
        _ => &failure.message,
    }
}
