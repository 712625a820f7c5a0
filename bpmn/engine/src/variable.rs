//! Process variables: typed JSON text.
//!
//! A value stays the text it came as, so that a variable goes from a client to the store to a delegate without being parsed;
//! only an expression that reads it parses it.

use std::collections::BTreeMap;
use std::sync::Arc;

use mandate_feel::{Expression, NumberType, Value, date_text};
use mandate_model::time;
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
    /// It is there for one unit of work (Camunda 7, "Transient Variables"): the one whose input brings it. It is neither stored nor in
    /// history, and what is made of it is a variable as any other. What stores a variable by itself takes it for one that stays.
    #[serde(skip)]
    pub transient: bool,
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
    /// A variable of this type whose text is JSON.
    pub fn new(kind: VariableKind, json: impl Into<Arc<str>>) -> Self {
        Self { kind, json: json.into(), transient: false }
    }

    /// The same, as one that stays.
    pub(crate) fn into_stored(self) -> Self {
        Self { transient: false, ..self }
    }

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
        Self::new(kind, value.to_string())
    }

    /// A variable of what an expression gives, with the type that a number is known to have.
    pub fn from_value(value: &Value) -> Self {
        let long = value.as_number().is_some_and(|number| number.known_as() == Some(NumberType::Long));
        match Self::from_json(&value.to_json()) {
            variable if long && variable.kind == VariableKind::Integer => Self { kind: VariableKind::Long, ..variable },
            variable => variable,
        }
    }

    /// The same with the expression that has given the value, which says whether a text is a date; `known` are the variables that it sees.
    pub(crate) fn given_by<'v>(expression: &Expression, value: &Value, known: impl Fn(&str) -> Option<&'v Variable>) -> Self {
        let variable = Self::from_value(value);
        let is_date = |name: &str| known(name).is_none_or(|known| matches!(known.kind, VariableKind::Date | VariableKind::Null));
        let date = value.as_str().filter(|text| expression.gives_date(text, &is_date)).and_then(|text| time::due_at(text).ok());
        match date {
            Some(date) => Self::new(VariableKind::Date, serde_json::Value::from(time::rfc_3339(date)).to_string()),
            None => variable,
        }
    }

    /// What an expression sees of it: a number knows its type. A variable's text is valid JSON by construction; were it not, there would be
    /// nothing.
    pub(crate) fn to_value(&self) -> Option<Value> {
        let known_as = match self.kind {
            VariableKind::Long => Some(NumberType::Long),
            VariableKind::Double => Some(NumberType::Double),
            _ => None,
        };
        match Value::from_json_text(&self.json).ok()? {
            // A date has one form in expressions, whoever has set it.
            Value::String(ref text) if self.kind == VariableKind::Date => {
                let date = time::due_at(text).ok().and_then(date_text);
                Some(date.map_or_else(|| Value::String(text.clone()), Value::from))
            }
            Value::Number(number) if known_as.is_some() => Some(Value::Number(number.with_type(known_as))),
            value => Some(value),
        }
    }

    /// The value, parsed.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::from_str(&self.json).expect("a variable's text is valid JSON by construction")
    }
}

#[cfg(test)]
mod tests {
    use super::{Variable, VariableKind, Variables};
    use crate::testing::{Run, parse};
    use crate::{Chain, Input};

