//! Processes that start when a condition holds (Camunda 7, `RuntimeService.createConditionEvaluation`).

use std::sync::Arc;

use mandate_engine::{Moment, Variables, start_condition_holds};
use mandate_model::{Element, ElementIndex, ElementKind, StartTrigger};
use mandate_store::EventKind;

use crate::definitions::Definition;
use crate::instances::{DefinitionRef, Start, Started};
use crate::{Error, Runtime};

/// Variables to start processes with whose conditions they make true.
#[derive(Clone, Debug, Default)]
pub struct ConditionEvaluation {
    /// The variables.
    pub variables: Variables,
    /// The business key of the instances.
    pub business_key: Option<String>,
    /// Only this tenant's processes.
    pub tenant: Option<String>,
    /// Only processes without a tenant.
    pub without_tenant: bool,
    /// Only this definition, of whatever version.
    pub definition_id: Option<String>,
}

impl Runtime {
    /// Starts an instance for each conditional start event whose condition holds, of the newest versions or of one definition. What is
    /// suspended does not start, nor does what this host cannot read. All conditions are asked before the first instance starts; each start
    /// is a unit of work of its own, and the first that fails ends it.
    pub async fn evaluate_conditions(&self, evaluation: ConditionEvaluation) -> Result<Vec<Started>, Error> {
        let mut holding: Vec<(Arc<Definition>, ElementIndex)> = Vec::new();
        for (definition, element) in self.conditional_starts(&evaluation).await? {
            // One of several conditions of an event is enough, and the event happens once.
            let is_same = |(other, begun): &(Arc<Definition>, ElementIndex)| {
                other.row.id == definition.row.id && other.model.element(*begun).id == definition.model.element(element).id
            };
            if holding.iter().any(is_same) {
                continue;
            }
            let user = self.1.as_ref().and_then(|operator| operator.user.as_deref());
            let moment = Moment::from(self.now()).by(user);
            let holds = start_condition_holds(&definition.model, element, &evaluation.variables, moment);
            if holds.map_err(|failure| Error::UnitFailed(Box::new(failure)))? {
                holding.push((definition, element));
            }
        }
        let mut started = Vec::with_capacity(holding.len());
        for (definition, element) in holding {
            let start = Start {
                definition: DefinitionRef::Id(definition.row.id.clone()),
                business_key: evaluation.business_key.clone(),
                variables: evaluation.variables.clone(),
                idempotency_key: None,
                traceparent: None,
            };
            let id = definition.row.id.clone();
            let gone = || Error::NotFound { what: "process definition", id };
            started.push(self.0.start_at(definition, element, start, self.1.clone()).await?.ok_or_else(gone)?);
        }
        Ok(started)
    }

    /// Camunda's words, and its two ways to look.
    async fn conditional_starts(&self, evaluation: &ConditionEvaluation) -> Result<Vec<(Arc<Definition>, ElementIndex)>, Error> {
        let is_start = |kind: &ElementKind| matches!(kind, ElementKind::StartEvent(StartTrigger::Condition(_)));
        if let Some(id) = &evaluation.definition_id {
            let definition = self.0.definitions.get(&self.0.store, id).await?;
            let starts: Vec<_> = definition.model.iter().filter(|(_, element)| is_start(&element.kind)).map(|(index, _)| index).collect();
            if starts.is_empty() {
                return Err(Error::Invalid(format!("Process definition with id '{id}' does not declare conditional start event")));
            }
            let suspended = self.0.store.definition(id).await?.is_some_and(|row| row.suspended);
            return Ok(starts.into_iter().filter(|_| !suspended).map(|start| (definition.clone(), start)).collect());
        }
        let ConditionEvaluation { tenant, without_tenant, .. } = evaluation;
        let listed = self.0.store.start_events(EventKind::Conditional, "", tenant.as_deref(), *without_tenant).await?;
        if listed.is_empty() {
            return Err(Error::Invalid("No subscriptions were found during evaluation of the conditional start events.".to_owned()));
        }
        let mut starts = Vec::with_capacity(listed.len());
        for start in listed {
            let Some(definition) = self.0.definitions.get_if_readable(&self.0.store, &start.definition_id).await? else { continue };
            let is_read = |element: &Element| match &element.kind {
                ElementKind::StartEvent(StartTrigger::Condition(it)) => it.condition.as_unreadable().is_none_or(|error| {
                    tracing::warn!(
                        "definition {} starts by no condition at '{}', which cannot be read: {error}",
                        start.definition_id,
                        element.id
                    );
                    false
                }),
                _ => true,
            };
            // An event may have several conditions.
            let is_it = |element: &Element| *element.id == *start.activity_id && is_start(&element.kind);
            let elements: Vec<_> = definition.model.iter().filter(|(_, element)| is_it(element)).map(|(index, _)| index).collect();
            if elements.is_empty() {
                let (id, event) = (start.definition_id, start.activity_id);
                return Err(Error::Damaged(format!("definition {id} has no conditional start '{event}'")));
            }
            let read = elements.into_iter().filter(|index| is_read(definition.model.element(*index)));
            starts.extend(read.map(|element| (definition.clone(), element)));
        }
        Ok(starts)
    }
}
