//! User tasks.

use uuid::Uuid;

use super::ask::{Ask, Asked, date, either, flag, is, is_in_any_case, like, like_in_any_case, nobodys, one_of, text, whole};
use super::select::{Select, keys_of};
use super::variables::{In, SortedKind, VariableCondition, having};
use super::{Order, Page, Reads};
use crate::Error;
use crate::db::Columns;
use crate::rows::TaskRow;

/// A user task in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskListed {
    /// Its instance.
    pub instance: Uuid,
    /// Whose it is.
    pub tenant: Option<String>,
    /// The instance's business key.
    pub business_key: Option<String>,
    /// The instance's definition, by key.
    pub definition_key: String,
    /// The instance is suspended.
    pub suspended: bool,
    /// The task.
    pub row: TaskRow,
}

/// Which tasks.
#[derive(Clone, Debug, Default)]
pub struct TaskFilter {
    /// One of these.
    pub ids: Vec<(Uuid, i64)>,
    /// Of one of these activity instances.
    pub activities: Vec<(Uuid, i64)>,
    /// Of one of these instances.
    pub instances: Vec<Uuid>,
    /// Of an instance whose process has variables like these.
    pub process_variables: Vec<VariableCondition>,
    /// With variables of their own like these.
    pub task_variables: Vec<VariableCondition>,
    /// That this user may claim. As in Camunda, only those that nobody has, unless `include_assigned`.
    pub candidate_user: Option<String>,
    /// That one of these groups may claim. As in Camunda, only those that nobody has, unless `include_assigned`.
    pub candidate_groups: Vec<String>,
    /// That a group like this may claim. As in Camunda, only those that nobody has, unless `include_assigned`.
    pub candidate_group_like: Option<String>,
    /// That some group may claim (true), or none. As in Camunda, only those that nobody has, unless `include_assigned`.
    pub with_candidate_groups: Option<bool>,
    /// That some user may claim (true), or none. As in Camunda, only those that nobody has, unless `include_assigned`.
    pub with_candidate_users: Option<bool>,
    /// Assigned tasks too.
    pub include_assigned: bool,
    /// And this, of [`TASKS`].
    pub asked: Vec<Asked>,
    /// And, for each of these, like it in at least one way.
    pub any: Vec<TaskFilter>,
}

/// Of a task's candidates.
macro_rules! candidate {
    ($which:literal) => {
        concat!("EXISTS (SELECT 1 FROM task_candidate c WHERE c.instance_id = task.instance_id AND c.wait = task.wait AND ", $which)
    };
}

