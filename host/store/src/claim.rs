//! Jobs find a host: claimed in batches or one by one, released unchanged.

use std::collections::{BTreeSet, HashMap, HashSet};

use uuid::Uuid;

use crate::batch::{Batch, Cell, Type, cells};
use crate::claim::candidates::{NOT_EXCEPTED, PRIORITIZED, Rank, UNPRIORITIZED};
use crate::db::{Param, Row, Tx, params};
use crate::delivery;
use crate::hosts::{Held, hold_epoch};
use crate::message;
use crate::planned;
use crate::start_timers;
use crate::{Error, Store};

pub(crate) mod candidates;

/// A job that this host has locked and must run or release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedJob {
    /// Its instance.
    pub instance: Uuid,
    /// The wait that it resumes.
    pub wait: i64,
    /// Never beside another exclusive job of its instance.
    pub exclusive: bool,
    /// Hosts that died while they had it, since its last outcome.
    pub takeovers: i64,
    /// When it was due.
    pub due: i64,
}

/// What a claim leaves for other hosts.
#[derive(Clone, Debug, Default)]
pub struct Except {
    /// Jobs of these instances.
    pub instances: Vec<Uuid>,
    /// Jobs of all instances of these definitions.
    pub definitions: Vec<String>,
}

impl Except {
    /// Nothing: a claim takes whatever is due.
    pub const NOTHING: Self = Self { instances: Vec::new(), definitions: Vec::new() };
}

/// What the claim of one job came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// This host has it.
    Locked(ClaimedJob),
    /// There is no such job.
    Missing,
    /// A host has it already; it may be this one.
    Taken(Holder),
    /// It is exclusive, and another host has another exclusive job of its instance.
    Exclusive {
        /// The other job's wait.
        wait: i64,
        /// Who has it.
        holder: Holder,
    },
}

/// Who has a job locked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The host.
    pub host: Uuid,
    /// Its name.
    pub name: String,
    /// Its lease lasts, and it is in the epoch in which it locked the job.
    pub alive: bool,
}

/// What may be claimed, besides the predicate of an index. As a rule an exclusive job passes, for only its instance's next is not behind.
/// What does not is an instance of which an operator has begun another exclusive job.
const CLAIMABLE: &str = "NOT EXISTS (SELECT 1 FROM definition d WHERE d.id = j.definition_id AND d.suspended) \
     AND (NOT j.exclusive OR NOT (EXISTS \
       (SELECT 1 FROM job o WHERE o.instance_id = j.instance_id AND o.locked_by IS NOT NULL AND o.exclusive) \
       OR EXISTS (SELECT 1 FROM instance i WHERE i.id = j.instance_id AND i.job_host IS NOT NULL AND i.job_exclusive)))";

const LOCK_INSTANCES: &str = "SELECT id FROM instance WHERE id {any_uuid:1} ORDER BY id {pg:FOR UPDATE SKIP LOCKED}";

/// A job that is locked has its turn: it is behind nobody any more. One that a claim has found due is left if somebody has moved it, or put
/// another one before it, since: the unit that did so knows of no claim.
pub(crate) static LOCK: Batch = Batch::new(
    "UPDATE job SET locked_by = v.host, locked_epoch = v.epoch, behind = FALSE FROM {rows} \
     WHERE job.instance_id = v.instance_id AND job.wait = v.wait \
     AND job.locked_by IS NULL AND job.retries > 0 AND NOT job.suspended AND (v.due_by IS NULL OR job.due <= v.due_by AND NOT job.behind) \
     AND NOT EXISTS (SELECT 1 FROM definition d WHERE d.id = job.definition_id AND d.suspended) AND (NOT job.exclusive OR NOT (EXISTS \
     (SELECT 1 FROM job o WHERE o.instance_id = job.instance_id AND o.locked_by IS NOT NULL AND o.exclusive) \
     OR EXISTS (SELECT 1 FROM instance i WHERE i.id = job.instance_id AND i.job_host IS NOT NULL AND i.job_exclusive))) \
     RETURNING job.instance_id, job.wait, job.exclusive, job.takeovers, job.due",
    &[("instance_id", Type::Uuid), ("wait", Type::I64), ("host", Type::Uuid), ("epoch", Type::I64), ("due_by", Type::I64)],
);

