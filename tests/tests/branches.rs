//! Every branch of the models that ship, gone by a user: the example's service and delegates, a host under a set clock, and its REST API.
//!
//! Each order is sent on one path and compared with it; in the end there is no element of a model that no order came to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, ensure};
use mandate_tests::program::root;
use mandate_tests::system::{Setup, System, get, until};
use reqwest::Method;
use serde_json::{Value, json};

#[path = "branches/cancellation.rs"]
mod cancellation;
#[path = "branches/fulfillment.rs"]
mod fulfillment;
#[path = "branches/lines.rs"]
mod lines;
#[path = "branches/quotes.rs"]
mod quotes;

/// Everything that a flow of the standard may lead to or begin at.
const NODES: [&str; 13] = [
    "startEvent",
    "endEvent",
    "intermediateCatchEvent",
    "intermediateThrowEvent",
    "boundaryEvent",
    "serviceTask",
    "userTask",
    "receiveTask",
    "exclusiveGateway",
    "parallelGateway",
    "eventBasedGateway",
    "subProcess",
    "callActivity",
];

/// A compensation boundary event is no step of an instance: what it names runs.
const NO_STEPS: [&str; 1] = ["reserved"];

/// How each process ends that finds its order closed.
const CLOSED: &str = "closedMeanwhile orderIsClosed nothingLeft";

/// Nothing is fulfilled, and nobody called back.
fn stalled() -> Value {
    json!({ "stalled": 1.0 })
}

/// The first line is not fulfilled.
fn line_fails() -> Value {
    json!({ "lineFails": 1.0, "fulfillmentMillis": 1 })
}

