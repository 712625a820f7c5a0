//! Variables on the wire: `{"value", "type", "valueInfo"}`.

use mandate_runtime::engine::{Variable, VariableKind, Variables};
use mandate_runtime::variable_type;
use serde_json::{Map, Value, json};

use crate::Error;
use crate::date;
use crate::query_params::MAX_TEXT_CHARS;

/// Types of Camunda's that hold what an instance may not hold here, and what to do instead.
const UNSUPPORTED: &[(&str, &str)] = &[
    ("object", "serialised Java objects mean nothing here: send type Json"),
    ("file", "files belong to the domain: store the file there and its id in a variable"),
    ("bytes", "bytes belong to the domain: store them there and an id in a variable"),
    ("xml", "send type String"),
    ("short", "send type Integer"),
    ("float", "send type Double"),
];

/// Refuses a value that comes as an upload.
pub(crate) fn no_binary(name: &str) -> Error {
    let help =
        "files and bytes belong to the domain: store them there and an id in a variable; JSON is sent as type Json in the body of a PUT";
    refused(name, format!("uploaded values (File, Bytes, Object) are not supported: {help}"))
}

/// The deepest nesting of a Json value: what the engine lets an expression see.
const MAX_DEPTH: usize = mandate_runtime::engine::limits::MAX_JSON_DEPTH;

/// Reads a map of variables that are to be stored.
pub(crate) fn read_all(map: Map<String, Value>) -> Result<Variables, Error> {
    let variables = read_also_transient(map)?;
    check_stored(&variables).map(|()| variables)
}

/// Refuses variables of which one is there for one unit of work only.
pub(crate) fn check_stored(variables: &Variables) -> Result<(), Error> {
    match variables.iter().find(|(_, variable)| variable.transient) {
        Some((name, _)) => Err(not_transient(name)),
        None => Ok(()),
    }
}

/// Reads a map of variables, of which some may be there for one unit of work only. Explicit nulls among them are no variables at all.
pub(crate) fn read_also_transient(map: Map<String, Value>) -> Result<Variables, Error> {
    let mut variables = Variables::new();
    for (name, dto) in map {
        if dto.is_null() {
            continue;
        }
        check_name(&name)?;
        let variable = typed(&name, dto)?;
        variables.insert(name, variable);
    }
    Ok(variables)
}

/// Refuses names that no model could use.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    if name.is_empty() || name.chars().count() > MAX_TEXT_CHARS {
        return Err(Error::Invalid(format!("a variable's name has 1 to {MAX_TEXT_CHARS} characters")));
    }
    Ok(())
}

/// Reads one variable that is to be stored.
pub(crate) fn read(name: &str, dto: Value) -> Result<Variable, Error> {
    let variable = typed(name, dto)?;
    if variable.transient { Err(not_transient(name)) } else { Ok(variable) }
}

/// What begins no unit of work that the variable could be there for, or stores it on the way to one.
fn not_transient(name: &str) -> Error {
    refused(name, "it is transient: it would be stored here, or be gone before anything sees it".to_owned())
}

/// Types come in any case, missing, or null; without one the type is inferred from the value.
fn typed(name: &str, dto: Value) -> Result<Variable, Error> {
    let Value::Object(mut dto) = dto else {
        return Err(refused(name, "write {\"value\": …, \"type\": …}".to_owned()));
    };
    let value = dto.remove("value").unwrap_or(Value::Null);
    let kind = dto.remove("type").unwrap_or(Value::Null);
    // Else nothing in it concerns the types that are supported: file names and serialisation formats.
    let info = match dto.remove("valueInfo") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(info)) => info,
        Some(_) => return Err(refused(name, "its valueInfo is no object".to_owned())),
    };
    let transient = match info.get("transient") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(transient)) => *transient,
        Some(_) => return Err(refused(name, "valueInfo.transient is neither true nor false".to_owned())),
    };
    if let Some(unknown) = dto.keys().next() {
        return Err(refused(name, format!("it has an unknown field '{unknown}'")));
    }
    let variable = match kind {
        Value::Null => infer(name, &value)?,
        Value::String(kind) => of_type(name, &kind.to_ascii_lowercase(), value)?,
        _ => return Err(refused(name, "its type is not a text".to_owned())),
    };
    Ok(Variable { transient, ..variable })
}

