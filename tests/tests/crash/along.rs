//! A unit of work that takes along the jobs that come next: a host that dies in it has stored all of it or nothing, and what it had not
//! stored is done again.

use anyhow::{Context as _, ensure};
use mandate_tests::lone::guest;
use mandate_tests::moments::Moments;
use mandate_tests::postgres::Cluster;
use mandate_tests::trace::permitted;
use serde_json::{Value, json};

use super::{Range, on_both};
use crate::all;

on_both!(along, jobs_that_are_taken_along_run_once_on_sqlite, jobs_that_are_taken_along_run_once_on_postgres, 41);

/// A chain, whose jobs are born in the unit that takes them along, and a fork, whose branches have rows of their own.
const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="definitions" targetNamespace="t">
  <bpmn:process id="p" isExecutable="true">
    <bpmn:startEvent id="s"/><bpmn:serviceTask id="a" camunda:class="quiet" camunda:asyncBefore="true"/>
    <bpmn:serviceTask id="b" camunda:class="quiet" camunda:asyncBefore="true"/><bpmn:parallelGateway id="g"/>
    <bpmn:serviceTask id="c" camunda:class="quiet" camunda:asyncBefore="true"/><bpmn:serviceTask id="d" camunda:class="quiet" camunda:asyncBefore="true"/>
    <bpmn:parallelGateway id="h"/><bpmn:serviceTask id="e" camunda:class="quiet" camunda:asyncBefore="true"/>
    <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="a"/><bpmn:sequenceFlow id="f2" sourceRef="a" targetRef="b"/>
    <bpmn:sequenceFlow id="f3" sourceRef="b" targetRef="g"/><bpmn:sequenceFlow id="f4" sourceRef="g" targetRef="c"/>
    <bpmn:sequenceFlow id="f5" sourceRef="g" targetRef="d"/><bpmn:sequenceFlow id="f6" sourceRef="c" targetRef="h"/>
    <bpmn:sequenceFlow id="f7" sourceRef="d" targetRef="h"/><bpmn:sequenceFlow id="f8" sourceRef="h" targetRef="e"/>
  </bpmn:process>
</bpmn:definitions>"#;

const MANIFEST: &str = "[delegates.quiet]\nfile = \"test_scripted.wasm\"\nversion = \"1.0.0\"\ncommands = []\n";

const TASKS: [&str; 5] = ["a", "b", "c", "d", "e"];

async fn along(cluster: Option<&Cluster>, seed: u64) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut range = Range::open(dir.path(), cluster, seed).await?;
    let files =
        [("p.bpmn", MODEL.as_bytes()), ("mandate.toml", MANIFEST.as_bytes()), ("test_scripted.wasm", &guest("test_scripted.wasm")?)];
    range.host.deploy(&files).await?;
    let script: Value =
        TASKS.iter().enumerate().map(|(n, task)| ((*task).to_owned(), json!({ "set": { "x": n, (*task): true } }))).collect();
    let start = json!({ "variables": { "script": { "value": script.to_string(), "type": "Json" } } });
    for (round, shot) in range.shots().into_iter().enumerate() {
        // A host that begins has to learn first that its delegate is quick.
        range.host.post("/engine-rest/process-definition/key/p/start", &start).await?;
        range.host.until("/engine-rest/process-instance/count", |count| count["count"] == 0).await?;
        // The first job waits until it is let go.
        let suspend = async |suspended: bool| {
            let which = json!({ "processDefinitionKey": "p", "includeJobs": false, "suspended": suspended });
            range.host.put("/engine-rest/job-definition/suspended", &which).await
        };
        suspend(true).await?;
        let started = range.host.post("/engine-rest/process-definition/key/p/start", &start).await?;
        let id = started["id"].as_str().context("an id")?.to_owned();
        suspend(false).await?;
        let jobs = range.host.ask(&format!("/engine-rest/job?processInstanceId={id}")).await?;
        let let_go = format!("/engine-rest/job/{}/suspended", jobs[0]["id"].as_str().context("a job")?);
        let history = format!("/engine-rest/history/process-instance/{id}");

        let mark = range.aim(shot).await?;
        if range.host.put(&let_go, &json!({ "suspended": false })).await.is_ok() {
            let _dead = range.host.until(&history, |it| it["state"] == "COMPLETED").await;
        }
        range.die(mark).await?;
        // It may be over.
        let _gone = range.host.put(&let_go, &json!({ "suspended": false })).await;
        range.host.until(&history, |it| it["state"] == "COMPLETED").await.with_context(|| format!("round {round}, {shot:?}"))?;

        let path = format!(
            "/engine-rest/history/activity-instance?processInstanceId={id}&sortBy=activityInstanceId&sortOrder=asc&activityType=serviceTask"
        );
        let activities = all(&range.host, &path).await?;
        let mut ran: Vec<_> = activities.iter().filter_map(|it| it["activityId"].as_str()).collect();
        ran.sort_unstable();
        ensure!(ran == TASKS, "round {round}, {shot:?}: {ran:?} ran");
        ensure!(
            activities.iter().all(|it| it["canceled"] == false && it["endTime"].is_string()),
            "round {round}, {shot:?}: {activities:#?}"
        );
        let variables =
            all(&range.host, &format!("/engine-rest/history/variable-instance?processInstanceId={id}&sortBy=variableName&sortOrder=asc"))
                .await?;
        let set: Vec<_> = variables.iter().filter(|it| it["value"] == true).filter_map(|it| it["name"].as_str()).collect();
        ensure!(set == TASKS, "round {round}, {shot:?}: {set:?} have set their variables");
        let last = variables.iter().find(|it| it["name"] == "x").context("it was set")?;
        ensure!(last["value"] == TASKS.len() - 1, "round {round}, {shot:?}: {last}");
        range.host.check_store().await?;
    }
    range.close().await
}
