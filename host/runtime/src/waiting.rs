//! Nothing is silently stuck: where every active instance stands, and why.

use std::collections::BTreeSet;

use mandate_engine::{ActivityId, Code, InstanceId, Leaf, LeafState, PublicId};
use mandate_model::ElementIndex;
use mandate_store::Undelivered;
use mandate_store::query::{InstanceFilter, InstanceRow, Page};
use serde::Serialize;

use crate::instances::InstanceView;
use crate::unit::{number, public};
use crate::{Error, Runtime};

/// For operators: one leaf of an instance, an open incident at which no leaf stands, or an instance of which no leaf can be told.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// The instance.
    pub process_instance_id: String,
    /// Its business key.
    pub business_key: Option<String>,
    /// Its tenant.
    pub tenant_id: Option<String>,
    /// Its definition's key.
    pub process_definition_key: String,
    /// Its definition's version.
    pub process_definition_version: i64,
    /// The activity instance; of an incident beside a leaf the one that its job belongs to. None of an instance that cannot be read.
    pub activity_instance_id: Option<String>,
    /// The BPMN element; of an incident beside a leaf the one of its job, as Camunda 7's incidents have it. None of an instance that cannot
    /// be read.
    pub activity_id: Option<String>,
    /// Its name.
    pub activity_name: Option<String>,
    /// Since when, milliseconds since 1970. Of an instance that cannot be read: when it was started.
    pub since: i64,
    /// Until when at the latest, if anything bounds it.
    pub until: Option<i64>,
    /// Why it stands there.
    #[serde(flatten)]
    pub reason: Reason,
}

/// The one reason why a leaf stands where it stands, or the incident beside it.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "reason", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Reason {
    /// It waits for a message.
    Message {
        /// The subscription.
        id: String,
        /// The message's name.
        message: String,
        /// What tells it from other waits for the message, if the model says so.
        #[serde(skip_serializing_if = "Option::is_none")]
        correlation_key: Option<String>,
    },
    /// It waits for somebody who lets it go on: a receive task without a message.
    Signalling {
        /// The wait.
        id: String,
    },
    /// It waits for a signal.
    Signal {
        /// The subscription.
        id: String,
        /// The signal's name.
        signal: String,
    },
    /// It waits until its condition holds.
    Condition {
        /// The subscription.
        id: String,
    },
    /// It waits for a person.
    Task {
        /// The task.
        id: String,
        /// Who has it.
        assignee: Option<String>,
    },
    /// It waits for a worker.
    ExternalTask {
        /// The external task.
        id: String,
        /// Its topic.
        topic: String,
        /// Attempts left; none: it has never failed.
        retries: Option<u32>,
    },
    /// It waits for a process that it has called.
    CalledInstance {
        /// The called instance.
        id: String,
        /// The key of its process.
        process: String,
    },
    /// It waits for a moment.
    Timer {
        /// The job.
        id: String,
        /// The moment.
        due: i64,
    },
    /// A job will take it further.
    Job {
        /// The job.
        id: String,
        /// The attempt that is next or running, from 1.
        attempt: u32,
        /// Attempts left.
        retries: u32,
        /// Not before.
        due: i64,
        /// The host that holds it, when one does.
        held_by: Option<String>,
    },
    /// Progress stopped.
    Incident {
        /// The incident.
        id: String,
        /// Its kind.
        code: String,
        /// What exactly.
        message: String,
    },
    /// It waits for the first of several events.
    Events {
        /// The BPMN elements behind the gateway.
        events: Vec<String>,
    },
    /// It stands at a join.
    Join {
        /// Sequence flows by which no token has come yet; of an inclusive gateway those by which one may still come.
        missing: Vec<String>,
    },
    /// It may begin, in an ad-hoc sub-process.
    Enabled {
        /// It was chosen, and begins when its turn comes; otherwise when somebody says so.
        chosen: bool,
    },
    /// A unit of work is running.
    Running {},
    /// The instance is suspended.
    Suspended {},
    /// This host cannot read the instance or load its definition. Its jobs are left to hosts that can.
    Unreadable {
        /// Why.
        message: String,
        /// What to do.
        help: &'static str,
    },
}

const HELP_INSTANCE: &str = "if a newer host wrote it, upgrade this one: hosts that can read it go on with it meanwhile; otherwise                              `mandate check-store` says what else is damaged, and the row must come back from a backup";

