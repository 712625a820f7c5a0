//! The order service of the Mandate example: a domain service that owns the truth about orders.
//!
//! It keeps orders and their lines in its own database (SQLite or PostgreSQL), refuses what its state
//! machine forbids, answers the process engine's commands idempotently, starts one process for each order and
//! tells that process when the order has been fulfilled. It can be told to misbehave (see [`faults`]) and counts how
//! often each command was really applied (see [`stats`]), so that a test can prove that nothing was lost or doubled.
//!
//! Where to read:
//! - [`state`]: states of lines and orders, and how one is derived from the other;
//! - [`order`]: the aggregate and its rules, one method for each command, without any I/O;
//! - [`commands`]: the names and bodies of the commands, and the protocol that makes them idempotent;
//! - [`db`], [`repository`]: the tables, and how an order is read and written;
//! - [`relay`]: what leaves the service: process starts, fulfilment, callbacks; [`engine`]: where it goes;
//! - [`http`]: the routes.

pub mod commands;
pub mod db;
pub mod engine;
pub mod faults;
pub mod http;
pub mod order;
pub mod relay;
pub mod repository;
pub mod service;
pub mod state;
pub mod stats;

pub use service::{Error, Options, Service};
