//! Orders that are given back, as Camunda 7's clients see them: workers undo what has completed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::common::{Host, model_with, on_both};

on_both! {
    cancelled_order_is_given_back_by_workers
    cancelled_transaction_is_undone_and_left_by_its_cancel_event
}

fn flow(id: &str, from: &str, to: &str) -> String {
    format!("<bpmn:sequenceFlow id='{id}' sourceRef='{from}' targetRef='{to}'/>")
}

/// A worker's task with another worker's that undoes it.
fn undone(id: &str, undo: &str) -> String {
    let work = "camunda:type='external' camunda:topic";
    format!(
        "<bpmn:serviceTask id='{id}' {work}='{id}'/><bpmn:boundaryEvent id='{id}-done' attachedToRef='{id}'><bpmn:compensateEventDefinition/>\
         </bpmn:boundaryEvent><bpmn:serviceTask id='{undo}' isForCompensation='true' {work}='{undo}'/>\
         <bpmn:association id='{id}-undo' sourceRef='{id}-done' targetRef='{undo}'/>"
    )
}

/// Reserves inside of `stock`, charges, ships; until then the message `Cancelled` gives everything back.
fn order() -> String {
    let stock = format!("<bpmn:startEvent id='i'/>{}{}", undone("reserve", "release"), flow("i1", "i", "reserve"));
    let cancel = format!(
        "<bpmn:startEvent id='c'><bpmn:messageEventDefinition messageRef='m'/></bpmn:startEvent><bpmn:intermediateThrowEvent id='give-back'>\
         <bpmn:compensateEventDefinition/></bpmn:intermediateThrowEvent><bpmn:userTask id='tell'/>{}{}",
        flow("c1", "c", "give-back"),
        flow("c2", "give-back", "tell")
    );
    let process = format!(
        "<bpmn:process id='order' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:subProcess id='stock'>{stock}</bpmn:subProcess>{}\
         <bpmn:userTask id='ship'/><bpmn:subProcess id='cancelled' triggeredByEvent='true'>{cancel}</bpmn:subProcess>{}{}{}</bpmn:process>",
        undone("charge", "refund"),
        flow("f1", "s", "stock"),
        flow("f2", "stock", "charge"),
        flow("f3", "charge", "ship")
    );
    model_with("<bpmn:message id='m' name='Cancelled'/>", &process)
}

/// A worker does all there is to do of a topic.
async fn work(host: &Host, topic: &str) {
    let fetch = json!({"workerId": "w", "maxTasks": 5, "topics": [{"topicName": topic, "lockDuration": 60_000}]});
    let tasks = host.post("/engine-rest/external-task/fetchAndLock", fetch).await.ok();
    let tasks = tasks.as_array().expect("a list");
    assert!(!tasks.is_empty(), "nothing to do for '{topic}'");
    for task in tasks {
        let path = format!("/engine-rest/external-task/{}/complete", task["id"].as_str().expect("an id"));
        host.post(&path, json!({"workerId": "w"})).await.no_content();
    }
}

/// The activities of everything directly inside.
fn inside(tree: &Value) -> BTreeSet<String> {
    let children = tree["childActivityInstances"].as_array().expect("a list");
    children.iter().map(|child| child["activityId"].as_str().expect("an id").to_owned()).collect()
}

async fn history(host: &Host, activity: &str) -> Value {
    host.only(&format!("/engine-rest/history/activity-instance?activityId={activity}")).await
}

