//! What happened: instances, ended ones too.

use uuid::Uuid;

use super::instances::has_or_called;
use super::lead::{First, Lead, of_definition};
use super::select::{Place, Select, Sort, keys};
use super::standing::{Told, is_in, stands_at};
use super::variables::{In, VariableCondition, having};
use super::{CallFilter, Order, Page, Reads};
use crate::Error;
use crate::db::{Columns, params};
use crate::deploy::key_of_definition;

/// An instance in history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryInstance {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub tenant: Option<String>,
    /// What it runs.
    pub definition_id: String,
    /// What it runs, by key.
    pub definition_key: String,
    /// The definition's version; none after the definition was deleted.
    pub definition_version: Option<i64>,
    /// The definition's name.
    pub definition_name: Option<String>,
    /// The caller's name for it.
    pub business_key: Option<String>,
    /// BPMN id of its start event.
    pub start_activity: Option<String>,
    /// When it was started.
    pub started_at: i64,
    /// When it ended.
    pub ended_at: Option<i64>,
    /// `ACTIVE`, `SUSPENDED`, `COMPLETED`, `EXTERNALLY_TERMINATED` or `INTERNALLY_TERMINATED`.
    pub state: String,
    /// Why it was deleted.
    pub reason: Option<String>,
    /// When its history is to be removed; none: it is kept, or has not ended.
    pub removal_at: Option<i64>,
    /// Who called it; none: nobody did.
    pub super_instance: Option<Uuid>,
    /// The root of all calls that led to it; none: nobody called it.
    pub root_instance: Option<Uuid>,
    /// Who started it, as they said.
    pub started_by: Option<String>,
}

/// Which instances.
#[derive(Clone, Debug, Default)]
pub struct HistoryInstanceFilter {
    /// One of these.
    pub ids: Vec<Uuid>,
    /// None of these.
    pub ids_not: Vec<Uuid>,
    /// With this business key.
    pub business_key: Option<String>,
    /// With one of these business keys.
    pub business_keys: Vec<String>,
    /// With a business key like this.
    pub business_key_like: Option<String>,
    /// Of this definition.
    pub definition_id: Option<String>,
    /// Of this definition key.
    pub definition_key: Option<String>,
    /// Of one of these definition keys.
    pub definition_keys: Vec<String>,
    /// Of none of these definition keys.
    pub definition_keys_not: Vec<String>,
    /// Of a definition with this name.
    pub definition_name: Option<String>,
    /// Of a definition with a name like this.
    pub definition_name_like: Option<String>,
    /// Ended.
    pub finished: bool,
    /// Not ended.
    pub unfinished: bool,
    /// In one of these states.
    pub states: Vec<String>,
    /// With an open incident.
    pub with_open_incident: bool,
    /// With an incident, open or over, for which this holds.
    pub incident: Option<IncidentOf>,
    /// With an incident of their own, or of what they have called.
    pub with_incidents: bool,
    /// With a job that has failed and is tried again.
    pub with_jobs_retrying: bool,
    /// That stand at one of these activities, also before or behind it.
    pub standing_at: Vec<String>,
    /// That are in one of these activities.
    pub active_activities: Vec<String>,
    /// That went through one of these activities: it has ended.
    pub executed_activities: Vec<String>,
    /// In which an activity began or ended after this moment or in it and, if both are given, began by the next one.
    pub executed_after: Option<i64>,
    /// In which an activity began before this moment or in it.
    pub executed_before: Option<i64>,
    /// Started by this user.
    pub started_by: Option<String>,
    /// Started before this moment or in it, as Camunda 7 counts; so do the next three.
    pub started_before: Option<i64>,
    /// Started after this.
    pub started_after: Option<i64>,
    /// Ended before this.
    pub finished_before: Option<i64>,
    /// Ended after this.
    pub finished_after: Option<i64>,
    /// Which calls they come from.
    pub calls: CallFilter,
    /// Of one of these tenants.
    pub tenants: Vec<String>,
    /// Of no tenant.
    pub without_tenant: bool,
    /// That have, or had in the end, variables like these in any scope.
    pub variables: Vec<VariableCondition>,
    /// And, for each of these, like it in at least one way.
    pub any: Vec<HistoryInstanceFilter>,
}

/// Which incident an instance has, or had. None of it given: any.
#[derive(Clone, Debug, Default)]
pub struct IncidentOf {
    /// One of its own, and of nothing that it has called. So is one that is asked for by its id or by what it says.
    pub own: bool,
    /// Open (true) or over.
    pub open: Option<bool>,
    /// One of these.
    pub ids: Vec<(Uuid, i64)>,
    /// Of this kind of trouble.
    pub code: Option<String>,
    /// Of any other kind of trouble than this.
    pub code_not: Option<String>,
    /// With this message.
    pub message: Option<String>,
    /// With a message like this.
    pub message_like: Option<String>,
}

