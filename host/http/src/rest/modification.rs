//! Process instance modification: `POST /process-instance/{id}/modification` and `POST /modification/execute`, and the instructions that a
//! start may have as well.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::post;
use mandate_runtime::engine::{InstanceId, Variables};
use mandate_runtime::query::Page;
use mandate_runtime::{Instruction, Modify, Place};
use serde_json::Value;

use super::start::{IDEMPOTENCY_KEY, replayed, text_header};
use super::{camunda, process_instance};
use crate::error::stored;
use crate::extract::{Body, Segments};
use crate::operator::Acting;
use crate::query_params::{Fields, LARGEST_MAX_RESULTS, instance_or_none};
use crate::{App, Error, to_the_end, variable};

pub(super) fn router() -> Router<App> {
    Router::new().route("/process-instance/{id}/modification", post(modify)).route("/modification/execute", post(modify_several))
}

/// Every field that Camunda's `ProcessInstanceModificationDto` has.
const MODIFICATION_FIELDS: &[&str] = &["skipCustomListeners", "skipIoMappings", "instructions", "annotation"];

/// Every field that Camunda's `ModificationDto` has.
const MODIFICATIONS_FIELDS: &[&str] = &[
    "processDefinitionId",
    "skipCustomListeners",
    "skipIoMappings",
    "processInstanceIds",
    "processInstanceQuery",
    "historicProcessInstanceQuery",
    "instructions",
    "annotation",
];

/// Every field that Camunda's `ProcessInstanceModificationInstructionDto` has.
const INSTRUCTION_FIELDS: &[&str] = &[
    "type",
    "variables",
    "activityId",
    "transitionId",
    "activityInstanceId",
    "transitionInstanceId",
    "ancestorActivityInstanceId",
    "cancelCurrentActiveActivityInstances",
];

/// Whom instructions are for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum For {
    /// One instance that is there.
    One,
    /// Several: what only one of them has cannot be named.
    Several,
    /// One that begins: nothing can be cancelled.
    New,
}

async fn modify(Acting(app): Acting, Segments(id): Segments<String>, headers: HeaderMap, Body(mut body): Body) -> Result<Response, Error> {
    let modify = under_key(modification(&mut body, "instructions", For::One)?, &headers)?;
    body.finish(MODIFICATION_FIELDS)?;
    let (runtime, instance) = (app.runtime.clone(), instance_or_none(&id));
    let modified = to_the_end(async move { runtime.modify_instance(instance, modify).await }).await;
    let before = modified.map_err(|error| {
        let missing = || Error::with_status(StatusCode::BAD_REQUEST, format!("Process instance with id '{id}' does not exist"));
        Error::from(error).or_missing(missing)
    })?;
    Ok(replayed(StatusCode::NO_CONTENT, before))
}

async fn modify_several(Acting(app): Acting, headers: HeaderMap, Body(mut body): Body) -> Result<Response, Error> {
    let modify = under_key(modification(&mut body, "instructions", For::Several)?, &headers)?;
    if modify.instructions.is_empty() {
        return Err(Error::Invalid("Modification instructions cannot be empty".to_owned()));
    }
    let definition = body.text("processDefinitionId")?;
    let definition = definition.ok_or_else(|| Error::Invalid("processDefinitionId must be set".to_owned()))?;
    let instances = named_instances(&app, &mut body).await?;
    body.finish(MODIFICATIONS_FIELDS)?;
    if instances.is_empty() {
        return Err(Error::Invalid("Process instance ids cannot be empty".to_owned()));
    }
    let runtime = app.runtime.clone();
    let before = to_the_end(async move { runtime.modify_instances(&definition, instances, modify).await }).await?;
    Ok(replayed(StatusCode::NO_CONTENT, before))
}

fn under_key(modify: Modify, headers: &HeaderMap) -> Result<Modify, Error> {
    Ok(Modify { idempotency_key: text_header(headers, &IDEMPOTENCY_KEY)?, ..modify })
}

