//! How long a client waits for a durable answer when there is little to do: one client, over HTTP, one start after the other.

use std::time::Instant;

use anyhow::ensure;
use futures_util::future::BoxFuture;
use serde_json::json;

use super::{Floor, Latency, Scenario};
use crate::floor::PAUSE;
use crate::host::{Batch, Host, order_json};
use crate::http::Client;
use crate::window::Window;

pub(super) struct S7;

impl Scenario for S7 {
    fn name(&self) -> &'static str {
        "S7"
    }

    fn about(&self) -> &'static str {
        "start over HTTP at low load: latency"
    }

    fn instances(&self) -> u32 {
        400
    }

    fn model(&self) -> String {
        include_str!("../../models/five-asynchronous.bpmn").to_owned()
    }

    fn floor(&self) -> Floor {
        Floor::LoneCommit
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        Box::pin(async move {
            let before = host.ended();
            let served = host.serve().await?;
            let mut client = Client::connect(served.address).await?;
            window.open().await?;
            let path = format!("/engine-rest/process-definition/key/{}/start", host.process);
            let mut took = Vec::with_capacity(batch.count as usize);
            for number in 0..batch.count {
                let body = request(&batch.key(number));
                let begun = Instant::now();
                let (status, answer) = client.post(&path, &body).await?;
                took.push(begun.elapsed());
                ensure!(status == 200, "the start is answered by {status}: {answer}");
                // The instance has ended by then, as a rule.
                tokio::time::sleep(PAUSE).await;
            }
            host.until_ended(before + u64::from(batch.count)).await?;
            drop(client);
            Ok(Latency::Measured(took))
        })
    }
}

fn request(business_key: &str) -> String {
    let order = order_json(business_key);
    let variables = json!({
        "orderId": { "value": order["orderId"], "type": "String" },
        "express": { "value": order["express"], "type": "Boolean" },
        "items": { "value": order["items"].to_string(), "type": "Json" },
    });
    json!({ "businessKey": business_key, "variables": variables }).to_string()
}
