//! A clock that is set: time moves when told, and what is due on the way happens in its order.

use std::time::Duration;

use crate::common::{Host, Setup, postgres, process};
use mandate_runtime::engine::InstanceId;
use mandate_runtime::query::{HistoryActivityFilter, HistoryActivitySort, Order, Page};
use mandate_runtime::{ClockSource, Config, Error, Runtime, StoreConfig, wasm};
use serde_json::json;

const HOUR: i64 = 60 * 60 * 1_000;

/// start → a day → done, a delegate → e; beside it: start → u, a task that a timer of two days interrupts → late → e
const MODEL: &str = r#"
  <bpmn:startEvent id="s"/>
  <bpmn:parallelGateway id="f"/>
  <bpmn:intermediateCatchEvent id="day"><bpmn:timerEventDefinition><bpmn:timeDuration>P1D</bpmn:timeDuration></bpmn:timerEventDefinition>
  </bpmn:intermediateCatchEvent>
  <bpmn:serviceTask id="done" camunda:class="worker" camunda:asyncBefore="true"/>
  <bpmn:endEvent id="e"/>
  <bpmn:userTask id="u"/>
  <bpmn:boundaryEvent id="two" attachedToRef="u"><bpmn:timerEventDefinition><bpmn:timeDuration>P2D</bpmn:timeDuration>
  </bpmn:timerEventDefinition></bpmn:boundaryEvent>
  <bpmn:task id="late"/>
  <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="f"/>
  <bpmn:sequenceFlow id="f2" sourceRef="f" targetRef="day"/>
  <bpmn:sequenceFlow id="f3" sourceRef="day" targetRef="done"/>
  <bpmn:sequenceFlow id="f4" sourceRef="done" targetRef="e"/>
  <bpmn:sequenceFlow id="f5" sourceRef="f" targetRef="u"/>
  <bpmn:sequenceFlow id="f6" sourceRef="two" targetRef="late"/>
  <bpmn:sequenceFlow id="f7" sourceRef="late" targetRef="e"/>"#;

fn manual() -> Setup {
    Setup { clock: ClockSource::Manual, ..Setup::default() }
}

async fn with_model(setup: Setup) -> Host {
    let host = Host::start_with(setup).await;
    host.deploy(process(MODEL)).await;
    host
}

fn config(host: &Host, database: String, clock: ClockSource) -> Config {
    let sandbox = wasm::Config::new(host.dir.path().join("components-of-another"), wasm::Compiler::InProcess);
    Config { store: StoreConfig::new(database), sandbox, catalogue: None, execute_jobs: true, clock, history_cleanup: None }
}

