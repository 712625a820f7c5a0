//! ISO 8601 dates and durations.
#![no_main]

#[path = "../../bpmn/model/tests/common/property.rs"]
mod property;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| property::moment(text));
