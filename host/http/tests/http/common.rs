//! A host in this process, and requests to it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use mandate_http::Options;
use mandate_runtime::{ClockSource, Config, HistoryLevel, Runtime, StoreConfig, wasm};
use mandate_tests::domain::Domain;
use mandate_tests::postgres::Cluster;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Of the multipart bodies.
const BOUNDARY: &str = "----mandate-test-boundary";

/// The longest that a test waits for something.
const PATIENCE: Duration = Duration::from_secs(20);

/// Of hosts that are to hear by what they write that they were taken over, and not by a renewal.
const LONG_LEASE: Duration = Duration::from_secs(600);

/// No answer of a test is larger.
const MAX_ANSWER: usize = 32 * 1024 * 1024;

/// Tests of a host that run on SQLite and on PostgreSQL.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::common::Host::open().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                super::$test(crate::common::Host::open_on_postgres().await).await;
            })*
        }
    };
}
pub(crate) use on_both;

/// A runtime on a database of its own, with its router.
pub(crate) struct Host {
    router: Router,
    runtime: Runtime,
    _folder: tempfile::TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) bytes: Vec<u8>,
}

impl Host {
    /// Jobs run only when a test says so.
    pub(crate) async fn open() -> Self {
        Self::open_with(Options::default()).await
    }

    /// The same on PostgreSQL.
    pub(crate) async fn open_on_postgres() -> Self {
        let url = cluster().create_database(&new_database()).expect("a database");
        Self::open_for(Options::default(), None, |config| config.store = StoreConfig::new(url)).await
    }

    /// The same with a domain service, in a database of this name, and with a lease that nobody takes over before the test does.
    pub(crate) async fn open_on_postgres_before(domain: &Domain, database: &str) -> Self {
        let url = cluster().create_database(database).expect("a database");
        let configure = |config: &mut Config| config.store = StoreConfig { lease: LONG_LEASE, ..StoreConfig::new(url) };
        Self::open_for(Options::default(), Some(domain), configure).await
    }

    pub(crate) async fn open_with(options: Options) -> Self {
        Self::open_for(options, None, |_| ()).await
    }

    /// With a domain service whose commands every delegate may have.
    pub(crate) async fn open_before(domain: &Domain) -> Self {
        Self::open_for(Options::default(), Some(domain), |_| ()).await
    }

    /// The same, with another catalogue than the domain's own.
    pub(crate) async fn open_before_with(domain: &Domain, change: impl FnOnce(String) -> String) -> Self {
        let rewrite = |config: &mut Config| {
            let path = config.catalogue.as_ref().expect("of the domain");
            std::fs::write(path, change(domain.catalogue())).expect("written");
        };
        Self::open_for(Options::default(), Some(domain), rewrite).await
    }

    /// Before a domain service, and jobs run as soon as they are due.
    pub(crate) async fn open_executing_before(domain: &Domain) -> Self {
        Self::open_for(Options::default(), Some(domain), |config| config.execute_jobs = true).await
    }

    /// Jobs run as soon as they are due.
    pub(crate) async fn open_executing(options: Options) -> Self {
        Self::open_for(options, None, |config| config.execute_jobs = true).await
    }

    /// With another history than the default.
    pub(crate) async fn open_with_history(level: HistoryLevel) -> Self {
        Self::open_for(Options::default(), None, |config| config.store.history = level).await
    }

    /// Under a clock that is set, with jobs running as soon as they are due.
    pub(crate) async fn open_under_a_set_clock() -> Self {
        let manual = |config: &mut Config| (config.execute_jobs, config.clock) = (true, ClockSource::Manual);
        Self::open_for(Options::default(), None, manual).await
    }

