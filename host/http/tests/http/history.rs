//! `/history`.

use mandate_runtime::HistoryLevel;
use serde_json::{Value, json};

use crate::common::{Host, assert_properties, large, payment, review};

const INSTANCE: &[&str] = &[
    "id",
    "rootProcessInstanceId",
    "superProcessInstanceId",
    "superCaseInstanceId",
    "caseInstanceId",
    "processDefinitionName",
    "processDefinitionKey",
    "processDefinitionVersion",
    "processDefinitionId",
    "businessKey",
    "startTime",
    "endTime",
    "removalTime",
    "durationInMillis",
    "startUserId",
    "startActivityId",
    "deleteReason",
    "tenantId",
    "state",
    "restartedProcessInstanceId",
];
const ACTIVITY: &[&str] = &[
    "id",
    "parentActivityInstanceId",
    "activityId",
    "activityName",
    "activityType",
    "processDefinitionKey",
    "processDefinitionId",
    "processInstanceId",
    "executionId",
    "taskId",
    "assignee",
    "calledProcessInstanceId",
    "calledCaseInstanceId",
    "startTime",
    "endTime",
    "durationInMillis",
    "canceled",
    "completeScope",
    "tenantId",
    "removalTime",
    "rootProcessInstanceId",
];
const REFUSED: &str = "InvalidRequestException";

