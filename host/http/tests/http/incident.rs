//! Incidents, as Camunda 7's clients see them: where they stand, and what becomes of them.

use serde_json::{Value, json};

use crate::common::{Host, model, model_with, on_both};

on_both! {
    incident_stands_where_its_job_stands_and_says_what_failed
    one_incident_lives_until_it_is_resolved_or_deleted
    incident_of_an_external_task_lives_as_one_of_a_job_does
    statistics_count_root_incidents_or_all
    a_timer_start_that_fails_is_an_incident_of_its_definition
}

/// What `outer` calls fails at `x`, in a job that stands before `a`, unless there is a variable `some`. A message `stop` cancels it.
const PROCESSES: &str = "<bpmn:process id='outer' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='c'/>\
    <bpmn:callActivity id='c' calledElement='inner' camunda:calledElementBinding='deployment'/></bpmn:process>\
    <bpmn:process id='inner' isExecutable='true'><bpmn:startEvent id='is'/><bpmn:sequenceFlow id='g1' sourceRef='is' targetRef='p'/>\
    <bpmn:subProcess id='p'><bpmn:startEvent id='ps'/><bpmn:sequenceFlow id='p1' sourceRef='ps' targetRef='a'/>\
    <bpmn:task id='a' camunda:asyncBefore='true'/><bpmn:sequenceFlow id='p2' sourceRef='a' targetRef='x'/>\
    <bpmn:scriptTask id='x' scriptFormat='juel' camunda:resultVariable='y'><bpmn:script>${some}</bpmn:script></bpmn:scriptTask></bpmn:subProcess>\
    <bpmn:boundaryEvent id='b' attachedToRef='p'><bpmn:messageEventDefinition messageRef='stop'/></bpmn:boundaryEvent>\
    <bpmn:sequenceFlow id='g2' sourceRef='p' targetRef='u'/><bpmn:sequenceFlow id='g3' sourceRef='b' targetRef='u'/>\
    <bpmn:userTask id='u'/></bpmn:process>";

/// The instances of both processes and the job of the one that is called.
async fn called(host: &Host) -> (String, String, String) {
    let outer = host.start("outer", json!({})).await;
    let inner = host.only_id(&format!("/engine-rest/process-instance?superProcessInstance={outer}")).await;
    let job = host.only_id(&format!("/engine-rest/job?processInstanceId={inner}")).await;
    (outer, inner, job)
}

async fn execute_in_vain(host: &Host, job: &str) {
    host.post(&format!("/engine-rest/job/{job}/execute"), json!({})).await.error(500, "RestException");
}

/// Both, with an incident: three attempts have failed.
async fn failed(host: &Host) -> (String, String, String) {
    let (outer, inner, job) = called(host).await;
    for left in [2, 1, 0] {
        assert_eq!(host.count("/engine-rest/incident/count?activityId=a").await, 0, "it has attempts left");
        execute_in_vain(host, &job).await;
        let seen = host.get(&format!("/engine-rest/job/{job}")).await.ok();
        assert_eq!((&seen["retries"], &seen["failedActivityId"]), (&json!(left), &json!("x")));
    }
    (outer, inner, job)
}

async fn deploy(host: &Host) {
    host.deploy("calls", &model_with("<bpmn:message id='stop' name='stop'/>", PROCESSES)).await;
}

fn named<'a>(list: &'a Value, field: &str, value: &str) -> &'a Value {
    let found = list.as_array().expect("a list").iter().find(|it| it[field] == value);
    found.unwrap_or_else(|| panic!("no {field} {value} in {list:#}"))
}

