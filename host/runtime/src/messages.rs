//! Message correlation: to what waits for a message, and to what starts with it (Camunda 7, "Message Correlation").

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mandate_engine::{ActivityId, Code, Input, InstanceId, Rejection, Variables, WaitId, key_of_message};
use mandate_model::StartTrigger;
use mandate_store::query::{Page, StartEvent, SubscriptionFilter, SubscriptionListed};
use mandate_store::{EventKind, Origin};
use tokio::sync::{Mutex, MutexGuard};

use crate::definitions::Definition;
use crate::instances::{DefinitionRef, Start, Started};
use crate::text::cut;
use crate::{Error, Room, Runtime};

/// A message looking for its receiver.
#[derive(Clone, Debug, Default)]
pub struct Correlation {
    /// The message's name.
    pub message: String,
    /// Only waits that are told from others by this key (`zeebe:subscription`, or the standard's, which is else what the variables give).
    /// It does not choose among processes that start.
    pub correlation_key: Option<String>,
    /// Only instances with this business key.
    pub business_key: Option<String>,
    /// Only this instance.
    pub instance: Option<InstanceId>,
    /// Only instances of this tenant; with `without_tenant`, only instances of none.
    pub tenant: Option<String>,
    /// Only instances without a tenant.
    pub without_tenant: bool,
    /// Only instances whose process variables have these values.
    pub correlation_keys: Variables,
    /// Only executions whose own variables have these values.
    pub local_correlation_keys: Variables,
    /// Variables to set in the receiver.
    pub variables: Variables,
    /// Variables of the receiving execution's own to set; of a process that starts they are the process's.
    pub local_variables: Variables,
    /// Variables of what the message begins, of an event sub-process or of a process; of an execution that waits they are its own.
    pub triggered_variables: Variables,
    /// Deliver to every receiver rather than to exactly one.
    pub all: bool,
    /// Answer with the variables that each receiver's process has afterwards: of so many receivers as one answer has room for.
    pub with_variables: bool,
}

/// Who got a message.
#[derive(Debug)]
pub enum Correlated {
    /// A waiting instance went on.
    Execution {
        /// The instance.
        instance: InstanceId,
        /// The number of the activity instance that waited.
        activity: i64,
        /// Whose the instance is.
        tenant: Option<String>,
        /// The message brought the instance to its end.
        ended: bool,
        /// The process's variables afterwards, if they are asked for.
        variables: Option<Variables>,
    },
    /// A new instance was started. It has its variables if they are asked for.
    Started(Box<Started>),
}

impl Correlated {
    /// The variables of the receiver's process afterwards, if they are asked for.
    pub fn variables(&self) -> Option<&Variables> {
        match self {
            Self::Execution { variables, .. } => variables.as_ref(),
            Self::Started(started) => started.variables.as_ref(),
        }
    }
}

/// How often a correlation is looked for again when the wait it found was gone a moment later.
const ATTEMPTS: usize = 3;

/// The most waits for one message name that are delivered to with `all`. More are refused: to leave some out would lose messages.
const MAX_RECEIVERS: u32 = 100_000;

/// The most of them that are looked through for correlation keys, each of which is an instance to read.
const MAX_LOOKED_THROUGH: u32 = 10_000;

/// Those who look through so many or more take turns on this host: any number of clients may ask at a time.
const LOOKED_THROUGH_AT_ONCE: u32 = 100;

/// How long a search waits for those before it. A client that has hung up does not leave the line, so that this bounds it.
const LONGEST_LINE: Duration = Duration::from_secs(30);
const LOOKED_THROUGH_TOO_LONG: &str =
    "it looks through many executions for the correlation keys of other messages, where no business key or instance names the receiver";

/// How many other messages may come to one event before this one does. Each that does ends the wait that this one was meant for, and the
/// event waits again; so nobody is kept from it for long.
const MAX_OVERTAKEN: usize = 1_000;

/// Waits that are counted to say how many there are where one is wanted.
const MAX_COUNTED: u32 = 1_000;

