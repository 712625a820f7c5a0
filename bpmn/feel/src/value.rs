//! What expressions read and produce: JSON's values, with decimal numbers; and what FEEL computes with on the way.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::eval::Closure;
use crate::temporal::Temporal;
use crate::{Number, NumberType};

/// Levels of lists and contexts within each other that a value may have when it leaves this crate as JSON.
///
/// JSON readers stop at about 128 (`serde_json` at 127), and a variable is stored within documents that have a few levels of their own.
pub const MAX_NESTING: usize = 100;

/// The entries of a context, in the order of their names.
pub type Entries = BTreeMap<String, Value>;

/// A value: a variable, or what an expression makes of variables. Cheap to clone: what is large is shared.
///
/// `==` compares structure, as tests and change detection want it; FEEL's and JUEL's own equality is in their operators.
/// A value may be nested to any depth: dropping, comparing and printing it takes no more stack than a flat one.
#[derive(Clone, Default)]
pub enum Value {
    /// Nothing, or not known.
    #[default]
    Null,
    /// True or false.
    Boolean(bool),
    /// A decimal number.
    Number(Number),
    /// Text.
    String(Arc<str>),
    /// Values in order.
    List(Arc<Vec<Value>>),
    /// Values by name.
    Context(Arc<Entries>),
    /// A date, a time or a duration: within an evaluation only, which gives out its text.
    Temporal(Arc<Temporal>),
    /// A range: within an evaluation only.
    Range(Arc<Interval>),
    /// A function: within an evaluation only.
    Function(Arc<Closure>),
}

/// What lies between two numbers, strings, dates, times or durations. An end that is null and not included is none: everything beyond the
/// other one.
#[derive(Clone, PartialEq, Eq)]
pub struct Interval {
    /// Where it begins.
    pub low: Value,
    /// Whether this belongs to it.
    pub low_included: bool,
    /// Where it ends.
    pub high: Value,
    /// Whether this belongs to it.
    pub high_included: bool,
}

/// Why a text or a document is no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not JSON; the message has line and column.
    #[error("not JSON: {0}")]
    Json(String),
    /// More than [`MAX_NESTING`] levels of lists and contexts.
    #[error("nested more than {MAX_NESTING} levels deep")]
    Nesting,
}

impl Value {
    /// The value of a JSON document. Whatever lies deeper than [`MAX_NESTING`] levels is null; a document read from text by
    /// `serde_json` can be slightly deeper than that, so where this matters take [`Value::from_json_text`], which refuses it.
    pub fn from_json(json: &serde_json::Value) -> Value {
        from_json_within(json, MAX_NESTING)
    }

    /// The value of a JSON text.
    pub fn from_json_text(text: &str) -> Result<Value, Error> {
        let json: serde_json::Value = serde_json::from_str(text).map_err(|error| Error::Json(error.to_string()))?;
        if json_nests_deeper(&json, MAX_NESTING) { Err(Error::Nesting) } else { Ok(Value::from_json(&json)) }
    }

    /// This value as JSON. Integral numbers that fit 64 bits and are not known to be a `Double` become JSON integers, all others are
    /// rounded to an `f64`; dates, times and durations become their text, a range and a function null; whatever lies deeper than
    /// [`MAX_NESTING`] levels is null. The outcome of an evaluation loses nothing here: it is within both bounds already.
    pub fn to_json(&self) -> serde_json::Value {
        to_json_within(self, MAX_NESTING)
    }

    /// A list.
    pub fn list(items: Vec<Value>) -> Value {
        Value::List(Arc::new(items))
    }

    /// A context.
    pub fn context(entries: Entries) -> Value {
        Value::Context(Arc::new(entries))
    }