#[tokio::test]
async fn ended_instances_are_exported_as_lines_with_everything_that_is_known_of_them() {
    let host = Host::open().await;
    host.deploy("reviews", &review().replace("isExecutable='true'", "isExecutable='true' camunda:historyTimeToLive='P2D'")).await;
    host.deploy("payments", &payment()).await;
    let variables = json!({"a": {"value": 1}, "b": {"value": "{\"x\": 1}", "type": "Json"}, "c": {"value": "2026-11-20T10:00:00.000+0000", "type": "Date"}});
    let done = host.start("review", json!({"businessKey": "done", "variables": variables})).await;
    let task = host.only_id("/engine-rest/task").await;
    host.post(&format!("/engine-rest/task/{task}/complete"), json!({})).await.no_content();
    let deleted = host.start("payment", json!({})).await;
    host.delete(&format!("/engine-rest/process-instance/{deleted}")).await.no_content();
    host.start("review", json!({"businessKey": "goes on"})).await;

    let answer = host.get("/api/v1/history/export").await;
    assert_eq!(answer.headers["content-type"], "application/x-ndjson");
    let text = answer.text();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.iter().map(|line| line["id"].as_str().expect("an id")).collect::<Vec<_>>(), [&done, &deleted]);
    let line = &lines[0];
    let instance = host.get(&format!("/engine-rest/history/process-instance/{done}")).await.ok();
    for (name, value) in instance.as_object().expect("an object") {
        assert_eq!(&line[name], value, "{name}");
    }
    assert!(line["removalTime"].as_str() > line["endTime"].as_str());
    let activities =
        host.get(&format!("/engine-rest/history/activity-instance?processInstanceId={done}&sortBy=occurrence&sortOrder=asc")).await;
    assert_eq!(line["activityInstances"], activities.ok());
    let variables: Vec<_> =
        line["variableInstances"].as_array().expect("a list").iter().map(|v| (&v["name"], &v["type"], &v["value"])).collect();
    let expected = json!([["a", "Integer", 1], ["b", "Json", "{\"x\": 1}"], ["c", "Date", "2026-11-20T10:00:00.000+0000"]]);
    assert_eq!(json!(variables), expected);
    assert_eq!((&line["taskInstances"][0]["id"], &line["taskInstances"][0]["taskDefinitionKey"]), (&json!(task), &json!("look")));
    assert_eq!((&line["ledger"], &line["incidents"], &line["variableUpdates"]), (&json!([]), &json!([]), &json!([])));
    assert_eq!((&lines[1]["state"], &lines[1]["removalTime"]), (&json!("EXTERNALLY_TERMINATED"), &json!(null)));

    let one = host.get(&format!("/api/v1/history/export?processInstanceId={deleted}")).await.text();
    assert_eq!(one.lines().collect::<Vec<_>>(), [text.lines().nth(1).expect("two lines")]);
    assert_eq!(host.get("/api/v1/history/export?processDefinitionKey=none").await.text(), "");
    host.get("/api/v1/history/export?wibble=1").await.error(400, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn instances_are_remembered_with_how_they_ended() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    host.deploy("payments", &payment()).await;
    let done = host.start("review", json!({"businessKey": "done"})).await;
    let task = host.only_id("/engine-rest/task").await;
    host.post(&format!("/engine-rest/task/{task}/complete"), json!({})).await.no_content();
    let deleted = host.start("review", json!({"businessKey": "deleted"})).await;
    host.delete(&format!("/engine-rest/process-instance/{deleted}")).await.no_content();
    let open = host.start("payment", json!({"businessKey": "open"})).await;

    let remembered = host.only("/engine-rest/history/process-instance?processInstanceBusinessKey=done&finished=true").await;
    assert_properties(&remembered, INSTANCE, &[]);
    assert_eq!(host.get(&format!("/engine-rest/history/process-instance/{done}")).await.ok(), remembered);
    assert_eq!((&remembered["state"], &remembered["startActivityId"]), (&json!("COMPLETED"), &json!("start")));
    assert_eq!((&remembered["processDefinitionVersion"], &remembered["processDefinitionName"]), (&json!(1), &json!("Review an order")));
    assert!(remembered["durationInMillis"].as_i64().expect("a duration") >= 0);
    for (filter, expected) in [
        (String::new(), 3),
        ("?unfinished=true".to_owned(), 1),
        ("?completed=true".to_owned(), 1),
        ("?externallyTerminated=true".to_owned(), 1),
        ("?active=true".to_owned(), 1),
        (format!("?processInstanceIds={done},{open}"), 2),
        (format!("?processInstanceId={done}&processInstanceIds={open}"), 0),
        ("?processDefinitionKey=review&startedAfter=2001-01-01T00:00:00.000%2B0000".to_owned(), 2),
        ("?executedActivityIdIn=end".to_owned(), 1),
        // What has ended, however: the one that waits is only active.
        ("?executedActivityIdIn=wait".to_owned(), 0),
        ("?executedActivityIdIn=look,wait".to_owned(), 2),
        ("?activeActivityIdIn=look,wait".to_owned(), 1),
        ("?executedActivityAfter=2001-01-01T00:00:00.000%2B0000".to_owned(), 3),
        ("?executedActivityBefore=2001-01-01T00:00:00.000%2B0000".to_owned(), 0),
        (format!("?incidentIdIn={open}.1"), 0),
        ("?incidentStatus=open".to_owned(), 0),
        ("?incidentStatus=resolved".to_owned(), 0),
    ] {
        assert_eq!(host.count(&format!("/engine-rest/history/process-instance/count{filter}")).await, expected, "{filter}");
    }
    // The moment itself counts on both sides.
    let moment = |name: &str| remembered[name].as_str().expect("a date").replace('+', "%2B");
    let (started, ended) = (moment("startTime"), moment("endTime"));
    // An activity counts by its end as well.
    let by_end = format!("/engine-rest/history/process-instance/count?processInstanceId={done}&executedActivityAfter={ended}");
    assert_eq!(host.count(&by_end).await, 1);
    let exactly = format!("startedBefore={started}&startedAfter={started}&finishedBefore={ended}&finishedAfter={ended}");
    for list in ["process-instance", "activity-instance"] {
        let path = format!("/engine-rest/history/{list}/count?processInstanceId={done}");
        assert_ne!(host.count(&path).await, 0);
        let path = format!("{path}&startedBefore={ended}&finishedAfter={started}");
        assert_ne!(host.count(&path).await, 0, "{path}");
    }
    assert_eq!(host.count(&format!("/engine-rest/history/process-instance/count?processInstanceId={done}&{exactly}")).await, 1);
    let sorted = host.get("/engine-rest/history/process-instance?sortBy=businessKey&sortOrder=asc&maxResults=2").await.ok();
    assert_eq!((&sorted[0]["businessKey"], &sorted[1]["businessKey"]), (&json!("deleted"), &json!("done")));
    let body = json!({"processInstanceBusinessKeyIn": ["open", "done"], "sorting": [{"sortBy": "startTime", "sortOrder": "asc"}], "orQueries": []});
    assert_eq!(host.post("/engine-rest/history/process-instance?maxResults=1", body).await.ok()[0]["id"], done);
    assert_eq!(host.post("/engine-rest/history/process-instance/count", json!({"finished": true})).await.ok(), json!({"count": 2}));

    host.get("/engine-rest/history/process-instance/nonsense").await.error(404, REFUSED);
    for filter in [
        "active=true&completed=true",
        "executedJobAfter=2030-01-01T00:00:00.000%2B0000",
        "variables=a",
        "incidentStatus=gone",
        "startedBefore=soon",
    ] {
        host.get(&format!("/engine-rest/history/process-instance?{filter}")).await.error(400, REFUSED);
    }
    host.close().await;
}

