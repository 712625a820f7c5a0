//! S1 while a million instances (`--stock`) wait in the store, half of them for a timer that is due in years, half for a message.
//!
//! One instance of each kind is made by a host and replicated within the database with its history. The pace against S1 alone says what
//! they cost; the resident memory, whether any of it grows with them.

use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use super::{Latency, Scenario, start_and_follow};
use crate::bulk::{self, Template};
use crate::database::Database;
use crate::figures::{Figures, rounded};
use crate::host::{Batch, Host, Setup, order_json, variables};
use crate::lists::{self, Lists};
use crate::window::{Notes, Window};

/// When the timers are due.
const DUE: &str = "2100-01-01T00:00:00Z";

/// The kinds of instances: what their business keys begin with, and their model.
const KINDS: [(&str, &str); 2] =
    [("timer", include_str!("../../models/timer.bpmn")), ("message", include_str!("../../models/message.bpmn"))];

pub(super) struct S6b;

impl Scenario for S6b {
    fn name(&self) -> &'static str {
        "S6b"
    }

    fn about(&self) -> &'static str {
        "S1 beside a million waiting instances (--stock)"
    }

    fn instances(&self) -> u32 {
        20_000
    }

    fn model(&self) -> String {
        include_str!("../../models/five-asynchronous.bpmn").to_owned()
    }

    fn is_long(&self) -> bool {
        true
    }

    fn base(&self) -> Option<&'static str> {
        Some("S1")
    }

    fn pairs(&self) -> Option<u32> {
        Some(1)
    }

    fn has_stock(&self) -> bool {
        true
    }

    fn stock<'a>(&'a self, setup: &'a Setup, _: u32, notes: &'a mut Notes) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let begun = std::time::Instant::now();
            for (prefix, model) in KINDS {
                let host = Host::open(setup, model.to_owned(), false).await?;
                let mut order = order_json("order-17");
                order["due"] = Value::from(DUE);
                let started = host.start(bulk::business_key(prefix, 0), variables(&order)).await?;
                host.close().await;
                let template = Template { id: started.id.0, prefix };
                let replicas = setup.size.stock / u32::try_from(KINDS.len())?;
                bulk::replicate(&mut Database::connect(&setup.url).await?, template, replicas).await?;
            }
            notes.insert("waiting".to_owned(), json!(setup.size.stock));
            notes.insert("fill_s".to_owned(), json!(rounded(begun.elapsed().as_secs_f64())));
            Ok(())
        })
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        start_and_follow(host, batch, window)
    }

    fn after<'a>(&'a self, host: &'a Host, _: &'a Figures, notes: &'a mut Notes) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            notes.insert("lists_ms".to_owned(), lists::ask(host, &Lists::waiting(bulk::business_key("message", 1))).await?);
            Ok(())
        })
    }
}
