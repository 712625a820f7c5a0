//! Compensation: undoing what has completed (BPMN 2.0, 10.6 and 13.5.5; Camunda `CompensationUtil`, `CompensationEventHandler`).
//!
//! Of an activity that has completed and that something may undo a *record* stays in its scope: an activity instance that does nothing and
//! that nobody sees. There are two kinds. [`Role::Completed`] says that the handler behind the activity's boundary event has something to
//! undo. [`Role::EventScope`] (Camunda's event scope execution) is what is left of a sub-process, or of the body of a multi-instance
//! activity, that has records inside or a compensation event sub-process: it keeps them, and the scope's variables as they were. Records go
//! with their scope; what was interrupted or cancelled leaves none. A sub-process that has a handler of its own leaves both, as in
//! Camunda 7.
//!
//! A throwing event takes the records of its scope at once, or those of one activity, and waits until everything that it began is over.
//! From within an event sub-process it takes those around it as well. The latest begins first, and runs until it waits before the next one
//! begins; none waits for another. What it begins runs *inside of the event*: handlers for activities, for event scopes
//! ([`Role::Compensating`]) their compensation event sub-process or what undoes their own records. So an error of a handler goes outward
//! from the throwing event, whoever cancels the event cancels its handlers, and they see its variables. History and Camunda's activity tree
//! show each handler where its activity ran.
//!
//! Compensable instances of a multi-instance activity leave a record each in the body; in models for Camunda 8, which undoes all of them at
//! once, the body leaves one.

#[cfg(test)]
mod handlers;
#[cfg(test)]
mod instances;
#[cfg(test)]
pub(crate) mod scopes;
#[cfg(test)]
mod throws;
#[cfg(test)]
mod transactions;

use mandate_model::{Compensation, ElementIndex, ElementKind, EventTrigger, ProcessDefinition};

use crate::ids::ActivityId;
use crate::input::Failure;
use crate::instance::{Activity, Instance, Phase, Role};
use crate::lineage::Lineage;
use crate::step::Machine;
use crate::unit::Token;
use crate::variable::Variables;

/// Something that has completed and that may still be compensated: Camunda's event subscription of the type `compensate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compensable {
    /// Names it in the instance; a later one has a higher number.
    pub id: ActivityId,
    /// The activity instance in whose scope it has completed.
    pub scope: ActivityId,
    /// What undoes it: the handler or compensation event sub-process; a sub-process or multi-instance activity itself if what is inside
    /// does.
    pub element: ElementIndex,
    /// When it completed; milliseconds since 1970.
    pub since: i64,
}

impl Instance {
    /// All that has completed and may still be compensated, in the order of completion within each scope. What is inside of a completed
    /// sub-process is listed as well, under the sub-process's `id`.
    pub fn compensable<'a>(&'a self, definition: &'a ProcessDefinition) -> impl Iterator<Item = Compensable> + 'a {
        self.activities().filter(|it| it.role.is_record()).map(|record| {
            let element = match undone_by(definition, self, record) {
                Some(Compensation::Handler(element) | Compensation::EventSubProcess(element)) => element,
                None => record.element,
            };
            Compensable { id: record.id, scope: record.scope(), element, since: record.since }
        })
    }

    /// The activity instance inside of which people see another one: its scope as the model draws it. That is its parent but for what an
    /// event has compensated, which runs inside of that event; and what has completed is known by the number that it had.
    pub fn drawn_scope(&self, definition: &ProcessDefinition, activity: ActivityId) -> Option<ActivityId> {
        let it = self.activity(activity)?;
        let around = self.at(it.parent?);
        if !is_throwing(definition, around) {
            return Some(around.drawn_id());
        }
        let drawn_in = definition.element(it.element).parent;
        let is_drawn = |scope: &&Activity| Some(scope.element) == drawn_in && !matches!(scope.role, Role::Body(_));
        self.outward(around.id).find(is_drawn).map(Activity::drawn_id)
    }

