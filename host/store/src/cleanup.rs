//! Removing the history of instances whose time to live is over: found by an index, in batches, by one host at a time. And what is left of
//! history that was deleted, by any host.
//!
//! An instance's time is fixed when it ends: its end and its definition's time to live make its `removal_at` (Camunda 7's removal time with
//! the strategy `end`). An incident of what was to start an instance, and started none, goes by itself, by the same time to live, from when
//! it was over. What has none is kept for ever. Start keys and ledger stay: a key promises one start for ever, and the ledger is what keeps
//! a command from being sent twice under a key that a delegate has given.

use uuid::Uuid;

use crate::db::{Param, Row, Tx, params};
use crate::delivery::incident;
use crate::hosts::{Held, hold_epoch};
use crate::query::Reads;
use crate::write::removal;
use crate::{Error, Fault, Store};

/// What is due at `$1`, in the order of the index `history_instance_removal`, `$2` at most, behind the instance `$4` that was due at `$3`.
pub(crate) fn due_sql() -> String {
    format!(
        "SELECT h.removal_at, h.instance_id, {} FROM history_instance h WHERE h.removal_at <= $1 \
         AND (h.removal_at, h.instance_id) > ($3, $4) ORDER BY h.removal_at, h.instance_id LIMIT $2",
        removal::size_sql("h.instance_id")
    )
}

/// What is left, in the order of the index `history_remains_since`, `$1` at most, behind the instance `$3` that is left since `$2`.
pub(crate) fn left_sql() -> String {
    format!(
        "SELECT r.since, r.instance_id, {} FROM history_remains r WHERE (r.since, r.instance_id) > ($2, $3) \
         ORDER BY r.since, r.instance_id LIMIT $1",
        removal::size_sql("r.instance_id")
    )
}

/// An instance whose history is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Since when: its time to live is over, or a part of it has gone. Milliseconds since 1970.
    pub since: i64,
    /// Which.
    pub instance: Uuid,
}

impl Due {
    /// Before all.
    const FIRST: Self = Self { since: i64::MIN, instance: Uuid::nil() };
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

    /// Removes the history of these instances, of as many as [`Reads::history_due`] tells at once and as far as they are due at `now`:
    /// history has none of them any more, or all. Of what is more than one transaction is to remove a part is left
    /// ([`Reads::history_left`]). Answers how many they were, or none if this host is not the one that removes history.
    pub async fn remove_history(&self, instances: Vec<Uuid>, now: i64) -> Result<Option<usize>, Error> {
        let Some(mut tx) = self.begin_cleanup().await? else { return Ok(None) };
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
        let Some(mut tx) = self.begin_cleanup().await? else { return Ok(None) };
        let sql = format!("DELETE FROM history_incident WHERE (instance_id, n) IN ({})", incident::DUE);
        let removed = tx.execute(&sql, params![now, i64::from(max)]).await?;
        tx.commit().await?;
        Ok(Some(usize::try_from(removed).unwrap_or(usize::MAX)))
    }

    /// A transaction of the host that removes history; none: this one is not it.
    async fn begin_cleanup(&self) -> Result<Option<Tx>, Error> {
        let me = self.host();
        let mut tx = self.inner().cleanup.begin().await?;
        if may_write(&mut tx, self).await? && !tx.fetch(IS_MINE, params![me.id, me.epoch]).await?.is_empty() {
            return Ok(Some(tx));
        }
        tx.rollback().await;
        Ok(None)
    }

    /// Removes the next slice of what is left of these instances, of as many as [`Reads::history_left`] tells at once. True: nothing is
    /// left of them. Whichever hosts do so at one moment, each takes what is there when its turn comes.
    pub async fn remove_left_history(&self, instances: Vec<Uuid>) -> Result<bool, Error> {
        let mut tx = self.inner().cleanup.begin().await?;
        hold_off(&mut tx).await?;
        let is_all = removal::go_on(&mut tx, instances).await?;
        tx.commit().await?;
        Ok(is_all)
    }
}

