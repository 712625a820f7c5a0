//! `/process-instance`.

use serde_json::json;

use crate::common::{Host, assert_properties, fragile, model, payment, review, some_of_each};

const INSTANCE: &[&str] =
    &["links", "id", "definitionId", "definitionKey", "businessKey", "caseInstanceId", "ended", "suspended", "tenantId"];
const ACTIVITY: &[&str] = &[
    "id",
    "parentActivityInstanceId",
    "activityId",
    "activityName",
    "name",
    "activityType",
    "processInstanceId",
    "processDefinitionId",
    "childActivityInstances",
    "childTransitionInstances",
    "executionIds",
    "incidentIds",
    "incidents",
];
const TRANSITION: &[&str] = &[
    "id",
    "parentActivityInstanceId",
    "activityId",
    "activityName",
    "activityType",
    "processInstanceId",
    "processDefinitionId",
    "executionId",
    "incidentIds",
    "incidents",
];
const REFUSED: &str = "InvalidRequestException";
const NOBODY: &str = "01936d0e-0000-7000-8000-000000000001";

#[tokio::test]
async fn instances_are_listed_counted_read_and_deleted() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    host.deploy("payments", &payment()).await;
    let a = host.start("review", json!({"businessKey": "order-1"})).await;
    let b = host.start("review", json!({"businessKey": "order-2"})).await;
    host.start("payment", json!({})).await;

    let listed = host.only("/engine-rest/process-instance?businessKey=order-1").await;
    assert_properties(&listed, INSTANCE, &[]);
    assert_eq!((&listed["id"], &listed["definitionKey"]), (&json!(a), &json!("review")));
    assert_eq!(host.get(&format!("/engine-rest/process-instance/{a}")).await.ok(), listed);
    let sorted = host.get("/engine-rest/process-instance?processDefinitionKey=review&sortBy=businessKey&sortOrder=desc").await.ok();
    assert_eq!((&sorted[0]["id"], &sorted[1]["id"]), (&json!(b), &json!(a)));
    assert_eq!(host.count("/engine-rest/process-instance/count?processDefinitionKeyIn=review,none").await, 2);
    assert_eq!(host.count("/engine-rest/process-instance/count?activityIdIn=wait").await, 1);
    assert_eq!(host.count(&format!("/engine-rest/process-instance/count?processInstanceIds={a},nonsense")).await, 1);
    assert_eq!(host.count("/engine-rest/process-instance/count?withIncident=true").await, 0);

    let body = json!({"processInstanceIds": [a, b], "sorting": [{"sortBy": "businessKey", "sortOrder": "asc"}], "orQueries": []});
    let posted = host.post("/engine-rest/process-instance?firstResult=1&maxResults=5", body).await.ok();
    assert_eq!(posted.as_array().map(Vec::len), Some(1));
    assert_eq!(posted[0]["id"], b);
    let counted = host.post("/engine-rest/process-instance/count", json!({"businessKeyLike": "order-%"})).await.ok();
    assert_eq!(counted, json!({"count": 2}));

    host.delete(&format!("/engine-rest/process-instance/{a}?skipCustomListeners=true")).await.no_content();
    host.get(&format!("/engine-rest/process-instance/{a}")).await.error(404, REFUSED);
    host.delete(&format!("/engine-rest/process-instance/{a}")).await.error(404, REFUSED);
    host.delete(&format!("/engine-rest/process-instance/{a}?failIfNotExists=false")).await.no_content();
    host.delete("/engine-rest/process-instance/nonsense").await.error(404, REFUSED);
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 2);
    host.close().await;
}

