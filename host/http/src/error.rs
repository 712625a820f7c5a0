//! The one place that turns what went wrong into a status and a body.
//!
//! Bodies have Camunda's shape `{"type", "message", "code"}`. What the store or the sandbox says stays in the log: a client learns that it
//! was the host's fault, not how the host is built.

use std::fmt::Write as _;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use mandate_runtime::deploy::Problem;
use mandate_runtime::engine::Rejection;
use serde_json::{Value, json};

/// Seconds after which a client may come back to a host that cannot act now: half a lease of the default length.
const RETRY_AFTER_SECONDS: &str = "5";

/// Camunda's name of a request that makes no sense, or names what does not exist.
const INVALID_REQUEST: &str = "InvalidRequestException";

/// Camunda's name of a failure that a REST resource wraps.
const REST: &str = "RestException";

/// Camunda's name of a failure of the engine.
const ENGINE: &str = "ProcessEngineException";

/// Camunda's name of what somebody has suspended.
const SUSPENDED: &str = "SuspendedEntityInteractionException";

/// How names of models end.
const MODELS: &[&str] = &[".bpmn", ".bpmn20.xml"];

/// Why a request is answered with an error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The request makes no sense: 400.
    #[error("{0}")]
    Invalid(String),
    /// What it names does not exist: 404.
    #[error("{0}")]
    NotFound(String),
    /// Refused as Camunda refuses it, which is not always with the status one would expect.
    #[error("{message}")]
    Refused {
        /// The status.
        status: StatusCode,
        /// Camunda's exception.
        kind: &'static str,
        /// What and why.
        message: String,
    },
    /// The runtime did not carry it out.
    #[error(transparent)]
    Runtime(#[from] mandate_runtime::Error),
}

/// What an error looks like on the wire.
struct Answer {
    status: StatusCode,
    kind: &'static str,
    message: String,
    details: Option<Value>,
}

impl Error {
    /// A failure as Camunda's REST resources report it: 500 with a `RestException`.
    pub(crate) fn rest(message: impl Into<String>) -> Self {
        Self::Refused { status: StatusCode::INTERNAL_SERVER_ERROR, kind: REST, message: message.into() }
    }

    /// The same with another status.
    pub(crate) fn rest_with(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Refused { status, kind: REST, message: message.into() }
    }

    /// What Camunda's engine says of something that does not exist, where its REST resources leave that alone: 500.
    pub(crate) fn null_value(message: impl Into<String>) -> Self {
        Self::Refused { status: StatusCode::INTERNAL_SERVER_ERROR, kind: "NullValueException", message: message.into() }
    }

    /// A refusal with a status of its own.
    pub(crate) fn with_status(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Refused { status, kind: INVALID_REQUEST, message: message.into() }
    }

    /// What is asked for is suspended.
    pub(crate) fn suspended(message: impl Into<String>) -> Self {
        Self::Refused { status: StatusCode::INTERNAL_SERVER_ERROR, kind: SUSPENDED, message: message.into() }
    }

    /// Whether the thing that the request is about does not exist: it never did, or is over.
    pub(crate) fn is_missing(&self) -> bool {
        use mandate_runtime::Error as Runtime;
        match self {
            Self::NotFound(_) => true,
            Self::Runtime(error) => matches!(
                error,
                Runtime::NotFound { .. }
                    | Runtime::Rejected(
                        Rejection::Ended
                            | Rejection::NoSuchWait { .. }
                            | Rejection::WrongKind { .. }
                            | Rejection::NoSuchScope { .. }
                            | Rejection::NotEnabled { .. }
                    )
            ),
            _ => false,
        }
    }

    /// This error, or `missing` if the thing does not exist: most resources have words of their own for that.
    pub(crate) fn or_missing(self, missing: impl FnOnce() -> Self) -> Self {
        if self.is_missing() { missing() } else { self }
    }

    /// This error, as Camunda's REST resources report what the engine makes of `doing` something: wrapped, where the unit of work failed or
    /// the instance is suspended (`TaskResourceImpl.complete`).
    pub(crate) fn of_doing(self, doing: &str) -> Self {
        use mandate_runtime::Error as Runtime;
        match self {
            Self::Runtime(error @ (Runtime::UnitFailed(_) | Runtime::Rejected(Rejection::Suspended))) => {
                Self::rest(format!("Cannot {doing}: {}", of_runtime(error).message))
            }
            other => other,
        }
    }

    /// This error of a deletion whose delegates could not be told; what can be done about it as well.
    pub(crate) fn or_without_listeners(self) -> Self {
        let Self::Runtime(mandate_runtime::Error::UnitFailed(mut failure)) = self else { return self };
        failure
            .message
            .push_str("; repeat it with skipCustomListeners=true to delete the instance without telling the delegates of its user tasks");
        Self::Runtime(mandate_runtime::Error::UnitFailed(failure))
    }

