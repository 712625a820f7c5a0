//! Version 1. These types are a file format: from the first release on they never change. Numbers of elements and flows are places in the definition, which an instance
//! keeps for life; a [`Code`] is its place in [`Code::ALL`].

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;
use mandate_model::{ElementIndex, FlowIndex};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{PartId, SnapshotError};
use crate::Code;
use crate::effect;
use crate::ids::{ActivityId, IncidentId, InstanceId, WaitId};
use crate::index::Index;
use crate::instance::{self, Instance, State};
use crate::lineage::Lineage;
use crate::unit;
use crate::variable::{self, Variables};

#[derive(Serialize, Deserialize)]
struct Snapshot {
    id: [u8; 16],
    business_key: Option<String>,
    tenant: Option<String>,
    state: u8,
    suspended: bool,
    last: u64,
    traceparent: Option<String>,
    /// How many parts are stored beside the snapshot.
    parts: u64,
    inline: Vec<Branch>,
    unit: Option<Unit>,
}

/// An activity with what waits for it: a member of the snapshot's list, or a part of its own.
#[derive(Serialize, Deserialize)]
struct Branch {
    activity: Activity,
    jobs: Vec<Job>,
    tasks: Vec<Task>,
    external_tasks: Vec<ExternalTask>,
    subscriptions: Vec<Subscription>,
    incidents: Vec<Incident>,
}

#[derive(Serialize, Deserialize)]
struct Activity {
    id: u64,
    parent: Option<u64>,
    element: u32,
    since: i64,
    phase: Phase,
    role: Role,
    variables: Vec<Variable>,
}

#[derive(Serialize, Deserialize)]
enum Role {
    Element,
    Body { instances: u32, begun: u32, ended: u32, first: Option<u64> },
    Inner { index: u32 },
    Result { index: u32 },
}

#[derive(Serialize, Deserialize)]
enum Phase {
    Before { by: Option<u32> },
    Active { by: Option<u32> },
    Joining { by: u32 },
    After { flow: Option<u32> },
}

