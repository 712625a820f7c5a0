//! `bench`: see README.md beside this crate's manifest.

use std::io::stderr;
use std::process::ExitCode;

use anyhow::{Context as _, bail, ensure};
use clap::{Parser, Subcommand};
use mandate_bench::conduct::{self, ONE, Options};
use mandate_bench::database::Kind;
use mandate_bench::deployment::{self, CHECK};
use mandate_bench::host::Size;
use mandate_bench::report;
use mandate_bench::scenarios::{self, SCENARIOS, Scenario};
use mandate_bench::steps::{self, DRIVE};
use mandate_bench::workers::{self, WORKERS};
use mandate_runtime::wasm::{COMPILE_COMMAND, compile_child_main};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// As the host has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Counted runs, unless somebody asks for others.
const RUNS: u32 = 3;

/// Instances of S1 among the long scenarios, to see how cost grows.
const MANY: u32 = 100_000;

/// Measures what the engine costs on SQLite and PostgreSQL, beside what the database and the sandbox cost by themselves.
///
/// Prints a table and writes target/bench/latest.json, which keeps what it holds of other scenarios and databases. Every run is a process
/// of its own; its log is in target/bench/logs.
#[derive(Parser)]
#[command(name = "bench", max_term_width = 120, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// The long scenarios instead of the others, and S1 with 100,000 instances.
    #[arg(long)]
    long: bool,
    /// Only these scenarios, such as S1,S2; see `bench list`.
    #[arg(long, env = "BENCH_SCENARIO", value_delimiter = ',')]
    scenario: Vec<String>,
    /// Only this database.
    #[arg(long, env = "BENCH_DATABASE", value_delimiter = ',', value_enum)]
    database: Vec<Kind>,
    /// So many instances instead of each scenario's own number.
    #[arg(long, env = "BENCH_INSTANCES", value_parser = clap::value_parser!(u32).range(1..))]
    instances: Option<u32>,
    /// Counted runs, of which the median is reported: 3 unless said otherwise, 1 with --long. Of what runs in pairs, pairs: of S6b and S10
    /// one, of S9 three, of retention five.
    #[arg(long, env = "BENCH_RUNS", value_parser = clap::value_parser!(u32).range(1..))]
    runs: Option<u32>,
    /// Instances that are in the store beforehand, in the scenarios that have such.
    #[arg(long, env = "BENCH_STOCK", default_value_t = Size::default().stock, value_parser = clap::value_parser!(u32).range(10..))]
    stock: u32,
    /// How long soak and S11 last.
    #[arg(long, env = "BENCH_SECONDS", default_value_t = Size::default().seconds, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Leave the floors out.
    #[arg(long)]
    no_floor: bool,
    /// Have PostgreSQL count its statements (pg_stat_statements), show the dearest, and log the plans of those that take over 20 ms
    /// (auto_explain) to target/bench/logs/postgres_server.log.
    #[arg(long)]
    statements: bool,
    /// Run each process under another program, such as "perf record -F 499 -g -o perf.data --".
    #[arg(long, default_value = "")]
    under: String,
}

#[derive(Subcommand)]
enum Command {
    /// Say which scenarios there are.
    List,
    /// Count instructions per step of the pure engine; needs valgrind.
    Steps,
}

fn main() -> ExitCode {
    match std::env::args().nth(1).as_deref() {
        Some(COMPILE_COMMAND) => return compile_child_main(),
        Some(ONE) => return ended(carry_out()),
        Some(WORKERS) => return ended(work()),
        Some(DRIVE) => return ended(drive()),
        Some(CHECK) => return ended(check()),
        _ => {}
    }
    ended(run(Cli::parse()))
}

fn ended(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn carry_out() -> anyhow::Result<()> {
    // As a host does that is run by hand, for what is logged costs too.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr).with_ansi(false).init();
    conduct::carry_out(&argument(2, "an order")?).await
}

#[tokio::main(flavor = "current_thread")]
async fn work() -> anyhow::Result<()> {
    workers::carry_out(&argument(2, "the host's address")?).await
}

fn drive() -> anyhow::Result<()> {
    let (scenario, instances) = (argument(2, "a scenario")?, argument(3, "how many instances")?.parse()?);
    println!("{}", serde_json::to_string(&steps::drive(&scenario, instances)?)?);
    Ok(())
}

fn check() -> anyhow::Result<()> {
    deployment::check(argument(2, "how many tasks")?.parse()?)
}

fn argument(nth: usize, what: &'static str) -> anyhow::Result<String> {
    std::env::args().nth(nth).context(what)
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Some(Command::List) => {
            for scenario in SCENARIOS {
                let long = if scenario.is_long() { "long" } else { "" };
                println!("{:<10}{:>8}  {long:<6}{}", scenario.name(), scenario.instances(), scenario.about());
            }
            Ok(())
        }
        Some(Command::Steps) => steps::print(),
        None => measure(cli),
    }
}

#[tokio::main]
async fn measure(cli: Cli) -> anyhow::Result<()> {
    let options = Options {
        scenarios: chosen(&cli)?,
        databases: if cli.database.is_empty() { vec![Kind::Sqlite, Kind::Postgres] } else { cli.database },
        size: Size { stock: cli.stock, seconds: cli.seconds },
        runs: cli.runs.unwrap_or(if cli.long { 1 } else { RUNS }),
        pairs: cli.runs,
        floor: !cli.no_floor,
        statements: cli.statements,
        under: cli.under.split_whitespace().map(str::to_owned).collect(),
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let (lines, failures) = tokio::select! {
        all = conduct::all(options) => all?,
        // What is dropped here ends its processes and removes its databases.
        _ = terminate.recv() => bail!("it was told to end"),
        _ = ctrl_c() => bail!("it was interrupted"),
    };
    print!("{}", report::table(&lines));
    println!("\nwritten to {}", report::write(&lines)?.display());
    for failure in &failures {
        eprintln!("error: {failure:#}");
    }
    ensure!(failures.is_empty(), "{} scenarios could not be measured", failures.len());
    Ok(())
}

/// Which scenarios, each with its number of instances.
fn chosen(cli: &Cli) -> anyhow::Result<Vec<(&'static dyn Scenario, u32)>> {
    let find =
        |name: &String| scenarios::find(name).with_context(|| format!("there is no scenario {name}: `bench list` says which there are"));
    let scenarios: Vec<&dyn Scenario> = match cli.scenario[..] {
        // The first is S1, which the long ones are cases of.
        [] if cli.long => SCENARIOS[..1].iter().chain(SCENARIOS.iter().filter(|scenario| scenario.is_long())).copied().collect(),
        [] => SCENARIOS.iter().filter(|scenario| !scenario.is_long()).copied().collect(),
        _ => cli.scenario.iter().map(find).collect::<anyhow::Result<_>>()?,
    };
    let instances = |scenario: &dyn Scenario| match cli.instances {
        Some(instances) => instances,
        None if cli.long && !scenario.is_long() => MANY,
        None => scenario.instances(),
    };
    Ok(scenarios.into_iter().map(|scenario| (scenario, instances(scenario))).collect())
}
