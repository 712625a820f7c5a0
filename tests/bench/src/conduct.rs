//! Conducts the runs: starts the databases, and itself as a process for each run.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use mandate_runtime::wasm::Compiler;
use mandate_tests::postgres::Cluster;
use mandate_tests::program::root;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;
use tokio::process::Command;

use crate::database::Kind;
use crate::figures::{Run, median};
use crate::floor::{Measured, Observed};
use crate::host::Setup;
use crate::scenarios::{self, Floor, Scenario};
use crate::{floor, one, stub};

/// How long one process may take.
const PATIENCE: Duration = Duration::from_secs(20 * 60);

/// What of a log is shown when its process failed.
const SHOWN: usize = 4_000;

/// `f_type` of a file system in memory, where a commit costs nothing (statfs(2)).
const TMPFS: u64 = 0x0102_1994;

/// Where the databases are: PostgreSQL's cluster cannot be in a folder of ours, which its user may not enter.
const DATABASES: &str = "/tmp";

/// The first argument with which this program runs itself.
pub const ONE: &str = "one";

/// What is to be run.
pub struct Options {
    /// Which scenarios.
    pub scenarios: Vec<&'static dyn Scenario>,
    /// On which databases.
    pub databases: Vec<Kind>,
    /// Other numbers of instances than the scenarios' own.
    pub instances: Option<u32>,
    /// Counted runs; the median is reported.
    pub runs: u32,
    /// Whether floors are measured.
    pub floor: bool,
    /// Whether PostgreSQL counts its statements, which costs it a little.
    pub statements: bool,
    /// A program, with its arguments, that runs each process, such as `perf record`.
    pub under: Vec<String>,
}

/// A scenario on a database: the median run, and the floor where there is one.
pub struct Line {
    /// The run.
    pub run: Run,
    /// The median floor.
    pub floor: Option<Measured>,
}

/// What a process of its own is told, as JSON.
#[derive(Serialize, Deserialize)]
struct Order {
    scenario: String,
    instances: u32,
    url: String,
    dir: PathBuf,
    stub: String,
    /// Measure the floor of a run that saw this: units in one transaction, bytes of history.
    floor: Option<(usize, usize)>,
}

/// What all runs share.
struct Stage {
    options: Options,
    dir: TempDir,
    logs: PathBuf,
    cluster: Option<Cluster>,
    stub: String,
}

/// Runs everything, saying on standard error what it does.
pub async fn all(options: Options) -> anyhow::Result<Vec<Line>> {
    if u64::try_from(rustix::fs::statfs(DATABASES)?.f_type) == Ok(TMPFS) {
        eprintln!("warning: {DATABASES} is in memory, so that nothing here is durable and commits cost too little");
    }
    let logs = root().join("target/bench/logs");
    fs::create_dir_all(&logs)?;
    let dir = tempfile::Builder::new().prefix("mandate-bench-").tempdir_in(DATABASES)?;
    let cluster = match options.databases.contains(&Kind::Postgres) {
        true if options.statements => Some(Cluster::start_with("-c shared_preload_libraries=pg_stat_statements")?),
        true => Some(Cluster::start()?),
        false => None,
    };
    let stage = Stage { options, dir, logs, cluster, stub: stub::start()? };
    let mut lines = Vec::new();
    for scenario in &stage.options.scenarios {
        for database in &stage.options.databases {
            lines.push(stage.line(*scenario, *database).await.with_context(|| format!("{} on {}", scenario.name(), database.name()))?);
        }
    }
    Ok(lines)
}

/// What a process of its own does: carries out an order and prints what came of it, as JSON.
pub async fn carry_out(order: &str) -> anyhow::Result<()> {
    let order: Order = serde_json::from_str(order)?;
    let scenario = scenarios::find(&order.scenario).context("a scenario of the table")?;
    let compiler = Compiler::Child { exe: std::env::current_exe()? };
    let setup = Setup { url: order.url, dir: order.dir, stub: Some(order.stub), compiler };
    let answer = match order.floor {
        None => serde_json::to_string(&one::run(scenario, order.instances, &setup).await?)?,
        Some((batch, history_bytes)) => {
            let observed = Observed { batch, history_bytes };
            serde_json::to_string(&floor::measure(scenario, order.instances, &setup, observed).await?)?
        }
    };
    println!("{answer}");
    Ok(())
}

