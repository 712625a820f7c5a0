//! A unit of work as the committer takes it, and how that ends.

use std::collections::BTreeSet;

use uuid::Uuid;

use crate::Error;
use crate::claim::ClaimedJob;
use crate::delivery::{DeliveryName, Signal};
use crate::ledger::LedgerClose;
use crate::message::Message;
use crate::rows::{
    EndedIncident, ExternalTaskRow, HistoryRow, IncidentRow, JobRow, OperationRow, PartRow, RunningJob, SubscriptionRow, TaskRow,
};
use crate::start_timers::NewStartTimer;
use crate::write::operations;

/// What one unit of work writes: all of it or nothing.
#[derive(Clone, Debug)]
pub struct Unit {
    /// Names the unit in the instances it touches.
    pub id: Uuid,
    /// The instances it touches, each once.
    pub instances: Vec<InstanceWrite>,
    /// Claimed with the first instance, which must be new: the same key starts once.
    pub start_key: Option<StartKey>,
    /// The definition of the first instance, if that is new, must be the newest version of its key. Whoever starts by key need not ask for
    /// it before.
    pub newest: bool,
    /// What commands of this unit came to, which the ledger has whether or not the unit is stored; but without them the unit is not stored:
    /// [`CommitError::NotClosed`].
    pub closes: Vec<LedgerClose>,
}

/// A caller's name for a start. Each part has at most [`MAX_KEY_BYTES`] bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StartKey {
    /// The definition's tenant; empty for none.
    pub tenant: String,
    /// The definition's key.
    pub definition_key: String,
    /// The caller's key.
    pub key: String,
}

/// What a unit writes of one instance.
#[derive(Clone, Debug)]
pub struct InstanceWrite {
    /// The instance.
    pub id: Uuid,
    /// What must hold before.
    pub expect: Expect,
    /// What holds afterwards.
    pub state: State,
    /// The firing of a timer start event that begins the instance: refused with [`CommitError::Gone`] if it is over.
    pub fired: Option<FiredTimer>,
    /// Suspends (or resumes) the instance with its jobs and tasks.
    pub suspended: Option<bool>,
    /// Where the unit makes jobs, or runs one: how many changes of their definitions it knows of. Refused with
    /// [`CommitError::JobDefinitions`] if there are more.
    pub job_definitions: Option<i64>,
    /// The job that stands in the instance's row from here on: one that is new, locked by this host, or the one that stood there before.
    /// All other jobs are rows. A new one is no exclusive job beside another one.
    pub running: Option<RunningJob>,
    /// Where that job stood before.
    pub running_stood: Stood,
    /// The instance has exclusive jobs besides those written here; another host may be at one of them.
    pub other_exclusive_jobs: bool,
    /// Jobs to insert or to update in place. An update clears the lock unless the row says `locked`.
    pub put_jobs: Vec<JobRow>,
    /// Jobs that get other retries, another due date or another priority, or are suspended or activated. Whoever has one locked keeps it.
    pub revise_jobs: Vec<JobRevision>,
    /// Waits of jobs that are not put and become their instance's next exclusive job (false) or stop being it (true).
    pub behind_jobs: Vec<(i64, bool)>,
    /// Waits of jobs that are not put and that this host locks, each if it may be claimed when everything else is written: if nobody has
    /// it, it has retries, neither it nor its definition is suspended, and, where it is exclusive, no other exclusive job of the instance
    /// is locked. At most one of them is exclusive.
    pub lock_jobs: Vec<i64>,
    /// Waits of jobs that are gone.
    pub remove_jobs: Vec<i64>,
    /// Which of these ran in this unit without being locked: refused with [`CommitError::Conflict`] if somebody has locked one, if a host
    /// has died with one, or if their definition is suspended.
    pub taken_jobs: Vec<i64>,
    /// Tasks to insert or to update.
    pub put_tasks: Vec<TaskRow>,
    /// Waits of tasks to update that had other candidates before.
    pub recast_tasks: Vec<i64>,
    /// Waits of tasks that are gone.
    pub remove_tasks: Vec<i64>,
    /// Those of them that this unit has put before, as they were last: history has them.
    pub past_tasks: Vec<TaskRow>,
    /// External tasks to insert: nobody has them.
    pub put_external_tasks: Vec<ExternalTaskRow>,
    /// External tasks that failed or that an operator gave retries. Whoever fetched one is still its worker.
    pub revise_external_tasks: Vec<ExternalTaskRevision>,
    /// Waits of external tasks that are gone.
    pub remove_external_tasks: Vec<i64>,
    /// Refused with [`CommitError::NotHeld`] unless this worker was the last to fetch this external task.
    pub held_external_task: Option<HeldExternalTask>,
    /// Subscriptions to insert.
    pub put_subscriptions: Vec<SubscriptionRow>,
    /// Waits of subscriptions that are gone.
    pub remove_subscriptions: Vec<i64>,
    /// Signals that are thrown: to everybody who waits for them when this is stored, but for this instance itself.
    pub signals: Vec<Signal>,
    /// Messages that are sent along message flows.
    pub messages: Vec<Message>,
    /// The delivery that this unit takes up. Refused with [`CommitError::Delivered`] if it is not there any more.
    pub delivery: Option<DeliveryName>,
    /// Incidents to insert or to update.
    pub put_incidents: Vec<IncidentRow>,
    /// Incidents that are over.
    pub remove_incidents: Vec<EndedIncident>,
    /// Those of them that this unit has put before, as they were last: history has them.
    pub past_incidents: Vec<IncidentRow>,
    /// What happened, in order.
    pub history: Vec<HistoryRow>,
    /// What an operator did, if the unit is theirs.
    pub operations: Vec<OperationRow>,
}

