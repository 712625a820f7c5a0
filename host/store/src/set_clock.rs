//! A clock that is set instead of the system's: stored, so that it goes on where it stood, and forward only.

use crate::db::params;
use crate::{Error, Store};

impl Store {
    /// Where the clock stands, milliseconds since 1970; none: this database has never run under a set one.
    pub async fn set_clock(&self) -> Result<Option<i64>, Error> {
        let rows = self.lookups.fetch("SELECT now FROM set_clock", Vec::new()).await?;
        rows.first().map(|row| row.get(0)).transpose()
    }

    /// Moves the clock to a moment, unless it stands there already or later. Answers where it stands. From the first time on this database
    /// is one that runs under a set clock.
    pub async fn move_clock(&self, to: i64) -> Result<i64, Error> {
        let sql = "INSERT INTO set_clock (id, now) VALUES (1, $1) ON CONFLICT (id) DO UPDATE \
                   SET now = CASE WHEN excluded.now > set_clock.now THEN excluded.now ELSE set_clock.now END RETURNING now";
        let rows = self.inner().admin.fetch(sql, params![to]).await?;
        rows.first().map_or_else(|| Err(Error::Damaged("the clock that was set does not show a time".to_owned())), |row| row.get(0))
    }

    /// Whether anything was ever deployed here and not deleted.
    pub async fn has_deployments(&self) -> Result<bool, Error> {
        Ok(!self.pool.fetch("SELECT id FROM deployment LIMIT 1", Vec::new()).await?.is_empty())
    }

    /// Whether another host has this database open.
    pub async fn has_other_hosts(&self) -> Result<bool, Error> {
        let sql = "SELECT id FROM host WHERE ended_at IS NULL AND lease_until > {now} AND id <> $1 LIMIT 1";
        Ok(!self.pool.fetch(sql, params![self.host().id]).await?.is_empty())
    }
}
