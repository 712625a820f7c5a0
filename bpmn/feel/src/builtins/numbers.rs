//! Functions on numbers, and on lists of them.

use std::cmp::Ordering;

use super::Args;
use crate::eval::{Evaluator, Fault};
use crate::number::Rounding;
use crate::{Number, Value};

const TOO_LARGE: &str = "the result is past the largest number";

/// The digits behind the point that a scale may ask for (DMN 1.5, table 76).
const SCALES: std::ops::RangeInclusive<i64> = -6111..=6176;

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
    total(evaluator, args.items()?).map(Value::Number)
}

pub(super) fn mean(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let items = args.items()?;
    let total = total(evaluator, items)?;
    total.checked_div(Number::from(items.len())).map(Value::Number).ok_or_else(|| Fault::null(TOO_LARGE))
}

fn total(evaluator: &mut Evaluator<'_>, items: &[Value]) -> Result<Number, Fault> {
    if items.is_empty() {
        return Err(Fault::null("the list is empty"));
    }
    evaluator.charge(items.len())?;
    items.iter().try_fold(Number::ZERO, |sum, item| {
        let number = item.as_number().ok_or_else(|| Fault::Null(format!("the items must be numbers, not {}", item.kind())))?;
        sum.checked_add(number).ok_or_else(|| Fault::null(TOO_LARGE))
    })
}

/// `min` and `max` of numbers or strings: the first item that compares with all others as `wanted`.
pub(super) fn extreme(evaluator: &mut Evaluator<'_>, args: Args<'_>, wanted: Ordering) -> Result<Value, Fault> {
    let items = args.items()?;
    evaluator.charge(items.len())?;
    let Some(mut best) = items.first() else {
        return Err(Fault::null("the list is empty"));
    };
    for item in items {
        let order = match (item, best) {
            (Value::Number(item), Value::Number(best)) => item.cmp(best),
            (Value::String(item), Value::String(best)) => {
                evaluator.charge_bytes(item.len().min(best.len()))?;
                item.cmp(best)
            }
            _ => {
                return Err(Fault::Null(format!("{} and {} do not compare", item.kind(), best.kind())));
            }
        };
        if order == wanted {
            best = item;
        }
    }
    Ok(best.clone())
}
