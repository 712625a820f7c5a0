//! A unit of work that waits for a delegate.

use std::collections::VecDeque;

use mandate_model::{ElementIndex, FlowIndex, VariableChange};
use serde::{Deserialize, Serialize};

use super::SnapshotError;
use super::call::News;
use super::modification::Modification;
use super::variables::{self, Variable};
use crate::EntryKey;
use crate::agenda::Agenda;
use crate::effect::EndState;
use crate::ids::{ActivityId, WaitId};
use crate::lineage::Lineage;
use crate::listener;
use crate::listener::gone::{self, Gone, InstanceEnd};
use crate::unit;

#[derive(Serialize, Deserialize)]
pub(super) struct Unit {
    origin: u64,
    attempt: u32,
    retries_left: u32,
    answer: u32,
    steps: u32,
    agenda: Vec<Token>,
    later: Vec<(u32, Later)>,
    changes: Vec<(u64, String, u8, u64)>,
    call: Option<Call>,
    lineages: Vec<(u64, [u8; 32])>,
    entries: Vec<([u8; 32], u32, u32)>,
    defers: bool,
    skip_io_mappings: bool,
    skip_listeners: bool,
    modification: Option<Modification>,
    touched: Vec<u64>,
    moved: Vec<u64>,
    transients: Vec<u64>,
    brought: Vec<(u64, u32, Vec<Variable>)>,
    untold: Vec<Untold>,
    gone: Vec<(u64, u64, u32, Vec<Variable>)>,
}

/// By activity, element and number of the listener.
#[derive(Serialize, Deserialize)]
struct Untold(u64, u32, u32, [u8; 32], Vec<(String, String)>);

#[derive(Serialize, Deserialize)]
pub(super) struct Call {
    wait: u64,
    activity: u64,
    listener: Option<(Occasion, u32)>,
}