/// What instances are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryInstanceSort {
    /// Their id.
    Id,
    /// Their definition.
    DefinitionId,
    /// Their definition's key.
    DefinitionKey,
    /// Their definition's name.
    DefinitionName,
    /// Their definition's version.
    DefinitionVersion,
    /// Their business key.
    BusinessKey,
    /// When they were started.
    StartedAt,
    /// When they ended.
    EndedAt,
    /// How long they took; live ones have no duration yet.
    Duration,
    /// Their tenant.
    Tenant,
}

impl Sort for HistoryInstanceSort {
    fn column(self) -> &'static str {
        match self {
            Self::Id => "h.instance_id",
            Self::DefinitionId => "h.definition_id",
            Self::DefinitionKey => "h.definition_key",
            Self::DefinitionName => "d.name",
            Self::DefinitionVersion => "d.version",
            Self::BusinessKey => "h.business_key",
            Self::StartedAt => "h.started_at",
            Self::EndedAt => "h.ended_at",
            Self::Duration => "h.ended_at - h.started_at",
            Self::Tenant => "h.tenant",
        }
    }
}

/// The latest value of a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryVariable {
    /// Its instance.
    pub instance: Uuid,
    /// The number of the scope that has it.
    pub scope: i64,
    /// Its name.
    pub name: String,
    /// Camunda's type name.
    pub kind: String,
    /// Its value.
    pub json: String,
    /// It was removed.
    pub removed: bool,
    /// When it was set first.
    pub created: i64,
    /// When it was set last.
    pub updated: i64,
}

/// Those that have ended. Only they are in the indexes of the table.
const ENDED: &str = "(SELECT * FROM history_instance WHERE ended_at IS NOT NULL) h LEFT JOIN definition d ON d.id = h.definition_id";

/// The same, by what leads to them.
fn ended(First { from, once }: &First) -> Place {
    let rows = format!(
        "SELECT g.* FROM {from} CROSS JOIN history_instance g WHERE g.instance_id = c.instance_id AND g.ended_at IS NOT NULL AND {once}"
    );
    format!("({rows}) h LEFT JOIN definition d ON d.id = h.definition_id").into()
}

/// Those that live, by the indexes of their own rows, or by what leads to those. History does not follow every suspension; those rows tell.
fn live(id: &str, from: &str, which: &str) -> Place {
    let from = format!(
        "(SELECT {id} AS instance_id, i.tenant, i.definition_id AS runs, g.definition_id, g.definition_key, i.business_key, g.start_activity, i.started_at, \
         CAST(NULL AS BIGINT) AS ended_at, CASE WHEN i.suspended THEN 'SUSPENDED' ELSE g.state END AS state, g.reason, g.removal_at, \
         i.super_instance, i.root_instance, g.started_by \
         FROM {from} CROSS JOIN history_instance g WHERE g.instance_id = i.id AND {which}) h LEFT JOIN definition d ON d.id = h.definition_id"
    );
    Place::from(from).without(&["h.ended_at", "h.ended_at - h.started_at"])
}

/// Ids of the instances of either kind with a business key.
pub(super) const WITH_BUSINESS_KEY: &str = "IN (SELECT e.instance_id FROM history_instance e WHERE e.business_key = $? \
                                            AND e.ended_at IS NOT NULL UNION ALL SELECT i.id FROM instance i WHERE i.business_key = $?)";

/// An incident of a called instance is one of each of its callers.
const WITH_INCIDENTS: &str = "(EXISTS (SELECT 1 FROM history_incident c WHERE c.instance_id = h.instance_id) \
                              OR EXISTS (SELECT 1 FROM history_incident_caller k WHERE k.instance_id = h.instance_id))";

const WITH_JOBS_RETRYING: &str = "EXISTS (SELECT 1 FROM job j WHERE j.instance_id = h.instance_id AND j.failures > 0 AND j.retries > 0)";

/// States of those that live.
const OF_LIVE: [&str; 2] = ["ACTIVE", "SUSPENDED"];

impl HistoryInstanceFilter {
    fn can_have_ended(&self) -> bool {
        let of_live = self.unfinished
            || self.with_open_incident
            || self.with_jobs_retrying
            || !self.standing_at.is_empty()
            || !self.active_activities.is_empty();
        !of_live && self.can_be_in_state(false)
    }

