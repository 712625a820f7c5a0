//! What an instance costs in units of work, commits, statements, rows and bytes of log: counts, which hardly depend on the machine, so that
//! a change that makes the engine write more is seen before anybody measures time.
//!
//! Instances run one at a time, and of many the cheapest counts: a machine that is busy makes some of them dearer, for a unit takes jobs
//! along for some milliseconds only and a host looks after itself by the clock, and none cheaper. So it goes on for longer where it is
//! busy. What units share that come at once is counted in the store's contract (`units_that_come_at_once_share_a_transaction`), where they
//! do come at once whatever else the machine does.
//!
//! A bound that is passed by a change that is worth it is raised with that change; one that has become too high is lowered.

use anyhow::Context as _;
use mandate_bench::database::Database;
use mandate_bench::host::{Batch, Host, Setup, order};
use mandate_bench::{scenarios, stub};
use mandate_tests::postgres::Cluster;

/// What a scenario's instance costs.
struct Cost {
    scenario: &'static str,
    /// Units of work, and writes to the ledger. Nothing is tried twice, and jobs that nobody can tell apart are stored together.
    units: u64,
    sqlite: Counted,
    postgres: Counted,
}

/// The cheapest instance when this was last set. On PostgreSQL each commit has a row more: its trace.
struct Counted {
    commits: u64,
    statements: u64,
    rows: u64,
    /// Of PostgreSQL's write-ahead log; SQLite has no such count.
    log_bytes: Option<u64>,
}

const COSTS: [Cost; 3] = [
    // The start, and the five jobs together.
    Cost {
        scenario: "S1",
        units: 2,
        sqlite: Counted { commits: 2, statements: 5, rows: 15, log_bytes: None },
        postgres: Counted { commits: 2, statements: 6, rows: 17, log_bytes: Some(5_800) },
    },
    // The start, which is deferred, and its five tasks; and five commands, each of which is opened and closed.
    Cost {
        scenario: "S2c",
        units: 12,
        sqlite: Counted { commits: 12, statements: 25, rows: 25, log_bytes: None },
        postgres: Counted { commits: 12, statements: 26, rows: 37, log_bytes: Some(12_100) },
    },
    // The start, and the ten branches together. A branch is a row of the table of jobs, which comes and goes.
    Cost {
        scenario: "S3",
        units: 2,
        sqlite: Counted { commits: 2, statements: 8, rows: 49, log_bytes: None },
        postgres: Counted { commits: 2, statements: 8, rows: 51, log_bytes: Some(15_600) },
    },
];

/// Instances that are looked at, so that what is printed is what one costs.
const FEWEST: u32 = 50;

/// As many as that, if none before was as cheap as it should be.
const MOST: u32 = 500;

/// A tenth more log than that there may be: what fits on a page differs.
const SLACK: u64 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_costs_no_more_than_it_did() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let stub = stub::start().expect("a stub of a service");
    let mut broken = Vec::new();
    // One after the other: ended instances are counted by the process.
    for cost in &COSTS {
        for (database, counted) in [("sqlite", &cost.sqlite), ("postgres", &cost.postgres)] {
            let name = cost.scenario.to_lowercase();
            let url = match database {
                "sqlite" => format!("sqlite:{}", dir.path().join(format!("{name}.db")).display()),
                _ => cluster.create_database(&name).expect("a database"),
            };
            let bounds = bounds(cost, counted);
            let setup = Setup { stub: Some(stub.clone()), ..Setup::new(url, dir.path().to_owned()) };
            let found = cheapest(cost, &setup, &bounds).await.expect("they run");
            let of = format!("{} on {database}", cost.scenario);
            println!("{of}, of the cheapest instance: {COUNTS:?}, found: {found:?}, allowed: {bounds:?}");
            for ((what, found), most) in COUNTS.iter().zip(found).zip(bounds) {
                if found > most {
                    broken.push(format!("{of}: the cheapest instance has {found} {what}, more than {most}: find out why"));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// What is counted.
const COUNTS: [&str; 5] = ["units of work", "commits", "statements", "rows", "bytes of log"];

fn bounds(cost: &Cost, counted: &Counted) -> [u64; COUNTS.len()] {
    let log_bytes = counted.log_bytes.map_or(u64::MAX, |bytes| bytes + bytes / SLACK);
    [cost.units, counted.commits, counted.statements, counted.rows, log_bytes]
}

/// What an instance costs, each count the least of all instances.
async fn cheapest(cost: &Cost, setup: &Setup, bounds: &[u64; COUNTS.len()]) -> anyhow::Result<[u64; COUNTS.len()]> {
    let scenario = scenarios::find(cost.scenario).context("it is in the table")?;
    let host = Host::open(setup, scenario.model(), scenario.commands() > 0).await?;
    let mut database = Database::connect(&setup.url).await?;
    let mut found = [u64::MAX; COUNTS.len()];
    let is_cheap = |found: &[u64]| found.iter().zip(bounds).all(|(found, most)| found <= most);
    for number in 0..MOST {
        if number >= FEWEST && is_cheap(&found) {
            break;
        }
        let (ended, before, logged) = (host.ended(), host.runtime.counters(), database.logged().await?);
        let key = Batch { name: "lone", count: MOST }.key(number);
        host.start(key.clone(), order(&key)).await?;
        host.until_ended(ended + 1).await?;
        let after = host.runtime.counters();
        let spent = [
            after.units - before.units,
            after.commits - before.commits,
            after.statements - before.statements,
            after.rows - before.rows,
            database.logged().await? - logged,
        ];
        for (least, spent) in found.iter_mut().zip(spent) {
            *least = spent.min(*least);
        }
    }
    host.close().await;
    Ok(found)
}
