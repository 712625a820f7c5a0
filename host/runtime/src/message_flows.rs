//! Messages along message flows, on their way from one instance to another (BPMN 2.0, 9.3).
//!
//! A message is durable with the unit of work that sends it, and comes to one receiver: of the process that its flow leads to, to the instance that has
//! its business key and waits for it or, if none waits, to one that it starts, of the version that was deployed with the sender's. If there is
//! neither, it waits: who begins to wait for it makes it due (`wake_messages`), and until then operators see it. Several instances that wait
//! with the same business key are one too many: nobody could say who is meant, and it waits, too. Otherwise deliveries are those of `signals.rs`.

use std::sync::Arc;

use mandate_engine::{Input, InstanceId, Rejection, Variables, WaitId};
use mandate_model::{ElementIndex, ProcessDefinition, StartTrigger};
use mandate_store::query::Page;
use mandate_store::{Awaiting, Delivery, MessageListed};
use uuid::Uuid;

use crate::advance::{Advanced, Work};
use crate::operator::{Change, OPERATOR, Operation, Subject};
use crate::signals::Ended;
use crate::{Error, Inner, Runtime};

/// How often a message looks for another wait because the one that it found was ended by something else.
const MAX_OVERTAKEN: usize = 1_000;

/// The reason of a message that simply waits. It may rest: whoever begins to wait for it wakes it.
const NOBODY: &str = "nobody waits for it";

impl Runtime {
    /// Messages along message flows that have not come to anybody yet, the oldest first.
    pub async fn messages_on_the_way(&self, page: Page) -> Result<Vec<MessageListed>, Error> {
        Ok(self.0.store.messages(page).await?)
    }

    /// Removes a message that nobody is to get any more.
    pub async fn remove_message(&self, id: Uuid) -> Result<(), Error> {
        let not_found = || Error::NotFound { what: "message on its way", id: id.to_string() };
        let found = self.0.store.message(id).await?.ok_or_else(not_found)?;
        let subject = Subject { instance: Some(InstanceId(found.sender)), tenant: found.tenant, ..Subject::default() };
        let changes = vec![
            Change::new("messageName", Some(found.name), None),
            Change::new("processDefinitionKey", Some(found.process), None),
            Change::new("businessKey", found.business_key, None),
        ];
        let operation = Operation { verb: "Delete", entity_type: "Message", category: OPERATOR, changes, subject };
        if self.0.store.remove_message(id, &self.logged(operation)).await? { Ok(()) } else { Err(not_found()) }
    }
}

impl Inner {
    /// Delivers a message to who waits for it, starts an instance with it, or leaves it waiting.
    pub(crate) async fn deliver_message(self: &Arc<Self>, message: &Delivery, variables: Variables) -> Ended {
        let definition = match self.definitions.get(&self.store, &message.definition_id).await {
            Ok(definition) => definition,
            Err(Error::NotFound { .. }) => return Ended::NobodyThere,
            Err(error) => return Ended::Later(error),
        };
        for _ in 0..MAX_OVERTAKEN {
            let (instance, wait) = match self.store.awaiting(message).await {
                Err(error) => return Ended::Later(error.into()),
                Ok(Awaiting::Several) => return Ended::Held("several instances with its business key wait for it"),
                Ok(Awaiting::One { suspended: true, .. }) => return Ended::Held("the instance that waits for it is suspended"),
                Ok(Awaiting::One { instance, wait, .. }) => (InstanceId(instance), wait),
                Ok(Awaiting::Nobody) => {
                    return match start_of(&definition.model, message) {
                        Some(element) => self.deliver_start_at(definition, element, message, variables).await,
                        None => Ended::Held(NOBODY),
                    };
                }
            };
            let wait = WaitId(u64::try_from(wait).expect("numbers of an instance are not negative"));
            let input = Input::Message { wait, variables: variables.clone(), local_variables: Variables::new() };
            let work = Work { delivery: Some(message.name), ..Work::new(instance, input) };
            match self.advance(work).await {
                Ok(Advanced::Committed(_)) => return Ended::Received,
                Ok(_) => return Ended::Later(Error::Cancelled(instance)),
                // It has gone on in this moment: perhaps it waits again, perhaps another one does.
                Err(Error::Rejected(Rejection::NoSuchWait { .. } | Rejection::Ended | Rejection::Suspended) | Error::NotFound { .. }) => {}
                Err(error) => return Ended::Later(error),
            }
        }
        Ended::Held("each time that it was to be received something else came before")
    }

    /// Notes that a message waits, and why.
    pub(crate) async fn hold(&self, delivery: &Delivery, reason: &str) {
        let rests = (reason == NOBODY).then(|| self.clock.now_ms().saturating_add(delivery.rest_ms()));
        if rests.is_none() && delivery.reason.as_deref() == Some(reason) {
            return;
        }
        if let Err(error) = self.store.hold_delivery(delivery, reason, rests).await {
            tracing::warn!(message = delivery.signal.as_str(), "why it waits could not be noted: {error}");
        }
    }

    /// Makes the messages due that an instance has begun to wait for.
    pub(crate) async fn wake_messages(&self, names: &[String], business_key: Option<&str>) {
        for name in names {
            match self.store.wake_messages(name, business_key, self.clock.now_ms()).await {
                Ok(true) => self.thrown.notify_one(),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(message = name.as_str(), "messages on their way come later: they could not be made due: {error}")
                }
            }
        }
    }
}

/// The start event that a message begins at: the one that its flow leads to or, if it leads to the participant, the one that waits for the message.
fn start_of(model: &ProcessDefinition, message: &Delivery) -> Option<ElementIndex> {
    let to_any = message.activity_id.is_empty();
    let mut elements = model.iter().filter(|(_, element)| to_any || *element.id == *message.activity_id);
    let starts = |trigger: &StartTrigger| match trigger {
        StartTrigger::Message(awaited) => awaited.name.as_literal() == Some(message.signal.as_str()),
        _ => false,
    };
    elements.find(|(_, element)| element.kind.start().is_some_and(starts)).map(|(index, _)| index)
}
