//! Which job runs when, on this host.
//!
//! **From memory.** A job that a unit of work leaves due is locked by this host in the unit's own commit, as long as there is a *place* for
//! it in memory, and runs as soon as there is a *worker*. Everything else stays in the store for whoever claims it (`executor/loops.rs`).
//!
//! **Exclusive jobs** of one instance run one at a time, over all hosts. In the store only the *next* of them can be claimed; the others
//! are behind it ([`Next`]) and cost a claim nothing. The unit that ends or fails an exclusive job hands its turn on: its commit also locks
//! the job that is next now, which takes over the place in memory and queues for a worker again. So an instance with ten thousand exclusive
//! jobs has one place and one worker at the most, starts the next job without asking the store, and pays for each job the same.
//!
//! What is locked otherwise while an exclusive job of its instance is under way here waits in the instance's *line*: a job that an operator
//! executes, or one that lost too many races and should run alone. While anybody is in line no turn is handed on, so lines stay short.
//!
//! **Nothing is left over.** A panic ends nothing but its job: the line moves on. What this host has
//! locked and does not have in memory is put back (`executor/loops.rs`). What it cannot read it leaves alone for a while
//! (`executor/held_back.rs`).

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use mandate_engine::{Code, Failure, Input, Instance, InstanceId, PublicId, Rejection, Retry, WaitId};
use mandate_store::{ClaimedJob, Except};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::sync::CancellationToken;

use crate::advance::{Advanced, State, Work};
use crate::error::SHUTTING_DOWN;
use crate::executor::held_back::{HeldBack, Unreadable};
use crate::unit::{Next, Rows};
use crate::{Error, Inner};

pub(crate) mod held_back;
mod loops;
pub(crate) mod start_timers;

/// The store is polled this often, should a word from another host have been lost.
pub(crate) const POLL: Duration = Duration::from_millis(500);

/// Jobs in this host's memory, queued and running. More stay in the store, where any host can take them.
const QUEUE: usize = 2_000;

/// Units of work that are under way at once. They mostly wait: for the committer, for delegates, for domain services.
const WORKERS: usize = 256;

/// After this many hosts have died while they held a job, it is not tried again: it may be what kills them.
const MAX_TAKEOVERS: i64 = 20;

/// A place in this host's queue.
pub(crate) type Permit = OwnedSemaphorePermit;

/// A job that this host has locked.
#[derive(Debug)]
pub(crate) struct Queued {
    pub(crate) instance: InstanceId,
    pub(crate) wait: WaitId,
    pub(crate) exclusive: bool,
    pub(crate) takeovers: i64,
    /// The commit that made it has locked it: nobody has run it yet.
    pub(crate) fresh: bool,
    /// None: it has that of the job before it in line, or somebody waits for it.
    pub(crate) permit: Option<Permit>,
    #[expect(dead_code, reason = "it counts by being there")]
    pub(crate) mine: Mine,
    /// Who waits for it to have run, if anybody does.
    pub(crate) answer: Option<oneshot::Sender<Result<(), Error>>>,
}

/// Says that this host has a job in its memory, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Mine {
    jobs: Arc<Mutex<HashMap<JobName, u32>>>,
    name: JobName,
}

type JobName = (InstanceId, WaitId);

impl Drop for Mine {
    fn drop(&mut self) {
        let mut jobs = self.jobs.lock().expect("no holder of this lock panics");
        if let Some(count) = jobs.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                jobs.remove(&self.name);
            }
        }
    }
}

/// The exclusive jobs of an instance on this host.
struct Line {
    running: WaitId,
    waiting: VecDeque<Queued>,
    /// A unit has left a job to whoever has the turn, who may have committed already: it is looked for when the line is empty.
    left: bool,
}

/// The jobs that a unit means to lock with its commit.
#[derive(Default)]
pub(crate) struct Places {
    /// None: the place of the unit's own job.
    permits: BTreeMap<WaitId, Option<Permit>>,
    /// How many jobs the unit makes that are due.
    due: usize,
}

impl Places {
    pub(crate) fn waits(&self) -> BTreeSet<WaitId> {
        self.permits.keys().copied().collect()
    }