    async fn open_for(options: Options, domain: Option<&Domain>, configure: impl FnOnce(&mut Config)) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let catalogue = domain.map(|domain| {
            let path = folder.path().join("catalogue.toml");
            std::fs::write(&path, domain.catalogue()).expect("written");
            path
        });
        let store = StoreConfig::new(format!("sqlite:{}", folder.path().join("test.db").display()));
        let sandbox = wasm::Config::new(folder.path().join("cache"), wasm::Compiler::InProcess);
        let mut config = Config { store, sandbox, catalogue, execute_jobs: false, clock: ClockSource::System, history_cleanup: None };
        configure(&mut config);
        let runtime = Runtime::open(config).await.expect("a runtime");
        Self { router: mandate_http::router(runtime.clone(), options), runtime, _folder: folder }
    }

    pub(crate) fn runtime(&self) -> Runtime {
        self.runtime.clone()
    }

    /// Ends what the host has started.
    pub(crate) async fn close(self) {
        self.runtime.shut_down(Duration::from_secs(5)).await;
    }

    /// Stops the runtime under the router.
    pub(crate) async fn stop(&self) {
        self.runtime.shut_down(Duration::from_secs(5)).await;
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.expect("a router never fails");
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, MAX_ANSWER).await.expect("the whole answer").to_vec();
        Answer { status: parts.status, headers: parts.headers, bytes }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(Request::delete(path).body(Body::empty()).expect("a request")).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.json("POST", path, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.json("PUT", path, body).await
    }

    pub(crate) async fn json(&self, method: &str, path: &str, body: Value) -> Answer {
        self.raw(method, path, body.to_string().into_bytes()).await
    }

    pub(crate) async fn raw(&self, method: &str, path: &str, body: Vec<u8>) -> Answer {
        let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        self.send(request.body(Body::from(body)).expect("a request")).await
    }

    /// Uploads texts and files as a deployment.
    pub(crate) async fn upload(&self, path: &str, texts: &[(&str, &str)], files: &[(&str, &[u8])]) -> Answer {
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        let request = Request::post(path).header(header::CONTENT_TYPE, content_type);
        self.send(request.body(Body::from(multipart(texts, files))).expect("a request")).await
    }

    /// Deploys one model that must be accepted, and answers with the deployment.
    pub(crate) async fn deploy(&self, name: &str, model: &str) -> Value {
        self.upload("/engine-rest/deployment/create", &[("deployment-name", name)], &[("p.bpmn", model.as_bytes())]).await.ok()
    }

    /// Starts an instance that must start, and answers with its id.
    pub(crate) async fn start(&self, key: &str, body: Value) -> String {
        let started = self.post(&format!("/engine-rest/process-definition/key/{key}/start"), body).await.ok();
        started["id"].as_str().expect("an id").to_owned()
    }

    /// Compares the store with itself.
    pub(crate) async fn check_store(&self) {
        let report = self.raw("POST", "/api/v1/check-store", Vec::new()).await.ok();
        assert_eq!(report["findings"], json!([]), "{report:#}");
    }

    /// The only element of a list.
    pub(crate) async fn only(&self, path: &str) -> Value {
        let list = self.get(path).await.ok();
        assert_eq!(list.as_array().map(Vec::len), Some(1), "{path}: {list:#}");
        list[0].clone()
    }

    /// The id of the only element of a list.
    pub(crate) async fn only_id(&self, path: &str) -> String {
        self.only(path).await["id"].as_str().expect("an id").to_owned()
    }

    pub(crate) async fn count(&self, path: &str) -> i64 {
        self.get(path).await.ok()["count"].as_i64().expect("a count")
    }

    /// How many each filter of a list finds.
    pub(crate) async fn counts(&self, list: &str, expected: &[(&str, i64)]) {
        for (filter, expected) in expected {
            assert_eq!(self.count(&format!("/engine-rest/{list}/count?{filter}")).await, *expected, "{list}?{filter}");
        }
    }

    /// What of an instance is active.
    pub(crate) async fn tree(&self, instance: &str) -> Value {
        self.get(&format!("/engine-rest/process-instance/{instance}/activity-instances")).await.ok()
    }

    /// Completes the only task of an element.
    pub(crate) async fn complete(&self, element: &str, variables: Value) {
        let id = self.only_id(&format!("/engine-rest/task?taskDefinitionKey={element}")).await;
        self.post(&format!("/engine-rest/task/{id}/complete"), json!({"variables": variables})).await.no_content();
    }
}

/// PostgreSQL for the tests of this process; its keeper ends it with the process.
fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start().expect("PostgreSQL starts"))
}

/// A name that no other test has.
pub(crate) fn new_database() -> String {
    static DATABASES: AtomicU32 = AtomicU32::new(0);
    format!("t{}", DATABASES.fetch_add(1, Ordering::Relaxed))
}

/// Runs a statement in a database, behind its host's back.
pub(crate) fn sql(database: &str, sql: &str) -> String {
    cluster().sql(database, sql).expect("a statement")
}

impl Host {
    /// Asks until the answer is as expected: what runs in the background runs on this thread, between the questions.
    pub(crate) async fn wait_for_count(&self, path: &str, expected: i64) {
        let asking = async {
            while self.count(path).await != expected {
                tokio::task::yield_now().await;
            }
        };
        let answered = tokio::time::timeout(PATIENCE, asking).await;
        assert!(answered.is_ok(), "{path} did not become {expected}");
    }
}

