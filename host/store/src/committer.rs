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
//! stands alone; its neighbours go on. One that waits for a lock is handed back, and nobody waits for the same row for a while
//! ([`stuck`]). A transaction that fails for other reasons is begun again. When the connection is lost around the COMMIT, the
//! transaction's trace is looked for before anybody is answered: what was stored is never called failed and never stored twice.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::config::HistoryLevel;
use crate::db::{CommitFailure, Dialect, Lane, Meter, Tx};
use crate::hosts::{Held, hold_epoch};
use crate::lease::Lease;
use crate::ledger::{self, LedgerClose, LedgerOpened};
use crate::lock::FileLock;
use crate::trace::{self, Fate};
use crate::unit::{CommitError, Committed, Unit};
use crate::wake::Wake;
use crate::write::begun::{self, Begun, Memory};
use crate::write::now_ms;
use crate::{Error, Fault, Store, write};
pub(crate) use item::Request;
use item::{Item, Outcome};
use line::{BATCH, Line};
use stuck::Stuck;

mod item;
mod line;
mod stuck;

/// Requests that wait for the committer; beyond it callers wait to hand theirs in.
pub(crate) const QUEUE: usize = 4_096;

/// Under load a transaction is begun no sooner than this after the one before it. What it costs a unit is little beside what it waits for a
/// core then; what it saves is most of the statements, and on SQLite most of the pages that are written again and again.
const PACE: Duration = Duration::from_millis(5);

/// So many requests in one transaction are load. Fewer callers than that are answered as soon as possible.
const LOAD: usize = 8;

/// How long a transaction is begun again after deadlocks and lost connections before its units are told.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How long a transaction waits for a lock on PostgreSQL, and with it all units of this host: longer than others' transactions take when
/// the database is well.
pub(crate) const WAITS: Duration = Duration::from_millis(200);

/// In a batch that has waited in vain for a lock each part is tried once more. Longer than others' transactions last that are not at fault
/// either, and short enough for as many tries as a search takes.
const HARDLY: Duration = Duration::from_millis(50);

/// Pause before a transaction is begun again, doubled each time up to the second.
pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(5);
pub(crate) const LONGEST_PAUSE: Duration = Duration::from_secs(1);

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
    stuck: Stuck,
    /// The file is this process's until the last unit is stored.
    _lock: Option<Arc<FileLock>>,
    wake: Arc<Wake>,
}

