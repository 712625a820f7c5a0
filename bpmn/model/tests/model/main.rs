//! What the parser makes of files, and what it says of those that it refuses.

#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes its snapshots that way")]

mod calls;
mod camunda;
mod common;
mod compensation;
mod corpus;
mod data;
mod elements;
mod events;
mod files;
mod forms;
mod gateways;
mod limits;
mod listeners;
mod message_flows;
mod multi_instance;
mod property;
mod readme;
mod refusals;
mod scripts;
mod signals;
mod standard;
mod stored;
mod structure;
mod tasks;
mod zeebe;
