//! Who must approve a quote: a policy, decided from what the order says and the limits that the model sets. Sends nothing.

use mandate_sdk::{Context, Error, Result};
use serde::{Deserialize, Serialize};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Input {
    /// In the currency's smallest unit.
    amount: i64,
    discount_percent: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Output {
    /// The group whose members may approve; none: nobody needs to.
    approver_group: Option<&'static str>,
}

fn assess(cx: &Context, input: Input) -> Result<Output> {
    let limit = |name: &str| {
        // No retry can help: the model must be corrected.
        let wrong = || Error::technical(format!("the task's property {name} must be a whole number")).with_code("NO_LIMIT").never();
        cx.property(name).and_then(|text| text.parse::<i64>().ok()).ok_or_else(wrong)
    };
    let (freely, by_managers) = (limit("discountFreely")?, limit("discountByManagers")?);
    let large = input.amount > limit("amountByManagers")?;
    let approver_group = match input.discount_percent {
        discount if discount > by_managers || large => Some("directors"),
        discount if discount > freely => Some("managers"),
        _ => None,
    };
    Ok(Output { approver_group })
}

mandate_sdk::delegate!(assess);

#[cfg(test)]
mod tests {
    use mandate_sdk::{Error, Retry, testing::Harness};
    use serde_json::{Value, json};

    fn assess(amount: i64, discount: i64, freely: &str) -> Result<Value, Error> {
        let limits = [("discountFreely", freely), ("discountByManagers", "25"), ("amountByManagers", "1000000")];
        let limits = limits.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let done = Harness::new()
            .with(|call| call.extension_properties = limits.to_vec())
            .call(super::assess, json!({ "amount": amount, "discountPercent": discount }));
        assert!(done.commands.is_empty());
        done.outcome
    }

    #[test]
    fn discount_and_amount_decide() {
        for (amount, discount, group) in [
            (100, 5, json!(null)),
            (100, 10, json!(null)),
            (100, 11, json!("managers")),
            (100, 26, json!("directors")),
            (1_000_001, 0, json!("directors")),
        ] {
            assert_eq!(assess(amount, discount, "10"), Ok(json!({ "approverGroup": group })), "{amount} {discount}");
        }
    }

    #[test]
    fn model_without_a_limit_is_an_incident_at_once() {
        let Err(Error::Technical(failure)) = assess(1, 1, "ten") else { panic!("a limit that is no number") };
        assert_eq!((failure.code.as_deref(), failure.retry), (Some("NO_LIMIT"), Retry::Never));
    }
}
