//! Messages that clients correlate and external tasks that workers complete, each with a variable: what was answered is in history, whole
//! and once. What was not answered was done whole or not at all, and whoever asks again has it done once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail, ensure};
use mandate_tests::lone::Lone;
use mandate_tests::moments::Moments;
use mandate_tests::postgres::Cluster;
use serde_json::{Value, json};

use crate::{Load, all, by_instance, crash, ended_activities, kills, start_one};

/// Waits for a message, and then for a worker.
const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="d" targetNamespace="t">
  <bpmn:message id="m" name="paid"/>
  <bpmn:process id="order" isExecutable="true">
    <bpmn:startEvent id="received"/>
    <bpmn:receiveTask id="payment" messageRef="m"/>
    <bpmn:serviceTask id="reserve" camunda:type="external" camunda:topic="reserve"/>
    <bpmn:endEvent id="done"/>
    <bpmn:sequenceFlow id="f1" sourceRef="received" targetRef="payment"/>
    <bpmn:sequenceFlow id="f2" sourceRef="payment" targetRef="reserve"/>
    <bpmn:sequenceFlow id="f3" sourceRef="reserve" targetRef="done"/>
  </bpmn:process>
</bpmn:definitions>"#;

/// Clients that take orders to their end.
const CLIENTS: u64 = 8;

/// What each asks for of an order: it is started, its message correlated, its task fetched and completed.
const REQUESTS: usize = 4;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_correlated_and_completed_survives_a_crash_of_the_host_on_sqlite() -> anyhow::Result<()> {
    survive(None, Moments::seed(29)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_correlated_and_completed_survives_a_crash_of_host_and_database_on_postgres() -> anyhow::Result<()> {
    survive(Some(&Cluster::start()?), Moments::seed(30)).await
}

async fn survive(cluster: Option<&Cluster>, seed: u64) -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let database = cluster.map(|cluster| cluster.create_database("host")).transpose()?;
    let mut host = Lone::start(dir.path(), database.as_deref(), &["--lease=2"]).await?;
    host.deploy(&[("p.bpmn", MODEL.as_bytes())]).await?;
    let shop = Arc::new(Shop::new(&host));
    let load = Load::of(CLIENTS, {
        let shop = shop.clone();
        move |key| {
            let shop = shop.clone();
            async move { shop.take(&key, Applied::default()).await.map(|()| key) }
        }
    });
    crash(&mut host, cluster, seed, &load).await?;
    let completed = load.stop().await?.len();

    let answered = shop.answered();
    let mut orders = applied(&host).await?;
    for (key, &answered) in &answered {
        let order = orders.remove(key).unwrap_or_default();
        let applied = order.requests;
        ensure!(
            applied == answered || applied == answered + 1,
            "of the requests of {key} {answered} were answered, and {applied} were applied"
        );
        if applied < REQUESTS {
            // Whoever was not answered asks again for what was not applied.
            shop.take(key, order).await.with_context(|| format!("the host is there, and does not answer about {key}"))?;
        }
    }
    let orders = applied(&host).await?;
    ensure!(orders.keys().eq(answered.keys()), "orders are there that nobody started, or are not there");
    let left = orders.iter().find(|(_, order)| order.requests < REQUESTS);
    ensure!(left.is_none(), "an order was answered to its end, and is not completed: {left:?}");
    println!("{} crashes, {completed} orders answered to their end, {} completed", kills(), orders.len());
    host.check_store().await?;
    host.stop().await
}

/// What was applied of an order's requests, by what is stored.
#[derive(Debug, Default)]
struct Applied {
    requests: usize,
    /// The task that its worker has fetched.
    fetched: Option<String>,
}

/// Whom clients ask, and how many requests of each order were answered to them.
struct Shop {
    http: reqwest::Client,
    url: String,
    answered: Mutex<BTreeMap<String, usize>>,
}

impl Shop {
    fn new(host: &Lone) -> Self {
        Self { http: host.http().clone(), url: format!("{}/engine-rest", host.url()), answered: Mutex::default() }
    }

    fn answered(&self) -> BTreeMap<String, usize> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, key: &str, answered: usize) {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner).insert(key.to_owned(), answered);
    }

    /// Takes an order to its end, from where it is, as long as it is answered. The worker of each order bears its name.
    async fn take(&self, key: &str, from: Applied) -> Option<()> {
        self.note(key, from.requests);
        if from.requests < 1 {
            start_one(&self.http, &format!("{}/process-definition/key/order/start", self.url), key).await?;
            self.note(key, 1);
        }
        if from.requests < 2 {
            let variables = json!({ "paid": { "value": key, "type": "String" } });
            self.post("message", &json!({ "messageName": "paid", "businessKey": key, "processVariables": variables })).await?;
            self.note(key, 2);
        }
        let task = match from.fetched {
            Some(task) => task,
            None => self.fetch(key).await?,
        };
        self.note(key, 3);
        let variables = json!({ "total": { "value": key, "type": "String" } });
        self.post(&format!("external-task/{task}/complete"), &json!({ "workerId": key, "variables": variables })).await?;
        self.note(key, REQUESTS);
        Some(())
    }

    /// The one task of an order, which is there once its message was correlated.
    async fn fetch(&self, key: &str) -> Option<String> {
        let topic = json!({ "topicName": "reserve", "businessKey": key, "lockDuration": 60_000 });
        let fetch = json!({ "workerId": key, "maxTasks": 2, "topics": [topic] });
        let tasks: Value = self.post("external-task/fetchAndLock", &fetch).await?.json().await.ok()?;
        assert!(tasks.as_array().is_some_and(|tasks| tasks.len() == 1), "{key} has one task to fetch, and not {tasks}");
        tasks[0]["id"].as_str().map(str::to_owned)
    }

    /// None: it was not answered, for the host is down or about to be. One that does not know what it answered before has lost it.
    async fn post(&self, path: &str, body: &Value) -> Option<reqwest::Response> {
        let answer = self.http.post(format!("{}/{path}", self.url)).json(body).send().await.ok()?;
        let status = answer.status();
        assert!(!matches!(status.as_u16(), 400 | 404), "{path} was answered {status}: {body}");
        answer.error_for_status().ok()
    }
}

