//! Signals: thrown over the API or by instances, and on their way to everybody else (Camunda 7, "Signal Events").
//!
//! A throw is durable with its receivers: a row for each wait, and for each process that starts by it, in the transaction of whoever throws
//! (`delivery.rs` of the store). From there on every host that runs jobs delivers, and whoever stores what a delivery leads to removes its
//! row with it: at least once tried, exactly once stored. A receiver that has gone on by then gets nothing; one that is suspended since
//! gets it when it goes on. What fails is tried again as a job of its element would be, and then is an incident and waits for an operator
//! (`signals/failed.rs`).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use futures_util::StreamExt as _;
use mandate_engine::{Code, Failure, Input, InstanceId, Rejection, Retry, Variables, WaitId};
use mandate_model::StartTrigger;
use mandate_store::query::{Page, SubscriptionFilter, SubscriptionListed};
use mandate_store::{Delivery, DeliveryName, EventKind, Receiver, Signal, SignalTenants};
use tokio::sync::{Semaphore, oneshot};
use uuid::Uuid;

use crate::advance::{Advanced, Work};
use crate::error::SHUTTING_DOWN;
use crate::executor::POLL;
use crate::instances::{DefinitionRef, Start};
use crate::message_flows::LOOKED_AT;
use crate::{Error, Inner, Runtime};

mod failed;

pub(crate) use failed::is_delivery;

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

/// Deliveries that are under way on this host at the same time.
const AT_ONCE: usize = 16;

/// How many other signals may come to one event before this one does: each ends the wait that this one was meant for, and the event waits
/// again.
const MAX_OVERTAKEN: usize = 1_000;

/// How many throws may lead to one another without a wait between them, the first included: processes that start each other, or wake each
/// other, by signals and never wait for anything else would otherwise fill the database.
pub(crate) const MAX_HOPS: i64 = 100;

/// What is wrong with a delivery of which only this is known.
pub(crate) const UNREADABLE: &str = "its row does not say what it is and who is to get it";

/// The delivery that a unit of work takes up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TakenUp {
    pub(crate) name: DeliveryName,
    /// How many throws led to it.
    pub(crate) hops: i64,
}

/// How an attempt ended.
enum Attempted {
    /// Stored, its row with it.
    Received,
    /// Nobody is there to receive it.
    NobodyThere,
    /// The error may be the receiver's, and the attempt counts; or it is this host's or the moment's, and it does not.
    Not(Error),
}

impl Runtime {
    /// Throws a signal to everybody who waits for it and to the newest version of each process that starts by it. That is durable when the
    /// first of them gets it; answers when each was tried once. What failed is tried again by itself.
    pub async fn throw_signal(&self, thrown: SignalThrown) -> Result<(), Error> {
        let signal = Signal {
            id: Uuid::now_v7(),
            name: thrown.name,
            tenants: thrown.tenants,
            variables: to_json(&thrown.variables),
            business_key: None,
            hops: 1,
            at: self.now(),
        };
        // From before the throw: what this host has locked and not in its memory it takes for forgotten.
        let busy = self.0.delivering.begin(signal.id);
        self.0.store.throw(&signal).await?;
        let (tried, all_tried) = oneshot::channel();
        let inner = self.0.clone();
        // On a task of its own: what is locked is tried, whether or not somebody still waits for it.
        self.0.tasks.spawn(async move {
            inner.deliver_thrown(signal.id, tried).await;
            drop(busy);
        });
        // It says so by going away.
        drop(all_tried.await);
        Ok(())
    }

    /// Delivers a signal to the waits of one activity instance, each in a unit of work whose failure is the caller's. Answers how many
    /// there were.
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

/// What this host is delivering.
#[derive(Debug)]
pub(crate) struct Delivering {
    /// Instances that get something, and throws that start instances or that this host was asked for, each by how many times it is there.
    busy: Arc<Mutex<HashMap<Uuid, u32>>>,
    slots: Semaphore,
}

impl Default for Delivering {
    fn default() -> Self {
        Self { busy: Arc::default(), slots: Semaphore::new(AT_ONCE) }
    }
}

impl Delivering {
    pub(crate) fn begin(&self, key: Uuid) -> Busy {
        *self.busy.lock().expect("no holder of this lock panics").entry(key).or_default() += 1;
        Busy { busy: self.busy.clone(), key }
    }

    pub(crate) fn busy(&self) -> Vec<Uuid> {
        self.busy.lock().expect("no holder of this lock panics").keys().copied().collect()
    }

    /// Whether nothing is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.busy.lock().expect("no holder of this lock panics").is_empty()
    }
}

/// Says that this host is at something, for as long as it lives.
pub(crate) struct Busy {
    busy: Arc<Mutex<HashMap<Uuid, u32>>>,
    key: Uuid,
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut busy = self.busy.lock().expect("no holder of this lock panics");
        if let Some(count) = busy.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                busy.remove(&self.key);
            }
        }
    }
}

