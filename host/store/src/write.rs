//! What a batch of units writes: checks first, then one statement a table.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::Error;
use crate::batch::{Batch, Cell, Type, cells};
use crate::claim::ClaimedJob;
use crate::config::HistoryLevel;
use crate::db::{Dialect, Param, Tx, params};
use crate::delivery;
use crate::job_definitions;
use crate::lease::HostRef;
use crate::message;
use crate::rows::JobRow;
use crate::start_timers;
use crate::unit::{CommitError, Committed, Expect, InstanceHead, InstanceWrite, StartKey, State, Stood, Unit};
use begun::{Begun, hold_definitions, refuse_starts, started};

pub(crate) mod begun;
pub(crate) mod history;
pub(crate) mod instances;
pub(crate) mod operations;
pub(crate) mod removal;
pub(crate) mod tables;

/// What becomes of a unit, before the commit.
pub(crate) type Answer = Result<Committed, CommitError>;

/// Writes units in the committer's transaction, which has begun with these holds. Answers in their order.
pub(crate) async fn units(tx: &mut Tx, me: HostRef, history: HistoryLevel, units: &[&Unit], begun: Begun) -> Result<Vec<Answer>, Error> {
    let mut answers: Vec<Option<CommitError>> = units.iter().map(|_| None).collect();
    job_definitions::refuse_unknowing(begun.job_definitions, units, &mut answers);
    // Rows are locked in one order by everybody, here and where definitions are deleted: definitions, instances, what is beside them.
    let addressees = message::addressees(tx, units).await?;
    let there = match begun.definitions {
        Some(there) => there,
        None => hold_definitions(tx, units.iter().flat_map(|unit| started(unit)).chain(addressees.values()).cloned().collect()).await?,
    };
    refuse_starts(units, &there, &mut answers);
    message::refuse_unaddressed(units, &addressees, |definition| there.contains_key(definition), &mut answers);
    instances::hold(tx, units, &mut answers).await?;
    refuse_lost_locks(tx, units, &mut answers).await?;
    refuse_taken(tx, units, &mut answers).await?;
    delivery::refuse_delivered(tx, units, &mut answers).await?;
    claim_start_keys(tx, units, &mut answers).await?;
    start_timers::refuse_fired(tx, units, &mut answers).await?;
    // Before they are moved on, for one that ends is not there afterwards. What else a unit that is stored has read of its instance is of
    // the revision that it began from, or refused below.
    let accepted = units.iter().zip(&answers).filter(|(_, refused)| refused.is_none()).flat_map(|(unit, _)| &unit.instances);
    let repeats = accepted.filter(|write| matches!(write.expect, Expect::Revision(_)) && tables::repeat(write));
    let repeated = instances::repeated(tx, repeats.map(|write| write.id).collect()).await?;
    let ended_suspended = instances::write(tx, units, &mut answers).await?;
    let elsewhere = locked_elsewhere(tx, me, units, &answers).await?;

    let mut tables = tables::Tables::default();
    let mut rows = history::History::new(history);
    let mut committed = Vec::with_capacity(units.len());
    for (unit, refused) in units.iter().zip(answers) {
        if let Some(refused) = refused {
            committed.push(Err(refused));
            continue;
        }
        let mut answer = Committed::default();
        for write in &unit.instances {
            let revision = match write.expect {
                Expect::New(_) => 1,
                Expect::Revision(revision) => revision + 1,
            };
            let repeated = repeated.get(&write.id);
            let is_called = match &write.expect {
                Expect::New(head) => head.called_by.is_some(),
                Expect::Revision(_) => repeated.is_some_and(|it| it.is_called),
            };
            rows.take(write, revision, is_called);
            if let State::Live { .. } = write.state {
                answer.revisions.push((write.id, revision));
            }
            let foreign = elsewhere.contains(&write.id);
            let locked = tables.take(write, repeated, me, foreign);
            answer.locked_jobs.extend(newly_running(write, me));
            answer.locked_jobs.extend(locked);
        }
        committed.push(Ok(answer));
    }
    let locked = tables.write(tx).await?;
    rows.write(tx).await?;
    let stored = || units.iter().zip(&committed).filter(|(_, answer)| answer.is_ok()).map(|(unit, _)| *unit);
    start_timers::put_next(tx, stored()).await?;
    // Last: who waits for a signal is known when all waits of these units are written.
    delivery::write(tx, stored().flat_map(|unit| &unit.instances), ended_suspended).await?;
    message::write(tx, stored().flat_map(|unit| &unit.instances)).await?;
    hand_out(locked, units, &mut committed);
    Ok(committed)
}

