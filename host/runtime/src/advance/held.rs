//! Inputs that end no wait. What their units send would hang on nothing: a unit that was lost would leave no one to ask for it again. So such a unit
//! is begun anew when it comes to a delegate with commands, and stops at jobs before it.

use mandate_engine::{DelegateCall, Input, Instance};
use mandate_store::Origin;

use super::Work;

impl Work {
    /// Whether it is to be held before a call that may send commands: it ends no wait, and is not held yet. A user task that is changed ends none either,
    /// but remembers how often its listeners were told, so that what these send hangs on it.
    pub(crate) fn must_be_held(&self, instance: &Instance, call: &DelegateCall) -> bool {
        match self.input {
            Input::ClaimTask { wait, .. } | Input::ReviseTask { wait, .. } => {
                call.listener.is_none() || instance.task(wait).is_none_or(|task| task.activity != call.activity)
            }
            _ => self.origin() == NO_WAIT && !is_held(&self.input),
        }
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
