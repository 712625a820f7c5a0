//! SQLite's log while somebody reads for long.
//!
//! SQLite writes the log into the file behind the commit that leaves more than [`PAGES`] in it. While a report or a backup keeps seeing the
//! state of before, it cannot; and yet behind each further commit it puts all of the log in order, only to find that out. What a commit
//! costs would grow with the log, and the log with every commit. So once the log is too long it is left alone, and tried at intervals
//! beside which a try is short.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::Error;
use crate::db::Lane;
use crate::lease::Lease;

/// The pages of log after which they are written into the file: 16 MiB, four times SQLite's default. Instances that are busy have the same
/// pages written again and again: the fewer checkpoints, the fewer of them reach the file.
pub(crate) const PAGES: u64 = 4_000;

/// A log that is longer has been kept from the file by somebody. Where that is over, the next commit makes the log's own file as short
/// again.
pub(crate) const LONG: u64 = 2 * PAGES * PAGE;

/// Bytes of a page, SQLite's default.
const PAGE: u64 = 4_096;

/// How often it is looked whether the log is long, and at most whether it may be written into the file.
const LOOK: Duration = Duration::from_secs(1);

/// Of the time, a try takes no more than this part, for nobody commits meanwhile; but it is tried at least so often.
const SHARE: u32 = 50;
const SELDOM: Duration = Duration::from_secs(60);

/// Minds the log beside a database until the store is closed.
pub(crate) async fn mind(lane: Lane, database: PathBuf, lease: Arc<Lease>) {
    let mut log = database.into_os_string();
    log.push("-wal");
    let log = PathBuf::from(log);
    let (mut pause, mut is_alone) = (LOOK, false);
    // What is in the file of this length need not be written: it was, and nobody has committed since.
    let mut written = LONG;
    while tokio::time::timeout(pause, lease.over()).await.is_err() {
        let begun = Instant::now();
        let length = tokio::fs::metadata(&log).await.map_or(0, |log| log.len());
        written = if length <= LONG { LONG } else { written };
        if length > written || is_alone {
            match try_to_write(&lane).await {
                Ok(all) => (is_alone, written) = (!all, if all { length } else { written }),
                Err(error) => tracing::debug!("the log could not be written into the file: {error}"),
            }
        }
        pause = (begun.elapsed() * SHARE).clamp(LOOK, SELDOM);
    }
}

/// Writes the log into the file, if nobody keeps it from there; otherwise commits leave it alone from here on.
async fn try_to_write(lane: &Lane) -> Result<bool, Error> {
    // Each time: the connection may be a new one.
    lane.fetch("PRAGMA wal_autocheckpoint = 0", Vec::new()).await?;
    let rows = lane.fetch("PRAGMA wal_checkpoint(PASSIVE)", Vec::new()).await?;
    if let Some(row) = rows.first()
        && row.get::<i64>(2)? < row.get::<i64>(1)?
    {
        return Ok(false);
    }
    lane.fetch(&format!("PRAGMA wal_autocheckpoint = {PAGES}"), Vec::new()).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use sqlx::{ConnectOptions as _, Connection as _};

    use super::*;
    use crate::{Config, Store};

    async fn number(lane: &Lane, sql: &str) -> i64 {
        lane.fetch(sql, Vec::new()).await.expect(sql).first().expect("a row").get(0).expect("a number")
    }

    /// Waits for the minder, who looks every second, and commits meanwhile, as a host does.
    async fn until(what: &str, lane: &Lane, mut holds: impl AsyncFnMut() -> bool) {
        let begun = Instant::now();
        while !holds().await {
            assert!(begun.elapsed() < Duration::from_secs(30), "{what}");
            lane.fetch("UPDATE host SET lease_until = lease_until - 1", Vec::new()).await.expect("a commit");
        }
    }

    #[tokio::test]
    async fn a_log_that_a_long_read_keeps_is_left_alone_and_comes_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.db");
        let store = Store::open(Config::new(format!("sqlite:{}", path.display()))).await.expect("it opens");
        let lane = &store.inner().admin;
        let length = async || tokio::fs::metadata(folder.path().join("a.db-wal")).await.expect("a log").len();
        let mut report = sqlx::sqlite::SqliteConnectOptions::new().filename(&path).read_only(true).connect().await.expect("a connection");
        for _ in 0..2 {
            sqlx::raw_sql("BEGIN; SELECT * FROM host").execute(&mut report).await.expect("it reads");
            // A page each, and more than a log has as a rule.
            lane.fetch(
                "CREATE TABLE wide AS WITH n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 12000) SELECT zeroblob(4000) FROM n",
                Vec::new(),
            )
            .await
            .expect("written");
            assert!(length().await > LONG);
            until("commits leave the log alone", lane, async || number(lane, "PRAGMA wal_autocheckpoint").await == 0).await;
            sqlx::raw_sql("COMMIT").execute(&mut report).await.expect("it has read");
            until("commits write the log again", lane, async || {
                number(lane, "PRAGMA wal_autocheckpoint").await == i64::try_from(PAGES).expect("few")
            })
            .await;
            until("the log is short again", lane, async || length().await <= LONG).await;
            lane.fetch("DROP TABLE wide", Vec::new()).await.expect("dropped");
        }
        report.close().await.expect("closed");
        store.close().await;
    }
}
