//! What must hold of compensation, seen from history: of what has completed each is undone at most once, and what has completed last is
//! undone first.

use std::collections::BTreeMap;

use mandate_engine::{ActivityEnd, ActivityId, Effect, HistoryEvent, Instance};
use mandate_model::{Compensation as UndoneBy, ElementIndex, ElementKind, EndResult, ProcessDefinition, ThrowResult};

/// What history told of activities that handlers undo.
#[derive(Debug, Default)]
pub(crate) struct Compensation {
    /// Counts what happens.
    clock: u64,
    open: BTreeMap<ActivityId, (ElementIndex, bool)>,
    /// When each compensable activity completed.
    completed: BTreeMap<ElementIndex, Vec<u64>>,
    /// When handlers began, for which activity, and in which scope.
    begun: Vec<Begun>,
    /// How many handlers began.
    pub(crate) undone: usize,
}

#[derive(Clone, Copy, Debug)]
struct Begun {
    at: u64,
    of: ElementIndex,
    scope: ActivityId,
    /// There was a job before it, so that it may have begun any time later than the others.
    late: bool,
}

impl Compensation {
    /// Something has happened, and is checked; not in an instance in which somebody has started handlers `by_hand`.
    pub(crate) fn see(&mut self, definition: &ProcessDefinition, event: &HistoryEvent, by_hand: bool) {
        self.clock += 1;
        match *event {
            HistoryEvent::ActivityStarted { activity, parent, element, body } => {
                self.open.insert(activity, (element, body));
                let is_whole = body == definition.element(element).multi_instance.is_some();
                if definition.element(element).for_compensation && is_whole && !by_hand {
                    self.begin(definition, element, parent);
                }
            }
            HistoryEvent::ActivityEnded { activity, end } => {
                let (element, body) = self.open.remove(&activity).expect("it began");
                let it = definition.element(element);
                // Of several instances each is undone, or in models for Camunda 8 all together.
                let is_whole = it.multi_instance.as_ref().is_none_or(|each| each.zeebe == body);
                if end != ActivityEnd::Canceled && is_whole && matches!(it.compensation, Some(UndoneBy::Handler(_))) {
                    self.completed.entry(element).or_default().push(self.clock);
                }
            }
            _ => {}
        }
    }

    /// A handler begins. In random models each has one activity to undo.
    fn begin(&mut self, definition: &ProcessDefinition, handler: ElementIndex, scope: ActivityId) {
        let undoes = |it: &mandate_model::Element| it.compensation == Some(UndoneBy::Handler(handler));
        let (of, _) = definition.iter().find(|(_, it)| undoes(it)).expect("a handler undoes something");
        let times = self.begun.iter().filter(|begun| begun.of == of).count() + 1;
        let completed = self.completed.get(&of).map_or(0, Vec::len);
        assert!(times <= completed, "'{}' undoes more than has completed: {times} of {completed}", definition.element(handler).id);
        self.undone += 1;
        let late = definition.element(handler).async_before;
        if !late {
            self.check_order(definition, of, scope);
        }
        self.begun.push(Begun { at: self.clock, of, scope, late });
    }

    /// Nothing that had completed before and is undone now could have been undone before something that completed earlier. Which of several
    /// completions of one activity is undone history does not tell.
    fn check_order(&self, definition: &ProcessDefinition, of: ElementIndex, scope: ActivityId) {
        let once = |element: ElementIndex| match self.completed[&element][..] {
            [at] => Some(at),
            _ => None,
        };
        let Some(completed) = once(of) else { return };
        let is_named = |of: ElementIndex| definition.iter().any(|(_, it)| names(&it.kind, of));
        for earlier in self.begun.iter().filter(|begun| begun.scope == scope && !begun.late && !is_named(begun.of)) {
            let too_early = once(earlier.of).is_some_and(|other| other < completed && completed < earlier.at);
            let (first, second) = (&definition.element(earlier.of).id, &definition.element(of).id);
            assert!(!too_early, "'{first}' was undone before '{second}', which completed later");
        }
    }
}

/// Whether an event has this activity undone and no other.
fn names(kind: &ElementKind, activity: ElementIndex) -> bool {
    matches!(kind, ElementKind::IntermediateThrowEvent(ThrowResult::Compensation(it)) if it.activity == Some(activity))
}

/// What has completed is remembered as long as its scope is there, unless something was undone: nobody takes it away by itself.
pub(crate) fn check_records(definition: &ProcessDefinition, before: &Instance, after: &Instance, effects: &[Effect]) {
    let undoes = |effect: &Effect| match effect {
        Effect::Record(HistoryEvent::ActivityStarted { element, .. }) => matches!(
            definition.element(*element).kind,
            ElementKind::EndEvent(EndResult::Compensation(_) | EndResult::Cancel)
                | ElementKind::IntermediateThrowEvent(ThrowResult::Compensation(_))
        ),
        _ => false,
    };
    if after.is_ended() || effects.iter().any(undoes) {
        return;
    }
    for record in before.activities().filter(|it| it.role.is_record()) {
        let scope_is_there = record.parent.is_some_and(|scope| after.activity(scope).is_some());
        let is_there = after.activity(record.id).is_some_and(|it| it.role == record.role);
        assert!(is_there || !scope_is_there, "{record:?} is forgotten");
    }
}
