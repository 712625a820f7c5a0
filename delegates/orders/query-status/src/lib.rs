//! Asks how far fulfilment is when no callback came in time: the callback may be lost, or there may be nothing to call
//! back about.

use mandate_sdk::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    order_id: String,
}

/// A part of the service's reply; the process variable is the same.
#[derive(Serialize, Deserialize)]
struct Output {
    fulfilled: bool,
}

fn query_status(cx: &Context, input: Input) -> Result<Output> {
    // A query: the catalogue makes a GET of it, and nothing is changed by it.
    Ok(cx.command("orders.fulfillment-status@1", &json!({ "orderId": input.order_id }))?)
}

mandate_sdk::delegate!(query_status);

#[cfg(test)]
mod tests {
    use mandate_sdk::testing::Harness;
    use serde_json::json;

    #[test]
    fn only_the_flag_becomes_a_variable() {
        let reply = json!({ "orderId": "o", "fulfilled": false, "missingLines": 2 });
        let done = Harness::new()
            .reply("orders.fulfillment-status@1", reply)
            .call(super::query_status, json!({ "orderId": "o", "tenantId": "t" }));
        assert_eq!(done.outcome, Ok(json!({ "fulfilled": false })));
    }
}
