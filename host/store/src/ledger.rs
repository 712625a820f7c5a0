//! The ledger: every sending of a domain command, written before it leaves and closed with what came of it.
//!
//! | from | may become |
//! |---|---|
//! | (nothing) | open |
//! | open | applied, rejected, unavailable, unknown |
//! | unknown | applied, rejected, unavailable: it was reconciled |
//!
//! A state that is written twice is written once. One attempt per key is open at a time, by constraint. Entries go through the committer,
//! with the same check of this host's epoch as units of work.

use std::collections::HashMap;
use std::str::FromStr;

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::batch::{Batch, Cell, Type, cells};
use crate::committer::Request;
use crate::db::{Columns, Row, Tx, params};
use crate::lease::HostRef;
use crate::query::{Page, Reads};
use crate::unit::{check_key, check_text};
use crate::{Error, Store};

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerState {
    /// It may have left; no answer is recorded.
    Open,
    /// The domain service did it.
    Applied,
    /// The domain service said no.
    Rejected,
    /// It is known not to have been applied.
    Unavailable,
    /// Anything else.
    Unknown,
}

impl LedgerState {
    /// As it is stored and shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Applied => "applied",
            Self::Rejected => "rejected",
            Self::Unavailable => "unavailable",
            Self::Unknown => "unknown",
        }
    }
}

impl FromStr for LedgerState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        [Self::Open, Self::Applied, Self::Rejected, Self::Unavailable, Self::Unknown]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::Damaged(format!("no ledger state: {text}")))
    }
}

/// The wait that the unit of work which sends a command resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// A job.
    Job(i64),
    /// A user task.
    Task(i64),
    /// A wait for a message.
    Subscription(i64),
}

impl Origin {
    fn parts(self) -> (&'static str, i64) {
        match self {
            Self::Job(wait) => ("job", wait),
            Self::Task(wait) => ("task", wait),
            Self::Subscription(wait) => ("subscription", wait),
        }
    }

    fn from_parts(kind: &str, wait: i64) -> Result<Self, Error> {
        match kind {
            "job" => Ok(Self::Job(wait)),
            "task" => Ok(Self::Task(wait)),
            "subscription" => Ok(Self::Subscription(wait)),
            other => Err(Error::Damaged(format!("no kind of wait: {other}"))),
        }
    }
}

/// One attempt. The key is (tenant, command, key), attempts under it count up from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerRow {
    /// Empty for none.
    pub tenant: String,
    /// The command's name.
    pub command: String,
    /// The idempotency key.
    pub key: String,
    /// Counts attempts under the key from 1.
    pub attempt: i64,
    /// Counts requests under the key from 1: another request is another generation.
    pub generation: i64,
    /// The instance that sent it.
    pub instance: Uuid,
    /// The wait its unit resumed.
    pub origin: Origin,
    /// Digest that names the activity's entry.
    pub activity_key: String,
    /// BPMN id of the activity.
    pub activity_id: String,
    /// The instance's definition.
    pub definition_id: String,
    /// Digest of the request.
    pub request_digest: String,
    /// The request without what must not be stored, as JSON.
    pub request: String,
    /// What came of it.
    pub state: LedgerState,
    /// The answer, as JSON.
    pub reply: Option<String>,
    /// The code of a rejection.
    pub code: Option<String>,
    /// Why it was rejected, unavailable or unknown.
    pub message: Option<String>,
    /// The host that sent it.
    pub host: Uuid,
    /// In which of its epochs.
    pub epoch: i64,
    /// When it was written.
    pub opened_at: i64,
    /// When its outcome was.
    pub closed_at: Option<i64>,
    /// Its wait was cancelled while it was on its way.
    pub cancelled: bool,
}

