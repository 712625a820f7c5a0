//! Execution and task listeners.

use crate::definition::{Listener, ListenerAction, ListenerEvent, Timer};
use crate::diagnostic::{At, shown};
use crate::parse::implementation::{by_expression, delegate};
use crate::parse::process::{Owner, ProcessReader};
use crate::xml::{Namespace, Node};

use ListenerEvent::{Assignment, Complete, Create, Delete, End, Start, Take, Timeout, Update};

impl<'n> ProcessReader<'n, '_> {
    /// Reads a `camunda:executionListener` of the process, a flow node or a sequence flow; the last has one occasion, which need not be named
    /// (Camunda's `BpmnParse.parseExecutionListenersOnTransition`).
    pub(crate) fn execution_listener(&mut self, listener: &'n Node<'n>, of: &'n Node<'n>, at: At<'n>) -> Option<Listener> {
        let event = if of.name == "sequenceFlow" { Take } else { self.occasion(listener, &[Start, End], "start or end", at)? };
        self.listener(listener, event, at)
    }

    /// Reads a `camunda:taskListener` of a user task.
    pub(crate) fn task_listener(&mut self, listener: &'n Node<'n>, owner: Owner<'n>, at: At<'n>) -> Option<Listener> {
        let which = "create, assignment, update, complete, delete or timeout";
        let event = self.occasion(listener, &[Create, Assignment, Update, Complete, Delete, Timeout], which, at)?;
        let timer = if event == Timeout { Some(self.timeout(listener, owner, at)?) } else { None };
        Some(Listener { timer, ..self.listener(listener, event, at)? })
    }

    /// When a listener for `timeout` is called (Camunda's `BpmnParse.parseTimeoutTaskListener`, which wants an id, too).
    fn timeout(&mut self, listener: &'n Node<'n>, owner: Owner<'n>, at: At<'n>) -> Option<Timer> {
        let Some(definition) = listener.first("timerEventDefinition") else {
            let help = "put a timerEventDefinition into it";
            self.diagnostics.error(at, "a task listener for the event 'timeout' does not say when", help);
            return None;
        };
        self.timer(definition, owner)
    }

    fn occasion(&mut self, listener: &Node<'_>, events: &[ListenerEvent], which: &str, at: At<'n>) -> Option<ListenerEvent> {
        let name = listener.plain("event").unwrap_or_default().trim();
        let found = events.iter().copied().find(|event| event.as_str() == name);
        if found.is_none() {
            let message = format!("{} is called on no event '{}'", listener.title(), shown(name));
            self.diagnostics.error(at, message, format!("name its event: {which}"));
        }
        found
    }

    fn listener(&mut self, listener: &'n Node<'n>, event: ListenerEvent, at: At<'n>) -> Option<Listener> {
        let (mut script, mut fields) = (None, Vec::new());
        for child in &listener.children {
            match (child.namespace, child.name) {
                (Namespace::Camunda, "script") => script = Some(child),
                (Namespace::Camunda, "field") => fields.push(self.field(child, at)?),
                (Namespace::Bpmn, "timerEventDefinition") if event == Timeout => {}
                _ => {
                    let message = format!("{} has no place in {}", child.title(), listener.title());
                    self.diagnostics.error(child.at_in(at), message, "remove it");
                    return None;
                }
            }
        }
        let ways = ["class", "delegateExpression", "expression"].map(|way| listener.plain(way).map(|value| (way, value)));
        let does = match (ways.into_iter().flatten().collect::<Vec<_>>().as_slice(), script) {
            ([("expression", source)], None) => ListenerAction::Expression(self.expression("the listener's expression", source, at)?),
            ([], Some(script)) => ListenerAction::Expression(self.camunda_script(script, at)?),
            ([(way, name)], None) => {
                let implementation = if *way == "class" { delegate(name) } else { by_expression(name) };
                let help = "name a delegate, such as class=\"audit-log\"";
                let refuse = |reason| self.diagnostics.error(at, format!("{way} of {}: {reason}", listener.title()), help);
                ListenerAction::Delegate(implementation.map_err(refuse).ok()?)
            }
            ([], None) => {
                let help = "name a delegate by class or delegateExpression, or write an expression";
                self.diagnostics.error(at, format!("{} does not say what it does", listener.title()), help);
                return None;
            }
            _ => {
                self.diagnostics.error(at, format!("{} says more than once what it does", listener.title()), "keep one of them");
                return None;
            }
        };
        if let (ListenerAction::Delegate(_), Delete) = (&does, event) {
            let message = "a delegate as a task listener for the event 'delete' is not supported";
            let help = "lead what cancels the task through a service task: no delegate is called for what is cancelled";
            self.diagnostics.error(at, message, help);
            return None;
        }
        if !fields.is_empty() && matches!(does, ListenerAction::Expression(_)) {
            let message = "camunda:field has no effect on a listener that calls no delegate";
            self.diagnostics.warning(at, message, "remove it");
        }
        Some(Listener { event, does, timer: None, fields })
    }

    /// Compiles a `camunda:script`.
    pub(crate) fn camunda_script(&mut self, script: &'n Node<'n>, at: At<'n>) -> Option<mandate_feel::Expression> {
        let at = script.at_in(at);
        self.script(script.plain("scriptFormat").unwrap_or("juel"), &script.text, at)
    }
}
