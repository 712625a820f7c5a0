//! S1 for ten minutes (`--seconds`): does memory stay flat?
//!
//! As many instances are started as keep the host busy, but no more than so many are alive at once, so that what is measured is work and
//! not a queue that grows. Resident memory is looked at every second; its slope is that of the second half, when caches are full. The
//! number of instances is what came of it. Sizes on the disk are noted before, at the end of the load, and when the database is settled:
//! S11 has the same with a reader beside it.

use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Latency, Scenario};
use crate::database::Database;
use crate::figures::{DISK_AFTER, DISK_BEFORE, DISK_LOADED, Figures, megabytes, rounded};
use crate::host::{Batch, Host, order};
use crate::process;
use crate::window::{Notes, Window};

/// Instances that are alive at once, about.
const ALIVE: u64 = 1_000;

/// Starts between two looks at the clock.
const AT_ONCE: u32 = 256;

/// A table that is not worth a line, in bytes.
const SMALL: u64 = 1_000_000;

/// Between two looks at memory.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

pub(super) struct Soak;

impl Scenario for Soak {
    fn name(&self) -> &'static str {
        "soak"
    }

    fn about(&self) -> &'static str {
        "S1 for --seconds: resident memory over time, disk"
    }

    fn instances(&self) -> u32 {
        5_000
    }

    fn model(&self) -> String {
        include_str!("../../models/five-asynchronous.bpmn").to_owned()
    }

    fn is_long(&self) -> bool {
        true
    }

    fn warm_up<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move { super::start_and_follow(host, batch, window).await.map(drop) })
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        Box::pin(async move {
            window.open().await?;
            window.note(DISK_BEFORE, disk(host).await?);
            keep_busy(host, batch, window).await?;
            window.note(DISK_LOADED, disk(host).await?);
            Ok(Latency::StartToEnd)
        })
    }

    fn after<'a>(&'a self, host: &'a Host, _: &'a Figures, notes: &'a mut Notes) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            notes.insert(DISK_AFTER.to_owned(), disk(host).await?);
            Ok(())
        })
    }
}

/// What the host's database takes on the disk now, in megabytes: see [`Database::sizes`].
pub(super) async fn disk(host: &Host) -> anyhow::Result<Value> {
    let sizes = Database::connect(&host.setup.url).await?.sizes().await?;
    let is_told = |name: &str, size: u64| size >= SMALL || matches!(name, "total" | "log");
    let told = sizes.into_iter().filter(|(name, size)| is_told(name, *size));
    Ok(told.map(|(name, size)| (name, json!(rounded(megabytes(size))))).collect::<Notes>().into())
}

/// Keeps a host busy for as long as its setup says, and waits for the last instance. Notes how memory went.
pub(super) async fn keep_busy(host: &Host, batch: Batch, window: &mut Window<'_>) -> anyhow::Result<()> {
    let (before, begun) = (host.ended(), Instant::now());
    let length = Duration::from_secs(host.setup.size.seconds.into());
    let mut started = 0;
    let mut looks: Vec<(f64, f64)> = Vec::new();
    while begun.elapsed() < length {
        let from = started;
        let start = |number| {
            let key = batch.key(from + number);
            let variables = order(&key);
            async move { host.start(key, variables).await.map(drop) }
        };
        host.from_clients(AT_ONCE, start).await?;
        started += AT_ONCE;
        if begun.elapsed() >= BETWEEN_LOOKS * u32::try_from(looks.len())? {
            looks.push((begun.elapsed().as_secs_f64() / 60.0, megabytes(process::resident_memory()?)));
        }
        host.until_ended((before + u64::from(started)).saturating_sub(ALIVE)).await?;
    }
    host.until_ended(before + u64::from(started)).await?;
    window.count(started);
    let memory = json!({
        "first": looks.first().map(|(_, mb)| rounded(*mb)),
        "half": looks.get(looks.len() / 2).map(|(_, mb)| rounded(*mb)),
        "last": looks.last().map(|(_, mb)| rounded(*mb)),
        "slope_per_minute": slope(&looks[looks.len() / 2..]).map(rounded),
    });
    window.note("resident_mb", memory);
    Ok(())
}

/// By how much `y` grows while `x` grows by one: the line with the least squares.
#[expect(clippy::cast_precision_loss, reason = "some hundred points")]
fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let (x_mean, y_mean) = (points.iter().map(|(x, _)| x).sum::<f64>() / count, points.iter().map(|(_, y)| y).sum::<f64>() / count);
    let spread: f64 = points.iter().map(|(x, _)| (x - x_mean).powi(2)).sum();
    let together: f64 = points.iter().map(|(x, y)| (x - x_mean) * (y - y_mean)).sum();
    (spread > 0.0).then_some(together / spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_that_of_the_line() {
        let points: Vec<(f64, f64)> = (0..10).map(|x| (f64::from(x), 3.0 + 2.0 * f64::from(x))).collect();
        assert!((slope(&points).expect("there is one") - 2.0).abs() < 1e-9);
        assert_eq!(slope(&points[..1]), None);
        assert_eq!(slope(&[]), None);
    }
}
