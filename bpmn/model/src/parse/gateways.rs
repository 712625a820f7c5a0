//! Gateways. What their flows must be like is checked with the flows.

#![allow(clippy::unnecessary_wraps, reason = "all readers in the table of elements have one type")]

use crate::definition::ElementKind;
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
