//! Signals that a receiver cannot take: tried again as a job would be, then an incident that an operator ends.

use std::time::Duration;

use crate::common::{self, Host, Setup, on_both_with};
use mandate_runtime::engine::{InstanceId, PublicId, Variables};
use mandate_runtime::query::{
    DELIVERY, HistoryIncidentFilter, HistoryInstanceFilter, IncidentFilter, IncidentListed, IncidentState, InstanceFilter, JobFilter,
    JobListed, OperationFilter, Page, TaskFilter,
};
use mandate_runtime::{Cleaned, ClockSource, Operator, Reason, Runtime, SignalTenants, SignalThrown, Start, WaitingFilter};
use serde_json::json;

/// `deaf` waits for `alarm`, and then calls a delegate that fails; `stubborn` starts by `alarm` and needs a variable. `echo` starts by
/// `echo` and throws it again.
const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
  xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" id="d" targetNamespace="test">
  <bpmn:signal id="alarm" name="alarm"/>
  <bpmn:signal id="called" name="echo"/>
  <bpmn:process id="deaf" isExecutable="true">
    <bpmn:startEvent id="s1"/>
    <bpmn:intermediateCatchEvent id="wait"><bpmn:extensionElements>
      <camunda:failedJobRetryTimeCycle>R2/PT1M</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
      <bpmn:signalEventDefinition signalRef="alarm"/></bpmn:intermediateCatchEvent>
    <bpmn:serviceTask id="w" camunda:class="worker"/>
    <bpmn:userTask id="caught"/>
    <bpmn:sequenceFlow id="f11" sourceRef="s1" targetRef="wait"/>
    <bpmn:sequenceFlow id="f12" sourceRef="wait" targetRef="w"/>
    <bpmn:sequenceFlow id="f13" sourceRef="w" targetRef="caught"/>
  </bpmn:process>
  <bpmn:process id="stubborn" isExecutable="true" camunda:historyTimeToLive="P1D">
    <bpmn:startEvent id="s2"><bpmn:signalEventDefinition signalRef="alarm"/></bpmn:startEvent>
    <bpmn:userTask id="began" camunda:assignee="${who}"/>
    <bpmn:sequenceFlow id="f21" sourceRef="s2" targetRef="began"/>
  </bpmn:process>
  <bpmn:process id="echo" isExecutable="true">
    <bpmn:startEvent id="s3"><bpmn:signalEventDefinition signalRef="called"/></bpmn:startEvent>
    <bpmn:endEvent id="e3"><bpmn:signalEventDefinition signalRef="called"/></bpmn:endEvent>
    <bpmn:sequenceFlow id="f31" sourceRef="s3" targetRef="e3"/>
  </bpmn:process>
</bpmn:definitions>"#;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

async fn on_both(test: impl AsyncFn(Host)) {
    let setup = Setup { clock: ClockSource::Manual, ..Setup::default() };
    on_both_with(setup, async |host| {
        host.deploy(MODEL.as_bytes().to_vec()).await;
        test(host).await;
    })
    .await;
}

async fn start(runtime: &Runtime, key: &str) -> InstanceId {
    let start = Start {
        business_key: Some("order-1".into()),
        ..Start::of_key(key, common::as_variables(&json!({ "script": { "w": { "failAttempts": 9 } } })))
    };
    runtime.start(start).await.expect("it starts").id
}

async fn throw(runtime: &Runtime, name: &str) {
    let thrown = SignalThrown { name: name.into(), variables: Variables::new(), tenants: SignalTenants::Any };
    runtime.throw_signal(thrown).await.expect("thrown");
}

async fn incidents(runtime: &Runtime) -> Vec<IncidentListed> {
    let mut incidents = runtime.reads().incidents(IncidentFilter::default(), Page::ALL, &[]).await.expect("read");
    incidents.sort_by(|a, b| a.row.activity_id.cmp(&b.row.activity_id));
    incidents
}

async fn jobs(runtime: &Runtime) -> Vec<JobListed> {
    runtime.reads().jobs(JobFilter::default(), Page::ALL, &[]).await.expect("read")
}

async fn tasks(runtime: &Runtime) -> i64 {
    runtime.reads().count_tasks(TaskFilter::default()).await.expect("read")
}

