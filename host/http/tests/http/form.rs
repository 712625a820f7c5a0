//! Forms of user tasks and of what starts a process.

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use crate::common::{Host, model, order};

const REFUSED: &str = "InvalidRequestException";
const FAILED: &str = "RestException";
const NOBODY: &str = "01936d0e-0000-7000-8000-000000000001.7";

const FIELDS: &str = "<camunda:formData businessKey='order'><camunda:formField id='order' type='string' label='Order'/>\
    <camunda:formField id='note' type='string' label='&lt;Note&gt;' defaultValue='as &quot;usual&quot;'>\
    <camunda:properties><camunda:property id='hint' value='short'/></camunda:properties>\
    <camunda:validation><camunda:constraint name='maxlength' config='10'/></camunda:validation></camunda:formField>\
    <camunda:formField id='amount' type='long' defaultValue='7'/><camunda:formField id='rush' type='boolean'/>\
    <camunda:formField id='due' type='date' defaultValue='24/12/2026'/>\
    <camunda:formField id='size' type='enum'><camunda:validation><camunda:constraint name='required'/></camunda:validation>\
    <camunda:value id='s' name='Small'/><camunda:value id='l' name='Large'/></camunda:formField></camunda:formData>";

/// A process whose start and whose first task ask for the same, and whose second has a form elsewhere: `asking`.
fn asking() -> String {
    model(&format!(
        "<bpmn:process id='asking' isExecutable='true'><bpmn:startEvent id='start'><bpmn:extensionElements>{FIELDS}</bpmn:extensionElements>\
         </bpmn:startEvent><bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='ask'/><bpmn:userTask id='ask'><bpmn:extensionElements>{FIELDS}\
         </bpmn:extensionElements></bpmn:userTask><bpmn:sequenceFlow id='f2' sourceRef='ask' targetRef='look'/>\
         <bpmn:userTask id='look' camunda:formKey='embedded:deployment:look.html'/></bpmn:process>"
    ))
}

async fn deployed() -> Host {
    let host = Host::open().await;
    let model = asking();
    let files: [(&str, &[u8]); 2] = [("asking.bpmn", model.as_bytes()), ("look.html", b"<form/>")];
    host.upload("/engine-rest/deployment/create", &[], &files).await.ok();
    host
}

/// The values of some variables, by name, in order: name, type and value.
fn values(variables: &Value) -> Vec<String> {
    let line = |(name, it): (&String, &Value)| format!("{name} {} {}", it["type"].as_str().unwrap_or("?"), it["value"]);
    variables.as_object().expect("variables").iter().map(line).collect()
}

#[tokio::test]
async fn a_task_shows_the_fields_of_its_form() {
    let host = deployed().await;
    let body = json!({"variables": {"amount": {"value": "3", "type": "String"}, "size": {"value": "l"}, "other": {"value": true}}});
    host.start("asking", body).await;
    let task = host.only_id("/engine-rest/task").await;
    let path = format!("/engine-rest/task/{task}");
    assert_eq!(host.get(&path).await.ok()["formKey"], json!(null));
    let form = host.get(&format!("{path}/form")).await.ok();
    assert_eq!(form["key"], json!(format!("embedded:engine://engine/:engine/task/{task}/rendered-form")));
    assert_eq!((&form["contextPath"], &form["camundaFormRef"]), (&json!(null), &json!(null)));
    let text = |value: &str, kind: &str| json!({"type": kind, "value": value, "valueInfo": {}});
    assert_eq!(
        form["formFields"][1],
        json!({"id": "note", "label": "<Note>", "typeName": "string", "businessKey": false, "properties": {"hint": "short"},
               "defaultValue": text("as \"usual\"", "String"), "value": text("as \"usual\"", "String"),
               "validationConstraints": [{"name": "maxlength", "configuration": "10"}]})
    );
    assert_eq!(form["formFields"][4]["datePattern"], "dd/MM/yyyy");
    assert_eq!(form["formFields"][4]["defaultValue"], text("2026-12-24T00:00:00.000+0000", "Date"));
    assert_eq!(form["formFields"][5]["values"], json!([{"id": "s", "name": "Small"}, {"id": "l", "name": "Large"}]));

    let variables = host.get(&format!("{path}/form-variables?deserializeValues=false")).await.ok();
    let all = [
        "amount Long 3",
        "due String \"24/12/2026\"",
        "note String \"as \\\"usual\\\"\"",
        "order String null",
        "other Boolean true",
        "rush Boolean null",
        "size String \"l\"",
    ];
    assert_eq!(values(&variables), all);
    let some = host.get(&format!("{path}/form-variables?variableNames=amount,other,none")).await.ok();
    assert_eq!(values(&some), ["amount Long 3", "other Boolean true"]);

    let rendered = host.get(&format!("{path}/rendered-form")).await;
    assert_eq!(rendered.headers[header::CONTENT_TYPE], "application/xhtml+xml");
    let html = rendered.text();
    for expected in [
        "<label for=\"note\">&lt;Note&gt;</label>",
        "name=\"note\" cam-variable-type=\"String\" cam-variable-name=\"note\" maxlength=\"10\" type=\"text\" value=\"as &quot;usual&quot;\"",
        "name=\"rush\" cam-variable-type=\"Boolean\" cam-variable-name=\"rush\" type=\"checkbox\" />",
        "<option value=\"l\" selected=\"selected\">Large</option>",
    ] {
        assert!(html.contains(expected), "{expected} is not in {html}");
    }

    // A variable that does not fit its field is no reason to show another one.
    let instance = host.only_id("/engine-rest/process-instance").await;
    host.put(&format!("/engine-rest/process-instance/{instance}/variables/amount"), json!({"value": "many"})).await.no_content();
    for (resource, words) in [("form", "Cannot get form for task"), ("form-variables", "'amount'"), ("rendered-form", "'amount'")] {
        let message = host.get(&format!("{path}/{resource}")).await.error(400, FAILED);
        assert!(message.contains(words) && !message.contains("many"), "{message}");
    }
    host.close().await;
}

