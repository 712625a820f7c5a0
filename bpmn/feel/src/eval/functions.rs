//! Functions that an expression makes (DMN 1.5, 10.3.2.13.2).

use std::mem;
use std::sync::Arc;

use super::{ANY, Evaluator, Fault, Frame, MAX_SHOWN, is_of_kind, shown};
use crate::Value;
use crate::ast::{Function, Node};

/// A function with the names that were bound where it was made: it sees these, and not those of where it is called. So it does not know its
/// own name.
pub struct Closure {
    function: Arc<Function>,
    frames: Vec<Frame>,
}

impl Closure {
    /// `function(x, y)`, not more than a line of it: it stands in reasons.
    pub(crate) fn signature(&self) -> String {
        let mut names = String::new();
        for parameter in &self.function.parameters {
            if names.len() > MAX_SHOWN {
                break;
            }
            names.push_str(if names.is_empty() { "" } else { ", " });
            names.push_str(&shown(&parameter.name));
        }
        format!("function({})", shown(&names))
    }

    /// Moves out all values that it has in it.
    pub(crate) fn take_values(&mut self) -> impl Iterator<Item = Value> {
        mem::take(&mut self.frames).into_iter().map(|frame| match frame {
            Frame::Local(_, value) | Frame::Item(value) => value,
            Frame::Entries(entries) => Value::Context(entries),
        })
    }
}

impl Evaluator<'_> {
    pub(super) fn function(&mut self, function: &Arc<Function>) -> Result<Value, super::Error> {
        self.charge(self.frames.len())?;
        Ok(Value::Function(Arc::new(Closure { function: Arc::clone(function), frames: self.frames.clone() })))
    }

    /// `function(arguments)`
    pub(super) fn invoke(&mut self, function: &Value, names: &[String], arguments: &[Node]) -> Result<Value, Fault> {
        let Value::Function(closure) = function else {
            return Err(Fault::Null(format!("{} is no function", function.kind())));
        };
        let mut arguments = self.evaluate_all(arguments)?;
        if !names.is_empty() {
            let parameters = &closure.function.parameters;
            let position = |parameter: &str| names.iter().position(|name| *name == *parameter);
            let order: Option<Vec<_>> = parameters.iter().map(|parameter| position(&parameter.name)).collect();
            let order = order.filter(|order| order.len() == names.len());
            let order = order.ok_or_else(|| Fault::Null(format!("the parameters of the {} have other names", closure.signature())))?;
            arguments = order.into_iter().map(|at| arguments[at].clone()).collect();
        }
        self.call(closure, arguments)
    }

    /// Whether a function of two says true.
    pub(crate) fn holds(&mut self, closure: &Closure, arguments: [&Value; 2]) -> Result<bool, Fault> {
        match self.call(closure, arguments.map(Value::clone).to_vec())? {
            Value::Boolean(holds) => Ok(holds),
            other => Err(Fault::Null(format!("the function must give a boolean, not {}", other.kind()))),
        }
    }

    /// A call is two levels deeper, whoever calls: a function may be given to itself. It is charged what it copies; its arguments were when
    /// they were evaluated, or are the items of a list.
    fn call(&mut self, closure: &Closure, arguments: Vec<Value>) -> Result<Value, Fault> {
        let Function { parameters, body } = &*closure.function;
        if arguments.len() != parameters.len() {
            return Err(Fault::Null(format!("the {} was given {} arguments", closure.signature(), arguments.len())));
        }
        self.charge(closure.frames.len())?;
        let mut frames = closure.frames.clone();
        for (parameter, argument) in parameters.iter().zip(arguments) {
            if parameter.kind != ANY && !argument.is_null() && !is_of_kind(&argument, parameter.kind) {
                return Err(Fault::Null(format!(
                    "'{}' of the function must be a {}, not {}",
                    shown(&parameter.name),
                    parameter.kind,
                    argument.kind()
                )));
            }
            frames.push(Frame::Local(Arc::clone(&parameter.name), argument));
        }
        self.descend()?;
        let around = mem::replace(&mut self.frames, frames);
        let result = self.evaluate(body);
        self.frames = around;
        self.depth -= 1;
        Ok(result?)
    }
}
