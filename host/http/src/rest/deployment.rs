//! `/deployment`.

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use mandate_runtime::deploy::{Report, Upload};
use mandate_runtime::query::{DeploymentFilter, DeploymentRow, DeploymentSort, ResourceRow};
use serde_json::{Value, json};

use super::{camunda, file_name, process_definition};
use crate::error::{problem_dto, stored};
use crate::extract::{Params, Segments};
use crate::operator::Acting;
use crate::query_params::{Fields, check_stored};
use crate::{App, Error, date, to_the_end};

/// A part of the upload whose name is none of Camunda's: the dry run is ours.
const DRY_RUN: &str = "mandate-dry-run";

/// Texts of an upload are names and switches; a longer one is a file without a file name.
const MAX_FIELD_BYTES: usize = 4 * 1024;

/// The most parts of an upload: an application has some tens of files, and what is said of each is more than a part has bytes.
const MAX_PARTS: usize = 1_000;

pub(super) fn router(upload_limit: usize) -> Router<App> {
    Router::new()
        .route("/deployment/create", post(create).layer(DefaultBodyLimit::max(upload_limit)))
        .route("/deployment", get(list))
        .route("/deployment/count", get(count))
        .route("/deployment/{id}", get(one).delete(delete))
        .route("/deployment/{id}/resources", get(resources))
        .route("/deployment/{id}/resources/{resource}", get(resource))
        .route("/deployment/{id}/resources/{resource}/data", get(data))
}

const SORTS: &[(&str, DeploymentSort)] = &[
    ("id", DeploymentSort::Id),
    ("name", DeploymentSort::Name),
    ("deploymentTime", DeploymentSort::DeployedAt),
    ("tenantId", DeploymentSort::Tenant),
];

fn filter(fields: &mut Fields) -> Result<DeploymentFilter, Error> {
    Ok(DeploymentFilter {
        ids: fields.text("id")?.into_iter().collect(),
        name: fields.text("name")?,
        name_like: fields.like("nameLike")?,
        source: fields.text("source")?,
        without_source: fields.flag("withoutSource")?,
        tenants: fields.tenants(Some("includeDeploymentsWithoutTenantId"))?,
        without_tenant: fields.flag("withoutTenantId")?,
        after: fields.date("after")?,
        before: fields.date("before")?,
    })
}

async fn list(State(app): State<App>, Params(mut fields): Params) -> Result<Json<Value>, Error> {
    let filter = filter(&mut fields)?;
    let (page, sort) = (fields.page()?, fields.sorting(SORTS)?);
    fields.finish(camunda::DEPLOYMENTS)?;
    let rows = stored(app.runtime.reads().deployments(filter, page, &sort).await)?;
    Ok(Json(rows.iter().map(dto).collect()))
}

async fn count(State(app): State<App>, Params(mut fields): Params) -> Result<Json<Value>, Error> {
    let filter = filter(&mut fields)?;
    fields.of_list_only(SORTS)?;
    fields.finish(camunda::DEPLOYMENTS)?;
    Ok(super::count(stored(app.runtime.reads().count_deployments(filter).await)?))
}

/// Camunda's `DeploymentDto`.
fn dto(row: &DeploymentRow) -> Value {
    json!({
        "links": [],
        "id": row.id,
        "name": row.name,
        "source": row.source,
        "deploymentTime": date::print(row.deployed_at),
        "tenantId": row.tenant,
    })
}

fn missing(id: &str) -> Error {
    Error::NotFound(format!("Deployment with id '{id}' does not exist"))
}

async fn one(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let row = stored(app.runtime.reads().deployment(&id).await)?;
    row.as_ref().map(dto).map(Json).ok_or_else(|| missing(&id))
}

async fn resources(State(app): State<App>, Segments(id): Segments<String>) -> Result<Json<Value>, Error> {
    let rows = stored(app.runtime.reads().resources(&id).await)?;
    // A deployment without files is refused, so that none means no deployment.
    if rows.is_empty() {
        return Err(Error::NotFound(format!("Deployment resources for deployment id '{id}' do not exist.")));
    }
    Ok(Json(rows.iter().map(resource_dto).collect()))
}

fn resource_dto(row: &ResourceRow) -> Value {
    json!({"id": row.id, "name": row.name, "deploymentId": row.deployment_id})
}

fn no_resource(id: &str, deployment: &str) -> Error {
    Error::NotFound(format!("Deployment resource with resource id '{id}' for deployment id '{deployment}' does not exist."))
}

async fn resource(State(app): State<App>, Segments((deployment, id)): Segments<(String, String)>) -> Result<Json<Value>, Error> {
    let rows = stored(app.runtime.reads().resources(&deployment).await)?;
    let found = rows.iter().find(|row| row.id == id).map(resource_dto);
    found.map(Json).ok_or_else(|| no_resource(&id, &deployment))
}

/// Always a download and never a page: what somebody uploaded must not run as ours in a browser.
async fn data(State(app): State<App>, Segments((deployment, id)): Segments<(String, String)>) -> Result<Response, Error> {
    let found = stored(app.runtime.reads().resource(&deployment, &id).await)?;
    let (name, bytes) = found.ok_or_else(|| no_resource(&id, &deployment))?;
    let plain: String = name.chars().map(|c| if c.is_ascii_graphic() && c != '"' && c != '\\' { c } else { '_' }).collect();
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{plain}\"")),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, bytes).into_response())
}

