//! Scripts, expressions, business rule tasks, listeners, and what a user task says of itself, as Camunda 7's clients see them.

use std::collections::BTreeSet;

use mandate_tests::domain::Domain;
use mandate_tests::program::root;
use serde_json::{Value, json};

use crate::common::{Host, model};

/// `notes` sends nothing: what is told of changes of a task may not.
const MANIFEST: &str = "[delegates.worker]\nfile = \"test_scripted.wasm\"\ncommands = [\"test.ok@1\"]\n\
    [delegates.notes]\nfile = \"test_scripted.wasm\"\n";

fn process() -> String {
    model(
        "<bpmn:process id='p' isExecutable='true'><bpmn:extensionElements><camunda:executionListener event='start' class='worker'/>\
         </bpmn:extensionElements><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='total'/>\
         <bpmn:scriptTask id='total' scriptFormat='feel' camunda:resultVariable='total'><bpmn:script>sum(prices)</bpmn:script></bpmn:scriptTask>\
         <bpmn:sequenceFlow id='f2' sourceRef='total' targetRef='rank'/>\
         <bpmn:serviceTask id='rank' camunda:expression='${total * 10}' camunda:resultVariable='rank'/>\
         <bpmn:sequenceFlow id='f3' sourceRef='rank' targetRef='decide'><bpmn:extensionElements><camunda:executionListener class='worker'/>\
         </bpmn:extensionElements></bpmn:sequenceFlow><bpmn:businessRuleTask id='decide' camunda:class='worker'/>\
         <bpmn:sequenceFlow id='f4' sourceRef='decide' targetRef='look'/>\
         <bpmn:userTask id='look' camunda:priority='${rank}' camunda:followUpDate='2030-01-01T00:00:00Z' camunda:dueDate='P1D'>\
         <bpmn:extensionElements><camunda:taskListener event='create' class='worker'/><camunda:taskListener event='complete' class='worker'/>\
         <camunda:taskListener event='assignment' expression='${mayAssign}'/></bpmn:extensionElements></bpmn:userTask>\
         <bpmn:sequenceFlow id='f5' sourceRef='look' targetRef='e'/><bpmn:endEvent id='e'/></bpmn:process>",
    )
}

/// The bodies of the commands that were applied, in order.
fn by(domain: &Domain) -> Vec<Value> {
    domain.applied().iter().map(|it| it.body["by"].clone()).collect()
}

/// A host on which a process is deployed with the delegate that it calls.
async fn deployed(domain: &Domain, process: &str) -> Host {
    let host = Host::open_before(domain).await;
    let guest = root().join("delegates/target/wasm32-wasip2/release/test_scripted.wasm");
    let guest = std::fs::read(&guest).unwrap_or_else(|error| panic!("{}: {error}; run `make guests`", guest.display()));
    let files: [(&str, &[u8]); 3] = [("p.bpmn", process.as_bytes()), ("mandate.toml", MANIFEST.as_bytes()), ("test_scripted.wasm", &guest)];
    host.upload("/engine-rest/deployment/create", &[("deployment-name", "kinds")], &files).await.ok();
    host
}

