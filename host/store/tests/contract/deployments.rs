//! Deployments, their versions, and their end.

use mandate_store::query::{
    DefinitionFilter, DefinitionSort, DelegateFilter, HistoryInstanceFilter, InstanceFilter, Order, Page, ResourceRow,
};
use mandate_store::{BindingRow, DelegateRow, DeploymentDeletion, DeploymentWrite, Except, HistoryRow, JobRow, Resource, Store};
use uuid::Uuid;

use crate::common::{Fixture, definition, incident, job, start, started_with, unit, upload};

fn with_component(key: &str, digest: &str, bytes: &[u8]) -> DeploymentWrite {
    let mut write = upload(key);
    let name = format!("{key}.wasm");
    write.resources.push(Resource { id: Uuid::now_v7().to_string(), name, bytes: bytes.to_vec() });
    write.artifacts = vec![(digest.to_owned(), bytes.to_vec())];
    write.delegates = vec![DelegateRow {
        name: "reserve-line".into(),
        version: "1.0.0".into(),
        digest: digest.into(),
        mandate: "{\"commands\":[]}".into(),
        topics: vec!["reserve".into()],
    }];
    write.definitions[0].bindings = vec![binding(digest)];
    write
}

fn binding(digest: &str) -> BindingRow {
    BindingRow {
        reference: "reserve-line@^1".into(),
        delegate: "reserve-line".into(),
        version: "1.0.0".into(),
        digest: digest.into(),
        mandate: "{}".into(),
    }
}

/// A deployment whose process is bound to a component that another one brought.
fn bound_to(key: &str, digest: &str) -> DeploymentWrite {
    let mut write = upload(key);
    write.definitions[0].bindings = vec![binding(digest)];
    write
}

pub(crate) async fn versions_count_up_per_tenant_and_key(fixture: Fixture) {
    let store = fixture.open().await;
    for _ in 0..3 {
        definition(&store, "p").await;
    }
    definition(&store, "q").await;
    let tenant = DeploymentWrite { tenant: Some("acme".into()), ..upload("p") };
    let deployed = store.deploy(tenant).await.expect("deployed");
    assert_eq!((deployed.existing, deployed.definitions[0].version), (false, 1));
    assert_eq!(deployed.definitions[0].tenant.as_deref(), Some("acme"));
    let newest = store.latest_definition("p", None).await.expect("read").expect("there");
    assert_eq!((newest.version, newest.version_tag.as_deref()), (3, Some("1.0")));
    assert!(newest.id.starts_with("p:3:"), "{}", newest.id);
    assert_eq!(store.definition(&newest.id).await.expect("read"), Some(newest));
    assert_eq!(store.latest_definition("p", Some("other")).await.expect("read"), None);
    let latest = DefinitionFilter { latest_version: true, without_tenant: true, ..DefinitionFilter::default() };
    let listed = store.definitions(latest, Page::ALL, &[(DefinitionSort::Key, Order::Desc)]).await.expect("read");
    let versions: Vec<_> = listed.iter().map(|row| (row.key.as_str(), row.version)).collect();
    assert_eq!(versions, [("q", 1), ("p", 3)]);
    // Deployed at once: still one after the other.
    let many = futures_util::future::join_all((0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { definition(&store, "p").await.version })
    }));
    let mut versions: Vec<i64> = many.await.into_iter().map(|version| version.expect("a task")).collect();
    versions.sort_unstable();
    assert_eq!(versions, [4, 5, 6, 7, 8, 9, 10, 11]);
}

