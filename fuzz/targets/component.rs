//! Components, as they are looked at when they are deployed.
#![no_main]

#[path = "../../host/wasm/tests/common/property.rs"]
mod property;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mandate_wasm::{Compiler, Config, Sandbox};

/// Compiles nothing: a component is looked at before.
static SANDBOX: LazyLock<(tempfile::TempDir, Sandbox)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let sandbox = Sandbox::new(Config::new(folder.path(), Compiler::InProcess)).expect("a sandbox");
    (folder, sandbox)
});

fuzz_target!(|bytes: &[u8]| property::component(&SANDBOX.1, bytes));
