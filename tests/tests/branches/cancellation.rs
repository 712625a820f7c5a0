//! `orderCancellation`: what the customer may cancel, and what is undone of it.

use anyhow::ensure;
use serde_json::{Value, json};

use super::{CLOSED, Desk, line_fails, stalled, well};

const PROCESS: &str = "orderCancellation";

/// Two lines.
fn order() -> Value {
    json!({ "items": [{ "product": "phone" }, { "product": "line" }], "handling": "CANCELLABLE" })
}

fn unready() -> Value {
    json!({ "handling": "CANCELLABLE", "needsReview": true })
}

pub(crate) async fn undoes_what_can_be_undone(desk: &Desk) -> anyhow::Result<()> {
    let held = "orderReceived validate decompose line#multiInstanceBody line lineBegun reserve lineReserved line lineBegun reserve lineReserved coolingOff";
    let held_one = "orderReceived validate notReady manualReview reviewed validate decompose line#multiInstanceBody line lineBegun reserve lineReserved coolingOff";
    let submitted = format!("{held} submit awaitFulfillment");

    desk.order("kept", order(), well()).await?;
    desk.waits("kept", PROCESS, "coolingOff").await?;
    desk.seconds_pass(1).await?;
    desk.went("kept", PROCESS, &format!("{submitted} complete orderCompleted")).await?;
    desk.state_is("kept", "COMPLETED").await?;

    // Each line is given back, the last one first.
    desk.order("changed-mind", order(), well()).await?;
    desk.waits("changed-mind", PROCESS, "coolingOff").await?;
    desk.by_customer("changed-mind").await?;
    let undone = "cancellation cancellationRequested undo release release cancelNow cancelled";
    desk.went("changed-mind", PROCESS, &format!("{held} {undone}")).await?;
    desk.state_is("changed-mind", "CANCELLED").await?;
    let given_back: Vec<Value> = desk.transitions("changed-mind", "IN_PROGRESS", "NOT_STARTED").await?;
    ensure!(given_back == ["L2", "L1"], "{given_back:?}");

    // What is under way is not given back.
    desk.order("on-its-way", order(), stalled()).await?;
    desk.waits("on-its-way", PROCESS, "coolingOff").await?;
    desk.seconds_pass(1).await?;
    desk.waits("on-its-way", PROCESS, "awaitFulfillment").await?;
    desk.by_customer("on-its-way").await?;
    desk.went("on-its-way", PROCESS, &format!("{submitted} {undone}")).await?;
    ensure!(desk.transitions("on-its-way", "IN_PROGRESS", "NOT_STARTED").await?.is_empty());

    // The order was completed a moment before.
    desk.order("too-late", order(), stalled()).await?;
    desk.waits("too-late", PROCESS, "coolingOff").await?;
    desk.seconds_pass(1).await?;
    desk.waits("too-late", PROCESS, "awaitFulfillment").await?;
    desk.by_hand("too-late", "resolve-fallout", json!({ "resolution": "FULFILLED" })).await?;
    desk.by_hand("too-late", "complete-order", json!({})).await?;
    desk.tell("too-late", "OrderCancellationRequested").await?;
    let too_late = "cancellation cancellationRequested undo release release cancelNow completedBefore tooLate";
    desk.went("too-late", PROCESS, &format!("{submitted} {too_late}")).await?;
    desk.state_is("too-late", "COMPLETED").await?;

    desk.order("reviewed", unready(), well()).await?;
    desk.decide("reviewed", "manualReview", "decision", "RETRY").await?;
    desk.waits("reviewed", PROCESS, "coolingOff").await?;
    desk.seconds_pass(1).await?;
    desk.went("reviewed", PROCESS, &format!("{held_one} submit awaitFulfillment complete orderCompleted")).await?;

    desk.order("refused", unready(), well()).await?;
    desk.decide("refused", "manualReview", "decision", "CANCEL").await?;
    desk.went("refused", PROCESS, "orderReceived validate notReady manualReview reviewed cancelOrder orderCancelled").await?;

    // Two cancel it: what the customer wants comes to the process before the answer to what a reviewer decided.
    desk.order("cancelled-twice", unready(), well()).await?;
    desk.waits("cancelled-twice", PROCESS, "manualReview").await?;
    desk.faults(json!({ "hangAfterApply": 1.0, "hangMillis": 5_000 })).await?;
    desk.decide("cancelled-twice", "manualReview", "decision", "CANCEL").await?;
    desk.until_service("cancelled-twice", |order| order["state"] == "CANCELLED").await?;
    desk.faults(well()).await?;
    desk.tell("cancelled-twice", "OrderCancellationRequested").await?;
    let twice = "cancellation cancellationRequested undo cancelNow cancelled";
    desk.went("cancelled-twice", PROCESS, &format!("orderReceived validate notReady manualReview reviewed {twice}")).await?;

    // Somebody in the service was faster than the customer, and nobody told the process.
    desk.order("closed", order(), stalled()).await?;
    desk.waits("closed", PROCESS, "coolingOff").await?;
    desk.by_hand("closed", "cancel-order", json!({})).await?;
    desk.seconds_pass(1).await?;
    desk.went("closed", PROCESS, &format!("{held} submit {CLOSED}")).await?;

    // Who is to repair it finds nothing to repair.
    for (repair, end) in [("WAIVED", "resolveFallout"), ("CANCEL", "cancelOrder")] {
        let id = format!("closed-before-{repair}");
        desk.order(&id, order(), stalled()).await?;
        desk.waits(&id, PROCESS, "coolingOff").await?;
        desk.seconds_pass(1).await?;
        desk.waits(&id, PROCESS, "awaitFulfillment").await?;
        desk.by_hand(&id, "resolve-fallout", json!({ "resolution": "FULFILLED" })).await?;
        desk.by_hand(&id, "complete-order", json!({})).await?;
        desk.tell(&id, "FulfillmentCompleted").await?;
        desk.decide(&id, "repair", "repair", repair).await?;
        desk.went(&id, PROCESS, &format!("{submitted} complete notComplete repair repaired {end} {CLOSED}")).await?;
    }

    for (id, faults, repair, middle, end) in [
        ("overdue", stalled(), "FULFILLED", "overdue openFallout", "resolveFallout complete orderCompleted"),
        ("given-up", stalled(), "CANCEL", "overdue openFallout", "cancelOrder orderCancelled"),
        ("missing", line_fails(), "WAIVED", "complete notComplete", "resolveFallout complete orderCompleted"),
    ] {
        desk.order(id, order(), faults).await?;
        desk.waits(id, PROCESS, "coolingOff").await?;
        desk.seconds_pass(1).await?;
        if middle.starts_with("overdue") {
            desk.waits(id, PROCESS, "awaitFulfillment").await?;
            desk.hours_pass(1).await?;
        }
        desk.decide(id, "repair", "repair", repair).await?;
        desk.went(id, PROCESS, &format!("{submitted} {middle} repair repaired {end}")).await?;
    }
    Ok(())
}

impl Desk {
    /// The customer tells the service to cancel, which tells the process.
    async fn by_customer(&self, order: &str) -> anyhow::Result<()> {
        self.service(reqwest::Method::POST, &format!("/orders/{order}/cancellation"), json!({})).await
    }

    /// The lines of an order that went from one state to another, as they did.
    async fn transitions(&self, order: &str, from: &str, to: &str) -> anyhow::Result<Vec<Value>> {
        let history = self.ask_service(&format!("/orders/{order}/history")).await?;
        let all = history["transitions"].as_array().into_iter().flatten();
        Ok(all.filter(|it| it["lineId"].is_string() && it["from"] == from && it["to"] == to).map(|it| it["lineId"].clone()).collect())
    }
}
