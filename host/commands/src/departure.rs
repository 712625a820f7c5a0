//! Whether a request has left.
//!
//! A request whose body was never handed to the connection cannot be complete at the service, whatever became of its
//! head, so it cannot have been applied. The body therefore notes when it is handed over; a sender that gives up first
//! forbids it, atomically. That separates "known not to have been applied" from "unknown" exactly, also when the host was
//! suspended between two lines of code and wakes up late.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// Neither left nor forbidden.
const WAITING: u8 = 0;
/// The body was handed to the connection.
const LEFT: u8 = 1;
/// The body will never be handed over.
const HELD: u8 = 2;

/// The departure of one request.
#[derive(Clone, Debug)]
pub(crate) struct Departure {
    state: Arc<AtomicU8>,
    latest: Latest,
}

/// The last moment at which a request may leave, by each clock that is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latest {
    pub(crate) instant: Instant,
    /// On Linux [`Instant`] stands still while the machine is suspended. For whoever must know: a clock that goes on, and what it may say
    /// at the most.
    pub(crate) awake: Option<(fn() -> Duration, Duration)>,
}

impl Latest {
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() > self.instant || self.awake.is_some_and(|(clock, latest)| clock() > latest)
    }
}

/// A body that leaves once, in time or not at all.
pub(crate) struct Departing {
    bytes: Option<Bytes>,
    departure: Departure,
}

/// Why a body was not handed over.
#[derive(Debug, thiserror::Error)]
#[error("the request was held back since its time was over")]
pub(crate) struct Held;

impl Departure {
    pub(crate) fn new(latest: Latest) -> Self {
        Self { state: Arc::new(AtomicU8::new(WAITING)), latest }
    }

    /// The body to send. `bytes` is not empty, for an empty body is never asked for.
    pub(crate) fn body(&self, bytes: Bytes) -> Departing {
        debug_assert!(!bytes.is_empty(), "an empty body would never be seen to leave");
        Departing { bytes: Some(bytes), departure: self.clone() }
    }

    /// Lets the request leave, unless it is too late or forbidden.
    pub(crate) fn leave(&self) -> Result<(), Held> {
        let to = if self.latest.is_over() { HELD } else { LEFT };
        match self.state.compare_exchange(WAITING, to, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) if to == LEFT => Ok(()),
            _ => Err(Held),
        }
    }

    /// Forbids the request to leave. `true` if it has not left, and then it never will.
    pub(crate) fn hold(&self) -> bool {
        match self.state.compare_exchange(WAITING, HELD, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => true,
            Err(state) => state == HELD,
        }
    }
}

impl Body for Departing {
    type Data = Bytes;
    type Error = Held;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Held>>> {
        let Some(bytes) = self.bytes.take() else {
            return Poll::Ready(None);
        };
        Poll::Ready(Some(self.departure.leave().map(|()| Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;
    use std::task::Waker;

    fn poll(body: &mut Departing) -> Poll<Option<Result<Frame<Bytes>, Held>>> {
        Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop()))
    }

    fn within(span: Duration, awake: Option<(fn() -> Duration, Duration)>) -> Latest {
        Latest { instant: Instant::now() + span, awake }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_in_time_leaves_and_cannot_be_held() {
        let departure = Departure::new(within(Duration::from_secs(5), None));
        let mut body = departure.body(Bytes::from_static(b"{}"));
        assert_eq!(body.size_hint().exact(), Some(2));
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Ok(_)))));
        assert!(body.is_end_stream());
        assert!(!departure.hold());
    }

    #[tokio::test(start_paused = true)]
    async fn a_sender_that_slept_past_its_time_sends_nothing() {
        let departure = Departure::new(within(Duration::from_secs(5), None));
        let mut body = departure.body(Bytes::from_static(b"{}"));
        tokio::time::advance(Duration::from_secs(6)).await;
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Err(Held)))));
        assert!(departure.hold());
    }

    /// Only the clock that goes on in suspend moves.
    #[tokio::test(start_paused = true)]
    async fn a_machine_that_was_suspended_past_its_time_sends_nothing() {
        static SECONDS: AtomicU64 = AtomicU64::new(100);
        let clock = || Duration::from_secs(SECONDS.load(Ordering::Relaxed));
        let departure = || Departure::new(within(Duration::from_secs(5), Some((clock, clock() + Duration::from_secs(5)))));
        let (in_time, late) = (departure(), departure());
        SECONDS.store(105, Ordering::Relaxed);
        assert!(in_time.leave().is_ok());
        SECONDS.store(106, Ordering::Relaxed);
        let mut body = late.body(Bytes::from_static(b"{}"));
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Err(Held)))));
        assert!(late.hold());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_was_held_does_not_leave_later() {
        let departure = Departure::new(within(Duration::from_secs(5), None));
        let mut body = departure.body(Bytes::from_static(b"{}"));
        assert!(departure.hold());
        assert!(matches!(poll(&mut body), Poll::Ready(Some(Err(Held)))));
    }
}