/// An attempt about to be sent.
#[derive(Clone, Debug)]
pub struct LedgerOpen {
    /// Empty for none.
    pub tenant: String,
    /// The command's name.
    pub command: String,
    /// The idempotency key.
    pub key: String,
    /// The generation asked for: that of the last row seen to send the same request again, one more for another, 1 for the first.
    pub generation: i64,
    /// Digest that names the activity's entry.
    pub activity_key: String,
    /// Digest of the request.
    pub request_digest: String,
    /// The request without what must not be stored, as JSON.
    pub request: String,
    /// The instance that sends it.
    pub instance: Uuid,
    /// The wait its unit resumes.
    pub origin: Origin,
    /// BPMN id of the activity.
    pub activity_id: String,
    /// The instance's definition.
    pub definition_id: String,
    /// Now.
    pub at: i64,
}

/// Whether an attempt may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LedgerOpened {
    /// It is in the ledger, durably.
    Opened {
        /// Its number.
        attempt: i64,
    },
    /// The last attempt under the key does not allow it: decide again on this row.
    Exists(Box<LedgerRow>),
    /// The wait is gone, or another host has its job.
    Gone,
    /// This host may not write any more.
    Fenced,
}

/// What came of an attempt.
#[derive(Clone, Debug)]
pub struct LedgerClose {
    /// Empty for none.
    pub tenant: String,
    /// The command's name.
    pub command: String,
    /// The idempotency key.
    pub key: String,
    /// The attempt.
    pub attempt: i64,
    /// Not open.
    pub state: LedgerState,
    /// The answer without what must not be stored, as JSON.
    pub reply: Option<String>,
    /// The code of a rejection.
    pub code: Option<String>,
    /// Why.
    pub message: Option<String>,
    /// Now.
    pub at: i64,
    /// Its wait was cancelled while it was on its way.
    pub cancelled: bool,
}

impl LedgerOpen {
    fn check(&self) -> Result<(), String> {
        check_key("tenant", &self.tenant)?;
        check_key("command name", &self.command)?;
        check_key("idempotency key", &self.key)?;
        check_key("activity key", &self.activity_key)?;
        check_key("request digest", &self.request_digest)?;
        check_key("activity id", &self.activity_id)?;
        check_key("definition id", &self.definition_id)?;
        check_text("request", Some(&self.request))
    }

    pub(crate) fn name(&self) -> Name {
        (self.tenant.clone(), self.command.clone(), self.key.clone())
    }
}

impl LedgerClose {
    fn check(&self) -> Result<(), String> {
        if self.state == LedgerState::Open {
            return Err("an attempt is not closed as open".to_owned());
        }
        check_key("rejection code", self.code.as_deref().unwrap_or_default())?;
        check_text("message", self.message.as_deref())?;
        check_text("reply", self.reply.as_deref())
    }

    pub(crate) fn name(&self) -> Name {
        (self.tenant.clone(), self.command.clone(), self.key.clone())
    }
}

impl Store {
    /// Writes an attempt before it is sent: if the wait it is sent for still exists and is not another host's, if this host may write, and
    /// if the last attempt under the key allows another one. See the table of [`LedgerOpen::generation`]'s rules in `may_open`.
    pub async fn ledger_open(&self, open: LedgerOpen) -> Result<LedgerOpened, Error> {
        open.check().map_err(Error::Refused)?;
        let (answer, wait) = oneshot::channel();
        self.inner().committer.send(Request::Open(open, answer)).await.map_err(|_| Error::Closed)?;
        wait.await.map_err(|_| Error::Closed)?
    }

    /// Writes what came of an attempt. Writing the state that it has already changes nothing.
    pub async fn ledger_close(&self, close: LedgerClose) -> Result<(), Error> {
        close.check().map_err(Error::Refused)?;
        let (answer, wait) = oneshot::channel();
        self.inner().committer.send(Request::Close(close, answer)).await.map_err(|_| Error::Closed)?;
        wait.await.map_err(|_| Error::Closed)?
    }
}

