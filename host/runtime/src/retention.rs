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
//! Every host goes on with what is left: of what was deleted by hand and was too much for the request, also where history is not cleaned,
//! and of instances that are more than one transaction removes. Of these one is gone before the next one is begun.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mandate_store::Due;
use mandate_store::query::{HistoryInstance, RecordPart};
use uuid::Uuid;

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

/// So often in a row an instance by itself fails, where the instance need not be at fault, until it is left. A database that is not well
/// fails with all of them; but so does one with a row that somebody else holds for ever, or that cannot be read.
const FAILURES: u32 = 3;

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
    /// So many instances are gone; none where there was only an incident of what has started none, or a part of what is left of one.
    Instances(usize),
}

/// A batch that was not removed.
#[derive(Debug)]
struct Failed {
    error: Error,
    /// It was of this instance alone, or this one is damaged.
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

/// How far a host has come with what is due, or with what is left.
#[derive(Debug)]
struct Progress {
    /// Instances of the next batch.
    max: u32,
    /// So many batches of one instance have failed in a row.
    failures: u32,
    /// The last instance that could not be removed, and when that was found: the next batch begins behind it.
    skipped: Option<(Due, Instant)>,
}

impl Progress {
    fn new() -> Self {
        Self { max: FEW, failures: 0, skipped: None }
    }

    fn behind(&self) -> Option<Due> {
        self.skipped.map(|(due, _)| due)
    }

    /// What a batch has come to at a moment, after so long. Answers how long it has taken, unless there was nothing to do or it has failed.
    fn after(&mut self, cleaned: Result<Cleaned, Failed>, now: Instant, took: Duration) -> Option<Duration> {
        // Found one after the other they are all passed before the first is tried again.
        self.skipped = self.skipped.filter(|(_, at)| now.duration_since(*at) < AGAIN);
        let Failed { error, instance } = match cleaned {
            Ok(Cleaned::Nothing | Cleaned::Elsewhere) => return None,
            Ok(Cleaned::Instances(_)) => {
                (self.max, self.failures) = (next_batch(self.max, took), 0);
                return Some(took);
            }
            Err(failed) => failed,
        };
        self.failures += u32::from(instance.is_some());
        if let Some(due) = instance.filter(|_| error.reach() == Reach::Task || self.failures >= FAILURES) {
            tracing::error!(
                instance = %due.instance,
                "the history of an instance could not be removed; those behind it go first, and it is tried again after {AGAIN:?}; look \
                 at its rows in the tables history_*, and if it cannot be exported and still is among history, delete it with DELETE \
                 /engine-rest/history/process-instance/{}: {error}",
                due.instance
            );
            (self.max, self.failures, self.skipped) = (1, 0, Some((due, now)));
        } else {
            tracing::warn!("history could not be removed, which is tried again: {error}");
            self.max = (self.max / 2).max(1);
        }
        None
    }
}

impl Runtime {
    /// Removes all that is left, and one batch of what is due at `now`, up to `max` instances, if this host is the one that cleans.
    pub async fn clean_history(&self, now: i64, max: u32) -> Result<Cleaned, Error> {
        let export = self.0.cleanup.as_ref().and_then(|cleanup| cleanup.export.as_ref());
        while self.0.remove_left(max, None).await.map_err(|failed| failed.error)? != Cleaned::Nothing {}
        self.0.clean(now, max, None, export).await.map_err(|failed| failed.error)
    }
}

impl Inner {
    /// Cleans until the host stops; without `cleanup` only what is left.
    pub(crate) async fn cleanup_loop(self: Arc<Self>, cleanup: Option<HistoryCleanup>) {
        let share = cleanup.as_ref().map_or(DEFAULT_SHARE, |cleanup| cleanup.share);
        let (mut left, mut due) = (Progress::new(), Progress::new());
        while !self.executor.is_stopping() {
            let took = self.clean_next(cleanup.as_ref(), &mut left, &mut due).await;
            let pause = took.map_or(IDLE, |took| pause_after(took, share));
            tokio::select! {
                () = self.executor.stopped() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// A batch of what is left, and one of what is due. Answers how long they have taken together; none: there was nothing to do, or both
    /// have failed.
    async fn clean_next(&self, cleanup: Option<&HistoryCleanup>, left: &mut Progress, due: &mut Progress) -> Option<Duration> {
        let begun = Instant::now();
        let removed = self.remove_left(left.max, left.behind()).await;
        // Whatever is too much for one transaction is left one after the other: only so it does not become more and more.
        let goes_on = matches!(removed, Ok(Cleaned::Instances(0)));
        let took = left.after(removed, Instant::now(), begun.elapsed());
        let Some(cleanup) = cleanup.filter(|_| !goes_on) else { return took };
        let begun = Instant::now();
        let cleaned = self.clean_due(cleanup, due).await;
        let of_due = due.after(cleaned, Instant::now(), begun.elapsed());
        took.into_iter().chain(of_due).reduce(|left, due| left + due)
    }

    async fn clean_due(&self, cleanup: &HistoryCleanup, progress: &Progress) -> Result<Cleaned, Failed> {
        let now = self.clock.agreed(self.store.now().await?);
        self.clean(now, progress.max, progress.behind(), cleanup.export.as_ref()).await
    }

    /// Removes one batch of what is left.
    async fn remove_left(&self, max: u32, behind: Option<Due>) -> Result<Cleaned, Failed> {
        let left = self.store.history_left(max, behind).await?;
        if left.is_empty() {
            let found = self.store.find_left_history(max).await?;
            return Ok(if found { Cleaned::Instances(0) } else { Cleaned::Nothing });
        }
        let (instances, alone) = (left.len(), alone(&left));
        let removed = self.store.remove_left_history(ids(left)).await;
        let is_all = removed.map_err(|error| Failed { error: error.into(), instance: alone })?;
        Ok(Cleaned::Instances(if is_all { instances } else { 0 }))
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
        let removed = if start_incidents { self.store.remove_start_incidents(now, max).await } else { Ok(None) };
        if due.is_empty() {
            return Ok(removed?.map_or(Cleaned::Elsewhere, |_| Cleaned::Instances(0)));
        }
        if let Err(error) = removed {
            tracing::error!("incidents of what was to start an instance, whose time is over, could not be removed: {error}");
        }
        if let Some(export) = export {
            self.export(export, &mut due, now).await?;
        }
        let alone = alone(&due);
        let removed = self.store.remove_history(ids(due), now).await;
        match removed.map_err(|error| Failed { error: error.into(), instance: alone })? {
            None => Ok(Cleaned::Elsewhere),
            Some(removed) => {
                crate::metrics::history_removed(removed);
                tracing::debug!(instances = removed, "removed history whose time to live is over");
                Ok(Cleaned::Instances(removed))
            }
        }
    }

    /// Writes instances to today's file, durably. Leaves out of `due` those that are too much for one batch, and those from one on that
    /// cannot be read or is gone.
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
            Some((0, error)) if !matches!(error, Error::Store(mandate_store::Error::Removed(_))) => {
                let alone = alone(due);
                let instance = if let Error::Damaged(_) = error { due.first().copied() } else { alone };
                Err(Failed { error, instance })
            }
            // It is the first of the next batch, unless it is gone.
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

fn ids(due: Vec<Due>) -> Vec<Uuid> {
    due.into_iter().map(|due| due.instance).collect()
}

/// The instance of a batch that has only one.
fn alone(due: &[Due]) -> Option<Due> {
    if let [due] = due { Some(*due) } else { None }
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
mod tests;
