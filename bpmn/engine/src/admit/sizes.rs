//! Whether the variables of an input fit, which go into the room of what they replace and of what ends before. The step itself has the last
//! word.

use std::collections::BTreeSet;

use mandate_model::{Dialect, ElementIndex, ProcessDefinition};

use super::Rejection;
use crate::ids::{ActivityId, WaitId};
use crate::instance::{Instance, size};
use crate::mapping::around;
use crate::trigger::scope_behind;
use crate::variable::{MAX_INSTANCE_BYTES, MAX_VARIABLE_BYTES, Variables};

/// Variables that come with an event to a subscription.
pub(super) fn check_event(
    definition: &ProcessDefinition,
    instance: &Instance,
    wait: WaitId,
    variables: &Variables,
) -> Result<(), Rejection> {
    let (activity, element) = (instance.subscriptions[&wait].activity, instance.subscriptions[&wait].element);
    if element == instance.at(activity).element {
        return check_delivery(definition, instance, activity, variables);
    }
    check_triggered(definition, instance, (activity, element), variables)
}

/// What is thrown in an activity goes to what catches it, or else outward from where it was thrown: it is caught around the call.
pub(super) fn check_thrown(
    definition: &ProcessDefinition,
    instance: &Instance,
    from: ActivityId,
    catcher: Option<(ActivityId, ElementIndex)>,
    variables: &Variables,
) -> Result<(), Rejection> {
    match catcher {
        Some(catcher) => check_triggered(definition, instance, catcher, variables),
        None => check_sizes(instance, variables, |name| instance.holder(from, name)),
    }
}

/// Variables that a boundary event or an event sub-process brings go behind it, into the room of what it interrupts.
fn check_triggered(
    definition: &ProcessDefinition,
    instance: &Instance,
    (activity, event): (ActivityId, ElementIndex),
    variables: &Variables,
) -> Result<(), Rejection> {
    let scope = scope_behind(definition, instance, activity, event);
    check_sizes_less(instance, variables, || freed(definition, instance, (activity, event)), |name| instance.holder(scope, name))
}

/// Bytes of the variables that go with what an event interrupts.
pub(super) fn freed(definition: &ProcessDefinition, instance: &Instance, (activity, event): (ActivityId, ElementIndex)) -> usize {
    if !definition.element(event).kind.trigger().is_some_and(|(_, interrupting)| interrupting) {
        return 0;
    }
    // An event sub-process interrupts what is inside of its scope, which goes on with its own.
    let is_inside = scope_behind(definition, instance, activity, event) == activity;
    let mut reached: Vec<_> = if is_inside { instance.children(activity).collect() } else { vec![activity] };
    let mut ends = BTreeSet::new();
    while let Some(next) = reached.pop() {
        ends.insert(next);
        reached.extend(instance.children(next));
    }
    let of_tasks = instance.tasks.values().filter(|task| ends.contains(&task.activity)).map(|task| &task.variables);
    let all = ends.iter().map(|activity| &instance.at(*activity).variables).chain(of_tasks);
    all.flatten().map(|(name, value)| size(name, value)).sum()
}

/// Variables that arrive with an event go where [`deliver`](crate::step::Machine::deliver) will put them.
pub(super) fn check_delivery(
    definition: &ProcessDefinition,
    instance: &Instance,
    activity: ActivityId,
    set: &Variables,
) -> Result<(), Rejection> {
    let mapped = !definition.element(instance.at(activity).element).outputs.is_empty();
    check_sizes(instance, set, |name| match definition.dialect {
        Dialect::Camunda7 => instance.holder(activity, name),
        Dialect::Standard if mapped => Some(activity).filter(|_| instance.at(activity).variables.contains_key(name)),
        Dialect::Standard => instance.holder(around(definition, instance, activity, name), name),
    })
}

/// Variables of an activity's own.
pub(super) fn check_own(instance: &Instance, activity: ActivityId, set: &Variables) -> Result<(), Rejection> {
    check_sizes(instance, set, |name| Some(activity).filter(|_| instance.at(activity).variables.contains_key(name)))
}

pub(super) fn check_sizes(instance: &Instance, set: &Variables, holder: impl Fn(&str) -> Option<ActivityId>) -> Result<(), Rejection> {
    check_sizes_less(instance, set, || 0, holder)
}

/// Whether all of `set` fits, when each value replaces the one in its holder and `removed` bytes of others go, which is asked only where it
/// matters.
pub(super) fn check_sizes_less(
    instance: &Instance,
    set: &Variables,
    removed: impl FnOnce() -> usize,
    holder: impl Fn(&str) -> Option<ActivityId>,
) -> Result<(), Rejection> {
    let mut bytes = instance.index.bytes;
    for (name, value) in set {
        if value.json.len() > MAX_VARIABLE_BYTES {
            return Err(Rejection::VariableTooLarge { name: name.clone(), bytes: value.json.len() });
        }
        let before = holder(name).and_then(|scope| instance.variables(scope)?.get(name));
        if value.transient && before.is_some() {
            return Err(Rejection::TransientIsStored { name: name.clone() });
        }
        let before = before.map_or(0, |before| size(name, before));
        bytes = bytes + size(name, value) - before;
    }
    if bytes > MAX_INSTANCE_BYTES {
        bytes = bytes.saturating_sub(removed());
    }
    if bytes > MAX_INSTANCE_BYTES { Err(Rejection::InstanceTooLarge { bytes }) } else { Ok(()) }
}
