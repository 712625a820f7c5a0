//! What tells waits for a message apart, in models for Camunda 8 (`zeebe:subscription`).

use serde_json::{Value, json};

use crate::common::{Host, on_both};

on_both! {
    a_message_reaches_who_waits_under_its_key
    a_wait_without_a_key_is_not_begun
    the_first_message_of_a_conversation_says_which_it_is
    a_message_to_all_also_reaches_who_knows_no_key
}

const MESSAGE: &str = "/engine-rest/message";

/// `payment` waits for `paid`, each instance under its order; a message `cancelled` under the same key ends the wait. `paid` also starts
/// `refund`.
const MODEL: &str = "<bpmn:definitions xmlns:bpmn='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:zeebe='http://camunda.org/schema/zeebe/1.0' \
    targetNamespace='t'><bpmn:message id='m1' name='paid'><bpmn:extensionElements><zeebe:subscription correlationKey='=order.id'/>\
    </bpmn:extensionElements></bpmn:message><bpmn:message id='m2' name='cancelled'><bpmn:extensionElements>\
    <zeebe:subscription correlationKey='= &quot;order-&quot; + string(order.id)'/></bpmn:extensionElements></bpmn:message>\
    <bpmn:process id='payment' isExecutable='true'><bpmn:startEvent id='start'/><bpmn:receiveTask id='wait' messageRef='m1'/>\
    <bpmn:boundaryEvent id='cancelled' attachedToRef='wait'><bpmn:messageEventDefinition messageRef='m2'/></bpmn:boundaryEvent>\
    <bpmn:userTask id='pack'/><bpmn:userTask id='undo'/><bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='wait'/>\
    <bpmn:sequenceFlow id='f2' sourceRef='wait' targetRef='pack'/><bpmn:sequenceFlow id='f3' sourceRef='cancelled' targetRef='undo'/></bpmn:process>\
    <bpmn:process id='refund' isExecutable='true'><bpmn:startEvent id='s'><bpmn:messageEventDefinition messageRef='m1'/></bpmn:startEvent>\
    <bpmn:userTask id='pay-back'/><bpmn:sequenceFlow id='g1' sourceRef='s' targetRef='pay-back'/></bpmn:process></bpmn:definitions>";

async fn start(host: &Host, order: Value) -> String {
    let order = json!({"value": json!({ "id": order }).to_string(), "type": "Json"});
    host.start("payment", json!({"businessKey": "all-alike", "variables": {"order": order}})).await
}

/// The instance that a message reaches, and whether it started it.
async fn correlated(host: &Host, body: Value) -> (Value, bool) {
    let mut body = body;
    body["resultEnabled"] = json!(true);
    let result = host.post(MESSAGE, body).await.ok()[0].clone();
    match result["resultType"].as_str() {
        Some("Execution") => (result["execution"]["processInstanceId"].clone(), false),
        _ => (result["processInstance"]["id"].clone(), true),
    }
}

