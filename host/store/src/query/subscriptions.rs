//! Waits for messages, signals and conditions.

use uuid::Uuid;

use super::select::{Select, ascending};
use super::{Page, Reads};
use crate::Error;
use crate::db::Columns;
use crate::rows::{EventKind, SubscriptionRow};

/// A wait for an event in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscriptionListed {
    /// Its instance.
    pub instance: Uuid,
    /// The wait that the event resumes.
    pub wait: i64,
    /// The activity instance that waits.
    pub activity: i64,
    /// BPMN id of the element.
    pub activity_id: String,
    /// What it waits for.
    pub kind: EventKind,
    /// The message's or signal's name; empty of a condition.
    pub name: String,
    /// The instance's definition.
    pub definition_id: String,
    /// Since when.
    pub created: i64,
    /// Whose the instance is.
    pub tenant: Option<String>,
    /// The instance's business key.
    pub business_key: Option<String>,
    /// What tells it from other waits for the message, if anything does.
    pub correlation_key: Option<String>,
}

/// Which waits.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionFilter {
    /// For an event of this kind.
    pub kind: Option<EventKind>,
    /// For the message or signal of this name.
    pub name: Option<String>,
    /// Of this instance.
    pub instance: Option<Uuid>,
    /// Of an instance with this business key.
    pub business_key: Option<String>,
    /// Told from others by this key.
    pub correlation_key: Option<String>,
    /// Of an instance of this tenant.
    pub tenant: Option<String>,
    /// Of an instance of no tenant.
    pub without_tenant: bool,
    /// Of this definition.
    pub definition_id: Option<String>,
    /// At this activity.
    pub activity_id: Option<String>,
    /// Of an instance that is not suspended.
    pub active: bool,
}

pub(super) const ROW: &str = "wait, activity, activity_id, kind, name, of_event, definition_id, created, correlation_key";

pub(super) fn row(columns: &mut Columns<'_>) -> Result<SubscriptionRow, Error> {
    Ok(SubscriptionRow {
        wait: columns.next()?,
        activity: columns.next()?,
        activity_id: columns.next()?,
        kind: kind(columns)?,
        name: columns.next()?,
        of_event: columns.next()?,
        definition_id: columns.next()?,
        created: columns.next()?,
        correlation_key: columns.next()?,
    })
}

/// A wait, from its instance, tenant and business key and the columns of [`ROW`].
pub(super) fn listed(columns: &mut Columns<'_>) -> Result<SubscriptionListed, Error> {
    let (instance, tenant, business_key) = (columns.next()?, columns.next_tenant()?, columns.next()?);
    let SubscriptionRow { wait, activity, activity_id, kind, name, of_event: _, definition_id, created, correlation_key } = row(columns)?;
    Ok(SubscriptionListed {
        instance,
        wait,
        activity,
        activity_id,
        kind,
        name,
        definition_id,
        created,
        tenant,
        business_key,
        correlation_key,
    })
}

/// What a column says of an event's kind.
pub(super) fn kind(columns: &mut Columns<'_>) -> Result<EventKind, Error> {
    let name: String = columns.next()?;
    EventKind::of(&name).ok_or_else(|| Error::Damaged(format!("'{name}' is no kind of event")))
}

fn select(filter: SubscriptionFilter) -> Select {
    let mut select = Select::new("subscription");
    select.maybe("name = $?", filter.name);
    select.maybe("kind = $?", filter.kind.map(EventKind::as_str));
    select.maybe("instance_id = $?", filter.instance);
    select.maybe("business_key = $?", filter.business_key);
    select.maybe("correlation_key = $?", filter.correlation_key);
    select.maybe("tenant = $?", filter.tenant);
    select.when(filter.without_tenant, "tenant = ''");
    select.maybe("definition_id = $?", filter.definition_id);
    select.maybe("activity_id = $?", filter.activity_id);
    select.when(filter.active, "NOT EXISTS (SELECT 1 FROM instance i WHERE i.id = subscription.instance_id AND i.suspended)");
    select
}

impl Reads {
    /// Waits for events, the oldest first.
    pub async fn subscriptions(&self, filter: SubscriptionFilter, page: Page) -> Result<Vec<SubscriptionListed>, Error> {
        let columns = format!("instance_id, tenant, business_key, {ROW}");
        // Those of one instance are few, and units of work ask for them.
        let pool = if filter.instance.is_some() { &self.lookups } else { &self.pool };
        let rows = select(filter).rows(pool, &columns, &ascending(&["created", "instance_id", "wait"]), page).await?;
        rows.iter().map(|row| listed(&mut row.columns())).collect()
    }
}
