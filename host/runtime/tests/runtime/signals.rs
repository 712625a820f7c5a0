//! Signals between instances: each receiver gets each once, whatever happens between throw and delivery.

use crate::common;
use std::time::Duration;

use crate::common::{Host, Setup, postgres};
use mandate_runtime::deploy::Upload;
use mandate_runtime::engine::{InstanceId, Variables};
use mandate_runtime::query::{AskedValue, InstanceFilter, TASKS, TaskFilter};
use mandate_runtime::{ClockSource, Runtime, SignalTenants, SignalThrown, Start};

/// `thrower` throws `alarm` and ends. `catcher` waits for it in a task's boundary event that does not interrupt, which leads to `noted`,
/// and beside that once, which leads to `caught`. `begun` starts by it and waits.
const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="d" targetNamespace="test">
  <bpmn:signal id="alarm" name="alarm"/>
  <bpmn:process id="thrower" isExecutable="true">
    <bpmn:startEvent id="s1"/>
    <bpmn:endEvent id="e1"><bpmn:signalEventDefinition signalRef="alarm"><bpmn:extensionElements>
      <camunda:in source="why" target="why"/><camunda:in businessKey="fire"/></bpmn:extensionElements></bpmn:signalEventDefinition></bpmn:endEvent>
    <bpmn:sequenceFlow id="f11" sourceRef="s1" targetRef="e1"/>
  </bpmn:process>
  <bpmn:process id="catcher" isExecutable="true">
    <bpmn:startEvent id="s2"/>
    <bpmn:userTask id="work"/>
    <bpmn:boundaryEvent id="heard" attachedToRef="work" cancelActivity="false"><bpmn:signalEventDefinition signalRef="alarm"/></bpmn:boundaryEvent>
    <bpmn:userTask id="noted"/>
    <bpmn:intermediateCatchEvent id="wait"><bpmn:signalEventDefinition signalRef="alarm"/></bpmn:intermediateCatchEvent>
    <bpmn:userTask id="caught"/>
    <bpmn:sequenceFlow id="f21" sourceRef="s2" targetRef="work"/>
    <bpmn:sequenceFlow id="f22" sourceRef="s2" targetRef="wait"/>
    <bpmn:sequenceFlow id="f23" sourceRef="heard" targetRef="noted"/>
    <bpmn:sequenceFlow id="f24" sourceRef="wait" targetRef="caught"/>
  </bpmn:process>
  <bpmn:process id="begun" isExecutable="true">
    <bpmn:startEvent id="s3"><bpmn:signalEventDefinition signalRef="alarm"/></bpmn:startEvent>
    <bpmn:userTask id="began"/>
    <bpmn:sequenceFlow id="f31" sourceRef="s3" targetRef="began"/>
  </bpmn:process>
</bpmn:definitions>"#;

async fn with_model(setup: Setup) -> Host {
    let host = Host::start_with(setup).await;
    let upload = Upload { resources: vec![("signals.bpmn".to_owned(), MODEL.as_bytes().to_vec())], ..Upload::default() };
    host.runtime.deploy(upload).await.expect("deployed");
    host
}

async fn start(runtime: &Runtime, key: &str) -> InstanceId {
    let start = Start::of_key(key, common::as_variables(&serde_json::json!({ "why": "smoke" })));
    runtime.start(start).await.expect("it starts").id
}

async fn throw(runtime: &Runtime) {
    let thrown = SignalThrown { name: "alarm".into(), variables: Variables::new(), tenants: SignalTenants::Any };
    runtime.throw_signal(thrown).await.expect("thrown");
}

async fn tasks(runtime: &Runtime, activity: &str) -> i64 {
    let at = TASKS.iter().find(|ask| ask.name == "taskDefinitionKey").expect("it can be asked");
    let filter = TaskFilter { asked: vec![at.with(AskedValue::Text(activity.into()))], ..TaskFilter::default() };
    runtime.reads().count_tasks(filter).await.expect("read")
}

async fn on_the_way(runtime: &Runtime) -> i64 {
    runtime.reads().counts(runtime.now()).await.expect("read").signals_on_the_way
}

