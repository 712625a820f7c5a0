//! FEEL's own semantics: what is of the wrong kind is null, with a reason (DMN 1.5, 10.3.2).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::ControlFlow;
use std::sync::Arc;

use super::{Error, Evaluator, Fault, Frame, STEPS_PER_POWER, arithmetic, shown};
use crate::ast::{Binding, Node, Operator, Range, Source, Step, Test};
use crate::temporal::Wrong;
use crate::value::Interval;
use crate::{Number, Value};

impl Evaluator<'_> {
    pub(super) fn feel_binary(&mut self, operator: Operator, left: &Value, right: &Value) -> Result<Value, Fault> {
        match operator {
            Operator::Equal | Operator::NotEqual => match self.equal(left, right)? {
                Some(equal) => Ok(Value::Boolean(equal == (operator == Operator::Equal))),
                None => Err(mismatch(operator, "two values of one kind", left, right)),
            },
            Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual => {
                self.feel_compare(operator, left, right).map(Value::Boolean)
            }
            _ => match (left, right) {
                (Value::Number(left), Value::Number(right)) => {
                    self.charge(if operator == Operator::Power { STEPS_PER_POWER } else { 0 })?;
                    arithmetic(operator, *left, *right).map(Value::Number)
                }
                (Value::Temporal(_), _) | (_, Value::Temporal(_)) => temporal(operator, left, right),
                (Value::String(left), Value::String(right)) if operator == Operator::Add => {
                    self.room_for_text(left.len() + right.len())?;
                    Ok(Value::from([&**left, &**right].concat()))
                }
                _ if operator == Operator::Add => Err(mismatch(operator, "two numbers or two strings", left, right)),
                _ => Err(mismatch(operator, "two numbers", left, right)),
            },
        }
    }

    pub(crate) fn feel_compare(&mut self, operator: Operator, left: &Value, right: &Value) -> Result<bool, Fault> {
        match self.order(left, right)? {
            Some(order) => Ok(holds(operator, order)),
            None => Err(mismatch(operator, "two values of one kind that have an order", left, right)),
        }
    }

    /// How two values lie to each other.
    pub(crate) fn feel_order(&mut self, left: &Value, right: &Value) -> Result<Ordering, Fault> {
        let order = self.order(left, right)?;
        order.ok_or_else(|| Fault::Null(format!("{} and {} have no order", left.kind(), right.kind())))
    }

    fn order(&mut self, left: &Value, right: &Value) -> Result<Option<Ordering>, Error> {
        Ok(match (left, right) {
            (Value::Number(left), Value::Number(right)) => Some(left.cmp(right)),
            (Value::String(left), Value::String(right)) => {
                self.charge_bytes(left.len().min(right.len()))?;
                Some(left.cmp(right))
            }
            (Value::Temporal(left), Value::Temporal(right)) => left.order(right),
            _ => None,
        })
    }

    pub(super) fn feel_between(&mut self, value: &Value, low: &Value, high: &Value) -> Result<Value, Fault> {
        let from = self.feel_compare(Operator::GreaterOrEqual, value, low);
        if let Ok(false) | Err(Fault::Error(_)) = from {
            return from.map(Value::Boolean);
        }
        let to = self.feel_compare(Operator::LessOrEqual, value, high)?;
        if to { from.map(Value::Boolean) } else { Ok(Value::Boolean(false)) }
    }

    /// True if any test holds; otherwise null if one could not be decided.
    pub(super) fn feel_in(&mut self, value: &Value, tests: &[Test]) -> Result<Value, Fault> {
        let mut undecided = None;
        for test in tests {
            match self.feel_test(value, test) {
                Ok(Value::Boolean(true)) => return Ok(Value::Boolean(true)),
                Ok(_) => {}
                Err(Fault::Null(reason)) => undecided = Some(reason),
                Err(error) => return Err(error),
            }
        }
        undecided.map_or(Ok(Value::Boolean(false)), |reason| Err(Fault::Null(reason)))
    }

    fn feel_test(&mut self, value: &Value, test: &Test) -> Result<Value, Fault> {
        match test {
            Test::Compare(operator, node) => {
                let right = self.evaluate(node)?;
                self.feel_binary(*operator, value, &right)
            }
            Test::Range(range) => {
                let range = self.interval(range)?;
                self.lies_within(value, &range).map(Value::Boolean)
            }
            Test::Value(node) => {
                let right = self.evaluate(node)?;
                if let (Value::Range(range), false) = (&right, matches!(value, Value::Range(_))) {
                    return self.lies_within_value(value, range).map(Value::Boolean);
                }
                if let Value::List(items) = &right {
                    for item in items.iter() {
                        let holds = match (item, value) {
                            (Value::Range(_), Value::Range(_)) => self.equal(value, item)? == Some(true),
                            (Value::Range(range), _) => match self.lies_within_value(value, range) {
                                // What is of another kind is no member, as with values.
                                Ok(within) => within,
                                Err(Fault::Null(_)) => false,
                                Err(error) => return Err(error),
                            },
                            _ => self.equal(value, item)? == Some(true),
                        };
                        if holds {
                            return Ok(Value::Boolean(true));
                        }
                    }
                    // Beside its members, a list may also be the very list asked about.
                    return Ok(Value::Boolean(self.equal(value, &right)? == Some(true)));
                }
                self.feel_binary(Operator::Equal, value, &right)
            }
        }
    }

    /// A range as a value: its ends are of one kind that has an order.
    pub(super) fn range(&mut self, range: &Range) -> Result<Value, Error> {
        let range = self.interval(range)?;
        let ordered = self.feel_compare(Operator::LessOrEqual, &range.low, &range.high);
        self.value_or_null(ordered.map(|_| Value::Range(Arc::new(range))))
    }

    fn interval(&mut self, range: &Range) -> Result<Interval, Error> {
        let (low, high) = (self.evaluate(&range.low)?, self.evaluate(&range.high)?);
        Ok(Interval { low, low_included: range.low_included, high, high_included: range.high_included })
    }

    /// Whether a value lies in a range where that is written: an end that is null leaves it undecided.
    fn lies_within(&mut self, value: &Value, range: &Interval) -> Result<bool, Fault> {
        lies_between(range, |operator, end| self.feel_compare(operator, value, end))
    }

    /// The same of a range that is a value: an end may be missing (`range("[2..)")`).
    fn lies_within_value(&mut self, value: &Value, range: &Interval) -> Result<bool, Fault> {
        let is_open = |end: &Value| end.is_null() && !value.is_null();
        lies_between(range, |operator, end| if is_open(end) { Ok(true) } else { self.feel_compare(operator, value, end) })
    }

    pub(super) fn feel_step(&mut self, value: &Value, step: &Step) -> Result<Value, Fault> {
        match step {
            Step::Member(name) => self.feel_member(value, name),
            Step::Bracket(filter) => self.feel_filter(value, filter),
            Step::Method(method, arguments) => self.method(value, method, arguments),
            Step::Invoke(names, arguments) => self.invoke(value, names, arguments),
        }
    }

    /// `value.name`; of a list, that of each of its items.
    fn feel_member(&mut self, value: &Value, name: &Arc<str>) -> Result<Value, Fault> {
        match value {
            Value::List(items) => {
                let mut missing = false;
                let members = items.iter().map(|item| {
                    entry(item, name).unwrap_or_else(|| {
                        missing = true;
                        Value::Null
                    })
                });
                let members = members.collect();
                if missing {
                    self.null(|| format!("an item of the list has no entry '{}'", shown(name)));
                }
                Ok(self.list(members)?)
            }
            other => entry(other, name).ok_or_else(|| match other {
                Value::Context(_) => Fault::Null(format!("there is no entry '{}' in the context", shown(name))),
                _ => Fault::Null(format!("{} has no entry '{}'", other.kind(), shown(name))),
            }),
        }
    }

    /// `value[filter]`: a position, if the filter is a number; otherwise the items for which it is true (DMN 1.5, 10.3.2.5).
    fn feel_filter(&mut self, value: &Value, filter: &Node) -> Result<Value, Fault> {
        let items: Cow<'_, [Value]> = match value {
            Value::Null => return Err(Fault::null("null has no items")),
            Value::List(items) => Cow::Borrowed(items),
            single => Cow::Owned(vec![single.clone()]),
        };
        if let Node::Constant(Value::Number(position)) = filter {
            return item_at(&items, *position);
        }
        if items.is_empty() {
            // Without items only the filter itself can say whether it is a position.
            return match self.evaluate(filter)? {
                Value::Number(position) => item_at(&items, position),
                _ => Ok(Value::list(Vec::new())),
            };
        }
        let mut kept = Vec::new();
        for item in items.iter() {
            self.frames.push(Frame::Item(item.clone()));
            let decision = self.evaluate(filter)?;
            self.frames.pop();
            match decision {
                Value::Boolean(true) => kept.push(item.clone()),
                Value::Boolean(false) | Value::Null => {}
                Value::Number(position) => return item_at(&items, position),
                other => {
                    self.null(|| format!("a filter needs a boolean or a number, not {}", other.kind()));
                }
            }
        }
        Ok(self.list(kept)?)
    }

    pub(super) fn for_each(&mut self, bindings: &[Binding], body: &Node) -> Result<Value, Error> {
        let mut results = Vec::new();
        let ended = self.iterate(bindings, &mut |evaluator| {
            results.push(evaluator.evaluate(body)?);
            if results.len() > evaluator.limits.list_items {
                return Err(Error::ListLimit { limit: evaluator.limits.list_items }.into());
            }
            Ok(ControlFlow::Continue(()))
        });
        let result = ended.and_then(|_| Ok(self.list(results)?));
        self.value_or_null(result)
    }

    /// `some` and `every`: the first decisive item decides; otherwise null if one is neither true nor false.
    pub(super) fn quantified(&mut self, every: bool, bindings: &[Binding], body: &Node) -> Result<Value, Error> {
        let (mut decided, mut unknown) = (false, false);
        let ended = self.iterate(bindings, &mut |evaluator| {
            match evaluator.evaluate(body)? {
                Value::Boolean(holds) if holds != every => {
                    decided = true;
                    return Ok(ControlFlow::Break(()));
                }
                Value::Boolean(_) => {}
                _ => unknown = true,
            }
            Ok(ControlFlow::Continue(()))
        });
        let result = ended.map(|_| match (decided, unknown) {
            (true, _) => Value::Boolean(!every),
            (false, true) => Value::Null,
            (false, false) => Value::Boolean(every),
        });
        self.value_or_null(result)
    }

    /// Runs through all combinations of the bindings, the last one fastest.
    fn iterate(
        &mut self,
        bindings: &[Binding],
        visit: &mut dyn FnMut(&mut Self) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<ControlFlow<()>, Fault> {
        let Some((binding, rest)) = bindings.split_first() else {
            return visit(self);
        };
        self.descend()?;
        let flow = self.iterate_over(binding, rest, visit);
        self.depth -= 1;
        flow
    }

    fn iterate_over(
        &mut self,
        binding: &Binding,
        rest: &[Binding],
        visit: &mut dyn FnMut(&mut Self) -> Result<ControlFlow<()>, Fault>,
    ) -> Result<ControlFlow<()>, Fault> {
        let mut bind = |evaluator: &mut Self, value: Value| {
            evaluator.charge(1)?;
            evaluator.frames.push(Frame::Local(Arc::clone(&binding.name), value));
            let flow = evaluator.iterate(rest, visit);
            evaluator.frames.pop();
            flow
        };
        let mut flow = ControlFlow::Continue(());
        match &binding.source {
            Source::Items(node) => {
                let value = self.evaluate(node)?;
                let items = match &value {
                    Value::Null => {
                        return Err(Fault::Null(format!("'{}' has no list to run through", shown(&binding.name))));
                    }
                    Value::Range(_) => {
                        return Err(Fault::Null(format!(
                            "'{}' runs through integers without brackets around them: 1..3",
                            shown(&binding.name)
                        )));
                    }
                    Value::List(items) => Arc::clone(items),
                    single => Arc::new(vec![single.clone()]),
                };
                for item in items.iter() {
                    flow = bind(self, item.clone())?;
                    if flow.is_break() {
                        break;
                    }
                }
            }
            Source::Integers(from, to) => {
                let (from, to) = (self.evaluate(from)?, self.evaluate(to)?);
                let (Some(from), Some(to)) = (from.as_i64(), to.as_i64()) else {
                    return Err(Fault::Null(format!("'{}' needs integers to run from and to", shown(&binding.name))));
                };
                let mut next = Some(from);
                while let Some(integer) = next {
                    flow = bind(self, Value::from(integer))?;
                    if flow.is_break() || integer == to {
                        break;
                    }
                    next = integer.checked_add(if from <= to { 1 } else { -1 });
                }
            }
        }
        Ok(flow)
    }

    /// Whether something is there and not null, without complaint if it is not.
    pub(super) fn is_defined(&mut self, operand: &Node) -> Result<Value, Error> {
        let before = self.reasons.len();
        let value = self.evaluate(operand)?;
        self.reasons.truncate(before);
        Ok(Value::Boolean(!value.is_null()))
    }
}

