//! Variables on their way into a called process and out of it.

use mandate_feel::{Expression, Value};
use mandate_model::{CallActivity, ElementIndex, ElementKind, Pass, Source};

use super::Outputs;
use crate::expression::failed;
use crate::ids::ActivityId;
use crate::input::Failure;
use crate::step::Machine;
use crate::variable::{Variable, Variables};

impl Outputs {
    /// What comes later goes before what came first.
    pub(super) fn add(&mut self, later: Self) {
        self.around.extend(later.around);
        self.local.extend(later.local);
        self.delivered.extend(later.delivered);
    }
}

impl Machine<'_> {
    /// What comes back of the variables of a called process.
    pub(super) fn outputs(&self, element: ElementIndex, from: Variables) -> Result<Outputs, Failure> {
        let call = self.call_activity(element);
        let mut outputs = Outputs::default();
        for pass in &call.outputs {
            match pass {
                Pass::All { local: false } => outputs.around.extend(from.clone()),
                Pass::All { local: true } => outputs.local.extend(from.clone()),
                Pass::One { source, target, local } => {
                    let value = match source {
                        Source::Variable(name) => from.get(name).cloned().unwrap_or_else(|| Variable::from_json(&serde_json::Value::Null)),
                        Source::Expression(expression) => self.output(element, expression, &from)?,
                    };
                    let into = if *local { &mut outputs.local } else { &mut outputs.around };
                    into.insert(target.clone(), value);
                }
                Pass::Data(name) => outputs.local.extend(from.get_key_value(name).map(|(name, value)| (name.clone(), value.clone()))),
            }
        }
        if call.propagates {
            outputs.delivered = from;
        }
        Ok(outputs)
    }

    /// Sets it, from the call activity outward or, if local, in it (Camunda 7 `CallableElementActivityBehavior.passOutputVariables`).
    pub(super) fn set_outputs(&mut self, activity: ActivityId, element: ElementIndex, outputs: Outputs) -> Result<(), Failure> {
        let at_element = |failure: Failure| failure.at(element);
        self.deliver(activity, outputs.delivered)?;
        self.set_variables(activity, outputs.around).map_err(at_element)?;
        self.set_variables_in(activity, outputs.local).map_err(at_element)
    }

    fn call_activity(&self, element: ElementIndex) -> &CallActivity {
        let ElementKind::CallActivity(call) = &self.definition.element(element).kind else { unreachable!("only call activities call") };
        call
    }

    /// An expression on the called instance's variables.
    fn output(&self, element: ElementIndex, expression: &Expression, from: &Variables) -> Result<Variable, Failure> {
        if let Some(variable) = expression.as_reference().and_then(|name| from.get(name)) {
            return Ok(variable.clone());
        }
        let evaluated = self.moment.evaluate(expression, &Of(from));
        let value = evaluated.map_err(|error| failed(self.definition, element, expression, &error.to_string()))?.value;
        Ok(Variable::given_by(expression, &value, |name| from.get(name)))
    }
}

/// Names as an output of a call sees them.
struct Of<'a>(&'a Variables);

impl mandate_feel::Scope for Of<'_> {
    fn resolve(&self, name: &str) -> Option<Value> {
        self.0.get(name).and_then(Variable::to_value)
    }
}
