//! `mandate serve`.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Context as _;
use mandate_http::Hosts;
use mandate_runtime::{Config, Runtime, StoreConfig, wasm};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::settings::{LogFormat, Resolved, ServeArgs};

pub(crate) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    let settings = args.resolve()?;
    start_log(settings.log);
    mandate_http::check_listen(settings.listen, settings.insecure).map_err(anyhow::Error::msg)?;
    // Bound first: a host that cannot be reached should not begin to run jobs.
    let listener = tokio::net::TcpListener::bind(settings.listen).await.with_context(|| {
        format!("listen on {}; if another program does, stop it or choose another address by --listen", settings.listen)
    })?;
    let prometheus = mandate_http::metrics_recorder();
    let runtime = Runtime::open(config(&settings)?).await.map_err(in_one_line)?;
    // Before anybody is told that it serves: whoever is may stop it at once, and it is to drain.
    let stopped = stopped();
    let address = listener.local_addr()?;
    // It serves whether or not anybody reads that.
    let _ = writeln!(std::io::stdout().lock(), "mandate listening on http://{address}");
    tracing::info!(%address, "serving");
    let hosts = hosts(settings.insecure, settings.allowed_hosts);
    let options = mandate_http::Options { upload_limit: settings.upload_limit, prometheus: Some(prometheus), hosts, drain: settings.drain };
    let fenced = runtime.clone();
    let ending = async move {
        tokio::select! {
            () = stopped => {}
            () = fenced.fenced() => {}
        }
        tracing::info!("draining");
    };
    let left = mandate_http::serve(runtime.clone(), listener, options, ending).await;
    runtime.shut_down(left).await;
    // Whoever supervises this process should start it anew.
    anyhow::ensure!(
        !runtime.is_fenced(),
        "another host has taken over this one's work, or a bug keeps it from storing anything: its log tells which"
    );
    Ok(())
}

/// Whoever names hosts wants to be asked as these, on a network that is trusted, too.
fn hosts(insecure: bool, allowed: Vec<String>) -> Hosts {
    if insecure && allowed.is_empty() { Hosts::Any } else { Hosts::Loopback(allowed) }
}

fn config(settings: &Resolved) -> anyhow::Result<Config> {
    let mut store = StoreConfig::new(&settings.database);
    store.migrate = settings.migrate;
    store.lease = settings.lease;
    store.history = settings.history;
    let compiler = wasm::Compiler::this_program().context("find this program's own file")?;
    let sandbox = wasm::Config { memory_budget: settings.delegate_memory, ..wasm::Config::new(&settings.cache, compiler) };
    Ok(Config {
        store,
        sandbox,
        catalogue: settings.catalogue.clone(),
        execute_jobs: settings.execute_jobs,
        clock: settings.clock,
        history_cleanup: settings.cleanup.clone(),
    })
}

/// The runtime's errors say their causes themselves; a chain printed behind them would say everything twice.
pub(crate) fn in_one_line(error: mandate_runtime::Error) -> anyhow::Error {
    anyhow::Error::msg(error.to_string())
}

/// Logs go to standard error, in colour only for eyes; standard output says only where the host listens.
fn start_log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal());
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}

/// SIGTERM or SIGINT, from this call on.
fn stopped() -> impl Future<Output = ()> {
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async {
        let (Ok(mut terminate), Ok(mut interrupt)) = signals else {
            tracing::error!("signals cannot be caught: stop this host with SIGKILL, its work is taken over");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_are_named_hold_also_where_any_would_do() {
        let named = || vec!["cockpit.example".to_owned()];
        assert_eq!(hosts(true, Vec::new()), Hosts::Any);
        assert_eq!(hosts(true, named()), Hosts::Loopback(named()));
        assert_eq!(hosts(false, named()), Hosts::Loopback(named()));
        assert_eq!(hosts(false, Vec::new()), Hosts::Loopback(Vec::new()));
    }
}
