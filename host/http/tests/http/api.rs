//! `/api/v1` and `/metrics`.

use mandate_http::{Options, metrics_recorder};
use serde_json::json;

use crate::common::{Host, fragile, nested, payment, review};

const REFUSED: &str = "InvalidRequestException";

#[tokio::test]
async fn a_host_says_whether_it_is_up_ready_and_consistent() {
    let host = Host::open().await;
    assert_eq!(host.get("/api/v1/health").await.ok(), json!({"status": "up"}));
    assert_eq!(host.get("/api/v1/readiness").await.ok(), json!({"ready": true}));
    host.deploy("reviews", &review()).await;
    host.start("review", json!({})).await;
    let report = host.raw("POST", "/api/v1/check-store", Vec::new()).await.ok();
    assert_eq!((&report["instances"], &report["findings"]), (&json!(1), &json!([])));
    host.close().await;
}

#[tokio::test]
async fn a_host_that_is_stopping_is_not_ready_and_takes_nothing() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    host.stop().await;
    let readiness = host.get("/api/v1/readiness").await;
    readiness.error(503, "ProcessEngineException");
    assert!(readiness.headers.contains_key("retry-after"));
    assert_eq!(host.get("/api/v1/health").await.ok(), json!({"status": "up"}));
}

#[tokio::test]
async fn every_leaf_says_why_it_stands_where_it_stands() {
    let host = Host::open().await;
    host.deploy("reviews", &review()).await;
    host.deploy("payments", &payment()).await;
    let review = host.start("review", json!({"businessKey": "a"})).await;
    host.start("payment", json!({"businessKey": "b"})).await;

    let all = host.get("/api/v1/waiting").await.ok();
    assert_eq!(all["next"], json!(null));
    let items = all["items"].as_array().expect("a list");
    assert_eq!(items.len(), 2);
    let task = items.iter().find(|item| item["processInstanceId"] == review).expect("the review");
    assert_eq!((&task["reason"], &task["activityId"], &task["businessKey"]), (&json!("task"), &json!("look"), &json!("a")));
    let only = host.get("/api/v1/waiting?processDefinitionKey=payment&businessKey=b").await.ok();
    assert_eq!((&only["items"][0]["reason"], &only["items"][0]["message"]), (&json!("message"), &json!("paid")));
    assert_eq!(host.get("/api/v1/waiting?overdue=true").await.ok()["items"], json!([]));

    let first = host.get("/api/v1/waiting?maxInstances=1").await.ok();
    let next = first["next"].as_str().expect("there is more");
    let second = host.get(&format!("/api/v1/waiting?maxInstances=1&after={next}")).await.ok();
    assert_ne!(first["items"][0]["processInstanceId"], second["items"][0]["processInstanceId"]);
    for filter in ["after=nonsense", "maxInstances=0", "maxInstances=100000", "wibble=1", "overdueAt=soon"] {
        host.get(&format!("/api/v1/waiting?{filter}")).await.error(400, REFUSED);
    }
    host.close().await;
}

#[tokio::test]
async fn what_is_overdue_is_counted_as_it_is_listed() {
    let host = Host::open().await;
    host.deploy("late", &nested("2020-01-01T00:00:00Z")).await;
    host.deploy("early", &nested("2100-01-01T00:00:00Z").replace("id='nested'", "id='early'")).await;
    host.deploy("payments", &payment()).await;
    let instance = host.start("nested", json!({"businessKey": "late"})).await;
    for key in ["early", "payment"] {
        host.start(key, json!({})).await;
    }
    let overdue = host.get("/api/v1/waiting?overdue=true").await.ok();
    let items = overdue["items"].as_array().expect("a list");
    let told: Vec<_> = items.iter().map(|item| (&item["activityId"], &item["reason"], &item["processInstanceId"])).collect();
    let id = json!(instance);
    assert_eq!(told, [(&json!("scope"), &json!("timer"), &id), (&json!("task"), &json!("task"), &id)]);
    assert_eq!(items[1]["until"], 1_577_836_800_000_i64);
    let counted = host.runtime().reads().counts(jiff::Timestamp::now().as_millisecond()).await.expect("counts").waits_overdue;
    assert_eq!(counted, 2, "mandate_waits_overdue");

    let first = host.get("/api/v1/waiting?overdueAt=2101-01-01T00:00:00.000%2B0000&maxInstances=1").await.ok();
    let next = first["next"].as_str().expect("there is more");
    let second = host.get(&format!("/api/v1/waiting?overdueAt=2101-01-01T00:00:00.000%2B0000&maxInstances=1&after={next}")).await.ok();
    assert_eq!((first["items"].as_array().map(Vec::len), second["items"].as_array().map(Vec::len)), (Some(2), Some(2)));
    // One instance is looked at by its id.
    for (filter, is_found) in [("", true), ("&overdue=true", true), ("&businessKey=late", true), ("&businessKey=other", false)] {
        let of_it = host.get(&format!("/api/v1/waiting?processInstanceId={instance}{filter}")).await.ok();
        let found = of_it["items"].as_array().expect("a list");
        assert!(found.iter().all(|item| item["processInstanceId"] == id) && of_it["next"].is_null(), "{filter}: {of_it:#}");
        assert_eq!(!found.is_empty(), is_found, "{filter}");
    }
    assert_eq!(host.get("/api/v1/waiting?processInstanceId=nonsense").await.ok()["items"], json!([]));
    let by_key = host.get("/api/v1/waiting?overdue=true&businessKey=late").await.ok();
    assert_eq!(by_key["items"], overdue["items"]);
    assert_eq!(host.get("/api/v1/waiting?overdue=true&processDefinitionKey=early").await.ok()["items"], json!([]));
    host.close().await;
}

