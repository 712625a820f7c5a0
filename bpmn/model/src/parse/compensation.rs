//! Compensation: which activity undoes which, and what an event has undone (BPMN 2.0, 10.6 and 13.5.5; Camunda 7's
//! `BpmnParse.parseAssociation`).
//!
//! An association leads from a compensation boundary event to the handler; as a drawing tool may have it the other way round, its direction
//! plays no part. All other associations only describe.

use crate::definition::{Compensation, CompensationThrow, ElementIndex, ElementKind, EndResult, EventTrigger, ThrowResult};
use crate::diagnostic::{At, shown};
use crate::parse::attributes;
use crate::parse::process::{Owner, ProcessReader, Slot};
use crate::xml::{Namespace, Node};

/// What refers to other elements on behalf of compensation, as it was read.
#[derive(Default)]
pub(crate) struct References<'n> {
    associations: Vec<&'n Node<'n>>,
    /// Throwing events with their `activityRef`.
    throws: Vec<(ElementIndex, At<'n>, &'n str)>,
}

impl<'n> ProcessReader<'n, '_> {
    /// Reads an `association`; whether it means something is known once all elements are.
    pub(crate) fn association(&mut self, node: &'n Node<'n>) {
        attributes::check(node, node.at(), self.diagnostics);
        if let Some(id) = node.id() {
            self.slots.entry(id).or_insert(Slot::NoFlowNode);
        }
        self.references.associations.push(node);
    }

    /// The definition in a throwing event. As in Camunda 7 the event waits for what it began, whatever `waitForCompletion` says.
    pub(crate) fn compensation_throw(&mut self, definition: &'n Node<'n>, owner: Owner<'n>) -> CompensationThrow {
        let at = definition.at_in(owner.at);
        if !self.boolean(definition, Namespace::None, "waitForCompletion", true, at) {
            let help = "remove it; to go on meanwhile, throw on a branch of its own";
            self.diagnostics.warning(at, "waitForCompletion=\"false\" has no effect: the event waits (as in Camunda 7)", help);
        }
        if let Some(activity) = definition.plain("activityRef") {
            self.references.throws.push((owner.index, at, activity));
        }
        CompensationThrow::default()
    }

    /// The definition in a boundary or start event, which says nothing but that it is one (Camunda
    /// `validateCatchCompensateEventDefinition`).
    pub(crate) fn compensation_catch(&mut self, definition: &'n Node<'n>, owner: Owner<'n>) -> EventTrigger {
        for name in ["activityRef", "waitForCompletion"].into_iter().filter(|name| definition.plain(name).is_some()) {
            let message = format!("{name} has no effect on an event that waits for compensation");
            self.diagnostics.warning(definition.at_in(owner.at), message, "remove it: it belongs on the throwing event (as in Camunda 7)");
        }
        EventTrigger::Compensation
    }

    /// Finds handlers and what throwing events refer to. Boundary events must be attached by now.
    pub(crate) fn compensate(&mut self) {
        let References { associations, throws } = std::mem::take(&mut self.references);
        for association in associations {
            self.connect_handler(association);
        }
        let starts =
            |kind: &ElementKind| matches!(kind, ElementKind::EventSubProcessStart(it) if matches!(it.trigger, EventTrigger::Compensation));
        let inside: Vec<_> = self.draft.elements.iter().filter(|it| starts(&it.kind)).filter_map(|it| it.parent).collect();
        for event in inside {
            if let Some(around) = self.element(event).parent {
                self.element(around).compensation.get_or_insert(Compensation::EventSubProcess(event));
            }
        }
        for (event, at, reference) in throws {
            let Some(activity) = self.look_up(reference, at, "the activity to compensate is") else { continue };
            match &mut self.element(event).kind {
                ElementKind::EndEvent(EndResult::Compensation(throw))
                | ElementKind::IntermediateThrowEvent(ThrowResult::Compensation(throw)) => throw.activity = Some(activity),
                // The event was refused.
                _ => {}
            }
        }
    }

    fn connect_handler(&mut self, association: &'n Node<'n>) {
        let end = |name| match association.plain(name).and_then(|id| self.slots.get(id.trim())) {
            Some(Slot::Element(index)) => Some(*index),
            // Annotations and data objects are not looked for.
            _ => None,
        };
        let (Some(source), Some(target)) = (end("sourceRef"), end("targetRef")) else { return };
        let (activity, handler) = match (self.compensated(source), self.compensated(target)) {
            (Some(activity), None) => (activity, target),
            (None, Some(activity)) => (activity, source),
            _ => return,
        };
        let of = |index: ElementIndex| &self.draft.elements[index.0 as usize];
        let (id, handled) = (shown(&of(handler).id), shown(&of(activity).id));
        let before = of(activity).compensation;
        let (message, help) = if !of(handler).for_compensation {
            let help = "set isForCompensation=\"true\" on it, or remove the association";
            (format!("'{id}' undoes an activity and is not marked for compensation"), help)
        } else if of(handler).parent != of(activity).parent {
            let help = "move it to the activity";
            (format!("the compensation handler '{id}' stands in another scope than the activity '{handled}'"), help)
        } else if before.is_some_and(|before| before != Compensation::Handler(handler)) {
            (format!("'{handled}' has more than one compensation handler"), "keep one; it may be a sub-process with several activities")
        } else {
            self.element(activity).compensation = Some(Compensation::Handler(handler));
            return;
        };
        self.diagnostics.error(association.at(), message, help);
    }

    /// The activity whose compensation boundary event this is.
    fn compensated(&self, event: ElementIndex) -> Option<ElementIndex> {
        match &self.draft.elements[event.0 as usize].kind {
            ElementKind::BoundaryEvent(boundary) if matches!(boundary.trigger, EventTrigger::Compensation) => Some(boundary.attached_to),
            _ => None,
        }
    }
}
