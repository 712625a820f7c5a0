//! Timer start events: what waits for a date without an instance.
//!
//! A row is there while its definition is the newest version: the transaction that deploys another one removes it, and the one that deletes
//! that one puts it back. Each date is one *firing* with a number of its own. The unit of work that begins the firing's instance puts the
//! next firing in its place in the same transaction (`write.rs`), if the row still has that number: so each begins one instance, whoever
//! tries, and however often.
//!
//! A row is locked by the host that runs it, to spare others the work. A lock counts while its host's lease lasts in the epoch in which it
//! was taken; so nobody need take over what a host that died has left.

use uuid::Uuid;

use crate::batch::{Batch, Cell, Type, cells};
use crate::claim::Except;
use crate::db::{Columns, Param, Tx, params};
use crate::delivery::incident::{self, End};
use crate::job_definitions::{priority_of_firing, suspended_firing};
use crate::lease::HostRef;
use crate::query::NEWEST;
use crate::rows::OperationRow;
use crate::unit::{CommitError, FiredTimer, Unit};
use crate::write::operations;
use crate::{Error, Store};

/// A timer start event that is to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStartTimer {
    /// BPMN id of the start event.
    pub activity_id: String,
    /// When it fires.
    pub due: i64,
    /// When it fires again, as the engine reads it.
    pub cycle: Option<String>,
    /// Attempts left.
    pub retries: i64,
    /// The higher, the sooner it is claimed.
    pub priority: i64,
}

/// A timer start event that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartTimerRow {
    /// Names it, from one firing to the next.
    pub id: Uuid,
    /// Which firing it waits for.
    pub firing: i64,
    /// What it starts.
    pub definition_id: String,
    /// What it waits for; `retries` are those that are left.
    pub timer: NewStartTimer,
    /// Failed attempts of this firing.
    pub failures: i64,
    /// The last failure's message.
    pub failure: Option<String>,
    /// An operator has suspended it.
    pub suspended: bool,
    /// When it began to wait.
    pub created: i64,
}

/// A firing as an operator wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisedTimer {
    /// When it fires.
    pub due: i64,
    /// When it fires again.
    pub cycle: Option<String>,
    /// Attempts left.
    pub retries: i64,
    /// The higher, the sooner it is claimed.
    pub priority: i64,
    /// It does not fire.
    pub suspended: bool,
}

impl StartTimerRow {
    /// As it is.
    pub fn unchanged(&self) -> RevisedTimer {
        let NewStartTimer { due, cycle, retries, priority, .. } = self.timer.clone();
        RevisedTimer { due, cycle, retries, priority, suspended: self.suspended }
    }
}

/// Why a firing has failed, or was given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedFiring {
    /// The kind of trouble.
    pub code: String,
    /// The element that failed, if one has.
    pub failed_activity: Option<String>,
    /// What explains it to operators, as JSON, if no attempts are left.
    pub detail: Option<String>,
}

/// What the claim of one firing came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartTimerClaim {
    /// This host has it.
    Locked(Box<StartTimerRow>),
    /// There is no such firing, or not any more.
    Missing,
    /// A host has it: its name.
    Taken(String),
}

/// The timers that are to wait for definitions that become the newest versions of their keys.
pub type Reopened = Vec<(String, Vec<NewStartTimer>)>;

static INSERT: Batch = Batch::new(
    concat!(
        "INSERT INTO start_timer (id, firing, definition_id, activity_id, due, cycle, retries, priority, suspended, failures, failure, given_up, created) \
         SELECT v.id, 1, v.definition_id, v.activity_id, v.due, v.cycle, v.retries, COALESCE(",
        priority_of_firing!("v"),
        ", v.priority), ",
        suspended_firing!("v"),
        ", 0, NULL, 0, v.created FROM {rows}"
    ),
    &[
        ("id", Type::Uuid),
        ("definition_id", Type::Text),
        ("activity_id", Type::Text),
        ("due", Type::I64),
        ("cycle", Type::Text),
        ("retries", Type::I64),
        ("priority", Type::I64),
        ("created", Type::I64),
    ],
);

