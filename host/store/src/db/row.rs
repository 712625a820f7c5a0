//! Rows of answers.

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use crate::Error;

/// A row of an answer.
pub(crate) enum Row {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// What a column can be read as.
pub(crate) trait Readable:
    for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite> + for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>
{
}
impl<T> Readable for T where
    T: for<'r> sqlx::Decode<'r, sqlx::Sqlite>
        + sqlx::Type<sqlx::Sqlite>
        + for<'r> sqlx::Decode<'r, sqlx::Postgres>
        + sqlx::Type<sqlx::Postgres>
{
}

impl Row {
    /// The column at a position, from 0.
    pub(crate) fn get<T: Readable>(&self, at: usize) -> Result<T, Error> {
        let value = match self {
            Self::Sqlite(row) => row.try_get(at),
            Self::Postgres(row) => row.try_get(at),
        };
        value.map_err(Error::from)
    }

    /// Reads columns from left to right.
    pub(crate) fn columns(&self) -> Columns<'_> {
        Columns { row: self, at: 0 }
    }
}

/// Reads columns from left to right; a struct expression evaluates its fields in the order they are written.
pub(crate) struct Columns<'a> {
    row: &'a Row,
    at: usize,
}

impl Columns<'_> {
    pub(crate) fn next<T: Readable>(&mut self) -> Result<T, Error> {
        let value = self.row.get(self.at);
        self.at += 1;
        value
    }

    /// A list of texts, stored as JSON.
    pub(crate) fn next_list(&mut self) -> Result<Vec<String>, Error> {
        let text: String = self.next()?;
        serde_json::from_str(&text).map_err(|error| Error::Damaged(format!("a list of texts: {error}")))
    }

    /// A tenant: none is stored as the empty text, so that it can be part of a key.
    pub(crate) fn next_tenant(&mut self) -> Result<Option<String>, Error> {
        let text: String = self.next()?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }
}
