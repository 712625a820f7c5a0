//! Inputs that end no wait. What their units send would hang on nothing: a unit that was lost would leave no one to ask for it again. So such a unit
//! is begun anew when it comes to a delegate with commands, and stops at jobs before it.

use mandate_engine::Input;
use mandate_store::Origin;

use super::Work;

impl Work {
    /// Whether it ends no wait, and does not stop before its first command either.
    pub(crate) fn is_unheld(&self) -> bool {
        self.wait().is_none() && !is_held(&self.input)
    }
}

/// The origin of a unit that ends no wait: it sends nothing, for it is held before its first command.
pub(super) const NO_WAIT: Origin = Origin::Job(0);

fn is_held(input: &Input) -> bool {
    match input {
        Input::Start { hold, .. } => *hold,
        Input::StartAt { modification, .. } | Input::Modify(modification) => modification.hold,
        Input::Held(_) => true,
        _ => false,
    }
}

pub(super) fn is_held_start(input: &Input) -> bool {
    matches!(input, Input::Start { .. } | Input::StartAt { .. }) && is_held(input)
}

pub(super) fn hold(input: &mut Input) {
    match input {
        Input::Start { hold, .. } => *hold = true,
        Input::StartAt { modification, .. } | Input::Modify(modification) => modification.hold = true,
        other => *other = Input::Held(Box::new(other.clone())),
    }
}