    pub(crate) fn take(&mut self, wait: WaitId) -> Option<Permit> {
        self.permits.remove(&wait).flatten()
    }

    /// The place of a locked job that does not come into the queue, for whoever runs it himself.
    pub(crate) fn give_away(&mut self, wait: WaitId) -> Option<Permit> {
        self.due = self.due.saturating_sub(1);
        self.take(wait)
    }
}

/// How a job's turn ended.
enum Ran {
    /// Whatever came of it is stored, or it is put back.
    Done(Result<(), Error>),
    /// It lost too many races and should run alone.
    Contended,
}

/// The queue's state.
pub(crate) struct Executor {
    places: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    /// Instances with an exclusive job under way here.
    lines: Mutex<HashMap<InstanceId, Line>>,
    wake: Notify,
    next_due: AtomicI64,
    stopping: CancellationToken,
    /// A host that only serves requests leaves every job to others, but for those that an operator executes.
    executes: bool,
    /// Every job in this host's memory, by how many times it is there.
    mine: Arc<Mutex<HashMap<JobName, u32>>>,
    held_back: HeldBack,
    /// Timer start events that this host is at; what is not in `mine` any more is over.
    start_timers: Mutex<BTreeSet<uuid::Uuid>>,
}

impl Executor {
    pub(crate) fn new(executes: bool) -> Self {
        Self {
            executes,
            places: Arc::new(Semaphore::new(QUEUE)),
            workers: Arc::new(Semaphore::new(WORKERS)),
            lines: Mutex::default(),
            wake: Notify::new(),
            next_due: AtomicI64::new(i64::MAX),
            stopping: CancellationToken::new(),
            mine: Arc::default(),
            held_back: HeldBack::default(),
            start_timers: Mutex::default(),
        }
    }

    /// A job comes into this host's memory.
    pub(crate) fn mine(&self, instance: InstanceId, wait: WaitId) -> Mine {
        let name = (instance, wait);
        *self.mine.lock().expect("no holder of this lock panics").entry(name).or_default() += 1;
        Mine { jobs: self.mine.clone(), name }
    }

    /// Which of the jobs that are due after a unit this host locks with it. `own` is the job that the unit runs or fails. Without a place
    /// in memory, or where somebody else has the turn, a job stays unlocked.
    pub(crate) fn places(&self, rows: &Rows, instance: InstanceId, own: Option<WaitId>, now: i64) -> Places {
        if !self.executes || self.is_stopping() {
            return Places::default();
        }
        let is_due = |next: &Next| next.due <= now;
        let mut permits: BTreeMap<_, _> = rows.runnable(now).map_while(|wait| Some((wait, Some(self.reserve()?)))).collect();
        let (next, permit) = match self.lines().get(&instance) {
            None => {
                let next = rows.new_next().filter(is_due);
                (next, next.and_then(|next| Some((next.wait, Some(self.reserve()?)))))
            }
            // The turn is handed on, and the place with it.
            Some(line) if Some(line.running) == own && line.waiting.is_empty() => {
                let next = rows.next().filter(is_due);
                (next, next.map(|next| (next.wait, None)))
            }
            Some(_) => (rows.new_next().filter(is_due), None),
        };
        permits.extend(permit);
        Places { permits, due: rows.runnable(now).count() + next.iter().len() }
    }

    /// Whether this job has its instance's turn here: no other exclusive job of the instance runs beside it.
    pub(crate) fn has_turn(&self, instance: InstanceId, wait: WaitId) -> bool {
        self.lines().get(&instance).is_some_and(|line| line.running == wait)
    }

    /// Whether the unit of this job, which has its instance's turn here, hands it on to whichever is next.
    pub(crate) fn hands_on(&self, instance: InstanceId, wait: WaitId) -> bool {
        let hands_on = |line: &Line| line.running == wait && line.waiting.is_empty();
        self.executes && !self.is_stopping() && self.lines().get(&instance).is_some_and(hands_on)
    }

    /// A job was stored for later: the claim loop should look again then.
    pub(crate) fn expect_due(&self, due: i64) {
        if self.next_due.fetch_min(due, Ordering::Relaxed) > due {
            self.wake.notify_one();
        }
    }

