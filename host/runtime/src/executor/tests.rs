//! What only this crate can bring about: a job that is locked and forgotten, a worker that dies, a snapshot that nobody can read.

use mandate_engine::Variables;
use mandate_store::{DeploymentWrite, Except, Expect, InstanceHead, InstanceWrite, JobRow, NewDefinition, Resource, Unit};
use mandate_tests::postgres::Cluster;
use uuid::Uuid;

use super::*;
use crate::deploy::Upload;
use crate::{ClockSource, Config, Reason, Runtime, Start, StoreConfig, Waiting, WaitingFilter, clock, wasm};

mod damaged;
mod forgotten;
mod locked;
mod stopped;
mod unloadable;

/// How long a test waits for something that happens by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits for a moment.
const TIMER: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="test">
  <process id="p" isExecutable="true">
    <startEvent id="s"/>
    <intermediateCatchEvent id="t"><timerEventDefinition><timeDuration>${wait}</timeDuration></timerEventDefinition></intermediateCatchEvent>
    <endEvent id="e"/>
    <sequenceFlow id="f1" sourceRef="s" targetRef="t"/>
    <sequenceFlow id="f2" sourceRef="t" targetRef="e"/>
  </process>
</definitions>"#;

impl Executor {
    /// Keeps all workers from taking a job until it is dropped.
    pub(crate) async fn all_workers(&self) -> Permit {
        let all = u32::try_from(WORKERS).expect("a small number");
        self.workers.clone().acquire_many_owned(all).await.expect("nobody closes it")
    }
}

struct Host {
    runtime: Runtime,
    _dir: tempfile::TempDir,
}

impl Host {
    async fn open(database: Option<String>) -> Self {
        Self::open_with(database, true).await
    }

    async fn open_with(database: Option<String>, execute_jobs: bool) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut store = StoreConfig::new(database.unwrap_or_else(|| format!("sqlite:{}", dir.path().join("mandate.db").display())));
        store.lease = Duration::from_secs(3);
        let sandbox = wasm::Config::new(dir.path().join("components"), wasm::Compiler::InProcess);
        let runtime =
            Runtime::open(Config { store, sandbox, catalogue: None, execute_jobs, clock: ClockSource::System, history_cleanup: None })
                .await
                .expect("the host opens");
        let upload = Upload { resources: vec![("p.bpmn".to_owned(), TIMER.as_bytes().to_vec())], ..Upload::default() };
        runtime.deploy(upload).await.expect("deployed");
        Self { runtime, _dir: dir }
    }

    fn inner(&self) -> &Arc<Inner> {
        &self.runtime.0
    }

    /// Starts an instance that waits so long, e.g. `PT1S`.
    async fn start(&self, wait: &str) -> InstanceId {
        let start = Start::of_key("p", Variables::from([("wait".to_owned(), mandate_engine::Variable::from_json(&wait.into()))]));
        self.runtime.start(start).await.expect("it starts").id
    }

    /// Stores a snapshot of another kind, and a timer that is due.
    async fn damage(&self, id: InstanceId) {
        let store = &self.inner().store;
        let (row, rows) = store.instance_with_rows(id.0).await.expect("read").expect("there");
        let mut write = InstanceWrite::new(
            id.0,
            Expect::Revision(row.revision),
            mandate_store::State::Live { snapshot: b"\xffnot mine".to_vec(), parts: mandate_store::Parts::default() },
        );
        write.put_jobs = rows.jobs.into_iter().map(|job| JobRow { due: 1, ..job }).collect();
        store
            .commit(Unit { id: Uuid::now_v7(), instances: vec![write], start_key: None, newest: false, closes: Vec::new() })
            .await
            .expect("stored");
    }

    async fn ended(&self, id: InstanceId) {
        self.until("the instance ends", async || matches!(self.runtime.instance(id).await, Err(Error::NotFound { .. }))).await;
    }

    async fn until(&self, what: &str, condition: impl AsyncFn() -> bool) {
        until(what, condition).await;
    }

    async fn waiting(&self) -> Vec<Waiting> {
        self.runtime.waiting(WaitingFilter { max_instances: 1_000, ..WaitingFilter::default() }).await.expect("the list is answered").0
    }

    /// Ends it; whatever was in memory must be gone.
    async fn close(self) {
        self.until("nothing is left in memory", async || {
            let executor = &self.inner().executor;
            executor.mine.lock().expect("no holder of this lock panics").is_empty() && executor.lines().is_empty()
        })
        .await;
        self.runtime.shut_down(Duration::from_secs(5)).await;
    }
}

