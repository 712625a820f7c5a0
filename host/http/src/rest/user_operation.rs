//! `/history/user-operation`: what operators did (Camunda 7, "User Operation Log").

use axum::Router;
use axum::http::StatusCode;
use axum::routing::put;
use mandate_runtime::StoreError;
use mandate_runtime::query::{OperationFilter, OperationListed, OperationSort, Order, Page, Reads};
use serde_json::{Value, json};
use uuid::Uuid;

use super::camunda;
use super::list::{List, by_query};
use crate::extract::{Body, Segments};
use crate::operator::{Acting, check_annotation};
use crate::query_params::{Fields, instance_or_none, public_or_none};
use crate::{App, Error, date};

/// Types of entities that belong to a user task.
const OF_TASKS: &[&str] = &["Task", "Variable"];
/// That are a job.
const OF_JOBS: &[&str] = &["Job"];
/// That are an external task.
const OF_EXTERNAL_TASKS: &[&str] = &["ExternalTask"];

pub(super) fn router() -> Router<App> {
    Router::new()
        .merge(by_query::<Operations>())
        .route("/history/user-operation/{operation}/set-annotation", put(set_annotation))
        .route("/history/user-operation/{operation}/clear-annotation", put(clear_annotation))
}

struct Operations;

impl List for Operations {
    const PATH: &'static str = "/history/user-operation";
    const CAMUNDA: &'static [&'static str] = camunda::USER_OPERATIONS;
    const SORTS: &'static [(&'static str, OperationSort)] = &[("timestamp", OperationSort::At)];

    type Sort = OperationSort;
    type Filter = OperationFilter;
    type Row = OperationListed;

    fn filter(fields: &mut Fields, _: &App) -> Result<OperationFilter, Error> {
        let mut wait = Vec::new();
        for (name, entity_types) in [("taskId", OF_TASKS), ("jobId", OF_JOBS), ("externalTaskId", OF_EXTERNAL_TASKS)] {
            if let Some(id) = fields.text(name)? {
                wait.push((super::numbered(public_or_none(&id)), entity_types.iter().map(|it| (*it).to_owned()).collect()));
            }
        }
        Ok(OperationFilter {
            operation: fields.text("operationId")?.map(|id| operation_or_none(&id)),
            instance: fields.text("processInstanceId")?.map(|id| instance_or_none(&id).0),
            activity: fields.text("executionId")?.map(|id| super::scope_or_none(&id)),
            wait,
            definition_id: fields.text("processDefinitionId")?,
            definition_key: fields.text("processDefinitionKey")?,
            job_definition_id: fields.text("jobDefinitionId")?,
            deployment_id: fields.text("deploymentId")?,
            user: fields.text("userId")?,
            operation_type: fields.text("operationType")?,
            entity_types: super::one_of(fields.text("entityType")?, fields.filter_texts("entityTypeIn")?),
            categories: super::one_of(fields.text("category")?, fields.filter_texts("categoryIn")?),
            property: fields.text("property")?,
            after: fields.date("afterTimestamp")?,
            before: fields.date("beforeTimestamp")?,
        })
    }

    async fn rows(
        reads: &Reads,
        filter: OperationFilter,
        page: Page,
        sort: &[(OperationSort, Order)],
    ) -> Result<Vec<OperationListed>, StoreError> {
        reads.operations(filter, page, sort).await
    }

    async fn count(reads: &Reads, filter: OperationFilter) -> Result<i64, StoreError> {
        reads.count_operations(filter).await
    }

    fn dto(row: &OperationListed) -> Value {
        operation_dto(row)
    }
}

/// Camunda's `UserOperationLogEntryDto`, with our `tenantId`.
pub(crate) fn operation_dto(listed: &OperationListed) -> Value {
    let row = &listed.row;
    let public = |number: Option<i64>| row.instance.zip(number).map(|(instance, number)| super::public(instance, number));
    let wait_of = |entity_types: &[&str]| public(row.wait.filter(|_| entity_types.contains(&row.entity_type.as_str())));
    json!({
        "id": super::public(row.operation, listed.ordinal),
        "operationId": row.operation.to_string(),
        "timestamp": date::print(row.at),
        "userId": row.user,
        "annotation": row.annotation,
        "operationType": row.operation_type,
        "entityType": row.entity_type,
        "category": row.category,
        "property": row.property,
        "orgValue": row.org_value,
        "newValue": row.new_value,
        "deploymentId": row.deployment_id,
        "processDefinitionId": row.definition_id,
        "processDefinitionKey": row.definition_key,
        "processInstanceId": row.instance.map(|id| id.to_string()),
        "rootProcessInstanceId": listed.root_instance.map(|id| id.to_string()),
        "executionId": row.instance.zip(row.activity).map(|(instance, activity)| super::execution(instance, activity)),
        "taskId": wait_of(OF_TASKS),
        "jobId": wait_of(OF_JOBS),
        "externalTaskId": wait_of(OF_EXTERNAL_TASKS),
        "jobDefinitionId": row.job_definition_id,
        "batchId": null,
        "caseDefinitionId": null,
        "caseInstanceId": null,
        "caseExecutionId": null,
        "removalTime": date::print_option(listed.removal_at),
        "tenantId": row.tenant,
    })
}

/// An operation's id is no instance's, but looks like one.
fn operation_or_none(id: &str) -> Uuid {
    instance_or_none(id).0
}

async fn set_annotation(Acting(app): Acting, Segments(id): Segments<String>, Body(mut body): Body) -> Result<StatusCode, Error> {
    let annotation = body.text("annotation")?.ok_or_else(|| Error::Invalid("annotation is null".to_owned()))?;
    body.finish(&["annotation"])?;
    check_annotation(Some(&annotation))?;
    annotate(&app, &id, Some(annotation)).await
}

async fn clear_annotation(Acting(app): Acting, Segments(id): Segments<String>) -> Result<StatusCode, Error> {
    annotate(&app, &id, None).await
}

/// Camunda says 400 of an operation that is not there.
async fn annotate(app: &App, id: &str, annotation: Option<String>) -> Result<StatusCode, Error> {
    let done = app.runtime.annotate_operation(operation_or_none(id), annotation).await;
    done.map_err(|error| Error::from(error).or_missing(|| Error::Invalid(format!("operation is null: there is no operation {id}"))))?;
    Ok(StatusCode::NO_CONTENT)
}
