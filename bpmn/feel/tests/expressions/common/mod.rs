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

/// Rows of FEEL and what it must give.
pub(crate) fn table(scope: &str, rows: &[(&str, &str)]) {
    for (source, expect) in rows {
        check(&format!("= {source}"), scope, expect);
    }
}

/// Rows of FEEL that is null, and the reason for it.
pub(crate) fn nulls(scope: &str, rows: &[(&str, &str)]) {
    for (source, reason) in rows {
        let outcome = run(&format!("= {source}"), scope).unwrap_or_else(|error| panic!("{source}: {error}"));
        assert_eq!(outcome.value, Value::Null, "{source}");
        assert_eq!(outcome.null_reasons, [*reason], "{source}");
    }
}

/// Rows of texts that are no FEEL: the message, the offset in the text, and a part of the help.
pub(crate) fn refused(rows: &[(&str, &str, usize, &str)]) {
    for (source, message, offset, help) in rows {
        let error = Expression::parse_feel(source).expect_err(source);
        assert_eq!((error.message.as_str(), error.offset), (*message, *offset), "{source}");
        assert!(error.help.clone().unwrap_or_default().contains(help), "{source}: {:?}", error.help);
    }
}

/// How many steps an evaluation takes: the least limit with which it ends otherwise than by that limit.
pub(crate) fn steps(source: &str, scope: &Value) -> u32 {
    let expression = Expression::parse(source).unwrap_or_else(|error| panic!("{source}: {error} at {}", error.offset));
    let suffices = |steps: u32| {
        let outcome = expression.evaluate(scope, &Limits { steps, ..Limits::default() });
        !matches!(outcome, Err(mandate_feel::Error::StepLimit { .. }))
    };
    let (mut too_few, mut enough) = (0, 16);
    while !suffices(enough) {
        assert!(enough < Limits::STEPS, "{source} comes to the limit");
        (too_few, enough) = (enough, enough * 2);
    }
    while enough - too_few > 1 {
        let middle = too_few + (enough - too_few) / 2;
        if suffices(middle) { enough = middle } else { too_few = middle }
    }
    enough
}
