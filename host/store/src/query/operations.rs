//! What operators did.

use uuid::Uuid;

use super::select::{Select, Sort, keys};
use super::{Order, Page, Reads};
use crate::Error;
use crate::rows::OperationRow;
use crate::write::operations::NO_INSTANCE;

/// An entry of the log in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationListed {
    /// Its place among those of its operation.
    pub ordinal: i64,
    /// When its instance's history is to be removed.
    pub removal_at: Option<i64>,
    /// The root of all calls that led to its instance: itself, if nobody called it. None: it has none, or its history does not know.
    pub root_instance: Option<Uuid>,
    /// The entry.
    pub row: OperationRow,
}

/// Which entries.
#[derive(Clone, Debug, Default)]
pub struct OperationFilter {
    /// Of this operation.
    pub operation: Option<Uuid>,
    /// Of this instance.
    pub instance: Option<Uuid>,
    /// About this activity instance.
    pub activity: Option<(Uuid, i64)>,
    /// About this task, job or external task, as one of these types of entities.
    pub wait: Vec<((Uuid, i64), Vec<String>)>,
    /// About this definition or an instance of it.
    pub definition_id: Option<String>,
    /// About this definition's key.
    pub definition_key: Option<String>,
    /// About this job definition or a job of it.
    pub job_definition_id: Option<String>,
    /// About this deployment.
    pub deployment_id: Option<String>,
    /// By this user.
    pub user: Option<String>,
    /// Of this type.
    pub operation_type: Option<String>,
    /// About one of these types of entities.
    pub entity_types: Vec<String>,
    /// Of one of these categories.
    pub categories: Vec<String>,
    /// About this property.
    pub property: Option<String>,
    /// Since then; that moment too, as in Camunda.
    pub after: Option<i64>,
    /// Until then; that moment too.
    pub before: Option<i64>,
}

/// What entries are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationSort {
    /// When.
    At,
}

impl Sort for OperationSort {
    fn column(self) -> &'static str {
        match self {
            Self::At => "o.at",
        }
    }
}

const COLUMNS: &str = "o.ordinal, h.removal_at, COALESCE(h.root_instance, h.instance_id), o.operation, o.at, o.user_id, o.annotation, o.operation_type, o.entity_type, o.category, \
                       o.property, o.org_value, o.new_value, o.instance_id, o.tenant, o.definition_id, o.definition_key, o.deployment_id, \
                       o.activity, o.wait, o.job_definition_id";

fn select(filter: OperationFilter) -> Select {
    let mut select = Select::new("history_operation o LEFT JOIN history_instance h ON h.instance_id = o.instance_id");
    select.maybe("o.operation = $?", filter.operation);
    select.maybe("o.instance_id = $?", filter.instance);
    select.numbered("o.instance_id", "o.activity", filter.activity.into_iter().collect());
    for (wait, entity_types) in filter.wait {
        select.numbered("o.instance_id", "o.wait", vec![wait]);
        select.texts("o.entity_type", entity_types);
    }
    select.maybe("o.definition_id = $?", filter.definition_id);
    select.maybe("o.definition_key = $?", filter.definition_key);
    select.maybe("o.job_definition_id = $?", filter.job_definition_id);
    select.maybe("o.deployment_id = $?", filter.deployment_id);
    select.maybe("o.user_id = $?", filter.user);
    select.maybe("o.operation_type = $?", filter.operation_type);
    select.texts("o.entity_type", filter.entity_types);
    select.texts("o.category", filter.categories);
    select.maybe("o.property = $?", filter.property);
    select.maybe("o.at >= $?", filter.after);
    select.maybe("o.at <= $?", filter.before);
    select
}

impl Reads {
    /// What operators did.
    pub async fn operations(
        &self,
        filter: OperationFilter,
        page: Page,
        sort: &[(OperationSort, Order)],
    ) -> Result<Vec<OperationListed>, Error> {
        let rows = select(filter).large_rows(&self.pool, COLUMNS, &keys(sort, &["o.operation", "o.ordinal"]), page).await?;
        rows.iter()
            .map(|row| {
                let mut columns = row.columns();
                Ok(OperationListed {
                    ordinal: columns.next()?,
                    removal_at: columns.next()?,
                    root_instance: columns.next()?,
                    row: OperationRow {
                        operation: columns.next()?,
                        at: columns.next()?,
                        user: columns.next()?,
                        annotation: columns.next()?,
                        operation_type: columns.next()?,
                        entity_type: columns.next()?,
                        category: columns.next()?,
                        property: columns.next()?,
                        org_value: columns.next()?,
                        new_value: columns.next()?,
                        instance: Some(columns.next()?).filter(|id| *id != NO_INSTANCE),
                        tenant: columns.next_tenant()?,
                        definition_id: columns.next()?,
                        definition_key: columns.next()?,
                        deployment_id: columns.next()?,
                        activity: columns.next()?,
                        wait: columns.next()?,
                        job_definition_id: columns.next()?,
                    },
                })
            })
            .collect()
    }

    /// How many entries there are.
    pub async fn count_operations(&self, filter: OperationFilter) -> Result<i64, Error> {
        select(filter).count(&self.pool).await
    }
}
