//! Completes an order. What still stands against it (an open fallout, a missing line, no billing) is a BPMN error
//! with the order service's code, and the process has it repaired.

use mandate_sdk::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    tenant_id: String,
    order_id: String,
}

/// A part of the service's reply; the process variable is the same.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    order_version: u64,
}

fn complete(cx: &Context, input: Input) -> Result<Output> {
    let body = json!({ "tenantId": input.tenant_id, "orderId": input.order_id });
    Ok(cx.command("orders.complete-order@1", &body)?)
}

mandate_sdk::delegate!(complete);

#[cfg(test)]
mod tests {
    use mandate_sdk::testing::Harness;
    use serde_json::json;

    use super::complete;

    const COMMAND: &str = "orders.complete-order@1";

    #[test]
    fn what_stands_against_it_keeps_its_code() {
        for code in ["ORDER_HAS_OPEN_BLOCKING_FALLOUT", "MANDATORY_LINE_NOT_FULFILLED", "BILLING_NOT_ACTIVATED"] {
            let variables = json!({ "tenantId": "t", "orderId": "o" });
            let done = Harness::new().reject(COMMAND, code, "no").call(complete, variables);
            assert_eq!(done.outcome.unwrap_err().bpmn_code(), Some(code));
        }
    }
}