/// What tasks can be asked. As in Camunda one without a name has no other name, either.
pub static TASKS: &[Ask] = &[
    is("processInstanceBusinessKey", "i.business_key"),
    one_of("processInstanceBusinessKeyIn", "i.business_key"),
    like("processInstanceBusinessKeyLike", "i.business_key"),
    is("processDefinitionId", "task.definition_id"),
    is("processDefinitionKey", "d.key"),
    one_of("processDefinitionKeyIn", "d.key"),
    is("processDefinitionName", "d.name"),
    like("processDefinitionNameLike", "d.name"),
    is("taskDefinitionKey", "task.activity_id"),
    one_of("taskDefinitionKeyIn", "task.activity_id"),
    one_of("taskDefinitionKeyNotIn", "NOT task.activity_id"),
    like("taskDefinitionKeyLike", "task.activity_id"),
    is_in_any_case("name", "LOWER(task.name)"),
    like_in_any_case("nameLike", "LOWER(task.name)"),
    is_in_any_case("nameNotEqual", "NOT LOWER(task.name)"),
    like_in_any_case("nameNotLike", "NOT LOWER(task.name)"),
    is_in_any_case("description", "LOWER(task.description)"),
    like_in_any_case("descriptionLike", "LOWER(task.description)"),
    is("assignee", "task.assignee"),
    one_of("assigneeIn", "task.assignee"),
    one_of("assigneeNotIn", "NOT task.assignee"),
    like("assigneeLike", "task.assignee"),
    either("assigned", "unassigned", "task.assignee IS NOT NULL"),
    // There are no sub-tasks: no task has a parent.
    text("parentTaskId", nobodys!("task.instance_id")),
    is("owner", "task.owner"),
    text("delegationState", "task.delegation = UPPER($?)"),
    text("involvedUser", concat!("(task.assignee = $? OR task.owner = $? OR ", candidate!("NOT c.is_group AND c.name = $?))"))),
    date("dueDate", "task.due = $?"),
    date("dueBefore", "task.due < $?"),
    date("dueAfter", "task.due > $?"),
    flag("withoutDueDate", "task.due IS NULL"),
    date("followUpDate", "task.follow_up = $?"),
    date("followUpBefore", "task.follow_up < $?"),
    date("followUpAfter", "task.follow_up > $?"),
    date("followUpBeforeOrNotExistent", "(task.follow_up IS NULL OR task.follow_up < $?)"),
    whole("priority", "task.priority = $?"),
    whole("minPriority", "task.priority >= $?"),
    whole("maxPriority", "task.priority <= $?"),
    date("createdOn", "task.created = $?"),
    date("createdBefore", "task.created < $?"),
    date("createdAfter", "task.created > $?"),
    // Or, if nobody has changed it yet, created after it.
    date("updatedAfter", "(task.updated > $? OR (task.updated IS NULL AND task.created > $?))"),
    either("suspended", "active", "task.suspended"),
    one_of("tenantIdIn", "i.tenant"),
    flag("withoutTenantId", "i.tenant = ''"),
];

/// What tasks are sorted by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskSort {
    /// Their id.
    Id,
    /// Their instance.
    Instance,
    /// Their name.
    Name,
    /// Their name, where upper and lower case of ASCII's letters are the same.
    NameIgnoringCase,
    /// Their description.
    Description,
    /// When they are due.
    Due,
    /// When they are to be followed up.
    FollowUp,
    /// How urgent they are.
    Priority,
    /// When they were created.
    Created,
    /// When somebody changed them last.
    Updated,
    /// Who has them.
    Assignee,
    /// Their owner.
    Owner,
    /// Their tenant.
    Tenant,
    /// A variable. Tasks without it, or with one of another type, are as those without a value.
    Variable {
        /// Whose it is.
        of: VariableOf,
        /// Its name.
        name: String,
        /// Its type.
        kind: SortedKind,
    },
}

/// Whose variables tasks are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VariableOf {
    /// The process's own.
    Process,
    /// Those of the task's activity instance.
    Execution,
    /// The task's own.
    Task,
}

impl VariableOf {
    fn scope(self) -> &'static str {
        match self {
            Self::Process => "1",
            Self::Execution => "task.activity",
            Self::Task => "task.wait",
        }
    }
}

impl TaskSort {
    /// Its SQL, for a statement that is given what that needs.
    fn expression(&self, select: &mut Select) -> String {
        let column = match self {
            Self::Id | Self::Instance => "task.instance_id",
            Self::Name => "task.name",
            Self::NameIgnoringCase => "LOWER(task.name)",
            Self::Description => "task.description",
            Self::Due => "task.due",
            Self::FollowUp => "task.follow_up",
            Self::Priority => "task.priority",
            Self::Created => "task.created",
            Self::Updated => "task.updated",
            Self::Assignee => "task.assignee",
            Self::Owner => "task.owner",
            Self::Tenant => "i.tenant",
            Self::Variable { of, name, kind } => {
                let name = select.bind(name.as_str());
                return kind.sorted(&format!("v.instance_id = task.instance_id AND v.scope = {} AND v.name = {name}", of.scope()));
            }
        };
        column.to_owned()
    }
}

pub(super) const ROW: &str = "task.wait, task.activity, task.activity_id, task.name, task.definition_id, task.assignee, task.owner, task.delegation, \
                              task.candidate_users, task.candidate_groups, task.due, task.follow_up, task.priority, task.created, task.updated, task.form_key, task.description";

