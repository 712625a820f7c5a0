//! Opens a blocking fallout for an order whose fulfilment is overdue, or for a line of it: it cannot be completed until a
//! person has repaired it.

use mandate_sdk::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    tenant_id: String,
    order_id: String,
    /// The line, if only one is concerned.
    line_id: Option<String>,
}

/// A part of the service's reply; the process variable is the same.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    fallout_id: String,
}

fn open_fallout(cx: &Context, input: Input) -> Result<Output> {
    let mut body = json!({
        "tenantId": input.tenant_id,
        "orderId": input.order_id,
        "reason": "FULFILLMENT_OVERDUE",
        "blocking": true,
    });
    if let Some(line) = input.line_id {
        body["lineId"] = line.into();
    }
    Ok(cx.command("orders.open-fallout@1", &body)?)
}

mandate_sdk::delegate!(open_fallout);

#[cfg(test)]
mod tests {
    use mandate_sdk::testing::Harness;
    use serde_json::{Value, json};

    #[test]
    fn fallout_is_the_orders_or_a_lines() {
        for (line, said) in [(json!(null), Value::Null), (json!("L2"), json!("L2"))] {
            let variables = json!({ "tenantId": "t", "orderId": "o", "lineId": line });
            let done = Harness::new().reply("orders.open-fallout@1", json!({ "falloutId": "F1" })).call(super::open_fallout, variables);
            assert_eq!(done.outcome, Ok(json!({ "falloutId": "F1" })));
            assert_eq!(done.commands[0].body["lineId"], said);
        }
    }
}
