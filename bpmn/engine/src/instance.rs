//! The working state of a process instance.

use std::collections::BTreeMap;
use std::sync::Arc;

use imbl::OrdMap;
use mandate_model::{Compensation, ElementIndex, ElementKind, FlowIndex, ProcessDefinition, ROOT};

use crate::all_of::Part;
use crate::call::{Called, Caller};
use crate::effect::{ExternalTask, Incident, Job, Subscription, Task};
use crate::ids::{ActivityId, IncidentId, InstanceId, WaitId};
use crate::index::Index;
use crate::join::Place;
use crate::limits::{MAX_INLINE_ACTIVITIES, MAX_INLINE_INSTANCES, MAX_INLINE_VARIABLE_BYTES};
use crate::unit::{LaterKind, Unit};
use crate::variable::{Variable, Variables};

/// The process itself in every instance's tree.
pub const ROOT_ACTIVITY: ActivityId = ActivityId(1);

/// What a new instance is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInstance {
    /// Its id: the host's choice, derived or random.
    pub id: InstanceId,
    /// The business key, if it has one.
    pub business_key: Option<String>,
    /// Whose it is, if there are tenants.
    pub tenant: Option<String>,
    /// W3C trace context of whoever started it: units of work that nobody else caused belong to its trace.
    pub traceparent: Option<String>,
    /// Who has called it, if anybody has.
    pub caller: Option<Caller>,
}

/// Things of an instance by their numbers. Persistent: a clone shares everything, and two states of an instance are compared by what they
/// do not share. So a unit of work may be thrown away, a host may keep the last stored state, and what has changed since is found without
/// looking at what has not.
pub(crate) type Map<K, V> = OrdMap<K, Arc<V>>;

/// One run of a process: a tree of activity instances, their variables, and what each of them waits for. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    pub(crate) id: InstanceId,
    pub(crate) business_key: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) traceparent: Option<String>,
    pub(crate) caller: Option<Arc<Caller>>,
    /// How many reports it has made to its caller.
    pub(crate) told: u64,
    pub(crate) state: State,
    pub(crate) suspended: bool,
    /// The last number given to an activity, a wait or an incident.
    pub(crate) last: u64,
    /// The keys of its conversations, by the ids of the correlation keys.
    pub(crate) conversations: BTreeMap<String, String>,
    /// How many modifications there have been.
    pub(crate) modifications: u64,
    /// The key of the last one that had one.
    pub(crate) modified_as: Option<[u8; 32]>,
    pub(crate) activities: Map<ActivityId, Activity>,
    pub(crate) jobs: Map<WaitId, Job>,
    pub(crate) tasks: Map<WaitId, Task>,
    pub(crate) external_tasks: Map<WaitId, ExternalTask>,
    pub(crate) subscriptions: Map<WaitId, Subscription>,
    pub(crate) calls: Map<WaitId, Called>,
    pub(crate) incidents: Map<IncidentId, Incident>,
    pub(crate) unit: Option<Unit>,
    pub(crate) index: Index,
}

/// How far an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Created,
    Active,
    Ended,
}

/// An activity instance: a node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Activity {
    /// Its number.
    pub id: ActivityId,
    /// The scope it runs in; none for the process itself only.
    pub parent: Option<ActivityId>,
    /// The element.
    pub element: ElementIndex,
    /// Since when it is in this phase or, if it joins, runs; milliseconds since 1970.
    pub since: i64,
    /// How far it is.
    pub phase: Phase,
    /// What it is to its element.
    pub role: Role,
    /// Its local variables.
    pub variables: Variables,
    /// What has happened of events of its that want all of several.
    pub(crate) parts: BTreeMap<ElementIndex, Part>,
    /// It is stored apart from the snapshot, with its waits: there were many others when it began.
    pub(crate) apart: bool,
}

