//! External tasks in a host: topics with and without a delegate, workers that are late, hosts beside each other.

use crate::common;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::{Host, MANIFEST, Setup, as_variables, guest, postgres, process};
use mandate_runtime::deploy::Upload;
use mandate_runtime::engine::{InstanceId, PublicId, Variables};
use mandate_runtime::query::ExternalTaskFilter;
use mandate_runtime::{Error, Fetch, FetchTopic, FetchedTask, Runtime, WorkerFailure};
use serde_json::json;

/// start → x, of the topic `charge` → a, a delegate → end
const MODEL: &str = r#"
  <bpmn:startEvent id="s"/>
  <bpmn:serviceTask id="x" camunda:type="external" camunda:topic="charge"/>
  <bpmn:serviceTask id="a" camunda:class="worker"/>
  <bpmn:endEvent id="e"/>
  <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="x"/>
  <bpmn:sequenceFlow id="f2" sourceRef="x" targetRef="a"/>
  <bpmn:sequenceFlow id="f3" sourceRef="a" targetRef="e"/>"#;

fn asking(worker: &str, lock_ms: i64) -> Fetch {
    let topics = vec![FetchTopic { topic: "charge".into(), lock_ms, ..FetchTopic::default() }];
    Fetch { worker: worker.into(), max: 100, topics, by_created: None, by_priority: true, now: 0 }
}

pub(crate) async fn fetch(runtime: &Runtime, worker: &str, lock_ms: i64, patience: Duration) -> Vec<FetchedTask> {
    runtime.fetch_and_lock(asking(worker, lock_ms), BTreeMap::new(), patience).await.expect("fetched")
}

pub(crate) fn id(task: &FetchedTask) -> PublicId {
    let number = u64::try_from(task.task.row.wait).expect("a number");
    PublicId { instance: InstanceId(task.task.instance), number }
}

async fn complete(runtime: &Runtime, task: PublicId, worker: &str) -> Result<(), Error> {
    runtime.complete_external_task(task, worker.to_owned(), Variables::new(), Variables::new()).await
}

