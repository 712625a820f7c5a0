//! Where an instance stands: nothing is ever silently stuck.

use std::collections::BTreeMap;
use std::sync::Arc;

use mandate_model::{ElementIndex, ElementKind, FlowIndex, ProcessDefinition};

use crate::effect::{Job, JobKind, SubscriptionKind};
use crate::ids::{ActivityId, IncidentId, InstanceId, WaitId};
use crate::instance::{Activity, Instance, Phase};
use crate::join::missing;

/// One leaf of the tree of activity instances, with the one reason why it stands where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The activity instance.
    pub activity: ActivityId,
    /// Its element.
    pub element: ElementIndex,
    /// Since when; milliseconds since 1970.
    pub since: i64,
    /// Until when at the latest: its own due moment, a user task's due date or its earliest boundary timer's moment, whichever comes first;
    /// none if nothing bounds it.
    pub until: Option<i64>,
    /// Why.
    pub state: LeafState,
}

/// Why a leaf stands where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeafState {
    /// It waits for a message.
    Message {
        /// The subscription.
        wait: WaitId,
        /// The message's name; none at a receive task that names no message.
        name: String,
        /// What tells it from other waits for the message, if the model says so.
        correlation_key: Option<String>,
    },
    /// It waits for a signal.
    Signal {
        /// The subscription.
        wait: WaitId,
        /// The signal's name.
        name: String,
    },
    /// It waits until its condition holds.
    Condition {
        /// The subscription.
        wait: WaitId,
    },
    /// It waits for a person.
    Task {
        /// The task.
        wait: WaitId,
        /// Who has it, if anybody.
        assignee: Option<String>,
    },
    /// It waits for a worker.
    ExternalTask {
        /// The external task.
        wait: WaitId,
        /// What workers ask for.
        topic: String,
        /// Attempts left; none: it has never failed.
        retries: Option<u32>,
    },
    /// It waits for a process that it has called.
    Called {
        /// The call.
        wait: WaitId,
        /// The called instance.
        instance: InstanceId,
        /// The key of its process.
        process: String,
    },
    /// It waits for a moment in time.
    Timer {
        /// The job.
        wait: WaitId,
        /// The moment.
        due: i64,
    },
    /// A job will take it further.
    Job {
        /// The job.
        wait: WaitId,
        /// The attempt that comes next or is running, from 1.
        attempt: u32,
        /// Attempts left, that one included.
        retries: u32,
        /// Not before.
        due: i64,
    },
    /// It cannot go on without an operator.
    Incident {
        /// The incident.
        incident: IncidentId,
    },
    /// It stands at an event-based gateway.
    Events {
        /// The elements of which the first to happen takes it further, in document order of the gateway's flows. Those whose job has an
        /// incident are left out.
        events: Vec<ElementIndex>,
    },
    /// It stands at a parallel or inclusive gateway, or before an activity that begins with several tokens.
    Join {
        /// The flows that it waits for, in document order: of an activity all, for the tokens may come by any of them; of a gateway those
        /// by which nobody has come yet or, at an inclusive gateway, by which somebody may still come.
        missing: Vec<FlowIndex>,
    },
    /// It may begin, in an ad-hoc sub-process: when somebody says so by [`Input::BeginActivity`](crate::Input::BeginActivity) or, if it was
    /// chosen already, when its turn comes.
    Enabled {
        /// It was chosen.
        chosen: bool,
    },
    /// The unit of work that it belongs to is running.
    Running,
    /// The instance is suspended, or the job that would take it further.
    Suspended,
}

/// What the joins of each scope wait for, as far as it was asked.
type Missing = BTreeMap<ActivityId, BTreeMap<ElementIndex, Vec<FlowIndex>>>;

impl Instance {
    /// Every leaf of the tree with the reason why it stands there, in the order of their numbers. Empty before the start and after the end.
    pub fn leaves(&self, definition: &ProcessDefinition) -> Vec<Leaf> {
        let leaf = |activity: &&Activity| {
            let stands = activity.parent.is_some() && !activity.role.is_past() && !matches!(activity.phase, Phase::Spent { .. });
            stands && !self.index.children.contains_key(&activity.id)
        };
        // Of a join its tokens all say the same, and those of a scope are found out about together.
        let mut joins = BTreeMap::new();
        self.activities().filter(leaf).map(|activity| self.leaf(definition, activity, &mut joins)).collect()
    }