/// Takes rows away of jobs that stand in their instances' rows from here on, which has been written already.
pub(crate) static MOVE: Batch = Batch::new(
    "DELETE FROM job WHERE (instance_id, wait) IN (SELECT v.instance_id, v.wait FROM {rows}) \
     AND locked_by IS NULL AND retries > 0 AND NOT suspended AND takeovers = 0 \
     AND NOT EXISTS (SELECT 1 FROM definition d WHERE d.id = job.definition_id AND d.suspended) AND (NOT exclusive OR NOT EXISTS \
     (SELECT 1 FROM job o WHERE o.instance_id = job.instance_id AND o.locked_by IS NOT NULL AND o.exclusive)) \
     RETURNING instance_id, wait, exclusive, takeovers, due",
    &[("instance_id", Type::Uuid), ("wait", Type::I64)],
);

const CLEAR: &str = "UPDATE instance SET job_wait = NULL, job_activity = NULL, job_activity_id = NULL, job_kind = NULL, job_due = NULL, \
     job_retries = NULL, job_exclusive = NULL, job_priority = NULL, job_suspended = NULL, job_created = NULL, job_host = NULL, job_epoch = NULL \
     WHERE id {any_uuid:1}";

static RELEASE: Batch = Batch::new(
    "UPDATE job SET locked_by = NULL, locked_epoch = NULL FROM {rows} WHERE job.instance_id = v.instance_id AND job.wait = v.wait \
     AND job.locked_by = v.host AND job.locked_epoch = v.epoch",
    &[("instance_id", Type::Uuid), ("wait", Type::I64), ("host", Type::Uuid), ("epoch", Type::I64)],
);

/// Who has a job `j` locked: host, name, whether it lives.
const HOLDER: &str = "j.locked_by, h.name, h.epoch = j.locked_epoch AND h.ended_at IS NULL AND h.lease_until > {now}";
const WITH_HOLDER: &str = "FROM any_job j LEFT JOIN host h ON h.id = j.locked_by WHERE j.instance_id = $1";

impl Store {
    /// Locks up to `max` jobs that are due, those of the highest priority first and of these the longest due, and answers them in that
    /// order. Of exclusive jobs at most one per instance, and none while another one of its instance is locked. Jobs that somebody
    /// holds, and those of instances that are being committed to, are left for the next time.
    pub async fn claim(&self, now: i64, max: u32, except: &Except) -> Result<Vec<ClaimedJob>, Error> {
        // Nothing is due most of the time: a read costs no transaction.
        let (sql, params) = candidates::is_due(now, except);
        let due = self.lookups.fetch(&sql, params).await?;
        let (plain, prioritized): (bool, bool) =
            due.first().map_or(Ok((false, false)), |row| Ok::<_, Error>((row.get(0)?, row.get(1)?)))?;
        if max == 0 || !(plain || prioritized) {
            return Ok(Vec::new());
        }
        let mut tx = self.begin_in_epoch().await?;
        let ranks = if prioritized { candidates::ranks(&mut tx, now).await? } else { vec![Rank::None] };
        let me = self.host();
        let mut found = found_in(&mut tx, &ranks, now, max as usize, except).await?;
        let mut instances: Vec<Uuid> = found.iter().map(|(instance, _)| *instance).collect();
        instances.sort_unstable();
        instances.dedup();
        // Whoever locks jobs of an instance beside its commits holds the instance's row first.
        let held = tx.fetch(LOCK_INSTANCES, vec![Param::Uuids(instances)]).await?;
        let held = held.iter().map(|row| row.get(0)).collect::<Result<HashSet<Uuid>, _>>()?;
        found.retain(|(instance, _)| held.contains(instance));
        let places: HashMap<(Uuid, i64), usize> = found.iter().copied().zip(0..).collect();
        let mut claimed =
            lock(&mut tx, found.into_iter().map(|(instance, wait)| cells![instance, wait, me.id, me.epoch, now]).collect()).await?;
        if claimed.is_empty() {
            tx.rollback().await;
        } else {
            tx.commit().await?;
        }
        claimed.sort_by_key(|job| places.get(&(job.instance, job.wait)).copied());
        Ok(claimed)
    }

