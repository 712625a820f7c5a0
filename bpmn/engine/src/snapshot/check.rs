//! What every instance holds to, whoever stored it.

use std::collections::{BTreeMap, BTreeSet};

use super::SnapshotError;
use crate::ids::{ActivityId, WaitId};
use crate::index::Index;
use crate::instance::{Activity, Instance, Phase, Role};
use crate::limits::{MAX_JSON_DEPTH, MAX_SCOPE_DEPTH};
use crate::listener::Occasion;
use crate::modification::Instruction;
use crate::unit::{Call, Unit};
use crate::variable::Variable;

/// Scopes inside each other with what they remember: it may be as deep as the scopes themselves, and stand in the innermost.
const MAX_TREE_DEPTH: usize = 2 * MAX_SCOPE_DEPTH;

/// Looks at everything. On the way the index is built, which is never stored.
pub(super) fn check(instance: &Instance) -> Result<Index, SnapshotError> {
    let mut index = Index::default();
    check_tree(instance, &mut index)?;
    check_waits(instance, &mut index)?;
    check_incidents(instance, &mut index)?;
    check_unit(instance)?;
    Ok(index)
}

fn check_tree(instance: &Instance, index: &mut Index) -> Result<(), SnapshotError> {
    let root = instance.root();
    let mut depths = BTreeMap::from([(root, 0_usize)]);
    ensure(instance.activities.contains_key(&root), "it has no root")?;
    for (id, activity) in &instance.activities {
        ensure(id.0 <= instance.last, "an activity has a number that was never given")?;
        ensure(activity.parent.is_none() == (*id == root), "the root, and only the root, has no parent")?;
        ensure(*id != root || matches!(activity.phase, Phase::Active { by: None }), "its root is not active")?;
        measure(instance, *id, &mut depths)?;
        check_role(instance, activity)?;
        let gathers = activity.parent.filter(|_| matches!(activity.phase, Phase::Gathering { .. })).map(|scope| (scope, activity.element));
        ensure(gathers.is_none_or(|key| !index.gathering.contains_key(&key)), "tokens for one element wait in two places")?;
        ensure(activity.variables.values().all(is_json), "a variable is not JSON")?;
        let transient = activity.variables.values().any(|variable| variable.transient);
        ensure(
            !transient || instance.unit.as_ref().is_some_and(|unit| unit.transients.contains(id)),
            "a variable is there for no unit of work",
        )?;
        index.add_activity(activity);
    }
    Ok(())
}

/// Finds the root above an activity: so there are no circles.
fn measure(instance: &Instance, id: ActivityId, depths: &mut BTreeMap<ActivityId, usize>) -> Result<(), SnapshotError> {
    let mut above = vec![id];
    while let Some(activity) = above.last().filter(|id| !depths.contains_key(id)) {
        ensure(above.len() <= MAX_TREE_DEPTH, "scopes are nested too deeply")?;
        let parent = instance.activities.get(activity).and_then(|it| it.parent);
        above.push(parent.ok_or(SnapshotError::Inconsistent("an activity has no parent"))?);
    }
    let known = above.pop().and_then(|id| depths.get(&id).copied()).unwrap_or_default();
    ensure(known + above.len() <= MAX_TREE_DEPTH, "scopes are nested too deeply")?;
    depths.extend(above.into_iter().rev().zip(known + 1..));
    Ok(())
}

/// Inner instances, and nothing else, stand in the body of their element.
fn check_role(instance: &Instance, activity: &Activity) -> Result<(), SnapshotError> {
    let parent = activity.parent.and_then(|parent| instance.activities.get(&parent));
    let body = parent.and_then(|parent| if let Role::Body(body) = parent.role { Some((parent.element, body)) } else { None });
    let over = matches!(activity.phase, Phase::After { flow: None });
    ensure(over || !(activity.role.is_past()), "what is over is under way")?;
    let is_remembered = parent.is_some_and(|parent| parent.role.is_record());
    ensure(!is_remembered || activity.role.is_record(), "something runs inside of what is over")?;
    match (activity.role, body) {
        (Role::Inner { index } | Role::Result { index }, Some((element, body))) => {
            ensure(element == activity.element && index < body.instances, "an instance is in another activity's body")
        }
        (Role::Element, None) => Ok(()),
        (Role::Completed | Role::EventScope { .. }, _) => Ok(()),
        (Role::Compensating { .. }, None) => Ok(()),
        (Role::Body(body), None) => {
            ensure(activity.parent.is_some(), "its root is a body")?;
            let over = body.ended.checked_add(body.canceled);
            ensure(over.is_some_and(|over| over <= body.begun) && body.begun <= body.instances, "a body has counted wrongly")
        }
        _ => Err(SnapshotError::Inconsistent("an instance is in no body, or something else is in one")),
    }
}

