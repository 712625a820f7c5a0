//! The two places through which the tables of tests go.

use mandate_feel::{Evaluated, Expression, Limits, Value};

/// Compiles and evaluates with the entries of a JSON object as variables.
#[track_caller]
pub(crate) fn run(source: &str, scope: &str) -> Result<Evaluated, mandate_feel::Error> {
    let scope = Value::from_json_text(scope).unwrap_or_else(|error| panic!("{scope}: {error}"));
    let expression = Expression::parse(source).unwrap_or_else(|error| panic!("{source}: {error} at {} ({:?})", error.offset, error.help));
    expression.evaluate(&scope, &Limits::default())
}

/// An expression, its variables, and the value it must have.
#[track_caller]
pub(crate) fn check(source: &str, scope: &str, expect: &str) {
    let expect = Value::from_json_text(expect).unwrap_or_else(|error| panic!("{expect}: {error}"));
    match run(source, scope) {
        Ok(outcome) => assert_eq!(outcome.value, expect, "{source} with {scope}; reasons: {:?}", outcome.null_reasons),
        Err(error) => panic!("{source} with {scope}: {error}"),
    }
}
