//! A host in the test's own process: SQLite or PostgreSQL, real components, a real domain service on loopback.

use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mandate_runtime::deploy::{Report, Upload};
use mandate_runtime::engine::{InstanceId, PublicId, Variable, Variables};
use mandate_runtime::query::{IncidentFilter, IncidentListed, IncidentName, Page};
use mandate_runtime::{ClockSource, Config, Runtime, Start, Started, StoreConfig, wasm};
use mandate_tests::domain::Domain;
use mandate_tests::postgres::Cluster;
use serde_json::{Value, json};
use tempfile::TempDir;

/// How long a test waits for something that happens by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// A host with its folder.
pub(crate) struct Host {
    pub(crate) runtime: Runtime,
    pub(crate) domain: Domain,
    pub(crate) dir: TempDir,
    setup: Setup,
}

/// What differs between hosts of tests.
#[derive(Clone)]
pub(crate) struct Setup {
    /// None: a file in the host's folder.
    pub(crate) database: Option<String>,
    pub(crate) execute_jobs: bool,
    pub(crate) clock: ClockSource,
}

impl Default for Setup {
    fn default() -> Self {
        Self { database: None, execute_jobs: true, clock: ClockSource::System }
    }
}

/// A test of a host, on SQLite and on PostgreSQL.
pub(crate) async fn on_both(test: impl AsyncFn(Host)) {
    on_both_with(Setup::default(), test).await;
}

/// The same, of hosts that differ from others.
pub(crate) async fn on_both_with(setup: Setup, test: impl AsyncFn(Host)) {
    for database in [None, Some(postgres())] {
        test(Host::start_with(Setup { database, ..setup.clone() }).await).await;
    }
}

/// An empty PostgreSQL database. The cluster of this process; its keeper ends it with the process.
pub(crate) fn postgres() -> String {
    static DATABASES: AtomicU32 = AtomicU32::new(0);
    cluster().create_database(&format!("t{}", DATABASES.fetch_add(1, Ordering::Relaxed))).expect("a database")
}

fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start().expect("PostgreSQL starts"))
}

/// Runs a statement in such a database, behind its hosts' backs.
pub(crate) fn sql(database: &str, sql: &str) -> String {
    let name = database.rsplit('/').find_map(|part| part.split_once("?host=")).map(|(name, _)| name);
    cluster().sql(name.expect("a database's URL"), sql).expect("a statement")
}

/// A built guest.
pub(crate) fn guest(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../delegates/target/wasm32-wasip2/release").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `make guests`", path.display()))
}

/// A process around the given elements and flows.
pub(crate) fn process(elements: &str) -> Vec<u8> {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" id="d" targetNamespace="test">
  <bpmn:message id="go" name="go"/>
  <bpmn:process id="p" isExecutable="true">{elements}</bpmn:process>
</bpmn:definitions>"#
    )
    .into_bytes()
}

/// The manifest under which every reference `worker` is the scripted guest with every test command.
pub(crate) const MANIFEST: &str = r#"
[delegates.worker]
file = "test_scripted.wasm"
version = "1.0.0"
commands = ["test.ok@1", "test.busy-once@1", "test.lost-once@1", "test.no@1", "test.slow@1", "test.held@1", "test.dark@1", "test.cut@1"]
limits = { cpu = "300ms", wall = "60s", commands = 50 }
"#;

impl Host {
    pub(crate) async fn start() -> Self {
        Self::start_with(Setup::default()).await
    }

