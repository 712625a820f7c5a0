//! `sort(list, precedes)` (DMN 1.5, table 79).

use super::Args;
use crate::Value;
use crate::eval::{Closure, Evaluator, Fault};

/// Merges what is sorted already, whatever the function says: `slice::sort_by` may panic where it contradicts itself. Items neither of
/// which comes first stay as they are.
pub(super) fn sort(evaluator: &mut Evaluator<'_>, args: Args<'_>) -> Result<Value, Fault> {
    let (mut items, precedes) = (args.list(0)?.to_vec(), args.function(1)?);
    evaluator.room_for_list(items.len())?;
    let mut width = 1;
    while width < items.len() {
        let mut merged = Vec::with_capacity(items.len());
        for pair in items.chunks(2 * width) {
            let (left, right) = pair.split_at(width.min(pair.len()));
            merge(evaluator, left, right, precedes, &mut merged)?;
        }
        items = merged;
        width *= 2;
    }
    Ok(evaluator.list(items)?)
}

fn merge(evaluator: &mut Evaluator<'_>, left: &[Value], right: &[Value], precedes: &Closure, merged: &mut Vec<Value>) -> Result<(), Fault> {
    let (mut left, mut right) = (left, right);
    while let ([first, others @ ..], [second, rest @ ..]) = (left, right) {
        if evaluator.holds(precedes, [second, first])? {
            merged.push(second.clone());
            right = rest;
        } else {
            merged.push(first.clone());
            left = others;
        }
    }
    evaluator.charge(left.len() + right.len())?;
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
    Ok(())
}
