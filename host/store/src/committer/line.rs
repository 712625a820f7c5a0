//! Requests that wait for the committer, and which of them share a transaction.

use std::collections::{HashMap, HashSet, VecDeque};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::QUEUE;
use super::item::{Caller, Item, Key, Outcome, Request};
use crate::unit::{CommitError, Expect, InstanceWrite, State};

/// Units in one transaction. More would not make a unit cheaper and would make all of them wait.
pub(super) const BATCH: usize = 256;

/// Requests that the committer has taken and not yet tried. As a rule there are none: what it takes goes into its next transaction, but for
/// what shares an instance, or anything else, with something that does.
#[derive(Default)]
pub(super) struct Line {
    waiting: VecDeque<(Item, Caller)>,
    /// Nothing is taken any more, and who is told when nothing is left.
    stopped: Option<oneshot::Sender<()>>,
}

/// Requests of one transaction.
#[derive(Default)]
struct Together {
    touched: HashSet<Key>,
    items: Vec<Item>,
    callers: Vec<Caller>,
}

impl Line {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Who waits for the end.
    pub(super) fn into_stopped(self) -> Option<oneshot::Sender<()>> {
        self.stopped
    }

    pub(super) fn take(&mut self, request: Request) {
        let taken = self.taken(request);
        self.waiting.extend(taken);
    }

    fn taken(&mut self, request: Request) -> Option<(Item, Caller)> {
        match request {
            Request::Unit(unit, caller) => Some((Item::Unit(unit), Caller::Unit(caller))),
            Request::Open(open, caller) => Some((Item::Open(open), Caller::Open(caller))),
            Request::Close(close, caller) => Some((Item::Close(close), Caller::Close(caller))),
            Request::Stop(caller) => {
                self.stopped = Some(caller);
                None
            }
        }
    }

    /// Requests that share nothing, in order: of those that wait and then of those that come. One that shares something with an earlier one
    /// stays, and so does what shares something with it; so many that stay keep no other request from its transaction.
    pub(super) fn next_batch(&mut self, mut come: impl FnMut() -> Option<Request>) -> (Vec<Item>, Vec<Caller>) {
        let mut together = Together::default();
        for (item, caller) in std::mem::take(&mut self.waiting) {
            self.waiting.extend(together.take(item, caller));
        }
        while together.items.len() < BATCH
            && self.waiting.len() < QUEUE
            && !self.is_stopped()
            && let Some(request) = come()
        {
            let stays = self.taken(request).and_then(|(item, caller)| together.take(item, caller));
            self.waiting.extend(stays);
        }
        (together.items, together.callers)
    }

    /// Answers those that wait and are too late for sure, as what came of others tells, without a transaction. What brings outcomes of
    /// commands stays: they are written even so.
    pub(super) fn answer_overtaken(&mut self, items: &[Item], outcomes: &[Outcome]) {
        if self.is_empty() {
            return;
        }
        let revisions = revisions(items, outcomes);
        for (item, caller) in std::mem::take(&mut self.waiting) {
            match overtaken(&item, &revisions) {
                Some(late) => caller.answer(Outcome::Unit(Err(late))),
                None => self.waiting.push_back((item, caller)),
            }
        }
    }
}

impl Together {
    /// Takes a request, or gives it back.
    fn take(&mut self, item: Item, caller: Caller) -> Option<(Item, Caller)> {
        let keys = item.keys();
        let free = keys.iter().all(|key| !self.touched.contains(key));
        self.touched.extend(keys);
        if free && self.items.len() < BATCH {
            self.items.push(item);
            self.callers.push(caller);
            return None;
        }
        Some((item, caller))
    }
}

/// Which revisions instances have at least, as far as what came of requests tells; none: they have ended.
fn revisions(items: &[Item], outcomes: &[Outcome]) -> HashMap<Uuid, Option<i64>> {
    let mut revisions = HashMap::new();
    for pair in items.iter().zip(outcomes) {
        let (Item::Unit(unit), Outcome::Unit(outcome)) = pair else { continue };
        match outcome {
            Ok(_) => revisions.extend(unit.instances.iter().map(|write| (write.id, next(write)))),
            // Of one with other instances or with jobs that it has taken along, it may have been these.
            Err(why @ (CommitError::Conflict | CommitError::Gone)) => {
                if let [write] = &unit.instances[..]
                    && write.taken_jobs.is_empty()
                    && let Expect::Revision(expected) = write.expect
                {
                    revisions.insert(write.id, matches!(why, CommitError::Conflict).then_some(expected + 1));
                }
            }
            Err(_) => {}
        }
    }
    revisions
}

/// The revision that a write brings its instance to; none: it ends it.
fn next(write: &InstanceWrite) -> Option<i64> {
    match (&write.state, &write.expect) {
        (State::Ended { .. }, _) => None,
        (State::Live { .. }, Expect::New(_)) => Some(1),
        (State::Live { .. }, Expect::Revision(before)) => Some(before + 1),
    }
}

