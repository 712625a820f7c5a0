//! Gateways. What their flows must be like is checked with the flows.

#![allow(clippy::unnecessary_wraps, reason = "all readers in the table of elements have one type")]

use crate::definition::{ComplexGateway, ElementKind};
use crate::parse::process::{Owner, ProcessReader};
use crate::xml::Node;

/// Reads an `exclusiveGateway` (BPMN 2.0, 10.6.2).
pub(crate) fn exclusive<'n>(_: &mut ProcessReader<'n, '_>, _: &'n Node<'n>, _: Owner<'n>) -> Option<ElementKind> {
    Some(ElementKind::ExclusiveGateway)
}

/// Reads a `parallelGateway` (BPMN 2.0, 10.6.4).
pub(crate) fn parallel<'n>(_: &mut ProcessReader<'n, '_>, _: &'n Node<'n>, _: Owner<'n>) -> Option<ElementKind> {
    Some(ElementKind::ParallelGateway)
}

/// Reads an `inclusiveGateway` (BPMN 2.0, 10.6.3).
pub(crate) fn inclusive<'n>(_: &mut ProcessReader<'n, '_>, _: &'n Node<'n>, _: Owner<'n>) -> Option<ElementKind> {
    Some(ElementKind::InclusiveGateway)
}

/// Reads a `complexGateway` (BPMN 2.0, 10.6.5).
pub(crate) fn complex<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    let activation = match node.first("activationCondition") {
        Some(condition) => Some(reader.text(condition, owner)?),
        None => None,
    };
    if activation.as_ref().and_then(mandate_feel::Expression::as_literal).is_some() {
        let help = "write an expression, such as = activationCount >= 2";
        reader.diagnostics.objection(owner.at, "the activationCondition is a text, which is neither true nor false", help);
    }
    Some(ElementKind::ComplexGateway(ComplexGateway { activation }))
}

/// Reads an `eventBasedGateway` (BPMN 2.0, 10.6.6). As in Camunda 7 no job can stand behind it: it is left when an event happens.
pub(crate) fn event_based<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    reader.note_instantiation(node, owner);
    if reader.element(owner.index).async_after {
        let help = "put camunda:asyncBefore on the events behind it, or camunda:asyncAfter";
        reader.diagnostics.error(owner.at, "an event-based gateway can't have camunda:asyncAfter", help);
    }
    Some(ElementKind::EventBasedGateway)
}
