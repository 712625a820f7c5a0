//! Requests that real clients were seen to send: pycamunda, the Python external-task client, the generated client.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::json;

use crate::common::{Host, model, payment};

/// A process with the key that the recorded requests name.
fn recorded() -> String {
    payment().replace("id='payment'", "id='p'").replace("name='paid'", "name='m'")
}

#[tokio::test]
async fn starts_of_three_clients_are_understood() {
    let host = Host::open().await;
    host.deploy("recorded", &recorded()).await;
    for body in [
        json!({"variables": {"a": {"value": 1}}, "businessKey": "bk"}),
        json!({"variables": {"v": {"value": 1, "type": null, "valueInfo": null}}, "businessKey": "b", "startInstructions": [],
               "skipCustomListeners": false, "skipIoMappings": false, "withVariablesInReturn": false}),
        json!({"businessKey": "b", "variables": {"v": {"value": 1, "type": "Integer"}}}),
    ] {
        host.post("/engine-rest/process-definition/key/p/start", body).await.ok();
    }
    assert_eq!(host.count("/engine-rest/process-instance/count?businessKey=b").await, 2);
    host.close().await;
}

#[tokio::test]
async fn messages_of_two_clients_are_understood() {
    let host = Host::open().await;
    host.deploy("recorded", &recorded()).await;
    host.start("p", json!({"businessKey": "bk"})).await;
    let first = json!({"messageName": "m", "resultEnabled": true, "processVariables": {"x": {"value": 1}}, "withoutTenantId": true, "businessKey": "bk"});
    assert_eq!(host.post("/engine-rest/message", first).await.ok()[0]["resultType"], "Execution");

    host.start("p", json!({"businessKey": "b", "variables": {"ck": {"value": "1"}}})).await;
    let second = json!({"messageName": "m", "businessKey": "b", "correlationKeys": {"ck": {"value": "1", "type": null}},
                        "localCorrelationKeys": {}, "processVariables": {"v": {"value": 2, "type": null, "valueInfo": null}},
                        "processVariablesLocal": {}, "all": false, "resultEnabled": true, "variablesInResultEnabled": false});
    let result = host.post("/engine-rest/message", second).await.ok();
    assert!(result[0].get("variables").is_none(), "{result:#}");
    host.close().await;
}

#[tokio::test]
async fn reads_of_pycamunda_are_understood() {
    let host = Host::open().await;
    host.deploy("recorded", &recorded()).await;
    let id = host.start("p", json!({"variables": {"a": {"value": 1}}})).await;
    let with_body = |path: &str| {
        let request =
            Request::get(path).header(header::CONTENT_TYPE, "application/json").header(header::AUTHORIZATION, "Basic ZGVtbzpkZW1v");
        request.body(Body::from("{}")).expect("a request")
    };
    for path in [
        "/engine-rest/version".to_owned(),
        "/engine-rest/job?firstResult=0&maxResults=10&sortBy=jobDueDate&sortOrder=desc&withException=true".to_owned(),
        format!("/engine-rest/process-instance/{id}/variables/a"),
    ] {
        let answer = host.send(with_body(&path)).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text());
    }
    // Not a file, so there is nothing to download.
    let data = host.send(with_body(&format!("/engine-rest/process-instance/{id}/variables/a/data"))).await;
    data.error(400, "InvalidRequestException");
    let by_variable = host.send(with_body("/engine-rest/process-instance?processDefinitionKey=p&variables=a_eq_1")).await;
    // A value in a query string is a text, and the variable is none, as in Camunda 7.
    assert_eq!(by_variable.ok(), json!([]));
    host.put("/engine-rest/job/j1/retries", json!({"retries": 2})).await.error(404, "InvalidRequestException");
    host.close().await;
}

/// A process whose worker is asked for as the recorded requests ask.
fn charging() -> String {
    model(
        "<bpmn:process id='p' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f' sourceRef='s' targetRef='t'/>\
         <bpmn:serviceTask id='t' camunda:type='external' camunda:topic='charge'/></bpmn:process>",
    )
}