fn check_waits(instance: &Instance, index: &mut Index) -> Result<(), SnapshotError> {
    let jobs = instance.jobs.values().map(|job| (job.wait, job.activity));
    let tasks = instance.tasks.values().map(|task| (task.wait, task.activity));
    let external_tasks = instance.external_tasks.values().map(|task| (task.wait, task.activity));
    let subscriptions = instance.subscriptions.values().map(|it| (it.wait, it.activity));
    let calls = instance.calls.values().map(|it| (it.wait, it.activity));
    let mut seen: BTreeSet<WaitId> = BTreeSet::new();
    for (wait, activity) in jobs.chain(tasks).chain(external_tasks).chain(subscriptions).chain(calls) {
        ensure(wait.0 > 0 && wait.0 <= instance.last, "a wait has a number that was never given")?;
        ensure(seen.insert(wait), "two waits have the same number")?;
        let holder = instance.activities.get(&activity).ok_or(SnapshotError::Inconsistent("a wait belongs to no activity"))?;
        ensure(!holder.role.is_past(), "what is over waits")?;
        index.add_wait(activity, wait);
    }
    for (name, value) in instance.tasks.values().flat_map(|task| &task.variables) {
        ensure(is_json(value), "a variable is not JSON")?;
        index.exchange_bytes(name, None, Some(value));
    }
    // Only event sub-processes wait on the process itself.
    let root = instance.root();
    let job_of_root = instance.jobs.values().any(|job| job.activity == root && job.kind != crate::JobKind::Timer);
    let task_of_root = instance.tasks.values().any(|task| task.activity == root);
    let external_of_root = instance.external_tasks.values().any(|task| task.activity == root);
    let call_of_root = instance.calls.values().any(|call| call.activity == root);
    ensure(!(call_of_root || job_of_root || task_of_root || external_of_root), "the process itself waits for what only an activity can")?;
    for job in instance.jobs.values() {
        let after = matches!(instance.at(job.activity).phase, Phase::After { .. });
        ensure(after == (job.kind == crate::JobKind::AsyncAfter), "a job does not fit its activity")?;
        ensure(job.kind != crate::JobKind::Return || holds(instance, index, job.activity), "a job holds nothing")?;
        index.add_job(job);
    }
    for subscription in instance.subscriptions.values() {
        index.add_subscription(subscription);
    }
    Ok(())
}

/// Whether an activity's call has heard what is still to be acted upon, and no other job is there for it.
fn holds(instance: &Instance, index: &Index, activity: ActivityId) -> bool {
    let waits = || index.waits.get(&activity).into_iter().flatten();
    let returns = |wait: &&WaitId| instance.jobs.get(*wait).is_some_and(|job| job.kind == crate::JobKind::Return);
    waits().filter(returns).count() == 1 && waits().any(|wait| instance.calls.get(wait).is_some_and(|call| !call.deferred.is_empty()))
}

fn check_incidents(instance: &Instance, index: &mut Index) -> Result<(), SnapshotError> {
    for incident in instance.incidents.values() {
        ensure(incident.id.0 <= instance.last, "an incident has a number that was never given")?;
        let can_fail = |wait| instance.jobs.contains_key(&wait) || instance.external_tasks.contains_key(&wait);
        ensure(incident.wait.is_none_or(can_fail), "an incident belongs to no job or external task")?;
        let activity = instance.activities.get(&incident.activity);
        let activity = activity.ok_or(SnapshotError::Inconsistent("an incident belongs to no activity"))?;
        if incident.wait.is_none() {
            let waits = matches!(activity.phase, Phase::Joining { .. } | Phase::Gathering { .. });
            let fits = waits && activity.element == incident.element;
            ensure(fits, "an incident belongs to no join")?;
        }
        index.add_incident(incident, activity.parent);
    }
    ensure(index.wait_incidents.len() + index.join_incidents.len() == instance.incidents.len(), "something has two incidents")
}

