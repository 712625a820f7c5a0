//! A job that another host has made starts at once, because its host says so and not because it is time to look.

use anyhow::{Context as _, ensure};
use mandate_tests::lone::Lone;
use mandate_tests::postgres::Cluster;
use serde_json::json;

/// One job and nothing to do: from its start to its end an instance waits for a host.
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

/// Milliseconds within which one of four has ended on the other host: two commits and a notification between them, which take ten to twenty
/// where the cores are idle. Half of what it would be by looks alone.
const PROMPT: i64 = 60;

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
    let quarter = loop {
        let quarter = lower_quartile(&asks).await?;
        rounds += 1;
        // A machine that is busy keeps some waiting; it does not do so with three of four for ever.
        if quarter <= PROMPT || rounds == MOST_ROUNDS {
            break quarter;
        }
    };
    // A host that only looks, every half second, takes a quarter of a second on average; one in four would take half of that, by chance.
    ensure!(
        quarter <= PROMPT,
        "of every round of {INSTANCES} three of four took longer than {PROMPT} ms; of the last the quickest {quarter} ms"
    );
    println!("one of four had ended {quarter} ms after its start");
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

/// How many milliseconds instances of a round take from start to end, of the quicker half the median.
async fn lower_quartile(asks: &Lone) -> anyhow::Result<i64> {
    let mut took = Vec::new();
    for _ in 0..INSTANCES {
        let started = asks.post("/engine-rest/process-definition/key/one/start", &json!({})).await?;
        let path = format!("/engine-rest/history/process-instance/{}", started["id"].as_str().context("an id")?);
        asks.until(&path, |instance| instance["state"] == "COMPLETED").await?;
        took.push(asks.ask(&path).await?["durationInMillis"].as_i64().context("a duration")?);
    }
    took.sort_unstable();
    let [quarter, half, all] = [took.len() / 4, took.len() / 2, took.len() - 1].map(|at| took[at]);
    println!("from start to end on another host: lower quartile {quarter} ms, median {half} ms, slowest {all} ms");
    Ok(quarter)
}
