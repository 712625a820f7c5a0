//! ISO 8601 dates, durations and repeating intervals, and cron expressions.
#![no_main]

#[path = "../../bpmn/model/tests/model/property.rs"]
mod property;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| property::moment(text));
