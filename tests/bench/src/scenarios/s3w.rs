//! A thousand branches in one instance: how what a branch costs grows with their number. One instance after the other.

use futures_util::future::BoxFuture;

use super::{Floor, Latency, Scenario, fork};
use crate::host::{Batch, Host, order};
use crate::window::Window;

pub(super) struct S3w;

impl Scenario for S3w {
    fn name(&self) -> &'static str {
        "S3w"
    }

    fn about(&self) -> &'static str {
        "fork to a thousand asynchronous tasks, join; one instance after the other"
    }

    fn instances(&self) -> u32 {
        2
    }

    fn model(&self) -> String {
        fork(1_000)
    }

    fn floor(&self) -> Floor {
        Floor::Units { before_window: 0 }
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        Box::pin(async move {
            let before = host.ended();
            window.open().await?;
            for number in 0..batch.count {
                let key = batch.key(number);
                host.start(key.clone(), order(&key)).await?;
                host.until_ended(before + u64::from(number + 1)).await?;
            }
            Ok(Latency::StartToEnd)
        })
    }
}
