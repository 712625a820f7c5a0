//! Group commit: units of work and ledger entries of many callers in one transaction.
//!
//! The committer takes what is there and does not wait for more; while it commits, the next batch collects. Only under load does it let
//! [`PACE`] pass between two transactions: then every unit waits a little, and all of them share fewer transactions. A transaction:
//!
//! 1. This host's epoch must hold; its row is kept until the commit, so that a takeover must wait. On SQLite, where nobody can take over,
//!    it is known from the transaction before ([`Memory`]). On PostgreSQL the transaction leaves its trace ([`crate::trace`]), and none if
//!    what the transaction before has found does not hold any more: then all of it fails, and is begun again with a question.
//! 2. Ledger entries are checked against their waits, and written with those that units bring; start keys are claimed.
//! 3. Instances are written, in the order of their ids, if they are at the revision that their unit began from. A unit that is too late is
//!    left out; its neighbours go on. Then every other table is written by one statement; on PostgreSQL, and with few requests on SQLite,
//!    several of these go to the database together.
//! 4. COMMIT. Answers follow it.
//!
//! A transaction that fails because of what is in it, or waits for somebody else's lock for too long, is bisected until the unit at fault
//! stands alone; its neighbours go on. One that fails for other reasons is begun again. When the connection is lost around the COMMIT, the
//! transaction's trace is looked for before anybody is answered: what was stored is never called failed and never stored twice.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use uuid::Uuid;

use crate::config::HistoryLevel;
use crate::db::{CommitFailure, Dialect, Lane, Meter, Tx};
use crate::delivery::DeliveryName;
use crate::hosts::Held;
use crate::lease::Lease;
use crate::ledger::{self, LedgerClose, LedgerOpen, LedgerOpened, Name};
use crate::lock::FileLock;
use crate::trace::{self, Fate};
use crate::unit::{CommitError, Committed, Expect, StartKey, Unit};
use crate::wake::Wake;
use crate::write::begun::{self, Begun, Memory};
use crate::write::now_ms;
use crate::{Error, Store, write};

/// Requests that wait for the committer; beyond it callers wait to hand theirs in.
pub(crate) const QUEUE: usize = 4_096;

/// Units in one transaction. More would not make a unit cheaper and would make all of them wait.
const BATCH: usize = 256;

/// Under load a transaction is begun no sooner than this after the one before it. What it costs a unit is little beside what it waits for a
/// core then; what it saves is most of the statements, and on SQLite most of the pages that are written again and again.
const PACE: Duration = Duration::from_millis(5);

/// So many requests in one transaction are load. Fewer callers than that are answered as soon as possible.
const LOAD: usize = 8;

/// How long a transaction is begun again after deadlocks and lost connections before its units are told.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// In a batch that has waited in vain for a lock each part is tried once more. Longer than others' transactions last that are not at fault
/// either, and short enough for as many tries as a search takes.
const HARDLY_WAITS: &str = "SET LOCAL lock_timeout = '50ms'";

/// Pause before a transaction is begun again, doubled each time up to the second.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(5);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What callers hand in.
pub(crate) enum Request {
    Unit(Unit, oneshot::Sender<Result<Committed, CommitError>>),
    Open(LedgerOpen, oneshot::Sender<Result<LedgerOpened, Error>>),
    Close(LedgerClose, oneshot::Sender<Result<(), Error>>),
    /// Answered when everything before it is stored; nothing is taken after it.
    Stop(oneshot::Sender<()>),
}

impl Store {
    /// Stores a unit of work: all of it or nothing, durably before it answers.
    pub async fn commit(&self, unit: Unit) -> Result<Committed, CommitError> {
        unit.check()?;
        if self.inner().lease.is_fenced() {
            return Err(CommitError::Fenced);
        }
        let (answer, wait) = oneshot::channel();
        self.inner().committer.send(Request::Unit(unit, answer)).await.map_err(|_| Error::Closed)?;
        wait.await.map_err(|_| Error::Closed)?
    }
}

/// A request without its caller.
enum Item {
    Unit(Unit),
    Open(LedgerOpen),
    Close(LedgerClose),
}

/// What a request came to.
enum Outcome {
    Unit(Result<Committed, CommitError>),
    Open(Result<LedgerOpened, Error>),
    Close(Result<(), Error>),
}

enum Caller {
    Unit(oneshot::Sender<Result<Committed, CommitError>>),
    Open(oneshot::Sender<Result<LedgerOpened, Error>>),
    Close(oneshot::Sender<Result<(), Error>>),
}

