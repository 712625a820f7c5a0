//! Escalations: something that a scope around should know of, and that need not stop what reports it (BPMN 2.0, 10.5.6).

use mandate_model::EventTrigger;
use serde_json::Value as Json;

use crate::effect::HistoryEvent;
use crate::ids::ActivityId;
use crate::input::Failure;
use crate::step::Machine;
use crate::variable::{Variable, Variables};

impl Machine<'_> {
    /// An event throws an escalation and goes on, unless what catches it interrupts what the event stands in. Uncaught, it goes on as well
    /// (Camunda `ThrowEscalationEventActivityBehavior`). By which flows is asked when it leaves: they may read what the catching event has set.
    pub(crate) fn escalate(&mut self, event: ActivityId, code: Option<String>) -> Result<(), Failure> {
        let catcher = self.catcher(event, code.as_deref(), |trigger| match trigger {
            EventTrigger::Escalation(catch) => Some(catch.code.as_deref()),
            EventTrigger::Error(_)
            | EventTrigger::Timer(_)
            | EventTrigger::Message(_)
            | EventTrigger::Compensation
            | EventTrigger::Cancel => None,
        });
        let Some((activity, catching)) = catcher else { return self.resume(event) };
        let element = self.definition.element(catching);
        let Some((EventTrigger::Escalation(catch), interrupting)) = element.kind.trigger() else {
            unreachable!("only an event for escalations catches one")
        };
        let mut variables = Variables::new();
        if let Some(name) = &catch.code_variable {
            variables.insert(name.clone(), Variable::from_json(&code.map_or(Json::Null, Json::String)));
        }
        if interrupting {
            // The event did what it is there for: history shows it completed, what is around it cancelled.
            self.record(HistoryEvent::ActivityEnded { activity: event, canceled: false });
            self.forget(event);
            return self.trigger(activity, catching, variables);
        }
        // From here on there are two tokens: the new one's keys must not depend on how often the other comes by the same elements.
        let lineage = self.unit.lineage(self.instance.id, event).branch(&element.id);
        self.trigger_as(activity, catching, lineage, variables)?;
        let place = self.unit.agenda.len() - 1;
        self.resume(event)?;
        // It had to be there while the event left, or a scope that has more to do would have ended; and it runs first, as in Camunda 7.
        let token = self.unit.agenda.remove(place);
        self.unit.agenda.push(token);
        Ok(())
    }
}
