//! What a message starts without a start event: receive tasks and event-based gateways with `instantiate="true"` (BPMN 2.0, 10.3.3, 10.6.6
//! and 13.2). Camunda 7 ignores or refuses them.
//!
//! Nothing behind the parser knows of them. The receive task, and each event or receive task behind the gateway, becomes a message start
//! event in its place. Behind a parallel gateway the first message starts the process and all others are awaited: each start event leads
//! also to the events that the others stand for, which are elements of their own under the same ids.

use std::sync::Arc;

use crate::definition::{CatchTrigger, ElementIndex, ElementKind, MessageReference, ROOT, SignalReference, StartTrigger};
use crate::diagnostic::shown;
use crate::parse::process::{Owner, ProcessReader};
use crate::xml::{Namespace, Node};

impl<'n> ProcessReader<'n, '_> {
    /// Remembers what may start the process, until its flows are known.
    pub(super) fn note_instantiation(&mut self, node: &'n Node<'n>, owner: Owner<'n>) {
        let all = match node.plain("eventGatewayType").map(str::trim) {
            None | Some("Exclusive") => false,
            Some("Parallel") => true,
            Some(other) => {
                let message = format!("eventGatewayType=\"{}\" is neither Exclusive nor Parallel", shown(other));
                self.diagnostics.error(owner.at, message, "write Exclusive or Parallel");
                false
            }
        };
        let instantiates = self.boolean(node, Namespace::None, "instantiate", false, owner.at);
        if instantiates {
            self.instantiating.push((owner, all));
        } else if all {
            let help = "add instantiate=\"true\", or use a parallel gateway in front of the events: then each of them is waited for";
            self.diagnostics.error(
                owner.at,
                "a parallel event-based gateway that starts no process is not possible (BPMN 2.0, 10.6.6)",
                help,
            );
        }
    }

    /// Makes start events of what may start the process.
    pub(crate) fn instantiate(&mut self) {
        for (owner, all) in std::mem::take(&mut self.instantiating) {
            let element = self.element(owner.index);
            let (parent, incoming) = (element.parent, element.incoming.len());
            if parent != Some(ROOT) || incoming > 0 {
                let help = "let it begin the process: in no sub-process, and without incoming flows (BPMN 2.0, 10.3.3 and 10.6.6)";
                self.diagnostics.error(owner.at, "this can't start a process", help);
                continue;
            }
            if let ElementKind::ReceiveTask(_) = self.element(owner.index).kind {
                self.begin_with(owner, owner.index);
                continue;
            }
            self.draft.alternatives.insert(owner.index);
            let outgoing = self.element(owner.index).outgoing.clone();
            let events: Vec<_> = outgoing.iter().map(|flow| self.draft.flows[flow.0 as usize].target).collect();
            let awaited: Vec<_> = events.iter().map(|event| self.element(*event).kind.clone()).collect();
            let began = events.iter().filter(|event| self.begin_with(owner, **event)).count();
            if all && began == events.len() {
                self.await_others(owner, &events, awaited);
            }
        }
    }

    /// Makes a start event of an element that waits for a message. False after an error.
    fn begin_with(&mut self, owner: Owner<'n>, event: ElementIndex) -> bool {
        let id = Arc::clone(&self.element(event).id);
        let element = self.element(event);
        let plain = element.multi_instance.is_none() && element.boundary_events.is_empty() && element.start_quantity == 1;
        let Some(trigger) = start_trigger(&element.kind).filter(|_| plain) else {
            let message = format!("'{}' can't start a process", shown(&id));
            let help = "use an event, or a receive task with a message, without loops, quantities and boundary events";
            self.diagnostics.error(owner.at, message, help);
            return false;
        };
        if let StartTrigger::Message(MessageReference { name, .. }) | StartTrigger::Signal(SignalReference { name }) = &trigger
            && name.as_literal().is_none()
        {
            let message = format!("the name '{}' is an expression", shown(name.source()));
            self.diagnostics.error(owner.at, message, "what starts a process has a fixed name: there are no variables yet");
            return false;
        }
        self.element(event).kind = ElementKind::StartEvent(trigger);
        true
    }

    /// Lets each start event lead to what the others wait for.
    fn await_others(&mut self, owner: Owner<'n>, events: &[ElementIndex], awaited: Vec<ElementKind>) {
        let mut waits = Vec::new();
        for (&event, kind) in events.iter().zip(awaited) {
            let name = self.draft.names[event.0 as usize];
            let Some(part) = self.part(name, Owner { index: event, ..owner }) else { return };
            let element = self.element(part.index);
            (element.kind, element.incoming) = (kind, Vec::new());
            self.draft.alternatives.insert(part.index);
            waits.push(part.index);
        }
        for (nth, &event) in events.iter().enumerate() {
            for (_, &wait) in waits.iter().enumerate().filter(|(other, _)| *other != nth) {
                let id = Arc::clone(&self.element(wait).id);
                let flow = self.flow_between(event, wait, id, owner.at.position);
                self.element(event).outgoing.push(flow);
                self.element(wait).incoming.push(flow);
            }
        }
    }
}

/// What starts a process instead of an element that waits.
fn start_trigger(kind: &ElementKind) -> Option<StartTrigger> {
    match kind {
        ElementKind::ReceiveTask(Some(message)) | ElementKind::IntermediateCatchEvent(CatchTrigger::Message(message)) => {
            Some(StartTrigger::Message(message.clone()))
        }
        ElementKind::IntermediateCatchEvent(CatchTrigger::Signal(signal)) => Some(StartTrigger::Signal(signal.clone())),
        ElementKind::IntermediateCatchEvent(CatchTrigger::Condition(condition)) => Some(StartTrigger::Condition(condition.clone())),
        ElementKind::IntermediateCatchEvent(CatchTrigger::Timer(timer)) => Some(StartTrigger::Timer(timer.clone())),
        _ => None,
    }
}
