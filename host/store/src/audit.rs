//! Operators' work on history: an ended instance's is deleted, an operation gets a note.

use uuid::Uuid;

use crate::db::params;
use crate::rows::OperationRow;
use crate::write::{operations, removal};
use crate::{Error, Store, cleanup};

/// What became of a wish to delete an instance's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryDeletion {
    /// It is gone.
    Deleted,
    /// The instance has not ended.
    Running,
    /// There is none.
    NotFound,
}

impl Store {
    /// Deletes an ended instance's history, with what operators did to it; `operations`, written afterwards, stay. Ledger and start key
    /// stay, too.
    pub async fn delete_history(&self, instance: Uuid, operations: &[OperationRow]) -> Result<HistoryDeletion, Error> {
        let mut tx = self.inner().admin.begin().await?;
        cleanup::hold_off(&mut tx).await?;
        let found = tx.fetch("SELECT ended_at FROM history_instance WHERE instance_id = $1", params![instance]).await?;
        let ended = found.first().map(|row| row.get::<Option<i64>>(0)).transpose()?;
        let refused = match ended {
            None => HistoryDeletion::NotFound,
            Some(None) => HistoryDeletion::Running,
            Some(Some(_)) => {
                removal::begin(&mut tx, vec![instance]).await?;
                operations::write(&mut tx, self.inner().history, operations).await?;
                tx.commit().await?;
                return Ok(HistoryDeletion::Deleted);
            }
        };
        tx.rollback().await;
        Ok(refused)
    }

    /// Sets or clears the note on everything that an operation did. `operations` says who did that, given the note before. False: there is
    /// no such operation.
    pub async fn annotate_operation(
        &self,
        operation: Uuid,
        annotation: Option<&str>,
        operations: impl FnOnce(Option<String>) -> Vec<OperationRow> + Send,
    ) -> Result<bool, Error> {
        let mut tx = self.inner().admin.begin().await?;
        cleanup::hold_off(&mut tx).await?;
        let sql = "SELECT annotation FROM history_operation WHERE operation = $1 ORDER BY ordinal {pg:FOR UPDATE}";
        let before = tx.fetch(sql, params![operation]).await?;
        let Some(before) = before.first().map(|row| row.get(0)).transpose()? else {
            tx.rollback().await;
            return Ok(false);
        };
        let annotation = annotation.map(str::to_owned);
        tx.execute("UPDATE history_operation SET annotation = $2 WHERE operation = $1", params![operation, annotation]).await?;
        operations::write(&mut tx, self.inner().history, &operations(before)).await?;
        tx.commit().await?;
        Ok(true)
    }
}
