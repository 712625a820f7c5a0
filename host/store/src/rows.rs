//! Rows of an instance beside its snapshot, as the runtime writes them and as operators query them.
//!
//! Times are milliseconds since 1970. `wait` and `n` are numbers of the instance; a public id is the instance's id and such a number.

use uuid::Uuid;

use crate::lease::HostRef;

/// A part of an instance's snapshot that is stored apart, because there are many or it is large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartRow {
    /// The activity that it is or belongs to.
    pub activity: i64,
    /// Empty for the activity itself; else the name of a variable.
    pub variable: String,
    /// The engine's.
    pub bytes: Vec<u8>,
}

/// Work the engine must do later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobRow {
    /// The wait that the job resumes.
    pub wait: i64,
    /// The activity instance it belongs to: Camunda's execution.
    pub activity: i64,
    /// BPMN id of the element.
    pub activity_id: String,
    /// `start`, `async-before`, `async-after`, `timer`, or `event-timer`: of a boundary event or an event sub-process, and not what its
    /// activity itself waits for.
    pub kind: String,
    /// The instance's definition.
    pub definition_id: String,
    /// Not before.
    pub due: i64,
    /// Attempts left; 0 means that an operator must give it new ones.
    pub retries: i64,
    /// Attempts that failed.
    pub failures: i64,
    /// Never beside another exclusive job of its instance.
    pub exclusive: bool,
    /// The higher, the sooner it is claimed.
    pub priority: i64,
    /// Written: an operator has suspended it. Read: it is suspended, or its instance.
    pub suspended: bool,
    /// It is exclusive and not its instance's next: no claim finds it. Whoever writes the job that is before it says when that changes.
    pub behind: bool,
    /// Since when.
    pub created: i64,
    /// The last failure's message.
    pub failure: Option<String>,
    /// BPMN id of the element that failed, where it is another one.
    pub failed_activity: Option<String>,
    /// Written: born locked by this host. Read: locked by some host.
    pub locked: bool,
}

/// A job that its host runs from memory and that has no row of its own: it stands in its instance's row, which every unit of work writes
/// anyway. It has not failed since it was made, and changes only with the instance's revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningJob {
    /// The wait that the job resumes.
    pub wait: i64,
    /// The activity instance it belongs to.
    pub activity: i64,
    /// BPMN id of the element.
    pub activity_id: String,
    /// As in [`JobRow`].
    pub kind: String,
    /// Not before.
    pub due: i64,
    /// Attempts left.
    pub retries: i64,
    /// Never beside another exclusive job of its instance.
    pub exclusive: bool,
    /// As in [`JobRow`].
    pub priority: i64,
    /// An operator has suspended it: what the host makes of it will not be stored.
    pub suspended: bool,
    /// Since when.
    pub created: i64,
    /// The host that runs it, in which of its epochs.
    pub holder: HostRef,
}

/// A user task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRow {
    /// The wait that completing it resumes.
    pub wait: i64,
    /// Its activity instance: Camunda's execution.
    pub activity: i64,
    /// BPMN id of the element.
    pub activity_id: String,
    /// Its name.
    pub name: Option<String>,
    /// The instance's definition.
    pub definition_id: String,
    /// Who has it.
    pub assignee: Option<String>,
    /// Who is responsible for it.
    pub owner: Option<String>,
    /// `PENDING` or `RESOLVED`, if its owner gave it to somebody else.
    pub delegation: Option<String>,
    /// Who may claim it.
    pub candidate_users: Vec<String>,
    /// Which groups may claim it.
    pub candidate_groups: Vec<String>,
    /// When it should be done.
    pub due: Option<i64>,
    /// Before when task lists may hide it.
    pub follow_up: Option<i64>,
    /// The higher, the more urgent.
    pub priority: i64,
    /// Since when.
    pub created: i64,
    /// When somebody changed it last; none: nobody has.
    pub updated: Option<i64>,
    /// `camunda:formKey`.
    pub form_key: Option<String>,
    /// The element's documentation, or what somebody made of it.
    pub description: Option<String>,
}

/// Work that a worker fetches, as units of work write it. Who has it is in [`ExternalTaskListed`](crate::query::ExternalTaskListed).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalTaskRow {
    /// The wait that completing it resumes.
    pub wait: i64,
    /// Its activity instance: Camunda's execution.
    pub activity: i64,
    /// BPMN id of the element.
    pub activity_id: String,
    /// What workers ask for.
    pub topic: String,
    /// The instance's definition.
    pub definition_id: String,
    /// The higher, the sooner it is fetched.
    pub priority: i64,
    /// Attempts left; none: it has never failed.
    pub retries: Option<i64>,
    /// Failures so far.
    pub failures: i64,
    /// The last failure's message.
    pub failure: Option<String>,
    /// Since when.
    pub created: i64,
}

/// What an event waits for, in Camunda 7's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// A message.
    Message,
    /// A signal.
    Signal,
    /// A condition, which has no name.
    Conditional,
}

