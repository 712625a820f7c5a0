//! Migrations: embedded, applied in order at start, each once.
//!
//! What was applied is in the table `_sqlx_migrations`, with a checksum each. Migrations only ever add while an older host may be
//! running, so that upgrades roll.

use std::fmt::Write as _;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Connection as _, Row as _, SqlSafeStr as _};

use crate::Error;
use crate::config::Migrate;
use crate::db::{Dialect, Options};

/// One step of the schema. Where the dialects agree, both texts are the same file.
struct Step {
    version: i64,
    name: &'static str,
    sqlite: Text,
    postgres: Text,
}

struct Text {
    file: &'static str,
    sql: &'static str,
}

macro_rules! text {
    ($file:literal) => {
        Text { file: concat!("migrations/", $file), sql: include_str!(concat!("../../../migrations/", $file)) }
    };
}

const STEPS: &[Step] =
    &[Step { version: 1, name: "init", sqlite: text!("0001_init.sqlite.sql"), postgres: text!("0001_init.postgres.sql") }];

impl Step {
    fn text(&self, dialect: Dialect) -> &Text {
        match dialect {
            Dialect::Sqlite => &self.sqlite,
            Dialect::Postgres => &self.postgres,
        }
    }

    fn migration(&self, dialect: Dialect) -> Migration {
        Migration::new(self.version, self.name.into(), MigrationType::Simple, self.text(dialect).sql.into_sql_str(), false)
    }
}

/// Brings a database to this version's schema, or says why it cannot be used.
pub(crate) async fn migrate(options: &Options, migrate: Migrate) -> Result<(), Error> {
    let dialect = match options {
        Options::Sqlite(_) => Dialect::Sqlite,
        Options::Postgres(_) => Dialect::Postgres,
    };
    let applied = applied(options).await?;
    let newest = STEPS.last().expect("there is a first migration").version;
    if let Some(newer) = applied.iter().map(|(version, _)| *version).filter(|version| *version > newest).max() {
        return Err(Error::NewerDatabase(newer));
    }
    let missing: Vec<&Step> = STEPS.iter().filter(|step| applied.iter().all(|(version, _)| *version != step.version)).collect();
    for step in STEPS {
        let checksum = step.migration(dialect).checksum;
        if applied.iter().any(|(version, was)| *version == step.version && *was != *checksum) {
            let file = step.text(dialect).file;
            return Err(Error::Migration(format!("{file} was applied with another content; this binary does not belong to this database")));
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    if migrate == Migrate::Off {
        return Err(Error::MigrationsMissing(missing.iter().map(|step| step.text(dialect).file.to_owned()).collect()));
    }
    apply(options, dialect).await?;
    let files: Vec<_> = missing.iter().map(|step| step.text(dialect).file).collect();
    tracing::info!("the database schema is up to date: it has {} now", files.join(", "));
    Ok(())
}

async fn applied(options: &Options) -> Result<Vec<(i64, Vec<u8>)>, Error> {
    const LIST: &str = "SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version";
    match options {
        Options::Sqlite(options) => {
            let mut connection = sqlx::SqliteConnection::connect_with(options).await?;
            let there = "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = '_sqlx_migrations'";
            let there: i64 = sqlx::query_scalar(there).fetch_one(&mut connection).await?;
            let rows = if there == 0 { Vec::new() } else { sqlx::query(LIST).fetch_all(&mut connection).await? };
            connection.close().await?;
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
        }
        Options::Postgres(options) => {
            let mut connection = sqlx::PgConnection::connect_with(options).await?;
            let there = "SELECT COUNT(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('_sqlx_migrations')";
            let there: i64 = sqlx::query_scalar(there).fetch_one(&mut connection).await?;
            let rows = if there == 0 { Vec::new() } else { sqlx::query(LIST).fetch_all(&mut connection).await? };
            connection.close().await?;
            rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
        }
    }
}

/// Applies what is missing. On PostgreSQL under an advisory lock, on SQLite under the file lock that the caller holds.
async fn apply(options: &Options, dialect: Dialect) -> Result<(), Error> {
    let migrator = Migrator::with_migrations(STEPS.iter().map(|step| step.migration(dialect)).collect());
    let failed = |error: sqlx::migrate::MigrateError| Error::Migration(error.to_string());
    match options {
        Options::Sqlite(options) => {
            let mut connection = sqlx::SqliteConnection::connect_with(options).await?;
            migrator.run_direct(None, &mut connection, false).await.map_err(failed)?;
            connection.close().await?;
        }
        Options::Postgres(options) => {
            let mut connection = sqlx::PgConnection::connect_with(options).await?;
            migrator.run_direct(None, &mut connection, false).await.map_err(failed)?;
            connection.close().await?;
        }
    }
    Ok(())
}

/// The whole schema as one script, with the record of what it applies: for those who run migrations by hand
/// ([`Migrate::Off`]) on an empty database.
pub fn migration_script(postgres: bool) -> String {
    let dialect = if postgres { Dialect::Postgres } else { Dialect::Sqlite };
    let (stamp, bytes, quote) = match dialect {
        Dialect::Postgres => ("TIMESTAMPTZ NOT NULL DEFAULT now()", "BYTEA", ("'\\x", "'")),
        Dialect::Sqlite => ("TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP", "BLOB", ("x'", "'")),
    };
    let mut script = format!(
        "BEGIN;\nCREATE TABLE IF NOT EXISTS _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL, \
         installed_on {stamp}, success BOOLEAN NOT NULL, checksum {bytes} NOT NULL, execution_time BIGINT NOT NULL);\n"
    );
    for step in STEPS {
        let checksum = hex::encode(&step.migration(dialect).checksum);
        write!(
            script,
            "\n{}\nINSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
             VALUES ({}, '{}', TRUE, {}{checksum}{}, 0);\n",
            step.text(dialect).sql,
            step.version,
            step.name,
            quote.0,
            quote.1
        )
        .expect("a string takes everything");
    }
    script.push_str("COMMIT;\n");
    script
}
