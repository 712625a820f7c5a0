//! Who a process names to do its work.

use super::{Element, ElementIndex, ElementKind, Implementation, ListenerAction, ListenerEvent, ProcessDefinition, SequenceFlow};

/// A delegate or a topic that is named, with where.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'d> {
    /// The element; for a listener of a sequence flow the one that this leaves.
    pub index: ElementIndex,
    /// The same.
    pub element: &'d Element,
    /// Who.
    pub implementation: &'d Implementation,
    /// When, of a listener; none: it does the element's own work.
    pub listener: Option<ListenerEvent>,
}

impl ProcessDefinition {
    /// All of them: first those who do the work of elements, then listeners.
    pub fn references(&self) -> impl Iterator<Item = Reference<'_>> {
        references(&self.elements, &self.flows)
    }
}

pub(crate) fn references<'d>(elements: &'d [Element], flows: &'d [SequenceFlow]) -> impl Iterator<Item = Reference<'d>> {
    let indexed = || (0..).map(ElementIndex).zip(elements);
    let tasks = indexed().filter_map(|(index, element)| match &element.kind {
        ElementKind::ServiceTask(task) => Some(Reference { index, element, implementation: &task.implementation, listener: None }),
        _ => None,
    });
    let of_elements = indexed().flat_map(|(index, element)| element.listeners.iter().map(move |listener| (index, listener)));
    let of_flows = flows.iter().flat_map(|flow| flow.listeners.iter().map(|listener| (flow.source, listener)));
    let listeners = of_elements.chain(of_flows).filter_map(|(index, listener)| match &listener.does {
        ListenerAction::Delegate(implementation) => {
            Some(Reference { index, element: &elements[index.0 as usize], implementation, listener: Some(listener.event) })
        }
        ListenerAction::Expression(_) => None,
    });
    tasks.chain(listeners)
}