    /// Locks one job, due or not, with retries or without. Waits for whoever commits to its instance; an error [of a
    /// lock](Error::is_of_lock): somebody has it or its instance locked in the database for longer.
    pub async fn claim_one(&self, instance: Uuid, wait: i64) -> Result<Claim, Error> {
        let me = self.host();
        let mut tx = self.begin_in_epoch().await?;
        tx.fetch("SELECT id FROM instance WHERE id = $1 {pg:FOR UPDATE}", params![instance]).await?;
        let claim = look_at_one(&mut tx, me.id, instance, wait).await?;
        if let Claim::Locked(_) = claim {
            let sql = "UPDATE job SET locked_by = $3, locked_epoch = $4 WHERE instance_id = $1 AND wait = $2";
            tx.execute(sql, params![instance, wait, me.id, me.epoch]).await?;
            tx.commit().await?;
        } else {
            tx.rollback().await;
        }
        Ok(claim)
    }

    /// The next moment after `now` at which a job becomes due, a timer start event, or something that is planned.
    pub async fn next_due(&self, now: i64) -> Result<Option<i64>, Error> {
        self.lookups.fetch(&next_sql(), params![now]).await?.first().map(|row| row.get(0)).transpose()
    }

    /// Whether no host has a job locked, and none is due at `now` that could be claimed; nor a timer start event, a delivery, a message or
    /// something that is planned, but for those of this host's memory.
    pub async fn is_quiet(&self, now: i64, except: &Except) -> Result<bool, Error> {
        let (instances, definitions) = (except.instances.clone(), except.definitions.clone());
        let params = vec![Param::I64(now), Param::Uuid(self.host().id), Param::Uuids(instances), Param::Texts(definitions)];
        Ok(self.lookups.fetch(&busy_sql(), params).await?.is_empty())
    }

    /// The jobs that this host has locked.
    pub async fn locked(&self) -> Result<Vec<(Uuid, i64)>, Error> {
        let me = self.host();
        let sql = "SELECT j.instance_id, j.wait FROM any_job j WHERE j.locked_by = $1 AND j.locked_epoch = $2";
        let rows = self.lookups.fetch(sql, params![me.id, me.epoch]).await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }

    /// Unlocks jobs of this host, unchanged: any host may claim them again. Those it does not have are left alone. Answers how many it had.
    /// An error [of a lock](Error::is_of_lock): somebody else has one of them or its instance locked in the database, which may take long,
    /// and whoever claims jobs would wait as well.
    pub async fn release(&self, jobs: &[(Uuid, i64)]) -> Result<u64, Error> {
        let me = self.host();
        let mut rows: Vec<_> = jobs.iter().map(|(instance, wait)| cells![*instance, *wait, me.id, me.epoch]).collect();
        let mut tx = self.inner().jobs.begin().await?;
        let mut released = 0;
        // Instances before jobs, as a committer locks them.
        for (instance, wait) in jobs.iter().collect::<BTreeSet<_>>() {
            let which = "job_host = $1 AND job_epoch = $2 AND id = $3 AND job_wait = $4";
            released += put_down(&mut tx, which, params![me.id, me.epoch, *instance, *wait], 0).await?;
        }
        if released < jobs.len() as u64 {
            rows.sort_by_key(|row| format!("{:?}", &row[..2]));
            released += RELEASE.execute(&mut tx, rows).await?;
        }
        tx.commit().await?;
        Ok(released)
    }

    /// A transaction in which this host may lock jobs: locked in an epoch that is over, they would be nobody's.
    pub(crate) async fn begin_in_epoch(&self) -> Result<Tx, Error> {
        let mut tx = self.inner().jobs.begin().await?;
        match hold_epoch(&mut tx, self.host()).await? {
            Held::Valid { .. } => Ok(tx),
            Held::Expired => {
                tx.rollback().await;
                Err(Error::Expired)
            }
            Held::Over => {
                tx.rollback().await;
                self.inner().lease.fence();
                Err(Error::Fenced)
            }
        }
    }
}