    /// Whether it is the body of a multi-instance activity, or the event scope that a body has left: those of its instances stand in that.
    pub fn is_body(&self, definition: &ProcessDefinition, activity: &Activity) -> bool {
        match activity.role {
            Role::Body(_) => true,
            Role::EventScope { .. } | Role::Compensating { .. } => {
                let is_inside = activity.parent.is_some_and(|parent| self.at(parent).element == activity.element);
                definition.element(activity.element).multi_instance.is_some() && !is_inside
            }
            _ => false,
        }
    }
}

impl Activity {
    /// The number under which people know it.
    pub fn drawn_id(&self) -> ActivityId {
        match self.role {
            Role::EventScope { of } | Role::Compensating { of } => of,
            _ => self.id,
        }
    }
}

/// What undoes a record; none: its own records do.
fn undone_by(definition: &ProcessDefinition, instance: &Instance, record: &Activity) -> Option<Compensation> {
    let is_asked = |compensation: &Compensation| match compensation {
        Compensation::Handler(_) => record.role == Role::Completed,
        Compensation::EventSubProcess(_) => !instance.is_body(definition, record),
    };
    definition.element(record.element).compensation.filter(is_asked)
}

/// Whether an activity instance is an event that waits for what it has compensated: of all that have something inside, only that is no
/// scope.
pub(crate) fn is_throwing(definition: &ProcessDefinition, activity: &Activity) -> bool {
    activity.role == Role::Element && definition.element(activity.element).kind.scope().is_none()
}

