//! From the names a model uses to the bytes that will do the work.

use std::sync::Arc;

use mandate_commands::Catalogue;
use mandate_model::{Element, ElementIndex, ElementKind, Implementation, ListenerEvent, ProcessDefinition, Reference, StartTrigger};
use mandate_store::query::{DelegateListed, StartEvent};
use mandate_store::{BindingRow, DelegateRow, EventKind, NewDefinition, StartEventRow};
use mandate_wasm::Limits;
use semver::{Version, VersionReq};
use sha2::{Digest, Sha256};

use super::{Mandate, Manifest, Problem, Problems, Upload, is_wasm};
use crate::definitions::reference;
use crate::unit::element_rows;

/// Where delegates may come from, what they may be granted, and what is taken already.
pub(crate) struct Available {
    pub(crate) earlier: Vec<DelegateListed>,
    /// The messages by which deployed processes of the tenant start.
    pub(crate) starts: Vec<StartEvent>,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) caps: Limits,
}

/// A delegate that a reference may resolve to.
pub(crate) struct Candidate {
    pub(crate) name: String,
    pub(crate) version: Version,
    pub(crate) digest: String,
    pub(crate) topics: Vec<String>,
    pub(crate) mandate: Mandate,
    /// When it was deployed; the end of time for those of this upload. Orders components that name no version of their own.
    pub(crate) deployed_at: i64,
    /// Its component, when it comes with this upload.
    pub(crate) bytes: Option<Vec<u8>>,
}

impl Candidate {
    pub(crate) fn is_new(&self) -> bool {
        self.bytes.is_some()
    }

    pub(crate) fn row(&self) -> DelegateRow {
        DelegateRow {
            name: self.name.clone(),
            version: self.version.to_string(),
            digest: self.digest.clone(),
            mandate: serde_json::to_string(&self.mandate).expect("numbers and texts always serialise"),
            topics: self.topics.clone(),
        }
    }
}

impl Available {
    /// Delegates of this upload, and those of earlier deployments behind them.
    pub(crate) fn candidates(&self, upload: &Upload, manifest: &Manifest, problems: &mut Problems) -> Vec<Candidate> {
        let mut candidates = Vec::new();
        let mut used = std::collections::BTreeSet::new();
        for (name, section) in &manifest.delegates {
            let file = section.file.as_ref().map(|file| file_name(&file.value));
            let resource = upload.resources.iter().find(|(resource, _)| match file {
                Some(file) => file_name(resource) == file,
                None => is_file_of(name, resource),
            });
            let Some((resource, bytes)) = resource else {
                let expected = file.map_or_else(|| format!("{name}.wasm"), str::to_owned);
                let message = format!("delegate '{name}' names the file {expected}, which is not in the upload");
                let at = section.file.as_ref().map_or(section.at, |file| file.at);
                problems.push(Problem::error(super::MANIFEST, message, "add the file, or correct 'file' in its section").at(at));
                continue;
            };
            used.insert(resource.clone());
            candidates.extend(self.candidate(name, section, resource, bytes, upload, problems));
        }
        for (resource, bytes) in upload.resources.iter().filter(|(name, _)| is_wasm(name) && !used.contains(name)) {
            let name = file_name(resource).trim_end_matches(".wasm").replace('_', "-");
            candidates.extend(self.candidate(&name, &super::DelegateSection::default(), resource, bytes, upload, problems));
        }
        for delegate in &self.earlier {
            let (Ok(version), Ok(mandate)) = (delegate.version.parse(), serde_json::from_str(&delegate.mandate)) else { continue };
            candidates.push(Candidate {
                name: delegate.name.clone(),
                version,
                digest: delegate.digest.clone(),
                topics: delegate.topics.clone(),
                mandate,
                deployed_at: delegate.deployed_at,
                bytes: None,
            });
        }
        candidates
    }

