//! Process variables: typed JSON text.
//!
//! A value stays the text it came as, so that a variable goes from a client to the store to a delegate without being parsed;
//! only an expression that reads it parses it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Variables by name.
pub type Variables = BTreeMap<String, Variable>;

/// The largest JSON text of one variable: variables hold identifiers, flags and small results; aggregates belong to the domain.
pub const MAX_VARIABLE_BYTES: usize = 64 * 1024;

/// The largest sum of all variables' names and texts of one instance.
pub const MAX_INSTANCE_BYTES: usize = 1024 * 1024;

/// A value with Camunda's name for its type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// Camunda's type.
    pub kind: VariableKind,
    /// The value as JSON text: always one valid JSON value.
    pub json: Arc<str>,
}

/// Camunda 7's value types, as far as they can hold JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum VariableKind {
    /// No value.
    Null,
    /// Text.
    String,
    /// 32 bits.
    Integer,
    /// 64 bits.
    Long,
    /// A binary floating-point number.
    Double,
    /// True or false.
    Boolean,
    /// A date and time, as ISO 8601 text.
    Date,
    /// Structured data: any JSON.
    Json,
}

impl Variable {
    /// A variable of a parsed JSON value, with the type Camunda would infer.
    pub fn from_json(value: &serde_json::Value) -> Self {
        let kind = match value {
            serde_json::Value::Null => VariableKind::Null,
            serde_json::Value::Bool(_) => VariableKind::Boolean,
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(integer) if i32::try_from(integer).is_ok() => VariableKind::Integer,
                Some(_) => VariableKind::Long,
                None => VariableKind::Double,
            },
            serde_json::Value::String(_) => VariableKind::String,
            serde_json::Value::Array(_) | serde_json::Value::Object(_) => VariableKind::Json,
        };
        Self { kind, json: value.to_string().into() }
    }

    /// The value, parsed.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::from_str(&self.json).expect("a variable's text is valid JSON by construction")
    }
}
