//! The model: BPMN 2.0 XML, as modellers draw it, into the validated form that the engine walks.
//!
//! Pure: no I/O, no clock, no randomness. The same bytes give the same definition and the same diagnostics.

pub mod definition;

pub use definition::*;
