//! Messages along message flows, as operators see them.

use serde_json::json;

use crate::common::{Host, model_with};

/// `shop` sends `paid` to `stock`, which waits for it behind a task.
fn shop() -> String {
    model_with(
        "<bpmn:message id='paid' name='paid'/><bpmn:collaboration id='c'><bpmn:participant id='we' processRef='shop'/>\
         <bpmn:participant id='they' processRef='stock'/><bpmn:messageFlow id='m' sourceRef='tell' targetRef='they'/></bpmn:collaboration>",
        "<bpmn:process id='shop' isExecutable='true'><bpmn:startEvent id='s1'/><bpmn:sendTask id='tell' messageRef='paid'><bpmn:extensionElements>\
         <camunda:in source='amount' target='amount'/></bpmn:extensionElements></bpmn:sendTask>\
         <bpmn:sequenceFlow id='f1' sourceRef='s1' targetRef='tell'/></bpmn:process>\
         <bpmn:process id='stock' isExecutable='true'><bpmn:startEvent id='s2'/><bpmn:userTask id='count'/><bpmn:receiveTask id='hear' messageRef='paid'/>\
         <bpmn:userTask id='pack'/><bpmn:sequenceFlow id='f2' sourceRef='s2' targetRef='count'/>\
         <bpmn:sequenceFlow id='f3' sourceRef='count' targetRef='hear'/><bpmn:sequenceFlow id='f4' sourceRef='hear' targetRef='pack'/></bpmn:process>",
    )
}

/// A version that is deployed by itself has no message flows, and is sent what goes to its process all the same.
#[tokio::test]
async fn who_begins_to_wait_in_a_version_without_the_collaboration_wakes_his_message() {
    let host = Host::open_under_a_set_clock().await;
    host.deploy("shop", &shop()).await;
    let alone = "<bpmn:process id='stock' isExecutable='true'><bpmn:startEvent id='s2'/><bpmn:receiveTask id='hear' messageRef='paid'/>\
                 <bpmn:userTask id='pack'/><bpmn:sequenceFlow id='f2' sourceRef='s2' targetRef='hear'/>\
                 <bpmn:sequenceFlow id='f4' sourceRef='hear' targetRef='pack'/></bpmn:process>";
    host.deploy("stock", &model_with("<bpmn:message id='paid' name='paid'/>", alone)).await;
    let quiet = async || host.runtime().set_clock(host.runtime().now()).await.expect("all that is due runs");
    host.start("shop", json!({"businessKey": "order-1"})).await;
    quiet().await;
    assert_eq!(host.only("/api/v1/messages").await["reason"], "nobody waits for it");
    // The clock stands: the message is looked at again for nothing but the wait that begins.
    let receiver = host.start("stock", json!({"businessKey": "order-1"})).await;
    quiet().await;
    assert_eq!(host.only("/engine-rest/task?taskDefinitionKey=pack").await["processInstanceId"], receiver);
    assert_eq!(host.get("/api/v1/messages").await.ok(), json!([]));
    host.close().await;
}

#[tokio::test]
async fn a_message_that_nobody_waits_for_is_seen_until_somebody_does() {
    let host = Host::open_under_a_set_clock().await;
    host.deploy("shop", &shop()).await;
    let start = async |key: &str, business_key: &str| {
        let body = json!({"businessKey": business_key, "variables": {"amount": {"value": 7}}});
        host.post(&format!("/engine-rest/process-definition/key/{key}/start"), body).await.ok()["id"].clone()
    };
    let quiet = async || host.runtime().set_clock(host.runtime().now()).await.expect("all that is due runs");
    let sender = start("shop", "order-1").await;
    let lost = start("shop", "order-2").await;
    start("stock", "order-1").await;
    quiet().await;
    let all = host.get("/api/v1/messages").await.ok();
    let (first, second) = (&all[0], &all[1]);
    assert_eq!((&first["messageName"], &first["businessKey"], &first["sender"]), (&json!("paid"), &json!("order-1"), &sender));
    assert_eq!((&first["processDefinitionKey"], &first["activityId"]), (&json!("stock"), &json!(null)));
    assert_eq!((&first["receiver"], &first["reason"]), (&json!(null), &json!("nobody waits for it")));
    assert_eq!(second["sender"], lost);
    let activity = host
        .only(&format!("/engine-rest/history/activity-instance?activityId=tell&processInstanceId={}", sender.as_str().expect("an id")))
        .await;
    assert_eq!(activity["activityType"], "sendTask");

    let task = host.only("/engine-rest/task").await["id"].as_str().expect("an id").to_owned();
    host.post(&format!("/engine-rest/task/{task}/complete"), json!({})).await.no_content();
    quiet().await;
    let packing = host.only("/engine-rest/task?taskDefinitionKey=pack").await;
    let amount = format!("/engine-rest/process-instance/{}/variables/amount", packing["processInstanceId"].as_str().expect("an id"));
    assert_eq!(host.get(&amount).await.ok()["value"], 7);

    assert_eq!(host.get("/api/v1/messages?firstResult=1").await.ok(), json!([]));
    let left = host.only("/api/v1/messages").await;
    assert_eq!(left["sender"], lost);
    let path = format!("/api/v1/messages/{}", left["id"].as_str().expect("an id"));
    host.delete(&path).await.no_content();
    assert_eq!(host.delete(&path).await.status, 404);
    assert_eq!(host.delete("/api/v1/messages/nothing").await.status, 404);
    let logged = host.get("/engine-rest/history/user-operation?entityType=Message&property=messageName").await.ok();
    assert_eq!(
        (&logged[0]["operationType"], &logged[0]["orgValue"], &logged[0]["processInstanceId"]),
        (&json!("Delete"), &json!("paid"), &lost)
    );
    host.check_store().await;
    host.close().await;
}