impl Correlation {
    /// All that comes with it.
    fn payload(&self) -> Variables {
        let Self { variables, local_variables, triggered_variables, .. } = self;
        [triggered_variables, local_variables, variables].into_iter().flatten().map(|(name, it)| (name.clone(), it.clone())).collect()
    }
}

impl Runtime {
    /// Delivers a message to a wait that the caller has looked up.
    pub async fn receive(&self, instance: InstanceId, wait: WaitId, variables: Variables) -> Result<(), Error> {
        let (local_variables, triggered_variables) = (Variables::new(), Variables::new());
        self.operate(instance, Input::Message { wait, variables, local_variables, triggered_variables }).await.map(drop)
    }

    /// Correlates a message. As in Camunda 7 (`DefaultCorrelationHandler`): without `all` the one execution that waits for it or, only if
    /// none does, the one process that starts with it; with `all` every execution that waits *and* every process that starts, perhaps
    /// nobody. What is suspended receives nothing.
    pub async fn correlate(&self, correlation: Correlation) -> Result<Vec<Correlated>, Error> {
        if correlation.message.is_empty() {
            return Err(Error::Invalid("a message needs a name: give 'messageName'".to_owned()));
        }
        if correlation.all { self.correlate_all(&correlation).await } else { Ok(vec![self.correlate_one(&correlation).await?]) }
    }

    async fn correlate_one(&self, correlation: &Correlation) -> Result<Correlated, Error> {
        for _ in 0..ATTEMPTS {
            let receivers = self.receivers(correlation).await?;
            let receiver = match receivers.as_slice() {
                [] => return self.start_one(correlation).await,
                [only] => only,
                several => {
                    let help = "name one by its business key, instance, correlation key or correlation keys";
                    return Err(mismatch(correlation, &format!("{} executions wait for it; {help}", several.len())));
                }
            };
            match self.deliver(correlation, receiver).await {
                Err(error) if has_moved_on(&error) => {}
                delivered => return delivered,
            }
        }
        Err(mismatch(correlation, "the execution that waited for it went on in the same moment"))
    }

    async fn start_one(&self, correlation: &Correlation) -> Result<Correlated, Error> {
        let starts = self.starts(correlation).await?;
        match starts.as_slice() {
            [] => Err(mismatch(correlation, "No process definition or execution matches the parameters")),
            [only] => self.start_by_message(correlation, only).await,
            several => Err(mismatch(correlation, &format!("{} processes start with it; name one by its tenant", several.len()))),
        }
    }

    /// Both lists are made before anybody gets the message, so that nobody gets it twice. Each delivery is a unit of work of its own: the
    /// first that fails ends it, and processes start last, so that repeating the request does not start them again.
    async fn correlate_all(&self, correlation: &Correlation) -> Result<Vec<Correlated>, Error> {
        let receivers = self.receivers(correlation).await?;
        let starts = self.starts(correlation).await?;
        let mut correlated = Vec::with_capacity(receivers.len() + starts.len());
        let (mut room, mut fits) = (Room::default(), true);
        for receiver in &receivers {
            if !fits {
                let count = correlated.len();
                let help = "send it again, for the others only, or without 'variablesInResultEnabled'";
                return Err(mismatch(
                    correlation,
                    &format!("{count} executions have it, whose variables are too much for one answer; {help}"),
                ));
            }
            match self.deliver(correlation, receiver).await {
                Err(error) if has_moved_on(&error) => {}
                delivered => {
                    let delivered = delivered?;
                    fits = delivered.variables().is_none_or(|variables| room.holds(variables));
                    correlated.push(delivered);
                }
            }
        }
        for start in &starts {
            correlated.push(self.start_by_message(correlation, start).await?);
        }
        Ok(correlated)
    }

    async fn receivers(&self, correlation: &Correlation) -> Result<Vec<SubscriptionListed>, Error> {
        let found = match self.receivers_by_key(correlation).await? {
            Some(receivers) => receivers,
            None => self.listed_receivers(correlation).await?,
        };
        if correlation.correlation_key.is_some() { Ok(found) } else { self.told_apart(correlation, found).await }
    }

