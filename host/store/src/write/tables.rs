//! The rows beside an instance's own.

use std::collections::HashSet;

use uuid::Uuid;

use super::instances::Repeated;
use super::{Rows, stays_locked, tenant};
use crate::Error;
use crate::batch::{Batch, Type, cells};
use crate::claim::{self, ClaimedJob};
use crate::db::{Param, Tx};
use crate::lease::HostRef;
use crate::unit::{Beside, Expect, InstanceWrite, State, Stood};

static PUT_PARTS: Batch = Batch::new(
    "INSERT INTO instance_part (instance_id, activity, variable, bytes) SELECT v.instance_id, v.activity, v.variable, v.bytes FROM {rows} \
     WHERE TRUE ON CONFLICT (instance_id, activity, variable) DO UPDATE SET bytes = excluded.bytes",
    &[("instance_id", Type::Uuid), ("activity", Type::I64), ("variable", Type::Text), ("bytes", Type::Bytes)],
);
static REMOVE_PARTS: Batch = Batch::new(
    "DELETE FROM instance_part WHERE (instance_id, activity, variable) IN (SELECT v.instance_id, v.activity, v.variable FROM {rows})",
    &[("instance_id", Type::Uuid), ("activity", Type::I64), ("variable", Type::Text)],
);

static SUSPEND_JOBS: Batch = Batch::new(
    "UPDATE job SET suspended = v.suspended FROM {rows} WHERE job.instance_id = v.id",
    &[("id", Type::Uuid), ("suspended", Type::Bool)],
);
static SUSPEND_TASKS: Batch = Batch::new(
    "UPDATE task SET suspended = v.suspended FROM {rows} WHERE task.instance_id = v.id",
    &[("id", Type::Uuid), ("suspended", Type::Bool)],
);

static PUT_JOBS: Batch = Batch::new(
    "INSERT INTO job (instance_id, wait, activity, activity_id, kind, definition_id, due, retries, failures, exclusive, priority, behind, created, \
     failure, failed_activity, suspended, locked_by, locked_epoch, takeovers) \
     SELECT v.instance_id, v.wait, v.activity, v.activity_id, v.kind, v.definition_id, v.due, v.retries, v.failures, v.exclusive, v.priority, v.behind, \
     v.created, v.failure, v.failed_activity, v.suspended, v.locked_by, v.locked_epoch, 0 FROM {rows} WHERE TRUE \
     ON CONFLICT (instance_id, wait) DO UPDATE SET activity = excluded.activity, activity_id = excluded.activity_id, \
     kind = excluded.kind, due = excluded.due, retries = excluded.retries, failures = excluded.failures, exclusive = excluded.exclusive, \
     priority = excluded.priority, behind = excluded.behind, created = excluded.created, failure = excluded.failure, failed_activity = excluded.failed_activity, \
     suspended = excluded.suspended, locked_by = excluded.locked_by, \
     locked_epoch = excluded.locked_epoch, takeovers = 0",
    &[
        ("instance_id", Type::Uuid),
        ("wait", Type::I64),
        ("activity", Type::I64),
        ("activity_id", Type::Text),
        ("kind", Type::Text),
        ("definition_id", Type::Text),
        ("due", Type::I64),
        ("retries", Type::I64),
        ("failures", Type::I64),
        ("exclusive", Type::Bool),
        ("priority", Type::I64),
        ("behind", Type::Bool),
        ("created", Type::I64),
        ("failure", Type::Text),
        ("failed_activity", Type::Text),
        ("suspended", Type::Bool),
        ("locked_by", Type::Uuid),
        ("locked_epoch", Type::I64),
    ],
);

/// Leaves the lock alone: a job that runs while an operator changes it is still its host's.
static REVISE_JOBS: Batch = Batch::new(
    "UPDATE job SET due = v.due, retries = v.retries, priority = v.priority, suspended = v.suspended, behind = v.behind FROM {rows} \
     WHERE job.instance_id = v.instance_id AND job.wait = v.wait",
    &[
        ("instance_id", Type::Uuid),
        ("wait", Type::I64),
        ("due", Type::I64),
        ("retries", Type::I64),
        ("priority", Type::I64),
        ("suspended", Type::Bool),
        ("behind", Type::Bool),
    ],
);

