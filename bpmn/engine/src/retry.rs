//! Jobs and external tasks that fail, are retried, and become incidents.
//!
//! An incident lives as in Camunda 7 (`JobEntity.setRetries`, `ExternalTaskEntity.setRetriesAndManageIncidents`): one is open from the
//! moment when no retries are left until there are new ones or what failed is done, when it is resolved, or until that is cancelled, when
//! it is deleted. What fails again meanwhile, because an operator executes it or its worker reports once more, has the incident that it
//! has; other than in Camunda 7 that says what failed last, since it is what tells an operator whether a retry is safe.

use std::borrow::Cow;
use std::sync::Arc;

use mandate_model::{ElementIndex, ProcessDefinition, RetryCycle, RetryPolicy};

use crate::Code;
use crate::all_of::is_one_of_all;
use crate::effect::{Effect, Incident, Job, JobKind};
use crate::elements::{Alarm, At, following};
use crate::ids::{IncidentId, InstanceId, WaitId};
use crate::input::{Failure, Retry};
use crate::instance::Phase;
use crate::limits::{DEFAULT_ATTEMPTS, DEFAULT_FIRST_WAIT_MS, DEFAULT_JITTER_PERCENT, MAX_ADVISED_WAIT_MS};
use crate::lineage::digest;
use crate::listener::Occasion;
use crate::multi_instance::Continuation;
use crate::step::Machine;
use crate::variable::Variables;

impl Failure {
    /// A failure that is tried again as the job's element says: something may have changed until then, and in Camunda 7 every exception is.
    pub(crate) fn by_policy(code: Code, element: ElementIndex, message: String) -> Self {
        Self { code, message, element: Some(element), retry: Retry::ByPolicy }
    }

    /// A failure that no retry can help, or that is too expensive to run into again: a bound that Camunda 7 does not have, or the answer of
    /// somebody who would only be asked again.
    pub(crate) fn never(code: Code, element: ElementIndex, message: String) -> Self {
        Self { code, message, element: Some(element), retry: Retry::Never }
    }

    /// A failure of a unit of work, and of no element in particular.
    pub fn of_unit(code: Code, message: String, retry: Retry) -> Self {
        Self { code, message, element: None, retry }
    }

    /// The same at this element.
    pub fn at(self, element: ElementIndex) -> Self {
        Self { element: Some(element), ..self }
    }
}

