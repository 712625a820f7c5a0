//! What is kept of what happened, by the history level. What begins and ends in one unit is one row and one insert.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Rows, now_ms, operations, tenant};
use crate::Error;
use crate::batch::{Batch, Type, cells};
use crate::config::HistoryLevel;
use crate::db::{Dialect, Tx};
use crate::deploy::key_of_definition;
use crate::rows::HistoryRow;
use crate::unit::{Expect, InstanceWrite, State};

static INSERT_INSTANCES: Batch = Batch::new(
    "INSERT INTO history_instance (instance_id, tenant, definition_id, definition_key, business_key, start_activity, started_at, \
     ended_at, state, reason, removal_at, super_instance, super_activity, super_n, \
     root_instance, started_by) \
     SELECT v.instance_id, v.tenant, v.definition_id, v.definition_key, v.business_key, v.start_activity, v.started_at, v.ended_at, \
     v.state, v.reason, v.removal_at, v.super_instance, v.super_activity, v.super_n, v.root_instance, v.started_by FROM {rows}",
    &[
        ("instance_id", Type::Uuid),
        ("tenant", Type::Text),
        ("definition_id", Type::Text),
        ("definition_key", Type::Text),
        ("business_key", Type::Text),
        ("start_activity", Type::Text),
        ("started_at", Type::I64),
        ("ended_at", Type::I64),
        ("state", Type::Text),
        ("reason", Type::Text),
        ("removal_at", Type::I64),
        ("super_instance", Type::Uuid),
        ("super_activity", Type::Text),
        ("super_n", Type::I64),
        ("root_instance", Type::Uuid),
        ("started_by", Type::Text),
    ],
);

static END_INSTANCES: Batch = Batch::new(
    "UPDATE history_instance SET ended_at = v.ended_at, state = v.state, reason = v.reason, removal_at = v.removal_at FROM {rows} \
     WHERE history_instance.instance_id = v.instance_id",
    &[("instance_id", Type::Uuid), ("ended_at", Type::I64), ("state", Type::Text), ("reason", Type::Text), ("removal_at", Type::I64)],
);

static INSERT_ACTIVITIES: Batch = Batch::new(
    "INSERT INTO history_activity (instance_id, n, parent, element, started_at, ended_at, canceled, complete_scope, attempt, called) \
     SELECT v.instance_id, v.n, v.parent, v.element, v.started_at, v.ended_at, v.canceled, v.complete_scope, v.attempt, v.called FROM {rows}",
    &[
        ("instance_id", Type::Uuid),
        ("n", Type::I64),
        ("parent", Type::I64),
        ("element", Type::I64),
        ("started_at", Type::I64),
        ("ended_at", Type::I64),
        ("canceled", Type::Bool),
        ("complete_scope", Type::Bool),
        ("attempt", Type::I64),
        ("called", Type::Uuid),
    ],
);

static UPDATE_ACTIVITIES: Batch = Batch::new(
    "UPDATE history_activity SET ended_at = COALESCE(v.ended_at, history_activity.ended_at), \
     canceled = COALESCE(v.canceled, history_activity.canceled), \
     complete_scope = COALESCE(v.complete_scope, history_activity.complete_scope), \
     attempt = COALESCE(v.attempt, history_activity.attempt), \
     called = COALESCE(v.called, history_activity.called) FROM {rows} \
     WHERE history_activity.instance_id = v.instance_id AND history_activity.n = v.n",
    &[
        ("instance_id", Type::Uuid),
        ("n", Type::I64),
        ("ended_at", Type::I64),
        ("canceled", Type::Bool),
        ("complete_scope", Type::Bool),
        ("attempt", Type::I64),
        ("called", Type::Uuid),
    ],
);

static INSERT_VARIABLES: Batch = Batch::new(
    "INSERT INTO history_variable (instance_id, scope, name, kind, json, removed, created, updated) \
     SELECT v.instance_id, v.scope, v.name, v.kind, v.json, v.removed, v.created, v.updated FROM {rows}",
    VARIABLE,
);