static SET_BEHIND: Batch = Batch::new(
    "UPDATE job SET behind = v.behind FROM {rows} WHERE job.instance_id = v.instance_id AND job.wait = v.wait",
    &[("instance_id", Type::Uuid), ("wait", Type::I64), ("behind", Type::Bool)],
);

static PUT_TASKS: Batch = Batch::new(
    "INSERT INTO task (instance_id, wait, activity, activity_id, name, definition_id, assignee, owner, delegation, candidate_users, candidate_groups, due, \
     follow_up, priority, created, updated, form_key, description, suspended) \
     SELECT v.instance_id, v.wait, v.activity, v.activity_id, v.name, v.definition_id, v.assignee, v.owner, v.delegation, v.candidate_users, \
     v.candidate_groups, v.due, v.follow_up, v.priority, v.created, v.updated, v.form_key, v.description, v.suspended FROM {rows} WHERE TRUE \
     ON CONFLICT (instance_id, wait) DO UPDATE SET activity = excluded.activity, activity_id = excluded.activity_id, name = excluded.name, \
     assignee = excluded.assignee, owner = excluded.owner, delegation = excluded.delegation, created = excluded.created, updated = excluded.updated, candidate_users = excluded.candidate_users, \
     candidate_groups = excluded.candidate_groups, due = excluded.due, follow_up = excluded.follow_up, \
     priority = excluded.priority, form_key = excluded.form_key, description = excluded.description, suspended = excluded.suspended",
    &[
        ("instance_id", Type::Uuid),
        ("wait", Type::I64),
        ("activity", Type::I64),
        ("activity_id", Type::Text),
        ("name", Type::Text),
        ("definition_id", Type::Text),
        ("assignee", Type::Text),
        ("owner", Type::Text),
        ("delegation", Type::Text),
        ("candidate_users", Type::Text),
        ("candidate_groups", Type::Text),
        ("due", Type::I64),
        ("follow_up", Type::I64),
        ("priority", Type::I64),
        ("created", Type::I64),
        ("updated", Type::I64),
        ("form_key", Type::Text),
        ("description", Type::Text),
        ("suspended", Type::Bool),
    ],
);

static SUSPEND_EXTERNAL_TASKS: Batch = Batch::new(
    "UPDATE external_task SET suspended = v.suspended FROM {rows} WHERE external_task.instance_id = v.id",
    &[("id", Type::Uuid), ("suspended", Type::Bool)],
);

/// What is new is fetched from the moment of its creation on.
static PUT_EXTERNAL_TASKS: Batch = Batch::new(
    "INSERT INTO external_task (instance_id, wait, activity, activity_id, topic, definition_id, priority, retries, failures, failure, created, \
     tenant, business_key, suspended, lock_until) \
     SELECT v.instance_id, v.wait, v.activity, v.activity_id, v.topic, v.definition_id, v.priority, v.retries, v.failures, v.failure, v.created, \
     v.tenant, v.business_key, v.suspended, v.created FROM {rows}",
    &[
        ("instance_id", Type::Uuid),
        ("wait", Type::I64),
        ("activity", Type::I64),
        ("activity_id", Type::Text),
        ("topic", Type::Text),
        ("definition_id", Type::Text),
        ("priority", Type::I64),
        ("retries", Type::I64),
        ("failures", Type::I64),
        ("failure", Type::Text),
        ("created", Type::I64),
        ("tenant", Type::Text),
        ("business_key", Type::Text),
        ("suspended", Type::Bool),
    ],
);

/// Without a new lock it was not a failure: what the last one left stays.
static REVISE_EXTERNAL_TASKS: Batch = Batch::new(
    "UPDATE external_task SET priority = v.priority, retries = v.retries, failures = v.failures, failure = v.failure, \
     details = CASE WHEN v.lock_until IS NULL THEN external_task.details ELSE v.details END, \
     lock_until = COALESCE(v.lock_until, external_task.lock_until) FROM {rows} \
     WHERE external_task.instance_id = v.instance_id AND external_task.wait = v.wait",
    &[
        ("instance_id", Type::Uuid),
        ("wait", Type::I64),
        ("priority", Type::I64),
        ("retries", Type::I64),
        ("failures", Type::I64),
        ("failure", Type::Text),
        ("details", Type::Text),
        ("lock_until", Type::I64),
    ],
);

