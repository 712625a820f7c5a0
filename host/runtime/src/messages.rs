//! Message correlation: to the one instance that waits, or to the one process that starts (Camunda 7, "Message Correlation").

use mandate_engine::{Input, InstanceId, Rejection, Variables, WaitId};
use mandate_model::{ElementKind, StartTrigger};
use mandate_store::query::{Page, SubscriptionFilter, SubscriptionListed};

use crate::instances::{DefinitionRef, Start, Started};
use crate::{Error, Runtime};

/// A message looking for its receiver.
#[derive(Clone, Debug, Default)]
pub struct Correlation {
    /// The message's name.
    pub message: String,
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
    /// Variables to set in the receiver.
    pub variables: Variables,
    /// Deliver to every receiver rather than to exactly one.
    pub all: bool,
}

/// Who got a message.
#[derive(Debug)]
pub enum Correlated {
    /// A waiting instance went on.
    Execution {
        /// The instance.
        instance: InstanceId,
        /// Its definition's id.
        definition_id: String,
        /// The wait that ended.
        wait: WaitId,
    },
    /// A new instance was started.
    Started(Box<Started>),
}

/// How often a correlation is looked for again when the wait it found was gone a moment later.
const ATTEMPTS: usize = 3;

/// The most waits for one message name that are looked through for correlation keys, or delivered to with `all`. More are refused: to leave
/// some out would lose messages.
const MAX_RECEIVERS: u32 = 100_000;

/// Waits that are counted to say how many there are where one is wanted.
const MAX_COUNTED: u32 = 1_000;

impl Runtime {
    /// Correlates a message. Without `all` there must be exactly one receiver.
    pub async fn correlate(&self, correlation: Correlation) -> Result<Vec<Correlated>, Error> {
        if correlation.message.is_empty() {
            return Err(Error::Invalid("a message needs a name: give 'messageName'".to_owned()));
        }
        for _ in 0..ATTEMPTS {
            let waiting = self.receivers(&correlation).await?;
            if waiting.is_empty() {
                return self.start_by_message(&correlation).await;
            }
            if waiting.len() > 1 && !correlation.all {
                return Err(mismatch(
                    &correlation,
                    &format!("{} executions wait for it; name one by its business key, instance or correlation keys", waiting.len()),
                ));
            }
            let mut correlated = Vec::with_capacity(waiting.len());
            for receiver in waiting {
                match self.deliver(&correlation, &receiver).await {
                    Ok(delivered) => correlated.push(delivered),
                    Err(Error::Rejected(Rejection::NoSuchWait { .. }) | Error::NotFound { .. } | Error::Cancelled(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            if !correlated.is_empty() {
                return Ok(correlated);
            }
        }
        Err(mismatch(&correlation, "the execution that waited for it went on in the same moment"))
    }

    async fn receivers(&self, correlation: &Correlation) -> Result<Vec<SubscriptionListed>, Error> {
        let filter = SubscriptionFilter {
            message: Some(correlation.message.clone()),
            instance: correlation.instance.map(|id| id.0),
            business_key: correlation.business_key.clone(),
            tenant: correlation.tenant.clone(),
            without_tenant: correlation.without_tenant,
            ..SubscriptionFilter::default()
        };
        let wants_every_one = correlation.all || !correlation.correlation_keys.is_empty();
        let max = if wants_every_one { MAX_RECEIVERS + 1 } else { MAX_COUNTED };
        let listed = self.0.store.subscriptions(filter, Page { first: 0, max }).await?;
        if listed.len() > MAX_RECEIVERS as usize {
            let help = "name them more closely: by business key, instance or tenant";
            return Err(mismatch(correlation, &format!("more than {MAX_RECEIVERS} executions wait for it; {help}")));
        }
        if correlation.correlation_keys.is_empty() {
            return Ok(listed);
        }
        let mut matching = Vec::new();
        for receiver in listed {
            let Ok(view) = self.0.view(InstanceId(receiver.instance)).await else { continue };
            let variables = view.instance.variables(view.instance.root());
            let equal = |(name, wanted): (&String, &mandate_engine::Variable)| {
                variables.and_then(|all| all.get(name)).is_some_and(|value| value.to_json() == wanted.to_json())
            };
            if correlation.correlation_keys.iter().all(equal) {
                matching.push(receiver);
            }
        }
        Ok(matching)
    }

    async fn deliver(&self, correlation: &Correlation, receiver: &SubscriptionListed) -> Result<Correlated, Error> {
        let instance = InstanceId(receiver.instance);
        let wait = WaitId(u64::try_from(receiver.wait).expect("numbers of an instance are not negative"));
        self.0.api(instance, Input::Message { wait, variables: correlation.variables.clone() }).await?;
        Ok(Correlated::Execution { instance, definition_id: receiver.definition_id.clone(), wait })
    }

    async fn start_by_message(&self, correlation: &Correlation) -> Result<Vec<Correlated>, Error> {
        let starts = if correlation.instance.is_some() || !correlation.correlation_keys.is_empty() {
            Vec::new()
        } else {
            self.0.store.start_messages(&correlation.message, correlation.tenant.as_deref()).await?
        };
        let Some(start) = starts.first() else {
            return Err(mismatch(correlation, "no execution waits for it and no process starts with it"));
        };
        if starts.len() > 1 && !correlation.all {
            return Err(mismatch(correlation, &format!("{} processes start with it", starts.len())));
        }
        let definition = self.0.resolve(&DefinitionRef::Id(start.definition_id.clone())).await?;
        let element = definition
            .model
            .find(&start.activity_id)
            .filter(|element| matches!(definition.model.element(*element).kind, ElementKind::StartEvent(StartTrigger::Message(_))));
        let element = element
            .ok_or_else(|| Error::Damaged(format!("definition {} has no message start '{}'", start.definition_id, start.activity_id)))?;
        let request = Start {
            definition: DefinitionRef::Id(start.definition_id.clone()),
            business_key: correlation.business_key.clone(),
            variables: correlation.variables.clone(),
            idempotency_key: None,
            traceparent: None,
        };
        let started = self.0.start_at(definition, element, request).await?;
        Ok(vec![Correlated::Started(Box::new(started))])
    }
}

/// Camunda's words, which clients match.
fn mismatch(correlation: &Correlation, reason: &str) -> Error {
    Error::MismatchingCorrelation(format!("Cannot correlate message '{}': {reason}", correlation.message))
}
