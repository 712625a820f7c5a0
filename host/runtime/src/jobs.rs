//! Jobs as operators handle them: give retries, run now.

use mandate_engine::{Input, PublicId, WaitId};

use crate::advance::{Advanced, Work};
use crate::{Error, Runtime};

impl Runtime {
    /// Gives a job retries. Above 0 its incident is resolved and it runs at once.
    pub async fn set_job_retries(&self, job: PublicId, retries: u32) -> Result<(), Error> {
        self.0.api(job.instance, Input::SetRetries { wait: WaitId(job.number), retries }).await.map(drop)
    }

    /// Runs a job now, whenever it is due, and answers when it has run. Should another worker run it at the same moment, one of the two wins
    /// and commands of both answer from the ledger.
    pub async fn execute_job(&self, job: PublicId) -> Result<(), Error> {
        let wait = WaitId(job.number);
        if self.0.running.is_running(job.instance, wait) {
            return Err(Error::Conflict(format!("job {job} is running")));
        }
        let work = Work { instance: job.instance, input: Input::RunJob { wait }, begin: None, traceparent: None };
        match self.0.advance(work).await? {
            Advanced::Committed(state) if state.failed => {
                let reason = state.instance.jobs().find(|open| open.wait == wait).and_then(|open| open.failure.clone());
                Err(Error::Invalid(format!("job {job} failed: {}", reason.unwrap_or_default())))
            }
            Advanced::Committed(_) => Ok(()),
            Advanced::Withdrawn | Advanced::Contended | Advanced::AlreadyStarted(_) => Err(Error::Cancelled(job.instance)),
        }
    }
}
