//! A delegate that behaves: it issues one command and says what it was given. For tests and for measuring a call's cost.

use mandate_sdk::{Context, Result};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    order_id: String,
    #[serde(default)]
    amounts: Vec<f64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    order_id: String,
    total: f64,
    reply: serde_json::Value,
    business_key: Option<String>,
    attempt: u32,
}

fn run(cx: &Context, input: Input) -> Result<Output> {
    let reply = cx.command("orders.validate@1", &serde_json::json!({ "orderId": input.order_id }))?;
    cx.log_info("validated");
    Ok(Output {
        order_id: input.order_id,
        total: input.amounts.iter().sum(),
        reply,
        business_key: cx.business_key().map(str::to_owned),
        attempt: cx.call().attempt,
    })
}

mandate_sdk::delegate!(run);

#[cfg(test)]
mod tests {
    use mandate_sdk::testing::Harness;
    use serde_json::json;

    #[test]
    fn sums_and_passes_the_reply_on() {
        let done = Harness::new()
            .reply("orders.validate@1", json!({ "valid": true }))
            .call(super::run, json!({ "orderId": "17", "amounts": [1.5, 2] }));
        let variables = done.outcome.unwrap();
        assert_eq!(variables["total"], json!(3.5));
        assert_eq!(variables["reply"], json!({ "valid": true }));
        assert_eq!(done.commands[0].body, json!({ "orderId": "17" }));
    }
}
