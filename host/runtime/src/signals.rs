//! Signals: thrown over the API or by instances, and on their way to everybody else (Camunda 7, "Signal Events").
//!
//! A throw is durable with its receivers: a row for each wait, and for each process that starts by it, in the transaction of whoever throws
//! (`delivery.rs` of the store). From there on every host that runs jobs delivers, and whoever stores what a delivery leads to removes its row with it: at
//! least once tried, exactly once stored. A receiver that has gone on by then gets nothing; one that is suspended since, or whose unit of work
//! fails, is tried again, less and less often, until it takes the signal or is gone.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::StreamExt as _;
use mandate_engine::{Input, InstanceId, Rejection, Variables, WaitId};
use mandate_model::{ElementIndex, StartTrigger};
use mandate_store::query::{Page, SubscriptionFilter, SubscriptionListed};
use mandate_store::{Delivery, DeliveryName, EventKind, Receiver, Signal, SignalTenants};
use uuid::Uuid;

use crate::advance::{Advanced, Work};
use crate::definitions::Definition;
use crate::executor::POLL;
use crate::instances::{DefinitionRef, Start};
use crate::operator::MAX_VALUE_BYTES;
use crate::{Error, Inner, Runtime, text};

/// A signal that somebody outside throws.
#[derive(Clone, Debug)]
pub struct SignalThrown {
    /// The signal's name.
    pub name: String,
    /// Variables to set in the receivers.
    pub variables: Variables,
    /// Whose receivers get it.
    pub tenants: SignalTenants,
}

/// Deliveries taken from the store at once.
const CLAIM: u32 = 256;

/// Instances to which this host delivers at the same time.
const AT_ONCE: usize = 16;

/// How many other signals may come to one event before this one does: each ends the wait that this one was meant for, and the event waits again.
const MAX_OVERTAKEN: usize = 1_000;

/// Deliveries that are tried one after the other.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    /// Signals to one instance.
    Instance(Uuid),
    /// Messages of one name to one process, with one business key.
    Address { definition_id: String, name: String, business_key: Option<String> },
    /// A start by a signal, which has nothing in common with others.
    Alone(DeliveryName),
}

impl Line {
    fn of(delivery: &Delivery) -> Self {
        match delivery.receiver {
            Receiver::Wait { instance, .. } => Self::Instance(instance),
            Receiver::Start => Self::Alone(delivery.name),
            Receiver::Addressee => Self::Address {
                definition_id: delivery.definition_id.clone(),
                name: delivery.signal.clone(),
                business_key: delivery.business_key.clone(),
            },
        }
    }
}

/// How a delivery ended.
pub(crate) enum Ended {
    /// Stored, its row with it.
    Received,
    /// Nobody is there to receive it.
    NobodyThere,
    /// A message has nobody to come to yet, for this reason.
    Held(&'static str),
    /// It is tried again later.
    Later(Error),
}

impl Runtime {
    /// Throws a signal to everybody who waits for it and to the newest version of each process that starts by it. That is durable when the first
    /// of them gets it; answers when each was tried once. What failed is tried again by itself.
    pub async fn throw_signal(&self, thrown: SignalThrown) -> Result<(), Error> {
        let signal = Signal {
            id: Uuid::now_v7(),
            name: thrown.name,
            tenants: thrown.tenants,
            variables: to_json(&thrown.variables),
            business_key: None,
            at: self.now(),
        };
        self.0.store.throw(&signal).await?;
        while self.0.deliver_due(Some(signal.id)).await? > 0 {}
        Ok(())
    }

