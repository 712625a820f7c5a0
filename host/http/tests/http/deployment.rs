//! `/deployment`.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::json;

use crate::common::{Host, assert_properties, model, order, payment, review};

const CREATED: &[&str] = &[
    "links",
    "id",
    "name",
    "source",
    "deploymentTime",
    "tenantId",
    "deployedProcessDefinitions",
    "deployedCaseDefinitions",
    "deployedDecisionDefinitions",
    "deployedDecisionRequirementsDefinitions",
];
const DEPLOYMENT: &[&str] = &["links", "id", "name", "source", "deploymentTime", "tenantId"];
const CREATE: &str = "/engine-rest/deployment/create";

#[tokio::test]
async fn a_file_that_only_draws_goes_along_with_one_that_runs() {
    let host = Host::open().await;
    let drawn = review().replace("isExecutable='true'", "isExecutable='false'");
    assert_ne!(drawn, review());
    let alone: [(&str, &[u8]); 1] = [("drawn.bpmn", drawn.as_bytes())];
    let refused = host.upload(CREATE, &[("deployment-name", "orders")], &alone).await.error(400, "InvalidRequestException");
    assert!(refused.contains("neither a process that is executable nor a component"), "{refused}");
    let both: [(&str, &[u8]); 2] = [("drawn.bpmn", drawn.as_bytes()), ("order.bpmn", order().into_bytes().leak())];
    let created = host.upload(CREATE, &[("deployment-name", "orders")], &both).await.ok();
    assert_eq!(created["deployedProcessDefinitions"].as_object().map(serde_json::Map::len), Some(1));
    assert_eq!(created["warnings"][0]["resource"], "drawn.bpmn");
    let id = created["id"].as_str().expect("an id");
    assert_eq!(host.get(&format!("/engine-rest/deployment/{id}/resources")).await.ok().as_array().map(Vec::len), Some(2));
    host.close().await;
}

#[tokio::test]
async fn a_deployment_is_created_listed_read_and_deleted() {
    let host = Host::open().await;
    let texts = [("deployment-name", "orders"), ("deployment-source", "test"), ("tenant-id", "acme"), ("deployment-activation-time", "")];
    let files: [(&str, &[u8]); 2] = [("review.bpmn", review().into_bytes().leak()), ("notes.txt", b"read me")];
    let created = host.upload(CREATE, &texts, &files).await.ok();
    assert_properties(&created, CREATED, &["existing", "bindings", "warnings"]);
    let id = created["id"].as_str().expect("an id").to_owned();
    let definitions = created["deployedProcessDefinitions"].as_object().expect("definitions");
    let (definition_id, definition) = definitions.iter().next().expect("one");
    assert!(definition_id.starts_with("review:1:"), "{definition_id}");
    assert_eq!(definition["id"], **definition_id);
    assert_eq!(definition["tenantId"], "acme");

    let listed = host.only("/engine-rest/deployment?name=orders&tenantIdIn=acme&sortBy=deploymentTime&sortOrder=desc").await;
    assert_properties(&listed, DEPLOYMENT, &[]);
    assert_eq!((&listed["id"], &listed["source"]), (&json!(id), &json!("test")));
    assert_eq!(host.get(&format!("/engine-rest/deployment/{id}")).await.ok(), listed);
    assert_eq!(host.count("/engine-rest/deployment/count?nameLike=ord%25").await, 1);
    assert_eq!(host.count("/engine-rest/deployment/count?withoutTenantId=true").await, 0);

    let resources = host.get(&format!("/engine-rest/deployment/{id}/resources")).await.ok();
    let names: Vec<_> = resources.as_array().expect("a list").iter().map(|resource| resource["name"].as_str().expect("a name")).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    let notes = resources.as_array().expect("a list").iter().find(|resource| resource["name"] == "notes.txt").expect("notes");
    assert_properties(notes, &["id", "name", "deploymentId"], &[]);
    let resource = format!("/engine-rest/deployment/{id}/resources/{}", notes["id"].as_str().expect("an id"));
    assert_eq!(&host.get(&resource).await.ok(), notes);
    let data = host.get(&format!("{resource}/data")).await;
    assert_eq!((data.status.as_u16(), data.bytes.as_slice()), (200, b"read me".as_slice()));
    assert!(data.headers["content-disposition"].to_str().expect("text").contains("notes.txt"));

    host.delete(&format!("/engine-rest/deployment/{id}")).await.no_content();
    host.get(&format!("/engine-rest/deployment/{id}")).await.error(404, "InvalidRequestException");
    host.delete(&format!("/engine-rest/deployment/{id}")).await.error(404, "InvalidRequestException");
    host.get(&format!("/engine-rest/deployment/{id}/resources")).await.error(404, "InvalidRequestException");
    host.close().await;
}