/// Where the job in an instance's row stood before a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stood {
    /// In the instance's row.
    #[default]
    There,
    /// Nowhere: it is new, and this host runs it from here on.
    Nowhere,
    /// In a row of its own, which goes. This host runs it from here on if it could lock it, as those of `lock_jobs`, and no host has died
    /// with it. Otherwise it stays where it is, and in the instance's row there is none.
    InARow,
}

impl InstanceWrite {
    /// A write without any rows.
    pub fn new(id: Uuid, expect: Expect, state: State) -> Self {
        Self {
            id,
            expect,
            state,
            fired: None,
            suspended: None,
            job_definitions: None,
            running: None,
            running_stood: Stood::There,
            other_exclusive_jobs: true,
            put_jobs: Vec::new(),
            revise_jobs: Vec::new(),
            behind_jobs: Vec::new(),
            lock_jobs: Vec::new(),
            remove_jobs: Vec::new(),
            taken_jobs: Vec::new(),
            put_tasks: Vec::new(),
            recast_tasks: Vec::new(),
            remove_tasks: Vec::new(),
            past_tasks: Vec::new(),
            put_external_tasks: Vec::new(),
            revise_external_tasks: Vec::new(),
            remove_external_tasks: Vec::new(),
            held_external_task: None,
            put_subscriptions: Vec::new(),
            remove_subscriptions: Vec::new(),
            signals: Vec::new(),
            messages: Vec::new(),
            delivery: None,
            put_incidents: Vec::new(),
            remove_incidents: Vec::new(),
            past_incidents: Vec::new(),
            history: Vec::new(),
            operations: Vec::new(),
        }
    }
}

/// A firing of a timer start event, and what takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FiredTimer {
    /// Which timer.
    pub id: Uuid,
    /// Which of its firings.
    pub firing: i64,
    /// When it fires.
    pub at: i64,
    /// The next one; none: it was the last.
    pub next: Option<NewStartTimer>,
}

/// What an operator changes of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRevision {
    /// Which.
    pub wait: i64,
    /// Not before.
    pub due: i64,
    /// Attempts left.
    pub retries: i64,
    /// As in [`JobRow`].
    pub priority: i64,
    /// As in [`JobRow`].
    pub suspended: bool,
    /// As in [`JobRow`].
    pub behind: bool,
}

/// What changes of an external task that stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalTaskRevision {
    /// Which.
    pub wait: i64,
    /// The higher, the sooner it is fetched.
    pub priority: i64,
    /// Attempts left.
    pub retries: Option<i64>,
    /// Failures so far.
    pub failures: i64,
    /// The last failure's message.
    pub failure: Option<String>,
    /// It has failed just now; none: what is stored of its last failure and its lock stay.
    pub failed: Option<ExternalTaskFailure>,
}

/// What is stored of an external task's failure besides its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalTaskFailure {
    /// What the worker says at length.
    pub details: Option<String>,
    /// Nobody fetches it before.
    pub lock_until: i64,
}

/// An external task that a worker must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldExternalTask {
    /// Which.
    pub wait: i64,
    /// Who.
    pub worker: String,
}

