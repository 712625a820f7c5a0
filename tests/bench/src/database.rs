//! The database under a run, looked at from outside the host: a connection of the benchmark's own.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Row as _};

use crate::figures::{Server, Statement, each};
use crate::process;

/// How long SQLite's checkpoint waits for readers and writers to be gone for a moment.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often the server is asked whether those have gone who are waited for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);
/// How long until sessions of a host have gone.
const SESSIONS_END: Duration = Duration::from_secs(10);
/// How long until autovacuum has: it goes through history tables of gigabytes, at its own pace.
const AUTOVACUUM_ENDS: Duration = Duration::from_secs(10 * 60);

/// Statements that are shown.
const DEAREST: i64 = 12;

/// Which databases there are, as they are called on the command line and in the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// In this process, a file.
    Sqlite,
    /// A cluster of processes.
    Postgres,
}

impl Kind {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    /// What a URL names.
    pub fn of(url: &str) -> Self {
        if url.starts_with("sqlite:") { Self::Sqlite } else { Self::Postgres }
    }
}

/// A database and the benchmark's connection to it.
pub enum Database {
    /// A file.
    Sqlite(SqliteConnection),
    /// A database of a cluster, with the process id of its postmaster.
    Postgres(PgConnection, u32),
}

impl Database {
    /// Connects. A SQLite file is made if it is not there, and is as durable as the store's.
    pub async fn connect(url: &str) -> anyhow::Result<Self> {
        match Kind::of(url) {
            Kind::Sqlite => {
                let options = SqliteConnectOptions::new()
                    .filename(url.trim_start_matches("sqlite:"))
                    .create_if_missing(true)
                    .journal_mode(sqlx::sqlite::SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full)
                    .busy_timeout(PATIENCE)
                    // Statements over many rows keep a journal, which would be a file.
                    .pragma("temp_store", "MEMORY");
                Ok(Self::Sqlite(options.disable_statement_logging().connect().await?))
            }
            Kind::Postgres => {
                let options = PgConnectOptions::from_str(url)?.application_name("bench").disable_statement_logging();
                let mut connection = options.connect().await?;
                let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut connection).await?;
                Ok(Self::Postgres(connection, process::parent(u32::try_from(backend)?)?))
            }
        }
    }

    /// Which of the two it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Sqlite(_) => Kind::Sqlite,
            Self::Postgres(..) => Kind::Postgres,
        }
    }

    /// Runs statements that answer nothing.
    pub async fn run(&mut self, sql: &str) -> anyhow::Result<()> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        match self {
            Self::Sqlite(connection) => sql.execute(connection).await.map(drop)?,
            Self::Postgres(connection, _) => sql.execute(connection).await.map(drop)?,
        }
        Ok(())
    }

    /// The rows of a query whose columns are texts.
    pub async fn texts(&mut self, sql: &str) -> anyhow::Result<Vec<Vec<String>>> {
        let sql = AssertSqlSafe(sql.to_owned());
        let texts = match self {
            Self::Sqlite(connection) => {
                let rows = sqlx::query(sql).fetch_all(connection).await?;
                rows.iter().map(|row| (0..row.len()).map(|at| row.try_get(at)).collect()).collect::<Result<_, _>>()?
            }
            Self::Postgres(connection, _) => {
                let rows = sqlx::query(sql).fetch_all(connection).await?;
                rows.iter().map(|row| (0..row.len()).map(|at| row.try_get(at)).collect()).collect::<Result<_, _>>()?
            }
        };
        Ok(texts)
    }

    /// The host's tables, each with its columns.
    pub async fn tables(&mut self) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
        let sql = match self.kind() {
            Kind::Sqlite => {
                "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c \
                 WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' ORDER BY m.name, c.cid"
            }
            Kind::Postgres => {
                "SELECT table_name::text, column_name::text FROM information_schema.columns \
                 JOIN information_schema.tables USING (table_schema, table_name) WHERE table_schema = 'public' AND table_type = 'BASE TABLE' \
                 ORDER BY table_name, ordinal_position"
            }
        };
        let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in self.texts(sql).await? {
            if let [table, column] = &row[..] {
                tables.entry(table.clone()).or_default().push(column.clone());
            }
        }
        Ok(tables)
    }

    /// Begins a transaction that goes on seeing the database as it is now, as a long report does. [`Database::release`] ends it.
    pub async fn hold(&mut self) -> anyhow::Result<()> {
        let begin = match self.kind() {
            Kind::Sqlite => "BEGIN",
            Kind::Postgres => "BEGIN ISOLATION LEVEL REPEATABLE READ",
        };
        // It sees the state of its first read.
        self.run(&format!("{begin}; SELECT COUNT(*) FROM host")).await
    }

    /// Ends what [`Database::hold`] began.
    pub async fn release(&mut self) -> anyhow::Result<()> {
        self.run("COMMIT").await
    }

    /// What it takes on the disk, in bytes, by name: `total` is the database without its log, `log` is the log; then the tables of
    /// PostgreSQL with their indexes.
    pub async fn sizes(&mut self) -> anyhow::Result<BTreeMap<String, u64>> {
        let sql = match self.kind() {
            Kind::Sqlite => {
                let files = self.texts("SELECT file FROM pragma_database_list WHERE name = 'main'").await?.concat().concat();
                let size = |path: String| std::fs::metadata(path).map_or(0, |it| it.len());
                return Ok([("log", size(format!("{files}-wal"))), ("total", size(files))]
                    .map(|(name, size)| (name.to_owned(), size))
                    .into());
            }
            Kind::Postgres => {
                "SELECT 'log', (SELECT SUM(size) FROM pg_ls_waldir())::text \
                 UNION ALL SELECT 'total', pg_database_size(current_database())::text \
                 UNION ALL SELECT relname::text, pg_total_relation_size(oid)::text FROM pg_class \
                 WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            }
        };
        let sizes = self.texts(sql).await?;
        sizes.iter().map(|row| Ok((row[0].clone(), row[1].parse()?))).collect()
    }

    /// Does what the database has put off: vacuum and a checkpoint. What it costs belongs to whoever caused it.
    ///
    /// An autovacuum that is under way is waited for. Its work belongs to them, too; and while it takes samples of a table (`ANALYZE`) it
    /// holds a snapshot, for which vacuum leaves the rows that died last: those at the end of a table that has grown, which keep all of it
    /// from being given back.
    pub async fn settle(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Sqlite(connection) => {
                let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await?;
                ensure!(row.get::<i64, _>(0) == 0, "the checkpoint was kept from ending by a reader or writer");
            }
            Self::Postgres(connection, _) => {
                let autovacuum =
                    "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'autovacuum worker'";
                until_none(connection, autovacuum, AUTOVACUUM_ENDS).await.context("wait for autovacuum")?;
                // System tables are left out: they cost the same however little was done.
                let tables = "SELECT string_agg(quote_ident(relname), ', ') FROM pg_class \
                              WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace";
                let tables: Option<String> = sqlx::query_scalar(tables).fetch_one(&mut *connection).await?;
                if let Some(tables) = tables {
                    sqlx::raw_sql(AssertSqlSafe(format!("VACUUM {tables}"))).execute(&mut *connection).await?;
                }
                sqlx::raw_sql("CHECKPOINT").execute(connection).await?;
            }
        }
        Ok(())
    }

    /// CPU time that it has spent outside of this process.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        match self {
            Self::Sqlite(_) => Ok(Duration::ZERO),
            Self::Postgres(_, postmaster) => process::cluster_cpu(*postmaster),
        }
    }

    /// Bytes of write-ahead log so far. SQLite does not count them: what this process has written to files stands for them.
    pub async fn logged(&mut self) -> anyhow::Result<u64> {
        match self {
            Self::Sqlite(_) => process::bytes_written(),
            Self::Postgres(connection, _) => {
                let sql = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint";
                let position: i64 = sqlx::query_scalar(sql).fetch_one(connection).await?;
                Ok(u64::try_from(position)?)
            }
        }
    }

    /// What the server has counted for this database, for each of so many instances. Sessions report when they end, so the host must have
    /// shut down.
    pub async fn counted(&mut self, instances: u32) -> anyhow::Result<Option<Server>> {
        let Self::Postgres(connection, _) = self else { return Ok(None) };
        let others = "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()";
        until_none(connection, others, SESSIONS_END).await.context("wait for the host's sessions to end")?;
        let sql = "SELECT xact_commit, tup_inserted + tup_updated + tup_deleted FROM pg_stat_database WHERE datname = current_database()";
        let row = sqlx::query(sql).fetch_one(&mut *connection).await?;
        let share = |count: i64| each(count.unsigned_abs(), instances);
        let mut server = Server { commits: share(row.get(0)), rows: share(row.get(1)), statements: None, dearest: Vec::new() };
        let loaded = "SELECT current_setting('shared_preload_libraries') LIKE '%pg_stat_statements%'";
        if sqlx::query_scalar::<_, bool>(loaded).fetch_one(&mut *connection).await? {
            let (statements, dearest) = statements(connection, instances).await.context("read pg_stat_statements")?;
            server.statements = Some(statements);
            server.dearest = dearest;
        }
        Ok(Some(server))
    }
}

