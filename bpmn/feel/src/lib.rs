//! Values and expressions: what modellers write into attributes and elements, compiled once at deployment
//! and evaluated within bounds whenever a process needs to know.
//!
//! There are two languages on one syntax tree. *FEEL* (DMN's language, Camunda 8's) begins with an equals sign; *JUEL*
//! (Camunda 7's) is a template of text and `${…}`. Anything else is literal text:
//!
//! ```
//! use mandate_feel::{Expression, Limits, Value};
//!
//! let variables = Value::from_json_text(r#"{"order": {"id": "A-17", "total": 120.50}, "vip": false}"#).unwrap();
//! let evaluate = |source: &str| {
//!     let expression = Expression::parse(source).unwrap();
//!     expression.evaluate(&variables, &Limits::default()).unwrap().value
//! };
//!
//! assert_eq!(evaluate("= order.total > 100 and not(vip)"), Value::Boolean(true));
//! assert_eq!(evaluate("${order.total > 100 && !vip}"), Value::Boolean(true));
//! assert_eq!(evaluate("reserve-${order.id}"), Value::from("reserve-A-17"));
//! assert_eq!(evaluate("plain text"), Value::from("plain text"));
//! ```
//!
//! # How the languages differ
//! | | FEEL | JUEL |
//! |---|---|---|
//! | a name that is not known | null, with a reason | [`Error::UnknownName`], as in Camunda 7 |
//! | a wrong type, overflow | null, with a reason | an error; but texts and null are converted first |
//! | logic | three-valued: `null or true` is true | two-valued: null is false |
//! | positions in lists | from one; negative ones from the end | from zero |
//! | null in arithmetic | null | zero |
//! | the type of a number | forgotten by arithmetic | [`Number::known_as`]: Java's, also of literals and of what arithmetic gives |
//!
//! FEEL's null says why it came out: [`Evaluated::null_reasons`] names variables and kinds of values, never the values themselves,
//! so it may be logged. So may every [`Error`].
//!
//! # What is promised
//! - No I/O, clock, randomness or threads: the same expression and variables give the same outcome. What `now()` is, the scope says, as the
//!   value of the name `now()`: a date's text.
//! - Reading ends with a [`ParseError`] and evaluation with an [`Error`], whatever the text and the data:
//!   never a panic, an overflow of the stack, or a hang. [`Limits`] bounds the work and, through it, the memory.
//! - What an evaluation gives out is what JSON can carry (see [`Number::as_stored`] and [`MAX_NESTING`]), so that an instance goes on in
//!   the same way whether or not it was stored in between.
//!
//! # Where to look
//! `value`, `number` and `temporal`: what is computed with. `lexer`, `parser` (the shared loop) with `parser/feel` and `parser/juel`,
//! `ast`: from text to tree. `eval` with the operators of either language in `eval/feel` and `eval/juel`: from tree to value.
//! `builtins`: one file for each family of functions, one line in its table for each function.

mod ast;
mod builtins;
mod eval;
mod expression;
mod lexer;
mod number;
mod parser;
mod temporal;
mod value;

pub use builtins::dates::date_text;
pub use eval::{Closure, Error, Limits, Scope};
pub use expression::{Evaluated, Expression};
pub use number::{DIGITS, Error as NumberError, Number, NumberType, Rounding};
pub use parser::{MAX_SOURCE_BYTES, MAX_SYNTAX_DEPTH, ParseError, PatternRoom};
pub use temporal::{Moment, Temporal, time_zone};
pub use value::{Entries, Error as ValueError, Interval, MAX_NESTING, Value};
