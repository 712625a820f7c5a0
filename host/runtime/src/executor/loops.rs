//! What a host does by itself, for ever: claim jobs that are due, and put right what hosts have left behind.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mandate_engine::{InstanceId, WaitId};
use mandate_store::DeliveryName;
use uuid::Uuid;

use super::{JobName, POLL, Permit};
use crate::clock::Clock;
use crate::metrics::Acquired;
use crate::{Error, Inner};

/// Jobs taken from the store at once.
const CLAIM: u32 = 100;

/// What a host has locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Locked {
    Job(JobName),
    Delivery(DeliveryName),
    StartTimer(Uuid),
}

impl Inner {
    /// Starts this host's loops; each goes on until the host stops.
    pub(crate) fn start_loops(self: &Arc<Self>, lease: Duration) {
        if self.executor.executes {
            self.tasks.spawn(self.clone().keep("claims of due jobs", Self::claim_loop));
            self.tasks.spawn(self.clone().keep("deliveries of signals", Self::delivery_loop));
            self.tasks.spawn(self.clone().keep("what is planned", Self::plan_loop));
        }
        if let Clock::Manual { .. } = self.clock {
            self.tasks.spawn(self.clone().keep("looks at the clock", Self::clock_loop));
        }
        let cleanup = self.cleanup.clone();
        self.tasks.spawn(self.clone().keep("the removal of history", move |inner| inner.cleanup_loop(cleanup.clone())));
        // Also where no jobs are executed but those that an operator asks for: nobody else would put back what this host has forgotten.
        self.tasks.spawn(self.clone().keep("takeovers", move |inner| inner.recovery_loop(lease / 2)));
    }

