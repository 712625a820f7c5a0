//! A job that another host has made starts at once, because its host says so and not because it is time to look.

use anyhow::{Context as _, ensure};
use mandate_tests::lone::Lone;
use mandate_tests::postgres::Cluster;
use serde_json::{Value, json};

/// One job and nothing to do. Its activity begins when the job runs, and not when it is made: until then its instance waits for a host.
const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
  id="d" targetNamespace="test">
  <bpmn:process id="one" isExecutable="true">
    <bpmn:startEvent id="start"/>
    <bpmn:sequenceFlow id="a" sourceRef="start" targetRef="job"/>
    <bpmn:task id="job" camunda:asyncBefore="true"/>
    <bpmn:sequenceFlow id="b" sourceRef="job" targetRef="end"/>
    <bpmn:endEvent id="end"/>
  </bpmn:process>
</bpmn:definitions>"#;

/// Of a round, one after the other: a host that looks every half second would take ten seconds for them.
const INSTANCES: u64 = 40;

/// Milliseconds within which a job begins on the other host: what made it is stored, the other host is told, and claims it. Half of a
/// round must: a machine that is busy keeps some waiting.
const PROMPT: i64 = 20;

/// Rounds at the most, if none before was prompt.
const MOST_ROUNDS: u64 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_another_host_made_starts_by_its_notification() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let cluster = Cluster::start()?;
    let database = cluster.create_database("host")?;
    let [here, there] = ["here", "there"].map(|name| dir.path().join(name));
    std::fs::create_dir_all(&here)?;
    std::fs::create_dir_all(&there)?;
    let asks = Lone::start(&here, Some(&database), &["--job-executor=off"]).await?;
    let runs = Lone::start(&there, Some(&database), &[]).await?;
    asks.deploy(&[("one.bpmn", MODEL.as_bytes())]).await?;
    let mut rounds = 0;
    let half = loop {
        let half = median(&asks).await?;
        rounds += 1;
        // A machine that is busy does not keep half of them waiting for ever.
        if half <= PROMPT || rounds == MOST_ROUNDS {
            break half;
        }
    };
    // A host that only looks, every half second, takes a quarter of a second.
    ensure!(half <= PROMPT, "of every round of {INSTANCES} jobs half began later than after {PROMPT} ms; of the last by {half} ms");
    let text = runs.http().get(format!("{}/metrics", runs.url())).send().await?.text().await?;
    let by = |how: &str| {
        let name = format!("mandate_jobs_acquired_total{{by=\"{how}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok()).unwrap_or(0)
    };
    let (notified, polled) = (by("notification"), by("poll"));
    println!("{notified} jobs were claimed because of a notification, {polled} because it was time to look");
    ensure!(by("unit") == 0 && notified + polled + by("here") == rounds * INSTANCES, "somebody else has run jobs: {text}");
    // Its own look may come between a job and the word of it, which takes some milliseconds of the half second.
    ensure!(notified >= rounds * INSTANCES / 2, "{notified} of {} jobs were claimed because of a notification", rounds * INSTANCES);
    asks.stop().await?;
    runs.stop().await
}

/// How many milliseconds after its instance a job begins, the median of a round.
async fn median(asks: &Lone) -> anyhow::Result<i64> {
    let mut took = Vec::new();
    for _ in 0..INSTANCES {
        let started = asks.post("/engine-rest/process-definition/key/one/start", &json!({})).await?;
        let id = started["id"].as_str().context("an id")?;
        let path = format!("/engine-rest/history/process-instance/{id}");
        asks.until(&path, |instance| instance["state"] == "COMPLETED").await?;
        let jobs = asks.ask(&format!("/engine-rest/history/activity-instance?processInstanceId={id}&activityId=job")).await?;
        took.push(began(&jobs[0])? - began(&asks.ask(&path).await?)?);
    }
    took.sort_unstable();
    let [half, all] = [took.len() / 2, took.len() - 1].map(|at| took[at]);
    println!("until a job began on another host: median {half} ms, slowest {all} ms");
    Ok(half)
}

/// When something in history began, in milliseconds since 1970.
fn began(it: &Value) -> anyhow::Result<i64> {
    let text = it["startTime"].as_str().with_context(|| format!("a start time in {it}"))?;
    Ok(jiff::Timestamp::strptime("%Y-%m-%dT%H:%M:%S%.f%z", text)?.as_millisecond())
}
