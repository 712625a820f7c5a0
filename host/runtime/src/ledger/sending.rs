//! One attempt at a command: opened in the ledger, sent, and closed with what came of it.

use std::sync::Arc;
use std::time::Instant;

use mandate_commands::{Command, Outcome, Place, Prepared};
use mandate_engine::Retry;
use mandate_store::{Error, LedgerOpen, LedgerOpened};
use tokio_util::sync::CancellationToken;

use super::closings::Heard;
use super::flight::Flight;
use super::{Issue, Issued, LATE, STUCK, close, told, undo, unknown_to, wire_key};
use crate::Inner;
use crate::error::TAKEN_OVER;

/// What is to be sent.
pub(super) struct Sending<'a> {
    pub(super) inner: &'a Arc<Inner>,
    pub(super) issue: &'a Issue,
    pub(super) command: &'a Command,
    pub(super) request_digest: &'a str,
    pub(super) generation: i64,
    /// The last attempt under the key; zero where there is none.
    pub(super) after: i64,
}

/// An attempt that this unit has opened.
struct Attempt {
    number: i64,
    flight: Flight,
}

/// What has come of opening one. Where it is not open: how the command ends, or none if the ledger is to be looked at again.
type Opened = Result<Attempt, Option<Issued>>;

impl Sending<'_> {
    /// Sends one attempt, with the request as it was prepared if it was for this generation. None means that the key's last attempt has
    /// moved meanwhile: look again.
    ///
    /// It leaves when the ledger has it and whatever the unit's earlier commands came to. That it was applied the delegate is told before
    /// the ledger is: nothing it does with that leaves this host before the ledger knows.
    pub(super) async fn send(&self, prepared: Option<Prepared>, gone: &CancellationToken) -> Result<Option<Issued>, Error> {
        let inner = self.inner;
        let place = tokio::select! {
            biased;
            () = gone.cancelled() => return Ok(Some(Issued::Withdrawn)),
            place = inner.sender.place(self.command) => place,
        };
        // Counted from before the checks: a host that is suspended anywhere below, or its machine, sends nothing when it wakes.
        let place = place.leaves_within(inner.departure, mandate_store::awake);
        if gone.is_cancelled() {
            return Ok(Some(Issued::Withdrawn));
        }
        // No attempt of the job is spent: another host may send it.
        if let Err(why) = inner.acting() {
            return Ok(Some(Issued::NotActing(why)));
        }
        if inner.in_flight.is_stuck() {
            return Ok(Some(Issued::NotActing(STUCK)));
        }
        let flight = inner.in_flight.take_off(self.issue, self.after + 1);
        // What the command before came to is handed in first, so that one transaction has both.
        let (settled, opened) = tokio::join!(self.issue.closings.settle(inner), inner.store.ledger_open(self.row()));
        let opened = self.opened(opened, flight);
        if let Err(failure) = settled {
            if let Ok(Ok(attempt)) = opened {
                self.withhold(attempt, place, "what became of a command before it could not be recorded").await?;
            }
            return Ok(Some(Issued::Stop(failure)));
        }
        match opened? {
            // The target was not asked: no attempt of the job is spent.
            Ok(attempt) if place.is_late() => {
                self.withhold(attempt, place, "it would have left too late").await?;
                Ok(Some(Issued::NotActing(LATE)))
            }
            Ok(attempt) => self.depart(attempt, place, prepared).await,
            Err(issued) => Ok(issued),
        }
    }

    /// The row of the attempt.
    fn row(&self) -> LedgerOpen {
        let issue = self.issue;
        LedgerOpen {
            tenant: issue.tenant.clone().unwrap_or_default(),
            command: issue.command.clone(),
            key: issue.key.clone(),
            generation: self.generation,
            entry_key: issue.entry_key.clone(),
            request_digest: self.request_digest.to_owned(),
            request: self.command.redact(&issue.body).to_string(),
            instance: issue.instance,
            origin: issue.origin,
            worker: issue.worker.clone(),
            activity_id: issue.activity_id.clone(),
            definition_id: issue.definition_id.clone(),
            // By the database's clock, which is read later than this host's was: whether an attempt can still arrive may be decided by
            // another host.
            at: None,
            first: self.after == 0,
        }
    }

    /// What the ledger has made of the row, under the mark of the attempt that was opened: it may be a later one than was meant.
    fn opened(&self, opened: Result<LedgerOpened, Error>, flight: Flight) -> Result<Opened, Error> {
        match opened {
            Ok(LedgerOpened::Opened { attempt: number }) if number == self.after + 1 => Ok(Ok(Attempt { number, flight })),
            Ok(LedgerOpened::Opened { attempt: number }) => {
                flight.land();
                Ok(Ok(Attempt { number, flight: self.inner.in_flight.take_off(self.issue, number) }))
            }
            Ok(LedgerOpened::Exists(_)) => {
                flight.land();
                Ok(Err(None))
            }
            Ok(LedgerOpened::Gone) => {
                flight.land();
                Ok(Err(Some(Issued::Withdrawn)))
            }
            Ok(LedgerOpened::Fenced) => {
                flight.land();
                Ok(Err(Some(Issued::NotActing(TAKEN_OVER))))
            }
            Err(error) => {
                flight.fail(&error);
                Err(error)
            }
        }
    }

    /// Closes an attempt that is not sent after all. Its place is another one's meanwhile: the database may not be well.
    async fn withhold(&self, Attempt { number, flight }: Attempt, place: Place, why: &str) -> Result<(), Error> {
        drop(place);
        let reason = format!("it was not sent: {why}");
        let close = close(self.issue, self.command, number, &Outcome::Unavailable { reason, retry_after: None });
        match self.inner.record(close.clone()).await {
            Ok(_) => {
                flight.land();
                Ok(())
            }
            Err(error) => {
                flight.leave(close);
                Err(error)
            }
        }
    }

    /// Sends an attempt that is open, and closes it.
    async fn depart(&self, Attempt { number, flight }: Attempt, place: Place, prepared: Option<Prepared>) -> Result<Option<Issued>, Error> {
        let outcome = self.exchange(place, prepared).await;
        let retry_after = match &outcome {
            Outcome::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        };
        let close = close(self.issue, self.command, number, &outcome);
        if let Outcome::Applied { .. } = outcome {
            let issued = told(self.issue, self.command, close.clone(), None);
            self.issue.closings.add(self.inner, Heard::new(close, undo(self.command), flight));
            return Ok(Some(issued));
        }
        match self.inner.record(close.clone()).await {
            // None: somebody else knew more about it, and what the row says now counts.
            Ok(closed) => {
                flight.land();
                Ok(closed.map(|closed| told(self.issue, self.command, closed, retry_after)))
            }
            Err(error) => {
                // It left, and the ledger does not know what came of it: whoever looks next finds it open, and this host writes what it
                // knows.
                flight.leave(close);
                let reason = format!("its outcome could not be recorded: {error}");
                Ok(Some(Issued::Stop(unknown_to(self.issue, self.command, number, &reason, Retry::ByPolicy))))
            }
        }
    }

    /// The request, and what the service made of it.
    async fn exchange(&self, place: Place, prepared: Option<Prepared>) -> Outcome {
        let prepare = || self.command.prepare(&self.issue.request(&wire_key(&self.issue.key, self.generation)));
        let started = Instant::now();
        let outcome = match prepared.map_or_else(prepare, Ok) {
            Ok(prepared) => self.inner.sender.send(place, self.command, prepared).await,
            // With its generation the key makes too long a path.
            Err(refusal) => Outcome::Unavailable { reason: refusal.to_string(), retry_after: None },
        };
        crate::metrics::command_sent(&self.issue.command, outcome.name(), started.elapsed());
        outcome
    }
}
