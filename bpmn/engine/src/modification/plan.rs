//! Where an instruction leads, found out before anything changes.

use mandate_model::{Element, ElementIndex, ElementKind, EventTrigger, FlowIndex, ProcessDefinition, ROOT};

use super::{Cancel, Instruction, Site, Start, StartAt};
use crate::ids::ActivityId;
use crate::instance::{Activity, Instance, Phase, Role};

/// Why an instruction does not fit the instance or its model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// There is no such activity instance, or it is over.
    #[error("there is no activity instance with number {}", .activity.0)]
    NoSuchActivity {
        /// The number.
        activity: ActivityId,
    },
    /// There is no such transition instance, or its job has run.
    #[error("there is no transition instance with number {}", .activity.0)]
    NoSuchTransition {
        /// The number.
        activity: ActivityId,
    },
    /// The named ancestor has completed, and is being compensated.
    #[error("activity instance {} has completed and is being compensated: nothing can be started in it", .activity.0)]
    Compensating {
        /// The ancestor.
        activity: ActivityId,
    },
    /// The definition has no such element or flow, or it is the process itself.
    #[error("the process has no such element or sequence flow")]
    NoSuchElement,
    /// Only a multi-instance activity has a body.
    #[error("'{element}' is no multi-instance activity and has no body")]
    NoBody {
        /// The activity.
        element: String,
    },
    /// It begins when something is compensated, and by nothing else: by hand it would interrupt what runs.
    #[error("'{element}' begins when something that has completed is compensated; it cannot be started")]
    Undoes {
        /// The boundary event, the event sub-process, or its start event.
        element: String,
    },
    /// A gateway that instantiates is never entered: one of the events behind it starts the process.
    #[error("'{element}' only starts the process; start one of the events behind it")]
    Instantiates {
        /// The gateway.
        element: String,
    },
    /// The named ancestor is no scope around what is started.
    #[error("activity instance {} is no scope around '{element}'", .ancestor.0)]
    NotAround {
        /// The ancestor.
        ancestor: ActivityId,
        /// What is started.
        element: String,
    },
    /// Several instances of the nearest scope are active.
    #[error("the scope of '{element}' is ambiguous: {count} instances of {scope} are active; name one as the ancestor")]
    AmbiguousScope {
        /// What is started.
        element: String,
        /// The scope.
        scope: String,
        /// How many.
        count: usize,
    },
    /// An interrupting boundary event is started, and several instances of its activity are active.
    #[error("which instance of '{activity}' the event '{event}' interrupts is ambiguous: {count} are active")]
    AmbiguousActivity {
        /// The event.
        event: String,
        /// Its activity.
        activity: String,
        /// How many.
        count: usize,
    },
    /// A sequence has an instance already.
    #[error("'{element}' is sequential: its instances are not concurrent, and one is active")]
    Sequential {
        /// The multi-instance activity.
        element: String,
    },
    /// An instance that begins has nothing to cancel.
    #[error("an instance begins with starts only")]
    NotAStart,
}

/// A scope level above what is started: an element, or one of the two levels that a multi-instance activity has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Level {
    pub element: ElementIndex,
    kind: LevelKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LevelKind {
    Element,
    Body,
    Inner,
}

impl Level {
    fn name(self, definition: &ProcessDefinition) -> String {
        let id = &definition.element(self.element).id;
        if self.kind == LevelKind::Body { format!("the body of '{id}'") } else { format!("'{id}'") }
    }

    fn is(self, activity: &Activity) -> bool {
        activity.element == self.element
            && matches!(activity.phase, Phase::Active { .. })
            && matches!(
                (self.kind, activity.role),
                (LevelKind::Element, Role::Element) | (LevelKind::Body, Role::Body(_)) | (LevelKind::Inner, Role::Inner { .. })
            )
    }
}

/// What starting comes to.
pub(super) struct Plan {
    /// The scope that is there.
    pub scope: ActivityId,
    /// Those that are to be made in it, one inside the other.
    pub open: Vec<Level>,
    /// The activity that the boundary event interrupts which is started.
    pub interrupted: Option<ActivityId>,
    /// The event sub-process which interrupts the scope in which it is made.
    pub watched: Option<ElementIndex>,
}

