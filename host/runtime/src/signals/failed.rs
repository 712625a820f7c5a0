//! Signals that could not be delivered: tried again like a job, and then for an operator to repair, to have tried again, or to forget.

use std::sync::Arc;

use mandate_engine::{Code, Failure, InstanceId, PublicId, Rejection, Retry, WaitId, spend_attempt};
use mandate_store::{Delivery, DeliveryClaim, FIRST_DELIVERY, FailedDelivery, Receiver};

use crate::advance::MAX_FAILURE_BYTES;
use crate::definitions::Definition;
use crate::executor::POLL;
use crate::executor::held_back::Unreadable;
use crate::operator::{Change, OPERATOR, Operation, Subject, retries_set};
use crate::{Error, Inner, Runtime, text};

/// Whether a job's number is that of a delivery: no instance counts so far.
pub(crate) fn is_delivery(job: PublicId) -> bool {
    i64::try_from(job.number).is_ok_and(|number| number >= FIRST_DELIVERY)
}

impl Runtime {
    /// Forgets a job without running it: what it was to do is not done. Only signals that could not be delivered can be forgotten; any
    /// other job is what its instance goes on with.
    pub async fn delete_job(&self, job: PublicId) -> Result<(), Error> {
        if is_delivery(job) {
            return self.revise_delivery(job, "Delete", |_| (None, Vec::new())).await;
        }
        let why = "only a signal that could not be delivered can be deleted as a job; cancel the activity by a modification, or delete the instance";
        Err(Error::Invalid(why.to_owned()))
    }

    /// Gives a delivery retries; above 0 it is tried at once, or at this date.
    pub(crate) async fn set_delivery_retries(&self, job: PublicId, retries: u32, due: Option<i64>) -> Result<(), Error> {
        let now = self.now();
        self.revise_delivery(job, "SetJobRetries", |delivery| {
            (Some((due.unwrap_or(now), retries.into())), retries_set((delivery.retries, delivery.due), (retries, due)))
        })
        .await
    }

    /// Moves the next attempt of a delivery to another moment.
    pub(crate) async fn set_delivery_due(&self, job: PublicId, due: i64) -> Result<(), Error> {
        self.revise_delivery(job, "SetDueDate", |delivery| {
            let change = Change::new("duedate", Some(delivery.due.to_string()), Some(due.to_string()));
            (Some((due, delivery.retries)), vec![change])
        })
        .await
    }

    async fn revise_delivery(
        &self,
        job: PublicId,
        verb: &'static str,
        change: impl Fn(&Delivery) -> (Option<(i64, i64)>, Vec<Change>) + Send,
    ) -> Result<(), Error> {
        let missing = || Error::NotFound { what: "job", id: job.to_string() };
        // It may fail in the same moment: what is changed then is what is left of it.
        loop {
            let delivery = self.0.store.failed_delivery(job.instance.0, number(job)).await?.ok_or_else(missing)?;
            let definition = self.0.definitions.get(&self.0.store, &delivery.definition_id).await?;
            let (revised, changes) = change(&delivery);
            let subject = Subject { instance: receiving(&delivery), ..Subject::of_definition(&definition.row) };
            let operations = self.logged(Operation { verb, entity_type: "Job", category: OPERATOR, changes, subject });
            if self.0.store.revise_delivery(&delivery, revised, &operations, self.now()).await? {
                self.0.thrown.notify_one();
                return Ok(());
            }
        }
    }
}

impl Inner {
    /// Tries a delivery for an operator, whenever it is due and whether it has retries or not.
    pub(crate) async fn execute_delivery(self: &Arc<Self>, job: PublicId) -> Result<(), Error> {
        let _busy = self.delivering.begin(job.instance.0);
        match self.store.claim_delivery(job.instance.0, number(job)).await? {
            DeliveryClaim::Missing => Err(Error::NotFound { what: "job", id: job.to_string() }),
            DeliveryClaim::Taken(name) => Err(Error::Conflict(format!("job {job} is being run by host {name}"))),
            DeliveryClaim::Locked(delivery) => self.deliver(&delivery).await.map_err(|error| match error {
                Error::UnitFailed(failure) => Error::JobFailed { job, reason: failure.message },
                error => error,
            }),
        }
    }

