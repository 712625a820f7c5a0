//! `executionDate`: suspensions and activations for a later date.

use serde_json::json;

use crate::common::{Host, review};

#[tokio::test(flavor = "multi_thread")]
async fn definition_is_suspended_at_the_date_that_the_request_says() {
    let host = Host::open_under_a_set_clock().await;
    host.deploy("one", &review()).await;
    let instance = host.start("review", json!({})).await;
    host.put("/api/v1/clock", json!({"now": "2099-01-01T00:00:00.000Z"})).await.ok();
    let at = "2099-01-02T00:00:00.000+0000";
    let by_key = json!({"suspended": true, "processDefinitionKey": "review", "includeProcessInstances": true, "executionDate": at});
    host.put("/engine-rest/process-definition/suspended", by_key).await.no_content();
    let one = json!({"suspended": true, "executionDate": "2099-01-03T00:00:00.000+0000"});
    host.put("/engine-rest/process-definition/key/review/suspended", one).await.no_content();
    assert_eq!(host.count("/engine-rest/process-definition/count?suspended=true").await, 0);

    let planned = host.get("/api/v1/planned-suspensions").await.ok();
    assert_eq!((&planned[0]["executionDate"], &planned[0]["processDefinitionKey"]), (&json!(at), &json!("review")), "{planned:#}");
    assert_eq!(planned.as_array().map(Vec::len), Some(2));
    let second = planned[1]["id"].as_str().expect("an id");
    let second = format!("/api/v1/planned-suspensions/{second}");
    assert_eq!(host.get(&second).await.ok(), planned[1]);
    host.delete(&second).await.no_content();
    host.delete(&second).await.error(404, "InvalidRequestException");
    // What is not there is called as the request calls it.
    let missing = host.get("/api/v1/planned-suspensions/soon").await.error(404, "InvalidRequestException");
    assert!(missing.contains("'soon'"), "{missing}");

    host.put("/api/v1/clock", json!({"now": "2099-01-02T00:00:00.000Z"})).await.ok();
    assert_eq!(host.count("/engine-rest/process-definition/count?suspended=true").await, 1);
    assert_eq!(host.get(&format!("/engine-rest/process-instance/{instance}")).await.ok()["suspended"], true);
    assert_eq!(host.get("/api/v1/planned-suspensions").await.ok(), json!([]));
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn job_definitions_take_a_date_too() {
    let host = Host::open_under_a_set_clock().await;
    let timed = crate::common::model(
        "<bpmn:process id='timed' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:task id='a' camunda:asyncBefore='true'/>\
         <bpmn:sequenceFlow id='f' sourceRef='s' targetRef='a'/></bpmn:process>",
    );
    host.deploy("one", &timed).await;
    host.put("/api/v1/clock", json!({"now": "2099-01-01T00:00:00.000Z"})).await.ok();
    let found = host.get("/engine-rest/job-definition").await.ok();
    let id = found[0]["id"].as_str().expect("an id").to_owned();
    let later = |suspended: bool, at: &str| json!({"suspended": suspended, "includeJobs": true, "executionDate": at});
    host.put(&format!("/engine-rest/job-definition/{id}/suspended"), later(true, "2099-01-02T00:00:00.000+0000")).await.no_content();
    let mut all = later(false, "2099-01-03T00:00:00.000+0000");
    all["processDefinitionKey"] = json!("timed");
    host.put("/engine-rest/job-definition/suspended", all).await.no_content();
    for (day, suspended) in [(1, 0), (2, 1), (3, 0)] {
        host.put("/api/v1/clock", json!({"now": format!("2099-01-0{day}T00:00:00.000Z")})).await.ok();
        assert_eq!(host.count("/engine-rest/job-definition/count?suspended=true").await, suspended, "on day {day}");
    }
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn planned_suspension_is_executed_before_its_date() {
    let host = Host::open().await;
    host.deploy("one", &review()).await;
    let plan = json!({"suspended": true, "executionDate": "2099-01-02T00:00:00.000+0000"});
    host.put("/engine-rest/process-definition/key/review/suspended", plan).await.no_content();
    let planned = host.get("/api/v1/planned-suspensions").await.ok();
    let execute = format!("/api/v1/planned-suspensions/{}/execute", planned[0]["id"].as_str().expect("an id"));
    host.post(&execute, json!({})).await.no_content();
    assert_eq!(host.count("/engine-rest/process-definition/count?suspended=true").await, 1);
    host.post(&execute, json!({})).await.error(404, "InvalidRequestException");
    host.close().await;
}
