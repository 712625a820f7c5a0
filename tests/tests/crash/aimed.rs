//! Kills that are aimed: at a deployment and the end of a definition, at a suspension that was planned, at a message that comes to a wait
//! under its correlation key, at signals to who is suspended, at a unit that takes jobs along, and at the moment between two commands. The
//! host dies at a system call that is chosen: while its log is written, before that is synchronised, after it, and once it has answered.
//! What must hold: nothing is half there, nothing is there twice, and what was stored is done once in the end.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use mandate_tests::lone::{Lone, guest};
use mandate_tests::moments::Moments;
use mandate_tests::postgres::Cluster;
use mandate_tests::trace::{Mark, Shot, permitted};
use serde_json::{Value, json};

use crate::{MANIFEST, all, kills};

mod along;
mod commands;
mod elements;
mod parked;

/// A host that is shot at.
struct Range {
    host: Lone,
    /// The log of SQLite; none: it is PostgreSQL.
    log: Option<PathBuf>,
    moments: Moments,
}

impl Range {
    async fn open(dir: &Path, cluster: Option<&Cluster>, seed: u64) -> anyhow::Result<Self> {
        Self::open_with(dir, cluster, seed, &[]).await
    }

    async fn open_with(dir: &Path, cluster: Option<&Cluster>, seed: u64, flags: &[&str]) -> anyhow::Result<Self> {
        let database = cluster.map(|cluster| cluster.create_database("host")).transpose()?;
        let log = database.is_none().then(|| dir.join("mandate.db-wal"));
        let host = Lone::start(dir, database.as_deref(), &[&["--lease=2"], flags].concat()).await?;
        Ok(Self { host, log, moments: Moments::new(seed) })
    }

    /// The calls at which it dies, one after the other; none: once it has answered. SQLite's writer is one thread, which writes pages and
    /// synchronises them. What goes to PostgreSQL is sent by any thread, each of which counts its own.
    fn shots(&mut self) -> Vec<Option<(&'static str, u64)>> {
        let (write, most, certain) = match self.log {
            Some(_) => ("pwrite64", 60, [("pwrite64", 1), ("pwrite64", 2), ("fdatasync", 1), ("fdatasync", 2)]),
            None => ("sendto", 12, [("sendto", 1), ("sendto", 2), ("sendto", 3), ("sendto", 4)]),
        };
        let random: Vec<_> = (0..kills()).map(|_| (write, 3 + self.moments.below(most))).collect();
        certain.into_iter().chain(random).map(Some).chain([None]).collect()
    }

