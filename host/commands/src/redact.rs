//! Fields that must not be stored.

use serde_json::Value;

/// What stands in a stored body where a field was taken out.
pub const NOT_STORED: &str = "[not stored]";

/// Which fields of a body one entry of `do-not-store` means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redaction {
    /// `/card/number`: the value at this JSON pointer (RFC 6901); `*` as a step means every element or field.
    Pointer(Vec<String>),
    /// `cvv`: every field of this name, at any depth.
    Field(String),
}

impl Redaction {
    /// Reads a pointer (starting with `/`) or a field name. `None` if the text is neither: empty, the bare `/`, or
    /// a pointer with a `~` that escapes nothing.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let Some(steps) = text.strip_prefix('/') else {
            let plain = !text.is_empty() && !text.contains('/');
            return plain.then(|| Self::Field(text.to_owned()));
        };
        if steps.is_empty() {
            return None;
        }
        steps.split('/').map(unescape).collect::<Option<Vec<_>>>().map(Self::Pointer)
    }

    /// Replaces what it means in `value` by [`NOT_STORED`].
    pub(crate) fn apply(&self, value: &mut Value) {
        match self {
            Self::Pointer(steps) => at_pointer(steps, value),
            Self::Field(name) => by_name(name, value),
        }
    }
}

/// RFC 6901 section 4: `~1` is `/`, `~0` is `~`, and nothing else may follow a `~`.
fn unescape(step: &str) -> Option<String> {
    let mut plain = String::with_capacity(step.len());
    let mut chars = step.chars();
    while let Some(c) = chars.next() {
        plain.push(match c {
            '~' => match chars.next() {
                Some('0') => '~',
                Some('1') => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(plain)
}

fn at_pointer(steps: &[String], value: &mut Value) {
    let Some((step, rest)) = steps.split_first() else {
        *value = Value::String(NOT_STORED.to_owned());
        return;
    };
    match value {
        Value::Object(fields) if step == "*" => {
            fields.values_mut().for_each(|v| at_pointer(rest, v));
        }
        Value::Array(items) if step == "*" => items.iter_mut().for_each(|v| at_pointer(rest, v)),
        Value::Object(fields) => {
            if let Some(field) = fields.get_mut(step) {
                at_pointer(rest, field);
            }
        }
        Value::Array(items) => {
            if let Some(item) = step.parse::<usize>().ok().and_then(|i| items.get_mut(i)) {
                at_pointer(rest, item);
            }
        }
        _ => {}
    }
}

fn by_name(name: &str, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                if field == name {
                    *value = Value::String(NOT_STORED.to_owned());
                } else {
                    by_name(name, value);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| by_name(name, item)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn redacted(rule: &str, mut value: Value) -> Value {
        Redaction::parse(rule).expect("a rule").apply(&mut value);
        value
    }

    #[test]
    fn a_pointer_takes_out_one_field() {
        let body = json!({"card": {"number": "4111", "holder": "A"}, "number": 1});
        assert_eq!(redacted("/card/number", body), json!({"card": {"number": NOT_STORED, "holder": "A"}, "number": 1}));
    }

    #[test]
    fn a_pointer_to_an_object_takes_it_out_whole() {
        assert_eq!(redacted("/card", json!({"card": {"number": "4111"}})), json!({"card": NOT_STORED}));
    }

    #[test]
    fn a_star_means_every_element() {
        let body = json!({"lines": [{"pin": 1, "sku": "a"}, {"pin": 2}]});
        assert_eq!(redacted("/lines/*/pin", body), json!({"lines": [{"pin": NOT_STORED, "sku": "a"}, {"pin": NOT_STORED}]}));
    }

    #[test]
    fn a_name_is_taken_out_at_any_depth() {
        let body = json!({"cvv": 1, "cards": [{"cvv": {"x": 2}}, 7]});
        assert_eq!(redacted("cvv", body), json!({"cvv": NOT_STORED, "cards": [{"cvv": NOT_STORED}, 7]}));
    }

    #[test]
    fn what_is_not_there_changes_nothing() {
        let body = json!({"a": [1, 2], "b": null});
        for rule in ["/a/7", "/a/x", "/b/c", "/z", "z"] {
            assert_eq!(redacted(rule, body.clone()), body, "{rule}");
        }
    }

    #[test]
    fn escapes_are_those_of_rfc_6901() {
        assert_eq!(redacted("/a~1b", json!({"a/b": 1})), json!({"a/b": NOT_STORED}));
        for rule in ["", "/", "/a~2", "/a~", "a/b"] {
            assert_eq!(Redaction::parse(rule), None, "{rule}");
        }
    }
}
