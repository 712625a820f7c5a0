//! What holds of any bytes that come as a JSON body: for the test below, and for the fuzz target, which is outside this crate.

use serde_json::Value;

use crate::query_params::Fields;
use crate::{Error, variable};

/// The fields of a start, a message and a change of variables that hold variables.
const VARIABLES: &[&str] = &["variables", "correlationKeys", "processVariables", "modifications"];

/// The longest refusal, in bytes: it repeats a name or a value, and both are cut.
const MAX_SAID: usize = 4 * 1024;

/// Fields that are read or refused shortly, and variables that are written as what they would be read as again.
///
/// # Panics
/// Where that does not hold.
pub fn body(bytes: &[u8]) {
    let Some(mut fields) = read(Fields::of_body(bytes)) else { return };
    for name in VARIABLES {
        if let Some(variables) = read(fields.variables(name)) {
            let Value::Object(written) = variable::write_all(&variables) else { panic!("variables are written as an object") };
            // What is written names its type, so that nothing is inferred the second time.
            let again = variable::read_all(written).unwrap_or_else(|error| panic!("{error}: {variables:?}"));
            assert_eq!(again, variables);
        }
    }
    read(fields.stored_text("businessKey"));
    read(fields.text("messageName"));
    read(fields.flag("withVariablesInReturn"));
    read(fields.texts_or_none("deletions"));
    read(fields.comparisons("startedAfter"));
    read(fields.count("retries"));
    read(fields.date("due"));
    read(fields.finish(&["businessKey"]));
}

fn read<T>(result: Result<T, Error>) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(error) => {
            let said = error.to_string();
            assert!(said.len() <= MAX_SAID, "{} bytes: {}", said.len(), said.chars().take(200).collect::<String>());
            None
        }
    }
}

#[test]
fn the_corpus_is_read_or_refused() {
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let mut count = 0;
    for entry in std::fs::read_dir(corpus).expect("the folder is there") {
        let bytes = std::fs::read(entry.expect("an entry").path()).expect("readable");
        body(&bytes);
        for end in 0..bytes.len() {
            body(&bytes[..end]);
        }
        count += 1;
    }
    assert!(count >= 3, "only {count} files");
}