impl Machine<'_> {
    /// An activity has completed: what may undo it is remembered. A handler is not undone itself.
    pub(crate) fn remember(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let it = self.instance.at(activity);
        let (index, element) = (it.element, self.definition.element(it.element));
        let has_records = self.instance.index.records.contains_key(&activity);
        if element.compensation.is_none() && !has_records || element.for_compensation {
            return Ok(());
        }
        let in_camunda_8 = element.multi_instance.as_ref().is_some_and(|each| each.zeebe);
        let is_body = matches!(it.role, Role::Body(_));
        let is_undone_whole = match it.role {
            Role::Body(_) => in_camunda_8,
            Role::Inner { .. } => !in_camunda_8,
            _ => true,
        };
        let (by_handler, by_event) = match element.compensation {
            Some(Compensation::Handler(_)) => (is_undone_whole, false),
            Some(Compensation::EventSubProcess(_)) => (false, !is_body),
            None => (false, false),
        };
        if has_records || by_event {
            self.remember_scope(activity, index)?;
        }
        if by_handler {
            self.record_completion(activity, index, Role::Completed)?;
        }
        Ok(())
    }

    /// Its records go on in a record of the scope itself, with a snapshot of its variables.
    fn remember_scope(&mut self, activity: ActivityId, element: ElementIndex) -> Result<(), Failure> {
        let of = self.instance.at(activity).drawn_id();
        let kept = self.record_completion(activity, element, Role::EventScope { of })?;
        for (name, value) in self.instance.at(activity).variables.clone() {
            // What is there for this unit only is so here, too.
            if value.transient {
                self.unit.transients.insert(kept);
            }
            self.instance.set_local(kept, &name, Some(value));
        }
        let inside: Vec<_> = self.instance.records(activity).collect();
        for record in inside {
            let role = self.instance.at(record).role;
            self.instance.move_activity(record, kept, role);
        }
        Ok(())
    }

    fn record_completion(&mut self, activity: ActivityId, element: ElementIndex, role: Role) -> Result<ActivityId, Failure> {
        let scope = self.flow_scope(activity);
        self.check_room(element, scope)?;
        let record = self.instance.add_activity(scope, element, Phase::After { flow: None }, role, self.now);
        // Its number depends on what other branches did before; this does not, should this unit run again. Once it is stored, the number is
        // its name.
        let lineage = self.unit.lineage(self.instance.id, activity);
        let id = &self.definition.element(element).id;
        let nth = self.unit.count(lineage.completion(id, 0), element);
        self.unit.lineages.insert(record, lineage.completion(id, nth));
        Ok(record)
    }

    /// The scope in which an activity is drawn: what an event has compensated runs inside of that event.
    fn flow_scope(&self, activity: ActivityId) -> ActivityId {
        let scope = self.instance.at(activity).scope();
        if is_throwing(self.definition, self.instance.at(scope)) { self.flow_scope(scope) } else { scope }
    }

    /// An event has what has completed around it undone, or one activity, and goes on when that is over; at once if there is nothing.
    pub(crate) fn compensate(&mut self, event: ActivityId, only: Option<ElementIndex>) -> Result<(), Failure> {
        let mut records = Vec::new();
        let mut scope = self.flow_scope(event);
        loop {
            let wanted = |record: &ActivityId| only.is_none_or(|only| self.is_meant(*record, only));
            records.extend(self.instance.records(scope).filter(wanted));
            if !matches!(self.definition.element(self.instance.at(scope).element).kind, ElementKind::EventSubProcess(_)) {
                break;
            }
            scope = self.flow_scope(scope);
        }
        if records.is_empty() {
            return self.resume(event);
        }
        // The agenda is a stack: what has completed last goes on top.
        records.sort_unstable();
        let lineage = self.unit.lineage(self.instance.id, event);
        for record in records {
            self.undo(record, event, lineage)?;
        }
        Ok(())
    }

    /// Of one activity its handler is meant. Without, or of a multi-instance activity, what is inside (Camunda
    /// `getSubscriptionActivityId`).
    fn is_meant(&self, record: ActivityId, activity: ElementIndex) -> bool {
        let it = self.instance.at(record);
        let element = self.definition.element(activity);
        let has_handler = matches!(element.compensation, Some(Compensation::Handler(_))) && element.multi_instance.is_none();
        it.element == activity && (it.role == Role::Completed || !has_handler)
    }

    /// A record is used up: what undoes it is about to begin, `within` the event or the event scope that it is undone with.
    fn undo(&mut self, record: ActivityId, within: ActivityId, lineage: Lineage) -> Result<(), Failure> {
        let lineage = match self.unit.lineages.remove(&record) {
            Some(of_this_unit) => lineage.compensation(&of_this_unit.0),
            None => lineage.compensation(&record.0.to_be_bytes()),
        };
        let it = self.instance.at(record);
        let undone_by = undone_by(self.definition, self.instance, it);
        if let Role::EventScope { of } = it.role {
            self.instance.move_activity(record, within, Role::Compensating { of });
            self.unit.lineages.insert(record, lineage);
        } else {
            self.instance.remove_activity(record);
        }
        match undone_by {
            Some(Compensation::Handler(element)) => {
                self.unit.agenda.push(Token { element, scope: within, by: None, taken: false, lineage });
            }
            Some(Compensation::EventSubProcess(element)) => {
                self.unit.agenda.push(Token { element, scope: record, by: None, taken: false, lineage });
            }
            None => {
                let inside: Vec<_> = self.instance.records(record).collect();
                for inner in inside {
                    self.undo(inner, record, lineage)?;
                }
            }
        }
        Ok(())
    }

    /// Nothing of a scope, or of an event scope, can be compensated any more.
    pub(crate) fn forget_records(&mut self, scope: ActivityId) {
        let records: Vec<_> = self.instance.records(scope).collect();
        for record in records {
            self.forget_records(record);
            self.unit.lineages.remove(&record);
            self.instance.remove_activity(record);
        }
    }

    /// A cancel end event: everything else in its transaction ends, then what has completed there is compensated (Camunda
    /// `CancelEndEventActivityBehavior`).
    pub(crate) fn cancel_transaction(&mut self, event: ActivityId) -> Result<(), Failure> {
        self.end_others(event);
        self.compensate(event, None)
    }

    /// The transaction is compensated, and is left by its cancel boundary event; of several instances all are.
    pub(crate) fn leave_transaction(&mut self, event: ActivityId) -> Result<(), Failure> {
        let scope = self.instance.at(event).scope();
        self.cancel(event);
        let it = self.instance.at(scope);
        let transaction = if let Role::Inner { .. } = it.role { it.scope() } else { scope };
        let attached = &self.definition.element(self.instance.at(transaction).element).boundary_events;
        let is_cancel = |event: &&ElementIndex| matches!(self.definition.element(**event).kind.trigger(), Some((EventTrigger::Cancel, _)));
        let boundary = attached.iter().find(is_cancel).expect("the parser sees to it that the transaction has one");
        self.trigger(transaction, *boundary, Variables::new())
    }
}