#[tokio::test]
async fn activities_are_remembered() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let id = host.start("review", json!({})).await;
    let open = host.only("/engine-rest/history/activity-instance?unfinished=true").await;
    assert_properties(&open, ACTIVITY, &["delegateName", "delegateDigest", "delegateAttempt"]);
    assert_eq!((&open["activityId"], &open["activityType"], &open["endTime"]), (&json!("look"), &json!("userTask"), &json!(null)));
    assert_eq!((&open["parentActivityInstanceId"], &open["executionId"]), (&json!(id), &open["id"]));
    let activity = open["id"].as_str().expect("an id");
    assert_eq!(host.get(&format!("/engine-rest/history/activity-instance/{activity}")).await.ok(), open);
    let task = host.only_id("/engine-rest/task").await;
    assert_eq!((&open["taskId"], &open["assignee"]), (&json!(task), &json!(null)));
    host.post(&format!("/engine-rest/task/{task}/claim"), json!({"userId": "ann"})).await.no_content();
    host.post(&format!("/engine-rest/task/{task}/complete"), json!({})).await.no_content();
    let mine = host.only("/engine-rest/history/activity-instance?taskAssignee=ann").await;
    assert_eq!((&mine["id"], &mine["taskId"], &mine["assignee"]), (&open["id"], &json!(task), &json!("ann")));

    let list =
        host.get(&format!("/engine-rest/history/activity-instance?processInstanceId={id}&sortBy=occurrence&sortOrder=asc")).await.ok();
    let types: Vec<_> = list.as_array().expect("a list").iter().map(|one| one["activityType"].as_str().expect("text")).collect();
    assert_eq!(types, ["startEvent", "userTask", "noneEndEvent"]);
    assert_eq!((&list[2]["completeScope"], &list[2]["taskId"]), (&json!(true), &json!(null)));
    for (filter, expected) in [
        ("?canceled=true", 0),
        ("?completeScope=true", 1),
        ("?taskAssignee=bob", 0),
        ("?activityType=userTask", 1),
        ("?activityName=Look%20at%20it", 1),
        ("?finished=true", 3),
    ] {
        assert_eq!(host.count(&format!("/engine-rest/history/activity-instance/count{filter}")).await, expected, "{filter}");
    }
    let body = json!({"activityId": "look", "finished": true});
    assert_eq!(host.post("/engine-rest/history/activity-instance", body.clone()).await.ok().as_array().map(Vec::len), Some(1));
    assert_eq!(host.post("/engine-rest/history/activity-instance/count", body).await.ok(), json!({"count": 1}));
    host.get("/engine-rest/history/activity-instance/nonsense").await.error(404, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn every_change_of_a_variable_is_a_detail_where_it_is_kept() {
    let host = Host::open_with_history(HistoryLevel::Full).await;
    host.deploy("reviews", &review()).await;
    let instance = host.start("review", json!({"variables": {"a": {"value": 1}, "b": {"value": "x"}}})).await;
    host.put(&format!("/engine-rest/process-instance/{instance}/variables/a"), json!({"value": 2})).await.no_content();
    let list = host.get("/engine-rest/history/detail?variableUpdates=true&sortBy=time&sortOrder=asc").await.ok();
    assert_eq!(host.get("/engine-rest/history/detail?sortBy=occurrence&sortOrder=asc").await.ok(), list);
    let shown: Vec<_> =
        list.as_array().expect("a list").iter().map(|it| format!("{}={} {}", it["variableName"], it["value"], it["initial"])).collect();
    assert_eq!(shown, ["\"a\"=1 true", "\"b\"=\"x\" true", "\"a\"=2 false"]);
    let id = list[2]["id"].as_str().expect("an id");
    assert_eq!(host.get(&format!("/engine-rest/history/detail/{id}")).await.ok(), list[2]);
    host.get("/engine-rest/history/detail/nonsense").await.error(404, REFUSED);
    let of_a = list[2]["variableInstanceId"].as_str().expect("an id");
    for (filter, expected) in [
        (format!("processInstanceId={instance}"), 3),
        (format!("variableInstanceId={of_a}"), 2),
        (format!("variableInstanceId={of_a}&executionId=nonsense"), 0),
        ("initial=true".to_owned(), 2),
        ("variableTypeIn=string".to_owned(), 1),
        ("occurredBefore=2001-01-01T00:00:00.000%2B0000".to_owned(), 0),
    ] {
        assert_eq!(host.count(&format!("/engine-rest/history/detail/count?{filter}")).await, expected, "{filter}");
    }
    host.get("/engine-rest/history/detail?formFields=true").await.error(400, REFUSED);
    let task = host.only_id("/engine-rest/task").await;
    host.put(&format!("/engine-rest/task/{task}/localVariables/own"), json!({"value": 1})).await.no_content();
    for (filter, expected) in [("", 4), ("?excludeTaskDetails=true", 3)] {
        assert_eq!(host.count(&format!("/engine-rest/history/detail/count{filter}")).await, expected, "{filter}");
    }
    for _ in 0..20 {
        host.start("review", json!({ "variables": large() })).await;
    }
    let message = host.get("/engine-rest/history/detail").await.error(400, REFUSED);
    assert!(message.ends_with("of these rows are too much for one answer; ask for fewer with maxResults"), "{message}");
    assert_eq!(host.get("/engine-rest/history/detail?maxResults=250").await.ok().as_array().map(Vec::len), Some(250));
    host.close().await;

    let host = Host::open().await;
    let message = host.get("/engine-rest/history/detail").await.error(400, REFUSED);
    assert!(message.contains("history level full"), "{message}");
    host.close().await;
}

#[tokio::test]
async fn instances_are_found_by_their_variables() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let mut ids = Vec::new();
    for amount in [5, 50] {
        let variables = json!({"amount": {"value": amount}, "name": {"value": format!("n{amount}")}});
        ids.push(host.start("review", json!({"variables": variables})).await);
    }
    for path in ["/engine-rest/process-instance", "/engine-rest/history/process-instance"] {
        let body = json!({"variables": [{"name": "amount", "operator": "gt", "value": 7}]});
        let found = host.post(path, body).await.ok();
        assert_eq!((found.as_array().map(Vec::len), &found[0]["id"]), (Some(1), &json!(ids[1])), "{path}");
        assert_eq!(host.count(&format!("{path}/count?variables=name_eq_n5")).await, 1, "{path}");
        assert_eq!(host.count(&format!("{path}/count?variables=name_like_n%25,amount_eq_5")).await, 0, "{path}: a number is no text");
    }
    let at = json!({"at": {"value": "2026-01-02T03:04:05.000+0000", "type": "Date"}});
    host.start("review", json!({"variables": at})).await;
    for (operator, text, expected) in [
        ("eq", "2026-01-02T05:04:05.000+0200", 1),
        ("lteq", "2026-01-02T03:04:05.000+0000", 1),
        ("gt", "2026-01-02T04:00:00.000+0200", 1),
        ("neq", "2026-01-02T03:04:05.000+0000", 0),
        ("like", "2026-01-02%", 1),
    ] {
        let body = json!({"variables": [{"name": "at", "operator": operator, "value": text}]});
        let counted = host.post("/engine-rest/process-instance/count", body).await.ok();
        assert_eq!(counted, json!({"count": expected}), "{operator} {text}");
    }
    let either = json!({"orQueries": [{"businessKey": "none", "variables": [{"name": "amount", "operator": "lteq", "value": 5}]}]});
    assert_eq!(host.post("/engine-rest/process-instance/count", either).await.ok(), json!({"count": 1}));
    host.close().await;
    let bare = Host::open_with_history(HistoryLevel::None).await;
    let message = bare.get("/engine-rest/process-instance?variables=a_eq_1").await.error(400, REFUSED);
    assert!(message.contains("keeps no variables"), "{message}");
    for path in [
        "/engine-rest/variable-instance",
        "/engine-rest/history/variable-instance?variableName=a&variableValue=1",
        "/engine-rest/history/variable-instance/count",
        "/api/v1/history/export?variables=a_eq_1",
    ] {
        assert!(bare.get(path).await.error(400, REFUSED).contains("keeps no variables"), "{path}");
    }
    assert_eq!(bare.get("/api/v1/history/export").await.status, 200);
    let query = json!({"variables": [{"name": "a", "operator": "eq", "value": 1}]});
    let body = json!({"suspended": true, "processInstanceQuery": query});
    let message = bare.put("/engine-rest/process-instance/suspended", body).await.error(400, REFUSED);
    assert!(message.contains("keeps no variables"), "{message}");
    bare.close().await;
}
