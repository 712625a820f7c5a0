//! What an instance costs in units of work, commits, statements, rows and bytes of log: counts, which hardly depend on the machine, so that a change
//! that makes the engine write more is seen before anybody measures time.
//!
//! A bound that is passed by a change that is worth it is raised with that change; one that has become far too high is lowered.

use anyhow::ensure;
use mandate_bench::figures::Run;
use mandate_bench::host::Setup;
use mandate_bench::{one, scenarios};
use mandate_tests::postgres::Cluster;

/// What a scenario's instance costs.
struct Cost {
    scenario: &'static str,
    instances: u32,
    /// Nothing is tried twice, and jobs that nobody can tell apart are stored together. How many, a slow machine decides a little: a unit does not last long.
    units: f64,
    sqlite: Counted,
    postgres: Counted,
}

/// The most that was counted per instance when this was last set, in a dozen runs on idle and on overloaded cores. How many units share a commit
/// depends on them a little.
struct Counted {
    commits: f64,
    statements: f64,
    rows: f64,
    /// Of PostgreSQL's write-ahead log; SQLite has no such count.
    log_bytes: Option<f64>,
}

const COSTS: [Cost; 2] = [
    // The start, and the five jobs together.
    Cost {
        scenario: "S1",
        instances: 400,
        units: 2.5,
        sqlite: Counted { commits: 0.35, statements: 2.0, rows: 15.5, log_bytes: None },
        postgres: Counted { commits: 0.35, statements: 2.0, rows: 15.5, log_bytes: Some(6_500.0) },
    },
    // The start, and the ten branches together. A branch is a row of the table of jobs, which comes and goes.
    Cost {
        scenario: "S3",
        instances: 100,
        units: 4.0,
        sqlite: Counted { commits: 0.9, statements: 6.5, rows: 57.0, log_bytes: None },
        postgres: Counted { commits: 0.9, statements: 6.5, rows: 57.0, log_bytes: Some(22_000.0) },
    },
];

/// How much more than that it may cost; of rows, of which the engine alone decides how many there are, one.
const SLACK: f64 = 1.25;

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_costs_no_more_than_it_did() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let mut broken = Vec::new();
    // One after the other: ended instances are counted by the process.
    for cost in &COSTS {
        let name = cost.scenario.to_lowercase();
        let sqlite = format!("sqlite:{}", dir.path().join(format!("{name}.db")).display());
        let postgres = cluster.create_database(&name).expect("a database");
        for (url, counted) in [(sqlite, &cost.sqlite), (postgres, &cost.postgres)] {
            let scenario = scenarios::find(cost.scenario).expect("it is in the table");
            let run = one::run(scenario, cost.instances, &Setup::new(url, dir.path().to_owned())).await.expect("it runs");
            broken.extend(hold(&run, cost, counted).err().map(|error| error.to_string()));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

fn hold(run: &Run, cost: &Cost, counted: &Counted) -> anyhow::Result<()> {
    let figures = &run.figures;
    let bounds = [
        ("units of work", run.units_per_instance, cost.units),
        ("commits", figures.commits_per_instance, counted.commits * SLACK),
        ("statements", figures.statements_per_instance, counted.statements * SLACK),
        ("rows", figures.rows_per_instance, counted.rows + 1.0),
        ("bytes of log", figures.wal_bytes_per_instance, counted.log_bytes.map_or(f64::INFINITY, |bytes| bytes * SLACK)),
    ];
    let of = format!("{} on {}", cost.scenario, figures.database);
    println!("{of}, per instance: found and allowed: {bounds:?}");
    for (what, found, most) in bounds {
        ensure!(found <= most, "{of}: {found:.3} {what} per instance, more than {most:.3}: find out why");
    }
    Ok(())
}