impl Machine<'_> {
    /// A job's turn: it is done, and its activity goes on. A unit that fails later is thrown away with this.
    pub(crate) fn run_job(&mut self, wait: WaitId) -> Result<(), Failure> {
        let job = self.instance.jobs[&wait].clone();
        self.unit.attempt = job.failures.saturating_add(1);
        self.unit.retries_left = job.retries.saturating_sub(1);
        self.resolve_incident_of(wait);
        // Of a part of an event the wait says how it is waited for again.
        let is_part = job.kind == JobKind::Timer && is_one_of_all(self.definition, job.element);
        if !is_part {
            self.remove_wait(job.activity, wait);
        }
        match (job.kind, self.instance.at(job.activity).phase) {
            (JobKind::Start, _) => self.notify(self.instance.root(), Occasion::DeferredStart(job.activity)),
            (JobKind::AsyncBefore, _) => self.begin(job.activity),
            (JobKind::AsyncAfter, Phase::After { flow }) => self.leave_after(job.activity, flow),
            (JobKind::AsyncAfter, _) => unreachable!("such a job is only put on an activity that is over"),
            (JobKind::Return, _) => self.take_deferred(job.activity),
            (JobKind::Timeout { listener }, _) => {
                self.renew(&job);
                self.notify(job.activity, Occasion::Timeout { listener })
            }
            (JobKind::Timer, _) => {
                self.renew(&job);
                if job.element == self.instance.at(job.activity).element {
                    return self.resume(job.activity);
                }
                self.trigger(job.activity, job.element, Variables::new())
            }
        }
    }

    /// A unit that a job began has failed and is gone: the job spends a retry. Without one left, or if none can help, an incident.
    pub(crate) fn fail_job(&mut self, wait: WaitId, failure: Failure) {
        let id = self.instance.id;
        let mut job = Job::clone(&self.instance.jobs[&wait]);
        self.renew(&job);
        job.cycle.take_if(|_| !is_one_of_all(self.definition, job.element));
        // One that somebody ran before its time has been asked for then.
        job.first_due = job.first_due.or(Some(job.due.min(self.moment.asked)));
        let cycle = Continuation::of(self.definition, self.instance.at(job.activity), job.element).retries;
        let asked = cycle.map(|cycle| self.policy(&job, cycle)).transpose();
        let mut message = failure.message.clone();
        if let Err(why) = &asked {
            message = format!("{message}; its retries are the default, for {}", why.message);
        }
        let policy = asked.ok().flatten();
        // Others than it began with are somebody's.
        if job.failures == 0 && job.retries == DEFAULT_ATTEMPTS && matches!(cycle, Some(RetryCycle::Computed(_))) {
            job.retries = attempts(policy.as_deref());
        }
        job.failures = job.failures.saturating_add(1);
        job.failure = Some(message.clone());
        job.failed = Some(failure.element.unwrap_or(job.element));
        let spent = spend(policy.as_deref(), job.retries, (id, wait), job.failures, &failure);
        job.retries = spent.retries;
        if job.retries > 0 {
            // A timer that somebody ran before its time, and that failed, keeps its time.
            job.due = job.due.max(self.now.saturating_add(spent.pause_ms));
        }
        self.instance.set_job(job.clone());
        self.effects.push(Effect::PutJob(job.clone()));
        if job.retries == 0 {
            self.raise_incident_of(wait, failure.code, message);
        }
    }

    /// How often a job that has failed is tried, and when; none: the engine's default. A cycle that is computed is asked for with every
    /// failure, and says how often with the first one (Camunda `DefaultJobRetryCmd`); of one that gives none the failure says why, and not
    /// what it gives.
    fn policy<'c>(&self, job: &Job, cycle: &'c RetryCycle) -> Result<Cow<'c, RetryPolicy>, Failure> {
        match cycle {
            RetryCycle::Fixed(policy) => Ok(Cow::Borrowed(policy)),
            RetryCycle::Computed(expression) => {
                let at = At::new(self.definition, self.instance, job.activity, self.moment).attached(job.element);
                let value = at.evaluate(expression)?;
                let text = value.as_str().ok_or_else(|| at.mismatch(expression, "a text with a retry cycle", &value))?;
                let policy =
                    RetryPolicy::parse(text).map_err(|_| at.failed(expression, "gives a text that is no retry cycle such as R3/PT10S"))?;
                Ok(Cow::Owned(policy))
            }
        }
    }

    /// A timer has come, or one is there that failed for the first time: if it fires again, a job of its own waits for the next date, so
    /// that no failure ends a cycle, with the priority of this one (Camunda `TimerEntity.preExecute`, `RepeatingFailedJobListener`).
    pub(crate) fn renew(&mut self, job: &Job) {
        let Some(cycle) = &job.cycle else { return };
        // One of all comes once before it is waited for again.
        if is_one_of_all(self.definition, job.element) {
            return;
        }
        if let Some(due) = following(cycle, job.due, self.now) {
            let alarm = Alarm { due, cycle: Some(cycle.clone()) };
            self.put_new_job(job.activity, job.element, job.kind, alarm, job.priority);
        }
    }

    /// New retries, from an operator. A job that had failed is due at once; a timer that has not is left its time.
    pub(crate) fn set_retries(&mut self, wait: WaitId, retries: u32, due: Option<i64>) {
        let mut job = Job::clone(&self.instance.jobs[&wait]);
        let failed = job.failures > 0 || job.retries == 0;
        job.retries = retries;
        job.due = due.or((retries > 0 && failed).then_some(self.now)).unwrap_or(job.due);
        self.instance.set_job(job.clone());
        self.effects.push(Effect::PutJob(job));
        if retries > 0 {
            self.resolve_incident_of(wait);
        } else if !self.instance.index.wait_incidents.contains_key(&wait) {
            let message = "somebody set its retries to 0".to_owned();
            self.raise_incident_of(wait, Code::RetriesSetToZero, message);
        }
    }

    /// A worker could not do an external task: what it says of the retries left holds. Without any, an incident.
    pub(crate) fn fail_external_task(&mut self, wait: WaitId, message: Option<String>, retries: u32) {
        let task = Arc::make_mut(self.instance.external_tasks.get_mut(&wait).expect("admit::check found the external task"));
        task.failures = task.failures.saturating_add(1);
        task.retries = Some(retries);
        task.failure.clone_from(&message);
        self.effects.push(Effect::PutExternalTask(task.clone()));
        if retries > 0 {
            self.resolve_incident_of(wait);
        } else {
            let message = message.unwrap_or_else(|| "the worker reported a failure without a message".to_owned());
            self.raise_incident_of(wait, Code::ExternalTaskFailed, message);
        }
    }

    /// New retries of an external task, from an operator. Its lock and its last failure stay.
    pub(crate) fn set_external_task_retries(&mut self, wait: WaitId, retries: u32) {
        let task = Arc::make_mut(self.instance.external_tasks.get_mut(&wait).expect("admit::check found the external task"));
        task.retries = Some(retries);
        self.effects.push(Effect::PutExternalTask(task.clone()));
        if retries > 0 {
            self.resolve_incident_of(wait);
        } else if !self.instance.index.wait_incidents.contains_key(&wait) {
            let message = "somebody set its retries to 0".to_owned();
            self.raise_incident_of(wait, Code::ExternalTaskFailed, message);
        }
    }

    /// One open incident a job or external task: what it is and since when stays, what it says is new.
    fn raise_incident_of(&mut self, wait: WaitId, code: Code, message: String) {
        let of_job = self.instance.jobs.get(&wait).map(|job| (job.activity, job.element, job.failed, job.failures));
        let of_task = || {
            let task = self.instance.external_tasks.get(&wait)?;
            Some((task.activity, task.element, (task.failures > 0).then_some(task.element), task.failures))
        };
        let (activity, element, failed, failures) = of_job.or_else(of_task).expect("the caller has just changed it");
        let open = self.instance.index.wait_incidents.get(&wait).map(|open| &self.instance.incidents[open]);
        let (id, since) = match open {
            Some(open) => (open.id, open.since),
            None => (IncidentId(self.instance.number()), self.now),
        };
        let incident = Incident { id, wait: Some(wait), activity, element, failed, code, message, attempt: failures.max(1), since };
        let scope = self.instance.at(activity).parent;
        self.instance.index.add_incident(&incident, scope);
        self.instance.incidents.insert(id, Arc::new(incident.clone()));
        self.effects.push(Effect::RaiseIncident(incident));
    }

    /// What had failed goes on, or may be tried again.
    pub(crate) fn resolve_incident_of(&mut self, wait: WaitId) {
        self.end_incident_of(wait, Effect::ResolveIncident);
    }

    /// What had failed is cancelled.
    pub(crate) fn delete_incident_of(&mut self, wait: WaitId) {
        self.end_incident_of(wait, Effect::DeleteIncident);
    }

    fn end_incident_of(&mut self, wait: WaitId, end: fn(IncidentId) -> Effect) {
        if let Some(incident) = self.instance.index.wait_incidents.remove(&wait) {
            self.instance.incidents.remove(&incident);
            self.effects.push(end(incident));
        }
    }
}