async fn incident_stands_where_its_job_stands_and_says_what_failed(host: Host) {
    deploy(&host).await;
    let (outer, inner, job) = failed(&host).await;
    let own = host.only(&format!("/engine-rest/incident?processInstanceId={inner}")).await;
    assert_eq!((&own["activityId"], &own["failedActivityId"], &own["configuration"]), (&json!("a"), &json!("x"), &json!(job)));
    let definition = host.only_id("/engine-rest/job-definition?activityIdIn=a").await;
    assert_eq!(own["jobDefinitionId"], json!(definition));
    let of_caller = host.only(&format!("/engine-rest/incident?processInstanceId={outer}")).await;
    assert_eq!((&of_caller["activityId"], &of_caller["failedActivityId"]), (&json!("c"), &json!("c")));
    assert_eq!(of_caller["jobDefinitionId"], Value::Null);
    for (filter, expected) in [
        ("activityId=a".to_owned(), 1),
        ("activityId=x".to_owned(), 0),
        ("failedActivityId=x".to_owned(), 1),
        ("failedActivityId=a".to_owned(), 0),
        ("failedActivityId=c&activityId=c".to_owned(), 1),
        (format!("jobDefinitionIdIn={definition},none"), 1),
        ("jobDefinitionIdIn=none".to_owned(), 0),
    ] {
        for list in ["incident", "history/incident"] {
            assert_eq!(host.count(&format!("/engine-rest/{list}/count?{filter}")).await, expected, "{list}?{filter}");
        }
    }
    for (instance, seen) in [(&inner, &own), (&outer, &of_caller)] {
        let past = host.only(&format!("/engine-rest/history/incident?processInstanceId={instance}")).await;
        for same in ["id", "activityId", "failedActivityId", "jobDefinitionId", "executionId", "rootCauseIncidentId"] {
            assert_eq!(past[same], seen[same], "{same}");
        }
    }

    // It is counted and drawn at the same place.
    let of_activities = async |key: &str| host.only(&format!("/engine-rest/process-definition/key/{key}/statistics?incidents=true")).await;
    for (key, activity) in [("inner", "a"), ("outer", "c")] {
        let statistics = of_activities(key).await;
        assert_eq!((&statistics["id"], &statistics["incidents"][0]["incidentCount"]), (&json!(activity), &json!(1)), "{statistics:#}");
    }
    let tree = host.tree(&inner).await;
    let before = &tree["childActivityInstances"][0]["childTransitionInstances"][0];
    assert_eq!((&before["activityId"], &before["incidents"]), (&json!("a"), &json!([{"id": own["id"], "activityId": "a"}])));
    let detail = host.get(&format!("/api/v1/incidents/{}", own["id"].as_str().expect("an id"))).await.ok();
    assert_eq!((&detail["activityId"], &detail["failedActivityId"], &detail["attempt"]), (&json!("a"), &json!("x"), &json!(3)));
    host.check_store().await;
    host.close().await;
}

