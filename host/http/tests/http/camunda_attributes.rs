//! What models of Camunda 7 say by its attributes, over the real host on both databases.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use crate::common::{Host, model_with, on_both};

on_both! {
    whoever_starts_a_process_becomes_a_variable_of_it
    a_worker_s_report_is_an_error_if_the_model_says_so
    a_task_s_timeout_is_a_job_beside_it
    expressions_know_where_they_are_and_compute_with_time
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

/// A process that waits for a worker, and for a person when its report is an error.
fn judged() -> String {
    model_with(
        "<bpmn:error id='declined' name='declined' errorCode='DECLINED'/>",
        "<bpmn:process id='judged' isExecutable='true'>\
         <bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='x'/>\
         <bpmn:serviceTask id='x' camunda:type='external' camunda:topic='charge'><bpmn:extensionElements>\
         <camunda:errorEventDefinition errorRef='declined' expression=\"${status == 'lost'}\"/>\
         <camunda:errorEventDefinition errorRef='declined' \
         expression=\"${externalTask.errorDetails != null &amp;&amp; externalTask.errorDetails.contains('no such card')}\"/>\
         </bpmn:extensionElements></bpmn:serviceTask>\
         <bpmn:boundaryEvent id='b' attachedToRef='x'>\
         <bpmn:errorEventDefinition errorRef='declined' camunda:errorMessageVariable='why'/></bpmn:boundaryEvent>\
         <bpmn:sequenceFlow id='f2' sourceRef='b' targetRef='u'/><bpmn:userTask id='u'/></bpmn:process>",
    )
}

/// Begins one, and has a worker fetch its task.
async fn fetched(host: &Host) -> (String, String) {
    let instance = host.start("judged", json!({"variables": {"status": {"value": "fine"}}})).await;
    let asked = json!({"workerId": "w", "maxTasks": 1, "topics": [{"topicName": "charge", "lockDuration": 60_000}]});
    let got = host.post("/engine-rest/external-task/fetchAndLock", asked).await.ok();
    (instance, format!("/engine-rest/external-task/{}", got[0]["id"].as_str().expect("an id")))
}

async fn a_worker_s_report_is_an_error_if_the_model_says_so(host: Host) {
    host.deploy("judged", &judged()).await;
    let lost = json!({"workerId": "w", "variables": {"status": {"value": "lost"}}});
    let (instance, task) = fetched(&host).await;
    host.post(&format!("{task}/complete"), lost).await.no_content();
    assert_eq!(host.only(&format!("/engine-rest/task?processInstanceId={instance}")).await["taskDefinitionKey"], "u");

    let (instance, task) = fetched(&host).await;
    let busy = json!({"workerId": "w", "errorMessage": "busy", "errorDetails": "try later", "retries": 2, "retryTimeout": 0});
    host.post(&format!("{task}/failure"), busy).await.no_content();
    assert_eq!(host.count(&format!("/engine-rest/external-task/count?processInstanceId={instance}")).await, 1);
    let again = json!({"workerId": "w", "maxTasks": 1, "topics": [{"topicName": "charge", "lockDuration": 60_000}]});
    host.post("/engine-rest/external-task/fetchAndLock", again).await.ok();
    let refused = json!({"workerId": "w", "errorMessage": "declined", "errorDetails": "no such card", "retries": 2, "retryTimeout": 0});
    host.post(&format!("{task}/failure"), refused.clone()).await.no_content();
    // What comes again finds nothing.
    assert_eq!(host.post(&format!("{task}/failure"), refused).await.status.as_u16(), 404);
    assert_eq!(host.only(&format!("/engine-rest/task?processInstanceId={instance}")).await["taskDefinitionKey"], "u");
    let why = host.get(&format!("/engine-rest/process-instance/{instance}/variables/why")).await.ok();
    assert_eq!(why["value"], "declined");

    let (instance, task) = fetched(&host).await;
    host.post(&format!("{task}/complete"), json!({"workerId": "w"})).await.no_content();
    host.get(&format!("/engine-rest/process-instance/{instance}")).await.error(404, "InvalidRequestException");
    host.check_store().await;
}

/// A process that waits for a person, with a timeout that repeats and one whose listener fails.
fn reminded() -> String {
    let timeout = |does: &str, timer: &str| {
        format!(
            "<camunda:taskListener id='{does}' event='timeout' expression='{does}'><bpmn:timerEventDefinition>{timer}\
             </bpmn:timerEventDefinition></camunda:taskListener>"
        )
    };
    let listeners = timeout("${task.assignee}", "<bpmn:timeCycle>R2/PT1H</bpmn:timeCycle>")
        + &timeout("${missing}", "<bpmn:timeDate>2100-01-01T00:00:00Z</bpmn:timeDate>");
    model_with(
        "",
        &format!(
            "<bpmn:process id='reminded' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='u'/>\
             <bpmn:userTask id='u' camunda:assignee='ann'><bpmn:extensionElements>{listeners}</bpmn:extensionElements></bpmn:userTask>\
             </bpmn:process>"
        ),
    )
}

async fn a_task_s_timeout_is_a_job_beside_it(host: Host) {
    host.deploy("reminded", &reminded()).await;
    let definition = host.only("/engine-rest/job-definition").await;
    assert_eq!((&definition["jobType"], &definition["activityId"]), (&json!("timer-task-listener"), &json!("u")));
    assert_eq!(definition["jobConfiguration"], "CYCLE: R2/PT1H");
    host.start("reminded", json!({})).await;
    let jobs = host.get("/engine-rest/job?sortBy=jobDueDate&sortOrder=asc&timers=true").await.ok();
    let (first, last) = (&jobs[0], &jobs[1]);
    assert_eq!(last["dueDate"], "2100-01-01T00:00:00.000+0000");
    assert_eq!(first["jobDefinitionId"], definition["id"]);

    let execute = |job: &Value| format!("/engine-rest/job/{}/execute", job["id"].as_str().expect("an id"));
    host.post(&execute(first), json!({})).await.no_content();
    host.post(&execute(first), json!({})).await.error(404, "InvalidRequestException");
    let jobs = host.get("/engine-rest/job?sortBy=jobDueDate&sortOrder=asc").await.ok();
    assert_eq!(jobs.as_array().map(Vec::len), Some(2), "it fires again: {jobs:#}");
    assert!(jobs[0]["dueDate"].as_str() > first["dueDate"].as_str());
    host.post(&execute(last), json!({})).await.error(500, "RestException");
    let retries = host.get("/engine-rest/job?sortBy=jobDueDate&sortOrder=desc").await.ok()[0]["retries"].clone();
    assert!(retries.as_i64() < last["retries"].as_i64(), "{retries}");

    let task = host.only_id("/engine-rest/task").await;
    host.post(&format!("/engine-rest/task/{task}/complete"), json!({})).await.no_content();
    assert_eq!(host.count("/engine-rest/job/count").await, 0);
    host.check_store().await;
}

/// A task that is due a day and a half after the process was asked for, and knows what it belongs to.
fn placed() -> String {
    let input = |name: &str, value: &str| format!("<camunda:inputParameter name='{name}'>{value}</camunda:inputParameter>");
    model_with(
        "",
        &format!(
            "<bpmn:process id='placed' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='u'/>\
             <bpmn:userTask id='u' camunda:dueDate='= now() + duration(\"P1DT12H\")'><bpmn:extensionElements><camunda:inputOutput>{}{}{}{}\
             </camunda:inputOutput></bpmn:extensionElements></bpmn:userTask></bpmn:process>",
            input("definition", "${execution.processDefinitionId}"),
            input("asked", "= now()"),
            input("known", "${execution.hasVariable('order') &amp;&amp; execution.variables.order == 17}"),
            input("rest", "= @\"2026-10-25T12:00:00@Europe/Berlin\" - date and time(from)"),
        ),
    )
}

async fn expressions_know_where_they_are_and_compute_with_time(host: Host) {
    host.deploy("placed", &placed()).await;
    let from = json!({"value": "2026-10-24T12:00:00.000+0200", "type": "Date"});
    let id = host.start("placed", json!({"variables": {"order": {"value": 17}, "from": from}})).await;
    let task = host.only(&format!("/engine-rest/task?processInstanceId={id}")).await;
    let variables = host.get(&format!("/engine-rest/task/{}/variables", task["id"].as_str().expect("an id"))).await.ok();
    assert_eq!(variables["definition"]["value"], task["processDefinitionId"], "{variables:#}");
    assert_eq!((&variables["known"]["value"], &variables["rest"]["value"]), (&json!(true), &json!("P1DT1H")), "{variables:#}");
    let asked: jiff::Timestamp = variables["asked"]["value"].as_str().and_then(|text| text.parse().ok()).expect("a moment");
    let due = task["due"].as_str().expect("a date").replace("+0000", "Z");
    let due: jiff::Timestamp = due.parse().expect("a moment");
    assert_eq!(due.duration_since(asked), jiff::SignedDuration::from_hours(36));
    host.check_store().await;
}
