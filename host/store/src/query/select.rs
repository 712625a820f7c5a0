//! The builder that makes a filter a `SELECT`. Values are bound, always; SQL is this crate's own.

use std::borrow::Cow;

use sqlx::{AssertSqlSafe, SqlSafeStr as _};

use super::{MAX_ANSWER_BYTES, Order, Page};
use crate::Error;
use crate::db::{Param, Pool, Row};

/// Where rows are.
#[derive(Clone)]
pub(super) struct Place {
    /// What follows FROM: a table, or a join.
    from: Cow<'static, str>,
    /// Columns that have no value in any of its rows. It is not sorted by them, so that an index gives what else it is sorted by.
    empty: &'static [&'static str],
    /// A column that has one value in all of its rows, and begins the index that has their order.
    lead: Option<&'static str>,
}

impl Place {
    /// Where these columns are never set.
    pub(super) fn without(self, empty: &'static [&'static str]) -> Self {
        Self { empty, ..self }
    }

    /// All rows of one value of this column. On PostgreSQL its condition must not say so by `=`: else that, for which that column no longer
    /// matters to the order, reads another index that begins with the next one, past all other values.
    pub(super) fn led_by(self, lead: &'static str) -> Self {
        Self { lead: Some(lead), ..self }
    }
}

impl From<&'static str> for Place {
    fn from(from: &'static str) -> Self {
        Self { from: Cow::Borrowed(from), empty: &[], lead: None }
    }
}

impl From<String> for Place {
    fn from(from: String) -> Self {
        Self { from: Cow::Owned(from), empty: &[], lead: None }
    }
}

/// A `SELECT` in the making.
pub(super) struct Select {
    places: Vec<Place>,
    conditions: String,
    /// How the next condition is joined to the ones before.
    joint: Joint,
    params: Vec<Param>,
    /// What tells a row from others, if a row may be in several places.
    overlap: Option<&'static str>,
}

/// One page of a list whose texts may be large. Where it has more of them than one answer holds ([`MAX_ANSWER_BYTES`]) it is refused, and
/// not read to its end. Nobody asks for all rows at once in order to answer with them.
pub(crate) async fn large_rows(pool: &Pool, (sql, params): (String, Vec<Param>), page: Page) -> Result<Vec<Row>, Error> {
    let most = if page == Page::ALL { usize::MAX } else { MAX_ANSWER_BYTES };
    pool.fetch_within(AssertSqlSafe(pool.dialect().render(&sql)).into_sql_str(), params, most).await
}

impl Select {
    /// `from` is what follows FROM: a table, or a join.
    pub(super) fn new(from: &'static str) -> Self {
        Self::of(vec![from])
    }

    /// Of several places that have the same columns and share no row. None has no rows.
    pub(super) fn of<P: Into<Place>>(places: Vec<P>) -> Self {
        Self::with_params(places, Vec::new())
    }

    /// The same of places that speak of values: `$1` is the first. Several cannot be counted unless they overlap, for there each place is
    /// asked by itself.
    pub(super) fn with_params<P: Into<Place>>(places: Vec<P>, params: Vec<Param>) -> Self {
        Self { places: places.into_iter().map(Into::into).collect(), conditions: String::new(), joint: Joint::Where, params, overlap: None }
    }

    /// Of places that may share rows: each place has a row once, and `key`, some columns, is what tells it from others.
    pub(super) fn overlapping(self, key: &'static str) -> Self {
        Self { overlap: Some(key), ..self }
    }

    /// Adds a condition without a value.
    pub(super) fn condition(&mut self, sql: &str) {
        self.conditions.push_str(match self.joint {
            Joint::Where => " WHERE ",
            Joint::First => "",
            Joint::And => " AND ",
            Joint::Or => " OR ",
        });
        self.conditions.push_str(sql);
        self.joint = match self.joint {
            Joint::Where | Joint::And => Joint::And,
            Joint::First | Joint::Or => Joint::Or,
        };
    }

