//! `/job` and `/incident`.

use serde_json::json;

use crate::common::{Host, assert_properties, delayed, model};

const JOB: &[&str] = &[
    "id",
    "jobDefinitionId",
    "dueDate",
    "processInstanceId",
    "executionId",
    "processDefinitionId",
    "processDefinitionKey",
    "retries",
    "exceptionMessage",
    "failedActivityId",
    "suspended",
    "priority",
    "tenantId",
    "createTime",
    "batchId",
];
const INCIDENT: &[&str] = &[
    "id",
    "processDefinitionId",
    "processInstanceId",
    "executionId",
    "incidentTimestamp",
    "incidentType",
    "activityId",
    "failedActivityId",
    "causeIncidentId",
    "rootCauseIncidentId",
    "configuration",
    "tenantId",
    "incidentMessage",
    "jobDefinitionId",
    "annotation",
];
const REFUSED: &str = "InvalidRequestException";
const NOBODY: &str = "01936d0e-0000-7000-8000-000000000001.7";

#[tokio::test]
async fn a_job_fails_until_it_is_an_incident_and_is_repaired() {
    let host = Host::open().await;
    host.deploy("delayed", &delayed()).await;
    let instance = host.start("delayed", json!({"businessKey": "b-1"})).await;
    let job = host.only("/engine-rest/job?timers=true&withRetriesLeft=true&active=true").await;
    assert_properties(&job, JOB, &[]);
    assert!(job["dueDate"].is_string());
    assert_eq!((&job["exceptionMessage"], &job["failedActivityId"]), (&json!(null), &json!(null)));
    let id = job["id"].as_str().expect("an id").to_owned();
    let path = format!("/engine-rest/job/{id}");
    assert_eq!(host.get(&path).await.ok(), job);

    // Operators run it by hand until it has no retries left.
    for _ in 0..10 {
        if host.count("/engine-rest/job/count?noRetriesLeft=true").await == 1 {
            break;
        }
        host.post(&format!("{path}/execute"), json!({})).await.error(500, "RestException");
    }
    let failed = host.only("/engine-rest/job?noRetriesLeft=true&withException=true").await;
    assert_eq!((&failed["id"], &failed["retries"]), (&json!(id), &json!(0)));
    let message = failed["exceptionMessage"].as_str().expect("a message");
    assert_eq!(host.get(&format!("{path}/stacktrace")).await.text(), message);

    let incident = host.only("/engine-rest/incident?incidentType=failedJob").await;
    assert_properties(&incident, INCIDENT, &["code"]);
    assert_eq!((&incident["processInstanceId"], &incident["configuration"]), (&json!(instance), &json!(id)));
    assert_eq!((&incident["code"], &incident["incidentMessage"]), (&json!("EXPRESSION_FAILED"), &json!(message)));
    let incident_id = incident["id"].as_str().expect("an id");
    assert_eq!(host.get(&format!("/engine-rest/incident/{incident_id}")).await.ok(), incident);
    for (filter, expected) in [
        (format!("?configuration={id}"), 1),
        ("?incidentType=EXPRESSION_FAILED".to_owned(), 1),
        ("?incidentType=failedExternalTask".to_owned(), 0),
        ("?activityId=pause&failedActivityId=decide".to_owned(), 1),
        ("?activityId=pause&failedActivityId=pause".to_owned(), 0),
        (format!("?processInstanceId={instance}&processDefinitionKeyIn=delayed"), 1),
        ("?incidentTimestampAfter=2001-01-01T00:00:00.000Z".to_owned(), 1),
    ] {
        assert_eq!(host.count(&format!("/engine-rest/incident/count{filter}")).await, expected, "{filter}");
    }
    assert_eq!(host.count("/engine-rest/process-instance/count?withIncident=true").await, 1);
    assert_eq!(host.count(&format!("/engine-rest/process-instance/count?incidentId={incident_id}")).await, 1);
    let detail = host.get(&format!("/api/v1/incidents/{incident_id}")).await.ok();
    assert_eq!((&detail["businessKey"], &detail["code"]), (&json!("b-1"), &json!("EXPRESSION_FAILED")));

    host.put(&format!("/engine-rest/process-instance/{instance}/variables/good"), json!({"value": true})).await.no_content();
    host.put(&format!("{path}/retries"), json!({"retries": 1})).await.no_content();
    assert_eq!(host.count("/engine-rest/incident/count").await, 0);
    // The host may be quicker than the operator who executes it.
    let executed = host.raw("POST", &format!("{path}/execute"), Vec::new()).await;
    assert!([204, 404, 409].contains(&executed.status.as_u16()), "{}", executed.text());
    host.wait_for_count("/engine-rest/process-instance/count", 0).await;
    host.get(&path).await.error(404, REFUSED);
    host.get(&format!("/engine-rest/incident/{incident_id}")).await.error(404, REFUSED);
    host.get(&format!("/api/v1/incidents/{incident_id}")).await.error(404, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn jobs_that_do_not_exist_are_not_found() {
    let host = Host::open().await;
    for id in [NOBODY, "nonsense", "01936d0e-0000-7000-8000-000000000001.99999999999999999999"] {
        host.get(&format!("/engine-rest/job/{id}")).await.error(404, REFUSED);
        host.get(&format!("/engine-rest/job/{id}/stacktrace")).await.error(404, REFUSED);
        host.post(&format!("/engine-rest/job/{id}/execute"), json!({})).await.error(404, REFUSED);
        host.put(&format!("/engine-rest/job/{id}/retries"), json!({"retries": 2})).await.error(404, REFUSED);
    }
    for body in
        [json!({}), json!({"retries": -1}), json!({"retries": "many"}), json!({"retries": 5_000}), json!({"retries": 1, "dueDate": "soon"})]
    {
        host.put(&format!("/engine-rest/job/{NOBODY}/retries"), body).await.error(400, REFUSED);
    }
    host.close().await;
}

#[tokio::test]
async fn jobs_are_filtered_by_date_and_kind() {
    let host = Host::open().await;
    host.deploy("delayed", &delayed()).await;
    host.start("delayed", json!({})).await;
    for (filter, expected) in [
        ("?executable=true", 0),
        ("?messages=true", 0),
        ("?dueDates=gt_2001-01-01T00:00:00.000%2B0000", 1),
        ("?createTimes=lt_2001-01-01T00:00:00.000%2B0000", 0),
        ("?activityId=pause&processDefinitionKey=delayed", 1),
        ("?jobIds=nonsense", 0),
        ("?suspended=true", 0),
    ] {
        assert_eq!(host.count(&format!("/engine-rest/job/count{filter}")).await, expected, "{filter}");
    }
    let body = json!({"dueDates": [{"operator": "gt", "value": "2001-01-01T00:00:00.000+0000"}], "sorting": [{"sortBy": "jobDueDate", "sortOrder": "desc"}]});
    assert_eq!(host.post("/engine-rest/job", body).await.ok().as_array().map(Vec::len), Some(1));
    assert_eq!(host.post("/engine-rest/job/count", json!({"timers": true})).await.ok(), json!({"count": 1}));
    for filter in [
        "timers=true&messages=true",
        "dueDates=2001-01-01T00:00:00.000%2B0000",
        "jobIds=x&acquired=perhaps",
        "priorityHigherThanOrEquals=high",
    ] {
        host.get(&format!("/engine-rest/job?{filter}")).await.error(400, REFUSED);
    }
    assert_eq!(host.count("/engine-rest/incident/count?causeIncidentId=x").await, 0);
    host.close().await;
}

/// A process of this priority with a timer start event, which ends in three jobs: `first`, `second` and `third`.
fn prioritized() -> String {
    let task = |id: &str, priority: &str| {
        format!(
            "<bpmn:sequenceFlow id='f-{id}' sourceRef='fork' targetRef='{id}'/><bpmn:task id='{id}' camunda:asyncBefore='true'{priority}/>"
        )
    };
    model(&format!(
        "<bpmn:process id='prioritized' isExecutable='true' camunda:jobPriority='20'>\
         <bpmn:startEvent id='start'/><bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='fork'/>\
         <bpmn:startEvent id='daily' camunda:jobPriority='-1'><bpmn:timerEventDefinition><bpmn:timeCycle>R/P1D</bpmn:timeCycle>\
         </bpmn:timerEventDefinition></bpmn:startEvent><bpmn:sequenceFlow id='f2' sourceRef='daily' targetRef='look'/><bpmn:userTask id='look'/>\
         <bpmn:parallelGateway id='fork'/>{}{}{}</bpmn:process>",
        task("first", ""),
        task("second", " camunda:jobPriority='${urgency}'"),
        task("third", " camunda:jobPriority='${missing}'"),
    ))
}

#[tokio::test]
async fn jobs_have_priorities_by_which_they_are_found_and_that_operators_change() {
    let host = Host::open().await;
    host.deploy("prioritized", &prioritized()).await;
    host.start("prioritized", json!({"variables": {"urgency": {"value": 90}}})).await;
    let listed = async |query: &str| {
        let jobs = host.get(&format!("/engine-rest/job?sortBy=jobPriority&sortOrder=desc{query}")).await.ok();
        let jobs = jobs.as_array().expect("a list").clone();
        jobs.iter().map(|job| job["priority"].as_i64().expect("a number")).collect::<Vec<_>>()
    };
    assert_eq!(listed("").await, [90, 20, 0, -1]);
    assert_eq!(listed("&priorityHigherThanOrEquals=0&priorityLowerThanOrEquals=20").await, [20, 0]);
    for (activity, priority) in [("third", 95), ("daily", 7)] {
        let path = format!("/engine-rest/job/{}", host.only_id(&format!("/engine-rest/job?activityId={activity}")).await);
        host.put(&format!("{path}/priority"), json!({"priority": priority})).await.no_content();
        assert_eq!(host.get(&path).await.ok()["priority"], priority);
        host.put(&format!("{path}/priority"), json!({"priority": null})).await.error(400, "RestException");
    }
    assert_eq!(listed("").await, [95, 90, 20, 7]);
    host.put(&format!("/engine-rest/job/{NOBODY}/priority"), json!({"priority": 1})).await.error(404, REFUSED);
    let changes = host.get("/engine-rest/history/user-operation?operationType=SetPriority&sortBy=timestamp&sortOrder=asc").await.ok();
    let changes = changes.as_array().expect("a list").clone();
    let changes: Vec<_> = changes.iter().map(|it| (it["orgValue"].clone(), it["newValue"].clone())).collect();
    assert_eq!(changes, [(json!("0"), json!("95")), (json!("-1"), json!("7"))]);
    host.check_store().await;
    host.close().await;
}

mod given_retries {
    use super::*;
    use crate::common::on_both;

    on_both! {
        retries_come_with_a_date_if_there_is_one
        a_continuation_has_a_date_once_it_is_moved_to_one
    }

    const LATER: &str = "2100-01-01T00:00:00.000+0000";

    async fn a_continuation_has_a_date_once_it_is_moved_to_one(host: Host) {
        let task = "<bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='t'/><bpmn:task id='t' camunda:asyncBefore='true'/>";
        host.deploy("later", &model(&format!("<bpmn:process id='later' isExecutable='true'>{task}</bpmn:process>"))).await;
        host.start("later", json!({})).await;
        let job = host.only("/engine-rest/job").await;
        assert_eq!(job["dueDate"], json!(null));
        let path = format!("/engine-rest/job/{}", job["id"].as_str().expect("an id"));
        host.put(&format!("{path}/duedate"), json!({"duedate": LATER})).await.no_content();
        assert_eq!(host.get(&path).await.ok()["dueDate"], LATER);
        host.check_store().await;
    }

    async fn retries_come_with_a_date_if_there_is_one(host: Host) {
        host.deploy("delayed", &delayed()).await;
        let instance = host.start("delayed", json!({})).await;
        let job = host.only("/engine-rest/job").await;
        let path = format!("/engine-rest/job/{}", job["id"].as_str().expect("an id"));
        host.put(&format!("{path}/retries"), json!({"retries": 5, "dueDate": LATER})).await.no_content();
        let moved = host.get(&path).await.ok();
        assert_eq!((&moved["retries"], &moved["dueDate"]), (&json!(5), &json!(LATER)));
        host.put(&format!("{path}/retries"), json!({"retries": 4})).await.no_content();
        assert_eq!(host.get(&path).await.ok()["dueDate"], LATER, "without a date it stays");
        // No date is at once, as in Camunda.
        host.put(&format!("{path}/retries"), json!({"retries": 4, "dueDate": null})).await.no_content();
        assert_eq!(host.count("/engine-rest/job/count?executable=true").await, 1);
        host.put(&format!("{path}/retries"), json!({"retries": 4, "dueDate": LATER})).await.no_content();
        host.put(&format!("{path}/retries"), json!({"retries": 4, "dueDate": "soon"})).await.error(400, REFUSED);

        host.put(&format!("{path}/retries"), json!({"retries": 0})).await.no_content();
        assert_eq!(host.count("/engine-rest/incident/count").await, 1);
        let definition = job["jobDefinitionId"].as_str().expect("an id").replace(':', "%3A");
        let retries = format!("/engine-rest/job-definition/{definition}/retries");
        host.put(&retries, json!({"retries": 2, "dueDate": "2101-01-01T00:00:00.000+0000"})).await.no_content();
        let moved = host.get(&path).await.ok();
        assert_eq!((&moved["retries"], &moved["dueDate"]), (&json!(2), &json!("2101-01-01T00:00:00.000+0000")));
        assert_eq!(host.count("/engine-rest/incident/count").await, 0);
        assert_eq!(host.count("/engine-rest/history/user-operation/count?operationType=SetJobRetries&property=duedate").await, 4);

        // Camunda has batches for these.
        for path in ["/engine-rest/job/retries", "/engine-rest/process-instance/job-retries"] {
            let refused = host.post(path, json!({"retries": 1, "jobIds": [job["id"]]})).await.error(400, REFUSED);
            assert!(refused.contains("PUT /job-definition/{id}/retries"), "{refused}");
        }
        host.delete(&format!("/engine-rest/process-instance/{instance}")).await.no_content();
        host.check_store().await;
    }
}
