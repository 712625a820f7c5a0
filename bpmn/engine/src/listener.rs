//! Listeners: what the model wants done when something begins, is taken, ends, or happens to a user task (Camunda's
//! `camunda:executionListener` and `camunda:taskListener`).
//!
//! Start listeners come after the input mapping; end listeners after the flows are chosen and before the output mapping (Camunda
//! `PvmExecutionImpl.enterActivityInstance`, `ExecutionEntity.destroy`). Of a multi-instance activity each instance has them, and not the
//! body. What is cancelled, or throws what is caught, ends without its end listeners; of a user task that is cancelled `gone.rs` tells.
//!
//! A delegate is called inside the unit of work like a service task's; what it returns is set as Camunda's `execution.setVariable` does.
//! While it is called, the unit remembers the occasion and which listener is next.

#[cfg(test)]
mod changes;
#[cfg(test)]
mod deletions;
pub(crate) mod gone;
#[cfg(test)]
mod job_types;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod timeouts;

use mandate_model::{ElementIndex, FlowIndex, Listener, ListenerAction, ListenerEvent, ProcessDefinition, ROOT};

use crate::Code;
use crate::EntryKey;
use crate::effect::JobKind;
use crate::elements::At;
use crate::error::Thrown;
use crate::ids::ActivityId;
use crate::input::{DelegateOutcome, Failure};
use crate::instance::{Activity, Instance, Role};
use crate::step::{Callee, Machine};
use crate::unit::{LaterKind, Token};

use mandate_model::ListenerEvent::{Assignment, Complete, Create, Delete, End, Start, Take, Timeout, Update};

/// On what occasion listeners are called, with what goes on when all of them have been.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Occasion {
    /// The process begins, with this token.
    ProcessStart(Token),
    /// The process begins where its start was deferred: at this activity.
    DeferredStart(ActivityId),
    /// The process begins at the instructions of a modification.
    ProcessStartInside,
    /// An activity begins.
    Start,
    /// An activity is left by these flows.
    End(Vec<FlowIndex>),
    /// Nothing is left in the process.
    ProcessEnd,
    /// A token takes the flow by which it comes.
    Take(Token),
    /// A user task is there, with an assignee or without.
    Create {
        /// It has one.
        assigned: bool,
    },
    /// Something of it was changed, its assignee or something else.
    Update {
        /// It has another assignee.
        reassigned: bool,
    },
    /// It has got an assignee, or another one.
    Assignment,
    /// A user task is completed.
    Complete,
    /// It is gone, and nobody has completed it.
    Delete,
    /// One of its timers has fired, which this listener is for.
    Timeout {
        /// Which of the task's.
        listener: u32,
    },
}

impl Occasion {
    /// By which name models listen for it.
    pub(crate) fn event(&self) -> ListenerEvent {
        match self {
            Self::ProcessStart(_) | Self::DeferredStart(_) | Self::ProcessStartInside | Self::Start => Start,
            Self::End(_) | Self::ProcessEnd => End,
            Self::Take(_) => Take,
            Self::Create { .. } => Create,
            Self::Update { .. } => Update,
            Self::Assignment => Assignment,
            Self::Complete => Complete,
            Self::Delete => Delete,
            Self::Timeout { .. } => Timeout,
        }
    }

    /// Whether it calls this listener, which is one of the element's or flow's with that number.
    fn calls(&self, listener: &Listener, number: u32) -> bool {
        match self {
            Self::Timeout { listener } => *listener == number,
            other => listener.event == other.event(),
        }
    }

    /// Of which element, and which flow of it, the listeners are.
    fn place(&self, definition: &ProcessDefinition, activity: &Activity) -> (ElementIndex, Option<FlowIndex>) {
        match self {
            Self::Take(Token { by: Some(flow), .. }) => (definition.flow(*flow).source, Some(*flow)),
            _ => (activity.element, None),
        }
    }

