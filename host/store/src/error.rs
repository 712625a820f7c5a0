//! What can go wrong with a store.

use uuid::Uuid;

/// Why a store could not do something. Texts read well behind "failed to".
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The URL names no database this host can use.
    #[error("the database url cannot be used: {0}; write sqlite:path/to/file.db or postgres://user@host/database")]
    Url(String),
    /// Another process owns the SQLite file.
    #[error(
        "{path} is in use by another process ({holder}); one process owns a SQLite database: stop it, or use PostgreSQL for several hosts"
    )]
    Locked {
        /// The database file.
        path: String,
        /// What the lock file says about the other, such as `pid 4711`.
        holder: String,
    },
    /// Migrations are missing and [`crate::Migrate::Off`] forbids to apply them.
    #[error("the database lacks the migrations {}; apply what `mandate migration-script` prints to an empty database, or start once with --migrate=auto", .0.join(", "))]
    MigrationsMissing(Vec<String>),
    /// A newer host has migrated this database.
    #[error("the database has migration {0}, which this version does not know: start the newer version, or restore a backup")]
    NewerDatabase(i64),
    /// A migration failed, or was changed after it was applied.
    #[error("the database could not be migrated: {0}")]
    Migration(String),
    /// A text holds a NUL byte, a value is larger than the store takes, or a list larger than it answers with. Nothing was stored.
    #[error("{0}")]
    Refused(String),
    /// Delegates were deployed or deleted since a deployment was checked against them. Nothing was stored: check it anew.
    #[error("the delegates that are deployed have changed since the deployment was checked")]
    DelegatesMoved,
    /// A read took longer than it may: a list that is long and has no index for its filter or its order, or a database that is busy.
    #[error("{0}")]
    TooSlow(String),
    /// The history of an instance was removed while its record was read.
    #[error("the history of instance {0} was removed while it was read: what was read of it is not all")]
    Removed(Uuid),
    /// Another process of the tenant starts by the same message: a message would not know which of them to start. Nothing was stored.
    #[error("process '{key}' and process '{other}' would both start by the message '{message}'")]
    StartMessageTaken {
        /// The process to be deployed.
        key: String,
        /// The message.
        message: String,
        /// The process whose newest version starts by it.
        other: String,
    },
    /// The database refused a statement.
    #[error("the database refused a statement: {message}")]
    Database {
        /// The database's code: a SQLSTATE, or SQLite's number.
        code: Option<String>,
        /// Its words.
        message: String,
    },
    /// The database cannot be reached, or the connection was lost while a statement ran.
    #[error("the database cannot be reached: {0}")]
    Connection(String),
    /// The connection was lost around a COMMIT and the database could not be asked what became of it.
    #[error("it is not known whether the transaction was stored: {0}")]
    Unclear(String),
    /// A stored value is not what this version writes.
    #[error("a stored value cannot be read: {0}")]
    Damaged(String),
    /// A ledger row may not go from the state that it has to the one asked for.
    #[error("attempt {attempt} of command {command} under key '{key}' is {from} and cannot become {to}")]
    LedgerTransition {
        /// The command.
        command: String,
        /// Its key.
        key: String,
        /// The attempt.
        attempt: i64,
        /// The state it has, or `missing`.
        from: String,
        /// The state asked for.
        to: String,
    },
    /// This host's epoch is over: another host has taken over its work.
    #[error("this host's lease has ended and another host may have taken over its work")]
    Fenced,
    /// This host's lease has run out, but nobody has taken over: it may go on once it has renewed it.
    #[error("this host's lease has run out and is not renewed yet")]
    Expired,
    /// The store was closed.
    #[error("the store is closed")]
    Closed,
    /// A file of the store could not be read or written.
    #[error("{path}: {message}")]
    File {
        /// Which.
        path: String,
        /// Why.
        message: String,
    },
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(refusal) => {
                let code = refusal.code().map(|code| code.to_string());
                // A server that is shutting down or takes no writes any more (25006), and an operator who ends a session, say so as if a
                // statement were at fault.
                let is_of_session = |code: &str| code.starts_with("57P") || code.starts_with("08") || code == "25P03" || code == "25006";
                if code.as_deref().is_some_and(is_of_session) {
                    return Self::Connection(refusal.message().to_owned());
                }
                Self::Database { code, message: refusal.message().to_owned() }
            }
            sqlx::Error::PoolClosed => Self::Closed,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnIndexOutOfBounds { .. } => {
                Self::Damaged(error.to_string())
            }
            sqlx::Error::Encode(_) => Self::Refused(error.to_string()),
            other => Self::Connection(other.to_string()),
        }
    }
}

