//! Call activities, as Camunda 7's clients see them.

use serde_json::{Value, json};

use crate::common::{Host, model_with, on_both};

on_both! {
    caller_and_called_instance_find_each_other_while_they_live_and_in_history
    incident_of_a_called_instance_stands_at_the_call_activity_too
    error_comes_out_and_deletion_goes_both_ways
    deployment_says_that_it_lacks_what_it_calls
    operations_on_a_called_instance_are_of_its_callers_root
}

const PROCESSES: &str = "<bpmn:process id='outer' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='c'/>\
    <bpmn:callActivity id='c' name='Check it' calledElement='inner' camunda:calledElementBinding='deployment'><bpmn:extensionElements>\
    <camunda:in businessKey='${execution.processBusinessKey}-1'/><camunda:in source='order' target='id'/><camunda:out source='verdict' target='verdict'/>\
    </bpmn:extensionElements></bpmn:callActivity><bpmn:sequenceFlow id='f2' sourceRef='c' targetRef='u'/><bpmn:userTask id='u'/>\
    <bpmn:boundaryEvent id='b' attachedToRef='c'><bpmn:errorEventDefinition errorRef='err'/></bpmn:boundaryEvent>\
    <bpmn:sequenceFlow id='f3' sourceRef='b' targetRef='repair'/><bpmn:userTask id='repair'/></bpmn:process>\
    <bpmn:process id='inner' isExecutable='true'><bpmn:startEvent id='is'/><bpmn:sequenceFlow id='g1' sourceRef='is' targetRef='look'/>\
    <bpmn:userTask id='look'/><bpmn:sequenceFlow id='g2' sourceRef='look' targetRef='ok'/><bpmn:exclusiveGateway id='ok' default='g4'/>\
    <bpmn:sequenceFlow id='g3' sourceRef='ok' targetRef='bad'><bpmn:conditionExpression xsi:type='bpmn:tFormalExpression'>${verdict == 'bad'}\
    </bpmn:conditionExpression></bpmn:sequenceFlow><bpmn:sequenceFlow id='g4' sourceRef='ok' targetRef='fine'/><bpmn:endEvent id='fine'/>\
    <bpmn:endEvent id='bad'><bpmn:errorEventDefinition errorRef='err'/></bpmn:endEvent></bpmn:process>";

async fn two(host: &Host) -> (String, String) {
    host.deploy("calls", &model_with("<bpmn:error id='err' errorCode='E'/>", PROCESSES)).await;
    let outer = host.start("outer", json!({"businessKey": "order-7", "variables": {"order": {"value": 7}}})).await;
    let inner = host.only_id(&format!("/engine-rest/process-instance?superProcessInstance={outer}")).await;
    (outer, inner)
}

async fn complete(host: &Host, task: &str, verdict: &str) {
    let body = json!({"variables": {"verdict": {"value": verdict}}});
    host.post(&format!("/engine-rest/task/{task}/complete"), body).await.no_content();
}

fn ids(list: &Value) -> Vec<&str> {
    list.as_array().expect("a list").iter().map(|it| it["id"].as_str().expect("an id")).collect()
}