    /// Of waits that are told apart by the standard's `correlationKey` those that have the key which the payload gives or, if none has,
    /// those that have none (BPMN 2.0, 8.4.2). A payload that gives none does not choose; what then begins or goes on a conversation
    /// refuses it.
    async fn told_apart(&self, correlation: &Correlation, found: Vec<SubscriptionListed>) -> Result<Vec<SubscriptionListed>, Error> {
        let with_keys = self.with_keys(correlation, found).await?;
        let keys: BTreeSet<String> = with_keys.iter().filter_map(|(_, key)| key.clone()).collect();
        let mut exact = Vec::new();
        for key in keys {
            // They may be behind those that were listed.
            let under = Correlation { correlation_key: Some(key), ..correlation.clone() };
            let listed = self.listed_receivers(&under).await?;
            let of_key = self.with_keys(correlation, listed).await?;
            exact.extend(of_key.into_iter().filter(|(_, key)| *key == under.correlation_key).map(|(receiver, _)| receiver));
        }
        // What is meant for all also reaches those of processes that tell nothing apart by it, whoever else has the key.
        let fits = |(receiver, key): &(SubscriptionListed, Option<String>)| {
            if exact.is_empty() { key.is_none() || receiver.correlation_key.is_none() } else { key.is_none() && correlation.all }
        };
        let others: Vec<_> = with_keys.into_iter().filter(fits).map(|(receiver, _)| receiver).collect();
        Ok(exact.into_iter().chain(others).collect())
    }

    /// Waits, each with the standard's key that the message has for it.
    async fn with_keys(
        &self,
        correlation: &Correlation,
        receivers: Vec<SubscriptionListed>,
    ) -> Result<Vec<(SubscriptionListed, Option<String>)>, Error> {
        let payload = correlation.payload();
        let mut keys: BTreeMap<(String, String), Option<String>> = BTreeMap::new();
        let mut with_keys = Vec::with_capacity(receivers.len());
        for receiver in receivers {
            let place = (receiver.definition_id.clone(), receiver.activity_id.clone());
            let key = if let Some(key) = keys.get(&place) {
                key.clone()
            } else {
                let key = match self.0.definitions.get(&self.0.store, &receiver.definition_id).await {
                    Ok(definition) => {
                        let carried = definition.model.carried_key(&receiver.activity_id, &correlation.message);
                        carried.and_then(|carried| key_of_message(carried, &payload))
                    }
                    // Whoever is meant may be another; if it is this one, the delivery says so.
                    Err(Error::DefinitionUnreadable { .. } | Error::NotFound { .. }) => None,
                    Err(error) => return Err(error),
                };
                keys.insert(place, key.clone());
                key
            };
            with_keys.push((receiver, key));
        }
        Ok(with_keys)
    }

    /// Where nothing but a business key tells one instance from another, which is how most messages come, those of several callers are
    /// looked up at once.
    async fn receivers_by_key(&self, correlation: &Correlation) -> Result<Option<Vec<SubscriptionListed>>, Error> {
        let Correlation { message, business_key: Some(business_key), instance: None, correlation_key: None, .. } = correlation else {
            return Ok(None);
        };
        if !correlation.correlation_keys.is_empty() || !correlation.local_correlation_keys.is_empty() {
            return Ok(None);
        }
        let mut receivers = self.0.store.receivers(message, business_key).await?;
        if let Some(receivers) = &mut receivers {
            receivers.retain(|it| correlation.tenant.is_none() || it.tenant == correlation.tenant);
            receivers.retain(|it| !correlation.without_tenant || it.tenant.is_none());
        }
        Ok(receivers)
    }