/// What was applied of each order by its business key: each request whole and once, or not at all.
async fn applied(host: &Lone) -> anyhow::Result<BTreeMap<String, Applied>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut activities = ended_activities(host, "order").await?;
    let rows = all(host, "/engine-rest/history/variable-instance?variableNameIn=paid,total&sortBy=instanceId&sortOrder=asc").await?;
    let mut variables = by_instance(&rows, |row| format!("{} {}", text(&row["name"]), text(&row["value"])));
    let tasks = all(host, "/engine-rest/external-task?topicName=reserve&sortBy=id&sortOrder=asc").await?;
    // Nobody else asks for a task of this key.
    let mut fetched: BTreeMap<String, String> =
        tasks.iter().filter(|task| task["workerId"].is_string()).map(|task| (text(&task["workerId"]), text(&task["id"]))).collect();

    let mut orders = BTreeMap::new();
    for row in all(host, "/engine-rest/history/process-instance?sortBy=instanceId&sortOrder=asc").await? {
        let (id, key) = (text(&row["id"]), text(&row["businessKey"]));
        let ended = activities.remove(&id).unwrap_or_default();
        let fetched = fetched.remove(&key);
        let (requests, set, state): (usize, &[&str], &str) = match ended.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["received"] => (1, &[], "ACTIVE"),
            ["payment", "received"] => (2 + usize::from(fetched.is_some()), &["paid"], "ACTIVE"),
            ["done", "payment", "received", "reserve"] => (REQUESTS, &["paid", "total"], "COMPLETED"),
            _ => bail!("{key} went through {ended:?}"),
        };
        ensure!(row["state"] == state, "{key} went through {ended:?}, and is {}", row["state"]);
        let set: Vec<String> = set.iter().map(|name| format!("{name} {key}")).collect();
        let found = variables.remove(&id).unwrap_or_default();
        ensure!(found == set, "{key} went through {ended:?}, and has the variables {found:?}");
        ensure!(orders.insert(key.clone(), Applied { requests, fetched }).is_none(), "{key} was started twice");
    }
    Ok(orders)
}
