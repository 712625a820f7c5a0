//! What an instance costs in units of work, commits, statements, rows and bytes of log: counts, which hardly depend on the machine, so that a change
//! that makes the engine write more is seen before anybody measures time.
//!
//! A bound that is passed by a change that is worth it is raised with that change; one that has become far too high is lowered.

use anyhow::ensure;
use mandate_bench::figures::Run;
use mandate_bench::host::Setup;
use mandate_bench::{one, scenarios};
use mandate_tests::postgres::Cluster;

/// Instances of S1: start, five asynchronous tasks, end.
const INSTANCES: u32 = 400;

/// The start and the five jobs; nothing is tried twice.
const UNITS: f64 = 6.0;

/// The most that was counted per instance when this was last set, in a dozen runs on idle and on overloaded cores. How many units share a commit
/// depends on them a little.
struct Counted {
    commits: f64,
    statements: f64,
    rows: f64,
    /// Of PostgreSQL's write-ahead log; SQLite has no such count.
    log_bytes: Option<f64>,
}

const SQLITE: Counted = Counted { commits: 0.15, statements: 1.0, rows: 23.0, log_bytes: None };

const POSTGRES: Counted = Counted { commits: 0.15, statements: 1.0, rows: 23.0, log_bytes: Some(7_600.0) };

/// How much more than that it may cost.
const SLACK: f64 = 1.25;

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_costs_no_more_than_it_did() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let sqlite = format!("sqlite:{}", dir.path().join("mandate.db").display());
    let postgres = cluster.create_database("cost").expect("a database");
    // One after the other: ended instances are counted by the process.
    let on_sqlite = run(sqlite, &dir).await;
    let on_postgres = run(postgres, &dir).await;
    let held = [hold(&on_sqlite, &SQLITE), hold(&on_postgres, &POSTGRES)];
    let broken: Vec<String> = held.into_iter().filter_map(|held| held.err().map(|error| error.to_string())).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

async fn run(url: String, dir: &tempfile::TempDir) -> Run {
    let scenario = scenarios::find("S1").expect("it is in the table");
    one::run(scenario, INSTANCES, &Setup::new(url, dir.path().to_owned())).await.expect("it runs")
}

fn hold(run: &Run, counted: &Counted) -> anyhow::Result<()> {
    let figures = &run.figures;
    let bounds = [
        ("units of work", run.units_per_instance, UNITS),
        ("commits", figures.commits_per_instance, counted.commits * SLACK),
        ("statements", figures.statements_per_instance, counted.statements * SLACK),
        ("rows", figures.rows_per_instance, counted.rows * SLACK),
        ("bytes of log", figures.wal_bytes_per_instance, counted.log_bytes.map_or(f64::INFINITY, |bytes| bytes * SLACK)),
    ];
    println!("{}, per instance: found and allowed: {bounds:?}", figures.database);
    for (what, found, most) in bounds {
        ensure!(found <= most, "{}: {found:.3} {what} per instance, more than {most:.3}: find out why", figures.database);
    }
    Ok(())
}