#[tokio::test]
async fn what_is_submitted_fits_the_fields() {
    let host = deployed().await;
    host.start("asking", json!({})).await;
    let task = host.only_id("/engine-rest/task").await;
    let submit = format!("/engine-rest/task/{task}/submit-form");
    for (variables, expected) in [
        (json!({}), "form field 'size': validation of required failed"),
        (json!({"size": {"value": "xl"}}), "'size'"),
        (json!({"size": {"value": "s"}, "note": {"value": "more than ten"}}), "maxlength(10)"),
        (json!({"size": {"value": "s"}, "due": {"value": "2026-12-24"}}), "dd/MM/yyyy"),
        (json!({"size": {"value": "s"}, "amount": {"value": 1.5}}), "'amount'"),
    ] {
        let message = host.post(&submit, json!({"variables": variables})).await.error(400, FAILED);
        assert!(message.starts_with("Cannot submit task form ") && message.contains(expected), "{message}");
    }
    let log = "/engine-rest/history/user-operation/count?entityType=Task";
    assert_eq!((host.count("/engine-rest/task/count").await, host.count(log).await), (1, 0));
    let variables = json!({"size": {"value": "s"}, "due": {"value": "01/02/2027"}, "rush": {"value": "true"}, "other": {"value": 1}});
    let answer = host.post(&submit, json!({"variables": variables, "withVariablesInReturn": true})).await.ok();
    let all = [
        "amount Long 7",
        "due Date \"2027-02-01T00:00:00.000+0000\"",
        "note String \"as \\\"usual\\\"\"",
        "other Integer 1",
        "rush Boolean true",
        "size String \"s\"",
    ];
    assert_eq!(values(&answer), all);
    let entry = host.only("/engine-rest/history/user-operation?entityType=Task").await;
    assert_eq!((&entry["operationType"], &entry["taskId"]), (&json!("Complete"), &json!(task)));
    host.post(&submit, json!({})).await.error(500, FAILED);

    // The second task has a form elsewhere, and no fields.
    let task = host.only("/engine-rest/task").await;
    assert_eq!(task["formKey"], "embedded:deployment:look.html");
    let path = format!("/engine-rest/task/{}", task["id"].as_str().expect("an id"));
    let form = host.get(&format!("{path}/form")).await.ok();
    assert_eq!((&form["key"], &form["formFields"]), (&task["formKey"], &json!([])));
    host.get(&format!("{path}/rendered-form")).await.error(404, REFUSED);
    let page = host.get(&format!("{path}/deployed-form")).await;
    assert_eq!((page.text().as_str(), page.status.as_u16()), ("<form/>", 200));
    assert_eq!(page.headers[header::CONTENT_TYPE], "application/xhtml+xml");
    assert_eq!(page.headers[header::CONTENT_DISPOSITION], "attachment");
    host.post(&format!("{path}/submit-form"), json!({})).await.no_content();
    host.check_store().await;
    host.close().await;
}

