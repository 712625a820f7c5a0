//! Transient variables: seen until the process waits, and then gone.

use serde_json::{Value, json};

use crate::common::{Host, model, on_both};

on_both! {
    transient_variable_of_a_worker_is_mapped_and_not_stored
    transient_variable_that_nothing_would_see_is_refused
}

/// A worker's task, of whose result something is kept; then a person's.
const PAYMENT: &str = "<bpmn:process id='payment' isExecutable='true'><bpmn:startEvent id='start'/>\
    <bpmn:serviceTask id='charge' camunda:type='external' camunda:topic='charge'><bpmn:extensionElements><camunda:inputOutput>\
    <camunda:outputParameter name='receipt'>= number + pin</camunda:outputParameter></camunda:inputOutput></bpmn:extensionElements></bpmn:serviceTask>\
    <bpmn:userTask id='pack'/><bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='charge'/>\
    <bpmn:sequenceFlow id='f2' sourceRef='charge' targetRef='pack'/></bpmn:process>";

fn transient(value: &str) -> Value {
    json!({"value": value, "type": "String", "valueInfo": {"transient": true}})
}

/// Names of variables, live and in history.
async fn names(host: &Host, instance: &str) -> [Vec<String>; 2] {
    let mut found = [Vec::new(), Vec::new()];
    for (names, list) in found.iter_mut().zip(["variable-instance", "history/variable-instance"]) {
        let parameter = if list == "variable-instance" { "processInstanceIdIn" } else { "processInstanceId" };
        let rows = host.get(&format!("/engine-rest/{list}?{parameter}={instance}&sortBy=variableName&sortOrder=asc")).await.ok();
        *names = rows.as_array().expect("a list").iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect();
    }
    found
}

async fn transient_variable_of_a_worker_is_mapped_and_not_stored(host: Host) {
    host.deploy("payments", &model(PAYMENT)).await;
    let instance = host.start("payment", json!({"variables": {"n": {"value": 1}, "key": transient("k")}})).await;
    assert_eq!(names(&host, &instance).await, [["n"], ["n"]]);
    let fetch = json!({"workerId": "w", "maxTasks": 1, "topics": [{"topicName": "charge", "lockDuration": 60_000}]});
    let tasks = host.post("/engine-rest/external-task/fetchAndLock", fetch).await.ok();
    let complete = format!("/engine-rest/external-task/{}/complete", tasks[0]["id"].as_str().expect("an id"));
    let body = |n: &str| json!({"workerId": "w", "variables": {n: transient("r-1")}, "localVariables": {"pin": transient("!")}});
    let refused = host.post(&complete, body("n")).await.error(400, "InvalidRequestException");
    assert!(refused.contains("'n' is transient"), "{refused}");
    host.post(&complete, body("number")).await.no_content();
    assert_eq!(names(&host, &instance).await, [["n", "receipt"], ["n", "receipt"]]);
    let receipt = host.get(&format!("/engine-rest/process-instance/{instance}/variables/receipt")).await.ok();
    assert_eq!(receipt["value"], "r-1!");
}

async fn transient_variable_that_nothing_would_see_is_refused(host: Host) {
    host.deploy("payments", &model(PAYMENT)).await;
    let instance = host.start("payment", json!({})).await;
    let modifications = json!({"modifications": {"x": transient("1")}});
    let refused = host
        .post(&format!("/engine-rest/process-instance/{instance}/variables"), modifications)
        .await
        .error(400, "InvalidRequestException");
    assert!(refused.contains("transient"), "{refused}");
    let refused = host
        .post("/engine-rest/signal", json!({"name": "s", "variables": {"x": transient("1")}}))
        .await
        .error(400, "InvalidRequestException");
    assert!(refused.contains("transient"), "{refused}");
}
