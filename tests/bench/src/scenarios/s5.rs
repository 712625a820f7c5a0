//! Instances that wait for a worker outside: workers in another process fetch and complete their tasks over HTTP.

use anyhow::ensure;
use futures_util::future::BoxFuture;

use super::{Latency, Scenario};
use crate::host::{Batch, Host, order};
use crate::window::Window;
use crate::workers::Workers;

pub(super) struct S5;

impl Scenario for S5 {
    fn name(&self) -> &'static str {
        "S5"
    }

    fn about(&self) -> &'static str {
        "external tasks over HTTP: fetchAndLock and complete"
    }

    fn instances(&self) -> u32 {
        10_000
    }

    fn model(&self) -> String {
        include_str!("../../models/external.bpmn").to_owned()
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        Box::pin(async move {
            let before = host.ended();
            host.start_all(batch, |number| order(&batch.key(number))).await?;
            let served = host.serve().await?;
            let workers = Workers::start(served.address).await?;
            window.open().await?;
            let took = workers.work().await?;
            ensure!(took.len() == batch.count as usize, "{} of {} tasks were fetched", took.len(), batch.count);
            host.until_ended(before + u64::from(batch.count)).await?;
            Ok(Latency::Measured(took))
        })
    }
}
