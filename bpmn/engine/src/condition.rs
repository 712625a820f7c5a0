//! Conditional events: they wait until a condition on variables holds (BPMN 2.0, 10.5.5; Camunda 7, "Conditional Events").
//!
//! As in Camunda 7 a condition is asked for when what it belongs to begins (an activity with such a boundary event, before it does
//! anything; a scope with such an event sub-process, before its first token moves; an intermediate event, when it or the event-based
//! gateway before it is entered), and from then on whenever a variable changes that it can see: in its own scope or one around it, unless a
//! scope in between has a variable of that name. That happens after all variables of one event, answer, mapping or round of listeners are
//! set, and before the token goes on that brought them. Each change asks each condition once, the outer before the inner; what one of them
//! begins runs until it waits before the next is asked. An event that does not interrupt is triggered by each change after which its
//! condition holds.
//!
//! A model without conditional events pays for this with one look at a flag for each variable that is set.

use std::collections::VecDeque;

use imbl::OrdSet;
use mandate_feel::Value;
use mandate_model::{Condition, ElementIndex, ElementKind, ProcessDefinition, StartTrigger, VariableChange};

use crate::effect::Subscription;
use crate::elements::At;
use crate::ids::{ActivityId, InstanceId, WaitId};
use crate::input::Failure;
use crate::instance::{Instance, NewInstance, Role};
use crate::limits::ELEMENTS_PER_STEP;
use crate::moment::Moment;
use crate::step::Machine;
use crate::unit::{Change, LaterKind};
use crate::variable::Variables;
use crate::wait::Awaited;

/// Whether a process's conditional start event lets it start with these variables (Camunda 7, `POST /condition`): only if the variable is
/// among them that the event names, if it names one. False of any other element.
pub fn start_condition_holds(
    definition: &ProcessDefinition,
    start: ElementIndex,
    variables: &Variables,
    moment: Moment<'_>,
) -> Result<bool, Failure> {
    let ElementKind::StartEvent(StartTrigger::Condition(condition)) = &definition.element(start).kind else { return Ok(false) };
    if condition.variable.as_ref().is_some_and(|name| !variables.contains_key(name)) {
        return Ok(false);
    }
    let id = InstanceId(uuid::Uuid::nil());
    let mut instance = Instance::new(NewInstance { id, business_key: None, tenant: None, traceparent: None, caller: None });
    let root = instance.root();
    for (name, value) in variables {
        instance.set_local(root, name, Some(value.clone()));
    }
    At::new(definition, &instance, root, moment).attached(start).holds(condition)
}

/// The conditions of an event of which any ends a wait.
fn awaited<'a>(definition: &'a ProcessDefinition, subscription: &Subscription) -> impl Iterator<Item = &'a Condition> + use<'a> {
    let nth = subscription.name.parse::<usize>().ok();
    let conditions = definition.element(subscription.element).kind.conditions().enumerate();
    conditions.filter(move |(place, _)| nth.is_none_or(|nth| nth == *place)).map(|(_, condition)| condition)
}

impl At<'_> {
    /// Whether a condition of this element holds. As in Camunda 7 (`UelExpressionCondition.tryEvaluate`) it does not while a variable that
    /// it names is not there.
    pub(crate) fn holds(&self, condition: &Condition) -> Result<bool, Failure> {
        match self.evaluate_if_known(&condition.condition)? {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Boolean(holds)) => Ok(holds),
            Some(other) => Err(self.mismatch(&condition.condition, "boolean", &other)),
        }
    }
}

