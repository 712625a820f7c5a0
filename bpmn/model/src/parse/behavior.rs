//! `behavior` of a multi-instance activity: what its instances throw when they have ended (BPMN 2.0, table 10.30). Camunda 7 ignores it.
//!
//! The standard lets these events be caught at the boundary of the activity. So who catches them is found out here, by the code, name or
//! signal that they have in common, and the engine triggers exactly those.

use crate::definition::{EventTrigger, InstanceThrow, ThrowWhen};
use crate::diagnostic::{At, shown};
use crate::parse::process::{Owner, ProcessReader, is_event_definition};
use crate::xml::{Namespace, Node};

/// An event that instances throw, before it is known who catches it.
pub(crate) struct Behavior<'n> {
    owner: Owner<'n>,
    at: At<'n>,
    when: ThrowWhen,
    thrown: EventTrigger,
}

/// What instances may throw, for messages to people.
const THROWN: &str = "a boundary event of the activity that waits for the same error, escalation, message or signal";

impl<'n> ProcessReader<'n, '_> {
    /// Reads `behavior` with the event that goes with it.
    pub(super) fn behavior(&mut self, node: &'n Node<'n>, owner: Owner<'n>) {
        let at = node.at_in(owner.at);
        let (when, attribute) = match node.plain("behavior").map(str::trim) {
            None | Some("All") => return,
            Some("None") => (ThrowWhen::Each, "noneBehaviorEventRef"),
            Some("One") => (ThrowWhen::First, "oneBehaviorEventRef"),
            Some("Complex") if node.first("complexBehaviorDefinition").is_some() => return,
            Some("Complex") => {
                let help = "add one with a condition and an event";
                self.diagnostics.error(at, "behavior=\"Complex\" has no complexBehaviorDefinition", help);
                return;
            }
            Some(other) => {
                let message = format!("behavior=\"{}\" is none of All, None, One and Complex", shown(other));
                self.diagnostics.error(at, message, "leave it out: then nothing is thrown");
                return;
            }
        };
        let Some(reference) = node.plain(attribute) else {
            let message = format!("{} does not say what is thrown", node.title());
            let help = format!("add {attribute} with the id of an event definition beside the process");
            self.diagnostics.error(at, message, help);
            return;
        };
        if let Some(definition) = self.definitions.any_event_definition(reference) {
            self.thrown(definition, when, owner, at);
        } else {
            let message = format!("the event definition '{}' does not exist", shown(reference));
            self.diagnostics.error(at, message, "put one with this id beside the process, or name that of the event that catches it");
        }
    }

    /// Reads a `complexBehaviorDefinition`: a condition, and an event with what is thrown when it is true.
    pub(super) fn complex_behavior(&mut self, node: &'n Node<'n>, owner: Owner<'n>) {
        let at = node.at_in(owner.at);
        let (Some(condition), Some(event)) = (node.first("condition"), node.first("event")) else {
            self.diagnostics.error(at, "the complexBehaviorDefinition has no condition or no event", "give it both");
            return;
        };
        let Some(condition) = self.text(condition, owner) else { return };
        let Some(definitions) = self.event_definitions(event, owner) else { return };
        if definitions.is_empty() || event.children.iter().any(|it| it.namespace == Namespace::Bpmn && !is_event_definition(it.name)) {
            self.diagnostics.error(event.at_in(owner.at), "the event throws nothing, or has other parts", "give it an event definition");
        }
        for definition in definitions {
            self.thrown(definition, ThrowWhen::Condition(condition.clone()), owner, at);
        }
    }

    fn thrown(&mut self, definition: &'n Node<'n>, when: ThrowWhen, owner: Owner<'n>, at: At<'n>) {
        if matches!(
            definition.name,
            "errorEventDefinition" | "escalationEventDefinition" | "messageEventDefinition" | "signalEventDefinition"
        ) && let Some(thrown) = self.event_trigger(definition, true, owner)
        {
            self.behaviors.push(Behavior { owner, at, when, thrown });
        } else {
            let message = format!("{} can't be thrown by the instances of an activity", definition.title());
            self.diagnostics.error(at, message, format!("throw what is caught by {THROWN}"));
        }
    }

    /// Finds out who catches what instances throw, once boundary events are attached.
    pub(crate) fn resolve_behaviors(&mut self) {
        for Behavior { owner, at, when, thrown } in std::mem::take(&mut self.behaviors) {
            let events = self.element(owner.index).boundary_events.clone();
            let is_caught = |event: &crate::definition::ElementIndex| {
                self.draft.elements[event.0 as usize].kind.trigger().is_some_and(|(trigger, _)| catches(trigger, &thrown))
            };
            let caught_by: Vec<_> = events.into_iter().filter(is_caught).collect();
            if caught_by.is_empty() {
                self.diagnostics.error(at, "nothing catches what the instances throw", format!("add {THROWN}"));
            } else if let Some(each) = &mut self.element(owner.index).multi_instance {
                each.behavior.push(InstanceThrow { when, caught_by });
            }
        }
    }
}

fn catches(trigger: &EventTrigger, thrown: &EventTrigger) -> bool {
    match (trigger, thrown) {
        (EventTrigger::Error(catch), EventTrigger::Error(thrown)) => catch.code.is_none() || catch.code == thrown.code,
        (EventTrigger::Escalation(catch), EventTrigger::Escalation(thrown)) => catch.code.is_none() || catch.code == thrown.code,
        (EventTrigger::Message(catch), EventTrigger::Message(thrown)) => catch.name.source() == thrown.name.source(),
        (EventTrigger::Signal(catch), EventTrigger::Signal(thrown)) => catch.name.source() == thrown.name.source(),
        _ => false,
    }
}
