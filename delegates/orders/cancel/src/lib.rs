//! Cancels an order because a person decided so.

use mandate_sdk::{CommandError, Context, Ignored, Result};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    tenant_id: String,
    order_id: String,
    /// Why the order came before a person, if it was refused.
    rejection_code: Option<String>,
}

/// Who cancels an order and the customer who cancels it meanwhile want the same, and the second of them finds it done.
const CANCELLED_BEFORE: &str = "ORDER_IS_CANCELLED";

fn cancel(cx: &Context, input: Input) -> Result<()> {
    let body = json!({
        "tenantId": input.tenant_id,
        "orderId": input.order_id,
        "reason": input.rejection_code.as_deref().unwrap_or("not fulfilled in time"),
    });
    match cx.command("orders.cancel-order@1", &body) {
        Ok(Ignored) => Ok(()),
        Err(CommandError::Rejected(rejection)) if rejection.code == CANCELLED_BEFORE => {
            cx.log_info(format!("order {} was cancelled before", input.order_id));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

mandate_sdk::delegate!(cancel);

#[cfg(test)]
mod tests {
    use mandate_sdk::testing::Harness;
    use serde_json::json;

    #[test]
    fn the_reason_is_what_brought_the_order_before_a_person() {
        for (variables, reason) in [
            (json!({ "tenantId": "t", "orderId": "o", "rejectionCode": "ORDER_NEEDS_REVIEW" }), "ORDER_NEEDS_REVIEW"),
            (json!({ "tenantId": "t", "orderId": "o" }), "not fulfilled in time"),
        ] {
            let done = Harness::new().reply("orders.cancel-order@1", json!({})).call(super::cancel, variables);
            assert_eq!(done.outcome, Ok(json!({})));
            assert_eq!(done.commands[0].body["reason"], reason);
        }
    }

    #[test]
    fn what_was_cancelled_before_is_cancelled() {
        for (code, error) in [("ORDER_IS_CANCELLED", None), ("ORDER_IS_CLOSED", Some("ORDER_IS_CLOSED"))] {
            let done =
                Harness::new().reject("orders.cancel-order@1", code, "no").call(super::cancel, json!({ "tenantId": "t", "orderId": "o" }));
            assert_eq!(done.outcome.as_ref().err().and_then(|error| error.bpmn_code()), error);
        }
    }
}
