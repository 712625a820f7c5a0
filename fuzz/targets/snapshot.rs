//! The stored form of an instance.
#![no_main]

#[path = "../../bpmn/engine/tests/common/property.rs"]
mod property;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| property::snapshot(bytes));
