//! What no client should send. None of it may be answered with a 5xx, and every refusal has Camunda's shape.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};

use crate::common::{Host, review};

const REFUSED: &str = "InvalidRequestException";

/// Every path that takes a JSON body, with ids that exist where it needs some.
async fn bodies(host: &Host) -> Vec<(&'static str, String)> {
    let deployed = host.deploy("reviews", &review()).await;
    let definition = deployed["deployedProcessDefinitions"].as_object().expect("a map").keys().next().expect("one").clone();
    let instance = host.start("review", json!({})).await;
    let task = host.only_id("/engine-rest/task").await;
    let rest = [
        ("POST", "/process-definition/key/review/start".to_owned()),
        ("POST", format!("/process-definition/{definition}/start")),
        ("PUT", format!("/process-definition/{definition}/suspended")),
        ("PUT", "/process-definition/suspended".to_owned()),
        ("POST", "/process-instance".to_owned()),
        ("POST", "/process-instance/count".to_owned()),
        ("PUT", format!("/process-instance/{instance}/suspended")),
        ("POST", format!("/process-instance/{instance}/variables")),
        ("PUT", format!("/process-instance/{instance}/variables/x")),
        ("POST", "/task".to_owned()),
        ("POST", "/task/count".to_owned()),
        ("POST", format!("/task/{task}/claim")),
        ("POST", format!("/task/{task}/assignee")),
        ("POST", format!("/task/{task}/complete")),
        ("POST", "/message".to_owned()),
        ("POST", "/job".to_owned()),
        ("PUT", format!("/job/{instance}.1/retries")),
        ("POST", "/history/process-instance".to_owned()),
        ("POST", "/history/activity-instance".to_owned()),
    ];
    rest.map(|(method, path)| (method, format!("/engine-rest{path}"))).into()
}

#[tokio::test]
async fn malformed_bodies_are_refused_by_every_endpoint() {
    let host = Host::open().await;
    let nested = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let nested_field = format!("{{\"variables\": {{\"v\": {{\"value\": {nested}}}}}}}");
    let malformed: Vec<Vec<u8>> = [
        "{",
        "[]",
        "null",
        "1",
        "\"text\"",
        "{\"a\": }",
        "{} {}",
        "{\"wibble\": 1}",
        "{\"\\u0000\": 1}",
        "{\"businessKey\": \"\\u0000\"}",
        "{\"sorting\": 5, \"variables\": 5, \"suspended\": 5, \"userId\": 5, \"retries\": [], \"messageName\": {}, \"modifications\": 1}",
        nested.as_str(),
        nested_field.as_str(),
    ]
    .into_iter()
    .map(|text| text.as_bytes().to_vec())
    .chain([vec![0xff, 0xfe], vec![0], b"{\"a\": \"\xff\"}".to_vec()])
    .collect();
    for (method, path) in bodies(&host).await {
        for body in &malformed {
            let answer = host.raw(method, &path, body.clone()).await;
            let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{method} {path} {shown}: {}", answer.text());
            answer.error(400, REFUSED);
        }
    }
    host.close().await;
}

#[tokio::test]
async fn bodies_that_are_too_large_or_no_json_are_refused() {
    let host = Host::open().await;
    for (method, path) in bodies(&host).await {
        let large = format!("{{\"businessKey\": \"{}\"}}", "x".repeat(mandate_http::JSON_LIMIT));
        host.raw(method, &path, large.into_bytes()).await.error(413, REFUSED);
        let request = Request::builder().method(method).uri(&path).header(header::CONTENT_TYPE, "text/plain");
        host.send(request.body(Body::from("{}")).expect("a request")).await.error(415, REFUSED);
    }
    host.close().await;
}

#[tokio::test]
async fn wrong_types_in_every_field_are_refused_or_harmless() {
    let host = Host::open().await;
    let values =
        [json!(null), json!(true), json!(-1), json!(1e300), json!("x"), json!([]), json!([1]), json!({}), json!({"a": 1}), json!(["x"])];
    let fields = [
        "businessKey",
        "variables",
        "withVariablesInReturn",
        "suspended",
        "includeProcessInstances",
        "processInstanceIds",
        "sorting",
        "modifications",
        "deletions",
        "value",
        "type",
        "taskIdIn",
        "userId",
        "messageName",
        "correlationKeys",
        "all",
        "retries",
        "dueDates",
        "startedBefore",
        "processInstanceId",
        "active",
        "nameLike",
        "orQueries",
    ];
    for (method, path) in bodies(&host).await {
        for field in fields {
            for value in &values {
                let answer = host.json(method, &path, json!({field: value})).await;
                let expected = [200, 204, 400, 404, 500].contains(&answer.status.as_u16());
                let on_purpose = answer.status != 500 || is_camundas(&answer.value());
                assert!(expected && on_purpose, "{method} {path} {field} {value}: {} {}", answer.status, answer.text());
            }
        }
    }
    host.close().await;
}

/// Camunda answers some states, not bodies, with 500: a task that is gone or suspended, somebody else's claim.
fn is_camundas(body: &Value) -> bool {
    let kind = body["type"].as_str().unwrap_or_default();
    let message = body["message"].as_str().unwrap_or_default();
    kind == "TaskAlreadyClaimedException" || message.contains("suspended") || message.ends_with("is null")
}

#[tokio::test]
async fn nul_bytes_are_refused_wherever_they_hide() {
    let host = Host::open().await;
    host.get("/engine-rest/task?assignee=a%00b").await.error(400, REFUSED);
    host.get("/engine-rest/task/a%00b").await.error(400, REFUSED);
    host.get("/engine-rest/process-definition/key/a%00b").await.error(400, REFUSED);
    host.get("/engine-rest/process-definition/key/a%ffb").await.error(400, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn unknown_paths_and_methods_have_the_shape_of_errors() {
    let host = Host::open().await;
    for path in ["/", "/engine-rest", "/engine-rest/nothing", "/api/v1/nothing", "/engine-rest/task/1/2/3/4"] {
        host.get(path).await.error(404, REFUSED);
    }
    host.delete("/engine-rest/version").await.error(405, REFUSED);
    host.put("/engine-rest/task/1/claim", json!({})).await.error(405, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn web_pages_of_another_origin_change_nothing() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    let start = |origin: &str| {
        let request = Request::post("/engine-rest/process-definition/key/review/start").header(header::HOST, "127.0.0.1:8080");
        request.header(header::ORIGIN, origin).body(Body::empty()).expect("a request")
    };
    host.send(start("https://evil.example")).await.error(403, REFUSED);
    host.send(start("null")).await.error(403, REFUSED);
    host.send(start("http://127.0.0.1:8080")).await.ok();
    host.send(start("file://")).await.ok();
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 2);
    host.close().await;
}
