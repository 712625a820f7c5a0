//! From JSON text to the delegate's types and back: the same natively and in a component.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::context::Context;
use crate::error::{Error, INVALID_INPUT, Result};
use crate::shape::without_values;

/// Calls `run` with what serde makes of `variables` and returns the JSON object of the variables to set.
pub fn perform<I, O, F>(cx: &Context, variables: &str, run: F) -> Result<String>
where
    I: DeserializeOwned,
    O: Serialize,
    F: FnOnce(&Context, I) -> Result<O>,
{
    let input = serde_json::from_str(variables).map_err(|error| {
        // The same variables read the same way again; an operator may correct them and retry the incident.
        let what = without_values(&error);
        Error::technical(format!("variables are not what the delegate expects: {what}")).with_code(INVALID_INPUT).never()
    })?;
    let output = run(cx, input)?;
    let text = serde_json::to_string(&output)?;
    match text.as_bytes().first() {
        Some(b'{') => Ok(text),
        _ if text == "null" => Ok("{}".to_owned()),
        _ => {
            let kind = match serde_json::from_str(&text)? {
                Value::Array(_) => "an array",
                Value::String(_) => "a string",
                _ => "a number or a boolean",
            };
            Err(Error::malformed(format!("the delegate returned {kind}; its result must be an object of variables")))
        }
    }
}
