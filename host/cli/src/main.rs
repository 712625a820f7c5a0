//! `mandate`: the host, and the commands that speak to one.

mod bundle;
mod check;
mod client;
mod retry;
mod serve;
mod settings;
mod show;
mod table;
mod verdict;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use client::Client;
use table::say;

/// Units of work are made on one thread and thrown away on another, many small things each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A BPMN 2.0 process engine whose service tasks are sandboxed WebAssembly delegates.
///
/// Start a host with `mandate serve`, deploy a bundle of models and components with `mandate deploy DIR`, start instances with
/// `mandate start KEY`, and see where each of them stands with `mandate waiting` and `mandate show ID`.
#[derive(Parser)]
#[command(name = "mandate", version, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run a host: serve the HTTP API and execute jobs and timers.
    ///
    /// Every option can also stand in mandate-host.toml or come from the environment; flags go before the environment, and that
    /// before the file.
    Serve(settings::ServeArgs),
    /// Say everything that a deployment of a bundle would say, offline and without storing anything.
    Check {
        /// The folder with .bpmn files, .wasm files and mandate.toml.
        dir: PathBuf,
        /// The operator's catalogue, to check what the delegates ask for.
        #[arg(long, env = "MANDATE_CATALOGUE")]
        catalogue: Option<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Deploy a bundle: one atomic upload. Prints which component every task is bound to.
    Deploy {
        /// The folder with .bpmn files, .wasm files and mandate.toml.
        dir: PathBuf,
        /// The deployment's name; by default the manifest's, then the folder's.
        #[arg(long)]
        name: Option<String>,
        /// The tenant that it belongs to.
        #[arg(long)]
        tenant: Option<String>,
        /// Do nothing if the newest deployment of this name has the same content.
        #[arg(long)]
        skip_duplicate: bool,
        /// Say what would happen, store nothing.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        output: Output,
    },
    /// Start an instance of the newest version of a process.
    Start {
        /// The BPMN process id.
        key: String,
        /// Your name for the instance, for example the order's number.
        #[arg(long, short = 'b')]
        business_key: Option<String>,
        /// A variable, `name=value`; the value is JSON, or text if it is not JSON. Repeatable.
        #[arg(long = "var", short = 'v', value_name = "NAME=VALUE")]
        variables: Vec<String>,
        /// The start event to begin at, of a process that has several none start events.
        #[arg(long, value_name = "START_EVENT")]
        at: Option<String>,
        /// The tenant of the definition.
        #[arg(long)]
        tenant: Option<String>,
        /// The same key starts once and answers with the same instance.
        #[arg(long)]
        idempotency_key: Option<String>,
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        output: Output,
    },
    /// List running instances.
    ///
    /// With --incidents also the incidents of no instance: of timer start events, signals and messages that could not start one.
    ///
    /// As JSON a list has the fields of Camunda's ProcessInstanceDto. With --incidents it is an object: `instances`, that list, and
    /// `incidentsOfNoInstance`, a list with the fields of Camunda's IncidentDto.
    List {
        /// Only of this definition key.
        #[arg(long, short = 'k')]
        key: Option<String>,
        /// Only with this business key.
        #[arg(long, short = 'b')]
        business_key: Option<String>,
        /// Only with an open incident.
        #[arg(long)]
        incidents: bool,
        /// At most so many.
        #[arg(long, default_value_t = 100)]
        max: u32,
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        output: Output,
    },
    /// Show one instance: where it waits, what was tried, what was sent, what went wrong.
    Show {
        /// The instance's id, or its business key.
        instance: String,
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        output: Output,
    },
    /// List where instances stand and why: every wait, job, incident and join. Also what could not start an instance.
    Waiting {
        /// Only of this definition key.
        #[arg(long, short = 'k')]
        key: Option<String>,
        /// Only with this business key.
        #[arg(long, short = 'b')]
        business_key: Option<String>,
        /// Only what should have happened already.
        #[arg(long)]
        overdue: bool,
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        output: Output,
    },
    /// Print ended instances with everything that is known of them, a line of JSON each.
    ///
    /// An instance, its activities, variables, user tasks and incidents, and the commands that it has sent: what `serve --history-export`
    /// writes down before it removes history whose time to live is over. A command that ends with an error has not printed everything.
    Export {
        /// Only this instance.
        instance: Option<String>,
        /// Only of this definition key.
        #[arg(long, short = 'k')]
        key: Option<String>,
        /// Only with this business key.
        #[arg(long, short = 'b')]
        business_key: Option<String>,
        /// Only what ended after this moment, such as 2026-11-20T10:00:00Z.
        #[arg(long)]
        finished_after: Option<String>,
        /// Only what ended before this moment.
        #[arg(long)]
        finished_before: Option<String>,
        #[command(flatten)]
        server: Server,
    },
    /// Give failed jobs and external tasks new retries: their incidents are resolved, jobs run at once, workers may fetch the tasks.
    Retry {
        /// An instance's id or business key, for all that has failed in it, or the id of one job, external task or incident. `mandate list
        /// --incidents` names the jobs of no instance.
        id: String,
        /// How many attempts.
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        retries: u32,
        #[command(flatten)]
        server: Server,
    },
    /// Say what became of a command whose outcome is unknown, so that its instance can go on.
    ///
    /// For an incident COMMAND_OUTCOME_UNKNOWN that neither the catalogue's reconcile query nor sending again can settle. Ask the domain
    /// service whether it has done the command, then say so. --applied answers the command from the ledger when its job runs again, with
    /// --reply if the delegate reads one; nothing is sent. --not-applied lets it be sent once more, under the same key. The verdict is
    /// given once and kept in the ledger with who gave it and why. Afterwards `mandate retry INSTANCE` lets the job run again.
    ///
    /// `mandate show` prints this command for every attempt that needs it. An attempt that is decided, or that a living host still
    /// waits for, is refused.
    Verdict(verdict::Arguments),
    /// List delegates: versions, digests, and which definitions are bound to them.
    Delegates {
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        output: Output,
    },
    /// Prove that the store agrees with itself: snapshots, rows, bindings and components.
    CheckStore {
        /// Open this database instead of asking a running host.
        #[arg(long)]
        database: Option<String>,
        #[command(flatten)]
        server: Server,
        #[command(flatten)]
        output: Output,
    },
    /// Print the whole schema as one script, for those who run migrations by hand on an empty database (`serve --migrate off`).
    MigrationScript {
        /// Which database it is for.
        dialect: Dialect,
    },
    /// Compile a component from standard input to standard output; the host runs this in a limited child process.
    #[command(hide = true)]
    CompileComponent,
}