async fn a_message_reaches_who_waits_under_its_key(host: Host) {
    host.deploy("payments", MODEL).await;
    let [first, second, third] = [start(&host, json!(7)).await, start(&host, json!("a-1")).await, start(&host, json!("a-1")).await];

    let keys = async |message: &str| {
        let waits = host.get(&format!("/engine-rest/event-subscription?eventName={message}&sortBy=created&sortOrder=asc")).await.ok();
        let mut keys: Vec<_> = waits.as_array().expect("a list").iter().map(|it| it["correlationKey"].clone()).collect();
        keys.sort_by_key(Value::to_string);
        keys
    };
    // The start event has none.
    assert_eq!(keys("paid").await, [json!("7"), json!("a-1"), json!("a-1"), json!(null)]);
    assert_eq!(keys("cancelled").await, [json!("order-7"), json!("order-a-1"), json!("order-a-1")]);
    let waiting = host.get("/api/v1/waiting").await.ok();
    assert_eq!((&waiting["items"][0]["message"], &waiting["items"][0]["correlationKey"]), (&json!("paid"), &json!("7")));

    // One of several, whatever becomes of its variables; no other text is the key, and of two with one key none is guessed.
    let variable = format!("/engine-rest/process-instance/{first}/variables/order");
    host.put(&variable, json!({"value": "{\"id\":8}", "type": "Json"})).await.no_content();
    let several = json!({"messageName": "paid", "correlationKey": "a-1"});
    host.post(MESSAGE, several).await.error(400, "RestException");
    let mixed = json!({"messageName": "cancelled", "correlationKey": "order-7", "businessKey": "another"});
    host.post(MESSAGE, mixed).await.error(400, "RestException");
    assert_eq!(
        correlated(&host, json!({"messageName": "paid", "correlationKey": "7", "businessKey": "all-alike"})).await,
        (json!(first), false)
    );
    let task = host.only("/engine-rest/task?taskDefinitionKey=pack").await;
    assert_eq!(task["processInstanceId"], first);

    // Nobody waits under it any more: it starts what it starts, and again.
    for _ in 0..2 {
        assert!(correlated(&host, json!({"messageName": "paid", "correlationKey": "7"})).await.1);
    }
    // A number is the text that it has where the wait begins.
    for number in [json!(9), json!(10.0), json!(1.5)] {
        let of_number = start(&host, number.clone()).await;
        assert_eq!(correlated(&host, json!({"messageName": "paid", "correlationKey": number})).await, (json!(of_number), false));
    }
    // Without the field it is Camunda 7's correlation, by whatever else there is.
    let body = json!({"messageName": "cancelled", "processInstanceId": second});
    assert_eq!(correlated(&host, body).await, (json!(second), false));
    assert_eq!(correlated(&host, json!({"messageName": "cancelled", "correlationKey": "order-a-1"})).await, (json!(third), false));
    host.check_store().await;
    host.close().await;
}

async fn a_wait_without_a_key_is_not_begun(host: Host) {
    host.deploy("payments", MODEL).await;
    let order = json!({"order": {"value": "{\"id\":true}", "type": "Json"}});
    let failed = host.post("/engine-rest/process-definition/key/payment/start", json!({"variables": order})).await;
    let message = failed.value()["message"].to_string();
    assert!(failed.status == 500 && message.contains("gives boolean, not a string or a number"), "{} {message}", failed.status);
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 0);
    host.close().await;
}

/// `talk` waits for `offered` and then for `agreed`; both have the key of the standard.
const CONVERSATION: &str = "<bpmn:definitions xmlns:bpmn='http://www.omg.org/spec/BPMN/20100524/MODEL' targetNamespace='t'>\
    <bpmn:message id='m1' name='offered'/><bpmn:message id='m2' name='agreed'/><bpmn:correlationProperty id='order'>\
    <bpmn:correlationPropertyRetrievalExpression messageRef='m1'><bpmn:messagePath>= id</bpmn:messagePath>\
    </bpmn:correlationPropertyRetrievalExpression><bpmn:correlationPropertyRetrievalExpression messageRef='m2'><bpmn:messagePath>= of</bpmn:messagePath>\
    </bpmn:correlationPropertyRetrievalExpression></bpmn:correlationProperty><bpmn:collaboration id='c'><bpmn:correlationKey id='k'>\
    <bpmn:correlationPropertyRef>order</bpmn:correlationPropertyRef></bpmn:correlationKey></bpmn:collaboration>\
    <bpmn:process id='talk' isExecutable='true'><bpmn:startEvent id='start'/><bpmn:receiveTask id='offer' messageRef='m1'/>\
    <bpmn:receiveTask id='answer' messageRef='m2'/><bpmn:userTask id='pack'/><bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='offer'/>\
    <bpmn:sequenceFlow id='f2' sourceRef='offer' targetRef='answer'/><bpmn:sequenceFlow id='f3' sourceRef='answer' targetRef='pack'/></bpmn:process>\
    </bpmn:definitions>";

