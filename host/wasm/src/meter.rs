//! What a call uses while it runs, readable from outside at any moment.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use wasmtime::ResourceLimiter;

/// Counters of one call, shared by the guest's task and whoever waits for it.
#[derive(Default)]
pub(crate) struct Meter {
    /// Nanoseconds of CPU in polls that have ended.
    spent: AtomicU64,
    /// The thread's CPU clock at the start of the poll that is going on.
    poll_started: AtomicU64,
    pub(crate) commands: AtomicU32,
    pub(crate) waits_for_command: AtomicBool,
    peak_memory: AtomicU64,
}

impl Meter {
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent.load(Ordering::Relaxed))
    }

    /// CPU used so far, to be asked from within the guest's poll.
    pub(crate) fn spent_until_now(&self) -> Duration {
        let poll = thread_cpu().saturating_sub(self.poll_started.load(Ordering::Relaxed));
        self.spent() + Duration::from_nanos(poll)
    }

    pub(crate) fn peak_memory(&self) -> u64 {
        self.peak_memory.load(Ordering::Relaxed)
    }
}

/// CPU time of this thread in nanoseconds. It stands still while the thread is preempted, so that a guest does not pay for a busy machine.
fn thread_cpu() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(time.tv_sec).unwrap_or_default() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or_default()
}

/// Counts the CPU time spent in the polls of a guest. A guest that waits is not polled and so pays nothing for it.
pub(crate) struct Metered<F> {
    guest: Pin<Box<F>>,
    meter: Arc<Meter>,
}

impl<F: Future> Metered<F> {
    pub(crate) fn new(guest: F, meter: Arc<Meter>) -> Self {
        Self { guest: Box::pin(guest), meter }
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let started = thread_cpu();
        self.meter.poll_started.store(started, Ordering::Relaxed);
        let polled = self.guest.as_mut().poll(cx);
        self.meter.spent.fetch_add(thread_cpu().saturating_sub(started), Ordering::Relaxed);
        polled
    }
}

/// Bounds the sum of all memories and tables of a store.
pub(crate) struct MemoryLimiter {
    limit: u64,
    used: u64,
    meter: Arc<Meter>,
    /// What the last growth was that may still fail.
    pending: u64,
    /// What was asked for when growth was refused for the first time. The guest's allocator aborts then as a rule, with a bare
    /// trap, so this is what names the limit.
    pub(crate) refused: Option<u64>,
}

impl MemoryLimiter {
    pub(crate) fn new(limit: u64, meter: Arc<Meter>) -> Self {
        Self { limit, used: 0, meter, pending: 0, refused: None }
    }

    fn grow(&mut self, by: u64) -> bool {
        let wanted = self.used.saturating_add(by);
        if wanted > self.limit {
            self.refused.get_or_insert(wanted);
            return false;
        }
        self.used = wanted;
        self.pending = by;
        self.meter.peak_memory.fetch_max(wanted, Ordering::Relaxed);
        true
    }

    fn undo(&mut self) {
        self.used -= std::mem::take(&mut self.pending);
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(self.grow(desired.saturating_sub(current) as u64))
    }

    fn memory_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let elements = desired.saturating_sub(current);
        Ok(self.grow(elements.saturating_mul(size_of::<usize>()) as u64))
    }

    fn table_grow_failed(&mut self, _: wasmtime::Error) -> wasmtime::Result<()> {
        self.undo();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_and_tables_share_one_limit() {
        let meter = Arc::new(Meter::default());
        let mut limiter = MemoryLimiter::new(200_000, Arc::clone(&meter));
        assert!(limiter.memory_growing(0, 65_536, None).unwrap());
        assert!(limiter.memory_growing(0, 65_536, None).unwrap());
        assert!(limiter.table_growing(0, 1000, None).unwrap());
        assert!(!limiter.memory_growing(65_536, 131_072, None).unwrap());
        assert_eq!(limiter.refused, Some(65_536 * 3 + 8000));
        assert_eq!(meter.peak_memory(), 65_536 * 2 + 8000);
    }

    #[test]
    fn growth_that_failed_after_all_is_given_back() {
        let mut limiter = MemoryLimiter::new(100_000, Arc::new(Meter::default()));
        assert!(limiter.memory_growing(0, 65_536, Some(0)).unwrap());
        limiter.memory_grow_failed(wasmtime::Error::msg("beyond its maximum")).unwrap();
        assert!(limiter.memory_growing(0, 65_536, None).unwrap());
    }

    #[tokio::test]
    async fn waiting_costs_no_cpu() {
        let meter = Arc::new(Meter::default());
        let (done, wait) = tokio::sync::oneshot::channel::<()>();
        let guest = tokio::spawn(Metered::new(async move { wait.await.is_ok() }, Arc::clone(&meter)));
        // The host works meanwhile; the guest does not.
        let busy = thread_cpu();
        while thread_cpu() - busy < 20_000_000 {
            std::hint::spin_loop();
        }
        tokio::task::yield_now().await;
        done.send(()).unwrap();
        assert!(guest.await.unwrap());
        assert!(meter.spent() < Duration::from_millis(20), "{:?}", meter.spent());
    }
}