static NEXT_FIRING: Batch = Batch::new(
    concat!(
        "UPDATE start_timer SET firing = start_timer.firing + 1, due = v.due, cycle = v.cycle, retries = v.retries, priority = COALESCE(",
        priority_of_firing!("start_timer"),
        ", start_timer.priority), suspended = ",
        suspended_firing!("start_timer"),
        ", failures = 0, failure = NULL, code = NULL, failed_activity = NULL, given_up_at = NULL, detail = NULL, \
         created = v.created, locked_by = NULL, locked_epoch = NULL FROM {rows} WHERE start_timer.id = v.id"
    ),
    &[("id", Type::Uuid), ("due", Type::I64), ("cycle", Type::Text), ("retries", Type::I64), ("created", Type::I64)],
);

const COLUMNS: &str =
    "t.id, t.firing, t.definition_id, t.activity_id, t.due, t.cycle, t.retries, t.priority, t.failures, t.failure, t.suspended, t.created";

fn row(columns: &mut Columns<'_>) -> Result<StartTimerRow, Error> {
    Ok(StartTimerRow {
        id: columns.next()?,
        firing: columns.next()?,
        definition_id: columns.next()?,
        timer: NewStartTimer {
            activity_id: columns.next()?,
            due: columns.next()?,
            cycle: columns.next()?,
            retries: columns.next()?,
            priority: columns.next()?,
        },
        failures: columns.next()?,
        failure: columns.next()?,
        suspended: columns.next()?,
        created: columns.next()?,
    })
}

/// Whether the host that has a row `t` locked may still act.
pub(crate) const HELD: &str = "EXISTS (SELECT 1 FROM host h WHERE h.id = t.locked_by AND h.epoch = t.locked_epoch AND h.ended_at IS NULL \
                    AND h.lease_until > {now})";

/// What may run; the first term is the predicate of the index `start_timer_claimable`.
const RUNS: &str =
    "t.retries > 0 AND NOT t.suspended AND NOT EXISTS (SELECT 1 FROM definition d WHERE d.id = t.definition_id AND d.suspended)";

/// The next moment after `$1` at which one becomes due.
pub(crate) fn next_sql() -> String {
    format!("SELECT t.due FROM start_timer t WHERE {RUNS} AND t.due > $1 ORDER BY t.due LIMIT 1")
}

/// At most `$2` that are due at `$1`, but for those of `$3` and of the definitions `$4`, as far as no host but `$5` is at them.
pub(crate) fn due_sql() -> String {
    format!(
        "SELECT {COLUMNS} FROM start_timer t WHERE {RUNS} AND t.due <= $1 AND NOT (t.id {{any_uuid:3}}) AND NOT (t.definition_id {{any_text:4}}) \
         AND (t.locked_by IS NULL OR t.locked_by = $5 OR NOT {HELD}) ORDER BY t.priority DESC, t.due, t.id LIMIT $2"
    )
}

/// One is due at `$1` that could be claimed, but for these `$3` and for the definitions `$4`; or a host other than `$2` is at it.
pub(crate) fn is_due() -> String {
    format!(
        "({RUNS} AND t.due <= $1 AND NOT (t.id {{any_uuid:3}}) AND NOT (t.definition_id {{any_text:4}})) OR (t.locked_by <> $2 AND {HELD})"
    )
}

