//! What leaves the service: starts, fulfilment, callbacks, and the faults that can be asked for.

mod common;

use common::{Client, Engine, NO_ENGINE, databases, service};
use order_service::faults::Faults;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn the_process_is_started_until_it_is_answered() {
    for db in databases().await {
        let engine = Engine::start().await;
        engine.seen.lock().expect("no panic").failing_starts = 2;
        let service = service(&db, &engine.url, Faults::default()).await;
        let client = Client::of(&service);
        client.order("o-1").await;
        let order = client.until("/orders/o-1", |order| order["processInstanceId"].is_string()).await;
        assert_eq!(order["processInstanceId"], "instance-of-o-1");
        assert_eq!(order["version"], 1, "the reference is no change of the order");
        {
            let seen = engine.seen.lock().expect("no panic");
            assert_eq!(seen.starts.len(), 3, "two failed, one answered");
            let (key, body) = &seen.starts[2];
            assert_eq!((key.as_str(), &body["businessKey"]), ("o-1", &json!("o-1")));
            assert_eq!(body["variables"]["orderVersion"], json!({ "value": 1, "type": "Long" }));
            assert_eq!(body["variables"]["fulfillmentTimeout"], json!({ "value": "PT5S", "type": "String" }));
            assert!(seen.starts.iter().all(|start| start == &seen.starts[0]), "every attempt asks for the same");
        }
        service.stop().await;
    }
}

async fn submitted_with(faults: Faults, db: usize) -> Option<(order_service::Service, Client, Engine, common::TestDb)> {
    let mut databases = databases().await;
    if db >= databases.len() {
        return None;
    }
    let db = databases.remove(db);
    let engine = Engine::start().await;
    let service = service(&db, &engine.url, faults).await;
    let client = Client::of(&service);
    client.reserved("o-1").await;
    Some((service, client, engine, db))
}

