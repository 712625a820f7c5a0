//! `/history/user-operation`: what operators did.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use crate::common::{Answer, Host, assert_properties, delayed, fragile, review};

const ENTRY: &[&str] = &[
    "id",
    "userId",
    "timestamp",
    "operationId",
    "operationType",
    "entityType",
    "category",
    "annotation",
    "property",
    "orgValue",
    "newValue",
    "deploymentId",
    "processDefinitionId",
    "processDefinitionKey",
    "processInstanceId",
    "executionId",
    "caseDefinitionId",
    "caseInstanceId",
    "caseExecutionId",
    "taskId",
    "externalTaskId",
    "batchId",
    "jobId",
    "jobDefinitionId",
    "removalTime",
    "rootProcessInstanceId",
];
const LOG: &str = "/engine-rest/history/user-operation";
const REFUSED: &str = "InvalidRequestException";

/// A request that says who makes it.
async fn by(host: &Host, user: &str, method: &str, path: &str, body: Value) -> Answer {
    let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    let request = request.header("Mandate-User", user).header("Mandate-Annotation", "asked by phone");
    host.send(request.body(Body::from(body.to_string())).expect("a request")).await
}

/// What the log has of some entries, in order: who, what, of what, and from what to what.
async fn log(host: &Host, filter: &str) -> Vec<String> {
    let list = host.get(&format!("{LOG}?sortBy=timestamp&sortOrder=asc&{filter}")).await.ok();
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let line =
        |it: &Value| ["userId", "operationType", "entityType", "property", "orgValue", "newValue"].map(|name| text(&it[name])).join(" ");
    list.as_array().expect("a list").iter().map(line).collect()
}

#[tokio::test]
async fn work_on_a_task_is_logged_with_who_what_and_why() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let instance = host.start("review", json!({"businessKey": "order-1"})).await;
    let task = host.only_id("/engine-rest/task").await;
    let path = format!("/engine-rest/task/{task}");
    by(&host, "ann", "POST", &format!("{path}/claim"), json!({"userId": "ann"})).await.no_content();
    by(&host, "bob", "POST", &format!("{path}/claim"), json!({"userId": "bob"})).await.error(500, "TaskAlreadyClaimedException");
    by(&host, "ann", "POST", &format!("{path}/delegate"), json!({"userId": "bob"})).await.no_content();
    by(&host, "bob", "PUT", &format!("{path}/localVariables/seen"), json!({"value": 1})).await.no_content();
    by(&host, "bob", "POST", &format!("{path}/resolve"), json!({})).await.no_content();
    by(&host, "ann", "POST", &format!("{path}/identity-links"), json!({"groupId": "audit", "type": "candidate"})).await.no_content();
    host.post(&format!("{path}/complete"), json!({})).await.no_content();
    assert_eq!(
        log(&host, &format!("taskId={task}")).await,
        [
            "ann Claim Task assignee - ann",
            "ann Delegate Task assignee ann bob",
            "ann Delegate Task owner - ann",
            "ann Delegate Task delegation - PENDING",
            "bob SetVariable Variable seen - 1",
            "bob Resolve Task assignee bob ann",
            "bob Resolve Task delegation PENDING RESOLVED",
            "ann AddGroupLink Task candidateGroups sales,support sales,support,audit",
            "- Complete Task delete false true",
        ]
    );
    let entry = host.get(&format!("{LOG}?operationType=Claim")).await.ok()[0].clone();
    assert_properties(&entry, ENTRY, &["tenantId"]);
    assert_eq!((&entry["annotation"], &entry["category"]), (&json!("asked by phone"), &json!("TaskWorker")));
    assert_eq!((&entry["processInstanceId"], &entry["taskId"]), (&json!(instance), &json!(task)));
    assert_eq!(entry["processDefinitionKey"], "review");

    for (filter, expected) in [
        ("userId=bob", 3),
        ("operationType=Delegate", 3),
        ("operationType=Delegate&property=owner", 1),
        ("entityTypeIn=Variable,Job", 1),
        ("category=TaskWorker&userId=ann", 5),
        ("processDefinitionKey=review", 9),
        ("processInstanceId=nonsense", 0),
        ("jobId=nonsense", 0),
        ("afterTimestamp=2100-01-01T00:00:00.000%2B0000", 0),
        ("beforeTimestamp=2100-01-01T00:00:00.000%2B0000&userId=ann", 5),
    ] {
        assert_eq!(host.count(&format!("{LOG}/count?{filter}")).await, expected, "{filter}");
    }
    host.get(&format!("{LOG}?batchId=x")).await.error(400, REFUSED);
    // It goes with the instance.
    let exported = host.get("/api/v1/history/export").await;
    let line: Value = serde_json::from_str(exported.text().lines().next().expect("a line")).expect("JSON");
    assert_eq!(line["userOperations"].as_array().map(Vec::len), Some(9), "{line:#}");
    host.close().await;
}

