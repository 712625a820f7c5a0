//! What a delegate is given: who it is called for, and the host's side of commands and log.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::CommandError;
use crate::shape::without_values;

/// Who is being called. Everything is the same on every retry of an activity instance, except `attempt` and `retries_left`.
/// The fields are those of `call` in the WIT package `mandate:delegate`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The tenant of the process instance, if it has one.
    pub tenant: Option<String>,
    /// The BPMN process id, e.g. `orderFulfillment`.
    pub definition_key: String,
    /// The engine's version number of that definition, from 1.
    pub definition_version: u32,
    /// `camunda:versionTag` of the definition, when the model has one.
    pub version_tag: Option<String>,
    /// The process instance's public id.
    pub instance_id: String,
    /// The business key given at the start, when there was one.
    pub business_key: Option<String>,
    /// The BPMN element id of the activity, e.g. `reserve`.
    pub activity_id: String,
    /// 1 for the first attempt of this activity instance.
    pub attempt: u32,
    /// Attempts that remain after this one before the engine raises an incident.
    pub retries_left: u32,
    /// The prefix of every idempotency key the engine derives for this activity instance.
    pub idempotency_key: String,
    /// W3C trace context of this unit of work; commands carry it on by themselves.
    pub traceparent: Option<String>,
    /// `camunda:properties` of the element, in document order, and behind them its `camunda:field`s.
    pub extension_properties: Vec<(String, String)>,
}

/// A command as it leaves the delegate: body not yet parsed by anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The catalogue's name with its contract version, e.g. `orders.reserve-line@1`.
    pub name: String,
    /// JSON text.
    pub body: String,
    /// A key in the domain's own words; none lets the engine derive one that is stable over retries.
    pub key: Option<String>,
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For the delegate's author.
    Debug,
    /// Worth knowing in operation.
    Info,
    /// Somebody should look at this one day.
    Warn,
    /// Somebody should look at this now.
    Error,
}

/// Whoever answers a delegate: the engine in a component, the harness in a test.
pub(crate) trait Host {
    fn issue(&self, command: &Command) -> Result<String, CommandError>;
    fn log(&self, level: Level, message: &str);
}

/// A delegate's access to its call and to the only two things it can do: issue domain commands and log.
pub struct Context {
    call: Call,
    host: Box<dyn Host>,
}

impl Context {
    pub(crate) fn new(call: Call, host: Box<dyn Host>) -> Self {
        Self { call, host }
    }

    /// Who is being called.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// The business key given at the start of the process instance, when there was one.
    pub fn business_key(&self) -> Option<&str> {
        self.call.business_key.as_deref()
    }

    /// The tenant of the process instance, if it has one.
    pub fn tenant(&self) -> Option<&str> {
        self.call.tenant.as_deref()
    }

    /// The value of the element's first `camunda:property` of that name, or else of its `camunda:field`.
    pub fn property(&self, name: &str) -> Option<&str> {
        self.call.extension_properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Issues a domain command and waits for its outcome.
    ///
    /// `name` is the catalogue's name with its contract version; the body must serialise to a JSON object. The engine derives the
    /// idempotency key, the same on every retry; a command that was applied before answers from the ledger without being sent
    /// again. An empty reply reads as `null`; [`Ignored`](crate::Ignored) takes any.
    ///
    /// # Errors
    /// See [`CommandError`] and, for what `?` makes of it, [`Error`](crate::Error).
    pub fn command<T: DeserializeOwned>(&self, name: &str, body: &impl Serialize) -> Result<T, CommandError> {
        self.issue(name, body, None)
    }

    /// Like [`command`](Self::command), under a key in the domain's own words, e.g. `reserve:order-17:plan-2`: unique per tenant
    /// and command across activities, sent verbatim, 1 to 200 visible ASCII characters. Two activities that mean the same
    /// effect and name it alike cause it once.
    pub fn command_with_key<T: DeserializeOwned>(&self, name: &str, key: &str, body: &impl Serialize) -> Result<T, CommandError> {
        self.issue(name, body, Some(key.to_owned()))
    }

    /// Writes a line to the host's log. Lines are bounded in number and length per call; never write variable values.
    pub fn log(&self, level: Level, message: impl AsRef<str>) {
        self.host.log(level, message.as_ref());
    }

    /// [`log`](Self::log) at level debug.
    pub fn log_debug(&self, message: impl AsRef<str>) {
        self.log(Level::Debug, message);
    }

    /// [`log`](Self::log) at level info.
    pub fn log_info(&self, message: impl AsRef<str>) {
        self.log(Level::Info, message);
    }

    /// [`log`](Self::log) at level warn.
    pub fn log_warn(&self, message: impl AsRef<str>) {
        self.log(Level::Warn, message);
    }

    /// [`log`](Self::log) at level error.
    pub fn log_error(&self, message: impl AsRef<str>) {
        self.log(Level::Error, message);
    }

    fn issue<T: DeserializeOwned>(&self, name: &str, body: &impl Serialize, key: Option<String>) -> Result<T, CommandError> {
        let body = serde_json::to_string(body).map_err(|error| CommandError::Malformed(format!("body of {name} is not JSON: {error}")))?;
        let reply = self.host.issue(&Command { name: name.to_owned(), body, key })?;
        let reply = if reply.trim().is_empty() { "null" } else { &reply };
        serde_json::from_str(reply)
            .map_err(|error| CommandError::Malformed(format!("reply to {name} is not what was expected: {}", without_values(&error))))
    }
}