/// How far an activity instance is. `Before` and `After` are Camunda 7's *transition instances*: history has not seen them begin, or has
/// already seen them end; so are `Enabled` and `Gathering`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A job will enter the element: `asyncBefore`, or a start that is deferred.
    Before {
        /// The sequence flow it came by.
        by: Option<FlowIndex>,
    },
    /// It runs or waits; a scope has children.
    Active {
        /// The sequence flow it came by.
        by: Option<FlowIndex>,
    },
    /// It may begin: in an ad-hoc sub-process.
    Enabled {
        /// It will when its turn comes; otherwise when somebody says so.
        chosen: bool,
    },
    /// It is to begin when as many tokens have come as its element wants (`startQuantity`).
    Gathering {
        /// How many have, at least one.
        tokens: u32,
    },
    /// It stands at a parallel or inclusive gateway and waits for the other flows.
    Joining {
        /// The sequence flow it came by.
        by: FlowIndex,
    },
    /// A complex gateway has gone on with its token, and remembers the flow until it is reset.
    Spent {
        /// The sequence flow it came by.
        by: FlowIndex,
    },
    /// It is over and a job will leave by this flow (`asyncAfter`); none consumes the token.
    After {
        /// The sequence flow to take.
        flow: Option<FlowIndex>,
    },
}

/// What an activity instance is to its element. Of a multi-instance activity there is a *body* (Camunda 7's `multiInstanceBody`), which is
/// entered, left, watched by boundary events and continued asynchronously as the element says, and in it the *inner* instances, which do
/// what the element does. All others are the element itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The element, once.
    Element,
    /// The scope of a multi-instance activity's instances.
    Body(Body),
    /// One instance of several.
    Inner {
        /// Which one, from 0: its `loopCounter`.
        index: u32,
    },
    /// What is left of an instance of several that has ended: its result, until the body ends.
    Result {
        /// Which one it was, from 0.
        index: u32,
    },
    /// A record: an activity has completed, and its compensation handler may undo it. Nobody sees it.
    Completed,
    /// A record: what is left of a scope or body that has completed with something to compensate inside. Nobody sees it.
    EventScope {
        /// The activity instance that has completed.
        of: ActivityId,
    },
    /// An event scope in which something is being undone, inside of the event that has it compensated.
    Compensating {
        /// The activity instance that has completed.
        of: ActivityId,
    },
}

/// How far the body of a multi-instance activity is. `nrOfInstances` and its kin show these numbers; what somebody else writes there
/// changes what expressions see and not what happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Body {
    /// How many instances there are to be.
    pub instances: u32,
    /// How many have begun; of those with `asyncBefore`, all.
    pub begun: u32,
    /// How many have ended.
    pub ended: u32,
    /// How many were cancelled by hand: the body does not wait for them.
    pub canceled: u32,
    /// The first of those that were made together, if they were: the others' numbers follow.
    pub first: Option<ActivityId>,
}

impl Body {
    /// How many of those that were made together are still to end.
    pub(crate) fn active(self) -> u32 {
        let over = self.ended.checked_add(self.canceled);
        over.and_then(|over| self.instances.checked_sub(over)).expect("no instance is over twice")
    }
}

impl Instance {
    /// An instance in which nothing is active yet: its first input must be [`Input::Start`](crate::Input::Start).
    pub fn new(new: NewInstance) -> Self {
        let root = Activity {
            id: ROOT_ACTIVITY,
            parent: None,
            element: ROOT,
            since: 0,
            phase: Phase::Active { by: None },
            role: Role::Element,
            variables: Variables::new(),
            parts: BTreeMap::new(),
            apart: false,
        };
        let mut index = Index::default();
        index.add_activity(&root);
        Self {
            id: new.id,
            business_key: new.business_key,
            tenant: new.tenant,
            traceparent: new.traceparent,
            caller: new.caller.map(Arc::new),
            told: 0,
            state: State::Created,
            suspended: false,
            last: ROOT_ACTIVITY.0,
            modifications: 0,
            conversations: BTreeMap::new(),
            modified_as: None,
            activities: OrdMap::unit(ROOT_ACTIVITY, Arc::new(root)),
            jobs: OrdMap::new(),
            tasks: OrdMap::new(),
            external_tasks: OrdMap::new(),
            subscriptions: OrdMap::new(),
            calls: OrdMap::new(),
            incidents: OrdMap::new(),
            unit: None,
            index,
        }
    }

    /// Its id.
    pub fn id(&self) -> InstanceId {
        self.id
    }

    /// Its business key.
    pub fn business_key(&self) -> Option<&str> {
        self.business_key.as_deref()
    }

