//! Delegates that are told that a user task is gone which nobody has completed (Camunda `TaskEntity.delete`).
//!
//! What cancels a task goes on within the step, so that a delegate cannot be waited for there. It is called when all is gone that goes with
//! the task, and before anything else moves. It is given what the task saw last; what it sets is set around what is gone. Its call hangs on
//! no wait: it sends no commands, which is for the host to see to.

use std::collections::BTreeMap;

use mandate_model::{ElementIndex, ListenerAction, ListenerEvent, ProcessDefinition};

use crate::EntryKey;
use crate::call::News;
use crate::effect::EndState;
use crate::elements::At;
use crate::error::Thrown;
use crate::ids::ActivityId;
use crate::input::{DelegateOutcome, Failure};
use crate::instance::{Activity, Instance};
use crate::listener::Occasion;
use crate::step::{Callee, Machine};
use crate::unit::LaterKind;
use crate::variable::Variables;

/// A delegate that is yet to be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Untold {
    /// The activity of the task.
    pub activity: ActivityId,
    pub element: ElementIndex,
    /// Which of the element's listeners calls it.
    pub listener: u32,
    pub entry: EntryKey,
    /// As they were when the task was there.
    pub fields: Vec<(String, String)>,
}

/// An activity that is gone.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Gone {
    /// What it was in.
    pub scope: ActivityId,
    pub element: ElementIndex,
    /// As they were when it went; before its own those of its task.
    pub variables: Variables,
}

/// Activities that are gone since the first of those tasks.
pub(crate) type AllGone = BTreeMap<ActivityId, Gone>;

/// How an instance ends when nobody is left to be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct InstanceEnd {
    /// What its caller is told.
    pub news: Option<News>,
    pub state: EndState,
    pub reason: Option<String>,
}

impl Untold {
    /// Whether the definition has its listener.
    pub(crate) fn fits(&self, definition: &ProcessDefinition) -> bool {
        let element = definition.elements.get(self.element.0 as usize);
        let listener = element.and_then(|element| element.listeners.get(self.listener as usize));
        listener.is_some_and(|listener| matches!(listener.does, ListenerAction::Delegate(_)))
    }
}

/// The nearest scope around an activity that is gone which is there.
fn around(instance: &Instance, gone: &AllGone, activity: ActivityId) -> ActivityId {
    let mut from = activity;
    while let Some(it) = gone.get(&from) {
        from = it.scope;
    }
    if instance.activity(from).is_some() { from } else { instance.root() }
}

impl Machine<'_> {
    /// A user task is about to be cancelled: its expressions for that are evaluated, and one that fails fails the unit. Of an instance that
    /// is deleted they are not: as they change nothing, they could only keep somebody from deleting it. Its delegates are noted, to be
    /// told.
    pub(crate) fn task_deleted(&mut self, activity: ActivityId) {
        let definition = self.definition;
        let (element, scope) = (self.instance.at(activity).element, self.instance.at(activity).parent);
        if !self.has_listeners_for(activity, ListenerEvent::Delete) || self.unit.skip_listeners {
            return;
        }
        let waits = self.instance.index.waits.get(&activity).into_iter().flatten();
        let Some(task) = waits.copied().find_map(|wait| self.instance.tasks.get(&wait)) else { return };
        let own = task.variables.clone();
        let is_deleted = self.ending.state == EndState::ExternallyTerminated;
        for (listener, number) in definition.element(element).listeners.iter().zip(0..) {
            match &listener.does {
                _ if listener.event != ListenerEvent::Delete => {}
                ListenerAction::Expression(_) if is_deleted => {}
                ListenerAction::Expression(expression) => {
                    let at = At::new(definition, self.instance, activity, self.moment).on(ListenerEvent::Delete);
                    self.failed = self.failed.take().or(at.evaluate(expression).err());
                }
                ListenerAction::Delegate(_) => match self.fields(activity, element, &listener.fields, Some(ListenerEvent::Delete)) {
                    Ok(fields) => {
                        let entry = self.listener_entry(activity, (element, None), &Occasion::Delete, number);
                        self.unit.untold.push_back(Untold { activity, element, listener: number, entry, fields });
                    }
                    Err(failure) => self.failed = self.failed.take().or(Some(failure)),
                },
            }
        }
        if let (false, Some(scope)) = (self.unit.untold.is_empty(), scope) {
            self.unit.gone.insert(activity, Gone { scope, element, variables: own });
        }
    }

    /// An activity has been taken out of the tree: those who are yet to be told of what was in it are told what it had.
    pub(crate) fn keep_gone(&mut self, activity: &Activity) {
        if self.unit.untold.is_empty() {
            return;
        }
        let gone = Gone { scope: activity.scope(), element: activity.element, variables: Variables::new() };
        let gone = self.unit.gone.entry(activity.id).or_insert(gone);
        for (name, value) in &activity.variables {
            gone.variables.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }

    /// Tells the next delegate, if one is to be told.
    pub(crate) fn tell_next(&mut self) -> Option<ElementIndex> {
        let Untold { activity, element, listener: number, entry, fields } = self.unit.untold.pop_front()?;
        let listener = &self.definition.element(element).listeners[number as usize];
        if let ListenerAction::Delegate(implementation) = &listener.does {
            let callee = Callee { implementation: implementation.clone(), fields };
            self.call(activity, element, entry, callee, Some((Occasion::Delete, number + 1)));
        }
        Some(element)
    }

    /// What an activity that is gone saw last, of what is still there as it is now.
    pub(crate) fn last_seen(&self, activity: ActivityId) -> Variables {
        let mut seen = self.instance.visible_variables(around(self.instance, &self.unit.gone, activity));
        let inward: Vec<_> = std::iter::successors(self.unit.gone.get(&activity), |gone| self.unit.gone.get(&gone.scope)).collect();
        for gone in inward.into_iter().rev() {
            seen.extend(gone.variables.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        seen
    }

    /// A delegate has been told of a task that is gone. What it sets there is gone, too; an error is caught by nobody (Camunda
    /// `TaskEntity.invokeListener`).
    pub(crate) fn told(&mut self, activity: ActivityId, outcome: DelegateOutcome) -> Result<(), Failure> {
        let element = self.unit.gone[&activity].element;
        let mut variables = match outcome {
            DelegateOutcome::Completed { variables } => variables,
            DelegateOutcome::BpmnError { code, message, variables } => {
                return Err(Thrown { code, message: Some(message), variables }.uncaught(element));
            }
        };
        let scope = around(self.instance, &self.unit.gone, activity);
        for gone in std::iter::successors(self.unit.gone.get(&activity), |gone| self.unit.gone.get(&gone.scope)) {
            variables.retain(|name, _| !gone.variables.contains_key(name));
        }
        if self.unit.untold.is_empty() {
            self.unit.gone.clear();
        }
        self.set_variables(scope, variables).map_err(|failure| failure.at(element))
    }

    /// Nothing is left in the instance, and nothing begins in it any more: it ends, as soon as all are told who are to be.
    pub(crate) fn end_when_told(&mut self, end: InstanceEnd) {
        if self.unit.untold.is_empty() {
            if let Some(news) = end.news {
                self.tell_caller(news);
            }
            return self.end_instance(end.state, end.reason);
        }
        self.drop_all();
        self.unit.do_later(LaterKind::EndInstance(Box::new(end)));
    }
}
