//! What history has of deliveries that were given up: an incident, until the delivery is tried again with success, gets new attempts, is forgotten, or
//! has nobody left to go to. While it is open the delivery itself is it (the view `any_incident`).

use uuid::Uuid;

use crate::Error;
use crate::batch::{Batch, Type, cells};
use crate::config::HistoryLevel;
use crate::db::{Tx, params};
use crate::delivery::DeliveryName;

/// One that fails again after it has got new attempts is the same incident again.
const RAISE: &str = "INSERT INTO history_incident (instance_id, n, wait, activity, activity_id, definition_id, code, message, attempt, created, detail, \
                     of_called) SELECT COALESCE(t.instance_id, t.signal), t.n, t.n, COALESCE(t.activity, 0), t.activity_id, t.definition_id, \
                     'UNDELIVERED', t.failure, t.failures, t.due, COALESCE(t.detail, ''), \
                     EXISTS (SELECT 1 FROM instance i WHERE i.id = t.instance_id AND i.super_instance IS NOT NULL) \
                     FROM delivery t WHERE t.signal = $1 AND t.n = $2 AND t.failures > 0 AND t.retries = 0 \
                     ON CONFLICT (instance_id, n) DO UPDATE SET message = excluded.message, attempt = excluded.attempt, created = excluded.created, \
                     detail = excluded.detail, resolved_at = NULL";

/// With its instance an incident was over already.
pub(super) static RESOLVE: Batch = Batch::new(
    "UPDATE history_incident SET resolved_at = COALESCE((SELECT h.ended_at FROM history_instance h \
     WHERE h.instance_id = history_incident.instance_id), v.at) FROM {rows} WHERE history_incident.instance_id = v.instance_id \
     AND history_incident.n = v.n AND history_incident.resolved_at IS NULL",
    &[("instance_id", Type::Uuid), ("n", Type::I64), ("at", Type::I64)],
);

/// A delivery without attempts left is an incident from here on.
pub(super) async fn raise(tx: &mut Tx, level: HistoryLevel, name: DeliveryName) -> Result<(), Error> {
    if level < HistoryLevel::Audit {
        return Ok(());
    }
    tx.execute(RAISE, params![name.signal, name.n]).await.map(drop)
}

/// Those of these deliveries, by their names as jobs, that are incidents are so no longer.
pub(super) async fn resolve(tx: &mut Tx, jobs: Vec<(Uuid, i64)>, at: i64) -> Result<(), Error> {
    RESOLVE.execute(tx, jobs.into_iter().map(|(instance, n)| cells![instance, n, at]).collect()).await.map(drop)
}