/// What a failed attempt leaves of something that is tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Attempts left; 0 waits for an operator.
    pub retries: u32,
    /// How long nobody tries, in milliseconds; 0 without attempts.
    pub pause_ms: i64,
}

/// An attempt has failed of something that the host tries again by itself, as the engine does a job: as often and with such pauses as the
/// retry cycle of its element says, or by default if that is an expression: nobody asks an instance for its value here, not even the
/// receiver of a delivery. `retries` are those that were left before it and count from the second failure on; the cycle says how many there
/// are in all (Camunda `DefaultJobRetryCmd`). `name` tells it from others, for its pauses to differ from theirs; `failures` counts this
/// one.
pub fn spend_attempt(
    definition: &ProcessDefinition,
    element: Option<ElementIndex>,
    retries: u32,
    name: (InstanceId, WaitId),
    failures: u32,
    failure: &Failure,
) -> Spent {
    let policy = element.and_then(|element| definition.element(element).retries.as_ref()?.fixed());
    let retries = if failures <= 1 { attempts(policy) } else { retries };
    spend(policy, retries, name, failures, failure)
}

pub(crate) fn spend(policy: Option<&RetryPolicy>, retries: u32, name: (InstanceId, WaitId), failures: u32, failure: &Failure) -> Spent {
    let retries = if failure.retry == Retry::Never { 0 } else { retries.saturating_sub(1) };
    let pause = match failure.retry {
        _ if retries == 0 => 0,
        Retry::AfterMs(pause) => pause.min(MAX_ADVISED_WAIT_MS),
        _ => pause_ms(policy, retries, name.0, name.1, failures),
    };
    Spent { retries, pause_ms: i64::try_from(pause).unwrap_or(i64::MAX) }
}

