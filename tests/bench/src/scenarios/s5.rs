//! Instances that wait for a worker outside: workers in another process fetch and complete their tasks over HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use futures_util::future::BoxFuture;
use mandate_runtime::engine::{InstanceId, PublicId, Variables};
use mandate_runtime::{Fetch, FetchTopic};
use serde_json::json;

use super::{Latency, Scenario};
use crate::host::{Batch, Host, order, variables};
use crate::window::Window;
use crate::workers::{TOPIC, Workers};

/// The worker of a lone instance, and for how long it has its task, in milliseconds.
const LONE: &str = "lone";
const LOCK_MS: i64 = 60_000;

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

    fn run_one<'a>(&'a self, host: &'a Host, key: String) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let before = host.ended();
            host.start(key.clone(), order(&key)).await?;
            let topics = vec![FetchTopic { topic: TOPIC.to_owned(), lock_ms: LOCK_MS, ..FetchTopic::default() }];
            let fetch = Fetch { worker: LONE.to_owned(), max: 1, topics, by_created: None, by_priority: true, now: host.runtime.now() };
            let fetched = host.runtime.fetch_and_lock(fetch, BTreeMap::new(), Duration::ZERO).await?;
            let task = &fetched.first().context("a task was made with the instance")?.task;
            let id = PublicId { instance: InstanceId(task.instance), number: u64::try_from(task.row.wait)? };
            let total = variables(&json!({ "total": 1.5 }));
            host.runtime.complete_external_task(id, LONE.to_owned(), total, Variables::new()).await?;
            host.until_ended(before + 1).await
        })
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
