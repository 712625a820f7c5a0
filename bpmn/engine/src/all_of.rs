//! Events that are triggered when all of several things have happened: boundary events and start events of event sub-processes with
//! `parallelMultiple` (BPMN 2.0, 10.5.2 and 10.5.4: "all of the triggers are required"). Camunda 7 refuses them.
//!
//! Each thing is an element of its own, and what has happened is not waited for any more: so the event is triggered by the one that finds its activity
//! waiting for none of the others. That takes for granted that all are armed before the first can happen. An event with a condition, which is asked when the
//! activity begins, is therefore armed then, and not when the activity begins to wait.
//!
//! An event that does not interrupt collects anew when it has been triggered: the next message, signal and change that makes its condition true, each
//! under a new number, and the next date of a cycle, counted from then. A moment that has passed stays passed, so that a date or duration never
//! triggers it again by itself. What comes twice before all have happened counts once: a second message finds no wait.

use mandate_model::{ElementIndex, EventTrigger, ProcessDefinition, Timer};

use crate::elements::At;
use crate::ids::ActivityId;
use crate::input::Failure;
use crate::step::Machine;
use crate::wait::Awaited;

/// Whether it is an element of an event that wants all of several.
pub(crate) fn is_one_of_all(definition: &ProcessDefinition, event: ElementIndex) -> bool {
    !definition.element(event).all_of.is_empty()
}

/// Whether it is one beside a condition, which may hold before the activity waits.
pub(crate) fn stands_beside_condition(definition: &ProcessDefinition, event: ElementIndex) -> bool {
    definition.element(event).all_of.iter().any(|part| definition.element(*part).kind.is_conditional())
}

impl Machine<'_> {
    /// Whether an event is triggered when several have happened, and the activity waits for some of them.
    pub(crate) fn waits_for_others(&self, activity: ActivityId, event: ElementIndex) -> bool {
        let all = &self.definition.element(event).all_of;
        let waits = self.instance.index.waits.get(&activity).into_iter().flatten();
        let element = |wait| match self.instance.jobs.get(wait) {
            Some(job) => Some(job.element),
            None => self.instance.subscriptions.get(wait).map(|it| it.element),
        };
        !all.is_empty() && waits.filter_map(element).any(|it| all.contains(&it))
    }

    /// The event has been triggered, and its activity goes on: what is to happen before it is triggered again is waited for.
    pub(crate) fn collect_anew(&mut self, activity: ActivityId, event: ElementIndex) -> Result<(), Failure> {
        let definition = self.definition;
        for &part in &definition.element(event).all_of {
            match definition.element(part).kind.trigger() {
                Some((EventTrigger::Condition(_), _)) => self.put_subscription(activity, part, Awaited::condition()),
                Some((EventTrigger::Timer(Timer::Date(_) | Timer::Duration(_)), _)) => {}
                Some((EventTrigger::Timer(cycle), _)) => {
                    let alarm = At::new(definition, self.instance, activity, self.moment).attached(part).alarm(cycle)?;
                    // One that is over has no next date.
                    if alarm.cycle.is_some() {
                        self.put_timer(activity, part, crate::elements::Alarm { cycle: None, ..alarm })?;
                    }
                }
                _ => self.arm(activity, part)?,
            }
        }
        Ok(())
    }
}
