//! The soak beside a long read: somebody else's report keeps a snapshot open for as long as the load lasts.
//!
//! On PostgreSQL it is a `REPEATABLE READ` transaction, which keeps vacuum from removing any row version that it could still see; on SQLite
//! a read transaction, which keeps checkpoints from taking back the log. What that costs shows against `soak`. The reader goes when the
//! load has ended and before the window closes, so that the vacuum and the checkpoint that it delayed count. Sizes on the disk are noted
//! before, while it was open, and after.

use futures_util::future::BoxFuture;

use super::soak::{disk, keep_busy};
use super::{Latency, Scenario};
use crate::database::Database;
use crate::figures::{DISK_AFTER, DISK_BEFORE, DISK_LOADED, Figures};
use crate::host::{Batch, Host};
use crate::window::{Notes, Window};

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
            window.note(DISK_BEFORE, disk(host).await?);
            let mut reader = Database::connect(&host.setup.url).await?;
            reader.hold().await?;
            keep_busy(host, batch, window).await?;
            window.note(DISK_LOADED, disk(host).await?);
            reader.release().await?;
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
