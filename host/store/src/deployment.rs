//! What a deployment writes.

use crate::query::{DefinitionRow, DelegateListed};
use crate::rows::{EventKind, OperationRow};
use crate::start_timers::NewStartTimer;

/// One atomic upload, checked and resolved.
#[derive(Clone, Debug)]
pub struct DeploymentWrite {
    /// A UUID as text.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Who made it.
    pub source: Option<String>,
    /// Whose it is.
    pub tenant: Option<String>,
    /// When, milliseconds since 1970, by the clock of whoever deploys. Each deployment is later than those before it: where the clock is
    /// behind, it counts as a millisecond after the last one.
    pub at: i64,
    /// The delegates that were there when it was checked. If they are others by now nothing is stored. None: it does not depend on them.
    pub seen: Option<DelegatesSeen>,
    /// Digest of everything that makes it what it is.
    pub content_digest: String,
    /// If the newest deployment of this name and tenant has the same digest, nothing is stored.
    pub filter_duplicates: bool,
    /// The uploaded files. One whose bytes are an artifact's shares them.
    pub resources: Vec<Resource>,
    /// Components by SHA-256 digest, in hex. One that is there already is kept.
    pub artifacts: Vec<(String, Vec<u8>)>,
    /// The delegates that these components are.
    pub delegates: Vec<DelegateRow>,
    /// The processes.
    pub definitions: Vec<NewDefinition>,
    /// Free strings, as JSON.
    pub metadata: String,
    /// What an operator did with it, if it is theirs.
    pub operations: Vec<OperationRow>,
}

/// An uploaded file.
#[derive(Clone, Debug)]
pub struct Resource {
    /// A UUID as text.
    pub id: String,
    /// The file's name.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A delegate that a deployment brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegateRow {
    /// The name models refer to.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// SHA-256 of its component, in hex.
    pub digest: String,
    /// What it may do, as JSON.
    pub mandate: String,
    /// External-task topics that it serves.
    pub topics: Vec<String>,
}

/// A process to be deployed; the store gives it its version and id.
#[derive(Clone, Debug)]
pub struct NewDefinition {
    /// The BPMN process id.
    pub key: String,
    /// The process's name.
    pub name: Option<String>,
    /// `camunda:versionTag`.
    pub version_tag: Option<String>,
    /// `camunda:historyTimeToLive`, in days.
    pub history_ttl: Option<i64>,
    /// The `targetNamespace` of its file.
    pub category: Option<String>,
    /// Task lists offer to start it.
    pub startable_in_tasklist: bool,
    /// Who is to start it.
    pub starters: Vec<String>,
    /// The file it is in.
    pub resource_name: String,
    /// Digest of its BPMN and of what its references resolve to.
    pub identity: String,
    /// What its references resolve to.
    pub bindings: Vec<BindingRow>,
    /// What history says of its elements.
    pub elements: Vec<ElementRow>,
    /// What starts it besides its name.
    pub start_events: Vec<StartEventRow>,
    /// Timers that start it.
    pub start_timers: Vec<NewStartTimer>,
}

/// What history says of everything that happens at an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElementRow {
    /// Its number among the definition's, from 0; each has its own.
    pub n: i64,
    /// BPMN id.
    pub activity_id: String,
    /// Name in the model.
    pub name: Option<String>,
    /// Camunda's activity type, such as `serviceTask`.
    pub kind: String,
    /// The delegate that does its work, and SHA-256 of its component, in hex.
    pub delegate: Option<(String, String)>,
}

/// A start event that something triggers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartEventRow {
    /// What triggers it.
    pub kind: EventKind,
    /// The message's or signal's name; empty of a condition.
    pub name: String,
    /// BPMN id of the start event.
    pub activity_id: String,
}

/// What a reference of a definition resolves to, for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BindingRow {
    /// As the model says it.
    pub reference: String,
    /// The delegate's name.
    pub delegate: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of its component, in hex.
    pub digest: String,
    /// What it may do, as JSON.
    pub mandate: String,
}

/// Tells the delegates that are deployed for a tenant, or for none, from those of any other moment.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DelegatesSeen {
    /// How many there are.
    pub(crate) count: i64,
    /// The deployment of the newest. Each deployment is later than those before it: so many delegates with the same newest are the same.
    pub(crate) newest: Option<String>,
}

impl DelegatesSeen {
    /// Of what [`Store::delegates`](crate::query::Reads::delegates) answers.
    pub fn of(delegates: &[DelegateListed]) -> Self {
        let count = i64::try_from(delegates.len()).expect("a list fits into memory");
        Self { count, newest: delegates.last().map(|newest| newest.deployment_id.clone()) }
    }
}

/// A deployment that is stored.
#[derive(Clone, Debug)]
pub struct Deployed {
    /// Its id; the earlier one's if it existed.
    pub id: String,
    /// Identical content was there already and nothing was stored.
    pub existing: bool,
    /// Its definitions.
    pub definitions: Vec<DefinitionRow>,
    /// When it was stored first.
    pub at: i64,
}

/// How deleting a deployment, or definitions of one, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeploymentDeletion {
    /// It is gone, with these definitions.
    Deleted {
        /// Their ids.
        definitions: Vec<String>,
    },
    /// There is no such deployment, or one of the definitions is not there.
    NotFound,
    /// Instances of other deployments' definitions have called instances of its definitions, and wait for their end.
    Called {
        /// How many.
        callers: i64,
    },
    /// It is used.
    Refused {
        /// Live instances of its definitions.
        instances: i64,
        /// Bindings of other deployments' definitions to its delegates.
        bindings: i64,
    },
    /// Messages along message flows are on their way to its definitions.
    Awaited {
        /// How many.
        messages: i64,
    },
    /// Other versions become the newest of their keys than those whose timers were to be opened again: another deployment came between.
    Moved,
}
