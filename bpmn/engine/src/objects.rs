//! The objects that expressions know from Camunda 7 beside variables (`VariableScopeElResolver`). They are to be looked at only, and what is asked of
//! them by a method (`execution.getId()`) is a property (`execution.id`) to the parser.

use mandate_feel::{Value, date_text};
use mandate_model::{ElementKind, Implementation, ServiceTask};
use serde_json::{Value as Json, json};

use crate::PublicId;
use crate::elements::At;
use crate::ids::WaitId;

/// The object with this name where an expression is evaluated.
pub(crate) fn object(at: &At<'_>, name: &str) -> Option<Value> {
    let json = match name {
        "execution" => execution(at),
        "task" => task(at)?,
        "externalTask" => external_task(at)?,
        "now()" | "dateTime()" => json!(date_text(at.moment.asked)),
        "currentUser()" | "authenticatedUserId" => json!(at.moment.user),
        // Nobody is known to be in a group: there are no users here, only names.
        "currentUserGroups()" => {
            if at.moment.user.is_some() {
                json!([])
            } else {
                Json::Null
            }
        }
        _ => return None,
    };
    Some(Value::from_json(&json))
}

/// Camunda's `DelegateExecution`, as far as it is known here.
fn execution(at: &At<'_>) -> Json {
    json!({
        "id": public(at, at.activity.0),
        "processInstanceId": at.instance.id.to_string(),
        "processBusinessKey": at.instance.business_key,
        "businessKey": at.instance.business_key,
        "tenantId": at.instance.tenant,
        "currentActivityId": &*at.element().id,
        "currentActivityName": at.element().name,
        "activityInstanceId": public(at, at.activity.0),
        "parentActivityInstanceId": at.instance.at(at.activity).parent.map(|parent| public(at, parent.0)),
    })
}

/// Camunda's `DelegateTask`: the user task that waits here.
fn task(at: &At<'_>) -> Option<Json> {
    // Listeners and forms are attached to the task's element; a boundary event is not.
    let task = at.waits().find_map(|wait| at.instance.tasks.get(&wait)).filter(|task| task.element == at.index)?;
    let element = at.definition.element(task.element);
    let date = |moment: Option<i64>| moment.and_then(date_text);
    let documentation = if let ElementKind::UserTask(task) = &element.kind { task.documentation.as_ref() } else { None };
    Some(json!({
        "id": public(at, task.wait.0),
        "name": task.name.as_ref().or(element.name.as_ref()),
        "description": task.description.as_ref().or(documentation),
        "assignee": task.assignee,
        "owner": task.owner,
        "priority": task.priority,
        "dueDate": date(task.due),
        "followUpDate": date(task.follow_up),
        "createTime": date(Some(task.since)),
        "taskDefinitionKey": &*element.id,
        "executionId": public(at, task.activity.0),
        "processInstanceId": at.instance.id.to_string(),
        "tenantId": at.instance.tenant,
    }))
}

/// Camunda's `ExternalTask`: the one that waits here, or that a delegate does in place of a worker. Who has it locked is not known here.
fn external_task(at: &At<'_>) -> Option<Json> {
    let ElementKind::ServiceTask(ServiceTask { implementation: Implementation::Topic(topic), .. }) = &at.element().kind else {
        return None;
    };
    let task = at.waits().find_map(|wait| at.instance.external_tasks.get(&wait));
    Some(json!({
        "id": task.map(|task| public(at, task.wait.0)),
        "activityId": &*at.element().id,
        "processInstanceId": at.instance.id.to_string(),
        "businessKey": at.instance.business_key,
        "tenantId": at.instance.tenant,
        "topicName": task.map_or(topic, |task| &task.topic),
        "priority": task.map(|task| task.priority),
        "retries": task.and_then(|task| task.retries),
        "errorMessage": task.and_then(|task| task.failure.as_ref()),
        "errorDetails": at.error_details,
    }))
}

fn public(at: &At<'_>, number: u64) -> String {
    PublicId { instance: at.instance.id, number }.to_string()
}

impl At<'_> {
    /// What the activity waits for.
    pub(crate) fn waits(&self) -> impl Iterator<Item = WaitId> {
        self.instance.index.waits.get(&self.activity).into_iter().flatten().copied()
    }
}
