//! BPMN errors: business answers that take another path.

use mandate_model::{BoundaryTrigger, ElementIndex, ElementKind, ErrorCatch};
use serde_json::Value as Json;

use crate::Code;
use crate::boundary::attached;
use crate::effect::HistoryEvent;
use crate::ids::{ActivityId, WaitId};
use crate::input::Failure;
use crate::step::Machine;
use crate::variable::{Variable, Variables};

/// An error on its way outward.
pub(crate) struct Thrown {
    pub code: String,
    pub message: Option<String>,
    pub variables: Variables,
}

impl Machine<'_> {
    /// An error of a delegate. Uncaught, the unit fails for good: the model says nothing about this answer, and a technical retry would
    /// only ask again (Camunda 7 ends the path silently unless `enableExceptionsAfterUnhandledBpmnError` is set; we never do).
    pub(crate) fn throw_from_delegate(&mut self, activity: ActivityId, thrown: Thrown) -> Result<(), Failure> {
        let element = self.instance.at(activity).element;
        let Some(catcher) = self.catcher(activity, &thrown.code) else {
            return Err(Failure::never(Code::UnhandledBpmnError, element, uncaught(&thrown)));
        };
        self.catch(catcher, thrown)
    }

    /// An error that a worker answers with. Uncaught, it is an incident at once, as a delegate's: no retry can help.
    pub(crate) fn throw_from_external_task(&mut self, wait: WaitId, thrown: Thrown) -> Result<(), Failure> {
        let activity = self.instance.external_tasks[&wait].activity;
        if let Some(catcher) = self.catcher(activity, &thrown.code) {
            return self.catch(catcher, thrown);
        }
        self.fail_external_task(wait, Some(uncaught(&thrown)), 0);
        Ok(())
    }

    /// An error end event. Uncaught, it ends like a none end event, as in Camunda 7: the token is consumed and other branches go on.
    pub(crate) fn throw_from_event(&mut self, event: ActivityId, thrown: Thrown) -> Result<(), Failure> {
        match self.catcher(event, &thrown.code) {
            Some(catcher) => {
                // The event did what it is there for: history shows it completed, what is around it cancelled.
                self.record(HistoryEvent::ActivityEnded { activity: event, canceled: false });
                self.forget(event);
                self.catch(catcher, thrown)
            }
            None => self.leave(event, &[]),
        }
    }

    /// Who catches: the innermost activity around the throw that has a boundary event for the code, or failing that one for all codes
    /// (BPMN 2.0, 10.5.6; Camunda `ErrorDeclarationForProcessInstanceFinder`). On one activity an exact code beats a catch-all, whatever
    /// their order.
    fn catcher(&self, from: ActivityId, code: &str) -> Option<(ActivityId, ElementIndex)> {
        self.instance.outward(from).find_map(|activity| {
            let boundary_events = attached(self.definition, activity);
            let matching = |wanted: Option<&str>| {
                boundary_events.iter().find(|event| self.error_catch(**event).is_some_and(|catch| catch.code.as_deref() == wanted))
            };
            matching(Some(code)).or_else(|| matching(None)).map(|event| (activity.id, *event))
        })
    }

    fn error_catch(&self, event: ElementIndex) -> Option<&ErrorCatch> {
        match &self.definition.element(event).kind {
            ElementKind::BoundaryEvent(boundary) => match &boundary.trigger {
                BoundaryTrigger::Error(catch) => Some(catch),
                BoundaryTrigger::Timer(_) => None,
            },
            _ => None,
        }
    }

    /// The activity is cancelled, what the error carries is set around it, and a token starts from the boundary event.
    fn catch(&mut self, (activity, event): (ActivityId, ElementIndex), thrown: Thrown) -> Result<(), Failure> {
        let scope = self.instance.at(activity).scope();
        let catch = self.error_catch(event).cloned().unwrap_or_default();
        self.fire_boundary(activity, event, true);
        let mut variables = thrown.variables;
        if let Some(name) = catch.code_variable {
            variables.insert(name, Variable::from_json(&Json::String(thrown.code)));
        }
        if let Some(name) = catch.message_variable {
            variables.insert(name, Variable::from_json(&thrown.message.map_or(Json::Null, Json::String)));
        }
        let set = self.set_variables(scope, variables);
        set.map_err(|failure| Failure { element: Some(event), ..failure })
    }
}

fn uncaught(thrown: &Thrown) -> String {
    match &thrown.message {
        Some(message) if !message.is_empty() => format!("BPMN error '{}', which nothing catches: {message}", thrown.code),
        _ => format!("BPMN error '{}', which nothing catches", thrown.code),
    }
}
