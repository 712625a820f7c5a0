//! What the committer writes to the ledger, within its transaction.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::{LedgerClose, LedgerOpen, LedgerOpened, LedgerRow, LedgerState, Name, ledger_row};
use crate::Error;
use crate::batch::{Batch, Cell, Type, cells};
use crate::config::HistoryLevel;
use crate::db::{Tx, params};
use crate::lease::HostRef;
use crate::write::operations;

/// Whether the wait of a row to be written is there for this host, in an expression.
macro_rules! is_held {
    () => {
        "CASE v.origin_kind \
         WHEN 'job' THEN EXISTS (SELECT 1 FROM job j WHERE j.instance_id = v.instance_id AND j.wait = v.origin_wait \
           AND (j.locked_by IS NULL OR (j.locked_by = v.host AND j.locked_epoch = v.epoch))) \
           OR EXISTS (SELECT 1 FROM instance i WHERE i.id = v.instance_id AND i.job_wait = v.origin_wait AND i.job_host = v.host AND i.job_epoch = v.epoch) \
         WHEN 'task' THEN EXISTS (SELECT 1 FROM task t WHERE t.instance_id = v.instance_id AND t.wait = v.origin_wait) \
         WHEN 'escalation' THEN EXISTS (SELECT 1 FROM task t WHERE t.instance_id = v.instance_id AND t.wait = v.origin_wait) \
         WHEN 'external_task' THEN EXISTS (SELECT 1 FROM external_task x WHERE x.instance_id = v.instance_id AND x.wait = v.origin_wait \
           AND x.worker_id = v.worker) \
         ELSE EXISTS (SELECT 1 FROM subscription s WHERE s.instance_id = v.instance_id AND s.wait = v.origin_wait) END"
    };
}

/// Which entries a statement has written.
macro_rules! naming {
    () => {
        " RETURNING ledger.tenant, ledger.command, ledger.key"
    };
}

static HELD: Batch = Batch::new(
    concat!("SELECT 1 FROM {rows} WHERE ", is_held!()),
    &[
        ("origin_kind", Type::Text),
        ("instance_id", Type::Uuid),
        ("origin_wait", Type::I64),
        ("host", Type::Uuid),
        ("epoch", Type::I64),
        ("worker", Type::Text),
    ],
);

static LATEST: Batch = Batch::new(
    "SELECT l.tenant, l.command, l.key, l.attempt, l.generation, l.instance_id, l.origin_kind, l.origin_wait, l.origin_report, l.entry_key, \
     l.activity_id, l.definition_id, l.request_digest, l.request, l.state, l.reply, l.code, l.message, l.host, l.epoch, l.opened_at, \
     l.closed_at, l.cancelled, l.verdict_by, l.verdict_reason, l.verdict_at FROM {rows} JOIN ledger l ON l.tenant = v.tenant AND l.command = v.command AND l.key = v.key \
     WHERE l.attempt = (SELECT MAX(m.attempt) FROM ledger m WHERE m.tenant = v.tenant AND m.command = v.command AND m.key = v.key)",
    &[("tenant", Type::Text), ("command", Type::Text), ("key", Type::Text)],
);

macro_rules! open {
    () => {
        concat!(
            "INSERT INTO ledger (tenant, command, key, attempt, generation, instance_id, origin_kind, origin_wait, origin_report, entry_key, \
     activity_id, definition_id, request_digest, request, state, host, epoch, opened_at, cancelled) \
     SELECT v.tenant, v.command, v.key, v.attempt, v.generation, v.instance_id, v.origin_kind, v.origin_wait, v.origin_report, v.entry_key, \
     v.activity_id, v.definition_id, v.request_digest, v.request, 'open', v.host, v.epoch, COALESCE(v.opened_at, {now}), FALSE FROM {rows} WHERE ",
            is_held!(),
            " ON CONFLICT DO NOTHING"
        )
    };
}

const OPENED: &[(&str, Type)] = &[
    ("tenant", Type::Text),
    ("command", Type::Text),
    ("key", Type::Text),
    ("attempt", Type::I64),
    ("generation", Type::I64),
    ("instance_id", Type::Uuid),
    ("origin_kind", Type::Text),
    ("origin_wait", Type::I64),
    ("origin_report", Type::I64),
    ("entry_key", Type::Text),
    ("activity_id", Type::Text),
    ("definition_id", Type::Text),
    ("request_digest", Type::Text),
    ("request", Type::Text),
    ("host", Type::Uuid),
    ("epoch", Type::I64),
    ("opened_at", Type::I64),
    ("worker", Type::Text),
];

