//! Who catches what is thrown: errors and escalations on their way outward.

use mandate_model::{ElementIndex, EventTrigger, ProcessDefinition};

use crate::all_of::catches_now;
use crate::ids::ActivityId;
use crate::instance::{Instance, Role};
use crate::trigger::{attached, inside};

/// Who catches what is thrown somewhere: from the inside out the event sub-processes of a scope, then the boundary events on it; of each
/// one for the code before one for all codes, whatever their order (BPMN 2.0, 10.5.6; Camunda `ErrorDeclarationForProcessInstanceFinder`).
/// What is thrown inside an event sub-process does not begin it again. `catches` tells for which code a trigger is: some, or all; none if
/// it waits for something else.
pub(crate) fn catcher(
    definition: &ProcessDefinition,
    instance: &Instance,
    from: ActivityId,
    code: Option<&str>,
    catches: fn(&EventTrigger) -> Option<Option<&str>>,
) -> Option<(ActivityId, ElementIndex)> {
    first_catcher(definition, instance, from, None, code, catches)
}

/// The same where an activity begins or ends: its own event sub-processes are not there yet, or no more.
pub(crate) fn catcher_at_edge(
    definition: &ProcessDefinition,
    instance: &Instance,
    of: ActivityId,
    code: Option<&str>,
    catches: fn(&EventTrigger) -> Option<Option<&str>>,
) -> Option<(ActivityId, ElementIndex)> {
    first_catcher(definition, instance, of, Some(of), code, catches)
}

fn first_catcher(
    definition: &ProcessDefinition,
    instance: &Instance,
    from: ActivityId,
    edge: Option<ActivityId>,
    code: Option<&str>,
    catches: fn(&EventTrigger) -> Option<Option<&str>>,
) -> Option<(ActivityId, ElementIndex)> {
    let catching = |event: &ElementIndex| definition.element(*event).kind.trigger().and_then(|(trigger, _)| catches(trigger));
    watching(definition, instance, from, edge).find_map(|(activity, events)| {
        let now = |event: &ElementIndex| catches_now(definition, instance, activity, *event);
        let find = |wanted: Option<&str>| events.iter().copied().find(|event| catching(event) == Some(wanted) && now(event));
        code.and_then(|_| find(code)).or_else(|| find(None)).map(|event| (activity, event))
    })
}

/// The events that watch over an activity, from the inside out: the event sub-processes of a scope, but for the one it stands in, then the
/// boundary events on it. Of one that begins or ends, at the `edge`, its own event sub-processes are not there.
pub(crate) fn watching(
    definition: &ProcessDefinition,
    instance: &Instance,
    from: ActivityId,
    edge: Option<ActivityId>,
) -> impl Iterator<Item = (ActivityId, Vec<ElementIndex>)> {
    let mut came_from = None;
    // What is being undone has completed: nothing of its own watches it any more.
    let watched = instance.outward(from).filter(|it| !matches!(it.role, Role::Compensating { .. }));
    watched.flat_map(move |activity| {
        let starts = inside(definition, activity).iter().copied().filter(|_| edge != Some(activity.id));
        let starts: Vec<_> = starts.filter(|start| definition.element(*start).parent != came_from).collect();
        came_from = Some(activity.element);
        [(activity.id, starts), (activity.id, attached(definition, activity).to_vec())]
    })
}
