//! What history has of incidents.
//!
//! As in the list of open incidents ([`incidents`](super::incidents)) one of a called instance stands at each of its callers, too. Here
//! each of these has a row of its own, for there may be any number of ended instances to follow. What has become of a signal or message
//! that could not be delivered is an incident of its receiver; one that was to start an instance has none, and is its definition's.

use uuid::Uuid;

use super::incidents::{Cause, IncidentName, add_names};
use super::record::HistoryIncident;
use super::remembered::{OF_INSTANCE, OfInstances, Remembered, of_instances, remembered};
use super::select::{Place, Select, Sort, keys, large_rows};
use super::{Order, Page, Reads};
use crate::Error;
use crate::db::{Columns, Param};

/// An incident as history has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentRemembered {
    /// The incident; as a caller has it with the number of the called instance's, and at the call activity.
    pub incident: HistoryIncident,
    /// How far it is.
    pub state: IncidentState,
    /// Set of a caller's.
    pub cause: Option<Cause>,
}

/// How far a remembered incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentState {
    /// It is open.
    Open,
    /// It was resolved.
    Resolved,
    /// What had failed was cancelled, or its whole instance was.
    Deleted,
}

/// Which incidents.
#[derive(Clone, Debug, Default)]
pub struct HistoryIncidentFilter {
    /// Whose.
    pub of: OfInstances,
    /// This one.
    pub name: Option<IncidentName>,
    /// Those that come from this one: itself, if no called instance has it, and that of the caller.
    pub cause: Option<IncidentName>,
    /// This one, and those of all callers.
    pub root: Option<IncidentName>,
    /// At this activity instance.
    pub activity: Option<(Uuid, i64)>,
    /// Standing at this element.
    pub activity_id: Option<String>,
    /// Of what failed at this element.
    pub failed_activity_id: Option<String>,
    /// Of jobs of one of these job definitions, by their ids.
    pub job_definition_ids: Vec<String>,
    /// Of this kind of trouble.
    pub code: Option<String>,
    /// Of any other kind of trouble than this.
    pub code_not: Option<String>,
    /// With this message.
    pub message: Option<String>,
    /// With a message like this.
    pub message_like: Option<String>,
    /// About this wait.
    pub wait: Option<(Uuid, i64)>,
    /// In this state.
    pub state: Option<IncidentState>,
    /// Raised before this.
    pub created_before: Option<i64>,
    /// Raised after this.
    pub created_after: Option<i64>,
    /// Over before this.
    pub resolved_before: Option<i64>,
    /// Over after this.
    pub resolved_after: Option<i64>,
}

/// What incidents are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryIncidentSort {
    /// Their id.
    Id,
    /// Their instance.
    Instance,
    /// Their message.
    Message,
    /// When they were raised.
    Created,
    /// When they were over.
    Resolved,
    /// Their kind.
    Code,
    /// Their element.
    ActivityId,
    /// Their definition.
    DefinitionId,
    /// Their definition's key.
    DefinitionKey,
    /// What they come from.
    Cause,
    /// The instance at whose incident they begin.
    Root,
    /// How far they are.
    State,
    /// Their tenant.
    Tenant,
}

impl Sort for HistoryIncidentSort {
    fn column(self) -> &'static str {
        match self {
            Self::Id | Self::Instance => "c.instance_id",
            Self::Message => "c.message",
            Self::Created => "c.created",
            Self::Resolved => OVER,
            Self::Code => "c.code",
            Self::ActivityId => "c.activity_id",
            Self::DefinitionId => "c.definition_id",
            Self::DefinitionKey => "h.definition_key",
            Self::Cause => "COALESCE(c.called, c.instance_id)",
            Self::Root => "COALESCE(c.root, c.instance_id)",
            Self::State => STATE,
            Self::Tenant => "h.tenant",
        }
    }
}

const FROM: &str = "(SELECT x.*, {pg:NULL::uuid}{lite:NULL} AS called, {pg:NULL::uuid}{lite:NULL} AS root FROM history_incident x) c CROSS JOIN history_instance h";

/// The same as callers have them. Their numbers are those of the incidents, and negative: a caller has some of its own. They are over as
/// the incidents are.
const FROM_CALLED: &str = "(SELECT k.instance_id, -k.n AS n, {pg:NULL::bigint}{lite:NULL} AS wait, k.activity, k.activity_id, \
        k.activity_id AS failed_activity_id, {pg:NULL::text}{lite:NULL} AS job_definition_id, k.definition_id, x.code, '' AS message, x.created, \
        COALESCE(x.ended_at, o.ended_at) AS ended_at, x.deleted OR (x.ended_at IS NULL AND o.ended_at IS NOT NULL) AS deleted, \
        {pg:NULL::bigint}{lite:NULL} AS removal_at, k.called, k.root \
     FROM history_incident_caller k CROSS JOIN history_incident x CROSS JOIN history_instance o \
     WHERE x.instance_id = k.root AND x.n = k.n AND o.instance_id = k.root) c CROSS JOIN history_instance h";

/// Of what was to start an instance. It has the definition's place for an instance's.
const FROM_STARTS: &str = "(SELECT x.*, {pg:NULL::uuid}{lite:NULL} AS called, {pg:NULL::uuid}{lite:NULL} AS root FROM history_incident x \
        {lite:INDEXED BY history_incident_start} WHERE x.activity = 0) c {pg:JOIN}{lite:CROSS JOIN} \
     (SELECT s.instance_id, s.n, d.tenant, d.id AS definition_id, d.key AS definition_key, s.removal_at, \
        {pg:NULL::uuid}{lite:NULL} AS root_instance, '' AS state, {pg:NULL::bigint}{lite:NULL} AS ended_at \
     FROM history_incident s JOIN definition d ON d.id = s.definition_id WHERE s.activity = 0) h ON h.n = c.n";

