//! `/history/variable-instance`, `/history/task`, `/history/incident`.

use serde_json::{Value, json};

use crate::common::{Host, assert_properties, fragile, review};

const VARIABLE: &[&str] = &[
    "id",
    "name",
    "processDefinitionKey",
    "processDefinitionId",
    "processInstanceId",
    "executionId",
    "activityInstanceId",
    "caseDefinitionKey",
    "caseDefinitionId",
    "caseInstanceId",
    "caseExecutionId",
    "taskId",
    "tenantId",
    "errorMessage",
    "state",
    "createTime",
    "removalTime",
    "rootProcessInstanceId",
    "value",
    "type",
    "valueInfo",
];
const TASK: &[&str] = &[
    "id",
    "processDefinitionKey",
    "processDefinitionId",
    "processInstanceId",
    "executionId",
    "caseDefinitionKey",
    "caseDefinitionId",
    "caseInstanceId",
    "caseExecutionId",
    "activityInstanceId",
    "name",
    "description",
    "deleteReason",
    "owner",
    "assignee",
    "startTime",
    "endTime",
    "duration",
    "taskDefinitionKey",
    "priority",
    "due",
    "parentTaskId",
    "followUp",
    "tenantId",
    "removalTime",
    "rootProcessInstanceId",
    "taskState",
];
const INCIDENT: &[&str] = &[
    "id",
    "processDefinitionKey",
    "processDefinitionId",
    "processInstanceId",
    "executionId",
    "rootProcessInstanceId",
    "createTime",
    "endTime",
    "removalTime",
    "incidentType",
    "activityId",
    "failedActivityId",
    "causeIncidentId",
    "rootCauseIncidentId",
    "configuration",
    "historyConfiguration",
    "incidentMessage",
    "tenantId",
    "jobDefinitionId",
    "open",
    "deleted",
    "resolved",
    "annotation",
];

async fn count(host: &Host, list: &str, filter: &str) -> Value {
    host.get(&format!("/engine-rest/history/{list}/count?{filter}")).await.ok()["count"].clone()
}

/// What a list has of one field, sorted by another.
async fn listed(host: &Host, list: &str, filter: &str, sort: &str, field: &str) -> Value {
    let found = host.get(&format!("/engine-rest/history/{list}?sortBy={sort}&sortOrder=asc&{filter}")).await.ok();
    assert_eq!(count(host, list, filter).await, json!(found.as_array().expect("a list").len()), "{list}?{filter}");
    found.as_array().expect("a list").iter().map(|it| it[field].clone()).collect()
}

#[tokio::test]
async fn variables_are_remembered_with_their_last_value() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let variables = json!({"a": {"value": 1}, "b": {"value": "x"}, "c": {"value": true}});
    let done = host.start("review", json!({"businessKey": "done", "variables": variables})).await;
    host.put(&format!("/engine-rest/process-instance/{done}/variables/a"), json!({"value": 2})).await.no_content();
    host.delete(&format!("/engine-rest/process-instance/{done}/variables/c")).await.no_content();
    let task = host.only_id("/engine-rest/task").await;
    host.post(&format!("/engine-rest/task/{task}/complete"), json!({"variables": {"d": {"value": "later"}}})).await.no_content();
    let other = host.start("review", json!({"variables": {"a": {"value": 7}}})).await;

    let a = host.only(&format!("/engine-rest/history/variable-instance?variableName=a&processInstanceId={done}")).await;
    assert_properties(&a, VARIABLE, &["updateTime"]);
    assert_eq!(
        (&a["value"], &a["type"], &a["state"], &a["activityInstanceId"]),
        (&json!(2), &json!("Integer"), &json!("CREATED"), &json!(done))
    );
    for (filter, expected) in [
        (format!("processInstanceId={done}"), json!(["a", "b", "d"])),
        (format!("processInstanceId={done}&includeDeleted=true"), json!(["a", "b", "c", "d"])),
        (format!("processInstanceIdIn={done},{other}"), json!(["a", "a", "b", "d"])),
        (format!("activityInstanceIdIn={other}"), json!(["a"])),
        (format!("executionIdIn={done}&activityInstanceIdIn={other}"), json!([])),
        ("variableNameIn=b,d".to_owned(), json!(["b", "d"])),
        ("variableName=d&variableValue=later".to_owned(), json!(["d"])),
        ("variableName=d&variableValue=sooner".to_owned(), json!([])),
        ("variableNameLike=%25".to_owned(), json!(["a", "a", "b", "d"])),
        ("variableName=D&variableValue=LATER".to_owned(), json!([])),
        ("variableName=D&variableValue=LATER&variableNamesIgnoreCase=true&variableValuesIgnoreCase=true".to_owned(), json!(["d"])),
        ("variableNameIn=B,x&variableNamesIgnoreCase=true".to_owned(), json!(["b"])),
        ("variableNameLike=D%25&variableNamesIgnoreCase=true".to_owned(), json!(["d"])),
        ("variableTypeIn=string".to_owned(), json!(["b", "d"])),
        ("processDefinitionKey=review".to_owned(), json!(["a", "a", "b", "d"])),
        ("processDefinitionKey=nowhere".to_owned(), json!([])),
    ] {
        assert_eq!(listed(&host, "variable-instance", &filter, "variableName", "name").await, expected, "{filter}");
    }
    let id = a["id"].as_str().expect("an id");
    assert_eq!(host.get(&format!("/engine-rest/history/variable-instance/{id}")).await.ok(), a);
    host.get(&format!("/engine-rest/history/variable-instance/{id}/data")).await.error(400, "InvalidRequestException");
    for path in ["", "/data"] {
        host.get(&format!("/engine-rest/history/variable-instance/nonsense{path}")).await.error(404, "InvalidRequestException");
    }
    let by_body = host.post("/engine-rest/history/variable-instance?maxResults=1", json!({"variableNameIn": ["d", "b"]})).await.ok();
    assert_eq!((by_body.as_array().map(Vec::len), &by_body[0]["name"]), (Some(1), &json!("b")));
    let unbuilt = host.get("/engine-rest/history/variable-instance?variableValue=eq_1").await.error(400, "InvalidRequestException");
    assert!(unbuilt.contains("variable name and value are required"), "{unbuilt}");
    host.close().await;
}

