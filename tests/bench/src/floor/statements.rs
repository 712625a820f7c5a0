//! Multi-row statements as the floor writes them: one text, from arrays on PostgreSQL and from one JSON text on SQLite.

use std::fmt::Write as _;

use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::sqlite::SqliteConnection;
use sqlx::{Arguments as _, AssertSqlSafe, SqlSafeStr as _, SqlStr};
use uuid::Uuid;

use crate::database::Kind;

/// What a column holds. Nothing is ever NULL here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Uuid,
    Number,
    Text,
    Flag,
    Bytes,
}

/// One value.
#[derive(Clone, Copy)]
pub(super) enum Cell<'a> {
    Uuid(Uuid),
    Number(i64),
    Text(&'a str),
    Flag(bool),
    Bytes(&'a [u8]),
}

/// A statement; `{rows}` stands for the written rows as a table `v` with these columns.
pub(super) struct Statement {
    pub(super) sql: &'static str,
    pub(super) columns: &'static [(&'static str, Type)],
}

/// Everything that the floor writes with, and the tables it writes to.
pub(super) struct Tables;

impl Tables {
    /// Creates them: the columns that the store's tables have and that are filled here, primary keys, and room to update in place.
    pub(super) fn create(kind: Kind) -> String {
        let (uuid, number, text, flag, bytes) = match kind {
            Kind::Postgres => ("UUID", "BIGINT", "TEXT", "BOOLEAN", "BYTEA"),
            Kind::Sqlite => ("BLOB", "INTEGER", "TEXT", "INTEGER", "BLOB"),
        };
        let room = |share: u32| match kind {
            Kind::Postgres => format!(" WITH (fillfactor = {share})"),
            Kind::Sqlite => String::new(),
        };
        let column = |(name, kind): &(&str, Type)| {
            let kind = match kind {
                Type::Uuid => uuid,
                Type::Number => number,
                Type::Text => text,
                Type::Flag => flag,
                Type::Bytes => bytes,
            };
            format!("{name} {kind} NOT NULL")
        };
        let table = |name: &str, statement: &Statement, key: &str, share| {
            let columns: Vec<String> = statement.columns.iter().map(column).collect();
            format!("CREATE TABLE {name} ({}, PRIMARY KEY ({key})){};\n", columns.join(", "), room(share))
        };
        table("instance", &INSERT_INSTANCE, "id", 70)
            + &table("job", &INSERT_JOB, "instance_id, slot", 80)
            + &table("subscription", &INSERT_SUBSCRIPTION, "instance_id, slot", 100)
            + &table("history", &INSERT_HISTORY, "instance_id, revision", 100)
            + &table("ledger", &OPEN_LEDGER, "tenant, command, key, attempt", 80)
    }
}

pub(super) static INSERT_INSTANCE: Statement = Statement {
    sql: "INSERT INTO instance (id, tenant, definition_id, business_key, started_at, revision, last_unit, suspended, snapshot) \
          SELECT id, tenant, definition_id, business_key, started_at, revision, last_unit, suspended, snapshot FROM {rows}",
    columns: &[
        ("id", Type::Uuid),
        ("tenant", Type::Text),
        ("definition_id", Type::Text),
        ("business_key", Type::Text),
        ("started_at", Type::Number),
        ("revision", Type::Number),
        ("last_unit", Type::Uuid),
        ("suspended", Type::Flag),
        ("snapshot", Type::Bytes),
    ],
};

pub(super) static UPDATE_INSTANCE: Statement = Statement {
    sql: "UPDATE instance SET revision = v.revision, last_unit = v.last_unit, snapshot = v.snapshot FROM {rows} WHERE instance.id = v.id",
    columns: &[("id", Type::Uuid), ("revision", Type::Number), ("last_unit", Type::Uuid), ("snapshot", Type::Bytes)],
};

pub(super) static DELETE_INSTANCE: Statement =
    Statement { sql: "DELETE FROM instance WHERE id IN (SELECT v.id FROM {rows})", columns: &[("id", Type::Uuid)] };

pub(super) static INSERT_JOB: Statement = Statement {
    sql: "INSERT INTO job (instance_id, slot, wait, activity_id, kind, definition_id, due, retries, failures, exclusive, created, \
          suspended, locked_by, locked_epoch, takeovers) \
          SELECT instance_id, slot, wait, activity_id, kind, definition_id, due, retries, failures, exclusive, created, suspended, \
          locked_by, locked_epoch, takeovers FROM {rows}",
    columns: &[
        ("instance_id", Type::Uuid),
        ("slot", Type::Number),
        ("wait", Type::Number),
        ("activity_id", Type::Text),
        ("kind", Type::Text),
        ("definition_id", Type::Text),
        ("due", Type::Number),
        ("retries", Type::Number),
        ("failures", Type::Number),
        ("exclusive", Type::Flag),
        ("created", Type::Number),
        ("suspended", Type::Flag),
        ("locked_by", Type::Uuid),
        ("locked_epoch", Type::Number),
        ("takeovers", Type::Number),
    ],
};