/// When one was over. With an instance everything that is open of it is: also a signal that could not be delivered.
const OVER: &str = "COALESCE(c.ended_at, h.ended_at)";
/// Within a CASE PostgreSQL does not estimate what is said of the instance, and begins with the incidents. It would take those that live
/// to be as rare among the instances with an incident as among all, and read all instances until it finds some.
const OPEN: &str = "c.ended_at IS NULL AND CASE WHEN c.ended_at IS NULL THEN h.ended_at IS NULL END";
const DELETED: &str = "(c.deleted OR (c.ended_at IS NULL AND h.ended_at IS NOT NULL))";

/// How far one is: 0 open, 1 resolved, 2 deleted.
const STATE: &str = "CAST(CASE WHEN c.ended_at IS NULL AND h.ended_at IS NULL THEN 0 \
                     WHEN (c.deleted OR (c.ended_at IS NULL AND h.ended_at IS NOT NULL)) THEN 2 ELSE 1 END AS BIGINT)";

fn incidents(filter: HistoryIncidentFilter) -> Select {
    let own = Place::from(FROM).without(&["c.root"]);
    let mut select = Select::of(vec![own, FROM_CALLED.into(), FROM_STARTS.into()]);
    // A row knows its definition, and is found by it.
    select.maybe("c.definition_id = $?", filter.of.definition_id.clone());
    of_instances(&mut select, "c.instance_id", filter.of);
    // Whose they can be at all is found by an index; of the alternatives that the names are, not every database sees that.
    for name in [filter.cause, filter.root].into_iter().flatten() {
        let [instance, n] = [Param::Uuid(name.instance), Param::I64(name.n)];
        select.with_each(
            "c.instance_id IN (SELECT k.instance_id FROM history_incident_caller k WHERE k.root = $? AND k.n = $? UNION ALL SELECT $?)",
            [instance.clone(), n, instance],
        );
    }
    add_names(&mut select, "c", filter.name, filter.cause, filter.root);
    select.numbered("c.instance_id", "c.activity", filter.activity.into_iter().collect());
    select.maybe("c.activity_id = $?", filter.activity_id);
    select.maybe("c.failed_activity_id = $?", filter.failed_activity_id);
    select.texts("c.job_definition_id", filter.job_definition_ids);
    select.maybe("c.code = $?", filter.code);
    select.maybe("c.code <> $?", filter.code_not);
    select.maybe("c.message = $?", filter.message);
    select.like("c.message", filter.message_like);
    select.numbered("c.instance_id", "c.wait", filter.wait.into_iter().collect());
    match filter.state {
        None => {}
        Some(IncidentState::Open) => select.condition(OPEN),
        Some(IncidentState::Deleted) => select.condition(DELETED),
        // As the index of those that are says it: what ends with its instance is deleted.
        Some(IncidentState::Resolved) => select.condition("c.ended_at IS NOT NULL AND NOT c.deleted"),
    }
    select.maybe("c.created < $?", filter.created_before);
    select.maybe("c.created > $?", filter.created_after);
    select.maybe(&format!("{OVER} < $?"), filter.resolved_before);
    select.maybe(&format!("{OVER} > $?"), filter.resolved_after);
    select
}

/// The statement that asks for them.
pub(crate) fn remembered_incidents_sql(
    filter: HistoryIncidentFilter,
    page: Page,
    sort: &[(HistoryIncidentSort, Order)],
) -> (String, Vec<Param>) {
    let columns = format!(
        "{OF_INSTANCE}, c.n, c.wait, c.activity, c.activity_id, c.failed_activity_id, c.job_definition_id, c.code, c.message, c.created, {OVER}, \
         c.called, c.root, {STATE}"
    );
    incidents(filter).statement(&columns, &keys(sort, &["c.instance_id", "c.n", "c.root"]), page)
}

impl Reads {
    /// Incidents, resolved ones too.
    pub async fn remembered_incidents(
        &self,
        filter: HistoryIncidentFilter,
        page: Page,
        sort: &[(HistoryIncidentSort, Order)],
    ) -> Result<Vec<Remembered<IncidentRemembered>>, Error> {
        let rows = large_rows(&self.pool, remembered_incidents_sql(filter, page, sort), page).await?;
        let incident = |_, columns: &mut Columns<'_>| {
            let incident = super::record::incident(columns)?;
            let (called, root): (Option<Uuid>, Option<Uuid>) = (columns.next()?, columns.next()?);
            let state = match columns.next::<i64>()? {
                0 => IncidentState::Open,
                2 => IncidentState::Deleted,
                _ => IncidentState::Resolved,
            };
            let cause = called.zip(root).map(|(called, root)| Cause { called, root });
            Ok(IncidentRemembered { incident: HistoryIncident { n: incident.n.abs(), ..incident }, state, cause })
        };
        rows.iter().map(|row| remembered(row, incident)).collect()
    }

    /// How many there are.
    pub async fn count_remembered_incidents(&self, filter: HistoryIncidentFilter) -> Result<i64, Error> {
        incidents(filter).count(&self.pool).await
    }
}