fn id_of(incident: &IncidentListed) -> PublicId {
    PublicId { instance: InstanceId(incident.instance), number: u64::try_from(incident.row.n).expect("positive") }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_is_an_incident_until_an_operator_has_it_tried_again_or_forgets_it() {
    on_both(async |host| {
        let runtime = host.runtime.on_behalf_of(Operator { user: Some("ann".into()), annotation: None });
        let deaf = start(&runtime, "deaf").await;
        throw(&runtime, "alarm").await;
        // The catch event has a retry cycle of its own.
        let mut failed = jobs(&runtime).await;
        failed.sort_by(|a, b| a.row.activity_id.cmp(&b.row.activity_id));
        let seen: Vec<_> = failed.iter().map(|job| (job.row.kind.as_str(), job.row.activity_id.as_str(), job.row.retries)).collect();
        assert_eq!(seen, [(DELIVERY, "s2", 2), (DELIVERY, "wait", 1)]);
        assert_eq!(failed[1].row.due, runtime.now() + MINUTE);
        assert!(incidents(&runtime).await.is_empty(), "they have attempts left");

        runtime.set_clock(runtime.now() + 2 * MINUTE).await.expect("all is quiet, though not all is well");
        let found = incidents(&runtime).await;
        let seen: Vec<_> = found.iter().map(|it| (it.row.activity_id.as_str(), it.row.code.as_str(), it.row.attempt)).collect();
        assert_eq!(seen, [("s2", "UNDELIVERED", 3), ("wait", "UNDELIVERED", 2)]);
        let (of_start, of_wait) = (&found[0], &found[1]);
        assert_eq!((of_wait.instance, of_wait.business_key.as_deref()), (deaf.0, Some("order-1")));
        let detail = common::detail(&runtime, of_wait).await;
        assert_eq!((&detail["businessKey"], &detail["activityId"]), (&json!("order-1"), &json!("wait")));
        assert!(detail["message"].as_str().is_some_and(|message| message.starts_with("DELEGATE_FAILED: ")), "{detail}");
        let all = WaitingFilter { max_instances: 10, ..WaitingFilter::default() };
        let (waiting, _) = runtime.waiting(all).await.expect("listed");
        let reason = &waiting[0].reason;
        assert!(
            matches!(reason, Reason::Incident { id, code, .. } if *id == id_of(of_wait).to_string() && code == "UNDELIVERED"),
            "{reason:?}"
        );
        assert!(runtime.check_store().await.expect("checked").findings.is_empty());

        // Tried again while nothing is repaired, it fails again, and the caller is told.
        let error = runtime.execute_job(id_of(of_wait)).await.expect_err("nothing is repaired");
        assert!(error.to_string().contains("failed: "), "{error}");
        assert_eq!(incidents(&runtime).await.len(), 2);
        runtime.set_variables(deaf, None, common::as_variables(&json!({ "script": {} })), Vec::new()).await.expect("set");
        runtime.set_job_retries(id_of(of_wait), 1, None).await.expect("set");
        host.until("it has got it", || async { tasks(&runtime).await == 1 }).await;

        runtime.delete_job(id_of(of_start)).await.expect("forgotten");
        assert!(incidents(&runtime).await.is_empty() && jobs(&runtime).await.is_empty());
        let gone = runtime.delete_job(id_of(of_start)).await.expect_err("it is gone");
        assert!(matches!(gone, mandate_runtime::Error::NotFound { .. }), "{gone}");
        assert_eq!(runtime.reads().count_instances(InstanceFilter::default()).await.expect("read"), 1);
        let logged = runtime.reads().operations(OperationFilter::default(), Page::ALL, &[]).await.expect("read");
        let verbs: Vec<_> = logged.iter().filter(|it| it.row.entity_type == "Job").map(|it| it.row.operation_type.as_str()).collect();
        assert_eq!(verbs, ["SetJobRetries", "Delete"]);
        host.runtime.shut_down(Duration::from_secs(5)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_any_more_is_no_incident() {
    on_both(async |host| {
        let runtime = &host.runtime;
        let deaf = start(runtime, "deaf").await;
        throw(runtime, "alarm").await;
        runtime.set_clock(runtime.now() + 2 * MINUTE).await.expect("moved");
        assert_eq!(incidents(runtime).await.len(), 2);
        runtime.delete_instance(deaf, None, false).await.expect("deleted");
        let left = incidents(runtime).await;
        assert_eq!(left.iter().map(|it| it.row.activity_id.as_str()).collect::<Vec<_>>(), ["s2"]);
        host.runtime.shut_down(Duration::from_secs(5)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn incident_of_a_start_that_was_never_made_goes_as_the_history_of_its_process_does() {
    on_both(async |host| {
        let runtime = &host.runtime;
        throw(runtime, "alarm").await;
        runtime.set_clock(runtime.now() + 2 * MINUTE).await.expect("moved");
        let remembered = async || {
            let found = runtime.reads().remembered_incidents(HistoryIncidentFilter::default(), Page::ALL, &[]).await.expect("read");
            found.iter().map(|it| (it.row.incident.activity_id.clone(), it.row.state)).collect::<Vec<_>>()
        };
        let years_later = runtime.now() + 5 * 365 * DAY;
        assert_eq!(remembered().await, [("s2".to_owned(), IncidentState::Open)]);
        assert_eq!(runtime.clean_history(years_later, 10).await.expect("cleaned"), Cleaned::Nothing, "it is open");
        let incident = id_of(&incidents(runtime).await[0]);
        runtime.delete_job(incident).await.expect("forgotten");
        assert_eq!(remembered().await, [("s2".to_owned(), IncidentState::Deleted)]);
        assert_eq!(runtime.clean_history(runtime.now() + DAY - 1, 10).await.expect("cleaned"), Cleaned::Nothing);
        assert_eq!(runtime.clean_history(runtime.now() + DAY, 10).await.expect("cleaned"), Cleaned::Instances(0));
        assert_eq!(remembered().await, []);
        host.runtime.shut_down(Duration::from_secs(5)).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_each_other_by_signals_come_to_an_end() {
    on_both(async |host| {
        throw(&host.runtime, "echo").await;
        host.until("it is seen", || async { !incidents(&host.runtime).await.is_empty() }).await;
        let found = incidents(&host.runtime).await;
        assert_eq!((found.len(), found[0].row.attempt, found[0].row.activity_id.as_str()), (1, 1, "s3"));
        assert!(found[0].row.message.starts_with("STEP_LIMIT: more than 100 signals"), "{}", found[0].row.message);
        assert_eq!(host.runtime.reads().count_history_instances(HistoryInstanceFilter::default()).await.expect("read"), 99);
        host.runtime.shut_down(Duration::from_secs(5)).await;
    })
    .await;
}
