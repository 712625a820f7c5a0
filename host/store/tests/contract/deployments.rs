//! Deployments, their versions, and their end.

use mandate_store::query::{
    DefinitionFilter, DefinitionSort, DelegateFilter, DeploymentFilter, HistoryInstanceFilter, InstanceFilter, Order, Page, ResourceRow,
};
use mandate_store::{
    BindingRow, DelegateRow, DelegatesSeen, Deployed, DeploymentDeletion, DeploymentWrite, EventKind, Except, HistoryLevel, HistoryRow,
    JobRow, Resource, SubscriptionRow,
};
use uuid::Uuid;

use crate::common::{Fixture, begun, definition, incident, job, start, start_event, started_with, subscription, task, unit, upload};

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

/// Of two hosts whose clocks differ the one whose clock is behind deploys last.
pub(crate) async fn a_deployment_is_later_than_those_before_it_whatever_its_hosts_clock_says(fixture: Fixture) {
    let store = fixture.open().await;
    let at = |at, write: DeploymentWrite| DeploymentWrite { at, ..write };
    let deployed = async |write| store.deploy(write).await.expect("deployed");
    assert_eq!(deployed(at(9_000, with_component("p", "d1", b"one"))).await.at, 9_000);
    let behind = deployed(at(1_000, with_component("p", "d2", b"two"))).await;
    assert_eq!(behind.at, 9_001);
    assert_eq!(deployed(at(9_001, with_component("q", "d3", b"three"))).await.at, 9_002);
    let row = store.deployment(&behind.id).await.expect("read").expect("there");
    assert_eq!(row.deployed_at, 9_001);
    let delegates = store.delegates(None).await.expect("read");
    let order: Vec<_> = delegates.iter().map(|it| (it.digest.as_str(), it.deployed_at)).collect();
    assert_eq!(order, [("d1", 9_000), ("d2", 9_001), ("d3", 9_002)]);
    // What is compared is the deployment that was made last, although its host's clock said otherwise.
    let filtered = |digest: &str| DeploymentWrite { filter_duplicates: true, content_digest: digest.into(), ..at(2_000, upload("p")) };
    let newest = deployed(filtered("b")).await;
    assert!(!newest.existing);
    let again = deployed(filtered("b")).await;
    assert_eq!((again.existing, again.id, again.at), (true, newest.id, 9_003));
}

