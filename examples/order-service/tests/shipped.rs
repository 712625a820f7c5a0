//! What ships with the example fits together: models, manifests, catalogue, delegates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use mandate_commands::Catalogue;
use mandate_model::{ElementKind, Implementation, ProcessDefinition};
use toml::Value;

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn manifest(version: u32) -> Value {
    read(&here().join(format!("bundle-v{version}/mandate.toml"))).parse::<toml::Table>().expect("TOML").into()
}

fn model(version: u32) -> ProcessDefinition {
    let models = manifest(version)["deployment"]["models"].clone();
    let path = here().join(format!("bundle-v{version}")).join(models[0].as_str().expect("a path"));
    let parsed =
        mandate_model::parse(&path.display().to_string(), read(&path).as_bytes()).unwrap_or_else(|diagnostics| panic!("{diagnostics:#?}"));
    assert!(parsed.warnings.is_empty(), "{:#?}", parsed.warnings);
    parsed.processes.into_iter().next().expect("one process")
}

/// The delegates a model names, with the version it asks for.
fn named(model: &ProcessDefinition) -> BTreeMap<String, Option<String>> {
    let mut named = BTreeMap::new();
    for (_, element) in model.iter() {
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
        let model = model(version);
        assert_eq!(&*model.key, order_service::engine::PROCESS_KEY);
        assert_eq!(model.version_tag, Some(format!("{version}.0.0")));
    }
}

#[test]
fn every_task_that_commands_begins_a_unit_or_follows_one_and_gives_up_after_some_time() {
    for version in [1, 2] {
        for (_, element) in model(version).iter() {
            if matches!(element.kind, ElementKind::ServiceTask(_)) {
                // Version 2 reserves in the unit that broke the order into lines.
                assert!(element.async_before || (version == 2 && &*element.id == "reserve"), "{}", element.id);
                assert_eq!(element.retries.as_ref().map(|retries| retries.waits_ms.len()), Some(7), "{}", element.id);
            }
        }
    }
}

#[test]
fn a_bundle_holds_the_delegates_its_model_names_and_no_other() {
    for version in [1, 2] {
        let manifest = manifest(version);
        let delegates = manifest["delegates"].as_table().expect("a table");
        let in_manifest: BTreeSet<_> = delegates.keys().cloned().collect();
        let named = named(&model(version));
        assert_eq!(in_manifest, named.keys().cloned().collect());
        for (name, delegate) in delegates {
            let file = PathBuf::from(delegate["file"].as_str().expect("a path"));
            let package = file.file_stem().expect("a name").to_string_lossy().replace('_', "-");
            let folder = package.strip_prefix("orders-").expect("a delegate of this example");
            let cargo: toml::Table = read(&here().join(format!("../../delegates/orders/{folder}/Cargo.toml"))).parse().expect("TOML");
            assert_eq!(cargo["package"]["name"].as_str(), Some(package.as_str()));
            assert_eq!(cargo["package"]["version"], delegate["version"], "{name}");
        }
        let asked = named["reserve-line"].as_deref();
        assert_eq!(asked, (version == 2).then_some("^2"));
        assert_eq!(delegates["reserve-line"]["version"].as_str(), Some(format!("{version}.0.0").as_str()));
    }
}

#[test]
fn the_catalogue_grants_what_the_manifests_ask_for_and_the_service_knows_it() {
    let path = here().join("catalogue.toml");
    let catalogue = Catalogue::load(&path).unwrap_or_else(|error| panic!("{error}"));
    for version in [1, 2] {
        for (name, delegate) in manifest(version)["delegates"].as_table().expect("a table") {
            for command in delegate["commands"].as_array().expect("a list") {
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