/// What must hold of an instance before a unit writes it.
#[derive(Clone, Debug)]
pub enum Expect {
    /// It does not exist yet.
    New(InstanceHead),
    /// It is at this revision.
    Revision(i64),
}

/// What never changes of an instance.
#[derive(Clone, Debug)]
pub struct InstanceHead {
    /// Whose it is.
    pub tenant: Option<String>,
    /// What it runs.
    pub definition_id: String,
    /// The caller's name for it.
    pub business_key: Option<String>,
    /// When it was started.
    pub started_at: i64,
    /// Who started it, if anybody said so.
    pub started_by: Option<String>,
    /// Who called it; none: nobody did.
    pub called_by: Option<CalledBy>,
}

/// Who called an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalledBy {
    /// The instance whose call activity waits for its end.
    pub instance: Uuid,
    /// That activity, as the caller's other waits name theirs.
    pub activity_id: String,
    /// Its number in the caller.
    pub activity: i64,
    /// The instance at the root of all calls that led to it.
    pub root: Uuid,
}

/// What holds of an instance after a unit.
#[derive(Clone, Debug)]
pub enum State {
    /// It goes on.
    Live {
        /// The engine's snapshot.
        snapshot: Vec<u8>,
        /// What is stored apart from it.
        parts: Parts,
    },
    /// It is over: its row and all rows beside it go.
    Ended {
        /// Where it has any.
        beside: Beside,
    },
}

/// The tables in which an instance may have rows beside its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Beside {
    /// Parts of its snapshot.
    pub parts: bool,
    /// Jobs, but for the one in its own row.
    pub jobs: bool,
    /// User tasks.
    pub tasks: bool,
    /// External tasks.
    pub external_tasks: bool,
    /// Subscriptions.
    pub subscriptions: bool,
    /// Incidents.
    pub incidents: bool,
}

impl Beside {
    /// In all of them.
    pub const ALL: Self = Self { parts: true, jobs: true, tasks: true, external_tasks: true, subscriptions: true, incidents: true };
    /// In none.
    pub const NONE: Self = Self { parts: false, jobs: false, tasks: false, external_tasks: false, subscriptions: false, incidents: false };
}

/// What a unit changes of the parts that are stored apart from a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// How many there are afterwards, changed or not.
    pub count: i64,
    /// New or changed.
    pub put: Vec<PartRow>,
    /// Gone: the activity's number and the variable's name.
    pub remove: Vec<(i64, String)>,
}

/// A unit that is stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Committed {
    /// The new revision of every instance that lives.
    pub revisions: Vec<(Uuid, i64)>,
    /// Jobs that this host has locked with the unit and runs: those born locked that stayed so, and those of `lock_jobs` that it got. The
    /// others are in the store for whoever claims them.
    pub locked_jobs: Vec<ClaimedJob>,
}

/// Why a unit is not stored. Nothing of it is, except after [`Error::Unclear`].
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// An instance is at another revision: load it and step again.
    #[error("the instance was changed by another unit of work")]
    Conflict,
    /// An instance, or the definition of a new one, is no longer there.
    #[error("the instance is no longer there")]
    Gone,
    /// The definition of a new instance is not the newest version of its key.
    #[error("the definition is not the newest version of its key any more")]
    Superseded,
    /// The definition of a new instance is suspended.
    #[error("the definition is suspended")]
    Suspended,
    /// Somebody has changed job definitions, and the unit makes jobs: read them and step again.
    #[error("job definitions have been changed")]
    JobDefinitions,
    /// The start key was claimed before.
    #[error("the start key was used before, for instance {instance}")]
    AlreadyStarted {
        /// What it started.
        instance: Uuid,
    },
    /// The delivery has been taken up before, or there was nobody to receive it.
    #[error("the signal has been received before")]
    Delivered,
    /// Another worker has fetched the external task since, or none has.
    #[error("another worker has the external task")]
    NotHeld {
        /// Who has it, if anybody.
        worker: Option<String>,
    },
    /// What one of its commands came to could not be written, or the database refuses that or the unit. Write it by itself, and see what
    /// [`Store::ledger_close`](crate::Store::ledger_close) says of it.
    #[error("what became of a command of the unit of work could not be recorded")]
    NotClosed,
    /// This host may not write any more.
    #[error("this host's lease has ended and another host may have taken over its work")]
    Fenced,
    /// The unit holds what no store takes: a NUL byte, an oversize value.
    #[error("{0}")]
    Refused(String),
    /// The database refused it or could not be reached.
    #[error(transparent)]
    Database(#[from] Error),
}

