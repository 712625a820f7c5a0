//! The one path: an input, the engine's step, what must be performed inside the unit of work, one commit.
//!
//! Everything else in the host only finds the next input. A unit runs like this:
//!
//! 1. Take the instance as it was last stored, from memory or from the store; nothing is locked and no transaction is open.
//! 2. `step`. While the engine asks for a delegate, call it and step again with its answer.
//! 3. Commit snapshot and rows in one transaction, if the instance's revision is still the one it was begun from.
//! 4. If it is not, load and step again. A delegate is called again only if what it is given has changed.
//!
//! A unit may touch several instances: a caller and what it calls (`parties.rs`).
//!
//! A technical failure throws the unit away. When a job began it, the failure is the next input and spends a retry; when an API
//! call began it, the caller gets the failure and the instance is where it was.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use mandate_engine::limits::Bounds;
use mandate_engine::{Code, DelegateOutcome, EntryKey, Failure, Input, Instance, InstanceId, PublicId, Rejection, Resumed, Retry, WaitId};
use mandate_store::{FiredTimer, StartKey};
use tokio::sync::OwnedMutexGuard;
use tracing::Instrument;

use crate::definitions::Definition;
use crate::executor::Queued;
use crate::ledger::Closings;
use crate::operator::Operator;
use crate::parties::{Course, Parties};
use crate::running::Registered;
use crate::signals::{MAX_HOPS, TakenUp, too_many_hops};
use crate::{Error, Inner};

mod deferred;
mod failed;
mod sent;
mod store;

pub(crate) use failed::bounded;
use failed::failed_job;
use store::Stored;

/// After this many lost races a job that is not exclusive queues with the exclusive ones of its instance.
const MAX_JOB_CONFLICTS: u32 = 3;

/// The longest message of a failure that is stored: people read it, and it stands in job, incident and history.
pub(crate) const MAX_FAILURE_BYTES: usize = 16 * 1024;

/// As [`Instance::weight`] estimates it: what a larger instance is stepped and encoded from is no longer brief.
pub(crate) const MAX_BRIEF_BYTES: usize = 64 * 1024;

/// After this many lost races an API call is told to come again.
const MAX_API_CONFLICTS: u32 = 100;

/// How long a unit waits for its turn in all, before it goes on without: whoever has it may be at a delegate, and in the worst case wait
/// for a service that waits for this one.
const TURN_PATIENCE: Duration = Duration::from_secs(10);

/// A unit that waits for a lock in the database is tried again after this pause: about as often as the store tries a row again.
const LOCKED_PAUSE: Duration = Duration::from_millis(250);

/// How long it is. Whoever locks a row by hand may do so for long; then its job is put back, or whoever asked is told.
const LOCKED_PATIENCE: Duration = Duration::from_secs(10);

/// One input on its way to an instance.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub(crate) instance: InstanceId,
    pub(crate) input: Input,
    /// Set for a start: the instance does not exist yet.
    pub(crate) begin: Option<Begin>,
    /// W3C trace context of whoever caused this.
    pub(crate) traceparent: Option<String>,
    /// The worker that answers for an external task.
    pub(crate) worker: Option<Worker>,
    /// The delivery that it takes up: it must still be there when the unit is stored, and goes with it.
    pub(crate) delivery: Option<TakenUp>,
    /// Who asks for it, where that is to be logged.
    pub(crate) operator: Option<Arc<Operator>>,
    /// When it was asked for, if that is stored, or is before the date of the job that it runs.
    pub(crate) asked: Option<i64>,
    /// Nobody has tried this before, on no host.
    pub(crate) fresh: bool,
    /// Nobody waits for it: the unit may go on with jobs that come next.
    pub(crate) takes_along: bool,
    /// Which threads its unit runs on.
    pub(crate) runs_on: Threads,
}

/// Which threads a unit of work runs on, and so how much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Threads {
    /// Those of guests: any unit, to its end.
    Guests,
    /// The one that it was asked for on, as a rule a request's, which may keep nobody waiting: only what is brief and calls nobody.
    Callers,
}

impl Threads {
    /// How much the unit's steps may do.
    pub(crate) fn bounds(self) -> Bounds {
        match self {
            Self::Guests => Bounds::FULL,
            Self::Callers => Bounds::BRIEF,
        }
    }
}

/// A worker that answers for an external task. It must have it when the unit is stored, and before a command of the unit leaves.
#[derive(Clone, Debug)]
pub(crate) struct Worker {
    /// Its name.
    pub(crate) id: String,
    /// The external task.
    pub(crate) wait: WaitId,
    /// After a failure: what it says at length.
    pub(crate) details: Option<String>,
    /// After a failure: for how long nobody fetches the task, in milliseconds.
    pub(crate) rest_ms: i64,
}