/// A row that is returned costs as much as one that is written: how many there are is answer enough, as a rule.
static OPEN: Batch = Batch::new(open!(), OPENED);

/// The same where it is not: says which.
static OPEN_NAMING: Batch = Batch::new(concat!(open!(), naming!()), OPENED);

/// Whether the wait that a row's unit of work resumed is still there, in an expression.
macro_rules! waits {
    () => {
        "CASE ledger.origin_kind \
         WHEN 'job' THEN EXISTS (SELECT 1 FROM job j WHERE j.instance_id = ledger.instance_id AND j.wait = ledger.origin_wait) \
           OR EXISTS (SELECT 1 FROM instance i WHERE i.id = ledger.instance_id AND i.job_wait = ledger.origin_wait) \
         WHEN 'task' THEN EXISTS (SELECT 1 FROM task t WHERE t.instance_id = ledger.instance_id AND t.wait = ledger.origin_wait) \
         WHEN 'escalation' THEN EXISTS (SELECT 1 FROM task t WHERE t.instance_id = ledger.instance_id AND t.wait = ledger.origin_wait) \
         WHEN 'external_task' THEN EXISTS (SELECT 1 FROM external_task x WHERE x.instance_id = ledger.instance_id AND x.wait = ledger.origin_wait) \
         ELSE EXISTS (SELECT 1 FROM subscription s WHERE s.instance_id = ledger.instance_id AND s.wait = ledger.origin_wait) END"
    };
}

/// How long before the last attempt of a host another one may have begun that is open still. Five minutes are a command's at most, and its
/// host opens nothing while it knows of one that has been open for ten, whether somebody waits for it or not
/// (`host/runtime/src/ledger/flight.rs`); five are for what may lie between that look and the row. Its host counts by a clock that nobody
/// sets, the rows by the database's: what is open while that is set forward by more may stay open, until a unit that comes to it or a
/// person asks. All that a host began in this time is looked at, when it goes or is taken over: at a thousand commands a second that is
/// nearly a million rows.
const OPEN_FOR_MS: i64 = 15 * 60 * 1_000;

const CLOSE_LEFT_OPEN: &str = concat!(
    "UPDATE ledger SET state = 'unknown', closed_at = {now}, message = 'the host that sent it died before the answer was recorded', cancelled = NOT ",
    waits!(),
    " WHERE host = $1 AND state = 'open' AND opened_at >= (SELECT MAX(l.opened_at) FROM ledger l WHERE l.host = $1) - $2"
);

// A verdict needs an outcome that is unknown, of the last attempt, and leaves what is known about it as it is: its message says why it is
// unknown, and its moment since when.
macro_rules! close {
    () => {
        concat!(
            "UPDATE ledger SET state = v.state, reply = v.reply, code = v.code, \
     message = CASE WHEN v.verdict_by IS NULL THEN v.message ELSE ledger.message END, \
     closed_at = CASE WHEN v.verdict_by IS NULL THEN v.closed_at ELSE ledger.closed_at END, \
     verdict_by = v.verdict_by, verdict_reason = v.verdict_reason, verdict_at = v.verdict_at, \
     cancelled = ledger.cancelled OR NOT ",
            waits!(),
            " FROM {rows} WHERE ledger.tenant = v.tenant AND ledger.command = v.command AND ledger.key = v.key AND ledger.attempt = v.attempt \
     AND ((ledger.state = 'open' AND v.verdict_by IS NULL) OR (ledger.state = 'unknown' AND v.state <> 'unknown')) \
     AND (v.verdict_by IS NULL OR NOT EXISTS (SELECT 1 FROM ledger n WHERE n.tenant = v.tenant AND n.command = v.command \
       AND n.key = v.key AND n.attempt > v.attempt))"
        )
    };
}

const CLOSED: &[(&str, Type)] = &[
    ("tenant", Type::Text),
    ("command", Type::Text),
    ("key", Type::Text),
    ("attempt", Type::I64),
    ("state", Type::Text),
    ("reply", Type::Text),
    ("code", Type::Text),
    ("message", Type::Text),
    ("closed_at", Type::I64),
    ("verdict_by", Type::Text),
    ("verdict_reason", Type::Text),
    ("verdict_at", Type::I64),
];

static CLOSE: Batch = Batch::new(close!(), CLOSED);

