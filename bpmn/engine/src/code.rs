//! The kinds of trouble an operator can meet. Each has a section of its own in `docs/incidents.md`; a test checks it.

use std::fmt;

use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $text:literal,)*) => {
        /// Why progress stopped or an attempt failed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code, in the order of `docs/incidents.md`.
            pub const ALL: &[Code] = &[$(Code::$variant,)*];

            /// As logs, metrics and the API write it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $text,)* }
            }

            /// The code with this text.
            pub fn parse(text: &str) -> Option<Code> {
                match text { $($text => Some(Code::$variant),)* _ => None }
            }
        }
    };
}

// Snapshots store a code by its place in this list: append, never reorder or remove.
codes! {
    /// An expression of the model could not be evaluated.
    ExpressionFailed = "EXPRESSION_FAILED",
    /// No condition of a flow out of an element was true and it has no default flow.
    NoFlowTaken = "NO_FLOW_TAKEN",
    /// A delegate threw a BPMN error that nothing catches.
    UnhandledBpmnError = "UNHANDLED_BPMN_ERROR",
    /// A timer's date or duration, or a task's due date, is not ISO 8601.
    TimerInvalid = "TIMER_INVALID",
    /// A parallel gateway waits for a flow on which nothing can arrive any more.
    JoinCannotComplete = "JOIN_CANNOT_COMPLETE",
    /// One input made the instance take more steps than the bound.
    StepLimit = "STEP_LIMIT",
    /// Sub-processes are nested deeper, or a scope holds more active instances, than the bound.
    ActivityLimit = "ACTIVITY_LIMIT",
    /// A variable or the instance grew past its bound.
    VariableLimit = "VARIABLE_LIMIT",
    /// A delegate reported a technical failure.
    DelegateFailed = "DELEGATE_FAILED",
    /// A delegate trapped.
    DelegateTrapped = "DELEGATE_TRAPPED",
    /// A delegate exceeded a limit of its mandate.
    DelegateLimitExceeded = "DELEGATE_LIMIT_EXCEEDED",
    /// A delegate answered something that is not what the contract says.
    DelegateAnswerInvalid = "DELEGATE_ANSWER_INVALID",
    /// The component a task is bound to could not be loaded or compiled.
    DelegateUnavailable = "DELEGATE_UNAVAILABLE",
    /// A delegate issued a command that it was not granted, or that cannot be sent as asked.
    CommandRefused = "COMMAND_REFUSED",
    /// A domain service was not there; the command is known not to have been applied.
    CommandUnavailable = "COMMAND_UNAVAILABLE",
    /// A command was sent and nobody knows whether it was applied.
    CommandOutcomeUnknown = "COMMAND_OUTCOME_UNKNOWN",
    /// A different request was made under the key of a command that was already sent.
    CommandKeyConflict = "COMMAND_KEY_CONFLICT",
    /// Hosts died again and again while they ran this job.
    HostDied = "HOST_DIED",
    /// The engine met a state that its authors held to be impossible.
    InternalError = "INTERNAL_ERROR",
    /// Somebody set a job's retries to 0.
    RetriesSetToZero = "RETRIES_SET_TO_ZERO",
    /// No attempts are left of an external task: its worker failed, or threw a BPMN error that nothing catches, or somebody set its retries
    /// to 0.
    ExternalTaskFailed = "EXTERNAL_TASK_FAILED",
    /// An instruction of a modification does not fit what the instructions before it have made of the instance. Never an incident: it is
    /// answered.
    ModificationRefused = "MODIFICATION_REFUSED",
    /// The process that a call activity calls is not there, is suspended, or has no none start event.
    CallFailed = "CALL_FAILED",
    /// Processes call each other deeper than the bound.
    CallDepth = "CALL_DEPTH",
    /// An earlier run of the unit of work sent a command that this run does not come to.
    CommandLeftBehind = "COMMAND_LEFT_BEHIND",
    /// A signal could not be delivered to a receiver: what it leads to there fails.
    Undelivered = "UNDELIVERED",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
