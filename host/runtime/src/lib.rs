//! What does: takes inputs to instances and their effects to the world.
//!
//! Read `advance.rs` first: it is the one path. Everything else finds the next input (`executor.rs`: jobs and timers; `instances.rs`,
//! `tasks.rs`, `external_tasks.rs`, `messages.rs`, `signals.rs`, `conditions.rs`, `jobs.rs`: API calls) or helps a unit of work on its way
//! (`delegate.rs`: a component is called; `ledger.rs`: a command is sent; `unit.rs`: effects become rows; `incidents.rs`: trouble is
//! explained).

mod advance;
mod cache;
mod calls;
mod check_store;
mod clock;
mod conditions;
mod definitions;
mod delegate;
pub mod deploy;
mod digest;
mod error;
mod executor;
mod external_tasks;
mod incidents;
mod instances;
mod job_definitions;
mod jobs;
mod ledger;
mod message_flows;
mod messages;
mod metrics;
mod modification;
mod operator;
mod parties;
mod planned;
mod retention;
mod room;
mod running;
mod signals;
mod tasks;
mod text;
mod unit;
mod waiting;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clock::Clock;
use error::{LEASE_NOT_RENEWED, SHUTTING_DOWN, TAKEN_OVER};
use futures_util::future::BoxFuture;
use mandate_commands::{Catalogue, Sender};
use mandate_engine::VariableKind;
use mandate_wasm::{Limits, Sandbox};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

pub use check_store::StoreReport;
pub use clock::ClockSource;
pub use conditions::ConditionEvaluation;
pub use definitions::{Binding, Definition};
pub use error::Error;
pub use external_tasks::{FetchedTask, Wanted, WorkerFailure};
pub use incidents::{CommandSeen, IncidentDetail};
pub use instances::{DefinitionRef, InstanceView, Start, Started};
pub use job_definitions::JobDefinition;
pub use ledger::verdict::{Finding, Verdict};
pub use mandate_engine as engine;
pub use mandate_model as model;
pub use mandate_store::query;
pub use mandate_store::{JobDefinitionName, SignalTenants};
pub use messages::{Correlated, Correlation};
pub use modification::{Instruction, Modify, Place};
pub use operator::{Extent, MAX_ANNOTATION_CHARS, Operator};
pub use planned::{PlannedSuspension, Suspended, Suspension};
pub use retention::{Cleaned, DEFAULT_SHARE, HistoryCleanup, HistoryExport};
pub use room::Room;
pub use signals::SignalThrown;
pub use unit::{BODY_TYPE, activity_id};
pub use waiting::{Reason, Waiting, WaitingFilter};

pub use mandate_commands as commands;
pub use mandate_store::{
    Config as StoreConfig, Counters, Error as StoreError, HistoryLevel, LedgerRow, LedgerState, MessageListed, Migrate, migration_script,
};
pub use mandate_store::{Fetch, FetchTopic, LockChange};
pub use mandate_wasm as wasm;

/// How a host is set up.
pub struct Config {
    /// Where instances live.
    pub store: StoreConfig,
    /// Where compiled components are cached, how many guests run, which caps hold.
    pub sandbox: wasm::Config,
    /// The operator's catalogue of commands; none: no delegate has any.
    pub catalogue: Option<PathBuf>,
    /// Whether this host runs jobs and timers, or serves requests only.
    pub execute_jobs: bool,
    /// What this host takes the time from.
    pub clock: ClockSource,
    /// How this host removes the history of instances whose time to live is over; none: it leaves that to others.
    pub history_cleanup: Option<HistoryCleanup>,
}

/// A host of process instances, and [on whose behalf](Runtime::on_behalf_of) it is asked. Cheap to clone.
#[derive(Clone)]
pub struct Runtime(Arc<Inner>, Option<Arc<operator::Operator>>);