    /// Whether everything it names is there.
    pub(crate) fn fits(&self, definition: &ProcessDefinition, instance: &Instance) -> bool {
        let element = |index: ElementIndex| (index.0 as usize) < definition.elements.len();
        let flow = |index: FlowIndex| (index.0 as usize) < definition.flows.len();
        match self {
            Self::ProcessStart(token) | Self::Take(token) => element(token.element) && token.by.is_none_or(flow),
            Self::DeferredStart(activity) => instance.activity(*activity).is_some(),
            Self::End(flows) => flows.iter().all(|it| flow(*it)),
            Self::Start
            | Self::ProcessEnd
            | Self::ProcessStartInside
            | Self::Create { .. }
            | Self::Update { .. }
            | Self::Assignment
            | Self::Complete
            | Self::Delete
            | Self::Timeout { .. } => true,
        }
    }
}

/// The listeners of an element or flow that an activity instance calls.
fn listeners<'a>(definition: &'a ProcessDefinition, activity: &Activity, place: (ElementIndex, Option<FlowIndex>)) -> &'a [Listener] {
    match (place, activity.role) {
        ((_, Some(flow)), _) => &definition.flow(flow).listeners,
        (_, Role::Body(_)) => &[],
        ((element, None), _) => &definition.element(element).listeners,
    }
}

