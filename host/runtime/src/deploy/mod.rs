//! Deployment: one atomic upload. Everything is checked before anything is stored; every reference is pinned to a digest.
//!
//! A definition's identity is its BPMN *and* what it resolves to, so that the same diagram with one changed delegate is a new version.

mod calls;
mod manifest;
mod problems;
mod resolve;
mod starts;

use std::collections::BTreeMap;
use std::fmt;

use futures_util::future::BoxFuture;
use mandate_commands::Catalogue;
use mandate_model::Position;
use mandate_store::query::DefinitionRow;
use mandate_store::{BindingRow, DelegatesSeen, Deployed, DeploymentWrite, EventKind, NewDefinition, OperationRow, Resource};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{Error, Inner};

pub use manifest::{DelegateSection, MANIFEST, Mandate, Manifest, Placed};
use problems::Problems;
use resolve::Candidate;
pub(crate) use resolve::{Available, identity, start_events};

/// What a client uploads.
#[derive(Clone, Debug, Default)]
pub struct Upload {
    /// `deployment-name`.
    pub name: Option<String>,
    /// `deployment-source`.
    pub source: Option<String>,
    /// `tenant-id`.
    pub tenant: Option<String>,
    /// `enable-duplicate-filtering`: identical content is recognised and nothing new is stored.
    pub filter_duplicates: bool,
    /// Say everything, store nothing.
    pub dry_run: bool,
    /// Files by name.
    pub resources: Vec<(String, Vec<u8>)>,
}

/// Something wrong, or worth knowing, in an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// Errors refuse the deployment, warnings do not.
    pub is_error: bool,
    /// The file.
    pub resource: String,
    /// From 1; 0 when there is none.
    pub line: u32,
    /// From 1; 0 when there is none.
    pub column: u32,
    /// The BPMN element.
    pub element_id: Option<String>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// What a deployment did, or in a dry run would do.
#[derive(Debug)]
pub struct Report {
    /// The deployment's id; none in a dry run.
    pub id: Option<String>,
    /// Identical content was there already: nothing was stored.
    pub existing: bool,
    /// Its name.
    pub name: Option<String>,
    /// Its source.
    pub source: Option<String>,
    /// Whose.
    pub tenant: Option<String>,
    /// When, in milliseconds since 1970.
    pub at: i64,
    /// The definitions it made; in a dry run without their versions.
    pub definitions: Vec<DefinitionRow>,
    /// Every reference with the digest it is pinned to.
    pub bindings: Vec<PinnedBinding>,
    /// Warnings.
    pub warnings: Vec<Problem>,
}

/// A reference and what it resolved to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PinnedBinding {
    /// The definition's key.
    pub process_definition_key: String,
    /// As the model says it.
    pub reference: String,
    /// The delegate's name.
    pub delegate: String,
    /// Its version.
    pub version: String,
    /// SHA-256 of the component, in hex.
    pub digest: String,
    /// The commands it is granted.
    pub commands: Vec<String>,
}

impl Problem {
    /// An error about a whole file.
    pub fn error(resource: &str, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            is_error: true,
            resource: resource.to_owned(),
            line: 0,
            column: 0,
            element_id: None,
            message: message.into(),
            help: help.into(),
        }
    }

    /// The same, with its place in the file.
    #[must_use]
    pub fn at(self, Position { line, column }: Position) -> Self {
        Self { line, column, ..self }
    }

    fn of(diagnostic: mandate_model::Diagnostic) -> Self {
        Self {
            is_error: diagnostic.severity == mandate_model::Severity::Error,
            resource: diagnostic.file,
            line: diagnostic.line,
            column: diagnostic.column,
            element_id: diagnostic.element_id,
            message: diagnostic.message,
            help: diagnostic.help,
        }
    }
}

impl PinnedBinding {
    fn of(key: &str, binding: &BindingRow) -> Self {
        Self {
            process_definition_key: key.to_owned(),
            reference: binding.reference.clone(),
            delegate: binding.delegate.clone(),
            version: binding.version.clone(),
            digest: binding.digest.clone(),
            commands: serde_json::from_str::<Mandate>(&binding.mandate).map(|mandate| mandate.commands).unwrap_or_default(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.resource)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}: {}", if self.is_error { "error" } else { "warning" }, self.message)?;
        if let Some(element) = &self.element_id {
            write!(f, " (element '{element}')")?;
        }
        if !self.help.is_empty() {
            write!(f, "\n  help: {}", self.help)?;
        }
        Ok(())
    }
}

