//! Open incidents.
//!
//! As in Camunda 7 an incident of a called instance stands at each of its callers, too: at the call activity that leads to it. Nothing of
//! that is stored: it follows from the incident and from who has called whom.

use uuid::Uuid;

use super::select::{Select, Sort, keys};
use super::{Order, Page, Reads};
use crate::Error;
use crate::db::{Columns, Param};
use crate::rows::IncidentRow;

/// An open incident in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentListed {
    /// Its instance; of a signal that was to start one, the throw, and of a timer start event that event.
    pub instance: Uuid,
    /// Whose it is.
    pub tenant: Option<String>,
    /// The instance's business key.
    pub business_key: Option<String>,
    /// The instance's definition, by key.
    pub definition_key: String,
    /// The incident; as a caller has it with the number of the called instance's, and at the call activity.
    pub row: IncidentRow,
    /// Set of a caller's.
    pub cause: Option<Cause>,
}

/// What the incident of a caller comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// What the caller has called, and has the same incident or has it from what it has called.
    pub called: Uuid,
    /// Whose incident it is.
    pub root: Uuid,
}

/// The name of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncidentName {
    /// Whose it is.
    pub instance: Uuid,
    /// Its number there.
    pub n: i64,
    /// The caller that has it as well; none: as its own instance has it.
    pub at: Option<Uuid>,
}

/// Which incidents.
#[derive(Clone, Debug, Default)]
pub struct IncidentFilter {
    /// This one.
    pub name: Option<IncidentName>,
    /// Those that come from this one: itself, if no called instance has it, and that of the caller.
    pub cause: Option<IncidentName>,
    /// This one, and those of all callers.
    pub root: Option<IncidentName>,
    /// As callers have them.
    pub of_called: bool,
    /// Of no instance: of what was to start one.
    pub of_starts: bool,
    /// Of one of these instances.
    pub instances: Vec<Uuid>,
    /// At this activity instance.
    pub activity: Option<(Uuid, i64)>,
    /// Of this definition.
    pub definition_id: Option<String>,
    /// Of one of these definition keys.
    pub definition_keys: Vec<String>,
    /// Of an instance with this business key.
    pub business_key: Option<String>,
    /// Standing at this activity.
    pub activity_id: Option<String>,
    /// Of what failed at this activity.
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
    /// About this wait: Camunda's `configuration`, a job's id.
    pub wait: Option<(Uuid, i64)>,
    /// Raised before this.
    pub created_before: Option<i64>,
    /// Raised after this.
    pub created_after: Option<i64>,
    /// Of one of these tenants.
    pub tenants: Vec<String>,
    /// Of no tenant.
    pub without_tenant: bool,
}

/// What incidents are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentSort {
    /// Their id.
    Id,
    /// When they were raised.
    Created,
    /// Their kind.
    Code,
    /// Their message.
    Message,
    /// Their activity.
    ActivityId,
    /// Their instance.
    Instance,
    /// Their definition.
    DefinitionId,
    /// What they come from.
    Cause,
    /// The instance at whose incident they begin.
    Root,
    /// Their tenant.
    Tenant,
}

impl Sort for IncidentSort {
    fn column(self) -> &'static str {
        match self {
            Self::Id | Self::Instance => "incident.instance_id",
            Self::Created => "incident.created",
            Self::Code => "incident.code",
            Self::Message => "incident.message",
            Self::ActivityId => "incident.activity_id",
            Self::DefinitionId => "incident.definition_id",
            Self::Cause => "COALESCE(incident.called, incident.instance_id)",
            Self::Root => "COALESCE(incident.root, incident.instance_id)",
            Self::Tenant => "i.tenant",
        }
    }
}

/// All but the detail, which comes last.
const LISTED: &str = "incident.n, incident.wait, incident.activity, incident.activity_id, incident.failed_activity_id, \
                      incident.job_definition_id, incident.definition_id, incident.code, incident.message, incident.attempt, incident.created";

pub(super) fn columns() -> String {
    format!("{LISTED}, incident.detail")
}

pub(super) fn row(columns: &mut Columns<'_>) -> Result<IncidentRow, Error> {
    Ok(IncidentRow {
        n: columns.next()?,
        wait: columns.next()?,
        activity: columns.next()?,
        activity_id: columns.next()?,
        failed_activity_id: columns.next()?,
        job_definition_id: columns.next()?,
        definition_id: columns.next()?,
        code: columns.next()?,
        message: columns.next()?,
        attempt: columns.next()?,
        created: columns.next()?,
        detail: columns.next()?,
    })
}

