//! Everything that is known of an ended instance, for those who keep it elsewhere: read part by part, for nobody knows how much it is.

use std::collections::VecDeque;

use uuid::Uuid;

use super::history::{finished, history_variable};
use super::select::ascending;
use super::{
    HistoryActivity, HistoryActivityFilter, HistoryInstance, HistoryInstanceFilter, HistoryVariable, OperationFilter, OperationListed,
    OperationSort, Order, Page, Reads,
};
use crate::db::{Columns, Param, params};
use crate::ledger::AttemptKey;
use crate::{Error, LedgerRow};

/// Reads an ended instance's whole history, and the commands that it has sent, a part at a time. Nothing of it changes any more but
/// verdicts in the ledger and annotations of operations: one that comes between the export of an instance and its removal goes with its
/// rows, and is exported nowhere.
pub struct RecordReader {
    reads: Reads,
    /// Whose it is.
    pub instance: HistoryInstance,
    /// What is read next, behind what has been; none: all is read.
    next: Option<Place>,
    /// Of its list nothing has been read.
    is_first: bool,
}

/// Rows of one list of a record.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordPart {
    /// None of the list came before these.
    pub is_first: bool,
    /// None of the list comes after these.
    pub is_last: bool,
    /// Some of them; none at all if the list is empty.
    pub rows: RecordRows,
}

/// The lists of a record, in the order in which they are read.
#[derive(Clone, Debug, PartialEq)]
pub enum RecordRows {
    /// Its activities, in the order in which they began.
    Activities(Vec<HistoryActivity>),
    /// The latest value of every variable.
    Variables(Vec<HistoryVariable>),
    /// Every change of a variable, in order, at history level full.
    Updates(Vec<HistoryUpdate>),
    /// Its user tasks, each with everybody who ever had to do with it.
    Tasks(Vec<(HistoryTask, Vec<HistoryTaskLink>)>),
    /// Its incidents.
    Incidents(Vec<HistoryIncident>),
    /// What operators did with it, in order.
    Operations(Vec<OperationListed>),
    /// Its attempts, in the order in which they were written.
    Ledger(Vec<LedgerRow>),
}

/// A place in a list: a key, or how many came before. Negative numbers are before all.
#[derive(Clone, Debug)]
enum Place {
    Activities(i64),
    Variables(i64, String),
    Updates(i64, i64),
    Tasks(i64),
    Incidents(i64),
    Operations(u32),
    /// Before any of them, and with the keys of those that are still to come.
    Ledger(Option<VecDeque<AttemptKey>>),
}

/// Activities read at once; they have no large texts.
const MANY: u32 = 1_000;

/// Other rows read at once; each may have a megabyte.
const SOME: u32 = 100;

/// Attempts read at once, which may have several.
const FEW: usize = 3;

/// A change of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryUpdate {
    /// The instance's revision that it came with.
    pub revision: i64,
    /// Its place in that revision.
    pub ordinal: i64,
    /// The number of the scope that has the variable.
    pub scope: i64,
    /// The variable's name.
    pub name: String,
    /// Camunda's type name.
    pub kind: String,
    /// Its value from then on.
    pub json: String,
    /// It was removed.
    pub removed: bool,
    /// When.
    pub at: i64,
}

/// A user task in history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryTask {
    /// Its wait.
    pub wait: i64,
    /// Its activity instance.
    pub activity: i64,
    /// BPMN id.
    pub activity_id: String,
    /// Name in the model.
    pub name: Option<String>,
    /// Who had it last.
    pub assignee: Option<String>,
    /// Who was responsible for it.
    pub owner: Option<String>,
    /// What it was about.
    pub description: Option<String>,
    /// When it should have been done.
    pub due: Option<i64>,
    /// Before when task lists may have hidden it.
    pub follow_up: Option<i64>,
    /// How urgent it was.
    pub priority: i64,
    /// When it was created.
    pub created: i64,
    /// When somebody changed it last; none: nobody did.
    pub updated: Option<i64>,
    /// When it was completed or cancelled.
    pub ended_at: Option<i64>,
}

/// Somebody who had to do with a user task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryTaskLink {
    /// The task's wait.
    pub wait: i64,
    /// `assignee` or `owner`; `user` or `group` of a candidate.
    pub kind: String,
    /// Who.
    pub name: String,
}

