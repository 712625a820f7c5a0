//! Executions: an activity instance is one, and so is the process instance itself.

use uuid::Uuid;

use super::select::{Select, Sort, keys};
use super::variables::{In, VariableCondition, having};
use super::{Order, Page, Reads};
use crate::Error;

/// An execution in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecutionListed {
    /// Its instance.
    pub instance: Uuid,
    /// The number of its activity instance; 1 for the process itself.
    pub n: i64,
    /// Whose it is.
    pub tenant: Option<String>,
}

/// Which executions.
#[derive(Clone, Debug, Default)]
pub struct ExecutionFilter {
    /// One of these.
    pub ids: Vec<(Uuid, i64)>,
    /// Of this instance.
    pub instance: Option<Uuid>,
    /// Of an instance with this business key.
    pub business_key: Option<String>,
    /// Of this definition.
    pub definition_id: Option<String>,
    /// Of this definition key.
    pub definition_key: Option<String>,
    /// Standing at this element.
    pub activity_id: Option<String>,
    /// Waiting for this message.
    pub message: Option<String>,
    /// Waiting for this signal.
    pub signal: Option<String>,
    /// With this incident.
    pub incident: Option<(Uuid, i64)>,
    /// With an incident of this kind of trouble.
    pub incident_code: Option<String>,
    /// With an incident of any other kind of trouble than this.
    pub incident_code_not: Option<String>,
    /// With an incident with this message.
    pub incident_message: Option<String>,
    /// With an incident with a message like this.
    pub incident_message_like: Option<String>,
    /// Suspended (true) or active (false).
    pub suspended: Option<bool>,
    /// Of one of these tenants.
    pub tenants: Vec<String>,
    /// With variables of its own like these.
    pub variables: Vec<VariableCondition>,
    /// Of an instance whose process has variables like these.
    pub process_variables: Vec<VariableCondition>,
}

/// What executions are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExecutionSort {
    /// Their instance.
    Instance,
    /// Their definition's key.
    DefinitionKey,
    /// Their definition.
    DefinitionId,
    /// Their tenant.
    Tenant,
}

impl Sort for ExecutionSort {
    fn column(self) -> &'static str {
        match self {
            Self::Instance => "e.instance_id",
            Self::DefinitionKey => "d.key",
            Self::DefinitionId => "i.definition_id",
            Self::Tenant => "i.tenant",
        }
    }
}

/// Every execution once: those that wait, also before and behind an element, have rows of their waits; scopes and joins are known to the
/// history.
const FROM: &str = "(SELECT id AS instance_id, CAST(1 AS BIGINT) AS n FROM instance UNION SELECT instance_id, activity FROM task \
     UNION SELECT instance_id, activity FROM external_task UNION SELECT instance_id, activity FROM subscription \
     UNION SELECT instance_id, activity FROM any_job \
     UNION SELECT instance_id, n FROM history_activity WHERE ended_at IS NULL) e CROSS JOIN instance i \
     LEFT JOIN definition d ON d.id = i.definition_id";

fn select(filter: ExecutionFilter) -> Select {
    let mut select = Select::new(FROM);
    select.condition("i.id = e.instance_id");
    select.numbered("e.instance_id", "e.n", filter.ids);
    select.maybe("e.instance_id = $?", filter.instance);
    select.maybe("i.business_key = $?", filter.business_key);
    select.maybe("i.definition_id = $?", filter.definition_id);
    select.maybe("d.key = $?", filter.definition_key);
    let at = |table: &str| format!("SELECT 1 FROM {table} w WHERE w.instance_id = e.instance_id AND w.activity = e.n");
    if let Some(activity_id) = filter.activity_id {
        let waiting = ["task", "external_task", "subscription", "any_job"].map(|table| {
            let own = match table {
                "subscription" => " AND NOT w.of_event",
                "any_job" => " AND w.kind <> 'event-timer'",
                _ => "",
            };
            format!("EXISTS ({}{own} AND w.activity_id = $?)", at(table))
        });
        let open = "EXISTS (SELECT 1 FROM history_activity w JOIN element f ON f.id = w.element WHERE w.instance_id = e.instance_id \
                    AND w.n = e.n AND f.activity_id = $?)";
        select.with(&format!("({} OR {open})", waiting.join(" OR ")), activity_id);
    }
    select.maybe(&format!("EXISTS ({} AND w.kind = 'message' AND w.name = $?)", at("subscription")), filter.message);
    select.maybe(&format!("EXISTS ({} AND w.kind = 'signal' AND w.name = $?)", at("subscription")), filter.signal);
    let incident = |condition: &str| format!("EXISTS ({} AND {condition})", at("any_incident"));
    if let Some((instance, n)) = filter.incident {
        select.with("e.instance_id = $?", instance);
        select.with(&incident("w.n = $?"), n);
    }
    select.maybe(&incident("w.code = $?"), filter.incident_code);
    select.maybe(&incident("w.code <> $?"), filter.incident_code_not);
    select.maybe(&incident("w.message = $?"), filter.incident_message);
    select.maybe(&incident("w.message LIKE $? ESCAPE '\\'"), filter.incident_message_like);
    select.maybe("i.suspended = $?", filter.suspended);
    select.texts("i.tenant", filter.tenants);
    having(&mut select, "e.instance_id", In::Scope("e.n"), filter.variables);
    having(&mut select, "e.instance_id", In::Process, filter.process_variables);
    select
}

impl Reads {
    /// Executions. Without an instance's id it looks through the waits of all instances.
    pub async fn executions(
        &self,
        filter: ExecutionFilter,
        page: Page,
        sort: &[(ExecutionSort, Order)],
    ) -> Result<Vec<ExecutionListed>, Error> {
        let rows = select(filter).rows(&self.pool, "e.instance_id, e.n, i.tenant", &keys(sort, &["e.instance_id", "e.n"]), page).await?;
        rows.iter()
            .map(|row| {
                let mut columns = row.columns();
                Ok(ExecutionListed { instance: columns.next()?, n: columns.next()?, tenant: columns.next_tenant()? })
            })
            .collect()
    }

    /// How many there are.
    pub async fn count_executions(&self, filter: ExecutionFilter) -> Result<i64, Error> {
        select(filter).count(&self.pool).await
    }
}
