//! `quoteApproval`: the policy, who approves, and the time that a manager has.

use serde_json::{Value, json};

use super::{CLOSED, Desk, well};

const PROCESS: &str = "quoteApproval";

/// An order whose price was reduced by so much.
fn reduced(percent: u8) -> Value {
    json!({ "quote": { "amount": 1_000, "discountPercent": percent } })
}

pub(crate) async fn are_decided(desk: &Desk) -> anyhow::Result<()> {
    desk.order("by-policy", reduced(5), well()).await?;
    desk.went("by-policy", PROCESS, "quoteReceived assess needsApproval decide approved quoteApproved").await?;

    desk.order("by-manager", reduced(20), well()).await?;
    desk.decide("by-manager", "approve", "approval", "APPROVED").await?;
    desk.went("by-manager", PROCESS, "quoteReceived assess needsApproval approve decide approved quoteApproved").await?;

    desk.order("by-director", reduced(40), well()).await?;
    desk.decide("by-director", "approve", "approval", "REJECTED").await?;
    desk.went("by-director", PROCESS, "quoteReceived assess needsApproval approve decide approved quoteRejected").await?;
    desk.state_is("by-director", "CANCELLED").await?;

    // The manager has a day.
    desk.order("undecided", reduced(20), well()).await?;
    desk.waits("undecided", PROCESS, "approve").await?;
    desk.hours_pass(23).await?;
    desk.waits("undecided", PROCESS, "approve").await?;
    desk.hours_pass(1).await?;
    desk.decide("undecided", "approveInstead", "approval", "APPROVED").await?;
    let way = "quoteReceived assess needsApproval approve undecided approveInstead decide approved quoteApproved";
    desk.went("undecided", PROCESS, way).await?;
    let history = desk.ask_service("/orders/undecided/history").await?.to_string();
    anyhow::ensure!(history.contains("directors"), "the service has not been told whose decision it was: {history}");

    // Somebody has cancelled the order in the service.
    desk.order("withdrawn", reduced(20), well()).await?;
    desk.waits("withdrawn", PROCESS, "approve").await?;
    desk.by_hand("withdrawn", "cancel-order", json!({})).await?;
    desk.decide("withdrawn", "approve", "approval", "APPROVED").await?;
    desk.went("withdrawn", PROCESS, &format!("quoteReceived assess needsApproval approve decide {CLOSED}")).await?;
    desk.state_is("withdrawn", "CANCELLED").await?;

    for approved in ["by-policy", "by-manager", "undecided"] {
        desk.way(approved, "orderFulfillment").await?;
        desk.state_is(approved, "COMPLETED").await?;
    }
    Ok(())
}