pub(crate) async fn delegates_that_were_seen_are_those_that_are_there(fixture: Fixture) {
    let store = fixture.open().await;
    let seen = async |tenant| Some(DelegatesSeen::of(&store.delegates(tenant).await.expect("read")));
    let deploy = async |seen| store.deploy(DeploymentWrite { seen, ..upload("q") }).await;
    let moved = |deployed: Result<Deployed, mandate_store::Error>| matches!(deployed, Err(mandate_store::Error::DelegatesMoved));

    let nothing = seen(None).await;
    deploy(nothing.clone()).await.expect("it is as it was seen");
    let first = store.deploy(with_component("p", "d1", b"one")).await.expect("deployed");
    assert!(moved(deploy(nothing).await), "one has come");
    let one = seen(None).await;
    deploy(one.clone()).await.expect("it is as it was seen");
    // Another one in its place, by a clock that is behind.
    store.delete_deployment(&first.id, false, &[], &Vec::new(), 0).await.expect("answered");
    assert!(moved(deploy(one.clone()).await), "it has gone");
    store.deploy(DeploymentWrite { at: 1, ..with_component("p", "d2", b"two") }).await.expect("deployed");
    assert!(moved(deploy(one).await), "it is another one");

    // A tenant's own, and those of no tenant, are a tenant's; another tenant's are nobody else's.
    let (of_none, of_acme) = (seen(None).await, seen(Some("acme")).await);
    let others = DeploymentWrite { tenant: Some("other".into()), ..with_component("p", "d3", b"three") };
    store.deploy(others).await.expect("deployed");
    let deploy_acme = async |seen| store.deploy(DeploymentWrite { seen, tenant: Some("acme".into()), ..upload("q") }).await;
    deploy_acme(of_acme.clone()).await.expect("it is as it was seen");
    let own = DeploymentWrite { tenant: Some("acme".into()), ..with_component("p", "d4", b"four") };
    store.deploy(own).await.expect("deployed");
    deploy(of_none).await.expect("it is as it was seen");
    assert!(moved(deploy_acme(of_acme).await));
    assert_eq!(store.deployments(DeploymentFilter::default(), Page::ALL, &[]).await.expect("read").len(), 7, "nothing else is stored");
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
    let refused = store.delete_deployment(&first.id, false, &[], &Vec::new(), 0).await.expect("answered");
    assert_eq!(refused, DeploymentDeletion::Refused { instances: 1, bindings: 1 });
    store.commit(unit(crate::common::end(id, 1))).await.expect("ended");
    let refused = store.delete_deployment(&first.id, false, &[], &Vec::new(), 0).await.expect("answered");
    assert_eq!(refused, DeploymentDeletion::Refused { instances: 0, bindings: 1 });
    let gone = store.delete_deployment(&other.id, false, &[], &Vec::new(), 0).await.expect("answered");
    assert_eq!(gone, DeploymentDeletion::Deleted { definitions: vec![other.definitions[0].id.clone()] });
    assert!(matches!(store.delete_deployment(&first.id, false, &[], &Vec::new(), 0).await, Ok(DeploymentDeletion::Deleted { .. })));
    assert_eq!(store.delete_deployment(&first.id, false, &[], &Vec::new(), 0).await.expect("answered"), DeploymentDeletion::NotFound);
    assert_eq!(store.artifact("d1").await.expect("read"), None, "nobody names it any more");
    let history = HistoryInstanceFilter { definition_key: Some("p".into()), ..HistoryInstanceFilter::default() };
    assert_eq!(store.count_history_instances(history).await.expect("read"), 1, "history outlives the definition");
    assert_eq!((store.remove_left_elements().await.expect("looked"), fixture.count("deleted_definition").await), (1, 1));
    assert_eq!(fixture.count("element").await, 5, "and so do the elements that it tells of; of the other one it tells nothing");
}

/// Elements of a deleted definition are there as long as history has instances of it, however these go.
pub(crate) async fn elements_go_with_the_last_history_of_their_definition(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    definition(&store, "p").await;
    let mut instances = Vec::new();
    for removal in [Some(200), Some(300), None] {
        let (id, _) = started_with(&store, &process, Vec::new()).await;
        let mut write = crate::common::end(id, 1);
        let Some(HistoryRow::InstanceEnded { removal_at, .. }) = write.history.last_mut() else { panic!("it ends") };
        *removal_at = removal;
        store.commit(unit(write)).await.expect("ended");
        instances.push(id);
    }
    assert!(store.take_history_cleanup().await.expect("asked"));
    assert_eq!(store.remove_history(instances.clone(), 200).await.expect("removed"), Some(1));
    assert_eq!(fixture.count("element").await, 10, "those of a definition that is there stay");
    let gone = store.delete_definitions(vec![process.id.clone()], false, &[], &Vec::new(), 0).await.expect("answered");
    assert_eq!(gone, DeploymentDeletion::Deleted { definitions: vec![process.id.clone()] });
    let left = async || {
        (store.remove_left_elements().await.expect("looked"), fixture.count("element").await, fixture.count("deleted_definition").await)
    };
    assert_eq!(left().await, (0, 10, 1));
    assert_eq!(store.remove_history(instances.clone(), 300).await.expect("removed"), Some(1));
    assert_eq!(left().await, (0, 10, 1));
    store.delete_history(instances[2], &[]).await.expect("removed");
    assert_eq!(left().await, (1, 5, 0));
}

