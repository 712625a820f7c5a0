//! What Camunda 7 has no word for, one file per noun.

mod activities;
mod catalogue;
mod clock;
mod definitions;
mod delegates;
mod health;
mod history;
mod incidents;
mod ledger;
mod messages;
mod planned_suspensions;
mod waiting;

use axum::Router;

pub(crate) use ledger::dto as ledger_dto;

use crate::App;

/// Everything under `/api/v1`.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .merge(activities::router())
        .merge(catalogue::router())
        .merge(clock::router())
        .merge(definitions::router())
        .merge(delegates::router())
        .merge(health::router())
        .merge(history::router())
        .merge(incidents::router())
        .merge(ledger::router())
        .merge(messages::router())
        .merge(planned_suspensions::router())
        .merge(waiting::router())
}
