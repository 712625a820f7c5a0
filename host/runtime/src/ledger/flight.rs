//! Which attempts this process has under way, and which it has left open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use mandate_store::{Error, LedgerClose, LedgerRow, LedgerState, awake};

use super::{Issue, abandoned};
use crate::Inner;

/// How long an attempt may be open before nothing else is sent: a command has five minutes at most, and then its outcome is written as soon
/// as anything is. So whoever takes over from a host that is gone finds all that it had under way among what it began in its last minutes
/// (`close_left_open` in the store).
const LONGEST_OPEN: Duration = Duration::from_secs(10 * 60);

/// Why a host sends nothing that has something open for that long. It may say so to whoever asks for a unit of work that would send.
pub(crate) const STUCK: &str = "what became of a command that it has sent cannot be recorded, and it sends nothing until it is";

/// Tenant, command, key, attempt.
type Name = (String, String, String, i64);

/// Attempts that wait for a service's answer, or for the ledger to have it. An attempt that is open and not among them was left by a task
/// that was dropped, or by one that could not record what came of it. Counted, for several units may be about to open the same attempt:
/// those that come too late must not take the mark of the one that did.
///
/// Whoever opens an attempt is here before its row is, and no attempt is opened twice. So a row that was read first, and then is nobody's
/// here, is nobody's for good.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flights(Arc<Mutex<Log>>);

#[derive(Debug, Default)]
struct Log {
    /// By how many units mean to send them, and until when the first may, by the clock that nobody sets ([`awake`]).
    under_way: BTreeMap<Name, (u32, Duration)>,
    /// What may be open and nobody here waits for.
    left: BTreeMap<Name, Left>,
}

#[derive(Debug)]
struct Left {
    /// Until when it may be open.
    until: Duration,
    /// What came of it, if that is only not in the ledger.
    known: Option<LedgerClose>,
    /// Its row was not there when this host last looked. Where it is not known what became of the transaction that was to write it, it may
    /// still appear, and is waited for until then.
    missing: bool,
}

impl Flights {
    /// Marks an attempt for as long as the answer lives.
    pub(super) fn take_off(&self, issue: &Issue, attempt: i64) -> Flight {
        let name = (issue.tenant.clone().unwrap_or_default(), issue.command.clone(), issue.key.clone(), attempt);
        self.mark(name, awake())
    }

    /// Whether somebody here means to send it, or waits for what became of it.
    pub(super) fn has(&self, row: &LedgerRow) -> bool {
        self.log().under_way.contains_key(&name_of(row))
    }

    /// What came of an attempt that could not be recorded when it was heard.
    pub(super) fn known(&self, row: &LedgerRow) -> Option<LedgerClose> {
        self.log().left.get(&name_of(row))?.known.clone()
    }

    /// Whether something has been open for so long that nothing else may be opened.
    pub(crate) fn is_stuck(&self) -> bool {
        self.is_stuck_at(awake())
    }

    fn is_stuck_at(&self, now: Duration) -> bool {
        let log = self.log();
        let left = log.left.values().filter(|left| !left.missing).map(|left| left.until);
        let mut until = log.under_way.values().map(|(_, until)| *until).chain(left);
        until.any(|until| now > until)
    }

    fn left(&self) -> Vec<(Name, Option<LedgerClose>)> {
        self.log().left.iter().map(|(name, left)| (name.clone(), left.known.clone())).collect()
    }

    /// What a look at an attempt that was left has found.
    fn looked(&self, name: &Name, standing: &Standing, now: Duration) {
        let mut log = self.log();
        let again = log.under_way.get(name).map(|(_, until)| *until);
        let Some(left) = log.left.get_mut(name) else { return };
        left.missing = matches!(standing, Standing::Missing);
        // Whoever means to send it since may take as long as for any other.
        left.until = left.until.max(again.unwrap_or_default());
        if matches!(standing, Standing::Over) || left.missing && now > left.until {
            log.left.remove(name);
        }
    }