async fn the_first_message_of_a_conversation_says_which_it_is(host: Host) {
    host.deploy("talk", CONVERSATION).await;
    let begin = async |key: &str| host.start("talk", json!({ "businessKey": key })).await;
    let [first, second] = [begin("one").await, begin("two").await];
    let message = |name: &str, variable: &str, value: Value| json!({"messageName": name, "processVariables": {variable: {"value": value}}});
    let offered = async |key: &str, order: Value| {
        let mut body = message("offered", "id", order);
        body["businessKey"] = json!(key);
        correlated(&host, body).await
    };
    // Nobody has said yet which is which, and without its property a message is of none.
    host.post(MESSAGE, message("offered", "id", json!(7))).await.error(400, "RestException");
    for mut lacking in [json!({"businessKey": "one"}), json!({"processInstanceId": first, "correlationKeys": {}})] {
        lacking["messageName"] = json!("offered");
        let text = host.post(MESSAGE, lacking).await.error(400, "RestException");
        assert!(text.contains("correlation key 'k'") && text.contains("'= id'"), "{text}");
    }
    assert_eq!(offered("one", json!(7)).await, (json!(first), false));
    assert_eq!(offered("two", json!("a-1")).await, (json!(second), false));
    // From here on the messages know.
    host.post(MESSAGE, message("agreed", "of", json!("a-2"))).await.error(400, "RestException");
    assert_eq!(correlated(&host, message("agreed", "of", json!("a-1"))).await, (json!(second), false));
    let other = json!({"messageName": "agreed", "processInstanceId": first, "processVariables": {"of": {"value": 8}}});
    host.post(MESSAGE, other).await.error(400, "RestException");
    // Who names the key must have it in the message all the same.
    for variables in [json!({}), json!({"of": {"value": 8}})] {
        let named = json!({"messageName": "agreed", "correlationKey": 7, "processVariables": variables});
        host.post(MESSAGE, named).await.error(400, "RestException");
    }
    assert_eq!(correlated(&host, message("agreed", "of", json!(7.0))).await, (json!(first), false));
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=pack").await, 2);
    host.check_store().await;
    host.close().await;
}

/// Waits for `agreed`, too, and tells nothing apart.
const PLAIN: &str = "<bpmn:definitions xmlns:bpmn='http://www.omg.org/spec/BPMN/20100524/MODEL' targetNamespace='t'>\
    <bpmn:message id='m' name='agreed'/><bpmn:process id='bell' isExecutable='true'><bpmn:startEvent id='start'/><bpmn:receiveTask id='ring' messageRef='m'/>\
    <bpmn:sequenceFlow id='f' sourceRef='start' targetRef='ring'/></bpmn:process></bpmn:definitions>";

async fn a_message_to_all_also_reaches_who_knows_no_key(host: Host) {
    host.deploy("talk", CONVERSATION).await;
    host.deploy("bell", PLAIN).await;
    for (key, order) in [("one", 7), ("two", 8)] {
        host.start("talk", json!({ "businessKey": key })).await;
        let offered = json!({"messageName": "offered", "businessKey": key, "processVariables": {"id": {"value": order}}});
        host.post(MESSAGE, offered).await.no_content();
    }
    host.start("bell", json!({})).await;
    let agreed = json!({"messageName": "agreed", "all": true, "resultEnabled": true, "processVariables": {"of": {"value": 7}}});
    let got = async || host.post(MESSAGE, agreed.clone()).await.ok().as_array().expect("a list").len();
    assert_eq!(got().await, 2, "whose key it is, and the bell");
    assert_eq!(host.count("/engine-rest/process-instance/count?processDefinitionKey=bell").await, 0);
    assert_eq!(host.count("/engine-rest/task/count?processInstanceBusinessKey=two").await, 0);
    host.start("bell", json!({})).await;
    assert_eq!(got().await, 1, "the bell, and not the other order");
    host.check_store().await;
    host.close().await;
}