/// The same, and says which are closed.
static CLOSE_NAMING: Batch = Batch::new(concat!(close!(), naming!()), CLOSED);

const STATE: &str = "SELECT state, verdict_by IS NOT NULL FROM ledger WHERE tenant = $1 AND command = $2 AND key = $3 AND attempt = $4";

/// Which attempt a request may open after the last one under its key, if any.
///
/// None does for whoever takes its own to be the first. Applied and open ones allow none. A rejected one allows the next generation; an
/// unavailable or unknown one allows the same request again in its generation; an unavailable one also the next.
fn may_open(latest: Option<&LedgerRow>, open: &LedgerOpen) -> Option<i64> {
    let Some(last) = latest else { return Some(1) };
    if open.first {
        return None;
    }
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

/// How entries of one transaction are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Write {
    /// It is counted how many were written. Where some of several were not nobody knows which, and the transaction is to be given up for
    /// one that names them.
    Counting,
    /// Those that were written are named, which costs as much again. Of every other one it is asked why.
    Naming,
}

/// Writes rows: all of them, or those whose names are answered; none of both if it was only counted and they are too few.
async fn write(tx: &mut Tx, how: Write, counting: &Batch, naming: &Batch, rows: Vec<Vec<Cell>>) -> Result<Option<Written>, Error> {
    let asked = rows.len();
    // Of one it is known which it is.
    if how == Write::Counting || asked <= 1 {
        return Ok(match counting.execute(tx, rows).await? {
            written if written == asked as u64 => Some(Written::All),
            0 if asked == 1 => Some(Written::These(HashSet::new())),
            _ => None,
        });
    }
    let written = naming.fetch(tx, rows).await?;
    let names = written.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
    Ok(Some(Written::These(names.collect::<Result<_, Error>>()?)))
}

enum Written {
    All,
    These(HashSet<Name>),
}

impl Written {
    fn has(&self, name: &Name) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.contains(name),
        }
    }
}

/// Writes attempts in the committer's transaction. Answers in their order; none if some of several were not written and it is not known
/// which.
pub(crate) async fn open_all(tx: &mut Tx, me: HostRef, how: Write, opens: &[&LedgerOpen]) -> Result<Option<Vec<LedgerOpened>>, Error> {
    // Of its first attempt a delegate's call takes it that there is none before, and the write says if there is.
    let latest = latest(tx, opens.iter().filter(|open| !open.first)).await?;
    let mut answers = Vec::with_capacity(opens.len());
    let mut opening = Vec::new();
    for open in opens {
        let last = latest.get(&open.name());
        answers.push(match may_open(last, open) {
            Some(attempt) => {
                opening.push((*open, attempt));
                LedgerOpened::Opened { attempt }
            }
            None if is_held(tx, me, open).await? => {
                LedgerOpened::Exists(Box::new(last.expect("only an earlier attempt forbids one").clone()))
            }
            None => LedgerOpened::Gone,
        });
    }
    // Sorted, so that two hosts that write the same keys never wait for each other in a circle.
    opening.sort_by(|(a, _), (b, _)| (&a.tenant, &a.command, &a.key).cmp(&(&b.tenant, &b.command, &b.key)));
    let rows = opening.iter().map(|(open, attempt)| opened_row(open, *attempt, me)).collect();
    let Some(written) = write(tx, how, &OPEN, &OPEN_NAMING, rows).await? else { return Ok(None) };
    for (open, _) in opening.into_iter().filter(|(open, _)| !written.has(&open.name())) {
        let at = opens.iter().position(|it| std::ptr::eq(*it, open)).expect("it is one of them");
        answers[at] = not_opened(tx, me, open).await?;
    }
    Ok(Some(answers))
}

/// Why an attempt was not written: its wait is gone or another host's, or somebody has written the same key since it was looked at.
async fn not_opened(tx: &mut Tx, me: HostRef, open: &LedgerOpen) -> Result<LedgerOpened, Error> {
    let latest = latest(tx, [open].iter()).await?.remove(&open.name());
    Ok(match latest {
        Some(last) if is_held(tx, me, open).await? => LedgerOpened::Exists(Box::new(last)),
        _ => LedgerOpened::Gone,
    })
}

async fn is_held(tx: &mut Tx, me: HostRef, open: &LedgerOpen) -> Result<bool, Error> {
    let (kind, wait, _) = open.origin.parts();
    Ok(!HELD.fetch(tx, vec![cells![kind, open.instance, wait, me.id, me.epoch, &open.worker]]).await?.is_empty())
}

