//! The ledger, and what a person says of an attempt of which nobody knows.

use mandate_tests::domain::Domain;
use mandate_tests::program::root;
use serde_json::{Value, json};

use crate::common::{Host, model};

const REFUSED: &str = "InvalidRequestException";

const MANIFEST: &str = "[delegates.worker]\nfile = \"test_scripted.wasm\"\ncommands = [\"test.dark@1\"]\n";

/// A host with an instance whose command was sent and not heard of, and that command's row of the ledger.
async fn parked(domain: &Domain) -> (Host, Value) {
    parked_on(Host::open_before(domain).await).await
}

async fn parked_on(host: Host) -> (Host, Value) {
    let model = model(
        "<bpmn:process id='p' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='a'/>\
         <bpmn:serviceTask id='a' camunda:class='worker'><bpmn:extensionElements>\
         <camunda:failedJobRetryTimeCycle>R1/PT1S</camunda:failedJobRetryTimeCycle></bpmn:extensionElements></bpmn:serviceTask>\
         <bpmn:sequenceFlow id='f2' sourceRef='a' targetRef='e'/><bpmn:endEvent id='e'/></bpmn:process>",
    );
    let guest = root().join("delegates/target/wasm32-wasip2/release/test_scripted.wasm");
    let guest = std::fs::read(&guest).unwrap_or_else(|error| panic!("{}: {error}; run `make guests`", guest.display()));
    let files = [("p.bpmn", model.as_bytes()), ("test_scripted.wasm", &guest), ("mandate.toml", MANIFEST.as_bytes())];
    host.upload("/engine-rest/deployment/create", &[("deployment-name", "dark")], &files).await.ok();
    let script = json!({"a": {"commands": [{"name": "test.dark@1", "body": {"n": 1}}]}}).to_string();
    let id = host.start("p", json!({"variables": {"script": {"type": "Json", "value": script}}})).await;
    // The start is deferred: what sends is the job that it left.
    let job = host.only_id(&format!("/engine-rest/job?processInstanceId={id}")).await;
    let failed = host.raw("POST", &format!("/engine-rest/job/{job}/execute"), Vec::new()).await;
    assert!(failed.text().contains("COMMAND_OUTCOME_UNKNOWN") || failed.text().contains("outcome is unknown"), "{}", failed.text());
    let row = host.only(&format!("/api/v1/process-instances/{id}/ledger")).await;
    assert_eq!((&row["state"], &row["verdict"], &row["appliedAfterCancellation"]), (&json!("unknown"), &json!(null), &json!(false)));
    (host, row)
}

fn verdict(row: &Value, changes: Value) -> Value {
    let mut verdict = json!({
        "command": row["command"], "key": row["key"], "attempt": row["attempt"], "applied": true, "by": "ann", "reason": "it has the key",
    });
    for (name, value) in changes.as_object().expect("an object") {
        verdict[name] = value.clone();
    }
    verdict
}

#[tokio::test]
async fn what_is_not_stored_of_a_request_cannot_be_guessed_by_its_digest() {
    let domain = Domain::start().expect("a free port");
    for (what, request) in [("[\"n\"]", json!({"n": "[not stored]"})), ("[\"m\"]", json!({"n": 1}))] {
        let secret = |catalogue: String| {
            catalogue.replace("[commands.\"test.dark@1\"]\n", &format!("[commands.\"test.dark@1\"]\ndo-not-store = {what}\n"))
        };
        let (host, row) = parked_on(Host::open_before_with(&domain, secret).await).await;
        assert_eq!(row["request"], request);
        assert_eq!(row["requestDigest"].is_null(), what.contains('n'), "{row:#}");
        let id = row["processInstanceId"].as_str().expect("an id");
        host.delete(&format!("/engine-rest/process-instance/{id}")).await.no_content();
        let exported = host.get(&format!("/api/v1/history/export?processInstanceId={id}")).await.text();
        let line: Value = serde_json::from_str(&exported).expect("one line");
        assert_eq!(line["ledger"][0]["requestDigest"], row["requestDigest"]);
        assert_eq!(line["ledger"][0]["request"], request);
        host.close().await;
    }
}

