//! Asking the service what became of an attempt.

use crate::support;
use std::sync::Arc;

use crate::support::{Script, Service, body, catalogue, command, request};
use mandate_commands::{NOT_STORED, Reconciled, Sender};
use serde_json::json;

const QUERY: &str =
    "reconcile = { path = \"/by-key/{key}\", applied = [200], rejected = [409], not-applied = [404], reply-at = \"/reply\" }";

async fn reconcile(url: &str, more: &str) -> Reconciled {
    let catalogue = catalogue(url, "", more);
    let sender = Sender::new(Arc::clone(&catalogue)).expect("a sender");
    let body = body();
    let reconciled = sender.reconcile(command(&catalogue), request(&body));
    tokio::time::timeout(support::PATIENCE, reconciled).await.expect("an answer in time")
}

#[tokio::test]
async fn an_applied_attempt_answers_with_its_original_reply() {
    let service = Service::answering(200, &json!({"at": "then", "reply": {"reservation": "r-1"}})).await;
    assert_eq!(reconcile(&service.url, QUERY).await, Reconciled::Applied { reply: json!({"reservation": "r-1"}) });
    let sent = service.request();
    assert!(sent.starts_with("GET /by-key/reserve%3Aorder-17%3Aplan-2 HTTP/1.1\r\n"), "{sent}");
    let sent = sent.to_ascii_lowercase();
    assert!(sent.contains("x-tenant-id: acme"), "{sent}");
    assert!(!sent.contains("idempotency-key"), "a query is not the request whose key it asks for: {sent}");
}

#[tokio::test]
async fn without_a_pointer_the_whole_answer_is_the_reply() {
    let service = Service::answering(200, &json!({"reservation": "r-1"})).await;
    let query = "reconcile = { path = \"/by-key/{key}\", applied = [200], not-applied = [404] }";
    assert_eq!(reconcile(&service.url, query).await, Reconciled::Applied { reply: json!({"reservation": "r-1"}) });
}

#[tokio::test]
async fn a_rejected_attempt_says_so_with_its_code() {
    let reply = json!({"code": "OUT_OF_STOCK", "message": "none left"});
    let service = Service::answering(409, &reply).await;
    assert_eq!(
        reconcile(&service.url, QUERY).await,
        Reconciled::Rejected { code: "OUT_OF_STOCK".into(), message: "none left".into(), reply }
    );
}

#[tokio::test]
async fn a_rejected_attempt_says_nothing_that_must_not_be_stored() {
    let service = Service::answering(409, &json!({"code": "4111", "message": "4111"})).await;
    assert_eq!(
        reconcile(&service.url, &format!("{QUERY}\ndo-not-store = [\"code\", \"message\"]")).await,
        Reconciled::Rejected {
            code: "HTTP_409".into(),
            message: NOT_STORED.into(),
            reply: json!({"code": NOT_STORED, "message": NOT_STORED})
        }
    );
}

#[tokio::test]
async fn an_attempt_the_service_does_not_know_is_not_applied() {
    let service = Service::answering(404, &json!({})).await;
    assert_eq!(reconcile(&service.url, QUERY).await, Reconciled::NotApplied);
}

#[tokio::test]
async fn no_usable_answer_stays_unknown() {
    for status in [302, 400, 500, 503] {
        let service = Service::answering(status, &json!({})).await;
        match reconcile(&service.url, QUERY).await {
            Reconciled::Unknown { reason } => {
                assert!(reason.contains(&status.to_string()), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
    for script in [Script::CloseAtOnce, Script::CloseAfterReading] {
        let service = Service::start(script).await;
        assert!(matches!(reconcile(&service.url, QUERY).await, Reconciled::Unknown { .. }));
    }
}

#[tokio::test]
async fn a_query_without_an_answer_stays_unknown_after_the_timeout() {
    let service = Service::start(Script::Silence).await;
    let url = service.url.clone();
    let reconciled = support::time_out_after_request(&service, async move { reconcile(&url, QUERY).await }).await;
    assert!(matches!(reconciled, Reconciled::Unknown { .. }), "{reconciled:?}");
}

#[tokio::test]
async fn without_a_query_there_is_nothing_to_ask() {
    let service = Service::answering(200, &json!({})).await;
    let catalogue = catalogue(&service.url, "", "");
    assert!(!command(&catalogue).reconcilable());
    assert!(matches!(reconcile(&service.url, "").await, Reconciled::Unknown { .. }));
    assert_eq!(service.connections(), 0);
}