#[derive(Serialize, Deserialize)]
enum Occasion {
    ProcessStart(Token),
    DeferredStart(u64),
    Start,
    End(Vec<u32>),
    ProcessEnd,
    ProcessStartInside,
    Take(Token),
    Create(bool),
    Complete,
    Timeout(u32),
    Update(bool),
    Assignment,
    Delete,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Token {
    element: u32,
    scope: u64,
    by: Option<u32>,
    taken: bool,
    lineage: [u8; 32],
}

#[derive(Serialize, Deserialize)]
enum Later {
    Execute(u64),
    Resume(u64),
    PassOn(u64, Vec<u32>),
    Begin(u64),
    EndScope(u64),
    Conditions(Vec<u64>),
    Signal(Vec<u64>, Vec<Variable>),
    EndInstance { news: Option<News>, state: u8, reason: Option<String> },
}

impl From<&unit::LaterKind> for Later {
    fn from(it: &unit::LaterKind) -> Self {
        let numbers = |waits: &VecDeque<WaitId>| waits.iter().map(|wait| wait.0).collect();
        match it {
            unit::LaterKind::Execute(activity) => Self::Execute(activity.0),
            unit::LaterKind::Resume(activity) => Self::Resume(activity.0),
            unit::LaterKind::PassOn(activity, flows) => Self::PassOn(activity.0, flows.iter().map(|flow| flow.0).collect()),
            unit::LaterKind::Begin(activity) => Self::Begin(activity.0),
            unit::LaterKind::EndScope(scope) => Self::EndScope(scope.0),
            unit::LaterKind::Conditions(waits) => Self::Conditions(numbers(waits)),
            unit::LaterKind::Signal { waits, variables } => Self::Signal(numbers(waits), variables::write(variables)),
            unit::LaterKind::EndInstance(end) => {
                let place = ENDS.iter().position(|state| *state == end.state).expect("it is a list of all states");
                let state = u8::try_from(place).expect("there are three");
                Self::EndInstance { news: end.news.as_ref().map(News::from), state, reason: end.reason.clone() }
            }
        }
    }
}

impl Later {
    fn into_kind(self) -> Result<unit::LaterKind, SnapshotError> {
        let waits = |numbers: Vec<u64>| numbers.into_iter().map(WaitId).collect();
        Ok(match self {
            Self::Execute(activity) => unit::LaterKind::Execute(ActivityId(activity)),
            Self::Resume(activity) => unit::LaterKind::Resume(ActivityId(activity)),
            Self::PassOn(activity, flows) => unit::LaterKind::PassOn(ActivityId(activity), flows.into_iter().map(FlowIndex).collect()),
            Self::Begin(activity) => unit::LaterKind::Begin(ActivityId(activity)),
            Self::EndScope(scope) => unit::LaterKind::EndScope(ActivityId(scope)),
            Self::Conditions(numbers) => unit::LaterKind::Conditions(waits(numbers)),
            Self::Signal(numbers, stored) => unit::LaterKind::Signal { waits: waits(numbers), variables: variables::read(stored)? },
            Self::EndInstance { news, state, reason } => {
                let unknown = SnapshotError::Inconsistent("the end of an instance is unknown");
                let state = *ENDS.get(usize::from(state)).ok_or(unknown)?;
                unit::LaterKind::EndInstance(Box::new(InstanceEnd { news: news.map(News::into_news), state, reason }))
            }
        })
    }
}

const ENDS: [EndState; 3] = [EndState::Completed, EndState::ExternallyTerminated, EndState::InternallyTerminated];

const CHANGES: [VariableChange; 3] = [VariableChange::Create, VariableChange::Update, VariableChange::Delete];

impl From<&unit::Unit> for Unit {
    fn from(it: &unit::Unit) -> Self {
        let change = |it: &unit::Change| {
            let place = CHANGES.iter().position(|change| *change == it.kind).expect("it is a list of all changes");
            (it.scope.0, it.name.clone(), u8::try_from(place).expect("there are three"), it.last.0)
        };
        Self {
            origin: it.origin.0,
            attempt: it.attempt,
            retries_left: it.retries_left,
            answer: it.answer,
            steps: it.steps,
            agenda: it.agenda.tokens().iter().map(Token::from).collect(),
            later: it
                .agenda
                .later()
                .iter()
                .map(|later| (u32::try_from(later.below).unwrap_or(u32::MAX), Later::from(&later.kind)))
                .collect(),
            changes: it.changes.iter().map(change).collect(),
            call: it.call.as_ref().map(Call::from),
            lineages: it.lineages.iter().map(|(activity, lineage)| (activity.0, lineage.0)).collect(),
            entries: it.entries.iter().map(|((lineage, element), count)| (lineage.0, element.0, *count)).collect(),
            defers: it.defers,
            skip_io_mappings: it.skip_io_mappings,
            skip_listeners: it.skip_listeners,
            modification: it.modification.as_ref().map(Modification::from),
            touched: it.touched.iter().map(|scope| scope.0).collect(),
            moved: it.moved.iter().map(|scope| scope.0).collect(),
            transients: it.transients.iter().map(|scope| scope.0).collect(),
            untold: it.untold.iter().map(|it| Untold(it.activity.0, it.element.0, it.listener, it.entry.0, it.fields.clone())).collect(),
            gone: it.gone.iter().map(|(id, it)| (id.0, it.scope.0, it.element.0, variables::write(&it.variables))).collect(),
            brought: it.brought.iter().map(|(scope, element, brought)| (scope.0, element.0, variables::write(brought))).collect(),
        }
    }
}

impl Unit {
    pub(super) fn into_unit(self) -> Result<unit::Unit, SnapshotError> {
        let unknown = SnapshotError::Inconsistent("a change of a variable is unknown");
        let change = |(scope, name, change, last): (u64, String, u8, u64)| {
            let kind = *CHANGES.get(usize::from(change)).ok_or_else(|| unknown.clone())?;
            Ok(unit::Change { scope: ActivityId(scope), name, kind, last: WaitId(last) })
        };
        let later = |(below, later): (u32, Later)| Ok(unit::Later { below: below as usize, kind: later.into_kind()? });
        let brought = |(scope, element, brought): (u64, u32, Vec<Variable>)| {
            Ok((ActivityId(scope), ElementIndex(element), variables::read(brought)?))
        };
        let gone = |(id, scope, element, stored): (u64, u64, u32, Vec<Variable>)| {
            let gone = Gone { scope: ActivityId(scope), element: ElementIndex(element), variables: variables::read(stored)? };
            Ok((ActivityId(id), gone))
        };
        Ok(unit::Unit {
            origin: WaitId(self.origin),
            attempt: self.attempt,
            retries_left: self.retries_left,
            answer: self.answer,
            steps: self.steps,
            agenda: Agenda::new(
                self.agenda.into_iter().map(Token::into_token).collect(),
                self.later.into_iter().map(later).collect::<Result<_, SnapshotError>>()?,
            ),
            changes: self.changes.into_iter().map(change).collect::<Result<_, SnapshotError>>()?,
            call: self.call.map(Call::into_call),
            lineages: self.lineages.into_iter().map(|(activity, lineage)| (ActivityId(activity), Lineage(lineage))).collect(),
            entries: self.entries.into_iter().map(|(lineage, element, count)| ((Lineage(lineage), ElementIndex(element)), count)).collect(),
            defers: self.defers,
            skip_io_mappings: self.skip_io_mappings,
            skip_listeners: self.skip_listeners,
            modification: self.modification.map(Modification::into_underway).transpose()?,
            touched: self.touched.into_iter().map(ActivityId).collect(),
            moved: self.moved.into_iter().map(ActivityId).collect(),
            transients: self.transients.into_iter().map(ActivityId).collect(),
            untold: self.untold.into_iter().map(Untold::into_untold).collect(),
            gone: self.gone.into_iter().map(gone).collect::<Result<_, SnapshotError>>()?,
            brought: self.brought.into_iter().map(brought).collect::<Result<_, SnapshotError>>()?,
        })
    }
}

impl Untold {
    fn into_untold(self) -> gone::Untold {
        let Self(activity, element, listener, entry, fields) = self;
        gone::Untold { activity: ActivityId(activity), element: ElementIndex(element), listener, entry: EntryKey(entry), fields }
    }
}

impl From<&unit::Token> for Token {
    fn from(it: &unit::Token) -> Self {
        Self { element: it.element.0, scope: it.scope.0, by: it.by.map(|by| by.0), taken: it.taken, lineage: it.lineage.0 }
    }
}

impl Token {
    fn into_token(self) -> unit::Token {
        unit::Token {
            element: ElementIndex(self.element),
            scope: ActivityId(self.scope),
            by: self.by.map(FlowIndex),
            taken: self.taken,
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
            listener::Occasion::DeferredStart(activity) => Self::DeferredStart(activity.0),
            listener::Occasion::Start => Self::Start,
            listener::Occasion::End(flows) => Self::End(flows.iter().map(|flow| flow.0).collect()),
            listener::Occasion::ProcessEnd => Self::ProcessEnd,
            listener::Occasion::ProcessStartInside => Self::ProcessStartInside,
            listener::Occasion::Take(token) => Self::Take(token.into()),
            listener::Occasion::Create { assigned } => Self::Create(*assigned),
            listener::Occasion::Complete => Self::Complete,
            listener::Occasion::Timeout { listener } => Self::Timeout(*listener),
            listener::Occasion::Update { reassigned } => Self::Update(*reassigned),
            listener::Occasion::Assignment => Self::Assignment,
            listener::Occasion::Delete => Self::Delete,
        }
    }
}

impl Occasion {
    fn into_occasion(self) -> listener::Occasion {
        match self {
            Self::ProcessStart(token) => listener::Occasion::ProcessStart(token.into_token()),
            Self::DeferredStart(activity) => listener::Occasion::DeferredStart(ActivityId(activity)),
            Self::Start => listener::Occasion::Start,
            Self::End(flows) => listener::Occasion::End(flows.into_iter().map(FlowIndex).collect()),
            Self::ProcessEnd => listener::Occasion::ProcessEnd,
            Self::ProcessStartInside => listener::Occasion::ProcessStartInside,
            Self::Take(token) => listener::Occasion::Take(token.into_token()),
            Self::Create(assigned) => listener::Occasion::Create { assigned },
            Self::Complete => listener::Occasion::Complete,
            Self::Timeout(listener) => listener::Occasion::Timeout { listener },
            Self::Update(reassigned) => listener::Occasion::Update { reassigned },
            Self::Assignment => listener::Occasion::Assignment,
            Self::Delete => listener::Occasion::Delete,
        }
    }
}
