//! Definitions with their bindings, kept in memory while there is room: a definition never changes after its deployment.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::future::BoxFuture;
use mandate_engine::{Code, Failure, Input, Retry};
use mandate_model::{ElementIndex, ElementKind, Implementation, ProcessDefinition};
use mandate_store::ElementRow;
use mandate_store::query::DefinitionRow;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

use crate::advance::Begin;
use crate::deploy::Mandate;
use crate::instances::DefinitionRef;
use crate::metrics::DelegateCounters;
use crate::unit::element_rows;
use crate::{Error, Inner};

/// The text of all models in memory, in bytes: a thousand models of ordinary size. A parsed model takes as much memory as its text where
/// that has a diagram, and five times as much where it has none. Instances of more definitions than that at one time are rare, and cost a
/// read and a parse each time one of the others comes back.
const MAX_MODEL_BYTES: u64 = 32 << 20;

/// How many models that is, roughly.
const MODELS: usize = 1_000;

/// Keys whose newest version is remembered: some hundred bytes each.
const MAX_NEWEST: usize = 10_000;

/// A deployed definition: the model and which digest does which task.
#[derive(Debug)]
pub struct Definition {
    /// Its row: id, key, version, tenant.
    pub row: DefinitionRow,
    /// What the engine walks.
    pub model: ProcessDefinition,
    /// By their references.
    bindings: HashMap<String, Arc<Binding>>,
    /// Elements whose jobs come to delegates with commands, as far as this host has seen: by their indices.
    alone: Vec<AtomicBool>,
    /// Start events from which instances come to delegates or calls at once, as far as this host has seen.
    calling: Vec<AtomicBool>,
    /// The size of the model's text.
    bytes: u64,
}

/// Which component does a task, pinned at deployment.
#[derive(Debug)]
pub struct Binding {
    /// The delegate's name.
    pub delegate: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the component, in hex.
    pub digest: String,
    /// What it may do.
    pub mandate: Mandate,
    counters: OnceLock<DelegateCounters>,
    /// Its last call on this host was answered, and soon.
    quick: AtomicBool,
}

/// A call that takes less is quick: not more than what it costs to store a unit of work.
const QUICK: Duration = Duration::from_millis(1);

impl Binding {
    pub(crate) fn counters(&self) -> &DelegateCounters {
        self.counters.get_or_init(|| DelegateCounters::of(&self.delegate))
    }

    /// Whether it may issue commands: then its unit's origin must be durable first.
    pub fn may_command(&self) -> bool {
        !self.mandate.commands.is_empty()
    }

    /// Whether its last call here was a quick one.
    pub(crate) fn is_quick(&self) -> bool {
        self.quick.load(Ordering::Relaxed)
    }

    /// A call has ended, so or otherwise, after this time on the clock.
    pub(crate) fn has_run(&self, answered: bool, took: Duration) {
        let quick = answered && took <= QUICK;
        if quick != self.is_quick() {
            self.quick.store(quick, Ordering::Relaxed);
        }
    }
}

impl Definition {
    /// What a delegate's name in an element is bound to. Every name is bound: a deployment without is refused.
    pub fn binding(&self, element: ElementIndex, implementation: &Implementation) -> Result<&Arc<Binding>, Failure> {
        self.bindings.get(&reference(implementation)).ok_or_else(|| Failure {
            code: Code::DelegateUnavailable,
            message: format!(
                "definition {} has no binding for '{}' of '{}'; the store is damaged: run `mandate check-store`",
                self.row.id,
                reference(implementation),
                self.model.element(element).id
            ),
            element: Some(element),
            retry: Retry::Never,
        })
    }

    /// What does an element's own work, if a delegate does it.
    pub(crate) fn doer(&self, element: ElementIndex) -> Option<&Arc<Binding>> {
        match &self.model.element(element).kind {
            ElementKind::ServiceTask(task) => self.bindings.get(&reference(&task.implementation)),
            _ => None,
        }
    }

