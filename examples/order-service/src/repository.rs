//! Reading and writing orders, and the rows that are written with them. Every statement is one text for both
//! databases, except for the lock on the order's row, which SQLite neither has nor needs.

use serde_json::Value;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, Row};

use crate::db::{Db, Dialect, Tx};
use crate::order::{Fallout, Handling, Item, Line, Milestones, Order, Quote};
use crate::state::{LineState, OrderState};

/// Why an order could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed; nothing was committed.
    #[error("database: {0}")]
    Database(#[from] sqlx::Error),
    /// A row holds what this service never writes.
    #[error("order {order} is damaged: {what}")]
    Damaged {
        /// The order.
        order: String,
        /// Which field, with what in it.
        what: String,
    },
    /// Somebody else changed the order in between; nothing was written.
    #[error("order {0} was changed by somebody else")]
    Conflict(String),
}

macro_rules! select_order {
    ($rest:literal) => {
        concat!(
            "SELECT order_id, tenant_id, customer_id, correlation_id, request_digest, version, state, needs_review, ",
            "priority, handling, quote, items, approved, validated, decomposed, submitted, billing_active, told, notified, completed, ",
            "cancelled, process_instance_id FROM orders ",
            $rest
        )
    };
}
const ORDER: &str = select_order!("WHERE order_id = $1");
const ORDER_LOCKED: &str = select_order!("WHERE order_id = $1 FOR UPDATE");
const LINES: &str = "SELECT line_id, product, quantity, reserved, mandatory, state, site, submitted, told FROM order_line
    WHERE order_id = $1 ORDER BY position";
const FALLOUTS: &str = "SELECT fallout_id, reason, line_id, blocking, is_open FROM fallout
    WHERE order_id = $1 ORDER BY position";
const INSERT: &str = "INSERT INTO orders (order_id, tenant_id, customer_id, correlation_id, request_digest, version,
    state, needs_review, priority, handling, quote, items, approved, validated, decomposed, submitted, billing_active,
    told, notified, completed, cancelled, process_instance_id, created_ms)
    VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8, $9, $10, $11, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, $12)
    ON CONFLICT (order_id) DO NOTHING";
const UPDATE: &str = "UPDATE orders SET version = version + 1, state = $3, needs_review = $4, validated = $5,
    decomposed = $6, submitted = $7, billing_active = $8, told = $9, notified = $10, completed = $11, cancelled = $12,
    approved = $13
    WHERE order_id = $1 AND version = $2";
const LINE: &str = "INSERT INTO order_line (order_id, line_id, position, product, quantity, reserved, mandatory, state,
    site, submitted, told) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
    ON CONFLICT (order_id, line_id) DO UPDATE SET reserved = $6, state = $8, site = $9, submitted = $10, told = $11";
const FALLOUT: &str = "INSERT INTO fallout (order_id, fallout_id, position, reason, line_id, blocking, is_open)
    VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (order_id, fallout_id) DO UPDATE SET is_open = $7";
const TRANSITION: &str = "INSERT INTO transition_log (order_id, order_version, line_id, from_state, to_state, command,
    command_key, at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
const EVIDENCE: &str = "INSERT INTO evidence (order_id, order_version, kind, data, command, command_key, at_ms)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const FACT: &str = "INSERT INTO fact (kind, order_id, order_version, data, at_ms) VALUES ($1, $2, $3, $4, $5)";

/// On whose behalf an order is written, for the logs.
#[derive(Debug, Clone, Copy)]
pub struct Cause<'a> {
    /// The command's name.
    pub command: &'a str,
    /// Its idempotency key.
    pub key: &'a str,
    /// When, in milliseconds since 1970 UTC.
    pub now_ms: i64,
}

/// Reads an order and locks it until the transaction ends. `None` if there is no such order.
pub async fn load_locked(db: &Db, tx: &mut Tx, order_id: &str) -> Result<Option<Order>, Error> {
    // On SQLite the transaction itself is the lock: it is the only one that writes.
    let statement = if db.dialect() == Dialect::Postgres { ORDER_LOCKED } else { ORDER };
    match sqlx::query(statement).bind(order_id).fetch_optional(&mut **tx).await? {
        Some(row) => children(tx, &row).await.map(Some),
        None => Ok(None),
    }
}