pub(crate) struct Inner {
    store: mandate_store::Store,
    clock: Clock,
    sandbox: Sandbox,
    caps: Limits,
    catalogue: Arc<Catalogue>,
    sender: Sender,
    definitions: definitions::Definitions,
    instances: cache::Instances,
    job_definitions: job_definitions::Remembered,
    executor: executor::Executor,
    running: running::Running,
    trees: parties::Trees,
    /// Turns of messages that were overtaken, by the instance that they are for.
    overtaken: parties::Trees,
    workers: external_tasks::Workers,
    /// Held by whoever checks what is to be deployed.
    checking: Arc<tokio::sync::Mutex<()>>,
    /// Held by whoever looks through many instances for a message's correlation keys.
    looking_through: tokio::sync::Mutex<()>,
    /// A unit of this host has thrown a signal, sent a message, or begun to wait for one that is on its way.
    thrown: tokio::sync::Notify,
    delivering: signals::Delivering,
    unwoken: message_flows::Unwoken,
    /// Held by whoever carries out what is planned: a host's lock does not keep it from itself.
    planning: tokio::sync::Mutex<()>,
    cleanup: Option<HistoryCleanup>,
    tasks: TaskTracker,
    in_flight: ledger::Flights,
    /// What the gauges were set to last.
    gauged: Mutex<metrics::Active>,
    /// How long after its ledger row an attempt may still leave: a part of the lease, so that nothing leaves after a takeover.
    departure: Duration,
}

/// An attempt may leave within this part of the lease after its host was last seen to hold it. A host may act for half a lease after a
/// renewal; another quarter keeps the rest as a margin between clocks.
const DEPARTURES_PER_LEASE: u32 = 4;

/// How often a host looks whether it was fenced. It has stopped acting long before: this only ends the process.
const FENCE_LOOK: Duration = Duration::from_millis(500);

/// How long the database is waited for where metrics are told. Whoever scrapes them waits for ten seconds as a rule.
const GAUGES: Duration = Duration::from_secs(5);

