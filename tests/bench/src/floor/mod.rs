//! What the same work costs with no engine: a scenario's rows, written in its batches by bare sqlx, and its component, called with no
//! store.
//!
//! Per unit of work there is an instance row with the snapshot that the engine makes, a job row or subscription row, updated in place where
//! it can be, and one history row with the unit's share of what history really holds of an instance. Primary keys are the only indexes;
//! what is stored apart from a snapshot is left out. A command is a ledger row that is inserted and updated, and a request to the stub. The
//! tables are vacuumed and checkpointed within the measurement, as the engine's are. Where the engine stores several units as one, they are
//! written once more so.

mod calls;
mod lone;
mod rows;
mod statements;

use std::ops::Range;

use anyhow::{Context as _, bail};
use mandate_runtime::engine::Chain;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::database::Database;
use crate::drive::{Driver, Unit};
use crate::figures::{ms_each, rounded};
use crate::host::{self, Setup};
use crate::scenarios::{Floor, Scenario};
use crate::{figures::Run, process};

pub use lone::PAUSE;

/// What a scenario's run says about the rows that it wrote.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Observed {
    /// Units of work and ledger entries in one transaction.
    pub batch: usize,
    /// Bytes of one instance's history.
    pub history_bytes: usize,
    /// Units of work that were stored of an instance in the window.
    pub units: usize,
}

/// Writes to the ledger for a command, which count as units: before it leaves and when it has come back.
const LEDGER_WRITES: u32 = 2;

impl Observed {
    /// As a run saw it.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a batch has at most some hundred units")]
    pub fn of(run: &Run, scenario: &dyn Scenario) -> Self {
        let units = run.units_per_instance - f64::from(scenario.commands() * LEDGER_WRITES);
        Self {
            batch: run.units_per_commit().round().max(1.0) as usize,
            history_bytes: run.history_bytes,
            units: units.round().max(1.0) as usize,
        }
    }
}

/// What the floor costs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// CPU for the rows, in milliseconds per instance, client and server together.
    pub rows_ms: f64,
    /// The same for the units that the engine stored, where it stored several as one.
    pub stored_rows_ms: Option<f64>,
    /// CPU for the calls of the component.
    pub calls_ms: f64,
    /// CPU for the requests to the stub, the stub's own not included.
    pub commands_ms: f64,
    /// How long what is alone takes; where this is asked for nothing else is measured.
    pub lone: Option<Lone>,
}

/// What one client waits for, in milliseconds, after a pause in which nothing happened.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Lone {
    /// One commit.
    pub commit_ms: f64,
    /// One HTTP request that is answered at once.
    pub request_ms: f64,
}

impl Measured {
    /// All of it.
    pub fn total_ms(&self) -> f64 {
        self.rows_ms + self.calls_ms + self.commands_ms
    }

    /// What the median of several is taken by.
    pub fn is_known_by(&self) -> f64 {
        self.lone.map_or_else(|| self.total_ms(), |lone| lone.commit_ms)
    }

    /// What it is made of, where so many units of work are in one transaction.
    pub fn told(&self, batch: usize) -> Value {
        match self.lone {
            Some(lone) => json!({ "lone_commit_ms": rounded(lone.commit_ms), "lone_request_ms": rounded(lone.request_ms) }),
            None => json!({
                "units_in_a_transaction": batch,
                "rows_ms": rounded(self.rows_ms),
                "rows_as_stored_ms": self.stored_rows_ms.map(rounded),
                "calls_ms": rounded(self.calls_ms),
                "commands_ms": rounded(self.commands_ms),
            }),
        }
    }

    /// All of it with the units that the engine stored, where these are fewer.
    pub fn stored_total_ms(&self) -> Option<f64> {
        Some(self.stored_rows_ms? + self.calls_ms + self.commands_ms)
    }
}

/// Measures a scenario's floor on an empty database.
pub async fn measure(scenario: &dyn Scenario, instances: u32, setup: &Setup, observed: Observed) -> anyhow::Result<Measured> {
    let mut measured = Measured { rows_ms: 0.0, stored_rows_ms: None, calls_ms: 0.0, commands_ms: 0.0, lone: None };
    let before_window = match scenario.floor() {
        Floor::None => bail!("{} has no floor", scenario.name()),
        Floor::LoneCommit => {
            let units = units(scenario, "{}")?;
            let writer = rows::Writer::open(&setup.url, &units, Observed { batch: 1, ..observed }, 0).await?;
            let request = host::order_json("run-17").to_string();
            measured.lone = Some(Lone { commit_ms: lone::commit(writer).await?, request_ms: lone::request(&request).await? });
            return Ok(measured);
        }
        Floor::Units { before_window } => before_window,
    };
    let calls = calls::Calls::prepare(setup).await?;
    let answer = calls.once().await?;
    let units = units(scenario, &answer)?;
    let mut writer = rows::Writer::open(&setup.url, &units, observed, scenario.commands()).await?;
    let mut database = Database::connect(&setup.url).await?;
    measured.rows_ms = rows_ms(&mut writer, &mut database, before_window..units.len(), instances).await?;
    if observed.units < units.len() - before_window {
        let stored = together(&units, before_window, observed.units);
        writer.plan(&stored, observed, scenario.commands());
        measured.stored_rows_ms = Some(rows_ms(&mut writer, &mut database, before_window..stored.len(), instances).await?);
    }

    let count: u32 = units[before_window.min(units.len())..].iter().map(|unit| unit.calls).sum();
    let before = process::own_cpu();
    calls.many(count * instances).await?;
    measured.calls_ms = ms_each(process::own_cpu().saturating_sub(before), instances);

    if let (1.., Some(stub)) = (scenario.commands(), &setup.stub) {
        let client = mandate_tests::system::http_client()?;
        calls::requests(&client, stub, 1).await?;
        let before = process::own_cpu();
        calls::requests(&client, stub, scenario.commands() * instances).await?;
        measured.commands_ms = ms_each(process::own_cpu().saturating_sub(before), instances);
    }
    Ok(measured)
}

