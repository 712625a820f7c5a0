//! How many tokens begin an activity, and how many it makes (BPMN 2.0, 10.3 and 13.3.2). Camunda 7 ignores what is said of them.

use crate::diagnostic::shown;
use crate::parse::multi_instance::ACTIVITIES;
use crate::parse::process::{Owner, ProcessReader};
use crate::xml::Node;

/// More tokens than this neither begin an activity nor leave it: a scope has room for more, but not for the product of several of these.
/// What leaves it at once by many flows, or multiplies behind it, the engine bounds.
const MAX_QUANTITY: u32 = 1_000;

impl<'n> ProcessReader<'n, '_> {
    /// Reads `startQuantity` and `completionQuantity` of an activity. An event sub-process begins with no token.
    pub(crate) fn quantities(&mut self, node: &'n Node<'n>, owner: Owner<'n>) {
        if ACTIVITIES.contains(&node.name) {
            let [start, completion] = ["startQuantity", "completionQuantity"].map(|name| self.quantity(name, node, owner));
            let element = self.element(owner.index);
            (element.start_quantity, element.completion_quantity) = (start, completion);
        }
    }

    fn quantity(&mut self, name: &str, node: &'n Node<'n>, owner: Owner<'n>) -> u32 {
        let Some(text) = node.plain(name) else { return 1 };
        let read = text.trim().parse().ok().filter(|quantity| (1..=MAX_QUANTITY).contains(quantity));
        read.unwrap_or_else(|| {
            let message = format!("{name}=\"{}\" is not a whole number from 1 to {MAX_QUANTITY}", shown(text));
            self.diagnostics.error(owner.at, message, "write for example 2, or leave it out: it is 1 then");
            1
        })
    }
}
