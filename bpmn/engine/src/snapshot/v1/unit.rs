//! A unit of work that waits for a delegate.

use mandate_model::{ElementIndex, FlowIndex};
use serde::{Deserialize, Serialize};

use super::SnapshotError;
use super::modification::Modification;
use crate::ids::{ActivityId, WaitId};
use crate::lineage::Lineage;
use crate::listener;
use crate::unit;

#[derive(Serialize, Deserialize)]
pub(super) struct Unit {
    origin: u64,
    attempt: u32,
    retries_left: u32,
    steps: u32,
    agenda: Vec<Token>,
    call: Option<Call>,
    lineages: Vec<(u64, [u8; 32])>,
    entries: Vec<([u8; 32], u32, u32)>,
    hold: bool,
    skip_io_mappings: bool,
    skip_listeners: bool,
    modification: Option<Modification>,
    touched: Vec<u64>,
    moved: Vec<u64>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Call {
    wait: u64,
    activity: u64,
    listener: Option<(Occasion, u32)>,
}

#[derive(Serialize, Deserialize)]
enum Occasion {
    ProcessStart(Token),
    HeldStart(u64),
    Start,
    End(Vec<u32>),
    ProcessEnd,
    ProcessStartInside,
    Take(Token),
    Create(bool),
    Complete,
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
        Self {
            origin: it.origin.0,
            attempt: it.attempt,
            retries_left: it.retries_left,
            steps: it.steps,
            agenda: it.agenda.iter().map(Token::from).collect(),
            call: it.call.as_ref().map(Call::from),
            lineages: it.lineages.iter().map(|(activity, lineage)| (activity.0, lineage.0)).collect(),
            entries: it.entries.iter().map(|((lineage, element), count)| (lineage.0, element.0, *count)).collect(),
            hold: it.hold,
            skip_io_mappings: it.skip_io_mappings,
            skip_listeners: it.skip_listeners,
            modification: it.modification.as_ref().map(Modification::from),
            touched: it.touched.iter().map(|scope| scope.0).collect(),
            moved: it.moved.iter().map(|scope| scope.0).collect(),
        }
    }
}

impl Unit {
    pub(super) fn into_unit(self) -> Result<unit::Unit, SnapshotError> {
        Ok(unit::Unit {
            origin: WaitId(self.origin),
            attempt: self.attempt,
            retries_left: self.retries_left,
            steps: self.steps,
            agenda: self.agenda.into_iter().map(Token::into_token).collect(),
            call: self.call.map(Call::into_call),
            lineages: self.lineages.into_iter().map(|(activity, lineage)| (ActivityId(activity), Lineage(lineage))).collect(),
            entries: self.entries.into_iter().map(|(lineage, element, count)| ((Lineage(lineage), ElementIndex(element)), count)).collect(),
            hold: self.hold,
            skip_io_mappings: self.skip_io_mappings,
            skip_listeners: self.skip_listeners,
            modification: self.modification.map(Modification::into_underway).transpose()?,
            touched: self.touched.into_iter().map(ActivityId).collect(),
            moved: self.moved.into_iter().map(ActivityId).collect(),
        })
    }
}

impl From<&unit::Token> for Token {
    fn from(it: &unit::Token) -> Self {
        Self { element: it.element.0, scope: it.scope.0, by: it.by.map(|by| by.0), lineage: it.lineage.0 }
    }
}

impl Token {
    fn into_token(self) -> unit::Token {
        unit::Token {
            element: ElementIndex(self.element),
            scope: ActivityId(self.scope),
            by: self.by.map(FlowIndex),
            lineage: Lineage(self.lineage),
        }
    }
}

impl From<&unit::Call> for Call {
    fn from(it: &unit::Call) -> Self {
        let listener = it.listener.as_ref().map(|(occasion, next)| (Occasion::from(occasion), *next));
        Self { wait: it.wait.0, activity: it.activity.0, listener }
    }
}

impl Call {
    fn into_call(self) -> unit::Call {
        let listener = self.listener.map(|(occasion, next)| (occasion.into_occasion(), next));
        unit::Call { wait: WaitId(self.wait), activity: ActivityId(self.activity), listener }
    }
}

impl From<&listener::Occasion> for Occasion {
    fn from(it: &listener::Occasion) -> Self {
        match it {
            listener::Occasion::ProcessStart(token) => Self::ProcessStart(token.into()),
            listener::Occasion::HeldStart(activity) => Self::HeldStart(activity.0),
            listener::Occasion::Start => Self::Start,
            listener::Occasion::End(flows) => Self::End(flows.iter().map(|flow| flow.0).collect()),
            listener::Occasion::ProcessEnd => Self::ProcessEnd,
            listener::Occasion::ProcessStartInside => Self::ProcessStartInside,
            listener::Occasion::Take(token) => Self::Take(token.into()),
            listener::Occasion::Create { assigned } => Self::Create(*assigned),
            listener::Occasion::Complete => Self::Complete,
        }
    }
}

impl Occasion {
    fn into_occasion(self) -> listener::Occasion {
        match self {
            Self::ProcessStart(token) => listener::Occasion::ProcessStart(token.into_token()),
            Self::HeldStart(activity) => listener::Occasion::HeldStart(ActivityId(activity)),
            Self::Start => listener::Occasion::Start,
            Self::End(flows) => listener::Occasion::End(flows.into_iter().map(FlowIndex).collect()),
            Self::ProcessEnd => listener::Occasion::ProcessEnd,
            Self::ProcessStartInside => listener::Occasion::ProcessStartInside,
            Self::Take(token) => listener::Occasion::Take(token.into_token()),
            Self::Create(assigned) => listener::Occasion::Create { assigned },
            Self::Complete => listener::Occasion::Complete,
        }
    }
}
