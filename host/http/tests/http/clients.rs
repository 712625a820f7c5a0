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
    // Not a file, so there is nothing to download; and what the store cannot filter by is said.
    let data = host.send(with_body(&format!("/engine-rest/process-instance/{id}/variables/a/data"))).await;
    data.error(400, "InvalidRequestException");
    let by_variable = host.send(with_body("/engine-rest/process-instance?processDefinitionKey=p&variables=a_eq_1")).await;
    by_variable.error(400, "InvalidRequestException");
    host.put("/engine-rest/job/j1/retries", json!({"retries": 2})).await.error(404, "InvalidRequestException");
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