/// Deliveries to one instance, or the starts of one throw, which have nothing in common.
fn lines(deliveries: Vec<Delivery>) -> BTreeMap<Uuid, Vec<Delivery>> {
    let mut lines: BTreeMap<Uuid, Vec<Delivery>> = BTreeMap::new();
    for delivery in deliveries {
        lines.entry(delivery.job().0).or_default().push(delivery);
    }
    lines
}

impl TakenUp {
    fn of(delivery: &Delivery) -> Self {
        Self { name: delivery.name, hops: delivery.hops }
    }
}

impl Inner {
    /// Delivers until the host stops.
    pub(crate) async fn delivery_loop(self: Arc<Self>) {
        while !self.executor.is_stopping() {
            let looked = self.address_due().await.unwrap_or_else(|error| {
                tracing::error!("nobody could be looked for for messages on their way: {error}");
                0
            });
            match self.deliver_due().await {
                // There are likely more messages than were looked at.
                Ok(0) if looked < LOOKED_AT as usize => {}
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

    /// Takes deliveries that are due, unless this host has enough of them, and begins to try each. Answers how many.
    async fn deliver_due(self: &Arc<Self>) -> Result<usize, Error> {
        let busy = self.delivering.busy();
        if busy.len() >= AT_ONCE || !self.store.may_act() {
            return Ok(0);
        }
        let except = self.executor.held_back(Instant::now());
        let mut claimed = self.store.claim_deliveries(self.clock.now_ms(), CLAIM, &busy, &except).await?;
        // Whoever has begun since has them, or lets this host claim them again when it is done.
        let busy: HashSet<Uuid> = self.delivering.busy().into_iter().collect();
        claimed.retain(|delivery| !busy.contains(&delivery.job().0) && !busy.contains(&delivery.name.signal));
        let count = claimed.len();
        for (key, line) in lines(claimed) {
            let (inner, busy) = (self.clone(), self.delivering.begin(key));
            self.tasks.spawn(async move {
                inner.clone().deliver_line(line).await;
                drop(busy);
                inner.thrown.notify_one();
            });
        }
        Ok(count)
    }

    /// Tries each delivery of a throw once, which this host has locked. The throw is stored: if they cannot be looked up at this moment,
    /// `tried` is dropped all the same, and they are looked up until they can be.
    async fn deliver_thrown(self: &Arc<Self>, signal: Uuid, tried: oneshot::Sender<()>) {
        let (mut tried, mut after) = (Some(tried), None);
        loop {
            match self.store.thrown_here(signal, after, CLAIM).await {
                Ok(some) => {
                    let Some(last) = some.last() else { return };
                    after = Some(last.name.n);
                    let lines = lines(some).into_values().map(|line| self.clone().deliver_line(line));
                    futures_util::stream::iter(lines).for_each_concurrent(AT_ONCE, |line| line).await;
                }
                // With this host's lease its locks end.
                Err(error) if self.executor.is_stopping() => {
                    return tracing::warn!(%signal, "a signal is stored, and delivered by whoever comes next: {error}");
                }
                Err(error) => {
                    tracing::error!(%signal, "a signal is stored, but those who get it could not be looked up yet: {error}");
                    drop(tried.take());
                    tokio::time::sleep(POLL).await;
                }
            }
        }
    }

    /// Tries each once: those to an instance one after the other, in the order of their throws.
    async fn deliver_line(self: Arc<Self>, mut line: Vec<Delivery>) {
        line.sort_by_key(|delivery| delivery.name);
        let at_once = if line.iter().all(|delivery| delivery.receiver == Receiver::Start) { AT_ONCE } else { 1 };
        futures_util::stream::iter(line)
            .for_each_concurrent(at_once, |delivery| async {
                let delivery = delivery;
                let _slot = self.delivering.slots.acquire().await.expect("nobody closes it");
                // Whatever went wrong has been logged and stored.
                drop(self.deliver(&delivery).await);
            })
            .await;
    }

    /// Tries a delivery that this host has locked. An error: the receiver has not got it.
    async fn deliver(self: &Arc<Self>, delivery: &Delivery) -> Result<(), Error> {
        if self.executor.is_stopping() {
            self.release_delivery(delivery).await;
            return Err(Error::NotActing(SHUTTING_DOWN));
        }
        let variables = serde_json::from_str(&delivery.variables);
        let variables =
            variables.map_err(|error| Error::Damaged(format!("the variables of '{}' cannot be read: {error}", delivery.signal)));
        let ended = match (variables, delivery.receiver) {
            (Err(error), _) => Attempted::Not(error),
            (Ok(variables), Receiver::Wait { instance, wait, activity }) => {
                let receiver = SubscriptionListed {
                    instance,
                    wait,
                    activity,
                    activity_id: delivery.activity_id.clone(),
                    kind: delivery.kind,
                    name: delivery.signal.clone(),
                    definition_id: delivery.definition_id.clone(),
                    created: 0,
                    tenant: None,
                    business_key: None,
                    correlation_key: None,
                };
                self.deliver_to_wait(delivery, receiver, variables).await
            }
            (Ok(variables), Receiver::Start) => self.deliver_start(delivery, variables).await,
            (Ok(_), Receiver::Unreadable { .. }) => Attempted::Not(Error::Damaged(UNREADABLE.to_owned())),
        };
        match ended {
            Attempted::Received => {
                self.executor.forget_held_back(InstanceId(delivery.job().0));
                Ok(())
            }
            Attempted::NobodyThere => {
                if let Err(error) = self.store.drop_delivery(delivery, self.clock.now_ms()).await {
                    let (signal, activity) = (delivery.signal.as_str(), delivery.activity_id.as_str());
                    tracing::debug!(signal, activity, "a signal that nobody is there for is not forgotten yet: {error}");
                    self.release_delivery(delivery).await;
                }
                Ok(())
            }
            Attempted::Not(error) => Err(self.not_delivered(delivery, error).await),
        }
    }

    /// Delivers to a wait or, if it is one of an event that does not interrupt and another signal came first, to the wait that the event
    /// has begun since: it waited for both. What this one leads to is stored with the removal of its row, so that it cannot come to two of
    /// these waits.
    async fn deliver_to_wait(self: &Arc<Self>, delivery: &Delivery, mut receiver: SubscriptionListed, variables: Variables) -> Attempted {
        let instance = InstanceId(receiver.instance);
        for _ in 0..MAX_OVERTAKEN {
            let (wait, variables) = (wait_of(receiver.wait), variables.clone());
            let input = match delivery.kind {
                EventKind::Message => {
                    Input::Message { wait, variables, local_variables: Variables::new(), triggered_variables: Variables::new() }
                }
                _ => Input::Signal { wait, variables },
            };
            let work = Work { delivery: Some(TakenUp::of(delivery)), asked: Some(delivery.created), ..Work::new(instance, input) };
            let error = match self.advance(work).await {
                Ok(Advanced::Committed(_)) => return Attempted::Received,
                Ok(_) => return Attempted::Not(Error::Cancelled(instance)),
                Err(error) => error,
            };
            match error {
                Error::Rejected(Rejection::NoSuchWait { .. }) => match self.waits_again(&receiver).await {
                    Ok(Some(renewed)) if renewed.correlation_key.is_none() => receiver = renewed,
                    // Of those with a key the message looks for the one that is meant.
                    Ok(_) => return Attempted::NobodyThere,
                    Err(error) => return Attempted::Not(error),
                },
                Error::Rejected(Rejection::Ended) | Error::NotFound { .. } => return Attempted::NobodyThere,
                error => return Attempted::Not(error),
            }
        }
        Attempted::Not(Error::Contended(instance))
    }

    async fn deliver_start(self: &Arc<Self>, delivery: &Delivery, variables: Variables) -> Attempted {
        let definition = match self.definitions.get(&self.store, &delivery.definition_id).await {
            Ok(definition) => definition,
            Err(Error::NotFound { .. }) => return Attempted::NobodyThere,
            Err(error) => return Attempted::Not(error),
        };
        let starts = |trigger: &StartTrigger| match trigger {
            StartTrigger::Signal(_) => delivery.kind == EventKind::Signal,
            StartTrigger::Message(it) => delivery.kind == EventKind::Message && it.name.as_literal() == Some(delivery.signal.as_str()),
            _ => false,
        };
        let Some(element) = definition.model.find_start(&delivery.activity_id, starts) else {
            let (id, activity, kind) = (&delivery.definition_id, &delivery.activity_id, delivery.kind.as_str());
            return Attempted::Not(Error::Damaged(format!("definition {id} has no {kind} start '{activity}'")));
        };
        let start = Start {
            definition: DefinitionRef::Id(delivery.definition_id.clone()),
            business_key: delivery.business_key.clone(),
            variables,
            idempotency_key: None,
            traceparent: None,
        };
        match self.start_delivered(definition, element, start, TakenUp::of(delivery)).await {
            Ok(Some(_)) => Attempted::Received,
            Ok(None) => Attempted::NobodyThere,
            Err(error) => Attempted::Not(error),
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

pub(crate) fn too_many_hops() -> Failure {
    let message = format!(
        "more than {MAX_HOPS} signals and messages led to one another without a wait between them; do processes start or wake each other?"
    );
    Failure::of_unit(Code::StepLimit, message, Retry::Never)
}

/// Variables as a delivery carries them.
pub(crate) fn to_json(variables: &Variables) -> String {
    serde_json::to_string(variables).expect("variables are texts")
}

fn wait_of(number: i64) -> WaitId {
    WaitId(u64::try_from(number).expect("numbers of an instance are not negative"))
}
