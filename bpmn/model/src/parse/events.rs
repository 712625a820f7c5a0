//! Events: what they wait for, and what they do when they end something.

use crate::definition::{
    BoundaryEvent, CatchTrigger, ElementKind, EndResult, ErrorCatch, ErrorReference, Escalation, EscalationCatch, EventSubProcessStart,
    EventTrigger, MessageReference, ROOT, StartTrigger, ThrowResult, Timer,
};
use crate::diagnostic::{At, shown};
use crate::parse::process::{MAX_ID, Owner, ProcessReader};
use crate::parse::{activities, attributes, table};
use crate::time;
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
const TRIGGERS: &[&str] = &["errorEventDefinition", "timerEventDefinition", "messageEventDefinition", "escalationEventDefinition"];

/// Reads a `startEvent`.
pub(crate) fn start<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    let parent = reader.element(owner.index).parent.unwrap_or(ROOT);
    if matches!(reader.element(parent).kind, ElementKind::EventSubProcess(_)) {
        return event_sub_process_start(reader, node, owner);
    }
    let help = "use a none or message start event; whoever knows when to start can start it by the API";
    let trigger = match reader.trigger(node, owner, &["messageEventDefinition"], help)? {
        Trigger::None => StartTrigger::None,
        Trigger::One(message) => {
            if parent != ROOT {
                let help = "make it a none start event, or the sub-process an event sub-process (triggeredByEvent=\"true\")";
                reader.diagnostics.error(owner.at, "a message start event can't start a sub-process", help);
                return None;
            }
            let reference = reader.message(message, owner)?;
            if reference.name.as_literal().is_none() {
                let message = format!("the message name '{}' is an expression", shown(reference.name.source()));
                reader.diagnostics.error(owner.at, message, "a message that starts a process has a fixed name: there are no variables yet");
                return None;
            }
            StartTrigger::Message(reference)
        }
    };
    Some(ElementKind::StartEvent(trigger))
}

/// Reads the start event of an event sub-process.
fn event_sub_process_start<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    let interrupting = reader.boolean(node, Namespace::None, "isInterrupting", true, owner.at);
    let help = "use a message, timer, error or escalation start event";
    let Trigger::One(definition) = reader.trigger(node, owner, TRIGGERS, help)? else {
        let message = "the start event of the event sub-process waits for nothing";
        reader.diagnostics.error(owner.at, message, "make it a message, timer, error or escalation start event");
        return None;
    };
    let trigger = reader.event_trigger(definition, interrupting, owner)?;
    Some(ElementKind::EventSubProcessStart(EventSubProcessStart { interrupting, trigger }))
}

