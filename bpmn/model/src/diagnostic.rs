//! What is wrong with a file, where, and what to do about it.

use std::fmt;

use crate::definition::Position;

/// Whether a file can be used in spite of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The file is refused.
    Error,
    /// The file is accepted, but something in it has no effect, or perhaps not the one that was meant.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// One finding in one file.
///
/// Printed as `file:line:column: error: message (element 'id'); help: help`, which terminals and editors turn into a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the file is refused for it.
    pub severity: Severity,
    /// The file, as the caller named it.
    pub file: String,
    /// Line of the opening tag, from 1.
    pub line: u32,
    /// Column of the opening tag in characters, from 1.
    pub column: u32,
    /// The BPMN id of the element it is about, where it is about one that has an id.
    pub element_id: Option<String>,
    /// What is wrong: a lowercase sentence without a full stop.
    pub message: String,
    /// What to do: a lowercase sentence without a full stop.
    pub help: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}: {}", self.file, self.line, self.column, self.severity, self.message)?;
        if let Some(id) = &self.element_id {
            write!(f, " (element '{id}')")?;
        }
        write!(f, "; help: {}", self.help)
    }
}

impl std::error::Error for Diagnostic {}

/// As many errors, and as many warnings, are kept of one file: who has more than that to read is helped by none of them, and a hostile
/// file must not make an answer of gigabytes.
const MAX_OF_A_SEVERITY: usize = 1_000;

/// No more characters of a foreign text are repeated in a diagnostic.
const MAX_SHOWN: usize = 120;

/// A foreign text as a diagnostic repeats it: on one line, and shortened.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// The place a diagnostic is about: an opening tag and the element it belongs to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct At<'n> {
    /// Where the tag begins.
    pub(crate) position: Position,
    /// The id of the nearest element that has one.
    pub(crate) id: Option<&'n str>,
}

/// What a file is read for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// To be deployed, if nothing is wrong with it.
    Deployment,
    /// To go on with what was deployed, perhaps by a version that refused less.
    Stored,
}

/// Collects the diagnostics of one file.
#[derive(Debug)]
pub(crate) struct Diagnostics {
    reading: Reading,
    file: String,
    errors: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    errors_left_out: usize,
    warnings_left_out: usize,
}

impl Diagnostics {
    pub(crate) fn new(file: &str, reading: Reading) -> Self {
        Diagnostics { reading, file: file.to_owned(), errors: Vec::new(), warnings: Vec::new(), errors_left_out: 0, warnings_left_out: 0 }
    }

    /// Whether the file was deployed before.
    pub(crate) fn is_stored(&self) -> bool {
        self.reading == Reading::Stored
    }

    /// Notes what a file is not deployed with, though what is read of it is whole: it fails when it is used, has no effect, or was better
    /// said otherwise. What was deployed before keeps it.
    ///
    /// Whoever refuses what was accepted does it by this, and reads it as before.
    pub(crate) fn objection(&mut self, at: At<'_>, message: impl Into<String>, help: impl Into<String>) {
        if !self.is_stored() {
            self.error(at, message, help);
        }
    }

    /// Notes an error that leaves something unread: the file will be refused, also one that was deployed before.
    pub(crate) fn error(&mut self, at: At<'_>, message: impl Into<String>, help: impl Into<String>) {
        if self.errors.len() < MAX_OF_A_SEVERITY {
            let diagnostic = self.diagnostic(Severity::Error, at, message.into(), help.into());
            self.errors.push(diagnostic);
        } else {
            self.errors_left_out += 1;
        }
    }

    /// Notes a warning.
    pub(crate) fn warning(&mut self, at: At<'_>, message: impl Into<String>, help: impl Into<String>) {
        if self.warnings.len() < MAX_OF_A_SEVERITY {
            let diagnostic = self.diagnostic(Severity::Warning, at, message.into(), help.into());
            self.warnings.push(diagnostic);
        } else {
            self.warnings_left_out += 1;
        }
    }

    /// Whether any error was noted.
    pub(crate) fn has_errors(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Everything that was noted, in the order of the file; what stands at the same place in the order it was noted.
    pub(crate) fn into_sorted(mut self) -> Vec<Diagnostic> {
        let mut all = std::mem::take(&mut self.errors);
        all.append(&mut self.warnings);
        all.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        for (severity, left_out) in [(Severity::Error, self.errors_left_out), (Severity::Warning, self.warnings_left_out)] {
            if left_out > 0 {
                let (line, column) = all.last().map_or((1, 1), |last| (last.line, last.column));
                let position = Position { line, column };
                let message = format!("{left_out} more {severity}s are not shown");
                let help = "correct what is shown, then check again".to_owned();
                all.push(self.diagnostic(severity, At { position, id: None }, message, help));
            }
        }
        all
    }

    fn diagnostic(&self, severity: Severity, at: At<'_>, message: String, help: String) -> Diagnostic {
        Diagnostic {
            severity,
            file: self.file.clone(),
            line: at.position.line,
            column: at.position.column,
            element_id: at.id.map(shown),
            message,
            help,
        }
    }
}
