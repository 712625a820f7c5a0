//! Suspension of jobs and job definitions, priorities and retries of job definitions.

use serde_json::{Value, json};

use crate::common::{Host, model};

const REFUSED: &str = "InvalidRequestException";

/// `first`, then `second`, each a job; and a timer start event `daily`.
fn two_steps() -> String {
    model(
        "<bpmn:process id='steps' isExecutable='true'>\
         <bpmn:startEvent id='start'/><bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='first'/>\
         <bpmn:startEvent id='daily'><bpmn:timerEventDefinition><bpmn:timeCycle>R/P1D</bpmn:timeCycle></bpmn:timerEventDefinition></bpmn:startEvent>\
         <bpmn:sequenceFlow id='f2' sourceRef='daily' targetRef='first'/>\
         <bpmn:scriptTask id='first' camunda:asyncBefore='true' scriptFormat='juel'><bpmn:script>${good}</bpmn:script></bpmn:scriptTask>\
         <bpmn:sequenceFlow id='f3' sourceRef='first' targetRef='second'/>\
         <bpmn:task id='second' camunda:asyncBefore='true'/></bpmn:process>",
    )
}

async fn suspend(host: &Host, path: &str, more: Value) {
    let mut body = more;
    body["suspended"] = json!(true);
    host.put(&format!("/engine-rest/{path}/suspended"), body).await.no_content();
}

async fn activate(host: &Host, path: &str, more: Value) {
    let mut body = more;
    body["suspended"] = json!(false);
    host.put(&format!("/engine-rest/{path}/suspended"), body).await.no_content();
}

/// The activities of jobs that are suspended.
async fn held(host: &Host) -> Vec<String> {
    let jobs = host.get("/engine-rest/job?suspended=true&sortBy=jobDueDate&sortOrder=asc").await.ok();
    let mut held: Vec<_> = jobs
        .as_array()
        .expect("a list")
        .iter()
        .map(|job| {
            assert_eq!(job["suspended"], true);
            job["jobDefinitionId"].as_str().expect("an id").split(':').nth_back(1).expect("an activity").to_owned()
        })
        .collect();
    held.sort();
    held
}

async fn definition(host: &Host, activity: &str) -> String {
    host.only_id(&format!("/engine-rest/job-definition?activityIdIn={activity}")).await
}

