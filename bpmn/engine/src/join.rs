//! Parallel and inclusive joins: they count taken sequence flows, and look where tokens may still come from. A parallel join that can never be
//! complete is an incident; an inclusive one goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mandate_model::{ElementIndex, ElementKind, FlowIndex, ProcessDefinition};

use crate::Code;
use crate::effect::{Effect, Incident};
use crate::ids::{ActivityId, IncidentId};
use crate::input::Failure;
use crate::instance::{Arrivals, Instance, Phase};
use crate::snapshot::changed;
use crate::step::Machine;

impl Machine<'_> {
    /// A token stands at a parallel or inclusive gateway. When every incoming flow has been taken, it goes on (BPMN 2.0, 13.4.1 and 13.4.3).
    pub(crate) fn arrive(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let it = self.instance.at(activity);
        let key = (it.scope(), it.element);
        let by = it.phase.by().expect("a gateway is entered by a sequence flow");
        self.instance.set_phase(activity, Phase::Joining { by });
        if self.instance.index.joins[&key].len() < self.definition.element(key.1).incoming.len() {
            return Ok(());
        }
        self.join(activity)
    }

    /// Lets the inclusive join go on that waits for nothing more, if there is one: the first in the order of the scopes' numbers and of the document.
    /// To be asked when nothing else moves.
    pub(crate) fn activate_inclusive(&mut self) -> Result<bool, Failure> {
        let mut waiting: BTreeMap<ActivityId, Vec<ElementIndex>> = BTreeMap::new();
        for (scope, gateway) in self.joins_to_look_at() {
            if is_inclusive(self.definition, gateway) {
                waiting.entry(scope).or_default().push(gateway);
            }
        }
        let ready = |(scope, gateways): (ActivityId, Vec<_>)| Some((scope, settled(self.definition, self.instance, scope, &gateways)?));
        let Some(key) = waiting.into_iter().find_map(ready) else { return Ok(false) };
        let activity =
            *self.instance.index.joins[&key].values().flatten().max().expect("a join is only remembered while a token stands at it");
        self.join(activity)?;
        Ok(true)
    }

    /// Consumes what stands at a join, so that one token goes on: all of an inclusive join; of a parallel one the oldest of each flow, and what
    /// came twice by the same flow stays for the next round.
    fn join(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let it = self.instance.at(activity);
        let (gateway, scope) = (it.element, it.scope());
        let arrivals = &self.instance.index.joins[&(scope, gateway)];
        let consumed: BTreeSet<_> = if is_inclusive(self.definition, gateway) {
            arrivals.values().flatten().copied().collect()
        } else {
            arrivals.values().filter_map(|tokens| tokens.get_min().copied()).collect()
        };
        debug_assert!(consumed.contains(&activity), "of a parallel join it came by the flow that was missing");
        for &other in consumed.iter().filter(|other| **other != activity) {
            self.remove_waits(other);
            self.record(crate::HistoryEvent::ActivityEnded { activity: other, canceled: false });
            self.forget(other);
        }
        let around = self.unit.lineage(self.instance.id, scope);
        let nth = self.unit.count(around, gateway);
        self.unit.lineages.insert(activity, around.joined(&self.definition.element(gateway).id, nth));
        self.resume(activity)
    }

    /// Raises an incident for each parallel join that waits for flows on which nothing can arrive any more. Runs when nothing moves, inclusive
    /// joins neither: so each of those is one that a token may still come to.
    pub(crate) fn check_joins(&mut self) {
        let mut reached: Option<(ActivityId, Flows)> = None;
        for (scope, gateway) in self.joins_to_look_at() {
            if is_inclusive(self.definition, gateway) || self.instance.index.join_incidents.contains_key(&(scope, gateway)) {
                continue;
            }
            if reached.as_ref().is_none_or(|(of, _)| *of != scope) {
                reached = Some((scope, reachable(self.definition, self.instance, scope)));
            }
            let flows = &reached.as_ref().expect("it was just computed").1;
            let arrivals = &self.instance.index.joins[&(scope, gateway)];
            let incoming = self.definition.element(gateway).incoming.iter().copied();
            let lost: Vec<_> = incoming.filter(|flow| !flows[flow.0 as usize] && !arrivals.contains_key(flow)).collect();
            if !lost.is_empty() {
                self.raise_join_incident(scope, gateway, &lost);
            }
        }
    }

    /// The joins at which tokens stand, in the scopes in which this unit has moved any: elsewhere a join waits for what it waited for before. All
    /// of them, if the unit began in an earlier step.
    fn joins_to_look_at(&self) -> Vec<(ActivityId, ElementIndex)> {
        let joins = &self.instance.index.joins;
        let Some(before) = self.before.as_ref().filter(|_| !joins.is_empty()) else { return joins.keys().copied().collect() };
        let scopes: BTreeSet<_> = changed(before, &self.instance.activities).filter_map(|it| it.parent).collect();
        let of_scope = |scope| joins.range((scope, ElementIndex(0))..=(scope, ElementIndex(u32::MAX)));
        scopes.into_iter().flat_map(of_scope).map(|(join, _)| *join).collect()
    }

    fn raise_join_incident(&mut self, scope: ActivityId, gateway: ElementIndex, lost: &[FlowIndex]) {
        let arrivals = &self.instance.index.joins[&(scope, gateway)];
        let activity = *arrivals.values().flatten().min().expect("a join is only remembered while a token stands at it");
        let flows: Vec<_> = lost.iter().map(|flow| format!("'{}'", self.definition.flow(*flow).id)).collect();
        let id = &self.definition.element(gateway).id;
        let message = format!("the parallel gateway '{id}' waits for {}, on which nothing can arrive any more", flows.join(", "));
        let incident = Incident {
            id: IncidentId(self.instance.number()),
            wait: None,
            activity,
            element: gateway,
            code: Code::JoinCannotComplete,
            message,
            attempt: 1,
            since: self.now,
        };
        self.instance.index.add_incident(&incident, scope);
        self.instance.incidents.insert(incident.id, Arc::new(incident.clone()));
        self.effects.push(Effect::RaiseIncident(incident));
    }

    /// A token at a join is about to go: whatever was wrong with the join, it is not the same join any more.
    pub(crate) fn resolve_join_incident(&mut self, activity: ActivityId) {
        let it = self.instance.at(activity);
        if let Phase::Joining { .. } = it.phase
            && let Some(incident) = self.instance.index.join_incidents.remove(&(it.scope(), it.element))
        {
            self.instance.incidents.remove(&incident);
            self.effects.push(Effect::ResolveIncident(incident));
        }
    }
}

