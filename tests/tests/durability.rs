//! No answer leaves before its sync, history tells of whatever was answered, and a server that does not synchronise is found out.
//!
//! That every connection of a host has the settings that this needs is tested where the connections are, in `host/store/src/tests.rs`.

use std::path::Path;

use anyhow::Context as _;
use mandate_tests::lone::Lone;
use mandate_tests::postgres::Cluster;
use mandate_tests::trace::{Log, Tracer, permitted};
use serde_json::json;

/// An instance that waits for a person, then for a message, and then for a worker.
const REVIEW: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="definitions" targetNamespace="test">
  <bpmn:message id="m" name="paid"/>
  <bpmn:process id="review" isExecutable="true">
    <bpmn:startEvent id="start"/>
    <bpmn:sequenceFlow id="a" sourceRef="start" targetRef="look"/>
    <bpmn:userTask id="look"/>
    <bpmn:sequenceFlow id="b" sourceRef="look" targetRef="pay"/>
    <bpmn:receiveTask id="pay" messageRef="m"/>
    <bpmn:sequenceFlow id="c" sourceRef="pay" targetRef="print"/>
    <bpmn:serviceTask id="print" camunda:type="external" camunda:topic="print"/>
    <bpmn:sequenceFlow id="d" sourceRef="print" targetRef="end"/>
    <bpmn:endEvent id="end"/>
  </bpmn:process>
</bpmn:definitions>"#;

/// Instances of a test.
const INSTANCES: usize = 5;

/// Requests of each that change something: it is started, a variable set and removed, its task completed, its message correlated, its
/// external task fetched and completed.
const REQUESTS: usize = 7;

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_leaves_before_its_log_is_on_the_disk_on_sqlite() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let host = Lone::start(dir.path(), None, &[]).await?;
    host.deploy(&[("review.bpmn", REVIEW.as_bytes())]).await?;
    watched(&host, &[host.pid()?], &dir.path().join("trace"), Log::Sqlite).await?;
    host.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_answer_leaves_before_its_log_is_on_the_disk_on_postgres() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let cluster = Cluster::start()?;
    let host = Lone::start(dir.path(), Some(&cluster.create_database("host")?), &[]).await?;
    host.deploy(&[("review.bpmn", REVIEW.as_bytes())]).await?;
    let mut processes = cluster.processes()?;
    processes.push(host.pid()?);
    watched(&host, &processes, &dir.path().join("trace"), Log::Postgres).await?;
    host.stop().await
}

/// Reviews while the system calls of these processes are looked at. Where nobody may look at them, history is looked at all the same.
async fn watched(host: &Lone, processes: &[u32], trace: &Path, log: Log) -> anyhow::Result<()> {
    if !permitted().await? {
        return review(host).await;
    }
    let tracer = Tracer::attach(processes, trace).await?;
    review(host).await?;
    assert_eq!(tracer.detach().await?.answered_after_their_sync(log), Ok(REQUESTS * INSTANCES));
    Ok(())
}

/// Takes instances to their end, one request after the other. What was answered is in history at once: nothing is asked twice.
async fn review(host: &Lone) -> anyhow::Result<()> {
    for _ in 0..INSTANCES {
        let started = host.post("/engine-rest/process-definition/key/review/start", &json!({})).await?;
        let id = started["id"].as_str().context("an id")?;
        let path = format!("/engine-rest/history/process-instance/{id}");
        assert_eq!(host.ask(&path).await?["state"], "ACTIVE");

        let variable = format!("/engine-rest/process-instance/{id}/variables/urgent");
        let remembered = format!("/engine-rest/history/variable-instance?processInstanceId={id}&variableName=urgent");
        host.put(&variable, &json!({ "value": true, "type": "Boolean" })).await?;
        assert_eq!(host.ask(&remembered).await?[0]["value"], true);
        host.delete(&variable).await?;
        assert_eq!(host.ask(&remembered).await?, json!([]));

        let tasks = host.ask(&format!("/engine-rest/task?processInstanceId={id}")).await?;
        let task = tasks[0]["id"].as_str().context("a task")?;
        host.post(&format!("/engine-rest/task/{task}/complete"), &json!({})).await?;
        let done = host.ask(&format!("/engine-rest/history/task?taskId={task}")).await?;
        assert!(done[0]["endTime"].is_string() && done[0]["deleteReason"] == "completed", "{done}");

        host.post("/engine-rest/message", &json!({ "messageName": "paid", "processInstanceId": id })).await?;
        let paid = host.ask(&format!("/engine-rest/history/activity-instance?processInstanceId={id}&activityId=pay")).await?;
        assert!(paid[0]["endTime"].is_string(), "{paid}");

        let fetch = json!({ "workerId": "w", "maxTasks": 1, "topics": [{ "topicName": "print", "lockDuration": 60_000 }] });
        let fetched = host.post("/engine-rest/external-task/fetchAndLock", &fetch).await?;
        assert_eq!(fetched[0]["processInstanceId"], id, "{fetched}");
        let task = fetched[0]["id"].as_str().context("a task")?;
        host.post(&format!("/engine-rest/external-task/{task}/complete"), &json!({ "workerId": "w" })).await?;
        assert_eq!(host.ask(&path).await?["state"], "COMPLETED");
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