/// An incident in history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryIncident {
    /// Its number.
    pub n: i64,
    /// The wait of the job that failed.
    pub wait: Option<i64>,
    /// The activity instance.
    pub activity: i64,
    /// BPMN id of the element at which it stands.
    pub activity_id: String,
    /// BPMN id of the element that failed, if one has.
    pub failed_activity_id: Option<String>,
    /// The definition of the job that failed, if a model asks for that job.
    pub job_definition_id: Option<String>,
    /// What went wrong.
    pub code: String,
    /// What exactly.
    pub message: String,
    /// Since when.
    pub created: i64,
    /// Until when.
    pub ended_at: Option<i64>,
}

impl Reads {
    /// Ended instances in the order of their ids, after one of them.
    pub async fn finished_instances(&self, filter: HistoryInstanceFilter, after: Option<Uuid>, max: u32) -> Result<Vec<Uuid>, Error> {
        let mut select = finished(filter, self.keeps_activities);
        select.maybe("h.instance_id > $?", after);
        let rows = select.rows(&self.pool, "h.instance_id", &ascending(&["h.instance_id"]), Page { first: 0, max }).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// An ended instance's record; none for an instance that lives, never was, or is gone.
    pub async fn instance_record(&self, id: Uuid) -> Result<Option<RecordReader>, Error> {
        let instance = self.history_instance(id).await?.filter(|instance| instance.ended_at.is_some());
        Ok(instance.map(|instance| RecordReader { reads: self.clone(), instance, next: Some(Place::Activities(-1)), is_first: true }))
    }
}

impl RecordReader {
    /// The next part; none: that was all. Before the last one it is looked whether the instance's history is still there: else there is
    /// [`Error::Removed`] in its place, and the parts before it are worth nothing.
    pub async fn next(&mut self) -> Result<Option<RecordPart>, Error> {
        let Some(place) = self.next.clone() else { return Ok(None) };
        let id = self.instance.id;
        // What was read, the place behind it if there may be more, and the list that comes then.
        let (rows, behind, then) = match place {
            Place::Activities(n) => {
                let filter = HistoryActivityFilter { instance: Some(id), behind: Some(n), ..HistoryActivityFilter::default() };
                let rows = self.reads.history_activities(filter, Page { first: 0, max: MANY }, &[]).await?;
                let behind = full(&rows, MANY).map(|last| Place::Activities(last.n));
                (RecordRows::Activities(rows), behind, Some(Place::Variables(-1, String::new())))
            }
            Place::Variables(scope, name) => {
                let rows = self.list(VARIABLES, params![id, scope, name, i64::from(SOME)], history_variable).await?;
                let behind = full(&rows, SOME).map(|last| Place::Variables(last.scope, last.name.clone()));
                (RecordRows::Variables(rows), behind, Some(Place::Updates(-1, -1)))
            }
            Place::Updates(revision, ordinal) => {
                let rows = self.list(UPDATES, params![id, revision, ordinal, i64::from(SOME)], update).await?;
                let behind = full(&rows, SOME).map(|last| Place::Updates(last.revision, last.ordinal));
                (RecordRows::Updates(rows), behind, Some(Place::Tasks(-1)))
            }
            Place::Tasks(wait) => {
                let rows = self.tasks_behind(wait).await?;
                let behind = full(&rows, SOME).map(|(last, _)| Place::Tasks(last.wait));
                (RecordRows::Tasks(rows), behind, Some(Place::Incidents(-1)))
            }
            Place::Incidents(n) => {
                let rows = self.list(INCIDENTS, params![id, n, i64::from(SOME)], incident).await?;
                let behind = full(&rows, SOME).map(|last| Place::Incidents(last.n));
                (RecordRows::Incidents(rows), behind, Some(Place::Operations(0)))
            }
            Place::Operations(first) => {
                let filter = OperationFilter { instance: Some(id), ..OperationFilter::default() };
                let sort = [(OperationSort::At, Order::Asc)];
                let rows = self.reads.operations(filter, Page { first, max: SOME }, &sort).await?;
                let behind = full(&rows, SOME).map(|_| Place::Operations(first.saturating_add(SOME)));
                (RecordRows::Operations(rows), behind, Some(Place::Ledger(None)))
            }
            Place::Ledger(keys) => {
                let mut keys = match keys {
                    Some(keys) => keys,
                    None => self.reads.ledger_keys(id).await?.into(),
                };
                let mut rows = Vec::with_capacity(FEW);
                for key in keys.drain(..FEW.min(keys.len())) {
                    rows.extend(self.reads.ledger_attempt(&key).await?);
                }
                let behind = Some(keys).filter(|keys| !keys.is_empty()).map(|keys| Place::Ledger(Some(keys)));
                (RecordRows::Ledger(rows), behind, None)
            }
        };
        let part = RecordPart { is_first: self.is_first, is_last: behind.is_none(), rows };
        self.is_first = part.is_last;
        self.next = behind.or(then);
        if self.next.is_none() && self.reads.history_instance(id).await?.is_none() {
            return Err(Error::Removed(id));
        }
        Ok(Some(part))
    }