/// The database does not let go of the elements of the first of them.
pub(crate) async fn a_deleted_definition_whose_elements_cannot_be_removed_keeps_no_other(fixture: Fixture) {
    let store = fixture.open().await;
    let (kept, other) = (definition(&store, "p").await, definition(&store, "q").await);
    let gone = store.delete_definitions(vec![kept.id.clone(), other.id], false, &[], &Vec::new(), 0).await.expect("answered");
    assert!(matches!(gone, DeploymentDeletion::Deleted { .. }), "{gone:?}");
    store.close().await;
    let of_it = format!("OLD.definition_id = '{}'", kept.id);
    let keep = if fixture.is_postgres() {
        format!(
            "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'kept'; END $$; \
             CREATE TRIGGER keep BEFORE DELETE ON element FOR EACH ROW WHEN ({of_it}) EXECUTE FUNCTION keep()"
        )
    } else {
        format!("CREATE TRIGGER keep BEFORE DELETE ON element WHEN {of_it} BEGIN SELECT RAISE(ABORT, 'kept'); END")
    };
    fixture.raw(&keep).await;
    let store = fixture.open().await;
    let failed = store.remove_left_elements().await.expect_err("it stays");
    assert!(failed.to_string().contains("kept"), "{failed}");
    assert_eq!((fixture.count("element").await, fixture.count("deleted_definition").await), (5, 1));
    store.close().await;
}

/// The last instance of a deleted definition may stand behind more of its key than are looked at together.
pub(crate) async fn elements_are_looked_for_behind_any_number_of_other_versions(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let other = definition(&store, "p").await;
    let (last, _) = started_with(&store, &process, Vec::new()).await;
    store.commit(unit(crate::common::end(last, 1))).await.expect("ended");
    let key = store.history_instance(last).await.expect("read").expect("just ended");
    let gone = store.delete_definitions(vec![process.id.clone()], false, &[], &Vec::new(), 0).await.expect("answered");
    assert_eq!(gone, DeploymentDeletion::Deleted { definitions: vec![process.id] });
    store.close().await;
    // Before it and behind it; a look takes a thousand.
    let one = if fixture.is_postgres() { "gen_random_uuid()" } else { "randomblob(16)" };
    let ended_at = key.ended_at.expect("just ended");
    fixture
        .raw(&format!(
            "INSERT INTO history_instance (instance_id, tenant, definition_id, definition_key, started_at, ended_at, state) \
             WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 3000) \
             SELECT {one}, '', '{}', 'p', 1, {ended_at} - 1500 + n, 'COMPLETED' FROM numbers",
            other.id
        ))
        .await;
    let store = fixture.open().await;
    let left = async || (store.remove_left_elements().await.expect("looked"), fixture.count("element").await);
    for _ in 0..4 {
        assert_eq!(left().await, (0, 10), "it is there");
    }
    let found = format!("deleted_definition WHERE ended_at = {ended_at}");
    assert_eq!(fixture.count(&found).await, 1);
    store.delete_history(last, &[]).await.expect("removed");
    assert_eq!((left().await, left().await), ((0, 10), (1, 5)));
}