impl Caller {
    /// A caller that has gone away misses nothing: what was stored is stored.
    fn answer(self, outcome: Outcome) {
        match (self, outcome) {
            (Self::Unit(caller), Outcome::Unit(outcome)) => drop(caller.send(outcome)),
            (Self::Open(caller), Outcome::Open(outcome)) => drop(caller.send(outcome)),
            (Self::Close(caller), Outcome::Close(outcome)) => drop(caller.send(outcome)),
            _ => unreachable!("outcomes are in the order of their requests"),
        }
    }
}

/// What two requests of one batch must not share.
#[derive(PartialEq, Eq, Hash)]
enum Key {
    Instance(Uuid),
    Start(StartKey),
    Delivery(DeliveryName),
    Ledger(Name),
}

impl Item {
    fn keys(&self) -> Vec<Key> {
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

    /// Whether it has left a job that is due to whoever claims it: a new one, one that an operator gave retries, one that is its instance's
    /// next, or whatever was suspended, as far as this host has not locked it to run it from memory.
    fn leaves_work(&self, outcome: &Outcome, now: i64) -> bool {
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
    fn at_fault(&self, error: &Error) -> Outcome {
        match self {
            Self::Unit(unit) if !unit.closes.is_empty() => Outcome::Unit(Err(CommitError::NotClosed)),
            _ => self.failed(error),
        }
    }

    fn failed(&self, error: &Error) -> Outcome {
        match self {
            Self::Unit(_) => Outcome::Unit(Err(CommitError::Database(error.clone()))),
            Self::Open(_) => Outcome::Open(Err(error.clone())),
            Self::Close(_) => Outcome::Close(Err(error.clone())),
        }
    }

    fn fenced(&self) -> Outcome {
        match self {
            Self::Unit(_) => Outcome::Unit(Err(CommitError::Fenced)),
            Self::Open(_) => Outcome::Open(Ok(LedgerOpened::Fenced)),
            Self::Close(_) => Outcome::Close(Err(Error::Fenced)),
        }
    }
}

/// What a transaction holds before its commit.
struct Written {
    /// In the order of the requests.
    outcomes: Vec<Outcome>,
    /// Requests that changed something.
    stored: usize,
}

/// How one transaction ended.
enum Attempt {
    Done(Vec<Outcome>),
    /// Nothing was stored and nothing is at fault.
    Again(Error),
    /// Nothing was stored: some ledger entries could not be written, and it is to be found out which.
    Short,
    Fenced,
}

/// The task that writes.
pub(crate) struct Committer {
    lane: Lane,
    /// As [`trace::fate`] has it.
    witness: Lane,
    lease: Arc<Lease>,
    /// Transactions that were begun.
    nth: i64,
    memory: Memory,
    history: HistoryLevel,
    meter: Arc<Meter>,
    /// The file is this process's until the last unit is stored.
    _lock: Option<Arc<FileLock>>,
    wake: Arc<Wake>,
}

impl Committer {
    pub(crate) fn new(
        lane: Lane,
        witness: Lane,
        lease: Arc<Lease>,
        history: HistoryLevel,
        meter: Arc<Meter>,
        lock: Option<Arc<FileLock>>,
        wake: Arc<Wake>,
    ) -> Self {
        Self { lane, witness, lease, nth: 0, memory: Memory::default(), history, meter, _lock: lock, wake }
    }

    /// Works until the store is closed or dropped.
    pub(crate) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut waiting: VecDeque<(Item, Caller)> = VecDeque::new();
        let mut stopped = None;
        // When the last transaction of many requests was begun.
        let mut loaded: Option<Instant> = None;
        loop {
            if waiting.is_empty() {
                match requests.recv().await {
                    Some(request) => take(request, &mut waiting, &mut stopped),
                    None => break,
                }
            }
            if let Some(begun) = loaded.filter(|_| waiting.len() < BATCH) {
                tokio::time::sleep_until(begun + PACE).await;
            }
            while waiting.len() < BATCH
                && stopped.is_none()
                && let Ok(request) = requests.try_recv()
            {
                take(request, &mut waiting, &mut stopped);
            }
            if stopped.is_some() {
                requests.close();
            }
            let (items, callers) = next_batch(&mut waiting);
            loaded = (items.len() >= LOAD).then(Instant::now);
            let outcomes = self.settle(&items, None).await;
            for (caller, outcome) in callers.into_iter().zip(outcomes) {
                caller.answer(outcome);
            }
            if stopped.is_some() && waiting.is_empty() {
                break;
            }
        }
        if let Some(stopped) = stopped {
            // What slipped in behind the stop hears that the store is closed, by its dropped answer.
            let _: Result<(), ()> = stopped.send(());
        }
    }

    /// Stores what can be stored, and says for each request what it came to. Where some are looked for that wait for somebody else's lock,
    /// no longer than until this moment.
    fn settle<'a>(&'a mut self, items: &'a [Item], search: Option<Instant>) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            if items.is_empty() {
                return Vec::new();
            }
            let begun = Instant::now();
            let mut pause = FIRST_PAUSE;
            let mut entries = ledger::Write::Counting;
            loop {
                let error = match self.attempt(items, entries, search.is_some()).await {
                    Ok(Attempt::Done(outcomes)) => return outcomes,
                    Ok(Attempt::Short) => {
                        entries = ledger::Write::Naming;
                        continue;
                    }
                    Ok(Attempt::Fenced) => return items.iter().map(Item::fenced).collect(),
                    Ok(Attempt::Again(error)) => error,
                    // It has waited long enough, with the others of its batch.
                    Err(error) if error.is_of_lock() && search.is_some_and(|until| items.len() == 1 || Instant::now() >= until) => {
                        return items.iter().map(|item| item.failed(&error)).collect();
                    }
                    Err(error) if error.is_passing() && (!error.is_of_lock() || items.len() == 1) => error,
                    Err(error) if items.len() == 1 => return vec![items[0].at_fault(&error)],
                    Err(error) => {
                        tracing::debug!(units = items.len(), "a transaction is bisected: {error}");
                        let search = search.or_else(|| error.is_of_lock().then(|| Instant::now() + PATIENCE));
                        let (left, right) = items.split_at(items.len() / 2);
                        let mut outcomes = self.settle(left, search).await;
                        outcomes.extend(self.settle(right, search).await);
                        return outcomes;
                    }
                };
                if begun.elapsed() >= PATIENCE {
                    return items.iter().map(|item| item.failed(&error)).collect();
                }
                Meter::add(&self.meter.retries, 1);
                tracing::debug!("a transaction is begun again: {error}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        })
    }

    /// One transaction, or two, where the first rested on what does not hold.
    async fn attempt(&mut self, items: &[Item], entries: ledger::Write, searches: bool) -> Result<Attempt, Error> {
        match self.attempt_once(items, entries, searches).await {
            Err(error) if error.is_unfounded() && self.memory.forget() => self.attempt_once(items, entries, searches).await,
            ended => ended,
        }
    }

    /// One transaction; in a search for what waits for a lock, one that hardly waits for any.
    async fn attempt_once(&mut self, items: &[Item], entries: ledger::Write, searches: bool) -> Result<Attempt, Error> {
        self.nth += 1;
        let mut tx = self.lane.begin().await?;
        if searches && tx.dialect == Dialect::Postgres {
            tx.execute(HARDLY_WAITS, Vec::new()).await?;
        }
        // On SQLite what is gathered is another text for each number of rows.
        if items.len() < LOAD || tx.dialect == Dialect::Postgres {
            tx.gather();
        }
        let me = self.lease.host;
        let units = items.iter().filter_map(|item| if let Item::Unit(unit) = item { Some(unit) } else { None });
        let (held, definitions) = match begun::begin(&mut tx, me, self.nth, units, &mut self.memory).await {
            Ok(begun) => begun,
            Err(error) => {
                tx.rollback().await;
                return Err(error);
            }
        };
        let begun = match held {
            Held::Valid { job_definitions } => Begun { job_definitions, definitions },
            Held::Expired => {
                tx.rollback().await;
                // Nobody has taken over: this host was merely slow, and may go on if it can still renew.
                let renewed = self.lease.renew().await?;
                let expired = Error::Connection("the lease had run out and was renewed".to_owned());
                return Ok(if renewed { Attempt::Again(expired) } else { Attempt::Fenced });
            }
            Held::Over => {
                tx.rollback().await;
                self.lease.fence();
                return Ok(Attempt::Fenced);
            }
        };
        let written = match self.write(&mut tx, items, entries, begun).await {
            Ok(Some(written)) => written,
            Ok(None) => {
                tx.rollback().await;
                return Ok(Attempt::Short);
            }
            Err(error) => {
                tx.rollback().await;
                return Err(error);
            }
        };
        if written.stored == 0 {
            tx.rollback().await;
        } else if let Some(ended) = self.commit(tx, items).await? {
            return Ok(ended);
        }
        Meter::add(&self.meter.units, written.stored);
        let now = now_ms();
        if items.iter().zip(&written.outcomes).any(|(item, outcome)| item.leaves_work(outcome, now)) {
            self.wake.say();
        }
        Ok(Attempt::Done(written.outcomes))
    }

    /// Writes what can be written of all requests, in a transaction that has begun. None: it is to be begun again, naming its entries.
    async fn write(&self, tx: &mut Tx, items: &[Item], entries: ledger::Write, begun: Begun) -> Result<Option<Written>, Error> {
        let me = self.lease.host;
        let (mut units, mut opens, mut closes) = (Vec::new(), Vec::new(), Vec::new());
        for item in items {
            match item {
                Item::Unit(unit) => units.push(unit),
                Item::Open(open) => opens.push(open),
                Item::Close(close) => closes.push(close),
            }
        }
        // Entries first: whether their waits exist is asked of the state before the units of the same transaction.
        let Some(opened) = ledger::open_all(tx, me, entries, &opens).await? else { return Ok(None) };
        let brought = units.iter().flat_map(|unit| &unit.closes);
        let all: Vec<&LedgerClose> = closes.iter().copied().chain(brought).collect();
        let Some(mut closed) = ledger::close_all(tx, self.history, entries, &all).await? else { return Ok(None) };
        let entries = opened.iter().filter(|answer| matches!(answer, LedgerOpened::Opened { .. })).count()
            + closed.iter().filter(|answer| answer.is_ok()).count();
        let mut brought = closed.split_off(closes.len()).into_iter();
        let are_closed = units.iter().map(|unit| brought.by_ref().take(unit.closes.len()).fold(true, |all, one| all & one.is_ok()));
        let are_closed: Vec<bool> = are_closed.collect();
        let storable: Vec<&Unit> = units.iter().zip(&are_closed).filter(|(_, closed)| **closed).map(|(unit, _)| *unit).collect();
        let answered = write::units(tx, me, self.history, &storable, begun).await?;
        let stored = entries + answered.iter().filter(|answer| answer.is_ok()).count();
        let (mut opened, mut closed, mut answered) = (opened.into_iter(), closed.into_iter(), answered.into_iter());
        let mut are_closed = are_closed.into_iter();
        let missing = "there is an answer for every request";
        let outcomes = items.iter().map(|item| match item {
            Item::Unit(_) if are_closed.next().expect(missing) => Outcome::Unit(answered.next().expect(missing)),
            Item::Unit(_) => Outcome::Unit(Err(CommitError::NotClosed)),
            Item::Open(_) => Outcome::Open(Ok(opened.next().expect(missing))),
            Item::Close(_) => Outcome::Close(closed.next().expect(missing)),
        });
        Ok(Some(Written { outcomes: outcomes.collect(), stored }))
    }

    /// Commits. None: it is stored.
    async fn commit(&self, tx: Tx, items: &[Item]) -> Result<Option<Attempt>, Error> {
        let dialect = tx.dialect;
        let reason = match (tx.conclude().await, dialect) {
            (Ok(()), _) => return Ok(None),
            (Err(CommitFailure::Before(error)), _) => return Err(error),
            (Err(CommitFailure::Around(Error::Connection(reason))), Dialect::Postgres) => reason,
            // A COMMIT that could not write its log to the disk: only a restart of the database tells what of it is there.
            (Err(CommitFailure::Around(error)), Dialect::Sqlite) if error.sqlite() == Some(SQLITE_IOERR) => {
                let unclear = Error::Unclear(error.to_string());
                return Ok(Some(Attempt::Done(items.iter().map(|item| item.failed(&unclear)).collect())));
            }
            (Err(CommitFailure::Around(Error::Connection(reason))), Dialect::Sqlite) => {
                let unclear = Error::Unclear(reason);
                return Ok(Some(Attempt::Done(items.iter().map(|item| item.failed(&unclear)).collect())));
            }
            (Err(CommitFailure::Around(error)), _) => return Err(error),
        };
        tracing::warn!("the connection was lost around a COMMIT: {reason}");
        match trace::fate(&self.witness, self.lease.host.id, self.nth).await {
            Fate::Committed => Ok(None),
            Fate::Aborted => Ok(Some(Attempt::Again(Error::Connection(reason)))),
            Fate::Unknown(reason) => {
                let unclear = Error::Unclear(reason);
                Ok(Some(Attempt::Done(items.iter().map(|item| item.failed(&unclear)).collect())))
            }
        }
    }
}

const SQLITE_IOERR: u32 = 10;

fn take(request: Request, waiting: &mut VecDeque<(Item, Caller)>, stopped: &mut Option<oneshot::Sender<()>>) {
    match request {
        Request::Unit(unit, caller) => waiting.push_back((Item::Unit(unit), Caller::Unit(caller))),
        Request::Open(open, caller) => waiting.push_back((Item::Open(open), Caller::Open(caller))),
        Request::Close(close, caller) => waiting.push_back((Item::Close(close), Caller::Close(caller))),
        Request::Stop(caller) => *stopped = Some(caller),
    }
}

/// Takes requests that share nothing, in order; one that shares something with an earlier one stays, and so does what shares something
/// with it.
fn next_batch(waiting: &mut VecDeque<(Item, Caller)>) -> (Vec<Item>, Vec<Caller>) {
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
    use super::*;
    use crate::claim::ClaimedJob;
    use crate::rows::JobRow;
    use crate::unit::{Beside, InstanceWrite, JobRevision, Parts, State};

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
