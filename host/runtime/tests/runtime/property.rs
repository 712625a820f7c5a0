//! What holds of any bytes that are read as a manifest: for the tests beside it, and for the fuzz target.

use mandate_runtime::deploy::{Mandate, Manifest};
use mandate_runtime::wasm::Limits;

/// A manifest whose mandates stay within the operator's caps and are stored as what they are, and problems that name their lines.
pub(crate) fn manifest(bytes: &[u8]) {
    let lines = bytes.split(|byte| *byte == b'\n').count();
    let (manifest, problems) = Manifest::read(bytes);
    let caps = Limits::ceiling();
    for section in manifest.delegates.values() {
        let mandate = Mandate::new(section, &caps);
        let limits = mandate.limits(&caps);
        assert!(limits.memory <= caps.memory && limits.cpu <= caps.cpu && limits.wall <= caps.wall && limits.output <= caps.output);
        assert!(mandate.commands.is_sorted());
        let stored = serde_json::to_string(&mandate).expect("a mandate serialises");
        assert_eq!(serde_json::from_str::<Mandate>(&stored).expect("it reads what it wrote"), mandate);
    }
    for problem in problems {
        assert!(!problem.message.is_empty());
        // No line: what is wrong is the file as a whole, which is not text.
        assert!(usize::try_from(problem.line).is_ok_and(|line| line <= lines), "{problem}: of {lines} lines");
    }
}