/// What began while history was kept ends in history although it is not kept any more: else it would never go.
pub(crate) async fn history_that_is_not_kept_any_more_comes_to_its_end(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut write = start(&process, Uuid::now_v7());
        write.history.push(HistoryRow::ActivityStarted { n: 2, parent: 1, element: 1, at: 11 });
        (write.put_tasks, write.put_incidents) = (vec![task(&process, 5)], vec![incident(&process, 7, None)]);
        ids.push(write.id);
        store.commit(unit(write)).await.expect("started");
    }
    let [id, less] = ids[..] else { panic!("two of them") };
    let open = async || {
        let of = |table| format!("{table} WHERE ended_at IS NULL");
        let [activities, tasks, incidents] = ["history_activity", "history_task", "history_incident"].map(of);
        (fixture.count(&activities).await, fixture.count(&tasks).await, fixture.count(&incidents).await)
    };
    assert_eq!(open().await, (2, 2, 2));
    store.close().await;
    // Tasks are not written any more, so that nobody says which are still open.
    let store = fixture.open_with(HistoryLevel::Activity).await;
    let mut write = crate::common::end(less, 1);
    write.history.push(HistoryRow::ActivityEnded { n: 2, canceled: false, complete_scope: true, at: 98 });
    store.commit(unit(write)).await.expect("ended");
    assert_eq!(open().await, (1, 1, 1));
    store.close().await;
    let store = fixture.open_with(HistoryLevel::None).await;
    store.commit(unit(crate::common::end(id, 1))).await.expect("ended");
    assert_eq!(open().await, (0, 0, 0));
    let (other, _) = started_with(&store, &process, Vec::new()).await;
    store.commit(unit(crate::common::end(other, 1))).await.expect("ended");
    assert!(store.history_instance(id).await.expect("read").expect("it is kept").ended_at.is_some());
    assert_eq!(store.history_instance(other).await.expect("read"), None);
    store.delete_definitions(vec![process.id.clone()], true, &[], &Vec::new(), 0).await.expect("answered");
    assert_eq!((fixture.count("history_instance").await, fixture.count("element").await), (0, 0));
}

pub(crate) async fn definitions_are_deleted_beside_their_deployment(fixture: Fixture) {
    let store = fixture.open().await;
    let first = store.deploy(with_component("p", "d1", b"component")).await.expect("deployed");
    let second = store.deploy(bound_to("p", "d1")).await.expect("deployed");
    let ids = vec![first.definitions[0].id.clone(), second.definitions[0].id.clone()];
    let (id, _) = started_with(&store, &second.definitions[0], vec![job(&second.definitions[0], 1, 5)]).await;
    let delete =
        async |ids: &[String], cascade| store.delete_definitions(ids.to_vec(), cascade, &[], &Vec::new(), 0).await.expect("answered");
    assert_eq!(delete(&ids, false).await, DeploymentDeletion::Refused { instances: 1, bindings: 0 });
    assert_eq!(delete(&[ids[0].clone(), "none".to_owned()], true).await, DeploymentDeletion::NotFound);
    assert_eq!(delete(&ids[..1], false).await, DeploymentDeletion::Deleted { definitions: ids[..1].to_vec() });
    assert_eq!(delete(&ids, true).await, DeploymentDeletion::NotFound, "one of them is gone already");
    assert_eq!(delete(&ids[1..], true).await, DeploymentDeletion::Deleted { definitions: ids[1..].to_vec() });
    assert_eq!(store.load_instance(id).await.expect("read"), None);
    assert_eq!(store.history_instance(id).await.expect("read"), None);
    assert!(store.resource_bytes(&first.id, "p.bpmn").await.expect("read").is_some(), "the deployment stays");
    assert_eq!(store.artifact("d1").await.expect("read").as_deref(), Some(b"component".as_slice()), "its file is there");
    let gone = store.delete_deployment(&first.id, false, &[], &Vec::new(), 0).await.expect("answered");
    assert_eq!(gone, DeploymentDeletion::Deleted { definitions: Vec::new() });
    assert_eq!(store.artifact("d1").await.expect("read"), None);
}

pub(crate) async fn a_cascade_takes_instances_and_history_along(fixture: Fixture) {
    let store = fixture.open().await;
    let first = store.deploy(with_component("p", "d1", b"component")).await.expect("deployed");
    let process = &first.definitions[0];
    let (id, _) = started_with(&store, process, vec![job(process, 1, 5)]).await;
    let other = store.deploy(bound_to("q", "d1")).await.expect("deployed");
    let (kept, _) = started_with(&store, &other.definitions[0], vec![job(&other.definitions[0], 1, 5)]).await;
    let gone = store.delete_deployment(&first.id, true, &[], &Vec::new(), 0).await.expect("answered");
    assert_eq!(gone, DeploymentDeletion::Deleted { definitions: vec![process.id.clone()] });
    assert_eq!(store.load_instance(id).await.expect("read"), None);
    assert_eq!(store.history_instance(id).await.expect("read"), None);
    assert_eq!(
        store.artifact("d1").await.expect("read").as_deref(),
        Some(b"component".as_slice()),
        "a bound artifact outlives its deployment"
    );
    assert!(store.load_instance(kept).await.expect("read").is_some());
    assert_eq!(fixture.count("element").await, 5, "those of the other process");
    assert_eq!(store.claim(100, 10, &Except::NOTHING).await.expect("claimed").len(), 1);
    assert!(matches!(store.commit(unit(start(process, Uuid::now_v7()))).await, Err(mandate_store::CommitError::Gone)));
}

