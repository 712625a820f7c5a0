//! Rows that somebody else has locked, as far as requests have waited for them in vain.
//!
//! Whoever waits in a transaction of the committer has everybody wait. So a request that has, alone, is handed back, and for a while so is
//! every other one for the same row, without a transaction. Then the next one is tried, by itself and hardly waiting.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::item::{Item, Key};
use crate::Error;

/// For so long nobody waits again for a row that somebody has waited for in vain: ten times as long as whoever tries then waits.
const PAUSE: Duration = Duration::from_millis(500);

/// After so long nobody has asked for the row any more, and it is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(10);

/// The rows that are known.
#[derive(Default)]
pub(super) struct Stuck(HashMap<Key, Row>);

struct Row {
    /// It is not tried before.
    until: Instant,
    /// What whoever has waited was told.
    error: Error,
}

impl Stuck {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A request has waited in vain, alone, most likely for this row: where it was another one, the next request for it is tried soon.
    pub(super) fn note(&mut self, item: &Item, error: &Error, now: Instant) {
        self.0.retain(|_, row| row.until + FORGOTTEN > now);
        if let Some(key) = item.likely_row() {
            self.0.insert(key, Row { until: now + PAUSE, error: error.clone() });
        }
    }

    /// These requests have waited for nothing, or not in vain.
    pub(super) fn passed(&mut self, items: &[&Item]) {
        if self.is_empty() {
            return;
        }
        for key in items.iter().flat_map(|item| item.rows()) {
            self.0.remove(&key);
        }
    }

    /// Whether a request is for such a row.
    pub(super) fn has(&self, item: &Item) -> bool {
        !self.is_empty() && item.rows().iter().any(|key| self.0.contains_key(key))
    }

    /// Why a request is not tried at this moment; or, with none, at any.
    pub(super) fn refusal(&self, item: &Item, now: Option<Instant>) -> Option<Error> {
        let rows = item.rows();
        rows.iter().filter_map(|key| self.0.get(key)).find(|row| now.is_none_or(|now| row.until > now)).map(|row| row.error.clone())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::delivery::DeliveryName;
    use crate::unit::{Beside, Expect, FiredTimer, InstanceHead, InstanceWrite, State, Unit};

    fn unit(writes: Vec<InstanceWrite>) -> Item {
        Item::Unit(Unit { id: Uuid::nil(), instances: writes, start_key: None, newest: false, closes: Vec::new() })
    }

    fn step(instance: u128) -> InstanceWrite {
        InstanceWrite::new(Uuid::from_u128(instance), Expect::Revision(1), State::Ended { beside: Beside::ALL })
    }

    fn start(instance: u128, definition: &str) -> InstanceWrite {
        let head = InstanceHead {
            tenant: None,
            definition_id: definition.into(),
            business_key: None,
            started_at: 1,
            started_by: None,
            called_by: None,
        };
        InstanceWrite { expect: Expect::New(head), ..step(instance) }
    }

    #[test]
    fn who_asks_for_a_row_that_somebody_has_waited_for_in_vain_is_told_so_for_a_while() {
        let (mut stuck, now) = (Stuck::default(), Instant::now());
        let error = Error::Connection("it is locked".into());
        stuck.note(&unit(vec![step(7)]), &error, now);
        stuck.note(&unit(vec![start(8, "p:1:x")]), &error, now);
        let both = || unit(vec![step(6), step(7)]);
        for item in [both(), unit(vec![step(7)]), unit(vec![start(9, "p:1:x")]), unit(vec![step(6), start(9, "p:1:x")])] {
            assert!(stuck.has(&item) && stuck.refusal(&item, Some(now)).is_some());
            assert!(stuck.refusal(&item, Some(now + PAUSE)).is_none(), "then it is tried");
        }
        for item in [unit(vec![step(8)]), unit(vec![start(7, "q:1:x")])] {
            assert!(!stuck.has(&item) && stuck.refusal(&item, Some(now)).is_none());
        }
        stuck.passed(&[&both()]);
        assert!(!stuck.has(&unit(vec![step(7)])));
        stuck.note(&unit(vec![step(5)]), &error, now + PAUSE + FORGOTTEN);
        assert!(!stuck.has(&unit(vec![start(9, "p:1:x")])), "nobody has asked for it");
    }

    #[test]
    fn where_it_may_have_been_another_row_nobody_is_kept_back() {
        let (mut stuck, now) = (Stuck::default(), Instant::now());
        let error = Error::Connection("it is locked".into());
        let fired = InstanceWrite { fired: Some(FiredTimer { id: Uuid::nil(), firing: 1, at: 1, next: None }), ..start(7, "p:1:x") };
        for item in [unit(vec![step(6), step(7)]), unit(vec![step(6), start(7, "p:1:x")]), unit(vec![fired])] {
            stuck.note(&item, &error, now);
        }
        assert!(stuck.is_empty());
        // What is beside an instance is, as a rule, locked with it.
        let delivered = unit(vec![InstanceWrite { delivery: Some(DeliveryName { signal: Uuid::nil(), n: 1 }), ..step(7) }]);
        stuck.note(&delivered, &error, now);
        for item in [delivered, unit(vec![step(7)])] {
            assert!(stuck.refusal(&item, Some(now)).is_some() && stuck.refusal(&item, Some(now + PAUSE)).is_none());
        }
    }
}
