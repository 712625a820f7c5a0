//! Sequence flows: reading them, finding their ends, and attaching boundary events.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mandate_feel::Expression;

use crate::definition::{ElementIndex, ElementKind, FlowIndex, Listener, SequenceFlow};
use crate::diagnostic::{At, shown};
use crate::parse::attributes;
use crate::parse::process::{Broken, FlowDraft, ProcessReader, Slot};
use crate::xml::{Namespace, Node};

impl<'n> ProcessReader<'n, '_> {
    /// Reads a `sequenceFlow`; its ends are found once all elements are known.
    pub(crate) fn sequence_flow(&mut self, node: &'n Node<'n>) {
        if !self.spend(node.at()) {
            return;
        }
        attributes::check(node, node.at(), self.diagnostics);
        let mut listeners = Vec::new();
        for child in &node.children {
            match (child.namespace, child.name) {
                (Namespace::Bpmn, "conditionExpression" | "documentation" | "auditing" | "monitoring" | "categoryValueRef")
                | (Namespace::Metadata, _) => {}
                (Namespace::Bpmn, "extensionElements") => self.flow_extensions(child, node, &mut listeners),
                _ => {
                    let message = format!("{} has no place in sequenceFlow", child.title());
                    self.diagnostics.objection(child.at_in(node.at()), message, "remove it");
                }
            }
        }
        let condition = node.first("conditionExpression").map(|condition| self.condition(condition, node.at()).ok_or(Broken));
        self.flow_drafts.push(FlowDraft { node, condition, listeners });
    }

    fn flow_extensions(&mut self, extensions: &'n Node<'n>, flow: &'n Node<'n>, listeners: &mut Vec<Listener>) {
        for extension in &extensions.children {
            let at = extension.at_in(flow.at());
            if !attributes::check_extension(extension, flow, at, self.diagnostics) {
                continue;
            }
            match extension.name {
                "executionListener" => listeners.extend(self.execution_listener(extension, flow, at)),
                "executionListeners" => {
                    let message = "zeebe:executionListeners on sequenceFlow is not possible: in Camunda 8 flows have no listeners";
                    self.diagnostics.error(at, message, "use camunda:executionListener, or a listener of the element it leads to");
                }
                _ => {}
            }
        }
    }

    /// Reads a `conditionExpression`, or the `condition` of an event. In Camunda 7 another `language` is a script; FEEL may be named
    /// instead of beginning with `=`.
    pub(super) fn condition(&mut self, condition: &'n Node<'n>, of: At<'n>) -> Option<Expression> {
        let at = condition.at_in(of);
        attributes::check(condition, at, self.diagnostics);
        let source = condition.text.trim();
        if source.is_empty() {
            self.diagnostics.error(at, "the condition is empty", "write one, such as ${amount > 100} or = amount > 100");
            return None;
        }
        let written = self.in_its_language(condition, at)?;
        let expression = self.expression("the condition", &written, at)?;
        if expression.as_literal().is_some() {
            let message = format!("the condition '{}' is a text, which is neither true nor false", shown(source));
            self.diagnostics.objection(at, message, "write an expression, such as ${amount > 100} or = amount > 100");
        }
        Some(expression)
    }

    /// Finds the ends of all sequence flows, and the flows that `default` attributes name.
    pub(crate) fn connect(&mut self) {
        let mut by_id: HashMap<&'n str, FlowIndex> = HashMap::new();
        let drafts = std::mem::take(&mut self.flow_drafts);
        let known: HashSet<&str> = drafts.iter().filter_map(|draft| draft.node.id()).collect();
        let mut named: HashSet<Arc<str>> = HashSet::new();
        for FlowDraft { node, condition, listeners } in drafts {
            let source = self.end(node, "sourceRef", "comes from");
            let target = self.end(node, "targetRef", "goes to");
            let (Some(source), Some(target)) = (source, target) else {
                self.draft.incomplete = true;
                continue;
            };
            let index = FlowIndex(u32::try_from(self.draft.flows.len()).expect("MAX_ELEMENTS is far below 2^32"));
            let id = if let Some(id) = node.id() {
                by_id.entry(id).or_insert(index);
                Arc::from(id)
            } else {
                let id = self.name_flow(source, target, |id| known.contains(id) || named.contains(id));
                named.insert(Arc::clone(&id));
                id
            };
            self.element(source).outgoing.push(index);
            self.element(target).incoming.push(index);
            if matches!(condition, Some(Err(Broken))) {
                self.draft.broken_conditions.insert(index);
            }
            let condition = condition.and_then(Result::ok);
            self.draft.flows.push(SequenceFlow { id, source, target, condition, listeners });
            self.draft.flow_positions.push(node.position);
        }
        self.defaults(&by_id, &known);
        for (flow, mention, at) in std::mem::take(&mut self.mentions) {
            let local = flow.split_once(':').map_or(flow, |(_, local)| local);
            if !known.contains(flow) && !known.contains(local) {
                let message = format!("the {} flow '{}' does not exist", mention.name, shown(flow));
                self.diagnostics.warning(at, message, "remove the line, or draw the flow; only sequenceFlow elements count");
            }
        }
    }

    /// An id for a flow that has none, which it need not have: nothing else in the process has it, and the same file always gives the same.
    fn name_flow(&self, source: ElementIndex, target: ElementIndex, taken: impl Fn(&str) -> bool) -> Arc<str> {
        let of = |index: ElementIndex| &*self.draft.elements[index.0 as usize].id;
        let plain = format!("{}-{}", of(source), of(target));
        let numbered = (2..).map(|nth| format!("{plain}-{nth}"));
        let free = std::iter::once(plain.clone()).chain(numbered).find(|id| !taken(id) && !self.slots.contains_key(&**id));
        free.expect("there are more numbers than flows").into()
    }

    fn defaults(&mut self, by_id: &HashMap<&'n str, FlowIndex>, known: &HashSet<&str>) {
        for (index, flow) in std::mem::take(&mut self.draft.defaults) {
            let element = &self.draft.elements[index.0 as usize];
            let (position, id) = (element.position, Arc::clone(&element.id));
            match by_id.get(flow.trim()).copied() {
                Some(found) if self.draft.flows[found.0 as usize].source == index => {
                    self.element(index).default_flow = Some(found);
                }
                None if known.contains(flow.trim()) => {}
                _ => {
                    let message = format!("the default flow '{}' does not leave this {}", shown(flow), self.draft.names[index.0 as usize]);
                    let at = At { position, id: Some(&id) };
                    self.diagnostics.error(at, message, "name one of its outgoing sequence flows");
                }
            }
        }
    }

    /// One end of a sequence flow. None if it is missing, which was said, or was refused, which was said, too.
    fn end(&mut self, node: &'n Node<'n>, attribute: &str, verb: &str) -> Option<ElementIndex> {
        let Some(id) = node.plain(attribute) else {
            self.diagnostics.error(
                node.at(),
                format!("sequenceFlow has no {attribute}"),
                "draw the flow again, from one element to another",
            );
            return None;
        };
        let subject = format!("the flow {verb}");
        if attribute == "targetRef" { self.target(id, node.at(), &subject) } else { self.look_up(id, node.at(), &subject) }
    }

    /// As [`Self::look_up`], for what leads there: to the throwing end of a link is to the catching one.
    fn target(&mut self, id: &str, at: At<'n>, subject: &str) -> Option<ElementIndex> {
        match self.slots.get(id.trim()) {
            Some(Slot::Link(target)) => Some(*target),
            _ => self.look_up(id, at, subject),
        }
    }

    /// The flow node with an id, or an error that begins with `subject`.
    pub(crate) fn look_up(&mut self, id: &str, at: At<'n>, subject: &str) -> Option<ElementIndex> {
        let id = id.trim();
        match self.slots.get(id) {
            Some(Slot::Element(index)) if *index != crate::definition::ROOT => Some(*index),
            Some(Slot::Link(_)) => {
                let message = format!("{subject} the link throw event '{}'", shown(id));
                self.diagnostics.error(at, message, "use the link catch event: a link throw event is no activity");
                None
            }
            Some(Slot::Refused) => None,
            Some(Slot::Element(_) | Slot::NoFlowNode) => {
                let message = format!("{subject} '{}', which is not a flow node", shown(id));
                self.diagnostics.error(at, message, "sequence flows and boundary events stand on events, activities and gateways");
                None
            }
            None => {
                let message = format!("{subject} '{}', which does not exist in this process", shown(id));
                self.diagnostics.error(at, message, "draw it to an element of the same process, or remove it");
                None
            }
        }
    }

    /// Attaches the boundary events to their activities.
    pub(crate) fn attach(&mut self) {
        for (boundary, at, reference) in std::mem::take(&mut self.attachments) {
            let Some(activity) = self.look_up(reference, at, "the boundary event is attached to") else {
                self.draft.incomplete = true;
                continue;
            };
            self.element(activity).boundary_events.push(boundary);
            if let ElementKind::BoundaryEvent(event) = &mut self.element(boundary).kind {
                event.attached_to = activity;
            }
        }
    }
}
