//! Has the order service break an order into lines and keeps their ids, nothing else of them.

use mandate_sdk::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    tenant_id: String,
    order_id: String,
}

/// A part of the service's reply; the process variables are the same.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    line_ids: Vec<String>,
    order_version: u64,
}

fn decompose(cx: &Context, input: Input) -> Result<Output> {
    let body = json!({ "tenantId": input.tenant_id, "orderId": input.order_id });
    Ok(cx.command("orders.decompose@1", &body)?)
}

mandate_sdk::delegate!(decompose);

#[cfg(test)]
mod tests {
    use mandate_sdk::testing::Harness;
    use serde_json::json;

    #[test]
    fn only_ids_and_version_become_variables() {
        let reply = json!({ "lineIds": ["L1", "L2"], "orderVersion": 3, "orderState": "NOT_STARTED" });
        let done = Harness::new()
            .reply("orders.decompose@1", reply)
            .call(super::decompose, json!({ "tenantId": "t", "orderId": "o", "priority": true }));
        assert_eq!(done.outcome, Ok(json!({ "lineIds": ["L1", "L2"], "orderVersion": 3 })));
    }
}
