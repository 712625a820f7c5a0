//! Conducts the runs: starts the databases, and itself as a process for each run.

use std::collections::BTreeMap;
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
use crate::figures::{FLOOR_RATIO_STORED, Run, compared_in_pairs, median, rounded};
use crate::floor::{Measured, Observed};
use crate::host::{Setup, Size};
use crate::scenarios::{self, Floor, Scenario};
use crate::window::Notes;
use crate::{floor, one, stub};

/// How long one process may take: filling a database with a million instances, with their history, takes minutes.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// What of a log is shown when its process failed.
const SHOWN: usize = 4_000;

/// `f_type` of a file system in memory, where a commit costs nothing (statfs(2)).
const TMPFS: u64 = 0x0102_1994;

/// Where the databases are: PostgreSQL's cluster cannot be in a folder of ours, which its user may not enter.
const DATABASES: &str = "/tmp";

/// With these the server counts its statements and logs the plans of slow ones.
const COUNTING: &str = "-c shared_preload_libraries=pg_stat_statements,auto_explain -c auto_explain.log_min_duration=20ms \
     -c auto_explain.log_analyze=on -c auto_explain.log_timing=off";

/// The first argument with which this program runs itself.
pub const ONE: &str = "one";

/// What is to be run.
pub struct Options {
    /// Which scenarios, each with so many instances.
    pub scenarios: Vec<(&'static dyn Scenario, u32)>,
    /// On which databases.
    pub databases: Vec<Kind>,
    /// How large the long scenarios are.
    pub size: Size,
    /// Counted runs; the median is reported.
    pub runs: u32,
    /// Runs in pairs, unless each scenario has its own number.
    pub pairs: Option<u32>,
    /// Whether floors are measured.
    pub floor: bool,
    /// Whether PostgreSQL counts its statements, which costs it a little.
    pub statements: bool,
    /// A program, with its arguments, that runs each process, such as `perf record`.
    pub under: Vec<String>,
}

/// What a process of its own is told, as JSON.
#[derive(Serialize, Deserialize)]
struct Order {
    scenario: String,
    instances: u32,
    url: String,
    dir: PathBuf,
    stub: String,
    size: Size,
    task: Task,
}

/// What a process does.
#[derive(Clone, Copy, Serialize, Deserialize)]
enum Task {
    /// Fill the database.
    Stock,
    /// Run the scenario.
    Run,
    /// Measure the floor of a run that saw this.
    Floor(Observed),
}

/// What all runs share.
struct Stage {
    options: Options,
    dir: TempDir,
    logs: PathBuf,
    cluster: Option<Cluster>,
    stub: String,
    /// Runs so far, by scenario, database and instances, for scenarios that are compared with others.
    seen: BTreeMap<(&'static str, &'static str, u32), Run>,
}

/// Where a process finds its database.
struct Place {
    /// Whose it is.
    scenario: String,
    name: String,
    dir: PathBuf,
    url: String,
}

/// Runs everything, saying on standard error what it does. Answers what was measured, and what went wrong with scenarios that were not.
pub async fn all(options: Options) -> anyhow::Result<(Vec<Run>, Vec<anyhow::Error>)> {
    if u64::try_from(rustix::fs::statfs(DATABASES)?.f_type) == Ok(TMPFS) {
        eprintln!("warning: {DATABASES} is in memory, so that nothing here is durable and commits cost too little");
    }
    let logs = root().join("target/bench/logs");
    fs::create_dir_all(&logs)?;
    let dir = tempfile::Builder::new().prefix("mandate-bench-").tempdir_in(DATABASES)?;
    let cluster = match options.databases.contains(&Kind::Postgres) {
        true if options.statements => Some(Cluster::start_with(COUNTING)?),
        true => Some(Cluster::start()?),
        false => None,
    };
    let mut stage = Stage { dir, logs, cluster, stub: stub::start()?, seen: BTreeMap::new(), options };
    let (mut lines, mut failures) = (Vec::new(), Vec::new());
    for (scenario, instances) in stage.options.scenarios.clone() {
        for database in stage.options.databases.clone() {
            if scenario.runs_on(database) {
                match stage.line(scenario, instances, database).await {
                    Ok(line) => lines.push(line),
                    // What others cost is worth knowing all the same.
                    Err(error) => failures.push(error.context(format!("{} on {}", scenario.name(), database.name()))),
                }
            }
        }
    }
    if let (true, Some(cluster)) = (stage.options.statements, &stage.cluster) {
        let log = Path::new(&cluster.sql("postgres", "SHOW data_directory")?).with_file_name("log");
        fs::copy(log, stage.logs.join("postgres_server.log")).context("keep the server's log")?;
    }
    Ok((lines, failures))
}

/// What a process of its own does: carries out an order and prints what came of it, as JSON.
pub async fn carry_out(order: &str) -> anyhow::Result<()> {
    let order: Order = serde_json::from_str(order)?;
    let scenario = scenarios::find(&order.scenario).context("a scenario of the table")?;
    let compiler = Compiler::this_program()?;
    let history_cleanup = scenario.history_cleanup().filter(|_| matches!(order.task, Task::Run));
    let setup = Setup { url: order.url, dir: order.dir, stub: Some(order.stub), compiler, size: order.size, history_cleanup };
    let answer = match order.task {
        Task::Stock => serde_json::to_string(&one::stock(scenario, order.instances, &setup).await?)?,
        Task::Run => serde_json::to_string(&one::run(scenario, order.instances, &setup).await?)?,
        Task::Floor(observed) => serde_json::to_string(&floor::measure(scenario, order.instances, &setup, observed).await?)?,
    };
    println!("{answer}");
    Ok(())
}

impl Stage {
    /// A scenario on a database: the median run, and beside it what it is compared with.
    async fn line(&mut self, scenario: &'static dyn Scenario, instances: u32, database: Kind) -> anyhow::Result<Run> {
        let base = scenario.base().map(|base| scenarios::find(base).context("a scenario of the table")).transpose()?;
        let (mut run, compared) = match (base, scenario.pairs()) {
            (None, _) => (self.runs(scenario, instances, database).await?, None),
            (Some(base), None) => {
                let run = self.runs(scenario, instances, database).await?;
                let base = self.runs(base, instances, database).await?;
                let compared = run.figures.compared(&base.figures);
                (run, Some(compared))
            }
            (Some(base), Some(pairs)) => {
                let (runs, bases) = self.pairs(scenario, base, instances, database, self.options.pairs.unwrap_or(pairs)).await?;
                let compared = compared_in_pairs(&runs, &bases).context("at least one pair")?;
                (middle(runs)?, Some(compared))
            }
        };
        if let Some(compared) = compared {
            run.figures.extra.insert("base".to_owned(), compared.into());
        }
        if self.options.floor && scenario.floor() != Floor::None {
            let observed = Observed::of(&run, scenario);
            let mut floors = Vec::new();
            for number in 1..=self.options.runs {
                let place = self.place(scenario, database, &format!("floor{number}"))?;
                floors.push(self.process(scenario, instances, &place, Task::Floor(observed)).await?);
                self.leave(&place)?;
            }
            let floor = median(floors, Measured::is_known_by).context("at least one floor")?;
            let over = |ms: f64| Some(run.figures.cpu_ms_per_instance.total / ms).filter(|ratio| ratio.is_finite());
            let (ratio, stored) = (over(floor.total_ms()), floor.stored_total_ms().and_then(over));
            run.figures.floor_ratio = ratio;
            if let Some(ratio) = stored {
                run.figures.extra.insert(FLOOR_RATIO_STORED.to_owned(), rounded(ratio).into());
            }
            run.figures.extra.insert("floor".to_owned(), floor.told(observed.batch));
        }
        Ok(run)
    }

