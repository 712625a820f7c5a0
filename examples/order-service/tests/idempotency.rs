//! The command log: one key, one application, on both databases.

mod common;

use common::{Client, NO_ENGINE, databases, service};
use order_service::faults::Faults;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn fifty_posts_at_once_under_one_key_apply_once() {
    for db in databases().await {
        let service = service(&db, NO_ENGINE, Faults::default()).await;
        let client = Client::of(&service);
        client.order("o-1").await;
        client.must("validate-readiness", "o-1", json!({})).await;
        client.must("decompose", "o-1", json!({})).await;
        let mut posts = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let client = client.clone();
            posts.spawn(async move { client.command("reserve-line", "k", "o-1", json!({ "lineId": "L1" })).await });
        }
        let answers = posts.join_all().await;
        assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 200), "{answers:?}");
        let (_, stats) = client.get("/stats?keys=true").await;
        assert_eq!(stats["applied"]["reserve-line"], 1, "{stats}");
        assert_eq!(stats["keysAppliedMoreThanOnce"], 0);
        assert_eq!(stats["linesOverReserved"], 0);
        assert_eq!(stats["repeatedCalls"], 49);
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_keys_at_once_for_one_line_apply_once() {
    for db in databases().await {
        let service = service(&db, NO_ENGINE, Faults::default()).await;
        let client = Client::of(&service);
        client.order("o-1").await;
        client.must("validate-readiness", "o-1", json!({})).await;
        client.must("decompose", "o-1", json!({})).await;
        let mut posts = tokio::task::JoinSet::new();
        for n in 0..50 {
            let client = client.clone();
            posts.spawn(async move { client.command("reserve-line", &format!("k{n}"), "o-1", json!({ "lineId": "L1" })).await });
        }
        let answers = posts.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.0 == 200).count(), 1, "{answers:?}");
        let refused = answers.iter().filter(|answer| answer.1["code"] == "LINE_ALREADY_RESERVED");
        assert_eq!(refused.count(), 49, "{answers:?}");
        let (_, stats) = client.get("/stats").await;
        assert_eq!(stats["effectsDoubledUnderOtherKeys"], 0, "{stats}");
        assert_eq!(stats["rejected"]["reserve-line LINE_ALREADY_RESERVED"], 49, "{stats}");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_request_under_a_used_key_is_refused() {
    for db in databases().await {
        let service = service(&db, NO_ENGINE, Faults::default()).await;
        let client = Client::of(&service);
        client.reserved("o-1").await;
        client.order("o-2").await;
        let (status, first) = client.command("cancel-order", "k", "o-1", json!({ "reason": "a" })).await;
        assert_eq!(status, 200, "{first}");
        for (order, reason) in [("o-1", "b"), ("o-2", "a")] {
            let (status, answer) = client.command("cancel-order", "k", order, json!({ "reason": reason })).await;
            assert_eq!((status, &answer["code"]), (422, &json!("IDEMPOTENCY_KEY_REUSED")));
        }
        let (status, again) = client.command("cancel-order", "k", "o-1", json!({ "reason": "a" })).await;
        assert_eq!((status, &again), (200, &first), "the refusals changed nothing");
        assert_eq!(client.get("/orders/o-2").await.1["state"], "NOT_STARTED");
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_is_decided_anew_under_its_key() {
    for db in databases().await {
        let service = service(&db, NO_ENGINE, Faults::default()).await;
        let client = Client::of(&service);
        client.order("o-1").await;
        let (status, answer) = client.command("decompose", "k", "o-1", json!({})).await;
        assert_eq!((status, &answer["code"]), (409, &json!("ORDER_NOT_VALIDATED")));
        assert_eq!(client.get("/commands/by-key/k?command=decompose").await.0, 404, "nothing was applied");
        client.must("validate-readiness", "o-1", json!({})).await;
        let (status, reply) = client.command("decompose", "k", "o-1", json!({})).await;
        assert_eq!((status, &reply["lineIds"]), (200, &json!(["L1", "L2", "L3"])));
        assert_eq!(client.get("/commands/by-key/k?command=decompose").await, (200, reply), "the stored reply");
        assert_eq!(client.get("/commands/by-key/k?command=cancel-order").await.0, 404);
        assert_eq!(client.get("/commands/by-key/k?tenantId=other").await.0, 404);
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_another_tenant_are_not_found() {
    for db in databases().await {
        let service = service(&db, NO_ENGINE, Faults::default()).await;
        let client = Client::of(&service);
        client.order("o-1").await;
        let (status, answer) = client.command("cancel-order", "k", "o-1", json!({ "tenantId": "evil" })).await;
        assert_eq!((status, &answer["code"]), (409, &json!("ORDER_NOT_FOUND")));
        let (status, answer) = client.command("cancel-order", "k", "o-9", json!({})).await;
        assert_eq!((status, &answer["code"]), (409, &json!("ORDER_NOT_FOUND")));
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outdated_version_is_refused_and_logs_tell_what_happened() {
    for db in databases().await {
        let service = service(&db, NO_ENGINE, Faults::default()).await;
        let client = Client::of(&service);
        client.order("o-1").await;
        let reply = client.must("validate-readiness", "o-1", json!({ "expectedVersion": 1 })).await;
        assert_eq!(reply["orderVersion"], 2);
        let (status, answer) = client.command("decompose", "k", "o-1", json!({ "expectedVersion": 1 })).await;
        assert_eq!((status, &answer["code"]), (409, &json!("ORDER_VERSION_CONFLICT")));
        client.must("decompose", "o-1", json!({})).await;
        client.must("reserve-line", "o-1", json!({ "lineId": "L2", "site": "NORTH" })).await;
        client.must("cancel-order", "o-1", json!({ "reason": "moved" })).await;

        let (_, order) = client.get("/orders/o-1").await;
        assert_eq!((&order["state"], &order["version"]), (&json!("CANCELLED"), &json!(5)));
        let (_, history) = client.get("/orders/o-1/history").await;
        let of_l2: Vec<_> = history["transitions"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|transition| transition["lineId"] == "L2")
            .map(|transition| (transition["from"].clone(), transition["to"].clone()))
            .collect();
        assert_eq!(of_l2, [(json!("NOT_STARTED"), json!("IN_PROGRESS")), (json!("IN_PROGRESS"), json!("CANCELLED"))]);
        let kinds: Vec<_> = history["evidence"].as_array().expect("a list").iter().map(|evidence| evidence["kind"].clone()).collect();
        assert_eq!(kinds, [json!("validated"), json!("cancelled")]);
        let (_, facts) = client.get("/facts").await;
        let facts: Vec<_> = facts.as_array().expect("a list").iter().map(|fact| fact["fact"].clone()).collect();
        let expected = ["OrderCreated", "OrderValidated", "OrderDecomposed", "OrderCancelled"];
        assert_eq!(facts, expected.map(|fact| json!(fact)));
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_taken_in_once() {
    for db in databases().await {
        let service = service(&db, NO_ENGINE, Faults::default()).await;
        let client = Client::of(&service);
        let body = json!({ "orderId": "o-1", "tenantId": "acme", "customerId": "c", "items": [{ "product": "TV" }] });
        let mut posts = tokio::task::JoinSet::new();
        for _ in 0..20 {
            let (client, body) = (client.clone(), body.clone());
            posts.spawn(async move { client.post("/orders", &body).await.0 });
        }
        let mut statuses = posts.join_all().await;
        statuses.sort_unstable();
        assert_eq!((statuses[0], statuses[18], statuses[19]), (200, 200, 201), "{statuses:?}");
        let mut other = body.clone();
        other["customerId"] = json!("d");
        let (status, answer) = client.post("/orders", &other).await;
        assert_eq!((status, &answer["code"]), (409, &json!("ORDER_ID_TAKEN")));
        other["orderId"] = json!("no spaces");
        assert_eq!(client.post("/orders", &other).await.0, 400);
        let (_, stats) = client.get("/stats").await;
        assert_eq!(stats["outbox"]["START PENDING"], 1, "one order, one start: {stats}");
        assert_eq!(client.get("/orders?state=NOT_STARTED").await.1[0]["orderId"], "o-1");
        assert_eq!(client.get("/orders?state=COMPLETED").await.1, json!([]));
        assert_eq!(client.get("/orders?state=DONE").await.0, 400);
        service.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_make_no_sense_are_told_so() {
    let db = databases().await.remove(0);
    let service = service(&db, NO_ENGINE, Faults::default()).await;
    let client = Client::of(&service);
    let without_key = client.post("/commands/decompose", &json!({ "tenantId": "acme", "orderId": "o-1" })).await;
    assert_eq!(without_key.0, 400);
    assert!(without_key.1["message"].as_str().expect("text").contains("Idempotency-Key"));
    let (status, answer) = client.command("explode", "k", "o-1", json!({})).await;
    assert_eq!((status, &answer["code"]), (404, &json!("UNKNOWN_COMMAND")));
    let (status, answer) = client.command("reserve-line", "k", "o-1", json!({})).await;
    assert_eq!((status, &answer["code"]), (400, &json!("BAD_REQUEST")));
    assert_eq!(client.get("/orders/o-9").await.0, 404);
    assert_eq!(client.get("/orders/o-9/fulfillment-status").await.0, 404);
    service.stop().await;
}
