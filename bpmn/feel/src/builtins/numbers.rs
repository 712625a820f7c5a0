//! Functions on numbers, and on lists of them.

use super::{Args, Builtin, builtin};
use crate::ast::Operator;
use crate::eval::{Evaluator, Fault};
use crate::number::Rounding;
use crate::{Number, Value};

pub(super) static TABLE: &[Builtin] = &[
    builtin("abs", &["n"], |_, args| abs(args)),
    builtin("floor", &["n, scale?"], |_, args| rounded(args, Rounding::Floor)),
    builtin("ceiling", &["n, scale?"], |_, args| rounded(args, Rounding::Ceiling)),
    builtin("decimal", &["n, scale"], |_, args| rounded(args, Rounding::HalfEven)),
    builtin("round up", &["n, scale?"], |_, args| rounded(args, Rounding::Up)),
    builtin("round down", &["n, scale?"], |_, args| rounded(args, Rounding::Down)),
    builtin("round half up", &["n, scale?"], |_, args| rounded(args, Rounding::HalfUp)),
    builtin("round half down", &["n, scale?"], |_, args| rounded(args, Rounding::HalfDown)),
    builtin("modulo", &["dividend, divisor"], modulo),
    builtin("odd", &["number"], |_, args| parity(args, 1)),
    builtin("even", &["number"], |_, args| parity(args, 0)),
    builtin("sqrt", &["number"], sqrt),
    builtin("exp", &["number"], exp),
    builtin("log", &["number"], log),
    // Of a list, or of several arguments.
    builtin("sum", &["list..."], sum),
    builtin("product", &["list..."], product),
    builtin("mean", &["list..."], mean),
    builtin("median", &["list..."], median),
    builtin("mode", &["list..."], mode),
    builtin("stddev", &["list..."], stddev),
    builtin("min", &["list..."], |evaluator, args| extreme(evaluator, args, Operator::Less)),
    builtin("max", &["list..."], |evaluator, args| extreme(evaluator, args, Operator::Greater)),
];

const TOO_LARGE: &str = "the result is past the largest number";

/// Operations on numbers take about a third of a step each.
const STEPS_PER_EXPONENTIAL: usize = 20;

/// The digits behind the point that a scale may ask for (DMN 1.5, table 76).
const SCALES: std::ops::RangeInclusive<i64> = -6111..=6176;

/// Of a number or a duration.
fn abs(args: Args<'_>) -> Result<Value, Fault> {
    match args.value(0) {
        Value::Temporal(duration) => duration.absolute().map(Value::from).ok_or_else(|| args.wrong(0, "number or a duration")),
        _ => Ok(Value::Number(args.number(0)?.abs())),
    }
}

/// `floor(n, scale?)` and its kin: the scale is zero if it is left out.
pub(super) fn rounded(args: Args<'_>, rounding: Rounding) -> Result<Value, Fault> {
    let number = args.number(0)?;
    let scale = if args.len() > 1 { args.integer(1)? } else { 0 };
    let scale = i32::try_from(scale).ok().filter(|_| SCALES.contains(&scale));
    let scale = scale.ok_or_else(|| Fault::Null(format!("the scale must be from {} to {}", SCALES.start(), SCALES.end())))?;
    number.round(scale, rounding).map(Value::Number).ok_or_else(|| Fault::null(TOO_LARGE))
}

pub(super) fn modulo(_: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let (dividend, divisor) = (args.number(0)?, args.number(1)?);
    dividend.checked_modulo(divisor).map(Value::Number).ok_or_else(|| Fault::null("division by zero"))
}

/// Whether an integer leaves this rest when it is divided by two; a fraction is neither odd nor even.
pub(super) fn parity(args: Args<'_>, rest: i64) -> Result<Value, Fault> {
    let number = args.number(0)?;
    if !number.is_integral() {
        return Err(Fault::null("only integers are odd or even"));
    }
    let found = number.checked_rem(Number::from(2_i64)).map(Number::abs);
    Ok(Value::Boolean(found == Some(Number::from(rest))))
}

/// Null for an empty list (DMN 1.5, table 75).
pub(super) fn sum(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let numbers = numbers(evaluator, args)?;
    total(&numbers).map(Value::Number).ok_or_else(|| Fault::null(TOO_LARGE))
}

