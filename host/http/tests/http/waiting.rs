//! Where everything stands: what has failed beside a wait is told beside it.

use serde_json::{Value, json};

use crate::common::{Host, model_with, on_both};

on_both! {
    what_has_failed_beside_a_task_is_told_beside_it
}

/// Somebody looks at something. A timer and a signal on the task's border, a timer of the process and a timeout of the task all fail.
fn watched() -> String {
    let once = "<camunda:failedJobRetryTimeCycle>R1/PT1M</camunda:failedJobRetryTimeCycle>";
    let timer = "<bpmn:timerEventDefinition><bpmn:timeDate>2100-01-01T00:00:00Z</bpmn:timeDate></bpmn:timerEventDefinition>";
    let listener = format!("<camunda:taskListener id='l' event='timeout' expression='${{missing}}'>{timer}</camunda:taskListener>");
    let border = |id: &str, event: &str| {
        format!(
            "<bpmn:boundaryEvent id='{id}' name='The {id}' attachedToRef='look' cancelActivity='false'><bpmn:extensionElements>{once}\
             </bpmn:extensionElements>{event}</bpmn:boundaryEvent><bpmn:sequenceFlow id='{id}-f' sourceRef='{id}' targetRef='tell'/>"
        )
    };
    let (late, alarm) = (border("late", timer), border("alarm", "<bpmn:signalEventDefinition signalRef='sg'/>"));
    model_with(
        "<bpmn:signal id='sg' name='fire'/>",
        &format!(
            "<bpmn:process id='watched' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='look'/>\
             <bpmn:userTask id='look'><bpmn:extensionElements>{once}{listener}</bpmn:extensionElements></bpmn:userTask>{late}{alarm}\
             <bpmn:userTask id='tell' camunda:assignee='${{missing}}'/><bpmn:subProcess id='remind' triggeredByEvent='true'>\
             <bpmn:startEvent id='over' isInterrupting='false'><bpmn:extensionElements>{once}</bpmn:extensionElements>{timer}</bpmn:startEvent>\
             <bpmn:sequenceFlow id='r' sourceRef='over' targetRef='ask'/><bpmn:userTask id='ask' camunda:assignee='${{missing}}'/></bpmn:subProcess>\
             </bpmn:process>"
        ),
    )
}

/// What is told of an instance: reason, activity and activity instance of each row, and the rows.
async fn told(host: &Host, filter: &str) -> (Vec<(String, String, String)>, Value) {
    let answer = host.get(&format!("/api/v1/waiting?{filter}")).await.ok();
    let text = |row: &Value, name: &str| row[name].as_str().expect("a text").to_owned();
    let rows = answer["items"].as_array().expect("a list").iter();
    let mut rows: Vec<_> = rows.map(|row| (text(row, "reason"), text(row, "activityId"), text(row, "activityInstanceId"))).collect();
    rows.sort();
    (rows, answer["items"].clone())
}

async fn what_has_failed_beside_a_task_is_told_beside_it(host: Host) {
    host.deploy("watched", &watched()).await;
    let instance = host.start("watched", json!({})).await;
    let (before, _) = told(&host, "").await;
    let [(reason, activity, task)] = &before[..] else { panic!("{before:?}") };
    assert_eq!((reason.as_str(), activity.as_str()), ("task", "look"));

    for job in host.get("/engine-rest/job").await.ok().as_array().expect("a list") {
        host.post(&format!("/engine-rest/job/{}/execute", job["id"].as_str().expect("an id")), json!({})).await.error(500, "RestException");
    }
    host.post("/engine-rest/signal", json!({"name": "fire"})).await.no_content();
    let (rows, items) = told(&host, "").await;
    let at = |reason: &str, activity: &str, instance: &str| (reason.to_owned(), activity.to_owned(), instance.to_owned());
    let incident = |activity: &str, instance: &str| at("incident", activity, instance);
    let failed = [incident("alarm", task), incident("late", task), incident("look", task), incident("over", &instance)];
    assert_eq!(rows, [&failed[..], &[at("task", "look", task)]].concat(), "{items:#}");

    // The same incidents as everywhere else.
    let open = host.get("/engine-rest/incident").await.ok();
    for incident in open.as_array().expect("a list") {
        let row = items.as_array().expect("a list").iter().find(|row| row["id"] == incident["id"]).expect("it is told");
        let same =
            [("code", "code"), ("message", "incidentMessage"), ("activityId", "activityId"), ("processInstanceId", "processInstanceId")];
        for (here, there) in same {
            assert_eq!(row[here], incident[there], "{here}: {row:#}");
        }
        let raised: jiff::Timestamp =
            incident["incidentTimestamp"].as_str().expect("a date").replace("+0000", "Z").parse().expect("a moment");
        assert_eq!((row["since"].as_i64(), &row["until"]), (Some(raised.as_millisecond()), &Value::Null));
        let name = incident["activityId"].as_str().filter(|id| ["late", "alarm"].contains(id)).map(|id| format!("The {id}"));
        assert_eq!(row["activityName"], json!(name));
    }
    assert_eq!(open.as_array().map(Vec::len), Some(failed.len()));
    let counts = host.runtime().reads().counts(jiff::Timestamp::now().as_millisecond()).await.expect("counts");
    assert_eq!((counts.open_incidents, counts.waits_overdue), (4, 0), "mandate_incidents_open, mandate_waits_overdue");
    assert_eq!(told(&host, "overdueAt=2101-01-01T00:00:00.000%2B0000").await.0, [], "an incident is not overdue");

    // Whoever suspends the instance has mended nothing.
    host.put(&format!("/engine-rest/process-instance/{instance}/suspended"), json!({"suspended": true})).await.no_content();
    assert_eq!(told(&host, "").await.0, [&failed[..], &[at("suspended", "look", task)]].concat());
    host.put(&format!("/engine-rest/process-instance/{instance}/suspended"), json!({"suspended": false})).await.no_content();

    // What is tried again is no incident, and what is cancelled is over.
    for job in host.get("/engine-rest/job?activityId=late").await.ok().as_array().expect("a list") {
        let retries = format!("/engine-rest/job/{}/retries", job["id"].as_str().expect("an id"));
        host.put(&retries, json!({"retries": 1})).await.no_content();
    }
    assert_eq!(
        told(&host, "").await.0,
        [incident("alarm", task), incident("look", task), incident("over", &instance), at("task", "look", task)]
    );
    let it = host.only_id("/engine-rest/task").await;
    host.put(&format!("/engine-rest/process-instance/{instance}/variables/missing"), json!({"value": "ann"})).await.no_content();
    host.post(&format!("/engine-rest/task/{it}/complete"), json!({})).await.no_content();
    assert_eq!(told(&host, "").await.0, []);
    host.check_store().await;
}
