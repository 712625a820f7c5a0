//! Taking over the work of hosts that are gone, and leaving in good order.

use crate::again::again;
use crate::claim::put_down;
use crate::db::{Lane, Param, Row, Tx, params};
use crate::lease::HostRef;
use crate::ledger::close_left_open;
use crate::{Error, Store};

/// What a takeover found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenOver {
    /// Hosts whose lease had ended.
    pub hosts: u64,
    /// Jobs that they had locked and that are free again.
    pub jobs: u64,
    /// Commands that they had under way, of which nobody knows what became.
    pub commands: u64,
}

/// How long the row of a host that is gone is kept for operators to see: a day.
const KEEP_ENDED_MS: i64 = 24 * 60 * 60 * 1_000;

impl Store {
    /// Takes over the work of hosts whose lease has ended: their epoch is raised, so that they can write no more, and their jobs are
    /// unlocked, each with one more takeover, and what they had sent without hearing of it is unknown. A host that is committing at this
    /// moment is left for the next time, and so are all where somebody else has a row of theirs locked.
    ///
    /// When the database was away for longer than a lease, or its clock was set, all leases have ended, and whoever looks first would
    /// take over from hosts that are well. So only a host takes over whose own lease lasts and which has been *steady* for half a lease:
    /// without a moment, by the database's clock, at which it might not have acted. By then every host that lives has renewed its own.
    pub async fn take_over(&self) -> Result<TakenOver, Error> {
        let Some(half) = self.inner().lease.half() else { return Ok(TakenOver::default()) };
        let params = params![self.host().id, half];
        if is_nobody(&self.inner().jobs, GONE, params.clone()).await? {
            return Ok(TakenOver::default());
        }
        again(|| async { take_over(self.begin_in_epoch().await?, GONE, params.clone()).await }).await
    }
}

/// Whose lease has ended, as seen by the host $1, if that has been steady for $2.
const GONE: &str = "lease_until < {now} AND id <> $1 AND EXISTS \
                    (SELECT 1 FROM host me WHERE me.id = $1 AND me.lease_until - $2 > {now} AND me.steady_since <= {now} - $2)";

/// On SQLite, whoever has the file is alone: whatever other hosts left is to be taken over, whenever their lease would end.
pub(crate) async fn take_over_all(lane: &Lane) -> Result<TakenOver, Error> {
    if is_nobody(lane, "TRUE", Vec::new()).await? {
        return Ok(TakenOver::default());
    }
    again(|| async { take_over(lane.begin().await?, "TRUE", Vec::new()).await }).await
}

/// Nearly always there is nobody to take over from; a read tells, without a transaction.
async fn is_nobody(lane: &Lane, which: &str, params: Vec<Param>) -> Result<bool, Error> {
    Ok(lane.fetch(&format!("SELECT id FROM host WHERE ended_at IS NULL AND {which}"), params).await?.is_empty())
}

async fn take_over(mut tx: Tx, which: &str, params: Vec<Param>) -> Result<TakenOver, Error> {
    // A committer that is at work holds the row FOR KEY SHARE; raising the epoch must wait for it, and waiting is for the next time.
    let hosts = tx
        .fetch(
            &format!(
                "UPDATE host SET epoch = epoch + 1, ended_at = {{now}} WHERE id IN \
                 (SELECT id FROM host WHERE ended_at IS NULL AND {which} {{pg:FOR UPDATE SKIP LOCKED}}) RETURNING id"
            ),
            params,
        )
        .await?;
    let hosts = hosts.iter().map(|row| row.get(0)).collect::<Result<Vec<uuid::Uuid>, _>>()?;
    let mut commands = 0;
    // The ledger before instances, and these before jobs, as a committer locks them.
    for host in &hosts {
        commands += close_left_open(&mut tx, *host).await?;
    }
    let mut jobs = put_down(&mut tx, "job_host {any_uuid:1}", vec![Param::Uuids(hosts.clone())], 1).await?;
    let unlock = "UPDATE job SET locked_by = NULL, locked_epoch = NULL, takeovers = takeovers + 1 WHERE locked_by {any_uuid:1}";
    jobs += tx.execute(unlock, vec![Param::Uuids(hosts.clone())]).await?;
    tx.commit().await?;
    Ok(TakenOver { hosts: hosts.len() as u64, jobs, commands })
}

/// Removes the rows of hosts that have been gone for long.
pub(crate) async fn forget_ended(lane: &Lane) -> Result<(), Error> {
    let sql = "{pg:WITH gone AS (}DELETE FROM host WHERE ended_at < {now} - $1\
               {pg: RETURNING id) DELETE FROM host_commit WHERE host IN (SELECT id FROM gone)}";
    lane.fetch(sql, params![KEEP_ENDED_MS]).await.map(drop)
}

/// Gives back what this host has locked, says of what is still under way that nobody will hear of it, and ends its row.
pub(crate) async fn leave(lane: &Lane, me: HostRef) -> Result<(), Error> {
    again(|| leave_once(lane, me)).await
}

async fn leave_once(lane: &Lane, me: HostRef) -> Result<(), Error> {
    let mut tx = lane.begin().await?;
    // The host's row before the ledger, this before instances, and these before jobs, as a committer locks them.
    let end = "UPDATE host SET epoch = epoch + 1, ended_at = {now} WHERE id = $1 AND epoch = $2";
    tx.execute(end, params![me.id, me.epoch]).await?;
    close_left_open(&mut tx, me.id).await?;
    put_down(&mut tx, "job_host = $1 AND job_epoch = $2", params![me.id, me.epoch], 0).await?;
    let unlock = "UPDATE job SET locked_by = NULL, locked_epoch = NULL WHERE locked_by = $1 AND locked_epoch = $2";
    tx.execute(unlock, params![me.id, me.epoch]).await?;
    tx.commit().await
}

/// What is asked of this host's right to write, in [`HELD_COLUMNS`] columns, of what, and for which host: $1 in its epoch $2.
pub(crate) const HELD: &str = "h.lease_until > {now}, c.count";
/// The first of them.
pub(crate) const LASTS: &str = "h.lease_until > {now}";
pub(crate) const HELD_COLUMNS: usize = 2;
pub(crate) const HOLDS: &str = "host h, job_definition_changes c";
pub(crate) const IN_EPOCH: &str = "h.id = $1 AND h.epoch = $2 AND h.ended_at IS NULL AND c.id = 1";

/// Whether this host may write in this transaction, and keeps it so until the transaction ends: raising the epoch must wait, and so must a
/// change of job definitions.
pub(crate) async fn hold_epoch(tx: &mut Tx, me: HostRef) -> Result<Held, Error> {
    let sql = format!("SELECT {HELD} FROM {HOLDS} WHERE {IN_EPOCH} {{pg:FOR KEY SHARE OF h, c}}");
    let rows = tx.fetch(&sql, params![me.id, me.epoch]).await?;
    rows.first().map_or(Ok(Held::Over), Held::read)
}

/// What holds of this host's right to write.
pub(crate) enum Held {
    /// It may, until this transaction ends.
    Valid {
        /// How many changes of job definitions there are.
        job_definitions: i64,
    },
    /// Its lease has run out by the database's clock, but nobody has taken over: it may be renewed.
    Expired,
    /// Somebody has taken over.
    Over,
}

impl Held {
    /// From a row that begins with [`HELD`].
    pub(crate) fn read(row: &Row) -> Result<Self, Error> {
        let (lasts, job_definitions) = (row.get(0)?, row.get(1)?);
        Ok(if lasts { Self::Valid { job_definitions } } else { Self::Expired })
    }
}
