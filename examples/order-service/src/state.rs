//! The states of lines and orders. A line has a state of its own; an order's state is never set, only derived.

use serde::{Deserialize, Serialize};

/// The state of one order line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LineState {
    /// Nothing has been done for the line.
    NotStarted,
    /// Stock is reserved; fulfilment may be under way.
    InProgress,
    /// The customer has it.
    Fulfilled,
    /// Fulfilment went wrong; somebody must repair it.
    Failed,
    /// Somebody decided that the order is complete without it.
    Waived,
    /// The line was given up together with its order.
    Cancelled,
}

impl LineState {
    /// Every state, in the order of a line's life.
    pub const ALL: [Self; 6] = [Self::NotStarted, Self::InProgress, Self::Fulfilled, Self::Failed, Self::Waived, Self::Cancelled];

    /// The name used in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "NOT_STARTED",
            Self::InProgress => "IN_PROGRESS",
            Self::Fulfilled => "FULFILLED",
            Self::Failed => "FAILED",
            Self::Waived => "WAIVED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The state with this name, if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// True if nothing more is expected of the line.
    pub const fn settled(self) -> bool {
        matches!(self, Self::Fulfilled | Self::Waived | Self::Cancelled)
    }
}

/// The state of an order, derived by [`derive`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderState {
    /// No line was begun, or the order has not been decomposed into lines yet.
    NotStarted,
    /// At least one line was begun, none is fulfilled.
    InProgress,
    /// Some lines are fulfilled, others are not settled.
    PartiallyFulfilled,
    /// Every line is settled; the order is not yet completed.
    Fulfilled,
    /// A line failed, or a blocking fallout is open: the order waits for a person.
    Fallout,
    /// Completed; nothing changes any more.
    Completed,
    /// Cancelled; nothing changes any more.
    Cancelled,
}

impl OrderState {
    /// Every state.
    pub const ALL: [Self; 7] =
        [Self::NotStarted, Self::InProgress, Self::PartiallyFulfilled, Self::Fulfilled, Self::Fallout, Self::Completed, Self::Cancelled];

    /// The name used in the database and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotStarted => "NOT_STARTED",
            Self::InProgress => "IN_PROGRESS",
            Self::PartiallyFulfilled => "PARTIALLY_FULFILLED",
            Self::Fulfilled => "FULFILLED",
            Self::Fallout => "FALLOUT",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
        }
    }

    /// The state with this name, if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// True if nothing changes any more.
    pub const fn closed(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

/// What is known of an order apart from its lines and decides its state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// The order was completed.
    pub completed: bool,
    /// The order was cancelled.
    pub cancelled: bool,
    /// At least one blocking fallout is open.
    pub blocking_fallout: bool,
}

/// The state of an order with these lines. The first rule that holds wins: an end is final, trouble hides progress,
/// progress is read off the lines.
pub fn derive(lines: &[LineState], facts: Facts) -> OrderState {
    let any = |wanted: LineState| lines.contains(&wanted);
    if facts.cancelled {
        OrderState::Cancelled
    } else if facts.completed {
        OrderState::Completed
    } else if facts.blocking_fallout || any(LineState::Failed) {
        OrderState::Fallout
    } else if lines.iter().all(|line| *line == LineState::NotStarted) {
        // Also the order without lines: it has not been decomposed.
        OrderState::NotStarted
    } else if lines.iter().all(|line| *line == LineState::Cancelled) {
        OrderState::Cancelled
    } else if lines.iter().all(|line| line.settled()) {
        OrderState::Fulfilled
    } else if any(LineState::Fulfilled) {
        OrderState::PartiallyFulfilled
    } else {
        OrderState::InProgress
    }
}

#[cfg(test)]
mod tests {
    use super::LineState::{Cancelled, Failed, Fulfilled, InProgress, NotStarted, Waived};
    use super::*;

    const OPEN: Facts = Facts { completed: false, cancelled: false, blocking_fallout: false };

    #[test]
    fn order_state_follows_its_lines() {
        let table: &[(&[LineState], OrderState)] = &[
            (&[], OrderState::NotStarted),
            (&[NotStarted], OrderState::NotStarted),
            (&[NotStarted, NotStarted], OrderState::NotStarted),
            (&[InProgress, NotStarted], OrderState::InProgress),
            (&[InProgress, InProgress], OrderState::InProgress),
            (&[InProgress, Waived], OrderState::InProgress),
            (&[NotStarted, Cancelled], OrderState::InProgress),
            (&[Fulfilled, InProgress], OrderState::PartiallyFulfilled),
            (&[Fulfilled, NotStarted], OrderState::PartiallyFulfilled),
            (&[Fulfilled, Waived, InProgress], OrderState::PartiallyFulfilled),
            (&[Fulfilled], OrderState::Fulfilled),
            (&[Fulfilled, Fulfilled], OrderState::Fulfilled),
            (&[Fulfilled, Waived], OrderState::Fulfilled),
            (&[Waived, Waived], OrderState::Fulfilled),
            (&[Fulfilled, Cancelled], OrderState::Fulfilled),
            (&[Cancelled, Cancelled], OrderState::Cancelled),
            (&[Failed, Fulfilled], OrderState::Fallout),
            (&[Failed, InProgress], OrderState::Fallout),
            (&[Failed, Cancelled], OrderState::Fallout),
        ];
        for (lines, expected) in table {
            assert_eq!(derive(lines, OPEN), *expected, "{lines:?}");
        }
    }

    #[test]
    fn an_end_is_final_whatever_the_lines_say() {
        for line in LineState::ALL {
            for blocking_fallout in [false, true] {
                let completed = Facts { completed: true, blocking_fallout, ..OPEN };
                assert_eq!(derive(&[line], completed), OrderState::Completed, "{line:?}");
                let cancelled = Facts { cancelled: true, blocking_fallout, ..OPEN };
                assert_eq!(derive(&[line], cancelled), OrderState::Cancelled, "{line:?}");
            }
        }
    }

    #[test]
    fn blocking_fallout_hides_progress() {
        let facts = Facts { blocking_fallout: true, ..OPEN };
        for line in LineState::ALL {
            assert_eq!(derive(&[line], facts), OrderState::Fallout, "{line:?}");
        }
    }

    #[test]
    fn names_survive_a_round_trip() {
        for state in LineState::ALL {
            assert_eq!(LineState::parse(state.as_str()), Some(state));
            assert_eq!(serde_json::json!(state), state.as_str());
        }
        for state in OrderState::ALL {
            assert_eq!(OrderState::parse(state.as_str()), Some(state));
            assert_eq!(serde_json::json!(state), state.as_str());
        }
        assert_eq!(LineState::parse("DONE"), None);
    }
}
