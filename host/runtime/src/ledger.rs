//! The protocol around one domain command: what is looked up, written and sent, in which order.
//!
//! Before an attempt is sent it is in the ledger, durably. After a crash, or when a unit of work runs again, the ledger
//! answers instead of the service. What may be answered and what must be asked again is decided in [`decide`], a pure function.
//!
//! | last attempt under the key | same request | another request |
//! |---|---|---|
//! | none | send | |
//! | applied | answer from the ledger | incident: key conflict |
//! | rejected, same activity instance | answer from the ledger | send, next generation |
//! | rejected, another activity instance | send, next generation | send, next generation |
//! | unavailable | send again | send, next generation |
//! | open, holder alive | wait for it | wait for it |
//! | open, holder dead; unknown | reconcile, or resend where the service honours the key, or incident | incident: key conflict |
//!
//! One attempt, from its place at the target to the end of its row: `ledger/sending.rs`. Where nothing but a person can find out what
//! became of it, a person says it: `ledger/verdict.rs`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mandate_commands::{Command, Outcome, Prepared, Reconciled, Request, Undo};
use mandate_engine::{Code, Failure, Retry};
use mandate_store::{Fault, LedgerClose, LedgerRow, LedgerState, Origin};
use tokio_util::sync::CancellationToken;

use crate::error::{SHUTTING_DOWN, TAKEN_OVER};
use crate::{Inner, text};

mod closings;
mod flight;
mod sending;
pub(crate) mod verdict;

pub(crate) use closings::Closings;
pub(crate) use flight::{Flights, STUCK};
use sending::Sending;

/// How long an attempt that is in flight elsewhere is left alone between two looks at it.
const IN_FLIGHT_POLL: Duration = Duration::from_millis(50);

/// Pause before an outcome that could not be recorded is written again. Everybody else waits for it as long as this host lives.
const RECORD_PAUSE: Duration = Duration::from_millis(500);

/// Why a host sends nothing while its database is not well.
const AWAY: &str = "its database does not say at the moment what was sent, nor writes it down";

/// Why a host does not send what would leave it too late.
const LATE: &str = "a command was ready to leave too late for this host to be sure of its lease";

/// How often the database may refuse to record an outcome, for a reason that is neither its own state nor the texts, before that is left to
/// whoever looks after attempts that are open.
const MAX_REFUSALS: u32 = 3;

/// What a conflict shows of each request; the ledger has the whole of the first.
const MAX_SHOWN_BYTES: usize = 4 * 1024;

/// One command as a delegate issues it, with everything that names it.
#[derive(Clone, Debug)]
pub(crate) struct Issue {
    pub(crate) tenant: Option<String>,
    pub(crate) delegate: String,
    pub(crate) command: String,
    pub(crate) key: String,
    pub(crate) entry_key: String,
    pub(crate) body: serde_json::Value,
    pub(crate) instance: uuid::Uuid,
    pub(crate) origin: Origin,
    pub(crate) worker: Option<String>,
    pub(crate) activity_id: String,
    pub(crate) definition_id: String,
    pub(crate) traceparent: Option<String>,
    /// Commands of this call may have been sent before: the ledger is asked before there is a place at the target to wait for. Shared by
    /// the call.
    pub(crate) sent_before: Arc<AtomicBool>,
    /// What commands of the same unit have come to.
    pub(crate) closings: Closings,
}

impl Issue {
    /// The request of one attempt, under the key as the service is to see it.
    fn request<'a>(&'a self, key: &'a str) -> Request<'a> {
        Request { key, tenant: self.tenant.as_deref(), traceparent: self.traceparent.as_deref(), body: &self.body }
    }
}

/// How a command ended for the delegate.
#[derive(Clone, Debug)]
pub(crate) enum Issued {
    Applied {
        reply: String,
    },
    Rejected {
        code: String,
        message: String,
        reply: String,
    },
    Unavailable {
        reason: String,
        retry_after: Option<Duration>,
    },
    /// The unit must not go on: the failure says why and when to come back.
    Stop(Failure),
    /// The guest or the wait that this unit resumes is gone: nothing was sent.
    Withdrawn,
    /// This host may send nothing, and why: nothing was sent.
    NotActing(&'static str),
}

/// What the last attempt under a key means for this request.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    Send { generation: i64 },
    Answer,
    AwaitHolder,
    Reconcile,
    Conflict,
}

