//! Escalations: something that a scope around should know of, and that need not stop what reports it (BPMN 2.0, 10.5.6).

use mandate_model::{ElementIndex, EscalationCatch, EventTrigger};
use serde_json::Value as Json;

use crate::call::News;
use crate::effect::HistoryEvent;
use crate::ids::ActivityId;
use crate::input::Failure;
use crate::step::Machine;
use crate::variable::{Variable, Variables};

impl<'d> Machine<'d> {
    /// An event throws an escalation and goes on, unless what catches it interrupts what the event stands in. Uncaught, it goes on as well
    /// (Camunda `ThrowEscalationEventActivityBehavior`). By which flows is asked when it leaves: they may read what the catching event has set.
    pub(crate) fn escalate(&mut self, event: ActivityId, code: Option<String>) -> Result<(), Failure> {
        let Some(caught) = self.escalation_catcher(event, code.as_deref()) else { return self.escalate_to_caller(event, code) };
        let variables = caught.variables(code);
        if caught.interrupting {
            // The event did what it is there for: history shows it completed, what is around it cancelled.
            self.record(HistoryEvent::ActivityEnded { activity: event, canceled: false });
            self.forget(event);
            return self.trigger(caught.activity, caught.event, variables);
        }
        // From here on there are two tokens: the new one's keys must not depend on how often the other comes by the same elements.
        let lineage = self.unit.lineage(self.instance.id, event).branch(&self.definition.element(caught.event).id);
        self.trigger_as(caught.activity, caught.event, lineage, variables)?;
        let place = self.unit.agenda.len() - 1;
        self.resume(event)?;
        // It had to be there while the event left, or a scope that has more to do would have ended; and it runs first, as in Camunda 7.
        let token = self.unit.agenda.remove(place);
        self.unit.agenda.push(token);
        Ok(())
    }

    /// A called instance threw an escalation, and ended with it or goes on. It is caught here, or by who called this one: then this instance does
    /// the same.
    pub(crate) fn escalate_from_call(&mut self, activity: ActivityId, code: Option<String>, ended: bool) -> Result<(), Failure> {
        let Some(caught) = self.escalation_catcher(activity, code.as_deref()) else {
            let news = News::Escalation { code, ended };
            if ended {
                self.end_by(news);
            } else {
                self.tell_caller(news);
            }
            return Ok(());
        };
        let lineage = self.unit.lineage(self.instance.id, activity).branch(&self.definition.element(caught.event).id);
        let variables = caught.variables(code);
        self.trigger_as(caught.activity, caught.event, lineage, variables)
    }

    /// Nothing inside catches an escalation. If something does around the call, the caller is told, and the instance ends if that interrupts.
    fn escalate_to_caller(&mut self, event: ActivityId, code: Option<String>) -> Result<(), Failure> {
        match self.caller_catches_escalation(code.as_deref()) {
            None => self.resume(event),
            Some(false) => {
                self.tell_caller(News::Escalation { code, ended: false });
                self.resume(event)
            }
            Some(true) => {
                self.record(HistoryEvent::ActivityEnded { activity: event, canceled: false });
                self.forget(event);
                self.end_by(News::Escalation { code, ended: true });
                Ok(())
            }
        }
    }

    fn escalation_catcher(&self, from: ActivityId, code: Option<&str>) -> Option<Caught<'d>> {
        let definition = self.definition;
        let (activity, event) = self.catcher(from, code, |trigger| match trigger {
            EventTrigger::Escalation(catch) => Some(catch.code.as_deref()),
            EventTrigger::Error(_)
            | EventTrigger::Timer(_)
            | EventTrigger::Message(_)
            | EventTrigger::Compensation
            | EventTrigger::Cancel => None,
        })?;
        let Some((EventTrigger::Escalation(catch), interrupting)) = definition.element(event).kind.trigger() else {
            unreachable!("only an event for escalations catches one")
        };
        Some(Caught { activity, event, interrupting, catch })
    }
}

/// An event that catches an escalation.
struct Caught<'d> {
    activity: ActivityId,
    event: ElementIndex,
    interrupting: bool,
    catch: &'d EscalationCatch,
}

impl Caught<'_> {
    /// What its path sees of the escalation.
    fn variables(&self, code: Option<String>) -> Variables {
        let value = |code: Option<String>| Variable::from_json(&code.map_or(Json::Null, Json::String));
        self.catch.code_variable.iter().map(|name| (name.clone(), value(code.clone()))).collect()
    }
}