const HELP_DEFINITION: &str = "if a newer host deployed it, upgrade this one: hosts that can load it go on with its instances meanwhile; otherwise                                `mandate check-store` says what else is damaged, and the deployment must come back from a backup";

/// Which leaves to list.
#[derive(Clone, Debug, Default)]
pub struct WaitingFilter {
    /// Only of this instance.
    pub instance: Option<mandate_engine::InstanceId>,
    /// Only of this definition key.
    pub definition_key: Option<String>,
    /// Only of instances with this business key.
    pub business_key: Option<String>,
    /// Only what is overdue at this moment, see [`Reads::overdue`](mandate_store::query::Reads::overdue), and instances of which nobody can
    /// tell. An incident is not overdue.
    pub overdue_at: Option<i64>,
    /// At most this many instances are looked at after `after`.
    pub max_instances: u32,
    /// Go on after this instance.
    pub after: Option<mandate_engine::InstanceId>,
}

/// Instances under one business key that are looked at: it names one order or a few, not a population.
const MAX_UNDER_ONE_KEY: u32 = 1_000;

impl Runtime {
    /// Where instances stand, in the order of their ids. Every open incident is told: by the leaf that stands at it, or behind the leaves
    /// of its instance. Also the last instance looked at, to go on from; none at the end. What is overdue may be a scope as well, of which
    /// an event's timer should have fired: it is told as waiting for that timer.
    pub async fn waiting(&self, filter: WaitingFilter) -> Result<(Vec<Waiting>, Option<mandate_engine::InstanceId>), Error> {
        let (rows, next) = self.looked_at(&filter).await?;
        let overdue = match filter.overdue_at {
            Some(now) => Some(self.0.store.overdue(now, rows.iter().map(|row| row.id).collect()).await?),
            None => None,
        };
        let undelivered = self.0.store.undelivered(rows.iter().map(|row| row.id).collect()).await?;
        let mut listed = Vec::new();
        for row in rows {
            let (key, version) = self.key_and_version(&row.definition_id).await?;
            if filter.definition_key.as_ref().is_some_and(|wanted| *wanted != key) {
                continue;
            }
            let view = match self.readable(&row).await {
                Ok(view) => view,
                // One that cannot be read does not hide the others.
                Err(error @ (Error::Unreadable { .. } | Error::DefinitionUnreadable { .. })) => {
                    listed.push(unreadable(&row, key, version, &error));
                    continue;
                }
                Err(error) => return Err(error),
            };
            let holders = self.0.store.job_holders(row.id).await?;
            let undelivered: Vec<_> = undelivered.iter().filter(|it| it.instance == row.id).collect();
            let leaves = view.instance.leaves(&view.definition.model);
            let tell = |leaf: &Leaf| describe(&view, leaf, &holders, &undelivered);
            if let Some(overdue) = &overdue {
                let overdue = overdue.iter().filter(|(instance, _)| *instance == row.id).map(|(_, activity)| *activity);
                listed.extend(overdue.filter_map(|activity| leaf_or_scope(&view, &leaves, activity)).map(|leaf| tell(&leaf)));
                continue;
            }
            let told: Vec<_> = leaves.iter().map(tell).collect();
            let beside = beside(&view, &told, &undelivered);
            listed.extend(told.into_iter().chain(beside));
        }
        Ok((listed, next))
    }

    /// An instance with its definition, if both can be read and belong together.
    pub(crate) async fn readable(&self, row: &InstanceRow) -> Result<InstanceView, Error> {
        let definition = self.0.definition_of(&row.definition_id).await?;
        let id = mandate_engine::InstanceId(row.id);
        let instance = crate::cache::decode(row).map_err(|error| Error::Unreadable { instance: id, reason: error.to_string() })?;
        if !instance.fits(&definition.model) {
            let reason = format!("its snapshot names elements that definition {} does not have", row.definition_id);
            return Err(Error::Unreadable { instance: id, reason });
        }
        Ok(InstanceView { instance, definition })
    }

    /// A definition's key and version, also of one that cannot be loaded.
    async fn key_and_version(&self, id: &str) -> Result<(String, i64), Error> {
        match self.0.definition_of(id).await {
            Ok(definition) => return Ok((definition.row.key.clone(), definition.row.version)),
            Err(Error::DefinitionUnreadable { .. }) => {}
            Err(error) => return Err(error),
        }
        // `key:version:unique`; a key has no colon.
        let mut parts = id.split(':');
        let key = parts.next().unwrap_or_default().to_owned();
        Ok((key, parts.next().and_then(|version| version.parse().ok()).unwrap_or(0)))
    }

