//! Which attempts this process has under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use mandate_store::LedgerRow;

use super::Issue;

/// Tenant, command, key, attempt.
type Name = (String, String, String, i64);

/// Attempts that wait for a service's answer, or for the ledger to have it, by how many units mean to send them. An attempt that is open and not among them was
/// left by a task that was dropped. Counted, for several units may be about to open the same attempt: those that come too late must not take the mark of the one
/// that did.
#[derive(Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<Name, u32>>>);

impl Flights {
    /// Marks an attempt for as long as the answer lives.
    pub(super) fn take_off(&self, issue: &Issue, attempt: i64) -> Flight {
        self.mark((issue.tenant.clone().unwrap_or_default(), issue.command.clone(), issue.key.clone(), attempt))
    }

    /// Whether somebody here means to send it, or waits for what became of it.
    pub(super) fn has(&self, row: &LedgerRow) -> bool {
        let name = (row.tenant.clone(), row.command.clone(), row.key.clone(), row.attempt);
        self.0.lock().expect("no holder of this lock panics").contains_key(&name)
    }

    fn mark(&self, name: Name) -> Flight {
        *self.0.lock().expect("no holder of this lock panics").entry(name.clone()).or_default() += 1;
        Flight { flights: self.clone(), name }
    }
}

/// A mark.
pub(super) struct Flight {
    flights: Flights,
    name: Name,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock().expect("no holder of this lock panics");
        if let Some(count) = flights.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                flights.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_that_comes_too_late_for_an_attempt_leaves_the_mark_of_the_one_that_sends_it() {
        let flights = Flights::default();
        let name = || (String::new(), "c@1".to_owned(), "k".to_owned(), 1);
        let (sends, late) = (flights.mark(name()), flights.mark(name()));
        drop(late);
        assert!(flights.0.lock().expect("not poisoned").contains_key(&name()));
        drop(sends);
        assert!(flights.0.lock().expect("not poisoned").is_empty());
    }
}
