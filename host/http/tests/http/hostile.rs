//! What no client should send. None of it may be answered with a 5xx that is not Camunda's, and every refusal has Camunda's shape.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use serde_json::{Value, json};

use crate::common::{Answer, Host, model_with, review};

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

/// Every path of Camunda's API, as its document lists them: that it lists them all is held by the rules of the repository.
fn documented() -> Vec<&'static str> {
    let page = include_str!("../../../../docs/rest.md");
    let section = page.split_once("## `/engine-rest`").and_then(|(_, rest)| rest.split("\n## ").next()).expect("a section");
    let rows = section.lines().filter(|line| line.starts_with("| "));
    let paths: Vec<_> = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).filter(|path| path.starts_with('/')).collect();
    assert!(paths.len() > 100, "{paths:?}");
    paths
}

/// What takes no body, or one that is no JSON: it may do what it is there for.
const WITHOUT_JSON: &[&str] = &[
    "/deployment/create",
    "/external-task/{id}/unlock",
    "/history/user-operation/{id}/clear-annotation",
    "/job/{id}/duedate/recalculate",
    "/job/{id}/execute",
    "/task/{id}/unclaim",
];

/// A person, a worker, a timer and a message, all of one instance.
async fn of_everything(host: &Host) -> impl Fn(&str) -> String + use<> {
    let contents = "<bpmn:startEvent id='s'/><bpmn:parallelGateway id='g'/><bpmn:userTask id='look'/>\
        <bpmn:serviceTask id='work' camunda:type='external' camunda:topic='t'/><bpmn:receiveTask id='hear' messageRef='m'/>\
        <bpmn:intermediateCatchEvent id='wait'><bpmn:timerEventDefinition><bpmn:timeDuration>PT1H</bpmn:timeDuration></bpmn:timerEventDefinition>\
        </bpmn:intermediateCatchEvent>";
    let flows = [("s", "g"), ("g", "look"), ("g", "work"), ("g", "hear"), ("g", "wait")]
        .map(|(from, to)| format!("<bpmn:sequenceFlow id='{from}-{to}' sourceRef='{from}' targetRef='{to}'/>"))
        .concat();
    let process = format!("<bpmn:process id='all' isExecutable='true'>{contents}{flows}</bpmn:process>");
    let deployment = host.deploy("all", &model_with("<bpmn:message id='m' name='heard'/>", &process)).await;
    let instance = host.start("all", json!({"variables": {"x": {"value": 1}}})).await;
    let definition = host.only_id("/engine-rest/process-definition").await;
    let deployment = deployment["id"].as_str().expect("an id").to_owned();
    let ids = [
        ("/deployment/", deployment),
        ("/process-definition/", definition.clone()),
        ("/job-definition/", format!("{definition}:wait:timer")),
        ("/task/", host.only_id("/engine-rest/task").await),
        ("/external-task/", host.only_id("/engine-rest/external-task").await),
        ("/job/", host.only_id("/engine-rest/job").await),
    ];
    move |path: &str| {
        let id = ids.iter().find(|(noun, _)| path.starts_with(noun)).map_or(&instance, |(_, id)| id);
        let path = path.replace("{id}", id).replace("{key}", "all").replace("{tenant}", "none");
        format!("/engine-rest{}", path.replace("{name}", "x").replace("{resource}", "p.bpmn"))
    }
}

/// Names of fields, each of some request.
const FIELDS: &[&str] = &[
    "activityId",
    "annotation",
    "businessKey",
    "candidateGroups",
    "correlationKeys",
    "deploymentId",
    "dueDates",
    "duedate",
    "errorCode",
    "errorMessage",
    "escalationCode",
    "executionDate",
    "externalTaskIds",
    "groupId",
    "includeJobs",
    "instructions",
    "jobDefinitionId",
    "localVariables",
    "lockDuration",
    "maxTasks",
    "messageName",
    "modifications",
    "name",
    "newDuration",
    "orQueries",
    "priority",
    "processDefinitionId",
    "processInstanceIds",
    "processVariables",
    "retries",
    "sorting",
    "suspended",
    "topics",
    "type",
    "userId",
    "value",
    "variables",
    "workerId",
];

/// Whatever is answered, it is not the host's own trouble, and a refusal has Camunda's shape.
fn is_said_on_purpose(answer: &Answer) -> bool {
    if answer.status.is_success() {
        return true;
    }
    let body = answer.value();
    let message = body["message"].as_str();
    let is_trouble = message.is_none_or(|message| message.ends_with("its log says why"));
    body["type"].is_string() && !is_trouble && (answer.status.is_client_error() || answer.status == StatusCode::INTERNAL_SERVER_ERROR)
}

#[tokio::test]
async fn no_route_takes_a_body_that_it_cannot_read() {
    let host = Host::open().await;
    let at = of_everything(&host).await;
    let (without, with): (Vec<_>, Vec<_>) = documented().into_iter().partition(|path| WITHOUT_JSON.contains(path));
    let bodies: [&[u8]; 8] =
        [b"{", b"[]", b"null", b"\"text\"", b"{\"wibble\": 1}", b"{\"\\u0000\": 1}", &[0xff, 0xfe], b"{\"a\": \"\xff\"}"];
    for path in with.iter().chain(&without) {
        for method in ["POST", "PUT"] {
            for body in bodies {
                let answer = host.raw(method, &at(path), body.to_vec()).await;
                let shown = format!("{method} {path} {}: {} {}", String::from_utf8_lossy(body), answer.status, answer.text());
                assert!(is_said_on_purpose(&answer), "{shown}");
                assert!(WITHOUT_JSON.contains(path) || !answer.status.is_success(), "{shown}");
            }
        }
    }
    host.close().await;
}

