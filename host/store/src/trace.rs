//! What became of a transaction of the committer whose COMMIT was not answered, on PostgreSQL.
//!
//! PostgreSQL's own record of transactions (`pg_xact_status`) cannot tell: that a transaction was given its id is not durable. After a
//! crash of the server, or on one that was promoted in its place, the same id is another transaction's, and its fate would be taken for
//! that of the one that was lost. Neither can an instance: one that the transaction ended, or that others have moved on since, bears no
//! trace of the unit. So each transaction writes its number, by this host's own count, into a row that only this host's one committer
//! writes, and whoever asks there: the row has that number if, and only if, the transaction was committed, on whichever server is asked;
//! and one that has not been by then never is. There are several such rows, each for every 256th transaction.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::committer::{FIRST_PAUSE, LONGEST_PAUSE};
use crate::db::{Lane, params};

/// Rows of a host, which take turns. A number is a remainder of it.
pub(crate) const SLOTS: i64 = 256;

/// Before a transaction's first statement, for the host $1: it leaves $3, its number, in the slot $4. So it costs no message of its own.
pub(crate) const LEAVES: &str = "{pg:WITH trace AS (UPDATE host_commit SET nth = $3 WHERE host = $1 AND slot = $4 RETURNING nth)}";

/// Where a transaction leaves its trace.
pub(crate) fn slot(nth: i64) -> i64 {
    nth.rem_euclid(SLOTS)
}

/// Among what that statement reads: where the host has no row to leave its trace in, it is not there any more.
pub(crate) const TRACE: &str = "{pg:trace, }";

/// The number that is put there belongs to another slot, and is no transaction's.
const ASK: &str = "UPDATE host_commit SET nth = CASE nth WHEN $3 THEN nth ELSE $3 + 1 END WHERE host = $1 AND slot = $2 RETURNING nth";

/// How long it is asked what became of a transaction.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of a transaction.
pub(crate) enum Fate {
    Committed,
    Aborted,
    Unknown(String),
}

/// Looks for the trace of a host's last transaction, its `nth`, and where there is none gives the transaction up. While a session that
/// waits to be told to commit may hear of it, it holds the row: whoever writes it comes after that. A statement that is a transaction of
/// its own may be under way to the server yet: where its place has a later number, it fails. A server that takes no writes, for it may not
/// have everything yet, refuses.
///
/// All units wait meanwhile, so it is asked on a connection that nobody else is at, which is made for this and closed again.
pub(crate) async fn fate(witness: &Lane, host: Uuid, nth: i64) -> Fate {
    let fate = ask(witness, host, nth).await;
    witness.close().await;
    fate
}

async fn ask(witness: &Lane, host: Uuid, nth: i64) -> Fate {
    let begun = Instant::now();
    let mut pause = FIRST_PAUSE;
    loop {
        let found = witness.fetch(ASK, params![host, slot(nth), nth]).await;
        let reason = match found.and_then(|rows| rows.first().map(|row| row.get::<i64>(0)).transpose()) {
            Ok(Some(last)) if last == nth => return Fate::Committed,
            Ok(Some(_)) => return Fate::Aborted,
            // It was gone for so long that its rows were removed, or the database was put back to before it began.
            Ok(None) => return Fate::Unknown("the database no longer knows this host".to_owned()),
            Err(error) => error.to_string(),
        };
        if begun.elapsed() >= PATIENCE {
            return Fate::Unknown(reason);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}