static PUT_CANDIDATES: Batch = Batch::new(
    "INSERT INTO task_candidate (instance_id, wait, is_group, name) SELECT v.instance_id, v.wait, v.is_group, v.name FROM {rows} \
     WHERE TRUE ON CONFLICT DO NOTHING",
    &[("instance_id", Type::Uuid), ("wait", Type::I64), ("is_group", Type::Bool), ("name", Type::Text)],
);

static PUT_SUBSCRIPTIONS: Batch = Batch::new(
    "INSERT INTO subscription (instance_id, wait, activity, activity_id, kind, name, of_event, definition_id, created, tenant, business_key, \
     correlation_key) \
     SELECT v.instance_id, v.wait, v.activity, v.activity_id, v.kind, v.name, v.of_event, v.definition_id, v.created, v.tenant, v.business_key, \
     v.correlation_key FROM {rows} WHERE TRUE ON CONFLICT (instance_id, wait) DO UPDATE SET activity = excluded.activity, activity_id = excluded.activity_id, \
     kind = excluded.kind, name = excluded.name, of_event = excluded.of_event, created = excluded.created, \
     correlation_key = excluded.correlation_key",
    &[
        ("instance_id", Type::Uuid),
        ("wait", Type::I64),
        ("activity", Type::I64),
        ("activity_id", Type::Text),
        ("kind", Type::Text),
        ("name", Type::Text),
        ("of_event", Type::Bool),
        ("definition_id", Type::Text),
        ("created", Type::I64),
        ("tenant", Type::Text),
        ("business_key", Type::Text),
        ("correlation_key", Type::Text),
    ],
);

static PUT_INCIDENTS: Batch = Batch::new(
    "INSERT INTO incident (instance_id, n, wait, activity, activity_id, failed_activity_id, job_definition_id, definition_id, code, message, attempt, \
     created, detail) \
     SELECT v.instance_id, v.n, v.wait, v.activity, v.activity_id, v.failed_activity_id, v.job_definition_id, v.definition_id, v.code, v.message, \
     v.attempt, v.created, v.detail \
     FROM {rows} WHERE TRUE ON CONFLICT (instance_id, n) DO UPDATE SET wait = excluded.wait, activity = excluded.activity, \
     activity_id = excluded.activity_id, failed_activity_id = excluded.failed_activity_id, job_definition_id = excluded.job_definition_id, \
     code = excluded.code, message = excluded.message, attempt = excluded.attempt, created = excluded.created, detail = excluded.detail",
    &[
        ("instance_id", Type::Uuid),
        ("n", Type::I64),
        ("wait", Type::I64),
        ("activity", Type::I64),
        ("activity_id", Type::Text),
        ("failed_activity_id", Type::Text),
        ("job_definition_id", Type::Text),
        ("definition_id", Type::Text),
        ("code", Type::Text),
        ("message", Type::Text),
        ("attempt", Type::I64),
        ("created", Type::I64),
        ("detail", Type::Text),
    ],
);

const NUMBERED: &[(&str, Type)] = &[("instance_id", Type::Uuid), ("n", Type::I64)];

macro_rules! remove {
    ($table:literal, $n:literal) => {
        Batch::new(concat!("DELETE FROM ", $table, " WHERE (instance_id, ", $n, ") IN (SELECT v.instance_id, v.n FROM {rows})"), NUMBERED)
    };
}
static REMOVE_JOBS: Batch = remove!("job", "wait");
static REMOVE_TASKS: Batch = remove!("task", "wait");
static REMOVE_CANDIDATES: Batch = remove!("task_candidate", "wait");
static REMOVE_EXTERNAL_TASKS: Batch = remove!("external_task", "wait");
static REMOVE_SUBSCRIPTIONS: Batch = remove!("subscription", "wait");
static REMOVE_INCIDENTS: Batch = remove!("incident", "n");

