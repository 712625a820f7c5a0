//! Jobs as operators handle them: give retries, run now.

use std::sync::Arc;

use mandate_engine::{Input, PublicId, WaitId};
use mandate_store::{Claim, ClaimedJob, Holder};
use tokio::sync::oneshot;

use crate::executor::Queued;
use crate::{Error, Inner, Runtime, StoreError};

impl Runtime {
    /// Gives a job retries. Above 0 its incident is resolved and it runs at once.
    pub async fn set_job_retries(&self, job: PublicId, retries: u32) -> Result<(), Error> {
        self.operate(job.instance, Input::SetRetries { wait: WaitId(job.number), retries }).await.map(drop)
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
    async fn execute(self: &Arc<Self>, id: PublicId) -> Result<(), Error> {
        if self.executor.is_stopping() {
            return Err(Error::NotActing("it is shutting down"));
        }
        if !self.store.may_act() {
            return Err(Error::NotActing("it could not renew its lease"));
        }
        let job = self.claim_for_operator(id).await?;
        let (answer, done) = oneshot::channel();
        self.enqueue(Queued { answer: Some(answer), ..self.queued(&job, None) });
        done.await.unwrap_or(Err(Error::Bug))
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
