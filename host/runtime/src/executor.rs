//! Which job runs when, on this host.
//!
//! A job that a unit commits for now is inserted already locked by this host and runs from memory. Everything else is claimed from the
//! store: by a loop that wakes when another host says that there is one, when one is due, and every half second. Exclusive jobs of one instance
//! run one at a time.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mandate_engine::{Code, Failure, Input, InstanceId, Rejection, Retry, WaitId};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use crate::advance::{Advanced, Work};
use crate::{Error, Inner, clock};

/// The store is polled this often, should a word from another host have been lost.
const POLL: Duration = Duration::from_millis(500);

/// Jobs taken from the store at once.
const CLAIM: u32 = 100;

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
    pub(crate) permit: Option<Permit>,
    pub(crate) mine: Mine,
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

/// The queue's state.
pub(crate) struct Executor {
    places: Arc<Semaphore>,
    workers: Arc<Semaphore>,
    /// Instances with an exclusive job under way, and the exclusive jobs that wait behind it.
    exclusive: Mutex<HashMap<InstanceId, VecDeque<Queued>>>,
    wake: Notify,
    next_due: AtomicI64,
    stopping: CancellationToken,
    /// A host that only serves requests leaves every job to others.
    executes: bool,
    /// Every job in this host's memory, by how many times it is there.
    mine: Arc<Mutex<HashMap<JobName, u32>>>,
}

impl Executor {
    pub(crate) fn new(executes: bool) -> Self {
        Self {
            executes,
            places: Arc::new(Semaphore::new(QUEUE)),
            workers: Arc::new(Semaphore::new(WORKERS)),
            exclusive: Mutex::default(),
            wake: Notify::new(),
            next_due: AtomicI64::new(i64::MAX),
            stopping: CancellationToken::new(),
            mine: Arc::default(),
        }
    }

    /// A job comes into this host's memory.
    pub(crate) fn mine(&self, instance: InstanceId, wait: WaitId) -> Mine {
        let name = (instance, wait);
        *self.mine.lock().expect("no holder of this lock panics").entry(name).or_default() += 1;
        Mine { jobs: self.mine.clone(), name }
    }

    /// A place in the queue for a job that is about to be stored; none when it is full, or the host is stopping or leaves jobs to others.
    pub(crate) fn reserve(&self) -> Option<Permit> {
        if !self.executes || self.stopping.is_cancelled() {
            return None;
        }
        self.places.clone().try_acquire_owned().ok()
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
}

impl Inner {
    /// Runs a locked job as soon as there is a worker and, if it is exclusive, no other exclusive job of its instance is under way.
    pub(crate) fn enqueue(self: &Arc<Self>, queued: Queued) {
        if queued.exclusive {
            let mut exclusive = self.executor.exclusive.lock().expect("no holder of this lock panics");
            if let Some(behind) = exclusive.get_mut(&queued.instance) {
                behind.push_back(queued);
                return;
            }
            exclusive.insert(queued.instance, VecDeque::new());
        }
        let inner = self.clone();
        self.tasks.spawn(async move { inner.work_off(queued).await });
    }

    /// Runs a job and then the exclusive jobs that queued behind it.
    async fn work_off(self: Arc<Self>, first: Queued) {
        let mut next = Some(first);
        while let Some(queued) = next.take() {
            let (instance, exclusive) = (queued.instance, queued.exclusive);
            let again = self.run_job(queued).await;
            if exclusive {
                let mut map = self.executor.exclusive.lock().expect("no holder of this lock panics");
                next = map.get_mut(&instance).and_then(VecDeque::pop_front);
                if next.is_none() {
                    map.remove(&instance);
                }
            }
            if let Some(contended) = again {
                self.enqueue(contended);
            }
        }
    }

