//! What the sender makes of every way a service can answer, and not answer.

use crate::support;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::support::{PATIENCE, SECRET, Script, Service, answer, body, catalogue, command, prepared, request, send};
use mandate_commands::{NOT_STORED, Outcome, Request, Sender};
use serde_json::{Value, json};

fn assert_unknown(outcome: &Outcome, expected: &str) {
    match outcome {
        Outcome::Unknown { reason } => assert!(reason.contains(expected), "{reason}"),
        other => panic!("expected unknown with {expected:?}, got {other:?}"),
    }
}

fn assert_unavailable(outcome: &Outcome, expected: &str) {
    match outcome {
        Outcome::Unavailable { reason, .. } => assert!(reason.contains(expected), "{reason}"),
        other => panic!("expected unavailable with {expected:?}, got {other:?}"),
    }
}

#[tokio::test]
async fn an_applied_status_is_applied_and_the_request_is_as_promised() {
    let service = Service::answering(201, &json!({"reservation": "r-1"})).await;
    let catalogue =
        catalogue(&service.url, "credentials = { header = \"Authorization\", env = \"ORDERS_TOKEN\", prefix = \"Bearer \" }", "");
    let sender = Sender::new(Arc::clone(&catalogue)).unwrap();
    let place = sender.place(command(&catalogue)).await;
    let outcome = sender.send(place, command(&catalogue), prepared(command(&catalogue))).await;
    assert_eq!(outcome, Outcome::Applied { reply: json!({"reservation": "r-1"}) });

    let sent = service.request();
    let (head, content) = sent.split_once("\r\n\r\n").unwrap();
    let mut lines = head.lines();
    assert_eq!(lines.next(), Some("POST /commands/reserve-line HTTP/1.1"));
    let headers: Vec<_> = lines.map(|line| line.split_once(": ").expect("a header")).collect();
    for (name, value) in [
        ("idempotency-key", "reserve:order-17:plan-2"),
        ("x-tenant-id", "acme"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        ("content-type", "application/json"),
        ("accept", "application/json"),
        ("authorization", &format!("Bearer {SECRET}")),
        ("user-agent", concat!("mandate/", env!("CARGO_PKG_VERSION"))),
    ] {
        let found: Vec<_> = headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| *v).collect();
        assert_eq!(found, [value], "{name}");
    }
    assert_eq!(serde_json::from_str::<Value>(content).unwrap(), body());
}

#[tokio::test]
async fn without_tenant_and_trace_their_headers_are_absent() {
    let service = Service::answering(200, &Value::Null).await;
    let catalogue = catalogue(&service.url, "", "");
    let sender = Sender::new(Arc::clone(&catalogue)).unwrap();
    let place = sender.place(command(&catalogue)).await;
    let body = body();
    // A trace no header can carry must not stop the work.
    let bare = Request { key: "k", tenant: None, traceparent: Some("two\r\nlines"), body: &body };
    let bare = command(&catalogue).prepare(&bare).expect("it can be sent");
    let outcome = sender.send(place, command(&catalogue), bare).await;
    assert_eq!(outcome, Outcome::Applied { reply: Value::Null });
    let sent = service.request().to_ascii_lowercase();
    assert!(!sent.contains("x-tenant-id") && !sent.contains("traceparent"), "{sent}");
}

