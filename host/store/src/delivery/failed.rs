//! Deliveries that have failed: what is left of them, and what operators do with them.

use uuid::Uuid;

use super::incident::{self, End};
use super::{DELIVERY, Delivery, DeliveryName, delivery, lock};
use crate::db::params;
use crate::rows::OperationRow;
use crate::start_timers::HELD;
use crate::write::operations;
use crate::{Error, Store, message};

/// What is left of a delivery after a failed attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedDelivery {
    /// When it is tried again, or when it was given up.
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

    /// A delivery of this host has failed: what is left of it takes its place. Nothing happens if this host does not have it any more.
    pub async fn fail_delivery(&self, name: DeliveryName, failed: &FailedDelivery) -> Result<(), Error> {
        let me = self.host();
        let FailedDelivery { due, retries, failures, failure, failed_activity, detail } = failed;
        let sql = "UPDATE delivery SET due = $5, retries = $6, failures = $7, failure = $8, detail = $9, failed_activity = $10, \
                   locked_by = NULL, locked_epoch = NULL WHERE signal = $1 AND n = $2 AND locked_by = $3 AND locked_epoch = $4";
        let mut tx = self.begin_in_epoch().await?;
        let (failure, detail, failed_activity) = (failure.clone(), detail.clone(), failed_activity.clone());
        let params = params![name.signal, name.n, me.id, me.epoch, *due, *retries, *failures, failure, detail, failed_activity];
        let failed = tx.execute(sql, params).await?;
        if failed > 0 && *retries == 0 {
            incident::raise(&mut tx, self.inner().history, name).await?;
        }
        tx.commit().await
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
        let name = params![seen.name.signal, seen.name.n, seen.failures];
        let mut tx = self.inner().admin.begin().await?;
        let changed = if let Some((due, retries)) = revised {
            let sql = "UPDATE delivery SET due = $4, retries = $5 WHERE signal = $1 AND n = $2 AND failures = $3";
            tx.execute(sql, name.into_iter().chain(params![due, retries]).collect()).await?
        } else {
            message::lock(&mut tx, std::iter::once(seen.name.signal)).await?;
            let deleted = tx.execute("DELETE FROM delivery WHERE signal = $1 AND n = $2 AND failures = $3", name).await?;
            if deleted > 0 {
                tx.execute("DELETE FROM message WHERE id = $1", params![seen.name.signal]).await?;
            }
            deleted
        };
        if changed > 0 {
            match revised {
                Some((_, 0)) => incident::raise(&mut tx, self.inner().history, seen.name).await?,
                Some(_) => incident::end(&mut tx, vec![seen.job()], at, End::Resolved).await?,
                None => incident::end(&mut tx, vec![seen.job()], at, End::Deleted).await?,
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
