//! Events with several definitions (BPMN 2.0, 10.5.2, 10.5.4 and 10.5.5): any of them triggers what catches them, or all must have happened
//! (`parallelMultiple`); what throws them throws all. Camunda 7 refuses them.
//!
//! Nothing behind the parser need know of most of them. A start or boundary event becomes an element for each definition, with one id and
//! the same flows behind, which knows of the others if all must have happened; a throw or end event a chain of such elements, in the order
//! of their definitions, of which the last ends what ends. Only an intermediate catch event is one element that waits for several.

use std::sync::Arc;

use crate::definition::{
    CatchTrigger, ElementIndex, ElementKind, EventTrigger, FlowIndex, ListenerEvent, Position, SequenceFlow, StartTrigger,
};
use crate::diagnostic::{At, shown};
use crate::parse::process::{Owner, ProcessReader, is_event_definition};
use crate::parse::table::{self, Supported};
use crate::xml::{Namespace, Node};

/// Definitions after which an end event's token does nothing more.
const FINAL: &[&str] = &["terminateEventDefinition", "errorEventDefinition", "cancelEventDefinition"];

/// What elements of one event have to do with each other.
#[derive(Default)]
pub(crate) struct Parts {
    /// An element that does as well as another, and that other.
    pub(super) alternatives: Vec<(ElementIndex, ElementIndex)>,
    /// Start events of a process that are one: the first to happen starts it, and the others are then waited for.
    starts: Vec<Vec<ElementIndex>>,
    /// Elements of which each follows the one before.
    chains: Vec<Vec<ElementIndex>>,
}

