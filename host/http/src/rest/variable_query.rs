//! Conditions on variables in filters: `name_operator_value` separated by commas in a query string, where values are texts as in Camunda,
//! and `{"name", "operator", "value"}` in a body.

use mandate_runtime::query::{Comparison, IgnoringCase, Operand, VariableCondition};
use serde_json::Value;

use crate::query_params::{Fields, check_pattern};
use crate::{App, Error, date};

/// Camunda's names of the operators.
const OPERATORS: &[(&str, Comparison)] = &[
    ("eq", Comparison::Equal),
    ("neq", Comparison::NotEqual),
    ("gteq", Comparison::GreaterOrEqual),
    ("gt", Comparison::Greater),
    ("lteq", Comparison::LessOrEqual),
    ("lt", Comparison::Less),
    ("notLike", Comparison::NotLike),
    ("like", Comparison::Like),
];

/// The most conditions on variables of one filter: each is a look at other rows, and SQLite takes no expression that is a thousand deep.
const MAX_CONDITIONS: usize = 100;

/// Takes where a filter's conditions on variables ignore case.
pub(super) fn ignoring_case(fields: &mut Fields) -> Result<IgnoringCase, Error> {
    Ok(IgnoringCase { name: fields.flag("variableNamesIgnoreCase")?, text: fields.flag("variableValuesIgnoreCase")? })
}

/// Takes the conditions of a filter. Refused on a host whose history keeps no variables: there are no rows to look at.
pub(super) fn conditions(fields: &mut Fields, name: &str, ignoring_case: IgnoringCase) -> Result<Vec<VariableCondition>, Error> {
    let with_case = |condition| VariableCondition { ignoring_case, ..condition };
    let wrong =
        |value: &Value| Error::Invalid(format!("'{name}': {value} is no condition on a variable; in a query string write name_eq_value"));
    let few = |count: usize| {
        if count > MAX_CONDITIONS {
            return Err(Error::Invalid(format!("'{name}' has {count} conditions; at most {MAX_CONDITIONS} are allowed")));
        }
        Ok(())
    };
    let conditions: Vec<_> = match fields.json(name) {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => {
            few(text.split(',').count())?;
            text.split(',').map(|part| of_text(part).map(with_case).ok_or_else(|| wrong(&Value::from(part)))).collect()
        }
        Some(Value::Array(items)) => {
            few(items.len())?;
            items.iter().map(|item| of_object(item).ok_or_else(|| wrong(item))?.map(with_case)).collect()
        }
        Some(other) => Err(wrong(&other)),
    }?;
    for VariableCondition { name, comparison, operand, .. } in &conditions {
        if let Operand::Text(pattern) = operand
            && is_like(*comparison)
        {
            check_pattern(&format!("what the variable '{}' is to be like", name.as_deref().unwrap_or_default()), pattern)?;
        }
    }
    Ok(conditions)
}

/// Refuses a filter by variables, if there is one, where nothing could be found.
pub(super) fn check(app: &App, asked: bool) -> Result<(), Error> {
    if asked { check_kept(app) } else { Ok(()) }
}

/// Refuses to look for variables where none are kept.
pub(super) fn check_kept(app: &App) -> Result<(), Error> {
    if !app.runtime.reads().keeps_variables() {
        return Err(Error::Invalid("this host's history keeps no variables: they cannot be listed or asked for".to_owned()));
    }
    Ok(())
}

/// A value may hold anything but a comma, a name anything before the operator.
fn of_text(part: &str) -> Option<VariableCondition> {
    let split = |(operator, comparison): &(&str, Comparison)| {
        let (name, value) = part.split_once(&format!("_{operator}_"))?;
        Some((name.len(), condition(name, *comparison, operand_of(value, *comparison))))
    };
    // The first operator in the text counts.
    OPERATORS.iter().filter_map(split).min_by_key(|(at, _)| *at).map(|(_, condition)| condition).filter(|it| it.name.as_deref() != Some(""))
}

/// A text, which names a moment if it has the form of a Date (`ConditionQueryParameterDto.resolveValue`); patterns are texts.
fn operand_of(text: &str, comparison: Comparison) -> Operand {
    let text = text.to_owned();
    match date::parse(&text) {
        Ok(moment) if !is_like(comparison) => Operand::Moment { stored: date::stored(moment), text },
        _ => Operand::Text(text),
    }
}

fn is_like(comparison: Comparison) -> bool {
    matches!(comparison, Comparison::Like | Comparison::NotLike)
}