#[tokio::test]
async fn the_modelers_connection_check_is_answered() {
    let host = Host::open().await;
    host.deploy("one", &review()).await;
    assert_eq!(host.get("/engine-rest/deployment?maxResults=0").await.ok(), json!([]));
    assert_eq!(host.get("/engine-rest/version").await.ok(), json!({"version": "7.24.0"}));
    assert_eq!(host.get("/engine-rest/engine").await.ok(), json!([{"name": "default"}]));
    assert_eq!(host.count("/engine-rest/engine/default/deployment/count").await, 1);
    host.close().await;
}

#[tokio::test]
async fn identical_content_is_recognised_when_asked() {
    let host = Host::open().await;
    let review = review();
    let files: [(&str, &[u8]); 1] = [("review.bpmn", review.as_bytes())];
    let first = host.upload(CREATE, &[("deployment-name", "a"), ("enable-duplicate-filtering", "True")], &files).await.ok();
    let second = host.upload(CREATE, &[("deployment-name", "a"), ("deploy-changed-only", "true")], &files).await.ok();
    assert_eq!(first["id"], second["id"]);
    assert_eq!((&first["existing"], &second["existing"]), (&json!(false), &json!(true)));
    assert!(second["warnings"].to_string().contains("deploy-changed-only"), "{second:#}");
    let third = host.upload(CREATE, &[("deployment-name", "a")], &files).await.ok();
    assert_ne!(first["id"], third["id"]);
    host.close().await;
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_stores_nothing() {
    let host = Host::open().await;
    let review = review();
    let files: [(&str, &[u8]); 1] = [("review.bpmn", review.as_bytes())];
    for (path, texts) in [(CREATE.to_owned(), vec![("mandate-dry-run", "true")]), (format!("{CREATE}?dryRun=true"), vec![])] {
        let answer = host.upload(&path, &texts, &files).await.ok();
        assert_eq!(answer["id"], json!(null));
    }
    let broken: [(&str, &[u8]); 1] = [("review.bpmn", b"<x/>")];
    host.upload(&format!("{CREATE}?dryRun=true"), &[], &broken).await.error(400, "ParseException");
    assert_eq!(host.count("/engine-rest/deployment/count").await, 0);
    host.close().await;
}

#[tokio::test]
async fn a_model_that_does_not_parse_is_underlined_in_the_modeler() {
    let host = Host::open().await;
    let broken = review().replace("targetRef='end'", "targetRef='nowhere'");
    let files: [(&str, &[u8]); 1] = [("review.bpmn", broken.as_bytes())];
    let answer = host.upload(CREATE, &[("deployment-name", "a")], &files).await;
    let message = answer.error(400, "ParseException");
    assert!(message.starts_with("ENGINE-09005 Could not parse BPMN process. Errors: \n* "), "{message}");
    assert!(message.contains("| resource review.bpmn | element f2 | line "), "{message}");
    let report = answer.value()["details"]["review.bpmn"].clone();
    assert_properties(&report, &["errors", "warnings"], &[]);
    let error = &report["errors"][0];
    assert_properties(error, &["message", "line", "column", "mainElementId", "elementIds"], &[]);
    assert_eq!(error["elementIds"][0], error["mainElementId"]);
    assert!(error["line"].as_u64().expect("a line") > 0);
    assert_eq!(host.count("/engine-rest/deployment/count").await, 0);
    host.close().await;
}

#[tokio::test]
async fn uploads_that_are_no_deployments_are_refused() {
    let host = Host::open().await;
    let wasm: [(&str, &[u8]); 1] = [("reserve.wasm", b"this is text")];
    let message = host.upload(CREATE, &[], &wasm).await.error(400, "InvalidRequestException");
    assert!(message.contains("reserve.wasm"), "{message}");
    host.upload(CREATE, &[], &[]).await.error(400, "InvalidRequestException");
    host.upload(CREATE, &[("unknown-text", "x")], &[]).await.error(400, "InvalidRequestException");
    host.upload(CREATE, &[("enable-duplicate-filtering", "maybe")], &[]).await.error(400, "InvalidRequestException");
    host.upload(CREATE, &[("deployment-activation-time", "2030-01-01T00:00:00Z")], &[]).await.error(400, "InvalidRequestException");
    host.upload(CREATE, &[("deployment-name", "a\0b")], &[]).await.error(400, "InvalidRequestException");
    host.post(CREATE, json!({})).await.error(400, "InvalidRequestException");
    assert_eq!(host.count("/engine-rest/deployment/count").await, 0);
    host.close().await;
}

#[tokio::test]
async fn an_upload_beyond_the_limit_is_refused() {
    let options = mandate_http::Options { upload_limit: 20_000, ..mandate_http::Options::default() };
    let host = Host::open_with(options).await;
    host.deploy("fits", &review()).await;
    let large = vec![b' '; 30_000];
    host.upload(CREATE, &[], &[("large.txt", large.as_slice())]).await.error(413, "InvalidRequestException");
    host.close().await;
}

#[tokio::test]
async fn a_deployment_in_use_is_not_deleted_unless_cascading() {
    let host = Host::open().await;
    let id = host.deploy("payments", &payment()).await["id"].as_str().expect("an id").to_owned();
    host.start("payment", json!({})).await;
    let message = host.delete(&format!("/engine-rest/deployment/{id}")).await.error(409, "ProcessEngineException");
    assert!(message.contains("cascade"), "{message}");
    host.delete(&format!("/engine-rest/deployment/{id}?cascade=true&skipCustomListeners=true")).await.no_content();
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 0);
    host.close().await;
}