#[tokio::test]
async fn a_job_that_is_suspended_does_not_run() {
    let host = Host::open().await;
    host.deploy("steps", &two_steps()).await;
    let instance = host.start("steps", json!({"variables": {"good": {"value": true}}})).await;
    let job = host.only_id(&format!("/engine-rest/job?processInstanceId={instance}")).await;
    suspend(&host, &format!("job/{job}"), json!({})).await;
    assert_eq!(held(&host).await, ["first"]);
    assert_eq!(host.count("/engine-rest/job/count?executable=true").await, 0);
    let refused = host.post(&format!("/engine-rest/job/{job}/execute"), json!({})).await.error(500, "SuspendedEntityInteractionException");
    assert!(refused.contains(&job), "{refused}");
    activate(&host, &format!("job/{job}"), json!({})).await;
    host.post(&format!("/engine-rest/job/{job}/execute"), json!({})).await.no_content();
    // What comes next is another job.
    assert_eq!(held(&host).await, [""; 0]);

    let timer = host.only_id("/engine-rest/job?activityId=daily").await;
    suspend(&host, &format!("job/{timer}"), json!({})).await;
    assert_eq!(held(&host).await, ["daily"]);
    let refused =
        host.post(&format!("/engine-rest/job/{timer}/execute"), json!({})).await.error(500, "SuspendedEntityInteractionException");
    assert!(refused.contains(&timer), "{refused}");
    activate(&host, &format!("job/{timer}"), json!({})).await;
    host.post(&format!("/engine-rest/job/{timer}/execute"), json!({})).await.no_content();

    for body in [json!({}), json!({"suspended": "x"}), json!({"suspended": true, "includeJobs": true})] {
        host.put(&format!("/engine-rest/job/{timer}/suspended"), body).await.error(400, REFUSED);
    }
    let nobody = "01936d0e-0000-7000-8000-000000000001.7";
    host.put(&format!("/engine-rest/job/{nobody}/suspended"), json!({"suspended": true})).await.error(404, REFUSED);
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn jobs_are_suspended_by_what_they_belong_to() {
    let host = Host::open().await;
    host.deploy("steps", &two_steps()).await;
    let [one, _] = [host.start("steps", json!({})).await, host.start("steps", json!({})).await];
    let process = host.only_id("/engine-rest/process-definition").await;
    let first = definition(&host, "first").await;
    for (by, expected) in [
        (json!({"processInstanceId": one}), vec!["first"]),
        (json!({"jobDefinitionId": first}), vec!["first", "first"]),
        (json!({"processDefinitionId": process}), vec!["daily", "first", "first"]),
        (json!({"processDefinitionKey": "steps"}), vec!["daily", "first", "first"]),
        (json!({"processDefinitionKey": "steps", "processDefinitionWithoutTenantId": true}), vec!["daily", "first", "first"]),
        (json!({"processDefinitionKey": "steps", "processDefinitionTenantId": "acme"}), vec![]),
        (json!({"jobDefinitionId": definition(&host, "daily").await}), vec!["daily"]),
    ] {
        suspend(&host, "job", by.clone()).await;
        assert_eq!(held(&host).await, expected, "{by}");
        activate(&host, "job", by.clone()).await;
        assert_eq!(held(&host).await, [""; 0], "{by}");
    }
    assert_eq!(host.count("/engine-rest/job-definition/count?suspended=true").await, 0);
    // An instance that is activated takes its jobs along.
    suspend(&host, "job", json!({"processInstanceId": one})).await;
    activate(&host, &format!("process-instance/{one}"), json!({})).await;
    assert_eq!(held(&host).await, [""; 0]);
    for body in [
        json!({"suspended": true}),
        json!({"suspended": true, "jobId": "x", "processInstanceId": one}),
        json!({"suspended": true, "jobDefinitionId": first, "processInstanceId": one}),
        json!({"suspended": true, "processDefinitionId": process, "processDefinitionTenantId": "acme"}),
    ] {
        host.put("/engine-rest/job/suspended", body).await.error(400, REFUSED);
    }
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn job_definitions_that_are_suspended_make_jobs_that_are() {
    let host = Host::open().await;
    host.deploy("steps", &two_steps()).await;
    host.start("steps", json!({})).await;
    let (first, process) = (definition(&host, "first").await, host.only_id("/engine-rest/process-definition").await);
    suspend(&host, &format!("job-definition/{first}"), json!({"includeJobs": false})).await;
    assert_eq!(host.get(&format!("/engine-rest/job-definition/{first}")).await.ok()["suspended"], true);
    assert_eq!(held(&host).await, [""; 0], "what there is goes on");
    let second = host.start("steps", json!({})).await;
    assert_eq!(held(&host).await, ["first"]);
    assert_eq!(host.count(&format!("/engine-rest/job/count?jobDefinitionId={first}")).await, 2);
    assert_eq!(host.count(&format!("/engine-rest/job/count?jobDefinitionId={first}&processInstanceId={second}&suspended=true")).await, 1);

    // All of a definition, with the jobs that there are.
    suspend(&host, "job-definition", json!({"processDefinitionId": process, "includeJobs": true})).await;
    assert_eq!(held(&host).await, ["daily", "first", "first"]);
    assert_eq!(host.count("/engine-rest/job-definition/count?suspended=true").await, 3);
    activate(&host, "job-definition", json!({"processDefinitionKey": "steps", "includeJobs": true})).await;
    assert_eq!(held(&host).await, [""; 0]);
    // A definition that is activated has all of that activated.
    suspend(&host, &format!("job-definition/{first}"), json!({})).await;
    activate(&host, &format!("process-definition/{process}"), json!({})).await;
    assert_eq!(host.count("/engine-rest/job-definition/count?active=true").await, 3);
    host.start("steps", json!({})).await;
    assert_eq!(held(&host).await, [""; 0]);

    let log = host.get("/engine-rest/history/user-operation?entityType=JobDefinition&property=suspensionState").await.ok();
    let verbs: Vec<_> = log.as_array().expect("a list").iter().map(|it| it["operationType"].as_str().expect("a text").to_owned()).collect();
    let count = |verb: &str| verbs.iter().filter(|it| *it == verb).count();
    assert_eq!((count("SuspendJobDefinition"), count("ActivateJobDefinition")), (5, 3), "{verbs:?}");
    assert!(log.as_array().expect("a list").iter().all(|it| it["jobDefinitionId"].is_string()), "{log:#}");
    let of_one = host.get(&format!("/engine-rest/history/user-operation?jobDefinitionId={first}")).await.ok();
    let of_one = of_one.as_array().expect("a list").clone();
    assert!(!of_one.is_empty() && of_one.iter().all(|it| it["jobDefinitionId"] == first), "{of_one:#?}");
    // What is done to its jobs is done to it, too.
    assert!(of_one.iter().any(|it| it["entityType"] == "Job"), "{of_one:#?}");

    for (path, body) in [
        ("job-definition", json!({"suspended": true})),
        ("job-definition", json!({"suspended": true, "processDefinitionId": process, "processDefinitionKey": "steps"})),
        ("job-definition", json!({"suspended": true, "processDefinitionId": process, "executionDate": "tomorrow"})),
        (&format!("job-definition/{first}"), json!({"includeJobs": true})),
    ] {
        host.put(&format!("/engine-rest/{path}/suspended"), body).await.error(400, REFUSED);
    }
    let one = json!({"suspended": true, "jobDefinitionId": first});
    let refused = host.put("/engine-rest/job-definition/suspended", one).await.error(400, REFUSED);
    assert!(refused.contains(&format!("PUT /job-definition/{first}/suspended")), "{refused}");
    host.put("/engine-rest/job-definition/nonsense/suspended", json!({"suspended": true})).await.error(404, REFUSED);
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn job_definitions_have_priorities_and_give_retries() {
    let host = Host::open().await;
    host.deploy("steps", &two_steps()).await;
    host.start("steps", json!({})).await;
    let first = definition(&host, "first").await;
    let path = format!("/engine-rest/job-definition/{first}");
    host.put(&format!("{path}/jobPriority"), json!({"priority": 70, "includeJobs": false})).await.no_content();
    assert_eq!(host.get(&path).await.ok()["overridingJobPriority"], 70);
    assert_eq!(host.only_id("/engine-rest/job-definition?withOverridingJobPriority=true").await, first);
    host.start("steps", json!({})).await;
    let of = async |priority: i64| {
        host.count(&format!("/engine-rest/job/count?priorityHigherThanOrEquals={priority}&priorityLowerThanOrEquals={priority}")).await
    };
    assert_eq!((of(0).await, of(70).await), (2, 1));
    host.put(&format!("{path}/jobPriority"), json!({"priority": 80, "includeJobs": true})).await.no_content();
    assert_eq!((of(0).await, of(80).await), (1, 2));
    host.put(&format!("{path}/jobPriority"), json!({"priority": null})).await.no_content();
    assert_eq!(host.get(&path).await.ok()["overridingJobPriority"], json!(null));
    host.put(&format!("{path}/jobPriority"), json!({"priority": null, "includeJobs": true})).await.error(400, REFUSED);
    let daily = definition(&host, "daily").await;
    host.put(&format!("/engine-rest/job-definition/{daily}/jobPriority"), json!({"priority": 5, "includeJobs": true})).await.no_content();
    assert_eq!(host.only("/engine-rest/job?activityId=daily").await["priority"], 5);

    // Retries are for those that have none left.
    let one = host.get(&format!("/engine-rest/job?jobDefinitionId={first}")).await.ok()[0]["id"].as_str().expect("an id").to_owned();
    host.put(&format!("/engine-rest/job/{one}/retries"), json!({"retries": 0})).await.no_content();
    assert_eq!(host.count("/engine-rest/incident/count").await, 1);
    host.put(&format!("{path}/retries"), json!({"retries": 9})).await.no_content();
    assert_eq!(host.get(&format!("/engine-rest/job/{one}")).await.ok()["retries"], 9);
    assert_eq!((host.count("/engine-rest/incident/count").await, host.count("/engine-rest/job/count?noRetriesLeft=true").await), (0, 0));
    let retries = host.get(&format!("/engine-rest/job?jobDefinitionId={first}")).await.ok();
    let retries: Vec<_> = retries.as_array().expect("a list").iter().map(|job| job["retries"].as_i64()).collect();
    assert!(retries.contains(&Some(3)), "{retries:?}");
    for body in [json!({}), json!({"retries": -1}), json!({"retries": 5_000})] {
        host.put(&format!("{path}/retries"), body).await.error(400, REFUSED);
    }
    host.check_store().await;
    host.close().await;
}
