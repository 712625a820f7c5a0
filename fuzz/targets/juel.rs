//! What an attribute of a model may hold, JUEL templates above all, evaluated where it can be read.
#![no_main]

#[path = "../../bpmn/feel/tests/expressions/property.rs"]
mod property;

use libfuzzer_sys::fuzz_target;
use mandate_feel::Expression;

fuzz_target!(|text: &str| {
    property::holds(Expression::parse, text);
    property::holds(Expression::parse_juel, text);
});
