//! Deliveries that have failed: what is left of them, and what operators do with them.

use uuid::Uuid;

use super::incident::{self, End};
use super::{DELIVERY, Delivery, delivery, lock};
use crate::db::params;
use crate::rows::OperationRow;
use crate::start_timers::HELD;
use crate::write::operations;
use crate::{Error, Store, message};

/// What is left of a delivery after a failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedDelivery {
    /// When it is tried again, or is given up.
    pub due: i64,
    /// Attempts left.
    pub retries: i64,
    /// Failed attempts.
    pub failures: i64,
    /// The last failure's message.
    pub failure: String,
    /// The element that failed, if it is known.
    pub failed_activity: Option<String>,
    /// What explains it to operators, as JSON, if no attempts are left.
    pub detail: Option<String>,
}

/// What the claim of one delivery came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryClaim {
    /// This host has it.
    Locked(Box<Delivery>),
    /// There is no such delivery that has failed, or not any more.
    Missing,
    /// A host has it: its name.
    Taken(String),
}

/// A delivery that has failed, by what names it as a job. The first term is the predicate of the index `delivery_failed`.
const BY_JOB: &str = "t.failures > 0 AND COALESCE(t.instance_id, t.signal) = $1 AND t.n = $2";

impl Store {
    /// Locks one delivery that has failed, due or not, with retries or without.
    pub async fn claim_delivery(&self, receiver: Uuid, n: i64) -> Result<DeliveryClaim, Error> {
        let me = self.host();
        let mut tx = self.begin_in_epoch().await?;
        let sql = format!(
            "SELECT {DELIVERY}, CASE WHEN {HELD} THEN (SELECT h.name FROM host h WHERE h.id = t.locked_by) END FROM delivery t \
             WHERE {BY_JOB} {{pg:FOR UPDATE OF t}}"
        );
        let found = tx.fetch(&sql, params![receiver, n]).await?;
        let claim = match found.first() {
            None => DeliveryClaim::Missing,
            Some(found) => {
                let mut columns = found.columns();
                let delivery = delivery(&mut columns)?;
                columns.next::<Option<String>>()?.map_or(DeliveryClaim::Locked(Box::new(delivery)), DeliveryClaim::Taken)
            }
        };
        match &claim {
            DeliveryClaim::Locked(delivery) => {
                lock(&mut tx, me, std::slice::from_ref(&**delivery)).await?;
                tx.commit().await?;
            }
            DeliveryClaim::Missing | DeliveryClaim::Taken(_) => tx.rollback().await,
        }
        Ok(claim)
    }

    /// A delivery of this host that was found as `seen` has failed: what is left of it takes its place. Nothing happens if this host does
    /// not have it any more. Answers how it is now if somebody has changed it since: then nothing happens either, and what is left of it
    /// is to be told anew.
    pub async fn fail_delivery(&self, seen: &Delivery, failed: &FailedDelivery) -> Result<Option<Delivery>, Error> {
        let (me, name) = (self.host(), seen.name);
        let mut tx = self.begin_in_epoch().await?;
        let mine = "t.signal = $1 AND t.n = $2 AND t.locked_by = $3 AND t.locked_epoch = $4";
        let look = format!("SELECT {DELIVERY} FROM delivery t WHERE {mine} {{pg:FOR UPDATE OF t}}");
        let found = tx.fetch(&look, params![name.signal, name.n, me.id, me.epoch]).await?;
        let found = found.first().map(|found| delivery(&mut found.columns())).transpose()?;
        let left = |it: &Delivery| (it.failures, it.retries, it.due);
        if found.as_ref().is_none_or(|found| left(found) != left(seen)) {
            tx.rollback().await;
            return Ok(found);
        }
        let FailedDelivery { due, retries, failures, failure, failed_activity, detail } = failed.clone();
        let sql = "UPDATE delivery SET due = $3, retries = $4, failures = $5, failure = $6, detail = $7, failed_activity = $8, \
                   given_up_at = CASE WHEN retries > 0 THEN $3 ELSE given_up_at END, locked_by = NULL, locked_epoch = NULL WHERE signal = $1 AND n = $2";
        tx.execute(sql, params![name.signal, name.n, due, retries, failures, failure, detail, failed_activity]).await?;
        if retries == 0 {
            incident::raise(&mut tx, self.inner().history, name).await?;
        }
        tx.commit().await?;
        Ok(None)
    }

    /// What an operator changes at a moment of a delivery that was found as `seen`, with what the log says of it; no attempts: it is
    /// forgotten. False: it is not like that any more.
    pub async fn revise_delivery(
        &self,
        seen: &Delivery,
        revised: Option<(i64, i64)>,
        operations: &[OperationRow],
        at: i64,
    ) -> Result<bool, Error> {
        let as_seen = params![seen.name.signal, seen.name.n, seen.failures, seen.retries, seen.due];
        let is_as_seen = "signal = $1 AND n = $2 AND failures = $3 AND retries = $4 AND due = $5";
        let mut tx = self.inner().admin.begin().await?;
        let changed = if let Some((due, retries)) = revised {
            let given_up = "given_up_at = CASE WHEN retries > 0 THEN $8 ELSE given_up_at END";
            let sql = format!("UPDATE delivery SET due = $6, retries = $7, {given_up} WHERE {is_as_seen}");
            tx.execute(&sql, as_seen.into_iter().chain(params![due, retries, at]).collect()).await?
        } else {
            message::lock(&mut tx, std::iter::once(seen.name.signal)).await?;
            let deleted = tx.execute(&format!("DELETE FROM delivery WHERE {is_as_seen}"), as_seen).await?;
            if deleted > 0 {
                tx.execute("DELETE FROM message WHERE id = $1", params![seen.name.signal]).await?;
            }
            deleted
        };
        if changed > 0 {
            match (seen.retries, revised) {
                (0, Some((_, 0))) => {}
                (_, Some((_, 0))) => incident::raise(&mut tx, self.inner().history, seen.name).await?,
                (_, Some(_)) => incident::end(&mut tx, vec![seen.job()], at, End::Resolved).await?,
                (_, None) => incident::end(&mut tx, vec![seen.job()], at, End::Deleted).await?,
            }
            operations::write(&mut tx, self.inner().history, operations).await?;
        }
        tx.commit().await?;
        Ok(changed > 0)
    }

    /// One delivery that has failed, by its receiver and number.
    pub async fn failed_delivery(&self, receiver: Uuid, n: i64) -> Result<Option<Delivery>, Error> {
        let rows = self.pool.fetch(&format!("SELECT {DELIVERY} FROM delivery t WHERE {BY_JOB}"), params![receiver, n]).await?;
        rows.first().map(|row| delivery(&mut row.columns())).transpose()
    }
}
