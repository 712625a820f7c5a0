//! Components, as they are looked at when they are deployed.
#![no_main]

#[path = "../../host/wasm/tests/common/property.rs"]
mod property;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| property::component(bytes));
