//! What holds of any text that is read as an expression: for the tests beside it, and for the fuzz targets.

use mandate_feel::{Expression, Limits, ParseError, Value};

/// Fewer steps than by default, so that thousands of expressions stay quick.
pub(crate) const LIMITS: Limits = Limits { steps: 20_000, depth: Limits::DEPTH, string_bytes: 10_000, list_items: 1_000 };

/// Variables of every kind, under names of one letter.
pub(crate) fn scope() -> Value {
    Value::from_json_text(
        r#"{"a": 1, "b": "text", "c": {"a": [1, 2, {"b": null}], "d": 2.5}, "d": [3, 1, 2], "e": null, "f": true, "g": -1e300,
            "h": "2026-10-25T02:30:00+01:00[Europe/Berlin]", "now()": "2026-11-20T10:30:00.000+0000"}"#,
    )
    .expect("JSON")
}

/// A value or an error, within the limits; never a panic, an overflow of the stack, or a hang.
pub(crate) fn holds(parse: fn(&str) -> Result<Expression, ParseError>, text: &str) {
    match parse(text) {
        Ok(expression) => {
            assert_eq!(expression.source(), text);
            expression.names();
            if let Ok(outcome) = expression.evaluate(&scope(), &LIMITS) {
                // What comes out is what comes back from storage.
                assert_eq!(Value::from_json(&outcome.value.to_json()), outcome.value, "{text}");
                // The same text, the same value.
                let again = parse(text).expect("it was read before").evaluate(&scope(), &LIMITS);
                assert_eq!(again.map(|again| again.value), Ok(outcome.value), "{text}");
            }
        }
        Err(ParseError { offset, .. }) => assert!(text.is_char_boundary(offset), "{text:?} at {offset}"),
    }
}