    /// Adds a condition in which `$?` stands for a value.
    pub(super) fn with(&mut self, sql: &str, value: impl Into<Param>) {
        self.params.push(value.into());
        let numbered = sql.replace("$?", &format!("${}", self.params.len()));
        self.condition(&numbered);
    }

    /// Adds a condition in which each `$?` stands for the next of these values.
    pub(super) fn with_each<const N: usize>(&mut self, sql: &str, values: [Param; N]) {
        let mut numbered = sql.to_owned();
        for value in values {
            self.params.push(value);
            numbered = numbered.replacen("$?", &format!("${}", self.params.len()), 1);
        }
        self.condition(&numbered);
    }

    /// Whether it is of all rows.
    pub(super) fn is_unconditional(&self) -> bool {
        self.conditions.is_empty()
    }

    /// Binds a value for an expression that is no condition; the answer stands for it.
    pub(super) fn bind(&mut self, value: impl Into<Param>) -> String {
        self.params.push(value.into());
        format!("${}", self.params.len())
    }

    /// Adds a condition if there is a value.
    pub(super) fn maybe<T: Into<Param>>(&mut self, sql: &str, value: Option<T>) {
        if let Some(value) = value {
            self.with(sql, value);
        }
    }

    /// Adds a condition if it is asked for.
    pub(super) fn when(&mut self, asked: bool, sql: &str) {
        if asked {
            self.condition(sql);
        }
    }

    /// The column is one of these texts; none given: no condition.
    pub(super) fn texts(&mut self, column: &str, values: Vec<String>) {
        if !values.is_empty() {
            self.params.push(Param::Texts(values));
            let condition = format!("{column} {{any_text:{}}}", self.params.len());
            self.condition(&condition);
        }
    }

    /// Closes a bracket that the last condition opened.
    pub(super) fn close(&mut self) {
        self.conditions.push(')');
    }

    /// The same, and more of that condition.
    pub(super) fn close_with(&mut self, sql: &str) {
        self.close();
        self.conditions.push_str(sql);
    }

    /// Adds that one of the conditions holds that `add` makes, each of which must be one condition; none made: no condition.
    pub(super) fn any(&mut self, add: impl FnOnce(&mut Self)) {
        let (mut inner, params) = (Self::of(Vec::<Place>::new()), std::mem::take(&mut self.params));
        // They are numbered on.
        (inner.params, inner.joint) = (params, Joint::First);
        add(&mut inner);
        self.params = inner.params;
        if !inner.conditions.is_empty() {
            self.condition(&format!("({})", inner.conditions));
        }
    }

    /// Adds, as one condition, that a row is there for which all of what `add` makes holds.
    pub(super) fn exists(&mut self, from: &str, add: impl FnOnce(&mut Self)) {
        self.condition(&format!("EXISTS (SELECT 1 FROM {from}"));
        let joint = std::mem::replace(&mut self.joint, Joint::Where);
        add(self);
        self.joint = joint;
        self.close();
    }

    /// The column is one of these ids; none given: no condition.
    pub(super) fn uuids(&mut self, column: &str, values: Vec<uuid::Uuid>) {
        if !values.is_empty() {
            self.params.push(Param::Uuids(values));
            let condition = format!("{column} {{any_uuid:{}}}", self.params.len());
            self.condition(&condition);
        }
    }

    /// An instance and a number of it are one of these; none given: no condition.
    pub(super) fn numbered(&mut self, instance: &str, number: &str, values: Vec<(uuid::Uuid, i64)>) {
        match values[..] {
            [] => {}
            [(id, n)] => {
                self.params.extend([Param::Uuid(id), Param::I64(n)]);
                let at = self.params.len();
                self.condition(&format!("({instance} = ${} AND {number} = ${at})", at - 1));
            }
            _ => {
                let pairs = values.iter().map(|(id, n)| format!("{}:{n}", id.simple())).collect();
                self.params.push(Param::Texts(pairs));
                let condition = format!("({instance}, {number}) {{any_pair:{}}}", self.params.len());
                self.condition(&condition);
            }
        }
    }