    /// Whether this is null.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Boolean(value) = self { Some(*value) } else { None }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<Number> {
        if let Value::Number(number) = self { Some(*number) } else { None }
    }

    /// The integer, if it is a number without a fraction that fits.
    pub fn as_i64(&self) -> Option<i64> {
        self.as_number()?.to_i64()
    }

    /// The text, if it is text.
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    /// The entries, if it is a context.
    pub fn as_context(&self) -> Option<&Entries> {
        if let Value::Context(entries) = self { Some(entries) } else { None }
    }

    /// FEEL's name for what kind of value this is, for messages. Messages name kinds, never the values themselves: they are logged.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Boolean(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::List(_) => "list",
            Value::Context(_) => "context",
            Value::Temporal(temporal) => temporal.kind(),
            Value::Range(_) => "range",
            Value::Function(_) => "function",
        }
    }

    fn is_composite(&self) -> bool {
        matches!(self, Value::List(_) | Value::Context(_) | Value::Function(_))
    }

    /// Moves out what nests further, if nobody else shares it.
    fn take_composites(&mut self, into: &mut Vec<Value>) {
        match self {
            Value::List(items) => {
                if let Some(items) = Arc::get_mut(items) {
                    into.extend(items.iter_mut().filter(|item| item.is_composite()).map(mem::take));
                }
            }
            Value::Context(entries) => {
                if let Some(entries) = Arc::get_mut(entries) {
                    into.extend(entries.values_mut().filter(|value| value.is_composite()).map(mem::take));
                }
            }
            Value::Function(closure) => {
                if let Some(closure) = Arc::get_mut(closure) {
                    into.extend(closure.take_values().filter(Value::is_composite));
                }
            }
            _ => {}
        }
    }
}

/// Drops level by level instead of by recursion, so that no depth of nesting overflows the stack.
impl Drop for Value {
    fn drop(&mut self) {
        if !self.is_composite() {
            return;
        }
        let mut pending = Vec::new();
        self.take_composites(&mut pending);
        while let Some(mut value) = pending.pop() {
            value.take_composites(&mut pending);
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Value) -> bool {
        let mut pending = vec![(self, other)];
        while let Some(pair) = pending.pop() {
            let equal = match pair {
                (Value::Null, Value::Null) => true,
                (Value::Boolean(left), Value::Boolean(right)) => left == right,
                (Value::Number(left), Value::Number(right)) => left == right,
                (Value::String(left), Value::String(right)) => left == right,
                (Value::Temporal(left), Value::Temporal(right)) => left == right,
                // Its ends nest no further.
                (Value::Range(left), Value::Range(right)) => left == right,
                (Value::Function(left), Value::Function(right)) => Arc::ptr_eq(left, right),
                (Value::List(left), Value::List(right)) => {
                    if !Arc::ptr_eq(left, right) && left.len() == right.len() {
                        pending.extend(left.iter().zip(right.iter()));
                    }
                    left.len() == right.len()
                }
                (Value::Context(left), Value::Context(right)) => {
                    let same_names = left.len() == right.len() && left.keys().eq(right.keys());
                    if same_names && !Arc::ptr_eq(left, right) {
                        pending.extend(left.values().zip(right.values()));
                    }
                    same_names
                }
                _ => false,
            };
            if !equal {
                return false;
            }
        }
        true
    }
}

impl Eq for Value {}

/// JSON text, cut off below [`MAX_NESTING`] levels.
impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.to_json())
    }
}

macro_rules! value_from {
    ($($from:ty, $name:ident => $value:expr;)*) => {
        $(impl From<$from> for Value {
            fn from($name: $from) -> Value {
                $value
            }
        })*
    };
}

value_from! {
    bool, value => Value::Boolean(value);
    Number, value => Value::Number(value);
    i64, value => Value::Number(value.into());
    u64, value => Value::Number(value.into());
    i32, value => Value::Number(value.into());
    usize, value => Value::Number(value.into());
    &str, value => Value::String(value.into());
    String, value => Value::String(value.into());
    Arc<str>, value => Value::String(value);
    Vec<Value>, value => Value::list(value);
    Entries, value => Value::context(value);
    Temporal, value => Value::Temporal(Arc::new(value));
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

/// JSON as such where the format is made for people, a string of JSON elsewhere.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let json = self.to_json();
        if serializer.is_human_readable() { json.serialize(serializer) } else { serializer.serialize_str(&json.to_string()) }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
        if deserializer.is_human_readable() {
            return Ok(Value::from_json(&serde_json::Value::deserialize(deserializer)?));
        }
        Value::from_json_text(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

fn from_json_within(json: &serde_json::Value, levels: usize) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => Value::Boolean(*value),
        // Numbers of a JSON document are 64-bit integers or finite floats, which all are within the range.
        serde_json::Value::Number(number) => {
            let double = number.is_f64().then_some(NumberType::Double);
            Value::from(number.to_string().parse::<Number>().ok().map(|number| number.with_type(double)))
        }
        serde_json::Value::String(text) => Value::from(text.as_str()),
        _ if levels == 0 => Value::Null,
        serde_json::Value::Array(items) => Value::list(items.iter().map(|item| from_json_within(item, levels - 1)).collect()),
        serde_json::Value::Object(entries) => {
            Value::context(entries.iter().map(|(name, value)| (name.clone(), from_json_within(value, levels - 1))).collect())
        }
    }
}

