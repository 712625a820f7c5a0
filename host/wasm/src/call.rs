//! What goes into a call and what comes out of it, in the host's own types.

use std::pin::Pin;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// Who is being called: the record `call` of the WIT package, which documents every field for delegates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The tenant of the process instance, if it has one.
    pub tenant: Option<String>,
    /// The BPMN process id.
    pub definition_key: String,
    /// The engine's version number of the definition, from 1.
    pub definition_version: u32,
    /// `camunda:versionTag`.
    pub version_tag: Option<String>,
    /// The process instance's public id.
    pub instance_id: String,
    /// The business key.
    pub business_key: Option<String>,
    /// The BPMN element id of the activity.
    pub activity_id: String,
    /// From 1.
    pub attempt: u32,
    /// Attempts that remain after this one.
    pub retries_left: u32,
    /// The prefix of every idempotency key derived for this activity instance.
    pub idempotency_key: String,
    /// W3C trace context of the unit of work.
    pub traceparent: Option<String>,
    /// `camunda:properties`, in document order, and behind them `camunda:field`s.
    pub extension_properties: Vec<(String, String)>,
}

/// What the guest can see of the world. Derived from the activity, so that a retry sees the same and a call can be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct World {
    /// Seed of everything `wasi:random` answers.
    pub seed: [u8; 32],
    /// What `wasi:clocks/wall-clock` answers during the whole call: milliseconds since 1970. Before 1970 reads as 1970.
    pub wall_clock_ms: i64,
}

/// The host's side of the delegate's imports.
pub trait Commands: Send + Sync + 'static {
    /// Issues a command and waits for its outcome, as JSON text.
    ///
    /// The future runs on the runtime that [`Delegate::call`](crate::Delegate::call) was called from and is never dropped before it
    /// ends: a guest that is stopped meanwhile is gone, but the call returns only after this. So it must be bounded in time. `gone` fires
    /// when the guest is gone, or about to be: cancelled, stopped by a limit, or with nobody waiting for the call. What has not left by
    /// then need not leave; how the future ends is no matter to the call any more. One that panics ends the guest as
    /// [`CommandError::Abort`] does.
    fn issue(&self, command: Command, gone: CancellationToken) -> Pin<Box<dyn Future<Output = Result<String, CommandError>> + Send>>;

    /// One line for the log, cut to 4 KiB. Called on a guest's thread: it must not block.
    fn log(&self, level: Level, message: &str);
}

/// One request to a domain service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The catalogue's name, e.g. `orders.reserve-line@1`.
    pub name: String,
    /// JSON text, not yet parsed by anybody.
    pub body: String,
    /// A key in the domain's own words, if the delegate gave one.
    pub key: Option<String>,
}

/// Why a command has no reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// The domain said no.
    Rejected {
        /// The service's code.
        code: String,
        /// The service's words.
        message: String,
        /// The service's whole answer, as JSON text.
        reply: String,
    },
    /// Known not to have been applied.
    Unavailable(String),
    /// Sent, and nobody knows whether it was applied.
    Unknown(String),
    /// Not granted, or cannot be sent as asked.
    Refused(String),
    /// Ends the guest at once; whoever implements [`Commands`] knows why (cancelled, fenced, a conflict in the ledger).
    Abort,
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// For the delegate's author.
    Debug,
    /// Also what a guest writes to stdout.
    Info,
    /// Also what a guest writes to stderr.
    Warn,
    /// Somebody should look at this now.
    Error,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Returned {
    /// How it ended.
    pub outcome: Outcome,
    /// What it used, however it ended.
    pub stats: Stats,
}

/// What a call used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// CPU time inside the guest.
    pub cpu: Duration,
    /// Time from the start of the guest to its end. Waiting for a place is not in it.
    pub wall: Duration,
    /// Commands issued, whatever they answered.
    pub commands: u32,
    /// The largest sum of all memories and tables, in bytes.
    pub peak_memory: u64,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The variables to set: JSON text, within the output limit, not yet parsed by anybody. May be empty.
    Result(String),
    /// A business answer.
    BpmnError {
        /// Matched with the model's error code.
        code: String,
        /// For people.
        message: String,
        /// Variables to set where it is caught: JSON text, not yet parsed by anybody. May be empty.
        variables: String,
    },
    /// The delegate says that something technical went wrong.
    Technical {
        /// For operators, at most 4 KiB.
        message: String,
        /// The delegate's own code, at most 200 bytes.
        code: Option<String>,
        /// What it asks for.
        retry: Retry,
    },
    /// The guest ended without returning: a trap, a panic, an exit. The text says which, with the end of what it wrote to stderr.
    Trapped(String),
    /// The guest was stopped, or what it returned was refused, because it exceeded a limit.
    LimitExceeded {
        /// `memory`, `cpu`, `wall`, `commands`, `command-body`, `log-lines`, `input`, `output`, `hostcall` (one crossing to the host
        /// carried far too much) or `handles` (too many WASI resources at once).
        limit: &'static str,
        /// The limit's value and what was asked for.
        message: String,
    },
    /// Stopped by the token given to the call.
    Cancelled,
    /// Stopped by [`CommandError::Abort`], or because [`Commands::issue`] has panicked.
    Aborted,
}

/// What a delegate asks for after a technical failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// As the element's retry cycle says.
    ByPolicy,
    /// Not before this many milliseconds.
    AfterMs(u64),
    /// Retrying cannot help.
    Never,
}
