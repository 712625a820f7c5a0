//! Events that are triggered when all of several things have happened: boundary events and start events of event sub-processes with
//! `parallelMultiple` (BPMN 2.0, 10.5.2 and 10.5.4: "all of the triggers are required"). Camunda 7 refuses them.
//!
//! Each thing is an element of its own, a *part* of the event. What has happened of an event is kept with the activity that it belongs to,
//! and is not waited for any more; the part that happens last triggers the event. What comes twice before counts once: a second message
//! finds no wait.
//!
//! An event that does not interrupt collects anew when it has been triggered: messages and signals of the same names and keys, the next
//! change that makes its condition true, and the next date of a cycle, each under a new number. A moment that has passed stays passed, so
//! that a date or duration never triggers it again by itself; a cycle that is over never happens again.
//!
//! An escalation that is thrown inside counts like a message: what throws it goes on, unless it triggers an event that interrupts. It is
//! not caught here when something that the event wants is not waited for any more, because the scope was interrupted. An error ends what
//! throws it, and can't wait for others: it is caught as the last of all, and otherwise goes outward. One of a called process is none of
//! all: where it is thrown nobody knows what has happened here.

use mandate_model::{ElementIndex, EventTrigger, ProcessDefinition};

use crate::effect::{JobKind, SubscriptionKind};
use crate::elements::{Alarm, following};
use crate::ids::{ActivityId, WaitId};
use crate::instance::Instance;
use crate::step::Machine;
use crate::wait::Awaited;

/// What has become of a part of an event. Of one that is waited for, or thrown inside, for the first time nothing is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// It has happened.
    Happened(Again),
    /// It has happened for an earlier time at which the event was triggered, and not since.
    Expected,
}

/// What is waited for when the event collects anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Again {
    /// The same message, signal or condition.
    Event(Awaited),
    /// The next date of a cycle, of which one has been.
    Date { cycle: String, fired: i64, priority: i64 },
    /// Nothing: it is thrown inside.
    Thrown,
    /// Nothing: it stays happened.
    Passed,
}

/// Whether it is an element of an event that wants all of several.
pub(crate) fn is_one_of_all(definition: &ProcessDefinition, event: ElementIndex) -> bool {
    !definition.element(event).all_of.is_empty()
}

/// Whether an event is triggered if this happens to its activity now: it is the last of all, or the only thing.
pub(crate) fn is_last(definition: &ProcessDefinition, instance: &Instance, activity: ActivityId, event: ElementIndex) -> bool {
    let parts = &instance.at(activity).parts;
    let has_happened = |part: &ElementIndex| matches!(parts.get(part), Some(Part::Happened(_)));
    definition.element(event).all_of.iter().all(|part| *part == event || has_happened(part))
}

/// Whether an event catches what is thrown inside now.
pub(crate) fn catches_now(definition: &ProcessDefinition, instance: &Instance, activity: ActivityId, event: ElementIndex) -> bool {
    let trigger = |event: ElementIndex| definition.element(event).kind.trigger().map(|(trigger, _)| trigger);
    if !matches!(trigger(event), Some(EventTrigger::Escalation(_))) {
        return is_last(definition, instance, activity, event);
    }
    let may_happen = |part: &ElementIndex| {
        matches!(instance.at(activity).parts.get(part), Some(Part::Happened(_)))
            || matches!(trigger(*part), Some(EventTrigger::Error(_) | EventTrigger::Escalation(_)))
            || wait_of(instance, activity, *part).is_some()
    };
    definition.element(event).all_of.iter().all(may_happen)
}

/// The wait of an activity for an event of its.
fn wait_of(instance: &Instance, activity: ActivityId, event: ElementIndex) -> Option<WaitId> {
    let element = |wait: &WaitId| match instance.jobs.get(wait) {
        Some(job) => Some(job.element).filter(|_| job.kind == JobKind::Timer),
        None => instance.subscriptions.get(wait).map(|it| it.element),
    };
    instance.index.waits.get(&activity)?.iter().find(|wait| element(wait) == Some(event)).copied()
}

impl Machine<'_> {
    /// An event's trigger has happened: whether the event is triggered by it. One of all is remembered, and its wait is over.
    pub(crate) fn completes(&mut self, activity: ActivityId, event: ElementIndex) -> bool {
        if !is_one_of_all(self.definition, event) {
            return true;
        }
        if !matches!(self.instance.at(activity).parts.get(&event), Some(Part::Happened(_))) {
            let again = self.again(activity, event);
            self.instance.set_part(activity, event, Part::Happened(again));
        }
        is_last(self.definition, self.instance, activity, event)
    }

    /// Ends the wait for a part, and says what it was.
    fn again(&mut self, activity: ActivityId, part: ElementIndex) -> Again {
        let Some(wait) = wait_of(self.instance, activity, part) else { return Again::Thrown };
        let again = match (self.instance.jobs.get(&wait), self.instance.subscriptions.get(&wait)) {
            (Some(job), _) => match &job.cycle {
                Some(cycle) => Again::Date { cycle: cycle.clone(), fired: job.due, priority: job.priority },
                None => Again::Passed,
            },
            (None, Some(subscription)) => Again::Event(Awaited::again(subscription)),
            (None, None) => Again::Thrown,
        };
        self.remove_wait(activity, wait);
        again
    }

    /// The event has been triggered, and its activity goes on: what is to happen before it is triggered again is waited for.
    pub(crate) fn collect_anew(&mut self, activity: ActivityId, event: ElementIndex) {
        let definition = self.definition;
        for &part in &definition.element(event).all_of {
            let Some(Part::Happened(again)) = self.instance.at(activity).parts.get(&part).cloned() else { continue };
            match again {
                Again::Passed => continue,
                Again::Thrown => {}
                Again::Event(awaited) => self.put_subscription(activity, part, awaited),
                Again::Date { cycle, fired, priority } => {
                    if let Some(due) = following(&cycle, fired, self.now) {
                        self.put_new_job(activity, part, JobKind::Timer, Alarm { due, cycle: Some(cycle) }, priority);
                    }
                }
            }
            self.instance.set_part(activity, part, Part::Expected);
        }
    }

    /// Whether somebody should be asked for a condition when an instance goes on that was suspended: if it interrupts, or is one of all
    /// that has not happened yet. One that has happened before may hold since then.
    pub(crate) fn is_asked_after_suspension(&self, wait: WaitId) -> bool {
        let subscription = &self.instance.subscriptions[&wait];
        debug_assert!(subscription.kind == SubscriptionKind::Condition, "only these are asked for");
        let (activity, event) = (subscription.activity, subscription.element);
        let happens_first = || is_one_of_all(self.definition, event) && !self.instance.at(activity).parts.contains_key(&event);
        self.interrupts(event) || happens_first()
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod thrown;