/// SQLite's SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL and SQLITE_CANTOPEN.
const SQLITE_UNWELL: [u32; 4] = [8, 10, 13, 14];

/// SQLite's SQLITE_TOOBIG.
const SQLITE_TOO_BIG: u32 = 18;

impl Error {
    pub(crate) fn too_slow(what: &str, limit: std::time::Duration) -> Self {
        Self::TooSlow(format!(
            "a read of {what} took longer than {limit:?} and was given up: filter by an instance, a definition or a time, ask for fewer with maxResults, or leave out \
             the sorting; if that is no faster, the database is busy with something else"
        ))
    }

    /// Whether the database is at fault, and not what it was given: it cannot be reached, its disk is full or broken, it takes no writes.
    /// The same may succeed once it is well again.
    pub fn is_of_database(&self) -> bool {
        // 53: out of resources, such as a full disk; 57: somebody intervened; 58: errors of the system, such as of its disk.
        let postgres = |state: &str| ["53", "57", "58"].iter().any(|class| state.starts_with(class));
        let unwell = self.sqlstate().is_some_and(postgres) || self.sqlite().is_some_and(|code| SQLITE_UNWELL.contains(&code));
        unwell || self.is_passing() || matches!(self, Self::Unclear(_))
    }

    /// Whether what the database was given is at fault: a value that it does not take. The same never succeeds.
    pub fn is_of_value(&self) -> bool {
        // 22: data that cannot be; 54: data that is too much.
        let postgres = |state: &str| state.starts_with("22") || state.starts_with("54");
        matches!(self, Self::Refused(_)) || self.sqlstate().is_some_and(postgres) || self.sqlite() == Some(SQLITE_TOO_BIG)
    }

    /// Whether a transaction rested on what does not hold: see [`crate::write::begun`]. 23502: a column that is NOT NULL.
    pub(crate) fn is_unfounded(&self) -> bool {
        self.sqlstate() == Some("23502")
    }

    /// Whether it was given up to wait for a lock that somebody else has. Nothing was stored.
    pub fn is_of_lock(&self) -> bool {
        self.sqlstate() == Some("55P03")
    }

    /// PostgreSQL's code.
    fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Database { code: Some(code), .. } => Some(code.as_str()).filter(|code| code.len() == 5),
            _ => None,
        }
    }

    /// SQLite's code, without what extends it.
    pub(crate) fn sqlite(&self) -> Option<u32> {
        match self {
            Self::Database { code: Some(code), .. } if code.len() < 5 => code.parse::<u32>().ok().map(|code| code & 0xff),
            _ => None,
        }
    }

    /// Whether the same may well succeed a moment later, without anybody doing anything: a deadlock, a timeout, a lost connection.
    pub fn is_passing(&self) -> bool {
        // 40: serialization failures and deadlocks; 55P03: lock timeout; 57014: statement timeout; 53: out of resources.
        let postgres = |state: &str| state.starts_with("40") || state == "55P03" || state == "57014" || state.starts_with("53");
        // Busy, locked.
        let sqlite = matches!(self.sqlite(), Some(5 | 6));
        sqlite || self.sqlstate().is_some_and(postgres) || matches!(self, Self::Connection(_) | Self::TooSlow(_))
    }

    /// Whether the database has undone the whole transaction for the sake of another one: a serialization failure, a deadlock.
    pub(crate) fn is_undone(&self) -> bool {
        matches!(self.sqlstate(), Some("40001" | "40P01"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_that_is_unwell_is_told_from_a_value_that_it_does_not_take() {
        let code = |code: &str| Error::Database { code: Some(code.into()), message: "said so".into() };
        let text = String::new;
        let of_database = ["8", "10", "13", "14", "5", "6", "2570", "1032", "53100", "53300", "57014", "58030", "55P03", "40P01"].map(code);
        for error in of_database.into_iter().chain([Error::Connection(text()), Error::Unclear(text())]) {
            assert!(error.is_of_database() && !error.is_of_value(), "{error:?}");
        }
        for error in ["18", "22021", "22P02", "54000"].map(code).into_iter().chain([Error::Refused(text())]) {
            assert!(error.is_of_value() && !error.is_of_database(), "{error:?}");
        }
        for error in ["1", "19", "1555", "11", "23505", "42501", "XX000"].map(code).into_iter().chain([Error::Fenced, Error::Closed]) {
            assert!(!error.is_of_database() && !error.is_of_value(), "{error:?}");
        }
    }
}