/// The flows for which a join waits, in document order: of a parallel one those by which nobody has come yet, of an inclusive one those by which
/// somebody may still come.
pub(crate) fn missing(definition: &ProcessDefinition, instance: &Instance, (scope, gateway): (ActivityId, ElementIndex)) -> Vec<FlowIndex> {
    let incoming = definition.element(gateway).incoming.iter().copied();
    if !is_inclusive(definition, gateway) {
        let arrivals = &instance.index.joins[&(scope, gateway)];
        return incoming.filter(|flow| !arrivals.contains_key(flow)).collect();
    }
    let mut search = Search::new(definition, instance, scope);
    // What leads through the gateway itself is nothing that it waits for.
    search.live[gateway.0 as usize] = true;
    search.follow_tokens(|_| false);
    incoming.filter(|flow| search.flows[flow.0 as usize]).collect()
}

fn is_inclusive(definition: &ProcessDefinition, gateway: ElementIndex) -> bool {
    matches!(definition.element(gateway).kind, ElementKind::InclusiveGateway)
}

/// Of the inclusive gateways of a scope at which tokens stand, in document order, the one that should go on first. None if there may still come a
/// token to each from elsewhere.
fn settled(definition: &ProcessDefinition, instance: &Instance, scope: ActivityId, waiting: &[ElementIndex]) -> Option<ElementIndex> {
    let mut search = Search::new(definition, instance, scope);
    let mut unreached = waiting.iter().copied().peekable();
    search.follow_tokens(|search| {
        while unreached.next_if(|gateway| search.live[gateway.0 as usize]).is_some() {}
        unreached.peek().is_none()
    });
    unreached.peek()?;
    // Those that are left can only wait for each other. What is reached neither from those before it nor from those behind it waits for nobody,
    // or only for what waits for it.
    let begun = search.clone().begin_at(waiting.iter().copied());
    search.begin_at(begun.into_iter().rev()).pop()
}

