//! A message starts one process of a tenant: deployed twice, it would not know which to start (Camunda 7, `BpmnDeployer`).

use std::collections::{BTreeMap, BTreeSet};

use mandate_engine::StartTimer;
use mandate_model::{ElementKind, ProcessDefinition, StartTrigger};
use mandate_store::query::StartEvent;
use mandate_store::{EventKind, NewDefinition, NewStartTimer, Reopened};

use super::{Problem, Problems};
use crate::executor::start_timers::row_of;
use crate::{Error, Inner};

/// Refuses start events whose message starts another process of the upload, and answers those whose message starts the newest version of a
/// deployed one. A process that is in the upload itself gets a new newest version: what its older ones start by is free.
pub(super) fn check(models: &[(&str, ProcessDefinition)], deployed: &[StartEvent], problems: &mut Problems) -> Problems {
    let uploaded: BTreeSet<&str> = models.iter().map(|(_, model)| &*model.key).collect();
    let others = deployed.iter().filter(|start| !uploaded.contains(start.key.as_str()));
    let others: BTreeMap<&str, &str> = others.map(|start| (start.name.as_str(), start.key.as_str())).collect();
    let mut taken = Problems::default();
    let mut own: BTreeMap<&str, &str> = BTreeMap::new();
    for (resource, model) in models {
        for (_, element) in model.iter() {
            let ElementKind::StartEvent(StartTrigger::Message(reference)) = &element.kind else { continue };
            let Some(message) = reference.name.as_literal() else { continue };
            let refused = |other: &str| {
                let found = Problem { element_id: Some(element.id.to_string()), ..problem(resource, message, other) };
                found.at(element.position)
            };
            if let Some(other) = own.insert(message, &model.key) {
                problems.push(refused(other));
            } else if let Some(other) = others.get(message) {
                taken.push(refused(other));
            }
        }
    }
    taken
}

/// The timers by which a process starts from `now` on. One that cannot be set is a problem, and stops no other.
pub(super) fn timers(resource: &str, model: &ProcessDefinition, now: i64, problems: &mut Problems) -> Vec<NewStartTimer> {
    let mut rows = Vec::new();
    for timer in StartTimer::open(model, now) {
        match timer {
            Ok(timer) => rows.push(row_of(model, &timer)),
            Err(failure) => {
                let help = "write when it fires as it is: a process that starts by time has no variables yet";
                let problem = Problem::error(resource, failure.message, help);
                problems.push(match failure.element.map(|element| model.element(element)) {
                    Some(element) => Problem { element_id: Some(element.id.to_string()), ..problem }.at(element.position),
                    None => problem,
                });
            }
        }
    }
    rows
}

impl Inner {
    /// The timers by which older versions start again when definitions are deleted, as if they were deployed at this moment; but what lies
    /// in the past by then has had its time.
    pub(crate) async fn reopened(&self, definitions: Vec<String>, now: i64) -> Result<Reopened, Error> {
        let mut reopened = Vec::new();
        for id in self.store.uncovered_by(definitions).await? {
            let definition = match self.definitions.get(&self.store, &id).await {
                Err(error @ Error::DefinitionUnreadable { .. }) => {
                    tracing::warn!("what starts by time is not opened again: {error}");
                    reopened.push((id, Vec::new()));
                    continue;
                }
                definition => definition?,
            };
            let mut problems = Problems::default();
            let timers = timers(&definition.row.resource_name, &definition.model, now, &mut problems);
            for problem in problems.into_lists().0 {
                tracing::warn!(definition = %id, "what starts by time is not opened again: {problem}");
            }
            reopened.push((id, timers.into_iter().filter(|timer| timer.due > now).collect()));
        }
        Ok(reopened)
    }
}

/// What is said of a deployment that the store did not take. `taken` is what the check found; it found nothing if another deployment came
/// between it and the transaction.
pub(super) fn refused(error: mandate_store::Error, taken: Vec<Problem>, definitions: &[NewDefinition]) -> Error {
    let mandate_store::Error::StartMessageTaken { key, message, other } = &error else { return error.into() };
    if !taken.is_empty() {
        return Error::Deployment(taken);
    }
    let definition = definitions.iter().find(|definition| definition.key == *key);
    let is_meant = |start: &&mandate_store::StartEventRow| start.kind == EventKind::Message && start.name == *message;
    let start = definition.and_then(|definition| definition.start_events.iter().find(is_meant));
    let resource = definition.map_or("upload", |definition| definition.resource_name.as_str());
    Error::Deployment(vec![Problem { element_id: start.map(|start| start.activity_id.clone()), ..problem(resource, message, other) }])
}

/// Camunda's words.
fn problem(resource: &str, message: &str, other: &str) -> Problem {
    Problem::error(
        resource,
        format!(
            "Cannot deploy process definition '{resource}': there already is a message event subscription for the message with name '{message}'."
        ),
        format!("process '{other}' starts by it: choose another message, or first deploy a version of '{other}' that does not"),
    )
}