fn check_unit(instance: &Instance) -> Result<(), SnapshotError> {
    let Some(unit) = &instance.unit else { return Ok(()) };
    let known = |id: &ActivityId| instance.activities.contains_key(id);
    ensure(unit.agenda.tokens().iter().all(|token| known(&token.scope)), "a token belongs to no scope")?;
    for token in unit.agenda.tokens() {
        let scope = instance.at(token.scope);
        let Role::Body(body) = scope.role else { continue };
        let next = body.first.map(|first| ActivityId(first.0.saturating_add(body.begun.into())));
        let is_next =
            |id| instance.activities.get(&id).is_some_and(|it| it.parent == Some(token.scope) && it.phase == Phase::Before { by: None });
        let begins = body.begun < body.instances && next.is_none_or(is_next);
        ensure(token.element == scope.element && begins, "a body has no instance that could begin")?;
    }
    ensure(unit.agenda.later().iter().all(|later| later.below <= unit.agenda.tokens().len()), "something is put off for ever")?;
    let call = unit.call.as_ref().ok_or(SnapshotError::Inconsistent("a unit of work waits for no call"))?;
    check_gone(instance, unit)?;
    let is_gone = matches!(call.listener, Some((Occasion::Delete, _)));
    if is_gone {
        ensure(unit.gone.contains_key(&call.activity), "a call belongs to no task that is gone")?;
    } else {
        ensure(known(&call.activity), "a call belongs to no activity")?;
        check_call(instance, call)?;
    }
    ensure(call.wait.0 <= instance.last, "a call has a number that was never given")?;
    let starts = unit.modification.iter().flat_map(|modification| &modification.rest).filter_map(|instruction| match instruction {
        Instruction::Start(start) => Some(start),
        Instruction::Cancel(_) => None,
    });
    let mut variables = starts.flat_map(|start| start.variables.values().chain(start.local_variables.values()));
    ensure(variables.all(is_json), "a variable is not JSON")
}

/// What is gone is not there, and was in something that is.
fn check_gone(instance: &Instance, unit: &Unit) -> Result<(), SnapshotError> {
    ensure(unit.untold.iter().all(|it| unit.gone.contains_key(&it.activity)), "a task that is gone is not known any more")?;
    for (id, gone) in &unit.gone {
        ensure(id.0 <= instance.last && !instance.activities.contains_key(id), "an activity that is gone is there")?;
        let mut around = std::iter::successors(Some(gone.scope), |scope| unit.gone.get(scope).map(|it| it.scope));
        let is_there = |scope: ActivityId| instance.activities.contains_key(&scope);
        ensure(around.by_ref().take(MAX_TREE_DEPTH).any(is_there), "an activity that is gone was in nothing")?;
        ensure(gone.variables.values().all(is_json), "a variable is not JSON")?;
    }
    Ok(())
}

/// The process itself is what a call is about only where it begins or ends, or where a token in it takes a flow; and a body never is.
fn check_call(instance: &Instance, call: &Call) -> Result<(), SnapshotError> {
    let is_root = call.activity == instance.root();
    let occasion = call.listener.as_ref().map(|(occasion, _)| occasion);
    let fits = match occasion {
        Some(Occasion::ProcessStart(token)) => is_root && token.scope == call.activity && token.by.is_none(),
        Some(Occasion::Take(token)) => token.scope == call.activity && token.by.is_some(),
        Some(Occasion::DeferredStart(start)) => {
            is_root && instance.activities.get(start).is_some_and(|it| it.parent == Some(call.activity))
        }
        Some(Occasion::ProcessEnd | Occasion::ProcessStartInside) => is_root,
        None
        | Some(
            Occasion::Start
            | Occasion::End(_)
            | Occasion::Create { .. }
            | Occasion::Update { .. }
            | Occasion::Assignment
            | Occasion::Complete
            | Occasion::Delete
            | Occasion::Timeout { .. },
        ) => !is_root,
    };
    let is_body = matches!(instance.at(call.activity).role, Role::Body(_));
    ensure(fits && !(is_body && occasion.is_some()), "a call does not fit its activity")
}

fn ensure(holds: bool, otherwise: &'static str) -> Result<(), SnapshotError> {
    if holds { Ok(()) } else { Err(SnapshotError::Inconsistent(otherwise)) }
}

/// Whether a variable's text is JSON that parses: within the depth, and with numbers that there are (`1e999` is JSON and is none).
fn is_json(variable: &Variable) -> bool {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in variable.json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest <= MAX_JSON_DEPTH && serde_json::from_str::<serde_json::Value>(&variable.json).is_ok()
}
