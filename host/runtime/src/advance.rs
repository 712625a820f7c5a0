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

use futures_util::FutureExt as _;
use mandate_engine::{Code, DelegateOutcome, EntryKey, Failure, Input, Instance, InstanceId, PublicId, Rejection, Retry, WaitId};
use mandate_store::{FiredTimer, StartKey};
use tracing::Instrument;

use crate::definitions::Definition;
use crate::error::LEASE_NOT_RENEWED;
use crate::executor::Permit;
use crate::ledger::Closings;
use crate::operator::Operator;
use crate::parties::{Course, Parties};
use crate::running::Registered;
use crate::signals::{MAX_HOPS, TakenUp, too_many_hops};
use crate::{Error, Inner};

mod failed;
mod held;
mod sent;
mod store;

use failed::failed_job;
use held::hold;
use store::Stored;

/// After this many lost races a job that is not exclusive queues with the exclusive ones of its instance.
const MAX_JOB_CONFLICTS: u32 = 3;

/// The longest message of a failure that is stored: people read it, and it stands in job, incident and history.
pub(crate) const MAX_FAILURE_BYTES: usize = 16 * 1024;

/// After this many lost races an API call is told to come again.
const MAX_API_CONFLICTS: u32 = 100;

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
    pub(crate) goes_on: bool,
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
    /// The wait was cancelled meanwhile, or the host may not act any more; nothing was stored.
    Withdrawn,
    /// A job lost too many races; it should run alone.
    Contended,
}

/// An instance after a commit.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) instance: Instance,
    /// The unit was a job's and failed: what was stored is the failure.
    pub(crate) failed: bool,
    /// The start was held: its job is the next input.
    pub(crate) held: Option<(WaitId, Option<Permit>)>,
}

/// How the steps of a unit ended, before anything is stored.
pub(crate) enum Ended {
    Quiet,
    /// It may send commands, and nothing of what began it is durable: it is to stop at a job, and the unit to begin again.
    Hold,
    /// The same of another instance of the unit, or of what is not the unit's own input.
    HoldParty(InstanceId),
    Rejected(Rejection),
    Failed(Failure),
    Withdrawn,
    /// This host sends nothing for now.
    Stuck,
    /// Somebody has moved the instance on since this host had it in memory: begin again from the store.
    Stale,
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

impl Inner {
    /// Takes an input up on a task of its own, so that no client that hangs up drops a unit half-way.
    pub(crate) async fn advance(self: &Arc<Self>, work: Work) -> Result<Advanced, Error> {
        let inner = self.clone();
        self.spawn_unit(async move { inner.advance_here(work).await }).await?
    }

    /// Takes an input up on this task, which nobody drops half-way and which [`Inner::spawn_unit`] has made: a delegate that the unit calls runs
    /// on its thread.
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

