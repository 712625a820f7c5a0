//! What others deploy or delete between the check of an upload and its transaction.

use mandate_store::query::{DeploymentFilter, Page};
use mandate_tests::lone::guest;

use super::*;
use crate::Runtime;
use crate::testing::open;

const TASK: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
  targetNamespace="test">
  <process id="p" isExecutable="true">
    <startEvent id="s"/><serviceTask id="t" camunda:class="worker"/><sequenceFlow id="f" sourceRef="s" targetRef="t"/>
  </process>
</definitions>"#;

fn model() -> Upload {
    Upload { resources: vec![("p.bpmn".to_owned(), TASK.as_bytes().to_vec())], ..Upload::default() }
}

/// The scripted guest as `worker` of a version. Each mark gives it other bytes, in a custom section that changes nothing else.
fn worker(version: &str, mark: u8) -> Upload {
    let mut bytes = guest("test_scripted.wasm").expect("it is built");
    bytes.extend([0, 3, 1, b'x', mark]);
    let manifest = format!("[delegates.worker]\nfile = \"test_scripted.wasm\"\nversion = \"{version}\"\n");
    let resources = vec![("test_scripted.wasm".to_owned(), bytes), ("mandate.toml".to_owned(), manifest.into_bytes())];
    Upload { resources, ..Upload::default() }
}

/// Checks an upload, then has something happen, then stores it: as if that came between. Answers what is said of it then, and what is said
/// of it when it is deployed the way all are.
async fn overtaken(runtime: &Runtime, upload: Upload, between: impl AsyncFnOnce()) -> Result<Report, Error> {
    let (upload, found) = runtime.0.look(upload).await.expect("nothing is wrong with it yet");
    between().await;
    let before = deployments(runtime).await;
    let stored = runtime.0.deploy_found(&uuid::Uuid::now_v7().to_string(), &upload, found, &[]).await;
    assert!(matches!(stored, Err(Error::Store(mandate_store::Error::DelegatesMoved))), "{stored:?}");
    assert_eq!(deployments(runtime).await, before, "nothing was stored");
    runtime.deploy(upload).await
}

async fn deployments(runtime: &Runtime) -> usize {
    runtime.0.store.deployments(DeploymentFilter::default(), Page::ALL, &[]).await.expect("read").len()
}

