//! Batches of history: what they take, and what becomes of those that fail.

use std::path::Path;
use std::sync::OnceLock;

use mandate_store::query::RecordRows;
use mandate_tests::postgres::Cluster;

use super::*;
use crate::deploy::Upload;
use crate::{ClockSource, Config, DefinitionRef, Start, StoreConfig, wasm};

/// A day after its end an instance is to go.
const MODEL: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
  id="d" targetNamespace="test">
  <bpmn:process id="p" isExecutable="true" camunda:historyTimeToLive="P1D">
    <bpmn:startEvent id="start"/>
    <bpmn:sequenceFlow id="a" sourceRef="start" targetRef="end"/>
    <bpmn:endEvent id="end"/>
  </bpmn:process>
</bpmn:definitions>"#;

/// A host that cleans when it is told to.
async fn open(dir: &Path) -> Runtime {
    open_at(dir, format!("sqlite:{}", dir.join("mandate.db").display())).await
}

async fn open_at(dir: &Path, database: String) -> Runtime {
    let store = StoreConfig::new(database);
    let sandbox = wasm::Config::new(dir.join("components"), wasm::Compiler::InProcess);
    let config = Config { store, sandbox, catalogue: None, execute_jobs: false, clock: ClockSource::Stored, history_cleanup: None };
    Runtime::open(config).await.expect("the host opens")
}

async fn deploy(runtime: &Runtime) {
    let upload = Upload { resources: vec![("p.bpmn".to_owned(), MODEL.as_bytes().to_vec())], ..Upload::default() };
    runtime.deploy(upload).await.expect("deployed");
}

async fn start(runtime: &Runtime) -> Uuid {
    let start = Start {
        definition: DefinitionRef::Key { key: "p".to_owned(), tenant: None },
        business_key: None,
        variables: mandate_engine::Variables::new(),
        idempotency_key: None,
        traceparent: None,
    };
    runtime.start(start).await.expect("it starts").id.0
}

fn id_only(instance: &HistoryInstance, part: &RecordPart) -> String {
    match part.rows {
        RecordRows::Activities(_) if part.is_first => instance.id.to_string(),
        _ => String::new(),
    }
}

