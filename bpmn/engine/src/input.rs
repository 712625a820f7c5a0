//! Everything that can happen to an instance.
//!
//! An input that moves a token names the wait that it ends: a late or repeated one finds no such wait and is rejected with the instance
//! unchanged. What people and operators change names what it changes, or nothing.

use mandate_model::ElementIndex;

use crate::Code;
use crate::call::{Ending, Report};
use crate::effect::Delegation;
use crate::ids::{ActivityId, WaitId};
use crate::job::Jobs;
use crate::modification::Modification;
use crate::variable::Variables;

/// One thing that happens.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    // What begins an instance.
    /// Begin a new instance at a start event.
    Start {
        /// Which start event.
        element: ElementIndex,
        /// The instance's first variables.
        variables: Variables,
        /// Deferred, it stops at the start event with a [`JobKind::Start`](crate::JobKind::Start) job.
        chain: Chain,
    },
    /// Begin a new instance at elements of the caller's choice rather than at a start event.
    StartAt {
        /// The instance's first variables.
        variables: Variables,
        /// Where: starts only, at least one.
        modification: Modification,
    },

    // What has happened to a wait.
    /// A due job runs.
    RunJob {
        /// The job.
        wait: WaitId,
    },
    /// The unit that a job began has failed technically and was thrown away. Spends a retry; without one left, an incident.
    FailJob {
        /// The job.
        wait: WaitId,
        /// What went wrong.
        failure: Failure,
    },
    /// A user task is completed.
    CompleteTask {
        /// The task.
        wait: WaitId,
        /// Variables to set before it goes on.
        variables: Variables,
    },
    /// A person answers a user task with a BPMN error. Refused if nothing catches it: the task stays.
    ThrowFromTask {
        /// The task.
        wait: WaitId,
        /// The error code, matched by boundary events.
        code: String,
        /// For people.
        message: Option<String>,
        /// Variables to set where the error is caught.
        variables: Variables,
    },
    /// A person reports an escalation from a user task. Refused if nothing catches it. The task stays unless what catches it interrupts.
    EscalateFromTask {
        /// The task.
        wait: WaitId,
        /// The escalation code, matched by boundary events.
        code: String,
        /// Variables to set where the escalation is caught.
        variables: Variables,
    },
    /// A worker has done an external task.
    CompleteExternalTask {
        /// The task.
        wait: WaitId,
        /// Variables to set before it goes on.
        variables: Variables,
        /// Variables of the task's own to set, which its output mappings see.
        local_variables: Variables,
    },
    /// A worker could not do an external task. Without retries left, an incident.
    FailExternalTask {
        /// The task.
        wait: WaitId,
        /// What went wrong, if the worker says so.
        message: Option<String>,
        /// The same at length, for the task's expressions.
        details: Option<String>,
        /// Attempts left: the worker's decision.
        retries: u32,
        /// Variables to set.
        variables: Variables,
        /// Variables of the task's own to set.
        local_variables: Variables,
    },
    /// A worker answers with a BPMN error. One that nothing catches is a failure without retries: an incident.
    ThrowFromExternalTask {
        /// The task.
        wait: WaitId,
        /// The error code, matched by boundary events.
        code: String,
        /// For people.
        message: Option<String>,
        /// Variables to set where the error is caught.
        variables: Variables,
    },
    /// A message arrives for a subscription.
    Message {
        /// The subscription.
        wait: WaitId,
        /// Variables to set before it goes on.
        variables: Variables,
        /// Variables of the activity's own that waits, to be set before anything else.
        local_variables: Variables,
        /// Variables of what the message begins (Camunda 7.22, `setVariablesToTriggeredScope`): an event sub-process's own, an activity's
        /// own that waits; the path of a boundary event has no scope of its own and has them in the one that it is in.
        triggered_variables: Variables,
    },
    /// A signal arrives for a subscription.
    Signal {
        /// The subscription.
        wait: WaitId,
        /// Variables to set before it goes on.
        variables: Variables,
    },
    /// A called instance says something: as a rule, that it has ended.
    Called {
        /// The call.
        wait: WaitId,
        /// What.
        report: Box<Report>,
        /// Deferred, the call goes on by a [`JobKind::Return`](crate::JobKind::Return) job.
        chain: Chain,
    },
    /// The outstanding delegate call has ended. A technical failure is not an input: the host throws the unit away.
    DelegateReturned {
        /// The call.
        wait: WaitId,
        /// How.
        outcome: DelegateOutcome,
    },

    // What is changed of a wait.
    /// A user claims a task that nobody else has (claiming one's own again is fine).
    ClaimTask {
        /// The task.
        wait: WaitId,
        /// Who.
        user: String,
    },
    /// A user task is changed by hand.
    ReviseTask {
        /// The task.
        wait: WaitId,
        /// How.
        revision: TaskRevision,
    },
    /// An operator gives an external task retries; above 0 its incident is resolved.
    SetExternalTaskRetries {
        /// The task.
        wait: WaitId,
        /// From 0.
        retries: u32,
    },
    /// An operator gives an external task another priority, whoever has it (Camunda `SetExternalTaskPriorityCmd`).
    SetExternalTaskPriority {
        /// The task.
        wait: WaitId,
        /// Any whole number.
        priority: i64,
    },
    /// An operator gives a job new retries; above 0 its incident is resolved, and if it has failed it is due at once.
    SetRetries {
        /// The job.
        wait: WaitId,
        /// From 0.
        retries: u32,
        /// When it is due instead.
        due: Option<i64>,
    },
    /// An operator moves a job to another moment.
    SetDue {
        /// The job.
        wait: WaitId,
        /// Not before.
        due: i64,
    },
    /// An operator has a timer set anew, by its model and the variables as they are now.
    RecalculateDue {
        /// The timer's job.
        wait: WaitId,
        /// As if it had been set when its wait began, and not at this moment.
        since_creation: bool,
    },
    /// An operator gives jobs another priority.
    SetPriority {
        /// Which.
        jobs: Jobs,
        /// The higher, the sooner a host takes it.
        priority: i64,
    },
    /// An operator suspends jobs, or lets them go on.
    SuspendJobs {
        /// Which.
        jobs: Jobs,
        /// Whether they are suspended afterwards.
        suspended: bool,
    },

    // What is changed of the instance.
    /// Somebody edits variables.
    SetVariables {
        /// Whose; the instance's root activity for process variables, [`Task::scope`](crate::Task::scope) for those of an open user task.
        scope: ActivityId,
        /// New values.
        set: Variables,
        /// Names to remove.
        remove: Vec<String>,
        /// The scope's own variables and no others (Camunda's `setVariableLocal`). Otherwise each name is the one that the scope sees, and
        /// one that it does not see becomes the process's.
        local: bool,
    },
    /// Somebody begins an activity that is enabled in an ad-hoc sub-process and was not chosen yet.
    BeginActivity {
        /// Its number as an enabled activity: once it has begun it has another.
        activity: ActivityId,
    },
    /// Change by hand what is active. Names no wait: repeated without a key of its own, it is done again.
    Modify(Modification),
    /// Suspend the instance: nothing of it runs, and it rejects all inputs but those that [`Input::is_taken_while_suspended`]. What a
    /// called instance says then is kept until it goes on.
    Suspend,
    /// Let it go on, with all of its jobs.
    Activate,
    /// What the input in it says, but each token stops with a job before the element that it would enter: of an input that ends no wait,
    /// and whose chain comes to a delegate with commands, which need one that is durable first.
    Deferred(Box<Input>),

    // What ends it.
    /// The caller leaves its call before this instance, which it has called, has ended.
    EndCalled {
        /// How it ends.
        ending: Ending,
    },
    /// Delete the instance.
    Cancel {
        /// For history.
        reason: Option<String>,
        /// No listener is called for its user tasks, nor for those of what it calls.
        skip_listeners: bool,
    },
}

