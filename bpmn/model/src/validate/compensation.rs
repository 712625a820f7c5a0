//! What must hold of compensation and transactions (BPMN 2.0, 10.3.5, 10.6 and 13.5.5; Camunda 7's `BpmnParse`).

use std::collections::HashSet;

use super::Validator;
use crate::definition::{
    BoundaryEvent, Compensation, CompensationThrow, Element, ElementIndex, ElementKind, EndResult, EventTrigger, ROOT, ThrowResult,
};
use crate::diagnostic::shown;

impl Validator<'_, '_> {
    /// Looks at an element that has to do with compensation, or with the cancellation of a transaction.
    pub(super) fn compensation(&mut self, index: ElementIndex, element: &Element) {
        if element.for_compensation {
            self.handler(index, element);
        }
        match &element.kind {
            ElementKind::BoundaryEvent(BoundaryEvent { trigger: EventTrigger::Compensation, attached_to, .. }) => {
                self.compensation_boundary(index, element, *attached_to);
            }
            ElementKind::BoundaryEvent(BoundaryEvent { trigger: EventTrigger::Cancel, attached_to, .. })
                if !matches!(self.draft.elements[attached_to.0 as usize].kind, ElementKind::Transaction(_)) =>
            {
                let help = "attach it to a transaction, or use an error boundary event";
                self.diagnostics.error(self.at(index), "the cancel boundary event is not attached to a transaction", help);
            }
            ElementKind::EventSubProcessStart(start) if matches!(start.trigger, EventTrigger::Compensation) => {
                let around = element.parent.and_then(|parent| self.draft.elements[parent.0 as usize].parent);
                let scope = around.map(|around| &self.draft.elements[around.0 as usize].kind);
                if !matches!(scope, Some(ElementKind::SubProcess(_) | ElementKind::Transaction(_))) {
                    let help = "put it into an embedded sub-process: what compensates has completed, and so a process never does";
                    let message = "a compensation event sub-process stands in no embedded sub-process";
                    self.diagnostics.error(self.at(index), message, help);
                }
            }
            ElementKind::EndEvent(EndResult::Cancel) => self.cancel_end(index, element),
            ElementKind::EndEvent(EndResult::Compensation(throw))
            | ElementKind::IntermediateThrowEvent(ThrowResult::Compensation(throw)) => self.compensation_throw(index, element, *throw),
            _ => {}
        }
    }

    /// Something undoes with it, and nothing leads to it or away from it.
    fn handler(&mut self, index: ElementIndex, element: &Element) {
        let name = self.name(index);
        if !(element.incoming.is_empty() && element.outgoing.is_empty()) {
            let help = "remove the flow: the association from the boundary event begins it, and nothing follows it (BPMN 2.0, 10.6.1)";
            self.diagnostics.error(self.at(index), format!("the compensation handler, a {name}, has a sequence flow"), help);
        }
        if element.compensation.is_some_and(|it| matches!(it, Compensation::Handler(_))) {
            let help = "undo in the handler's own sub-process what it has begun";
            self.diagnostics.error(self.at(index), "a compensation handler is not compensated itself", help);
        }
    }

    /// Warns of handlers that nothing leads to.
    pub(super) fn unused_handlers(&mut self) {
        let handler = |it: &Element| if let Some(Compensation::Handler(handler)) = it.compensation { Some(handler) } else { None };
        let used: HashSet<_> = self.draft.elements.iter().filter_map(handler).collect();
        for (index, _) in self.draft.elements.iter().enumerate().filter(|(_, it)| it.for_compensation) {
            let index = ElementIndex(u32::try_from(index).unwrap_or(u32::MAX));
            if !used.contains(&index) {
                let message = format!("the {} is for compensation and undoes nothing: it never runs", self.name(index));
                self.diagnostics.warning(self.at(index), message, "draw an association to it from a compensation boundary event");
            }
        }
    }

    fn compensation_boundary(&mut self, index: ElementIndex, element: &Element, activity: ElementIndex) {
        if !element.outgoing.is_empty() {
            let help = "draw an association instead, to an activity with isForCompensation=\"true\"";
            self.diagnostics.error(self.at(index), "the compensation boundary event has an outgoing sequence flow", help);
        }
        let compensation = self.draft.elements[activity.0 as usize].compensation;
        if !matches!(compensation, Some(Compensation::Handler(_))) && !self.draft.incomplete {
            let help = "draw an association from it to an activity with isForCompensation=\"true\"";
            self.diagnostics.warning(self.at(index), "the compensation boundary event has no handler: it undoes nothing", help);
        }
    }

    /// It stands directly in a transaction, which is left by its cancel boundary event.
    fn cancel_end(&mut self, index: ElementIndex, element: &Element) {
        let transaction = element.parent.map(|parent| &self.draft.elements[parent.0 as usize]);
        let Some(Element { kind: ElementKind::Transaction(_), boundary_events, id, .. }) = transaction else {
            let help = "put it into a transaction, or use an error end event and an error boundary event";
            self.diagnostics.error(self.at(index), "the cancel end event does not stand directly in a transaction", help);
            return;
        };
        let is_cancel =
            |event: &ElementIndex| matches!(self.draft.elements[event.0 as usize].kind.trigger(), Some((EventTrigger::Cancel, _)));
        if !boundary_events.iter().any(is_cancel) && !self.draft.incomplete {
            let message = format!("nothing follows when the transaction '{}' is cancelled", shown(id));
            self.diagnostics.error(self.at(index), message, "attach a cancel boundary event to the transaction");
        }
    }

    /// What it refers to stands beside it; from within an event sub-process, it may stand beside that.
    fn compensation_throw(&mut self, index: ElementIndex, element: &Element, throw: CompensationThrow) {
        let Some(activity) = throw.activity else { return };
        let referred = &self.draft.elements[activity.0 as usize];
        let scopes = std::iter::successors(element.parent, |scope| {
            let it = &self.draft.elements[scope.0 as usize];
            it.parent.filter(|_| matches!(it.kind, ElementKind::EventSubProcess(_)))
        });
        let is_seen = scopes.into_iter().any(|scope| referred.parent == Some(scope));
        if !is_seen || activity == ROOT {
            let message = format!("the activity '{}' to compensate does not stand in the event's scope", shown(&referred.id));
            self.diagnostics.error(self.at(index), message, "refer to an activity beside the event, or to none to compensate all of them");
        } else if referred.compensation.is_none() && referred.kind.scope().is_none() {
            let message = format!("nothing undoes '{}', which the event has compensated", shown(&referred.id));
            let help = "attach a compensation boundary event with a handler to it, or refer to another activity";
            self.diagnostics.warning(self.at(index), message, help);
        }
    }
}