    fn can_live(&self) -> bool {
        let by_end = self.finished || self.finished_before.is_some() || self.finished_after.is_some();
        !by_end && self.can_be_in_state(true)
    }

    /// Whether in one of those that live have, or in one of the others.
    fn can_be_in_state(&self, live: bool) -> bool {
        self.states.is_empty() || self.states.iter().any(|state| OF_LIVE.contains(&state.as_str()) == live)
    }

    /// Whether it is of few instances by itself.
    fn is_narrow(&self) -> bool {
        let of_incidents = self.incident.as_ref().is_some_and(|of| !of.ids.is_empty());
        of_incidents || !self.ids.is_empty() || self.business_key.is_some() || !self.business_keys.is_empty() || self.calls.is_narrow()
    }

    /// Where instances like these can be at all, for a list or for a count, which has no order. What that says by itself is no condition
    /// any more.
    async fn places(&mut self, reads: &Reads, sort: Option<&[(HistoryInstanceSort, Order)]>) -> Result<Places, Error> {
        let (ended, live) = (self.can_have_ended(), self.can_live());
        if !self.executed_activities.is_empty() && !reads.has_element(&self.executed_activities).await? {
            // Else all instances would be asked for it.
            return Ok(Places { ended: false, live: false, lead: Lead::All });
        }
        let lead = if self.is_narrow() { Lead::All } else { self.lead(reads, sort, live).await? };
        Ok(Places { ended, live, lead })
    }

    async fn lead(&mut self, reads: &Reads, sort: Option<&[(HistoryInstanceSort, Order)]>, live: bool) -> Result<Lead, Error> {
        // Many are not found first, to be sorted by what the index of all has.
        let is_sorted = sort.is_some_and(|sort| sort.first().is_some_and(|(by, _)| *by != HistoryInstanceSort::Id));
        let of_definitions = reads.definitions_asked(self.definition_id.as_ref(), self.definition_key.as_ref()).await?;
        let (told, activity_ids) = match self.standing_at[..] {
            [] => (Told::ByHistory, &mut self.active_activities),
            _ => (Told::InAnyWay, &mut self.standing_at),
        };
        if !activity_ids.is_empty() {
            let standing = reads.standing(activity_ids.clone(), of_definitions.clone(), told, sort.is_some()).await?;
            if !is_sorted || !standing.is_much(reads).await? {
                activity_ids.clear();
                return Ok(Lead::Standing(standing));
            }
        }
        if self.with_open_incident {
            self.with_open_incident = false;
            return Ok(Lead::OpenIncidents);
        }
        let by_incident = self.with_incidents || self.incident.is_some();
        if by_incident && !(is_sorted && reads.are_many("history_incident", Vec::new()).await?) {
            self.with_incidents = false;
            return Ok(Lead::Incidents);
        }
        Ok(of_definitions.filter(|_| sort.is_some() && live).map_or(Lead::All, Lead::Definitions))
    }
}

/// Where a list looks for instances.
struct Places {
    /// Among those that have ended.
    ended: bool,
    /// Among those that live.
    live: bool,
    /// What leads to them; definitions lead to those that live.
    lead: Lead,
}

impl Places {
    fn all(&self) -> Vec<Place> {
        let first = self.lead.first();
        let (mut of_ended, mut of_live): (Vec<Place>, Vec<Place>) = match &self.lead {
            Lead::All | Lead::Suspended => (vec![ENDED.into()], vec![live("i.id", "instance i", "TRUE")]),
            Lead::Definitions(ids) => {
                let of = |at| live("i.id", "instance i", &of_definition("i", at)).led_by("h.runs");
                (vec![ENDED.into()], (1..=ids.len()).map(of).collect())
            }
            Lead::OpenIncidents | Lead::Incidents | Lead::Standing(_) => {
                let of = |First { from, once }: &First| {
                    live("c.instance_id", &format!("{from} CROSS JOIN instance i"), &format!("i.id = c.instance_id AND {once}"))
                };
                (first.iter().map(ended).collect(), first.iter().map(of).collect())
            }
        };
        let mut all = if self.ended { std::mem::take(&mut of_ended) } else { Vec::new() };
        if self.live {
            all.append(&mut of_live);
        }
        all
    }
}

/// Those that have ended.
pub(super) fn finished(filter: HistoryInstanceFilter, keeps_activities: bool) -> Select {
    let places = Places { ended: filter.can_have_ended(), live: false, lead: Lead::All };
    select(HistoryInstanceFilter { finished: true, ..filter }, &places, keeps_activities)
}

