//! Executions: an activity instance is one, and so is the process instance itself.

use std::borrow::Cow;

use uuid::Uuid;

use super::event_subscriptions::IN_ORDER;
use super::incidents::has_incident;
use super::instances;
use super::lead::{First, Lead as InstanceLead};
use super::select::{Select, Sort, keys};
use super::standing::{Standing, Told, WAITS, Waits};
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
            // As SQLite sees the order of what is found first.
            Self::Instance => "c.instance_id",
            Self::DefinitionKey => "d.key",
            Self::DefinitionId => "i.definition_id",
            Self::Tenant => "i.tenant",
        }
    }
}

/// What each place of executions `c` is joined with.
const WITH_INSTANCE: &str = "CROSS JOIN instance i LEFT JOIN definition d ON d.id = i.definition_id";

/// Every execution once: those that wait, also before and behind an element, have rows of their waits; scopes and joins are known to the
/// history, where it is kept. Where `chosen` selects the ids of instances, theirs alone.
fn executions(chosen: Option<&str>, keeps_activities: bool) -> String {
    let of = |table: &str, instance: &str, n: &str, that: &str| {
        let of_chosen = chosen.map_or(String::new(), |_| format!(" AND {instance} IN (SELECT id FROM chosen)"));
        format!(" UNION SELECT {instance}, {n} FROM {table} WHERE {that}{of_chosen}")
    };
    let waits: String = WAITS.iter().map(|Waits { table, instance, activity, that, .. }| of(table, instance, activity, that)).collect();
    let open = if keeps_activities { of("history_activity", "instance_id", "n", "ended_at IS NULL") } else { String::new() };
    let (with, processes) = match chosen {
        Some(ids) => (format!("WITH chosen AS MATERIALIZED ({ids}) "), "chosen"),
        None => (String::new(), "instance"),
    };
    format!("({with}SELECT id AS instance_id, CAST(1 AS BIGINT) AS n FROM {processes}{waits}{open}) c {WITH_INSTANCE}")
}

/// What a list of executions begins with.
enum Lead {
    /// Instances, by what leads to them.
    Instances(InstanceLead),
    /// What stands at an element.
    Standing(Standing),
    /// What has failed.
    Failed,
    /// What waits for an event.
    Waiting(Waiting),
}

/// What waits for events of one kind and name.
#[derive(Clone, Debug)]
struct Waiting {
    kind: &'static str,
    name: String,
    /// In instances of these definitions, if any are given.
    of_definitions: Option<Vec<String>>,
    /// Whether they are found by the name; else they are looked for in the order of their instances.
    by_name: bool,
}

impl Waiting {
    fn first(&self) -> First {
        let of_definitions = if self.of_definitions.is_some() { " AND definition_id {any_text:2}" } else { "" };
        let of = format!("kind = '{}' AND name = $1{of_definitions}", self.kind);
        let order = if self.by_name { "" } else { IN_ORDER };
        let before = "p.instance_id = c.instance_id AND p.activity = c.n AND p.wait < c.wait";
        First {
            from: format!("(SELECT instance_id, activity AS n, wait FROM subscription {order} WHERE {of}) c").into(),
            once: format!("NOT EXISTS (SELECT 1 FROM subscription p WHERE {before} AND {of})").into(),
        }
    }

    fn params(self) -> Vec<Param> {
        std::iter::once(self.name.into()).chain(self.of_definitions.map(Param::Texts)).collect()
    }
}

/// Those with an open incident, as rows `c`.
const FAILED: [First; 2] = [
    First {
        from: Cow::Borrowed("(SELECT instance_id, activity AS n, n AS incident FROM incident WHERE activity > 0) c"),
        once: Cow::Borrowed(
            "NOT EXISTS (SELECT 1 FROM incident p WHERE p.instance_id = c.instance_id AND p.activity = c.n AND p.n < c.incident)",
        ),
    },
    First {
        from: Cow::Borrowed("(SELECT DISTINCT instance_id, activity AS n FROM undelivered_incident WHERE activity > 0) c"),
        once: Cow::Borrowed("TRUE"),
    },
];

impl ExecutionFilter {
    /// Whether it is of few instances by itself.
    fn is_narrow(&self) -> bool {
        !self.ids.is_empty() || self.instance.is_some() || self.incident.is_some() || self.business_key.is_some()
    }

