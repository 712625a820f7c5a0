//! Orders on their way: sent, waited for.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde_json::{Value, json};

use crate::system::{System, get};

/// Orders sent at once.
const CLIENTS: usize = 8;

/// How often the service is asked how far the orders are.
const LOOK: Duration = Duration::from_millis(250);

/// Faults of every kind, for a run that shows what happens under them.
pub fn faults(seed: u64) -> Value {
    json!({
        "seed": seed,
        "unavailable": 0.05,
        "hangAfterApply": 0.01, "hangMillis": 8000,
        "errorAfterApply": 0.03,
        "needsReview": 0.1,
        "fulfillmentMillis": 300,
        "callbackEarly": 0.1,
        "callbackLate": 0.02, "lateMillis": 8000,
        "callbackRepeated": 0.1,
        "callbackLost": 0.03,
        "stalled": 0.02,
        "lineFails": 0.02,
        "billingMissing": 0.02
    })
}

/// Sends orders `prefix-0` to `prefix-(count-1)`. An order that a killed service did not answer is sent again under the same id.
pub async fn send(system: &System, prefix: &str, count: usize) -> anyhow::Result<()> {
    let orders = (0..count).map(|number| order(prefix, number, json!({ "items": items(number) })));
    stream::iter(orders).map(|order| post(system, "/orders", order)).buffer_unordered(CLIENTS).try_collect::<()>().await
}

/// Sends as many orders that need more than the usual: in turn one with a quote, one whose lines need each other, and two that the customer
/// may cancel, of which the second is cancelled at once.
pub async fn send_special(system: &System, prefix: &str, count: usize) -> anyhow::Result<()> {
    let one = |number: usize| async move {
        let what = match number % 4 {
            0 => json!({ "items": items(number), "quote": { "amount": 1_000 * number, "discountPercent": number % 40 } }),
            1 => json!({ "items": [{ "product": "FIBER+ROUTER" }, { "product": "tv-box" }], "handling": "BY_LINE" }),
            _ => json!({ "items": items(number), "handling": "CANCELLABLE" }),
        };
        post(system, "/orders", order(prefix, number, what)).await?;
        if number % 4 == 3 {
            post(system, &format!("/orders/{prefix}-{number}/cancellation"), json!({})).await?;
        }
        Ok(())
    };
    stream::iter(0..count).map(one).buffer_unordered(CLIENTS).try_collect::<()>().await
}

fn order(prefix: &str, number: usize, what: Value) -> Value {
    let mut order = json!({
        "orderId": format!("{prefix}-{number}"),
        "tenantId": "acme",
        "customerId": format!("customer-{}", number % 17),
        "priority": number.is_multiple_of(5),
    });
    if let (Value::Object(order), Value::Object(what)) = (&mut order, what) {
        order.extend(what);
    }
    order
}

/// Posts until the service answers, which may be killed meanwhile: it knows by the order's id what it has.
async fn post(system: &System, path: &str, body: Value) -> anyhow::Result<()> {
    let url = format!("{}{path}", system.service_url());
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        match system.http().post(&url).json(&body).send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) if !answer.status().is_server_error() => {
                anyhow::bail!("{path} {body} was refused: {}: {}", answer.status(), answer.text().await?)
            }
            _ => ensure!(Instant::now() < deadline, "{path} {body} could not be sent"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn items(number: usize) -> Value {
    let products = ["line", "router", "tv-box"];
    (0..=number % 3).map(|index| json!({ "product": products[index], "quantity": 1 })).collect()
}

/// How many orders the service has in each state.
pub async fn states(system: &System) -> anyhow::Result<std::collections::BTreeMap<String, u64>> {
    let stats = get(system.http(), &format!("{}/stats", system.service_url())).await?;
    Ok(serde_json::from_value(stats["orders"].clone())?)
}

/// Waits until so many orders are completed or cancelled and none is under way, and their processes have ended.
pub async fn all_done(system: &System, count: usize, within: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + within;
    loop {
        let states = states(system).await?;
        let ended: u64 = states.iter().filter(|(state, _)| is_final(state)).map(|(_, orders)| orders).sum();
        let total: u64 = states.values().sum();
        let running = system.ask("/engine-rest/process-instance/count").await?["count"].as_u64().context("a count is a number")?;
        if ended == count as u64 && total == ended && running == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            let waiting = system.ask("/api/v1/waiting").await?;
            let items: Vec<&Value> = waiting["items"].as_array().into_iter().flatten().take(20).collect();
            anyhow::bail!("{ended} of {count} orders ended, {running} processes run; states {states:?}; waiting: {items:#?}");
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A state that an order does not leave.
pub fn is_final(state: &str) -> bool {
    matches!(state, "COMPLETED" | "CANCELLED")
}
