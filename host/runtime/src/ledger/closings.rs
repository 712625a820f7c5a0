//! What a unit's commands came to, on its way into the ledger while the unit goes on.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::join_all;
use mandate_engine::{Code, Failure, Retry};
use mandate_store::{CommitError, Committed, Error, LedgerClose};
use tokio::task::JoinHandle;

use super::flight::Flight;
use super::unknown;
use crate::Inner;

/// How long an outcome waits for something that it is stored with: more than a delegate takes that is about to return, and than a unit goes
/// on with jobs behind it.
const COMPANY: Duration = Duration::from_millis(10);

/// Outcomes of one unit that the ledger does not have yet. A delegate is told at once that its command was applied; the unit's next command
/// leaves, and the unit is stored, when that is in the ledger. It goes there with the first of the two, in the same transaction, or by
/// itself if neither comes soon. So a command costs its unit one wait for a commit, the last one not even that, and a crash finds what it
/// would have found had the answer never come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Closings(Arc<Mutex<Vec<Closing>>>);

#[derive(Debug)]
enum Closing {
    /// It goes with what the unit stores next.
    Heard(Box<Heard>),
    /// It is being written, or why its unit must not go on.
    Written(JoinHandle<Result<(), Failure>>),
}

/// A command was applied, and only this host knows. Dropped, it is written by whoever looks after attempts that were left open.
#[derive(Debug)]
pub(super) struct Heard {
    close: LedgerClose,
    /// The command that undoes it, for people.
    undo: String,
    flight: Flight,
}

/// Outcomes that a unit is stored with.
pub(crate) struct Carried(Vec<Heard>);

impl Closings {
    /// One more. It is written whether or not anybody waits for it.
    pub(super) fn add(&self, inner: &Arc<Inner>, heard: Heard) {
        self.all().push(Closing::Heard(Box::new(heard)));
        let (closings, tasks, inner) = (self.clone(), inner.tasks.clone(), inner.clone());
        tasks.spawn(async move {
            tokio::time::sleep(COMPANY).await;
            closings.write(&inner);
        });
    }

    /// Waits until all of them are written. Errors: why the unit must not go on, once.
    pub(crate) async fn settle(&self, inner: &Inner) -> Result<(), Failure> {
        let closings = std::mem::take(&mut *self.all());
        let settled = join_all(closings.into_iter().map(|closing| closing.settle(inner))).await;
        settled.into_iter().collect()
    }

    /// The same of those that are being written by themselves: the unit is about to be stored with the others ([`Self::carry`]).
    pub(crate) async fn settle_written(&self, inner: &Inner) -> Result<(), Failure> {
        let is_written = |closing: &mut Closing| matches!(closing, Closing::Written(_));
        let written: Vec<_> = self.all().extract_if(.., is_written).collect();
        let settled = join_all(written.into_iter().map(|closing| closing.settle(inner))).await;
        settled.into_iter().collect()
    }

    /// Takes them, for the unit to be stored with. None, if some are being written by themselves by now: they are to be waited for, for the
    /// unit is not stored without knowing that they are.
    pub(crate) fn carry(&self) -> Option<Carried> {
        let mut all = self.all();
        if all.iter().any(|closing| matches!(closing, Closing::Written(_))) {
            return None;
        }
        let heard = std::mem::take(&mut *all).into_iter().filter_map(|closing| match closing {
            Closing::Heard(heard) => Some(*heard),
            Closing::Written(_) => None,
        });
        Some(Carried(heard.collect()))
    }

    /// A unit was to be stored with them. Where the ledger does not have them, or nobody knows, they are written by themselves.
    pub(crate) fn carried(&self, inner: &Arc<Inner>, carried: Carried, committed: &Result<Committed, CommitError>) {
        if committed.as_ref().map_or_else(CommitError::is_closed, |_| true) {
            carried.0.into_iter().for_each(|heard| heard.flight.land());
        } else {
            self.all().extend(carried.0.into_iter().map(|heard| Closing::Heard(Box::new(heard))));
            self.write(inner);
        }
    }

    /// Has everything written that nothing has taken along.
    fn write(&self, inner: &Arc<Inner>) {
        let mut all = self.all();
        *all = std::mem::take(&mut *all).into_iter().map(|closing| closing.write(inner)).collect();
    }

    fn all(&self) -> MutexGuard<'_, Vec<Closing>> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

impl Closing {
    fn write(self, inner: &Arc<Inner>) -> Self {
        match self {
            Self::Heard(heard) => {
                let (tasks, inner) = (inner.tasks.clone(), inner.clone());
                Self::Written(tasks.spawn(async move { heard.write(&inner).await }))
            }
            Self::Written(_) => self,
        }
    }

    async fn settle(self, inner: &Inner) -> Result<(), Failure> {
        match self {
            Self::Heard(heard) => heard.write(inner).await,
            Self::Written(task) => task.await.unwrap_or_else(|_| {
                let message = "what became of a command could not be recorded: this host is shutting down".to_owned();
                Err(Failure::of_unit(Code::CommandOutcomeUnknown, message, Retry::ByPolicy))
            }),
        }
    }
}

impl Heard {
    pub(super) fn new(close: LedgerClose, undo: &str, mut flight: Flight) -> Self {
        flight.hear(close.clone());
        Self { close, undo: undo.to_owned(), flight }
    }

    /// Writes it by itself. Errors: why a unit that has gone on with what it was told may not go on.
    async fn write(self, inner: &Inner) -> Result<(), Failure> {
        let recorded = inner.record(self.close.clone()).await;
        if recorded.is_ok() {
            self.flight.land();
        }
        went_on(&self.close, &self.undo, recorded)
    }
}

impl Carried {
    /// As the store takes them.
    pub(crate) fn closes(&self) -> Vec<LedgerClose> {
        self.0.iter().map(|heard| heard.close.clone()).collect()
    }
}

/// Whether a unit that has gone on with what it was told may go on: with what the ledger has of it.
fn went_on(told: &LedgerClose, undo: &str, recorded: Result<Option<LedgerClose>, Error>) -> Result<(), Failure> {
    let (reason, retry) = match recorded {
        Ok(Some(closed)) if closed.reply == told.reply => return Ok(()),
        Ok(Some(_)) => ("it was applied, and its reply could not be stored: the delegate is to go on without".to_owned(), Retry::ByPolicy),
        // This host knows that it was applied and somebody has recorded otherwise: it is never sent again on their word.
        Ok(None) => ("it was applied, and was recorded otherwise before this host could say so".to_owned(), Retry::Never),
        Err(error) => (format!("its outcome could not be recorded: {error}"), Retry::ByPolicy),
    };
    Err(unknown(&told.command, &told.key, told.attempt, undo, &reason, retry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_unit_is_not_stored_while_an_outcome_is_on_its_way_by_itself() {
        let closings = Closings::default();
        assert_eq!(closings.carry().map(|carried| carried.closes().len()), Some(0));
        closings.all().push(Closing::Written(tokio::spawn(async { Ok(()) })));
        assert!(closings.carry().is_none());
        assert_eq!(closings.all().len(), 1, "it is still there to be waited for");
    }
}