#[tokio::test(flavor = "multi_thread")]
async fn a_throw_outlives_its_host_and_comes_to_each_receiver_once() {
    for database in [None, Some(postgres())] {
        // This host throws and never delivers.
        let host = with_model(Setup { database: database.clone(), execute_jobs: false, ..Setup::default() }).await;
        for _ in 0..3 {
            start(&host.runtime, "catcher").await;
        }
        start(&host.runtime, "thrower").await;
        // Who comes later gets nothing.
        start(&host.runtime, "catcher").await;
        assert_eq!((on_the_way(&host.runtime).await, tasks(&host.runtime, "noted").await), (7, 0));
        let host = host.restart_with(Setup { database, ..Setup::default() }).await;
        host.until("everybody has got it", || async { on_the_way(&host.runtime).await == 0 }).await;
        // Once more, in case something is delivered that was delivered already.
        let host = host.restart().await;
        let seen = (tasks(&host.runtime, "noted").await, tasks(&host.runtime, "caught").await, tasks(&host.runtime, "began").await);
        assert_eq!(seen, (3, 3, 1));
        let named = InstanceFilter { business_key: Some("fire".into()), ..InstanceFilter::default() };
        assert_eq!(host.runtime.reads().count_instances(named).await.expect("read"), 1);
        assert!(host.runtime.check_store().await.expect("checked").findings.is_empty());
        host.runtime.shut_down(Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signals_that_two_hosts_throw_at_once_are_not_mixed_up() {
    const CATCHERS: i64 = 8;
    const SIGNALS: i64 = 5;
    for database in [None, Some(postgres())] {
        let two = database.is_some();
        let host = with_model(Setup { database, ..Setup::default() }).await;
        let other = if two { Some(host.beside(Setup::default()).await) } else { None };
        for _ in 0..CATCHERS {
            start(&host.runtime, "catcher").await;
        }
        let runtimes = [Some(&host.runtime), other.as_ref()].into_iter().flatten().cycle();
        let throws = runtimes.take(usize::try_from(SIGNALS).expect("few")).enumerate().map(|(at, runtime)| async move {
            // Some come from outside, some from instances.
            if at % 2 == 0 {
                throw(runtime).await;
            } else {
                start(runtime, "thrower").await;
            }
        });
        futures_util::future::join_all(throws).await;
        host.until("everybody has got everything", || async { on_the_way(&host.runtime).await == 0 }).await;
        let seen = (tasks(&host.runtime, "noted").await, tasks(&host.runtime, "caught").await, tasks(&host.runtime, "began").await);
        assert_eq!(seen, (CATCHERS * SIGNALS, CATCHERS, SIGNALS));
        assert!(host.runtime.check_store().await.expect("checked").findings.is_empty());
        for runtime in [Some(&host.runtime), other.as_ref()].into_iter().flatten() {
            runtime.shut_down(Duration::from_secs(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_suspended_after_the_throw_gets_it_when_he_goes_on_and_who_was_before_does_not() {
    for database in [None, Some(postgres())] {
        let setup = Setup { database, execute_jobs: false, clock: ClockSource::Manual };
        let host = with_model(setup.clone()).await;
        let [before, after, gone] =
            [start(&host.runtime, "catcher").await, start(&host.runtime, "catcher").await, start(&host.runtime, "catcher").await];
        host.runtime.suspend_instance(before, true).await.expect("suspended");
        start(&host.runtime, "thrower").await;
        host.runtime.suspend_instance(after, true).await.expect("suspended");
        host.runtime.delete_instance(gone, None, false).await.expect("deleted");
        let host = host.restart_with(Setup { execute_jobs: true, ..setup }).await;
        // Two for the one that was suspended too late; the deleted one's are forgotten, the start is made.
        host.until("the others are served", || async { on_the_way(&host.runtime).await == 2 }).await;
        assert_eq!((tasks(&host.runtime, "noted").await, tasks(&host.runtime, "began").await), (0, 1));
        for instance in [before, after] {
            host.runtime.suspend_instance(instance, false).await.expect("active");
        }
        host.runtime.set_clock(host.runtime.now() + 60_000).await.expect("moved");
        host.until("it has got it", || async { on_the_way(&host.runtime).await == 0 }).await;
        assert_eq!((tasks(&host.runtime, "noted").await, tasks(&host.runtime, "caught").await), (1, 1));
        host.runtime.shut_down(Duration::from_secs(5)).await;
    }
}

/// `slow` starts by `alarm` and sends a command at once. `quick` waits for `bell`, and then for a person.
const SLOW_AND_QUICK: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="d" targetNamespace="test">
  <bpmn:signal id="alarm" name="alarm"/><bpmn:signal id="bell" name="bell"/>
  <bpmn:process id="slow" isExecutable="true">
    <bpmn:startEvent id="s1"><bpmn:signalEventDefinition signalRef="alarm"/></bpmn:startEvent>
    <bpmn:serviceTask id="w1" camunda:class="worker"/>
    <bpmn:sequenceFlow id="f1" sourceRef="s1" targetRef="w1"/>
  </bpmn:process>
  <bpmn:process id="quick" isExecutable="true">
    <bpmn:startEvent id="s2"/>
    <bpmn:intermediateCatchEvent id="wait"><bpmn:signalEventDefinition signalRef="bell"/></bpmn:intermediateCatchEvent>
    <bpmn:userTask id="heard"/>
    <bpmn:sequenceFlow id="f2" sourceRef="s2" targetRef="wait"/><bpmn:sequenceFlow id="f3" sourceRef="wait" targetRef="heard"/>
  </bpmn:process>
</bpmn:definitions>"#;

#[tokio::test(flavor = "multi_thread")]
async fn slow_processes_that_signals_start_keep_no_others_from_theirs() {
    // As many deliveries as a host has under way at once, and as many commands as it sends to one target.
    const SLOW: u32 = 16;
    let host = Host::start().await;
    host.deploy(SLOW_AND_QUICK.into()).await;
    start(&host.runtime, "quick").await;
    let script = common::as_variables(&serde_json::json!({ "script": common::commands(&[("w1", "test.held@1")]) }));
    for _ in 0..SLOW {
        let (runtime, variables) = (host.runtime.clone(), script.clone());
        let thrown = SignalThrown { name: "alarm".into(), variables, tenants: SignalTenants::Any };
        tokio::spawn(async move { runtime.throw_signal(thrown).await.expect("thrown") });
    }
    host.until("their commands are on their way", || async { host.domain.held() == SLOW }).await;
    let thrown = SignalThrown { name: "bell".into(), variables: Variables::new(), tenants: SignalTenants::Any };
    // Far less than the commands may take.
    tokio::time::timeout(Duration::from_secs(20), host.runtime.throw_signal(thrown)).await.expect("nobody waits").expect("thrown");
    assert_eq!((tasks(&host.runtime, "heard").await, host.domain.held()), (1, SLOW));
    host.domain.let_go(SLOW);
    let slow = || InstanceFilter { definition_key: Some("slow".into()), ..InstanceFilter::default() };
    host.until("they come to their end", || async { host.runtime.reads().count_instances(slow()).await.expect("read") == 0 }).await;
    assert_eq!(host.domain.applied().len(), SLOW as usize);
    assert!(host.runtime.check_store().await.expect("checked").findings.is_empty());
    host.runtime.shut_down(Duration::from_secs(5)).await;
}
