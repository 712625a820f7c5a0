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
    Router::new().route(L::PATH, get(list::<L>)).route(&format!("{}/count", L::PATH), get(count::<L>))
}

/// And `POST` of both, with the filter in the body.
pub(super) fn by_query_or_body<L: List>() -> Router<App> {
    Router::new()
        .route(L::PATH, get(list::<L>).post(list_by_body::<L>))
        .route(&format!("{}/count", L::PATH), get(count::<L>).post(count_by_body::<L>))
}

async fn list<L: List>(State(app): State<App>, Params(fields): Params) -> Result<Json<Value>, Error> {
    listed::<L>(&app, fields, None).await
}

async fn list_by_body<L: List>(State(app): State<App>, paging: Params, Body(fields): Body) -> Result<Json<Value>, Error> {
    listed::<L>(&app, fields, Some(paging)).await
}

async fn count<L: List>(State(app): State<App>, Params(fields): Params) -> Result<Json<Value>, Error> {
    counted::<L>(&app, fields).await
}

async fn count_by_body<L: List>(State(app): State<App>, Body(fields): Body) -> Result<Json<Value>, Error> {
    counted::<L>(&app, fields).await
}

async fn listed<L: List>(app: &App, mut fields: Fields, paging: Option<Params>) -> Result<Json<Value>, Error> {
    let filter = L::filter(&mut fields, app)?;
    let (page, sort) = (super::page(&mut fields, paging)?, fields.sorting(L::SORTS)?);
    fields.finish(L::CAMUNDA)?;
    L::check(app, &filter)?;
    let rows = stored(L::rows(&app.runtime.reads(), filter, page, &sort).await)?;
    Ok(Json(rows.iter().map(L::dto).collect()))
}

async fn counted<L: List>(app: &App, mut fields: Fields) -> Result<Json<Value>, Error> {
    let filter = L::filter(&mut fields, app)?;
    fields.of_list_only(L::SORTS)?;
    fields.finish(L::CAMUNDA)?;
    L::check(app, &filter)?;
    Ok(super::count(stored(L::count(&app.runtime.reads(), filter).await)?))
}
