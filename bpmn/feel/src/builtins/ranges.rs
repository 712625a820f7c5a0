//! How points and ranges lie to each other (DMN 1.5, table 78). A point is the range that has nothing else in it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;

use super::{Args, Builtin, builtin, temporal};
use crate::eval::{Evaluator, Fault};
use crate::lexer::{Language, Lexer, Token};
use crate::temporal::Temporal;
use crate::value::Interval;
use crate::{Number, Value};

/// `date and time`
const MOST_BYTES_OF_NAME: usize = 13;

/// Both may be points or ranges.
const ANY: &[&str] = &["point1, point2", "point, range", "range, point", "range1, range2"];
const RANGES: &[&str] = &["range1, range2"];
const POINT_IN: &[&str] = &["point, range", "range1, range2"];
const RANGE_OF: &[&str] = &["range, point", "range1, range2"];

pub(super) static TABLE: &[Builtin] = &[
    builtin("before", ANY, |evaluator, args| both(evaluator, args, |own, other, ends| before(own, other, ends.high_low))),
    builtin("after", ANY, |evaluator, args| flipped(evaluator, args, |own, other, ends| before(own, other, ends.high_low))),
    builtin("meets", RANGES, |evaluator, args| both(evaluator, args, meets)),
    builtin("met by", RANGES, |evaluator, args| flipped(evaluator, args, meets)),
    builtin("overlaps", RANGES, |evaluator, args| both(evaluator, args, overlaps)),
    builtin("overlaps before", RANGES, |evaluator, args| both(evaluator, args, overlaps_before)),
    builtin("overlaps after", RANGES, |evaluator, args| flipped(evaluator, args, overlaps_before)),
    builtin("finishes", POINT_IN, |evaluator, args| both(evaluator, args, finishes)),
    builtin("finished by", RANGE_OF, |evaluator, args| flipped(evaluator, args, finishes)),
    builtin("includes", RANGE_OF, |evaluator, args| flipped(evaluator, args, during)),
    builtin("during", POINT_IN, |evaluator, args| both(evaluator, args, during)),
    builtin("starts", POINT_IN, |evaluator, args| both(evaluator, args, starts)),
    builtin("started by", RANGE_OF, |evaluator, args| flipped(evaluator, args, starts)),
    builtin("range", &["from"], from_text).checked(|fixed| match fixed.text(0) {
        Some(text) => read(text).map(drop),
        None => Ok(()),
    }),
    builtin("coincides", &["point1, point2", "range1, range2"], |evaluator, args| both(evaluator, args, coincides)),
];

/// How the ends of the first lie to those of the second.
#[derive(Clone, Copy)]
struct Ends {
    low: Ordering,
    high: Ordering,
    /// The end of the first to the beginning of the second.
    high_low: Ordering,
    /// The beginning of the first to the end of the second.
    low_high: Ordering,
}

type Relation = fn(&Interval, &Interval, Ends) -> bool;

fn both(evaluator: &mut Evaluator<'_>, args: Args<'_>, relation: Relation) -> Result<Value, Fault> {
    relate(evaluator, args.value(0), args.value(1), relation)
}

fn flipped(evaluator: &mut Evaluator<'_>, args: Args<'_>, relation: Relation) -> Result<Value, Fault> {
    relate(evaluator, args.value(1), args.value(0), relation)
}

fn relate(evaluator: &mut Evaluator<'_>, own: &Value, other: &Value, relation: Relation) -> Result<Value, Fault> {
    let (own, other) = (range(own), range(other));
    let mut order = |left: &Value, right: &Value| evaluator.feel_order(left, right);
    let ends = Ends {
        low: order(&own.low, &other.low)?,
        high: order(&own.high, &other.high)?,
        high_low: order(&own.high, &other.low)?,
        low_high: order(&own.low, &other.high)?,
    };
    Ok(Value::Boolean(relation(&own, &other, ends)))
}

/// `range("[1..10]")` (DMN 1.5, table 72). An end that is left out, and not included, is none: `range("[2..)")` is what is at least 2.
fn from_text(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let text = args.text(0)?;
    evaluator.charge_bytes(text.len())?;
    let range = read(text)?;
    if !range.low.is_null() && !range.high.is_null() {
        evaluator.feel_order(&range.low, &range.high)?;
    }
    Ok(Value::Range(Arc::new(range)))
}

fn read(text: &str) -> Result<Interval, Fault> {
    let mut lexer = Lexer::new(text, 0, Language::Feel);
    let range = read_from(&mut lexer).filter(|range| match (&range.low, &range.high) {
        (Value::Null, high) => !high.is_null() && !range.low_included,
        (low, Value::Null) => !low.is_null() && !range.high_included,
        (low, high) => low.kind() == high.kind(),
    });
    range.ok_or_else(|| Fault::null("the string is no range such as [1..10), [1..) or [@\"2026-01-01\"..@\"2026-12-31\"]"))
}

