//! The connections for reads.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::BoxFuture;
use sqlx::postgres::PgPool;
use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::param::{Param, postgres_arguments};
use super::{Dialect, Readers, Row, readers, row};
use crate::Error;

/// The connections for reads.
#[derive(Clone)]
pub(crate) enum Pool {
    Sqlite(Readers),
    Postgres(PgPool),
}

/// After a restart of the database every pooled connection is dead: a read is repeated until it has a living one.
const READ_ATTEMPTS: usize = 20;

/// How long reads wait for a connection.
pub(crate) const READ_PATIENCE: Duration = Duration::from_secs(5);

/// How long a statement may read: on PostgreSQL it keeps dead rows from being vacuumed, on SQLite the log from being written into the file,
/// and on either it has one of few connections.
pub(crate) const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// PostgreSQL says only that a statement was cancelled.
fn cancelled(error: Error, what: &str) -> Error {
    match error {
        Error::Database { code: Some(code), .. } if code == "57014" => Error::too_slow(what, READ_TIMEOUT),
        error => error,
    }
}

impl Pool {
    pub(crate) fn dialect(&self) -> Dialect {
        match self {
            Self::Sqlite(_) => Dialect::Sqlite,
            Self::Postgres(_) => Dialect::Postgres,
        }
    }

    /// One read, from whatever is committed now.
    pub(crate) async fn fetch(&self, sql: &str, params: Vec<Param>) -> Result<Vec<Row>, Error> {
        self.fetch_rendered(AssertSqlSafe(self.dialect().render(sql)).into_sql_str(), params).await
    }

    pub(crate) async fn fetch_rendered(&self, sql: SqlStr, params: Vec<Param>) -> Result<Vec<Row>, Error> {
        self.fetch_within(sql, params, usize::MAX).await
    }

    /// The same of rows whose texts may have so many bytes together. What has more is refused, and not read to its end.
    pub(crate) async fn fetch_within(&self, sql: SqlStr, params: Vec<Param>, most: usize) -> Result<Vec<Row>, Error> {
        let begun = tokio::time::Instant::now();
        for attempt in 1.. {
            match self.fetch_once(sql.clone(), params.clone(), most).await {
                Err(Error::Connection(reason)) if attempt < READ_ATTEMPTS && begun.elapsed() < READ_PATIENCE => {
                    tracing::debug!(attempt, "a read lost its connection and is repeated: {reason}");
                }
                answered => return answered,
            }
        }
        unreachable!("the last attempt answers");
    }

    async fn fetch_once(&self, sql: SqlStr, params: Vec<Param>, most: usize) -> Result<Vec<Row>, Error> {
        match self {
            Self::Sqlite(readers) => readers.fetch(sql, params, most).await,
            Self::Postgres(pool) => {
                let what = readers::table_of(sql.as_str());
                let rows = sqlx::query_with(sql, postgres_arguments(params)?).fetch(pool);
                row::within(rows.map_ok(Row::Postgres), most).await.map_err(|error| cancelled(error, &what))
            }
        }
    }

    /// Several reads of one moment.
    pub(crate) async fn snapshot(&self, statements: Vec<(&str, Vec<Param>)>) -> Result<Vec<Vec<Row>>, Error> {
        let pool = match self {
            Self::Sqlite(readers) => return readers.snapshot(statements).await,
            Self::Postgres(pool) => pool,
        };
        let mut answers = Vec::with_capacity(statements.len());
        let mut tx = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
        for (sql, params) in statements {
            let rows = sqlx::query_with(AssertSqlSafe(Dialect::Postgres.render(sql)), postgres_arguments(params)?);
            let rows = rows.fetch_all(&mut *tx).await.map_err(|error| cancelled(error.into(), &readers::table_of(sql)))?;
            answers.push(rows.into_iter().map(Row::Postgres).collect());
        }
        Ok(answers)
    }

    pub(crate) fn close(&self) -> BoxFuture<'_, ()> {
        match self {
            Self::Sqlite(readers) => Box::pin(readers.close()),
            Self::Postgres(pool) => Box::pin(pool.close()),
        }
    }
}
