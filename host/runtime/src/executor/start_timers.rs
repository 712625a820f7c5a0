//! Timer start events: each firing that is due begins an instance.
//!
//! The instance is committed together with the next firing in the place of this one, so a host may fall at any moment: before the commit
//! nothing has happened and another host fires, after it the firing is over. Two hosts that fire the same begin one instance between them.
//! The instance's id follows from the firing, so that whatever the start sends has the same keys when it is tried again.

use std::sync::Arc;

use mandate_engine::{Chain, Code, Failure, Input, InstanceId, Retry, StartTimer, Variables, WaitId};
use mandate_model::{ElementIndex, StartTrigger};
use mandate_store::{FailedFiring, FiredTimer, NewStartTimer, StartTimerRow};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{Mine, POLL};
use crate::advance::{Advanced, Begin, Work, bounded};
use crate::definitions::Definition;
use crate::error::SHUTTING_DOWN;
use crate::executor::held_back::Unreadable;
use crate::incidents::explain_start_timer;
use crate::{Error, Inner, digest, text};

/// Firings that are under way on this host at once: starts, up to where a command would leave.
const AT_ONCE: usize = 16;

impl Inner {
    /// Claims firings that are due, as far as there is room for them. Answers how many.
    pub(super) async fn claim_start_timers(self: &Arc<Self>, now: i64) -> Result<usize, Error> {
        if !self.store.may_act() {
            return Ok(0);
        }
        let except = self.executor.held_back(std::time::Instant::now());
        let running = self.executor.running_start_timers();
        let room = u32::try_from(AT_ONCE.saturating_sub(running.len())).unwrap_or(0);
        let claimed = self.store.claim_start_timers(now, room, &running, &except).await?;
        let count = claimed.len();
        for timer in claimed {
            let (inner, mine) = (self.clone(), self.executor.mine_of_start_timer(&timer));
            self.spawn_unit(async move {
                // Whatever went wrong has been logged and stored.
                drop(inner.fire(timer).await);
                drop(mine);
                inner.executor.look_again();
            });
        }
        Ok(count)
    }

    /// Runs a firing that this host has locked. An error: nothing began, and what is left of the firing says why.
    pub(crate) async fn fire(self: &Arc<Self>, row: StartTimerRow) -> Result<(), Error> {
        if self.executor.is_stopping() {
            self.release_start_timer(row.id).await;
            return Err(Error::NotActing(SHUTTING_DOWN));
        }
        let (definition, element) = match self.start_event_of(&row).await {
            Ok(found) => found,
            Err(error) => {
                let unreadable = Unreadable::Definition(row.definition_id.clone());
                self.hold_back(InstanceId(row.id), wait(row.firing), unreadable, &error.to_string());
                self.release_start_timer(row.id).await;
                return Err(error);
            }
        };
        let failure = match self.begin_fired(&definition, element, &row).await {
            Ok(()) => {
                self.executor.forget_held_back(InstanceId(row.id));
                return Ok(());
            }
            // What this host lacks it lacks for the next attempt, too; others may not. And a lock that outlasted one attempt outlasts the
            // next one as well, as a rule.
            Err(error) if matches!(&error, Error::Sandbox(_)) || matches!(&error, Error::Store(error) if error.is_of_lock()) => {
                let id = InstanceId(row.id);
                self.hold_back(id, wait(row.firing), Unreadable::Instance(id), &error.to_string());
                self.release_start_timer(row.id).await;
                return Err(error);
            }
            Err(Error::UnitFailed(failure)) => *failure,
            Err(error @ (Error::Bug | Error::Invalid(_) | Error::NotStartable { .. })) if !self.is_suspended(&row.definition_id).await => {
                Failure::of_unit(Code::InternalError, error.to_string(), Retry::ByPolicy).at(element)
            }
            Err(error) => {
                tracing::warn!(definition = %row.definition_id, start_event = %row.timer.activity_id, "timer could not fire and is put back: {error}");
                // Not at once: whatever stopped it is likely still there.
                tokio::time::sleep(POLL).await;
                self.release_start_timer(row.id).await;
                return Err(error);
            }
        };
        self.fail(&definition, element, row, failure).await
    }