/// The flows of a scope on which a token may still come, if every decision goes its way. A parallel join counts as passable only if each of
/// its flows has arrived or may still arrive; so two joins that wait for each other are both found. An inclusive one is passable for each
/// token that comes.
fn reachable(definition: &ProcessDefinition, instance: &Instance, scope: ActivityId) -> Flows {
    let mut search = Search::new(definition, instance, scope);
    search.follow_tokens(|_| false);
    search.flows
}

/// Which flows, by their numbers.
type Flows = Vec<bool>;

#[derive(Clone)]
struct Search<'a> {
    definition: &'a ProcessDefinition,
    instance: &'a Instance,
    scope: ActivityId,
    /// Elements that a token may still come to, by their numbers.
    live: Vec<bool>,
    flows: Flows,
    /// Of each parallel join that was come to, how many of its flows have neither arrived nor been reached: counted, for a join of a thousand flows is
    /// come to a thousand times.
    missing: BTreeMap<ElementIndex, usize>,
    open: Vec<ElementIndex>,
}

impl<'a> Search<'a> {
    fn new(definition: &'a ProcessDefinition, instance: &'a Instance, scope: ActivityId) -> Self {
        let live = vec![false; definition.elements.len()];
        let flows = vec![false; definition.flows.len()];
        Search { definition, instance, scope, live, flows, missing: BTreeMap::new(), open: Vec::new() }
    }

    /// From each token that does not stand at a join, the oldest first, until that is enough.
    fn follow_tokens(&mut self, mut is_enough: impl FnMut(&Self) -> bool) {
        for token in self.instance.elsewhere(self.scope) {
            let token = self.instance.at(token);
            match token.phase {
                Phase::Before { by: Some(flow) } | Phase::After { flow: Some(flow) } => self.reach_flow(flow),
                Phase::Before { by: None } | Phase::Active { .. } => self.reach_element(token.element),
                Phase::Joining { .. } | Phase::After { flow: None } => continue,
            }
            self.drain();
            if is_enough(self) {
                return;
            }
        }
    }

    /// From each of these elements that was not reached from the ones before it; which those are.
    fn begin_at(mut self, elements: impl Iterator<Item = ElementIndex>) -> Vec<ElementIndex> {
        let mut begun = Vec::new();
        for element in elements {
            if !self.live[element.0 as usize] {
                begun.push(element);
                self.reach_element(element);
                self.drain();
            }
        }
        begun
    }

    fn drain(&mut self) {
        while let Some(element) = self.open.pop() {
            let element = self.definition.element(element);
            for &flow in &element.outgoing {
                self.reach_flow(flow);
            }
            for &event in &element.boundary_events {
                self.reach_element(event);
            }
        }
    }

    fn reach_element(&mut self, element: ElementIndex) {
        if !std::mem::replace(&mut self.live[element.0 as usize], true) {
            self.open.push(element);
        }
    }

    fn reach_flow(&mut self, flow: FlowIndex) {
        if std::mem::replace(&mut self.flows[flow.0 as usize], true) {
            return;
        }
        let target = self.definition.flow(flow).target;
        let element = self.definition.element(target);
        if matches!(element.kind, ElementKind::ParallelGateway) {
            let arrivals = self.instance.index.joins.get(&(self.scope, target));
            let missing = self.missing.entry(target).or_insert_with(|| element.incoming.len() - arrivals.map_or(0, Arrivals::len));
            if !arrivals.is_some_and(|arrivals| arrivals.contains_key(&flow)) {
                *missing -= 1;
            }
            if *missing > 0 {
                return;
            }
        }
        self.reach_element(target);
    }
}
