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

/// What is at fault where something failed, and so what may be done about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Somebody else has locked what it needs, and it was given up to wait for that. Nothing was stored.
    Lock,
    /// The moment, such as one of a deadlock, a timeout, a lost connection, or resources that ran out on PostgreSQL: the same may well
    /// succeed a moment later, without anybody doing anything.
    Moment,
    /// The database: its disk is broken or, on SQLite, full, it takes no writes, or it could not be asked what it has stored. The same may
    /// succeed once it is well again.
    Database,
    /// What the database was given: a value that it does not take. The same never succeeds.
    Value,
    /// Anything else: what was asked for, this host, or what is stored.
    Other,
}

impl Fault {
    /// By PostgreSQL's code (its appendix A).
    fn of_sqlstate(state: &str) -> Self {
        match (state, state.get(..2)) {
            // Lock timeout.
            ("55P03", _) => Self::Lock,
            // 40: serialization failures and deadlocks; 53: out of resources, such as a full disk; 57014: statement timeout.
            ("57014", _) | (_, Some("40" | "53")) => Self::Moment,
            // 57: somebody intervened; 58: errors of the system, such as of its disk.
            (_, Some("57" | "58")) => Self::Database,
            // 22: data that cannot be; 54: data that is too much.
            (_, Some("22" | "54")) => Self::Value,
            _ => Self::Other,
        }
    }

    /// By SQLite's primary result code.
    fn of_sqlite(code: u32) -> Self {
        match code {
            // SQLITE_BUSY, SQLITE_LOCKED.
            5 | 6 => Self::Moment,
            // SQLITE_READONLY, SQLITE_IOERR, SQLITE_FULL, SQLITE_CANTOPEN.
            8 | 10 | 13 | 14 => Self::Database,
            // SQLITE_TOOBIG.
            18 => Self::Value,
            _ => Self::Other,
        }
    }
}

impl Error {
    pub(crate) fn too_slow(what: &str, limit: std::time::Duration) -> Self {
        Self::TooSlow(format!(
            "a read of {what} took longer than {limit:?} and was given up: filter by an instance, a definition or a time, ask for fewer with maxResults, or leave out \
             the sorting; if that is no faster, the database is busy with something else"
        ))
    }

    /// The same where the database was opened: which it was.
    pub(crate) fn with_name(self, name: &str) -> Self {
        match self {
            Self::Connection(reason) => Self::Connection(format!("{reason} ({name})")),
            Self::Database { code, message } => Self::Database { code, message: format!("{message} ({name})") },
            other => other,
        }
    }

    /// What is at fault.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Connection(_) | Self::TooSlow(_) => Fault::Moment,
            Self::Unclear(_) => Fault::Database,
            Self::Refused(_) => Fault::Value,
            _ => self.sqlstate().map(Fault::of_sqlstate).or_else(|| self.sqlite().map(Fault::of_sqlite)).unwrap_or(Fault::Other),
        }
    }

    /// Whether the database is at fault in any way, and not what it was given: the same may succeed later.
    pub fn is_of_database(&self) -> bool {
        matches!(self.fault(), Fault::Lock | Fault::Moment | Fault::Database)
    }

    /// Whether it was given up to wait for a lock that somebody else has. Nothing was stored.
    pub fn is_of_lock(&self) -> bool {
        self.fault() == Fault::Lock
    }

    /// Whether a transaction rested on what does not hold: see [`crate::write::begun`]. 23502: a column that is NOT NULL.
    pub(crate) fn is_unfounded(&self) -> bool {
        self.sqlstate() == Some("23502")
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

    /// Whether the database has undone the whole transaction for the sake of another one: a serialization failure, a deadlock.
    pub(crate) fn is_undone(&self) -> bool {
        matches!(self.sqlstate(), Some("40001" | "40P01"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_at_fault_is_told_by_the_code_of_the_database() {
        let code = |code: &str| Error::Database { code: Some(code.into()), message: "said so".into() };
        let text = String::new;
        let cases = [
            (Fault::Lock, vec![code("55P03")]),
            (Fault::Moment, ["5", "6", "517", "40001", "40P01", "53100", "53300", "57014"].map(code).into()),
            (Fault::Moment, vec![Error::Connection(text()), Error::TooSlow(text())]),
            (Fault::Database, ["8", "10", "13", "14", "2570", "1032", "57000", "58030"].map(code).into()),
            (Fault::Database, vec![Error::Unclear(text())]),
            (Fault::Value, ["18", "22021", "22P02", "54000"].map(code).into()),
            (Fault::Value, vec![Error::Refused(text())]),
            (Fault::Other, ["1", "19", "1555", "11", "23505", "42501", "XX000", "\u{e4}\u{e4}x", ""].map(code).into()),
            (Fault::Other, vec![Error::Fenced, Error::Closed, Error::Damaged(text())]),
        ];
        for (fault, errors) in cases {
            for error in errors {
                assert_eq!(error.fault(), fault, "{error:?}");
            }
        }
    }
}
