//! Message flows: what a send task or an event sends that says by nobody, between the participants of a file (BPMN 2.0, 9.3 and 10.3.3).
//! Camunda 7 refuses such a task, and sends nothing from such an event: in its dialect an event without a flow to follow passes through.
//!
//! A flow is followed if an executable process sends along it, and another one of the file receives. All others are drawings around the
//! processes. What a flow leads to must be able to get what comes: that is looked at when all processes are read.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::definition::{Dialect, ElementKind, EndResult, MessageReceiver, MessageSend, ThrowResult};
use crate::diagnostic::{At, Diagnostics, shown};
use crate::parse::definitions::{Definitions, by_reference};
use crate::parse::process::{Draft, Owner, ProcessReader};
use crate::parse::{activities, zeebe};
use crate::xml::{Namespace, Node};

/// The message flows of a file.
#[derive(Debug, Default)]
pub(crate) struct MessageFlows<'n> {
    /// In document order.
    flows: Vec<MessageFlow<'n>>,
    /// Which of them leave an element.
    by_source: HashMap<&'n str, Vec<usize>>,
}

#[derive(Clone, Debug)]
struct MessageFlow<'n> {
    node: &'n Node<'n>,
    source: &'n str,
    /// None: nothing that is executed.
    receiver: Option<MessageReceiver>,
}

impl<'n> MessageFlows<'n> {
    /// Those of these collaborations, between these executable processes.
    pub(crate) fn of(collaborations: &[&'n Node<'n>], processes: &[&'n Node<'n>]) -> Self {
        let mut it = Self::default();
        let drawn: Vec<_> = collaborations.iter().flat_map(|it| it.all("messageFlow")).collect();
        if drawn.is_empty() {
            return it;
        }
        let mut receivers = elements(processes);
        let ids: HashMap<_, _> = processes.iter().filter_map(|process| process.id()).map(|id| (id, id)).collect();
        for participant in collaborations.iter().flat_map(|it| it.all("participant")) {
            let process = participant.plain("processRef").and_then(|process| by_reference(&ids, process));
            if let (Some(id), Some(process)) = (participant.id(), process) {
                receivers.insert(id, (process, None));
            }
        }
        for node in drawn {
            let source = node.plain("sourceRef").unwrap_or_default().trim();
            let target = node.plain("targetRef").and_then(|target| by_reference(&receivers, target));
            let receiver = target.map(|(process, element)| MessageReceiver { process: process.into(), element: element.map(Arc::from) });
            let local = source.split_once(':').map_or(source, |(_, local)| local);
            it.by_source.entry(local).or_default().push(it.flows.len());
            it.flows.push(MessageFlow { node, source: local, receiver });
        }
        it
    }

    fn leaving(&self, id: &str) -> impl Iterator<Item = &MessageFlow<'n>> + use<'_, 'n> {
        self.by_source.get(id).into_iter().flatten().map(|nth| &self.flows[*nth])
    }
}

/// What has an id in these processes, with the process's.
fn elements<'n>(processes: &[&'n Node<'n>]) -> HashMap<&'n str, (&'n str, Option<&'n str>)> {
    let mut all = HashMap::new();
    for process in processes {
        let mut open: Vec<&Node<'_>> = process.children.iter().collect();
        while let Some(node) = open.pop() {
            open.extend(node.children.iter());
            if let (Namespace::Bpmn, Some(id)) = (node.namespace, node.id()) {
                all.insert(id, (process.id().unwrap_or_default(), Some(id)));
            }
        }
    }
    all
}

/// Reads what a send task, or the definition of an event, sends: by whom it says or, if it says nobody, along its message flows.
pub(crate) fn send<'n>(
    reader: &mut ProcessReader<'n, '_>,
    node: &'n Node<'n>,
    owner: Owner<'n>,
    element_type: &'static str,
) -> Option<ElementKind> {
    let flows: Vec<_> = reader.definitions.message_flows.leaving(owner.at.id.unwrap_or_default()).cloned().collect();
    let followed = flows.iter().any(|flow| flow.receiver.is_some());
    if !followed && !names_doer(node) && node.name == "messageEventDefinition" && reader.definitions.dialect == Dialect::Camunda7 {
        let help = "name who sends it, by camunda:class or camunda:type=\"external\" with a camunda:topic, or lead a message flow to a process of the file";
        reader.diagnostics.warning(node.at_in(owner.at), "nobody sends the message: the event passes through (as in Camunda 7)", help);
        let ends = element_type == "messageEndEvent";
        return Some(if ends { ElementKind::EndEvent(EndResult::None) } else { ElementKind::IntermediateThrowEvent(ThrowResult::None) });
    }
    if !followed || names_doer(node) {
        reader.unused_inputs(node, owner, "what somebody else sends", "map what is needed by camunda:inputOutput");
        // As in Camunda 7 it is a service task by another name.
        return activities::work(reader, node, owner, element_type);
    }
    let receivers: Vec<_> = flows.iter().filter_map(|flow| reader.receiver(flow)).collect();
    let referred = flows.iter().find_map(|flow| flow.node.plain("messageRef"));
    let Some(reference) = reader.message_reference(node).or(referred) else {
        let message = format!("{} does not say which message it sends", node.title());
        reader.diagnostics.error(node.at_in(owner.at), message, "choose its message (messageRef), or create one with a name");
        return None;
    };
    if let Some(other) = referred.filter(|other| other.trim() != reference.trim()) {
        let message = format!("it sends the message '{}', and its message flow carries '{}'", shown(reference), shown(other));
        reader.diagnostics.error(owner.at, message, "let both be one message, or remove the messageRef of the flow");
        return None;
    }
    let name = reader.message_name(reference, node.at_in(owner.at))?;
    let correlation_key = reader.key_of_message(reference);
    let message = reader.throw_as(name, node, owner)?;
    let send = MessageSend { message, correlation_key, receivers, element_type };
    (send.receivers.len() == flows.len()).then(|| ElementKind::MessageSend(Box::new(send)))
}