/// Everything beside an instance, and whether one has any of it; what is ended is removed from all of them.
type HasAny = fn(&Beside) -> bool;
const BESIDE_INSTANCES: [(&str, HasAny); 7] = [
    ("DELETE FROM instance_part WHERE instance_id {any_uuid:1}", |beside| beside.parts),
    ("DELETE FROM job WHERE instance_id {any_uuid:1}", |beside| beside.jobs),
    ("DELETE FROM task WHERE instance_id {any_uuid:1}", |beside| beside.tasks),
    ("DELETE FROM task_candidate WHERE instance_id {any_uuid:1}", |beside| beside.tasks),
    ("DELETE FROM external_task WHERE instance_id {any_uuid:1}", |beside| beside.external_tasks),
    ("DELETE FROM subscription WHERE instance_id {any_uuid:1}", |beside| beside.subscriptions),
    ("DELETE FROM incident WHERE instance_id {any_uuid:1}", |beside| beside.incidents),
];

/// Removes everything beside instances, except history and ledger.
pub(crate) async fn remove_rows(tx: &mut Tx, ended: &[(Uuid, Beside)]) -> Result<(), Error> {
    for (sql, has_any) in BESIDE_INSTANCES {
        let ids: Vec<Uuid> = ended.iter().filter(|(_, beside)| has_any(beside)).map(|(id, _)| *id).collect();
        if !ids.is_empty() {
            tx.execute(sql, vec![Param::Uuids(ids)]).await?;
        }
    }
    Ok(())
}

/// Whether a unit writes rows that repeat something of their instance, or history's of incidents, which its callers have, too.
pub(super) fn repeat(write: &InstanceWrite) -> bool {
    let InstanceWrite { put_jobs, revise_jobs, put_tasks, put_external_tasks, put_subscriptions, put_incidents, past_incidents, .. } =
        write;
    let no_job = put_jobs.is_empty() && revise_jobs.is_empty();
    let no_wait = no_job && put_tasks.is_empty() && put_external_tasks.is_empty() && put_subscriptions.is_empty();
    !(no_wait && put_incidents.is_empty() && past_incidents.is_empty())
}

/// The instance of rows that repeat something of it.
#[derive(Clone, Copy)]
struct Of<'a> {
    tenant: &'a str,
    business_key: Option<&'a str>,
    suspended: bool,
}

impl<'a> Of<'a> {
    fn new(write: &'a InstanceWrite, repeated: Option<&'a Repeated>) -> Self {
        match (&write.expect, repeated) {
            (Expect::New(head), _) => {
                Self { tenant: tenant(head), business_key: head.business_key.as_deref(), suspended: write.suspended.unwrap_or(false) }
            }
            (Expect::Revision(_), Some(it)) => {
                let suspended = write.suspended.unwrap_or(it.suspended);
                Self { tenant: &it.tenant, business_key: it.business_key.as_deref(), suspended }
            }
            (Expect::Revision(_), None) => {
                debug_assert!(!repeat(write), "what rows repeat of their instance was read");
                Self { tenant: "", business_key: None, suspended: false }
            }
        }
    }
}

/// Rows to be written, by table.
#[derive(Default)]
pub(super) struct Tables {
    ended: Vec<(Uuid, Beside)>,
    suspended: Rows,
    removed_parts: Rows,
    parts: Rows,
    removed_jobs: Rows,
    removed_tasks: Rows,
    removed_candidates: Rows,
    removed_external_tasks: Rows,
    removed_subscriptions: Rows,
    removed_incidents: Rows,
    jobs: Rows,
    revised_jobs: Rows,
    locked_jobs: Rows,
    moved_jobs: Vec<(Uuid, i64)>,
    behind_jobs: Vec<(Uuid, i64, bool)>,
    tasks: Rows,
    candidates: Rows,
    external_tasks: Rows,
    revised_external_tasks: Rows,
    subscriptions: Rows,
    incidents: Rows,
}