    /// Camunda's `like`: `%` stands for anything, a backslash takes its meaning away.
    pub(super) fn like(&mut self, column: &str, pattern: Option<String>) {
        self.maybe(&format!("{column} LIKE $? ESCAPE '\\'"), pattern);
    }

    /// Tenants, where none is the empty text.
    pub(super) fn tenants(&mut self, column: &str, tenants: Vec<String>, without: bool) {
        self.texts(column, tenants);
        self.when(without, &format!("{column} = ''"));
    }

    /// The rows, of these columns, in this order. Each place gives its first rows in the order of its own indexes, so that a page of
    /// several costs what it does of one.
    pub(super) async fn rows(self, pool: &Pool, columns: &str, order: &[(String, &str)], page: Page) -> Result<Vec<Row>, Error> {
        if self.places.is_empty() {
            return Ok(Vec::new());
        }
        let (sql, params) = self.statement(columns, order, page);
        pool.fetch(&sql, params).await
    }

    /// The same of rows whose texts may be large, as [`large_rows`] reads them.
    pub(super) async fn large_rows(self, pool: &Pool, columns: &str, order: &[(String, &str)], page: Page) -> Result<Vec<Row>, Error> {
        if self.places.is_empty() {
            return Ok(Vec::new());
        }
        large_rows(pool, self.statement(columns, order, page), page).await
    }

    /// The statement that asks for them; of one place at least.
    pub(super) fn statement(mut self, columns: &str, order: &[(String, &str)], page: Page) -> (String, Vec<Param>) {
        let (mut until, mut paged) = (String::new(), String::new());
        if page != Page::ALL {
            self.params.extend([page.max.into(), page.first.into()].map(Param::I64));
            let at = self.params.len();
            // SQLite makes a join of EXISTS, and version 3.51 skips by OFFSET the rows of that join, not those of the list: so no OFFSET
            // stands beside conditions.
            (until, paged) = (format!("${} + ${at}", at - 1), format!(" LIMIT ${} OFFSET ${at}", at - 1));
        }
        let first = if until.is_empty() { String::new() } else { format!(" LIMIT {until}") };
        let within = |place: &Place| {
            let keys = order.iter().filter(|(column, _)| !place.empty.contains(&column.as_str()));
            // An index is read from either end as a whole.
            let lead = place.lead.map(|lead| format!("{lead} {}", order.first().map_or("ASC", |(_, direction)| *direction)));
            lead.into_iter().chain(keys.map(|(column, direction)| format!("{column} {direction}"))).collect::<Vec<_>>().join(", ")
        };
        let sql = if let [place] = &self.places[..] {
            let all = format!("SELECT {columns} FROM {}{} ORDER BY {}", place.from, self.conditions, within(place));
            if paged.is_empty() { all } else { format!("{{lite:SELECT * FROM (}}{all}{{lite: LIMIT {until}) p}}{paged}") }
        } else {
            let keys: Vec<String> = order.iter().enumerate().map(|(at, (column, _))| format!("{column} AS k{at}")).collect();
            let keys = keys.join(", ");
            let of = |(at, place): (usize, &Place)| {
                let (from, conditions, order) = (&place.from, &self.conditions, within(place));
                format!("SELECT * FROM (SELECT {columns}, {keys} FROM {from}{conditions} ORDER BY {order}{first}) p{at}")
            };
            let all: Vec<String> = self.places.iter().enumerate().map(of).collect();
            let merged: Vec<String> = order.iter().enumerate().map(|(at, (_, direction))| format!("k{at} {direction}")).collect();
            let union = if self.overlap.is_some() { " UNION " } else { " UNION ALL " };
            format!("SELECT * FROM ({}) u ORDER BY {}{paged}", all.join(union), merged.join(", "))
        };
        (sql, self.params)
    }