/// Reads an order. `None` if there is no such order.
pub async fn load(db: &Db, order_id: &str) -> Result<Option<Order>, Error> {
    let mut connection = db.readers().acquire().await?;
    match sqlx::query(ORDER).bind(order_id).fetch_optional(&mut *connection).await? {
        Some(row) => children(&mut connection, &row).await.map(Some),
        None => Ok(None),
    }
}

/// Stores a new order. False if there is one with this id already; nothing is written then.
pub async fn insert(tx: &mut Tx, order: &Order, digest: &str, cause: Cause<'_>) -> Result<bool, Error> {
    let done = sqlx::query(INSERT)
        .bind(&order.order_id)
        .bind(&order.tenant_id)
        .bind(&order.customer_id)
        .bind(&order.correlation_id)
        .bind(digest)
        .bind(order.state.as_str())
        .bind(i64::from(order.needs_review))
        .bind(i64::from(order.priority))
        .bind(order.handling.as_str())
        .bind(order.quote.map(|quote| serde_json::to_string(&quote).expect("a quote is plain data")))
        .bind(serde_json::to_string(&order.items).expect("items are plain data"))
        .bind(cause.now_ms)
        .execute(&mut **tx)
        .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    write_logs(tx, order, cause).await?;
    Ok(true)
}

