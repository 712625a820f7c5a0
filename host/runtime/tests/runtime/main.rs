//! What a host does with deployments, instances, jobs and everything that happens to them: on a real store, with real guests. One binary, for each links
//! the sandbox.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes its snapshots that way")]

mod calls;
mod chains;
mod clock;
mod common;
mod deployments;
mod exclusive;
mod external;
mod held;
mod hostile;
mod left_behind;
mod memory;
mod modification;
mod property;
mod races;
mod signals;
mod start_timers;
mod verdicts;
