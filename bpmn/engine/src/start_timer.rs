//! The timer start events of a process (BPMN 2.0, 10.5.2): they wait without an instance, and each of their dates begins one.

use mandate_model::{ElementIndex, ElementKind, ProcessDefinition, ROOT, RetryCycle, StartTrigger};
use uuid::Uuid;

use crate::elements::{Alarm, At, following};
use crate::ids::{InstanceId, WaitId};
use crate::input::Failure;
use crate::instance::{Instance, NewInstance};
use crate::retry;

/// A timer start event that waits for its next date. What the engine decides of it; the host keeps it in a row, for it has no instance.
///
/// Opened when its definition is deployed, and closed by the next version. When it has come, the host begins an instance at `element` and
/// puts [`next`](Self::next) in its place, in one transaction; if the start fails, [`failed`](Self::failed) says what takes its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartTimer {
    /// The start event.
    pub element: ElementIndex,
    /// When it fires, in milliseconds since 1970.
    pub due: i64,
    /// When it fires again: the text of a [`Cycle`](mandate_model::time::Cycle).
    pub cycle: Option<String>,
    /// Attempts left; 0 waits for an operator.
    pub retries: u32,
    /// The higher, the sooner a host takes it.
    pub priority: i64,
    /// Failed attempts so far.
    pub failures: u32,
    /// The last failure's message.
    pub failure: Option<String>,
}

impl StartTimer {
    /// The timer start events of a process, as they are when it is deployed; of one that cannot be set, why. There are no variables yet: an
    /// expression that needs some fails.
    pub fn open(definition: &ProcessDefinition, now: i64) -> Vec<Result<Self, Failure>> {
        let nobody =
            Instance::new(NewInstance { id: InstanceId(Uuid::nil()), business_key: None, tenant: None, traceparent: None, caller: None });
        let mut timers = Vec::new();
        for (element, it) in definition.iter().filter(|(_, it)| it.parent == Some(ROOT)) {
            if let ElementKind::StartEvent(StartTrigger::Timer(timer)) = &it.kind {
                let at = At::new(definition, &nobody, nobody.root(), now).attached(element);
                let set = |alarm| Ok(Self::set(definition, element, alarm, at.job_priority()?));
                timers.push(at.alarm(timer).and_then(set));
            }
        }
        timers
    }

    fn set(definition: &ProcessDefinition, element: ElementIndex, Alarm { due, cycle }: Alarm, priority: i64) -> Self {
        let retries = retry::attempts(definition.element(element).retries.as_ref().and_then(RetryCycle::fixed));
        Self { element, due, cycle, retries, priority, failures: 0, failure: None }
    }

    /// What waits once it has fired, if it fires again.
    pub fn next(&self, definition: &ProcessDefinition, now: i64) -> Option<Self> {
        let cycle = self.cycle.as_ref()?;
        let due = following(cycle, self.due, now)?;
        Some(Self::set(definition, self.element, Alarm { due, cycle: Some(cycle.clone()) }, self.priority))
    }

    /// What waits after its start has failed: it with a retry less, as any job; and with its first failure what fires for the next date, so
    /// that no failure ends a cycle. `id` and `firing` name it among others, for its pauses to differ from theirs.
    #[must_use]
    pub fn failed(&self, definition: &ProcessDefinition, id: Uuid, firing: u64, failure: &Failure, now: i64) -> (Self, Option<Self>) {
        let mut failed =
            Self { cycle: None, failures: self.failures.saturating_add(1), failure: Some(failure.message.clone()), ..self.clone() };
        let policy = definition.element(self.element).retries.as_ref().and_then(RetryCycle::fixed);
        let spent = retry::spend(policy, self.retries, (InstanceId(id), WaitId(firing)), failed.failures, failure);
        failed.retries = spent.retries;
        if failed.retries > 0 {
            failed.due = self.due.max(now.saturating_add(spent.pause_ms));
        }
        (failed, self.next(definition, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;
    use crate::input::Retry;
    use crate::testing::parse;

    fn process(timer: &str) -> ProcessDefinition {
        let retries = "<extensionElements><camunda:failedJobRetryTimeCycle>R2/PT1M</camunda:failedJobRetryTimeCycle></extensionElements>";
        parse(&format!(
            "<startEvent id='s'/><startEvent id='t'>{retries}<timerEventDefinition>{timer}</timerEventDefinition></startEvent><task id='a'/>{{s>a}}{{t>a}}"
        ))
    }

    fn open(timer: &str, now: i64) -> (ProcessDefinition, StartTimer) {
        let definition = process(timer);
        let mut timers = StartTimer::open(&definition, now);
        assert_eq!(timers.len(), 1);
        (definition, timers.remove(0).unwrap())
    }

    #[test]
    fn fires_once_for_a_date_or_duration() {
        let (definition, date) = open("<timeDate>1970-01-01T00:01:00Z</timeDate>", 5);
        assert_eq!((date.due, date.next(&definition, 60_000)), (60_000, None));
        let (definition, duration) = open("<timeDuration>PT1M</timeDuration>", 5);
        assert_eq!((duration.due, duration.next(&definition, 60_005)), (60_005, None));
    }

    #[test]
    fn fires_for_each_date_of_a_cycle_and_makes_up_for_none() {
        let (definition, first) = open("<timeCycle>R3/PT1M</timeCycle>", 0);
        assert_eq!(first.due, 60_000);
        assert_eq!(first.next(&definition, 10).unwrap().due, 120_000, "an operator was early");
        assert_eq!(first.next(&definition, 150_000).unwrap().due, 180_000, "the host was away");
        assert_eq!(first.next(&definition, 180_000), None);
    }

    #[test]
    fn failure_spends_a_retry_and_leaves_the_cycle_alone() {
        let (definition, first) = open("<timeCycle>0 * * * * *</timeCycle>", 0);
        let failure = Failure::of_unit(Code::DelegateFailed, "it broke".into(), Retry::ByPolicy);
        let (failed, next) = first.failed(&definition, Uuid::nil(), 1, &failure, 60_007);
        assert_eq!((failed.due, failed.retries, failed.failures, failed.failure.as_deref()), (120_007, 1, 1, Some("it broke")));
        assert_eq!(next.as_ref().map(|next| (next.due, next.retries, next.failures)), Some((120_000, 2, 0)));
        let (given_up, none) = failed.failed(&definition, Uuid::nil(), 1, &failure, 120_007);
        assert_eq!((given_up.retries, given_up.failures, none), (0, 2, None));
    }

    #[test]
    fn what_needs_variables_cannot_be_set() {
        let failure = StartTimer::open(&process("<timeDuration>${pause}</timeDuration>"), 0).remove(0).unwrap_err();
        assert!(failure.message.contains("pause"), "{}", failure.message);
    }

    #[test]
    fn one_that_cannot_be_set_stops_no_other() {
        let timer = |id: &str, date: &str| {
            format!("<startEvent id='{id}'><timerEventDefinition><timeDuration>{date}</timeDuration></timerEventDefinition></startEvent>")
        };
        let timers = [timer("t", "PT1M"), timer("u", "${pause}"), timer("v", "PT2M")].concat();
        let definition = parse(&format!("{timers}<task id='a'/>{{t>a}}{{u>a}}{{v>a}}"));
        let opened = StartTimer::open(&definition, 0);
        let opened: Vec<_> = opened.iter().map(|timer| timer.as_ref().map(|it| it.due).map_err(|failure| failure.element)).collect();
        assert_eq!(opened, [Ok(60_000), Err(definition.find("u")), Ok(120_000)]);
    }
}
