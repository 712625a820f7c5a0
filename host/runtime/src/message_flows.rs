//! Messages along message flows, on their way from one instance to another (BPMN 2.0, 9.3).
//!
//! A message is durable with the unit of work that sends it, and comes to one receiver: of the process that its flow leads to, to the
//! instance that has its business key and waits for it or, if none waits, to one that it starts, of the version that was deployed with the
//! sender. A message that has a correlation key finds by that, whatever its business key, who waits under one. It is delivered as a signal
//! is (`signals.rs`), and when it finds nobody there any more, somebody is looked for again. If there is nobody, it waits: who begins to
//! wait for it makes it due, and until then operators see it. Several instances that wait with the same key are one too many: nobody could
//! say who is meant, and it waits, too. So it does for an instance that is suspended, which makes it due when it goes on.

use std::collections::BTreeSet;
use std::sync::Mutex;

use mandate_engine::InstanceId;
use mandate_model::{ProcessDefinition, StartTrigger};
use mandate_store::query::Page;
use mandate_store::{Address, Addressed, Awaiting, Begun, Error as StoreError, Fault, MessageListed};
use uuid::Uuid;

use crate::operator::{Change, OPERATOR, Operation, Subject};
use crate::parties::Party;
use crate::{Error, Inner, Runtime};

/// Messages for which somebody is looked for at once.
pub(crate) const LOOKED_AT: u32 = 256;

/// Why a message waits of which nothing can be said; the log can.
const UNKNOWN: &str = "it could not be found out who waits for it";

/// Why a message waits that has too many receivers.
const SEVERAL: &str = "several instances with its key wait for it";

/// Why a message waits whose receiver may not get anything.
const SUSPENDED: &str = "the instance that waits for it is suspended";

/// Why a message simply waits.
const NOBODY: &str = "nobody waits for it";

/// For how long nobody is looked for again at the least.
const FIRST_PAUSE_MS: i64 = 10_000;

/// And at the most.
const LONGEST_PAUSE_MS: i64 = 5 * 60_000;

/// The same for a message that nobody waits for, which whoever begins to wait makes due. It is for a host that dies in that moment; one
/// that lives and cannot make it due at once does so later ([`Unwoken`]).
const LONGEST_REST_MS: i64 = 60 * 60_000;

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
        if self.0.store.remove_message(id, &self.logged(operation)).await? {
            return Ok(());
        }
        self.0.store.message(id).await?.ok_or_else(not_found)?;
        Err(Error::Conflict(format!("message {id} is being delivered; delete the job of its delivery, if that fails")))
    }
}

/// The name of a message that is waited for, and the correlation key of the wait.
pub(crate) type Keyed = (String, Option<String>);

impl Inner {
    /// Looks for somebody for each message that is due. Answers how many there were.
    pub(crate) async fn address_due(&self) -> Result<usize, Error> {
        if !self.store.may_act() {
            return Ok(0);
        }
        let now = self.clock.now_ms();
        let due = self.store.due_messages(now, LOOKED_AT).await?;
        let (mut found, mut held) = (Vec::new(), Vec::new());
        let count = due.len();
        for message in due {
            let address = match self.address_of(&message).await {
                Err(error @ (Error::Store(StoreError::Connection(_)) | Error::NotActing(_))) => return Err(error),
                // What is wrong with one is not wrong with those behind it, also where it is the database's: a question that takes too long
                // may do so each time, and they are looked at in the same order.
                Err(error) => {
                    tracing::warn!(message = message.name, id = %message.id, "nobody can be looked for who gets a message: {error}");
                    Err((UNKNOWN, longest_pause_after(&error)))
                }
                Ok(address) => address,
            };
            match address {
                Ok(address) => found.push((message, address)),
                Err((reason, longest)) => {
                    // Each time twice as long after it was sent.
                    let pause = now.saturating_sub(message.created).clamp(FIRST_PAUSE_MS, longest);
                    held.push((message, reason, now.saturating_add(pause)));
                }
            }
        }
        if count > 0 {
            self.store.address(&found, &held, now).await?;
        }
        Ok(count)
    }

