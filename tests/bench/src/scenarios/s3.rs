//! A fork to ten asynchronous tasks and their join: exclusive jobs of one instance, one after the other.

use futures_util::future::BoxFuture;

use super::{Floor, Latency, Scenario, fork, start_and_follow};
use crate::host::{Batch, Host};
use crate::window::Window;

pub(super) struct S3;

impl Scenario for S3 {
    fn name(&self) -> &'static str {
        "S3"
    }

    fn about(&self) -> &'static str {
        "fork to ten asynchronous tasks, join"
    }

    fn instances(&self) -> u32 {
        1_000
    }

    fn model(&self) -> String {
        fork(10)
    }

    fn floor(&self) -> Floor {
        Floor::Units { before_window: 0 }
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        start_and_follow(host, batch, window)
    }
}