/// Why a unit cannot be stored any more, as far as these revisions tell.
fn overtaken(item: &Item, revisions: &HashMap<Uuid, Option<i64>>) -> Option<CommitError> {
    let Item::Unit(unit) = item else { return None };
    if !unit.closes.is_empty() {
        return None;
    }
    unit.instances.iter().find_map(|write| match (&write.expect, revisions.get(&write.id)?) {
        (Expect::Revision(expected), Some(revision)) if expected < revision => Some(CommitError::Conflict),
        (Expect::Revision(_), None) => Some(CommitError::Gone),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{LedgerClose, LedgerState};
    use crate::unit::{Beside, Committed, Parts, Unit};

    type Answer = oneshot::Receiver<Result<Committed, CommitError>>;

    /// A unit that expects revision 1.
    fn item(n: u128, instance: u128) -> (Request, Answer) {
        let state = State::Live { snapshot: Vec::new(), parts: Parts::default() };
        let write = InstanceWrite::new(Uuid::from_u128(instance), Expect::Revision(1), state);
        let unit = Unit { id: Uuid::from_u128(n), instances: vec![write], start_key: None, newest: false, closes: Vec::new() };
        let (caller, answer) = oneshot::channel();
        (Request::Unit(unit, caller), answer)
    }

    fn unit(n: u128, instance: u128) -> Request {
        item(n, instance).0
    }

    fn line(units: impl IntoIterator<Item = Request>) -> Line {
        let mut line = Line::default();
        units.into_iter().for_each(|unit| line.take(unit));
        line
    }

    fn ids(items: &[Item]) -> Vec<u128> {
        items.iter().map(|item| if let Item::Unit(unit) = item { unit.id.as_u128() } else { 0 }).collect()
    }

    fn next(line: &mut Line) -> Vec<u128> {
        ids(&line.next_batch(|| None).0)
    }

    #[test]
    fn units_of_one_instance_are_stored_one_after_the_other_in_order() {
        let mut line = line([unit(1, 7), unit(2, 8), unit(3, 7), unit(4, 7), unit(5, 9)]);
        assert_eq!(next(&mut line), [1, 2, 5]);
        assert_eq!(next(&mut line), [3]);
        assert_eq!(next(&mut line), [4]);
        assert!(line.is_empty());
    }

    #[test]
    fn a_batch_has_a_limit() {
        let mut line = line((0..300).map(|n| unit(n, n)));
        assert_eq!(next(&mut line).len(), BATCH);
        assert_eq!(next(&mut line).len(), 300 - BATCH);
    }

    #[test]
    fn units_that_wait_for_their_instance_keep_back_no_others() {
        let mut line = line((0..400).map(|n| unit(n, 7)));
        let mut others = (1_000..1_300).map(|n| unit(n, n));
        let first = ids(&line.next_batch(|| others.next()).0);
        assert_eq!((first.len(), first[0], first[1]), (BATCH, 0, 1_000));
        let second = ids(&line.next_batch(|| others.next()).0);
        assert_eq!((second.len(), second[0], second[45]), (46, 1, 1_299));
        // As many of them as wait to be handed in, and no more.
        let mut hot = (0..).map(|n| unit(n, 7));
        assert_eq!(line.next_batch(|| hot.next()).0.len(), 1);
        assert_eq!(line.len(), QUEUE);
    }

    #[test]
    fn nothing_is_taken_behind_the_stop() {
        let mut line = line([unit(1, 7), unit(2, 7)]);
        let (stopped, _end) = oneshot::channel();
        let mut come = [unit(3, 8), Request::Stop(stopped), unit(4, 9)].into_iter();
        assert_eq!(ids(&line.next_batch(|| come.next()).0), [1, 3]);
        assert!(line.is_stopped());
        assert_eq!(ids(&line.next_batch(|| come.next()).0), [2]);
        assert!(line.is_empty());
    }

    #[test]
    fn who_is_too_late_for_sure_is_told_without_a_transaction() {
        for stored in [true, false] {
            let (late, mut told) = item(2, 7);
            let mut line = line([unit(1, 7), late, unit(3, 8)]);
            let (items, _callers) = line.next_batch(|| None);
            let (behind, mut of_other) = item(4, 8);
            line.take(behind);
            // Either the first is stored, or it was too late itself; of the other nobody knows.
            let first = if stored { Ok(Committed::default()) } else { Err(CommitError::Conflict) };
            line.answer_overtaken(&items, &[Outcome::Unit(first), Outcome::Unit(Err(CommitError::NotClosed))]);
            assert!(matches!(told.try_recv(), Ok(Err(CommitError::Conflict))));
            assert!(of_other.try_recv().is_err());
            assert_eq!(next(&mut line), [4]);
        }
    }

    #[test]
    fn who_may_not_be_too_late_or_brings_outcomes_is_tried() {
        let write = |revision, state| InstanceWrite::new(Uuid::from_u128(7), Expect::Revision(revision), state);
        let live = || State::Live { snapshot: Vec::new(), parts: Parts::default() };
        let ended = || State::Ended { beside: Beside::ALL };
        let unit = |write, closes| Item::Unit(Unit { id: Uuid::nil(), instances: vec![write], start_key: None, newest: false, closes });
        let close = LedgerClose {
            tenant: String::new(),
            command: "c@1".into(),
            key: "k".into(),
            attempt: 1,
            state: LedgerState::Applied,
            reply: None,
            code: None,
            message: None,
            at: 1,
            verdict: None,
            operations: Vec::new(),
        };
        let after = |write, outcome| revisions(&[unit(write, Vec::new())], &[Outcome::Unit(outcome)]);
        let ends = after(write(1, ended()), Ok(Committed::default()));
        assert!(matches!(overtaken(&unit(write(1, live()), Vec::new()), &ends), Some(CommitError::Gone)));
        assert!(overtaken(&unit(write(1, live()), vec![close]), &ends).is_none());
        let goes_on = after(write(1, live()), Ok(Committed::default()));
        assert!(matches!(overtaken(&unit(write(1, live()), Vec::new()), &goes_on), Some(CommitError::Conflict)));
        assert!(overtaken(&unit(write(2, live()), Vec::new()), &goes_on).is_none());
        let takes_along = InstanceWrite { taken_jobs: vec![3], ..write(1, live()) };
        assert!(after(takes_along, Err(CommitError::Conflict)).is_empty(), "the job may be another host's");
    }
}