pub(super) static UPDATE_JOB: Statement = Statement {
    sql: "UPDATE job SET wait = v.wait, activity_id = v.activity_id, due = v.due, created = v.created FROM {rows} \
          WHERE job.instance_id = v.instance_id AND job.slot = v.slot",
    columns: &[
        ("instance_id", Type::Uuid),
        ("slot", Type::Number),
        ("wait", Type::Number),
        ("activity_id", Type::Text),
        ("due", Type::Number),
        ("created", Type::Number),
    ],
};

pub(super) static DELETE_JOB: Statement = Statement {
    sql: "DELETE FROM job WHERE (instance_id, slot) IN (SELECT v.instance_id, v.slot FROM {rows})",
    columns: &[("instance_id", Type::Uuid), ("slot", Type::Number)],
};

pub(super) static INSERT_SUBSCRIPTION: Statement = Statement {
    sql: "INSERT INTO subscription (instance_id, slot, activity_id, message, definition_id, created, tenant, business_key) \
          SELECT instance_id, slot, activity_id, message, definition_id, created, tenant, business_key FROM {rows}",
    columns: &[
        ("instance_id", Type::Uuid),
        ("slot", Type::Number),
        ("activity_id", Type::Text),
        ("message", Type::Text),
        ("definition_id", Type::Text),
        ("created", Type::Number),
        ("tenant", Type::Text),
        ("business_key", Type::Text),
    ],
};

pub(super) static DELETE_SUBSCRIPTION: Statement = Statement {
    sql: "DELETE FROM subscription WHERE (instance_id, slot) IN (SELECT v.instance_id, v.slot FROM {rows})",
    columns: &[("instance_id", Type::Uuid), ("slot", Type::Number)],
};

pub(super) static INSERT_HISTORY: Statement = Statement {
    sql: "INSERT INTO history (instance_id, revision, at, events) SELECT instance_id, revision, at, events FROM {rows}",
    columns: &[("instance_id", Type::Uuid), ("revision", Type::Number), ("at", Type::Number), ("events", Type::Text)],
};

pub(super) static OPEN_LEDGER: Statement = Statement {
    sql: "INSERT INTO ledger (tenant, command, key, attempt, generation, instance_id, origin_kind, origin_wait, entry_key, activity_id, \
          definition_id, request_digest, request, state, reply, host, epoch, opened_at, closed_at, cancelled) \
          SELECT tenant, command, key, attempt, generation, instance_id, origin_kind, origin_wait, entry_key, activity_id, \
          definition_id, request_digest, request, state, reply, host, epoch, opened_at, closed_at, cancelled FROM {rows}",
    columns: &[
        ("tenant", Type::Text),
        ("command", Type::Text),
        ("key", Type::Text),
        ("attempt", Type::Number),
        ("generation", Type::Number),
        ("instance_id", Type::Uuid),
        ("origin_kind", Type::Text),
        ("origin_wait", Type::Number),
        ("entry_key", Type::Text),
        ("activity_id", Type::Text),
        ("definition_id", Type::Text),
        ("request_digest", Type::Text),
        ("request", Type::Text),
        ("state", Type::Text),
        ("reply", Type::Text),
        ("host", Type::Uuid),
        ("epoch", Type::Number),
        ("opened_at", Type::Number),
        ("closed_at", Type::Number),
        ("cancelled", Type::Flag),
    ],
};

pub(super) static CLOSE_LEDGER: Statement = Statement {
    sql: "UPDATE ledger SET state = v.state, reply = v.reply, closed_at = v.closed_at FROM {rows} \
          WHERE ledger.tenant = v.tenant AND ledger.command = v.command AND ledger.key = v.key AND ledger.attempt = v.attempt",
    columns: &[
        ("tenant", Type::Text),
        ("command", Type::Text),
        ("key", Type::Text),
        ("attempt", Type::Number),
        ("state", Type::Text),
        ("reply", Type::Text),
        ("closed_at", Type::Number),
    ],
};

impl Statement {
    fn render(&self, kind: Kind) -> SqlStr {
        let rows = match kind {
            Kind::Postgres => self.unnest(),
            Kind::Sqlite => self.json_each(),
        };
        AssertSqlSafe(self.sql.replace("{rows}", &rows)).into_sql_str()
    }

    fn unnest(&self) -> String {
        let array = |(at, (_, kind)): (usize, &(&str, Type))| {
            let kind = match kind {
                Type::Uuid => "uuid",
                Type::Number => "bigint",
                Type::Text => "text",
                Type::Flag => "boolean",
                Type::Bytes => "bytea",
            };
            format!("${}::{kind}[]", at + 1)
        };
        let arrays: Vec<String> = self.columns.iter().enumerate().map(array).collect();
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        format!("UNNEST({}) AS v({})", arrays.join(", "), names.join(", "))
    }

