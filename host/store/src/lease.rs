//! The right of this host to write: a row, an epoch, and a lease that is renewed while the process is well.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Error;
use crate::db::{Dialect, Lane, params};
use crate::trace::SLOTS;

/// A host in one of its epochs. Jobs and attempts are held by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HostRef {
    /// The host: a process, not a machine.
    pub id: Uuid,
    /// Raised when another host takes over its work.
    pub epoch: i64,
}

/// Renewals per lease: two may be lost.
const RENEWALS_PER_LEASE: u32 = 3;

/// The lease of a host that is alone: nobody is there to take over.
const FOR_EVER: i64 = i64::MAX;

pub(crate) struct Lease {
    pub(crate) host: HostRef,
    /// None on SQLite, where the process that has the file is the only host.
    length: Option<Duration>,
    lane: Lane,
    /// When the last renewal that succeeded was begun, on [`awake_ms`].
    renewed: AtomicU64,
    fenced: AtomicBool,
    ended: CancellationToken,
}

impl Lease {
    /// Writes this host's row.
    pub(crate) async fn take(lane: Lane, dialect: Dialect, name: &str, length: Duration) -> Result<Self, Error> {
        let host = HostRef { id: Uuid::now_v7(), epoch: 1 };
        let length = (dialect == Dialect::Postgres).then_some(length);
        let begun = awake_ms();
        let until = match length {
            Some(_) => "{now} + $4",
            None => "$4",
        };
        let sql = format!(
            "{{pg:WITH trace AS (INSERT INTO host_commit (host, slot, nth) SELECT $1, slot, 0 FROM generate_series(0, {SLOTS} - 1) slot)}} \
             INSERT INTO host (id, epoch, name, lease_until, steady_since, started_at) VALUES ($1, $2, $3, {until}, {{now}}, {{now}})"
        );
        lane.fetch(&sql, params![host.id, host.epoch, name, length.map_or(FOR_EVER, millis)]).await?;
        Ok(Self { host, length, lane, renewed: AtomicU64::new(begun), fenced: AtomicBool::new(false), ended: CancellationToken::new() })
    }

    /// Whether this host may start units of work and send commands: no longer than half a lease after its last renewal.
    pub(crate) fn may_act(&self) -> bool {
        if self.fenced.load(Ordering::Acquire) || self.ended.is_cancelled() {
            return false;
        }
        let Some(length) = self.length else { return true };
        let since = awake_ms().saturating_sub(self.renewed.load(Ordering::Acquire));
        Duration::from_millis(since) < length / 2
    }

    /// Another host has taken over: nothing is written from here on.
    pub(crate) fn fence(&self) {
        if !self.fenced.swap(true, Ordering::AcqRel) {
            tracing::error!("this host was fenced: another host has taken over its work; restart it");
        }
    }

    /// Nothing can be written any more, although nobody has taken over: the lease is left to end.
    pub(crate) fn give_up(&self) {
        if !self.fenced.swap(true, Ordering::AcqRel) {
            tracing::error!("this host met a bug and stores nothing any more; restart it");
        }
    }

    /// Whether nothing is written from here on.
    pub(crate) fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::Acquire)
    }

    /// Half of a lease: how long a host acts after a renewal, and between two looks at the leases of others. None on SQLite.
    pub(crate) fn half(&self) -> Option<i64> {
        self.length.map(|length| millis(length / 2))
    }

    /// Extends the lease. False: the epoch is over.
    pub(crate) async fn renew(&self) -> Result<bool, Error> {
        let (Some(length), Some(half)) = (self.length, self.half()) else { return Ok(!self.is_fenced()) };
        let begun = awake_ms();
        // Who renews later than after half of a lease has been away, or the database was, or its clock was set.
        let sql = "UPDATE host SET steady_since = CASE WHEN lease_until - $4 > {now} AND steady_since <= {now} THEN steady_since ELSE {now} END, \
                   lease_until = {now} + $3 WHERE id = $1 AND epoch = $2 AND ended_at IS NULL RETURNING epoch";
        let renewed = self.lane.fetch(sql, params![self.host.id, self.host.epoch, millis(length), half]).await?;
        if renewed.is_empty() {
            self.fence();
            return Ok(false);
        }
        self.renewed.fetch_max(begun, Ordering::AcqRel);
        Ok(true)
    }

    /// Renews until the store is closed or the host is fenced.
    pub(crate) async fn keep(&self) {
        let Some(length) = self.length else { return };
        let every = length / RENEWALS_PER_LEASE;
        // By beginnings: others count on one within half a lease, also after one that got no answer.
        let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while !self.is_fenced() && !self.ended.is_cancelled() {
            tokio::select! {
                () = self.ended.cancelled() => return,
                _ = ticks.tick() => {}
            }
            // A renewal that hangs must not keep the next one from being tried on a new connection.
            match tokio::time::timeout(every, self.renew()).await {
                Ok(Ok(_)) => {}
                Ok(Err(error)) => tracing::warn!("the lease was not renewed: {error}"),
                Err(_) => tracing::warn!("the lease was not renewed: the database did not answer in time"),
            }
        }
    }

    /// No unit is begun and no renewal made from here on.
    pub(crate) fn end(&self) {
        self.ended.cancel();
    }

    /// Completes when the store is closed.
    pub(crate) async fn over(&self) {
        self.ended.cancelled().await;
    }
}

/// A duration in the database's unit.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The time since some moment by a clock that nobody sets and that, where the system has one, goes on while the machine is suspended: a
/// host that slept must know.
pub fn awake() -> Duration {
    #[cfg(target_os = "linux")]
    let clock = rustix::time::ClockId::Boottime;
    #[cfg(not(target_os = "linux"))]
    let clock = rustix::time::ClockId::Monotonic;
    let time = rustix::time::clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Its milliseconds.
fn awake_ms() -> u64 {
    u64::try_from(awake().as_millis()).unwrap_or(u64::MAX)
}