    /// The median of a scenario's runs, which are made once.
    async fn runs(&mut self, scenario: &'static dyn Scenario, instances: u32, database: Kind) -> anyhow::Result<Run> {
        let key = (scenario.name(), database.name(), instances);
        if let Some(run) = self.seen.get(&key) {
            return Ok(run.clone());
        }
        let mut runs = Vec::new();
        for number in 1..=self.options.runs {
            runs.push(self.alone(scenario, instances, database, number).await?);
        }
        let run = middle(runs)?;
        self.seen.insert(key, run.clone());
        Ok(run)
    }

    /// A run on a database that goes before anything else is measured: nobody vacuums it meanwhile.
    async fn alone(&self, scenario: &dyn Scenario, instances: u32, database: Kind, number: u32) -> anyhow::Result<Run> {
        let place = self.place(scenario, database, &format!("run{number}"))?;
        let mut notes = self.fill(scenario, instances, &place, number).await?;
        let mut run = self.measure(scenario, instances, &place, number).await?;
        run.figures.extra.append(&mut notes);
        self.leave(&place)?;
        Ok(run)
    }

    /// Runs of a scenario, each with one of its base beside it. Each comes first as often as the other, but for the last of an odd number,
    /// so that what the second finds differently favours neither.
    async fn pairs(
        &self,
        scenario: &'static dyn Scenario,
        base: &'static dyn Scenario,
        instances: u32,
        database: Kind,
        pairs: u32,
    ) -> anyhow::Result<(Vec<Run>, Vec<Run>)> {
        let (mut runs, mut bases) = (Vec::new(), Vec::new());
        for number in 1..=pairs {
            let mut both = [(scenario, &mut runs), (base, &mut bases)];
            if number % 2 == 0 {
                both.reverse();
            }
            if !scenario.shares_database() {
                for (which, to) in both {
                    to.push(self.alone(which, instances, database, number).await?);
                }
                continue;
            }
            let place = self.place(scenario, database, &format!("pair{number}"))?;
            let notes = self.fill(scenario, instances, &place, number).await?;
            for (which, to) in both {
                to.push(self.measure(which, instances, &place, number).await?);
            }
            if let Some(run) = runs.last_mut() {
                run.figures.extra.extend(notes);
            }
            self.leave(&place)?;
        }
        Ok((runs, bases))
    }

