//! What holds of any bytes that are deployed as a component: for the tests beside it, and for the fuzz target.

use mandate_wasm::{Misfit, inspect};

/// The longest refusal, in bytes: it is answered to whoever deploys, and stands in a log.
const MAX_SAID: usize = 16 * 1024;

/// A component of the world `delegate`, or a refusal that is told shortly; the same every time.
pub(crate) fn component(bytes: &[u8]) {
    let found = inspect(bytes);
    assert_eq!(inspect(bytes), found);
    match found {
        Ok(fit) => {
            assert!(bytes.starts_with(b"\0asm"));
            let imports = |interface: &str| fit.imports.iter().any(|name| name.starts_with(interface));
            assert_eq!(fit.issues_commands, imports("mandate:delegate/commands@"));
            assert!(!imports("wasi:sockets/") && !imports("wasi:http/"));
        }
        Err(misfit) => {
            let said = misfit.to_string();
            assert!(said.len() <= MAX_SAID, "{} bytes: {}", said.len(), said.chars().take(200).collect::<String>());
            if let Misfit::Malformed { offset, .. } = misfit {
                assert!(usize::try_from(offset).is_ok_and(|offset| offset <= bytes.len()), "{said}");
            }
        }
    }
}