/// Definitions that are deleted and whose elements and history are not, with the last instance that was found of them, as far as that is
/// gone.
pub(crate) const LOST: &str = "SELECT d.definition_id, d.ended_at, d.instance_id FROM deleted_definition d WHERE NOT d.with_history \
     AND NOT EXISTS (SELECT 1 FROM history_instance h WHERE h.instance_id = d.instance_id AND h.definition_id = d.definition_id) ORDER BY d.definition_id";

/// Definitions whose history was deleted with them and is not all gone, with the last instance that was looked at.
const WITH_HISTORY: &str =
    "SELECT d.definition_id, d.ended_at, d.instance_id FROM deleted_definition d WHERE d.with_history ORDER BY d.definition_id";

/// Ended instances of the key `$1` from one on, in the order of the index `history_instance_key_ended`, `$4` at most.
pub(crate) const ENDED_FROM: &str = "SELECT h.definition_id, h.ended_at, h.instance_id FROM history_instance h WHERE h.definition_key = $1 \
     AND h.ended_at IS NOT NULL AND (h.ended_at, h.instance_id) >= ($2, $3) ORDER BY h.ended_at, h.instance_id LIMIT $4";

/// Instances of a key that are looked at at once.
const LOOK: u32 = 1_000;

/// A part of the ended instances of a deleted definition's key.
struct Look {
    definition: String,
    /// Those of the definition.
    found: Vec<Ended>,
    /// The last one, unless none stands behind it.
    last: Option<Ended>,
}

/// Whether the next definition would fail alike: each would wait as long again.
fn is_of_all(error: &Error) -> bool {
    matches!(error.fault(), Fault::Moment | Fault::Database)
}

/// An ended instance's place among those of its key.
type Ended = (i64, Uuid);