async fn caller_and_called_instance_find_each_other_while_they_live_and_in_history(host: Host) {
    let (outer, inner) = two(&host).await;
    let called = host.get(&format!("/engine-rest/process-instance/{inner}")).await.ok();
    assert_eq!((&called["businessKey"], &called["definitionKey"]), (&json!("order-7-1"), &json!("inner")));
    let variables = host.get(&format!("/engine-rest/process-instance/{inner}/variables")).await.ok();
    assert_eq!((&variables["id"]["value"], &variables["order"]), (&json!(7), &json!(null)));
    let listed = async |filter: &str| host.get(&format!("/engine-rest/process-instance?{filter}")).await.ok();
    assert_eq!(ids(&listed(&format!("subProcessInstance={inner}")).await), [&outer]);
    assert_eq!(ids(&listed("rootProcessInstances=true").await), [&outer]);
    assert_eq!(ids(&listed("leafProcessInstances=true").await), [&inner]);
    assert_eq!(ids(&listed(&format!("rootProcessInstanceId={outer}&sortBy=definitionKey&sortOrder=asc")).await), [&inner, &outer]);
    assert_eq!(ids(&listed("activityIdIn=c").await), [&outer]);
    let statistics = host.only("/engine-rest/process-definition/key/outer/statistics").await;
    assert_eq!((&statistics["id"], &statistics["instances"]), (&json!("c"), &json!(1)));
    let tree = host.tree(&outer).await;
    let place = &tree["childActivityInstances"][0];
    assert_eq!((&place["activityId"], &place["activityType"], &place["name"]), (&json!("c"), &json!("callActivity"), &json!("Check it")));
    let waiting = host.get("/api/v1/waiting").await.ok();
    let at = waiting["items"].as_array().expect("a list").iter().find(|it| it["activityId"] == "c").expect("it waits");
    assert_eq!((&at["reason"], &at["id"], &at["process"]), (&json!("called-instance"), &json!(inner), &json!("inner")));

    let task = host.only_id(&format!("/engine-rest/task?processInstanceId={inner}")).await;
    complete(&host, &task, "fine").await;
    assert_eq!(host.only("/engine-rest/task").await["taskDefinitionKey"], "u");
    assert_eq!(host.get(&format!("/engine-rest/process-instance/{outer}/variables/verdict")).await.ok()["value"], "fine");

    let past = host.get(&format!("/engine-rest/history/process-instance/{inner}")).await.ok();
    assert_eq!((&past["superProcessInstanceId"], &past["rootProcessInstanceId"]), (&json!(outer), &json!(outer)));
    assert_eq!((&past["state"], &past["businessKey"]), (&json!("COMPLETED"), &json!("order-7-1")));
    let past = host.get(&format!("/engine-rest/history/process-instance/{outer}")).await.ok();
    assert_eq!((&past["superProcessInstanceId"], &past["rootProcessInstanceId"]), (&json!(null), &json!(outer)));
    let listed = async |filter: &str| host.get(&format!("/engine-rest/history/process-instance?{filter}")).await.ok();
    assert_eq!(ids(&listed(&format!("superProcessInstanceId={outer}")).await), [&inner]);
    assert_eq!(ids(&listed(&format!("subProcessInstanceId={inner}")).await), [&outer]);
    assert_eq!(ids(&listed("rootProcessInstances=true").await), [&outer]);
    assert_eq!(listed(&format!("rootProcessInstanceId={outer}")).await.as_array().map(Vec::len), Some(2));
    let activity = host.only("/engine-rest/history/activity-instance?activityId=c").await;
    assert_eq!((&activity["calledProcessInstanceId"], &activity["activityType"]), (&json!(inner), &json!("callActivity")));
    let looked = host.only("/engine-rest/history/task?taskDefinitionKey=look").await;
    assert_eq!((&looked["rootProcessInstanceId"], &looked["processInstanceId"]), (&json!(outer), &json!(inner)));
    let definition = host.get("/engine-rest/process-definition/key/outer").await.ok()["id"].as_str().expect("an id").to_owned();
    let called = host.only(&format!("/engine-rest/process-definition/{definition}/static-called-process-definitions")).await;
    assert_eq!((&called["key"], &called["calledFromActivityIds"]), (&json!("inner"), &json!(["c"])));
    assert_eq!(called["callingProcessDefinitionId"], json!(definition));
    host.check_store().await;
    host.close().await;
}

