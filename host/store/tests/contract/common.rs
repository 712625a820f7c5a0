//! What every test needs: a database, a definition, units.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mandate_store::query::{AskedValue, DefinitionRow, TASKS, TaskFilter};
use mandate_store::{
    Beside, Committed, Config, DeploymentWrite, ElementRow, EndedIncident, EventKind, Expect, ExternalTaskRow, HistoryLevel, HistoryRow,
    IncidentRow, InstanceHead, InstanceWrite, JobRow, NewDefinition, Parts, Resource, StartEventRow, State, Store, SubscriptionRow,
    TaskRow, Unit,
};
use mandate_tests::postgres::Cluster;
use uuid::Uuid;

/// Long enough that no test waits for it.
pub(crate) const LEASE: Duration = Duration::from_secs(3_600);

/// A database of one test.
pub(crate) struct Fixture {
    pub(crate) url: String,
    /// Removed with the fixture.
    _folder: Option<tempfile::TempDir>,
}

/// The cluster of this process; its keeper ends it with the process.
pub(crate) fn cluster() -> &'static Cluster {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    CLUSTER.get_or_init(|| Cluster::start().expect("PostgreSQL starts"))
}

impl Fixture {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { url: format!("sqlite:{}", folder.path().join("test.db").display()), _folder: Some(folder) }
    }

    pub(crate) fn postgres(test: &str) -> Self {
        static DATABASES: AtomicU32 = AtomicU32::new(0);
        // Names of databases are at most 63 bytes.
        let name = format!("t{}_{}", DATABASES.fetch_add(1, Ordering::Relaxed), &test[..test.len().min(40)]);
        Self { url: cluster().create_database(&name).expect("a database"), _folder: None }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres")
    }

    pub(crate) fn config(&self) -> Config {
        Config { lease: LEASE, ..Config::new(&self.url) }
    }

    pub(crate) async fn open(&self) -> Store {
        Store::open(self.config()).await.expect("the store opens")
    }

    pub(crate) async fn open_with(&self, history: HistoryLevel) -> Store {
        Store::open(Config { history, ..self.config() }).await.expect("the store opens")
    }

    /// Runs a statement behind the store's back. On SQLite only while no store has the file.
    pub(crate) async fn raw(&self, sql: &str) {
        if self.is_postgres() {
            cluster().sql(self.database(), sql).expect("a statement");
        } else {
            use sqlx::{ConnectOptions as _, Connection as _};
            let file = self.url.trim_start_matches("sqlite:");
            let options = sqlx::sqlite::SqliteConnectOptions::new().filename(file).create_if_missing(true);
            let mut connection = options.connect().await.expect("a connection");
            sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.expect("a statement");
            connection.close().await.expect("a close");
        }
    }
}

impl Fixture {
    /// How many rows a table has, seen from beside the store.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        use sqlx::{ConnectOptions as _, Connection as _};
        let sql = format!("SELECT COUNT(*) FROM {table}");
        if self.is_postgres() {
            return cluster().sql(self.database(), &sql).expect("read").parse().expect("a number");
        }
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(self.url.trim_start_matches("sqlite:")).read_only(true);
        let mut connection = options.connect().await.expect("a connection");
        let count = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_one(&mut connection).await.expect("a number");
        connection.close().await.expect("a close");
        count
    }

    /// The database's name on PostgreSQL.
    pub(crate) fn database(&self) -> &str {
        self.url.split('/').nth(3).and_then(|rest| rest.split('?').next()).expect("a database")
    }
}

pub(crate) fn upload(key: &str) -> DeploymentWrite {
    DeploymentWrite {
        id: Uuid::now_v7().to_string(),
        name: Some(format!("deployment of {key}")),
        source: None,
        tenant: None,
        at: 1_000,
        seen: None,
        content_digest: "digest".into(),
        filter_duplicates: false,
        resources: vec![Resource { id: Uuid::now_v7().to_string(), name: format!("{key}.bpmn"), bytes: b"<xml/>".to_vec() }],
        artifacts: Vec::new(),
        delegates: Vec::new(),
        definitions: vec![NewDefinition {
            key: key.into(),
            name: Some(format!("The {key}")),
            version_tag: Some("1.0".into()),
            history_ttl: Some(180),
            category: None,
            startable_in_tasklist: true,
            starters: Vec::new(),
            resource_name: format!("{key}.bpmn"),
            identity: "identity".into(),
            bindings: Vec::new(),
            elements: elements(),
            start_events: Vec::new(),
            start_timers: Vec::new(),
        }],
        metadata: "{}".into(),
        operations: Vec::new(),
    }
}

/// Elements that history tells of, by their types. What the service task does a delegate does.
const ELEMENTS: [(&str, &str); 5] =
    [("Task", "userTask"), ("Reserve", "serviceTask"), ("Scope", "subProcess"), ("Review", "userTask"), ("Pause", "intermediateTimer")];

fn elements() -> Vec<ElementRow> {
    let rows = ELEMENTS.iter().zip(0..).map(|((id, kind), n)| ElementRow {
        n,
        activity_id: (*id).into(),
        name: Some(format!("The {id}")),
        kind: (*kind).into(),
        delegate: (*kind == "serviceTask").then(|| ("reserve-line".into(), "abc".into())),
    });
    rows.collect()
}

/// An activity began at one of the elements.
pub(crate) fn begun(definition: &DefinitionRow, n: i64, activity_id: &str, at: i64) -> HistoryRow {
    let place = ELEMENTS.iter().zip(0..).find(|((id, _), _)| *id == activity_id).expect("one of the elements").1;
    HistoryRow::ActivityStarted { n, parent: 1, element: definition.first_element + place, at }
}

