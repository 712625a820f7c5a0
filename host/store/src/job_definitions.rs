//! What operators have said of job definitions, the places of a model that make jobs: that they are suspended, or have another priority.
//! There is a row for each of which somebody has said something.
//!
//! A unit of work that makes a job must know it, and none reads these rows: a host remembers them. Whoever changes them counts that up in a
//! table of one row, which is his alone until the commit. Each transaction of a committer begins with that row (`hosts.rs`) and refuses the
//! units that make jobs and know less than it says. So a job is made either before the change, and is there when whoever made the change
//! looks for those there are, or knowing of it. Nobody's lease depends on that table.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::batch::{Batch, Cell, Type, cells};
use crate::db::{Columns, Dialect, Lane, Param, Tx, params};
use crate::planned::{self, CarriedOut};
use crate::rows::OperationRow;
use crate::start_timers;
use crate::unit::{CommitError, Unit};
use crate::write::operations;
use crate::{Error, Fault, Store};

/// How long a change waits for a host that is stopped in the middle of a commit: longer than the server keeps its transaction, half a
/// lease.
const PATIENCE: Duration = Duration::from_secs(20);

/// For others to begin a commit meanwhile.
const PAUSE: Duration = Duration::from_millis(50);

/// Names a job definition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobDefinitionName {
    /// Its definition.
    pub definition_id: String,
    /// The BPMN id; of the body of a multi-instance activity the body's.
    pub activity_id: String,
    /// `async-before`, `async-after` or `timer`.
    pub kind: String,
}

/// A job definition of which an operator has said something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobDefinitionRow {
    /// Which.
    pub name: JobDefinitionName,
    /// Its new jobs are suspended.
    pub suspended: bool,
    /// The priority of its new jobs, whatever the model says.
    pub priority: Option<i64>,
}

/// What a host knows of job definitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownJobDefinitions {
    /// How many changes there had been.
    pub seen: i64,
    /// Those that are not as the model says.
    pub rows: Vec<JobDefinitionRow>,
    /// Process definitions that are suspended: nobody runs their jobs.
    pub suspended: Vec<String>,
}

/// What an operator says of job definitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobDefinitionChange {
    /// New jobs are suspended from here on, or are not.
    Suspended(bool),
    /// New jobs have this priority from here on, or that of the model.
    Priority(Option<i64>),
}

/// Whether the timer start event that is `v` or `start_timer` is suspended, for a new firing.
macro_rules! suspended_firing {
    ($of:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM job_definition n WHERE n.definition_id = ",
            $of,
            ".definition_id AND n.activity_id = ",
            $of,
            ".activity_id AND n.kind = 'timer' AND n.suspended)"
        )
    };
}
pub(crate) use suspended_firing;

/// The priority that an operator has given the timer start event that is `v` or `start_timer`, if any.
macro_rules! priority_of_firing {
    ($of:literal) => {
        concat!(
            "(SELECT n.priority FROM job_definition n WHERE n.definition_id = ",
            $of,
            ".definition_id AND n.activity_id = ",
            $of,
            ".activity_id AND n.kind = 'timer')"
        )
    };
}
pub(crate) use priority_of_firing;

/// A definition that has been deleted meanwhile makes no jobs.
static SUSPEND: Batch = Batch::new(
    "INSERT INTO job_definition (definition_id, activity_id, kind, suspended, priority) \
     SELECT v.definition_id, v.activity_id, v.kind, v.suspended, NULL FROM {rows} JOIN definition d ON d.id = v.definition_id WHERE TRUE \
     ON CONFLICT (definition_id, activity_id, kind) DO UPDATE SET suspended = excluded.suspended",
    &[("definition_id", Type::Text), ("activity_id", Type::Text), ("kind", Type::Text), ("suspended", Type::Bool)],
);