#[derive(Serialize, Deserialize)]
struct Variable {
    name: String,
    kind: u8,
    /// None: it is a part of its own.
    json: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Job {
    wait: u64,
    activity: u64,
    element: u32,
    kind: u8,
    due: i64,
    retries: u32,
    failures: u32,
    exclusive: bool,
    since: i64,
    failure: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Task {
    wait: u64,
    activity: u64,
    element: u32,
    assignee: Option<String>,
    candidate_users: Vec<String>,
    candidate_groups: Vec<String>,
    due: Option<i64>,
    since: i64,
}

#[derive(Serialize, Deserialize)]
struct ExternalTask {
    wait: u64,
    activity: u64,
    element: u32,
    topic: String,
    priority: i64,
    retries: Option<u32>,
    failures: u32,
    failure: Option<String>,
    since: i64,
}

#[derive(Serialize, Deserialize)]
struct Subscription {
    wait: u64,
    activity: u64,
    element: u32,
    message: String,
    since: i64,
}

#[derive(Serialize, Deserialize)]
struct Incident {
    id: u64,
    wait: Option<u64>,
    activity: u64,
    element: u32,
    code: u32,
    message: String,
    attempt: u32,
    since: i64,
}

#[derive(Serialize, Deserialize)]
struct Unit {
    origin: u64,
    attempt: u32,
    retries_left: u32,
    steps: u32,
    agenda: Vec<Token>,
    call: Option<(u64, u64)>,
    lineages: Vec<(u64, [u8; 32])>,
    entries: Vec<([u8; 32], u32, u32)>,
    touched: Vec<u64>,
    moved: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
struct Token {
    element: u32,
    scope: u64,
    by: Option<u32>,
    lineage: [u8; 32],
}

pub(super) fn encode(instance: &Instance, bytes: &mut Vec<u8>) {
    write(&Snapshot::from(instance), bytes);
}

/// An activity as a part of its own.
pub(super) fn encode_part(instance: &Instance, activity: &instance::Activity, bytes: &mut Vec<u8>) {
    write(&Branch::new(instance, activity), bytes);
}

pub(super) fn decode<'a>(bytes: &[u8], parts: impl IntoIterator<Item = (PartId, &'a [u8])>) -> Result<Instance, SnapshotError> {
    read::<Snapshot>(bytes)?.into_instance(parts)
}

fn write(value: &impl Serialize, bytes: &mut Vec<u8>) {
    let encoded = postcard::to_stdvec(value).expect("these types hold nothing that postcard cannot write");
    bytes.extend_from_slice(&encoded);
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, SnapshotError> {
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).map_err(|error| SnapshotError::Damaged(error.to_string()))?;
    if !rest.is_empty() {
        return Err(SnapshotError::Damaged(format!("{} bytes too many", rest.len())));
    }
    Ok(value)
}

impl From<&Instance> for Snapshot {
    fn from(it: &Instance) -> Self {
        Self {
            id: it.id.0.into_bytes(),
            business_key: it.business_key.clone(),
            tenant: it.tenant.clone(),
            state: match it.state {
                State::Created => 0,
                State::Active => 1,
                State::Ended => 2,
            },
            suspended: it.suspended,
            last: it.last,
            traceparent: it.traceparent.clone(),
            parts: it.parts() as u64,
            inline: it.index.inline.iter().map(|id| Branch::new(it, it.at(*id))).collect(),
            unit: it.unit.as_ref().map(Unit::from),
        }
    }
}

impl Snapshot {
    fn into_instance<'a>(self, parts: impl IntoIterator<Item = (PartId, &'a [u8])>) -> Result<Instance, SnapshotError> {
        let mut instance = Instance {
            id: InstanceId(Uuid::from_bytes(self.id)),
            business_key: self.business_key,
            tenant: self.tenant,
            traceparent: self.traceparent,
            state: match self.state {
                0 => State::Created,
                1 => State::Active,
                2 => State::Ended,
                _ => return Err(SnapshotError::Inconsistent("its state is unknown")),
            },
            suspended: self.suspended,
            last: self.last,
            activities: OrdMap::new(),
            jobs: OrdMap::new(),
            tasks: OrdMap::new(),
            external_tasks: OrdMap::new(),
            subscriptions: OrdMap::new(),
            incidents: OrdMap::new(),
            unit: self.unit.map(Unit::into_unit),
            index: Index::default(),
        };
        let mut branches: Vec<(Branch, bool)> = self.inline.into_iter().map(|branch| (branch, false)).collect();
        let mut texts = BTreeMap::new();
        let mut found = 0_u64;
        for (id, bytes) in parts {
            found += 1;
            let bytes = match super::version(bytes)? {
                (1, bytes) => bytes,
                (version, _) => return Err(SnapshotError::UnknownVersion(version)),
            };
            if id.variable.is_empty() {
                let branch = read::<Branch>(bytes)?;
                ensure(branch.activity.id == id.activity.0, "a part is another activity's")?;
                branches.push((branch, true));
            } else {
                let text = std::str::from_utf8(bytes).map_err(|error| SnapshotError::Damaged(error.to_string()))?;
                texts.insert(id, Arc::from(text));
            }
        }
        ensure(found == self.parts, "parts of it are missing, or there are too many")?;
        for (branch, apart) in branches {
            branch.add_to(&mut instance, apart, &mut texts)?;
        }
        ensure(texts.is_empty(), "a part is a variable that nobody has")?;
        Ok(instance)
    }
}