    /// What becomes of a delivery that was not taken up. What is wrong with the receiver counts as an attempt; what is wrong with this host
    /// or with the moment does not, and the delivery is put back.
    pub(super) async fn not_delivered(&self, delivery: &Delivery, error: Error) -> Error {
        let failure = match error {
            Error::UnitFailed(failure) => *failure,
            Error::Rejected(Rejection::Suspended) => {
                self.release_delivery(delivery).await;
                return error;
            }
            // Since it was claimed.
            Error::NotStartable { .. } if delivery.receiver == Receiver::Start && self.is_suspended(&delivery.definition_id).await => {
                self.release_delivery(delivery).await;
                return error;
            }
            Error::Bug
            | Error::Invalid(_)
            | Error::NotStartable { .. }
            | Error::Damaged(_)
            | Error::Rejected(_)
            | Error::MismatchingCorrelation(_) => Failure::of_unit(Code::InternalError, error.to_string(), Retry::ByPolicy),
            // What this host lacks it lacks for the next attempt, too, and others may be due.
            Error::Unreadable { .. } | Error::DefinitionUnreadable { .. } | Error::Sandbox(_) | Error::Catalogue(_) | Error::Store(_) => {
                let (receiver, wait) = job_name(delivery);
                // A claim leaves out the receiver's own definition; one that the receiver calls, or that called it, says nothing of others.
                let unreadable = match &error {
                    Error::DefinitionUnreadable { id, .. } if *id == delivery.definition_id => Unreadable::Definition(id.clone()),
                    _ => Unreadable::Instance(receiver),
                };
                self.hold_back(receiver, wait, unreadable, &error.to_string());
                self.release_delivery(delivery).await;
                return error;
            }
            error => {
                let (signal, activity) = (delivery.signal.as_str(), delivery.activity_id.as_str());
                tracing::warn!(signal, activity, receiver = ?delivery.receiver, "a signal could not be delivered and is put back: {error}");
                // Not at once: whatever stopped it is likely still there.
                tokio::time::sleep(POLL).await;
                self.release_delivery(delivery).await;
                return error;
            }
        };
        if let Err(error) = self.fail_delivery(delivery, &failure).await {
            tracing::error!(signal = delivery.signal, "what became of a signal could not be stored, and it is tried again: {error}");
            let (receiver, wait) = job_name(delivery);
            // Not at once: whatever stopped it is likely still there, and may be for good.
            self.hold_back(receiver, wait, Unreadable::Instance(receiver), &error.to_string());
            self.release_delivery(delivery).await;
            return error;
        }
        Error::UnitFailed(Box::new(failure))
    }

    /// A failure spends a retry. What an operator has changed meanwhile holds: it is one of those retries.
    async fn fail_delivery(&self, delivery: &Delivery, failure: &Failure) -> Result<(), Error> {
        let definition = self.definitions.get(&self.store, &delivery.definition_id).await?;
        let (receiver, _) = job_name(delivery);
        let message = text::storable(&format!("{}: {}", failure.code, failure.message), MAX_FAILURE_BYTES);
        let (signal, activity, code) = (delivery.signal.as_str(), delivery.activity_id.as_str(), failure.code);
        tracing::warn!(signal, activity, %receiver, %code, "a signal could not be delivered: {}", text::one_line(&message));
        crate::metrics::job_failed(activity, failure.code.as_str());
        let mut changed = None;
        loop {
            let seen = changed.as_ref().unwrap_or(delivery);
            let left = self.left_of(&definition, seen, failure, message.clone()).await?;
            changed = self.store.fail_delivery(seen, &left).await?;
            if changed.is_none() {
                if left.retries == 0 {
                    tracing::error!(signal, activity, %receiver, "incident raised");
                }
                return Ok(());
            }
        }
    }

    /// What a failure leaves of a delivery.
    async fn left_of(
        &self,
        definition: &Definition,
        delivery: &Delivery,
        failure: &Failure,
        message: String,
    ) -> Result<FailedDelivery, Error> {
        let element = definition.model.find(&delivery.activity_id);
        let failures = u32::try_from(delivery.failures).unwrap_or(u32::MAX).saturating_add(1);
        let retries = u32::try_from(delivery.retries).unwrap_or(0);
        let spent = spend_attempt(&definition.model, element, retries, job_name(delivery), failures, failure);
        let detail = if spent.retries > 0 {
            None
        } else {
            Some(self.explain_undelivered(definition, delivery, failures, failure.element, &message).await?)
        };
        Ok(FailedDelivery {
            due: self.clock.now_ms().saturating_add(spent.pause_ms),
            retries: spent.retries.into(),
            failures: failures.into(),
            failure: message,
            failed_activity: failure.element.map(|failed| definition.model.element(failed).id.to_string()),
            detail,
        })
    }

    /// Does not give up while this host works: nobody else may try it.
    pub(super) async fn release_delivery(&self, delivery: &Delivery) {
        while let Err(error) = self.store.release_delivery(delivery.name).await {
            if self.executor.is_stopping() {
                return;
            }
            tracing::warn!(signal = delivery.signal, "a signal is still locked: {error}");
            // It is found with what this host has forgotten.
            if error.is_of_lock() {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

/// The instance that is to get it, if it is there already.
fn receiving(delivery: &Delivery) -> Option<InstanceId> {
    match delivery.receiver {
        Receiver::Wait { instance, .. } => Some(InstanceId(instance)),
        Receiver::Unreadable { instance } => instance.map(InstanceId),
        Receiver::Start => None,
    }
}

/// What names it as a job.
fn job_name(delivery: &Delivery) -> (InstanceId, WaitId) {
    let (receiver, n) = delivery.job();
    (InstanceId(receiver), WaitId(u64::try_from(n).unwrap_or(0)))
}

fn number(job: PublicId) -> i64 {
    i64::try_from(job.number).unwrap_or(i64::MAX)
}
