//! Everything the engine can ask of the world. One enum: read it first.
//!
//! A step answers with a list of these, in order. All but [`Effect::CallDelegate`] are rows: the host writes them with the
//! instance's snapshot in one transaction or not at all. `CallDelegate` is performed inside the unit of work, before anything
//! is stored, and answered by [`Input::DelegateReturned`](crate::Input::DelegateReturned); at most one is outstanding.
//! Times are milliseconds since 1970-01-01 UTC.

use mandate_model::{ElementIndex, Implementation, ListenerEvent, MessageReceiver};
use serde::{Deserialize, Serialize};

use crate::call::{Ending, ProcessCall, Report};
use crate::ids::{ActivityId, IncidentId, InstanceId, WaitId};
use crate::variable::{Variable, Variables};
use crate::{Code, EntryKey};

/// What should happen outside the instance.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Call a delegate now, in this unit of work. Always the last effect of its step.
    CallDelegate(DelegateCall),
    /// A job is new or has changed: write its row.
    PutJob(Job),
    /// A job is done or cancelled: remove its row.
    RemoveJob(WaitId),
    /// A user task is new or has changed.
    PutTask(Task),
    /// A user task is completed or cancelled.
    RemoveTask(WaitId),
    /// The instance waits for a message, a signal or a condition.
    PutSubscription(Subscription),
    /// It no longer does.
    RemoveSubscription(WaitId),
    /// A signal was thrown. The instance itself has got it. It goes to everybody else who waits for it at the moment at which the unit is
    /// stored, and starts the newest version of each process that starts by it: to each of them once, for which the host writes it down
    /// with the unit.
    ThrowSignal(Signal),
    /// A message was sent along a message flow. It goes to one other instance, once, for which the host writes it down with the unit: to
    /// the one that waits for it, or will wait, or that it starts.
    SendMessage(Message),
    /// An external task is new or has changed.
    PutExternalTask(ExternalTask),
    /// An external task is completed or cancelled.
    RemoveExternalTask(WaitId),
    /// Begin another instance, in this unit of work: its first input is a start. It is stored with this one or not at all.
    CallProcess(Box<ProcessCall>),
    /// The call is over before what it calls: that instance ends in this unit of work, by
    /// [`Input::EndCalled`](crate::Input::EndCalled).
    EndCalled {
        /// The call, which names the instance: [`InstanceId::called`].
        wait: WaitId,
        /// How it ends.
        ending: Ending,
    },
    /// Tell who called this instance, in this unit of work: its next input is [`Input::Called`](crate::Input::Called).
    TellCaller {
        /// The caller.
        caller: InstanceId,
        /// Its wait.
        wait: WaitId,
        /// What.
        report: Box<Report>,
    },
    /// Progress stopped here; an operator can help. One that is open already: what it says of the last failure.
    RaiseIncident(Incident),
    /// It goes on: there are new retries, or what had failed is done.
    ResolveIncident(IncidentId),
    /// Nothing goes on: what had failed was cancelled.
    DeleteIncident(IncidentId),
    /// All jobs, tasks and external tasks of the instance are suspended (true) or active again.
    SetSuspended(bool),
    /// Something happened that history keeps.
    Record(HistoryEvent),
    /// The instance is over: remove it and everything of it but history.
    End,
}

/// Which delegate to call, with what.
#[derive(Clone, Debug, PartialEq)]
pub struct DelegateCall {
    /// Names the call in the answer.
    pub wait: WaitId,
    /// The activity instance that is executed, or whose listener is called: the process itself at its start and end, the scope around a
    /// flow.
    pub activity: ActivityId,
    /// The service task, or the element of the listener: of a flow, the one that it leaves.
    pub element: ElementIndex,
    /// Which delegate, as the model says; the deployment has bound it to a digest.
    pub implementation: Implementation,
    /// It is called for a listener of this event, and does not do the element's work.
    pub listener: Option<ListenerEvent>,
    /// Names this entry into the element for ever: the root of its ledger keys.
    pub entry: EntryKey,
    /// What the delegate may see: variables of its scope and all enclosing scopes, or only its input mappings' results on top of them.
    pub variables: Variables,
    /// What the model gives it besides (`camunda:field`), in document order: texts as they are, anything else as JSON; null is left out.
    pub fields: Vec<(String, String)>,
    /// 1 for the first attempt of the unit's job; always 1 in a unit that an API call began.
    pub attempt: u32,
    /// Attempts left after this one.
    pub retries_left: u32,
}

