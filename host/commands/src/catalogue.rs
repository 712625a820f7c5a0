//! The operator's catalogue of commands.

use std::collections::BTreeMap;
use std::path::Path;

use crate::command::Command;
use crate::error::{Error, Refusal};
use crate::parse;

/// Every command this host can send, by name.
///
/// A catalogue is a TOML file:
///
/// ```toml
/// [targets.orders]
/// url = "http://127.0.0.1:8090"
/// in-flight = 16                  # requests at once, default 16
/// rate = "200/s"                  # default: no limit
/// arrives-within = "30s"          # how long a request may still be under way once given up, default 30s
/// reuse-connections = false       # default false, see below
/// credentials = { header = "Authorization", env = "ORDERS_TOKEN", prefix = "Bearer " }
///
/// [commands."orders.reserve-line@1"]
/// target = "orders"
/// method = "POST"                 # GET, POST, PUT, PATCH or DELETE; GET and DELETE send no body; default POST
/// path = "/commands/reserve-line" # {field} is a field of the body, {key} the key, {tenant} the tenant
/// timeout = "5s"                  # default 10s
/// applied = [200, 201]
/// rejected = [409, 422]           # the domain said no; default none
/// unavailable = [503, 429]        # known not to have been applied; default none
/// code-at = "/code"               # JSON pointers into the body of a rejection
/// message-at = "/message"
/// honours-key = true              # default false; true for GET, which changes nothing
/// reconcile = { path = "/commands/by-key/{key}", applied = [200], not-applied = [404], reply-at = "/reply" }
/// undo = "orders.release-line@1"  # or "nothing"
/// do-not-store = ["/card/number", "cvv"]
/// max-response = "64 KiB"         # default 64 KiB
/// grants = [ { tenants = ["*"], delegates = ["reserve-line"] } ]
/// ```
///
/// A status that is not listed means that the outcome is unknown. `reuse-connections` saves a handshake per command and
/// costs certainty: a connection that the service closes just as a request is written on it leaves an unknown outcome.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    commands: BTreeMap<String, Command>,
}

impl Catalogue {
    /// A catalogue without commands, for hosts that were given none.
    pub fn empty() -> Self {
        Self::default()
    }

    /// Reads the file and takes credentials from this process's environment.
    ///
    /// # Errors
    /// All problems at once, each with its line and what to do.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// As [`load`](Self::load), from a text; `file_name` is for the problems' sake.
    ///
    /// # Errors
    /// All problems at once.
    pub fn parse(file_name: &str, toml: &str) -> Result<Self, Error> {
        Self::parse_with(file_name, toml, |variable| std::env::var(variable).ok())
    }

    /// As [`parse`](Self::parse), with an environment of the caller's.
    ///
    /// # Errors
    /// All problems at once.
    pub fn parse_with(file_name: &str, toml: &str, environment: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        match parse::commands(file_name, toml, &environment) {
            Ok(commands) => Ok(Self { commands }),
            Err(problems) => Err(Error::Invalid { problems }),
        }
    }

    /// The command of this name.
    pub fn get(&self, name: &str) -> Option<&Command> {
        self.commands.get(name)
    }

    /// All commands, by name.
    pub fn commands(&self) -> impl Iterator<Item = &Command> {
        self.commands.values()
    }

    /// The command, if this delegate of this tenant may have it. Asked at deployment and again at every call, since
    /// the catalogue may have changed in between.
    ///
    /// # Errors
    /// Why it may not.
    pub fn grant(&self, command: &str, tenant: Option<&str>, delegate: &str) -> Result<&Command, Refusal> {
        let Some(found) = self.get(command) else {
            return Err(Refusal::UnknownCommand { command: command.to_owned(), others: self.versions(command) });
        };
        found.granted(tenant, delegate).map(|()| found)
    }

    /// The contract versions it has of the command that `name` means, whatever version `name` asks for.
    fn versions(&self, name: &str) -> Vec<String> {
        let stem = name.split('@').next().unwrap_or(name);
        self.commands.keys().filter(|known| known.split('@').next() == Some(stem)).cloned().collect()
    }
}