const FROM: &str = "(SELECT x.*, {pg:NULL::uuid}{lite:NULL} AS called, {pg:NULL::uuid}{lite:NULL} AS root FROM incident x) incident \
                    CROSS JOIN instance i LEFT JOIN definition d ON d.id = incident.definition_id";

/// The same as callers have them, whatever lies between. Their numbers are those of the incidents, and negative: a caller has some of its
/// own. What failed for a caller is its call activity. Where nobody is called no incident is looked at.
macro_rules! of_called {
    () => {
        "(WITH RECURSIVE up (instance_id, activity, activity_id, called, root, n) AS (\
        SELECT c.super_instance, c.super_n, c.super_activity, c.id, x.instance_id, x.n \
        FROM (SELECT id FROM instance WHERE super_instance IS NOT NULL LIMIT 1) callee CROSS JOIN any_incident x CROSS JOIN instance c \
        WHERE c.id = x.instance_id AND c.super_instance IS NOT NULL UNION ALL \
        SELECT c.super_instance, c.super_n, c.super_activity, c.id, up.root, up.n FROM up JOIN instance c ON c.id = up.instance_id \
        WHERE c.super_instance IS NOT NULL) \
     SELECT up.instance_id, -up.n AS n, {pg:NULL::bigint}{lite:NULL} AS wait, up.activity, up.activity_id, up.activity_id AS failed_activity_id, \
        {pg:NULL::text}{lite:NULL} AS job_definition_id, a.definition_id, x.code, '' AS message, x.attempt, x.created, x.detail, up.called, up.root \
     FROM up CROSS JOIN any_incident x CROSS JOIN instance a WHERE x.instance_id = up.root AND x.n = up.n AND a.id = up.instance_id)"
    };
}

const FROM_CALLED: &str = concat!(of_called!(), " incident CROSS JOIN instance i LEFT JOIN definition d ON d.id = incident.definition_id");

/// What instances have of what they have called, as rows like those of incidents.
pub(super) const OF_CALLED: &str = of_called!();

/// The ids of those instances, each once.
pub(super) const CALLERS: &str = concat!("(SELECT DISTINCT o.instance_id FROM ", of_called!(), " o) c");

/// That an instance has an open incident `w` of its own, for which this holds. `any_incident` is not asked: where no constant leads to its
/// rows SQLite would put all of them together. In this form PostgreSQL looks each up, and does not put all together either.
pub(super) fn has_incident(instance: &str, that: &str) -> String {
    let of = |table: &str| format!("SELECT 1 FROM {table} w WHERE w.instance_id = {instance} AND {that}");
    format!("EXISTS ({} UNION ALL {})", of("incident"), of("undelivered_incident"))
}

/// The same of signals that could not be delivered.
const FROM_DELIVERIES: &str = "(SELECT c.*, {pg:NULL::uuid}{lite:NULL} AS called, {pg:NULL::uuid}{lite:NULL} AS root FROM undelivered_incident c) \
                               incident \
                               {pg:JOIN}{lite:CROSS JOIN} (SELECT COALESCE(s.instance_id, s.signal) AS id, s.n, COALESCE(si.tenant, sd.tenant) AS tenant, \
                               COALESCE(si.business_key, s.business_key) AS business_key FROM delivery s \
                               JOIN definition sd ON sd.id = s.definition_id LEFT JOIN instance si ON si.id = s.instance_id \
                               WHERE s.failures > 0) i ON i.n = incident.n LEFT JOIN definition d ON d.id = incident.definition_id";

/// The same of timer start events that could not start an instance.
const FROM_START_TIMERS: &str = "(SELECT c.*, {pg:NULL::uuid}{lite:NULL} AS called, {pg:NULL::uuid}{lite:NULL} AS root FROM start_timer_incident c) \
                                 incident {pg:JOIN}{lite:CROSS JOIN} (SELECT s.id, s.given_up AS n, sd.tenant, CAST(NULL AS TEXT) AS business_key \
                                 FROM start_timer s JOIN definition sd ON sd.id = s.definition_id WHERE s.retries = 0) i ON i.n = incident.n \
                                 LEFT JOIN definition d ON d.id = incident.definition_id";

