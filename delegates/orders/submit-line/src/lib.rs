//! Orders fulfilment of one line: from here on it cannot be given back.

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

fn submit(cx: &Context, input: Input) -> Result<()> {
    let body = json!({ "tenantId": input.tenant_id, "orderId": input.order_id, "lineId": input.line_id });
    let Ignored = cx.command("orders.submit-line@1", &body)?;
    Ok(())
}

mandate_sdk::delegate!(submit);

#[cfg(test)]
mod tests {
    use mandate_sdk::testing::Harness;
    use serde_json::json;

    const COMMAND: &str = "orders.submit-line@1";

    #[test]
    fn line_that_is_ordered_already_is_a_business_answer() {
        let variables = json!({ "tenantId": "t", "orderId": "o", "lineId": "L2" });
        let done = Harness::new().reject(COMMAND, "LINE_ALREADY_SUBMITTED", "no").call(super::submit, variables);
        assert_eq!(done.outcome.unwrap_err().bpmn_code(), Some("LINE_ALREADY_SUBMITTED"));
    }
}