static PRIORITIZE: Batch = Batch::new(
    "INSERT INTO job_definition (definition_id, activity_id, kind, suspended, priority) \
     SELECT v.definition_id, v.activity_id, v.kind, FALSE, v.priority FROM {rows} JOIN definition d ON d.id = v.definition_id WHERE TRUE \
     ON CONFLICT (definition_id, activity_id, kind) DO UPDATE SET priority = excluded.priority",
    &[("definition_id", Type::Text), ("activity_id", Type::Text), ("kind", Type::Text), ("priority", Type::I64)],
);

static SUSPEND_TIMERS: Batch = Batch::new(
    "UPDATE start_timer SET suspended = v.suspended FROM {rows} \
     WHERE start_timer.definition_id = v.definition_id AND start_timer.activity_id = v.activity_id",
    &[("definition_id", Type::Text), ("activity_id", Type::Text), ("kind", Type::Text), ("suspended", Type::Bool)],
);

static PRIORITIZE_TIMERS: Batch = Batch::new(
    "UPDATE start_timer SET priority = v.priority FROM {rows} \
     WHERE start_timer.definition_id = v.definition_id AND start_timer.activity_id = v.activity_id",
    &[("definition_id", Type::Text), ("activity_id", Type::Text), ("kind", Type::Text), ("priority", Type::I64)],
);

const SELECT: &str =
    "SELECT definition_id, activity_id, kind, suspended, priority FROM job_definition WHERE suspended OR priority IS NOT NULL";

fn row(columns: &mut Columns<'_>) -> Result<JobDefinitionRow, Error> {
    let name = JobDefinitionName { definition_id: columns.next()?, activity_id: columns.next()?, kind: columns.next()? };
    Ok(JobDefinitionRow { name, suspended: columns.next()?, priority: columns.next()? })
}

impl Store {
    /// All job definitions that are not as their models say, with how many changes that includes.
    pub async fn job_definitions(&self) -> Result<KnownJobDefinitions, Error> {
        // One moment: whoever counts a change up has written it.
        let changes = "SELECT count FROM job_definition_changes WHERE id = 1";
        let suspended = "SELECT id FROM definition WHERE suspended ORDER BY id";
        let answers = self.lookups.snapshot(vec![(changes, Vec::new()), (SELECT, Vec::new()), (suspended, Vec::new())]).await?;
        Ok(KnownJobDefinitions {
            seen: answers[0].first().map_or(Ok(0), |row| row.get(0))?,
            rows: answers[1].iter().map(|found| row(&mut found.columns())).collect::<Result<_, _>>()?,
            suspended: answers[2].iter().map(|row| row.get(0)).collect::<Result<_, _>>()?,
        })
    }

    /// Changes job definitions, with what the log says of it. With `jobs` the timer start events among them as well, which wait without an
    /// instance; all other jobs that there are stay as they are. When this is answered no unit of work makes a job that does not know of
    /// it.
    pub async fn change_job_definitions(
        &self,
        names: &[JobDefinitionName],
        change: JobDefinitionChange,
        jobs: bool,
        operations: &[OperationRow],
    ) -> Result<(), Error> {
        self.carry_out_job_definitions(names, change, jobs, None, operations).await
    }

    /// The same as it was planned: nothing happens if that was done already.
    pub async fn carry_out_job_definitions(
        &self,
        names: &[JobDefinitionName],
        change: JobDefinitionChange,
        jobs: bool,
        plan: Option<&CarriedOut>,
        operations: &[OperationRow],
    ) -> Result<(), Error> {
        let of: BTreeSet<&String> = names.iter().map(|name| &name.definition_id).collect();
        let of: Vec<String> = of.into_iter().cloned().collect();
        let mut tx = begin_holding(&self.inner().admin, of.clone()).await?;
        if !planned::take(&mut tx, self.host(), plan).await? {
            tx.rollback().await;
            return Ok(());
        }
        // One name has several definitions where an event has several timers.
        let names: BTreeSet<_> = names.iter().collect();
        let row = |name: &JobDefinitionName, value: Cell| cells![&name.definition_id, &name.activity_id, &name.kind, value];
        let rows = |value: Cell| names.iter().map(|name| row(name, value.clone())).collect::<Vec<_>>();
        let timers = |value: Cell| names.iter().filter(|name| jobs && name.kind == "timer").map(|name| row(name, value.clone())).collect();
        if jobs {
            start_timers::hold_of(&mut tx, of).await?;
        }
        match change {
            JobDefinitionChange::Suspended(suspended) => {
                SUSPEND.execute(&mut tx, rows(suspended.into())).await?;
                SUSPEND_TIMERS.execute(&mut tx, timers(suspended.into())).await?;
            }
            JobDefinitionChange::Priority(priority) => {
                PRIORITIZE.execute(&mut tx, rows(priority.into())).await?;
                let timers = if priority.is_some() { timers(priority.into()) } else { Vec::new() };
                PRIORITIZE_TIMERS.execute(&mut tx, timers).await?;
            }
        }
        operations::write(&mut tx, self.inner().history, operations).await?;
        tx.commit().await
    }
}

