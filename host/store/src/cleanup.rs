//! Removing the history of instances whose time to live is over: found by an index, in batches, by one host at a time. And what is left of
//! history that was deleted, by any host.
//!
//! An instance's time is fixed when it ends: its end and its definition's time to live make its `removal_at` (Camunda 7's removal time with
//! the strategy `end`). An incident of what was to start an instance, and started none, goes by itself, by the same time to live, from when
//! it was over. What has none is kept for ever. Start keys and ledger stay: a key promises one start for ever, and the ledger is what keeps
//! a command from being sent twice under a key that a delegate has given.

use uuid::Uuid;

use crate::db::{Param, Tx, params};
use crate::delivery::incident;
use crate::hosts::{Held, hold_epoch};
use crate::query::Reads;
use crate::write::removal;
use crate::{Error, Store};

/// What is due at `$1`, in the order of the index `history_instance_removal`, `$2` at most.
pub(crate) const DUE: &str =
    "SELECT h.removal_at, h.instance_id FROM history_instance h WHERE h.removal_at <= $1 ORDER BY h.removal_at, h.instance_id LIMIT $2";

/// The same behind the instance `$4`, whose history was due at `$3`.
pub(crate) const DUE_BEHIND: &str = "SELECT h.removal_at, h.instance_id FROM history_instance h WHERE h.removal_at <= $1 \
     AND (h.removal_at, h.instance_id) > ($3, $4) ORDER BY h.removal_at, h.instance_id LIMIT $2";

/// An instance whose history is to go, since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When it was to go, milliseconds since 1970.
    pub removal_at: i64,
    /// Which.
    pub instance: Uuid,
}

/// This host removes history from here on, unless another one that lives does.
const TAKE: &str = "UPDATE history_cleanup SET host = $1, epoch = $2 WHERE NOT EXISTS (SELECT 1 FROM host h WHERE h.id = history_cleanup.host \
     AND h.epoch = history_cleanup.epoch AND h.ended_at IS NULL AND h.lease_until > {now}) RETURNING id";

/// Held until the commit: nobody takes the cleanup over in the middle of a batch.
const IS_MINE: &str = "SELECT id FROM history_cleanup WHERE host = $1 AND epoch = $2 {pg:FOR UPDATE}";

/// Held by whoever removes history beside the cleanup, or changes several rows of it: two that lock the same in different orders would
/// wait for each other.
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

    /// Removes the history of these instances, as far as they are due at `now`: history has none of them any more, or all. Of what is more
    /// than one transaction is to remove a part is left to [`Store::go_on_removing`]. Answers how many they were, or none if this host is
    /// not the one that removes history.
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
        removal::begin(&mut tx, due).await?;
        tx.commit().await?;
        Ok(Some(removed))
    }

    /// Removes incidents of what was to start an instance that are due at `now`, `max` at most. Answers how many, or none if this host is
    /// not the one that removes history.
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

/// Definitions that are deleted and whose elements and history are not, with the last instance that was found of them, as far as that is
/// gone.
pub(crate) const LOST: &str = "SELECT d.definition_id, d.ended_at, d.instance_id FROM deleted_definition d WHERE NOT d.with_history \
     AND NOT EXISTS (SELECT 1 FROM history_instance h WHERE h.instance_id = d.instance_id AND h.definition_id = d.definition_id) ORDER BY d.definition_id";

/// Ended instances of the key `$1` from one on, in the order of the index `history_instance_key_ended`, `$4` at most.
pub(crate) const ENDED_FROM: &str = "SELECT h.definition_id, h.ended_at, h.instance_id FROM history_instance h WHERE h.definition_key = $1 \
     AND h.ended_at IS NOT NULL AND (h.ended_at, h.instance_id) >= ($2, $3) ORDER BY h.ended_at, h.instance_id LIMIT $4";

/// Instances of a key that are looked at at once.
const LOOK: i64 = 1_000;

impl Store {
    /// Removes the elements of deleted definitions of which history has no instance any more. Answers of how many definitions.
    ///
    /// Instances of other versions of a process stand between those of one: a bounded number of them is looked at for each definition, and
    /// the next look goes on behind them. Nothing is locked meanwhile, for a deleted definition gets no instance that it did not have: what
    /// is not there will never be, whichever hosts look at one moment.
    pub async fn forget_elements(&self) -> Result<usize, Error> {
        let mut forgotten = 0;
        for lost in self.pool.fetch(LOST, Vec::new()).await? {
            let (definition, ended_at, instance): (String, i64, Uuid) = (lost.get(0)?, lost.get(1)?, lost.get(2)?);
            let ended = self.ended_of_key(&definition, ended_at, instance).await?;
            let first = ended.iter().find(|(of, ..)| *of == definition);
            let next = first.or(ended.last()).map(|(_, at, id)| (*at, *id));
            let is_whole = ended.len() < usize::try_from(LOOK).expect("a thousand");
            let is_there = first.is_some();
            let mut tx = self.inner().cleanup.begin().await?;
            if let Some((ended_at, instance)) = next.filter(|_| is_there || !is_whole) {
                let sql = "UPDATE deleted_definition SET ended_at = $2, instance_id = $3 WHERE definition_id = $1";
                tx.execute(sql, params![definition, ended_at, instance]).await?;
            } else {
                forgotten += usize::from(forget(&mut tx, &definition).await?);
            }
            tx.commit().await?;
        }
        Ok(forgotten)
    }
}