pub(super) fn row(columns: &mut Columns<'_>) -> Result<TaskRow, Error> {
    Ok(TaskRow {
        wait: columns.next()?,
        activity: columns.next()?,
        activity_id: columns.next()?,
        name: columns.next()?,
        definition_id: columns.next()?,
        assignee: columns.next()?,
        owner: columns.next()?,
        delegation: columns.next()?,
        candidate_users: columns.next_list()?,
        candidate_groups: columns.next_list()?,
        due: columns.next()?,
        follow_up: columns.next()?,
        priority: columns.next()?,
        created: columns.next()?,
        updated: columns.next()?,
        form_key: columns.next()?,
        description: columns.next()?,
    })
}

const FROM: &str = "task CROSS JOIN instance i LEFT JOIN definition d ON d.id = task.definition_id";

fn select(mut filter: TaskFilter) -> Select {
    let mut select = Select::new(FROM);
    select.condition("i.id = task.instance_id");
    let any = std::mem::take(&mut filter.any);
    conditions(&mut select, filter);
    for filter in any {
        select.any(|select| conditions(select, filter));
    }
    select
}

/// Each way of a filter is one condition.
fn conditions(select: &mut Select, filter: TaskFilter) {
    select.numbered("task.instance_id", "task.wait", filter.ids);
    select.numbered("task.instance_id", "task.activity", filter.activities);
    select.uuids("task.instance_id", filter.instances);
    having(select, "task.instance_id", In::Process, filter.process_variables);
    having(select, "task.instance_id", In::Scope("task.wait"), filter.task_variables);
    let unassigned = if filter.include_assigned { "" } else { " AND task.assignee IS NULL" };
    select.maybe(&format!("({}{unassigned})", candidate!("NOT c.is_group AND c.name = $?)")), filter.candidate_user);
    if !filter.candidate_groups.is_empty() {
        select.texts(concat!("(", candidate!("c.is_group AND c.name")), filter.candidate_groups);
        select.close_with(&format!("{unassigned})"));
    }
    let like = candidate!("c.is_group AND c.name LIKE $? ESCAPE '\\')");
    select.maybe(&format!("({like}{unassigned})"), filter.candidate_group_like);
    for (wanted, some) in
        [(filter.with_candidate_groups, candidate!("c.is_group)")), (filter.with_candidate_users, candidate!("NOT c.is_group)"))]
    {
        select.when(wanted == Some(true), &format!("({some}{unassigned})"));
        select.when(wanted == Some(false), &format!("(NOT {some}{unassigned})"));
    }
    select.asked(filter.asked);
}

impl Reads {
    /// User tasks.
    pub async fn tasks(&self, filter: TaskFilter, page: Page, sort: &[(TaskSort, Order)]) -> Result<Vec<TaskListed>, Error> {
        let columns = format!("task.instance_id, i.tenant, i.business_key, d.key, task.suspended, {ROW}");
        let mut select = select(filter);
        let sort = sort.iter().map(|(by, order)| (by.expression(&mut select), *order)).collect();
        let rows = select.large_rows(&self.pool, &columns, &keys_of(sort, &["task.instance_id", "task.wait"]), page).await?;
        rows.iter()
            .map(|found| {
                let mut columns = found.columns();
                Ok(TaskListed {
                    instance: columns.next()?,
                    tenant: columns.next_tenant()?,
                    business_key: columns.next()?,
                    definition_key: columns.next()?,
                    suspended: columns.next()?,
                    row: row(&mut columns)?,
                })
            })
            .collect()
    }

    /// How many there are.
    pub async fn count_tasks(&self, filter: TaskFilter) -> Result<i64, Error> {
        select(filter).count(&self.pool).await
    }

    /// One task.
    pub async fn task(&self, instance: Uuid, wait: i64) -> Result<Option<TaskListed>, Error> {
        let filter = TaskFilter { ids: vec![(instance, wait)], ..TaskFilter::default() };
        Ok(self.tasks(filter, Page::ALL, &[]).await?.pop())
    }
}