/// The next moment after `$1`. One question, for every host asks it whenever it has looked for jobs in vain.
pub(crate) fn next_sql() -> String {
    let job = |which: &str| format!("SELECT j.due FROM job j WHERE {which} AND j.due > $1 ORDER BY j.due LIMIT 1");
    let firsts =
        [job(UNPRIORITIZED), job(PRIORITIZED), start_timers::next_sql(), delivery::next_sql(), message::NEXT.into(), planned::NEXT.into()];
    let firsts = firsts.map(|first| format!("SELECT * FROM ({first}) n"));
    format!("{} ORDER BY 1 LIMIT 1", firsts.join(" UNION ALL "))
}

/// A row if any host is at anything, or something is due at `$1` but for the instances `$3` and the definitions `$4`; of what is no job,
/// what the host `$2` is at does not count.
pub(crate) fn busy_sql() -> String {
    // One statement, which sees one moment: between two of them a job that was due could be locked.
    let due = [UNPRIORITIZED, PRIORITIZED]
        .map(|which| format!("OR EXISTS (SELECT 1 FROM job j WHERE {which} AND {CLAIMABLE} AND j.due <= $1 {NOT_EXCEPTED})"));
    format!(
        "SELECT 1 WHERE EXISTS (SELECT 1 FROM any_job WHERE locked_by IS NOT NULL) {} \
         OR EXISTS (SELECT 1 FROM start_timer t WHERE {}) OR EXISTS (SELECT 1 FROM delivery t WHERE {}) \
         OR EXISTS (SELECT 1 FROM message m WHERE {}) OR EXISTS (SELECT 1 FROM planned p WHERE {})",
        due.join(" "),
        start_timers::is_due(),
        delivery::is_due(),
        message::IS_DUE,
        planned::IS_DUE
    )
}

/// At most `max` jobs that are due, from these ranks in their order; of the exclusive jobs of an instance one. They are held, and those
/// that somebody else holds are left for the next time: whoever claims waits for nobody.
async fn found_in(tx: &mut Tx, ranks: &[Rank], now: i64, max: usize, except: &Except) -> Result<Vec<(Uuid, i64)>, Error> {
    let (mut exclusive, mut seen) = (HashSet::new(), HashSet::new());
    let mut found: Vec<(Uuid, i64)> = Vec::new();
    for rank in ranks {
        if found.len() >= max {
            break;
        }
        // What was found in a higher rank may come again.
        let again = if *rank == Rank::Any { seen.len() } else { 0 };
        let (sql, params) = candidates::look(*rank, now, i64::try_from(max - found.len() + again).unwrap_or(i64::MAX), except);
        for row in tx.fetch(&format!("{sql} {{pg:FOR UPDATE OF j SKIP LOCKED}}"), params).await? {
            let (instance, wait) = (row.get(0)?, row.get(1)?);
            // One statement locks them all and would not see that it locks a second one.
            if seen.insert((instance, wait)) && (!row.get::<bool>(2)? || exclusive.insert(instance)) {
                found.push((instance, wait));
            }
        }
    }
    found.truncate(max);
    Ok(found)
}

/// Locks jobs as far as they may be claimed: rows of instance, wait, host, epoch, at most one exclusive job of an instance among them.
pub(crate) async fn lock(tx: &mut Tx, rows: Vec<Vec<Cell>>) -> Result<Vec<ClaimedJob>, Error> {
    LOCK.fetch(tx, rows).await?.iter().map(claimed).collect()
}

/// Locks jobs likewise by moving them into their instances' rows, which say so already; at most one job of an instance. Of one that may not
/// be claimed the instance's row is put right.
pub(crate) async fn move_in(tx: &mut Tx, jobs: Vec<(Uuid, i64)>) -> Result<Vec<ClaimedJob>, Error> {
    let moved = MOVE.fetch(tx, jobs.iter().map(|(instance, wait)| cells![*instance, *wait]).collect()).await?;
    let moved = moved.iter().map(claimed).collect::<Result<Vec<_>, _>>()?;
    if moved.len() < jobs.len() {
        let gone: HashSet<Uuid> = moved.iter().map(|job| job.instance).collect();
        let kept = jobs.into_iter().map(|(instance, _)| instance).filter(|id| !gone.contains(id)).collect();
        tx.execute(CLEAR, vec![Param::Uuids(kept)]).await?;
    }
    Ok(moved)
}

