//! Timer start events, cycles, jobs that are moved, `/job-definition`.

use serde_json::{Value, json};

use crate::common::{Host, assert_properties, model};

const JOB_DEFINITION: &[&str] = &[
    "id",
    "processDefinitionId",
    "processDefinitionKey",
    "activityId",
    "jobType",
    "jobConfiguration",
    "overridingJobPriority",
    "suspended",
    "tenantId",
    "deploymentId",
];
const REFUSED: &str = "InvalidRequestException";

/// Starts at every full hour with a task, of which a path reminds twice.
fn hourly() -> String {
    let timer = |when: &str| format!("<bpmn:timerEventDefinition>{when}</bpmn:timerEventDefinition>");
    let (start, reminder) = (timer("<bpmn:timeCycle>0 0 * * * ?</bpmn:timeCycle>"), timer("<bpmn:timeCycle>R2/PT10M</bpmn:timeCycle>"));
    model(&format!(
        "<bpmn:process id='hourly' isExecutable='true'><bpmn:startEvent id='hour'>{start}</bpmn:startEvent><bpmn:userTask id='u'/>\
         <bpmn:boundaryEvent id='remind' attachedToRef='u' cancelActivity='false'>{reminder}</bpmn:boundaryEvent>\
         <bpmn:userTask id='hurry' camunda:asyncBefore='true'/><bpmn:sequenceFlow id='f1' sourceRef='hour' targetRef='u'/>\
         <bpmn:sequenceFlow id='f2' sourceRef='remind' targetRef='hurry'/></bpmn:process>"
    ))
}

async fn to(host: &Host, moment: &str) {
    host.put("/api/v1/clock", json!({"now": format!("2099-11-20T{moment}:00.000Z")})).await.ok();
}

async fn job(host: &Host, filter: &str) -> Value {
    host.only(&format!("/engine-rest/job?{filter}")).await
}

fn path(job: &Value) -> String {
    format!("/engine-rest/job/{}", job["id"].as_str().expect("an id"))
}

#[tokio::test]
async fn process_that_starts_by_time_is_seen_moved_and_started_over_rest() {
    let host = Host::open_under_a_set_clock().await;
    to(&host, "09:30").await;
    host.deploy("hourly", &hourly()).await;
    let first = job(&host, "timers=true&processDefinitionKey=hourly").await;
    assert_eq!((&first["processInstanceId"], &first["executionId"]), (&json!(null), &json!(null)));
    assert_eq!(first["dueDate"], "2099-11-20T10:00:00.000+0000");
    let definition = first["jobDefinitionId"].as_str().expect("an id");
    let definition = host.get(&format!("/engine-rest/job-definition/{definition}")).await.ok();
    assert_eq!((&definition["jobType"], &definition["jobConfiguration"]), (&json!("timer-start-event"), &json!("CYCLE: 0 0 * * * ?")));

    host.put(&format!("{}/duedate", path(&first)), json!({"duedate": "2099-11-20T09:40:00.000+0000"})).await.no_content();
    to(&host, "09:45").await;
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 1);
    host.get(&path(&first)).await.error(404, REFUSED);
    host.post(&format!("{}/execute", path(&first)), json!({})).await.error(404, REFUSED);
    let second = job(&host, "activityId=hour").await;
    assert_eq!(second["dueDate"], "2099-11-20T10:00:00.000+0000", "the cycle keeps its dates");
    host.post(&format!("{}/execute", path(&second)), json!({})).await.no_content();
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 2);
    assert_eq!(job(&host, "activityId=hour").await["dueDate"], "2099-11-20T11:00:00.000+0000");

    to(&host, "12:05").await;
    let times = host.get("/engine-rest/history/process-instance?sortBy=startTime&sortOrder=asc").await.ok();
    let times: Vec<_> =
        times.as_array().expect("a list").iter().map(|it| it["startTime"].as_str().expect("a date")[11..16].to_owned()).collect();
    assert_eq!(times, ["09:40", "09:45", "11:00", "12:00"]);
    // Each of those that are old enough has reminded twice.
    assert_eq!(host.count("/engine-rest/task/count?taskDefinitionKey=hurry").await, 6);
    host.close().await;
}

