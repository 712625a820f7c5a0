//! What can be wrong with a catalogue, and why a command may be refused.

use std::fmt;
use std::path::PathBuf;

/// A catalogue that cannot be used, or a sender that cannot be built from it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The catalogue file could not be read at all.
    #[error("read the catalogue {}: {source}", path.display())]
    Read {
        /// The file as it was named to the host.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The catalogue was read and is wrong: every problem found, in the order of its lines.
    #[error("{}", list(problems))]
    Invalid {
        /// Never empty.
        problems: Vec<Problem>,
    },
    /// The HTTP client of a target could not be built, for example since the machine has no CA certificates.
    #[error("prepare the HTTP client of target {target}: {reason}")]
    Client {
        /// The target's name in the catalogue.
        target: String,
        /// What the client said.
        reason: String,
    },
}

/// One thing that is wrong with a catalogue, or with another file that is read like one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file, as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// The key, written as in TOML: `commands."orders.reserve-line@1".timeout`; empty for a syntax error.
    pub at: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.file, self.line)?;
        if !self.at.is_empty() {
            write!(f, "{}: ", self.at)?;
        }
        write!(f, "{}", self.what)?;
        if !self.remedy.is_empty() {
            write!(f, "; {}", self.remedy)?;
        }
        Ok(())
    }
}

/// One line for one problem, a headed list for several: the operator mends all of them in one go.
fn list(problems: &[Problem]) -> String {
    if let [only] = problems {
        return format!("use the catalogue: {only}");
    }
    let mut text = format!("use the catalogue, which has {} problems:", problems.len());
    for problem in problems {
        text.push_str("\n  ");
        text.push_str(&problem.to_string());
    }
    text
}

/// Why a command is refused before anything is sent. Nothing has left and nothing need be recorded as sent.
///
/// No text here holds a value of the request: refusals are logged and shown in incidents.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The catalogue has no such command.
    #[error("the catalogue has no command {command}{}", known(others))]
    UnknownCommand {
        /// The name that was asked for.
        command: String,
        /// Other contract versions of the same command that the catalogue does have.
        others: Vec<String>,
    },
    /// No grant of the command names this delegate.
    #[error(
        "delegate {delegate} is not granted command {command}; the operator grants it with delegates = [\"{delegate}\"] in a grant of the command"
    )]
    Delegate {
        /// The command.
        command: String,
        /// The delegate's name as models refer to it.
        delegate: String,
    },
    /// The delegate is granted the command, but not for this tenant.
    #[error(
        "delegate {delegate} is not granted command {command} for {}; the operator adds it to the grant's tenants",
        whom(tenant.as_deref())
    )]
    Tenant {
        /// The command.
        command: String,
        /// The delegate's name.
        delegate: String,
        /// The tenant, if the instance has one.
        tenant: Option<String>,
    },
    /// The request body is not a JSON object.
    #[error("the body of command {command} is not a JSON object")]
    Body {
        /// The command.
        command: String,
    },
    /// The path of the request cannot be built from the body.
    #[error("the path of command {command} needs field {field}, which {problem}")]
    Path {
        /// The command.
        command: String,
        /// The placeholder's name.
        field: String,
        /// What is wrong with it: `is missing`, `is null`, and so on.
        problem: &'static str,
    },
    /// The whole URL is too long, or would not be the one the catalogue's template means.
    #[error("the path of command {command} {problem}")]
    Url {
        /// The command.
        command: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The key cannot travel verbatim as an HTTP header.
    #[error("the key of command {command} {problem}; a key is 1 to 255 visible ASCII characters without spaces")]
    Key {
        /// The command.
        command: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The tenant cannot travel verbatim as an HTTP header.
    #[error("the tenant of command {command} {problem}; a tenant is 1 to 255 visible ASCII characters without spaces")]
    TenantId {
        /// The command.
        command: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

fn known(others: &[String]) -> String {
    if others.is_empty() { "; the operator adds it to the catalogue".to_owned() } else { format!("; it has {}", others.join(", ")) }
}

fn whom(tenant: Option<&str>) -> String {
    tenant.map_or_else(|| "instances without a tenant".to_owned(), |tenant| format!("tenant {tenant}"))
}