#[tokio::test]
async fn a_process_is_started_by_its_form() {
    let host = deployed().await;
    let definition = host.only("/engine-rest/process-definition").await;
    let by_key = "/engine-rest/process-definition/key/asking";
    let by_id = format!("/engine-rest/process-definition/{}", definition["id"].as_str().expect("an id"));
    for path in [by_key, &by_id] {
        let form = host.get(&format!("{path}/startForm")).await.ok();
        let key =
            format!("embedded:engine://engine/:engine/process-definition/{}/rendered-form", definition["id"].as_str().expect("an id"));
        assert_eq!((&form["key"], &form["formFields"][0]["businessKey"]), (&json!(key), &json!(true)));
        let values = values(&host.get(&format!("{path}/form-variables?variableNames=amount,size,due")).await.ok());
        assert_eq!(values, ["amount Long 7", "due String \"24/12/2026\"", "size String null"]);
        let html = host.get(&format!("{path}/rendered-form")).await.text();
        assert!(html.contains("name=\"order\" cam-business-key=\"cam-business-key\" type"), "{html}");
        let message = host.get(&format!("{path}/deployed-start-form")).await.error(400, REFUSED);
        assert_eq!(message, "The form key is not set.");
    }
    let submit = format!("{by_key}/submit-form");
    let message = host.post(&submit, json!({"variables": {"size": {"value": "m"}}})).await.error(400, FAILED);
    assert!(message.starts_with("Cannot instantiate process definition") && message.contains("'size'"), "{message}");
    host.post(&submit, json!({"variables": {}, "skipIoMappings": true})).await.error(400, REFUSED);
    assert_eq!(host.count("/engine-rest/history/process-instance/count").await, 0);
    let started = host.post(&submit, json!({"businessKey": "o-1", "variables": {"size": {"value": "s"}}})).await.ok();
    assert_eq!((&started["businessKey"], &started["definitionId"]), (&json!("o-1"), &definition["id"]));
    let variables = format!("/engine-rest/process-instance/{}/variables", started["id"].as_str().expect("an id"));
    let all = ["amount Long 7", "due Date \"2026-12-24T00:00:00.000+0000\"", "note String \"as \\\"usual\\\"\"", "size String \"s\""];
    assert_eq!(values(&host.get(&variables).await.ok()), all);
    host.close().await;
}

/// Starts that are tried again, whatever became of the form meanwhile.
#[tokio::test]
async fn the_same_key_starts_once_by_a_form_also_when_the_form_is_gone() {
    let host = deployed().await;
    let definition = host.only("/engine-rest/process-definition").await;
    let by_id = format!("/engine-rest/process-definition/{}/submit-form", definition["id"].as_str().expect("an id"));
    let by_key = "/engine-rest/process-definition/key/asking/submit-form";
    let submit = async |path: &str, size: &str| {
        let request = Request::post(path).header("Idempotency-Key", "order-1").header(header::CONTENT_TYPE, "application/json");
        let body = json!({"variables": {"size": {"value": size}}}).to_string();
        host.send(request.body(Body::from(body)).expect("a request")).await
    };
    let first = submit(by_key, "s").await;
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let mut first = first.ok();
    let again = async |expected: &Value| {
        for path in [by_key, &by_id] {
            let answer = submit(path, "m").await;
            assert_eq!(answer.headers["idempotency-replayed"], "true", "{path}");
            assert_eq!(answer.ok(), *expected, "{path}");
        }
    };
    again(&first).await;
    assert_eq!(host.count("/engine-rest/process-instance/count").await, 1);
    let deployment = definition["deploymentId"].as_str().expect("an id");
    host.delete(&format!("/engine-rest/deployment/{deployment}?cascade=true")).await.no_content();
    first["ended"] = json!(true);
    again(&first).await;
    host.close().await;
}

#[tokio::test]
async fn what_has_no_form_says_so() {
    let host = Host::open().await;
    host.deploy("orders", &order()).await;
    host.post("/engine-rest/message", json!({"messageName": "ordered"})).await.no_content();
    // A message starts it, and nobody by a form.
    for resource in ["startForm", "form-variables", "rendered-form", "deployed-start-form"] {
        let message = host.get(&format!("/engine-rest/process-definition/key/order/{resource}")).await.error(400, REFUSED);
        assert!(message.contains("No startFormHandler defined"), "{message}");
        host.get(&format!("/engine-rest/process-definition/key/none/{resource}")).await.error(404, REFUSED);
        host.get(&format!("/engine-rest/process-definition/key/order/tenant-id/none/{resource}")).await.error(404, REFUSED);
    }
    let task = host.only_id("/engine-rest/task").await;
    let path = format!("/engine-rest/task/{task}");
    let form = host.get(&format!("{path}/form")).await.ok();
    assert_eq!((&form["key"], &form["formFields"]), (&json!(null), &json!([])));
    host.get(&format!("{path}/rendered-form")).await.error(404, REFUSED);
    host.get(&format!("{path}/deployed-form")).await.error(400, REFUSED);
    for resource in ["form", "rendered-form", "deployed-form"] {
        host.get(&format!("/engine-rest/task/{NOBODY}/{resource}")).await.error(404, REFUSED);
    }
    host.get(&format!("/engine-rest/task/{NOBODY}/form-variables")).await.error(400, "BadUserRequestException");
    host.close().await;
}
