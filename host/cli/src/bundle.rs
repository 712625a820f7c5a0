//! Bundles: a folder of models, components and a manifest.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use mandate_runtime::deploy::{MANIFEST, Manifest, Problem};
use reqwest::Method;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

use crate::client::Client;
use crate::table::{self, say};

/// What `mandate deploy` was told.
pub(crate) struct Options {
    pub(crate) name: Option<String>,
    pub(crate) tenant: Option<String>,
    pub(crate) skip_duplicate: bool,
    pub(crate) dry_run: bool,
}

/// A bundle's files by the name under which they are uploaded, and what is wrong with it before anybody looks into them.
pub(crate) struct Bundle {
    pub(crate) files: Vec<(String, Vec<u8>)>,
    /// What a host could not see: models that the manifest adds to the folder's and that are not there, and files of one name, of which
    /// only the first is among the `files`.
    pub(crate) problems: Vec<Problem>,
}

/// Every .bpmn and .wasm file and the manifest of the folder, and what the manifest names by relative path. What else is wrong with the
/// manifest is for whoever checks it to say, together with everything else.
pub(crate) fn read(dir: &Path) -> anyhow::Result<Bundle> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("read the folder {}", dir.display()))? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let wanted = [".bpmn", ".bpmn20.xml", ".wasm"].iter().any(|ending| name.ends_with(ending)) || name == MANIFEST;
        if wanted && path.is_file() {
            paths.push(path);
        }
    }
    let mut problems = Vec::new();
    let manifest = dir.join(MANIFEST);
    if manifest.is_file() {
        let bytes = std::fs::read(&manifest).with_context(|| format!("read {}", manifest.display()))?;
        let (manifest, _) = Manifest::read(&bytes);
        let components = manifest.delegates.values().filter_map(|delegate| delegate.file.as_ref());
        // An absolute path means a file of one machine, and on whose nobody can tell who reads the manifest.
        let (absolute, named): (Vec<_>, Vec<_>) =
            components.chain(&manifest.deployment.models).partition(|file| Path::new(&file.value).is_absolute());
        for file in absolute {
            let message = format!("the path {} is absolute", file.value);
            problems.push(Problem::error(MANIFEST, message, "name it relative to the folder").at(file.at));
        }
        for model in &manifest.deployment.models {
            let path = dir.join(&model.value);
            if !path.is_file() && Path::new(&model.value).is_relative() {
                let message = format!("the model {} is not there (looked for {})", model.value, path.display());
                problems.push(Problem::error(MANIFEST, message, "correct its path, which is relative to the folder").at(model.at));
            }
        }
        // A component that is not there is missed by the check of the upload.
        for file in named {
            let path = dir.join(&file.value);
            if !path.is_file() {
                continue;
            }
            match paths.iter().find(|known| known.file_name() == path.file_name()) {
                None => paths.push(path),
                Some(known) if is_same(known, &path)? => {}
                Some(known) => {
                    let message =
                        format!("{} and {} have one name, by which a host could not tell them apart", known.display(), path.display());
                    problems.push(Problem::error(MANIFEST, message, "rename one of them, here as well").at(file.at));
                }
            }
        }
    }
    paths.sort();
    let read = |path: PathBuf| -> anyhow::Result<(String, Vec<u8>)> {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let bytes = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
        Ok((name, bytes))
    };
    Ok(Bundle { files: paths.into_iter().map(read).collect::<anyhow::Result<_>>()?, problems })
}

/// Whether two paths lead to one file.
fn is_same(one: &Path, other: &Path) -> anyhow::Result<bool> {
    let found = |path: &Path| path.canonicalize().with_context(|| format!("find {}", path.display()));
    Ok(found(one)? == found(other)?)
}

/// `mandate deploy`.
pub(crate) async fn deploy(client: &Client, dir: &Path, options: Options, json: bool) -> anyhow::Result<()> {
    let Bundle { files, problems } = read(dir)?;
    if !problems.is_empty() {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        bail!("the bundle cannot be uploaded; `mandate check {}` says what else there is:\n{}", dir.display(), problems.join("\n"));
    }
    let mut form =
        Form::new().text("deployment-source", "mandate CLI").text("enable-duplicate-filtering", options.skip_duplicate.to_string());
    if options.dry_run {
        form = form.text("mandate-dry-run", "true");
    }
    if let Some(name) = options.name.or_else(|| folder_name(dir, &files)) {
        form = form.text("deployment-name", name);
    }
    if let Some(tenant) = options.tenant {
        form = form.text("tenant-id", tenant);
    }
    for (name, bytes) in files {
        form = form.part(name.clone(), Part::bytes(bytes).file_name(name));
    }
    let answer = client.send(client.request(Method::POST, "/engine-rest/deployment/create").multipart(form)).await?;
    if json {
        say!("{answer:#}");
        return Ok(());
    }
    for warning in answer["warnings"].as_array().into_iter().flatten() {
        let at = |name: &str| warning[name].as_u64().unwrap_or(0);
        say!("warning: {}:{}:{}: {}", text(&warning["resource"]), at("line"), at("column"), text(&warning["message"]));
    }
    match answer["id"].as_str() {
        Some(id) if answer["existing"] == true => say!("deployment {id} has the same content: nothing was stored"),
        Some(id) => say!("deployment {id}"),
        None => say!("dry run: nothing was stored"),
    }
    for definition in answer["deployedProcessDefinitions"].as_object().into_iter().flat_map(|map| map.values()) {
        say!("process definition {}", text(&definition["id"]));
    }
    let rows: Vec<Vec<String>> = answer["bindings"].as_array().into_iter().flatten().map(binding_row).collect();
    if !rows.is_empty() {
        table::print(&["PROCESS", "REFERENCE", "DELEGATE", "VERSION", "DIGEST", "COMMANDS"], &rows);
    }
    Ok(())
}

/// The folder's name, unless the manifest names the deployment. Deployments without a name would all count as one series, and
/// `--skip-duplicate` compares with the newest of the series.
fn folder_name(dir: &Path, files: &[(String, Vec<u8>)]) -> Option<String> {
    let manifest = files.iter().find(|(name, _)| name == MANIFEST).map(|(_, bytes)| Manifest::read(bytes).0);
    if manifest.is_some_and(|manifest| manifest.deployment.name.is_some()) {
        return None;
    }
    Some(dir.canonicalize().ok()?.file_name()?.to_string_lossy().into_owned())
}

fn binding_row(binding: &Value) -> Vec<String> {
    let commands: Vec<&str> = binding["commands"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    vec![
        text(&binding["processDefinitionKey"]),
        text(&binding["reference"]),
        text(&binding["delegate"]),
        text(&binding["version"]),
        text(&binding["digest"]).chars().take(12).collect(),
        commands.join(", "),
    ]
}

/// A JSON text as itself, anything else as JSON.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}
