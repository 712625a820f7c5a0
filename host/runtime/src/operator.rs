//! Operators, and the log of what they do (Camunda 7's user operation log).
//!
//! A runtime that acts [on behalf of](Runtime::on_behalf_of) somebody writes down what it is asked for, with the values before and after,
//! in the transaction that does it. A unit of work that nobody asked for, or that is no operator's business (a start, a message, a worker's
//! answer), costs nothing here.

use std::sync::Arc;

use mandate_engine::{ActivityId, Input, Instance, InstanceId, Jobs, WaitId};
use mandate_store::query::DefinitionRow;
use mandate_store::{HistoryDeletion, OperationRow};
use uuid::Uuid;

use crate::advance::{State, Work};
use crate::definitions::Definition;
use crate::job_definitions::JobDefinition;
use crate::unit::{job_definition_id, number};
use crate::{Error, Runtime, text};

mod change;
mod definition;

pub(crate) use change::retries_set;
pub use definition::Extent;

/// The longest value that is logged, as wide as Camunda's column. A longer one is cut.
pub(crate) const MAX_VALUE_BYTES: usize = 4_000;

/// The longest annotation, as in Camunda.
pub const MAX_ANNOTATION_CHARS: usize = 4_000;

/// Who asks for something, as they say themselves: nobody checks it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operator {
    /// Their name, if they say it.
    pub user: Option<String>,
    /// Why they do it, if they say so.
    pub annotation: Option<String>,
}

/// What somebody did to one thing.
pub(crate) struct Operation {
    /// Camunda's operation type.
    pub(crate) verb: &'static str,
    /// Camunda's entity type.
    pub(crate) entity_type: &'static str,
    pub(crate) category: &'static str,
    /// What changed of it; nothing in particular: the thing as a whole.
    pub(crate) changes: Vec<Change>,
    pub(crate) subject: Subject,
}

/// Which thing.
#[derive(Clone, Default)]
pub(crate) struct Subject {
    pub(crate) instance: Option<InstanceId>,
    pub(crate) tenant: Option<String>,
    pub(crate) definition_id: Option<String>,
    pub(crate) definition_key: Option<String>,
    pub(crate) deployment_id: Option<String>,
    pub(crate) activity: Option<ActivityId>,
    pub(crate) wait: Option<WaitId>,
    pub(crate) job_definition: Option<String>,
}

impl Subject {
    pub(crate) fn of_definition(row: &DefinitionRow) -> Self {
        Self {
            tenant: row.tenant.clone(),
            definition_id: Some(row.id.clone()),
            definition_key: Some(row.key.clone()),
            deployment_id: Some(row.deployment_id.clone()),
            ..Self::default()
        }
    }
}

/// Camunda's word for suspending things of a type, or activating them: jobs, and definitions of jobs or of processes.
pub(crate) fn suspension_verb(entity_type: &str, suspended: bool) -> &'static str {
    let (suspend, activate) = match entity_type {
        "Job" => ("SuspendJob", "ActivateJob"),
        "JobDefinition" => ("SuspendJobDefinition", "ActivateJobDefinition"),
        _ => ("SuspendProcessDefinition", "ActivateProcessDefinition"),
    };
    if suspended { suspend } else { activate }
}

/// One property before and after.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) property: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

impl Change {
    pub(crate) fn new(property: &str, before: Option<String>, after: Option<String>) -> Self {
        Self { property: property.to_owned(), before, after }
    }

    /// Whether something is suspended, in Camunda's words.
    pub(crate) fn suspension(before: Option<bool>, after: bool) -> Self {
        let state = |suspended: bool| if suspended { "suspended" } else { "active" }.to_owned();
        Self::new("suspensionState", before.map(state), Some(state(after)))
    }

    /// A property that had no value before.
    pub(crate) fn to(property: &str, after: impl ToString) -> Self {
        Self::new(property, None, Some(after.to_string()))
    }
}

/// Operations on processes and their running, as opposed to a person's own tasks.
pub(crate) const OPERATOR: &str = "Operator";
/// A person's work on user tasks.
pub(crate) const TASK_WORKER: &str = "TaskWorker";