/// What the units of a window cost when those before it are there.
async fn rows_ms(writer: &mut rows::Writer, database: &mut Database, window: Range<usize>, instances: u32) -> anyhow::Result<f64> {
    writer.write(0..window.start, instances).await?;
    database.settle().await?;
    let before = process::own_cpu() + database.cpu()?;
    writer.write(window, instances).await?;
    database.settle().await?;
    Ok(ms_each((process::own_cpu() + database.cpu()?).saturating_sub(before), instances))
}

/// The units with those in the window stored as `stored` ones: its first, which somebody waits for, by itself where there are several, and
/// as many of the others in each.
fn together(units: &[Unit], before_window: usize, stored: usize) -> Vec<Unit> {
    let (before, window) = units.split_at(before_window);
    let (first, others) = window.split_at(usize::from(stored > 1).min(window.len()));
    let each = others.len().div_ceil(stored.saturating_sub(1).max(1)).max(1);
    let (mut jobs, mut subscriptions) = (0, 0);
    let mut all = Vec::new();
    for some in before.chunks(1).chain(first.chunks(1)).chain(others.chunks(each)) {
        let mut unit = Unit { snapshot: some.last().and_then(|unit| unit.snapshot.clone()), ..Unit::default() };
        unit.calls = some.iter().map(|unit| unit.calls).sum();
        (unit.jobs, unit.jobs_gone) = left(&mut jobs, some.iter().map(|unit| (&unit.jobs[..], unit.jobs_gone)));
        (unit.subscriptions, unit.subscriptions_gone) =
            left(&mut subscriptions, some.iter().map(|unit| (&unit.subscriptions[..], unit.subscriptions_gone)));
        all.push(unit);
    }
    all
}

/// What rows that come and go leave to be put, and how many of those that were there go: the oldest goes first.
fn left<'a>(there: &mut usize, changes: impl Iterator<Item = (&'a [String], usize)>) -> (Vec<String>, usize) {
    let (mut put, mut gone) = (Vec::new(), 0);
    for (more, less) in changes {
        put.extend_from_slice(more);
        gone += less;
    }
    let of_those = gone.min(*there);
    put.drain(..(gone - of_those).min(put.len()));
    *there = *there - of_those + put.len();
    (put, of_those)
}

/// The units of work of the scenario's instances.
fn units(scenario: &dyn Scenario, answer: &str) -> anyhow::Result<Vec<Unit>> {
    let answer = serde_json::from_str(answer).context("the delegate answers with an object")?;
    let mut variables = host::order("run-17");
    if scenario.model().contains("${due}") {
        variables.extend(host::variables(&serde_json::json!({ "due": "2030-01-01T00:00:00Z" })));
    }
    Driver::new(&scenario.model(), variables, host::variables(&answer), Chain::deferred_if(scenario.commands() > 0))?.run(0)
}

#[cfg(test)]
mod tests {
    use crate::scenarios;

    use super::*;

    /// Jobs that each unit puts and removes, and whether it leaves a snapshot.
    fn shapes(scenario: &str, stored: usize) -> Vec<(usize, usize, bool)> {
        let scenario = scenarios::find(scenario).expect("it is in the table");
        let units = units(scenario, "{}").expect("it runs");
        let stored = together(&units, 0, stored);
        assert_eq!(stored.iter().map(|unit| unit.calls).sum::<u32>(), units.iter().map(|unit| unit.calls).sum::<u32>());
        stored.iter().map(|unit| (unit.jobs.len(), unit.jobs_gone, unit.snapshot.is_some())).collect()
    }

    #[test]
    fn jobs_that_come_and_go_in_one_transaction_are_not_written() {
        assert_eq!(shapes("S1", 2), [(1, 0, true), (0, 1, false)]);
        assert_eq!(shapes("S1", 3), [(1, 0, true), (1, 1, true), (0, 1, false)]);
        assert_eq!(shapes("S1", 1), [(0, 0, false)]);
        assert_eq!(shapes("S3", 2), [(10, 0, true), (0, 10, false)]);
    }

    #[test]
    fn what_is_stored_by_itself_stays_as_it_is() {
        let all = [(1, 0, true), (1, 1, true), (1, 1, true), (1, 1, true), (1, 1, true), (0, 1, false)];
        assert_eq!(shapes("S1", 6), all);
    }
}
