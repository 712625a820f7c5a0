//! Jobs as operators handle them: give retries or a priority, suspend, run now.

use std::sync::Arc;

use mandate_engine::{Failure, Input, InstanceId, Jobs, PublicId, Rejection, StartTimer, WaitId};
use mandate_store::query::JobFilter;
use mandate_store::{Claim, ClaimedJob, Holder, RevisedTimer, StartTimerClaim, StartTimerRow, key_of_definition};
use tokio::sync::oneshot;

use crate::definitions::Definition;
use crate::error::{SHUTTING_DOWN, Several, unless_gone};
use crate::executor::Queued;
use crate::executor::start_timers::given_up_by_hand;
use crate::job_definitions::{JobDefinition, TIMER};
use crate::operator::{Change, OPERATOR, Operation, Subject, retries_set, suspension_verb};
use crate::signals::is_delivery;
use crate::{Error, Inner, Runtime};

impl Runtime {
    /// Gives a job retries, and another due date if there is one. Above 0 its incident is resolved, and without a date it runs at once if
    /// it has failed.
    pub async fn set_job_retries(&self, job: PublicId, retries: u32, due: Option<i64>) -> Result<(), Error> {
        if is_delivery(job) {
            return self.set_delivery_retries(job, retries, due).await;
        }
        let input = Input::SetRetries { wait: WaitId(job.number), retries, due };
        self.revise(job, input, "SetJobRetries", |row, _, now| {
            let failed = row.failures > 0 || row.timer.retries == 0;
            let changes = retries_set((row.timer.retries, row.timer.due), (retries, due));
            let due = due.or((retries > 0 && failed).then_some(now)).unwrap_or(row.timer.due);
            Ok((RevisedTimer { due, retries: retries.into(), ..row.unchanged() }, changes))
        })
        .await
    }

    /// Moves a job to another moment, in milliseconds since 1970. What repeats keeps its dates.
    pub async fn set_job_due(&self, job: PublicId, due: i64) -> Result<(), Error> {
        if is_delivery(job) {
            return self.set_delivery_due(job, due).await;
        }
        let input = Input::SetDue { wait: WaitId(job.number), due };
        self.revise(job, input, "SetDueDate", |row, _, _| Ok(moved(row, due, row.timer.cycle.clone()))).await
    }

    /// Gives a job another priority: the higher, the sooner a host takes it.
    pub async fn set_job_priority(&self, job: PublicId, priority: i64) -> Result<(), Error> {
        let input = Input::SetPriority { jobs: Jobs::One(WaitId(job.number)), priority };
        self.revise(job, input, "SetPriority", |row, _, _| {
            let change = Change::new("priority", Some(row.timer.priority.to_string()), Some(priority.to_string()));
            Ok((RevisedTimer { priority, ..row.unchanged() }, vec![change]))
        })
        .await
    }

    /// Suspends a job, or lets it go on: a job that is suspended does not run. What is running of it is thrown away, unless it is stored
    /// before.
    pub async fn suspend_job(&self, job: PublicId, suspended: bool) -> Result<(), Error> {
        let input = Input::SuspendJobs { jobs: Jobs::One(WaitId(job.number)), suspended };
        self.revise(job, input, suspension_verb("Job", suspended), |row, _, _| {
            let change = Change::suspension(Some(row.suspended), suspended);
            Ok((RevisedTimer { suspended, ..row.unchanged() }, vec![change]))
        })
        .await
    }

    /// The same with all jobs of an instance that there are.
    pub async fn suspend_jobs_of_instance(&self, instance: InstanceId, suspended: bool) -> Result<(), Error> {
        unless_gone(self.operate(instance, Input::SuspendJobs { jobs: Jobs::All, suspended }).await)
    }

    /// The same with all jobs of definitions that there are: timer start events, then those of each instance in a unit of work of its own.
    /// Whatever ends the request in between, it may be repeated; one that fails keeps no other, and is what is answered.
    pub async fn suspend_jobs_of_definitions(&self, definition_ids: &[String], suspended: bool) -> Result<(), Error> {
        let mut all = Several::NONE;
        for id in definition_ids {
            all.and(self.suspend_start_timers(id, None, suspended).await)?;
        }
        for id in definition_ids {
            let filter = JobFilter { definition_id: Some(id.clone()), ..JobFilter::default() };
            for instance in self.reads().instances_with_jobs(filter).await? {
                all.and(self.suspend_jobs_of_instance(InstanceId(instance), suspended).await)?;
            }
        }
        all.outcome()
    }