/// The digest of the request that created an order.
pub async fn request_digest(tx: &mut Tx, order_id: &str) -> Result<Option<String>, Error> {
    let row = sqlx::query("SELECT request_digest FROM orders WHERE order_id = $1").bind(order_id).fetch_optional(&mut **tx).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Writes what a command changed, with its logs, and counts the order's version up.
/// Derives the order's state first.
pub async fn save(tx: &mut Tx, order: &mut Order, cause: Cause<'_>) -> Result<(), Error> {
    order.settle();
    let done = sqlx::query(UPDATE)
        .bind(&order.order_id)
        .bind(order.version)
        .bind(order.state.as_str())
        .bind(i64::from(order.needs_review))
        .bind(i64::from(order.milestones.validated))
        .bind(i64::from(order.milestones.decomposed))
        .bind(i64::from(order.milestones.submitted))
        .bind(i64::from(order.milestones.billing_active))
        .bind(i64::from(order.milestones.told))
        .bind(i64::from(order.milestones.notified))
        .bind(i64::from(order.milestones.completed))
        .bind(i64::from(order.milestones.cancelled))
        .bind(i64::from(order.milestones.approved))
        .execute(&mut **tx)
        .await?;
    if done.rows_affected() != 1 {
        return Err(Error::Conflict(order.order_id.clone()));
    }
    order.version += 1;
    for index in &order.changes.lines {
        let line = &order.lines[*index];
        sqlx::query(LINE)
            .bind(&order.order_id)
            .bind(&line.line_id)
            .bind(position(*index))
            .bind(&line.product)
            .bind(line.quantity)
            .bind(line.reserved)
            .bind(i64::from(line.mandatory))
            .bind(line.state.as_str())
            .bind(line.site.as_deref())
            .bind(i64::from(line.submitted))
            .bind(i64::from(line.told))
            .execute(&mut **tx)
            .await?;
    }
    for index in &order.changes.fallouts {
        let fallout = &order.fallouts[*index];
        sqlx::query(FALLOUT)
            .bind(&order.order_id)
            .bind(&fallout.fallout_id)
            .bind(position(*index))
            .bind(&fallout.reason)
            .bind(fallout.line_id.as_deref())
            .bind(i64::from(fallout.blocking))
            .bind(i64::from(fallout.open))
            .execute(&mut **tx)
            .await?;
    }
    write_logs(tx, order, cause).await
}

async fn write_logs(tx: &mut Tx, order: &Order, cause: Cause<'_>) -> Result<(), Error> {
    for transition in &order.changes.transitions {
        sqlx::query(TRANSITION)
            .bind(&order.order_id)
            .bind(order.version)
            .bind(transition.line_id.as_deref())
            .bind(transition.from)
            .bind(transition.to)
            .bind(cause.command)
            .bind(cause.key)
            .bind(cause.now_ms)
            .execute(&mut **tx)
            .await?;
    }
    for (kind, data) in &order.changes.evidence {
        sqlx::query(EVIDENCE)
            .bind(&order.order_id)
            .bind(order.version)
            .bind(*kind)
            .bind(data.to_string())
            .bind(cause.command)
            .bind(cause.key)
            .bind(cause.now_ms)
            .execute(&mut **tx)
            .await?;
    }
    for (kind, data) in &order.changes.facts {
        sqlx::query(FACT)
            .bind(kind.as_str())
            .bind(&order.order_id)
            .bind(order.version)
            .bind(data.to_string())
            .bind(cause.now_ms)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

async fn children(connection: &mut AnyConnection, row: &AnyRow) -> Result<Order, Error> {
    let order_id: String = row.try_get("order_id")?;
    let damaged = |what: String| Error::Damaged { order: order_id.clone(), what };
    let state: String = row.try_get("state")?;
    let items: String = row.try_get("items")?;
    let items: Vec<Item> = serde_json::from_str(&items).map_err(|error| damaged(format!("items: {error}")))?;
    let handling: String = row.try_get("handling")?;
    let quote: Option<String> = row.try_get("quote")?;
    let quote = quote.map(|quote| serde_json::from_str::<Quote>(&quote).map_err(|error| damaged(format!("quote: {error}")))).transpose()?;
    let mut lines = Vec::new();
    for line in sqlx::query(LINES).bind(&order_id).fetch_all(&mut *connection).await? {
        let state: String = line.try_get("state")?;
        lines.push(Line {
            line_id: line.try_get("line_id")?,
            product: line.try_get("product")?,
            quantity: line.try_get("quantity")?,
            reserved: line.try_get("reserved")?,
            mandatory: flag(&line, "mandatory")?,
            state: LineState::parse(&state).ok_or_else(|| damaged(format!("line state {state:?}")))?,
            site: line.try_get("site")?,
            submitted: flag(&line, "submitted")?,
            told: flag(&line, "told")?,
        });
    }
    let mut fallouts = Vec::new();
    for fallout in sqlx::query(FALLOUTS).bind(&order_id).fetch_all(connection).await? {
        fallouts.push(Fallout {
            fallout_id: fallout.try_get("fallout_id")?,
            reason: fallout.try_get("reason")?,
            line_id: fallout.try_get("line_id")?,
            blocking: flag(&fallout, "blocking")?,
            open: flag(&fallout, "is_open")?,
        });
    }
    let state = OrderState::parse(&state).ok_or_else(|| damaged(format!("state {state:?}")))?;
    Ok(Order {
        tenant_id: row.try_get("tenant_id")?,
        customer_id: row.try_get("customer_id")?,
        correlation_id: row.try_get("correlation_id")?,
        version: row.try_get("version")?,
        state,
        needs_review: flag(row, "needs_review")?,
        priority: flag(row, "priority")?,
        handling: Handling::parse(&handling).ok_or_else(|| damaged(format!("handling {handling:?}")))?,
        quote,
        items,
        milestones: Milestones {
            approved: flag(row, "approved")?,
            validated: flag(row, "validated")?,
            decomposed: flag(row, "decomposed")?,
            submitted: flag(row, "submitted")?,
            billing_active: flag(row, "billing_active")?,
            told: flag(row, "told")?,
            notified: flag(row, "notified")?,
            completed: flag(row, "completed")?,
            cancelled: flag(row, "cancelled")?,
        },
        lines,
        fallouts,
        process_instance_id: row.try_get("process_instance_id")?,
        changes: crate::order::Changes::default(),
        order_id,
    })
}

/// Reads a 0 or 1 column as a flag.
fn flag(row: &AnyRow, column: &str) -> Result<bool, sqlx::Error> {
    row.try_get::<i64, _>(column).map(|value| value != 0)
}

fn position(index: usize) -> i64 {
    i64::try_from(index).expect("an order has few lines")
}

/// The orders in a state (all, without one) with an id after `after`, in the order of their ids: id, tenant, state,
/// version, process instance.
pub async fn list(db: &Db, state: Option<OrderState>, after: &str, limit: i64) -> Result<Vec<Value>, Error> {
    let rows = sqlx::query(
        "SELECT order_id, tenant_id, state, version, process_instance_id FROM orders
         WHERE order_id > $1 AND ($2 = '' OR state = $2) ORDER BY order_id LIMIT $3",
    )
    .bind(after)
    .bind(state.map_or("", OrderState::as_str))
    .bind(limit)
    .fetch_all(db.readers())
    .await?;
    let mut orders = Vec::with_capacity(rows.len());
    for row in rows {
        orders.push(serde_json::json!({
            "orderId": row.try_get::<String, _>("order_id")?,
            "tenantId": row.try_get::<String, _>("tenant_id")?,
            "state": row.try_get::<String, _>("state")?,
            "version": row.try_get::<i64, _>("version")?,
            "processInstanceId": row.try_get::<Option<String>, _>("process_instance_id")?,
        }));
    }
    Ok(orders)
}

/// Business facts with a number above `after`, oldest first.
pub async fn facts(db: &Db, after: i64, limit: i64) -> Result<Vec<Value>, Error> {
    let rows = sqlx::query("SELECT seq, kind, order_id, order_version, data, at_ms FROM fact WHERE seq > $1 ORDER BY seq LIMIT $2")
        .bind(after)
        .bind(limit)
        .fetch_all(db.readers())
        .await?;
    let mut facts = Vec::with_capacity(rows.len());
    for row in rows {
        let data: String = row.try_get("data")?;
        facts.push(serde_json::json!({
            "seq": row.try_get::<i64, _>("seq")?,
            "fact": row.try_get::<String, _>("kind")?,
            "orderId": row.try_get::<String, _>("order_id")?,
            "orderVersion": row.try_get::<i64, _>("order_version")?,
            "data": serde_json::from_str::<Value>(&data).unwrap_or(Value::Null),
            "atMillis": row.try_get::<i64, _>("at_ms")?,
        }));
    }
    Ok(facts)
}

/// The transition log and the audit evidence of an order, oldest first.
pub async fn history(db: &Db, order_id: &str) -> Result<Value, Error> {
    let transitions = sqlx::query(
        "SELECT order_version, line_id, from_state, to_state, command, command_key, at_ms FROM transition_log
         WHERE order_id = $1 ORDER BY seq",
    );
    let mut log = Vec::new();
    for row in transitions.bind(order_id).fetch_all(db.readers()).await? {
        log.push(serde_json::json!({
            "orderVersion": row.try_get::<i64, _>("order_version")?,
            "lineId": row.try_get::<Option<String>, _>("line_id")?,
            "from": row.try_get::<String, _>("from_state")?,
            "to": row.try_get::<String, _>("to_state")?,
            "command": row.try_get::<String, _>("command")?,
            "key": row.try_get::<String, _>("command_key")?,
            "atMillis": row.try_get::<i64, _>("at_ms")?,
        }));
    }
    let statement =
        sqlx::query("SELECT order_version, kind, data, command, command_key, at_ms FROM evidence WHERE order_id = $1 ORDER BY seq");
    let mut evidence = Vec::new();
    for row in statement.bind(order_id).fetch_all(db.readers()).await? {
        let data: String = row.try_get("data")?;
        evidence.push(serde_json::json!({
            "orderVersion": row.try_get::<i64, _>("order_version")?,
            "kind": row.try_get::<String, _>("kind")?,
            "data": serde_json::from_str::<Value>(&data).unwrap_or(Value::Null),
            "command": row.try_get::<String, _>("command")?,
            "key": row.try_get::<String, _>("command_key")?,
            "atMillis": row.try_get::<i64, _>("at_ms")?,
        }));
    }
    Ok(serde_json::json!({ "transitions": log, "evidence": evidence }))
}