    /// No new jobs from here on.
    pub(crate) fn stop(&self) {
        self.stopping.cancel();
    }

    /// Completes when the host stops.
    pub(crate) async fn stopped(&self) {
        self.stopping.cancelled().await;
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.is_cancelled()
    }

    /// Whether this host runs jobs that nobody asks for.
    pub(crate) fn executes(&self) -> bool {
        self.executes
    }

    /// Has the claim loop look what is due now.
    pub(crate) fn look_again(&self) {
        self.wake.notify_one();
    }

    /// Whether no job is in this host's memory.
    pub(crate) fn is_idle(&self) -> bool {
        self.mine.lock().expect("no holder of this lock panics").is_empty()
    }

    /// What this host leaves alone at this moment.
    pub(crate) fn held_back(&self, now: Instant) -> Except {
        self.held_back.except(now)
    }

    /// An instance has got on: it is not left alone any more.
    pub(crate) fn forget_held_back(&self, instance: InstanceId) {
        self.held_back.forget(instance);
    }

    /// Waits, and has one more job run meanwhile: who runs a job and only waits needs no worker.
    pub(crate) async fn rest(&self, pause: Duration) {
        self.workers.add_permits(1);
        tokio::time::sleep(pause).await;
        self.workers.acquire().await.expect("nobody closes it").forget();
    }

    /// Whether one more job could run at once.
    pub(crate) fn has_worker(&self) -> bool {
        self.workers.available_permits() > 0
    }

    /// A place for a job that is about to be stored; none when the queue is full.
    fn reserve(&self) -> Option<Permit> {
        self.places.clone().try_acquire_owned().ok()
    }

    fn lines(&self) -> MutexGuard<'_, HashMap<InstanceId, Line>> {
        self.lines.lock().expect("no holder of this lock panics")
    }

    /// The turn of a job is over: who is next in line has it, and if it has no place of its own, this one.
    fn hand_on(&self, instance: InstanceId, place: Option<Permit>) -> Option<Queued> {
        let mut lines = self.lines();
        let line = lines.get_mut(&instance)?;
        let Some(mut next) = line.waiting.pop_front() else {
            if lines.remove(&instance).is_some_and(|line| line.left) {
                self.wake.notify_one();
            }
            return None;
        };
        line.running = next.wait;
        next.permit = next.permit.or(place);
        Some(next)
    }
}

impl Inner {
    /// Runs the jobs that a commit has locked, and has those looked for that it has left to whoever claims them. Those that were not there
    /// `before` it nobody has run.
    pub(crate) fn take_up(self: &Arc<Self>, before: &Instance, locked: Vec<ClaimedJob>, mut places: Places) {
        let instance = before.id();
        let left = places.due > locked.len();
        for job in locked {
            let wait = wait_of(&job);
            let place = places.take(wait);
            self.enqueue(Queued { fresh: before.job(wait).is_none(), ..self.queued(&job, place) });
        }
        if left {
            match self.executor.lines().get_mut(&instance) {
                Some(line) => line.left = true,
                None => self.executor.wake.notify_one(),
            }
        }
    }

    /// A job that this host has just locked.
    pub(crate) fn queued(&self, job: &ClaimedJob, permit: Option<Permit>) -> Queued {
        let (instance, wait) = (InstanceId(job.instance), wait_of(job));
        let mine = self.executor.mine(instance, wait);
        Queued { instance, wait, exclusive: job.exclusive, takeovers: job.takeovers, fresh: false, permit, mine, answer: None }
    }

    /// Runs a locked job as soon as there is a worker and, if it is exclusive, its instance's turn is its own.
    pub(crate) fn enqueue(self: &Arc<Self>, queued: Queued) {
        if queued.exclusive {
            let mut lines = self.executor.lines();
            if let Some(line) = lines.get_mut(&queued.instance) {
                line.waiting.push_back(queued);
                return;
            }
            lines.insert(queued.instance, Line { running: queued.wait, waiting: VecDeque::new(), left: false });
        }
        let inner = self.clone();
        self.spawn_unit(async move { inner.work_off(queued).await });
    }