impl Answer {
    /// The JSON of a success. The content type is exact: one client parses nothing else.
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, StatusCode::OK, "{}", self.text());
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/json");
        self.value()
    }

    /// A success without a body.
    pub(crate) fn no_content(&self) {
        assert_eq!(self.status, StatusCode::NO_CONTENT, "{}", self.text());
        assert!(self.bytes.is_empty());
    }

    /// An error of Camunda's shape; its message.
    pub(crate) fn error(&self, status: u16, kind: &str) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/json");
        let body = self.value();
        assert_eq!(body["type"], kind, "{body:#}");
        assert_eq!(body["code"], 0, "{body:#}");
        body["message"].as_str().expect("a message").to_owned()
    }

    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }
}

/// A multipart body. Files are parts that are all called `data`, as the Modeler's are not: only file names count.
fn multipart(texts: &[(&str, &str)], files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, text) in texts {
        body.extend(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n").bytes());
    }
    for (name, bytes) in files {
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"data\"; filename=\"{name}\"\r\n\r\n");
        body.extend(head.bytes());
        body.extend_from_slice(bytes);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").bytes());
    body
}

/// Whether an object has exactly these properties, which are those of Camunda's schema, and perhaps some of ours.
pub(crate) fn assert_properties(dto: &Value, camunda: &[&str], ours: &[&str]) {
    let mut expected: Vec<&str> = camunda.iter().chain(ours).copied().collect();
    expected.sort_unstable();
    let mut found: Vec<&str> = dto.as_object().expect("an object").keys().map(String::as_str).collect();
    found.sort_unstable();
    assert_eq!(found, expected, "{dto:#}");
}

/// A model of one process.
pub(crate) fn model(process: &str) -> String {
    model_with("", process)
}

/// A model of one process, with messages or errors beside it.
pub(crate) fn model_with(roots: &str, process: &str) -> String {
    format!(
        "<bpmn:definitions xmlns:bpmn='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:camunda='http://camunda.org/schema/1.0/bpmn' \
         xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' targetNamespace='t'>{roots}\n{process}\n</bpmn:definitions>"
    )
}

/// A process that waits for a person: `review`.
pub(crate) fn review() -> String {
    model(
        "<bpmn:process id='review' name='Review an order' isExecutable='true' camunda:versionTag='1.0'>\
         <bpmn:startEvent id='start'/><bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='look'/>\
         <bpmn:userTask id='look' name='Look at it' camunda:candidateGroups='sales,support' camunda:formKey='look-form'>\
         <bpmn:documentation>Look closely.</bpmn:documentation></bpmn:userTask>\
         <bpmn:sequenceFlow id='f2' sourceRef='look' targetRef='end'/><bpmn:endEvent id='end'/></bpmn:process>",
    )
}

/// A process that waits for a message: `payment`, message `paid`.
pub(crate) fn payment() -> String {
    model_with(
        "<bpmn:message id='m' name='paid'/>",
        "<bpmn:process id='payment' isExecutable='true'>\
         <bpmn:startEvent id='start'/><bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='wait'/>\
         <bpmn:receiveTask id='wait' messageRef='m'/>\
         <bpmn:sequenceFlow id='f2' sourceRef='wait' targetRef='end'/><bpmn:endEvent id='end'/></bpmn:process>",
    )
}

/// A process that waits for a person inside of a sub-process `scope`, with a timer on both: `nested`. `due` is when the person should be
/// done and both timers fire.
pub(crate) fn nested(due: &str) -> String {
    let timer = |id: &str, on: &str| {
        format!(
            "<bpmn:boundaryEvent id='{id}' attachedToRef='{on}' cancelActivity='false'><bpmn:timerEventDefinition>\
             <bpmn:timeDate>{due}</bpmn:timeDate></bpmn:timerEventDefinition></bpmn:boundaryEvent>\
             <bpmn:sequenceFlow id='{id}-f' sourceRef='{id}' targetRef='{id}-end'/><bpmn:endEvent id='{id}-end'/>"
        )
    };
    model(&format!(
        "<bpmn:process id='nested' isExecutable='true'><bpmn:startEvent id='start'/>\
         <bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='scope'/>\
         <bpmn:subProcess id='scope'><bpmn:startEvent id='s'/><bpmn:sequenceFlow id='g1' sourceRef='s' targetRef='task'/>\
         <bpmn:userTask id='task' camunda:dueDate='{due}'/>\
         <bpmn:sequenceFlow id='g2' sourceRef='task' targetRef='e'/><bpmn:endEvent id='e'/>{}</bpmn:subProcess>\
         <bpmn:sequenceFlow id='f2' sourceRef='scope' targetRef='end'/><bpmn:endEvent id='end'/>{}</bpmn:process>",
        timer("task-late", "task"),
        timer("scope-late", "scope"),
    ))
}

