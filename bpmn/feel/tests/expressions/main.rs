//! Values and expressions: FEEL, JUEL, and bytes that are neither.

mod common;
mod feel;
mod juel;
mod number;
mod property;
mod robust;
