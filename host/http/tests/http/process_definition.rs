//! `/process-definition`.

use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};

use crate::common::{Answer, Host, assert_properties, delayed, fragile, model, nested, order, payment, review, some_of_each};

const DEFINITION: &[&str] = &[
    "id",
    "key",
    "category",
    "description",
    "name",
    "version",
    "resource",
    "deploymentId",
    "diagram",
    "suspended",
    "tenantId",
    "versionTag",
    "historyTimeToLive",
    "startableInTasklist",
];
const STARTED: &[&str] =
    &["links", "id", "definitionId", "definitionKey", "businessKey", "caseInstanceId", "ended", "suspended", "tenantId"];
const REFUSED: &str = "InvalidRequestException";

#[tokio::test]
async fn definitions_are_listed_counted_and_read() {
    let host = Host::open().await;
    let first = host.deploy("one", &review()).await;
    host.deploy("two", &review().replace("Look at it", "Look again")).await;
    host.deploy("three", &payment()).await;

    let latest = host.only("/engine-rest/process-definition?key=review&latestVersion=true").await;
    assert_properties(&latest, DEFINITION, &[]);
    assert_eq!((&latest["version"], &latest["versionTag"], &latest["name"]), (&json!(2), &json!("1.0"), &json!("Review an order")));
    let id = latest["id"].as_str().expect("an id");
    assert_eq!(host.get(&format!("/engine-rest/process-definition/{id}")).await.ok(), latest);
    assert_eq!(host.get("/engine-rest/process-definition/key/review").await.ok(), latest);
    let versions = host.get("/engine-rest/process-definition?key=review&sortBy=version&sortOrder=desc").await.ok();
    assert_eq!((&versions[0]["version"], &versions[1]["version"]), (&json!(2), &json!(1)));
    assert_eq!(host.count("/engine-rest/process-definition/count").await, 3);
    assert_eq!(host.count("/engine-rest/process-definition/count?keysIn=review,none").await, 2);
    assert_eq!(host.count("/engine-rest/process-definition/count?version=1&withoutTenantId=true").await, 2);
    let deployment = first["id"].as_str().expect("an id");
    assert_eq!(host.count(&format!("/engine-rest/process-definition/count?deploymentId={deployment}")).await, 1);

    for path in [format!("/engine-rest/process-definition/{id}/xml"), "/engine-rest/process-definition/key/review/xml".to_owned()] {
        let xml = host.get(&path).await.ok();
        assert_properties(&xml, &["id", "bpmn20Xml"], &[]);
        assert!(xml["bpmn20Xml"].as_str().expect("text").contains("Look again"));
    }
    host.get(&format!("/engine-rest/process-definition/{id}/diagram")).await.no_content();
    host.get("/engine-rest/process-definition/key/none/diagram").await.error(404, REFUSED);
    host.get("/engine-rest/process-definition/none").await.error(404, REFUSED);
    host.get("/engine-rest/process-definition/key/none").await.error(404, REFUSED);
    host.get("/engine-rest/process-definition/none/xml").await.error(404, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn filters_that_are_not_implemented_are_refused_and_unknown_ones_ignored() {
    let host = Host::open().await;
    let message = host.get("/engine-rest/history/process-instance?caseInstanceId=demo").await.error(400, REFUSED);
    assert!(message.contains("caseInstanceId"), "{message}");
    host.get("/engine-rest/process-definition?wibble=demo&startableInTasklist=false").await.ok();
    host.get("/engine-rest/process-definition?sortBy=key").await.error(400, REFUSED);
    host.get("/engine-rest/process-definition?sortBy=wibble&sortOrder=asc").await.error(400, REFUSED);
    host.get("/engine-rest/process-definition?maxResults=-1").await.error(400, REFUSED);
    host.get("/engine-rest/process-definition?version=one").await.error(400, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn an_instance_is_started_by_id_key_and_tenant() {
    let host = Host::open().await;
    let deployed = host.deploy("one", &review()).await;
    let id = deployed["deployedProcessDefinitions"].as_object().expect("a map").keys().next().expect("one").clone();
    let body = json!({"businessKey": "b", "variables": some_of_each(), "withVariablesInReturn": true, "startInstructions": [],
                      "skipCustomListeners": false, "skipIoMappings": false, "caseInstanceId": null});
    let started = host.post(&format!("/engine-rest/process-definition/{id}/start"), body).await.ok();
    assert_properties(&started, STARTED, &["variables"]);
    assert_eq!((&started["definitionId"], &started["definitionKey"]), (&json!(id), &json!("review")));
    assert_eq!((&started["ended"], &started["suspended"], &started["businessKey"]), (&json!(false), &json!(false), &json!("b")));
    assert_eq!(started["variables"]["o"], json!({"type": "Json", "value": "{\"a\":[1]}", "valueInfo": {}}));
    assert_eq!(started["variables"]["dt"], json!({"type": "Date", "value": "1970-01-01T00:00:00.000+0000", "valueInfo": {}}));

    let bare = host.raw("POST", "/engine-rest/process-definition/key/review/start", Vec::new()).await.ok();
    assert_properties(&bare, STARTED, &[]);

    let tenant = "/engine-rest/process-definition/key/review/tenant-id/acme/start";
    host.post(tenant, json!({})).await.error(404, REFUSED);
    let review = review();
    let files: [(&str, &[u8]); 1] = [("review.bpmn", review.as_bytes())];
    host.upload("/engine-rest/deployment/create", &[("tenant-id", "acme")], &files).await.ok();
    assert_eq!(host.post(tenant, json!({})).await.ok()["tenantId"], "acme");
    assert_eq!(host.get("/engine-rest/process-definition/key/review/tenant-id/acme").await.ok()["tenantId"], "acme");
    host.get("/engine-rest/process-definition/key/review/tenant-id/acme/xml").await.ok();

    host.post("/engine-rest/process-definition/key/none/start", json!({})).await.error(404, REFUSED);
    host.post("/engine-rest/process-definition/none/start", json!({})).await.error(404, REFUSED);
    host.close().await;
}

async fn start_with_key(host: &Host, key: &str) -> Answer {
    start_at_with_key(host, "/engine-rest/process-definition/key/review/start", key).await
}

async fn start_at_with_key(host: &Host, path: &str, key: &str) -> Answer {
    let request = Request::post(path).header("Idempotency-Key", key);
    let request = request.header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    host.send(request.header("content-type", "application/json").body(Body::from("{}")).expect("a request")).await
}

#[tokio::test]
async fn the_same_key_starts_once() {
    let host = Host::open().await;
    host.deploy("one", &review()).await;
    let first = start_with_key(&host, "order-1").await;
    let again = start_with_key(&host, "order-1").await;
    let other = start_with_key(&host, "order-2").await;
    assert_eq!(first.ok(), again.ok());
    assert_ne!(first.ok()["id"], other.ok()["id"]);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    start_with_key(&host, "").await.error(400, REFUSED);
    start_with_key(&host, &"x".repeat(256)).await.error(400, REFUSED);
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 2);
    host.close().await;
}

/// Starts that are tried again, by key and by id, whatever became of the definition meanwhile.
#[tokio::test]
async fn the_same_key_answers_with_its_instance_whatever_became_of_the_definition() {
    let host = Host::open().await;
    let deployed = host.deploy("one", &review()).await;
    let id = deployed["deployedProcessDefinitions"].as_object().expect("a map").keys().next().expect("one").clone();
    let by_id = format!("/engine-rest/process-definition/{id}/start");
    let first = start_with_key(&host, "order-1").await.ok();
    let instance = first["id"].as_str().expect("an id").to_owned();
    let again = async |expected: &Value| {
        for path in ["/engine-rest/process-definition/key/review/start", by_id.as_str()] {
            let answer = start_at_with_key(&host, path, "order-1").await;
            assert_eq!(answer.ok(), *expected, "{path}");
            assert_eq!(answer.headers["idempotency-replayed"], "true");
        }
    };

    let suspension = "/engine-rest/process-definition/suspended";
    host.put(suspension, json!({"suspended": true, "processDefinitionKey": "review"})).await.no_content();
    start_with_key(&host, "order-2").await.error(500, "RestException");
    again(&first).await;
    host.put(suspension, json!({"suspended": false, "processDefinitionKey": "review"})).await.no_content();

    // The newest version no longer starts by name; the first one's instance still runs it.
    let by_message = order().replace("id='order'", "id='review'");
    host.deploy("two", &by_message).await;
    start_with_key(&host, "order-2").await.error(500, "RestException");
    again(&first).await;

    let mut over = first.clone();
    over["ended"] = json!(true);
    host.delete(&format!("/engine-rest/process-instance/{instance}")).await.no_content();
    again(&over).await;

    let deployments = host.get("/engine-rest/deployment").await.ok();
    for deployment in deployments.as_array().expect("a list") {
        host.delete(&format!("/engine-rest/deployment/{}", deployment["id"].as_str().expect("an id"))).await.no_content();
    }
    start_with_key(&host, "order-2").await.error(404, REFUSED);
    start_at_with_key(&host, &by_id, "order-2").await.error(404, REFUSED);
    again(&over).await;
    host.close().await;
}

#[tokio::test]
async fn a_key_stays_used_when_a_cascade_deletes_its_instance() {
    let host = Host::open().await;
    let deployed = host.deploy("one", &review()).await;
    let first = start_with_key(&host, "order-1").await.ok();
    host.delete(&format!("/engine-rest/deployment/{}?cascade=true", deployed["id"].as_str().expect("an id"))).await.no_content();
    let mut gone = first.clone();
    gone["ended"] = json!(true);
    assert_eq!(start_with_key(&host, "order-1").await.ok(), gone);
    host.deploy("again", &review()).await;
    assert_eq!(start_with_key(&host, "order-1").await.ok(), gone, "the same key starts once");
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 0);
    host.close().await;
}

#[tokio::test]
async fn starts_that_make_no_sense_are_refused() {
    let host = Host::open().await;
    host.deploy("one", &review()).await;
    let path = "/engine-rest/process-definition/key/review/start";
    for (body, expected) in [
        (json!({"variables": {"f": {"value": "x", "type": "Object"}}}), "'f'"),
        (json!({"variables": {"f": {"value": "x", "type": "File"}}}), "'f'"),
        (json!({"variables": {"i": {"value": "many", "type": "Integer"}}}), "'i'"),
        (json!({"variables": {"": {"value": 1}}}), "name"),
        (json!({"variables": []}), "variables"),
        (json!({"businessKey": 5}), "businessKey"),
        (json!({"businessKey": "x".repeat(300)}), "businessKey"),
        (json!({"startInstructions": [{"type": "startBeforeActivity"}]}), "activityId"),
        (json!({"skipIoMappings": true}), "skipIoMappings"),
        (json!({"caseInstanceId": "c"}), "caseInstanceId"),
        (json!({"buisnessKey": "b"}), "buisnessKey"),
        (json!({"variables": {"v": {"value": "x".repeat(100_000)}}}), "'v'"),
        (json!({"variables": {"v": {"value": "a\u{0}b"}}}), "NUL"),
    ] {
        let message = host.post(path, body.clone()).await.error(400, REFUSED);
        assert!(message.contains(expected), "{expected}: {message}");
    }
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 0);
    host.close().await;
}

fn statistics_of<'v>(list: &'v Value, id: &str) -> &'v Value {
    list.as_array().expect("a list").iter().find(|entry| entry["id"] == id).unwrap_or_else(|| panic!("no {id} in {list:#}"))
}

