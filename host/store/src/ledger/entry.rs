//! Ledger entries: what is stored of an attempt, what is asked for, what is answered.

use std::str::FromStr;

use uuid::Uuid;

use super::Name;
use crate::Error;
use crate::rows::OperationRow;
use crate::unit::{check_key, check_text};

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerState {
    /// It may have left; no answer is recorded.
    Open,
    /// The domain service did it.
    Applied,
    /// The domain service said no.
    Rejected,
    /// It is known not to have been applied.
    Unavailable,
    /// Anything else.
    Unknown,
}

impl LedgerState {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Applied => "applied",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
        }
    }
}

impl FromStr for LedgerState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::Open, Self::Applied, Self::Rejected, Self::Unavailable, Self::Unknown]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::Damaged(format!("no ledger state: {text}")))
    }
}

/// The wait that the unit of work which sends a command resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A job.
    Job(i64),
    /// A user task.
    Task(i64),
    /// The same, which tells of an escalation and goes on waiting: units of it are stored while their origin is there.
    Escalation {
        /// The task.
        wait: i64,
        /// Which of its reports, from 1.
        report: i64,
    },
    /// An external task.
    ExternalTask(i64),
    /// A wait for a message.
    Subscription(i64),
}

impl Origin {
    /// The number of the wait in its instance.
    pub fn wait(self) -> i64 {
        self.parts().1
    }

    pub(super) fn parts(self) -> (&'static str, i64, Option<i64>) {
        match self {
            Self::Job(wait) => ("job", wait, None),
            Self::Task(wait) => ("task", wait, None),
            Self::Escalation { wait, report } => ("escalation", wait, Some(report)),
            Self::ExternalTask(wait) => ("external_task", wait, None),
            Self::Subscription(wait) => ("subscription", wait, None),
        }
    }

    pub(super) fn from_parts(kind: &str, wait: i64, report: Option<i64>) -> Result<Self, Error> {
        match kind {
            "job" => Ok(Self::Job(wait)),
            "task" => Ok(Self::Task(wait)),
            "escalation" => Ok(Self::Escalation { wait, report: report.unwrap_or_default() }),
            "external_task" => Ok(Self::ExternalTask(wait)),
            "subscription" => Ok(Self::Subscription(wait)),
            other => Err(Error::Damaged(format!("no kind of wait: {other}"))),
        }
    }
}

/// One attempt. The key is (tenant, command, key), attempts under it count up from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// Empty for none.
    pub tenant: String,
    /// The command's name.
    pub command: String,
    /// The idempotency key.
    pub key: String,
    /// Counts attempts under the key from 1.
    pub attempt: i64,
    /// Counts requests under the key from 1: another request is another generation.
    pub generation: i64,
    /// The instance that sent it.
    pub instance: Uuid,
    /// The wait its unit resumed.
    pub origin: Origin,
    /// Digest that names the activity's entry.
    pub entry_key: String,
    /// BPMN id of the activity.
    pub activity_id: String,
    /// The instance's definition.
    pub definition_id: String,
    /// Digest of the request.
    pub request_digest: String,
    /// The request without what must not be stored, as JSON.
    pub request: String,
    /// What came of it.
    pub state: LedgerState,
    /// The answer, as JSON.
    pub reply: Option<String>,
    /// The code of a rejection.
    pub code: Option<String>,
    /// Why it was rejected, unavailable or unknown.
    pub message: Option<String>,
    /// The host that sent it.
    pub host: Uuid,
    /// In which of its epochs.
    pub epoch: i64,
    /// When it was written.
    pub opened_at: i64,
    /// When its outcome was.
    pub closed_at: Option<i64>,
    /// Its wait was gone when its outcome was written: nobody in the instance has taken it up.
    pub cancelled: bool,
    /// Who decided an unknown outcome, where nothing else could.
    pub verdict: Option<Verdict>,
}

/// An attempt that was applied, or may have been, without what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The command's name.
    pub command: String,
    /// The idempotency key.
    pub key: String,
    /// The attempt.
    pub attempt: i64,
    /// Applied, open or unknown.
    pub state: LedgerState,
    /// The wait its unit resumed.
    pub origin: Origin,
    /// Digest that names the activity's entry.
    pub entry_key: String,
    /// BPMN id of the activity.
    pub activity_id: String,
}

