//! Messages between participants: each comes to its receiver once, whether that waits for it already or begins to when the message has been
//! stored.

use std::collections::BTreeSet;

use anyhow::{Context as _, ensure};
use mandate_tests::lone::Lone;
use mandate_tests::moments::Moments;
use mandate_tests::postgres::Cluster;
use serde_json::{Value, json};

use crate::{all, crash_under_load, kills};

/// `shop` sends `order`, by which `stock` starts, and waits for `ready`. Then it sends `thanks`, for which `stock` waits behind a job:
/// sooner or later than they come, and under a correlation key, for they are sent under another business key.
const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
  <bpmn:message id="order" name="order"/><bpmn:message id="ready" name="ready"/>
  <bpmn:message id="thanks" name="thanks"><bpmn:extensionElements><zeebe:subscription correlationKey="= orderId"/></bpmn:extensionElements></bpmn:message>
  <bpmn:collaboration id="c">
    <bpmn:participant id="we" processRef="shop"/><bpmn:participant id="they" processRef="stock"/>
    <bpmn:messageFlow id="m1" sourceRef="ask" targetRef="they"/><bpmn:messageFlow id="m2" sourceRef="tell" targetRef="hear"/>
    <bpmn:messageFlow id="m3" sourceRef="e1" targetRef="they"/>
  </bpmn:collaboration>
  <bpmn:process id="shop" isExecutable="true">
    <bpmn:startEvent id="s1"/>
    <bpmn:sendTask id="ask" messageRef="order"><bpmn:extensionElements><camunda:inputOutput>
      <camunda:inputParameter name="orderId">${orderId}</camunda:inputParameter></camunda:inputOutput></bpmn:extensionElements></bpmn:sendTask>
    <bpmn:receiveTask id="hear" messageRef="ready"/>
    <bpmn:endEvent id="e1"><bpmn:messageEventDefinition messageRef="thanks"><bpmn:extensionElements>
      <camunda:in businessKey="nobody"/><camunda:in source="orderId" target="orderId"/></bpmn:extensionElements></bpmn:messageEventDefinition></bpmn:endEvent>
    <bpmn:sequenceFlow id="f11" sourceRef="s1" targetRef="ask"/><bpmn:sequenceFlow id="f12" sourceRef="ask" targetRef="hear"/>
    <bpmn:sequenceFlow id="f13" sourceRef="hear" targetRef="e1"/>
  </bpmn:process>
  <bpmn:process id="stock" isExecutable="true">
    <bpmn:startEvent id="s2"><bpmn:messageEventDefinition messageRef="order"/></bpmn:startEvent>
    <bpmn:intermediateThrowEvent id="tell"><bpmn:messageEventDefinition messageRef="ready"/></bpmn:intermediateThrowEvent>
    <bpmn:task id="tidy" camunda:asyncBefore="true"/>
    <bpmn:receiveTask id="wait" messageRef="thanks"/>
    <bpmn:sequenceFlow id="f21" sourceRef="s2" targetRef="tell"/><bpmn:sequenceFlow id="f22" sourceRef="tell" targetRef="tidy"/>
    <bpmn:sequenceFlow id="f23" sourceRef="tidy" targetRef="wait"/>
  </bpmn:process>
</bpmn:definitions>"#;

/// Clients that start `shop`.
const SHOPS: u64 = 4;

#[tokio::test(flavor = "multi_thread")]
async fn every_message_survives_a_crash_of_the_host_on_sqlite() -> anyhow::Result<()> {
    survive(None, Moments::seed(25)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_survives_a_crash_of_host_and_database_on_postgres() -> anyhow::Result<()> {
    survive(Some(&Cluster::start()?), Moments::seed(26)).await
}

async fn survive(cluster: Option<&Cluster>, seed: u64) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let database = cluster.map(|cluster| cluster.create_database("host")).transpose()?;
    let mut host = Lone::start(dir.path(), database.as_deref(), &["--lease=2"]).await?;
    host.deploy(&[("p.bpmn", MODEL.as_bytes())]).await?;
    let answered = crash_under_load(&mut host, cluster, seed, ("shop", SHOPS)).await?;
    host.until("/api/v1/messages", |messages| *messages == json!([])).await?;
    host.until("/engine-rest/process-instance/count", |count| count["count"] == 0).await?;

    let shops = completed(&host, "shop").await?;
    let ids: BTreeSet<String> = shops.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect();
    ensure!(answered.is_subset(&ids), "answered starts are lost: {:?}", answered.difference(&ids));
    ensure!(keys(&completed(&host, "stock").await?) == keys(&shops), "not every order has started one instance");
    for activity in ["hear", "wait"] {
        let count = host.ask(&format!("/engine-rest/history/activity-instance/count?activityId={activity}&finished=true")).await?;
        ensure!(count["count"] == shops.len(), "{count} times '{activity}' of {}", shops.len());
    }
    println!("{} crashes, {} orders, each with its messages once", kills(), shops.len());
    host.check_store().await?;
    host.stop().await
}

/// All instances of a process, of which each has come to its end.
async fn completed(host: &Lone, process: &str) -> anyhow::Result<Vec<Value>> {
    let path = format!("/engine-rest/history/process-instance?processDefinitionKey={process}&sortBy=instanceId&sortOrder=asc");
    let rows = all(host, &path).await?;
    let other = rows.iter().find(|row| row["state"] != "COMPLETED");
    other.map_or(Ok(()), |row| Err(anyhow::Error::msg(row.to_string()))).context("an instance is not completed")?;
    Ok(rows)
}

/// Their business keys.
fn keys(rows: &[Value]) -> Vec<String> {
    let mut keys: Vec<String> = rows.iter().map(|row| row["businessKey"].to_string()).collect();
    keys.sort();
    keys
}
