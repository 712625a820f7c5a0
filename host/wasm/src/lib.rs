//! The sandbox: compiles delegates, caches what was compiled, and calls them within limits. The only crate that names wasmtime.
//!
//! A delegate is a WebAssembly component that fits the world `delegate` of `wit/mandate-delegate@0.1.0`. [`inspect`]
//! says whether bytes are one, [`Sandbox::prepare`] makes them callable, [`Delegate::call`] calls them. This crate knows
//! nothing of instances, ledgers or databases: whoever calls a delegate brings the host's side of its imports ([`Commands`]).
//!
//! What holds for every call:
//! - **Nothing is kept.** A fresh store and instance each time, thrown away afterwards.
//! - **Nothing is reachable.** No files, network, environment or arguments; randomness and wall clock come from [`World`],
//!   stdout and stderr go to the log.
//! - **Everything is bounded** by [`Limits`]: memory, CPU, wall time, commands, log lines, input, output. Past a bound the call ends with
//!   [`Outcome::LimitExceeded`], which names it.
//! - **It disturbs nobody.** Guests have threads of their own and yield at every tick of [`TICK`], so two that spin for ever
//!   cost the others a share of CPU and the rest of the host nothing but that.
//!
//! Absent by design: no retries, no clock that decides anything but wall limits, no parsing of JSON.

mod cache;
mod call;
mod compile;
mod delegate;
mod error;
mod fit;
mod guest;
mod limits;
mod log;
mod meter;
mod outcome;
mod sandbox;
mod ticker;
mod world;

pub use call::{Call, Command, CommandError, Commands, Level, Outcome, Retry, Returned, Stats, World};
pub use compile::{COMPILE_COMMAND, Compiler, MAX_COMPONENT_SIZE, compile_child_main};
pub use delegate::Delegate;
pub use error::Error;
pub use fit::{Fit, Misfit, inspect};
pub use limits::Limits;
pub use sandbox::{Config, Sandbox};
pub use ticker::TICK;
/// Stops a call from outside; see [`Delegate::call`].
pub use tokio_util::sync::CancellationToken;

/// What `bindgen!` makes of the same WIT files that guests are built from.
mod bindings {
    #![allow(
        missing_docs,
        unreachable_pub,
        clippy::pedantic,
        reason = "generated; the documentation is in wit/mandate-delegate@0.1.0/delegate.wit"
    )]

    wasmtime::component::bindgen!({
        path: "../../wit/mandate-delegate@0.1.0",
        world: "delegate",
        imports: {
            "mandate:delegate/commands.issue": async | trappable,
            "mandate:delegate/logging.log": trappable,
        },
        exports: { default: async },
        include_component_type: true,
    });
}