/// What a new instance begins with.
#[derive(Clone, Debug)]
pub(crate) struct Begin {
    pub(crate) definition: Arc<Definition>,
    pub(crate) tenant: Option<String>,
    pub(crate) business_key: Option<String>,
    pub(crate) start_key: Option<StartKey>,
    /// The caller wants the newest version of a key, and this was it when it was last looked up.
    pub(crate) newest: bool,
    /// The firing of a timer start event that begins the instance.
    pub(crate) fired: Option<FiredTimer>,
}

/// What an input led to.
#[derive(Debug)]
pub(crate) enum Advanced {
    /// It was taken up and stored.
    Committed(Box<State>),
    /// The start's key was used before: this is the instance that it started.
    AlreadyStarted(InstanceId),
    /// The start's definition is not the newest version of its key, or not there any more; nothing was stored.
    Superseded,
    /// The wait was cancelled meanwhile; nothing was stored.
    Withdrawn,
    /// A job lost too many races; it should run alone.
    Contended,
    /// It is not brief ([`Threads::Callers`]): nothing was done, and it is to begin on the threads for guests.
    NotBrief,
}

/// An instance after a commit.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) instance: Instance,
    /// The unit was a job's and failed: what was stored is the failure.
    pub(crate) failed: bool,
    /// The start was deferred: its job is the next input.
    pub(crate) deferred: Option<Box<Queued>>,
}

/// How the steps of a unit ended, before anything is stored.
pub(crate) enum Ended {
    Quiet,
    /// It may send commands, and nothing of what began it is durable: it is to stop at a job, and the unit to begin again.
    Defer,
    /// The same of another instance of the unit, or of what is not the unit's own input.
    DeferParty(InstanceId),
    Rejected(Rejection),
    Failed(Failure),
    Withdrawn,
    /// This host may send nothing, and why.
    NotActing(&'static str),
    /// Somebody has moved the instance on since this host had it in memory: begin again from the store.
    Stale,
    /// As [`Advanced::NotBrief`].
    NotBrief,
}

impl Ended {
    /// Whether somebody is refused something, or a failure counted, because of the state the unit began from.
    fn refuses(&self) -> bool {
        matches!(self, Self::Rejected(_) | Self::Failed(_))
    }
}

/// Calls of delegates in this unit.
#[derive(Default)]
pub(crate) struct Calls {
    /// Their answers, kept for when the unit must be stepped again on a newer state.
    pub(crate) answers: HashMap<(EntryKey, [u8; 32]), DelegateOutcome>,
    /// The entries that were called for since it was last stepped from its beginning.
    made: HashSet<EntryKey>,
    /// How often it was.
    runs: u32,
    /// The last of these runs has taken jobs along.
    pub(crate) took_along: bool,
    /// What commands came to that they have sent.
    pub(crate) closings: Closings,
}

impl Calls {
    /// The unit is stepped from its beginning. Answers whether that is for the first time.
    pub(crate) fn begin(&mut self) -> bool {
        self.made.clear();
        self.took_along = false;
        self.runs += 1;
        self.runs == 1
    }

    /// A delegate is called for, or would be if its answer were not known.
    pub(crate) fn make(&mut self, entry: EntryKey) {
        self.made.insert(entry);
    }
}

/// A unit on its way, however often it is begun again.
struct UnderWay<'a> {
    work: Work,
    registered: &'a Registered<'a>,
    /// When it was asked for.
    asked: i64,
    calls: Calls,
    /// Instances other than its own that stop at a job before they go on.
    deferred: BTreeSet<InstanceId>,
    /// Races that it has lost.
    conflicts: u32,
    /// When it was first not stored because of a lock.
    locked: Option<Instant>,
    /// Until when it waits for its turn, once it has lost one.
    turn_by: Option<tokio::time::Instant>,
    turn: Option<OwnedMutexGuard<()>>,
    /// Its job has failed: what is to be stored is the failure.
    failed: bool,
}

impl<'a> UnderWay<'a> {
    fn new(work: Work, registered: &'a Registered<'a>, asked: i64) -> Self {
        Self {
            work,
            registered,
            asked,
            calls: Calls::default(),
            deferred: BTreeSet::new(),
            conflicts: 0,
            locked: None,
            turn_by: None,
            turn: None,
            failed: false,
        }
    }

    fn is_modification(&self) -> bool {
        matches!(self.work.input, Input::Modify(_))
    }

