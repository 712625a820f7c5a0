//! What an instance costs in units of work, commits, statements, rows and bytes of log: counts, which hardly depend on the machine, so that
//! a change that makes the engine write more is seen before anybody measures time.
//!
//! In the first test instances run one by one, in rounds. Of a round the cheapest instance counts, and the median: a machine that is busy
//! makes some instances dearer, for a unit takes jobs along for some milliseconds only and a host looks after itself by the clock, and none
//! cheaper; but what makes every second one dearer is no chance. So there are more rounds where it is busy: one must be as cheap as it
//! should be.
//!
//! What instances share that come at once is counted in the second test. There a round counts as a whole, and more of them where the
//! machine is busy, too: units that come late share less. In the store's contract (`units_that_come_at_once_share_a_transaction`) they do
//! come at once whatever else the machine does.
//!
//! A bound that is passed by a change that is worth it is raised with that change; one that has become too high is lowered.

use anyhow::Context as _;
use mandate_bench::database::Database;
use mandate_bench::figures::Figures;
use mandate_bench::host::{Batch, Host, Setup};
use mandate_bench::scenarios::{self, Scenario};
use mandate_bench::{one, stub};
use mandate_tests::postgres::Cluster;
use tempfile::TempDir;
use tokio::sync::Mutex;

/// Tests come one after the other: instances that end and bytes that are written to files are counted by the process.
static ALONE: Mutex<()> = Mutex::const_new(());

/// What a scenario's instance costs.
struct Cost {
    scenario: &'static str,
    /// Units of work, and writes to the ledger. Nothing is tried twice, and jobs that nobody can tell apart are stored together.
    units: u64,
    sqlite: Counted,
    postgres: Counted,
}

/// What the cheapest instance may have of each, and the median of a round as well. On PostgreSQL each commit has a row more: its trace.
struct Counted {
    commits: u64,
    statements: u64,
    rows: u64,
    log: Log,
}

/// Bytes of PostgreSQL's write-ahead log, or those that a host on SQLite writes to files, which is its log and now and then a checkpoint.
/// They depend on how full the pages are that are written, so that there is a tenth of room in them.
struct Log {
    cheapest: u64,
    median: u64,
}

const COSTS: [Cost; 7] = [
    // The start, and the five jobs together. Alone it shares its commits with nobody: without their two traces, of some 150 bytes each, it
    // stays below the 6 kB of PostgreSQL's log that it may write under load.
    Cost {
        scenario: "S1",
        units: 2,
        sqlite: Counted { commits: 2, statements: 3, rows: 15, log: Log { cheapest: 137_000, median: 150_000 } },
        postgres: Counted { commits: 2, statements: 6, rows: 17, log: Log { cheapest: 6_200, median: 6_300 } },
    },
    // All in the start, of which only history is stored.
    Cost {
        scenario: "S2",
        units: 1,
        sqlite: Counted { commits: 1, statements: 1, rows: 12, log: Log { cheapest: 55_000, median: 55_000 } },
        postgres: Counted { commits: 1, statements: 2, rows: 13, log: Log { cheapest: 4_800, median: 4_800 } },
    },
    // The start, which is deferred, and its five tasks; and five commands, each of which is opened, and closed
    // with the task.
    Cost {
        scenario: "S2c",
        units: 12,
        sqlite: Counted { commits: 7, statements: 13, rows: 25, log: Log { cheapest: 220_000, median: 243_000 } },
        postgres: Counted { commits: 7, statements: 21, rows: 32, log: Log { cheapest: 12_400, median: 12_600 } },
    },
    // The start, and the ten branches together. A branch is a row of the table of jobs, which comes and goes.
    Cost {
        scenario: "S3",
        units: 2,
        sqlite: Counted { commits: 2, statements: 6, rows: 49, log: Log { cheapest: 146_000, median: 186_000 } },
        postgres: Counted { commits: 2, statements: 8, rows: 51, log: Log { cheapest: 17_000, median: 17_100 } },
    },
    // The start, and the message.
    Cost {
        scenario: "S4",
        units: 2,
        sqlite: Counted { commits: 2, statements: 4, rows: 13, log: Log { cheapest: 146_000, median: 146_000 } },
        postgres: Counted { commits: 2, statements: 7, rows: 15, log: Log { cheapest: 5_200, median: 5_200 } },
    },
    // The start, and the worker's answer. What it fetches its task by is one statement, which is not counted as a commit.
    Cost {
        scenario: "S5",
        units: 2,
        sqlite: Counted { commits: 2, statements: 9, rows: 14, log: Log { cheapest: 163_000, median: 163_000 } },
        postgres: Counted { commits: 2, statements: 11, rows: 16, log: Log { cheapest: 6_000, median: 6_000 } },
    },
    // The start, the claim, and the timer.
    Cost {
        scenario: "S6",
        units: 2,
        sqlite: Counted { commits: 3, statements: 10, rows: 15, log: Log { cheapest: 159_000, median: 159_000 } },
        postgres: Counted { commits: 3, statements: 11, rows: 17, log: Log { cheapest: 6_100, median: 6_100 } },
    },
];

/// Instances of a round, so that what is printed is what one costs.
const ROUND: u32 = 50;

