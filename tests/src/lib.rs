//! The harness of the whole-system tests: real programs, real databases, real signals.
//!
//! `make run` and the tests share it, so that what is shown is what is tested.

pub mod domain;
pub mod lone;
pub mod moments;
pub mod operator;
pub mod orders;
pub mod postgres;
pub mod program;
pub mod random;
pub mod system;
pub mod tally;
pub mod trace;
