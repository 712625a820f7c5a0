//! Which attempts this process has under way, and which it has left open.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use mandate_store::{LedgerClose, LedgerRow, LedgerState};

use super::Issue;
use crate::Inner;

/// How long an attempt may be open before nothing else is sent: a command has five minutes at most, and then its outcome is written as soon as anything is.
/// So whoever takes over from a host that is gone finds all that it had under way among what it began in its last minutes (`close_left_open` in the store).
const LONGEST_OPEN_MS: i64 = 10 * 60 * 1_000;

/// Tenant, command, key, attempt.
type Name = (String, String, String, i64);

/// Attempts that wait for a service's answer, or for the ledger to have it. An attempt that is open and not among them was
/// left by a task that was dropped, or by one that could not record what came of it. Counted, for several units may be about to open the same attempt: those
/// that come too late must not take the mark of the one that did.
#[derive(Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<Log>>);

#[derive(Default)]
struct Log {
    /// By how many units mean to send them, and since when the first does.
    under_way: BTreeMap<Name, (u32, i64)>,
    /// What may be open and nobody here waits for, since when it is so.
    left: BTreeMap<Name, i64>,
}

impl Flights {
    /// Marks an attempt for as long as the answer lives.
    pub(super) fn take_off(&self, issue: &Issue, attempt: i64) -> Flight {
        let name = (issue.tenant.clone().unwrap_or_default(), issue.command.clone(), issue.key.clone(), attempt);
        self.mark(name, crate::clock::system_now_ms())
    }

    /// Whether somebody here means to send it, or waits for what became of it.
    pub(super) fn has(&self, row: &LedgerRow) -> bool {
        let name = (row.tenant.clone(), row.command.clone(), row.key.clone(), row.attempt);
        self.log().under_way.contains_key(&name)
    }

    /// Whether something has been open for so long that nothing else may be opened.
    pub(super) fn is_stuck(&self, now: i64) -> bool {
        let log = self.log();
        let mut since = log.under_way.values().map(|(_, since)| since).chain(log.left.values());
        since.any(|since| now.saturating_sub(*since) > LONGEST_OPEN_MS)
    }

    fn left(&self) -> Vec<Name> {
        let log = self.log();
        log.left.keys().filter(|name| !log.under_way.contains_key(name)).cloned().collect()
    }

    fn forget(&self, name: &Name) {
        self.log().left.remove(name);
    }

    fn mark(&self, name: Name, now: i64) -> Flight {
        self.log().under_way.entry(name.clone()).or_insert((0, now)).0 += 1;
        Flight { flights: self.clone(), name, landed: false }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.0.lock().expect("no holder of this lock panics")
    }
}

/// A mark. Whoever drops it without having said that it is over leaves an attempt that may be open.
pub(super) struct Flight {
    flights: Flights,
    name: Name,
    landed: bool,
}

impl Flight {
    /// The attempt was not opened by this unit, or the ledger has what came of it.
    pub(super) fn land(mut self) {
        self.landed = true;
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut log = self.flights.log();
        let Some((count, since)) = log.under_way.get_mut(&self.name) else { return };
        *count -= 1;
        let (is_last, since) = (*count == 0, *since);
        if is_last {
            log.under_way.remove(&self.name);
        }
        if !self.landed {
            log.left.insert(self.name.clone(), since);
        }
    }
}

impl Inner {
    /// Says of attempts that this host has left open that nobody knows what became of them: its own unit may never come to them again, and whoever takes over
    /// looks only at the last minutes. One that cannot be written is tried again.
    pub(crate) async fn close_left(&self) {
        for name in self.in_flight.left() {
            let (tenant, command, key, attempt) = name.clone();
            let close = LedgerClose {
                tenant,
                command,
                key,
                attempt,
                state: LedgerState::Unknown,
                reply: None,
                code: None,
                message: Some("the host that sent it could not record the answer".to_owned()),
                at: crate::clock::system_now_ms(),
                verdict: None,
                operations: Vec::new(),
            };
            match self.store.ledger_close(close).await {
                // Written before, or otherwise, or never opened.
                Ok(()) | Err(mandate_store::Error::LedgerTransition { .. }) => self.in_flight.forget(&name),
                Err(error) => {
                    tracing::warn!(command = %name.1, key = %name.2, attempt = name.3, "an attempt that is open cannot be closed yet: {error}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(key: &str) -> Name {
        (String::new(), "c@1".to_owned(), key.to_owned(), 1)
    }

    #[test]
    fn a_unit_that_comes_too_late_for_an_attempt_leaves_the_mark_of_the_one_that_sends_it() {
        let flights = Flights::default();
        let (sends, late) = (flights.mark(name("k"), 5), flights.mark(name("k"), 7));
        late.land();
        assert!(flights.log().under_way.contains_key(&name("k")));
        sends.land();
        assert!(flights.log().under_way.is_empty() && flights.left().is_empty());
    }

    #[test]
    fn what_is_dropped_is_left_until_it_is_closed_and_nobody_has_it_under_way() {
        let flights = Flights::default();
        let (dropped, other) = (flights.mark(name("k"), 5), flights.mark(name("k"), 7));
        drop(dropped);
        assert!(flights.left().is_empty(), "somebody still waits for it");
        other.land();
        assert_eq!(flights.left(), [name("k")]);
        flights.forget(&name("k"));
        assert!(flights.left().is_empty());
    }

    #[test]
    fn nothing_is_sent_beside_what_has_been_open_for_too_long() {
        let flights = Flights::default();
        let flight = flights.mark(name("k"), 5);
        flights.mark(name("l"), 5 + LONGEST_OPEN_MS).land();
        assert!(!flights.is_stuck(5 + LONGEST_OPEN_MS) && flights.is_stuck(6 + LONGEST_OPEN_MS));
        drop(flight);
        assert!(flights.is_stuck(6 + LONGEST_OPEN_MS), "it is open, whether or not anybody waits");
        flights.forget(&name("k"));
        assert!(!flights.is_stuck(6 + LONGEST_OPEN_MS));
    }
}
