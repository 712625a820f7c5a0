//! Reserves every line of an order, one command for each. When an attempt fails halfway, the next one gets the answers
//! for the lines before from the ledger: no line is reserved twice.

use mandate_sdk::{Context, Ignored, Result};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    tenant_id: String,
    order_id: String,
    line_ids: Vec<String>,
}

fn reserve_lines(cx: &Context, input: Input) -> Result<()> {
    for line in &input.line_ids {
        let body = json!({ "tenantId": input.tenant_id, "orderId": input.order_id, "lineId": line });
        let Ignored = cx.command("orders.reserve-line@1", &body)?;
    }
    Ok(())
}

mandate_sdk::delegate!(reserve_lines);

#[cfg(test)]
mod tests {
    use mandate_sdk::{COMMAND_UNAVAILABLE, CommandError, Error, testing::Harness};
    use serde_json::json;

    use super::reserve_lines;

    const COMMAND: &str = "orders.reserve-line@1";

    #[test]
    fn each_line_is_reserved_in_order() {
        let variables = json!({ "tenantId": "t", "orderId": "o", "lineIds": ["L1", "L2"] });
        let done = Harness::new().reply(COMMAND, json!({})).call(reserve_lines, variables);
        assert_eq!(done.outcome, Ok(json!({})));
        let lines: Vec<_> = done.commands.iter().map(|issued| issued.body["lineId"].clone()).collect();
        assert_eq!(lines, ["L1", "L2"]);
    }

    #[test]
    fn a_line_that_cannot_be_asked_for_ends_the_attempt() {
        let variables = json!({ "tenantId": "t", "orderId": "o", "lineIds": ["L1", "L2", "L3"] });
        let done =
            Harness::new().reply(COMMAND, json!({})).fail(COMMAND, CommandError::Unavailable("503".into())).call(reserve_lines, variables);
        let Err(Error::Technical(failure)) = done.outcome else { panic!("{:?}", done.outcome) };
        assert_eq!(failure.code.as_deref(), Some(COMMAND_UNAVAILABLE));
        assert_eq!(done.commands.len(), 2, "L3 was not asked for");
    }
}