    /// The same with all jobs of job definitions.
    pub async fn suspend_jobs_of_job_definitions(&self, which: &[JobDefinition], suspended: bool) -> Result<(), Error> {
        let mut all = Several::NONE;
        for it in which {
            all.and(self.suspend_start_timers(&it.definition.id, Some(&it.activity_id), suspended).await)?;
        }
        all.and(self.change_jobs_of(which, |jobs| Input::SuspendJobs { jobs, suspended }).await)?;
        all.outcome()
    }

    async fn suspend_start_timers(&self, definition_id: &str, activity_id: Option<&str>, suspended: bool) -> Result<(), Error> {
        let changes = vec![Change::suspension(None, suspended)];
        let subject = Subject {
            definition_id: Some(definition_id.to_owned()),
            definition_key: Some(key_of_definition(definition_id).to_owned()),
            job_definition: activity_id.map(|activity_id| JobDefinition::id_from(definition_id, activity_id, TIMER)),
            ..Subject::default()
        };
        let verb = suspension_verb("Job", suspended);
        let operation = Operation { verb, entity_type: "Job", category: OPERATOR, changes, subject };
        self.0.store.suspend_start_timers(definition_id, activity_id, suspended, &self.logged(operation)).await?;
        self.0.executor.look_again();
        Ok(())
    }

    /// Sets a timer anew, by its model and the variables as they are now: as if that were done at this moment or, `since_creation`, when it
    /// was made.
    pub async fn recalculate_job_due(&self, job: PublicId, since_creation: bool) -> Result<(), Error> {
        if is_delivery(job) {
            return Err(Error::Invalid(format!("job {job} is a signal's delivery, not a timer")));
        }
        let input = Input::RecalculateDue { wait: WaitId(job.number), since_creation };
        self.revise(job, input, "RecalculateDueDate", |row, definition, now| {
            // It has no variables, but what it says may depend on the moment.
            let timers = StartTimer::open(&definition.model, if since_creation { row.created } else { now });
            let element =
                |timer: &Result<StartTimer, Failure>| timer.as_ref().map_or_else(|failure| failure.element, |it| Some(it.element));
            let is_it = |timer: &_| element(timer).is_some_and(|it| *definition.model.element(it).id == row.timer.activity_id);
            let mut of_event = timers.into_iter().filter(is_it);
            let (timer, other) = (of_event.next(), of_event.next());
            let Some(timer) = timer.filter(|_| other.is_none()) else {
                // As of a job of an instance.
                let wait = WaitId(job.number);
                return Err(Rejection::WrongKind { wait, expected: "timer", is: "timer beside others of its event" }.into());
            };
            let timer = timer.map_err(|failure| Error::UnitFailed(Box::new(failure)))?;
            // One that has its next firing in a row of its own goes on so.
            Ok(moved(row, timer.due, row.timer.cycle.as_ref().and(timer.cycle)))
        })
        .await
    }

    /// Changes a job of an instance by an input, or else a timer start event, of which `change` says what it becomes.
    async fn revise(
        &self,
        job: PublicId,
        input: Input,
        verb: &'static str,
        change: impl Fn(&StartTimerRow, &Definition, i64) -> Result<(RevisedTimer, Vec<Change>), Error> + Send,
    ) -> Result<(), Error> {
        let missing = || Error::NotFound { what: "job", id: job.to_string() };
        match self.operate(job.instance, input).await {
            Err(Error::NotFound { .. }) => {}
            done => return done.map(drop),
        }
        let (id, firing) = (job.instance.0, i64::try_from(job.number).map_err(|_| missing())?);
        // It may fail in the same moment: what is changed then is what is left of it.
        loop {
            let row = self.0.store.start_timer(id, firing).await?.ok_or_else(missing)?;
            let definition = self.0.definitions.get(&self.0.store, &row.definition_id).await?;
            let (revised, changes) = change(&row, &definition, self.now())?;
            let subject = Subject {
                job_definition: Some(JobDefinition::id_from(&definition.row.id, &row.timer.activity_id, TIMER)),
                ..Subject::of_definition(&definition.row)
            };
            let operations = self.logged(Operation { verb, entity_type: "Job", category: OPERATOR, changes, subject });
            let why = (revised.retries == 0).then(|| given_up_by_hand(&definition, &row));
            if self.0.store.revise_start_timer(&row, &revised, why.as_ref(), &operations, self.now()).await? {
                self.0.executor.look_again();
                return Ok(());
            }
        }
    }

