//! One definition of a multi-row write, rendered for each database.
//!
//! The number of statements decides what a transaction costs, so a batch of units writes each table in one statement: on PostgreSQL from
//! arrays (`UNNEST`), prepared once per connection whatever the number of rows; on SQLite from `VALUES` of one of a few [`SIZES`], each
//! prepared once, whose last rows are left NULL and filtered out. (From JSON it is one statement too, but SQLite then spends more on the
//! JSON than on the rows.)

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

/// How many rows one statement on SQLite has room for. More rows are more statements.
pub(crate) const SIZES: [usize; 5] = [1, 4, 16, 64, 256];

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};
use uuid::Uuid;

use crate::Error;
use crate::db::{Dialect, Param, Pool, Row, Tx};

/// On SQLite up to so many rows of a table are gathered with those of others: every further size would be as many texts again to prepare.
const GATHERED: usize = 16;

/// The type of a column of the written rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    Uuid,
    I64,
    Text,
    Bool,
    Bytes,
}

/// A multi-row statement. `{rows}` in its SQL stands for the written rows as a table `v` with the given columns, of which the first is
/// never NULL.
pub(crate) struct Batch {
    pub(crate) sql: &'static str,
    pub(crate) columns: &'static [(&'static str, Type)],
    on_postgres: OnceLock<Arc<str>>,
    on_sqlite: [OnceLock<Arc<str>>; SIZES.len()],
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
optional!(Uuid, i64, bool, String, &str, Vec<u8>);

/// A row, from whatever converts into cells.
macro_rules! cells {
    ($($value:expr),* $(,)?) => { vec![$($crate::batch::Cell::from($value)),*] };
}
pub(crate) use cells;