fn select(mut filter: HistoryInstanceFilter, places: &Places, keeps_activities: bool) -> Select {
    let mut select = Select::with_params(places.all(), places.lead.params());
    if places.lead.overlaps() {
        select = select.overlapping("h.instance_id");
    }
    let any = std::mem::take(&mut filter.any);
    conditions(&mut select, filter, keeps_activities);
    for filter in any {
        select.any(|select| conditions(select, filter, keeps_activities));
    }
    select
}

/// Each way of a filter is one condition.
fn conditions(select: &mut Select, filter: HistoryInstanceFilter, keeps_activities: bool) {
    select.when(filter.finished, "h.ended_at IS NOT NULL");
    select.when(filter.unfinished, "h.ended_at IS NULL");
    select.uuids("h.instance_id", filter.ids);
    select.uuids("NOT h.instance_id", filter.ids_not);
    select.maybe("h.business_key = $?", filter.business_key);
    select.texts("h.business_key", filter.business_keys);
    select.like("h.business_key", filter.business_key_like);
    if let Some(id) = filter.definition_id {
        // The indexes have the key.
        let key = key_of_definition(&id).to_owned();
        select.with_each("(h.definition_key = $? AND h.definition_id = $?)", [key.into(), id.into()]);
    }
    select.maybe("h.definition_key = $?", filter.definition_key);
    select.texts("h.definition_key", filter.definition_keys);
    select.texts("NOT h.definition_key", filter.definition_keys_not);
    select.maybe("d.name = $?", filter.definition_name);
    select.like("d.name", filter.definition_name_like);
    having(select, "h.instance_id", In::Any, filter.variables);
    select.texts("h.state", filter.states);
    select.when(filter.with_open_incident, &has_or_called("h.instance_id", "TRUE"));
    if let Some(of) = filter.incident {
        select.any(|select| with_incident(select, of));
    }
    select.when(filter.with_incidents, WITH_INCIDENTS);
    select.when(filter.with_jobs_retrying, WITH_JOBS_RETRYING);
    stands_at(select, "h.instance_id", filter.standing_at, keeps_activities);
    is_in(select, "h.instance_id", filter.active_activities);
    if !filter.executed_activities.is_empty() {
        let executed = "EXISTS (SELECT 1 FROM history_activity a JOIN element e ON e.id = a.element WHERE a.instance_id = h.instance_id \
                        AND a.ended_at IS NOT NULL AND e.activity_id";
        select.texts(executed, filter.executed_activities);
        select.close();
    }
    if filter.executed_after.is_some() || filter.executed_before.is_some() {
        select.exists("history_activity a", |select| {
            select.condition("a.instance_id = h.instance_id");
            select.maybe("(a.started_at >= $? OR a.ended_at >= $?)", filter.executed_after);
            select.maybe("a.started_at <= $?", filter.executed_before);
        });
    }
    select.maybe("h.started_by = $?", filter.started_by);
    select.maybe("h.started_at <= $?", filter.started_before);
    select.maybe("h.started_at >= $?", filter.started_after);
    select.maybe("h.ended_at <= $?", filter.finished_before);
    select.maybe("h.ended_at >= $?", filter.finished_after);
    filter.calls.add(select, "h", "history_instance", "instance_id");
    select.tenants("h.tenant", filter.tenants, filter.without_tenant);
}

/// Two ways of having an incident, each one condition.
fn with_incident(select: &mut Select, IncidentOf { own, open, ids, code, code_not, message, message_like }: IncidentOf) {
    let of_called = ids.is_empty() && message.is_none() && message_like.is_none();
    let of_any = |select: &mut Select| {
        select.when(open == Some(true), "c.ended_at IS NULL");
        select.when(open == Some(false), "c.ended_at IS NOT NULL");
        select.maybe("c.code = $?", code.clone());
        select.maybe("c.code <> $?", code_not.clone());
    };
    select.exists("history_incident c", |select| {
        select.condition("c.instance_id = h.instance_id");
        of_any(select);
        select.numbered("c.instance_id", "c.n", ids);
        select.maybe("c.message = $?", message);
        select.like("c.message", message_like);
    });
    if !own && of_called {
        select.exists("history_incident_caller k JOIN history_incident c ON c.instance_id = k.root AND c.n = k.n", |select| {
            select.condition("k.instance_id = h.instance_id");
            of_any(select);
        });
    }
}

/// The order of a list for which none is asked: one that an index has for what it asks.
pub(super) fn by_time<S: Copy>(ended: S, started: S, by_end: bool) -> [(S, Order); 1] {
    [(if by_end { ended } else { started }, Order::Asc)]
}

