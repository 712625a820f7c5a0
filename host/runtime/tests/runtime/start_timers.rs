//! Processes that start by time.

use crate::common::{Host, Setup, postgres, process};
use mandate_runtime::engine::{InstanceId, PublicId};
use mandate_runtime::query::{HistoryInstanceFilter, HistoryInstanceSort, JobFilter, JobListed, Order, Page};
use mandate_runtime::{ClockSource, Error, Extent};

const MINUTE: i64 = 60 * 1_000;

/// Started by a cycle: a delegate that may command, then the end.
fn every(cycle: &str) -> Vec<u8> {
    process(&format!(
        r#"<bpmn:startEvent id="t"><bpmn:timerEventDefinition><bpmn:timeCycle>{cycle}</bpmn:timeCycle></bpmn:timerEventDefinition></bpmn:startEvent>
        <bpmn:serviceTask id="w" camunda:class="worker"/><bpmn:endEvent id="e"/>
        <bpmn:sequenceFlow id="f1" sourceRef="t" targetRef="w"/><bpmn:sequenceFlow id="f2" sourceRef="w" targetRef="e"/>"#
    ))
}

/// The start fails at an assignee that no variable gives, before anything is stored.
fn failing(cycle: &str) -> Vec<u8> {
    process(&format!(
        r#"<bpmn:startEvent id="t"><bpmn:timerEventDefinition><bpmn:timeCycle>{cycle}</bpmn:timeCycle></bpmn:timerEventDefinition></bpmn:startEvent>
        <bpmn:userTask id="u" camunda:assignee="${{missing}}"/><bpmn:sequenceFlow id="f1" sourceRef="t" targetRef="u"/>"#
    ))
}

async fn manual(database: Option<String>) -> Host {
    Host::start_with(Setup { database, clock: ClockSource::Manual, ..Setup::default() }).await
}

/// When instances were started, in minutes after a moment.
async fn starts(host: &Host, after: i64) -> Vec<i64> {
    let sort = [(HistoryInstanceSort::StartedAt, Order::Asc)];
    let found = host.runtime.reads().history_instances(HistoryInstanceFilter::default(), Page::ALL, &sort).await.expect("read");
    assert!(found.iter().all(|instance| instance.start_activity.as_deref() == Some("t")));
    found.iter().map(|instance| (instance.started_at - after) / MINUTE).collect()
}

async fn jobs(host: &Host) -> Vec<JobListed> {
    host.runtime.reads().jobs(JobFilter { timers: true, ..JobFilter::default() }, Page::ALL, &[]).await.expect("read")
}

fn id(job: &JobListed) -> PublicId {
    PublicId { instance: InstanceId(job.instance), number: u64::try_from(job.row.wait).expect("a number") }
}

