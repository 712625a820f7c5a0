//! Deployments: broken ones are refused with everything that is wrong and leave no row; good ones pin every reference.

use crate::property;
use std::path::Path;

use crate::common::{Host, MANIFEST, Setup, guest, postgres, process};
use mandate_runtime::Error;
use mandate_runtime::deploy::{Report, Upload};
use mandate_runtime::engine::{PublicId, Variables};
use mandate_runtime::query::{DefinitionFilter, DeploymentFilter, HistoryActivityFilter, Page};
use serde_json::json;

const TASK: &str = r#"
  <bpmn:startEvent id="s"/>
  <bpmn:serviceTask id="t" camunda:class="worker"/>
  <bpmn:endEvent id="e"/>
  <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="t"/>
  <bpmn:sequenceFlow id="f2" sourceRef="t" targetRef="e"/>"#;

fn upload(files: Vec<(&str, Vec<u8>)>) -> Upload {
    Upload { resources: files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect(), ..Upload::default() }
}

/// The bundle that is good as long as nothing is changed in it.
fn good() -> Vec<(&'static str, Vec<u8>)> {
    vec![("p.bpmn", process(TASK)), ("test_scripted.wasm", guest("test_scripted.wasm")), ("mandate.toml", MANIFEST.as_bytes().to_vec())]
}

/// Deploys what must be refused, and checks that nothing is stored.
async fn refused(files: Vec<(&str, Vec<u8>)>) -> String {
    let host = Host::start().await;
    let text = match host.runtime.deploy(upload(files)).await {
        Err(Error::Deployment(problems)) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
        Err(error) => panic!("another error: {error}"),
        Ok(report) => panic!("it was deployed: {report:#?}"),
    };
    let reads = host.runtime.reads();
    assert_eq!(reads.deployments(DeploymentFilter::default(), Page { first: 0, max: 10 }, &[]).await.expect("listed").len(), 0);
    assert_eq!(reads.definitions(DefinitionFilter::default(), Page { first: 0, max: 10 }, &[]).await.expect("listed").len(), 0);
    assert_eq!(reads.delegates(None).await.expect("listed").len(), 0);
    text
}

#[tokio::test]
async fn bad_xml() {
    let text = refused(vec![("p.bpmn", b"<bpmn:definitions".to_vec())]).await;
    assert!(text.contains("p.bpmn:1:"), "{text}");
}

