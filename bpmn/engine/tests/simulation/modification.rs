//! Somebody changes by hand what is active: anywhere, in any order, with ids that are there, are over, or never were.

use mandate_engine::{ActivityId, Cancel, Chain, Instance, Instruction, Modification, Site, Start, StartAt, Variables};
use mandate_model::{ElementIndex, FlowIndex, ProcessDefinition, ROOT};

use crate::random::Random;

/// Instructions of one modification.
const MOST: usize = 3;

pub(crate) fn random_modification(definition: &ProcessDefinition, instance: &Instance, random: &mut Random) -> Modification {
    let count = 1 + random.below(MOST);
    let instructions = (0..count).map(|_| instruction(definition, instance, random)).collect();
    let (skip_io_mappings, skip_listeners) = (random.one_in(6), random.one_in(6));
    let chain = Chain::deferred_if(random.one_in(4));
    let key = if random.one_in(3) { Some([u8::try_from(random.below(3)).expect("it is small"); 32]) } else { None };
    Modification { instructions, skip_io_mappings, skip_listeners, chain, key }
}

/// The same for a new instance.
pub(crate) fn random_beginning(definition: &ProcessDefinition, instance: &Instance, random: &mut Random) -> Modification {
    let mut modification = random_modification(definition, instance, random);
    modification.instructions.retain(|instruction| matches!(instruction, Instruction::Start(_)));
    modification
}

/// What is started is taken away again as often: instances that only grow never end.
fn instruction(definition: &ProcessDefinition, instance: &Instance, random: &mut Random) -> Instruction {
    match random.below(9) {
        0 | 1 => Instruction::Cancel(Cancel::Activity(activity(instance, random))),
        2 => Instruction::Cancel(Cancel::Transition(activity(instance, random))),
        3 | 4 => Instruction::Cancel(Cancel::All { at: active_site(definition, instance, random), current: random.one_in(2) }),
        5 if !definition.flows.is_empty() => {
            start(StartAt::Transition(FlowIndex(number(random.below(definition.flows.len())))), instance, random)
        }
        _ => start(StartAt::Before(site(definition, random)), instance, random),
    }
}

fn start(at: StartAt, instance: &Instance, random: &mut Random) -> Instruction {
    let mut variables = || if random.one_in(3) { super::host::x(random.below(4)) } else { Variables::new() };
    let (variables, local_variables) = (variables(), variables());
    let ancestor = if random.one_in(3) { Some(activity(instance, random)) } else { None };
    Instruction::Start(Start { at, ancestor, variables, local_variables })
}

/// Mostly one that is there.
fn activity(instance: &Instance, random: &mut Random) -> ActivityId {
    let all: Vec<_> = instance.activities().map(|it| it.id).collect();
    let known = random.pick(&all).copied();
    if random.one_in(8) { ActivityId(random.next() % 60) } else { known.unwrap_or(ActivityId(1)) }
}

fn site(definition: &ProcessDefinition, random: &mut Random) -> Site {
    let element = ElementIndex(number(random.below(definition.elements.len())));
    with_body(definition, element, random)
}

/// Of an element at which something is.
fn active_site(definition: &ProcessDefinition, instance: &Instance, random: &mut Random) -> Site {
    let all: Vec<_> = instance.activities().map(|it| it.element).filter(|element| *element != ROOT).collect();
    match random.pick(&all).copied() {
        Some(element) => with_body(definition, element, random),
        None => site(definition, random),
    }
}

fn with_body(definition: &ProcessDefinition, element: ElementIndex, random: &mut Random) -> Site {
    let body = if definition.element(element).multi_instance.is_some() { random.one_in(2) } else { random.one_in(30) };
    Site { element, body }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).expect("a model is small")
}