    async fn start_event_of(&self, row: &StartTimerRow) -> Result<(Arc<Definition>, ElementIndex), Error> {
        let definition = self.definitions.get(&self.store, &row.definition_id).await?;
        let element = definition.model.find_start(&row.timer.activity_id, |it| matches!(it, StartTrigger::Timer(_)));
        let element =
            element.ok_or_else(|| Error::Damaged(format!("definition {} has no '{}'", row.definition_id, row.timer.activity_id)))?;
        Ok((definition, element))
    }

    async fn begin_fired(self: &Arc<Self>, definition: &Arc<Definition>, element: ElementIndex, row: &StartTimerRow) -> Result<(), Error> {
        let now = self.clock.now_ms();
        let next = timer(element, row).next(&definition.model, now).map(|next| new_row(definition, &next));
        let id = instance_of(row.id, row.firing);
        let begin = Begin {
            definition: definition.clone(),
            tenant: definition.row.tenant.clone(),
            business_key: None,
            start_key: None,
            newest: false,
            fired: Some(FiredTimer { id: row.id, firing: row.firing, at: now, next }),
        };
        let input = Input::Start { element, variables: Variables::new(), chain: Chain::AtOnce };
        let work = Work { begin: Some(begin), ..Work::new(id, input) };
        match self.advance_here(work).await? {
            Advanced::Committed(mut state) => {
                // What it goes on with is a job as any other: no firing waits for it.
                if let Some(deferred) = state.deferred.take() {
                    self.enqueue(*deferred);
                }
            }
            // It was fired elsewhere, closed by another version, or is suspended: then it is still there, for any host once it is
            // activated.
            Advanced::Superseded | Advanced::Withdrawn => {
                tracing::debug!(timer = %row.id, firing = row.firing, "firing is over or suspended");
                self.release_start_timer(row.id).await;
            }
            Advanced::AlreadyStarted(_) | Advanced::Contended | Advanced::NotBrief => {
                unreachable!("it has no start key, is no job and need not be brief")
            }
        }
        Ok(())
    }

    /// A start that failed spends a retry; what fires next does not wait for it. What an operator has changed meanwhile holds: it is one of
    /// those retries.
    async fn fail(&self, definition: &Definition, element: ElementIndex, mut row: StartTimerRow, failure: Failure) -> Result<(), Error> {
        let failure = bounded(failure);
        tracing::warn!(
            definition = %row.definition_id, start_event = %row.timer.activity_id, code = %failure.code,
            "timer could not start an instance: {}", text::one_line(&failure.message)
        );
        crate::metrics::job_failed(&row.timer.activity_id, failure.code.as_str());
        loop {
            match self.store_failed(definition, element, &row, &failure).await {
                Ok(None) => return Err(Error::UnitFailed(Box::new(failure))),
                Ok(Some(changed)) => row = changed,
                Err(error) => {
                    tracing::error!(timer = %row.id, "what became of a timer could not be stored, and it will fire again: {error}");
                    return Err(error.into());
                }
            }
        }
    }

    /// Stores what a failed start leaves of its firing, and answers how that is if somebody has changed it.
    async fn store_failed(
        &self,
        definition: &Definition,
        element: ElementIndex,
        row: &StartTimerRow,
        failure: &Failure,
    ) -> Result<Option<StartTimerRow>, mandate_store::Error> {
        let now = self.clock.now_ms();
        let (failed, next) = timer(element, row).failed(&definition.model, row.id, wait(row.firing).0, failure, now);
        let gives_up = failed.retries == 0;
        let detail = || explain_start_timer(definition, &row.timer.activity_id, failed.failures, failure);
        let why = FailedFiring {
            code: failure.code.as_str().to_owned(),
            failed_activity: failure.element.map(|failed| definition.model.element(failed).id.to_string()),
            detail: gives_up.then(detail),
        };
        let next = next.map(|next| new_row(definition, &next));
        let (failures, failed_timer) = (i64::from(failed.failures), new_row(definition, &failed));
        let left = StartTimerRow { timer: failed_timer, failures, failure: failed.failure, ..row.clone() };
        let changed = self.store.fail_start_timer(row, &left, &why, next, now).await?;
        if gives_up && changed.is_none() {
            tracing::error!(definition = %row.definition_id, start_event = %row.timer.activity_id, "incident raised");
        }
        Ok(changed)
    }

