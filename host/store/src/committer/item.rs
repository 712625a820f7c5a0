//! What callers hand to the committer, and what they are answered.

use std::collections::BTreeSet;

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::Error;
use crate::delivery::DeliveryName;
use crate::ledger::{LedgerClose, LedgerOpen, LedgerOpened, Name};
use crate::unit::{CommitError, Committed, Expect, InstanceWrite, StartKey, Unit};
use crate::write::begun::started;

/// What callers hand in.
pub(crate) enum Request {
    Unit(Unit, oneshot::Sender<Result<Committed, CommitError>>),
    Open(LedgerOpen, oneshot::Sender<Result<LedgerOpened, Error>>),
    Close(LedgerClose, oneshot::Sender<Result<(), Error>>),
    /// Answered when everything before it is stored; nothing is taken after it.
    Stop(oneshot::Sender<()>),
}

/// A request without its caller.
pub(super) enum Item {
    Unit(Unit),
    Open(LedgerOpen),
    Close(LedgerClose),
}

/// What a request came to.
pub(super) enum Outcome {
    Unit(Result<Committed, CommitError>),
    Open(Result<LedgerOpened, Error>),
    Close(Result<(), Error>),
}

pub(super) enum Caller {
    Unit(oneshot::Sender<Result<Committed, CommitError>>),
    Open(oneshot::Sender<Result<LedgerOpened, Error>>),
    Close(oneshot::Sender<Result<(), Error>>),
}

impl Caller {
    /// A caller that has gone away misses nothing: what was stored is stored.
    pub(super) fn answer(self, outcome: Outcome) {
        match (self, outcome) {
            (Self::Unit(caller), Outcome::Unit(outcome)) => drop(caller.send(outcome)),
            (Self::Open(caller), Outcome::Open(outcome)) => drop(caller.send(outcome)),
            (Self::Close(caller), Outcome::Close(outcome)) => drop(caller.send(outcome)),
            _ => unreachable!("outcomes are in the order of their requests"),
        }
    }
}

/// Something that requests are about. Two of one batch must not share any that [`Item::keys`] has.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Key {
    Instance(Uuid),
    /// Units that start one share it; but somebody else may have it locked.
    Definition(String),
    Start(StartKey),
    Delivery(DeliveryName),
    Ledger(Name),
}

impl Item {
    pub(super) fn keys(&self) -> Vec<Key> {
        match self {
            Self::Unit(unit) => {
                let instances = unit.instances.iter().map(|write| Key::Instance(write.id));
                let deliveries = unit.instances.iter().filter_map(|write| write.delivery).map(Key::Delivery);
                let closes = unit.closes.iter().map(|close| Key::Ledger(close.name()));
                instances.chain(unit.start_key.clone().map(Key::Start)).chain(deliveries).chain(closes).collect()
            }
            Self::Open(open) => vec![Key::Ledger(open.name())],
            Self::Close(close) => vec![Key::Ledger(close.name())],
        }
    }

    /// The rows that it may have to wait for, as far as they have names here.
    pub(super) fn rows(&self) -> Vec<Key> {
        let Self::Unit(unit) = self else { return self.keys() };
        let begun = |key: &Key| matches!(key, Key::Instance(id) if unit.instances.iter().any(|write| write.id == *id && is_new(write)));
        let definitions: BTreeSet<&String> = started(unit).collect();
        let others = self.keys().into_iter().filter(|key| !begun(key));
        others.chain(definitions.into_iter().cloned().map(Key::Definition)).collect()
    }

    /// The one that it has waited for: the only one that it can have waited for or, as a guess, the only instance of a unit that begins
    /// none.
    pub(super) fn likely_row(&self) -> Option<Key> {
        if let Self::Unit(unit) = self {
            match &unit.instances[..] {
                [write] if !is_new(write) => return Some(Key::Instance(write.id)),
                writes if writes.iter().any(|write| write.fired.is_some() || !write.messages.is_empty()) => return None,
                _ => {}
            }
        }
        <[Key; 1]>::try_from(self.rows()).ok().map(|[key]| key)
    }

    /// Whether it has left a job that is due to whoever claims it: a new one, one that an operator gave retries, one that is its instance's
    /// next, or whatever was suspended, as far as this host has not locked it to run it from memory.
    pub(super) fn leaves_work(&self, outcome: &Outcome, now: i64) -> bool {
        let (Self::Unit(unit), Outcome::Unit(Ok(committed))) = (self, outcome) else { return false };
        let is_locked = |instance, wait| committed.locked_jobs.iter().any(|job| job.instance == instance && job.wait == wait);
        unit.instances.iter().any(|write| {
            let put = write.put_jobs.iter().filter(|job| !job.behind && !job.suspended && job.retries > 0).map(|job| (job.wait, job.due));
            let revised =
                write.revise_jobs.iter().filter(|job| !job.behind && !job.suspended && job.retries > 0).map(|job| (job.wait, job.due));
            // When these are due is not known here: whoever looks in vain has lost one read.
            let turns = write.behind_jobs.iter().filter(|(_, behind)| !behind).map(|(wait, _)| (*wait, i64::MIN));
            let due = put.chain(revised).chain(turns).any(|(wait, due)| due <= now && !is_locked(write.id, wait));
            due || write.suspended == Some(false) && matches!(write.expect, Expect::Revision(_))
        })
    }