    /// The instances of one page: one that is named, and those under a business key, are found by that, not by walking all of them.
    async fn looked_at(&self, filter: &WaitingFilter) -> Result<(Vec<InstanceRow>, Option<mandate_engine::InstanceId>), Error> {
        if let Some(id) = filter.instance {
            let mut rows = self.0.store.load_instances(vec![id.0]).await?;
            rows.retain(|row| filter.business_key.is_none() || row.business_key == filter.business_key);
            return Ok((rows, None));
        }
        if let Some(business_key) = filter.business_key.clone() {
            let under = InstanceFilter { business_key: Some(business_key), ..InstanceFilter::default() };
            let page = Page { first: 0, max: MAX_UNDER_ONE_KEY };
            let ids = self.0.store.instances(under, page, &[]).await?.into_iter().map(|instance| instance.id).collect();
            return Ok((self.0.store.load_instances(ids).await?, None));
        }
        let after = filter.after.map(|id| id.0);
        let (rows, last) = if let Some(now) = filter.overdue_at {
            let ids = self.0.store.overdue_instances(now, after, filter.max_instances).await?;
            let last = ids.last().copied().filter(|_| ids.len() == filter.max_instances as usize);
            (self.0.store.load_instances(ids).await?, last)
        } else {
            self.0.store.instances_after(after, filter.max_instances).await?
        };
        Ok((rows, last.map(mandate_engine::InstanceId)))
    }
}

/// The leaf with a number or, when it is a scope's, that scope as it waits for the earliest timer of its events. None: it is over by now.
fn leaf_or_scope(view: &InstanceView, leaves: &[Leaf], activity: i64) -> Option<Leaf> {
    if let Some(leaf) = leaves.iter().find(|leaf| number(leaf.activity.0) == activity) {
        return Some(leaf.clone());
    }
    let timers = view.instance.jobs().filter(|job| number(job.activity.0) == activity && job.retries > 0);
    let timer = timers.min_by_key(|job| job.due)?;
    let scope = view.instance.activity(timer.activity)?;
    Some(Leaf {
        activity: scope.id,
        element: scope.element,
        since: scope.since,
        until: Some(timer.due),
        state: LeafState::Timer { wait: timer.wait, due: timer.due },
    })
}

/// The open incidents of an instance at which none of its leaves stands: of a timer on the border of an activity, in an event sub-process
/// or of a task's listener, or of a signal or message to any of these; and all of an instance that is suspended.
fn beside(view: &InstanceView, told: &[Waiting], undelivered: &[&Undelivered]) -> Vec<Waiting> {
    let incident_of = |waiting: &Waiting| match &waiting.reason {
        Reason::Incident { id, .. } => Some(id.clone()),
        _ => None,
    };
    let at_leaves: BTreeSet<String> = told.iter().filter_map(incident_of).collect();
    let own = view.instance.incidents().map(|open| {
        let id = public(&view.instance, open.id.0);
        let reason = Reason::Incident { id, code: open.code.as_str().to_owned(), message: open.message.clone() };
        row(view, (open.activity, open.element), (open.since, None), reason)
    });
    let of_others = undelivered.iter().filter_map(|it| {
        // Of a delivery whose row is damaged nobody knows whom it was for but the instance.
        let receiver = u64::try_from(it.activity).ok().and_then(|activity| view.instance.activity(ActivityId(activity)));
        let receiver = receiver.or_else(|| view.instance.activity(view.instance.root()))?;
        let element = view.definition.model.find(&it.activity_id).unwrap_or(receiver.element);
        Some(row(view, (receiver.id, element), (it.since, None), never_came(it)))
    });
    own.chain(of_others).filter(|it| incident_of(it).is_none_or(|id| !at_leaves.contains(&id))).collect()
}

fn never_came(undelivered: &Undelivered) -> Reason {
    let id = PublicId { instance: InstanceId(undelivered.instance), number: u64::try_from(undelivered.n).unwrap_or(0) };
    Reason::Incident { id: id.to_string(), code: Code::Undelivered.as_str().to_owned(), message: undelivered.failure.clone() }
}

