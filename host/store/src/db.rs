//! The one place that knows which database it is.
//!
//! Reads go to a pool. Writes go through *lanes*: single connections that this process keeps, each behind a lock, so that the committer
//! never waits for somebody else's connection and its prepared statements stay warm. On SQLite, which has one writer, every lane is the
//! same connection.
//!
//! SQL is one text for both databases wherever they agree. Where they do not, a token stands for the difference: see [`Dialect::render`].

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::postgres::PgConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{AssertSqlSafe, Connection as _, SqlSafeStr as _, SqlStr};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::Error;

mod options;
mod param;
mod pool;
mod queue;
mod readers;
mod row;

pub(crate) use options::{Options, refuse_standby};
pub(crate) use param::{Param, params};
use param::{postgres_arguments, sqlite_arguments};
pub(crate) use pool::{Connections, Pool, READ_PATIENCE, READ_TIMEOUT};
#[cfg(test)]
pub(crate) use queue::MOST_TEXTS;
use queue::{Texts, Waiting};
pub(crate) use readers::Readers;
pub(crate) use row::{Columns, Row};

/// Which SQL is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    /// Puts this dialect's words in the place of tokens.
    ///
    /// | token | PostgreSQL | SQLite |
    /// |---|---|---|
    /// | `{now}` | the database's clock in milliseconds | the same |
    /// | `{any_uuid:1}`, `{any_text:1}` | `= ANY($1)` | `IN (SELECT … FROM json_each($1))` |
    /// | `{pg:…}`, `{lite:…}` | only on that database, such as `{pg:FOR UPDATE}` | |
    pub(crate) fn render(self, sql: &str) -> String {
        let mut rendered = String::with_capacity(sql.len() + 64);
        let mut rest = sql;
        while let Some(open) = rest.find('{') {
            let close = open + rest[open..].find('}').expect("every token in this crate's SQL is closed");
            rendered.push_str(&rest[..open]);
            rendered.push_str(&self.token(&rest[open + 1..close]));
            rest = &rest[close + 1..];
        }
        rendered.push_str(rest);
        rendered
    }

    fn token(self, token: &str) -> Cow<'_, str> {
        let (name, argument) = token.split_once(':').unwrap_or((token, ""));
        match (name, self) {
            ("now", Self::Postgres) => "(extract(epoch from clock_timestamp()) * 1000)::bigint".into(),
            ("now", Self::Sqlite) => "CAST(unixepoch('now', 'subsec') * 1000 AS INTEGER)".into(),
            ("any_uuid" | "any_text", Self::Postgres) => format!("= ANY(${argument})").into(),
            ("any_pair", Self::Postgres) => {
                format!("IN (SELECT substr(t, 1, 32)::uuid, substr(t, 34)::bigint FROM unnest(${argument}::text[]) t)").into()
            }
            ("any_pair", Self::Sqlite) => {
                format!("IN (SELECT unhex(substr(value, 1, 32)), CAST(substr(value, 34) AS INTEGER) FROM json_each(${argument}))").into()
            }
            ("any_uuid", Self::Sqlite) => format!("IN (SELECT unhex(value) FROM json_each(${argument}))").into(),
            ("any_text", Self::Sqlite) => format!("IN (SELECT value FROM json_each(${argument}))").into(),
            ("pg", Self::Postgres) | ("lite", Self::Sqlite) => argument.to_owned().into(),
            ("pg", Self::Sqlite) | ("lite", Self::Postgres) => "".into(),
            _ => unreachable!("no such token in this crate's SQL: {token}"),
        }
    }
}

/// What was done since the store was opened.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    pub(crate) commits: AtomicU64,
    pub(crate) statements: AtomicU64,
    pub(crate) rows: AtomicU64,
    pub(crate) units: AtomicU64,
    pub(crate) retries: AtomicU64,
}

impl Meter {
    pub(crate) fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(n as u64, Ordering::Relaxed);
    }
}

enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// How long a server that can still be connected to may leave something unanswered. Reads and waits for locks end sooner by themselves; a
/// network that swallows everything would otherwise be noticed after a quarter of an hour.
const ANSWER: Duration = Duration::from_secs(60);