/// Whether an instruction fits the instance as it is now.
pub(crate) fn check(definition: &ProcessDefinition, instance: &Instance, instruction: &Instruction) -> Result<(), Misfit> {
    match instruction {
        Instruction::Cancel(Cancel::Activity(activity)) => {
            activity_of(instance, *activity).map(drop).ok_or(Misfit::NoSuchActivity { activity: *activity })
        }
        Instruction::Cancel(Cancel::Transition(activity)) => {
            let it = instance.activity(*activity).filter(|it| !it.role.is_past());
            let is_there = it.is_some_and(|it| matches!(it.phase, Phase::Before { .. } | Phase::After { .. }));
            if is_there { Ok(()) } else { Err(Misfit::NoSuchTransition { activity: *activity }) }
        }
        Instruction::Cancel(Cancel::All { at, .. }) => check_site(definition, *at),
        Instruction::Start(start) => plan(definition, instance, start).map(drop),
    }
}

/// Whether an instruction can fit whatever the instructions before it do: they can make nothing that it could name.
pub(crate) fn check_named(definition: &ProcessDefinition, instance: &Instance, instruction: &Instruction) -> Result<(), Misfit> {
    match instruction {
        Instruction::Cancel(_) => check(definition, instance, instruction),
        Instruction::Start(start) => levels(definition, start).and_then(|levels| above(definition, instance, start, &levels).map(drop)),
    }
}

/// The activity instance that people know under a number. One that has completed and is being compensated they know under the number that
/// it had.
pub(super) fn activity_of(instance: &Instance, activity: ActivityId) -> Option<&Activity> {
    live(instance, activity).or_else(|| instance.activities().find(|it| is_compensating(it, activity)))
}

fn is_compensating(activity: &Activity, number: ActivityId) -> bool {
    matches!(activity.role, Role::Compensating { of } if of == number)
}

fn live(instance: &Instance, activity: ActivityId) -> Option<&Activity> {
    instance.activity(activity).filter(|it| it.phase.is_live())
}

fn check_site(definition: &ProcessDefinition, site: Site) -> Result<(), Misfit> {
    let Some(element) = definition.elements.get(site.element.0 as usize).filter(|_| site.element != ROOT) else {
        return Err(Misfit::NoSuchElement);
    };
    if site.body && element.multi_instance.is_none() { Err(Misfit::NoBody { element: element.id.to_string() }) } else { Ok(()) }
}

/// Finds the scope in which a start happens (Camunda `AbstractInstantiationCmd`).
pub(super) fn plan(definition: &ProcessDefinition, instance: &Instance, start: &Start) -> Result<Plan, Misfit> {
    let levels = levels(definition, start)?;
    let element = start.at.element(definition);
    let id = || definition.element(element).id.to_string();
    let (scope, there) = match above(definition, instance, start, &levels)? {
        Some(found) => found,
        None => nearest(instance, &levels).map_err(|(level, count)| Misfit::AmbiguousScope {
            element: id(),
            scope: level.name(definition),
            count,
        })?,
    };
    let around = instance.at(scope);
    let sequential = definition.element(around.element).multi_instance.as_ref().is_some_and(|each| each.sequential);
    if sequential && matches!(around.role, Role::Body(_)) {
        return Err(Misfit::Sequential { element: definition.element(around.element).id.to_string() });
    }
    let open = levels[there..].to_vec();
    let interrupted = if open.is_empty() { interrupted(definition, instance, scope, start.at)? } else { None };
    Ok(Plan { scope, open, interrupted, watched: watched(definition, start.at) })
}

/// The levels between the process and what is started, from the outside in.
fn levels(definition: &ProcessDefinition, start: &Start) -> Result<Vec<Level>, Misfit> {
    let (around, body) = match start.at {
        StartAt::Before(site) => {
            check_site(definition, site)?;
            let element = definition.element(site.element);
            if is_compensation(definition, &element.kind) {
                return Err(Misfit::Undoes { element: element.id.to_string() });
            }
            if instantiates(definition, element) {
                return Err(Misfit::Instantiates { element: element.id.to_string() });
            }
            let inner = element.multi_instance.is_some() && !site.body;
            (element.parent, inner.then_some(Level { element: site.element, kind: LevelKind::Body }))
        }
        StartAt::Transition(flow) => {
            let flow = definition.flows.get(flow.0 as usize).ok_or(Misfit::NoSuchElement)?;
            (definition.element(flow.source).parent, None)
        }
    };
    let mut levels: Vec<_> = body.into_iter().collect();
    let mut around = around;
    while let Some(element) = around.filter(|element| *element != ROOT) {
        let scope = definition.element(element);
        let kinds: &[_] = if scope.multi_instance.is_some() { &[LevelKind::Inner, LevelKind::Body] } else { &[LevelKind::Element] };
        levels.extend(kinds.iter().map(|kind| Level { element, kind: *kind }));
        around = scope.parent;
    }
    levels.reverse();
    Ok(levels)
}

