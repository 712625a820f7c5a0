//! Data associations: what of them is executed (BPMN 2.0, 10.4.2). Camunda 7 ignores them.
//!
//! An `assignment` maps a value into an activity, or out of it, as Camunda's input and output parameters do; data objects and properties are
//! variables by that. An association without assignments is a line in a drawing. What turns one value into another (`transformation`) is refused,
//! for the standard does not say what it is given.

use crate::definition::Mapping;
use crate::diagnostic::shown;
use crate::parse::process::{MAX_ID, Owner, ProcessReader};
use crate::xml::{Namespace, Node};

impl<'n> ProcessReader<'n, '_> {
    /// Reads the `dataInputAssociation` and `dataOutputAssociation` elements of an activity.
    pub(crate) fn data_associations(&mut self, node: &'n Node<'n>, owner: Owner<'n>) {
        for association in node.children.iter().filter(|child| child.namespace == Namespace::Bpmn) {
            let is_input = match association.name {
                "dataInputAssociation" => true,
                "dataOutputAssociation" => false,
                _ => continue,
            };
            if let Some(transformation) = association.first("transformation") {
                let help = "write an assignment, or a camunda:inputParameter or camunda:outputParameter";
                let at = transformation.at_in(owner.at);
                self.diagnostics.error(at, format!("{} is not supported", transformation.title()), help);
            }
            for assignment in association.all("assignment") {
                let Some(mapping) = self.assignment(assignment, owner) else { continue };
                let element = self.element(owner.index);
                if is_input { &mut element.inputs } else { &mut element.outputs }.push(mapping);
            }
        }
    }

    /// From an expression to a variable by its name.
    fn assignment(&mut self, node: &'n Node<'n>, owner: Owner<'n>) -> Option<Mapping> {
        let at = node.at_in(owner.at);
        let (Some(from), Some(to)) = (node.first("from"), node.first("to")) else {
            self.diagnostics.error(at, "the assignment has no from or no to", "write <from>= order.total</from><to>total</to>");
            return None;
        };
        let target = to.text.trim();
        let name = target.chars().count() <= MAX_ID && target.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'));
        if target.is_empty() || !name {
            let message = format!("'{}' is not the name of a variable", shown(target));
            self.diagnostics.error(to.at_in(owner.at), message, "name the variable that is set, without an expression");
            return None;
        }
        Some(Mapping { target: target.to_owned(), source: self.text(from, owner)? })
    }
}
