//! The one place that reads a clock: the system's, or one that is set.
//!
//! Under a *set* clock (`mandate serve --clock=manual`) time stands still until somebody moves it, so that a process with a timeout of two
//! days is tested in a moment. What a process sees of time follows it: due dates, times of retries, locks of external tasks, history. What
//! keeps hosts apart does not: leases, limits and the ledger, which go by real time.
//!
//! The clock is a row of the database. Whoever has run under a set clock once stays under it: its due dates may be years ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use mandate_store::Store;
use tokio::sync::Mutex;

use crate::error::SHUTTING_DOWN;
use crate::{Error, Inner, Runtime};

/// What a host takes the time from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClockSource {
    /// The system's clock.
    #[default]
    System,
    /// [`Runtime::set_clock`] and nothing else.
    Manual,
    /// Whichever of the two the database has run under: for looking at it, not for running it. Such a host does nothing by itself.
    Stored,
}

/// How often a host looks where another one has set the clock.
const LOOK: Duration = Duration::from_millis(100);

/// Pauses between looks whether all is quiet: from the first to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// The clock of a host.
pub(crate) enum Clock {
    System,
    Manual {
        now: AtomicI64,
        /// Held by whoever moves it: two that step through due dates at once would leave some out of order.
        moving: Mutex<()>,
    },
}

impl Clock {
    /// Refuses a database whose time is another.
    pub(crate) async fn open(source: ClockSource, store: &Store) -> Result<Self, Error> {
        let stored = store.set_clock().await?;
        match (source, stored) {
            (ClockSource::System | ClockSource::Stored, None) => Ok(Self::System),
            (ClockSource::Stored, Some(at)) => Ok(Self::Manual { now: AtomicI64::new(at), moving: Mutex::default() }),
            (ClockSource::System, Some(at)) => Err(Error::Conflict(format!(
                "this database has run under a set clock, which shows {}; use --clock=manual, or another database",
                show(at)
            ))),
            // Whoever sets the clock of such a database by mistake could never go back.
            (ClockSource::Manual, None) if store.has_deployments().await? => {
                let why = "this database has run under the system's clock, and would be under a set one for good; use an empty database";
                Err(Error::Conflict(why.to_owned()))
            }
            (ClockSource::Manual, None) if store.has_other_hosts().await? => {
                let why = "other hosts have this database open and use their systems' clocks; stop them, or use another database";
                Err(Error::Conflict(why.to_owned()))
            }
            (ClockSource::Manual, _) => {
                let now = store.move_clock(stored.unwrap_or_else(system_now_ms)).await?;
                Ok(Self::Manual { now: AtomicI64::new(now), moving: Mutex::default() })
            }
        }
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub(crate) fn now_ms(&self) -> i64 {
        match self {
            Self::System => system_now_ms(),
            Self::Manual { now, .. } => now.load(Ordering::Acquire),
        }
    }

    /// The time by which what cannot be undone is done, given the database's: the earlier of the two, so that a host whose clock has run
    /// ahead does nothing before its time. A clock that is set is the database's own. On SQLite both are this machine's, and nothing tells
    /// that it is wrong.
    pub(crate) fn agreed(&self, database: i64) -> i64 {
        match self {
            Self::System => system_now_ms().min(database),
            Self::Manual { .. } => self.now_ms(),
        }
    }

    /// How long to pause until a moment, `most` at the most. A clock that is set comes to no moment by itself: whoever moves it wakes who
    /// waits for one.
    pub(crate) fn until(&self, moment: i64, most: Duration) -> Duration {
        match self {
            Self::System => {
                let left = u64::try_from(moment.saturating_sub(self.now_ms())).unwrap_or(0);
                most.min(Duration::from_millis(left).max(LEAST_PAUSE))
            }
            Self::Manual { .. } => most,
        }
    }
}

/// The shortest pause until something is due.
const LEAST_PAUSE: Duration = Duration::from_millis(1);

/// Milliseconds since 1970-01-01 UTC by the system's clock, whatever the process is told.
pub(crate) fn system_now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Runtime {
    /// The time as processes see it, in milliseconds since 1970.
    pub fn now(&self) -> i64 {
        self.0.clock.now_ms()
    }

    /// Moves the clock forward to a moment and answers where it stands. On a host that runs jobs it stops at every due date on the way, in
    /// their order, until all that is due there has run; retries are such dates, too. Refused on a host that uses the system's clock.
    ///
    /// Dropped on its way it leaves the clock at the date that it has come to.
    pub async fn set_clock(&self, to: i64) -> Result<i64, Error> {
        let Clock::Manual { now, moving } = &self.0.clock else {
            let why = "this host uses its system's clock, which cannot be set; start it with --clock=manual, on a database of its own";
            return Err(Error::Conflict(why.to_owned()));
        };
        let _moving = moving.lock().await;
        let at = now.load(Ordering::Acquire);
        if to < at {
            return Err(Error::Invalid(format!("the clock shows {} and moves forward only, not to {}", show(at), show(to))));
        }
        if self.0.executor.executes() {
            self.0.settle().await?;
            while let Some(due) = self.0.store.next_due(self.now()).await?.filter(|due| *due <= to) {
                self.0.move_clock(now, due).await?;
                self.0.settle().await?;
            }
        }
        self.0.move_clock(now, to).await?;
        if self.0.executor.executes() {
            self.0.settle().await?;
        }
        Ok(self.now())
    }
}

impl Inner {
    async fn move_clock(&self, now: &AtomicI64, to: i64) -> Result<(), Error> {
        now.fetch_max(self.store.move_clock(to).await?, Ordering::AcqRel);
        self.executor.look_again();
        Ok(())
    }

