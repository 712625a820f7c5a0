//! Parallel joins: they count taken sequence flows, and say when one can never be complete.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mandate_model::{ElementIndex, ElementKind, FlowIndex, ProcessDefinition};

use crate::Code;
use crate::effect::{Effect, Incident};
use crate::ids::{ActivityId, IncidentId};
use crate::input::Failure;
use crate::instance::{Arrivals, Instance, Phase};
use crate::step::Machine;

impl Machine<'_> {
    /// A token stands at a parallel gateway. When every incoming flow has been taken, the oldest token of each is consumed and one goes
    /// on; what came twice by the same flow stays for the next round (BPMN 2.0, 13.4.1).
    pub(crate) fn arrive(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let it = self.instance.at(activity);
        let (gateway, scope) = (it.element, it.scope());
        let by = it.phase.by().expect("a gateway is entered by a sequence flow");
        self.instance.set_phase(activity, Phase::Joining { by });
        let element = self.definition.element(gateway);
        let arrivals = &self.instance.index.joins[&(scope, gateway)];
        if arrivals.len() < element.incoming.len() {
            return Ok(());
        }
        let consumed: BTreeSet<_> = element.incoming.iter().filter_map(|flow| arrivals[flow].get_min().copied()).collect();
        debug_assert!(consumed.contains(&activity), "before it came its flow was the missing one");
        for &other in consumed.iter().filter(|other| **other != activity) {
            self.remove_waits(other);
            self.record(crate::HistoryEvent::ActivityEnded { activity: other, canceled: false });
            self.forget(other);
        }
        let around = self.unit.lineage(self.instance.id, scope);
        let nth = self.unit.count(around, gateway);
        self.unit.lineages.insert(activity, around.joined(&element.id, nth));
        self.leave(activity, &element.outgoing)
    }

    /// Raises an incident for each join that waits for flows on which nothing can arrive any more. Runs when nothing moves. Looks only where
    /// something has moved: what can still arrive at a join follows from what stands in its scope.
    pub(crate) fn check_joins(&mut self) {
        for scope in std::mem::take(&mut self.unit.touched) {
            let joins = self.instance.index.joins.range((scope, ElementIndex(0))..=(scope, ElementIndex(u32::MAX)));
            let waiting = joins.map(|((_, gateway), _)| *gateway);
            let silent = waiting.filter(|gateway| !self.instance.index.join_incidents.contains_key(&(scope, *gateway)));
            let joins: Vec<_> = silent.collect();
            if !joins.is_empty() {
                self.check_joins_of(scope, joins);
            }
        }
    }

    fn check_joins_of(&mut self, scope: ActivityId, joins: Vec<ElementIndex>) {
        let flows = reachable(self.definition, self.instance, scope);
        for gateway in joins {
            let arrivals = &self.instance.index.joins[&(scope, gateway)];
            let incoming = self.definition.element(gateway).incoming.iter().copied();
            let lost: Vec<_> = incoming.filter(|flow| !flows[flow.0 as usize] && !arrivals.contains_key(flow)).collect();
            if !lost.is_empty() {
                self.raise_join_incident(scope, gateway, &lost);
            }
        }
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

/// The flows by which nobody has come yet, in document order.
pub(crate) fn missing(arrivals: &Arrivals, incoming: &[FlowIndex]) -> Vec<FlowIndex> {
    incoming.iter().copied().filter(|flow| !arrivals.contains_key(flow)).collect()
}

/// The flows of a scope on which a token may still come, if every decision goes its way. A join counts as passable only if each of
/// its flows has arrived or may still arrive; so two joins that wait for each other are both found.
fn reachable(definition: &ProcessDefinition, instance: &Instance, scope: ActivityId) -> Flows {
    let live = vec![false; definition.elements.len()];
    let flows = vec![false; definition.flows.len()];
    let mut search = Search { definition, instance, scope, live, flows, missing: BTreeMap::new(), open: Vec::new() };
    for child in instance.children(scope) {
        let child = instance.at(child);
        match child.phase {
            Phase::Before { by: Some(flow) } | Phase::After { flow: Some(flow) } => search.reach_flow(flow),
            Phase::Before { by: None } | Phase::Active { .. } => search.reach_element(child.element),
            Phase::Joining { .. } | Phase::After { flow: None } => {}
        }
    }
    while let Some(element) = search.open.pop() {
        let element = definition.element(element);
        for &flow in &element.outgoing {
            search.reach_flow(flow);
        }
        for &event in &element.boundary_events {
            search.reach_element(event);
        }
    }
    search.flows
}

/// Which flows, by their numbers.
type Flows = Vec<bool>;

struct Search<'a> {
    definition: &'a ProcessDefinition,
    instance: &'a Instance,
    scope: ActivityId,
    /// By the number of the element.
    live: Vec<bool>,
    flows: Flows,
    /// Of each join that was come to, how many of its flows have neither arrived nor been reached: counted, for a join of a thousand flows is come
    /// to a thousand times.
    missing: BTreeMap<ElementIndex, usize>,
    open: Vec<ElementIndex>,
}

impl Search<'_> {
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
