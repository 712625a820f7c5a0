//! A unit of work on its way to the store: effects folded into rows.
//!
//! What a unit creates and removes again never reaches the store, but for what history tells of it; of what it changes twice only the last
//! state does.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mandate_engine::{
    Effect, ExternalTask, Incident, IncidentId, Input, Instance, Job, Rejection, Subscription, SubscriptionKind, Task, WaitId,
};
use mandate_store::{HistoryRow, JobDefinitionRow};

use crate::cache::Base;
use crate::definitions::Definition;
use crate::job_definitions::{Known, kind_of};

pub use rows::{BODY_TYPE, activity_id};
pub(crate) use rows::{
    body_id, element_rows, external_task_row, incident_row, job_definition_id, job_row, public, subscription_row, task_row, task_texts,
};
use rows::{history_row, is_behind, message_row, signal_row};
pub(crate) use write::Writing;

mod rows;
mod write;

/// An instance's next exclusive job: of those that have attempts left and are not suspended the one that is due first, of these the one of
/// the highest priority, and of these the oldest. All others are *behind* it: no claim finds them, however many they are, until a unit of
/// work makes one of them the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Next {
    pub(crate) due: i64,
    pub(crate) wait: WaitId,
}

impl Next {
    pub(crate) fn of(instance: &Instance) -> Option<Self> {
        let first = instance.exclusive_jobs().next().filter(|job| job.retries > 0 && !job.suspended)?;
        Some(Self { due: first.due, wait: first.wait })
    }
}

/// What a unit makes of an incident.
#[derive(Debug)]
enum IncidentNow {
    Open(Incident),
    Over { deleted: bool },
}

/// Rows of one instance, as far as its unit of work has come.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// The next exclusive job as it was before the unit.
    before: Option<Next>,
    /// And as it is after it.
    next: Option<Next>,
    /// An operator changes jobs that are there: somebody may be running them.
    revises: bool,
    jobs: BTreeMap<WaitId, Option<Job>>,
    tasks: BTreeMap<WaitId, Option<Task>>,
    external_tasks: BTreeMap<WaitId, Option<ExternalTask>>,
    subscriptions: BTreeMap<WaitId, Option<Subscription>>,
    incidents: BTreeMap<IncidentId, IncidentNow>,
    /// Tasks that were put and are gone, as they were last.
    past_tasks: BTreeMap<WaitId, Task>,
    /// Incidents that were raised and are over, as they were last.
    past_incidents: BTreeMap<IncidentId, Incident>,
    signals: Vec<mandate_engine::Signal>,
    messages: Vec<mandate_engine::Message>,
    history: Vec<HistoryRow>,
    suspended: Option<bool>,
    ended: bool,
    /// Jobs that ran within it and are none of its own, with how long they ran.
    along: Vec<(WaitId, Duration)>,
    /// It has made jobs, or runs one, by what is known of their definitions since so many changes.
    known: Option<i64>,
}

impl Rows {
    /// Nothing yet, of an instance that is about to take this input.
    pub(crate) fn before(instance: &Instance, input: &Input) -> Self {
        Self { before: Next::of(instance), revises: input.revises_jobs(), ..Self::default() }
    }

    /// What operators have said of job definitions holds of the jobs that the unit makes.
    pub(crate) fn adjust_jobs(&mut self, base: &Base, instance: &mut Instance, known: &Known) {
        let said = known.of(&base.definition.row.id);
        for (wait, job) in &mut self.jobs {
            let Some(job) = job.as_mut().filter(|_| !is_old(base, *wait)) else { continue };
            // One that the unit has made and run by what was known before counts, too.
            self.known = Some(self.known.map_or(known.seen, |seen| seen.min(known.seen)));
            let is_it = |it: &&JobDefinitionRow| {
                Some(it.name.kind.as_str()) == kind_of(job.kind)
                    && it.name.activity_id == activity_id(&base.definition, instance, job.activity, job.element)
            };
            if let Some(said) = said.iter().find(is_it) {
                *job = instance.adjust_job(*wait, said.suspended, said.priority);
            }
        }
    }