impl<'n> ProcessReader<'n, '_> {
    /// The definitions of an event, its own and those it refers to. None after an error.
    pub(crate) fn event_definitions(&mut self, node: &'n Node<'n>, owner: Owner<'n>) -> Option<Vec<&'n Node<'n>>> {
        let mut definitions = Vec::new();
        for child in node.children.iter().filter(|child| child.namespace == Namespace::Bpmn && is_event_definition(child.name)) {
            if child.name != "eventDefinitionRef" {
                definitions.push(child);
                continue;
            }
            let reference = child.text.trim();
            let Some(definition) = self.definitions.event_definition(reference) else {
                let message = format!("the event definition '{}' does not exist", shown(reference));
                self.diagnostics.error(child.at_in(owner.at), message, "put the event definition into the event itself");
                return None;
            };
            definitions.push(definition);
        }
        Some(definitions)
    }

    /// Reads what only this element has; an event with several definitions once for each.
    pub(crate) fn read_event_or_other(&mut self, row: &'static Supported, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
        if !row.element.ends_with("Event") {
            return (row.read)(self, node, owner);
        }
        let definitions = self.event_definitions(node, owner)?;
        if definitions.len() < 2 {
            return (row.read)(self, node, owner);
        }
        let parallel = self.boolean(node, Namespace::None, "parallelMultiple", false, owner.at);
        match row.element {
            "intermediateCatchEvent" => self.several_triggers(row, node, owner, definitions.len(), parallel),
            "startEvent" | "boundaryEvent" => {
                let kind = self.alternatives(row, node, owner, definitions.len())?;
                if parallel { self.all_of(kind, owner) } else { Some(kind) }
            }
            _ => self.chain(row, node, owner, &definitions),
        }
    }

    fn read_nth(&mut self, row: &'static Supported, node: &'n Node<'n>, owner: Owner<'n>, nth: usize) -> Option<ElementKind> {
        self.nth_definition = Some(nth);
        let read = (row.read)(self, node, owner);
        self.nth_definition = None;
        read
    }

    fn several_triggers(
        &mut self,
        row: &'static Supported,
        node: &'n Node<'n>,
        owner: Owner<'n>,
        definitions: usize,
        all: bool,
    ) -> Option<ElementKind> {
        let mut triggers = Vec::new();
        for nth in 0..definitions {
            match self.read_nth(row, node, owner, nth)? {
                ElementKind::IntermediateCatchEvent(CatchTrigger::Link) | ElementKind::IntermediateThrowEvent(_) => {
                    self.diagnostics.error(owner.at, "a link event has other event definitions", "use a link event alone");
                    return None;
                }
                ElementKind::IntermediateCatchEvent(trigger) => triggers.push(trigger),
                other => unreachable!("an intermediate catch event is read, not {other:?}"),
            }
        }
        Some(ElementKind::IntermediateCatchEvent(CatchTrigger::Multiple { triggers, all }))
    }

    fn alternatives(&mut self, row: &'static Supported, node: &'n Node<'n>, owner: Owner<'n>, definitions: usize) -> Option<ElementKind> {
        let first = self.read_nth(row, node, owner, 0)?;
        for nth in 1..definitions {
            let other = self.part(row.element, owner)?;
            let kind = self.read_nth(row, node, other, nth)?;
            self.element(other.index).kind = kind;
            self.parts.alternatives.push((other.index, owner.index));
        }
        Some(first)
    }

    /// Makes of the alternatives of an event what all must have happened of.
    fn all_of(&mut self, kind: ElementKind, owner: Owner<'n>) -> Option<ElementKind> {
        let others = self.parts.alternatives.iter().filter(|(_, of)| *of == owner.index).map(|(part, _)| *part);
        let all: Vec<_> = std::iter::once(owner.index).chain(others).collect();
        if let ElementKind::StartEvent(_) = kind {
            self.parts.starts.push(all);
            return Some(kind);
        }
        let mut kinds = std::iter::once(&kind).chain(all[1..].iter().map(|part| &self.draft.elements[part.0 as usize].kind));
        if kinds.any(|kind| matches!(kind.trigger(), Some((EventTrigger::Compensation | EventTrigger::Cancel, _)))) {
            let message = "an event that waits for all of several can't wait for a compensation or a cancellation";
            self.diagnostics.error(owner.at, message, "use an event of its own for it: both mean that an activity is undone");
            return None;
        }
        for &part in &all {
            self.element(part).all_of.clone_from(&all);
        }
        Some(kind)
    }

    /// All but the last are throw events, which go on.
    fn chain(
        &mut self,
        row: &'static Supported,
        node: &'n Node<'n>,
        owner: Owner<'n>,
        definitions: &[&'n Node<'n>],
    ) -> Option<ElementKind> {
        let mut order: Vec<usize> = (0..definitions.len()).collect();
        order.sort_by_key(|nth| FINAL.contains(&definitions[*nth].name));
        let throw = table::find("intermediateThrowEvent")?;
        if let Some(nth) = order[..order.len() - 1].iter().find(|nth| FINAL.contains(&definitions[**nth].name)) {
            let message = format!("{} has nothing behind it that could be done", definitions[*nth].title());
            self.diagnostics.error(owner.at, message, "keep one of the definitions that end something");
            return None;
        }
        let mut chain = vec![owner.index];
        self.draft.names[owner.index.0 as usize] = throw.element;
        let first = self.read_nth(throw, node, owner, order[0])?;
        for (place, nth) in order.iter().enumerate().skip(1) {
            let row = if place + 1 == order.len() { row } else { throw };
            let next = self.part(row.element, owner)?;
            let kind = self.read_nth(row, node, next, *nth)?;
            let element = self.element(next.index);
            element.kind = kind;
            element.async_before = false;
            chain.push(next.index);
        }
        self.parts.chains.push(chain);
        Some(first)
    }

    /// Another element that is part of an event, with its id and what all elements have.
    pub(super) fn part(&mut self, name: &'static str, of: Owner<'n>) -> Option<Owner<'n>> {
        if !self.spend(of.at) {
            return None;
        }
        let index = ElementIndex(u32::try_from(self.draft.elements.len()).expect("MAX_ELEMENTS is far below 2^32"));
        let element = self.element(of.index).clone();
        self.draft.elements.push(element);
        self.draft.names.push(name);
        Some(Owner { index, ..of })
    }

    /// Behind each of several start events, of which all must happen, the others are waited for.
    fn await_all(&mut self, all: &[ElementIndex]) {
        let kinds: Vec<_> = all.iter().map(|start| self.element(*start).kind.clone()).collect();
        for (nth, &start) in all.iter().enumerate() {
            let others = kinds.iter().enumerate().filter(|(other, _)| *other != nth);
            let triggers: Option<Vec<_>> = others.map(|(_, kind)| awaited(kind)).collect();
            let (position, id) = (self.element(start).position, Arc::clone(&self.element(start).id));
            let at = At { position, id: Some(&id) };
            let Some(triggers) = triggers else {
                let help = "use messages and the like: what starts a process must be something that an instance can wait for";
                self.diagnostics.error(at, "a start event can't wait for all of these", help);
                return;
            };
            let Some(wait) = self.part("intermediateCatchEvent", Owner { index: start, at: At { position, id: None }, depth: 0 }) else {
                return;
            };
            let flow = self.flow_between(start, wait.index, Arc::clone(&id), position);
            self.draft.alternatives.insert(wait.index);
            let waiting = self.element(wait.index);
            waiting.kind = ElementKind::IntermediateCatchEvent(CatchTrigger::Multiple { triggers, all: true });
            waiting.incoming = vec![flow];
            waiting.listeners.clear();
            self.element(start).outgoing = vec![flow];
        }
    }

    /// A flow that nobody has drawn.
    pub(super) fn flow_between(&mut self, source: ElementIndex, target: ElementIndex, id: Arc<str>, position: Position) -> FlowIndex {
        let flow = FlowIndex(u32::try_from(self.draft.flows.len()).expect("MAX_ELEMENTS is far below 2^32"));
        self.draft.flows.push(SequenceFlow { id, source, target, condition: None, listeners: Vec::new() });
        self.draft.flow_positions.push(position);
        flow
    }

    /// Gives the parts their flows, once those of their events are known.
    pub(crate) fn join_parts(&mut self) {
        let Parts { alternatives, starts, chains } = std::mem::take(&mut self.parts);
        for (part, of) in alternatives {
            self.draft.alternatives.insert(part);
            let outgoing = self.element(of).outgoing.clone();
            self.element(part).outgoing = outgoing;
        }
        for all in starts {
            self.await_all(&all);
        }
        for chain in chains {
            let (first, last) = (chain[0], chain[chain.len() - 1]);
            let outgoing = std::mem::take(&mut self.element(first).outgoing);
            for flow in &outgoing {
                self.draft.flows[flow.0 as usize].source = last;
            }
            self.element(last).outgoing = outgoing;
            for pair in chain.windows(2) {
                let id = Arc::clone(&self.element(pair[0]).id);
                let position = self.element(pair[0]).position;
                let flow = self.flow_between(pair[0], pair[1], id, position);
                let before = self.element(pair[0]);
                before.outgoing = vec![flow];
                before.async_after = false;
                before.outputs.clear();
                before.listeners.retain(|listener| listener.event != ListenerEvent::End);
                let after = self.element(pair[1]);
                after.incoming = vec![flow];
                after.listeners.retain(|listener| listener.event != ListenerEvent::Start);
            }
        }
    }
}

/// What an instance waits for that a process may start by.
fn awaited(kind: &ElementKind) -> Option<CatchTrigger> {
    match kind {
        ElementKind::StartEvent(StartTrigger::Message(message)) => Some(CatchTrigger::Message(message.clone())),
        ElementKind::StartEvent(StartTrigger::Signal(signal)) => Some(CatchTrigger::Signal(signal.clone())),
        ElementKind::StartEvent(StartTrigger::Condition(condition)) => Some(CatchTrigger::Condition(condition.clone())),
        ElementKind::StartEvent(StartTrigger::Timer(timer)) => Some(CatchTrigger::Timer(timer.clone())),
        _ => None,
    }
}
