//! Paths with placeholders: `/orders/{orderId}/lines/{line}`.
//!
//! A value can neither add a segment nor climb out of the path: all but unreserved characters are percent-encoded, and
//! a segment that comes out as `.` or `..` is refused, since URL parsers remove such segments even when encoded.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

/// A value longer than this is no identifier; longer ones would make URLs that services refuse.
const MAX_VALUE: usize = 512;

/// The placeholder for the attempt's key.
const KEY: &str = "key";

/// The placeholder for the tenant.
const TENANT: &str = "tenant";

/// RFC 3986 section 2.3: everything but the unreserved characters is encoded.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A path, perhaps with a query, and its placeholders.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Literal(String),
    Placeholder(String),
}

/// What placeholders are filled with. `key` and `tenant` win over fields of the body that have these names.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    pub(crate) key: &'a str,
    pub(crate) tenant: Option<&'a str>,
    pub(crate) body: &'a Value,
}

/// Why a template cannot be filled.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unfilled {
    /// The placeholder and what is wrong with its value.
    Field(String, &'static str),
    /// What is wrong with the path as a whole.
    Path(&'static str),
}

impl Template {
    /// Reads a template; the error says what is wrong and what to do.
    pub(crate) fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        if !text.starts_with('/') || text.starts_with("//") {
            return Err((format!("{text:?} is not a path"), "start it with one slash"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let open = rest.find('{').unwrap_or(rest.len());
            let (literal, after) = rest.split_at(open);
            if let Some(c) = literal.chars().find(|c| !allowed(*c)) {
                return Err((format!("{c:?} cannot stand in a path"), "percent-encode it; a placeholder is written {field}"));
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            let Some(inside) = after.strip_prefix('{') else {
                break;
            };
            let Some((name, after)) = inside.split_once('}') else {
                return Err(("a placeholder is not closed".to_owned(), "close it with }"));
            };
            if name.is_empty() || name.contains(['{', '/', '?']) {
                return Err((format!("{name:?} is not the name of a field"), "name a field of the body, key or tenant"));
            }
            parts.push(Part::Placeholder(name.to_owned()));
            rest = after;
        }
        let literal: String = parts.iter().map(|part| if let Part::Literal(text) = part { text.as_str() } else { "{}" }).collect();
        if climbs(&literal) {
            return Err(("the path has a segment . or ..".to_owned(), "write the path that is meant"));
        }
        Ok(Self { parts })
    }

    /// Whether it has any placeholder, without which every attempt asks for the same.
    pub(crate) fn varies(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Placeholder(_)))
    }

    /// The path with all placeholders filled.
    pub(crate) fn fill(&self, values: Values<'_>) -> Result<String, Unfilled> {
        let mut path = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => path.push_str(text),
                Part::Placeholder(name) => {
                    let value = text(name, values).map_err(|problem| Unfilled::Field(name.clone(), problem))?;
                    path.extend(utf8_percent_encode(&value, ENCODED));
                }
            }
        }
        if climbs(&path) {
            return Err(Unfilled::Path("would have a segment . or .."));
        }
        Ok(path)
    }
}

/// The value of a placeholder as text. Only what identifies something: not null, not empty, no composite.
fn text(name: &str, values: Values<'_>) -> Result<String, &'static str> {
    let text = match name {
        KEY => values.key.to_owned(),
        TENANT => values.tenant.ok_or("is missing: the instance has no tenant")?.to_owned(),
        field => match values.body.get(field) {
            None => return Err("is missing in the body"),
            Some(Value::Null) => return Err("is null in the body"),
            Some(Value::Array(_) | Value::Object(_)) => {
                return Err("is neither text, number nor boolean");
            }
            Some(Value::String(text)) => text.clone(),
            Some(scalar) => scalar.to_string(),
        },
    };
    if text.is_empty() {
        return Err("is empty");
    }
    if text.len() > MAX_VALUE {
        return Err("is longer than 512 bytes");
    }
    Ok(text)
}

/// RFC 3986 section 3.3 and 3.4: characters of a path or query, the percent sign among them; without the apostrophe, which
/// URL parsers rewrite in a query.
fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || "-._~!$&()*+,;=:@/?%".contains(c)
}

/// Whether a segment of the path (not of the query) is `.` or `..`, encoded or not.
fn climbs(path: &str) -> bool {
    let path = path.split('?').next().unwrap_or_default();
    path.split('/').any(|segment| {
        let plain = segment.to_ascii_lowercase().replace("%2e", ".");
        plain == "." || plain == ".."
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fill(template: &str, body: &Value) -> Result<String, Unfilled> {
        let values = Values { key: "k:1", tenant: Some("acme"), body };
        Template::parse(template).expect("a template").fill(values)
    }

    #[test]
    fn values_are_percent_encoded() {
        let body = json!({"id": "a/b c?ü", "n": 7, "ok": true});
        assert_eq!(fill("/o/{id}/{n}?x={ok}", &body).unwrap(), "/o/a%2Fb%20c%3F%C3%BC/7?x=true");
    }

    #[test]
    fn key_and_tenant_are_not_taken_from_the_body() {
        let body = json!({"key": "forged", "tenant": "other"});
        assert_eq!(fill("/{tenant}/by-key/{key}", &body).unwrap(), "/acme/by-key/k%3A1");
    }

    #[test]
    fn a_value_cannot_climb_out_of_the_path() {
        for body in [json!({"a": "..", "b": "x"}), json!({"a": ".", "b": "x"})] {
            assert_eq!(fill("/o/{a}/{b}", &body), Err(Unfilled::Path("would have a segment . or ..")));
        }
        assert!(fill("/o/{a}{b}", &json!({"a": ".", "b": "."})).is_err(), "two values that make one climbing segment");
        assert_eq!(fill("/o/{a}", &json!({"a": "%2e%2e"})).unwrap(), "/o/%252e%252e");
        assert_eq!(fill("/o/{a}", &json!({"a": "../x"})).unwrap(), "/o/..%2Fx");
        assert_eq!(fill("/o?x={a}", &json!({"a": ".."})).unwrap(), "/o?x=..");
    }

    #[test]
    fn what_identifies_nothing_is_refused() {
        let long = "x".repeat(MAX_VALUE + 1);
        let body = json!({"null": null, "list": [1], "object": {}, "empty": "", "long": long});
        for (name, problem) in [
            ("gone", "is missing in the body"),
            ("null", "is null in the body"),
            ("list", "is neither text, number nor boolean"),
            ("object", "is neither text, number nor boolean"),
            ("empty", "is empty"),
            ("long", "is longer than 512 bytes"),
        ] {
            assert_eq!(fill(&format!("/o/{{{name}}}"), &body), Err(Unfilled::Field(name.to_owned(), problem)));
        }
    }

    #[test]
    fn broken_templates_are_refused() {
        for text in ["", "o", "//evil.example", "/a b", "/a\\b", "/a#b", "/{", "/{}", "/{a{b}", "/}", "/a/../b", "/%2E/b", "/ü"] {
            assert!(Template::parse(text).is_err(), "{text}");
        }
    }
}
