//! What a unit's commands came to, on its way into the ledger while the unit goes on.

use std::sync::{Arc, Mutex};

use mandate_engine::{Code, Failure, Retry};
use tokio::task::JoinHandle;

use super::failure;

/// Outcomes of one unit that are being written. A delegate is told at once that its command was applied; the unit's next command leaves,
/// and the unit is stored, when that is in the ledger. So a command costs its unit one wait for a commit and not two, and a crash finds
/// what it would have found had the delegate waited.
#[derive(Clone, Debug, Default)]
pub(crate) struct Closings(Arc<Mutex<Vec<Closing>>>);

/// An outcome that is being written, or why its unit must not go on.
type Closing = JoinHandle<Result<(), Failure>>;

impl Closings {
    /// One more, which goes on whether or not anybody waits for it.
    pub(super) fn add(&self, closing: Closing) {
        self.0.lock().expect("no holder of this lock panics").push(closing);
    }

    /// Waits until all of them are written. Errors: why the unit must not go on, once.
    pub(crate) async fn settle(&self) -> Result<(), Failure> {
        let closings = std::mem::take(&mut *self.0.lock().expect("no holder of this lock panics"));
        let mut settled = Ok(());
        for closing in closings {
            let closed = closing.await.unwrap_or_else(|_| {
                let message = "what became of a command could not be recorded: this host is shutting down".to_owned();
                Err(failure(Code::CommandOutcomeUnknown, message, Retry::ByPolicy))
            });
            settled = settled.and(closed);
        }
        settled
    }
}
