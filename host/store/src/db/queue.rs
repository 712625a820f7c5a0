//! Statements of a transaction that answer nothing, gathered to go to the database at once.
//!
//! A statement costs a lone unit of work two changes of threads, on PostgreSQL of processes, whatever it writes. What nobody waits for an answer of is
//! therefore kept until something is asked or committed: on SQLite one text of several statements, on PostgreSQL one statement with the others
//! as its `WITH` queries. These see the state from before the statement and run in no order, so there no two of them write the same table.

use std::fmt::Write as _;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::{Dialect, Param};

/// A statement that waits.
pub(super) struct Waiting {
    pub(super) sql: SqlStr,
    /// As many as the statement has: they are counted through all of them.
    pub(super) params: Vec<Param>,
    /// What it writes.
    pub(super) table: &'static str,
}

/// Puts statements together, in their order; none for none.
pub(super) fn together(dialect: Dialect, waiting: Vec<Waiting>) -> Option<(SqlStr, Vec<Param>)> {
    let mut waiting = waiting.into_iter();
    let Waiting { sql, mut params, .. } = waiting.next()?;
    if waiting.len() == 0 {
        return Some((sql, params));
    }
    let mut text = match dialect {
        Dialect::Sqlite => sql.as_str().to_owned(),
        Dialect::Postgres => format!("WITH q1 AS ({})", sql.as_str()),
    };
    let mut nth = 1;
    while let Some(next) = waiting.next() {
        nth += 1;
        match dialect {
            Dialect::Sqlite => {
                text.push_str("; ");
                text.push_str(next.sql.as_str());
            }
            Dialect::Postgres => {
                let sql = renumbered(next.sql.as_str(), params.len());
                let is_last = waiting.len() == 0;
                let written = if is_last { write!(text, " {sql}") } else { write!(text, ", q{nth} AS ({sql})") };
                written.expect("a string takes everything");
            }
        }
        params.extend(next.params);
    }
    Some((AssertSqlSafe(text).into_sql_str(), params))
}

/// A statement whose parameters begin after so many others.
fn renumbered(sql: &str, after: usize) -> String {
    let mut text = String::with_capacity(sql.len() + 32);
    let mut parts = sql.split('$');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: usize = part[..digits].parse().expect("a parameter of this crate's SQL is a number");
        write!(text, "${}{}", number + after, &part[digits..]).expect("a string takes everything");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(sql: &'static str, params: Vec<Param>) -> Waiting {
        Waiting { sql: AssertSqlSafe(sql).into_sql_str(), params, table: "t" }
    }

    fn text(dialect: Dialect, all: Vec<Waiting>) -> (String, usize) {
        let (sql, params) = together(dialect, all).expect("there are some");
        (sql.as_str().to_owned(), params.len())
    }

    #[test]
    fn several_statements_become_one() {
        let one = || waiting("INSERT INTO a SELECT n FROM UNNEST($1::bigint[]) AS v(n)", vec![Param::I64(1)]);
        let two = || waiting("UPDATE b SET n = $2 WHERE m = $1", vec![Param::I64(2), Param::I64(3)]);
        assert_eq!(text(Dialect::Postgres, vec![one()]), ("INSERT INTO a SELECT n FROM UNNEST($1::bigint[]) AS v(n)".to_owned(), 1));
        assert_eq!(
            text(Dialect::Postgres, vec![one(), two(), one()]),
            (
                "WITH q1 AS (INSERT INTO a SELECT n FROM UNNEST($1::bigint[]) AS v(n)), q2 AS (UPDATE b SET n = $3 WHERE m = $2) \
                 INSERT INTO a SELECT n FROM UNNEST($4::bigint[]) AS v(n)"
                    .to_owned(),
                4
            )
        );
        let lite = || waiting("DELETE FROM a WHERE n = ?", vec![Param::I64(1)]);
        assert_eq!(text(Dialect::Sqlite, vec![lite(), lite()]), ("DELETE FROM a WHERE n = ?; DELETE FROM a WHERE n = ?".to_owned(), 2));
        assert!(together(Dialect::Sqlite, Vec::new()).is_none());
    }
}
