//! Instances that wait for a message, each correlated by its business key.

use futures_util::future::BoxFuture;
use mandate_runtime::Correlation;

use super::{Floor, Latency, Scenario};
use crate::host::{Batch, Host, order};
use crate::window::Window;

/// The message's name in the model.
const MESSAGE: &str = "paid";

pub(super) struct S4;

impl Scenario for S4 {
    fn name(&self) -> &'static str {
        "S4"
    }

    fn about(&self) -> &'static str {
        "correlate a message to waiting instances by business key"
    }

    fn instances(&self) -> u32 {
        10_000
    }

    fn model(&self) -> String {
        include_str!("../../models/message.bpmn").to_owned()
    }

    fn floor(&self) -> Floor {
        Floor::Units { before_window: 1 }
    }

    fn run_one<'a>(&'a self, host: &'a Host, key: String) -> BoxFuture<'a, anyhow::Result<()>> {
        Box::pin(async move {
            let before = host.ended();
            host.start(key.clone(), order(&key)).await?;
            host.runtime.correlate(paid(key)).await?;
            host.until_ended(before + 1).await
        })
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        Box::pin(async move {
            let before = host.ended();
            host.start_all(batch, |number| order(&batch.key(number))).await?;
            window.open().await?;
            let correlated = host.from_clients(batch.count, |number| {
                let correlation = paid(batch.key(number));
                async move { Ok(host.runtime.correlate(correlation).await.map(drop)?) }
            });
            let took = correlated.await?;
            host.until_ended(before + u64::from(batch.count)).await?;
            Ok(Latency::Measured(took))
        })
    }
}

/// The message for the instance of a business key.
fn paid(business_key: String) -> Correlation {
    Correlation { message: MESSAGE.to_owned(), business_key: Some(business_key), ..Correlation::default() }
}
