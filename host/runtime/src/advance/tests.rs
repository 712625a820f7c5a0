//! Where units run: brief ones where they were asked for, while others run and a worker is free, and all others on the threads for guests.
//! And how long they wait for their turn.

use std::future::Future;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use mandate_engine::{Input, InstanceId, Variable, WaitId};
use mandate_model::ElementIndex;
use serde_json::json;

use super::{TURN_PATIENCE, UnderWay, Work};
use crate::parties::Parties;
use crate::{Runtime, testing};

/// A person, and then delegates; `long` has a chain of plain tasks before the person, `called` begins with a delegate.
fn model() -> String {
    let task = |n| format!("<task id='t{n}'/><sequenceFlow id='c{n}' sourceRef='t{n}' targetRef='{}'/>", next(n));
    let chain = (0..60).map(task).collect::<Vec<_>>().concat();
    format!(
        "<definitions xmlns='http://www.omg.org/spec/BPMN/20100524/MODEL' xmlns:camunda='http://camunda.org/schema/1.0/bpmn' targetNamespace='t'>\
         <process id='p' isExecutable='true'><startEvent id='s'/><userTask id='u'/><serviceTask id='a' camunda:class='a'/><userTask id='v'/>\
         <sequenceFlow id='f1' sourceRef='s' targetRef='u'/><sequenceFlow id='f2' sourceRef='u' targetRef='a'/>\
         <sequenceFlow id='f3' sourceRef='a' targetRef='v'/></process>\
         <process id='long' isExecutable='true'><startEvent id='ls'/>{chain}<userTask id='lu'/>\
         <sequenceFlow id='lf' sourceRef='ls' targetRef='t0'/></process>\
         <process id='called' isExecutable='true'><startEvent id='cs'/><serviceTask id='ca' camunda:class='a'/><userTask id='cu'/>\
         <sequenceFlow id='cf1' sourceRef='cs' targetRef='ca'/><sequenceFlow id='cf2' sourceRef='ca' targetRef='cu'/></process>\
         <process id='fails' isExecutable='true'><startEvent id='fs'/><exclusiveGateway id='g'/><userTask id='fu'/><userTask id='fv'/>\
         <sequenceFlow id='ff1' sourceRef='fs' targetRef='g'/>\
         <sequenceFlow id='ff2' sourceRef='g' targetRef='fu'><conditionExpression>= 1 &gt; 2</conditionExpression></sequenceFlow>\
         <sequenceFlow id='ff3' sourceRef='g' targetRef='fv'><conditionExpression>= 2 &gt; 3</conditionExpression></sequenceFlow></process></definitions>"
    )
}

fn next(n: usize) -> String {
    if n == 59 { "lu".to_owned() } else { format!("t{}", n + 1) }
}

const MANIFEST: &str = "[delegates.a]\nfile = \"test_scripted.wasm\"\nversion = \"1.0.0\"\ncommands = []\n";

/// Keeps all threads for guests from doing anything until it is dropped.
struct Blocked(Arc<(Mutex<bool>, Condvar)>);

impl Blocked {
    async fn all(runtime: &Runtime) -> Self {
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let threads = runtime.0.sandbox.threads();
        let (reached, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
        for _ in 0..threads.metrics().num_workers() {
            let (gate, reached) = (gate.clone(), reached.clone());
            threads.spawn(async move {
                reached.send(()).expect("somebody waits for it");
                let open = gate.0.lock().expect("nobody panics");
                drop(gate.1.wait_while(open, |open| !*open).expect("nobody panics"));
            });
        }
        for _ in 0..threads.metrics().num_workers() {
            arrivals.recv().await.expect("each thread takes one");
        }
        Self(gate)
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        *self.0.0.lock().expect("nobody panics") = true;
        self.0.1.notify_all();
    }
}

/// Whether it comes to its end while the threads for guests are blocked; then they are let go, and it does.
async fn ends_without_guests<T: Send + 'static>(runtime: &Runtime, work: impl Future<Output = T> + Send + 'static) -> (bool, T) {
    let blocked = Blocked::all(runtime).await;
    let working = tokio::spawn(work);
    // What needs one of these threads waits for it in their queue.
    let threads = runtime.0.sandbox.threads().metrics();
    while !working.is_finished() && threads.global_queue_depth() == 0 {
        tokio::task::yield_now().await;
    }
    let ended = working.is_finished();
    drop(blocked);
    (ended, working.await.expect("it does not panic"))
}

