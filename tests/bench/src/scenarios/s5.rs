//! Instances that wait for a worker outside: workers fetch and complete their tasks over HTTP.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::future::{BoxFuture, try_join_all};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Latency, Scenario};
use crate::host::{Batch, CLIENTS, Host, order};
use crate::http::Client;
use crate::window::Window;

/// Tasks that a worker fetches at once.
const FETCHED: u32 = 100;

/// The topic in the model.
const TOPIC: &str = "reserve";

pub(super) struct S5;

impl Scenario for S5 {
    fn name(&self) -> &'static str {
        "S5"
    }

    fn about(&self) -> &'static str {
        "external tasks over HTTP: fetchAndLock and complete"
    }

    fn instances(&self) -> u32 {
        10_000
    }

    fn model(&self) -> String {
        include_str!("../../models/external.bpmn").to_owned()
    }

    fn run<'a>(&'a self, host: &'a Host, batch: Batch, window: &'a mut Window<'_>) -> BoxFuture<'a, anyhow::Result<Latency>> {
        Box::pin(async move {
            let before = host.ended();
            host.start_all(batch, |number| order(&batch.key(number))).await?;
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
            let shutdown = async move { drop(stopped.await) };
            let serving = tokio::spawn(mandate_http::serve(host.runtime.clone(), listener, mandate_http::Options::default(), shutdown));
            let mut clients = Vec::new();
            for _ in 0..CLIENTS * CONNECTIONS {
                clients.push(Client::connect(address).await?);
            }
            window.open().await?;
            let mut workers = Vec::new();
            for name in 0..CLIENTS {
                let connections = clients.split_off(clients.len() - CONNECTIONS as usize);
                workers.push(work(format!("worker-{name}"), connections));
            }
            let took: Vec<Duration> = try_join_all(workers).await?.into_iter().flatten().collect();
            ensure!(took.len() == batch.count as usize, "{} of {} tasks were fetched", took.len(), batch.count);
            host.until_ended(before + u64::from(batch.count)).await?;
            // The receiver is there until the server has ended.
            let _ = stop.send(());
            serving.await?;
            Ok(Latency::Measured(took))
        })
    }
}

/// Requests that a worker keeps under way: one fetch, or as many completions.
const CONNECTIONS: u32 = 16;

/// Fetches and completes until there is nothing left. Answers how long each completion took.
async fn work(name: String, mut connections: Vec<Client>) -> anyhow::Result<Vec<Duration>> {
    let body = json!({
        "workerId": name,
        "maxTasks": FETCHED,
        "usePriority": true,
        "topics": [{"topicName": TOPIC, "lockDuration": 60_000, "variables": ["orderId", "express", "items"]}],
    });
    let (fetch, complete) =
        (body.to_string(), json!({"workerId": name, "variables": {"total": {"value": 1.5, "type": "Double"}}}).to_string());
    let mut took = Vec::new();
    loop {
        let (status, answer) = connections[0].post("/engine-rest/external-task/fetchAndLock", &fetch).await?;
        ensure!(status == 200, "fetchAndLock is answered by {status}: {answer}");
        let tasks = ids(&answer)?;
        if tasks.is_empty() {
            return Ok(took);
        }
        let share = tasks.len().div_ceil(connections.len());
        let completing = connections.iter_mut().zip(tasks.chunks(share)).map(|(client, ids)| complete_all(client, ids, &complete));
        took.extend(try_join_all(completing).await?.into_iter().flatten());
    }
}

async fn complete_all(client: &mut Client, ids: &[String], body: &str) -> anyhow::Result<Vec<Duration>> {
    let mut took = Vec::with_capacity(ids.len());
    for id in ids {
        let begun = Instant::now();
        let (status, answer) = client.post(&format!("/engine-rest/external-task/{id}/complete"), body).await?;
        ensure!(status == 204, "complete is answered by {status}: {answer}");
        took.push(begun.elapsed());
    }
    Ok(took)
}

fn ids(answer: &str) -> anyhow::Result<Vec<String>> {
    let tasks: Vec<Value> = serde_json::from_str(answer).context("fetchAndLock answers a list")?;
    let id = |task: &Value| {
        ensure!(task["variables"]["items"]["value"].is_string(), "a task comes with its variables: {task}");
        Ok(task["id"].as_str().context("a task has an id")?.to_owned())
    };
    tasks.iter().map(id).collect()
}
