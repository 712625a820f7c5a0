//! What history has beside instances and activities: variables and user tasks, of ended instances too.

use uuid::Uuid;

use super::ask::{Ask, Asked, date, either, flag, is, is_in_any_case, like, like_in_any_case, nobodys, one_of, text, whole};
use super::history::{HistoryVariable, WITH_BUSINESS_KEY};
use super::record::HistoryTask;
use super::select::{Select, Sort, keys};
use super::variables::{In, VariableCondition, having};
use super::{CallFilter, Order, Page, Reads};
use crate::Error;
use crate::db::{Columns, Row};

/// A row of history with what its list says of its instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered<T> {
    /// Its instance.
    pub instance: Uuid,
    /// Whose it is.
    pub tenant: Option<String>,
    /// What the instance runs.
    pub definition_id: String,
    /// What the instance runs, by key.
    pub definition_key: String,
    /// When the instance's history is to be removed.
    pub removal_at: Option<i64>,
    /// The root of all calls that led to the instance: itself, if nobody called it.
    pub root_instance: Uuid,
    /// The row.
    pub row: T,
}

/// Of which instances, in every list of this file.
#[derive(Clone, Debug, Default)]
pub struct OfInstances {
    /// One of these.
    pub ids: Vec<Uuid>,
    /// This one, or one that its calls led to.
    pub root: Option<Uuid>,
    /// Of this definition.
    pub definition_id: Option<String>,
    /// Of one of these definition keys.
    pub definition_keys: Vec<String>,
    /// With this business key.
    pub business_key: Option<String>,
    /// With one of these business keys.
    pub business_keys: Vec<String>,
    /// With a business key like this.
    pub business_key_like: Option<String>,
    /// Of a definition with this name.
    pub definition_name: Option<String>,
    /// Ended (true) or alive.
    pub ended: Option<bool>,
    /// Of one of these tenants.
    pub tenants: Vec<String>,
    /// Of no tenant.
    pub without_tenant: bool,
}

/// Which variables.
#[derive(Clone, Debug, Default)]
pub struct HistoryVariableFilter {
    /// Whose.
    pub of: OfInstances,
    /// Of one of these scopes.
    pub scopes: Vec<(Uuid, i64)>,
    /// Of one of these activity instances, or of a user task in it.
    pub activities: Vec<(Uuid, i64)>,
    /// Of one of these user tasks.
    pub tasks: Vec<(Uuid, i64)>,
    /// With one of these names.
    pub names: Vec<String>,
    /// With a name like this.
    pub name_like: Option<String>,
    /// Where upper and lower case of ASCII's letters are the same in both.
    pub names_ignoring_case: bool,
    /// With this name and value.
    pub value: Option<VariableCondition>,
    /// Of one of these types.
    pub kinds: Vec<String>,
    /// Removed ones, too.
    pub removed_too: bool,
}

/// What variables are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryVariableSort {
    /// Their instance.
    Instance,
    /// Their name.
    Name,
    /// Their tenant.
    Tenant,
}

impl Sort for HistoryVariableSort {
    fn column(self) -> &'static str {
        match self {
            Self::Instance => "v.instance_id",
            Self::Name => "v.name",
            Self::Tenant => "h.tenant",
        }
    }
}

/// Which user tasks.
#[derive(Clone, Debug, Default)]
pub struct HistoryTaskFilter {
    /// Whose.
    pub of: OfInstances,
    /// One of these.
    pub ids: Vec<(Uuid, i64)>,
    /// Of one of these activity instances.
    pub activities: Vec<(Uuid, i64)>,
    /// Of an instance whose process has, or had in the end, variables like these.
    pub process_variables: Vec<VariableCondition>,
    /// With variables of their own like these.
    pub task_variables: Vec<VariableCondition>,
    /// And this, of [`HISTORY_TASKS`].
    pub asked: Vec<Asked>,
    /// And, for each of these, like it in at least one way.
    pub any: Vec<HistoryTaskFilter>,
}

/// Camunda's reasons for which a task is over; none: it is open.
macro_rules! reason {
    () => {
        "(CASE WHEN t.ended_at IS NULL THEN NULL WHEN a.canceled THEN 'deleted' ELSE 'completed' END)"
    };
}

/// Tasks with which somebody ever had to do.
macro_rules! linked {
    ($who:literal) => {
        concat!("(t.instance_id, t.wait) IN (SELECT l.instance_id, l.wait FROM history_task_link l WHERE ", $who, ")")
    };
}