/// All goes well, and soon.
fn well() -> Value {
    json!({ "fulfillmentMillis": 1 })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_element_of_the_models_that_ship_is_come_to_over_http() -> anyhow::Result<()> {
    let dir = tempfile::tempdir()?;
    let mut setup = Setup::new(dir.path());
    setup.flags = vec!["--clock=manual".to_owned()];
    let desk = Desk { system: System::start(setup, 1).await?, passed: AtomicU64::new(0) };
    desk.seconds_pass(1).await?;
    desk.deploy("bundle-special").await?;
    desk.deploy("bundle-v1").await?;
    quotes::are_decided(&desk).await?;
    fulfillment::goes_every_way(&desk, "v1", fulfillment::VERSION_1).await?;
    desk.deploy("bundle-v2").await?;
    fulfillment::goes_every_way(&desk, "v2", fulfillment::VERSION_2).await?;
    cancellation::undoes_what_can_be_undone(&desk).await?;
    lines::are_fulfilled_in_the_stages_of_their_plan(&desk).await?;
    lines::are_repaired_as_somebody_decides(&desk).await?;

    desk.nothing_was_left_out().await?;
    let running = desk.system.ask("/engine-rest/process-instance/count").await?;
    ensure!(running["count"] == 0, "{running} processes run");
    let stats = desk.ask_service("/stats").await?;
    ensure!(stats["keysAppliedMoreThanOnce"] == 0 && stats["linesOverReserved"] == 0, "{stats:#}");
    desk.system.check_store().await?;
    desk.system.stop().await
}

/// Where a user of the example sits.
struct Desk {
    system: System,
    /// Seconds of January 2099 that have passed.
    passed: AtomicU64,
}

impl Desk {
    async fn deploy(&self, bundle: &str) -> anyhow::Result<()> {
        self.system.deploy(&root().join("examples/order-service").join(bundle)).await.map(drop)
    }

    /// Sends an order that meets these faults.
    async fn order(&self, id: &str, what: Value, faults: Value) -> anyhow::Result<()> {
        self.faults(faults).await?;
        let mut order = json!({ "orderId": id, "tenantId": "acme", "customerId": "c-1", "items": [{ "product": "phone" }] });
        if let (Value::Object(order), Value::Object(what)) = (&mut order, what) {
            order.extend(what);
        }
        self.service(Method::POST, "/orders", order).await
    }

    /// What goes wrong from here on.
    async fn faults(&self, faults: Value) -> anyhow::Result<()> {
        self.service(Method::PUT, "/faults", faults).await
    }

    /// A command that somebody gives the service by hand, past the process.
    async fn by_hand(&self, order: &str, command: &str, body: Value) -> anyhow::Result<()> {
        let mut all = json!({ "tenantId": "acme", "orderId": order });
        if let (Value::Object(all), Value::Object(body)) = (&mut all, body) {
            all.extend(body);
        }
        self.service(Method::POST, &format!("/commands/{command}"), all).await
    }

    async fn service(&self, method: Method, path: &str, body: Value) -> anyhow::Result<()> {
        let key = format!("by-hand{path}/{}/{}", body["orderId"].as_str().unwrap_or_default(), body["lineId"].as_str().unwrap_or_default());
        let request = self.system.http().request(method, format!("{}{path}", self.system.service_url()));
        let answer = request.header("idempotency-key", key).json(&body).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "{path} {body} was answered {status}: {}", answer.text().await?);
        Ok(())
    }

    async fn ask_service(&self, path: &str) -> anyhow::Result<Value> {
        get(self.system.http(), &format!("{}{path}", self.system.service_url())).await
    }

    /// Waits until the service has an order as it should be.
    async fn until_service(&self, order: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<()> {
        until(self.system.http(), &format!("{}/orders/{order}", self.system.service_url()), wanted).await.map(drop)
    }

    async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
        until(self.system.http(), &format!("{}/engine-rest{path}", self.system.host_url(0)), wanted).await
    }

    async fn engine(&self, path: &str, body: Value) -> anyhow::Result<()> {
        let answer = self.system.http().post(format!("{}/engine-rest{path}", self.system.host_url(0))).json(&body).send().await?;
        let status = answer.status();
        ensure!(status.is_success(), "POST {path} was answered {status}: {}", answer.text().await?);
        Ok(())
    }

    /// Completes an order's task, once there is one.
    async fn decide(&self, order: &str, task: &str, variable: &str, value: &str) -> anyhow::Result<()> {
        let path = format!("/task?processInstanceBusinessKey={order}&taskDefinitionKey={task}");
        let tasks = self.until(&path, |tasks| tasks.as_array().is_some_and(|tasks| tasks.len() == 1)).await?;
        let id = tasks[0]["id"].as_str().context("an id")?;
        let variables = json!({ variable: { "value": value, "type": "String" } });
        self.engine(&format!("/task/{id}/complete"), json!({ "variables": variables })).await
    }

    /// Tells an order's process something that the service has not told it.
    async fn tell(&self, order: &str, message: &str) -> anyhow::Result<()> {
        self.engine("/message", json!({ "messageName": message, "businessKey": order })).await
    }

    /// Waits until an order's process waits at an activity.
    async fn waits(&self, order: &str, process: &str, activity: &str) -> anyhow::Result<()> {
        let path = format!("/process-instance?businessKey={order}&processDefinitionKey={process}&activityIdIn={activity}");
        self.until(&path, |found| found.as_array().is_some_and(|found| found.len() == 1)).await.map(drop)
    }

    /// Lets the time of processes pass, and all happen that is due then.
    async fn hours_pass(&self, hours: u64) -> anyhow::Result<()> {
        self.seconds_pass(hours * 60 * 60).await
    }

    async fn seconds_pass(&self, seconds: u64) -> anyhow::Result<()> {
        let passed = self.passed.fetch_add(seconds, Ordering::Relaxed) + seconds;
        let (day, hour, minute, second) = (passed / 86_400 + 1, passed / 3_600 % 24, passed / 60 % 60, passed % 60);
        let now = format!("2099-01-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z");
        let clock = format!("{}/api/v1/clock", self.system.host_url(0));
        let answer = self.system.http().put(clock).json(&json!({ "now": now })).send().await?;
        ensure!(answer.status().is_success(), "the clock was not set to {now}: {}", answer.text().await?);
        Ok(())
    }

    /// Which way an order's process went, once it has ended: its activities as they began, one after the other.
    async fn way(&self, order: &str, process: &str) -> anyhow::Result<Vec<String>> {
        let path = format!("/history/process-instance?processInstanceBusinessKey={order}&processDefinitionKey={process}");
        let ended =
            |found: &Value| found.as_array().is_some_and(|found| !found.is_empty() && found.iter().all(|it| it["endTime"].is_string()));
        let found = self.until(&path, ended).await?;
        let mut way = Vec::new();
        for instance in found.as_array().into_iter().flatten() {
            let id = instance["id"].as_str().context("an id")?;
            let path = format!("/history/activity-instance?processInstanceId={id}&sortBy=occurrence&sortOrder=asc");
            for activity in self.until(&path, Value::is_array).await?.as_array().into_iter().flatten() {
                way.push(activity["activityId"].as_str().context("an id")?.to_owned());
            }
        }
        Ok(way)
    }

    /// An order's process has ended, and went this way.
    async fn went(&self, order: &str, process: &str, expected: &str) -> anyhow::Result<()> {
        let way = self.way(order, process).await?.join(" ");
        ensure!(way == expected, "{order} went\n{way}\nand not\n{expected}");
        Ok(())
    }

    async fn state_is(&self, order: &str, state: &str) -> anyhow::Result<()> {
        let found = self.ask_service(&format!("/orders/{order}")).await?;
        ensure!(found["state"] == state, "{order} is not {state}: {found:#}");
        Ok(())
    }

    /// Each element of each deployed model is in the history.
    async fn nothing_was_left_out(&self) -> anyhow::Result<()> {
        let mut left_out: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let definitions = self.system.ask("/engine-rest/process-definition").await?;
        ensure!(definitions.as_array().is_some_and(|definitions| definitions.len() == 6), "{definitions:#}");
        for definition in definitions.as_array().into_iter().flatten() {
            let id = definition["id"].as_str().context("an id")?;
            let xml = self.system.ask(&format!("/engine-rest/process-definition/{id}/xml")).await?;
            let history = self.system.ask(&format!("/engine-rest/history/activity-instance?processDefinitionId={id}")).await?;
            let come_to: BTreeSet<&str> = history.as_array().into_iter().flatten().filter_map(|it| it["activityId"].as_str()).collect();
            let all = nodes(xml["bpmn20Xml"].as_str().context("a model")?);
            ensure!(all.len() > 9, "{id} has only {all:?}");
            let missing: Vec<String> =
                all.into_iter().filter(|node| !come_to.contains(node.as_str()) && !NO_STEPS.contains(&node.as_str())).collect();
            if !missing.is_empty() {
                left_out.insert(id.to_owned(), missing);
            }
        }
        ensure!(left_out.is_empty(), "no order came to {left_out:#?}");
        Ok(())
    }
}

/// The ids of all nodes of a model, as the files that ship are written.
fn nodes(xml: &str) -> Vec<String> {
    let of = |line: &str| {
        let (name, rest) = line.trim_start().strip_prefix("<bpmn:")?.split_once(" id=\"")?;
        NODES.contains(&name).then(|| rest.split('"').next().map(str::to_owned))?
    };
    xml.lines().filter_map(of).collect()
}
