//! The processes that ship, each with golden traces: what a reader learns the semantics from, and what a change of the engine or of a model
//! must not change unseen.

use expect_test::Expect;

use crate::testing::check_definition;

mod fallout_repair;
mod line_fulfillment;
mod order_cancellation;
mod order_fulfillment;
mod quote_approval;

fn check(file: &str, script: &str, expect: Expect) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../processes").join(file);
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let parsed = mandate_model::parse(file, &bytes).unwrap_or_else(|diagnostics| panic!("{diagnostics:#?}"));
    check_definition(&parsed.processes[0], script, expect);
}