/// Whether it is said who sends a message.
fn names_doer(node: &Node<'_>) -> bool {
    let attribute = ["class", "delegateExpression", "expression", "type", "topic"].iter().any(|name| node.camunda(name).is_some());
    attribute || node.attribute(Namespace::Mandate, "delegate").is_some() || zeebe::extension(node, "taskDefinition").is_some()
}

impl<'n> ProcessReader<'n, '_> {
    /// Where a flow leads that is followed. None after an error.
    fn receiver(&mut self, flow: &MessageFlow<'n>) -> Option<MessageReceiver> {
        let Some(receiver) = &flow.receiver else {
            let message = "the message flow leads to nothing that is executed here, beside others that do";
            let help =
                "send by two tasks: one that says who sends it (camunda:class, camunda:type=\"external\"), one along the other flows";
            self.diagnostics.error(flow.node.at(), message, help);
            return None;
        };
        if Some(&*receiver.process) == self.draft.process.id() {
            let help = "use a sequence flow, or let it lead to another participant (BPMN 2.0, 9.3)";
            self.diagnostics.error(flow.node.at(), "the message flow stays in one process", help);
            return None;
        }
        Some(receiver.clone())
    }
}

/// What waits at a place for messages.
#[derive(Default)]
struct Awaited<'d> {
    names: HashSet<&'d str>,
    /// For a message whose name is known only when it waits.
    by_expression: bool,
}

/// Looks at the flows when all processes are read: who gets a message must be able to, and what is not followed is said.
pub(crate) fn check(definitions: &Definitions<'_>, drafts: &[Draft<'_>], diagnostics: &mut Diagnostics) {
    let (flows, correlation) = (&definitions.message_flows, &definitions.correlation);
    let mut senders = HashSet::new();
    let mut awaited: HashMap<(&str, Option<&str>), Awaited<'_>> = HashMap::new();
    for draft in drafts.iter().filter(|_| !flows.flows.is_empty()) {
        let key = &*draft.elements[0].id;
        for element in &draft.elements {
            for message in element.kind.messages() {
                for place in [None, Some(&*element.id)] {
                    let awaited = awaited.entry((key, place)).or_default();
                    match message.name.as_literal() {
                        Some(name) => drop(awaited.names.insert(name)),
                        None => awaited.by_expression = true,
                    }
                }
            }
        }
    }
    let incomplete: HashSet<_> = drafts.iter().filter(|draft| draft.incomplete).map(|draft| &*draft.elements[0].id).collect();
    for element in drafts.iter().flat_map(|draft| &draft.elements) {
        let ElementKind::MessageSend(send) = &element.kind else { continue };
        senders.insert(&*element.id);
        for receiver in send.receivers.iter().filter(|receiver| !incomplete.contains(&*receiver.process)) {
            let place = awaited.get(&(&*receiver.process, receiver.element.as_deref()));
            if let Some((message, help)) = unfit(send, receiver, place) {
                diagnostics.objection(At { position: element.position, id: Some(&element.id) }, message, help);
            }
        }
    }
    // What is not followed may only seem so while elements are left out.
    for flow in flows.flows.iter().filter(|flow| incomplete.is_empty() && !senders.contains(flow.source)) {
        let help = "a delegate must send the message, by a command of the other side's catalogue or an API; ignore this if it does";
        diagnostics.warning(flow.node.at(), "a message flow is a drawing: nothing is sent along it", help);
    }
    let subscribes = || drafts.iter().any(|draft| draft.process.all("correlationSubscription").next().is_some());
    if definitions.dialect == Dialect::Standard || !senders.is_empty() || subscribes() {
        correlation.check_keys(|reference| definitions.message(reference).is_some(), diagnostics);
    }
    if !senders.is_empty() && definitions.dialect == Dialect::Camunda7 {
        correlation.check(drafts.iter().map(|draft| draft.process), diagnostics);
    }
}

/// Why nothing at a place can ever get a message, and what to do.
fn unfit(send: &MessageSend, receiver: &MessageReceiver, place: Option<&Awaited<'_>>) -> Option<(String, &'static str)> {
    let name = &send.message.name;
    if place.is_some_and(|it| it.by_expression || name.as_literal().is_none_or(|name| it.names.contains(name))) {
        return None;
    }
    let sent = shown(name.source());
    Some(match (&receiver.element, place) {
        (Some(element), None) => (
            format!("'{}', to which its message flow leads, waits for no message", shown(element)),
            "lead the flow to an event or a receive task that does",
        ),
        (Some(element), Some(_)) => (
            format!("'{}', to which its message flow leads, waits for another message than '{sent}'", shown(element)),
            "let both be one message",
        ),
        (None, _) => (
            format!(
                "nothing in the process '{}', to which its message flow leads, waits for the message '{sent}'",
                shown(&receiver.process)
            ),
            "let the process start by the message, or wait for it in an event or a receive task",
        ),
    })
}