fn decide(latest: Option<&LedgerRow>, request_digest: &str, entry_key: &str, holder_alive: bool) -> Decision {
    let Some(row) = latest else {
        return Decision::Send { generation: 1 };
    };
    let same_request = row.request_digest == request_digest;
    match row.state {
        LedgerState::Applied if same_request => Decision::Answer,
        LedgerState::Applied => Decision::Conflict,
        LedgerState::Rejected if same_request && row.entry_key == entry_key => Decision::Answer,
        LedgerState::Rejected => Decision::Send { generation: row.generation + 1 },
        LedgerState::Unavailable if same_request => Decision::Send { generation: row.generation },
        LedgerState::Unavailable => Decision::Send { generation: row.generation + 1 },
        LedgerState::Open if holder_alive => Decision::AwaitHolder,
        LedgerState::Open | LedgerState::Unknown if same_request => Decision::Reconcile,
        LedgerState::Open | LedgerState::Unknown => Decision::Conflict,
    }
}

impl Inner {
    /// Carries a command through to an outcome. `gone` fires when the guest is stopped, also because the wait was cancelled in this
    /// process: then nothing is waited for and nothing is sent any more. A command that is already leaving is awaited and recorded all the
    /// same, and the store notes where its wait is gone.
    pub(crate) async fn issue(self: &Arc<Self>, issue: &Issue, gone: &CancellationToken) -> Issued {
        let command = match self.catalogue.grant(&issue.command, issue.tenant.as_deref(), &issue.delegate) {
            Ok(command) => command,
            Err(refusal) => return Issued::Stop(Failure::of_unit(Code::CommandRefused, refusal.to_string(), Retry::Never)),
        };
        let request = issue.request(&issue.key);
        let prepared = match command.prepare(&request) {
            Ok(prepared) => prepared,
            Err(refusal) => return Issued::Stop(Failure::of_unit(Code::CommandRefused, refusal.to_string(), Retry::Never)),
        };
        let request_digest = request.digest(command);
        match self.issue_granted(issue, command, &request_digest, prepared, gone).await {
            Ok(issued) => issued,
            // The ledger does not take the request as it is, and will not the next time.
            Err(mandate_store::Error::Refused(reason)) => Issued::Stop(Failure::of_unit(Code::CommandRefused, reason, Retry::Never)),
            // Only this host's trouble, or its database's: as where the unit itself could not be stored.
            Err(mandate_store::Error::Fenced) => Issued::NotActing(TAKEN_OVER),
            Err(mandate_store::Error::Closed) => Issued::NotActing(SHUTTING_DOWN),
            Err(error) if error.is_of_database() => {
                tracing::warn!(command = %issue.command, "the ledger cannot be read or written at the moment: {error}");
                Issued::NotActing(AWAY)
            }
            Err(error) => Issued::Stop(Failure::of_unit(
                Code::CommandUnavailable,
                format!("the ledger could not be read or written: {error}"),
                Retry::ByPolicy,
            )),
        }
    }

    async fn issue_granted(
        self: &Arc<Self>,
        issue: &Issue,
        command: &Command,
        request_digest: &str,
        prepared: Prepared,
        gone: &CancellationToken,
    ) -> Result<Issued, mandate_store::Error> {
        // Under the key as it is, and for one attempt. Further ones are rare, and may go out under another key.
        let mut prepared = Some(prepared);
        let tenant = issue.tenant.clone().unwrap_or_default();
        // A first run has sent nothing as a rule, and if it has the ledger says so when the attempt is opened: it need not be asked before.
        let mut latest = None;
        if issue.sent_before.load(Ordering::Relaxed) {
            latest = self.store.ledger_latest(&tenant, &issue.command, &issue.key).await?;
        }
        loop {
            if gone.is_cancelled() {
                return Ok(Issued::Withdrawn);
            }
            let holder_alive = match &latest {
                Some(row) if row.state == LedgerState::Open => self.is_in_flight(row).await?,
                _ => false,
            };
            match (decide(latest.as_ref(), request_digest, &issue.entry_key, holder_alive), latest) {
                (Decision::Send { generation }, latest) => {
                    let after = latest.map_or(0, |row| row.attempt);
                    let sending = Sending { inner: self, issue, command, request_digest, generation, after };
                    let prepared = prepared.take_if(|_| generation == 1);
                    if let Some(issued) = sending.send(prepared, gone).await? {
                        return Ok(issued);
                    }
                    issue.sent_before.store(true, Ordering::Relaxed);
                }
                (Decision::AwaitHolder, _) => tokio::time::sleep(IN_FLIGHT_POLL).await,
                (Decision::Answer, Some(row)) => return Ok(answer(&row)),
                (Decision::Conflict, Some(row)) => return Ok(Issued::Stop(conflict(issue, command, &row))),
                (Decision::Reconcile, Some(row)) => {
                    if let Some(issued) = self.reconcile(issue, command, row, gone).await? {
                        return Ok(issued);
                    }
                }
                (_, None) => unreachable!("only sending needs no earlier attempt"),
            }
            // Also under this very key.
            if let Err(failure) = issue.closings.settle(self).await {
                return Ok(Issued::Stop(failure));
            }
            latest = self.store.ledger_latest(&tenant, &issue.command, &issue.key).await?;
        }
    }

