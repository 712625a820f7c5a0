//! Reserves stock for the one line that the activity is about.

use mandate_sdk::{Context, Ignored, Result};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    tenant_id: String,
    order_id: String,
    line_id: String,
}

fn reserve(cx: &Context, input: Input) -> Result<()> {
    let body = json!({ "tenantId": input.tenant_id, "orderId": input.order_id, "lineId": input.line_id });
    let Ignored = cx.command("orders.reserve-line@1", &body)?;
    Ok(())
}

mandate_sdk::delegate!(reserve);

#[cfg(test)]
mod tests {
    use mandate_sdk::testing::Harness;
    use serde_json::json;

    const COMMAND: &str = "orders.reserve-line@1";

    #[test]
    fn only_the_activitys_line_is_reserved() {
        let variables = json!({ "tenantId": "t", "orderId": "o", "lineId": "L2", "lineIds": ["L1", "L2"] });
        let done = Harness::new().reply(COMMAND, json!({})).call(super::reserve, variables);
        assert_eq!(done.outcome, Ok(json!({})));
        assert_eq!(done.commands[0].body, json!({ "tenantId": "t", "orderId": "o", "lineId": "L2" }));
    }
}
