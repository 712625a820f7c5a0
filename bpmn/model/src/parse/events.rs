//! Events: what they wait for, and what they do when they end something.

use crate::definition::{
    BoundaryEvent, CatchTrigger, ElementKind, EndResult, Escalation, EscalationCatch, EventSubProcessStart, EventTrigger, MessageReference,
    ROOT, SignalReference, StartTrigger, ThrowResult,
};
use crate::diagnostic::shown;
use crate::parse::event_definitions::variable;
use crate::parse::process::{MAX_ID, Owner, ProcessReader};
use crate::parse::{attributes, message_flows};
use crate::xml::{Namespace, Node};

/// What an event has for its definition.
pub(crate) enum Trigger<'n> {
    /// None: a none event.
    None,
    /// One of those that the event supports.
    One(&'n Node<'n>),
}

impl<'n> Trigger<'n> {
    /// The definition, if there is one.
    pub(crate) fn one(self) -> Option<&'n Node<'n>> {
        match self {
            Trigger::None => None,
            Trigger::One(definition) => Some(definition),
        }
    }
}
/// What a boundary event or the start event of an event sub-process may wait for.
const TRIGGERS: &[&str] = &[
    "errorEventDefinition",
    "timerEventDefinition",
    "messageEventDefinition",
    "escalationEventDefinition",
    "signalEventDefinition",
    "conditionalEventDefinition",
    "compensateEventDefinition",
];
/// What only a boundary event may wait for.
const BOUNDARY_TRIGGERS: &[&str] = &["cancelEventDefinition"];

/// Reads a `startEvent`.
pub(crate) fn start<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    let parent = reader.element(owner.index).parent.unwrap_or(ROOT);
    if matches!(reader.element(parent).kind, ElementKind::EventSubProcess(_)) {
        reader.initiator(node, false, owner);
        return event_sub_process_start(reader, node, owner);
    }
    reader.start_form_key(node.camunda("formKey"), owner);
    reader.initiator(node, parent == ROOT, owner);
    let help = "use a none, message, timer, signal or conditional start event; whoever knows when to start can start it by the API";
    let supported = ["messageEventDefinition", "timerEventDefinition", "signalEventDefinition", "conditionalEventDefinition"];
    let trigger = match reader.trigger(node, owner, &supported, help)? {
        Trigger::None => StartTrigger::None,
        Trigger::One(definition) => {
            let what = definition.name.trim_end_matches("EventDefinition");
            if parent != ROOT {
                let help = "make it a none start event, or the sub-process an event sub-process (triggeredByEvent=\"true\")";
                reader.diagnostics.error(owner.at, format!("a {what} start event can't start a sub-process"), help);
                return None;
            }
            let trigger = match what {
                "timer" => StartTrigger::Timer(reader.timer(definition, owner)?),
                "signal" => StartTrigger::Signal(reader.signal(definition, owner)?),
                "conditional" => StartTrigger::Condition(reader.conditional(definition, owner)?),
                _ => StartTrigger::Message(reader.message(definition, owner)?),
            };
            if let StartTrigger::Message(MessageReference { name, .. }) | StartTrigger::Signal(SignalReference { name }) = &trigger
                && name.as_literal().is_none()
            {
                let message = format!("the {what} name '{}' is an expression", shown(name.source()));
                let help = format!("a {what} that starts a process has a fixed name: there are no variables yet");
                reader.diagnostics.error(owner.at, message, help);
                return None;
            }
            trigger
        }
    };
    Some(ElementKind::StartEvent(trigger))
}

/// Reads the start event of an event sub-process.
fn event_sub_process_start<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    let interrupting = reader.boolean(node, Namespace::None, "isInterrupting", true, owner.at);
    let help = "use a message, timer, error, escalation, signal, conditional or compensation start event";
    let Trigger::One(definition) = reader.trigger(node, owner, TRIGGERS, help)? else {
        let message = "the start event of the event sub-process waits for nothing";
        let help = "make it a message, timer, error, escalation, signal, conditional or compensation start event";
        reader.diagnostics.error(owner.at, message, help);
        return None;
    };
    let trigger = reader.event_trigger(definition, interrupting, owner)?;
    Some(ElementKind::EventSubProcessStart(EventSubProcessStart { interrupting, trigger }))
}

