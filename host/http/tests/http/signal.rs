//! Signals and conditions, and who waits for them.

use serde_json::{Value, json};

use crate::common::{Host, model_with};

/// `stock` waits for the signal `alarm` in an event sub-process of the process, at a boundary event that does not interrupt, and on its
/// path, behind a task; it throws `done` at its end. `night` starts by `alarm`.
fn stock() -> String {
    model_with(
        "<bpmn:signal id='alarm' name='alarm'/><bpmn:signal id='done' name='done'/>",
        "<bpmn:process id='stock' isExecutable='true'><bpmn:startEvent id='start'/><bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='count'/>\
         <bpmn:userTask id='count'/><bpmn:boundaryEvent id='heard' attachedToRef='count' cancelActivity='false'>\
         <bpmn:signalEventDefinition signalRef='alarm'/></bpmn:boundaryEvent><bpmn:sequenceFlow id='f2' sourceRef='heard' targetRef='note'/>\
         <bpmn:userTask id='note'/><bpmn:sequenceFlow id='f3' sourceRef='count' targetRef='wait'/><bpmn:intermediateCatchEvent id='wait'>\
         <bpmn:signalEventDefinition signalRef='alarm'/></bpmn:intermediateCatchEvent>\
         <bpmn:sequenceFlow id='f4' sourceRef='wait' targetRef='end'/><bpmn:endEvent id='end'>\
         <bpmn:signalEventDefinition signalRef='done'/></bpmn:endEvent></bpmn:process>\
         <bpmn:process id='night' isExecutable='true'><bpmn:startEvent id='begin'><bpmn:signalEventDefinition signalRef='alarm'/></bpmn:startEvent>\
         <bpmn:sequenceFlow id='n1' sourceRef='begin' targetRef='watch'/><bpmn:userTask id='watch'/></bpmn:process>",
    )
}

async fn throw(host: &Host, body: Value) {
    host.post("/engine-rest/signal", body).await.no_content();
}

#[tokio::test]
async fn a_signal_comes_to_everybody_and_starts_processes() {
    let host = Host::open().await;
    host.deploy("stock", &stock()).await;
    let instances = [host.start("stock", json!({})).await, host.start("stock", json!({})).await];
    throw(&host, json!({"name": "alarm", "variables": {"why": {"value": "smoke", "type": "String"}}})).await;
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=note").await, 2);
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=watch").await, 1);
    let why = host.get(&format!("/engine-rest/process-instance/{}/variables/why", instances[0])).await.ok();
    assert_eq!(why["value"], "smoke");
    assert_eq!(host.count("/engine-rest/history/activity-instance/count?activityType=boundarySignal&finished=true").await, 2);
    assert_eq!(host.count("/engine-rest/history/activity-instance/count?activityType=signalStartEvent").await, 1);
    host.check_store().await;

    // Nobody waits for it, which is no error.
    throw(&host, json!({"name": "nothing"})).await;
    host.post("/engine-rest/signal", json!({})).await.error(400, "InvalidRequestException");
    let both = json!({"name": "alarm", "tenantId": "acme", "withoutTenantId": true});
    host.post("/engine-rest/signal", both).await.error(400, "InvalidRequestException");
    throw(&host, json!({"name": "alarm", "tenantId": "acme"})).await;
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=note").await, 2, "there is no such tenant");
    throw(&host, json!({"name": "alarm", "withoutTenantId": true})).await;
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=note").await, 4);
    host.close().await;
}

