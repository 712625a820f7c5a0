//! Lists: asked for by the query string, most of them also by a body, and counted. One handler for all of them.

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use mandate_runtime::StoreError;
use mandate_runtime::query::{Order, Page, Reads};
use serde_json::Value;

use crate::error::stored;
use crate::extract::{Body, Params};
use crate::query_params::Fields;
use crate::{App, Error};

/// What one list is made of.
pub(super) trait List: 'static {
    /// Its path, of which the count's is one segment more.
    const PATH: &'static str;
    /// The names of all filters that Camunda has for it.
    const CAMUNDA: &'static [&'static str];
    /// What it is sorted by.
    const SORTS: &'static [(&'static str, Self::Sort)];

    type Sort: Copy + Send + Sync + 'static;
    type Filter: Send;
    type Row: Send;

    /// Takes the filters that are built.
    fn filter(fields: &mut Fields, app: &App) -> Result<Self::Filter, Error>;

    /// Refuses what this host cannot answer.
    fn check(_: &App, _: &Self::Filter) -> Result<(), Error> {
        Ok(())
    }

    fn rows(
        reads: &Reads,
        filter: Self::Filter,
        page: Page,
        sort: &[(Self::Sort, Order)],
    ) -> impl Future<Output = Result<Vec<Self::Row>, StoreError>> + Send;

    fn count(reads: &Reads, filter: Self::Filter) -> impl Future<Output = Result<i64, StoreError>> + Send;

    /// A row in Camunda's shape.
    fn dto(row: &Self::Row) -> Value;
}

/// `GET` of a list and of its count.
pub(super) fn by_query<L: List>() -> Router<App> {
    let list = |State(app): State<App>, Params(fields): Params| listed::<L>(app, fields, None);
    let count = |State(app): State<App>, Params(fields): Params| counted::<L>(app, fields);
    Router::new().route(L::PATH, get(list)).route(&format!("{}/count", L::PATH), get(count))
}

/// And `POST` of both, with the filter in the body.
pub(super) fn by_query_or_body<L: List>() -> Router<App> {
    routes(L::PATH, listed::<L>, counted::<L>)
}

/// The same of a list that is made of something else. Beside a body the query string pages.
pub(super) fn routes<L, C>(path: &str, listed: fn(App, Fields, Option<Params>) -> L, counted: fn(App, Fields) -> C) -> Router<App>
where
    L: Future<Output = Result<Json<Value>, Error>> + Send + 'static,
    C: Future<Output = Result<Json<Value>, Error>> + Send + 'static,
{
    let list = move |State(app): State<App>, Params(fields): Params| listed(app, fields, None);
    let list_by_body = move |State(app): State<App>, paging: Params, Body(fields): Body| listed(app, fields, Some(paging));
    let count = move |State(app): State<App>, Params(fields): Params| counted(app, fields);
    let count_by_body = move |State(app): State<App>, Body(fields): Body| counted(app, fields);
    Router::new().route(path, get(list).post(list_by_body)).route(&format!("{path}/count"), get(count).post(count_by_body))
}

async fn listed<L: List>(app: App, mut fields: Fields, paging: Option<Params>) -> Result<Json<Value>, Error> {
    let filter = L::filter(&mut fields, &app)?;
    let (page, sort) = (super::page(&mut fields, paging)?, fields.sorting(L::SORTS)?);
    fields.finish(L::CAMUNDA)?;
    L::check(&app, &filter)?;
    let rows = stored(L::rows(&app.runtime.reads(), filter, page, &sort).await)?;
    Ok(Json(rows.iter().map(L::dto).collect()))
}

async fn counted<L: List>(app: App, mut fields: Fields) -> Result<Json<Value>, Error> {
    let filter = L::filter(&mut fields, &app)?;
    fields.of_list_only(L::SORTS)?;
    fields.finish(L::CAMUNDA)?;
    L::check(&app, &filter)?;
    Ok(super::count(stored(L::count(&app.runtime.reads(), filter).await)?))
}
