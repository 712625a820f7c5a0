//! What a person says of an attempt when nothing else can tell what became of it.
//!
//! Their word goes the way of every outcome, through the committer, and counts as one: *applied* answers the command when its unit runs
//! again, *not applied* lets it be sent again under the same key. It is kept beside what is known of the attempt, with who said it and why.

use mandate_engine::InstanceId;
use mandate_store::{LedgerClose, LedgerRow, LedgerState, OperationRow};
use serde_json::Value;

use super::abandoned;
use crate::operator::{Change, OPERATOR, Operation, Operator, Subject};
use crate::{Error, Inner, Runtime};

/// A person's word on one attempt.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// The tenant of the instance that sent it.
    pub tenant: Option<String>,
    /// The command's name.
    pub command: String,
    /// Its key, as the ledger has it.
    pub key: String,
    /// Which attempt under the key, which must be the last: whoever speaks has looked at this one.
    pub attempt: i64,
    /// What became of it.
    pub finding: Finding,
    /// Who says so.
    pub by: String,
    /// How they know.
    pub reason: String,
}

/// What a person has found out about an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The service did it. The delegate is answered with this reply, null if there is none.
    Applied {
        /// As the service would have answered.
        reply: Option<Value>,
    },
    /// The service did not do it, and the attempt will not arrive there any more.
    NotApplied,
}

impl Runtime {
    /// Decides an attempt whose outcome is unknown, or whose host died before it knew. Refused with [`Error::Conflict`], and what the
    /// attempt is, when it is decided already or its host still waits for the answer: of two verdicts, or a verdict and an answer that is
    /// heard of late, one counts.
    pub async fn give_verdict(&self, verdict: Verdict) -> Result<(), Error> {
        if verdict.by.trim().is_empty() || verdict.reason.trim().is_empty() {
            return Err(Error::Invalid("a verdict says who gives it and how they know".to_owned()));
        }
        self.0.give_verdict(&verdict).await.map_err(|error| match error {
            Error::Store(mandate_store::Error::Refused(reason)) => Error::Invalid(reason),
            other => other,
        })
    }
}

