//! Gives the stock of one line back: undoes `reserve-one` as far as that can be undone.

use mandate_sdk::{CommandError, Context, Ignored, Result};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    tenant_id: String,
    order_id: String,
    line_id: String,
}

/// What is on its way, was given back before, or belongs to an order that is closed is nothing to compensate. What a closed order means is
/// for the task that comes after.
const NOTHING_TO_UNDO: [&str; 3] = ["ORDER_ALREADY_SUBMITTED", "LINE_NOT_RESERVED", "ORDER_IS_CLOSED"];

fn release(cx: &Context, input: Input) -> Result<()> {
    let body = json!({ "tenantId": input.tenant_id, "orderId": input.order_id, "lineId": input.line_id });
    match cx.command("orders.release-line@1", &body) {
        Ok(Ignored) => Ok(()),
        Err(CommandError::Rejected(rejection)) if NOTHING_TO_UNDO.contains(&rejection.code.as_str()) => {
            cx.log_info(format!("line {} stays as it is: {}", input.line_id, rejection.code));
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

mandate_sdk::delegate!(release);

#[cfg(test)]
mod tests {
    use mandate_sdk::testing::Harness;
    use serde_json::json;

    const COMMAND: &str = "orders.release-line@1";

    #[test]
    fn what_cannot_be_given_back_stays() {
        for (code, fails) in
            [("ORDER_ALREADY_SUBMITTED", false), ("LINE_NOT_RESERVED", false), ("ORDER_IS_CLOSED", false), ("LINE_NOT_FOUND", true)]
        {
            let variables = json!({ "tenantId": "t", "orderId": "o", "lineId": "L1" });
            let done = Harness::new().reject(COMMAND, code, "no").call(super::release, variables);
            assert_eq!(done.outcome.is_err(), fails, "{code}");
        }
    }
}