/// An upload that has passed every check.
struct Checked {
    manifest: Manifest,
    artifacts: BTreeMap<String, Vec<u8>>,
    delegates: Vec<mandate_store::DelegateRow>,
    definitions: Vec<NewDefinition>,
    bindings: Vec<PinnedBinding>,
    warnings: Vec<Problem>,
    /// Start events whose message starts a deployed process: refused, unless the upload turns out to be there already.
    taken: Vec<Problem>,
}

/// What was found at one moment of what is deployed.
struct Found {
    checked: Checked,
    seen: DelegatesSeen,
    at: i64,
}

/// So often an upload is checked again because others have deployed or deleted delegates meanwhile.
const MAX_CHECKS: u32 = 100;

impl Inner {
    /// Deploys an upload under an id, and logs whose operation that was.
    pub(crate) fn deploy(&self, id: String, upload: Upload, operations: Vec<OperationRow>) -> BoxFuture<'_, Result<Report, Error>> {
        Box::pin(self.deploy_as_found(id, upload, operations))
    }

    async fn deploy_as_found(&self, id: String, mut upload: Upload, operations: Vec<OperationRow>) -> Result<Report, Error> {
        for _ in 0..MAX_CHECKS {
            let found;
            (upload, found) = self.look(upload).await?;
            match self.deploy_found(&id, &upload, found, &operations).await {
                Err(Error::Store(mandate_store::Error::DelegatesMoved)) => {}
                deployed => return deployed,
            }
        }
        let message = "others deploy and delete delegates faster than this upload can be checked against them; repeat it";
        Err(Error::Conflict(message.to_owned()))
    }

    /// Checks an upload against what is deployed. One upload at a time, and beside the requests: each may be as large as the limit says.
    async fn look(&self, upload: Upload) -> Result<(Upload, Found), Error> {
        let alone = self.checking.clone().lock_owned().await;
        let available = Available {
            earlier: self.store.delegates(upload.tenant.as_deref()).await?,
            starts: self.store.start_events_of(EventKind::Message, upload.tenant.as_deref()).await?,
            catalogue: self.catalogue.clone(),
            caps: self.caps.clone(),
        };
        let at = self.clock.now_ms();
        let work = move || {
            // Also when the client has hung up meanwhile.
            let _alone = alone;
            let checked = check(&upload, &available, at);
            (upload, checked, DelegatesSeen::of(&available.earlier))
        };
        let (upload, checked, seen) = tokio::task::spawn_blocking(work).await?;
        Ok((upload, Found { checked: checked.map_err(Error::Deployment)?, seen, at }))
    }

    /// Compiles and stores an upload that has passed the checks, or says what that would come to.
    async fn deploy_found(&self, id: &str, upload: &Upload, found: Found, operations: &[OperationRow]) -> Result<Report, Error> {
        let Found { checked, seen, at } = found;
        if !checked.taken.is_empty() && (upload.dry_run || !upload.filter_duplicates) {
            return Err(Error::Deployment(checked.taken.into_iter().chain(checked.warnings).collect()));
        }
        self.compile(&checked).await?;
        let name = upload.name.clone().or_else(|| checked.manifest.deployment.name.clone());
        let mut report = Report {
            id: None,
            existing: false,
            name: name.clone(),
            source: upload.source.clone(),
            tenant: upload.tenant.clone(),
            at,
            definitions: Vec::new(),
            bindings: checked.bindings,
            warnings: checked.warnings,
        };
        if upload.dry_run {
            return Ok(report);
        }
        let write = DeploymentWrite {
            id: id.to_owned(),
            name,
            operations: operations.to_vec(),
            source: upload.source.clone(),
            tenant: upload.tenant.clone(),
            at,
            seen: Some(seen),
            content_digest: content_digest(&upload.resources, &checked.definitions),
            filter_duplicates: upload.filter_duplicates,
            // A component's bytes are kept once, as an artifact; the resource names its digest.
            resources: upload
                .resources
                .iter()
                .map(|(name, bytes)| Resource { id: uuid::Uuid::now_v7().to_string(), name: name.clone(), bytes: bytes.clone() })
                .collect(),
            artifacts: checked.artifacts.into_iter().collect(),
            delegates: checked.delegates,
            definitions: checked.definitions,
            metadata: serde_json::to_string(&checked.manifest.deployment.metadata).expect("texts always serialise"),
        };
        let new = write.definitions.clone();
        let deployed = self.store.deploy(write).await.map_err(|error| starts::refused(error, checked.taken, &new))?;
        let Deployed { id, existing, definitions, at } = deployed;
        tracing::info!(deployment = %id, existing, definitions = definitions.len(), "deployed");
        if existing {
            report.bindings = self.stored_bindings(&definitions).await?;
        }
        report.id = Some(id);
        report.existing = existing;
        report.definitions = definitions;
        if new.iter().any(|definition| !definition.start_timers.is_empty()) {
            self.executor.look_again();
        }
        report.at = at;
        Ok(report)
    }

    async fn stored_bindings(&self, definitions: &[DefinitionRow]) -> Result<Vec<PinnedBinding>, Error> {
        let mut pinned = Vec::new();
        for definition in definitions {
            let bindings = self.store.bindings(&definition.id).await?;
            pinned.extend(bindings.iter().map(|binding| PinnedBinding::of(&definition.key, binding)));
        }
        Ok(pinned)
    }

    /// Compiles the upload's components, before anything is stored: what cannot be compiled must not be deployed.
    async fn compile(&self, checked: &Checked) -> Result<(), Error> {
        for (digest, bytes) in &checked.artifacts {
            if let Err(error) = self.sandbox.prepare(digest, bytes).await {
                let delegate = checked.delegates.iter().find(|delegate| delegate.digest == *digest);
                let name = delegate.map_or("component", |delegate| &delegate.name);
                let help = if error.is_the_hosts() {
                    "the component need not be at fault: deploy it again, on another host or later"
                } else {
                    "build it with the tool chain's release profile and check it with `wasm-tools validate`"
                };
                return Err(Error::Deployment(vec![Problem::error(name, format!("cannot be compiled: {error}"), help)]));
            }
        }
        Ok(())
    }
}

