//! What the body of a multi-instance activity evaluates: how often, over what, and whether it is done (BPMN 2.0, 13.3.7; Camunda
//! `MultiInstanceActivityBehavior`). The instances themselves are in `multi_instance.rs` beside the loop.

use std::sync::Arc;

use mandate_feel::{Expression, Rounding, Value};
use mandate_model::{MultiInstance, Output, Source};

use super::{At, Behaviour, Next};
use crate::Code;
use crate::input::Failure;
use crate::variable::Variable;

impl Behaviour for MultiInstance {
    /// As many instances as the cardinality says or, failing that, as the collection has elements. None at all: the activity is done.
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        let instances = match (&self.cardinality, &self.collection) {
            (Some(cardinality), _) => cardinality_of(at, cardinality)?,
            (None, Some(collection)) => u32::try_from(list(at, collection)?.len()).unwrap_or(u32::MAX),
            (None, None) => unreachable!("the parser refuses what does not say how often"),
        };
        Ok(if instances == 0 { at.leave() } else { Next::Repeat { instances } })
    }
}

/// The elements that instances are given; none if the model names no variable for them. Called by the body.
pub(crate) fn elements(at: &At<'_>, multi_instance: &MultiInstance) -> Result<Option<Arc<Vec<Value>>>, Failure> {
    match &multi_instance.collection {
        Some(collection) if multi_instance.element_variable.is_some() => list(at, collection).map(Some),
        _ => Ok(None),
    }
}

/// The element of one instance. Camunda 7 fails as well if a cardinality says more than there are.
pub(crate) fn element(at: &At<'_>, elements: &[Value], index: u32) -> Result<Value, Failure> {
    elements.get(index as usize).cloned().ok_or_else(|| {
        let message =
            format!("the collection of '{}' has {} elements, and instance {index} was to have one", at.element().id, elements.len());
        Failure::never(Code::ExpressionFailed, at.index, message)
    })
}

/// The result of an instance that has just ended: null if its variable is gone.
pub(crate) fn result(at: &At<'_>, output: &Output) -> Result<Variable, Failure> {
    match &output.element {
        Source::Expression(expression) => Ok(Variable::from_json(&at.evaluate(expression)?.to_json())),
        Source::Variable(name) => {
            let variable = at.instance.visible_variable(at.activity, name).cloned();
            Ok(variable.unwrap_or_else(|| Variable::from_json(&serde_json::Value::Null)))
        }
    }
}

/// Whether the completion condition is true, as the instance that has just ended sees it. FEEL's null is not true, as at an exclusive gateway.
pub(crate) fn is_complete(at: &At<'_>, multi_instance: &MultiInstance) -> Result<bool, Failure> {
    let Some(condition) = &multi_instance.completion_condition else { return Ok(false) };
    match at.evaluate(condition)? {
        Value::Boolean(complete) => Ok(complete),
        Value::Null => Ok(false),
        other => Err(at.mismatch(condition, "boolean", &other)),
    }
}

/// A number of which the fraction is cut off, also as text (`MultiInstanceActivityBehavior.resolveLoopCardinality`).
fn cardinality_of(at: &At<'_>, expression: &Expression) -> Result<u32, Failure> {
    let value = at.evaluate(expression)?;
    let number = match &value {
        Value::Number(number) => number.round(0, Rounding::Down).and_then(mandate_feel::Number::to_i64),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    match number {
        Some(number) if number < 0 => Err(at.failed(expression, "the cardinality is negative")),
        Some(number) => u32::try_from(number).map_err(|_| at.failed(expression, "the cardinality is too large")),
        None => Err(at.mismatch(expression, "a number", &value)),
    }
}

fn list(at: &At<'_>, collection: &Source) -> Result<Arc<Vec<Value>>, Failure> {
    match collection {
        Source::Expression(expression) => match &at.evaluate(expression)? {
            Value::List(items) => Ok(Arc::clone(items)),
            other => Err(at.mismatch(expression, "a list", other)),
        },
        Source::Variable(name) => {
            let variable = at.instance.visible_variable(at.activity, name);
            let reason = match &variable.and_then(|variable| Value::from_json_text(&variable.json).ok()) {
                Some(Value::List(items)) => return Ok(Arc::clone(items)),
                Some(other) => format!("is {}, not a list", other.kind()),
                None => "is not there".to_owned(),
            };
            let message = format!("the variable '{name}', the collection of '{}', {reason}", at.element().id);
            Err(Failure::never(Code::ExpressionFailed, at.index, message))
        }
    }
}
