//! Definitions with their bindings, loaded once: a definition never changes after its deployment.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use mandate_engine::{Code, Failure, Retry};
use mandate_model::{ElementIndex, ElementKind, Implementation, ProcessDefinition};
use mandate_store::query::DefinitionRow;

use crate::Error;
use crate::deploy::Mandate;

/// A deployed definition: the model and which digest does which task.
#[derive(Debug)]
pub struct Definition {
    /// Its row: id, key, version, tenant.
    pub row: DefinitionRow,
    /// What the engine walks.
    pub model: ProcessDefinition,
    bindings: HashMap<ElementIndex, Arc<Binding>>,
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
}

impl Definition {
    /// The binding of a service task. Every service task has one: a deployment without is refused.
    pub fn binding(&self, element: ElementIndex) -> Result<&Arc<Binding>, Failure> {
        self.bindings.get(&element).ok_or_else(|| Failure {
            code: Code::DelegateUnavailable,
            message: format!(
                "definition {} has no binding for '{}'; the store is damaged: run `mandate check-store`",
                self.row.id,
                self.model.element(element).id
            ),
            element: Some(element),
            retry: Retry::Never,
        })
    }

    /// Whether a delegate of this task may issue commands: then its unit's origin must be durable first.
    pub fn may_command(&self, element: ElementIndex) -> bool {
        self.bindings.get(&element).is_some_and(|binding| !binding.mandate.commands.is_empty())
    }

    /// Every binding, by the element that uses it.
    pub fn bindings(&self) -> impl Iterator<Item = (ElementIndex, &Arc<Binding>)> {
        self.bindings.iter().map(|(element, binding)| (*element, binding))
    }
}

/// How a model's reference is written in the bindings: the name, `name@requirement`, or `topic:name`.
pub(crate) fn reference(implementation: &Implementation) -> String {
    match implementation {
        Implementation::Delegate { name, requirement: None } => name.clone(),
        Implementation::Delegate { name, requirement: Some(requirement) } => format!("{name}@{requirement}"),
        Implementation::Topic(topic) => format!("topic:{topic}"),
    }
}

/// The service tasks of a model with the references they make.
pub(crate) fn references(model: &ProcessDefinition) -> impl Iterator<Item = (ElementIndex, &Implementation)> {
    model.iter().filter_map(|(index, element)| match &element.kind {
        ElementKind::ServiceTask(task) => Some((index, &task.implementation)),
        _ => None,
    })
}

/// The loaded definitions of this host, by id.
#[derive(Default)]
pub(crate) struct Definitions {
    loaded: RwLock<HashMap<String, Arc<Definition>>>,
}

impl Definitions {
    /// A definition, from memory or from the store.
    pub(crate) async fn get(&self, store: &mandate_store::Store, id: &str) -> Result<Arc<Definition>, Error> {
        if let Some(found) = self.loaded.read().expect("no holder of this lock panics").get(id) {
            return Ok(found.clone());
        }
        let definition = Arc::new(load(store, id).await?);
        self.loaded.write().expect("no holder of this lock panics").insert(id.to_owned(), definition.clone());
        Ok(definition)
    }

    /// Forgets deleted or changed definitions.
    pub(crate) fn forget(&self, ids: &[String]) {
        let mut loaded = self.loaded.write().expect("no holder of this lock panics");
        for id in ids {
            loaded.remove(id);
        }
    }
}

async fn load(store: &mandate_store::Store, id: &str) -> Result<Definition, Error> {
    let not_found = || Error::NotFound { what: "process definition", id: id.to_owned() };
    let row = store.definition(id).await?.ok_or_else(not_found)?;
    let bytes = store.resource_bytes(&row.deployment_id, &row.resource_name).await?.ok_or_else(not_found)?;
    let damaged = |what: &str| Error::Damaged(format!("definition {id} cannot be loaded: {what}"));
    let parsed = mandate_model::parse(&row.resource_name, &bytes)
        .map_err(|diagnostics| damaged(&diagnostics.first().map_or_else(String::new, ToString::to_string)))?;
    let model = parsed
        .processes
        .into_iter()
        .find(|process| *process.key == *row.key)
        .ok_or_else(|| damaged("its resource no longer has this process"))?;

    let mut by_reference = HashMap::new();
    for binding in store.bindings(id).await? {
        let mandate = serde_json::from_str(&binding.mandate).map_err(|error| damaged(&error.to_string()))?;
        let bound = Binding { delegate: binding.delegate, version: binding.version, digest: binding.digest, mandate };
        by_reference.insert(binding.reference, Arc::new(bound));
    }
    let bindings = references(&model)
        .filter_map(|(element, implementation)| Some((element, by_reference.get(&reference(implementation))?.clone())))
        .collect();
    Ok(Definition { row, model, bindings })
}