impl Branch {
    fn new(of: &Instance, activity: &instance::Activity) -> Self {
        let waits = || of.index.waits.get(&activity.id).into_iter().flatten();
        let of_waits = waits().filter_map(|wait| of.index.wait_incidents.get(wait));
        let of_join = activity.parent.and_then(|scope| of.index.join_incidents.get(&(scope, activity.element)));
        let incidents = of_waits.chain(of_join).map(|id| &of.incidents[id]).filter(|incident| incident.activity == activity.id);
        Self {
            activity: Activity::from(activity),
            jobs: waits().filter_map(|wait| of.jobs.get(wait)).map(|job| Job::from(&**job)).collect(),
            tasks: waits().filter_map(|wait| of.tasks.get(wait)).map(|task| Task::from(&**task)).collect(),
            external_tasks: waits().filter_map(|wait| of.external_tasks.get(wait)).map(|task| ExternalTask::from(&**task)).collect(),
            subscriptions: waits().filter_map(|wait| of.subscriptions.get(wait)).map(|it| Subscription::from(&**it)).collect(),
            incidents: incidents.map(|incident| Incident::from(&**incident)).collect(),
        }
    }

    fn add_to(self, instance: &mut Instance, apart: bool, texts: &mut Texts) -> Result<(), SnapshotError> {
        let activity = self.activity.into_activity(apart, texts)?;
        put(&mut instance.activities, activity.id, activity)?;
        for job in self.jobs {
            put(&mut instance.jobs, WaitId(job.wait), job.into_job()?)?;
        }
        for task in self.tasks {
            put(&mut instance.tasks, WaitId(task.wait), task.into_task())?;
        }
        for task in self.external_tasks {
            put(&mut instance.external_tasks, WaitId(task.wait), task.into_external_task())?;
        }
        for subscription in self.subscriptions {
            put(&mut instance.subscriptions, WaitId(subscription.wait), subscription.into_subscription())?;
        }
        for incident in self.incidents {
            put(&mut instance.incidents, IncidentId(incident.id), incident.into_incident()?)?;
        }
        Ok(())
    }
}

/// Large variables that were read and not yet given to their activity.
type Texts = BTreeMap<PartId, Arc<str>>;

/// Each number once.
fn put<K: Ord + Clone, V>(map: &mut OrdMap<K, Arc<V>>, key: K, value: V) -> Result<(), SnapshotError> {
    ensure(map.insert(key, Arc::new(value)).is_none(), "a number was given twice")
}

fn ensure(holds: bool, otherwise: &'static str) -> Result<(), SnapshotError> {
    if holds { Ok(()) } else { Err(SnapshotError::Inconsistent(otherwise)) }
}

impl From<&instance::Activity> for Activity {
    fn from(it: &instance::Activity) -> Self {
        Self {
            id: it.id.0,
            parent: it.parent.map(|parent| parent.0),
            element: it.element.0,
            since: it.since,
            phase: match it.phase {
                instance::Phase::Before { by } => Phase::Before { by: by.map(|by| by.0) },
                instance::Phase::Active { by } => Phase::Active { by: by.map(|by| by.0) },
                instance::Phase::Joining { by } => Phase::Joining { by: by.0 },
                instance::Phase::After { flow } => Phase::After { flow: flow.map(|flow| flow.0) },
            },
            role: match it.role {
                instance::Role::Element => Role::Element,
                instance::Role::Body(instance::Body { instances, begun, ended, first }) => {
                    Role::Body { instances, begun, ended, first: first.map(|first| first.0) }
                }
                instance::Role::Inner { index } => Role::Inner { index },
                instance::Role::Result { index } => Role::Result { index },
            },
            variables: it
                .variables
                .iter()
                .map(|(name, value)| Variable {
                    name: name.clone(),
                    kind: kind_number(value.kind),
                    json: (!instance::is_large(name, value)).then(|| value.json.to_string()),
                })
                .collect(),
        }
    }
}

