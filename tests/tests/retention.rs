//! History is removed when its time to live is over, and written down before: killed at random moments, and with two hosts at it.
//!
//! Three kills in the gate; `MANDATE_KILLS=100` for the long run (`make soak`).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use mandate_tests::lone::Lone;
use mandate_tests::moments::Moments;
use mandate_tests::postgres::Cluster;
use mandate_tests::program::built;
use serde_json::{Value, json};
use tokio::process::Command;

/// A process that waits for a person, with or without a time to live.
const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
  id="d" targetNamespace="test">
  <bpmn:process id="ID" isExecutable="true" TTL>
    <bpmn:startEvent id="start"/>
    <bpmn:sequenceFlow id="a" sourceRef="start" targetRef="work"/>
    <bpmn:task id="work" camunda:asyncBefore="true"/>
    <bpmn:sequenceFlow id="b" sourceRef="work" targetRef="look"/>
    <bpmn:userTask id="look"/>
    <bpmn:sequenceFlow id="c" sourceRef="look" targetRef="end"/>
    <bpmn:endEvent id="end"/>
  </bpmn:process>
</bpmn:definitions>"#;

/// Instances that are to be forgotten.
const INSTANCES: usize = 120;

/// While history is made, nothing is removed.
const OFF: &str = "--history-cleanup=off";

/// Then it is removed as fast as an operator would want at the most.
const EAGER: &str = "--history-cleanup-share=50";

