//! Executions: an activity instance is one, and so is the process instance itself.

use uuid::Uuid;

use super::select::{Select, Sort, keys};
use super::variables::{In, VariableCondition, having};
use super::{Order, Page, Reads};
use crate::Error;
use crate::db::Param;

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
            Self::Instance => "i.id",
            Self::DefinitionKey => "d.key",
            Self::DefinitionId => "i.definition_id",
            Self::Tenant => "i.tenant",
        }
    }
}

const INSTANCES: &str = "instance i LEFT JOIN definition d ON d.id = i.definition_id";

/// Every execution once: those that wait, also before and behind an element, have rows of their waits; scopes and joins are known to the
/// history. Where `chosen` selects the ids of instances, theirs alone.
fn executions(chosen: Option<&str>) -> String {
    // Jobs are in two tables: PostgreSQL would read all of the view that has both.
    let tables = [
        ("task", "instance_id", "activity", "TRUE"),
        ("external_task", "instance_id", "activity", "TRUE"),
        ("subscription", "instance_id", "activity", "TRUE"),
        ("job", "instance_id", "activity", "TRUE"),
        ("instance", "id", "job_activity", "job_host IS NOT NULL"),
        ("history_activity", "instance_id", "n", "ended_at IS NULL"),
    ];
    let of_all = tables.map(|(table, instance, n, that)| {
        let of_chosen = chosen.map_or(String::new(), |_| format!(" AND {instance} IN (SELECT id FROM chosen)"));
        format!(" UNION SELECT {instance}, {n} FROM {table} WHERE {that}{of_chosen}")
    });
    let (with, processes) = match chosen {
        Some(ids) => (format!("WITH chosen AS MATERIALIZED ({ids}) "), "chosen"),
        None => (String::new(), "instance"),
    };
    format!(
        "({with}SELECT id AS instance_id, CAST(1 AS BIGINT) AS n FROM {processes}{}) e CROSS JOIN instance i \
         LEFT JOIN definition d ON d.id = i.definition_id",
        of_all.concat()
    )
}

impl ExecutionFilter {
    /// Whether an instance of which [`instances`](Self::instances) says that it may have one has an execution that is found.
    fn is_of_instances(&self) -> bool {
        let at = [&self.activity_id, &self.incident_code, &self.incident_code_not, &self.incident_message, &self.incident_message_like];
        self.ids.is_empty()
            && self.variables.is_empty()
            && self.incident.is_none()
            && at.iter().all(|it| it.is_none())
            && (self.message.is_none() || self.signal.is_none())
    }

    /// The instances that may have one; of these definitions, if those of the key are known.
    fn instances(&mut self, of_definitions: Option<Vec<String>>) -> Select {
        let mut select = Select::new(INSTANCES);
        select.uuids("i.id", self.ids.iter().map(|(instance, _)| *instance).collect());
        select.maybe("i.id = $?", self.instance);
        select.maybe("i.id = $?", self.incident.map(|(instance, _)| instance));
        select.maybe("i.business_key = $?", self.business_key.take());
        select.maybe("i.definition_id = $?", self.definition_id.take());
        let key = self.definition_key.take();
        match of_definitions {
            Some(ids) if !ids.is_empty() => select.texts("i.definition_id", ids),
            _ => select.maybe("i.definition_id IN (SELECT k.id FROM definition k WHERE k.key = $?)", key),
        }
        select.maybe("i.suspended = $?", self.suspended);
        select.texts("i.tenant", std::mem::take(&mut self.tenants));
        having(&mut select, "i.id", In::Process, std::mem::take(&mut self.process_variables));
        // By its name: SQLite would otherwise look through all that wait for it at each instance.
        let waiting = |kind: &str| format!("i.id IN (SELECT w.instance_id FROM subscription w WHERE w.kind = '{kind}' AND w.name = $?)");
        select.maybe(&waiting("message"), self.message.clone());
        select.maybe(&waiting("signal"), self.signal.clone());
        select
    }
}

/// The executions of a filter. Where each of its instances has one, a page is of no more instances than rows, the first ones in its order,
/// and no other one is looked at.
fn select(mut filter: ExecutionFilter, of_definitions: Option<Vec<String>>, sort: &[(ExecutionSort, Order)], page: Page) -> Select {
    let most =
        if page != Page::ALL && filter.is_of_instances() { Page { first: 0, max: page.first.saturating_add(page.max) } } else { Page::ALL };
    let chosen = filter.instances(of_definitions);
    let mut select = if chosen.is_unconditional() && most == Page::ALL {
        Select::of(vec![executions(None)])
    } else {
        let (ids, params) = chosen.statement("i.id", &keys(sort, &["i.id"]), most);
        Select::with_params(vec![executions(Some(&ids))], params)
    };
    select.condition("i.id = e.instance_id");
    // Said here, too, one instance is what SQLite looks up in all that follows.
    select.maybe("e.instance_id = $?", filter.instance);
    select.maybe("e.instance_id = $?", filter.incident.map(|(instance, _)| instance));
    select.numbered("e.instance_id", "e.n", filter.ids);
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
    let waiting = |kind: &str| format!("EXISTS ({} AND w.kind = '{kind}' AND w.name = $?)", at("subscription"));
    select.maybe(&waiting("message"), filter.message);
    select.maybe(&waiting("signal"), filter.signal);
    let incident = |condition: &str| format!("EXISTS ({} AND {condition})", at("any_incident"));
    select.maybe(&incident("w.n = $?"), filter.incident.map(|(_, n)| n));
    select.maybe(&incident("w.code = $?"), filter.incident_code);
    select.maybe(&incident("w.code <> $?"), filter.incident_code_not);
    select.maybe(&incident("w.message = $?"), filter.incident_message);
    select.maybe(&incident("w.message LIKE $? ESCAPE '\\'"), filter.incident_message_like);
    having(&mut select, "e.instance_id", In::Scope("e.n"), filter.variables);
    select
}

/// The statement of a page. `of_definitions` are those of the filter's key, by which PostgreSQL knows how many instances it is about.
pub(crate) fn executions_sql(
    filter: ExecutionFilter,
    of_definitions: Option<Vec<String>>,
    page: Page,
    sort: &[(ExecutionSort, Order)],
) -> (String, Vec<Param>) {
    select(filter, of_definitions, sort, page).statement("e.instance_id, e.n, i.tenant", &keys(sort, &["i.id", "e.n"]), page)
}

impl Reads {
    /// Executions. What one of them stands at, has failed with or has as its own variables is looked for in all executions of the instances
    /// that the rest of the filter leaves.
    pub async fn executions(
        &self,
        filter: ExecutionFilter,
        page: Page,
        sort: &[(ExecutionSort, Order)],
    ) -> Result<Vec<ExecutionListed>, Error> {
        let of_definitions = match &filter.definition_key {
            Some(key) => self.definitions_of(key).await?,
            None => None,
        };
        let (sql, params) = executions_sql(filter, of_definitions, page, sort);
        let rows = self.pool.fetch(&sql, params).await?;
        rows.iter()
            .map(|row| {
                let mut columns = row.columns();
                Ok(ExecutionListed { instance: columns.next()?, n: columns.next()?, tenant: columns.next_tenant()? })
            })
            .collect()
    }

    /// How many there are.
    pub async fn count_executions(&self, filter: ExecutionFilter) -> Result<i64, Error> {
        select(filter, None, &[], Page::ALL).count(&self.pool).await
    }
}
