//! JUEL's own semantics: operands are converted first, and what cannot be converted is an error (EL 2.1, 1.6 to 1.18).

use std::cmp::Ordering;

use super::feel::holds;
use super::{Evaluator, Fault, arithmetic, shown};
use crate::ast::{Operator, Step};
use crate::number::MAX_TEXT_BYTES;
use crate::{Number, NumberType, Value};

impl Evaluator<'_> {
    pub(super) fn juel_binary(&mut self, operator: Operator, left: &Value, right: &Value) -> Result<Value, Fault> {
        match operator {
            Operator::Equal => self.juel_equal(left, right).map(Value::Boolean),
            Operator::NotEqual => self.juel_equal(left, right).map(|equal| Value::Boolean(!equal)),
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                self.juel_compare(operator, left, right).map(Value::Boolean)
            }
            Operator::Add => match (to_number(left), to_number(right)) {
                (Ok(left), Ok(right)) => juel_arithmetic(operator, left, right),
                (Err(fault), _) | (_, Err(fault)) => Err(match (left, right) {
                    (Value::String(_), _) | (_, Value::String(_)) => {
                        Fault::null("+ adds numbers; to join texts write one expression after the other: ${a}${b}")
                    }
                    _ => fault,
                }),
            },
            _ => juel_arithmetic(operator, to_number(left)?, to_number(right)?),
        }
    }

    /// EL 2.1, 1.8.2: null equals only null; a number, a boolean or a string makes the other operand one.
    fn juel_equal(&mut self, left: &Value, right: &Value) -> Result<bool, Fault> {
        match (left, right) {
            (Value::Null, _) | (_, Value::Null) => Ok(left.is_null() && right.is_null()),
            (Value::Number(_), _) | (_, Value::Number(_)) => Ok(to_number(left)? == to_number(right)?),
            (Value::Boolean(_), _) | (_, Value::Boolean(_)) => Ok(to_boolean(left)? == to_boolean(right)?),
            (Value::String(own), other) | (other, Value::String(own)) if other.as_str().is_none() => {
                let mut text = String::new();
                self.write_juel(other, &mut text)?;
                Ok(**own == *text)
            }
            _ => Ok(self.equal(left, right)? == Some(true)),
        }
    }

    /// EL 2.1, 1.8.1: null is neither less nor greater than anything; a number, else a string, makes the other operand one.
    fn juel_compare(&mut self, operator: Operator, left: &Value, right: &Value) -> Result<bool, Fault> {
        match (left, right) {
            (Value::Null, Value::Null) => Ok(holds(operator, Ordering::Equal)),
            (Value::Null, _) | (_, Value::Null) => Ok(false),
            (Value::Number(_), _) | (_, Value::Number(_)) => Ok(holds(operator, to_number(left)?.cmp(&to_number(right)?))),
            (Value::String(_), _) | (_, Value::String(_)) => {
                let (mut left_text, mut right_text) = (String::new(), String::new());
                self.write_juel(left, &mut left_text)?;
                self.write_juel(right, &mut right_text)?;
                Ok(holds(operator, left_text.cmp(&right_text)))
            }
            _ => Err(Fault::Null(format!("{} cannot compare {} and {}", operator.sign(), left.kind(), right.kind()))),
        }
    }

    /// `value.name` and `value[key]`: null has everything, and everything it has is null; so has a context for names it does not know.
    pub(super) fn juel_step(&mut self, value: &Value, step: &Step) -> Result<Value, Fault> {
        match step {
            Step::Member(name) => self.juel_member(value, name),
            Step::Method(method, arguments) => self.method(value, method, arguments),
            Step::Invoke(..) => unreachable!("JUEL has no functions that are values"),
            Step::Bracket(key) => {
                let key = self.evaluate(key)?;
                match (value, &key) {
                    (Value::Null, _) => Ok(self.null(|| "an entry of null was asked for".to_owned())),
                    (_, Value::Null) => Ok(self.null(|| "an entry was asked for by a key that is null".to_owned())),
                    (Value::List(items), _) => {
                        let Some(index) = to_number(&key)?.to_i64() else {
                            return Err(Fault::null("the index into a list must be an integer"));
                        };
                        let item = usize::try_from(index).ok().and_then(|index| items.get(index)).cloned();
                        Ok(item.unwrap_or_else(|| {
                            self.null(|| format!("there is no item at the index asked for, the list has {}", items.len()))
                        }))
                    }
                    _ => {
                        let mut name = String::new();
                        self.write_juel(&key, &mut name)?;
                        self.juel_member(value, &name)
                    }
                }
            }
        }
    }

    fn juel_member(&mut self, value: &Value, name: &str) -> Result<Value, Fault> {
        match value {
            Value::Null => Ok(self.null(|| format!("'{}' of null was asked for", shown(name)))),
            Value::Context(entries) => match entries.get(name) {
                Some(value) => Ok(value.clone()),
                None => Ok(self.null(|| format!("there is no entry '{}' in the context", shown(name)))),
            },
            other => Err(Fault::Null(format!("{} has no property '{}'", other.kind(), shown(name)))),
        }
    }
}

/// EL 2.1, 1.7: a division, or anything with a floating-point number, gives one; all else an integer of 64 bits (JUEL `NumberOperations`).
fn juel_arithmetic(operator: Operator, left: Number, right: Number) -> Result<Value, Fault> {
    let double = operator == Operator::Divide || left.is_double() || right.is_double();
    let number = arithmetic(operator, left, right)?;
    Ok(Value::Number(number.with_type(Some(if double { NumberType::Double } else { NumberType::Long }))))
}

/// EL 2.1, 1.18.3: null and the empty string are zero. A text has the type that it is written with.
pub(super) fn to_number(value: &Value) -> Result<Number, Fault> {
    match value {
        Value::Null => Ok(Number::ZERO),
        Value::Number(number) => Ok(*number),
        Value::String(text) if text.is_empty() => Ok(Number::ZERO),
        Value::String(text) if text.len() <= MAX_TEXT_BYTES => text
            .trim()
            .parse::<Number>()
            .map(|number| number.typed_as(text))
            .map_err(|_| Fault::null("a string that is no number stands where a number is needed")),
        other => Err(Fault::Null(format!("a number is needed, not {}", other.kind()))),
    }
}

/// EL 2.1, 1.18.5: null and the empty string are false, a string is true if it says so.
pub(super) fn to_boolean(value: &Value) -> Result<bool, Fault> {
    match value {
        Value::Null => Ok(false),
        Value::Boolean(value) => Ok(*value),
        Value::String(text) => Ok(text.eq_ignore_ascii_case("true")),
        other => Err(Fault::Null(format!("a boolean is needed, not {}", other.kind()))),
    }
}

/// EL 2.1, 1.10: null and whatever has nothing in it.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        Value::Context(entries) => entries.is_empty(),
        Value::Boolean(_) | Value::Number(_) | Value::Temporal(_) | Value::Range(_) | Value::Function(_) => false,
    }
}
