//! What the tests share: a service on a fresh database, and a counterpart in the engine's place.
#![allow(dead_code, unreachable_pub, reason = "each test file is a crate of its own and uses its part of this")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use mandate_tests::postgres::Cluster;
use order_service::faults::Faults;
use order_service::{Options, Service};
use serde_json::{Value, json};

/// Long enough for a busy machine, short enough to notice a hang.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A database that nobody else uses. The directory lives as long as this.
pub struct TestDb {
    pub url: String,
    _directory: tempfile::TempDir,
}

/// A SQLite file, and a database of a PostgreSQL cluster that ends with this process.
pub async fn databases() -> Vec<TestDb> {
    static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| Cluster::start().expect("a throw-away PostgreSQL"));
    let directory = || tempfile::tempdir().expect("a temporary directory");
    let sqlite = directory();
    let url = format!("sqlite:{}", sqlite.path().join("orders.db").display());
    let postgres = tokio::task::spawn_blocking(|| {
        let name = format!("orders_{}", uuid::Uuid::now_v7().simple());
        CLUSTER.create_database(&name).expect("a database")
    });
    let postgres = postgres.await.expect("the cluster's starter does not panic");
    vec![TestDb { url, _directory: sqlite }, TestDb { url: postgres, _directory: directory() }]
}

/// The service on this database, working with this engine.
pub async fn service(db: &TestDb, engine: &str, faults: Faults) -> Service {
    let listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let fulfillment_timeout = "PT5S".to_owned();
    let options = Options { listen, database: db.url.clone(), engine: engine.to_owned(), faults, fulfillment_timeout };
    Service::start(options).await.expect("the service starts")
}

/// Port 9 is "discard": nobody listens there, every delivery is refused at once.
pub const NO_ENGINE: &str = "http://127.0.0.1:9/engine-rest";

/// A client of the service.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
}

impl Client {
    pub fn new(base: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(PATIENCE).no_proxy().build().expect("a client");
        Self { base: base.to_owned(), http }
    }

    pub fn of(service: &Service) -> Self {
        Self::new(&format!("http://{}", service.address()))
    }

    pub async fn get(&self, path: &str) -> (u16, Value) {
        answer(self.http.get(format!("{}{path}", self.base))).await.expect("an answer")
    }