/// Reads an `endEvent`.
pub(crate) fn end<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    let supported = [
        "terminateEventDefinition",
        "errorEventDefinition",
        "escalationEventDefinition",
        "messageEventDefinition",
        "signalEventDefinition",
        "compensateEventDefinition",
        "cancelEventDefinition",
    ];
    let help = "use a none end event, behind a send task with a delegate if something is to be sent";
    let result = match reader.trigger(node, owner, &supported, help)? {
        Trigger::None => EndResult::None,
        Trigger::One(definition) if definition.name == "terminateEventDefinition" => EndResult::Terminate,
        Trigger::One(definition) if definition.name == "escalationEventDefinition" => {
            EndResult::Escalation(Escalation { code: reader.escalation_code(definition, owner)? })
        }
        Trigger::One(definition) if definition.name == "signalEventDefinition" => {
            EndResult::Signal(reader.signal_throw(definition, owner)?)
        }
        Trigger::One(definition) if definition.name == "compensateEventDefinition" => {
            EndResult::Compensation(reader.compensation_throw(definition, owner))
        }
        Trigger::One(definition) if definition.name == "cancelEventDefinition" => EndResult::Cancel,
        Trigger::One(definition) if definition.name == "messageEventDefinition" => {
            return message_flows::send(reader, definition, owner, "messageEndEvent");
        }
        Trigger::One(definition) => {
            let Some(reference) = definition.plain("errorRef") else {
                let help = "choose the error that it throws (errorRef)";
                reader.diagnostics.error(owner.at, "the error end event has no errorRef", help);
                return None;
            };
            EndResult::Error(reader.error_reference(reference, definition, owner)?)
        }
    };
    Some(ElementKind::EndEvent(result))
}

/// Reads an `intermediateThrowEvent` that is not the end of a link: those are followed to their other end (`links.rs`).
pub(crate) fn throw<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    let help = "use a service or send task with a delegate";
    let supported = ["escalationEventDefinition", "messageEventDefinition", "signalEventDefinition", "compensateEventDefinition"];
    let result = match reader.trigger(node, owner, &supported, help)? {
        Trigger::None => ThrowResult::None,
        Trigger::One(definition) if definition.name == "signalEventDefinition" => {
            ThrowResult::Signal(reader.signal_throw(definition, owner)?)
        }
        Trigger::One(definition) if definition.name == "compensateEventDefinition" => {
            ThrowResult::Compensation(reader.compensation_throw(definition, owner))
        }
        Trigger::One(definition) if definition.name == "messageEventDefinition" => {
            return message_flows::send(reader, definition, owner, "intermediateMessageThrowEvent");
        }
        Trigger::One(definition) => ThrowResult::Escalation(Escalation { code: reader.escalation_code(definition, owner)? }),
    };
    Some(ElementKind::IntermediateThrowEvent(result))
}

/// Reads an `intermediateCatchEvent`.
pub(crate) fn catch<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    let help = "use a timer, message, signal, conditional or link intermediate catch event";
    let supported =
        ["timerEventDefinition", "messageEventDefinition", "linkEventDefinition", "signalEventDefinition", "conditionalEventDefinition"];
    let trigger = match reader.trigger(node, owner, &supported, help)? {
        Trigger::None => {
            reader.diagnostics.error(owner.at, "the intermediate catch event waits for nothing", "make it a timer or message event");
            return None;
        }
        Trigger::One(definition) if definition.name == "timerEventDefinition" => CatchTrigger::Timer(reader.timer(definition, owner)?),
        Trigger::One(definition) if definition.name == "linkEventDefinition" => reader.link_catch(definition, owner)?,
        Trigger::One(definition) if definition.name == "signalEventDefinition" => CatchTrigger::Signal(reader.signal(definition, owner)?),
        Trigger::One(definition) if definition.name == "conditionalEventDefinition" => {
            CatchTrigger::Condition(reader.conditional(definition, owner)?)
        }
        Trigger::One(definition) => CatchTrigger::Message(reader.awaited_message(definition, owner)?),
    };
    Some(ElementKind::IntermediateCatchEvent(trigger))
}

/// Reads a `boundaryEvent`; its activity is found once all elements are known.
pub(crate) fn boundary<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    if let Some(activity) = node.plain("attachedToRef") {
        reader.attachments.push((owner.index, owner.at, activity));
    } else {
        let help = "draw it onto the border of a task or sub-process";
        reader.diagnostics.error(owner.at, "the boundary event is attached to nothing (no attachedToRef)", help);
    }
    let interrupting = reader.boolean(node, Namespace::None, "cancelActivity", true, owner.at);
    let supported = [TRIGGERS, BOUNDARY_TRIGGERS].concat();
    let help = "use a message, timer, error, escalation, signal, conditional or compensation boundary event";
    let Trigger::One(definition) = reader.trigger(node, owner, &supported, help)? else {
        let help = "make it a message, timer, error, escalation, signal, conditional or compensation event";
        reader.diagnostics.error(owner.at, "the boundary event waits for nothing", help);
        return None;
    };
    let trigger = reader.event_trigger(definition, interrupting, owner)?;
    // The root is never an activity with boundary events: `attach` puts in the one that is meant, or the file is refused.
    Some(ElementKind::BoundaryEvent(BoundaryEvent { attached_to: ROOT, interrupting, trigger }))
}