    fn answer(self) -> Answer {
        let answer = |status, kind, message| Answer { status, kind, message, details: None };
        match self {
            Self::Invalid(message) => answer(StatusCode::BAD_REQUEST, INVALID_REQUEST, message),
            Self::NotFound(message) => answer(StatusCode::NOT_FOUND, INVALID_REQUEST, message),
            Self::Refused { status, kind, message } => answer(status, kind, message),
            Self::Runtime(error) => of_runtime(error),
        }
    }
}

fn of_runtime(error: mandate_runtime::Error) -> Answer {
    use mandate_runtime::Error as Runtime;
    let answer = |status, kind, message| Answer { status, kind, message, details: None };
    match error {
        Runtime::NotFound { what, id } => {
            answer(StatusCode::NOT_FOUND, INVALID_REQUEST, format!("{} with id '{id}' does not exist", capitalised(what)))
        }
        Runtime::Invalid(message) => answer(StatusCode::BAD_REQUEST, INVALID_REQUEST, message),
        Runtime::NotStartable { .. } => answer(StatusCode::INTERNAL_SERVER_ERROR, REST, error.to_string()),
        Runtime::Rejected(rejection) => of_rejection(&rejection),
        Runtime::UnitFailed(failure) => {
            let message = format!("{}: {}; the unit of work was rolled back and nothing was stored", failure.code, failure.message);
            answer(StatusCode::INTERNAL_SERVER_ERROR, ENGINE, message)
        }
        // The request was fine, as Camunda's 500 says.
        Runtime::JobFailed { .. } => answer(StatusCode::INTERNAL_SERVER_ERROR, REST, error.to_string()),
        Runtime::PlanFailed(_) => answer(StatusCode::INTERNAL_SERVER_ERROR, ENGINE, error.to_string()),
        Runtime::NotHeld { .. } => answer(StatusCode::BAD_REQUEST, REST, capitalised(&error.to_string())),
        // Camunda's words and status for a queue that is full.
        Runtime::TooManyWaiting => answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            INVALID_REQUEST,
            "At the moment the server has to handle too many requests at the same time. Please try again later.".to_owned(),
        ),
        // A REST resource of Camunda's wraps its engine's exception so, and clients look for its name in the text.
        Runtime::MismatchingCorrelation(message) => {
            answer(StatusCode::BAD_REQUEST, REST, format!("org.camunda.bpm.engine.MismatchingMessageCorrelationException: {message}"))
        }
        Runtime::Conflict(message) => answer(StatusCode::CONFLICT, ENGINE, message),
        Runtime::Cancelled(_) => answer(StatusCode::CONFLICT, "OptimisticLockingException", error.to_string()),
        // Nothing was stored, so that any client may simply repeat it.
        Runtime::Contended(_) => answer(StatusCode::SERVICE_UNAVAILABLE, "OptimisticLockingException", error.to_string()),
        Runtime::NotActing(_) => answer(StatusCode::SERVICE_UNAVAILABLE, ENGINE, error.to_string()),
        Runtime::Deployment(problems) => of_problems(&problems),
        Runtime::Store(mandate_runtime::StoreError::Refused(message)) => answer(StatusCode::BAD_REQUEST, INVALID_REQUEST, message),
        // Not 400: also what a unit begins with is read, and nothing is wrong with the request where the database stands still.
        Runtime::Store(mandate_runtime::StoreError::TooSlow(message)) => answer(StatusCode::SERVICE_UNAVAILABLE, ENGINE, message),
        Runtime::Store(error) if error.is_of_lock() => {
            // A unit that came before this one may be.
            let message = "somebody else has locked in the database what the request would change, of which nothing was stored; where it \
                           changes several instances, others may have been changed: look before it is repeated";
            answer(StatusCode::SERVICE_UNAVAILABLE, ENGINE, message.to_owned())
        }
        Runtime::Store(error) => internal(&error),
        Runtime::Sandbox(error) => internal(&error),
        Runtime::Catalogue(error) => internal(&error),
        Runtime::Unreadable { .. } | Runtime::DefinitionUnreadable { .. } | Runtime::Damaged(_) | Runtime::Export { .. } | Runtime::Bug => {
            internal(&error)
        }
    }
}

/// The host's own trouble: the log has it, the client learns only that.
fn internal(error: &dyn std::error::Error) -> Answer {
    tracing::error!(%error, "a request failed for a reason that its client cannot mend");
    let message = "the host could not carry out the request; its log says why".to_owned();
    Answer { status: StatusCode::INTERNAL_SERVER_ERROR, kind: ENGINE, message, details: None }
}

