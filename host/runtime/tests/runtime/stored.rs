//! Definitions that an earlier version has deployed: what would be refused today is read, and what cannot be read hides nothing else.

use mandate_runtime::deploy::Upload;
use mandate_runtime::engine::{PublicId, Variables};
use mandate_runtime::model::{Element, ElementIndex};
use mandate_runtime::query::{DefinitionFilter, IncidentFilter, Page};
use mandate_runtime::{ConditionEvaluation, Error, Runtime, Start};
use mandate_store::{Config, DeploymentWrite, ElementRow, EventKind, NewDefinition, Resource, StartEventRow, Store};
use serde_json::json;

use crate::common::{Host, MANIFEST, Setup, as_variables, guest, postgres, process, sql};

/// Each with something that is refused when it is deployed: a condition that is always null, an attribute, a text for a number, a second
/// way to catch a message.
const OLD: &str = r#"<startEvent id="s"/><sequenceFlow id="f0" sourceRef="s" targetRef="t"/>
  <userTask id="t" camunda:priority="high"/><sequenceFlow id="f1" sourceRef="t" targetRef="x"/>
  <boundaryEvent id="b1" attachedToRef="t"><messageEventDefinition messageRef="go"/></boundaryEvent><sequenceFlow id="f2" sourceRef="b1" targetRef="e"/>
  <boundaryEvent id="b2" attachedToRef="t"><messageEventDefinition messageRef="go"/></boundaryEvent><sequenceFlow id="f3" sourceRef="b2" targetRef="e"/>
  <exclusiveGateway id="x" camunda:asyncBefore="true" default="f5"><extensionElements>
    <camunda:failedJobRetryTimeCycle>R1/PT1S</camunda:failedJobRetryTimeCycle></extensionElements></exclusiveGateway>
  <sequenceFlow id="f4" sourceRef="x" targetRef="e"><conditionExpression>= if then</conditionExpression></sequenceFlow>
  <sequenceFlow id="f5" sourceRef="x" targetRef="e"/><endEvent id="e" mandate:color="red"/>"#;

/// Starts by a condition, and leads nowhere.
const BROKEN: &str = r#"<startEvent id="s" camunda:asyncBefore="true"><conditionalEventDefinition><condition>= n > 1</condition></conditionalEventDefinition>
  </startEvent><sequenceFlow id="f" sourceRef="s" targetRef="nowhere"/>"#;

/// Starts by a condition that is none.
const ODD: &str = r#"<startEvent id="s"><conditionalEventDefinition><condition>= if n</condition></conditionalEventDefinition></startEvent>
  <sequenceFlow id="f" sourceRef="s" targetRef="t"/><userTask id="t"/>"#;

const WHOLE: &str = r#"<startEvent id="s"><conditionalEventDefinition><condition>= n > 1</condition></conditionalEventDefinition></startEvent>
  <sequenceFlow id="f" sourceRef="s" targetRef="t"/><userTask id="t" camunda:asyncBefore="true"/>"#;

fn model(key: &str, elements: &str) -> Vec<u8> {
    format!(
        r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
  xmlns:mandate="https://mandate.dev/schema/1.0" targetNamespace="test"><message id="go" name="go"/>
  <process id="{key}" isExecutable="true">{elements}</process></definitions>"#
    )
    .into_bytes()
}

/// Puts a definition into the store, whatever a deployment would say of it.
async fn put(store: &Store, key: &str, elements: &str) {
    let bytes = model(key, elements);
    let refused = mandate_runtime::model::parse("old.bpmn", &bytes).is_err();
    assert_eq!(refused, key != "whole", "{key}");
    let rows: Vec<_> = match mandate_runtime::model::parse_stored("old.bpmn", &bytes, &|_| None) {
        Ok(parsed) => {
            let row = |(index, element): (ElementIndex, &Element)| ElementRow {
                n: 2 * i64::from(index.0),
                activity_id: element.id.to_string(),
                name: element.name.clone(),
                kind: element.kind.activity_type().to_owned(),
                delegate: None,
            };
            parsed.processes[0].iter().map(row).collect()
        }
        Err(_) => Vec::new(),
    };
    let starts = StartEventRow { kind: EventKind::Conditional, name: String::new(), activity_id: "s".into() };
    let definition = NewDefinition {
        key: key.into(),
        name: None,
        version_tag: None,
        history_ttl: None,
        category: None,
        startable_in_tasklist: true,
        starters: Vec::new(),
        resource_name: "old.bpmn".into(),
        identity: key.into(),
        bindings: Vec::new(),
        elements: rows,
        start_events: if elements.contains("conditional") { vec![starts] } else { Vec::new() },
        start_timers: Vec::new(),
    };
    let write = DeploymentWrite {
        id: uuid::Uuid::now_v7().to_string(),
        name: None,
        source: None,
        tenant: None,
        at: 0,
        seen: None,
        content_digest: key.into(),
        filter_duplicates: false,
        resources: vec![Resource { id: uuid::Uuid::now_v7().to_string(), name: "old.bpmn".into(), bytes }],
        artifacts: Vec::new(),
        delegates: Vec::new(),
        definitions: vec![definition],
        metadata: "{}".into(),
        operations: Vec::new(),
    };
    store.deploy(write).await.expect("stored");
}