#[tokio::test]
async fn timers_are_moved_and_set_anew() {
    let host = Host::open_under_a_set_clock().await;
    to(&host, "10:30").await;
    host.deploy("hourly", &hourly()).await;
    let instance = host.start("hourly", json!({})).await;
    let reminder = job(&host, &format!("processInstanceId={instance}")).await;
    let due = async || host.get(&path(&reminder)).await.ok()["dueDate"].as_str().expect("a date")[11..16].to_owned();
    assert_eq!(due().await, "10:40");
    host.put(&format!("{}/duedate", path(&reminder)), json!({"duedate": "2099-11-20T10:50:00.000Z", "cascade": false})).await.no_content();
    assert_eq!(due().await, "10:50");
    to(&host, "10:35").await;
    host.post(&format!("{}/duedate/recalculate?creationDateBased=false", path(&reminder)), json!({})).await.no_content();
    assert_eq!(due().await, "10:45");
    host.post(&format!("{}/duedate/recalculate", path(&reminder)), json!({})).await.no_content();
    assert_eq!(due().await, "10:40");
    let cascading = json!({"duedate": "2099-11-20T10:50:00.000Z", "cascade": true});
    let refused = host.put(&format!("{}/duedate", path(&reminder)), cascading).await.error(400, REFUSED);
    assert!(refused.contains("cascade"), "{refused}");
    host.put("/engine-rest/job/nonsense/duedate", json!({})).await.error(404, REFUSED);
    host.post("/engine-rest/job/nonsense/duedate/recalculate", json!({})).await.error(404, REFUSED);

    let start = job(&host, "activityId=hour").await;
    host.put(&format!("{}/duedate", path(&start)), json!({"duedate": "2099-12-24T00:00:00.000Z"})).await.no_content();
    host.post(&format!("{}/duedate/recalculate", path(&start)), json!({})).await.no_content();
    assert_eq!(job(&host, "activityId=hour").await["dueDate"], "2099-11-20T11:00:00.000+0000");
    host.put(&format!("{}/retries", path(&start)), json!({"retries": 7})).await.no_content();
    assert_eq!(host.get(&path(&start)).await.ok()["retries"], 7);
    host.close().await;
}

/// A process that starts at Christmas if it is deployed or asked before eleven, and at one of two hours.
fn early() -> String {
    model(
        "<bpmn:process id='early' isExecutable='true'><bpmn:startEvent id='date'><bpmn:timerEventDefinition><bpmn:timeDate>= if now() &lt; \
         @\"2099-11-20T11:00:00Z\" then \"2099-12-24T00:00:00Z\" else \"too late\"</bpmn:timeDate></bpmn:timerEventDefinition></bpmn:startEvent>\
         <bpmn:sequenceFlow id='f1' sourceRef='date' targetRef='u'/><bpmn:userTask id='u'/><bpmn:startEvent id='two'>\
         <bpmn:timerEventDefinition><bpmn:timeDate>2100-01-01T00:00:00Z</bpmn:timeDate></bpmn:timerEventDefinition>\
         <bpmn:timerEventDefinition><bpmn:timeDate>2100-01-02T00:00:00Z</bpmn:timeDate></bpmn:timerEventDefinition></bpmn:startEvent>\
         <bpmn:sequenceFlow id='f2' sourceRef='two' targetRef='u'/></bpmn:process>",
    )
}