const COLUMNS: &str = "l.tenant, l.command, l.key, l.attempt, l.generation, l.instance_id, l.origin_kind, l.origin_wait, l.activity_key, \
                       l.activity_id, l.definition_id, l.request_digest, l.request, l.state, l.reply, l.code, l.message, l.host, l.epoch, \
                       l.opened_at, l.closed_at, l.cancelled";

fn ledger_row(row: &Row) -> Result<LedgerRow, Error> {
    let mut columns = row.columns();
    let origin = |columns: &mut Columns<'_>| {
        let kind: String = columns.next()?;
        Origin::from_parts(&kind, columns.next()?)
    };
    let state = |columns: &mut Columns<'_>| columns.next::<String>()?.parse();
    Ok(LedgerRow {
        tenant: columns.next()?,
        command: columns.next()?,
        key: columns.next()?,
        attempt: columns.next()?,
        generation: columns.next()?,
        instance: columns.next()?,
        origin: origin(&mut columns)?,
        activity_key: columns.next()?,
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
    })
}

impl Reads {
    /// The last attempt under a key; the empty tenant is none.
    pub async fn ledger_latest(&self, tenant: &str, command: &str, key: &str) -> Result<Option<LedgerRow>, Error> {
        let sql =
            format!("SELECT {COLUMNS} FROM ledger l WHERE l.tenant = $1 AND l.command = $2 AND l.key = $3 ORDER BY l.attempt DESC LIMIT 1");
        let rows = self.pool.fetch(&sql, params![tenant, command, key]).await?;
        rows.first().map(ledger_row).transpose()
    }

    /// An instance's attempts, in the order in which they were written. They outlive the instance.
    pub async fn ledger_of_instance(&self, instance: Uuid, page: Page) -> Result<Vec<LedgerRow>, Error> {
        let sql = format!(
            "SELECT {COLUMNS} FROM ledger l WHERE l.instance_id = $1 \
             ORDER BY l.opened_at, {{text:l.command}}, {{text:l.key}}, l.attempt LIMIT $2 OFFSET $3"
        );
        let rows = self.pool.fetch(&sql, params![instance, i64::from(page.max), i64::from(page.first)]).await?;
        rows.iter().map(ledger_row).collect()
    }

    /// Whether the host that opened an attempt lives, in that epoch. If so the attempt is in flight, and waited for.
    pub async fn ledger_holder_alive(&self, host: Uuid, epoch: i64) -> Result<bool, Error> {
        let sql = "SELECT COUNT(*) FROM host WHERE id = $1 AND epoch = $2 AND ended_at IS NULL AND lease_until > {now}";
        let rows = self.pool.fetch(sql, params![host, epoch]).await?;
        let count: i64 = rows.first().map_or(Ok(0), |row| row.get(0))?;
        Ok(count > 0)
    }
}

/// (tenant, command, key).
pub(crate) type Name = (String, String, String);

static WAITS: Batch = Batch::new(
    "SELECT v.item FROM {rows} WHERE CASE v.kind \
     WHEN 'job' THEN EXISTS (SELECT 1 FROM job j WHERE j.instance_id = v.instance_id AND j.wait = v.wait \
       AND (j.locked_by IS NULL OR (j.locked_by = v.host AND j.locked_epoch = v.epoch))) \
     WHEN 'task' THEN EXISTS (SELECT 1 FROM task t WHERE t.instance_id = v.instance_id AND t.wait = v.wait) \
     ELSE EXISTS (SELECT 1 FROM subscription s WHERE s.instance_id = v.instance_id AND s.wait = v.wait) END",
    &[
        ("item", Type::I64),
        ("kind", Type::Text),
        ("instance_id", Type::Uuid),
        ("wait", Type::I64),
        ("host", Type::Uuid),
        ("epoch", Type::I64),
    ],
);