    /// Whether a task waits for a worker.
    pub(crate) fn is_external(&self, element: ElementIndex) -> bool {
        matches!(&self.model.element(element).kind, ElementKind::ServiceTask(task) if task.by_worker)
    }

    /// Whether a job at an element is known to come to a delegate with commands: no unit takes it along.
    pub(crate) fn runs_alone(&self, element: ElementIndex) -> bool {
        self.alone[element.0 as usize].load(Ordering::Relaxed)
    }

    /// A job at this element has come to one.
    pub(crate) fn stops_along(&self, element: ElementIndex) {
        self.alone[element.0 as usize].store(true, Ordering::Relaxed);
    }

    /// Whether a start at this event is known to call somebody at once: it is not tried as a brief one.
    pub(crate) fn calls_from(&self, start: ElementIndex) -> bool {
        self.calling[start.0 as usize].load(Ordering::Relaxed)
    }

    /// A unit that begins with this input has come to a delegate or to a call.
    pub(crate) fn is_not_brief(&self, input: &Input) {
        if let Input::Start { element, .. } = input {
            self.calling[element.0 as usize].store(true, Ordering::Relaxed);
        }
    }

    /// Whether any of its delegates may issue commands.
    pub fn sends(&self) -> bool {
        self.bindings.values().any(|binding| binding.may_command())
    }

    /// Every binding, by the element that uses it, for its work or for a listener.
    pub fn bindings(&self) -> impl Iterator<Item = (ElementIndex, &Arc<Binding>)> {
        self.model.references().filter_map(|it| Some((it.index, self.bindings.get(&reference(it.implementation))?)))
    }
}

/// How a model's reference is written in the bindings: the name, `name@requirement`, or `topic:name`.
pub(crate) fn reference(implementation: &Implementation) -> String {
    match implementation {
        Implementation::Delegate { name, requirement: None } => name.clone(),
        Implementation::Delegate { name, requirement: Some(requirement) } => format!("{name}@{requirement}"),
        Implementation::Topic(topic) => topic_reference(topic),
    }
}

fn topic_reference(topic: &str) -> String {
    format!("topic:{topic}")
}

/// The loaded definitions of this host, by id. What units of work use stays alive with them, in memory or not.
pub(crate) struct Definitions {
    loaded: Cache<String, Arc<Definition>, ByText>,
    /// Ids of the newest versions, by key and tenant, as they were last looked up. Whoever starts one has the commit say whether it still
    /// is.
    newest: Mutex<HashMap<(String, Option<String>), String>>,
}

#[derive(Clone)]
struct ByText;

impl Weighter<String, Arc<Definition>> for ByText {
    fn weight(&self, _: &String, definition: &Arc<Definition>) -> u64 {
        definition.bytes.max(1)
    }
}

impl Definitions {
    /// Keeps models of so many bytes altogether.
    pub(crate) fn new(max_bytes: u64) -> Self {
        let mut options = OptionsBuilder::new();
        // One part: in several, the largest model could be larger than its part and would be loaded again for every unit.
        let options =
            options.shards(1).estimated_items_capacity(MODELS).weight_capacity(max_bytes).build().expect("both capacities are set");
        let loaded = Cache::with_options(options, ByText, DefaultHashBuilder::default(), DefaultLifecycle::default());
        Self { loaded, newest: Mutex::default() }
    }

    /// A definition, from memory or from the store. Whoever asks for one that is just being loaded waits for it.
    pub(crate) async fn get(&self, store: &mandate_store::Store, id: &str) -> Result<Arc<Definition>, Error> {
        self.loaded.get_or_insert_async(id, async { Ok(Arc::new(load(store, id).await?)) }).await
    }

    /// The same for a list: none of one that cannot be read, which is said in the log, and none of one that was deleted meanwhile. It does
    /// not hide the others.
    pub(crate) async fn get_if_readable(&self, store: &mandate_store::Store, id: &str) -> Result<Option<Arc<Definition>>, Error> {
        match self.get(store, id).await {
            Err(error @ Error::DefinitionUnreadable { .. }) => {
                tracing::warn!("what a list says of others is without it: {error}");
                Ok(None)
            }
            Err(Error::NotFound { .. }) => Ok(None),
            definition => definition.map(Some),
        }
    }

