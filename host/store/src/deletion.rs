//! Deleting a deployment, or definitions of one.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use crate::again::again;
use crate::db::{Param, Tx, params};
use crate::delivery::parked;
use crate::deploy::lock_deployments;
use crate::deployment::DeploymentDeletion;
use crate::rows::OperationRow;
use crate::start_timers::{self, Reopened};
use crate::unit::Beside;
use crate::write::{instances, operations, removal, tables};
use crate::{Error, Store, cleanup, message, planned};

impl Store {
    /// Deletes a deployment with its definitions. Refused while an instance of them lives, or while definitions of other deployments are
    /// bound to its delegates. With `cascade` its instances go too, with what they have called and all their history, unless instances of
    /// others wait for one of them; what others are bound to stays either way, as do ledger and start keys. Of history as much is gone with
    /// the answer as goes in a few seconds; the rest is left ([`Reads::history_left`], [`Store::find_left_history`]).
    ///
    /// [`Reads::history_left`]: crate::query::Reads::history_left
    ///
    /// `reopened` are the timers by which the versions of [`Store::uncovered_by`] start from here on, as of `now`.
    pub async fn delete_deployment(
        &self,
        id: &str,
        cascade: bool,
        operations: &[OperationRow],
        reopened: &Reopened,
        now: i64,
    ) -> Result<DeploymentDeletion, Error> {
        let deletion = again(|| self.delete_deployment_once(id, cascade, operations, reopened, now)).await?;
        if cascade && let DeploymentDeletion::Deleted { .. } = deletion {
            self.remove_deleted_history().await;
        }
        Ok(deletion)
    }

    async fn delete_deployment_once(
        &self,
        id: &str,
        cascade: bool,
        operations: &[OperationRow],
        reopened: &Reopened,
        now: i64,
    ) -> Result<DeploymentDeletion, Error> {
        let mut tx = self.inner().admin.begin().await?;
        lock_deployments(&mut tx).await?;
        if tx.fetch("SELECT id FROM deployment WHERE id = $1", params![id]).await?.is_empty() {
            tx.rollback().await;
            return Ok(DeploymentDeletion::NotFound);
        }
        let sql = "SELECT id FROM definition WHERE deployment_id = $1";
        let definitions = tx.fetch(sql, params![id]).await?.iter().map(|row| row.get(0)).collect::<Result<Vec<String>, _>>()?;
        let bindings = if cascade { 0 } else { bound_by_others(&mut tx, id).await? };
        match empty(&mut tx, definitions, cascade, bindings, reopened, now).await? {
            DeploymentDeletion::Deleted { definitions } => {
                remove_deployment(&mut tx, id).await?;
                operations::write(&mut tx, self.inner().history, operations).await?;
                tx.commit().await?;
                Ok(DeploymentDeletion::Deleted { definitions })
            }
            refused => {
                tx.rollback().await;
                Ok(refused)
            }
        }
    }

    /// Deletes definitions, all of them or none, likewise. Their deployments stay, with all files and delegates.
    pub async fn delete_definitions(
        &self,
        ids: Vec<String>,
        cascade: bool,
        operations: &[OperationRow],
        reopened: &Reopened,
        now: i64,
    ) -> Result<DeploymentDeletion, Error> {
        let deletion = again(|| self.delete_definitions_once(&ids, cascade, operations, reopened, now)).await?;
        if cascade && let DeploymentDeletion::Deleted { .. } = deletion {
            self.remove_deleted_history().await;
        }
        Ok(deletion)
    }

    async fn delete_definitions_once(
        &self,
        ids: &[String],
        cascade: bool,
        operations: &[OperationRow],
        reopened: &Reopened,
        now: i64,
    ) -> Result<DeploymentDeletion, Error> {
        let mut tx = self.inner().admin.begin().await?;
        lock_deployments(&mut tx).await?;
        match empty(&mut tx, ids.to_vec(), cascade, 0, reopened, now).await? {
            deleted @ DeploymentDeletion::Deleted { .. } => {
                remove_orphans(&mut tx).await?;
                operations::write(&mut tx, self.inner().history, operations).await?;
                tx.commit().await?;
                Ok(deleted)
            }
            refused => {
                tx.rollback().await;
                Ok(refused)
            }
        }
    }
}