#[tokio::test]
async fn what_was_exported_and_not_removed_is_exported_again_and_removed() {
    let dir = tempfile::tempdir().expect("a folder");
    let export = HistoryExport { dir: dir.path().to_owned(), line: id_only };
    let runtime = open(dir.path()).await;
    deploy(&runtime).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(start(&runtime).await);
    }
    let ended = runtime.reads().history_instance(ids[0]).await.expect("read").expect("there").ended_at.expect("it has ended");
    let a_day_later = ended + 24 * 60 * 60 * 1_000;
    assert_eq!(runtime.clean_history(a_day_later - 1, 10).await.expect("cleaned"), Cleaned::Nothing);
    // As far as a host has come that dies between the two.
    let now = a_day_later + 60_000;
    let mut due = runtime.reads().history_due(now, 2, None).await.expect("read");
    runtime.0.export(&export, &mut due, now).await.expect("written");
    runtime.shut_down(Duration::from_secs(5)).await;

    let runtime = open(dir.path()).await;
    let inner = &runtime.0;
    assert_eq!(inner.clean(now, 10, None, Some(&export)).await.expect("cleaned"), Cleaned::Instances(3));
    assert_eq!(inner.clean(now, 10, None, Some(&export)).await.expect("cleaned"), Cleaned::Nothing);
    assert_eq!(runtime.reads().history_instance(ids[0]).await.expect("read"), None);
    let text = std::fs::read_to_string(dir.path().join(file_name(now))).expect("read");
    let lines: Vec<Uuid> = text.lines().map(|line| line.parse().expect("an id")).collect();
    let twice: Vec<Uuid> = due.iter().map(|due| due.instance).collect();
    assert_eq!(lines, [&twice[..], &ids[..]].concat());
    runtime.shut_down(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn nothing_is_removed_that_cannot_be_exported() {
    let dir = tempfile::tempdir().expect("a folder");
    let runtime = open(dir.path()).await;
    deploy(&runtime).await;
    let id = start(&runtime).await;
    let export = HistoryExport { dir: dir.path().join("missing"), line: id_only };
    let refused = runtime.0.clean(i64::MAX, 10, None, Some(&export)).await.expect_err("it cannot be written");
    assert!(refused.error.to_string().contains("missing/history-"), "{refused:?}");
    assert_eq!(refused.instance, None, "it is not at fault");
    assert!(runtime.reads().history_instance(id).await.expect("read").is_some());
    runtime.shut_down(Duration::from_secs(5)).await;
}

/// A host on PostgreSQL, and twenty instances of it whose time is over.
struct Twenty {
    cluster: Cluster,
    dir: tempfile::TempDir,
    runtime: Runtime,
    ids: Vec<Uuid>,
    left: Progress,
    due: Progress,
}

impl Twenty {
    async fn ended() -> Self {
        let cluster = Cluster::start().expect("PostgreSQL starts");
        let database = cluster.create_database("host").expect("a database");
        let dir = tempfile::tempdir().expect("a folder");
        let runtime = open_at(dir.path(), database).await;
        let resources = vec![("p.bpmn".to_owned(), MODEL.replace("P1D", "0").into_bytes())];
        runtime.deploy(Upload { resources, ..Upload::default() }).await.expect("deployed");
        let mut ids = Vec::new();
        for _ in 0..20 {
            ids.push(start(&runtime).await);
        }
        Self { cluster, dir, runtime, ids, left: Progress::new(), due: Progress::new() }
    }

    fn sql(&self, text: &str) -> String {
        self.cluster.sql("host", text).expect("a statement")
    }

    fn count(&self, table: &str) -> usize {
        self.sql(&format!("SELECT COUNT(*) FROM {table}")).parse().expect("a number")
    }

    /// The database removes no row of a table that is of this instance.
    fn keep(&self, table: &str, instance: Uuid, code: &str) {
        self.sql(&format!(
            "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.instance_id = '{instance}' THEN \
             RAISE EXCEPTION 'kept' USING ERRCODE = '{code}'; END IF; RETURN OLD; END $$; \
             CREATE TRIGGER keep BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION keep()"
        ));
    }

    fn cleanup(&self) -> HistoryCleanup {
        HistoryCleanup { share: 100, export: Some(HistoryExport { dir: self.dir.path().to_owned(), line: id_only }) }
    }

    /// Until nothing more is due at a moment but what has failed before.
    async fn through(&mut self, now: Instant) {
        let cleanup = self.cleanup();
        for _ in 0..100 {
            let cleaned = self.runtime.0.clean_due(&cleanup, &self.due).await;
            let over = matches!(cleaned, Ok(Cleaned::Nothing));
            self.due.after(cleaned, now, Duration::from_millis(20));
            if over {
                return;
            }
        }
        panic!("it does not come through: {:?}", self.due);
    }

    async fn still_due(&self) -> Vec<Uuid> {
        ids(self.runtime.reads().history_due(i64::MAX, 100, None).await.expect("read"))
    }

    /// What was exported, in order.
    fn exported(&self) -> Vec<Uuid> {
        let mut lines = Vec::new();
        for file in std::fs::read_dir(self.dir.path()).expect("read") {
            let path = file.expect("a file").path();
            if path.extension().is_some_and(|it| it == "jsonl") {
                let text = std::fs::read_to_string(path).expect("read");
                lines.extend(text.lines().map(|line| line.parse::<Uuid>().expect("an id")));
            }
        }
        lines
    }
}

/// The database removes nothing of one instance, and of another what was sent cannot be read.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_cannot_be_removed_keeps_no_other() {
    let mut host = Twenty::ended().await;
    let (kept, unreadable, begun) = (host.ids[3], host.ids[5], Instant::now());
    host.keep("history_instance", kept, "P0001");
    host.sql(&format!(
        "INSERT INTO ledger (tenant, command, key, attempt, generation, instance_id, origin_kind, origin_wait, entry_key, activity_id, \
         definition_id, request_digest, request, state, host, epoch, opened_at, cancelled) \
         VALUES ('', 'c', 'k', 1, 1, '{unreadable}', 'nonsense', 1, 'e', 'a', 'd', 'r', '', 'applied', '{unreadable}', 1, 1, FALSE)"
    ));
    host.through(begun).await;
    assert_eq!(host.still_due().await, [kept, unreadable]);
    let exported = host.exported();
    assert!(host.ids.iter().all(|id| exported.contains(id) == (*id != unreadable)), "{exported:?}");

    // Somebody has mended both; this host looks again in a while.
    host.sql("DROP TRIGGER keep ON history_instance; DELETE FROM ledger");
    host.through(begun + AGAIN / 2).await;
    assert_eq!(host.still_due().await, [kept, unreadable]);
    host.through(begun + AGAIN).await;
    host.through(begun + AGAIN).await;
    assert!(host.still_due().await.is_empty());
    host.runtime.shut_down(Duration::from_secs(5)).await;
}