    /// Goes on with the failure of its job.
    fn fail(&mut self, definition: &Definition, wait: WaitId, failure: Failure) {
        self.work.input = failed_job(definition, wait, failure);
        self.failed = true;
    }

    /// Goes on after the store has refused what the unit holds: whatever made it will likely make it again. So it is a failure that is
    /// counted, not a job that comes back for ever.
    fn refused(&mut self, definition: &Definition, reason: String) -> Result<(), Error> {
        match self.work.job() {
            Some(wait) if !self.failed => {
                let message = format!("what the unit of work would store is refused: {reason}");
                self.fail(definition, wait, Failure::of_unit(Code::VariableLimit, message, Retry::ByPolicy));
                Ok(())
            }
            Some(WaitId(number)) => Err(Error::JobFailed { job: PublicId { instance: self.work.instance, number }, reason }),
            None => Err(Error::Invalid(reason)),
        }
    }
}

/// What is done with what the steps of a unit have come to.
enum AfterSteps {
    Store,
    /// It is begun again, on a newer state or otherwise.
    Again,
    Answer(Advanced),
}

impl Inner {
    /// Takes an input up on a task of its own, so that no client that hangs up drops a unit half-way: here if it may be brief and is, else
    /// on the threads for guests.
    pub(crate) async fn advance(self: &Arc<Self>, work: Work) -> Result<Advanced, Error> {
        if self.tries_here() {
            let (inner, brief) = (self.clone(), Work { runs_on: Threads::Callers, ..work.clone() });
            match self.tasks.spawn(async move { inner.advance_here(brief).await }).await?? {
                Advanced::NotBrief => {}
                advanced => return Ok(advanced),
            }
        }
        let inner = self.clone();
        self.spawn_unit(async move { inner.advance_here(work).await }).await?
    }

    /// Whether a unit that somebody asks for is tried where it was asked for. While others run, a unit that stays where it is spares waking
    /// two threads, which is a fifth of what it costs. One that comes alone is answered no sooner so, rather later: it has the processors
    /// to itself, and those that it wakes on its way are awake when it comes to the database. While all workers are taken, it shares the
    /// threads of their jobs: else whoever starts instances, and is faster than their jobs, would have more and more of them wait.
    pub(crate) fn tries_here(&self) -> bool {
        self.running.is_any() && self.executor.has_worker()
    }

    /// Takes an input up on this task, which nobody drops half-way: one that [`Inner::spawn_unit`] has made, where a delegate that the unit
    /// calls runs on its thread, unless the unit is to be brief.
    pub(crate) async fn advance_here(self: &Arc<Self>, work: Work) -> Result<Advanced, Error> {
        let span = tracing::info_span!(
            "unit",
            instance = %work.instance,
            job = work.job().map(|wait| wait.0),
            tenant = tracing::field::Empty,
            definition = tracing::field::Empty,
            version = tracing::field::Empty,
            business_key = tracing::field::Empty,
            activity = tracing::field::Empty,
            attempt = tracing::field::Empty,
            delegate = tracing::field::Empty,
            digest = tracing::field::Empty,
            idempotency_key = tracing::field::Empty,
            code = tracing::field::Empty,
            traceparent = work.traceparent.as_deref(),
        );
        let unit = async {
            let registered = self.running.enter(work.instance, work.wait());
            self.advance_registered(work, &registered).await
        };
        // The panic hook tells where; nothing was stored, for a unit is stored whole.
        AssertUnwindSafe(unit).catch_unwind().instrument(span).await.unwrap_or(Err(Error::Bug))
    }

    async fn advance_registered(self: &Arc<Self>, work: Work, registered: &Registered<'_>) -> Result<Advanced, Error> {
        // The same however often the unit is stepped anew.
        let asked = work.asked.unwrap_or_else(|| self.clock.now_ms());
        let mut unit = UnderWay::new(work, registered, asked);
        loop {
            self.acting().map_err(Error::NotActing)?;
            let mut parties = Parties::new(self.base(&unit.work).await?, &unit.work.input);
            // Whoever gave the instructions has seen the instance as it is stored, and not as this host remembers it.
            if unit.is_modification() && self.is_any_stale(&mut parties).await? {
                continue;
            }
            let definition = parties.first().base.definition.clone();
            describe(&definition, &parties.first().instance);
            if unit.work.runs_on == Threads::Callers && parties.first().instance.weight() > MAX_BRIEF_BYTES {
                return Ok(Advanced::NotBrief);
            }
            self.refuse_suspended(&unit.work.input, &definition).await?;
            let (ended, now) = self.take_steps(&mut unit, &mut parties).await?;
            match self.after_steps(&mut unit, &mut parties, ended).await? {
                AfterSteps::Store => {}
                AfterSteps::Again => continue,
                AfterSteps::Answer(advanced) => return Ok(advanced),
            }
            self.refuse_undecided(&parties, &unit.work).await?;
            if unit.work.hops() > MAX_HOPS && parties.iter().any(|party| party.rows.throws()) {
                return Err(Error::UnitFailed(Box::new(too_many_hops())));
            }
            let stored = self.store_unit(&mut parties, &unit, now).await?;
            if let Some(advanced) = self.after_store(&mut unit, parties, stored).await? {
                return Ok(advanced);
            }
        }
    }

