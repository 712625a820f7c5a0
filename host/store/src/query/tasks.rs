//! User tasks.

use uuid::Uuid;

use super::select::{Select, Sort, keys};
use super::variables::{VariableCondition, having};
use super::{Order, Page, Reads};
use crate::Error;
use crate::db::{Columns, Param};
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
    /// Of an instance with this business key.
    pub business_key: Option<String>,
    /// Of an instance with one of these business keys.
    pub business_keys: Vec<String>,
    /// Of an instance with a business key like this.
    pub business_key_like: Option<String>,
    /// Of this definition.
    pub definition_id: Option<String>,
    /// Of this definition key.
    pub definition_key: Option<String>,
    /// Of one of these definition keys.
    pub definition_keys: Vec<String>,
    /// Of a definition with this name.
    pub definition_name: Option<String>,
    /// Of a definition with a name like this.
    pub definition_name_like: Option<String>,
    /// At this activity.
    pub activity_id: Option<String>,
    /// At one of these activities.
    pub activity_ids: Vec<String>,
    /// At none of these activities.
    pub activity_ids_not: Vec<String>,
    /// At an activity like this.
    pub activity_id_like: Option<String>,
    /// With this name.
    pub name: Option<String>,
    /// With a name like this.
    pub name_like: Option<String>,
    /// With another name than this. As in Camunda, not without any; so is the next.
    pub name_not: Option<String>,
    /// With a name that is not like this.
    pub name_not_like: Option<String>,
    /// With this description.
    pub description: Option<String>,
    /// With a description like this.
    pub description_like: Option<String>,
    /// Assigned to this user.
    pub assignee: Option<String>,
    /// Assigned to one of these users.
    pub assignees: Vec<String>,
    /// Assigned, and to none of these users.
    pub assignees_not: Vec<String>,
    /// Assigned to a user like this.
    pub assignee_like: Option<String>,
    /// Assigned (true) or not (false).
    pub assigned: Option<bool>,
    /// Of this owner.
    pub owner: Option<String>,
    /// Delegated, in this state: `PENDING` or `RESOLVED`.
    pub delegation: Option<String>,
    /// That this user has, owns or may claim.
    pub involved: Option<String>,
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
    /// Assigned tasks too.
    pub include_assigned: bool,
    /// With (true) or without (false) candidate groups.
    pub with_candidate_groups: Option<bool>,
    /// With (true) or without (false) candidate users.
    pub with_candidate_users: Option<bool>,
    /// Due at this moment.
    pub due_at: Option<i64>,
    /// Due before this.
    pub due_before: Option<i64>,
    /// Due after this.
    pub due_after: Option<i64>,
    /// With (true) or without (false) a due date.
    pub has_due: Option<bool>,
    /// To be followed up at this moment.
    pub follow_up_at: Option<i64>,
    /// To be followed up before this.
    pub follow_up_before: Option<i64>,
    /// To be followed up after this.
    pub follow_up_after: Option<i64>,
    /// To be followed up before this, or at no particular time.
    pub follow_up_before_or_none: Option<i64>,
    /// With this priority.
    pub priority: Option<i64>,
    /// With at least this priority.
    pub min_priority: Option<i64>,
    /// With at most this priority.
    pub max_priority: Option<i64>,
    /// Created at this moment.
    pub created_at: Option<i64>,
    /// Created before this.
    pub created_before: Option<i64>,
    /// Created after this.
    pub created_after: Option<i64>,
    /// Changed after this or, if nobody has changed them yet, created after it.
    pub updated_after: Option<i64>,
    /// Suspended (true) or active (false).
    pub suspended: Option<bool>,
    /// Of one of these tenants.
    pub tenants: Vec<String>,
    /// Of no tenant.
    pub without_tenant: bool,
    /// And, for each of these, like it in at least one way.
    pub any: Vec<TaskFilter>,
}

/// What tasks are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
}