#[tokio::test]
async fn what_operators_repair_suspend_and_delete_is_logged() {
    let host = Host::open().await;
    let deployment = host.deploy("fragile", &fragile()).await;
    let definition = deployment["deployedProcessDefinitions"].as_object().expect("some").keys().next().expect("one").clone();
    let instance = host.start("fragile", json!({"variables": {"amount": {"value": 1}}})).await;
    let job = host.only_id("/engine-rest/job").await;
    let of_instance = format!("/engine-rest/process-instance/{instance}");
    by(&host, "ann", "PUT", &format!("/engine-rest/job/{job}/retries"), json!({"retries": 5})).await.no_content();
    by(&host, "ann", "PUT", &format!("{of_instance}/suspended"), json!({"suspended": true})).await.no_content();
    by(&host, "ann", "PUT", &format!("{of_instance}/suspended"), json!({"suspended": false})).await.no_content();
    let body = json!({"modifications": {"amount": {"value": 2}, "note": {"value": "x".repeat(5_000)}}, "deletions": ["gone"]});
    by(&host, "ann", "POST", &format!("{of_instance}/variables"), body).await.no_content();
    let suspended = json!({"suspended": true, "includeProcessInstances": false});
    by(&host, "ann", "PUT", &format!("/engine-rest/process-definition/{definition}/suspended"), suspended).await.no_content();
    let history = format!("/engine-rest/history/process-instance/{instance}");
    let message = by(&host, "ann", "DELETE", &history, json!({})).await.error(400, REFUSED);
    assert!(message.contains("still running"), "{message}");
    by(&host, "ann", "DELETE", &of_instance, json!({})).await.no_content();

    let lines = log(&host, &format!("processInstanceId={instance}")).await;
    let cut: Vec<_> = lines.iter().map(|line| &line[..line.len().min(70)]).collect();
    assert_eq!(
        cut,
        [
            "ann SetJobRetries Job retries 1 5",
            "ann Suspend ProcessInstance suspensionState active suspended",
            "ann Activate ProcessInstance suspensionState suspended active",
            "ann ModifyVariable Variable amount 1 2",
            "ann ModifyVariable Variable gone - -",
            "ann ModifyVariable Variable note - \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
            "ann Delete ProcessInstance - - -",
        ]
    );
    assert!(lines[5].len() < 4_100, "a value is cut");
    assert_eq!(host.count(&format!("{LOG}/count?jobId={job}")).await, 1);
    assert_eq!(
        log(&host, &format!("processDefinitionId={definition}&entityType=ProcessDefinition")).await,
        [
            "ann SuspendProcessDefinition ProcessDefinition suspensionState active suspended",
            "ann SuspendProcessDefinition ProcessDefinition includeProcessInstances - false",
        ]
    );

    by(&host, "eve", "DELETE", &history, json!({})).await.no_content();
    host.get(&history).await.error(404, REFUSED);
    by(&host, "eve", "DELETE", &history, json!({})).await.error(404, REFUSED);
    assert_eq!(log(&host, &format!("processInstanceId={instance}")).await, ["eve DeleteHistory ProcessInstance - - -"]);
    let id = deployment["id"].as_str().expect("an id");
    by(&host, "eve", "DELETE", &format!("/engine-rest/deployment/{id}"), json!({})).await.no_content();
    assert_eq!(
        log(&host, &format!("deploymentId={id}&entityType=Deployment")).await,
        [
            "- Create Deployment duplicateFilterEnabled - false",
            "- Create Deployment name - fragile",
            "eve Delete Deployment cascade - false",
        ]
    );
    host.close().await;
}

