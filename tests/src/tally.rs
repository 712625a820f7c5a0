//! The reckoning: what the domain service really applied, against what the ledger says was applied.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, ensure};
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use serde::Deserialize;
use serde_json::Value;

use crate::system::{System, get};

/// Instances asked for at once.
const CLIENTS: usize = 8;

/// Rows a list is asked for.
const PAGE: usize = 1_000;

/// A command of the catalogue that only asks: the service has nothing to count.
const QUERY: &str = "orders.fulfillment-status@1";

/// What became of a run.
#[derive(Debug, Default)]
pub struct Tally {
    /// By process and version of it.
    pub versions: BTreeMap<(String, i64), Version>,
    /// Commands in the ledger as applied.
    pub applied: usize,
    /// Of these, commands that the service counted exactly once.
    pub applied_once: usize,
    /// Attempts beyond the first of each command.
    pub repeated_attempts: usize,
    /// Commands of which nobody knows what came, because their work was cancelled before it was asked; the service may have applied each
    /// once.
    unknown: BTreeSet<String>,
    /// Everything that should not be.
    pub faults: Vec<String>,
}

/// What became of the instances of one version.
#[derive(Debug, Default)]
pub struct Version {
    /// `camunda:versionTag`.
    pub tag: String,
    /// Instances by the end event that they reached.
    pub ends: BTreeMap<String, usize>,
    /// Delegates by name with the digests that history has for them.
    pub digests: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attempt {
    command: String,
    key: String,
    generation: i64,
    state: String,
}

/// Adds everything up: every instance's history and ledger, and the service's own count.
pub async fn tally(system: &System) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let instances = pages(system, "/engine-rest/history/process-instance").await?;
    let mut applied_keys = BTreeMap::new();
    let looked_up: Vec<(Value, Value, Vec<Attempt>)> = stream::iter(instances)
        .map(|instance| async move {
            let id = instance["id"].as_str().context("an instance has an id")?.to_owned();
            let path = format!("/engine-rest/history/activity-instance?processInstanceId={id}&maxResults={PAGE}");
            let activities = system.ask(&path).await?;
            let ledger = serde_json::from_value(system.ask(&format!("/api/v1/process-instances/{id}/ledger")).await?)?;
            anyhow::Ok((instance, activities, ledger))
        })
        .buffer_unordered(CLIENTS)
        .try_collect()
        .await?;
    for definition in system.ask("/engine-rest/process-definition").await?.as_array().into_iter().flatten() {
        let version = tally.versions.entry(version(&definition["key"], &definition["version"])).or_default();
        definition["versionTag"].as_str().unwrap_or_default().clone_into(&mut version.tag);
    }
    for (instance, activities, ledger) in looked_up {
        tally.take_instance(&instance, &activities);
        tally.take_ledger(&instance, ledger, &mut applied_keys);
    }
    let stats = get(system.http(), &format!("{}/stats?keys=true", system.service_url())).await?;
    tally.compare(&stats, &applied_keys)?;
    Ok(tally)
}

/// A version of a process.
fn version(key: &Value, number: &Value) -> (String, i64) {
    (key.as_str().unwrap_or_default().to_owned(), number.as_i64().unwrap_or(0))
}

async fn pages(system: &System, path: &str) -> anyhow::Result<Vec<Value>> {
    let mut all = Vec::new();
    loop {
        let page = system.ask(&format!("{path}?sortBy=instanceId&sortOrder=asc&firstResult={}&maxResults={PAGE}", all.len())).await?;
        let items = page.as_array().context("a list")?.clone();
        let last = items.len() < PAGE;
        all.extend(items);
        if last {
            return Ok(all);
        }
    }
}

impl Tally {
    fn take_instance(&mut self, instance: &Value, activities: &Value) {
        let version = self.versions.entry(version(&instance["processDefinitionKey"], &instance["processDefinitionVersion"])).or_default();
        for activity in activities.as_array().into_iter().flatten() {
            // What ends a sub-process ends no instance.
            let is_end = activity["activityType"].as_str().is_some_and(|kind| kind.ends_with("EndEvent"));
            if let (true, Some(end)) = (is_end && activity["parentActivityInstanceId"] == instance["id"], activity["activityId"].as_str()) {
                *version.ends.entry(end.to_owned()).or_default() += 1;
            }
            if let (Some(delegate), Some(digest)) = (activity["delegateName"].as_str(), activity["delegateDigest"].as_str()) {
                version.digests.entry(delegate.to_owned()).or_default().insert(digest.to_owned());
            }
        }
        if instance["endTime"].is_null() {
            self.faults.push(format!("instance {} of order {} has not ended", instance["id"], instance["businessKey"]));
        }
    }

    fn take_ledger(&mut self, instance: &Value, ledger: Vec<Attempt>, applied: &mut BTreeMap<(String, String), usize>) {
        let mut attempts: BTreeMap<(String, String), usize> = BTreeMap::new();
        for attempt in ledger.into_iter().filter(|attempt| attempt.command != QUERY) {
            let key = if attempt.generation > 1 { format!("{}.g{}", attempt.key, attempt.generation) } else { attempt.key };
            *attempts.entry((attempt.command.clone(), key.clone())).or_default() += 1;
            match attempt.state.as_str() {
                "unknown" => {
                    self.unknown.insert(key);
                }
                "applied" => *applied.entry((attempt.command, key)).or_default() += 1,
                "open" => self.faults.push(format!("instance {}: {} under {key} is still open", instance["id"], attempt.command)),
                _ => {}
            }
        }
        self.repeated_attempts += attempts.values().map(|attempts| attempts - 1).sum::<usize>();
    }

    /// Every command that the ledger has as applied was applied by the service once, and the service applied nothing that the ledger
    /// does not have.
    fn compare(&mut self, stats: &Value, ledger: &BTreeMap<(String, String), usize>) -> anyhow::Result<()> {
        let mut counted: BTreeMap<String, i64> = BTreeMap::new();
        for key in stats["keys"].as_array().context("the service lists its keys")? {
            // What the service does by itself, such as fulfilment, is none of the engine's commands.
            if key["origin"].as_str() != Some("HTTP") {
                continue;
            }
            let name = key["key"].as_str().context("a key is a text")?;
            *counted.entry(name.to_owned()).or_default() += key["applied"].as_i64().unwrap_or(0);
        }
        self.applied = ledger.len();
        for (command, key) in ledger.keys() {
            match counted.remove(key) {
                Some(1) => self.applied_once += 1,
                Some(times) => self.faults.push(format!("{command} under {key} was applied {times} times")),
                None => self.faults.push(format!("{command} under {key} is applied in the ledger and unknown to the service")),
            }
        }
        // An attempt may be unknown and a later one applied: that was counted.
        counted.retain(|key, times| *times != 1 || !self.unknown.contains(key));
        self.faults.extend(counted.keys().map(|key| format!("the service applied {key}, which the ledger does not have as applied")));
        for count in ["keysAppliedMoreThanOnce", "effectsDoubledUnderOtherKeys", "linesOverReserved"] {
            if stats[count].as_i64() != Some(0) {
                self.faults.push(format!("the service counts {count}: {}", stats[count]));
            }
        }
        Ok(())
    }

    /// Fails when anything was lost or doubled.
    pub fn assert_sound(&self) -> anyhow::Result<()> {
        ensure!(self.faults.is_empty(), "{} fault(s): {:#?}", self.faults.len(), &self.faults[..self.faults.len().min(20)]);
        ensure!(self.applied > 0 && self.applied == self.applied_once, "{} of {} commands applied once", self.applied_once, self.applied);
        Ok(())
    }
}
