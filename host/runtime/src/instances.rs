//! Starting, reading, editing and deleting process instances.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use mandate_engine::{ActivityId, Chain, Input, Instance, InstanceId, Modification, Variables};
use mandate_model::ElementIndex;
use mandate_store::StartKey;
use mandate_store::query::KeyedStart;
use sha2::{Digest, Sha256};

use crate::advance::{Advanced, Begin, MAX_BRIEF_BYTES, State, Threads, Work};
use crate::definitions::Definition;
use crate::error::{Several, unless_gone};
use crate::executor::Queued;
use crate::modification::Modify;
use crate::operator::Operator;
use crate::signals::TakenUp;
use crate::{Error, Inner, Runtime, digest};

/// Which definition to start.
#[derive(Clone, Debug)]
pub enum DefinitionRef {
    /// By id: `key:version:uuid`.
    Id(String),
    /// The newest version of a key, of one tenant or of none.
    Key {
        /// The BPMN process id.
        key: String,
        /// Whose.
        tenant: Option<String>,
    },
}

/// A request to start an instance.
#[derive(Clone, Debug)]
pub struct Start {
    /// Of what.
    pub definition: DefinitionRef,
    /// The caller's name for the instance.
    pub business_key: Option<String>,
    /// Its first variables.
    pub variables: Variables,
    /// The same key (per tenant and definition key) starts once and answers with the same instance. 1 to 255 bytes.
    pub idempotency_key: Option<String>,
    /// W3C trace context.
    pub traceparent: Option<String>,
}

impl Start {
    /// Of the newest version of a key, of no tenant.
    pub fn of_key(key: impl Into<String>, variables: Variables) -> Self {
        let definition = DefinitionRef::Key { key: key.into(), tenant: None };
        Self { definition, business_key: None, variables, idempotency_key: None, traceparent: None }
    }
}

/// An instance that was started.
#[derive(Debug)]
pub struct Started {
    /// Its id.
    pub id: InstanceId,
    /// What it runs.
    pub definition_id: String,
    /// What it runs, by key.
    pub definition_key: String,
    /// Whose it is.
    pub tenant: Option<String>,
    /// As it was given.
    pub business_key: Option<String>,
    /// It ran to its end already, or was deleted.
    pub ended: bool,
    /// It is suspended.
    pub suspended: bool,
    /// The idempotency key had started it before.
    pub existing: bool,
    /// The process's variables after the start; none when the instance existed before and has ended.
    pub variables: Option<Variables>,
}

/// An instance as it is now.
#[derive(Debug)]
pub struct InstanceView {
    /// The instance.
    pub instance: Instance,
    /// What it runs.
    pub definition: Arc<Definition>,
}

/// An instance that is to begin.
#[derive(Clone)]
struct Beginning {
    definition: Arc<Definition>,
    at: BeginAt,
    start: Start,
    operator: Option<Arc<Operator>>,
    /// What begins it, if that is delivered.
    delivery: Option<TakenUp>,
}

impl Beginning {
    /// Whether it may come to a wait soon, without calling anybody, as far as this host has seen.
    fn may_be_brief(&self) -> bool {
        let bytes: usize = self.start.variables.values().map(|variable| variable.json.len()).sum();
        bytes <= MAX_BRIEF_BYTES && matches!(self.at, BeginAt::Event(start) if !self.definition.calls_from(start))
    }
}

/// What became of it.
enum Begun {
    Started(Box<Started>),
    /// The definition is not the newest version of its key, or not there any more; nothing was stored.
    Superseded,
    /// As [`Advanced::NotBrief`].
    NotBrief,
}

/// Where an instance begins.
#[derive(Clone)]
pub(crate) enum BeginAt {
    Event(ElementIndex),
    Instructions(Modification),
}

impl From<ElementIndex> for BeginAt {
    fn from(event: ElementIndex) -> Self {
        Self::Event(event)
    }
}

impl BeginAt {
    fn input(self, variables: Variables) -> Input {
        match self {
            Self::Event(element) => Input::Start { element, variables, chain: Chain::AtOnce },
            Self::Instructions(modification) => Input::StartAt { variables, modification },
        }
    }
}

