//! Workers of external tasks, beside the measured process as the service of [`stub`](crate::stub) is: what they spend is not the host's.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::host::CLIENTS;
use crate::http::Client;

/// The first argument with which this program runs itself as workers; the second is the host's address.
pub const WORKERS: &str = "workers";

/// Requests that a worker keeps under way: one fetch, or as many completions.
const CONNECTIONS: u32 = 16;

/// Tasks that a worker fetches at once.
const FETCHED: u32 = 100;

/// The topic in the model.
pub const TOPIC: &str = "reserve";

/// What they say when they are connected. Then they wait for a line.
const READY: &str = "ready";

/// How long they may take for all tasks.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// A process of workers that are connected and wait for a word to begin.
pub struct Workers {
    process: Child,
    begin: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Workers {
    /// Starts them.
    pub async fn start(host: SocketAddr) -> anyhow::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([WORKERS, &host.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("start a process for the workers")?;
        let begin = process.stdin.take().context("it is piped")?;
        let mut said = BufReader::new(process.stdout.take().context("it is piped")?);
        let line = line(&mut said).await?;
        ensure!(line == READY, "the workers are not ready: {line}");
        Ok(Self { process, begin, said })
    }

    /// Has them work until nothing is left to be done. Answers how long each completion took.
    pub async fn work(mut self) -> anyhow::Result<Vec<Duration>> {
        self.begin.write_all(b"\n").await?;
        let mut answer = String::new();
        let Ok(read) = tokio::time::timeout(PATIENCE, self.said.read_to_string(&mut answer)).await else {
            bail!("the workers took longer than {PATIENCE:?}");
        };
        read?;
        let ended = self.process.wait().await?;
        ensure!(ended.success(), "the workers ended with {ended}");
        serde_json::from_str(&answer).with_context(|| format!("the workers answered: {answer}"))
    }
}

async fn line(said: &mut BufReader<impl AsyncRead + Unpin>) -> anyhow::Result<String> {
    let mut line = String::new();
    said.read_line(&mut line).await?;
    Ok(line.trim_end().to_owned())
}

/// What such a process does: connects, waits for a line, works, and prints how long each completion took, as JSON.
pub async fn carry_out(host: &str) -> anyhow::Result<()> {
    let host = host.parse().context("the host's address")?;
    let mut workers = Vec::new();
    for number in 0..CLIENTS {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(Client::connect(host).await?);
        }
        workers.push(work(format!("worker-{number}"), connections));
    }
    println!("{READY}");
    line(&mut BufReader::new(tokio::io::stdin())).await?;
    let took: Vec<Duration> = try_join_all(workers).await?.into_iter().flatten().collect();
    println!("{}", serde_json::to_string(&took)?);
    Ok(())
}

/// Fetches and completes until there is nothing left.
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