/// How long whoever deletes waits for the history that goes along: less than clients wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Instances whose history goes in one transaction.
const BATCH: u32 = 100;

impl Store {
    /// Removes the history that goes with a deletion, which is stored: no lock of definitions is held, and others write in between.
    async fn remove_deleted_history(&self) {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            match self.remove_some_left().await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!("history of what was deleted is not all gone, and is removed later: {error}");
                    return;
                }
            }
        }
    }

    async fn remove_some_left(&self) -> Result<bool, Error> {
        let left = self.history_left(BATCH, None).await?;
        if left.is_empty() {
            return self.find_left_history(BATCH).await;
        }
        self.remove_left_history(left.into_iter().map(|left| left.instance).collect()).await.map(|_| true)
    }
}

/// Deletes definitions with what is of them: with `cascade` their instances, or else only if there are none, nor `bindings` of others.
async fn empty(
    tx: &mut Tx,
    mut definitions: Vec<String>,
    cascade: bool,
    bindings: i64,
    reopened: &Reopened,
    now: i64,
) -> Result<DeploymentDeletion, Error> {
    // Starts hold the definition's row FOR SHARE until they are committed: from here on there are no new ones.
    let sql = "SELECT id FROM definition WHERE id {any_text:1} ORDER BY id {pg:FOR UPDATE}";
    let rows = tx.fetch(sql, vec![Param::Texts(definitions.clone())]).await?;
    if rows.len() < definitions.len() {
        return Ok(DeploymentDeletion::NotFound);
    }
    definitions = rows.iter().map(|row| row.get(0)).collect::<Result<Vec<String>, _>>()?;
    let living = if cascade {
        let living = hold_with_called(tx, &definitions).await?;
        let callers = callers_of(tx, &living).await?;
        if callers > 0 {
            return Ok(DeploymentDeletion::Called { callers });
        }
        let everything: Vec<_> = living.iter().map(|id| (*id, Beside::ALL)).collect();
        tables::remove_rows(tx, &everything).await?;
        instances::remove(tx, living.clone()).await?;
        living
    } else {
        let sql = "SELECT COUNT(*) FROM instance WHERE definition_id {any_text:1}";
        let rows = tx.fetch(sql, vec![Param::Texts(definitions.clone())]).await?;
        let instances = rows.first().map_or(Ok(0), |row| row.get(0))?;
        if instances > 0 || bindings > 0 {
            return Ok(DeploymentDeletion::Refused { instances, bindings });
        }
        Vec::new()
    };
    cleanup::hold_off(tx).await?;
    removal::put_off(tx, living.clone()).await?;
    let messages = if cascade { 0 } else { message::count_to(tx, &definitions).await? };
    if messages > 0 {
        return Ok(DeploymentDeletion::Awaited { messages });
    }
    message::remove_to(tx, &definitions).await?;
    parked::wake(tx, living).await?;
    for definition in &definitions {
        parked::wake_starts(tx, definition).await?;
    }
    if start_timers::deleted(tx, &definitions, reopened, now).await?.is_none() {
        return Ok(DeploymentDeletion::Moved);
    }
    let with_them = [
        "DELETE FROM binding WHERE definition_id {any_text:1}",
        "DELETE FROM start_event WHERE definition_id {any_text:1}",
        "DELETE FROM job_definition WHERE definition_id {any_text:1}",
        // Of no instance: nobody sees them without it.
        "DELETE FROM history_incident WHERE activity = 0 AND definition_id {any_text:1}",
        "DELETE FROM definition WHERE id {any_text:1}",
    ];
    planned::remove_of(tx, &definitions).await?;
    leave_history(tx, &definitions, cascade).await?;
    for sql in with_them {
        tx.execute(sql, vec![Param::Texts(definitions.clone())]).await?;
    }
    Ok(DeploymentDeletion::Deleted { definitions })
}