impl Stage {
    async fn line(&self, scenario: &dyn Scenario, database: Kind) -> anyhow::Result<Line> {
        let mut runs = Vec::new();
        for number in 1..=self.options.runs {
            let run: Run = self.process(scenario, database, &format!("run{number}"), None).await?;
            eprintln!(
                "{} {} run {number}: {:.1} instances/s, {:.3} ms CPU",
                scenario.name(),
                database.name(),
                run.figures.instances_per_s,
                run.figures.cpu_ms_per_instance.total
            );
            runs.push(run);
        }
        let mut run = median(runs, |run: &Run| run.figures.cpu_ms_per_instance.total).context("at least one run")?;
        let mut floors = Vec::new();
        if self.options.floor && scenario.floor() != Floor::None {
            let observed = Observed::of(&run);
            for number in 1..=self.options.runs {
                let what = format!("floor{number}");
                floors.push(self.process(scenario, database, &what, Some((observed.batch, observed.history_bytes))).await?);
            }
        }
        let floor = median(floors, |floor: &Measured| floor.lone_commit_ms.unwrap_or_else(|| floor.total_ms()));
        run.figures.floor_ratio =
            floor.filter(|floor| floor.total_ms() > 0.0).map(|floor| run.figures.cpu_ms_per_instance.total / floor.total_ms());
        Ok(Line { run, floor })
    }

    /// One process on a database of its own.
    async fn process<T: DeserializeOwned>(
        &self,
        scenario: &dyn Scenario,
        database: Kind,
        what: &str,
        floor: Option<(usize, usize)>,
    ) -> anyhow::Result<T> {
        let name = format!("{}_{what}", scenario.name().to_lowercase());
        let dir = self.dir.path().join(database.name()).join(&name);
        fs::create_dir_all(&dir)?;
        let url = match (&self.cluster, database) {
            (Some(cluster), Kind::Postgres) => cluster.create_database(&name)?,
            _ => format!("sqlite:{}", dir.join("mandate.db").display()),
        };
        let instances = self.options.instances.unwrap_or_else(|| scenario.instances());
        let order = Order { scenario: scenario.name().to_owned(), instances, url, dir: dir.clone(), stub: self.stub.clone(), floor };
        let answer = self.run(&serde_json::to_string(&order)?, &self.logs.join(format!("{}_{name}.log", database.name()))).await?;
        if let (Some(cluster), Kind::Postgres) = (&self.cluster, database) {
            // Nobody vacuums it while the next run is measured.
            cluster.sql("postgres", &format!("DROP DATABASE {name}"))?;
        }
        fs::remove_dir_all(&dir)?;
        serde_json::from_str(&answer).with_context(|| format!("the process answered: {answer}"))
    }

    async fn run(&self, order: &str, log: &Path) -> anyhow::Result<String> {
        let me = std::env::current_exe()?;
        let mut command = match self.options.under.split_first() {
            None => Command::new(&me),
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(&me);
                command
            }
        };
        let child = command
            .args([ONE, order])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log)?)
            .kill_on_drop(true)
            .spawn()
            .context("start a process for the run")?;
        let Ok(done) = tokio::time::timeout(PATIENCE, child.wait_with_output()).await else {
            bail!("it took longer than {PATIENCE:?}; its log is {}", log.display());
        };
        let done = done?;
        let said = fs::read_to_string(log).unwrap_or_default();
        let end = said.char_indices().rev().nth(SHOWN).map_or(0, |(at, _)| at);
        ensure!(done.status.success(), "it ended with {}: {}", done.status, &said[end..]);
        let answer = String::from_utf8(done.stdout)?;
        // A program that runs it may print lines of its own.
        Ok(answer.lines().rev().find(|line| line.starts_with('{')).unwrap_or_default().to_owned())
    }
}
