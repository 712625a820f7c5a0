//! Rows of instances that are not there.

use uuid::Uuid;

use super::Reads;
use crate::Error;
use crate::db::params;
use crate::deployment::StartEventRow;
use crate::rows::EventKind;
use crate::write::removal;

/// What stands beside live instances, and goes with them.
const BESIDE: [&str; 7] = ["instance_part", "job", "task", "task_candidate", "external_task", "subscription", "incident"];

/// Instances of which one table has rows that are told: who has damaged so many has damaged more.
const MOST: usize = 20;

/// Instances that are looked for at once: a table may be larger than what can be read at one time.
const PAGE: usize = 5_000;

impl Reads {
    /// Rows beside instances that are not there: in which table, and of which instance. Of a table the first few.
    pub async fn orphans(&self) -> Result<Vec<(&'static str, Uuid)>, Error> {
        let mut found = Vec::new();
        for table in BESIDE {
            found.extend(self.without(table, "TRUE", "NOT EXISTS (SELECT 1 FROM instance i WHERE i.id = p.id)").await?);
        }
        Ok(found)
    }

    /// What history has beside instances that it does not know, and that do not live: nobody looks for it when its time is over. Incidents
    /// of what was to start an instance are of none.
    pub async fn history_orphans(&self) -> Result<Vec<(&'static str, Uuid)>, Error> {
        let mut found = Vec::new();
        for (table, ..) in removal::TABLES {
            let of_an_instance = if table == "history_incident" { "t.activity <> 0" } else { "TRUE" };
            let unknown = "NOT EXISTS (SELECT 1 FROM history_instance h WHERE h.instance_id = p.id) \
                 AND NOT EXISTS (SELECT 1 FROM history_remains r WHERE r.instance_id = p.id) AND NOT EXISTS (SELECT 1 FROM instance i WHERE i.id = p.id)";
            found.extend(self.without(table, of_an_instance, unknown).await?);
        }
        Ok(found)
    }

    async fn without(&self, table: &'static str, which: &str, unknown: &str) -> Result<Vec<(&'static str, Uuid)>, Error> {
        let sql = format!(
            "SELECT p.id, {unknown} FROM (SELECT DISTINCT t.instance_id AS id FROM {table} t WHERE t.instance_id > $1 AND {which} \
             ORDER BY t.instance_id LIMIT $2) p ORDER BY p.id"
        );
        let (mut found, mut after) = (Vec::new(), Uuid::nil());
        loop {
            let page = self.pool.fetch(&sql, params![after, i64::try_from(PAGE).expect("a page is small")]).await?;
            for row in &page {
                after = row.get(0)?;
                if row.get(1)? && found.len() < MOST {
                    found.push((table, after));
                }
            }
            if page.len() < PAGE || found.len() >= MOST {
                return Ok(found);
            }
        }
    }

    /// By what a definition starts, besides its name and timers, whether it is the newest of its key or not.
    pub async fn start_events_of_definition(&self, definition_id: &str) -> Result<Vec<StartEventRow>, Error> {
        let sql = "SELECT kind, name, activity_id FROM start_event WHERE definition_id = $1 ORDER BY activity_id, kind, name";
        let rows = self.pool.fetch(sql, params![definition_id]).await?;
        rows.iter()
            .map(|row| {
                let kind: String = row.get(0)?;
                let kind = EventKind::of(&kind).ok_or_else(|| Error::Damaged(format!("'{kind}' is no kind of event")))?;
                Ok(StartEventRow { kind, name: row.get(1)?, activity_id: row.get(2)? })
            })
            .collect()
    }
}