    /// What a list of them begins with; what that says by itself is no condition any more.
    async fn lead(&mut self, reads: &Reads, page: Page, sort: &[(ExecutionSort, Order)]) -> Result<Lead, Error> {
        if self.is_narrow() {
            return Ok(Lead::Instances(InstanceLead::All));
        }
        let of_definitions = reads.definitions_asked(self.definition_id.as_ref(), self.definition_key.as_ref()).await?;
        for (kind, name) in [("message", &mut self.message), ("signal", &mut self.signal)] {
            if let Some(name) = name.take() {
                let in_order = page != Page::ALL && sort.first().is_none_or(|(by, _)| *by == ExecutionSort::Instance);
                let by_name = !in_order || !reads.many_wait_for(&name).await?;
                return Ok(Lead::Waiting(Waiting { kind, name, of_definitions, by_name }));
            }
        }
        if let Some(activity_id) = self.activity_id.take() {
            return Ok(Lead::Standing(reads.standing(vec![activity_id], of_definitions, Told::InAnyWay, page != Page::ALL).await?));
        }
        let failed = [&self.incident_code, &self.incident_code_not, &self.incident_message, &self.incident_message_like];
        if failed.iter().any(|it| it.is_some()) {
            return Ok(Lead::Failed);
        }
        Ok(Lead::Instances(match of_definitions {
            Some(ids) => {
                if self.definition_id.take().is_none() {
                    self.definition_key = None;
                }
                InstanceLead::Definitions(ids)
            }
            None if self.suspended == Some(true) => InstanceLead::Suspended,
            None => InstanceLead::All,
        }))
    }

    /// Whether each instance of which [`of_instances`](Self::of_instances) holds has an execution that is found.
    fn is_of_instances(&self) -> bool {
        let at = [&self.activity_id, &self.incident_code, &self.incident_code_not, &self.incident_message, &self.incident_message_like];
        self.ids.is_empty()
            && self.variables.is_empty()
            && self.incident.is_none()
            && at.iter().all(|it| it.is_none())
            && self.message.is_none()
            && self.signal.is_none()
    }

    /// Those of instances `i` like this.
    fn of_instances(&mut self, select: &mut Select) {
        select.uuids("i.id", self.ids.iter().map(|(instance, _)| *instance).collect());
        select.maybe("i.id = $?", self.instance);
        select.maybe("i.id = $?", self.incident.map(|(instance, _)| instance));
        select.maybe("i.business_key = $?", self.business_key.take());
        select.maybe("i.definition_id = $?", self.definition_id.take());
        select.maybe("i.definition_id IN (SELECT k.id FROM definition k WHERE k.key = $?)", self.definition_key.take());
        select.when(self.suspended == Some(true), "i.suspended");
        select.when(self.suspended == Some(false), "NOT i.suspended");
        select.texts("i.tenant", std::mem::take(&mut self.tenants));
        having(select, "i.id", In::Process, std::mem::take(&mut self.process_variables));
    }
}

