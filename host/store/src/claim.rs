//! Jobs find a host: claimed in batches, released unchanged.

use uuid::Uuid;

use crate::batch::{Batch, Type, cells};
use crate::db::{Param, Tx, params};
use crate::hosts::{Held, hold_epoch};
use crate::{Error, Store};

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

/// How often a claim looks again when what it found was mostly exclusive jobs of the same instances. Whatever is left then is found
/// by the next claim.
const ROUNDS: usize = 8;

/// What may be claimed; the first three terms are the predicate of the index `job_claimable`.
const CLAIMABLE: &str = "j.locked_by IS NULL AND j.retries > 0 AND NOT j.suspended \
     AND NOT EXISTS (SELECT 1 FROM definition d WHERE d.id = j.definition_id AND d.suspended) \
     AND (NOT j.exclusive OR NOT EXISTS \
       (SELECT 1 FROM job o WHERE o.instance_id = j.instance_id AND o.locked_by IS NOT NULL AND o.exclusive))";

/// One look at what is due: `$1` now, `$2` how many.
pub(crate) fn candidates_sql() -> String {
    format!(
        "SELECT j.instance_id, j.wait, j.exclusive FROM job j WHERE {CLAIMABLE} AND j.due <= $1 ORDER BY j.due, j.instance_id, j.wait LIMIT $2"
    )
}

const LOCK_INSTANCES: &str = "SELECT id FROM instance WHERE id {any_uuid:1} ORDER BY id {pg:FOR UPDATE SKIP LOCKED}";

static LOCK: Batch = Batch::new(
    "UPDATE job SET locked_by = v.host, locked_epoch = v.epoch FROM {rows} WHERE job.instance_id = v.instance_id AND job.wait = v.wait \
     AND job.locked_by IS NULL AND job.retries > 0 AND NOT job.suspended AND (NOT job.exclusive OR NOT EXISTS \
     (SELECT 1 FROM job o WHERE o.instance_id = job.instance_id AND o.locked_by IS NOT NULL AND o.exclusive)) \
     RETURNING job.instance_id, job.wait, job.exclusive, job.takeovers, job.due",
    &[("instance_id", Type::Uuid), ("wait", Type::I64), ("host", Type::Uuid), ("epoch", Type::I64)],
);

static RELEASE: Batch = Batch::new(
    "UPDATE job SET locked_by = NULL, locked_epoch = NULL FROM {rows} WHERE job.instance_id = v.instance_id AND job.wait = v.wait \
     AND job.locked_by = v.host AND job.locked_epoch = v.epoch",
    &[("instance_id", Type::Uuid), ("wait", Type::I64), ("host", Type::Uuid), ("epoch", Type::I64)],
);

impl Store {
    /// Locks up to `max` jobs that are due, the longest due first, and answers them in that order. Of exclusive jobs at most one per
    /// instance, and none while another one of its instance is locked. Instances that are being committed to are left for the next time.
    pub async fn claim(&self, now: i64, max: u32) -> Result<Vec<ClaimedJob>, Error> {
        // Nothing is due most of the time: a read costs no transaction.
        let any = self.pool.fetch(&candidates_sql(), params![now, 1_i64]).await?;
        if any.is_empty() || max == 0 {
            return Ok(Vec::new());
        }
        let me = self.host();
        let mut tx = self.inner().jobs.begin().await?;
        // Jobs locked in an epoch that is over would be nobody's.
        match hold_epoch(&mut tx, me).await? {
            Held::Valid { .. } => {}
            Held::Expired => {
                tx.rollback().await;
                return Err(Error::Fenced);
            }
            Held::Over => {
                tx.rollback().await;
                self.inner().lease.fence();
                return Err(Error::Fenced);
            }
        }
        let mut claimed = Vec::new();
        for _ in 0..ROUNDS {
            let room = i64::from(max) - i64::try_from(claimed.len()).expect("a claim is small");
            let (found, locked) = self.claim_round(&mut tx, now, room).await?;
            let nothing_new = locked.is_empty();
            claimed.extend(locked);
            if nothing_new || found < room || claimed.len() >= max as usize {
                break;
            }
        }
        if claimed.is_empty() {
            tx.rollback().await;
        } else {
            tx.commit().await?;
        }
        claimed.sort_by_key(|job| (job.due, job.instance, job.wait));
        Ok(claimed)
    }

    /// Answers how many candidates there were, and what of them was locked.
    async fn claim_round(&self, tx: &mut Tx, now: i64, room: i64) -> Result<(i64, Vec<ClaimedJob>), Error> {
        let me = self.host();
        let rows = tx.fetch(&candidates_sql(), params![now, room]).await?;
        let found = i64::try_from(rows.len()).expect("a claim is small");
        let mut candidates: Vec<(Uuid, i64, bool)> = Vec::with_capacity(rows.len());
        for row in &rows {
            let candidate = (row.get(0)?, row.get(1)?, row.get(2)?);
            let second = candidate.2 && candidates.iter().any(|(instance, _, exclusive)| *exclusive && *instance == candidate.0);
            if !second {
                candidates.push(candidate);
            }
        }
        let mut instances: Vec<Uuid> = candidates.iter().map(|(instance, _, _)| *instance).collect();
        instances.sort_unstable();
        instances.dedup();
        // Whoever locks or unlocks jobs of an instance beside its commits holds the instance's row first.
        let held = tx.fetch(LOCK_INSTANCES, vec![Param::Uuids(instances)]).await?;
        let held = held.iter().map(|row| row.get(0)).collect::<Result<std::collections::HashSet<Uuid>, _>>()?;
        let lock = candidates
            .into_iter()
            .filter(|(instance, _, _)| held.contains(instance))
            .map(|(instance, wait, _)| cells![instance, wait, me.id, me.epoch])
            .collect();
        let locked = LOCK.fetch(tx, lock).await?;
        let locked = locked.iter().map(|row| {
            let mut columns = row.columns();
            Ok(ClaimedJob {
                instance: columns.next()?,
                wait: columns.next()?,
                exclusive: columns.next()?,
                takeovers: columns.next()?,
                due: columns.next()?,
            })
        });
        Ok((found, locked.collect::<Result<_, Error>>()?))
    }

    /// The next moment after `now` at which a job becomes due.
    pub async fn next_due(&self, now: i64) -> Result<Option<i64>, Error> {
        let sql = "SELECT j.due FROM job j WHERE j.locked_by IS NULL AND j.retries > 0 AND NOT j.suspended AND j.due > $1 \
                   ORDER BY j.due LIMIT 1";
        let rows = self.pool.fetch(sql, params![now]).await?;
        rows.first().map(|row| row.get(0)).transpose()
    }

    /// The jobs that this host has locked.
    pub async fn locked(&self) -> Result<Vec<(Uuid, i64)>, Error> {
        let me = self.host();
        let sql = "SELECT j.instance_id, j.wait FROM job j WHERE j.locked_by = $1 AND j.locked_epoch = $2";
        let rows = self.pool.fetch(sql, params![me.id, me.epoch]).await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }

    /// Unlocks jobs of this host, unchanged: any host may claim them again. Those it does not have are left alone.
    pub async fn release(&self, jobs: &[(Uuid, i64)]) -> Result<(), Error> {
        let me = self.host();
        let rows = jobs.iter().map(|(instance, wait)| cells![*instance, *wait, me.id, me.epoch]).collect();
        let mut tx = self.inner().jobs.begin().await?;
        RELEASE.execute(&mut tx, rows).await?;
        tx.commit().await
    }
}

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[&LOCK, &RELEASE];