fn read_from(lexer: &mut Lexer<'_>) -> Option<Interval> {
    let low_included = match lexer.next().ok()?.0 {
        Token::Symbol("[") => true,
        Token::Symbol("(" | "]") => false,
        _ => return None,
    };
    let low = end_before(lexer, &[".."])?;
    if lexer.next().ok()?.0 != Token::Symbol("..") {
        return None;
    }
    let high = end_before(lexer, &["]", ")", "["])?;
    let high_included = match lexer.next().ok()?.0 {
        Token::Symbol("]") => true,
        Token::Symbol(")" | "[") => false,
        _ => return None,
    };
    (lexer.next().ok()?.0 == Token::End).then_some(Interval { low, low_included, high, high_included })
}

/// An end, or null where one of these signs stands at once.
fn end_before(lexer: &mut Lexer<'_>, signs: &[&str]) -> Option<Value> {
    match lexer.clone().next().ok()?.0 {
        Token::Symbol(sign) if signs.contains(&sign) => Some(Value::Null),
        _ => end(lexer),
    }
}

/// A number, a text, or a date, time or duration as a literal or by its function.
fn end(lexer: &mut Lexer<'_>) -> Option<Value> {
    let number = |number: Number| Value::Number(number.with_type(None));
    match lexer.next().ok()?.0 {
        Token::Number(own) => Some(number(own)),
        Token::Symbol("-") => match lexer.next().ok()?.0 {
            Token::Number(own) => Some(number(-own)),
            _ => None,
        },
        Token::Text(text) => Some(text.into()),
        Token::Symbol("@") => match lexer.next().ok()?.0 {
            Token::Text(text) => Temporal::read(&text).map(Value::from),
            _ => None,
        },
        Token::Word(word) => {
            let mut name = word.to_owned();
            loop {
                match lexer.next().ok()?.0 {
                    Token::Word(word) if name.len() < MOST_BYTES_OF_NAME => name = format!("{name} {word}"),
                    Token::Symbol("(") => break,
                    _ => return None,
                }
            }
            let Token::Text(text) = lexer.next().ok()?.0 else { return None };
            let read = temporal::reader(&name)?(&text).map(Value::from);
            read.filter(|_| matches!(lexer.next(), Ok((Token::Symbol(")"), _))))
        }
        _ => None,
    }
}

fn range(value: &Value) -> Cow<'_, Interval> {
    match value {
        Value::Range(range) => Cow::Borrowed(range),
        point => Cow::Owned(Interval { low: point.clone(), low_included: true, high: point.clone(), high_included: true }),
    }
}

fn before(own: &Interval, other: &Interval, high_low: Ordering) -> bool {
    high_low.is_lt() || (high_low.is_eq() && !(own.high_included && other.low_included))
}

fn meets(own: &Interval, other: &Interval, ends: Ends) -> bool {
    ends.high_low.is_eq() && own.high_included && other.low_included
}

fn overlaps(own: &Interval, other: &Interval, ends: Ends) -> bool {
    !before(own, other, ends.high_low) && !before(other, own, ends.low_high.reverse())
}

fn overlaps_before(own: &Interval, other: &Interval, ends: Ends) -> bool {
    let begins_before = ends.low.is_lt() || (ends.low.is_eq() && own.low_included && !other.low_included);
    begins_before && !before(own, other, ends.high_low) && ends_within(own, other, ends)
}

fn finishes(own: &Interval, other: &Interval, ends: Ends) -> bool {
    ends.high.is_eq() && own.high_included == other.high_included && begins_within(own, other, ends)
}

fn starts(own: &Interval, other: &Interval, ends: Ends) -> bool {
    ends.low.is_eq() && own.low_included == other.low_included && ends_within(own, other, ends)
}

fn during(own: &Interval, other: &Interval, ends: Ends) -> bool {
    begins_within(own, other, ends) && ends_within(own, other, ends)
}

fn coincides(own: &Interval, other: &Interval, ends: Ends) -> bool {
    let included = |range: &Interval| (range.low_included, range.high_included);
    ends.low.is_eq() && ends.high.is_eq() && included(own) == included(other)
}

fn begins_within(own: &Interval, other: &Interval, ends: Ends) -> bool {
    ends.low.is_gt() || (ends.low.is_eq() && (other.low_included || !own.low_included))
}

fn ends_within(own: &Interval, other: &Interval, ends: Ends) -> bool {
    ends.high.is_lt() || (ends.high.is_eq() && (other.high_included || !own.high_included))
}