async fn to(host: &Host, moment: i64) {
    host.runtime.set_clock(moment).await.expect("moved");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_date_of_a_cycle_starts_an_instance_at_its_moment() {
    for database in [None, Some(postgres())] {
        let host = manual(database).await;
        let begun = host.runtime.now();
        host.deploy(every("R3/PT10M")).await;
        to(&host, begun + 10 * MINUTE - 1).await;
        assert_eq!(starts(&host, begun).await, [0; 0]);
        to(&host, begun + 100 * MINUTE).await;
        assert_eq!(starts(&host, begun).await, [10, 20, 30]);
        assert!(jobs(&host).await.is_empty(), "that was the last");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn newest_version_starts_by_time_and_an_older_one_again_when_it_is_deleted() {
    let host = manual(None).await;
    let begun = host.runtime.now();
    host.deploy(every("R/PT10M")).await;
    to(&host, begun + 10 * MINUTE).await;
    let second = host.deploy(every("R/PT1H")).await.id.expect("stored");
    to(&host, begun + 75 * MINUTE).await;
    assert_eq!(starts(&host, begun).await, [10, 70]);
    host.runtime.delete_deployment(&second, true).await.expect("deleted");
    assert_eq!(starts(&host, begun).await, [10]);
    to(&host, begun + 100 * MINUTE).await;
    assert_eq!(starts(&host, begun).await, [10, 85, 95]);
}

#[tokio::test(flavor = "multi_thread")]
async fn suspended_definition_starts_nothing_and_makes_up_for_nothing() {
    let host = manual(None).await;
    let begun = host.runtime.now();
    let definition = host.deploy(every("R/PT10M")).await.definitions.remove(0).id;
    host.runtime.suspend_definition(&definition, true, Extent::Definitions).await.expect("suspended");
    to(&host, begun + 35 * MINUTE).await;
    assert_eq!(starts(&host, begun).await, [0; 0]);
    host.runtime.suspend_definition(&definition, false, Extent::Definitions).await.expect("activated");
    to(&host, begun + 45 * MINUTE).await;
    assert_eq!(starts(&host, begun).await, [35, 40], "one late, and the next at its time");
}

#[tokio::test(flavor = "multi_thread")]
async fn start_that_fails_for_good_waits_beside_the_cycle() {
    for database in [None, Some(postgres())] {
        let host = manual(database).await;
        let begun = host.runtime.now();
        host.deploy(failing("R2/PT20M")).await;
        to(&host, begun + 30 * MINUTE).await;
        let found = jobs(&host).await;
        let mut rows: Vec<_> = found.iter().map(|job| ((job.row.due - begun) / MINUTE, job.row.retries, job.row.failures)).collect();
        rows.sort_unstable();
        assert_eq!(rows, [(20, 0, 3), (40, 3, 0)]);
        let failed = found.iter().find(|job| job.row.retries == 0).expect("it failed");
        assert!(failed.row.failure.as_deref().is_some_and(|failure| failure.contains("missing")), "{:?}", failed.row.failure);
        let again = host.runtime.execute_job(id(failed)).await;
        assert!(matches!(&again, Err(Error::JobFailed { reason, .. }) if reason.contains("missing")), "{again:?}");
        host.runtime.set_job_retries(id(failed), 1, None).await.expect("retries are given");
        to(&host, begun + 100 * MINUTE).await;
        assert!(jobs(&host).await.iter().all(|job| job.row.retries == 0));
        assert_eq!(starts(&host, begun).await, [0; 0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn operator_starts_a_firing_before_its_time_and_only_once() {
    let host = Host::start_with(Setup { execute_jobs: false, clock: ClockSource::Manual, ..Setup::default() }).await;
    let begun = host.runtime.now();
    host.deploy(every("R2/PT10M")).await;
    let first = jobs(&host).await.remove(0);
    host.runtime.execute_job(id(&first)).await.expect("it runs");
    assert_eq!(starts(&host, begun).await, [0]);
    assert!(matches!(host.runtime.execute_job(id(&first)).await, Err(Error::NotFound { .. })));
    let second = jobs(&host).await.remove(0);
    assert_eq!((second.instance, second.row.wait, second.row.due), (first.instance, 2, begun + 20 * MINUTE));
    host.runtime.execute_job(id(&second)).await.expect("it runs");
    assert_eq!((starts(&host, begun).await.len(), jobs(&host).await.len()), (2, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_starts_by_time_can_be_started_by_hand_and_a_timer_without_a_value_is_refused() {
    let host = manual(None).await;
    host.deploy(every("0 0 0 1 1 ?")).await;
    host.start_instance(serde_json::json!({})).await.expect("it starts");
    let upload = mandate_runtime::deploy::Upload { resources: vec![("p.bpmn".into(), process(NEEDY))], ..Default::default() };
    match host.runtime.deploy(upload).await {
        Err(Error::Deployment(problems)) => {
            assert!(
                problems.iter().any(|problem| problem.element_id.as_deref() == Some("t") && problem.message.contains("pause")),
                "{problems:?}"
            );
        }
        other => panic!("it is refused, not {other:?}"),
    }
}

const NEEDY: &str = r#"<bpmn:startEvent id="t"><bpmn:timerEventDefinition><bpmn:timeDuration>${pause}</bpmn:timeDuration>
    </bpmn:timerEventDefinition></bpmn:startEvent>"#;

#[tokio::test(flavor = "multi_thread")]
async fn two_hosts_start_one_instance_for_each_firing() {
    let host = Host::start_with(Setup { database: Some(postgres()), ..Setup::default() }).await;
    let other = host.beside(Setup::default()).await;
    let definition = host.deploy(every("R/PT0.03S")).await.definitions.remove(0).id;
    host.until("many were started", || async { starts(&host, 0).await.len() >= 30 }).await;
    host.runtime.suspend_definition(&definition, true, Extent::Definitions).await.expect("suspended");
    host.until("nobody is at one", || async { jobs(&host).await.iter().all(|job| job.locked_by.is_none()) }).await;
    let firing = jobs(&host).await.remove(0).row.wait;
    assert_eq!(starts(&host, 0).await.len() + 1, usize::try_from(firing).expect("a number"), "each firing before the one that waits");
    other.shut_down(std::time::Duration::from_secs(5)).await;
}
