//! The ways to end other than with a result, and what may come back from a command.

use core::fmt;
use core::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::shape::without_values;

/// What a delegate returns.
pub type Result<T, E = Error> = core::result::Result<T, E>;

/// Code of the technical failure that says the variables do not have the shape of the delegate's input.
pub const INVALID_INPUT: &str = "INVALID_INPUT";
/// Code of the technical failure that says a result, body or reply does not have the shape it should have.
pub const INVALID_DATA: &str = "INVALID_DATA";
/// Code of the technical failure that a command's *unavailable* becomes.
pub const COMMAND_UNAVAILABLE: &str = "COMMAND_UNAVAILABLE";
/// Code of the technical failure that a command's *unknown* becomes.
pub const COMMAND_UNKNOWN: &str = "COMMAND_UNKNOWN";
/// Code of the technical failure that a command's *refused* becomes.
pub const COMMAND_REFUSED: &str = "COMMAND_REFUSED";

/// How a delegate ends other than with a result. Made by [`Error::bpmn`] or [`Error::technical`], or by `?` on a
/// [`CommandError`]:
///
/// | a command that was… | becomes |
/// |---|---|
/// | rejected | a BPMN error with the service's code and message; see [`CommandResultExt`] for other ways |
/// | unavailable | a technical failure, retried by policy; what was applied answers from the ledger then |
/// | unknown, where the host has not ended the call | the same |
/// | refused, malformed | a technical failure that is never retried: an incident at once |
#[derive(Clone, Debug, PartialEq)]
pub enum Error {
    /// A business answer: the process catches it with an error boundary event. It is never retried.
    Bpmn(BpmnError),
    /// Something technical went wrong: the engine retries, then raises an incident.
    Technical(TechnicalFailure),
}

/// See [`Error::Bpmn`].
#[derive(Clone, Debug, PartialEq)]
pub struct BpmnError {
    /// Matched with `errorCode` of the model's error.
    pub code: String,
    /// For people.
    pub message: String,
    /// A JSON object: variables set where the error is caught.
    pub variables: Value,
}

/// See [`Error::Technical`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TechnicalFailure {
    /// For operators; the engine cuts it at 4 KiB.
    pub message: String,
    /// A short upper-case code, shown with the incident.
    pub code: Option<String>,
    /// What should happen next.
    pub retry: Retry,
}

/// What should happen after a technical failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// As the element's retry cycle says.
    ByPolicy,
    /// Not before this long; spends a retry all the same.
    After(Duration),
    /// Retrying cannot help: raise an incident at once.
    Never,
}

impl Error {
    /// A business answer with the code that the model's boundary event catches.
    pub fn bpmn(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Bpmn(BpmnError { code: code.into(), message: message.into(), variables: Value::Object(serde_json::Map::new()) })
    }

    /// A technical failure, retried by policy. Fits `.map_err(Error::technical)` after anything that can be displayed.
    pub fn technical(message: impl fmt::Display) -> Self {
        Self::Technical(TechnicalFailure { message: message.to_string(), code: None, retry: Retry::ByPolicy })
    }

    /// Sets variables where the BPMN error is caught; they must serialise to a JSON object, anything else turns the error into
    /// a technical failure that says so. A technical failure has no variables and stays as it is.
    pub fn with_variables(self, variables: impl Serialize) -> Self {
        match self {
            Self::Bpmn(error) => match serde_json::to_value(variables) {
                Ok(variables @ Value::Object(_)) => Self::Bpmn(BpmnError { variables, ..error }),
                Ok(_) => Self::malformed(format!("variables of the BPMN error {} are not a JSON object", error.code)),
                Err(cause) => Self::malformed(format!("variables of the BPMN error {} are not JSON: {cause}", error.code)),
            },
            technical @ Self::Technical(_) => technical,
        }
    }

    /// Gives a technical failure a short upper-case code; a BPMN error keeps the one it has.
    pub fn with_code(self, code: impl Into<String>) -> Self {
        self.map_technical(|failure| TechnicalFailure { code: Some(code.into()), ..failure })
    }

    /// Asks for the next attempt not before `delay`. A BPMN error is never retried and stays as it is.
    pub fn retry_after(self, delay: Duration) -> Self {
        self.map_technical(|failure| TechnicalFailure { retry: Retry::After(delay), ..failure })
    }

