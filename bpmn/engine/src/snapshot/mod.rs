//! The stored form of an instance: a snapshot and, apart from it, parts that are written only when they change.
//!
//! The snapshot holds the instance's head and the first [`MAX_INLINE_ACTIVITIES`](crate::limits::MAX_INLINE_ACTIVITIES) of its activities
//! with their waits and incidents; it is written with every unit of work. Every further activity is a part, and so is every variable of
//! more than [`MAX_INLINE_VARIABLE_BYTES`](crate::limits::MAX_INLINE_VARIABLE_BYTES). Snapshot and parts begin with a version byte; a part
//! may be older than its snapshot.
//!
//! Working types may change with every release; a version's types never do. A host reads this version and the one before.

mod check;
mod v1;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imbl::ordmap::DiffItem;

use crate::ids::ActivityId;
use crate::instance::{Instance, Map, is_large};

/// The version that [`Instance::changes`] writes.
const CURRENT: u8 = 1;

/// Most snapshots are not larger.
const TYPICAL_BYTES: usize = 512;

/// Why stored bytes are not an instance.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// There are none.
    #[error("the snapshot or a part of it is empty")]
    Empty,
    /// A version that this engine does not read: it was written by a newer or a much older one.
    #[error("snapshot version {0} is not one that this engine reads (1)")]
    UnknownVersion(u8),
    /// The bytes do not decode.
    #[error("the snapshot is damaged: {0}")]
    Damaged(String),
    /// The bytes decode, but to something that no instance can be.
    #[error("the snapshot contradicts itself: {0}")]
    Inconsistent(&'static str),
}

/// What is stored apart from the snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId {
    /// The activity that it is or belongs to.
    pub activity: ActivityId,
    /// Empty for the activity itself with its waits; else the name of its large variable.
    pub variable: String,
}

/// What must be written so that the store holds an instance as it is now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// The snapshot.
    pub snapshot: Vec<u8>,
    /// How many parts there are in all, changed or not.
    pub parts: usize,
    /// Parts that are new or have changed.
    pub put: Vec<(PartId, Vec<u8>)>,
    /// Parts that are gone.
    pub remove: Vec<PartId>,
}

/// An instance as a store holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The snapshot.
    pub snapshot: Vec<u8>,
    /// All parts.
    pub parts: BTreeMap<PartId, Vec<u8>>,
}

impl Stored {
    /// Writes what has changed.
    pub fn apply(&mut self, changes: Changes) {
        self.snapshot = changes.snapshot;
        for part in changes.remove {
            self.parts.remove(&part);
        }
        self.parts.extend(changes.put);
    }

    /// The instance that was stored.
    pub fn decode(&self) -> Result<Instance, SnapshotError> {
        Instance::decode(&self.snapshot, self.parts.iter().map(|(id, bytes)| (id.clone(), bytes.as_slice())))
    }
}

impl Instance {
    /// The whole stored form.
    pub fn encode(&self) -> Stored {
        let mut stored = Stored::default();
        stored.apply(self.changes(None));
        stored
    }

    /// What differs from the state that is stored; everything, if none is. A unit of work that is under way is included.
    pub fn changes(&self, stored: Option<&Instance>) -> Changes {
        let mut snapshot = Vec::with_capacity(TYPICAL_BYTES);
        snapshot.push(CURRENT);
        v1::encode(self, &mut snapshot);
        let mut changes = Changes { snapshot, parts: self.parts(), put: Vec::new(), remove: Vec::new() };
        if changes.parts == 0 && stored.is_none_or(|stored| stored.parts() == 0) {
            return changes;
        }
        let touched = match stored {
            Some(stored) => self.touched(stored),
            None => self.activities.keys().copied().collect(),
        };
        for id in touched {
            self.changes_of(id, stored, &mut changes);
        }
        changes
    }

    /// The instance that was stored. Bytes that are not one give an error, never a panic; whether element and flow numbers fit the
    /// definition only the caller can know who stored the two together.
    pub fn decode<'a>(snapshot: &[u8], parts: impl IntoIterator<Item = (PartId, &'a [u8])>) -> Result<Instance, SnapshotError> {
        let mut instance = match version(snapshot)? {
            (1, rest) => v1::decode(rest, parts)?,
            (version, _) => return Err(SnapshotError::UnknownVersion(version)),
        };
        instance.index = check::check(&instance)?;
        Ok(instance)
    }

    /// How many parts the instance is stored in, apart from its snapshot.
    pub fn parts(&self) -> usize {
        self.activities.len() - self.index.inline.len() + self.index.large_variables
    }

    /// Activities of either state that differ, or whose waits or incidents do.
    fn touched(&self, stored: &Instance) -> BTreeSet<ActivityId> {
        let mut touched = BTreeSet::new();
        touched.extend(changed(&stored.activities, &self.activities).map(|it| it.id));
        touched.extend(changed(&stored.jobs, &self.jobs).map(|it| it.activity));
        touched.extend(changed(&stored.tasks, &self.tasks).map(|it| it.activity));
        touched.extend(changed(&stored.external_tasks, &self.external_tasks).map(|it| it.activity));
        touched.extend(changed(&stored.subscriptions, &self.subscriptions).map(|it| it.activity));
        touched.extend(changed(&stored.calls, &self.calls).map(|it| it.activity));
        touched.extend(changed(&stored.incidents, &self.incidents).map(|it| it.activity));
        touched
    }

    /// The parts of one activity, as far as they differ.
    fn changes_of(&self, id: ActivityId, stored: Option<&Instance>, changes: &mut Changes) {
        let now = self.activities.get(&id);
        let before = stored.and_then(|stored| stored.activities.get(&id));
        let part = |variable: &str| PartId { activity: id, variable: variable.to_owned() };
        match (now, before) {
            (Some(activity), _) if activity.apart => {
                let mut bytes = vec![CURRENT];
                v1::encode_part(self, activity, &mut bytes);
                changes.put.push((part(""), bytes));
            }
            (None, Some(before)) if before.apart => changes.remove.push(part("")),
            // What is apart stays apart: an activity's place is decided when it begins.
            _ => {}
        }
        let large_now = now.map(|activity| &activity.variables);
        let large_before = before.map(|activity| &activity.variables);
        for (name, value) in large_now.into_iter().flatten().filter(|(name, value)| is_large(name, value)) {
            let same = large_before.and_then(|variables| variables.get(name)).is_some_and(|it| Arc::ptr_eq(&it.json, &value.json));
            if !same {
                let mut bytes = vec![CURRENT];
                bytes.extend_from_slice(value.json.as_bytes());
                changes.put.push((part(name), bytes));
            }
        }
        for (name, _) in large_before.into_iter().flatten().filter(|(name, value)| is_large(name, value)) {
            if !large_now.and_then(|variables| variables.get(name)).is_some_and(|value| is_large(name, value)) {
                changes.remove.push(part(name));
            }
        }
    }
}

fn version(bytes: &[u8]) -> Result<(u8, &[u8]), SnapshotError> {
    bytes.split_first().map(|(version, rest)| (*version, rest)).ok_or(SnapshotError::Empty)
}

/// What is in only one of two maps, or differs between them. Looks only at what they do not share.
fn changed<'a, K: Ord, V: Eq>(before: &'a Map<K, V>, now: &'a Map<K, V>) -> impl Iterator<Item = &'a V> {
    before.diff(now).map(|item| match item {
        DiffItem::Add(_, value) | DiffItem::Remove(_, value) | DiffItem::Update { new: (_, value), .. } => value.as_ref(),
    })
}