#[tokio::test]
async fn get_and_delete_send_no_body() {
    for method in ["GET", "DELETE"] {
        let service = Service::answering(200, &json!({"state": "FULFILLED"})).await;
        let text = format!(
            r#"
            [targets.orders]
            url = "{}/api/"
            [commands."orders.query@1"]
            target = "orders"
            method = "{method}"
            path = "/orders/{{orderId}}/{{tenant}}?line={{line}}"
            applied = [200]
            undo = "nothing"
            "#,
            service.url
        );
        let catalogue = Arc::new(mandate_commands::Catalogue::parse("c.toml", &text).unwrap());
        let command = catalogue.get("orders.query@1").unwrap();
        assert_eq!(command.honours_key, method == "GET", "asking again does no harm");
        let sender = Sender::new(Arc::clone(&catalogue)).unwrap();
        let place = sender.place(command).await;
        let outcome = sender.send(place, command, prepared(command)).await;
        assert_eq!(outcome, Outcome::Applied { reply: json!({"state": "FULFILLED"}) });
        let sent = service.request();
        assert!(sent.starts_with(&format!("{method} /api/orders/order-17/acme?line=2 HTTP/1.1\r\n")), "{sent}");
        assert!(sent.ends_with("\r\n\r\n") && !sent.to_ascii_lowercase().contains("content-type"), "{sent}");
    }
}

#[tokio::test]
async fn a_rejection_has_the_code_and_message_the_catalogue_points_at() {
    let reply = json!({"code": "OUT_OF_STOCK", "message": "none left", "details": {"why": "SOLD"}});
    let service = Service::answering(409, &reply).await;
    assert_eq!(
        send(&service.url, "").await,
        Outcome::Rejected { code: "OUT_OF_STOCK".into(), message: "none left".into(), reply: reply.clone() }
    );
    assert_eq!(
        send(&service.url, "code-at = \"/details/why\"\nmessage-at = \"/details\"").await,
        Outcome::Rejected { code: "SOLD".into(), message: String::new(), reply }
    );
}

#[tokio::test]
async fn a_rejection_says_nothing_that_must_not_be_stored() {
    let reply = json!({"code": "CARD-4111", "message": "the card 4111 is stolen", "details": {"why": "STOLEN", "card": "4111"}});
    let service = Service::answering(409, &reply).await;
    let rest = json!({"why": "STOLEN", "card": NOT_STORED});
    let rejected = |code: &str, message: &str, reply: Value| Outcome::Rejected { code: code.into(), message: message.into(), reply };
    assert_eq!(
        send(&service.url, "do-not-store = [\"message\", \"card\"]\ncode-at = \"/details/why\"").await,
        rejected("STOLEN", NOT_STORED, json!({"code": "CARD-4111", "message": NOT_STORED, "details": rest}))
    );
    assert_eq!(
        send(&service.url, "do-not-store = [\"/code\", \"/message\", \"card\"]").await,
        rejected("HTTP_409", NOT_STORED, json!({"code": NOT_STORED, "message": NOT_STORED, "details": rest}))
    );
}

#[tokio::test]
async fn a_rejection_without_a_code_is_named_by_its_status() {
    let service = Service::start(Script::Answer(answer(422, "", "no such line"))).await;
    assert_eq!(
        send(&service.url, "").await,
        Outcome::Rejected { code: "HTTP_422".into(), message: String::new(), reply: json!("no such line") }
    );
}