/// Whether an element is an event-based gateway with `instantiate="true"`: what stands behind it are start events.
fn instantiates(definition: &ProcessDefinition, element: &Element) -> bool {
    let is_start = |flow: &FlowIndex| matches!(definition.element(definition.flow(*flow).target).kind, ElementKind::StartEvent(_));
    matches!(element.kind, ElementKind::EventBasedGateway) && element.outgoing.iter().any(is_start)
}

/// The scope that the instruction names, with the number of levels that are there.
fn above(
    definition: &ProcessDefinition,
    instance: &Instance,
    start: &Start,
    levels: &[Level],
) -> Result<Option<(ActivityId, usize)>, Misfit> {
    let Some(ancestor) = start.ancestor else { return Ok(None) };
    if ancestor == instance.root() {
        return Ok(Some((ancestor, 0)));
    }
    let activity = activity_of(instance, ancestor).ok_or(Misfit::NoSuchActivity { activity: ancestor })?;
    if is_compensating(activity, ancestor) {
        return Err(Misfit::Compensating { activity: ancestor });
    }
    let level = levels.iter().position(|level| level.is(activity));
    let element = || definition.element(start.at.element(definition)).id.to_string();
    level.map(|level| Some((ancestor, level + 1))).ok_or_else(|| Misfit::NotAround { ancestor, element: element() })
}

/// The nearest scope that is there, with the number of levels that are; the level and the number of its scopes, if they are several.
fn nearest(instance: &Instance, levels: &[Level]) -> Result<(ActivityId, usize), (Level, usize)> {
    for (depth, level) in levels.iter().enumerate().rev() {
        let mut scopes = instance.activities().filter(|it| level.is(it)).map(|it| it.id);
        if let Some(scope) = scopes.next() {
            return match scopes.count() {
                0 => Ok((scope, depth + 1)),
                others => Err((*level, others + 1)),
            };
        }
    }
    Ok((instance.root(), 0))
}

/// The activity that goes when the boundary event begins which is started.
fn interrupted(definition: &ProcessDefinition, instance: &Instance, scope: ActivityId, at: StartAt) -> Result<Option<ActivityId>, Misfit> {
    let StartAt::Before(site) = at else { return Ok(None) };
    let event = definition.element(site.element);
    let attached_to = match &event.kind {
        ElementKind::BoundaryEvent(boundary) if boundary.interrupting => boundary.attached_to,
        _ => return Ok(None),
    };
    let is_one = |it: &ActivityId| {
        let it = instance.at(*it);
        it.element == attached_to && matches!(it.phase, Phase::Active { .. })
    };
    let active: Vec<_> = instance.children(scope).filter(is_one).collect();
    match active[..] {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        _ => Err(Misfit::AmbiguousActivity {
            event: event.id.to_string(),
            activity: definition.element(attached_to).id.to_string(),
            count: active.len(),
        }),
    }
}

/// Whether an event is triggered by compensation, or starts its sub-process so.
fn is_compensation(definition: &ProcessDefinition, kind: &ElementKind) -> bool {
    match kind {
        ElementKind::EventSubProcess(event) => is_compensation(definition, &definition.element(event.start).kind),
        other => matches!(other.trigger(), Some((EventTrigger::Compensation, _))),
    }
}

/// The interrupting event sub-process that is started, by itself or by its start event. What is started elsewhere inside of it interrupts
/// nothing.
fn watched(definition: &ProcessDefinition, at: StartAt) -> Option<ElementIndex> {
    let StartAt::Before(site) = at else { return None };
    let element = definition.element(site.element);
    let sub_process = match element.kind {
        ElementKind::EventSubProcessStart(_) => element.parent?,
        _ => site.element,
    };
    let ElementKind::EventSubProcess(event) = &definition.element(sub_process).kind else { return None };
    definition.element(event.start).kind.trigger().filter(|(_, interrupting)| *interrupting).map(|_| sub_process)
}
