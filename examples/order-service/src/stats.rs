//! How often was each command really applied? Counted from the rows written where the effect was made.

use serde::Serialize;
use sqlx::Row;
use std::collections::BTreeMap;

use crate::db::Db;

/// What `GET /stats` answers.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// Applications asked for over HTTP, for each command.
    pub applied: BTreeMap<String, i64>,
    /// Applications by the service's own fulfilment, for each command.
    pub applied_by_service: BTreeMap<String, i64>,
    /// Keys whose last answer was a rejection, for each command and code: `complete-order BILLING_NOT_ACTIVATED`.
    pub rejected: BTreeMap<String, i64>,
    /// Different keys that were applied.
    pub keys_applied: i64,
    /// Keys that were applied more than once. Anything but 0 is a fault of this service.
    pub keys_applied_more_than_once: i64,
    /// Things done once per order or line that were done more than once, under whatever keys (a line reserved twice, an
    /// order submitted twice). Anything but 0 means that somebody sent the same thing under two keys.
    pub effects_doubled_under_other_keys: i64,
    /// Lines with more reserved than ordered. Anything but 0 is a doubled reservation.
    pub lines_over_reserved: i64,
    /// Calls answered from the log because their key was applied before, or decided anew after a rejection.
    pub repeated_calls: i64,
    /// Orders in each state.
    pub orders: BTreeMap<String, i64>,
    /// Rows of the outbox in each state, e.g. `CALLBACK PENDING`.
    pub outbox: BTreeMap<String, i64>,
    /// Every key with its number of applications, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<Key>>,
}

/// One key that was applied.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Key {
    /// The command.
    pub command: String,
    /// Its idempotency key.
    pub key: String,
    /// The order.
    pub order_id: String,
    /// The line, or `order`.
    pub subject: String,
    /// `HTTP`, or `SERVICE` for the service's own fulfilment.
    pub origin: String,
    /// How often it was applied.
    pub applied: i64,
}

const APPLIED: &str = "SELECT command, COUNT(*) FROM effect WHERE origin = 'HTTP' GROUP BY command";
const APPLIED_BY_SERVICE: &str = "SELECT command, COUNT(*) FROM effect WHERE origin = 'SERVICE' GROUP BY command";
const REJECTED: &str = "SELECT command, reply FROM command_log WHERE outcome = 'REJECTED'";
const KEYS: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM effect GROUP BY tenant_id, command, command_key) AS k";
const KEYS_TWICE: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM effect GROUP BY tenant_id, command, command_key
    HAVING COUNT(*) > 1) AS k";
/// A line may be released and reserved anew, and a loop may validate or open fallouts again: those are left out, or
/// set against each other.
const DOUBLED: &str = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM effect WHERE command IN ('decide-quote', 'decompose',
    'submit-fulfillment', 'mark-line-fulfilled', 'notify-customer', 'complete-order', 'cancel-order')
    GROUP BY order_id, command, subject HAVING COUNT(*) > 1
    UNION ALL SELECT 1 AS one FROM effect WHERE command IN ('reserve-line', 'release-line') GROUP BY order_id, subject
    HAVING SUM(CASE command WHEN 'reserve-line' THEN 1 ELSE -1 END) > 1) AS d";
const OVER_RESERVED: &str = "SELECT COUNT(*) FROM order_line WHERE reserved > quantity";
const REPEATED: &str = "SELECT CAST(COALESCE(SUM(calls - 1), 0) AS BIGINT) FROM command_log";
const ORDERS: &str = "SELECT state, COUNT(*) FROM orders GROUP BY state";
const OUTBOX: &str = "SELECT kind || ' ' || state, COUNT(*) FROM outbox GROUP BY kind, state";
const EACH_KEY: &str = "SELECT command, command_key, order_id, subject, origin, COUNT(*) AS applied FROM effect
    GROUP BY tenant_id, command, command_key, order_id, subject, origin ORDER BY command, command_key";

/// Counts. `keys` asks for the list of all keys as well.
pub async fn collect(db: &Db, keys: bool) -> sqlx::Result<Stats> {
    let mut stats = Stats {
        applied: counts(db, APPLIED).await?,
        applied_by_service: counts(db, APPLIED_BY_SERVICE).await?,
        rejected: BTreeMap::new(),
        keys_applied: number(db, KEYS).await?,
        keys_applied_more_than_once: number(db, KEYS_TWICE).await?,
        effects_doubled_under_other_keys: number(db, DOUBLED).await?,
        lines_over_reserved: number(db, OVER_RESERVED).await?,
        repeated_calls: number(db, REPEATED).await?,
        orders: counts(db, ORDERS).await?,
        outbox: counts(db, OUTBOX).await?,
        keys: None,
    };
    for row in sqlx::query(REJECTED).fetch_all(db.readers()).await? {
        let (command, reply): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let reply: serde_json::Value = serde_json::from_str(&reply).unwrap_or_default();
        let code = reply["code"].as_str().unwrap_or("?");
        *stats.rejected.entry(format!("{command} {code}")).or_default() += 1;
    }
    if keys {
        let mut list = Vec::new();
        for row in sqlx::query(EACH_KEY).fetch_all(db.readers()).await? {
            list.push(Key {
                command: row.try_get(0)?,
                key: row.try_get(1)?,
                order_id: row.try_get(2)?,
                subject: row.try_get(3)?,
                origin: row.try_get(4)?,
                applied: row.try_get(5)?,
            });
        }
        stats.keys = Some(list);
    }
    Ok(stats)
}

async fn counts(db: &Db, statement: &'static str) -> sqlx::Result<BTreeMap<String, i64>> {
    let mut counts = BTreeMap::new();
    for row in sqlx::query(statement).fetch_all(db.readers()).await? {
        counts.insert(row.try_get(0)?, row.try_get(1)?);
    }
    Ok(counts)
}

async fn number(db: &Db, statement: &'static str) -> sqlx::Result<i64> {
    sqlx::query(statement).fetch_one(db.readers()).await?.try_get(0)
}