    /// The database refuses what is in it. A unit that brings what its commands came to may not be at fault: that is to be written by
    /// itself.
    pub(super) fn at_fault(&self, error: &Error) -> Outcome {
        match self {
            Self::Unit(unit) if !unit.closes.is_empty() => Outcome::Unit(Err(CommitError::NotClosed)),
            _ => self.failed(error),
        }
    }

    pub(super) fn failed(&self, error: &Error) -> Outcome {
        match self {
            Self::Unit(_) => Outcome::Unit(Err(CommitError::Database(error.clone()))),
            Self::Open(_) => Outcome::Open(Err(error.clone())),
            Self::Close(_) => Outcome::Close(Err(error.clone())),
        }
    }

    pub(super) fn fenced(&self) -> Outcome {
        match self {
            Self::Unit(_) => Outcome::Unit(Err(CommitError::Fenced)),
            Self::Open(_) => Outcome::Open(Ok(LedgerOpened::Fenced)),
            Self::Close(_) => Outcome::Close(Err(Error::Fenced)),
        }
    }
}

fn is_new(write: &InstanceWrite) -> bool {
    matches!(write.expect, Expect::New(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claim::ClaimedJob;
    use crate::rows::JobRow;
    use crate::unit::{JobRevision, Parts, State};

    /// Whether other hosts are told of a unit, at moment 100, of which this host has locked these jobs.
    fn is_said(change: impl FnOnce(&mut InstanceWrite), locked: &[i64]) -> bool {
        let id = Uuid::from_u128(7);
        let state = State::Live { snapshot: Vec::new(), parts: Parts::default() };
        let mut write = InstanceWrite::new(id, Expect::Revision(1), state);
        change(&mut write);
        let job = |wait: &i64| ClaimedJob { instance: id, wait: *wait, exclusive: true, takeovers: 0, due: 0 };
        let committed = Committed { revisions: Vec::new(), locked_jobs: locked.iter().map(job).collect() };
        let unit = Unit { id: Uuid::from_u128(1), instances: vec![write], start_key: None, newest: false, closes: Vec::new() };
        Item::Unit(unit).leaves_work(&Outcome::Unit(Ok(committed)), 100)
    }

    fn job(wait: i64, due: i64) -> JobRow {
        JobRow {
            wait,
            activity: 2,
            activity_id: "Task".into(),
            kind: "async-before".into(),
            definition_id: "p:1:x".into(),
            due,
            retries: 3,
            failures: 0,
            exclusive: true,
            priority: 0,
            suspended: false,
            behind: false,
            created: 1,
            failure: None,
            failed_activity: None,
            locked: true,
        }
    }

    #[test]
    fn others_are_told_of_every_job_that_this_host_leaves_to_them() {
        let revision = |due, retries, behind| JobRevision { wait: 3, due, retries, priority: 0, suspended: false, behind };
        // One that was to be born locked, and was not, is left like any other.
        assert!(is_said(|write| write.put_jobs = vec![job(3, 100)], &[]));
        assert!(!is_said(|write| write.put_jobs = vec![job(3, 100)], &[3]));
        assert!(is_said(|write| write.put_jobs = vec![job(3, 100), job(4, 100)], &[3]));
        assert!(!is_said(|write| write.put_jobs = vec![job(3, 101)], &[]), "it is not due");
        assert!(!is_said(|write| write.put_jobs = vec![JobRow { retries: 0, ..job(3, 1) }], &[]));
        assert!(!is_said(|write| write.put_jobs = vec![JobRow { behind: true, ..job(3, 1) }], &[]));
        assert!(is_said(|write| write.behind_jobs = vec![(3, false)], &[]), "it has become the next");
        assert!(!is_said(|write| write.behind_jobs = vec![(3, false)], &[3]));
        assert!(!is_said(|write| write.behind_jobs = vec![(3, true)], &[]));
        assert!(is_said(|write| write.revise_jobs = vec![revision(100, 1, false)], &[]), "an operator gave it retries");
        assert!(!is_said(|write| write.revise_jobs = vec![revision(101, 1, false)], &[]));
        assert!(!is_said(|write| write.revise_jobs = vec![revision(1, 0, false)], &[]));
        assert!(!is_said(|write| write.revise_jobs = vec![revision(1, 1, true)], &[]));
        let held = |suspended| JobRevision { suspended, ..revision(1, 1, false) };
        assert!(is_said(|write| write.revise_jobs = vec![held(false)], &[]), "an operator activated it");
        assert!(!is_said(|write| write.revise_jobs = vec![held(true)], &[]));
        assert!(is_said(|write| write.suspended = Some(false), &[]), "what was suspended may go on");
        assert!(!is_said(|write| write.suspended = Some(true), &[]));
        assert!(!is_said(|_| {}, &[]));
    }
}
