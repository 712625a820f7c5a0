//! `lineFulfillment` and the repair that it calls, `falloutRepair`.

use anyhow::ensure;
use serde_json::{Value, json};

use super::{CLOSED, Desk, line_fails, stalled, well};

const PROCESS: &str = "lineFulfillment";
const REPAIR: &str = "falloutRepair";

/// One line.
fn order() -> Value {
    json!({ "handling": "BY_LINE" })
}

/// The router needs the fibre, and the phone needs nothing.
pub(crate) async fn are_fulfilled_in_the_stages_of_their_plan(desk: &Desk) -> anyhow::Result<()> {
    let items = json!([{ "product": "FIBER+ROUTER" }, { "product": "phone" }]);
    desk.order("staged", json!({ "handling": "BY_LINE", "items": items }), stalled()).await?;
    // Nothing comes back of the first stage: the second one does not begin.
    desk.until("/event-subscription/count?eventType=message", |found| found["count"] == 4).await?;
    let submitted = desk.evidence("staged", "submitted").await?;
    ensure!(submitted.len() == 2 && !submitted.contains(&json!("L2")), "{submitted:?}");
    for (line, more) in [("L1", false), ("L3", true)] {
        desk.by_hand("staged", "mark-line-fulfilled", json!({ "lineId": line })).await?;
        if more {
            desk.faults(well()).await?;
        }
        desk.tell("staged", &format!("LineFulfilled:{line}")).await?;
    }
    let way = desk.way("staged", PROCESS).await?;
    ensure!(way.iter().filter(|it| *it == "lineSettled").count() == 3 && way.ends_with(&["orderCompleted".to_owned()]), "{way:?}");
    let submitted = desk.evidence("staged", "submitted").await?;
    ensure!(submitted.last() == Some(&json!("L2")), "{submitted:?}");
    desk.state_is("staged", "COMPLETED").await?;

    for (id, decision, end) in [("reviewed", "RETRY", "orderCompleted"), ("refused", "CANCEL", "orderCancelled")] {
        let id = format!("line-{id}");
        desk.order(&id, json!({ "handling": "BY_LINE", "needsReview": true }), well()).await?;
        desk.decide(&id, "manualReview", "decision", decision).await?;
        let way = desk.way(&id, PROCESS).await?;
        ensure!(way.contains(&"reviewed".to_owned()) && way.ends_with(&[end.to_owned()]), "{way:?}");
    }
    Ok(())
}