/// Rows that an instance of a batch may have, where a batch goes on with what was left of some.
const ROWS_EACH: u64 = 20;

/// Whose history was deleted with them and is not all gone, with the last instance that was looked at.
const LEFT: &str =
    "SELECT d.definition_id, d.ended_at, d.instance_id FROM deleted_definition d WHERE d.with_history ORDER BY d.definition_id LIMIT 1";

impl Store {
    /// Removes a batch of history that was deleted and is not all gone, of `max` instances at the most: what was more than one transaction
    /// should remove, and the ended instances of definitions that were deleted with them. False: nothing is left. Whichever hosts do so at
    /// one moment, each takes what is there when its turn comes.
    pub async fn go_on_removing(&self, max: u32) -> Result<bool, Error> {
        if !self.pool.fetch("SELECT instance_id FROM history_remains LIMIT 1", Vec::new()).await?.is_empty() {
            let mut tx = self.inner().cleanup.begin().await?;
            hold_off(&mut tx).await?;
            // A slice that could not be removed is smaller the next time, as a batch is.
            removal::go_on(&mut tx, removal::SLICE.min(u64::from(max) * ROWS_EACH)).await?;
            tx.commit().await?;
            return Ok(true);
        }
        let left = self.pool.fetch(LEFT, Vec::new()).await?;
        let Some(left) = left.first() else { return Ok(false) };
        let (definition, ended_at, instance): (String, i64, Uuid) = (left.get(0)?, left.get(1)?, left.get(2)?);
        let ended = self.ended_of_key(&definition, ended_at, instance).await?;
        let is_whole = ended.len() < usize::try_from(LOOK).expect("a thousand");
        let mut found: Vec<_> = ended.iter().filter(|(of, ..)| *of == definition).map(|(_, at, id)| (*at, *id)).collect();
        let most = usize::try_from(max).unwrap_or(usize::MAX);
        let mut looked_at = ended.last().map(|(_, at, id)| (*at, *id));
        if found.len() > most {
            found.truncate(most);
            looked_at = found.last().copied();
        } else if is_whole {
            looked_at = None;
        }
        let mut tx = self.inner().cleanup.begin().await?;
        hold_off(&mut tx).await?;
        removal::begin(&mut tx, found.into_iter().map(|(_, id)| id).collect()).await?;
        if let Some((ended_at, instance)) = looked_at {
            let sql = "UPDATE deleted_definition SET ended_at = $2, instance_id = $3 WHERE definition_id = $1";
            tx.execute(sql, params![definition, ended_at, instance]).await?;
        } else {
            forget(&mut tx, &definition).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Ended instances of a definition's key from one on, as many as are looked at at once.
    async fn ended_of_key(&self, definition: &str, ended_at: i64, instance: Uuid) -> Result<Vec<(String, i64, Uuid)>, Error> {
        // Ended instances are found by it.
        let key = crate::key_of_definition(definition);
        let ended = self.pool.fetch(ENDED_FROM, params![key, ended_at, instance, LOOK]).await?;
        ended.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect()
    }
}

/// History has nothing of a deleted definition any more. Answers whether nobody else has seen so before.
async fn forget(tx: &mut Tx, definition: &str) -> Result<bool, Error> {
    // Its row first: another host that finds the same waits there.
    let gone = tx.execute("DELETE FROM deleted_definition WHERE definition_id = $1", params![definition]).await?;
    tx.execute("DELETE FROM element WHERE definition_id = $1", params![definition]).await?;
    Ok(gone > 0)
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
    /// Definitions that are not there and whose elements are, though nobody looks for what history has of them; and those that are there,
    /// though somebody does.
    pub async fn elements_astray(&self) -> Result<Vec<String>, Error> {
        let sql = "SELECT DISTINCT e.definition_id FROM element e WHERE NOT EXISTS (SELECT 1 FROM definition d WHERE d.id = e.definition_id) \
                   AND NOT EXISTS (SELECT 1 FROM deleted_definition g WHERE g.definition_id = e.definition_id) UNION \
                   SELECT g.definition_id FROM deleted_definition g JOIN definition d ON d.id = g.definition_id";
        self.pool.fetch(sql, Vec::new()).await?.iter().map(|row| row.get(0)).collect()
    }

    /// Ended instances whose history is to go at `now`, the longest due first, from behind one of them on.
    pub async fn history_due(&self, now: i64, max: u32, behind: Option<Due>) -> Result<Vec<Due>, Error> {
        let rows = match behind {
            None => self.pool.fetch(DUE, params![now, i64::from(max)]).await?,
            Some(behind) => self.pool.fetch(DUE_BEHIND, params![now, i64::from(max), behind.removal_at, behind.instance]).await?,
        };
        rows.iter().map(|row| Ok(Due { removal_at: row.get(0)?, instance: row.get(1)? })).collect()
    }

    /// Whether [`Store::remove_start_incidents`] has anything to do at `now`.
    pub async fn start_incidents_due(&self, now: i64) -> Result<bool, Error> {
        Ok(!self.pool.fetch(incident::DUE, params![now, 1_i64]).await?.is_empty())
    }
}
