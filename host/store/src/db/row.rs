//! Rows of answers.

use futures_util::{Stream, TryStreamExt as _};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;
use sqlx::{ColumnIndex, Decode, Row as _, TypeInfo as _, ValueRef as _};

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

    /// How many bytes its texts have.
    fn text_bytes(&self) -> usize {
        match self {
            Self::Sqlite(row) => text_bytes(row),
            Self::Postgres(row) => text_bytes(row),
        }
    }

    /// Reads columns from left to right.
    pub(crate) fn columns(&self) -> Columns<'_> {
        Columns { row: self, at: 0 }
    }
}

fn text_bytes<'r, R: sqlx::Row>(row: &'r R) -> usize
where
    usize: ColumnIndex<R>,
    &'r str: Decode<'r, R::Database>,
{
    let values = (0..row.len()).filter_map(|at| row.try_get_raw(at).ok());
    let texts = values.filter(|value| !value.is_null() && value.type_info().name() == "TEXT");
    texts.filter_map(|text| <&str>::decode(text).ok()).map(str::len).sum()
}

/// Takes rows as they come. No more are read when their texts have more than so many bytes, which is refused.
pub(super) async fn within(mut rows: impl Stream<Item = Result<Row, sqlx::Error>> + Unpin, most: usize) -> Result<Vec<Row>, Error> {
    let (mut read, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.try_next().await? {
        bytes += if most == usize::MAX { 0 } else { row.text_bytes() };
        if bytes > most {
            let count = read.len();
            let message = format!("more than {count} of these rows are too much for one answer; ask for fewer with maxResults");
            return Err(Error::Refused(message));
        }
        read.push(row);
    }
    Ok(read)
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