pub(crate) async fn only_the_newest_version_starts_by_message(fixture: Fixture) {
    let store = fixture.open().await;
    let with_message = |tenant: Option<&str>, message: &str| {
        let mut write = DeploymentWrite { tenant: tenant.map(str::to_owned), ..upload("p") };
        write.definitions[0].start_events = vec![start_event(EventKind::Message, message)];
        write
    };
    store.deploy(with_message(None, "old")).await.expect("deployed");
    let newest = store.deploy(with_message(None, "new")).await.expect("deployed");
    store.deploy(with_message(Some("acme"), "new")).await.expect("deployed");
    assert_eq!(store.start_events(EventKind::Message, "old", None, false).await.expect("read"), []);
    assert_eq!(store.start_events(EventKind::Message, "new", None, false).await.expect("read").len(), 2, "of any tenant");
    assert_eq!(store.start_events(EventKind::Message, "new", Some("acme"), false).await.expect("read").len(), 1);
    let untenanted = store.start_events(EventKind::Message, "new", None, true).await.expect("read");
    assert_eq!((untenanted.len(), &untenanted[0].definition_id), (1, &newest.definitions[0].id));
}

pub(crate) async fn two_processes_do_not_start_by_one_message(fixture: Fixture) {
    let store = fixture.open().await;
    let starting = |key: &str, message: &str| {
        let mut write = upload(key);
        write.definitions[0].start_events = vec![start_event(EventKind::Message, message)];
        write
    };
    let taken = |key: &str, other: &str| mandate_store::Error::StartMessageTaken {
        key: key.to_owned(),
        message: "ordered".to_owned(),
        other: other.to_owned(),
    };
    let refused = async |write| store.deploy(write).await.expect_err("refused").to_string();
    store.deploy(starting("p", "ordered")).await.expect("deployed");
    assert_eq!(refused(starting("q", "ordered")).await, taken("q", "p").to_string());
    store.deploy(starting("p", "ordered")).await.expect("a new version takes its message over");
    store.deploy(DeploymentWrite { tenant: Some("acme".into()), ..starting("q", "ordered") }).await.expect("another tenant's");
    store.deploy(starting("p", "other")).await.expect("the newest version no longer starts by it");
    store.deploy(starting("q", "ordered")).await.expect("it is free");
    assert_eq!(refused(starting("p", "ordered")).await, taken("p", "q").to_string());
    let of_all: Vec<_> =
        store.start_events_of(EventKind::Message, None).await.expect("read").into_iter().map(|start| (start.key, start.name)).collect();
    assert_eq!(of_all, [("p".to_owned(), "other".to_owned()), ("q".to_owned(), "ordered".to_owned())]);

    // In one deployment two processes may exchange their messages, but not share one.
    let together = |first: &str, second: &str| {
        let mut write = starting("p", first);
        write.definitions.extend(starting("q", second).definitions);
        write
    };
    assert_eq!(refused(together("ordered", "ordered")).await, taken("q", "p").to_string());
    store.deploy(together("ordered", "other")).await.expect("they exchange them");
}

