//! SIGKILL of everything in the middle of a load of starts, PostgreSQL with all its backends included: what was answered is there, runs to
//! its end, and did everything once; whoever waits for a signal or a message gets each once, each firing of a timer starts one instance,
//! what clients correlate and workers complete is there whole and once, and what an operator says of job definitions holds.
//!
//! Three crashes in the gate; `MANDATE_KILLS=100` for the long run (`make soak`). The kernel keeps what a killed process has written, so
//! this shows recovery: logs read again, locks taken over, jobs begun again. That commits are on the disk before they are answered is shown
//! in `durability.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use mandate_tests::lone::{Lone, guest};
use mandate_tests::moments::Moments;
use mandate_tests::postgres::Cluster;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinHandle;

#[path = "crash/aimed.rs"]
mod aimed;
#[path = "crash/completions.rs"]
mod completions;
#[path = "crash/messages.rs"]
mod messages;
#[path = "crash/suspension.rs"]
mod suspension;

/// S1 of the benchmark.
const MODEL: &str = include_str!("../bench/models/five-asynchronous.bpmn");
const MANIFEST: &str = "[delegates.bench]\nfile = \"test_bench.wasm\"\nversion = \"1.0.0\"\n";

/// What an instance goes through.
const ACTIVITIES: [&str; 7] = ["confirm", "done", "price", "received", "reserve", "submit", "validate"];

/// Clients that start instances, each as soon as its last one was answered.
const CLIENTS: u64 = 32;

/// How long clients may stay without any answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Rows a list is asked for at once.
const PAGE: usize = 1_000;

