//! The window within which everything counts.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use mandate_runtime::{Counters, Runtime};

use crate::database::Database;
use crate::process;

/// What the clocks and counters say at a moment.
#[derive(Clone, Copy)]
pub struct Sample {
    host_cpu: Duration,
    database_cpu: Duration,
    logged: u64,
    counters: Counters,
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
            let sample = sample(&self.runtimes, database).await?;
            self.opened = Some((sample, Instant::now(), now_ms()));
        }
        Ok(())
    }

    /// The scenario is done; the measurement is when what the database has put off is done too.
    pub async fn close(mut self) -> anyhow::Result<Spent> {
        let (before, opened, opened_at) = self.opened.context("the scenario has opened its window")?;
        let database = self.database.take().context("a window that measures")?;
        let (took, done_at) = (opened.elapsed(), now_ms());
        database.settle().await?;
        let after = sample(&self.runtimes, database).await?;
        let counters = |of: fn(&Counters) -> u64| of(&after.counters) - of(&before.counters);
        Ok(Spent {
            took,
            opened_at,
            done_at,
            host_cpu: after.host_cpu.saturating_sub(before.host_cpu),
            database_cpu: after.database_cpu.saturating_sub(before.database_cpu),
            logged: after.logged - before.logged,
            counters: Counters {
                commits: counters(|it| it.commits),
                statements: counters(|it| it.statements),
                rows: counters(|it| it.rows),
                units: counters(|it| it.units),
                retries: counters(|it| it.retries),
            },
            peak_memory: process::peak_memory()?,
            instances: self.instances,
            notes: self.notes,
        })
    }
}

async fn sample(runtimes: &[Runtime], database: &mut Database) -> anyhow::Result<Sample> {
    let logged = database.logged().await?;
    let sum = |a: Counters, b: Counters| Counters {
        commits: a.commits + b.commits,
        statements: a.statements + b.statements,
        rows: a.rows + b.rows,
        units: a.units + b.units,
        retries: a.retries + b.retries,
    };
    let counters = runtimes.iter().map(Runtime::counters).reduce(sum).unwrap_or_default();
    Ok(Sample { host_cpu: process::own_cpu(), database_cpu: database.cpu()?, logged, counters })
}

/// Milliseconds since 1970.
pub fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}