async fn create(Acting(app): Acting, Params(mut params): Params, request: Request) -> Result<Json<Value>, Error> {
    let dry_run = params.flag("dryRun")?;
    let multipart = Multipart::from_request(request, &app).await.map_err(|rejection| {
        Error::with_status(rejection.status(), format!("a deployment is uploaded as multipart/form-data: {}", rejection.body_text()))
    })?;
    let Form { mut upload, changed_only } = read(multipart).await?;
    upload.dry_run |= dry_run;
    let report = app.runtime.deploy(upload).await?;
    Ok(Json(created(&report, changed_only)))
}

struct Form {
    upload: Upload,
    changed_only: bool,
}

async fn read(mut multipart: Multipart) -> Result<Form, Error> {
    let mut form = Form { upload: Upload::default(), changed_only: false };
    let mut parts = 0;
    while let Some(field) = multipart.next_field().await.map_err(broken)? {
        parts += 1;
        if parts > MAX_PARTS {
            return Err(Error::Invalid(format!(
                "the upload has more than {MAX_PARTS} parts and nothing was done: deploy what belongs together, and other files apart from it"
            )));
        }
        let name = field.name().unwrap_or_default().to_owned();
        let upload = &mut form.upload;
        match name.as_str() {
            "deployment-name" => upload.name = text(&name, field).await?,
            "deployment-source" => upload.source = text(&name, field).await?,
            "tenant-id" => upload.tenant = text(&name, field).await?,
            "enable-duplicate-filtering" => upload.filter_duplicates |= flag(&name, field).await?,
            // Camunda's flag implies the other. Its filtering by file would split what belongs together here: model and delegates.
            "deploy-changed-only" => form.changed_only = flag(&name, field).await?,
            "deployment-activation-time" => {
                if text(&name, field).await?.is_some() {
                    return Err(Error::Invalid("'deployment-activation-time' is not supported by this host".to_owned()));
                }
            }
            DRY_RUN => upload.dry_run |= flag(&name, field).await?,
            _ => {
                let Some(file) = file_name::of_part(&field) else {
                    return Err(Error::Invalid(format!(
                        "No file name found in the deployment resource described by form parameter '{name}'."
                    )));
                };
                let bytes = field.bytes().await.map_err(broken)?;
                upload.resources.push((file, bytes.to_vec()));
            }
        }
    }
    form.upload.filter_duplicates |= form.changed_only;
    Ok(form)
}

/// A text; an empty one is none.
async fn text(name: &str, field: Field<'_>) -> Result<Option<String>, Error> {
    let bytes = field.bytes().await.map_err(broken)?;
    if bytes.len() > MAX_FIELD_BYTES {
        return Err(Error::Invalid(format!("'{name}' has more than {MAX_FIELD_BYTES} bytes")));
    }
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| Error::Invalid(format!("'{name}' is not UTF-8")))?;
    if text.contains('\0') {
        return Err(Error::Invalid(format!("'{name}' holds a NUL byte")));
    }
    check_stored(name, &text)?;
    Ok(Some(text).filter(|text| !text.is_empty()))
}

/// A switch: clients write `true` and `True`.
async fn flag(name: &str, field: Field<'_>) -> Result<bool, Error> {
    match text(name, field).await?.map(|text| text.to_ascii_lowercase()).as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(Error::Invalid(format!("'{name}' is neither true nor false: '{other}'"))),
    }
}

fn broken(error: MultipartError) -> Error {
    Error::with_status(error.status(), format!("the upload cannot be read: {}", error.body_text()))
}

/// Camunda's `DeploymentWithDefinitionsDto`, with what every reference is pinned to and what the checks had to say.
fn created(report: &Report, changed_only: bool) -> Value {
    let definitions: serde_json::Map<String, Value> =
        report.definitions.iter().map(|row| (row.id.clone(), process_definition::dto(row))).collect();
    let mut warnings: Vec<_> = report
        .warnings
        .iter()
        .map(|problem| {
            let mut dto = problem_dto(problem);
            dto["resource"] = json!(problem.resource);
            dto
        })
        .collect();
    if changed_only {
        let message = "deploy-changed-only was taken as enable-duplicate-filtering: a deployment is compared, and deployed, as a whole";
        warnings.push(json!({"message": message, "line": 0, "column": 0, "mainElementId": null, "elementIds": [], "resource": null}));
    }
    json!({
        "links": [],
        "id": report.id,
        "name": report.name,
        "source": report.source,
        "deploymentTime": date::print(report.at),
        "tenantId": report.tenant,
        // Camunda writes null where nothing was deployed.
        "deployedProcessDefinitions": Some(definitions).filter(|definitions| !definitions.is_empty()),
        "deployedCaseDefinitions": null,
        "deployedDecisionDefinitions": null,
        "deployedDecisionRequirementsDefinitions": null,
        "existing": report.existing,
        "bindings": report.bindings,
        "warnings": warnings,
    })
}

async fn delete(Acting(app): Acting, Segments(id): Segments<String>, Params(mut params): Params) -> Result<StatusCode, Error> {
    let cascade = params.flag("cascade")?;
    let (runtime, named) = (app.runtime.clone(), id.clone());
    // Whoever hangs up before a long cascade is done would have it rolled back, however often he asks.
    let deleted = to_the_end(async move { runtime.delete_deployment(&named, cascade).await }).await;
    deleted.map_err(|error| Error::from(error).or_missing(|| missing(&id)))?;
    Ok(StatusCode::NO_CONTENT)
}
