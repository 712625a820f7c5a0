//! A component that this host cannot make ready, and another one may.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::*;

const TASK: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
  targetNamespace="test">
  <process id="p" isExecutable="true">
    <startEvent id="s"/><serviceTask id="t" camunda:class="worker" camunda:asyncBefore="true"/>
    <sequenceFlow id="f" sourceRef="s" targetRef="t"/>
  </process>
</definitions>"#;

/// The delegate's section, without any commands.
const MANIFEST: &str = "[delegates.worker]\nfile = \"test_scripted.wasm\"\n";

async fn open(dir: &Path, compiler: wasm::Compiler, execute_jobs: bool) -> Runtime {
    let store = StoreConfig::new(format!("sqlite:{}", dir.join("mandate.db").display()));
    // Nobody has compiled anything for this host yet.
    let components = dir.join(Uuid::now_v7().to_string());
    let sandbox = wasm::Config::new(components, compiler);
    Runtime::open(Config { store, sandbox, catalogue: None, execute_jobs, clock: ClockSource::System, history_cleanup: None })
        .await
        .expect("the host opens")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_only_this_host_cannot_load_spends_no_attempt() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = open(dir.path(), wasm::Compiler::InProcess, false).await;
    crate::testing::deploy(&runtime, TASK, MANIFEST).await;
    let id = runtime.start(crate::testing::start(&serde_json::json!({}))).await.expect("it starts").id;
    runtime.shut_down(Duration::from_secs(5)).await;

    // A compiler that dies, and one of another version.
    for (n, script) in ["exit 1", "echo other code"].into_iter().enumerate() {
        let exe = dir.path().join(format!("compiler-{n}"));
        std::fs::write(&exe, format!("#!/bin/sh\n{script}\n")).expect("written");
        std::fs::set_permissions(&exe, std::fs::Permissions::from_mode(0o700)).expect("it may be run");
        let compiler = wasm::Compiler::Child { exe };
        let job = async |runtime: &Runtime| {
            let (_, mut rows) = runtime.0.store.instance_with_rows(id.0).await.expect("read").expect("there");
            assert_eq!((rows.jobs.len(), rows.incidents.len()), (1, 0));
            rows.jobs.remove(0)
        };
        let untouched = |job: &JobRow| (job.activity_id.as_str(), job.retries, job.failures, job.failure.is_none()) == ("t", 3, 0, true);

        let runtime = open(dir.path(), compiler.clone(), false).await;
        let number = u64::try_from(job(&runtime).await.wait).expect("it is positive");
        match runtime.execute_job(PublicId { instance: id, number }).await {
            Err(Error::Sandbox(error)) => assert!(error.is_the_hosts(), "{error}"),
            other => panic!("{other:?}"),
        }
        assert!(untouched(&job(&runtime).await), "{script}");
        runtime.shut_down(Duration::from_secs(5)).await;

        let runtime = open(dir.path(), compiler, true).await;
        let executor = &runtime.0.executor;
        until("it is left to others", async || executor.held_back(Instant::now()).instances.contains(&id.0)).await;
        assert!(untouched(&job(&runtime).await), "{script}");
        runtime.shut_down(Duration::from_secs(5)).await;
    }

    let runtime = open(dir.path(), wasm::Compiler::InProcess, true).await;
    until("another host runs it", async || matches!(runtime.instance(id).await, Err(Error::NotFound { .. }))).await;
    runtime.shut_down(Duration::from_secs(5)).await;
}