impl Machine<'_> {
    /// Notes that a variable has changed, if anybody could want to know.
    pub(crate) fn variable_changed(&mut self, scope: ActivityId, name: &str, kind: VariableChange) {
        // What an open task has of its own is seen by none.
        let is_seen = self.instance.task_of(scope).is_none();
        if is_seen && self.definition.has_conditions && !self.instance.index.conditions.is_empty() && !self.instance.suspended {
            // Who begins to wait from here on asks for itself.
            let last = WaitId(self.instance.last);
            self.unit.changes.push(Change { scope, name: name.to_owned(), kind, last });
        }
    }

    /// Puts something off until conditions have been asked that changes of variables may have made true. False: there are none.
    pub(crate) fn asks_conditions_before(&mut self, kind: LaterKind) -> Result<bool, Failure> {
        let asked = self.take_changes()?;
        if asked.is_empty() && self.unit.untold.is_empty() {
            return Ok(false);
        }
        self.unit.do_later(kind);
        self.ask_later(asked)?;
        Ok(true)
    }

    /// Asks the conditions that changes of variables may have made true, before anything else moves.
    pub(crate) fn ask_conditions(&mut self) -> Result<(), Failure> {
        let asked = self.take_changes()?;
        self.ask_later(asked)
    }

    /// These conditions are asked before anything else moves.
    pub(crate) fn ask_later(&mut self, asked: VecDeque<WaitId>) -> Result<(), Failure> {
        if asked.is_empty() {
            return Ok(());
        }
        self.check_waits(asked.len())?;
        self.unit.do_later(LaterKind::Conditions(asked));
        Ok(())
    }

    /// Conditions of an activity, or a scope, that begins: those among the waits that it has.
    pub(crate) fn conditions_of(&self, activity: ActivityId, which: impl Fn(&ElementKind) -> bool) -> VecDeque<WaitId> {
        let waits = self.instance.index.waits.get(&activity).into_iter().flatten();
        let own = waits.filter(|wait| self.instance.index.conditions.contains(*wait));
        own.filter(|wait| which(&self.definition.element(self.instance.subscriptions[*wait].element).kind)).copied().collect()
    }

    /// An event-based gateway has begun to wait: the first condition that holds already is what happens (Camunda 7,
    /// `EventBasedGatewayActivityBehavior`).
    pub(crate) fn ask_awaited_conditions(&mut self, gateway: ActivityId) -> Result<(), Failure> {
        self.ask_later(self.conditions_of(gateway, |_| true))
    }

    /// What was changed while the instance was suspended has triggered nothing. A condition that holds now and would take something further
    /// does so; of those that do not interrupt nobody knows how often they would have been triggered.
    pub(crate) fn ask_after_suspension(&mut self) -> Result<(), Failure> {
        let conditions = self.instance.index.conditions.iter().copied();
        let asked = conditions.filter(|wait| self.is_asked_after_suspension(*wait)).collect();
        self.ask_later(asked)
    }

    /// The next of several conditions is asked, if its wait is still there.
    pub(crate) fn ask_condition(&mut self, wait: WaitId) -> Result<(), Failure> {
        let Some(subscription) = self.instance.subscriptions.get(&wait) else { return Ok(()) };
        let (activity, element) = (subscription.activity, subscription.element);
        let definition = self.definition;
        for condition in awaited(definition, subscription) {
            if At::new(definition, self.instance, activity, self.moment).attached(element).holds(condition)? {
                return self.receive_inside(wait, Variables::new());
            }
        }
        Ok(())
    }

    /// The conditions that the changes so far could have made true, in the order in which they are to be asked.
    fn take_changes(&mut self) -> Result<VecDeque<WaitId>, Failure> {
        let changes = std::mem::take(&mut self.unit.changes);
        let (mut asked, mut looks) = (VecDeque::new(), 0);
        for change in &changes {
            asked.extend(self.watching(change, &mut looks));
            self.check_waits(asked.len() + looks / ELEMENTS_PER_STEP)?;
        }
        self.count_looks(looks);
        Ok(asked)
    }

    /// The conditions that a change could have made true. Where there are fewer of them in the instance than there is inside of what has
    /// changed, all are looked at: an activity with many instances counts them, and each count is a change around them.
    fn watching(&self, change: &Change, looks: &mut usize) -> Vec<WaitId> {
        let index = &self.instance.index;
        let wants = |wait: &WaitId| {
            let subscription = &self.instance.subscriptions[wait];
            let mut conditions = awaited(self.definition, subscription);
            *wait <= change.last
                && conditions.any(|it| {
                    it.variable.as_ref().is_none_or(|name| *name == change.name)
                        && (it.changes.is_empty() || it.changes.contains(&change.kind))
                })
                && self.sees(subscription.activity, change)
        };
        let mut watching = Vec::new();
        let (mut open, mut inside) = (vec![change.scope], 0);
        while let Some(activity) = open.pop() {
            let (waits, children) = (index.waits.get(&activity), index.children.get(&activity));
            inside += 1 + waits.map_or(0, OrdSet::len) + children.map_or(0, OrdSet::len);
            if inside > index.conditions.len() {
                *looks += index.conditions.len();
                return index.conditions.iter().copied().filter(wants).collect();
            }
            watching.extend(waits.into_iter().flatten().filter(|wait| index.conditions.contains(*wait)).copied().filter(wants));
            open.extend(children.into_iter().flatten());
        }
        *looks += inside;
        watching.sort_unstable();
        watching
    }

    /// Whether what has changed is what an activity sees under that name.
    fn sees(&self, activity: ActivityId, change: &Change) -> bool {
        for scope in self.instance.outward(activity) {
            if scope.id == change.scope {
                return true;
            }
            if scope.variables.contains_key(&change.name) {
                return false;
            }
        }
        false
    }

    /// Arms the conditional boundary events of an activity that begins. They are armed before it does anything, also where it never waits.
    pub(crate) fn arm_conditions(&mut self, activity: ActivityId) -> VecDeque<WaitId> {
        if !self.definition.has_conditions || matches!(self.instance.at(activity).role, Role::Inner { .. } | Role::Result { .. }) {
            return VecDeque::new();
        }
        let definition = self.definition;
        for event in &definition.element(self.instance.at(activity).element).boundary_events {
            if definition.element(*event).kind.is_conditional() {
                self.put_subscription(activity, *event, Awaited::condition());
            }
        }
        self.conditions_of(activity, |kind| matches!(kind, ElementKind::BoundaryEvent(_)))
    }
}

#[cfg(test)]
mod tests;