#[tokio::test]
async fn a_signal_that_its_receiver_cannot_take_is_a_job_and_an_incident_until_it_is_deleted() {
    let host = Host::open().await;
    let once =
        "<bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R1/PT1M</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>";
    let model = model_with(
        "<bpmn:signal id='alarm' name='alarm'/>",
        &format!(
            "<bpmn:process id='deaf' isExecutable='true'><bpmn:startEvent id='start'/><bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='wait'/>\
             <bpmn:intermediateCatchEvent id='wait'>{once}<bpmn:signalEventDefinition signalRef='alarm'/></bpmn:intermediateCatchEvent>\
             <bpmn:sequenceFlow id='f2' sourceRef='wait' targetRef='task'/><bpmn:userTask id='task' camunda:assignee='${{who}}'/></bpmn:process>\
             <bpmn:process id='stubborn' isExecutable='true'><bpmn:startEvent id='begin'>{once}<bpmn:signalEventDefinition signalRef='alarm'/>\
             </bpmn:startEvent><bpmn:sequenceFlow id='s1' sourceRef='begin' targetRef='task2'/>\
             <bpmn:userTask id='task2' camunda:assignee='${{who}}'/></bpmn:process>"
        ),
    );
    host.deploy("deaf", &model).await;
    let instance = host.start("deaf", json!({})).await;
    throw(&host, json!({"name": "alarm"})).await;
    let open = host.get("/engine-rest/incident?sortBy=activityId&sortOrder=asc").await.ok();
    let (of_start, of_wait) = (&open[0], &open[1]);
    assert_eq!(
        (&of_start["activityId"], &of_start["processInstanceId"], &of_start["executionId"]),
        (&json!("begin"), &Value::Null, &Value::Null)
    );
    assert_eq!((&of_wait["code"], &of_wait["incidentType"]), (&json!("UNDELIVERED"), &json!("failedJob")));
    assert_eq!(of_wait["processInstanceId"], json!(instance));
    let job = of_wait["configuration"].as_str().expect("the job's id").to_owned();
    let seen = host.get(&format!("/engine-rest/job/{job}")).await.ok();
    assert_eq!((&seen["processInstanceId"], &seen["retries"], &seen["jobDefinitionId"]), (&json!(instance), &json!(0), &Value::Null));
    assert_eq!((&seen["failedActivityId"], &seen["exceptionMessage"]), (&json!("task"), &of_wait["incidentMessage"]));
    let detail = host.get(&format!("/api/v1/incidents/{}", of_wait["id"].as_str().expect("an id"))).await.ok();
    assert_eq!(detail["documentation"], "docs/incidents.md#undelivered");
    assert_eq!(host.count("/engine-rest/process-instance/count?withIncident=true").await, 1);

    host.post(&format!("/engine-rest/job/{job}/execute"), json!({})).await.error(500, "RestException");
    host.post(&format!("/engine-rest/job/{job}/duedate/recalculate"), json!({})).await.error(400, "InvalidRequestException");
    let past = host.get("/engine-rest/history/incident?open=true&sortBy=activityId&sortOrder=asc").await.ok();
    for (past, now) in [(&past[0], of_start), (&past[1], of_wait)] {
        for same in
            ["id", "processInstanceId", "executionId", "processDefinitionId", "activityId", "failedActivityId", "code", "configuration"]
        {
            assert_eq!(past[same], now[same], "{same}");
        }
    }
    assert_eq!((&past[0]["rootProcessInstanceId"], &past[1]["rootProcessInstanceId"]), (&Value::Null, &json!(instance)));
    host.delete(&format!("/engine-rest/job/{job}")).await.no_content();
    host.delete(&format!("/engine-rest/job/{job}")).await.error(404, "InvalidRequestException");
    let other = of_start["configuration"].as_str().expect("the job's id");
    host.delete(&format!("/engine-rest/job/{other}")).await.no_content();
    assert_eq!(host.count("/engine-rest/incident/count").await, 0);
    assert_eq!(host.count("/engine-rest/history/incident/count?deleted=true").await, 2);
    let logged = host.get("/engine-rest/history/user-operation?operationType=Delete").await.ok();
    assert_eq!((logged.as_array().map(Vec::len), &logged[0]["entityType"]), (Some(2), &json!("Job")));
    // Any other job is what its instance goes on with.
    host.delete(&format!("/engine-rest/job/{instance}.9")).await.error(400, "InvalidRequestException");
    host.close().await;
}

