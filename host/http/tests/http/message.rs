//! `/message`.

use serde_json::json;

use crate::common::{Host, assert_properties, large, model_with, order, payment};

const MESSAGE: &str = "/engine-rest/message";
const MISMATCH: &str = "RestException";

#[tokio::test]
async fn a_message_reaches_the_one_instance_that_waits() {
    let host = Host::open().await;
    host.deploy("payments", &payment()).await;
    let first = host.start("payment", json!({"businessKey": "a"})).await;
    host.start("payment", json!({"businessKey": "b"})).await;

    host.post(MESSAGE, json!({"messageName": "paid"})).await.error(400, MISMATCH);
    let answer = host
        .post(
            MESSAGE,
            json!({
                "messageName": "paid", "businessKey": "a", "resultEnabled": true, "variablesInResultEnabled": true, "all": false,
                "correlationKeys": {}, "localCorrelationKeys": {}, "processVariablesLocal": {}, "withoutTenantId": true,
                "processVariables": {"amount": {"value": 3, "type": null, "valueInfo": null}},
            }),
        )
        .await
        .ok();
    let result = &answer[0];
    assert_properties(result, &["resultType", "processInstance", "execution", "variables"], &[]);
    assert_properties(&result["execution"], &["id", "processInstanceId", "ended", "tenantId"], &[]);
    assert_eq!((&result["resultType"], &result["processInstance"]), (&json!("Execution"), &json!(null)));
    assert_eq!(result["execution"]["processInstanceId"], first);

    host.post(MESSAGE, json!({"messageName": "paid", "businessKey": "a"})).await.error(400, MISMATCH);
    host.post(MESSAGE, json!({"messageName": "paid", "businessKey": "b", "processVariables": null})).await.no_content();
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 0);
    host.close().await;
}

#[tokio::test]
async fn a_message_starts_a_process() {
    let host = Host::open().await;
    host.deploy("orders", &order()).await;
    let body = json!({"messageName": "ordered", "businessKey": "o-1", "resultEnabled": true, "variablesInResultEnabled": true,
                      "processVariables": {"x": {"value": 1}}});
    let result = host.post(MESSAGE, body).await.ok()[0].clone();
    assert_eq!((&result["resultType"], &result["execution"]), (&json!("ProcessDefinition"), &json!(null)));
    assert_eq!(result["processInstance"]["businessKey"], "o-1");
    assert_eq!(result["variables"]["x"]["value"], 1);
    assert_eq!(host.only("/engine-rest/task").await["processInstanceId"], result["processInstance"]["id"]);
    // It has no none start event.
    let message = host.post("/engine-rest/process-definition/key/order/start", json!({})).await.error(500, "RestException");
    assert!(message.starts_with("Cannot instantiate process definition order:1:"), "{message}");
    host.close().await;
}

#[tokio::test]
async fn every_receiver_gets_it_when_all_are_meant() {
    let host = Host::open().await;
    host.deploy("payments", &payment()).await;
    for key in ["a", "b", "c"] {
        host.start("payment", json!({"businessKey": key, "variables": {"lot": {"value": 7}}})).await;
    }
    let body = json!({"messageName": "paid", "all": true, "resultEnabled": true, "correlationKeys": {"lot": {"value": 7}}});
    assert_eq!(host.post(MESSAGE, body).await.ok().as_array().map(Vec::len), Some(3));
    host.close().await;
}

/// Of twenty receivers nineteen have it before their variables are too much. Whoever has not is left for the next message.
#[tokio::test]
async fn a_message_to_all_ends_where_their_variables_are_too_much_for_one_answer() {
    let host = Host::open().await;
    host.deploy("payments", &payment()).await;
    for _ in 0..20 {
        host.start("payment", json!({ "variables": large() })).await;
    }
    let body = json!({"messageName": "paid", "all": true, "resultEnabled": true, "variablesInResultEnabled": true});
    let message = host.post(MESSAGE, body.clone()).await.error(400, MISMATCH);
    assert!(message.contains("19 executions have it, whose variables are too much for one answer"), "{message}");
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 1);
    let answer = host.post(MESSAGE, body).await.ok();
    assert_eq!(answer[0]["variables"].as_object().map(serde_json::Map::len), Some(15));

    for _ in 0..20 {
        host.start("payment", json!({ "variables": large() })).await;
    }
    let answer = host.post(MESSAGE, json!({"messageName": "paid", "all": true, "resultEnabled": true})).await.ok();
    assert_eq!((answer.as_array().map(Vec::len), &answer[0]["variables"]), (Some(20), &json!(null)), "nobody asks for their variables");
    host.close().await;
}