#[tokio::test]
async fn a_message_that_starts_another_process_refuses_the_deployment() {
    let host = Host::open().await;
    host.deploy("orders", &order()).await;
    let other = order().replace("id='order'", "id='other'");
    let files: [(&str, &[u8]); 1] = [("other.bpmn", other.as_bytes())];
    let taken =
        "Cannot deploy process definition 'other.bpmn': there already is a message event subscription for the message with name 'ordered'.";
    for texts in [&[][..], &[("mandate-dry-run", "true")], &[("enable-duplicate-filtering", "true")]] {
        let answer = host.upload(CREATE, texts, &files).await;
        let message = answer.error(400, "ParseException");
        assert!(message.contains(taken) && message.contains("'order' starts by it"), "{texts:?}: {message}");
        let problem = &answer.value()["details"]["other.bpmn"]["errors"][0];
        assert_eq!((&problem["mainElementId"], &problem["line"]), (&json!("start"), &json!(2)), "{texts:?}");
    }
    host.deploy("orders", &order().replace("id='pack'", "id='pack' name='Pack it'")).await;
    host.upload(CREATE, &[("tenant-id", "acme")], &files).await.ok();

    // In one deployment: neither may two share it, nor does the older version of one count.
    let shared = order().replace("id='order'", "id='third'");
    let both: [(&str, &[u8]); 2] = [("other.bpmn", other.as_bytes()), ("third.bpmn", shared.as_bytes())];
    let message = host.upload(CREATE, &[("tenant-id", "else")], &both).await.error(400, "ParseException");
    assert!(message.contains("'third.bpmn'") && message.contains("'other' starts by it"), "{message}");
    let renamed = order().replace("ordered", "bought");
    let exchange: [(&str, &[u8]); 2] = [("other.bpmn", other.as_bytes()), ("order.bpmn", renamed.as_bytes())];
    host.upload(CREATE, &[], &exchange).await.ok();
    assert_eq!(host.count("/engine-rest/process-definition/count?withoutTenantId=true").await, 4);
    host.close().await;
}

#[tokio::test]
async fn what_is_there_already_is_recognised_though_another_process_has_its_message_now() {
    let host = Host::open().await;
    let (first, later) = (order(), order().replace("ordered", "bought"));
    let deploy = async |name: &str, model: &str| {
        let texts = [("deployment-name", name), ("enable-duplicate-filtering", "true")];
        host.upload(CREATE, &texts, &[("p.bpmn", model.as_bytes())]).await.ok()
    };
    let original = deploy("orders", &first).await;
    deploy("changed", &later).await;
    deploy("other", &first.replace("id='order'", "id='other'")).await;
    let again = deploy("orders", &first).await;
    assert_eq!((&again["id"], &again["existing"]), (&original["id"], &json!(true)));
    host.close().await;
}

