//! FEEL, evaluated where it can be read.
#![no_main]

#[path = "../../bpmn/feel/tests/expressions/property.rs"]
mod property;

use libfuzzer_sys::fuzz_target;
use mandate_feel::Expression;

fuzz_target!(|text: &str| property::holds(Expression::parse_feel, text));
