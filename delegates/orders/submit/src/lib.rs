//! Orders fulfilment of everything that is reserved. The order service calls the process back when it is done.

use mandate_sdk::{Context, Ignored, Result};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    tenant_id: String,
    order_id: String,
}

fn submit(cx: &Context, input: Input) -> Result<()> {
    let body = json!({ "tenantId": input.tenant_id, "orderId": input.order_id });
    let Ignored = cx.command("orders.submit-fulfillment@1", &body)?;
    Ok(())
}

mandate_sdk::delegate!(submit);