    /// What an expression in an input parameter becomes.
    fn kind_of(expression: &str) -> (VariableKind, String) {
        let definition = parse(&format!(
            "<startEvent id='s'/><userTask id='u'><extensionElements><camunda:inputOutput><camunda:inputParameter name='it'>{expression}\
             </camunda:inputParameter></camunda:inputOutput></extensionElements></userTask>{{s>u}}"
        ));
        let mut run = Run::new(&definition);
        let of = |kind, json: &str| Variable::new(kind, json);
        let variables = Variables::from([
            ("long".to_owned(), of(VariableKind::Long, "5")),
            ("double".to_owned(), of(VariableKind::Double, "10")),
            ("kept".to_owned(), of(VariableKind::Date, "\"2026-01-02T03:04:05.000Z\"")),
            ("net (EUR)".to_owned(), of(VariableKind::Double, "10")),
            ("none".to_owned(), of(VariableKind::Null, "null")),
            ("int".to_owned(), of(VariableKind::Integer, "2")),
            ("date".to_owned(), of(VariableKind::Date, "\"2026-01-02T03:04:05.000+0000\"")),
            ("json".to_owned(), of(VariableKind::Json, r#"{"b":1,"a":[2.0]}"#)),
        ]);
        let element = definition.find("s").expect("it begins there");
        run.input(Input::Start { element, variables, chain: Chain::AtOnce });
        let mut activities = run.instance.activities.values();
        let it = activities.find_map(|activity| activity.variables.get("it")).expect("the task has begun").clone();
        (it.kind, it.json.to_string())
    }

    #[test]
    fn expression_gives_its_type_to_what_it_sets() {
        let expect = |expression: &str, kind, json: &str| assert_eq!(kind_of(expression), (kind, json.to_owned()), "{expression}");
        // What only names a variable gives it as it is.
        expect("${long}", VariableKind::Long, "5");
        expect("${double}", VariableKind::Double, "10");
        expect("${int}", VariableKind::Integer, "2");
        expect("${date}", VariableKind::Date, "\"2026-01-02T03:04:05.000+0000\"");
        expect("= date", VariableKind::Date, "\"2026-01-02T03:04:05.000+0000\"");
        expect("${execution.getVariable('double')}", VariableKind::Double, "10");
        expect("${json}", VariableKind::Json, r#"{"b":1,"a":[2.0]}"#);
        // JUEL computes with Java's types.
        expect("${1}", VariableKind::Long, "1");
        expect("${1.0}", VariableKind::Double, "1.0");
        expect("${int + 1}", VariableKind::Long, "3");
        expect("${int - '1'}", VariableKind::Long, "1");
        expect("${int * 1.0}", VariableKind::Double, "2.0");
        expect("${int + double}", VariableKind::Double, "12.0");
        expect("${4 / int}", VariableKind::Double, "2.0");
        expect("${5 % int}", VariableKind::Long, "1");
        expect("${-int}", VariableKind::Integer, "-2");
        expect("${true ? double : int}", VariableKind::Double, "10.0");
        expect("${json.a[0]}", VariableKind::Double, "2.0");
        expect("v${double}", VariableKind::String, "\"v10.0\"");
        expect("${now()}", VariableKind::Date, "\"1970-01-01T00:00:00.000Z\"");
        expect("${dateTime().plusDays(1).toDate()}", VariableKind::Date, "\"1970-01-02T00:00:00.000Z\"");
        expect("${execution.getVariable('date').plusYears(1)}", VariableKind::Date, "\"2027-01-02T03:04:05.000Z\"");
        expect("${empty none ? now() : date}", VariableKind::Date, "\"1970-01-01T00:00:00.000Z\"");
        expect("${true ? date : none}", VariableKind::Date, "\"2026-01-02T03:04:05.000Z\"");
        expect("${true ? date : int}", VariableKind::String, "\"2026-01-02T03:04:05.000+0000\"");
        expect("${now().toString()}", VariableKind::String, "\"1970-01-01T00:00:00.000+0000\"");
        // A date from outside has the form that variables keep.
        expect("${kept}", VariableKind::Date, "\"2026-01-02T03:04:05.000Z\"");
        expect("${kept.plusDays(1)}", VariableKind::Date, "\"2026-01-03T03:04:05.000Z\"");
        expect("${kept == date and kept lt now().plusYears(99)}", VariableKind::Boolean, "true");
        expect("= date and time(kept) + @\"P1D\"", VariableKind::String, "\"2026-01-03T03:04:05Z\"");
        expect("${none}", VariableKind::Null, "null");
        expect("= `net (EUR)`", VariableKind::Double, "10");
        expect("${execution.getVariable('net (EUR)')}", VariableKind::Double, "10");
        // FEEL knows numbers only, and has dates of its own.
        expect("= now()", VariableKind::String, "\"1970-01-01T00:00:00Z\"");
        expect("= 1.0", VariableKind::Integer, "1");
        expect("= double * 2", VariableKind::Integer, "20");
        expect("= json.a[1]", VariableKind::Double, "2.0");
    }
}
