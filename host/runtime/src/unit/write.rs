//! The write of a unit: its rows as the store takes them.

use std::collections::{BTreeMap, BTreeSet};

use mandate_engine::{ExternalTask, Incident, IncidentId, Instance, Job, PartId, Subscription, Task, WaitId};
use mandate_store::{
    Beside, EndedIncident, ExternalTaskFailure, ExternalTaskRevision, HeldExternalTask, HostRef, InstanceWrite, JobRevision, JobRow,
    PartRow, Parts, RunningJob, State, Stood,
};

use super::{IncidentNow, Rows, external_task_row, incident_row, is_behind, is_old, job_row, message_row, number, signal_row};
use super::{subscription_row, task_row};
use crate::advance::Worker;
use crate::cache::Base;

/// What a write follows from, beside the rows.
#[derive(Clone, Copy)]
pub(crate) struct Writing<'a> {
    /// As it is after the unit.
    pub(crate) instance: &'a Instance,
    /// What the unit began from.
    pub(crate) base: &'a Base,
    /// Who writes.
    pub(crate) me: HostRef,
    /// Jobs that this host will run from memory.
    pub(crate) locked: &'a BTreeSet<WaitId>,
    /// Who must have the external task that the unit is about.
    pub(crate) worker: Option<&'a Worker>,
    pub(crate) now: i64,
}

impl Rows {
    /// The write for the store. `detail` explains each incident.
    pub(crate) fn into_write(self, writing: Writing<'_>, detail: impl Fn(&Incident) -> String) -> InstanceWrite {
        let Writing { instance, base, worker, now, .. } = writing;
        let definition = &base.definition;
        let state = if self.ended { State::Ended { beside: beside(base) } } else { live(instance, base.stored()) };
        let mut write = InstanceWrite {
            suspended: self.suspended,
            job_definitions: self.known,
            taken_jobs: self.along.iter().filter(|(wait, _)| is_old(base, *wait)).map(|(wait, _)| number(wait.0)).collect(),
            history: self.history,
            held_external_task: worker.map(|worker| HeldExternalTask { wait: number(worker.wait.0), worker: worker.id.clone() }),
            signals: self.signals.into_iter().map(|signal| signal_row(instance, signal, now)).collect(),
            messages: self.messages.into_iter().map(|message| message_row(definition, message, now)).collect(),
            ..InstanceWrite::new(instance.id().0, base.expect.clone(), state)
        };
        let (before, next) = (self.before.map(|before| before.wait), self.next.map(|next| next.wait));
        if next != before {
            writing.move_behind(&self.jobs, before, next, &mut write);
        }
        writing.write_jobs(self.jobs, next, self.revises, &mut write);
        writing.write_tasks(self.tasks, &mut write);
        write.past_tasks.extend(self.past_tasks.into_values().map(|task| task_row(definition, task)));
        writing.write_external_tasks(self.external_tasks, &mut write);
        writing.write_subscriptions(self.subscriptions, &mut write);
        writing.write_incidents(self.incidents, &detail, &mut write);
        write.past_incidents.extend(self.past_incidents.into_values().map(|it| incident_row(definition, instance, &it, detail(&it))));
        if write.running.is_none() && !self.ended && !instance.is_suspended() {
            writing.choose_running(next, self.revises, &mut write);
        }
        write
    }
}