async fn one_incident_lives_until_it_is_resolved_or_deleted(host: Host) {
    deploy(&host).await;
    let (outer, inner, job) = failed(&host).await;
    let first = host.only(&format!("/engine-rest/incident?processInstanceId={inner}")).await;
    // Executed without retries it has the incident that it had.
    execute_in_vain(&host, &job).await;
    assert_eq!(host.only(&format!("/engine-rest/incident?processInstanceId={inner}")).await, first);
    let detail = host.get(&format!("/api/v1/incidents/{}", first["id"].as_str().expect("an id"))).await.ok();
    assert_eq!(detail["attempt"], json!(4), "it says what failed last");
    let state = async |instance: &str, nth: usize| {
        let sorted = "sortBy=createTime&sortOrder=asc";
        let past = host.get(&format!("/engine-rest/history/incident?processInstanceId={instance}&{sorted}")).await.ok();
        let it = &past[nth];
        let said: Vec<_> = ["open", "resolved", "deleted"].into_iter().filter(|state| it[*state] == json!(true)).collect();
        assert_eq!(it["endTime"].is_null(), said == ["open"], "{it:#}");
        (past.as_array().expect("a list").len(), said.join(" "))
    };
    assert_eq!(state(&inner, 0).await, (1, "open".to_owned()));
    // Whoever has called the instance has it as well, as in Camunda: without a message, and it is no root incident.
    let instances = async |expected: &[(&str, i64)]| {
        for (filter, expected) in expected {
            let found = host.count(&format!("/engine-rest/history/process-instance/count?{filter}")).await;
            assert_eq!(found, *expected, "{filter}");
        }
    };
    let open = [
        ("incidentStatus=open", 2),
        ("incidentStatus=open&incidentType=failedJob", 2),
        ("incidentStatus=open&withRootIncidents=true", 1),
        ("incidentStatus=open&incidentMessageLike=%25", 1),
        ("incidentStatus=resolved", 0),
    ];
    instances(&open).await;

    host.put(&format!("/engine-rest/job/{job}/retries"), json!({"retries": 1})).await.no_content();
    assert_eq!(host.count("/engine-rest/incident/count").await, 0);
    for instance in [&inner, &outer] {
        assert_eq!(state(instance, 0).await, (1, "resolved".to_owned()));
    }
    instances(&[("incidentStatus=open", 0), ("incidentStatus=resolved", 2), ("incidentStatus=resolved&withRootIncidents=true", 1)]).await;
    // What fails again then is another one.
    execute_in_vain(&host, &job).await;
    let second = host.only(&format!("/engine-rest/incident?processInstanceId={inner}")).await;
    assert_ne!(second["id"], first["id"]);
    host.post("/engine-rest/message", json!({"messageName": "stop", "processInstanceId": inner})).await.no_content();
    for instance in [&inner, &outer] {
        assert_eq!(state(instance, 0).await, (2, "resolved".to_owned()));
        assert_eq!(state(instance, 1).await, (2, "deleted".to_owned()));
    }

    // Executed with success it is resolved, and a job that is deleted with its instance is not.
    let (_, inner, job) = failed(&host).await;
    host.put(&format!("/engine-rest/process-instance/{inner}/variables/some"), json!({"value": 1})).await.no_content();
    host.post(&format!("/engine-rest/job/{job}/execute"), json!({})).await.no_content();
    assert_eq!(state(&inner, 0).await, (1, "resolved".to_owned()));
    let (outer, inner, _) = failed(&host).await;
    host.delete(&format!("/engine-rest/process-instance/{outer}")).await.no_content();
    for instance in [&inner, &outer] {
        assert_eq!(state(instance, 0).await, (1, "deleted".to_owned()));
    }
    for (filter, expected) in [("open=true", 0), ("resolved=true", 4), ("deleted=true", 4)] {
        assert_eq!(host.count(&format!("/engine-rest/history/incident/count?{filter}")).await, expected, "{filter}");
    }

    // Without retries although nothing has failed: nothing is named that has.
    let (_, inner, job) = called(&host).await;
    host.put(&format!("/engine-rest/job/{job}/retries"), json!({"retries": 0})).await.no_content();
    let stopped = host.only(&format!("/engine-rest/incident?processInstanceId={inner}")).await;
    assert_eq!((&stopped["activityId"], &stopped["failedActivityId"]), (&json!("a"), &Value::Null));
    host.check_store().await;
    host.close().await;
}

