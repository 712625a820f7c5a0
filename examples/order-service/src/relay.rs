//! What leaves the service: the start of each order's process, fulfilment, and the callback that tells the process
//! about it. Each is a row of the outbox, written in the transaction that decided it and delivered at least once, with
//! growing pauses, until it is answered or nobody waits for it any more: the order is closed, its process is over, or the
//! news is stale. A kill between delivery and its note repeats the delivery; receivers recognise that by the start's key,
//! the commands' keys, and the message's mismatch.
//!
//! One service process works on one database: two would not harm the data, but would deliver everything twice.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use crate::commands::{self, Answer, Command, Origin};
use crate::db::{Db, Tx};
use crate::engine::{CANCELLATION_MESSAGE, Engine, Told};
use crate::faults::FulfillmentFault;
use crate::order::Order;
use crate::repository::{self, Cause};
use crate::state::LineState;

/// Deliveries under way at once; the engine commits in groups, so some company helps it.
const MAX_IN_FLIGHT: usize = 16;
/// The longest sleep of the loop: the safety net should a wake-up be missed.
const LONGEST_SLEEP: Duration = Duration::from_millis(500);
/// The pause after a first failed delivery; it doubles with each further one.
const FIRST_PAUSE_MS: i64 = 100;
/// The longest pause while a failure may still be a short one.
const PAUSE_MS: i64 = 5_000;
/// After this many attempts the failure is not a short one.
const PATIENCE: i64 = 20;
/// The pause from then on.
const LONG_PAUSE_MS: i64 = 60_000;
/// The longest note about a failure that is kept.
const MAX_NOTE: usize = 500;

/// Why the relay could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error(transparent)]
    Repository(#[from] repository::Error),
    /// A command of the service's own failed.
    #[error(transparent)]
    Command(#[from] commands::Error),
    /// A row of the outbox cannot be read.
    #[error("its payload cannot be read: {0}")]
    Payload(#[from] serde_json::Error),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::Repository(error.into())
    }
}

/// Something that is to leave the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Work {
    /// Start the order's process.
    Start,
    /// Fulfil the order's lines, then tell the process.
    Fulfill {
        /// What is to go wrong with it.
        fault: FulfillmentFault,
    },
    /// Tell the process that fulfilment is complete.
    Callback,
    /// Fulfil one line, then tell the process.
    FulfillLine {
        /// The line.
        line_id: String,
        /// What is to go wrong with it.
        fault: FulfillmentFault,
    },
    /// Tell the process something about a line.
    TellLine {
        /// The line.
        line_id: String,
        /// What.
        news: LineNews,
    },
    /// Tell the process that the customer wants to cancel.
    RequestCancellation,
}

/// What a process hears of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LineNews {
    /// It reached the customer.
    Fulfilled,
    /// It could not be fulfilled.
    Failed,
    /// The customer has answered what was asked.
    Answered,
}

impl LineNews {
    /// The message about a line.
    fn message(self, line_id: &str) -> String {
        let what = match self {
            Self::Fulfilled => "LineFulfilled",
            Self::Failed => "LineFailed",
            Self::Answered => "CustomerAnswered",
        };
        format!("{what}:{line_id}")
    }
}

/// A piece of work and when it is due, in milliseconds since 1970 UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// What is to be done.
    pub work: Work,
    /// Not before this instant.
    pub due_ms: i64,
}