    /// Delivers a signal to the waits of one activity instance, each in a unit of work whose failure is the caller's. Answers how many there were.
    pub async fn signal_execution(&self, instance: InstanceId, activity: i64, name: &str, variables: &Variables) -> Result<usize, Error> {
        let filter = SubscriptionFilter {
            kind: Some(EventKind::Signal),
            name: Some(name.to_owned()),
            instance: Some(instance.0),
            ..SubscriptionFilter::default()
        };
        let waits = self.0.store.subscriptions(filter, Page::ALL).await?;
        let waits: Vec<_> = waits.into_iter().filter(|wait| wait.activity == activity).collect();
        for wait in &waits {
            self.0.api(instance, Input::Signal { wait: wait_of(wait.wait), variables: variables.clone() }).await?;
        }
        Ok(waits.len())
    }
}

/// Rounds of deliveries of this host. What a round has taken is due no more in the store, and what it leads to is not there yet.
#[derive(Debug, Default)]
pub(crate) struct Delivering {
    begun: AtomicU64,
    ended: AtomicU64,
}

impl Delivering {
    fn begin(&self) -> Round<'_> {
        self.begun.fetch_add(1, Ordering::AcqRel);
        Round(&self.ended)
    }

    /// How many rounds there were, if none is under way. While the number stays, nothing was delivered.
    pub(crate) fn idle_since(&self) -> Option<u64> {
        // In this order: a round that begins in between is under way.
        let ended = self.ended.load(Ordering::Acquire);
        let begun = self.begun.load(Ordering::Acquire);
        (begun == ended).then_some(begun)
    }
}

/// Ends with its round, however that ends.
struct Round<'a>(&'a AtomicU64);

impl Drop for Round<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }
}

impl Inner {
    /// Delivers until the host stops.
    pub(crate) async fn delivery_loop(self: Arc<Self>) {
        while !self.executor.is_stopping() {
            match self.deliver_due(None).await {
                Ok(0) => {}
                Ok(_) => continue,
                Err(error) => tracing::error!("signals and messages on their way could not be looked for: {error}"),
            }
            tokio::select! {
                () = self.executor.stopped() => {}
                () = self.thrown.notified() => {}
                () = tokio::time::sleep(POLL) => {}
            }
        }
    }

    /// Takes deliveries that are due, or all of one throw, and tries each once: those of one line one after the other: of a signal in the order of
    /// the waits, messages as they were sent.
    async fn deliver_due(self: &Arc<Self>, of: Option<Uuid>) -> Result<usize, Error> {
        let _round = self.delivering.begin();
        if !self.store.may_act() {
            return Err(Error::NotActing("it could not renew its lease"));
        }
        let claimed = self.store.claim_deliveries(self.clock.now_ms(), CLAIM, of).await?;
        let tried = claimed.len();
        let mut lines: BTreeMap<Line, Vec<Delivery>> = BTreeMap::new();
        for delivery in claimed {
            lines.entry(Line::of(&delivery)).or_default().push(delivery);
        }
        futures_util::stream::iter(lines.into_values())
            .for_each_concurrent(AT_ONCE, |mut line| async move {
                line.sort_by_key(|delivery| delivery.name);
                for delivery in line {
                    self.deliver(&delivery).await;
                }
            })
            .await;
        Ok(tried)
    }

    async fn deliver(self: &Arc<Self>, delivery: &Delivery) {
        let ended = match serde_json::from_str(&delivery.variables) {
            Err(error) => Ended::Later(Error::Damaged(format!("the variables of '{}' cannot be read: {error}", delivery.signal))),
            Ok(variables) => match delivery.receiver {
                Receiver::Wait { instance, wait, activity } => {
                    let receiver = SubscriptionListed {
                        instance,
                        wait,
                        activity,
                        activity_id: delivery.activity_id.clone(),
                        kind: EventKind::Signal,
                        name: delivery.signal.clone(),
                        definition_id: delivery.definition_id.clone(),
                        created: 0,
                        tenant: None,
                        business_key: None,
                    };
                    self.deliver_to_wait(delivery.name, receiver, variables).await
                }
                Receiver::Start => self.deliver_start(delivery, variables).await,
                Receiver::Addressee => self.deliver_message(delivery, variables).await,
            },
        };
        let (signal, activity) = (delivery.signal.as_str(), delivery.activity_id.as_str());
        match ended {
            Ended::Received => {}
            // If the row stays, it is looked at once more later.
            Ended::NobodyThere => {
                if let Err(error) = self.store.drop_delivery(delivery.name).await {
                    tracing::debug!(signal, activity, "a delivery that nobody is there for is not forgotten yet: {error}");
                }
            }
            Ended::Held(reason) => self.hold(delivery, reason).await,
            Ended::Later(error) => {
                let (definition, attempts) = (&delivery.definition_id, delivery.attempts);
                tracing::warn!(signal, activity, %definition, attempts, receiver = ?delivery.receiver, "a delivery is tried again later: {error}");
                self.hold(delivery, &text::storable(&error.to_string(), MAX_VALUE_BYTES)).await;
            }
        }
    }