/// Waits until a query that counts sessions finds none. An error if that takes longer than `patience`.
async fn until_none(connection: &mut PgConnection, count: &'static str, patience: Duration) -> anyhow::Result<()> {
    let begun = Instant::now();
    while sqlx::query_scalar::<_, i64>(count).fetch_one(&mut *connection).await? > 0 {
        ensure!(begun.elapsed() < patience, "there are still some after {patience:?}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    Ok(())
}

async fn statements(connection: &mut PgConnection, instances: u32) -> anyhow::Result<(f64, Vec<Statement>)> {
    sqlx::raw_sql("CREATE EXTENSION IF NOT EXISTS pg_stat_statements").execute(&mut *connection).await?;
    let here = "FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())";
    let all: i64 =
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT COALESCE(SUM(calls), 0)::bigint {here}"))).fetch_one(&mut *connection).await?;
    let sql = format!("SELECT calls, total_exec_time, wal_bytes::bigint, query {here} ORDER BY total_exec_time DESC LIMIT {DEAREST}");
    let rows = sqlx::query(AssertSqlSafe(sql)).fetch_all(connection).await?;
    let dearest = rows.iter().map(|row| Statement {
        calls: each(row.get::<i64, _>(0).unsigned_abs(), instances),
        ms: row.get::<f64, _>(1) / f64::from(instances.max(1)),
        wal_bytes: each(row.get::<i64, _>(2).unsigned_abs(), instances),
        text: row.get(3),
    });
    Ok((each(all.unsigned_abs(), instances), dearest.collect()))
}
