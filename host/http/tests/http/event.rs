//! What is triggered from outside of the flow: boundary events and event sub-processes.

use serde_json::{Value, json};

use crate::common::{Host, model_with};

/// `watched`: a sub-process `work` with a user task `do`; each message `changed` lets somebody `note` it; the message `revoked` ends
/// everything and lets somebody `clean` up; a timer of the process reminds, long after.
fn watched() -> String {
    let event_sub_process = |id: &str, start: &str, inside: &str| {
        format!(
            "<bpmn:subProcess id='{id}' name='The {id} one' triggeredByEvent='true'><bpmn:startEvent id='{id}-start'{start}</bpmn:startEvent>\
             <bpmn:sequenceFlow id='{id}-f' sourceRef='{id}-start' targetRef='{inside}'/><bpmn:userTask id='{inside}'/></bpmn:subProcess>"
        )
    };
    let revoked = event_sub_process("revoked", "><bpmn:messageEventDefinition messageRef='m2'/>", "clean");
    let timer = " isInterrupting='false'><bpmn:timerEventDefinition><bpmn:timeDate>2100-01-01T00:00:00Z</bpmn:timeDate></bpmn:timerEventDefinition>";
    let late = event_sub_process("late", timer, "remind");
    model_with(
        "<bpmn:message id='m1' name='changed'/><bpmn:message id='m2' name='revoked'/>",
        &format!(
            "<bpmn:process id='watched' isExecutable='true'><bpmn:startEvent id='start'/>\
             <bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='work'/><bpmn:subProcess id='work'><bpmn:startEvent id='s'/>\
             <bpmn:sequenceFlow id='g1' sourceRef='s' targetRef='do'/><bpmn:userTask id='do'/><bpmn:boundaryEvent id='changed' \
             attachedToRef='do' cancelActivity='false'><bpmn:messageEventDefinition messageRef='m1'/></bpmn:boundaryEvent>\
             <bpmn:sequenceFlow id='g2' sourceRef='changed' targetRef='note'/><bpmn:userTask id='note'/></bpmn:subProcess>\
             <bpmn:sequenceFlow id='f2' sourceRef='work' targetRef='end'/><bpmn:endEvent id='end'/>{revoked}{late}</bpmn:process>"
        ),
    )
}

/// The only child with an activity id.
fn child<'a>(of: &'a Value, activity: &str) -> &'a Value {
    let children = of["childActivityInstances"].as_array().expect("a list");
    let found: Vec<_> = children.iter().filter(|child| child["activityId"] == activity).collect();
    assert_eq!(found.len(), 1, "{activity}: {of:#}");
    found[0]
}

/// Type, whether it is over, and whether it was cancelled, of the only entry into an element.
async fn history(host: &Host, activity: &str) -> (Value, bool, Value) {
    let it = host.only(&format!("/engine-rest/history/activity-instance?activityId={activity}")).await;
    (it["activityType"].clone(), !it["endTime"].is_null(), it["canceled"].clone())
}

async fn correlate(host: &Host, message: &str) -> Value {
    host.post("/engine-rest/message", json!({"messageName": message, "resultEnabled": true})).await.ok()[0]["execution"].clone()
}