/// When the instance's activities ended, in hours after a moment.
async fn ends(runtime: &Runtime, id: InstanceId, after: i64) -> Vec<(String, i64)> {
    let filter = HistoryActivityFilter { instance: Some(id.0), ..HistoryActivityFilter::default() };
    let sort = [(HistoryActivitySort::EndedAt, Order::Asc)];
    let found = runtime.reads().history_activities(filter, Page::ALL, &sort).await.expect("read");
    let hours = |at: i64| {
        assert_eq!((at - after) % HOUR, 0, "nothing happens between the moments to which the clock is moved");
        (at - after) / HOUR
    };
    found.into_iter().filter_map(|it| Some((it.activity_id, hours(it.ended_at?)))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_on_the_way_happens_at_its_moment_and_in_its_order() {
    for database in [None, Some(postgres())] {
        let host = with_model(Setup { database, ..manual() }).await;
        let begun = host.runtime.now();
        let started = host.start_instance(json!({})).await.expect("it starts");
        assert_eq!(host.runtime.now(), begun, "it stands still");
        assert_eq!(host.runtime.set_clock(begun + 12 * HOUR).await.expect("moved"), begun + 12 * HOUR);
        let early = ends(&host.runtime, started.id, begun).await;
        assert_eq!(early, [("s".to_owned(), 0), ("f".to_owned(), 0)]);
        assert_eq!(host.runtime.set_clock(begun + 72 * HOUR).await.expect("moved"), begun + 72 * HOUR);
        // All has happened when the answer comes.
        let all = ends(&host.runtime, started.id, begun).await;
        let expected = [("s", 0), ("f", 0), ("day", 24), ("done", 24), ("e", 24), ("u", 48), ("two", 48), ("late", 48), ("e", 48)];
        assert_eq!(all, expected.map(|(id, at)| (id.to_owned(), at)));
        let ended = host.runtime.reads().history_instance(started.id.0).await.expect("read").expect("there").ended_at;
        assert_eq!(ended, Some(begun + 48 * HOUR));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retries_are_due_dates_too() {
    let host = with_model(manual()).await;
    let begun = host.runtime.now();
    let started = host.start_instance(json!({ "script": { "done": { "failAttempts": 100 } } })).await.expect("it starts");
    host.runtime.set_clock(begun + 47 * HOUR).await.expect("moved");
    assert_eq!(host.incident(started.id).await, "DELEGATE_FAILED");
    let view = host.runtime.instance(started.id).await.expect("it lives");
    let job = view.instance.jobs().find(|job| job.retries == 0).expect("a failed job");
    assert!(job.failures > 1, "{job:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_moves_forward_only_and_goes_on_where_it_stood() {
    let host = with_model(manual()).await;
    let begun = host.runtime.now();
    host.runtime.set_clock(begun + HOUR).await.expect("moved");
    host.runtime.set_clock(begun + HOUR).await.expect("it stands there already");
    let refused = host.runtime.set_clock(begun).await;
    assert!(matches!(&refused, Err(Error::Invalid(why)) if why.contains("forward only")), "{refused:?}");
    let host = host.restart().await;
    assert_eq!(host.runtime.now(), begun + HOUR);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_runs_no_jobs_only_moves() {
    let host = with_model(Setup { execute_jobs: false, ..manual() }).await;
    let begun = host.runtime.now();
    let started = host.start_instance(json!({})).await.expect("it starts");
    host.runtime.set_clock(begun + 72 * HOUR).await.expect("moved");
    assert_eq!(ends(&host.runtime, started.id, begun).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_set_stays_set() {
    let host = Host::start().await;
    let refused = host.runtime.set_clock(host.runtime.now() + HOUR).await;
    assert!(matches!(&refused, Err(Error::Conflict(why)) if why.contains("--clock=manual")), "{refused:?}");

    let host = Host::start_with(manual()).await;
    host.runtime.shut_down(Duration::from_secs(5)).await;
    let file = format!("sqlite:{}", host.dir.path().join("mandate.db").display());
    let refused = Runtime::open(config(&host, file.clone(), ClockSource::System)).await.err();
    assert!(matches!(&refused, Some(Error::Conflict(why)) if why.contains("has run under a set clock")), "{refused:?}");
    let looking = Runtime::open(config(&host, file.clone(), ClockSource::Stored)).await.expect("it opens");
    assert_eq!(looking.check_store().await.expect("checked").findings, [] as [String; 0]);
    looking.shut_down(Duration::from_secs(5)).await;
    // Whoever was refused has left the database to others.
    Runtime::open(config(&host, file, ClockSource::Manual)).await.expect("it opens").shut_down(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_share_one_clock() {
    let setup = Setup { database: Some(postgres()), ..manual() };
    let host = with_model(setup.clone()).await;
    let beside = host.beside(setup).await;
    let begun = host.runtime.now();
    assert_eq!(beside.now(), begun);
    let started = host.start_instance(json!({})).await.expect("it starts");
    beside.set_clock(begun + 72 * HOUR).await.expect("moved");
    assert_eq!(ends(&beside, started.id, begun).await.len(), 9);
    host.until("the other one follows", || async { host.runtime.now() == begun + 72 * HOUR }).await;
    beside.shut_down(Duration::from_secs(5)).await;

    // Nobody sets the clock under hosts that go by their systems', or of a database that they have used.
    let database = postgres();
    let host = Host::start_with(Setup { database: Some(database.clone()), ..Setup::default() }).await;
    let refused = Runtime::open(config(&host, database.clone(), ClockSource::Manual)).await.err();
    assert!(matches!(&refused, Some(Error::Conflict(why)) if why.contains("other hosts")), "{refused:?}");
    host.deploy(process(MODEL)).await;
    host.runtime.shut_down(Duration::from_secs(5)).await;
    let refused = Runtime::open(config(&host, database, ClockSource::Manual)).await.err();
    assert!(matches!(&refused, Some(Error::Conflict(why)) if why.contains("empty database")), "{refused:?}");
}
