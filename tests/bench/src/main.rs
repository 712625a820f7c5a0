//! `bench`: see README.md beside this crate's manifest.

use std::io::stderr;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use mandate_bench::conduct::{self, ONE, Options};
use mandate_bench::database::Kind;
use mandate_bench::scenarios::{self, SCENARIOS, Scenario};
use mandate_bench::{report, steps};
use mandate_runtime::wasm::{COMPILE_COMMAND, compile_child_main};
use tracing_subscriber::EnvFilter;

/// As the host has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures what the engine costs on SQLite and PostgreSQL, beside what the database and the sandbox cost by themselves.
///
/// Prints a table and writes target/bench/latest.json. Every run is a process of its own; its log is in target/bench/logs.
#[derive(Parser)]
#[command(name = "bench", max_term_width = 120, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// Only these scenarios, such as S1,S2; see `bench list`.
    #[arg(long, env = "BENCH_SCENARIO", value_delimiter = ',')]
    scenario: Vec<String>,
    /// Only this database.
    #[arg(long, env = "BENCH_DATABASE", value_delimiter = ',', value_enum)]
    database: Vec<Kind>,
    /// So many instances instead of each scenario's own number.
    #[arg(long, env = "BENCH_INSTANCES", value_parser = clap::value_parser!(u32).range(1..))]
    instances: Option<u32>,
    /// Counted runs, of which the median is reported.
    #[arg(long, env = "BENCH_RUNS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Leave the floors out.
    #[arg(long)]
    no_floor: bool,
    /// Have PostgreSQL count its statements (pg_stat_statements), and show the dearest.
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
    conduct::carry_out(&std::env::args().nth(2).context("an order")?).await
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Some(Command::List) => {
            for scenario in SCENARIOS {
                println!("{:<6}{:>8}  {}", scenario.name(), scenario.instances(), scenario.about());
            }
            Ok(())
        }
        Some(Command::Steps) => steps::print(),
        None => measure(cli),
    }
}

#[tokio::main]
async fn measure(cli: Cli) -> anyhow::Result<()> {
    let find =
        |name: &String| scenarios::find(name).with_context(|| format!("there is no scenario {name}: `bench list` says which there are"));
    let scenarios: Vec<&dyn Scenario> = match cli.scenario[..] {
        [] => SCENARIOS.to_vec(),
        _ => cli.scenario.iter().map(find).collect::<anyhow::Result<_>>()?,
    };
    let options = Options {
        scenarios,
        databases: if cli.database.is_empty() { vec![Kind::Sqlite, Kind::Postgres] } else { cli.database },
        instances: cli.instances,
        runs: cli.runs,
        floor: !cli.no_floor,
        statements: cli.statements,
        under: cli.under.split_whitespace().map(str::to_owned).collect(),
    };
    let lines = conduct::all(options).await?;
    print!("{}", report::table(&lines));
    println!("\nwritten to {}", report::write(&lines)?.display());
    Ok(())
}
