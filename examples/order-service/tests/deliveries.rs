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
async fn news_is_given_up_when_the_process_is_over_whatever_the_order_is() {
    for db in 0..2 {
        let faults = Faults { fulfillment_millis: 1, ..Faults::default() };
        let Some((service, client, engine, _db)) = submitted_with(faults, db).await else {
            return;
        };
        client.must("submit-fulfillment", "o-1", json!({})).await;
        client.until("/stats", |_| engine.messages_of("o-1") >= 2).await;
        let (_, stats) = client.get("/stats").await;
        assert_eq!(stats["outbox"]["CALLBACK PENDING"], 1, "the process runs, and may wait yet: {stats}");
        engine.ends("o-1");
        client.until("/stats", |stats| stats["outbox"]["CALLBACK DROPPED"] == 1).await;
        client.must("ask-customer", "o-1", json!({ "lineId": "L1", "question": "when?" })).await;
        client.post("/orders/o-1/cancellation", &json!({})).await;
        let dropped = |stats: &Value| stats["outbox"]["TELL_LINE DROPPED"] == 1 && stats["outbox"]["REQUEST_CANCELLATION DROPPED"] == 1;
        client.until("/stats", dropped).await;
        assert_eq!(client.get("/orders/o-1").await.1["state"], "FULFILLED", "the order is not closed");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn news_waits_while_any_process_of_the_order_runs_or_nobody_can_say() {
    for db in 0..2 {
        let Some((service, client, engine, _db)) = submitted_with(Faults::default(), db).await else {
            return;
        };
        client.until("/orders/o-1", |order| order["processInstanceId"].is_string()).await;
        let pending = async |attempts: usize| {
            client.until("/stats", |_| engine.messages_of("o-1") >= attempts).await;
            let (_, stats) = client.get("/stats").await;
            assert_eq!(stats["outbox"]["REQUEST_CANCELLATION PENDING"], 1, "{stats}");
        };
        // An operator has deleted the instance that the service knows, and started another one.
        engine.ends("o-1");
        engine.starts_by_hand("o-1");
        client.post("/orders/o-1/cancellation", &json!({})).await;
        pending(2).await;
        engine.seen.lock().expect("no panic").unreachable = true;
        engine.ends("o-1");
        pending(engine.messages_of("o-1") + 2).await;
        engine.starts_by_hand("o-1");
        engine.seen.lock().expect("no panic").unreachable = false;
        engine.waits("o-1");
        client.until("/stats", |stats| stats["outbox"]["REQUEST_CANCELLATION DONE"] == 1).await;
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn news_waits_for_the_process_that_comes_after_the_approval() {
    for db in databases().await {
        let engine = Engine::start().await;
        let service = service(&db, &engine.url, Faults::default()).await;
        let client = Client::of(&service);
        let order = json!({
            "orderId": "o-1", "tenantId": "acme", "customerId": "c-1", "items": [{ "product": "TV" }], "handling": "CANCELLABLE",
            "quote": { "amount": 1, "discountPercent": 0 },
        });
        client.post("/orders", &order).await;
        client.until("/orders/o-1", |order| order["processInstanceId"].is_string()).await;
        // The approval is over, and what comes after it cannot be started yet.
        engine.seen.lock().expect("no panic").failing_starts = usize::MAX;
        client.must("decide-quote", "o-1", json!({ "approved": true, "approver": "kim" })).await;
        engine.ends("o-1");
        client.post("/orders/o-1/cancellation", &json!({})).await;
        client.until("/stats", |_| engine.messages_of("o-1") >= 3).await;
        let (_, stats) = client.get("/stats").await;
        assert_eq!(stats["outbox"]["REQUEST_CANCELLATION PENDING"], 1, "{stats}");
        engine.seen.lock().expect("no panic").failing_starts = 0;
        engine.waits("o-1");
        client.until("/stats", |stats| stats["outbox"]["REQUEST_CANCELLATION DONE"] == 1).await;
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_news_of_a_line_is_not_told_to_who_waits_again() {
    for db in 0..2 {
        let faults = Faults { line_fails: 1.0, fulfillment_millis: 1, ..Faults::default() };
        let Some((service, client, engine, _db)) = submitted_with(faults.clone(), db).await else {
            return;
        };
        let injector = &service.app().injector;
        let again = async |command: &str, line: &str, more: Value| {
            let mut body = json!({ "lineId": line });
            body.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
            let (status, reply) = client.command(command, &uuid::Uuid::now_v7().to_string(), "o-1", body).await;
            assert_eq!(status, 200, "{command}: {reply}");
        };
        let repaired = async |line: &str| {
            again("open-fallout", line, json!({ "reason": "OVERDUE" })).await;
            again("resolve-fallout", line, json!({ "resolution": "RETRIED" })).await;
            injector.set(Faults { stalled: 1.0, ..Faults::default() });
            again("submit-line", line, json!({})).await;
        };
        // L1 has failed, which nobody has heard when it is ordered again; L3 would fail in an hour.
        again("submit-line", "L1", json!({})).await;
        client.until("/stats", |_| engine.messages_of("o-1") >= 1).await;
        repaired("L1").await;
        let (_, stats) = client.get("/stats").await;
        assert_eq!((&stats["outbox"]["TELL_LINE DROPPED"], stats["outbox"].get("TELL_LINE PENDING")), (&json!(1), None), "{stats}");
        injector.set(Faults { fulfillment_millis: 3_600_000, ..faults });
        again("submit-line", "L3", json!({})).await;
        repaired("L3").await;
        let (_, stats) = client.get("/stats").await;
        assert_eq!((&stats["outbox"]["FULFILL_LINE DROPPED"], stats["outbox"].get("FULFILL_LINE PENDING")), (&json!(1), None), "{stats}");

        // The customer has not answered the first question when he is asked the second, and answers each about its line.
        for (fulfillment_millis, line) in [(3_600_000, "L1"), (3_600_000, "L2"), (1, "L1")] {
            injector.set(Faults { fulfillment_millis, ..Faults::default() });
            again("ask-customer", line, json!({ "question": "when?" })).await;
        }
        engine.waits("o-1");
        let stats = client.until("/stats", |stats| stats["outbox"]["TELL_LINE DONE"] == 1).await;
        assert_eq!((&stats["outbox"]["TELL_LINE DROPPED"], &stats["outbox"]["TELL_LINE PENDING"]), (&json!(2), &json!(1)), "{stats}");
        let last = engine.seen.lock().expect("no panic").messages.last().map(|message| message["messageName"].clone());
        assert_eq!(last, Some(json!("CustomerAnswered:L1")));
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_cannot_be_read_hold_up_nothing() {
    for db in databases().await {
        let engine = Engine::start().await;
        // More than are looked at at once, and due before all others.
        let outbox = order_service::db::Db::open(&db.url).await.expect("it opens");
        let mut tx = outbox.begin().await.expect("a transaction");
        for number in 0..100 {
            sqlx::query(
                "INSERT INTO outbox (id, kind, order_id, payload, state, due_ms, attempts, last_error, created_ms)
                 VALUES ($1, 'FUTURE', 'o-1', '{\"kind\":\"FUTURE\"}', 'PENDING', 0, 0, NULL, 0)",
            )
            .bind(format!("future-{number}"))
            .execute(&mut *tx)
            .await
            .expect("it is written");
        }
        tx.commit().await.expect("it is written");
        outbox.close().await;
        let service = service(&db, &engine.url, Faults::default()).await;
        let client = Client::of(&service);
        client.order("o-1").await;
        client.until("/orders/o-1", |order| order["processInstanceId"].is_string()).await;
        let (_, stats) = client.get("/stats").await;
        assert_eq!(stats["outbox"]["FUTURE PENDING"], 100, "a later version may know what they are: {stats}");
        service.stop().await;
    }
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
