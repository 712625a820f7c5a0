//! What follows from an instance's state and is kept beside it, so that no step looks through everything.

use std::cmp::Reverse;

use imbl::{OrdMap, OrdSet};
use mandate_model::{ElementIndex, FlowIndex};

use crate::effect::{Incident, Job, Subscription, SubscriptionKind};
use crate::ids::{ActivityId, IncidentId, WaitId};
use crate::instance::{Activity, Phase, is_large, size};
use crate::join::Place;
use crate::variable::Variable;

/// What follows from the rest of the state: kept beside it so that no step looks through everything, never stored.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Index {
    pub children: OrdMap<ActivityId, OrdSet<ActivityId>>,
    /// What is remembered of activities that have completed in a scope: no children, for a scope is empty without them.
    pub records: OrdMap<ActivityId, OrdSet<ActivityId>>,
    /// How many of them stand at each place from which one may still come to a join.
    pub places: OrdMap<(ActivityId, Place), usize>,
    /// Jobs, tasks, external tasks and subscriptions of each activity.
    pub waits: OrdMap<ActivityId, OrdSet<WaitId>>,
    /// Tokens at joins, by scope instance and gateway, then by flow.
    pub joins: OrdMap<(ActivityId, ElementIndex), Arrivals>,
    /// How many tokens stand at each of them.
    pub standing: OrdMap<(ActivityId, ElementIndex), usize>,
    /// Flows by which tokens have gone through a complex gateway that is not reset yet, by scope instance and gateway.
    pub spent: OrdMap<(ActivityId, ElementIndex), Arrivals>,
    /// Activities that wait for more tokens to begin, by scope instance and element.
    pub gathering: OrdMap<(ActivityId, ElementIndex), ActivityId>,
    /// What may begin in an ad-hoc sub-process: what was chosen, and what was not.
    pub enabled: OrdMap<(ActivityId, bool), OrdSet<ActivityId>>,
    /// Exclusive jobs: those first that have attempts left and are not suspended, then by due date, by priority, and the oldest first.
    pub exclusive_jobs: OrdSet<ExclusiveJob>,
    /// Waits of conditional events.
    pub conditions: OrdSet<WaitId>,
    pub wait_incidents: OrdMap<WaitId, IncidentId>,
    pub join_incidents: OrdMap<(ActivityId, ElementIndex), IncidentId>,
    /// Activities that are stored in the snapshot itself.
    pub inline: OrdSet<ActivityId>,
    /// How many variables are stored apart from the snapshot.
    pub large_variables: usize,
    /// The sum of all variables' names and texts.
    pub bytes: usize,
}

/// An exclusive job in the order of its instance: without attempts left or suspended, due, the higher priority first, and its wait.
pub(crate) type ExclusiveJob = (bool, i64, Reverse<i64>, WaitId);

/// Who came by which flow.
pub(crate) type Arrivals = OrdMap<FlowIndex, OrdSet<ActivityId>>;

impl Index {
    pub(crate) fn add_activity(&mut self, activity: &Activity) {
        if let Some(parent) = activity.parent {
            self.inside(activity).entry(parent).or_default().insert(activity.id);
        }
        if !activity.apart {
            self.inline.insert(activity.id);
        }
        for (name, value) in &activity.variables {
            self.add_variable(name, value);
        }
        self.enter_place(activity);
    }

    pub(crate) fn remove_activity(&mut self, activity: &Activity) {
        self.leave_place(activity);
        self.inline.remove(&activity.id);
        for (name, value) in &activity.variables {
            self.remove_variable(name, value);
        }
        if let Some(parent) = activity.parent {
            forget(self.inside(activity), parent, activity.id);
        }
    }

    /// Where it is filed under its parent.
    fn inside(&mut self, activity: &Activity) -> &mut OrdMap<ActivityId, OrdSet<ActivityId>> {
        if activity.role.is_record() { &mut self.records } else { &mut self.children }
    }

    pub(crate) fn add_variable(&mut self, name: &str, value: &Variable) {
        self.bytes += size(name, value);
        self.large_variables += usize::from(is_large(name, value));
    }

    pub(crate) fn remove_variable(&mut self, name: &str, value: &Variable) {
        self.bytes -= size(name, value);
        self.large_variables -= usize::from(is_large(name, value));
    }