#[tokio::test]
async fn an_operation_gets_an_annotation_and_loses_it() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let entry = host.get(&format!("{LOG}?property=name")).await.ok()[0].clone();
    let operation = entry["operationId"].as_str().expect("an id");
    by(&host, "ann", "PUT", &format!("{LOG}/{operation}/set-annotation"), json!({"annotation": "the new one"})).await.no_content();
    let all = host.get(&format!("{LOG}?operationId={operation}")).await.ok();
    assert!(all.as_array().expect("a list").iter().all(|it| it["annotation"] == "the new one"), "{all:#}");
    by(&host, "ann", "PUT", &format!("{LOG}/{operation}/clear-annotation"), json!({})).await.no_content();
    assert_eq!(
        log(&host, "entityType=OperationLog&property=annotation").await,
        ["ann SetAnnotation OperationLog annotation - the new one", "ann ClearAnnotation OperationLog annotation the new one -"]
    );
    host.put(&format!("{LOG}/nonsense/set-annotation"), json!({"annotation": "x"})).await.error(400, REFUSED);
    host.put(&format!("{LOG}/{operation}/set-annotation"), json!({})).await.error(400, REFUSED);
    host.put(&format!("{LOG}/{operation}/set-annotation"), json!({"annotation": "x".repeat(4_001)})).await.error(400, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn the_user_of_basic_authentication_is_taken_at_their_word() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    host.start("review", json!({})).await;
    let task = host.only_id("/engine-rest/task").await;
    let request = Request::post(format!("/engine-rest/task/{task}/unclaim")).header(header::AUTHORIZATION, "Basic YW5uOnNlY3JldA==");
    host.send(request.body(Body::empty()).expect("a request")).await.no_content();
    assert_eq!(log(&host, "entityType=Task").await, ["ann Assign Task - - -"]);
    let wrong = Request::post(format!("/engine-rest/task/{task}/unclaim")).header(header::AUTHORIZATION, "Basic nonsense");
    host.send(wrong.body(Body::empty()).expect("a request")).await.error(400, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn a_modification_is_logged_with_where_the_instance_stood_and_stands() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let instance = host.start("review", json!({})).await;
    let again = json!([{"type": "startBeforeActivity", "activityId": "look"}]);
    let path = format!("/engine-rest/process-instance/{instance}/modification");
    by(&host, "ann", "POST", &path, json!({"instructions": again, "annotation": "two see more"})).await.no_content();
    let filter = format!("processInstanceId={instance}");
    assert_eq!(log(&host, &filter).await, ["ann ModifyProcessInstance ProcessInstance activities look look,look"]);
    assert_eq!(host.only(&format!("{LOG}?{filter}")).await["annotation"], "two see more");
    host.close().await;
}

#[tokio::test]
async fn a_job_that_is_moved_is_logged_with_its_dates() {
    let host = Host::open().await;
    host.deploy("delayed", &delayed()).await;
    host.start("delayed", json!({})).await;
    let job = host.only_id("/engine-rest/job").await;
    let path = format!("/engine-rest/job/{job}/duedate");
    by(&host, "ann", "PUT", &path, json!({"duedate": "2030-01-01T00:00:00.000+0000"})).await.no_content();
    by(&host, "bob", "POST", &format!("{path}/recalculate"), json!({})).await.no_content();
    by(&host, "eve", "PUT", &path, json!({"duedate": "soon"})).await.error(400, REFUSED);
    let lines = log(&host, &format!("jobId={job}")).await;
    let [moved, back] = &lines[..] else { panic!("{lines:?}") };
    assert!(moved.starts_with("ann SetDueDate Job duedate ") && moved.ends_with(" 1893456000000"), "{moved}");
    assert!(back.starts_with("bob RecalculateDueDate Job duedate 1893456000000 "), "{back}");
    host.close().await;
}