impl EventKind {
    /// As it is stored, and as Camunda 7 calls it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::Signal => "signal",
            Self::Conditional => "conditional",
        }
    }

    /// The kind of this name, if there is one.
    pub fn of(name: &str) -> Option<Self> {
        [Self::Message, Self::Signal, Self::Conditional].into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A wait for a message, a signal or a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionRow {
    /// The wait that the event resumes.
    pub wait: i64,
    /// The activity instance that waits: Camunda's execution.
    pub activity: i64,
    /// BPMN id of the element.
    pub activity_id: String,
    /// What it waits for.
    pub kind: EventKind,
    /// The message's or signal's name; empty of a condition.
    pub name: String,
    /// What tells it from other waits for the message, if anything does.
    pub correlation_key: Option<String>,
    /// It is a boundary event's or an event sub-process's, and not what its activity itself waits for.
    pub of_event: bool,
    /// The instance's definition.
    pub definition_id: String,
    /// Since when.
    pub created: i64,
}

/// Progress that stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentRow {
    /// The incident's number.
    pub n: i64,
    /// The wait that cannot go on, if it is one.
    pub wait: Option<i64>,
    /// The activity instance that cannot go on: Camunda's execution.
    pub activity: i64,
    /// BPMN id of the element at which it stands.
    pub activity_id: String,
    /// BPMN id of the element that failed, if one has.
    pub failed_activity_id: Option<String>,
    /// The definition of the job that failed, if a model asks for that job.
    pub job_definition_id: Option<String>,
    /// The instance's definition.
    pub definition_id: String,
    /// The kind of trouble.
    pub code: String,
    /// What exactly.
    pub message: String,
    /// The attempt that failed, from 1.
    pub attempt: i64,
    /// Since when.
    pub created: i64,
    /// What an operator should know, as JSON.
    pub detail: String,
}

/// An incident that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedIncident {
    /// Its number.
    pub n: i64,
    /// Since when.
    pub at: i64,
    /// What had failed was cancelled; else the incident was resolved.
    pub deleted: bool,
}

/// One thing that happened. The store keeps what its history level asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HistoryRow {
    /// The instance began.
    InstanceStarted {
        /// BPMN id of the start event.
        start_activity: String,
        /// When.
        at: i64,
    },
    /// The instance ended.
    InstanceEnded {
        /// `COMPLETED`, `EXTERNALLY_TERMINATED` or `INTERNALLY_TERMINATED`.
        state: String,
        /// Why, where somebody said so.
        reason: Option<String>,
        /// When.
        at: i64,
        /// When its history is to be removed; none: it is kept.
        removal_at: Option<i64>,
    },
    /// An activity began.
    ActivityStarted {
        /// Its number.
        n: i64,
        /// The number of the scope it is in.
        parent: i64,
        /// Its element: where its definition's begin, and [`ElementRow::n`](crate::ElementRow).
        element: i64,
        /// When.
        at: i64,
    },
    /// An activity ended.
    ActivityEnded {
        /// Its number.
        n: i64,
        /// It was interrupted.
        canceled: bool,
        /// No flow led on from it.
        complete_scope: bool,
        /// When.
        at: i64,
    },
    /// The delegate of its element did an activity.
    Delegate {
        /// The activity's number.
        n: i64,
        /// The attempt, from 1.
        attempt: i64,
    },
    /// A call activity called an instance.
    Called {
        /// The activity's number.
        n: i64,
        /// The instance.
        instance: Uuid,
    },
    /// A variable was set or removed.
    Variable {
        /// The number of the scope that has it.
        scope: i64,
        /// Its name.
        name: String,
        /// Camunda's type name.
        kind: String,
        /// Its value.
        json: String,
        /// It is gone.
        removed: bool,
        /// When.
        at: i64,
    },
}

/// What an operator did to one property of one thing, or to the thing as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationRow {
    /// What they did in one go has one id. An [`InstanceWrite`](crate::InstanceWrite) has one operation.
    pub operation: Uuid,
    /// When.
    pub at: i64,
    /// Who they said they were.
    pub user: Option<String>,
    /// Why, as they said or as somebody noted later.
    pub annotation: Option<String>,
    /// Camunda's operation type, such as `SetJobRetries`.
    pub operation_type: String,
    /// Camunda's entity type, such as `Job`.
    pub entity_type: String,
    /// `Operator`, `TaskWorker` or `Admin`.
    pub category: String,
    /// What changed of the thing.
    pub property: Option<String>,
    /// Its value before.
    pub org_value: Option<String>,
    /// Its value since.
    pub new_value: Option<String>,
    /// The instance that the thing belongs to, with whose history the row goes; none: it stays.
    pub instance: Option<Uuid>,
    /// Whose it is.
    pub tenant: Option<String>,
    /// The definition that the thing is or belongs to.
    pub definition_id: Option<String>,
    /// The same by key.
    pub definition_key: Option<String>,
    /// The deployment that the thing is.
    pub deployment_id: Option<String>,
    /// The number of the activity instance that the thing is or belongs to: Camunda's execution.
    pub activity: Option<i64>,
    /// The number of the task, job or external task that it is, or whose variable it is.
    pub wait: Option<i64>,
    /// The job definition that it is, or whose job it is.
    pub job_definition_id: Option<String>,
}
