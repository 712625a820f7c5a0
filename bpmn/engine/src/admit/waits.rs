//! Whether what an input names waits, and takes what the input brings.

use mandate_model::ProcessDefinition;

use super::Rejection;
use super::sizes::{check_delivery, check_event, check_own, check_sizes_less, check_thrown, freed};
use crate::due::not_to_recalculate;
use crate::effect::SubscriptionKind;
use crate::error::error_catcher;
use crate::escalation::escalation_catcher;
use crate::ids::{ActivityId, WaitId};
use crate::input::TaskRevision;
use crate::instance::Instance;
use crate::job::Jobs;
use crate::variable::Variables;

pub(super) fn check_run(instance: &Instance, wait: WaitId) -> Result<(), Rejection> {
    expect(instance, wait, "job")?;
    if instance.jobs[&wait].suspended { Err(Rejection::JobSuspended { wait }) } else { Ok(()) }
}

pub(super) fn check_jobs(instance: &Instance, jobs: &Jobs) -> Result<(), Rejection> {
    match jobs {
        Jobs::One(wait) => expect(instance, *wait, "job"),
        Jobs::Of(_) | Jobs::All => Ok(()),
    }
}

pub(super) fn check_timer(definition: &ProcessDefinition, instance: &Instance, wait: WaitId) -> Result<(), Rejection> {
    expect(instance, wait, "job")?;
    let is = not_to_recalculate(definition, &instance.jobs[&wait]);
    is.map_or(Ok(()), |is| Err(Rejection::WrongKind { wait, expected: "timer", is }))
}

pub(super) fn check_task(
    definition: &ProcessDefinition,
    instance: &Instance,
    wait: WaitId,
    variables: &Variables,
) -> Result<(), Rejection> {
    let activity = task(instance, wait)?;
    check_delivery(definition, instance, activity, variables)
}

pub(super) fn check_revision(
    definition: &ProcessDefinition,
    instance: &Instance,
    wait: WaitId,
    revision: &TaskRevision,
) -> Result<(), Rejection> {
    let activity = task(instance, wait)?;
    match revision {
        TaskRevision::Resolve { variables } => check_delivery(definition, instance, activity, variables),
        _ => Ok(()),
    }
}

pub(super) fn check_error(
    definition: &ProcessDefinition,
    instance: &Instance,
    wait: WaitId,
    code: &str,
    variables: &Variables,
) -> Result<(), Rejection> {
    let activity = task(instance, wait)?;
    let catcher = error_catcher(definition, instance, activity, code);
    check_caught(catcher.is_some() || instance.caller_catches_error(code), "BPMN error", code)?;
    check_thrown(definition, instance, activity, catcher, variables)
}

pub(super) fn check_escalation(
    definition: &ProcessDefinition,
    instance: &Instance,
    wait: WaitId,
    code: &str,
    variables: &Variables,
) -> Result<(), Rejection> {
    let activity = task(instance, wait)?;
    let catcher = escalation_catcher(definition, instance, activity, Some(code));
    check_caught(catcher.is_some() || instance.caller_catches_escalation(Some(code)).is_some(), "escalation", code)?;
    check_thrown(definition, instance, activity, catcher, variables)
}

pub(super) fn check_claim(instance: &Instance, wait: WaitId, user: &str) -> Result<(), Rejection> {
    expect(instance, wait, "user task")?;
    match &instance.tasks[&wait].assignee {
        Some(by) if by != user => Err(Rejection::AlreadyClaimed { by: by.clone() }),
        _ => Ok(()),
    }
}

/// The activity of a user task.
fn task(instance: &Instance, wait: WaitId) -> Result<ActivityId, Rejection> {
    expect(instance, wait, "user task")?;
    Ok(instance.tasks[&wait].activity)
}

/// Somebody who answers a task with what nothing catches is told, and the task stays.
fn check_caught(caught: bool, what: &'static str, code: &str) -> Result<(), Rejection> {
    if caught { Ok(()) } else { Err(Rejection::NothingCatches { what, code: code.to_owned() }) }
}

pub(super) fn check_external_task(
    definition: &ProcessDefinition,
    instance: &Instance,
    wait: WaitId,
    variables: &Variables,
    local_variables: &Variables,
) -> Result<(), Rejection> {
    let activity = external_task(instance, wait)?;
    check_own(instance, activity, local_variables)?;
    check_delivery(definition, instance, activity, variables)
}

pub(super) fn check_external_error(
    definition: &ProcessDefinition,
    instance: &Instance,
    wait: WaitId,
    code: &str,
    variables: &Variables,
) -> Result<(), Rejection> {
    let activity = external_task(instance, wait)?;
    check_thrown(definition, instance, activity, error_catcher(definition, instance, activity, code), variables)
}

/// The activity of an external task.
fn external_task(instance: &Instance, wait: WaitId) -> Result<ActivityId, Rejection> {
    expect(instance, wait, "external task")?;
    Ok(instance.external_tasks[&wait].activity)
}

pub(super) fn check_message(
    definition: &ProcessDefinition,
    instance: &Instance,
    wait: WaitId,
    variables: &Variables,
    local_variables: &Variables,
    triggered_variables: &Variables,
) -> Result<(), Rejection> {
    expect(instance, wait, subscription(SubscriptionKind::Message))?;
    let it = &instance.subscriptions[&wait];
    check_own(instance, it.activity, local_variables)?;
    // They are in no scope yet, or may replace what is there: then the bound is met sooner.
    check_sizes_less(instance, triggered_variables, || freed(definition, instance, (it.activity, it.element)), |_| None)?;
    check_event(definition, instance, wait, variables)
}

pub(super) fn check_signal(
    definition: &ProcessDefinition,
    instance: &Instance,
    wait: WaitId,
    variables: &Variables,
) -> Result<(), Rejection> {
    expect(instance, wait, subscription(SubscriptionKind::Signal))?;
    check_event(definition, instance, wait, variables)
}

/// What a called instance says comes once, and in turn.
pub(super) fn check_report(instance: &Instance, wait: WaitId, number: u64) -> Result<(), Rejection> {
    expect(instance, wait, "call")?;
    let call = &instance.calls[&wait];
    match number {
        _ if call.over => Err(Rejection::NoSuchWait { wait }),
        number if number == call.heard + 1 => Ok(()),
        number => Err(Rejection::OutOfTurn { heard: call.heard, number }),
    }
}

/// Whether something of this kind waits under the number.
pub(super) fn expect(instance: &Instance, wait: WaitId, expected: &'static str) -> Result<(), Rejection> {
    let call = instance.unit.as_ref().and_then(|unit| unit.call.as_ref());
    let is = if instance.jobs.contains_key(&wait) {
        "job"
    } else if instance.tasks.contains_key(&wait) {
        "user task"
    } else if instance.external_tasks.contains_key(&wait) {
        "external task"
    } else if instance.calls.contains_key(&wait) {
        "call"
    } else if let Some(it) = instance.subscriptions.get(&wait) {
        subscription(it.kind)
    } else if call.is_some_and(|call| call.wait == wait) {
        "delegate call"
    } else {
        return Err(Rejection::NoSuchWait { wait });
    };
    if is == expected { Ok(()) } else { Err(Rejection::WrongKind { wait, expected, is }) }
}

fn subscription(kind: SubscriptionKind) -> &'static str {
    match kind {
        SubscriptionKind::Message => "message subscription",
        SubscriptionKind::Signal => "signal subscription",
        SubscriptionKind::Condition => "conditional subscription",
    }
}
