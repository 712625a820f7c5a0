//! Has the order service break an order into lines, and keeps the plan: stages of line ids, each of which needs the ones before.

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
    plan: Vec<Vec<String>>,
    order_version: u64,
}

fn plan(cx: &Context, input: Input) -> Result<Output> {
    let body = json!({ "tenantId": input.tenant_id, "orderId": input.order_id });
    Ok(cx.command("orders.decompose@1", &body)?)
}

mandate_sdk::delegate!(plan);

#[cfg(test)]
mod tests {
    use mandate_sdk::testing::Harness;
    use serde_json::json;

    #[test]
    fn stages_become_a_variable() {
        let reply = json!({ "lineIds": ["L1", "L2"], "plan": [["L1"], ["L2"]], "orderVersion": 3 });
        let done = Harness::new().reply("orders.decompose@1", reply).call(super::plan, json!({ "tenantId": "t", "orderId": "o" }));
        assert_eq!(done.outcome, Ok(json!({ "plan": [["L1"], ["L2"]], "orderVersion": 3 })));
    }
}
