//! From the bytes of a BPMN file to process definitions.
//!
//! The way of a file: `xml` makes a bounded tree of it, `definitions` collects what stands beside the processes, `process` reads each
//! executable process with the help of one file per kind of element, and `validate` looks at what was read as a whole.

mod activities;
mod ad_hoc;
mod attributes;
mod behavior;
mod call_activity;
mod compensation;
mod correlation;
mod data;
mod definitions;
mod event_definitions;
mod events;
mod expression_tasks;
mod expressions;
mod extensions;
mod external_tasks;
mod fields;
mod flows;
mod forms;
mod gateways;
mod global_tasks;
mod implementation;
mod instantiate;
mod items;
mod links;
mod listeners;
mod message_flows;
mod multi_instance;
mod multiple;
mod process;
mod quantities;
mod resources;
mod scripts;
mod signals;
mod standard_loop;
mod table;
mod zeebe;

use crate::definition::{ProcessDefinition, Reference, references};
use crate::diagnostic::{Diagnostic, Diagnostics, Reading, Severity};
use crate::{validate, xml};

pub(crate) use definitions::Definitions;
pub use definitions::MAX_PATTERN_BYTES;
pub(crate) use process::Draft;
pub use process::{MAX_ELEMENTS, MAX_ID, MAX_SCOPES};
pub use scripts::{Files, script_files};
pub use table::{Supported, supported, supported_table};

/// What a file gives when nothing in it is wrong.
#[derive(Clone, Debug)]
pub struct Parsed {
    /// The executable processes, in the order of the file. At least one.
    pub processes: Vec<ProcessDefinition>,
    /// What is accepted, but has no effect or perhaps not the one that was meant, in the order of the file.
    pub warnings: Vec<Diagnostic>,
}

/// Reads a BPMN 2.0 file. `file` is only its name, for the diagnostics.
///
/// # Errors
/// All errors and warnings at once, in the order of the file, at least one of them an error. Only when the XML itself is broken does the
/// first error hide what follows it.
pub fn parse(file: &str, bytes: &[u8]) -> Result<Parsed, Vec<Diagnostic>> {
    parse_with(file, bytes, &|_| None)
}

/// The same for a file that may take its scripts from `files` which are deployed with it: those that [`script_files`] names.
pub fn parse_with(file: &str, bytes: &[u8], files: &Files<'_>) -> Result<Parsed, Vec<Diagnostic>> {
    parse_for(Reading::Deployment, file, bytes, files)
}

/// Reads a file that was deployed once, perhaps by a version that refused less. What does not keep it from being read is no error here, and
/// an expression that does not parse is one whose evaluation fails ([`mandate_feel::Expression::unreadable`]).
///
/// # Errors
/// What leaves a part unread, without which the process would be another one.
pub fn parse_stored(file: &str, bytes: &[u8], files: &Files<'_>) -> Result<Parsed, Vec<Diagnostic>> {
    parse_for(Reading::Stored, file, bytes, files)
}

fn parse_for(reading: Reading, file: &str, bytes: &[u8], files: &Files<'_>) -> Result<Parsed, Vec<Diagnostic>> {
    let mut diagnostics = Diagnostics::new(file, reading);
    let processes = read(bytes, files, &mut diagnostics, finish);
    let failed = diagnostics.has_errors();
    let all = diagnostics.into_sorted();
    match processes {
        Some(processes) if !failed => {
            debug_assert!(all.iter().all(|diagnostic| diagnostic.severity == Severity::Warning));
            Ok(Parsed { processes, warnings: all })
        }
        _ => Err(all),
    }
}

/// Tells of everybody whom a file names to do its work, as far as that can be read, also where the file is refused: whoever says what is
/// wrong with it can say at once who is missing.
pub fn references_of(bytes: &[u8], files: &Files<'_>, tell: &mut dyn FnMut(Reference<'_>)) {
    let mut diagnostics = Diagnostics::new("", Reading::Deployment);
    read(bytes, files, &mut diagnostics, |drafts, _| {
        drafts.iter().flat_map(|draft| references(&draft.elements, &draft.flows)).for_each(tell);
        Some(())
    });
}

fn finish(drafts: Vec<Draft<'_>>, diagnostics: &mut Diagnostics) -> Option<Vec<ProcessDefinition>> {
    if diagnostics.has_errors() {
        return None;
    }
    debug_assert!(drafts.iter().all(|draft| !draft.incomplete), "whatever leaves something out is an error");
    Some(drafts.into_iter().map(Draft::finish).collect())
}

/// Reads the executable processes of a file, and does something with what was read.
fn read<T>(
    bytes: &[u8],
    files: &Files<'_>,
    diagnostics: &mut Diagnostics,
    and: impl FnOnce(Vec<Draft<'_>>, &mut Diagnostics) -> Option<T>,
) -> Option<T> {
    let text = xml::text(bytes, diagnostics)?;
    let mut root = xml::read(text, diagnostics)?;
    global_tasks::expand(&mut root);
    scripts::inline(&mut root, files, diagnostics);
    let definitions = Definitions::read(&root, diagnostics)?;
    let mut drafts = Vec::new();
    let mut budget = MAX_ELEMENTS;
    for process in definitions.executable() {
        let draft = Draft::read(process, &definitions, &mut budget, diagnostics);
        validate::validate(&draft, diagnostics);
        drafts.push(draft);
    }
    message_flows::check(&definitions, &drafts, diagnostics);
    and(drafts, diagnostics)
}