/// Instances of other versions of a process stand between those of one: a bounded number of them is looked at for each definition, and the
/// next look goes on behind them. Nothing is locked meanwhile, for a deleted definition gets no instance that it did not have: what is not
/// there will never be, whichever hosts look at one moment.
impl Store {
    /// Removes the elements of deleted definitions of which history has no instance any more. Answers of how many definitions. One that
    /// fails keeps no other, unless the database is at fault.
    pub async fn remove_left_elements(&self) -> Result<usize, Error> {
        let (mut removed, mut failed) = (0, None);
        for lost in self.pool.fetch(LOST, Vec::new()).await? {
            match self.remove_left_elements_of(&lost).await {
                Ok(gone) => removed += usize::from(gone),
                Err(error) if is_of_all(&error) => return Err(error),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(removed), Err)
    }

    async fn remove_left_elements_of(&self, lost: &Row) -> Result<bool, Error> {
        let look = self.look(lost).await?;
        let mut tx = self.inner().cleanup.begin().await?;
        let gone = looked(&mut tx, &look.definition, look.found.first().copied().or(look.last)).await?;
        tx.commit().await?;
        Ok(gone)
    }

    /// Has more ended instances of a definition that was deleted with them be among [`Reads::history_left`], `max` at the most, and then
    /// removes its elements. False: there is no such definition. One that fails keeps no other, unless the database is at fault.
    pub async fn find_left_history(&self, max: u32) -> Result<bool, Error> {
        let mut failed = Ok(false);
        for deleted in self.pool.fetch(WITH_HISTORY, Vec::new()).await? {
            match self.find_left_history_of(&deleted, max).await {
                Ok(()) => return Ok(true),
                Err(error) if is_of_all(&error) => return Err(error),
                Err(error) => failed = Err(error),
            }
        }
        failed
    }

    async fn find_left_history_of(&self, deleted: &Row, max: u32) -> Result<(), Error> {
        let Look { definition, mut found, mut last } = self.look(deleted).await?;
        if found.len() > max as usize {
            found.truncate(max as usize);
            last = found.last().copied();
        }
        let mut tx = self.inner().cleanup.begin().await?;
        hold_off(&mut tx).await?;
        removal::put_off(&mut tx, found.into_iter().map(|(_, id)| id).collect()).await?;
        looked(&mut tx, &definition, last).await?;
        tx.commit().await
    }

    async fn look(&self, deleted: &Row) -> Result<Look, Error> {
        let (definition, ended_at, instance): (String, i64, Uuid) = (deleted.get(0)?, deleted.get(1)?, deleted.get(2)?);
        // Ended instances are found by it.
        let key = crate::key_of_definition(&definition);
        let rows = self.pool.fetch(ENDED_FROM, params![key, ended_at, instance, i64::from(LOOK)]).await?;
        let (mut found, mut last) = (Vec::new(), None);
        for row in &rows {
            let place = (row.get(1)?, row.get(2)?);
            last = Some(place);
            if row.get::<String>(0)? == definition {
                found.push(place);
            }
        }
        Ok(Look { definition, found, last: last.filter(|_| rows.len() == LOOK as usize) })
    }
}

/// The next look begins at an instance, or there is nothing to be looked for. True: then the elements are gone, and nobody else has seen so
/// before.
async fn looked(tx: &mut Tx, definition: &str, next: Option<Ended>) -> Result<bool, Error> {
    if let Some((ended_at, instance)) = next {
        let sql = "UPDATE deleted_definition SET ended_at = $2, instance_id = $3 WHERE definition_id = $1";
        tx.execute(sql, params![definition, ended_at, instance]).await?;
        return Ok(false);
    }
    // Its row first: another host that finds the same waits there.
    let gone = tx.execute("DELETE FROM deleted_definition WHERE definition_id = $1", params![definition]).await?;
    tx.execute("DELETE FROM element WHERE definition_id = $1", params![definition]).await?;
    Ok(gone > 0)
}

/// How many are due at `$1` or left, each counted up to `$2`.
pub(crate) const DUE_COUNT: &str = "SELECT (SELECT COUNT(*) FROM (SELECT 1 FROM history_instance h WHERE h.removal_at <= $1 LIMIT $2) d) \
     + (SELECT COUNT(*) FROM (SELECT 1 FROM history_remains LIMIT $2) r)";

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

    /// Ended instances whose history is to go at `now`, the longest due first, from behind one of them on: `max` at most, and no more than
    /// go in one transaction, but one at least.
    pub async fn history_due(&self, now: i64, max: u32, behind: Option<Due>) -> Result<Vec<Due>, Error> {
        let behind = behind.unwrap_or(Due::FIRST);
        fitting(&self.pool.fetch(&due_sql(), params![now, i64::from(max), behind.since, behind.instance]).await?)
    }

    /// Instances of which history has nothing but what is left of them, because it was too much for one transaction or they were deleted
    /// while they lived, likewise.
    pub async fn history_left(&self, max: u32, behind: Option<Due>) -> Result<Vec<Due>, Error> {
        let behind = behind.unwrap_or(Due::FIRST);
        fitting(&self.pool.fetch(&left_sql(), params![i64::from(max), behind.since, behind.instance]).await?)
    }

    /// Whether [`Store::remove_start_incidents`] has anything to do at `now`.
    pub async fn start_incidents_due(&self, now: i64) -> Result<bool, Error> {
        Ok(!self.pool.fetch(incident::DUE, params![now, 1_i64]).await?.is_empty())
    }
}

/// Of instances with their sizes as many as are together less than a slice, and the first one however large it is.
fn fitting(rows: &[Row]) -> Result<Vec<Due>, Error> {
    let (mut fitting, mut size) = (Vec::new(), 0);
    for row in rows {
        size += row.get::<i64>(2)?;
        if size >= i64::from(removal::SLICE) && !fitting.is_empty() {
            break;
        }
        fitting.push(Due { since: row.get(0)?, instance: row.get(1)? });
    }
    Ok(fitting)
}