/// As many rounds as that, if none before was as cheap as it should be.
const MOST_ROUNDS: u32 = 10;

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_costs_no_more_than_it_did() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let stub = stub::start().expect("a stub of a service");
    let mut broken = Vec::new();
    for cost in &COSTS {
        for (database, counted) in [("sqlite", &cost.sqlite), ("postgres", &cost.postgres)] {
            let url = new_database(database, &cluster, &dir, &cost.scenario.to_lowercase());
            let setup = Setup { stub: Some(stub.clone()), ..Setup::new(url, dir.path().to_owned()) };
            let bounds = bounds(cost, counted);
            let [cheapest, median] = &bounds;
            let found = cheapest_round(cost, &setup, &bounds).await.expect("they run");
            let of = format!("{} on {database}", cost.scenario);
            println!(
                "{of}: {COUNTS:?}, of the cheapest instance {:?}, allowed {cheapest:?}, median {:?}, allowed {median:?}",
                found[0], found[1]
            );
            for (which, (found, bounds)) in ["the cheapest instance", "the median instance"].iter().zip(found.iter().zip(&bounds)) {
                for ((what, found), most) in COUNTS.iter().zip(found).zip(bounds) {
                    if found > most {
                        broken.push(format!("{of}: {which} has {found} {what}, more than {most}: find out why"));
                    }
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Instances that come at once: 64 starts are under way, and the next comes as soon as one is answered.
const MANY: u32 = 500;

/// What one of them may have of each, the database's upkeep included. SQLite's bytes are left out: it writes the same pages with every
/// commit, so that they say what the commits say.
const SHARED: [&str; 3] = ["commits", "statements", "bytes of log"];
const SHARED_ON: [(&str, [f64; SHARED.len()]); 2] = [("sqlite", [0.1, 1.0, f64::INFINITY]), ("postgres", [0.1, 1.0, 6_500.0])];

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_come_at_once_share_their_commits() {
    let _alone = ALONE.lock().await;
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let dir = tempfile::tempdir().expect("a temporary folder");
    let scenario = scenarios::find("S1").expect("it is in the table");
    for (database, most) in SHARED_ON {
        let is_cheap = |found: &[f64; SHARED.len()]| found.iter().zip(&most).all(|(found, most)| found <= most);
        let mut rounds = Vec::new();
        for round in 0..MOST_ROUNDS {
            let url = new_database(database, &cluster, &dir, &format!("round{round}"));
            let run = one::run(scenario, MANY, &Setup::new(url, dir.path().to_owned())).await.expect("it runs");
            let Figures { commits_per_instance, statements_per_instance, wal_bytes_per_instance, .. } = run.figures;
            rounds.push([commits_per_instance, statements_per_instance, wal_bytes_per_instance]);
            if rounds.last().is_some_and(is_cheap) {
                break;
            }
        }
        println!("S1 of {MANY} on {database}: {SHARED:?} of an instance, allowed {most:?}, of each round {rounds:?}");
        assert!(
            rounds.last().is_some_and(is_cheap),
            "S1 of {MANY} on {database}: no round has at most {most:?} {SHARED:?} an instance: find out why: {rounds:?}"
        );
    }
}

fn new_database(database: &str, cluster: &Cluster, dir: &TempDir, name: &str) -> String {
    match database {
        "sqlite" => format!("sqlite:{}", dir.path().join(format!("{name}.db")).display()),
        _ => cluster.create_database(name).expect("a database"),
    }
}

/// What is counted of an instance alone.
const COUNTS: [&str; 5] = ["units of work", "commits", "statements", "rows", "bytes of log"];

/// Each count of the cheapest instance, and of the median.
type Counts = [[u64; COUNTS.len()]; 2];

fn bounds(cost: &Cost, counted: &Counted) -> Counts {
    let Log { cheapest, median } = counted.log;
    [cheapest, median].map(|log| [cost.units, counted.commits, counted.statements, counted.rows, log])
}

/// What instances cost, of the first round that is within the bounds, or else of the one that comes nearest.
async fn cheapest_round(cost: &Cost, setup: &Setup, bounds: &Counts) -> anyhow::Result<Counts> {
    let scenario = scenarios::find(cost.scenario).context("it is in the table")?;
    let host = Host::open(setup, scenario.model(), scenario.commands() > 0).await?;
    let mut database = Database::connect(&setup.url).await?;
    let excess = |round: &Counts| -> u64 {
        round.iter().flatten().zip(bounds.iter().flatten()).map(|(found, most)| found.saturating_sub(*most)).sum()
    };
    let mut best: Option<Counts> = None;
    for round in 0..MOST_ROUNDS {
        let found = one_round(&host, &mut database, scenario, round).await?;
        if best.as_ref().is_none_or(|best| excess(&found) < excess(best)) {
            best = Some(found);
        }
        if excess(&found) == 0 {
            break;
        }
    }
    host.close().await;
    best.context("there was a round")
}

async fn one_round(host: &Host, database: &mut Database, scenario: &dyn Scenario, round: u32) -> anyhow::Result<Counts> {
    let batch = Batch { name: "lone", count: ROUND * MOST_ROUNDS };
    let mut columns = [const { Vec::new() }; COUNTS.len()];
    for number in round * ROUND..(round + 1) * ROUND {
        let (before, logged) = (host.runtime.counters(), database.logged().await?);
        scenario.run_one(host, batch.key(number)).await?;
        let after = host.runtime.counters();
        let spent = [
            after.units - before.units,
            after.commits - before.commits,
            after.statements - before.statements,
            after.rows - before.rows,
            database.logged().await? - logged,
        ];
        for (column, spent) in columns.iter_mut().zip(spent) {
            column.push(spent);
        }
    }
    for column in &mut columns {
        column.sort_unstable();
    }
    // Of an even number the upper one: what half of the instances have too much of is in it.
    Ok([0, ROUND as usize / 2].map(|at| columns.each_ref().map(|column| column[at])))
}