fn json_nests_deeper(json: &serde_json::Value, levels: usize) -> bool {
    match json {
        serde_json::Value::Array(_) | serde_json::Value::Object(_) if levels == 0 => true,
        serde_json::Value::Array(items) => items.iter().any(|item| json_nests_deeper(item, levels - 1)),
        serde_json::Value::Object(entries) => entries.values().any(|value| json_nests_deeper(value, levels - 1)),
        _ => false,
    }
}

fn to_json_within(value: &Value, levels: usize) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Boolean(value) => serde_json::Value::Bool(*value),
        Value::Number(number) => number_to_json(*number),
        Value::String(text) => serde_json::Value::String(text.to_string()),
        Value::Temporal(temporal) => serde_json::Value::String(temporal.stored_text()),
        Value::Range(_) | Value::Function(_) => serde_json::Value::Null,
        _ if levels == 0 => serde_json::Value::Null,
        Value::List(items) => items.iter().map(|item| to_json_within(item, levels - 1)).collect(),
        Value::Context(entries) => {
            let entries = entries.iter().map(|(name, value)| (name.clone(), to_json_within(value, levels - 1)));
            serde_json::Value::Object(entries.collect())
        }
    }
}

fn number_to_json(number: Number) -> serde_json::Value {
    if number.known_as() == Some(NumberType::Double) {
        return number.to_f64().into();
    }
    if let Some(integer) = number.to_i64() {
        return integer.into();
    }
    if let Some(integer) = number.to_u64() {
        return integer.into();
    }
    number.to_f64().into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::Null, |inner, level| {
            if level % 2 == 0 { Value::list(vec![inner]) } else { Value::context([("a".to_owned(), inner)].into()) }
        })
    }

    #[test]
    fn json_there_and_back() {
        for json in [
            json!(null),
            json!(true),
            json!(0),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(0.1),
            json!(f64::MAX),
            json!(-1.5e-300),
            json!("täxt"),
            json!([1, [2, {"b": null, "a": [false]}], {}]),
        ] {
            assert_eq!(Value::from_json(&json).to_json(), json);
        }
    }

    #[test]
    fn a_float_without_a_fraction_stays_a_float_and_equals_the_integer() {
        assert_eq!(Value::from_json(&json!([2.0, 2])).to_json(), json!([2.0, 2]));
        assert_eq!(Value::from_json(&json!(2.0)), Value::from(2));
    }

    #[test]
    fn text_that_is_not_json_or_too_deep_is_refused() {
        assert!(matches!(Value::from_json_text("{"), Err(Error::Json(_))));
        assert!(matches!(Value::from_json_text(&"[".repeat(100_000)), Err(Error::Json(_))));
        let levels = |count: usize| format!("{}{}", "[".repeat(count), "]".repeat(count));
        assert_eq!(Value::from_json_text(&levels(MAX_NESTING + 1)), Err(Error::Nesting));
        let deepest = Value::from_json_text(&levels(MAX_NESTING)).expect("within the bound");
        assert_eq!(deepest.to_json().to_string(), levels(MAX_NESTING));
    }

    #[test]
    fn any_depth_can_be_dropped_compared_printed_and_converted() {
        let (left, right) = (nested(100_000), nested(100_000));
        assert!(left == right);
        assert!(left != nested(100_001));
        assert!(format!("{left:?}").len() < 1000);
        assert_eq!(left.to_json(), nested(100_000).to_json());
        let shared = left.clone();
        drop(left);
        assert!(shared == right);
    }

    #[test]
    fn serialised_for_people_and_for_machines() {
        let value = Value::from_json(&json!({"a": [1, null, "x"]}));
        let text = serde_json::to_string(&value).expect("serialises");
        assert_eq!(text, r#"{"a":[1,null,"x"]}"#);
        assert_eq!(serde_json::from_str::<Value>(&text).expect("reads"), value);
    }

    #[test]
    fn a_value_is_small() {
        assert!(size_of::<Value>() <= 48);
    }
}