pub(super) fn mean(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let numbers = numbers(evaluator, args)?;
    let mean = total(&numbers).and_then(|total| total.checked_div(Number::from(numbers.len())));
    mean.map(Value::Number).ok_or_else(|| Fault::null(TOO_LARGE))
}

fn total(numbers: &[Number]) -> Option<Number> {
    numbers.iter().try_fold(Number::ZERO, |sum, number| sum.checked_add(*number))
}

/// Null for an empty list, as `sum`.
pub(super) fn product(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let numbers = numbers(evaluator, args)?;
    let product = numbers.iter().try_fold(Number::ONE, |product, number| product.checked_mul(*number));
    product.map(Value::Number).ok_or_else(|| Fault::null(TOO_LARGE))
}

/// The middle one, or the mean of the two in the middle.
pub(super) fn median(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let mut numbers = numbers(evaluator, args)?;
    numbers.sort_unstable();
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 {
        return Ok(Value::Number(numbers[middle]));
    }
    let sum = numbers[middle - 1].checked_add(numbers[middle]);
    sum.and_then(|sum| sum.checked_div(Number::from(2_i64))).map(Value::Number).ok_or_else(|| Fault::null(TOO_LARGE))
}

/// Those that are there most often, the least first; of an empty list none (DMN 1.5, table 76).
pub(super) fn mode(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    if args.items()?.is_empty() {
        return Ok(Value::list(Vec::new()));
    }
    let mut numbers = numbers(evaluator, args)?;
    numbers.sort_unstable();
    let groups: Vec<_> = numbers.chunk_by(|left, right| left == right).collect();
    let most = groups.iter().map(|group| group.len()).max().unwrap_or_default();
    Ok(evaluator.list(groups.iter().filter(|group| group.len() == most).map(|group| Value::Number(group[0])).collect())?)
}

/// The deviation of a sample, of two or more (DMN 1.5, table 76).
pub(super) fn stddev(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let numbers = numbers(evaluator, args)?;
    if numbers.len() < 2 {
        return Err(Fault::null("two numbers or more have a deviation"));
    }
    evaluator.charge(numbers.len())?;
    let deviation = || {
        let count = Number::from(numbers.len());
        let mean = total(&numbers)?.checked_div(count)?;
        let squares = numbers.iter().try_fold(Number::ZERO, |sum, number| {
            let difference = number.checked_sub(mean)?;
            sum.checked_add(difference.checked_mul(difference)?)
        })?;
        squares.checked_div(count.checked_sub(Number::ONE)?)?.square_root()
    };
    deviation().map(Value::Number).ok_or_else(|| Fault::null(TOO_LARGE))
}

pub(super) fn sqrt(_: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    args.number(0)?.square_root().map(Value::Number).ok_or_else(|| Fault::null("a negative number has no square root"))
}

pub(super) fn exp(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    evaluator.charge(STEPS_PER_EXPONENTIAL)?;
    args.number(0)?.exponential().map(Value::Number).ok_or_else(|| Fault::null(TOO_LARGE))
}

/// The natural logarithm.
pub(super) fn log(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    evaluator.charge(STEPS_PER_EXPONENTIAL * 12)?;
    args.number(0)?.logarithm().map(Value::Number).ok_or_else(|| Fault::null("only positive numbers have a logarithm"))
}

/// The items, one or more, as numbers.
fn numbers(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Vec<Number>, Fault> {
    let items = args.items()?;
    if items.is_empty() {
        return Err(Fault::null("the list is empty"));
    }
    evaluator.charge(items.len())?;
    let number = |item: &Value| item.as_number().ok_or_else(|| Fault::Null(format!("the items must be numbers, not {}", item.kind())));
    items.iter().map(number).collect()
}

/// `min` and `max` of what has an order: the first item that compares with all others as the operator says.
pub(super) fn extreme(evaluator: &mut Evaluator<'_>, args: Args<'_>, operator: Operator) -> Result<Value, Fault> {
    let items = args.items()?;
    evaluator.charge(items.len())?;
    let Some(mut best) = items.first() else {
        return Err(Fault::null("the list is empty"));
    };
    for item in items {
        if evaluator.feel_compare(operator, item, best)? {
            best = item;
        }
    }
    // Of a single item nobody has asked whether it has an order.
    evaluator.feel_compare(operator, best, best)?;
    Ok(best.clone())
}
