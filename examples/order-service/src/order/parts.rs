//! What an order consists of, and what a command writes down about its changes.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::state::LineState;

/// What the customer ordered: one product, some number of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// The product; a bundle names its parts with `+` (`FIBER+ROUTER`) and is decomposed into one line for each.
    pub product: String,
    /// How many, 1 to [`MAX_QUANTITY`](super::MAX_QUANTITY).
    #[serde(default = "one")]
    pub quantity: i64,
    /// Whether the order may be completed without it. Default true: it may not.
    #[serde(default = "yes")]
    pub mandatory: bool,
}

impl Item {
    /// The products it consists of: itself, or the parts of a bundle.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.product.split('+')
    }
}

const fn one() -> i64 {
    1
}
const fn yes() -> bool {
    true
}

/// By which process an order is worked on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Handling {
    /// All lines together.
    #[default]
    Whole,
    /// Each line by itself, in the order that the lines need each other.
    ByLine,
    /// All lines together, after some time in which the customer may cancel.
    Cancellable,
}

impl Handling {
    /// Every handling.
    pub const ALL: [Self; 3] = [Self::Whole, Self::ByLine, Self::Cancellable];

    /// The name used in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "WHOLE",
            Self::ByLine => "BY_LINE",
            Self::Cancellable => "CANCELLABLE",
        }
    }

    /// The handling with this name, if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|handling| handling.as_str() == name)
    }
}

/// The price that was offered; the order is not worked on before somebody has approved it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quote {
    /// In the currency's smallest unit, from 0.
    pub amount: i64,
    /// What was taken off already, 0 to 100.
    pub discount_percent: i64,
}

/// One line of a decomposed order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Unique within the order: `L1`, `L2`, …
    pub line_id: String,
    /// The product of this line.
    pub product: String,
    /// How many are wanted.
    pub quantity: i64,
    /// How many are reserved; more than `quantity` would mean that a reservation was applied twice.
    pub reserved: i64,
    /// Whether the order may be completed without it.
    pub mandatory: bool,
    /// Where the line stands.
    pub state: LineState,
    /// The site the stock was reserved at, if the reservation named one.
    pub site: Option<String>,
    /// Fulfilment of this line by itself was ordered.
    pub submitted: bool,
    /// The process has been told what became of that.
    pub told: bool,
}

/// Trouble with an order that a person must look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fallout {
    /// Unique within the order: `F1`, `F2`, …
    pub fallout_id: String,
    /// Why it was opened.
    pub reason: String,
    /// The line concerned, if it is about one.
    pub line_id: Option<String>,
    /// A blocking fallout keeps the order from being completed.
    pub blocking: bool,
    /// False once it has been resolved.
    pub open: bool,
}

/// What has happened to an order so far, beside what its lines say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Milestones {
    /// The quote was approved.
    pub approved: bool,
    /// `validate-readiness` was applied at least once.
    pub validated: bool,
    /// The order has its lines.
    pub decomposed: bool,
    /// Fulfilment was ordered.
    pub submitted: bool,
    /// The customer is billed for it.
    pub billing_active: bool,
    /// The process has been told that fulfilment is complete.
    pub told: bool,
    /// The customer has been notified.
    pub notified: bool,
    /// The order is complete.
    pub completed: bool,
    /// The order is cancelled.
    pub cancelled: bool,
}

/// One change of state, for the transition log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The line that changed, or `None` for the order itself.
    pub line_id: Option<String>,
    /// The state before.
    pub from: &'static str,
    /// The state after.
    pub to: &'static str,
}

/// The business facts other systems may hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactKind {
    /// The order was accepted and stored.
    OrderCreated,
    /// The order's quote was approved.
    QuoteApproved,
    /// The order is ready to be worked on.
    OrderValidated,
    /// The order has its lines.
    OrderDecomposed,
    /// A line reached the customer.
    OrderLineFulfilled,
    /// The order waits for a person.
    OrderFalloutOpened,
    /// The order is complete.
    OrderCompleted,
    /// The order is cancelled.
    OrderCancelled,
}

impl FactKind {
    /// The name under which it is published.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OrderCreated => "OrderCreated",
            Self::QuoteApproved => "QuoteApproved",
            Self::OrderValidated => "OrderValidated",
            Self::OrderDecomposed => "OrderDecomposed",
            Self::OrderLineFulfilled => "OrderLineFulfilled",
            Self::OrderFalloutOpened => "OrderFalloutOpened",
            Self::OrderCompleted => "OrderCompleted",
            Self::OrderCancelled => "OrderCancelled",
        }
    }
}

/// What one command changed: written to the logs together with the order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// State changes, oldest first.
    pub transitions: Vec<Transition>,
    /// Business facts, oldest first.
    pub facts: Vec<(FactKind, Value)>,
    /// Evidence for auditors: what was decided, on what grounds.
    pub evidence: Vec<(&'static str, Value)>,
    /// The lines that must be written.
    pub lines: Vec<usize>,
    /// The fallouts that must be written.
    pub fallouts: Vec<usize>,
}

/// How somebody repaired an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Resolution {
    /// What was missing has been delivered after all.
    Fulfilled,
    /// The order is to be completed without what is missing.
    Waived,
    /// What went wrong with a line is to be tried again.
    Retried,
}
