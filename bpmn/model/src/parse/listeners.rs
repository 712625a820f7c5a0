//! Execution and task listeners: Camunda 7's, and Camunda 8's, which here are called at the same moments.

use crate::definition::{Listener, ListenerAction, ListenerEvent, Timer};
use crate::diagnostic::{At, shown};
use crate::parse::expressions::Place;
use crate::parse::implementation::{by_expression, delegate};
use crate::parse::process::{Owner, ProcessReader};
use crate::xml::{Namespace, Node};

use ListenerEvent::{Assignment, Complete, Create, Delete, End, Start, Take, Timeout, Update};

/// Camunda 8's name of a listener, and of each event with that of Camunda 7.
type Occasions = (&'static str, &'static [(&'static str, ListenerEvent)]);

const EXECUTION_LISTENER: Occasions = ("executionListener", &[("start", Start), ("end", End)]);

/// There they are called before what they are named for, and can deny it; here when it has happened.
const TASK_LISTENER: Occasions = (
    "taskListener",
    &[("creating", Create), ("assigning", Assignment), ("updating", Update), ("completing", Complete), ("canceling", Delete)],
);

impl<'n> ProcessReader<'n, '_> {
    /// Reads a `camunda:executionListener` of the process, a flow node or a sequence flow; the last has one occasion, which need not be
    /// named (Camunda's `BpmnParse.parseExecutionListenersOnTransition`).
    pub(crate) fn execution_listener(&mut self, listener: &'n Node<'n>, of: &'n Node<'n>, at: At<'n>) -> Option<Listener> {
        let event = if of.name == "sequenceFlow" { Take } else { self.occasion(listener, &[Start, End], "start or end", at)? };
        self.listener(listener, event, None, at)
    }

    /// Reads a `camunda:taskListener` of a user task.
    pub(crate) fn task_listener(&mut self, listener: &'n Node<'n>, owner: Owner<'n>, at: At<'n>) -> Option<Listener> {
        let which = "create, assignment, update, complete, delete or timeout";
        let event = self.occasion(listener, &[Create, Assignment, Update, Complete, Delete, Timeout], which, at)?;
        let timer = if event == Timeout { Some(self.timeout(listener, owner, at)?) } else { None };
        Some(Listener { timer, ..self.listener(listener, event, Some("task"), at)? })
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

    /// `object` is what its expressions know beside `execution`.
    fn listener(&mut self, listener: &'n Node<'n>, event: ListenerEvent, object: Option<&'static str>, at: At<'n>) -> Option<Listener> {
        let of_delegate = Place { object, is_listener: false };
        let own = Place { object, is_listener: true };
        let (mut script, mut fields) = (None, Vec::new());
        for child in &listener.children {
            match (child.namespace, child.name) {
                (Namespace::Camunda, "script") => script = Some(child),
                (Namespace::Camunda, "field") => fields.push(self.within(of_delegate, |reader| reader.field(child, at))?),
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
            ([("expression", source)], None) => {
                let read = |reader: &mut Self| reader.expression("the listener's expression", source, at);
                ListenerAction::Expression(self.within(own, read)?)
            }
            ([], Some(script)) => ListenerAction::Expression(self.within(own, |reader| reader.camunda_script(script, at))?),
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
        if !fields.is_empty() && matches!(does, ListenerAction::Expression(_)) {
            let message = "camunda:field has no effect on a listener that calls no delegate";
            self.diagnostics.warning(at, message, "remove it");
        }
        Some(Listener { event, does, timer: None, fields })
    }

    /// Reads a `zeebe:executionListeners` or `zeebe:taskListeners` of the process or a flow node. The job type of a listener names a
    /// delegate, as that of a `zeebe:taskDefinition`.
    pub(super) fn zeebe_listeners(&mut self, listeners: &'n Node<'n>, at: At<'n>) -> Vec<Listener> {
        let (kind, events) = if listeners.name == "taskListeners" { TASK_LISTENER } else { EXECUTION_LISTENER };
        let mut found = Vec::new();
        for listener in &listeners.children {
            let at = listener.at_in(at);
            if (listener.namespace, listener.name) == (Namespace::Zeebe, kind) {
                found.extend(self.zeebe_listener(listener, events, at));
            } else {
                let message = format!("{} has no place in {}", listener.title(), listeners.title());
                self.diagnostics.error(at, message, format!("use zeebe:{kind}"));
            }
        }
        found
    }

    fn zeebe_listener(&mut self, listener: &'n Node<'n>, events: &[(&str, ListenerEvent)], at: At<'n>) -> Option<Listener> {
        let name = listener.plain("eventType").unwrap_or_default().trim();
        let Some((_, event)) = events.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = events.iter().map(|(known, _)| *known).collect();
            let message = format!("{} is called on no eventType '{}'", listener.title(), shown(name));
            self.diagnostics.error(at, message, format!("name one of {}", known.join(", ")));
            return None;
        };
        if let Some(child) = listener.children.first() {
            let message = format!("{} has no place in {}", child.title(), listener.title());
            self.diagnostics.error(child.at_in(at), message, "remove it; the headers of the element go to all of its delegates");
            return None;
        }
        if listener.plain("retries").is_some() {
            let message = format!("retries of {} has no effect: a listener is called in the unit of work of its element", listener.title());
            self.diagnostics.warning(at, message, "remove it; the job that leads to the element says how often all of it is tried");
        }
        let written = listener.plain("type").ok_or_else(|| "it has no type".to_owned());
        let refuse = |reason| {
            let help = "write the name of a delegate, such as type=\"audit-log\"";
            self.diagnostics.error(at, format!("{}: {reason}", listener.title()), help);
        };
        let implementation = written.and_then(delegate).map_err(refuse).ok()?;
        Some(Listener { event: *event, does: ListenerAction::Delegate(implementation), timer: None, fields: Vec::new() })
    }

    /// Compiles a `camunda:script`.
    pub(crate) fn camunda_script(&mut self, script: &'n Node<'n>, at: At<'n>) -> Option<mandate_feel::Expression> {
        let at = script.at_in(at);
        self.script(script.plain("scriptFormat").unwrap_or("juel"), &script.text, at)
    }
}
