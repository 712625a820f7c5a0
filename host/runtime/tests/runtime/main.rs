//! What a host does with deployments, instances, jobs and everything that happens to them: on a real store, with real guests. One binary,
//! for each links the sandbox.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes its snapshots that way")]

mod calls;
mod carried;
mod chains;
mod clock;
mod common;
mod conversations;
mod deferred;
mod deployments;
mod exclusive;
mod external;
mod hostile;
mod left_behind;
mod memory;
mod message_flows;
/// Of the engine's simulation.
#[path = "../../../../bpmn/engine/tests/simulation/models/mod.rs"]
mod models;
mod modification;
mod moment;
mod places;
mod planned;
mod property;
mod races;
#[path = "../../../../bpmn/engine/tests/simulation/random.rs"]
mod random;
mod signals;
mod simulation;
mod start_timers;
mod stored;
mod suspension;
mod taken_along;
mod twice;
mod undelivered;
mod unrecorded;
mod verdicts;
