//! The order service of the Mandate example, as a program. See the library for what it does.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Parser;
use order_service::faults::Faults;
use order_service::{Options, Service};

/// An order service that works with a process engine: it owns orders, answers commands idempotently, starts one
/// process for each order and calls it back when the order is fulfilled.
#[derive(Debug, Parser)]
#[command(name = "order-service", version)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = "ORDER_SERVICE_LISTEN", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,
    /// The database: sqlite:FILE or postgres://…; missing tables are created.
    #[arg(long, env = "ORDER_SERVICE_DATABASE", default_value = "sqlite:orders.db")]
    database: String,
    /// The engine's REST API.
    #[arg(long, env = "ORDER_SERVICE_ENGINE", default_value = "http://127.0.0.1:8080/engine-rest")]
    engine: String,
    /// Misbehaviour: JSON, or a file of JSON, e.g. {"seed":7,"unavailable":0.1,"callbackLost":0.05}.
    #[arg(long, env = "ORDER_SERVICE_FAULTS", default_value = "{}")]
    faults: String,
    /// How long a process waits for fulfilment before it asks, as an ISO 8601 duration.
    #[arg(long, env = "ORDER_SERVICE_FULFILLMENT_TIMEOUT", default_value = "PT5S")]
    fulfillment_timeout: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_env_filter(
            tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
        )
        .with_writer(std::io::stderr)
        .init();
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("order-service: failed to {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let faults = Faults::read(&arguments.faults).map_err(|error| format!("read {error}"))?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .map_err(|error| format!("listen for SIGTERM: {error}"))?;
    let service = Service::start(Options {
        listen: arguments.listen,
        database: arguments.database,
        engine: arguments.engine,
        faults,
        fulfillment_timeout: arguments.fulfillment_timeout,
    })
    .await
    .map_err(|error| format!("start: {error}"))?;
    // Scripts wait for this line; whoever closed the pipe does not want it.
    let _ = writeln!(std::io::stdout(), "order-service listening on http://{}", service.address());
    let _ = std::io::stdout().flush();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    service.stop().await;
    Ok(())
}