/// Waits for an answer of PostgreSQL, though not for ever. SQLite answers from this machine.
pub(crate) async fn answered<T, E: Into<Error>>(answer: impl Future<Output = Result<T, E>>) -> Result<T, Error> {
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(Error::Connection(format!("the database did not answer within {ANSWER:?}"))),
    }
}

impl Connection {
    fn fetch(&mut self, sql: SqlStr, params: Vec<Param>) -> BoxFuture<'_, Result<Vec<Row>, Error>> {
        Box::pin(async move {
            Ok(match self {
                Self::Sqlite(connection) => {
                    let rows = sqlx::query_with(sql, sqlite_arguments(params)?).fetch_all(connection).await?;
                    rows.into_iter().map(Row::Sqlite).collect()
                }
                Self::Postgres(connection) => {
                    let rows = answered(sqlx::query_with(sql, postgres_arguments(params)?).fetch_all(connection)).await?;
                    rows.into_iter().map(Row::Postgres).collect()
                }
            })
        })
    }

    /// BEGIN, COMMIT, ROLLBACK: nothing to prepare, one message each.
    fn control(&mut self, sql: &'static str) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            match self {
                Self::Sqlite(connection) => sqlx::raw_sql(sql).execute(connection).await.map(|_| ()).map_err(Error::from),
                Self::Postgres(connection) => answered(sqlx::raw_sql(sql).execute(connection)).await.map(|_| ()),
            }
        })
    }

    fn execute(&mut self, sql: SqlStr, params: Vec<Param>) -> BoxFuture<'_, Result<u64, Error>> {
        Box::pin(async move {
            Ok(match self {
                Self::Sqlite(connection) => sqlx::query_with(sql, sqlite_arguments(params)?).execute(connection).await?.rows_affected(),
                Self::Postgres(connection) => {
                    answered(sqlx::query_with(sql, postgres_arguments(params)?).execute(connection)).await?.rows_affected()
                }
            })
        })
    }
}

/// One connection for writes.
#[derive(Clone)]
pub(crate) struct Lane {
    dialect: Dialect,
    state: Arc<Mutex<LaneState>>,
    meter: Arc<Meter>,
}

struct LaneState {
    options: Options,
    connection: Option<Connection>,
    /// Something was begun and its end was not seen: its owner was dropped.
    dangling: bool,
    /// Transactions and single statements that were begun.
    begun: u64,
    /// What was put together.
    texts: Texts,
}

impl Lane {
    pub(crate) fn new(options: Options, meter: Arc<Meter>) -> Self {
        let dialect = match options {
            Options::Sqlite(_) => Dialect::Sqlite,
            Options::Postgres(_) => Dialect::Postgres,
        };
        Self {
            dialect,
            state: Arc::new(Mutex::new(LaneState { options, connection: None, dangling: false, begun: 0, texts: Texts::default() })),
            meter,
        }
    }

    /// Begins a transaction, of which the database hears with its first statement.
    pub(crate) async fn begin(&self) -> Result<Tx, Error> {
        let mut state = self.state.clone().lock_owned().await;
        state.begun += 1;
        state.tidy().await?;
        state.connected().await?;
        Ok(Tx { dialect: self.dialect, state, meter: self.meter.clone(), is_begun: false, gathers: false, waiting: Vec::new() })
    }

    /// One statement that is a transaction of its own.
    pub(crate) async fn fetch(&self, sql: &str, params: Vec<Param>) -> Result<Vec<Row>, Error> {
        let mut state = self.state.lock().await;
        state.begun += 1;
        state.tidy().await?;
        Meter::add(&self.meter.statements, 1);
        let sql = AssertSqlSafe(self.dialect.render(sql)).into_sql_str();
        state.dangling = true;
        let rows = state.connected().await?.fetch(sql, params).await;
        state.dangling = false;
        state.settle(&rows);
        rows
    }

    /// Has the database look at a statement without running it.
    #[cfg(test)]
    pub(crate) async fn prepare(&self, sql: SqlStr) -> Result<(), Error> {
        use sqlx::Executor as _;
        let mut state = self.state.lock().await;
        match state.connected().await? {
            Connection::Sqlite(connection) => drop(connection.prepare(sql).await?),
            Connection::Postgres(connection) => drop(connection.prepare(sql).await?),
        }
        Ok(())
    }

