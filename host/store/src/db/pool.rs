//! The connections for reads. Lists may read for long, and so many of them at once that all connections are theirs: what units of work and
//! claims look up would wait, and with it everything that a host does. So some connections are for lookups only.

use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool};
use sqlx::{AssertSqlSafe, Connection as _, Postgres, SqlSafeStr as _, SqlStr};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::param::{Param, postgres_arguments};
use super::{Dialect, Readers, Row, answered, readers, row};
use crate::Error;

/// The connections for reads. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Pool {
    connections: Connections,
    /// Places at the connections; none: at all of them.
    places: Option<Arc<Semaphore>>,
}

/// The connections themselves.
#[derive(Clone)]
pub(crate) enum Connections {
    Sqlite(Readers),
    Postgres(PgPool),
}

/// Connections that no list reads on: there are as many for the few statements that ask for many instances at once, and for claims.
const FOR_LOOKUPS: u32 = 3;

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
    /// For lists, of which so many connections there are; one of them at least.
    pub(crate) fn for_lists(connections: Connections, all: u32) -> Self {
        let places = all.saturating_sub(FOR_LOOKUPS).max(1);
        Self { connections, places: Some(Arc::new(Semaphore::new(places as usize))) }
    }

    /// The same connections, all of them, for whoever reads little by an index and is waited for by a unit of work or a claim.
    pub(crate) fn for_lookups(&self) -> Self {
        Self { connections: self.connections.clone(), places: None }
    }

    pub(crate) fn dialect(&self) -> Dialect {
        match self.connections {
            Connections::Sqlite(_) => Dialect::Sqlite,
            Connections::Postgres(_) => Dialect::Postgres,
        }
    }

    #[cfg(test)]
    pub(crate) fn free_places(&self) -> Option<usize> {
        self.places.as_ref().map(|places| places.available_permits())
    }

    /// A place, which is the reader's until it is dropped.
    async fn place(&self) -> Result<Option<OwnedSemaphorePermit>, Error> {
        let Some(places) = &self.places else { return Ok(None) };
        match tokio::time::timeout(READ_PATIENCE, places.clone().acquire_owned()).await {
            Ok(place) => Ok(Some(place.map_err(|_| Error::Closed)?)),
            Err(_) => Err(Error::TooSlow(format!("all connections that read lists have been busy for {READ_PATIENCE:?}; ask again later"))),
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
    pub(crate) fn fetch_within(&self, sql: SqlStr, params: Vec<Param>, most: usize) -> BoxFuture<'_, Result<Vec<Row>, Error>> {
        Box::pin(self.fetch_persistently(sql, params, most))
    }

    async fn fetch_persistently(&self, sql: SqlStr, params: Vec<Param>, most: usize) -> Result<Vec<Row>, Error> {
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
        let place = self.place().await?;
        match &self.connections {
            Connections::Sqlite(readers) => readers.fetch(sql, params, most).await,
            Connections::Postgres(pool) => {
                let what = readers::table_of(sql.as_str());
                let arguments = postgres_arguments(params)?;
                let mut lent = Lent { connection: Box::pin(pool.acquire()).await?, place };
                let rows = sqlx::query_with(sql, arguments).fetch(lent.connection());
                answered(row::within(rows.map_ok(Row::Postgres), most)).await.map_err(|error| cancelled(error, &what))
            }
        }
    }

    /// Several reads of one moment.
    pub(crate) fn snapshot<'a>(&'a self, statements: Vec<(&'a str, Vec<Param>)>) -> BoxFuture<'a, Result<Vec<Vec<Row>>, Error>> {
        Box::pin(self.snapshot_once(statements))
    }

    async fn snapshot_once(&self, statements: Vec<(&str, Vec<Param>)>) -> Result<Vec<Vec<Row>>, Error> {
        let place = self.place().await?;
        let pool = match &self.connections {
            Connections::Sqlite(readers) => return readers.snapshot(statements).await,
            Connections::Postgres(pool) => pool,
        };
        let mut answers = Vec::with_capacity(statements.len());
        let mut lent = Lent { connection: Box::pin(pool.acquire()).await?, place };
        let mut tx = answered(lent.connection().begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY")).await?;
        for (sql, params) in statements {
            let rows = sqlx::query_with(AssertSqlSafe(Dialect::Postgres.render(sql)), postgres_arguments(params)?);
            let rows = answered(rows.fetch_all(&mut *tx)).await.map_err(|error| cancelled(error, &readers::table_of(sql)))?;
            answers.push(rows.into_iter().map(Row::Postgres).collect());
        }
        Ok(answers)
    }

    pub(crate) fn close(&self) -> BoxFuture<'_, ()> {
        match &self.connections {
            Connections::Sqlite(readers) => Box::pin(readers.close()),
            Connections::Postgres(pool) => Box::pin(pool.close()),
        }
    }
}

/// A connection to PostgreSQL that is lent. Whoever reads may go away in the middle of a statement: it is read to its end before the
/// connection is back, and until then its place is taken. One that does not answer any more is closed, and another takes its room.
struct Lent {
    connection: PoolConnection<Postgres>,
    place: Option<OwnedSemaphorePermit>,
}

impl Lent {
    fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        let place = self.place.take();
        let back = self.connection.return_to_pool();
        tokio::spawn(async move {
            let back = async {
                back.await;
                Ok::<(), Error>(())
            };
            if let Err(error) = answered(back).await {
                tracing::warn!("a connection that was read from is given up: {error}");
            }
            drop(place);
        });
    }
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteConnectOptions;

    use super::*;

    #[tokio::test]
    async fn a_list_that_gets_no_place_in_time_is_too_slow_and_the_database_is_well() {
        let folder = tempfile::tempdir().expect("a folder");
        let options = SqliteConnectOptions::new().filename(folder.path().join("a.db")).create_if_missing(true);
        let readers = Readers::open(options, 2, READ_TIMEOUT).await.expect("it opens");
        let pool = Pool::for_lists(Connections::Sqlite(readers), 2);
        let place = pool.place().await.expect("there is one");
        tokio::time::pause();
        let error = pool.fetch("SELECT 1", Vec::new()).await.map(drop).expect_err("there is no other");
        assert!(matches!(error, Error::TooSlow(_)), "{error}");
        drop(place);
        tokio::time::resume();
        assert_eq!(pool.fetch("SELECT 1", Vec::new()).await.expect("answered").len(), 1);
        pool.close().await;
    }
}
