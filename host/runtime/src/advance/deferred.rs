//! Inputs that end no wait. What their units send would hang on nothing: a unit that was lost would leave no one to ask for it again. So
//! such a unit is begun anew when it comes to a delegate with commands, and stops at jobs before it.

use mandate_store::Origin;

use super::Work;

/// The origin of a unit that ends no wait: it sends nothing, for it is deferred before its first command.
pub(super) const NO_WAIT: Origin = Origin::Job(0);

impl Work {
    /// Whether it ends no wait, and does not stop before its first command either.
    pub(crate) fn must_be_deferred(&self) -> bool {
        self.wait().is_none() && !self.input.is_deferred()
    }

    /// Whether it is a start that stops so, and whose job is run for the caller.
    pub(super) fn is_deferred_start(&self) -> bool {
        self.input.is_start() && self.input.is_deferred()
    }
}