    /// From here on the host dies at that call.
    async fn aim(&self, shot: Option<(&'static str, u64)>) -> anyhow::Result<Option<Mark>> {
        let Some((call, nth)) = shot else { return Ok(None) };
        Ok(Some(Mark::aim(self.host.pid()?, Shot { call, nth, about: self.log.as_deref() }).await?))
    }

    /// It is dead, or dies now, and is started again.
    async fn die(&mut self, mark: Option<Mark>) -> anyhow::Result<()> {
        self.host.kill().await?;
        if let Some(mark) = mark {
            mark.over().await?;
        }
        self.host.start_again().await
    }

    async fn count(&self, path: &str) -> anyhow::Result<u64> {
        self.host.ask(path).await?["count"].as_u64().with_context(|| format!("{path} answers no count"))
    }

    async fn close(self) -> anyhow::Result<()> {
        self.host.check_store().await?;
        self.host.stop().await
    }
}

/// On both databases, where the machine lets one process look at another's calls.
macro_rules! on_both {
    ($test:ident, $sqlite:ident, $postgres:ident, $seed:literal) => {
        #[tokio::test(flavor = "multi_thread")]
        async fn $sqlite() -> anyhow::Result<()> {
            if permitted().await? { $test(None, Moments::seed($seed)).await } else { Ok(()) }
        }

        #[tokio::test(flavor = "multi_thread")]
        async fn $postgres() -> anyhow::Result<()> {
            if permitted().await? { $test(Some(&Cluster::start()?), Moments::seed($seed + 1)).await } else { Ok(()) }
        }
    };
}

use on_both;

on_both!(deployment, deployment_is_whole_or_not_there_on_sqlite, deployment_is_whole_or_not_there_on_postgres, 31);
on_both!(planned, planned_suspension_is_done_once_on_sqlite, planned_suspension_is_done_once_on_postgres, 33);
on_both!(correlated, message_comes_once_to_its_correlation_key_on_sqlite, message_comes_once_to_its_correlation_key_on_postgres, 35);

/// Two processes of a round, the first done by a component.
fn two_processes(round: usize) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="d" targetNamespace="t">
  <bpmn:message id="m" name="begin-{round}"/>
  <bpmn:process id="one-{round}" isExecutable="true">
    <bpmn:startEvent id="s1"/><bpmn:serviceTask id="price" camunda:class="bench"/><bpmn:sequenceFlow id="f1" sourceRef="s1" targetRef="price"/>
  </bpmn:process>
  <bpmn:process id="two-{round}" isExecutable="true">
    <bpmn:startEvent id="s2"><bpmn:messageEventDefinition messageRef="m"/></bpmn:startEvent>
    <bpmn:task id="t" camunda:asyncBefore="true"/><bpmn:sequenceFlow id="f2" sourceRef="s2" targetRef="t"/>
  </bpmn:process>
</bpmn:definitions>"#
    )
}

/// A deployment: files, components, definitions, bindings, start events and job definitions.
async fn deployment(cluster: Option<&Cluster>, seed: u64) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut range = Range::open(dir.path(), cluster, seed).await?;
    let component = guest("test_bench.wasm")?;
    let mut stored = 0;
    for (round, shot) in range.shots().into_iter().enumerate() {
        let model = two_processes(round);
        let files = [("p.bpmn", model.as_bytes()), ("mandate.toml", MANIFEST.as_bytes()), ("test_bench.wasm", &component)];
        let mark = range.aim(shot).await?;
        let answered = range.host.deploy(&files).await.is_ok();
        range.die(mark).await?;

        let versions = async |range: &Range| {
            let one = range.count(&format!("/engine-rest/process-definition/count?key=one-{round}")).await?;
            let two = range.count(&format!("/engine-rest/process-definition/count?key=two-{round}")).await?;
            ensure!(one == two, "round {round}, {shot:?}: {one} of the one and {two} of the other");
            Ok(one)
        };
        let there = versions(&range).await?;
        ensure!(there <= 1 && (there == 1 || !answered), "round {round}, {shot:?}: answered {answered}, and there are {there}");
        stored += there;
        if there == 0 {
            // Nothing of it is in the way.
            range.host.deploy(&files).await?;
            ensure!(versions(&range).await? == 1, "round {round}: deployed again");
        }
        let deployments = all(&range.host, "/engine-rest/deployment?sortBy=id&sortOrder=asc").await?;
        ensure!(deployments.len() == round + 1, "round {round}, {shot:?}: {} deployments", deployments.len());
        for deployment in &deployments {
            let id = deployment["id"].as_str().context("an id")?;
            let resources = range.host.ask(&format!("/engine-rest/deployment/{id}/resources")).await?;
            ensure!(resources.as_array().is_some_and(|it| it.len() == files.len()), "round {round}, {shot:?}: {resources}");
        }
        let jobs = range.count(&format!("/engine-rest/job-definition/count?processDefinitionKey=two-{round}")).await?;
        ensure!(jobs == 1, "round {round}, {shot:?}: {jobs} job definitions");
        // It works: its component, its bindings, its start event.
        let variables = json!({ "orderId": { "value": "a", "type": "String" }, "express": { "value": true, "type": "Boolean" }, "items": { "value": "[{\"sku\":\"router\",\"quantity\":1,\"price\":129.0}]", "type": "Json" } });
        let start = format!("/engine-rest/process-definition/key/one-{round}/start");
        range.host.post(&start, &json!({ "variables": variables })).await?;
        range.host.post("/engine-rest/message", &json!({ "messageName": format!("begin-{round}") })).await?;
        range.host.until("/engine-rest/process-instance/count", |count| count["count"] == 0).await?;
        range.host.check_store().await?;
    }
    println!("{stored} deployments were stored when their host died");
    range.close().await
}

