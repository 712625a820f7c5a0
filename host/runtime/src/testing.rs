//! Hosts for the tests of this crate.

use std::path::Path;
use std::time::Duration;

use mandate_engine::{Variable, Variables};
use mandate_tests::lone::guest;
use serde_json::Value;

use crate::deploy::Upload;
use crate::{ClockSource, Config, Runtime, Start, StoreConfig, wasm};

/// A host in a folder: with the catalogue that is there, if one is, and on SQLite if no database is given.
pub(crate) async fn open(dir: &Path, database: Option<&str>, execute_jobs: bool) -> Runtime {
    Runtime::open(config(dir, database, execute_jobs)).await.expect("the host opens")
}

/// One that executes no jobs and that no command leaves in time.
pub(crate) async fn open_too_late(dir: &Path, database: Option<&str>) -> Runtime {
    Runtime::open_departing(config(dir, database, false), Duration::ZERO).await.expect("the host opens")
}

fn config(dir: &Path, database: Option<&str>, execute_jobs: bool) -> Config {
    let file = || format!("sqlite:{}", dir.join("mandate.db").display());
    let catalogue = dir.join("catalogue.toml");
    Config {
        store: StoreConfig::new(database.map_or_else(file, str::to_owned)),
        sandbox: wasm::Config::new(dir.join("components"), wasm::Compiler::InProcess),
        catalogue: Some(catalogue).filter(|path| path.exists()),
        execute_jobs,
        clock: ClockSource::System,
        history_cleanup: None,
    }
}

/// Deploys a model whose delegates are the scripted one, under names that the manifest gives it.
pub(crate) async fn deploy(runtime: &Runtime, model: &str, manifest: &str) {
    let resources = vec![
        ("p.bpmn".to_owned(), model.as_bytes().to_vec()),
        ("test_scripted.wasm".to_owned(), guest("test_scripted.wasm").expect("it is built")),
        ("mandate.toml".to_owned(), manifest.as_bytes().to_vec()),
    ];
    runtime.deploy(Upload { resources, ..Upload::default() }).await.expect("deployed");
}

/// A start of the process `p` with this script.
pub(crate) fn start(script: &Value) -> Start {
    Start::of_key("p", Variables::from([("script".to_owned(), Variable::from_json(script))]))
}