/// The executions of a filter, and their order. Where each of its instances has one, a page is of no more instances than rows, the first
/// ones in its order, and no other one is looked at.
fn select(
    mut filter: ExecutionFilter,
    lead: Lead,
    sort: &[(ExecutionSort, Order)],
    page: Page,
    keeps_activities: bool,
) -> (Select, Vec<(String, &'static str)>) {
    let of_first = |First { from, once }: &First| format!("(SELECT * FROM {from} WHERE {once}) c {WITH_INSTANCE}");
    let (mut select, order) = match lead {
        Lead::Instances(lead) => {
            let places = instances::places(&lead);
            if places.is_empty() {
                return (Select::of(places), Vec::new());
            }
            let of_page = page != Page::ALL && filter.is_of_instances();
            let most = if of_page { Page { first: 0, max: page.first.saturating_add(page.max) } } else { Page::ALL };
            let mut chosen = Select::with_params(places, lead.params());
            filter.of_instances(&mut chosen);
            let select = if matches!(lead, InstanceLead::All) && chosen.is_unconditional() && most == Page::ALL {
                Select::of(vec![executions(None, keeps_activities)])
            } else {
                let of_instance = |(column, order): (String, _)| match column.as_str() {
                    "c.instance_id" => ("i.id".to_owned(), order),
                    _ => (column, order),
                };
                let order: Vec<_> = keys(sort, lead.ties()).into_iter().map(of_instance).collect();
                let (ids, params) = chosen.statement("i.id", &order, most);
                Select::with_params(vec![executions(Some(&ids), keeps_activities)], params)
            };
            (select, keys(sort, &[lead.ties(), &["c.n"]].concat()))
        }
        Lead::Standing(standing) => {
            let places = standing.first(true).iter().map(of_first).collect();
            let mut select = Select::with_params(places, standing.params()).overlapping("c.instance_id, c.n");
            filter.of_instances(&mut select);
            (select, keys(sort, &["c.instance_id", "c.n"]))
        }
        Lead::Failed => {
            let mut select = Select::of(FAILED.iter().map(of_first).collect()).overlapping("c.instance_id, c.n");
            filter.of_instances(&mut select);
            (select, keys(sort, &["c.instance_id", "c.n"]))
        }
        Lead::Waiting(waiting) => {
            let mut select = Select::with_params(vec![of_first(&waiting.first())], waiting.params());
            filter.of_instances(&mut select);
            (select, keys(sort, &["c.instance_id", "c.n"]))
        }
    };
    select.condition("i.id = c.instance_id");
    // Said here, too, one instance is what SQLite looks up in all that follows.
    select.maybe("c.instance_id = $?", filter.instance);
    select.maybe("c.instance_id = $?", filter.incident.map(|(instance, _)| instance));
    select.numbered("c.instance_id", "c.n", filter.ids);
    if let Some(activity_id) = filter.activity_id {
        let waiting = WAITS.iter().map(|Waits { table, instance, activity, activity_id, that, trigger, .. }| {
            format!("EXISTS (SELECT 1 FROM {table} w WHERE w.{instance} = c.instance_id AND w.{activity} = c.n AND {that} AND NOT ({trigger}) AND w.{activity_id} = $?)")
        });
        let open = keeps_activities.then(|| {
            "EXISTS (SELECT 1 FROM history_activity w JOIN element f ON f.id = w.element WHERE w.instance_id = c.instance_id \
             AND w.n = c.n AND w.ended_at IS NULL AND f.activity_id = $?)"
                .to_owned()
        });
        select.with(&format!("({})", waiting.chain(open).collect::<Vec<_>>().join(" OR ")), activity_id);
    }
    let waiting = |kind: &str| {
        format!(
            "EXISTS (SELECT 1 FROM subscription w WHERE w.instance_id = c.instance_id AND w.activity = c.n AND w.kind = '{kind}' AND w.name = $?)"
        )
    };
    select.maybe(&waiting("message"), filter.message);
    select.maybe(&waiting("signal"), filter.signal);
    let incident = |that: &str| has_incident("c.instance_id", &format!("w.activity = c.n AND {that}"));
    select.maybe(&incident("w.n = $?"), filter.incident.map(|(_, n)| n));
    select.maybe(&incident("w.code = $?"), filter.incident_code);
    select.maybe(&incident("w.code <> $?"), filter.incident_code_not);
    select.maybe(&incident("w.message = $?"), filter.incident_message);
    select.maybe(&incident("w.message LIKE $? ESCAPE '\\'"), filter.incident_message_like);
    having(&mut select, "c.instance_id", In::Scope("c.n"), filter.variables);
    (select, order)
}

const COLUMNS: &str = "c.instance_id, c.n, i.tenant";

impl Reads {
    async fn list_of_executions(
        &self,
        mut filter: ExecutionFilter,
        page: Page,
        sort: &[(ExecutionSort, Order)],
    ) -> Result<(Select, Vec<(String, &'static str)>), Error> {
        let lead = filter.lead(self, page, sort).await?;
        Ok(select(filter, lead, sort, page, self.keeps_activities))
    }

    /// The statement of a list.
    #[cfg(test)]
    pub(crate) async fn executions_sql(
        &self,
        filter: ExecutionFilter,
        page: Page,
        sort: &[(ExecutionSort, Order)],
    ) -> (String, Vec<Param>) {
        let (select, order) = self.list_of_executions(filter, page, sort).await.expect("read");
        select.statement(COLUMNS, &order, page)
    }

    /// Executions. What one of them has failed with or has as its own variables is looked for in all executions that the rest of the filter
    /// leaves.
    pub async fn executions(
        &self,
        filter: ExecutionFilter,
        page: Page,
        sort: &[(ExecutionSort, Order)],
    ) -> Result<Vec<ExecutionListed>, Error> {
        let (select, order) = self.list_of_executions(filter, page, sort).await?;
        let rows = select.rows(&self.pool, COLUMNS, &order, page).await?;
        rows.iter()
            .map(|row| {
                let mut columns = row.columns();
                Ok(ExecutionListed { instance: columns.next()?, n: columns.next()?, tenant: columns.next_tenant()? })
            })
            .collect()
    }

    /// How many there are.
    pub async fn count_executions(&self, filter: ExecutionFilter) -> Result<i64, Error> {
        let (select, _) = self.list_of_executions(filter, Page::ALL, &[]).await?;
        select.count(&self.pool).await
    }
}
