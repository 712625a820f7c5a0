//! The store: instances and everything beside them, on SQLite or PostgreSQL. Nothing else in the host names sqlx.
//!
//! It knows rows, not BPMN. The way of a write: [`Store::commit`] hands a [`Unit`] to the committer (`committer.rs`), which stores many
//! units in one transaction, one statement a table (`write.rs`, `batch.rs`), after it has checked that this host may still write and that
//! every instance is at the expected revision. The way of a read: a filter in `query/` becomes one `SELECT` with bound parameters.
//! `db.rs` is the only file that knows which database it is; `migrations/` says what the tables are for.

mod again;
mod audit;
mod batch;
mod checkpoints;
mod claim;
mod cleanup;
mod committer;
mod config;
mod db;
mod deletion;
mod delivery;
mod deploy;
mod deployment;
mod error;
mod external;
mod gather;
mod hosts;
mod job_definitions;
mod lease;
mod ledger;
mod lock;
mod message;
mod migrate;
mod planned;
pub mod query;
mod rows;
mod set_clock;
mod start_timers;
mod store;
#[cfg(test)]
mod tests;
mod trace;
mod unit;
mod wake;
mod write;

pub use audit::HistoryDeletion;
pub use claim::{Claim, ClaimedJob, Except, Holder};
pub use cleanup::Due;
pub use config::{Config, DEFAULT_LEASE, DEFAULT_POOL, HistoryLevel, Migrate};
pub use delivery::incident::Undelivered;
pub use delivery::{Delivery, DeliveryClaim, DeliveryName, FIRST_DELIVERY, FailedDelivery, Receiver, Signal, SignalTenants};
pub use deploy::key_of_definition;
pub use deployment::{
    BindingRow, DelegateRow, DelegatesSeen, Deployed, DeploymentDeletion, DeploymentWrite, ElementRow, NewDefinition, Resource,
    StartEventRow,
};
pub use error::{Error, Fault};
pub use external::{Fetch, FetchTopic, Fetched, LockChange};
pub use hosts::TakenOver;
pub use job_definitions::{JobDefinitionChange, JobDefinitionName, JobDefinitionRow, KnownJobDefinitions};
pub use lease::{HostRef, awake};
pub use ledger::{LedgerClose, LedgerOpen, LedgerOpened, LedgerRow, LedgerState, Origin, Sent, Verdict};
pub use message::{Address, Addressed, Awaiting, Begun, Message, MessageListed, Waiting};
pub use migrate::migration_script;
pub use planned::{CarriedOut, Planned};
pub use rows::{
    EndedIncident, EventKind, ExternalTaskRow, HistoryRow, IncidentRow, JobRow, OperationRow, PartRow, RunningJob, SubscriptionRow, TaskRow,
};
pub use start_timers::{FailedFiring, NewStartTimer, Reopened, RevisedTimer, StartTimerClaim, StartTimerRow};
pub use store::{Counters, Store};
pub use unit::{
    Beside, CalledBy, CommitError, Committed, Expect, ExternalTaskFailure, ExternalTaskRevision, FiredTimer, HeldExternalTask,
    InstanceHead, InstanceWrite, JobRevision, MAX_KEY_BYTES, MAX_SNAPSHOT_BYTES, MAX_TEXT_BYTES, Parts, StartKey, State, Stood, Unit,
};
