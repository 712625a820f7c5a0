//! A modification that is being carried out.

use mandate_model::{ElementIndex, FlowIndex};
use serde::{Deserialize, Serialize};

use super::variables::{Variable, read, write};
use crate::ids::ActivityId;
use crate::modification::{self, Cancel, Site, StartAt, Underway};
use crate::snapshot::SnapshotError;

#[derive(Serialize, Deserialize)]
pub(super) struct Modification {
    rest: Vec<Instruction>,
    begun: u32,
    last: u64,
    canceled: bool,
}

#[derive(Serialize, Deserialize)]
enum Instruction {
    CancelActivity(u64),
    CancelTransition(u64),
    CancelAll { element: u32, body: bool, current: bool },
    StartBefore { element: u32, body: bool, with: With },
    StartTransition { flow: u32, with: With },
}

#[derive(Serialize, Deserialize)]
struct With {
    ancestor: Option<u64>,
    variables: Vec<Variable>,
    local_variables: Vec<Variable>,
}

impl From<&Underway> for Modification {
    fn from(it: &Underway) -> Self {
        Self { rest: it.rest.iter().map(Instruction::from).collect(), begun: it.begun, last: it.last, canceled: it.canceled }
    }
}

impl From<&modification::Instruction> for Instruction {
    fn from(it: &modification::Instruction) -> Self {
        match it {
            modification::Instruction::Cancel(Cancel::Activity(activity)) => Self::CancelActivity(activity.0),
            modification::Instruction::Cancel(Cancel::Transition(activity)) => Self::CancelTransition(activity.0),
            modification::Instruction::Cancel(Cancel::All { at, current }) => {
                Self::CancelAll { element: at.element.0, body: at.body, current: *current }
            }
            modification::Instruction::Start(start) => {
                let with = With {
                    ancestor: start.ancestor.map(|ancestor| ancestor.0),
                    variables: write(&start.variables),
                    local_variables: write(&start.local_variables),
                };
                match start.at {
                    StartAt::Before(site) => Self::StartBefore { element: site.element.0, body: site.body, with },
                    StartAt::Transition(flow) => Self::StartTransition { flow: flow.0, with },
                }
            }
        }
    }
}

impl Modification {
    pub(super) fn into_underway(self) -> Result<Underway, SnapshotError> {
        let rest = self.rest.into_iter().map(Instruction::into_instruction).collect::<Result<_, _>>()?;
        Ok(Underway { rest, begun: self.begun, last: self.last, canceled: self.canceled })
    }
}

impl Instruction {
    fn into_instruction(self) -> Result<modification::Instruction, SnapshotError> {
        let site = |element, body| Site { element: ElementIndex(element), body };
        let cancel = |cancel| Ok(modification::Instruction::Cancel(cancel));
        match self {
            Self::CancelActivity(activity) => cancel(Cancel::Activity(ActivityId(activity))),
            Self::CancelTransition(activity) => cancel(Cancel::Transition(ActivityId(activity))),
            Self::CancelAll { element, body, current } => cancel(Cancel::All { at: site(element, body), current }),
            Self::StartBefore { element, body, with } => with.into_start(StartAt::Before(site(element, body))),
            Self::StartTransition { flow, with } => with.into_start(StartAt::Transition(FlowIndex(flow))),
        }
    }
}

impl With {
    fn into_start(self, at: StartAt) -> Result<modification::Instruction, SnapshotError> {
        Ok(modification::Instruction::Start(modification::Start {
            at,
            ancestor: self.ancestor.map(ActivityId),
            variables: read(self.variables)?,
            local_variables: read(self.local_variables)?,
        }))
    }
}