async fn incident_of_an_external_task_lives_as_one_of_a_job_does(host: Host) {
    let process = "<bpmn:process id='payment' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='t'/>\
        <bpmn:serviceTask id='t' camunda:type='external' camunda:topic='charge'/><bpmn:boundaryEvent id='b' attachedToRef='t'>\
        <bpmn:errorEventDefinition errorRef='err'/></bpmn:boundaryEvent></bpmn:process>";
    host.deploy("payments", &model_with("<bpmn:error id='err' errorCode='E'/>", process)).await;
    let fetch = json!({"workerId": "w", "maxTasks": 1, "topics": [{"topicName": "charge", "lockDuration": 60_000}]});
    for (how, body, expected) in
        [("complete", json!({"workerId": "w"}), "resolved"), ("bpmnError", json!({"workerId": "w", "errorCode": "E"}), "deleted")]
    {
        let instance = host.start("payment", json!({})).await;
        let fetched = host.post("/engine-rest/external-task/fetchAndLock", fetch.clone()).await.ok();
        let task = format!("/engine-rest/external-task/{}", fetched[0]["id"].as_str().expect("an id"));
        let fail = async |message: &str| {
            let failure = json!({"workerId": "w", "errorMessage": message, "retries": 0});
            host.post(&format!("{task}/failure"), failure).await.no_content();
            host.only(&format!("/engine-rest/incident?processInstanceId={instance}")).await
        };
        let first = fail("it broke").await;
        assert_eq!((&first["activityId"], &first["failedActivityId"], &first["jobDefinitionId"]), (&json!("t"), &json!("t"), &Value::Null));
        // The worker that has it says so once more.
        let again = fail("it broke again").await;
        assert_eq!((&again["id"], &again["incidentTimestamp"]), (&first["id"], &first["incidentTimestamp"]));
        assert_eq!(again["incidentMessage"], json!("it broke again"));
        host.put(&format!("{task}/retries"), json!({"retries": 1})).await.no_content();
        let second = fail("and again").await;
        assert_ne!(second["id"], first["id"]);
        host.post(&format!("{task}/{how}"), body).await.no_content();
        let past = host.get(&format!("/engine-rest/history/incident?processInstanceId={instance}")).await.ok();
        let second = named(&past, "id", second["id"].as_str().expect("an id"));
        assert_eq!((&second[expected], &second["open"]), (&json!(true), &json!(false)), "{how}: {second:#}");
        assert_eq!(named(&past, "id", first["id"].as_str().expect("an id"))["resolved"], json!(true));
        assert_eq!(past.as_array().map(Vec::len), Some(2));
    }
    host.close().await;
}

async fn statistics_count_root_incidents_or_all(host: Host) {
    deploy(&host).await;
    failed(&host).await;
    let counts = async |asked: &str| {
        let found = host.get(&format!("/engine-rest/process-definition/statistics?{asked}")).await.ok();
        let count = |id: &str| {
            let of = found.as_array().expect("a list").iter().find(|it| it["definition"]["key"] == id).expect("a definition");
            of["incidents"].as_array().expect("a list").iter().map(|it| it["incidentCount"].as_i64().expect("a number")).sum::<i64>()
        };
        [count("inner"), count("outer")]
    };
    assert_eq!(counts("incidents=true").await, [1, 1]);
    assert_eq!(counts("incidentsForType=failedJob").await, [1, 1]);
    assert_eq!(counts("incidentsForType=failedExternalTask").await, [0, 0]);
    assert_eq!(counts("rootIncidents=true").await, [1, 0]);
    assert_eq!(counts("").await, [0, 0]);
    let both = host.get("/engine-rest/process-definition/statistics?rootIncidents=true&incidents=true").await;
    both.error(400, "InvalidRequestException");
    host.close().await;
}