fn claimed(row: &Row) -> Result<ClaimedJob, Error> {
    let mut columns = row.columns();
    Ok(ClaimedJob {
        instance: columns.next()?,
        wait: columns.next()?,
        exclusive: columns.next()?,
        takeovers: columns.next()?,
        due: columns.next()?,
    })
}

/// Gives the jobs that hosts run from memory rows of their own, unlocked: those of the instances that the condition names. It is a change
/// of their instances, whose revision tells it to whoever remembers them.
pub(crate) async fn put_down(tx: &mut Tx, which: &str, params: Vec<Param>, takeovers: i64) -> Result<u64, Error> {
    let sql = format!("SELECT id FROM instance WHERE {which} ORDER BY id {{pg:FOR UPDATE}}");
    let ids = tx.fetch(&sql, params).await?.iter().map(|row| row.get(0)).collect::<Result<Vec<Uuid>, _>>()?;
    if ids.is_empty() {
        return Ok(0);
    }
    let insert = "INSERT INTO job (instance_id, wait, activity, activity_id, kind, definition_id, due, retries, failures, exclusive, priority, behind, created, \
                  failure, failed_activity, suspended, locked_by, locked_epoch, takeovers) \
                  SELECT id, job_wait, job_activity, job_activity_id, job_kind, definition_id, job_due, job_retries, 0, job_exclusive, COALESCE(job_priority, 0), \
                  job_exclusive AND job_retries > 0 AND (COALESCE(job_suspended, FALSE) OR EXISTS (SELECT 1 FROM job o WHERE o.instance_id = instance.id AND o.exclusive \
                  AND o.retries > 0 AND NOT o.behind)), job_created, NULL, NULL, suspended OR COALESCE(job_suspended, FALSE), NULL, NULL, $2 FROM instance WHERE id {any_uuid:1} AND job_host IS NOT NULL";
    let inserted = tx.execute(insert, vec![Param::Uuids(ids.clone()), Param::I64(takeovers)]).await?;
    let clear = "UPDATE instance SET revision = revision + 1, job_wait = NULL, job_activity = NULL, job_activity_id = NULL, job_kind = NULL, \
                 job_due = NULL, job_retries = NULL, job_exclusive = NULL, job_priority = NULL, job_suspended = NULL, job_created = NULL, job_host = NULL, job_epoch = NULL \
                 WHERE id {any_uuid:1} AND job_host IS NOT NULL";
    tx.execute(clear, vec![Param::Uuids(ids)]).await?;
    Ok(inserted)
}

/// Whether a job can be locked by `me`, whose instance's row is held.
async fn look_at_one(tx: &mut Tx, me: Uuid, instance: Uuid, wait: i64) -> Result<Claim, Error> {
    let one = format!("SELECT {HOLDER}, j.exclusive, j.takeovers, j.due {WITH_HOLDER} AND j.wait = $2");
    let rows = tx.fetch(&one, params![instance, wait]).await?;
    let Some(row) = rows.first() else { return Ok(Claim::Missing) };
    if let Some(holder) = holder(row)? {
        return Ok(Claim::Taken(holder));
    }
    let job = ClaimedJob { instance, wait, exclusive: row.get(3)?, takeovers: row.get(4)?, due: row.get(5)? };
    if job.exclusive {
        let others =
            format!("SELECT {HOLDER}, j.wait {WITH_HOLDER} AND j.locked_by IS NOT NULL AND j.locked_by <> $2 AND j.exclusive LIMIT 1");
        if let Some(row) = tx.fetch(&others, params![instance, me]).await?.first()
            && let Some(holder) = holder(row)?
        {
            return Ok(Claim::Exclusive { wait: row.get(3)?, holder });
        }
    }
    Ok(Claim::Locked(job))
}

/// Who has the job of a row that begins with [`HOLDER`].
fn holder(row: &Row) -> Result<Option<Holder>, Error> {
    let Some(host) = row.get(0)? else { return Ok(None) };
    // A host that has been gone for long has no row any more.
    let name: Option<String> = row.get(1)?;
    let alive: Option<bool> = row.get(2)?;
    Ok(Some(Holder { host, name: name.unwrap_or_else(|| "unknown".to_owned()), alive: alive.unwrap_or(false) }))
}

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[&LOCK, &MOVE, &RELEASE];
