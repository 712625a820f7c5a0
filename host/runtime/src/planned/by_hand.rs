//! A planned suspension that an operator executes, as `POST /job/{id}/execute` executes one in Camunda 7, where it is a job: due or not,
//! given up or not, on hosts that run no jobs too.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt as _;
use uuid::Uuid;

use super::Outcome;
use crate::operator::Operator;
use crate::{Error, Runtime};

impl Runtime {
    /// Carries out a plan now, with all that it leaves to be done, on behalf of whoever asks or, if they do not say who they are, of
    /// whoever has planned it.
    ///
    /// # Errors
    /// It is not there; another host is at it; one for an earlier date comes first, which an operator executes or forgets before; or
    /// something of it fails, and is then tried again by a host that runs jobs, and whoever asks again goes on with the rest. What it
    /// leaves is this host's until then, so that no other one comes in between; only something that is planned meanwhile, for a date that
    /// has passed, does.
    pub async fn execute_planned_suspension(&self, id: Uuid) -> Result<(), Error> {
        let runtime = self.clone();
        // On a task of its own: a client that hangs up must not leave it locked half-way.
        let executing = self.0.tasks.spawn(async move { runtime.execute_plan(id).await });
        executing.await?
    }

    async fn execute_plan(&self, id: Uuid) -> Result<(), Error> {
        if self.is_ending() {
            return Err(Error::NotActing("it is shutting down, or could not renew its lease"));
        }
        let _planning = self.0.planning.lock().await;
        self.give_back_after(Box::pin(self.execute_with_rest(id))).await
    }

    /// Gives back what is left of a plan, whatever became of it: this host may be one that runs no jobs, and would keep it for ever. A
    /// panic is a bug, of which its hook tells more.
    async fn give_back_after(&self, executing: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
        let executed = AssertUnwindSafe(executing).catch_unwind().await.unwrap_or(Err(Error::Bug));
        if let Err(error) = self.0.store.unlock_plans().await {
            tracing::warn!("what is left of a plan is not given back before this host is gone: {error}");
        }
        executed
    }

    async fn execute_with_rest(&self, id: Uuid) -> Result<(), Error> {
        let mut left = vec![id];
        while let Some(next) = left.pop() {
            let Some(planned) = self.0.store.planned(next).await? else {
                // What takes the place of one that is done may have been done by another host since.
                if next == id {
                    return Err(Error::NotFound { what: "planned suspension", id: id.to_string() });
                }
                continue;
            };
            let runtime = self.on_behalf_of_planner(&planned);
            if !runtime.is_next(&planned, self.now()).await? {
                let why = format!("plan {next} waits for one of an earlier date that touches the same; execute or delete that one first");
                return Err(Error::Conflict(why));
            }
            let Some(planned) = self.0.store.lock_plan(next, None).await? else {
                return Err(Error::Conflict(format!("another host is carrying out plan {next}, or has done it")));
            };
            match runtime.try_once(&planned).await? {
                Outcome::Done(then) => left.extend(then.into_iter().rev()),
                Outcome::Failed(reason) => return Err(Error::PlanFailed(reason)),
                Outcome::Stopped => return Err(Error::NotActing("it is shutting down, or has lost the plan to another host")),
            }
        }
        Ok(())
    }

    pub(super) fn on_behalf_of_planner(&self, planned: &mandate_store::Planned) -> Self {
        if self.1.as_ref().is_some_and(|operator| operator.user.is_some()) {
            return self.clone();
        }
        let planner = Operator { user: planned.user.clone(), annotation: planned.annotation.clone() };
        Self(self.0.clone(), Some(Arc::new(planner)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mandate_tests::postgres::Cluster;

    use super::*;
    use crate::testing::open;
    use crate::{Suspended, Suspension};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_plan_that_meets_a_bug_is_left_to_others() {
        let cluster = Cluster::start().expect("PostgreSQL starts");
        let database = cluster.create_database("host").expect("a database");
        let dir = tempfile::tempdir().expect("a temporary folder");
        // None of them carries out anything by itself.
        let (host, other) = (open(dir.path(), Some(&database), false).await, open(dir.path(), Some(&database), false).await);
        host.plan_suspension(&Suspension { include: true, ..Suspension::of(Suspended::ProcessDefinitions, true) }, 1)
            .await
            .expect("planned");
        let id = host.0.store.plans(mandate_store::query::Page::ALL).await.expect("read").remove(0).id;
        let executed = host.give_back_after(async {
            assert!(host.0.store.lock_plan(id, None).await?.is_some());
            let kept = other.execute_planned_suspension(id).await;
            assert!(matches!(&kept, Err(Error::Conflict(why)) if why.contains("another host")), "{kept:?}");
            panic!("a bug");
        });
        assert!(matches!(executed.await, Err(Error::Bug)));
        other.execute_planned_suspension(id).await.expect("executed");
        for runtime in [host, other] {
            runtime.shut_down(Duration::from_secs(5)).await;
        }
    }
}
