use mandate_engine::{InstanceId, PublicId, Variables, WaitId};
use mandate_store::{LedgerOpen, LedgerOpened, Origin};
use mandate_tests::domain::Domain;
use mandate_tests::postgres::Cluster;
use serde_json::json;

use super::super::LATE;
use super::super::tests::row;
use super::*;
use crate::{Runtime, testing};

fn name(key: &str) -> Name {
    (String::new(), "c@1".to_owned(), key.to_owned(), 1)
}

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn left(flights: &Flights) -> Vec<Name> {
    flights.left().into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_unit_that_comes_too_late_for_an_attempt_leaves_the_mark_of_the_one_that_sends_it() {
    let flights = Flights::default();
    let (sends, late) = (flights.mark(name("k"), seconds(5)), flights.mark(name("k"), seconds(7)));
    late.land();
    assert!(flights.log().under_way.contains_key(&name("k")));
    sends.land();
    assert!(flights.log().under_way.is_empty() && flights.left().is_empty());
}

#[test]
fn what_is_dropped_is_left_until_it_is_closed() {
    let flights = Flights::default();
    let (dropped, other) = (flights.mark(name("k"), seconds(5)), flights.mark(name("k"), seconds(7)));
    drop(dropped);
    other.land();
    assert_eq!(left(&flights), [name("k")]);
    flights.looked(&name("k"), &Standing::Over, seconds(9));
    assert!(flights.left().is_empty());
}

#[test]
fn what_is_known_of_an_attempt_is_kept_whoever_else_leaves_it() {
    let flights = Flights::default();
    let row = LedgerRow { attempt: 1, ..row(LedgerState::Open) };
    let applied = LedgerClose { state: LedgerState::Applied, reply: Some("{}".to_owned()), ..abandoned(&row) };
    let (knows, other) = (flights.mark(name("k"), seconds(5)), flights.mark(name("k"), seconds(7)));
    knows.leave(applied);
    drop(other);
    assert_eq!(flights.known(&row).map(|known| known.state), Some(LedgerState::Applied));
    flights.looked(&name("k"), &Standing::Over, seconds(9));
    // That nobody knows is nothing to know.
    flights.mark(name("k"), seconds(9)).leave(abandoned(&row));
    assert!(flights.known(&row).is_none() && left(&flights) == [name("k")]);
}

#[test]
fn nothing_is_sent_beside_what_has_been_open_for_too_long() {
    let flights = Flights::default();
    let flight = flights.mark(name("k"), seconds(5));
    let (long, too_long) = (seconds(5) + LONGEST_OPEN, seconds(6) + LONGEST_OPEN);
    flights.mark(name("l"), long).land();
    assert!(!flights.is_stuck_at(long) && flights.is_stuck_at(too_long));
    drop(flight);
    assert!(flights.is_stuck_at(too_long), "it is open, whether or not anybody waits");
    flights.looked(&name("k"), &Standing::Over, seconds(9));
    assert!(!flights.is_stuck_at(too_long));
}

#[test]
fn what_may_yet_appear_is_looked_for_until_its_time_is_over_and_stops_nothing() {
    let flights = Flights::default();
    let (in_time, too_late) = (seconds(5) + LONGEST_OPEN, seconds(6) + LONGEST_OPEN);
    drop(flights.mark(name("k"), seconds(5)));
    flights.looked(&name("k"), &Standing::Missing, in_time);
    assert_eq!(left(&flights), [name("k")]);
    assert!(!flights.is_stuck_at(too_late), "as far as anybody knows nothing is open");
    flights.looked(&name("k"), &Standing::Open, in_time);
    assert!(flights.is_stuck_at(too_late), "it has appeared");
    flights.looked(&name("k"), &Standing::Missing, in_time);
    // Somebody else tries to open it, and does not hear either whether he has.
    drop(flights.mark(name("k"), seconds(7)));
    flights.looked(&name("k"), &Standing::Missing, too_late);
    assert_eq!(left(&flights), [name("k")]);
    flights.looked(&name("k"), &Standing::Missing, seconds(8) + LONGEST_OPEN);
    assert!(left(&flights).is_empty());
}

#[test]
fn whoever_sends_what_was_left_has_the_time_that_any_other_has() {
    let flights = Flights::default();
    drop(flights.mark(name("k"), seconds(5)));
    flights.looked(&name("k"), &Standing::Missing, seconds(9));
    let sends = flights.mark(name("k"), seconds(60));
    flights.looked(&name("k"), &Standing::Open, seconds(61));
    assert!(!flights.is_stuck_at(seconds(6) + LONGEST_OPEN), "it was sent a moment ago");
    assert!(flights.is_stuck_at(seconds(61) + LONGEST_OPEN));
    sends.land();
}

#[test]
fn an_attempt_is_left_where_its_row_may_yet_appear() {
    let flights = Flights::default();
    flights.mark(name("k"), seconds(5)).fail(&Error::Connection("refused".to_owned()));
    assert!(left(&flights).is_empty(), "it is known that nothing was written");
    flights.mark(name("k"), seconds(5)).fail(&Error::Unclear("no answer".to_owned()));
    assert_eq!(left(&flights), [name("k")]);
}

/// A job sends a command.
const MODEL: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="t">
  <process id="p" isExecutable="true">
    <startEvent id="s"/><serviceTask id="w" camunda:class="worker" camunda:asyncBefore="true"/><userTask id="u"/>
    <sequenceFlow id="f1" sourceRef="s" targetRef="w"/><sequenceFlow id="f2" sourceRef="w" targetRef="u"/>
  </process>
</definitions>"#;

const MANIFEST: &str = "[delegates.worker]\nfile = \"test_scripted.wasm\"\nversion = \"1.0.0\"\ncommands = [\"test.ok@1\"]\n";

/// A host that leaves jobs alone until somebody executes them.
struct Host {
    runtime: Runtime,
    domain: Domain,
    dir: tempfile::TempDir,
}

impl Host {
    async fn open(database: Option<&str>) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let domain = Domain::start().expect("a free port");
        std::fs::write(dir.path().join("catalogue.toml"), domain.catalogue()).expect("written");
        let runtime = testing::open(dir.path(), database, false).await;
        testing::deploy(&runtime, MODEL, MANIFEST).await;
        Self { runtime, domain, dir }
    }

    /// Starts an instance and answers the job that it stands at.
    async fn start(&self) -> PublicId {
        let script = json!({ "w": { "commands": [{ "name": "test.ok@1", "body": {} }] } });
        let instance = self.runtime.start(testing::start(&script)).await.expect("it starts").id;
        PublicId { instance, number: self.job(instance).await.0.0 }
    }

    /// The job of an instance: its number, its retries, and how often it has failed.
    async fn job(&self, id: InstanceId) -> (WaitId, u32, u32) {
        let view = self.runtime.instance(id).await.expect("it lives");
        let job = view.instance.jobs().next().expect("it stands at a job");
        (job.wait, job.retries, job.failures)
    }
}

