//! BPMN XML.
#![no_main]

#[path = "../../bpmn/model/tests/model/property.rs"]
mod property;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| property::model(bytes));
