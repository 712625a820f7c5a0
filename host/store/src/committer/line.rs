//! Requests that wait for the committer, and which of them share a transaction.

use std::collections::{HashSet, VecDeque};

use tokio::sync::oneshot;

use super::item::{Caller, Item, Request};

/// Units in one transaction. More would not make a unit cheaper and would make all of them wait.
pub(super) const BATCH: usize = 256;

pub(super) fn take(request: Request, waiting: &mut VecDeque<(Item, Caller)>, stopped: &mut Option<oneshot::Sender<()>>) {
    match request {
        Request::Unit(unit, caller) => waiting.push_back((Item::Unit(unit), Caller::Unit(caller))),
        Request::Open(open, caller) => waiting.push_back((Item::Open(open), Caller::Open(caller))),
        Request::Close(close, caller) => waiting.push_back((Item::Close(close), Caller::Close(caller))),
        Request::Stop(caller) => *stopped = Some(caller),
    }
}

/// Takes requests that share nothing, in order; one that shares something with an earlier one stays, and so does what shares something
/// with it.
pub(super) fn next_batch(waiting: &mut VecDeque<(Item, Caller)>) -> (Vec<Item>, Vec<Caller>) {
    let mut touched = HashSet::new();
    let (mut items, mut callers, mut later) = (Vec::new(), Vec::new(), VecDeque::new());
    for (item, caller) in waiting.drain(..) {
        let keys = item.keys();
        let free = keys.iter().all(|key| !touched.contains(key));
        touched.extend(keys);
        if free && items.len() < BATCH {
            items.push(item);
            callers.push(caller);
        } else {
            later.push_back((item, caller));
        }
    }
    *waiting = later;
    (items, callers)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::unit::{Beside, Expect, InstanceWrite, State, Unit};

    fn unit(n: u128, instance: u128) -> (Item, Caller) {
        let write = InstanceWrite::new(Uuid::from_u128(instance), Expect::Revision(1), State::Ended { beside: Beside::ALL });
        let unit = Unit { id: Uuid::from_u128(n), instances: vec![write], start_key: None, newest: false, closes: Vec::new() };
        (Item::Unit(unit), Caller::Unit(oneshot::channel().0))
    }

    fn ids(items: &[Item]) -> Vec<u128> {
        items.iter().map(|item| if let Item::Unit(unit) = item { unit.id.as_u128() } else { 0 }).collect()
    }

    #[test]
    fn units_of_one_instance_are_stored_one_after_the_other_in_order() {
        let mut waiting = VecDeque::from([unit(1, 7), unit(2, 8), unit(3, 7), unit(4, 7), unit(5, 9)]);
        assert_eq!(ids(&next_batch(&mut waiting).0), [1, 2, 5]);
        assert_eq!(ids(&next_batch(&mut waiting).0), [3]);
        assert_eq!(ids(&next_batch(&mut waiting).0), [4]);
    }

    #[test]
    fn a_batch_has_a_limit() {
        let mut waiting: VecDeque<_> = (0..300).map(|n| unit(n, n)).collect();
        assert_eq!(next_batch(&mut waiting).0.len(), BATCH);
        assert_eq!(next_batch(&mut waiting).0.len(), 300 - BATCH);
    }
}