/// What a person said of an attempt whose outcome was unknown: that it was applied, or that it was not and so is unavailable. The row's
/// state says which; its message and the moment it was closed stay what they were.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Who says so.
    pub by: String,
    /// How they know.
    pub reason: String,
    /// When.
    pub at: i64,
}

/// An attempt about to be sent.
#[derive(Clone, Debug)]
pub struct LedgerOpen {
    /// Empty for none.
    pub tenant: String,
    /// The command's name.
    pub command: String,
    /// The idempotency key.
    pub key: String,
    /// The generation asked for: that of the last row seen to send the same request again, one more for another, 1 for the first.
    pub generation: i64,
    /// Digest that names the activity's entry.
    pub entry_key: String,
    /// Digest of the request.
    pub request_digest: String,
    /// The request without what must not be stored, as JSON.
    pub request: String,
    /// The instance that sends it.
    pub instance: Uuid,
    /// The wait its unit resumes.
    pub origin: Origin,
    /// Who answers for an external task, which nobody else may have fetched since; none for every other wait.
    pub worker: Option<String>,
    /// BPMN id of the activity.
    pub activity_id: String,
    /// The instance's definition.
    pub definition_id: String,
    /// Now; none: the database's clock when it is written.
    pub at: Option<i64>,
    /// The caller has not looked and takes it to be the first attempt under its key. If it is not, nothing is opened.
    pub first: bool,
}

/// Whether an attempt may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerOpened {
    /// It is in the ledger, durably.
    Opened {
        /// Its number.
        attempt: i64,
    },
    /// The last attempt under the key does not allow it: decide again on this row.
    Exists(Box<LedgerRow>),
    /// The wait is gone, or another host has its job, or another worker its external task.
    Gone,
    /// This host may not write any more.
    Fenced,
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub struct LedgerClose {
    /// Empty for none.
    pub tenant: String,
    /// The command's name.
    pub command: String,
    /// The idempotency key.
    pub key: String,
    /// The attempt.
    pub attempt: i64,
    /// Not open.
    pub state: LedgerState,
    /// The answer without what must not be stored, as JSON.
    pub reply: Option<String>,
    /// The code of a rejection.
    pub code: Option<String>,
    /// Why.
    pub message: Option<String>,
    /// Now.
    pub at: i64,
    /// A person says so, of an attempt whose outcome is unknown: nothing else may have decided it, and what is known of it stays.
    pub verdict: Option<Verdict>,
    /// That person's operation.
    pub operations: Vec<OperationRow>,
}

impl LedgerOpen {
    pub(super) fn check(&self) -> Result<(), String> {
        check_key("tenant", &self.tenant)?;
        check_key("command name", &self.command)?;
        check_key("idempotency key", &self.key)?;
        check_key("entry key", &self.entry_key)?;
        check_key("request digest", &self.request_digest)?;
        check_key("activity id", &self.activity_id)?;
        check_key("definition id", &self.definition_id)?;
        check_text("request", Some(&self.request))
    }

    pub(crate) fn name(&self) -> Name {
        (self.tenant.clone(), self.command.clone(), self.key.clone())
    }
}

impl LedgerClose {
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.state == LedgerState::Open {
            return Err("an attempt is not closed as open".to_owned());
        }
        if let Some(verdict) = &self.verdict {
            if !matches!(self.state, LedgerState::Applied | LedgerState::Unavailable) {
                return Err(format!("a verdict says that an attempt was applied or was not; not that it is {}", self.state.as_str()));
            }
            check_key("verdict's author", &verdict.by)?;
            check_text("verdict's reason", Some(&verdict.reason))?;
        }
        check_key("rejection code", self.code.as_deref().unwrap_or_default())?;
        check_text("message", self.message.as_deref())?;
        check_text("reply", self.reply.as_deref())
    }

    pub(crate) fn name(&self) -> Name {
        (self.tenant.clone(), self.command.clone(), self.key.clone())
    }
}
