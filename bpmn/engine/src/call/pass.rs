//! Variables on their way into a called process and out of it.

use mandate_feel::{Expression, Limits, Value};
use mandate_model::{ElementIndex, ElementKind, Pass, Source};

use crate::expression::failed;
use crate::ids::ActivityId;
use crate::input::Failure;
use crate::step::Machine;
use crate::variable::{Variable, Variables};

impl Machine<'_> {
    /// What comes back is set from the call activity outward or, if local, in it (Camunda 7 `CallableElementActivityBehavior.passOutputVariables`).
    pub(super) fn pass_outputs(&mut self, activity: ActivityId, element: ElementIndex, from: Variables) -> Result<(), Failure> {
        let definition = self.definition;
        let ElementKind::CallActivity(call) = &definition.element(element).kind else { unreachable!("only call activities call") };
        let (mut around, mut local) = (Variables::new(), Variables::new());
        for pass in &call.outputs {
            match pass {
                Pass::All { local: false } => around.extend(from.clone()),
                Pass::All { local: true } => local.extend(from.clone()),
                Pass::One { source, target, local: is_local } => {
                    let value = match source {
                        Source::Variable(name) => from.get(name).cloned().unwrap_or_else(|| Variable::from_json(&serde_json::Value::Null)),
                        Source::Expression(expression) => self.output(element, expression, &from)?,
                    };
                    let into = if *is_local { &mut local } else { &mut around };
                    into.insert(target.clone(), value);
                }
            }
        }
        let at_element = |failure: Failure| Failure { element: Some(element), ..failure };
        if call.propagates {
            self.deliver(activity, from)?;
        }
        self.set_variables(activity, around).map_err(at_element)?;
        self.set_variables_in(activity, local).map_err(at_element)
    }

    /// An expression on the called instance's variables.
    fn output(&self, element: ElementIndex, expression: &Expression, from: &Variables) -> Result<Variable, Failure> {
        let evaluated = expression.evaluate(&Of(from), &Limits::default());
        let value = evaluated.map_err(|error| failed(self.definition, element, expression, &error.to_string()))?.value;
        Ok(Variable::from_json(&value.to_json()))
    }
}

/// Names as an output of a call sees them.
struct Of<'a>(&'a Variables);

impl mandate_feel::Scope for Of<'_> {
    fn resolve(&self, name: &str) -> Option<Value> {
        self.0.get(name).and_then(|variable| Value::from_json_text(&variable.json).ok())
    }
}