/// Deploys a process without anything.
pub(crate) async fn definition(store: &Store, key: &str) -> DefinitionRow {
    store.deploy(upload(key)).await.expect("a deployment").definitions.remove(0)
}

pub(crate) fn head(definition: &DefinitionRow) -> InstanceHead {
    InstanceHead {
        tenant: None,
        definition_id: definition.id.clone(),
        business_key: Some("order-1".into()),
        started_at: 10,
        started_by: None,
        called_by: None,
    }
}

pub(crate) fn live() -> State {
    State::Live { snapshot: b"snapshot".to_vec(), parts: Parts::default() }
}

/// A unit of one instance.
pub(crate) fn unit(write: InstanceWrite) -> Unit {
    Unit { id: Uuid::now_v7(), instances: vec![write], start_key: None, newest: false, closes: Vec::new() }
}

pub(crate) fn start(definition: &DefinitionRow, id: Uuid) -> InstanceWrite {
    let mut write = InstanceWrite::new(id, Expect::New(head(definition)), live());
    write.history.push(HistoryRow::InstanceStarted { start_activity: "Start".into(), at: 10 });
    write
}

pub(crate) fn step(id: Uuid, revision: i64) -> InstanceWrite {
    InstanceWrite::new(id, Expect::Revision(revision), live())
}

pub(crate) fn end(id: Uuid, revision: i64) -> InstanceWrite {
    let mut write = InstanceWrite::new(id, Expect::Revision(revision), State::Ended { beside: Beside::ALL });
    write.history.push(HistoryRow::InstanceEnded { state: "COMPLETED".into(), reason: None, at: 99, removal_at: None });
    write
}

/// Starts an instance with these jobs.
pub(crate) async fn started_with(store: &Store, definition: &DefinitionRow, jobs: Vec<JobRow>) -> (Uuid, Committed) {
    let id = Uuid::now_v7();
    let mut write = start(definition, id);
    write.put_jobs = jobs;
    let committed = store.commit(unit(write)).await.expect("a start");
    (id, committed)
}

/// Which jobs this host has locked with a unit.
pub(crate) fn locked(committed: &Committed) -> Vec<(Uuid, i64)> {
    committed.locked_jobs.iter().map(|job| (job.instance, job.wait)).collect()
}

pub(crate) fn job(definition: &DefinitionRow, wait: i64, due: i64) -> JobRow {
    JobRow {
        wait,
        activity: 2,
        activity_id: "Task".into(),
        kind: "async-before".into(),
        definition_id: definition.id.clone(),
        due,
        retries: 3,
        failures: 0,
        exclusive: false,
        priority: 0,
        suspended: false,
        behind: false,
        created: due,
        failure: None,
        failed_activity: None,
        locked: false,
    }
}

/// Tasks that are as one parameter asks.
pub(crate) fn task_asked(name: &str, value: AskedValue) -> TaskFilter {
    let ask = TASKS.iter().find(|ask| ask.name == name).expect("it can be asked");
    TaskFilter { asked: vec![ask.with(value)], ..TaskFilter::default() }
}

pub(crate) fn task(definition: &DefinitionRow, wait: i64) -> TaskRow {
    TaskRow {
        wait,
        activity: 3,
        activity_id: "Review".into(),
        name: Some("Review it".into()),
        definition_id: definition.id.clone(),
        assignee: None,
        owner: None,
        delegation: None,
        candidate_users: vec!["ann".into()],
        candidate_groups: vec!["ops".into(), "repair".into()],
        due: Some(500),
        follow_up: Some(400),
        priority: 70,
        created: 20,
        updated: None,
        form_key: Some("form".into()),
        description: Some("what to do".into()),
    }
}

pub(crate) fn external_task(definition: &DefinitionRow, wait: i64, topic: &str) -> ExternalTaskRow {
    ExternalTaskRow {
        wait,
        activity: 5,
        activity_id: "Charge".into(),
        topic: topic.into(),
        definition_id: definition.id.clone(),
        priority: 0,
        retries: None,
        failures: 0,
        failure: None,
        created: 100,
    }
}

pub(crate) fn subscription(definition: &DefinitionRow, wait: i64, message: &str) -> SubscriptionRow {
    SubscriptionRow {
        wait,
        activity: 4,
        activity_id: "Receive".into(),
        kind: EventKind::Message,
        name: message.into(),
        correlation_key: None,
        of_event: false,
        definition_id: definition.id.clone(),
        created: 30,
    }
}

/// The start event of a definition that is to be deployed.
pub(crate) fn start_event(kind: EventKind, name: &str) -> StartEventRow {
    StartEventRow { kind, name: name.into(), activity_id: "Start".into() }
}

pub(crate) fn incident(definition: &DefinitionRow, n: i64, wait: Option<i64>) -> IncidentRow {
    IncidentRow {
        n,
        wait,
        activity: 2,
        activity_id: "Task".into(),
        failed_activity_id: Some("Send".into()),
        job_definition_id: wait.map(|_| format!("{}:Task:async-before", definition.id)),
        definition_id: definition.id.clone(),
        code: "DELEGATE_FAILED".into(),
        message: "it failed".into(),
        attempt: 3,
        created: 40,
        detail: "{\"retry\":\"always\"}".into(),
    }
}

/// An incident that is resolved.
pub(crate) fn resolved(n: i64, at: i64) -> EndedIncident {
    EndedIncident { n, at, deleted: false }
}
