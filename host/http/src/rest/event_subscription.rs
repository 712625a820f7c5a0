//! `/event-subscription`: what instances wait for, and what the newest versions of processes start by.

use axum::Router;
use mandate_runtime::StoreError;
use mandate_runtime::engine::{InstanceId, PublicId};
use mandate_runtime::query::{
    EventSubscriptionFilter, EventSubscriptionListed, EventSubscriptionOf, EventSubscriptionSort, Order, Page, Reads,
};
use serde_json::{Value, json};

use super::list::{List, by_query};
use super::{camunda, execution, numbered, public, scope_or_none};
use crate::query_params::{Fields, instance_or_none, public_or_none};
use crate::{App, Error, date};

pub(super) fn router() -> Router<App> {
    by_query::<EventSubscriptions>()
}

struct EventSubscriptions;

impl List for EventSubscriptions {
    const PATH: &'static str = "/event-subscription";
    const CAMUNDA: &'static [&'static str] = camunda::EVENT_SUBSCRIPTIONS;
    const SORTS: &'static [(&'static str, EventSubscriptionSort)] =
        &[("created", EventSubscriptionSort::Created), ("tenantId", EventSubscriptionSort::Tenant)];

    type Sort = EventSubscriptionSort;
    type Filter = EventSubscriptionFilter;
    type Row = EventSubscriptionListed;

    fn filter(fields: &mut Fields, _: &App) -> Result<EventSubscriptionFilter, Error> {
        let (mut wait, mut start) = (None, None);
        if let Some(id) = fields.text("eventSubscriptionId")? {
            match (id.parse::<PublicId>(), id.rsplit_once(':')) {
                (Err(_), Some((definition, activity))) => start = Some((definition.to_owned(), activity.to_owned())),
                _ => wait = Some(numbered(public_or_none(&id))),
            }
        }
        Ok(EventSubscriptionFilter {
            wait,
            start,
            kind: fields.text("eventType")?,
            name: fields.text("eventName")?,
            execution: fields.text("executionId")?.map(|id| scope_or_none(&id)),
            instance: fields.text("processInstanceId")?.map(|id| instance_or_none(&id).0),
            activity_id: fields.text("activityId")?,
            tenants: fields.tenants(Some("includeEventSubscriptionsWithoutTenantId"))?,
            without_tenant: fields.flag("withoutTenantId")?,
        })
    }

    async fn rows(
        reads: &Reads,
        filter: EventSubscriptionFilter,
        page: Page,
        sort: &[(EventSubscriptionSort, Order)],
    ) -> Result<Vec<EventSubscriptionListed>, StoreError> {
        reads.event_subscriptions(filter, page, sort).await
    }

    async fn count(reads: &Reads, filter: EventSubscriptionFilter) -> Result<i64, StoreError> {
        reads.count_event_subscriptions(filter).await
    }

    fn dto(row: &EventSubscriptionListed) -> Value {
        dto(row)
    }
}

/// Camunda's `EventSubscriptionDto`. A start event's has no id of its own in the store: it is named by its definition and element.
pub(super) fn dto(row: &EventSubscriptionListed) -> Value {
    let (id, execution, instance) = match &row.of {
        EventSubscriptionOf::Wait { instance, wait, activity } => {
            (public(*instance, *wait), Some(execution(*instance, *activity)), Some(InstanceId(*instance).to_string()))
        }
        EventSubscriptionOf::Definition(definition) => (format!("{definition}:{}", row.activity_id), None, None),
    };
    let mut dto = json!({
        "id": id,
        "eventType": row.kind.as_str(),
        "eventName": Some(row.name.as_str()).filter(|name| !name.is_empty()),
        "executionId": execution,
        "processInstanceId": instance,
        "activityId": row.activity_id,
        "createdDate": date::print(row.created),
        "tenantId": row.tenant,
    });
    // Our own, of a model for Camunda 8.
    if let Some(key) = &row.correlation_key {
        dto["correlationKey"] = json!(key);
    }
    dto
}
