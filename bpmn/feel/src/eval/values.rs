//! What values are alike, and what is stored of them.

use super::{Error, Evaluator};
use crate::Value;
use crate::value::{Entries, Interval, MAX_NESTING};

impl Evaluator<'_> {
    /// Makes a value what JSON can carry: numbers as they come back, dates, times and durations as text, and no deeper than
    /// [`MAX_NESTING`]. What need not change stays shared.
    pub(crate) fn settle(&mut self, value: Value) -> Result<Value, Error> {
        Ok(self.settled(&value, MAX_NESTING)?.unwrap_or(value))
    }

    /// The value in its settled form, if that is another one.
    fn settled(&mut self, value: &Value, levels: usize) -> Result<Option<Value>, Error> {
        match value {
            Value::Number(number) => {
                let stored = number.as_stored();
                Ok((stored != *number).then_some(Value::Number(stored)))
            }
            Value::List(_) | Value::Context(_) if levels == 0 => Err(Error::NestingLimit),
            Value::List(items) => {
                self.charge(items.len() + 1)?;
                let mut changed: Option<Vec<Value>> = None;
                for (at, item) in items.iter().enumerate() {
                    if let Some(item) = self.settled(item, levels - 1)? {
                        changed.get_or_insert_with(|| items.to_vec())[at] = item;
                    }
                }
                Ok(changed.map(Value::list))
            }
            Value::Context(entries) => {
                self.charge_entries(entries)?;
                let mut changed: Option<Entries> = None;
                for (name, entry) in entries.iter() {
                    if let Some(entry) = self.settled(entry, levels - 1)? {
                        changed.get_or_insert_with(|| (**entries).clone()).insert(name.clone(), entry);
                    }
                }
                Ok(changed.map(Value::context))
            }
            Value::String(text) => {
                // Shared here, but written out as often as it occurs.
                self.charge_bytes(text.len())?;
                Ok(None)
            }
            Value::Temporal(temporal) => {
                self.charge(1)?;
                Ok(Some(Value::from(temporal.stored_text())))
            }
            Value::Range(_) => Ok(Some(self.null(|| "a range is no value of a variable; keep its ends".to_owned()))),
            Value::Function(_) => Err(Error::Function),
            Value::Null | Value::Boolean(_) => Ok(None),
        }
    }

    /// Whether two values are equal in FEEL (DMN 1.5, table 53); `None` where they are of different kinds and neither is null.
    pub(crate) fn equal(&mut self, left: &Value, right: &Value) -> Result<Option<bool>, Error> {
        self.equal_within(left, right, MAX_NESTING)
    }

    fn equal_within(&mut self, left: &Value, right: &Value, levels: usize) -> Result<Option<bool>, Error> {
        self.charge(1)?;
        Ok(Some(match (left, right) {
            (Value::Null, Value::Null) => true,
            (Value::Null, _) | (_, Value::Null) => false,
            (Value::Boolean(left), Value::Boolean(right)) => left == right,
            (Value::Number(left), Value::Number(right)) => left == right,
            (Value::String(left), Value::String(right)) => {
                self.charge_bytes(left.len().min(right.len()))?;
                left == right
            }
            (Value::Temporal(left), Value::Temporal(right)) => return Ok(left.order(right).map(std::cmp::Ordering::is_eq)),
            (Value::Range(left), Value::Range(right)) => self.same_range(left, right)?,
            (Value::List(_) | Value::Context(_), _) if levels == 0 => {
                return Err(Error::NestingLimit);
            }
            (Value::List(left), Value::List(right)) => {
                left.len() == right.len() && self.all_equal(left.iter().zip(right.iter()), levels - 1)?
            }
            (Value::Context(left), Value::Context(right)) => {
                self.charge(left.len())?;
                let same_names = left.len() == right.len() && left.keys().eq(right.keys());
                same_names && self.all_equal(left.values().zip(right.values()), levels - 1)?
            }
            _ => return Ok(None),
        }))
    }

    fn same_range(&mut self, left: &Interval, right: &Interval) -> Result<bool, Error> {
        let included = |range: &Interval| (range.low_included, range.high_included);
        let ends = [(&left.low, &right.low), (&left.high, &right.high)];
        Ok(included(left) == included(right) && self.all_equal(ends.into_iter(), 1)?)
    }

    fn all_equal<'v>(&mut self, pairs: impl Iterator<Item = (&'v Value, &'v Value)>, levels: usize) -> Result<bool, Error> {
        for (left, right) in pairs {
            if self.equal_within(left, right, levels)? != Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