/// Work the engine must do later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Which wait it ends.
    pub wait: WaitId,
    /// The activity instance it belongs to.
    pub activity: ActivityId,
    /// The element it continues at, or whose timer it is.
    #[serde(with = "crate::effect::index")]
    pub element: ElementIndex,
    /// What happens when it runs.
    pub kind: JobKind,
    /// Not before this moment.
    pub due: i64,
    /// When it was due before an attempt failed for the first time; none: `due`, for none has.
    pub first_due: Option<i64>,
    /// Attempts left; 0 has an incident.
    pub retries: u32,
    /// Failed attempts so far.
    pub failures: u32,
    /// Never beside another exclusive job of this instance.
    pub exclusive: bool,
    /// The higher, the sooner a host takes it.
    pub priority: i64,
    /// It does not run until an operator activates it, or its instance.
    pub suspended: bool,
    /// When the wait began.
    pub since: i64,
    /// The last failure's message, for operators.
    pub failure: Option<String>,
    /// The element at which the unit failed the last time; none: it has never failed.
    #[serde(with = "crate::effect::index_if_any")]
    pub failed: Option<ElementIndex>,
    /// On whose behalf it goes on, where the model has no wait: of what is deferred, whoever asked for the unit that defers it.
    pub user: Option<String>,
    /// A timer that fires again: its [`Cycle`](mandate_model::time::Cycle). None once the job for the next date is there.
    pub cycle: Option<String>,
}

/// What a job does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobKind {
    /// Takes up a start whose first command must not be sent before the instance is durable.
    Start,
    /// Enters an element (`camunda:asyncBefore`).
    AsyncBefore,
    /// Leaves an element (`camunda:asyncAfter`).
    AsyncAfter,
    /// Fires a timer.
    Timer,
    /// Calls a listener for the timeout of a user task.
    Timeout {
        /// Which of the task's listeners.
        listener: u32,
    },
    /// Acts upon what a called instance has said.
    Return,
}

/// A user task, as task lists show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Which wait its completion ends.
    pub wait: WaitId,
    /// Its activity instance.
    pub activity: ActivityId,
    /// The user task.
    #[serde(with = "crate::effect::index")]
    pub element: ElementIndex,
    /// Who does it.
    pub assignee: Option<String>,
    /// Who may claim it.
    pub candidate_users: Vec<String>,
    /// Which groups may claim it.
    pub candidate_groups: Vec<String>,
    /// By when.
    pub due: Option<i64>,
    /// Not before when, as a hint for task lists.
    pub follow_up: Option<i64>,
    /// The key of its form, if an expression has given it.
    pub form_key: Option<String>,
    /// The higher, the more urgent; 50 unless somebody says something else.
    pub priority: i64,
    /// When it was created.
    pub since: i64,
    /// When somebody changed it last, or a variable of its own; none: nobody has since it was created.
    pub updated: Option<i64>,
    /// Who is responsible for it, where somebody said so.
    pub owner: Option<String>,
    /// Whether its owner has given it to somebody else.
    pub delegation: Option<Delegation>,
    /// A name that an expression or somebody by hand gave it; none: the model's. An empty one: it has no name.
    pub name: Option<String>,
    /// A description, likewise.
    pub description: Option<String>,
    /// How many escalations were reported from it: what each of them leads to has keys of its own.
    pub reports: u32,
    /// Its own variables; they are no part of its row.
    pub variables: Variables,
}

/// How far the work on a delegated task is (Camunda 7, `DelegationState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Delegation {
    /// The delegate works on it.
    Pending,
    /// It is back with its owner.
    Resolved,
}

impl Delegation {
    /// Camunda's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Resolved => "RESOLVED",
        }
    }
}

/// Work that a worker outside fetches. Who has it locked, and until when, is the host's: it is written without a unit of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExternalTask {
    /// Which wait its completion ends.
    pub wait: WaitId,
    /// Its activity instance.
    pub activity: ActivityId,
    /// The service or send task.
    #[serde(with = "crate::effect::index")]
    pub element: ElementIndex,
    /// What workers ask for.
    pub topic: String,
    /// The higher, the sooner it is fetched.
    pub priority: i64,
    /// Attempts left, as the last failure said; 0 has an incident. None: it has never failed.
    pub retries: Option<u32>,
    /// Failures so far.
    pub failures: u32,
    /// The last failure's message, for operators.
    pub failure: Option<String>,
    /// When it was created.
    pub since: i64,
}

/// A wait for a message, a signal or a condition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Which wait the event ends.
    pub wait: WaitId,
    /// The activity instance that waits; of an event sub-process the scope around it.
    pub activity: ActivityId,
    /// The receive task or catch event; or the boundary event or start event of an event sub-process that is triggered.
    #[serde(with = "crate::effect::index")]
    pub element: ElementIndex,
    /// What it waits for.
    pub kind: SubscriptionKind,
    /// The message's or signal's name, evaluated. Empty of a condition, which the model has; or which one, from 0, of an event that waits
    /// for all of several.
    pub name: String,
    /// What tells it from other waits for the message, if the model says so.
    pub correlation_key: Option<String>,
    /// Since when.
    pub since: i64,
}

