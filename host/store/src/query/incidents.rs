//! Open incidents.

use uuid::Uuid;

use super::select::{Select, Sort, keys};
use super::{Order, Page, Reads};
use crate::Error;
use crate::db::Columns;
use crate::rows::IncidentRow;

/// An open incident in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentListed {
    /// Its instance.
    pub instance: Uuid,
    /// Whose it is.
    pub tenant: Option<String>,
    /// The instance's business key.
    pub business_key: Option<String>,
    /// The instance's definition, by key.
    pub definition_key: String,
    /// The incident.
    pub row: IncidentRow,
}

/// Which incidents.
#[derive(Clone, Debug, Default)]
pub struct IncidentFilter {
    /// One of these.
    pub ids: Vec<(Uuid, i64)>,
    /// Of one of these instances.
    pub instances: Vec<Uuid>,
    /// Of this definition.
    pub definition_id: Option<String>,
    /// Of one of these definition keys.
    pub definition_keys: Vec<String>,
    /// Of an instance with this business key.
    pub business_key: Option<String>,
    /// At this activity.
    pub activity_id: Option<String>,
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
    /// Their tenant.
    Tenant,
}

impl Sort for IncidentSort {
    fn column(self) -> &'static str {
        match self {
            Self::Id | Self::Instance => "incident.instance_id",
            Self::Created => "incident.created",
            Self::Code => "{text:incident.code}",
            Self::Message => "{text:incident.message}",
            Self::ActivityId => "{text:incident.activity_id}",
            Self::DefinitionId => "{text:incident.definition_id}",
            Self::Tenant => "{text:i.tenant}",
        }
    }
}

pub(super) const ROW: &str = "incident.n, incident.wait, incident.activity, incident.activity_id, incident.definition_id, incident.code, \
                              incident.message, incident.attempt, incident.created, incident.detail";

pub(super) fn row(columns: &mut Columns<'_>) -> Result<IncidentRow, Error> {
    Ok(IncidentRow {
        n: columns.next()?,
        wait: columns.next()?,
        activity: columns.next()?,
        activity_id: columns.next()?,
        definition_id: columns.next()?,
        code: columns.next()?,
        message: columns.next()?,
        attempt: columns.next()?,
        created: columns.next()?,
        detail: columns.next()?,
    })
}

const FROM: &str = "incident CROSS JOIN instance i LEFT JOIN definition d ON d.id = incident.definition_id";

fn select(filter: IncidentFilter) -> Select {
    let mut select = Select::new(FROM);
    select.condition("i.id = incident.instance_id");
    select.numbered("incident.instance_id", "incident.n", filter.ids);
    select.uuids("incident.instance_id", filter.instances);
    select.maybe("incident.definition_id = $?", filter.definition_id);
    if !filter.definition_keys.is_empty() {
        select.texts("incident.definition_id IN (SELECT k.id FROM definition k WHERE k.key", filter.definition_keys);
        select.close();
    }
    select.maybe("{text:i.business_key} = $?", filter.business_key);
    select.maybe("incident.activity_id = $?", filter.activity_id);
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

impl Reads {
    /// Open incidents.
    pub async fn incidents(
        &self,
        filter: IncidentFilter,
        page: Page,
        sort: &[(IncidentSort, Order)],
    ) -> Result<Vec<IncidentListed>, Error> {
        let columns = format!("incident.instance_id, i.tenant, i.business_key, d.key, {ROW}");
        let rows = select(filter).rows(&self.pool, &columns, &keys(sort, &["incident.instance_id", "incident.n"]), page).await?;
        rows.iter()
            .map(|found| {
                let mut columns = found.columns();
                Ok(IncidentListed {
                    instance: columns.next()?,
                    tenant: columns.next_tenant()?,
                    business_key: columns.next()?,
                    definition_key: columns.next()?,
                    row: row(&mut columns)?,
                })
            })
            .collect()
    }

    /// How many there are.
    pub async fn count_incidents(&self, filter: IncidentFilter) -> Result<i64, Error> {
        select(filter).count(&self.pool).await
    }
}