    fn candidate(
        &self,
        name: &str,
        section: &super::DelegateSection,
        resource: &str,
        bytes: &[u8],
        upload: &Upload,
        problems: &mut Problems,
    ) -> Option<Candidate> {
        let digest = hex::encode(Sha256::digest(bytes));
        if let Err(misfit) = mandate_wasm::inspect(bytes) {
            let help = "build it for the world mandate:delegate/delegate@0.1.0, for example with the Rust SDK";
            problems.push(Problem::error(resource, misfit.to_string(), help));
            return None;
        }
        for command in &section.commands {
            if let Err(refusal) = self.catalogue.grant(&command.value, upload.tenant.as_deref(), name) {
                let message = format!("delegate '{name}' asks for {}: {refusal}", command.value);
                let help = if self.catalogue.commands().next().is_none() {
                    "no catalogue was given, or an empty one: name the operator's with --catalogue"
                } else {
                    "ask the operator to grant it in the catalogue, or take it out of the manifest"
                };
                problems.push(Problem::error(super::MANIFEST, message, help).at(command.at));
            }
        }
        let version = section.version.clone().unwrap_or_else(|| inferred_version(&digest));
        let same = self.earlier.iter().find(|earlier| earlier.name == name && earlier.version == version.to_string());
        if let Some(other) = same.filter(|other| other.digest != digest) {
            let message = format!(
                "delegate '{name}' version {version} was deployed before with other bytes ({}); these are {}",
                &other.digest[..12.min(other.digest.len())],
                &digest[..12]
            );
            problems.push(Problem::error(resource, message, "a version is deployed once: raise 'version' in the manifest"));
        }
        Some(Candidate {
            name: name.to_owned(),
            version,
            digest,
            topics: section.topics.clone(),
            mandate: Mandate::new(section, &self.caps),
            deployed_at: i64::MAX,
            bytes: Some(bytes.to_owned()),
        })
    }
}

/// A definition with every reference pinned; its model with the scripts that stand in other files.
pub(crate) fn resolve(
    (resource, bytes, scripts): (&str, &[u8], &[&[u8]]),
    model: &ProcessDefinition,
    candidates: &[Candidate],
    now: i64,
    problems: &mut Problems,
) -> NewDefinition {
    let mut bindings: Vec<BindingRow> = Vec::new();
    for it in model.references() {
        let Some(found) = find_for(resource, &it, candidates, problems) else { continue };
        let reference = reference(it.implementation);
        if bindings.iter().any(|binding| binding.reference == reference) {
            continue;
        }
        bindings.push(BindingRow {
            reference,
            delegate: found.name.clone(),
            version: found.version.to_string(),
            digest: found.digest.clone(),
            mandate: found.row().mandate,
        });
    }
    bindings.sort_by(|a, b| a.reference.cmp(&b.reference));
    let doer = |implementation: &Implementation| {
        let reference = reference(implementation);
        let binding = bindings.iter().find(|binding| binding.reference == reference)?;
        Some((binding.delegate.clone(), binding.digest.clone()))
    };
    let elements = element_rows(model, doer);
    NewDefinition {
        key: model.key.to_string(),
        name: model.name.clone(),
        version_tag: model.version_tag.clone(),
        history_ttl: model.history_ttl.map(i64::from),
        category: model.category.clone(),
        startable_in_tasklist: model.startable_in_tasklist,
        starters: model.starters.clone(),
        resource_name: resource.to_owned(),
        identity: identity(bytes, scripts, &bindings),
        bindings,
        elements,
        start_events: start_events(model),
        start_timers: super::starts::timers(resource, model, now, problems),
    }
}

/// Who is meant by a reference. Nobody: that is a problem, unless workers fetch the tasks of the topic that it names.
pub(crate) fn find_for<'a>(
    resource: &str,
    reference: &Reference<'_>,
    candidates: &'a [Candidate],
    problems: &mut Problems,
) -> Option<&'a Candidate> {
    let found = find(reference.implementation, reference.listener, candidates);
    let refused = match &found {
        Ok(found) => refused_for(reference, found),
        Err(_) if matches!(reference.implementation, Implementation::Topic(_)) => None,
        Err(missing) => Some(missing.clone()),
    };
    if let Some((message, help)) = refused {
        let id = reference.element.id.to_string();
        let problem = Problem { element_id: Some(id), ..Problem::error(resource, message, help) };
        problems.push(problem.at(reference.element.position));
    }
    found.ok()
}

