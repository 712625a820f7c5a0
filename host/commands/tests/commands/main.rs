//! The catalogue, and one request per attempt against services that fail in every way.

mod catalogue;
mod outcomes;
mod property;
mod reconcile;
mod support;