impl Store {
    /// Locks up to `max` firings that are due, those of the highest priority first, and of these the longest due. `running` are those that
    /// this host has in its memory: what it has locked besides, it has forgotten. `except` names one of them as it does an instance.
    pub async fn claim_start_timers(&self, now: i64, max: u32, running: &[Uuid], except: &Except) -> Result<Vec<StartTimerRow>, Error> {
        let me = self.host();
        let due = due_sql();
        let params = |max: i64| {
            vec![
                Param::I64(now),
                Param::I64(max),
                Param::Uuids([running, &except.instances].concat()),
                Param::Texts(except.definitions.clone()),
                Param::Uuid(me.id),
            ]
        };
        // Nothing is due most of the time: a read costs no transaction.
        if max == 0 || self.lookups.fetch(&due, params(1)).await?.is_empty() {
            return Ok(Vec::new());
        }
        let mut tx = self.begin_in_epoch().await?;
        let rows = tx.fetch(&format!("{due} {{pg:FOR UPDATE OF t SKIP LOCKED}}"), params(i64::from(max))).await?;
        let claimed = rows.iter().map(|found| row(&mut found.columns())).collect::<Result<Vec<_>, _>>()?;
        if claimed.is_empty() {
            tx.rollback().await;
            return Ok(claimed);
        }
        lock(&mut tx, me, claimed.iter().map(|timer| timer.id).collect()).await?;
        tx.commit().await?;
        Ok(claimed)
    }

    /// Locks one firing, due or not, with retries or without.
    pub async fn claim_start_timer(&self, id: Uuid, firing: i64) -> Result<StartTimerClaim, Error> {
        let me = self.host();
        let mut tx = self.begin_in_epoch().await?;
        let sql = format!(
            "SELECT {COLUMNS}, CASE WHEN {HELD} THEN (SELECT h.name FROM host h WHERE h.id = t.locked_by) END FROM start_timer t \
             WHERE t.id = $1 AND t.firing = $2 {{pg:FOR UPDATE OF t}}"
        );
        let found = tx.fetch(&sql, params![id, firing]).await?;
        let claim = match found.first() {
            None => StartTimerClaim::Missing,
            Some(found) => {
                let mut columns = found.columns();
                let timer = row(&mut columns)?;
                columns.next::<Option<String>>()?.map_or(StartTimerClaim::Locked(Box::new(timer)), StartTimerClaim::Taken)
            }
        };
        if let StartTimerClaim::Locked(_) = claim {
            lock(&mut tx, me, vec![id]).await?;
            tx.commit().await?;
        } else {
            tx.rollback().await;
        }
        Ok(claim)
    }

    /// The firings that this host has locked.
    pub async fn locked_start_timers(&self) -> Result<Vec<(Uuid, i64)>, Error> {
        let me = self.host();
        let sql = "SELECT id, firing FROM start_timer WHERE locked_by = $1 AND locked_epoch = $2";
        let rows = self.lookups.fetch(sql, params![me.id, me.epoch]).await?;
        rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
    }

    /// Unlocks a firing of this host, unchanged. As [`release`](Self::release) it does not wait long for a lock.
    pub async fn release_start_timer(&self, id: Uuid) -> Result<(), Error> {
        let me = self.host();
        let sql = "UPDATE start_timer SET locked_by = NULL, locked_epoch = NULL WHERE id = $1 AND locked_by = $2 AND locked_epoch = $3";
        let mut tx = self.inner().jobs.begin().await?;
        tx.execute(sql, params![id, me.id, me.epoch]).await?;
        tx.commit().await
    }

