//! JSON bodies of the REST API: starts, messages, variables.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| mandate_http::fuzzing::body(bytes));
