//! Process instance modification: what is active is changed by hand (Camunda 7's user guide, "Process Instance Modification";
//! `ModifyProcessInstanceCmd`).
//!
//! Instructions are carried out one after the other in one unit of work, each with everything that follows from it until nothing moves; so
//! their order matters: a scope that loses its last token to a cancellation is gone before the next instruction begins, which then makes a
//! new one. Only the process itself stays until the last instruction is done: it ends then if nothing is left in it. Inclusive joins are
//! looked at when all instructions are done.
//!
//! - **Cancelling** takes an instance with everything inside, and those around it that have nothing else inside.
//! - **Starting** happens in the nearest scope around the element that is active; those between the two are made, without their start
//!   events, and with their boundary events and event sub-processes armed. If there are several such scopes the instruction must name one.
//!
//! What cannot be known beforehand, because it follows from the instructions before, fails the unit: nothing is stored then either.
//!
//! # What a command may hang on
//! A modification names no wait: repeated without a key, it is done again. So nothing that it leads to may send a command, or two hosts, or
//! two attempts, could send it under two keys. A modification that comes to a delegate with commands is *deferred*: each token stops where
//! it would enter an element, with a job, and what that job sends has the job's keys. So it is in an instance that is suspended. A
//! listener's delegate that such a unit comes to has no wait to stand at: the unit fails. Without commands, keys begin with the number of
//! the modification, which counts those that were stored and nothing else.

mod plan;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use mandate_model::{ElementIndex, ElementKind, FlowIndex, ProcessDefinition};

use crate::Code;
use crate::call::News;
use crate::effect::{Effect, EndState, HistoryEvent};
use crate::ids::{ActivityId, WaitId};
use crate::input::{Chain, Failure};
use crate::instance::{Activity, Body, Instance, Phase, Role, State};
use crate::join::{Place, reachable};
use crate::lineage::Lineage;
use crate::listener::Occasion;
use crate::step::Machine;
use crate::unit::Token;
use crate::variable::Variables;

pub use plan::Misfit;
use plan::{Level, Plan, activity_of, plan};
pub(crate) use plan::{check, check_named};

/// Why an instance has ended of which a modification has left nothing; Camunda 7's words.
const NOTHING_LEFT: &str = "Cancellation due to process instance modification";

/// What is to be changed, in this order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Modification {
    /// One after the other.
    pub instructions: Vec<Instruction>,
    /// Input and output mappings of all that begins or ends in this unit of work are left out.
    pub skip_io_mappings: bool,
    /// Listeners of all that begins, is taken or ends in this unit of work are not called.
    pub skip_listeners: bool,
    /// What it leads to.
    pub chain: Chain,
    /// Digest of the key under which somebody asks for it: asked for again under the same key, it is not done again. An instance remembers
    /// the last one.
    pub key: Option<[u8; 32]>,
}

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub enum Instruction {
    /// End something before its time.
    Cancel(Cancel),
    /// Let a token begin somewhere.
    Start(Start),
}

/// What to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cancel {
    /// An activity instance, with everything inside; of the process itself everything inside.
    Activity(ActivityId),
    /// What waits for a job before its element or behind it.
    Transition(ActivityId),
    /// All that is at an element, of either kind.
    All {
        /// The element; none of which there is nothing.
        at: Site,
        /// Only what was there before the first instruction.
        current: bool,
    },
}

/// An element as activity instances are of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The element.
    pub element: ElementIndex,
    /// Of a multi-instance activity its body (Camunda's `id#multiInstanceBody`) rather than each of its instances.
    pub body: bool,
}

/// Where a token begins, and with what.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// Where.
    pub at: StartAt,
    /// Inside of which scope; none: the nearest one that is active.
    pub ancestor: Option<ActivityId>,
    /// Variables to set before, in the nearest scope that has the name already, else in the process.
    pub variables: Variables,
    /// Variables of the activity instance that begins.
    pub local_variables: Variables,
}

/// Where a token begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// Before an element, as if a flow had led to it. Of a multi-instance activity one more instance, or all of them with their body.
    Before(Site),
    /// On a sequence flow, whatever its condition says.
    Transition(FlowIndex),
}

