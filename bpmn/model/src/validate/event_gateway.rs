//! What an event-based gateway must lead to (BPMN 2.0, 10.6.6; Camunda 7's `BpmnParse.parseEventBasedGateway`).

use std::collections::HashSet;

use super::Validator;
use crate::definition::{CatchTrigger, Element, ElementIndex, ElementKind};
use crate::diagnostic::shown;

impl Validator<'_, '_> {
    /// Each flow leads to an intermediate catch event or a receive task, to which nothing else leads: the gateway waits in its place. As in
    /// the standard, message events and receive tasks are not mixed; Camunda 7 takes no receive task at all. As in Camunda 7, a single
    /// event will do, and one gateway waits for a message once.
    pub(super) fn event_gateway(&mut self, index: ElementIndex, element: &Element) {
        let mut messages: HashSet<String> = HashSet::new();
        let mut signals: HashSet<&str> = HashSet::new();
        let mut forms: HashSet<&str> = HashSet::new();
        for &flow in &element.outgoing {
            let target = self.flow(flow).target;
            let event = &self.draft.elements[target.0 as usize];
            let name = self.name(target);
            if let ElementKind::IntermediateCatchEvent(CatchTrigger::Multiple { all: true, .. }) = event.kind {
                let message = format!("the event-based gateway '{}' leads to an event that waits for all of several", shown(&element.id));
                self.diagnostics.error(self.flow_at(flow), message, "lead it to events of which each is enough");
            }
            let is_link = matches!(event.kind, ElementKind::IntermediateCatchEvent(CatchTrigger::Link));
            if is_link || !matches!(name, "intermediateCatchEvent" | "receiveTask") {
                let what = if is_link { "link event" } else { name };
                let message = format!("the event-based gateway '{}' leads to a {what}", shown(&element.id));
                self.diagnostics.error(self.flow_at(flow), message, "lead it to intermediate catch events or receive tasks");
                continue;
            }
            if event.incoming.len() > 1 {
                let message =
                    format!("another flow leads to this {name}, for which the event-based gateway '{}' waits", shown(&element.id));
                self.diagnostics.error(self.at(target), message, "lead the other flow to the gateway, or to an event of its own");
            }
            if !event.boundary_events.is_empty() {
                let message = format!("this {name} stands behind an event-based gateway and has boundary events");
                self.diagnostics.error(self.at(target), message, "give the gateway a flow to a timer event of its own");
            }
            if let ElementKind::IntermediateCatchEvent(CatchTrigger::Signal(signal)) = &event.kind
                && !signals.insert(signal.name.source())
            {
                let message = format!("the event-based gateway waits for the signal '{}' twice", shown(signal.name.source()));
                self.diagnostics.error(self.at(index), message, "keep one of them");
            }
            if let ElementKind::ReceiveTask(None) = event.kind {
                let message = format!("the event-based gateway leads to '{}', which waits for no message", shown(&event.id));
                self.diagnostics.error(self.at(index), message, "choose the message that it waits for (messageRef)");
            }
            let (ElementKind::IntermediateCatchEvent(CatchTrigger::Message(reference)) | ElementKind::ReceiveTask(Some(reference))) =
                &event.kind
            else {
                continue;
            };
            forms.insert(name);
            if !messages.insert(reference.name.source().to_owned()) {
                let message = format!("the event-based gateway waits for the message '{}' twice", shown(reference.name.source()));
                self.diagnostics.error(self.at(index), message, "keep one of them");
            }
        }
        if forms.len() > 1 {
            let help = "use message events only, or receive tasks only (BPMN 2.0, 10.6.6)";
            self.diagnostics.error(self.at(index), "the event-based gateway leads to message events and to receive tasks", help);
        }
        if element.outgoing.is_empty() && !self.draft.incomplete {
            let help = "lead sequence flows from it to the events that it waits for";
            self.diagnostics.error(self.at(index), "the event-based gateway has no outgoing sequence flow", help);
        }
    }
}