/// There is no instance that it could be one of.
async fn a_timer_start_that_fails_is_an_incident_of_its_definition(host: Host) {
    let process = "<bpmn:process id='nightly' isExecutable='true'><bpmn:startEvent id='night'><bpmn:extensionElements>\
        <camunda:failedJobRetryTimeCycle>R1/PT1M</camunda:failedJobRetryTimeCycle></bpmn:extensionElements><bpmn:timerEventDefinition>\
        <bpmn:timeDate>2999-01-01T00:00:00Z</bpmn:timeDate></bpmn:timerEventDefinition></bpmn:startEvent><bpmn:sequenceFlow id='f' sourceRef='night' \
        targetRef='count'/><bpmn:scriptTask id='count' scriptFormat='juel' camunda:resultVariable='n'><bpmn:script>${nothing}</bpmn:script></bpmn:scriptTask></bpmn:process>";
    host.deploy("nightly", &model(process)).await;
    execute_in_vain(&host, &host.only_id("/engine-rest/job").await).await;
    let job = host.only("/engine-rest/job").await;
    assert_eq!((&job["failedActivityId"], &job["retries"]), (&json!("count"), &json!(0)));
    let incident = host.only("/engine-rest/incident").await;
    let definition = job["processDefinitionId"].as_str().expect("an id").to_owned();
    assert_eq!(
        (&incident["processDefinitionId"], &incident["processInstanceId"], &incident["executionId"]),
        (&json!(definition), &Value::Null, &Value::Null)
    );
    assert_eq!(
        (&incident["activityId"], &incident["failedActivityId"], &incident["configuration"]),
        (&json!("night"), &json!("count"), &job["id"])
    );
    assert_eq!(
        (&incident["incidentType"], &incident["code"], &incident["jobDefinitionId"]),
        (&json!("failedJob"), &json!("EXPRESSION_FAILED"), &job["jobDefinitionId"])
    );
    assert_eq!(incident["incidentMessage"], job["exceptionMessage"]);
    let id = incident["id"].as_str().expect("an id").to_owned();
    assert_eq!(host.get(&format!("/engine-rest/incident/{id}")).await.ok(), incident);
    let detail = host.get(&format!("/api/v1/incidents/{id}")).await.ok();
    assert_eq!((&detail["processDefinitionKey"], &detail["failedActivityId"]), (&json!("nightly"), &json!("count")));
    let statistics = host.only(&format!("/engine-rest/process-definition/{definition}/statistics?failedJobs=true&incidents=true")).await;
    assert_eq!((&statistics["id"], &statistics["failedJobs"], &statistics["instances"]), (&json!("night"), &json!(1), &json!(0)));
    assert_eq!(statistics["incidents"], json!([{"incidentType": "failedJob", "incidentCount": 1}]));

    // Executed once more it is the same. With the timer of a newer version it is over.
    execute_in_vain(&host, job["id"].as_str().expect("an id")).await;
    assert_eq!(host.only("/engine-rest/history/incident?open=true").await["createTime"], incident["incidentTimestamp"]);
    let of_none = "/engine-rest/incident?withoutProcessInstance=true&processDefinitionKeyIn=nightly";
    assert_eq!(host.only(of_none).await["id"], json!(id));
    // After it got retries the next one is another incident, as any other job's. That is over with the timer of a newer version.
    let job = job["id"].as_str().expect("an id");
    host.put(&format!("/engine-rest/job/{job}/retries"), json!({"retries": 1})).await.no_content();
    assert_eq!(host.count("/engine-rest/incident/count").await, 0);
    execute_in_vain(&host, job).await;
    let second = host.only("/engine-rest/incident").await;
    assert_eq!((&second["configuration"], second["id"] == json!(id)), (&json!(job), false));
    host.deploy("nightly", &model(&process.replace("2999-01-01", "2998-01-01"))).await;
    assert_eq!(host.count("/engine-rest/incident/count").await, 0);
    for (id, created, how) in [(json!(id), &incident, "resolved"), (second["id"].clone(), &second, "deleted")] {
        let path = format!("/engine-rest/history/incident?incidentId={}", id.as_str().expect("an id"));
        let past = host.only(&path).await;
        assert_eq!((&past["id"], &past["open"], &past[how], &past["processInstanceId"]), (&id, &json!(false), &json!(true), &Value::Null));
        assert_eq!((&past["createTime"], past["endTime"].is_string()), (&created["incidentTimestamp"], true));
        assert_eq!((&past["configuration"], &past["activityId"]), (&json!(job), &json!("night")));
    }
    assert_eq!(host.count("/engine-rest/history/incident/count").await, 2);
    host.check_store().await;
    host.close().await;
}
