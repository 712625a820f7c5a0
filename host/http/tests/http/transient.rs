//! Transient variables: seen until the process waits, and then gone.

use serde_json::{Value, json};

use crate::common::{Host, model, on_both};

on_both! {
    transient_variable_of_a_worker_is_mapped_and_not_stored
    transient_variable_comes_with_whatever_begins_something
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

/// A task that is answered by an error, and one that its form completes; both ways lead to a copy. `by-condition` starts by a condition.
const TASKS: &str = "<bpmn:error id='err' errorCode='no'/><bpmn:signal id='go' name='go'/><bpmn:message id='come' name='come'/>\
    <bpmn:process id='tasks' isExecutable='true'><bpmn:startEvent id='start'/><bpmn:userTask id='ask'/>\
    <bpmn:boundaryEvent id='refused' attachedToRef='ask'><bpmn:errorEventDefinition errorRef='err'/></bpmn:boundaryEvent>\
    <bpmn:userTask id='copied'><bpmn:extensionElements><camunda:inputOutput><camunda:inputParameter name='copy'>${x}</camunda:inputParameter>\
    </camunda:inputOutput></bpmn:extensionElements></bpmn:userTask><bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='ask'/>\
    <bpmn:sequenceFlow id='f2' sourceRef='ask' targetRef='copied'/><bpmn:sequenceFlow id='f3' sourceRef='refused' targetRef='copied'/>\
    <bpmn:receiveTask id='waits'/><bpmn:sequenceFlow id='f4' sourceRef='waits' targetRef='copied'/></bpmn:process>\
    <bpmn:process id='by-condition' isExecutable='true'><bpmn:startEvent id='cs'><bpmn:conditionalEventDefinition>\
    <bpmn:condition>${x == 'c'}</bpmn:condition></bpmn:conditionalEventDefinition></bpmn:startEvent><bpmn:userTask id='begun'/>\
    <bpmn:sequenceFlow id='c1' sourceRef='cs' targetRef='begun'/></bpmn:process>";

async fn transient_variable_comes_with_whatever_begins_something(host: Host) {
    host.deploy("tasks", &model(TASKS)).await;
    let task = async |instance: &str, key: &str| {
        let task = host.only(&format!("/engine-rest/task?processInstanceId={instance}&taskDefinitionKey={key}")).await;
        task["id"].as_str().expect("an id").to_owned()
    };
    for way in ["submit-form", "bpmnError", "modification", "signal"] {
        let instance = host.start("tasks", json!({})).await;
        let variables = json!({"x": transient(way)});
        let begin = |activity: &str, variables: &Value| json!({"instructions": [{"type": "startBeforeActivity", "activityId": activity, "variables": variables}]});
        let modification = format!("/engine-rest/process-instance/{instance}/modification");
        match way {
            "submit-form" => {
                let of = format!("/engine-rest/task/{}/submit-form", task(&instance, "ask").await);
                host.post(&of, json!({ "variables": variables })).await.no_content();
            }
            "bpmnError" => {
                let of = format!("/engine-rest/task/{}/bpmnError", task(&instance, "ask").await);
                host.post(&of, json!({"errorCode": "no", "variables": variables})).await.no_content();
            }
            "modification" => host.post(&modification, begin("copied", &variables)).await.no_content(),
            _ => {
                host.post(&modification, begin("waits", &json!({}))).await.no_content();
                let execution = host.only(&format!("/engine-rest/execution?processInstanceId={instance}&activityId=waits")).await;
                let of = format!("/engine-rest/execution/{}/signal", execution["id"].as_str().expect("an id"));
                host.post(&of, json!({ "variables": variables })).await.no_content();
            }
        }
        let [live, past] = names(&host, &instance).await;
        assert_eq!((live, past), (vec!["copy".to_owned()], vec!["copy".to_owned()]), "{way}");
        let copy = host.get(&format!("/engine-rest/task/{}/variables/copy", task(&instance, "copied").await)).await.ok();
        assert_eq!(copy["value"], way);
    }
    let begun = host.post("/engine-rest/condition", json!({"variables": {"x": transient("c")}})).await.ok();
    let begun = begun[0]["id"].as_str().expect("it begins").to_owned();
    assert_eq!(names(&host, &begun).await, [const { Vec::<String>::new() }; 2]);
}