pub(crate) async fn identical_content_is_recognised(fixture: Fixture) {
    let store = fixture.open().await;
    let filtered = |at, digest: &str| DeploymentWrite { filter_duplicates: true, at, content_digest: digest.into(), ..upload("p") };
    let first = store.deploy(filtered(1_000, "a")).await.expect("deployed");
    let again = store.deploy(filtered(2_000, "a")).await.expect("recognised");
    assert_eq!((again.existing, &again.id, again.at), (true, &first.id, 1_000));
    assert_eq!(again.definitions, first.definitions);
    let changed = store.deploy(filtered(3_000, "b")).await.expect("deployed");
    assert_eq!((changed.existing, changed.definitions[0].version), (false, 2));
    // Only the newest counts: going back is a change.
    assert!(!store.deploy(filtered(4_000, "a")).await.expect("deployed").existing);
    let other = DeploymentWrite { name: Some("another".into()), ..filtered(5_000, "a") };
    assert!(!store.deploy(other).await.expect("deployed").existing);
    let unasked = DeploymentWrite { filter_duplicates: false, ..filtered(6_000, "a") };
    assert!(!store.deploy(unasked).await.expect("deployed").existing);
}

pub(crate) async fn a_component_is_kept_once(fixture: Fixture) {
    let store = fixture.open().await;
    let component = vec![7_u8; 100_000];
    let deployed = store.deploy(with_component("p", "d1", &component)).await.expect("deployed");
    store.deploy(with_component("q", "d1", &component)).await.expect("deployed");
    assert_eq!(store.artifact("d1").await.expect("read").as_deref(), Some(component.as_slice()));
    assert_eq!(store.artifact("d2").await.expect("read"), None);
    let resources = store.resources(&deployed.id).await.expect("read");
    let names: Vec<_> = resources.iter().map(|ResourceRow { name, size, .. }| (name.as_str(), *size)).collect();
    assert_eq!(names, [("p.bpmn", 6), ("p.wasm", 100_000)]);
    assert_eq!(store.resource_bytes(&deployed.id, "p.wasm").await.expect("read").as_deref(), Some(component.as_slice()));
    let (name, bytes) = store.resource(&deployed.id, &resources[0].id).await.expect("read").expect("there");
    assert_eq!((name.as_str(), bytes.as_slice()), ("p.bpmn", b"<xml/>".as_slice()));
    assert_eq!(store.bindings(&deployed.definitions[0].id).await.expect("read"), [binding("d1")]);
    assert_eq!(store.bound_definitions("d1").await.expect("read").len(), 2);
    let delegates = store.delegates(None).await.expect("read");
    assert_eq!((delegates.len(), delegates[0].topics.as_slice()), (2, ["reserve".to_owned()].as_slice()));
}

pub(crate) async fn what_is_used_is_not_deleted(fixture: Fixture) {
    let store = fixture.open().await;
    let first = store.deploy(with_component("p", "d1", b"component")).await.expect("deployed");
    let (id, _) = started_with(&store, &first.definitions[0], Vec::new()).await;
    let other = store.deploy(bound_to("q", "d1")).await.expect("deployed");
    let refused = store.delete_deployment(&first.id, false).await.expect("answered");
    assert_eq!(refused, DeploymentDeletion::Refused { instances: 1, bindings: 1 });
    store.commit(unit(crate::common::end(id, 1))).await.expect("ended");
    let refused = store.delete_deployment(&first.id, false).await.expect("answered");
    assert_eq!(refused, DeploymentDeletion::Refused { instances: 0, bindings: 1 });
    let gone = store.delete_deployment(&other.id, false).await.expect("answered");
    assert_eq!(gone, DeploymentDeletion::Deleted { definitions: vec![other.definitions[0].id.clone()] });
    assert!(matches!(store.delete_deployment(&first.id, false).await, Ok(DeploymentDeletion::Deleted { .. })));
    assert_eq!(store.delete_deployment(&first.id, false).await.expect("answered"), DeploymentDeletion::NotFound);
    assert_eq!(store.artifact("d1").await.expect("read"), None, "nobody names it any more");
    let history = HistoryInstanceFilter { definition_key: Some("p".into()), ..HistoryInstanceFilter::default() };
    assert_eq!(store.count_history_instances(history).await.expect("read"), 1, "history outlives the definition");
}