/// Everything a deployment of these files would say, without a host: for `mandate check`.
pub fn check_offline(
    resources: Vec<(String, Vec<u8>)>,
    catalogue: std::sync::Arc<Catalogue>,
) -> Result<(Vec<PinnedBinding>, Vec<Problem>), Vec<Problem>> {
    let upload = Upload { resources, ..Upload::default() };
    let (earlier, starts) = (Vec::new(), Vec::new());
    let available = Available { earlier, starts, catalogue, caps: mandate_wasm::Limits::ceiling() };
    // Timers that start processes are read, and not set.
    check(&upload, &available, 0).map(|checked| (checked.bindings, checked.warnings))
}

fn check(upload: &Upload, available: &Available, now: i64) -> Result<Checked, Vec<Problem>> {
    check_names(&upload.resources)?;
    let mut problems = Problems::default();
    let manifest = upload.resources.iter().find(|(name, _)| name == MANIFEST);
    let (manifest, found) = manifest.map(|(_, bytes)| Manifest::read(bytes)).unwrap_or_default();
    problems.extend(found);
    let candidates = available.candidates(upload, &manifest, &mut problems);

    let mut models = Vec::new();
    let mut definitions = Vec::new();
    let mut pinned = Vec::new();
    for (name, bytes) in upload.resources.iter().filter(|(name, _)| is_bpmn(name)) {
        if problems.is_full() {
            problems.leave_out_errors();
            break;
        }
        let mut of_file = Problems::default();
        let scripts: Vec<_> = mandate_model::script_files(bytes).iter().filter_map(|file| resource(upload, file)).collect();
        match mandate_model::parse_with(name, bytes, &|file| resource(upload, file)) {
            Err(diagnostics) => {
                of_file.extend(diagnostics.into_iter().map(Problem::of));
                mandate_model::references_of(bytes, &|file| resource(upload, file), &mut |reference| {
                    resolve::find_for(name, &reference, &candidates, &mut of_file);
                });
            }
            Ok(parsed) => {
                of_file.extend(parsed.warnings.into_iter().map(Problem::of));
                for model in parsed.processes {
                    let definition = resolve::resolve((name, bytes, &scripts), &model, &candidates, now, &mut of_file);
                    pinned.extend(definition.bindings.iter().map(|binding| PinnedBinding::of(&model.key, binding)));
                    definitions.push(definition);
                    models.push((name.as_str(), model));
                }
            }
        }
        problems.append_sorted(of_file);
    }
    if problems.is_full() {
        // Not all files were read: what they do not have may be in the others.
        return Err(all(problems, Problems::default()));
    }
    check_unique(&definitions, &mut problems);
    calls::check(&models, &mut problems);
    let taken = starts::check(&models, &available.starts, &mut problems);
    if definitions.is_empty() && !problems.has_errors() && candidates.iter().all(|candidate| !candidate.is_new()) {
        let message = "holds neither a process that is executable nor a component";
        problems.push(Problem::error("upload", message, "add a .bpmn or a .wasm file"));
    }
    if problems.has_errors() {
        return Err(all(problems, taken));
    }
    let ((_, warnings), (taken, _)) = (problems.into_lists(), taken.into_lists());
    let new = || candidates.iter().filter(|candidate| candidate.is_new());
    Ok(Checked {
        manifest,
        artifacts: new().filter_map(|candidate| Some((candidate.digest.clone(), candidate.bytes.clone()?))).collect(),
        delegates: new().map(Candidate::row).collect(),
        definitions,
        bindings: pinned,
        warnings,
        taken,
    })
}

