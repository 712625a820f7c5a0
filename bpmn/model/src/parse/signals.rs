//! Signals and conditions that events refer to.

use mandate_feel::Expression;

use crate::definition::{Condition, SignalReference, Source, Throw, ThrowInput, VariableChange};
use crate::diagnostic::{At, shown};
use crate::parse::process::{MAX_ID, Owner, ProcessReader};
use crate::xml::{Namespace, Node};

impl<'n> ProcessReader<'n, '_> {
    /// The signal that an event waits for.
    pub(super) fn signal(&mut self, definition: &'n Node<'n>, owner: Owner<'n>) -> Option<SignalReference> {
        self.unused_inputs(
            definition,
            owner,
            "an event that waits for a signal",
            "what comes with the signal is said by the event that throws it",
        );
        self.signal_name(definition, owner).map(|name| SignalReference { name })
    }

    /// The signal that an event throws, with what goes along (Camunda 7, "Signal Events", passing variables).
    pub(super) fn signal_throw(&mut self, definition: &'n Node<'n>, owner: Owner<'n>) -> Option<Throw> {
        let name = self.signal_name(definition, owner)?;
        let mut throw = self.throw_as(name, definition, owner)?;
        throw.inputs.extend(self.thrown_along(owner));
        Some(throw)
    }

    /// What is thrown under a name, with the `camunda:in`s that `node` has.
    pub(super) fn throw_as(&mut self, name: Expression, node: &'n Node<'n>, owner: Owner<'n>) -> Option<Throw> {
        let mut throw = Throw { name, inputs: Vec::new(), business_key: None };
        for input in inputs(node) {
            self.throw_input(input, owner, &mut throw)?;
        }
        Some(throw)
    }

    /// Says of each `camunda:in` of a node that throws nothing by itself that it has no effect there.
    pub(super) fn unused_inputs(&mut self, node: &'n Node<'n>, owner: Owner<'n>, on: &str, why: &str) {
        for input in inputs(node) {
            self.diagnostics.warning(input.at_in(owner.at), format!("camunda:in has no effect on {on}"), format!("remove it: {why}"));
        }
    }

    fn signal_name(&mut self, definition: &'n Node<'n>, owner: Owner<'n>) -> Option<Expression> {
        let at = definition.at_in(owner.at);
        let Some(reference) = definition.plain("signalRef") else {
            self.diagnostics.error(at, "the signal event has no signalRef", "choose its signal, or create one with a name");
            return None;
        };
        let Some(signal) = self.definitions.signal(reference) else {
            let message = format!("the signal '{}' does not exist", shown(reference));
            self.diagnostics.error(at, message, "choose one of the file's signals, or create one with this id and a name");
            return None;
        };
        let name = signal.plain("name").unwrap_or_default().trim();
        if name.is_empty() || name.chars().count() > MAX_ID {
            let message = format!("the signal '{}' has no name of 1 to {MAX_ID} characters", shown(reference));
            self.diagnostics.error(at, message, "name it: a signal is known by its name");
            return None;
        }
        self.expression("the signal name", name, At { position: signal.position, ..at })
    }

    /// A `camunda:in`: a variable, the value of an expression, all variables, or the business key.
    fn throw_input(&mut self, input: &'n Node<'n>, owner: Owner<'n>, throw: &mut Throw) -> Option<()> {
        const ATTRIBUTES: &[&str] = &["source", "sourceExpression", "target", "variables", "businessKey"];
        let at = input.at_in(owner.at);
        if let Some(other) = input.attributes.iter().find(|it| it.namespace == Namespace::None && !ATTRIBUTES.contains(&it.name)) {
            let message = format!("{} of camunda:in is not supported here", other.title());
            self.diagnostics.error(at, message, "use source or sourceExpression with target, variables=\"all\", or businessKey");
            return None;
        }
        if let Some(key) = input.plain("businessKey") {
            throw.business_key = Some(self.expression("businessKey of camunda:in", key, at)?);
            return Some(());
        }
        if let Some(which) = input.plain("variables") {
            if which.trim() != "all" {
                let message = format!("variables=\"{}\" of camunda:in is not all", shown(which));
                self.diagnostics.error(at, message, "write all, or name each variable by source and target");
                return None;
            }
            throw.inputs.push(ThrowInput::All);
            return Some(());
        }
        let target = input.plain("target").map_or("", str::trim);
        let source = match (input.plain("source").map(str::trim), input.plain("sourceExpression")) {
            (Some(name), None) if !name.is_empty() => Source::Variable(name.to_owned()),
            (None, Some(text)) => Source::Expression(self.expression("sourceExpression of camunda:in", text, at)?),
            _ => {
                let message = "camunda:in does not say what goes along";
                self.diagnostics.error(at, message, "give it either a source or a sourceExpression, and a target");
                return None;
            }
        };
        if target.is_empty() || target.chars().count() > MAX_ID {
            let message = format!("camunda:in has no target of 1 to {MAX_ID} characters");
            self.diagnostics.error(at, message, "name the variable that the receivers get");
            return None;
        }
        throw.inputs.push(ThrowInput::One { target: target.to_owned(), source });
        Some(())
    }

    /// What a conditional event waits for (BPMN 2.0, 10.5.5; Camunda 7, "Conditional Events").
    pub(super) fn conditional(&mut self, definition: &'n Node<'n>, owner: Owner<'n>) -> Option<Condition> {
        let at = definition.at_in(owner.at);
        let Some(condition) = definition.first("condition") else {
            let help = "give it one, such as ${amount > 100} or = amount > 100";
            self.diagnostics.error(at, "the conditional event has no condition", help);
            return None;
        };
        let condition = self.condition(condition, at)?;
        let variable = definition.camunda("variableName").map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned);
        let mut changes = Vec::new();
        for change in definition.camunda("variableEvents").unwrap_or_default().split(',').map(str::trim).filter(|it| !it.is_empty()) {
            changes.push(match change {
                "create" => VariableChange::Create,
                "update" => VariableChange::Update,
                "delete" => VariableChange::Delete,
                other => {
                    let message = format!("camunda:variableEvents: '{}' is no change of a variable", shown(other));
                    self.diagnostics.error(at, message, "write create, update or delete, several with commas between them");
                    return None;
                }
            });
        }
        Some(Condition { condition, variable, changes })
    }
}

/// The `camunda:in`s of a node.
fn inputs<'n>(node: &'n Node<'n>) -> impl Iterator<Item = &'n Node<'n>> {
    let extensions = node.all("extensionElements").flat_map(|extensions| &extensions.children);
    extensions.filter(|it| it.namespace == Namespace::Camunda && it.name == "in")
}
