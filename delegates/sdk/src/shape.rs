//! What is said of JSON that does not have the expected shape: never its values, which operators and logs have no business with.

use serde_json::Error;
use serde_json::error::Category;

/// How serde begins where it goes on with a value that JSON can have, by its kind.
const OF_A_KIND: [&str; 2] = ["invalid type: ", "invalid value: "];

/// The kinds by serde's names.
const KINDS: [&str; 8] = ["null", "boolean", "integer", "floating point", "number", "string", "sequence", "map"];

/// What is wrong, what was expected, and where: serde's words without the values that it quotes.
pub(crate) fn without_values(error: &Error) -> String {
    let said = error.to_string();
    // Of syntax it tells what it misses, and of what it was read from nothing.
    if error.classify() != Category::Data {
        return said;
    }
    // The name of a field of the expected type.
    if let Some((name, _)) = said.strip_prefix("missing field `").and_then(|rest| rest.split_once('`')) {
        return at(error, &format!("missing field `{name}`"));
    }
    let of_a_kind = OF_A_KIND.iter().find_map(|what| Some((what, said.strip_prefix(what)?)));
    let kind = of_a_kind.and_then(|(what, rest)| Some((what, KINDS.iter().find(|kind| rest.starts_with(**kind))?)));
    match (kind, said.rsplit_once(", expected ")) {
        // The last of these words are the expected type's own, and the place stands behind them.
        (Some((what, kind)), Some((_, expected))) => format!("{what}{kind}, expected {expected}"),
        _ if said.starts_with("unknown variant ") => at(error, "unknown variant"),
        _ => at(error, "a value is not of the expected type"),
    }
}

fn at(error: &Error, what: &str) -> String {
    // None where serde had put the value aside before it looked at it.
    if error.line() == 0 { what.to_owned() } else { format!("{what} at line {} column {}", error.line(), error.column()) }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::net::IpAddr;

    use serde::Deserialize;
    use serde::de::{DeserializeOwned, Error as _};

    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "none of them is ever read into it")]
    struct Order {
        amount: u32,
        #[serde(default)]
        state: State,
        #[serde(default)]
        card: Card,
    }

    #[derive(Debug, Default, Deserialize)]
    enum State {
        #[default]
        Open,
    }

    /// As careless as a type of somebody else may be.
    #[derive(Debug, Default)]
    struct Card;

    impl<'de> Deserialize<'de> for Card {
        fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            Err(D::Error::custom(format!("{} is no card", String::deserialize(from)?)))
        }
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "none of them is ever read into it")]
    struct Flat {
        #[serde(flatten)]
        order: Order,
    }

    fn says<T: DeserializeOwned + Debug>(json: &str, expected: &str) {
        assert_eq!(without_values(&serde_json::from_str::<T>(json).unwrap_err()), expected, "{json}");
    }

    #[test]
    fn what_does_not_fit_is_told_by_kind_and_place_and_not_by_value() {
        says::<Order>(r#"{"amount":"s3cret"}"#, "invalid type: string, expected u32 at line 1 column 18");
        says::<Order>(r#"{"amount":"s3cret, expected s3cret"}"#, "invalid type: string, expected u32 at line 1 column 35");
        says::<Order>(r#"{"amount":-4711}"#, "invalid value: integer, expected u32 at line 1 column 15");
        says::<Order>(r#"{"amount":47.11}"#, "invalid type: floating point, expected u32 at line 1 column 15");
        says::<Order>(r#"{"amount":null}"#, "invalid type: null, expected u32 at line 1 column 14");
        says::<Order>("\ntrue", "invalid type: boolean, expected struct Order at line 2 column 4");
        says::<Order>(r#"{"state":"Open"}"#, "missing field `amount` at line 1 column 16");
        says::<Order>(r#"{"amount":1,"state":"s3cret"}"#, "unknown variant at line 1 column 28");
        says::<Order>(r#"{"amount":1,"card":"s3cret"}"#, "a value is not of the expected type at line 1 column 28");
        says::<Flat>(r#"{"amount":"s3cret"}"#, "invalid type: string, expected u32 at line 1 column 19");
        says::<IpAddr>(r#""s3cret""#, "a value is not of the expected type at line 1 column 8");
        says::<Order>(r#"{"amount":1,s3cret}"#, "key must be a string at line 1 column 13");
    }
}
