//! Domain commands: the operator's catalogue, and the sender that makes one HTTP request of one attempt.
//!
//! A delegate knows a command by its name, `orders.reserve-line@1`, and nothing else about it. The [`Catalogue`] says
//! where the command goes, how its answers are read, and who may have it; the [`Sender`] sends it exactly once per call
//! and says what became of it in one of four [`Outcome`]s. What is written to the ledger before and after is the
//! runtime's business: this crate knows neither store nor engine, and nothing else in the host sends HTTP requests.
//!
//! The order of things for an attempt:
//!
//! 1. [`Catalogue::grant`]: may this delegate of this tenant have the command?
//! 2. [`Command::prepare`]: the request is built. Nothing is recorded for one that cannot be.
//! 3. [`Sender::place`]: wait until the target has room for one more request.
//! 4. The caller opens its ledger row, durably.
//! 5. [`Sender::send`], once.
//! 6. After an unknown outcome, and after [`Command::last_arrival`]: [`Sender::reconcile`].

mod answer;
mod catalogue;
mod command;
mod departure;
mod error;
mod outcome;
mod parse;
mod place;
pub mod quantity;
pub mod reader;
mod redact;
mod request;
mod sender;
mod template;

pub use catalogue::Catalogue;
pub use command::{Command, Grant, Undo};
pub use error::{Error, Problem, Refusal};
pub use outcome::{Outcome, Reconciled};
pub use place::Place;
pub use redact::{NOT_STORED, Redaction};
pub use request::{Prepared, Request};
pub use sender::Sender;