async fn incident_of_a_called_instance_stands_at_the_call_activity_too(host: Host) {
    let model = PROCESSES.replace("<bpmn:userTask id='look'/>", "<bpmn:serviceTask id='look' camunda:type='external' camunda:topic='t'/>");
    host.deploy("calls", &model_with("<bpmn:error id='err' errorCode='E'/>", &model)).await;
    let outer = host.start("outer", json!({})).await;
    let inner = host.only_id(&format!("/engine-rest/process-instance?superProcessInstance={outer}")).await;
    let fetch = json!({"workerId": "w", "maxTasks": 1, "topics": [{"topicName": "t", "lockDuration": 10_000}]});
    let fetched = host.post("/engine-rest/external-task/fetchAndLock", fetch).await.ok();
    let task = fetched[0]["id"].as_str().expect("an id");
    let failure = json!({"workerId": "w", "errorMessage": "it broke", "retries": 0});
    host.post(&format!("/engine-rest/external-task/{task}/failure"), failure).await.no_content();

    let own = host.only(&format!("/engine-rest/incident?processInstanceId={inner}")).await;
    assert_eq!((&own["causeIncidentId"], &own["rootCauseIncidentId"]), (&own["id"], &own["id"]));
    let at = host.only(&format!("/engine-rest/incident?processInstanceId={outer}")).await;
    assert_eq!((&at["causeIncidentId"], &at["rootCauseIncidentId"]), (&own["id"], &own["id"]));
    assert_eq!((&at["activityId"], &at["incidentType"]), (&json!("c"), &json!("failedExternalTask")));
    assert_eq!((&at["incidentMessage"], &at["configuration"]), (&Value::Null, &Value::Null));
    let definition = at["processDefinitionId"].as_str().expect("a text");
    assert!(definition.starts_with("outer:1:"), "{definition}");
    let id = at["id"].as_str().expect("an id");
    assert_eq!(host.get(&format!("/engine-rest/incident/{id}")).await.ok(), at);
    assert_eq!(host.only(&format!("/engine-rest/incident?incidentId={id}")).await, at);
    let of_root = host.get(&format!("/engine-rest/incident?rootCauseIncidentId={}", own["id"].as_str().expect("an id"))).await.ok();
    assert_eq!(ids(&of_root).len(), 2);
    let tree = host.tree(&outer).await;
    let place = &tree["childActivityInstances"][0];
    assert_eq!((&place["incidentIds"], &place["id"]), (&json!([id]), &at["executionId"]));
    let failing = host.get("/engine-rest/process-instance?withIncident=true&sortBy=definitionKey&sortOrder=asc").await.ok();
    assert_eq!(ids(&failing), [&inner, &outer]);

    // History has both, under the same ids.
    let past = host.only(&format!("/engine-rest/history/incident?processInstanceId={outer}")).await;
    for same in
        ["id", "causeIncidentId", "rootCauseIncidentId", "activityId", "executionId", "incidentType", "incidentMessage", "configuration"]
    {
        assert_eq!(past[same], at[same], "{same}");
    }
    assert_eq!((&past["open"], &past["endTime"], &past["processDefinitionId"]), (&json!(true), &Value::Null, &at["processDefinitionId"]));
    let root = own["id"].as_str().expect("an id");
    for (filter, expected) in [
        (format!("incidentId={id}"), vec![id]),
        (format!("causeIncidentId={root}&processInstanceId={outer}"), vec![id]),
        (format!("rootCauseIncidentId={root}&sortBy=processDefinitionKey&sortOrder=asc"), vec![root, id]),
        (format!("executionId={}", at["executionId"].as_str().expect("an id")), vec![id]),
        ("activityId=look&open=true".to_owned(), vec![root]),
        ("resolved=true".to_owned(), vec![]),
    ] {
        assert_eq!(ids(&host.get(&format!("/engine-rest/history/incident?{filter}")).await.ok()), expected, "{filter}");
    }
    let execution = at["executionId"].as_str().expect("an id");
    assert_eq!(host.only(&format!("/engine-rest/incident?executionId={execution}")).await, at);
    for (filter, expected) in [
        ("withIncidents=true", vec![&inner, &outer]),
        ("withRootIncidents=true", vec![&inner]),
        ("incidentType=failedExternalTask&incidentMessageLike=it%25", vec![&inner]),
        ("incidentMessage=another", vec![]),
        ("activeActivityIdIn=c,u", vec![&outer]),
        ("processDefinitionNameLike=x%25", vec![]),
    ] {
        let found = host.get(&format!("/engine-rest/history/process-instance?sortBy=definitionKey&sortOrder=asc&{filter}")).await.ok();
        assert_eq!(ids(&found), expected, "{filter}");
    }
    assert_eq!(host.count(&format!("/engine-rest/history/process-instance/count?processInstanceIdNotIn={outer},{root}")).await, 1);

    host.put(&format!("/engine-rest/external-task/{task}/retries"), json!({"retries": 1})).await.no_content();
    let past = host.get("/engine-rest/history/incident?resolved=true").await.ok();
    assert_eq!((ids(&past).len(), &past[0]["endTime"]), (2, &past[1]["endTime"]));
    assert_eq!(host.get("/engine-rest/incident").await.ok(), json!([]));
    host.check_store().await;
    host.close().await;
}

