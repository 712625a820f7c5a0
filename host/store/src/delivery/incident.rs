//! What history has of deliveries that were given up: an incident, until the delivery is tried again with success, gets new attempts, is
//! forgotten, or has nobody left to go to. While it is open the delivery itself is it (the view `any_incident`).

use uuid::Uuid;

use crate::batch::{Batch, Type, cells};
use crate::config::HistoryLevel;
use crate::db::{Param, Tx, params};
use crate::delivery::DeliveryName;
use crate::write::history::PUT_CALLERS;
use crate::{Error, Store};

/// A delivery that was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The receiver's instance.
    pub instance: Uuid,
    /// Its number.
    pub n: i64,
    /// The activity instance that waits; 0: its row does not say.
    pub activity: i64,
    /// The element of the event there.
    pub activity_id: String,
    /// The last failure's message.
    pub failure: String,
    /// Since when it is given up.
    pub since: i64,
}

/// One that fails again after it has got new attempts is the same incident again.
const RAISE: &str = "INSERT INTO history_incident (instance_id, n, wait, activity, activity_id, failed_activity_id, definition_id, code, message, attempt, \
                     created, detail, deleted) SELECT COALESCE(t.instance_id, t.signal), t.n, t.n, COALESCE(t.activity, 0), t.activity_id, \
                     COALESCE(t.failed_activity, t.activity_id), t.definition_id, 'UNDELIVERED', t.failure, t.failures, \
                     COALESCE(t.given_up_at, t.created), COALESCE(t.detail, ''), FALSE \
                     FROM delivery t WHERE t.signal = $1 AND t.n = $2 AND t.failures > 0 AND t.retries = 0 \
                     ON CONFLICT (instance_id, n) DO UPDATE SET message = excluded.message, attempt = excluded.attempt, created = excluded.created, \
                     detail = excluded.detail, ended_at = NULL, deleted = FALSE, removal_at = NULL RETURNING instance_id, n";

/// The same of a timer start event, which is another incident each time that it is given up. One that fails when it is executed without
/// attempts keeps its own, as a job of an instance does.
const RAISE_TIMER: &str = "INSERT INTO history_incident (instance_id, n, wait, activity, activity_id, failed_activity_id, job_definition_id, definition_id, \
                           code, message, attempt, created, detail, deleted) SELECT c.instance_id, c.n, c.wait, c.activity, c.activity_id, \
                           c.failed_activity_id, c.job_definition_id, c.definition_id, c.code, c.message, c.attempt, c.created, c.detail, FALSE \
                           FROM start_timer_incident c WHERE c.instance_id = $1 AND c.wait = $2 \
                           ON CONFLICT (instance_id, n) DO UPDATE SET code = excluded.code, failed_activity_id = excluded.failed_activity_id, \
                           message = excluded.message, attempt = excluded.attempt, detail = excluded.detail";

/// With its instance an incident was over already. One of what was to start an instance has nobody's history to go with: it goes after the
/// time to live that its definition's instances have.
pub(crate) static END: Batch = Batch::new(
    "UPDATE history_incident SET ended_at = COALESCE((SELECT h.ended_at FROM history_instance h \
     WHERE h.instance_id = history_incident.instance_id), v.at), deleted = v.deleted, removal_at = CASE WHEN history_incident.activity = 0 THEN \
     v.at + (SELECT d.history_ttl * 86400000 FROM definition d WHERE d.id = history_incident.definition_id) END FROM {rows} \
     WHERE history_incident.instance_id = v.instance_id AND history_incident.wait = v.wait AND history_incident.ended_at IS NULL",
    &[("instance_id", Type::Uuid), ("wait", Type::I64), ("at", Type::I64), ("deleted", Type::Bool)],
);

/// Those that are due at `$1`, `$2` at most.
pub(crate) const DUE: &str =
    "SELECT c.instance_id, c.n FROM history_incident c WHERE c.removal_at <= $1 ORDER BY c.removal_at, c.instance_id, c.n LIMIT $2";

/// How an incident is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The delivery was taken up, or has attempts again.
    Resolved,
    /// Nobody takes it up any more.
    Deleted,
}

/// A delivery without attempts left is an incident from here on.
pub(super) async fn raise(tx: &mut Tx, level: HistoryLevel, name: DeliveryName) -> Result<(), Error> {
    if level < HistoryLevel::Audit {
        return Ok(());
    }
    let raised = tx.fetch(RAISE, params![name.signal, name.n]).await?;
    let raised = raised.iter().map(|row| Ok(cells![row.get::<Uuid>(0)?, row.get::<i64>(1)?])).collect::<Result<_, Error>>()?;
    PUT_CALLERS.execute(tx, raised).await.map(drop)
}

/// A firing without attempts left is an incident from here on.
pub(crate) async fn raise_timer(tx: &mut Tx, level: HistoryLevel, timer: Uuid, firing: i64) -> Result<(), Error> {
    if level < HistoryLevel::Audit {
        return Ok(());
    }
    tx.execute(RAISE_TIMER, params![timer, firing]).await.map(drop)
}

/// Those of these deliveries or firings, by their names as jobs, that are incidents are so no longer.
pub(crate) async fn end(tx: &mut Tx, jobs: Vec<(Uuid, i64)>, at: i64, how: End) -> Result<(), Error> {
    let deleted = how == End::Deleted;
    END.execute(tx, jobs.into_iter().map(|(instance, wait)| cells![instance, wait, at, deleted]).collect()).await.map(drop)
}

impl Store {
    /// The deliveries to these instances that were given up, as far as somebody still waits for them.
    pub async fn undelivered(&self, instances: Vec<Uuid>) -> Result<Vec<Undelivered>, Error> {
        let sql = "SELECT c.instance_id, c.n, c.activity, c.activity_id, c.message, c.created FROM any_incident c WHERE c.instance_id {any_uuid:1} \
                   AND c.code = 'UNDELIVERED' ORDER BY c.instance_id, c.n";
        let rows = self.pool.fetch(sql, vec![Param::Uuids(instances)]).await?;
        let undelivered = |row: &crate::db::Row| {
            let mut columns = row.columns();
            Ok(Undelivered {
                instance: columns.next()?,
                n: columns.next()?,
                activity: columns.next()?,
                activity_id: columns.next()?,
                failure: columns.next()?,
                since: columns.next()?,
            })
        };
        rows.iter().map(undelivered).collect()
    }
}