    pub(crate) async fn start_with(setup: Setup) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let domain = Domain::start().expect("a free port");
        std::fs::write(dir.path().join("catalogue.toml"), domain.catalogue()).expect("written");
        let runtime = open(dir.path(), "components", &setup).await;
        Self { runtime, domain, dir, setup }
    }

    /// Another host on the same database.
    pub(crate) async fn beside(&self, setup: Setup) -> Runtime {
        open(self.dir.path(), "components-of-another", &Setup { database: self.setup.database.clone(), ..setup }).await
    }

    /// Ends this host's runtime and starts another one on the same files.
    pub(crate) async fn restart(self) -> Self {
        self.runtime.shut_down(Duration::from_secs(5)).await;
        drop(self.runtime);
        let runtime = open(self.dir.path(), "components", &self.setup).await;
        Self { runtime, ..self }
    }

    /// The same, with another setup on the same database.
    pub(crate) async fn restart_with(mut self, setup: Setup) -> Self {
        self.setup = setup;
        self.restart().await
    }

    pub(crate) async fn deploy(&self, model: Vec<u8>) -> Report {
        self.deploy_with(model, MANIFEST).await
    }

    /// The same, with another manifest of the scripted guest.
    pub(crate) async fn deploy_with(&self, model: Vec<u8>, manifest: &str) -> Report {
        let resources = vec![
            ("p.bpmn".to_owned(), model),
            ("test_scripted.wasm".to_owned(), guest("test_scripted.wasm")),
            ("mandate.toml".to_owned(), manifest.as_bytes().to_vec()),
        ];
        let upload = Upload { resources, ..Upload::default() };
        match self.runtime.deploy(upload).await {
            Ok(report) => report,
            Err(mandate_runtime::Error::Deployment(problems)) => panic!("refused: {problems:#?}"),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn start_instance(&self, variables: Value) -> Result<Started, mandate_runtime::Error> {
        let start = Start { business_key: Some("order-1".into()), ..Start::of_key("p", as_variables(&variables)) };
        self.runtime.start(start).await
    }

    /// Waits until the instance is over.
    pub(crate) async fn ended(&self, id: InstanceId) {
        self.until("the instance ends", || async {
            matches!(self.runtime.instance(id).await, Err(mandate_runtime::Error::NotFound { .. }))
        })
        .await;
    }

    /// Waits until the instance has an open incident and gives its code.
    pub(crate) async fn incident(&self, id: InstanceId) -> String {
        self.until("an incident is raised", || async {
            self.runtime.instance(id).await.is_ok_and(|view| view.instance.incidents().next().is_some())
        })
        .await;
        let view = self.runtime.instance(id).await.expect("it lives");
        let code = view.instance.incidents().next().expect("just seen").code;
        code.as_str().to_owned()
    }

    /// What an operator does: new retries for the failed job.
    pub(crate) async fn retry(&self, id: InstanceId, retries: u32) {
        let view = self.runtime.instance(id).await.expect("it lives");
        let job = view.instance.jobs().find(|job| job.retries == 0).expect("a failed job").wait;
        self.runtime.set_job_retries(PublicId { instance: id, number: job.0 }, retries, None).await.expect("retries are given");
    }

    /// Waits for a condition.
    pub(crate) async fn until<F: Future<Output = bool>>(&self, what: &str, condition: impl Fn() -> F) {
        let deadline = Instant::now() + PATIENCE;
        while !condition().await {
            assert!(Instant::now() < deadline, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

async fn open(dir: &Path, components: &str, setup: &Setup) -> Runtime {
    let file = || format!("sqlite:{}", dir.join("mandate.db").display());
    let sandbox = wasm::Config::new(dir.join(components), wasm::Compiler::InProcess);
    let config = Config {
        store: StoreConfig::new(setup.database.clone().unwrap_or_else(file)),
        sandbox,
        catalogue: Some(dir.join("catalogue.toml")),
        execute_jobs: setup.execute_jobs,
        clock: setup.clock,
        // Tests clean when they say so.
        history_cleanup: None,
    };
    Runtime::open(config).await.unwrap_or_else(|error| panic!("the host opens: {error}"))
}

/// Variables of a JSON object.
pub(crate) fn as_variables(object: &Value) -> Variables {
    object.as_object().expect("an object").iter().map(|(name, value)| (name.clone(), Variable::from_json(value))).collect()
}

/// A script in which every named activity issues one command with its own name in the body.
pub(crate) fn commands(steps: &[(&str, &str)]) -> Value {
    let script: serde_json::Map<String, Value> = steps
        .iter()
        .map(|(activity, command)| ((*activity).to_owned(), json!({ "commands": [{ "name": command, "body": { "by": activity } }] })))
        .collect();
    Value::Object(script)
}

/// What an incident says at length, which lists do not.
pub(crate) async fn detail(runtime: &Runtime, listed: &IncidentListed) -> Value {
    let name = IncidentName { instance: listed.instance, n: listed.row.n, at: None };
    let filter = IncidentFilter { name: Some(name), ..IncidentFilter::default() };
    let found = runtime.reads().incidents(filter, Page::ALL, &[]).await.expect("read");
    serde_json::from_str(&found[0].row.detail).expect("an object")
}
