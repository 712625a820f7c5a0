//! A unit of work that waits for a delegate.

use std::collections::VecDeque;

use mandate_model::{ElementIndex, FlowIndex, VariableChange};
use serde::{Deserialize, Serialize};

use super::SnapshotError;
use super::modification::Modification;
use crate::ids::{ActivityId, WaitId};
use crate::lineage::Lineage;
use crate::unit;
use crate::variable::Variables;

#[derive(Serialize, Deserialize)]
pub(super) struct Unit {
    origin: u64,
    attempt: u32,
    retries_left: u32,
    steps: u32,
    agenda: Vec<Token>,
    later: Vec<(u32, Later)>,
    changes: Vec<(u64, String, u8, u64)>,
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

#[derive(Serialize, Deserialize)]
enum Later {
    Execute(u64),
    Resume(u64),
    EndScope(u64),
    Conditions(Vec<u64>),
    Signal(Vec<u64>, Variables),
}

impl From<&unit::LaterKind> for Later {
    fn from(it: &unit::LaterKind) -> Self {
        let numbers = |waits: &VecDeque<WaitId>| waits.iter().map(|wait| wait.0).collect();
        match it {
            unit::LaterKind::Execute(activity) => Self::Execute(activity.0),
            unit::LaterKind::Resume(activity) => Self::Resume(activity.0),
            unit::LaterKind::EndScope(scope) => Self::EndScope(scope.0),
            unit::LaterKind::Conditions(waits) => Self::Conditions(numbers(waits)),
            unit::LaterKind::Signal { waits, variables } => Self::Signal(numbers(waits), variables.clone()),
        }
    }
}

impl Later {
    fn into_kind(self) -> unit::LaterKind {
        let waits = |numbers: Vec<u64>| numbers.into_iter().map(WaitId).collect();
        match self {
            Self::Execute(activity) => unit::LaterKind::Execute(ActivityId(activity)),
            Self::Resume(activity) => unit::LaterKind::Resume(ActivityId(activity)),
            Self::EndScope(scope) => unit::LaterKind::EndScope(ActivityId(scope)),
            Self::Conditions(numbers) => unit::LaterKind::Conditions(waits(numbers)),
            Self::Signal(numbers, variables) => unit::LaterKind::Signal { waits: waits(numbers), variables },
        }
    }
}

const CHANGES: [VariableChange; 3] = [VariableChange::Create, VariableChange::Update, VariableChange::Delete];

impl From<&unit::Unit> for Unit {
    fn from(it: &unit::Unit) -> Self {
        let token = |token: &unit::Token| Token {
            element: token.element.0,
            scope: token.scope.0,
            by: token.by.map(|by| by.0),
            lineage: token.lineage.0,
        };
        let change = |it: &unit::Change| {
            let place = CHANGES.iter().position(|change| *change == it.kind).expect("it is a list of all changes");
            (it.scope.0, it.name.clone(), u8::try_from(place).expect("there are three"), it.last.0)
        };
        Self {
            origin: it.origin.0,
            attempt: it.attempt,
            retries_left: it.retries_left,
            steps: it.steps,
            agenda: it.agenda.iter().map(token).collect(),
            later: it.later.iter().map(|later| (u32::try_from(later.below).unwrap_or(u32::MAX), Later::from(&later.kind))).collect(),
            changes: it.changes.iter().map(change).collect(),
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
        let unknown = SnapshotError::Inconsistent("a change of a variable is unknown");
        let change = |(scope, name, change, last): (u64, String, u8, u64)| {
            let kind = *CHANGES.get(usize::from(change)).ok_or_else(|| unknown.clone())?;
            Ok(unit::Change { scope: ActivityId(scope), name, kind, last: WaitId(last) })
        };
        let later = |(below, later): (u32, Later)| unit::Later { below: below as usize, kind: later.into_kind() };
        Ok(unit::Unit {
            origin: WaitId(self.origin),
            attempt: self.attempt,
            retries_left: self.retries_left,
            steps: self.steps,
            agenda: self.agenda.into_iter().map(token).collect(),
            later: self.later.into_iter().map(later).collect(),
            changes: self.changes.into_iter().map(change).collect::<Result<_, SnapshotError>>()?,
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