impl Runtime {
    /// Opens the store, takes over what dead hosts left, and starts the loops, unless it is there to be looked at
    /// ([`ClockSource::Stored`]).
    pub fn open(config: Config) -> BoxFuture<'static, Result<Self, Error>> {
        let departure = config.store.lease / DEPARTURES_PER_LEASE;
        Box::pin(Self::open_departing(config, departure))
    }

    async fn open_departing(config: Config, departure: Duration) -> Result<Self, Error> {
        let catalogue = Arc::new(match &config.catalogue {
            Some(path) => Catalogue::load(path)?,
            None => Catalogue::empty(),
        });
        let lease = config.store.lease;
        let caps = config.sandbox.operator_limits.clone();
        let (sandbox, sender) = (Sandbox::new(config.sandbox)?, Sender::new(catalogue.clone())?);
        let store = mandate_store::Store::open(config.store).await?;
        let runs = config.clock != ClockSource::Stored;
        let clock = match Clock::open(config.clock, &store).await {
            Ok(clock) => clock,
            Err(error) => {
                store.close().await;
                return Err(error);
            }
        };
        let inner = Arc::new(Inner {
            sandbox,
            caps,
            sender,
            catalogue,
            store,
            clock,
            definitions: definitions::Definitions::default(),
            instances: cache::Instances::new(),
            job_definitions: job_definitions::Remembered::default(),
            executor: executor::Executor::new(config.execute_jobs),
            running: running::Running::default(),
            trees: parties::Trees::default(),
            overtaken: parties::Trees::default(),
            workers: external_tasks::Workers::default(),
            checking: Arc::default(),
            looking_through: tokio::sync::Mutex::default(),
            thrown: tokio::sync::Notify::new(),
            delivering: signals::Delivering::default(),
            unwoken: message_flows::Unwoken::default(),
            planning: tokio::sync::Mutex::default(),
            cleanup: config.history_cleanup,
            tasks: TaskTracker::new(),
            in_flight: ledger::Flights::default(),
            gauged: Mutex::default(),
            departure,
        });
        inner.report_lost_commands().await?;
        if runs {
            inner.start_loops(lease);
        }
        Ok(Self(inner, None))
    }

    /// Reads of the store, for lists and queries.
    pub fn reads(&self) -> mandate_store::query::Reads {
        self.0.store.reads()
    }

    /// What the store has done since this host opened it.
    pub fn counters(&self) -> Counters {
        self.0.store.counters()
    }

    /// The operator's catalogue.
    pub fn catalogue(&self) -> &Catalogue {
        &self.0.catalogue
    }

    /// A definition with its bindings.
    pub async fn definition(&self, id: &str) -> Result<Arc<Definition>, Error> {
        self.0.definitions.get(&self.0.store, id).await
    }

    /// Whether this host holds its lease and its store answers: it should get requests.
    pub async fn ready(&self) -> Result<(), Error> {
        self.0.acting().map_err(Error::NotActing)?;
        Ok(self.0.store.ping().await?)
    }

    /// Whether another host has taken over this one's work, or nothing can be stored any more because of a bug.
    pub fn is_fenced(&self) -> bool {
        self.0.store.is_fenced()
    }

    /// Completes when another host has taken over this one's work, or a bug has ended what stores it. It will never write again: end the
    /// process, and start it anew.
    pub async fn fenced(&self) {
        while !self.0.store.is_fenced() {
            tokio::time::sleep(FENCE_LOOK).await;
        }
    }

    /// Brings the gauges that only the store knows up to date. While it does not tell they stay, and that is counted.
    pub async fn refresh_gauges(&self) -> Result<(), Error> {
        let counting = tokio::time::timeout(GAUGES, self.0.store.counts(self.now())).await;
        let late = |_| Error::Store(StoreError::TooSlow(format!("the gauges were not read within {GAUGES:?}")));
        let counts = counting.map_err(late).and_then(|counts| Ok(counts?)).inspect_err(|_| metrics::gauges_not_read())?;
        metrics::gauges(&counts, &mut self.0.gauged.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// Takes nothing up by itself from here on, for the host is about to end: jobs, timers, signals and messages are left to others, and
    /// clients that wait for external tasks are sent home. What is asked for is done as ever, but for jobs and plans that an operator has
    /// carried out, and the clock that is set: these are refused.
    pub fn wind_down(&self) {
        self.0.executor.stop();
        self.0.workers.stop();
    }

    /// [Winds down](Self::wind_down), waits for what is under way, gives the rest back and ends the lease.
    pub async fn shut_down(&self, within: Duration) {
        self.wind_down();
        self.0.tasks.close();
        let last = async {
            // What nobody here will wake any more is looked for again after an hour at the latest. First beside what is under way, which
            // may take all the time there is.
            tokio::join!(self.0.tasks.wait(), self.0.wake_again());
            self.0.wake_again().await;
        };
        if tokio::time::timeout(within, last).await.is_err() {
            tracing::warn!("units of work are still running; another host or the next start takes them over");
        }
        self.0.store.close().await;
    }
}

impl Inner {
    /// Whether this host may begin units of work and send commands. Errors: why it may not.
    pub(crate) fn acting(&self) -> Result<(), &'static str> {
        if self.store.may_act() {
            Ok(())
        } else if self.store.is_fenced() {
            Err(TAKEN_OVER)
        } else if self.executor.is_stopping() {
            Err(SHUTTING_DOWN)
        } else {
            Err(LEASE_NOT_RENEWED)
        }
    }

    /// Begins a task for units of work, on the threads that guests run on: apart from requests, the committer and the lease.
    pub(crate) fn spawn_unit<T: Send + 'static>(&self, unit: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.tasks.spawn_on(unit, self.sandbox.threads())
    }

    /// Says at start which bound commands the catalogue no longer has: their delegates would fail at their next call.
    async fn report_lost_commands(&self) -> Result<(), Error> {
        for row in self.store.all_definitions().await? {
            for binding in self.store.bindings(&row.id).await? {
                let Ok(mandate) = serde_json::from_str::<deploy::Mandate>(&binding.mandate) else { continue };
                for command in mandate.commands.iter().filter(|command| self.catalogue.get(command).is_none()) {
                    tracing::warn!(
                        definition = %row.id, delegate = %binding.delegate, %command,
                        "a bound command is no longer in the catalogue: its delegate will be refused it"
                    );
                }
            }
        }
        Ok(())
    }
}

/// Camunda's name of a variable type.
pub fn variable_type(kind: VariableKind) -> &'static str {
    match kind {
        VariableKind::Null => "Null",
        VariableKind::String => "String",
        VariableKind::Integer => "Integer",
        VariableKind::Long => "Long",
        VariableKind::Double => "Double",
        VariableKind::Boolean => "Boolean",
        VariableKind::Date => "Date",
        VariableKind::Json => "Json",
    }
}

#[cfg(test)]
mod testing;
