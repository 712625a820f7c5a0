//! Boundary timers: armed when an activity begins to wait, gone when it ends.

use mandate_model::{BoundaryTrigger, ElementIndex, ElementKind};

use crate::effect::JobKind;
use crate::elements::At;
use crate::ids::ActivityId;
use crate::input::Failure;
use crate::step::Machine;
use crate::unit::Token;

impl Machine<'_> {
    /// Arms the timers on an activity that is about to wait. As in Camunda 7 a synchronous delegate never sees one: it has no
    /// wait state in which a timer could become due.
    pub(crate) fn arm_boundary_timers(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let definition = self.definition;
        let host = self.instance.at(activity).element;
        for &event in &definition.element(host).boundary_events {
            if let ElementKind::BoundaryEvent(boundary) = &definition.element(event).kind
                && let BoundaryTrigger::Timer(timer) = &boundary.trigger
            {
                let due = At::new(definition, self.instance, activity, self.now).attached(event).due(timer)?;
                self.put_job(activity, event, JobKind::Timer, due);
            }
        }
        Ok(())
    }

    /// What an activity waited for has happened; that wait is gone already. Its own lets it go on. One of another element is an event's:
    /// attached to the activity or, of an event-based gateway, behind it, which ends the gateway and all that it still waits for.
    pub(crate) fn trigger(&mut self, activity: ActivityId, element: ElementIndex) -> Result<(), Failure> {
        if element == self.instance.at(activity).element {
            return self.resume(activity);
        }
        let interrupting = match &self.definition.element(element).kind {
            ElementKind::BoundaryEvent(boundary) => boundary.interrupting,
            _ => true,
        };
        self.fire_boundary(activity, element, interrupting);
        Ok(())
    }

    /// A boundary timer has fired: an interrupting one cancels its activity, the other lets it go on; a token starts from the
    /// boundary event (BPMN 2.0, 13.5.3). The timer's own job is gone already.
    pub(crate) fn fire_boundary(&mut self, activity: ActivityId, event: ElementIndex, interrupting: bool) {
        let scope = self.instance.at(activity).scope();
        let lineage = self.unit.lineage(self.instance.id, activity);
        if interrupting {
            self.cancel(activity);
        }
        self.unit.agenda.push(Token { element: event, scope, by: None, lineage });
    }
}
