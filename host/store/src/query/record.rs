//! Everything that is known of an ended instance, for those who keep it elsewhere.

use uuid::Uuid;

use super::history::instances;
use super::select::ascending;
use super::{
    HistoryActivity, HistoryActivityFilter, HistoryInstance, HistoryInstanceFilter, HistoryVariable, OperationFilter, OperationListed,
    OperationSort, Order, Page, Reads,
};
use crate::db::{Columns, params};
use crate::{Error, LedgerRow};

/// An ended instance's whole history, and the commands that it has sent. Nothing of it changes any more but verdicts in the ledger and
/// annotations of operations: one that comes between the export of an instance and its removal goes with its rows, and is exported nowhere.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceRecord {
    /// The instance.
    pub instance: HistoryInstance,
    /// Its activities, in the order in which they began.
    pub activities: Vec<HistoryActivity>,
    /// The latest value of every variable.
    pub variables: Vec<HistoryVariable>,
    /// Every change of a variable, in order, at history level full.
    pub updates: Vec<HistoryUpdate>,
    /// Its user tasks.
    pub tasks: Vec<HistoryTask>,
    /// Everybody who ever had to do with them.
    pub task_links: Vec<HistoryTaskLink>,
    /// Its incidents.
    pub incidents: Vec<HistoryIncident>,
    /// What operators did with it, in order.
    pub operations: Vec<OperationListed>,
    /// Its attempts, in the order in which they were written.
    pub ledger: Vec<LedgerRow>,
}

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
        let mut select = instances(HistoryInstanceFilter { finished: true, ..filter }, self.keeps_activities);
        select.maybe("h.instance_id > $?", after);
        let rows = select.rows(&self.pool, "h.instance_id", &ascending(&["h.instance_id"]), Page { first: 0, max }).await?;
        rows.iter().map(|row| row.get(0)).collect()
    }

    /// An ended instance's record; none for an instance that lives, never was, or is gone.
    pub async fn instance_record(&self, id: Uuid) -> Result<Option<InstanceRecord>, Error> {
        let Some(instance) = self.history_instance(id).await?.filter(|instance| instance.ended_at.is_some()) else { return Ok(None) };
        let of_instance = HistoryActivityFilter { instance: Some(id), ..HistoryActivityFilter::default() };
        let of_operations = OperationFilter { instance: Some(id), ..OperationFilter::default() };
        Ok(Some(InstanceRecord {
            instance,
            activities: self.history_activities(of_instance, Page::ALL, &[]).await?,
            variables: self.history_variables(id).await?,
            updates: self.list(UPDATES, id, update).await?,
            tasks: self.list(TASKS, id, task).await?,
            task_links: self.list(TASK_LINKS, id, task_link).await?,
            incidents: self.list(INCIDENTS, id, incident).await?,
            operations: self.operations(of_operations, Page::ALL, &[(OperationSort::At, Order::Asc)]).await?,
            ledger: self.ledger_of_instance(id, Page::ALL).await?,
        }))
    }

    async fn list<T>(&self, sql: &str, id: Uuid, read: fn(&mut Columns<'_>) -> Result<T, Error>) -> Result<Vec<T>, Error> {
        self.pool.fetch(sql, params![id]).await?.iter().map(|row| read(&mut row.columns())).collect()
    }
}

const UPDATES: &str = "SELECT revision, ordinal, scope, name, kind, json, removed, at FROM history_variable_update WHERE instance_id = $1 \
                       ORDER BY revision, ordinal";

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

const TASKS: &str = "SELECT wait, activity, activity_id, name, assignee, owner, description, due, follow_up, priority, created, updated, ended_at FROM history_task WHERE instance_id = $1 ORDER BY wait";

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

const TASK_LINKS: &str = "SELECT wait, kind, name FROM history_task_link WHERE instance_id = $1 ORDER BY wait, kind, name";

fn task_link(columns: &mut Columns<'_>) -> Result<HistoryTaskLink, Error> {
    Ok(HistoryTaskLink { wait: columns.next()?, kind: columns.next()?, name: columns.next()? })
}

const INCIDENTS: &str = "SELECT c.n, c.wait, c.activity, c.activity_id, c.failed_activity_id, c.job_definition_id, c.code, c.message, c.created, \
                         COALESCE(c.ended_at, h.ended_at) FROM history_incident c JOIN history_instance h ON h.instance_id = c.instance_id \
                         WHERE c.instance_id = $1 ORDER BY c.n";

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
