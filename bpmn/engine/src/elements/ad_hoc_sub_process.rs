//! The ad-hoc sub-process: what begins in it is chosen while it runs (BPMN 2.0, 10.3.5 and 13.3.5). The choosing is in `ad_hoc.rs` beside
//! the loop.

use mandate_feel::Value;
use mandate_model::{AdHocSubProcess, ElementIndex};

use super::{At, Behaviour, Next};
use crate::Code;
use crate::input::Failure;

impl Behaviour for AdHocSubProcess {
    /// What begins by itself: what the collection names or, without one, everything that no flow leads to. Nothing, and nobody may choose:
    /// it is done.
    fn enter(&self, at: &At<'_>) -> Result<Next, Failure> {
        let chosen = chosen(self, at)?;
        if chosen.is_empty() && self.completion_condition.is_none() { at.leave() } else { Ok(Next::Choose(chosen)) }
    }
}

/// Whether the completion condition is true, as the sub-process sees it.
pub(crate) fn is_complete(at: &At<'_>, ad_hoc: &AdHocSubProcess) -> Result<bool, Failure> {
    ad_hoc.completion_condition.as_ref().map_or(Ok(false), |condition| at.is_true(condition))
}

fn chosen(ad_hoc: &AdHocSubProcess, at: &At<'_>) -> Result<Vec<ElementIndex>, Failure> {
    let Some(collection) = &ad_hoc.active else { return Ok(ad_hoc.scope.begins.clone()) };
    let value = at.evaluate(collection)?;
    let Value::List(ids) = &value else { return Err(at.mismatch(collection, "a list", &value)) };
    let find = |id: &Value| {
        let element = if let Value::String(id) = id { at.definition.find(id) } else { None };
        element.filter(|element| ad_hoc.scope.begins.contains(element)).ok_or_else(|| {
            let message = format!("{} is no activity of '{}' that no flow leads to", id.to_json(), at.element().id);
            Failure::by_policy(Code::ExpressionFailed, at.index, message)
        })
    };
    ids.iter().map(find).collect()
}