    /// Who gets a message or, if nobody does, why, and for how long at the most nobody is looked for.
    async fn address_of(&self, message: &Addressed) -> Result<Result<Address, (&'static str, i64)>, Error> {
        Ok(match self.store.awaiting(message).await? {
            Awaiting::One(wait) => Ok(Address::Wait(wait)),
            Awaiting::Several => Err((SEVERAL, LONGEST_PAUSE_MS)),
            Awaiting::Suspended => Err((SUSPENDED, LONGEST_REST_MS)),
            Awaiting::Nobody => match self.definitions.get(&self.store, &message.definition_id).await {
                Ok(definition) => start_of(&definition.model, message).map(Address::Start).ok_or((NOBODY, LONGEST_REST_MS)),
                // Another host may be able to.
                Err(Error::DefinitionUnreadable { .. }) => Err(("this host cannot read the process that it goes to", LONGEST_PAUSE_MS)),
                // With the definition the message was removed.
                Err(Error::NotFound { .. }) => Err((NOBODY, LONGEST_REST_MS)),
                Err(error) => return Err(error),
            },
        })
    }

    /// Makes the messages due that instances have begun to wait for, or wait for and may get again. Where that fails it is tried again
    /// later.
    pub(crate) async fn wake_messages(&self, begun: impl IntoIterator<Item = Begun>) {
        for begun in begun {
            match self.store.wake_messages(begun.clone(), self.clock.now_ms()).await {
                Ok(true) => self.thrown.notify_one(),
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(message = begun.name, "messages on their way come later: they could not be made due: {error}");
                    self.unwoken.add([begun]);
                }
            }
        }
    }

    /// The same where it has failed before.
    pub(crate) async fn wake_again(&self) {
        self.wake_messages(self.unwoken.take()).await;
    }
}

/// Waits that have begun, or may have, and whose messages could not be made due so far.
#[derive(Debug, Default)]
pub(crate) struct Unwoken(Mutex<BTreeSet<Begun>>);

impl Unwoken {
    pub(crate) fn add(&self, begun: impl IntoIterator<Item = Begun>) {
        self.0.lock().expect("no holder of this lock panics").extend(begun);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.lock().expect("no holder of this lock panics").is_empty()
    }

    fn take(&self) -> BTreeSet<Begun> {
        std::mem::take(&mut self.0.lock().expect("no holder of this lock panics"))
    }
}

/// What an instance has begun to wait for, or waits for and may get again, each with what tells the wait from others. Any process may have
/// some on their way, whether or not a flow leads to this version of it.
pub(crate) fn begun_by(party: &Party, awaited: BTreeSet<Keyed>) -> impl Iterator<Item = Begun> {
    let (definition, instance) = (&party.base.definition, &party.instance);
    awaited.into_iter().map(|(name, correlation_key)| Begun {
        process: definition.row.key.clone(),
        tenant: instance.tenant().map(str::to_owned),
        name,
        business_key: instance.business_key().map(str::to_owned),
        correlation_key,
    })
}

/// For how long at the most nobody is looked for again where that has failed.
fn longest_pause_after(error: &Error) -> i64 {
    match error {
        Error::Store(error) if matches!(error.fault(), Fault::Lock | Fault::Moment) => FIRST_PAUSE_MS,
        _ => LONGEST_PAUSE_MS,
    }
}

/// The start event that a message begins at: the one that its flow leads to or, if it leads to the participant, the one that waits for the
/// message.
fn start_of(model: &ProcessDefinition, message: &Addressed) -> Option<String> {
    let is_meant = |id: &str| message.element.as_deref().is_none_or(|element| element == id);
    let starts = |trigger: &StartTrigger| match trigger {
        StartTrigger::Message(awaited) => awaited.name.as_literal() == Some(message.name.as_str()),
        _ => false,
    };
    let mut meant = model.iter().filter(|(_, element)| is_meant(&element.id));
    meant.find(|(_, element)| element.kind.start().is_some_and(starts)).map(|(_, element)| element.id.to_string())
}

#[cfg(test)]
mod tests {
    use mandate_store::query::Page;
    use mandate_store::{Except, Expect, InstanceHead, InstanceWrite, Message, Parts, State, Unit};
    use uuid::Uuid;

    use super::{Begun, FIRST_PAUSE_MS, LONGEST_PAUSE_MS, StoreError, UNKNOWN, longest_pause_after};
    use crate::deploy::Upload;
    use crate::{Runtime, testing};

    const FILE: &str = "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' targetNamespace='test'><message id='m' name='paid'/>\
        <process id='shop' isExecutable='true'><startEvent id='s'/></process><process id='stock' isExecutable='true'>\
        <startEvent id='begun'><messageEventDefinition messageRef='m'/></startEvent></process></definitions>";

