//! Removing the history of instances whose time to live is over: found by an index, in batches, by one host at a time.
//!
//! An instance's time is fixed when it ends: its end and its definition's time to live make its `removal_at` (Camunda 7's removal time with the
//! strategy `end`). An incident of what was to start an instance, and started none, goes by itself, by the same time to live, from when it was over. What has none is kept for ever. Start keys and ledger stay: a key promises one start for ever, and the ledger is what keeps
//! a command from being sent twice under a key that a delegate has given.

use uuid::Uuid;

use crate::db::{Param, Tx, params};
use crate::delivery::incident;
use crate::hosts::{Held, hold_epoch};
use crate::query::Reads;
use crate::write::history;
use crate::{Error, Store};

/// What is due at `$1`, in the order of the index `history_instance_removal`, `$2` at most.
pub(crate) const DUE: &str =
    "SELECT h.instance_id FROM history_instance h WHERE h.removal_at <= $1 ORDER BY h.removal_at, h.instance_id LIMIT $2";

/// This host removes history from here on, unless another one that lives does.
const TAKE: &str = "UPDATE history_cleanup SET host = $1, epoch = $2 WHERE NOT EXISTS (SELECT 1 FROM host h WHERE h.id = history_cleanup.host \
     AND h.epoch = history_cleanup.epoch AND h.ended_at IS NULL AND h.lease_until > {now}) RETURNING id";

/// Held until the commit: nobody takes the cleanup over in the middle of a batch.
const IS_MINE: &str = "SELECT id FROM history_cleanup WHERE host = $1 AND epoch = $2 {pg:FOR UPDATE}";

/// Held by whoever removes history beside the cleanup: two that remove the same rows in different orders would wait for each other.
const HOLD: &str = "SELECT id FROM history_cleanup {pg:FOR UPDATE}";

impl Store {
    /// Whether this host is the one that removes history. It is from when it first asks until it is gone or another host has taken over its
    /// work; then the next one that asks is.
    pub async fn take_history_cleanup(&self) -> Result<bool, Error> {
        let me = self.host();
        let mut tx = self.inner().cleanup.begin().await?;
        if !may_write(&mut tx, self).await? {
            tx.rollback().await;
            return Ok(false);
        }
        if !tx.fetch(IS_MINE, params![me.id, me.epoch]).await?.is_empty() {
            tx.rollback().await;
            return Ok(true);
        }
        let taken = tx.fetch(TAKE, params![me.id, me.epoch]).await?;
        tx.commit().await?;
        Ok(!taken.is_empty())
    }

    /// Removes the whole history of these instances, as far as they are due at `now`: all of it or nothing. Answers how many they were, or none
    /// if this host is not the one that removes history.
    pub async fn remove_history(&self, instances: Vec<Uuid>, now: i64) -> Result<Option<usize>, Error> {
        let me = self.host();
        let mut tx = self.inner().cleanup.begin().await?;
        if !may_write(&mut tx, self).await? || tx.fetch(IS_MINE, params![me.id, me.epoch]).await?.is_empty() {
            tx.rollback().await;
            return Ok(None);
        }
        // Asked again: what was read before the transaction may have been removed with its deployment.
        let due = "SELECT instance_id FROM history_instance WHERE instance_id {any_uuid:1} AND removal_at <= $2 ORDER BY instance_id";
        let due = tx.fetch(due, vec![Param::Uuids(instances), Param::I64(now)]).await?;
        let due = due.iter().map(|row| row.get(0)).collect::<Result<Vec<Uuid>, _>>()?;
        let removed = due.len();
        history::remove(&mut tx, due).await?;
        tx.commit().await?;
        Ok(Some(removed))
    }

    /// Removes incidents of what was to start an instance that are due at `now`, `max` at most. Answers how many, or none if this host is not the one
    /// that removes history.
    pub async fn remove_start_incidents(&self, now: i64, max: u32) -> Result<Option<usize>, Error> {
        let me = self.host();
        let mut tx = self.inner().cleanup.begin().await?;
        if !may_write(&mut tx, self).await? || tx.fetch(IS_MINE, params![me.id, me.epoch]).await?.is_empty() {
            tx.rollback().await;
            return Ok(None);
        }
        let sql = format!("DELETE FROM history_incident WHERE (instance_id, n) IN ({})", incident::DUE);
        let removed = tx.execute(&sql, params![now, i64::from(max)]).await?;
        tx.commit().await?;
        Ok(Some(usize::try_from(removed).unwrap_or(usize::MAX)))
    }
}

/// How many are due at `$1`, counted up to `$2`.
pub(crate) fn due_count_sql() -> String {
    format!("SELECT COUNT(*) FROM ({DUE}) d")
}

async fn may_write(tx: &mut Tx, store: &Store) -> Result<bool, Error> {
    Ok(matches!(hold_epoch(tx, store.host()).await?, Held::Valid { .. }))
}

/// Keeps the cleanup away until this transaction ends.
pub(crate) async fn hold_off(tx: &mut Tx) -> Result<(), Error> {
    tx.fetch(HOLD, Vec::new()).await.map(drop)
}

impl Reads {
    /// Ended instances whose history is to go at `now`, the longest due first.
    pub async fn history_due(&self, now: i64, max: u32) -> Result<Vec<Uuid>, Error> {
        let rows = self.pool.fetch(DUE, params![now, i64::from(max)]).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// Whether [`Store::remove_start_incidents`] has anything to do at `now`.
    pub async fn start_incidents_due(&self, now: i64) -> Result<bool, Error> {
        Ok(!self.pool.fetch(incident::DUE, params![now, 1_i64]).await?.is_empty())
    }
}
