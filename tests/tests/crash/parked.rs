//! Signals to who was suspended after the throw: each comes once when he goes on, and is nobody's when he is gone.

use anyhow::{Context as _, ensure};
use mandate_tests::lone::Lone;
use mandate_tests::moments::Moments;
use mandate_tests::postgres::Cluster;
use mandate_tests::trace::permitted;
use serde_json::{Value, json};

use super::{Range, on_both};

on_both!(parked, signal_to_who_is_suspended_comes_once_on_sqlite, signal_to_who_is_suspended_comes_once_on_postgres, 41);

/// What follows fails until there is a variable `ready`; then the signal is tried again ten times a second.
const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="d" targetNamespace="t">
  <bpmn:signal id="go" name="go"/>
  <bpmn:process id="waits" isExecutable="true">
    <bpmn:startEvent id="s"/>
    <bpmn:intermediateCatchEvent id="hear"><bpmn:extensionElements>
      <camunda:failedJobRetryTimeCycle>R1000/PT0.1S</camunda:failedJobRetryTimeCycle></bpmn:extensionElements>
      <bpmn:signalEventDefinition signalRef="go"/></bpmn:intermediateCatchEvent>
    <bpmn:serviceTask id="done" camunda:expression="${ready}"/>
    <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="hear"/><bpmn:sequenceFlow id="f2" sourceRef="hear" targetRef="done"/>
  </bpmn:process>
</bpmn:definitions>"#;

async fn suspend(host: &Lone, id: &str, suspended: bool) -> anyhow::Result<Value> {
    host.put(&format!("/engine-rest/process-instance/{id}/suspended"), &json!({ "suspended": suspended })).await
}

/// He goes on, and can.
async fn go_on(host: &Lone, id: &str) -> anyhow::Result<()> {
    host.put(&format!("/engine-rest/process-instance/{id}/variables/ready"), &json!({ "value": true, "type": "Boolean" })).await?;
    suspend(host, id, false).await?;
    host.until(&format!("/engine-rest/history/process-instance/{id}"), |it| it["state"] == "COMPLETED").await
}

async fn parked(cluster: Option<&Cluster>, seed: u64) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut range = Range::open(dir.path(), cluster, seed).await?;
    range.host.deploy(&[("p.bpmn", MODEL.as_bytes())]).await?;
    let mut completed = 0;
    for (round, shot) in range.shots().into_iter().enumerate() {
        let [id, other] = {
            let start = async || range.host.post("/engine-rest/process-definition/key/waits/start", &json!({})).await;
            let (id, other) = (start().await?, start().await?);
            [id, other].map(|it| it["id"].as_str().unwrap_or_default().to_owned())
        };
        range.host.post("/engine-rest/signal", &json!({ "name": "go" })).await?;
        for id in [&id, &other] {
            range.host.until(&format!("/engine-rest/job/count?processInstanceId={id}&withException=true"), |it| it["count"] == 1).await?;
        }

        let mark = range.aim(shot).await?;
        let under_fire = async {
            suspend(&range.host, &id, true).await?;
            suspend(&range.host, &other, true).await?;
            if let Some(cluster) = cluster {
                // Until they are parked, or nobody is there to park them.
                while cluster.sql("host", "SELECT COUNT(*) FROM delivery WHERE parked")? != "2" {
                    range.host.ask("/engine-rest/version").await?;
                }
            }
            range.host.delete(&format!("/engine-rest/process-instance/{other}")).await?;
            go_on(&range.host, &id).await
        };
        let over = under_fire.await;
        range.die(mark).await?;
        ensure!(over.is_ok() || shot.is_some(), "round {round}: {over:?}");

        completed += 1;
        let is_there = range.host.ask(&format!("/engine-rest/history/process-instance/{id}")).await?;
        if is_there["state"] != "COMPLETED" && go_on(&range.host, &id).await.is_err() {
            // What was told before the crash may have brought him to his end meanwhile.
            let path = format!("/engine-rest/history/process-instance/{id}");
            range.host.until(&path, |it| it["state"] == "COMPLETED").await.with_context(|| format!("round {round}, {shot:?}"))?;
        }
        let lives = range.count(&format!("/engine-rest/process-instance/count?processInstanceIds={other}")).await?;
        if lives == 1 {
            range.host.delete(&format!("/engine-rest/process-instance/{other}")).await?;
        }
        let done = range.count("/engine-rest/history/activity-instance/count?activityId=done&finished=true").await?;
        ensure!(done == completed, "round {round}, {shot:?}: it came {done} times to {completed}");
        if let Some(cluster) = cluster {
            let nobodys = async {
                while cluster.sql("host", "SELECT COUNT(*) FROM delivery")? != "0" {
                    tokio::task::yield_now().await;
                }
                anyhow::Ok(())
            };
            tokio::time::timeout(crate::PATIENCE, nobodys).await.with_context(|| format!("round {round}, {shot:?}: it is left"))??;
        }
        range.host.check_store().await?;
    }
    range.close().await
}