/// How many results of each type there are.
async fn receivers(host: &Host, mut body: serde_json::Value) -> (usize, usize) {
    body["messageName"] = json!("paid");
    body["resultEnabled"] = json!(true);
    let results = host.post(MESSAGE, body).await.ok();
    let of = |kind: &str| results.as_array().expect("a list").iter().filter(|result| result["resultType"] == kind).count();
    (of("Execution"), of("ProcessDefinition"))
}

#[tokio::test]
async fn with_all_executions_go_on_and_processes_start() {
    let host = Host::open().await;
    host.deploy("payments", &payment()).await;
    let starts = host.deploy("orders", &order().replace("ordered", "paid")).await;
    let starting = starts["deployedProcessDefinitions"].as_object().expect("a map").keys().next().expect("one").clone();
    for key in ["a", "b", "c"] {
        host.start("payment", json!({"businessKey": key})).await;
    }
    // Without it an execution that waits goes before a process that starts, and one of several must be named.
    host.post(MESSAGE, json!({"messageName": "paid"})).await.error(400, MISMATCH);
    assert_eq!(receivers(&host, json!({"businessKey": "a"})).await, (1, 0));
    assert_eq!(receivers(&host, json!({"all": true})).await, (2, 1));
    assert_eq!(receivers(&host, json!({"all": true})).await, (0, 1));
    assert_eq!(receivers(&host, json!({})).await, (0, 1));
    assert_eq!(host.count("/engine-rest/process-instance/count?processDefinitionKey=order").await, 3);

    // Keys choose among executions; whoever names an instance means no other.
    let instance = host.start("payment", json!({"variables": {"lot": {"value": 7}}})).await;
    assert_eq!(receivers(&host, json!({"all": true, "correlationKeys": {"lot": {"value": 8}}})).await, (0, 1));
    assert_eq!(receivers(&host, json!({"all": true, "processInstanceId": instance})).await, (1, 0));
    assert_eq!(receivers(&host, json!({"all": true, "processInstanceId": instance})).await, (0, 0));
    assert_eq!(receivers(&host, json!({"all": true, "tenantId": "acme"})).await, (0, 0));
    host.post(MESSAGE, json!({"messageName": "nobody", "all": true})).await.no_content();

    // What is suspended receives nothing.
    let instance = host.start("payment", json!({})).await;
    host.put(&format!("/engine-rest/process-instance/{instance}/suspended"), json!({"suspended": true})).await.no_content();
    assert_eq!(receivers(&host, json!({"all": true})).await, (0, 1));
    host.put(&format!("/engine-rest/process-definition/{starting}/suspended"), json!({"suspended": true})).await.no_content();
    assert_eq!(receivers(&host, json!({"all": true})).await, (0, 0));
    host.post(MESSAGE, json!({"messageName": "paid"})).await.error(400, MISMATCH);
    host.close().await;
}

#[tokio::test]
async fn without_a_tenant_only_processes_of_none_start() {
    let host = Host::open().await;
    let order = order();
    let files: [(&str, &[u8]); 1] = [("order.bpmn", order.as_bytes())];
    host.upload("/engine-rest/deployment/create", &[("tenant-id", "acme")], &files).await.ok();
    host.post(MESSAGE, json!({"messageName": "ordered", "withoutTenantId": true})).await.error(400, MISMATCH);
    host.post(MESSAGE, json!({"messageName": "ordered", "tenantId": "acme"})).await.no_content();
    host.close().await;
}

#[tokio::test]
async fn correlations_that_make_no_sense_are_refused() {
    let host = Host::open().await;
    let refused = "InvalidRequestException";
    for (body, expected) in [
        (json!({}), "No message name"),
        (json!({"messageName": null}), "No message name"),
        (json!({"messageName": 5}), "messageName"),
        (json!({"messageName": "m", "tenantId": "t", "withoutTenantId": true}), "tenantId"),
        (json!({"messageName": "m", "variablesInResultEnabled": true}), "resultEnabled"),
        (json!({"messageName": "m", "processVariablesToTriggeredScope": [1]}), "processVariablesToTriggeredScope"),
        (json!({"messageName": "m", "wibble": 1}), "wibble"),
    ] {
        let message = host.post(MESSAGE, body.clone()).await.error(400, refused);
        assert!(message.contains(expected), "{body}: {message}");
    }
    let nobody = json!({"messageName": "m", "processInstanceId": "no-such-instance"});
    let message = host.post(MESSAGE, nobody).await.error(400, MISMATCH);
    let expected = "org.camunda.bpm.engine.MismatchingMessageCorrelationException: Cannot correlate message 'm': No process definition or execution matches \
                    the parameters";
    assert_eq!(message, expected);
    host.close().await;
}

