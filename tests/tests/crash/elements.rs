//! A definition that is deleted and whose history is not, until that goes as well: history tells of its elements to the end.

use anyhow::{Context as _, ensure};
use mandate_tests::moments::Moments;
use mandate_tests::postgres::Cluster;
use mandate_tests::trace::permitted;
use serde_json::json;

use super::{Range, on_both};
use crate::all;

on_both!(
    deleted,
    elements_of_a_deleted_definition_stay_as_long_as_its_history_on_sqlite,
    elements_of_a_deleted_definition_stay_as_long_as_its_history_on_postgres,
    39
);

on_both!(
    cascaded,
    history_that_is_deleted_with_its_definition_goes_whoever_dies_on_sqlite,
    history_that_is_deleted_with_its_definition_goes_whoever_dies_on_postgres,
    40
);

/// Ended instances of the definition.
const INSTANCES: usize = 2;

/// Deploys a process and has instances of it, which end at once. Answers its definition.
async fn deploy_and_run(range: &Range, round: usize, key: &str) -> anyhow::Result<String> {
    let model = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="t">
  <bpmn:process id="{key}" isExecutable="true"><bpmn:startEvent id="s" name="Began {round}"/></bpmn:process>
</bpmn:definitions>"#
    );
    range.host.deploy(&[("p.bpmn", model.as_bytes())]).await?;
    for _ in 0..INSTANCES {
        range.host.post(&format!("/engine-rest/process-definition/key/{key}/start"), &json!({})).await?;
    }
    let definition = range.host.ask(&format!("/engine-rest/process-definition?key={key}")).await?;
    Ok(definition[0]["id"].as_str().context("an id")?.to_owned())
}

/// Behind the commit that deletes a definition its history goes in others, which another host may have to begin.
async fn cascaded(cluster: Option<&Cluster>, seed: u64) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut range = Range::open(dir.path(), cluster, seed).await?;
    for (round, shot) in range.shots().into_iter().enumerate() {
        let key = format!("gone-{round}");
        let definition = deploy_and_run(&range, round, &key).await?;
        let delete = format!("/engine-rest/process-definition/{definition}?cascade=true");
        let mark = range.aim(shot).await?;
        let answered = range.host.delete(&delete).await.is_ok();
        range.die(mark).await?;
        let left = range.count(&format!("/engine-rest/process-definition/count?key={key}")).await?;
        ensure!(left == 0 || (left == 1 && !answered), "round {round}, {shot:?}: answered {answered}, and {left} are there");
        let remembered = format!("/engine-rest/history/process-instance/count?processDefinitionId={definition}");
        if left == 1 {
            ensure!(
                range.host.ask(&remembered).await?["count"] == INSTANCES,
                "round {round}, {shot:?}: history goes with its definition or not at all"
            );
            range.host.delete(&delete).await?;
        }
        range.host.until(&remembered, |count| count["count"] == 0).await?;
        range.host.until("/engine-rest/history/activity-instance/count", |count| count["count"] == 0).await?;
        range.host.check_store().await?;
    }
    range.close().await
}

async fn deleted(cluster: Option<&Cluster>, seed: u64) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut range = Range::open(dir.path(), cluster, seed).await?;
    for (round, shot) in range.shots().into_iter().enumerate() {
        let key = format!("gone-{round}");
        let definition = deploy_and_run(&range, round, &key).await?;
        let there = format!("/engine-rest/process-definition/count?key={key}");
        let activities =
            format!("/engine-rest/history/activity-instance?processDefinitionId={definition}&sortBy=activityInstanceId&sortOrder=asc");

        let mark = range.aim(shot).await?;
        let answered = range.host.delete(&format!("/engine-rest/process-definition/{definition}")).await.is_ok();
        range.die(mark).await?;
        let left = range.count(&there).await?;
        ensure!(left == 0 || (left == 1 && !answered), "round {round}, {shot:?}: answered {answered}, and {left} are there");
        if left == 1 {
            range.host.delete(&format!("/engine-rest/process-definition/{definition}")).await?;
        }
        let remembered = all(&range.host, &activities).await?;
        ensure!(remembered.len() == INSTANCES, "round {round}, {shot:?}: {remembered:?}");
        let instances: Vec<_> = remembered.iter().filter_map(|it| it["processInstanceId"].as_str()).collect();

        // One of them and then the last, and whoever looks for what is left.
        let gone = range.host.delete(&format!("/engine-rest/history/process-instance/{}", instances[0])).await;
        gone.with_context(|| format!("round {round}"))?;
        let told = all(&range.host, &activities).await?;
        ensure!(told.len() == 1 && told[0]["activityName"] == format!("Began {round}"), "round {round}, {shot:?}: {told:?}");
        let last = format!("/engine-rest/history/process-instance/{}", instances[1]);
        let mark = range.aim(shot).await?;
        let answered = range.host.delete(&last).await.is_ok();
        range.die(mark).await?;
        let told = all(&range.host, &activities).await?;
        ensure!(told.is_empty() || (told.len() == 1 && !answered), "round {round}, {shot:?}: answered {answered}, {told:?}");
        if let [one] = &told[..] {
            ensure!(one["activityName"] == format!("Began {round}"), "round {round}, {shot:?}: {told:?}");
            range.host.delete(&last).await?;
        }
        range.host.check_store().await?;
    }
    // A host that begins looks at once.
    range.die(None).await?;
    if let Some(cluster) = cluster {
        let left = async || cluster.sql("host", "SELECT (SELECT COUNT(*) FROM element), (SELECT COUNT(*) FROM deleted_definition)");
        let forgotten = async {
            while left().await? != "0|0" {
                tokio::task::yield_now().await;
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(crate::PATIENCE, forgotten).await.context("elements are left")??;
    }
    range.close().await
}
