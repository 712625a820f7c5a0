//! Job definitions that an operator suspends and activates again and again: what was answered holds for every job, and no job is lost.

use anyhow::ensure;
use mandate_tests::lone::Lone;
use mandate_tests::moments::Moments;
use mandate_tests::postgres::Cluster;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::{Load, Phase, all, crash, kills};

/// One job.
const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="d" targetNamespace="t">
  <bpmn:process id="halting" isExecutable="true">
    <bpmn:startEvent id="s"/><bpmn:task id="work" camunda:asyncBefore="true"/><bpmn:endEvent id="e"/>
    <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="work"/><bpmn:sequenceFlow id="f2" sourceRef="work" targetRef="e"/>
  </bpmn:process>
</bpmn:definitions>"#;

/// Clients that start it.
const CLIENTS: u64 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_job_definitions_survives_a_crash_of_the_host_on_sqlite() -> anyhow::Result<()> {
    survive(None, Moments::seed(27)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_job_definitions_survives_a_crash_of_host_and_database_on_postgres() -> anyhow::Result<()> {
    survive(Some(&Cluster::start()?), Moments::seed(28)).await
}

async fn survive(cluster: Option<&Cluster>, seed: u64) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let database = cluster.map(|cluster| cluster.create_database("host")).transpose()?;
    let mut host = Lone::start(dir.path(), database.as_deref(), &["--lease=2"]).await?;
    host.deploy(&[("p.bpmn", MODEL.as_bytes())]).await?;
    let load = Load::start(&host, "halting", CLIENTS);
    let changing = tokio::spawn(change(host.http().clone(), host.url().to_owned(), load.phase.subscribe()));
    crash(&mut host, cluster, seed, &load).await?;
    let answered = load.stop().await?;
    let (changes, suspended) = changing.await?;
    agree(&host, suspended).await?;

    // What begins while it is suspended does not run, and all of it does afterwards.
    set(host.http(), host.url(), true).await.map_err(anyhow::Error::msg)?;
    for _ in 0..3 {
        host.post("/engine-rest/process-definition/key/halting/start", &json!({})).await?;
    }
    agree(&host, true).await?;
    let waiting = host.ask("/engine-rest/process-instance/count").await?;
    ensure!(waiting["count"].as_u64() >= Some(3), "{waiting} wait");
    set(host.http(), host.url(), false).await.map_err(anyhow::Error::msg)?;
    host.until("/engine-rest/process-instance/count", |count| count["count"] == 0).await?;
    let ended = all(&host, "/engine-rest/history/process-instance?state=COMPLETED&sortBy=instanceId&sortOrder=asc").await?;
    let is_there = |id: &&String| ended.iter().any(|row| row["id"].as_str() == Some(id));
    let lost: Vec<_> = answered.iter().filter(|id| !is_there(id)).collect();
    ensure!(lost.is_empty(), "answered starts are lost: {lost:?}");
    let worked = host.ask("/engine-rest/history/activity-instance/count?activityId=work").await?;
    ensure!(worked["count"] == ended.len(), "{worked} times of {}", ended.len());
    println!("{} crashes, {changes} changes, {} instances", kills(), ended.len());
    host.check_store().await?;
    host.stop().await
}

/// The job definition is as was answered last, and so is every job.
async fn agree(host: &Lone, suspended: bool) -> anyhow::Result<()> {
    let definition = host.ask("/engine-rest/job-definition?processDefinitionKey=halting").await?;
    ensure!(definition[0]["suspended"] == suspended, "it is not as was answered: {definition}");
    let other = if suspended { "active" } else { "suspended" };
    let jobs: Value = host.ask(&format!("/engine-rest/job/count?processDefinitionKey=halting&{other}=true")).await?;
    ensure!(jobs["count"] == 0, "{jobs} are {other}");
    Ok(())
}

/// Suspends and activates it through every crash. Answers how often that was answered, and what it is since.
async fn change(http: reqwest::Client, url: String, mut phase: watch::Receiver<Phase>) -> (usize, bool) {
    let (mut changes, mut suspended, mut failed) = (0, true, false);
    // The last change is answered: what is asked for when a host dies may have happened or not.
    loop {
        let over = *phase.borrow_and_update() == Phase::Over;
        match set(&http, &url, suspended).await {
            Ok(()) => {
                changes += 1;
                if over {
                    return (changes, suspended);
                }
                suspended = !suspended;
            }
            // The connection may still be one to the host that died.
            Err(_) if over && !failed => failed = true,
            Err(error) if over => panic!("the host is there: {error}"),
            Err(_) => drop(phase.changed().await),
        }
    }
}

async fn set(http: &reqwest::Client, url: &str, suspended: bool) -> Result<(), reqwest::Error> {
    let body = json!({ "processDefinitionKey": "halting", "suspended": suspended, "includeJobs": true });
    http.put(format!("{url}/engine-rest/job-definition/suspended")).json(&body).send().await?.error_for_status().map(drop)
}