const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// How often a start by key is made again because a newer version was deployed a moment ago.
const MAX_SUPERSEDED: usize = 10;

impl Runtime {
    /// Starts an instance. Answers once it is durable: at its first wait state, at its end, or, where its chain may send commands, once
    /// that chain has run or has failed and is the instance's own to retry.
    ///
    /// What the idempotency key has started before is the answer, whatever has become of the definition since: suspended, replaced by a
    /// newer version, or deleted.
    pub async fn start(&self, start: Start) -> Result<Started, Error> {
        self.0.start(start, None, self.1.clone()).await
    }

    /// The same at what the instructions start, rather than at the start event.
    pub async fn start_with_instructions(&self, start: Start, modify: Modify) -> Result<Started, Error> {
        self.0.start(start, Some(&modify), self.1.clone()).await.map_err(|error| modify.explain(error))
    }

    /// The answer to a start that was made before under an idempotency key; none: there was none.
    pub async fn started_before(&self, definition: &DefinitionRef, key: &str) -> Result<Option<Started>, Error> {
        match self.0.started_before(definition, key).await? {
            Some(before) => self.0.existing(before).await.map(Some),
            None => Ok(None),
        }
    }

    /// An instance's tree, variables and waits, from its snapshot.
    pub async fn instance(&self, id: InstanceId) -> Result<InstanceView, Error> {
        self.0.view(id).await
    }

    /// Changes and removes variables that a scope has itself; `scope` is an activity of the instance, none for the process.
    pub async fn set_variables(&self, id: InstanceId, scope: Option<ActivityId>, set: Variables, remove: Vec<String>) -> Result<(), Error> {
        let scope = match scope {
            Some(scope) => scope,
            None => self.0.view(id).await?.instance.root(),
        };
        self.operate(id, Input::SetVariables { scope, set, remove, local: true }).await.map(drop)
    }

    /// Changes and removes variables as a scope sees them: its own or those of the scopes around it. New ones become the process's.
    pub async fn set_visible_variables(&self, id: InstanceId, scope: ActivityId, set: Variables, remove: Vec<String>) -> Result<(), Error> {
        self.operate(id, Input::SetVariables { scope, set, remove, local: false }).await.map(drop)
    }

    /// Begins an activity that is enabled in an ad-hoc sub-process.
    pub async fn begin_activity(&self, id: InstanceId, activity: ActivityId) -> Result<(), Error> {
        self.operate(id, Input::BeginActivity { activity }).await.map(drop)
    }

    /// Deletes a running instance; history and ledger stay. Delegates that listen for it are told of its user tasks, and of those of what
    /// it calls, unless listeners are to be skipped; one that fails keeps the instance from being deleted.
    pub async fn delete_instance(&self, id: InstanceId, reason: Option<String>, skip_listeners: bool) -> Result<(), Error> {
        self.operate(id, Input::Cancel { reason, skip_listeners }).await.map(drop)
    }

    /// Suspends an instance (true) or lets it go on.
    pub async fn suspend_instance(&self, id: InstanceId, suspended: bool) -> Result<(), Error> {
        let input = if suspended { Input::Suspend } else { Input::Activate };
        self.operate(id, input).await.map(drop)
    }

    /// The same for several. Those that have ended meanwhile are as they should be; one that fails does not keep the others, and is what is
    /// answered.
    pub async fn suspend_instances(&self, ids: Vec<InstanceId>, suspended: bool) -> Result<(), Error> {
        let mut all = Several::NONE;
        for id in ids {
            all.and(unless_gone(self.suspend_instance(id, suspended).await))?;
        }
        all.outcome()
    }
}

