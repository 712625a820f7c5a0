//! Timers that are all due at the same moment.

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures_util::future::BoxFuture;
use mandate_runtime::engine::Variables;
use serde_json::Value;

use super::{Latency, Scenario};
use crate::host::{Batch, Host, order_json, variables};
use crate::window::{Window, now_ms};

/// Instances that are started to see how fast they can be.
const PROBE: u32 = 200;

/// How much longer than it should take the starting may take.
const SLACK: u32 = 2;

/// For settling the database between the last start and the moment at which the timers are due.
const PAUSE: Duration = Duration::from_secs(5);

/// How far off a lone instance's timer is, in milliseconds: it is stored before it is due, as those are that are due at once.
const SOON: i64 = 50;

pub(super) struct S6;

impl Scenario for S6 {
    fn name(&self) -> &'static str {
        "S6"
    }

    fn about(&self) -> &'static str {
        "timers due at once"
    }

    fn instances(&self) -> u32 {
        10_000
    }

    fn model(&self) -> String {
        include_str!("../../models/timer.bpmn").to_owned()
    }

    fn run_one<'a>(&'a self, host: &'a Host, key: String) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let before = host.ended();
            let variables = order_until(&key, &text(now_ms() + SOON)?);
            host.start(key, variables).await?;
            host.until_ended(before + 1).await
        })
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        Box::pin(async move {
            let before = host.ended();
            let begun = Instant::now();
            start(host, Batch { name: "probe", count: PROBE }, now_ms()).await?;
            host.until_ended(before + u64::from(PROBE)).await?;
            let needed = begun.elapsed() * batch.count / PROBE * SLACK + PAUSE;
            let due = now_ms() + i64::try_from(needed.as_millis())?;
            start(host, batch, due).await?;
            window.open().await?;
            ensure!(now_ms() < due, "timers were due before all of them were stored and settled: the machine is too busy for this");
            host.until_ended(before + u64::from(PROBE + batch.count)).await?;
            Ok(Latency::Since(due))
        })
    }
}

/// Starts instances that wait until a moment in milliseconds since 1970.
async fn start(host: &Host, batch: Batch, due: i64) -> anyhow::Result<()> {
    let due = text(due)?;
    host.start_all(batch, |number| order_until(&batch.key(number), &due)).await.map(drop)
}

/// A moment in milliseconds since 1970 as the model reads it.
fn text(due: i64) -> anyhow::Result<String> {
    Ok(jiff::Timestamp::from_millisecond(due)?.to_string())
}

/// The variables of an instance that waits until a moment.
fn order_until(id: &str, due: &str) -> Variables {
    let mut order = order_json(id);
    order["due"] = Value::from(due);
    variables(&order)
}
