//! What events wait for.

use std::collections::{BTreeMap, BTreeSet};

use mandate_engine::{Input, Instance, Phase, Role, Subscription, SubscriptionKind, Variables, WaitId};
use mandate_model::{ElementIndex, ElementKind, EventSubProcess, EventTrigger, ProcessDefinition};

/// In an instance that runs, who waits has each of its boundary events for messages, signals and conditions armed once. A scope has each of
/// its event sub-processes armed once or, after an interruption, none. A wait for a message has a correlation key where the message says
/// so, and one of a conversation has its key, as soon as somebody has said it.
pub(crate) fn check(definition: &ProcessDefinition, instance: &Instance, subscriptions: &BTreeMap<WaitId, Subscription>, by_hand: bool) {
    for it in subscriptions.values().filter(|it| it.kind == SubscriptionKind::Message) {
        let messages = definition.element(it.element).kind.messages();
        let message = messages.iter().find(|message| message.name.as_literal() == Some(&it.name));
        if message.is_some_and(|message| message.correlation_key.is_some()) {
            assert!(it.correlation_key.is_some(), "{it:?}");
        } else {
            let of = message.and_then(|message| message.carried.as_ref()?.of.as_deref());
            assert_eq!(it.correlation_key.as_deref(), of.and_then(|of| instance.conversation(of)), "{it:?}");
        }
    }
    // Of several events that must all happen those that have are not armed any more.
    let is_message = |event: &&ElementIndex| {
        let element = definition.element(**event);
        let trigger = element.kind.trigger().filter(|_| element.all_of.is_empty());
        matches!(trigger, Some((EventTrigger::Message(_) | EventTrigger::Signal(_) | EventTrigger::Condition(_), _)))
    };
    for activity in instance.activities().filter(|it| matches!(it.phase, Phase::Active { .. })) {
        let armed = |event: &ElementIndex| subscriptions.values().filter(|it| it.activity == activity.id && it.element == *event).count();
        let element = definition.element(activity.element);
        // Of several instances, the body has what is attached, and each instance what is inside.
        let (outside, inside) = match activity.role {
            Role::Element => (true, true),
            Role::Body(_) => (true, false),
            Role::Inner { .. } => (false, true),
            Role::Result { .. } | Role::Completed | Role::EventScope { .. } | Role::Compensating { .. } => (false, false),
        };
        let attached = element.boundary_events.iter().filter(|_| outside);
        assert!(attached.clone().filter(is_message).all(|event| armed(event) == 1), "{activity:?} waits");
        assert!(attached.clone().all(|event| armed(event) <= 1), "{activity:?} waits for something twice");
        let starts = element.kind.scope().filter(|_| inside).into_iter().flat_map(|scope| &scope.event_starts);
        let counts: BTreeSet<_> = starts.filter(is_message).map(armed).collect();
        let interrupted = instance.activities().any(|child| {
            let kind = &definition.element(child.element).kind;
            let start = |it: &EventSubProcess| definition.element(it.start).kind.trigger().is_some_and(|(_, interrupting)| interrupting);
            child.parent == Some(activity.id) && matches!(kind, ElementKind::EventSubProcess(it) if start(it))
        });
        assert!(counts.len() <= 1 && counts.iter().all(|count| *count <= usize::from(!interrupted || by_hand)), "{activity:?}: {counts:?}");
    }
}

/// What a subscription waits for; for a condition nobody can say so, which is refused.
pub(crate) fn happened(subscription: &Subscription, variables: Variables, local_variables: Variables) -> Input {
    let wait = subscription.wait;
    match subscription.kind {
        SubscriptionKind::Signal => Input::Signal { wait, variables },
        SubscriptionKind::Message | SubscriptionKind::Condition => {
            // What is begun has one of them too, so that random messages begin something with variables of its own.
            let triggered_variables = local_variables.clone();
            Input::Message { wait, variables, local_variables, triggered_variables }
        }
    }
}