/// What becomes of the outputs of what is cancelled.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OutputMapping {
    /// They are mapped, unless the modification skips mappings.
    Done,
    /// They are gone with it.
    Skipped,
}

impl StartAt {
    /// The element that is entered.
    pub fn element(self, definition: &ProcessDefinition) -> ElementIndex {
        match self {
            StartAt::Before(site) => site.element,
            StartAt::Transition(flow) => definition.flow(flow).target,
        }
    }
}

/// A modification while its unit of work runs.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Underway {
    /// Instructions to come.
    pub rest: VecDeque<Instruction>,
    /// How many have been begun.
    pub begun: u32,
    /// The last number that was given before the first.
    pub last: u64,
    /// What took the last token out of the process was a cancellation.
    pub canceled: bool,
}

impl Underway {
    /// Whether what is to come names elements and flows of this definition.
    pub(crate) fn fits(&self, definition: &ProcessDefinition) -> bool {
        let element = |index: ElementIndex| (index.0 as usize) < definition.elements.len();
        self.rest.iter().all(|instruction| match instruction {
            Instruction::Start(Start { at: StartAt::Before(site), .. }) | Instruction::Cancel(Cancel::All { at: site, .. }) => {
                element(site.element)
            }
            Instruction::Start(Start { at: StartAt::Transition(flow), .. }) => (flow.0 as usize) < definition.flows.len(),
            Instruction::Cancel(Cancel::Activity(_) | Cancel::Transition(_)) => true,
        })
    }
}

impl Site {
    /// Whether an activity instance is one of these, whatever its phase.
    fn has(self, definition: &ProcessDefinition, activity: &Activity) -> bool {
        let several = definition.element(self.element).multi_instance.is_some();
        activity.element == self.element
            && match activity.role {
                Role::Element => true,
                Role::Body(_) => self.body,
                Role::Inner { .. } => several && !self.body,
                Role::Result { .. } | Role::Completed | Role::EventScope { .. } | Role::Compensating { .. } => false,
            }
    }
}