/// The new job that stands in its instance's row since this unit.
fn newly_running(write: &InstanceWrite, me: HostRef) -> Option<ClaimedJob> {
    let job = write.running.as_ref().filter(|_| write.running_stood == Stood::Nowhere)?;
    debug_assert_eq!(job.holder, me, "a job is locked by the host that makes it");
    Some(ClaimedJob { instance: write.id, wait: job.wait, exclusive: job.exclusive, takeovers: 0, due: job.due })
}

/// Tells each unit which of the jobs that it meant to lock it got.
fn hand_out(locked: Vec<ClaimedJob>, units: &[&Unit], answers: &mut [Answer]) {
    if locked.is_empty() {
        return;
    }
    let instances = |unit: &Unit| unit.instances.iter().map(|write| write.id).collect::<Vec<_>>();
    let owners: HashMap<Uuid, usize> =
        units.iter().enumerate().flat_map(|(at, unit)| instances(unit).into_iter().map(move |id| (id, at))).collect();
    for job in locked {
        if let Ok(committed) = &mut answers[owners[&job.instance]] {
            committed.locked_jobs.push(job);
        }
    }
}

/// Their instances' rows are locked already, as by everybody who locks rows beside an instance. From here to the commit nobody else fetches
/// the task.
static HOLDERS: Batch = Batch::new(
    "SELECT e.instance_id, e.worker_id FROM {rows} JOIN external_task e ON e.instance_id = v.instance_id AND e.wait = v.wait \
     {pg:ORDER BY e.instance_id FOR UPDATE OF e}",
    &[("instance_id", Type::Uuid), ("wait", Type::I64)],
);

/// A worker whose lock ran out may go on as long as nobody else has fetched its task. A task that is gone is left to the instance's
/// revision, which has moved with it.
async fn refuse_lost_locks(tx: &mut Tx, units: &[&Unit], answers: &mut [Option<CommitError>]) -> Result<(), Error> {
    let mut asked: BTreeMap<Uuid, (i64, &str, usize)> = BTreeMap::new();
    for (at, unit) in units.iter().enumerate().filter(|(at, _)| answers[*at].is_none()) {
        for write in &unit.instances {
            if let Some(held) = &write.held_external_task {
                asked.insert(write.id, (held.wait, &held.worker, at));
            }
        }
    }
    let found = HOLDERS.fetch(tx, asked.iter().map(|(id, (wait, _, _))| cells![*id, *wait]).collect()).await?;
    for row in found {
        let (id, worker): (Uuid, Option<String>) = (row.get(0)?, row.get(1)?);
        let (_, expected, at) = asked[&id];
        if worker.as_deref() != Some(expected) {
            answers[at] = Some(CommitError::NotHeld { worker });
        }
    }
    Ok(())
}

/// Whoever locks jobs holds their instances' rows, as this transaction does.
static TAKEN: Batch = Batch::new(
    "SELECT j.instance_id FROM {rows} JOIN job j ON j.instance_id = v.instance_id AND j.wait = v.wait JOIN definition d ON d.id = j.definition_id \
     WHERE j.locked_by IS NOT NULL OR j.takeovers > 0 OR d.suspended",
    &[("instance_id", Type::Uuid), ("wait", Type::I64)],
);

/// Jobs that a unit has run without having locked them must be such as it could have locked. One that is gone is left to the instance's
/// revision.
async fn refuse_taken(tx: &mut Tx, units: &[&Unit], answers: &mut [Option<CommitError>]) -> Result<(), Error> {
    let taken = units.iter().flat_map(|unit| &unit.instances).flat_map(|write| write.taken_jobs.iter().map(|wait| cells![write.id, *wait]));
    let found = TAKEN.fetch(tx, taken.collect()).await?;
    let refused = found.iter().map(|row| row.get(0)).collect::<Result<HashSet<Uuid>, _>>()?;
    for (unit, answer) in units.iter().zip(answers) {
        if unit.instances.iter().any(|write| !write.taken_jobs.is_empty() && refused.contains(&write.id)) {
            answer.get_or_insert(CommitError::Conflict);
        }
    }
    Ok(())
}

static CLAIM_START: Batch = Batch::new(
    "INSERT INTO start_key (tenant, definition_key, key, instance_id, definition_id, business_key, created) \
     SELECT v.tenant, v.definition_key, v.key, v.instance_id, v.definition_id, v.business_key, v.created FROM {rows} WHERE TRUE \
     ON CONFLICT DO NOTHING RETURNING instance_id",
    &[
        ("tenant", Type::Text),
        ("definition_key", Type::Text),
        ("key", Type::Text),
        ("instance_id", Type::Uuid),
        ("definition_id", Type::Text),
        ("business_key", Type::Text),
        ("created", Type::I64),
    ],
);