#[tokio::test]
async fn filters_that_are_not_built_are_refused_by_name() {
    let host = Host::open().await;
    let message = host.get("/engine-rest/process-instance?superCaseInstance=x&active=true").await.error(400, REFUSED);
    assert!(message.contains("'superCaseInstance'"), "{message}");
    host.get("/engine-rest/process-instance?active=true&suspended=true").await.error(400, REFUSED);
    host.get("/engine-rest/process-instance?businessKeyLike=a%5C").await.error(400, REFUSED);
    host.get("/engine-rest/process-definition?incidentMessageLike=a%5C").await.error(400, REFUSED);
    host.get("/engine-rest/process-instance?maxResults=10001").await.error(400, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn variables_are_read_written_and_removed() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let id = host.start("review", json!({"variables": some_of_each()})).await;
    let path = format!("/engine-rest/process-instance/{id}/variables");

    let all = host.get(&format!("{path}?deserializeValues=false")).await.ok();
    assert_eq!(all["l"], json!({"type": "Long", "value": 5_000_000_000_i64, "valueInfo": {}}));
    assert_eq!(all["n"], json!({"type": "Null", "value": null, "valueInfo": {}}));
    assert_eq!(all["u"], json!({"type": "String", "value": "untyped", "valueInfo": {}}));
    assert_eq!(host.get(&format!("{path}/d")).await.ok(), all["d"]);

    host.put(&format!("{path}/new"), json!({"value": "2026-11-20T11:00:00+01:00", "type": "date"})).await.no_content();
    assert_eq!(host.get(&format!("{path}/new")).await.ok()["value"], "2026-11-20T10:00:00.000+0000");
    host.put(&format!("{path}/new"), json!({"value": null, "type": "String"})).await.no_content();
    assert_eq!(host.get(&format!("{path}/new")).await.ok(), json!({"type": "String", "value": null, "valueInfo": {}}));
    host.post(&path, json!({"modifications": {"s": {"value": "y"}, "z": {"value": 1}}, "deletions": ["i", "never"]})).await.no_content();
    host.post(&path, json!({"modifications": null, "deletions": []})).await.no_content();
    host.delete(&format!("{path}/d")).await.no_content();
    let all = host.get(&path).await.ok();
    assert_eq!((&all["s"]["value"], &all["z"]["value"]), (&json!("y"), &json!(1)));
    assert!(all.get("i").is_none() && all.get("d").is_none(), "{all:#}");

    host.get(&format!("{path}/d")).await.error(404, REFUSED);
    host.get(&format!("{path}/d/data")).await.error(404, REFUSED);
    host.get(&format!("{path}/s/data")).await.error(400, REFUSED);
    host.put(&format!("{path}/x"), json!({"value": "x", "type": "Integer"})).await.error(400, REFUSED);
    host.put(&format!("{path}/x"), json!({"value": "x".repeat(70_000)})).await.error(400, REFUSED);
    host.post(&path, json!({"modifications": {"a": 5}})).await.error(400, REFUSED);
    let gone = format!("/engine-rest/process-instance/{NOBODY}/variables");
    let message = host.get(&gone).await.error(500, "NullValueException");
    assert!(message.ends_with("execution is null"), "{message}");
    let message = host.put(&format!("{gone}/x"), json!({"value": 1})).await.error(500, "RestException");
    assert_eq!(message, format!("Cannot put process instance variable x: execution {NOBODY} doesn't exist: execution is null"));
    // Files and bytes come as uploads.
    for owner in
        [format!("process-instance/{id}/variables"), format!("execution/{id}/localVariables"), format!("task/{NOBODY}/localVariables")]
    {
        let upload = host.upload(&format!("/engine-rest/{owner}/file/data"), &[("valueType", "File")], &[("a.txt", b"text")]).await;
        assert!(upload.error(400, REFUSED).contains("'file'"), "{owner}");
    }
    host.close().await;
}

#[tokio::test]
async fn the_tree_shows_activities_and_transitions() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let id = host.start("review", json!({})).await;
    let tree = host.tree(&id).await;
    assert_properties(&tree, ACTIVITY, &[]);
    assert_eq!((&tree["id"], &tree["activityType"]), (&json!(id), &json!("processDefinition")));
    assert_eq!((&tree["activityId"], &tree["parentActivityInstanceId"]), (&tree["processDefinitionId"], &json!(null)));
    let look = &tree["childActivityInstances"][0];
    assert_properties(look, ACTIVITY, &[]);
    assert_eq!((&look["activityId"], &look["activityType"], &look["name"]), (&json!("look"), &json!("userTask"), &json!("Look at it")));
    assert_eq!((&look["parentActivityInstanceId"], &look["executionIds"][0]), (&json!(id), &look["id"]));

    host.deploy("fragile", &fragile()).await;
    let id = host.start("fragile", json!({})).await;
    let job = host.only_id(&format!("/engine-rest/job?processInstanceId={id}")).await;
    host.put(&format!("/engine-rest/job/{job}/retries"), json!({"retries": 0})).await.no_content();
    let tree = host.tree(&id).await;
    assert_eq!(tree["childActivityInstances"], json!([]));
    let before = &tree["childTransitionInstances"][0];
    assert_properties(before, TRANSITION, &["targetActivityId"]);
    assert_eq!((&before["activityId"], &before["activityType"]), (&json!("decide"), &json!("exclusiveGateway")));
    assert_eq!(before["incidents"][0]["activityId"], "decide");
    assert_eq!(before["incidentIds"][0], host.only_id("/engine-rest/incident").await);
    host.get(&format!("/engine-rest/process-instance/{NOBODY}/activity-instances")).await.error(404, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn scopes_are_nested_in_the_tree() {
    let host = Host::open().await;
    let nested = model(
        "<bpmn:process id='nested' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='sub'/>\
         <bpmn:subProcess id='sub'><bpmn:startEvent id='s2'/><bpmn:sequenceFlow id='g1' sourceRef='s2' targetRef='inner'/>\
         <bpmn:userTask id='inner'/><bpmn:sequenceFlow id='g2' sourceRef='inner' targetRef='e2'/><bpmn:endEvent id='e2'/></bpmn:subProcess>\
         <bpmn:sequenceFlow id='f2' sourceRef='sub' targetRef='e'/><bpmn:endEvent id='e'/></bpmn:process>",
    );
    host.deploy("nested", &nested).await;
    let id = host.start("nested", json!({})).await;
    let tree = host.tree(&id).await;
    let sub = &tree["childActivityInstances"][0];
    let inner = &sub["childActivityInstances"][0];
    assert_eq!((&sub["activityType"], &inner["activityId"]), (&json!("subProcess"), &json!("inner")));
    assert_eq!(inner["parentActivityInstanceId"], sub["id"]);
    let historic = host.only("/engine-rest/history/activity-instance?activityId=inner").await;
    assert_eq!((&historic["id"], &historic["parentActivityInstanceId"]), (&inner["id"], &sub["id"]));
    host.close().await;
}

#[tokio::test]
async fn a_suspended_instance_refuses_and_goes_on_later() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let id = host.start("review", json!({})).await;
    let path = format!("/engine-rest/process-instance/{id}/suspended");
    host.put(&path, json!({"suspended": true})).await.no_content();
    assert_eq!(host.count("/engine-rest/process-instance/count?suspended=true").await, 1);
    assert_eq!(host.count("/engine-rest/task/count?active=true").await, 0);
    let task = host.only_id("/engine-rest/task?suspended=true").await;
    let complete = format!("/engine-rest/task/{task}/complete");
    let message = host.post(&complete, json!({})).await.error(500, "RestException");
    assert!(message.starts_with("Cannot complete task "), "{message}");
    host.put(&path, json!({"suspended": false})).await.no_content();
    host.post(&complete, json!({})).await.no_content();

    host.put(&path, json!({"suspended": true})).await.error(404, REFUSED);
    host.put(&path, json!({})).await.error(400, REFUSED);
    host.put(&path, json!({"suspended": "perhaps"})).await.error(400, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn what_is_deleted_runs_no_listeners_and_no_mappings() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let id = host.start("review", json!({})).await;
    let path = format!("/engine-rest/process-instance/{id}");
    host.delete(&format!("{path}?skipSubprocesses=true")).await.error(400, REFUSED);
    host.delete(&format!("{path}?skipCustomListeners=true&skipIoMappings=true&skipSubprocesses=false")).await.no_content();
    host.close().await;
}
