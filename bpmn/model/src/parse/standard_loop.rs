//! Standard loops: an activity that runs as long as a condition is true (BPMN 2.0, 10.3.8 and 13.3.6). Camunda 7 ignores them.

use mandate_feel::Expression;

use crate::definition::{MultiInstance, StandardLoop};
use crate::diagnostic::shown;
use crate::parse::attributes;
use crate::parse::process::{Owner, ProcessReader};
use crate::xml::{Namespace, Node};

impl<'n> ProcessReader<'n, '_> {
    /// Reads the `standardLoopCharacteristics` of an activity.
    pub(crate) fn standard_loop(&mut self, node: &'n Node<'n>, of: &'n Node<'n>, owner: Owner<'n>) {
        if !self.may_repeat(node, of, owner) {
            return;
        }
        let at = node.at_in(owner.at);
        let mut read = StandardLoop {
            test_before: self.boolean(node, Namespace::None, "testBefore", false, at),
            maximum: node.plain("loopMaximum").and_then(|text| self.loop_maximum(text, owner, node)),
            condition: None,
        };
        for child in &node.children {
            match (child.namespace, child.name) {
                (Namespace::Bpmn, "loopCondition") => read.condition = self.loop_condition(child, owner),
                (Namespace::Bpmn, "documentation") | (Namespace::Metadata, _) => {}
                (Namespace::Bpmn, "extensionElements") => {
                    for extension in &child.children {
                        attributes::check_extension(extension, node, extension.at_in(owner.at), self.diagnostics);
                    }
                }
                _ => {
                    let message = format!("{} has no place in {}", child.title(), node.title());
                    self.diagnostics.error(child.at_in(owner.at), message, "remove it, or check its spelling");
                }
            }
        }
        if node.plain("loopMaximum").is_none() && node.first("loopCondition").is_none() {
            let help = "add a loopCondition such as ${retry} or loopMaximum=\"3\"; to run once, remove it";
            self.diagnostics.error(at, "standardLoopCharacteristics does not say when the loop ends", help);
        }
        let each = MultiInstance { sequential: true, standard_loop: Some(read), ..MultiInstance::default() };
        if self.element(owner.index).multi_instance.replace(each).is_some() {
            self.diagnostics.error(at, format!("{} says more than once how often it runs", of.title()), "keep one of them");
        }
    }

    fn loop_maximum(&mut self, text: &str, owner: Owner<'n>, node: &'n Node<'n>) -> Option<u32> {
        let maximum = text.trim().parse().ok();
        if maximum.is_none() {
            let message = format!("loopMaximum=\"{}\" is not a whole number from 0", shown(text));
            self.diagnostics.error(node.at_in(owner.at), message, "write for example 3");
        }
        maximum
    }

    fn loop_condition(&mut self, node: &'n Node<'n>, owner: Owner<'n>) -> Option<Expression> {
        let condition = self.text(node, owner)?;
        if condition.as_literal().is_some() {
            let help = "write an expression, such as ${retry} or = loopCounter < 3";
            self.diagnostics.objection(node.at_in(owner.at), "the loopCondition is a text, which is neither true nor false", help);
        }
        Some(condition)
    }
}
