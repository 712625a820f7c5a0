//! FEEL's `sort(list, function(x, y) …)` (DMN 1.5, table 79).

use std::sync::Arc;

use super::{Error, Evaluator, Fault, Frame};
use crate::Value;
use crate::ast::Sort;

impl Evaluator<'_> {
    /// Merges what is sorted already, whatever the function says: `slice::sort_by` may panic where it contradicts itself. Items neither of which comes
    /// first stay as they are.
    pub(super) fn sort(&mut self, sort: &Sort) -> Result<Value, Error> {
        let list = self.evaluate(&sort.list)?;
        let mut items = match &list {
            Value::Null => return Ok(self.null(|| "sort(): argument 1 must be a list, not null".to_owned())),
            Value::List(items) => items.to_vec(),
            single => vec![single.clone()],
        };
        self.room_for_list(items.len())?;
        let mut width = 1;
        while width < items.len() {
            let mut merged = Vec::with_capacity(items.len());
            for pair in items.chunks(2 * width) {
                let (left, right) = pair.split_at(width.min(pair.len()));
                match self.merge(left, right, sort, &mut merged) {
                    Ok(()) => {}
                    Err(fault) => return self.value_or_null(Err(fault)),
                }
            }
            items = merged;
            width *= 2;
        }
        self.list(items)
    }

    fn merge(&mut self, left: &[Value], right: &[Value], sort: &Sort, merged: &mut Vec<Value>) -> Result<(), Fault> {
        let (mut left, mut right) = (left, right);
        while let ([first, others @ ..], [second, rest @ ..]) = (left, right) {
            if self.precedes(second, first, sort)? {
                merged.push(second.clone());
                right = rest;
            } else {
                merged.push(first.clone());
                left = others;
            }
        }
        self.charge(left.len() + right.len())?;
        merged.extend_from_slice(left);
        merged.extend_from_slice(right);
        Ok(())
    }

    fn precedes(&mut self, first: &Value, second: &Value, sort: &Sort) -> Result<bool, Fault> {
        let [one, other] = &sort.parameters;
        self.frames.push(Frame::Local(Arc::clone(one), first.clone()));
        self.frames.push(Frame::Local(Arc::clone(other), second.clone()));
        let decision = self.evaluate(&sort.precedes)?;
        self.frames.truncate(self.frames.len() - 2);
        match decision {
            Value::Boolean(precedes) => Ok(precedes),
            other => Err(Fault::Null(format!("sort(): the function must give a boolean, not {}", other.kind()))),
        }
    }
}