/// On PostgreSQL an insert that updates the row that it finds locks it first, and logs that: what is there already is updated before.
static PUT_VARIABLES: Batch = Batch::new(
    "INSERT INTO history_variable (instance_id, scope, name, kind, json, removed, created, updated) \
     SELECT v.instance_id, v.scope, v.name, v.kind, v.json, v.removed, v.created, v.updated FROM {rows} WHERE TRUE \
     ON CONFLICT (instance_id, scope, name) {pg:DO NOTHING} \
     {lite:DO UPDATE SET kind = excluded.kind, json = excluded.json, removed = excluded.removed, updated = excluded.updated}",
    VARIABLE,
);

static UPDATE_VARIABLES: Batch = Batch::new(
    "UPDATE history_variable SET kind = v.kind, json = v.json, removed = v.removed, updated = v.updated FROM {rows} \
     WHERE history_variable.instance_id = v.instance_id AND history_variable.scope = v.scope AND history_variable.name = v.name",
    VARIABLE,
);

const VARIABLE: &[(&str, Type)] = &[
    ("instance_id", Type::Uuid),
    ("scope", Type::I64),
    ("name", Type::Text),
    ("kind", Type::Text),
    ("json", Type::Text),
    ("removed", Type::Bool),
    ("created", Type::I64),
    ("updated", Type::I64),
];

static INSERT_VARIABLE_UPDATES: Batch = Batch::new(
    "INSERT INTO history_variable_update (instance_id, revision, ordinal, scope, name, kind, json, removed, at) \
     SELECT v.instance_id, v.revision, v.ordinal, v.scope, v.name, v.kind, v.json, v.removed, v.at FROM {rows}",
    &[
        ("instance_id", Type::Uuid),
        ("revision", Type::I64),
        ("ordinal", Type::I64),
        ("scope", Type::I64),
        ("name", Type::Text),
        ("kind", Type::Text),
        ("json", Type::Text),
        ("removed", Type::Bool),
        ("at", Type::I64),
    ],
);

static PUT_TASKS: Batch = Batch::new(
    "INSERT INTO history_task (instance_id, wait, activity, activity_id, name, definition_id, assignee, owner, description, due, follow_up, priority, \
     created, updated) \
     SELECT v.instance_id, v.wait, v.activity, v.activity_id, v.name, v.definition_id, v.assignee, v.owner, v.description, v.due, v.follow_up, v.priority, \
     v.created, v.updated FROM {rows} WHERE TRUE \
     ON CONFLICT (instance_id, wait) DO UPDATE SET name = excluded.name, assignee = excluded.assignee, due = excluded.due, \
     owner = excluded.owner, description = excluded.description, \
     follow_up = excluded.follow_up, priority = excluded.priority, updated = excluded.updated",
    &[
        ("instance_id", Type::Uuid),
        ("wait", Type::I64),
        ("activity", Type::I64),
        ("activity_id", Type::Text),
        ("name", Type::Text),
        ("definition_id", Type::Text),
        ("assignee", Type::Text),
        ("owner", Type::Text),
        ("description", Type::Text),
        ("due", Type::I64),
        ("follow_up", Type::I64),
        ("priority", Type::I64),
        ("created", Type::I64),
        ("updated", Type::I64),
    ],
);

/// Who has to do with a task now, beside whoever ever had.
static PUT_TASK_LINKS: Batch = Batch::new(
    "INSERT INTO history_task_link (instance_id, wait, kind, name) SELECT v.instance_id, v.wait, v.kind, v.name FROM {rows} WHERE TRUE \
     ON CONFLICT DO NOTHING",
    &[("instance_id", Type::Uuid), ("wait", Type::I64), ("kind", Type::Text), ("name", Type::Text)],
);

static END_TASKS: Batch = Batch::new(
    "UPDATE history_task SET ended_at = v.ended_at FROM {rows} WHERE history_task.instance_id = v.instance_id AND history_task.wait = v.wait",
    &[("instance_id", Type::Uuid), ("wait", Type::I64), ("ended_at", Type::I64)],
);

static END_OPEN_TASKS: Batch = Batch::new(
    "UPDATE history_task SET ended_at = v.ended_at FROM {rows} WHERE history_task.instance_id = v.instance_id \
     AND history_task.ended_at IS NULL",
    &[("instance_id", Type::Uuid), ("ended_at", Type::I64)],
);

