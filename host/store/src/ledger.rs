//! The ledger: every sending of a domain command, written before it leaves and closed with what came of it.
//!
//! | from | may become |
//! |---|---|
//! | (nothing) | open |
//! | open | applied, rejected, unavailable, unknown |
//! | unknown | applied, rejected, unavailable: it was reconciled, or heard of late; applied, unavailable: by a person's [`Verdict`] |
//!
//! A state that is written twice is written once; a verdict is given once. One attempt per key is open at a time: each has the number after
//! the last one's, which is its key. Entries go through the committer, with the same check of this host's epoch as units of work.

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::committer::Request;
use crate::db::{Columns, Param, Row, params};
use crate::query::{Page, Reads, large_rows};
use crate::{Error, Store};

mod entry;
mod write;

pub use entry::{LedgerClose, LedgerOpen, LedgerOpened, LedgerRow, LedgerState, Origin, Sent, Verdict};
#[cfg(test)]
pub(crate) use write::BATCHES;
pub(crate) use write::{Write, close_all, close_left_open, open_all};

/// (tenant, command, key).
pub(crate) type Name = (String, String, String);

impl Store {
    /// Writes an attempt before it is sent: if the wait it is sent for still exists and is not another host's, if this host may write, and
    /// if the last attempt under the key allows another one. See the table of [`LedgerOpen::generation`]'s rules in `may_open`.
    pub async fn ledger_open(&self, open: LedgerOpen) -> Result<LedgerOpened, Error> {
        open.check().map_err(Error::Refused)?;
        let (answer, wait) = oneshot::channel();
        self.inner().committer.send(Request::Open(open, answer)).await.map_err(|_| Error::Closed)?;
        wait.await.map_err(|_| Error::Closed)?
    }

    /// Writes what came of an attempt. Writing the state that it has already changes nothing, unless a person says so: of two verdicts, and
    /// of a verdict and an outcome that is heard of late, one is written, and the other is [`Error::LedgerTransition`]. Whether the wait
    /// that it was sent for still exists is noted in the same transaction.
    pub async fn ledger_close(&self, close: LedgerClose) -> Result<(), Error> {
        close.check().map_err(Error::Refused)?;
        let (answer, wait) = oneshot::channel();
        self.inner().committer.send(Request::Close(close, answer)).await.map_err(|_| Error::Closed)?;
        wait.await.map_err(|_| Error::Closed)?
    }
}

const COLUMNS: &str = "l.tenant, l.command, l.key, l.attempt, l.generation, l.instance_id, l.origin_kind, l.origin_wait, l.origin_report, l.entry_key, \
                       l.activity_id, l.definition_id, l.request_digest, l.request, l.state, l.reply, l.code, l.message, l.host, l.epoch, \
                       l.opened_at, l.closed_at, l.cancelled, l.verdict_by, l.verdict_reason, l.verdict_at";

fn ledger_row(row: &Row) -> Result<LedgerRow, Error> {
    let mut columns = row.columns();
    let origin = |columns: &mut Columns<'_>| {
        let kind: String = columns.next()?;
        Origin::from_parts(&kind, columns.next()?, columns.next()?)
    };
    let state = |columns: &mut Columns<'_>| columns.next::<String>()?.parse();
    let verdict = |columns: &mut Columns<'_>| {
        let (by, reason, at): (Option<String>, Option<String>, Option<i64>) = (columns.next()?, columns.next()?, columns.next()?);
        Ok::<_, Error>(by.zip(reason).zip(at).map(|((by, reason), at)| Verdict { by, reason, at }))
    };
    Ok(LedgerRow {
        tenant: columns.next()?,
        command: columns.next()?,
        key: columns.next()?,
        attempt: columns.next()?,
        generation: columns.next()?,
        instance: columns.next()?,
        origin: origin(&mut columns)?,
        entry_key: columns.next()?,
        activity_id: columns.next()?,
        definition_id: columns.next()?,
        request_digest: columns.next()?,
        request: columns.next()?,
        state: state(&mut columns)?,
        reply: columns.next()?,
        code: columns.next()?,
        message: columns.next()?,
        host: columns.next()?,
        epoch: columns.next()?,
        opened_at: columns.next()?,
        closed_at: columns.next()?,
        cancelled: columns.next()?,
        verdict: verdict(&mut columns)?,
    })
}

fn sent(row: &Row) -> Result<Sent, Error> {
    let mut columns = row.columns();
    let (command, key, attempt) = (columns.next()?, columns.next()?, columns.next()?);
    let state = columns.next::<String>()?.parse()?;
    let kind: String = columns.next()?;
    let origin = Origin::from_parts(&kind, columns.next()?, columns.next()?)?;
    Ok(Sent { command, key, attempt, state, origin, entry_key: columns.next()?, activity_id: columns.next()? })
}

/// The name of an attempt.
#[derive(Clone, Debug)]
pub(crate) struct AttemptKey {
    tenant: String,
    command: String,
    key: String,
    attempt: i64,
}

