//! The connections that read SQLite.
//!
//! A statement of SQLite ends early only if a handler of its own connection says so, between two of its steps, and a pool of sqlx does not
//! tell which connection it has lent. Here each has the moment until which it may read beside it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, SqlSafeStr as _, SqlStr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::param::{Param, sqlite_arguments};
use super::{Dialect, READ_PATIENCE, Row, row};
use crate::Error;

/// After so many steps of SQLite's machine a statement is asked whether it is late: less than a millisecond, but for what it waits for.
const STEPS: i32 = 10_000;

/// As many connections as are allowed, made as they are needed. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Readers(Arc<Shared>);

struct Shared {
    options: SqliteConnectOptions,
    /// How long a statement may read.
    limit: Duration,
    most: u32,
    places: Arc<Semaphore>,
    /// The one that was used last is used first: it remembers most.
    idle: Mutex<Vec<Reader>>,
}

struct Reader {
    connection: SqliteConnection,
    until: Arc<Until>,
}

/// Until when a connection may read.
struct Until {
    since: Instant,
    /// In milliseconds from then on.
    at: AtomicU64,
}

impl Until {
    fn set(&self, limit: Duration) {
        let at = self.since.elapsed() + limit;
        self.at.store(u64::try_from(at.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.since.elapsed().as_millis() > self.at.load(Ordering::Relaxed).into()
    }
}

impl Readers {
    /// Opens the first of them.
    pub(crate) async fn open(options: SqliteConnectOptions, most: u32, limit: Duration) -> Result<Self, Error> {
        let places = Arc::new(Semaphore::new(most as usize));
        let readers = Self(Arc::new(Shared { options, limit, most, places, idle: Mutex::default() }));
        readers.lend().await?.give_back();
        Ok(readers)
    }

    /// One read, of rows whose texts may have so many bytes together.
    pub(crate) async fn fetch(&self, sql: SqlStr, params: Vec<Param>, most: usize) -> Result<Vec<Row>, Error> {
        let what = table_of(sql.as_str());
        let arguments = sqlite_arguments(params)?;
        let mut lent = self.lend().await?;
        let rows = sqlx::query_with(sql, arguments).fetch(lent.connection());
        let read = row::within(rows.map_ok(Row::Sqlite), most).await;
        // After anything else the statement may still be under way.
        if matches!(read, Ok(_) | Err(Error::Database { .. })) {
            lent.give_back();
        }
        read.map_err(|error| self.explained(error, &what))
    }

    /// Several reads of one moment.
    pub(crate) async fn snapshot(&self, statements: Vec<(&str, Vec<Param>)>) -> Result<Vec<Vec<Row>>, Error> {
        let mut lent = self.lend().await?;
        let until = lent.until();
        let mut tx = lent.connection().begin().await?;
        let mut answers = Vec::with_capacity(statements.len());
        for (sql, params) in statements {
            until.set(self.0.limit);
            let rows = sqlx::query_with(AssertSqlSafe(Dialect::Sqlite.render(sql)).into_sql_str(), sqlite_arguments(params)?);
            let rows = rows.fetch_all(&mut *tx).await.map_err(|error| self.explained(error.into(), &table_of(sql)))?;
            answers.push(rows.into_iter().map(Row::Sqlite).collect());
        }
        tx.rollback().await?;
        lent.give_back();
        Ok(answers)
    }

    /// Waits until all have been given back, and closes them.
    pub(crate) async fn close(&self) {
        // Nobody closes it but here; twice is once.
        let Ok(_all) = self.0.places.acquire_many(self.0.most).await else { return };
        self.0.places.close();
        let idle = std::mem::take(&mut *self.idle());
        for reader in idle {
            if let Err(error) = reader.connection.close().await {
                tracing::debug!("a connection that read ended badly: {error}");
            }
        }
    }

    async fn lend(&self) -> Result<Lent, Error> {
        let Ok(place) = tokio::time::timeout(READ_PATIENCE, self.0.places.clone().acquire_owned()).await else {
            let message = format!("all {} connections that read have been busy for {} s", self.0.most, READ_PATIENCE.as_secs());
            return Err(Error::Connection(message));
        };
        let place = place.map_err(|_| Error::Closed)?;
        let idle = self.idle().pop();
        let reader = match idle {
            Some(reader) => reader,
            None => self.connect().await?,
        };
        reader.until.set(self.0.limit);
        Ok(Lent { reader: Some(reader), readers: self.clone(), _place: place })
    }

    async fn connect(&self) -> Result<Reader, Error> {
        let mut connection = self.0.options.connect().await?;
        let until = Arc::new(Until { since: Instant::now(), at: AtomicU64::new(u64::MAX) });
        let asked = until.clone();
        connection.lock_handle().await?.set_progress_handler(STEPS, move || !asked.is_over());
        Ok(Reader { connection, until })
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Reader>> {
        self.0.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// SQLite says only that it was interrupted.
    fn explained(&self, error: Error, what: &str) -> Error {
        match error {
            Error::Database { code: Some(code), .. } if code == INTERRUPTED => Error::too_slow(what, self.0.limit),
            error => error,
        }
    }
}

/// `SQLITE_INTERRUPT`.
const INTERRUPTED: &str = "9";

/// The first table that a statement reads.
pub(super) fn table_of(sql: &str) -> String {
    let mut words = sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let mut after_from = false;
    let table = words.find(|word| std::mem::replace(&mut after_from, *word == "FROM") && !["SELECT", "WITH"].contains(word));
    table.unwrap_or("the database").to_owned()
}

/// A connection that is lent. One that is dropped without being given back is closed, and what it still reads is interrupted.
struct Lent {
    reader: Option<Reader>,
    readers: Readers,
    _place: OwnedSemaphorePermit,
}

impl Lent {
    fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.reader.as_mut().expect("it is here until it is given back").connection
    }

    fn until(&self) -> Arc<Until> {
        self.reader.as_ref().expect("it is here until it is given back").until.clone()
    }

    fn give_back(mut self) {
        self.readers.idle().extend(self.reader.take());
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(reader) = &self.reader {
            reader.until.at.store(0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

    async fn readers(folder: &tempfile::TempDir, limit: Duration) -> Readers {
        let options = SqliteConnectOptions::new().filename(folder.path().join("a.db")).create_if_missing(true);
        Readers::open(options, 1, limit).await.expect("it opens")
    }

    async fn read(readers: &Readers, sql: &str) -> Result<i64, Error> {
        let sql = AssertSqlSafe(sql.to_owned()).into_sql_str();
        readers.fetch(sql, Vec::new(), usize::MAX).await?.first().expect("a row").get(0)
    }

    #[tokio::test]
    async fn a_statement_that_reads_for_too_long_is_interrupted_and_the_next_is_answered() {
        let folder = tempfile::tempdir().expect("a folder");
        let readers = readers(&folder, Duration::from_millis(20)).await;
        for _ in 0..2 {
            let error = read(&readers, ENDLESS).await.expect_err("it never ends");
            assert!(matches!(&error, Error::TooSlow(what) if what.contains("of n ") && what.contains("maxResults")), "{error}");
            let error = readers.snapshot(vec![("SELECT 1", Vec::new()), (ENDLESS, Vec::new())]).await.map(drop).expect_err("it never ends");
            assert!(matches!(error, Error::TooSlow(_)), "{error}");
        }
        let readers = Readers(Arc::new(Shared { limit: Duration::from_secs(30), ..shared(&readers) }));
        assert_eq!(read(&readers, "SELECT 7").await.expect("answered"), 7);
        readers.close().await;
        assert!(matches!(read(&readers, "SELECT 7").await, Err(Error::Closed)));
    }

    /// The same connections.
    fn shared(readers: &Readers) -> Shared {
        let Shared { options, limit, most, places, .. } = &*readers.0;
        let idle = Mutex::new(std::mem::take(&mut *readers.idle()));
        Shared { options: options.clone(), limit: *limit, most: *most, places: places.clone(), idle }
    }

    #[tokio::test]
    async fn what_nobody_waits_for_any_more_is_interrupted() {
        let folder = tempfile::tempdir().expect("a folder");
        let readers = readers(&folder, Duration::from_secs(3_600)).await;
        let until = Arc::downgrade(&readers.idle()[0].until);
        let mut reading = Box::pin(read(&readers, ENDLESS));
        assert!(reading.as_mut().now_or_never().is_none());
        drop(reading);
        // Its connection's thread ends, and with it the handler, once the statement has.
        while until.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(read(&readers, "SELECT 7").await.expect("answered"), 7);
        readers.close().await;
    }

    #[test]
    fn a_statement_is_known_by_the_first_table_that_it_reads() {
        for (sql, table) in [
            ("SELECT a FROM history_task t WHERE b", "history_task"),
            ("SELECT * FROM (SELECT a FROM job) j", "job"),
            ("SELECT * FROM (WITH c AS (SELECT id FROM instance) SELECT id FROM c) c", "instance"),
            ("SELECT 1", "the database"),
        ] {
            assert_eq!(table_of(sql), table);
        }
    }
}