fn problem(deployed: Result<Report, Error>) -> String {
    match deployed {
        Err(Error::Deployment(problems)) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_another_upload_has_taken_meanwhile_is_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = open(dir.path(), None, false).await;
    let deploy = async || drop(runtime.deploy(worker("1.0.0", 1)).await.expect("deployed"));
    let said = problem(overtaken(&runtime, worker("1.0.0", 2), deploy).await);
    assert!(said.contains("delegate 'worker' version 1.0.0 was deployed before with other bytes"), "{said}");
    assert_eq!(runtime.0.store.delegates(None).await.expect("read").len(), 1);
    runtime.shut_down(std::time::Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_bound_to_what_is_the_newest_when_it_is_stored() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = open(dir.path(), None, false).await;
    runtime.deploy(worker("1.0.0", 1)).await.expect("deployed");
    let deploy = async || drop(runtime.deploy(worker("1.1.0", 2)).await.expect("deployed"));
    let report = overtaken(&runtime, model(), deploy).await.expect("deployed");
    assert_eq!(report.bindings[0].version, "1.1.0");
    runtime.shut_down(std::time::Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegate_that_is_deleted_meanwhile_is_missing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = open(dir.path(), None, false).await;
    let id = runtime.deploy(worker("1.0.0", 1)).await.expect("deployed").id.expect("stored");
    let delete = async || runtime.delete_deployment(&id, false).await.expect("deleted");
    let said = problem(overtaken(&runtime, model(), delete).await);
    assert!(said.contains("delegate 'worker' is neither in the upload nor deployed before"), "{said}");
    runtime.shut_down(std::time::Duration::from_secs(5)).await;
}

/// The same files mean something else once the component that they name may do something else.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_files_under_another_mandate_are_no_duplicate() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = open(dir.path(), None, false).await;
    let filtered = || Upload { name: Some("models".to_owned()), filter_duplicates: true, ..model() };
    let with_memory = |memory: &str| {
        let mut upload = worker("1.0.0", 1);
        upload.resources[1].1.extend(format!("limits = {{ memory = \"{memory}\" }}\n").into_bytes());
        upload
    };
    runtime.deploy(with_memory("16 MiB")).await.expect("deployed");
    let first = runtime.deploy(filtered()).await.expect("deployed");
    let again = runtime.deploy(filtered()).await.expect("recognised");
    assert_eq!((again.existing, &again.id, &again.bindings), (true, &first.id, &first.bindings));
    runtime.deploy(with_memory("32 MiB")).await.expect("the same bytes under the same version");
    let second = runtime.deploy(filtered()).await.expect("deployed");
    assert_eq!((second.existing, second.definitions[0].version), (false, 2));
    let mandate = async |report: &Report| {
        let id = report.definitions[0].id.clone();
        runtime.definition(&id).await.expect("loaded").bindings().next().expect("bound").1.mandate.memory
    };
    assert_eq!((mandate(&first).await, mandate(&second).await), (16 << 20, 32 << 20));
    runtime.shut_down(std::time::Duration::from_secs(5)).await;
}

/// Two models of the one upload are two definitions, whose bindings are told by their keys.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_is_told_with_the_bindings_that_are_stored() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = open(dir.path(), None, false).await;
    runtime.deploy(worker("1.0.0", 1)).await.expect("deployed");
    let both = || {
        let mut upload = Upload { name: Some("models".to_owned()), filter_duplicates: true, ..model() };
        upload.resources.push(("q.bpmn".to_owned(), TASK.replace(r#"id="p""#, r#"id="q""#).into_bytes()));
        upload
    };
    let first = runtime.deploy(both()).await.expect("deployed");
    let again = runtime.deploy(both()).await.expect("recognised");
    assert_eq!((again.existing, again.bindings.len()), (true, 2));
    assert_eq!(again.bindings, first.bindings);
    // The same component under another version: the files and the digest are the same, and what is told is what is stored.
    runtime.deploy(worker("1.1.0", 1)).await.expect("deployed");
    let later = runtime.deploy(both()).await.expect("recognised");
    let versions: Vec<_> =
        later.bindings.iter().map(|binding| (binding.process_definition_key.as_str(), binding.version.as_str())).collect();
    assert_eq!((later.existing, versions), (true, vec![("p", "1.0.0"), ("q", "1.0.0")]));
    runtime.shut_down(std::time::Duration::from_secs(5)).await;
}

/// Each may be as large as the limit says, and takes a thread while it is looked at.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_are_checked_one_at_a_time_while_others_are_answered() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = open(dir.path(), None, false).await;
    let alone = runtime.0.checking.clone().lock_owned().await;
    let deploying: Vec<_> = (1..=2_u8)
        .map(|n| {
            let runtime = runtime.clone();
            tokio::spawn(async move { runtime.deploy(worker(&format!("1.0.{n}"), n)).await })
        })
        .collect();
    for _ in 0..100 {
        assert_eq!(deployments(&runtime).await, 0);
    }
    assert!(deploying.iter().all(|deploying| !deploying.is_finished()));
    drop(alone);
    for deployed in deploying {
        deployed.await.expect("a task").expect("deployed");
    }
    assert_eq!(deployments(&runtime).await, 2);
    runtime.shut_down(std::time::Duration::from_secs(5)).await;
}

#[test]
fn an_upload_has_always_had_the_same_digest() {
    let text = |text: &str| text.to_owned();
    let (reference, delegate, version) = (text("worker"), text("worker"), text("1.0.0"));
    let definition = NewDefinition {
        key: text("p"),
        name: None,
        version_tag: None,
        history_ttl: None,
        category: None,
        startable_in_tasklist: true,
        starters: Vec::new(),
        resource_name: text("b.bpmn"),
        identity: String::new(),
        bindings: vec![BindingRow { reference, delegate, version, digest: text("d"), mandate: text("{}") }],
        elements: Vec::new(),
        start_events: Vec::new(),
        start_timers: Vec::new(),
    };
    let files = [(text("b.bpmn"), b"b".to_vec()), (text("a.bpmn"), b"a".to_vec())];
    assert_eq!(content_digest(&files, &[definition]), "e7cab8b902d3d0aec8c46f70c75661dae9f9dfe14fd4f31fca0415e0c1ed2f96");
}