fn kills() -> usize {
    std::env::var("MANDATE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_a_crash_of_the_host_on_sqlite() -> anyhow::Result<()> {
    survive(None, Moments::seed(21)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_answered_survives_a_crash_of_host_and_database_on_postgres() -> anyhow::Result<()> {
    survive(Some(&Cluster::start()?), Moments::seed(22)).await
}

async fn survive(cluster: Option<&Cluster>, seed: u64) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let database = cluster.map(|cluster| cluster.create_database("host")).transpose()?;
    let mut host = Lone::start(dir.path(), database.as_deref(), &["--lease=2"]).await?;
    let files = [("p.bpmn", MODEL.as_bytes()), ("mandate.toml", MANIFEST.as_bytes()), ("test_bench.wasm", &guest("test_bench.wasm")?)];
    host.deploy(&files).await?;
    let answered = crash_under_load(&mut host, cluster, seed, ("fiveAsynchronous", CLIENTS)).await?;
    host.until("/engine-rest/process-instance/count", |count| count["count"] == 0).await?;
    let found = assert_each_once(&host, &answered).await?;
    println!("{} crashes, {} starts answered, {found} instances, each to its end and once", kills(), answered.len());
    host.check_store().await?;
    host.stop().await
}

/// `thrower` throws a signal; instances of `catcher` wait for it in an event that does not interrupt, and `begun` starts by it. `timed`
/// starts by a timer.
const SIGNALS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="d" targetNamespace="t">
  <bpmn:signal id="tick" name="tick"/>
  <bpmn:process id="thrower" isExecutable="true">
    <bpmn:startEvent id="s1"/>
    <bpmn:endEvent id="e1"><bpmn:signalEventDefinition signalRef="tick"><bpmn:extensionElements>
      <camunda:in businessKey="${orderId}"/></bpmn:extensionElements></bpmn:signalEventDefinition></bpmn:endEvent>
    <bpmn:sequenceFlow id="f1" sourceRef="s1" targetRef="e1"/>
  </bpmn:process>
  <bpmn:process id="catcher" isExecutable="true">
    <bpmn:startEvent id="s2"/>
    <bpmn:userTask id="stand"/>
    <bpmn:boundaryEvent id="heard" attachedToRef="stand" cancelActivity="false"><bpmn:signalEventDefinition signalRef="tick"/></bpmn:boundaryEvent>
    <bpmn:task id="noted"/>
    <bpmn:sequenceFlow id="f2" sourceRef="s2" targetRef="stand"/>
    <bpmn:sequenceFlow id="f3" sourceRef="heard" targetRef="noted"/>
  </bpmn:process>
  <bpmn:process id="begun" isExecutable="true">
    <bpmn:startEvent id="s3"><bpmn:signalEventDefinition signalRef="tick"/></bpmn:startEvent>
  </bpmn:process>
  <bpmn:process id="timed" isExecutable="true">
    <bpmn:startEvent id="s4"><bpmn:timerEventDefinition><bpmn:timeCycle>R/PT0.02S</bpmn:timeCycle></bpmn:timerEventDefinition></bpmn:startEvent>
  </bpmn:process>
</bpmn:definitions>"#;

/// Instances that wait for each signal, and clients that throw some.
const CATCHERS: usize = 5;
const THROWERS: u64 = 2;

#[tokio::test(flavor = "multi_thread")]
async fn every_signal_and_every_date_of_a_timer_survives_a_crash_of_the_host_on_sqlite() -> anyhow::Result<()> {
    signals_survive(None, Moments::seed(23)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_signal_and_every_date_of_a_timer_survives_a_crash_of_host_and_database_on_postgres() -> anyhow::Result<()> {
    signals_survive(Some(&Cluster::start()?), Moments::seed(24)).await
}

/// Each receiver gets each signal once, and each firing of a timer starts one instance.
async fn signals_survive(cluster: Option<&Cluster>, seed: u64) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let database = cluster.map(|cluster| cluster.create_database("host")).transpose()?;
    let mut host = Lone::start(dir.path(), database.as_deref(), &["--lease=2"]).await?;
    host.deploy(&[("p.bpmn", SIGNALS.as_bytes())]).await?;
    let mut catchers = Vec::new();
    for _ in 0..CATCHERS {
        let started = host.post("/engine-rest/process-definition/key/catcher/start", &json!({})).await?;
        catchers.push(started["id"].as_str().context("an id")?.to_owned());
    }
    let answered = crash_under_load(&mut host, cluster, seed, ("thrower", THROWERS)).await?;

    let history = |key: &str| format!("/engine-rest/history/process-instance?processDefinitionKey={key}&sortBy=instanceId&sortOrder=asc");
    let keys = |rows: &[Value]| {
        let mut keys: Vec<String> = rows.iter().map(|row| row["businessKey"].to_string()).collect();
        keys.sort();
        keys
    };
    let throwers = all(&host, &history("thrower")).await?;
    let ids: BTreeSet<String> = throwers.iter().filter_map(|row| row["id"].as_str().map(str::to_owned)).collect();
    ensure!(answered.is_subset(&ids), "answered starts are lost: {:?}", answered.difference(&ids));
    let noted = "/engine-rest/history/activity-instance/count?activityId=noted";
    host.until(noted, |count| count["count"].as_u64().is_some_and(|count| count >= (throwers.len() * CATCHERS) as u64)).await?;
    host.until("/engine-rest/history/process-instance/count?processDefinitionKey=begun", |count| {
        count["count"].as_u64().is_some_and(|count| count >= throwers.len() as u64)
    })
    .await?;
    for catcher in &catchers {
        let heard = host.ask(&format!("{noted}&processInstanceId={catcher}")).await?;
        ensure!(heard["count"] == throwers.len(), "{catcher} heard {heard} of {} signals", throwers.len());
    }
    ensure!(keys(&all(&host, &history("begun")).await?) == keys(&throwers), "not every signal has started one instance");

    // The job's number is that of its next firing.
    host.put("/engine-rest/process-definition/suspended", &json!({ "processDefinitionKey": "timed", "suspended": true })).await?;
    let jobs = all(&host, "/engine-rest/job?processDefinitionKey=timed&sortBy=jobId&sortOrder=asc").await?;
    ensure!(jobs.len() == 1, "the cycle goes on in one job, not {jobs:?}");
    let next: usize = jobs[0]["id"].as_str().and_then(|id| id.rsplit_once('.')?.1.parse().ok()).context("a number")?;
    let fired = all(&host, &history("timed")).await?.len();
    ensure!(fired == next - 1, "{fired} instances of {} firings", next - 1);
    println!("{} crashes, {} signals to {} receivers each, {fired} firings", kills(), throwers.len(), CATCHERS + 1);
    host.check_store().await?;
    host.stop().await
}

/// Clients start instances of a process while everything crashes again and again. Answers which of the starts were answered.
async fn crash_under_load(host: &mut Lone, cluster: Option<&Cluster>, seed: u64, load: (&str, u64)) -> anyhow::Result<BTreeSet<String>> {
    let load = Load::start(host, load.0, load.1);
    crash(host, cluster, seed, &load).await?;
    load.stop().await
}

/// Everything crashes again and again under a load.
async fn crash(host: &mut Lone, cluster: Option<&Cluster>, seed: u64, load: &Load) -> anyhow::Result<()> {
    let mut moments = Moments::new(seed);
    for kill in 0..kills() {
        let answered = load.answered();
        moments.pass(Duration::from_millis(50), Duration::from_millis(1_000)).await;
        load.until_answered(answered + 10).await?;
        match cluster {
            // Sometimes the database is gone before its host is, and has it ask what became of its last transaction in vain.
            Some(cluster) if kill % 2 == 0 => {
                cluster.kill()?;
                host.kill().await?;
            }
            Some(cluster) => {
                host.kill().await?;
                cluster.kill()?;
            }
            None => host.kill().await?,
        }
        if let Some(cluster) = cluster {
            cluster.start_again()?;
        }
        host.start_again().await?;
        load.go_on();
    }
    Ok(())
}

/// Clients that do the same again and again until they are stopped, through every crash.
struct Load {
    phase: watch::Sender<Phase>,
    answered: Arc<AtomicU64>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Phase {
    /// So many crashes are over.
    Working(usize),
    Over,
}

impl Load {
    /// They start instances of a process.
    fn start(host: &Lone, process: &str, clients: u64) -> Self {
        let (http, url) = (host.http().clone(), format!("{}/engine-rest/process-definition/key/{process}/start", host.url()));
        Self::of(clients, move |key| {
            let (http, url) = (http.clone(), url.clone());
            async move { start_one(&http, &url, &key).await }
        })
    }

    /// They do this, each time under another business key. It answers an id if all that it asked for was answered.
    fn of<W>(clients: u64, work: impl Fn(String) -> W + Clone + Send + Sync + 'static) -> Self
    where
        W: Future<Output = Option<String>> + Send + 'static,
    {
        let (phase, answered) = (watch::Sender::new(Phase::Working(0)), Arc::new(AtomicU64::new(0)));
        let clients = (0..clients).map(|client| tokio::spawn(repeat(client, work.clone(), phase.subscribe(), answered.clone())));
        Self { clients: clients.collect(), phase, answered }
    }

    /// How often it was answered so far.
    fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    async fn until_answered(&self, count: u64) -> anyhow::Result<()> {
        let answered = async {
            while self.answered() < count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(PATIENCE, answered).await.context("clients are not answered")
    }

    /// The host is there again.
    fn go_on(&self) {
        self.phase.send_modify(|phase| {
            if let Phase::Working(crashes) = phase {
                *crashes += 1;
            }
        });
    }

    /// Ends it and answers the ids of all that was answered.
    async fn stop(self) -> anyhow::Result<BTreeSet<String>> {
        self.phase.send_replace(Phase::Over);
        let mut answered = BTreeSet::new();
        for client in self.clients {
            for id in client.await? {
                ensure!(answered.insert(id.clone()), "{id} was answered twice");
            }
        }
        Ok(answered)
    }
}

/// One client. Answers the ids of what was answered.
async fn repeat<W: Future<Output = Option<String>>>(
    client: u64,
    work: impl Fn(String) -> W,
    mut phase: watch::Receiver<Phase>,
    count: Arc<AtomicU64>,
) -> Vec<String> {
    let mut answered = Vec::new();
    for number in 0.. {
        if *phase.borrow_and_update() == Phase::Over {
            break;
        }
        match work(format!("order-{client}-{number}")).await {
            Some(id) => {
                answered.push(id);
                count.fetch_add(1, Ordering::Relaxed);
            }
            // It may have happened or not, and is not tried again. The host is down, or about to be.
            None => {
                if phase.changed().await.is_err() {
                    break;
                }
            }
        }
    }
    answered
}

async fn start_one(http: &reqwest::Client, url: &str, business_key: &str) -> Option<String> {
    let body = json!({
        "businessKey": business_key,
        "variables": {
            "orderId": { "value": business_key, "type": "String" },
            "express": { "value": true, "type": "Boolean" },
            "items": { "value": "[{\"sku\":\"router\",\"quantity\":1,\"price\":129.0}]", "type": "Json" },
        },
    });
    let answer = http.post(url).json(&body).send().await.ok()?.error_for_status().ok()?;
    let started: Value = answer.json().await.ok()?;
    started["id"].as_str().map(str::to_owned)
}

/// History has every answered start, every instance completed, no business key twice, and of every instance each activity once. Answers how
/// many instances there are.
async fn assert_each_once(host: &Lone, answered: &BTreeSet<String>) -> anyhow::Result<usize> {
    let instances = all(host, "/engine-rest/history/process-instance?sortBy=instanceId&sortOrder=asc").await?;
    let mut activities = ended_activities(host, "fiveAsynchronous").await?;
    let (mut ids, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for instance in &instances {
        let id = instance["id"].as_str().context("an id")?;
        ensure!(ids.insert(id.to_owned()), "instance {id} is in history twice");
        ensure!(instance["state"] == "COMPLETED", "instance {id} is {}", instance["state"]);
        ensure!(keys.insert(instance["businessKey"].to_string()), "{} was started twice", instance["businessKey"]);
        let done = activities.remove(id).unwrap_or_default();
        ensure!(done == ACTIVITIES, "instance {id} went through {done:?}");
    }
    let lost: Vec<&String> = answered.difference(&ids).collect();
    ensure!(lost.is_empty(), "{} answered starts are lost: {lost:?}", lost.len());
    Ok(ids.len())
}

/// What the instances of a process went through, each in alphabetical order.
async fn ended_activities(host: &Lone, process: &str) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let rows = all(host, "/engine-rest/history/activity-instance?finished=true&sortBy=activityInstanceId&sortOrder=asc").await?;
    let mut activities = by_instance(&rows, |row| row["activityId"].as_str().unwrap_or_default().to_owned());
    for ended in activities.values_mut() {
        ended.retain(|activity| activity != process);
    }
    Ok(activities)
}

/// What rows say of their instances, each in alphabetical order.
fn by_instance(rows: &[Value], say: impl Fn(&Value) -> String) -> BTreeMap<String, Vec<String>> {
    let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        said.entry(row["processInstanceId"].as_str().unwrap_or_default().to_owned()).or_default().push(say(row));
    }
    for of in said.values_mut() {
        of.sort();
    }
    said
}

/// All pages of a list.
async fn all(host: &Lone, path: &str) -> anyhow::Result<Vec<Value>> {
    let mut rows = Vec::new();
    loop {
        let page = host.ask(&format!("{path}&firstResult={}&maxResults={PAGE}", rows.len())).await?;
        let page = page.as_array().context("a list")?;
        rows.extend(page.iter().cloned());
        if page.len() < PAGE {
            return Ok(rows);
        }
    }
}