#[tokio::test]
async fn an_upload_has_so_many_parts_and_so_many_problems() {
    let host = Host::open().await;
    let names: Vec<_> = (0..1_001).map(|n| format!("{n}.bpmn")).collect();
    let mut files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), b"<x/>".as_slice())).collect();
    let refused = host.upload(CREATE, &[], &files).await.error(400, "InvalidRequestException");
    assert!(refused.contains("more than 1000 parts"), "{refused}");
    // Two errors each.
    let lost = review().replace("targetRef='", "targetRef='lost-").into_bytes();
    files.truncate(1_000);
    for file in &mut files {
        file.1 = &lost;
    }
    let answer = host.upload(CREATE, &[], &files).await;
    let refused = answer.error(400, "ParseException");
    assert_eq!(refused.matches("\n* ").count(), 1_001, "as many as are shown, and that there are more");
    assert!(refused.contains("may have more errors than the 1000 that are shown"));
    let problems = |kind: &str| -> usize {
        let details = answer.value()["details"].clone();
        details.as_object().expect("reports").values().map(|report| report[kind].as_array().expect("a list").len()).sum()
    };
    assert_eq!((problems("errors"), problems("warnings") <= 1_001), (1_001, true));
    host.close().await;
}

#[tokio::test]
async fn warnings_beyond_those_that_are_shown_keep_no_file_from_being_deployed() {
    let host = Host::open().await;
    let names: Vec<_> = (0..20).map(|n| format!("{n}.bpmn")).collect();
    // Sixty calls of a process that the deployment does not have, each.
    let call = |n: u32| {
        let from = if n == 0 { "s".to_owned() } else { format!("c{}", n - 1) };
        format!(
            "<bpmn:callActivity id='c{n}' calledElement='elsewhere' camunda:calledElementBinding='deployment'/>\
             <bpmn:sequenceFlow id='f{n}' sourceRef='{from}' targetRef='c{n}'/>"
        )
    };
    let calls = (0..60).map(call).collect::<Vec<_>>().concat();
    let models: Vec<_> = (0..20)
        .map(|n| {
            model(&format!("<bpmn:process id='p{n}' isExecutable='true'><bpmn:startEvent id='s'/>{calls}</bpmn:process>")).into_bytes()
        })
        .collect();
    let files: Vec<(&str, &[u8])> = names.iter().zip(&models).map(|(name, model)| (name.as_str(), model.as_slice())).collect();
    let created = host.upload(CREATE, &[], &files).await.ok();
    assert_eq!(created["deployedProcessDefinitions"].as_object().map(serde_json::Map::len), Some(20));
    let warnings = created["warnings"].as_array().expect("a list");
    assert_eq!(warnings.len(), 1_001);
    assert!(warnings[1_000]["message"].as_str().expect("text").contains("more warnings"), "{}", warnings[1_000]);
    host.close().await;
}

#[tokio::test]
async fn files_have_the_names_that_clients_give_them_beyond_ascii() {
    let host = Host::open().await;
    // Python's requests, .NET's HttpClient with both of its names, and curl.
    for (n, name) in [
        "filename*=utf-8''pr%C3%BCfung.bpmn",
        "filename=\"=?utf-8?B?cHLDvGZ1bmcuYnBtbg==?=\"; filename*=utf-8''pr%C3%BCfung.bpmn",
        "filename=\"=?utf-8?B?cHLDvGZ1bmcuYnBtbg==?=\"",
        "filename=\"prüfung.bpmn\"",
    ]
    .into_iter()
    .enumerate()
    {
        let body = format!("--b\r\nContent-Disposition: form-data; name=\"data\"; {name}\r\n\r\n{}\r\n--b--\r\n", review());
        let request = Request::post(CREATE).header(header::CONTENT_TYPE, "multipart/form-data; boundary=b");
        host.send(request.body(Body::from(body)).expect("a request")).await.ok();
        let definition = host.only(&format!("/engine-rest/process-definition?key=review&version={}", n + 1)).await;
        assert_eq!(definition["resource"], "prüfung.bpmn", "{name}");
    }
    host.close().await;
}
