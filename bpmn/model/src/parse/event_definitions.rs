//! Event definitions: the message, timer, error or escalation that an event refers to.

use crate::definition::{ErrorCatch, ErrorReference, MessageReference, Timer};
use crate::diagnostic::{At, shown};
use crate::parse::process::{MAX_ID, Owner, ProcessReader};
use crate::time::{self, Cycle, TimeError};
use crate::xml::Node;

use mandate_feel::Expression;

/// Whether a fixed text says when a timer fires.
type Check = fn(&str) -> Result<(), TimeError>;

impl<'n> ProcessReader<'n, '_> {
    /// The message that `node`, a receive task or message event definition, refers to.
    pub(crate) fn message(&mut self, node: &'n Node<'n>, owner: Owner<'n>) -> Option<MessageReference> {
        let at = node.at_in(owner.at);
        let Some(reference) = self.message_reference(node) else {
            let message = format!("{} has no messageRef", node.title());
            self.diagnostics.error(at, message, "choose the message that it waits for, or create one with a name");
            return None;
        };
        let name = self.message_name(reference, at)?;
        if node.name == "messageEventDefinition" {
            self.unused_inputs(node, owner, "an event that waits for a message", "what comes with the message is said by what sends it");
        }
        let sends = ["class", "delegateExpression", "expression", "type", "topic"].into_iter().find(|name| node.camunda(name).is_some());
        if let (Some(attribute), "messageEventDefinition") = (sends, node.name) {
            let help = "remove it: only an event that sends a message is done by somebody";
            self.diagnostics.warning(at, format!("camunda:{attribute} has no effect on an event that waits for a message"), help);
        }
        let carried = self.key_that_comes(reference);
        Some(MessageReference { name, correlation_key: None, carried })
    }

    /// The same of what waits in an instance, with what tells its waits apart.
    pub(crate) fn awaited_message(&mut self, node: &'n Node<'n>, owner: Owner<'n>) -> Option<MessageReference> {
        let message = self.message(node, owner)?;
        Some(MessageReference { correlation_key: self.key_of_waits(self.message_reference(node)?), ..message })
    }

    /// The id of the message that a node names: its own, or that which its operation takes (BPMN 2.0, 8.4.3 and 10.3.3). Camunda 7 knows no
    /// operations.
    pub(super) fn message_reference(&self, node: &'n Node<'n>) -> Option<&'n str> {
        node.plain("messageRef").or_else(|| self.definitions.message_of_operation(node.plain("operationRef")?))
    }

    /// The name of the message with an id.
    pub(super) fn message_name(&mut self, reference: &str, at: At<'n>) -> Option<Expression> {
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
        self.expression("the message name", name, At { position: message.position, ..at })
    }

    /// A timer event definition.
    pub(super) fn timer(&mut self, definition: &'n Node<'n>, owner: Owner<'n>) -> Option<Timer> {
        let at = definition.at_in(owner.at);
        let help = "give it a timeDuration such as PT10M, a timeDate, or a timeCycle such as R3/PT10M";
        let mut parts = ["timeDate", "timeDuration", "timeCycle"].into_iter().filter_map(|name| definition.first(name));
        let Some(when) = parts.next() else {
            self.diagnostics.error(at, "the timer does not say when it fires", help);
            return None;
        };
        if let Some(other) = parts.next() {
            self.diagnostics.error(at, format!("the timer has a {} and a {}", when.name, other.name), "keep one of them");
            return None;
        }
        let at = when.at_in(owner.at);
        if when.text.trim().is_empty() {
            self.diagnostics.error(at, format!("the timer's {} is empty", when.name), help);
            return None;
        }
        let expression = self.expression(when.name, &when.text, at)?;
        let (timer, check): (fn(Expression) -> Timer, Check) = match when.name {
            "timeDate" => (Timer::Date, |text| time::due(0, text).map(drop)),
            "timeDuration" => (Timer::Duration, |text| time::due_after(0, text).map(drop)),
            _ => (Timer::Cycle, |text| Cycle::parse(text, 0).map(drop)),
        };
        if let Some(Err(error)) = expression.as_literal().map(check) {
            let help = "write it as it says, or as an expression such as ${timeout} that gives it";
            self.diagnostics.objection(at, format!("{}: {error}", when.name), help);
        }
        Some(timer(expression))
    }

    /// Which errors an event catches: without a code, all.
    pub(super) fn error_catch(&mut self, definition: &'n Node<'n>, owner: Owner<'n>) -> Option<ErrorCatch> {
        let code = match definition.plain("errorRef") {
            None => None,
            Some(reference)
                if self.definitions.error(reference).is_some_and(|error| error.plain("errorCode").is_none_or(str::is_empty)) =>
            {
                let message = format!("the error '{}' has no errorCode: the event catches all errors", shown(reference));
                self.diagnostics.warning(definition.at_in(owner.at), message, "give it one, or remove the errorRef");
                None
            }
            Some(reference) => Some(self.error_reference(reference, definition, owner)?.code),
        };
        let code_variable = variable(definition, "errorCodeVariable");
        Some(ErrorCatch { code, code_variable, message_variable: variable(definition, "errorMessageVariable") })
    }

    /// The code of the escalation that a definition refers to, if it refers to one that has a code. The outer option is none after an
    /// error.
    #[expect(clippy::option_option, reason = "an error is not the same as no code")]
    pub(super) fn escalation_code(&mut self, definition: &'n Node<'n>, owner: Owner<'n>) -> Option<Option<String>> {
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

    /// The error with an id; it must have a code, for errors are caught by code. As in Camunda 7 a reference to none is a code itself.
    pub(super) fn error_reference(&mut self, reference: &str, definition: &'n Node<'n>, owner: Owner<'n>) -> Option<ErrorReference> {
        let at = definition.at_in(owner.at);
        let Some(error) = self.definitions.error(reference) else {
            let code = reference.trim();
            if code.is_empty() || code.chars().count() > MAX_ID || is_expression(code) {
                let message = format!("the error '{}' does not exist", shown(reference));
                self.diagnostics.error(at, message, "choose one of the file's errors, or create one with this id and a code");
                return None;
            }
            let message = format!("the error '{}' does not exist: this is taken for the code of one (as in Camunda 7)", shown(reference));
            self.diagnostics.warning(at, message, "create an error with this id and a code");
            return Some(ErrorReference { code: code.to_owned(), message: None });
        };
        let code = error.plain("errorCode").unwrap_or_default().trim();
        if code.is_empty() || code.chars().count() > MAX_ID {
            let message = format!("the error '{}' has no errorCode of 1 to {MAX_ID} characters", shown(reference));
            self.diagnostics.error(at, message, "give it an errorCode: errors are caught by code");
            return None;
        }
        if is_expression(code) {
            let text = format!("an expression in the code of the error '{}' is not supported", shown(reference));
            self.diagnostics.error(at, text, "write a fixed text (as in Camunda 7)");
            return None;
        }
        let message = match error.camunda("errorMessage") {
            Some(source) => Some(self.expression("camunda:errorMessage", source, at)?),
            None => None,
        };
        Some(ErrorReference { code: code.to_owned(), message })
    }
}

/// The variable that a definition names for something that is learned.
pub(super) fn variable(definition: &Node<'_>, attribute: &str) -> Option<String> {
    definition.camunda(attribute).map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned)
}

fn is_expression(text: &str) -> bool {
    text.contains("${") || text.contains("#{") || text.starts_with('=')
}