    /// Runs a job now, whenever it is due and whether it has retries or not, and answers when it has run: with [`Error::JobFailed`] if it
    /// failed. An exclusive job waits for those that this host runs of its instance; it is refused with [`Error::Conflict`] while another
    /// host runs one, and so is a job that a host has already. Works on hosts that leave other jobs alone.
    pub async fn execute_job(&self, job: PublicId) -> Result<(), Error> {
        let inner = self.0.clone();
        // On a task of its own: a client that hangs up must not leave a job locked that nobody runs.
        let executing = self.0.tasks.spawn(async move { inner.execute(job).await });
        executing.await?
    }
}

impl Inner {
    async fn execute(self: &Arc<Self>, id: PublicId) -> Result<(), Error> {
        if self.executor.is_stopping() {
            return Err(Error::NotActing(SHUTTING_DOWN));
        }
        self.acting().map_err(Error::NotActing)?;
        if is_delivery(id) {
            return self.execute_delivery(id).await;
        }
        let job = match self.claim_for_operator(id).await {
            Err(Error::NotFound { .. }) => return self.execute_start_timer(id).await,
            job => job?,
        };
        let (answer, done) = oneshot::channel();
        self.enqueue(Queued { answer: Some(answer), ..self.queued(&job, None) });
        done.await.unwrap_or(Err(Error::Bug))
    }

    async fn execute_start_timer(self: &Arc<Self>, id: PublicId) -> Result<(), Error> {
        let missing = || Error::NotFound { what: "job", id: id.to_string() };
        let firing = i64::try_from(id.number).map_err(|_| missing())?;
        match self.store.claim_start_timer(id.instance.0, firing).await? {
            StartTimerClaim::Missing => Err(missing()),
            StartTimerClaim::Taken(name) => Err(Error::Conflict(format!("job {id} is being run by host {name}"))),
            StartTimerClaim::Locked(timer) if timer.suspended => {
                self.release_start_timer(timer.id).await;
                Err(Rejection::JobSuspended { wait: WaitId(id.number) }.into())
            }
            StartTimerClaim::Locked(timer) => {
                let _mine = self.executor.mine_of_start_timer(&timer);
                let inner = self.clone();
                // On a thread that guests run on, as any unit.
                let fired = self.spawn_unit(async move { inner.fire(*timer).await }).await;
                fired?.map_err(|error| match error {
                    Error::UnitFailed(failure) => Error::JobFailed { job: id, reason: failure.message },
                    error => error,
                })
            }
        }
    }

    /// Locks a job, also one that a host has that is gone.
    async fn claim_for_operator(&self, id: PublicId) -> Result<ClaimedJob, Error> {
        let missing = || Error::NotFound { what: "job", id: id.to_string() };
        let wait = i64::try_from(id.number).map_err(|_| missing())?;
        let mut claim = self.claim_one(id, wait).await?;
        if let Claim::Taken(holder) | Claim::Exclusive { holder, .. } = &claim
            && !holder.alive
            && self.store.take_over().await?.hosts > 0
        {
            claim = self.claim_one(id, wait).await?;
        }
        match claim {
            Claim::Locked(job) => Ok(job),
            Claim::Missing => Err(missing()),
            Claim::Taken(Holder { name, .. }) => Err(Error::Conflict(format!("job {id} is being run by host {name}"))),
            Claim::Exclusive { wait, holder: Holder { name, .. } } => Err(Error::Conflict(format!(
                "job {id} is exclusive, and job {}.{wait} of the same instance is being run by host {name}; execute it when that one has run, \
                 or ask that host",
                id.instance
            ))),
        }
    }

    async fn claim_one(&self, id: PublicId, wait: i64) -> Result<Claim, Error> {
        Ok(self.store.claim_one(id.instance.0, wait).await?)
    }
}

/// A firing at another moment, and what the log says of it.
fn moved(row: &StartTimerRow, due: i64, cycle: Option<String>) -> (RevisedTimer, Vec<Change>) {
    let change = Change::new("duedate", Some(row.timer.due.to_string()), Some(due.to_string()));
    (RevisedTimer { due, cycle, ..row.unchanged() }, vec![change])
}