    async fn listed_receivers(&self, correlation: &Correlation) -> Result<Vec<SubscriptionListed>, Error> {
        let has_keys = !correlation.correlation_keys.is_empty() || !correlation.local_correlation_keys.is_empty();
        if !has_keys {
            return if correlation.all {
                self.all_that_wait(correlation, MAX_RECEIVERS).await
            } else {
                self.first_that_wait(correlation, MAX_COUNTED).await
            };
        }
        let few = self.first_that_wait(correlation, LOOKED_THROUGH_AT_ONCE).await?;
        if few.len() < LOOKED_THROUGH_AT_ONCE as usize {
            return self.with_these_keys(correlation, &few).await;
        }
        drop(few);
        let _turn = turn_to_look_through(&self.0.looking_through).await?;
        self.with_these_keys(correlation, &self.all_that_wait(correlation, MAX_LOOKED_THROUGH).await?).await
    }

    async fn all_that_wait(&self, correlation: &Correlation, most: u32) -> Result<Vec<SubscriptionListed>, Error> {
        let listed = self.first_that_wait(correlation, most + 1).await?;
        if listed.len() > most as usize {
            let help = "name them more closely: by business key, instance or tenant";
            // Not a mismatch, which many clients take for nobody's waiting for it.
            return Err(Error::Invalid(format!("message '{}': more than {most} executions wait for it; {help}", correlation.message)));
        }
        Ok(listed)
    }

    /// What waits for the message as far as rows tell, the oldest first.
    async fn first_that_wait(&self, correlation: &Correlation, max: u32) -> Result<Vec<SubscriptionListed>, Error> {
        let filter = SubscriptionFilter {
            kind: Some(EventKind::Message),
            name: Some(correlation.message.clone()),
            instance: correlation.instance.map(|id| id.0),
            business_key: correlation.business_key.clone(),
            correlation_key: correlation.correlation_key.clone(),
            tenant: correlation.tenant.clone(),
            without_tenant: correlation.without_tenant,
            active: true,
            ..SubscriptionFilter::default()
        };
        Ok(self.0.store.subscriptions(filter, Page { first: 0, max }).await?)
    }

    /// Those of them that have the message's correlation keys, which their instances know. What of an instance began to wait together is
    /// looked at together.
    async fn with_these_keys(&self, correlation: &Correlation, listed: &[SubscriptionListed]) -> Result<Vec<SubscriptionListed>, Error> {
        let mut matching = Vec::new();
        for receivers in listed.chunk_by(|one, next| one.instance == next.instance) {
            let instance = match self.0.view(InstanceId(receivers[0].instance)).await {
                Ok(view) => view.instance,
                // It has ended since it was listed.
                Err(Error::NotFound { .. }) => continue,
                // It may be the one that is meant: without it the message would go to another one, or begin a process.
                Err(error) => return Err(error),
            };
            let has = |keys: &Variables, scope: Option<ActivityId>| {
                let variables = scope.and_then(|scope| instance.variables(scope));
                let equal = |(name, wanted): (&String, &mandate_engine::Variable)| {
                    variables.and_then(|all| all.get(name)).is_some_and(|value| value.to_json() == wanted.to_json())
                };
                keys.iter().all(equal)
            };
            if has(&correlation.correlation_keys, Some(instance.root())) {
                let scope = |receiver: &SubscriptionListed| u64::try_from(receiver.activity).ok().map(ActivityId);
                let here = |receiver: &&SubscriptionListed| has(&correlation.local_correlation_keys, scope(receiver));
                matching.extend(receivers.iter().filter(here).cloned());
            }
        }
        Ok(matching)
    }

