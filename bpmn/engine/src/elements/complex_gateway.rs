//! The complex gateway: it goes on when a condition over what has come to it is true, and takes what comes later (BPMN 2.0, 10.6.5 and
//! 13.4.5). When it goes on is in `complex.rs` beside the loop; by which flows is said here.

use mandate_model::ComplexGateway;

use super::{At, Behaviour, Next};
use crate::input::Failure;

/// How many tokens stand at the gateway, for its activation condition.
pub(crate) const ACTIVATION_COUNT: &str = "activationCount";

/// True when the gateway goes on, false when it is reset: for the conditions of its flows.
pub(crate) const WAITING_FOR_START: &str = "waitingForStart";

impl Behaviour for ComplexGateway {
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        if at.element().incoming.is_empty() { at.leave() } else { Ok(Next::Join) }
    }

    /// By each flow whose condition is true. When it is reset this may be none, and flows without a condition are not taken again.
    fn resume(&self, at: &At<'_>) -> Result<Next, Failure> {
        let own = at.instance.at(at.activity).variables.get(WAITING_FOR_START);
        if own.is_none_or(|it| &*it.json == "true") {
            return at.leave();
        }
        let mut taken = Vec::new();
        for &flow in at.element().outgoing.iter().filter(|flow| Some(**flow) != at.element().default_flow) {
            if let Some(condition) = &at.definition.flow(flow).condition
                && at.is_true(condition)?
            {
                taken.push(flow);
            }
        }
        Ok(Next::Leave(taken))
    }
}

/// Whether the gateway goes on with what stands there, as the token sees it that came last.
pub(crate) fn activates(at: &At<'_>, gateway: &ComplexGateway) -> Result<bool, Failure> {
    gateway.activation.as_ref().map_or(Ok(true), |condition| at.is_true(condition))
}