async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let waited = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waited).await.unwrap_or_else(|_| panic!("waited in vain until {what}"));
}

async fn on_both(test: impl AsyncFn(Host)) {
    test(Host::open(None).await).await;
    let cluster = Cluster::start().expect("PostgreSQL starts");
    test(Host::open(Some(cluster.create_database("host").expect("a database"))).await).await;
}

#[test]
fn a_job_that_its_unit_runs_by_itself_is_not_left_to_others() {
    let mut places = Places { permits: BTreeMap::from([(WaitId(3), None), (WaitId(4), None)]), due: 3 };
    assert!(places.give_away(WaitId(3)).is_none());
    assert_eq!((places.due, places.waits()), (2, BTreeSet::from([WaitId(4)])), "who is left over is still looked for");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_was_locked_without_this_host_knowing_runs_all_the_same() {
    on_both(async |host| {
        let id = host.start("PT1S").await;
        // What is left of a claim whose COMMIT was never answered. Before its time, so that the executor cannot have it.
        let claimed = host.inner().store.claim(clock::system_now_ms() + 60_000, 10, &Except::NOTHING).await.expect("claimed");
        assert_eq!(claimed.len(), 1);
        host.ended(id).await;
        host.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_leaves_its_place_and_its_turn_to_others() {
    on_both(async |host| {
        let id = host.start("PT1S").await;
        let executor = &host.inner().executor;
        // No instance counts so far, and whoever writes such a number into a row panics.
        let wait = WaitId(u64::MAX);
        let (mine, permit) = (executor.mine(id, wait), executor.reserve());
        let (answer, answered) = oneshot::channel();
        host.inner().enqueue(Queued {
            instance: id,
            wait,
            exclusive: true,
            takeovers: 0,
            fresh: false,
            permit,
            mine,
            answer: Some(answer),
        });
        let answered = answered.await.expect("whoever asked is told");
        assert!(matches!(answered, Err(Error::Bug)), "{answered:?}");
        host.ended(id).await;
        host.until("its place is free", async || executor.places.available_permits() == QUEUE).await;
        assert_eq!(executor.workers.available_permits(), WORKERS);
        host.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_suspended_when_its_turn_comes_has_the_next_one_looked_for() {
    // Nobody here looks for jobs.
    let host = Host::open_with(None, false).await;
    let id = host.start("PT1H").await;
    let executor = &host.inner().executor;
    let _ = executor.wake.notified().now_or_never();
    let wait = WaitId(1);
    host.inner().put_back(id, wait, &Error::Rejected(Rejection::JobSuspended { wait })).await;
    assert!(executor.wake.notified().now_or_never().is_some(), "it would be found by chance");
    host.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_that_cannot_be_read_are_told_of_and_stand_in_nobodys_way() {
    on_both(async |host| {
        // More than one claim takes, all due before the timers that matter.
        let mut unreadable = Vec::new();
        for _ in 0..250 {
            let id = host.start("PT1H").await;
            host.damage(id).await;
            unreadable.push(id);
        }
        for _ in 0..3 {
            let id = host.start("PT0.1S").await;
            host.ended(id).await;
        }
        host.until("hosts that can read them may have them", async || {
            let held_back = host.inner().executor.held_back.except(Instant::now()).instances;
            !held_back.is_empty() && host.inner().store.locked().await.expect("read").is_empty()
        })
        .await;

        let readable = host.start("PT1H").await;
        let waiting = host.waiting().await;
        assert_eq!(waiting.len(), unreadable.len() + 1);
        for leaf in waiting {
            if leaf.process_instance_id == readable.to_string() {
                assert!(matches!(leaf.reason, Reason::Timer { .. }), "{leaf:?}");
            } else {
                assert!(
                    matches!(&leaf.reason, Reason::Unreadable { message, help } if message.contains("cannot be read") && !help.is_empty()),
                    "{leaf:?}"
                );
                assert_eq!((leaf.process_definition_key.as_str(), leaf.process_definition_version), ("p", 1));
            }
        }
        let report = host.runtime.check_store().await.expect("it goes on");
        assert_eq!((report.instances, report.findings.len()), (251, 250), "{:?}", report.findings.first());
        host.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_that_cannot_be_loaded_stops_its_own_instances_only() {
    on_both(async |host| {
        let definition_id = host.deploy_nonsense().await;
        let (mut unreadable, begun) = (Vec::new(), Instant::now());
        for _ in 0..250 {
            unreadable.push(host.start_nonsense(&definition_id).await);
        }
        let id = host.start("PT0.1S").await;
        host.ended(id).await;
        let held_back = || host.inner().executor.held_back.except(begun);
        host.until("others may have them", async || held_back().definitions == [definition_id.as_str()]).await;
        assert_eq!(held_back().instances.len(), 0, "one entry for all of them");
        let waiting = host.waiting().await;
        assert_eq!(waiting.len(), unreadable.len());
        let about = |leaf: &Waiting| matches!(&leaf.reason, Reason::Unreadable { message, .. } if message.contains("nonsense:1:"));
        assert!(waiting.iter().all(|leaf| about(leaf) && leaf.process_definition_key == "nonsense"), "{waiting:?}");
        let report = host.runtime.check_store().await.expect("it goes on");
        assert_eq!(report.findings.len(), unreadable.len() + 1, "the definition, and every instance of it");
        host.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_of_a_job_that_its_instance_does_not_have_is_left_alone() {
    on_both(async |host| {
        let id = host.start("PT1H").await;
        let store = &host.inner().store;
        let (row, rows) = store.instance_with_rows(id.0).await.expect("read").expect("there");
        let mut write = InstanceWrite::new(
            id.0,
            Expect::Revision(row.revision),
            mandate_store::State::Live { snapshot: row.snapshot, parts: mandate_store::Parts::default() },
        );
        write.put_jobs = rows.jobs.into_iter().map(|job| JobRow { wait: 99, due: 1, ..job }).collect();
        store
            .commit(Unit { id: Uuid::now_v7(), instances: vec![write], start_key: None, newest: false, closes: Vec::new() })
            .await
            .expect("stored");
        host.inner().executor.expect_due(1);
        host.until("it was tried", async || host.inner().executor.held_back.except(Instant::now()).instances == [id.0]).await;
        assert_eq!(host.runtime.check_store().await.expect("checked").findings.len(), 1);
        host.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_run_while_another_one_is_next_is_as_it_should_be() {
    on_both(async |host| {
        let id = host.start("PT1H").await;
        let store = &host.inner().store;
        let (row, rows) = store.instance_with_rows(id.0).await.expect("read").expect("there");
        let wait = rows.jobs[0].wait;
        // This host knows of it, and does not put it back.
        let mine = host.inner().executor.mine(id, WaitId(u64::try_from(wait).expect("a number")));
        assert!(matches!(store.claim_one(id.0, wait).await.expect("claimed"), mandate_store::Claim::Locked(_)));
        let state = mandate_store::State::Live { snapshot: row.snapshot, parts: mandate_store::Parts::default() };
        let mut write = InstanceWrite::new(id.0, Expect::Revision(row.revision), state);
        write.behind_jobs = vec![(wait, true)];
        store
            .commit(Unit { id: Uuid::now_v7(), instances: vec![write], start_key: None, newest: false, closes: Vec::new() })
            .await
            .expect("stored");
        assert_eq!(host.runtime.check_store().await.expect("checked").findings, [""; 0]);
        store.release(&[(id.0, wait)]).await.expect("released");
        assert_eq!(host.runtime.check_store().await.expect("checked").findings.len(), 1, "now it would never be claimed");
        drop(mine);
        host.close().await;
    })
    .await;
}

/// `c` calls `r`, which waits for `alarm` and ends.
const CALLS: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="test">
  <signal id="alarm" name="alarm"/>
  <process id="c" isExecutable="true">
    <startEvent id="s1"/><callActivity id="call" calledElement="r"/>
    <sequenceFlow id="f1" sourceRef="s1" targetRef="call"/>
  </process>
  <process id="r" isExecutable="true">
    <startEvent id="s2"/><intermediateCatchEvent id="heard"><signalEventDefinition signalRef="alarm"/></intermediateCatchEvent>
    <sequenceFlow id="f2" sourceRef="s2" targetRef="heard"/>
  </process>
</definitions>"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_to_whoever_has_a_caller_that_cannot_be_read_holds_back_the_receiver_alone() {
    on_both(async |host| {
        let upload = Upload { resources: vec![("c.bpmn".to_owned(), CALLS.as_bytes().to_vec())], ..Upload::default() };
        host.runtime.deploy(upload).await.expect("deployed");
        let start = async |key: &str| host.runtime.start(Start::of_key(key, Variables::new())).await.expect("it starts").id;
        let caller = start("c").await;
        let call = host.runtime.instance(caller).await.expect("it lives").instance.calls().next().expect("it calls").wait;
        let called = InstanceId::called(caller, call);
        let other = start("r").await;
        host.damage(caller).await;
        host.inner().instances.forget(caller);
        let thrown = crate::SignalThrown { name: "alarm".into(), variables: Variables::new(), tenants: mandate_store::SignalTenants::Any };
        let begun = Instant::now();
        host.runtime.throw_signal(thrown).await.expect("thrown");
        host.ended(other).await;
        let held_back = || host.inner().executor.held_back.except(begun);
        host.until("it is left alone", async || held_back().instances == [called.0]).await;
        assert!(held_back().definitions.is_empty());
        let left = host.inner().store.deliveries_after(None, 10).await.expect("read");
        let left: Vec<_> = left.into_iter().map(|it| (it.job().0, it.failures)).collect();
        assert_eq!(left, [(called.0, 0)], "it costs no attempt");
        host.close().await;
    })
    .await;
}

/// Waits for `alarm`, and then calls a delegate.
const CALLER: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
  targetNamespace="test"><signal id="alarm" name="alarm"/>
  <process id="caller" isExecutable="true">
    <startEvent id="s"/><intermediateCatchEvent id="heard"><signalEventDefinition signalRef="alarm"/></intermediateCatchEvent>
    <serviceTask id="w" camunda:class="worker"/>
    <sequenceFlow id="f1" sourceRef="s" targetRef="heard"/><sequenceFlow id="f2" sourceRef="heard" targetRef="w"/>
  </process>
</definitions>"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_that_leads_to_a_component_that_cannot_be_used_spends_an_attempt() {
    on_both(async |host| {
        // The bytes are not those that the digest names, which no deployment lets pass.
        let digest = "0".repeat(64);
        let mut write = deployment("caller", CALLER.as_bytes().to_vec());
        write.artifacts = vec![(digest.clone(), b"no component".to_vec())];
        let (memory, commands) = (1 << 20, Vec::new());
        let mandate = crate::deploy::Mandate {
            commands,
            memory,
            cpu_ms: 100,
            wall_ms: 100,
            command_calls: 1,
            log_lines: 1,
            input: memory,
            output: memory,
        };
        write.definitions[0].bindings = vec![mandate_store::BindingRow {
            reference: "worker".into(),
            delegate: "worker".into(),
            version: "1.0.0".into(),
            digest,
            mandate: serde_json::to_string(&mandate).expect("JSON"),
        }];
        host.inner().store.deploy(write).await.expect("stored");
        let receiver = host.runtime.start(Start::of_key("caller", Variables::new())).await.expect("it starts").id;
        let thrown = crate::SignalThrown { name: "alarm".into(), variables: Variables::new(), tenants: mandate_store::SignalTenants::Any };
        host.runtime.throw_signal(thrown).await.expect("thrown");
        host.until("an attempt has failed", async || {
            let left = host.inner().store.deliveries_after(None, 10).await.expect("read");
            let failures: Vec<_> = left.into_iter().map(|it| (it.job().0, it.failures > 0)).collect();
            failures == [(receiver.0, true)]
        })
        .await;
        host.close().await;
    })
    .await;
}

/// Starts every hour.
const HOURLY: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="test">
  <signal id="alarm" name="alarm"/>
  <process id="hourly" isExecutable="true">
    <startEvent id="h"><timerEventDefinition><timeCycle>R/PT1H</timeCycle></timerEventDefinition></startEvent>
    <startEvent id="a"><signalEventDefinition signalRef="alarm"/></startEvent>
  </process>
</definitions>"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_beside_instances_and_leads_nowhere_is_found() {
    on_both(async |host| {
        let upload = Upload { resources: vec![("h.bpmn".to_owned(), HOURLY.as_bytes().to_vec())], ..Upload::default() };
        host.runtime.deploy(upload).await.expect("deployed");
        let store = &host.inner().store;
        assert_eq!(host.runtime.check_store().await.expect("checked").findings, [""; 0]);
        let timer = store.all_start_timers().await.expect("read").remove(0);
        let revised = mandate_store::RevisedTimer { due: timer.timer.due, cycle: None, retries: 3, priority: 0, suspended: false };
        assert!(store.revise_start_timer(&timer, &revised, None, &[], 0).await.expect("revised"));
        let signal = mandate_store::Signal {
            id: Uuid::now_v7(),
            name: "alarm".into(),
            tenants: mandate_store::SignalTenants::Any,
            variables: "[".into(),
            business_key: None,
            hops: 1,
            at: clock::system_now_ms() + 3_600_000,
        };
        store.throw(&signal).await.expect("thrown");
        let findings = host.runtime.check_store().await.expect("checked").findings;
        assert_eq!(findings.len(), 2, "{findings:?}");
        assert!(findings[0].ends_with("the cycle of 'h' has no end, and goes on in 0 rows instead of one"), "{findings:?}");
        assert!(findings[1].ends_with("its variables cannot be read"), "{findings:?}");
        host.close().await;
    })
    .await;
}

/// The start fails at an assignee that no variable gives.
const FAILING: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="test">
  <process id="failing" isExecutable="true">
    <startEvent id="h"><timerEventDefinition><timeCycle>R/PT1H</timeCycle></timerEventDefinition></startEvent>
    <userTask id="u" camunda:assignee="${missing}"/><sequenceFlow id="f" sourceRef="h" targetRef="u"/>
  </process>
</definitions>"#;

#[tokio::test(flavor = "multi_thread")]
async fn retries_that_are_given_while_a_timer_fires_are_those_that_its_failure_spends() {
    on_both(async |host| {
        let upload = Upload { resources: vec![("f.bpmn".to_owned(), FAILING.as_bytes().to_vec())], ..Upload::default() };
        host.runtime.deploy(upload).await.expect("deployed");
        let store = &host.inner().store;
        let id = store.all_start_timers().await.expect("read").remove(0).id;
        let claim = store.claim_start_timer(id, 1).await.expect("claimed");
        let mandate_store::StartTimerClaim::Locked(row) = claim else { panic!("{claim:?}") };
        let mine = host.inner().executor.mine_of_start_timer(&row);
        // As whoever fires it has found it, before an operator has a word.
        host.runtime.set_job_retries(mandate_engine::PublicId { instance: InstanceId(id), number: 1 }, 9, None).await.expect("given");
        let failed = host.inner().fire(*row).await;
        assert!(matches!(&failed, Err(Error::UnitFailed(failure)) if failure.message.contains("missing")), "{failed:?}");
        let mut rows = store.all_start_timers().await.expect("read");
        rows.sort_by_key(|row| row.failures);
        let left: Vec<_> = rows.iter().map(|row| (row.timer.retries, row.failures, row.timer.cycle.is_some())).collect();
        assert_eq!(left, [(3, 0, true), (8, 1, false)], "the next firing has its own");
        drop(mine);
        host.close().await;
    })
    .await;
}

impl Host {
    /// A definition that no parser takes, past the checks of a deployment. Answers its id.
    async fn deploy_nonsense(&self) -> String {
        let deployment = deployment("nonsense", b"<newer/>".to_vec());
        self.inner().store.deploy(deployment).await.expect("stored").definitions.remove(0).id
    }

    /// An instance of it with a job that is due.
    async fn start_nonsense(&self, definition_id: &str) -> InstanceId {
        let id = InstanceId(Uuid::now_v7());
        let head = InstanceHead {
            tenant: None,
            definition_id: definition_id.to_owned(),
            business_key: None,
            started_at: 1,
            started_by: None,
            called_by: None,
        };
        let mut write = InstanceWrite::new(
            id.0,
            Expect::New(head),
            mandate_store::State::Live { snapshot: b"whatever".to_vec(), parts: mandate_store::Parts::default() },
        );
        write.put_jobs.push(JobRow {
            wait: 2,
            activity: 1,
            activity_id: "t".into(),
            kind: "timer".into(),
            definition_id: definition_id.to_owned(),
            due: 1,
            retries: 3,
            failures: 0,
            exclusive: true,
            priority: 0,
            suspended: false,
            behind: false,
            created: 1,
            failure: None,
            failed_activity: None,
            locked: false,
        });
        self.inner()
            .store
            .commit(Unit { id: Uuid::now_v7(), instances: vec![write], start_key: None, newest: false, closes: Vec::new() })
            .await
            .expect("stored");
        id
    }
}

/// A deployment of one process, past all checks.
fn deployment(key: &str, model: Vec<u8>) -> DeploymentWrite {
    let parsed = mandate_model::parse_stored("n.bpmn", &model, &|_| None);
    let elements = parsed.map(|parsed| crate::unit::element_rows(&parsed.processes[0], |_| None)).unwrap_or_default();
    let definition = NewDefinition {
        key: key.to_owned(),
        name: None,
        version_tag: None,
        history_ttl: None,
        category: None,
        startable_in_tasklist: true,
        starters: Vec::new(),
        resource_name: "n.bpmn".into(),
        identity: crate::deploy::identity(&model, &[], &[]),
        bindings: Vec::new(),
        elements,
        start_events: Vec::new(),
        start_timers: Vec::new(),
    };
    DeploymentWrite {
        id: Uuid::now_v7().to_string(),
        name: None,
        source: None,
        tenant: None,
        at: 1,
        seen: None,
        content_digest: "n".into(),
        filter_duplicates: false,
        resources: vec![Resource { id: Uuid::now_v7().to_string(), name: "n.bpmn".into(), bytes: model }],
        artifacts: Vec::new(),
        delegates: Vec::new(),
        definitions: vec![definition],
        metadata: "{}".into(),
        operations: Vec::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn any_host_forgets_elements_of_which_history_tells_no_more() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let database = cluster.create_database("host").expect("a database");
    // It neither runs jobs nor removes history by itself.
    let host = Host::open_with(Some(database.clone()), false).await;
    let count = |table: &str| cluster.sql("host", &format!("SELECT COUNT(*) FROM {table}")).expect("counted");
    let id = host.start("PT1H").await;
    host.runtime.delete_instance(id, None, false).await.expect("deleted");
    let definition = host.inner().store.history_instance(id.0).await.expect("read").expect("there").definition_id;
    let deployment = host.inner().store.definition(&definition).await.expect("read").expect("there").deployment_id;
    host.runtime.delete_deployment(&deployment, false).await.expect("deleted");
    assert_eq!((count("element"), count("deleted_definition")), ("4".to_owned(), "1".to_owned()), "history tells of it");
    host.runtime.delete_history(id).await.expect("deleted");
    host.until("its elements are gone", async || (count("element"), count("deleted_definition")) == ("0".to_owned(), "0".to_owned())).await;
    host.close().await;
}