    async fn tasks_behind(&self, wait: i64) -> Result<Vec<(HistoryTask, Vec<HistoryTaskLink>)>, Error> {
        let tasks = self.list(TASKS, params![self.instance.id, wait, i64::from(SOME)], task).await?;
        let Some(last) = tasks.last().map(|last| last.wait) else { return Ok(Vec::new()) };
        let mut links = self.list(TASK_LINKS, params![self.instance.id, wait, last], task_link).await?;
        let mut of = |task: &HistoryTask| links.extract_if(.., |link| link.wait == task.wait).collect::<Vec<_>>();
        Ok(tasks
            .into_iter()
            .map(|task| {
                let links = of(&task);
                (task, links)
            })
            .collect())
    }

    async fn list<T>(&self, sql: &str, params: Vec<Param>, read: fn(&mut Columns<'_>) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        self.reads.pool.fetch(sql, params).await?.iter().map(|row| read(&mut row.columns())).collect()
    }
}

/// The last of a page behind which there may be more.
fn full<T>(rows: &[T], max: u32) -> Option<&T> {
    rows.last().filter(|_| rows.len() == max as usize)
}

const VARIABLES: &str = "SELECT instance_id, scope, name, kind, json, removed, created, updated FROM history_variable WHERE instance_id = $1 \
                         AND (scope, name) > ($2, $3) ORDER BY scope, name LIMIT $4";

const UPDATES: &str = "SELECT revision, ordinal, scope, name, kind, json, removed, at FROM history_variable_update WHERE instance_id = $1 \
                       AND (revision, ordinal) > ($2, $3) ORDER BY revision, ordinal LIMIT $4";

pub(super) fn update(columns: &mut Columns<'_>) -> Result<HistoryUpdate, Error> {
    Ok(HistoryUpdate {
        revision: columns.next()?,
        ordinal: columns.next()?,
        scope: columns.next()?,
        name: columns.next()?,
        kind: columns.next()?,
        json: columns.next()?,
        removed: columns.next()?,
        at: columns.next()?,
    })
}

const TASKS: &str = "SELECT wait, activity, activity_id, name, assignee, owner, description, due, follow_up, priority, created, updated, ended_at FROM history_task WHERE instance_id = $1 AND wait > $2 ORDER BY wait LIMIT $3";

pub(super) fn task(columns: &mut Columns<'_>) -> Result<HistoryTask, Error> {
    Ok(HistoryTask {
        wait: columns.next()?,
        activity: columns.next()?,
        activity_id: columns.next()?,
        name: columns.next()?,
        assignee: columns.next()?,
        owner: columns.next()?,
        description: columns.next()?,
        due: columns.next()?,
        follow_up: columns.next()?,
        priority: columns.next()?,
        created: columns.next()?,
        updated: columns.next()?,
        ended_at: columns.next()?,
    })
}

const TASK_LINKS: &str = "SELECT wait, kind, name FROM history_task_link WHERE instance_id = $1 AND wait > $2 AND wait <= $3 \
                          ORDER BY wait, kind, name";

fn task_link(columns: &mut Columns<'_>) -> Result<HistoryTaskLink, Error> {
    Ok(HistoryTaskLink { wait: columns.next()?, kind: columns.next()?, name: columns.next()? })
}

const INCIDENTS: &str = "SELECT c.n, c.wait, c.activity, c.activity_id, c.failed_activity_id, c.job_definition_id, c.code, c.message, c.created, \
                         COALESCE(c.ended_at, h.ended_at) FROM history_incident c JOIN history_instance h ON h.instance_id = c.instance_id \
                         WHERE c.instance_id = $1 AND c.n > $2 ORDER BY c.n LIMIT $3";

pub(super) fn incident(columns: &mut Columns<'_>) -> Result<HistoryIncident, Error> {
    Ok(HistoryIncident {
        n: columns.next()?,
        wait: columns.next()?,
        activity: columns.next()?,
        activity_id: columns.next()?,
        failed_activity_id: columns.next()?,
        job_definition_id: columns.next()?,
        code: columns.next()?,
        message: columns.next()?,
        created: columns.next()?,
        ended_at: columns.next()?,
    })
}