    /// Waits until no job runs anywhere and none is due that this host would run, and no signal is on its way.
    async fn settle(&self) -> Result<(), Error> {
        let mut pause = FIRST_PAUSE;
        loop {
            if self.executor.is_stopping() {
                return Err(Error::NotActing(SHUTTING_DOWN));
            }
            let except = self.executor.held_back(Instant::now());
            let is_idle = self.executor.is_idle() && self.delivering.is_idle();
            if is_idle && self.store.is_quiet(self.clock.now_ms(), &except).await? {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Follows a clock that another host has moved.
    pub(crate) async fn clock_loop(self: Arc<Self>) {
        let Clock::Manual { now, .. } = &self.clock else { return };
        while !self.executor.is_stopping() {
            match self.store.set_clock().await {
                Ok(Some(at)) if now.fetch_max(at, Ordering::AcqRel) < at => self.executor.look_again(),
                Ok(_) => {}
                Err(error) => tracing::error!("could not look where the clock was set: {error}"),
            }
            tokio::select! {
                () = self.executor.stopped() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }
}

/// A moment as people read it.
fn show(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map_or_else(|_| format!("{millis} ms"), |moment| moment.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_runs_ahead_of_the_database_is_not_believed() {
        let now = system_now_ms();
        assert_eq!(Clock::System.agreed(now - 60_000), now - 60_000);
        assert!((now..now + 60_000).contains(&Clock::System.agreed(now + 3_600_000)));
        let set = Clock::Manual { now: AtomicI64::new(now + 3_600_000), moving: Mutex::default() };
        assert_eq!(set.agreed(now), now + 3_600_000);
    }

    #[test]
    fn only_a_clock_that_moves_by_itself_comes_to_a_moment() {
        let most = Duration::from_millis(500);
        let now = system_now_ms();
        assert_eq!(Clock::System.until(now - 5, most), LEAST_PAUSE);
        assert_eq!(Clock::System.until(now + 60_000, most), most);
        assert_eq!(Clock::System.until(i64::MAX, most), most);
        assert!(Clock::System.until(now + 400, most) < most);
        // A host would look a thousand times a second for what is due in a millisecond that does not pass.
        let set = Clock::Manual { now: AtomicI64::new(now), moving: Mutex::default() };
        assert_eq!(set.until(now + 1, most), most);
    }
}
