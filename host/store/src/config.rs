//! How a store is set up.

use std::str::FromStr;
use std::time::Duration;

/// How long a host's right to write lasts without a renewal, unless configured.
///
/// Renewed at a third, so that two renewals may be lost; a host acts for half of it after the last one that succeeded.
pub const DEFAULT_LEASE: Duration = Duration::from_secs(10);

/// Connections for reads, unless configured.
pub const DEFAULT_POOL: u32 = 8;

/// What [`crate::Store::open`] needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// `sqlite:path/to/file.db` or `postgres://user@host/database`.
    pub url: String,
    /// Whether missing migrations are applied at start.
    pub migrate: Migrate,
    /// How long this host may write without renewing its lease. At least a second. Of no meaning on SQLite, where one process
    /// owns the file.
    pub lease: Duration,
    /// What operators see as the holder of a job, such as `host-a:4711`.
    pub host_name: String,
    /// Connections for reads.
    pub pool: u32,
    /// What is kept for history queries.
    pub history: HistoryLevel,
}

impl Config {
    /// The defaults for a database.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            migrate: Migrate::Auto,
            lease: DEFAULT_LEASE,
            host_name: format!("pid-{}", std::process::id()),
            pool: DEFAULT_POOL,
            history: HistoryLevel::Audit,
        }
    }
}

/// Whether missing migrations are applied at start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Migrate {
    /// They are, under a lock: hosts that start together are fine.
    #[default]
    Auto,
    /// They are not, and a database that lacks some is refused, for those who run them by hand.
    Off,
}

impl FromStr for Migrate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "off" => Ok(Self::Off),
            other => Err(format!("'{other}' is neither auto nor off")),
        }
    }
}

/// What is kept for history queries (Camunda 7's history levels).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum HistoryLevel {
    /// Nothing.
    None,
    /// Process instances and activities.
    Activity,
    /// Also the latest value of every variable, user tasks and incidents.
    #[default]
    Audit,
    /// Also every change of a variable.
    Full,
}

impl FromStr for HistoryLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "none" => Ok(Self::None),
            "activity" => Ok(Self::Activity),
            "audit" => Ok(Self::Audit),
            "full" => Ok(Self::Full),
            other => Err(format!("'{other}' is none of none, activity, audit, full")),
        }
    }
}