    /// The id of the newest version of a key when it was last looked up, which may be long ago.
    pub(crate) async fn newest(&self, store: &mandate_store::Store, key: &str, tenant: Option<&str>) -> Result<Option<String>, Error> {
        let name = (key.to_owned(), tenant.map(str::to_owned));
        if let Some(id) = self.newest.lock().expect("no holder of this lock panics").get(&name) {
            return Ok(Some(id.clone()));
        }
        let Some(row) = store.latest_definition(key, tenant).await? else { return Ok(None) };
        let mut newest = self.newest.lock().expect("no holder of this lock panics");
        if newest.len() >= MAX_NEWEST {
            newest.clear();
        }
        newest.insert(name, row.id.clone());
        Ok(Some(row.id))
    }

    /// Forgets what a reference meant, so that the store is asked the next time. Answers whether anything was remembered.
    pub(crate) fn look_again(&self, reference: &DefinitionRef) -> bool {
        match reference {
            DefinitionRef::Id(id) => self.loaded.remove(id).is_some(),
            DefinitionRef::Key { key, tenant } => {
                let name = (key.clone(), tenant.clone());
                let id = self.newest.lock().expect("no holder of this lock panics").remove(&name);
                id.inspect(|id| drop(self.loaded.remove(id))).is_some()
            }
        }
    }

    /// Forgets deleted definitions, also those that are just being loaded.
    pub(crate) fn forget(&self, ids: &[String]) {
        for id in ids {
            self.loaded.remove(id);
        }
    }
}

impl Default for Definitions {
    fn default() -> Self {
        Self::new(MAX_MODEL_BYTES)
    }
}

impl Inner {
    /// The definition of an instance. That it is not there is not the fault of whoever asks for the instance.
    pub(crate) async fn definition_of(&self, id: &str) -> Result<Arc<Definition>, Error> {
        self.definitions.get(&self.store, id).await.map_err(|error| match error {
            Error::NotFound { .. } => Error::DefinitionUnreadable { id: id.to_owned(), reason: "it is not in the store".to_owned() },
            error => error,
        })
    }
}

impl Inner {
    /// Whether a start that was refused something was begun from a definition that it does not mean any more. A suspended one is an error.
    pub(crate) async fn is_superseded(&self, begin: &Begin) -> Result<bool, Error> {
        let Definition { row, .. } = &*begin.definition;
        let newest = if begin.newest {
            self.store.latest_definition(&row.key, row.tenant.as_deref()).await?
        } else {
            self.store.definition(&row.id).await?
        };
        match newest {
            Some(found) if found.id == row.id && found.suspended => Err(suspended(&begin.definition)),
            Some(found) if found.id == row.id => Ok(false),
            _ => Ok(begin.newest),
        }
    }
}

/// No instance of it may start.
pub(crate) fn suspended(definition: &Definition) -> Error {
    Error::NotStartable { id: definition.row.id.clone(), reason: "it is suspended".to_owned() }
}

/// What a definition was deployed as.
pub(crate) struct Source {
    /// Its file.
    pub(crate) bytes: Vec<u8>,
    /// The scripts that its file has in others, by their names.
    pub(crate) scripts: BTreeMap<String, Vec<u8>>,
}

impl Source {
    /// None if its file is not in the store.
    pub(crate) async fn of(store: &mandate_store::Store, row: &DefinitionRow) -> Result<Option<Self>, Error> {
        let Some(bytes) = store.resource_bytes(&row.deployment_id, &row.resource_name).await? else { return Ok(None) };
        let mut scripts = BTreeMap::new();
        for name in mandate_model::script_files(&bytes) {
            let script = store.resource_bytes(&row.deployment_id, &name).await?;
            scripts.extend(script.map(|script| (name, script)));
        }
        Ok(Some(Self { bytes, scripts }))
    }
}

