//! The process engine as this service sees it: a few calls of Camunda 7's REST API.

use std::time::Duration;

use serde_json::{Value, json};

use crate::order::{Handling, Order};
use crate::state::LineState;

/// The process that works on most orders.
pub const PROCESS_KEY: &str = "orderFulfillment";
/// The process in which somebody approves an order's quote, before the order is worked on.
pub const QUOTE_PROCESS_KEY: &str = "quoteApproval";
/// The message that tells a process that fulfilment is complete.
pub const FULFILLMENT_MESSAGE: &str = "FulfillmentCompleted";
/// The message that tells a process that the customer wants to cancel.
pub const CANCELLATION_MESSAGE: &str = "OrderCancellationRequested";

/// The process that is started for an order now.
pub fn process_key(order: &Order) -> &'static str {
    match order.handling {
        _ if order.quote.is_some() && !order.milestones.approved => QUOTE_PROCESS_KEY,
        Handling::Whole => PROCESS_KEY,
        Handling::ByLine => "lineFulfillment",
        Handling::Cancellable => "orderCancellation",
    }
}

/// How long an answer of the engine is waited for. A start answers after its first unit of work.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Why the client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What the HTTP library said.
    #[error("HTTP client: {0}")]
    Client(#[from] reqwest::Error),
}

/// How the engine took a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// A process instance waited for it and has it.
    Accepted,
    /// No instance waits for it: not yet, or not any more.
    Mismatch,
}

/// A client of the engine's REST API. Every error is a sentence for the log: all that a caller can do is try again.
#[derive(Debug)]
pub struct Engine {
    url: String,
    client: reqwest::Client,
    fulfillment_timeout: String,
}

impl Engine {
    /// A client of the engine at `url` (`http://host:port/engine-rest`). `fulfillment_timeout` is the ISO 8601
    /// duration that processes are told to wait for fulfilment.
    pub fn new(url: &str, fulfillment_timeout: &str) -> Result<Self, Error> {
        // A second installation fails and changes nothing, which is fine: there is a provider then.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .timeout(TIMEOUT)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), client, fulfillment_timeout: fulfillment_timeout.to_owned() })
    }

    /// Starts the order's process and answers the instance's id. The order's id is the business key and the
    /// idempotency key: however often this is called, there is one instance of each process.
    pub async fn start(&self, order: &Order) -> Result<String, String> {
        let text = |value: &str| json!({ "value": value, "type": "String" });
        let mut variables = json!({
            "tenantId": text(&order.tenant_id),
            "orderId": text(&order.order_id),
            "orderVersion": { "value": order.version, "type": "Long" },
            "correlationId": text(&order.correlation_id),
            "schemaVersion": { "value": 1, "type": "Integer" },
            "priority": { "value": order.priority, "type": "Boolean" },
            "fulfillmentTimeout": text(&self.fulfillment_timeout),
        });
        let process = process_key(order);
        if let Some(quote) = order.quote.filter(|_| process == QUOTE_PROCESS_KEY) {
            variables["amount"] = json!({ "value": quote.amount, "type": "Long" });
            variables["discountPercent"] = json!({ "value": quote.discount_percent, "type": "Long" });
        }
        let body = json!({ "businessKey": order.order_id, "variables": variables });
        let url = format!("{}/process-definition/key/{process}/start", self.url);
        let request = self.client.post(url).header("Idempotency-Key", &order.order_id);
        let (status, answer) = exchange(request.json(&body)).await?;
        match answer["id"].as_str() {
            Some(instance) if status == 200 => Ok(instance.to_owned()),
            _ => Err(format!("start answered {status}: {answer}")),
        }
    }

    /// Tells the order's process that fulfilment is complete.
    pub async fn tell_fulfilled(&self, order: &Order) -> Result<Told, String> {
        let fulfilled = order.lines.iter().filter(|line| line.state == LineState::Fulfilled).count();
        let variables = json!({
            "fulfilledLines": { "value": fulfilled, "type": "Integer" },
            "orderVersion": { "value": order.version, "type": "Long" },
        });
        self.tell(order, FULFILLMENT_MESSAGE, variables).await
    }

    /// Sends a message to the order's process, with variables to set.
    pub async fn tell(&self, order: &Order, message: &str, variables: Value) -> Result<Told, String> {
        let body = json!({
            "messageName": message,
            "businessKey": order.order_id,
            "processVariables": variables,
            "resultEnabled": false,
        });
        let request = self.client.post(format!("{}/message", self.url));
        match exchange(request.json(&body)).await? {
            (200 | 204, _) => Ok(Told::Accepted),
            (400, answer) if answer["message"].as_str().is_some_and(|it| it.contains("MismatchingMessageCorrelationException")) => {
                Ok(Told::Mismatch)
            }
            (status, answer) => Err(format!("message answered {status}: {answer}")),
        }
    }

    /// The engine's view of a process instance: the instance and its tree of activities while it runs, its history
    /// afterwards.
    pub async fn process_view(&self, instance_id: &str) -> Result<Value, String> {
        let running = self.get(&format!("process-instance/{instance_id}")).await?;
        if let Some(instance) = running
            && let Some(activities) = self.get(&format!("process-instance/{instance_id}/activity-instances")).await?
        {
            return Ok(json!({ "state": "ACTIVE", "instance": instance, "activityInstances": activities }));
        }
        match self.get(&format!("history/process-instance/{instance_id}")).await? {
            Some(history) => Ok(json!({ "state": history["state"], "history": history })),
            None => Ok(json!({ "state": "UNKNOWN_TO_ENGINE" })),
        }
    }

    /// Whether no process instance runs that a message about the order could reach, now or later, whoever started it. Only the engine
    /// itself can say so: a 404 may be that of a proxy that does not find the engine.
    pub async fn is_over(&self, order: &Order) -> Result<bool, String> {
        // What an order's id may consist of needs no escape.
        let path = format!("process-instance?businessKey={}&maxResults=1", order.order_id);
        match exchange(self.client.get(format!("{}/{path}", self.url))).await? {
            (200, Value::Array(running)) => Ok(running.is_empty()),
            (status, answer) => Err(format!("{path} answered {status}: {answer}")),
        }
    }

    async fn get(&self, path: &str) -> Result<Option<Value>, String> {
        match exchange(self.client.get(format!("{}/{path}", self.url))).await? {
            (200, answer) => Ok(Some(answer)),
            (404, _) => Ok(None),
            (status, answer) => Err(format!("{path} answered {status}: {answer}")),
        }
    }
}

/// Sends a request and reads status and JSON body (null if there is none).
async fn exchange(request: reqwest::RequestBuilder) -> Result<(u16, Value), String> {
    let response = request.send().await.map_err(|error| describe(&error))?;
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(|error| describe(&error))?;
    Ok((status, serde_json::from_slice(&body).unwrap_or(Value::Null)))
}

/// An error with its causes: reqwest's own text says only that sending failed.
fn describe(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
