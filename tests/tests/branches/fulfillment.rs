//! `orderFulfillment`, in both versions: what is refused, overdue, lost, missing and given up.

use serde_json::json;

use super::{CLOSED, Desk, line_fails, stalled, well};

const PROCESS: &str = "orderFulfillment";

/// From an order that is ready until its fulfilment is waited for.
pub(crate) const VERSION_1: &str = "decompose reserve submit awaitFulfillment";
pub(crate) const VERSION_2: &str = "";

pub(crate) async fn goes_every_way(desk: &Desk, version: &str, middle: &str) -> anyhow::Result<()> {
    let id = |order: &str| format!("{version}-{order}");
    // Version 2 tells the customer beside; which of the two is first is nobody's business.
    let went = async |order: &str, before: &str, after: &str, state: &str| {
        let way = desk.way(order, PROCESS).await?.join(" ");
        let expected = format!("{before} {middle} {after}");
        let as_expected = if middle.is_empty() { way.starts_with(before) && way.ends_with(after) } else { way == expected };
        anyhow::ensure!(as_expected, "{order} went\n{way}\nand not\n{expected}");
        desk.state_is(order, state).await
    };
    let ready = "orderReceived validate";

    let order = id("well");
    desk.order(&order, json!({}), well()).await?;
    went(&order, ready, "complete orderCompleted", "COMPLETED").await?;

    let order = id("reviewed");
    desk.order(&order, json!({ "needsReview": true }), well()).await?;
    desk.decide(&order, "manualReview", "decision", "RETRY").await?;
    went(&order, &format!("{ready} notReady manualReview reviewed validate"), "complete orderCompleted", "COMPLETED").await?;

    let order = id("refused");
    desk.order(&order, json!({ "needsReview": true }), well()).await?;
    desk.decide(&order, "manualReview", "decision", "CANCEL").await?;
    desk.went(&order, PROCESS, "orderReceived validate notReady manualReview reviewed cancelOrder orderCancelled").await?;
    desk.state_is(&order, "CANCELLED").await?;

    let order = id("overdue");
    desk.order(&order, json!({}), stalled()).await?;
    desk.waits(&order, PROCESS, "awaitFulfillment").await?;
    desk.hours_pass(1).await?;
    desk.decide(&order, "repair", "repair", "FULFILLED").await?;
    let repaired = "repair repaired resolveFallout complete orderCompleted";
    went(&order, ready, &format!("overdue queryStatus isFulfilled openFallout {repaired}"), "COMPLETED").await?;

    let order = id("lost");
    desk.order(&order, json!({}), json!({ "callbackLost": 1.0, "fulfillmentMillis": 1 })).await?;
    desk.waits(&order, PROCESS, "awaitFulfillment").await?;
    desk.until_service(&order, |found| found["milestones"]["billingActive"] == true).await?;
    desk.hours_pass(1).await?;
    went(&order, ready, "overdue queryStatus isFulfilled complete orderCompleted", "COMPLETED").await?;

    let order = id("missing");
    desk.order(&order, json!({ "items": [{ "product": "phone" }, { "product": "line" }] }), line_fails()).await?;
    desk.decide(&order, "repair", "repair", "WAIVED").await?;
    went(&order, ready, &format!("complete lineIsMissing {repaired}"), "COMPLETED").await?;

    let order = id("unbilled");
    desk.order(&order, json!({}), json!({ "billingMissing": 1.0, "fulfillmentMillis": 1 })).await?;
    desk.decide(&order, "repair", "repair", "FULFILLED").await?;
    went(&order, ready, &format!("complete billingIsMissing {repaired}"), "COMPLETED").await?;

    let order = id("fallout");
    desk.order(&order, json!({}), stalled()).await?;
    desk.waits(&order, PROCESS, "awaitFulfillment").await?;
    desk.by_hand(&order, "open-fallout", json!({ "reason": "ADDRESS_UNKNOWN" })).await?;
    desk.tell(&order, "FulfillmentCompleted").await?;
    desk.decide(&order, "repair", "repair", "CANCEL").await?;
    went(&order, ready, "complete falloutIsOpen repair repaired cancelOrder orderCancelled", "CANCELLED").await?;

    // Somebody closes the order in the service while the process waits, or a person has it before him.
    let order = id("closed");
    desk.order(&order, json!({}), stalled()).await?;
    desk.waits(&order, PROCESS, "awaitFulfillment").await?;
    desk.by_hand(&order, "cancel-order", json!({})).await?;
    desk.hours_pass(1).await?;
    went(&order, ready, &format!("overdue queryStatus isFulfilled complete {CLOSED}"), "CANCELLED").await?;

    let order = id("closed-in-repair");
    desk.order(&order, json!({}), stalled()).await?;
    desk.waits(&order, PROCESS, "awaitFulfillment").await?;
    desk.hours_pass(1).await?;
    desk.waits(&order, PROCESS, "repair").await?;
    desk.by_hand(&order, "resolve-fallout", json!({ "resolution": "FULFILLED" })).await?;
    desk.by_hand(&order, "complete-order", json!({})).await?;
    desk.decide(&order, "repair", "repair", "CANCEL").await?;
    let after = format!("overdue queryStatus isFulfilled openFallout repair repaired cancelOrder {CLOSED}");
    went(&order, ready, &after, "COMPLETED").await?;

    // A review does not open it again.
    let order = id("closed-in-review");
    desk.order(&order, json!({ "needsReview": true }), well()).await?;
    desk.waits(&order, PROCESS, "manualReview").await?;
    desk.by_hand(&order, "cancel-order", json!({})).await?;
    desk.decide(&order, "manualReview", "decision", "RETRY").await?;
    desk.decide(&order, "manualReview", "decision", "CANCEL").await?;
    let reviewed = "notReady manualReview reviewed";
    desk.went(&order, PROCESS, &format!("{ready} {reviewed} validate {reviewed} cancelOrder orderCancelled")).await
}