/// Instances that are suspended with their definition.
const INSTANCES: usize = 3;

/// A suspension that is due at once: what is put down, and what the host then makes of it by itself.
async fn planned(cluster: Option<&Cluster>, seed: u64) -> anyhow::Result<()> {
    const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="t">
  <bpmn:process id="p" isExecutable="true"><bpmn:startEvent id="s"/><bpmn:userTask id="t"/>
    <bpmn:sequenceFlow id="f" sourceRef="s" targetRef="t"/></bpmn:process>
</bpmn:definitions>"#;
    let dir = tempfile::tempdir()?;
    let mut range = Range::open(dir.path(), cluster, seed).await?;
    range.host.deploy(&[("p.bpmn", MODEL.as_bytes())]).await?;
    for _ in 0..INSTANCES {
        range.host.post("/engine-rest/process-definition/key/p/start", &json!({})).await?;
    }
    let mut planned = 0;
    for (round, shot) in range.shots().into_iter().enumerate() {
        let suspended = round % 2 == 0;
        let which = if suspended { "suspended" } else { "active" };
        let plan = json!({
            "processDefinitionKey": "p", "suspended": suspended, "includeProcessInstances": true, "executionDate": "2000-01-01T00:00:00.000+0000"
        });
        let put = async |host: &Lone| host.put("/engine-rest/process-definition/suspended", &plan).await;
        let is_done = async |host: &Lone| host.until("/api/v1/planned-suspensions", |left| *left == json!([])).await;
        let mark = range.aim(shot).await?;
        let answered = put(&range.host).await.is_ok();
        if answered {
            // The host carries it out, unless it dies.
            let _dead = is_done(&range.host).await;
        }
        range.die(mark).await?;

        let told = range.count("/engine-rest/history/user-operation/count?property=executionDate").await?;
        ensure!(
            told == planned + 1 || (told == planned && !answered),
            "round {round}, {shot:?}: answered {answered}, and planned {told} times"
        );
        if told == planned {
            let done = range.count(&format!("/engine-rest/process-definition/count?{which}=true")).await?;
            ensure!(done == 0, "round {round}, {shot:?}: done, and not planned");
            put(&range.host).await?;
        }
        planned += 1;
        is_done(&range.host).await?;
        let definitions = range.count(&format!("/engine-rest/process-definition/count?{which}=true")).await?;
        let instances = range.count(&format!("/engine-rest/process-instance/count?{which}=true")).await?;
        ensure!((definitions, instances) == (1, INSTANCES as u64), "round {round}, {shot:?}: {definitions}, {instances} are {which}");
        // The log has each change as often as it was made: the definition's twice, which is told when it is planned and when it is done.
        let changes = range.count("/engine-rest/history/user-operation/count?property=suspensionState").await?;
        let expected = (2 + INSTANCES as u64) * planned;
        ensure!(changes == expected, "round {round}, {shot:?}: {changes} changes, and not {expected}");
    }
    range.close().await
}