#[tokio::test]
async fn every_kind_of_task_and_listener_does_its_part() {
    let domain = Domain::start().expect("a free port");
    let host = deployed(&domain, &process()).await;

    let script: serde_json::Map<String, Value> = ["p", "rank", "decide", "look"]
        .into_iter()
        .map(|id| (id.to_owned(), json!({"commands": [{"name": "test.ok@1", "body": {"by": id}}]})))
        .collect();
    let as_json = |value: Value| json!({"type": "Json", "value": value.to_string()});
    let variables = json!({"prices": as_json(json!([3, 4])), "script": as_json(Value::Object(script))});
    let id = host.start("p", json!({"variables": variables})).await;

    // The start is deferred, for the listener may send commands.
    let job = host.only_id("/engine-rest/job").await;
    host.post(&format!("/engine-rest/job/{job}/execute"), json!({})).await.no_content();
    let variables = host.get(&format!("/engine-rest/process-instance/{id}/variables")).await.ok();
    assert_eq!((&variables["total"]["value"], &variables["rank"]["value"]), (&json!(7), &json!(70)));
    let task = host.only("/engine-rest/task?priority=70&followUpAfter=2029-12-31T00:00:00.000%2B0000").await;
    assert_eq!((&task["priority"], &task["followUp"]), (&json!(70), &json!("2030-01-01T00:00:00.000+0000")));
    assert!(task["due"].is_string());
    for none in ["minPriority=71", "maxPriority=69", "followUpBefore=2029-12-31T00:00:00.000%2B0000"] {
        assert_eq!(host.count(&format!("/engine-rest/task/count?{none}")).await, 0, "{none}");
    }
    assert_eq!(by(&domain), ["p", "rank", "decide", "look"], "the process begins, a flow is taken, the task decides, the task is there");

    // The expression on assignment fails, and nobody has the task.
    let task = task["id"].as_str().expect("an id").to_owned();
    let claim = json!({"userId": "ann"});
    host.post(&format!("/engine-rest/task/{task}/claim"), claim.clone()).await.error(500, "ProcessEngineException");
    assert_eq!(host.get(&format!("/engine-rest/task/{task}")).await.ok()["assignee"], json!(null));
    let may = json!({"type": "Boolean", "value": true});
    host.put(&format!("/engine-rest/process-instance/{id}/variables/mayAssign"), may).await.no_content();
    host.post(&format!("/engine-rest/task/{task}/claim"), claim).await.no_content();

    host.post(&format!("/engine-rest/task/{task}/complete"), json!({})).await.no_content();
    assert_eq!(by(&domain), ["p", "rank", "decide", "look", "look"]);
    assert_eq!(domain.applied().iter().map(|it| &it.key).collect::<BTreeSet<_>>().len(), 5, "each has a key of its own");
    for (activity, kind) in [("total", "scriptTask"), ("rank", "serviceTask"), ("decide", "businessRuleTask"), ("look", "userTask")] {
        assert_eq!(host.only(&format!("/engine-rest/history/activity-instance?activityId={activity}")).await["activityType"], kind);
    }
    assert_eq!(host.only("/engine-rest/history/task").await["priority"], json!(70));
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn delegates_are_told_of_the_tasks_of_an_instance_that_is_deleted_and_of_what_it_calls() {
    let domain = Domain::start().expect("a free port");
    let process = model(
        "<bpmn:process id='p' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:callActivity id='c' calledElement='q'><bpmn:extensionElements>\
         <camunda:in variables='all'/></bpmn:extensionElements></bpmn:callActivity><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='c'/>\
         </bpmn:process><bpmn:process id='q' isExecutable='true'><bpmn:startEvent id='qs'/><bpmn:userTask id='look' camunda:assignee='ann'>\
         <bpmn:extensionElements><camunda:taskListener event='delete' class='notes'/></bpmn:extensionElements></bpmn:userTask>\
         <bpmn:sequenceFlow id='q1' sourceRef='qs' targetRef='look'/></bpmn:process>",
    );
    let host = deployed(&domain, &process).await;
    let script = |does: Value| json!({"type": "Json", "value": json!({"look": does}).to_string()});
    let told = async || host.count("/engine-rest/history/variable-instance/count?variableName=told").await;

    // One that fails keeps the instance, with all that it has called.
    let id = host.start("p", json!({"variables": {"script": script(json!({"failAttempts": 1}))}})).await;
    let path = format!("/engine-rest/process-instance/{id}");
    let said = host.delete(&path).await.error(500, "ProcessEngineException");
    assert!(said.contains("repeat it with skipCustomListeners=true"), "{said}");
    assert_eq!([host.count("/engine-rest/process-instance/count").await, host.count("/engine-rest/task/count?assignee=ann").await], [2, 1]);
    host.delete(&format!("{path}?skipCustomListeners=perhaps")).await.error(400, "InvalidRequestException");
    host.delete(&format!("{path}?skipCustomListeners=true")).await.no_content();
    assert_eq!([host.count("/engine-rest/process-instance/count").await, told().await], [0, 0]);

    let id = host.start("p", json!({"variables": {"script": script(json!({"set": {"told": true}}))}})).await;
    host.delete(&format!("/engine-rest/process-instance/{id}")).await.no_content();
    assert_eq!([host.count("/engine-rest/process-instance/count").await, told().await], [0, 1]);
    let id = host.start("p", json!({"variables": {"script": script(json!({"set": {"told": true}}))}})).await;
    let cancel = |skip: bool| {
        json!({"skipCustomListeners": skip, "instructions": [
            {"type": "cancel", "activityId": "c", "cancelCurrentActiveActivityInstances": true}, {"type": "startBeforeActivity", "activityId": "c"}]})
    };
    for (skip, expected) in [(true, 1), (false, 2)] {
        host.post(&format!("/engine-rest/process-instance/{id}/modification"), cancel(skip)).await.no_content();
        assert_eq!(told().await, expected, "skipCustomListeners: {skip}");
    }
    host.check_store().await;
    host.close().await;
}

/// The same of Camunda 8: each listener by a job type.
const ZEEBE: &str = "<bpmn:definitions xmlns:bpmn='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:zeebe='http://camunda.org/schema/zeebe/1.0' \
    targetNamespace='t'><bpmn:process id='p' isExecutable='true'><bpmn:extensionElements><zeebe:executionListeners>\
    <zeebe:executionListener eventType='start' type='worker'/></zeebe:executionListeners></bpmn:extensionElements>\
    <bpmn:startEvent id='s'/><bpmn:task id='work'><bpmn:extensionElements><zeebe:executionListeners>\
    <zeebe:executionListener eventType='start' type='worker'/><zeebe:executionListener eventType='end' type='worker'/></zeebe:executionListeners>\
    </bpmn:extensionElements></bpmn:task><bpmn:userTask id='look'><bpmn:extensionElements><zeebe:userTask/><zeebe:taskListeners>\
    <zeebe:taskListener eventType='creating' type='worker'/><zeebe:taskListener eventType='assigning' type='notes'/>\
    <zeebe:taskListener eventType='updating' type='notes'/><zeebe:taskListener eventType='completing' type='worker'/></zeebe:taskListeners>\
    </bpmn:extensionElements></bpmn:userTask><bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='work'/>\
    <bpmn:sequenceFlow id='f2' sourceRef='work' targetRef='look'/></bpmn:process></bpmn:definitions>";

#[tokio::test]
async fn listeners_of_camunda_8_are_called_at_the_same_moments() {
    let domain = Domain::start().expect("a free port");
    let host = deployed(&domain, ZEEBE).await;
    let script: serde_json::Map<String, Value> = ["p", "work", "look"]
        .into_iter()
        .map(|id| (id.to_owned(), json!({"commands": [{"name": "test.ok@1", "body": {"by": id}}], "set": {(format!("{id}-seen")): true}})))
        .collect();
    let as_json = |value: &Value| json!({"type": "Json", "value": value.to_string()});
    let script = Value::Object(script);
    let id = host.start("p", json!({"variables": {"script": as_json(&script)}})).await;
    // The start is deferred, for the listener may send commands.
    let job = host.only_id("/engine-rest/job").await;
    host.post(&format!("/engine-rest/job/{job}/execute"), json!({})).await.no_content();
    assert_eq!(by(&domain), ["p", "work", "work", "look"], "the process begins, its task begins and ends, the user task is there");
    let variables = host.get(&format!("/engine-rest/process-instance/{id}/variables")).await.ok();
    assert_eq!([&variables["p-seen"]["value"], &variables["look-seen"]["value"]], [&json!(true); 2], "{variables}");

    let task = format!("/engine-rest/task/{}", host.only_id("/engine-rest/task").await);
    let variable = |name: &str| format!("/engine-rest/process-instance/{id}/variables/{name}");
    host.put(&variable("script"), as_json(&json!({"look": {"set": {"noted": true}}}))).await.no_content();
    for (change, body) in [("claim", json!({"userId": "ann"})), ("delegate", json!({"userId": "bob"}))] {
        host.put(&variable("noted"), json!({"type": "Boolean", "value": false})).await.no_content();
        host.post(&format!("{task}/{change}"), body).await.no_content();
        assert_eq!(host.get(&variable("noted")).await.ok()["value"], true, "{change}");
    }
    host.post(&format!("{task}/resolve"), json!({})).await.no_content();
    host.put(&variable("script"), as_json(&script)).await.no_content();
    host.post(&format!("{task}/complete"), json!({})).await.no_content();
    assert_eq!(by(&domain)[4..], ["look"]);
    assert_eq!(domain.applied().iter().map(|it| &it.key).collect::<BTreeSet<_>>().len(), 5, "each has a key of its own");
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 0);
    host.check_store().await;
    host.close().await;
}
