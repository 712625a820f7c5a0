//! A bundle's `mandate.toml`.
#![no_main]

#[path = "../../host/runtime/tests/runtime/property.rs"]
mod property;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| property::manifest(bytes));