/// Instances of `buy` wait for what `pack` says of their number.
const CORRELATED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:t="aimed" targetNamespace="aimed"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0">
  <message id="ready" name="ready"/>
  <correlationProperty id="number">
    <correlationPropertyRetrievalExpression messageRef="t:ready"><messagePath>= number</messagePath></correlationPropertyRetrievalExpression>
  </correlationProperty>
  <collaboration id="c">
    <participant id="shop" processRef="t:buy"/>
    <participant id="stock" processRef="t:pack"/>
    <messageFlow id="m" sourceRef="tell" targetRef="told"/>
    <correlationKey id="key"><correlationPropertyRef>t:number</correlationPropertyRef></correlationKey>
  </collaboration>
  <process id="buy" isExecutable="true">
    <correlationSubscription id="mine" correlationKeyRef="t:key">
      <correlationPropertyBinding correlationPropertyRef="t:number"><dataPath>= number</dataPath></correlationPropertyBinding>
    </correlationSubscription>
    <startEvent id="s"/><receiveTask id="told" messageRef="ready"/><endEvent id="e"/>
    <sequenceFlow id="f1" sourceRef="s" targetRef="told"/><sequenceFlow id="f2" sourceRef="told" targetRef="e"/>
  </process>
  <process id="pack" isExecutable="true">
    <startEvent id="asked"/>
    <endEvent id="tell">
      <extensionElements><zeebe:ioMapping><zeebe:input source="= number" target="number"/></zeebe:ioMapping></extensionElements>
      <messageEventDefinition messageRef="ready"/>
    </endEvent>
    <sequenceFlow id="g1" sourceRef="asked" targetRef="tell"/>
  </process>
</definitions>"#;

/// A message on its way to who waits for it under one of two keys.
async fn correlated(cluster: Option<&Cluster>, seed: u64) -> anyhow::Result<()> {
    async fn start(host: &Lone, process: &str, number: String) -> anyhow::Result<Value> {
        let body = json!({ "businessKey": number, "variables": { "number": { "value": number, "type": "String" } } });
        host.post(&format!("/engine-rest/process-definition/key/{process}/start"), &body).await
    }
    let dir = tempfile::tempdir()?;
    let mut range = Range::open(dir.path(), cluster, seed).await?;
    range.host.deploy(&[("p.bpmn", CORRELATED.as_bytes())]).await?;
    for (round, shot) in range.shots().into_iter().enumerate() {
        let (mine, other) = (format!("{round}-mine"), format!("{round}-other"));
        for number in [&mine, &other] {
            start(&range.host, "buy", number.clone()).await?;
        }
        let ended = |number: &str| {
            format!(
                "/engine-rest/history/process-instance/count?processDefinitionKey=buy&processInstanceBusinessKey={number}&finished=true"
            )
        };
        let mark = range.aim(shot).await?;
        let answered = start(&range.host, "pack", mine.clone()).await.is_ok();
        if answered {
            let _dead = range.host.until(&ended(&mine), |count| count["count"] == 1).await;
        }
        range.die(mark).await?;

        let path = format!("/engine-rest/history/process-instance/count?processDefinitionKey=pack&processInstanceBusinessKey={mine}");
        let packed = range.count(&path).await?;
        ensure!(packed == 1 || (packed == 0 && !answered), "round {round}, {shot:?}: answered {answered}, packed {packed} times");
        if packed == 0 {
            ensure!(range.count(&ended(&mine)).await? == 0, "round {round}, {shot:?}: told of what nobody packed");
            start(&range.host, "pack", mine.clone()).await?;
        }
        range.host.until(&ended(&mine), |count| count["count"] == 1).await?;
        ensure!(range.count(&ended(&other)).await? == 0, "round {round}, {shot:?}: the other one was told");
        start(&range.host, "pack", other.clone()).await?;
        range.host.until(&ended(&other), |count| count["count"] == 1).await?;
        let messages = range.host.ask("/api/v1/messages").await?;
        ensure!(messages.as_array().is_some_and(Vec::is_empty), "round {round}, {shot:?}: {messages} are left");
        let told = range.count("/engine-rest/history/activity-instance/count?activityId=told&finished=true").await?;
        ensure!(told == 2 * (round as u64 + 1), "round {round}, {shot:?}: told {told} times");
    }
    range.close().await
}