fn kills() -> usize {
    std::env::var("MANDATE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_while_it_cleans_loses_no_line_on_sqlite() -> anyhow::Result<()> {
    killed(None, Moments::seed(31)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_killed_while_it_cleans_loses_no_line_on_postgres() -> anyhow::Result<()> {
    killed(Some(&Cluster::start()?), Moments::seed(32)).await
}

async fn killed(cluster: Option<&Cluster>, seed: u64) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let database = cluster.map(|cluster| cluster.create_database("host")).transpose()?;
    let host = Lone::start(dir.path(), database.as_deref(), &[OFF, "--history=full"]).await?;
    let expected = make_history(&host).await?;
    host.stop().await?;

    let export = dir.path().join("export");
    let flag = format!("--history-export={}", export.display());
    let mut host = Lone::start(dir.path(), database.as_deref(), &[&flag, EAGER, "--lease=2"]).await?;
    let mut moments = Moments::new(seed);
    for _ in 0..kills() {
        moments.pass(Duration::ZERO, Duration::from_millis(700)).await;
        host.kill().await?;
        host.start_again().await?;
    }
    only_the_rest_is_left(&host).await?;
    let lines = exported(&export)?;
    println!("{} kills, {INSTANCES} instances removed, {} lines", kills(), lines.len());
    let found: BTreeMap<String, Value> = lines.into_iter().collect();
    assert_eq!(found, expected);
    host.check_store().await?;
    host.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hosts_one_cleans() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let cluster = Cluster::start()?;
    let database = cluster.create_database("host")?;
    let folders = ["a", "b"].map(|name| dir.path().join(name));
    folders.iter().try_for_each(std::fs::create_dir_all)?;
    let host = Lone::start(&folders[0], Some(&database), &[OFF]).await?;
    let expected = make_history(&host).await?;
    host.stop().await?;

    let export = dir.path().join("export");
    let flag = format!("--history-export={}", export.display());
    let flags = [flag.as_str(), EAGER];
    let (a, b) = tokio::join!(Lone::start(&folders[0], Some(&database), &flags), Lone::start(&folders[1], Some(&database), &flags));
    let hosts = [a?, b?];
    only_the_rest_is_left(&hosts[0]).await?;
    let lines = exported(&export)?;
    assert_eq!(lines.len(), expected.len(), "nothing went wrong, so nothing is written twice");
    assert_eq!(lines.into_iter().collect::<BTreeMap<_, _>>(), expected);
    let mut removed = Vec::new();
    for host in hosts {
        let text = host.http().get(format!("{}/metrics", host.url())).send().await?.text().await?;
        ensure!(text.lines().any(|line| line == "mandate_history_due 0"), "{text}");
        let count = text.lines().find_map(|line| line.strip_prefix("mandate_history_removed_total ")?.parse::<usize>().ok());
        removed.push(count.unwrap_or(0));
        host.stop().await?;
    }
    removed.sort_unstable();
    assert_eq!(removed, [0, INSTANCES]);
    Ok(())
}

fn model(id: &str, ttl: &str) -> String {
    MODEL.replace("\"ID\"", &format!("\"{id}\"")).replace("TTL", ttl)
}

/// Makes instances that are to be forgotten, one that is kept, and one that lives. Answers what is known of the first, as `mandate export`
/// tells.
async fn make_history(host: &Lone) -> anyhow::Result<BTreeMap<String, Value>> {
    let models = [
        ("forgotten.bpmn", model("forgotten", "camunda:historyTimeToLive=\"0\"")),
        ("kept.bpmn", model("kept", "")),
        ("living.bpmn", model("living", "camunda:historyTimeToLive=\"0\"")),
    ];
    let files: Vec<(&str, &[u8])> = models.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    host.deploy(&files).await?;
    let variables = json!({ "amount": { "value": 7, "type": "Integer" }, "order": { "value": "{\"a\":[1]}", "type": "Json" } });
    for number in 0..INSTANCES {
        let start = json!({ "businessKey": format!("order-{number}"), "variables": variables });
        host.post("/engine-rest/process-definition/key/forgotten/start", &start).await?;
    }
    host.post("/engine-rest/process-definition/key/kept/start", &json!({})).await?;
    host.until("/engine-rest/task/count", |count| count["count"] == INSTANCES + 1).await?;
    for task in host.ask("/engine-rest/task").await?.as_array().context("tasks")? {
        let id = task["id"].as_str().context("an id")?;
        host.post(&format!("/engine-rest/task/{id}/complete"), &json!({ "variables": { "amount": { "value": 8 } } })).await?;
    }
    host.post("/engine-rest/process-definition/key/living/start", &json!({})).await?;
    host.until("/engine-rest/task/count", |count| count["count"] == 1).await?;
    host.until("/engine-rest/process-instance/count", |count| count["count"] == 1).await?;
    let export = Command::new(built("mandate")?).args(["export", "--key", "forgotten", "--server", host.url()]).output().await?;
    ensure!(export.status.success(), "export: {}", String::from_utf8_lossy(&export.stderr));
    let lines: BTreeMap<String, Value> = parsed(&String::from_utf8(export.stdout)?)?.into_iter().collect();
    ensure!(lines.len() == INSTANCES, "{} instances were exported", lines.len());
    for line in lines.values() {
        let count = |name: &str| line[name].as_array().map_or(0, Vec::len);
        ensure!(line["state"] == "COMPLETED" && line["removalTime"] == line["endTime"], "{line:#}");
        ensure!((count("activityInstances"), count("variableInstances"), count("taskInstances")) == (4, 2, 1), "{line:#}");
    }
    Ok(lines)
}

/// What is kept for ever, and what lives with all that is known of it.
async fn only_the_rest_is_left(host: &Lone) -> anyhow::Result<()> {
    host.until("/engine-rest/history/process-instance/count", |count| count["count"] == 2).await?;
    let left = host.ask("/engine-rest/history/process-instance?sortBy=definitionKey&sortOrder=asc").await?;
    assert_eq!((&left[0]["processDefinitionKey"], &left[0]["state"]), (&json!("kept"), &json!("COMPLETED")));
    assert_eq!((&left[1]["processDefinitionKey"], &left[1]["state"]), (&json!("living"), &json!("ACTIVE")));
    for (instance, activities) in [(&left[0], 4), (&left[1], 3)] {
        let path = format!("/engine-rest/history/activity-instance/count?processInstanceId={}", instance["id"].as_str().context("an id")?);
        assert_eq!(host.ask(&path).await?["count"], activities);
    }
    assert_eq!(host.ask("/engine-rest/history/activity-instance/count").await?["count"], 7);
    Ok(())
}

/// All lines of all files, in order.
fn exported(folder: &Path) -> anyhow::Result<Vec<(String, Value)>> {
    let mut lines = Vec::new();
    for file in std::fs::read_dir(folder)? {
        lines.extend(parsed(&std::fs::read_to_string(file?.path())?)?);
    }
    Ok(lines)
}

/// Lines by their instance.
fn parsed(text: &str) -> anyhow::Result<Vec<(String, Value)>> {
    ensure!(text.is_empty() || text.ends_with('\n'), "the last line has no end");
    let line = |line: &str| {
        let value: Value = serde_json::from_str(line).with_context(|| line.to_owned())?;
        Ok((value["id"].as_str().context("an id")?.to_owned(), value))
    };
    text.lines().map(line).collect()
}
