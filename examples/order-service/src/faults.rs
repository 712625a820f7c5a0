//! Misbehaviour on request, so that tests and the demonstration meet what production brings.
//!
//! Every fault is drawn from a hash of the seed, the fault and what it would hit (an order, or a key and the number
//! of the call under it), never from a clock or the order of arrival: the same seed hits the same orders again.

use std::collections::HashMap;
use std::sync::{Mutex, RwLock};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Above this many keys the calls per key are counted anew: it bounds memory, and costs only that a run that long
/// meets faults it has met before.
const MAX_COUNTED_KEYS: usize = 200_000;

/// What goes wrong, and how often. Fractions are between 0 and 1; all default to 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Faults {
    /// Another seed hits other orders.
    pub seed: u64,
    /// Fraction of calls that answer 503 and apply nothing.
    pub unavailable: f64,
    /// Fraction of calls that are applied and then answered only after `hang_millis`.
    pub hang_after_apply: f64,
    /// How long such a call hangs, in milliseconds.
    pub hang_millis: u64,
    /// Fraction of calls that are applied and then answered with 500.
    pub error_after_apply: f64,
    /// Fraction of orders that need a review, beside those that were created so.
    pub needs_review: f64,
    /// How long fulfilment takes when nothing goes wrong, in milliseconds.
    pub fulfillment_millis: u64,
    /// Fraction of orders whose callback is sent before `submit-fulfillment` is answered.
    pub callback_early: f64,
    /// Fraction of orders that are fulfilled, and called back, only after `late_millis`.
    pub callback_late: f64,
    /// How late, in milliseconds; longer than the process waits.
    pub late_millis: u64,
    /// Fraction of orders whose callback is sent twice.
    pub callback_repeated: f64,
    /// Fraction of orders that are fulfilled without any callback.
    pub callback_lost: f64,
    /// Fraction of orders that are never fulfilled and never called back.
    pub stalled: f64,
    /// Fraction of orders called back although their first line was not fulfilled.
    pub line_fails: f64,
    /// Fraction of orders called back although billing was not activated.
    pub billing_missing: f64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            seed: 1,
            unavailable: 0.0,
            hang_after_apply: 0.0,
            hang_millis: 10_000,
            error_after_apply: 0.0,
            needs_review: 0.0,
            fulfillment_millis: 200,
            callback_early: 0.0,
            callback_late: 0.0,
            late_millis: 8_000,
            callback_repeated: 0.0,
            callback_lost: 0.0,
            stalled: 0.0,
            line_fails: 0.0,
            billing_missing: 0.0,
        }
    }
}

/// Why a description of faults was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not JSON of the right shape.
    #[error("faults: {0}")]
    Json(#[from] serde_json::Error),
    /// The file could not be read.
    #[error("faults file {file}: {source}")]
    File {
        /// Its path.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A fraction is not one, or fractions that exclude each other exceed 1 together.
    #[error("faults: {0}")]
    Fraction(String),
}

/// What happens to one call of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFault {
    /// Nothing goes wrong.
    None,
    /// 503, nothing is applied.
    Unavailable,
    /// Applied, and answered only after this long.
    HangAfterApply(Duration),
    /// Applied, and answered with 500.
    ErrorAfterApply,
}

/// What happens to the fulfilment of one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FulfillmentFault {
    /// Nothing goes wrong.
    None,
    /// The callback leaves before `submit-fulfillment` is answered.
    Early,
    /// Fulfilment and callback come after the process has stopped waiting.
    Late,
    /// The callback is sent twice.
    Repeated,
    /// Fulfilled, but no callback.
    Lost,
    /// Never fulfilled, no callback.
    Stalled,
    /// Called back, but a line is missing.
    LineFails,
    /// Called back, but billing is not active.
    BillingMissing,
}

impl Faults {
    /// Reads a description: JSON if it begins with `{`, else the path of a file of JSON.
    pub fn read(text_or_file: &str) -> Result<Self, Error> {
        let text = if text_or_file.trim_start().starts_with('{') {
            text_or_file.to_owned()
        } else {
            std::fs::read_to_string(text_or_file).map_err(|source| Error::File { file: text_or_file.to_owned(), source })?
        };
        let faults: Self = serde_json::from_str(&text)?;
        faults.check()?;
        Ok(faults)
    }

    /// Refuses what is no fraction.
    pub fn check(&self) -> Result<(), Error> {
        let calls = [self.unavailable, self.hang_after_apply, self.error_after_apply];
        let callbacks = self.fulfillment_fractions().map(|(_, fraction)| fraction);
        for fraction in calls.iter().chain(&callbacks).chain([&self.needs_review]) {
            if !(0.0..=1.0).contains(fraction) {
                return Err(Error::Fraction(format!("{fraction} is not between 0 and 1")));
            }
        }
        for (what, sum) in [("a call", calls.iter().sum::<f64>()), ("a fulfilment", callbacks.iter().sum())] {
            if sum > 1.0 {
                return Err(Error::Fraction(format!("the fractions of {what} exceed 1 together: {sum}")));
            }
        }
        Ok(())
    }