impl Batch {
    pub(crate) const fn new(sql: &'static str, columns: &'static [(&'static str, Type)]) -> Self {
        Self { sql, columns, on_postgres: OnceLock::new(), on_sqlite: [const { OnceLock::new() }; SIZES.len()] }
    }

    /// The statement as the database gets it, for so many rows or, on PostgreSQL, for any number.
    pub(crate) fn render(&self, dialect: Dialect, rows: usize) -> SqlStr {
        let (kept, size) = match dialect {
            Dialect::Postgres => (&self.on_postgres, 0),
            Dialect::Sqlite => {
                let at = SIZES.iter().position(|size| *size >= rows).expect("rows are handed over in chunks of at most the largest size");
                (&self.on_sqlite[at], SIZES[at])
            }
        };
        let rendered = kept.get_or_init(|| {
            let rows = match dialect {
                Dialect::Postgres => self.unnest(),
                Dialect::Sqlite => self.values(size),
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

    fn values(&self, size: usize) -> String {
        let mut sql = "(SELECT ".to_owned();
        for (at, (name, _)) in self.columns.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(sql, "{comma}column{} AS {name}", at + 1).expect("a string takes everything");
        }
        let row = format!("({})", vec!["?"; self.columns.len()].join(","));
        let rows = vec![row.as_str(); size].join(",");
        write!(sql, " FROM (VALUES {rows}) WHERE column1 IS NOT NULL) AS v").expect("a string takes everything");
        sql
    }

    /// The rows as a statement takes them: on PostgreSQL all at once, on SQLite as many as the largest one has room for.
    pub(crate) fn statements(&self, dialect: Dialect, rows: Vec<Vec<Cell>>) -> Vec<(SqlStr, Vec<Param>)> {
        debug_assert!(rows.iter().all(|row| row.len() == self.columns.len()), "a row of {} has another width", self.sql);
        match dialect {
            _ if rows.is_empty() => Vec::new(),
            Dialect::Postgres => vec![(self.render(dialect, rows.len()), columns(self.columns, rows))],
            Dialect::Sqlite => {
                let mut statements = Vec::new();
                let mut rows = rows.into_iter().peekable();
                while rows.peek().is_some() {
                    let some: Vec<_> = rows.by_ref().take(SIZES[SIZES.len() - 1]).collect();
                    // Parameters that are not bound are NULL.
                    statements.push((self.render(dialect, some.len()), some.into_iter().flatten().map(Param::Cell).collect()));
                }
                statements
            }
        }
    }

    /// Runs the statement, unless there are no rows. Answers how many rows it changed.
    pub(crate) async fn execute(&self, tx: &mut Tx, rows: Vec<Vec<Cell>>) -> Result<u64, Error> {
        let mut changed = 0;
        for (sql, params) in self.statements(tx.dialect, rows) {
            changed += tx.execute_rendered(sql, params).await?;
        }
        Ok(changed)
    }

    /// Runs the statement, unless there are no rows, before the transaction asks for anything or commits: together with others, if it
    /// gathers them. The statement reads nothing but what it writes, and writes a row for each that it is given.
    pub(crate) async fn later(&self, tx: &mut Tx, rows: Vec<Vec<Cell>>) -> Result<(), Error> {
        if !tx.gathers() || tx.dialect == Dialect::Sqlite && rows.len() > GATHERED {
            return self.execute(tx, rows).await.map(drop);
        }
        let count = rows.len();
        for (sql, mut params) in self.statements(tx.dialect, rows) {
            if tx.dialect == Dialect::Sqlite {
                let size = SIZES.iter().find(|size| **size >= count).expect("it is one of the smaller ones");
                params.resize(size * self.columns.len(), Param::Cell(Cell::Null));
            }
            tx.later(self.table(), sql, params, count).await?;
        }
        Ok(())
    }

    /// What it writes.
    fn table(&self) -> &'static str {
        let mut words = self.sql.split_ascii_whitespace();
        let table = match words.next() {
            Some("UPDATE") => words.next(),
            _ => words.nth(1),
        };
        table.expect("a statement that writes names its table first")
    }

    /// Runs the statement, unless there are no rows. Answers what it returns.
    pub(crate) async fn fetch(&self, tx: &mut Tx, rows: Vec<Vec<Cell>>) -> Result<Vec<Row>, Error> {
        let mut answers = Vec::new();
        for (sql, params) in self.statements(tx.dialect, rows) {
            answers.extend(tx.fetch_rendered(sql, params).await?);
        }
        if !self.sql.starts_with("SELECT") {
            tx.wrote(answers.len() as u64);
        }
        Ok(answers)
    }

    /// Asks with the statement, which must be a read, unless there are no rows.
    pub(crate) async fn read(&self, pool: &Pool, rows: Vec<Vec<Cell>>) -> Result<Vec<Row>, Error> {
        let mut answers = Vec::new();
        for (sql, params) in self.statements(pool.dialect(), rows) {
            answers.extend(pool.fetch_rendered(sql, params).await?);
        }
        Ok(answers)
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
            PUT.render(Dialect::Postgres, 2).as_str(),
            "INSERT INTO t (id, n, body) SELECT id, n, body FROM UNNEST($1::uuid[], $2::bigint[], $3::bytea[]) AS v(id, n, body)"
        );
        let rows = vec![cells![Uuid::nil(), 7_i64, Cell::Null], cells![Uuid::max(), 8_i64, vec![1_u8]]];
        let (_, params) = PUT.statements(Dialect::Postgres, rows).pop().expect("one statement");
        assert!(matches!(&params[1], Param::I64Column(list) if *list == [Some(7), Some(8)]));
        assert!(matches!(&params[2], Param::BytesColumn(list) if *list == [None, Some(vec![1])]));
    }

    #[test]
    fn one_definition_becomes_values_on_sqlite() {
        assert_eq!(
            PUT.render(Dialect::Sqlite, 2).as_str(),
            "INSERT INTO t (id, n, body) SELECT id, n, body FROM (SELECT column1 AS id, column2 AS n, column3 AS body \
             FROM (VALUES (?,?,?),(?,?,?),(?,?,?),(?,?,?)) WHERE column1 IS NOT NULL) AS v"
        );
        let row = |n: i64| cells![Uuid::nil(), n, vec![0_u8, 255]];
        let statements = PUT.statements(Dialect::Sqlite, (0..257).map(row).collect());
        let params: Vec<_> = statements.iter().map(|(_, params)| params.len()).collect();
        assert_eq!(params, [256 * 3, 3]);
        assert!(matches!(&statements[1].1[1], Param::Cell(Cell::I64(256))), "{statements:?}");
        assert!(PUT.statements(Dialect::Sqlite, Vec::new()).is_empty());
    }
}