/// The longest text that is part of a key or an index. PostgreSQL takes 2,704 bytes in an index row, and a key has up to three parts.
pub const MAX_KEY_BYTES: usize = 850;

/// The longest other text of a row. Messages and details are read by people; a megabyte is a dump in the wrong place.
pub const MAX_TEXT_BYTES: usize = 1 << 20;

/// The largest snapshot. The engine stops far below; SQLite takes it as hexadecimal text, twice as long.
pub const MAX_SNAPSHOT_BYTES: usize = 64 << 20;

impl CommitError {
    /// Whether the ledger has what the unit's commands came to: it was refused within a transaction that was committed.
    pub fn is_closed(&self) -> bool {
        !matches!(self, Self::NotClosed | Self::Fenced | Self::Refused(_) | Self::Database(_))
    }
}

impl Unit {
    /// Refuses what no database takes, before it can spoil a batch.
    pub(crate) fn check(&self) -> Result<(), CommitError> {
        let refused = |error: String| CommitError::Refused(error);
        if self.instances.is_empty() {
            return Err(refused("a unit of work touches at least one instance".to_owned()));
        }
        if self.closes.iter().any(|close| close.check().is_err()) {
            return Err(CommitError::NotClosed);
        }
        let mut ids = BTreeSet::new();
        for write in &self.instances {
            if !ids.insert(write.id) {
                return Err(refused(format!("instance {} is in the unit twice", write.id)));
            }
            write.check().map_err(refused)?;
        }
        if let Some(key) = &self.start_key {
            for part in [&key.tenant, &key.definition_key, &key.key] {
                check_key("start key", part).map_err(refused)?;
            }
            if !matches!(self.instances[0].expect, Expect::New(_)) {
                return Err(refused("a start key goes with a new instance".to_owned()));
            }
        }
        Ok(())
    }
}

impl InstanceWrite {
    fn check(&self) -> Result<(), String> {
        if let Expect::New(head) = &self.expect {
            check_key("tenant", head.tenant.as_deref().unwrap_or_default())?;
            check_key("business key", head.business_key.as_deref().unwrap_or_default())?;
            check_key("user", head.started_by.as_deref().unwrap_or_default())?;
            check_key("definition id", &head.definition_id)?;
            check_key("activity id", head.called_by.as_ref().map_or("", |by| &by.activity_id))?;
        }
        if let State::Live { snapshot, parts } = &self.state {
            let largest = parts.put.iter().map(|part| part.bytes.len()).fold(snapshot.len(), usize::max);
            if largest > MAX_SNAPSHOT_BYTES {
                return Err(format!("a snapshot or a part of it has at most {MAX_SNAPSHOT_BYTES} bytes; this one has {largest}"));
            }
            parts.put.iter().try_for_each(|part| check_key("variable name", &part.variable))?;
        }
        if let Some(job) = &self.running {
            check_keys([("activity id", &job.activity_id), ("job kind", &job.kind)])?;
        }
        for job in &self.put_jobs {
            check_keys([("activity id", &job.activity_id), ("job kind", &job.kind), ("definition id", &job.definition_id)])?;
            check_text("failure message", job.failure.as_deref())?;
            check_text("failed activity", job.failed_activity.as_deref())?;
        }
        for task in self.put_tasks.iter().chain(&self.past_tasks) {
            check_keys([("activity id", &task.activity_id), ("definition id", &task.definition_id)])?;
            check_key("assignee", task.assignee.as_deref().unwrap_or_default())?;
            check_key("owner", task.owner.as_deref().unwrap_or_default())?;
            task.candidate_users.iter().try_for_each(|user| check_key("candidate user", user))?;
            task.candidate_groups.iter().try_for_each(|group| check_key("candidate group", group))?;
            for text in [&task.name, &task.form_key, &task.description] {
                check_text("text of a task", text.as_deref())?;
            }
        }
        for row in &self.put_external_tasks {
            check_keys([("activity id", &row.activity_id), ("topic", &row.topic), ("definition id", &row.definition_id)])?;
            check_text("failure message", row.failure.as_deref())?;
        }
        for row in &self.revise_external_tasks {
            check_text("failure message", row.failure.as_deref())?;
            check_text("error details", row.failed.as_ref().and_then(|failed| failed.details.as_deref()))?;
        }
        check_key("worker", self.held_external_task.as_ref().map_or("", |held| &held.worker))?;
        for row in &self.put_subscriptions {
            check_keys([("activity id", &row.activity_id), ("event name", &row.name), ("definition id", &row.definition_id)])?;
            check_key("correlation key", row.correlation_key.as_deref().unwrap_or_default())?;
        }
        self.signals.iter().try_for_each(Signal::check)?;
        self.messages.iter().try_for_each(Message::check)?;
        for row in self.put_incidents.iter().chain(&self.past_incidents) {
            check_keys([("activity id", &row.activity_id), ("definition id", &row.definition_id), ("incident code", &row.code)])?;
            check_text("failed activity id", row.failed_activity_id.as_deref())?;
            check_text("job definition id", row.job_definition_id.as_deref())?;
            check_text("incident message", Some(&row.message))?;
            check_text("incident detail", Some(&row.detail))?;
        }
        operations::check(&self.operations)?;
        self.history.iter().try_for_each(check_history)
    }
}