/// When what follows from an input happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chain {
    /// In the input's own unit of work.
    #[default]
    AtOnce,
    /// In units of their own: each token stops with a job that is due at once before the element that it would enter, because what follows
    /// may send commands and their origin must be durable first.
    Deferred,
}

impl Chain {
    /// Deferred if something is so.
    pub fn deferred_if(deferred: bool) -> Self {
        if deferred { Self::Deferred } else { Self::AtOnce }
    }

    /// Whether it is deferred.
    pub fn is_deferred(self) -> bool {
        self == Self::Deferred
    }
}

/// The wait that a unit of work resumes: commands of the unit are sent while it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumed {
    /// A job is run, or has failed.
    Job(WaitId),
    /// A user task is answered.
    Task(WaitId),
    /// An escalation is reported from a user task, which may go on waiting.
    Escalation(WaitId),
    /// A worker answers for an external task.
    ExternalTask(WaitId),
    /// A message or a signal is there that was waited for.
    Subscription(WaitId),
}

impl Resumed {
    /// The number of the wait.
    pub fn wait(self) -> WaitId {
        match self {
            Self::Job(wait) | Self::Task(wait) | Self::Escalation(wait) | Self::ExternalTask(wait) | Self::Subscription(wait) => wait,
        }
    }
}

