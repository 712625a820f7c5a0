//! Exclusive jobs of an instance run one at a time, whoever begins them; many of them stand in nobody's way and wait for no poll.

use std::fmt::Write as _;
use std::time::Duration;

use crate::common::{Host, Setup, as_variables, commands, on_both, postgres, process};
use mandate_runtime::engine::{InstanceId, PublicId};
use mandate_runtime::query::{JobFilter, JobListed, Page};
use mandate_runtime::{Error, Runtime};
use serde_json::json;

/// Two branches that begin with a job each; `b` may be exclusive or not.
fn fork(b: &str) -> Vec<u8> {
    process(&format!(
        r#"
      <bpmn:startEvent id="s"/>
      <bpmn:parallelGateway id="g"/>
      <bpmn:serviceTask id="a" camunda:class="worker" camunda:asyncBefore="true">
        <bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R3/PT1H</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
      </bpmn:serviceTask>
      <bpmn:serviceTask id="b" camunda:class="worker" camunda:asyncBefore="true" {b}/>
      <bpmn:endEvent id="e"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="g"/>
      <bpmn:sequenceFlow id="f2" sourceRef="g" targetRef="a"/>
      <bpmn:sequenceFlow id="f3" sourceRef="g" targetRef="b"/>
      <bpmn:sequenceFlow id="f4" sourceRef="a" targetRef="e"/>
      <bpmn:sequenceFlow id="f5" sourceRef="b" targetRef="e"/>"#
    ))
}

/// The instance's job at an activity.
async fn job(runtime: &Runtime, instance: InstanceId, activity: &str) -> Option<JobListed> {
    let filter = JobFilter { instances: vec![instance.0], activity_id: Some(activity.into()), ..JobFilter::default() };
    runtime.reads().jobs(filter, Page::ALL, &[]).await.expect("read").pop()
}

async fn id(runtime: &Runtime, instance: InstanceId, activity: &str) -> PublicId {
    let job = job(runtime, instance, activity).await.unwrap_or_else(|| panic!("there is a job at {activity}"));
    PublicId { instance, number: job.row.wait.unsigned_abs() }
}