fn check_history(row: &HistoryRow) -> Result<(), String> {
    match row {
        HistoryRow::InstanceStarted { start_activity, .. } => check_key("activity id", start_activity),
        HistoryRow::InstanceEnded { state, reason, .. } => {
            check_key("end state", state)?;
            check_text("reason", reason.as_deref())
        }
        HistoryRow::ActivityStarted { .. } | HistoryRow::ActivityEnded { .. } | HistoryRow::Delegate { .. } | HistoryRow::Called { .. } => {
            Ok(())
        }
        HistoryRow::Variable { name, kind, json, .. } => {
            check_keys([("variable name", name), ("variable type", kind)])?;
            check_text("variable value", Some(json))
        }
    }
}

fn check_keys<const N: usize>(keys: [(&str, &String); N]) -> Result<(), String> {
    keys.into_iter().try_for_each(|(what, text)| check_key(what, text))
}

/// Refuses a NUL byte, which PostgreSQL cannot store, and what is too long for an index.
pub(crate) fn check_key(what: &str, text: &str) -> Result<(), String> {
    if text.len() > MAX_KEY_BYTES {
        return Err(format!("a {what} has at most {MAX_KEY_BYTES} bytes; this one has {}", text.len()));
    }
    check_text(what, Some(text))
}

/// Refuses a NUL byte, which PostgreSQL cannot store, and what is out of proportion.
pub(crate) fn check_text(what: &str, text: Option<&str>) -> Result<(), String> {
    let text = text.unwrap_or_default();
    if text.len() > MAX_TEXT_BYTES {
        return Err(format!("a {what} has at most {MAX_TEXT_BYTES} bytes; this one has {}", text.len()));
    }
    if text.contains('\0') {
        return Err(format!("a {what} must not hold a NUL byte"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write() -> InstanceWrite {
        InstanceWrite::new(Uuid::from_u128(1), Expect::Revision(1), State::Ended { beside: Beside::ALL })
    }

    fn refusal(unit: &Unit) -> String {
        match unit.check() {
            Err(CommitError::Refused(reason)) => reason,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    #[test]
    fn a_nul_byte_is_refused_by_the_name_of_its_field() {
        let mut write = write();
        write.history.push(HistoryRow::Variable {
            scope: 1,
            name: "a".into(),
            kind: "String".into(),
            json: "\"\0\"".into(),
            removed: false,
            at: 0,
        });
        let unit = Unit { id: Uuid::nil(), instances: vec![write], start_key: None, newest: false, closes: Vec::new() };
        assert!(refusal(&unit).contains("variable value must not hold a NUL byte"));
    }

    #[test]
    fn an_instance_is_in_a_unit_once() {
        let unit = Unit { id: Uuid::nil(), instances: vec![write(), write()], start_key: None, newest: false, closes: Vec::new() };
        assert!(refusal(&unit).contains("twice"));
    }

    #[test]
    fn a_key_too_long_for_an_index_is_refused() {
        let key = StartKey { tenant: String::new(), definition_key: "p".into(), key: "k".repeat(MAX_KEY_BYTES + 1) };
        let unit = Unit { id: Uuid::nil(), instances: vec![write()], start_key: Some(key), newest: false, closes: Vec::new() };
        assert!(refusal(&unit).contains("start key has at most"));
    }
}