impl Machine<'_> {
    /// Takes up a modification; [`next_instruction`](Self::next_instruction) goes on from there.
    pub(crate) fn modify(&mut self, modification: Modification) {
        self.unit.defers = modification.chain.is_deferred() || self.instance.suspended;
        self.unit.skip_io_mappings = modification.skip_io_mappings;
        self.unit.skip_listeners = modification.skip_listeners;
        let rest = modification.instructions.into();
        self.unit.modification = Some(Underway { rest, begun: 0, last: self.instance.last, canceled: false });
    }

    /// Begins an instance at what the instructions start (Camunda `StartProcessInstanceAtActivitiesCmd`).
    pub(crate) fn start_at(&mut self, variables: Variables, modification: Modification) -> Result<(), Failure> {
        let first = modification.instructions.iter().find_map(|instruction| match instruction {
            Instruction::Start(start) => Some(start.at.element(self.definition)),
            Instruction::Cancel(_) => None,
        });
        let element = first.expect("admit::check found one");
        self.open_instance(element, variables)?;
        self.modify(modification);
        self.notify(self.instance.root(), Occasion::ProcessStartInside)
    }

    /// Carries out the next instruction, when all that followed from the one before stands. Whether there was one. When there is no more,
    /// and nothing is left in the process, the instance ends.
    pub(crate) fn next_instruction(&mut self) -> Result<bool, Failure> {
        let Some(underway) = &mut self.unit.modification else { return Ok(false) };
        let Some(instruction) = underway.rest.pop_front() else {
            let canceled = underway.canceled;
            self.unit.modification = None;
            if self.instance.state == State::Active && self.instance.children(self.instance.root()).next().is_none() {
                if canceled {
                    let reason = Some(NOTHING_LEFT.to_owned());
                    self.tell_caller(News::Deleted { reason: reason.clone() });
                    self.end_instance(EndState::ExternallyTerminated, reason);
                } else {
                    self.notify(self.instance.root(), Occasion::ProcessEnd)?;
                }
            }
            return Ok(false);
        };
        let (nth, last) = (underway.begun, underway.last);
        underway.begun += 1;
        self.unit.steps += 1;
        match instruction {
            Instruction::Cancel(cancel) => self.cancel_by_hand(nth, cancel, last)?,
            Instruction::Start(start) => self.start_by_hand(nth, start)?,
        }
        Ok(true)
    }

    fn cancel_by_hand(&mut self, nth: u32, cancel: Cancel, last: u64) -> Result<(), Failure> {
        check(self.definition, self.instance, &Instruction::Cancel(cancel)).map_err(|misfit| refused(nth, &misfit))?;
        match cancel {
            Cancel::Activity(activity) => {
                let found = activity_of(self.instance, activity).map(|it| it.id);
                self.cancel_outward(found.expect("it was just looked for"), OutputMapping::Done)?;
            }
            Cancel::Transition(activity) => {
                self.cancel_outward(activity, OutputMapping::Done)?;
            }
            Cancel::All { at, current } => {
                let is_one = |it: &&Activity| at.has(self.definition, it) && (!current || it.id.0 <= last);
                let all: Vec<_> = self.instance.activities().filter(is_one).map(|it| it.id).collect();
                for activity in all {
                    // One inside another is gone with it.
                    if self.instance.activity(activity).is_some() {
                        self.cancel_outward(activity, OutputMapping::Done)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Cancels an activity with those around it that it leaves empty; the process itself stays (Camunda `AbstractInstanceCancellationCmd`).
    /// A body of which no instance is left to end is empty, too. Whether it has left nothing in the process.
    pub(crate) fn cancel_outward(&mut self, activity: ActivityId, outputs: OutputMapping) -> Result<bool, Failure> {
        let root = self.instance.root();
        let mut outermost = activity;
        while let Some(scope) = self.instance.at(outermost).parent.filter(|scope| *scope != root && self.holds_only(*scope, outermost)) {
            outermost = scope;
        }
        let around = self.instance.at(outermost).parent.map(|scope| (scope, self.instance.at(outermost).role));
        let skips = self.unit.skip_io_mappings;
        self.unit.skip_io_mappings |= outputs == OutputMapping::Skipped;
        match around {
            None => self.cancel_children(root),
            Some(_) => self.cancel(outermost),
        }
        self.unit.skip_io_mappings = skips;
        let nothing_left = self.instance.children(root).next().is_none();
        if let Some(underway) = &mut self.unit.modification {
            underway.canceled |= nothing_left;
        }
        let Some((scope, role)) = around else { return Ok(nothing_left) };
        // What undoes an instance stands in its body as well, and is none of those.
        if let Role::Inner { .. } = role {
            self.uncount(scope)?;
        }
        // One that is done with that goes on, and maps what it has.
        if let Some(ad_hoc) = self.ad_hoc(scope) {
            self.continue_ad_hoc(scope, ad_hoc)?;
        }
        Ok(nothing_left)
    }

    /// Whether nothing else is left to end in a scope. Bodies count, and keep results: nobody walks over ten thousand of these for each
    /// instance.
    fn holds_only(&self, scope: ActivityId, child: ActivityId) -> bool {
        match self.instance.at(scope).role {
            // A sequence has one at a time.
            Role::Body(body) => body.first.is_none() || body.active() <= 1,
            _ => self.instance.children(scope).all(|it| it == child),
        }
    }

    /// An instance of a body has been cancelled, if the scope is one: the body waits for it no longer, and has no result of it.
    fn uncount(&mut self, scope: ActivityId) -> Result<(), Failure> {
        let it = self.instance.at(scope);
        let Role::Body(body) = it.role else { return Ok(()) };
        let body = Body { canceled: body.canceled + 1, ..body };
        self.instance.set_body(scope, body);
        self.show_active(scope, body)
    }

    fn start_by_hand(&mut self, nth: u32, start: Start) -> Result<(), Failure> {
        let plan = plan(self.definition, self.instance, &start).map_err(|misfit| refused(nth, &misfit))?;
        let Plan { mut scope, open, interrupted, watched } = plan;
        let lineage = self.unit.lineage(self.instance.id, self.instance.root()).instruction(nth);
        self.reconsider_joins(scope);
        self.unit.touch(scope);
        if let Some(activity) = interrupted {
            self.cancel(activity);
        }
        for level in open {
            if watched == Some(level.element) {
                self.interrupt(scope);
            }
            scope = self.open_scope(level, scope, lineage)?;
        }
        let element = start.at.element(self.definition);
        if watched == Some(element) {
            self.interrupt(scope);
        }
        self.set_variables(scope, start.variables).map_err(|failure| failure.at(element))?;
        if matches!(self.instance.at(scope).role, Role::Body(_)) {
            let activity = self.add_instance(scope)?;
            return self.enter_instance(activity, start.local_variables, lineage);
        }
        let by = match start.at {
            StartAt::Transition(flow) => Some(flow),
            StartAt::Before(site) => self.flow_into(scope, site.element),
        };
        self.enter_with(Token { element, scope, by, taken: false, lineage }, start.local_variables)
    }

    /// What an interrupting event sub-process does when its start event is triggered.
    fn interrupt(&mut self, scope: ActivityId) {
        self.cancel_children(scope);
        self.disarm_event_sub_processes(scope);
    }

    /// Makes a scope that is missing above what is started, without its start event and without calling its start listeners.
    fn open_scope(&mut self, level: Level, scope: ActivityId, lineage: Lineage) -> Result<ActivityId, Failure> {
        let element = level.element;
        let activity = if let Role::Body(_) = self.instance.at(scope).role {
            let activity = self.add_instance(scope)?;
            self.instance.set_phase(activity, Phase::Active { by: None });
            activity
        } else {
            self.place(element, scope, Phase::Active { by: None })?
        };
        let body = matches!(self.instance.at(activity).role, Role::Body(_));
        self.unit.lineages.insert(activity, lineage);
        self.record(HistoryEvent::ActivityStarted { activity, parent: scope, element, body });
        self.map_inputs(activity, element)?;
        self.arm_conditions(activity);
        self.arm_boundary_events(activity)?;
        self.arm_event_sub_processes(activity)?;
        // What the instruction starts inside of it goes first.
        self.ask_later(self.conditions_of(activity, |_| true))?;
        Ok(activity)
    }

    /// By which flow a token comes to a join that begins before it: of those by which nobody has come, or is about to after a job, the
    /// first on which nothing can arrive any more, or else the first. Camunda 7 counts tokens, and asks by which flow no one came.
    fn flow_into(&self, scope: ActivityId, element: ElementIndex) -> Option<FlowIndex> {
        let gateway = self.definition.element(element);
        if !matches!(gateway.kind, ElementKind::ParallelGateway | ElementKind::InclusiveGateway | ElementKind::ComplexGateway(_)) {
            return None;
        }
        let index = &self.instance.index;
        let arrivals = index.joins.get(&(scope, element));
        let has_come = |flow: &FlowIndex| {
            arrivals.is_some_and(|arrivals| arrivals.contains_key(flow)) || index.places.contains_key(&(scope, Place::Flow(*flow)))
        };
        let flows = reachable(self.definition, self.instance, scope);
        let missing = || gateway.incoming.iter().copied().filter(|flow| !has_come(flow));
        let lost = missing().find(|flow| !flows[flow.0 as usize]);
        lost.or_else(|| missing().next()).or_else(|| gateway.incoming.first().copied())
    }

    /// A token begins in a scope: joins of which it was said that they can never be complete are looked at anew when nothing moves.
    fn reconsider_joins(&mut self, scope: ActivityId) {
        let all = (scope, ElementIndex(0))..=(scope, ElementIndex(u32::MAX));
        let lost: Vec<_> = self.instance.index.join_incidents.range(all).map(|(join, incident)| (*join, *incident)).collect();
        for (join, incident) in lost {
            self.instance.index.join_incidents.remove(&join);
            self.instance.incidents.remove(&incident);
            self.effects.push(Effect::ResolveIncident(incident));
        }
    }
}

/// The number that begins the keys of an instance's next modification. Waits count up from 1, modifications down from the largest number:
/// neither comes to the other.
pub(crate) fn origin(instance: &Instance) -> WaitId {
    WaitId(u64::MAX - instance.modifications)
}

fn refused(nth: u32, misfit: &Misfit) -> Failure {
    let message = format!("instruction {}: {misfit}", nth + 1);
    Failure::of_unit(Code::ModificationRefused, message, crate::Retry::Never)
}