    /// A firing of this host that was found as `seen` has failed: what is left of it takes its place, and what fires next gets a row of its
    /// own. Nothing happens if this host does not have it any more. Answers how it is now if somebody has changed it since: then nothing
    /// happens either, and what is left of it is to be told anew.
    pub async fn fail_start_timer(
        &self,
        seen: &StartTimerRow,
        failed: &StartTimerRow,
        why: &FailedFiring,
        next: Option<NewStartTimer>,
        now: i64,
    ) -> Result<Option<StartTimerRow>, Error> {
        let me = self.host();
        let mut tx = self.begin_in_epoch().await?;
        let mine = "t.id = $1 AND t.firing = $2 AND t.locked_by = $3 AND t.locked_epoch = $4";
        let found = tx
            .fetch(
                &format!("SELECT {COLUMNS} FROM start_timer t WHERE {mine} {{pg:FOR UPDATE OF t}}"),
                params![seen.id, seen.firing, me.id, me.epoch],
            )
            .await?;
        let found = found.first().map(|found| row(&mut found.columns())).transpose()?;
        let left = |row: &StartTimerRow| (row.failures, row.timer.retries, row.timer.due, row.timer.cycle.clone());
        if found.as_ref().is_none_or(|found| left(found) != left(seen)) {
            tx.rollback().await;
            return Ok(found);
        }
        let sql = "UPDATE start_timer SET due = $2, cycle = $3, retries = $4, failures = $5, failure = $6, code = $7, failed_activity = $8, \
                   given_up_at = CASE WHEN retries > 0 THEN $9 ELSE given_up_at END, \
                   given_up = given_up + CASE WHEN $4 = 0 AND retries > 0 THEN 1 ELSE 0 END, detail = $10, locked_by = NULL, locked_epoch = NULL \
                   WHERE id = $1";
        let timer = &failed.timer;
        let params = params![
            failed.id,
            timer.due,
            timer.cycle.clone(),
            timer.retries,
            failed.failures,
            failed.failure.clone(),
            why.code.clone(),
            why.failed_activity.clone(),
            now,
            why.detail.clone()
        ];
        tx.execute(sql, params).await?;
        if timer.retries == 0 {
            incident::raise_timer(&mut tx, self.inner().history, failed.id, failed.firing).await?;
        }
        INSERT.execute(&mut tx, next.iter().map(|next| new_row(&failed.definition_id, next, now)).collect()).await?;
        tx.commit().await?;
        Ok(None)
    }

    /// What an operator changes at a moment of a firing that was found as `seen`, with what the log says of it. Without attempts left it is
    /// given up because of `why`. False: it is not like that any more.
    pub async fn revise_start_timer(
        &self,
        seen: &StartTimerRow,
        revised: &RevisedTimer,
        why: Option<&FailedFiring>,
        operations: &[OperationRow],
        at: i64,
    ) -> Result<bool, Error> {
        let RevisedTimer { due, cycle, retries, priority, suspended } = revised;
        let sql = "UPDATE start_timer SET due = $3, cycle = $4, retries = $5, priority = $7, suspended = $8 \
                   WHERE id = $1 AND firing = $2 AND failures = $6 AND retries = $9";
        let mut tx = self.inner().admin.begin().await?;
        // As `seen` also in its retries: whether an incident begins or is over is told from them.
        let (failures, left) = (seen.failures, seen.timer.retries);
        let params = params![seen.id, seen.firing, *due, cycle.clone(), *retries, failures, *priority, *suspended, left];
        let changed = tx.execute(sql, params).await?;
        if changed > 0 {
            match (seen.timer.retries, *retries) {
                (0, 0) => {}
                (_, 0) => {
                    let sql = "UPDATE start_timer SET code = $3, given_up_at = $4, given_up = given_up + 1, detail = $5 WHERE id = $1 AND firing = $2";
                    let (code, detail) = why.map_or((None, None), |why| (Some(why.code.clone()), why.detail.clone()));
                    tx.execute(sql, params![seen.id, seen.firing, code, at, detail]).await?;
                    incident::raise_timer(&mut tx, self.inner().history, seen.id, seen.firing).await?;
                }
                (0, _) => incident::end(&mut tx, vec![(seen.id, seen.firing)], at, End::Resolved).await?,
                _ => {}
            }
            operations::write(&mut tx, self.inner().history, operations).await?;
        }
        tx.commit().await?;
        Ok(changed > 0)
    }

    /// Suspends the timer start events of a definition, or those of one start event, or lets them go on, with what the log says of it if
    /// that changes any.
    pub async fn suspend_start_timers(
        &self,
        definition_id: &str,
        activity_id: Option<&str>,
        suspended: bool,
        operations: &[OperationRow],
    ) -> Result<(), Error> {
        let sql = "UPDATE start_timer SET suspended = $3 WHERE definition_id = $1 AND activity_id = COALESCE($2, activity_id) AND suspended <> $3";
        let mut tx = self.inner().admin.begin().await?;
        hold_of(&mut tx, vec![definition_id.to_owned()]).await?;
        if tx.execute(sql, params![definition_id, activity_id.map(str::to_owned), suspended]).await? > 0 {
            operations::write(&mut tx, self.inner().history, operations).await?;
        }
        tx.commit().await
    }