/// Which activities have sent their command, in order.
fn applied(host: &Host) -> Vec<String> {
    host.domain.applied().iter().map(|applied| applied.body["by"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executed_job_waits_for_the_exclusive_job_that_is_under_way() {
    on_both(async |host| {
        host.deploy(fork("")).await;
        let script = commands(&[("a", "test.held@1"), ("b", "test.ok@1")]);
        let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
        host.until("the first job is under way", async || host.domain.held() == 1).await;
        assert!(!job(&host.runtime, started.id, "b").await.expect("it waits").row.locked, "the second job is in nobody's memory");

        let (runtime, second) = (host.runtime.clone(), id(&host.runtime, started.id, "b").await);
        let executing = tokio::spawn(async move { runtime.execute_job(second).await });
        host.until("this host has it", async || job(&host.runtime, started.id, "b").await.is_some_and(|job| job.row.locked)).await;
        let again = host.runtime.execute_job(second).await;
        assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
        // Were it to run beside the first one, it would be done long before that one gets its answer.
        host.runtime.set_variables(started.id, None, as_variables(&json!({ "x": 1 })), Vec::new()).await.expect("set");
        assert_eq!(applied(&host), [""; 0]);
        host.domain.let_go(1);
        executing.await.expect("a task").expect("it has run");
        host.ended(started.id).await;
        assert_eq!(applied(&host), ["a", "b"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_executed_job_is_refused_while_another_host_runs_an_exclusive_one() {
    let host = Host::start_with(Setup { database: Some(postgres()), ..Setup::default() }).await;
    let other = host.beside(Setup { execute_jobs: false, ..Setup::default() }).await;
    host.deploy(fork("")).await;
    let script = commands(&[("a", "test.held@1"), ("b", "test.ok@1")]);
    let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
    host.until("the first job is under way", async || host.domain.held() == 1).await;
    for activity in ["a", "b"] {
        let refused = other.execute_job(id(&other, started.id, activity).await).await;
        assert!(matches!(&refused, Err(Error::Conflict(reason)) if reason.contains("is being run by host")), "{refused:?}");
    }
    assert_eq!(applied(&host), [""; 0]);
    host.domain.let_go(1);
    host.ended(started.id).await;
    assert_eq!(applied(&host), ["a", "b"]);
    other.shut_down(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_leaves_jobs_alone_executes_those_that_an_operator_names() {
    for database in [None, Some(postgres())] {
        let host = Host::start_with(Setup { database, execute_jobs: false, ..Setup::default() }).await;
        host.deploy(process(
            r#"
          <bpmn:startEvent id="s"/>
          <bpmn:intermediateCatchEvent id="t">
            <bpmn:timerEventDefinition><bpmn:timeDuration xsi:type="bpmn:tFormalExpression">PT1H</bpmn:timeDuration></bpmn:timerEventDefinition>
          </bpmn:intermediateCatchEvent>
          <bpmn:serviceTask id="a" camunda:class="worker" camunda:asyncBefore="true">
            <bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R1/PT1H</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
          </bpmn:serviceTask>
          <bpmn:endEvent id="e"/>
          <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="t"/>
          <bpmn:sequenceFlow id="f2" sourceRef="t" targetRef="a"/>
          <bpmn:sequenceFlow id="f3" sourceRef="a" targetRef="e"/>"#,
        ))
        .await;
        let script = json!({ "a": { "failAttempts": 2 } });
        let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
        host.runtime.execute_job(id(&host.runtime, started.id, "t").await).await.expect("a timer may be fired before its time");
        let work = id(&host.runtime, started.id, "a").await;
        for attempt in [1, 2] {
            let failed = host.runtime.execute_job(work).await;
            assert!(matches!(&failed, Err(Error::JobFailed { reason, .. }) if reason.contains("told to fail")), "{failed:?}");
            let view = host.runtime.instance(started.id).await.expect("it lives");
            assert_eq!(view.instance.incidents().map(|incident| incident.attempt).collect::<Vec<_>>(), [attempt]);
        }
        let left = job(&host.runtime, started.id, "a").await.expect("it is still there").row;
        assert_eq!((left.retries, left.locked), (0, false));
        host.runtime.execute_job(work).await.expect("a job without retries may be executed");
        host.ended(started.id).await;
        let gone = host.runtime.execute_job(work).await;
        assert!(matches!(gone, Err(Error::NotFound { what: "job", .. })), "{gone:?}");
        let never = host.runtime.execute_job(PublicId { number: u64::MAX, ..work }).await;
        assert!(matches!(never, Err(Error::NotFound { what: "job", .. })), "{never:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_goes_on_when_whoever_executed_it_hangs_up() {
    let host = Host::start_with(Setup { execute_jobs: false, ..Setup::default() }).await;
    host.deploy(fork("")).await;
    let script = commands(&[("a", "test.held@1"), ("b", "test.ok@1")]);
    let started = host.start_instance(json!({ "script": script })).await.expect("it starts");
    let first = id(&host.runtime, started.id, "a").await;
    tokio::select! {
        done = host.runtime.execute_job(first) => panic!("nobody has let it go: {done:?}"),
        () = host.until("it is under way", async || host.domain.held() == 1) => {}
    }
    host.domain.let_go(1);
    host.until("it has run", async || job(&host.runtime, started.id, "a").await.is_none()).await;
    assert_eq!(applied(&host), ["a"]);
    assert!(!job(&host.runtime, started.id, "b").await.expect("it is left to others").row.locked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_lost_too_many_races_runs_in_turn_with_the_exclusive_ones() {
    let host = Host::start().await;
    host.deploy(fork(r#"camunda:exclusive="false""#)).await;
    // Each round `b` has one more command to send, so that its delegate is called again.
    let script = |rounds: u64| {
        let held: Vec<_> = (0..rounds).map(|round| json!({ "name": "test.held@1", "body": { "by": format!("b{round}") } })).collect();
        json!({ "script": { "a": { "commands": [{ "name": "test.ok@1", "body": { "by": "a" } }], "failAttempts": 1 }, "b": { "commands": held } } })
    };
    let started = host.start_instance(script(1)).await.expect("it starts");
    host.until("the exclusive job has failed and comes again later", async || {
        job(&host.runtime, started.id, "a").await.is_some_and(|job| job.row.failures == 1 && !job.row.locked)
    })
    .await;
    for round in 1..=3 {
        host.until("the other job is under way", async || host.domain.held() == 1 && host.domain.applied().len() == round).await;
        host.runtime.set_variables(started.id, None, as_variables(&script(round as u64 + 1)), Vec::new()).await.expect("set");
        host.domain.let_go(1);
    }
    host.until("it has lost three races and runs again", async || host.domain.held() == 1 && host.domain.applied().len() == 4).await;
    let (runtime, exclusive) = (host.runtime.clone(), id(&host.runtime, started.id, "a").await);
    let executing = tokio::spawn(async move { runtime.execute_job(exclusive).await });
    host.until("this host has both", async || job(&host.runtime, started.id, "a").await.is_some_and(|job| job.row.locked)).await;
    // Were it to run beside the other one, it would be done long before that one gets its answer.
    host.runtime.set_variables(started.id, None, as_variables(&json!({ "x": 1 })), Vec::new()).await.expect("set");
    assert!(job(&host.runtime, started.id, "a").await.is_some());
    host.domain.let_go(100);
    executing.await.expect("a task").expect("it has run");
    host.ended(started.id).await;
}

/// A process with so many branches, each of which is an exclusive job; the first one asks the service.
fn wide(branches: usize) -> Vec<u8> {
    let mut elements = r#"
      <bpmn:startEvent id="s"/><bpmn:parallelGateway id="g"/><bpmn:endEvent id="e"/>
      <bpmn:sequenceFlow id="f" sourceRef="s" targetRef="g"/>"#
        .to_owned();
    for n in 0..branches {
        let task = if n == 0 { r#"serviceTask camunda:class="worker""# } else { "task" };
        write!(
            elements,
            r#"<bpmn:{task} id="t{n}" camunda:asyncBefore="true"/>
               <bpmn:sequenceFlow id="i{n}" sourceRef="g" targetRef="t{n}"/><bpmn:sequenceFlow id="o{n}" sourceRef="t{n}" targetRef="e"/>"#
        )
        .expect("a string takes everything");
    }
    process(&elements)
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_exclusive_jobs_of_one_instance_starve_nobody() {
    on_both(async |host| {
        host.deploy(wide(2_500)).await;
        let crowd = host.start_instance(json!({ "script": commands(&[("t0", "test.held@1")]) })).await.expect("it starts");
        host.until("its first job is under way", async || host.domain.held() == 1).await;
        let filter = JobFilter { instances: vec![crowd.id.0], ..JobFilter::default() };
        let jobs = host.runtime.reads().jobs(filter, Page::ALL, &[]).await.expect("read");
        assert_eq!((jobs.len(), jobs.iter().filter(|job| job.row.locked).count()), (2_500, 1), "one of them has a place");

        host.deploy(process(
            r#"
          <bpmn:startEvent id="s"/>
          <bpmn:serviceTask id="a" camunda:class="worker" camunda:asyncBefore="true"/>
          <bpmn:endEvent id="e"/>
          <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="a"/>
          <bpmn:sequenceFlow id="f2" sourceRef="a" targetRef="e"/>"#,
        ))
        .await;
        for _ in 0..10 {
            let other = host.start_instance(json!({ "script": commands(&[("a", "test.ok@1")]) })).await.expect("it starts");
            host.ended(other.id).await;
        }
        host.runtime.delete_instance(crowd.id, None, false).await.expect("deleted");
        host.domain.let_go(1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_exclusive_job_starts_without_being_claimed() {
    const JOBS: usize = 150;
    on_both(async |host| {
        host.deploy(wide(JOBS)).await;
        let before = host.runtime.counters().commits;
        let started = host.start_instance(json!({ "script": {} })).await.expect("it starts");
        host.ended(started.id).await;
        // The start and each job. Where each was claimed beside that, there were twice as many.
        let commits = host.runtime.counters().commits - before;
        assert!(commits < u64::try_from(JOBS).expect("few") * 3 / 2, "{commits} commits for {JOBS} jobs");
        let report = host.runtime.check_store().await.expect("checked");
        assert_eq!(report.findings, Vec::<String>::new());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_of_exclusive_jobs_say_which_one_is_next() {
    on_both(async |host| {
        host.deploy(process(
            r#"
          <bpmn:startEvent id="s"/>
          <bpmn:parallelGateway id="g"/>
          <bpmn:subProcess id="sub">
            <bpmn:startEvent id="ps"/><bpmn:userTask id="u"/><bpmn:endEvent id="pe"/>
            <bpmn:sequenceFlow id="p1" sourceRef="ps" targetRef="u"/><bpmn:sequenceFlow id="p2" sourceRef="u" targetRef="pe"/>
          </bpmn:subProcess>
          <bpmn:boundaryEvent id="long" attachedToRef="sub" cancelActivity="false">
            <bpmn:timerEventDefinition><bpmn:timeDuration xsi:type="bpmn:tFormalExpression">PT2H</bpmn:timeDuration></bpmn:timerEventDefinition>
          </bpmn:boundaryEvent>
          <bpmn:boundaryEvent id="short" attachedToRef="sub" cancelActivity="false">
            <bpmn:timerEventDefinition><bpmn:timeDuration xsi:type="bpmn:tFormalExpression">PT1H</bpmn:timeDuration></bpmn:timerEventDefinition>
          </bpmn:boundaryEvent>
          <bpmn:serviceTask id="a" camunda:class="worker" camunda:asyncBefore="true">
            <bpmn:extensionElements><camunda:failedJobRetryTimeCycle>R2/PT90M</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
          </bpmn:serviceTask>
          <bpmn:endEvent id="e"/>
          <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="g"/>
          <bpmn:sequenceFlow id="f2" sourceRef="g" targetRef="sub"/>
          <bpmn:sequenceFlow id="f3" sourceRef="g" targetRef="a"/>
          <bpmn:sequenceFlow id="f4" sourceRef="sub" targetRef="e"/>
          <bpmn:sequenceFlow id="f5" sourceRef="a" targetRef="e"/>
          <bpmn:sequenceFlow id="f6" sourceRef="short" targetRef="e"/>
          <bpmn:sequenceFlow id="f7" sourceRef="long" targetRef="e"/>"#,
        ))
        .await;
        let script = json!({ "a": { "failAttempts": 2 } });
        let instance = host.start_instance(json!({ "script": script })).await.expect("it starts").id;
        let next = async || {
            let filter = JobFilter { instances: vec![instance.0], with_retries_left: true, ..JobFilter::default() };
            let jobs = host.runtime.reads().jobs(filter, Page::ALL, &[]).await.expect("read");
            jobs.iter().filter(|job| !job.row.behind).map(|job| job.row.activity_id.clone()).collect::<Vec<_>>()
        };
        let sound = async || assert_eq!(host.runtime.check_store().await.expect("checked").findings, Vec::<String>::new());
        host.until("the work has failed once", async || {
            job(&host.runtime, instance, "a").await.is_some_and(|job| job.row.failures == 1 && !job.row.locked)
        })
        .await;
        assert_eq!(next().await, ["short"], "of an hour, an hour and a half, and two");
        sound().await;
        host.runtime.execute_job(id(&host.runtime, instance, "short").await).await.expect("executed");
        assert_eq!(next().await, ["a"]);
        sound().await;
        assert!(host.runtime.execute_job(id(&host.runtime, instance, "a").await).await.is_err());
        assert_eq!(next().await, ["long"], "what has no retries is nobody's next");
        sound().await;
        host.runtime.set_job_retries(id(&host.runtime, instance, "a").await, 1, None).await.expect("set");
        host.until("it runs at once", async || job(&host.runtime, instance, "a").await.is_none()).await;
        sound().await;
    })
    .await;
}
