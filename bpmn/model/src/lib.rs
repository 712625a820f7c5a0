//! The model: BPMN 2.0 XML, as modellers draw it, into the validated form that the engine walks.
//!
//! Pure: no I/O, no clock, no randomness. The same bytes give the same definition and the same diagnostics; no bytes make it panic or hang.
//!
//! ```
//! let file = br#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL">
//!   <process id="hello" isExecutable="true">
//!     <startEvent id="start"/>
//!     <sequenceFlow id="flow" sourceRef="start" targetRef="nowhere"/>
//!   </process>
//! </definitions>"#;
//! let diagnostics = mandate_model::parse("hello.bpmn", file).unwrap_err();
//! assert_eq!(
//!     diagnostics[0].to_string(),
//!     "hello.bpmn:4:5: error: the flow goes to 'nowhere', which does not exist in this process (element 'flow'); \
//!      help: draw it to an element of the same process, or remove it"
//! );
//! ```
//!
//! - [`parse`] is the entry: a file's bytes into [`ProcessDefinition`]s, or all [`Diagnostic`]s at once; [`parse_with`] is the same with
//!   scripts in files of their own, and [`parse_stored`] reads what was deployed once. [`references_of`] tells who is named in a file, also
//!   in one that is refused.
//! - [`definition`] is what the engine walks.
//! - [`supported`] lists the supported elements, [`supported_table`] is their table in the README.
//! - [`time`] reads ISO 8601 for timers and due dates, [`RetryPolicy::parse`] reads retry cycles.

pub mod definition;
mod diagnostic;
mod parse;
mod retry;
pub mod time;
mod validate;
mod xml;

pub use definition::*;
pub use diagnostic::{Diagnostic, Severity};
pub use parse::{
    Files, MAX_ELEMENTS, MAX_ID, MAX_PATTERN_BYTES, MAX_SCOPES, Parsed, Supported, parse, parse_stored, parse_with, references_of,
    script_files, supported, supported_table,
};
pub use retry::MAX_ATTEMPTS;
pub use xml::MAX_FILE_BYTES;