    /// Begins a loop again that ended with a panic: without it this host would look well and do nothing.
    async fn keep<F: Future<Output = ()> + Send + 'static>(self: Arc<Self>, what: &'static str, begin: impl Fn(Arc<Self>) -> F + Send) {
        while let Err(error) = self.tasks.spawn(begin(self.clone())).await
            && !self.executor.is_stopping()
        {
            tracing::error!("{what} ended before their time and are begun again: {error}");
            tokio::time::sleep(POLL).await;
        }
    }

    /// Claims due jobs whenever there is room for some.
    async fn claim_loop(self: Arc<Self>) {
        let mut by = Acquired::Poll;
        loop {
            // All at once: a full queue that is worked off is filled in batches and not job by job.
            let places = tokio::select! {
                () = self.executor.stopping.cancelled() => return,
                places = self.executor.places.clone().acquire_many_owned(CLAIM) => places.expect("nobody closes it"),
            };
            let now = self.clock.now_ms();
            let jobs = self.claim_once(places, now, by).await;
            let timers = self.claim_start_timers(now).await;
            match jobs.and_then(|jobs| Ok(jobs + timers?)) {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => tracing::error!("due jobs could not be claimed: {error}"),
            }
            let pause = self.clock.until(self.executor.next_due.load(Ordering::Relaxed), POLL);
            by = tokio::select! {
                () = self.executor.stopping.cancelled() => return,
                () = self.executor.wake.notified() => Acquired::Here,
                () = self.store.jobs_elsewhere() => Acquired::Notification,
                () = tokio::time::sleep(pause) => Acquired::Poll,
            };
        }
    }

    /// Claims what is due, as far as there are places for it. Answers how many jobs.
    async fn claim_once(self: &Arc<Self>, mut places: Permit, now: i64, by: Acquired) -> Result<usize, Error> {
        // Before asking: a due date that a commit announces from here on is not overwritten.
        self.executor.next_due.store(i64::MAX, Ordering::Relaxed);
        if !self.store.may_act() {
            return Ok(0);
        }
        let except = self.executor.held_back(Instant::now());
        let claimed = self.store.claim(now, CLAIM, &except).await?;
        crate::metrics::jobs_acquired(by, claimed.len());
        for job in &claimed {
            self.enqueue(self.queued(job, places.split(1)));
        }
        if claimed.is_empty()
            && let Some(due) = self.store.next_due(now).await?
        {
            self.executor.next_due.fetch_min(due, Ordering::Relaxed);
        }
        Ok(claimed.len())
    }

    /// Takes over the work of hosts whose lease has ended, unlocks what this one has locked and forgotten, closes commands that it has left
    /// open, makes due what could not be made due when somebody began to wait for it, and forgets signals that were given up and that
    /// nobody waits for any more, and elements of deleted definitions that history does not tell of any more.
    async fn recovery_loop(self: Arc<Self>, every: Duration) {
        let mut suspects = HashSet::new();
        while !self.executor.is_stopping() {
            match self.forgotten().await {
                Ok(forgotten) => {
                    // Seen twice, so that what is on its way between store and memory is not meant.
                    for locked in forgotten.intersection(&suspects) {
                        self.put_back_forgotten(*locked).await;
                    }
                    suspects = forgotten;
                }
                Err(error) => tracing::error!("could not look for what this host has locked and forgotten: {error}"),
            }
            match self.store.take_over().await {
                Ok(taken) if taken.hosts > 0 => {
                    tracing::warn!(
                        hosts = taken.hosts,
                        jobs = taken.jobs,
                        commands = taken.commands,
                        "took over the work of hosts whose lease ended"
                    );
                    self.executor.wake.notify_one();
                }
                Ok(_) => {}
                Err(error) => tracing::error!("could not look for hosts whose lease ended: {error}"),
            }
            self.close_left().await;
            if !self.unwoken.is_empty() {
                // Beside this loop: others wait for what it does, and each of these may wait for the database.
                let inner = self.clone();
                self.tasks.spawn(async move { inner.wake_again().await });
            }
            if let Err(error) = self.store.drop_orphaned_deliveries(self.clock.now_ms()).await {
                tracing::error!("could not look for signals that nobody is there for any more: {error}");
            }
            // Also where no history is removed by itself: with a deployment it is, and by hand.
            if let Err(error) = self.store.remove_left_elements().await {
                tracing::error!("could not look for elements of deleted definitions that history does not tell of any more: {error}");
            }
            tokio::select! {
                () = self.executor.stopping.cancelled() => {}
                () = tokio::time::sleep(every) => {}
            }
        }
    }

    /// What is locked by this host and not in its memory: the answer to the COMMIT that locked it was lost, or whoever had it ended before
    /// its time. As long as this host lives nobody else would run it; nor would this one, where it executes no jobs but those that an
    /// operator asks for.
    async fn forgotten(&self) -> Result<HashSet<Locked>, Error> {
        let jobs = self.store.locked().await?;
        let timers = self.store.locked_start_timers().await?;
        let deliveries = self.store.locked_deliveries().await?;
        let mut forgotten = HashSet::new();
        {
            let mine = self.executor.mine.lock().expect("no holder of this lock panics");
            let name = |(id, number): (Uuid, i64)| Some((InstanceId(id), WaitId(u64::try_from(number).ok()?)));
            let unknown = |name: &JobName| !mine.contains_key(name);
            forgotten.extend(jobs.into_iter().filter_map(name).filter(unknown).map(Locked::Job));
            forgotten.extend(timers.into_iter().filter_map(name).filter(unknown).map(|(id, _)| Locked::StartTimer(id.0)));
        }
        let busy = self.delivering.busy();
        let unknown = deliveries.into_iter().filter(|(name, receiver)| !busy.contains(&name.signal) && !busy.contains(receiver));
        forgotten.extend(unknown.map(|(name, _)| Locked::Delivery(name)));
        Ok(forgotten)
    }

    async fn put_back_forgotten(&self, locked: Locked) {
        tracing::warn!(?locked, "this host had locked what it did not know of; it is put back");
        match locked {
            Locked::Job((instance, wait)) => drop(self.release(instance, wait).await),
            Locked::StartTimer(id) => self.release_start_timer(id).await,
            Locked::Delivery(name) => {
                // It is found the next time again.
                if let Err(error) = self.store.release_delivery(name).await {
                    tracing::warn!(?name, "a signal is still locked: {error}");
                }
                self.thrown.notify_one();
            }
        }
        self.executor.wake.notify_one();
    }
}