impl Activity {
    fn into_activity(self, apart: bool, texts: &mut Texts) -> Result<instance::Activity, SnapshotError> {
        let mut variables = Variables::new();
        for Variable { name, kind, json } in self.variables {
            let kind = kind_of(kind).ok_or(SnapshotError::Inconsistent("a variable's type is unknown"))?;
            let part = || PartId { activity: ActivityId(self.id), variable: name.clone() };
            let json = json.map(Arc::from).or_else(|| texts.remove(&part()));
            let json = json.ok_or(SnapshotError::Inconsistent("a large variable has no part"))?;
            variables.insert(name, variable::Variable { kind, json });
        }
        Ok(instance::Activity {
            id: ActivityId(self.id),
            parent: self.parent.map(ActivityId),
            element: ElementIndex(self.element),
            since: self.since,
            phase: match self.phase {
                Phase::Before { by } => instance::Phase::Before { by: by.map(FlowIndex) },
                Phase::Active { by } => instance::Phase::Active { by: by.map(FlowIndex) },
                Phase::Joining { by } => instance::Phase::Joining { by: FlowIndex(by) },
                Phase::After { flow } => instance::Phase::After { flow: flow.map(FlowIndex) },
            },
            role: match self.role {
                Role::Element => instance::Role::Element,
                Role::Body { instances, begun, ended, first } => {
                    instance::Role::Body(instance::Body { instances, begun, ended, first: first.map(ActivityId) })
                }
                Role::Inner { index } => instance::Role::Inner { index },
                Role::Result { index } => instance::Role::Result { index },
            },
            variables,
            apart,
        })
    }
}

/// A variable's type is its place in this list.
const KINDS: [variable::VariableKind; 8] = {
    use variable::VariableKind::{Boolean, Date, Double, Integer, Json, Long, Null, String};
    [Null, String, Integer, Long, Double, Boolean, Date, Json]
};

fn kind_number(kind: variable::VariableKind) -> u8 {
    let place = KINDS.iter().position(|it| *it == kind).expect("every type is in the list");
    u8::try_from(place).expect("there are fewer types than that")
}

fn kind_of(number: u8) -> Option<variable::VariableKind> {
    KINDS.get(usize::from(number)).copied()
}

impl From<&effect::Job> for Job {
    fn from(it: &effect::Job) -> Self {
        Self {
            wait: it.wait.0,
            activity: it.activity.0,
            element: it.element.0,
            kind: match it.kind {
                effect::JobKind::Start => 0,
                effect::JobKind::AsyncBefore => 1,
                effect::JobKind::AsyncAfter => 2,
                effect::JobKind::Timer => 3,
            },
            due: it.due,
            retries: it.retries,
            failures: it.failures,
            exclusive: it.exclusive,
            since: it.since,
            failure: it.failure.clone(),
        }
    }
}

impl Job {
    fn into_job(self) -> Result<effect::Job, SnapshotError> {
        Ok(effect::Job {
            wait: WaitId(self.wait),
            activity: ActivityId(self.activity),
            element: ElementIndex(self.element),
            kind: match self.kind {
                0 => effect::JobKind::Start,
                1 => effect::JobKind::AsyncBefore,
                2 => effect::JobKind::AsyncAfter,
                3 => effect::JobKind::Timer,
                _ => return Err(SnapshotError::Inconsistent("a job's kind is unknown")),
            },
            due: self.due,
            retries: self.retries,
            failures: self.failures,
            exclusive: self.exclusive,
            since: self.since,
            failure: self.failure,
        })
    }
}

impl From<&effect::Task> for Task {
    fn from(it: &effect::Task) -> Self {
        Self {
            wait: it.wait.0,
            activity: it.activity.0,
            element: it.element.0,
            assignee: it.assignee.clone(),
            candidate_users: it.candidate_users.clone(),
            candidate_groups: it.candidate_groups.clone(),
            due: it.due,
            since: it.since,
        }
    }
}

impl Task {
    fn into_task(self) -> effect::Task {
        effect::Task {
            wait: WaitId(self.wait),
            activity: ActivityId(self.activity),
            element: ElementIndex(self.element),
            assignee: self.assignee,
            candidate_users: self.candidate_users,
            candidate_groups: self.candidate_groups,
            due: self.due,
            since: self.since,
        }
    }
}

impl From<&effect::ExternalTask> for ExternalTask {
    fn from(it: &effect::ExternalTask) -> Self {
        Self {
            wait: it.wait.0,
            activity: it.activity.0,
            element: it.element.0,
            topic: it.topic.clone(),
            priority: it.priority,
            retries: it.retries,
            failures: it.failures,
            failure: it.failure.clone(),
            since: it.since,
        }
    }
}

