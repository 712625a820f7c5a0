//! What a unit of work begins from: the instance as it was last stored, from memory or from the store.
//!
//! Whoever commits a unit leaves the new state here, so that the next unit of the instance reads nothing. The revision decides: a commit
//! that was made from an old state finds another revision and is made again from the store.
//!
//! A state from memory may be old *before* the commit finds out: another host has moved the instance on, its deployment was deleted, or two
//! units of this host left their states here in the wrong order. A unit that only steps and calls delegates without commands loses nothing
//! by it. But nothing is sent, and nobody is refused anything, on the strength of an old state: before the first delegate that may issue
//! commands is called, and before a rejection or a failure counts, the revision is compared with the store's ([`Inner::is_stale`]).

use std::sync::Arc;

use mandate_engine::{ActivityId, Instance, InstanceId, NewInstance, PartId, SnapshotError};
use mandate_store::query::InstanceRow;
use mandate_store::{CalledBy, Expect, InstanceHead, RunningJob};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::advance::Work;
use crate::definitions::Definition;
use crate::{Error, Inner};

/// Memory for instances, in bytes as [`Instance::weight`] estimates them: some thousands that are busy. It does not grow with those that
/// wait.
const MEMORY: u64 = 64 << 20;

/// An instance is seldom smaller: sizes the cache's own tables.
const SMALLEST: usize = 4 << 10;

/// Instances in memory, as they were last stored by this host.
pub(crate) struct Instances(Cache<InstanceId, Arc<Loaded>, Weights>);

/// A stored state.
pub(crate) struct Loaded {
    revision: i64,
    running: Option<RunningJob>,
    definition: Arc<Definition>,
    instance: Instance,
}

/// What a unit begins from.
pub(crate) struct Base {
    pub(crate) definition: Arc<Definition>,
    /// The state that the unit steps from; a clone shares everything with it.
    pub(crate) instance: Instance,
    pub(crate) expect: Expect,
    /// The job that stands in the instance's row.
    pub(crate) running: Option<RunningJob>,
    /// It comes from memory.
    pub(crate) remembered: bool,
    /// It comes from memory and was not compared with the store yet.
    unsure: bool,
}

#[derive(Clone)]
struct Weights;

impl Weighter<InstanceId, Arc<Loaded>> for Weights {
    fn weight(&self, _: &InstanceId, loaded: &Arc<Loaded>) -> u64 {
        loaded.instance.weight() as u64
    }
}

impl Instances {
    pub(crate) fn new() -> Self {
        let items = usize::try_from(MEMORY).unwrap_or(usize::MAX) / SMALLEST;
        let mut options = OptionsBuilder::new();
        // One part: in several, a large instance could be larger than its part and would be read again for every unit.
        let options = options.shards(1).estimated_items_capacity(items).weight_capacity(MEMORY).build().expect("both capacities are set");
        Self(Cache::with_options(options, Weights, DefaultHashBuilder::default(), DefaultLifecycle::default()))
    }

    /// An instance was stored in this state. A later one that is here already stays.
    pub(crate) fn keep(&self, instance: &Instance, definition: &Arc<Definition>, revision: i64, running: Option<RunningJob>) {
        if self.0.peek(&instance.id()).is_some_and(|kept| kept.revision > revision) {
            return;
        }
        let loaded = Loaded { revision, running, definition: definition.clone(), instance: instance.clone() };
        self.0.insert(instance.id(), Arc::new(loaded));
    }

    /// An instance at a revision, if that is what is here.
    pub(crate) fn at(&self, instance: InstanceId, revision: i64) -> Option<(Instance, Arc<Definition>)> {
        let loaded = self.0.get(&instance).filter(|loaded| loaded.revision == revision)?;
        Some((loaded.instance.clone(), loaded.definition.clone()))
    }

    /// An instance is over, or somebody else has moved it on.
    pub(crate) fn forget(&self, instance: InstanceId) {
        self.0.remove(&instance);
    }
}

