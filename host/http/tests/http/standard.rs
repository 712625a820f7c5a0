//! What the standard has and Camunda 7 ignores or refuses, over the API.

use serde_json::{Value, json};

use crate::common::{Host, model, model_with, on_both};

on_both! {
    loop_runs_until_its_condition_is_false_in_a_process_without_a_start_event
    people_begin_what_is_enabled_in_an_ad_hoc_sub_process_once_a_request
    first_message_starts_the_process_and_the_other_is_awaited_by_it
    two_of_three_are_enough_at_a_complex_gateway_and_two_tokens_for_a_start_quantity
    start_says_at_which_of_several_start_events_and_data_goes_where_associations_lead
    event_that_wants_all_and_does_not_interrupt_collects_anew
    start_event_with_several_definitions_starts_by_each_of_them
}

const TASK: &str = "/engine-rest/task";

/// Where the one instance of the host stands and why, with the id to begin it by.
async fn waiting(host: &Host) -> Vec<(Value, Value, String)> {
    let items = host.get("/api/v1/waiting").await.ok()["items"].clone();
    let id = |item: &Value| item["activityInstanceId"].as_str().expect("a text").to_owned();
    items.as_array().expect("a list").iter().map(|item| (item["activityId"].clone(), item["reason"].clone(), id(item))).collect()
}

/// The ids and types of an instance's activities in history, in the order in which they began.
async fn history(host: &Host, instance: &str) -> Vec<(Value, Value)> {
    let path = format!("/engine-rest/history/activity-instance?processInstanceId={instance}&sortBy=occurrence&sortOrder=asc");
    let rows = host.get(&path).await.ok();
    rows.as_array().expect("a list").iter().map(|row| (row["activityId"].clone(), row["activityType"].clone())).collect()
}

async fn loop_runs_until_its_condition_is_false_in_a_process_without_a_start_event(host: Host) {
    let model = model(
        "<bpmn:process id='p' isExecutable='true'><bpmn:userTask id='ask'><bpmn:standardLoopCharacteristics loopMaximum='3'>\
         <bpmn:loopCondition>${again}</bpmn:loopCondition></bpmn:standardLoopCharacteristics></bpmn:userTask>\
         <bpmn:sequenceFlow id='f' sourceRef='ask' targetRef='last'/><bpmn:userTask id='last'/></bpmn:process>",
    );
    host.deploy("loop", &model).await;
    let instance = host.start("p", json!({})).await;
    host.complete("ask", json!({"again": {"value": true}})).await;
    host.complete("ask", json!({"again": {"value": false}})).await;
    host.complete("last", json!({})).await;
    let ids: Vec<_> = history(&host, &instance).await.into_iter().map(|(id, _)| id).collect();
    assert_eq!(ids, [json!("ask#multiInstanceBody"), json!("ask"), json!("ask"), json!("last")]);
}

async fn people_begin_what_is_enabled_in_an_ad_hoc_sub_process_once_a_request(host: Host) {
    let model = model(
        "<bpmn:process id='p' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='repair'/>\
         <bpmn:adHocSubProcess id='repair'><bpmn:extensionElements><zeebe:adHoc xmlns:zeebe='http://camunda.org/schema/zeebe/1.0' activeElementsCollection='=[&quot;look&quot;]'/>\
         </bpmn:extensionElements><bpmn:completionCondition>= repaired</bpmn:completionCondition><bpmn:userTask id='look'/><bpmn:userTask id='call'/>\
         </bpmn:adHocSubProcess><bpmn:sequenceFlow id='f2' sourceRef='repair' targetRef='last'/><bpmn:userTask id='last'/></bpmn:process>",
    );
    host.deploy("ad-hoc", &model).await;
    let instance = host.start("p", json!({})).await;
    let (look, call, enabled) = (json!("look"), json!("call"), json!("enabled"));
    let stands = waiting(&host).await;
    let at: Vec<_> = stands.iter().map(|(activity, reason, _)| (activity, reason)).collect();
    assert_eq!(at, [(&look, &enabled), (&call, &enabled), (&look, &json!("task"))]);

    let begin = format!("/api/v1/activities/{}/begin", stands[1].2);
    host.post(&begin, json!({})).await.no_content();
    assert_eq!(host.post(&begin, json!({})).await.status, 404);
    let logged = host.only("/engine-rest/history/user-operation?operationType=BeginActivity").await;
    assert_eq!(
        (&logged["entityType"], &logged["property"], &logged["newValue"]),
        (&json!("ProcessInstance"), &json!("activityId"), &json!("call"))
    );
    host.complete("look", json!({})).await;
    host.complete("call", json!({"repaired": {"value": true}})).await;
    host.complete("last", json!({})).await;
    let kinds = history(&host, &instance).await;
    assert_eq!(kinds[1], (json!("repair"), json!("adHocSubProcess")));
    assert_eq!(kinds.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), ["s", "repair", "look", "call", "last"].map(|id| json!(id)));
}

