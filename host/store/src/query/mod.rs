//! Reads: one file per noun, each with a filter, a list and a count.
//!
//! A filter's empty fields ask for nothing. Every list has an order of its own to break ties, so that pages neither repeat nor skip rows
//! that do not move. Texts are compared and sorted by their bytes, on both databases.

mod ask;
mod calls;
mod definitions;
mod delegates;
mod deployments;
mod details;
mod event_subscriptions;
mod executions;
mod external_tasks;
mod gathered;
mod history;
mod history_activities;
mod history_incidents;
mod incidents;
mod instances;
mod jobs;
mod lead;
mod metrics;
mod operations;
mod orphans;
mod overdue;
mod record;
mod remembered;
mod select;
mod standing;
mod starts;
mod subscriptions;
mod tasks;
mod variables;

use crate::Error;
use crate::db::Pool;

pub use ask::{Ask, AskKind, Asked, AskedValue};
pub use calls::CallFilter;
#[cfg(test)]
pub(crate) use definitions::{ACTIVITY_FAILURES, failed_by_definition, tokens_sql};
pub use definitions::{ActivityStatistics, DEFINITIONS, DefinitionFilter, DefinitionRow, DefinitionSort, DefinitionStatistics, StartEvent};
pub(crate) use definitions::{COLUMNS as DEFINITION_COLUMNS, NEWEST, definition as read_definition};
pub use delegates::{BoundDefinition, DelegateFilter, DelegateListed};
pub use deployments::{DeploymentFilter, DeploymentRow, DeploymentSort, ResourceRow};
pub use details::{DetailFilter, DetailSort};
pub use event_subscriptions::{EventSubscriptionFilter, EventSubscriptionListed, EventSubscriptionOf, EventSubscriptionSort};
pub use executions::{ExecutionFilter, ExecutionListed, ExecutionSort};
pub use external_tasks::{ExternalTaskFilter, ExternalTaskListed, ExternalTaskSort};
pub(crate) use external_tasks::{fetched_columns, read as read_external_task};
#[cfg(test)]
pub(crate) use gathered::BATCHES;
pub(crate) use gathered::Gathered;
pub use history::{HistoryInstance, HistoryInstanceFilter, HistoryInstanceSort, HistoryVariable, IncidentOf};
pub use history_activities::{HistoryActivity, HistoryActivityFilter, HistoryActivitySort};
#[cfg(test)]
pub(crate) use history_incidents::remembered_incidents_sql;
pub use history_incidents::{HistoryIncidentFilter, HistoryIncidentSort, IncidentRemembered, IncidentState};
pub use incidents::{Cause, IncidentFilter, IncidentListed, IncidentName, IncidentSort};
pub use instances::{IndexRows, InstanceFilter, InstanceListed, InstanceRow, InstanceSort};
#[cfg(test)]
pub(crate) use jobs::jobs_sql;
pub use jobs::{DELIVERY, JobFilter, JobListed, JobSort, START_TIMER};
pub use metrics::{ActiveInstances, Counts, HostRow, MOST_DUE};
pub use operations::{OperationFilter, OperationListed, OperationSort};
pub use record::{HistoryIncident, HistoryTask, HistoryTaskLink, HistoryUpdate, RecordPart, RecordReader, RecordRows};
pub use remembered::{
    HISTORY_TASKS, HistoryTaskFilter, HistoryTaskSort, HistoryVariableFilter, HistoryVariableSort, OfInstances, Remembered,
};
pub(crate) use select::large_rows;
pub use starts::KeyedStart;
pub use subscriptions::{SubscriptionFilter, SubscriptionListed};
pub use tasks::{TASKS, TaskFilter, TaskListed, TaskSort, VariableOf};
#[cfg(test)]
pub(crate) use variables::variables_sql;
pub use variables::{Comparison, IgnoringCase, Operand, SortedKind, VariableCondition, VariableFilter, VariableListed, VariableSort};

/// How many bytes one answer holds of what processes and clients may have made large, such as the values of variables and the messages of
/// failures. Lists that would have more are refused.
pub const MAX_ANSWER_BYTES: usize = 16 << 20;

/// Reads of a store. Cheap to clone.
#[derive(Clone)]
pub struct Reads {
    /// For lists, and whatever may read for long.
    pub(crate) pool: Pool,
    /// For what units of work and claims ask, each a few rows by an index.
    pub(crate) lookups: Pool,
    pub(crate) gathered: Gathered,
    /// Whether history tells which activities are open.
    pub(crate) keeps_activities: bool,
    /// Whether history has the values of variables.
    pub(crate) keeps_variables: bool,
    /// And every change of them.
    pub(crate) keeps_details: bool,
}

/// A part of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Rows to skip.
    pub first: u32,
    /// Rows at most.
    pub max: u32,
}

impl Page {
    /// Everything.
    pub const ALL: Self = Self { first: 0, max: u32::MAX };
}

impl Default for Page {
    fn default() -> Self {
        Self::ALL
    }
}

/// Which way a list is sorted. Rows without a value come last when ascending, first when descending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Order {
    /// Small ones first.
    #[default]
    Asc,
    /// Large ones first.
    Desc,
}

impl Reads {
    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), Error> {
        self.lookups.fetch("SELECT 1", Vec::new()).await.map(drop)
    }

    /// The database's clock, milliseconds since 1970: the one that hosts share.
    pub async fn now(&self) -> Result<i64, Error> {
        let rows = self.lookups.fetch("SELECT {now}", Vec::new()).await?;
        rows.first().map_or_else(|| Err(Error::Damaged("the database does not tell the time".to_owned())), |row| row.get(0))
    }
}