async fn cancelled_order_is_given_back_by_workers(host: Host) {
    host.deploy("order", &order()).await;
    let id = host.start("order", json!({"businessKey": "17"})).await;
    work(&host, "reserve").await;
    work(&host, "charge").await;
    let waiting = host.tree(&id).await;
    assert_eq!(inside(&waiting), BTreeSet::from(["ship".to_owned()]), "what could be undone is not shown");

    host.post("/engine-rest/message", json!({"messageName": "Cancelled", "businessKey": "17"})).await.no_content();
    // As in Camunda a handler is shown where its activity ran, and not inside of the event that waits for it.
    let undoing = host.tree(&id).await;
    assert_eq!(inside(&undoing), BTreeSet::from(["cancelled", "refund", "stock"].map(str::to_owned)), "{undoing:#}");
    for child in undoing["childActivityInstances"].as_array().expect("a list") {
        assert_eq!(child["parentActivityInstanceId"], json!(id), "{child:#}");
        match child["activityId"].as_str() {
            Some("stock") => assert_eq!(inside(child), BTreeSet::from(["release".to_owned()])),
            Some("cancelled") => assert_eq!(inside(child), BTreeSet::from(["give-back".to_owned()])),
            _ => assert_eq!(inside(child), BTreeSet::new()),
        }
    }
    let leaves = host.get("/api/v1/waiting").await.ok();
    let leaves: Vec<_> = leaves["items"].as_array().expect("a list").iter().map(|leaf| leaf["activityId"].clone()).collect();
    assert_eq!(leaves, [json!("refund"), json!("release")], "what completed last is undone first");

    work(&host, "release").await;
    assert_eq!(host.count("/engine-rest/task/count").await, 0);
    work(&host, "refund").await;
    assert_eq!(host.only("/engine-rest/task").await["taskDefinitionKey"], "tell");

    let stock = history(&host, "stock").await;
    let release = history(&host, "release").await;
    assert_eq!((&release["parentActivityInstanceId"], &release["canceled"]), (&stock["id"], &json!(false)));
    assert_eq!(history(&host, "give-back").await["activityType"], "intermediateCompensationThrowEvent");
    assert_eq!(history(&host, "refund").await["parentActivityInstanceId"], json!(id));
    host.check_store().await;
    let task = host.only_id("/engine-rest/task").await;
    host.post(&format!("/engine-rest/task/{task}/complete"), json!({})).await.no_content();
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 0);
    host.check_store().await;
    host.close().await;
}

async fn cancelled_transaction_is_undone_and_left_by_its_cancel_event(host: Host) {
    let inside = format!(
        "<bpmn:startEvent id='i'/>{}<bpmn:userTask id='check'/><bpmn:endEvent id='no'><bpmn:cancelEventDefinition/></bpmn:endEvent>{}{}{}",
        undone("reserve", "release"),
        flow("i1", "i", "reserve"),
        flow("i2", "reserve", "check"),
        flow("i3", "check", "no")
    );
    let process = format!(
        "<bpmn:process id='p' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:transaction id='deal'>{inside}</bpmn:transaction>\
         <bpmn:boundaryEvent id='off' attachedToRef='deal'><bpmn:cancelEventDefinition/></bpmn:boundaryEvent><bpmn:userTask id='repair'/>{}{}\
         </bpmn:process>",
        flow("f1", "s", "deal"),
        flow("f2", "off", "repair")
    );
    host.deploy("deal", &model_with("", &process)).await;
    let id = host.start("p", json!({})).await;
    work(&host, "reserve").await;
    let task = host.only_id("/engine-rest/task").await;
    host.post(&format!("/engine-rest/task/{task}/complete"), json!({})).await.no_content();
    let deal = host.tree(&id).await["childActivityInstances"][0].clone();
    assert_eq!((&deal["activityId"], &deal["activityType"]), (&json!("deal"), &json!("transaction")));
    work(&host, "release").await;
    assert_eq!(host.only("/engine-rest/task").await["taskDefinitionKey"], "repair");
    let types = [("deal", "transaction", true), ("no", "cancelEndEvent", true), ("off", "cancelBoundaryCatch", false)];
    for (activity, kind, canceled) in types {
        let seen = history(&host, activity).await;
        assert_eq!((&seen["activityType"], &seen["canceled"]), (&json!(kind), &json!(canceled)), "{activity}");
    }
    host.check_store().await;
    host.close().await;
}