/// The elements of definitions that are deleted stay as long as their history does: whoever removes that looks for them
/// ([`Store::find_left_history`], or [`Store::remove_left_elements`] where it is not deleted with them). Nothing is looked for here, while
/// definitions are locked.
async fn leave_history(tx: &mut Tx, definitions: &[String], deleted: bool) -> Result<(), Error> {
    let sql = "INSERT INTO deleted_definition (definition_id, ended_at, instance_id, with_history) \
               SELECT d.id, $2, $3, $4 FROM definition d WHERE d.id {any_text:1}";
    let of = vec![Param::Texts(definitions.to_vec())];
    tx.execute(sql, of.into_iter().chain(params![i64::MIN, Uuid::nil(), deleted]).collect()).await.map(drop)
}

/// The instances of definitions, whatever they have called, and what those have called in turn: nobody would be told of their end.
const WITH_CALLED: &str = "WITH RECURSIVE found (id) AS (SELECT id FROM instance WHERE definition_id {any_text:1} \
     UNION SELECT i.id FROM found JOIN instance i ON i.super_instance = found.id) SELECT id FROM found";

/// Locks them in the order of their ids, as a unit of work does that moves several on. Who is called by one before it is locked is locked
/// after it, and after that nobody else is called.
async fn hold_with_called(tx: &mut Tx, definitions: &[String]) -> Result<Vec<Uuid>, Error> {
    let mut held = BTreeSet::new();
    loop {
        let found = ids(tx, WITH_CALLED, vec![Param::Texts(definitions.to_vec())]).await?;
        let others: Vec<Uuid> = found.iter().filter(|id| !held.contains(*id)).copied().collect();
        if others.is_empty() {
            return Ok(found);
        }
        let sql = "SELECT id FROM instance WHERE id {any_uuid:1} ORDER BY id {pg:FOR UPDATE}";
        held.extend(ids(tx, sql, vec![Param::Uuids(others)]).await?);
    }
}

/// How many instances wait for one of these and are none of them.
async fn callers_of(tx: &mut Tx, instances: &[Uuid]) -> Result<i64, Error> {
    let sql = "SELECT DISTINCT super_instance FROM instance WHERE id {any_uuid:1} AND super_instance IS NOT NULL";
    let deleted: BTreeSet<_> = instances.iter().collect();
    let callers = ids(tx, sql, vec![Param::Uuids(instances.to_vec())]).await?;
    Ok(i64::try_from(callers.iter().filter(|caller| !deleted.contains(caller)).count()).expect("instances fit into memory"))
}

async fn ids(tx: &mut Tx, sql: &str, params: Vec<Param>) -> Result<Vec<Uuid>, Error> {
    tx.fetch(sql, params).await?.iter().map(|row| row.get(0)).collect()
}

/// Bindings of other deployments' definitions to components that no other deployment brings.
async fn bound_by_others(tx: &mut Tx, id: &str) -> Result<i64, Error> {
    let sql = "SELECT COUNT(*) FROM binding b JOIN definition d ON d.id = b.definition_id WHERE d.deployment_id <> $1 \
               AND b.digest IN (SELECT g.digest FROM delegate g WHERE g.deployment_id = $1) \
               AND NOT EXISTS (SELECT 1 FROM delegate o WHERE o.digest = b.digest AND o.deployment_id <> $1)";
    let rows = tx.fetch(sql, params![id]).await?;
    rows.first().map_or(Ok(0), |row| row.get(0))
}

async fn remove_deployment(tx: &mut Tx, id: &str) -> Result<(), Error> {
    let of_deployment = [
        "DELETE FROM delegate WHERE deployment_id = $1",
        "DELETE FROM resource WHERE deployment_id = $1",
        "DELETE FROM deployment WHERE id = $1",
    ];
    for sql in of_deployment {
        tx.execute(sql, params![id]).await?;
    }
    remove_orphans(tx).await
}

/// A bound artifact outlives its deployment; one that nobody names is gone.
async fn remove_orphans(tx: &mut Tx) -> Result<(), Error> {
    let orphans = "DELETE FROM artifact WHERE NOT EXISTS (SELECT 1 FROM binding b WHERE b.digest = artifact.digest) \
                   AND NOT EXISTS (SELECT 1 FROM delegate g WHERE g.digest = artifact.digest) \
                   AND NOT EXISTS (SELECT 1 FROM resource r WHERE r.artifact = artifact.digest)";
    tx.execute(orphans, Vec::new()).await.map(drop)
}