/// A transaction that suspends a definition, whose jobs nobody runs from its end on, or activates it, with its job definitions. It has the
/// definition's row, if that is there: units of work hold it after the row that tells of changes, so whoever wants both comes here first.
pub(crate) async fn begin_suspension(lane: &Lane, definition_id: &str, suspended: bool) -> Result<Tx, Error> {
    let mut tx = begin_holding(lane, vec![definition_id.to_owned()]).await?;
    if !suspended {
        tx.execute("UPDATE job_definition SET suspended = FALSE WHERE definition_id = $1 AND suspended", params![definition_id]).await?;
    }
    Ok(tx)
}

/// A transaction that changes job definitions: it has waited for the transactions of all committers that are under way, and lets no other
/// begin until it ends, which then know that there is something new.
///
/// Who waits for a table has all others wait behind him. As a committer's transaction takes milliseconds, one that takes longer is of a
/// host that has been stopped in the middle of it, until the server ends its session: others pass it between two attempts.
///
/// It has the definitions' rows, too, before anything that is of them, as a deletion has them: of very much one may have them for long.
async fn begin_holding(lane: &Lane, definitions: Vec<String>) -> Result<Tx, Error> {
    let begun = Instant::now();
    loop {
        let mut tx = lane.begin().await?;
        match take_changes(&mut tx, definitions.clone()).await {
            Ok(()) => return Ok(tx),
            Err(error) if matches!(error.fault(), Fault::Lock | Fault::Moment) && begun.elapsed() < PATIENCE => {
                tx.rollback().await;
                tokio::time::sleep(PAUSE).await;
            }
            Err(error) => {
                tx.rollback().await;
                return Err(error);
            }
        }
    }
}

async fn take_changes(tx: &mut Tx, definitions: Vec<String>) -> Result<(), Error> {
    if tx.dialect == Dialect::Postgres {
        tx.execute("SET LOCAL lock_timeout = '1s'", Vec::new()).await?;
        tx.execute("LOCK TABLE job_definition_changes IN EXCLUSIVE MODE", Vec::new()).await?;
        tx.fetch("SELECT id FROM definition WHERE id {any_text:1} ORDER BY id FOR UPDATE", vec![Param::Texts(definitions)]).await?;
        tx.execute("SET LOCAL lock_timeout TO DEFAULT", Vec::new()).await?;
    }
    tx.execute("UPDATE job_definition_changes SET count = count + 1 WHERE id = 1", Vec::new()).await.map(drop)
}

/// Refuses units that make jobs, or run some, and do not know as much of their definitions as there is to know.
pub(crate) fn refuse_unknowing(known: i64, units: &[&Unit], answers: &mut [Option<CommitError>]) {
    for (unit, answer) in units.iter().zip(answers).filter(|(_, answer)| answer.is_none()) {
        if unit.instances.iter().any(|write| write.job_definitions.is_some_and(|seen| seen < known)) {
            *answer = Some(CommitError::JobDefinitions);
        }
    }
}

/// The multi-row statements of this file.
#[cfg(test)]
pub(crate) static BATCHES: &[&Batch] = &[&SUSPEND, &PRIORITIZE, &SUSPEND_TIMERS, &PRIORITIZE_TIMERS];
