//! What a list can be asked by a parameter, declared once: what the parameter is called, what kind of value it takes, and which condition
//! that is. Whoever adds one adds a line to the list's table; who reads requests reads by the same table.

use super::select::Select;
use crate::db::Param;

/// A parameter of a list.
#[derive(Debug)]
pub struct Ask {
    /// Camunda's name for it.
    pub name: &'static str,
    /// What it is asked with.
    pub kind: AskKind,
    /// The condition, in which `$?` stands for the value; of texts the column.
    sql: &'static str,
    /// What follows.
    then: &'static str,
}

/// What a parameter is asked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AskKind {
    /// A text.
    Text,
    /// A pattern: `%` stands for anything, a backslash takes its meaning away.
    Like,
    /// One of several texts.
    Texts,
    /// A moment.
    Date,
    /// A whole number.
    Whole,
    /// Nothing: the condition holds.
    Flag,
    /// Nothing: the condition holds or, under this other name, does not.
    Either(&'static str),
}

/// A parameter with a value of its kind.
#[derive(Clone, Debug)]
pub struct Asked {
    ask: &'static Ask,
    value: AskedValue,
}

/// The value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AskedValue {
    /// A text or a pattern.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// A moment in milliseconds since 1970, or a whole number.
    Number(i64),
    /// A switch.
    Holds(bool),
}

impl Ask {
    const fn new(name: &'static str, kind: AskKind, sql: &'static str, then: &'static str) -> Self {
        Self { name, kind, sql, then }
    }

    /// With this value.
    pub fn with(&'static self, value: AskedValue) -> Asked {
        Asked { ask: self, value }
    }
}

/// A column is a text.
pub(super) const fn is(name: &'static str, column: &'static str) -> Ask {
    Ask::new(name, AskKind::Text, column, " = $?")
}

/// A column is like a pattern.
pub(super) const fn like(name: &'static str, column: &'static str) -> Ask {
    Ask::new(name, AskKind::Like, column, " LIKE $? ESCAPE '\\'")
}

/// The text that `LOWER` makes of a column is that of a text: upper and lower case of ASCII's letters are the same.
pub(super) const fn is_in_any_case(name: &'static str, lower: &'static str) -> Ask {
    Ask::new(name, AskKind::Text, lower, " = LOWER($?{pg: COLLATE \"C\"})")
}

/// It is like that of a pattern.
pub(super) const fn like_in_any_case(name: &'static str, lower: &'static str) -> Ask {
    Ask::new(name, AskKind::Like, lower, " LIKE LOWER($?{pg: COLLATE \"C\"}) ESCAPE '\\'")
}

/// A column is one of several texts.
pub(super) const fn one_of(name: &'static str, column: &'static str) -> Ask {
    Ask::new(name, AskKind::Texts, column, "")
}

/// A condition with a text.
pub(super) const fn text(name: &'static str, sql: &'static str) -> Ask {
    Ask::new(name, AskKind::Text, sql, "")
}

/// A condition with a pattern.
pub(super) const fn pattern(name: &'static str, sql: &'static str) -> Ask {
    Ask::new(name, AskKind::Like, sql, "")
}

/// A condition with a moment.
pub(super) const fn date(name: &'static str, sql: &'static str) -> Ask {
    Ask::new(name, AskKind::Date, sql, "")
}

/// A condition with a number.
pub(super) const fn whole(name: &'static str, sql: &'static str) -> Ask {
    Ask::new(name, AskKind::Whole, sql, "")
}

/// A condition.
pub(super) const fn flag(name: &'static str, sql: &'static str) -> Ask {
    Ask::new(name, AskKind::Flag, sql, "")
}

/// A condition, and another name for its opposite.
pub(super) const fn either(name: &'static str, opposite: &'static str, sql: &'static str) -> Ask {
    Ask::new(name, AskKind::Either(opposite), sql, "")
}

/// That an instance is nobody's: what no row is, whatever is asked for. A condition that PostgreSQL knows to be false makes it plan a long
/// statement for minutes; this one it looks up.
macro_rules! nobodys {
    ($instance:literal) => {
        concat!("(", $instance, " = {pg:'00000000-0000-0000-0000-000000000000'::uuid}{lite:zeroblob(16)} AND CAST($? AS TEXT) IS NOT NULL)")
    };
}
pub(super) use nobodys;

impl Select {
    /// Adds what is asked, each as one condition.
    pub(super) fn asked(&mut self, asked: Vec<Asked>) {
        for Asked { ask, value } in asked {
            let sql = format!("{}{}", ask.sql, ask.then);
            match value {
                AskedValue::Text(text) => self.with(&sql, text),
                AskedValue::Number(number) => self.with(&sql, Param::I64(number)),
                AskedValue::Texts(texts) => self.texts(&sql, texts),
                AskedValue::Holds(true) => self.condition(&sql),
                AskedValue::Holds(false) => self.condition(&format!("NOT ({sql})")),
            }
        }
    }
}