#[tokio::test]
async fn a_message_is_meant_for_an_execution_by_its_own_variables() {
    let host = Host::open().await;
    let outputs = "<bpmn:extensionElements><camunda:inputOutput><camunda:outputParameter name='paid'>${amount + own}</camunda:outputParameter>\
                   </camunda:inputOutput></bpmn:extensionElements>";
    let model = payment().replace("messageRef='m'/>", &format!("messageRef='m'>{outputs}</bpmn:receiveTask>"));
    host.deploy("payments", &model).await;
    let mut instances = Vec::new();
    for own in [1, 2] {
        let instance = host.start("payment", json!({"businessKey": format!("order-{own}")})).await;
        let waiting = host.only_id(&format!("/engine-rest/execution?processInstanceId={instance}&activityId=wait")).await;
        let path = format!("/engine-rest/execution/{waiting}/localVariables/own");
        host.put(&path, json!({"value": own})).await.no_content();
        instances.push(instance);
    }
    let mut message = json!({"messageName": "paid", "localCorrelationKeys": {"own": {"value": 3}}});
    host.post(MESSAGE, message.clone()).await.error(400, MISMATCH);
    message["localCorrelationKeys"]["own"]["value"] = json!(2);
    message["processVariablesLocal"] = json!({"amount": {"value": 40}});
    host.post(MESSAGE, message).await.no_content();
    let paid = host.only("/engine-rest/history/variable-instance?variableName=paid").await;
    assert_eq!((&paid["value"], &paid["processInstanceId"]), (&json!(42), &json!(instances[1])));
    host.close().await;
}

/// A process with a person at work in a sub-process, where a message begins an event sub-process beside them, and cancels both: `hearing`.
fn hearing() -> String {
    let caught = |id: &str, on: &str, message: &str| {
        format!(
            "<bpmn:{on} id='{id}'{}><bpmn:messageEventDefinition messageRef='{message}'/>",
            if on == "startEvent" { " isInterrupting='false'" } else { " attachedToRef='scope'" }
        )
    };
    model_with(
        "<bpmn:message id='m1' name='asked'/><bpmn:message id='m2' name='cancelled'/>",
        &format!(
            "<bpmn:process id='hearing' isExecutable='true'><bpmn:startEvent id='start'/><bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='scope'/>\
             <bpmn:subProcess id='scope'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='g1' sourceRef='s' targetRef='work'/><bpmn:userTask id='work'/>\
             <bpmn:subProcess id='ask' triggeredByEvent='true'>{}</bpmn:startEvent><bpmn:sequenceFlow id='h1' sourceRef='as' targetRef='reply'/>\
             <bpmn:userTask id='reply'/></bpmn:subProcess></bpmn:subProcess>{}</bpmn:boundaryEvent>\
             <bpmn:sequenceFlow id='f2' sourceRef='cancel' targetRef='undo'/><bpmn:userTask id='undo'/></bpmn:process>",
            caught("as", "startEvent", "m1"),
            caught("cancel", "boundaryEvent", "m2"),
        ),
    )
}

#[tokio::test]
async fn what_a_message_begins_has_variables_of_its_own() {
    let host = Host::open().await;
    host.deploy("hearing", &hearing()).await;
    let instance = host.start("hearing", json!({})).await;
    let seen = async |activity: &str, variable: &str| {
        let task = host.only_id(&format!("/engine-rest/task?taskDefinitionKey={activity}")).await;
        host.get(&format!("/engine-rest/task/{task}/variables")).await.ok()[variable]["value"].clone()
    };
    let triggered = |message: &str, value: i64| json!({"messageName": message, "processVariables": {"all": {"value": value}}, "processVariablesToTriggeredScope": {"own": {"value": value}}});
    host.post(MESSAGE, triggered("asked", 1)).await.no_content();
    assert_eq!((seen("reply", "own").await, seen("reply", "all").await), (json!(1), json!(1)));
    assert_eq!((seen("work", "own").await, seen("work", "all").await), (json!(null), json!(1)));
    // The path of a boundary event is in the process, and so are its variables.
    host.post(MESSAGE, triggered("cancelled", 2)).await.no_content();
    assert_eq!((seen("undo", "own").await, seen("undo", "all").await), (json!(2), json!(2)));
    assert_eq!(host.get(&format!("/engine-rest/process-instance/{instance}/variables/own")).await.ok()["value"], 2);
    let own = host.get("/engine-rest/history/variable-instance?variableName=own&includeDeleted=true").await.ok();
    assert_eq!(own.as_array().map(Vec::len), Some(2), "{own:#}");
    host.check_store().await;

    // Of a process that starts they are the process's.
    host.deploy("orders", &order()).await;
    let started = json!({"messageName": "ordered", "resultEnabled": true, "variablesInResultEnabled": true,
                         "processVariablesToTriggeredScope": {"own": {"value": 3}}});
    assert_eq!(host.post(MESSAGE, started).await.ok()[0]["variables"]["own"]["value"], 3);
    host.close().await;
}
