//! An activity of the tree, with its variables.

use std::borrow::Cow;
use std::sync::Arc;

use mandate_model::{ElementIndex, FlowIndex};
use serde::{Deserialize, Serialize};

use super::Texts;
use crate::ids::ActivityId;
use crate::instance;
use crate::snapshot::{PartId, SnapshotError};
use crate::variable::{self, Variables};

#[derive(Serialize, Deserialize)]
pub(super) struct Activity<'a> {
    pub(super) id: u64,
    parent: Option<u64>,
    element: u32,
    since: i64,
    phase: Phase,
    role: Role,
    variables: Vec<Variable<'a>>,
}

#[derive(Serialize, Deserialize)]
pub(super) enum Role {
    Element,
    Body { instances: u32, begun: u32, ended: u32, canceled: u32, first: Option<u64> },
    Inner { index: u32 },
    Result { index: u32 },
    Completed,
    EventScope { of: u64 },
    Compensating { of: u64 },
}

#[derive(Serialize, Deserialize)]
pub(super) enum Phase {
    Before { by: Option<u32> },
    Active { by: Option<u32> },
    Joining { by: u32 },
    After { flow: Option<u32> },
    Gathering { tokens: u32 },
    Spent { by: u32 },
    Enabled { chosen: bool },
}

#[derive(Serialize, Deserialize)]
pub(super) struct Variable<'a> {
    name: Cow<'a, str>,
    kind: u8,
    /// None: it is a part of its own.
    json: Option<Cow<'a, str>>,
}

impl<'a> From<&'a instance::Activity> for Activity<'a> {
    fn from(it: &'a instance::Activity) -> Self {
        Self {
            id: it.id.0,
            parent: it.parent.map(|parent| parent.0),
            element: it.element.0,
            since: it.since,
            phase: match it.phase {
                instance::Phase::Before { by } => Phase::Before { by: by.map(|by| by.0) },
                instance::Phase::Active { by } => Phase::Active { by: by.map(|by| by.0) },
                instance::Phase::Joining { by } => Phase::Joining { by: by.0 },
                instance::Phase::After { flow } => Phase::After { flow: flow.map(|flow| flow.0) },
                instance::Phase::Gathering { tokens } => Phase::Gathering { tokens },
                instance::Phase::Spent { by } => Phase::Spent { by: by.0 },
                instance::Phase::Enabled { chosen } => Phase::Enabled { chosen },
            },
            role: match it.role {
                instance::Role::Element => Role::Element,
                instance::Role::Body(instance::Body { instances, begun, ended, canceled, first }) => {
                    Role::Body { instances, begun, ended, canceled, first: first.map(|first| first.0) }
                }
                instance::Role::Inner { index } => Role::Inner { index },
                instance::Role::Result { index } => Role::Result { index },
                instance::Role::Completed => Role::Completed,
                instance::Role::EventScope { of } => Role::EventScope { of: of.0 },
                instance::Role::Compensating { of } => Role::Compensating { of: of.0 },
            },
            variables: it
                .variables
                .iter()
                .map(|(name, value)| Variable {
                    name: Cow::Borrowed(name),
                    kind: kind_number(value),
                    json: (!instance::is_large(name, value)).then(|| Cow::Borrowed(&*value.json)),
                })
                .collect(),
        }
    }
}

impl Activity<'_> {
    pub(super) fn into_activity(self, apart: bool, texts: &mut Texts) -> Result<instance::Activity, SnapshotError> {
        let mut variables = Variables::new();
        for Variable { name, kind, json } in self.variables {
            let name = name.into_owned();
            let part = || PartId { activity: ActivityId(self.id), variable: name.clone() };
            let json = json.map(Arc::from).or_else(|| texts.remove(&part()));
            let json = json.ok_or(SnapshotError::Inconsistent("a large variable has no part"))?;
            variables.insert(name, variable_of(kind, json)?);
        }
        Ok(instance::Activity {
            id: ActivityId(self.id),
            parent: self.parent.map(ActivityId),
            element: ElementIndex(self.element),
            since: self.since,
            phase: match self.phase {
                Phase::Before { by } => instance::Phase::Before { by: by.map(FlowIndex) },
                Phase::Active { by } => instance::Phase::Active { by: by.map(FlowIndex) },
                Phase::Joining { by } => instance::Phase::Joining { by: FlowIndex(by) },
                Phase::After { flow } => instance::Phase::After { flow: flow.map(FlowIndex) },
                Phase::Gathering { tokens } => instance::Phase::Gathering { tokens },
                Phase::Spent { by } => instance::Phase::Spent { by: FlowIndex(by) },
                Phase::Enabled { chosen } => instance::Phase::Enabled { chosen },
            },
            role: match self.role {
                Role::Element => instance::Role::Element,
                Role::Body { instances, begun, ended, canceled, first } => {
                    instance::Role::Body(instance::Body { instances, begun, ended, canceled, first: first.map(ActivityId) })
                }
                Role::Inner { index } => instance::Role::Inner { index },
                Role::Result { index } => instance::Role::Result { index },
                Role::Completed => instance::Role::Completed,
                Role::EventScope { of } => instance::Role::EventScope { of: ActivityId(of) },
                Role::Compensating { of } => instance::Role::Compensating { of: ActivityId(of) },
            },
            variables,
            apart,
        })
    }
}

/// A variable's type is its place in this list.
const KINDS: [variable::VariableKind; 8] = {
    use variable::VariableKind::{Boolean, Date, Double, Integer, Json, Long, Null, String};
    [Null, String, Integer, Long, Double, Boolean, Date, Json]
};

/// Added to the number of a type: the variable is there for the unit of work only, which no host stores.
const TRANSIENT: u8 = 0x80;

pub(super) fn kind_number(variable: &variable::Variable) -> u8 {
    let place = KINDS.iter().position(|it| *it == variable.kind).expect("every type is in the list");
    let number = u8::try_from(place).expect("there are fewer types than that");
    if variable.transient { number | TRANSIENT } else { number }
}

pub(super) fn variable_of(number: u8, json: Arc<str>) -> Result<variable::Variable, SnapshotError> {
    let kind = KINDS.get(usize::from(number & !TRANSIENT)).ok_or(SnapshotError::Inconsistent("a variable's type is unknown"))?;
    Ok(variable::Variable { transient: number & TRANSIENT != 0, ..variable::Variable::new(*kind, json) })
}
