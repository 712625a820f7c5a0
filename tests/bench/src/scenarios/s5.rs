//! Instances that wait for a worker outside: workers in another process fetch and complete their tasks over HTTP.

use anyhow::ensure;
use futures_util::future::BoxFuture;
use tokio::net::TcpListener;

use super::{Latency, Scenario};
use crate::host::{Batch, Host, order};
use crate::window::Window;
use crate::workers::Workers;

pub(super) struct S5;

impl Scenario for S5 {
    fn name(&self) -> &'static str {
        "S5"
    }

    fn about(&self) -> &'static str {
        "external tasks over HTTP: fetchAndLock and complete"
    }

    fn instances(&self) -> u32 {
        10_000
    }

    fn model(&self) -> String {
        include_str!("../../models/external.bpmn").to_owned()
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        Box::pin(async move {
            let before = host.ended();
            host.start_all(batch, |number| order(&batch.key(number))).await?;
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            let shutdown = async move { drop(stopped.await) };
            let serving = tokio::spawn(mandate_http::serve(host.runtime.clone(), listener, mandate_http::Options::default(), shutdown));
            let workers = Workers::start(address).await?;
            window.open().await?;
            let took = workers.work().await?;
            ensure!(took.len() == batch.count as usize, "{} of {} tasks were fetched", took.len(), batch.count);
            host.until_ended(before + u64::from(batch.count)).await?;
            // The receiver is there until the server has ended.
            let _ = stop.send(());
            serving.await?;
            Ok(Latency::Measured(took))
        })
    }
}