    /// Runs one job. Gives it back when it lost too many races and should run alone.
    async fn run_job(self: &Arc<Self>, queued: Queued) -> Option<Queued> {
        let _worker = self.executor.workers.acquire().await.ok()?;
        // The place in the queue is held until the job has run.
        let Queued { instance, wait, exclusive: _, takeovers, permit, mine } = queued;
        if self.executor.stopping.is_cancelled() {
            self.release(instance, wait).await;
            return None;
        }
        let input = if takeovers > MAX_TAKEOVERS {
            crate::metrics::job_failed("unknown", Code::HostDied.as_str());
            Input::FailJob { wait, failure: host_died(takeovers) }
        } else {
            Input::RunJob { wait }
        };
        let started = std::time::Instant::now();
        let mut advanced = self.advance(Work { instance, input, begin: None, traceparent: None }).await;
        if let Err(Error::Bug) = advanced {
            // A job that meets a bug spends its attempts and ends in an incident, rather than running into it for ever.
            crate::metrics::job_failed("unknown", Code::InternalError.as_str());
            let input = Input::FailJob { wait, failure: bug() };
            advanced = self.advance(Work { instance, input, begin: None, traceparent: None }).await;
        }
        crate::metrics::job_ran(started.elapsed());
        match advanced {
            Ok(Advanced::Contended) => Some(Queued { instance, wait, exclusive: true, takeovers, permit, mine }),
            Ok(Advanced::Committed(_) | Advanced::AlreadyStarted(_)) => None,
            // Nothing was stored. As a rule the wait is gone or another host has its job, and then there is nothing to unlock. But a host that
            // could not renew its lease in time withdraws too, and may recover: what it kept locked then would never run.
            Ok(Advanced::Withdrawn)
            | Err(Error::NotFound { .. } | Error::Rejected(Rejection::Suspended | Rejection::NoSuchWait { .. })) => {
                self.release(instance, wait).await;
                None
            }
            Err(error) => {
                tracing::error!(%instance, job = wait.0, "job could not be run and is put back: {error}");
                // Not at once: whatever stopped it is likely still there.
                tokio::time::sleep(POLL).await;
                self.release(instance, wait).await;
                None
            }
        }
    }

