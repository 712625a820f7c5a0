//! Transactions beside the committer's that the database has undone for the sake of another one are begun again, as the committer's are.
//!
//! Everybody locks rows in one order, as far as he says which (ARCHITECTURE.md, "The store"). A statement that changes many rows beside
//! instances locks them as it finds them: so two that meet there may wait for each other, until the database undoes one of them.

use std::time::Duration;

use tokio::time::Instant;

use crate::Error;
use crate::committer::PATIENCE;

/// Before each further attempt. The database has let a second pass before it has looked, and whoever it has spared goes on meanwhile.
const PAUSE: Duration = Duration::from_millis(20);

/// Carries out a transaction, and again where all of it was undone. Nothing else is repeated: what was lost with its connection may have
/// been stored.
pub(crate) async fn again<T, F: Future<Output = Result<T, Error>> + Send>(transaction: impl Fn() -> F + Send) -> Result<T, Error> {
    let begun = Instant::now();
    loop {
        match transaction().await {
            Err(error) if error.is_undone() && begun.elapsed() < PATIENCE => {
                tracing::debug!("a transaction is begun again: {error}");
                tokio::time::sleep(PAUSE).await;
            }
            done => return done,
        }
    }
}
