//! One definition of a multi-row write, rendered for each database.
//!
//! The number of statements decides what a transaction costs, so a batch of units writes each table in one statement: on PostgreSQL from
//! arrays (`UNNEST`), on SQLite from one JSON text (`json_each`, bytes as hexadecimal). Both are prepared once per connection,
//! whatever the number of rows.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};
use uuid::Uuid;

use crate::Error;
use crate::db::{Dialect, Param, Row, Tx};

/// The type of a column of the written rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Uuid,
    I64,
    Text,
    Bool,
    Bytes,
}

/// A multi-row statement. `{rows}` in its SQL stands for the written rows as a table `v` with the given columns.
pub(crate) struct Batch {
    pub(crate) sql: &'static str,
    pub(crate) columns: &'static [(&'static str, Type)],
    rendered: [OnceLock<Arc<str>>; 2],
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cell {
    Null,
    Uuid(Uuid),
    I64(i64),
    Text(String),
    Bool(bool),
    Bytes(Vec<u8>),
}

impl From<Uuid> for Cell {
    fn from(value: Uuid) -> Self {
        Self::Uuid(value)
    }
}
impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}
impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
impl From<&String> for Cell {
    fn from(value: &String) -> Self {
        Self::Text(value.clone())
    }
}
impl From<Vec<u8>> for Cell {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}
impl From<&Vec<u8>> for Cell {
    fn from(value: &Vec<u8>) -> Self {
        Self::Bytes(value.clone())
    }
}
impl From<&Option<String>> for Cell {
    fn from(value: &Option<String>) -> Self {
        Self::from(value.clone())
    }
}

/// Concrete, because a generic implementation sends inference round in circles.
macro_rules! optional {
    ($($kind:ty),*) => {
        $(impl From<Option<$kind>> for Cell {
            fn from(value: Option<$kind>) -> Self {
                value.map_or(Self::Null, Self::from)
            }
        })*
    };
}
optional!(Uuid, i64, bool, String, Vec<u8>);

/// A row, from whatever converts into cells.
macro_rules! cells {
    ($($value:expr),* $(,)?) => { vec![$($crate::batch::Cell::from($value)),*] };
}
pub(crate) use cells;

impl Batch {
    pub(crate) const fn new(sql: &'static str, columns: &'static [(&'static str, Type)]) -> Self {
        Self { sql, columns, rendered: [OnceLock::new(), OnceLock::new()] }
    }

    /// The statement as the database gets it.
    pub(crate) fn render(&self, dialect: Dialect) -> SqlStr {
        let rendered = self.rendered[dialect as usize].get_or_init(|| {
            let rows = match dialect {
                Dialect::Postgres => self.unnest(),
                Dialect::Sqlite => self.json_each(),
            };
            dialect.render(&self.sql.replace("{rows}", &rows)).into()
        });
        AssertSqlSafe(rendered.clone()).into_sql_str()
    }

    fn unnest(&self) -> String {
        let mut sql = "UNNEST(".to_owned();
        for (at, (_, kind)) in self.columns.iter().enumerate() {
            let array = match kind {
                Type::Uuid => "uuid[]",
                Type::I64 => "bigint[]",
                Type::Text => "text[]",
                Type::Bool => "boolean[]",
                Type::Bytes => "bytea[]",
            };
            let comma = if at == 0 { "" } else { ", " };
            write!(sql, "{comma}${}::{array}", at + 1).expect("a string takes everything");
        }
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        write!(sql, ") AS v({})", names.join(", ")).expect("a string takes everything");
        sql
    }

    fn json_each(&self) -> String {
        let mut sql = "(SELECT ".to_owned();
        for (at, (name, kind)) in self.columns.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            match kind {
                Type::Uuid | Type::Bytes => write!(sql, "{comma}unhex(value ->> {at}) AS {name}"),
                Type::I64 | Type::Text | Type::Bool => write!(sql, "{comma}value ->> {at} AS {name}"),
            }
            .expect("a string takes everything");
        }
        sql.push_str(" FROM json_each($1)) AS v");
        sql
    }

    fn params(&self, dialect: Dialect, rows: Vec<Vec<Cell>>) -> Vec<Param> {
        debug_assert!(rows.iter().all(|row| row.len() == self.columns.len()), "a row of {} has another width", self.sql);
        match dialect {
            Dialect::Postgres => columns(self.columns, rows),
            Dialect::Sqlite => vec![Param::Json(json(&rows))],
        }
    }

    /// Runs the statement, unless there are no rows. Answers how many rows it changed.
    pub(crate) async fn execute(&self, tx: &mut Tx, rows: Vec<Vec<Cell>>) -> Result<u64, Error> {
        if rows.is_empty() {
            return Ok(0);
        }
        let params = self.params(tx.dialect, rows);
        tx.execute_rendered(self.render(tx.dialect), params).await
    }

    /// Runs the statement, unless there are no rows. Answers what it returns.
    pub(crate) async fn fetch(&self, tx: &mut Tx, rows: Vec<Vec<Cell>>) -> Result<Vec<Row>, Error> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let params = self.params(tx.dialect, rows);
        tx.fetch_rendered(self.render(tx.dialect), params).await
    }
}