fn of_type(name: &str, kind: &str, value: Value) -> Result<Variable, Error> {
    match kind {
        "null" if value.is_null() => Ok(null(VariableKind::Null)),
        "null" => Err(refused(name, "its type is Null and its value is not null".to_owned())),
        "string" => primitive(name, VariableKind::String, &value, as_text),
        "boolean" => primitive(name, VariableKind::Boolean, &value, as_boolean),
        "integer" => primitive(name, VariableKind::Integer, &value, |value| {
            as_integer(value).filter(|number| i32::try_from(*number).is_ok()).map(Value::from)
        }),
        "long" => primitive(name, VariableKind::Long, &value, |value| as_integer(value).map(Value::from)),
        "double" => primitive(name, VariableKind::Double, &value, |value| as_double(value).map(Value::from)),
        "date" => match &value {
            value if value.is_null() || is_blank(value) => Ok(null(VariableKind::Date)),
            Value::String(text) => {
                let moment = date::parse(text).map_err(|reason| refused(name, reason))?;
                Ok(Variable::new(VariableKind::Date, Value::from(date::stored(moment)).to_string()))
            }
            _ => Err(refused(name, "a Date is written as 2026-11-20T10:00:00.000+0000".to_owned())),
        },
        "json" => read_json(name, value),
        other => {
            let found = UNSUPPORTED.iter().find(|(kind, _)| *kind == other);
            let help = found.map_or("supported are String, Integer, Long, Double, Boolean, Date, Json and Null", |(_, help)| help);
            Err(refused(name, format!("its type '{other}' is not supported: {help}")))
        }
    }
}

/// A `Json` value is a text that holds JSON, as Camunda's clients send it, or the JSON itself.
fn read_json(name: &str, value: Value) -> Result<Variable, Error> {
    let json = match value {
        Value::Null => return Ok(null(VariableKind::Json)),
        Value::String(text) => {
            let parsed: Value =
                serde_json::from_str(&text).map_err(|error| refused(name, format!("its value is not a JSON text: {error}")))?;
            check_depth(name, &parsed)?;
            text
        }
        other => {
            check_depth(name, &other)?;
            other.to_string()
        }
    };
    Ok(Variable::new(VariableKind::Json, json))
}

fn infer(name: &str, value: &Value) -> Result<Variable, Error> {
    check_depth(name, value)?;
    Ok(Variable::from_json(value))
}

fn check_depth(name: &str, value: &Value) -> Result<(), Error> {
    if nests_within(value, MAX_DEPTH) { Ok(()) } else { Err(refused(name, format!("its value is nested deeper than {MAX_DEPTH}"))) }
}

fn nests_within(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(items) => depth > 0 && items.iter().all(|item| nests_within(item, depth - 1)),
        Value::Object(entries) => depth > 0 && entries.values().all(|entry| nests_within(entry, depth - 1)),
        _ => true,
    }
}

/// A primitive value; null keeps the type it was given, as Camunda's typed nulls do. An empty text is one, but where it is a text.
fn primitive(name: &str, kind: VariableKind, value: &Value, convert: impl Fn(&Value) -> Option<Value>) -> Result<Variable, Error> {
    if value.is_null() || (kind != VariableKind::String && is_blank(value)) {
        return Ok(null(kind));
    }
    let converted = convert(value).ok_or_else(|| refused(name, format!("its value cannot be converted to {}", variable_type(kind))))?;
    Ok(Variable::new(kind, converted.to_string()))
}

fn null(kind: VariableKind) -> Variable {
    Variable::new(kind, "null")
}

/// What fields of forms hold that nobody has filled: Camunda's Jackson reads it as null.
fn is_blank(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.trim().is_empty())
}

/// Like Camunda (`VariableValueDto.toTypedValue`), which reads the value's text as the type it is to have.
fn as_text(value: &Value) -> Option<Value> {
    match value {
        Value::String(_) => Some(value.clone()),
        Value::Number(number) => Some(Value::from(number.to_string())),
        Value::Bool(flag) => Some(Value::from(flag.to_string())),
        _ => None,
    }
}

fn as_boolean(value: &Value) -> Option<Value> {
    match value {
        Value::Bool(_) => Some(value.clone()),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(Value::from(true)),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(Value::from(false)),
        _ => None,
    }
}

fn as_integer(value: &Value) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn as_double(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    // JSON has no infinities and no NaN.
    number.filter(|number| number.is_finite())
}

fn refused(name: &str, reason: String) -> Error {
    Error::Invalid(format!("variable '{name}' cannot be used: {reason}"))
}

/// Writes a map of variables.
pub(crate) fn write_all(variables: &Variables) -> Value {
    Value::Object(variables.iter().map(|(name, variable)| (name.clone(), write(variable))).collect())
}

/// A value of history, by the name of its type, as [`write`] writes values.
pub(crate) fn shown(kind: &str, json: &str) -> Value {
    let kind = KINDS.into_iter().find(|known| variable_type(*known) == kind).unwrap_or(VariableKind::Json);
    write(&Variable::new(kind, json))["value"].take()
}

/// The name of a type as it is stored, however its letters are written: Camunda's filters do not tell them apart.
pub(crate) fn stored_type(name: &str) -> String {
    let known = KINDS.into_iter().map(variable_type).find(|known| known.eq_ignore_ascii_case(name));
    known.unwrap_or(name).to_owned()
}

const KINDS: [VariableKind; 8] = [
    VariableKind::Null,
    VariableKind::String,
    VariableKind::Integer,
    VariableKind::Long,
    VariableKind::Double,
    VariableKind::Boolean,
    VariableKind::Date,
    VariableKind::Json,
];

