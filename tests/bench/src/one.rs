//! One run of one scenario on one database, in a process of its own.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use mandate_runtime::Runtime;
use mandate_runtime::query::{HistoryActivityFilter, HistoryInstance, HistoryInstanceFilter, Page};

use crate::database::{Database, Kind};
use crate::figures::{Cpu, Figures, Run, each, megabytes, ms_each, quantile, rounded};
use crate::host::{Batch, Host, Setup};
use crate::scenarios::{Latency, Scenario};
use crate::window::{Notes, Spent, Window};

/// One instance in so many runs beforehand, so that what is done once per process does not count.
const WARM_UP: u32 = 10;

/// Of warm-up instances at most; more would not make anything warmer.
const MOST_WARM_UP: u32 = 1_000;

/// Runs a scenario with so many instances.
pub async fn run(scenario: &dyn Scenario, instances: u32, setup: &Setup) -> anyhow::Result<Run> {
    ensure!(instances > 0, "a run has at least one instance");
    let mut notes = Notes::new();
    scenario.before(setup, &mut notes).await?;
    let host = Host::open(setup, scenario.model(), scenario.commands() > 0).await?;
    let warm_up = Batch { name: "warm-up", count: (instances / WARM_UP).clamp(1, MOST_WARM_UP) };
    scenario.warm_up(&host, warm_up, &mut Window::unmeasured(host.runtime.clone())).await.context("the warm-up")?;

    let mut database = Database::connect(&setup.url).await?;
    let mut window = Window::new(host.runtime.clone(), &mut database);
    let latency = scenario.run(&host, Batch { name: "run", count: instances }, &mut window).await?;
    let mut spent = window.close().await?;
    notes.append(&mut spent.notes);
    let instances = spent.instances.unwrap_or(instances);
    notes.insert("settling_ms".to_owned(), rounded(ms_each(spent.settling_cpu, instances)).into());

    let seen = Seen::of(&host.runtime, instances, spent.opened_at).await?;
    let took = match latency {
        // Until then there was nothing to do.
        Latency::Since(moment) => Duration::from_millis(u64::try_from(spent.done_at - moment)?),
        Latency::StartToEnd | Latency::Measured(_) => spent.took,
    };
    let mut latencies = latencies(latency, &seen.ended);
    let everything = u32::try_from(host.ended()).unwrap_or(u32::MAX);
    let figures = figures(scenario, Kind::of(&setup.url), instances, took, &spent, &mut latencies);
    scenario.after(&host, &figures, &mut notes).await.context("after the window")?;
    host.close().await;
    let server = database.counted(everything).await?;
    Ok(Run {
        figures: Figures { extra: notes, ..figures },
        activities_per_instance: seen.activities_per_instance,
        units_per_instance: each(spent.counters.units, instances),
        history_bytes: seen.history_bytes,
        server,
    })
}

/// Fills a scenario's database.
pub async fn stock(scenario: &dyn Scenario, instances: u32, setup: &Setup) -> anyhow::Result<Notes> {
    let mut notes = Notes::new();
    scenario.stock(setup, instances, &mut notes).await?;
    Ok(notes)
}

fn figures(scenario: &dyn Scenario, database: Kind, instances: u32, took: Duration, spent: &Spent, latencies: &mut [f64]) -> Figures {
    let counters = &spent.counters;
    Figures {
        scenario: scenario.name().to_owned(),
        database: database.name().to_owned(),
        instances,
        instances_per_s: f64::from(instances) / took.as_secs_f64(),
        cpu_ms_per_instance: Cpu {
            host: ms_each(spent.host_cpu, instances),
            database: ms_each(spent.database_cpu, instances),
            total: ms_each(spent.host_cpu + spent.database_cpu, instances),
        },
        floor_ratio: None,
        commits_per_instance: each(counters.commits, instances),
        statements_per_instance: each(counters.statements, instances),
        rows_per_instance: each(counters.rows, instances),
        wal_bytes_per_instance: each(spent.logged, instances),
        p50_ms: quantile(latencies, 0.5),
        p99_ms: quantile(latencies, 0.99),
        rss_mb: megabytes(spent.peak_memory),
        extra: Notes::new(),
    }
}

/// What history tells about a run, asked when nothing counts any more.
struct Seen {
    ended: Vec<HistoryInstance>,
    activities_per_instance: f64,
    history_bytes: usize,
}

impl Seen {
    async fn of(runtime: &Runtime, instances: u32, opened_at: i64) -> anyhow::Result<Self> {
        let reads = runtime.reads();
        let filter = HistoryInstanceFilter { finished: true, finished_after: Some(opened_at - 1), ..HistoryInstanceFilter::default() };
        let ended = reads.history_instances(filter, Page::ALL, &[]).await?;
        ensure!(ended.len() == instances as usize, "history has {} instances that ended in the window, not {instances}", ended.len());
        ensure!(ended.iter().all(|it| it.state == "COMPLETED"), "not every instance came to its end");
        let one = ended.first().context("a run has at least one instance")?.id;
        let of_one = || HistoryActivityFilter { instance: Some(one), ..HistoryActivityFilter::default() };
        let activities = reads.count_history_activities(of_one()).await?;
        let mut history_bytes = format!("{:?}", ended.first()).len();
        // Of an activity: its number, its parent, its element, two moments and an attempt.
        history_bytes += usize::try_from(activities)? * numbers(6);
        for variable in reads.history_variables(one).await? {
            history_bytes += numbers(3) + variable.name.len() + variable.kind.len() + variable.json.len();
        }
        Ok(Self { ended, activities_per_instance: each(activities.unsigned_abs(), 1), history_bytes })
    }
}

/// Bytes of so many numbers and times in a row.
fn numbers(count: usize) -> usize {
    count * size_of::<i64>()
}

/// In milliseconds.
fn latencies(latency: Latency, ended: &[HistoryInstance]) -> Vec<f64> {
    let since = |began: &dyn Fn(&HistoryInstance) -> i64| -> Vec<f64> {
        let took = ended.iter().filter_map(|it| u64::try_from(it.ended_at? - began(it)).ok());
        took.map(|ms| Duration::from_millis(ms).as_secs_f64() * 1e3).collect()
    };
    match latency {
        Latency::StartToEnd => since(&|it| it.started_at),
        Latency::Since(moment) => since(&|_| moment),
        Latency::Measured(took) => took.iter().map(|it| it.as_secs_f64() * 1e3).collect(),
    }
}