#[tokio::test]
async fn a_signal_for_one_execution_comes_to_nobody_else() {
    let host = Host::open().await;
    host.deploy("stock", &stock()).await;
    host.start("stock", json!({})).await;
    let instance = host.start("stock", json!({})).await;
    let filter = format!("/engine-rest/event-subscription?eventType=signal&processInstanceId={instance}");
    let waiting = host.only(&filter).await;
    assert_eq!((&waiting["eventName"], &waiting["activityId"]), (&json!("alarm"), &json!("heard")));
    let execution = waiting["executionId"].as_str().expect("an id").to_owned();
    let listed = format!("/engine-rest/execution?processInstanceId={instance}&signalEventSubscriptionName");
    assert_eq!(host.only_id(&format!("{listed}=alarm")).await, execution);
    assert_eq!(host.get(&format!("{listed}=quiet")).await.ok(), json!([]));
    throw(&host, json!({"name": "alarm", "executionId": execution})).await;
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=note").await, 1);
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=watch").await, 0);

    let unheard = json!({"name": "quiet", "executionId": execution});
    let message = host.post("/engine-rest/signal", unheard).await.error(500, "InvalidRequestException");
    assert!(message.contains("has not subscribed to a signal event with name 'quiet'"), "{message}");
    let nobody = json!({"name": "alarm", "executionId": "nobody"});
    let message = host.post("/engine-rest/signal", nobody).await.error(500, "InvalidRequestException");
    assert!(message.contains("Cannot find execution with id 'nobody'"), "{message}");
    let tenant = json!({"name": "alarm", "executionId": execution, "tenantId": "acme"});
    host.post("/engine-rest/signal", tenant).await.error(400, "InvalidRequestException");
    host.close().await;
}

#[tokio::test]
async fn an_instance_that_throws_reaches_others_behind_its_commit() {
    let host = Host::open_executing(mandate_http::Options::default()).await;
    let listener = model_with(
        "<bpmn:signal id='done' name='done'/>",
        "<bpmn:process id='listener' isExecutable='true'><bpmn:startEvent id='start'><bpmn:signalEventDefinition signalRef='done'/></bpmn:startEvent>\
         <bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='seen'/><bpmn:userTask id='seen'/></bpmn:process>",
    );
    host.deploy("stock", &stock()).await;
    host.deploy("listener", &listener).await;
    let instance = host.start("stock", json!({})).await;
    let task = host.only_id("/engine-rest/task?taskDefinitionKey=count").await;
    host.post(&format!("/engine-rest/task/{task}/complete"), json!({})).await.no_content();
    throw(&host, json!({"name": "alarm"})).await;
    host.wait_for_count("/engine-rest/task/count?taskDefinitionKey=seen", 1).await;
    let ended = host.only(&format!("/engine-rest/history/process-instance?processInstanceId={instance}")).await;
    assert_eq!(ended["state"], "COMPLETED");
    host.check_store().await;
    host.close().await;
}

/// `watch` waits until `level > 5` and beside that has an event sub-process for `level > 9`; `flood` starts when `level > 7`.
fn watch() -> String {
    let condition = |condition: &str| {
        format!("<bpmn:conditionalEventDefinition><bpmn:condition>${{{condition}}}</bpmn:condition></bpmn:conditionalEventDefinition>")
    };
    model_with(
        "",
        &format!(
            "<bpmn:process id='watch' isExecutable='true'><bpmn:startEvent id='start'/><bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='rising'/>\
             <bpmn:intermediateCatchEvent id='rising'>{}</bpmn:intermediateCatchEvent><bpmn:sequenceFlow id='f2' sourceRef='rising' targetRef='look'/>\
             <bpmn:userTask id='look'/><bpmn:subProcess id='high' triggeredByEvent='true'><bpmn:startEvent id='too-high'>{}</bpmn:startEvent>\
             <bpmn:sequenceFlow id='h1' sourceRef='too-high' targetRef='leave'/><bpmn:userTask id='leave'/></bpmn:subProcess></bpmn:process>\
             <bpmn:process id='flood' isExecutable='true'><bpmn:startEvent id='risen'>{}</bpmn:startEvent>\
             <bpmn:sequenceFlow id='w1' sourceRef='risen' targetRef='dam'/><bpmn:userTask id='dam'/></bpmn:process>",
            condition("level &gt; 5"),
            condition("level &gt; 9"),
            condition("level &gt; 7")
        ),
    )
}