impl Inner {
    async fn give_verdict(&self, verdict: &Verdict) -> Result<(), Error> {
        // Each round finds the row further on its way: open, unknown, decided.
        loop {
            let row = self.store.ledger_latest(verdict.tenant.as_deref().unwrap_or_default(), &verdict.command, &verdict.key).await?;
            let row = row.filter(|row| row.attempt >= verdict.attempt && verdict.attempt > 0).ok_or_else(|| Error::NotFound {
                what: "attempt",
                id: format!("{} {} {}", verdict.command, verdict.key, verdict.attempt),
            })?;
            let in_flight = row.state == LedgerState::Open && self.is_in_flight(&row).await?;
            if let Some(reason) = decided(&row, verdict.attempt, in_flight) {
                return Err(Error::Conflict(reason));
            }
            let now = self.store.now().await?;
            self.check_arrival(&row, &verdict.finding, now)?;
            if row.state == LedgerState::Open && self.record_known(&row).await? {
                continue;
            }
            let close = if row.state == LedgerState::Open { abandoned(&row) } else { self.closing(&row, verdict, now) };
            match self.store.ledger_close(close.clone()).await {
                Ok(()) if close.verdict.is_some() => break,
                Ok(()) | Err(mandate_store::Error::LedgerTransition { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        tracing::warn!(
            command = %verdict.command, key = %verdict.key, attempt = verdict.attempt, by = %verdict.by,
            "a person says that an attempt was {}applied", if verdict.finding == Finding::NotApplied { "not " } else { "" }
        );
        Ok(())
    }

    /// "Not applied" counts only once the attempt can no longer arrive, whoever says it. A host whose catalogue does not have the command
    /// knows neither that moment nor what of a reply must not be stored: there it can only be said that the command was applied.
    fn check_arrival(&self, row: &LedgerRow, finding: &Finding, now: i64) -> Result<(), Error> {
        let Some(command) = self.catalogue.get(&row.command) else {
            return match finding {
                Finding::Applied { reply: None } => Ok(()),
                _ => Err(Error::Conflict(format!(
                    "the catalogue of this host does not have {}: give this verdict on a host that has it, or put the command back",
                    row.command
                ))),
            };
        };
        let arrived_by = command.last_arrival(self.departed_by(row));
        if *finding == Finding::NotApplied && now < arrived_by {
            let seconds = (arrived_by - now) / 1_000 + 1;
            return Err(Error::Conflict(format!(
                "{} may still arrive at the service: that it was not applied can be said in {seconds} s",
                named(row)
            )));
        }
        Ok(())
    }

    fn closing(&self, row: &LedgerRow, verdict: &Verdict, now: i64) -> LedgerClose {
        let (state, reply) = match &verdict.finding {
            Finding::Applied { reply } => (LedgerState::Applied, reply.as_ref()),
            Finding::NotApplied => (LedgerState::Unavailable, None),
        };
        let redacted = |reply: &Value| self.catalogue.get(&row.command).map_or_else(|| reply.clone(), |command| command.redact(reply));
        LedgerClose {
            tenant: row.tenant.clone(),
            command: row.command.clone(),
            key: row.key.clone(),
            attempt: row.attempt,
            state,
            reply: reply.map(|reply| redacted(reply).to_string()),
            code: None,
            message: None,
            at: now,
            verdict: Some(mandate_store::Verdict { by: verdict.by.clone(), reason: verdict.reason.clone(), at: now }),
            operations: logged_verdict(row, verdict, state, now),
        }
    }
}

/// A verdict says who gives it: it is logged whoever asks for it.
fn logged_verdict(row: &LedgerRow, verdict: &Verdict, state: LedgerState, now: i64) -> Vec<OperationRow> {
    let subject = Subject {
        instance: Some(InstanceId(row.instance)),
        tenant: Some(row.tenant.clone()).filter(|tenant| !tenant.is_empty()),
        definition_key: Some(mandate_store::key_of_definition(&row.definition_id).to_owned()),
        definition_id: Some(row.definition_id.clone()),
        ..Subject::default()
    };
    let changes = vec![
        Change::to("command", &row.command),
        Change::to("key", &row.key),
        Change::new("state", Some(row.state.as_str().to_owned()), Some(state.as_str().to_owned())),
    ];
    let operator = Operator { user: Some(verdict.by.clone()), annotation: Some(verdict.reason.clone()) };
    let operation = Operation { verb: "GiveVerdict", entity_type: "Ledger", category: OPERATOR, changes, subject };
    operation.rows(&operator, uuid::Uuid::now_v7(), now)
}

/// Why there is nothing to decide about an attempt of the key whose last one is this.
fn decided(row: &LedgerRow, attempt: i64, in_flight: bool) -> Option<String> {
    if row.attempt > attempt {
        return Some(format!("attempt {attempt} was followed by {}, which is {}: the last one counts", named(row), row.state.as_str()));
    }
    match (row.state, &row.verdict) {
        (LedgerState::Unknown, _) => None,
        (LedgerState::Open, _) => in_flight.then(|| format!("{} is open: the host that sends it still waits for the answer", named(row))),
        (state, Some(verdict)) => Some(format!("{} is {} by the verdict of {}", named(row), state.as_str(), verdict.by)),
        (state, None) => Some(format!("{} is {}", named(row), state.as_str())),
    }
}

fn named(row: &LedgerRow) -> String {
    format!("attempt {} of command {} under key '{}'", row.attempt, row.command, row.key)
}

#[cfg(test)]
mod tests {
    use super::super::tests::row;
    use super::*;

    #[test]
    fn what_is_left_for_a_person_to_decide() {
        use LedgerState::{Applied, Open, Rejected, Unavailable, Unknown};
        for (state, attempt, in_flight, refusal) in [
            (Unknown, 3, false, None),
            (Open, 3, false, None),
            (Open, 3, true, Some("is open")),
            (Applied, 3, false, Some("is applied")),
            (Rejected, 3, false, Some("is rejected")),
            (Unavailable, 3, false, Some("is unavailable")),
            (Unknown, 2, false, Some("followed by attempt 3")),
        ] {
            let said = decided(&row(state), attempt, in_flight);
            assert_eq!(said.is_some(), refusal.is_some(), "{state:?} {attempt}: {said:?}");
            assert!(said.unwrap_or_default().contains(refusal.unwrap_or_default()), "{state:?} {attempt}");
        }
        let verdict = mandate_store::Verdict { by: "ann".into(), reason: "asked".into(), at: 1 };
        let said = decided(&LedgerRow { verdict: Some(verdict), ..row(Applied) }, 3, false);
        assert!(said.is_some_and(|said| said.ends_with("is applied by the verdict of ann")));
    }
}
