//! An ended instance as one line of JSON: what is exported, and what is written down before its history is removed.

use mandate_runtime::query::{HistoryIncident, HistoryTask, HistoryTaskLink, HistoryUpdate, HistoryVariable, InstanceRecord};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::ledger_dto;
use crate::rest::{activity_dto, execution, instance_dto, operation_dto, public};
use crate::{date, variable};

/// One line, without its end: the fields of Camunda's `HistoricProcessInstanceDto`, and `activityInstances`, `variableInstances`,
/// `variableUpdates`, `taskInstances` and `incidents` with those of its other historic DTOs as far as there is anything to say, and
/// `ledger` as `/api/v1` lists it.
pub fn history_line(record: &InstanceRecord) -> String {
    let mut line = instance_dto(&record.instance);
    line["activityInstances"] = record.activities.iter().map(activity_dto).collect();
    line["variableInstances"] = record.variables.iter().map(variable_dto).collect();
    line["variableUpdates"] = record.updates.iter().map(|update| update_dto(record, update)).collect();
    line["taskInstances"] = record.tasks.iter().map(|task| task_line(record, task)).collect();
    line["incidents"] = record.incidents.iter().map(|incident| incident_dto(record.instance.id, incident)).collect();
    line["userOperations"] = record.operations.iter().map(operation_dto).collect();
    line["ledger"] = record.ledger.iter().map(ledger_dto).collect();
    line.to_string()
}

/// Of Camunda's `HistoricVariableInstanceDto`.
pub(crate) fn variable_dto(row: &HistoryVariable) -> Value {
    json!({
        "name": row.name,
        "type": row.kind,
        "value": variable::shown(&row.kind, &row.json),
        "activityInstanceId": execution(row.instance, row.scope),
        "state": if row.removed { "DELETED" } else { "CREATED" },
        "createTime": date::print(row.created),
        // Camunda keeps it in the details only.
        "updateTime": date::print(row.updated),
    })
}

/// Of Camunda's `HistoricVariableUpdateDto`.
fn update_dto(record: &InstanceRecord, row: &HistoryUpdate) -> Value {
    json!({
        "type": "variableUpdate",
        "variableName": row.name,
        "variableType": row.kind,
        "value": variable::shown(&row.kind, &row.json),
        "activityInstanceId": execution(record.instance.id, row.scope),
        "time": date::print(row.at),
        "revision": row.revision,
        "removed": row.removed,
    })
}

/// A task with everybody who ever had to do with it, each as Camunda's `IdentityLinkDto`.
fn task_line(record: &InstanceRecord, task: &HistoryTask) -> Value {
    let link = |it: &HistoryTaskLink| match it.kind.as_str() {
        "group" => json!({"type": "candidate", "userId": null, "groupId": it.name}),
        "user" => json!({"type": "candidate", "userId": it.name, "groupId": null}),
        kind => json!({"type": kind, "userId": it.name, "groupId": null}),
    };
    let mut line = task_dto(record.instance.id, task);
    line["identityLinks"] = record.task_links.iter().filter(|it| it.wait == task.wait).map(link).collect();
    line
}

/// Of Camunda's `HistoricTaskInstanceDto`.
pub(crate) fn task_dto(instance: Uuid, row: &HistoryTask) -> Value {
    json!({
        "id": public(instance, row.wait),
        "taskDefinitionKey": row.activity_id,
        "activityInstanceId": public(instance, row.activity),
        "name": row.name,
        "assignee": row.assignee,
        "owner": row.owner,
        "description": row.description,
        "due": date::print_option(row.due),
        "followUp": date::print_option(row.follow_up),
        "priority": row.priority,
        "startTime": date::print(row.created),
        "endTime": date::print_option(row.ended_at),
        "duration": row.ended_at.map(|ended| ended - row.created),
    })
}

/// Of Camunda's `HistoricIncidentDto`, with our `code`.
pub(crate) fn incident_dto(instance: Uuid, row: &HistoryIncident) -> Value {
    json!({
        "id": public(instance, row.n),
        "code": row.code,
        "incidentMessage": row.message,
        "activityId": row.activity_id,
        "failedActivityId": row.failed_activity_id,
        "jobDefinitionId": row.job_definition_id,
        "executionId": execution(instance, row.activity),
        "configuration": row.wait.map(|wait| public(instance, wait)),
        "createTime": date::print(row.created),
        "endTime": date::print_option(row.ended_at),
    })
}
