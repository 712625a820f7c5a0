//! What can only be said of a process as a whole, once every element and flow is known.

use std::collections::{HashMap, HashSet};

use crate::definition::{BoundaryTrigger, Element, ElementIndex, ElementKind, FlowIndex, ROOT, SequenceFlow, StartTrigger};
use crate::diagnostic::{At, Diagnostics, shown};
use crate::parse::Draft;

/// Checks a process that was read. What is wrong is in `diagnostics`.
pub(crate) fn validate(draft: &Draft<'_>, diagnostics: &mut Diagnostics) {
    let mut validator = Validator { draft, diagnostics };
    validator.starts();
    for (index, element) in draft.elements.iter().enumerate().skip(1) {
        let index = ElementIndex(u32::try_from(index).unwrap_or(u32::MAX));
        validator.ends(index, element);
        validator.conditions(index, element);
        validator.boundary_events(index, element);
    }
    validator.flows();
    // What is missing may only seem so while elements are left out.
    if !draft.incomplete {
        validator.reachable();
    }
}

struct Validator<'v, 'n> {
    draft: &'v Draft<'n>,
    diagnostics: &'v mut Diagnostics,
}

impl<'v> Validator<'v, '_> {
    fn at(&self, index: ElementIndex) -> At<'v> {
        let element = &self.draft.elements[index.0 as usize];
        At { position: element.position, id: Some(element.id.as_ref()).filter(|id| !id.is_empty()) }
    }

    fn flow_at(&self, index: FlowIndex) -> At<'v> {
        let id = self.draft.flows[index.0 as usize].id.as_ref();
        At { position: self.draft.flow_positions[index.0 as usize], id: Some(id).filter(|id| !id.is_empty()) }
    }

    fn name(&self, index: ElementIndex) -> &'static str {
        self.draft.names[index.0 as usize]
    }

    fn flow(&self, index: FlowIndex) -> &'v SequenceFlow {
        &self.draft.flows[index.0 as usize]
    }

    /// A process starts by a none start event, messages or both; a sub-process by exactly one none start event.
    fn starts(&mut self) {
        let mut none_starts: HashMap<ElementIndex, ElementIndex> = HashMap::new();
        let mut started: HashSet<ElementIndex> = HashSet::new();
        let mut messages: HashSet<&str> = HashSet::new();
        for (index, element) in self.draft.elements.iter().enumerate() {
            let index = ElementIndex(u32::try_from(index).unwrap_or(u32::MAX));
            let (ElementKind::StartEvent(trigger), Some(parent)) = (&element.kind, element.parent) else { continue };
            started.insert(parent);
            match trigger {
                StartTrigger::None if none_starts.insert(parent, index).is_some() => {
                    let message = format!("the {} has more than one none start event", self.name(parent));
                    let help = "keep one; lead its flow through a parallel gateway if both paths should start";
                    self.diagnostics.error(self.at(index), message, help);
                }
                StartTrigger::None => {}
                StartTrigger::Message(reference) => {
                    let name = reference.name.as_literal().unwrap_or_default();
                    if !messages.insert(name) {
                        let message = format!("the message '{}' starts this process twice", shown(name));
                        self.diagnostics.error(self.at(index), message, "give every message start event a message of its own");
                    }
                }
            }
        }
        for (index, element) in self.draft.elements.iter().enumerate() {
            let index = ElementIndex(u32::try_from(index).unwrap_or(u32::MAX));
            let is_scope = matches!(element.kind, ElementKind::Process(_) | ElementKind::SubProcess(_));
            if is_scope && !started.contains(&index) && !self.draft.incomplete {
                let message = format!("the {} has no start event", self.name(index));
                let help = if index == ROOT { "begin it with a none or message start event" } else { "begin it with a none start event" };
                self.diagnostics.error(self.at(index), message, help);
            }
        }
    }

    /// Where sequence flows must and must not be.
    fn ends(&mut self, index: ElementIndex, element: &Element) {
        let name = self.name(index);
        let at = self.at(index);
        let no_incoming = matches!(name, "startEvent" | "boundaryEvent");
        if no_incoming && !element.incoming.is_empty() {
            let help = "lead the flow to the element behind it";
            self.diagnostics.error(at, format!("{name} has an incoming sequence flow"), help);
        }
        if name == "endEvent" && !element.outgoing.is_empty() {
            let help = "remove the flow, or make the end event a task or gateway";
            self.diagnostics.error(at, "endEvent has an outgoing sequence flow", help);
        }
        if element.outgoing.is_empty() && !self.draft.incomplete {
            match name {
                "boundaryEvent" => {
                    let help = "lead a sequence flow from it to what should happen then";
                    self.diagnostics.warning(at, "the boundary event leads nowhere: the path ends when it fires", help);
                }
                "startEvent" => {
                    let help = "lead a sequence flow from it to the first activity";
                    self.diagnostics.warning(at, "the start event leads nowhere: it ends as soon as it begins", help);
                }
                "exclusiveGateway" => {
                    let help = "lead sequence flows from it, or remove it";
                    self.diagnostics.error(at, "the exclusive gateway has no outgoing sequence flow", help);
                }
                _ => {}
            }
        }
    }

    /// Which flows may and must have conditions (BPMN 2.0, 13.4.3; Camunda 7's checks of an exclusive gateway).
    fn conditions(&mut self, index: ElementIndex, element: &Element) {
        match element.kind {
            ElementKind::ExclusiveGateway => self.exclusive(index, element),
            _ => self.unconditional(index, element),
        }
    }

    fn exclusive(&mut self, index: ElementIndex, element: &Element) {
        let outgoing = element.outgoing.as_slice();
        for flow in outgoing {
            let at = self.flow_at(*flow);
            let conditional = self.flow(*flow).condition.is_some();
            let default = element.default_flow == Some(*flow);
            if default && conditional {
                let help = "remove the condition: the default flow is taken when no other condition is true";
                self.diagnostics.error(at, "the default flow of an exclusive gateway has a condition", help);
            } else if let ([_], true) = (outgoing, conditional) {
                let help = "remove the condition, or add a flow for the case that it is false";
                self.diagnostics.error(at, "the only flow of an exclusive gateway has a condition", help);
            } else if outgoing.len() > 1 && !default && !conditional && !self.draft.broken_conditions.contains(flow) {
                let message = format!(
                    "a flow of the exclusive gateway '{}' has no condition and is not its default flow",
                    shown(&self.draft.elements[index.0 as usize].id)
                );
                self.diagnostics.error(at, message, "give it a condition, such as ${amount > 100}, or make it the default flow");
            }
        }
    }

    fn unconditional(&mut self, index: ElementIndex, element: &Element) {
        let name = self.name(index);
        for flow in &element.outgoing {
            if self.flow(*flow).condition.is_some() {
                let message = if name == "parallelGateway" {
                    "a flow of a parallel gateway has a condition, but all of them are taken".to_owned()
                } else {
                    format!("a conditional sequence flow out of {name} is not supported yet")
                };
                self.diagnostics.error(self.flow_at(*flow), message, "decide in an exclusive gateway");
            }
        }
        if element.default_flow.is_some() {
            let message = format!("a default flow out of {name} is not supported yet");
            self.diagnostics.error(self.at(index), message, "decide in an exclusive gateway");
        }
    }

    /// Boundary events stand on activities that wait, and no error is caught twice by the same.
    fn boundary_events(&mut self, index: ElementIndex, element: &Element) {
        let mut caught: HashSet<Option<&str>> = HashSet::new();
        let name = self.name(index);
        let waits = matches!(name, "serviceTask" | "sendTask" | "userTask" | "receiveTask" | "subProcess");
        for boundary in &element.boundary_events {
            let at = self.at(*boundary);
            let event = &self.draft.elements[boundary.0 as usize];
            if !waits {
                let message = format!("the boundary event is attached to {name}, which can't carry one");
                self.diagnostics.error(at, message, "attach it to a service, send, user or receive task or to a sub-process");
            } else if event.parent != element.parent {
                let message = format!("the boundary event is attached to '{}' in another scope", shown(&element.id));
                self.diagnostics.error(at, message, "move it into the scope of the activity");
            }
            let ElementKind::BoundaryEvent(event) = &event.kind else { continue };
            let BoundaryTrigger::Error(error) = &event.trigger else {
                let between_jobs = element.multi_instance.as_ref().is_some_and(|each| each.async_before || each.async_after);
                if matches!(&element.kind, ElementKind::ServiceTask(task) if !task.by_worker) && !between_jobs {
                    let help = "limit the delegate's wall time in the manifest, or put the timer on a sub-process around tasks that wait";
                    self.diagnostics.warning(at, "the timer never fires: a task done by a delegate does not wait (as in Camunda 7)", help);
                }
                continue;
            };
            if !caught.insert(error.code.as_deref()) {
                let what = error.code.as_deref().map_or("every error".to_owned(), |code| format!("the error code '{}'", shown(code)));
                let message = format!("two boundary events of '{}' catch {what}", shown(&element.id));
                self.diagnostics.error(at, message, "keep one of them");
            }
        }
    }

    /// No flow crosses the border of a sub-process (BPMN 2.0, 10.3.1).
    fn flows(&mut self) {
        for (index, flow) in self.draft.flows.iter().enumerate() {
            let index = FlowIndex(u32::try_from(index).unwrap_or(u32::MAX));
            let [source, target] = [flow.source, flow.target].map(|end| &self.draft.elements[end.0 as usize]);
            if source.parent != target.parent {
                let message =
                    format!("the flow from '{}' to '{}' crosses the border of a sub-process", shown(&source.id), shown(&target.id));
                let help = "end inside with an end event, and lead a flow from the sub-process on; or use a boundary event";
                self.diagnostics.error(self.flow_at(index), message, help);
            }
        }
    }

    /// Warns of elements that no path from a start event leads to.
    fn reachable(&mut self) {
        let elements = &self.draft.elements;
        let mut children: HashMap<ElementIndex, Vec<ElementIndex>> = HashMap::new();
        for (index, element) in elements.iter().enumerate() {
            let index = ElementIndex(u32::try_from(index).unwrap_or(u32::MAX));
            if let (Some(parent), ElementKind::StartEvent(_)) = (element.parent, &element.kind) {
                children.entry(parent).or_default().push(index);
            }
        }
        let mut reached = vec![false; elements.len()];
        let mut open = vec![ROOT];
        while let Some(index) = open.pop() {
            if std::mem::replace(&mut reached[index.0 as usize], true) {
                continue;
            }
            let element = &elements[index.0 as usize];
            open.extend(element.outgoing.iter().map(|flow| self.flow(*flow).target));
            open.extend(element.boundary_events.iter().copied());
            open.extend(children.remove(&index).unwrap_or_default());
        }
        for (index, element) in elements.iter().enumerate() {
            let parent_reached = element.parent.is_none_or(|parent| reached[parent.0 as usize]);
            if !reached[index] && parent_reached {
                let index = ElementIndex(u32::try_from(index).unwrap_or(u32::MAX));
                let help = "lead a sequence flow to it, or remove it";
                self.diagnostics.warning(self.at(index), format!("no path leads to this {}", self.name(index)), help);
            }
        }
    }
}
