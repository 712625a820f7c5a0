//! Boundary timers: armed when an activity begins to wait, gone when it ends.

use mandate_model::{BoundaryTrigger, ElementIndex, ElementKind, ProcessDefinition};

use crate::effect::JobKind;
use crate::elements::At;
use crate::ids::ActivityId;
use crate::input::Failure;
use crate::instance::{Activity, Role};
use crate::step::Machine;
use crate::unit::Token;

/// The boundary events of an activity instance. Those of a multi-instance activity belong to its body and watch all instances together.
pub(crate) fn attached<'a>(definition: &'a ProcessDefinition, activity: &Activity) -> &'a [ElementIndex] {
    match activity.role {
        Role::Inner { .. } | Role::Result { .. } => &[],
        Role::Element | Role::Body(_) => &definition.element(activity.element).boundary_events,
    }
}

impl Machine<'_> {
    /// Arms the timers on an activity that is about to wait. As in Camunda 7 a synchronous delegate never sees one: it has no
    /// wait state in which a timer could become due.
    pub(crate) fn arm_boundary_timers(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let definition = self.definition;
        for &event in attached(definition, self.instance.at(activity)) {
            if let ElementKind::BoundaryEvent(boundary) = &definition.element(event).kind
                && let BoundaryTrigger::Timer(timer) = &boundary.trigger
            {
                let due = At::new(definition, self.instance, activity, self.now).attached(event).due(timer)?;
                self.put_job(activity, event, JobKind::Timer, due);
            }
        }
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