impl Reads {
    /// The last attempt under a key; the empty tenant is none.
    pub async fn ledger_latest(&self, tenant: &str, command: &str, key: &str) -> Result<Option<LedgerRow>, Error> {
        let sql =
            format!("SELECT {COLUMNS} FROM ledger l WHERE l.tenant = $1 AND l.command = $2 AND l.key = $3 ORDER BY l.attempt DESC LIMIT 1");
        let rows = self.lookups.fetch(&sql, params![tenant, command, key]).await?;
        rows.first().map(ledger_row).transpose()
    }

    /// An instance's attempts, in the order in which they were written. They outlive the instance.
    pub async fn ledger_of_instance(&self, instance: Uuid, page: Page) -> Result<Vec<LedgerRow>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM ledger l WHERE l.instance_id = $1 \
             ORDER BY l.opened_at, l.command, l.key, l.attempt LIMIT $2 OFFSET $3"
        );
        let params = params![instance, i64::from(page.max), i64::from(page.first)];
        large_rows(&self.pool, (sql, params), page).await?.iter().map(ledger_row).collect()
    }

    /// The names of an instance's attempts, in the same order.
    pub(crate) async fn ledger_keys(&self, instance: Uuid) -> Result<Vec<AttemptKey>, Error> {
        let sql = "SELECT l.tenant, l.command, l.key, l.attempt FROM ledger l WHERE l.instance_id = $1 ORDER BY l.opened_at, l.command, l.key, l.attempt";
        let rows = self.pool.fetch(sql, params![instance]).await?;
        rows.iter()
            .map(|row| Ok(AttemptKey { tenant: row.get(0)?, command: row.get(1)?, key: row.get(2)?, attempt: row.get(3)? }))
            .collect()
    }

    /// An attempt, if it is there.
    pub(crate) async fn ledger_attempt(&self, of: &AttemptKey) -> Result<Option<LedgerRow>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM ledger l WHERE l.tenant = $1 AND l.command = $2 AND l.key = $3 AND l.attempt = $4");
        let params = params![of.tenant.as_str(), of.command.as_str(), of.key.as_str(), of.attempt];
        self.pool.fetch(&sql, params).await?.first().map(ledger_row).transpose()
    }

    /// Whether a unit that resumed this wait has written any attempt, whatever became of it.
    pub async fn ledger_has(&self, instance: Uuid, origin: Origin) -> Result<bool, Error> {
        let (kind, wait, _) = origin.parts();
        let sql = "SELECT 1 FROM ledger l WHERE l.instance_id = $1 AND l.origin_kind = $2 AND l.origin_wait = $3 LIMIT 1";
        Ok(!self.lookups.fetch(sql, params![instance, kind, wait]).await?.is_empty())
    }

    /// What units that resumed this wait have sent and what was applied, or may have been: the last attempt under each key.
    pub async fn ledger_sent(&self, instance: Uuid, origin: Origin) -> Result<Vec<Sent>, Error> {
        let (kind, wait, report) = origin.parts();
        let of_origin = "l.origin_kind = $2 AND l.origin_wait = $3 AND COALESCE(l.origin_report, 0) = $4 \
                         AND l.state IN ('applied', 'open', 'unknown')";
        self.sent(of_origin, params![instance, kind, wait, report.unwrap_or_default()]).await
    }

    /// What an instance has sent of which nobody knows what came: the last attempt under each key that is open or unknown.
    pub async fn ledger_undecided(&self, instance: Uuid) -> Result<Vec<Sent>, Error> {
        self.sent("l.state IN ('open', 'unknown')", params![instance]).await
    }

    async fn sent(&self, which: &str, params: Vec<Param>) -> Result<Vec<Sent>, Error> {
        let sql = format!(
            "SELECT l.command, l.key, l.attempt, l.state, l.origin_kind, l.origin_wait, l.origin_report, l.entry_key, l.activity_id FROM ledger l \
             WHERE l.instance_id = $1 AND {which} AND NOT EXISTS (SELECT 1 FROM ledger n WHERE n.tenant = l.tenant AND n.command = l.command \
             AND n.key = l.key AND n.attempt > l.attempt) ORDER BY l.opened_at, l.command, l.key"
        );
        self.lookups.fetch(&sql, params).await?.iter().map(sent).collect()
    }

    /// Whether the host that opened an attempt lives, in that epoch. If so the attempt is in flight, and waited for.
    pub async fn ledger_holder_alive(&self, host: Uuid, epoch: i64) -> Result<bool, Error> {
        let sql = "SELECT COUNT(*) FROM host WHERE id = $1 AND epoch = $2 AND ended_at IS NULL AND lease_until > {now}";
        let rows = self.lookups.fetch(sql, params![host, epoch]).await?;
        let count: i64 = rows.first().map_or(Ok(0), |row| row.get(0))?;
        Ok(count > 0)
    }
}