/// How often a job may be tried in all.
pub(crate) fn attempts(policy: Option<&RetryPolicy>) -> u32 {
    policy.map_or(DEFAULT_ATTEMPTS, |policy| u32::try_from(policy.waits_ms.len()).unwrap_or(u32::MAX).saturating_add(1))
}

/// How long to wait when `retries` are left after a failure. As in Camunda 7 (`DefaultJobRetryCmd`) the place in the list follows from the
/// retries that are left, so that a job that an operator gave new ones begins the list again.
fn pause_ms(policy: Option<&RetryPolicy>, retries: u32, instance: InstanceId, wait: WaitId, failures: u32) -> u64 {
    let waits = attempts(policy) - 1;
    let nth = waits.saturating_sub(retries);
    match policy {
        Some(policy) => policy.waits_ms.get(nth as usize).copied().unwrap_or(0),
        None => jitter(DEFAULT_FIRST_WAIT_MS << nth.min(DEFAULT_ATTEMPTS), instance, wait, failures),
    }
}

/// Moves a wait by up to [`DEFAULT_JITTER_PERCENT`] either way, by a digest: no two jobs alike, every job always the same.
fn jitter(pause: u64, instance: InstanceId, wait: WaitId, failures: u32) -> u64 {
    let digest = digest("mandate-jitter-1", &[instance.0.as_bytes(), &wait.0.to_be_bytes(), &failures.to_be_bytes()]);
    let spread = pause * DEFAULT_JITTER_PERCENT / 100;
    let random = u64::from_be_bytes(digest[..8].try_into().expect("a digest has 32 bytes"));
    pause - spread + random % (2 * spread + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use uuid::Uuid;

    use super::*;
    use crate::testing::{Run, parse};
    use crate::{Input, Stop, step};

    #[test]
    fn default_waits_stay_within_the_jitter_and_differ() {
        let instance = InstanceId(Uuid::from_u128(1));
        let waits: BTreeSet<_> = (0..1_000).map(|wait| pause_ms(None, 2, instance, WaitId(wait), 1)).collect();
        assert!(waits.iter().all(|pause| (4_000..=6_000).contains(pause)));
        assert!(waits.len() > 500, "jobs that failed together do not come back together");
        assert!((8_000..=12_000).contains(&pause_ms(None, 1, instance, WaitId(1), 2)));
    }

    #[test]
    fn job_that_was_given_more_retries_than_it_had_begins_its_list_again() {
        let policy = RetryPolicy { waits_ms: vec![10, 20, 30] };
        let pause = |retries| pause_ms(Some(&policy), retries, InstanceId(Uuid::nil()), WaitId(1), 9);
        assert_eq!([pause(100), pause(3), pause(2), pause(1)], [10, 10, 20, 30]);
    }

    /// A job whose unit comes to something that fails, with what fails it.
    const FAILING: &[(&str, Code)] = &[
        ("<scriptTask id='x' scriptFormat='juel'><script>${nobody}</script></scriptTask>", Code::ExpressionFailed),
        ("<exclusiveGateway id='x'/><task id='b'/><task id='c'/>{x>b ? false}{x>c ? false}", Code::NoFlowTaken),
        (
            "<intermediateCatchEvent id='x'><timerEventDefinition><timeDuration>${'soon'}</timeDuration></timerEventDefinition></intermediateCatchEvent>",
            Code::TimerInvalid,
        ),
        (r#"<userTask id='x' camunda:dueDate='${"soon"}'/>"#, Code::TimerInvalid),
    ];

    #[test]
    fn what_camunda_7_tries_again_spends_the_retries_of_its_job_and_stands_where_the_job_does() {
        for (failing, code) in FAILING {
            let definition = parse(&format!("<startEvent id='s'/><task id='a' camunda:asyncBefore='true'/>{{s>a>x}}{failing}"));
            let mut run = Run::new(&definition);
            run.line("start");
            let wait = run.instance.jobs().next().expect("a job").wait;
            for retries in [2, 1, 0, 0] {
                let mut unit = run.instance.clone();
                let Err(Stop::Failed(failure)) = step(&definition, &mut unit, Input::RunJob { wait }, 0) else {
                    panic!("{code} fails the unit")
                };
                assert_eq!(failure.code, *code, "{}", failure.message);
                step(&definition, &mut run.instance, Input::FailJob { wait, failure }, i64::from(10 - retries)).expect("it is counted");
                let job = run.instance.job(wait).expect("it stays");
                assert_eq!((job.retries, job.failed), (retries, definition.find("x")));
                assert_eq!(run.instance.incidents().count(), usize::from(retries == 0), "{code}");
            }
            let incident = run.instance.incidents().next().expect("an incident");
            assert_eq!((incident.element, incident.failed), (definition.find("a").expect("it is there"), definition.find("x")));
            assert_eq!((incident.attempt, incident.since), (4, 10), "one and the same, which says what failed last");
        }
    }

    #[test]
    fn retries_that_are_set_to_zero_name_what_failed_before() {
        let definition = parse(&format!("<startEvent id='s'/><task id='a' camunda:asyncBefore='true'/>{{s>a>x}}{}", FAILING[0].0));
        for (failed, expected) in [(false, None), (true, definition.find("x"))] {
            let mut run = Run::new(&definition);
            run.line("start");
            let wait = run.instance.jobs().next().expect("a job").wait;
            if failed {
                let failure = Failure::by_policy(Code::ExpressionFailed, definition.find("x").expect("it is there"), String::new());
                step(&definition, &mut run.instance, Input::FailJob { wait, failure }, 0).expect("it is counted");
            }
            run.line("retries a 0");
            assert_eq!(run.instance.incidents().next().map(|incident| incident.failed), Some(expected));
        }
    }

    #[test]
    fn cycle_that_is_computed_says_how_often_when_the_job_has_failed() {
        let definition = parse(
            "<startEvent id='s'/><task id='a' camunda:asyncBefore='true'><extensionElements><camunda:inputOutput><camunda:inputParameter \
             name='retry'>R9/PT9S</camunda:inputParameter></camunda:inputOutput><camunda:failedJobRetryTimeCycle>${retry}\
             </camunda:failedJobRetryTimeCycle></extensionElements></task>{s>a}",
        );
        // What is mapped into the activity is not there before it has begun.
        for (retry, expected) in [("\"R2/PT7S\"", (1, 7_000)), ("\"PT1S,PT2S,PT4S\"", (3, 1_000)), ("\"R1/PT7S\"", (0, 0))] {
            let mut run = Run::new(&definition);
            run.line(&format!("start {{\"retry\": {retry}}}"));
            let wait = run.instance.jobs().next().expect("a job").wait;
            let mut fail = |now| {
                let failure = Failure::by_policy(Code::ExpressionFailed, definition.find("a").expect("it is there"), String::new());
                step(&definition, &mut run.instance, Input::FailJob { wait, failure }, now).expect("it is counted");
                let job = run.instance.job(wait).expect("it stays");
                (job.retries, job.due)
            };
            assert_eq!(fail(0), expected, "{retry}");
            assert_eq!(fail(10_000).0, expected.0.saturating_sub(1), "{retry}: it is not begun again");
        }
        // Retries that somebody has set before are left; the default cannot be told from none.
        for (given, left) in [("1", 0), ("9", 8), ("3", 4)] {
            let mut run = Run::new(&definition);
            run.line("start {\"retry\": \"R5/PT7S\"}");
            run.line(&format!("retries a {given}"));
            run.line("fail a");
            assert_eq!(run.instance.jobs().next().expect("it stays").retries, left, "{}", run.trace);
        }
        for (retry, why) in [
            ("7", "the expression '${retry}' of 'a': gives number, not a text with a retry cycle"),
            ("\"often\"", "the expression '${retry}' of 'a': gives a text that is no retry cycle such as R3/PT10S"),
            ("null", "not a text with a retry cycle"),
        ] {
            let mut run = Run::new(&definition);
            run.line(&format!("start {{\"retry\": {retry}}}"));
            let wait = run.instance.jobs().next().expect("a job").wait;
            run.line("fail a");
            let job = run.instance.job(wait).expect("it stays");
            assert_eq!(job.retries, DEFAULT_ATTEMPTS - 1, "{why}");
            let failure = job.failure.as_deref().expect("it failed");
            assert!(failure.starts_with("it broke; its retries are the default, for ") && failure.ends_with(why), "{failure}");
            run.line("fail a never");
            assert!(run.instance.incidents().next().expect("an incident").message.ends_with(why), "{}", run.trace);
        }
    }
}
