//! No answer leaves before its sync, and a server that does not synchronise is found out.
//!
//! That every connection of a host has the settings that this needs is tested where the connections are, in `host/store/src/tests.rs`.

use mandate_tests::lone::Lone;
use mandate_tests::postgres::Cluster;
use mandate_tests::trace::{Log, Tracer, permitted};
use serde_json::json;

/// An instance that waits for a person.
const REVIEW: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="test">
  <bpmn:process id="review" isExecutable="true">
    <bpmn:startEvent id="start"/>
    <bpmn:sequenceFlow id="a" sourceRef="start" targetRef="look"/>
    <bpmn:userTask id="look"/>
    <bpmn:sequenceFlow id="b" sourceRef="look" targetRef="end"/>
    <bpmn:endEvent id="end"/>
  </bpmn:process>
</bpmn:definitions>"#;

/// Instances of a test: each is started and its task completed.
const INSTANCES: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_leaves_before_its_log_is_on_the_disk_on_sqlite() -> anyhow::Result<()> {
    if !permitted().await? {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let host = Lone::start(dir.path(), None, &[]).await?;
    host.deploy(&[("review.bpmn", REVIEW.as_bytes())]).await?;
    let tracer = Tracer::attach(&[host.pid()?], &dir.path().join("trace")).await?;
    review(&host).await?;
    let answered = tracer.detach().await?.answered_after_their_sync(Log::Sqlite);
    assert_eq!(answered, Ok(2 * INSTANCES));
    host.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_leaves_before_its_log_is_on_the_disk_on_postgres() -> anyhow::Result<()> {
    if !permitted().await? {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let cluster = Cluster::start()?;
    let host = Lone::start(dir.path(), Some(&cluster.create_database("host")?), &[]).await?;
    host.deploy(&[("review.bpmn", REVIEW.as_bytes())]).await?;
    let mut processes = cluster.processes()?;
    processes.push(host.pid()?);
    let tracer = Tracer::attach(&processes, &dir.path().join("trace")).await?;
    review(&host).await?;
    let answered = tracer.detach().await?.answered_after_their_sync(Log::Postgres);
    assert_eq!(answered, Ok(2 * INSTANCES));
    host.stop().await
}

/// Starts instances and completes their tasks, one request after the other.
async fn review(host: &Lone) -> anyhow::Result<()> {
    for _ in 0..INSTANCES {
        let started = host.post("/engine-rest/process-definition/key/review/start", &json!({})).await?;
        let id = started["id"].as_str().unwrap_or_default();
        let tasks = host.ask(&format!("/engine-rest/task?processInstanceId={id}")).await?;
        let task = tasks[0]["id"].as_str().unwrap_or_default();
        host.post(&format!("/engine-rest/task/{task}/complete"), &json!({})).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_says_loudly_that_its_server_may_lose_commits() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let cluster = Cluster::start_with("-c fsync=off -c full_page_writes=off")?;
    let database = cluster.create_database("host")?;
    cluster.sql("host", "ALTER DATABASE host SET synchronous_commit = off")?;
    let host = Lone::start(dir.path(), Some(&database), &[]).await?;
    let log = host.log()?;
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let said = log.lines().any(|line| line.contains("ERROR") && line.contains(&format!("{setting}=off")));
        assert!(said, "{setting}: {log}");
    }
    host.stop().await
}