pub(crate) async fn of_concurrent_deployments_one_gets_the_message(fixture: Fixture) {
    let store = fixture.open().await;
    // One store deploys one after the other by itself; two hosts do not.
    let other = if fixture.is_postgres() { fixture.open().await } else { store.clone() };
    let deploying = (0..8).map(|n| {
        let store = [&store, &other][n % 2].clone();
        let mut write = upload(&format!("p{n}"));
        write.definitions[0].start_events = vec![start_event(EventKind::Message, "ordered")];
        tokio::spawn(async move { store.deploy(write).await.is_ok() })
    });
    let mut deployed = 0;
    for one in deploying.collect::<Vec<_>>() {
        deployed += usize::from(one.await.expect("it ends"));
    }
    assert_eq!(deployed, 1);
    assert_eq!(store.start_events(EventKind::Message, "ordered", None, false).await.expect("read").len(), 1);
}

pub(crate) async fn statistics_count_where_tokens_stand(fixture: Fixture) {
    let store = fixture.open().await;
    let process = definition(&store, "p").await;
    // One stands before its task, out of retries.
    let mut before = start(&process, Uuid::now_v7());
    before.put_jobs = vec![JobRow { retries: 0, ..job(&process, 3, 5) }];
    before.put_incidents = vec![incident(&process, 4, Some(3))];
    store.commit(unit(before)).await.expect("stored");
    // One stands behind the same task and, in other branches, at a timer and at an activity that waits for two messages.
    let mut several = start(&process, Uuid::now_v7());
    let pause = JobRow { activity: 3, activity_id: "Pause".into(), kind: "timer".into(), ..job(&process, 6, 5) };
    several.put_jobs = vec![JobRow { kind: "async-after".into(), ..job(&process, 5, 5) }, pause];
    several.put_subscriptions = vec![subscription(&process, 7, "paid"), subscription(&process, 8, "cancelled")];
    store.commit(unit(several)).await.expect("stored");
    // One stands at a user task with a boundary timer and a boundary message, inside of a sub-process.
    let mut task_in_scope = start(&process, Uuid::now_v7());
    let late = JobRow { activity: 3, activity_id: "Late".into(), kind: "event-timer".into(), ..job(&process, 9, 5) };
    (task_in_scope.put_jobs, task_in_scope.put_tasks) = (vec![late], vec![task(&process, 8)]);
    let revoked = SubscriptionRow { activity: 3, activity_id: "Revoked".into(), of_event: true, ..subscription(&process, 10, "revoked") };
    task_in_scope.put_subscriptions = vec![revoked];
    task_in_scope.history.extend([begun(&process, 2, "Scope", 12), begun(&process, 3, "Review", 12)]);
    store.commit(unit(task_in_scope)).await.expect("stored");

    let idle = definition(&store, "q").await;
    let statistics = store.definition_statistics().await.expect("read");
    assert_eq!(statistics.len(), 2);
    assert_eq!((statistics[0].instances, statistics[0].failed_jobs), (3, 1));
    assert_eq!(statistics[0].incidents, [("DELEGATE_FAILED".to_owned(), 1)]);
    assert_eq!((&statistics[1].definition, statistics[1].instances), (&idle, 0));
    let activities = store.activity_statistics(&process.id).await.expect("read");
    let counted: Vec<_> = activities.iter().map(|one| (one.activity_id.as_str(), one.instances, one.failed_jobs)).collect();
    assert_eq!(counted, [("Pause", 1, 0), ("Receive", 1, 0), ("Review", 1, 0), ("Task", 2, 1)]);
    assert_eq!(store.activity_statistics(&idle.id).await.expect("read"), []);

    let standing = async |activity: &str| {
        let filter = InstanceFilter { activity_ids: vec![activity.to_owned()], ..InstanceFilter::default() };
        store.count_instances(filter).await.expect("read")
    };
    for (activity, instances) in [("Task", 2), ("Pause", 1), ("Receive", 1), ("Review", 1), ("Scope", 1), ("Late", 0), ("Revoked", 0)] {
        assert_eq!(standing(activity).await, instances, "{activity}");
    }
    assert_eq!(store.list_delegates(DelegateFilter::default(), Page::ALL).await.expect("read"), []);
}