/// A change of a user task ends no wait: of a command that was sent for one whose unit was lost nobody would know, and the change that is
/// made again may send another one. What cancels a task may end none either. So who is told of them sends nothing.
fn refused_for(reference: &Reference<'_>, found: &Candidate) -> Option<(String, String)> {
    let event = reference.listener?;
    if !matches!(event, ListenerEvent::Assignment | ListenerEvent::Update | ListenerEvent::Delete) || found.mandate.commands.is_empty() {
        return None;
    }
    let message = format!(
        "delegate '{}' is told of changes of a user task (listener for '{}') and may send commands, which could be sent twice",
        found.name,
        event.as_str()
    );
    let help = "send them from a listener for create or complete, or from a service task; or take them out of its mandate";
    Some((message, help.to_owned()))
}

/// The candidate for a reference: one of this upload before earlier ones, then the newest version.
fn find<'a>(
    implementation: &Implementation,
    listener: Option<ListenerEvent>,
    candidates: &'a [Candidate],
) -> Result<&'a Candidate, (String, String)> {
    let best = |fits: &dyn Fn(&Candidate) -> bool| candidates.iter().filter(|candidate| fits(candidate)).max_by(|a, b| newer(a, b));
    match implementation {
        Implementation::Topic(topic) => best(&|candidate| candidate.topics.contains(topic)).ok_or_else(|| {
            let help = format!("add topics = [\"{topic}\"] to a delegate's section in {}", super::MANIFEST);
            (format!("no delegate serves the external-task topic '{topic}'"), help)
        }),
        Implementation::Delegate { name, requirement } => {
            let requirement = match requirement.as_deref().map(VersionReq::parse) {
                None => VersionReq::STAR,
                Some(Ok(requirement)) => requirement,
                Some(Err(error)) => {
                    return Err((format!("the version requirement of '{name}' is not one: {error}"), "write for example @^1.2".to_owned()));
                }
            };
            let any = requirement == VersionReq::STAR;
            best(&|candidate| candidate.name == *name && (any || requirement.matches(&candidate.version))).ok_or_else(|| {
                let there: Vec<String> =
                    candidates.iter().filter(|candidate| candidate.name == *name).map(|candidate| candidate.version.to_string()).collect();
                let of = listener.map(|event| format!(" of the listener for '{}'", event.as_str())).unwrap_or_default();
                let message = if there.is_empty() {
                    format!("delegate '{name}'{of} is neither in the upload nor deployed before")
                } else {
                    format!("no version of delegate '{name}'{of} meets {requirement}; there are {}", there.join(", "))
                };
                let help = match java_class(name) {
                    Some(short) if there.is_empty() => {
                        let otherwise = match listener {
                            Some(_) => "or, if it only looks at variables, write a FEEL or JUEL expression in place of the class",
                            None => "or let a worker do it, by camunda:type=\"external\" and a camunda:topic in place of the class",
                        };
                        format!(
                            "no Java runs here: write what the class does as a component, add it to the upload as {short}.wasm and name it \"{short}\"; {otherwise}"
                        )
                    }
                    _ => format!("add {name}.wasm to the upload, or correct the reference"),
                };
                (message, help)
            })
        }
    }
}

/// What a delegate would be called that does what the Java class of this name does, if it is the name of one:
/// `com.example.ReserveLineDelegate` is `reserve-line`.
fn java_class(name: &str) -> Option<String> {
    let (_, class) = name.rsplit_once('.').filter(|(_, class)| class.starts_with(|first: char| first.is_ascii_uppercase()))?;
    let class = ["JavaDelegate", "Delegate", "Impl"]
        .iter()
        .fold(class, |class, end| class.strip_suffix(end).filter(|it| !it.is_empty()).unwrap_or(class));
    let mut short = String::new();
    for (at, character) in class.char_indices() {
        if character.is_uppercase() && at > 0 && !short.ends_with('-') {
            short.push('-');
        }
        short.extend(character.to_lowercase());
    }
    Some(short)
}

/// Those of this upload first, then by version. Build metadata orders nothing (Semantic Versioning 2.0.0, 10): the later deployment does.
fn newer(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    a.is_new().cmp(&b.is_new()).then_with(|| a.version.cmp_precedence(&b.version)).then_with(|| a.deployed_at.cmp(&b.deployed_at))
}

