//! Write a *delegate*: the sandboxed component that does a BPMN service task.
//!
//! ```
//! use mandate_sdk::{Context, Result};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Deserialize)]
//! #[serde(rename_all = "camelCase")]
//! struct Input { order_id: String }
//!
//! #[derive(Serialize, Deserialize)]
//! struct Output { valid: bool }
//!
//! fn run(cx: &Context, input: Input) -> Result<Output> {
//!     Ok(cx.command("orders.validate@1", &serde_json::json!({ "orderId": input.order_id }))?)
//! }
//!
//! mandate_sdk::delegate!(run);
//! # fn main() {}
//! ```
//!
//! **In and out.** The input is what serde makes of the variables that are visible to the activity (fields it does not
//! name are ignored); what `run` returns is a JSON object of the variables to set, `()` for none.
//!
//! **Three ways to end**, never mixed: a result; a BPMN error, a business answer that the process catches
//! ([`Error::bpmn`]); a technical failure, which is retried and then becomes an incident ([`Error::technical`]).
//!
//! **Commands** ([`Context::command`]) are the only thing a delegate can do to the world. `?` on a command's error does what the
//! house rules ask for: a rejection becomes a BPMN error with the service's code; *unavailable* becomes a technical failure
//! that is retried by policy, and on the retry a command that was applied answers from the ledger. Where nobody knows the outcome the
//! host ends the call.
//!
//! **Nothing is kept.** Every call gets a new instance: a static starts from its initial value each time. There is no
//! filesystem, network or environment. Randomness and the wall clock are the same on every retry of an activity, so a call
//! can be replayed.
//!
//! **Tests run natively**, with [`testing::Harness`] in the place of the engine: no Wasm needed.
//!
//! A guest's `Cargo.toml` needs `crate-type = ["cdylib"]`, this crate and serde; build it for `wasm32-wasip2`.

mod context;
mod error;
mod perform;
mod shape;
pub mod testing;

#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[path = "guest.rs"]
pub mod __guest;

pub use context::{Call, Command, Context, Level};
pub use error::{
    BpmnError, COMMAND_REFUSED, COMMAND_UNAVAILABLE, COMMAND_UNKNOWN, CommandError, CommandResultExt, Error, INVALID_DATA, INVALID_INPUT,
    Rejection, Result, Retry, TechnicalFailure,
};

/// Takes the place of a command's reply that is of no interest: `let Ignored = cx.command(name, &body)?;`.
pub use serde::de::IgnoredAny as Ignored;

#[doc(hidden)]
pub use perform::perform as __perform;

/// Makes `run` the delegate that this crate's component is.
///
/// `run` is a `fn(&Context, Input) -> Result<Output>` with any `Input: DeserializeOwned` and `Output: Serialize`. Call it
/// once per crate, at the crate's root. Natively it only checks that `run` has the right shape.
#[macro_export]
macro_rules! delegate {
    ($run:path) => {
        #[cfg(target_family = "wasm")]
        const _: () = {
            struct Component;
            impl $crate::__guest::bindings::Guest for Component {
                fn execute(
                    call: $crate::__guest::bindings::Call,
                    variables: String,
                ) -> ::core::result::Result<String, $crate::__guest::bindings::Failure> {
                    $crate::__guest::execute(call, &variables, $run)
                }
            }
    $crate::__guest::bindings::__export_delegate!(Component with_types_in $crate::__guest::bindings);
        };
        #[cfg(not(target_family = "wasm"))]
        const _: () = {
            // Keeps `run` from being reported as unused, and checks its signature.
            #[allow(dead_code)]
            fn has_the_shape_of_a_delegate(cx: &$crate::Context) {
                let _ = $crate::__perform(cx, "{}", $run);
            }
        };
    };
}

/// Runs the examples of the README as tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
