//! Bound parameters.

use sqlx::Arguments as _;
use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use uuid::Uuid;

use crate::Error;
use crate::batch::Cell;

/// A bound parameter.
#[derive(Clone, Debug)]
pub(crate) enum Param {
    I64(i64),
    Bool(bool),
    Text(String),
    OptText(Option<String>),
    Bytes(Vec<u8>),
    Uuid(Uuid),
    Uuids(Vec<Uuid>),
    Texts(Vec<String>),
    /// Columns of a multi-row write on PostgreSQL.
    UuidColumn(Vec<Option<Uuid>>),
    TextColumn(Vec<Option<String>>),
    I64Column(Vec<Option<i64>>),
    BoolColumn(Vec<Option<bool>>),
    BytesColumn(Vec<Option<Vec<u8>>>),
    /// One value of a multi-row write on SQLite.
    Cell(Cell),
}

impl From<i64> for Param {
    fn from(value: i64) -> Self {
        Self::I64(value)
    }
}
impl From<bool> for Param {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
impl From<&str> for Param {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}
impl From<String> for Param {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}
impl From<Option<String>> for Param {
    fn from(value: Option<String>) -> Self {
        Self::OptText(value)
    }
}
impl From<Uuid> for Param {
    fn from(value: Uuid) -> Self {
        Self::Uuid(value)
    }
}

/// A list of parameters, from whatever converts into one.
macro_rules! params {
    ($($value:expr),* $(,)?) => { vec![$($crate::db::Param::from($value)),*] };
}
pub(crate) use params;

impl Param {
    /// PostgreSQL has no NUL in texts; SQLite would cut comparisons short at it. The same answer on both: no.
    fn refuse_nul(&self) -> Result<(), Error> {
        let nul = match self {
            Self::Text(text) => text.contains('\0'),
            Self::OptText(text) => text.as_ref().is_some_and(|text| text.contains('\0')),
            Self::Texts(texts) => texts.iter().any(|text| text.contains('\0')),
            _ => false,
        };
        if nul { Err(Error::Refused("a text must not hold a NUL byte".to_owned())) } else { Ok(()) }
    }

    fn bind_sqlite(self, to: &mut SqliteArguments) -> Result<(), sqlx::error::BoxDynError> {
        let json = |list: Vec<serde_json::Value>| serde_json::Value::Array(list).to_string();
        match self {
            Self::I64(value) | Self::Cell(Cell::I64(value)) => to.add(value),
            Self::Bool(value) | Self::Cell(Cell::Bool(value)) => to.add(value),
            Self::Text(value) | Self::Cell(Cell::Text(value)) => to.add(value),
            Self::OptText(value) => to.add(value),
            Self::Bytes(value) | Self::Cell(Cell::Bytes(value)) => to.add(value),
            Self::Uuid(value) | Self::Cell(Cell::Uuid(value)) => to.add(value),
            Self::Cell(Cell::Null) => to.add(None::<i64>),
            Self::Uuids(list) => to.add(json(list.into_iter().map(|id| id.simple().to_string().into()).collect())),
            Self::Texts(list) => to.add(json(list.into_iter().map(Into::into).collect())),
            Self::UuidColumn(_) | Self::TextColumn(_) | Self::I64Column(_) | Self::BoolColumn(_) | Self::BytesColumn(_) => {
                unreachable!("SQLite takes the values of a multi-row write one by one")
            }
        }
    }

    fn bind_postgres(self, to: &mut PgArguments) -> Result<(), sqlx::error::BoxDynError> {
        match self {
            Self::I64(value) => to.add(value),
            Self::Bool(value) => to.add(value),
            Self::Text(value) => to.add(value),
            Self::OptText(value) => to.add(value),
            Self::Bytes(value) => to.add(value),
            Self::Uuid(value) => to.add(value),
            Self::Cell(_) => unreachable!("PostgreSQL takes the columns of a multi-row write"),
            Self::Uuids(list) => to.add(list),
            Self::Texts(list) => to.add(list),
            Self::UuidColumn(list) => to.add(list),
            Self::TextColumn(list) => to.add(list),
            Self::I64Column(list) => to.add(list),
            Self::BoolColumn(list) => to.add(list),
            Self::BytesColumn(list) => to.add(list),
        }
    }
}

pub(super) fn sqlite_arguments(params: Vec<Param>) -> Result<SqliteArguments, Error> {
    let mut arguments = SqliteArguments::default();
    for param in params {
        param.refuse_nul()?;
        param.bind_sqlite(&mut arguments).map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

pub(super) fn postgres_arguments(params: Vec<Param>) -> Result<PgArguments, Error> {
    let mut arguments = PgArguments::default();
    for param in params {
        param.refuse_nul()?;
        param.bind_postgres(&mut arguments).map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}
