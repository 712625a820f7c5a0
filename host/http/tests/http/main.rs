//! The whole router over a real runtime on SQLite, one database per test. One program, since each one links the sandbox.

mod api;
mod clients;
mod clock;
mod common;
mod compensation;
mod deployment;
mod event;
mod execution;
mod external_task;
mod gateways;
mod history;
mod hostile;
mod job;
mod ledger;
mod message;
mod modification;
mod multi_instance;
mod process_definition;
mod process_instance;
mod remembered;
mod server;
mod standard;
mod task;
mod task_kinds;
mod timers;
mod user_operation;