    /// Steps the unit until it comes to rest, and waits until what came of its commands is recorded, but for what it can be stored with.
    /// Answers how that ended, and when.
    async fn take_steps(self: &Arc<Self>, unit: &mut UnderWay<'_>, parties: &mut Parties) -> Result<(Ended, i64), Error> {
        let (now, asked) = (self.clock.now_ms(), unit.asked);
        let mut course = Course::new(&unit.work, parties.first(), unit.registered, &unit.deferred, &mut unit.calls, (now, asked));
        let ended = self.step_until_quiet(parties, &mut course).await;
        let now = course.now;
        let closings = &unit.calls.closings;
        let explains = parties.iter().any(|party| party.rows.explained().next().is_some());
        let settled = match &ended {
            // Before a modification or an incident is stored, the ledger is asked.
            Ok(Ended::Quiet) if !unit.is_modification() && !explains => closings.settle_written(self).await,
            _ => closings.settle(self).await,
        };
        let ended = match settled {
            Ok(()) => ended?,
            Err(failure) => Ended::Failed(failure),
        };
        if matches!(&ended, Ended::Failed(failure) if failure.code == Code::CommandOutcomeUnknown) {
            // Delegates may have gone on with what the ledger does not say, also before the one whose command was told so.
            unit.calls.answers.clear();
        }
        Ok((ended, now))
    }

    /// Whether what a unit has come to is to be stored.
    async fn after_steps(&self, unit: &mut UnderWay<'_>, parties: &mut Parties, ended: Ended) -> Result<AfterSteps, Error> {
        if ended.refuses() && self.is_any_stale(parties).await? {
            return Ok(AfterSteps::Again);
        }
        if let Some(begin) = &unit.work.begin
            && ended.refuses()
            && self.is_superseded(begin).await?
        {
            return Ok(AfterSteps::Answer(Advanced::Superseded));
        }
        match ended {
            Ended::Quiet => Ok(AfterSteps::Store),
            Ended::Stale => Ok(AfterSteps::Again),
            Ended::Defer => {
                unit.work.input.defer();
                Ok(AfterSteps::Again)
            }
            Ended::DeferParty(instance) if unit.deferred.insert(instance) => Ok(AfterSteps::Again),
            // What is deferred calls nobody.
            Ended::DeferParty(_) => Err(Error::Bug),
            Ended::Withdrawn => Ok(AfterSteps::Answer(Advanced::Withdrawn)),
            Ended::NotBrief => {
                self.remember(&parties.first().base);
                Ok(AfterSteps::Answer(Advanced::NotBrief))
            }
            Ended::NotActing(why) => Err(Error::NotActing(why)),
            Ended::Rejected(Rejection::NoSuchWait { .. }) if unit.failed => Ok(AfterSteps::Answer(Advanced::Withdrawn)),
            Ended::Rejected(rejection) => Err(rejection.into()),
            Ended::Failed(failure) => match unit.work.job() {
                Some(wait) => {
                    unit.fail(&parties.first().base.definition, wait, failure);
                    Ok(AfterSteps::Again)
                }
                // What a host fails at that may not act need not be the unit's fault: that an outcome could not be recorded, for one.
                None => match self.acting() {
                    Ok(()) => Err(Error::UnitFailed(Box::new(bounded(failure)))),
                    Err(why) => Err(Error::NotActing(why)),
                },
            },
        }
    }

