//! Asks the customer about a line, in the words of the person who needs to know.

use mandate_sdk::{Context, Ignored, Result};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    tenant_id: String,
    order_id: String,
    line_id: String,
    /// What is to be asked; the person who repairs the line wrote it.
    question: Option<String>,
}

fn ask(cx: &Context, input: Input) -> Result<()> {
    let question = input.question.as_deref().unwrap_or("What shall become of this line?");
    let body = json!({ "tenantId": input.tenant_id, "orderId": input.order_id, "lineId": input.line_id, "question": question });
    let Ignored = cx.command("orders.ask-customer@1", &body)?;
    Ok(())
}

mandate_sdk::delegate!(ask);

#[cfg(test)]
mod tests {
    use mandate_sdk::testing::Harness;
    use serde_json::json;

    const COMMAND: &str = "orders.ask-customer@1";

    #[test]
    fn question_is_passed_on() {
        let variables = json!({ "tenantId": "t", "orderId": "o", "lineId": "L1", "question": "Which floor?" });
        let done = Harness::new().reply(COMMAND, json!({})).call(super::ask, variables);
        assert_eq!(done.outcome, Ok(json!({})));
        assert_eq!(done.commands[0].body["question"], "Which floor?");
    }
}
