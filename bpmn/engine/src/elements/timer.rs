//! When a timer fires; timer events of all kinds ask here.

use mandate_feel::Value;
use mandate_model::{Timer, time};

use super::At;
use crate::Code;
use crate::input::Failure;

impl At<'_> {
    /// Evaluates a timer of this element where its wait begins: the moment it fires, in milliseconds since 1970.
    pub(crate) fn due(&self, timer: &Timer) -> Result<i64, Failure> {
        let (Timer::Date(expression) | Timer::Duration(expression)) = timer;
        let value = self.evaluate(expression)?;
        let Value::String(text) = &value else {
            return Err(self.mismatch(expression, "string", &value));
        };
        let (due, wanted) = match timer {
            Timer::Date(_) => (time::due_at(text), "an ISO 8601 date and time such as 2030-01-31T12:00:00Z"),
            Timer::Duration(_) => (time::due_after(self.now, text), "an ISO 8601 duration such as PT15M"),
        };
        due.map_err(|_| {
            let (id, source) = (&self.element().id, expression.source());
            Failure::never(Code::TimerInvalid, self.index, format!("the timer '{source}' of '{id}' is not {wanted}"))
        })
    }
}
