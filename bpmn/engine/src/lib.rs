//! The engine: a pure function from an instance and an input to effects.
//!
//! No I/O, no clock, no randomness, no async. Time is an argument, numbers come from one counter of the instance, jitter and keys
//! from digests; so the same arguments give the same answer, byte for byte.
//!
//! Read in this order: [`Effect`] (all that can be asked of the world), [`Input`] (all that can happen), [`step`] (the one loop), then any
//! element under `elements/`. What crosses elements lives beside the loop; the map of `ARCHITECTURE.md` has a row for each file.
//!
//! # Three kinds of going wrong
//! A *rejection* refuses the input, and the instance is unchanged. A *failure* means that the unit of work cannot go on: the instance
//! is spoiled, the host throws it away, falls back to the last stored one and, if a job began the unit, says
//! [`Input::FailJob`]; that spends a retry and in the end raises an *incident*. A bug panics.

#![cfg_attr(test, allow(clippy::needless_raw_string_hashes, reason = "expect-test writes its snapshots that way"))]

mod ad_hoc;
mod admit;
mod agenda;
mod all_of;
mod call;
mod catcher;
mod code;
mod compensation;
mod complex;
mod condition;
#[cfg(test)]
mod conformance;
mod conversation;
mod correlation_key;
mod due;
mod effect;
mod elements;
mod error;
mod escalation;
mod expression;
mod external_task;
mod form;
mod ids;
mod index;
mod input;
mod instance;
mod job;
mod join;
mod leaf;
pub mod limits;
mod lineage;
mod listener;
mod mapping;
mod modification;
mod moment;
mod multi_instance;
mod objects;
mod priority;
#[cfg(test)]
mod processes;
mod quantity;
mod retry;
mod scope;
mod signal;
mod snapshot;
mod start_timer;
mod step;
mod task;
#[cfg(test)]
mod testing;
mod trigger;
mod unit;
mod variable;
mod variable_scope;
mod wait;

pub use admit::Rejection;
pub use call::{Called, CalledVersion, Caller, Catch, CatchKind, Ending, News, Outputs, ProcessCall, Report};
pub use code::Code;
pub use compensation::Compensable;
pub use condition::start_condition_holds;
pub use correlation_key::key_of_message;
pub use effect::{
    ActivityEnd, DelegateCall, Delegation, Effect, EndState, ExternalTask, HistoryEvent, Incident, Job, JobKind, Message, Signal,
    Subscription, SubscriptionKind, Task,
};
pub use form::{FormError, FormOf, ShownField};
pub use ids::{ActivityId, IncidentId, InstanceId, NotAnId, PublicId, WaitId};
pub use input::{Chain, DelegateOutcome, Failure, Input, Resumed, Retry, TaskFields, TaskRevision};
pub use instance::{Activity, Body, Instance, NewInstance, Phase, ROOT_ACTIVITY, Role};
pub use job::{JobOrigin, Jobs};
pub use leaf::{Leaf, LeafState};
pub use modification::{Cancel, Instruction, Misfit, Modification, Site, Start, StartAt};
pub use moment::Moment;
pub use retry::{Spent, spend_attempt};
pub use snapshot::{Changes, PartId, SnapshotError, Stored};
pub use start_timer::StartTimer;
pub use step::{Stop, step};
pub use variable::{MAX_INSTANCE_BYTES, MAX_VARIABLE_BYTES, Variable, VariableKind, Variables};

/// Names one entry of a unit of work into an element: SHA-256 over the instance, the wait that the unit resumes, the element and the
/// token's way to it inside the unit. Nothing random, nothing that depends on other branches: a unit that runs again makes the same keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct EntryKey(pub [u8; 32]);