impl Inner {
    fn start<'a>(
        self: &'a Arc<Self>,
        start: Start,
        modify: Option<&'a Modify>,
        operator: Option<Arc<Operator>>,
    ) -> BoxFuture<'a, Result<Started, Error>> {
        Box::pin(self.start_once(start, modify, operator))
    }

    async fn start_once(
        self: &Arc<Self>,
        start: Start,
        modify: Option<&Modify>,
        operator: Option<Arc<Operator>>,
    ) -> Result<Started, Error> {
        if let Some(key) = &start.idempotency_key
            && let Some(before) = self.started_before(&start.definition, key).await?
        {
            return self.existing(before).await;
        }
        for _ in 0..MAX_SUPERSEDED {
            let mut chosen = self.choose(&start.definition, modify).await;
            // Nobody is refused anything because of what is only remembered.
            if chosen.is_err() && self.definitions.look_again(&start.definition) {
                chosen = self.choose(&start.definition, modify).await;
            }
            let (definition, at) = chosen?;
            if let Some(started) = self.start_at(definition, at, start.clone(), operator.clone()).await? {
                return Ok(started);
            }
            self.definitions.look_again(&start.definition);
        }
        Err(Error::Conflict("new versions were deployed faster than this start could be made; repeat it".to_owned()))
    }

    /// Carries out an input that an API call makes, and answers when it is stored.
    pub(crate) async fn api(self: &Arc<Self>, instance: InstanceId, input: Input) -> Result<Box<State>, Error> {
        self.api_for(instance, input, None).await
    }

    /// The same, logged as what this operator did.
    pub(crate) async fn api_for(
        self: &Arc<Self>,
        instance: InstanceId,
        input: Input,
        operator: Option<Arc<Operator>>,
    ) -> Result<Box<State>, Error> {
        match self.advance(Work { operator, ..Work::new(instance, input) }).await? {
            Advanced::Committed(state) => Ok(state),
            Advanced::Withdrawn | Advanced::Contended => Err(Error::Cancelled(instance)),
            Advanced::AlreadyStarted(_) | Advanced::Superseded | Advanced::NotBrief => unreachable!("it starts nothing, here or elsewhere"),
        }
    }

    pub(crate) async fn view(&self, id: InstanceId) -> Result<InstanceView, Error> {
        let not_found = || Error::NotFound { what: "process instance", id: id.to_string() };
        let row = self.store.load_instance(id.0).await?.ok_or_else(not_found)?;
        let definition = self.definitions.get(&self.store, &row.definition_id).await?;
        let instance = crate::cache::decode(&row).map_err(|error| Error::Unreadable { instance: id, reason: error.to_string() })?;
        Ok(InstanceView { instance, definition })
    }

    pub(crate) async fn resolve(&self, reference: &DefinitionRef) -> Result<Arc<Definition>, Error> {
        let id = match reference {
            DefinitionRef::Id(id) => id.clone(),
            DefinitionRef::Key { key, tenant } => {
                let newest = self.definitions.newest(&self.store, key, tenant.as_deref()).await?;
                newest.ok_or_else(|| Error::NotFound { what: "process definition with key", id: key.clone() })?
            }
        };
        self.definitions.get(&self.store, &id).await
    }

    /// What a start without a message begins with.
    async fn choose(&self, reference: &DefinitionRef, modify: Option<&Modify>) -> Result<(Arc<Definition>, BeginAt), Error> {
        let definition = self.resolve(reference).await?;
        let at = match modify {
            Some(modify) => BeginAt::Instructions(modify.resolve(&definition, None)?),
            None => BeginAt::Event(none_start(&definition)?),
        };
        Ok((definition, at))
    }

    /// Starts an instance, at a start event or where instructions say. Runs on a task of its own: a deferred start is two units, and a
    /// client that hangs up must not leave the second one undone. None: the definition is deleted, or a newer version of the key that is to
    /// be started has been deployed.
    pub(crate) async fn start_at(
        self: &Arc<Self>,
        definition: Arc<Definition>,
        at: impl Into<BeginAt>,
        start: Start,
        operator: Option<Arc<Operator>>,
    ) -> Result<Option<Started>, Error> {
        self.begin(definition, at.into(), start, operator, None).await
    }

    /// The same by a signal or message that is delivered, on nobody's behalf: the delivery is taken up with the first unit, and nobody
    /// waits for a second one.
    pub(crate) async fn start_delivered(
        self: &Arc<Self>,
        definition: Arc<Definition>,
        at: impl Into<BeginAt>,
        start: Start,
        delivery: TakenUp,
    ) -> Result<Option<Started>, Error> {
        self.begin(definition, at.into(), start, None, Some(delivery)).await
    }

    /// Begins an instance here if that is brief, else on the threads for guests; on a task of its own either way.
    async fn begin(
        self: &Arc<Self>,
        definition: Arc<Definition>,
        at: BeginAt,
        start: Start,
        operator: Option<Arc<Operator>>,
        delivery: Option<TakenUp>,
    ) -> Result<Option<Started>, Error> {
        let beginning = Beginning { definition, at, start, operator, delivery };
        if self.tries_here() && beginning.may_be_brief() {
            let (inner, brief) = (self.clone(), beginning.clone());
            match self.tasks.spawn(async move { inner.begin_undisturbed(brief, Threads::Callers).await }).await?? {
                Begun::NotBrief => {}
                Begun::Started(started) => return Ok(Some(*started)),
                Begun::Superseded => return Ok(None),
            }
        }
        let inner = self.clone();
        match self.spawn_unit(async move { inner.begin_undisturbed(beginning, Threads::Guests).await }).await?? {
            Begun::Started(started) => Ok(Some(*started)),
            Begun::Superseded => Ok(None),
            Begun::NotBrief => unreachable!("it has all the time it needs"),
        }
    }

    async fn begin_undisturbed(self: &Arc<Self>, beginning: Beginning, runs_on: Threads) -> Result<Begun, Error> {
        let Beginning { definition, at, start, operator, delivery } = beginning;
        let newest = matches!(start.definition, DefinitionRef::Key { .. });
        let is_delivered = delivery.is_some();
        let tenant = definition.row.tenant.clone();
        let start_key = start.idempotency_key.map(|key| start_key(tenant.as_deref(), &definition.row.key, &key));
        let id = start_key.as_ref().map_or_else(|| InstanceId(uuid::Uuid::now_v7()), derived_id);
        let (definition, business_key) = (definition.clone(), start.business_key.clone());
        let begin = Begin { definition: definition.clone(), tenant, business_key, start_key: start_key.clone(), newest, fired: None };
        let work = Work {
            begin: Some(begin),
            traceparent: start.traceparent.clone(),
            delivery,
            operator: operator.clone(),
            fresh: true,
            runs_on,
            ..Work::new(id, at.input(start.variables))
        };
        let advanced = self.advance_here(work).await?;
        let mut state = match (advanced, &start_key) {
            (Advanced::Committed(state), _) => state,
            // Another start under the same key was a moment faster.
            (Advanced::AlreadyStarted(first), Some(key)) => {
                let before = self.store.keyed_start(key).await?;
                let before = before.ok_or_else(|| Error::Damaged(format!("the start key of instance {first} is not there")))?;
                return Ok(Begun::Started(Box::new(self.existing(before).await?)));
            }
            (Advanced::Superseded, _) => return Ok(Begun::Superseded),
            (Advanced::NotBrief, _) => return Ok(Begun::NotBrief),
            _ => return Err(Error::Cancelled(id)),
        };
        match state.deferred.take() {
            // What a delivery goes on with is a job as any other: no other signal or message waits for it.
            Some(job) if is_delivered => self.enqueue(*job),
            Some(job) => state = self.run_held(state, job, start.traceparent).await,
            None => {}
        }
        Ok(Begun::Started(Box::new(Started {
            id,
            definition_id: definition.row.id.clone(),
            definition_key: definition.row.key.clone(),
            tenant: definition.row.tenant.clone(),
            business_key: start.business_key,
            ended: state.instance.is_ended(),
            suspended: state.instance.is_suspended(),
            existing: false,
            variables: state.instance.variables(state.instance.root()).cloned(),
        })))
    }

    /// Runs the first job of a deferred start for its caller. Whatever happens to it, the instance is durable and is the answer.
    async fn run_held(self: &Arc<Self>, deferred: Box<State>, job: Box<Queued>, traceparent: Option<String>) -> Box<State> {
        let Queued { instance, wait, .. } = *job;
        let work = Work { traceparent, fresh: true, ..Work::new(instance, Input::RunJob { wait }) };
        let started = Instant::now();
        let advanced = self.advance_here(work).await;
        crate::metrics::job_ran(started.elapsed());
        match advanced {
            Ok(Advanced::Committed(state)) => state,
            Ok(Advanced::Contended) => {
                self.enqueue(Queued { fresh: false, ..*job });
                deferred
            }
            Ok(_) => {
                self.release(instance, wait).await;
                deferred
            }
            Err(error) => {
                tracing::warn!(%instance, "the started instance goes on by itself: {error}");
                self.enqueue(Queued { fresh: false, ..*job });
                deferred
            }
        }
    }

    /// What a key has started before, if anything.
    async fn started_before(&self, definition: &DefinitionRef, key: &str) -> Result<Option<KeyedStart>, Error> {
        check_idempotency_key(key)?;
        let start_key = match definition {
            DefinitionRef::Key { key: definition_key, tenant } => start_key(tenant.as_deref(), definition_key, key),
            DefinitionRef::Id(id) => match self.store.definition(id).await? {
                Some(row) => start_key(row.tenant.as_deref(), &row.key, key),
                None => return Ok(self.store.keyed_start_of(id, key).await?),
            },
        };
        Ok(self.store.keyed_start(&start_key).await?)
    }

    /// The answer to a start that was made before: the instance as it is now or, once it is over or deleted, as the key remembers it.
    async fn existing(&self, before: KeyedStart) -> Result<Started, Error> {
        let id = InstanceId(before.instance);
        let now = match self.view(id).await {
            Ok(view) => Some(view.instance),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(error),
        };
        Ok(Started {
            id,
            definition_id: before.definition_id,
            definition_key: before.definition_key,
            tenant: before.tenant,
            business_key: before.business_key,
            ended: now.is_none(),
            suspended: now.as_ref().is_some_and(Instance::is_suspended),
            existing: true,
            variables: now.and_then(|instance| instance.variables(instance.root()).cloned()),
        })
    }
}

