//! BPMN errors: business answers that take another path.

use mandate_model::{ElementIndex, EventTrigger};
use serde_json::Value as Json;

use crate::Code;
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
        let Some(catcher) = self.error_catcher(activity, &thrown) else {
            return Err(Failure::never(Code::UnhandledBpmnError, element, uncaught(&thrown)));
        };
        self.catch(catcher, thrown)
    }

    /// An error that a worker answers with. Uncaught, it is an incident at once, as a delegate's: no retry can help.
    pub(crate) fn throw_from_external_task(&mut self, wait: WaitId, thrown: Thrown) -> Result<(), Failure> {
        let activity = self.instance.external_tasks[&wait].activity;
        if let Some(catcher) = self.error_catcher(activity, &thrown) {
            return self.catch(catcher, thrown);
        }
        self.fail_external_task(wait, Some(uncaught(&thrown)), 0);
        Ok(())
    }

    /// An error end event. Uncaught, it ends like a none end event, as in Camunda 7: the token is consumed and other branches go on.
    pub(crate) fn throw_from_event(&mut self, event: ActivityId, thrown: Thrown) -> Result<(), Failure> {
        match self.error_catcher(event, &thrown) {
            Some(catcher) => {
                // The event did what it is there for: history shows it completed, what is around it cancelled.
                self.record(HistoryEvent::ActivityEnded { activity: event, canceled: false });
                self.forget(event);
                self.catch(catcher, thrown)
            }
            None => self.leave(event, &[]),
        }
    }

    fn error_catcher(&self, from: ActivityId, thrown: &Thrown) -> Option<(ActivityId, ElementIndex)> {
        self.catcher(from, Some(&thrown.code), |trigger| match trigger {
            EventTrigger::Error(catch) => Some(catch.code.as_deref()),
            EventTrigger::Timer(_) | EventTrigger::Message(_) | EventTrigger::Escalation(_) => None,
        })
    }

    /// The event is triggered with what the error carries.
    fn catch(&mut self, (activity, event): (ActivityId, ElementIndex), thrown: Thrown) -> Result<(), Failure> {
        let mut variables = thrown.variables;
        if let Some((EventTrigger::Error(catch), _)) = self.definition.element(event).kind.trigger() {
            if let Some(name) = &catch.code_variable {
                variables.insert(name.clone(), Variable::from_json(&Json::String(thrown.code)));
            }
            if let Some(name) = &catch.message_variable {
                variables.insert(name.clone(), Variable::from_json(&thrown.message.map_or(Json::Null, Json::String)));
            }
        }
        self.trigger(activity, event, variables)
    }
}

fn uncaught(thrown: &Thrown) -> String {
    match &thrown.message {
        Some(message) if !message.is_empty() => format!("BPMN error '{}', which nothing catches: {message}", thrown.code),
        _ => format!("BPMN error '{}', which nothing catches", thrown.code),
    }
}