/// What is to be known of an input before it is taken.
struct Kind {
    names: Option<WaitId>,
    resumes: Option<Resumed>,
    is_start: bool,
    is_deferred: bool,
    is_taken_while_suspended: bool,
    revises_jobs: bool,
}

impl Kind {
    /// Of an input that names no wait.
    const PLAIN: Self =
        Self { names: None, resumes: None, is_start: false, is_deferred: false, is_taken_while_suspended: false, revises_jobs: false };

    fn names(wait: WaitId) -> Self {
        Self { names: Some(wait), ..Self::PLAIN }
    }

    fn resumes(resumed: Resumed) -> Self {
        Self { resumes: Some(resumed), ..Self::names(resumed.wait()) }
    }
}

impl Input {
    /// The wait that it names.
    pub fn wait(&self) -> Option<WaitId> {
        self.kind().names
    }

    /// The wait that it resumes, for which commands of its unit are sent. A unit that resumes none is deferred before the first of them.
    pub fn resumes(&self) -> Option<Resumed> {
        self.kind().resumes
    }

    /// Whether it begins an instance.
    pub fn is_start(&self) -> bool {
        self.kind().is_start
    }

    /// Whether tokens stop at jobs before what it leads to, whose waits are durable before a command is sent.
    pub fn is_deferred(&self) -> bool {
        self.kind().is_deferred
    }

    /// Makes it one that is deferred.
    pub fn defer(&mut self) {
        match self {
            Self::Start { chain, .. } | Self::Called { chain, .. } => *chain = Chain::Deferred,
            Self::StartAt { modification, .. } | Self::Modify(modification) => modification.chain = Chain::Deferred,
            other => *other = Self::Deferred(Box::new(other.clone())),
        }
    }

    /// Whether an instance takes it that is suspended.
    pub fn is_taken_while_suspended(&self) -> bool {
        self.kind().is_taken_while_suspended
    }

    /// Whether it changes jobs that are there, which somebody may be running.
    pub fn revises_jobs(&self) -> bool {
        self.kind().revises_jobs
    }

