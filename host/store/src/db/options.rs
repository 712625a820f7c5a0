//! How a connection is made, and made again when it was lost.

use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::SqliteConnectOptions;

use super::{Connection, answered};
use crate::Error;

/// Of a connection for writes.
#[derive(Clone, Debug)]
pub(crate) enum Options {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

impl Options {
    pub(super) async fn connect(&self) -> Result<Connection, Error> {
        Ok(match self {
            Self::Sqlite(options) => Connection::Sqlite(options.connect().await?),
            Self::Postgres(options) => {
                let mut connection = answered(options.connect()).await?;
                if answered(is(&mut connection, IN_RECOVERY)).await? {
                    return Err(Error::Connection(STANDBY.to_owned()));
                }
                if answered(is(&mut connection, READ_ONLY)).await? {
                    return Err(Error::Connection(TAKES_NO_WRITES.to_owned()));
                }
                Connection::Postgres(connection)
            }
        })
    }
}

const IN_RECOVERY: &str = "SELECT pg_is_in_recovery()";
const STANDBY: &str = "the server is a standby, which takes no writes and may lack some; the url must lead to the primary";
const READ_ONLY: &str = "SELECT current_setting('transaction_read_only') = 'on'";
const TAKES_NO_WRITES: &str =
    "the server takes no writes: switch off default_transaction_read_only, of this role, this database or all of it";

/// A database's address may lead to a standby for a while when another server is promoted. Whoever read from it would go on reading what
/// was.
pub(crate) async fn refuse_standby(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    if is(connection, IN_RECOVERY).await? { Err(sqlx::Error::Configuration(STANDBY.into())) } else { Ok(()) }
}

async fn is(connection: &mut PgConnection, asked: &'static str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(asked).persistent(false).fetch_one(connection).await
}