/// What user tasks can be asked. When they were created and ended is asked as Camunda 7 counts: before a moment, or in it.
pub static HISTORY_TASKS: &[Ask] = &[
    is("taskDefinitionKey", "t.activity_id"),
    one_of("taskDefinitionKeyIn", "t.activity_id"),
    is_in_any_case("taskName", "LOWER(t.name)"),
    like_in_any_case("taskNameLike", "LOWER(t.name)"),
    is_in_any_case("taskDescription", "LOWER(t.description)"),
    like_in_any_case("taskDescriptionLike", "LOWER(t.description)"),
    // There are no sub-tasks: no task has a parent.
    text("taskParentTaskId", nobodys!("t.instance_id")),
    is("taskOwner", "t.owner"),
    like("taskOwnerLike", "t.owner"),
    whole("taskPriority", "t.priority = $?"),
    is("taskDeleteReason", reason!()),
    like("taskDeleteReasonLike", reason!()),
    is("taskAssignee", "t.assignee"),
    like("taskAssigneeLike", "t.assignee"),
    either("assigned", "unassigned", "t.assignee IS NOT NULL"),
    text("taskInvolvedUser", linked!("l.name = $? AND l.kind <> 'group'")),
    text("taskInvolvedGroup", linked!("l.name = $? AND l.kind = 'group'")),
    text("taskHadCandidateUser", linked!("l.name = $? AND l.kind = 'user'")),
    text("taskHadCandidateGroup", linked!("l.name = $? AND l.kind = 'group'")),
    either(
        "withCandidateGroups",
        "withoutCandidateGroups",
        "EXISTS (SELECT 1 FROM history_task_link l WHERE l.instance_id = t.instance_id AND l.wait = t.wait AND l.kind = 'group')",
    ),
    either("finished", "unfinished", "t.ended_at IS NOT NULL"),
    date("taskDueDate", "t.due = $?"),
    date("taskDueDateBefore", "t.due < $?"),
    date("taskDueDateAfter", "t.due > $?"),
    flag("withoutTaskDueDate", "t.due IS NULL"),
    date("taskFollowUpDate", "t.follow_up = $?"),
    date("taskFollowUpDateBefore", "t.follow_up < $?"),
    date("taskFollowUpDateAfter", "t.follow_up > $?"),
    date("startedBefore", "t.created <= $?"),
    date("startedAfter", "t.created >= $?"),
    date("finishedBefore", "t.ended_at <= $?"),
    date("finishedAfter", "t.ended_at >= $?"),
];

/// What user tasks are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryTaskSort {
    /// Their id.
    Id,
    /// Their instance.
    Instance,
    /// Their definition.
    DefinitionId,
    /// Their element.
    ActivityId,
    /// Their name.
    Name,
    /// Their description.
    Description,
    /// Their assignee.
    Assignee,
    /// Their owner.
    Owner,
    /// How urgent they are.
    Priority,
    /// Why they are over.
    Reason,
    /// When they are due.
    Due,
    /// When they are to be followed up.
    FollowUp,
    /// When they were created.
    Created,
    /// When they ended.
    Ended,
    /// How long they took; open ones have no duration yet.
    Duration,
    /// Their tenant.
    Tenant,
}

impl Sort for HistoryTaskSort {
    fn column(self) -> &'static str {
        match self {
            Self::Id | Self::Instance => "t.instance_id",
            Self::DefinitionId => "t.definition_id",
            Self::ActivityId => "t.activity_id",
            Self::Name => "t.name",
            Self::Description => "t.description",
            Self::Assignee => "t.assignee",
            Self::Owner => "t.owner",
            Self::Priority => "t.priority",
            Self::Reason => reason!(),
            Self::Due => "t.due",
            Self::FollowUp => "t.follow_up",
            Self::Created => "t.created",
            Self::Ended => "t.ended_at",
            Self::Duration => "t.ended_at - t.created",
            Self::Tenant => "h.tenant",
        }
    }
}

/// What every list of this file shows of the instance.
pub(super) const OF_INSTANCE: &str =
    "h.instance_id, h.tenant, h.definition_id, h.definition_key, h.removal_at, COALESCE(h.root_instance, h.instance_id)";

/// Rows that belong to instances; `key` is the column that says to which. The rows come first, in the order of their own key.
pub(super) fn select(from: &'static str, key: &str, of: OfInstances) -> Select {
    let mut select = Select::new(from);
    of_instances(&mut select, key, of);
    select
}

/// The same, as conditions of a list that has several places.
pub(super) fn of_instances(select: &mut Select, key: &str, of: OfInstances) {
    select.condition(&format!("h.instance_id = {key}"));
    with_instances(select, key, of);
}

/// Of which instances; each way of asking is one condition.
fn with_instances(select: &mut Select, key: &str, of: OfInstances) {
    select.uuids(key, of.ids);
    CallFilter { of_root: of.root, ..CallFilter::default() }.add(select, "h", "history_instance", "instance_id");
    select.maybe("h.definition_id = $?", of.definition_id);
    select.texts("h.definition_key", of.definition_keys);
    select.maybe(&format!("{key} {WITH_BUSINESS_KEY}"), of.business_key);
    select.texts("h.business_key", of.business_keys);
    select.like("h.business_key", of.business_key_like);
    select.maybe("h.definition_id IN (SELECT d.id FROM definition d WHERE d.name = $?)", of.definition_name);
    select.when(of.ended == Some(true), "h.ended_at IS NOT NULL");
    select.when(of.ended == Some(false), "h.ended_at IS NULL");
    select.tenants("h.tenant", of.tenants, of.without_tenant);
}

