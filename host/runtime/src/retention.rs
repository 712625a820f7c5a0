//! History whose time to live is over: exported where the operator wants it, then removed, in batches, by one host at a time.
//!
//! After a batch the loop pauses for so long that all batches together take no more than a share of the time: what cleaning costs does not
//! depend on how much there is to clean, and on a busy machine, where a batch takes longer, there are fewer. Instances of a batch go from
//! history in one transaction, and their lines are on the disk before it commits. After a crash in between they are exported once more.
//! What is more than one transaction should remove is removed behind it, and is not exported again.
//!
//! A batch that fails is followed by a smaller one, and an instance that fails by itself is left until those behind it have gone: none
//! keeps the others.
//!
//! Every host goes on with what was deleted by hand and was too much for the request, also where history is not cleaned.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mandate_store::Due;
use mandate_store::query::{HistoryInstance, RecordPart};

use crate::error::Reach;
use crate::{Error, Inner, Runtime};
use lines::Lines;

mod lines;

/// The part of the time, in per cent, that cleaning takes unless the operator says otherwise.
pub const DEFAULT_SHARE: u32 = 2;

/// How long the loop waits when there was nothing to do: after days nobody counts seconds.
const IDLE: Duration = Duration::from_secs(10);

/// How long instances that could not be removed are left alone from when the last of them was found: somebody must look at them, and is
/// told in the log each time.
const AGAIN: Duration = Duration::from_hours(1);

/// A batch that takes less is followed by a larger one.
const SHORT: Duration = Duration::from_millis(10);
/// A batch that takes longer is followed by a smaller one. On SQLite it keeps every other write waiting.
const LONG: Duration = Duration::from_millis(40);
/// Then its instances must be large, and not the machine be busy.
const FAR_TOO_LONG: Duration = Duration::from_secs(1);

/// Instances of the largest batch.
const LARGEST: u32 = 256;
/// Instances of the first batch. What a batch costs at least, however small it is, is spread over so many even on a busy machine.
const FEW: u32 = 16;

/// Bytes of exported lines after which a batch takes no further instance.
const LINES: u64 = 8 << 20;

/// How a host removes history.
#[derive(Clone, Debug)]
pub struct HistoryCleanup {
    /// The part of the time that it may take, in per cent, from 1 to 100.
    pub share: u32,
    /// Where instances are written before they are removed.
    pub export: Option<HistoryExport>,
}

impl Default for HistoryCleanup {
    fn default() -> Self {
        Self { share: DEFAULT_SHARE, export: None }
    }
}

/// Where removed instances are written.
#[derive(Clone, Debug)]
pub struct HistoryExport {
    /// A folder, with a file `history-YYYY-MM-DD.jsonl` for every day (UTC) on which any were removed. Hosts may share it.
    pub dir: PathBuf,
    /// A part of an instance's record as text; all of them are one line, without its end.
    pub line: fn(&HistoryInstance, &RecordPart) -> String,
}

/// What one batch came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cleaned {
    /// Nothing is due.
    Nothing,
    /// Another host cleans.
    Elsewhere,
    /// So many instances are gone; none where there was only an incident of what has started none.
    Instances(usize),
}

/// A batch that was not removed.
#[derive(Debug)]
struct Failed {
    error: Error,
    /// It was of this instance alone, or came to it first and no further.
    instance: Option<Due>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { error, instance: None }
    }
}

impl From<mandate_store::Error> for Failed {
    fn from(error: mandate_store::Error) -> Self {
        Error::from(error).into()
    }
}

/// How far a host has come.
#[derive(Debug)]
struct Progress {
    /// Instances of the next batch.
    max: u32,
    /// The last instance that could not be removed, and when that was found: the next batch begins behind it.
    skipped: Option<(Due, Instant)>,
}

impl Progress {
    fn new() -> Self {
        Self { max: FEW, skipped: None }
    }

