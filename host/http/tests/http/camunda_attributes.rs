//! What models of Camunda 7 say by its attributes, over the real host on both databases.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use crate::common::{Host, model_with, on_both};

on_both! {
    whoever_starts_a_process_becomes_a_variable_of_it
}

const START: &str = "/engine-rest/process-definition/key/started/start";

/// A process that calls another one and waits for a person; both note who starts them.
fn started() -> String {
    model_with(
        "<bpmn:message id='m' name='go'/><bpmn:process id='called' isExecutable='true'>\
         <bpmn:startEvent id='cs' camunda:initiator='caller'/><bpmn:sequenceFlow id='cf' sourceRef='cs' targetRef='cu'/>\
         <bpmn:userTask id='cu'/></bpmn:process>",
        "<bpmn:process id='started' isExecutable='true'>\
         <bpmn:startEvent id='s' camunda:initiator='starter'/><bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='both'/>\
         <bpmn:startEvent id='sm'><bpmn:messageEventDefinition messageRef='m'/></bpmn:startEvent>\
         <bpmn:sequenceFlow id='f2' sourceRef='sm' targetRef='both'/><bpmn:inclusiveGateway id='both'/>\
         <bpmn:sequenceFlow id='f3' sourceRef='both' targetRef='u'/><bpmn:userTask id='u' camunda:assignee='${starter}'/>\
         <bpmn:sequenceFlow id='f4' sourceRef='both' targetRef='c'/><bpmn:callActivity id='c' calledElement='called'/></bpmn:process>",
    )
}

/// Somebody posts, with a header that says who.
async fn post_as(host: &Host, (name, value): (&str, &str), path: &str, body: Value) -> Value {
    let request = Request::post(path).header(header::CONTENT_TYPE, "application/json").header(name, value);
    host.send(request.body(Body::from(body.to_string())).expect("a request")).await.ok()
}

async fn whoever_starts_a_process_becomes_a_variable_of_it(host: Host) {
    host.deploy("started", &started()).await;
    let ann = ("Mandate-User", "ann");
    // Basic authentication of bob with the password secrets.
    let bob = ("Authorization", "Basic Ym9iOnNlY3JldHM=");
    let by_name = post_as(&host, ann, START, json!({})).await["id"].clone();
    let by_password = post_as(&host, bob, START, json!({"variables": {}})).await["id"].clone();
    let over_ruled = post_as(&host, ann, START, json!({"variables": {"starter": {"value": "eve"}}})).await["id"].clone();
    let instructed = json!({"startInstructions": [{"type": "startBeforeActivity", "activityId": "u"}]});
    let instructed = post_as(&host, ann, START, instructed).await["id"].clone();
    let message = json!({"messageName": "go", "resultEnabled": true});
    let by_message = post_as(&host, ann, "/engine-rest/message", message).await[0]["processInstance"]["id"].clone();
    let nobody = json!(host.start("started", json!({})).await);
    for (instance, starter, called) in [
        (by_name, json!("ann"), Some(json!("ann"))),
        (by_password, json!("bob"), Some(json!("bob"))),
        (over_ruled, json!("eve"), Some(json!("ann"))),
        (instructed, json!("ann"), None),
        (by_message, json!("ann"), Some(json!("ann"))),
        (nobody, Value::Null, Some(Value::Null)),
    ] {
        let id = instance.as_str().expect("an id");
        let variable = host.get(&format!("/engine-rest/process-instance/{id}/variables/starter")).await.ok();
        assert_eq!(variable["value"], starter, "{variable:#}");
        assert_eq!(variable["type"], if starter.is_null() { "Null" } else { "String" });
        let task = host.only(&format!("/engine-rest/task?processInstanceId={id}")).await;
        assert_eq!(task["assignee"], starter, "{task:#}");
        let Some(expected) = called else { continue };
        let inner = host.only_id(&format!("/engine-rest/process-instance?superProcessInstance={id}")).await;
        let variable = host.get(&format!("/engine-rest/process-instance/{inner}/variables/caller")).await.ok();
        assert_eq!(variable["value"], expected, "{variable:#}");
    }
    host.check_store().await;
}
