//! Values and expressions: FEEL, JUEL, and bytes that are neither.

mod charges;
mod closures;
mod common;
mod feel;
mod functions;
mod juel;
mod number;
mod property;
mod robust;
mod temporal;
