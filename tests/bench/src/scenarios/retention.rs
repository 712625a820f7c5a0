//! S1 while history is removed: a million finished instances (`--stock`) whose time to live is over, and a host that cleans with its
//! default share.
//!
//! Against it stands S1 on the same database, on which nobody cleans, so that the removal is all that differs. What it takes is less than
//! one run differs from another. So both are run in pairs, in alternating order, and the median of the ratios is told with all of them;
//! and what removal costs by itself is measured when the load is over, in batches as large as those under load had been: times what was
//! removed in the window, it is a share of what the window cost, which hardly depends on the machine.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures_util::future::BoxFuture;
use mandate_runtime::{Cleaned, HistoryCleanup};
use serde_json::{Value, json};

use super::{Latency, Scenario, s10, start_and_follow};
use crate::bulk;
use crate::database::Database;
use crate::figures::{Figures, each, ms_each, rounded};
use crate::host::{Batch, Host, Setup, order};
use crate::window::{Notes, Sample, Window, now_ms};

/// As often S1 is run beside it.
const PAIRS: u32 = 5;

/// Batches before the window, after which they are as large as they become.
const FIRST_BATCHES: u32 = 4;

/// The window lasts so long at least, for a batch that takes long is followed by a pause of seconds. Fewer instances than that takes are
/// started again and again.
const LEAST: Duration = Duration::from_secs(10);

/// Instances that are removed by themselves: so many that vacuum and checkpoint behind them are spread.
const BY_ITSELF: u64 = 4_096;

/// Names of notes.
const REMOVED: &str = "removed";
const BATCHES: &str = "batches";

pub(super) struct Retention;

impl Scenario for Retention {
    fn name(&self) -> &'static str {
        "retention"
    }

    fn about(&self) -> &'static str {
        "S1 while a million finished instances (--stock) are removed"
    }

    fn instances(&self) -> u32 {
        100_000
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
        Some(PAIRS)
    }

    fn shares_database(&self) -> bool {
        true
    }

    fn history_cleanup(&self) -> Option<HistoryCleanup> {
        Some(HistoryCleanup::default())
    }

    fn has_stock(&self) -> bool {
        true
    }

    fn stock<'a>(&'a self, setup: &'a Setup, _: u32, notes: &'a mut Notes) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let begun = Instant::now();
            // Its time is over as soon as it has ended.
            let model = self.model().replace("isExecutable=", "camunda:historyTimeToLive=\"0\" isExecutable=");
            let template = s10::finish(setup, model).await?;
            bulk::replicate(&mut Database::connect(&setup.url).await?, template, setup.size.stock).await?;
            notes.insert("finished".to_owned(), json!(setup.size.stock));
            notes.insert("fill_s".to_owned(), json!(rounded(begun.elapsed().as_secs_f64())));
            Ok(())
        })
    }

    fn warm_up<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            start_and_follow(host, batch, window).await?;
            for _ in 0..FIRST_BATCHES {
                host.removed().reach(host.removed().count() + 1).await.context("nothing is removed")?;
            }
            Ok(())
        })
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        Box::pin(async move {
            window.open().await?;
            let (begun, mut ended, mut started) = (Instant::now(), host.ended(), 0);
            let (removed, batches) = (host.removed().count(), host.removed().times());
            while started == 0 || begun.elapsed() < LEAST {
                host.start_all(batch, |number| order(&batch.key(number))).await?;
                (started, ended) = (started + batch.count, ended + u64::from(batch.count));
                host.until_ended(ended).await?;
            }
            let took = begun.elapsed();
            let all = host.removed().count();
            let (removed, batches) = (all - removed, host.removed().times() - batches);
            ensure!(removed > 0, "no instance was removed in the {took:?} that the load lasted");
            let stock = host.setup.size.stock;
            ensure!(
                all < u64::from(stock),
                "all {stock} instances were removed before the load had ended: --stock says how many there are"
            );
            window.count(started);
            window.note(REMOVED, removed);
            window.note(BATCHES, batches);
            window.note("removed_per_s", rounded(each(removed, 1) / took.as_secs_f64()));
            Ok(Latency::StartToEnd)
        })
    }

    fn after<'a>(&'a self, host: &'a Host, figures: &'a Figures, notes: &'a mut Notes) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let noted = |name: &str| notes[name].as_u64().context("the run has noted it");
            let (removed, batches) = (noted(REMOVED)?, noted(BATCHES)?);
            let alone = ByItself::measure(host, u32::try_from(removed.div_ceil(batches))?).await?;
            notes.insert("removed_by_itself".to_owned(), alone.told());
            notes.insert("share".to_owned(), alone.share(removed, figures));
            Ok(())
        })
    }
}

/// Removal with no load beside it.
struct ByItself {
    batch: u32,
    removed: u32,
    batches: u32,
    took: Duration,
    spent: Sample,
}

impl ByItself {
    /// Removes in batches of so many, with what the database puts off. The host's own batches come in between, and count.
    async fn measure(host: &Host, batch: u32) -> anyhow::Result<Self> {
        let runtimes = [host.runtime.clone()];
        let mut database = Database::connect(&host.setup.url).await?;
        database.settle().await?;
        let before = Sample::now(&runtimes, &mut database).await?;
        let (begun, first, batches) = (Instant::now(), host.removed().count(), host.removed().times());
        while host.removed().count() < first + BY_ITSELF {
            match host.runtime.clean_history(now_ms(), batch).await? {
                Cleaned::Nothing => break,
                Cleaned::Instances(_) => {}
                Cleaned::Elsewhere => bail!("another host removes history"),
            }
        }
        let took = begun.elapsed();
        database.settle().await?;
        let spent = Sample::now(&runtimes, &mut database).await?.since(&before);
        let removed = u32::try_from(host.removed().count() - first)?;
        ensure!(removed > 0, "nothing was left to be removed without load: --stock says how many instances there are");
        Ok(Self { batch, removed, batches: u32::try_from(host.removed().times() - batches)?, took, spent })
    }

    /// What an instance takes.
    fn told(&self) -> Value {
        json!({
            "instances": self.removed,
            "batch": self.batch,
            "batch_ms": rounded(ms_each(self.took, self.batches)),
            "cpu_ms_each": rounded(self.cpu_ms()),
            "rows_each": rounded(each(self.spent.counters.rows, self.removed)),
            "commits_each": rounded(each(self.spent.counters.commits, self.removed)),
            "log_bytes_each": each(self.spent.logged, self.removed).round(),
        })
    }

    /// Of what the window cost, the part that the instances that were removed in it have cost.
    fn share(&self, removed: u64, figures: &Figures) -> Value {
        let removed_per_instance = each(removed, figures.instances);
        let share = |each: f64, all: f64| rounded(removed_per_instance * each / all);
        json!({
            "cpu": share(self.cpu_ms(), figures.cpu_ms_per_instance.total),
            "rows": share(each(self.spent.counters.rows, self.removed), figures.rows_per_instance),
            "commits": share(each(self.spent.counters.commits, self.removed), figures.commits_per_instance),
            "log": share(each(self.spent.logged, self.removed), figures.wal_bytes_per_instance),
        })
    }

    fn cpu_ms(&self) -> f64 {
        ms_each(self.spent.host_cpu + self.spent.database_cpu, self.removed)
    }
}