    /// Delivers to a wait or, if it is one of an event that does not interrupt and another message came first, to the wait that the event
    /// has begun since: that it waits for every message is what the model says. Whoever was overtaken waits for those of this host that
    /// were before it: else all of them would try again whenever one gets through.
    async fn deliver(&self, correlation: &Correlation, receiver: &SubscriptionListed) -> Result<Correlated, Error> {
        match self.0.definitions.get(&self.0.store, &receiver.definition_id).await {
            Ok(definition) => check_key(correlation, &definition, &receiver.activity_id, receiver.correlation_key.as_deref())?,
            // The delivery says so.
            Err(Error::DefinitionUnreadable { .. } | Error::NotFound { .. }) => {}
            Err(error) => return Err(error),
        }
        let mut receiver = receiver.clone();
        let mut turn = None;
        for _ in 0..MAX_OVERTAKEN {
            match self.deliver_to(correlation, &receiver).await {
                Err(error @ (Error::Rejected(Rejection::NoSuchWait { .. }) | Error::Cancelled(_))) => {
                    if turn.is_none() {
                        turn = Some(self.0.overtaken.turn(InstanceId(receiver.instance)).await);
                    }
                    match self.0.waits_again(&receiver).await? {
                        // Another message has said meanwhile which conversation it is: where one receiver is wanted it is looked for again.
                        Some(renewed)
                            if renewed.correlation_key != receiver.correlation_key
                                && !(correlation.all && self.is_still_meant(correlation, &renewed).await?) =>
                        {
                            return Err(error);
                        }
                        // Under the new wait a command that has left would leave again: whoever sent the message decides.
                        Some(renewed) if !self.has_sent(&receiver).await? => receiver = renewed,
                        _ => return Err(error),
                    }
                }
                // The message that came first to this wait has sent the same command with another request. Nothing of this one was stored.
                Err(Error::UnitFailed(failure))
                    if failure.code == Code::CommandKeyConflict && self.0.waits_again(&receiver).await?.is_some() =>
                {
                    return Err(Error::Contended(InstanceId(receiver.instance)));
                }
                delivered => return delivered,
            }
        }
        Err(mismatch(correlation, &format!("{MAX_OVERTAKEN} others came to '{}' before it; send it again", receiver.activity_id)))
    }

    /// Whether a message to all is for a wait that was told from others only after they had been looked for: as if it had come behind the
    /// message that did.
    async fn is_still_meant(&self, correlation: &Correlation, renewed: &SubscriptionListed) -> Result<bool, Error> {
        if correlation.correlation_key.is_some() {
            return Ok(renewed.correlation_key == correlation.correlation_key);
        }
        let meant = self.told_apart(correlation, vec![renewed.clone()]).await?;
        Ok(meant.iter().any(|it| (it.instance, it.wait) == (renewed.instance, renewed.wait)))
    }

    /// Whether a command has left that was issued for a message to this wait.
    async fn has_sent(&self, receiver: &SubscriptionListed) -> Result<bool, Error> {
        Ok(self.0.store.ledger_has(receiver.instance, Origin::Subscription(receiver.wait)).await?)
    }

    async fn deliver_to(&self, correlation: &Correlation, receiver: &SubscriptionListed) -> Result<Correlated, Error> {
        let instance = InstanceId(receiver.instance);
        let wait = WaitId(u64::try_from(receiver.wait).expect("numbers of an instance are not negative"));
        let Correlation { variables, local_variables, triggered_variables, .. } = correlation.clone();
        let after = self.operate(instance, Input::Message { wait, variables, local_variables, triggered_variables }).await?.instance;
        Ok(Correlated::Execution {
            instance,
            activity: receiver.activity,
            tenant: receiver.tenant.clone(),
            ended: after.is_ended(),
            variables: correlation.with_variables.then(|| after.variables(after.root()).cloned().unwrap_or_default()),
        })
    }

    /// The processes that start with the message. Correlation keys choose among executions only, as in Camunda 7; but who names an instance
    /// does not mean another one.
    async fn starts(&self, correlation: &Correlation) -> Result<Vec<StartEvent>, Error> {
        if correlation.instance.is_some() {
            return Ok(Vec::new());
        }
        let Correlation { message, tenant, without_tenant, .. } = correlation;
        Ok(self.0.store.start_events(EventKind::Message, message, tenant.as_deref(), *without_tenant).await?)
    }