/// Writes one variable: its type capitalised, a Json value as the text that holds it.
pub(crate) fn write(variable: &Variable) -> Value {
    let value = variable.to_json();
    let value = match variable.kind {
        VariableKind::Json if !value.is_null() => Value::from(&*variable.json),
        VariableKind::Date => match value.as_str().map(date::parse) {
            Some(Ok(moment)) => Value::from(date::print(moment)),
            // A delegate may have written something that is no date; better shown as it is than hidden.
            _ => value,
        },
        _ => value,
    };
    json!({"type": variable_type(variable.kind), "value": value, "valueInfo": {}})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(dto: Value) -> Result<(Value, Value), String> {
        let variable = read("x", dto).map_err(|error| error.to_string())?;
        let written = write(&variable);
        Ok((written["type"].clone(), written["value"].clone()))
    }

    #[test]
    fn types_come_in_any_case_or_not_at_all() {
        let cases = [
            (json!({"value": "a", "type": "string"}), "String", json!("a")),
            (json!({"value": "a", "type": "STRING", "valueInfo": null}), "String", json!("a")),
            (json!({"value": "a", "valueInfo": {"transient": false}}), "String", json!("a")),
            (json!({"value": 1}), "Integer", json!(1)),
            (json!({"value": 1, "type": null}), "Integer", json!(1)),
            (json!({"value": 5_000_000_000_i64}), "Long", json!(5_000_000_000_i64)),
            (json!({"value": 1.5}), "Double", json!(1.5)),
            (json!({"value": true}), "Boolean", json!(true)),
            (json!({"value": null}), "Null", json!(null)),
            (json!({}), "Null", json!(null)),
            (json!({"value": {"a": [1]}}), "Json", json!("{\"a\":[1]}")),
            (json!({"value": "{\"a\": [1]}", "type": "Json"}), "Json", json!("{\"a\": [1]}")),
            (json!({"value": null, "type": "Json"}), "Json", json!(null)),
            (json!({"value": "7", "type": "Integer"}), "Integer", json!(7)),
            (json!({"value": 7, "type": "String"}), "String", json!("7")),
            (json!({"value": 7, "type": "double"}), "Double", json!(7.0)),
            (json!({"value": null, "type": "Long"}), "Long", json!(null)),
            (json!({"value": " ", "type": "Long"}), "Long", json!(null)),
            (json!({"value": "", "type": "Date"}), "Date", json!(null)),
            (json!({"value": "", "type": "String"}), "String", json!("")),
            (json!({"value": false, "type": "String"}), "String", json!("false")),
            (json!({"value": "1970-01-01T00:00:00.000+0000", "type": "date"}), "Date", json!("1970-01-01T00:00:00.000+0000")),
            (json!({"value": "1970-01-01T01:00:00+01:00", "type": "Date"}), "Date", json!("1970-01-01T00:00:00.000+0000")),
        ];
        for (dto, kind, value) in cases {
            assert_eq!(round_trip(dto.clone()), Ok((json!(kind), value)), "{dto}");
        }
    }

    #[test]
    fn what_cannot_be_held_is_refused_by_name() {
        let cases = [
            (json!({"value": 3_000_000_000_i64, "type": "Integer"}), "Integer"),
            (json!({"value": 1.5, "type": "Integer"}), "Integer"),
            (json!({"value": 1e300, "type": "Long"}), "Long"),
            (json!({"value": "NaN", "type": "Double"}), "Double"),
            (json!({"value": "x", "type": "Boolean"}), "Boolean"),
            (json!({"value": "yesterday", "type": "Date"}), "ISO 8601"),
            (json!({"value": "{", "type": "Json"}), "JSON"),
            (json!({"value": "rO0", "type": "Object"}), "Json"),
            (json!({"value": "", "type": "File"}), "file"),
            (json!({"value": "", "type": "Bytes"}), "bytes"),
            (json!({"value": "", "type": "Wibble"}), "wibble"),
            (json!({"value": 1, "type": "Null"}), "Null"),
            (json!({"value": 1, "type": 5}), "type"),
            (json!({"value": 1, "tpye": "Integer"}), "tpye"),
            (json!({"value": "secret", "type": "String", "valueInfo": {"transient": true}}), "transient"),
            (json!({"value": "secret", "type": "String", "valueInfo": {"transient": "true"}}), "neither true nor false"),
            (json!("bare"), "value"),
        ];
        for (dto, expected) in cases {
            let error = round_trip(dto.clone()).expect_err("refused");
            assert!(error.contains(expected) && error.contains("'x'"), "{dto}: {error}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = format!("{}1{}", "[".repeat(MAX_DEPTH + 1), "]".repeat(MAX_DEPTH + 1));
        assert!(round_trip(json!({"value": deep, "type": "Json"})).is_err());
        let fits = format!("{}1{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(round_trip(json!({"value": fits, "type": "Json"})).is_ok());
    }
}