    /// Closes the connection.
    pub(crate) async fn close(&self) {
        let connection = self.state.lock().await.connection.take();
        let closed = match connection {
            Some(Connection::Sqlite(connection)) => connection.close().await,
            Some(Connection::Postgres(connection)) => connection.close().await,
            None => Ok(()),
        };
        if let Err(error) = closed {
            tracing::debug!("closing a connection: {error}");
        }
    }
}

impl LaneState {
    async fn connected(&mut self) -> Result<&mut Connection, Error> {
        if self.connection.is_none() {
            self.connection = Some(self.options.connect().await?);
        }
        Ok(self.connection.as_mut().expect("it was just set"))
    }

    /// Ends what was dropped half-way. On PostgreSQL the connection goes with it: it may be in the middle of an answer.
    async fn tidy(&mut self) -> Result<(), Error> {
        if !std::mem::take(&mut self.dangling) {
            return Ok(());
        }
        match &mut self.connection {
            Some(connection @ Connection::Sqlite(_)) => {
                // It fails when the database has ended the transaction by itself, which is what is wanted.
                let _ = connection.control("ROLLBACK").await;
            }
            _ => self.connection = None,
        }
        Ok(())
    }

    /// A connection that failed is not used again.
    fn settle<T>(&mut self, result: &Result<T, Error>) {
        if let Err(Error::Connection(_)) = result {
            self.connection = None;
            self.dangling = false;
        }
    }
}

/// What a transaction on SQLite begins with: at once as a writer, for one that begins as a reader and writes later fails whenever another
/// has written in between.
const BEGIN_AS_WRITER: &str = "BEGIN IMMEDIATE";

/// A transaction for writes. Dropped without a commit, it is rolled back.
pub(crate) struct Tx {
    pub(crate) dialect: Dialect,
    state: OwnedMutexGuard<LaneState>,
    meter: Arc<Meter>,
    /// The database knows of it.
    is_begun: bool,
    /// Statements that answer nothing wait for the next one that does.
    gathers: bool,
    waiting: Vec<Waiting>,
}

impl Tx {
    /// From here on statements that answer nothing may wait for the next that does: see [`Tx::later`]. What is
    /// put together is another text each time the tables are others, on SQLite also the number of rows, and a database prepares each once.
    pub(crate) fn gather(&mut self) {
        self.gathers = true;
    }

    /// Whether statements that answer nothing are gathered.
    pub(crate) fn gathers(&self) -> bool {
        self.gathers
    }

    /// On SQLite, where everything that writes does so through one lane: which of the lane's transactions this is. Between two in a row
    /// nothing was written.
    pub(crate) fn nth(&self) -> Option<u64> {
        (self.dialect == Dialect::Sqlite).then_some(self.state.begun)
    }

    pub(crate) async fn fetch(&mut self, sql: &str, params: Vec<Param>) -> Result<Vec<Row>, Error> {
        self.flush().await?;
        let mut sql = self.dialect.render(sql);
        if self.dialect == Dialect::Sqlite && !std::mem::replace(&mut self.is_begun, true) {
            self.state.dangling = true;
            sql = queue::joined(BEGIN_AS_WRITER, &sql);
        }
        self.begun().await?;
        self.fetch_flushed(AssertSqlSafe(sql).into_sql_str(), params).await
    }

    pub(crate) async fn fetch_rendered(&mut self, sql: SqlStr, params: Vec<Param>) -> Result<Vec<Row>, Error> {
        self.flush().await?;
        self.begun().await?;
        self.fetch_flushed(sql, params).await
    }

    async fn fetch_flushed(&mut self, sql: SqlStr, params: Vec<Param>) -> Result<Vec<Row>, Error> {
        Meter::add(&self.meter.statements, 1);
        let rows = self.connection()?.fetch(sql, params).await;
        self.state.settle(&rows);
        rows
    }

    pub(crate) async fn execute(&mut self, sql: &str, params: Vec<Param>) -> Result<u64, Error> {
        let sql = AssertSqlSafe(self.dialect.render(sql)).into_sql_str();
        self.execute_rendered(sql, params).await
    }

