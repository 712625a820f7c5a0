//! Opens a blocking fallout for an order whose fulfilment is overdue: it cannot be completed until a person has
//! repaired it.

use mandate_sdk::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    tenant_id: String,
    order_id: String,
}

/// A part of the service's reply; the process variable is the same.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    fallout_id: String,
}

fn open_fallout(cx: &Context, input: Input) -> Result<Output> {
    let body = json!({
        "tenantId": input.tenant_id,
        "orderId": input.order_id,
        "reason": "FULFILLMENT_OVERDUE",
        "blocking": true,
    });
    Ok(cx.command("orders.open-fallout@1", &body)?)
}

mandate_sdk::delegate!(open_fallout);