static LATEST: Batch = Batch::new(
    "SELECT l.tenant, l.command, l.key, l.attempt, l.generation, l.instance_id, l.origin_kind, l.origin_wait, l.activity_key, \
     l.activity_id, l.definition_id, l.request_digest, l.request, l.state, l.reply, l.code, l.message, l.host, l.epoch, l.opened_at, \
     l.closed_at, l.cancelled FROM {rows} JOIN ledger l ON l.tenant = v.tenant AND l.command = v.command AND l.key = v.key \
     WHERE l.attempt = (SELECT MAX(m.attempt) FROM ledger m WHERE m.tenant = v.tenant AND m.command = v.command AND m.key = v.key)",
    &[("tenant", Type::Text), ("command", Type::Text), ("key", Type::Text)],
);

static OPEN: Batch = Batch::new(
    "INSERT INTO ledger (tenant, command, key, attempt, generation, instance_id, origin_kind, origin_wait, activity_key, activity_id, \
     definition_id, request_digest, request, state, host, epoch, opened_at, cancelled) \
     SELECT v.tenant, v.command, v.key, v.attempt, v.generation, v.instance_id, v.origin_kind, v.origin_wait, v.activity_key, \
     v.activity_id, v.definition_id, v.request_digest, v.request, 'open', v.host, v.epoch, v.opened_at, FALSE FROM {rows} WHERE TRUE \
     ON CONFLICT DO NOTHING RETURNING tenant, command, key",
    &[
        ("tenant", Type::Text),
        ("command", Type::Text),
        ("key", Type::Text),
        ("attempt", Type::I64),
        ("generation", Type::I64),
        ("instance_id", Type::Uuid),
        ("origin_kind", Type::Text),
        ("origin_wait", Type::I64),
        ("activity_key", Type::Text),
        ("activity_id", Type::Text),
        ("definition_id", Type::Text),
        ("request_digest", Type::Text),
        ("request", Type::Text),
        ("host", Type::Uuid),
        ("epoch", Type::I64),
        ("opened_at", Type::I64),
    ],
);

static CLOSE: Batch = Batch::new(
    "UPDATE ledger SET state = v.state, reply = v.reply, code = v.code, message = v.message, closed_at = v.closed_at, \
     cancelled = v.cancelled FROM {rows} WHERE ledger.tenant = v.tenant AND ledger.command = v.command AND ledger.key = v.key \
     AND ledger.attempt = v.attempt AND (ledger.state = 'open' OR (ledger.state = 'unknown' AND v.state <> 'unknown')) \
     RETURNING ledger.tenant, ledger.command, ledger.key",
    &[
        ("tenant", Type::Text),
        ("command", Type::Text),
        ("key", Type::Text),
        ("attempt", Type::I64),
        ("state", Type::Text),
        ("reply", Type::Text),
        ("code", Type::Text),
        ("message", Type::Text),
        ("closed_at", Type::I64),
        ("cancelled", Type::Bool),
    ],
);

static STATES: Batch = Batch::new(
    "SELECT l.tenant, l.command, l.key, l.state FROM {rows} JOIN ledger l \
     ON l.tenant = v.tenant AND l.command = v.command AND l.key = v.key AND l.attempt = v.attempt",
    &[("tenant", Type::Text), ("command", Type::Text), ("key", Type::Text), ("attempt", Type::I64)],
);

/// Which attempt a request may open after the last one under its key, if any.
///
/// Applied and open ones allow none. A rejected one allows the next generation; an unavailable or unknown one allows the same request again
/// in its generation; an unavailable one also the next.
fn may_open(latest: Option<&LedgerRow>, open: &LedgerOpen) -> Option<i64> {
    let Some(last) = latest else { return Some(1) };
    let again = open.generation == last.generation && open.request_digest == last.request_digest;
    let next = open.generation == last.generation + 1;
    let allowed = match last.state {
        LedgerState::Open | LedgerState::Applied => false,
        LedgerState::Rejected => next,
        LedgerState::Unavailable => again || next,
        LedgerState::Unknown => again,
    };
    allowed.then_some(last.attempt + 1)
}

