//! Tells the customer that the order is being worked on.

use mandate_sdk::{Context, Ignored, Result};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    tenant_id: String,
    order_id: String,
    #[serde(default)]
    priority: bool,
}

fn notify(cx: &Context, input: Input) -> Result<()> {
    let template = if input.priority { "priority-order-in-progress" } else { "order-in-progress" };
    let body = json!({
        "tenantId": input.tenant_id,
        "orderId": input.order_id,
        "template": template,
    });
    let Ignored = cx.command("orders.notify-customer@1", &body)?;
    Ok(())
}

mandate_sdk::delegate!(notify);

#[cfg(test)]
mod tests {
    use mandate_sdk::testing::Harness;
    use serde_json::json;

    #[test]
    fn customers_who_pay_for_speed_are_told_so() {
        for (priority, template) in [(true, "priority-order-in-progress"), (false, "order-in-progress")] {
            let variables = json!({ "tenantId": "t", "orderId": "o", "priority": priority });
            let done = Harness::new().reply("orders.notify-customer@1", json!({})).call(super::notify, variables);
            assert_eq!(done.outcome, Ok(json!({})));
            assert_eq!(done.commands[0].body["template"], template);
        }
    }
}