/// `-operand`, of a number or a duration.
pub(super) fn negate(operand: &Value) -> Result<Value, Fault> {
    match operand {
        Value::Number(number) => Ok(Value::Number(-*number)),
        Value::Temporal(duration) => match duration.times(Number::from(-1_i64)) {
            Ok(negated) => Ok(negated.into()),
            Err(_) => Err(Fault::Null(format!("- needs a number or a duration, not {}", operand.kind()))),
        },
        other => Err(Fault::Null(format!("- needs a number, not {}", other.kind()))),
    }
}

/// Whether a value lies between the ends of a range, as comparing it with each says.
fn lies_between(range: &Interval, mut compare: impl FnMut(Operator, &Value) -> Result<bool, Fault>) -> Result<bool, Fault> {
    let above = compare(if range.low_included { Operator::GreaterOrEqual } else { Operator::Greater }, &range.low)?;
    let below = compare(if range.high_included { Operator::LessOrEqual } else { Operator::Less }, &range.high)?;
    Ok(above && below)
}

/// An entry of a context, or what a date, time, duration or range has instead of entries.
fn entry(value: &Value, name: &str) -> Option<Value> {
    match value {
        Value::Context(entries) => entries.get(name).cloned(),
        Value::Temporal(temporal) => temporal.property(name),
        Value::Range(range) => match name {
            "start" => Some(range.low.clone()),
            "end" => Some(range.high.clone()),
            "start included" => Some(range.low_included.into()),
            "end included" => Some(range.high_included.into()),
            _ => None,
        },
        _ => None,
    }
}

