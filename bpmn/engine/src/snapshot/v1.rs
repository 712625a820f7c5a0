//! Version 1. These types are a file format: from the first release on they never change. Numbers of elements and flows are places in the
//! definition, which an instance keeps for life; a [`Code`] is its place in [`Code::ALL`].

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{PartId, SnapshotError};
use crate::ids::{IncidentId, InstanceId, WaitId};
use crate::index::Index;
use crate::instance::{self, Instance, State};

mod activity;
mod call;
mod modification;
mod unit;
mod variables;
mod waits;

use activity::Activity;
use call::{Called, Caller};
use unit::Unit;
use waits::{ExternalTask, Incident, Job, Subscription, Task};

#[derive(Serialize, Deserialize)]
struct Snapshot<'a> {
    id: [u8; 16],
    business_key: Option<Cow<'a, str>>,
    tenant: Option<Cow<'a, str>>,
    state: u8,
    suspended: bool,
    last: u64,
    modifications: u64,
    modified_as: Option<[u8; 32]>,
    traceparent: Option<Cow<'a, str>>,
    caller: Option<Caller>,
    /// How many reports it has made to its caller.
    told: u64,
    conversations: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    /// How many parts are stored beside the snapshot.
    parts: u64,
    inline: Vec<Branch<'a>>,
    unit: Option<Unit>,
}

/// An activity with what waits for it: a member of the snapshot's list, or a part of its own.
#[derive(Serialize, Deserialize)]
struct Branch<'a> {
    activity: Activity<'a>,
    jobs: Vec<Job>,
    tasks: Vec<Task>,
    external_tasks: Vec<ExternalTask>,
    subscriptions: Vec<Subscription>,
    calls: Vec<Called>,
    incidents: Vec<Incident>,
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
    *bytes = postcard::to_extend(value, std::mem::take(bytes)).expect("these types hold nothing that postcard cannot write");
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, SnapshotError> {
    let (value, rest) = postcard::take_from_bytes::<T>(bytes).map_err(|error| SnapshotError::Damaged(error.to_string()))?;
    if !rest.is_empty() {
        return Err(SnapshotError::Damaged(format!("{} bytes too many", rest.len())));
    }
    Ok(value)
}

impl<'a> From<&'a Instance> for Snapshot<'a> {
    fn from(it: &'a Instance) -> Self {
        Self {
            id: it.id.0.into_bytes(),
            business_key: it.business_key.as_deref().map(Cow::Borrowed),
            tenant: it.tenant.as_deref().map(Cow::Borrowed),
            state: match it.state {
                State::Created => 0,
                State::Active => 1,
                State::Ended => 2,
            },
            suspended: it.suspended,
            last: it.last,
            modifications: it.modifications,
            modified_as: it.modified_as,
            traceparent: it.traceparent.as_deref().map(Cow::Borrowed),
            caller: it.caller.as_deref().map(Caller::from),
            told: it.told,
            conversations: it.conversations.iter().map(|(of, key)| (Cow::Borrowed(&**of), Cow::Borrowed(&**key))).collect(),
            parts: it.parts() as u64,
            inline: it.index.inline.iter().map(|id| Branch::new(it, it.at(*id))).collect(),
            unit: it.unit.as_ref().map(Unit::from),
        }
    }
}

impl Snapshot<'_> {
    fn into_instance<'b>(self, parts: impl IntoIterator<Item = (PartId, &'b [u8])>) -> Result<Instance, SnapshotError> {
        let mut instance = Instance {
            id: InstanceId(Uuid::from_bytes(self.id)),
            business_key: self.business_key.map(Cow::into_owned),
            tenant: self.tenant.map(Cow::into_owned),
            traceparent: self.traceparent.map(Cow::into_owned),
            caller: self.caller.map(Caller::into_caller).transpose()?.map(Arc::new),
            told: self.told,
            conversations: self.conversations.into_iter().map(|(of, key)| (of.into_owned(), key.into_owned())).collect(),
            state: match self.state {
                0 => State::Created,
                1 => State::Active,
                2 => State::Ended,
                _ => return Err(SnapshotError::Inconsistent("its state is unknown")),
            },
            suspended: self.suspended,
            last: self.last,
            modifications: self.modifications,
            modified_as: self.modified_as,
            activities: OrdMap::new(),
            jobs: OrdMap::new(),
            tasks: OrdMap::new(),
            external_tasks: OrdMap::new(),
            subscriptions: OrdMap::new(),
            calls: OrdMap::new(),
            incidents: OrdMap::new(),
            unit: self.unit.map(Unit::into_unit).transpose()?,
            index: Index::default(),
        };
        let mut branches: Vec<(Branch<'_>, bool)> = self.inline.into_iter().map(|branch| (branch, false)).collect();
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

impl<'a> Branch<'a> {
    fn new(of: &Instance, activity: &'a instance::Activity) -> Self {
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
            calls: waits().filter_map(|wait| of.calls.get(wait)).map(|it| Called::from(&**it)).collect(),
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
            put(&mut instance.tasks, WaitId(task.wait), task.into_task()?)?;
        }
        for task in self.external_tasks {
            put(&mut instance.external_tasks, WaitId(task.wait), task.into_external_task())?;
        }
        for subscription in self.subscriptions {
            put(&mut instance.subscriptions, WaitId(subscription.wait), subscription.into_subscription()?)?;
        }
        for call in self.calls {
            put(&mut instance.calls, WaitId(call.wait), call.into_called()?)?;
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