#[tokio::test]
async fn tasks_are_remembered_with_how_they_ended() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let done = host.start("review", json!({"businessKey": "done", "variables": {"x": {"value": "1"}}})).await;
    let task = host.only_id("/engine-rest/task").await;
    host.post(&format!("/engine-rest/task/{task}/claim"), json!({"userId": "ann"})).await.no_content();
    host.post(&format!("/engine-rest/task/{task}/complete"), json!({})).await.no_content();
    let deleted = host.start("review", json!({})).await;
    host.delete(&format!("/engine-rest/process-instance/{deleted}")).await.no_content();
    let open = host.start("review", json!({})).await;

    let one = host.only("/engine-rest/history/task?processInstanceBusinessKey=done").await;
    assert_properties(&one, TASK, &[]);
    assert_eq!((&one["id"], &one["assignee"], &one["deleteReason"]), (&json!(task), &json!("ann"), &json!("completed")));
    for (filter, expected) in [
        (String::new(), json!([done, deleted, open])),
        ("finished=true".to_owned(), json!([done, deleted])),
        ("unfinished=true".to_owned(), json!([open])),
        ("processUnfinished=true".to_owned(), json!([open])),
        ("taskAssignee=ann".to_owned(), json!([done])),
        ("unassigned=true".to_owned(), json!([deleted, open])),
        ("taskDefinitionKey=look".to_owned(), json!([done, deleted, open])),
        ("taskDefinitionKeyIn=elsewhere".to_owned(), json!([])),
        (format!("taskId={task}"), json!([done])),
        ("taskDeleteReason=completed".to_owned(), json!([done])),
        ("taskDeleteReason=deleted".to_owned(), json!([deleted])),
        ("taskDescriptionLike=Look%25&taskPriority=50&withoutTaskDueDate=true".to_owned(), json!([done, deleted, open])),
        ("taskOwner=ann".to_owned(), json!([])),
        ("taskFollowUpDateBefore=2099-01-01T00:00:00.000%2B0000".to_owned(), json!([])),
        ("processInstanceBusinessKeyIn=done,other".to_owned(), json!([done])),
        ("processInstanceBusinessKeyLike=d%25&processDefinitionName=Review%20an%20order".to_owned(), json!([done])),
        ("processVariables=x_eq_1".to_owned(), json!([done])),
        ("taskVariables=x_eq_1".to_owned(), json!([])),
        (format!("processInstanceId={deleted}"), json!([deleted])),
    ] {
        assert_eq!(listed(&host, "task", &filter, "startTime", "processInstanceId").await, expected, "{filter}");
    }
    assert_eq!(listed(&host, "task", "", "startTime", "taskState").await, json!(["Completed", "Deleted", "Created"]));
    assert_eq!(host.count("/engine-rest/history/task/count?taskDeleteReason=bored").await, 0);
    host.close().await;
}

#[tokio::test]
async fn incidents_are_remembered_with_what_became_of_them() {
    let host = Host::open().await;
    host.deploy("fragile", &fragile()).await;
    let mut started = Vec::new();
    for _ in 0..3 {
        let id = host.start("fragile", json!({"variables": {"good": {"value": false}}})).await;
        let job = host.only_id(&format!("/engine-rest/job?processInstanceId={id}")).await;
        host.post(&format!("/engine-rest/job/{job}/execute"), json!({})).await.error(500, "RestException");
        started.push((id, job));
    }
    let [(open, _), (resolved, job), (deleted, _)] = &started[..] else { unreachable!("three") };
    host.put(&format!("/engine-rest/job/{job}/retries"), json!({"retries": 1})).await.no_content();
    host.delete(&format!("/engine-rest/process-instance/{deleted}")).await.no_content();

    let one = host.only(&format!("/engine-rest/history/incident?configuration={job}")).await;
    assert_properties(&one, INCIDENT, &["code"]);
    assert_eq!(
        (&one["processInstanceId"], &one["incidentType"], &one["activityId"]),
        (&json!(resolved), &json!("failedJob"), &json!("decide"))
    );
    assert_eq!((&one["open"], &one["resolved"], &one["deleted"]), (&json!(false), &json!(true), &json!(false)));
    for (filter, expected) in [
        ("", json!([open, resolved, deleted])),
        ("open=true", json!([open])),
        ("resolved=true", json!([resolved])),
        ("deleted=true", json!([deleted])),
        ("incidentType=failedJob", json!([open, resolved, deleted])),
        ("incidentType=failedExternalTask", json!([])),
        ("failedActivityId=decide", json!([open, resolved, deleted])),
        ("activityId=elsewhere", json!([])),
    ] {
        assert_eq!(listed(&host, "incident", filter, "createTime", "processInstanceId").await, expected, "{filter}");
    }
    host.get("/engine-rest/history/incident?open=true&deleted=true").await.error(400, "InvalidRequestException");
    host.close().await;
}
