//! Asks the order service whether an order is ready to be worked on. If it is not, the service's code becomes a BPMN
//! error, and the process sends the order to a person.

use mandate_sdk::{Context, Ignored, Result};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    tenant_id: String,
    order_id: String,
    /// What the review decided, once there was one.
    decision: Option<String>,
}

fn validate(cx: &Context, input: Input) -> Result<()> {
    let body = json!({
        "tenantId": input.tenant_id,
        "orderId": input.order_id,
        "reviewed": input.decision.as_deref() == Some("RETRY"),
    });
    let Ignored = cx.command("orders.validate-readiness@1", &body)?;
    Ok(())
}

mandate_sdk::delegate!(validate);

#[cfg(test)]
mod tests {
    use mandate_sdk::{Error, testing::Harness};
    use serde_json::json;

    use super::validate;

    const COMMAND: &str = "orders.validate-readiness@1";

    #[test]
    fn first_time_is_without_review_and_the_second_with_one() {
        for (variables, reviewed) in [
            (json!({ "tenantId": "t", "orderId": "o" }), false),
            (json!({ "tenantId": "t", "orderId": "o", "decision": null }), false),
            (json!({ "tenantId": "t", "orderId": "o", "decision": "RETRY" }), true),
        ] {
            let done = Harness::new().reply(COMMAND, json!({})).call(validate, variables);
            assert_eq!(done.outcome, Ok(json!({})));
            let body = json!({ "tenantId": "t", "orderId": "o", "reviewed": reviewed });
            assert_eq!(done.commands[0].body, body);
        }
    }

    #[test]
    fn an_order_that_is_not_ready_is_a_business_answer() {
        let done = Harness::new()
            .reject(COMMAND, "ORDER_NEEDS_REVIEW", "a person must review it")
            .call(validate, json!({ "tenantId": "t", "orderId": "o" }));
        let expected = Error::bpmn("ORDER_NEEDS_REVIEW", "a person must review it");
        assert_eq!(done.outcome, Err(expected));
    }
}