static END_OPEN_ACTIVITIES: Batch = Batch::new(
    "UPDATE history_activity SET ended_at = v.ended_at, canceled = v.canceled FROM {rows} WHERE history_activity.instance_id = v.instance_id \
     AND history_activity.ended_at IS NULL",
    &[("instance_id", Type::Uuid), ("ended_at", Type::I64), ("canceled", Type::Bool)],
);

/// Which instances history has.
static REMEMBERED: Batch = Batch::new(
    "SELECT h.instance_id FROM {rows} \
     JOIN history_instance h ON h.instance_id = v.instance_id",
    &[("instance_id", Type::Uuid)],
);

static PUT_INCIDENTS: Batch = Batch::new(
    "INSERT INTO history_incident (instance_id, n, wait, activity, activity_id, failed_activity_id, job_definition_id, definition_id, code, message, \
     attempt, created, detail, deleted) SELECT v.instance_id, v.n, v.wait, v.activity, v.activity_id, v.failed_activity_id, v.job_definition_id, \
     v.definition_id, v.code, v.message, v.attempt, v.created, v.detail, FALSE FROM {rows} WHERE TRUE \
     ON CONFLICT (instance_id, n) DO UPDATE SET failed_activity_id = excluded.failed_activity_id, code = excluded.code, message = excluded.message, \
     attempt = excluded.attempt, detail = excluded.detail",
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

/// Whoever has called the instance of an incident has it as well, and whoever has called those: none of them ends before it does.
pub(crate) static PUT_CALLERS: Batch = Batch::new(
    "INSERT INTO history_incident_caller (instance_id, root, n, called, activity, activity_id, definition_id) \
     WITH RECURSIVE up (instance_id, root, n, called, activity, activity_id) AS (\
        SELECT o.super_instance, v.instance_id, v.n, o.instance_id, o.super_n, o.super_activity FROM {rows} \
        JOIN history_instance o ON o.instance_id = v.instance_id WHERE o.super_instance IS NOT NULL UNION ALL \
        SELECT o.super_instance, up.root, up.n, o.instance_id, o.super_n, o.super_activity FROM up \
        JOIN history_instance o ON o.instance_id = up.instance_id WHERE o.super_instance IS NOT NULL) \
     SELECT up.instance_id, up.root, up.n, up.called, up.activity, up.activity_id, a.definition_id FROM up \
     JOIN history_instance a ON a.instance_id = up.instance_id WHERE TRUE ON CONFLICT (instance_id, root, n) DO NOTHING",
    &[("instance_id", Type::Uuid), ("n", Type::I64)],
);

static END_INCIDENTS: Batch = Batch::new(
    "UPDATE history_incident SET ended_at = v.ended_at, deleted = v.deleted FROM {rows} \
     WHERE history_incident.instance_id = v.instance_id AND history_incident.n = v.n",
    &[("instance_id", Type::Uuid), ("n", Type::I64), ("ended_at", Type::I64), ("deleted", Type::Bool)],
);

static END_OPEN_INCIDENTS: Batch = Batch::new(
    "UPDATE history_incident SET ended_at = v.ended_at, deleted = TRUE FROM {rows} WHERE history_incident.instance_id = v.instance_id \
     AND history_incident.ended_at IS NULL",
    &[("instance_id", Type::Uuid), ("ended_at", Type::I64)],
);

/// The state of an instance that has come to its end by itself.
const COMPLETED: &str = "COMPLETED";

/// The state of an instance that goes on.
const ACTIVE: &str = "ACTIVE";

/// How and when an activity ended.
struct Ended {
    canceled: bool,
    complete_scope: bool,
    at: i64,
}

/// What one unit says of one activity.
#[derive(Default)]
struct Activity {
    /// Its parent, its element, and when.
    began: Option<(i64, i64, i64)>,
    ended: Option<Ended>,
    attempt: Option<i64>,
    called: Option<Uuid>,
}

/// What one unit leaves of one variable.
struct Variable<'a> {
    kind: &'a String,
    json: &'a String,
    removed: bool,
    first: i64,
    last: i64,
}