    /// How many rows there are.
    pub(super) async fn count(self, pool: &Pool) -> Result<i64, Error> {
        if let (Some(key), true) = (self.overlap, self.places.len() > 1) {
            let of = |place: &Place| format!("SELECT {key} FROM {}{}", place.from, self.conditions);
            let all: Vec<String> = self.places.iter().map(of).collect();
            let rows = pool.fetch(&format!("SELECT COUNT(*) FROM ({}) u", all.join(" UNION ")), self.params).await?;
            return rows.first().map_or(Ok(0), |row| row.get(0));
        }
        let mut all = 0;
        for place in self.places {
            let sql = format!("SELECT COUNT(*) FROM {}{}", place.from, self.conditions);
            let rows = pool.fetch(&sql, self.params.clone()).await?;
            all += rows.first().map_or(Ok(0), |row| row.get::<i64>(0))?;
        }
        Ok(all)
    }
}

/// What stands before a condition.
#[derive(Clone, Copy)]
enum Joint {
    Where,
    /// It is the first of alternatives.
    First,
    And,
    Or,
}

/// What a list can be sorted by.
pub(super) trait Sort: Copy {
    /// Its SQL.
    fn column(self) -> &'static str;
}

/// An order by some columns, each from small to large.
pub(super) fn ascending(columns: &[&str]) -> Vec<(String, &'static str)> {
    columns.iter().map(|column| ((*column).to_owned(), "ASC")).collect()
}

/// The columns of an ORDER BY with their directions, and those that break ties: these in the direction of the last one, so that an index
/// over all of them is read from either end.
pub(super) fn keys<S: Sort>(sort: &[(S, Order)], ties: &[&str]) -> Vec<(String, &'static str)> {
    keys_of(sort.iter().map(|(by, order)| (by.column().to_owned(), *order)).collect(), ties)
}

/// The same of expressions.
pub(super) fn keys_of(sort: Vec<(String, Order)>, ties: &[&str]) -> Vec<(String, &'static str)> {
    let direction = |order: Order| match order {
        Order::Asc => "ASC NULLS LAST",
        Order::Desc => "DESC NULLS FIRST",
    };
    let of_ties = match sort.last() {
        Some((_, Order::Desc)) => "DESC",
        _ => "ASC",
    };
    let sorted = sort.into_iter().map(|(by, order)| (by, direction(order)));
    sorted.chain(ties.iter().map(|column| ((*column).to_owned(), of_ties))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_numbered_as_they_come() {
        let mut select = Select::new("t");
        select.texts("a", vec!["x".into()]);
        select.maybe("b > $?", Some(3_i64));
        select.maybe("c > $?", None::<i64>);
        select.numbered("i", "n", vec![(uuid::Uuid::nil(), 1)]);
        select.numbered("i", "n", vec![(uuid::Uuid::nil(), 1), (uuid::Uuid::nil(), 2)]);
        select.like("d", Some("50\\%%".into()));
        assert_eq!(
            select.conditions,
            " WHERE a {any_text:1} AND b > $2 AND (i = $3 AND n = $4) AND (i, n) {any_pair:5} AND d LIKE $6 ESCAPE '\\'"
        );
        assert_eq!(select.params.len(), 6);
    }

    #[test]
    fn alternatives_are_one_condition_and_conditions_on_other_rows_hold_together() {
        let mut select = Select::new("t");
        select.with("a = $?", 1_i64);
        select.any(|select| {
            select.with("b = $?", 2_i64);
            select.exists("u", |select| {
                select.condition("u.id = t.id");
                select.with("u.c = $?", 3_i64);
            });
            select.condition("d");
        });
        select.any(|_| ());
        select.condition("e");
        assert_eq!(select.conditions, " WHERE a = $1 AND (b = $2 OR EXISTS (SELECT 1 FROM u WHERE u.id = t.id AND u.c = $3) OR d) AND e");
    }
}