/// Hosts on stores in which these definitions are.
async fn hosts(dir: &std::path::Path, definitions: &[(&str, &str)]) -> Vec<Host> {
    let mut hosts = Vec::new();
    for url in [format!("sqlite:{}", dir.join("old.db").display()), postgres()] {
        let store = Store::open(Config::new(&url)).await.expect("the store opens");
        for (key, elements) in definitions {
            put(&store, key, elements).await;
        }
        store.close().await;
        hosts.push(Host::start_with(Setup { database: Some(url), ..Setup::default() }).await);
    }
    hosts
}

async fn start(runtime: &Runtime, key: &str) -> Result<mandate_runtime::Started, Error> {
    runtime.start(Start::of_key(key, Variables::new())).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_deployment_would_refuse_runs_as_far_as_it_can() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for host in hosts(dir.path(), &[("old", &OLD.replace("high", "50")), ("ancient", OLD)]).await {
        let runtime = &host.runtime;
        let id = start(runtime, "old").await.expect("it starts").id;
        let view = runtime.instance(id).await.expect("it lives");
        let task = PublicId { instance: id, number: view.instance.tasks().next().expect("it waits at a task").wait.0 };
        runtime.complete_task(task, Variables::new()).await.expect("completed");
        assert_eq!(host.incident(id).await, "EXPRESSION_FAILED");
        let incidents = runtime.reads().incidents(IncidentFilter::default(), Page::ALL, &[]).await.expect("read");
        let message = incidents[0].row.message.as_str();
        assert!(message.contains("'= if then' of 'x': this version cannot read it: "), "{message}");
        // What is wrong stands where the token would be next.
        let refused = start(runtime, "ancient").await.expect_err("the priority of its task is no number");
        assert!(refused.to_string().contains("high"), "{refused}");
        let listed = runtime.job_definitions(DefinitionFilter::default()).await.expect("listed");
        assert_eq!(listed.iter().map(|it| &*it.activity_id).collect::<Vec<_>>(), ["x", "x"]);
        host.runtime.shut_down(std::time::Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_hides_nothing_else() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    for host in hosts(dir.path(), &[("broken", BROKEN), ("odd", ODD), ("whole", WHOLE)]).await {
        let runtime = &host.runtime;
        let listed = runtime.job_definitions(DefinitionFilter::default()).await.expect("listed");
        assert_eq!(listed.iter().map(|it| &*it.definition.key).collect::<Vec<_>>(), ["whole"]);
        let evaluation = ConditionEvaluation { variables: as_variables(&json!({ "n": 2 })), ..ConditionEvaluation::default() };
        assert_eq!(runtime.evaluate_conditions(evaluation.clone()).await.expect("asked").len(), 1);

        // What is asked of it alone says why.
        let definitions = runtime.reads().definitions(DefinitionFilter::default(), Page::ALL, &[]).await.expect("listed");
        let of = |key: &str| definitions.iter().find(|it| it.key == key).expect("it is listed").id.clone();
        let broken = of("broken");
        let of_odd = ConditionEvaluation { definition_id: Some(of("odd")), ..evaluation.clone() };
        let error = runtime.evaluate_conditions(of_odd).await.expect_err("its condition cannot be read");
        assert!(error.to_string().contains("'= if n' of 's': this version cannot read it: expected 'then'"), "{error}");
        let filter = DefinitionFilter { ids: vec![broken.clone()], ..DefinitionFilter::default() };
        let of_it = ConditionEvaluation { definition_id: Some(broken), ..evaluation };
        let errors = [
            start(runtime, "broken").await.expect_err("it cannot be read"),
            runtime.job_definitions(filter).await.expect_err("it cannot be read"),
            runtime.evaluate_conditions(of_it).await.expect_err("it cannot be read"),
        ];
        for error in errors {
            assert!(error.to_string().contains("the flow goes to 'nowhere', which does not exist"), "{error}");
        }
        host.runtime.shut_down(std::time::Duration::from_secs(5)).await;
    }
}

/// As if a version that numbers elements otherwise had deployed it.
#[tokio::test(flavor = "multi_thread")]
async fn a_model_whose_elements_have_other_numbers_than_instances_know_is_not_run() {
    let database = postgres();
    let host = Host::start_with(Setup { database: Some(database.clone()), ..Setup::default() }).await;
    host.deploy(process(r#"<bpmn:startEvent id="s"/><bpmn:userTask id="u"/><bpmn:sequenceFlow id="f" sourceRef="s" targetRef="u"/>"#))
        .await;
    let waits = host.start_instance(json!({})).await.expect("it starts").id;
    for (change, back) in [
        ("SET activity_id = 'v' WHERE activity_id = 'u'", "SET activity_id = 'u' WHERE activity_id = 'v'"),
        ("SET id = id + 1000 WHERE activity_id = 'u'", "SET id = id - 1000 WHERE activity_id = 'u'"),
    ] {
        sql(&database, &format!("UPDATE element {change}"));
        // Nothing of it is in another host's memory.
        let beside = host.beside(Setup { execute_jobs: false, ..Setup::default() }).await;
        let read = beside.instance(waits).await.map(|view| view.instance.id());
        let Err(Error::DefinitionUnreadable { reason, .. }) = &read else { panic!("{change}: {read:?}") };
        assert!(reason.contains("'u' (number ") && reason.contains("the version that deployed it"), "{reason}");
        assert!(matches!(start(&beside, "p").await, Err(Error::DefinitionUnreadable { .. })));
        let findings = beside.check_store().await.expect("it goes on").findings;
        assert!(findings.len() == 2 && findings.iter().all(|finding| finding.contains(reason)), "{findings:?}");
        sql(&database, &format!("UPDATE element {back}"));
        beside.instance(waits).await.expect("it can be read again");
        beside.shut_down(std::time::Duration::from_secs(5)).await;
    }

    // What an element is called in history may be corrected.
    sql(&database, "UPDATE element SET kind = 'manualTask' WHERE activity_id = 'u'");
    let beside = host.beside(Setup { execute_jobs: false, ..Setup::default() }).await;
    beside.instance(waits).await.expect("it can be read");
    beside.shut_down(std::time::Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_stored_of_a_definition_is_held_against_what_was_deployed() {
    let database = postgres();
    let host = Host::start_with(Setup { database: Some(database.clone()), ..Setup::default() }).await;
    let model = process(
        r#"<bpmn:startEvent id="s"/><bpmn:scriptTask id="x" scriptFormat="feel" camunda:resource="deployment://price.feel"
           camunda:resultVariable="price"/><bpmn:serviceTask id="t" camunda:class="worker"/>
           <bpmn:sequenceFlow id="f1" sourceRef="s" targetRef="x"/><bpmn:sequenceFlow id="f2" sourceRef="x" targetRef="t"/>"#,
    );
    let files = [
        ("p.bpmn", model),
        ("price.feel", b"amount * 2".to_vec()),
        ("test_scripted.wasm", guest("test_scripted.wasm")),
        // Nobody is bound to it.
        ("test_echo.wasm", guest("test_echo.wasm")),
        ("mandate.toml", MANIFEST.as_bytes().to_vec()),
    ];
    let resources = files.map(|(name, bytes)| (name.to_owned(), bytes)).into();
    let report = host.runtime.deploy(Upload { resources, ..Upload::default() }).await.expect("deployed");
    let (id, bound) = (&report.definitions[0].id, &report.bindings[0].digest);
    let checked = async || host.runtime.check_store().await.expect("it goes on");
    let whole = checked().await;
    assert_eq!((whole.definitions, whole.artifacts, whole.findings), (1, 2, Vec::new()));
    let changed = format!("definition {id} is not what was deployed");
    for (change, back, says) in [
        (
            "UPDATE resource SET bytes = 'amount * 3' WHERE name = 'price.feel'",
            "UPDATE resource SET bytes = 'amount * 2' WHERE name = 'price.feel'",
            changed.as_str(),
        ),
        (
            "UPDATE resource SET bytes = bytes || '\\x0a'::bytea WHERE name = 'p.bpmn'",
            "UPDATE resource SET bytes = substring(bytes FOR length(bytes) - 1) WHERE name = 'p.bpmn'",
            &changed,
        ),
        ("UPDATE binding SET mandate = mandate || ' '", "UPDATE binding SET mandate = rtrim(mandate)", &changed),
        (
            "UPDATE artifact SET bytes = bytes || '\\x00'::bytea WHERE digest NOT IN (SELECT digest FROM binding)",
            "UPDATE artifact SET bytes = substring(bytes FOR length(bytes) - 1) WHERE digest NOT IN (SELECT digest FROM binding)",
            "holds other bytes than its digest names",
        ),
    ] {
        sql(&database, change);
        let findings = checked().await.findings;
        assert!(findings.len() == 1 && findings[0].contains(says) && !findings[0].contains(bound.as_str()), "{change}: {findings:?}");
        sql(&database, back);
        assert_eq!(checked().await.findings, [] as [String; 0], "{back}");
    }
}