impl Writing<'_> {
    /// Whether a job stands in the instance's row and not in one of its own.
    fn is_in_its_row(&self, wait: WaitId) -> bool {
        self.base.running.as_ref().is_some_and(|running| running.wait == number(wait.0))
    }

    /// Another exclusive job is the next one: both are told, as far as they have rows that are not written anyhow.
    fn move_behind(&self, jobs: &BTreeMap<WaitId, Option<Job>>, before: Option<WaitId>, next: Option<WaitId>, write: &mut InstanceWrite) {
        let kept = |wait: &WaitId| !jobs.contains_key(wait) && !self.is_in_its_row(*wait);
        write.behind_jobs.extend(next.filter(kept).map(|wait| (number(wait.0), false)));
        write.behind_jobs.extend(before.filter(kept).map(|wait| (number(wait.0), true)));
    }

    fn write_jobs(&self, jobs: BTreeMap<WaitId, Option<Job>>, next: Option<WaitId>, revises: bool, write: &mut InstanceWrite) {
        let Self { instance, base, locked, .. } = *self;
        let is_revised = |wait: &WaitId| revises && is_old(base, *wait);
        let put = |wait: &WaitId| !is_revised(wait) && jobs.get(wait).is_some_and(Option::is_some);
        write.other_exclusive_jobs = instance.exclusive_jobs().any(|job| !put(&job.wait));
        write.lock_jobs = locked.iter().filter(|wait| !put(wait)).map(|wait| number(wait.0)).collect();
        write.running = base.running.clone().filter(|running| !jobs.keys().any(|wait| number(wait.0) == running.wait));
        for (wait, job) in jobs {
            match job {
                Some(job) if is_revised(&wait) && self.is_in_its_row(wait) => {
                    let (due, retries) = (job.due, i64::from(job.retries));
                    let revised = |running| RunningJob { due, retries, priority: job.priority, suspended: job.suspended, ..running };
                    write.running = base.running.clone().map(revised);
                }
                Some(job) if is_revised(&wait) => write.revise_jobs.push(JobRevision {
                    wait: number(wait.0),
                    due: job.due,
                    retries: i64::from(job.retries),
                    priority: job.priority,
                    suspended: job.suspended,
                    behind: is_behind(&job, next),
                }),
                Some(job) => {
                    let row = job_row(&base.definition, instance, &job, next);
                    write.put_jobs.push(JobRow { locked: locked.contains(&wait), ..row });
                }
                None if self.is_in_its_row(wait) || !is_old(base, wait) => {}
                None => write.remove_jobs.push(number(wait.0)),
            }
        }
    }

    fn write_tasks(&self, tasks: BTreeMap<WaitId, Option<Task>>, write: &mut InstanceWrite) {
        for (wait, task) in tasks {
            match task {
                Some(task) => {
                    let before = self.base.stored().and_then(|stored| stored.task(wait));
                    let candidates = |it: &Task| (it.candidate_users.clone(), it.candidate_groups.clone());
                    write.recast_tasks.extend(before.filter(|it| candidates(it) != candidates(&task)).map(|_| number(wait.0)));
                    write.put_tasks.push(task_row(&self.base.definition, task));
                }
                None => write.remove_tasks.push(number(wait.0)),
            }
        }
    }

    fn write_external_tasks(&self, tasks: BTreeMap<WaitId, Option<ExternalTask>>, write: &mut InstanceWrite) {
        for (wait, task) in tasks {
            let is_old = self.base.stored().is_some_and(|stored| stored.external_task(wait).is_some());
            match task {
                Some(task) if is_old => write.revise_external_tasks.push(ExternalTaskRevision {
                    wait: number(wait.0),
                    priority: task.priority,
                    retries: task.retries.map(i64::from),
                    failures: i64::from(task.failures),
                    failure: task.failure,
                    failed: self.worker.map(|worker| ExternalTaskFailure {
                        details: worker.details.clone(),
                        lock_until: self.now.saturating_add(worker.rest_ms),
                    }),
                }),
                Some(task) => write.put_external_tasks.push(external_task_row(&self.base.definition, task)),
                None => write.remove_external_tasks.push(number(wait.0)),
            }
        }
    }

    fn write_subscriptions(&self, subscriptions: BTreeMap<WaitId, Option<Subscription>>, write: &mut InstanceWrite) {
        for (wait, subscription) in subscriptions {
            match subscription {
                Some(subscription) => write.put_subscriptions.push(subscription_row(&self.base.definition, subscription)),
                None => write.remove_subscriptions.push(number(wait.0)),
            }
        }
    }

    fn write_incidents(
        &self,
        incidents: BTreeMap<IncidentId, IncidentNow>,
        detail: impl Fn(&Incident) -> String,
        write: &mut InstanceWrite,
    ) {
        for (incident, it) in incidents {
            match it {
                IncidentNow::Open(it) => write.put_incidents.push(incident_row(&self.base.definition, self.instance, &it, detail(&it))),
                IncidentNow::Over { deleted } => {
                    write.remove_incidents.push(EndedIncident { n: number(incident.0), at: self.now, deleted });
                }
            }
        }
    }

    /// The instance's row takes one of the jobs that this host locks.
    fn choose_running(&self, next: Option<WaitId>, revises: bool, write: &mut InstanceWrite) {
        let Self { instance, base, me, .. } = *self;
        if let Some(job) = take_running(&mut write.put_jobs, write.other_exclusive_jobs) {
            (write.running, write.running_stood) = (Some(running(job, me)), Stood::Nowhere);
        } else if !revises && let Some(job) = take_handed_on(&mut write.lock_jobs, instance) {
            let row = job_row(&base.definition, instance, job, next);
            (write.running, write.running_stood) = (Some(running(row, me)), Stood::InARow);
        }
    }
}

/// One of the jobs that this host locks with the unit needs no row: the first that has not failed, and runs beside no other exclusive one.
fn take_running(jobs: &mut Vec<JobRow>, other_exclusive_jobs: bool) -> Option<JobRow> {
    let fits = |job: &JobRow| job.locked && job.failures == 0 && job.failure.is_none() && !(job.exclusive && other_exclusive_jobs);
    Some(jobs.remove(jobs.iter().position(fits)?))
}

/// Nor does the exclusive job that the turn is handed on to need its row any longer: to lock it there is one write more than to take it
/// away, which comes anyhow.
fn take_handed_on<'a>(locked: &mut Vec<i64>, instance: &'a Instance) -> Option<&'a Job> {
    let fits = |job: &&Job| job.failures == 0 && job.failure.is_none() && !job.suspended;
    let job = instance.exclusive_jobs().next().filter(fits)?;
    locked.remove(locked.iter().position(|wait| *wait == number(job.wait.0))?);
    Some(job)
}

fn running(job: JobRow, me: HostRef) -> RunningJob {
    let JobRow { wait, activity, activity_id, kind, due, retries, exclusive, priority, suspended, created, .. } = job;
    RunningJob { wait, activity, activity_id, kind, due, retries, exclusive, priority, suspended, created, holder: me }
}

/// Where an instance has rows beside its own, by the state that is stored.
fn beside(base: &Base) -> Beside {
    let Some(stored) = base.stored() else { return Beside::NONE };
    Beside {
        parts: stored.parts() > 0,
        jobs: stored.jobs().count() > usize::from(base.running.is_some()),
        tasks: stored.tasks().next().is_some(),
        external_tasks: stored.external_tasks().next().is_some(),
        subscriptions: stored.subscriptions().next().is_some(),
        incidents: stored.incidents().next().is_some(),
    }
}

/// The stored form, as far as it has changed.
fn live(instance: &Instance, stored: Option<&Instance>) -> State {
    let changes = instance.changes(stored);
    let put = |(part, bytes): (PartId, Vec<u8>)| PartRow { activity: number(part.activity.0), variable: part.variable, bytes };
    let parts = Parts {
        count: i64::try_from(changes.parts).expect("parts are in memory"),
        put: changes.put.into_iter().map(put).collect(),
        remove: changes.remove.into_iter().map(|part| (number(part.activity.0), part.variable)).collect(),
    };
    State::Live { snapshot: changes.snapshot, parts }
}