fn of_rejection(rejection: &Rejection) -> Answer {
    let (status, kind) = match rejection {
        Rejection::VariableTooLarge { .. }
        | Rejection::InstanceTooLarge { .. }
        | Rejection::TransientIsStored { .. }
        | Rejection::TransientIsDeferred
        | Rejection::NotAStartEvent => (StatusCode::BAD_REQUEST, INVALID_REQUEST),
        Rejection::Ended
        | Rejection::NoSuchWait { .. }
        | Rejection::WrongKind { .. }
        | Rejection::NoSuchScope { .. }
        | Rejection::NotEnabled { .. } => (StatusCode::NOT_FOUND, INVALID_REQUEST),
        Rejection::Suspended | Rejection::JobSuspended { .. } => (StatusCode::INTERNAL_SERVER_ERROR, SUSPENDED),
        // Camunda's status, and the exception of its engine.
        Rejection::NothingCatches { .. } => (StatusCode::INTERNAL_SERVER_ERROR, ENGINE),
        Rejection::AlreadyClaimed { .. } => (StatusCode::INTERNAL_SERVER_ERROR, "TaskAlreadyClaimedException"),
        Rejection::CannotSkipMappings | Rejection::CannotSkipListeners | Rejection::NothingToStart => {
            (StatusCode::BAD_REQUEST, INVALID_REQUEST)
        }
        Rejection::AlreadyStarted
        | Rejection::NotStarted
        | Rejection::InUnit
        | Rejection::AlreadyModified
        | Rejection::Instruction { .. }
        | Rejection::OutOfTurn { .. }
        | Rejection::NotCalled => (StatusCode::INTERNAL_SERVER_ERROR, ENGINE),
    };
    Answer { status, kind, message: capitalised(&rejection.to_string()), details: None }
}

/// A refused deployment. Where a model is at fault the answer is the one that the Modeler underlines elements by.
fn of_problems(problems: &[Problem]) -> Answer {
    let in_model = |problem: &&Problem| MODELS.iter().any(|ending| problem.resource.ends_with(ending));
    let parse = problems.iter().filter(|problem| problem.is_error).any(|problem| in_model(&problem));
    let (kind, mut message) = if parse {
        ("ParseException", "ENGINE-09005 Could not parse BPMN process. Errors: ".to_owned())
    } else {
        (INVALID_REQUEST, "The deployment was refused and nothing was stored. Errors: ".to_owned())
    };
    for problem in problems.iter().filter(|problem| problem.is_error) {
        message.push_str("\n* ");
        message.push_str(&with_help(problem));
        message.push_str(" | resource ");
        message.push_str(&problem.resource);
        if let Some(element) = &problem.element_id {
            message.push_str(" | element ");
            message.push_str(element);
        }
        if problem.line > 0 {
            write!(message, " | line {} | column {}", problem.line, problem.column).expect("a String takes everything");
        }
    }
    Answer { status: StatusCode::BAD_REQUEST, kind, message, details: Some(details(problems)) }
}

/// Camunda's `ResourceReportDto` for every resource with a problem.
fn details(problems: &[Problem]) -> Value {
    let mut reports = serde_json::Map::new();
    for problem in problems {
        let report = reports.entry(problem.resource.clone()).or_insert_with(|| json!({"errors": [], "warnings": []}));
        let list = &mut report[if problem.is_error { "errors" } else { "warnings" }];
        if let Some(list) = list.as_array_mut() {
            list.push(problem_dto(problem));
        }
    }
    Value::Object(reports)
}

/// Camunda's `ProblemDto`.
pub(crate) fn problem_dto(problem: &Problem) -> Value {
    json!({
        "message": with_help(problem),
        "line": problem.line,
        "column": problem.column,
        "mainElementId": problem.element_id,
        "elementIds": problem.element_id.iter().collect::<Vec<_>>(),
    })
}

fn with_help(problem: &Problem) -> String {
    if problem.help.is_empty() { problem.message.clone() } else { format!("{} ({})", problem.message, problem.help) }
}

fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().collect::<String>() + chars.as_str())
}

/// What a read of the store answered.
pub(crate) fn stored<T, E>(read: Result<T, E>) -> Result<T, Error>
where
    mandate_runtime::Error: From<E>,
{
    read.map_err(|error| Error::Runtime(error.into()))
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let Answer { status, kind, message, details } = self.answer();
        if status == StatusCode::INTERNAL_SERVER_ERROR && kind == ENGINE {
            tracing::error!(kind, reason = message, "answered with status 500");
        } else if status == StatusCode::INTERNAL_SERVER_ERROR {
            // Camunda answers so where the client asked for what cannot be, such as a task that somebody else has.
            tracing::info!(kind, reason = message, "refused with status 500");
        } else {
            tracing::debug!(status = status.as_u16(), kind, reason = message, "refused");
        }
        let mut body = json!({"type": kind, "message": message, "code": 0});
        if let Some(details) = details {
            body["details"] = details;
        }
        let mut response = (status, Json(body)).into_response();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        response
    }
}
