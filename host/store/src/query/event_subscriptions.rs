//! Everything that waits for a message, a signal or a condition: instances, and processes that start by it (Camunda 7's
//! `EventSubscription`).

use uuid::Uuid;

use super::select::{Select, Sort, keys};
use super::subscriptions::kind;
use super::{Order, Page, Reads};
use crate::Error;
use crate::db::{Dialect, Row, params};
use crate::rows::EventKind;

/// An event subscription in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventSubscriptionListed {
    /// Whose it is.
    pub of: EventSubscriptionOf,
    /// What it waits for.
    pub kind: EventKind,
    /// The message's or signal's name; empty of a condition.
    pub name: String,
    /// BPMN id of the element.
    pub activity_id: String,
    /// Since when.
    pub created: i64,
    /// The instance's or definition's tenant.
    pub tenant: Option<String>,
    /// What tells the wait from others for the message, if anything does.
    pub correlation_key: Option<String>,
}

/// Who waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventSubscriptionOf {
    /// An instance.
    Wait {
        /// Which.
        instance: Uuid,
        /// The wait.
        wait: i64,
        /// The activity instance that waits.
        activity: i64,
    },
    /// The newest version of a process, which starts by it.
    Definition(String),
}

/// Which event subscriptions.
#[derive(Clone, Debug, Default)]
pub struct EventSubscriptionFilter {
    /// Of this wait.
    pub wait: Option<(Uuid, i64)>,
    /// Of this start event: definition and BPMN id.
    pub start: Option<(String, String)>,
    /// Of this kind, by its stored name; one that there is not matches nothing.
    pub kind: Option<String>,
    /// For the message or signal of this name.
    pub name: Option<String>,
    /// Of this activity instance.
    pub execution: Option<(Uuid, i64)>,
    /// Of this instance.
    pub instance: Option<Uuid>,
    /// At this element.
    pub activity_id: Option<String>,
    /// Of these tenants, of which the empty text is none.
    pub tenants: Vec<String>,
    /// Of no tenant.
    pub without_tenant: bool,
}

/// What they are sorted by.
#[derive(Clone, Copy, Debug)]
pub enum EventSubscriptionSort {
    /// Since when.
    Created,
    /// Tenant.
    Tenant,
}

impl Sort for EventSubscriptionSort {
    fn column(self) -> &'static str {
        match self {
            Self::Created => "s.created",
            Self::Tenant => "s.tenant",
        }
    }
}

const WAITS: &str = "subscription s";

/// That waits are read in the order of their instances, whatever is asked of them.
pub(super) const IN_ORDER: &str = "{lite:INDEXED BY sqlite_autoindex_subscription_1}";

/// As wide as the waits. A start event waits since its deployment.
const STARTS: &str = "(SELECT {pg:NULL::uuid}{lite:NULL} AS instance_id, {pg:NULL::bigint}{lite:NULL} AS wait, \
     {pg:NULL::bigint}{lite:NULL} AS activity, e.activity_id, e.kind, e.name, e.definition_id, p.deployed_at AS created, d.tenant, \
     {pg:NULL::text}{lite:NULL} AS correlation_key \
     FROM start_event e JOIN definition d ON d.id = e.definition_id JOIN deployment p ON p.id = d.deployment_id \
     WHERE NOT EXISTS (SELECT 1 FROM definition newer WHERE newer.tenant = d.tenant AND newer.key = d.key AND newer.version > d.version)) s";

fn select(filter: EventSubscriptionFilter, by_name: bool) -> Select {
    let mut select = Select::of(vec![format!("{WAITS} {}", if by_name { "" } else { IN_ORDER }), STARTS.to_owned()]);
    // A receive task without a message waits for nothing that could be sent.
    select.condition("(s.kind <> 'message' OR s.name <> '')");
    if let Some((instance, wait)) = filter.wait {
        select.with("s.instance_id = $?", instance);
        select.with("s.wait = $?", wait);
    }
    if let Some((definition, activity)) = filter.start {
        select.condition("s.instance_id IS NULL");
        select.with("s.definition_id = $?", definition);
        select.with("s.activity_id = $?", activity);
    }
    select.maybe("s.kind = $?", filter.kind);
    select.maybe("s.name = $?", filter.name);
    if let Some((instance, activity)) = filter.execution {
        select.with("s.instance_id = $?", instance);
        select.with("s.activity = $?", activity);
    }
    select.maybe("s.instance_id = $?", filter.instance);
    select.maybe("s.activity_id = $?", filter.activity_id);
    select.tenants("s.tenant", filter.tenants, filter.without_tenant);
    select
}

fn listed(row: &Row) -> Result<EventSubscriptionListed, Error> {
    let mut columns = row.columns();
    let definition = columns.next()?;
    let of = match (columns.next()?, columns.next()?, columns.next()?) {
        (Some(instance), Some(wait), Some(activity)) => EventSubscriptionOf::Wait { instance, wait, activity },
        (None::<Uuid>, _, _) => EventSubscriptionOf::Definition(definition),
        _ => return Err(Error::Damaged("a subscription has half a wait".to_owned())),
    };
    Ok(EventSubscriptionListed {
        of,
        kind: kind(&mut columns)?,
        name: columns.next()?,
        activity_id: columns.next()?,
        created: columns.next()?,
        tenant: columns.next_tenant()?,
        correlation_key: columns.next()?,
    })
}

impl Reads {
    /// Event subscriptions.
    pub async fn event_subscriptions(
        &self,
        filter: EventSubscriptionFilter,
        page: Page,
        sort: &[(EventSubscriptionSort, Order)],
    ) -> Result<Vec<EventSubscriptionListed>, Error> {
        let columns =
            "s.definition_id, s.instance_id, s.wait, s.activity, s.kind, s.name, s.activity_id, s.created, s.tenant, s.correlation_key";
        let ties = ["s.instance_id", "s.wait", "s.definition_id", "s.activity_id"];
        let by_name = match &filter.name {
            Some(name) if sort.is_empty() && page != Page::ALL => !self.many_wait_for(name).await?,
            _ => true,
        };
        select(filter, by_name).rows(&self.pool, columns, &keys(sort, &ties), page).await?.iter().map(listed).collect()
    }

    /// How many there are.
    pub async fn count_event_subscriptions(&self, filter: EventSubscriptionFilter) -> Result<i64, Error> {
        select(filter, true).count(&self.pool).await
    }

    /// Whether so many wait for an event of this name that they are looked for among all waits in the order of a list, and not by the name
    /// and then sorted. PostgreSQL knows that by itself.
    pub(super) async fn many_wait_for(&self, name: &str) -> Result<bool, Error> {
        Ok(self.pool.dialect() == Dialect::Sqlite && self.are_many("subscription WHERE name = $1", params![name]).await?)
    }
}