impl Base {
    /// A new instance, which this user starts.
    pub(crate) fn fresh(definition: Arc<Definition>, new: NewInstance, called_by: Option<CalledBy>, user: Option<&str>, now: i64) -> Self {
        let head = InstanceHead {
            tenant: new.tenant.clone(),
            definition_id: definition.row.id.clone(),
            business_key: new.business_key.clone(),
            started_at: now,
            started_by: user.map(str::to_owned),
            called_by,
        };
        Self { definition, instance: Instance::new(new), expect: Expect::New(head), running: None, remembered: false, unsure: false }
    }

    /// The state that the store holds, for telling what has changed; none for a new instance.
    pub(crate) fn stored(&self) -> Option<&Instance> {
        match self.expect {
            Expect::New(_) => None,
            Expect::Revision(_) => Some(&self.instance),
        }
    }
}

impl Inner {
    /// The state that an input meets: a new instance, one from memory, or one from the store.
    pub(crate) async fn base(&self, work: &Work) -> Result<Base, Error> {
        let Some(begin) = &work.begin else { return self.base_of(work.instance).await };
        let (business_key, tenant) = (begin.business_key.clone(), begin.tenant.clone());
        let new = NewInstance { id: work.instance, business_key, tenant, traceparent: work.traceparent.clone(), caller: None };
        Ok(Base::fresh(begin.definition.clone(), new, None, work.user(), self.clock.now_ms()))
    }

    /// The state of an instance that exists.
    pub(crate) async fn base_of(&self, id: InstanceId) -> Result<Base, Error> {
        if let Some(loaded) = self.instances.0.get(&id) {
            return Ok(Base {
                definition: loaded.definition.clone(),
                instance: loaded.instance.clone(),
                expect: Expect::Revision(loaded.revision),
                running: loaded.running.clone(),
                remembered: true,
                unsure: true,
            });
        }
        let not_found = || Error::NotFound { what: "process instance", id: id.to_string() };
        let row = self.store.load_instance(id.0).await?.ok_or_else(not_found)?;
        let definition = self.definition_of(&row.definition_id).await?;
        let instance = decode(&row).map_err(|error| Error::Unreadable { instance: id, reason: error.to_string() })?;
        Ok(Base { definition, instance, expect: Expect::Revision(row.revision), running: row.running, remembered: false, unsure: false })
    }

    /// Keeps what was read of an instance for the unit that begins from it in a moment.
    pub(crate) fn remember(&self, base: &Base) {
        if let (Expect::Revision(revision), false) = (&base.expect, base.remembered) {
            self.instances.keep(&base.instance, &base.definition, *revision, base.running.clone());
        }
    }

    /// Whether the store holds another state than the one that came from memory. Then it is forgotten, and the unit begins again from the
    /// store. Asks the store once; what came from the store is taken as it is, for the commit compares.
    pub(crate) async fn is_stale(&self, base: &mut Base) -> Result<bool, Error> {
        if !std::mem::replace(&mut base.unsure, false) {
            return Ok(false);
        }
        let id = base.instance.id();
        let current = self.store.revision(id.0).await?;
        let stale = !matches!(base.expect, Expect::Revision(revision) if current == Some(revision));
        if stale {
            self.instances.forget(id);
        }
        Ok(stale)
    }
}

/// The instance of a row and its parts.
pub(crate) fn decode(row: &InstanceRow) -> Result<Instance, SnapshotError> {
    let part = |activity: i64, variable: &str| {
        // A number that no activity has: the engine says that the part is another's.
        let activity = ActivityId(u64::try_from(activity).unwrap_or(0));
        PartId { activity, variable: variable.to_owned() }
    };
    Instance::decode(&row.snapshot, row.parts.iter().map(|row| (part(row.activity, &row.variable), row.bytes.as_slice())))
}
