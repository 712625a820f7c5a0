//! The delegate of the benchmark: it parses its variables and sets one.
//!
//! At an element with the `camunda:property` `command` it also issues the command of that name, once.

use mandate_sdk::{Context, Ignored, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    order_id: String,
    express: bool,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    quantity: u32,
    price: f64,
}

#[derive(Serialize)]
struct Output {
    total: f64,
}

fn run(cx: &Context, input: Input) -> Result<Output> {
    if let Some(command) = cx.property("command") {
        let Ignored = cx.command(command, &json!({ "orderId": input.order_id }))?;
    }
    let goods: f64 = input.items.iter().map(|item| f64::from(item.quantity) * item.price).sum();
    Ok(Output { total: if input.express { goods + 5.0 } else { goods } })
}

mandate_sdk::delegate!(run);

#[cfg(test)]
mod tests {
    use mandate_sdk::testing::Harness;
    use serde_json::{Value, json};

    fn order() -> Value {
        json!({ "orderId": "17", "express": true, "items": [{ "sku": "a", "quantity": 2, "price": 1.5 }] })
    }

    #[test]
    fn sets_one_variable_and_issues_nothing() {
        let done = Harness::new().call(super::run, order());
        assert_eq!(done.outcome, Ok(json!({ "total": 8.0 })));
        assert!(done.commands.is_empty());
    }

    #[test]
    fn issues_the_command_that_its_element_names() {
        let done = Harness::new()
            .with(|call| call.extension_properties.push(("command".into(), "bench.do@1".into())))
            .reply("bench.do@1", json!({}))
            .call(super::run, order());
        assert_eq!(done.outcome, Ok(json!({ "total": 8.0 })));
        assert_eq!(done.commands[0].body, json!({ "orderId": "17" }));
    }
}