impl Tables {
    /// Takes one instance's rows, which repeat this of it if it was there before. Answers which of its jobs stay born locked.
    pub(super) fn take(&mut self, write: &InstanceWrite, repeated: Option<&Repeated>, me: HostRef, foreign: bool) -> Vec<ClaimedJob> {
        let id = write.id;
        let parts = match &write.state {
            State::Live { parts, .. } => parts,
            State::Ended { beside } => {
                // What begins and ends in one unit never touches these tables.
                if matches!(write.expect, Expect::Revision(_)) {
                    self.ended.push((id, *beside));
                }
                return Vec::new();
            }
        };
        if let (Expect::Revision(_), Some(suspended)) = (&write.expect, write.suspended) {
            self.suspended.push(cells![id, suspended]);
        }
        let of = Of::new(write, repeated);
        self.removed_parts.extend(parts.remove.iter().map(|(activity, variable)| cells![id, *activity, variable]));
        self.parts.extend(parts.put.iter().map(|part| cells![id, part.activity, &part.variable, &part.bytes]));
        let numbers = |list: &[i64]| list.iter().map(|n| cells![id, *n]).collect::<Rows>();
        self.removed_jobs.extend(numbers(&write.remove_jobs));
        self.removed_tasks.extend(numbers(&write.remove_tasks));
        self.removed_candidates.extend(numbers(&write.remove_tasks));
        self.removed_candidates.extend(numbers(&write.recast_tasks));
        self.removed_external_tasks.extend(numbers(&write.remove_external_tasks));
        self.removed_subscriptions.extend(numbers(&write.remove_subscriptions));
        self.removed_incidents.extend(write.remove_incidents.iter().map(|incident| cells![id, incident.n]));
        self.take_tasks(write, of.suspended);
        self.take_external_tasks(write, of);
        self.subscriptions.extend(write.put_subscriptions.iter().map(|row| {
            cells![
                id,
                row.wait,
                row.activity,
                &row.activity_id,
                row.kind.as_str(),
                &row.name,
                row.of_event,
                &row.definition_id,
                row.created,
                of.tenant,
                of.business_key,
                &row.correlation_key
            ]
        }));
        self.incidents.extend(write.put_incidents.iter().map(|row| {
            cells![
                id,
                row.n,
                row.wait,
                row.activity,
                &row.activity_id,
                &row.failed_activity_id,
                &row.job_definition_id,
                &row.definition_id,
                &row.code,
                &row.message,
                row.attempt,
                row.created,
                &row.detail
            ]
        }));
        self.take_jobs(write, of.suspended, me, foreign)
    }

    fn take_jobs(&mut self, write: &InstanceWrite, suspended: bool, me: HostRef, foreign: bool) -> Vec<ClaimedJob> {
        let id = write.id;
        self.revised_jobs.extend(
            write
                .revise_jobs
                .iter()
                .map(|job| cells![id, job.wait, job.due, job.retries, job.priority, suspended || job.suspended, job.behind]),
        );
        self.moved_jobs.extend(write.running.as_ref().filter(|_| write.running_stood == Stood::InARow).map(|job| (id, job.wait)));
        self.locked_jobs.extend(write.lock_jobs.iter().map(|wait| cells![id, *wait, me.id, me.epoch, None::<i64>]));
        self.behind_jobs.extend(write.behind_jobs.iter().map(|(wait, behind)| (id, *wait, *behind)));
        let mut stay = Vec::new();
        for job in &write.put_jobs {
            let locked = stays_locked(job, foreign).then_some(me);
            if locked.is_some() {
                stay.push(ClaimedJob { instance: id, wait: job.wait, exclusive: job.exclusive, takeovers: 0, due: job.due });
            }
            self.jobs.push(cells![
                id,
                job.wait,
                job.activity,
                &job.activity_id,
                &job.kind,
                &job.definition_id,
                job.due,
                job.retries,
                job.failures,
                job.exclusive,
                job.priority,
                job.behind,
                job.created,
                &job.failure,
                &job.failed_activity,
                suspended || job.suspended,
                locked.map(|host| host.id),
                locked.map(|host| host.epoch)
            ]);
        }
        stay
    }

    fn take_tasks(&mut self, write: &InstanceWrite, suspended: bool) {
        let list = |texts: &Vec<String>| serde_json::Value::from(texts.clone()).to_string();
        for task in &write.put_tasks {
            self.tasks.push(cells![
                write.id,
                task.wait,
                task.activity,
                &task.activity_id,
                &task.name,
                &task.definition_id,
                &task.assignee,
                &task.owner,
                &task.delegation,
                list(&task.candidate_users),
                list(&task.candidate_groups),
                task.due,
                task.follow_up,
                task.priority,
                task.created,
                task.updated,
                &task.form_key,
                &task.description,
                suspended
            ]);
            if !matches!(write.expect, Expect::New(_)) {
                self.removed_candidates.push(cells![write.id, task.wait]);
            }
            for (is_group, names) in [(false, &task.candidate_users), (true, &task.candidate_groups)] {
                self.candidates.extend(names.iter().map(|name| cells![write.id, task.wait, is_group, name]));
            }
        }
    }