#[tokio::test]
async fn a_start_timer_that_cannot_be_set_anew_stays_as_it_is_and_says_why() {
    let host = Host::open_under_a_set_clock().await;
    to(&host, "10:30").await;
    host.deploy("early", &early()).await;
    let start = job(&host, "activityId=date").await;
    to(&host, "11:05").await;
    let said = host.post(&format!("{}/duedate/recalculate?creationDateBased=false", path(&start)), json!({})).await;
    let said = said.error(500, "ProcessEngineException");
    assert!(said.contains("TIMER_INVALID") && said.contains("of 'date' is not an ISO 8601 date"), "{said}");
    assert_eq!(host.get(&path(&start)).await.ok(), start);
    assert_eq!(host.count("/engine-rest/history/user-operation/count?operationType=RecalculateDueDate").await, 0);
    host.put(&format!("{}/duedate", path(&start)), json!({"duedate": "2099-12-26T00:00:00.000Z"})).await.no_content();
    host.post(&format!("{}/duedate/recalculate", path(&start)), json!({})).await.no_content();
    assert_eq!(job(&host, "activityId=date").await["dueDate"], "2099-12-24T00:00:00.000+0000", "when it was made it could be");

    // As of an instance's jobs: nothing says which of the two it is.
    let both = host.get("/engine-rest/job?activityId=two&sortBy=jobDueDate&sortOrder=asc").await.ok();
    for (job, day) in both.as_array().expect("a list").iter().zip(1..) {
        host.post(&format!("{}/duedate/recalculate", path(job)), json!({})).await.error(404, REFUSED);
        assert_eq!(host.get(&path(job)).await.ok()["dueDate"], format!("2100-01-0{day}T00:00:00.000+0000"));
    }
    assert_eq!(both.as_array().map(Vec::len), Some(2));
    host.close().await;
}

#[tokio::test]
async fn job_definitions_follow_from_the_model() {
    let host = Host::open().await;
    host.deploy("hourly", &hourly()).await;
    let all = host.get("/engine-rest/job-definition?sortBy=activityId&sortOrder=asc").await.ok();
    let all = all.as_array().expect("a list");
    let seen: Vec<_> =
        all.iter().map(|it| [&it["activityId"], &it["jobType"], &it["jobConfiguration"]].map(|it| it.as_str().expect("a text"))).collect();
    assert_eq!(
        seen,
        [
            ["hour", "timer-start-event", "CYCLE: 0 0 * * * ?"],
            ["hurry", "async-continuation", "async-before"],
            ["remind", "timer-transition", "CYCLE: R2/PT10M"]
        ]
    );
    for definition in all {
        assert_properties(definition, JOB_DEFINITION, &[]);
    }
    let id = all[1]["id"].as_str().expect("an id");
    for (filter, expected) in [
        ("", 3),
        ("?jobType=async-continuation", 1),
        ("?jobConfiguration=async-after", 0),
        ("?activityIdIn=hour,remind", 2),
        ("?processDefinitionKey=hourly&active=true", 3),
        ("?suspended=true", 0),
        (&format!("?jobDefinitionId={id}"), 1),
        ("?jobDefinitionId=nonsense", 0),
    ] {
        assert_eq!(host.count(&format!("/engine-rest/job-definition/count{filter}")).await, expected, "{filter}");
    }
    // Those that the first key does not tell apart come in the order of the second, whichever way the first one goes.
    for order in ["asc", "desc"] {
        let sorting =
            json!({"sorting": [{"sortBy": "processDefinitionKey", "sortOrder": order}, {"sortBy": "activityId", "sortOrder": "asc"}]});
        let sorted = host.post("/engine-rest/job-definition", sorting).await.ok();
        assert_eq!([0, 1, 2].map(|at| sorted[at]["activityId"].clone()), ["hour", "hurry", "remind"], "{order}");
    }
    host.get("/engine-rest/job-definition/nonsense").await.error(404, REFUSED);
    assert_eq!(host.count("/engine-rest/job-definition/count?withOverridingJobPriority=true").await, 0);
    host.close().await;
}
