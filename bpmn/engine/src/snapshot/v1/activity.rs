//! An activity of the tree, with its variables.

use std::borrow::Cow;
use std::sync::Arc;

use mandate_model::{ElementIndex, FlowIndex};
use serde::{Deserialize, Serialize};

use super::Texts;
use super::waits::{event_number, event_of};
use crate::all_of::{self, Again};
use crate::ids::ActivityId;
use crate::instance;
use crate::snapshot::{PartId, SnapshotError};
use crate::variable::{self, Variables};
use crate::wait::Awaited;

#[derive(Serialize, Deserialize)]
pub(super) struct Activity<'a> {
    pub(super) id: u64,
    parent: Option<u64>,
    element: u32,
    since: i64,
    phase: Phase,
    role: Role,
    variables: Vec<Variable<'a>>,
    parts: Vec<(u32, Part)>,
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

/// What has become of a part of an event.
#[derive(Serialize, Deserialize)]
pub(super) enum Part {
    Expected,
    Thrown,
    Passed,
    Event { kind: u8, name: String, correlation_key: Option<String> },
    Date { cycle: String, fired: i64, priority: i64 },
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
            parts: it.parts.iter().map(|(event, part)| (event.0, Part::from(part))).collect(),
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
            parts: self.parts.into_iter().map(|(event, part)| Ok((ElementIndex(event), part.into_part()?))).collect::<Result<_, _>>()?,
            apart,
        })
    }
}

impl From<&all_of::Part> for Part {
    fn from(it: &all_of::Part) -> Self {
        match it {
            all_of::Part::Expected => Part::Expected,
            all_of::Part::Happened(Again::Thrown) => Part::Thrown,
            all_of::Part::Happened(Again::Passed) => Part::Passed,
            all_of::Part::Happened(Again::Event(Awaited { kind, name, correlation_key })) => {
                Part::Event { kind: event_number(*kind), name: name.clone(), correlation_key: correlation_key.clone() }
            }
            all_of::Part::Happened(Again::Date { cycle, fired, priority }) => {
                Part::Date { cycle: cycle.clone(), fired: *fired, priority: *priority }
            }
        }
    }
}

impl Part {
    fn into_part(self) -> Result<all_of::Part, SnapshotError> {
        let again = match self {
            Part::Expected => return Ok(all_of::Part::Expected),
            Part::Thrown => Again::Thrown,
            Part::Passed => Again::Passed,
            Part::Event { kind, name, correlation_key } => Again::Event(Awaited { kind: event_of(kind)?, name, correlation_key }),
            Part::Date { cycle, fired, priority } => Again::Date { cycle, fired, priority },
        };
        Ok(all_of::Part::Happened(again))
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
