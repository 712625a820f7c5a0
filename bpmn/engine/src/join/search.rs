//! Where the tokens of a scope may still come.

use std::collections::BTreeMap;

use mandate_model::{ElementIndex, ElementKind, FlowIndex, ProcessDefinition};

use super::{Place, counts_tokens, is_inclusive, joins_of};
use crate::ids::ActivityId;
use crate::index::Arrivals;
use crate::instance::Instance;

/// The flows for which each join of a scope waits, in document order: a parallel one for those by which nobody has come yet (one that
/// counts tokens may get them by others as well), an inclusive one for those by which somebody may still come.
pub(crate) fn missing(definition: &ProcessDefinition, instance: &Instance, scope: ActivityId) -> BTreeMap<ElementIndex, Vec<FlowIndex>> {
    let flows_of = |gateway, is_missing: &dyn Fn(&FlowIndex) -> bool| {
        definition.element(gateway).incoming.iter().copied().filter(is_missing).collect::<Vec<_>>()
    };
    let (inclusive, others): (Vec<_>, Vec<_>) = joins_of(instance, scope).partition(|gateway| is_inclusive(definition, *gateway));
    let mut missing = BTreeMap::new();
    for gateway in others {
        let arrivals = &instance.index.joins[&(scope, gateway)];
        let spent = instance.index.spent.get(&(scope, gateway));
        let flows = flows_of(gateway, &|flow| !arrivals.contains_key(flow) && !spent.is_some_and(|spent| spent.contains_key(flow)));
        // A complex gateway may want more tokens by flows by which some have come.
        missing.insert(gateway, if flows.is_empty() { definition.element(gateway).incoming.clone() } else { flows });
    }
    if inclusive.is_empty() {
        return missing;
    }
    let mut search = Search::new(definition, instance, scope);
    search.close(&inclusive);
    search.follow_tokens(|_| false);
    search.around_each(&inclusive, &mut |gateway, flows| {
        missing.insert(gateway, flows_of(gateway, &|flow| flows[flow.0 as usize]));
    });
    missing
}

/// Whether a token may still come to a gateway by one of these flows, not through the gateway itself.
pub(crate) fn expects(
    definition: &ProcessDefinition,
    instance: &Instance,
    scope: ActivityId,
    gateway: ElementIndex,
    by: impl Fn(&FlowIndex) -> bool,
) -> bool {
    let mut search = Search::new(definition, instance, scope);
    search.close(&[gateway]);
    search.follow_tokens(|_| false);
    definition.element(gateway).incoming.iter().any(|flow| by(flow) && search.flows[flow.0 as usize])
}

/// Of the inclusive gateways of a scope at which tokens stand, in document order, the one that should go on first. None if there may still
/// come a token to each from elsewhere.
pub(super) fn settled(
    definition: &ProcessDefinition,
    instance: &Instance,
    scope: ActivityId,
    waiting: &[ElementIndex],
) -> Option<ElementIndex> {
    // Most scopes have none, and a search takes a note of every element.
    waiting.first()?;
    let mut search = Search::new(definition, instance, scope);
    let mut unreached = waiting.iter().copied().peekable();
    search.follow_tokens(|search| {
        while unreached.next_if(|gateway| search.live[gateway.0 as usize]).is_some() {}
        unreached.peek().is_none()
    });
    unreached.peek()?;
    // Those that are left can only wait for each other. What is reached neither from those before it nor from those behind it waits for
    // nobody, or only for what waits for it.
    let begun = search.clone().begin_at(waiting.iter().copied());
    search.begin_at(begun.into_iter().rev()).pop()
}

/// The flows of a scope on which a token may still come, by their numbers, if every decision goes its way. A parallel join counts as
/// passable only if each of its flows has arrived or may still arrive; so two joins that wait for each other are both found. One that
/// counts tokens, and an inclusive one, is passable for each token that comes: nobody knows how many more may come by the same flow.
pub(crate) fn reachable(definition: &ProcessDefinition, instance: &Instance, scope: ActivityId) -> Flows {
    let mut search = Search::new(definition, instance, scope);
    search.follow_tokens(|_| false);
    search.flows
}

/// Which flows, by their numbers.
pub(crate) type Flows = Vec<bool>;

#[derive(Clone)]
struct Search<'a> {
    definition: &'a ProcessDefinition,
    instance: &'a Instance,
    scope: ActivityId,
    /// Elements that a token may still come to, by their numbers.
    live: Vec<bool>,
    flows: Flows,
    /// Of each parallel join that was come to, how many of its flows have neither arrived nor been reached: counted, for a join of a
    /// thousand flows is come to a thousand times.
    missing: BTreeMap<ElementIndex, usize>,
    /// Live elements behind which nothing was looked at yet.
    ahead: Vec<ElementIndex>,
}

impl<'a> Search<'a> {
    fn new(definition: &'a ProcessDefinition, instance: &'a Instance, scope: ActivityId) -> Self {
        let live = vec![false; definition.elements.len()];
        let flows = vec![false; definition.flows.len()];
        Search { definition, instance, scope, live, flows, missing: BTreeMap::new(), ahead: Vec::new() }
    }

    /// From each place at which tokens stand, until that is enough. In which order makes no difference to what is reached.
    fn follow_tokens(&mut self, mut is_enough: impl FnMut(&Self) -> bool) {
        for place in self.instance.places(self.scope) {
            match place {
                Place::Element(element) => self.reach_element(element),
                Place::Flow(flow) => self.reach_flow(flow),
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

    /// For each of these gateways, which are closed: what is reached when it alone stays so, as what leads through a gateway itself is
    /// nothing that it waits for. What half of them have in common is searched once.
    fn around_each(mut self, closed: &[ElementIndex], found: &mut impl FnMut(ElementIndex, &Flows)) {
        match closed {
            [] => {}
            [gateway] => found(*gateway, &self.flows),
            _ => {
                let (one, other) = closed.split_at(closed.len() / 2);
                let mut again = self.clone();
                again.open(one);
                again.around_each(other, found);
                self.open(other);
                self.around_each(one, found);
            }
        }
    }

    /// From now on nothing leads through these gateways, though their flows are reached.
    fn close(&mut self, gateways: &[ElementIndex]) {
        for gateway in gateways {
            self.live[gateway.0 as usize] = true;
        }
    }

    /// Goes on through these gateways, which were closed.
    fn open(&mut self, gateways: &[ElementIndex]) {
        for &gateway in gateways {
            self.live[gateway.0 as usize] = false;
            if self.definition.element(gateway).incoming.iter().any(|flow| self.flows[flow.0 as usize]) {
                self.reach_element(gateway);
            }
        }
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(element) = self.ahead.pop() {
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
            self.ahead.push(element);
        }
    }

    fn reach_flow(&mut self, flow: FlowIndex) {
        if std::mem::replace(&mut self.flows[flow.0 as usize], true) {
            return;
        }
        let target = self.definition.flow(flow).target;
        let element = self.definition.element(target);
        if matches!(element.kind, ElementKind::ParallelGateway) && !counts_tokens(self.definition) {
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