/// Where a process begins that is started without a message. Of several none start events nobody has said which is meant: start
/// instructions do.
pub(crate) fn none_start(definition: &Definition) -> Result<ElementIndex, Error> {
    // As in Camunda 7 what starts by time can also be started by hand.
    let mut timers = definition.model.iter().filter(|(_, element)| {
        element.parent == Some(mandate_model::ROOT)
            && matches!(element.kind, mandate_model::ElementKind::StartEvent(mandate_model::StartTrigger::Timer(_)))
    });
    let only_timer = || timers.next().filter(|_| timers.next().is_none()).map(|(element, _)| element);
    let several: Vec<_> = definition.model.none_starts().map(|start| &*definition.model.element(start).id).collect();
    if let [first, _, ..] = several[..] {
        let all = several.join(", ");
        return Err(Error::Invalid(format!(
            "process {} has several none start events ({all}), each of which begins an instance: say at which by startInstructions, such as \
             [{{\"type\": \"startBeforeActivity\", \"activityId\": \"{first}\"}}]",
            definition.row.key
        )));
    }
    definition.model.start().or_else(only_timer).ok_or_else(|| {
        let reason = "it has no none start event, nor just one timer start event: start it by its message or signal";
        Error::NotStartable { id: definition.row.id.clone(), reason: reason.to_owned() }
    })
}

pub(crate) fn check_idempotency_key(key: &str) -> Result<(), Error> {
    if (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&key.len()) {
        return Ok(());
    }
    let limit = MAX_IDEMPOTENCY_KEY_BYTES;
    Err(Error::Invalid(format!("an Idempotency-Key has 1 to {limit} bytes; this one has {}", key.len())))
}

fn start_key(tenant: Option<&str>, definition_key: &str, key: &str) -> StartKey {
    StartKey { tenant: tenant.unwrap_or_default().to_owned(), definition_key: definition_key.to_owned(), key: key.to_owned() }
}

/// The id of an instance that a key starts: derived, so that a start that is tried again under the same key makes the same ledger keys.
fn derived_id(key: &StartKey) -> InstanceId {
    let mut hash = Sha256::new();
    for part in [&key.tenant, &key.definition_key, &key.key] {
        digest::add(&mut hash, part);
    }
    digest::instance(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_always_begun_the_same_instance() {
        let id = derived_id(&start_key(Some("acme"), "order", "once"));
        assert_eq!(id.to_string(), "c7c57724-2bbf-887f-8474-1c4ad3aa52ea");
    }
}