/// Snapshots and history name elements by their numbers. Whoever numbers them otherwise than the version that deployed the model would have
/// tokens stand at other elements. Answers what is different, if anything is.
fn renumbered(now: &[ElementRow], deployed: &[(i64, String, String)]) -> Option<String> {
    let now: Vec<_> = now.iter().map(|row| (row.n, row.activity_id.as_str())).collect();
    let deployed: Vec<_> = deployed.iter().map(|(n, id, _)| (*n, id.as_str())).collect();
    if now == deployed {
        return None;
    }
    let same = now.iter().zip(&deployed).take_while(|(now, deployed)| now == deployed).count();
    let said = |row: Option<&(i64, &str)>| row.map_or("nothing".to_owned(), |(n, id)| format!("'{id}' (number {n})"));
    Some(format!(
        "this version finds {} in its model where {} was deployed, so it cannot tell where instances stand; serve it with the version that \
         deployed it",
        said(now.get(same)),
        said(deployed.get(same))
    ))
}

fn load<'a>(store: &'a mandate_store::Store, id: &'a str) -> BoxFuture<'a, Result<Definition, Error>> {
    Box::pin(read(store, id))
}

async fn read(store: &mandate_store::Store, id: &str) -> Result<Definition, Error> {
    let not_found = || Error::NotFound { what: "process definition", id: id.to_owned() };
    let row = store.definition(id).await?.ok_or_else(not_found)?;
    let unreadable = |reason: &str| Error::DefinitionUnreadable { id: id.to_owned(), reason: reason.to_owned() };
    let Source { bytes, scripts } = Source::of(store, &row).await?.ok_or_else(|| unreadable("its resource is not in the store"))?;
    let parsed = mandate_model::parse_stored(&row.resource_name, &bytes, &|name| scripts.get(name).map(Vec::as_slice))
        .map_err(|diagnostics| unreadable(&diagnostics.first().map_or_else(String::new, ToString::to_string)))?;
    let mut model = parsed
        .processes
        .into_iter()
        .find(|process| *process.key == *row.key)
        .ok_or_else(|| unreadable("its resource does not have this process"))?;
    model.id = Some(row.id.as_str().into());
    let difference = renumbered(&element_rows(&model, |_| None), &store.elements(&row).await?);
    difference.map_or(Ok(()), |difference| Err(unreadable(&difference)))?;

    let mut by_reference = HashMap::new();
    for binding in store.bindings(id).await? {
        let mandate = serde_json::from_str(&binding.mandate).map_err(|error| unreadable(&error.to_string()))?;
        let (counters, quick) = (OnceLock::new(), AtomicBool::new(false));
        let bound = Binding { delegate: binding.delegate, version: binding.version, digest: binding.digest, mandate, counters, quick };
        by_reference.insert(binding.reference, Arc::new(bound));
    }
    model.serve_topics(|topic| by_reference.contains_key(&topic_reference(topic)));
    let none = || model.iter().map(|_| AtomicBool::new(false)).collect();
    let (alone, calling) = (none(), none());
    Ok(Definition { row, model, bindings: by_reference, alone, calling, bytes: bytes.len() as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::Upload;
    use crate::{ClockSource, Config, Runtime, StoreConfig, wasm};

    async fn host(dir: &std::path::Path) -> Runtime {
        let store = StoreConfig::new(format!("sqlite:{}", dir.join("mandate.db").display()));
        let sandbox = wasm::Config::new(dir.join("components"), wasm::Compiler::InProcess);
        Runtime::open(Config { store, sandbox, catalogue: None, execute_jobs: false, clock: ClockSource::System, history_cleanup: None })
            .await
            .expect("the host opens")
    }

    /// Deploys a process with this id, and answers its definition's.
    async fn deploy(runtime: &Runtime, key: &str) -> String {
        let model = format!(
            r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="test"><process id="{key}" isExecutable="true">
              <startEvent id="s"/><endEvent id="e"/><sequenceFlow id="f" sourceRef="s" targetRef="e"/></process></definitions>"#
        );
        let upload = Upload { resources: vec![(format!("{key}.bpmn"), model.into_bytes())], ..Upload::default() };
        runtime.deploy(upload).await.expect("deployed").definitions.remove(0).id
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn models_take_no_more_memory_than_they_may_and_come_back_when_they_are_asked_for() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let runtime = host(dir.path()).await;
        let store = &runtime.0.store;
        let mut ids = Vec::new();
        for n in 0..20 {
            ids.push(deploy(&runtime, &format!("p{n:02}")).await);
        }
        let size = runtime.definition(&ids[0]).await.expect("loaded").bytes;
        let definitions = Definitions::new(size * 5);
        let in_use = definitions.get(store, &ids[0]).await.expect("loaded");
        for id in ids.iter().chain(&ids) {
            assert_eq!(definitions.get(store, id).await.expect("loaded").row.id, *id);
            assert!(definitions.loaded.weight() <= size * 5, "{} bytes", definitions.loaded.weight());
        }
        assert!(definitions.loaded.len() >= 3, "there is room for five");
        assert_eq!(in_use.row.key, "p00");
        // One that is larger than all the room is used all the same.
        let narrow = Definitions::new(1);
        assert_eq!(narrow.get(store, &ids[0]).await.expect("loaded").row.key, "p00");
        runtime.shut_down(std::time::Duration::from_secs(5)).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_definition_that_many_ask_for_is_loaded_once_and_forgotten_when_it_is_deleted() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let runtime = host(dir.path()).await;
        let id = deploy(&runtime, "p").await;
        let asking: Vec<_> = (0..50)
            .map(|_| {
                tokio::spawn({
                    let (runtime, id) = (runtime.clone(), id.clone());
                    async move { runtime.definition(&id).await }
                })
            })
            .collect();
        let first = runtime.definition(&id).await.expect("loaded");
        for asked in asking {
            assert!(Arc::ptr_eq(&first, &asked.await.expect("a task").expect("loaded")));
        }
        runtime.delete_deployment(&first.row.deployment_id, false).await.expect("deleted");
        assert!(matches!(runtime.definition(&id).await, Err(Error::NotFound { .. })));
        runtime.shut_down(std::time::Duration::from_secs(5)).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_start_by_key_is_refused_nothing_because_of_a_version_that_is_only_remembered() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let runtime = host(dir.path()).await;
        let start = async || {
            let start = crate::Start::of_key("p", mandate_engine::Variables::new());
            runtime.start(start).await.map(|started| started.definition_id)
        };
        assert!(matches!(start().await, Err(Error::NotFound { .. })));
        let by_message = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="test">
          <message id="m" name="go"/><process id="p" isExecutable="true">
          <startEvent id="s"><messageEventDefinition messageRef="m"/></startEvent><endEvent id="e"/>
          <sequenceFlow id="f" sourceRef="s" targetRef="e"/></process></definitions>"#;
        let upload = Upload { resources: vec![("p.bpmn".into(), by_message.as_bytes().to_vec())], ..Upload::default() };
        runtime.deploy(upload).await.expect("deployed");
        assert!(matches!(start().await, Err(Error::NotStartable { .. })));
        let second = deploy(&runtime, "p").await;
        assert_eq!(start().await.expect("started"), second);
        let third = deploy(&runtime, "p").await;
        assert_eq!(start().await.expect("started"), third);
        // The newest goes, and the one before is the newest again.
        let deployment = runtime.definition(&third).await.expect("loaded").row.deployment_id.clone();
        runtime.delete_deployment(&deployment, true).await.expect("deleted");
        assert_eq!(start().await.expect("started"), second);
        runtime.suspend_definition(&second, true, crate::Extent::Definitions).await.expect("suspended");
        assert!(matches!(start().await, Err(Error::NotStartable { id, .. }) if id == second));
        runtime.shut_down(std::time::Duration::from_secs(5)).await;
    }
}