fn of_object(item: &Value) -> Option<Result<VariableCondition, Error>> {
    let (name, operator) = (item["name"].as_str()?, item["operator"].as_str()?);
    let (_, comparison) = OPERATORS.iter().find(|(known, _)| *known == operator)?;
    let operand = operand(&item["value"], *comparison);
    let equality = matches!(comparison, Comparison::Equal | Comparison::NotEqual);
    let fits = match operand {
        Operand::Text(_) | Operand::Moment { .. } => true,
        Operand::Number(_) => !is_like(*comparison),
        Operand::Json(_) => equality,
    };
    if !fits {
        return Some(Err(Error::Invalid(format!("variable '{name}' cannot be compared by '{operator}' with {}", item["value"]))));
    }
    Some(Ok(condition(name, *comparison, operand)))
}

fn condition(name: &str, comparison: Comparison, operand: Operand) -> VariableCondition {
    VariableCondition { name: Some(name.to_owned()), comparison, operand, ignoring_case: IgnoringCase::default() }
}

/// Takes the value that a variable of this name is to have, of a filter for variables themselves. As in Camunda it needs the name.
pub(super) fn value(fields: &mut Fields, name: Option<&str>, ignoring_case: IgnoringCase) -> Result<Option<VariableCondition>, Error> {
    let Some(value) = fields.json("variableValue") else { return Ok(None) };
    let Some(name) = name else {
        let text = "Only a single variable value parameter specified: variable name and value are required to be able to query after a specific variable value.";
        return Err(Error::Invalid(text.to_owned()));
    };
    let condition = condition(name, Comparison::Equal, operand(&value, Comparison::Equal));
    Ok(Some(VariableCondition { ignoring_case, ..condition }))
}

/// What a value of a body is compared as.
fn operand(value: &Value, comparison: Comparison) -> Operand {
    match value {
        Value::String(text) => operand_of(text, comparison),
        Value::Number(number) => Operand::Number(number.to_string()),
        other => Operand::Json(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(fields: Fields) -> Result<Vec<VariableCondition>, String> {
        let mut fields = fields;
        let case = ignoring_case(&mut fields).expect("flags");
        conditions(&mut fields, "variables", case).map_err(|error| error.to_string())
    }

    #[test]
    fn query_strings_have_texts_and_bodies_have_values() {
        let query = Fields::of_query(vec![("variables".into(), "a_eq_1,b_c_gteq_x_lt_y".into())]).expect("fields");
        let (text, number) = (|text: &str| Operand::Text(text.to_owned()), |text: &str| Operand::Number(text.to_owned()));
        let expected = vec![condition("a", Comparison::Equal, text("1")), condition("b_c", Comparison::GreaterOrEqual, text("x_lt_y"))];
        assert_eq!(read(query), Ok(expected));
        let body = json!({"variables": [{"name": "a", "operator": "lt", "value": 1.5}, {"name": "b", "operator": "neq", "value": true}]});
        let body = Fields::of_body(body.to_string().as_bytes()).expect("fields");
        let expected =
            vec![condition("a", Comparison::Less, number("1.5")), condition("b", Comparison::NotEqual, Operand::Json("true".into()))];
        assert_eq!(read(body), Ok(expected));
    }

    #[test]
    fn dates_are_compared_as_moments() {
        let text = "2026-01-02T05:04:05.000+0200";
        let moment = Operand::Moment { text: text.to_owned(), stored: "2026-01-02T03:04:05.000Z".to_owned() };
        let query = Fields::of_query(vec![("variables".into(), format!("at_lteq_{text}"))]).expect("fields");
        assert_eq!(read(query), Ok(vec![condition("at", Comparison::LessOrEqual, moment)]));
        let query = Fields::of_query(vec![("variables".into(), format!("at_like_{text}"))]).expect("fields");
        assert_eq!(read(query), Ok(vec![condition("at", Comparison::Like, Operand::Text(text.to_owned()))]));
    }

    #[test]
    fn what_compares_nothing_is_refused() {
        for text in ["a", "a_is_1", "_eq_1"] {
            let query = Fields::of_query(vec![("variables".into(), text.into())]).expect("fields");
            assert!(read(query).expect_err("refused").contains("name_eq_value"), "{text}");
        }
        let body = json!({"variables": [{"name": "a", "operator": "like", "value": 1}]});
        assert!(read(Fields::of_body(body.to_string().as_bytes()).expect("fields")).expect_err("refused").contains("compared"));
        for (pattern, why) in [("a\\".to_owned(), "backslash"), ("a".repeat(50_001), "at most 50000")] {
            let body = json!({"variables": [{"name": "a", "operator": "notLike", "value": pattern}]});
            assert!(read(Fields::of_body(body.to_string().as_bytes()).expect("fields")).expect_err("refused").contains(why));
        }
    }
}