    /// Where the unit runs a job: nobody does whose definition is suspended, as far as is known when it is stored.
    pub(crate) fn runs_by(&mut self, known: &Known, base: &Base, input: Option<&Input>) -> Result<(), Rejection> {
        let Some(Input::RunJob { wait }) = input else { return Ok(()) };
        if known.is_suspended(&base.definition.row.id) {
            return Err(Rejection::JobSuspended { wait: *wait });
        }
        self.known = Some(self.known.map_or(known.seen, |seen| seen.min(known.seen)));
        Ok(())
    }

    /// How long each of the jobs ran that it took along.
    pub(crate) fn along(&self) -> Vec<Duration> {
        self.along.iter().map(|(_, took)| *took).collect()
    }

    /// Takes in what a job has done that ran behind it.
    pub(crate) fn take_along(&mut self, wait: WaitId, later: Self, took: Duration) {
        self.along.push((wait, took));
        self.jobs.extend(later.jobs);
        for (wait, task) in later.tasks {
            match task {
                Some(task) => put(&mut self.tasks, wait, task),
                None => self.remove_task(wait),
            }
        }
        self.past_tasks.extend(later.past_tasks);
        self.external_tasks.extend(later.external_tasks);
        self.subscriptions.extend(later.subscriptions);
        for (id, incident) in later.incidents {
            match incident {
                IncidentNow::Open(_) => _ = self.incidents.insert(id, incident),
                IncidentNow::Over { .. } => self.end_incident(id, incident),
            }
        }
        self.past_incidents.extend(later.past_incidents);
        self.signals.extend(later.signals);
        self.messages.extend(later.messages);
        self.history.extend(later.history);
        self.suspended = later.suspended.or(self.suspended);
        self.ended |= later.ended;
    }

    /// Nothing more will happen in this unit.
    pub(crate) fn settle(&mut self, instance: &Instance) {
        self.next = Next::of(instance);
    }

    /// The next exclusive job after the unit.
    pub(crate) fn next(&self) -> Option<Next> {
        self.next
    }

    /// The next exclusive job after the unit, if it is one that the unit has made, changed, or made the next.
    pub(crate) fn new_next(&self) -> Option<Next> {
        let is_old = |next: &Next| self.before.is_some_and(|before| before.wait == next.wait) && !self.jobs.contains_key(&next.wait);
        self.next.filter(|next| !is_old(next))
    }

    /// Takes one effect in. Calls are not rows: the caller has performed them.
    pub(crate) fn apply(&mut self, definition: &Definition, effect: Effect, now: i64) {
        match effect {
            Effect::CallDelegate(_) | Effect::CallProcess(_) | Effect::EndCalled { .. } | Effect::TellCaller { .. } => {}
            Effect::PutJob(job) => put(&mut self.jobs, job.wait, job),
            Effect::RemoveJob(wait) => remove(&mut self.jobs, wait),
            Effect::PutTask(task) => put(&mut self.tasks, task.wait, task),
            Effect::RemoveTask(wait) => self.remove_task(wait),
            Effect::PutExternalTask(task) => put(&mut self.external_tasks, task.wait, task),
            Effect::RemoveExternalTask(wait) => remove(&mut self.external_tasks, wait),
            Effect::PutSubscription(subscription) => put(&mut self.subscriptions, subscription.wait, subscription),
            Effect::ThrowSignal(signal) => self.signals.push(signal),
            Effect::SendMessage(message) => self.messages.push(message),
            Effect::RemoveSubscription(wait) => remove(&mut self.subscriptions, wait),
            Effect::RaiseIncident(incident) => _ = self.incidents.insert(incident.id, IncidentNow::Open(incident)),
            Effect::ResolveIncident(id) => self.end_incident(id, IncidentNow::Over { deleted: false }),
            Effect::DeleteIncident(id) => self.end_incident(id, IncidentNow::Over { deleted: true }),
            Effect::SetSuspended(suspended) => self.suspended = Some(suspended),
            Effect::Record(event) => self.history.push(history_row(definition, event, now)),
            Effect::End => self.ended = true,
        }
    }

    fn remove_task(&mut self, wait: WaitId) {
        if let Some(Some(task)) = self.tasks.insert(wait, None) {
            self.past_tasks.insert(wait, task);
        }
    }