    /// Runs a job and then those that come after it in line.
    async fn work_off(self: Arc<Self>, first: Queued) {
        let mut next = Some(first);
        while let Some(mut queued) = next.take() {
            let ran = self.run_apart(&queued).await;
            if queued.exclusive {
                next = self.executor.hand_on(queued.instance, queued.permit.take());
            }
            match ran {
                Ran::Contended => self.enqueue(Queued { exclusive: true, fresh: false, ..queued }),
                // Whoever asked may have gone away.
                Ran::Done(outcome) => drop(queued.answer.map(|answer| answer.send(outcome))),
            }
        }
    }

    /// Runs a job. A panic ends nothing else.
    async fn run_apart(self: &Arc<Self>, queued: &Queued) -> Ran {
        let (instance, wait) = (queued.instance, queued.wait);
        AssertUnwindSafe(self.run_job(queued)).catch_unwind().await.unwrap_or_else(|_| {
            // The panic hook has told where. The job is still locked and, once this host has it in memory no more, put back.
            tracing::error!(%instance, job = wait.0, "the worker of a job ended before its time");
            Ran::Done(Err(Error::Bug))
        })
    }

    async fn run_job(self: &Arc<Self>, queued: &Queued) -> Ran {
        let &Queued { instance, wait, takeovers, fresh, .. } = queued;
        let _worker = self.executor.workers.acquire().await.expect("nobody closes it");
        if self.executor.is_stopping() {
            self.release(instance, wait).await;
            return Ran::Done(Err(Error::NotActing(SHUTTING_DOWN)));
        }
        let died = (takeovers > MAX_TAKEOVERS).then(|| host_died(takeovers));
        let job = PublicId { instance, number: wait.0 };
        let mut trouble = died.as_ref().map(|failure| Error::JobFailed { job, reason: failure.message.clone() });
        if died.is_some() {
            crate::metrics::job_failed("unknown", Code::HostDied.as_str());
        }
        let input = died.map_or(Input::RunJob { wait }, |failure| Input::FailJob { wait, failure });
        let started = Instant::now();
        // Somebody waits for it, who may have it run before its date.
        let asked = queued.answer.is_some().then(|| self.clock.now_ms());
        // What has killed a host is found by running it alone.
        let takes_along = queued.answer.is_none() && takeovers == 0;
        let mut advanced = self.advance_here(Work { asked, fresh, takes_along, ..Work::new(instance, input.clone()) }).await;
        if let (true, Err(Error::Bug)) = (takes_along, &advanced) {
            // It need not be this job's.
            advanced = self.advance_here(Work { asked, ..Work::new(instance, input) }).await;
        }
        if let Err(Error::Bug) = advanced {
            // A job that meets a bug spends its attempts and ends in an incident, rather than running into it for ever.
            crate::metrics::job_failed("unknown", Code::InternalError.as_str());
            let input = Input::FailJob { wait, failure: bug() };
            advanced = self.advance_here(Work { asked, ..Work::new(instance, input) }).await;
            trouble = Some(Error::Bug);
        }
        crate::metrics::job_ran(started.elapsed());
        match advanced {
            Ok(Advanced::Contended) => Ran::Contended,
            Ok(Advanced::Committed(state)) => {
                self.executor.forget_held_back(instance);
                Ran::Done(trouble.map_or_else(|| outcome(&state, wait), Err))
            }
            Ok(Advanced::AlreadyStarted(_) | Advanced::Superseded | Advanced::NotBrief) => {
                unreachable!("a job starts nothing, and need not be brief")
            }
            // Nothing was stored: the wait is gone, or another host has its job. As a rule there is nothing to unlock then.
            Ok(Advanced::Withdrawn) => {
                self.release(instance, wait).await;
                self.executor.wake.notify_one();
                Ran::Done(Err(Error::Cancelled(instance)))
            }
            Err(error) => {
                self.put_back(instance, wait, &error).await;
                Ran::Done(Err(error))
            }
        }
    }