impl Operation {
    /// The rows of the log, at a moment.
    pub(crate) fn rows(self, operator: &Operator, operation: Uuid, at: i64) -> Vec<OperationRow> {
        let Self { verb, entity_type, category, changes, subject } = self;
        let storable = |value: Option<String>| value.map(|value| text::storable(&value, MAX_VALUE_BYTES));
        let row = |change: Option<Change>| {
            let (property, before, after) = change.map_or((None, None, None), |it| (Some(it.property), it.before, it.after));
            OperationRow {
                operation,
                at,
                user: operator.user.clone(),
                annotation: operator.annotation.clone(),
                operation_type: verb.to_owned(),
                entity_type: entity_type.to_owned(),
                category: category.to_owned(),
                property: storable(property),
                org_value: storable(before),
                new_value: storable(after),
                instance: subject.instance.map(|id| id.0),
                tenant: subject.tenant.clone(),
                definition_id: subject.definition_id.clone(),
                definition_key: subject.definition_key.clone(),
                deployment_id: subject.deployment_id.clone(),
                activity: subject.activity.map(|it| number(it.0)),
                wait: subject.wait.map(|it| number(it.0)),
                job_definition_id: subject.job_definition.clone(),
            }
        };
        if changes.is_empty() { vec![row(None)] } else { changes.into_iter().map(|change| row(Some(change))).collect() }
    }
}

impl Work {
    /// Who asks for it, if they said so.
    pub(crate) fn user(&self) -> Option<&str> {
        self.operator.as_ref()?.user.as_deref()
    }

    /// What the log says of this unit.
    pub(crate) fn operations(
        &self,
        definition: &Definition,
        before: &Instance,
        after: &Instance,
        unit: Uuid,
        now: i64,
    ) -> Vec<OperationRow> {
        let Some(operator) = &self.operator else { return Vec::new() };
        let Some(mut operation) = change::of(&definition.model, &self.input, before, after) else { return Vec::new() };
        operation.subject.instance = Some(self.instance);
        operation.subject.tenant = before.tenant().map(str::to_owned);
        operation.subject.definition_id = Some(definition.row.id.clone());
        operation.subject.definition_key = Some(definition.row.key.clone());
        operation.subject.job_definition = match &self.input {
            Input::SuspendJobs { jobs: Jobs::Of(origin), .. } | Input::SetPriority { jobs: Jobs::Of(origin), .. } => {
                JobDefinition::id_of_origin(definition, *origin)
            }
            _ => operation.subject.wait.and_then(|wait| job_definition_id(definition, before, before.job(wait)?)),
        };
        operation.rows(operator, unit, now)
    }
}

impl Runtime {
    /// The same host, asked by somebody: what it is asked for is logged under their name, also if they say none.
    pub fn on_behalf_of(&self, operator: Operator) -> Self {
        Self(self.0.clone(), Some(Arc::new(operator)))
    }

    /// Carries out an input that an operator makes, and answers when it is stored.
    pub(crate) async fn operate(&self, instance: InstanceId, input: Input) -> Result<Box<State>, Error> {
        self.0.api_for(instance, input, self.1.clone()).await
    }

    /// What the log says of something that is no unit of work: nothing if nobody asked for it.
    pub(crate) fn logged(&self, operation: Operation) -> Vec<OperationRow> {
        match &self.1 {
            Some(operator) => operation.rows(operator, Uuid::now_v7(), self.now()),
            None => Vec::new(),
        }
    }

    /// Deletes the history of an instance that has ended. The log keeps that it was deleted, and by whom.
    pub async fn delete_history(&self, id: InstanceId) -> Result<(), Error> {
        let not_found = || Error::NotFound { what: "historic process instance", id: id.to_string() };
        let found = self.0.store.history_instance(id.0).await?.ok_or_else(not_found)?;
        let subject = Subject {
            instance: Some(id),
            tenant: found.tenant,
            definition_key: Some(found.definition_key),
            definition_id: Some(found.definition_id),
            ..Subject::default()
        };
        let operation =
            Operation { verb: "DeleteHistory", entity_type: "ProcessInstance", category: OPERATOR, changes: Vec::new(), subject };
        match self.0.store.delete_history(id.0, &self.logged(operation)).await? {
            HistoryDeletion::Deleted => Ok(()),
            HistoryDeletion::NotFound => Err(not_found()),
            HistoryDeletion::Running => {
                Err(Error::Conflict(format!("process instance {id} is still running: its history cannot be deleted")))
            }
        }
    }

    /// Sets or clears the annotation of everything that one operation did.
    pub async fn annotate_operation(&self, id: Uuid, annotation: Option<String>) -> Result<(), Error> {
        let operations = |before: Option<String>| {
            self.logged(Operation {
                verb: if annotation.is_some() { "SetAnnotation" } else { "ClearAnnotation" },
                entity_type: "OperationLog",
                category: OPERATOR,
                changes: vec![Change::to("operationId", id), Change::new("annotation", before, annotation.clone())],
                subject: Subject::default(),
            })
        };
        if self.0.store.annotate_operation(id, annotation.as_deref(), operations).await? {
            Ok(())
        } else {
            Err(Error::NotFound { what: "operation", id: id.to_string() })
        }
    }
}