pub(crate) async fn a_cascade_takes_instances_and_history_along(fixture: Fixture) {
    let store = fixture.open().await;
    let first = store.deploy(with_component("p", "d1", b"component")).await.expect("deployed");
    let process = &first.definitions[0];
    let (id, _) = started_with(&store, process, vec![job(process, 1, 5)]).await;
    let other = store.deploy(bound_to("q", "d1")).await.expect("deployed");
    let (kept, _) = started_with(&store, &other.definitions[0], vec![job(&other.definitions[0], 1, 5)]).await;
    let gone = store.delete_deployment(&first.id, true).await.expect("answered");
    assert_eq!(gone, DeploymentDeletion::Deleted { definitions: vec![process.id.clone()] });
    assert_eq!(store.load_instance(id).await.expect("read"), None);
    assert_eq!(store.history_instance(id).await.expect("read"), None);
    assert_eq!(
        store.artifact("d1").await.expect("read").as_deref(),
        Some(b"component".as_slice()),
        "a bound artifact outlives its deployment"
    );
    assert!(store.load_instance(kept).await.expect("read").is_some());
    assert_eq!(store.claim(100, 10, &Except::NOTHING).await.expect("claimed").len(), 1);
    assert!(matches!(store.commit(unit(start(process, Uuid::now_v7()))).await, Err(mandate_store::CommitError::Gone)));
}

pub(crate) async fn only_the_newest_version_starts_by_message(fixture: Fixture) {
    let store = fixture.open().await;
    let with_message = |tenant: Option<&str>, message: &str| {
        let mut write = DeploymentWrite { tenant: tenant.map(str::to_owned), ..upload("p") };
        write.definitions[0].start_messages = vec![(message.to_owned(), "Start".to_owned())];
        write
    };
    store.deploy(with_message(None, "old")).await.expect("deployed");
    let newest = store.deploy(with_message(None, "new")).await.expect("deployed");
    store.deploy(with_message(Some("acme"), "new")).await.expect("deployed");
    assert_eq!(store.start_messages("old", None).await.expect("read"), []);
    assert_eq!(store.start_messages("new", None).await.expect("read").len(), 2, "of any tenant");
    assert_eq!(store.start_messages("new", Some("acme")).await.expect("read").len(), 1);
    let untenanted = store.start_messages("new", Some("")).await.expect("read");
    assert_eq!((untenanted.len(), &untenanted[0].definition_id), (1, &newest.definitions[0].id));
}

pub(crate) async fn statistics_count_where_instances_stand(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    for n in 0..3 {
        let mut write = start(&process, Uuid::now_v7());
        write.history.push(HistoryRow::ActivityStarted {
            n: 2,
            parent: 1,
            activity_id: "Task".into(),
            name: None,
            kind: "serviceTask".into(),
            at: 12,
        });
        if n == 0 {
            write.put_jobs = vec![JobRow { retries: 0, ..job(&process, 3, 5) }];
            write.put_incidents = vec![incident(&process, 4, Some(3))];
        }
        store.commit(unit(write)).await.expect("stored");
    }
    let idle = definition(&store, "q").await;
    let statistics = store.definition_statistics().await.expect("read");
    assert_eq!(statistics.len(), 2);
    assert_eq!((statistics[0].instances, statistics[0].failed_jobs), (3, 1));
    assert_eq!(statistics[0].incidents, [("DELEGATE_FAILED".to_owned(), 1)]);
    assert_eq!((&statistics[1].definition, statistics[1].instances), (&idle, 0));
    let activities = store.activity_statistics(&process.id).await.expect("read");
    assert_eq!(activities.len(), 1);
    assert_eq!((activities[0].activity_id.as_str(), activities[0].instances, activities[0].failed_jobs), ("Task", 3, 1));
    let standing = InstanceFilter { activity_ids: vec!["Task".into()], ..InstanceFilter::default() };
    assert_eq!(store.count_instances(standing).await.expect("read"), 3);
    assert_eq!(count_delegates(&store).await, 0);
}

async fn count_delegates(store: &Store) -> i64 {
    store.count_delegates(DelegateFilter::default()).await.expect("read")
}
