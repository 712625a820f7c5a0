//! What an input changes, in Camunda 7's words for the user operation log.

use std::collections::BTreeSet;

use mandate_engine::{ActivityId, Input, Instance, Job, Jobs, TaskRevision, Variable, WaitId};
use mandate_model::ProcessDefinition;

use super::{Change, OPERATOR, Operation, Subject, TASK_WORKER, suspension_verb};
use crate::unit::task_texts;

/// What an operator did with an input, given the instance before and after; none: it is nothing that operators do.
pub(super) fn of(definition: &ProcessDefinition, input: &Input, before: &Instance, after: &Instance) -> Option<Operation> {
    match input {
        Input::CompleteTask { wait, .. } => Some(task("Complete", before, *wait, vec![flag("delete")])),
        Input::ThrowFromTask { wait, code, .. } => Some(task("HandleBpmnError", before, *wait, vec![Change::to("errorCode", code)])),
        Input::EscalateFromTask { wait, code, .. } => {
            Some(task("HandleEscalation", before, *wait, vec![Change::to("escalationCode", code)]))
        }
        Input::ClaimTask { wait, .. } => Some(task("Claim", before, *wait, revised(definition, before, after, *wait))),
        Input::ReviseTask { wait, revision } => {
            Some(task(revision_type(revision), before, *wait, revised(definition, before, after, *wait)))
        }
        Input::SetVariables { scope, set, remove, local } => {
            let mut names: BTreeSet<&String> = remove.iter().collect();
            let verb = match (set.is_empty(), remove.is_empty()) {
                (false, true) => "SetVariable",
                (true, false) => "RemoveVariable",
                _ => "ModifyVariable",
            };
            names.extend(set.keys());
            let value = |instance: &Instance, name: &str| value(instance, *scope, name, *local);
            let changes = names.into_iter().map(|name| Change::new(name, value(before, name), value(after, name))).collect();
            // Activities and waits are numbered together.
            let task = before.task(WaitId(scope.0));
            let category = if task.is_some() { TASK_WORKER } else { OPERATOR };
            let activity = task.map_or(*scope, |task| task.activity);
            Some(Operation { category, ..operation(verb, "Variable", changes, Some(activity), task.map(|task| task.wait)) })
        }
        Input::Deferred(input) => of(definition, input, before, after),
        Input::SetRetries { wait, retries, due } => {
            let job = before.job(*wait)?;
            Some(operation("SetJobRetries", "Job", retries_set((job.retries, job.due), (*retries, *due)), Some(job.activity), Some(*wait)))
        }
        Input::SetPriority { jobs, priority } => changed(before, after, jobs, "SetPriority", |job| {
            Change::new("priority", job.map(|it| it.priority.to_string()), Some(priority.to_string()))
        }),
        Input::SuspendJobs { jobs, suspended } => {
            let verb = suspension_verb("Job", *suspended);
            changed(before, after, jobs, verb, |job| Change::suspension(job.map(|job| job.suspended), *suspended))
        }
        Input::SetDue { wait, .. } => moved("SetDueDate", before, after, *wait),
        Input::RecalculateDue { wait, .. } => moved("RecalculateDueDate", before, after, *wait),
        Input::SetExternalTaskRetries { wait, retries } => {
            let task = before.external_task(*wait)?;
            let change = Change::new("retries", task.retries.map(|it| it.to_string()), Some(retries.to_string()));
            Some(operation("SetExternalTaskRetries", "ExternalTask", vec![change], Some(task.activity), Some(*wait)))
        }
        Input::SetExternalTaskPriority { wait, priority } => {
            let task = before.external_task(*wait)?;
            let change = Change::new("priority", Some(task.priority.to_string()), Some(priority.to_string()));
            Some(operation("SetPriority", "ExternalTask", vec![change], Some(task.activity), Some(*wait)))
        }
        Input::Suspend => Some(operation("Suspend", "ProcessInstance", vec![suspension(before, after)], None, None)),
        Input::Activate => Some(operation("Activate", "ProcessInstance", vec![suspension(before, after)], None, None)),
        Input::Cancel { reason, .. } => {
            let changes = reason.iter().map(|reason| Change::to("deleteReason", reason)).collect();
            Some(operation("Delete", "ProcessInstance", changes, None, None))
        }
        Input::BeginActivity { activity } => {
            let element = before.activity(*activity).map(|it| definition.element(it.element).id.as_ref())?;
            Some(operation("BeginActivity", "ProcessInstance", vec![Change::to("activityId", element)], Some(*activity), None))
        }
        Input::Modify(_) => {
            let change = Change::new("activities", stands(definition, before), stands(definition, after));
            Some(operation("ModifyProcessInstance", "ProcessInstance", vec![change], None, None))
        }
        Input::Start { .. }
        | Input::StartAt { .. }
        | Input::RunJob { .. }
        | Input::Called { .. }
        | Input::EndCalled { .. }
        | Input::FailJob { .. }
        | Input::CompleteExternalTask { .. }
        | Input::FailExternalTask { .. }
        | Input::ThrowFromExternalTask { .. }
        | Input::Message { .. }
        | Input::Signal { .. }
        | Input::DelegateReturned { .. } => None,
    }
}