fn told(order: &Value) -> bool {
    order["milestones"]["told"] == true
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callback_is_repeated_until_the_process_waits() {
    for db in 0..2 {
        let faults = Faults { fulfillment_millis: 1, ..Faults::default() };
        let Some((service, client, engine, _db)) = submitted_with(faults, db).await else {
            return;
        };
        client.must("submit-fulfillment", "o-1", json!({})).await;
        client.until("/stats", |_| engine.messages_of("o-1") >= 2).await;
        let (_, status) = client.get("/orders/o-1/fulfillment-status").await;
        assert_eq!(status["fulfilled"], true, "fulfilled before it is told");
        engine.waits("o-1");
        client.until("/orders/o-1", told).await;
        let after = engine.messages_of("o-1");
        client.must("complete-order", "o-1", json!({})).await;
        let (_, stats) = client.get("/stats").await;
        assert_eq!(stats["outbox"]["CALLBACK DONE"], 1, "{stats}");
        assert_eq!(engine.messages_of("o-1"), after, "nothing is told twice");
        assert_eq!(stats["appliedByService"]["mark-line-fulfilled"], 3);
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callback_is_given_up_when_the_order_no_longer_waits() {
    let faults = Faults { fulfillment_millis: 1, ..Faults::default() };
    let Some((service, client, engine, _db)) = submitted_with(faults, 0).await else {
        return;
    };
    client.must("submit-fulfillment", "o-1", json!({})).await;
    client.until("/stats", |_| engine.messages_of("o-1") >= 1).await;
    client.must("complete-order", "o-1", json!({})).await;
    client.until("/stats", |stats| stats["outbox"]["CALLBACK DROPPED"] == 1).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_callback_comes_before_the_answer_and_again_later() {
    let faults = Faults { callback_early: 1.0, ..Faults::default() };
    let Some((service, client, engine, _db)) = submitted_with(faults, 0).await else {
        return;
    };
    client.must("submit-fulfillment", "o-1", json!({})).await;
    assert!(engine.messages_of("o-1") >= 1, "the callback was sent before the answer");
    engine.waits("o-1");
    client.until("/orders/o-1", told).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_callback_is_sent_twice_and_accepted_once() {
    let faults = Faults { callback_repeated: 1.0, fulfillment_millis: 1, ..Faults::default() };
    let Some((service, client, engine, _db)) = submitted_with(faults, 0).await else {
        return;
    };
    engine.waits("o-1");
    client.must("submit-fulfillment", "o-1", json!({})).await;
    let stats = client.until("/stats", |stats| stats["outbox"]["CALLBACK DONE"] == 1 && stats["outbox"]["CALLBACK DROPPED"] == 1).await;
    assert!(stats["outbox"].get("CALLBACK PENDING").is_none());
    assert!(engine.messages_of("o-1") >= 2);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_callbacks_are_found_by_asking_and_stalled_orders_are_not_fulfilled() {
    let faults = Faults { callback_lost: 1.0, fulfillment_millis: 1, ..Faults::default() };
    let Some((service, client, engine, _db)) = submitted_with(faults, 0).await else {
        return;
    };
    client.must("submit-fulfillment", "o-1", json!({})).await;
    client.until("/orders/o-1/fulfillment-status", |status| status["fulfilled"] == true).await;
    client.until("/stats", |stats| stats["outbox"]["FULFILL DONE"] == 1).await;
    assert_eq!(engine.messages_of("o-1"), 0);

    let app = service.app();
    app.injector.set(Faults { stalled: 1.0, ..Faults::default() });
    client.reserved("o-2").await;
    client.must("submit-fulfillment", "o-2", json!({})).await;
    let (_, stats) = client.get("/stats").await;
    assert_eq!(stats["outbox"].get("FULFILL PENDING"), None, "nobody works on o-2: {stats}");
    assert_eq!(client.get("/orders/o-2/fulfillment-status").await.1["fulfilled"], false);
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn late_fulfilment_comes_when_its_time_has_come() {
    let faults = Faults { callback_late: 1.0, late_millis: 3_600_000, ..Faults::default() };
    let Some((service, client, engine, _db)) = submitted_with(faults, 0).await else {
        return;
    };
    client.must("submit-fulfillment", "o-1", json!({})).await;
    let relay = &service.app().relay;
    let now = order_service::relay::now_ms();
    relay.deliver_due(now + 3_500_000).await.expect("it can be read");
    assert_eq!(client.get("/orders/o-1").await.1["state"], "IN_PROGRESS");
    engine.waits("o-1");
    relay.deliver_due(now + 3_700_000).await.expect("it is delivered");
    relay.deliver_due(now + 3_700_000).await.expect("it is delivered");
    assert_eq!(client.get("/orders/o-1").await.1["state"], "FULFILLED");
    client.until("/orders/o-1", told).await;
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_lines_and_billing_keep_an_order_from_completion_until_it_is_repaired() {
    for (faults, code) in [
        (Faults { line_fails: 1.0, ..Faults::default() }, "MANDATORY_LINE_NOT_FULFILLED"),
        (Faults { billing_missing: 1.0, ..Faults::default() }, "BILLING_NOT_ACTIVATED"),
    ] {
        let faults = Faults { fulfillment_millis: 1, ..faults };
        let Some((service, client, engine, _db)) = submitted_with(faults, 0).await else {
            return;
        };
        engine.waits("o-1");
        client.must("submit-fulfillment", "o-1", json!({})).await;
        client.until("/orders/o-1", told).await;
        let (status, answer) = client.command("complete-order", "k", "o-1", json!({})).await;
        assert_eq!((status, &answer["code"]), (409, &json!(code)));
        client.must("resolve-fallout", "o-1", json!({ "resolution": "WAIVED" })).await;
        let (status, reply) = client.command("complete-order", "k", "o-1", json!({})).await;
        assert_eq!((status, &reply["orderState"]), (200, &json!("COMPLETED")));
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_calls_are_what_they_say() {
    let db = databases().await.remove(0);
    let service = service(&db, NO_ENGINE, Faults::default()).await;
    let client = Client::of(&service);
    client.order("o-1").await;
    let injector = &service.app().injector;

    injector.set(Faults { unavailable: 1.0, ..Faults::default() });
    let (status, _) = client.command("validate-readiness", "k", "o-1", json!({})).await;
    assert_eq!(status, 503);
    assert_eq!(client.get("/commands/by-key/k").await.0, 404, "nothing was applied");

    injector.set(Faults { error_after_apply: 1.0, ..Faults::default() });
    let (status, _) = client.command("validate-readiness", "k", "o-1", json!({})).await;
    assert_eq!(status, 500);
    assert_eq!(client.get("/commands/by-key/k").await.0, 200, "it was applied");

    injector.set(Faults { hang_after_apply: 1.0, hang_millis: 3_600_000, ..Faults::default() });
    let hanging = tokio::spawn({
        let client = client.clone();
        async move { client.try_command("decompose", "k", "o-1", json!({})).await }
    });
    client.until("/commands/by-key/k?command=decompose", |reply| reply["lineIds"].is_array()).await;
    assert!(!hanging.is_finished(), "applied, and still not answered");
    // A service that is told to stop does not wait for an hour.
    service.stop().await;
    let (status, _) = hanging.await.expect("no panic").expect("an answer");
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_answered_whether_or_not_the_engine_is_there() {
    let db = databases().await.remove(0);
    let service = service(&db, NO_ENGINE, Faults { needs_review: 1.0, ..Faults::default() }).await;
    let client = Client::of(&service);
    let order = client.order("o-1").await;
    assert_eq!(order["needsReview"], true);
    let (status, joined) = client.get("/orders/o-1/process").await;
    assert_eq!((status, &joined["process"]["state"]), (200, &json!("NOT_STARTED")));
    assert_eq!(joined["order"]["orderId"], "o-1");
    service.stop().await;
}
