//! The window within which everything counts.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use mandate_runtime::{Counters, Runtime};

use crate::database::Database;
use crate::process;

/// What the clocks and counters say at a moment, or by how much they have advanced since an earlier one.
#[derive(Clone, Copy)]
pub struct Sample {
    /// CPU of this process.
    pub host_cpu: Duration,
    /// CPU of the database's processes.
    pub database_cpu: Duration,
    /// Bytes of log.
    pub logged: u64,
    /// What the stores of the hosts counted.
    pub counters: Counters,
}

impl Sample {
    /// As it is now, of these hosts together.
    pub async fn now(runtimes: &[Runtime], database: &mut Database) -> anyhow::Result<Self> {
        let logged = database.logged().await?;
        let counters = runtimes.iter().map(Runtime::counters).reduce(|a, b| both(a, b, |a, b| a + b)).unwrap_or_default();
        Ok(Self { host_cpu: process::own_cpu(), database_cpu: database.cpu()?, logged, counters })
    }

    /// What came after `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            host_cpu: self.host_cpu.saturating_sub(before.host_cpu),
            database_cpu: self.database_cpu.saturating_sub(before.database_cpu),
            logged: self.logged - before.logged,
            counters: both(self.counters, before.counters, |after, before| after - before),
        }
    }
}

fn both(a: Counters, b: Counters, of: fn(u64, u64) -> u64) -> Counters {
    Counters {
        commits: of(a.commits, b.commits),
        statements: of(a.statements, b.statements),
        rows: of(a.rows, b.rows),
        units: of(a.units, b.units),
        retries: of(a.retries, b.retries),
    }
}

/// Figures of a scenario that have no column, by name.
pub type Notes = serde_json::Map<String, serde_json::Value>;

/// What was spent within a window.
#[derive(Clone, Debug)]
pub struct Spent {
    /// From the window's opening until the scenario was done.
    pub took: Duration,
    /// Milliseconds since 1970 at the opening.
    pub opened_at: i64,
    /// Milliseconds since 1970 when the scenario was done.
    pub done_at: i64,
    /// CPU of this process, until the database was settled.
    pub host_cpu: Duration,
    /// CPU of the database's processes.
    pub database_cpu: Duration,
    /// What of both went into settling the database at the end.
    pub settling_cpu: Duration,
    /// Bytes of log.
    pub logged: u64,
    /// What the store counted.
    pub counters: Counters,
    /// The most resident memory, in bytes.
    pub peak_memory: u64,
    /// How many instances were counted, where the scenario decided it.
    pub instances: Option<u32>,
    /// What the scenario noted.
    pub notes: Notes,
}

/// Opened by the scenario when its preparations are done, closed when the database is settled.
pub struct Window<'a> {
    /// The first is the measured host's; see [`Window::also`].
    runtimes: Vec<Runtime>,
    /// None for a warm-up, which nobody measures.
    database: Option<&'a mut Database>,
    opened: Option<(Sample, Instant, i64)>,
    instances: Option<u32>,
    notes: Notes,
}

impl<'a> Window<'a> {
    /// A window that measures.
    pub fn new(runtime: Runtime, database: &'a mut Database) -> Self {
        Self { runtimes: vec![runtime], database: Some(database), opened: None, instances: None, notes: Notes::new() }
    }

    /// A window for a warm-up.
    pub fn unmeasured(runtime: Runtime) -> Self {
        Self { runtimes: vec![runtime], database: None, opened: None, instances: None, notes: Notes::new() }
    }

    /// Another host in this process counts too. To be said before the window is opened.
    pub fn also(&mut self, runtime: Runtime) {
        self.runtimes.push(runtime);
    }

    /// So many instances were counted, whatever number was asked for.
    pub fn count(&mut self, instances: u32) {
        self.instances = Some(instances);
    }

    /// Something that has no column of its own.
    pub fn note(&mut self, name: &str, value: impl Into<serde_json::Value>) {
        self.notes.insert(name.to_owned(), value.into());
    }

    /// From here on everything counts.
    pub async fn open(&mut self) -> anyhow::Result<()> {
        if let Some(database) = &mut self.database {
            database.settle().await?;
            process::forget_peak_memory();
            let sample = Sample::now(&self.runtimes, database).await?;
            self.opened = Some((sample, Instant::now(), now_ms()));
        }
        Ok(())
    }

    /// The scenario is done; the measurement is when what the database has put off is done too.
    pub async fn close(mut self) -> anyhow::Result<Spent> {
        let (before, opened, opened_at) = self.opened.context("the scenario has opened its window")?;
        let database = self.database.take().context("a window that measures")?;
        let (took, done_at) = (opened.elapsed(), now_ms());
        let done = Sample::now(&self.runtimes, database).await?;
        database.settle().await?;
        let settled = Sample::now(&self.runtimes, database).await?;
        let settling = settled.since(&done);
        let Sample { host_cpu, database_cpu, logged, counters } = settled.since(&before);
        Ok(Spent {
            took,
            opened_at,
            done_at,
            host_cpu,
            database_cpu,
            settling_cpu: settling.host_cpu + settling.database_cpu,
            logged,
            counters,
            peak_memory: process::peak_memory()?,
            instances: self.instances,
            notes: self.notes,
        })
    }
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