/// Rows to be written, by table.
pub(super) struct History {
    level: HistoryLevel,
    instances: Rows,
    ended_instances: Rows,
    activities: Rows,
    changed_activities: Rows,
    /// Variables of new instances.
    first_variables: Rows,
    variables: Rows,
    variable_updates: Rows,
    tasks: Rows,
    task_links: Rows,
    ended_tasks: Rows,
    incidents: Rows,
    /// Incidents of instances that somebody has called.
    incidents_of_called: Rows,
    ended_incidents: Rows,
    /// Instances that end with whatever tasks of them are open.
    closed_tasks: Rows,
    /// Instances that end with whatever incidents of them are open.
    closed_incidents: Rows,
    /// Instances that end while less is kept than there may have been: when, and whether what is open of them is canceled.
    left_open: Vec<(Uuid, i64, bool)>,
    operations: Rows,
}

impl History {
    pub(super) fn new(level: HistoryLevel) -> Self {
        Self {
            level,
            instances: Rows::new(),
            ended_instances: Rows::new(),
            activities: Rows::new(),
            changed_activities: Rows::new(),
            first_variables: Rows::new(),
            variables: Rows::new(),
            variable_updates: Rows::new(),
            tasks: Rows::new(),
            task_links: Rows::new(),
            ended_tasks: Rows::new(),
            incidents: Rows::new(),
            incidents_of_called: Rows::new(),
            ended_incidents: Rows::new(),
            closed_tasks: Rows::new(),
            closed_incidents: Rows::new(),
            left_open: Vec::new(),
            operations: Rows::new(),
        }
    }

    /// Takes what the level keeps of one instance's unit; whether it was called by another instance is repeated where it fails.
    pub(super) fn take(&mut self, write: &InstanceWrite, revision: i64, is_called: bool) {
        if self.level < HistoryLevel::Audit && matches!((&write.state, &write.expect), (State::Ended { .. }, Expect::Revision(_))) {
            let has_completed = |row: &HistoryRow| matches!(row, HistoryRow::InstanceEnded { state, .. } if state == COMPLETED);
            self.left_open.push((write.id, moment(write), !write.history.iter().any(has_completed)));
        }
        if self.level == HistoryLevel::None {
            // One that began when more was kept would live for ever in history, and its time would never be over.
            if matches!(write.expect, Expect::Revision(_)) {
                self.take_instance(write);
            }
            return;
        }
        self.take_instance(write);
        self.take_activities(write);
        self.operations.extend(operations::cells(&write.operations));
        if self.level >= HistoryLevel::Audit {
            self.take_variables(write, revision);
            self.take_tasks_and_incidents(write, is_called);
        }
    }

    fn take_instance(&mut self, write: &InstanceWrite) {
        let id = write.id;
        let start = write.history.iter().find_map(|row| match row {
            HistoryRow::InstanceStarted { start_activity, .. } => Some(start_activity.clone()),
            _ => None,
        });
        let end = write.history.iter().rev().find_map(|row| match row {
            HistoryRow::InstanceEnded { state, reason, at, removal_at } => Some((state, reason, *at, *removal_at)),
            _ => None,
        });
        if let Expect::New(head) = &write.expect {
            let (state, reason, ended_at, removal_at) = match end {
                Some((state, reason, at, removal_at)) => (state.as_str(), reason.clone(), Some(at), removal_at),
                None => (ACTIVE, None, None, None),
            };
            let key = key_of_definition(&head.definition_id);
            self.instances.push(cells![
                id,
                tenant(head),
                &head.definition_id,
                key,
                &head.business_key,
                start,
                head.started_at,
                ended_at,
                state,
                reason,
                removal_at,
                head.called_by.as_ref().map(|by| by.instance),
                head.called_by.as_ref().map(|by| by.activity_id.clone()),
                head.called_by.as_ref().map(|by| by.activity),
                head.called_by.as_ref().map(|by| by.root),
                &head.started_by
            ]);
        } else if let Some((state, reason, at, removal_at)) = end {
            self.ended_instances.push(cells![id, at, state, reason, removal_at]);
        }
    }