async fn first_message_starts_the_process_and_the_other_is_awaited_by_it(host: Host) {
    let event = |id: &str, message: &str| {
        format!(
            "<bpmn:intermediateCatchEvent id='{id}'><bpmn:messageEventDefinition messageRef='{message}'/></bpmn:intermediateCatchEvent>\
             <bpmn:sequenceFlow id='g{id}' sourceRef='g' targetRef='{id}'/><bpmn:sequenceFlow id='{id}j' sourceRef='{id}' targetRef='j'/>"
        )
    };
    let model = model_with(
        "<bpmn:message id='m' name='paid'/><bpmn:message id='n' name='delivered'/>",
        &format!(
            "<bpmn:process id='p' isExecutable='true'><bpmn:eventBasedGateway id='g' instantiate='true' eventGatewayType='Parallel'/>{}{}\
             <bpmn:parallelGateway id='j'/><bpmn:sequenceFlow id='f' sourceRef='j' targetRef='last'/><bpmn:userTask id='last'/></bpmn:process>",
            event("paid", "m"),
            event("delivered", "n")
        ),
    );
    host.deploy("messages", &model).await;
    let message = |name: &str| json!({"messageName": name, "businessKey": "order-1"});
    host.post("/engine-rest/message", message("delivered")).await.no_content();
    let mut stands: Vec<_> = waiting(&host).await.into_iter().map(|(activity, ..)| activity).collect();
    stands.sort_by_key(Value::to_string);
    assert_eq!(stands, [json!("j"), json!("paid")]);
    host.post("/engine-rest/message", message("paid")).await.no_content();
    host.complete("last", json!({})).await;
    let instances = host.get("/engine-rest/history/process-instance").await.ok();
    assert_eq!(instances.as_array().expect("a list").len(), 1);
}