/// Writes attempts in the committer's transaction. Answers in their order.
pub(crate) async fn open_all(tx: &mut Tx, me: HostRef, opens: &[&LedgerOpen]) -> Result<Vec<LedgerOpened>, Error> {
    if opens.is_empty() {
        return Ok(Vec::new());
    }
    let waits = opens.iter().enumerate().map(|(item, open)| {
        let (kind, wait) = open.origin.parts();
        cells![i64::try_from(item).expect("a batch is small"), kind, open.instance, wait, me.id, me.epoch]
    });
    let waiting = WAITS.fetch(tx, waits.collect()).await?;
    let waiting = waiting.iter().map(|row| row.get(0)).collect::<Result<std::collections::HashSet<i64>, _>>()?;
    let latest = latest(tx, opens).await?;
    let mut answers = Vec::with_capacity(opens.len());
    let mut rows = Vec::new();
    for (item, open) in opens.iter().enumerate() {
        let last = latest.get(&open.name());
        answers.push(match may_open(last, open) {
            _ if !waiting.contains(&i64::try_from(item).expect("a batch is small")) => LedgerOpened::Gone,
            Some(attempt) => {
                rows.push(opening(open, attempt, me));
                LedgerOpened::Opened { attempt }
            }
            None => LedgerOpened::Exists(Box::new(last.expect("only an earlier attempt forbids one").clone())),
        });
    }
    // Sorted, so that two hosts that write the same keys never wait for each other in a circle.
    rows.sort_by(|a, b| format!("{:?}", &a[..3]).cmp(&format!("{:?}", &b[..3])));
    let asked = rows.len();
    let opened = OPEN.fetch(tx, rows).await?;
    if opened.len() < asked {
        let opened = opened.iter().map(name).collect::<Result<Vec<Name>, _>>()?;
        lost_races(tx, opens, &opened, &mut answers).await?;
    }
    Ok(answers)
}

fn opening(open: &LedgerOpen, attempt: i64, me: HostRef) -> Vec<Cell> {
    let (kind, wait) = open.origin.parts();
    cells![
        &open.tenant,
        &open.command,
        &open.key,
        attempt,
        open.generation,
        open.instance,
        kind,
        wait,
        &open.activity_key,
        &open.activity_id,
        &open.definition_id,
        &open.request_digest,
        &open.request,
        me.id,
        me.epoch,
        open.at
    ]
}

/// Another host wrote the same key between the look and the write: its row is the answer.
async fn lost_races(tx: &mut Tx, opens: &[&LedgerOpen], opened: &[Name], answers: &mut [LedgerOpened]) -> Result<(), Error> {
    let now = latest(tx, opens).await?;
    for (open, answer) in opens.iter().zip(answers) {
        if matches!(answer, LedgerOpened::Opened { .. }) && !opened.contains(&open.name()) {
            let row = now.get(&open.name());
            let row = row.ok_or_else(|| Error::Damaged("a ledger row that was in the way is not there".to_owned()))?;
            *answer = LedgerOpened::Exists(Box::new(row.clone()));
        }
    }
    Ok(())
}

async fn latest(tx: &mut Tx, opens: &[&LedgerOpen]) -> Result<HashMap<Name, LedgerRow>, Error> {
    let rows = LATEST.fetch(tx, opens.iter().map(|open| cells![&open.tenant, &open.command, &open.key]).collect()).await?;
    rows.iter()
        .map(|row| {
            let row = ledger_row(row)?;
            Ok(((row.tenant.clone(), row.command.clone(), row.key.clone()), row))
        })
        .collect()
}

fn name(row: &Row) -> Result<Name, Error> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

