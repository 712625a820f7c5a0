//! What expressions see of the time and of who asks, in the bodies of commands: whichever attempt sends one, it says the same.

use std::time::Duration;

use mandate_runtime::engine::{InstanceId, PublicId, Variables};
use mandate_runtime::query::{InstanceFilter, Page};
use mandate_runtime::{ClockSource, Operator, Runtime, SignalTenants, SignalThrown, Start};
use serde_json::{Value, json};

use crate::common::{Host, Setup, as_variables, on_both, on_both_with, process};

const HOUR: i64 = 60 * 60 * 1_000;

/// An element `first`, with this inside, that is tried again at once, and then `w`, a delegate that is told the time and who asks.
fn model(first: &str, inside: &str) -> Vec<u8> {
    let start =
        if first == "startEvent" { "" } else { r#"<bpmn:startEvent id="s"/><bpmn:sequenceFlow id="fs" sourceRef="s" targetRef="first"/>"# };
    process(&format!(
        r#"{start}<bpmn:{first} id="first"><bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R3/PT0.01S</camunda:failedJobRetryTimeCycle>
             </bpmn:extensionElements>{inside}</bpmn:{first}>
           <bpmn:serviceTask id="w" camunda:class="worker"><bpmn:extensionElements><camunda:inputOutput>
             <camunda:inputParameter name="at">${{now()}}</camunda:inputParameter>
             <camunda:inputParameter name="by">${{currentUser()}}</camunda:inputParameter></camunda:inputOutput></bpmn:extensionElements></bpmn:serviceTask>
           <bpmn:sequenceFlow id="fw" sourceRef="first" targetRef="w"/>"#
    ))
}

/// `w` sends this command with what it is told, and then those.
fn script(command: &str, then: &[&str]) -> Value {
    let told = json!({ "name": command, "body": { "at": "$at", "by": "$by" } });
    let others = then.iter().map(|name| json!({ "name": name, "body": {} }));
    json!({ "script": { "w": { "commands": std::iter::once(told).chain(others).collect::<Vec<_>>() } } })
}

fn manual() -> Setup {
    Setup { clock: ClockSource::Manual, ..Setup::default() }
}

fn ann(runtime: &Runtime) -> Runtime {
    runtime.on_behalf_of(Operator { user: Some("ann".into()), annotation: None })
}

fn start(variables: &Value) -> Start {
    Start::of_key("p", as_variables(variables))
}

/// The instance comes to its end, and the command was applied once. Answers what it said.
async fn applied_once(host: &Host, id: InstanceId) -> Value {
    host.ended(id).await;
    let mut told: Vec<_> = host.domain.applied().into_iter().filter(|applied| applied.body["at"].is_string()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    told.remove(0).body
}

#[tokio::test(flavor = "multi_thread")]
async fn start_that_crashes_behind_its_command_goes_on_for_whoever_has_started_it() {
    on_both(async |host| {
        host.deploy(model("startEvent", "")).await;
        let runtime = ann(&host.runtime);
        let starting = tokio::spawn(async move { runtime.start(start(&script("test.held@1", &[]))).await });
        host.until("the command is on its way", || async { host.domain.held() == 1 }).await;
        let found = host.runtime.reads().instances(InstanceFilter::default(), Page::ALL, &[]).await.expect("read");
        let id = InstanceId(found[0].id);
        // From here on it writes nothing.
        host.runtime.shut_down(Duration::ZERO).await;
        host.domain.let_go(2);
        drop(starting.await);
        let host = host.restart().await;
        assert_eq!(applied_once(&host, id).await["by"], "ann");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_sends_what_the_first_attempt_has_sent() {
    on_both(async |host| {
        host.deploy(model("startEvent", "")).await;
        let id = ann(&host.runtime).start(start(&script("test.ok@1", &["test.busy-once@1"]))).await.expect("it starts").id;
        assert_eq!(applied_once(&host, id).await["by"], "ann");
        let mut calls: Vec<_> = host.domain.calls().into_values().collect();
        calls.sort_unstable();
        assert_eq!(calls, [1, 2], "the one that was refused is sent again");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unit_that_loses_a_race_sends_what_it_has_sent() {
    on_both(async |host| {
        host.deploy(model("userTask", "")).await;
        let id = ann(&host.runtime).start(start(&script("test.held@1", &[]))).await.expect("it starts").id;
        let view = host.runtime.instance(id).await.expect("it lives");
        let task = PublicId { instance: id, number: view.instance.tasks().next().expect("the person's task").wait.0 };
        let runtime = ann(&host.runtime);
        let completing = tokio::spawn(async move { runtime.complete_task(task, Variables::new()).await.map(drop) });
        host.until("the command is on its way", || async { host.domain.held() == 1 }).await;
        host.runtime.set_variables(id, None, as_variables(&json!({ "meanwhile": 1 })), Vec::new()).await.expect("set");
        host.domain.let_go(2);
        completing.await.expect("it ends").expect("completed");
        assert_eq!(applied_once(&host, id).await["by"], "ann");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signal_that_is_delivered_again_leads_to_the_same_command() {
    on_both(async |host| {
        let model = String::from_utf8(model("intermediateCatchEvent", r#"<bpmn:signalEventDefinition signalRef="alarm"/>"#)).expect("text");
        let model = model.replacen("<bpmn:message", r#"<bpmn:signal id="alarm" name="alarm"/><bpmn:message"#, 1);
        host.deploy(model.into_bytes()).await;
        let id = host.runtime.start(start(&script("test.ok@1", &["test.busy-once@1"]))).await.expect("it starts").id;
        let thrown = SignalThrown { name: "alarm".into(), variables: Variables::new(), tenants: SignalTenants::Any };
        host.runtime.throw_signal(thrown).await.expect("thrown");
        applied_once(&host, id).await;
    })
    .await;
}

const TIMER: &str = "<bpmn:timerEventDefinition><bpmn:timeDuration>PT1H</bpmn:timeDuration></bpmn:timerEventDefinition>";

#[tokio::test(flavor = "multi_thread")]
async fn timer_sees_its_date_also_when_it_is_tried_again_later() {
    on_both_with(manual(), async |host| {
        host.deploy(model("intermediateCatchEvent", TIMER)).await;
        let begun = host.runtime.now();
        let id = ann(&host.runtime).start(start(&script("test.ok@1", &["test.busy-once@1"]))).await.expect("it starts").id;
        host.runtime.set_clock(begun + 2 * HOUR).await.expect("moved");
        let body = applied_once(&host, id).await;
        assert_eq!(body, json!({ "at": shown(begun + HOUR), "by": null }));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn timer_that_somebody_has_fire_before_its_date_sees_when() {
    on_both_with(manual(), async |host| {
        host.deploy(model("intermediateCatchEvent", TIMER)).await;
        let begun = host.runtime.now();
        let id = host.runtime.start(start(&script("test.ok@1", &["test.busy-once@1"]))).await.expect("it starts").id;
        let wait = host.runtime.instance(id).await.expect("it lives").instance.jobs().next().expect("the timer").wait;
        let job = PublicId { instance: id, number: wait.0 };
        host.runtime.set_clock(begun + HOUR / 2).await.expect("moved");
        host.runtime.execute_job(job).await.expect_err("the second command is refused at first");
        host.runtime.set_clock(begun + HOUR).await.expect("moved");
        assert_eq!(applied_once(&host, id).await["at"], shown(begun + HOUR / 2));
    })
    .await;
}

/// A moment as expressions show it.
fn shown(at: i64) -> String {
    jiff::Timestamp::from_millisecond(at).expect("of this age").strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