#[tokio::test]
async fn messages_come_to_a_boundary_event_and_to_an_event_sub_process() {
    let host = Host::open().await;
    host.deploy("watched", &watched()).await;
    let instance = host.start("watched", json!({})).await;

    let before = host.tree(&instance).await;
    let waiting = child(child(&before, "work"), "do")["id"].clone();
    let execution = correlate(&host, "changed").await;
    assert_eq!(execution, json!({"id": waiting, "processInstanceId": instance, "ended": false, "tenantId": null}));
    correlate(&host, "changed").await;
    host.check_store().await;
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=note").await, 2);
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=do").await, 1);
    assert_eq!(host.count("/engine-rest/history/activity-instance/count?activityType=boundaryMessage&finished=true").await, 2);

    let execution = correlate(&host, "revoked").await;
    assert_eq!(execution["id"], instance, "the process itself has waited");
    host.check_store().await;
    let after = host.tree(&instance).await;
    assert_eq!(after["childActivityInstances"].as_array().map(Vec::len), Some(1), "{after:#}");
    let revoked = child(&after, "revoked");
    assert_eq!((&revoked["activityType"], &revoked["name"]), (&json!("subProcess"), &json!("The revoked one")));
    assert_eq!(revoked["parentActivityInstanceId"], instance);
    assert_eq!(child(revoked, "clean")["parentActivityInstanceId"], revoked["id"]);
    assert_eq!(history(&host, "do").await, (json!("userTask"), true, json!(true)));
    assert_eq!(history(&host, "work").await, (json!("subProcess"), true, json!(true)));
    assert_eq!(history(&host, "revoked-start").await, (json!("messageStartEvent"), true, json!(false)));
    assert_eq!(history(&host, "revoked").await, (json!("subProcess"), false, json!(false)));
    // What would have been triggered besides is triggered no more.
    assert_eq!(host.count("/engine-rest/job/count").await, 0);
    for message in ["changed", "revoked"] {
        let body = json!({"messageName": message});
        host.post("/engine-rest/message", body).await.error(400, "RestException");
    }

    let task = host.only_id("/engine-rest/task").await;
    host.post(&format!("/engine-rest/task/{task}/complete"), json!({})).await.no_content();
    assert_eq!(history(&host, "revoked").await, (json!("subProcess"), true, json!(false)));
    assert_eq!(host.only("/engine-rest/history/process-instance").await["state"], "COMPLETED");
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn of_messages_that_come_at_once_to_one_event_none_is_lost() {
    let host = Host::open().await;
    host.deploy("watched", &watched()).await;
    let instance = host.start("watched", json!({})).await;
    let send = async |all: bool| host.post("/engine-rest/message", json!({"messageName": "changed", "all": all})).await.no_content();
    tokio::join!(send(false), send(true), send(false), send(true), send(false), send(true), send(false), send(true));
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=note").await, 8);
    assert_eq!(
        host.count(&format!("/engine-rest/history/activity-instance/count?processInstanceId={instance}&activityId=changed")).await,
        8
    );
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn timer_of_an_event_sub_process_is_a_job_of_the_process_itself() {
    let host = Host::open().await;
    let deployed = host.deploy("watched", &watched()).await;
    let definition = deployed["deployedProcessDefinitions"].as_object().expect("a map").keys().next().expect("one").clone();
    let instance = host.start("watched", json!({})).await;
    let job = host.only("/engine-rest/job?timers=true").await;
    assert_eq!((&job["executionId"], &job["processInstanceId"]), (&json!(instance), &json!(instance)));

    // No token stands at what waits to be triggered.
    let statistics = host.get(&format!("/engine-rest/process-definition/{definition}/statistics")).await.ok();
    let counted: Vec<_> = statistics.as_array().expect("a list").iter().map(|it| (&it["id"], &it["instances"])).collect();
    assert_eq!(counted, [(&json!("do"), &json!(1))]);
    for (activity, instances) in [("do", 1), ("changed", 0), ("revoked-start", 0), ("late-start", 0)] {
        assert_eq!(host.count(&format!("/engine-rest/process-instance/count?activityIdIn={activity}")).await, instances, "{activity}");
    }

    // Its incident is the process's.
    let path = format!("/engine-rest/job/{}", job["id"].as_str().expect("an id"));
    host.put(&format!("{path}/retries"), json!({"retries": 0})).await.no_content();
    let incident = host.only("/engine-rest/incident").await;
    assert_eq!((&incident["executionId"], &incident["activityId"]), (&json!(instance), &json!("late-start")));
    assert_eq!(host.tree(&instance).await["incidentIds"], json!([incident["id"]]));
    host.check_store().await;
    host.put(&format!("{path}/retries"), json!({"retries": 1})).await.no_content();

    host.post(&format!("{path}/execute"), json!({})).await.no_content();
    host.check_store().await;
    let now = host.tree(&instance).await;
    child(child(&now, "late"), "remind");
    child(child(&now, "work"), "do");
    assert_eq!(history(&host, "late-start").await, (json!("startTimerEvent"), true, json!(false)));
    host.close().await;
}