/// The instances that a body names by their ids, by a query, or both; each once, in that order.
pub(super) async fn named_instances(app: &App, body: &mut Fields) -> Result<Vec<InstanceId>, Error> {
    let mut instances: Vec<_> = body.texts_or_none("processInstanceIds")?.iter().map(|id| instance_or_none(id)).collect();
    if let Some(query) = body.fields("processInstanceQuery")? {
        let mut query = query;
        let filter = process_instance::filter(&mut query)?;
        query.finish(camunda::PROCESS_INSTANCES)?;
        process_instance::check(app, &filter)?;
        let page = Page { first: 0, max: LARGEST_MAX_RESULTS + 1 };
        let found = stored(app.runtime.reads().instances(filter, page, &[]).await)?;
        if found.len() > LARGEST_MAX_RESULTS as usize {
            return Err(Error::Invalid(format!(
                "the query finds more than {LARGEST_MAX_RESULTS} instances; take them in several requests"
            )));
        }
        instances.extend(found.iter().map(|row| InstanceId(row.id)));
    }
    let mut seen = std::collections::BTreeSet::new();
    instances.retain(|instance| seen.insert(*instance));
    Ok(instances)
}

/// Reads instructions with what belongs to all of them.
pub(super) fn modification(body: &mut Fields, instructions: &str, of: For) -> Result<Modify, Error> {
    let annotation = if of == For::New { None } else { body.stored_text("annotation")? };
    Ok(Modify {
        instructions: body.objects(instructions)?.into_iter().map(|fields| instruction(fields, of)).collect::<Result<_, _>>()?,
        skip_io_mappings: body.flag("skipIoMappings")?,
        skip_listeners: body.flag("skipCustomListeners")?,
        annotation,
        idempotency_key: None,
    })
}

fn instruction(mut fields: Fields, of: For) -> Result<Instruction, Error> {
    let kind = fields.text("type")?;
    let wrong = |what: &str| Error::Invalid(format!("For instruction type '{}': {what}", kind.as_deref().unwrap_or_default()));
    let (activity, transition) = (fields.text("activityId")?, fields.text("transitionId")?);
    let read = match kind.as_deref() {
        Some("cancel") if of == For::New => return Err(wrong("an instance that begins has nothing to cancel")),
        Some("cancel") => {
            let current = fields.flag("cancelCurrentActiveActivityInstances")?;
            let (mut activity_instance, mut transition_instance) = (None, None);
            if of == For::One {
                (activity_instance, transition_instance) = (fields.text("activityInstanceId")?, fields.text("transitionInstanceId")?);
            }
            match (activity, activity_instance, transition_instance) {
                (Some(activity_id), None, None) => Instruction::CancelAll { activity_id, current },
                (None, Some(id), None) => Instruction::CancelActivityInstance { id },
                (None, None, Some(id)) => Instruction::CancelTransitionInstance { id },
                _ if of == For::One => {
                    return Err(wrong("exactly one, 'activityId', 'activityInstanceId', or 'transitionInstanceId', is required"));
                }
                _ => return Err(wrong("'activityId' must be set")),
            }
        }
        Some(start @ ("startBeforeActivity" | "startAfterActivity" | "startTransition")) => {
            let at = match start {
                "startBeforeActivity" => activity.map(Place::Before).ok_or_else(|| wrong("'activityId' must be set"))?,
                "startAfterActivity" => activity.map(Place::After).ok_or_else(|| wrong("'activityId' must be set"))?,
                _ => transition.map(Place::Transition).ok_or_else(|| wrong("'transitionId' must be set"))?,
            };
            let ancestor = if of == For::One { fields.text("ancestorActivityInstanceId")? } else { None };
            let (variables, local_variables) = if of == For::Several { <_>::default() } else { variables(&mut fields)? };
            Instruction::Start { at, ancestor, variables, local_variables }
        }
        Some(_) => return Err(wrong("there is no such type")),
        None => return Err(Error::Invalid("Modification instruction type must be set".to_owned())),
    };
    fields.finish(INSTRUCTION_FIELDS)?;
    Ok(read)
}

/// Camunda's `TriggerVariableValueDto`s: some are the instance's, and some, with `local`, those of what begins.
fn variables(fields: &mut Fields) -> Result<(Variables, Variables), Error> {
    let (mut shared, mut local) = (serde_json::Map::new(), serde_json::Map::new());
    for (name, mut dto) in fields.object("variables")?.unwrap_or_default() {
        let is_local = match dto.as_object_mut().and_then(|dto| dto.remove("local")) {
            None | Some(Value::Null) => false,
            Some(Value::Bool(is_local)) => is_local,
            Some(other) => return Err(Error::Invalid(format!("'local' of variable '{name}' is {other}, not true or false"))),
        };
        if is_local {
            local.insert(name, dto)
        } else {
            shared.insert(name, dto)
        };
    }
    Ok((variable::read_also_transient(shared)?, variable::read_also_transient(local)?))
}
