//! Counts for gauges, and who has the store open.

use uuid::Uuid;

use super::{Reads, overdue};
use crate::Error;
use crate::claim::candidates::{PRIORITIZED, UNPRIORITIZED};
use crate::cleanup::DUE_COUNT;
use crate::db::params;

/// A backlog is not counted further: whoever looks at it knows enough.
pub const MOST_DUE: u32 = 100_000;

/// What only the store knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Jobs that could run now and that no host has taken up.
    pub jobs_due: i64,
    /// Open incidents.
    pub open_incidents: i64,
    /// Activity instances at which something should have happened already, as [`Reads::overdue`] tells them.
    pub waits_overdue: i64,
    /// Receivers that signals are on their way to.
    pub signals_on_the_way: i64,
    /// Messages along message flows that have come to nobody yet.
    pub messages_on_the_way: i64,
    /// Instances whose history is to be removed, or what is left of it; [`MOST_DUE`] or more stand for that many or more.
    pub history_due: i64,
    /// Live instances per definition that has any.
    pub active_instances: Vec<ActiveInstances>,
}

/// Live instances of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveInstances {
    /// The definition.
    pub definition_id: String,
    /// Its key.
    pub key: String,
    /// Its version.
    pub version: i64,
    /// Whose it is.
    pub tenant: Option<String>,
    /// How many.
    pub instances: i64,
}

/// A host that has or had the store open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostRow {
    /// Its id.
    pub id: Uuid,
    /// Its epoch.
    pub epoch: i64,
    /// Its name.
    pub name: String,
    /// When it started, by the database's clock.
    pub started_at: i64,
    /// When it left or was taken over.
    pub ended_at: Option<i64>,
    /// Its lease lasts.
    pub alive: bool,
}

impl Reads {
    /// Counts as of `now`.
    pub async fn counts(&self, now: i64) -> Result<Counts, Error> {
        let jobs = [UNPRIORITIZED, PRIORITIZED].map(|claimable| {
            format!(
                "(SELECT COUNT(*) FROM job j WHERE {claimable} AND j.due <= $1 \
                 AND NOT EXISTS (SELECT 1 FROM definition d WHERE d.id = j.definition_id AND d.suspended))"
            )
        });
        let due = format!(
            "SELECT (SELECT COUNT(*) FROM start_timer t WHERE t.locked_by IS NULL AND t.retries > 0 AND NOT t.suspended AND t.due <= $1 \
             AND NOT EXISTS (SELECT 1 FROM definition td WHERE td.id = t.definition_id AND td.suspended)) + {}",
            jobs.join(" + ")
        );
        let overdue = overdue::count_sql();
        let active = "SELECT d.id, d.key, d.version, d.tenant, COUNT(*) FROM instance i JOIN definition d ON d.id = i.definition_id \
                      GROUP BY d.id, d.key, d.version, d.tenant ORDER BY d.id";
        let answers = self
            .pool
            .snapshot(vec![
                (&due, params![now]),
                ("SELECT COUNT(*) FROM any_incident", Vec::new()),
                (&overdue, params![now]),
                (active, Vec::new()),
                (DUE_COUNT, params![now, i64::from(MOST_DUE)]),
                ("SELECT COUNT(*) FROM delivery WHERE retries > 0 AND kind = 'signal'", Vec::new()),
                ("SELECT COUNT(*) FROM message", Vec::new()),
            ])
            .await?;
        let single = |at: usize| answers[at].first().map_or(Ok(0), |row| row.get(0));
        Ok(Counts {
            jobs_due: single(0)?,
            open_incidents: single(1)?,
            waits_overdue: single(2)?,
            history_due: single(4)?,
            signals_on_the_way: single(5)?,
            messages_on_the_way: single(6)?,
            active_instances: answers[3]
                .iter()
                .map(|row| {
                    let mut columns = row.columns();
                    Ok(ActiveInstances {
                        definition_id: columns.next()?,
                        key: columns.next()?,
                        version: columns.next()?,
                        tenant: columns.next_tenant()?,
                        instances: columns.next()?,
                    })
                })
                .collect::<Result<_, Error>>()?,
        })
    }

    /// Hosts, the newest last. Those that ended over a day ago may be missing.
    pub async fn hosts(&self) -> Result<Vec<HostRow>, Error> {
        let sql =
            "SELECT id, epoch, name, started_at, ended_at, ended_at IS NULL AND lease_until > {now} FROM host ORDER BY started_at, id";
        let rows = self.pool.fetch(sql, Vec::new()).await?;
        rows.iter()
            .map(|row| {
                let mut columns = row.columns();
                Ok(HostRow {
                    id: columns.next()?,
                    epoch: columns.next()?,
                    name: columns.next()?,
                    started_at: columns.next()?,
                    ended_at: columns.next()?,
                    alive: columns.next()?,
                })
            })
            .collect()
    }
}