impl Sort for TaskSort {
    fn column(self) -> &'static str {
        match self {
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
        }
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
    select.maybe("i.business_key = $?", filter.business_key);
    select.texts("i.business_key", filter.business_keys);
    select.like("i.business_key", filter.business_key_like);
    select.maybe("task.definition_id = $?", filter.definition_id);
    select.maybe("d.key = $?", filter.definition_key);
    select.texts("d.key", filter.definition_keys);
    select.maybe("d.name = $?", filter.definition_name);
    select.like("d.name", filter.definition_name_like);
    select.maybe("task.activity_id = $?", filter.activity_id);
    select.texts("task.activity_id", filter.activity_ids);
    select.texts("NOT task.activity_id", filter.activity_ids_not);
    select.like("task.activity_id", filter.activity_id_like);
    select.maybe("task.name = $?", filter.name);
    select.like("task.name", filter.name_like);
    select.maybe("task.name <> $?", filter.name_not);
    select.like("NOT task.name", filter.name_not_like);
    select.maybe("task.description = $?", filter.description);
    select.like("task.description", filter.description_like);
    select.maybe("task.assignee = $?", filter.assignee);
    select.texts("task.assignee", filter.assignees);
    select.texts("NOT task.assignee", filter.assignees_not);
    select.like("task.assignee", filter.assignee_like);
    select.maybe("task.owner = $?", filter.owner);
    select.maybe("task.delegation = $?", filter.delegation);
    let candidate = "EXISTS (SELECT 1 FROM task_candidate c WHERE c.instance_id = task.instance_id AND c.wait = task.wait AND";
    let involved = format!("(task.assignee = $? OR task.owner = $? OR {candidate} NOT c.is_group AND c.name = $?))");
    select.maybe(&involved, filter.involved);
    having(select, "task.instance_id", Some("1"), filter.process_variables);
    having(select, "task.instance_id", Some("task.wait"), filter.task_variables);
    match filter.assigned {
        Some(true) => select.condition("task.assignee IS NOT NULL"),
        Some(false) => select.condition("task.assignee IS NULL"),
        None => {}
    }
    let unassigned = if filter.include_assigned { "" } else { " AND task.assignee IS NULL" };
    select.maybe(&format!("({candidate} NOT c.is_group AND c.name = $?){unassigned})"), filter.candidate_user);
    if !filter.candidate_groups.is_empty() {
        select.texts(&format!("({candidate} c.is_group AND c.name"), filter.candidate_groups);
        select.close_with(&format!("{unassigned})"));
    }
    select.maybe(&format!("({candidate} c.is_group AND c.name LIKE $? ESCAPE '\\'){unassigned})"), filter.candidate_group_like);
    for (asked, kind) in [(filter.with_candidate_groups, "c.is_group"), (filter.with_candidate_users, "NOT c.is_group")] {
        match asked {
            Some(true) => select.condition(&format!("{candidate} {kind})")),
            Some(false) => select.condition(&format!("NOT {candidate} {kind})")),
            None => {}
        }
    }
    select.maybe("task.due = $?", filter.due_at);
    select.maybe("task.due < $?", filter.due_before);
    select.maybe("task.due > $?", filter.due_after);
    match filter.has_due {
        Some(true) => select.condition("task.due IS NOT NULL"),
        Some(false) => select.condition("task.due IS NULL"),
        None => {}
    }
    select.maybe("task.follow_up = $?", filter.follow_up_at);
    select.maybe("task.follow_up < $?", filter.follow_up_before);
    select.maybe("task.follow_up > $?", filter.follow_up_after);
    select.maybe("(task.follow_up IS NULL OR task.follow_up < $?)", filter.follow_up_before_or_none);
    select.maybe("task.priority = $?", filter.priority);
    select.maybe("task.priority >= $?", filter.min_priority);
    select.maybe("task.priority <= $?", filter.max_priority);
    select.maybe("task.created = $?", filter.created_at);
    select.maybe("task.created < $?", filter.created_before);
    select.maybe("task.created > $?", filter.created_after);
    if let Some(after) = filter.updated_after.map(Param::I64) {
        select.with_each("(task.updated > $? OR (task.updated IS NULL AND task.created > $?))", [after.clone(), after]);
    }
    select.maybe("task.suspended = $?", filter.suspended);
    select.tenants("i.tenant", filter.tenants, filter.without_tenant);
}

impl Reads {
    /// User tasks.
    pub async fn tasks(&self, filter: TaskFilter, page: Page, sort: &[(TaskSort, Order)]) -> Result<Vec<TaskListed>, Error> {
        let columns = format!("task.instance_id, i.tenant, i.business_key, d.key, task.suspended, {ROW}");
        let rows = select(filter).rows(&self.pool, &columns, &keys(sort, &["task.instance_id", "task.wait"]), page).await?;
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