    /// One firing that waits.
    pub async fn start_timer(&self, id: Uuid, firing: i64) -> Result<Option<StartTimerRow>, Error> {
        let sql = format!("SELECT {COLUMNS} FROM start_timer t WHERE t.id = $1 AND t.firing = $2");
        let rows = self.lookups.fetch(&sql, params![id, firing]).await?;
        rows.first().map(|found| row(&mut found.columns())).transpose()
    }

    /// All that wait, in the order of their ids.
    pub async fn all_start_timers(&self) -> Result<Vec<StartTimerRow>, Error> {
        let rows = self.pool.fetch(&format!("SELECT {COLUMNS} FROM start_timer t ORDER BY t.id"), Vec::new()).await?;
        rows.iter().map(|found| row(&mut found.columns())).collect()
    }

    /// The definitions that become the newest versions of their keys when these are deleted.
    pub async fn uncovered_by(&self, definitions: Vec<String>) -> Result<Vec<String>, Error> {
        let rows = self.pool.fetch(&uncovered_sql(), vec![Param::Texts(definitions)]).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }
}

fn uncovered_sql() -> String {
    let newest = NEWEST.replace("d.", "x.");
    format!(
        "SELECT d.id FROM definition d WHERE NOT (d.id {{any_text:1}}) \
         AND EXISTS (SELECT 1 FROM definition x WHERE x.id {{any_text:1}} AND x.tenant = d.tenant AND x.key = d.key AND {newest}) \
         AND NOT EXISTS (SELECT 1 FROM definition n WHERE n.tenant = d.tenant AND n.key = d.key AND n.version > d.version \
         AND NOT (n.id {{any_text:1}})) ORDER BY d.id"
    )
}

async fn lock(tx: &mut Tx, me: HostRef, ids: Vec<Uuid>) -> Result<(), Error> {
    let sql = "UPDATE start_timer SET locked_by = $2, locked_epoch = $3 WHERE id {any_uuid:1}";
    tx.execute(sql, vec![Param::Uuids(ids), Param::Uuid(me.id), Param::I64(me.epoch)]).await.map(drop)
}

/// The row of a timer that begins to wait.
pub(crate) fn new_row(definition_id: &str, timer: &NewStartTimer, now: i64) -> Vec<Cell> {
    cells![Uuid::now_v7(), definition_id, &timer.activity_id, timer.due, &timer.cycle, timer.retries, timer.priority, now]
}

/// New rows take the place of what older versions of these keys started by.
pub(crate) async fn deployed(tx: &mut Tx, tenant: &str, keys: Vec<String>, rows: Vec<Vec<Cell>>, now: i64) -> Result<(), Error> {
    let which = "definition_id IN (SELECT d.id FROM definition d WHERE d.tenant = $1 AND d.key {any_text:2})";
    close(tx, which, vec![tenant.into(), Param::Texts(keys)], now).await?;
    INSERT.execute(tx, rows).await.map(drop)
}

/// Those of definitions that are about to be deleted go. `None`: other versions become the newest than those that are to be opened again.
pub(crate) async fn deleted(tx: &mut Tx, definitions: &[String], reopened: &Reopened, now: i64) -> Result<Option<()>, Error> {
    let rows = tx.fetch(&uncovered_sql(), vec![Param::Texts(definitions.to_vec())]).await?;
    let uncovered = rows.iter().map(|row| row.get(0)).collect::<Result<Vec<String>, _>>()?;
    if !uncovered.iter().eq(reopened.iter().map(|(definition, _)| definition)) {
        return Ok(None);
    }
    close(tx, "definition_id {any_text:1}", vec![Param::Texts(definitions.to_vec())], now).await?;
    let rows = reopened.iter().flat_map(|(definition, timers)| timers.iter().map(|timer| new_row(definition, timer, now)));
    INSERT.execute(tx, rows.collect()).await?;
    Ok(Some(()))
}

