//! What can go wrong with a store.

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

/// What to do about a failed transaction of the committer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// The same transaction may well succeed the next time: a deadlock, a lock timeout, a lost connection.
    Retry,
    /// Something in it is at fault: find out what.
    Bisect,
}

impl Error {
    pub(crate) fn too_slow(what: &str, limit: std::time::Duration) -> Self {
        Self::TooSlow(format!(
            "a read of {what} took longer than {limit:?} and was given up: filter by an instance, a definition or a time, ask for fewer with maxResults, or leave out \
             the sorting; if that is no faster, the database is busy with something else"
        ))
    }

    /// Whether the same may well succeed a moment later, without anybody doing anything: a deadlock, a timeout, a lost connection.
    pub fn is_passing(&self) -> bool {
        self.remedy() == Remedy::Retry
    }

    /// Whether the database has undone the whole transaction for the sake of another one: a serialization failure, a deadlock.
    pub(crate) fn is_undone(&self) -> bool {
        matches!(self, Self::Database { code: Some(code), .. } if code == "40001" || code == "40P01")
    }

    pub(crate) fn remedy(&self) -> Remedy {
        match self {
            Self::Connection(_) | Self::TooSlow(_) => Remedy::Retry,
            // 40: serialization failures and deadlocks; 55P03: lock timeout; 57014: statement timeout; 53: out of resources.
            // SQLite: 5 busy, 6 locked (with their extended codes).
            Self::Database { code: Some(code), .. } => {
                let postgres = code.starts_with("40") || code == "55P03" || code == "57014" || code.starts_with("53");
                let sqlite = code.parse::<u32>().is_ok_and(|number| code.len() < 5 && matches!(number & 0xff, 5 | 6));
                if postgres || sqlite { Remedy::Retry } else { Remedy::Bisect }
            }
            _ => Remedy::Bisect,
        }
    }
}