fn select(filter: IncidentFilter) -> Select {
    let from = if filter.of_starts {
        vec![FROM_DELIVERIES, FROM_START_TIMERS]
    } else {
        vec![FROM, FROM_CALLED, FROM_DELIVERIES, FROM_START_TIMERS]
    };
    let mut select = Select::of(from);
    select.condition("i.id = incident.instance_id");
    add_names(&mut select, "incident", filter.name, filter.cause, filter.root);
    select.when(filter.of_called, "incident.root IS NOT NULL");
    select.when(filter.of_starts, "incident.activity = 0");
    select.uuids("incident.instance_id", filter.instances);
    select.numbered("incident.instance_id", "incident.activity", filter.activity.into_iter().collect());
    select.maybe("incident.definition_id = $?", filter.definition_id);
    if !filter.definition_keys.is_empty() {
        select.texts("incident.definition_id IN (SELECT k.id FROM definition k WHERE k.key", filter.definition_keys);
        select.close();
    }
    select.maybe("i.business_key = $?", filter.business_key);
    select.maybe("incident.activity_id = $?", filter.activity_id);
    select.maybe("incident.failed_activity_id = $?", filter.failed_activity_id);
    select.texts("incident.job_definition_id", filter.job_definition_ids);
    select.maybe("incident.code = $?", filter.code);
    select.maybe("incident.code <> $?", filter.code_not);
    select.maybe("incident.message = $?", filter.message);
    select.like("incident.message", filter.message_like);
    select.numbered("incident.instance_id", "incident.wait", filter.wait.into_iter().collect());
    select.maybe("incident.created < $?", filter.created_before);
    select.maybe("incident.created > $?", filter.created_after);
    select.tenants("i.tenant", filter.tenants, filter.without_tenant);
    select
}

/// Which incidents by their names, of rows `c` that say what a caller's come from.
pub(super) fn add_names(select: &mut Select, c: &str, name: Option<IncidentName>, cause: Option<IncidentName>, root: Option<IncidentName>) {
    let (of, number) = (format!("{c}.instance_id"), format!("{c}.n"));
    if let Some(IncidentName { instance, n, at }) = name {
        match at {
            None => select.numbered(&of, &number, vec![(instance, n)]),
            Some(at) => select.with_each(
                &format!("({of} = $? AND {c}.root = $? AND {number} = $?)"),
                [Param::Uuid(at), Param::Uuid(instance), Param::I64(-n)],
            ),
        }
    }
    // One of its own comes from itself.
    let called = format!("COALESCE({c}.called, {of}) = $?");
    let of_root = format!("COALESCE({c}.root, {of}) = $? AND ABS({number}) = $?");
    if let Some(IncidentName { instance, n, at }) = cause {
        let values = [Param::Uuid(at.unwrap_or(instance)), Param::Uuid(instance), Param::I64(n)];
        select.with_each(&format!("{called} AND {of_root}"), values);
    }
    if let Some(IncidentName { instance, n, at }) = root {
        select.with_each(&of_root, [Param::Uuid(instance), Param::I64(n)]);
        // What a caller has is nobody's root.
        select.when(at.is_some(), "1 = 0");
    }
}

impl Reads {
    /// Open incidents. Only the one that is asked for by its name has its detail: it may be large, and lists do not show it.
    pub async fn incidents(
        &self,
        filter: IncidentFilter,
        page: Page,
        sort: &[(IncidentSort, Order)],
    ) -> Result<Vec<IncidentListed>, Error> {
        let detail = if filter.name.is_some() { "incident.detail" } else { "''" };
        let columns = format!("incident.instance_id, i.tenant, i.business_key, d.key, incident.called, incident.root, {LISTED}, {detail}");
        let ties = ["incident.instance_id", "incident.n", "incident.root"];
        let rows = select(filter).large_rows(&self.pool, &columns, &keys(sort, &ties), page).await?;
        rows.iter()
            .map(|found| {
                let mut columns = found.columns();
                let (instance, tenant) = (columns.next()?, columns.next_tenant()?);
                let (business_key, definition_key) = (columns.next()?, columns.next()?);
                let (called, root): (Option<Uuid>, Option<Uuid>) = (columns.next()?, columns.next()?);
                let cause = called.zip(root).map(|(called, root)| Cause { called, root });
                let row = row(&mut columns)?;
                Ok(IncidentListed { instance, tenant, business_key, definition_key, row: IncidentRow { n: row.n.abs(), ..row }, cause })
            })
            .collect()
    }

    /// How many there are.
    pub async fn count_incidents(&self, filter: IncidentFilter) -> Result<i64, Error> {
        select(filter).count(&self.pool).await
    }
}