/// What a subscription waits for: Camunda 7's event types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum SubscriptionKind {
    /// A message: one receiver gets it.
    Message,
    /// A signal: everybody gets it.
    Signal,
    /// A condition: the engine itself sees when it holds.
    Condition,
}

/// A signal that was thrown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its name, evaluated.
    pub name: String,
    /// Variables that go along.
    pub variables: Variables,
    /// The business key of instances that it starts.
    pub business_key: Option<String>,
}

/// A message that was sent along a message flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Where its flow leads: to a process of the same deployment, or to an element of it.
    pub to: MessageReceiver,
    /// Its name, evaluated.
    pub name: String,
    /// The business key of who gets it: an instance with this very key or, without one, an instance without.
    pub business_key: Option<String>,
    /// What tells the wait that is meant, if what goes along says it: of waits that have a key the one with this one, whatever its business
    /// key.
    pub correlation_key: Option<String>,
    /// Variables that go along.
    pub variables: Variables,
}

/// Why progress stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number in the instance.
    pub id: IncidentId,
    /// The job or external task that has no retries left; none for a join that can never complete.
    pub wait: Option<WaitId>,
    /// Where in the tree.
    pub activity: ActivityId,
    /// Where in the model: the element of the job, the external task or the join (Camunda 7, `activityId`).
    #[serde(with = "crate::effect::index")]
    pub element: ElementIndex,
    /// The element that failed, to which the job may have led (Camunda 7, `failedActivityId`); none: nothing has, as at a join.
    #[serde(with = "crate::effect::index_if_any")]
    pub failed: Option<ElementIndex>,
    /// What kind of trouble; each has a section in `docs/incidents.md`.
    pub code: Code,
    /// What exactly, for people.
    pub message: String,
    /// The attempt that failed, from 1.
    pub attempt: u32,
    /// When.
    pub since: i64,
}

/// What history keeps. Every event happened at the step's `now`. The process itself has no activity events: as in Camunda 7 its
/// beginning and end are the instance's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum HistoryEvent {
    /// The instance began at this start event.
    InstanceStarted {
        /// The start event.
        #[serde(with = "crate::effect::index")]
        element: ElementIndex,
    },
    /// The instance is over.
    InstanceEnded {
        /// How.
        state: EndState,
        /// Why it was deleted, when it was.
        reason: Option<String>,
    },
    /// An activity instance was entered.
    ActivityStarted {
        /// Its number.
        activity: ActivityId,
        /// The scope it runs in.
        parent: ActivityId,
        /// The element.
        #[serde(with = "crate::effect::index")]
        element: ElementIndex,
        /// It is the body of a multi-instance activity.
        body: bool,
    },
    /// An activity instance is over.
    ActivityEnded {
        /// Its number.
        activity: ActivityId,
        /// How.
        end: ActivityEnd,
    },
    /// A call activity called another process.
    ProcessCalled {
        /// The call activity's instance.
        activity: ActivityId,
        /// The called instance.
        instance: InstanceId,
    },
    /// A variable was created or changed.
    VariableSet {
        /// Whose: the process's or a local scope's.
        scope: ActivityId,
        /// Its name.
        name: String,
        /// Its new value.
        value: Variable,
    },
    /// A variable was removed.
    VariableRemoved {
        /// Whose.
        scope: ActivityId,
        /// Its name.
        name: String,
    },
}

/// How an activity instance ended (Camunda 7, `ActivityInstanceState`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ActivityEnd {
    /// Its token went on: by a flow, into the next instance of a loop, through a join, or back to the event that had it compensated.
    Left,
    /// It ended its token's way in its scope, for no flow leads on from it: an end event that was reached, an activity without outgoing
    /// flows, each instance of a multi-instance activity (Camunda 7, `SCOPE_COMPLETE`).
    CompletedScope,
    /// Ended by an interruption, a termination or a deletion rather than by itself.
    Canceled,
}

/// How an instance ended, in Camunda 7's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndState {
    /// `COMPLETED`: no token was left, or a terminate end event was reached.
    Completed,
    /// `EXTERNALLY_TERMINATED`: deleted over the API.
    ExternallyTerminated,
    /// `INTERNALLY_TERMINATED`.
    InternallyTerminated,
}

/// An element's index in serialised form: its number. A definition never changes and an instance keeps its own for life.
mod index {
    use mandate_model::ElementIndex;
    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(index: &ElementIndex, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(index.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ElementIndex, D::Error> {
        u32::deserialize(deserializer).map(ElementIndex)
    }
}

/// The same of one that need not be there.
mod index_if_any {
    use mandate_model::ElementIndex;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(index: &Option<ElementIndex>, serializer: S) -> Result<S::Ok, S::Error> {
        index.map(|index| index.0).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ElementIndex>, D::Error> {
        Ok(Option::<u32>::deserialize(deserializer)?.map(ElementIndex))
    }
}
