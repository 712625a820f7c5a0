//! `/history/detail`: every change of a variable. There are no other details: form fields are not kept apart.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use mandate_runtime::StoreError;
use mandate_runtime::query::{DetailFilter, DetailSort, HistoryUpdate, OfInstances, Order, Page, Reads, Remembered};
use serde_json::{Value, json};

use super::camunda;
use super::list::{List, by_query_or_body};
use super::remembered::with_instance;
use crate::error::stored;
use crate::extract::Segments;
use crate::query_params::{Fields, instance_or_none, public_or_none};
use crate::variable::stored_type;
use crate::{App, Error, date, variable};

pub(super) fn router() -> Router<App> {
    Router::new().merge(by_query_or_body::<Details>()).route("/history/detail/{id}", get(one)).route("/history/detail/{id}/data", get(data))
}

struct Details;

impl List for Details {
    const PATH: &'static str = "/history/detail";
    const CAMUNDA: &'static [&'static str] = camunda::HISTORIC_DETAILS;
    const SORTS: &'static [(&'static str, DetailSort)] = &[
        ("processInstanceId", DetailSort::Instance),
        ("variableName", DetailSort::Name),
        ("variableType", DetailSort::Kind),
        ("variableRevision", DetailSort::Revision),
        ("occurrence", DetailSort::Revision),
        ("time", DetailSort::At),
        ("tenantId", DetailSort::Tenant),
    ];

    type Sort = DetailSort;
    type Filter = DetailFilter;
    type Row = Remembered<(HistoryUpdate, Option<i64>)>;

    fn filter(fields: &mut Fields, _: &App) -> Result<DetailFilter, Error> {
        // All of them are updates of variables, and values are always as they are read.
        fields.ignore(&["deserializeValues", "variableUpdates"]);
        let variable = fields.text("variableInstanceId")?;
        // A variable's id is its scope's with its name.
        let variable =
            variable.map(|id| id.split_once(':').map_or((id.clone(), String::new()), |(it, name)| (it.to_owned(), name.to_owned())));
        // An activity instance is its own execution. Given both ways, that which is both.
        let mut activities = [fields.text("executionId")?, fields.text("activityInstanceId")?].into_iter().flatten();
        let activity = activities.next().map(|first| if activities.all(|other| other == first) { first } else { String::new() });
        Ok(DetailFilter {
            of: OfInstances {
                ids: fields.instances("processInstanceId", Some("processInstanceIdIn"))?.into_iter().map(|id| id.0).collect(),
                tenants: fields.tenants(None)?,
                without_tenant: fields.flag("withoutTenantId")?,
                ..OfInstances::default()
            },
            id: None,
            scope: variable.as_ref().map(|(scope, _)| super::scope_or_none(scope)),
            activity: activity.map(|activity| super::scope_or_none(&activity)),
            task: fields.text("taskId")?.map(|id| super::numbered(public_or_none(&id))),
            of_no_task: fields.flag("excludeTaskDetails")?,
            name: variable.map(|(_, name)| name),
            name_like: fields.like("variableNameLike")?,
            kinds: fields.filter_texts("variableTypeIn")?.iter().map(|name| stored_type(name)).collect(),
            initial: fields.flag("initial")?,
            before: fields.date("occurredBefore")?,
            after: fields.date("occurredAfter")?,
        })
    }

    fn check(app: &App, _: &DetailFilter) -> Result<(), Error> {
        check(app)
    }

    async fn rows(reads: &Reads, filter: DetailFilter, page: Page, sort: &[(DetailSort, Order)]) -> Result<Vec<Self::Row>, StoreError> {
        reads.details(filter, page, sort).await
    }

    async fn count(reads: &Reads, filter: DetailFilter) -> Result<i64, StoreError> {
        reads.count_details(filter).await
    }

    /// Camunda's `HistoricVariableUpdateDto`. A detail's id is its instance's, the revision that it came with, and its place in that.
    fn dto(listed: &Self::Row) -> Value {
        let (row, of_task_in) = &listed.row;
        let scope = super::execution(listed.instance, row.scope);
        // A task's variables are shown in its activity.
        let activity = of_task_in.map_or_else(|| scope.clone(), |activity| super::execution(listed.instance, activity));
        let dto = json!({
            "id": format!("{}:{}:{}", listed.instance, row.revision, row.ordinal),
            "type": "variableUpdate",
            "activityInstanceId": activity,
            "executionId": activity,
            "time": date::print(row.at),
            "variableName": row.name,
            "variableInstanceId": format!("{scope}:{}", row.name),
            "variableType": row.kind,
            "value": variable::shown(&row.kind, &row.json),
            "valueInfo": {},
            "revision": row.revision,
            "initial": row.revision == 1,
            "taskId": of_task_in.map(|_| &scope),
            "userOperationId": null,
            "errorMessage": null,
            "caseDefinitionKey": null,
            "caseDefinitionId": null,
            "caseInstanceId": null,
            "caseExecutionId": null,
        });
        with_instance(dto, listed)
    }
}

/// Refuses to say that nothing has changed where nobody has written it down.
fn check(app: &App) -> Result<(), Error> {
    if app.runtime.reads().keeps_details() {
        return Ok(());
    }
    Err(Error::Invalid("this host does not keep every change of a variable: that takes the history level full".to_owned()))
}

async fn one(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    check(&app)?;
    let missing = || Error::NotFound(format!("Historic detail with Id '{id}' does not exist."));
    let mut parts = id.split(':');
    let (Some(instance), Some(revision), Some(ordinal), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return Err(missing());
    };
    let (revision, ordinal) = (revision.parse().map_err(|_| missing())?, ordinal.parse().map_err(|_| missing())?);
    let filter = DetailFilter { id: Some((instance_or_none(instance).0, revision, ordinal)), ..DetailFilter::default() };
    let found = stored(app.runtime.reads().details(filter, Page::ALL, &[]).await)?;
    found.first().map(Details::dto).map(Json).ok_or_else(missing)
}

/// Files and bytes are not supported, so that there is never anything binary to answer with.
async fn data(app: State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    one(app, Segments(id.clone())).await.map(drop)?;
    Err(Error::Invalid(format!("Value of variable with id {id} is not a binary value.")))
}