/// Somebody has locked a row for good, or a page cannot be read: it looks as if the database were not well.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_for_which_the_database_is_blamed_keeps_no_other_for_long() {
    let mut host = Twenty::ended().await;
    let kept = host.ids[3];
    host.keep("history_activity", kept, "55P03");
    host.through(Instant::now()).await;
    assert_eq!(host.still_due().await, [kept]);
    host.runtime.shut_down(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_an_instance_and_cannot_be_removed_keeps_nothing_else() {
    for code in ["P0001", "55P03"] {
        let mut host = Twenty::ended().await;
        let kept = host.ids[3];
        host.sql("INSERT INTO history_remains (instance_id) SELECT instance_id FROM history_instance; DELETE FROM history_instance");
        host.keep("history_activity", kept, code);
        for _ in 0..100 {
            host.runtime.0.clean_next(None, &mut host.left, &mut host.due).await;
        }
        assert_eq!(host.sql("SELECT instance_id FROM history_remains"), kept.to_string());
        assert_eq!(host.sql("SELECT DISTINCT instance_id FROM history_activity"), kept.to_string());
        assert_eq!(host.left.behind().map(|left| left.instance), Some(kept));

        // It is due beside what cannot be removed.
        let late = start(&host.runtime).await;
        let cleanup = host.cleanup();
        assert!(host.runtime.0.clean_next(Some(&cleanup), &mut host.left, &mut host.due).await.is_some());
        assert_eq!((host.exported(), host.count("history_instance")), (vec![late], 0));

        host.sql("DROP TRIGGER keep ON history_activity");
        host.left.after(Ok(Cleaned::Nothing), Instant::now() + AGAIN, Duration::ZERO);
        host.runtime.0.clean_next(None, &mut host.left, &mut host.due).await;
        assert_eq!((host.count("history_remains"), host.count("history_activity")), (0, 0), "{:?}", host.left);
        host.runtime.shut_down(Duration::from_secs(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_incident_of_what_has_started_nothing_and_cannot_be_removed_keeps_nothing_else() {
    let mut host = Twenty::ended().await;
    let signal = Uuid::from_u128(1);
    host.sql(&format!(
        "INSERT INTO history_incident (instance_id, n, activity, activity_id, definition_id, code, message, attempt, created, detail, deleted, \
         removal_at) VALUES ('{signal}', 1, 0, 'start', 'd', 'UNDELIVERED', 'm', 1, 1, '', FALSE, 1)"
    ));
    host.keep("history_incident", signal, "P0001");
    let (cleanup, mut last) = (host.cleanup(), None);
    for _ in 0..10 {
        let cleaned = host.runtime.0.clean_due(&cleanup, &host.due).await;
        last = host.due.after(cleaned, Instant::now(), Duration::from_millis(20));
    }
    assert_eq!((host.still_due().await, host.count("history_incident"), last), (Vec::new(), 1, None));
    host.sql("DROP TRIGGER keep ON history_incident");
    host.through(Instant::now()).await;
    assert_eq!(host.count("history_incident"), 0);
    host.runtime.shut_down(Duration::from_secs(5)).await;
}

/// Instances that are each more than one transaction removes, and others behind them.
#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_too_much_for_one_transaction_one_at_a_time_is_left() {
    let mut host = Twenty::ended().await;
    for large in &host.ids[..4] {
        host.sql(&format!(
            "INSERT INTO history_activity (instance_id, n, parent, element, started_at, ended_at, canceled, complete_scope) \
             SELECT '{large}', n, 1, 1, 20, 30, FALSE, FALSE FROM generate_series(1000, 13000) n"
        ));
    }
    let (cleanup, mut turns) = (host.cleanup(), 0);
    while host.count("history_instance") > 0 || host.count("history_remains") > 0 {
        let took = host.runtime.0.clean_next(Some(&cleanup), &mut host.left, &mut host.due).await;
        assert!(took.is_some() && host.count("history_remains") <= 1);
        turns += 1;
        assert!(turns < 100);
    }
    assert!(turns > 8, "{turns}");
    assert_eq!((host.exported(), host.count("history_activity")), (host.ids.clone(), 0), "each is written down once");
    host.runtime.shut_down(Duration::from_secs(5)).await;
}

/// The host that exports, and who is deleted when it has read a part of them.
static DELETED: OnceLock<(Runtime, [Uuid; 2])> = OnceLock::new();

fn deleted_while_read(instance: &HistoryInstance, part: &RecordPart) -> String {
    let (runtime, deleted) = DELETED.get().expect("it is set before");
    if deleted.contains(&instance.id) && matches!(part.rows, RecordRows::Activities(_)) {
        let deletion = runtime.0.store.delete_history(instance.id, &[]);
        tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(deletion)).expect("deleted");
    }
    id_only(instance, part)
}

/// It may be the first of a batch, or another one.
#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_deleted_while_it_is_exported_is_gone_and_no_failure() {
    let dir = tempfile::tempdir().expect("a folder");
    let runtime = open(dir.path()).await;
    deploy(&runtime).await;
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(start(&runtime).await);
    }
    DELETED.set((runtime.clone(), [ids[0], ids[2]])).ok().expect("it is set once");
    let export = HistoryExport { dir: dir.path().to_owned(), line: deleted_while_read };
    for cleaned in [Cleaned::Instances(0), Cleaned::Instances(1), Cleaned::Instances(1), Cleaned::Nothing] {
        assert_eq!(runtime.0.clean(i64::MAX, 10, None, Some(&export)).await.expect("cleaned"), cleaned);
    }
    let text = std::fs::read_to_string(dir.path().join(file_name(i64::MAX))).expect("read");
    assert_eq!(text, format!("{}\n{}\n", ids[1], ids[3]));
    runtime.shut_down(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_host_that_is_there_to_look_removes_nothing() {
    let dir = tempfile::tempdir().expect("a folder");
    let runtime = open(dir.path()).await;
    assert!(runtime.0.tasks.is_empty(), "it does something by itself");
    runtime.shut_down(Duration::from_secs(5)).await;
    let runtime = crate::testing::open(dir.path(), None, false).await;
    assert!(!runtime.0.tasks.is_empty());
    runtime.shut_down(Duration::from_secs(5)).await;
}

#[test]
fn batches_that_fail_become_smaller_until_it_is_known_which_instance_fails() {
    let failed = |instance| Failed { error: Error::Damaged("a row".to_owned()), instance };
    let (mut progress, now) = (Progress::new(), Instant::now());
    let mut sizes = Vec::new();
    for _ in 0..6 {
        sizes.push(progress.max);
        assert_eq!(progress.after(Err(failed(None)), now, Duration::from_secs(60)), None);
    }
    assert_eq!(sizes, [FEW, 8, 4, 2, 1, 1]);
    assert_eq!(progress.skipped, None);
    let due = Due { since: 1, instance: Uuid::nil() };
    progress.after(Err(failed(Some(due))), now, Duration::ZERO);
    assert_eq!((progress.max, progress.skipped), (1, Some((due, now))));
    // Those behind it are many again soon.
    let took = Duration::from_millis(1);
    assert_eq!(progress.after(Ok(Cleaned::Instances(1)), now, took), Some(took));
    assert_eq!((progress.max, progress.skipped), (2, Some((due, now))));
    progress.after(Ok(Cleaned::Instances(2)), now + AGAIN, took);
    assert_eq!(progress.skipped, None);
}

#[test]
fn an_instance_is_left_when_it_fails_for_the_third_time_by_itself_whatever_the_reason() {
    let due = Due { since: 1, instance: Uuid::nil() };
    let locked = || mandate_store::Error::Database { code: Some("55P03".to_owned()), message: String::new() };
    let failed = || Failed { error: locked().into(), instance: Some(due) };
    let (mut progress, now) = (Progress { max: 2, ..Progress::new() }, Instant::now());
    for _ in 1..FAILURES {
        progress.after(Err(failed()), now, Duration::ZERO);
        assert_eq!((progress.max, progress.skipped), (1, None));
    }
    progress.after(Err(failed()), now, Duration::ZERO);
    assert_eq!((progress.max, progress.skipped), (1, Some((due, now))));
    // While the database does not say what is due, no instance fails.
    progress = Progress { max: 1, ..Progress::new() };
    for _ in 0..FAILURES {
        progress.after(Err(Error::NotActing("the database is not well").into()), now, LONG);
    }
    progress.after(Err(failed()), now, LONG);
    assert_eq!((progress.failures, progress.skipped), (1, None));
    // One that has gone meanwhile speaks for the database.
    progress = Progress { max: 1, ..Progress::new() };
    for cleaned in [Err(failed()), Err(failed()), Ok(Cleaned::Instances(1)), Err(failed()), Err(failed())] {
        progress.after(cleaned, now, LONG);
    }
    assert_eq!((progress.failures, progress.skipped), (2, None));
}

#[test]
fn files_are_named_by_the_day() {
    assert_eq!(file_name(1_795_168_800_000), "history-2026-11-20.jsonl");
}

#[test]
fn cleaning_takes_its_share_of_the_time() {
    let took = Duration::from_millis(20);
    assert_eq!(pause_after(took, 2), Duration::from_millis(980));
    assert_eq!(pause_after(took, 50), took);
    assert_eq!(pause_after(took, 100), Duration::ZERO);
    assert_eq!(pause_after(took, 0), pause_after(took, 1));
}

#[test]
fn batches_grow_and_shrink_with_the_time_they_take() {
    assert_eq!(next_batch(8, Duration::from_millis(1)), 16);
    assert_eq!(next_batch(LARGEST, Duration::from_millis(1)), LARGEST);
    assert_eq!(next_batch(8, Duration::from_millis(20)), 8);
    assert_eq!(next_batch(64, Duration::from_millis(50)), 32);
    assert_eq!(next_batch(FEW, Duration::from_millis(500)), FEW);
    assert_eq!(next_batch(4, Duration::from_millis(500)), 4);
    assert_eq!(next_batch(FEW, Duration::from_secs(2)), FEW / 2);
    assert_eq!(next_batch(1, Duration::from_secs(2)), 1);
}
