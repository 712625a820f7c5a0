//! Waits and the rows that show them.

use std::sync::Arc;

use crate::call::Ending;
use crate::effect::{Effect, ExternalTask, Job, JobKind, Subscription, SubscriptionKind, Task};
use crate::elements::{Alarm, WaitFor};
use crate::ids::{ActivityId, WaitId};
use crate::input::Failure;
use crate::multi_instance::Continuation;
use crate::retry;
use crate::step::Machine;
use crate::variable::Variables;

use mandate_model::{ElementIndex, RetryCycle};

/// An event that is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Awaited {
    pub(crate) kind: SubscriptionKind,
    pub(crate) name: String,
    pub(crate) correlation_key: Option<String>,
}

impl Awaited {
    /// The message of this name; with a key the one that is sent under it.
    pub(crate) fn message(name: String, correlation_key: Option<String>) -> Self {
        Self { kind: SubscriptionKind::Message, name, correlation_key }
    }

    /// The signal of this name.
    pub(crate) fn signal(name: String) -> Self {
        Self { kind: SubscriptionKind::Signal, name, correlation_key: None }
    }

    /// A condition, which is in the model.
    pub(crate) fn condition() -> Self {
        Self { kind: SubscriptionKind::Condition, name: String::new(), correlation_key: None }
    }

    /// The nth condition of an event that waits for all of several, from 0.
    pub(crate) fn nth_condition(nth: usize) -> Self {
        Self { name: nth.to_string(), ..Self::condition() }
    }

    pub(crate) fn is_condition(&self) -> bool {
        self.kind == SubscriptionKind::Condition
    }

    /// What a subscription waits for, once more.
    pub(crate) fn again(subscription: &Subscription) -> Self {
        let Subscription { kind, name, correlation_key, .. } = subscription;
        Self { kind: *kind, name: name.clone(), correlation_key: correlation_key.clone() }
    }
}

impl Machine<'_> {
    /// Opens the wait that an element asked for: the activity's own, or an event's for which the activity waits.
    pub(crate) fn wait(&mut self, activity: ActivityId, element: ElementIndex, wait: WaitFor) -> Result<(), Failure> {
        let since = self.now;
        match wait {
            WaitFor::Timer(alarm) => self.put_timer(activity, element, alarm)?,
            WaitFor::Event(awaited) => self.put_subscription(activity, element, awaited),
            WaitFor::Called(asked) => self.call_process(activity, element, *asked),
            WaitFor::ExternalTask { topic, priority } => {
                let wait = self.new_wait(activity);
                let task = ExternalTask { wait, activity, element, topic, priority, retries: None, failures: 0, failure: None, since };
                self.instance.external_tasks.insert(wait, Arc::new(task.clone()));
                self.effects.push(Effect::PutExternalTask(task));
            }
            WaitFor::Task { assignee, candidate_users, candidate_groups, due, follow_up, form_key, name, description, priority } => {
                let wait = self.new_wait(activity);
                let task = Task {
                    wait,
                    activity,
                    element,
                    assignee,
                    candidate_users,
                    candidate_groups,
                    due,
                    follow_up,
                    form_key,
                    priority,
                    since,
                    updated: None,
                    owner: None,
                    delegation: None,
                    name,
                    description,
                    reports: 0,
                    variables: Variables::new(),
                };
                self.instance.tasks.insert(wait, Arc::new(task.clone()));
                self.effects.push(Effect::PutTask(task));
            }
        }
        Ok(())
    }

    /// A new subscription of an activity.
    pub(crate) fn put_subscription(&mut self, activity: ActivityId, element: ElementIndex, awaited: Awaited) {
        let wait = self.new_wait(activity);
        let Awaited { kind, name, correlation_key } = awaited;
        let subscription = Subscription { wait, activity, element, kind, name, correlation_key, since: self.now };
        self.instance.index.add_subscription(&subscription);
        self.instance.subscriptions.insert(wait, Arc::new(subscription.clone()));
        self.effects.push(Effect::PutSubscription(subscription));
    }

    /// A new job of an activity, with all its attempts before it.
    pub(crate) fn put_job(&mut self, activity: ActivityId, element: ElementIndex, kind: JobKind, due: i64) -> Result<(), Failure> {
        let priority = self.priority(activity, element)?;
        self.put_new_job(activity, element, kind, Alarm { due, cycle: None }, priority);
        Ok(())
    }

    /// A timer of an event.
    pub(crate) fn put_timer(&mut self, activity: ActivityId, event: ElementIndex, alarm: Alarm) -> Result<(), Failure> {
        let priority = self.priority(activity, event)?;
        self.put_new_job(activity, event, JobKind::Timer, alarm, priority);
        Ok(())
    }

    /// The same with a priority that is known.
    pub(crate) fn put_new_job(&mut self, activity: ActivityId, element: ElementIndex, kind: JobKind, alarm: Alarm, priority: i64) {
        let wait = self.new_wait(activity);
        let continuation = Continuation::of(self.definition, self.instance.at(activity), element);
        let deferred = match kind {
            JobKind::Start | JobKind::Return => true,
            JobKind::AsyncBefore => !continuation.async_before,
            JobKind::AsyncAfter | JobKind::Timer | JobKind::Timeout { .. } => false,
        };
        let job = Job {
            wait,
            activity,
            element,
            kind,
            due: alarm.due,
            first_due: None,
            user: self.moment.user.filter(|_| deferred).map(str::to_owned),
            retries: retry::attempts(continuation.retries.and_then(RetryCycle::fixed)),
            failures: 0,
            exclusive: continuation.exclusive,
            priority,
            suspended: false,
            since: self.now,
            failure: None,
            failed: None,
            cycle: alarm.cycle,
        };
        self.instance.set_job(job.clone());
        self.effects.push(Effect::PutJob(job));
    }

    /// Ends one wait. An incident that it has still is deleted: whoever goes on with what had failed has
    /// [resolved](Self::resolve_incident_of) it before.
    pub(crate) fn remove_wait(&mut self, activity: ActivityId, wait: WaitId) {
        self.instance.index.remove_wait(activity, wait);
        if self.instance.take_job(wait).is_some() {
            self.delete_incident_of(wait);
            self.effects.push(Effect::RemoveJob(wait));
        } else if self.instance.external_tasks.remove(&wait).is_some() {
            self.delete_incident_of(wait);
            self.effects.push(Effect::RemoveExternalTask(wait));
        } else if let Some(task) = self.instance.tasks.remove(&wait) {
            for (name, value) in &task.variables {
                self.instance.index.exchange_bytes(name, Some(value), None);
            }
            self.effects.push(Effect::RemoveTask(wait));
        } else if let Some(call) = self.instance.calls.remove(&wait) {
            if !call.over {
                self.effects
                    .push(Effect::EndCalled { wait, ending: Ending { skip_listeners: self.unit.skip_listeners, ..self.ending.clone() } });
            }
        } else if self.instance.subscriptions.remove(&wait).is_some() {
            self.effects.push(Effect::RemoveSubscription(wait));
        }
    }

    /// Ends all waits of an activity.
    pub(crate) fn remove_waits(&mut self, activity: ActivityId) {
        let waits: Vec<_> = self.instance.index.waits.get(&activity).into_iter().flatten().copied().collect();
        for wait in waits {
            self.remove_wait(activity, wait);
        }
    }

    pub(crate) fn new_wait(&mut self, activity: ActivityId) -> WaitId {
        let wait = WaitId(self.instance.number());
        self.instance.index.add_wait(activity, wait);
        wait
    }
}