#[tokio::test]
async fn conditions_are_asked_when_variables_change() {
    let host = Host::open().await;
    host.deploy("watch", &watch()).await;
    let instance = host.start("watch", json!({})).await;
    let level = async |value: i64| {
        let path = format!("/engine-rest/process-instance/{instance}/variables/level");
        host.put(&path, json!({"value": value, "type": "Integer"})).await.no_content();
    };
    let waiting = host.get("/engine-rest/event-subscription?eventType=conditional&sortBy=created&sortOrder=asc").await.ok();
    let of: Vec<_> = waiting.as_array().expect("a list").iter().map(|it| (it["activityId"].clone(), it["eventName"].clone())).collect();
    assert!(of.contains(&(json!("risen"), Value::Null)) && of.contains(&(json!("rising"), Value::Null)), "{of:?}");
    assert_eq!(of.len(), 3);
    level(5).await;
    assert_eq!(host.count("/engine-rest/task/count").await, 0);
    level(6).await;
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=look").await, 1);
    host.check_store().await;
    level(10).await;
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=look").await, 0);
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=leave").await, 1);
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn a_condition_starts_processes_for_which_it_holds() {
    let host = Host::open().await;
    let level = |level: i64| json!({"variables": {"level": {"value": level}}, "businessKey": "river"});
    let message = host.post("/engine-rest/condition", level(8)).await.error(400, "InvalidRequestException");
    assert_eq!(message, "No subscriptions were found during evaluation of the conditional start events.");
    host.deploy("watch", &watch()).await;
    assert_eq!(host.post("/engine-rest/condition", level(7)).await.ok(), json!([]));
    let started = host.post("/engine-rest/condition", level(8)).await.ok();
    assert_eq!((&started[0]["businessKey"], &started[0]["ended"]), (&json!("river"), &json!(false)));
    assert_eq!(host.only("/engine-rest/task").await["taskDefinitionKey"], "dam");
    host.post("/engine-rest/condition", json!({"variables": {}, "tenantId": "acme"})).await.error(400, "InvalidRequestException");

    let definition = |key: &str| format!("/engine-rest/process-definition/key/{key}");
    let id = async |key: &str| host.get(&definition(key)).await.ok()["id"].as_str().expect("an id").to_owned();
    let mut one = level(9);
    one["processDefinitionId"] = json!(id("flood").await);
    assert_eq!(host.post("/engine-rest/condition", one.clone()).await.ok().as_array().map(Vec::len), Some(1));
    one["processDefinitionId"] = json!(id("watch").await);
    host.post("/engine-rest/condition", one.clone()).await.error(400, "InvalidRequestException");
    one["processDefinitionId"] = json!("nothing");
    host.post("/engine-rest/condition", one).await.error(404, "InvalidRequestException");
    host.close().await;
}

#[tokio::test]
async fn event_subscriptions_are_listed_and_filtered() {
    let host = Host::open().await;
    host.deploy("stock", &stock()).await;
    let instance = host.start("stock", json!({})).await;
    assert_eq!(host.count("/engine-rest/event-subscription/count").await, 2);
    let start = host.only("/engine-rest/event-subscription?activityId=begin").await;
    assert_eq!((&start["executionId"], &start["processInstanceId"], &start["eventType"]), (&Value::Null, &Value::Null, &json!("signal")));
    let id = start["id"].as_str().expect("an id");
    assert_eq!(host.only(&format!("/engine-rest/event-subscription?eventSubscriptionId={id}")).await, start);
    let wait = host.only(&format!("/engine-rest/event-subscription?processInstanceId={instance}")).await;
    let id = wait["id"].as_str().expect("an id");
    assert_eq!(host.only(&format!("/engine-rest/event-subscription?eventSubscriptionId={id}")).await, wait);
    for (query, count) in [
        ("eventName=alarm", 2),
        ("eventName=alarm&eventType=message", 0),
        ("withoutTenantId=true", 2),
        ("tenantIdIn=acme", 0),
        ("tenantIdIn=acme&includeEventSubscriptionsWithoutTenantId=true", 2),
        ("eventType=compensate", 0),
        ("sortBy=tenantId&sortOrder=desc&maxResults=1", 1),
    ] {
        let list = host.get(&format!("/engine-rest/event-subscription?{query}")).await.ok();
        assert_eq!(list.as_array().map(Vec::len), Some(count), "{query}");
    }
    // Deployed once more, the new version starts by it, and the old one no longer.
    host.deploy("stock", &stock()).await;
    assert_eq!(host.count("/engine-rest/event-subscription/count?activityId=begin").await, 1);
    host.close().await;
}