/// A database's kind.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Dialect {
    Sqlite,
    Postgres,
}

/// Which host to speak to.
#[derive(Args)]
struct Server {
    /// The host's address.
    #[arg(long, env = "MANDATE_SERVER", hide_env_values = true, default_value = "http://127.0.0.1:8080")]
    server: String,
}

/// How to print.
#[derive(Args)]
struct Output {
    /// Print JSON, for scripts.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Before any thread is started: the child limits itself.
    if matches!(cli.command, Command::CompileComponent) {
        return mandate_runtime::wasm::compile_child_main();
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(run(cli.command)),
        Err(error) => Err(error.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // With the words of a host, or of a file.
            eprintln!("mandate: {}", table::escaped(&format!("{error:#}")));
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(args) => serve::run(args).await,
        Command::Check { dir, catalogue, output } => check::run(&dir, catalogue.as_deref(), output.json),
        Command::Deploy { dir, name, tenant, skip_duplicate, dry_run, server, output } => {
            let options = bundle::Options { name, tenant, skip_duplicate, dry_run };
            bundle::deploy(&Client::new(&server.server)?, &dir, options, output.json).await
        }
        Command::Start { key, business_key, variables, at, tenant, idempotency_key, server, output } => {
            let start = show::Start { key, business_key, variables, at, tenant, idempotency_key };
            show::start(&Client::new(&server.server)?, start, output.json).await
        }
        Command::Export { instance, key, business_key, finished_after, finished_before, server } => {
            let query = [
                ("processInstanceId", instance),
                ("processDefinitionKey", key),
                ("processInstanceBusinessKey", business_key),
                ("finishedAfter", finished_after),
                ("finishedBefore", finished_before),
            ];
            let query = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect::<Vec<_>>();
            let any = Client::new(&server.server)?.print("/api/v1/history/export", &query).await?;
            match &query[..] {
                [("processInstanceId", id)] if !any => {
                    anyhow::bail!("'{id}' is the id of no ended instance of which history is kept; -b takes a business key")
                }
                _ => Ok(()),
            }
        }
        Command::List { key, business_key, incidents, max, server, output } => {
            show::list(&Client::new(&server.server)?, key, business_key, incidents, max, output.json).await
        }
        Command::Show { instance, server, output } => show::instance(&Client::new(&server.server)?, &instance, output.json).await,
        Command::Waiting { key, business_key, overdue, server, output } => {
            show::waiting(&Client::new(&server.server)?, key, business_key, overdue, output.json).await
        }
        Command::Retry { id, retries, server } => retry::retry(&Client::new(&server.server)?, &id, retries).await,
        Command::Verdict(arguments) => verdict::run(arguments).await,
        Command::Delegates { server, output } => show::delegates(&Client::new(&server.server)?, output.json).await,
        Command::CheckStore { database, server, output } => check::store(database, &server.server, output.json).await,
        Command::MigrationScript { dialect } => {
            say!("{}", mandate_runtime::migration_script(matches!(dialect, Dialect::Postgres)).trim_end());
            Ok(())
        }
        Command::CompileComponent => unreachable!("handled before the runtime starts"),
    }
}
