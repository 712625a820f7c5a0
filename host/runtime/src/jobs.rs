//! Jobs as operators handle them: give retries, run now.

use std::sync::Arc;

use mandate_engine::{Input, PublicId, StartTimer, WaitId};
use mandate_store::{Claim, ClaimedJob, Holder, StartTimerClaim, Store};
use tokio::sync::oneshot;
use uuid::Uuid;

use crate::executor::Queued;
use crate::{Error, Inner, Runtime, StoreError};

impl Runtime {
    /// Gives a job retries. Above 0 its incident is resolved and it runs at once.
    pub async fn set_job_retries(&self, job: PublicId, retries: u32) -> Result<(), Error> {
        let input = Input::SetRetries { wait: WaitId(job.number), retries };
        self.0
            .revise(job, input, async |store, firing| {
                store.set_start_timer_retries(job.instance.0, firing, retries.into(), self.now()).await
            })
            .await
    }

    /// Moves a job to another moment, in milliseconds since 1970. What repeats keeps its dates.
    pub async fn set_job_due(&self, job: PublicId, due: i64) -> Result<(), Error> {
        let input = Input::SetDue { wait: WaitId(job.number), due };
        self.0.revise(job, input, async |store, firing| store.set_start_timer_due(job.instance.0, firing, due).await).await
    }

    /// Sets a timer anew, by its model and the variables as they are now: as if that were done at this moment or, `since_creation`, when it was made.
    pub async fn recalculate_job_due(&self, job: PublicId, since_creation: bool) -> Result<(), Error> {
        let input = Input::RecalculateDue { wait: WaitId(job.number), since_creation };
        self.0.revise(job, input, async |_, firing| self.0.reset_start_timer(job.instance.0, firing, since_creation).await).await
    }

    /// Runs a job now, whenever it is due and whether it has retries or not, and answers when it has run: with [`Error::Invalid`] and the failure
    /// if it failed. An exclusive job waits for those that this host runs of its instance; it is refused with [`Error::Conflict`] while another
    /// host runs one, and so is a job that a host has already. Works on hosts that leave other jobs alone.
    pub async fn execute_job(&self, job: PublicId) -> Result<(), Error> {
        let inner = self.0.clone();
        // On a task of its own: a client that hangs up must not leave a job locked that nobody runs.
        let executing = self.0.tasks.spawn(async move { inner.execute(job).await });
        executing.await.unwrap_or_else(|error| Err(if error.is_panic() { Error::Bug } else { Error::NotActing("it is shutting down") }))
    }
}

impl Inner {
    /// Changes a job of an instance by an input, or else a timer start event, of which `change` says whether there is such a firing.
    async fn revise(
        self: &Arc<Self>,
        job: PublicId,
        input: Input,
        change: impl AsyncFnOnce(&Store, i64) -> Result<bool, StoreError>,
    ) -> Result<(), Error> {
        let missing = || Error::NotFound { what: "job", id: job.to_string() };
        match self.api(job.instance, input).await {
            Err(Error::NotFound { .. }) => {
                let firing = i64::try_from(job.number).map_err(|_| missing())?;
                if !change(&self.store, firing).await? {
                    return Err(missing());
                }
                self.executor.look_again();
                Ok(())
            }
            done => done.map(drop),
        }
    }

    /// False: there is no such firing.
    async fn reset_start_timer(&self, id: Uuid, firing: i64, since_creation: bool) -> Result<bool, StoreError> {
        let Some(row) = self.store.start_timer(id, firing).await? else { return Ok(false) };
        let from = if since_creation { row.created } else { self.clock.now_ms() };
        // What was deployed can be set at any moment: it has no variables.
        let Ok(definition) = self.definitions.get(&self.store, &row.definition_id).await else { return Ok(false) };
        let timers = StartTimer::open(&definition.model, from).unwrap_or_default();
        let timer = timers.iter().find(|timer| *definition.model.element(timer.element).id == row.timer.activity_id);
        let Some(timer) = timer else { return Ok(false) };
        // One that has its next firing in a row of its own goes on so.
        let cycle = row.timer.cycle.and(timer.cycle.clone());
        self.store.reset_start_timer(id, firing, timer.due, cycle).await
    }

    async fn execute(self: &Arc<Self>, id: PublicId) -> Result<(), Error> {
        if self.executor.is_stopping() {
            return Err(Error::NotActing("it is shutting down"));
        }
        if !self.store.may_act() {
            return Err(Error::NotActing("it could not renew its lease"));
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
        let claim = match self.store.claim_start_timer(id.instance.0, firing).await {
            Err(StoreError::Fenced) => return Err(Error::NotActing("it could not renew its lease")),
            claim => claim?,
        };
        match claim {
            StartTimerClaim::Missing => Err(missing()),
            StartTimerClaim::Taken(name) => Err(Error::Conflict(format!("job {id} is being run by host {name}"))),
            StartTimerClaim::Locked(timer) => {
                let _mine = self.executor.mine_of_start_timer(&timer);
                let inner = self.clone();
                // On a thread that guests run on, as any unit.
                let fired = self.spawn_unit(async move { inner.fire(*timer).await }).await;
                let fired =
                    fired.unwrap_or_else(|error| Err(if error.is_panic() { Error::Bug } else { Error::NotActing("it is shutting down") }));
                fired.map_err(|error| match error {
                    Error::UnitFailed(failure) => Error::Invalid(format!("job {id} failed: {}", failure.message)),
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
        match self.store.claim_one(id.instance.0, wait).await {
            Err(StoreError::Fenced) => Err(Error::NotActing("it could not renew its lease")),
            claim => Ok(claim?),
        }
    }
}