    fn json_each(&self) -> String {
        let value = |(at, (name, kind)): (usize, &(&str, Type))| match kind {
            Type::Uuid | Type::Bytes => format!("unhex(value ->> {at}) AS {name}"),
            Type::Number | Type::Text | Type::Flag => format!("value ->> {at} AS {name}"),
        };
        let values: Vec<String> = self.columns.iter().enumerate().map(value).collect();
        format!("(SELECT {} FROM json_each($1)) AS v", values.join(", "))
    }
}

/// A connection that writes.
pub(super) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Connection {
    /// Connects to a database as durably as the store does.
    pub(super) async fn open(url: &str) -> anyhow::Result<Self> {
        Ok(match crate::database::Database::connect(url).await? {
            crate::database::Database::Sqlite(connection) => Self::Sqlite(connection),
            crate::database::Database::Postgres(connection, _) => Self::Postgres(connection),
        })
    }

    /// Runs statements that need no rows.
    pub(super) async fn run(&mut self, sql: String) -> anyhow::Result<()> {
        let sql = sqlx::raw_sql(AssertSqlSafe(sql));
        match self {
            Self::Sqlite(connection) => sql.execute(connection).await.map(|_| ())?,
            Self::Postgres(connection) => sql.execute(connection).await.map(|_| ())?,
        }
        Ok(())
    }

    /// Begins a transaction that writes.
    pub(super) async fn begin(&mut self) -> anyhow::Result<()> {
        self.run(if matches!(self, Self::Sqlite(_)) { "BEGIN IMMEDIATE" } else { "BEGIN" }.to_owned()).await
    }

    /// Runs a statement, unless there are no rows.
    pub(super) async fn write(&mut self, statement: &Statement, rows: &[Vec<Cell<'_>>]) -> anyhow::Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let written = match self {
            Self::Sqlite(connection) => {
                let query = sqlx::query(statement.render(Kind::Sqlite)).bind(json(rows));
                query.execute(connection).await?.rows_affected()
            }
            Self::Postgres(connection) => {
                let arguments = columns(statement.columns, rows).map_err(|error| anyhow::anyhow!("{error}"))?;
                let query = sqlx::query_with(statement.render(Kind::Postgres), arguments);
                query.execute(connection).await?.rows_affected()
            }
        };
        anyhow::ensure!(written == rows.len() as u64, "{} rows of {} were written by: {}", written, rows.len(), statement.sql);
        Ok(())
    }
}

/// The rows as one array a column.
fn columns(types: &[(&str, Type)], rows: &[Vec<Cell<'_>>]) -> Result<PgArguments, sqlx::error::BoxDynError> {
    let mut arguments = PgArguments::default();
    for (at, (_, kind)) in types.iter().enumerate() {
        let column = rows.iter().map(|row| row[at]);
        match kind {
            Type::Uuid => arguments.add(column.filter_map(Cell::uuid).collect::<Vec<_>>())?,
            Type::Number => arguments.add(column.filter_map(Cell::number).collect::<Vec<_>>())?,
            Type::Text => arguments.add(column.filter_map(Cell::text).collect::<Vec<_>>())?,
            Type::Flag => arguments.add(column.filter_map(Cell::flag).collect::<Vec<_>>())?,
            Type::Bytes => arguments.add(column.filter_map(Cell::bytes).collect::<Vec<_>>())?,
        }
    }
    Ok(arguments)
}

/// The rows as one JSON text.
fn json(rows: &[Vec<Cell<'_>>]) -> String {
    let mut text = "[".to_owned();
    for (at, row) in rows.iter().enumerate() {
        text.push_str(if at == 0 { "[" } else { ",[" });
        for (at, cell) in row.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            match cell {
                Cell::Number(value) => write!(text, "{value}").expect("a string takes everything"),
                Cell::Flag(value) => text.push(if *value { '1' } else { '0' }),
                Cell::Text(value) => text.push_str(&serde_json::Value::from(*value).to_string()),
                Cell::Uuid(value) => hex(&mut text, value.as_bytes()),
                Cell::Bytes(value) => hex(&mut text, value),
            }
        }
        text.push(']');
    }
    text.push(']');
    text
}

fn hex(text: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    text.push('"');
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text.push('"');
}

impl<'a> Cell<'a> {
    fn uuid(self) -> Option<Uuid> {
        if let Self::Uuid(value) = self { Some(value) } else { None }
    }

    fn number(self) -> Option<i64> {
        if let Self::Number(value) = self { Some(value) } else { None }
    }

    fn text(self) -> Option<&'a str> {
        if let Self::Text(value) = self { Some(value) } else { None }
    }

    fn flag(self) -> Option<bool> {
        if let Self::Flag(value) = self { Some(value) } else { None }
    }

    fn bytes(self) -> Option<&'a [u8]> {
        if let Self::Bytes(value) = self { Some(value) } else { None }
    }
}