/// Writes a delivery into the outbox, as part of the transaction that decided it.
pub async fn enqueue(tx: &mut Tx, order_id: &str, delivery: &Delivery, now_ms: i64) -> sqlx::Result<()> {
    let kind = match delivery.work {
        Work::Start => "START",
        Work::Fulfill { .. } => "FULFILL",
        Work::Callback => "CALLBACK",
        Work::FulfillLine { .. } => "FULFILL_LINE",
        Work::TellLine { .. } => "TELL_LINE",
        Work::RequestCancellation => "REQUEST_CANCELLATION",
    };
    sqlx::query(
        "INSERT INTO outbox (id, kind, order_id, payload, state, due_ms, attempts, last_error, created_ms)
         VALUES ($1, $2, $3, $4, 'PENDING', $5, 0, NULL, $6)",
    )
    .bind(uuid::Uuid::now_v7().to_string())
    .bind(kind)
    .bind(order_id)
    .bind(payload(&delivery.work))
    .bind(delivery.due_ms)
    .bind(now_ms)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Gives up what is still to be told and is stale once a command is applied, as part of its transaction: a line that is ordered again, or
/// asked about again, is waited for again, and what became of the time before would be taken for what becomes of this one. What is under
/// way at this moment comes too early for that wait, which begins when the command is answered.
pub async fn give_up_stale(tx: &mut Tx, order_id: &str, command: &Command) -> sqlx::Result<()> {
    let tell = |line_id: &str, news| Work::TellLine { line_id: line_id.to_owned(), news };
    let stale = match command {
        Command::SubmitLine { line_id } => {
            // What leads to the news before the news: if it is just being done, this waits for it, and then sees what it left.
            vec![Work::FulfillLine { line_id: line_id.clone(), fault: FulfillmentFault::LineFails }, tell(line_id, LineNews::Failed)]
        }
        Command::AskCustomer { line_id, .. } => vec![tell(line_id, LineNews::Answered)],
        _ => Vec::new(),
    };
    for work in stale {
        sqlx::query(
            "UPDATE outbox SET state = 'DROPPED', last_error = 'stale: the line was ordered or asked about again'
             WHERE order_id = $1 AND state = 'PENDING' AND payload = $2",
        )
        .bind(order_id)
        .bind(payload(&work))
        .execute(&mut **tx)
        .await?;
    }
    Ok(())
}

/// How a piece of work is stored: the same work, the same text.
fn payload(work: &Work) -> String {
    serde_json::to_string(work).expect("work is plain data")
}

/// Now, in milliseconds since 1970 UTC.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The pause before the next attempt, after this many failed ones.
fn pause_ms(failed: i64) -> i64 {
    if failed > PATIENCE {
        return LONG_PAUSE_MS;
    }
    let doublings = u32::try_from(failed.clamp(1, 16) - 1).unwrap_or(0);
    (FIRST_PAUSE_MS << doublings).min(PAUSE_MS)
}

/// How a delivery ended. A success is noted in a transaction with what it changed.
enum Outcome {
    Noted,
    Dropped(String),
    Retry(String),
}

/// Delivers what the outbox holds.
#[derive(Debug)]
pub struct Relay {
    db: Db,
    engine: Engine,
    in_flight: Mutex<HashSet<String>>,
    /// Somebody is at a row no longer.
    released: Notify,
    wake: Notify,
}

/// A row of the outbox that this task alone works on.
struct Claim<'a> {
    relay: &'a Relay,
    id: String,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.relay.in_flight.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
        self.relay.released.notify_waiters();
    }
}

impl Relay {
    /// A relay from this database to this engine.
    pub fn new(db: Db, engine: Engine) -> Self {
        Self { db, engine, in_flight: Mutex::default(), released: Notify::new(), wake: Notify::new() }
    }

    /// The engine it delivers to.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Says that the outbox has something new.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Delivers until told to stop, then finishes what is under way.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut running = JoinSet::new();
        while !*stop.borrow() {
            let mut sleep = LONGEST_SLEEP;
            let free = MAX_IN_FLIGHT - running.len();
            match self.due(now_ms(), free).await {
                Ok((ids, next_due)) => {
                    if let Some(next) = next_due {
                        let until = u64::try_from((next - now_ms()).max(1)).unwrap_or(1);
                        sleep = sleep.min(Duration::from_millis(until));
                    }
                    for id in ids {
                        let relay = Arc::clone(&self);
                        running.spawn(async move {
                            if let Err(error) = relay.deliver(&id, now_ms()).await {
                                tracing::warn!(outbox = %id, %error, "delivery failed");
                            }
                        });
                    }
                }
                Err(error) => tracing::warn!(%error, "cannot read the outbox"),
            }
            tokio::select! {
                _ = stop.changed() => {}
                () = self.wake.notified() => {}
                Some(_) = running.join_next() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
        while running.join_next().await.is_some() {}
    }

    /// Delivers, one after the other, everything that is due at `now_ms`, and says how much that was.
    pub async fn deliver_due(&self, now_ms: i64) -> Result<usize, Error> {
        let (ids, _) = self.due(now_ms, usize::MAX).await?;
        for id in &ids {
            self.deliver(id, now_ms).await?;
        }
        Ok(ids.len())
    }

    /// Fulfils an order and calls its process back at once, whenever that was due, and answers when that was tried, by whomever. One
    /// attempt each.
    pub async fn deliver_early(&self, order_id: &str) -> Result<(), Error> {
        for kind in ["FULFILL", "CALLBACK"] {
            let rows = sqlx::query("SELECT id FROM outbox WHERE order_id = $1 AND state = 'PENDING' AND kind = $2")
                .bind(order_id)
                .bind(kind)
                .fetch_all(self.db.readers())
                .await?;
            for row in rows {
                let id: String = row.try_get(0)?;
                if !self.deliver(&id, now_ms()).await? {
                    self.until_released(&id).await;
                }
            }
        }
        Ok(())
    }

    async fn until_released(&self, id: &str) {
        loop {
            let released = self.released.notified();
            if !self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).contains(id) {
                return;
            }
            released.await;
        }
    }