    /// What is answered after a unit was to be stored; nothing, where it is begun again.
    async fn after_store(&self, unit: &mut UnderWay<'_>, mut parties: Parties, stored: Stored) -> Result<Option<Advanced>, Error> {
        match stored {
            Stored::Committed(deferred) => {
                let instance = parties.into_first().instance;
                Ok(Some(Advanced::Committed(Box::new(State { instance, failed: unit.failed, deferred }))))
            }
            Stored::Unknowing | Stored::NotClosed => Ok(None),
            Stored::Delivered => Ok(Some(Advanced::Withdrawn)),
            Stored::NotHeld(worker) => Err(Error::NotHeld { worker }),
            Stored::AlreadyStarted(existing) => Ok(Some(Advanced::AlreadyStarted(existing))),
            Stored::Superseded => Ok(Some(Advanced::Superseded)),
            Stored::Gone if unit.work.begin.is_some() => Ok(Some(Advanced::Superseded)),
            // Memory did not know; the store will say what to answer.
            Stored::Gone if parties.first().base.remembered => Ok(None),
            Stored::Gone => Ok(Some(Advanced::Withdrawn)),
            // What was wrong with an old state need not be wrong with the one that is stored.
            Stored::Refused(_) if self.is_any_stale(&mut parties).await? => Ok(None),
            // Whose fault it is will be seen when each is stored by itself.
            Stored::Refused(_) if unit.calls.took_along => Ok(None),
            Stored::Refused(reason) => unit.refused(&parties.first().base.definition, reason).map(|()| None),
            // Whoever has the lock is changing it, as a rule.
            Stored::Conflict | Stored::Locked(_) if unit.is_modification() => {
                let id = unit.work.instance;
                let message =
                    format!("process instance {id} has changed while it was being modified; look at it again, and repeat what still fits");
                Err(Error::Conflict(message))
            }
            Stored::Conflict => self.after_conflict(unit, &parties).await,
            Stored::Locked(error) => {
                // Others wait for the room of what is delivered.
                if unit.work.is_tried_again() || unit.locked.get_or_insert_with(Instant::now).elapsed() >= LOCKED_PATIENCE {
                    return Err(error.into());
                }
                // It is loaded anew, and waiting it needs no memory.
                drop(parties);
                match unit.work.job() {
                    Some(_) => Box::pin(self.executor.rest(LOCKED_PAUSE)).await,
                    None => tokio::time::sleep(LOCKED_PAUSE).await,
                }
                Ok(None)
            }
        }
    }

    /// Whether a unit that has lost a race is begun again.
    async fn after_conflict(&self, unit: &mut UnderWay<'_>, parties: &Parties) -> Result<Option<Advanced>, Error> {
        unit.conflicts += 1;
        let races = unit.work.job().is_some_and(|wait| !self.executor.has_turn(unit.work.instance, wait));
        if races && unit.conflicts >= MAX_JOB_CONFLICTS {
            return Ok(Some(Advanced::Contended));
        }
        if unit.conflicts >= MAX_API_CONFLICTS {
            return Err(Error::Contended(unit.work.instance));
        }
        // Jobs that race for one instance alone have its line.
        if unit.turn.is_none() && (parties.len() > 1 || unit.work.job().is_none()) {
            let turn = self.trees.turn(parties.first().instance.root_instance());
            let by = *unit.turn_by.get_or_insert_with(|| tokio::time::Instant::now() + TURN_PATIENCE);
            unit.turn = tokio::time::timeout_at(by, turn).await.ok();
        }
        Ok(None)
    }
}

/// Says on the unit's span whose it is.
fn describe(definition: &Definition, instance: &Instance) {
    let span = tracing::Span::current();
    tracing::record_all!(
        span,
        tenant = instance.tenant(),
        definition = definition.row.key.as_str(),
        version = definition.row.version,
        business_key = instance.business_key(),
    );
}

impl Work {
    /// An input that somebody may have tried before.
    pub(crate) fn new(instance: InstanceId, input: Input) -> Self {
        Self {
            instance,
            input,
            begin: None,
            traceparent: None,
            worker: None,
            delivery: None,
            operator: None,
            asked: None,
            fresh: false,
            takes_along: false,
            runs_on: Threads::Guests,
        }
    }

    /// The job that this input runs or fails.
    pub(crate) fn job(&self) -> Option<WaitId> {
        match self.input.resumes()? {
            Resumed::Job(wait) => Some(wait),
            Resumed::Task(_) | Resumed::Escalation(_) | Resumed::ExternalTask(_) | Resumed::Subscription(_) => None,
        }
    }

    /// Whether it is tried again by itself if it fails, as a delivery and the firing of a timer start event are.
    fn is_tried_again(&self) -> bool {
        self.delivery.is_some() || self.begin.as_ref().is_some_and(|begin| begin.fired.is_some())
    }

    /// How many throws have led to what this unit throws, its own included.
    fn hops(&self) -> i64 {
        self.delivery.map_or(0, |delivery| delivery.hops) + 1
    }

    /// The wait that this input resumes.
    pub(crate) fn wait(&self) -> Option<WaitId> {
        self.input.resumes().map(Resumed::wait)
    }
}

#[cfg(test)]
mod tests;