    /// Unlocks a job unchanged, for whichever host claims it next. Does not give up while this host works: nobody else may run the job, and
    /// it does not itself.
    pub(crate) async fn release(&self, instance: InstanceId, wait: WaitId) {
        loop {
            let error = match self.store.release(&[(instance.0, crate::unit::number(wait.0))]).await {
                Ok(()) => return,
                Err(error) => error,
            };
            if self.executor.stopping.is_cancelled() {
                tracing::warn!(%instance, job = wait.0, "job stays locked until this host's lease ends: {error}");
                return;
            }
            tracing::warn!(%instance, job = wait.0, "job is still locked: {error}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Claims due jobs until the host stops.
    pub(crate) async fn claim_loop(self: Arc<Self>) {
        while !self.executor.stopping.is_cancelled() {
            let more = match self.claim_once(clock::now_ms()).await {
                Ok(more) => more,
                Err(error) => {
                    tracing::error!("due jobs could not be claimed: {error}");
                    false
                }
            };
            if more {
                continue;
            }
            let until_due = self.executor.next_due.load(Ordering::Relaxed).saturating_sub(clock::now_ms());
            let pause = POLL.min(Duration::from_millis(u64::try_from(until_due).unwrap_or(0).max(1)));
            tokio::select! {
                () = self.executor.stopping.cancelled() => {}
                () = self.executor.wake.notified() => {}
                () = self.store.jobs_elsewhere() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Claims what is due, as far as there is room. True when there may be more.
    async fn claim_once(self: &Arc<Self>, now: i64) -> Result<bool, Error> {
        let room = u32::try_from(self.executor.places.available_permits()).unwrap_or(CLAIM).min(CLAIM);
        if room == 0 || !self.store.may_act() {
            self.executor.next_due.store(i64::MAX, Ordering::Relaxed);
            return Ok(false);
        }
        // Before asking: a due date that a commit announces from here on is not overwritten.
        self.executor.next_due.store(i64::MAX, Ordering::Relaxed);
        let claimed = self.store.claim(now, room).await?;
        let full = claimed.len() == room as usize;
        crate::metrics::jobs_acquired(claimed.len());
        for job in claimed {
            let wait = WaitId(u64::try_from(job.wait).expect("numbers of an instance are not negative"));
            let permit = self.executor.places.clone().try_acquire_owned().ok();
            let (instance, exclusive) = (InstanceId(job.instance), job.exclusive);
            let mine = self.executor.mine(instance, wait);
            self.enqueue(Queued { instance, wait, exclusive, takeovers: job.takeovers, permit, mine });
        }
        if !full && let Some(due) = self.store.next_due(now).await? {
            self.executor.next_due.fetch_min(due, Ordering::Relaxed);
        }
        Ok(full)
    }

    /// Takes over the work of hosts whose lease has ended, and unlocks what this one has locked and forgotten, until the host stops.
    pub(crate) async fn takeover_loop(self: Arc<Self>, every: Duration) {
        let mut suspects = HashSet::new();
        while !self.executor.stopping.is_cancelled() {
            match self.forgotten().await {
                Ok(forgotten) => {
                    // Seen twice, so that a job on its way between store and memory is not meant.
                    for (instance, wait) in forgotten.intersection(&suspects) {
                        tracing::warn!(%instance, job = wait.0, "this host had locked a job that it did not know of; it is put back");
                        self.release(*instance, *wait).await;
                        self.executor.wake.notify_one();
                    }
                    suspects = forgotten;
                }
                Err(error) => tracing::error!("could not look for jobs that this host has locked and forgotten: {error}"),
            }
            match self.store.take_over().await {
                Ok(taken) if taken.hosts > 0 => {
                    tracing::warn!(hosts = taken.hosts, jobs = taken.jobs, "took over the work of hosts whose lease ended");
                    self.executor.wake.notify_one();
                }
                Ok(_) => {}
                Err(error) => tracing::error!("could not look for hosts whose lease ended: {error}"),
            }
            tokio::select! {
                () = self.executor.stopping.cancelled() => {}
                () = tokio::time::sleep(every) => {}
            }
        }
    }
}

impl Inner {
    /// Jobs that are locked by this host and not in its memory: the answer to the COMMIT that locked them was lost, or whoever had them ended
    /// before its time. As long as this host lives nobody else would run them.
    async fn forgotten(&self) -> Result<HashSet<JobName>, Error> {
        let locked = self.store.locked().await?;
        let mine = self.executor.mine.lock().expect("no holder of this lock panics");
        let names = locked.into_iter().filter_map(|(instance, wait)| Some((InstanceId(instance), WaitId(u64::try_from(wait).ok()?))));
        Ok(names.filter(|name| !mine.contains_key(name)).collect())
    }
}

fn bug() -> Failure {
    Failure { code: Code::InternalError, message: Error::Bug.to_string(), element: None, retry: Retry::ByPolicy }
}

fn host_died(takeovers: i64) -> Failure {
    Failure {
        code: Code::HostDied,
        message: format!("{takeovers} hosts died or lost their lease while they ran this job"),
        element: None,
        retry: Retry::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::Upload;
    use crate::{Config, DefinitionRef, Runtime, Start, StoreConfig, wasm};

    const TIMER: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="test">
      <process id="p" isExecutable="true">
        <startEvent id="s"/>
        <intermediateCatchEvent id="t"><timerEventDefinition><timeDuration>PT1S</timeDuration></timerEventDefinition></intermediateCatchEvent>
        <endEvent id="e"/>
        <sequenceFlow id="f1" sourceRef="s" targetRef="t"/>
        <sequenceFlow id="f2" sourceRef="t" targetRef="e"/>
      </process>
    </definitions>"#;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_job_that_was_locked_without_this_host_knowing_runs_all_the_same() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut store = StoreConfig::new(format!("sqlite:{}", dir.path().join("mandate.db").display()));
        store.lease = Duration::from_secs(1);
        let sandbox = wasm::Config::new(dir.path().join("components"), wasm::Compiler::InProcess);
        let config = Config { store, sandbox, catalogue: None, execute_jobs: true };
        let runtime = Runtime::open(config).await.expect("the host opens");
        let upload = Upload { resources: vec![("p.bpmn".to_owned(), TIMER.as_bytes().to_vec())], ..Upload::default() };
        runtime.deploy(upload).await.expect("deployed");
        let start = Start {
            definition: DefinitionRef::Key { key: "p".to_owned(), tenant: None },
            business_key: None,
            variables: mandate_engine::Variables::new(),
            idempotency_key: None,
            traceparent: None,
        };
        let id = runtime.start(start).await.expect("it starts").id;
        // What is left of a claim whose COMMIT was never answered. Before its time, so that the executor cannot have it.
        let claimed = runtime.0.store.claim(clock::now_ms() + 60_000, 10).await.expect("claimed");
        assert_eq!(claimed.len(), 1);
        let ended = async {
            while runtime.instance(id).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), ended).await.expect("the timer fires");
        assert!(runtime.0.executor.mine.lock().expect("no holder of this lock panics").is_empty(), "nothing is left in memory");
        runtime.shut_down(Duration::from_secs(5)).await;
    }
}