/// Claims the start keys of units that may still be stored. Whoever comes second is told who was first.
async fn claim_start_keys(tx: &mut Tx, units: &[&Unit], answers: &mut [Option<CommitError>]) -> Result<(), Error> {
    let mut asked: BTreeMap<&StartKey, (Uuid, &InstanceHead, usize)> = BTreeMap::new();
    for (at, unit) in units.iter().enumerate() {
        if let (Some(key), None, Expect::New(head)) = (&unit.start_key, &answers[at], &unit.instances[0].expect) {
            asked.insert(key, (unit.instances[0].id, head, at));
        }
    }
    // In the order of the keys, so that two hosts never wait for each other in a circle.
    let row = |key: &StartKey, id: Uuid, head: &InstanceHead| {
        cells![&key.tenant, &key.definition_key, &key.key, id, &head.definition_id, &head.business_key, head.started_at]
    };
    let rows = asked.iter().map(|(key, (id, head, _))| row(key, *id, head)).collect();
    let claimed = CLAIM_START.fetch(tx, rows).await?;
    if claimed.len() == asked.len() {
        return Ok(());
    }
    let claimed = claimed.iter().map(|row| row.get(0)).collect::<Result<HashSet<Uuid>, _>>()?;
    for (key, (id, _, at)) in asked {
        if claimed.contains(&id) {
            continue;
        }
        let sql = "SELECT instance_id FROM start_key WHERE tenant = $1 AND definition_key = $2 AND key = $3";
        let first = tx.fetch(sql, params![key.tenant.as_str(), key.definition_key.as_str(), key.key.as_str()]).await?;
        let first = first.first().ok_or_else(|| Error::Damaged("a start key that was in the way is not there".to_owned()))?;
        answers[at] = Some(CommitError::AlreadyStarted { instance: first.get(0)? });
    }
    Ok(())
}

/// Instances that have an exclusive job locked by another host: an exclusive job that is born locked here would run beside it. Jobs that
/// the unit itself replaces or removes do not count. One process has a SQLite file, so there is nobody else there.
async fn locked_elsewhere(tx: &mut Tx, me: HostRef, units: &[&Unit], answers: &[Option<CommitError>]) -> Result<HashSet<Uuid>, Error> {
    let wants = |write: &&InstanceWrite| {
        let exclusive = || write.put_jobs.iter().any(|job| job.locked && job.exclusive);
        matches!(write.expect, Expect::Revision(_)) && write.other_exclusive_jobs && exclusive()
    };
    let accepted = units.iter().zip(answers).filter(|(_, refused)| refused.is_none());
    let asking: HashMap<Uuid, &InstanceWrite> =
        accepted.flat_map(|(unit, _)| &unit.instances).filter(wants).map(|write| (write.id, write)).collect();
    if asking.is_empty() || tx.dialect == Dialect::Sqlite {
        return Ok(HashSet::new());
    }
    let sql = "SELECT instance_id, wait FROM any_job WHERE instance_id {any_uuid:1} AND locked_by IS NOT NULL AND exclusive \
               AND NOT (locked_by = $2 AND locked_epoch = $3)";
    let params = vec![Param::Uuids(asking.keys().copied().collect()), Param::Uuid(me.id), Param::I64(me.epoch)];
    let mut elsewhere = HashSet::new();
    for row in tx.fetch(sql, params).await? {
        let (instance, wait): (Uuid, i64) = (row.get(0)?, row.get(1)?);
        let write = asking[&instance];
        let replaced = write.remove_jobs.contains(&wait) || write.put_jobs.iter().any(|job| job.wait == wait);
        if !replaced {
            elsewhere.insert(instance);
        }
    }
    Ok(elsewhere)
}

/// This machine's clock: for what is not compared with other hosts' times.
pub(crate) fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// A tenant as it is stored: none is the empty text.
fn tenant(head: &InstanceHead) -> &str {
    head.tenant.as_deref().unwrap_or_default()
}

/// Whether a job stays born locked.
fn stays_locked(job: &JobRow, foreign: bool) -> bool {
    job.locked && !(job.exclusive && foreign)
}

/// Rows for a statement.
type Rows = Vec<Vec<Cell>>;

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[&CLAIM_START, &HOLDERS, &TAKEN];
