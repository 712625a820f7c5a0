//! What holds of any text that is read as a catalogue: for the tests beside it, and for the fuzz target.

use mandate_commands::{Catalogue, Error, Request};
use serde_json::json;

/// Every variable of the environment.
const SECRET: &str = "s3cr3t-t0k3n";

/// Commands that can be asked for everything they may be asked for, or problems that name their lines; no secret in either.
pub(crate) fn catalogue(text: &str) {
    match Catalogue::parse_with("catalogue.toml", text, |_| Some(SECRET.to_owned())) {
        Ok(catalogue) => {
            let body = json!({ "orderId": "o/1", "n": 1, "list": [{ "cvv": 1 }] });
            let request = Request { key: "key", tenant: Some("acme"), traceparent: None, body: &body };
            for command in catalogue.commands() {
                assert_eq!(catalogue.get(&command.name).map(|found| &found.name), Some(&command.name));
                let digest = request.digest(command);
                assert_eq!(digest, request.digest(command));
                // Perhaps its path wants another field: then that is said.
                drop(command.prepare(&request));
                let _ = catalogue.grant(&command.name, Some("acme"), "reserve-line");
                command.redact(&body);
                assert!(command.last_arrival(0) >= 0);
                assert!(!format!("{command:?}").contains(SECRET));
            }
        }
        Err(Error::Invalid { problems }) => {
            assert!(!problems.is_empty());
            let lines = text.split('\n').count();
            for problem in &problems {
                assert!((1..=lines).contains(&problem.line), "{problem}: of {lines} lines");
                assert!(text.contains(SECRET) || !problem.to_string().contains(SECRET), "{problem}");
            }
            assert!(problems.is_sorted_by_key(|problem| problem.line), "{problems:#?}");
        }
        Err(other) => panic!("{other}"),
    }
}
