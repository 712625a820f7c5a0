//! What the same work costs with no engine: a scenario's rows, written in its batches by bare sqlx, and its component, called with no
//! store.
//!
//! Per unit of work there is an instance row with the snapshot that the engine makes, a job row or subscription row, updated in place where
//! it can be, and one history row with the unit's share of what history really holds of an instance. Primary keys are the only indexes;
//! what is stored apart from a snapshot is left out. A command is a ledger row that is inserted and updated, and a request to the stub. The
//! tables are vacuumed and checkpointed within the measurement, as the engine's are.

mod calls;
mod lone;
mod rows;
mod statements;

use anyhow::{Context as _, bail};
use mandate_runtime::engine::Chain;
use serde::{Deserialize, Serialize};

use crate::database::Database;
use crate::drive::{Driver, Unit};
use crate::figures::ms_each;
use crate::host::{self, Setup};
use crate::scenarios::{Floor, Scenario};
use crate::{figures::Run, process};

pub use lone::PAUSE;

/// What a scenario's run says about the rows that it wrote.
#[derive(Clone, Copy, Debug)]
pub struct Observed {
    /// Units of work and ledger entries in one transaction.
    pub batch: usize,
    /// Bytes of one instance's history.
    pub history_bytes: usize,
}

impl Observed {
    /// As a run saw it.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a batch has at most some hundred units")]
    pub fn of(run: &Run) -> Self {
        Self { batch: run.units_per_commit().round().max(1.0) as usize, history_bytes: run.history_bytes }
    }
}

/// What the floor costs.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// CPU for the rows, in milliseconds per instance, client and server together.
    pub rows_ms: f64,
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
}

/// Measures a scenario's floor on an empty database.
pub async fn measure(scenario: &dyn Scenario, instances: u32, setup: &Setup, observed: Observed) -> anyhow::Result<Measured> {
    let mut measured = Measured { rows_ms: 0.0, calls_ms: 0.0, commands_ms: 0.0, lone: None };
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
    writer.write(0..before_window, instances).await?;
    database.settle().await?;

    let before = process::own_cpu() + database.cpu()?;
    writer.write(before_window..units.len(), instances).await?;
    database.settle().await?;
    measured.rows_ms = ms_each((process::own_cpu() + database.cpu()?).saturating_sub(before), instances);

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

/// The units of work of the scenario's instances.
fn units(scenario: &dyn Scenario, answer: &str) -> anyhow::Result<Vec<Unit>> {
    let answer = serde_json::from_str(answer).context("the delegate answers with an object")?;
    let mut variables = host::order("run-17");
    if scenario.model().contains("${due}") {
        variables.extend(host::variables(&serde_json::json!({ "due": "2030-01-01T00:00:00Z" })));
    }
    Driver::new(&scenario.model(), variables, host::variables(&answer), Chain::deferred_if(scenario.commands() > 0))?.run(0)
}