    pub async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.try_post(path, body).await.expect("an answer")
    }

    pub async fn try_post(&self, path: &str, body: &Value) -> Result<(u16, Value), reqwest::Error> {
        answer(self.http.post(format!("{}{path}", self.base)).json(body)).await
    }

    pub async fn order(&self, id: &str) -> Value {
        let body = json!({
            "orderId": id, "tenantId": "acme", "customerId": "c-1",
            "items": [{ "product": "FIBER+ROUTER" }, { "product": "TV", "mandatory": false }],
        });
        let (status, order) = self.post("/orders", &body).await;
        assert_eq!(status, 201, "{order}");
        order
    }

    pub async fn command(&self, name: &str, key: &str, order: &str, more: Value) -> (u16, Value) {
        self.try_command(name, key, order, more).await.expect("an answer")
    }

    pub async fn try_command(&self, name: &str, key: &str, order: &str, more: Value) -> Result<(u16, Value), reqwest::Error> {
        let mut body = json!({ "tenantId": "acme", "orderId": order });
        if let Value::Object(more) = more {
            for (field, value) in more {
                body[field] = value;
            }
        }
        let url = format!("{}/commands/{name}", self.base);
        answer(self.http.post(url).header("Idempotency-Key", key).json(&body)).await
    }

    /// A command that must be applied.
    pub async fn must(&self, name: &str, order: &str, more: Value) -> Value {
        let key = format!("{name}:{order}:{more}");
        let (status, reply) = self.command(name, &key, order, more).await;
        assert_eq!(status, 200, "{name}: {reply}");
        reply
    }

    /// Everything up to reserved lines, or up to submitted.
    pub async fn reserved(&self, order: &str) {
        self.order(order).await;
        self.must("validate-readiness", order, json!({})).await;
        self.must("decompose", order, json!({})).await;
        for line in ["L1", "L2", "L3"] {
            self.must("reserve-line", order, json!({ "lineId": line })).await;
        }
    }

    /// Asks until the answer is as wanted.
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let begun = std::time::Instant::now();
        loop {
            let (_, answer) = self.get(path).await;
            if wanted(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "still not as wanted: {path} {answer}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<(u16, Value), reqwest::Error> {
    let response = request.send().await?;
    let status = response.status().as_u16();
    let body = response.bytes().await?;
    Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

/// What the counterpart in the engine's place has seen and is to answer.
#[derive(Default)]
pub struct Seen {
    /// Idempotency key and body of each start.
    pub starts: Vec<(String, Value)>,
    /// Body of each message.
    pub messages: Vec<Value>,
    /// This many starts are answered with 500 first.
    pub failing_starts: usize,
    /// Business keys that wait for a message; each takes one.
    pub waiting: Vec<String>,
    /// Business keys of the instances that run.
    pub running: Vec<String>,
    /// A proxy answers in the engine's place when it is asked who runs: it does not find it.
    pub unreachable: bool,
}

/// A counterpart that speaks the engine's three calls. It is a part of the tests because it must be told to refuse at
/// moments of their choosing; the engine itself takes part in the tests of the whole system.
pub struct Engine {
    pub url: String,
    pub seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

impl Engine {
    pub async fn start() -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let router = Router::new()
            .route("/engine-rest/process-definition/key/{key}/start", post(start_instance))
            .route("/engine-rest/message", post(message))
            .route("/engine-rest/process-instance", get(instances))
            .with_state(Arc::clone(&seen));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/engine-rest", listener.local_addr().expect("an address"));
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, seen, task }
    }

    pub fn waits(&self, order: &str) {
        self.seen.lock().expect("no panic").waiting.push(order.to_owned());
    }

    /// The order's process ends.
    pub fn ends(&self, order: &str) {
        self.seen.lock().expect("no panic").running.retain(|key| key != order);
    }

    /// Somebody starts a process for the order by hand, of which the service does not hear.
    pub fn starts_by_hand(&self, order: &str) {
        self.seen.lock().expect("no panic").running.push(order.to_owned());
    }

    pub fn messages_of(&self, order: &str) -> usize {
        let seen = self.seen.lock().expect("no panic");
        seen.messages.iter().filter(|message| message["businessKey"] == order).count()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Shared = State<Arc<Mutex<Seen>>>;

async fn start_instance(
    State(seen): Shared,
    Path(key): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    assert!(["orderFulfillment", "quoteApproval"].contains(&key.as_str()), "{key}");
    let mut seen = seen.lock().expect("no panic");
    let key = headers["idempotency-key"].to_str().expect("text").to_owned();
    let instance = format!("instance-of-{key}");
    seen.starts.push((key.clone(), body));
    if seen.failing_starts > 0 {
        seen.failing_starts -= 1;
        return (StatusCode::INTERNAL_SERVER_ERROR, Json(json!({ "type": "RestException" })));
    }
    seen.running.push(key);
    (StatusCode::OK, Json(json!({ "id": instance })))
}

async fn instances(State(seen): Shared, Query(query): Query<HashMap<String, String>>) -> (StatusCode, Json<Value>) {
    let seen = seen.lock().expect("no panic");
    if seen.unreachable {
        return (StatusCode::NOT_FOUND, Json(json!("default backend")));
    }
    let running = seen.running.iter().filter(|key| **key == query["businessKey"]);
    (StatusCode::OK, Json(running.map(|key| json!({ "businessKey": key })).collect()))
}

async fn message(State(seen): Shared, Json(body): Json<Value>) -> (StatusCode, Json<Value>) {
    let mut seen = seen.lock().expect("no panic");
    let key = body["businessKey"].as_str().expect("a business key").to_owned();
    seen.messages.push(body);
    if let Some(index) = seen.waiting.iter().position(|waiting| *waiting == key) {
        seen.waiting.remove(index);
        return (StatusCode::NO_CONTENT, Json(Value::Null));
    }
    let answer = json!({
        "type": "RestException",
        "message": "org.camunda.bpm.engine.MismatchingMessageCorrelationException: Cannot correlate message 'FulfillmentCompleted': \
                    No process definition or execution matches the parameters",
        "code": 0,
    });
    (StatusCode::BAD_REQUEST, Json(answer))
}