fn start(process: &str) -> crate::Start {
    let script = json!({ "a": { "set": { "x": 1 } }, "ca": {} });
    crate::Start::of_key(process, testing::start(&script).variables)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_brief_needs_no_thread_for_guests_while_others_run_and_all_else_gets_one() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = testing::open(dir.path(), None, true).await;
    testing::deploy(&runtime, &model(), MANIFEST).await;
    let starts = |process: &'static str| {
        let runtime = runtime.clone();
        async move { runtime.start(start(process)).await }
    };

    // Alone nothing is tried here.
    let (here, started) = ends_without_guests(&runtime, starts("p")).await;
    assert!(!here && started.is_ok(), "{started:?}");

    let other = runtime.0.running.enter(InstanceId(uuid::Uuid::from_u128(7)), None);
    let (here, started) = ends_without_guests(&runtime, starts("p")).await;
    let id = started.expect("it starts").id;
    assert!(here, "it comes to a person at once");

    let wait = runtime.instance(id).await.expect("it lives").instance.tasks().next().expect("a person is asked").wait;
    let complete = Input::CompleteTask { wait, variables: mandate_engine::Variables::new() };
    let inner = runtime.0.clone();
    let (here, done) = ends_without_guests(&runtime, async move { inner.api(id, complete).await.map(drop) }).await;
    assert!(!here && done.is_ok(), "it comes to a delegate: {done:?}");
    let view = runtime.instance(id).await.expect("it lives").instance;
    assert_eq!(view.variables(view.root()).and_then(|all| all.get("x").map(Variable::to_json)), Some(json!(1)), "which was called");

    let workers = runtime.0.executor.all_workers().await;
    let (here, started) = ends_without_guests(&runtime, starts("p")).await;
    assert!(!here && started.is_ok(), "all workers are taken, and it shares the threads of their jobs: {started:?}");
    drop(workers);

    let (here, started) = ends_without_guests(&runtime, starts("long")).await;
    assert!(!here && started.is_ok(), "it passes too many elements: {started:?}");

    // The first start is tried, the second is known to call somebody.
    let definition = started_definition(&runtime, "called").await;
    let start_event: ElementIndex = definition.model.find("cs").expect("it has a start event");
    assert!(!definition.calls_from(start_event));
    for _ in 0..2 {
        let (here, started) = ends_without_guests(&runtime, starts("called")).await;
        assert!(!here && started.is_ok(), "{started:?}");
        assert!(definition.calls_from(start_event));
    }

    // Why a start fails is found where all of it may run.
    let (here, started) = ends_without_guests(&runtime, starts("fails")).await;
    let error = started.expect_err("no flow is taken").to_string();
    assert!(!here && error.contains("'g'"), "{error}");

    drop(other);
    assert_eq!(runtime.check_store().await.expect("checked").findings, [""; 0]);
    runtime.shut_down(Duration::from_secs(5)).await;
}

async fn started_definition(runtime: &Runtime, process: &str) -> Arc<crate::definitions::Definition> {
    runtime.0.resolve(&start(process).definition).await.expect("it is deployed")
}

/// Whoever has the turn may keep it for long.
#[tokio::test]
async fn a_unit_that_loses_one_race_after_the_other_waits_for_its_turn_once() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = testing::open(dir.path(), None, false).await;
    testing::deploy(&runtime, &model(), MANIFEST).await;
    let (inner, id) = (&runtime.0, runtime.start(start("p")).await.expect("it starts").id);
    let work = Work::new(id, Input::CompleteTask { wait: WaitId(0), variables: mandate_engine::Variables::new() });
    let parties = Parties::new(inner.base(&work).await.expect("it lives"), &work.input);
    let registered = inner.running.enter(id, None);
    let mut unit = UnderWay::new(work, &registered, 0);
    let other = inner.trees.turn(id).await;
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    for _ in 0..20 {
        assert!(inner.after_conflict(&mut unit, &parties).await.expect("it is begun again").is_none());
    }
    let waited = begun.elapsed();
    assert!(unit.turn.is_none() && waited >= TURN_PATIENCE && waited < TURN_PATIENCE * 2, "{waited:?}");
    drop(other);
    inner.after_conflict(&mut unit, &parties).await.expect("it is begun again");
    assert!(unit.turn.is_some(), "a turn that nobody has is taken even so");
    tokio::time::resume();
    runtime.shut_down(Duration::from_secs(5)).await;
}
