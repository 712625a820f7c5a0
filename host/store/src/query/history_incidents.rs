//! What history has of incidents.
//!
//! As in the list of open incidents ([`incidents`](super::incidents)) one of a called instance stands at each of its callers, too, which follows from
//! who has called whom. What has become of a signal or message that could not be delivered is an incident of its receiver; one that was to start
//! an instance has none, and is its definition's.

use uuid::Uuid;

use super::incidents::{Cause, IncidentName, add_names};
use super::record::HistoryIncident;
use super::remembered::{OF_INSTANCE, OfInstances, Remembered, of_instances, remembered};
use super::select::{Select, Sort, keys};
use super::{Order, Page, Reads};
use crate::Error;
use crate::db::Columns;

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
    /// It was open when its instance was deleted.
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
    /// At this element.
    pub activity_id: Option<String>,
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
    /// Their tenant.
    Tenant,
}

impl Sort for HistoryIncidentSort {
    fn column(self) -> &'static str {
        match self {
            Self::Id | Self::Instance => "c.instance_id",
            Self::Message => "{text:c.message}",
            Self::Created => "c.created",
            Self::Resolved => "COALESCE(c.resolved_at, h.ended_at)",
            Self::Code => "{text:c.code}",
            Self::ActivityId => "{text:c.activity_id}",
            Self::DefinitionId => "{text:c.definition_id}",
            Self::DefinitionKey => "{text:h.definition_key}",
            Self::Tenant => "{text:h.tenant}",
        }
    }
}

const FROM: &str = "(SELECT x.*, {pg:NULL::uuid}{lite:NULL} AS called, {pg:NULL::uuid}{lite:NULL} AS root FROM history_incident x) c CROSS JOIN history_instance h";

/// The same as callers have them, whatever lies between. Their numbers are those of the incidents, and negative: a caller has some of its own.
const FROM_CALLED: &str = "(WITH RECURSIVE up (instance_id, activity, activity_id, called, root, n) AS (\
        SELECT o.super_instance, o.super_n, o.super_activity, o.instance_id, x.instance_id, x.n FROM history_incident x \
        JOIN history_instance o ON o.instance_id = x.instance_id WHERE x.of_called UNION ALL \
        SELECT o.super_instance, o.super_n, o.super_activity, o.instance_id, up.root, up.n FROM up \
        JOIN history_instance o ON o.instance_id = up.instance_id WHERE o.super_instance IS NOT NULL) \
     SELECT up.instance_id, -up.n AS n, {pg:NULL::bigint}{lite:NULL} AS wait, up.activity, up.activity_id, a.definition_id, x.code, '' AS message, \
        x.created, COALESCE(x.resolved_at, o.ended_at) AS resolved_at, up.called, up.root \
     FROM up JOIN history_incident x ON x.instance_id = up.root AND x.n = up.n JOIN history_instance o ON o.instance_id = up.root \
        JOIN history_instance a ON a.instance_id = up.instance_id) c CROSS JOIN history_instance h";

/// Of what was to start an instance. It has the definition's place for an instance's.
const FROM_STARTS: &str = "(SELECT x.*, {pg:NULL::uuid}{lite:NULL} AS called, {pg:NULL::uuid}{lite:NULL} AS root FROM history_incident x \
        {lite:INDEXED BY history_incident_start} WHERE x.activity = 0) c {pg:JOIN}{lite:CROSS JOIN} \
     (SELECT s.instance_id, s.n, d.tenant, d.id AS definition_id, d.key AS definition_key, {pg:NULL::bigint}{lite:NULL} AS removal_at, \
        {pg:NULL::uuid}{lite:NULL} AS root_instance, '' AS state, {pg:NULL::bigint}{lite:NULL} AS ended_at \
     FROM history_incident s JOIN definition d ON d.id = s.definition_id WHERE s.activity = 0) h ON h.n = c.n";

/// When one was over. With an instance everything that is open of it is: also a signal that could not be delivered.
const OVER: &str = "COALESCE(c.resolved_at, h.ended_at)";
const OPEN: &str = "c.resolved_at IS NULL AND h.ended_at IS NULL";
/// Deleting an instance ends what is open of it at that moment.
const DELETED: &str = "h.state = 'EXTERNALLY_TERMINATED' AND COALESCE(c.resolved_at, h.ended_at) = h.ended_at";

fn incidents(filter: HistoryIncidentFilter) -> Select {
    let mut select = Select::of(vec![FROM, FROM_CALLED, FROM_STARTS]);
    of_instances(&mut select, "c.instance_id", filter.of);
    add_names(&mut select, "c", filter.name, filter.cause, filter.root);
    select.numbered("c.instance_id", "c.activity", filter.activity.into_iter().collect());
    select.maybe("c.activity_id = $?", filter.activity_id);
    select.maybe("c.code = $?", filter.code);
    select.maybe("c.code <> $?", filter.code_not);
    select.maybe("c.message = $?", filter.message);
    select.like("c.message", filter.message_like);
    select.numbered("c.instance_id", "c.wait", filter.wait.into_iter().collect());
    match filter.state {
        None => {}
        Some(IncidentState::Open) => select.condition(OPEN),
        Some(IncidentState::Deleted) => select.condition(DELETED),
        Some(IncidentState::Resolved) => select.condition(&format!("{OVER} IS NOT NULL AND NOT ({DELETED})")),
    }
    select.maybe("c.created < $?", filter.created_before);
    select.maybe("c.created > $?", filter.created_after);
    select.maybe(&format!("{OVER} < $?"), filter.resolved_before);
    select.maybe(&format!("{OVER} > $?"), filter.resolved_after);
    select
}

impl Reads {
    /// Incidents, resolved ones too.
    pub async fn remembered_incidents(
        &self,
        filter: HistoryIncidentFilter,
        page: Page,
        sort: &[(HistoryIncidentSort, Order)],
    ) -> Result<Vec<Remembered<IncidentRemembered>>, Error> {
        let columns = format!(
            "{OF_INSTANCE}, c.n, c.wait, c.activity, c.activity_id, c.code, c.message, c.created, {OVER}, \
             c.called, c.root, CAST(CASE WHEN {OPEN} THEN 0 WHEN {DELETED} THEN 2 ELSE 1 END AS BIGINT)"
        );
        let rows = incidents(filter).rows(&self.pool, &columns, &keys(sort, &["c.instance_id", "c.n", "c.root"]), page).await?;
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
