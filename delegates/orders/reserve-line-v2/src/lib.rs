//! Version 2: reserves every line of an order at one site, which the model names as a property of the task, under a key
//! in the domain's own words: whoever reserves the same line for the same order means the same reservation.

use mandate_sdk::{Context, Error, Ignored, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    tenant_id: String,
    order_id: String,
    line_ids: Vec<String>,
}

#[derive(Serialize)]
struct Output {
    site: String,
}

fn reserve_lines(cx: &Context, input: Input) -> Result<Output> {
    let site = cx.property("site").ok_or_else(|| {
        // No retry can help: the model must be corrected.
        Error::technical("the task has no property named site").with_code("NO_SITE").never()
    })?;
    for line in &input.line_ids {
        let body = json!({
            "tenantId": input.tenant_id,
            "orderId": input.order_id,
            "lineId": line,
            "site": site,
        });
        let key = format!("reserve:{}:{line}", input.order_id);
        let Ignored = cx.command_with_key("orders.reserve-line@1", &key, &body)?;
    }
    Ok(Output { site: site.to_owned() })
}

mandate_sdk::delegate!(reserve_lines);

#[cfg(test)]
mod tests {
    use mandate_sdk::{Error, Retry, testing::Harness};
    use serde_json::json;

    use super::reserve_lines;

    #[test]
    fn each_line_is_reserved_at_the_site_under_its_own_key() {
        let variables = json!({ "tenantId": "t", "orderId": "o-1", "lineIds": ["L1", "L2"] });
        let done = Harness::new()
            .with(|call| call.extension_properties = vec![("site".into(), "NORTH".into())])
            .reply("orders.reserve-line@1", json!({}))
            .call(reserve_lines, variables);
        assert_eq!(done.outcome, Ok(json!({ "site": "NORTH" })));
        let keys: Vec<_> = done.commands.iter().filter_map(|issued| issued.key.as_deref()).collect();
        assert_eq!(keys, ["reserve:o-1:L1", "reserve:o-1:L2"]);
        assert!(done.commands.iter().all(|issued| issued.body["site"] == "NORTH"));
    }

    #[test]
    fn a_model_without_a_site_is_an_incident_at_once() {
        let variables = json!({ "tenantId": "t", "orderId": "o-1", "lineIds": ["L1"] });
        let done = Harness::new().call(reserve_lines, variables);
        let Err(Error::Technical(failure)) = done.outcome else { panic!("{:?}", done.outcome) };
        assert_eq!((failure.code.as_deref(), failure.retry), (Some("NO_SITE"), Retry::Never));
        assert!(done.commands.is_empty());
    }
}