    /// Does not give up while this host works, for nobody else may run it, but where somebody else has it locked in the database: then it
    /// is found again as forgotten.
    pub(crate) async fn release_start_timer(&self, id: Uuid) {
        while let Err(error) = self.store.release_start_timer(id).await {
            if self.executor.is_stopping() {
                return;
            }
            tracing::warn!(timer = %id, "timer is still locked: {error}");
            if error.is_of_lock() {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    pub(crate) async fn is_suspended(&self, definition: &str) -> bool {
        self.store.definition(definition).await.ok().flatten().is_some_and(|row| row.suspended)
    }
}

impl super::Executor {
    /// A firing comes into this host's memory.
    pub(crate) fn mine_of_start_timer(&self, timer: &StartTimerRow) -> Mine {
        self.start_timers.lock().expect("no holder of this lock panics").insert(timer.id);
        self.mine(InstanceId(timer.id), wait(timer.firing))
    }

    /// Those in this host's memory.
    fn running_start_timers(&self) -> Vec<Uuid> {
        let mine = self.mine.lock().expect("no holder of this lock panics");
        let mut running = self.start_timers.lock().expect("no holder of this lock panics");
        running.retain(|id| mine.keys().any(|(of, _)| of.0 == *id));
        running.iter().copied().collect()
    }
}

/// What a row waits for.
fn timer(element: ElementIndex, row: &StartTimerRow) -> StartTimer {
    StartTimer {
        element,
        due: row.timer.due,
        cycle: row.timer.cycle.clone(),
        retries: count(row.timer.retries),
        priority: row.timer.priority,
        failures: count(row.failures),
        failure: row.failure.clone(),
    }
}

/// The row of a timer that is to wait.
pub(crate) fn new_row(definition: &Definition, timer: &StartTimer) -> NewStartTimer {
    row_of(&definition.model, timer)
}

/// The same before there is a definition of the model.
pub(crate) fn row_of(model: &mandate_model::ProcessDefinition, timer: &StartTimer) -> NewStartTimer {
    NewStartTimer {
        activity_id: model.element(timer.element).id.to_string(),
        due: timer.due,
        cycle: timer.cycle.clone(),
        retries: i64::from(timer.retries),
        priority: timer.priority,
    }
}

/// Why a firing fires no more whose retries somebody sets to 0.
pub(crate) fn given_up_by_hand(definition: &Definition, row: &StartTimerRow) -> FailedFiring {
    let message = row.failure.clone().unwrap_or_else(|| "its retries were set to 0".to_owned());
    let failure = Failure::of_unit(Code::RetriesSetToZero, message, Retry::Never);
    let detail = explain_start_timer(definition, &row.timer.activity_id, count(row.failures), &failure);
    FailedFiring { code: failure.code.as_str().to_owned(), failed_activity: None, detail: Some(detail) }
}

fn wait(firing: i64) -> WaitId {
    WaitId(u64::try_from(firing).unwrap_or(0))
}

fn count(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// The id of the instance that a firing begins.
fn instance_of(timer: Uuid, firing: i64) -> InstanceId {
    let mut hash = Sha256::new();
    hash.update(b"mandate-start-timer-1");
    hash.update(timer.as_bytes());
    hash.update(firing.to_be_bytes());
    digest::instance(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_firing_has_always_begun_the_same_instance() {
        assert_eq!(instance_of(Uuid::from_u128(7), 3).to_string(), "8916789e-6b05-864c-a424-f132b73ab6e5");
    }
}