    /// A variable that is no part of its own has another value, or is there or no more.
    pub(crate) fn exchange_bytes(&mut self, name: &str, before: Option<&Variable>, now: Option<&Variable>) {
        let bytes = |value: Option<&Variable>| value.map_or(0, |value| size(name, value));
        self.bytes = self.bytes + bytes(now) - bytes(before);
    }

    pub(crate) fn enter_place(&mut self, activity: &Activity) {
        let Some(scope) = activity.parent else { return };
        if let Phase::Enabled { chosen } = activity.phase {
            self.enabled.entry((scope, chosen)).or_default().insert(activity.id);
        }
        if let Phase::Joining { by } = activity.phase {
            self.joins.entry((scope, activity.element)).or_default().entry(by).or_default().insert(activity.id);
            *self.standing.entry((scope, activity.element)).or_default() += 1;
        } else if let Phase::Spent { by } = activity.phase {
            self.spent.entry((scope, activity.element)).or_default().entry(by).or_default().insert(activity.id);
        } else if let Phase::Gathering { .. } = activity.phase {
            self.gathering.insert((scope, activity.element), activity.id);
        } else if let Some(place) = Place::of(activity) {
            *self.places.entry((scope, place)).or_default() += 1;
        }
    }

    pub(crate) fn leave_place(&mut self, activity: &Activity) {
        let Some(scope) = activity.parent else { return };
        if let Phase::Enabled { chosen } = activity.phase {
            forget(&mut self.enabled, (scope, chosen), activity.id);
        }
        if let Phase::Joining { by } = activity.phase {
            leave_flow(&mut self.joins, (scope, activity.element), by, activity.id);
            count_down(&mut self.standing, (scope, activity.element));
        } else if let Phase::Spent { by } = activity.phase {
            leave_flow(&mut self.spent, (scope, activity.element), by, activity.id);
        } else if let Phase::Gathering { .. } = activity.phase {
            self.gathering.remove(&(scope, activity.element));
        } else if let Some(place) = Place::of(activity) {
            count_down(&mut self.places, (scope, place));
        }
    }

    pub(crate) fn add_job(&mut self, job: &Job) {
        if job.exclusive {
            self.exclusive_jobs.insert(place(job));
        }
    }

    pub(crate) fn remove_job(&mut self, job: &Job) {
        self.exclusive_jobs.remove(&place(job));
    }

    pub(crate) fn add_wait(&mut self, activity: ActivityId, wait: WaitId) {
        self.waits.entry(activity).or_default().insert(wait);
    }

    pub(crate) fn remove_wait(&mut self, activity: ActivityId, wait: WaitId) {
        forget(&mut self.waits, activity, wait);
        self.conditions.remove(&wait);
    }

    pub(crate) fn add_subscription(&mut self, subscription: &Subscription) {
        if subscription.kind == SubscriptionKind::Condition {
            self.conditions.insert(subscription.wait);
        }
    }

    /// Files an incident under its wait or its join; `scope` is the scope around the incident's activity, which only the root does not
    /// have.
    pub(crate) fn add_incident(&mut self, incident: &Incident, scope: Option<ActivityId>) {
        match (incident.wait, scope) {
            (Some(wait), _) => self.wait_incidents.insert(wait, incident.id),
            (None, Some(scope)) => self.join_incidents.insert((scope, incident.element), incident.id),
            (None, None) => unreachable!("the root stands at no join"),
        };
    }
}

fn place(job: &Job) -> ExclusiveJob {
    (job.retries == 0 || job.suspended, job.due, Reverse(job.priority), job.wait)
}

/// Counts one less, and nothing any more when it was the last.
fn count_down<K: Ord + Clone>(counts: &mut OrdMap<K, usize>, key: K) {
    if let Some(count) = counts.get_mut(&key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&key);
        }
    }
}

/// Takes a token from where those stand that came by a flow.
fn leave_flow(
    gateways: &mut OrdMap<(ActivityId, ElementIndex), Arrivals>,
    key: (ActivityId, ElementIndex),
    by: FlowIndex,
    token: ActivityId,
) {
    if let Some(arrivals) = gateways.get_mut(&key) {
        forget(arrivals, by, token);
        if arrivals.is_empty() {
            gateways.remove(&key);
        }
    }
}

/// Takes a member out of a set in a map of sets, and the set when it was the last.
fn forget<K: Ord + Clone, V: Ord + Clone>(map: &mut OrdMap<K, OrdSet<V>>, key: K, member: V) {
    if let Some(set) = map.get_mut(&key) {
        set.remove(&member);
        if set.is_empty() {
            map.remove(&key);
        }
    }
}