/// A digest of what makes a definition what it is: its file, the scripts that this has in others, by their names, and its bindings, by
/// their references.
pub(crate) fn identity(bpmn: &[u8], scripts: &[&[u8]], bindings: &[BindingRow]) -> String {
    let mut hash = Sha256::new();
    hash.update(Sha256::digest(bpmn));
    for script in scripts {
        hash.update(Sha256::digest(script));
    }
    for binding in bindings {
        for part in [&binding.reference, &binding.digest, &binding.mandate] {
            crate::digest::add(&mut hash, part);
        }
    }
    hex::encode(hash.finalize())
}

/// What starts a process besides its name. Names are fixed, which the parser has seen to.
pub(crate) fn start_events(model: &ProcessDefinition) -> Vec<StartEventRow> {
    let start = |(_, element): (ElementIndex, &Element)| {
        let ElementKind::StartEvent(trigger) = &element.kind else { return None };
        let (kind, name) = match trigger {
            StartTrigger::None | StartTrigger::Timer(_) => return None,
            StartTrigger::Message(message) => (EventKind::Message, message.name.as_literal()?),
            StartTrigger::Signal(signal) => (EventKind::Signal, signal.name.as_literal()?),
            StartTrigger::Condition(_) => (EventKind::Conditional, ""),
        };
        Some(StartEventRow { kind, name: name.to_owned(), activity_id: element.id.to_string() })
    };
    // One event may have several definitions, and of these several conditions, which have no names.
    let mut events: Vec<StartEventRow> = Vec::new();
    for event in model.iter().filter_map(start) {
        if !events.contains(&event) {
            events.push(event);
        }
    }
    events
}

/// A version for a component that names none. Build metadata keeps two such components apart.
fn inferred_version(digest: &str) -> Version {
    let build = format!("sha.{}", &digest[..12]);
    Version { build: semver::BuildMetadata::new(&build).expect("hex digits are build metadata"), ..Version::new(0, 0, 0) }
}

fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

fn is_file_of(delegate: &str, resource: &str) -> bool {
    let stem = file_name(resource).trim_end_matches(".wasm");
    is_wasm(resource) && (stem == delegate || stem.replace('_', "-") == delegate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn java_classes_are_told_what_to_be_instead() {
        let said = |name: &str, listener| {
            let implementation = Implementation::Delegate { name: name.to_owned(), requirement: None };
            find(&implementation, listener, &[]).err().expect("nobody is there")
        };
        let help = |name: &str| said(name, None).1;
        assert!(help("com.example.ReserveLineDelegate").contains("add it to the upload as reserve-line.wasm and name it \"reserve-line\""));
        assert!(help("com.example.Delegate").contains("delegate.wasm"));
        assert!(help("com.example.Delegate").contains("camunda:topic in place of the class"));
        let (message, of_listener) = said("com.example.AuditListener", Some(ListenerEvent::Create));
        assert_eq!(
            message,
            "delegate 'com.example.AuditListener' of the listener for 'create' is neither in the upload nor deployed before"
        );
        assert!(of_listener.contains("add it to the upload as audit-listener.wasm and name it \"audit-listener\""), "{of_listener}");
        assert!(of_listener.contains("a FEEL or JUEL expression in place of the class") && !of_listener.contains("topic"), "{of_listener}");
        assert_eq!(help("reserve-line"), "add reserve-line.wasm to the upload, or correct the reference");
        assert_eq!(help("orders.reserve"), "add orders.reserve.wasm to the upload, or correct the reference");
    }

    #[test]
    fn a_definition_has_always_had_the_same_identity() {
        let text = |text: &str| text.to_owned();
        let (reference, delegate, version) = (text("worker"), text("worker"), text("1.0.0"));
        let binding = BindingRow { reference, delegate, version, digest: text("d"), mandate: text("{}") };
        assert_eq!(identity(b"b", &[b"s"], &[binding]), "1aff4ca6802c61aac307a14aac273a80cf38ca269d2d8c53adf97de4325387a2");
    }
}