impl<'n> ProcessReader<'n, '_> {
    /// The variable that whoever starts the process becomes. As in Camunda 7 (`BpmnParse.parseProcessDefinitionStartEvent`) it is the
    /// process's: of several start events the last that names one, wherever an instance begins.
    fn initiator(&mut self, node: &'n Node<'n>, begins_process: bool, owner: Owner<'n>) {
        let Some(name) = node.camunda("initiator").map(str::trim) else { return };
        if !begins_process {
            let message = "camunda:initiator has no effect on the start event of a sub-process";
            self.diagnostics.warning(owner.at, message, "remove it; it is read on the start events of the process");
        } else if name.is_empty() || name.chars().count() > MAX_ID {
            let message = format!("camunda:initiator names no variable of 1 to {MAX_ID} characters");
            self.diagnostics.error(owner.at, message, "name the variable that whoever starts the process becomes");
        } else {
            self.draft.initiator = Some(name);
        }
    }

    /// What a boundary event or the start event of an event sub-process waits for.
    pub(super) fn event_trigger(&mut self, definition: &'n Node<'n>, interrupting: bool, owner: Owner<'n>) -> Option<EventTrigger> {
        Some(match definition.name {
            "timerEventDefinition" => EventTrigger::Timer(self.timer(definition, owner)?),
            "compensateEventDefinition" => self.compensation_catch(definition, owner),
            "cancelEventDefinition" => {
                if !interrupting {
                    let help = "let it interrupt (cancelActivity): a transaction that is cancelled is over (BPMN 2.0, 10.3.5)";
                    self.diagnostics.error(owner.at, "a cancel boundary event can't be non-interrupting", help);
                }
                EventTrigger::Cancel
            }
            "messageEventDefinition" => EventTrigger::Message(self.awaited_message(definition, owner)?),
            "signalEventDefinition" => EventTrigger::Signal(self.signal(definition, owner)?),
            "conditionalEventDefinition" => EventTrigger::Condition(self.conditional(definition, owner)?),
            "escalationEventDefinition" => EventTrigger::Escalation(EscalationCatch {
                code: self.escalation_code(definition, owner)?,
                code_variable: variable(definition, "escalationCodeVariable"),
            }),
            _ => {
                if !interrupting {
                    let help =
                        "let it interrupt (cancelActivity or isInterrupting): an error always ends what it happened in (BPMN 2.0, 10.5.4)";
                    self.diagnostics.error(owner.at, "an event that waits for an error can't be non-interrupting", help);
                }
                EventTrigger::Error(self.error_catch(definition, owner)?)
            }
        })
    }

    /// The event definition in an event: at most one, of those the event supports. None after an error.
    pub(crate) fn trigger(&mut self, node: &'n Node<'n>, owner: Owner<'n>, supported: &[&str], help: &str) -> Option<Trigger<'n>> {
        let mut definitions = self.event_definitions(node, owner)?;
        if let Some(nth) = self.nth_definition {
            definitions = vec![definitions[nth]];
        }
        let mut refused = false;
        for definition in definitions.iter().filter(|definition| !supported.contains(&definition.name)) {
            let message = format!("{} on {} is not supported yet", definition.title(), node.title());
            self.diagnostics.error(definition.at_in(owner.at), message, help);
            refused = true;
        }
        match definitions.as_slice() {
            _ if refused => None,
            [] => Some(Trigger::None),
            [one] => {
                self.definition_parts(one, owner);
                Some(Trigger::One(one))
            }
            more => {
                let message = format!("{} with {} event definitions is not supported", node.title(), more.len());
                self.diagnostics.error(owner.at, message, "give this event one event definition");
                None
            }
        }
    }

    /// What is said of an event definition's attributes and extensions.
    fn definition_parts(&mut self, definition: &'n Node<'n>, owner: Owner<'n>) {
        let at = definition.at_in(owner.at);
        attributes::check(definition, at, self.diagnostics);
        for extension in definition.all("extensionElements").flat_map(|extensions| &extensions.children) {
            attributes::check_extension(extension, definition, extension.at_in(owner.at), self.diagnostics);
        }
    }
}