    /// Up to `limit` rows that are due and not being delivered, and when the next one is due.
    async fn due(&self, now_ms: i64, limit: usize) -> Result<(Vec<String>, Option<i64>), Error> {
        let mut ids = Vec::new();
        if limit > 0 {
            // Rows under way are still pending: ask for as many more.
            let rows = sqlx::query("SELECT id FROM outbox WHERE state = 'PENDING' AND due_ms <= $1 ORDER BY due_ms, id LIMIT $2")
                .bind(now_ms)
                .bind(i64::try_from(limit.saturating_add(MAX_IN_FLIGHT)).unwrap_or(i64::MAX))
                .fetch_all(self.db.readers())
                .await?;
            for row in rows {
                let id: String = row.try_get(0)?;
                if ids.len() < limit && !self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).contains(&id) {
                    ids.push(id);
                }
            }
        }
        let next = sqlx::query("SELECT MIN(due_ms) FROM outbox WHERE state = 'PENDING' AND due_ms > $1")
            .bind(now_ms)
            .fetch_one(self.db.readers())
            .await?;
        Ok((ids, next.try_get::<Option<i64>, _>(0)?))
    }

    /// Delivers one row, unless somebody has done it, and notes how it went. False: somebody else is at it.
    async fn deliver(&self, id: &str, now_ms: i64) -> Result<bool, Error> {
        if !self.in_flight.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned()) {
            return Ok(false);
        }
        let _claim = Claim { relay: self, id: id.to_owned() };
        self.deliver_claimed(id, now_ms).await.map(|()| true)
    }

    async fn deliver_claimed(&self, id: &str, now_ms: i64) -> Result<(), Error> {
        let row = sqlx::query("SELECT order_id, payload, attempts FROM outbox WHERE id = $1 AND state = 'PENDING'")
            .bind(id)
            .fetch_optional(self.db.readers())
            .await?;
        let Some(row) = row else { return Ok(()) };
        let (order_id, payload, attempts): (String, String, i64) =
            (row.try_get("order_id")?, row.try_get("payload")?, row.try_get("attempts")?);
        // Whatever goes wrong with one row, it makes room for those behind it.
        let outcome = self.attempt(id, &order_id, &payload, attempts, now_ms).await.unwrap_or_else(|error| {
            tracing::warn!(outbox = %id, order = %order_id, %error, "delivery failed");
            Outcome::Retry(error.to_string())
        });
        match outcome {
            Outcome::Noted => Ok(()),
            Outcome::Dropped(why) => self.note(id, "DROPPED", attempts, now_ms, &why).await,
            Outcome::Retry(why) => self.note(id, "PENDING", attempts, now_ms + pause_ms(attempts + 1), &why).await,
        }
    }

    async fn attempt(&self, id: &str, order_id: &str, payload: &str, attempts: i64, now_ms: i64) -> Result<Outcome, Error> {
        let work: Work = serde_json::from_str(payload)?;
        let Some(order) = repository::load(&self.db, order_id).await? else {
            return Ok(Outcome::Dropped("the order does not exist".to_owned()));
        };
        match work {
            Work::Start => self.start(id, &order).await,
            Work::Fulfill { fault } => self.fulfill(id, &order, fault, now_ms).await,
            Work::Callback => self.call_back(id, &order, attempts).await,
            Work::FulfillLine { line_id, fault } => self.fulfill_line(id, &order, &line_id, fault, now_ms).await,
            Work::TellLine { line_id, news } => self.tell_line(id, &order, &line_id, news, attempts).await,
            Work::RequestCancellation => self.request_cancellation(id, &order).await,
        }
    }

    async fn start(&self, id: &str, order: &Order) -> Result<Outcome, Error> {
        let instance = match self.engine.start(order).await {
            Ok(instance) => instance,
            Err(why) => return Ok(Outcome::Retry(why)),
        };
        let mut tx = self.db.begin().await?;
        // The reference is not the order's business: it does not change its version.
        sqlx::query("UPDATE orders SET process_instance_id = $2 WHERE order_id = $1")
            .bind(&order.order_id)
            .bind(instance)
            .execute(&mut *tx)
            .await?;
        finish(tx, id).await?;
        Ok(Outcome::Noted)
    }

    /// Plays the warehouse: fulfils each line under a key of its own, activates billing, and lets the callback go.
    async fn fulfill(&self, id: &str, order: &Order, fault: FulfillmentFault, now_ms: i64) -> Result<Outcome, Error> {
        let spared = usize::from(fault == FulfillmentFault::LineFails);
        for line in order.lines.iter().skip(spared).filter(|line| line.state == LineState::InProgress) {
            self.mark_fulfilled(order, &line.line_id, now_ms).await?;
        }
        let mut tx = self.db.begin().await?;
        let Some(mut order) = repository::load_locked(&self.db, &mut tx, &order.order_id).await? else {
            return Ok(Outcome::Dropped("the order does not exist".to_owned()));
        };
        if order.milestones.cancelled {
            return Ok(Outcome::Dropped("the order was cancelled".to_owned()));
        }
        if fault != FulfillmentFault::BillingMissing && !order.milestones.billing_active {
            order.milestones.billing_active = true;
            order.changes.evidence.push(("billing", json!({ "active": true })));
            repository::save(&mut tx, &mut order, Cause { command: "fulfill", key: id, now_ms }).await?;
        }
        for _ in 0..copies(fault) {
            let callback = Delivery { work: Work::Callback, due_ms: now_ms };
            enqueue(&mut tx, &order.order_id, &callback, now_ms).await?;
        }
        finish(tx, id).await?;
        self.wake();
        Ok(Outcome::Noted)
    }

    async fn call_back(&self, id: &str, order: &Order, attempts: i64) -> Result<Outcome, Error> {
        let unwanted = || {
            if order.state.closed() {
                Some(format!("the order no longer waits: it is {}", order.state.as_str()))
            } else if order.milestones.told {
                Some("the process has been told already".to_owned())
            } else {
                None
            }
        };
        // The first attempt is made in any case: a real callback does not know either whether it comes too late.
        if attempts > 0
            && let Some(why) = unwanted()
        {
            return Ok(Outcome::Dropped(why));
        }
        match self.engine.tell_fulfilled(order).await {
            Ok(Told::Accepted) => {
                let mut tx = self.db.begin().await?;
                sqlx::query("UPDATE orders SET told = 1 WHERE order_id = $1").bind(&order.order_id).execute(&mut *tx).await?;
                finish(tx, id).await?;
                Ok(Outcome::Noted)
            }
            Ok(Told::Mismatch) => match unwanted() {
                Some(why) => Ok(Outcome::Dropped(why)),
                None => self.nobody_waits(order).await,
            },
            Err(why) => Ok(Outcome::Retry(why)),
        }
    }

    /// Nobody waits for a message: not yet, or never again because the order's process is over, whatever the order itself is. One that is
    /// still to be started, or was since the order was read, after a quote was approved, is not over.
    async fn nobody_waits(&self, order: &Order) -> Result<Outcome, Error> {
        let over = match self.engine.is_over(order).await {
            Ok(over) => over,
            Err(why) => return Ok(Outcome::Retry(why)),
        };
        let last = sqlx::query(
            "SELECT 1 FROM orders WHERE order_id = $1 AND process_instance_id = $2 AND NOT EXISTS
             (SELECT 1 FROM outbox WHERE outbox.order_id = orders.order_id AND outbox.state = 'PENDING' AND outbox.kind = 'START')",
        );
        let last = last.bind(&order.order_id).bind(&order.process_instance_id);
        if over && last.fetch_optional(self.db.readers()).await?.is_some() {
            return Ok(Outcome::Dropped("the process is over".to_owned()));
        }
        Ok(Outcome::Retry("the process does not wait for the message (yet)".to_owned()))
    }

    async fn mark_fulfilled(&self, order: &Order, line_id: &str, now_ms: i64) -> Result<(), Error> {
        let body = json!({ "tenantId": order.tenant_id, "orderId": order.order_id, "lineId": line_id });
        let key = format!("fulfill:{}:{line_id}", order.order_id);
        let request = commands::Request::parse("mark-line-fulfilled", &key, body, Origin::Service)?;
        // A refusal means that a person was faster: the line is settled, or the order closed.
        if let Answer::Rejected(rejection) = commands::execute(&self.db, &request, now_ms, |_| Vec::new()).await? {
            tracing::info!(order = %order.order_id, line = %line_id, %rejection, "not fulfilled");
        }
        Ok(())
    }

    /// Plays the warehouse for one line.
    async fn fulfill_line(&self, id: &str, order: &Order, line_id: &str, fault: FulfillmentFault, now_ms: i64) -> Result<Outcome, Error> {
        let news = if fault == FulfillmentFault::LineFails { LineNews::Failed } else { LineNews::Fulfilled };
        if news == LineNews::Fulfilled {
            self.mark_fulfilled(order, line_id, now_ms).await?;
        }
        let mut tx = self.db.begin().await?;
        for _ in 0..copies(fault) {
            let work = Work::TellLine { line_id: line_id.to_owned(), news };
            enqueue(&mut tx, &order.order_id, &Delivery { work, due_ms: now_ms }, now_ms).await?;
        }
        finish(tx, id).await?;
        self.wake();
        Ok(Outcome::Noted)
    }

    async fn tell_line(&self, id: &str, order: &Order, line_id: &str, news: LineNews, attempts: i64) -> Result<Outcome, Error> {
        let told = order.lines.iter().any(|line| line.line_id == line_id && line.told);
        if attempts > 0 && (order.state.closed() || told && news != LineNews::Answered) {
            return Ok(Outcome::Dropped("the process has been told already, or is over".to_owned()));
        }
        match self.engine.tell(order, &news.message(line_id), json!({})).await {
            Ok(Told::Accepted) => {
                let mut tx = self.db.begin().await?;
                if news != LineNews::Answered {
                    let tell = sqlx::query("UPDATE order_line SET told = 1 WHERE order_id = $1 AND line_id = $2");
                    tell.bind(&order.order_id).bind(line_id).execute(&mut *tx).await?;
                }
                finish(tx, id).await?;
                Ok(Outcome::Noted)
            }
            Ok(Told::Mismatch) => self.nobody_waits(order).await,
            Err(why) => Ok(Outcome::Retry(why)),
        }
    }

    async fn request_cancellation(&self, id: &str, order: &Order) -> Result<Outcome, Error> {
        if order.state.closed() {
            return Ok(Outcome::Dropped(format!("the order is {} already", order.state.as_str())));
        }
        match self.engine.tell(order, CANCELLATION_MESSAGE, json!({})).await {
            Ok(Told::Accepted) => {
                finish(self.db.begin().await?, id).await?;
                Ok(Outcome::Noted)
            }
            Ok(Told::Mismatch) => self.nobody_waits(order).await,
            Err(why) => Ok(Outcome::Retry(why)),
        }
    }

    async fn note(&self, id: &str, state: &str, attempts: i64, due_ms: i64, why: &str) -> Result<(), Error> {
        let why: String = why.chars().take(MAX_NOTE).collect();
        let mut tx = self.db.begin().await?;
        sqlx::query(
            "UPDATE outbox SET state = $2, attempts = $3, due_ms = $4, last_error = $5
             WHERE id = $1 AND state = 'PENDING'",
        )
        .bind(id)
        .bind(state)
        .bind(attempts + 1)
        .bind(due_ms)
        .bind(why)
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }
}

/// How often a process is told what became of a fulfilment.
fn copies(fault: FulfillmentFault) -> usize {
    match fault {
        FulfillmentFault::Lost => 0,
        FulfillmentFault::Repeated => 2,
        _ => 1,
    }
}

/// Notes that a row is done and commits what came of it, unless the row was given up since it was read: then nothing came of it.
async fn finish(mut tx: Tx, id: &str) -> sqlx::Result<()> {
    let done = "UPDATE outbox SET state = 'DONE', attempts = attempts + 1, last_error = NULL WHERE id = $1 AND state = 'PENDING'";
    match sqlx::query(done).bind(id).execute(&mut *tx).await?.rows_affected() {
        0 => tx.rollback().await,
        _ => tx.commit().await,
    }
}

#[cfg(test)]
mod tests;
