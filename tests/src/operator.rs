//! An operator who works: reviews orders, repairs them, and gives failed jobs new retries.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// How often the operator looks at the task list.
const LOOK: Duration = Duration::from_millis(200);

/// What the operator has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Reviews completed.
    pub reviews: u64,
    /// Repairs completed.
    pub repairs: u64,
    /// Quotes approved or turned down.
    pub approvals: u64,
    /// Jobs given new retries.
    pub retried: u64,
}

/// An operator at work until dropped.
pub struct Operator {
    task: JoinHandle<()>,
    done: tokio::sync::watch::Receiver<Done>,
}

impl Operator {
    /// Starts working against these hosts; one that does not answer is left alone for a while.
    pub fn start(http: reqwest::Client, hosts: Vec<String>) -> Self {
        let (sender, done) = tokio::sync::watch::channel(Done::default());
        let task = tokio::spawn(async move {
            let mut total = Done::default();
            for host in hosts.iter().cycle() {
                // A host that was killed a moment ago does not answer: the next look finds it again.
                if let Ok(done) = look(&http, host).await {
                    total.reviews += done.reviews;
                    total.repairs += done.repairs;
                    total.approvals += done.approvals;
                    total.retried += done.retried;
                    sender.send_replace(total);
                }
                tokio::time::sleep(LOOK).await;
            }
        });
        Self { task, done }
    }

    /// What was done so far.
    pub fn done(&self) -> Done {
        *self.done.borrow()
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn look(http: &reqwest::Client, host: &str) -> reqwest::Result<Done> {
    let mut done = Done::default();
    let tasks: Vec<Value> = http.get(format!("{host}/engine-rest/task?maxResults=50")).send().await?.error_for_status()?.json().await?;
    for task in tasks {
        let (Some(id), Some(key)) = (task["id"].as_str(), task["taskDefinitionKey"].as_str()) else { continue };
        let (count, variables) = match key {
            "manualReview" => (&mut done.reviews, review(task["processInstanceId"].as_str().unwrap_or_default())),
            "approve" | "approveInstead" => (&mut done.approvals, approve(id)),
            // A line that fails again comes as another task, and so in the end is not tried again.
            "decide" => (&mut done.repairs, repair_line(id)),
            _ => (&mut done.repairs, json!({ "repair": text("FULFILLED") })),
        };
        let answer = http.post(format!("{host}/engine-rest/task/{id}/complete")).json(&json!({ "variables": variables })).send().await?;
        *count += u64::from(answer.status().is_success());
    }
    let jobs: Vec<Value> =
        http.get(format!("{host}/engine-rest/job?noRetriesLeft=true&maxResults=50")).send().await?.error_for_status()?.json().await?;
    for job in jobs {
        let Some(id) = job["id"].as_str() else { continue };
        let answer = http.put(format!("{host}/engine-rest/job/{id}/retries")).json(&json!({ "retries": 3 })).send().await?;
        done.retried += u64::from(answer.status().is_success());
    }
    Ok(done)
}

/// Every third order under review is cancelled, the others are in order now. Decided by the instance, so that the same order gets the same
/// decision however often it is asked.
fn review(instance: &str) -> Value {
    json!({ "decision": text(if number(instance).is_multiple_of(3) { "CANCEL" } else { "RETRY" }) })
}

/// Every third quote is turned down.
fn approve(task: &str) -> Value {
    json!({ "approval": text(if number(task).is_multiple_of(3) { "REJECTED" } else { "APPROVED" }) })
}

/// Each decision in turn.
fn repair_line(task: &str) -> Value {
    const DECISIONS: [&str; 5] = ["RETRY", "SKIP", "REQUEST_MORE_INFO", "RETRY", "CANCEL"];
    json!({ "decision": text(DECISIONS[number(task) % DECISIONS.len()]), "question": text("What shall become of it?") })
}

fn text(value: &str) -> Value {
    json!({ "value": value, "type": "String" })
}

/// A number for an id, always the same one.
fn number(id: &str) -> usize {
    id.bytes().map(usize::from).sum()
}