/// Errors before warnings.
fn all(problems: Problems, taken: Problems) -> Vec<Problem> {
    let ((errors, warnings), (taken, _)) = (problems.into_lists(), taken.into_lists());
    errors.into_iter().chain(taken).chain(warnings).collect()
}

/// The contents of a file of an upload.
fn resource<'a>(upload: &'a Upload, name: &str) -> Option<&'a [u8]> {
    upload.resources.iter().find(|(file, _)| file == name).map(|(_, bytes)| &bytes[..])
}

/// Camunda 7's suffixes of a BPMN resource, which it compares as they are written.
fn is_bpmn(name: &str) -> bool {
    [".bpmn", ".bpmn20.xml"].iter().any(|suffix| name.ends_with(suffix))
}

fn is_wasm(name: &str) -> bool {
    name.strip_suffix(".wasm").is_some()
}

/// The longest name of a resource, as wide as a column of Camunda's.
const MAX_NAME_BYTES: usize = 255;

/// Refuses files that cannot be told apart. Nothing else is said of them: every problem names its file.
fn check_names(resources: &[(String, Vec<u8>)]) -> Result<(), Vec<Problem>> {
    let mut problems = Problems::default();
    let mut seen = std::collections::BTreeSet::new();
    for (name, _) in resources {
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains('\0') {
            let shown = &name[..name.floor_char_boundary(MAX_NAME_BYTES)];
            problems.push(Problem::error(shown, "is not a file name", "give every part a file name of 1 to 255 bytes"));
        } else if !seen.insert(name) {
            problems.push(Problem::error(name, "is uploaded twice", "give every file a name of its own"));
        }
    }
    if resources.is_empty() {
        problems.push(Problem::error("upload", "holds no files", "add a .bpmn or a .wasm file"));
    }
    if problems.has_errors() { Err(all(problems, Problems::default())) } else { Ok(()) }
}

fn check_unique(definitions: &[NewDefinition], problems: &mut Problems) {
    let mut seen = BTreeMap::new();
    for definition in definitions {
        if let Some(other) = seen.insert(&definition.key, &definition.resource_name) {
            problems.push(Problem::error(
                &definition.resource_name,
                format!("process '{}' is also defined in {other}", definition.key),
                "deploy each process once in a deployment",
            ));
        }
    }
}

/// What makes two uploads the same: their files by name, and what their references resolve to, with what that may do.
fn content_digest(resources: &[(String, Vec<u8>)], definitions: &[NewDefinition]) -> String {
    let files: BTreeMap<&String, _> = resources.iter().map(|(name, bytes)| (name, Sha256::digest(bytes))).collect();
    let mut hash = Sha256::new();
    for (name, digest) in files {
        crate::digest::add(&mut hash, name);
        hash.update(digest);
    }
    for definition in definitions {
        for binding in &definition.bindings {
            for part in [&definition.key, &binding.reference, &binding.digest, &binding.mandate] {
                crate::digest::add(&mut hash, part);
            }
        }
    }
    hex::encode(hash.finalize())
}

#[cfg(test)]
mod tests;