impl Machine<'_> {
    /// Calls the listeners of an occasion, then goes on. `activity` is whose variables they see and set: for a flow, the scope around it.
    pub(crate) fn notify(&mut self, activity: ActivityId, occasion: Occasion) -> Result<(), Failure> {
        self.notify_from(activity, occasion, 0)
    }

    /// Whether the process itself has something to do when it begins.
    pub(crate) fn has_start_listeners(&self) -> bool {
        self.definition.element(ROOT).listeners.iter().any(|listener| listener.event == Start)
    }

    /// Whether an activity's element has a listener for this.
    pub(crate) fn has_listeners_for(&self, activity: ActivityId, event: ListenerEvent) -> bool {
        let element = self.definition.element(self.instance.at(activity).element);
        element.listeners.iter().any(|listener| listener.event == event)
    }

    /// Sets the timers of a user task's listeners, before the task is there (Camunda `ExecutionEntity.initializeTimerDeclarations`). They
    /// interrupt nothing, fire again if they say so, and are gone with the task.
    pub(crate) fn arm_timeouts(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let definition = self.definition;
        let element = self.instance.at(activity).element;
        let place = (element, None);
        for (listener, number) in listeners(definition, self.instance.at(activity), place).iter().zip(0..) {
            let Some(timer) = &listener.timer else { continue };
            let alarm = At::new(definition, self.instance, activity, self.moment).alarm(timer)?;
            let priority = self.priority(activity, element)?;
            self.put_new_job(activity, element, JobKind::Timeout { listener: number }, alarm, priority);
        }
        Ok(())
    }

    /// A delegate that a listener has called for answers.
    pub(crate) fn listener_returned(
        &mut self,
        activity: ActivityId,
        occasion: Occasion,
        next: u32,
        outcome: DelegateOutcome,
    ) -> Result<(), Failure> {
        if occasion == Occasion::Delete {
            return self.told(activity, outcome);
        }
        match outcome {
            DelegateOutcome::Completed { variables } => {
                let element = occasion.place(self.definition, self.instance.at(activity)).0;
                let set = self.set_variables(activity, variables);
                set.map_err(|failure| failure.at(element))?;
                self.notify_from(activity, occasion, next)
            }
            DelegateOutcome::BpmnError { code, message, variables } => {
                let thrown = Thrown { code, message: Some(message), variables };
                match occasion {
                    // The scope around the flow is active; everything else begins or ends.
                    Occasion::Take(_) => self.throw_from_delegate(activity, thrown),
                    _ => self.throw_at_edge(activity, thrown),
                }
            }
        }
    }

    fn notify_from(&mut self, activity: ActivityId, occasion: Occasion, next: u32) -> Result<(), Failure> {
        let definition = self.definition;
        if self.unit.skip_listeners {
            return self.go_on(activity, occasion);
        }
        let place = occasion.place(definition, self.instance.at(activity));
        let all = listeners(definition, self.instance.at(activity), place);
        for (listener, number) in all.iter().zip(0..).skip(next as usize).filter(|(listener, number)| occasion.calls(listener, *number)) {
            match &listener.does {
                ListenerAction::Expression(expression) => {
                    let at = At::new(definition, self.instance, activity, self.moment).attached(place.0).on(occasion.event());
                    at.evaluate(expression)?;
                }
                ListenerAction::Delegate(implementation) => {
                    let fields = self.fields(activity, place.0, &listener.fields, Some(occasion.event()))?;
                    let callee = Callee { implementation: implementation.clone(), fields };
                    return self.call_listener(activity, place, callee, (occasion, number + 1));
                }
            }
        }
        self.go_on(activity, occasion)
    }

    fn go_on(&mut self, activity: ActivityId, occasion: Occasion) -> Result<(), Failure> {
        match occasion {
            Occasion::ProcessStart(token) => {
                self.begin_beside(token.element);
                self.unit.agenda.push(token);
                self.ask_event_sub_processes(activity)
            }
            Occasion::DeferredStart(start) => {
                self.begin_beside(self.instance.at(start).element);
                self.unit.do_later(LaterKind::Begin(start));
                self.ask_event_sub_processes(activity)
            }
            Occasion::Start => self.begun(activity),
            Occasion::End(flows) => self.leave_by(activity, flows),
            Occasion::ProcessEnd => {
                self.complete_instance();
                Ok(())
            }
            // What the listeners have changed is told to conditional events before anything else moves.
            Occasion::Take(token) if self.unit.changes.is_empty() => self.enter(token),
            Occasion::Take(token) => {
                self.unit.agenda.push(Token { taken: true, ..token });
                Ok(())
            }
            Occasion::ProcessStartInside => self.ask_event_sub_processes(activity),
            Occasion::Create { assigned: true } | Occasion::Update { reassigned: true } => self.notify(activity, Occasion::Assignment),
            Occasion::Create { .. } | Occasion::Update { .. } | Occasion::Assignment | Occasion::Delete | Occasion::Timeout { .. } => {
                Ok(())
            }
            Occasion::Complete => {
                let waits = self.instance.index.waits.get(&activity).into_iter().flatten();
                if let Some(task) = waits.copied().find(|wait| self.instance.tasks.contains_key(wait)) {
                    self.remove_wait(activity, task);
                }
                self.resume(activity)
            }
        }
    }

    /// The variables and the answer of a listener's delegate are those of the activity; its key counts beside that of the task itself.
    fn call_listener(
        &mut self,
        activity: ActivityId,
        (element, flow): (ElementIndex, Option<FlowIndex>),
        callee: Callee,
        listener: (Occasion, u32),
    ) -> Result<(), Failure> {
        // Its commands would have no wait to hang on, and the listener none to come back to.
        if self.unit.defers {
            let message = "a listener's delegate would be called here, in a unit of work that is deferred for it or for other delegates with commands";
            return Err(Failure::never(Code::ModificationRefused, element, message.to_owned()));
        }
        let entry = self.listener_entry(activity, (element, flow), &listener.0, listener.1);
        self.call(activity, element, entry, callee, Some(listener));
        Ok(())
    }

    /// The key of a listener's call.
    fn listener_entry(
        &mut self,
        activity: ActivityId,
        (element, flow): (ElementIndex, Option<FlowIndex>),
        occasion: &Occasion,
        number: u32,
    ) -> EntryKey {
        let id = flow.map_or(&self.definition.element(element).id, |flow| &self.definition.flow(flow).id);
        let id = format!("{id}/{}/{number}", occasion.event().as_str());
        let lineage = match occasion {
            Occasion::Take(token) | Occasion::ProcessStart(token) => token.lineage,
            _ => self.unit.lineage(self.instance.id, activity),
        };
        let nth = self.unit.count(lineage, element);
        lineage.entry(self.instance.id, self.unit.origin, &id, nth)
    }
}
