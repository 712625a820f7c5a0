//! Jobs and job definitions that operators suspend, while hosts are at them.

use crate::common::{Host, Setup, postgres, process, sql};
use mandate_runtime::engine::{InstanceId, PublicId, Rejection};
use mandate_runtime::query::{DefinitionFilter, JobFilter, Page};
use mandate_runtime::{Error, Extent, JobDefinition, Runtime};
use serde_json::json;

/// start → a → b → c → end, each a job of its own; `a` calls a delegate.
const CHAIN: &str = r#"
  <bpmn:startEvent id="s"/>
  <bpmn:serviceTask id="a" camunda:class="worker" camunda:asyncBefore="true"/>
  <bpmn:task id="b" camunda:asyncBefore="true"/>
  <bpmn:task id="c" camunda:asyncBefore="true"/>
  <bpmn:endEvent id="e"/>
  <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="a"/>
  <bpmn:sequenceFlow id="f2" sourceRef="a" targetRef="b"/>
  <bpmn:sequenceFlow id="f3" sourceRef="b" targetRef="c"/>
  <bpmn:sequenceFlow id="f4" sourceRef="c" targetRef="e"/>"#;

async fn definitions_of(runtime: &Runtime, activity: &str) -> Vec<JobDefinition> {
    let mut found = runtime.job_definitions(DefinitionFilter::default()).await.expect("read");
    found.retain(|it| it.activity_id == activity);
    found
}

/// The one job of an instance: where, and whether it is suspended.
async fn stands(runtime: &Runtime, id: InstanceId) -> Option<(String, bool)> {
    let filter = JobFilter { instances: vec![id.0], ..JobFilter::default() };
    let jobs = runtime.reads().jobs(filter, Page::ALL, &[]).await.expect("read");
    jobs.first().map(|job| (job.row.activity_id.clone(), job.row.suspended))
}