    /// Delivers to a wait or, if it is one of an event that does not interrupt and another signal came first, to the wait that the event has begun
    /// since: it waited for both. What this one leads to is stored with the removal of its row, so that it cannot come to two of these waits.
    async fn deliver_to_wait(self: &Arc<Self>, name: DeliveryName, mut receiver: SubscriptionListed, variables: Variables) -> Ended {
        let instance = InstanceId(receiver.instance);
        for _ in 0..MAX_OVERTAKEN {
            let input = Input::Signal { wait: wait_of(receiver.wait), variables: variables.clone() };
            let work = Work { delivery: Some(name), ..Work::new(instance, input) };
            let error = match self.advance(work).await {
                Ok(Advanced::Committed(_)) => return Ended::Received,
                Ok(_) => return Ended::Later(Error::Cancelled(instance)),
                Err(error) => error,
            };
            match error {
                Error::Rejected(Rejection::NoSuchWait { .. }) => match self.waits_again(&receiver).await {
                    Ok(Some(renewed)) => receiver = renewed,
                    Ok(None) => return Ended::NobodyThere,
                    Err(error) => return Ended::Later(error),
                },
                Error::Rejected(Rejection::Ended) | Error::NotFound { .. } => return Ended::NobodyThere,
                error => return Ended::Later(error),
            }
        }
        Ended::Later(Error::Contended(instance))
    }

    async fn deliver_start(self: &Arc<Self>, delivery: &Delivery, variables: Variables) -> Ended {
        let definition = match self.definitions.get(&self.store, &delivery.definition_id).await {
            Ok(definition) => definition,
            Err(Error::NotFound { .. }) => return Ended::NobodyThere,
            Err(error) => return Ended::Later(error),
        };
        let Some(element) = definition.model.find_start(&delivery.activity_id, |it| matches!(it, StartTrigger::Signal(_))) else {
            let (id, activity) = (&delivery.definition_id, &delivery.activity_id);
            return Ended::Later(Error::Damaged(format!("definition {id} has no signal start '{activity}'")));
        };
        self.deliver_start_at(definition, element, delivery, variables).await
    }

    /// Starts an instance with a delivery.
    pub(crate) async fn deliver_start_at(
        self: &Arc<Self>,
        definition: Arc<Definition>,
        element: ElementIndex,
        delivery: &Delivery,
        variables: Variables,
    ) -> Ended {
        let start = Start {
            definition: DefinitionRef::Id(delivery.definition_id.clone()),
            business_key: delivery.business_key.clone(),
            variables,
            idempotency_key: None,
            traceparent: None,
        };
        match self.start_by(definition, element, start, Some(delivery.name)).await {
            Ok(Some(_)) => Ended::Received,
            Ok(None) => Ended::NobodyThere,
            Err(error) => Ended::Later(error),
        }
    }

    /// The wait of the same event of the same activity instance that came after this one.
    pub(crate) async fn waits_again(&self, waited: &SubscriptionListed) -> Result<Option<SubscriptionListed>, Error> {
        let filter = SubscriptionFilter {
            kind: Some(waited.kind),
            name: Some(waited.name.clone()),
            instance: Some(waited.instance),
            activity_id: Some(waited.activity_id.clone()),
            ..SubscriptionFilter::default()
        };
        let listed = self.store.subscriptions(filter, Page::ALL).await?;
        Ok(listed.into_iter().find(|it| it.activity == waited.activity && it.wait > waited.wait))
    }
}

/// Variables as a delivery carries them.
pub(crate) fn to_json(variables: &Variables) -> String {
    serde_json::to_string(variables).expect("variables are texts")
}

fn wait_of(number: i64) -> WaitId {
    WaitId(u64::try_from(number).expect("numbers of an instance are not negative"))
}