impl ExternalTask {
    fn into_external_task(self) -> effect::ExternalTask {
        effect::ExternalTask {
            wait: WaitId(self.wait),
            activity: ActivityId(self.activity),
            element: ElementIndex(self.element),
            topic: self.topic,
            priority: self.priority,
            retries: self.retries,
            failures: self.failures,
            failure: self.failure,
            since: self.since,
        }
    }
}

impl From<&effect::Subscription> for Subscription {
    fn from(it: &effect::Subscription) -> Self {
        Self { wait: it.wait.0, activity: it.activity.0, element: it.element.0, message: it.message.clone(), since: it.since }
    }
}

impl Subscription {
    fn into_subscription(self) -> effect::Subscription {
        effect::Subscription {
            wait: WaitId(self.wait),
            activity: ActivityId(self.activity),
            element: ElementIndex(self.element),
            message: self.message,
            since: self.since,
        }
    }
}

impl From<&effect::Incident> for Incident {
    fn from(it: &effect::Incident) -> Self {
        let place = Code::ALL.iter().position(|code| *code == it.code).expect("every code is in the list of all codes");
        Self {
            id: it.id.0,
            wait: it.wait.map(|wait| wait.0),
            activity: it.activity.0,
            element: it.element.0,
            code: u32::try_from(place).expect("there are fewer codes than that"),
            message: it.message.clone(),
            attempt: it.attempt,
            since: it.since,
        }
    }
}

impl Incident {
    fn into_incident(self) -> Result<effect::Incident, SnapshotError> {
        Ok(effect::Incident {
            id: IncidentId(self.id),
            wait: self.wait.map(WaitId),
            activity: ActivityId(self.activity),
            element: ElementIndex(self.element),
            code: *Code::ALL.get(self.code as usize).ok_or(SnapshotError::Inconsistent("an incident's code is unknown"))?,
            message: self.message,
            attempt: self.attempt,
            since: self.since,
        })
    }
}

impl From<&unit::Unit> for Unit {
    fn from(it: &unit::Unit) -> Self {
        let token = |token: &unit::Token| Token {
            element: token.element.0,
            scope: token.scope.0,
            by: token.by.map(|by| by.0),
            lineage: token.lineage.0,
        };
        Self {
            origin: it.origin.0,
            attempt: it.attempt,
            retries_left: it.retries_left,
            steps: it.steps,
            agenda: it.agenda.iter().map(token).collect(),
            call: it.call.as_ref().map(|call| (call.wait.0, call.activity.0)),
            lineages: it.lineages.iter().map(|(activity, lineage)| (activity.0, lineage.0)).collect(),
            entries: it.entries.iter().map(|((lineage, element), count)| (lineage.0, element.0, *count)).collect(),
            touched: it.touched.iter().map(|scope| scope.0).collect(),
            moved: it.moved.iter().map(|scope| scope.0).collect(),
        }
    }
}

impl Unit {
    fn into_unit(self) -> unit::Unit {
        let token = |token: Token| unit::Token {
            element: ElementIndex(token.element),
            scope: ActivityId(token.scope),
            by: token.by.map(FlowIndex),
            lineage: Lineage(token.lineage),
        };
        unit::Unit {
            origin: WaitId(self.origin),
            attempt: self.attempt,
            retries_left: self.retries_left,
            steps: self.steps,
            agenda: self.agenda.into_iter().map(token).collect(),
            call: self.call.map(|(wait, activity)| unit::Call { wait: WaitId(wait), activity: ActivityId(activity) }),
            lineages: self.lineages.into_iter().map(|(activity, lineage)| (ActivityId(activity), Lineage(lineage))).collect(),
            entries: self.entries.into_iter().map(|(lineage, element, count)| ((Lineage(lineage), ElementIndex(element)), count)).collect(),
            touched: self.touched.into_iter().map(ActivityId).collect(),
            moved: self.moved.into_iter().map(ActivityId).collect(),
        }
    }
}
