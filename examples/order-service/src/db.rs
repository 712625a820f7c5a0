//! The database: SQLite or PostgreSQL behind one set of statements.
//!
//! On SQLite there is one writer connection whose transactions begin with `BEGIN IMMEDIATE`, in WAL mode with
//! `synchronous=FULL`, so that what was answered survives a kill; readers have connections of their own. On
//! PostgreSQL writers lock the order's row and the server's default durability does the rest.

use std::time::Duration;

use sqlx::any::AnyPoolOptions;
use sqlx::{Any, AnyPool, AssertSqlSafe, Executor, Transaction};

/// A transaction of either database.
pub type Tx = Transaction<'static, Any>;

/// Connections of SQLite's readers; WAL lets them run beside the writer.
const SQLITE_READERS: u32 = 4;
/// Connections to PostgreSQL, more than enough for the commands in flight that a catalogue allows by default.
const POSTGRES_CONNECTIONS: u32 = 24;
/// How long a request may wait for a connection before it is told that the service is busy.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(20);

/// Why the database could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL names no database we know.
    #[error("{0:?} is neither sqlite:FILE nor postgres://…")]
    Url(String),
    /// The database refused.
    #[error("open {url}: {source}")]
    Open {
        /// The URL without its credentials.
        url: String,
        /// What the driver said.
        source: sqlx::Error,
    },
}

/// Which SQL is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// Open connections to the service's database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Db {
    writer: AnyPool,
    readers: AnyPool,
    dialect: Dialect,
}

impl Db {
    /// Opens the database, creating the file and the tables where they are missing.
    pub async fn open(url: &str) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        let (dialect, url) = if url.starts_with("sqlite:") {
            (Dialect::Sqlite, with_create_mode(url))
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            (Dialect::Postgres, url.to_owned())
        } else {
            return Err(Error::Url(url.to_owned()));
        };
        let open = async {
            let (writer, readers) = match dialect {
                Dialect::Sqlite => (pool(&url, 1, dialect).await?, pool(&url, SQLITE_READERS, dialect).await?),
                Dialect::Postgres => {
                    let pool = pool(&url, POSTGRES_CONNECTIONS, dialect).await?;
                    (pool.clone(), pool)
                }
            };
            let db = Self { writer, readers, dialect };
            db.create_tables().await?;
            Ok(db)
        };
        open.await.map_err(|source| Error::Open { url: without_credentials(&url), source })
    }

    /// Begins a transaction that may write.
    pub async fn begin(&self) -> sqlx::Result<Tx> {
        match self.dialect {
            // A plain BEGIN that later turns into a writer fails with "database is locked".
            Dialect::Sqlite => self.writer.begin_with("BEGIN IMMEDIATE").await,
            Dialect::Postgres => self.writer.begin().await,
        }
    }

    /// Connections for reading.
    pub fn readers(&self) -> &AnyPool {
        &self.readers
    }

    /// Which SQL is spoken.
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Closes all connections; on SQLite this also folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    async fn create_tables(&self) -> sqlx::Result<()> {
        let identity = match self.dialect {
            Dialect::Sqlite => "INTEGER PRIMARY KEY AUTOINCREMENT",
            Dialect::Postgres => "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        };
        // The text is this crate's own, only the dialect's identity clause is put in.
        let schema = AssertSqlSafe(include_str!("schema.sql").replace("{identity}", identity));
        let mut tx = self.begin().await?;
        (&mut *tx).execute(sqlx::raw_sql(schema)).await?;
        tx.commit().await
    }
}

async fn pool(url: &str, connections: u32, dialect: Dialect) -> sqlx::Result<AnyPool> {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if dialect == Dialect::Sqlite {
                    let settings = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";
                    connection.execute(sqlx::raw_sql(settings)).await?;
                }
                Ok(())
            })
        })
        .connect(url)
        .await
}

fn with_create_mode(url: &str) -> String {
    if url.contains("mode=") {
        return url.to_owned();
    }
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}mode=rwc")
}

fn without_credentials(url: &str) -> String {
    match (url.find("://"), url.find('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}***{}", &url[..scheme + 3], &url[at..])
        }
        _ => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_completed_and_hide_credentials() {
        assert_eq!(with_create_mode("sqlite:orders.db"), "sqlite:orders.db?mode=rwc");
        assert_eq!(with_create_mode("sqlite:orders.db?cache=private"), "sqlite:orders.db?cache=private&mode=rwc");
        assert_eq!(with_create_mode("sqlite:orders.db?mode=rw"), "sqlite:orders.db?mode=rw");
        assert_eq!(without_credentials("postgres://joe:secret@db/orders"), "postgres://***@db/orders");
    }

    /// What the service has answered survives a power cut: its log is synchronised before a COMMIT is answered.
    #[tokio::test]
    async fn every_connection_to_sqlite_is_durable() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let db = Db::open(&format!("sqlite:{}", dir.path().join("orders.db").display())).await.expect("it opens");
        let mut readers = Vec::new();
        for _ in 0..SQLITE_READERS {
            readers.push(db.readers().acquire().await.expect("a connection"));
        }
        let mut writer = db.begin().await.expect("a transaction");
        for connection in readers.iter_mut().map(|reader| &mut **reader).chain([&mut *writer]) {
            // 2 is FULL.
            let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&mut *connection).await.expect("a number");
            let journal: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(connection).await.expect("a text");
            assert_eq!((synchronous, journal.as_str()), (2, "wal"));
        }
        writer.rollback().await.expect("undone");
        drop(readers);
        db.close().await;
    }

    #[tokio::test]
    async fn another_database_is_refused_by_name() {
        let error = Db::open("mysql://localhost/orders").await.err().map(|error| error.to_string());
        assert_eq!(error.as_deref(), Some("\"mysql://localhost/orders\" is neither sqlite:FILE nor postgres://…"));
    }
}