const COLUMNS: &str = "h.instance_id, h.tenant, h.definition_id, h.definition_key, d.version, d.name, h.business_key, h.start_activity, \
                       h.started_at, h.ended_at, h.state, h.reason, h.removal_at, h.super_instance, h.root_instance, h.started_by";

/// The order of a list: one that an index has for what is asked, if none is asked for.
fn order(filter: &HistoryInstanceFilter, lead: &Lead, sort: &[(HistoryInstanceSort, Order)]) -> Vec<(String, &'static str)> {
    let by_end = filter.finished_before.is_some() || filter.finished_after.is_some();
    let started = match lead {
        Lead::All | Lead::Definitions(_) | Lead::Suspended => HistoryInstanceSort::StartedAt,
        Lead::OpenIncidents | Lead::Incidents | Lead::Standing(_) => HistoryInstanceSort::Id,
    };
    let by_time = by_time(HistoryInstanceSort::EndedAt, started, by_end);
    keys(if sort.is_empty() { &by_time } else { sort }, &["h.instance_id"])
}

impl Reads {
    async fn list_of_history_instances(
        &self,
        mut filter: HistoryInstanceFilter,
        sort: &[(HistoryInstanceSort, Order)],
    ) -> Result<(Select, Vec<(String, &'static str)>), Error> {
        let places = filter.places(self, Some(sort)).await?;
        let order = order(&filter, &places.lead, sort);
        Ok((select(filter, &places, self.keeps_activities), order))
    }

    /// The statement of a list.
    #[cfg(test)]
    pub(crate) async fn history_instances_sql(
        &self,
        filter: HistoryInstanceFilter,
        page: Page,
        sort: &[(HistoryInstanceSort, Order)],
    ) -> (String, Vec<crate::db::Param>) {
        let (select, order) = self.list_of_history_instances(filter, sort).await.expect("read");
        select.statement(COLUMNS, &order, page)
    }

    /// Instances, ended ones too.
    pub async fn history_instances(
        &self,
        filter: HistoryInstanceFilter,
        page: Page,
        sort: &[(HistoryInstanceSort, Order)],
    ) -> Result<Vec<HistoryInstance>, Error> {
        let (select, order) = self.list_of_history_instances(filter, sort).await?;
        let rows = select.large_rows(&self.pool, COLUMNS, &order, page).await?;
        rows.iter()
            .map(|row| {
                let mut columns = row.columns();
                Ok(HistoryInstance {
                    id: columns.next()?,
                    tenant: columns.next_tenant()?,
                    definition_id: columns.next()?,
                    definition_key: columns.next()?,
                    definition_version: columns.next()?,
                    definition_name: columns.next()?,
                    business_key: columns.next()?,
                    start_activity: columns.next()?,
                    started_at: columns.next()?,
                    ended_at: columns.next()?,
                    state: columns.next()?,
                    reason: columns.next()?,
                    removal_at: columns.next()?,
                    super_instance: columns.next()?,
                    root_instance: columns.next()?,
                    started_by: columns.next()?,
                })
            })
            .collect()
    }

    /// How many there are.
    pub async fn count_history_instances(&self, mut filter: HistoryInstanceFilter) -> Result<i64, Error> {
        let places = filter.places(self, None).await?;
        select(filter, &places, self.keeps_activities).count(&self.pool).await
    }

    /// One instance.
    pub async fn history_instance(&self, id: Uuid) -> Result<Option<HistoryInstance>, Error> {
        let filter = HistoryInstanceFilter { ids: vec![id], ..HistoryInstanceFilter::default() };
        Ok(self.history_instances(filter, Page::ALL, &[]).await?.pop())
    }

    /// The latest values of an instance's variables, removed ones too.
    pub async fn history_variables(&self, instance: Uuid) -> Result<Vec<HistoryVariable>, Error> {
        let sql = "SELECT instance_id, scope, name, kind, json, removed, created, updated FROM history_variable WHERE instance_id = $1 \
                   ORDER BY scope, name";
        self.pool.fetch(sql, params![instance]).await?.iter().map(|row| history_variable(&mut row.columns())).collect()
    }
}

/// A variable in history.
pub(super) fn history_variable(columns: &mut Columns<'_>) -> Result<HistoryVariable, Error> {
    Ok(HistoryVariable {
        instance: columns.next()?,
        scope: columns.next()?,
        name: columns.next()?,
        kind: columns.next()?,
        json: columns.next()?,
        removed: columns.next()?,
        created: columns.next()?,
        updated: columns.next()?,
    })
}