fn variables(filter: HistoryVariableFilter) -> Select {
    let from = "history_variable v CROSS JOIN history_instance h LEFT JOIN history_task ht ON ht.instance_id = v.instance_id AND ht.wait = v.scope";
    let mut select = select(from, "v.instance_id", filter.of);
    select.numbered("v.instance_id", "v.scope", filter.scopes);
    select.numbered("v.instance_id", "COALESCE(ht.activity, v.scope)", filter.activities);
    select.numbered("ht.instance_id", "ht.wait", filter.tasks);
    if filter.names_ignoring_case {
        select.texts("LOWER(v.name)", filter.names.iter().map(|name| name.to_ascii_lowercase()).collect());
        select.like("LOWER(v.name)", filter.name_like.map(|pattern| pattern.to_ascii_lowercase()));
    } else {
        select.texts("v.name", filter.names);
        select.like("v.name", filter.name_like);
    }
    if let Some(value) = filter.value {
        value.add(&mut select);
    }
    select.texts("v.kind", filter.kinds);
    select.when(!filter.removed_too, "NOT v.removed");
    select
}

fn tasks(mut filter: HistoryTaskFilter) -> Select {
    let from =
        "history_task t CROSS JOIN history_instance h LEFT JOIN history_activity a ON a.instance_id = t.instance_id AND a.n = t.activity";
    let mut select = Select::new(from);
    select.condition("h.instance_id = t.instance_id");
    let any = std::mem::take(&mut filter.any);
    of_tasks(&mut select, filter);
    for filter in any {
        select.any(|select| of_tasks(select, filter));
    }
    select
}

/// Each way of a filter is one condition.
fn of_tasks(select: &mut Select, filter: HistoryTaskFilter) {
    with_instances(select, "t.instance_id", filter.of);
    select.numbered("t.instance_id", "t.wait", filter.ids);
    select.numbered("t.instance_id", "t.activity", filter.activities);
    having(select, "t.instance_id", In::ProcessOrPast, filter.process_variables);
    having(select, "t.instance_id", In::Scope("t.wait"), filter.task_variables);
    select.asked(filter.asked);
}

pub(super) fn remembered<T>(row: &Row, read: impl FnOnce(Uuid, &mut Columns<'_>) -> Result<T, Error>) -> Result<Remembered<T>, Error> {
    let mut columns = row.columns();
    let instance = columns.next()?;
    Ok(Remembered {
        instance,
        tenant: columns.next_tenant()?,
        definition_id: columns.next()?,
        definition_key: columns.next()?,
        removal_at: columns.next()?,
        root_instance: columns.next()?,
        row: read(instance, &mut columns)?,
    })
}

impl Reads {
    /// Variables, each with its last value; with that of a user task, the task's activity: its scope is the task's number.
    pub async fn remembered_variables(
        &self,
        filter: HistoryVariableFilter,
        page: Page,
        sort: &[(HistoryVariableSort, Order)],
    ) -> Result<Vec<Remembered<(HistoryVariable, Option<i64>)>>, Error> {
        let columns = format!("{OF_INSTANCE}, v.scope, v.name, v.kind, v.json, v.removed, v.created, v.updated, ht.activity");
        let ties = ["v.instance_id", "v.scope", "v.name"];
        let rows = variables(filter).large_rows(&self.pool, &columns, &keys(sort, &ties), page).await?;
        let variable = |instance, columns: &mut Columns<'_>| {
            let variable = HistoryVariable {
                instance,
                scope: columns.next()?,
                name: columns.next()?,
                kind: columns.next()?,
                json: columns.next()?,
                removed: columns.next()?,
                created: columns.next()?,
                updated: columns.next()?,
            };
            Ok((variable, columns.next()?))
        };
        rows.iter().map(|row| remembered(row, variable)).collect()
    }

    /// How many there are.
    pub async fn count_remembered_variables(&self, filter: HistoryVariableFilter) -> Result<i64, Error> {
        variables(filter).count(&self.pool).await
    }

    /// User tasks; with each, whether it was interrupted.
    pub async fn remembered_tasks(
        &self,
        filter: HistoryTaskFilter,
        page: Page,
        sort: &[(HistoryTaskSort, Order)],
    ) -> Result<Vec<Remembered<(HistoryTask, bool)>>, Error> {
        let columns = format!(
            "{OF_INSTANCE}, t.wait, t.activity, t.activity_id, t.name, t.assignee, t.owner, t.description, t.due, t.follow_up, t.priority, t.created, \
             t.updated, t.ended_at, COALESCE(a.canceled, FALSE)"
        );
        let rows = tasks(filter).large_rows(&self.pool, &columns, &keys(sort, &["t.instance_id", "t.wait"]), page).await?;
        rows.iter().map(|row| remembered(row, |_, columns| Ok((super::record::task(columns)?, columns.next()?)))).collect()
    }

    /// How many there are.
    pub async fn count_remembered_tasks(&self, filter: HistoryTaskFilter) -> Result<i64, Error> {
        tasks(filter).count(&self.pool).await
    }
}
