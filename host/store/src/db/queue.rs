//! Statements of a transaction that answer nothing, gathered to go to the database at once.
//!
//! A statement costs a lone unit of work two changes of threads, on PostgreSQL of processes, whatever it writes. What nobody waits for an
//! answer of is therefore kept until something is asked or committed: on SQLite one text of several statements, on PostgreSQL one statement
//! with the others as its `WITH` queries. These see the state from before the statement and run in no order, so there no two of them write
//! the same table.
//!
//! **A text of several statements on SQLite** is what the driver makes of it, not SQLite: `sqlx` 0.9 prepares one after the other what `;`
//! separates, keeps all of them under the whole text, gives each the parameters behind those of the ones before it, and answers with all
//! their rows (its `VirtualStatement` and `ExecuteIter`; the documentation of `sqlx::query` calls it deprecated, and `raw_sql`, which is
//! not, takes no parameters). This crate makes such texts in [`joined`] and nowhere else: of what is gathered, of the COMMIT behind it, and
//! of the BEGIN before what is asked or gathered first in a transaction. A test here says if a driver does it no more; then `joined` is to
//! become as many calls as there are statements.
//!
//! A text is prepared for every set of tables that is written together, and a connection keeps a number of texts. So that many models do
//! not push out of there what all of them need, so many sets are known to a lane ([`Texts`]) as there is room for beside it; what comes
//! then goes to the database one by one.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};

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

impl Waiting {
    /// BEGIN or COMMIT on SQLite, which writes no table.
    pub(super) fn control(sql: &'static str) -> Self {
        Self { sql: SqlStr::from_static(sql), params: Vec::new(), table: "" }
    }
}

/// How many texts of several statements a lane makes, of those that its connection keeps prepared (`PREPARED` in
/// `host/store/src/store.rs`).
pub(crate) const MOST_TEXTS: usize = 150;

/// After so many that came too late all sets are forgotten, so that what a host does often now is put together, whatever it did before.
const TOO_LATE: usize = 10 * MOST_TEXTS;

/// The sets of statements of which a text was made. Who comes first stays: a set that is not among them costs its units a few more
/// messages, and no more.
#[derive(Default)]
pub(super) struct Texts {
    known: HashSet<u64>,
    too_late: usize,
    hash: RandomState,
}

impl Texts {
    /// Whether these are put together.
    pub(super) fn take(&mut self, waiting: &[Waiting]) -> bool {
        if waiting.len() < 2 {
            return true;
        }
        let mut hasher = self.hash.build_hasher();
        for one in waiting {
            hasher.write(one.sql.as_str().as_bytes());
            hasher.write_u8(b';');
        }
        let name = hasher.finish();
        let takes = self.known.contains(&name) || self.known.len() < MOST_TEXTS;
        if takes {
            self.known.insert(name);
            return true;
        }
        self.too_late += 1;
        if self.too_late == TOO_LATE {
            (self.known, self.too_late) = (HashSet::new(), 0);
        }
        false
    }
}

/// One text of two on SQLite, whose parameters are those of the first and then those of the second: see above what this relies on.
pub(super) fn joined(first: &str, second: &str) -> String {
    format!("{first}; {second}")
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
            Dialect::Sqlite => text = joined(&text, next.sql.as_str()),
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

    #[test]
    fn many_sets_of_tables_do_not_push_out_what_is_prepared() {
        let set = |n: usize| {
            [format!("DELETE FROM t{n}"), "COMMIT".to_owned()].map(|sql| Waiting {
                sql: AssertSqlSafe(sql).into_sql_str(),
                params: Vec::new(),
                table: "t",
            })
        };
        let mut texts = Texts::default();
        assert!((0..MOST_TEXTS).all(|n| texts.take(&set(n))));
        assert!(!texts.take(&set(MOST_TEXTS)) && texts.take(&set(7)), "who comes first stays");
        let [alone, _] = set(MOST_TEXTS + 1);
        assert!(texts.take(&[alone]), "it is one of the statements that are prepared anyhow");
        assert!((1..TOO_LATE).all(|n| !texts.take(&set(MOST_TEXTS + n))));
        assert!(texts.take(&set(MOST_TEXTS)), "what came first makes room in the end");
    }

    #[tokio::test]
    async fn the_driver_runs_all_statements_of_a_text_each_with_its_own_parameters() {
        use sqlx::{Connection as _, Row as _, SqliteConnection};
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.expect("SQLite opens");
        sqlx::raw_sql("CREATE TABLE t (a INTEGER, b INTEGER)").execute(&mut connection).await.expect("made");
        // Twice, for the second time it is taken from what is prepared.
        for n in [10_i64, 20] {
            let text = [
                "INSERT INTO t (a, b) VALUES (?, ?)",
                "UPDATE t SET b = ? WHERE a = ?",
                "INSERT INTO t (a) VALUES (?)",
                "COMMIT",
                "SELECT COUNT(*) FROM t",
            ];
            let text = text.into_iter().fold("BEGIN IMMEDIATE".to_owned(), |all, next| joined(&all, next));
            let query = sqlx::query(AssertSqlSafe(text)).bind(n).bind(n + 1).bind(n + 2).bind(n).bind(n + 3);
            let rows = query.fetch_all(&mut connection).await.expect("the driver takes a text of several statements");
            let count: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
            let broken = "sqlx no longer runs every statement of a text on SQLite with its own parameters: see the top of host/store/src/db/queue.rs";
            assert_eq!(count, [n / 10 * 2], "{broken}");
            let rows = sqlx::query("SELECT a, b FROM t WHERE a >= ? ORDER BY a").bind(n).fetch_all(&mut connection).await.expect("read");
            let found: Vec<(i64, Option<i64>)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
            assert_eq!(found, [(n, Some(n + 2)), (n + 3, None)], "{broken}");
        }
    }
}