#[tokio::test]
async fn an_unavailable_status_says_when_to_come_back() {
    let service = Service::start(Script::Answer(answer(503, "Retry-After: 7\r\n", "busy"))).await;
    match send(&service.url, "").await {
        Outcome::Unavailable { reason, retry_after } => {
            assert!(reason.contains("503"), "{reason}");
            assert_eq!(retry_after, Some(Duration::from_secs(7)));
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_status_that_is_not_listed_is_unknown() {
    for status in [204, 302, 400, 404, 500, 502] {
        let service = Service::answering(status, &json!({})).await;
        assert_unknown(&send(&service.url, "").await, &status.to_string());
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Service::answering(200, &json!({})).await;
    for status in [301, 302, 307, 308] {
        let headers = format!("Location: {}/commands/reserve-line\r\n", elsewhere.url);
        let service = Service::start(Script::Answer(answer(status, &headers, ""))).await;
        assert_unknown(&send(&service.url, "").await, &status.to_string());
        assert_eq!(service.requests().len(), 1);
    }
    assert_eq!(elsewhere.connections(), 0);
}

#[tokio::test]
async fn a_refused_connection_is_unavailable() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    assert_unavailable(&send(&url, "").await, "onnect");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_never_comes_about_is_unavailable() {
    // With its queue full and nobody accepting, a Linux listener leaves further connections unanswered.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_secs(1), tokio::net::TcpStream::connect(address)).await {
        queued.push(stream);
        assert!(queued.len() < 100, "the queue fills up");
    }
    assert_unavailable(&send(&format!("http://{address}"), "").await, "no answer within 30s");
}

#[tokio::test]
async fn a_service_that_closes_at_once_leaves_it_unknown_or_unsent() {
    // Whether the request was handed over before the close is a race that either side may win; sent twice it is never,
    // and applied it is never called.
    let service = Service::start(Script::CloseAtOnce).await;
    match send(&service.url, "").await {
        Outcome::Unknown { .. } | Outcome::Unavailable { .. } => {}
        other => panic!("{other:?}"),
    }
    assert_eq!(service.connections(), 1);
}

#[tokio::test]
async fn a_request_that_was_read_and_not_answered_is_unknown_and_not_repeated() {
    let service = Service::start(Script::CloseAfterReading).await;
    assert!(matches!(send(&service.url, "").await, Outcome::Unknown { .. }));
    assert_eq!(service.requests().len(), 1);
    assert_eq!(service.connections(), 1);
}

#[tokio::test]
async fn silence_is_unknown_after_the_timeout() {
    let service = Service::start(Script::Silence).await;
    let url = service.url.clone();
    let outcome = support::time_out_after_request(&service, async move { send(&url, "").await }).await;
    assert_unknown(&outcome, "no answer within 30s");
    assert_eq!(service.requests().len(), 1);
}

#[tokio::test]
async fn an_answer_that_stalls_is_unknown_even_after_an_applied_status() {
    for bytes in ["HTTP/1.1 200", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"a\""] {
        let service = Service::start(Script::Stall(bytes.into())).await;
        let url = service.url.clone();
        let outcome = support::time_out_after_request(&service, async move { send(&url, "").await }).await;
        assert_unknown(&outcome, "no answer within 30s");
    }
}

#[tokio::test]
async fn an_answer_that_drips_does_not_put_off_the_timeout() {
    let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
    let service = Service::start(Script::Drip(head.into())).await;
    let url = service.url.clone();
    let outcome = support::time_out_after_request(&service, async move { send(&url, "").await }).await;
    assert_unknown(&outcome, "no answer within 30s");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_unknown() {
    for bytes in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"a\"",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{\"a\"\r\n",
        "HTTP/1.1 2",
        "this is not HTTP\r\n\r\n",
    ] {
        let service = Service::start(Script::Answer(bytes.into())).await;
        assert!(matches!(send(&service.url, "").await, Outcome::Unknown { .. }), "{bytes}");
        assert_eq!(service.requests().len(), 1, "{bytes}");
    }
}

#[tokio::test]
async fn a_huge_answer_is_applied_without_its_reply_and_is_not_read() {
    let huge = 100 << 20;
    for head in [
        format!("HTTP/1.1 200 OK\r\nContent-Length: {huge}\r\n\r\n"),
        // Without a length: the body lasts until the connection closes, and the limit is met while streaming.
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned(),
    ] {
        let service = Service::start(Script::Flood(head.into(), huge)).await;
        assert_eq!(send(&service.url, "").await, Outcome::Applied { reply: Value::Null });
        assert!(service.flooded() < huge / 2, "{} bytes were taken", service.flooded());
    }
}

#[tokio::test]
async fn a_reply_of_exactly_the_limit_is_kept_and_one_byte_more_is_not() {
    let text = format!("\"{}\"", "y".repeat(1022));
    let service = Service::start(Script::Answer(answer(200, "", &text))).await;
    assert_eq!(send(&service.url, "max-response = \"1024 B\"").await, Outcome::Applied { reply: json!("y".repeat(1022)) });
    assert_eq!(send(&service.url, "max-response = \"1023 B\"").await, Outcome::Applied { reply: Value::Null });
}

#[tokio::test]
async fn an_applied_answer_that_is_not_json_is_applied_with_its_text() {
    let service = Service::start(Script::Answer(answer(200, "", "<done/>"))).await;
    assert_eq!(send(&service.url, "").await, Outcome::Applied { reply: json!("<done/>") });
}

#[tokio::test]
async fn what_cannot_be_built_is_refused() {
    let catalogue = catalogue("http://127.0.0.1:9", "", "");
    let command = command(&catalogue);
    let body = body();
    let good = request(&body);
    let list = json!([1]);
    let long = "k".repeat(256);
    for (bad, problem) in [
        (Request { body: &list, ..good }, "is not a JSON object"),
        (Request { key: "", ..good }, "the key"),
        (Request { key: "a b", ..good }, "the key"),
        (Request { key: "a\r\nX-Evil: 1", ..good }, "the key"),
        (Request { key: "größe", ..good }, "the key"),
        (Request { key: &long, ..good }, "the key"),
        (Request { tenant: Some("a\nb"), ..good }, "the tenant"),
    ] {
        let refusal = command.prepare(&bad).map(drop).expect_err(problem).to_string();
        assert!(refusal.contains(problem), "{refusal}");
    }
    assert_eq!(command.prepare(&good).map(drop), Ok(()));
}

#[tokio::test]
async fn a_missing_path_field_is_refused_by_name_and_never_by_value() {
    let text = r#"
        [targets.orders]
        url = "http://127.0.0.1:9"
        [commands."orders.cancel@1"]
        target = "orders"
        path = "/orders/{orderId}/cancel"
        applied = [200]
        undo = "nothing"
    "#;
    let catalogue = mandate_commands::Catalogue::parse("c.toml", text).unwrap();
    let command = catalogue.get("orders.cancel@1").unwrap();
    for body in [json!({}), json!({"orderId": ["hidden"]}), json!({"orderId": ".."})] {
        let refusal = command.prepare(&request(&body)).map(drop).unwrap_err().to_string();
        assert!(refusal.contains("orders.cancel@1") && !refusal.contains("hidden"), "{refusal}");
    }
    let long = json!({"orderId": "ü".repeat(256)});
    assert_eq!(command.prepare(&request(&long)).map(drop), Ok(()), "512 bytes are within the limits");
}

fn an_hour_later_each_time() -> Duration {
    static HOURS: AtomicU64 = AtomicU64::new(0);
    Duration::from_hours(HOURS.fetch_add(1, Ordering::Relaxed))
}

#[tokio::test]
async fn a_place_whose_time_is_over_sends_nothing() {
    let service = Service::answering(200, &json!({})).await;
    for more in ["", "method = \"DELETE\""] {
        let catalogue = catalogue(&service.url, "", more);
        let sender = Sender::new(Arc::clone(&catalogue)).unwrap();
        let command = command(&catalogue);
        // A nanosecond has passed by the time the request would leave, however soon that is.
        let place = sender.place(command).await.leaves_within(Duration::ZERO, || Duration::ZERO);
        assert_unavailable(&sender.send(place, command, prepared(command)).await, "target orders");
        // The machine was suspended for an hour: the monotonic clock does not know.
        let place = sender.place(command).await.leaves_within(Duration::from_mins(1), an_hour_later_each_time);
        assert_unavailable(&sender.send(place, command, prepared(command)).await, "target orders");
    }
    assert_eq!(service.requests(), Vec::<String>::new(), "no complete request arrived");
}

#[tokio::test]
async fn a_place_is_given_back_whatever_the_outcome() {
    let service = Service::start(Script::CloseAfterReading).await;
    let catalogue = catalogue(&service.url, "in-flight = 1", "");
    let sender = Sender::new(Arc::clone(&catalogue)).unwrap();
    for sent in 1..=3 {
        let place = tokio::time::timeout(PATIENCE, sender.place(command(&catalogue))).await.expect("a place");
        sender.send(place, command(&catalogue), prepared(command(&catalogue))).await;
        assert_eq!(service.requests().len(), sent);
    }
}

#[tokio::test]
async fn connections_are_shared_only_if_the_catalogue_says_so() {
    for (target, expected) in [("", 3), ("reuse-connections = true", 1)] {
        let service = Service::start(Script::KeepAlive(answer(200, "", "{}"))).await;
        let catalogue = catalogue(&service.url, target, "");
        let sender = Sender::new(Arc::clone(&catalogue)).unwrap();
        for _ in 0..3 {
            let place = sender.place(command(&catalogue)).await;
            let outcome = sender.send(place, command(&catalogue), prepared(command(&catalogue))).await;
            assert_eq!(outcome, Outcome::Applied { reply: json!({}) });
            // hyper gives a connection back on a task of its own, which this lets run.
            tokio::task::yield_now().await;
        }
        assert_eq!(service.connections(), expected, "{target}");
    }
}

#[tokio::test]
async fn a_request_lost_on_a_shared_connection_is_unknown_and_not_repeated() {
    let service = Service::start(Script::KeepAliveOnce(answer(200, "", "{}"))).await;
    let catalogue = catalogue(&service.url, "reuse-connections = true", "");
    let sender = Sender::new(Arc::clone(&catalogue)).unwrap();
    let mut outcomes = Vec::new();
    for _ in 0..2 {
        let place = sender.place(command(&catalogue)).await;
        outcomes.push(sender.send(place, command(&catalogue), prepared(command(&catalogue))).await);
        tokio::task::yield_now().await;
    }
    assert_eq!(outcomes[0], Outcome::Applied { reply: json!({}) });
    assert!(matches!(outcomes[1], Outcome::Unknown { .. }), "{:?}", outcomes[1]);
    assert_eq!((service.requests().len(), service.connections()), (2, 1));
}

#[tokio::test]
#[should_panic(expected = "a place at one target")]
async fn a_place_at_one_target_is_no_good_at_another() {
    let text = r#"
        [targets.orders]
        url = "http://127.0.0.1:9"
        [targets.billing]
        url = "http://127.0.0.1:9"
        [commands."orders.cancel@1"]
        target = "orders"
        path = "/cancel"
        applied = [200]
        undo = "nothing"
        [commands."billing.charge@1"]
        target = "billing"
        path = "/charge"
        applied = [200]
        undo = "nothing"
    "#;
    let catalogue = Arc::new(mandate_commands::Catalogue::parse("c.toml", text).unwrap());
    let sender = Sender::new(Arc::clone(&catalogue)).unwrap();
    let place = sender.place(catalogue.get("billing.charge@1").unwrap()).await;
    let cancel = catalogue.get("orders.cancel@1").unwrap();
    sender.send(place, cancel, prepared(cancel)).await;
}

#[tokio::test]
async fn nothing_that_can_be_printed_shows_credentials() {
    let service = Service::start(Script::CloseAfterReading).await;
    let target = "credentials = { header = \"Authorization\", env = \"ORDERS_TOKEN\", prefix = \"Bearer \" }";
    let catalogue = catalogue(&service.url, target, "");
    let sender = Sender::new(Arc::clone(&catalogue)).unwrap();
    let command = command(&catalogue);
    let place = sender.place(command).await;
    let printed = format!("{catalogue:?} {catalogue:#?} {command:?} {sender:?} {sender:#?} {place:?}");
    let outcome = sender.send(place, command, prepared(command)).await;
    assert!(service.request().contains(SECRET), "the service does get it");
    let reconciled = sender.reconcile(command, request(&body())).await;
    let printed = format!("{printed} {outcome:?} {reconciled:?}");
    assert!(printed.to_ascii_lowercase().contains("authorization"), "the test looks where the secret would be");
    assert!(!printed.contains(SECRET), "{printed}");
}