async fn agrees(runtime: &Runtime) {
    assert_eq!(runtime.check_store().await.expect("read").findings, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_stops_at_a_job_definition_that_is_suspended_on_whichever_host_and_goes_on_when_it_is_activated() {
    for database in [None, Some(postgres())] {
        let host = Host::start_with(Setup { database: database.clone(), ..Setup::default() }).await;
        host.deploy(process(CHAIN)).await;
        // The host remembers that there is nothing to know.
        let first = host.start_instance(json!({ "script": {} })).await.expect("it starts").id;
        host.ended(first).await;
        let other = match database {
            Some(_) => host.beside(Setup { execute_jobs: false, ..Setup::default() }).await,
            None => host.runtime.clone(),
        };
        other.suspend_job_definitions(&definitions_of(&other, "b").await, true, Extent::Definitions).await.expect("suspended");
        let mut started = Vec::new();
        for _ in 0..10 {
            started.push(host.start_instance(json!({ "script": {} })).await.expect("it starts").id);
        }
        for id in &started {
            host.until("it stands at b", || async { stands(&host.runtime, *id).await == Some(("b".into(), true)) }).await;
        }
        agrees(&host.runtime).await;
        let job = host.runtime.instance(started[0]).await.expect("it lives").instance.jobs().next().expect("a job").wait;
        let refused = host.runtime.execute_job(PublicId { instance: started[0], number: job.0 }).await;
        assert!(matches!(refused, Err(Error::Rejected(Rejection::JobSuspended { .. }))), "{refused:?}");

        // New jobs run again; those that there are wait until they are activated themselves.
        other.suspend_job_definitions(&definitions_of(&other, "b").await, false, Extent::Definitions).await.expect("activated");
        let last = host.start_instance(json!({ "script": {} })).await.expect("it starts").id;
        host.ended(last).await;
        assert_eq!(stands(&host.runtime, started[0]).await, Some(("b".into(), true)));
        other.suspend_job(PublicId { instance: started[0], number: job.0 }, false).await.expect("activated");
        host.ended(started[0]).await;
        other.suspend_jobs_of_job_definitions(&definitions_of(&other, "b").await, false).await.expect("activated");
        for id in started {
            host.ended(id).await;
        }
        other.shut_down(std::time::Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_suspended_while_it_runs_is_thrown_away_or_was_stored_before() {
    for database in [None, Some(postgres())] {
        let host = Host::start_with(Setup { database, ..Setup::default() }).await;
        host.deploy(process(CHAIN)).await;
        for round in 0..20 {
            let id = host.start_instance(json!({ "script": {} })).await.expect("it starts").id;
            if round % 2 == 0 {
                tokio::task::yield_now().await;
            }
            // It may be over already.
            host.runtime.suspend_jobs_of_instance(id, true).await.expect("suspended");
            let stood = stands(&host.runtime, id).await;
            if let Some((_, suspended)) = &stood {
                assert!(suspended, "{stood:?}");
                host.until("no host has it", || async {
                    host.runtime.reads().job_holders(id.0).await.is_ok_and(|holders| holders.is_empty())
                })
                .await;
                assert_eq!(stands(&host.runtime, id).await, stood, "nothing ran");
                agrees(&host.runtime).await;
                host.runtime.suspend_jobs_of_instance(id, false).await.expect("activated");
            }
            host.ended(id).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_job_slips_through_between_a_unit_that_makes_it_and_a_definition_that_is_suspended() {
    for database in [None, Some(postgres())] {
        let host = Host::start_with(Setup { database, ..Setup::default() }).await;
        host.deploy(process(CHAIN)).await;
        let which = definitions_of(&host.runtime, "c").await;
        for _ in 0..10 {
            let starts = async {
                let mut started = Vec::new();
                for _ in 0..8 {
                    started.push(host.start_instance(json!({ "script": {} })).await.expect("it starts").id);
                }
                started
            };
            let (started, suspended) = tokio::join!(starts, host.runtime.suspend_job_definitions(&which, true, Extent::All));
            suspended.expect("suspended");
            // Each has passed before, or stands there for good.
            for id in &started {
                host.until("it is over or stands at c", || async {
                    let over = matches!(host.runtime.instance(*id).await, Err(Error::NotFound { .. }));
                    over || stands(&host.runtime, *id).await == Some(("c".into(), true))
                })
                .await;
            }
            agrees(&host.runtime).await;
            host.runtime.suspend_job_definitions(&which, false, Extent::All).await.expect("activated");
            for id in started {
                host.ended(id).await;
            }
        }
    }
}

/// A loop of jobs that never ends.
const LOOP: &str = r#"
  <bpmn:startEvent id="s"/><bpmn:exclusiveGateway id="x"/><bpmn:task id="a" camunda:asyncBefore="true"/>
  <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="x"/><bpmn:sequenceFlow id="f2" sourceRef="x" targetRef="a"/>
  <bpmn:sequenceFlow id="f3" sourceRef="a" targetRef="x"/>"#;

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_a_definition_that_is_suspended_stop_where_they_are_on_whichever_host() {
    for database in [None, Some(postgres())] {
        let host = Host::start_with(Setup { database: database.clone(), ..Setup::default() }).await;
        let definition = host.deploy(process(LOOP)).await.definitions.remove(0).id;
        let other = match database {
            Some(_) => host.beside(Setup { execute_jobs: false, ..Setup::default() }).await,
            None => host.runtime.clone(),
        };
        let id = host.start_instance(json!({})).await.expect("it starts").id;
        let number = async || host.runtime.instance(id).await.expect("it lives").instance.jobs().next().expect("a job").wait;
        for _ in 0..3 {
            let begun = number().await;
            host.until("it goes on", async || number().await > begun).await;
            other.suspend_definition(&definition, true, Extent::Definitions).await.expect("suspended");
            let stopped = number().await;
            host.until("no host has it", async || host.runtime.reads().job_holders(id.0).await.is_ok_and(|it| it.is_empty())).await;
            assert_eq!(number().await, stopped, "nothing ran");
            agrees(&host.runtime).await;
            other.suspend_definition(&definition, false, Extent::Definitions).await.expect("activated");
        }
        host.runtime.delete_instance(id, None, false).await.expect("deleted");
        other.shut_down(std::time::Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exclusive_job_that_is_suspended_stands_in_nobodys_way() {
    let host = Host::start().await;
    host.deploy(process(
        r#"
      <bpmn:startEvent id="s"/><bpmn:parallelGateway id="g"/>
      <bpmn:task id="a" camunda:asyncBefore="true"/><bpmn:task id="b" camunda:asyncBefore="true"/>
      <bpmn:userTask id="u"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="g"/>
      <bpmn:sequenceFlow id="f2" sourceRef="g" targetRef="a"/>
      <bpmn:sequenceFlow id="f3" sourceRef="g" targetRef="b"/>
      <bpmn:sequenceFlow id="f4" sourceRef="g" targetRef="u"/>"#,
    ))
    .await;
    host.runtime.suspend_job_definitions(&definitions_of(&host.runtime, "a").await, true, Extent::All).await.expect("suspended");
    let id = host.start_instance(json!({})).await.expect("it starts").id;
    host.until("b has run", || async { host.runtime.instance(id).await.expect("it lives").instance.jobs().count() == 1 }).await;
    assert_eq!(stands(&host.runtime, id).await, Some(("a".into(), true)));
    // An instance that is activated has all of its jobs activated.
    host.runtime.suspend_instance(id, false).await.expect("activated");
    host.until("a has run", || async { stands(&host.runtime, id).await.is_none() }).await;
    agrees(&host.runtime).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_priority_of_a_job_definition_is_that_of_its_new_jobs_and_of_those_that_there_are_if_that_is_asked_for() {
    let host = Host::start_with(Setup { execute_jobs: false, ..Setup::default() }).await;
    host.deploy(process(CHAIN)).await;
    let priorities = async || {
        let jobs = host.runtime.reads().jobs(JobFilter::default(), Page::ALL, &[]).await.expect("read");
        jobs.iter().map(|job| job.row.priority).collect::<Vec<_>>()
    };
    let start = async || host.start_instance(json!({ "script": {} })).await.expect("it starts").id;
    start().await;
    let which = definitions_of(&host.runtime, "a").await;
    host.runtime.prioritize_job_definitions(&which, Some(30), Extent::Definitions).await.expect("written");
    start().await;
    assert_eq!(priorities().await, [0, 30]);
    host.runtime.prioritize_job_definitions(&definitions_of(&host.runtime, "a").await, Some(40), Extent::All).await.expect("written");
    assert_eq!(priorities().await, [40, 40]);
    host.runtime.prioritize_job_definitions(&which, None, Extent::Definitions).await.expect("written");
    start().await;
    assert_eq!(priorities().await, [40, 40, 0]);
    agrees(&host.runtime).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_of_an_instance_that_cannot_be_read_keep_no_others_from_being_suspended() {
    let database = postgres();
    let setup = || Setup { database: Some(database.clone()), execute_jobs: false, ..Setup::default() };
    let host = Host::start_with(setup()).await;
    let mut definitions = Vec::new();
    let mut started = Vec::new();
    for version in ["one", "two"] {
        // Whatever makes it another version.
        let model = String::from_utf8(process(CHAIN)).expect("text").replace(r#"id="c""#, &format!(r#"id="c" name="{version}""#));
        definitions.push(host.deploy(model.into_bytes()).await.definitions[0].id.clone());
        for _ in 0..2 {
            started.push(host.start_instance(json!({ "script": {} })).await.expect("it starts").id);
        }
    }
    // What is in memory would be believed, for its revision is the same.
    let host = host.restart().await;
    let bad = started[0];
    sql(&database, &format!("UPDATE instance SET snapshot = '\\x00' WHERE id = '{bad}'"));
    let are = async || {
        let mut are = Vec::new();
        for id in &started[1..] {
            are.push(stands(&host.runtime, *id).await.is_some_and(|(_, suspended)| suspended));
        }
        are
    };
    let is_it = |done: Result<(), Error>| matches!(done, Err(Error::Unreadable { instance, .. }) if instance == bad);
    assert!(is_it(host.runtime.suspend_jobs_of_definitions(&definitions, true).await));
    assert_eq!(are().await, [true; 3]);
    assert!(is_it(host.runtime.suspend_jobs_of_job_definitions(&definitions_of(&host.runtime, "a").await, false).await));
    assert_eq!(are().await, [false; 3]);
    assert!(is_it(host.runtime.suspend_job_definitions(&definitions_of(&host.runtime, "a").await, true, Extent::All).await));
    assert_eq!(are().await, [true; 3]);
}
