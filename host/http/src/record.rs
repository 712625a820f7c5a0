//! An ended instance as one line of JSON: what is exported, and what is written down before its history is removed.

use mandate_runtime::query::{
    HistoryIncident, HistoryInstance, HistoryTask, HistoryTaskLink, HistoryUpdate, HistoryVariable, RecordPart, RecordRows,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::api::ledger_dto;
use crate::rest::{activity_dto, execution, instance_dto, operation_dto, public};
use crate::{date, variable};

/// A part of one line, which all parts of a record are together, without its end: the fields of Camunda's `HistoricProcessInstanceDto`, and
/// `activityInstances`, `variableInstances`, `variableUpdates`, `taskInstances` and `incidents` with those of its other historic DTOs as
/// far as there is anything to say, and `ledger` as `/api/v1` lists it.
pub fn history_line(instance: &HistoryInstance, part: &RecordPart) -> String {
    let id = instance.id;
    let (name, rows): (_, Vec<Value>) = match &part.rows {
        RecordRows::Activities(rows) => ("activityInstances", rows.iter().map(activity_dto).collect()),
        RecordRows::Variables(rows) => ("variableInstances", rows.iter().map(variable_dto).collect()),
        RecordRows::Updates(rows) => ("variableUpdates", rows.iter().map(|update| update_dto(id, update)).collect()),
        RecordRows::Tasks(rows) => ("taskInstances", rows.iter().map(|(task, links)| task_line(id, task, links)).collect()),
        RecordRows::Incidents(rows) => ("incidents", rows.iter().map(|incident| incident_dto(id, incident)).collect()),
        RecordRows::Operations(rows) => ("userOperations", rows.iter().map(operation_dto).collect()),
        RecordRows::Ledger(rows) => ("ledger", rows.iter().map(ledger_dto).collect()),
    };
    let mut line = String::new();
    if part.is_first {
        if let RecordRows::Activities(_) = part.rows {
            line.push_str(instance_dto(instance).to_string().trim_end_matches('}'));
        }
        line.extend([",\"", name, "\":["]);
    }
    for (at, row) in rows.into_iter().enumerate() {
        if at > 0 || !part.is_first {
            line.push(',');
        }
        line.push_str(&row.to_string());
    }
    if part.is_last {
        line.push(']');
        if let RecordRows::Ledger(_) = part.rows {
            line.push('}');
        }
    }
    line
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
fn update_dto(instance: Uuid, row: &HistoryUpdate) -> Value {
    json!({
        "type": "variableUpdate",
        "variableName": row.name,
        "variableType": row.kind,
        "value": variable::shown(&row.kind, &row.json),
        "activityInstanceId": execution(instance, row.scope),
        "time": date::print(row.at),
        "revision": row.revision,
        "removed": row.removed,
    })
}

/// A task with everybody who ever had to do with it, each as Camunda's `IdentityLinkDto`.
fn task_line(instance: Uuid, task: &HistoryTask, links: &[HistoryTaskLink]) -> Value {
    let link = |it: &HistoryTaskLink| match it.kind.as_str() {
        "group" => json!({"type": "candidate", "userId": null, "groupId": it.name}),
        "user" => json!({"type": "candidate", "userId": it.name, "groupId": null}),
        kind => json!({"type": kind, "userId": it.name, "groupId": null}),
    };
    let mut line = task_dto(instance, task);
    line["identityLinks"] = links.iter().map(link).collect();
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
