//! What ships with the example fits together: models, manifests, catalogue, delegates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mandate_commands::Catalogue;
use mandate_model::{ElementKind, Implementation, ProcessDefinition, RetryCycle};
use toml::Value;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

const BUNDLES: [&str; 3] = ["bundle-v1", "bundle-v2", "bundle-special"];

fn manifest(bundle: &str) -> Value {
    read(&here().join(bundle).join("mandate.toml")).parse::<toml::Table>().expect("TOML").into()
}

fn models(bundle: &str) -> Vec<ProcessDefinition> {
    let manifest = manifest(bundle);
    let paths = manifest["deployment"]["models"].as_array().expect("a list");
    let model = |path: &Value| {
        let path = here().join(bundle).join(path.as_str().expect("a path"));
        let parsed = mandate_model::parse(&path.display().to_string(), read(&path).as_bytes());
        let parsed = parsed.unwrap_or_else(|diagnostics| panic!("{diagnostics:#?}"));
        assert!(parsed.warnings.is_empty(), "{:#?}", parsed.warnings);
        parsed.processes.into_iter().next().expect("one process")
    };
    paths.iter().map(model).collect()
}

/// The delegates that models name, with the version they ask for.
fn named(models: &[ProcessDefinition]) -> BTreeMap<String, Option<String>> {
    let mut named = BTreeMap::new();
    for (_, element) in models.iter().flat_map(ProcessDefinition::iter) {
        if let ElementKind::ServiceTask(task) = &element.kind {
            let Implementation::Delegate { name, requirement } = &task.implementation else {
                panic!("{} is done by {:?}", element.id, task.implementation);
            };
            let known = named.entry(name.clone()).or_insert_with(|| requirement.clone());
            assert_eq!(known, requirement, "{name} is asked for twice, differently");
        }
    }
    named
}

#[test]
fn both_versions_are_one_process_with_their_tags() {
    for version in [1, 2] {
        let [model] = &models(&format!("bundle-v{version}"))[..] else { panic!("a version has one model") };
        assert_eq!(&*model.key, order_service::engine::PROCESS_KEY);
        assert_eq!(model.version_tag, Some(format!("{version}.0.0")));
    }
}

#[test]
fn every_task_that_commands_begins_a_unit_or_follows_one_and_gives_up_after_some_time() {
    for bundle in BUNDLES {
        for (_, element) in models(bundle).iter().flat_map(ProcessDefinition::iter) {
            if matches!(element.kind, ElementKind::ServiceTask(_)) {
                // Version 2 reserves in the unit that broke the order into lines.
                assert!(element.async_before || (bundle == "bundle-v2" && &*element.id == "reserve"), "{}", element.id);
                let retries = element.retries.as_ref().and_then(RetryCycle::fixed);
                assert_eq!(retries.map(|retries| retries.waits_ms.len()), Some(7), "{}", element.id);
            }
        }
    }
}

#[test]
fn a_bundle_holds_the_delegates_its_models_name_and_no_other() {
    for bundle in BUNDLES {
        let manifest = manifest(bundle);
        let delegates = manifest["delegates"].as_table().expect("a table");
        let in_manifest: BTreeSet<_> = delegates.keys().cloned().collect();
        let named = named(&models(bundle));
        assert_eq!(in_manifest, named.keys().cloned().collect());
        for (name, delegate) in delegates {
            let file = PathBuf::from(delegate["file"].as_str().expect("a path"));
            let package = file.file_stem().expect("a name").to_string_lossy().replace('_', "-");
            let folder = package.strip_prefix("orders-").expect("a delegate of this example");
            let cargo: toml::Table = read(&here().join(format!("../../delegates/orders/{folder}/Cargo.toml"))).parse().expect("TOML");
            assert_eq!(cargo["package"]["name"].as_str(), Some(package.as_str()));
            assert_eq!(cargo["package"]["version"], delegate["version"], "{name}");
        }
    }
    for (bundle, asked, version) in [("bundle-v1", None, "1.0.0"), ("bundle-v2", Some("^2"), "2.0.0")] {
        assert_eq!(named(&models(bundle))["reserve-line"].as_deref(), asked);
        assert_eq!(manifest(bundle)["delegates"]["reserve-line"]["version"].as_str(), Some(version));
    }
}

#[test]
fn the_catalogue_grants_what_the_manifests_ask_for_and_the_service_knows_it() {
    let path = here().join("catalogue.toml");
    let catalogue = Catalogue::load(&path).unwrap_or_else(|error| panic!("{error}"));
    for bundle in BUNDLES {
        for (name, delegate) in manifest(bundle)["delegates"].as_table().expect("a table") {
            for command in delegate.get("commands").and_then(Value::as_array).into_iter().flatten() {
                let command = command.as_str().expect("a name");
                if let Err(refusal) = catalogue.grant(command, Some("acme"), name) {
                    panic!("{name} may not have {command}: {refusal}");
                }
            }
        }
    }
    for command in catalogue.commands() {
        let name = command.name.strip_prefix("orders.").and_then(|name| name.strip_suffix("@1")).expect("a contract");
        assert!(name == "fulfillment-status" || order_service::commands::Command::NAMES.contains(&name), "the service has no {name}");
        assert!(command.honours_key, "{name}");
    }
}
