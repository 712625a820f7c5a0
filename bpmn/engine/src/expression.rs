//! Expressions of the model, evaluated on an instance's variables.

use mandate_feel::{Expression, Value};
use mandate_model::{ElementIndex, ProcessDefinition};

use crate::Code;
use crate::elements::At;
use crate::input::Failure;
use crate::objects::object;

/// Evaluates an expression of an element on what an activity sees. A failure names the element and the expression's text,
/// never a variable's value: incidents are read by people who may not see those.
pub(crate) fn evaluate(at: &At<'_>, expression: &Expression) -> Result<Value, Failure> {
    if let Some(text) = expression.as_literal() {
        return Ok(Value::String(text.into()));
    }
    at.moment
        .evaluate(expression, &Visible(*at))
        .map(|evaluated| evaluated.value)
        .map_err(|error| failed(at.definition, at.index, expression, &error.to_string()))
}

/// The same for an expression that may name a variable which is not there: it has no value then.
pub(crate) fn evaluate_if_known(at: &At<'_>, expression: &Expression) -> Result<Option<Value>, Failure> {
    match at.moment.evaluate(expression, &Visible(*at)) {
        Ok(evaluated) => Ok(Some(evaluated.value)),
        Err(mandate_feel::Error::UnknownName(_)) => Ok(None),
        Err(error) => Err(failed(at.definition, at.index, expression, &error.to_string())),
    }
}

/// The failure of an expression for a reason that reads well after a colon.
pub(crate) fn failed(definition: &ProcessDefinition, element: ElementIndex, expression: &Expression, reason: &str) -> Failure {
    let id = &definition.element(element).id;
    let source = expression.source();
    Failure::by_policy(Code::ExpressionFailed, element, format!("the expression '{source}' of '{id}': {reason}"))
}

/// Why an expression gives null where it is evaluated, as ` (reason; reason)`; empty if it says nothing. Reasons name variables and
/// types, never values. Evaluates once more, which only happens on the way to a failure.
pub(crate) fn why_null(at: &At<'_>, expression: &Expression) -> String {
    match at.moment.evaluate(expression, &Visible(*at)) {
        Ok(evaluated) if !evaluated.null_reasons.is_empty() => format!(" ({})", evaluated.null_reasons.join("; ")),
        _ => String::new(),
    }
}

/// Names as an activity sees them: variables from the inside out, and the objects that JUEL expressions know from Camunda
/// (`VariableScopeElResolver`).
struct Visible<'a>(At<'a>);

impl mandate_feel::Scope for Visible<'_> {
    fn resolve(&self, name: &str) -> Option<Value> {
        // Variables come from outside, with any names: none says what the time is, or on whose behalf something runs.
        if let Some(value) = name.strip_suffix(')').and_then(|_| object(&self.0, name)) {
            return Some(value);
        }
        match self.0.instance.visible_variable(self.0.scope(), name) {
            Some(variable) => variable.to_value(),
            None => object(&self.0, name),
        }
    }
}
