//! What the README says is supported is what the parser's table says. `UPDATE_EXPECT=1` writes it anew.

use std::path::Path;

const BEGIN: &str = "<!-- Generated: UPDATE_EXPECT=1 cargo test -p mandate-model --test model readme -->\n";
const END: &str = "<!-- End of what is generated -->\n";

#[test]
fn table_in_the_readme_is_the_parsers() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).expect("the README has a place for the table");
    let (_, after) = rest.split_once(END).expect("the table in the README has an end");
    expect_test::expect_file![path].assert_eq(&format!("{before}{BEGIN}{}{END}{after}", mandate_model::supported_table()));
}