/// DMN 1.5, tables 55 to 58, where one of two is a date, a time or a duration.
fn temporal(operator: Operator, left: &Value, right: &Value) -> Result<Value, Fault> {
    let result = match (operator, left, right) {
        (Operator::Add, Value::Temporal(left), Value::Temporal(right)) => left.plus(right).map(Value::from),
        (Operator::Subtract, Value::Temporal(left), Value::Temporal(right)) => left.minus(right).map(Value::from),
        (Operator::Multiply, Value::Temporal(duration), Value::Number(factor))
        | (Operator::Multiply, Value::Number(factor), Value::Temporal(duration)) => duration.times(*factor).map(Value::from),
        (Operator::Divide, Value::Temporal(duration), Value::Number(divisor)) => duration.divided(*divisor).map(Value::from),
        (Operator::Divide, Value::Temporal(left), Value::Temporal(right)) => left.ratio(right).map(Value::from),
        _ => Err(Wrong::Kinds),
    };
    result.map_err(|wrong| match wrong {
        Wrong::Kinds => Fault::Null(format!("{} takes no {} and {}", operator.sign(), left.kind(), right.kind())),
        Wrong::Zones => Fault::Null(format!("{}: one date and time, or time, has a zone, the other has none", operator.sign())),
        Wrong::Outside => Fault::Null(format!("the result of {} lies outside of the years -9999 to 9999", operator.sign())),
        Wrong::Zero => Fault::null("division by zero"),
    })
}