    #[test]
    fn an_error_that_passes_puts_a_message_off_for_a_moment() {
        let database = |code: &str| StoreError::Database { code: Some(code.to_owned()), message: String::new() };
        // A deadlock, a statement and a lock that took too long; SQLite's busy snapshot. A relation that is not there, a value that nobody
        // can read.
        for error in [database("40P01"), database("57014"), database("55P03"), database("517")] {
            assert_eq!(longest_pause_after(&error.into()), FIRST_PAUSE_MS);
        }
        for error in [database("42P01"), database("1"), StoreError::Damaged(String::new())] {
            assert_eq!(longest_pause_after(&error.into()), LONGEST_PAUSE_MS);
        }
    }

    /// A host with both processes, and the id of `shop`.
    async fn open(dir: &std::path::Path) -> (Runtime, String) {
        let runtime = testing::open(dir, None, false).await;
        let resources = vec![("p.bpmn".to_owned(), FILE.as_bytes().to_vec())];
        runtime.deploy(Upload { resources, filter_duplicates: true, ..Upload::default() }).await.expect("deployed");
        let shop = runtime.0.store.latest_definition("shop", None).await.expect("read").expect("deployed").id;
        (runtime, shop)
    }

    /// Has an instance of `shop` send a message to each of these elements, and answers the messages' ids.
    async fn send(runtime: &Runtime, shop: &str, elements: &[Option<&str>]) -> Vec<Uuid> {
        let message = |element: Option<&str>| Message {
            id: Uuid::now_v7(),
            name: "paid".into(),
            definition_id: shop.to_owned(),
            process: "stock".into(),
            element: element.map(str::to_owned),
            business_key: None,
            correlation_key: None,
            variables: "{}".into(),
            hops: 1,
            at: 100,
        };
        let head = InstanceHead {
            tenant: None,
            definition_id: shop.to_owned(),
            business_key: None,
            started_at: 0,
            started_by: None,
            called_by: None,
        };
        let state = State::Live { snapshot: Vec::new(), parts: Parts::default() };
        let mut sender = InstanceWrite::new(Uuid::now_v7(), Expect::New(head), state);
        sender.messages = elements.iter().copied().map(message).collect();
        let sent = sender.messages.iter().map(|message| message.id).collect();
        let unit = Unit { id: Uuid::now_v7(), instances: vec![sender], start_key: None, newest: false, closes: Vec::new() };
        runtime.0.store.commit(unit).await.expect("stored");
        sent
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_message_that_cannot_be_looked_at_keeps_back_no_other() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (runtime, shop) = open(dir.path()).await;
        let (inner, store) = (&runtime.0, &runtime.0.store);
        // No element has such an id, and no database compares it.
        let bad = send(&runtime, &shop, &[Some("\0"), None]).await[0];

        assert_eq!(inner.address_due().await.expect("the round goes on"), 2);
        let delivered = store.claim_deliveries(inner.clock.now_ms(), 10, &[], &Except::NOTHING).await.expect("claimed");
        assert_eq!(delivered.iter().map(|it| it.activity_id.as_str()).collect::<Vec<_>>(), ["begun"]);
        let waiting = store.messages(Page::ALL).await.expect("read");
        let reasons: Vec<_> = waiting.iter().filter(|it| it.id == bad).map(|it| it.reason.as_deref()).collect();
        assert_eq!((waiting.len(), reasons), (2, vec![Some(UNKNOWN)]));
        assert_eq!(inner.address_due().await.expect("read"), 0, "it is put off");
        runtime.shut_down(std::time::Duration::from_secs(5)).await;
    }

    /// Else it would come when somebody looks for a receiver the next time, which may be in an hour.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_message_that_could_not_be_made_due_is_when_its_host_ends() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let (runtime, shop) = open(dir.path()).await;
        send(&runtime, &shop, &[Some("nowhere")]).await;
        assert_eq!(runtime.0.address_due().await.expect("read"), 1);
        assert_eq!(runtime.0.address_due().await.expect("read"), 0, "nobody waits for it");
        let (process, name) = ("stock".to_owned(), "paid".to_owned());
        runtime.0.unwoken.add([Begun { process, tenant: None, name, business_key: None, correlation_key: None }]);
        runtime.shut_down(std::time::Duration::from_secs(5)).await;
        let (runtime, _) = open(dir.path()).await;
        assert_eq!(runtime.0.address_due().await.expect("read"), 1, "somebody does");
        runtime.shut_down(std::time::Duration::from_secs(5)).await;
    }
}