    /// Its tenant.
    pub fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref()
    }

    /// The trace context of whoever started it.
    pub fn traceparent(&self) -> Option<&str> {
        self.traceparent.as_deref()
    }

    /// Whether it has begun; an instance that has ended has begun, too.
    pub fn is_started(&self) -> bool {
        self.state != State::Created
    }

    /// Whether it is over. Of the tree only the process itself is left then, with the variables as they were at the end.
    pub fn is_ended(&self) -> bool {
        self.state == State::Ended
    }

    /// Whether it is suspended.
    pub fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// Whether a delegate call is outstanding: the unit of work is not over and a host must not store the instance.
    pub fn in_unit(&self) -> bool {
        self.unit.is_some()
    }

    /// The process itself: the scope of process variables.
    pub fn root(&self) -> ActivityId {
        ROOT_ACTIVITY
    }

    /// The tree, in the order of numbers: parents before their children, but for what has been compensated, which is older than the event
    /// that it runs in.
    pub fn activities(&self) -> impl Iterator<Item = &Activity> {
        self.activities.values().map(Arc::as_ref)
    }

    /// One activity instance.
    pub fn activity(&self, id: ActivityId) -> Option<&Activity> {
        self.activities.get(&id).map(Arc::as_ref)
    }

    /// The task, external task or subscription behind a wait began at this moment; none if there is no such wait.
    pub fn waiting_since(&self, wait: WaitId) -> Option<i64> {
        let task = self.tasks.get(&wait).map(|task| task.since);
        let external = || self.external_tasks.get(&wait).map(|task| task.since);
        task.or_else(external).or_else(|| self.subscriptions.get(&wait).map(|subscription| subscription.since))
    }

    /// A job, as its row must read.
    pub fn job(&self, wait: WaitId) -> Option<&Job> {
        self.jobs.get(&wait).map(Arc::as_ref)
    }

    /// About how many bytes of memory it takes, for those who keep many.
    pub fn weight(&self) -> usize {
        /// A node of each of the trees, nearly empty.
        const EMPTY: usize = 2 * 1024;
        /// An activity with a wait and its places in the trees.
        const ACTIVITY: usize = 512;
        EMPTY + self.activities.len() * ACTIVITY + self.index.bytes
    }

    /// All exclusive jobs: those first that have attempts left and are not suspended, of these the one that is due first, of those the one
    /// of the highest priority, and of those the oldest.
    pub fn exclusive_jobs(&self) -> impl Iterator<Item = &Job> {
        self.index.exclusive_jobs.iter().map(|(_, _, _, wait)| self.jobs[wait].as_ref())
    }

    /// All jobs, as their rows must read.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values().map(Arc::as_ref)
    }

    /// All user tasks, as their rows must read.
    pub fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values().map(Arc::as_ref)
    }

    /// A user task, as its row must read.
    pub fn task(&self, wait: WaitId) -> Option<&Task> {
        self.tasks.get(&wait).map(Arc::as_ref)
    }

    /// All external tasks, as their rows must read.
    pub fn external_tasks(&self) -> impl Iterator<Item = &ExternalTask> {
        self.external_tasks.values().map(Arc::as_ref)
    }

    /// An external task, as its row must read.
    pub fn external_task(&self, wait: WaitId) -> Option<&ExternalTask> {
        self.external_tasks.get(&wait).map(Arc::as_ref)
    }

    /// All message subscriptions, as their rows must read.
    pub fn subscriptions(&self) -> impl Iterator<Item = &Subscription> {
        self.subscriptions.values().map(Arc::as_ref)
    }

    /// All open incidents, as their rows must read.
    pub fn incidents(&self) -> impl Iterator<Item = &Incident> {
        self.incidents.values().map(Arc::as_ref)
    }

    /// The bytes of all variables, as [`MAX_INSTANCE_BYTES`](crate::MAX_INSTANCE_BYTES) counts them.
    pub fn variable_bytes(&self) -> usize {
        self.index.bytes
    }

    /// Whether every element and flow that the instance names is one of this definition's. [`step`](crate::step) takes that for granted;
    /// ask when the two come from where somebody could have mixed them up.
    pub fn fits(&self, definition: &ProcessDefinition) -> bool {
        let element = |index: ElementIndex| (index.0 as usize) < definition.elements.len();
        let flow = |index: Option<FlowIndex>| index.is_none_or(|index| (index.0 as usize) < definition.flows.len());
        self.activities.values().all(|it| {
            element(it.element)
                && it.parts.keys().all(|part| element(*part))
                && match it.role {
                    Role::Element => definition.element(it.element).multi_instance.is_none(),
                    Role::Body(_) | Role::Inner { .. } | Role::Result { .. } => definition.element(it.element).multi_instance.is_some(),
                    Role::Completed => matches!(definition.element(it.element).compensation, Some(Compensation::Handler(_))),
                    Role::EventScope { .. } | Role::Compensating { .. } => true,
                }
                && match it.phase {
                    Phase::After { flow: by } => flow(by),
                    phase => flow(phase.by()),
                }
        }) && self.jobs.values().all(|it| element(it.element) && it.failed.is_none_or(element))
            && self.tasks.values().all(|it| element(it.element))
            && self.external_tasks.values().all(|it| element(it.element))
            && self.subscriptions.values().all(|it| element(it.element))
            && self
                .calls
                .values()
                .all(|it| matches!(definition.elements.get(it.element.0 as usize).map(|it| &it.kind), Some(ElementKind::CallActivity(_))))
            && self.incidents.values().all(|it| element(it.element) && it.failed.is_none_or(element))
            && self.unit.iter().flat_map(|unit| unit.agenda.tokens()).all(|token| element(token.element) && flow(token.by))
            && self
                .unit
                .iter()
                .filter_map(|unit| unit.call.as_ref()?.listener.as_ref())
                .all(|(occasion, _)| occasion.fits(definition, self))
            && self.unit.iter().flat_map(|unit| unit.agenda.later()).all(|later| match &later.kind {
                LaterKind::PassOn(_, flows) => flows.iter().all(|it| flow(Some(*it))),
                _ => true,
            })
            && self
                .unit
                .iter()
                .all(|unit| unit.untold.iter().all(|it| it.fits(definition)) && unit.gone.values().all(|it| element(it.element)))
            && self.unit.iter().filter_map(|unit| unit.modification.as_ref()).all(|it| it.fits(definition))
    }

    /// An activity and the scopes around it, from the inside out.
    pub(crate) fn outward(&self, from: ActivityId) -> impl Iterator<Item = &Activity> {
        std::iter::successors(self.activity(from), |activity| activity.parent.and_then(|parent| self.activity(parent)))
    }

    /// An activity that must exist: whoever asks holds a number that came from the tree.
    pub(crate) fn at(&self, id: ActivityId) -> &Activity {
        &self.activities[&id]
    }

    /// The activities directly inside a scope, oldest first.
    pub(crate) fn children(&self, scope: ActivityId) -> impl Iterator<Item = ActivityId> {
        self.index.children.get(&scope).into_iter().flatten().copied()
    }

    /// What is remembered of activities that have completed directly inside a scope, in the order of their completion.
    pub(crate) fn records(&self, scope: ActivityId) -> impl Iterator<Item = ActivityId> {
        self.index.records.get(&scope).into_iter().flatten().copied()
    }

    /// Where those of them stand that may still come to a join: no more places than the model has, however many stand there.
    pub(crate) fn places(&self, scope: ActivityId) -> impl Iterator<Item = Place> {
        self.index.places.range((scope, Place::FIRST)..=(scope, Place::LAST)).map(|((_, place), _)| *place)
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Puts a new activity into the tree. Beyond [`MAX_INLINE_ACTIVITIES`] it is stored apart, for as long as it lives; and so it is in a
    /// scope that is, or whose children are many: in whatever order these end, what is left in the snapshot is little.
    pub(crate) fn add_activity(&mut self, scope: ActivityId, element: ElementIndex, phase: Phase, role: Role, since: i64) -> ActivityId {
        let id = ActivityId(self.number());
        let around = self.at(scope);
        let many = matches!(around.role, Role::Body(body) if body.first.is_some() && body.instances as usize > MAX_INLINE_INSTANCES);
        let apart = around.apart || many || self.index.inline.len() >= MAX_INLINE_ACTIVITIES;
        let activity =
            Activity { id, parent: Some(scope), element, since, phase, role, variables: Variables::new(), parts: BTreeMap::new(), apart };
        self.index.add_activity(&activity);
        let before = self.activities.insert(id, Arc::new(activity));
        debug_assert!(before.is_none(), "numbers are never used again");
        id
    }

    /// Takes an activity out of the tree. Its waits and children must be gone.
    pub(crate) fn remove_activity(&mut self, id: ActivityId) -> Arc<Activity> {
        let activity = self.activities.remove(&id).expect("the caller found it in the tree");
        let is_empty = !self.index.children.contains_key(&id) && !self.index.records.contains_key(&id);
        assert!(is_empty && !self.index.waits.contains_key(&id), "nothing of it is left: what was inside could never be stored");
        self.index.remove_activity(&activity);
        activity
    }

    /// Puts an activity into another scope, in another role.
    pub(crate) fn move_activity(&mut self, id: ActivityId, scope: ActivityId, role: Role) {
        let activity = self.activities.get_mut(&id).expect("the caller found it in the tree");
        self.index.remove_activity(activity);
        let moved = Arc::make_mut(activity);
        (moved.parent, moved.role) = (Some(scope), role);
        self.index.add_activity(moved);
    }

    /// Puts a job into its place, or a changed one into its new place.
    pub(crate) fn set_job(&mut self, job: Job) {
        self.take_job(job.wait);
        self.index.add_job(&job);
        self.jobs.insert(job.wait, Arc::new(job));
    }

    pub(crate) fn take_job(&mut self, wait: WaitId) -> Option<Arc<Job>> {
        let job = self.jobs.remove(&wait)?;
        self.index.remove_job(&job);
        Some(job)
    }

    pub(crate) fn set_phase(&mut self, id: ActivityId, phase: Phase) {
        let activity = Arc::make_mut(self.activities.get_mut(&id).expect("the caller found it in the tree"));
        self.index.leave_place(activity);
        activity.phase = phase;
        self.index.enter_place(activity);
    }

    pub(crate) fn set_body(&mut self, id: ActivityId, body: Body) {
        Arc::make_mut(self.activities.get_mut(&id).expect("the caller found it in the tree")).role = Role::Body(body);
    }

    /// Leaves of an inner instance, whose waits and children must be gone, nothing but its result.
    pub(crate) fn set_result(&mut self, id: ActivityId, index: u32, name: &str, value: Variable) {
        let names: Vec<_> = self.at(id).variables.keys().cloned().collect();
        for other in names {
            self.set_local(id, &other, None);
        }
        self.set_local(id, name, Some(value));
        self.set_phase(id, Phase::After { flow: None });
        Arc::make_mut(self.activities.get_mut(&id).expect("the caller found it in the tree")).role = Role::Result { index };
    }

    pub(crate) fn set_part(&mut self, id: ActivityId, event: ElementIndex, part: Part) {
        Arc::make_mut(self.activities.get_mut(&id).expect("the caller found it in the tree")).parts.insert(event, part);
    }

    /// Nothing has happened of these events of an activity.
    pub(crate) fn forget_parts(&mut self, id: ActivityId, events: &[ElementIndex]) {
        if self.at(id).parts.keys().any(|event| events.contains(event)) {
            let activity = Arc::make_mut(self.activities.get_mut(&id).expect("the caller found it in the tree"));
            activity.parts.retain(|event, _| !events.contains(event));
        }
    }

    pub(crate) fn set_since(&mut self, id: ActivityId, since: i64) {
        Arc::make_mut(self.activities.get_mut(&id).expect("the caller found it in the tree")).since = since;
    }
}