    /// Whether an open attempt is still being sent by a host that lives, this one included.
    async fn is_in_flight(&self, row: &LedgerRow) -> Result<bool, mandate_store::Error> {
        let me = self.store.host();
        if row.host == me.id && row.epoch == me.epoch {
            return Ok(self.in_flight.has(row));
        }
        self.store.ledger_holder_alive(row.host, row.epoch).await
    }

    /// Writes what came of an attempt, and does not give up while this host may write: until it is written, hosts that come to the same key
    /// wait for it. Answers what was written; none if the row had gone on without this outcome.
    async fn record(&self, close: LedgerClose) -> Result<Option<LedgerClose>, mandate_store::Error> {
        use mandate_store::Error;
        let mut refusals = 0;
        loop {
            let error = match Box::pin(self.write_outcome(close.clone())).await {
                Ok(written) => return Ok(Some(written)),
                Err(Error::LedgerTransition { from, .. }) => {
                    if close.state != LedgerState::Unknown {
                        // What was recorded first stands; whoever said it, as in a verdict, may want to know.
                        tracing::error!(
                            command = %close.command, key = %close.key, attempt = close.attempt, recorded = %from,
                            "an attempt turned out to be {} after it was recorded otherwise", close.state.as_str()
                        );
                    }
                    return Ok(None);
                }
                Err(error @ (Error::Fenced | Error::Closed)) => return Err(error),
                Err(error) => error,
            };
            // Where the database is at fault, the same write may succeed as soon as it is well, and changes nothing if it has.
            refusals += u32::from(!error.is_of_database());
            if refusals >= MAX_REFUSALS {
                return Err(error);
            }
            tracing::warn!(command = %close.command, attempt = close.attempt, "an outcome is not recorded yet: {error}");
            tokio::time::sleep(RECORD_PAUSE).await;
        }
    }

    /// Writes what came of an attempt, without its texts if these are why it is refused. Answers what was written.
    async fn write_outcome(&self, close: LedgerClose) -> Result<LedgerClose, mandate_store::Error> {
        match self.store.ledger_close(close.clone()).await {
            // That it was applied matters more than what the service said about it.
            Err(error) if error.fault() == Fault::Value => {
                tracing::warn!(command = %close.command, attempt = close.attempt, "an outcome is recorded without its reply: {error}");
            }
            written => return written.map(|()| close),
        }
        let close = without_reply(close);
        self.store.ledger_close(close.clone()).await.map(|()| close)
    }

    /// Finds out what became of an attempt that nobody heard back from. None means the row was brought up to date: look again.
    async fn reconcile(
        self: &Arc<Self>,
        issue: &Issue,
        command: &Command,
        row: LedgerRow,
        gone: &CancellationToken,
    ) -> Result<Option<Issued>, mandate_store::Error> {
        if row.state == LedgerState::Open {
            if !self.record_known(&row).await? {
                self.record(abandoned(&row)).await?;
            }
            return Ok(None);
        }
        let now = self.store.now().await?;
        let arrived_by = command.last_arrival(self.departed_by(&row));
        if command.reconcilable() {
            let key = wire_key(&row.key, row.generation);
            // Which waits for a place at the target.
            let reconciled = tokio::select! {
                biased;
                () = gone.cancelled() => return Ok(Some(Issued::Withdrawn)),
                reconciled = self.sender.reconcile(command, issue.request(&key)) => reconciled,
            };
            let outcome = match reconciled {
                Reconciled::Applied { reply } => Outcome::Applied { reply },
                Reconciled::Rejected { code, message, reply } => Outcome::Rejected { code, message, reply },
                // "Not applied" counts only once the attempt can no longer arrive.
                Reconciled::NotApplied if now < arrived_by => {
                    let wait = Retry::AfterMs(u64::try_from(arrived_by - now).unwrap_or(0) + 1);
                    return Ok(Some(Issued::Stop(unknown_to(issue, command, row.attempt, "it may still arrive", wait))));
                }
                Reconciled::NotApplied => Outcome::Unavailable { reason: "reconciled: it was not applied".into(), retry_after: None },
                Reconciled::Unknown { reason } => {
                    return Ok(Some(Issued::Stop(unknown_to(issue, command, row.attempt, &reason, Retry::ByPolicy))));
                }
            };
            self.record(close(issue, command, row.attempt, &outcome)).await?;
            return Ok(None);
        }
        if command.honours_key {
            let LedgerRow { request_digest, generation, attempt: after, .. } = &row;
            return Sending { inner: self, issue, command, request_digest, generation: *generation, after: *after }.send(None, gone).await;
        }
        let reason = "the catalogue has no query to reconcile it and the service does not honour the key";
        Ok(Some(Issued::Stop(unknown_to(issue, command, row.attempt, reason, Retry::Never))))
    }