    /// What a batch has come to at a moment, after so long. Answers how long to pause.
    fn after(&mut self, cleaned: Result<Cleaned, Failed>, now: Instant, took: Duration, share: u32) -> Duration {
        // Found one after the other they are all passed before the first is tried again.
        self.skipped = self.skipped.filter(|(_, at)| now.duration_since(*at) < AGAIN);
        match cleaned {
            Ok(Cleaned::Nothing | Cleaned::Elsewhere) => IDLE,
            Ok(Cleaned::Instances(_)) => {
                self.max = next_batch(self.max, took);
                pause_after(took, share)
            }
            Err(Failed { error, instance: Some(due) }) => {
                tracing::error!(
                    instance = %due.instance,
                    "the history of an instance, whose time to live is over, could not be removed; those behind it go first, and it \
                     is tried again after {AGAIN:?}; look at it, and delete it with DELETE /engine-rest/history/process-instance/{} if it cannot be \
                     mended: {error}",
                    due.instance
                );
                (self.max, self.skipped) = (1, Some((due, now)));
                IDLE
            }
            Err(Failed { error, instance: None }) => {
                tracing::warn!("history could not be removed, which is tried again: {error}");
                self.max = (self.max / 2).max(1);
                IDLE
            }
        }
    }
}

impl Runtime {
    /// Removes one batch of what is due at `now`, up to `max` instances, if this host is the one that cleans.
    pub async fn clean_history(&self, now: i64, max: u32) -> Result<Cleaned, Error> {
        let export = self.0.cleanup.as_ref().and_then(|cleanup| cleanup.export.as_ref());
        while self.0.store.go_on_removing(max).await? {}
        self.0.clean(now, max, None, export).await.map_err(|failed| failed.error)
    }
}