impl Drop for Committer {
    fn drop(&mut self) {
        // Without it nothing is stored any more, and whoever only looks at the lease would take this host to be well.
        if std::thread::panicking() {
            self.lease.give_up();
        }
    }
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
        Self { lane, witness, lease, nth: 0, memory: Memory::default(), history, meter, stuck: Stuck::default(), _lock: lock, wake }
    }

    /// Works until the store is closed or dropped.
    pub(crate) async fn run(mut self, mut requests: mpsc::Receiver<Request>) {
        let mut line = Line::default();
        // When the last transaction of many requests was begun.
        let mut loaded: Option<Instant> = None;
        loop {
            if line.is_empty() {
                match requests.recv().await {
                    Some(request) => line.take(request),
                    None => break,
                }
            }
            if let Some(begun) = loaded.filter(|_| line.len() < BATCH) {
                tokio::time::sleep_until(begun + PACE).await;
            }
            let (items, callers) = line.next_batch(|| requests.try_recv().ok());
            if line.is_stopped() {
                requests.close();
            }
            loaded = (items.len() >= LOAD).then(Instant::now);
            let all: Vec<&Item> = items.iter().collect();
            let (outcomes, panicked) = match AssertUnwindSafe(self.settle(&all, None)).catch_unwind().await {
                Ok(outcomes) => (outcomes, None),
                // The panic hook tells where. Whether it was before the COMMIT or behind it nobody knows here.
                Err(panic) => {
                    let unclear = Error::Unclear("the host's log tells more".to_owned());
                    (items.iter().map(|item| item.failed(&unclear)).collect(), Some(panic))
                }
            };
            line.answer_overtaken(&items, &outcomes);
            for (caller, outcome) in callers.into_iter().zip(outcomes) {
                caller.answer(outcome);
            }
            if let Some(panic) = panicked {
                resume_unwind(panic);
            }
            if line.is_stopped() && line.is_empty() {
                break;
            }
        }
        if let Some(stopped) = line.into_stopped() {
            // What slipped in behind the stop hears that the store is closed, by its dropped answer.
            let _: Result<(), ()> = stopped.send(());
        }
    }

    /// Stores what can be stored, and says for each request what it came to. What waits for a row that somebody else has locked, as far as
    /// that is known, keeps back no other. Where such requests are looked for, no longer than until this moment.
    fn settle<'a>(&'a mut self, items: &'a [&'a Item], search: Option<Instant>) -> BoxFuture<'a, Vec<Outcome>> {
        Box::pin(async move {
            if self.stuck.is_empty() {
                return self.store(items, search).await;
            }
            let (stuck, others): (Vec<_>, Vec<_>) = items.iter().copied().enumerate().partition(|(_, item)| self.stuck.has(item));
            let (places, others): (Vec<usize>, Vec<&Item>) = others.into_iter().unzip();
            let mut settled: Vec<(usize, Outcome)> = places.into_iter().zip(self.store(&others, search).await).collect();
            // One is tried, however many may be: everybody waits for it.
            let mut now = Some(Instant::now());
            for (place, item) in stuck {
                let outcome = if let Some(error) = self.stuck.refusal(item, now) {
                    vec![item.failed(&error)]
                } else {
                    now = None;
                    self.store(&[item], Some(Instant::now())).await
                };
                settled.extend(outcome.into_iter().map(|outcome| (place, outcome)));
            }
            settled.sort_by_key(|(place, _)| *place);
            settled.into_iter().map(|(_, outcome)| outcome).collect()
        })
    }

    /// The same of requests of which nothing is known; or, alone and in a search, of one that is tried again.
    async fn store(&mut self, items: &[&Item], search: Option<Instant>) -> Vec<Outcome> {
        if items.is_empty() {
            return Vec::new();
        }
        let begun = Instant::now();
        let mut pause = FIRST_PAUSE;
        let mut entries = ledger::Write::Counting;
        loop {
            let error = match self.attempt(items, entries, search.is_some()).await {
                Ok(Attempt::Done(outcomes)) => {
                    self.stuck.passed(items);
                    return outcomes;
                }
                Ok(Attempt::Short) => {
                    entries = ledger::Write::Naming;
                    continue;
                }
                Ok(Attempt::Fenced) => return items.iter().map(|item| item.fenced()).collect(),
                Ok(Attempt::Again(error)) => error,
                Err(error) if error.is_of_lock() && items.len() == 1 => {
                    self.stuck.note(items[0], &error, Instant::now());
                    return vec![items[0].failed(&error)];
                }
                // They have waited long enough, with the others of their batch.
                Err(error) if error.is_of_lock() && search.is_some_and(|until| Instant::now() >= until) => {
                    return items.iter().map(|item| item.failed(&error)).collect();
                }
                Err(error) if error.fault() == Fault::Moment => error,
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
                let error =
                    if error.is_of_lock() { Error::Connection(format!("what every unit of this host needs: {error}")) } else { error };
                return items.iter().map(|item| item.failed(&error)).collect();
            }
            Meter::add(&self.meter.retries, 1);
            tracing::debug!("a transaction is begun again: {error}");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// One transaction, or two where the first rested on what does not hold. One that waited for a lock in vain does not know whether it
    /// was everybody's, for what it supposed goes to the database with what it writes.
    async fn attempt(&mut self, items: &[&Item], entries: ledger::Write, searches: bool) -> Result<Attempt, Error> {
        let mut ended = self.attempt_once(items, entries, searches).await;
        if ended.as_ref().is_err_and(Error::is_unfounded) && self.memory.forget() {
            ended = self.attempt_once(items, entries, searches).await;
        }
        match ended {
            Err(error) if error.is_of_lock() && self.is_held_up().await => Ok(Attempt::Again(error)),
            ended => ended,
        }
    }

    /// One transaction; in a search for what waits for a lock, one that hardly waits for any.
    async fn attempt_once(&mut self, items: &[&Item], entries: ledger::Write, searches: bool) -> Result<Attempt, Error> {
        self.nth += 1;
        let mut tx = self.lane.begin().await?;
        if searches {
            tx.wait_at_most(HARDLY).await?;
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

    /// Whether what all transactions of this host need is locked, such as by a change of job definitions that waits for another host.
    async fn is_held_up(&self) -> bool {
        let asked = async {
            let mut tx = self.lane.begin().await?;
            tx.wait_at_most(HARDLY).await?;
            let held = hold_epoch(&mut tx, self.lease.host).await;
            tx.rollback().await;
            held
        };
        asked.await.is_err_and(|error| error.is_of_lock())
    }

    /// Writes what can be written of all requests, in a transaction that has begun. None: it is to be begun again, naming its entries.
    async fn write(&self, tx: &mut Tx, items: &[&Item], entries: ledger::Write, begun: Begun) -> Result<Option<Written>, Error> {
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
    async fn commit(&self, tx: Tx, items: &[&Item]) -> Result<Option<Attempt>, Error> {
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