    fn take_activities(&mut self, write: &InstanceWrite) {
        let mut activities: BTreeMap<i64, Activity> = BTreeMap::new();
        for row in &write.history {
            match row {
                HistoryRow::ActivityStarted { n, parent, element, at } => {
                    activities.entry(*n).or_default().began = Some((*parent, *element, *at));
                }
                HistoryRow::ActivityEnded { n, canceled, complete_scope, at } => {
                    let ended = Ended { canceled: *canceled, complete_scope: *complete_scope, at: *at };
                    activities.entry(*n).or_default().ended = Some(ended);
                }
                HistoryRow::Delegate { n, attempt } => activities.entry(*n).or_default().attempt = Some(*attempt),
                HistoryRow::Called { n, instance } => activities.entry(*n).or_default().called = Some(*instance),
                _ => {}
            }
        }
        for (n, activity) in activities {
            let ended_at = activity.ended.as_ref().map(|ended| ended.at);
            let canceled = activity.ended.as_ref().map(|ended| ended.canceled);
            let complete_scope = activity.ended.as_ref().map(|ended| ended.complete_scope);
            let Activity { attempt, called, .. } = activity;
            match activity.began {
                Some((parent, element, at)) => self.activities.push(cells![
                    write.id,
                    n,
                    parent,
                    element,
                    at,
                    ended_at,
                    canceled.unwrap_or(false),
                    complete_scope.unwrap_or(false),
                    attempt,
                    called
                ]),
                None => self.changed_activities.push(cells![write.id, n, ended_at, canceled, complete_scope, attempt, called]),
            }
        }
    }

    fn take_variables(&mut self, write: &InstanceWrite, revision: i64) {
        let mut latest: BTreeMap<(i64, &String), Variable<'_>> = BTreeMap::new();
        let mut ordinal = 0_i64;
        for row in &write.history {
            let HistoryRow::Variable { scope, name, kind, json, removed, at } = row else { continue };
            let first = latest.get(&(*scope, name)).map_or(*at, |earlier| earlier.first);
            latest.insert((*scope, name), Variable { kind, json, removed: *removed, first, last: *at });
            if self.level >= HistoryLevel::Full {
                self.variable_updates.push(cells![write.id, revision, ordinal, *scope, name, kind, json, *removed, *at]);
                ordinal += 1;
            }
        }
        for ((scope, name), Variable { kind, json, removed, first, last }) in latest {
            let row = cells![write.id, scope, name, kind, json, removed, first, last];
            match write.expect {
                Expect::New(_) => self.first_variables.push(row),
                Expect::Revision(_) => self.variables.push(row),
            }
        }
    }

    fn take_tasks_and_incidents(&mut self, write: &InstanceWrite, is_called: bool) {
        let id = write.id;
        for task in write.put_tasks.iter().chain(&write.past_tasks) {
            self.tasks.push(cells![
                id,
                task.wait,
                task.activity,
                &task.activity_id,
                &task.name,
                &task.definition_id,
                &task.assignee,
                &task.owner,
                &task.description,
                task.due,
                task.follow_up,
                task.priority,
                task.created,
                task.updated
            ]);
            let one = |kind, name: &Option<String>| name.as_ref().map(|name| cells![id, task.wait, kind, name]);
            self.task_links.extend([one("assignee", &task.assignee), one("owner", &task.owner)].into_iter().flatten());
            for (kind, names) in [("user", &task.candidate_users), ("group", &task.candidate_groups)] {
                self.task_links.extend(names.iter().map(|name| cells![id, task.wait, kind, name]));
            }
        }
        for row in write.put_incidents.iter().chain(&write.past_incidents) {
            self.incidents.push(cells![
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
            ]);
            self.incidents_of_called.extend(is_called.then(|| cells![id, row.n]));
        }
        let at = moment(write);
        self.ended_tasks.extend(write.remove_tasks.iter().map(|wait| cells![id, *wait, at]));
        self.ended_incidents.extend(write.remove_incidents.iter().map(|it| cells![id, it.n, it.at, it.deleted]));
        if let (State::Ended { beside }, Expect::Revision(_)) = (&write.state, &write.expect) {
            self.closed_tasks.extend(beside.tasks.then(|| cells![id, at]));
            self.closed_incidents.extend(beside.incidents.then(|| cells![id, at]));
        }
    }