#[tokio::test]
async fn workers_of_four_clients_are_understood() {
    let host = Host::open().await;
    host.deploy("recorded", &charging()).await;
    let javascript = json!({"maxTasks": 2, "usePriority": true, "asyncResponseTimeout": 1000,
        "sorting": [{"sortBy": "createTime", "sortOrder": "asc"}],
        "topics": [{"topicName": "charge", "lockDuration": 5000, "processVariables": {"a": 1}, "includeExtensionProperties": true}],
        "workerId": "jsw"});
    let python = json!({"workerId": "pyw", "maxTasks": 1, "topics": [{"topicName": "charge", "lockDuration": 300_000, "processVariables": {},
        "includeExtensionProperties": true, "deserializeValues": true, "variables": null}],
        "asyncResponseTimeout": 500, "usePriority": false, "sorting": null});
    let pycamunda = json!({"workerId": "pw", "maxTasks": 1, "usePriority": false,
        "topics": [{"topicName": "charge", "lockDuration": 1000, "deserializeValues": false}]});
    let generated = json!({"workerId": "gw", "maxTasks": 1, "topics": [{"topicName": "charge", "lockDuration": 1000, "localVariables": false,
        "withoutTenantId": false, "deserializeValues": false, "includeExtensionProperties": false}]});
    let loud = json!({"type": "integer", "value": 1, "valueInfo": {}});
    let transient = json!({"type": "string", "value": "t", "valueInfo": {"transient": false}});
    let answers = [
        ("complete", &javascript, json!({"workerId": "jsw", "variables": {"i": loud, "tr": transient}, "localVariables": {"loc": loud}})),
        ("failure", &javascript, json!({"errorMessage": "e", "errorDetails": "d", "retries": 1, "retryTimeout": 1000, "workerId": "jsw"})),
        ("bpmnError", &javascript, json!({"errorCode": "E1", "workerId": "jsw", "errorMessage": "msg", "variables": {"tr": transient}})),
        ("extendLock", &javascript, json!({"newDuration": 1000, "workerId": "jsw"})),
        ("lock", &javascript, json!({"lockDuration": 1000, "workerId": "jsw"})),
        ("complete", &python, json!({"workerId": "pyw", "variables": {"r": {"value": 1}}, "localVariables": {}})),
        ("failure", &python, json!({"workerId": "pyw", "errorMessage": "e", "retries": 1, "retryTimeout": 1000, "errorDetails": "d"})),
        ("bpmnError", &python, json!({"workerId": "pyw", "errorCode": "E1", "errorMessage": "m", "variables": {"q": {"value": 2}}})),
        (
            "complete",
            &pycamunda,
            json!({"workerId": "pw", "variables": {"r": {"value": 1, "type": null, "valueInfo": null}}, "localVariables": {}}),
        ),
        ("complete", &generated, json!({"variables": {"x": {"value": true}}, "workerId": "gw"})),
    ];
    for (what, asks, body) in answers {
        let instance = host.start("p", json!({"variables": {"a": {"value": 1}}})).await;
        let fetched = host.post("/engine-rest/external-task/fetchAndLock", asks.clone()).await.ok();
        assert_eq!(fetched[0]["processInstanceId"], json!(instance), "{what}: {fetched:#}");
        let id = fetched[0]["id"].as_str().expect("an id");
        host.post(&format!("/engine-rest/external-task/{id}/{what}"), body).await.no_content();
        if what != "complete" {
            // No body and no content type, as the JavaScript client sends it.
            let unlock = Request::post(format!("/engine-rest/external-task/{id}/unlock")).body(Body::empty()).expect("a request");
            host.send(unlock).await.no_content();
            host.delete(&format!("/engine-rest/process-instance/{instance}")).await.no_content();
        }
    }
    host.close().await;
}

async fn upload(host: &Host, boundary: &str, parts: &str) -> crate::common::Answer {
    let body = format!("{parts}--{boundary}--\r\n").replace("BOUNDARY", boundary);
    let content_type = format!("multipart/form-data; boundary={boundary}");
    let request = Request::post("/engine-rest/deployment/create").header(header::CONTENT_TYPE, content_type);
    host.send(request.body(Body::from(body)).expect("a request")).await
}

#[tokio::test]
async fn uploads_of_two_clients_are_understood() {
    let host = Host::open().await;
    let text = |name: &str, value: &str| format!("--BOUNDARY\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    let good = model("<bpmn:process id='p' isExecutable='true'><bpmn:startEvent id='s'/></bpmn:process>");
    for (model, accepted) in [("<x/>", false), (good.as_str(), true)] {
        let pycamunda = text("deployment-name", "n")
            + &text("enable-duplicate-filtering", "True")
            + &text("deploy-changed-only", "False")
            + &text("deployment-source", "py")
            + &format!("--BOUNDARY\r\nContent-Disposition: form-data; name=\"resource-0\"; filename=\"p.bpmn\"\r\n\r\n{model}\r\n");
        let generated = text("deployment-name", "n")
            + &format!(
                "--BOUNDARY\r\nContent-Disposition: form-data; name=\"data\"; filename=\"p.bpmn\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n{model}\r\n"
            );
        for (boundary, parts) in [("85c93120c18aba004a4b9bc7d18fa967", pycamunda), ("5cbaed3f68d320fadf5d1ccec631cb27", generated)] {
            let answer = upload(&host, boundary, &parts).await;
            if accepted {
                assert_eq!(answer.ok()["name"], "n");
            } else {
                answer.error(400, "ParseException");
            }
        }
    }
    host.close().await;
}