    fn leaf(&self, definition: &ProcessDefinition, activity: &Activity, joins: &mut Missing) -> Leaf {
        let due = |wait| match self.jobs.get(&wait) {
            Some(job) => Some(job.due).filter(|_| job.retries > 0 && !job.suspended),
            None => self.tasks.get(&wait)?.due,
        };
        Leaf {
            activity: activity.id,
            element: activity.element,
            since: activity.since,
            until: self.waits_of(activity.id).filter_map(due).min(),
            state: self.leaf_state(definition, activity, joins),
        }
    }

    fn leaf_state(&self, definition: &ProcessDefinition, activity: &Activity, joins: &mut Missing) -> LeafState {
        if self.suspended {
            return LeafState::Suspended;
        }
        if let Phase::Joining { .. } = activity.phase {
            let key = (activity.scope(), activity.element);
            if let Some(&incident) = self.index.join_incidents.get(&key) {
                return LeafState::Incident { incident };
            }
            let missing = joins.entry(key.0).or_insert_with(|| missing(definition, self, key.0));
            return LeafState::Join { missing: missing[&key.1].clone() };
        }
        if let Phase::Enabled { chosen } = activity.phase {
            return LeafState::Enabled { chosen };
        }
        if let Phase::Gathering { .. } = activity.phase {
            return match self.index.join_incidents.get(&(activity.scope(), activity.element)) {
                Some(&incident) => LeafState::Incident { incident },
                None => LeafState::Join { missing: definition.element(activity.element).incoming.clone() },
            };
        }
        // A boundary event is not what the activity itself waits for: those have elements of their own.
        let own = self.waits_of(activity.id).find_map(|wait| self.wait_state(activity, wait));
        let is_gateway = matches!(definition.element(activity.element).kind, ElementKind::EventBasedGateway);
        own.or_else(|| self.first_event(activity).filter(|_| is_gateway)).unwrap_or(LeafState::Running)
    }

    /// The events of which the first takes an activity further; the incident, if all that is left to wait for has one.
    fn first_event(&self, activity: &Activity) -> Option<LeafState> {
        let element = |wait| match self.jobs.get(&wait) {
            Some(job) => Some(job.element),
            None => self.subscriptions.get(&wait).map(|subscription| subscription.element),
        };
        let incident = |wait| self.index.wait_incidents.get(&wait).copied();
        let events: Vec<_> = self.waits_of(activity.id).filter(|wait| incident(*wait).is_none()).filter_map(element).collect();
        if events.is_empty() {
            return self.waits_of(activity.id).find_map(incident).map(|incident| LeafState::Incident { incident });
        }
        Some(LeafState::Events { events })
    }

    fn wait_state(&self, activity: &Activity, wait: WaitId) -> Option<LeafState> {
        if let Some(task) = self.tasks.get(&wait) {
            return Some(LeafState::Task { wait, assignee: task.assignee.clone() });
        }
        if let Some(subscription) = self.subscriptions.get(&wait).filter(|subscription| subscription.element == activity.element) {
            let name = subscription.name.clone();
            return Some(match subscription.kind {
                SubscriptionKind::Message => LeafState::Message { wait, name, correlation_key: subscription.correlation_key.clone() },
                SubscriptionKind::Signal => LeafState::Signal { wait, name },
                SubscriptionKind::Condition => LeafState::Condition { wait },
            });
        }
        if let Some(task) = self.external_tasks.get(&wait) {
            return Some(match self.index.wait_incidents.get(&wait) {
                Some(&incident) => LeafState::Incident { incident },
                None => LeafState::ExternalTask { wait, topic: task.topic.clone(), retries: task.retries },
            });
        }
        // What it has heard and not acted upon yet is a job's.
        if let Some(call) = self.calls.get(&wait) {
            let waits = !call.over && call.deferred.is_empty();
            return waits.then(|| LeafState::Called { wait, instance: InstanceId::called(self.id, wait), process: call.process.clone() });
        }
        // What a timer of its own tells a listener of a task takes nothing further.
        let is_own = |job: &&Arc<Job>| job.element == activity.element && !matches!(job.kind, JobKind::Timeout { .. });
        let job = self.jobs.get(&wait).filter(is_own)?;
        Some(match self.index.wait_incidents.get(&wait) {
            Some(&incident) => LeafState::Incident { incident },
            None if job.suspended => LeafState::Suspended,
            None if job.kind == JobKind::Timer && job.failures == 0 => LeafState::Timer { wait, due: job.due },
            None => LeafState::Job { wait, attempt: job.failures.saturating_add(1), retries: job.retries, due: job.due },
        })
    }

    fn waits_of(&self, activity: ActivityId) -> impl Iterator<Item = WaitId> {
        self.index.waits.get(&activity).into_iter().flatten().copied()
    }
}
