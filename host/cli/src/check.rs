//! `mandate check` and `mandate check-store`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use mandate_runtime::commands::Catalogue;
use mandate_runtime::{ClockSource, Config, Migrate, Runtime, StoreConfig, deploy, wasm};
use reqwest::Method;
use serde_json::Value;

use crate::client::Client;
use crate::table::say;
use crate::{bundle, serve, settings, table};

/// `mandate check DIR`.
pub(crate) fn run(dir: &Path, catalogue: Option<&Path>, json: bool) -> anyhow::Result<()> {
    let bundle = bundle::read(dir)?;
    let catalogue = match catalogue {
        Some(path) => catalogue_without_secrets(path)?,
        None => Catalogue::empty(),
    };
    let checked = deploy::check_offline(bundle.files, Arc::new(catalogue));
    let (bindings, found) = match checked {
        Ok((bindings, warnings)) => (bindings, warnings),
        Err(problems) => (Vec::new(), problems),
    };
    let problems: Vec<_> = bundle.problems.into_iter().chain(found).collect();
    let good = !problems.iter().any(|problem| problem.is_error);
    if json {
        say!("{:#}", serde_json::json!({ "ok": good, "bindings": bindings, "problems": problems }));
    } else {
        for problem in &problems {
            say!("{problem}");
        }
        let rows: Vec<Vec<String>> = bindings
            .iter()
            .map(|binding| {
                let digest = binding.digest.chars().take(12).collect();
                vec![
                    binding.process_definition_key.clone(),
                    binding.reference.clone(),
                    binding.delegate.clone(),
                    binding.version.clone(),
                    digest,
                ]
            })
            .collect();
        if !rows.is_empty() {
            table::print(&["PROCESS", "REFERENCE", "DELEGATE", "VERSION", "DIGEST"], &rows);
        }
    }
    if !good {
        bail!("{} cannot be deployed: {} problem(s)", dir.display(), problems.iter().filter(|problem| problem.is_error).count());
    }
    if !json {
        say!("{} can be deployed", dir.display());
    }
    Ok(())
}

/// Where what a check compiles is kept while it runs. A folder that others know of could be another user's, with code of theirs in it.
fn cache() -> anyhow::Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("mandate-check-").tempdir().context("make a temporary folder")
}

/// The operator's catalogue as far as a check needs it: whoever checks a bundle has no business with the credentials.
fn catalogue_without_secrets(path: &Path) -> anyhow::Result<Catalogue> {
    let toml = std::fs::read_to_string(path).with_context(|| format!("read the catalogue {}", path.display()))?;
    Ok(Catalogue::parse_with(&path.display().to_string(), &toml, |_| Some("unused".to_owned()))?)
}

/// `mandate check-store`.
pub(crate) async fn store(database: Option<String>, server: &str, json: bool) -> anyhow::Result<()> {
    let report: Value = match database {
        None => {
            let client = Client::new(server)?;
            client.send(client.request(Method::POST, "/api/v1/check-store")).await?
        }
        Some(url) => {
            if let Some(file) = settings::sqlite_file(&url) {
                let is_there = file.try_exists().with_context(|| format!("look for {}", file.display()))?;
                ensure!(is_there, "there is no database {}: name one that a host has used", file.display());
            }
            let mut store = StoreConfig::new(&url);
            store.migrate = Migrate::Off;
            let cache = cache()?;
            let sandbox = wasm::Config::new(cache.path(), wasm::Compiler::InProcess);
            let config = Config { store, sandbox, catalogue: None, execute_jobs: false, clock: ClockSource::Stored, history_cleanup: None };
            let runtime = Runtime::open(config).await.map_err(serve::in_one_line)?;
            let report = runtime.check_store().await;
            runtime.shut_down(Duration::from_secs(5)).await;
            serde_json::to_value(report?)?
        }
    };
    let findings = report["findings"].as_array().cloned().unwrap_or_default();
    if json {
        say!("{report:#}");
    } else {
        for finding in &findings {
            say!("{}", bundle::text(finding));
        }
        let [instances, definitions, components] = [("instances", "instance"), ("definitions", "definition"), ("artifacts", "component")]
            .map(|(field, name)| format!("{} {name}{}", report[field], if report[field] == 1 { "" } else { "s" }));
        say!("looked at {instances}, {definitions} and {components}");
    }
    if !findings.is_empty() {
        bail!("the store does not agree with itself: {} finding(s)", findings.len());
    }
    Ok(())
}