    fn fulfillment_fractions(&self) -> [(FulfillmentFault, f64); 7] {
        [
            (FulfillmentFault::Early, self.callback_early),
            (FulfillmentFault::Late, self.callback_late),
            (FulfillmentFault::Repeated, self.callback_repeated),
            (FulfillmentFault::Lost, self.callback_lost),
            (FulfillmentFault::Stalled, self.stalled),
            (FulfillmentFault::LineFails, self.line_fails),
            (FulfillmentFault::BillingMissing, self.billing_missing),
        ]
    }

    /// What happens to the fulfilment of this order.
    pub fn fulfillment(&self, order_id: &str) -> FulfillmentFault {
        let drawn = self.draw("fulfillment", order_id, 0);
        let mut bound = 0.0;
        for (fault, fraction) in self.fulfillment_fractions() {
            bound += fraction;
            if drawn < bound {
                return fault;
            }
        }
        FulfillmentFault::None
    }

    /// Does this order need a review although nobody said so?
    pub fn order_needs_review(&self, order_id: &str) -> bool {
        self.draw("review", order_id, 0) < self.needs_review
    }

    /// What happens to the `nth` call under a key.
    pub fn call(&self, command: &str, key: &str, nth: u64) -> CallFault {
        let drawn = self.draw(command, key, nth);
        if drawn < self.unavailable {
            CallFault::Unavailable
        } else if drawn < self.unavailable + self.hang_after_apply {
            CallFault::HangAfterApply(Duration::from_millis(self.hang_millis))
        } else if drawn < self.unavailable + self.hang_after_apply + self.error_after_apply {
            CallFault::ErrorAfterApply
        } else {
            CallFault::None
        }
    }

    /// A number in [0, 1) that depends on nothing but its arguments and the seed.
    fn draw(&self, what: &str, whom: &str, nth: u64) -> f64 {
        /// A double holds this many different values evenly spaced in [0, 1).
        const STEPS: u32 = u32::MAX;
        let digest = Sha256::digest(format!("{}|{what}|{whom}|{nth}", self.seed));
        let bits = u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]]);
        f64::from(bits.min(STEPS - 1)) / f64::from(STEPS)
    }
}

/// The faults in force, and the calls counted so far.
#[derive(Debug, Default)]
pub struct Injector {
    faults: RwLock<Faults>,
    calls: Mutex<HashMap<(String, String), u64>>,
}

impl Injector {
    /// An injector with these faults in force.
    pub fn new(faults: Faults) -> Self {
        Self { faults: RwLock::new(faults), calls: Mutex::default() }
    }

    /// The faults in force.
    pub fn faults(&self) -> Faults {
        self.faults.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Puts other faults in force.
    pub fn set(&self, faults: Faults) {
        *self.faults.write().unwrap_or_else(std::sync::PoisonError::into_inner) = faults;
    }

    /// Counts a call under a key and says what happens to it.
    pub fn next_call(&self, command: &str, key: &str) -> CallFault {
        let nth = {
            let mut calls = self.calls.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            if calls.len() >= MAX_COUNTED_KEYS {
                calls.clear();
            }
            let nth = calls.entry((command.to_owned(), key.to_owned())).or_default();
            *nth += 1;
            *nth
        };
        self.faults().call(command, key, nth)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_hits_the_same_calls() {
        let faults = Faults { unavailable: 0.3, hang_after_apply: 0.2, error_after_apply: 0.1, ..Faults::default() };
        let run = |faults: &Faults| (0..200).map(|n| faults.call("decompose", "k", n)).collect::<Vec<_>>();
        assert_eq!(run(&faults), run(&faults.clone()));
        assert_ne!(run(&faults), run(&Faults { seed: 2, ..faults.clone() }));
    }

    #[test]
    fn fractions_are_met_about_as_often_as_asked() {
        let faults = Faults { unavailable: 0.25, callback_lost: 0.5, ..Faults::default() };
        let hits = (0..4000).filter(|n| faults.call("x", "k", *n) == CallFault::Unavailable).count();
        assert!((900..1100).contains(&hits), "{hits}");
        let lost = (0..4000).filter(|n| faults.fulfillment(&format!("o{n}")) == FulfillmentFault::Lost).count();
        assert!((1850..2150).contains(&lost), "{lost}");
    }

    #[test]
    fn a_fault_passes_when_the_call_is_repeated() {
        let injector = Injector::new(Faults { unavailable: 0.5, ..Faults::default() });
        assert!((0..64).any(|_| injector.next_call("x", "k") == CallFault::None));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Faults::read(r#"{"unavailable": 1.5}"#).unwrap_err().to_string().contains("not between 0 and 1"));
        assert!(Faults::read(r#"{"unavailable": 0.6, "errorAfterApply": 0.6}"#).is_err());
        assert!(Faults::read(r#"{"unavailabel": 0.1}"#).unwrap_err().to_string().contains("unavailabel"));
        assert!(Faults::read("/nowhere/faults.json").unwrap_err().to_string().contains("/nowhere/faults.json"));
        assert_eq!(Faults::read("{}").unwrap(), Faults::default());
    }
}
