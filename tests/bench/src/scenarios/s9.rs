//! S1 on two hosts that share one PostgreSQL, each used by half of the clients, against S1 on one host.
//!
//! Both are in one process, so that its CPU and memory are those of both. Work that was done twice fails the run: every activity must be in
//! history once, and delegates called as often as there are tasks.

use std::collections::BTreeMap;

use anyhow::ensure;
use futures_util::future::BoxFuture;
use mandate_runtime::query::{HistoryActivityFilter, Page};
use serde_json::json;

use super::{Latency, Scenario};
use crate::database::Kind;
use crate::figures::Figures;
use crate::host::{Batch, Host, Setup, order};
use crate::window::{Notes, Window};

/// Service tasks of an instance.
const TASKS: u64 = 5;

pub(super) struct S9;

impl Scenario for S9 {
    fn name(&self) -> &'static str {
        "S9"
    }

    fn about(&self) -> &'static str {
        "S1 on two hosts that share PostgreSQL"
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

    fn runs_on(&self, database: Kind) -> bool {
        // A file has one host.
        database == Kind::Postgres
    }

    fn base(&self) -> Option<&'static str> {
        Some("S1")
    }

    fn pairs(&self) -> Option<u32> {
        Some(3)
    }

    fn warm_up<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move { super::start_and_follow(host, batch, window).await.map(drop) })
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        Box::pin(async move {
            // Compiled components are a host's own.
            let setup = Setup { dir: host.setup.dir.join("second"), ..host.setup.clone() };
            let second = Host::join(&setup, host.process.clone()).await?;
            let warm_up = Batch { name: "second", count: batch.count.div_ceil(10) };
            let before = host.ended() + u64::from(warm_up.count);
            second.start_all(warm_up, |number| order(&warm_up.key(number))).await?;
            host.until_ended(before).await?;

            window.also(second.runtime.clone());
            window.open().await?;
            let units = [host, &second].map(|it| it.runtime.counters().units);
            let both = host.from_clients(batch.count, |number| {
                let key = batch.key(number);
                let variables = order(&key);
                let of = if number % 2 == 0 { host } else { &second };
                async move { of.start(key, variables).await.map(drop) }
            });
            both.await?;
            host.until_ended(before + u64::from(batch.count)).await?;
            let did = |at: usize, it: &Host| it.runtime.counters().units - units[at];
            window.note("units_of_each_host", json!([did(0, host), did(1, &second)]));
            second.close().await;
            Ok(Latency::StartToEnd)
        })
    }

    fn after<'a>(&'a self, host: &'a Host, _: &'a Figures, notes: &'a mut Notes) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let mut times: BTreeMap<_, u32> = BTreeMap::new();
            for activity in host.runtime.reads().history_activities(HistoryActivityFilter::default(), Page::ALL, &[]).await? {
                *times.entry((activity.instance, activity.activity_id)).or_default() += 1;
            }
            let twice = times.values().filter(|times| **times != 1).count();
            ensure!(twice == 0, "{twice} activities were carried out more than once");
            let tasks = host.ended() * TASKS;
            ensure!(host.called() == tasks, "delegates were called {} times for {tasks} tasks", host.called());
            notes.insert("activities_carried_out_once".to_owned(), json!(times.len()));
            Ok(())
        })
    }
}