/// Locks those of definitions, of which several are about to be changed, in the order in which units of work do.
pub(crate) async fn hold_of(tx: &mut Tx, definitions: Vec<String>) -> Result<(), Error> {
    let sql = "SELECT id FROM start_timer WHERE definition_id {any_text:1} ORDER BY id {pg:FOR UPDATE}";
    tx.fetch(sql, vec![Param::Texts(definitions)]).await.map(drop)
}

/// In the order in which units of work lock them. What had been given up is no incident any more.
async fn close(tx: &mut Tx, which: &str, params: Vec<Param>, now: i64) -> Result<(), Error> {
    let look = format!("SELECT id, firing, retries FROM start_timer WHERE {which} ORDER BY id {{pg:FOR UPDATE}}");
    // Whoever was waited for may have failed and put what fires next beside it, which only another statement sees. What is gone does so no
    // more.
    loop {
        let rows = tx.fetch(&look, params.clone()).await?;
        if rows.is_empty() {
            return Ok(());
        }
        let found = rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).collect::<Result<Vec<(Uuid, i64, i64)>, Error>>()?;
        let given_up = found.iter().filter(|(.., retries)| *retries == 0).map(|(id, firing, _)| (*id, *firing));
        incident::end(tx, given_up.collect(), now, End::Deleted).await?;
        let ids = found.into_iter().map(|(id, ..)| id).collect();
        tx.execute("DELETE FROM start_timer WHERE id {any_uuid:1}", vec![Param::Uuids(ids)]).await?;
    }
}

/// The firings that begin instances of these units.
fn fired(unit: &Unit) -> impl Iterator<Item = &FiredTimer> {
    unit.instances.iter().filter_map(|write| write.fired.as_ref())
}

/// Refuses units whose firing is over or suspended, and keeps those of the others until the commit.
pub(crate) async fn refuse_fired(tx: &mut Tx, units: &[&Unit], answers: &mut [Option<CommitError>]) -> Result<(), Error> {
    let ids: Vec<Uuid> = units.iter().flat_map(|unit| fired(unit)).map(|timer| timer.id).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let sql = "SELECT id, firing FROM start_timer WHERE id {any_uuid:1} AND NOT suspended ORDER BY id {pg:FOR UPDATE}";
    let rows = tx.fetch(sql, vec![Param::Uuids(ids)]).await?;
    let mut waiting = rows.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect::<Result<Vec<(Uuid, i64)>, Error>>()?;
    for (unit, answer) in units.iter().zip(answers).filter(|(_, answer)| answer.is_none()) {
        for timer in fired(unit) {
            // Of two units of one batch that fire the same the second comes too late.
            match waiting.iter().position(|found| *found == (timer.id, timer.firing)) {
                Some(at) => drop(waiting.swap_remove(at)),
                None => *answer = Some(CommitError::Gone),
            }
        }
    }
    Ok(())
}

/// Puts what fires next in the place of what units that are stored have fired.
pub(crate) async fn put_next<'a>(tx: &mut Tx, stored: impl Iterator<Item = &'a Unit>) -> Result<(), Error> {
    let (mut next, mut over) = (Vec::new(), Vec::new());
    let mut resolved = Vec::new();
    for timer in stored.flat_map(fired) {
        // Somebody may have executed one that had been given up.
        resolved.push(cells![timer.id, timer.firing, timer.at, false]);
        match &timer.next {
            Some(then) => next.push(cells![timer.id, then.due, &then.cycle, then.retries, timer.at]),
            None => over.push(timer.id),
        }
    }
    incident::END.execute(tx, resolved).await?;
    NEXT_FIRING.execute(tx, next).await?;
    if !over.is_empty() {
        tx.execute("DELETE FROM start_timer WHERE id {any_uuid:1}", vec![Param::Uuids(over)]).await?;
    }
    Ok(())
}

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[&INSERT, &NEXT_FIRING];
