//! Tells the order service what was decided about an order's quote, and by whom.

use mandate_sdk::{Context, Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    tenant_id: String,
    order_id: String,
    /// What the person decided in the task before; none if nobody needed to.
    approval: Option<String>,
    /// Whose decision it was.
    approver_group: Option<String>,
}

/// A part of the service's reply; the process variable is the same.
#[derive(Serialize, Deserialize)]
struct Output {
    approved: bool,
}

fn decide(cx: &Context, input: Input) -> Result<Output> {
    let approved = match input.approval.as_deref() {
        None | Some("APPROVED") => true,
        Some("REJECTED") => false,
        Some(_) => {
            let message = "the variable approval must be APPROVED or REJECTED";
            return Err(Error::technical(message).with_code("APPROVAL_UNKNOWN").never());
        }
    };
    let body = json!({
        "tenantId": input.tenant_id,
        "orderId": input.order_id,
        "approved": approved,
        "approver": input.approver_group.as_deref().unwrap_or("policy"),
    });
    Ok(cx.command("orders.decide-quote@1", &body)?)
}

mandate_sdk::delegate!(decide);

#[cfg(test)]
mod tests {
    use mandate_sdk::testing::Harness;
    use serde_json::json;

    const COMMAND: &str = "orders.decide-quote@1";

    #[test]
    fn decision_is_passed_on_with_who_made_it() {
        for (variables, approved, approver) in [
            (json!({ "tenantId": "t", "orderId": "o", "approverGroup": null }), true, "policy"),
            (json!({ "tenantId": "t", "orderId": "o", "approval": "APPROVED", "approverGroup": "managers" }), true, "managers"),
            (json!({ "tenantId": "t", "orderId": "o", "approval": "REJECTED", "approverGroup": "directors" }), false, "directors"),
        ] {
            let done = Harness::new().reply(COMMAND, json!({ "approved": approved })).call(super::decide, variables);
            assert_eq!(done.outcome, Ok(json!({ "approved": approved })));
            assert_eq!((&done.commands[0].body["approved"], &done.commands[0].body["approver"]), (&json!(approved), &json!(approver)));
        }
    }

    #[test]
    fn decision_nobody_knows_is_an_incident_at_once() {
        let variables = json!({ "tenantId": "t", "orderId": "o", "approval": "maybe" });
        let done = Harness::new().reply(COMMAND, json!({})).call(super::decide, variables);
        assert!(done.outcome.is_err());
        assert!(done.commands.is_empty());
    }
}