    fn mark(&self, name: Name, now: Duration) -> Flight {
        self.log().under_way.entry(name.clone()).or_insert((0, now + LONGEST_OPEN)).0 += 1;
        Flight { flights: self.clone(), name, landed: false, known: None }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

fn name_of(row: &LedgerRow) -> Name {
    (row.tenant.clone(), row.command.clone(), row.key.clone(), row.attempt)
}

/// A mark. Whoever drops it without having said that it is over leaves an attempt that may be open.
#[derive(Debug)]
pub(super) struct Flight {
    flights: Flights,
    name: Name,
    landed: bool,
    known: Option<LedgerClose>,
}

impl Flight {
    /// The attempt was not opened by this unit, or the ledger has what came of it.
    pub(super) fn land(mut self) {
        self.landed = true;
    }

    /// It was not opened, for this reason. Where it is not known what became of the transaction, or nobody is there any more to say so, its
    /// row may yet appear.
    pub(super) fn fail(self, error: &Error) {
        if !matches!(error, Error::Unclear(_) | Error::Closed) {
            self.land();
        }
    }

    /// This came of it, and the ledger does not have it.
    pub(super) fn leave(mut self, known: LedgerClose) {
        self.hear(known);
    }

    /// This came of it; who drops the mark now leaves that.
    pub(super) fn hear(&mut self, known: LedgerClose) {
        self.known = Some(known).filter(|known| known.state != LedgerState::Unknown);
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut log = self.flights.log();
        let Some((count, until)) = log.under_way.get_mut(&self.name) else { return };
        *count -= 1;
        let (is_last, until) = (*count == 0, *until);
        if is_last {
            log.under_way.remove(&self.name);
        }
        if !self.landed {
            let left = log.left.entry(self.name.clone()).or_insert(Left { until, known: None, missing: false });
            if std::mem::take(&mut left.missing) {
                // This unit is the one that may have opened it.
                left.until = until;
            }
            left.known = left.known.take().or(self.known.take());
        }
    }
}

/// How it stands with an attempt that was left.
enum Standing {
    /// Nothing is left to be done: it is closed, another host's, or not the last one.
    Over,
    /// It is open, or somebody is about to open it, or the database does not say.
    Open,
    /// There is no such attempt.
    Missing,
}

impl Inner {
    /// Closes attempts that this host has left open, with what it knows of them, or else as unknown: its own unit may never come to them
    /// again, and whoever takes over looks only at the last minutes. One that cannot be written is tried again.
    pub(crate) async fn close_left(&self) {
        for (name, known) in self.in_flight.left() {
            let standing = self.close_one(&name, known).await.unwrap_or_else(|error| {
                tracing::warn!(command = %name.1, key = %name.2, attempt = name.3, "an attempt that is open cannot be closed yet: {error}");
                Standing::Open
            });
            self.in_flight.looked(&name, &standing, awake());
        }
    }

    /// Closes an attempt that was left. Somebody who has it under way since, for it was not opened then, closes it himself.
    async fn close_one(&self, name: &Name, known: Option<LedgerClose>) -> Result<Standing, Error> {
        if let Some(known) = known
            && self.record_once(known).await?
        {
            return Ok(Standing::Over);
        }
        let (tenant, command, key, attempt) = name;
        let row = self.store.ledger_latest(tenant, command, key).await?;
        let Some(row) = row.filter(|row| row.attempt >= *attempt) else { return Ok(Standing::Missing) };
        let me = self.store.host();
        if row.attempt > *attempt || row.state != LedgerState::Open || (row.host, row.epoch) != (me.id, me.epoch) {
            return Ok(Standing::Over);
        }
        if self.in_flight.has(&row) {
            return Ok(Standing::Open);
        }
        let message = Some("the host that sent it could not record the answer".to_owned());
        let closed = self.record_once(LedgerClose { message, ..abandoned(&row) }).await?;
        Ok(if closed { Standing::Over } else { Standing::Open })
    }

    /// Writes what this host knows of an attempt and could not record when it heard it. False: there is nothing, or the database does not
    /// take it.
    pub(super) async fn record_known(&self, row: &LedgerRow) -> Result<bool, Error> {
        match self.in_flight.known(row) {
            Some(known) => self.record_once(known).await,
            None => Ok(false),
        }
    }

    /// Writes what came of an attempt, or finds that it was written before or otherwise. False: the database does not take it.
    async fn record_once(&self, close: LedgerClose) -> Result<bool, Error> {
        match self.write_outcome(close).await {
            Ok(_) | Err(Error::LedgerTransition { .. }) => Ok(true),
            Err(error) if matches!(error, Error::Fenced | Error::Closed) || error.is_of_database() => Err(error),
            Err(error) => {
                tracing::warn!("what came of an attempt is refused by the database: {error}");
                Ok(false)
            }
        }
    }
}

#[cfg(test)]
mod tests;