const PATH: &str = "/api/v1/ledger/verdict";

#[tokio::test]
async fn a_verdict_is_given_once_and_shown_with_its_reason() {
    let domain = Domain::start().expect("a free port");
    let (host, row) = parked(&domain).await;
    host.post(PATH, verdict(&row, json!({"reply": {"by": "hand"}}))).await.no_content();
    let again = host.post(PATH, verdict(&row, json!({"by": "bob", "applied": false}))).await;
    let message = again.error(409, "ProcessEngineException");
    assert!(message.ends_with("is applied by the verdict of ann"), "{message}");

    let logged = host.get("/engine-rest/history/user-operation?entityType=Ledger&property=state").await.ok();
    let said = ["userId", "annotation", "orgValue", "newValue", "processInstanceId"].map(|name| logged[0][name].clone());
    assert_eq!(said, [json!("ann"), json!("it has the key"), json!("unknown"), json!("applied"), row["processInstanceId"].clone()]);

    let instance = row["processInstanceId"].as_str().expect("an id");
    let decided = host.only(&format!("/api/v1/process-instances/{instance}/ledger")).await;
    assert_eq!((&decided["state"], &decided["reply"]), (&json!("applied"), &json!({"by": "hand"})));
    assert_eq!((&decided["message"], &decided["closedAt"]), (&row["message"], &row["closedAt"]));
    assert_eq!((&decided["verdict"]["by"], &decided["verdict"]["reason"]), (&json!("ann"), &json!("it has the key")));
    assert!(decided["verdict"]["at"].is_string());

    // The job goes on with it, and nothing is sent.
    let job = host.only_id(&format!("/engine-rest/job?processInstanceId={instance}")).await;
    host.put(&format!("/engine-rest/job/{job}/retries"), json!({"retries": 1})).await.no_content();
    host.raw("POST", &format!("/engine-rest/job/{job}/execute"), Vec::new()).await.no_content();
    assert_eq!(host.count(&format!("/engine-rest/process-instance/count?processInstanceIds={instance}")).await, 0);
    assert_eq!(domain.calls().into_values().collect::<Vec<_>>(), [1]);
    host.close().await;
}

#[tokio::test]
async fn a_verdict_that_lacks_something_or_names_nothing_decides_nothing() {
    let domain = Domain::start().expect("a free port");
    let (host, row) = parked(&domain).await;
    for (changes, says) in [
        (json!({"by": null}), "'by' is missing"),
        (json!({"reason": null}), "'reason' is missing"),
        (json!({"reason": " "}), "how they know"),
        (json!({"by": "x".repeat(256)}), "'by' has more than 255 characters"),
        (json!({"applied": null}), "'applied' is missing"),
        (json!({"attempt": null}), "'attempt' is missing"),
        (json!({"attempt": -1}), "'attempt'"),
        (json!({"applied": false, "reply": {}}), "'reply'"),
        (json!({"applyed": true}), "'applyed' is not known here"),
    ] {
        let message = host.post(PATH, verdict(&row, changes)).await.error(400, REFUSED);
        assert!(message.contains(says), "{says}: {message}");
    }
    for changes in [json!({"attempt": 2}), json!({"key": "other"}), json!({"command": "other"}), json!({"tenantId": "acme"})] {
        let message = host.post(PATH, verdict(&row, changes)).await.error(404, REFUSED);
        assert!(message.starts_with("Attempt with id"), "{message}");
    }
    let instance = row["processInstanceId"].as_str().expect("an id");
    assert_eq!(host.only(&format!("/api/v1/process-instances/{instance}/ledger")).await, row);
    host.close().await;
}