#[tokio::test]
async fn no_route_is_confused_by_fields_of_another_type() {
    let host = Host::open().await;
    let at = of_everything(&host).await;
    let values = [json!(-1), json!(1e300), json!("x"), json!([1]), json!({"a": 1}), json!([{"a": null}])];
    for path in documented() {
        for method in ["POST", "PUT"] {
            if host.json(method, &at(path), json!({"wibble": 1})).await.status == StatusCode::METHOD_NOT_ALLOWED {
                continue;
            }
            for field in FIELDS {
                for value in &values {
                    let answer = host.json(method, &at(path), json!({*field: value})).await;
                    let text = answer.text();
                    assert!(is_said_on_purpose(&answer), "{method} {path} {field} {value}: {} {text}", answer.status);
                }
            }
        }
    }
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn no_route_is_confused_by_ids_or_query_strings() {
    let host = Host::open().await;
    let at = of_everything(&host).await;
    let long = "9".repeat(300);
    let ids = [
        "x",
        "%00",
        "%ff",
        "..%2F..",
        "%27%3B--",
        "0.0",
        "a.b.c.d",
        long.as_str(),
        "00000000-0000-0000-0000-000000000000.18446744073709551615",
    ];
    let queries = [
        "a=%00",
        "maxResults=-1",
        "firstResult=99999999999",
        "sortBy=wibble&sortOrder=asc",
        "variables=a_b",
        "processInstanceId=%ff",
        "a=1&a=2",
    ];
    for path in documented() {
        for query in queries {
            let answer = host.get(&format!("{}?{query}", at(path))).await;
            assert!(is_said_on_purpose(&answer), "GET {path}?{query}: {} {}", answer.status, answer.text());
        }
        for id in ids.iter().filter(|_| path.contains('{')) {
            let parts = path.split('/').map(|part| if part.starts_with('{') { id } else { part });
            let strange = format!("/engine-rest{}", parts.collect::<Vec<_>>().join("/"));
            let json = host.json("POST", &strange, json!({})).await;
            for answer in [host.get(&strange).await, host.delete(&strange).await, json, host.json("PUT", &strange, json!({})).await] {
                assert!(is_said_on_purpose(&answer), "{strange}: {} {}", answer.status, answer.text());
            }
        }
    }
    host.close().await;
}

#[tokio::test]
async fn what_is_said_not_to_be_there_is_not() {
    let host = Host::open().await;
    let page = include_str!("../../../../docs/rest.md");
    let section = page.split_once("### What is not there").and_then(|(_, rest)| rest.split("\n### ").next()).expect("a section");
    let first_cells = section.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    let paths: Vec<_> = first_cells.flat_map(|cell| cell.split('`').step_by(2)).filter(|path| !path.is_empty()).collect();
    assert!(paths.len() > 25, "{paths:?}");
    for path in paths {
        let path = format!("/engine-rest/{}", path.trim_end_matches('…').replace("{id}", "x").replace("{key}", "x"));
        for answer in [host.get(&path).await, host.put(&path, json!({})).await] {
            assert!([404, 405].contains(&answer.status.as_u16()), "{path}: {}", answer.text());
            answer.error(answer.status.as_u16(), REFUSED);
        }
    }
    host.close().await;
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
async fn web_pages_whose_name_was_made_to_lead_here_read_nothing() {
    let hosts = mandate_http::Hosts::Loopback(vec!["mandate.internal".to_owned()]);
    let host = Host::open_executing(mandate_http::Options { hosts, ..mandate_http::Options::default() }).await;
    let list = |asked: &str| {
        let request = Request::get("/engine-rest/process-instance").header(header::HOST, asked);
        request.header(header::ORIGIN, format!("http://{asked}")).body(Body::empty()).expect("a request")
    };
    for asked in ["evil.example:8080", "localhost.evil.example", "10.1.2.3:8080"] {
        assert!(host.send(list(asked)).await.error(421, REFUSED).contains("--allowed-hosts"));
    }
    // Probes ask by address.
    for probe in ["/api/v1/health", "/api/v1/readiness"] {
        let request = Request::get(probe).header(header::HOST, "10.1.2.3:8080").body(Body::empty()).expect("a request");
        host.send(request).await.ok();
    }
    for asked in ["localhost:8080", "[::1]:8080", "mandate.internal"] {
        host.send(list(asked)).await.ok();
    }
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
    assert!(host.send(start("https://evil.example")).await.error(403, REFUSED).contains("--allowed-hosts"));
    host.send(start("null")).await.error(403, REFUSED);
    host.send(start("http://127.0.0.1:8080")).await.ok();
    host.send(start("file://")).await.ok();
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 2);
    host.close().await;
}

#[tokio::test]
async fn web_pages_behind_a_proxy_that_passes_on_no_host_change_what_the_operator_lets_them() {
    let hosts = mandate_http::Hosts::Loopback(vec!["cockpit.example".to_owned()]);
    let host = Host::open_executing(mandate_http::Options { hosts, ..mandate_http::Options::default() }).await;
    host.deploy("reviews", &review()).await;
    let start = |origin: &str, asked: &str| {
        let request = Request::post("/engine-rest/process-definition/key/review/start").header(header::HOST, asked);
        request.header(header::ORIGIN, origin).body(Body::empty()).expect("a request")
    };
    host.send(start("https://cockpit.example", "127.0.0.1:8080")).await.ok();
    host.send(start("https://cockpit.example", "cockpit.example:443")).await.ok();
    host.send(start("https://evil.example", "127.0.0.1:8080")).await.error(403, REFUSED);
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 2);
    host.close().await;
}