pub(crate) async fn are_repaired_as_somebody_decides(desk: &Desk) -> anyhow::Result<()> {
    let begun = "orderReceived validate plan stage#multiInstanceBody stage stageBegun fulfillLine#multiInstanceBody fulfillLine lineBegun reserve submit awaitLine";
    let failed = format!("{begun} lineFailed repair");
    let settled = "again lineSettled stageDone complete orderCompleted";
    let opened = "lineFailed openFallout decide decided";

    desk.order("retried", order(), line_fails()).await?;
    desk.waits("retried", REPAIR, "decide").await?;
    desk.faults(well()).await?;
    desk.decide("retried", "decide", "decision", "RETRY").await?;
    desk.went("retried", REPAIR, &format!("{opened} tryAgain repaired")).await?;
    let again = "again submit awaitLine lineFulfilled lineSettled stageDone complete orderCompleted";
    desk.went("retried", PROCESS, &format!("{failed} {again}")).await?;

    // It is fulfilled after all, after it was decided to try again and before that is done.
    desk.order("fulfilled-late", order(), line_fails()).await?;
    desk.waits("fulfilled-late", REPAIR, "decide").await?;
    desk.faults(json!({ "errorAfterApply": 1.0 })).await?;
    desk.decide("fulfilled-late", "decide", "decision", "RETRY").await?;
    desk.until("/job/count?activityId=tryAgain&withException=true", |found| found["count"] == 1).await?;
    desk.faults(well()).await?;
    desk.by_hand("fulfilled-late", "mark-line-fulfilled", json!({ "lineId": "L1" })).await?;
    desk.seconds_pass(60).await?;
    desk.went("fulfilled-late", REPAIR, &format!("{opened} tryAgain repaired")).await?;
    let settled_meanwhile = "again submit settledMeanwhile lineSettled stageDone complete orderCompleted";
    desk.went("fulfilled-late", PROCESS, &format!("{failed} {settled_meanwhile}")).await?;

    desk.order("skipped", order(), stalled()).await?;
    desk.waits("skipped", PROCESS, "awaitLine").await?;
    desk.hours_pass(1).await?;
    desk.decide("skipped", "decide", "decision", "SKIP").await?;
    desk.went("skipped", REPAIR, &format!("{opened} goOnWithout repaired")).await?;
    desk.went("skipped", PROCESS, &format!("{begun} lineOverdue repair {settled}")).await?;

    desk.order("line-given-up", order(), line_fails()).await?;
    desk.decide("line-given-up", "decide", "decision", "CANCEL").await?;
    desk.went("line-given-up", REPAIR, &format!("{opened} givenUp")).await?;
    desk.went("line-given-up", PROCESS, &format!("{failed} givenUp cancelOrder orderCancelled")).await?;
    desk.state_is("line-given-up", "CANCELLED").await?;

    // Somebody closes the order in the service: while a line is waited for, and while it is repaired. The repair ends, and so does who
    // called it.
    desk.order("line-closed", order(), stalled()).await?;
    desk.waits("line-closed", PROCESS, "awaitLine").await?;
    desk.by_hand("line-closed", "cancel-order", json!({})).await?;
    desk.hours_pass(1).await?;
    desk.went("line-closed", REPAIR, "lineFailed openFallout").await?;
    desk.went("line-closed", PROCESS, &format!("{begun} lineOverdue repair {CLOSED}")).await?;
    for (decision, end) in [("RETRY", "tryAgain"), ("REQUEST_MORE_INFO", "askCustomer")] {
        let id = format!("closed-before-{decision}");
        desk.order(&id, order(), line_fails()).await?;
        desk.waits(&id, REPAIR, "decide").await?;
        desk.by_hand(&id, "cancel-order", json!({})).await?;
        desk.decide(&id, "decide", "decision", decision).await?;
        desk.went(&id, REPAIR, &format!("{opened} {end}")).await?;
        desk.went(&id, PROCESS, &format!("{failed} {CLOSED}")).await?;
    }

    // The customer is asked, answers, is asked again, and leaves it at that for three days.
    desk.order("asked", order(), line_fails()).await?;
    desk.decide("asked", "decide", "decision", "REQUEST_MORE_INFO").await?;
    desk.until("/history/activity-instance/count?activityId=awaitAnswer&finished=true", |found| found["count"] == 1).await?;
    desk.faults(json!({ "fulfillmentMillis": 3_600_000 })).await?;
    desk.decide("asked", "decide", "decision", "REQUEST_MORE_INFO").await?;
    desk.waits("asked", REPAIR, "awaitAnswer").await?;
    desk.hours_pass(72).await?;
    desk.decide("asked", "decide", "decision", "SKIP").await?;
    let asked = "askCustomer awaitAnswer decide decided askCustomer awaitAnswer noAnswer decide decided";
    desk.went("asked", REPAIR, &format!("{opened} {asked} goOnWithout repaired")).await?;
    desk.went("asked", PROCESS, &format!("{failed} {settled}")).await?;

    // The line has reached the customer, and nobody was told.
    desk.order("settled", order(), json!({ "callbackLost": 1.0, "fulfillmentMillis": 1 })).await?;
    desk.waits("settled", PROCESS, "awaitLine").await?;
    desk.until_service("settled", |found| found["lines"][0]["state"] == "FULFILLED").await?;
    desk.hours_pass(1).await?;
    desk.went("settled", REPAIR, "lineFailed openFallout settledBefore settled").await?;
    desk.went("settled", PROCESS, &format!("{begun} lineOverdue repair {settled}")).await?;

    // Somebody has repaired it in the service before he decides here.
    for (decision, end) in [("RETRY", "tryAgain settledBeforeRetry"), ("SKIP", "goOnWithout settledBeforeSkip")] {
        let id = format!("settled-before-{decision}");
        desk.order(&id, order(), line_fails()).await?;
        desk.waits(&id, REPAIR, "decide").await?;
        desk.by_hand(&id, "mark-line-fulfilled", json!({ "lineId": "L1" })).await?;
        desk.decide(&id, "decide", "decision", decision).await?;
        desk.went(&id, REPAIR, &format!("{opened} {end} settled")).await?;
        desk.went(&id, PROCESS, &format!("{failed} {settled}")).await?;
        desk.state_is(&id, "COMPLETED").await?;
    }
    Ok(())
}

impl Desk {
    /// Of which lines the service has put something down.
    async fn evidence(&self, order: &str, what: &str) -> anyhow::Result<Vec<Value>> {
        let history = self.ask_service(&format!("/orders/{order}/history")).await?;
        let all = history["evidence"].as_array().into_iter().flatten();
        Ok(all.filter(|it| it["kind"] == what).map(|it| it["data"]["lineId"].clone()).collect())
    }
}
