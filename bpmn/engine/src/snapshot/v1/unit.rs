//! A unit of work that waits for a delegate.

use mandate_model::{ElementIndex, FlowIndex};
use serde::{Deserialize, Serialize};

use super::SnapshotError;
use super::modification::Modification;
use crate::ids::{ActivityId, WaitId};
use crate::lineage::Lineage;
use crate::unit;

#[derive(Serialize, Deserialize)]
pub(super) struct Unit {
    origin: u64,
    attempt: u32,
    retries_left: u32,
    steps: u32,
    agenda: Vec<Token>,
    call: Option<(u64, u64)>,
    lineages: Vec<(u64, [u8; 32])>,
    entries: Vec<([u8; 32], u32, u32)>,
    hold: bool,
    skip_io_mappings: bool,
    modification: Option<Modification>,
    touched: Vec<u64>,
    moved: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Token {
    element: u32,
    scope: u64,
    by: Option<u32>,
    lineage: [u8; 32],
}

impl From<&unit::Unit> for Unit {
    fn from(it: &unit::Unit) -> Self {
        let token = |token: &unit::Token| Token {
            element: token.element.0,
            scope: token.scope.0,
            by: token.by.map(|by| by.0),
            lineage: token.lineage.0,
        };
        Self {
            origin: it.origin.0,
            attempt: it.attempt,
            retries_left: it.retries_left,
            steps: it.steps,
            agenda: it.agenda.iter().map(token).collect(),
            call: it.call.as_ref().map(|call| (call.wait.0, call.activity.0)),
            lineages: it.lineages.iter().map(|(activity, lineage)| (activity.0, lineage.0)).collect(),
            entries: it.entries.iter().map(|((lineage, element), count)| (lineage.0, element.0, *count)).collect(),
            hold: it.hold,
            skip_io_mappings: it.skip_io_mappings,
            modification: it.modification.as_ref().map(Modification::from),
            touched: it.touched.iter().map(|scope| scope.0).collect(),
            moved: it.moved.iter().map(|scope| scope.0).collect(),
        }
    }
}

impl Unit {
    pub(super) fn into_unit(self) -> Result<unit::Unit, SnapshotError> {
        let token = |token: Token| unit::Token {
            element: ElementIndex(token.element),
            scope: ActivityId(token.scope),
            by: token.by.map(FlowIndex),
            lineage: Lineage(token.lineage),
        };
        Ok(unit::Unit {
            origin: WaitId(self.origin),
            attempt: self.attempt,
            retries_left: self.retries_left,
            steps: self.steps,
            agenda: self.agenda.into_iter().map(token).collect(),
            call: self.call.map(|(wait, activity)| unit::Call { wait: WaitId(wait), activity: ActivityId(activity) }),
            lineages: self.lineages.into_iter().map(|(activity, lineage)| (ActivityId(activity), Lineage(lineage))).collect(),
            entries: self.entries.into_iter().map(|(lineage, element, count)| ((Lineage(lineage), ElementIndex(element)), count)).collect(),
            hold: self.hold,
            skip_io_mappings: self.skip_io_mappings,
            modification: self.modification.map(Modification::into_underway).transpose()?,
            touched: self.touched.into_iter().map(ActivityId).collect(),
            moved: self.moved.into_iter().map(ActivityId).collect(),
        })
    }
}