#[tokio::test]
async fn an_element_that_is_not_built() {
    let task = TASK
        .replace("<bpmn:serviceTask", r#"<bpmn:businessRuleTask camunda:decisionRef="d""#)
        .replace("bpmn:serviceTask", "bpmn:businessRuleTask");
    let text = refused(vec![("p.bpmn", process(&task))]).await;
    assert!(text.contains("decisionRef") && text.contains("element 't'"), "{text}");
}

#[tokio::test]
async fn a_flow_to_nowhere() {
    let text = refused(vec![("p.bpmn", process(&TASK.replace(r#"targetRef="e""#, r#"targetRef="nowhere""#)))]).await;
    assert!(text.contains("nowhere"), "{text}");
}

#[tokio::test]
async fn a_gateway_without_condition_or_default() {
    let gateway = r#"
      <bpmn:startEvent id="s"/><bpmn:exclusiveGateway id="g"/><bpmn:endEvent id="e1"/><bpmn:endEvent id="e2"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="g"/>
      <bpmn:sequenceFlow id="f2" sourceRef="g" targetRef="e1"/>
      <bpmn:sequenceFlow id="f3" sourceRef="g" targetRef="e2"/>"#;
    let text = refused(vec![("p.bpmn", process(gateway))]).await;
    assert!(text.contains("'g'") || text.contains("'f2'"), "{text}");
}

#[tokio::test]
async fn a_component_of_the_wrong_world() {
    let mut files = good();
    files[1].1 = guest("test_wrong_world.wasm");
    let text = refused(files).await;
    assert!(text.contains("test_scripted.wasm"), "{text}");
}

#[tokio::test]
async fn a_component_that_wants_the_network() {
    let mut files = good();
    files[1].1 = guest("test_sockets.wasm");
    let text = refused(files).await;
    assert!(text.contains("wasi:sockets"), "{text}");
}

#[tokio::test]
async fn a_core_module() {
    let mut files = good();
    files[1].1 = b"\0asm\x01\0\0\0".to_vec();
    let text = refused(files).await;
    assert!(text.contains("core WebAssembly module"), "{text}");
}

#[tokio::test]
async fn a_text_file_named_wasm() {
    let mut files = good();
    files[1].1 = b"not a component".to_vec();
    let text = refused(files).await;
    assert!(text.contains("test_scripted.wasm"), "{text}");
}

#[tokio::test]
async fn a_command_that_is_not_granted() {
    let mut files = good();
    files[2].1 = MANIFEST.replace("test.ok@1", "test.everything@1").into_bytes();
    let text = refused(files).await;
    assert!(text.contains("mandate.toml:5:13: ") && text.contains("test.everything@1"), "{text}");
}

#[tokio::test]
async fn a_reference_that_nothing_resolves() {
    let text = refused(vec![("p.bpmn", process(TASK))]).await;
    assert!(text.contains("'worker'") && text.contains("element 't'"), "{text}");
}

#[tokio::test]
async fn everything_that_is_wrong_is_said_at_once() {
    let mut files = good();
    files[0].1 = process(&TASK.replace("worker", "nobody"));
    files[1].1 = b"not a component".to_vec();
    let text = refused(files).await;
    assert!(text.contains("nobody") && text.contains("test_scripted.wasm"), "{text}");
}

#[tokio::test]
async fn who_is_missing_is_said_beside_what_else_is_wrong_with_a_model() {
    let broken = r#"
      <bpmn:startEvent id="s"/>
      <bpmn:serviceTask id="t" camunda:class="nobody" camunda:asyncBefore="perhaps"/>
      <bpmn:userTask id="u" camunda:assignee="${">
        <bpmn:extensionElements>
          <camunda:taskListener event="create" class="absent"/>
          <camunda:taskListener event="update" delegateExpression="${worker}"/>
        </bpmn:extensionElements>
      </bpmn:userTask>
      <bpmn:serviceTask id="w" camunda:type="external" camunda:topic="workers"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="t"/>
      <bpmn:sequenceFlow id="f2" sourceRef="t" targetRef="u">
        <bpmn:extensionElements><camunda:executionListener event="take" class="lost"/></bpmn:extensionElements>
      </bpmn:sequenceFlow>
      <bpmn:sequenceFlow id="f3" sourceRef="u" targetRef="nowhere"/>"#;
    let mut files = good();
    files[0].1 = process(broken);
    let other = TASK.replace("worker", "unknown").replace("targetRef=\"e\"", "targetRef=\"nowhere\"");
    files.insert(0, ("q.bpmn", process(&other)));
    let text = refused(files).await;
    let errors: Vec<_> = text.lines().filter(|line| line.contains(": error: ")).collect();
    let expected = [
        ["q.bpmn:7:", "'unknown' is neither in the upload", "element 't'"],
        ["q.bpmn:10:", "nowhere", "element 'f2'"],
        ["p.bpmn:7:", "asyncBefore", "element 't'"],
        ["p.bpmn:7:", "'nobody' is neither in the upload", "element 't'"],
        ["p.bpmn:7:", "'lost' of the listener for 'take' is neither in the upload", "element 't'"],
        ["p.bpmn:8:", "camunda:assignee", "element 'u'"],
        ["p.bpmn:8:", "'absent' of the listener for 'create' is neither in the upload", "element 'u'"],
        ["p.bpmn:8:", "'worker' is told of changes of a user task", "element 'u'"],
        ["p.bpmn:19:", "nowhere", "element 'f3'"],
    ];
    for (error, parts) in errors.iter().zip(expected) {
        assert!(parts.iter().all(|part| error.contains(part)), "{parts:?}: {text}");
    }
    assert_eq!(errors.len(), expected.len(), "{text}");
}

#[tokio::test]
async fn a_manifest_says_all_its_problems_beside_those_of_models_and_grants() {
    let mut files = good();
    files[0].1 = process(&TASK.replace("worker", "nobody"));
    let manifest = MANIFEST.replace("test.ok@1", "test.everything@1").replace("\"1.0.0\"", "\"one\"\nmemmory = 3");
    files[2].1 = format!("{manifest}[delegates.missing]\nfile = \"missing.wasm\"\n").into_bytes();
    let text = refused(files).await;
    for expected in [
        "mandate.toml:4:11: error: delegates.worker.version: \"one\" is not a semantic version",
        "mandate.toml:5:1: error: delegates.worker: there is no key \"memmory\" here",
        "mandate.toml:6:13: error: delegate 'worker' asks for test.everything@1",
        "mandate.toml:9:8: error: delegate 'missing' names the file missing.wasm, which is not in the upload",
        "'nobody'",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

#[tokio::test]
async fn the_same_content_is_recognised_and_one_other_byte_in_a_delegate_is_a_new_version() {
    let host = Host::start().await;
    let filtered = |files| Upload { filter_duplicates: true, ..upload(files) };
    let first = deployed(&host, filtered(good())).await;
    let again = deployed(&host, filtered(good())).await;
    assert!(again.existing && again.id == first.id);

    let mut changed = good();
    // A custom section at the end changes the bytes and nothing else.
    changed[1].1.extend([0, 3, 1, b'x', 0]);
    changed[2].1 = MANIFEST.replace("1.0.0", "1.0.1").into_bytes();
    let second = deployed(&host, filtered(changed)).await;
    assert_eq!((first.definitions[0].version, second.definitions[0].version), (1, 2));
    assert_ne!(first.bindings[0].digest, second.bindings[0].digest);
    let old = host.runtime.definition(&first.definitions[0].id).await.expect("it stays");
    assert_eq!(old.bindings().next().expect("bound").1.digest, first.bindings[0].digest);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_in_a_file_of_its_own_belongs_to_its_version() {
    let model = || {
        process(
            r#"<bpmn:startEvent id="s"/><bpmn:scriptTask id="t" scriptFormat="feel" camunda:resource="deployment://price.feel"
               camunda:resultVariable="price"/><bpmn:userTask id="u"/><bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="t"/>
               <bpmn:sequenceFlow id="f2" sourceRef="t" targetRef="u"/>"#,
        )
    };
    let with =
        |script: &str| Upload { filter_duplicates: true, ..upload(vec![("p.bpmn", model()), ("price.feel", script.as_bytes().to_vec())]) };
    let text = refused(vec![("p.bpmn", model())]).await;
    assert!(text.contains("'price.feel' is not in the deployment"), "{text}");
    for database in [None, Some(postgres())] {
        let host = Host::start_with(Setup { database, ..Setup::default() }).await;
        let price = async |host: &Host| {
            let started = host.start_instance(json!({ "amount": 4 })).await.expect("it starts");
            started.variables.expect("it lives")["price"].to_json()
        };
        let first = deployed(&host, with("amount * 2")).await;
        assert_eq!(price(&host).await, json!(8));
        assert_eq!(deployed(&host, with("amount * 2")).await.id, first.id);
        // The model is the same, and the process is not.
        assert_eq!(deployed(&host, with("amount * 3")).await.definitions[0].version, 2);
        let host = host.restart().await;
        assert_eq!(price(&host).await, json!(12));
        host.runtime.definition(&first.definitions[0].id).await.expect("the first one can still be read");
    }
}

#[tokio::test]
async fn a_dry_run_says_the_same_and_stores_nothing() {
    let host = Host::start().await;
    let dry = deployed(&host, Upload { dry_run: true, ..upload(good()) }).await;
    assert_eq!(dry.id, None);
    let real = deployed(&host, upload(good())).await;
    assert_eq!(dry.bindings, real.bindings);
    assert_eq!(real.definitions[0].version, 1);
}

#[tokio::test]
async fn a_component_alone_is_a_deployment_and_changes_no_binding() {
    let host = Host::start().await;
    let first = deployed(&host, upload(good())).await;
    let mut newer = good();
    newer.remove(0);
    newer[0].1.extend([0, 3, 1, b'x', 0]);
    newer[1].1 = MANIFEST.replace("1.0.0", "1.1.0").into_bytes();
    let alone = deployed(&host, upload(newer)).await;
    assert!(alone.definitions.is_empty());
    let bound = host.runtime.definition(&first.definitions[0].id).await.expect("it stays");
    assert_eq!(bound.bindings().next().expect("bound").1.version, "1.0.0");

    // The model alone now takes the newest; with a requirement, the one that meets it.
    let newest = deployed(&host, upload(vec![("p.bpmn", process(TASK))])).await;
    assert_eq!(newest.bindings[0].version, "1.1.0");
    let pinned =
        process(&TASK.replace(r#"camunda:class="worker""#, r#"xmlns:m="https://mandate.dev/schema/1.0" m:delegate="worker@=1.0.0""#));
    let pinned = deployed(&host, upload(vec![("p.bpmn", pinned)])).await;
    assert_eq!(pinned.bindings[0].version, "1.0.0");
}

#[tokio::test]
async fn of_components_that_name_no_version_the_one_deployed_last_is_taken() {
    let host = Host::start().await;
    let unversioned = MANIFEST.replace("version = \"1.0.0\"\n", "");
    let plain = guest("test_scripted.wasm");
    let mut longer = plain.clone();
    longer.extend([0, 3, 1, b'x', 0]);
    let required =
        TASK.replace(r#"camunda:class="worker""#, r#"xmlns:m="https://mandate.dev/schema/1.0" m:delegate="worker@>=0.0.0, <1.0.0""#);
    // In both orders and with the first one once more, so that neither bytes nor rows can have decided it.
    let mut bound = Vec::new();
    for bytes in [&plain, &longer, &plain] {
        let files = vec![("test_scripted.wasm", bytes.clone()), ("mandate.toml", unversioned.clone().into_bytes())];
        deployed(&host, upload(files)).await;
        let any = deployed(&host, upload(vec![("p.bpmn", process(TASK))])).await.bindings.remove(0);
        let met = deployed(&host, upload(vec![("p.bpmn", process(&required))])).await.bindings.remove(0);
        assert_eq!((&any.digest, &any.version), (&met.digest, &met.version), "a requirement orders them as none does");
        assert!(any.version.starts_with("0.0.0+sha."), "{}", any.version);
        bound.push(any.digest);
    }
    assert!(bound[0] != bound[1] && bound[0] == bound[2], "{bound:?}");
}

#[tokio::test]
async fn a_deployment_in_use_is_not_deleted() {
    let host = Host::start().await;
    let waits = r#"
      <bpmn:startEvent id="s"/><bpmn:userTask id="u"/><bpmn:endEvent id="e"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="u"/><bpmn:sequenceFlow id="f2" sourceRef="u" targetRef="e"/>"#;
    let report = deployed(&host, upload(vec![("p.bpmn", process(waits))])).await;
    let id = report.id.expect("stored");
    let started = host.start_instance(serde_json::json!({})).await.expect("it starts");
    assert!(matches!(host.runtime.delete_deployment(&id, false).await, Err(Error::Conflict(_))));
    host.runtime.delete_deployment(&id, true).await.expect("cascade deletes the instance too");
    assert!(matches!(host.runtime.instance(started.id).await, Err(Error::NotFound { .. })));
    assert!(matches!(host.runtime.delete_deployment(&id, true).await, Err(Error::NotFound { .. })));
}

async fn deployed(host: &Host, upload: Upload) -> Report {
    match host.runtime.deploy(upload).await {
        Ok(report) => report,
        Err(Error::Deployment(problems)) => panic!("refused: {problems:#?}"),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_differ_in_one_delegates_bytes_run_side_by_side() {
    let host = Host::start().await;
    let model = process(
        r#"
      <bpmn:startEvent id="s"/><bpmn:userTask id="u"/><bpmn:serviceTask id="t" camunda:class="worker"/><bpmn:endEvent id="e"/>
      <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="u"/><bpmn:sequenceFlow id="f2" sourceRef="u" targetRef="t"/>
      <bpmn:sequenceFlow id="f3" sourceRef="t" targetRef="e"/>"#,
    );
    let mut files = good();
    files[0].1 = model;
    let mut digests = Vec::new();
    let mut tasks = Vec::new();
    for version in ["1.0.0", "1.0.1"] {
        files[2].1 = MANIFEST.replace("1.0.0", version).into_bytes();
        digests.push(deployed(&host, upload(files.clone())).await.bindings[0].digest.clone());
        let id = host.start_instance(serde_json::json!({})).await.expect("it starts").id;
        let view = host.runtime.instance(id).await.expect("it waits");
        tasks.push(PublicId { instance: id, number: view.instance.tasks().next().expect("a task").wait.0 });
        files[1].1.extend([0, 3, 1, b'x', 0]);
    }
    for (task, digest) in tasks.into_iter().zip(digests) {
        host.runtime.complete_task(task, Variables::new()).await.expect("completed");
        let filter = HistoryActivityFilter { instance: Some(task.instance.0), ..HistoryActivityFilter::default() };
        let history = host.runtime.reads().history_activities(filter, Page { first: 0, max: 10 }, &[]).await.expect("listed");
        let called: Vec<_> = history.into_iter().filter_map(|activity| activity.digest).collect();
        assert_eq!(called, [digest]);
    }
}

/// The fuzz target begins with the same files.
#[test]
fn manifests_of_the_corpus_are_read_or_refused_with_their_lines() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = std::fs::read_dir(root.join("corpus")).expect("the folder is there").map(|entry| entry.expect("an entry").path());
    for path in corpus.chain([root.join("../../examples/order-service/bundle-v1/mandate.toml")]) {
        let bytes = std::fs::read(&path).expect("readable");
        // Cut anywhere, it is another manifest.
        for end in 0..=bytes.len() {
            property::manifest(&bytes[..end]);
        }
    }
}