impl Inner {
    /// Cleans until the host stops; without `cleanup` only what was deleted.
    pub(crate) async fn cleanup_loop(self: Arc<Self>, cleanup: Option<HistoryCleanup>) {
        let share = cleanup.as_ref().map_or(DEFAULT_SHARE, |cleanup| cleanup.share);
        let mut progress = Progress::new();
        while !self.executor.is_stopping() {
            let begun = Instant::now();
            let cleaned = self.clean_next(cleanup.as_ref(), &progress).await;
            let pause = progress.after(cleaned, Instant::now(), begun.elapsed(), share);
            tokio::select! {
                () = self.executor.stopped() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn clean_next(&self, cleanup: Option<&HistoryCleanup>, progress: &Progress) -> Result<Cleaned, Failed> {
        let gone_on = self.store.go_on_removing(progress.max).await;
        let Some(cleanup) = cleanup else { return Ok(if gone_on? { Cleaned::Instances(0) } else { Cleaned::Nothing }) };
        // It keeps nothing back whose time is over, neither where it is much nor where it fails.
        let is_more = gone_on.unwrap_or_else(|error| {
            tracing::error!("what is left of deleted history could not be removed, which is tried again: {error}");
            false
        });
        let (now, behind) = (self.clock.agreed(self.store.now().await?), progress.skipped.map(|(due, _)| due));
        match self.clean(now, progress.max, behind, cleanup.export.as_ref()).await? {
            Cleaned::Nothing if is_more => Ok(Cleaned::Instances(0)),
            cleaned => Ok(cleaned),
        }
    }

    async fn clean(&self, now: i64, max: u32, behind: Option<Due>, export: Option<&HistoryExport>) -> Result<Cleaned, Failed> {
        // Nothing is due most of the time: a read costs no transaction.
        let mut due = self.store.history_due(now, max, behind).await?;
        let start_incidents = self.store.start_incidents_due(now).await?;
        if due.is_empty() && !start_incidents {
            return Ok(Cleaned::Nothing);
        }
        if !self.store.take_history_cleanup().await? {
            return Ok(Cleaned::Elsewhere);
        }
        if start_incidents && self.store.remove_start_incidents(now, max).await?.is_none() {
            return Ok(Cleaned::Elsewhere);
        }
        if let Some(export) = export {
            self.export(export, &mut due, now).await?;
        }
        let alone = if let [due] = due[..] { Some(due) } else { None };
        let removed = self.store.remove_history(due.into_iter().map(|due| due.instance).collect(), now).await;
        let failed = |error: Error| Failed { instance: alone.filter(|_| error.reach() < Reach::All), error };
        match removed.map_err(|error| failed(error.into()))? {
            None => Ok(Cleaned::Elsewhere),
            Some(removed) => {
                crate::metrics::history_removed(removed);
                tracing::debug!(instances = removed, "removed history whose time to live is over");
                Ok(Cleaned::Instances(removed))
            }
        }
    }

    /// Writes instances to today's file, durably. Leaves out of `due` those that are too much for one batch, and those from one on that
    /// cannot be read.
    async fn export(&self, export: &HistoryExport, due: &mut Vec<Due>, now: i64) -> Result<(), Failed> {
        let mut lines = Lines::new(export.dir.join(file_name(now)));
        let mut unread = None;
        for (at, next) in due.iter().enumerate() {
            if lines.whole() > LINES {
                due.truncate(at);
                break;
            }
            if let Err(error) = self.export_one(export, next, &mut lines).await {
                unread = Some((at, error));
                break;
            }
        }
        lines.close().await?;
        match unread {
            None => Ok(()),
            Some((_, error @ Error::Export { .. })) => Err(error.into()),
            Some((0, error)) => {
                let is_its_own = error.reach() < Reach::All && (due.len() == 1 || matches!(error, Error::Damaged(_)));
                let instance = due.first().copied().filter(|_| is_its_own);
                Err(Failed { error, instance })
            }
            // It is the first of the next batch.
            Some((at, _)) => {
                due.truncate(at);
                Ok(())
            }
        }
    }

    async fn export_one(&self, export: &HistoryExport, next: &Due, lines: &mut Lines) -> Result<(), Error> {
        // One that is not there was deleted with its deployment.
        let Some(mut record) = self.store.instance_record(next.instance).await? else { return Ok(()) };
        while let Some(part) = record.next().await? {
            lines.add(&(export.line)(&record.instance, &part)).await?;
        }
        lines.end().await
    }
}

/// How many instances the next batch may have, after one of `max` that took so long.
fn next_batch(max: u32, took: Duration) -> u32 {
    if took > FAR_TOO_LONG {
        (max / 2).max(1)
    } else if took > LONG {
        (max / 2).max(FEW.min(max))
    } else if took < SHORT {
        (max * 2).min(LARGEST)
    } else {
        max
    }
}

/// The pause after a batch, of which the batch is to be a share.
fn pause_after(took: Duration, share: u32) -> Duration {
    let share = share.clamp(1, 100);
    took * (100 - share) / share
}

fn file_name(now: i64) -> String {
    let day = Timestamp::from_millisecond(now).unwrap_or(Timestamp::UNIX_EPOCH);
    day.strftime("history-%Y-%m-%d.jsonl").to_string()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use mandate_store::query::RecordRows;
    use mandate_tests::postgres::Cluster;
    use uuid::Uuid;

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
        let store = StoreConfig::new(format!("sqlite:{}", dir.join("mandate.db").display()));
        let sandbox = wasm::Config::new(dir.join("components"), wasm::Compiler::InProcess);
        let config = Config { store, sandbox, catalogue: None, execute_jobs: false, clock: ClockSource::System, history_cleanup: None };
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

    /// The database removes nothing of one instance, and of another what was sent cannot be read.
    #[tokio::test(flavor = "multi_thread")]
    async fn an_instance_that_cannot_be_removed_keeps_no_other() {
        let cluster = Cluster::start().expect("PostgreSQL starts");
        let database = cluster.create_database("host").expect("a database");
        let sql = |text: &str| cluster.sql("host", text).expect("a statement");
        let dir = tempfile::tempdir().expect("a folder");
        let runtime = crate::testing::open(dir.path(), Some(&database), false).await;
        let resources = vec![("p.bpmn".to_owned(), MODEL.replace("P1D", "0").into_bytes())];
        runtime.deploy(Upload { resources, ..Upload::default() }).await.expect("deployed");
        let mut ids = Vec::new();
        for _ in 0..20 {
            ids.push(start(&runtime).await);
        }
        let (kept, unreadable) = (ids[3], ids[5]);
        sql(&format!(
            "CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.instance_id = '{kept}' THEN RAISE EXCEPTION 'kept'; \
             END IF; RETURN OLD; END $$; CREATE TRIGGER keep BEFORE DELETE ON history_instance FOR EACH ROW EXECUTE FUNCTION keep()"
        ));
        sql(&format!(
            "INSERT INTO ledger (tenant, command, key, attempt, generation, instance_id, origin_kind, origin_wait, entry_key, activity_id, \
             definition_id, request_digest, request, state, host, epoch, opened_at, cancelled) \
             VALUES ('', 'c', 'k', 1, 1, '{unreadable}', 'nonsense', 1, 'e', 'a', 'd', 'r', '', 'applied', '{unreadable}', 1, 1, FALSE)"
        ));
        let export = HistoryExport { dir: dir.path().to_owned(), line: id_only };
        let cleanup = HistoryCleanup { share: 100, export: Some(export) };
        let (mut progress, begun) = (Progress::new(), Instant::now());
        let through = async |progress: &mut Progress, now| {
            for _ in 0..100 {
                let cleaned = runtime.0.clean_next(Some(&cleanup), progress).await;
                let over = matches!(cleaned, Ok(Cleaned::Nothing));
                progress.after(cleaned, now, Duration::from_millis(20), 100);
                if over {
                    return;
                }
            }
            panic!("it does not come through: {progress:?}");
        };
        through(&mut progress, begun).await;
        let left = async || {
            let due = runtime.reads().history_due(i64::MAX, 100, None).await.expect("read");
            due.into_iter().map(|due| due.instance).collect::<Vec<_>>()
        };
        assert_eq!(left().await, [kept, unreadable]);
        let file = std::fs::read_dir(dir.path()).expect("read").find_map(|file| {
            let path = file.expect("a file").path();
            path.extension().is_some_and(|it| it == "jsonl").then_some(path)
        });
        let text = std::fs::read_to_string(file.expect("what was removed")).expect("read");
        assert!(ids.iter().all(|id| text.contains(&id.to_string()) == (*id != unreadable)), "{text}");

        // Somebody has mended both; this host looks again in a while.
        sql("DROP TRIGGER keep ON history_instance; DELETE FROM ledger");
        through(&mut progress, begun + AGAIN / 2).await;
        assert_eq!(left().await, [kept, unreadable]);
        through(&mut progress, begun + AGAIN).await;
        through(&mut progress, begun + AGAIN).await;
        assert!(left().await.is_empty());
        runtime.shut_down(Duration::from_secs(5)).await;
    }

    #[test]
    fn batches_that_fail_become_smaller_until_it_is_known_which_instance_fails() {
        let failed = |instance| Failed { error: Error::Damaged("a row".to_owned()), instance };
        let (mut progress, now) = (Progress::new(), Instant::now());
        let mut sizes = Vec::new();
        for _ in 0..6 {
            sizes.push(progress.max);
            assert_eq!(progress.after(Err(failed(None)), now, Duration::from_secs(60), 2), IDLE);
        }
        assert_eq!(sizes, [FEW, 8, 4, 2, 1, 1]);
        assert_eq!(progress.skipped, None);
        let due = Due { removal_at: 1, instance: Uuid::nil() };
        progress.after(Err(failed(Some(due))), now, Duration::ZERO, 2);
        assert_eq!((progress.max, progress.skipped), (1, Some((due, now))));
        // Those behind it are many again soon.
        progress.after(Ok(Cleaned::Instances(1)), now, Duration::from_millis(1), 2);
        assert_eq!((progress.max, progress.skipped), (2, Some((due, now))));
        progress.after(Ok(Cleaned::Instances(2)), now + AGAIN, Duration::from_millis(1), 2);
        assert_eq!(progress.skipped, None);
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
}
