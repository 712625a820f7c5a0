//! Five synchronous tasks with a command each: the ledger and HTTP on loopback, to a stub that answers at once.

use futures_util::future::BoxFuture;

use super::{Floor, Latency, Scenario, start_to_end};
use crate::host::{Batch, Host};
use crate::window::Window;

pub(super) struct S2c;

impl Scenario for S2c {
    fn name(&self) -> &'static str {
        "S2c"
    }

    fn about(&self) -> &'static str {
        "S2, and each task issues one command"
    }

    fn instances(&self) -> u32 {
        1_000
    }

    fn model(&self) -> String {
        include_str!("../../models/five-commands.bpmn").to_owned()
    }

    fn commands(&self) -> u32 {
        5
    }

    fn floor(&self) -> Floor {
        Floor::Units { before_window: 0 }
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        start_to_end(host, batch, window)
    }
}