/// What a variable counts towards [`MAX_INSTANCE_BYTES`](crate::MAX_INSTANCE_BYTES).
pub(crate) fn size(name: &str, value: &Variable) -> usize {
    name.len() + value.json.len()
}

/// Whether a variable is stored apart from the snapshot.
pub(crate) fn is_large(name: &str, value: &Variable) -> bool {
    !name.is_empty() && value.json.len() > MAX_INLINE_VARIABLE_BYTES
}

impl Activity {
    /// The scope around it; only the process itself has none, and it is never moved.
    pub(crate) fn scope(&self) -> ActivityId {
        self.parent.expect("only the root has no parent")
    }
}

impl Role {
    /// Whether it is only remembered.
    pub fn is_record(self) -> bool {
        matches!(self, Role::Completed | Role::EventScope { .. })
    }

    /// Whether its variables are those of an activity of which history has seen the end: it hears nothing of them.
    pub(crate) fn is_past(self) -> bool {
        self.is_record() || matches!(self, Role::Result { .. } | Role::Compensating { .. })
    }
}

impl Phase {
    /// The flow by which it came, while it is remembered.
    pub fn by(self) -> Option<FlowIndex> {
        match self {
            Phase::Before { by } | Phase::Active { by } => by,
            Phase::Joining { by } | Phase::Spent { by } => Some(by),
            Phase::Enabled { .. } | Phase::Gathering { .. } | Phase::After { .. } => None,
        }
    }

    /// Whether history has seen the activity begin but not end.
    pub fn is_live(self) -> bool {
        matches!(self, Phase::Active { .. } | Phase::Joining { .. })
    }
}