fn operation(
    verb: &'static str,
    entity_type: &'static str,
    changes: Vec<Change>,
    activity: Option<ActivityId>,
    wait: Option<WaitId>,
) -> Operation {
    Operation { verb, entity_type, category: OPERATOR, changes, subject: Subject { activity, wait, ..Subject::default() } }
}

/// What was done to one job, or to several, of which no value before is told; none: to no job.
fn changed(
    before: &Instance,
    after: &Instance,
    jobs: &Jobs,
    verb: &'static str,
    change: impl Fn(Option<&Job>) -> Change,
) -> Option<Operation> {
    if let Jobs::One(wait) = jobs {
        let job = before.job(*wait)?;
        return Some(operation(verb, "Job", vec![change(Some(job))], Some(job.activity), Some(*wait)));
    }
    let any = before.jobs().any(|job| after.job(job.wait) != Some(job));
    any.then(|| operation(verb, "Job", vec![change(None)], None, None))
}

/// A job that has another due date.
fn moved(verb: &'static str, before: &Instance, after: &Instance, wait: WaitId) -> Option<Operation> {
    let due = |instance: &Instance| instance.jobs().find(|job| job.wait == wait).map(|job| job.due.to_string());
    let activity = before.jobs().find(|job| job.wait == wait)?.activity;
    Some(operation(verb, "Job", vec![Change::new("duedate", due(before), due(after))], Some(activity), Some(wait)))
}

fn task(verb: &'static str, before: &Instance, wait: WaitId, changes: Vec<Change>) -> Operation {
    let activity = before.task(wait).map(|task| task.activity);
    Operation { category: TASK_WORKER, ..operation(verb, "Task", changes, activity, Some(wait)) }
}

/// What a job has otherwise than before, of which this many retries and this due date were to be set.
pub(crate) fn retries_set(before: (impl ToString, i64), (retries, due): (u32, Option<i64>)) -> Vec<Change> {
    let retries = Change::new("retries", Some(before.0.to_string()), Some(retries.to_string()));
    let due = due.map(|due| Change::new("duedate", Some(before.1.to_string()), Some(due.to_string())));
    [retries].into_iter().chain(due).collect()
}

fn flag(property: &str) -> Change {
    Change::new(property, Some("false".to_owned()), Some("true".to_owned()))
}

/// The elements that an instance stands at.
fn stands(definition: &ProcessDefinition, instance: &Instance) -> Option<String> {
    let ids: Vec<_> = instance.leaves(definition).iter().map(|leaf| definition.element(leaf.element).id.to_string()).collect();
    Some(ids.join(",")).filter(|ids| !ids.is_empty())
}

fn suspension(before: &Instance, after: &Instance) -> Change {
    Change::suspension(Some(before.is_suspended()), after.is_suspended())
}

/// A variable where it is set, or where a scope sees it.
fn value(instance: &Instance, scope: ActivityId, name: &str, local: bool) -> Option<String> {
    let found = |variable: &Variable| variable.json.to_string();
    if local { instance.variables(scope)?.get(name).map(found) } else { instance.visible_variables(scope).get(name).map(found) }
}

fn revision_type(revision: &TaskRevision) -> &'static str {
    match revision {
        TaskRevision::Assign { .. } => "Assign",
        TaskRevision::SetOwner { .. } => "SetOwner",
        TaskRevision::Delegate { .. } => "Delegate",
        TaskRevision::Resolve { .. } => "Resolve",
        TaskRevision::Update(_) => "Update",
        TaskRevision::AddCandidateUser(_) => "AddUserLink",
        TaskRevision::RemoveCandidateUser(_) => "DeleteUserLink",
        TaskRevision::AddCandidateGroup(_) => "AddGroupLink",
        TaskRevision::RemoveCandidateGroup(_) => "DeleteGroupLink",
    }
}

/// What a task has otherwise than before; moments are milliseconds, as in Camunda's log.
fn revised(definition: &ProcessDefinition, before: &Instance, after: &Instance, wait: WaitId) -> Vec<Change> {
    let (Some(before), Some(after)) = (before.task(wait), after.task(wait)) else { return Vec::new() };
    let moment = |at: Option<i64>| at.map(|at| at.to_string());
    let names = |names: &[String]| Some(names.join(",")).filter(|it| !it.is_empty());
    let ((name_before, description_before), (name, description)) = (task_texts(definition, before), task_texts(definition, after));
    let pairs = [
        ("assignee", before.assignee.clone(), after.assignee.clone()),
        ("owner", before.owner.clone(), after.owner.clone()),
        ("delegation", before.delegation.map(|it| it.as_str().to_owned()), after.delegation.map(|it| it.as_str().to_owned())),
        ("name", name_before, name),
        ("description", description_before, description),
        ("dueDate", moment(before.due), moment(after.due)),
        ("followUpDate", moment(before.follow_up), moment(after.follow_up)),
        ("priority", Some(before.priority.to_string()), Some(after.priority.to_string())),
        ("candidateUsers", names(&before.candidate_users), names(&after.candidate_users)),
        ("candidateGroups", names(&before.candidate_groups), names(&after.candidate_groups)),
    ];
    let changed = pairs.into_iter().filter(|(_, before, after)| before != after);
    changed.map(|(property, before, after)| Change::new(property, before, after)).collect()
}