    /// The last moment at which an attempt can have left its host.
    fn departed_by(&self, row: &LedgerRow) -> i64 {
        row.opened_at.saturating_add(i64::try_from(self.departure.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The key as the service sees it: verbatim, and with its generation once the request under it was corrected.
fn wire_key(key: &str, generation: i64) -> String {
    if generation <= 1 { key.to_owned() } else { format!("{key}.g{generation}") }
}

fn answer(row: &LedgerRow) -> Issued {
    let reply = row.reply.clone().unwrap_or_else(|| "null".to_owned());
    match row.state {
        LedgerState::Rejected => {
            Issued::Rejected { code: row.code.clone().unwrap_or_default(), message: row.message.clone().unwrap_or_default(), reply }
        }
        _ => Issued::Applied { reply },
    }
}

/// What the delegate is told: what the ledger keeps, so that a delegate that runs again is told the same.
fn told(issue: &Issue, command: &Command, closed: LedgerClose, retry_after: Option<Duration>) -> Issued {
    let LedgerClose { attempt, state, reply, code, message, .. } = closed;
    let reply = reply.unwrap_or_else(|| "null".to_owned());
    let message = message.unwrap_or_default();
    match state {
        LedgerState::Applied => Issued::Applied { reply },
        LedgerState::Rejected => Issued::Rejected { code: code.unwrap_or_default(), message, reply },
        LedgerState::Unavailable => Issued::Unavailable { reason: message, retry_after },
        LedgerState::Unknown | LedgerState::Open => Issued::Stop(unknown_to(issue, command, attempt, &message, Retry::ByPolicy)),
    }
}

fn close(issue: &Issue, command: &Command, attempt: i64, outcome: &Outcome) -> LedgerClose {
    let (state, reply, code, message) = match outcome {
        Outcome::Applied { reply } => (LedgerState::Applied, Some(reply), None, None),
        Outcome::Rejected { code, message, reply } => (LedgerState::Rejected, Some(reply), Some(code.clone()), Some(message.clone())),
        Outcome::Unavailable { reason, .. } => (LedgerState::Unavailable, None, None, Some(reason.clone())),
        Outcome::Unknown { reason } => (LedgerState::Unknown, None, None, Some(reason.clone())),
    };
    LedgerClose {
        tenant: issue.tenant.clone().unwrap_or_default(),
        command: issue.command.clone(),
        key: issue.key.clone(),
        attempt,
        state,
        reply: reply.map(|reply| command.redact(reply).to_string()),
        code,
        message,
        at: crate::clock::system_now_ms(),
        verdict: None,
        operations: Vec::new(),
    }
}

/// What becomes of an open attempt that nobody waits for any more.
fn abandoned(row: &LedgerRow) -> LedgerClose {
    LedgerClose {
        tenant: row.tenant.clone(),
        command: row.command.clone(),
        key: row.key.clone(),
        attempt: row.attempt,
        state: LedgerState::Unknown,
        reply: None,
        code: None,
        message: Some("the host that sent it died before the answer was recorded".to_owned()),
        at: crate::clock::system_now_ms(),
        verdict: None,
        operations: Vec::new(),
    }
}

/// The same, where the database does not take what the service said.
fn without_reply(close: LedgerClose) -> LedgerClose {
    LedgerClose { reply: None, message: Some("the service's reply could not be stored".to_owned()), ..close }
}

fn unknown_to(issue: &Issue, command: &Command, attempt: i64, reason: &str, retry: Retry) -> Failure {
    unknown(&issue.command, &issue.key, attempt, undo(command), reason, retry)
}

fn unknown(command: &str, key: &str, attempt: i64, undo: &str, reason: &str, retry: Retry) -> Failure {
    let message = format!(
        "command {command} under key '{key}' was sent (attempt {attempt}) and its outcome is unknown: {reason}; it is undone by {undo}"
    );
    Failure::of_unit(Code::CommandOutcomeUnknown, message, retry)
}

fn conflict(issue: &Issue, command: &Command, row: &LedgerRow) -> Failure {
    let asked = command.redact(&issue.body).to_string();
    let (sent, asked) = (text::cut(&row.request, MAX_SHOWN_BYTES), text::cut(&asked, MAX_SHOWN_BYTES));
    let message = format!(
        "command {} under key '{}' was already sent (attempt {}, {}) with another request; sent: {sent}; asked now: {asked}",
        issue.command,
        issue.key,
        row.attempt,
        row.state.as_str()
    );
    Failure::of_unit(Code::CommandKeyConflict, message, Retry::Never)
}

fn undo(command: &Command) -> &str {
    match &command.undo {
        Undo::Command(name) => name,
        Undo::Nothing => "nothing",
    }
}

#[cfg(test)]
mod tests;
