//! `POST /process-definition/…/start`.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use mandate_runtime::{DefinitionRef, Modify, Start, Started};
use serde_json::json;

use super::process_definition::{no_definition, no_key};
use super::{modification, process_instance};
use crate::extract::{Body, Segments};
use crate::operator::Acting;
use crate::query_params::Fields;
use crate::{App, Error, to_the_end, variable};

/// Does something once per key and gives the same answer every time (our addition; the IETF's draft-ietf-httpapi-idempotency-key-header).
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// Set on the answer to a request that was carried out before under the same key.
const IDEMPOTENCY_REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// W3C Trace Context.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Every field that Camunda's `StartProcessInstanceDto` has.
const START_FIELDS: &[&str] =
    &["businessKey", "variables", "caseInstanceId", "startInstructions", "skipCustomListeners", "skipIoMappings", "withVariablesInReturn"];

pub(super) fn router() -> Router<App> {
    Router::new()
        .route("/process-definition/{id}/start", post(start_by_id))
        .route("/process-definition/key/{key}/start", post(start_by_key))
        .route("/process-definition/key/{key}/tenant-id/{tenant}/start", post(start_by_tenant))
}

async fn start_by_id(Acting(app): Acting, Segments(id): Segments<String>, headers: HeaderMap, Body(body): Body) -> Result<Response, Error> {
    let started = start(&app, DefinitionRef::Id(id.clone()), &headers, body).await;
    started.map_err(|error| error.or_missing(|| no_definition(&id)).of_doing(&doing(&id)))
}

async fn start_by_key(
    Acting(app): Acting,
    Segments(key): Segments<String>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Error> {
    let reference = DefinitionRef::Key { key: key.clone(), tenant: None };
    let started = start(&app, reference, &headers, body).await;
    started.map_err(|error| error.or_missing(|| no_key(&key, None)).of_doing(&doing(&key)))
}

async fn start_by_tenant(
    Acting(app): Acting,
    Segments((key, tenant)): Segments<(String, String)>,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Error> {
    let reference = DefinitionRef::Key { key: key.clone(), tenant: Some(tenant.clone()) };
    let started = start(&app, reference, &headers, body).await;
    started.map_err(|error| error.or_missing(|| no_key(&key, Some(&tenant))).of_doing(&doing(&key)))
}

fn doing(definition: &str) -> String {
    format!("instantiate process definition {definition}")
}

async fn start(app: &App, definition: DefinitionRef, headers: &HeaderMap, mut body: Fields) -> Result<Response, Error> {
    let business_key = body.stored_text("businessKey")?;
    let variables = body.variables("variables")?;
    let with_variables = body.flag("withVariablesInReturn")?;
    let modify = modification::modification(&mut body, "startInstructions", modification::For::New)?;
    body.finish(START_FIELDS)?;
    if modify.skip_io_mappings && modify.instructions.is_empty() {
        return Err(Error::Invalid("'skipIoMappings' goes with 'startInstructions' only".to_owned()));
    }
    if modify.skip_listeners && modify.instructions.is_empty() {
        return Err(Error::Invalid("'skipCustomListeners' goes with 'startInstructions' only".to_owned()));
    }
    let request = Start {
        definition,
        business_key,
        variables,
        idempotency_key: text_header(headers, &IDEMPOTENCY_KEY)?,
        traceparent: traceparent(headers),
    };
    run(app, request, modify, with_variables).await
}

/// Camunda has no words for one that is not valid; W3C says to go on without it.
pub(super) fn traceparent(headers: &HeaderMap) -> Option<String> {
    text_header(headers, &TRACEPARENT).ok().flatten().filter(|text| is_traceparent(text))
}

/// Starts an instance and answers with it.
pub(super) async fn run(app: &App, start: Start, modify: Modify, with_variables: bool) -> Result<Response, Error> {
    // Of several units a client that hangs up would otherwise cut off the later ones.
    let runtime = app.runtime.clone();
    let started = to_the_end(async move {
        if modify.instructions.is_empty() { runtime.start(start).await } else { runtime.start_with_instructions(start, modify).await }
    })
    .await?;
    Ok(answer(&started, with_variables))
}

/// The answer to a start.
pub(super) fn answer(started: &Started, with_variables: bool) -> Response {
    let mut dto = process_instance::started(started);
    if with_variables {
        dto["variables"] = started.variables.as_ref().map_or_else(|| json!({}), variable::write_all);
    }
    replayed(Json(dto), started.existing)
}

/// An answer, which says if it is that of a request that was carried out before.
pub(super) fn replayed(answer: impl IntoResponse, before: bool) -> Response {
    let mut response = answer.into_response();
    if before {
        response.headers_mut().insert(IDEMPOTENCY_REPLAYED, HeaderValue::from_static("true"));
    }
    response
}

pub(super) fn text_header(headers: &HeaderMap, name: &HeaderName) -> Result<Option<String>, Error> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Error::Invalid(format!("the header {name} is given twice")));
    }
    let text = value.to_str().map_err(|_| Error::Invalid(format!("the header {name} is not plain ASCII")))?;
    Ok(Some(text.to_owned()))
}

/// `version-traceid-parentid-flags`, in lower-case hex, neither id all zeros.
fn is_traceparent(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let hex = |part: &str, length: usize| part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let [version, trace, parent, flags] = parts[..] else { return false };
    let names_something = |part: &str| part.bytes().any(|byte| byte != b'0');
    hex(version, 2)
        && version != "ff"
        && hex(trace, 32)
        && names_something(trace)
        && hex(parent, 16)
        && names_something(parent)
        && hex(flags, 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_valid_trace_contexts_go_along() {
        assert!(is_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        for text in [
            "",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        ] {
            assert!(!is_traceparent(text), "{text}");
        }
    }
}