    /// All inputs are here by name, so that whoever adds one decides all of it.
    fn kind(&self) -> Kind {
        match self {
            Self::Start { chain, .. } => Kind { is_start: true, is_deferred: chain.is_deferred(), ..Kind::PLAIN },
            Self::StartAt { modification, .. } => Kind { is_start: true, is_deferred: modification.chain.is_deferred(), ..Kind::PLAIN },
            Self::RunJob { wait } | Self::FailJob { wait, .. } => Kind::resumes(Resumed::Job(*wait)),
            Self::CompleteTask { wait, .. } | Self::ThrowFromTask { wait, .. } => Kind::resumes(Resumed::Task(*wait)),
            Self::EscalateFromTask { wait, .. } => Kind::resumes(Resumed::Escalation(*wait)),
            Self::CompleteExternalTask { wait, .. } | Self::ThrowFromExternalTask { wait, .. } => {
                Kind::resumes(Resumed::ExternalTask(*wait))
            }
            Self::Message { wait, .. } | Self::Signal { wait, .. } => Kind::resumes(Resumed::Subscription(*wait)),
            // As a rule the task stays, and nothing goes on.
            Self::FailExternalTask { wait, .. } => Kind::names(*wait),
            // These come in units that another input has begun.
            Self::Called { wait, chain, .. } => {
                Kind { is_deferred: chain.is_deferred(), is_taken_while_suspended: true, ..Kind::names(*wait) }
            }
            Self::DelegateReturned { wait, .. } => Kind { is_taken_while_suspended: true, ..Kind::names(*wait) },
            Self::ClaimTask { wait, .. } | Self::ReviseTask { wait, .. } => Kind::names(*wait),
            Self::SetExternalTaskRetries { wait, .. } | Self::SetExternalTaskPriority { wait, .. } => {
                Kind { is_taken_while_suspended: true, ..Kind::names(*wait) }
            }
            Self::SetRetries { wait, .. } | Self::SetDue { wait, .. } | Self::RecalculateDue { wait, .. } => {
                Kind { is_taken_while_suspended: true, revises_jobs: true, ..Kind::names(*wait) }
            }
            Self::SetPriority { .. } | Self::SuspendJobs { .. } | Self::Activate => {
                Kind { is_taken_while_suspended: true, revises_jobs: true, ..Kind::PLAIN }
            }
            Self::Modify(modification) => {
                Kind { is_deferred: modification.chain.is_deferred(), is_taken_while_suspended: true, ..Kind::PLAIN }
            }
            Self::SetVariables { .. } | Self::Suspend | Self::EndCalled { .. } | Self::Cancel { .. } => {
                Kind { is_taken_while_suspended: true, ..Kind::PLAIN }
            }
            Self::BeginActivity { .. } => Kind::PLAIN,
            Self::Deferred(input) => Kind { is_deferred: true, ..input.kind() },
        }
    }
}

/// A change of a user task by hand (Camunda 7, `TaskService`).
#[derive(Clone, Debug, PartialEq)]
pub enum TaskRevision {
    /// The assignee is set, whoever had it; none unclaims it.
    Assign {
        /// Who, if anybody.
        user: Option<String>,
    },
    /// The owner is set.
    SetOwner {
        /// Who, if anybody.
        user: Option<String>,
    },
    /// Given to somebody else: whoever had it becomes its owner, if it has none.
    Delegate {
        /// To whom.
        user: Option<String>,
    },
    /// Given back to its owner.
    Resolve {
        /// Variables to set.
        variables: Variables,
    },
    /// All of this is set, as it is.
    Update(Box<TaskFields>),
    /// Another user may claim it.
    AddCandidateUser(String),
    /// That user may no longer.
    RemoveCandidateUser(String),
    /// Another group may claim it.
    AddCandidateGroup(String),
    /// That group may no longer.
    RemoveCandidateGroup(String),
}

/// What of a user task is set in one go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFields {
    /// None: it has no name.
    pub name: Option<String>,
    /// None: it has no description.
    pub description: Option<String>,
    /// Who has it.
    pub assignee: Option<String>,
    /// Who is responsible.
    pub owner: Option<String>,
    /// By when.
    pub due: Option<i64>,
    /// Not before when.
    pub follow_up: Option<i64>,
    /// None: as it is.
    pub priority: Option<i64>,
    /// None: as it is.
    pub delegation: Option<Delegation>,
}

/// How a delegate ended, when it ended with an answer.
#[derive(Clone, Debug, PartialEq)]
pub enum DelegateOutcome {
    /// It did its work.
    Completed {
        /// Variables it sets.
        variables: Variables,
    },
    /// It threw a BPMN error: a business answer.
    BpmnError {
        /// The error code, matched by boundary events.
        code: String,
        /// For people.
        message: String,
        /// Variables it sets where the error is caught.
        variables: Variables,
    },
}

/// A technical failure of a unit of work.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// What kind.
    pub code: Code,
    /// What exactly.
    pub message: String,
    /// The element that failed, when it is known.
    pub element: Option<ElementIndex>,
    /// When to try again.
    pub retry: Retry,
}

/// When to try a failed unit again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// As the job's element says (`camunda:failedJobRetryTimeCycle`), or by default.
    ByPolicy,
    /// After this many milliseconds; spends a retry all the same.
    AfterMs(u64),
    /// Not at all: an incident now.
    Never,
}