    async fn start_by_message(&self, correlation: &Correlation, start: &StartEvent) -> Result<Correlated, Error> {
        let definition = self.0.resolve(&DefinitionRef::Id(start.definition_id.clone())).await?;
        let element = definition.model.find_start(&start.activity_id, |it| matches!(it, StartTrigger::Message(_)));
        let element = element
            .ok_or_else(|| Error::Damaged(format!("definition {} has no message start '{}'", start.definition_id, start.activity_id)))?;
        check_key(correlation, &definition, &start.activity_id, None)?;
        let request = Start {
            definition: DefinitionRef::Id(start.definition_id.clone()),
            business_key: correlation.business_key.clone(),
            variables: [&correlation.variables, &correlation.local_variables, &correlation.triggered_variables]
                .into_iter()
                .flatten()
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect(),
            idempotency_key: None,
            traceparent: None,
        };
        let started = self.0.start_at(definition, element, request, self.1.clone()).await?;
        let gone = || mismatch(correlation, "the process that starts with it was deleted in the same moment");
        let started = started.ok_or_else(gone)?;
        let variables = started.variables.filter(|_| correlation.with_variables);
        Ok(Correlated::Started(Box::new(Started { variables, ..started })))
    }
}

/// Whose turn it is to look through many, and nobody else's as long as it is kept.
async fn turn_to_look_through(line: &Mutex<()>) -> Result<MutexGuard<'_, ()>, Error> {
    tokio::time::timeout(LONGEST_LINE, line.lock()).await.map_err(|_| Error::NotActing(LOOKED_THROUGH_TOO_LONG))
}

/// No more bytes of an expression are repeated to who sends a message.
const MAX_PATH: usize = 120;

/// What is of a conversation gets no message that does not say which one it is of, or is of another one (BPMN 2.0, 8.4.2): a unit of work
/// would fail with it.
fn check_key(correlation: &Correlation, definition: &Definition, activity_id: &str, known: Option<&str>) -> Result<(), Error> {
    let model = &definition.model;
    let carried = model.carried_key(activity_id, &correlation.message);
    let Some((carried, of)) =
        carried.and_then(|carried| Some((carried, carried.of.as_ref()?))).filter(|(_, of)| model.conversations.contains(*of))
    else {
        return Ok(());
    };
    let paths: Vec<String> = carried.paths.0.iter().map(|path| format!("'{}'", cut(path.source(), MAX_PATH))).collect();
    let paths = paths.join(" and ");
    match (key_of_message(carried, &correlation.payload()), known) {
        (None, _) => {
            let reason = format!(
                "what waits for it is of a conversation, and needs the message's correlation key '{of}': give {paths} a text or a number by its variables"
            );
            Err(mismatch(correlation, &reason))
        }
        (Some(key), Some(known)) if key != known => {
            let reason = format!("it has another correlation key '{of}' ({paths}) than the conversation of what waits for it");
            Err(mismatch(correlation, &reason))
        }
        _ => Ok(()),
    }
}

/// Whether what waited a moment ago no longer does.
fn has_moved_on(error: &Error) -> bool {
    matches!(error, Error::Rejected(Rejection::NoSuchWait { .. } | Rejection::Suspended) | Error::NotFound { .. } | Error::Cancelled(_))
}

/// Camunda's words, which clients match.
fn mismatch(correlation: &Correlation, reason: &str) -> Error {
    Error::MismatchingCorrelation(format!("Cannot correlate message '{}': {reason}", correlation.message))
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_half_a_minute_for_a_turn_to_look_through_many_is_to_come_again() {
        let line = Mutex::new(());
        let first = turn_to_look_through(&line).await.expect("nobody is before it");
        let begun = Instant::now();
        let refused = turn_to_look_through(&line).await;
        assert!(matches!(refused, Err(Error::NotActing(LOOKED_THROUGH_TOO_LONG))));
        assert_eq!(begun.elapsed().as_secs(), 30);

        // Who has left the line keeps nobody; who comes to his turn in time has it.
        let in_time = async {
            tokio::time::advance(Duration::from_secs(29)).await;
            drop(first);
        };
        let (second, ()) = tokio::join!(turn_to_look_through(&line), in_time);
        let second = second.expect("it is his turn");
        assert!(line.try_lock().is_err());
        drop(second);
    }
}
