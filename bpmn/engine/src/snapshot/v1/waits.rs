//! What waits for an activity, and what has stopped it.

use mandate_model::ElementIndex;
use serde::{Deserialize, Serialize};

use super::variables::{self, Variable};
use crate::Code;
use crate::effect;
use crate::ids::{ActivityId, IncidentId, WaitId};
use crate::snapshot::SnapshotError;

#[derive(Serialize, Deserialize)]
pub(super) struct Job {
    pub(super) wait: u64,
    activity: u64,
    element: u32,
    kind: u8,
    /// Of a timeout.
    listener: u32,
    /// So long after `since`: as a rule at once.
    after: i64,
    first_due: Option<i64>,
    user: Option<String>,
    retries: u32,
    failures: u32,
    exclusive: bool,
    since: i64,
    failure: Option<String>,
    cycle: Option<String>,
    priority: i64,
    suspended: bool,
    failed: Option<u32>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Task {
    pub(super) wait: u64,
    activity: u64,
    element: u32,
    assignee: Option<String>,
    candidate_users: Vec<String>,
    candidate_groups: Vec<String>,
    due: Option<i64>,
    follow_up: Option<i64>,
    form_key: Option<String>,
    priority: i64,
    since: i64,
    updated: Option<i64>,
    owner: Option<String>,
    /// 1 pending, 2 resolved.
    delegation: u8,
    name: Option<String>,
    description: Option<String>,
    reports: u32,
    variables: Vec<Variable>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct ExternalTask {
    pub(super) wait: u64,
    activity: u64,
    element: u32,
    topic: String,
    priority: i64,
    retries: Option<u32>,
    failures: u32,
    failure: Option<String>,
    since: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Subscription {
    pub(super) wait: u64,
    activity: u64,
    element: u32,
    kind: u8,
    name: String,
    correlation_key: Option<String>,
    since: i64,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Incident {
    pub(super) id: u64,
    wait: Option<u64>,
    activity: u64,
    element: u32,
    code: u32,
    message: String,
    attempt: u32,
    since: i64,
    failed: Option<u32>,
}

impl From<&effect::Job> for Job {
    fn from(it: &effect::Job) -> Self {
        Self {
            wait: it.wait.0,
            activity: it.activity.0,
            element: it.element.0,
            kind: match it.kind {
                effect::JobKind::Start => 0,
                effect::JobKind::AsyncBefore => 1,
                effect::JobKind::AsyncAfter => 2,
                effect::JobKind::Timer => 3,
                effect::JobKind::Return => 4,
                effect::JobKind::Timeout { .. } => 5,
            },
            listener: if let effect::JobKind::Timeout { listener } = it.kind { listener } else { 0 },
            after: it.due.wrapping_sub(it.since),
            first_due: it.first_due,
            user: it.user.clone(),
            retries: it.retries,
            failures: it.failures,
            exclusive: it.exclusive,
            since: it.since,
            failure: it.failure.clone(),
            cycle: it.cycle.clone(),
            priority: it.priority,
            suspended: it.suspended,
            failed: it.failed.map(|element| element.0),
        }
    }
}

impl Job {
    pub(super) fn into_job(self) -> Result<effect::Job, SnapshotError> {
        Ok(effect::Job {
            wait: WaitId(self.wait),
            activity: ActivityId(self.activity),
            element: ElementIndex(self.element),
            kind: match self.kind {
                0 => effect::JobKind::Start,
                1 => effect::JobKind::AsyncBefore,
                2 => effect::JobKind::AsyncAfter,
                3 => effect::JobKind::Timer,
                4 => effect::JobKind::Return,
                5 => effect::JobKind::Timeout { listener: self.listener },
                _ => return Err(SnapshotError::Inconsistent("a job's kind is unknown")),
            },
            due: self.since.wrapping_add(self.after),
            first_due: self.first_due,
            user: self.user,
            retries: self.retries,
            failures: self.failures,
            exclusive: self.exclusive,
            since: self.since,
            failure: self.failure,
            cycle: self.cycle,
            priority: self.priority,
            suspended: self.suspended,
            failed: self.failed.map(ElementIndex),
        })
    }
}

impl From<&effect::Task> for Task {
    fn from(it: &effect::Task) -> Self {
        Self {
            wait: it.wait.0,
            activity: it.activity.0,
            element: it.element.0,
            assignee: it.assignee.clone(),
            candidate_users: it.candidate_users.clone(),
            candidate_groups: it.candidate_groups.clone(),
            due: it.due,
            follow_up: it.follow_up,
            form_key: it.form_key.clone(),
            priority: it.priority,
            since: it.since,
            updated: it.updated,
            owner: it.owner.clone(),
            delegation: match it.delegation {
                None => 0,
                Some(effect::Delegation::Pending) => 1,
                Some(effect::Delegation::Resolved) => 2,
            },
            name: it.name.clone(),
            description: it.description.clone(),
            reports: it.reports,
            variables: variables::write(&it.variables),
        }
    }
}

impl Task {
    pub(super) fn into_task(self) -> Result<effect::Task, SnapshotError> {
        Ok(effect::Task {
            wait: WaitId(self.wait),
            activity: ActivityId(self.activity),
            element: ElementIndex(self.element),
            assignee: self.assignee,
            candidate_users: self.candidate_users,
            candidate_groups: self.candidate_groups,
            due: self.due,
            follow_up: self.follow_up,
            form_key: self.form_key,
            priority: self.priority,
            since: self.since,
            updated: self.updated,
            owner: self.owner,
            delegation: match self.delegation {
                0 => None,
                1 => Some(effect::Delegation::Pending),
                2 => Some(effect::Delegation::Resolved),
                _ => return Err(SnapshotError::Inconsistent("a task's delegation is unknown")),
            },
            name: self.name,
            description: self.description,
            reports: self.reports,
            variables: variables::read(self.variables)?,
        })
    }
}

impl From<&effect::ExternalTask> for ExternalTask {
    fn from(it: &effect::ExternalTask) -> Self {
        Self {
            wait: it.wait.0,
            activity: it.activity.0,
            element: it.element.0,
            topic: it.topic.clone(),
            priority: it.priority,
            retries: it.retries,
            failures: it.failures,
            failure: it.failure.clone(),
            since: it.since,
        }
    }
}

impl ExternalTask {
    pub(super) fn into_external_task(self) -> effect::ExternalTask {
        effect::ExternalTask {
            wait: WaitId(self.wait),
            activity: ActivityId(self.activity),
            element: ElementIndex(self.element),
            topic: self.topic,
            priority: self.priority,
            retries: self.retries,
            failures: self.failures,
            failure: self.failure,
            since: self.since,
        }
    }
}

impl From<&effect::Subscription> for Subscription {
    fn from(it: &effect::Subscription) -> Self {
        Self {
            wait: it.wait.0,
            activity: it.activity.0,
            element: it.element.0,
            kind: event_number(it.kind),
            name: it.name.clone(),
            correlation_key: it.correlation_key.clone(),
            since: it.since,
        }
    }
}

impl Subscription {
    pub(super) fn into_subscription(self) -> Result<effect::Subscription, SnapshotError> {
        Ok(effect::Subscription {
            wait: WaitId(self.wait),
            activity: ActivityId(self.activity),
            element: ElementIndex(self.element),
            kind: event_of(self.kind)?,
            name: self.name,
            correlation_key: self.correlation_key,
            since: self.since,
        })
    }
}

pub(super) fn event_number(kind: effect::SubscriptionKind) -> u8 {
    match kind {
        effect::SubscriptionKind::Message => 0,
        effect::SubscriptionKind::Signal => 1,
        effect::SubscriptionKind::Condition => 2,
    }
}

pub(super) fn event_of(number: u8) -> Result<effect::SubscriptionKind, SnapshotError> {
    Ok(match number {
        0 => effect::SubscriptionKind::Message,
        1 => effect::SubscriptionKind::Signal,
        2 => effect::SubscriptionKind::Condition,
        _ => return Err(SnapshotError::Inconsistent("a subscription's kind is unknown")),
    })
}

impl From<&effect::Incident> for Incident {
    fn from(it: &effect::Incident) -> Self {
        let place = Code::ALL.iter().position(|code| *code == it.code).expect("every code is in the list of all codes");
        Self {
            id: it.id.0,
            wait: it.wait.map(|wait| wait.0),
            activity: it.activity.0,
            element: it.element.0,
            code: u32::try_from(place).expect("there are fewer codes than that"),
            message: it.message.clone(),
            attempt: it.attempt,
            since: it.since,
            failed: it.failed.map(|element| element.0),
        }
    }
}

impl Incident {
    pub(super) fn into_incident(self) -> Result<effect::Incident, SnapshotError> {
        Ok(effect::Incident {
            id: IncidentId(self.id),
            wait: self.wait.map(WaitId),
            activity: ActivityId(self.activity),
            element: ElementIndex(self.element),
            code: *Code::ALL.get(self.code as usize).ok_or(SnapshotError::Inconsistent("an incident's code is unknown"))?,
            message: self.message,
            attempt: self.attempt,
            since: self.since,
            failed: self.failed.map(ElementIndex),
        })
    }
}
