//! Executions: every resource that has an `executionId` names the same activity instance by it.

use serde_json::{Value, json};

use crate::common::{Host, fragile, model, nested, payment};

/// Of the history of an element that was entered once.
async fn execution_in_history(host: &Host, activity: &str) -> Value {
    host.only(&format!("/engine-rest/history/activity-instance?activityId={activity}")).await["executionId"].clone()
}

#[tokio::test]
async fn a_task_and_its_timer_are_of_the_activity_instance_inside_its_scope() {
    let host = Host::open().await;
    host.deploy("nested", &nested("2100-01-01T00:00:00Z")).await;
    let instance = host.start("nested", json!({})).await;
    let scope = &host.tree(&instance).await["childActivityInstances"][0];
    let inner = &scope["childActivityInstances"][0]["id"];
    assert!(inner.as_str().expect("an id").starts_with(&format!("{instance}.")), "{inner}");

    let task = host.only("/engine-rest/task").await;
    assert_eq!((&task["executionId"], &task["processInstanceId"]), (inner, &json!(instance)));
    assert_eq!(execution_in_history(&host, "task").await, *inner);
    assert_eq!(host.only("/engine-rest/job?activityId=task-late").await["executionId"], *inner);
    assert_eq!(host.only("/engine-rest/job?activityId=scope-late").await["executionId"], scope["id"]);
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn a_job_before_its_element_and_its_incident_are_of_the_transition_instance() {
    let host = Host::open().await;
    host.deploy("fragile", &fragile()).await;
    let instance = host.start("fragile", json!({})).await;
    let transition = host.tree(&instance).await["childTransitionInstances"][0]["executionId"].clone();
    let job = host.only("/engine-rest/job").await;
    assert_eq!(job["executionId"], transition);
    let id = job["id"].as_str().expect("an id");
    host.post(&format!("/engine-rest/job/{id}/execute"), json!({})).await.error(500, "RestException");
    let incident = host.only("/engine-rest/incident").await;
    assert_eq!((&incident["executionId"], &incident["activityId"]), (&transition, &json!("decide")));
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn a_correlation_names_the_activity_instance_that_waited() {
    let host = Host::open().await;
    host.deploy("payments", &payment()).await;
    let instance = host.start("payment", json!({})).await;
    let waiting = host.tree(&instance).await["childActivityInstances"][0]["id"].clone();
    let message = json!({"messageName": "paid", "resultEnabled": true});
    let result = host.post("/engine-rest/message", message).await.ok()[0]["execution"].clone();
    assert_eq!(result, json!({"id": waiting, "processInstanceId": instance, "ended": true, "tenantId": null}));
    assert_eq!(execution_in_history(&host, "wait").await, waiting);
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn executions_are_listed_with_their_own_variables() {
    let host = Host::open().await;
    host.deploy("nested", &nested("2100-01-01T00:00:00Z")).await;
    let instance = host.start("nested", json!({"businessKey": "order-1", "variables": {"a": {"value": 1}}})).await;
    let task = host.only("/engine-rest/task").await["executionId"].as_str().expect("an id").to_owned();
    let found = host.only("/engine-rest/execution?activityId=task").await;
    assert_eq!(found, json!({"id": task, "processInstanceId": instance, "ended": false, "tenantId": null}));
    assert_eq!(host.get(&format!("/engine-rest/execution/{task}")).await.ok(), found);
    assert_eq!(host.get(&format!("/engine-rest/execution/{instance}")).await.ok()["id"], json!(instance));
    host.get("/engine-rest/execution/nonsense").await.error(404, "InvalidRequestException");

    let own = format!("/engine-rest/execution/{task}/localVariables");
    host.post(&own, json!({"modifications": {"a": {"value": 2}, "b": {"value": "x"}}})).await.no_content();
    host.put(&format!("{own}/c"), json!({"value": true})).await.no_content();
    host.delete(&format!("{own}/c")).await.no_content();
    let expected = json!({"a": {"type": "Integer", "value": 2, "valueInfo": {}}, "b": {"type": "String", "value": "x", "valueInfo": {}}});
    assert_eq!(host.get(&own).await.ok(), expected);
    host.get(&format!("{own}/c")).await.error(404, "InvalidRequestException");
    let around = host.get(&format!("/engine-rest/process-instance/{instance}/variables/a")).await.ok();
    assert_eq!(around["value"], 1);
    host.get("/engine-rest/execution/nonsense/localVariables").await.error(500, "NullValueException");

    for (filter, expected) in [
        ("", 3),
        ("businessKey=order-1&processDefinitionKey=nested", 3),
        ("businessKey=order-2", 0),
        ("activityId=scope", 1),
        ("variables=b_eq_x", 1),
        // As in Camunda, of whichever of the process's executions.
        ("processVariables=b_eq_x", 3),
        ("processVariables=b_eq_y", 0),
        ("active=true", 3),
        ("suspended=true", 0),
        ("messageEventSubscriptionName=paid", 0),
    ] {
        assert_eq!(host.count(&format!("/engine-rest/execution/count?{filter}")).await, expected, "{filter}");
    }
    let body = json!({"processVariables": [{"name": "a", "operator": "lt", "value": 1.5}]});
    assert_eq!(host.post("/engine-rest/execution/count", body).await.ok(), json!({"count": 3}));
    host.get("/engine-rest/execution?variables=b").await.error(400, "InvalidRequestException");

    // The execution's, in which there is a task.
    let own = host.only(&format!("/engine-rest/variable-instance?executionIdIn={task}&variableName=a")).await;
    assert_eq!((&own["value"], &own["processInstanceId"], &own["taskId"]), (&json!(2), &json!(instance), &json!(null)));
    let id = own["id"].as_str().expect("an id");
    assert_eq!(host.get(&format!("/engine-rest/variable-instance/{id}")).await.ok(), own);
    host.get(&format!("/engine-rest/variable-instance/{id}/data")).await.error(400, "InvalidRequestException");
    host.get("/engine-rest/variable-instance/nonsense").await.error(404, "InvalidRequestException");
    for (filter, expected) in [("", 3), ("variableName=a", 2), ("variableValues=b_eq_x", 1), ("variableNameLike=%25a%25", 2)] {
        assert_eq!(host.count(&format!("/engine-rest/variable-instance/count?{filter}")).await, expected, "{filter}");
    }
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn a_receive_task_is_signalled_or_its_message_triggered() {
    let host = Host::open().await;
    host.deploy("payment", &payment()).await;
    host.deploy("nested", &nested("2100-01-01T00:00:00Z")).await;
    let instances = [host.start("payment", json!({})).await, host.start("payment", json!({})).await];
    let list = host.get("/engine-rest/execution?activityId=wait&sortBy=instanceId&sortOrder=asc").await.ok();
    let waiting: Vec<_> = list.as_array().expect("a list").iter().map(|it| it["id"].as_str().expect("an id").to_owned()).collect();
    let [first, second] = &waiting[..] else { panic!("{list:#}") };

    host.start("nested", json!({})).await;
    let task = host.only("/engine-rest/task").await["executionId"].as_str().expect("an id").to_owned();
    let message = host.post(&format!("/engine-rest/execution/{task}/signal"), json!({})).await.error(400, "InvalidRequestException");
    assert!(message.contains("does not wait for a signal"), "{message}");
    let body = json!({"variables": {"amount": {"value": 5}}});
    host.post(&format!("/engine-rest/execution/{first}/signal"), body.clone()).await.no_content();
    host.post(&format!("/engine-rest/execution/{first}/signal"), body.clone()).await.error(500, "RestException");

    let subscription = host.get(&format!("/engine-rest/execution/{second}/messageSubscriptions/paid")).await.ok();
    let fields = ["eventType", "eventName", "executionId", "activityId"].map(|name| subscription[name].clone());
    assert_eq!(fields, [json!("message"), json!("paid"), json!(second), json!("wait")]);
    host.get(&format!("/engine-rest/execution/{second}/messageSubscriptions/lost")).await.error(404, "InvalidRequestException");
    host.post(&format!("/engine-rest/execution/{second}/messageSubscriptions/lost/trigger"), json!({})).await.error(500, "RestException");
    host.post(&format!("/engine-rest/execution/{second}/messageSubscriptions/paid/trigger"), body).await.no_content();
    for instance in instances {
        let history = host.get(&format!("/engine-rest/history/process-instance/{instance}")).await.ok();
        assert_eq!(history["state"], "COMPLETED");
    }
    host.close().await;
}

#[tokio::test]
async fn a_receive_task_without_a_message_waits_to_be_signalled() {
    let host = Host::open().await;
    let process = "<bpmn:process id='p' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:sequenceFlow sourceRef='s' targetRef='wait'/>\
                   <bpmn:receiveTask id='wait'/><bpmn:sequenceFlow sourceRef='wait' targetRef='look'/><bpmn:userTask id='look'/></bpmn:process>";
    host.deploy("p", &model(process)).await;
    host.start("p", json!({})).await;
    assert_eq!(host.get("/api/v1/waiting").await.ok()["items"][0]["reason"], "signalling");
    assert_eq!(host.get("/engine-rest/event-subscription").await.ok(), json!([]));
    let execution = host.only_id("/engine-rest/execution?activityId=wait").await;
    let body = json!({"variables": {"amount": {"value": 5}}});
    host.post(&format!("/engine-rest/execution/{execution}/signal"), body).await.no_content();
    assert_eq!(host.only("/engine-rest/task").await["taskDefinitionKey"], "look");
    assert_eq!(host.only("/engine-rest/variable-instance").await["value"], 5);
    host.check_store().await;
    host.close().await;
}
