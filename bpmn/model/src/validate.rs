//! What can only be said of a process as a whole, once every element and flow is known.

use std::collections::{HashMap, HashSet};

use crate::definition::{
    Element, ElementIndex, ElementKind, ErrorCatch, EscalationCatch, EventTrigger, FlowIndex, MessageReference, ROOT, SequenceFlow,
    SignalReference, StartTrigger,
};
use crate::diagnostic::{At, Diagnostics, shown};
use crate::parse::Draft;

mod compensation;
mod event_gateway;
mod listeners;

/// Checks a process that was read. What is wrong is in `diagnostics`.
pub(crate) fn validate(draft: &Draft<'_>, diagnostics: &mut Diagnostics) {
    let mut validator = Validator { draft, diagnostics };
    validator.starts();
    for (index, element) in draft.elements.iter().enumerate().skip(1) {
        let index = ElementIndex(u32::try_from(index).unwrap_or(u32::MAX));
        validator.ends(index, element);
        validator.conditions(index, element);
        validator.boundary_events(index, element);
        validator.listeners(index, element);
        validator.compensation(index, element);
        if let ElementKind::EventBasedGateway = element.kind {
            validator.event_gateway(index, element);
        }
    }
    validator.triggers();
    validator.flows();
    // What is missing may only seem so while elements are left out.
    if !draft.incomplete {
        validator.reachable();
        validator.unused_handlers();
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

    /// A process starts by one or several none start events, by what triggers it, or both (BPMN 2.0, 10.5.2); a sub-process by exactly one
    /// none start event (13.3.4: "a unique empty Start Event"); either, without a start event, by what no flow leads to; an event
    /// sub-process by exactly one that something triggers.
    fn starts(&mut self) {
        let mut none_starts: HashSet<ElementIndex> = HashSet::new();
        let mut started: HashMap<ElementIndex, &str> = HashMap::new();
        let mut names: HashSet<(&str, &str)> = HashSet::new();
        for (index, element) in self.draft.elements.iter().enumerate() {
            let index = ElementIndex(u32::try_from(index).unwrap_or(u32::MAX));
            let Some(parent) = element.parent else { continue };
            // A start event with several definitions has several elements.
            if matches!(element.kind, ElementKind::EventSubProcessStart(_)) && *started.entry(parent).or_insert(&element.id) != &*element.id
            {
                let message = "the event sub-process has more than one start event";
                self.diagnostics.error(self.at(index), message, "draw an event sub-process for each of them");
            }
            let ElementKind::StartEvent(trigger) = &element.kind else { continue };
            started.insert(parent, &element.id);
            match trigger {
                StartTrigger::None if parent != ROOT && !none_starts.insert(parent) => {
                    let message = format!("the {} has more than one none start event (BPMN 2.0, 13.3.4)", self.name(parent));
                    let help = "keep one; lead its flow through a parallel gateway if both paths should start";
                    self.diagnostics.error(self.at(index), message, help);
                }
                StartTrigger::None | StartTrigger::Timer(_) => {}
                StartTrigger::Message(MessageReference { name, .. }) | StartTrigger::Signal(SignalReference { name }) => {
                    let what = if matches!(trigger, StartTrigger::Signal(_)) { "signal" } else { "message" };
                    let name = name.as_literal().unwrap_or_default();
                    if !names.insert((what, name)) {
                        let message = format!("the {what} '{}' starts this process twice", shown(name));
                        self.diagnostics.objection(self.at(index), message, format!("give every {what} start event a {what} of its own"));
                    }
                }
                StartTrigger::Condition(_) => {}
            }
        }
        let begins = self.draft.begins();
        for (index, element) in self.draft.elements.iter().enumerate() {
            let index = ElementIndex(u32::try_from(index).unwrap_or(u32::MAX));
            let is_event = matches!(element.kind, ElementKind::EventSubProcess(_));
            let begins = started.contains_key(&index) || !is_event && begins.contains_key(&index);
            if element.kind.scope().is_some() && !begins && !self.draft.incomplete {
                let message = format!("the {} has no start event", self.name(index));
                let help = match element.kind {
                    ElementKind::Process(_) => {
                        "begin it with a none, message, timer, signal or conditional start event, or with something that no flow leads to"
                    }
                    ElementKind::EventSubProcess(_) => "begin it with a start event that says what triggers it",
                    _ => "begin it with a none start event, or with something that no flow leads to",
                };
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
        if let (ElementKind::EventSubProcess(_), false) = (&element.kind, element.incoming.is_empty() && element.outgoing.is_empty()) {
            let help = "remove the flow: its start event begins it, and nothing follows it (BPMN 2.0, 10.3.5)";
            self.diagnostics.error(at, "an event sub-process has a sequence flow", help);
        }
        if name == "endEvent" && !element.outgoing.is_empty() {
            let help = "remove the flow, or make the end event a task or gateway";
            self.diagnostics.error(at, "endEvent has an outgoing sequence flow", help);
        }
        if element.outgoing.is_empty() && !self.draft.incomplete && !self.draft.alternatives.contains(&index) {
            match name {
                "boundaryEvent" if !matches!(element.kind.trigger(), Some((EventTrigger::Compensation, _))) => {
                    let help = "lead a sequence flow from it to what should happen then";
                    self.diagnostics.warning(at, "the boundary event leads nowhere: the path ends when it fires", help);
                }
                "startEvent" => {
                    let help = "lead a sequence flow from it to the first activity";
                    self.diagnostics.warning(at, "the start event leads nowhere: it ends as soon as it begins", help);
                }
                "exclusiveGateway" | "inclusiveGateway" | "complexGateway" => {
                    let kind = name.trim_end_matches("Gateway");
                    let help = "lead sequence flows from it, or remove it";
                    self.diagnostics.error(at, format!("the {kind} gateway has no outgoing sequence flow"), help);
                }
                _ => {}
            }
        }
    }

    /// Which flows may and must have conditions (BPMN 2.0, 13.3 and 13.4; Camunda 7's checks of an exclusive gateway).
    fn conditions(&mut self, index: ElementIndex, element: &Element) {
        match element.kind {
            ElementKind::ExclusiveGateway => self.exclusive(index, element),
            ElementKind::ParallelGateway => self.unconditional(element, "the gateway is parallel and takes all of its flows"),
            ElementKind::EventBasedGateway => self.unconditional(element, "the event decides which flow of its gateway is taken"),
            _ => self.default_condition(element),
        }
        let has_default = match self.name(index) {
            "parallelGateway" | "eventBasedGateway" => false,
            name => !name.ends_with("Event"),
        };
        if element.default_flow.is_some() && !has_default {
            let message = format!("a default flow out of {} is not possible", self.name(index));
            self.diagnostics.error(self.at(index), message, "decide in an exclusive gateway");
        }
    }

    fn exclusive(&mut self, index: ElementIndex, element: &Element) {
        let outgoing = element.outgoing.as_slice();
        let is_undecided = |flow: &FlowIndex| self.flow(*flow).condition.is_none() && !self.draft.broken_conditions.contains(flow);
        let undecided: Vec<_> = outgoing.iter().copied().filter(is_undecided).collect();
        // Without a default flow, one that has no condition is taken when its turn comes (Camunda 7's `validateExclusiveGateway`).
        let is_assumed = element.default_flow.is_none() && undecided.len() == 1;
        for flow in outgoing {
            let at = self.flow_at(*flow);
            let conditional = self.flow(*flow).condition.is_some();
            let default = element.default_flow == Some(*flow);
            if default && conditional {
                let help = "remove the condition: the default flow is taken when no other condition is true";
                self.diagnostics.objection(at, "the default flow of an exclusive gateway has a condition", help);
            } else if let ([_], true) = (outgoing, conditional) {
                let help = "remove the condition, or add a flow for the case that it is false";
                self.diagnostics.objection(at, "the only flow of an exclusive gateway has a condition", help);
            } else if outgoing.len() > 1 && !default && undecided.contains(flow) {
                let id = shown(&self.draft.elements[index.0 as usize].id);
                let message = format!("a flow of the exclusive gateway '{id}' has no condition and is not its default flow");
                let help = "give it a condition, such as ${amount > 100}, or make it the default flow";
                if is_assumed {
                    let message = format!("{message}: it is taken if no flow before it in the file is (as in Camunda 7)");
                    self.diagnostics.warning(at, message, help);
                } else {
                    self.diagnostics.objection(at, message, help);
                }
            }
        }
    }

    /// As in Camunda 7, and in the standard, nobody asks for these conditions.
    fn unconditional(&mut self, element: &Element, why: &str) {
        for flow in &element.outgoing {
            if self.flow(*flow).condition.is_some() {
                let message = format!("the condition has no effect: {why}");
                self.diagnostics.warning(self.flow_at(*flow), message, "remove it, or decide in an exclusive gateway");
            }
        }
    }

    /// As in Camunda 7 nobody asks for the condition of an activity's default flow.
    fn default_condition(&mut self, element: &Element) {
        if let Some(flow) = element.default_flow
            && self.flow(flow).condition.is_some()
        {
            let help = "remove it: the default flow is taken when no other flow is";
            self.diagnostics.warning(self.flow_at(flow), "the condition of a default flow has no effect", help);
        }
    }

    /// Boundary events stand on activities; those on activities that do not wait are never triggered.
    fn boundary_events(&mut self, index: ElementIndex, element: &Element) {
        let is_event = matches!(element.kind, ElementKind::EventSubProcess(_));
        let name = if is_event { "an event sub-process" } else { self.name(index) };
        for boundary in &element.boundary_events {
            self.attachment(*boundary, element, name);
            // Instances may throw one (`behavior`).
            if !element.multi_instance.as_ref().is_some_and(|each| each.behavior.iter().any(|it| it.caught_by.contains(boundary))) {
                self.escalation_from(*boundary, name);
                self.wait_of(*boundary, element);
            }
        }
    }

    /// Whether a boundary event can be attached to what it is attached to, which has this name.
    fn attachment(&mut self, boundary: ElementIndex, element: &Element, name: &str) {
        let is_activity = matches!(
            name,
            "task"
                | "manualTask"
                | "serviceTask"
                | "sendTask"
                | "scriptTask"
                | "businessRuleTask"
                | "userTask"
                | "receiveTask"
                | "subProcess"
                | "adHocSubProcess"
                | "transaction"
                | "callActivity"
        );
        let (at, event) = (self.at(boundary), &self.draft.elements[boundary.0 as usize]);
        let is_error = matches!(event.kind.trigger(), Some((EventTrigger::Error(_), _)));
        let is_error_of_several = is_error && !event.all_of.is_empty();
        if !is_activity {
            let message = format!("the boundary event is attached to {name}, which can't carry one");
            self.diagnostics.error(at, message, "attach it to a task, a sub-process or a call activity");
        } else if event.parent != element.parent {
            let message = format!("the boundary event is attached to '{}' in another scope", shown(&element.id));
            self.diagnostics.error(at, message, "move it into the scope of the activity");
        }
        if is_error_of_several && matches!(element.kind, ElementKind::CallActivity(_)) {
            let message = "an event that waits for all of several can't wait for an error of a called process";
            let help = "use an error event of its own: where the error is thrown, nobody knows what else has happened here";
            self.diagnostics.error(at, message, help);
        }
    }

    /// Whether something in an activity of this name can throw the escalation that a boundary event catches.
    fn escalation_from(&mut self, boundary: ElementIndex, name: &str) {
        // From a user task whoever does it reports one.
        let throws = matches!(name, "subProcess" | "adHocSubProcess" | "transaction" | "callActivity" | "userTask");
        let trigger = self.draft.elements[boundary.0 as usize].kind.trigger();
        if matches!(trigger, Some((EventTrigger::Escalation(_), _))) && !throws {
            let message = format!("the escalation boundary event is attached to {name}, in which nothing can throw one");
            let help = "attach it to a sub-process, call activity or user task (as in Camunda 7), or use an error event";
            self.diagnostics.objection(self.at(boundary), message, help);
        }
    }

    /// Whether the activity waits, so that a boundary event can be triggered meanwhile.
    fn wait_of(&mut self, boundary: ElementIndex, element: &Element) {
        if element.multi_instance.as_ref().is_some_and(|each| each.async_before || each.async_after) {
            return;
        }
        let why = match &element.kind {
            ElementKind::ServiceTask(task) if !task.by_worker => "a task done by a delegate does not wait (as in Camunda 7)",
            ElementKind::Task | ElementKind::ManualTask => "a task that passes through does not wait",
            ElementKind::ExpressionTask(_) => "a task done by an expression does not wait (as in Camunda 7)",
            ElementKind::MessageSend(_) => "a task that sends along a message flow does not wait",
            _ => return,
        };
        let around = "put the event on a sub-process around tasks that wait";
        let (what, help) = match self.draft.elements[boundary.0 as usize].kind.trigger() {
            Some((EventTrigger::Timer(_), _)) => (
                "the timer never fires",
                "limit the delegate's wall time in the manifest, or put the timer on a sub-process around tasks that wait",
            ),
            Some((EventTrigger::Message(_), _)) => ("the message never arrives", around),
            Some((EventTrigger::Signal(_), _)) => ("the signal never arrives", around),
            _ => return,
        };
        self.diagnostics.warning(self.at(boundary), format!("{what}: {why}"), help);
    }

    /// Of the boundary events of an activity, and of the event sub-processes in a scope, no two wait for the same: nobody could say which
    /// it triggers (Camunda 7's `BpmnParse`).
    fn triggers(&mut self) {
        let starts = |(_, element): &(usize, &Element)| matches!(element.kind, ElementKind::EventSubProcessStart(_));
        let mut inside: HashMap<ElementIndex, Vec<ElementIndex>> = HashMap::new();
        for (start, element) in self.draft.elements.iter().enumerate().filter(starts) {
            let around = element.parent.and_then(|parent| self.draft.elements[parent.0 as usize].parent);
            inside.entry(around.unwrap_or(ROOT)).or_default().push(ElementIndex(u32::try_from(start).unwrap_or(u32::MAX)));
        }
        for (index, element) in self.draft.elements.iter().enumerate() {
            let starts = inside.get(&ElementIndex(u32::try_from(index).unwrap_or(u32::MAX)));
            let attached = element.boundary_events.iter().map(|event| (*event, "boundary events"));
            self.distinct(attached.chain(starts.into_iter().flatten().map(|event| (*event, "event sub-processes"))), element);
        }
    }

    /// What is thrown comes to an event sub-process before a boundary event; a message comes to any that waits for it.
    fn distinct(&mut self, events: impl Iterator<Item = (ElementIndex, &'static str)>, of: &Element) {
        let mut caught: HashSet<String> = HashSet::new();
        for (event, group) in events {
            let Some((trigger, _)) = self.draft.elements[event.0 as usize].kind.trigger() else { continue };
            let (group, what) = match trigger {
                EventTrigger::Error(ErrorCatch { code: Some(code), .. }) => (group, format!("catch the error code '{}'", shown(code))),
                EventTrigger::Error(_) => (group, "catch every error".to_owned()),
                EventTrigger::Escalation(EscalationCatch { code: Some(code), .. }) => {
                    (group, format!("catch the escalation code '{}'", shown(code)))
                }
                EventTrigger::Escalation(_) => (group, "catch every escalation".to_owned()),
                EventTrigger::Message(message) => ("events", format!("wait for the message '{}'", shown(message.name.source()))),
                EventTrigger::Signal(signal) => ("events", format!("wait for the signal '{}'", shown(signal.name.source()))),
                EventTrigger::Compensation => ("events", "wait for its compensation".to_owned()),
                EventTrigger::Cancel => (group, "wait for its cancellation".to_owned()),
                // Each of them is triggered, as long as it is there.
                EventTrigger::Timer(_) | EventTrigger::Condition(_) => continue,
            };
            let message = format!("two {group} of '{}' {what}", shown(&of.id));
            if !caught.insert(message.clone()) {
                self.diagnostics.objection(self.at(event), message, "keep one of them");
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

    /// Warns of elements that no path from a start event leads to. An event sub-process and a compensation handler are reached with the
    /// scope around them.
    fn reachable(&mut self) {
        let elements = &self.draft.elements;
        let mut children: HashMap<ElementIndex, Vec<ElementIndex>> = self.draft.begins().into_iter().collect();
        for (index, element) in elements.iter().enumerate() {
            let index = ElementIndex(u32::try_from(index).unwrap_or(u32::MAX));
            let begins =
                matches!(element.kind, ElementKind::StartEvent(_) | ElementKind::EventSubProcess(_) | ElementKind::EventSubProcessStart(_));
            // A handler that nobody leads to is spoken of elsewhere.
            if let (Some(parent), true) = (element.parent, begins || element.for_compensation) {
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
            let is_reached = reached[index] || !parent_reached;
            let index = ElementIndex(u32::try_from(index).unwrap_or(u32::MAX));
            if !is_reached && !self.draft.alternatives.contains(&index) {
                let help = "lead a sequence flow to it, or remove it";
                self.diagnostics.warning(self.at(index), format!("no path leads to this {}", self.name(index)), help);
            }
        }
    }
}
