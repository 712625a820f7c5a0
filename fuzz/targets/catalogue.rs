//! The operator's catalogue.
#![no_main]

#[path = "../../host/commands/tests/commands/property.rs"]
mod property;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| property::catalogue(text));