/// Writes outcomes in the committer's transaction. Answers in their order.
pub(crate) async fn close_all(tx: &mut Tx, closes: &[&LedgerClose]) -> Result<Vec<Result<(), Error>>, Error> {
    let rows = closes.iter().map(|close| {
        cells![
            &close.tenant,
            &close.command,
            &close.key,
            close.attempt,
            close.state.as_str(),
            &close.reply,
            &close.code,
            &close.message,
            close.at,
            close.cancelled
        ]
    });
    let closed = CLOSE.fetch(tx, rows.collect()).await?;
    let closed = closed.iter().map(name).collect::<Result<Vec<Name>, _>>()?;
    if closed.len() == closes.len() {
        return Ok(closes.iter().map(|_| Ok(())).collect());
    }
    let names = closes.iter().map(|close| cells![&close.tenant, &close.command, &close.key, close.attempt]);
    let states = STATES.fetch(tx, names.collect()).await?;
    let states = states.iter().map(|row| Ok((name(row)?, row.get::<String>(3)?))).collect::<Result<HashMap<_, _>, Error>>()?;
    Ok(closes.iter().map(|close| if closed.contains(&close.name()) { Ok(()) } else { refuse(close, &states) }).collect())
}

fn refuse(close: &LedgerClose, states: &HashMap<Name, String>) -> Result<(), Error> {
    let from = states.get(&close.name()).map_or("missing", String::as_str);
    if from == close.state.as_str() {
        return Ok(());
    }
    Err(Error::LedgerTransition {
        command: close.command.clone(),
        key: close.key.clone(),
        attempt: close.attempt,
        from: from.to_owned(),
        to: close.state.as_str().to_owned(),
    })
}

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[&WAITS, &LATEST, &OPEN, &CLOSE, &STATES];

#[cfg(test)]
mod tests {
    use super::*;

    fn open(generation: i64, digest: &str) -> LedgerOpen {
        LedgerOpen {
            tenant: String::new(),
            command: "c@1".into(),
            key: "k".into(),
            generation,
            activity_key: "a".into(),
            request_digest: digest.into(),
            request: "{}".into(),
            instance: Uuid::nil(),
            origin: Origin::Job(1),
            activity_id: "A".into(),
            definition_id: "p:1:x".into(),
            at: 0,
        }
    }

    fn last(state: LedgerState) -> LedgerRow {
        let LedgerOpen {
            tenant, command, key, activity_key, request_digest, request, instance, origin, activity_id, definition_id, ..
        } = open(2, "same");
        LedgerRow {
            tenant,
            command,
            key,
            attempt: 5,
            generation: 2,
            instance,
            origin,
            activity_key,
            activity_id,
            definition_id,
            request_digest,
            request,
            state,
            reply: None,
            code: None,
            message: None,
            host: Uuid::nil(),
            epoch: 1,
            opened_at: 0,
            closed_at: None,
            cancelled: false,
        }
    }

    #[test]
    fn what_the_last_attempt_allows() {
        let table = [
            (LedgerState::Open, 2, "same", None),
            (LedgerState::Open, 3, "other", None),
            (LedgerState::Applied, 2, "same", None),
            (LedgerState::Applied, 3, "other", None),
            (LedgerState::Rejected, 2, "same", None),
            (LedgerState::Rejected, 3, "same", Some(6)),
            (LedgerState::Unavailable, 2, "same", Some(6)),
            (LedgerState::Unavailable, 2, "other", None),
            (LedgerState::Unavailable, 3, "other", Some(6)),
            (LedgerState::Unavailable, 4, "other", None),
            (LedgerState::Unknown, 2, "same", Some(6)),
            (LedgerState::Unknown, 3, "other", None),
        ];
        for (state, generation, digest, allowed) in table {
            assert_eq!(may_open(Some(&last(state)), &open(generation, digest)), allowed, "{state:?} {generation} {digest}");
        }
        assert_eq!(may_open(None, &open(1, "any")), Some(1));
    }
}