/// Whether an order of two operands is what an operator asks for.
pub(super) fn holds(operator: Operator, order: Ordering) -> bool {
    match operator {
        Operator::Less => order.is_lt(),
        Operator::LessOrEqual => order.is_le(),
        Operator::Greater => order.is_gt(),
        Operator::GreaterOrEqual => order.is_ge(),
        Operator::NotEqual => order.is_ne(),
        _ => order.is_eq(),
    }
}

/// The item at a position counted from one, or from the end if it is negative.
fn item_at(items: &[Value], position: Number) -> Result<Value, Fault> {
    let index = position.to_i64().and_then(|position| position_to_index(position, items.len()));
    match index.and_then(|index| items.get(index)) {
        Some(item) => Ok(item.clone()),
        None => Err(Fault::Null(format!("there is no item at the position asked for, the list has {}", items.len()))),
    }
}

/// The index from zero of a position from one, or from the end if it is negative. The index may be past the end.
pub(crate) fn position_to_index(position: i64, length: usize) -> Option<usize> {
    match position {
        0 => None,
        1.. => usize::try_from(position - 1).ok(),
        _ => length.checked_sub(usize::try_from(position.unsigned_abs()).ok()?),
    }
}

fn mismatch(operator: Operator, wanted: &str, left: &Value, right: &Value) -> Fault {
    Fault::Null(format!("{} needs {wanted}, not {} and {}", operator.sign(), left.kind(), right.kind()))
}