fn columns(types: &[(&str, Type)], rows: Vec<Vec<Cell>>) -> Vec<Param> {
    let mut columns: Vec<Param> = types
        .iter()
        .map(|(_, kind)| match kind {
            Type::Uuid => Param::UuidColumn(Vec::with_capacity(rows.len())),
            Type::I64 => Param::I64Column(Vec::with_capacity(rows.len())),
            Type::Text => Param::TextColumn(Vec::with_capacity(rows.len())),
            Type::Bool => Param::BoolColumn(Vec::with_capacity(rows.len())),
            Type::Bytes => Param::BytesColumn(Vec::with_capacity(rows.len())),
        })
        .collect();
    for row in rows {
        for (column, cell) in columns.iter_mut().zip(row) {
            match (column, cell) {
                (Param::UuidColumn(list), Cell::Uuid(value)) => list.push(Some(value)),
                (Param::UuidColumn(list), Cell::Null) => list.push(None),
                (Param::I64Column(list), Cell::I64(value)) => list.push(Some(value)),
                (Param::I64Column(list), Cell::Null) => list.push(None),
                (Param::TextColumn(list), Cell::Text(value)) => list.push(Some(value)),
                (Param::TextColumn(list), Cell::Null) => list.push(None),
                (Param::BoolColumn(list), Cell::Bool(value)) => list.push(Some(value)),
                (Param::BoolColumn(list), Cell::Null) => list.push(None),
                (Param::BytesColumn(list), Cell::Bytes(value)) => list.push(Some(value)),
                (Param::BytesColumn(list), Cell::Null) => list.push(None),
                (column, cell) => unreachable!("{cell:?} does not fit column {column:?}"),
            }
        }
    }
    columns
}

fn json(rows: &[Vec<Cell>]) -> String {
    let mut text = "[".to_owned();
    for (at, row) in rows.iter().enumerate() {
        text.push_str(if at == 0 { "[" } else { ",[" });
        for (at, cell) in row.iter().enumerate() {
            if at > 0 {
                text.push(',');
            }
            match cell {
                Cell::Null => text.push_str("null"),
                Cell::I64(value) => write!(text, "{value}").expect("a string takes everything"),
                Cell::Bool(value) => text.push(if *value { '1' } else { '0' }),
                Cell::Text(value) => text.push_str(&serde_json::Value::from(value.as_str()).to_string()),
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
    text.reserve(bytes.len() * 2 + 2);
    text.push('"');
    for byte in bytes {
        text.push(char::from(DIGITS[usize::from(byte >> 4)]));
        text.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    static PUT: Batch = Batch::new(
        "INSERT INTO t (id, n, body) SELECT id, n, body FROM {rows}",
        &[("id", Type::Uuid), ("n", Type::I64), ("body", Type::Bytes)],
    );

    #[test]
    fn one_definition_becomes_arrays_on_postgres() {
        assert_eq!(
            PUT.render(Dialect::Postgres).as_str(),
            "INSERT INTO t (id, n, body) SELECT id, n, body FROM UNNEST($1::uuid[], $2::bigint[], $3::bytea[]) AS v(id, n, body)"
        );
        let params = PUT.params(Dialect::Postgres, vec![cells![Uuid::nil(), 7_i64, Cell::Null], cells![Uuid::max(), 8_i64, vec![1_u8]]]);
        assert!(matches!(&params[1], Param::I64Column(list) if *list == [Some(7), Some(8)]));
        assert!(matches!(&params[2], Param::BytesColumn(list) if *list == [None, Some(vec![1])]));
    }

    #[test]
    fn one_definition_becomes_json_on_sqlite() {
        assert_eq!(
            PUT.render(Dialect::Sqlite).as_str(),
            "INSERT INTO t (id, n, body) SELECT id, n, body FROM (SELECT unhex(value ->> 0) AS id, value ->> 1 AS n, \
             unhex(value ->> 2) AS body FROM json_each($1)) AS v"
        );
        let params = PUT.params(Dialect::Sqlite, vec![cells![Uuid::nil(), "a\"b", vec![0_u8, 255]]]);
        assert!(
            matches!(&params[0], Param::Json(text) if text == "[[\"00000000000000000000000000000000\",\"a\\\"b\",\"00ff\"]]"),
            "{params:?}"
        );
    }
}