    pub(crate) async fn execute_rendered(&mut self, sql: SqlStr, params: Vec<Param>) -> Result<u64, Error> {
        self.flush().await?;
        let done = self.execute_flushed(sql, params).await;
        if let Ok(rows) = &done {
            self.wrote(*rows);
        }
        done
    }

    async fn execute_flushed(&mut self, sql: SqlStr, params: Vec<Param>) -> Result<u64, Error> {
        self.begun().await?;
        Meter::add(&self.meter.statements, 1);
        let done = self.connection()?.execute(sql, params).await;
        self.state.settle(&done);
        done
    }

    /// From here on a lock is waited for so long at most; on SQLite, where nobody else writes, as ever.
    pub(crate) async fn wait_at_most(&mut self, wait: Duration) -> Result<(), Error> {
        if self.dialect == Dialect::Postgres {
            self.execute(&format!("SET LOCAL lock_timeout = '{}ms'", wait.as_millis()), Vec::new()).await?;
        }
        Ok(())
    }

    /// Runs a statement with the next one that is asked for an answer, at the latest before the commit. It reads no table that is written
    /// in this transaction but its own, writes `rows` rows of that, and has as many parameters as it says.
    pub(crate) async fn later(&mut self, table: &'static str, sql: SqlStr, params: Vec<Param>, rows: usize) -> Result<(), Error> {
        if self.dialect == Dialect::Postgres && self.waiting.iter().any(|waiting| waiting.table == table) {
            self.flush().await?;
        }
        self.waiting.push(Waiting { sql, params, table });
        self.wrote(rows as u64);
        Ok(())
    }

    /// Runs what waits; on SQLite the transaction begins with it, if it has not yet.
    async fn flush(&mut self) -> Result<(), Error> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        if self.dialect == Dialect::Sqlite && !std::mem::replace(&mut self.is_begun, true) {
            self.state.dangling = true;
            self.waiting.insert(0, Waiting::control(BEGIN_AS_WRITER));
        }
        if !self.is_one() {
            return self.flush_one_by_one().await;
        }
        match queue::together(self.dialect, std::mem::take(&mut self.waiting)) {
            Some((sql, params)) => self.execute_flushed(sql, params).await.map(drop),
            None => Ok(()),
        }
    }

    async fn flush_one_by_one(&mut self) -> Result<(), Error> {
        for one in std::mem::take(&mut self.waiting) {
            self.execute_flushed(one.sql, one.params).await?;
        }
        Ok(())
    }

    /// Counts rows that a statement wrote.
    pub(crate) fn wrote(&self, rows: u64) {
        self.meter.rows.fetch_add(rows, Ordering::Relaxed);
    }

    /// Has begun, where it has not yet.
    async fn begun(&mut self) -> Result<(), Error> {
        if !std::mem::replace(&mut self.is_begun, true) {
            self.state.dangling = true;
            let begin = match self.dialect {
                Dialect::Sqlite => BEGIN_AS_WRITER,
                Dialect::Postgres => "BEGIN",
            };
            self.control(begin).await?;
        }
        Ok(())
    }

    async fn control(&mut self, sql: &'static str) -> Result<(), Error> {
        let done = self.connection()?.control(sql).await;
        self.state.settle(&done);
        done
    }

    fn connection(&mut self) -> Result<&mut Connection, Error> {
        self.state.connection.as_mut().ok_or_else(|| Error::Connection("the connection was lost in this transaction".to_owned()))
    }

    /// Commits. After [`Error::Connection`] it is not known whether it did.
    pub(crate) async fn commit(self) -> Result<(), Error> {
        self.conclude().await.map_err(Error::from)
    }

    /// The same for who must know whether it was the COMMIT that failed. What has waited is written before: on SQLite in one go with it,
    /// and on PostgreSQL without either BEGIN or COMMIT where nothing was asked before, as the one statement that it is.
    pub(crate) async fn conclude(mut self) -> Result<(), CommitFailure> {
        let is_all = self.dialect == Dialect::Postgres && !self.is_begun && !self.waiting.is_empty();
        let committed = if self.dialect == Dialect::Sqlite && !self.waiting.is_empty() {
            self.waiting.push(Waiting::control("COMMIT"));
            self.flush().await
        } else if is_all && self.is_one() {
            match self.execute_alone().await {
                Err(error) if !matches!(error, Error::Connection(_)) => return Err(CommitFailure::Before(error)),
                done => done,
            }
        } else {
            let prepared = if is_all { self.flush_one_by_one().await } else { self.prepare_commit().await };
            if let Err(error) = prepared {
                self.rollback().await;
                return Err(CommitFailure::Before(error));
            }
            self.control("COMMIT").await
        };
        if let Err(error) = committed {
            // On SQLite whatever was refused has left the transaction open, and the connection is everybody's.
            if self.dialect == Dialect::Sqlite {
                self.rollback().await;
            }
            return Err(CommitFailure::Around(error));
        }
        self.state.dangling = false;
        Meter::add(&self.meter.commits, 1);
        Ok(())
    }

    /// Whether what waits goes to the database as one: to be asked once, for who comes too late is counted.
    fn is_one(&mut self) -> bool {
        self.state.texts.take(&self.waiting)
    }

    /// Runs what waits as a statement that is a transaction of its own.
    async fn execute_alone(&mut self) -> Result<(), Error> {
        let Some((sql, params)) = queue::together(self.dialect, std::mem::take(&mut self.waiting)) else { return Ok(()) };
        Meter::add(&self.meter.statements, 1);
        self.state.dangling = true;
        let done = self.connection()?.execute(sql, params).await;
        self.state.dangling = false;
        self.state.settle(&done);
        done.map(drop)
    }

    async fn prepare_commit(&mut self) -> Result<(), Error> {
        self.flush().await?;
        self.begun().await
    }

    /// Rolls back. A failure to do so is the database's doing it by itself.
    pub(crate) async fn rollback(mut self) {
        if self.is_begun {
            let done = self.control("ROLLBACK").await;
            self.state.dangling = self.state.dangling && done.is_err();
        }
    }
}

