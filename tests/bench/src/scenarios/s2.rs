//! Five synchronous tasks: one unit of work, whose instance is never stored.

use futures_util::future::BoxFuture;

use super::{Floor, Latency, Scenario, start_to_end};
use crate::host::{Batch, Host};
use crate::window::Window;

pub(super) struct S2;

impl Scenario for S2 {
    fn name(&self) -> &'static str {
        "S2"
    }

    fn about(&self) -> &'static str {
        "start, five synchronous tasks, end"
    }

    fn instances(&self) -> u32 {
        5_000
    }

    fn model(&self) -> String {
        include_str!("../../models/five-synchronous.bpmn").to_owned()
    }

    fn floor(&self) -> Floor {
        Floor::Units { before_window: 0 }
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        start_to_end(host, batch, window)
    }
}
