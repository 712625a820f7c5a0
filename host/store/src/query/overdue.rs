//! What is overdue. The metric and the list ask the same question, so that they cannot disagree.

use uuid::Uuid;

use super::Reads;
use crate::Error;
use crate::db::{Param, params};

/// The activity instances at which something should have happened before `$1`: a user task past its due date; or a job (a timer, one
/// attached to the activity, or an asynchronous continuation) past the moment from which it may run, that no host has taken up. Each once,
/// however many reasons there are. What is suspended is held back on purpose, and a job without retries is an incident: neither is overdue.
const OVERDUE: &str = "SELECT instance_id, activity FROM task WHERE due < $1 AND NOT suspended UNION \
     SELECT j.instance_id, j.activity FROM job j WHERE j.locked_by IS NULL AND j.retries > 0 AND NOT j.suspended AND j.due < $1 \
     AND NOT EXISTS (SELECT 1 FROM definition d WHERE d.id = j.definition_id AND d.suspended)";

/// How many there are.
pub(super) fn count_sql() -> String {
    format!("SELECT COUNT(*) FROM ({OVERDUE}) o")
}

impl Reads {
    /// Instances with anything overdue as of `now`, in the order of their ids, `max` at a time.
    pub async fn overdue_instances(&self, now: i64, after: Option<Uuid>, max: u32) -> Result<Vec<Uuid>, Error> {
        let sql = format!("SELECT DISTINCT o.instance_id FROM ({OVERDUE}) o WHERE o.instance_id > $2 ORDER BY o.instance_id LIMIT $3");
        let rows = self.pool.fetch(&sql, params![now, after.unwrap_or(Uuid::nil()), i64::from(max)]).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// What is overdue of these instances as of `now`: each instance with the number of an activity instance.
    pub async fn overdue(&self, now: i64, instances: Vec<Uuid>) -> Result<Vec<(Uuid, i64)>, Error> {
        let sql = format!(
            "SELECT o.instance_id, o.activity FROM ({OVERDUE}) o WHERE o.instance_id {{any_uuid:2}} ORDER BY o.instance_id, o.activity"
        );
        let rows = self.pool.fetch(&sql, vec![Param::I64(now), Param::Uuids(instances)]).await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }
}
