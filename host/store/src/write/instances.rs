//! The instance's own row: moved on if it is at the revision that its unit began from, left alone otherwise.

use std::collections::{BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use super::{Rows, tenant};
use crate::Error;
use crate::batch::{Batch, Cell, Type, cells};
use crate::db::{Param, Row, Tx};
use crate::rows::RunningJob;
use crate::unit::{CommitError, Expect, InstanceWrite, State, Unit};

static INSERT: Batch = Batch::new(
    "INSERT INTO instance (id, tenant, definition_id, business_key, started_at, revision, last_unit, suspended, snapshot, parts, \
     super_instance, super_activity, super_n, root_instance, \
     job_wait, job_activity, job_activity_id, job_kind, job_due, job_retries, job_exclusive, job_priority, job_suspended, job_created, job_host, job_epoch) \
     SELECT v.id, v.tenant, v.definition_id, v.business_key, v.started_at, 1, v.last_unit, v.suspended, v.snapshot, v.parts, \
     v.super_instance, v.super_activity, v.super_n, v.root_instance, v.job_wait, v.job_activity, v.job_activity_id, v.job_kind, v.job_due, v.job_retries, v.job_exclusive, v.job_priority, v.job_suspended, v.job_created, v.job_host, v.job_epoch \
     FROM {rows}",
    &[
        ("id", Type::Uuid),
        ("tenant", Type::Text),
        ("definition_id", Type::Text),
        ("business_key", Type::Text),
        ("started_at", Type::I64),
        ("last_unit", Type::Uuid),
        ("suspended", Type::Bool),
        ("snapshot", Type::Bytes),
        ("parts", Type::I64),
        ("super_instance", Type::Uuid),
        ("super_activity", Type::Text),
        ("super_n", Type::I64),
        ("root_instance", Type::Uuid),
        ("job_wait", Type::I64),
        ("job_activity", Type::I64),
        ("job_activity_id", Type::Text),
        ("job_kind", Type::Text),
        ("job_due", Type::I64),
        ("job_retries", Type::I64),
        ("job_exclusive", Type::Bool),
        ("job_priority", Type::I64),
        ("job_suspended", Type::Bool),
        ("job_created", Type::I64),
        ("job_host", Type::Uuid),
        ("job_epoch", Type::I64),
    ],
);

static UPDATE: Batch = Batch::new(
    "UPDATE instance SET revision = v.revision + 1, last_unit = v.last_unit, suspended = COALESCE(v.suspended, instance.suspended), \
     snapshot = v.snapshot, parts = v.parts, job_wait = v.job_wait, job_activity = v.job_activity, job_activity_id = v.job_activity_id, \
     job_kind = v.job_kind, job_due = v.job_due, job_retries = v.job_retries, job_exclusive = v.job_exclusive, job_priority = v.job_priority, job_suspended = v.job_suspended, job_created = v.job_created, \
     job_host = v.job_host, job_epoch = v.job_epoch FROM {rows} WHERE instance.id = v.id AND instance.revision = v.revision",
    &[
        ("id", Type::Uuid),
        ("revision", Type::I64),
        ("last_unit", Type::Uuid),
        ("suspended", Type::Bool),
        ("snapshot", Type::Bytes),
        ("parts", Type::I64),
        ("job_wait", Type::I64),
        ("job_activity", Type::I64),
        ("job_activity_id", Type::Text),
        ("job_kind", Type::Text),
        ("job_due", Type::I64),
        ("job_retries", Type::I64),
        ("job_exclusive", Type::Bool),
        ("job_priority", Type::I64),
        ("job_suspended", Type::Bool),
        ("job_created", Type::I64),
        ("job_host", Type::Uuid),
        ("job_epoch", Type::I64),
    ],
);

static DELETE: Batch = Batch::new(
    "DELETE FROM instance {pg:USING {rows} WHERE instance.id = v.id AND instance.revision = v.revision}\
     {lite:WHERE (id, revision) IN (SELECT v.id, v.revision FROM {rows})} \
     RETURNING instance.id, instance.suspended",
    &[("id", Type::Uuid), ("revision", Type::I64)],
);

/// What other rows repeat of an instance.
pub(super) struct Repeated {
    pub(super) tenant: String,
    pub(super) business_key: Option<String>,
    pub(super) suspended: bool,
    pub(super) is_called: bool,
}

/// Units of several instances are stored whole or not at all: their instances are locked in the order of their ids, and their revisions
/// compared, before anything is written. So are those of units that take up a delivery or complete a worker's task, whose message or task
/// is locked next. A batch of other units of one instance needs no lock, for writing the row compares; in one with such units all instances
/// are locked, for what is locked next is locked behind instances by everybody.
pub(super) async fn hold(tx: &mut Tx, units: &[&Unit], answers: &mut [Option<CommitError>]) -> Result<(), Error> {
    let locks_beside = |write: &InstanceWrite| write.delivery.is_some() || write.held_external_task.is_some();
    if !units.iter().any(|unit| unit.instances.len() > 1 || locks_beside(&unit.instances[0])) {
        return Ok(());
    }
    let writes = units.iter().flat_map(|unit| &unit.instances);
    let ids: BTreeSet<_> = writes.filter(|write| matches!(write.expect, Expect::Revision(_))).map(|write| write.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let revisions = revisions(tx, ids, "{pg:FOR UPDATE}").await?;
    for (unit, answer) in units.iter().zip(answers) {
        let refused = unit.instances.iter().find_map(|write| match write.expect {
            Expect::New(_) => None,
            Expect::Revision(expected) => refusal(revisions.get(&write.id).copied(), expected),
        });
        *answer = answer.take().or(refused);
    }
    Ok(())
}

/// Writes the rows of all units that are not refused yet. Refuses those whose instance is at another revision or gone. Answers which have
/// ended suspended.
pub(super) async fn write(tx: &mut Tx, units: &[&Unit], answers: &mut [Option<CommitError>]) -> Result<Vec<Uuid>, Error> {
    let (mut inserted, mut updated, mut deleted) = (Rows::new(), Vec::new(), Vec::new());
    for (unit, _) in units.iter().zip(&*answers).filter(|(_, refused)| refused.is_none()) {
        for write in &unit.instances {
            let id = write.id;
            match (&write.expect, &write.state) {
                (Expect::New(head), State::Live { snapshot, parts }) => {
                    let mut row = cells![
                        id,
                        tenant(head),
                        &head.definition_id,
                        &head.business_key,
                        head.started_at,
                        unit.id,
                        write.suspended.unwrap_or(false),
                        snapshot,
                        parts.count,
                        head.called_by.as_ref().map(|by| by.instance),
                        head.called_by.as_ref().map(|by| by.activity_id.clone()),
                        head.called_by.as_ref().map(|by| by.activity),
                        head.called_by.as_ref().map(|by| by.root)
                    ];
                    row.extend(running(write.running.as_ref()));
                    inserted.push(row);
                }
                // What begins and ends in one unit never has a row.
                (Expect::New(_), State::Ended { .. }) => {}
                (Expect::Revision(revision), State::Live { snapshot, parts }) => {
                    let mut row = cells![id, *revision, unit.id, write.suspended, snapshot, parts.count];
                    row.extend(running(write.running.as_ref()));
                    updated.push((id, row, unit.id));
                }
                (Expect::Revision(revision), State::Ended { .. }) => deleted.push((id, cells![id, *revision])),
            }
        }
    }
    INSERT.later(tx, inserted).await?;
    let (mut gone, mut suspended) = (HashSet::with_capacity(deleted.len()), Vec::new());
    let moved = update(tx, updated).await?;
    for row in DELETE.fetch(tx, in_order(deleted)).await? {
        let id = row.get::<Uuid>(0)?;
        gone.insert(id);
        if row.get(1)? {
            suspended.push(id);
        }
    }
    refuse_the_others(tx, units, answers, |id| moved.contains(id) || gone.contains(id)).await?;
    Ok(suspended)
}

/// Moves instances on, and says which. As a rule all of them are where their units began, and then how many there were is answer enough: a
/// row that is returned costs as much as one that is written. Otherwise the rows say by whom they were written last.
///
/// # Errors
/// When that is ambiguous, because a unit is handed in that was stored before: the batch is bisected, and what stands alone never is.
async fn update(tx: &mut Tx, rows: Vec<(Uuid, Vec<Cell>, Uuid)>) -> Result<HashSet<Uuid>, Error> {
    let units: HashMap<Uuid, Uuid> = rows.iter().map(|(id, _, unit)| (*id, *unit)).collect();
    let changed = UPDATE.execute(tx, in_order(rows.into_iter().map(|(id, row, _)| (id, row)).collect())).await?;
    if changed == units.len() as u64 {
        return Ok(units.into_keys().collect());
    }
    let mut moved = HashSet::new();
    if changed == 0 {
        return Ok(moved);
    }
    let sql = "SELECT id, last_unit FROM instance WHERE id {any_uuid:1}";
    for row in tx.fetch(sql, vec![Param::Uuids(units.keys().copied().collect())]).await? {
        let (id, last_unit): (Uuid, Uuid) = (row.get(0)?, row.get(1)?);
        if units[&id] == last_unit {
            moved.insert(id);
        }
    }
    if moved.len() as u64 != changed {
        return Err(Error::Refused("a unit of work was handed in twice".to_owned()));
    }
    Ok(moved)
}

/// What other rows repeat of instances that are there.
pub(super) async fn repeated(tx: &mut Tx, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Repeated>, Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let sql = "SELECT id, tenant, business_key, suspended, super_instance IS NOT NULL FROM instance WHERE id {any_uuid:1}";
    let rows = tx.fetch(sql, vec![Param::Uuids(ids)]).await?;
    let read = |row: &Row| {
        let (tenant, business_key) = (row.get(1)?, row.get(2)?);
        Ok((row.get(0)?, Repeated { tenant, business_key, suspended: row.get(3)?, is_called: row.get(4)? }))
    };
    rows.iter().map(read).collect()
}

/// The job that an instance's row has.
fn running(job: Option<&RunningJob>) -> [Cell; 12] {
    let Some(job) = job else { return [const { Cell::Null }; 12] };
    [
        job.wait.into(),
        job.activity.into(),
        (&job.activity_id).into(),
        (&job.kind).into(),
        job.due.into(),
        job.retries.into(),
        job.exclusive.into(),
        Some(job.priority).filter(|priority| *priority != 0).into(),
        Some(job.suspended).filter(|suspended| *suspended).into(),
        job.created.into(),
        job.holder.id.into(),
        job.holder.epoch.into(),
    ]
}

/// Removes instances' own rows.
pub(crate) async fn remove(tx: &mut Tx, ids: Vec<Uuid>) -> Result<(), Error> {
    tx.execute("DELETE FROM instance WHERE id {any_uuid:1}", vec![Param::Uuids(ids)]).await.map(drop)
}

/// Refuses units whose row was not written, and says why.
async fn refuse_the_others(
    tx: &mut Tx,
    units: &[&Unit],
    answers: &mut [Option<CommitError>],
    is_moved: impl Fn(&Uuid) -> bool,
) -> Result<(), Error> {
    let is_missing = |expect: &Expect, id: &Uuid| matches!(expect, Expect::Revision(_)) && !is_moved(id);
    let mut missing = BTreeSet::new();
    for (unit, _) in units.iter().zip(&*answers).filter(|(_, refused)| refused.is_none()) {
        missing.extend(unit.instances.iter().filter(|write| is_missing(&write.expect, &write.id)).map(|write| write.id));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let revisions = revisions(tx, missing, "").await?;
    for (unit, answer) in units.iter().zip(answers) {
        let Some(write) = unit.instances.iter().find(|write| is_missing(&write.expect, &write.id)) else { continue };
        if answer.is_none() && unit.instances.len() > 1 {
            return Err(Error::Damaged(format!("instance {} was held at its revision and could not be written", write.id)));
        }
        answer.get_or_insert(if revisions.contains_key(&write.id) { CommitError::Conflict } else { CommitError::Gone });
    }
    Ok(())
}

async fn revisions(tx: &mut Tx, ids: BTreeSet<Uuid>, lock: &str) -> Result<HashMap<Uuid, i64>, Error> {
    let sql = format!("SELECT id, revision FROM instance WHERE id {{any_uuid:1}} ORDER BY id {lock}");
    let rows = tx.fetch(&sql, vec![Param::Uuids(ids.into_iter().collect())]).await?;
    rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

fn refusal(found: Option<i64>, expected: i64) -> Option<CommitError> {
    match found {
        None => Some(CommitError::Gone),
        Some(revision) if revision != expected => Some(CommitError::Conflict),
        Some(_) => None,
    }
}

/// In the order of the ids: two hosts that write the same instances do not wait for each other in a circle. One that ends what the other
/// moves on, and the other way round, in the same moment, still can: PostgreSQL ends one of the two transactions, and it is begun again.
fn in_order(mut rows: Vec<(Uuid, Vec<Cell>)>) -> Rows {
    rows.sort_unstable_by_key(|(id, _)| *id);
    rows.into_iter().map(|(_, row)| row).collect()
}

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[&INSERT, &UPDATE, &DELETE];
