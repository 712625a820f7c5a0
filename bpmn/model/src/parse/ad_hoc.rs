//! Ad-hoc sub-processes (BPMN 2.0, 10.3.5; `zeebe:adHoc` of Camunda 8). Camunda 7 knows none.

#![allow(clippy::unnecessary_wraps, reason = "all readers in the table of elements have one type")]

use crate::definition::{AdHocSubProcess, ElementKind};
use crate::diagnostic::shown;
use crate::parse::attributes;
use crate::parse::process::{Owner, ProcessReader};
use crate::xml::{Namespace, Node};

/// Reads an `adHocSubProcess` with everything in it.
pub(crate) fn ad_hoc_sub_process<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    let sequential = match node.plain("ordering").map(str::trim) {
        None | Some("Parallel") => false,
        Some("Sequential") => true,
        Some(other) => {
            let message = format!("ordering=\"{}\" is neither Parallel nor Sequential", shown(other));
            reader.diagnostics.error(owner.at, message, "write Parallel or Sequential");
            false
        }
    };
    let mut read = AdHocSubProcess {
        sequential,
        cancel_remaining: reader.boolean(node, Namespace::None, "cancelRemainingInstances", true, owner.at),
        ..AdHocSubProcess::default()
    };
    for child in node.children.iter().filter(|child| child.namespace == Namespace::Bpmn) {
        match child.name {
            "completionCondition" => read.completion_condition = reader.completion_condition(child, owner),
            "startEvent" | "endEvent" => {
                let message = format!("{} stands in an ad-hoc sub-process", child.title());
                reader.diagnostics.error(
                    child.at_in(owner.at),
                    message,
                    "remove it: everything that no flow leads to may begin (BPMN 2.0, 10.3.5)",
                );
            }
            _ => {}
        }
    }
    let extensions = node.all("extensionElements").flat_map(|extensions| &extensions.children);
    for extension in extensions.filter(|it| it.namespace == Namespace::Zeebe && it.name == "adHoc") {
        let at = extension.at_in(owner.at);
        for other in extension.attributes.iter().filter(|attribute| attribute.name != "activeElementsCollection") {
            let help = "collect what the activities give by output mappings of their own";
            reader.diagnostics.error(at, format!("{} of zeebe:adHoc is not supported", other.title()), help);
        }
        read.active = extension
            .plain("activeElementsCollection")
            .and_then(|source| reader.feel("activeElementsCollection", source, owner, extension));
    }
    reader.scope(node, owner);
    Some(ElementKind::AdHocSubProcess(read))
}

impl<'n> ProcessReader<'n, '_> {
    fn completion_condition(&mut self, node: &'n Node<'n>, owner: Owner<'n>) -> Option<mandate_feel::Expression> {
        attributes::check(node, node.at_in(owner.at), self.diagnostics);
        let condition = self.text(node, owner)?;
        if condition.as_literal().is_some() {
            let help = "write an expression, such as = done";
            self.diagnostics.objection(node.at_in(owner.at), "the completionCondition is a text, which is neither true nor false", help);
        }
        Some(condition)
    }
}