async fn error_comes_out_and_deletion_goes_both_ways(host: Host) {
    let (outer, inner) = two(&host).await;
    let task = host.only_id(&format!("/engine-rest/task?processInstanceId={inner}")).await;
    complete(&host, &task, "bad").await;
    assert_eq!(host.only("/engine-rest/task").await["taskDefinitionKey"], "repair");
    let past = host.get(&format!("/engine-rest/history/process-instance/{inner}")).await.ok();
    assert_eq!(past["state"], "INTERNALLY_TERMINATED");
    host.delete(&format!("/engine-rest/process-instance/{outer}")).await.no_content();
    for doomed in [0, 1] {
        let (outer, inner) = two(&host).await;
        let pair = [outer, inner];
        host.delete(&format!("/engine-rest/process-instance/{}", pair[doomed])).await.no_content();
        for id in &pair {
            let past = host.get(&format!("/engine-rest/history/process-instance/{id}")).await.ok();
            assert_eq!(past["state"], "EXTERNALLY_TERMINATED");
        }
        assert_eq!(host.count("/engine-rest/process-instance/count").await, 0);
    }
    host.check_store().await;
    host.close().await;
}

async fn deployment_says_that_it_lacks_what_it_calls(host: Host) {
    let alone = PROCESSES.split("<bpmn:process id='inner'").next().expect("the first").to_owned();
    let model = model_with("<bpmn:error id='err' errorCode='E'/>", &alone);
    let deployed = host.deploy("lacking", &model).await;
    let warning = &deployed["warnings"][0];
    assert_eq!(warning["mainElementId"], "c", "{deployed:#}");
    assert!(warning["message"].as_str().expect("a text").contains("calls process 'inner' of this deployment, which has no such process"));
    let refused = host.post("/engine-rest/process-definition/key/outer/start", json!({})).await;
    assert!(
        refused.text().contains("call activity 'c' cannot call process 'inner': there is no such process without a tenant in deployment"),
        "{}",
        refused.text()
    );
    host.close().await;
}

async fn operations_on_a_called_instance_are_of_its_callers_root(host: Host) {
    let (outer, inner) = two(&host).await;
    for instance in [&outer, &inner] {
        host.put(&format!("/engine-rest/process-instance/{instance}/suspended"), json!({"suspended": true})).await.no_content();
    }
    for instance in [&inner, &outer] {
        let entry = host.only(&format!("/engine-rest/history/user-operation?processInstanceId={instance}&operationType=Suspend")).await;
        assert_eq!((&entry["processInstanceId"], &entry["rootProcessInstanceId"]), (&json!(instance), &json!(outer)));
    }
    let entry = host.only("/engine-rest/history/user-operation?entityType=Deployment&property=name").await;
    assert_eq!(entry["rootProcessInstanceId"], json!(null));
    host.close().await;
}