fn unreadable(row: &InstanceRow, process_definition_key: String, process_definition_version: i64, error: &Error) -> Waiting {
    let help = if matches!(error, Error::DefinitionUnreadable { .. }) { HELP_DEFINITION } else { HELP_INSTANCE };
    Waiting {
        process_instance_id: mandate_engine::InstanceId(row.id).to_string(),
        business_key: row.business_key.clone(),
        tenant_id: row.tenant.clone(),
        process_definition_key,
        process_definition_version,
        activity_instance_id: None,
        activity_id: None,
        activity_name: None,
        since: row.started_at,
        until: None,
        reason: Reason::Unreadable { message: error.to_string(), help },
    }
}

fn describe(view: &InstanceView, leaf: &Leaf, holders: &[(i64, String)], undelivered: &[&Undelivered]) -> Waiting {
    let told = row(view, (leaf.activity, leaf.element), (leaf.since, leaf.until), reason(view, leaf, holders));
    // What it waits for has come, and cannot get in.
    let failed = undelivered.iter().find(|it| it.activity == number(leaf.activity.0) && Some(&it.activity_id) == told.activity_id.as_ref());
    match (&leaf.state, failed) {
        (LeafState::Signal { .. } | LeafState::Message { .. }, Some(failed)) => Waiting { reason: never_came(failed), ..told },
        _ => told,
    }
}

fn row(
    view: &InstanceView,
    (activity, element): (ActivityId, ElementIndex),
    (since, until): (i64, Option<i64>),
    reason: Reason,
) -> Waiting {
    let instance = &view.instance;
    Waiting {
        process_instance_id: instance.id().to_string(),
        business_key: instance.business_key().map(str::to_owned),
        tenant_id: instance.tenant().map(str::to_owned),
        process_definition_key: view.definition.row.key.clone(),
        process_definition_version: view.definition.row.version,
        // The process itself has its instance's id.
        activity_instance_id: Some(if activity == instance.root() { instance.id().to_string() } else { public(instance, activity.0) }),
        activity_id: Some(crate::unit::activity_id(&view.definition, instance, activity, element)),
        activity_name: view.definition.model.element(element).name.clone(),
        since,
        until,
        reason,
    }
}

fn reason(view: &InstanceView, leaf: &Leaf, holders: &[(i64, String)]) -> Reason {
    let instance = &view.instance;
    let model = &view.definition.model;
    let id = |number: u64| public(instance, number);
    let held_by = |wait: u64| holders.iter().find(|(held, _)| *held == number(wait)).map(|(_, host)| host.clone());
    match &leaf.state {
        LeafState::Message { wait, name, .. } if name.is_empty() => Reason::Signalling { id: id(wait.0) },
        LeafState::Message { wait, name, correlation_key } => {
            Reason::Message { id: id(wait.0), message: name.clone(), correlation_key: correlation_key.clone() }
        }
        LeafState::Signal { wait, name } => Reason::Signal { id: id(wait.0), signal: name.clone() },
        LeafState::Condition { wait } => Reason::Condition { id: id(wait.0) },
        LeafState::Task { wait, assignee } => Reason::Task { id: id(wait.0), assignee: assignee.clone() },
        LeafState::ExternalTask { wait, topic, retries } => {
            Reason::ExternalTask { id: id(wait.0), topic: topic.clone(), retries: *retries }
        }
        LeafState::Called { instance, process, .. } => Reason::CalledInstance { id: instance.to_string(), process: process.clone() },
        LeafState::Timer { wait, due } => Reason::Timer { id: id(wait.0), due: *due },
        LeafState::Job { wait, attempt, retries, due } => {
            Reason::Job { id: id(wait.0), attempt: *attempt, retries: *retries, due: *due, held_by: held_by(wait.0) }
        }
        LeafState::Incident { incident } => {
            let found = instance.incidents().find(|open| open.id == *incident);
            Reason::Incident {
                id: id(incident.0),
                code: found.map(|open| open.code.as_str().to_owned()).unwrap_or_default(),
                message: found.map(|open| open.message.clone()).unwrap_or_default(),
            }
        }
        LeafState::Events { events } => {
            Reason::Events { events: events.iter().map(|event| model.element(*event).id.to_string()).collect() }
        }
        LeafState::Join { missing } => Reason::Join { missing: missing.iter().map(|flow| model.flow(*flow).id.to_string()).collect() },
        LeafState::Enabled { chosen } => Reason::Enabled { chosen: *chosen },
        LeafState::Running => Reason::Running {},
        LeafState::Suspended => Reason::Suspended {},
    }
}