    /// Fills a database where the scenario has something to fill it with.
    async fn fill(&self, scenario: &dyn Scenario, instances: u32, place: &Place, number: u32) -> anyhow::Result<Notes> {
        if !scenario.has_stock() {
            return Ok(Notes::new());
        }
        eprintln!("{} {} run {number}: the database is being filled", scenario.name(), Kind::of(&place.url).name());
        self.process(scenario, instances, place, Task::Stock).await
    }

    /// One run.
    async fn measure(&self, scenario: &dyn Scenario, instances: u32, place: &Place, number: u32) -> anyhow::Result<Run> {
        let run: Run = self.process(scenario, instances, place, Task::Run).await?;
        eprintln!(
            "{} {} run {number}: {:.1} instances/s, {:.3} ms CPU",
            scenario.name(),
            run.figures.database,
            run.figures.instances_per_s,
            run.figures.cpu_ms_per_instance.total
        );
        Ok(run)
    }

    /// An empty database and a folder.
    fn place(&self, scenario: &dyn Scenario, database: Kind, what: &str) -> anyhow::Result<Place> {
        let name = format!("{}_{what}", scenario.name().to_lowercase());
        let dir = self.dir.path().join(database.name()).join(&name);
        fs::create_dir_all(&dir)?;
        let url = match (&self.cluster, database) {
            (Some(cluster), Kind::Postgres) => cluster.create_database(&name)?,
            _ => format!("sqlite:{}", dir.join("mandate.db").display()),
        };
        Ok(Place { scenario: scenario.name().to_owned(), name, dir, url })
    }

    fn leave(&self, place: &Place) -> anyhow::Result<()> {
        if let (Some(cluster), Kind::Postgres) = (&self.cluster, Kind::of(&place.url)) {
            cluster.sql("postgres", &format!("DROP DATABASE {}", place.name))?;
        }
        Ok(fs::remove_dir_all(&place.dir)?)
    }

    /// A process that does something in a place.
    async fn process<T: DeserializeOwned>(&self, scenario: &dyn Scenario, instances: u32, place: &Place, task: Task) -> anyhow::Result<T> {
        let order = Order {
            scenario: scenario.name().to_owned(),
            instances,
            url: place.url.clone(),
            dir: place.dir.clone(),
            stub: self.stub.clone(),
            size: self.options.size,
            task,
        };
        let what = match task {
            Task::Stock => "_stock",
            Task::Run if scenario.name() != place.scenario => "_base",
            Task::Run | Task::Floor(_) => "",
        };
        let log = format!("{}_{}{what}.log", Kind::of(&place.url).name(), place.name);
        let answer = self.run(&serde_json::to_string(&order)?, &self.logs.join(log)).await?;
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

/// The run whose CPU is the median.
fn middle(runs: Vec<Run>) -> anyhow::Result<Run> {
    median(runs, |run: &Run| run.figures.cpu_ms_per_instance.total).context("at least one run")
}