async fn assert_sound(runtime: &Runtime) {
    let report = runtime.check_store().await.expect("checked");
    assert_eq!(report.findings, [] as [String; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_the_manifest_maps_is_a_delegates_and_any_other_a_workers() {
    let host = Host::start().await;
    host.deploy(process(MODEL)).await;
    let started = host.start_instance(json!({})).await.expect("it starts");

    let resources = vec![
        ("p.bpmn".to_owned(), process(MODEL)),
        ("test_scripted.wasm".to_owned(), guest("test_scripted.wasm")),
        ("mandate.toml".to_owned(), MANIFEST.replace("1.0.0", "1.0.1").replace("limits =", "topics = [\"charge\"]\nlimits =").into_bytes()),
    ];
    host.runtime.deploy(Upload { resources, ..Upload::default() }).await.expect("deployed");
    let mapped = host.start_instance(json!({ "script": { "x": { "set": { "by": "delegate" } } } })).await.expect("it starts");
    assert!(mapped.ended, "no worker was needed");

    // What began before the mapping is still a worker's.
    let got = fetch(&host.runtime, "ann", 60_000, Duration::ZERO).await;
    assert_eq!(got.iter().map(|task| task.task.instance).collect::<Vec<_>>(), [started.id.0]);
    complete(&host.runtime, id(&got[0]), "ann").await.expect("completed");
    host.ended(started.id).await;
    assert_sound(&host.runtime).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_on_the_word_of_a_worker_that_does_not_have_the_task() {
    let host = Host::start().await;
    host.deploy(process(MODEL)).await;
    let started = host.start_instance(json!({ "script": common::commands(&[("a", "test.ok@1")]) })).await.expect("it starts");
    let got = fetch(&host.runtime, "ann", 60_000, Duration::ZERO).await;
    let refused = complete(&host.runtime, id(&got[0]), "bob").await;
    assert!(matches!(&refused, Err(Error::NotHeld { worker: Some(holder) }) if holder == "ann"), "{refused:?}");
    assert!(host.domain.calls().is_empty(), "{:?}", host.domain.calls());
    complete(&host.runtime, id(&got[0]), "ann").await.expect("completed");
    host.ended(started.id).await;
    assert_eq!(host.domain.calls().values().sum::<u32>(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_ran_out_is_still_its_workers_until_another_fetches_the_task() {
    let host = Host::start().await;
    host.deploy(process(MODEL)).await;
    for taken in [false, true] {
        let started = host.start_instance(json!({})).await.expect("it starts");
        let got = fetch(&host.runtime, "ann", 1, Duration::ZERO).await;
        let task = id(&got[0]);
        // Its lock is over when somebody else could have it.
        host.until("the lock runs out", || async {
            let now = jiff::Timestamp::now().as_millisecond();
            host.runtime.reads().has_external_tasks(vec!["charge".into()], now).await.expect("read")
        })
        .await;
        if taken {
            let again = fetch(&host.runtime, "bob", 60_000, Duration::from_secs(20)).await;
            assert_eq!(again.iter().map(id).collect::<Vec<_>>(), [task]);
            assert!(matches!(complete(&host.runtime, task, "ann").await, Err(Error::NotHeld { .. })));
            complete(&host.runtime, task, "bob").await.expect("his own");
        } else {
            complete(&host.runtime, task, "ann").await.expect("late, and nobody else wanted it");
        }
        host.ended(started.id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_workers_at_an_expired_lock_one_completes_the_task() {
    for database in [None, Some(postgres())] {
        let host = Host::start_with(Setup { database, ..Setup::default() }).await;
        host.deploy(process(MODEL)).await;
        for _ in 0..20 {
            let started = host.start_instance(json!({})).await.expect("it starts");
            let task = id(&fetch(&host.runtime, "ann", 1, Duration::ZERO).await[0]);
            let (taken, completed) =
                tokio::join!(fetch(&host.runtime, "bob", 60_000, Duration::from_millis(5)), complete(&host.runtime, task, "ann"));
            match completed {
                Ok(()) => {}
                Err(Error::NotHeld { worker }) => {
                    assert_eq!((worker.as_deref(), taken.len()), (Some("bob"), 1));
                    complete(&host.runtime, task, "bob").await.expect("his own");
                }
                Err(other) => panic!("{other}"),
            }
            host.ended(started.id).await;
        }
        assert_sound(&host.runtime).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_gets_what_another_host_has_stored_since() {
    let setup = Setup { database: Some(postgres()), ..Setup::default() };
    let host = Host::start_with(setup.clone()).await;
    host.deploy(process(MODEL)).await;
    let beside = host.beside(setup).await;
    // This host has the instance in memory; the other one changes a variable behind its back.
    let started = host.start_instance(json!({ "amount": 1 })).await.expect("it starts");
    beside.set_variables(started.id, None, as_variables(&json!({ "amount": 2 })), Vec::new()).await.expect("set");
    let got = fetch(&host.runtime, "ann", 60_000, Duration::ZERO).await;
    assert_eq!(&*got[0].variables["amount"].json, "2");
    // A task of the other host is found by a client that waits at this one.
    let (waited, second) = tokio::join!(fetch(&host.runtime, "ann", 60_000, Duration::from_secs(30)), async {
        let start = mandate_runtime::Start::of_key("p", Variables::new());
        beside.start(start).await.expect("it starts")
    });
    assert_eq!(waited.iter().map(|task| task.task.instance).collect::<Vec<_>>(), [second.id.0]);
    complete(&beside, id(&waited[0]), "ann").await.expect("on any host");
    beside.shut_down(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_and_its_failure_outlive_the_host() {
    let host = Host::start().await;
    host.deploy(process(MODEL)).await;
    let started = host.start_instance(json!({})).await.expect("it starts");
    let task = id(&fetch(&host.runtime, "ann", 60_000, Duration::ZERO).await[0]);
    let failure =
        WorkerFailure { message: Some("no NUL: \0".into()), details: Some("x".repeat(1 << 20)), retries: 0, ..WorkerFailure::default() };
    host.runtime.fail_external_task(task, "ann".into(), failure).await.expect("stored");
    assert_eq!(host.incident(started.id).await, "EXTERNAL_TASK_FAILED");
    let host = host.restart().await;
    assert_sound(&host.runtime).await;
    assert!(fetch(&host.runtime, "bob", 60_000, Duration::ZERO).await.is_empty());
    // Its worker may still complete it, retries or not, as in Camunda 7; and the incident goes with it.
    complete(&host.runtime, task, "ann").await.expect("completed");
    host.ended(started.id).await;
    assert_sound(&host.runtime).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_that_hangs_up_would_have_got_is_another_ones() {
    let host = Host::start().await;
    host.deploy(process(MODEL)).await;
    for (patience, waits_for_lock) in [(Duration::ZERO, false), (Duration::from_secs(30), false), (Duration::ZERO, true)] {
        let started = host.start_instance(json!({})).await.expect("it starts");
        let mut asked = Box::pin(fetch(&host.runtime, "ann", 600_000, patience));
        // Once is enough to send the query on its way. Where the machine stalls in between, the answer is there at once, and she has it.
        if futures_util::poll!(&mut asked).is_ready() {
            continue;
        }
        if waits_for_lock {
            let (worker, instances) = (Some("ann".into()), vec![started.id.0]);
            let locked = ExternalTaskFilter { worker, instances, ..ExternalTaskFilter::default() };
            host.until("ann has it", async || {
                host.runtime.reads().count_external_tasks(locked.clone()).await.is_ok_and(|count| count == 1)
            })
            .await;
            assert!(fetch(&host.runtime, "cat", 600_000, Duration::ZERO).await.is_empty(), "by now ann's answer is there, unread");
        }
        drop(asked);
        let got = fetch(&host.runtime, "bob", 600_000, Duration::from_secs(30)).await;
        assert_eq!(got.iter().map(|task| task.task.instance).collect::<Vec<_>>(), [started.id.0]);
        complete(&host.runtime, id(&got[0]), "bob").await.expect("completed");
        host.ended(started.id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_of_too_many_topics_is_refused() {
    let host = Host::start().await;
    let topics = |many: u32| (0..many).map(|n| FetchTopic { topic: format!("t{n}"), lock_ms: 1, ..FetchTopic::default() }).collect();
    let asked = |many| Fetch { topics: topics(many), ..asking("ann", 1) };
    let most = host.runtime.fetch_and_lock(asked(200), BTreeMap::new(), Duration::ZERO).await;
    assert!(most.expect("one statement").is_empty());
    let refused = host.runtime.fetch_and_lock(asked(201), BTreeMap::new(), Duration::ZERO).await;
    assert!(matches!(&refused, Err(Error::Invalid(why)) if why.contains("at most 200")), "{refused:?}");
}