async fn two_of_three_are_enough_at_a_complex_gateway_and_two_tokens_for_a_start_quantity(host: Host) {
    let flows = [("s", "f"), ("f", "a"), ("f", "b"), ("f", "c"), ("a", "g"), ("b", "g"), ("c", "g"), ("g", "pack"), ("pack", "ship")];
    let flows = flows.map(|(from, to)| format!("<bpmn:sequenceFlow id='{from}_{to}' sourceRef='{from}' targetRef='{to}'/>")).concat();
    let model = model(&format!(
        "<bpmn:process id='p' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:parallelGateway id='f'/><bpmn:userTask id='a'/>\
         <bpmn:userTask id='b'/><bpmn:userTask id='c'/><bpmn:complexGateway id='g'><bpmn:activationCondition>= activationCount &gt;= 2\
         </bpmn:activationCondition></bpmn:complexGateway><bpmn:task id='pack' completionQuantity='3'/><bpmn:userTask id='ship' startQuantity='2'/>\
         {flows}</bpmn:process>"
    ));
    host.deploy("complex", &model).await;
    let instance = host.start("p", json!({})).await;
    host.complete("a", json!({})).await;
    let stands = async || waiting(&host).await.into_iter().map(|(activity, reason, _)| format!("{activity} {reason}")).collect::<Vec<_>>();
    assert_eq!(stands().await, [r#""b" "task""#, r#""c" "task""#, r#""g" "join""#]);
    host.complete("c", json!({})).await;
    let after = stands().await;
    assert!(after.contains(&r#""ship" "task""#.to_owned()) && after.len() == 3, "{after:?}");
    host.check_store().await;
    // The late one goes no further; of the three tokens one is left, and no other can come.
    host.complete("b", json!({})).await;
    host.complete("ship", json!({})).await;
    assert_eq!(stands().await, [r#""ship" "incident""#]);
    assert_eq!(host.only("/engine-rest/incident").await["code"], "JOIN_CANNOT_COMPLETE");
    let ran: Vec<_> = history(&host, &instance).await.into_iter().filter(|(id, _)| id == "pack").collect();
    assert_eq!(ran.len(), 1);
    host.check_store().await;
}

/// A task that people begin on two ways, with data that goes into it and comes out of it.
fn entered() -> String {
    let flows = [("web", "last"), ("phone", "enter"), ("enter", "last"), ("b", "note")];
    let flows = flows.map(|(from, to)| format!("<bpmn:sequenceFlow id='{from}_{to}' sourceRef='{from}' targetRef='{to}'/>")).concat();
    model_with(
        "<bpmn:message id='m' name='paid'/><bpmn:message id='n' name='delivered'/>",
        &format!(
            "<bpmn:process id='p' isExecutable='true'><bpmn:dataObject id='object'/><bpmn:dataObjectReference id='ref' name='order' \
             dataObjectRef='object'/><bpmn:property id='total'/><bpmn:startEvent id='web'/><bpmn:startEvent id='phone'/><bpmn:userTask id='enter'>\
             <bpmn:ioSpecification><bpmn:dataInput id='in' name='given'/><bpmn:dataOutput id='out' name='found'/><bpmn:inputSet/><bpmn:outputSet/>\
             </bpmn:ioSpecification><bpmn:dataInputAssociation id='i'><bpmn:sourceRef>ref</bpmn:sourceRef><bpmn:targetRef>in</bpmn:targetRef>\
             </bpmn:dataInputAssociation><bpmn:dataOutputAssociation id='o'><bpmn:sourceRef>out</bpmn:sourceRef><bpmn:targetRef>total</bpmn:targetRef>\
             <bpmn:transformation>= found * 2</bpmn:transformation></bpmn:dataOutputAssociation></bpmn:userTask>\
             <bpmn:boundaryEvent id='b' attachedToRef='enter' cancelActivity='false' parallelMultiple='true'><bpmn:messageEventDefinition \
             messageRef='m'/><bpmn:messageEventDefinition messageRef='n'/></bpmn:boundaryEvent><bpmn:userTask id='note'/><bpmn:userTask id='last'/>\
             {flows}</bpmn:process>"
        ),
    )
}

/// Starts it on the phone.
async fn by_phone(host: &Host, variables: Value) -> String {
    let instructions = json!([{"type": "startBeforeActivity", "activityId": "phone"}]);
    let start = json!({"businessKey": "order-1", "variables": variables, "startInstructions": instructions});
    let started = host.post("/engine-rest/process-definition/key/p/start", start).await.ok();
    started["id"].as_str().expect("an id").to_owned()
}

async fn start_says_at_which_of_several_start_events_and_data_goes_where_associations_lead(host: Host) {
    host.deploy("starts", &entered()).await;
    let refused = host.post("/engine-rest/process-definition/key/p/start", json!({})).await;
    let message = refused.error(400, "InvalidRequestException");
    assert!(message.contains("(web, phone)") && message.contains("startInstructions"), "{message}");

    let instance = by_phone(&host, json!({"order": {"value": 7}})).await;
    assert_eq!(host.only("/engine-rest/history/process-instance").await["startActivityId"], "phone");
    let task = host.only_id(&format!("{TASK}?taskDefinitionKey=enter")).await;
    assert_eq!(host.get(&format!("{TASK}/{task}/variables/given")).await.ok()["value"], 7);
    host.complete("enter", json!({"found": {"value": 4}, "noise": {"value": 1}})).await;
    let variables = host.get(&format!("/engine-rest/process-instance/{instance}/variables")).await.ok();
    assert_eq!((&variables["total"]["value"], &variables["order"]["value"], variables.get("noise")), (&json!(8), &json!(7), None));
    host.complete("last", json!({})).await;
    host.check_store().await;
}

async fn event_that_wants_all_and_does_not_interrupt_collects_anew(host: Host) {
    host.deploy("all", &entered()).await;
    by_phone(&host, json!({})).await;
    let message =
        async |name: &str| host.post("/engine-rest/message", json!({"messageName": name, "businessKey": "order-1"})).await.status.as_u16();
    let notes = async || host.count(&format!("{TASK}/count?taskDefinitionKey=note")).await;
    for round in 1..=2 {
        assert_eq!(message("delivered").await, 204);
        // It has been delivered, and is not waited for before it is paid.
        assert_eq!(message("delivered").await, 400);
        assert_eq!(notes().await, round - 1);
        assert_eq!(message("paid").await, 204);
        assert_eq!(notes().await, round);
    }
    host.check_store().await;
}

async fn start_event_with_several_definitions_starts_by_each_of_them(host: Host) {
    let model = model(
        "<bpmn:message id='m1' name='first'/><bpmn:message id='m2' name='second'/><bpmn:signal id='sig' name='alarm'/>\
         <bpmn:process id='p' isExecutable='true'><bpmn:startEvent id='s'><bpmn:messageEventDefinition messageRef='m1'/>\
         <bpmn:messageEventDefinition messageRef='m2'/><bpmn:signalEventDefinition signalRef='sig'/>\
         <bpmn:conditionalEventDefinition><bpmn:condition>${a}</bpmn:condition></bpmn:conditionalEventDefinition>\
         <bpmn:conditionalEventDefinition><bpmn:condition>${b}</bpmn:condition></bpmn:conditionalEventDefinition></bpmn:startEvent>\
         <bpmn:sequenceFlow id='f' sourceRef='s' targetRef='u'/><bpmn:userTask id='u'/></bpmn:process>",
    );
    host.deploy("several", &model).await;
    for message in ["first", "second"] {
        host.post("/engine-rest/message", json!({"messageName": message})).await.no_content();
    }
    host.post("/engine-rest/signal", json!({"name": "alarm"})).await.no_content();
    let condition = json!({"variables": {"a": {"value": false}, "b": {"value": true}}});
    assert_eq!(host.post("/engine-rest/condition", condition).await.ok().as_array().map(Vec::len), Some(1));
    host.wait_for_count(&format!("{TASK}/count"), 4).await;
}
