//! The benchmark: what the engine costs, beside what its database and its sandbox cost by themselves.
//!
//! `bench` (`main.rs`) starts the databases and, for every scenario, database and run, itself as a process of its own (`conduct.rs`), so
//! that memory and CPU are of that run alone. Such a process (`one.rs`) opens a host, warms it up, and lets a scenario run within a window
//! (`window.rs`): what the clocks and counters say at its end less what they said at its beginning. A scenario is one file under
//! `scenarios/` and one line in its table. `floor/` writes the same rows in the same batches with no engine, and calls the same component
//! with no store. `bulk.rs` fills a database with very many instances, and `lists.rs` asks it for its lists. `callgrind.rs` counts
//! instructions instead of time: of the pure engine's steps (`steps.rs`), and of a model that is deployed (`deployment.rs`).

pub mod bulk;
pub mod callgrind;
pub mod children;
pub mod conduct;
pub mod counting;
pub mod database;
pub mod deployment;
pub mod drive;
pub mod figures;
pub mod floor;
pub mod host;
pub mod http;
pub mod lists;
pub mod one;
pub mod process;
pub mod report;
pub mod scenarios;
pub mod steps;
pub mod stub;
pub mod window;
pub mod workers;