    fn end_incident(&mut self, id: IncidentId, over: IncidentNow) {
        if let Some(IncidentNow::Open(incident)) = self.incidents.insert(id, over) {
            self.past_incidents.insert(id, incident);
        }
    }

    /// Records that its element's delegate did an activity.
    pub(crate) fn record_delegate(&mut self, activity: i64, attempt: u32) {
        self.history.push(HistoryRow::Delegate { n: activity, attempt: i64::from(attempt) });
    }

    /// Whether it throws a signal or sends a message.
    pub(crate) fn throws(&self) -> bool {
        !(self.signals.is_empty() && self.messages.is_empty())
    }

    /// Messages that this instance waits for since this unit, with what tells each wait from others. If it has been suspended until now,
    /// all.
    pub(crate) fn awaited_messages(&self, instance: &Instance) -> BTreeSet<crate::message_flows::Keyed> {
        let goes_on = self.suspended == Some(false);
        let waits = self.subscriptions.values().flatten().chain(instance.subscriptions().filter(|_| goes_on));
        let messages = waits.filter(|it| it.kind == SubscriptionKind::Message && !it.name.is_empty());
        messages.map(|it| (it.name.clone(), it.correlation_key.clone())).collect()
    }

    /// Jobs that can run beside others as soon as they are stored, in order.
    pub(crate) fn runnable(&self, now: i64) -> impl Iterator<Item = WaitId> {
        self.jobs
            .values()
            .flatten()
            .filter(move |job| !job.exclusive && job.due <= now && job.retries > 0 && !job.suspended)
            .map(|job| job.wait)
    }

    /// The earliest moment at which a job of the unit can be claimed later.
    pub(crate) fn next_due(&self, now: i64) -> Option<i64> {
        let beside = self.jobs.values().flatten().filter(|job| !job.exclusive && job.retries > 0 && !job.suspended).map(|job| job.due);
        beside.chain(self.new_next().map(|next| next.due)).filter(|due| *due > now).min()
    }

    /// Incidents that this unit raises, and those that were open and that something else is said of.
    fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values().filter_map(|incident| match incident {
            IncidentNow::Open(incident) => Some(incident),
            IncidentNow::Over { .. } => None,
        })
    }

    /// All incidents of which something is written that explains them.
    pub(crate) fn explained(&self) -> impl Iterator<Item = &Incident> {
        self.incidents().chain(self.past_incidents.values())
    }

    /// How many incidents there are after the unit that were not there before.
    pub(crate) fn incidents_raised(&self, base: &Base) -> usize {
        let was_open = |id| base.stored().is_some_and(|stored| stored.incidents().any(|open| open.id == id));
        self.incidents().filter(|incident| !was_open(incident.id)).count()
    }

    /// Topics of which a worker might fetch something after the unit that it could not before.
    pub(crate) fn topics(&self) -> BTreeSet<String> {
        let tasks = self.external_tasks.values().flatten();
        tasks.filter(|task| task.retries != Some(0)).map(|task| task.topic.clone()).collect()
    }

    /// Waits that this unit ends, and whether it ends the instance: units that run for these have nobody left to run for.
    pub(crate) fn ended_waits(&self) -> (BTreeSet<WaitId>, bool) {
        fn gone<T>(rows: &BTreeMap<WaitId, Option<T>>) -> impl Iterator<Item = WaitId> {
            rows.iter().filter(|(_, row)| row.is_none()).map(|(wait, _)| *wait)
        }
        let waits = gone(&self.jobs).chain(gone(&self.tasks)).chain(gone(&self.external_tasks)).chain(gone(&self.subscriptions)).collect();
        (waits, self.ended)
    }
}

/// Whether a job was there before the unit.
fn is_old(base: &Base, wait: WaitId) -> bool {
    base.stored().is_some_and(|stored| stored.job(wait).is_some())
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, Option<V>>, key: K, value: V) {
    map.insert(key, Some(value));
}

fn remove<K: Ord, V>(map: &mut BTreeMap<K, Option<V>>, key: K) {
    map.insert(key, None);
}

/// Numbers of an instance are far below 2^63: they count what has happened to it.
pub(crate) fn number(n: u64) -> i64 {
    i64::try_from(n).expect("an instance does not number 2^63 things")
}