    /// Unlocks a job that could not be run.
    async fn put_back(&self, instance: InstanceId, wait: WaitId, error: &Error) {
        match error {
            // Whoever has locked for so long what it writes may do so for much longer.
            Error::Store(locked) if locked.is_of_lock() => self.leave(instance, wait, error).await,
            Error::Rejected(Rejection::Suspended | Rejection::JobSuspended { .. }) => {
                self.release(instance, wait).await;
                // Another job may be the instance's next since.
                self.executor.wake.notify_one();
            }
            // It is over. Its row went with it, unless the store is damaged.
            Error::NotFound { .. } | Error::Rejected(_) => {
                if self.release(instance, wait).await {
                    self.hold_back(
                        instance,
                        wait,
                        Unreadable::Instance(instance),
                        &format!("{error}, but the job has a row; run `mandate check-store`"),
                    );
                }
            }
            // What this host lacks it lacks for the next attempt, too. Others may not.
            Error::NotActing(_)
            | Error::Unreadable { .. }
            | Error::DefinitionUnreadable { .. }
            | Error::Damaged(_)
            | Error::Sandbox(_)
            | Error::Catalogue(_)
            | Error::Bug => self.leave(instance, wait, error).await,
            _ => {
                tracing::error!(%instance, job = wait.0, "job could not be run and is put back: {error}");
                // Not at once: whatever stopped it is likely still there.
                tokio::time::sleep(POLL).await;
                self.release(instance, wait).await;
                self.executor.wake.notify_one();
            }
        }
    }

    /// Unlocks a job that this host cannot run, and leaves it alone for a while.
    async fn leave(&self, instance: InstanceId, wait: WaitId, error: &Error) {
        let unreadable = match error {
            Error::DefinitionUnreadable { id, .. } => Unreadable::Definition(id.clone()),
            _ => Unreadable::Instance(instance),
        };
        self.hold_back(instance, wait, unreadable, &error.to_string());
        self.release(instance, wait).await;
    }

    /// Leaves what this host cannot run alone for a while.
    pub(crate) fn hold_back(&self, instance: InstanceId, wait: WaitId, unreadable: Unreadable, reason: &str) {
        crate::metrics::job_held_back(unreadable.kind());
        if let Some(pause) = self.executor.held_back.hold(unreadable, Instant::now()) {
            tracing::error!(%instance, job = wait.0, "job is left to other hosts for {pause:?}, and for longer each time: {reason}");
        }
    }

    /// Unlocks a job unchanged, for whichever host claims it next, and answers whether it was there. Does not give up while this host
    /// works: nobody else may run the job, and it does not itself. One that somebody else has locked in the database, or whose instance,
    /// is left to whoever looks for what this host has locked and forgotten.
    pub(crate) async fn release(&self, instance: InstanceId, wait: WaitId) -> bool {
        loop {
            let error = match self.store.release(&[(instance.0, crate::unit::number(wait.0))]).await {
                Ok(released) => {
                    // It may have changed the instance's row.
                    self.instances.forget(instance);
                    return released > 0;
                }
                Err(error) => error,
            };
            if self.executor.is_stopping() {
                tracing::warn!(%instance, job = wait.0, "job stays locked until this host's lease ends: {error}");
                return false;
            }
            if error.is_of_lock() {
                tracing::warn!(%instance, job = wait.0, "job stays locked until this host looks for what it has forgotten: {error}");
                return false;
            }
            tracing::warn!(%instance, job = wait.0, "job is still locked: {error}");
            tokio::time::sleep(POLL).await;
        }
    }
}

/// The wait that a job resumes.
pub(crate) fn wait_of(job: &ClaimedJob) -> WaitId {
    WaitId(u64::try_from(job.wait).expect("numbers of an instance are not negative"))
}

/// What a job that was run has to tell whoever waits for it.
fn outcome(state: &State, wait: WaitId) -> Result<(), Error> {
    if !state.failed {
        return Ok(());
    }
    let reason = state.instance.jobs().find(|job| job.wait == wait).and_then(|job| job.failure.clone());
    let job = PublicId { instance: state.instance.id(), number: wait.0 };
    Err(Error::JobFailed { job, reason: reason.unwrap_or_default() })
}

fn bug() -> Failure {
    Failure::of_unit(Code::InternalError, Error::Bug.to_string(), Retry::ByPolicy)
}

fn host_died(takeovers: i64) -> Failure {
    Failure::of_unit(Code::HostDied, format!("{takeovers} hosts died or lost their lease while they ran this job"), Retry::Never)
}

#[cfg(test)]
mod tests;
