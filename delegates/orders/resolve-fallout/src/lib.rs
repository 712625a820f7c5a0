//! Tells the order service how a person has repaired an order.

use mandate_sdk::{Context, Error, Ignored, Result};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    tenant_id: String,
    order_id: String,
    /// What the person decided in the task before.
    repair: String,
    /// The line, if only one was repaired.
    line_id: Option<String>,
}

fn resolve_fallout(cx: &Context, input: Input) -> Result<()> {
    if !matches!(input.repair.as_str(), "FULFILLED" | "WAIVED" | "RETRIED") {
        // A typing error in a form: no retry helps until somebody has corrected the variable.
        let message = "the variable repair must be FULFILLED, WAIVED, RETRIED (of a line) or CANCEL";
        return Err(Error::technical(message).with_code("REPAIR_UNKNOWN").never());
    }
    let mut body = json!({
        "tenantId": input.tenant_id,
        "orderId": input.order_id,
        "resolution": input.repair,
    });
    if let Some(line) = input.line_id {
        body["lineId"] = line.into();
    }
    let Ignored = cx.command("orders.resolve-fallout@1", &body)?;
    Ok(())
}

mandate_sdk::delegate!(resolve_fallout);

#[cfg(test)]
mod tests {
    use mandate_sdk::{Error, Retry, testing::Harness};
    use serde_json::json;

    use super::resolve_fallout;

    const COMMAND: &str = "orders.resolve-fallout@1";

    #[test]
    fn the_decision_is_passed_on() {
        let variables = json!({ "tenantId": "t", "orderId": "o", "repair": "WAIVED" });
        let done = Harness::new().reply(COMMAND, json!({})).call(resolve_fallout, variables);
        assert_eq!(done.outcome, Ok(json!({})));
        assert_eq!(done.commands[0].body["resolution"], "WAIVED");
    }

    #[test]
    fn a_decision_nobody_knows_is_an_incident_at_once() {
        let variables = json!({ "tenantId": "t", "orderId": "o", "repair": "waved" });
        let done = Harness::new().reply(COMMAND, json!({})).call(resolve_fallout, variables);
        let Err(Error::Technical(failure)) = done.outcome else { panic!("{:?}", done.outcome) };
        assert_eq!((failure.code.as_deref(), failure.retry), (Some("REPAIR_UNKNOWN"), Retry::Never));
        assert!(done.commands.is_empty());
    }
}