/// A process that a message starts: `order`, message `ordered`; then it waits for a person.
pub(crate) fn order() -> String {
    model_with(
        "<bpmn:message id='m' name='ordered'/>",
        "<bpmn:process id='order' isExecutable='true'>\
         <bpmn:startEvent id='start'><bpmn:messageEventDefinition id='d' messageRef='m'/></bpmn:startEvent>\
         <bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='pack'/><bpmn:userTask id='pack'/>\
         <bpmn:sequenceFlow id='f2' sourceRef='pack' targetRef='end'/><bpmn:endEvent id='end'/></bpmn:process>",
    )
}

/// A gateway `decide` that fails unless a variable `good` is true; `attributes` and `inside` are the gateway's.
fn decide(attributes: &str, inside: &str) -> String {
    let flow = |id: &str, condition: &str| {
        format!(
            "<bpmn:sequenceFlow id='{id}' sourceRef='decide' targetRef='end'>\
             <bpmn:conditionExpression xsi:type='bpmn:tFormalExpression'>{condition}</bpmn:conditionExpression></bpmn:sequenceFlow>"
        )
    };
    let flows = flow("yes", "${good}") + &flow("never", "${good and false}").replace(" and ", " &amp;&amp; ");
    format!("<bpmn:exclusiveGateway id='decide' name='Good?' {attributes}>{inside}</bpmn:exclusiveGateway>{flows}<bpmn:endEvent id='end'/>")
}

const ONE_ATTEMPT: &str =
    "<bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R1/PT1S</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>";

/// A process that stands before its gateway for ever, since entering it fails: `fragile`.
pub(crate) fn fragile() -> String {
    let decide = decide("camunda:asyncBefore='true'", ONE_ATTEMPT);
    model(&format!(
        "<bpmn:process id='fragile' isExecutable='true'><bpmn:startEvent id='start'/>\
         <bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='decide'/>{decide}</bpmn:process>"
    ))
}

/// A process that waits for an hour, unless its timer is executed by hand, and then fails unless `good` is true: `delayed`.
pub(crate) fn delayed() -> String {
    let decide = decide("", "");
    model(&format!(
        "<bpmn:process id='delayed' isExecutable='true'><bpmn:startEvent id='start'/>\
         <bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='pause'/>\
         <bpmn:intermediateCatchEvent id='pause'>{ONE_ATTEMPT}<bpmn:timerEventDefinition id='t'>\
         <bpmn:timeDuration xsi:type='bpmn:tFormalExpression'>PT1H</bpmn:timeDuration></bpmn:timerEventDefinition></bpmn:intermediateCatchEvent>\
         <bpmn:sequenceFlow id='f2' sourceRef='pause' targetRef='decide'/>{decide}</bpmn:process>"
    ))
}

/// A process that fails behind a user task unless `good` is true: `hasty`.
pub(crate) fn hasty() -> String {
    let decide = decide("", "");
    model(&format!(
        "<bpmn:process id='hasty' isExecutable='true'><bpmn:startEvent id='start'/>\
         <bpmn:sequenceFlow id='f1' sourceRef='start' targetRef='task'/><bpmn:userTask id='task'/>\
         <bpmn:sequenceFlow id='f2' sourceRef='task' targetRef='decide'/>{decide}</bpmn:process>"
    ))
}

/// Variables that have most of a mebibyte, which is as much as an instance may have: eighteen times as much is what one answer holds.
pub(crate) fn large() -> Value {
    (0..15).map(|n| (format!("large{n}"), json!({"value": "x".repeat(60_000)}))).collect()
}

/// Variables of every type.
pub(crate) fn some_of_each() -> Value {
    json!({
        "s": {"type": "string", "value": "x", "valueInfo": {}},
        "i": {"type": "integer", "value": 1, "valueInfo": {}},
        "d": {"type": "double", "value": 1.5, "valueInfo": {}},
        "l": {"type": "long", "value": 5_000_000_000_i64, "valueInfo": {}},
        "b": {"type": "boolean", "value": true, "valueInfo": {}},
        "n": {"type": "null", "value": null, "valueInfo": {}},
        "o": {"type": "json", "value": "{\"a\":[1]}", "valueInfo": {}},
        "dt": {"type": "date", "value": "1970-01-01T00:00:00.000+0000", "valueInfo": {}},
        "u": {"value": "untyped", "type": null, "valueInfo": null},
    })
}