#[tokio::test]
async fn what_nobody_has_deployed_or_sent_is_empty() {
    let host = Host::open().await;
    let deployed = host.deploy("reviews", &review()).await;
    let id = deployed["deployedProcessDefinitions"].as_object().expect("a map").keys().next().expect("one");
    let instance = host.start("review", json!({})).await;
    for path in [
        "/api/v1/delegates".to_owned(),
        "/api/v1/catalogue".to_owned(),
        format!("/api/v1/process-definitions/{id}/bindings"),
        format!("/api/v1/process-instances/{instance}/ledger"),
        "/api/v1/process-instances/nonsense/ledger".to_owned(),
    ] {
        assert_eq!(host.get(&path).await.ok(), json!([]), "{path}");
    }
    host.get("/api/v1/process-definitions/none/bindings").await.error(404, REFUSED);
    host.get("/api/v1/delegates?wibble=1").await.error(400, REFUSED);
    host.get("/api/v1/incidents/nonsense").await.error(404, REFUSED);
    host.close().await;
}

#[tokio::test]
async fn metrics_are_counted_and_gauged() {
    let host = Host::open_with(Options { prometheus: Some(metrics_recorder()), ..Options::default() }).await;
    host.deploy("counted", &review().replace("id='review'", "id='counted'")).await;
    host.start("counted", json!({})).await;
    let answer = host.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers["content-type"].to_str().expect("text").starts_with("text/plain; version=0.0.4"));
    let text = answer.text();
    // Other tests of this program count, too, and the gauge is the last one's.
    assert!(text.contains("mandate_instances_started_total{definition=\"counted\",version=\"1\"} 1"), "{text}");
    assert!(text.contains("mandate_instances_active{definition=\"counted\",version=\"1\"} 1"), "{text}");
    host.close().await;

    let silent = Host::open().await;
    silent.get("/metrics").await.error(404, REFUSED);
    silent.close().await;
}

#[tokio::test]
async fn metrics_are_told_while_the_store_tells_nothing() {
    let host = Host::open_with(Options { prometheus: Some(metrics_recorder()), ..Options::default() }).await;
    host.deploy("stays", &review().replace("id='review'", "id='stays'")).await;
    host.start("stays", json!({})).await;
    host.stop().await;
    host.get("/engine-rest/task").await.error(503, "ProcessEngineException");
    let answer = host.get("/metrics").await;
    let text = answer.text();
    assert_eq!(answer.status, 200, "{text}");
    for line in ["mandate_instances_started_total{definition=\"stays\",version=\"1\"} 1", "mandate_gauges_not_read_total "] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[tokio::test]
async fn jobs_are_counted_when_they_are_taken_and_when_they_fail() {
    let host = Host::open_executing(Options { prometheus: Some(metrics_recorder()), ..Options::default() }).await;
    host.deploy("fragile", &fragile().replace("decide", "judge")).await;
    host.start("fragile", json!({})).await;
    host.wait_for_count("/engine-rest/incident/count", 1).await;
    let text = host.get("/metrics").await.text();
    // No other host of this program runs jobs by itself.
    for line in ["mandate_jobs_acquired_total{by=\"unit\"} 1", "mandate_jobs_failed_total{activity=\"judge\",code=\"EXPRESSION_FAILED\"} 1"]
    {
        assert!(text.contains(line), "{line}: {text}");
    }
    host.close().await;
}