fn opened_row(open: &LedgerOpen, attempt: i64, me: HostRef) -> Vec<Cell> {
    let (kind, wait, report) = open.origin.parts();
    cells![
        &open.tenant,
        &open.command,
        &open.key,
        attempt,
        open.generation,
        open.instance,
        kind,
        wait,
        report,
        &open.entry_key,
        &open.activity_id,
        &open.definition_id,
        &open.request_digest,
        &open.request,
        me.id,
        me.epoch,
        open.at,
        &open.worker
    ]
}

async fn latest<'a>(tx: &mut Tx, opens: impl Iterator<Item = &'a &'a LedgerOpen>) -> Result<HashMap<Name, LedgerRow>, Error> {
    let rows = LATEST.fetch(tx, opens.map(|open| cells![&open.tenant, &open.command, &open.key]).collect()).await?;
    rows.iter()
        .map(|row| {
            let row = ledger_row(row)?;
            Ok(((row.tenant.clone(), row.command.clone(), row.key.clone()), row))
        })
        .collect()
}

/// Writes outcomes in the committer's transaction. Answers in their order; none if some of several were not written and it is not known
/// which.
pub(crate) async fn close_all(
    tx: &mut Tx,
    level: HistoryLevel,
    how: Write,
    closes: &[&LedgerClose],
) -> Result<Option<Vec<Result<(), Error>>>, Error> {
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
            close.verdict.as_ref().map(|verdict| verdict.by.clone()),
            close.verdict.as_ref().map(|verdict| verdict.reason.clone()),
            close.verdict.as_ref().map(|verdict| verdict.at)
        ]
    });
    let Some(written) = write(tx, how, &CLOSE, &CLOSE_NAMING, rows.collect()).await? else { return Ok(None) };
    let mut answers = Vec::with_capacity(closes.len());
    for close in closes {
        answers.push(if written.has(&close.name()) {
            operations::write(tx, level, &close.operations).await?;
            Ok(())
        } else {
            not_closed(tx, close).await?
        });
    }
    Ok(Some(answers))
}

/// What it means that an outcome was not written. A state that is written twice is written once, but for a verdict: who said it, and with
/// which reply, is not the same twice.
async fn not_closed(tx: &mut Tx, close: &LedgerClose) -> Result<Result<(), Error>, Error> {
    let name = params![close.tenant.as_str(), close.command.as_str(), close.key.as_str(), close.attempt];
    let (from, by_verdict) = match tx.fetch(STATE, name).await?.first() {
        Some(row) => (row.get(0)?, row.get(1)?),
        None => ("missing".to_owned(), false),
    };
    if from == close.state.as_str() && !by_verdict && close.verdict.is_none() {
        return Ok(Ok(()));
    }
    Ok(Err(Error::LedgerTransition {
        command: close.command.clone(),
        key: close.key.clone(),
        attempt: close.attempt,
        from,
        to: close.state.as_str().to_owned(),
    }))
}

/// What a host that is gone had under way is unknown, and *cancelled* where its wait has ended, so that nobody will run that unit again and
/// ask what became of it.
pub(crate) async fn close_left_open(tx: &mut Tx, host: Uuid) -> Result<u64, Error> {
    tx.execute(CLOSE_LEFT_OPEN, params![host, OPEN_FOR_MS]).await
}

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[&HELD, &LATEST, &OPEN, &OPEN_NAMING, &CLOSE, &CLOSE_NAMING];

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::Origin;
    use super::*;

    fn open(generation: i64, digest: &str) -> LedgerOpen {
        LedgerOpen {
            tenant: String::new(),
            command: "c@1".into(),
            key: "k".into(),
            generation,
            entry_key: "a".into(),
            request_digest: digest.into(),
            request: "{}".into(),
            instance: Uuid::nil(),
            origin: Origin::Job(1),
            worker: None,
            activity_id: "A".into(),
            definition_id: "p:1:x".into(),
            at: Some(0),
            first: false,
        }
    }

    fn last(state: LedgerState) -> LedgerRow {
        let LedgerOpen { tenant, command, key, entry_key, request_digest, request, instance, origin, activity_id, definition_id, .. } =
            open(2, "same");
        LedgerRow {
            tenant,
            command,
            key,
            attempt: 5,
            generation: 2,
            instance,
            origin,
            entry_key,
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
            verdict: None,
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
