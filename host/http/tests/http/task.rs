//! `/task`.

use serde_json::json;

use crate::common::{Host, assert_properties, hasty, review};

const TASK: &[&str] = &[
    "id",
    "name",
    "assignee",
    "owner",
    "created",
    "lastUpdated",
    "due",
    "followUp",
    "delegationState",
    "description",
    "executionId",
    "parentTaskId",
    "priority",
    "processDefinitionId",
    "processInstanceId",
    "caseExecutionId",
    "caseDefinitionId",
    "caseInstanceId",
    "taskDefinitionKey",
    "suspended",
    "formKey",
    "camundaFormRef",
    "tenantId",
    "taskState",
];
const REFUSED: &str = "InvalidRequestException";
const NOBODY: &str = "01936d0e-0000-7000-8000-000000000001.7";

#[tokio::test]
async fn tasks_are_listed_counted_and_read() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let instance = host.start("review", json!({"businessKey": "order-1"})).await;
    host.start("review", json!({"businessKey": "order-2"})).await;

    let task = host.only("/engine-rest/task?processInstanceBusinessKey=order-1&candidateGroup=sales&unassigned=true").await;
    assert_properties(&task, TASK, &[]);
    assert_eq!((&task["processInstanceId"], &task["taskDefinitionKey"]), (&json!(instance), &json!("look")));
    assert_eq!(
        (&task["name"], &task["formKey"], &task["description"]),
        (&json!("Look at it"), &json!("look-form"), &json!("Look closely."))
    );
    let id = task["id"].as_str().expect("an id");
    assert!(id.starts_with(&format!("{instance}.")), "{id}");
    assert_eq!(host.get(&format!("/engine-rest/task/{id}")).await.ok(), task);
    for (filter, expected) in [
        ("", 2),
        ("?candidateGroups=sales,none", 2),
        ("?candidateGroup=none", 0),
        ("?assigned=true", 0),
        ("?taskDefinitionKey=look&nameLike=Look%25", 2),
        ("?processDefinitionKey=review&processInstanceBusinessKeyIn=order-2,order-3", 1),
        ("?createdBefore=2001-01-01T00:00:00.000%2B0000", 0),
        ("?createdAfter=2001-01-01T00:00:00.000+0000", 2),
        ("?taskId=nonsense", 0),
        ("?withoutDueDate=true&withCandidateGroups=true", 2),
        ("?withTaskVariablesInReturn=false", 2),
    ] {
        assert_eq!(host.count(&format!("/engine-rest/task/count{filter}")).await, expected, "{filter}");
    }
    let body = json!({"taskIdIn": [id], "sorting": [{"sortBy": "created", "sortOrder": "asc"}], "processVariables": []});
    assert_eq!(host.post("/engine-rest/task?maxResults=5", body.clone()).await.ok(), json!([task]));
    assert_eq!(host.post("/engine-rest/task/count", json!({"candidateGroups": ["sales"]})).await.ok(), json!({"count": 2}));

    host.get(&format!("/engine-rest/task/{NOBODY}")).await.error(404, REFUSED);
    host.get("/engine-rest/task/nonsense").await.error(404, REFUSED);
    for filter in
        ["priority=5", "processVariables=a_eq_1", "candidateGroup=a&candidateGroups=b", "includeAssignedTasks=true", "dueBefore=soon"]
    {
        host.get(&format!("/engine-rest/task?{filter}")).await.error(400, REFUSED);
    }
    host.post("/engine-rest/task", json!({"orQueries": [{"name": "x"}]})).await.error(400, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn a_task_is_claimed_by_one_user_only() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    host.start("review", json!({})).await;
    let id = host.only_id("/engine-rest/task").await;
    let path = format!("/engine-rest/task/{id}");
    host.post(&format!("{path}/claim"), json!({"userId": "ann"})).await.no_content();
    host.post(&format!("{path}/claim"), json!({"userId": "ann"})).await.no_content();
    let message = host.post(&format!("{path}/claim"), json!({"userId": "bob"})).await.error(500, "TaskAlreadyClaimedException");
    assert_eq!(message, format!("Task '{id}' is already claimed by someone else."));
    assert_eq!(host.count("/engine-rest/task/count?assignee=ann").await, 1);
    assert_eq!(host.count("/engine-rest/task/count?candidateGroup=sales").await, 0);
    assert_eq!(host.count("/engine-rest/task/count?candidateGroup=sales&includeAssignedTasks=true").await, 1);
    host.post(&format!("{path}/assignee"), json!({"userId": "bob"})).await.no_content();
    assert_eq!(host.get(&path).await.ok()["assignee"], "bob");
    host.raw("POST", &format!("{path}/unclaim"), Vec::new()).await.no_content();
    assert_eq!(host.get(&path).await.ok()["assignee"], json!(null));

    for verb in ["claim", "unclaim", "assignee"] {
        let message = host.post(&format!("/engine-rest/task/{NOBODY}/{verb}"), json!({"userId": "ann"})).await.error(500, "RestException");
        assert!(message.ends_with(&format!("Cannot find task with id {NOBODY}: task is null")), "{message}");
    }
    host.post(&format!("{path}/claim"), json!({"userId": 5})).await.error(400, REFUSED);
    host.post(&format!("{path}/claim"), json!({"userId": "x".repeat(300)})).await.error(400, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn a_completed_task_takes_the_process_on() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let instance = host.start("review", json!({"variables": {"a": {"value": 1}}})).await;
    let id = host.only_id("/engine-rest/task").await;
    let path = format!("/engine-rest/task/{id}");
    let variables = host.get(&format!("{path}/variables")).await.ok();
    assert_eq!(variables, json!({"a": {"type": "Integer", "value": 1, "valueInfo": {}}}));
    assert_eq!(host.get(&format!("{path}/variables/a")).await.ok()["value"], 1);
    host.get(&format!("{path}/variables/b")).await.error(404, REFUSED);

    host.post(&format!("{path}/complete"), json!({"variables": {"b": {"value": "x", "type": "File"}}})).await.error(400, REFUSED);
    let body = json!({"variables": {"b": {"value": "x", "type": "string"}}, "withVariablesInReturn": true});
    let after = host.post(&format!("{path}/complete"), body).await.ok();
    assert_eq!((&after["a"]["value"], &after["b"]["type"]), (&json!(1), &json!("String")));
    let history = host.get(&format!("/engine-rest/history/process-instance/{instance}")).await.ok();
    assert_eq!(history["state"], "COMPLETED");

    let message = host.post(&format!("{path}/complete"), json!({})).await.error(500, "RestException");
    assert_eq!(message, format!("Cannot complete task {id}: Cannot find task with id {id}: task is null"));
    host.get(&format!("{path}/variables")).await.error(500, "RestException");
    host.close().await;
}

#[tokio::test]
async fn a_unit_that_fails_leaves_the_task_where_it_was() {
    let host = Host::open().await;
    host.deploy("hasty", &hasty()).await;
    host.start("hasty", json!({})).await;
    let id = host.only_id("/engine-rest/task").await;
    let complete = format!("/engine-rest/task/{id}/complete");
    let message = host.post(&complete, json!({})).await.error(500, "ProcessEngineException");
    assert!(message.starts_with("EXPRESSION_FAILED: "), "{message}");
    let message = host.post(&complete, json!({"variables": {"good": {"value": false}}})).await.error(500, "ProcessEngineException");
    assert!(message.starts_with("NO_FLOW_TAKEN: "), "{message}");
    assert_eq!(host.only_id("/engine-rest/task").await, id);
    host.post(&complete, json!({"variables": {"good": {"value": true}}})).await.no_content();
    host.close().await;
}
