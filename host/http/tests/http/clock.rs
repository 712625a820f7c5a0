//! `/api/v1/clock`.

use serde_json::json;

use crate::common::{Host, model};

/// A process that ends two days after its start: `wait`.
fn wait() -> String {
    model(
        "<bpmn:process id='wait' isExecutable='true'><bpmn:startEvent id='s'/><bpmn:intermediateCatchEvent id='t'><bpmn:timerEventDefinition>\
         <bpmn:timeDuration>P2D</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:intermediateCatchEvent><bpmn:endEvent id='e'/>\
         <bpmn:sequenceFlow id='f1' sourceRef='s' targetRef='t'/><bpmn:sequenceFlow id='f2' sourceRef='t' targetRef='e'/></bpmn:process>",
    )
}

#[tokio::test]
async fn a_host_by_its_systems_clock_tells_the_time_and_refuses_to_set_it() {
    let host = Host::open().await;
    let now = host.get("/api/v1/clock").await.ok()["now"].as_str().expect("a date").to_owned();
    assert!(now.starts_with("20") && now.ends_with('Z') && now.len() == "2026-11-20T10:00:00.000Z".len(), "{now}");
    let refused = host.put("/api/v1/clock", json!({"now": "2999-01-01T00:00:00Z"})).await;
    refused.error(409, "ProcessEngineException");
    host.close().await;
}

#[tokio::test]
async fn a_timeout_of_two_days_passes_in_a_moment() {
    let host = Host::open_under_a_set_clock().await;
    host.deploy("waits", &wait()).await;
    host.put("/api/v1/clock", json!({"now": "2099-11-20T10:00:00.000Z"})).await.ok();
    let id = host.start("wait", json!({})).await;
    let moved = host.put("/api/v1/clock", json!({"now": "2099-11-22T09:59:59.999Z"})).await.ok();
    assert_eq!(moved, json!({"now": "2099-11-22T09:59:59.999Z"}));
    host.get(&format!("/engine-rest/process-instance/{id}")).await.ok();
    host.put("/api/v1/clock", json!({"now": "2099-11-23T00:00:00.000+0100"})).await.ok();
    assert_eq!(host.get("/api/v1/clock").await.ok(), json!({"now": "2099-11-22T23:00:00.000Z"}));
    let ended = host.get(&format!("/engine-rest/history/process-instance/{id}")).await.ok();
    assert_eq!((&ended["startTime"], &ended["endTime"]), (&json!("2099-11-20T10:00:00.000+0000"), &json!("2099-11-22T10:00:00.000+0000")));

    let refused = |body| host.put("/api/v1/clock", body);
    for (body, why) in [
        (json!({"now": "2099-11-22T22:59:59Z"}), "forward only"),
        (json!({}), "'now' is missing"),
        (json!({"now": "tomorrow"}), "now"),
        (json!({"now": "2100-01-01T00:00:00Z", "zone": "UTC"}), "zone"),
    ] {
        let answer = refused(body).await.error(400, "InvalidRequestException");
        assert!(answer.contains(why), "{answer}");
    }
    host.close().await;
}
