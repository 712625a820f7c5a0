//! Room at a target: requests in flight, and requests per time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::command::Target;
use crate::departure::Latest;
use crate::quantity::Rate;

/// How far ahead of an even pace requests may run. Timers are exact to a millisecond only, so that without it a rate above
/// 1000 a second could not be reached; rates up to 100 a second never feel it.
const BURST: Duration = Duration::from_millis(10);

/// The room of one target.
#[derive(Debug)]
pub(crate) struct Room {
    target: String,
    in_flight: Arc<Semaphore>,
    rate: Option<Pace>,
}

/// When the next request is due at an even pace. The lock is held while waiting, so that those who wait are served in
/// the order in which they came and one who stops waiting takes no turn.
#[derive(Debug)]
struct Pace {
    rate: Rate,
    due: Mutex<Instant>,
}

/// A place at a target: the right to send one request to it. Given back when dropped.
#[derive(Debug)]
#[must_use = "a place that is dropped is given back"]
pub struct Place {
    target: String,
    latest: Option<Latest>,
    _permit: OwnedSemaphorePermit,
}

impl Room {
    pub(crate) fn new(target: &Target) -> Self {
        Self {
            target: target.name.clone(),
            in_flight: Arc::new(Semaphore::new(target.in_flight)),
            rate: target.rate.map(|rate| Pace { rate, due: Mutex::new(Instant::now()) }),
        }
    }

    /// Waits for a place.
    pub(crate) async fn enter(&self) -> Place {
        let permit =
            Arc::clone(&self.in_flight).acquire_owned().await.expect("the semaphore lives as long as the room and is never closed");
        if let Some(pace) = &self.rate {
            pace.turn().await;
        }
        Place { target: self.target.clone(), latest: None, _permit: permit }
    }
}

impl Pace {
    /// Waits for the next turn.
    async fn turn(&self) {
        let mut due = self.due.lock().await;
        let ahead = due.saturating_duration_since(Instant::now());
        if ahead > BURST {
            tokio::time::sleep(ahead.saturating_sub(BURST)).await;
        }
        *due = (*due).max(Instant::now()) + self.rate.interval;
    }
}

impl Place {
    /// Forbids the request to leave later than this span from now, by the monotonic clock and by `awake`: a clock that goes on while the
    /// machine is suspended, as the monotonic one does not. For a host whose right to send ends with its lease: the check is made as the
    /// request is handed to the connection, so that a host that was suspended after its own check, by itself or with its machine, sends
    /// nothing. The outcome is then unavailable, since nothing was applied.
    pub fn leaves_within(mut self, span: Duration, awake: fn() -> Duration) -> Self {
        self.latest = Some(Latest { instant: Instant::now() + span, awake: Some((awake, awake() + span)) });
        self
    }

    /// Whether a request would leave too late ([`leaves_within`](Self::leaves_within)): it is not to be sent.
    pub fn is_late(&self) -> bool {
        self.latest.is_some_and(|latest| latest.is_over())
    }

    /// The last moment at which the request may leave, given the attempt's own deadline.
    pub(crate) fn latest(&self, deadline: Instant) -> Latest {
        let Some(latest) = self.latest else { return Latest { instant: deadline, awake: None } };
        Latest { instant: latest.instant.min(deadline), ..latest }
    }

    /// The target it is a place at.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(in_flight: usize, interval: Option<Duration>) -> Room {
        Room {
            target: "orders".to_owned(),
            in_flight: Arc::new(Semaphore::new(in_flight)),
            rate: interval.map(|interval| Pace { rate: Rate { interval }, due: Mutex::new(Instant::now()) }),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_target_lets_the_next_wait_until_a_place_is_given_back() {
        let room = room(2, None);
        let first = room.enter().await;
        let _second = room.enter().await;
        // The clock is paused: the hour passes only since nothing else can happen.
        tokio::time::timeout(Duration::from_hours(1), room.enter()).await.expect_err("no place is free");
        drop(first);
        let _third = room.enter().await;
    }

    #[tokio::test(start_paused = true)]
    async fn requests_follow_one_another_at_the_rate() {
        let room = room(100, Some(Duration::from_millis(100)));
        let started = Instant::now();
        for _ in 0..11 {
            drop(room.enter().await);
        }
        let elapsed = started.elapsed();
        assert!((Duration::from_millis(990)..=Duration::from_millis(1001)).contains(&elapsed), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_above_the_timers_resolution_is_reached_and_not_exceeded() {
        let room = room(100, Some(Duration::from_micros(100)));
        let started = Instant::now();
        for _ in 0..10_000 {
            drop(room.enter().await);
        }
        let elapsed = started.elapsed();
        assert!((Duration::from_millis(980)..=Duration::from_millis(1050)).contains(&elapsed), "{elapsed:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_target_saves_up_no_burst() {
        let room = room(100, Some(Duration::from_secs(1)));
        tokio::time::advance(Duration::from_hours(1)).await;
        let started = Instant::now();
        for _ in 0..3 {
            drop(room.enter().await);
        }
        assert!(started.elapsed() >= Duration::from_millis(1980), "{:?}", started.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_stops_waiting_takes_no_turn() {
        let room = room(100, Some(Duration::from_secs(10)));
        let started = Instant::now();
        drop(room.enter().await);
        for _ in 0..5 {
            tokio::time::timeout(Duration::from_secs(1), room.enter()).await.expect_err("too early");
        }
        drop(room.enter().await);
        assert!(started.elapsed() <= Duration::from_millis(10_001), "{:?}", started.elapsed());
    }
}