    /// Says that retrying cannot help: an incident at once. A BPMN error is never retried and stays as it is.
    pub fn never(self) -> Self {
        self.map_technical(|failure| TechnicalFailure { retry: Retry::Never, ..failure })
    }

    /// The BPMN error's code, if it is one: for tests.
    pub fn bpmn_code(&self) -> Option<&str> {
        match self {
            Self::Bpmn(error) => Some(&error.code),
            Self::Technical(_) => None,
        }
    }

    pub(crate) fn malformed(message: String) -> Self {
        Self::technical(message).with_code(INVALID_DATA).never()
    }

    fn map_technical(self, change: impl FnOnce(TechnicalFailure) -> TechnicalFailure) -> Self {
        match self {
            Self::Technical(failure) => Self::Technical(change(failure)),
            bpmn @ Self::Bpmn(_) => bpmn,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bpmn(error) => write!(f, "BPMN error {}: {}", error.code, error.message),
            Self::Technical(failure) => write!(f, "technical failure: {}", failure.message),
        }
    }
}

impl core::error::Error for Error {}

/// The domain service said no.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    /// The service's code, e.g. `ORDER_HAS_OPEN_BLOCKING_FALLOUT`.
    pub code: String,
    /// The service's words.
    pub message: String,
    /// The service's whole answer; null when there is none that is JSON.
    pub reply: Value,
}

/// Why a command brought no reply. What `?` makes of it is said at [`Error`].
#[derive(Clone, Debug, PartialEq)]
pub enum CommandError {
    /// The domain said no: a business answer. Nothing was applied.
    Rejected(Rejection),
    /// Known not to have been applied; retrying is safe.
    Unavailable(String),
    /// Sent, and nobody knows whether it was applied. The engine reconciles before it is ever sent again.
    Unknown(String),
    /// This delegate may not issue this command, or the command cannot be sent as asked.
    Refused(String),
    /// The body is not JSON, or the reply (of a command that was applied) does not have the expected type.
    Malformed(String),
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rejected(rejection) => {
                write!(f, "rejected with {}: {}", rejection.code, rejection.message)
            }
            Self::Unavailable(message) => write!(f, "unavailable: {message}"),
            Self::Unknown(message) => write!(f, "outcome unknown: {message}"),
            Self::Refused(message) => write!(f, "refused: {message}"),
            Self::Malformed(message) => f.write_str(message),
        }
    }
}

impl core::error::Error for CommandError {}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Rejected(rejection) => Self::bpmn(rejection.code, rejection.message),
            CommandError::Unavailable(message) => Self::technical(message).with_code(COMMAND_UNAVAILABLE),
            CommandError::Unknown(message) => Self::technical(message).with_code(COMMAND_UNKNOWN),
            CommandError::Refused(message) => Self::technical(message).with_code(COMMAND_REFUSED).never(),
            CommandError::Malformed(message) => Self::malformed(message),
        }
    }
}

impl From<serde_json::Error> for Error {
    /// Data of the wrong shape stays of the wrong shape: never retried. The message says what is wrong and where, without values.
    fn from(error: serde_json::Error) -> Self {
        Self::malformed(without_values(&error))
    }
}

/// Ways to treat a rejection other than passing it on with the service's own code, as `?` does.
pub trait CommandResultExt<T>: Sized {
    /// Any rejection becomes a BPMN error with this code, the model's word for it; the service's code goes into the message.
    /// Other errors become what `?` makes of them.
    fn or_bpmn_error(self, code: &str) -> Result<T>;

    /// Takes a rejection as the business answer it is, to be handled here: `match cx.command(..).or_rejection()? { Ok(reply) => ..,
    /// Err(rejection) => .. }`. Other errors become what `?` makes of them.
    fn or_rejection(self) -> Result<core::result::Result<T, Rejection>>;
}

impl<T> CommandResultExt<T> for core::result::Result<T, CommandError> {
    fn or_bpmn_error(self, code: &str) -> Result<T> {
        self.map_err(|error| match error {
            CommandError::Rejected(rejection) => Error::bpmn(code, format!("{}: {}", rejection.code, rejection.message)),
            other => other.into(),
        })
    }

    fn or_rejection(self) -> Result<core::result::Result<T, Rejection>> {
        match self {
            Ok(reply) => Ok(Ok(reply)),
            Err(CommandError::Rejected(rejection)) => Ok(Err(rejection)),
            Err(other) => Err(other.into()),
        }
    }
}