#[tokio::test]
async fn statistics_count_instances_failed_jobs_and_incidents() {
    let host = Host::open().await;
    let deployed = host.deploy("one", &delayed()).await;
    let id = deployed["deployedProcessDefinitions"].as_object().expect("a map").keys().next().expect("one").clone();
    host.start("delayed", json!({})).await;
    host.start("delayed", json!({})).await;
    let job = host.get("/engine-rest/job?maxResults=1").await.ok()[0]["id"].as_str().expect("an id").to_owned();
    host.put(&format!("/engine-rest/job/{job}/retries"), json!({"retries": 0})).await.no_content();

    let list = host.get("/engine-rest/process-definition/statistics?failedJobs=true&incidents=true").await.ok();
    let entry = statistics_of(&list, &id);
    assert_properties(entry, &["id", "instances", "failedJobs", "incidents", "definition", "@class"], &[]);
    assert_properties(&entry["definition"], DEFINITION, &[]);
    assert_eq!((&entry["instances"], &entry["failedJobs"]), (&json!(2), &json!(1)));
    assert_eq!(entry["incidents"], json!([{"incidentType": "failedJob", "incidentCount": 1}]));

    let list = host.get(&format!("/engine-rest/process-definition/{id}/statistics?failedJobs=true&incidents=true")).await.ok();
    let entry = statistics_of(&list, "pause");
    assert_properties(entry, &["id", "instances", "failedJobs", "incidents", "@class"], &[]);
    assert_eq!((&entry["instances"], &entry["failedJobs"]), (&json!(2), &json!(1)));
    let untold = host.get("/engine-rest/process-definition/key/delayed/statistics").await.ok();
    assert_eq!(statistics_of(&untold, "pause")["failedJobs"], 0);
    host.get("/engine-rest/process-definition/none/statistics").await.error(404, REFUSED);
    host.get(&format!("/engine-rest/process-definition/{id}/statistics?rootIncidents=true")).await.error(400, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn statistics_count_each_token_where_it_stands() {
    let host = Host::open().await;
    host.deploy("before", &fragile()).await;
    host.deploy("after", &payment().replace("<bpmn:receiveTask id='wait'", "<bpmn:receiveTask id='wait' camunda:asyncAfter='true'")).await;
    host.deploy("inside", &nested("2100-01-01T00:00:00Z")).await;
    for key in ["fragile", "payment", "nested"] {
        host.start(key, json!({})).await;
    }
    host.post("/engine-rest/message", json!({"messageName": "paid"})).await.no_content();
    let path = |key: &str| format!("/engine-rest/process-definition/key/{key}/statistics");
    for (key, activity) in [("fragile", "decide"), ("payment", "wait"), ("nested", "task")] {
        let list = host.get(&path(key)).await.ok();
        let counted: Vec<_> = list.as_array().expect("a list").iter().map(|entry| (&entry["id"], &entry["instances"])).collect();
        assert_eq!(counted, [(&json!(activity), &json!(1))], "{key}");
        assert_eq!(host.count(&format!("/engine-rest/process-instance/count?activityIdIn={activity}")).await, 1, "{activity}");
    }
    let job = host.only_id("/engine-rest/job?activityId=wait").await;
    host.post(&format!("/engine-rest/job/{job}/execute"), json!({})).await.no_content();
    assert_eq!(host.get(&path("payment")).await.ok(), json!([]));
    host.close().await;
}

#[tokio::test]
async fn a_definition_says_how_long_its_history_is_meant_to_live() {
    let host = Host::open().await;
    host.deploy("one", &review().replace("id='review'", "id='review' camunda:historyTimeToLive='P5D'")).await;
    host.deploy("two", &payment()).await;
    let days = async |key: &str| host.get(&format!("/engine-rest/process-definition/key/{key}")).await.ok()["historyTimeToLive"].clone();
    assert_eq!((days("review").await, days("payment").await), (json!(5), json!(null)));
    host.close().await;
}

#[tokio::test]
async fn a_suspended_definition_starts_nothing() {
    let host = Host::open().await;
    let deployed = host.deploy("one", &review()).await;
    let id = deployed["deployedProcessDefinitions"].as_object().expect("a map").keys().next().expect("one").clone();
    let instance = host.start("review", json!({})).await;
    let path = format!("/engine-rest/process-definition/{id}/suspended");
    host.put(&path, json!({"suspended": true, "includeProcessInstances": true, "executionDate": null})).await.no_content();
    assert_eq!(host.count("/engine-rest/process-definition/count?suspended=true").await, 1);
    assert_eq!(host.get(&format!("/engine-rest/process-instance/{instance}")).await.ok()["suspended"], true);
    let message = host.post("/engine-rest/process-definition/key/review/start", json!({})).await.error(500, "RestException");
    assert_eq!(message, format!("Cannot instantiate process definition {id}: it is suspended"));
    let by_key = json!({"suspended": false, "processDefinitionKey": "review", "includeProcessInstances": true});
    host.put("/engine-rest/process-definition/suspended", by_key).await.no_content();
    host.start("review", json!({})).await;
    assert_eq!(host.get(&format!("/engine-rest/process-instance/{instance}")).await.ok()["suspended"], false);

    host.put(&path, json!({})).await.error(400, REFUSED);
    host.put(&path, json!({"suspended": true, "executionDate": "tomorrow"})).await.error(400, REFUSED);
    host.put("/engine-rest/process-definition/none/suspended", json!({"suspended": true})).await.error(404, REFUSED);
    host.put("/engine-rest/process-definition/suspended", json!({"suspended": true})).await.error(400, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn definitions_are_deleted_one_or_all_of_a_key() {
    let host = Host::open().await;
    let first = host.deploy("one", &order()).await;
    let second = host.deploy("two", &order().replace("id='pack'", "id='pack' name='Pack it'")).await;
    let id_of = |deployed: &Value| deployed["deployedProcessDefinitions"].as_object().expect("some").keys().next().expect("one").clone();
    let (old, new) = (id_of(&first), id_of(&second));
    let of = |id: &str| format!("/engine-rest/process-definition/{id}");
    let message = json!({"messageName": "ordered"});
    host.post("/engine-rest/message", message.clone()).await.no_content();
    let refusal = host.delete(&of(&new)).await.error(409, "ProcessEngineException");
    assert!(refusal.contains(&new) && refusal.contains("1 running instance"), "{refusal}");
    host.delete(&format!("{}?cascade=perhaps", of(&new))).await.error(400, REFUSED);
    assert_eq!(host.count("/engine-rest/history/user-operation/count?entityType=ProcessDefinition").await, 0);

    // The version before it starts by the message again.
    host.delete(&format!("{}?cascade=true&skipCustomListeners=true&skipIoMappings=true", of(&new))).await.no_content();
    host.delete(&of(&new)).await.error(404, REFUSED);
    host.get(&format!("/engine-rest/deployment/{}", second["id"].as_str().expect("an id"))).await.ok();
    assert_eq!(host.count("/engine-rest/history/process-instance/count").await, 0);
    host.post("/engine-rest/message", message.clone()).await.no_content();
    assert_eq!(host.only("/engine-rest/process-instance").await["definitionId"], json!(old));

    let third = id_of(&host.deploy("three", &order()).await);
    host.delete("/engine-rest/process-definition/key/order").await.error(409, "ProcessEngineException");
    host.delete("/engine-rest/process-definition/key/order/tenant-id/acme?cascade=true").await.error(404, REFUSED);
    host.delete("/engine-rest/process-definition/key/order?cascade=true").await.no_content();
    assert_eq!(host.count("/engine-rest/process-definition/count").await, 0);
    host.post("/engine-rest/message", message).await.error(400, "RestException");
    let log = host.get("/engine-rest/history/user-operation?entityType=ProcessDefinition&operationType=Delete").await.ok();
    let mut deleted: Vec<_> = log.as_array().expect("a list").iter().map(|it| it["processDefinitionId"].clone()).collect();
    deleted.sort_by_key(ToString::to_string);
    let mut expected = [json!(old), json!(new), json!(third)];
    expected.sort_by_key(ToString::to_string);
    assert_eq!(deleted, expected);
    assert_eq!((&log[0]["property"], &log[0]["newValue"]), (&json!("cascade"), &json!("true")));
    host.check_store().await;
    host.close().await;
}

/// A condition that is no truth value once `x` is a text: then the instance cannot be activated.
fn conditional() -> String {
    model(
        "<bpmn:process id='conditional' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:userTask id='u'/>\
         <bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='u'/><bpmn:subProcess id='v' triggeredByEvent='true'><bpmn:startEvent id='vs'>\
         <bpmn:conditionalEventDefinition><bpmn:condition>${x}</bpmn:condition></bpmn:conditionalEventDefinition></bpmn:startEvent>\
         <bpmn:userTask id='a'/><bpmn:sequenceFlow id='v1' sourceRef='vs' targetRef='a'/></bpmn:subProcess></bpmn:process>",
    )
}

#[tokio::test]
async fn a_version_whose_instance_fails_keeps_no_other_from_being_activated() {
    let host = Host::open().await;
    let mut instances = Vec::new();
    for name in ["one", "two", "three"] {
        host.deploy(name, &conditional()).await;
        instances.push(host.start("conditional", json!({"variables": {"x": {"value": false}}})).await);
    }
    let path = "/engine-rest/process-definition/suspended";
    let all = |suspended: bool| json!({"processDefinitionKey": "conditional", "suspended": suspended, "includeProcessInstances": true});
    host.put(path, all(true)).await.no_content();
    let bad = &instances[1];
    host.put(&format!("/engine-rest/process-instance/{bad}/variables/x"), json!({"value": "text"})).await.no_content();
    let message = host.put(path, all(false)).await.error(500, "ProcessEngineException");
    assert!(message.contains("rolled back"), "{message}");
    assert_eq!(host.count("/engine-rest/process-definition/count?suspended=true").await, 0);
    let left = host.only_id("/engine-rest/process-instance?suspended=true").await;
    assert_eq!(left, instances[1]);
    // Who repeats it once it can be done leaves nothing.
    host.put(&format!("/engine-rest/process-instance/{left}/variables/x"), json!({"value": false})).await.no_content();
    host.put(path, all(false)).await.no_content();
    assert_eq!(host.count("/engine-rest/process-instance/count?suspended=true").await, 0);
    host.close().await;
}
