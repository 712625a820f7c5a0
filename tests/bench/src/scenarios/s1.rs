//! Five asynchronous tasks: the start, and five jobs that nobody can tell apart.

use futures_util::future::BoxFuture;

use super::{Floor, Latency, Scenario, start_and_follow};
use crate::host::{Batch, Host};
use crate::window::Window;

pub(super) struct S1;

impl Scenario for S1 {
    fn name(&self) -> &'static str {
        "S1"
    }

    fn about(&self) -> &'static str {
        "start, five asynchronous tasks, end"
    }

    fn instances(&self) -> u32 {
        5_000
    }

    fn model(&self) -> String {
        include_str!("../../models/five-asynchronous.bpmn").to_owned()
    }

    fn floor(&self) -> Floor {
        Floor::Units { before_window: 0 }
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        start_and_follow(host, batch, window)
    }
}
