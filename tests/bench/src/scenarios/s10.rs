//! S1 while history holds a million finished instances (`--stock`), and a tenth as many wait for an operator with a failed job.
//!
//! One finished and one failed instance are made by a host and replicated within the database. After the window the lists that operators
//! look at are asked for over HTTP: how long the first page of each takes.

use anyhow::ensure;
use futures_util::future::BoxFuture;
use mandate_runtime::query::IncidentFilter;
use serde_json::json;

use super::{Latency, Scenario, start_and_follow};
use crate::bulk::{self, Template};
use crate::database::Database;
use crate::figures::{Figures, rounded};
use crate::host::{Batch, Host, Setup, order};
use crate::lists::{self, Lists};
use crate::window::{Notes, Window};

/// Finished instances for each failed one.
const PER_FAILED: u32 = 10;

/// The most looks for the incident, and how long lies between them.
const LOOKS: u32 = 600;
const BETWEEN_LOOKS: std::time::Duration = std::time::Duration::from_millis(50);

pub(super) struct S10;

impl Scenario for S10 {
    fn name(&self) -> &'static str {
        "S10"
    }

    fn about(&self) -> &'static str {
        "S1 beside a million finished (--stock) and failed ones"
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
            let (finished, failed) = (setup.size.stock, setup.size.stock / PER_FAILED);
            let templates = [(finish(setup, self.model()).await?, finished), (fail(setup).await?, failed)];
            let mut database = Database::connect(&setup.url).await?;
            for (template, count) in templates {
                bulk::replicate(&mut database, template, count).await?;
            }
            notes.insert("finished".to_owned(), json!(finished));
            notes.insert("failed".to_owned(), json!(failed));
            notes.insert("fill_s".to_owned(), json!(rounded(begun.elapsed().as_secs_f64())));
            Ok(())
        })
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        start_and_follow(host, batch, window)
    }

    fn after<'a>(&'a self, host: &'a Host, _: &'a Figures, notes: &'a mut Notes) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            notes.insert("lists_ms".to_owned(), lists::ask(host, &Lists::history(bulk::business_key("finished", 1))).await?);
            Ok(())
        })
    }
}

/// An instance that has run to its end.
pub(super) async fn finish(setup: &Setup, model: String) -> anyhow::Result<Template> {
    let host = Host::open(setup, model, false).await?;
    let started = host.start(bulk::business_key("finished", 0), order("order-17")).await?;
    host.until_ended(1).await?;
    host.close().await;
    Ok(Template { id: started.id.0, prefix: "finished" })
}

/// An instance whose only attempt has failed: its delegate lacks one of its variables.
async fn fail(setup: &Setup) -> anyhow::Result<Template> {
    let host = Host::open(setup, include_str!("../../models/failing.bpmn").to_owned(), false).await?;
    let mut lacking = order("order-17");
    lacking.remove("items");
    let started = host.start(bulk::business_key("failed", 0), lacking).await?;
    let mut looks = tokio::time::interval(BETWEEN_LOOKS);
    for look in 0.. {
        ensure!(look < LOOKS, "the instance that should fail has no incident");
        looks.tick().await;
        if host.runtime.reads().count_incidents(IncidentFilter::default()).await? == 1 {
            break;
        }
    }
    host.close().await;
    Ok(Template { id: started.id.0, prefix: "failed" })
}