    fn take_external_tasks(&mut self, write: &InstanceWrite, of: Of<'_>) {
        self.external_tasks.extend(write.put_external_tasks.iter().map(|task| {
            cells![
                write.id,
                task.wait,
                task.activity,
                &task.activity_id,
                &task.topic,
                &task.definition_id,
                task.priority,
                task.retries,
                task.failures,
                &task.failure,
                task.created,
                of.tenant,
                of.business_key,
                of.suspended
            ]
        }));
        self.revised_external_tasks.extend(write.revise_external_tasks.iter().map(|task| {
            let details = task.failed.as_ref().and_then(|failed| failed.details.clone());
            let lock_until = task.failed.as_ref().map(|failed| failed.lock_until);
            cells![write.id, task.wait, task.priority, task.retries, task.failures, &task.failure, details, lock_until]
        }));
    }

    /// Writes them: one statement a table, none for a table without rows. Answers which jobs it has locked that were there before.
    pub(super) async fn write(self, tx: &mut Tx) -> Result<Vec<ClaimedJob>, Error> {
        remove_rows(tx, &self.ended).await?;
        SUSPEND_JOBS.later(tx, self.suspended.clone()).await?;
        SUSPEND_TASKS.later(tx, self.suspended.clone()).await?;
        SUSPEND_EXTERNAL_TASKS.later(tx, self.suspended).await?;
        REMOVE_PARTS.later(tx, self.removed_parts).await?;
        PUT_PARTS.later(tx, self.parts).await?;
        REMOVE_JOBS.later(tx, self.removed_jobs).await?;
        REMOVE_TASKS.later(tx, self.removed_tasks).await?;
        REMOVE_CANDIDATES.later(tx, self.removed_candidates).await?;
        REMOVE_EXTERNAL_TASKS.later(tx, self.removed_external_tasks).await?;
        REMOVE_SUBSCRIPTIONS.later(tx, self.removed_subscriptions).await?;
        REMOVE_INCIDENTS.later(tx, self.removed_incidents).await?;
        PUT_JOBS.later(tx, self.jobs).await?;
        REVISE_JOBS.later(tx, self.revised_jobs).await?;
        // A job that is locked as its instance's next needs no second statement to become it.
        let mut locked = claim::lock(tx, self.locked_jobs).await?;
        locked.extend(claim::move_in(tx, self.moved_jobs).await?);
        let got: HashSet<(Uuid, i64)> = locked.iter().map(|job| (job.instance, job.wait)).collect();
        let changed = self.behind_jobs.into_iter().filter(|(id, wait, behind)| *behind || !got.contains(&(*id, *wait)));
        SET_BEHIND.later(tx, changed.map(|(id, wait, behind)| cells![id, wait, behind]).collect()).await?;
        PUT_TASKS.later(tx, self.tasks).await?;
        PUT_CANDIDATES.later(tx, self.candidates).await?;
        PUT_EXTERNAL_TASKS.later(tx, self.external_tasks).await?;
        REVISE_EXTERNAL_TASKS.later(tx, self.revised_external_tasks).await?;
        PUT_SUBSCRIPTIONS.later(tx, self.subscriptions).await?;
        PUT_INCIDENTS.later(tx, self.incidents).await?;
        Ok(locked)
    }
}

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[
    &PUT_PARTS,
    &REMOVE_PARTS,
    &SUSPEND_JOBS,
    &SUSPEND_TASKS,
    &SUSPEND_EXTERNAL_TASKS,
    &PUT_JOBS,
    &REVISE_JOBS,
    &SET_BEHIND,
    &PUT_TASKS,
    &PUT_CANDIDATES,
    &PUT_EXTERNAL_TASKS,
    &REVISE_EXTERNAL_TASKS,
    &PUT_SUBSCRIPTIONS,
    &PUT_INCIDENTS,
    &REMOVE_JOBS,
    &REMOVE_TASKS,
    &REMOVE_CANDIDATES,
    &REMOVE_EXTERNAL_TASKS,
    &REMOVE_SUBSCRIPTIONS,
    &REMOVE_INCIDENTS,
];
