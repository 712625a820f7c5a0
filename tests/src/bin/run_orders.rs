//! `make run`: orders fulfilled by Wasm delegates, version 2 deployed while version 1 is half-way, orders with quotes, with lines that need
//! each other and with customers who cancel, and the reckoning.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use mandate_tests::operator::Operator;
use mandate_tests::orders;
use mandate_tests::program::root;
use mandate_tests::system::{Setup, System};
use mandate_tests::tally::{Tally, tally};

/// Runs the order example from end to end and ends with a table.
#[derive(Parser)]
struct Arguments {
    /// Orders before and after version 2 is deployed.
    #[arg(long, default_value_t = 200)]
    orders: usize,
    /// Orders that need more than the usual: quotes, lines that need each other, customers who cancel.
    #[arg(long, default_value_t = 60)]
    special: usize,
    /// Decides which orders meet which faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// The folder of databases and logs; a temporary one by default.
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Leave host and service running, without orders.
    #[arg(long)]
    serve: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("run-orders: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let dir = arguments.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    let mut setup = Setup::new(&dir);
    if arguments.serve {
        return serve(setup).await;
    }
    setup.faults = orders::faults(arguments.seed);
    let system = System::start(setup, 1).await?;
    println!("order service on {}, host on {}", system.service_url(), system.host_url(0));
    let operator = Operator::start(system.http().clone(), vec![system.host_url(0)]);

    deploy(&system, "bundle-special").await?;
    deploy(&system, "bundle-v1").await?;
    let started = Instant::now();
    orders::send(&system, "first", arguments.orders).await?;
    println!("{} orders sent; states now: {:?}", arguments.orders, orders::states(&system).await?);
    deploy(&system, "bundle-v2").await?;
    let in_flight = system.ask("/engine-rest/process-instance/count").await?;
    println!("version 2 deployed with {} instances of version 1 in flight", in_flight["count"]);
    orders::send(&system, "second", arguments.orders).await?;
    orders::send_special(&system, "special", arguments.special).await?;
    orders::all_done(&system, 2 * arguments.orders + arguments.special, Duration::from_secs(300)).await?;
    let took = started.elapsed();

    let tally = tally(&system).await?;
    let metrics = system.http().get(format!("{}/metrics", system.host_url(0))).send().await?.text().await?;
    print_table(&tally, &metrics, &operator, took);
    system.check_store().await?;
    drop(operator);
    system.stop().await?;
    tally.assert_sound()
}

/// `make serve`.
async fn serve(setup: Setup) -> anyhow::Result<()> {
    let system = System::start_at(setup, 1, 8090, Some(8080)).await?;
    deploy(&system, "bundle-special").await?;
    deploy(&system, "bundle-v1").await?;
    println!("Order service  {}/orders", system.service_url());
    println!("Host           {}/engine-rest", system.host_url(0));
    println!("Logs           {}", system.dir().display());
    println!(
        "Try            curl -X POST {}/orders -H 'content-type: application/json' \\\n               \
         -d '{{\"tenantId\":\"acme\",\"customerId\":\"c-1\",\"items\":[{{\"product\":\"router\",\"quantity\":1}}]}}'",
        system.service_url()
    );
    println!("Stop           Ctrl-C");
    tokio::signal::ctrl_c().await?;
    system.stop().await
}

async fn deploy(system: &System, bundle: &str) -> anyhow::Result<()> {
    let answer = system.deploy(&root().join("examples/order-service").join(bundle)).await?;
    let definitions = answer["deployedProcessDefinitions"].as_object();
    let ids: Vec<&String> = definitions.into_iter().flat_map(|map| map.keys()).collect();
    println!("deployed {bundle}: {ids:?}, {} bindings", answer["bindings"].as_array().map_or(0, Vec::len));
    Ok(())
}

fn print_table(tally: &Tally, metrics: &str, operator: &Operator, took: Duration) {
    println!("\n{:<18} {:<7} ends and delegates", "process", "version");
    for ((key, _), version) in &tally.versions {
        let ends: Vec<String> = version.ends.iter().map(|(end, instances)| format!("{end} {instances}")).collect();
        println!("{key:<18} {:<7} {}", version.tag, ends.join(", "));
        for (delegate, digests) in &version.digests {
            let short: Vec<&str> = digests.iter().map(|digest| &digest[..12.min(digest.len())]).collect();
            println!("{:>28} {delegate:<18} {}", "", short.join(" "));
        }
    }
    let done = operator.done();
    println!("\nreviews by the operator   {}", done.reviews);
    println!("repairs by the operator   {}", done.repairs);
    println!("quotes decided            {}", done.approvals);
    println!("attempts that failed      {}", sum(metrics, "mandate_jobs_failed_total"));
    println!("commands sent again       {}", tally.repeated_attempts);
    println!("BPMN errors               {}", sum(metrics, "mandate_bpmn_errors_total"));
    println!(
        "incidents                 {} raised, {} jobs given new retries",
        sum(metrics, "mandate_incidents_raised_total"),
        done.retried
    );
    println!("time                      {:.1} s", took.as_secs_f64());
    println!("\ncommands applied exactly once: {} of {}", tally.applied_once, tally.applied);
}

/// The sum of a counter over all its labels.
fn sum(metrics: &str, name: &str) -> f64 {
    metrics
        .lines()
        .filter(|line| line.starts_with(name))
        .filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok())
        .fold(0.0, |sum, value| sum + value)
}
