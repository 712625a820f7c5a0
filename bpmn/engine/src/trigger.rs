//! Events that are triggered from outside of the flow: boundary events, armed while their activity waits, and the start events of event
//! sub-processes, armed while the scope around them is active (BPMN 2.0, 13.5.3 and 13.5.4).
//!
//! Both belong to an activity instance: the one they are attached to, or the scope they watch. Their timers and subscriptions are waits of that
//! activity under the event's element, and gone with it.

use mandate_model::{ElementIndex, ElementKind, EventTrigger, ProcessDefinition};

use crate::effect::JobKind;
use crate::elements::At;
use crate::ids::{ActivityId, WaitId};
use crate::input::Failure;
use crate::instance::Instance;
use crate::lineage::Lineage;
use crate::step::Machine;
use crate::unit::Token;
use crate::variable::Variables;

impl Machine<'_> {
    /// Arms the boundary events of an activity that is about to wait. As in Camunda 7 a synchronous delegate never sees one: it has no
    /// wait state in which a timer could become due or a message arrive.
    pub(crate) fn arm_boundary_events(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let definition = self.definition;
        let host = definition.element(self.instance.at(activity).element);
        host.boundary_events.iter().try_for_each(|event| self.arm(activity, *event))
    }

    /// Arms the event sub-processes of a scope that begins, before its first token moves (Camunda `ExecutionEntity.initialize`).
    pub(crate) fn arm_event_sub_processes(&mut self, scope: ActivityId) -> Result<(), Failure> {
        let definition = self.definition;
        let starts = definition.element(self.instance.at(scope).element).kind.scope().map(|scope| &scope.event_starts);
        starts.into_iter().flatten().try_for_each(|event| self.arm(scope, *event))
    }

    fn arm(&mut self, activity: ActivityId, event: ElementIndex) -> Result<(), Failure> {
        let definition = self.definition;
        let at = At::new(definition, self.instance, activity, self.now).attached(event);
        match definition.element(event).kind.trigger() {
            Some((EventTrigger::Timer(timer), _)) => {
                let due = at.due(timer)?;
                self.put_job(activity, event, JobKind::Timer, due);
            }
            Some((EventTrigger::Message(message), _)) => {
                let name = at.message_name(message)?;
                self.put_subscription(activity, event, name);
            }
            // What is thrown inside comes by itself.
            Some((EventTrigger::Error(_) | EventTrigger::Escalation(_), _)) | None => {}
        }
        Ok(())
    }

    /// A message has arrived: its activity goes on, or it triggers an event. One that does not interrupt waits for the next message, under
    /// another number: the same delivery, should it come again, finds no wait.
    pub(crate) fn receive(&mut self, wait: WaitId, variables: Variables) -> Result<(), Failure> {
        let subscription = self.instance.subscriptions[&wait].clone();
        let (activity, event) = (subscription.activity, subscription.element);
        self.remove_wait(activity, wait);
        if event == self.instance.at(activity).element {
            self.deliver(activity, variables)?;
            return self.resume(activity);
        }
        if !self.interrupts(event) {
            self.put_subscription(activity, event, subscription.message.clone());
        }
        self.trigger(activity, event, variables)
    }

    /// An event of an activity is triggered; its own wait is gone already.
    pub(crate) fn trigger(&mut self, activity: ActivityId, event: ElementIndex, variables: Variables) -> Result<(), Failure> {
        let lineage = self.unit.lineage(self.instance.id, activity);
        self.trigger_as(activity, event, lineage, variables)
    }

    /// An interrupting event cancels its activity, or everything inside the scope around its event sub-process; the other lets them go on.
    /// A token begins at the boundary event or enters the event sub-process, and sees the variables that came along.
    ///
    /// With the interruption of a scope the triggers of its event sub-processes are gone. What is attached to the scope from outside stays:
    /// its deadline is not met by the handling.
    pub(crate) fn trigger_as(
        &mut self,
        activity: ActivityId,
        event: ElementIndex,
        lineage: Lineage,
        variables: Variables,
    ) -> Result<(), Failure> {
        let interrupting = self.interrupts(event);
        let scope = scope_behind(self.definition, self.instance, activity, event);
        let target = if scope == activity {
            if interrupting {
                self.cancel_children(scope);
                self.disarm_event_sub_processes(scope);
            }
            self.definition.element(event).parent.expect("a start event stands in its event sub-process")
        } else {
            if interrupting {
                self.cancel(activity);
            }
            event
        };
        self.unit.agenda.push(Token { element: target, scope, by: None, lineage });
        let set = self.set_variables(scope, variables);
        set.map_err(|failure| Failure { element: Some(event), ..failure })
    }

    /// Whether an event ends what its activity does: it does unless the model says otherwise.
    fn interrupts(&self, event: ElementIndex) -> bool {
        self.definition.element(event).kind.trigger().is_none_or(|(_, interrupting)| interrupting)
    }

    fn disarm_event_sub_processes(&mut self, scope: ActivityId) {
        let waits: Vec<_> = self.instance.index.waits.get(&scope).into_iter().flatten().copied().collect();
        for wait in waits {
            let of_job = self.instance.jobs.get(&wait).map(|job| job.element);
            let element = of_job.or_else(|| self.instance.subscriptions.get(&wait).map(|it| it.element));
            if element.is_some_and(|it| matches!(self.definition.element(it).kind, ElementKind::EventSubProcessStart(_))) {
                self.remove_wait(scope, wait);
            }
        }
    }

    /// Who catches what is thrown somewhere: from the inside out the event sub-processes of a scope, then the boundary events on it; of each
    /// one for the code before one for all codes, whatever their order (BPMN 2.0, 10.5.6; Camunda `ErrorDeclarationForProcessInstanceFinder`).
    /// What is thrown inside an event sub-process does not begin it again. `catches` tells for which code a trigger is: some, or all; none if it
    /// waits for something else.
    pub(crate) fn catcher(
        &self,
        from: ActivityId,
        code: Option<&str>,
        catches: fn(&EventTrigger) -> Option<Option<&str>>,
    ) -> Option<(ActivityId, ElementIndex)> {
        let mut came_from = None;
        for activity in self.instance.outward(from) {
            let element = self.definition.element(activity.element);
            let starts = element.kind.scope().into_iter().flat_map(|scope| &scope.event_starts);
            let starts: Vec<_> = starts.copied().filter(|start| self.definition.element(*start).parent != came_from).collect();
            for events in [&starts, &element.boundary_events] {
                let catching =
                    |event: &ElementIndex| self.definition.element(*event).kind.trigger().and_then(|(trigger, _)| catches(trigger));
                let find = |wanted: Option<&str>| events.iter().copied().find(|event| catching(event) == Some(wanted));
                if let Some(event) = code.and_then(|_| find(code)).or_else(|| find(None)) {
                    return Some((activity.id, event));
                }
            }
            came_from = Some(activity.element);
        }
        None
    }
}

/// The scope in which goes on what an event of an activity begins: an event sub-process runs inside of the activity, a boundary event's path
/// beside it.
pub(crate) fn scope_behind(definition: &ProcessDefinition, instance: &Instance, activity: ActivityId, event: ElementIndex) -> ActivityId {
    match definition.element(event).kind {
        ElementKind::EventSubProcessStart(_) => activity,
        _ => instance.at(activity).scope(),
    }
}
