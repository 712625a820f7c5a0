//! A component that this host cannot make ready, and another one may.

use std::path::Path;
use std::process::Command;

use mandate_store::query::{HistoryInstanceFilter, JobFilter, Page};

use super::*;

/// One comes to the delegate in a job, and one, once, when it is started by time.
const TASK: &str = r#"<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
  targetNamespace="test">
  <process id="p" isExecutable="true">
    <startEvent id="s"/><serviceTask id="t" camunda:class="worker" camunda:asyncBefore="true"/>
    <sequenceFlow id="f" sourceRef="s" targetRef="t"/>
  </process>
  <process id="timed" isExecutable="true">
    <startEvent id="d"><timerEventDefinition><timeDate>2020-01-01T00:00:00Z</timeDate></timerEventDefinition></startEvent>
    <serviceTask id="w" camunda:class="worker"/><sequenceFlow id="g" sourceRef="d" targetRef="w"/>
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

/// The job and the timer, with all their attempts.
async fn untouched(runtime: &Runtime) -> Vec<PublicId> {
    let jobs = runtime.0.store.jobs(JobFilter::default(), Page::ALL, &[]).await.expect("read");
    let said: Vec<_> = jobs.iter().map(|job| (job.row.activity_id.as_str(), job.row.retries, job.row.failures, &job.row.failure)).collect();
    assert_eq!(said.iter().collect::<BTreeSet<_>>(), [("d", 3, 0, &None), ("t", 3, 0, &None)].iter().collect());
    let number = |wait: i64| u64::try_from(wait).expect("it is positive");
    jobs.iter().map(|job| PublicId { instance: InstanceId(job.instance), number: number(job.row.wait) }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_only_this_host_cannot_load_spends_no_attempt() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let runtime = open(dir.path(), wasm::Compiler::InProcess, false).await;
    crate::testing::deploy(&runtime, TASK, MANIFEST).await;
    runtime.start(crate::testing::start(&serde_json::json!({}))).await.expect("it starts");
    runtime.shut_down(Duration::from_secs(5)).await;

    let compiler = |n: usize, mode: &str, does: &str| {
        let exe = dir.path().join(format!("compiler-{n}"));
        // By another process: what other tests start meanwhile would have it open for writing for a moment, too, in which nobody runs it.
        let write = r#"printf '#!/bin/sh\n%s\n' "$2" > "$0" && chmod "$1" "$0""#;
        let written = Command::new("sh").arg("-c").arg(write).arg(&exe).args([mode, does]).status().expect("it starts");
        assert!(written.success());
        wasm::Compiler::Child { exe }
    };
    // A compiler that cannot be run, one that cannot work, one that somebody ends, and one of another version.
    for (n, (mode, does)) in
        [("600", ""), ("700", "exit 1"), ("700", "kill -s TERM $$"), ("700", "echo other code")].into_iter().enumerate()
    {
        let compiler = compiler(n, mode, does);
        let runtime = open(dir.path(), compiler.clone(), false).await;
        for job in untouched(&runtime).await {
            match runtime.execute_job(job).await {
                Err(Error::Sandbox(error)) => assert!(error.is_the_hosts(), "{error}"),
                other => panic!("{other:?}"),
            }
        }
        untouched(&runtime).await;
        runtime.shut_down(Duration::from_secs(5)).await;

        let runtime = open(dir.path(), compiler, true).await;
        let jobs = untouched(&runtime).await;
        until("they are left to others", async || {
            let held_back = runtime.0.executor.held_back(Instant::now()).instances;
            jobs.iter().all(|job| held_back.contains(&job.instance.0))
        })
        .await;
        untouched(&runtime).await;
        runtime.shut_down(Duration::from_secs(5)).await;
    }

    // One that says that the component is too much for it.
    let runtime = open(dir.path(), compiler(4, "700", "exit 101"), false).await;
    for job in untouched(&runtime).await {
        let failed = runtime.execute_job(job).await;
        assert!(matches!(&failed, Err(Error::JobFailed { reason, .. }) if reason.contains("too much for the compiler")), "{failed:?}");
    }
    runtime.shut_down(Duration::from_secs(5)).await;

    let runtime = open(dir.path(), wasm::Compiler::InProcess, true).await;
    until("another host runs them", async || {
        let of_both = HistoryInstanceFilter { finished: true, ..HistoryInstanceFilter::default() };
        runtime.0.store.count_history_instances(of_both).await.expect("counted") == 2
    })
    .await;
    runtime.shut_down(Duration::from_secs(5)).await;
}
