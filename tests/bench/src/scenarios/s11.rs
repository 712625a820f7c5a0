//! The soak beside a long read: somebody else's report keeps a snapshot open for as long as the load lasts.
//!
//! On PostgreSQL it is a `REPEATABLE READ` transaction, which keeps vacuum from removing any row version that it could still see; on SQLite
//! a read transaction, which keeps checkpoints from taking back the log. What that costs shows against `soak`. The reader goes when the
//! load has ended and before the window closes, so that the vacuum and the checkpoint that it delayed count. Sizes on the disk are noted
//! before, while it was open, and after.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::soak::keep_busy;
use super::{Latency, Scenario};
use crate::database::Database;
use crate::figures::{megabytes, rounded};
use crate::host::{Batch, Host};
use crate::window::{Notes, Window};

/// What is not worth a line.
const SMALL: u64 = 1_000_000;

pub(super) struct S11;

impl Scenario for S11 {
    fn name(&self) -> &'static str {
        "S11"
    }

    fn about(&self) -> &'static str {
        "soak beside an open long read: disk"
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

    fn base(&self) -> Option<&'static str> {
        Some("soak")
    }

    fn warm_up<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move { super::start_and_follow(host, batch, window).await.map(drop) })
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        Box::pin(async move {
            window.open().await?;
            let mut reader = Database::connect(&host.setup.url).await?;
            window.note("disk_mb_before", shown(&reader.sizes().await?));
            reader.hold().await?;
            keep_busy(host, batch, window).await?;
            window.note("disk_mb_held", shown(&reader.sizes().await?));
            reader.release().await?;
            Ok(Latency::StartToEnd)
        })
    }

    fn after<'a>(&'a self, host: &'a Host, _: u32, notes: &'a mut Notes) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let sizes = Database::connect(&host.setup.url).await?.sizes().await?;
            notes.insert("disk_mb_after".to_owned(), shown(&sizes));
            Ok(())
        })
    }
}

fn shown(sizes: &BTreeMap<String, u64>) -> Value {
    let large = sizes.iter().filter(|(_, size)| **size >= SMALL);
    large.map(|(name, size)| (name.clone(), json!(rounded(megabytes(*size))))).collect::<Notes>().into()
}
