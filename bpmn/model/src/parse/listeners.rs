//! Execution and task listeners.

use crate::definition::{Listener, ListenerAction, ListenerEvent};
use crate::diagnostic::{At, shown};
use crate::parse::implementation::{by_expression, delegate};
use crate::parse::process::ProcessReader;
use crate::xml::{Namespace, Node};

use ListenerEvent::{Assignment, Complete, Create, End, Start, Take, Update};

impl<'n> ProcessReader<'n, '_> {
    /// Reads a `camunda:executionListener` of the process, a flow node or a sequence flow; the last has one occasion, which need not be named
    /// (Camunda's `BpmnParse.parseExecutionListenersOnTransition`).
    pub(crate) fn execution_listener(&mut self, listener: &'n Node<'n>, of: &'n Node<'n>, at: At<'n>) -> Option<Listener> {
        let event = if of.name == "sequenceFlow" { Take } else { self.occasion(listener, &[Start, End], "start or end", at)? };
        self.listener(listener, event, at)
    }

    /// Reads a `camunda:taskListener` of a user task.
    pub(crate) fn task_listener(&mut self, listener: &'n Node<'n>, at: At<'n>) -> Option<Listener> {
        let help = match listener.plain("event").map(str::trim) {
            Some("timeout") => "attach a non-interrupting timer event to the task, with a service task behind it",
            Some("delete") => "lead what cancels the task through a service task: nothing is called for what is cancelled",
            _ => {
                let event =
                    self.occasion(listener, &[Create, Assignment, Update, Complete], "create, assignment, update or complete", at)?;
                return self.listener(listener, event, at);
            }
        };
        let event = listener.plain("event").unwrap_or_default();
        self.diagnostics.error(at, format!("a task listener for the event '{}' is not supported", shown(event)), help);
        None
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
        let mut script = None;
        for child in &listener.children {
            if (child.namespace, child.name) != (Namespace::Camunda, "script") {
                let message = format!("{} in {} is not supported", child.title(), listener.title());
                let help = "a delegate is given the variables: use a camunda:inputParameter of the activity";
                self.diagnostics.error(child.at_in(at), message, help);
                return None;
            }
            script = Some(child);
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
        if let (ListenerAction::Delegate(_), Assignment | Update) = (&does, event) {
            let message = format!("a delegate as a listener for the event '{}' is not supported", event.as_str());
            let help = "use the event create or complete, or an expression: a change of a task ends no wait, so that a repeated one would call \
                        the delegate again";
            self.diagnostics.error(at, message, help);
            return None;
        }
        Some(Listener { event, does })
    }

    /// Compiles a `camunda:script`.
    pub(crate) fn camunda_script(&mut self, script: &'n Node<'n>, at: At<'n>) -> Option<mandate_feel::Expression> {
        let at = script.at_in(at);
        if script.plain("resource").is_some() {
            self.diagnostics.error(at, "resource of camunda:script is not supported", "write the script into the model");
            return None;
        }
        self.script(script.plain("scriptFormat").unwrap_or("juel"), &script.text, at)
    }
}