/// Why a transaction was not committed, as far as is known.
#[derive(Debug)]
pub(crate) enum CommitFailure {
    /// What had to be written before was not: nothing was committed.
    Before(Error),
    /// The COMMIT failed, or its answer was lost: after [`Error::Connection`] it is not known whether it did.
    Around(Error),
}

impl From<CommitFailure> for Error {
    fn from(failure: CommitFailure) -> Self {
        match failure {
            CommitFailure::Before(error) | CommitFailure::Around(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thread of SQLite's that has ended answers nobody, whatever comes next.
    #[tokio::test]
    async fn a_connection_that_has_died_is_replaced() {
        let options = Options::Sqlite(Box::new(sqlx::sqlite::SqliteConnectOptions::new().in_memory(true)));
        let lane = Lane::new(options, Arc::default());
        lane.fetch("CREATE TEMPORARY TABLE t (n INTEGER)", Vec::new()).await.expect("made");
        let refused = lane.fetch("SELECT n FROM u", Vec::new()).await.map(drop);
        assert!(matches!(refused, Err(Error::Database { .. })), "{refused:?}");
        lane.fetch("SELECT n FROM t", Vec::new()).await.expect("the connection is the same");
        lane.state.lock().await.settle::<()>(&Err(sqlx::Error::WorkerCrashed.into()));
        let mut tx = lane.begin().await.expect("begun on another one");
        let gone = tx.fetch("SELECT n FROM t", Vec::new()).await.map(drop);
        assert!(matches!(gone, Err(Error::Database { .. })), "{gone:?}");
        tx.rollback().await;
        lane.fetch("SELECT 1", Vec::new()).await.expect("answered");
    }

    #[test]
    fn tokens_become_the_words_of_the_dialect() {
        let sql = "SELECT a FROM t WHERE id {any_uuid:1} AND x {any_text:2} ORDER BY b {pg:FOR UPDATE}";
        assert_eq!(Dialect::Postgres.render(sql), "SELECT a FROM t WHERE id = ANY($1) AND x = ANY($2) ORDER BY b FOR UPDATE");
        assert_eq!(
            Dialect::Sqlite.render(sql),
            "SELECT a FROM t WHERE id IN (SELECT unhex(value) FROM json_each($1)) AND x IN (SELECT value FROM json_each($2)) ORDER BY b "
        );
    }
}