/// Reads an `endEvent`.
pub(crate) fn end<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    let supported = ["terminateEventDefinition", "errorEventDefinition", "escalationEventDefinition", "messageEventDefinition"];
    let help = "use a none end event, behind a send task with a delegate if something is to be sent";
    let result = match reader.trigger(node, owner, &supported, help)? {
        Trigger::None => EndResult::None,
        Trigger::One(definition) if definition.name == "terminateEventDefinition" => EndResult::Terminate,
        Trigger::One(definition) if definition.name == "escalationEventDefinition" => {
            EndResult::Escalation(Escalation { code: reader.escalation_code(definition, owner)? })
        }
        // As in Camunda 7 it is a service task by another name, for nobody else can know how to send.
        Trigger::One(definition) if definition.name == "messageEventDefinition" => {
            return activities::work(reader, definition, owner, "messageEndEvent");
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
    let result = match reader.trigger(node, owner, &["escalationEventDefinition", "messageEventDefinition"], help)? {
        Trigger::None => ThrowResult::None,
        Trigger::One(definition) if definition.name == "messageEventDefinition" => {
            return activities::work(reader, definition, owner, "intermediateMessageThrowEvent");
        }
        Trigger::One(definition) => ThrowResult::Escalation(Escalation { code: reader.escalation_code(definition, owner)? }),
    };
    Some(ElementKind::IntermediateThrowEvent(result))
}

/// Reads an `intermediateCatchEvent`.
pub(crate) fn catch<'n>(reader: &mut ProcessReader<'n, '_>, node: &'n Node<'n>, owner: Owner<'n>) -> Option<ElementKind> {
    let help = "use a timer, message or link intermediate catch event";
    let trigger = match reader.trigger(node, owner, &["timerEventDefinition", "messageEventDefinition", "linkEventDefinition"], help)? {
        Trigger::None => {
            reader.diagnostics.error(owner.at, "the intermediate catch event waits for nothing", "make it a timer or message event");
            return None;
        }
        Trigger::One(definition) if definition.name == "timerEventDefinition" => CatchTrigger::Timer(reader.timer(definition, owner)?),
        Trigger::One(definition) if definition.name == "linkEventDefinition" => reader.link_catch(definition, owner)?,
        Trigger::One(definition) => CatchTrigger::Message(reader.message(definition, owner)?),
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
    let Trigger::One(definition) = reader.trigger(node, owner, TRIGGERS, "use a message, timer, error or escalation boundary event")?
    else {
        let help = "make it a message, timer, error or escalation event";
        reader.diagnostics.error(owner.at, "the boundary event waits for nothing", help);
        return None;
    };
    let trigger = reader.event_trigger(definition, interrupting, owner)?;
    // The root is never an activity with boundary events: `attach` puts in the one that is meant, or the file is refused.
    Some(ElementKind::BoundaryEvent(BoundaryEvent { attached_to: ROOT, interrupting, trigger }))
}

impl<'n> ProcessReader<'n, '_> {
    /// What a boundary event or the start event of an event sub-process waits for.
    fn event_trigger(&mut self, definition: &'n Node<'n>, interrupting: bool, owner: Owner<'n>) -> Option<EventTrigger> {
        Some(match definition.name {
            "timerEventDefinition" => EventTrigger::Timer(self.timer(definition, owner)?),
            "messageEventDefinition" => EventTrigger::Message(self.message(definition, owner)?),
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
        let is_definition = |child: &&'n Node<'n>| child.namespace == Namespace::Bpmn && child.name.ends_with("EventDefinition");
        let definitions: Vec<&'n Node<'n>> = node.children.iter().filter(is_definition).collect();
        let mut refused = false;
        for definition in &definitions {
            let help = if supported.contains(&definition.name) {
                continue;
            } else {
                table::refused_event(definition.name).unwrap_or(help)
            };
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
                let message = format!("{} with {} event definitions is not supported yet", node.title(), more.len());
                self.diagnostics.error(owner.at, message, "give every event one event definition");
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

    /// The message that `node`, a receive task or message event definition, refers to.
    pub(crate) fn message(&mut self, node: &'n Node<'n>, owner: Owner<'n>) -> Option<MessageReference> {
        let at = node.at_in(owner.at);
        let Some(reference) = node.plain("messageRef") else {
            let message = format!("{} has no messageRef", node.title());
            self.diagnostics.error(at, message, "choose the message that it waits for, or create one with a name");
            return None;
        };
        let Some(message) = self.definitions.message(reference) else {
            let message = format!("the message '{}' does not exist", shown(reference));
            self.diagnostics.error(at, message, "choose one of the file's messages, or create one with this id and a name");
            return None;
        };
        let name = message.plain("name").unwrap_or_default().trim();
        if name.is_empty() || name.chars().count() > MAX_ID {
            let text = format!("the message '{}' has no name of 1 to {MAX_ID} characters", shown(reference));
            self.diagnostics.error(at, text, "name it: messages are correlated by name");
            return None;
        }
        let sends = ["class", "delegateExpression", "type", "topic"].into_iter().find(|name| node.camunda(name).is_some());
        if let (Some(attribute), "messageEventDefinition") = (sends, node.name) {
            let help = "remove it: only an event that sends a message is done by somebody";
            self.diagnostics.warning(at, format!("camunda:{attribute} has no effect on an event that waits for a message"), help);
        }
        let name = self.expression("the message name", name, At { position: message.position, ..at })?;
        Some(MessageReference { name })
    }

    /// A timer event definition.
    fn timer(&mut self, definition: &'n Node<'n>, owner: Owner<'n>) -> Option<Timer> {
        let at = definition.at_in(owner.at);
        if let Some(cycle) = definition.first("timeCycle") {
            let help = "use a timeDuration, and lead its path back to the event for another turn";
            self.diagnostics.error(cycle.at_in(owner.at), "timeCycle is not supported yet", help);
            return None;
        }
        let (date, duration) = (definition.first("timeDate"), definition.first("timeDuration"));
        let (when, is_date) = match (date, duration) {
            (Some(date), None) => (date, true),
            (None, Some(duration)) => (duration, false),
            (Some(_), Some(_)) => {
                self.diagnostics.error(at, "the timer has a timeDate and a timeDuration", "keep one of them");
                return None;
            }
            (None, None) => {
                self.diagnostics.error(at, "the timer does not say when it fires", "give it a timeDuration such as PT10M, or a timeDate");
                return None;
            }
        };
        let at = when.at_in(owner.at);
        if when.text.trim().is_empty() {
            let message = format!("the timer's {} is empty", when.name);
            self.diagnostics.error(at, message, "give it a timeDuration such as PT10M, or a timeDate");
            return None;
        }
        let expression = self.expression(when.name, &when.text, at)?;
        let check: fn(&str) -> Result<i64, time::TimeError> = if is_date { time::due_at } else { |text| time::due_after(0, text) };
        if let Some(Err(error)) = expression.as_literal().map(check) {
            let help = "write ISO 8601, or an expression such as ${timeout} that gives it";
            self.diagnostics.error(at, format!("{}: {error}", when.name), help);
            return None;
        }
        Some(if is_date { Timer::Date(expression) } else { Timer::Duration(expression) })
    }

    /// Which errors an event catches.
    fn error_catch(&mut self, definition: &'n Node<'n>, owner: Owner<'n>) -> Option<ErrorCatch> {
        let code = match definition.plain("errorRef") {
            None => None,
            Some(reference) => Some(self.error_reference(reference, definition, owner)?.code),
        };
        let code_variable = variable(definition, "errorCodeVariable");
        Some(ErrorCatch { code, code_variable, message_variable: variable(definition, "errorMessageVariable") })
    }

    /// The code of the escalation that a definition refers to, if it refers to one that has a code. The outer option is none after an error.
    #[expect(clippy::option_option, reason = "an error is not the same as no code")]
    fn escalation_code(&mut self, definition: &'n Node<'n>, owner: Owner<'n>) -> Option<Option<String>> {
        let Some(reference) = definition.plain("escalationRef") else { return Some(None) };
        let at = definition.at_in(owner.at);
        let Some(escalation) = self.definitions.escalation(reference) else {
            let message = format!("the escalation '{}' does not exist", shown(reference));
            self.diagnostics.error(at, message, "choose one of the file's escalations, or create one with this id and a code");
            return None;
        };
        let code = escalation.plain("escalationCode").unwrap_or_default().trim();
        if code.is_empty() {
            let message = format!("the escalation '{}' has no escalationCode", shown(reference));
            let help = "give it one; without, an event that catches it catches every escalation (as in Camunda 7)";
            self.diagnostics.warning(at, message, help);
            return Some(None);
        }
        if code.chars().count() > MAX_ID {
            let message = format!("the code of the escalation '{}' is longer than {MAX_ID} characters", shown(reference));
            self.diagnostics.error(at, message, "shorten it");
            return None;
        }
        if is_expression(code) {
            let text = format!("an expression in the code of the escalation '{}' is not supported", shown(reference));
            self.diagnostics.error(at, text, "write a fixed text");
            return None;
        }
        Some(Some(code.to_owned()))
    }

    /// The error with an id; it must have a code, for errors are caught by code.
    fn error_reference(&mut self, reference: &str, definition: &'n Node<'n>, owner: Owner<'n>) -> Option<ErrorReference> {
        let at = definition.at_in(owner.at);
        let Some(error) = self.definitions.error(reference) else {
            let message = format!("the error '{}' does not exist", shown(reference));
            self.diagnostics.error(at, message, "choose one of the file's errors, or create one with this id and a code");
            return None;
        };
        let code = error.plain("errorCode").unwrap_or_default().trim();
        if code.is_empty() || code.chars().count() > MAX_ID {
            let message = format!("the error '{}' has no errorCode of 1 to {MAX_ID} characters", shown(reference));
            self.diagnostics.error(at, message, "give it an errorCode: errors are caught by code");
            return None;
        }
        let message = error.camunda("errorMessage").map(str::to_owned);
        if is_expression(code) || message.as_deref().is_some_and(is_expression) {
            let text = format!("an expression in the code or message of the error '{}' is not supported yet", shown(reference));
            self.diagnostics.error(at, text, "write fixed texts");
            return None;
        }
        Some(ErrorReference { code: code.to_owned(), message })
    }
}

/// The variable that a definition names for something that is learned.
fn variable(definition: &Node<'_>, attribute: &str) -> Option<String> {
    definition.camunda(attribute).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned)
}

fn is_expression(text: &str) -> bool {
    text.contains("${") || text.contains("#{") || text.starts_with('=')
}