    async fn advance_registered(self: &Arc<Self>, mut work: Work, registered: &Registered<'_>) -> Result<Advanced, Error> {
        let mut calls = Calls::default();
        let mut held = BTreeSet::new();
        let mut conflicts = 0;
        let mut turn = None;
        let mut failed = false;
        // The same however often the unit is stepped anew.
        let asked = work.asked.unwrap_or_else(|| self.clock.now_ms());
        loop {
            if !self.store.may_act() {
                return Err(Error::NotActing(LEASE_NOT_RENEWED));
            }
            let mut parties = Parties::new(self.base(&work).await?, &work.input);
            // Whoever gave the instructions has seen the instance as it is stored, and not as this host remembers it.
            if matches!(work.input, Input::Modify(_)) && self.is_any_stale(&mut parties).await? {
                continue;
            }
            let definition = parties.first().base.definition.clone();
            describe(&definition, &parties.first().instance);
            self.refuse_suspended(&work.input, &definition).await?;
            let mut course = Course::new(&work, parties.first(), registered, &held, &mut calls, (self.clock.now_ms(), asked));
            let ended = self.run(&mut parties, &mut course).await;
            let now = course.now;
            let ended = match calls.closings.settle().await {
                Ok(()) => ended?,
                Err(failure) => Ended::Failed(failure),
            };
            if matches!(&ended, Ended::Failed(failure) if failure.code == Code::CommandOutcomeUnknown) {
                // Delegates may have gone on with what the ledger does not say, also before the one whose command was told so.
                calls.answers.clear();
            }
            if ended.refuses() && self.is_any_stale(&mut parties).await? {
                continue;
            }
            if let Some(begin) = &work.begin
                && ended.refuses()
                && self.is_superseded(begin).await?
            {
                return Ok(Advanced::Superseded);
            }
            match ended {
                Ended::Quiet => {}
                Ended::Stale => continue,
                Ended::Hold => {
                    hold(&mut work.input);
                    continue;
                }
                Ended::HoldParty(instance) if held.insert(instance) => continue,
                // What is held calls nobody.
                Ended::HoldParty(_) => return Err(Error::Bug),
                Ended::Withdrawn => return Ok(Advanced::Withdrawn),
                Ended::Stuck => return Err(Error::NotActing(crate::ledger::STUCK)),
                Ended::Rejected(Rejection::NoSuchWait { .. }) if failed => return Ok(Advanced::Withdrawn),
                Ended::Rejected(rejection) => return Err(rejection.into()),
                Ended::Failed(failure) => match work.job() {
                    Some(wait) => {
                        work.input = failed_job(&definition, wait, failure);
                        failed = true;
                        continue;
                    }
                    None => return Err(Error::UnitFailed(Box::new(failure))),
                },
            }
            self.refuse_undecided(&parties, &work).await?;
            if work.hops() > MAX_HOPS && parties.iter().any(|party| party.rows.throws()) {
                return Err(Error::UnitFailed(Box::new(too_many_hops())));
            }
            match self.store_unit(&mut parties, &work, registered, now).await? {
                Stored::Committed(held) => {
                    let instance = parties.into_first().instance;
                    return Ok(Advanced::Committed(Box::new(State { instance, failed, held })));
                }
                Stored::Unknowing => {}
                Stored::Delivered => return Ok(Advanced::Withdrawn),
                Stored::NotHeld(worker) => return Err(Error::NotHeld { worker }),
                Stored::AlreadyStarted(existing) => return Ok(Advanced::AlreadyStarted(existing)),
                Stored::Superseded => return Ok(Advanced::Superseded),
                Stored::Gone if work.begin.is_some() => return Ok(Advanced::Superseded),
                // Memory did not know; the store will say what to answer.
                Stored::Gone if parties.first().base.remembered => {}
                Stored::Gone => return Ok(Advanced::Withdrawn),
                // What was wrong with an old state need not be wrong with the one that is stored.
                Stored::Refused(_) if self.is_any_stale(&mut parties).await? => {}
                // Whose fault it is will be seen when each is stored by itself.
                Stored::Refused(_) if calls.took_along => {}
                Stored::Refused(reason) => match work.job() {
                    // Whatever made it will likely make it again: a failure that is counted, not a job that comes back for ever.
                    Some(wait) if !failed => {
                        let message = format!("what the unit of work would store is refused: {reason}");
                        let failure = Failure { code: Code::VariableLimit, message, element: None, retry: Retry::ByPolicy };
                        work.input = failed_job(&definition, wait, failure);
                        failed = true;
                    }
                    Some(WaitId(number)) => return Err(Error::JobFailed { job: PublicId { instance: work.instance, number }, reason }),
                    None => return Err(Error::Invalid(reason)),
                },
                Stored::Conflict if matches!(work.input, Input::Modify(_)) => {
                    let id = work.instance;
                    let message = format!(
                        "process instance {id} has changed while it was being modified; look at it again, and repeat what still fits"
                    );
                    return Err(Error::Conflict(message));
                }
                Stored::Conflict => {
                    conflicts += 1;
                    let races = work.job().is_some_and(|wait| !self.executor.has_turn(work.instance, wait));
                    if races && conflicts >= MAX_JOB_CONFLICTS {
                        return Ok(Advanced::Contended);
                    }
                    if conflicts >= MAX_API_CONFLICTS {
                        return Err(Error::Contended(work.instance));
                    }
                    if turn.is_none() && parties.len() > 1 {
                        turn = Some(self.trees.turn(parties.first().instance.root_instance()).await);
                    }
                }
            }
        }
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
            goes_on: false,
        }
    }

    /// The job that this input runs or fails.
    pub(crate) fn job(&self) -> Option<WaitId> {
        match self.input {
            Input::RunJob { wait } | Input::FailJob { wait, .. } => Some(wait),
            _ => None,
        }
    }

    /// How many throws have led to what this unit throws, its own included.
    fn hops(&self) -> i64 {
        self.delivery.map_or(0, |delivery| delivery.hops) + 1
    }

    /// The wait that this input resumes.
    pub(crate) fn wait(&self) -> Option<WaitId> {
        match self.input {
            Input::RunJob { wait }
            | Input::FailJob { wait, .. }
            | Input::CompleteTask { wait, .. }
            | Input::ThrowFromTask { wait, .. }
            | Input::EscalateFromTask { wait, .. }
            | Input::CompleteExternalTask { wait, .. }
            | Input::ThrowFromExternalTask { wait, .. }
            | Input::Message { wait, .. }
            | Input::Signal { wait, .. } => Some(wait),
            _ => None,
        }
    }
}