/// The first attempt under a key, from a job.
async fn opened(runtime: &Runtime, job: PublicId) {
    let open = LedgerOpen {
        tenant: String::new(),
        command: "c@1".to_owned(),
        key: "k".to_owned(),
        generation: 1,
        entry_key: "entry".to_owned(),
        request_digest: "request".to_owned(),
        request: "{}".to_owned(),
        instance: job.instance.0,
        origin: Origin::Job(crate::unit::number(job.number)),
        worker: None,
        activity_id: "w".to_owned(),
        definition_id: "p:1:x".to_owned(),
        at: None,
        first: true,
    };
    assert_eq!(runtime.0.store.ledger_open(open).await.expect("written"), LedgerOpened::Opened { attempt: 1 });
}

async fn state(runtime: &Runtime) -> LedgerState {
    runtime.0.store.ledger_latest("", "c@1", "k").await.expect("read").expect("there").state
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_was_left_unopened_is_not_closed_once_somebody_sends_it() {
    let host = Host::open(None).await;
    let (inner, job) = (&host.runtime.0, host.start().await);
    // It could not be opened, and is opened now by a unit that runs again.
    drop(inner.in_flight.mark(name("k"), awake()));
    let again = inner.in_flight.mark(name("k"), awake());
    opened(&host.runtime, job).await;
    inner.close_left().await;
    assert_eq!(state(&host.runtime).await, LedgerState::Open);
    drop(again);
    inner.close_left().await;
    assert_eq!((state(&host.runtime).await, left(&inner.in_flight)), (LedgerState::Unknown, Vec::new()));
    host.runtime.shut_down(seconds(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_whose_row_appears_late_is_closed() {
    let host = Host::open(None).await;
    let (inner, job) = (&host.runtime.0, host.start().await);
    // The answer to the COMMIT that was to open it was lost, and the database could not say whether it did.
    inner.in_flight.mark(name("k"), awake()).fail(&Error::Unclear("no answer".to_owned()));
    inner.close_left().await;
    assert_eq!(left(&inner.in_flight), [name("k")]);
    opened(&host.runtime, job).await;
    inner.close_left().await;
    assert_eq!((state(&host.runtime).await, left(&inner.in_flight)), (LedgerState::Unknown, Vec::new()));
    host.runtime.shut_down(seconds(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_that_another_host_sends_is_not_closed_by_the_one_that_could_not_open_it() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let database = cluster.create_database("host").expect("a database");
    let host = Host::open(Some(&database)).await;
    let (inner, job) = (&host.runtime.0, host.start().await);
    drop(inner.in_flight.mark(name("k"), awake()));
    let other = testing::open(host.dir.path(), Some(&database), false).await;
    opened(&other, job).await;
    inner.close_left().await;
    assert_eq!((state(&host.runtime).await, left(&inner.in_flight)), (LedgerState::Open, Vec::new()));
    other.shut_down(seconds(5)).await;
    host.runtime.shut_down(seconds(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_host_may_send_nothing_is_put_back_and_spends_no_attempt() {
    let host = Host::open(None).await;
    let (inner, job) = (&host.runtime.0, host.start().await);
    inner.in_flight.log().under_way.insert(name("other"), (1, Duration::ZERO));
    let begun = std::time::Instant::now();
    let refused = host.runtime.execute_job(job).await;
    assert!(matches!(&refused, Err(crate::Error::NotActing(why)) if why.contains("cannot be recorded")), "{refused:?}");
    let held_back = inner.executor.held_back(begun).instances;
    assert_eq!(held_back, [job.instance.0], "it is left to other hosts for a while");
    let (wait, retries, failures) = host.job(job.instance).await;
    assert_eq!((wait.0, retries, failures, host.domain.applied().len()), (job.number, 3, 0, 0));
    inner.in_flight.log().under_way.clear();
    host.runtime.execute_job(job).await.expect("it runs");
    assert_eq!(host.domain.applied().len(), 1);
    host.runtime.shut_down(seconds(5)).await;
}

/// A person's task, after which a command is sent.
const TASK: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" targetNamespace="t">
  <process id="p" isExecutable="true">
    <startEvent id="s"/><userTask id="u"/><serviceTask id="w" camunda:class="worker"/><userTask id="e"/>
    <sequenceFlow id="f1" sourceRef="s" targetRef="u"/><sequenceFlow id="f2" sourceRef="u" targetRef="w"/>
    <sequenceFlow id="f3" sourceRef="w" targetRef="e"/>
  </process>
</definitions>"#;

/// Starts an instance of [`TASK`] and answers the task that it stands at.
async fn at_the_task(runtime: &Runtime) -> PublicId {
    testing::deploy(runtime, TASK, MANIFEST).await;
    let script = json!({ "w": { "commands": [{ "name": "test.ok@1", "body": {} }] } });
    let instance = runtime.start(testing::start(&script)).await.expect("it starts").id;
    let number = runtime.instance(instance).await.expect("it lives").instance.tasks().next().expect("it stands at it").wait.0;
    PublicId { instance, number }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_completes_a_task_on_a_host_that_may_send_nothing_hears_so() {
    let host = Host::open(None).await;
    let inner = &host.runtime.0;
    let task = at_the_task(&host.runtime).await;
    inner.in_flight.log().under_way.insert(name("other"), (1, Duration::ZERO));
    let refused = host.runtime.complete_task(task, Variables::new()).await;
    assert!(matches!(refused, Err(crate::Error::NotActing(STUCK))), "{refused:?}");
    inner.in_flight.log().under_way.clear();
    host.runtime.complete_task(task, Variables::new()).await.expect("it waits as before");
    assert_eq!(host.domain.applied().len(), 1);
    host.runtime.shut_down(seconds(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_would_leave_too_late_stays_and_spends_no_attempt() {
    let host = Host::open(None).await;
    let (job, task) = (host.start().await, at_the_task(&host.runtime).await);
    host.runtime.shut_down(seconds(5)).await;
    let host = Host { runtime: testing::open_too_late(host.dir.path(), None).await, ..host };
    let begun = std::time::Instant::now();
    for refused in [host.runtime.execute_job(job).await, host.runtime.complete_task(task, Variables::new()).await.map(drop)] {
        assert!(matches!(refused, Err(crate::Error::NotActing(LATE))), "{refused:?}");
    }
    let held_back = host.runtime.0.executor.held_back(begun).instances;
    assert_eq!(held_back, [job.instance.0], "it is not tried again and again");
    let (wait, retries, failures) = host.job(job.instance).await;
    assert_eq!((wait.0, retries, failures), (job.number, 3, 0));
    host.runtime.shut_down(seconds(5)).await;
    assert_eq!(host.domain.calls().len(), 0, "nobody was asked");

    let host = Host { runtime: testing::open(host.dir.path(), None, false).await, ..host };
    host.runtime.execute_job(job).await.expect("it runs");
    host.runtime.complete_task(task, Variables::new()).await.expect("it waits as before");
    for instance in [job.instance, task.instance] {
        let rows = host.runtime.reads().ledger_of_instance(instance.0, mandate_store::query::Page::ALL).await.expect("read");
        let attempts: Vec<_> = rows.iter().map(|row| (row.attempt, row.generation, row.state)).collect();
        assert_eq!(attempts, [(1, 1, LedgerState::Unavailable), (2, 1, LedgerState::Applied)]);
    }
    assert_eq!(host.domain.applied().len(), 2);
    host.runtime.shut_down(seconds(5)).await;
}

/// As if somebody had locked what is in the ledger. The sequence tells who has tried, for it is not rolled back.
const LOCK: &str = "CREATE SEQUENCE tried; CREATE FUNCTION lock() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('tried'); \
     RAISE EXCEPTION 'it is locked' USING ERRCODE = '55P03'; END $$; \
     CREATE TRIGGER lock BEFORE UPDATE ON ledger FOR EACH ROW EXECUTE FUNCTION lock()";

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_stays_keeps_no_place_until_that_is_recorded() {
    let cluster = Cluster::start().expect("PostgreSQL starts");
    let database = cluster.create_database("host").expect("a database");
    let host = Host::open(Some(&database)).await;
    let job = host.start().await;
    host.runtime.shut_down(seconds(5)).await;
    let narrow = host.domain.catalogue().replace("[targets.domain]\n", "[targets.domain]\nin-flight = 1\n");
    std::fs::write(host.dir.path().join("catalogue.toml"), narrow).expect("written");
    let host = Host { runtime: testing::open_too_late(host.dir.path(), Some(&database)).await, ..host };
    cluster.sql("host", LOCK).expect("locked");
    let runtime = host.runtime.clone();
    let refused = tokio::spawn(async move { runtime.execute_job(job).await });
    while cluster.sql("host", "SELECT is_called FROM tried").expect("read") != "t" {
        assert!(!refused.is_finished(), "it is not sent, and that is to be recorded");
    }
    let inner = &host.runtime.0;
    let command = inner.catalogue.get("test.ok@1").expect("it is there");
    drop(tokio::time::timeout(seconds(60), inner.sender.place(command)).await.expect("the only place is free"));
    assert!(!refused.is_finished(), "it is not recorded yet");
    cluster.sql("host", "DROP TRIGGER lock ON ledger").expect("let go");
    let refused = refused.await.expect("it ends");
    assert!(matches!(refused, Err(crate::Error::NotActing(LATE))), "{refused:?}");
    host.runtime.shut_down(seconds(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_goes_on_behind_a_command_at_which_its_host_met_a_bug() {
    let host = Host::open(None).await;
    let job = host.start().await;
    let flights = host.runtime.0.in_flight.clone();
    // Whoever looks into it from here on panics.
    let holder = std::thread::spawn(move || {
        let _log = flights.log();
        panic!("somebody dies with it in his hands");
    });
    assert!(holder.join().is_err());
    let failed = host.runtime.execute_job(job).await;
    let says = |reason: &str| reason.contains("met a bug while it sent command test.ok@1");
    assert!(matches!(&failed, Err(crate::Error::JobFailed { reason, .. }) if says(reason)), "{failed:?}");
    let (_, retries, failures) = host.job(job.instance).await;
    assert_eq!((retries, failures, host.domain.calls().len()), (2, 1, 0));
    host.runtime.shut_down(seconds(5)).await;
}