    /// Writes them: one statement a table, none for a table without rows.
    pub(super) async fn write(self, tx: &mut Tx) -> Result<(), Error> {
        put_variables(tx, self.variables).await?;
        INSERT_INSTANCES.later(tx, self.instances).await?;
        END_INSTANCES.later(tx, self.ended_instances).await?;
        INSERT_ACTIVITIES.later(tx, self.activities).await?;
        UPDATE_ACTIVITIES.later(tx, self.changed_activities).await?;
        INSERT_VARIABLES.later(tx, self.first_variables).await?;
        INSERT_VARIABLE_UPDATES.later(tx, self.variable_updates).await?;
        PUT_TASKS.later(tx, self.tasks).await?;
        PUT_TASK_LINKS.later(tx, self.task_links).await?;
        END_TASKS.later(tx, self.ended_tasks).await?;
        PUT_INCIDENTS.later(tx, self.incidents).await?;
        PUT_CALLERS.execute(tx, self.incidents_of_called).await?;
        END_INCIDENTS.later(tx, self.ended_incidents).await?;
        END_OPEN_TASKS.later(tx, self.closed_tasks).await?;
        END_OPEN_INCIDENTS.later(tx, self.closed_incidents).await?;
        end_left_open(tx, self.level, self.left_open).await?;
        operations::insert(tx, self.operations).await
    }
}

/// Most variables that a unit sets are there already. Nobody else writes an instance's history meanwhile: the unit has its row.
async fn put_variables(tx: &mut Tx, variables: Rows) -> Result<(), Error> {
    let all = variables.len() as u64;
    if tx.dialect == Dialect::Sqlite || UPDATE_VARIABLES.execute(tx, variables.clone()).await? < all {
        PUT_VARIABLES.later(tx, variables).await?;
    }
    Ok(())
}

/// What was written while more was kept ends with its instance, at the latest: nobody writes what became of it before. Most have nothing in
/// history where nothing is kept, and one look says so.
async fn end_left_open(tx: &mut Tx, level: HistoryLevel, mut ended: Vec<(Uuid, i64, bool)>) -> Result<(), Error> {
    if level == HistoryLevel::None {
        let remembered = REMEMBERED.fetch(tx, ended.iter().map(|(id, ..)| cells![*id]).collect()).await?;
        let remembered = remembered.iter().map(|row| row.get(0)).collect::<Result<Vec<Uuid>, _>>()?;
        ended.retain(|(id, ..)| remembered.contains(id));
        END_OPEN_ACTIVITIES.execute(tx, ended.iter().map(|(id, at, canceled)| cells![*id, *at, *canceled]).collect()).await?;
    }
    END_OPEN_TASKS.execute(tx, ended.iter().map(|(id, at, _)| cells![*id, *at]).collect()).await?;
    END_OPEN_INCIDENTS.execute(tx, ended.iter().map(|(id, at, _)| cells![*id, *at]).collect()).await.map(drop)
}

/// When the unit happened: its last event, or, for one without any, now.
pub(crate) fn moment(write: &InstanceWrite) -> i64 {
    let last = write.history.iter().map(|row| match row {
        HistoryRow::InstanceStarted { at, .. }
        | HistoryRow::InstanceEnded { at, .. }
        | HistoryRow::ActivityStarted { at, .. }
        | HistoryRow::ActivityEnded { at, .. }
        | HistoryRow::Variable { at, .. } => *at,
        HistoryRow::Delegate { .. } | HistoryRow::Called { .. } => 0,
    });
    last.max().filter(|at| *at > 0).unwrap_or_else(now_ms)
}

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[
    &INSERT_INSTANCES,
    &END_INSTANCES,
    &INSERT_ACTIVITIES,
    &UPDATE_ACTIVITIES,
    &INSERT_VARIABLES,
    &PUT_VARIABLES,
    &UPDATE_VARIABLES,
    &INSERT_VARIABLE_UPDATES,
    &PUT_TASKS,
    &PUT_TASK_LINKS,
    &END_TASKS,
    &END_OPEN_TASKS,
    &END_OPEN_ACTIVITIES,
    &REMEMBERED,
    &PUT_INCIDENTS,
    &PUT_CALLERS,
    &END_INCIDENTS,
    &END_OPEN_INCIDENTS,
];
