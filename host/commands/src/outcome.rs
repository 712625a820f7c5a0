//! What became of an attempt.

use std::time::Duration;

use serde_json::Value;

/// What became of one sending of a command.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// The service did it.
    Applied {
        /// The body of the answer: JSON as it is, other text as a JSON string, null if there was none or it was larger
        /// than the command's `max-response`. That something was applied is decided by the status alone.
        reply: Value,
    },
    /// The domain said no: a business answer.
    Rejected {
        /// The text at the command's `code-at`; `HTTP_409` for an answer with status 409 that has none, or one that must not be stored.
        code: String,
        /// The text at the command's `message-at`, at most 1000 characters; may be empty.
        message: String,
        /// The whole answer, as for `Applied`, with [`NOT_STORED`](crate::NOT_STORED) where the command says so.
        reply: Value,
    },
    /// It is known not to have been applied: a status the catalogue lists, or the request never left.
    Unavailable {
        /// What happened, without values of the request.
        reason: String,
        /// How long the service asks to be left alone, at most an hour.
        retry_after: Option<Duration>,
    },
    /// Anything else: sent, and no answer that tells.
    Unknown {
        /// What happened, without values of the request.
        reason: String,
    },
}

/// What the domain service says about an attempt whose outcome was unknown.
#[derive(Clone, Debug, PartialEq)]
pub enum Reconciled {
    /// It was applied.
    Applied {
        /// The original reply as the service tells it, read as in [`Outcome::Applied`].
        reply: Value,
    },
    /// The domain had said no.
    Rejected {
        /// As in [`Outcome::Rejected`].
        code: String,
        /// As in [`Outcome::Rejected`].
        message: String,
        /// As in [`Outcome::Rejected`].
        reply: Value,
    },
    /// It has not been applied *so far*: final only after [`Command::last_arrival`](crate::Command::last_arrival).
    NotApplied,
    /// The question could not be asked or was not answered.
    Unknown {
        /// What happened.
        reason: String,
    },
}
