//! Parallel and inclusive joins: they count what has come, and look where tokens may still come from. A parallel join that can never be
//! complete is an incident; an inclusive one goes on.
//!
//! The standard's joins count the sequence flows that were taken (BPMN 2.0, 13.4.1 and 13.4.3): what comes twice by one flow to a parallel
//! one waits for its next round. Those of Camunda 7's dialect count tokens (`ParallelGatewayActivityBehavior`,
//! `InclusiveGatewayActivityBehavior.activatesGateway`): as many as the gateway has flows are enough, whichever they came by.

use std::collections::BTreeSet;
use std::sync::Arc;

use mandate_model::{Dialect, ElementIndex, ElementKind, FlowIndex, ProcessDefinition};

use crate::Code;
use crate::effect::{ActivityEnd, Effect, Incident};
use crate::ids::{ActivityId, IncidentId};
use crate::input::Failure;
use crate::instance::{Activity, Instance, Phase};
use crate::step::Machine;

mod search;

use search::settled;
pub(crate) use search::{expects, missing, reachable};

/// Where a token stands that may still come to a join: all that a search asks of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// In the element.
    Element(ElementIndex),
    /// On the flow, behind or before an element.
    Flow(FlowIndex),
}

impl Place {
    /// Before all others.
    pub(crate) const FIRST: Place = Place::Element(ElementIndex(0));
    /// Behind all others.
    pub(crate) const LAST: Place = Place::Flow(FlowIndex(u32::MAX));

    /// None of a token at a join, and of one that takes no flow any more.
    pub(crate) fn of(activity: &Activity) -> Option<Place> {
        match activity.phase {
            Phase::Before { by: Some(flow) } | Phase::After { flow: Some(flow) } => Some(Place::Flow(flow)),
            Phase::Before { by: None } | Phase::Enabled { .. } | Phase::Active { .. } => Some(Place::Element(activity.element)),
            Phase::Gathering { .. } | Phase::Joining { .. } | Phase::Spent { .. } | Phase::After { flow: None } => None,
        }
    }
}

impl Machine<'_> {
    /// A token stands at a parallel or inclusive gateway, and goes on when no other is missing.
    pub(crate) fn arrive(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let it = self.instance.at(activity);
        let key = (it.scope(), it.element);
        let by = it.phase.by().expect("a gateway is entered by a sequence flow");
        self.instance.set_phase(activity, Phase::Joining { by });
        if let ElementKind::ComplexGateway(gateway) = &self.definition.element(key.1).kind {
            return self.arrive_at_complex(activity, gateway);
        }
        let index = &self.instance.index;
        let come = if counts_tokens(self.definition) { index.standing[&key] } else { index.joins[&key].len() };
        if come < self.definition.element(key.1).incoming.len() {
            return Ok(());
        }
        self.join(activity)
    }

    /// Lets the inclusive join go on that waits for nothing more, if there is one: the first in the order of the scopes' numbers and of the
    /// document. To be asked when nothing else moves. A scope is searched again only when something in it has moved. In a large model a
    /// search counts as several steps, so that no loop around it takes long to meet the bound.
    pub(crate) fn activate_inclusive(&mut self) -> Result<bool, Failure> {
        while let Some(&scope) = self.unit.moved.first() {
            let waiting: Vec<_> = joins_of(self.instance, scope).filter(|gateway| is_inclusive(self.definition, *gateway)).collect();
            if !waiting.is_empty() {
                self.count_looks(self.definition.elements.len());
            }
            if let Some(gateway) = settled(self.definition, self.instance, scope, &waiting) {
                let arrivals = &self.instance.index.joins[&(scope, gateway)];
                let activity = *arrivals.values().flatten().max().expect("a join is only remembered while a token stands at it");
                self.join(activity)?;
                return Ok(true);
            }
            if self.reset_complex(scope)? {
                return Ok(true);
            }
            self.unit.moved.remove(&scope);
        }
        Ok(false)
    }

    /// Consumes what stands at a join, so that one token goes on: all, or of a parallel one that counts flows the oldest of each, and what
    /// came twice by the same flow stays for the next round.
    fn join(&mut self, activity: ActivityId) -> Result<(), Failure> {
        let it = self.instance.at(activity);
        let (gateway, scope) = (it.element, it.scope());
        let arrivals = &self.instance.index.joins[&(scope, gateway)];
        let consumed: BTreeSet<_> = if is_inclusive(self.definition, gateway) || counts_tokens(self.definition) {
            arrivals.values().flatten().copied().collect()
        } else {
            arrivals.values().filter_map(|tokens| tokens.get_min().copied()).collect()
        };
        debug_assert!(consumed.contains(&activity), "of a parallel join it came by the flow that was missing");
        self.resolve_join_incident(activity);
        // None of them has a way to go on without the one that goes on.
        let end = if self.definition.element(gateway).outgoing.is_empty() { ActivityEnd::CompletedScope } else { ActivityEnd::Left };
        for &other in consumed.iter().filter(|other| **other != activity) {
            self.remove_waits(other);
            self.record(crate::HistoryEvent::ActivityEnded { activity: other, end });
            self.forget(other);
        }
        let around = self.unit.lineage(self.instance.id, scope);
        let nth = self.unit.count(around, gateway);
        self.unit.lineages.insert(activity, around.joined(&self.definition.element(gateway).id, nth));
        self.resume(activity)
    }

    /// Raises an incident for each parallel join that waits for flows on which nothing can arrive any more or, if it counts tokens, to
    /// which none can come by any flow. Runs when nothing moves, inclusive joins neither: so each of those is one that a token may still
    /// come to.
    pub(crate) fn check_joins(&mut self) {
        // In scopes that this unit has not touched, a join waits for what it waited for before.
        for scope in std::mem::take(&mut self.unit.touched) {
            let raised = &self.instance.index.join_incidents;
            let silent = |gateway: &ElementIndex| is_parallel(self.definition, *gateway) && !raised.contains_key(&(scope, *gateway));
            let joins: Vec<_> = joins_of(self.instance, scope).filter(silent).collect();
            if !joins.is_empty() {
                self.check_joins_of(scope, joins);
            }
            self.check_gathering(scope);
            self.check_complex(scope);
        }
    }

    fn check_joins_of(&mut self, scope: ActivityId, joins: Vec<ElementIndex>) {
        let flows = reachable(self.definition, self.instance, scope);
        for gateway in joins {
            let arrivals = &self.instance.index.joins[&(scope, gateway)];
            let incoming = &self.definition.element(gateway).incoming;
            let can_come = |flow: &FlowIndex| flows[flow.0 as usize];
            let (lost, for_what) = if counts_tokens(self.definition) {
                let more = incoming.len().saturating_sub(self.instance.index.standing[&(scope, gateway)]);
                let tokens = if more == 1 { "another token".to_owned() } else { format!("{more} more tokens") };
                (!incoming.iter().any(can_come), format!("{tokens}, and none can come any more"))
            } else {
                let lost: Vec<_> = incoming.iter().filter(|flow| !can_come(flow) && !arrivals.contains_key(*flow)).collect();
                let ids: Vec<_> = lost.iter().map(|flow| format!("'{}'", self.definition.flow(**flow).id)).collect();
                (!lost.is_empty(), format!("{}, on which nothing can arrive any more", ids.join(", ")))
            };
            if lost {
                let activity = *arrivals.values().flatten().min().expect("a join is only remembered while a token stands at it");
                let id = &self.definition.element(gateway).id;
                self.raise_lost(scope, gateway, activity, format!("the parallel gateway '{id}' waits for {for_what}"));
            }
        }
    }

    /// What stands at an element waits for a token that can't come.
    pub(crate) fn raise_lost(&mut self, scope: ActivityId, element: ElementIndex, activity: ActivityId, message: String) {
        let incident = Incident {
            id: IncidentId(self.instance.number()),
            wait: None,
            activity,
            element,
            failed: None,
            code: Code::JoinCannotComplete,
            message,
            attempt: 1,
            since: self.now,
        };
        self.instance.index.add_incident(&incident, Some(scope));
        self.instance.incidents.insert(incident.id, Arc::new(incident.clone()));
        self.effects.push(Effect::RaiseIncident(incident));
    }

    /// A token at a join is about to go on: nothing is wrong with the join any more.
    pub(crate) fn resolve_join_incident(&mut self, activity: ActivityId) {
        self.end_join_incident(activity, Effect::ResolveIncident);
    }

    /// A token at a join is cancelled: whatever was wrong with the join, it is not the same join any more.
    pub(crate) fn delete_join_incident(&mut self, activity: ActivityId) {
        self.end_join_incident(activity, Effect::DeleteIncident);
    }

    fn end_join_incident(&mut self, activity: ActivityId, end: fn(IncidentId) -> Effect) {
        let it = self.instance.at(activity);
        if let Phase::Joining { .. } | Phase::Gathering { .. } = it.phase
            && let Some(incident) = self.instance.index.join_incidents.remove(&(it.scope(), it.element))
        {
            self.instance.incidents.remove(&incident);
            self.effects.push(end(incident));
        }
    }
}

/// The gateways of a scope at which tokens wait for others, in document order.
pub(crate) fn joins_of(instance: &Instance, scope: ActivityId) -> impl Iterator<Item = ElementIndex> {
    let joins = &instance.index.joins;
    joins.range((scope, ElementIndex(0))..=(scope, ElementIndex(u32::MAX))).map(|((_, gateway), _)| *gateway)
}

/// Whether a join is complete by its number of tokens, and not by the flows that they came by.
fn counts_tokens(definition: &ProcessDefinition) -> bool {
    definition.dialect == Dialect::Camunda7
}

fn is_parallel(definition: &ProcessDefinition, gateway: ElementIndex) -> bool {
    matches!(definition.element(gateway).kind, ElementKind::ParallelGateway)
}

fn is_inclusive(definition: &ProcessDefinition, gateway: ElementIndex) -> bool {
    matches!(definition.element(gateway).kind, ElementKind::InclusiveGateway)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::{Run, check, parse};

    #[test]
    fn search_in_a_large_model_counts_as_several_steps() {
        let steps = |more: usize| {
            let beside = (0..more).map(|n| format!("<task id='t{n}'/>")).collect::<Vec<_>>().concat();
            let model = format!(
                "<startEvent id='s'/><parallelGateway id='f'/><task id='a'/><task id='b'/><inclusiveGateway id='j'/>\
                 <serviceTask id='w' camunda:class='W'/><endEvent id='e'/>{{s>f}}{{f>a>j}}{{f>b>e}}{{x>j ? no}}{{j>w}}\
                 <exclusiveGateway id='x' default='x_e'/>{{x>e}}{beside}"
            );
            let definition = parse(&model);
            let mut run = Run::new(&definition);
            run.line("start");
            assert_eq!(run.calls.len(), 1, "{}", run.trace);
            run.instance.unit.expect("it calls").steps
        };
        assert_eq!(steps(5_000) - steps(0), 5);
    }

    #[test]
    fn joins_that_become_ready_together_go_on_in_document_order() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><userTask id='b'/><userTask id='c'/><exclusiveGateway id='x' \
             default='x_e'/><endEvent id='e'/><inclusiveGateway id='j'/><inclusiveGateway id='k'/><userTask id='d'/>\
             {s>f}{f>a>k}{f>b>j}{f>c>x}{x>j ? n = 1}{x>k ? n = 2}{x>e}{j>d}{k>d}",
            r#"
                start {"n": 0}
                complete a
                complete b
                leaves
                complete c
            "#,
            expect![[r#"
                > start {"n": 0}
                  started at s
                  n = 0
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + a #4
                  task a !5 of nobody users [] groups []
                  + b #6
                  task b !7 of nobody users [] groups []
                  + c #8
                  task c !9 of nobody users [] groups []
                > complete a
                  task !5 gone
                  - #4
                  + k #10
                > complete b
                  task !7 gone
                  - #6
                  + j #11
                > leaves
                  c #8: task of nobody
                  k #10: join, missing x_k
                  j #11: join, missing x_j
                > complete c
                  task !9 gone
                  - #8
                  + x #12
                  - #12
                  + e #13
                  - #13
                  - #11
                  + d #14
                  task d !15 of nobody users [] groups []
                  - #10
                  + d #16
                  task d !17 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn join_waits_for_another_that_goes_on_first() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><userTask id='b'/><userTask id='c'/><exclusiveGateway id='x' \
             default='x_e'/><endEvent id='e'/><inclusiveGateway id='k'/><inclusiveGateway id='j'/><userTask id='d'/>\
             {s>f}{f>a>k}{f>b>j}{f>c>x}{x>j ? n = 1}{x>e}{j>k}{k>d}",
            r#"
                start {"n": 0}
                complete a
                complete b
                leaves
                complete c
            "#,
            expect![[r#"
                > start {"n": 0}
                  started at s
                  n = 0
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + a #4
                  task a !5 of nobody users [] groups []
                  + b #6
                  task b !7 of nobody users [] groups []
                  + c #8
                  task c !9 of nobody users [] groups []
                > complete a
                  task !5 gone
                  - #4
                  + k #10
                > complete b
                  task !7 gone
                  - #6
                  + j #11
                > leaves
                  c #8: task of nobody
                  k #10: join, missing j_k
                  j #11: join, missing x_j
                > complete c
                  task !9 gone
                  - #8
                  + x #12
                  - #12
                  + e #13
                  - #13
                  - #11
                  + k #14
                  - #10
                  - #14
                  + d #15
                  task d !16 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn joins_that_wait_for_each_other_alone_do_not() {
        check(
            "<startEvent id='s'/><parallelGateway id='f'/><userTask id='a'/><userTask id='b'/><inclusiveGateway id='j'/><inclusiveGateway id='k'/>\
             <exclusiveGateway id='x' default='x_e'/><exclusiveGateway id='y' default='y_e'/><endEvent id='e'/>\
             {s>f}{f>a>j}{f>b>k}{j>x}{x>k ? n = 1}{x>e}{k>y}{y>j ? n = 1}{y>e}",
            r#"
                start {"n": 1}
                complete a
                leaves
                set {"n": 0}
                complete b
            "#,
            expect![[r#"
                > start {"n": 1}
                  started at s
                  n = 1
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + a #4
                  task a !5 of nobody users [] groups []
                  + b #6
                  task b !7 of nobody users [] groups []
                > complete a
                  task !5 gone
                  - #4
                  + j #8
                > leaves
                  b #6: task of nobody
                  j #8: join, missing y_j
                > set {"n": 0}
                  n = 0
                > complete b
                  task !7 gone
                  - #6
                  + k #9
                  - #8
                  + x #10
                  - #10
                  + e #11
                  - #11
                  - #9
                  + y #12
                  - #12
                  + e #13
                  - #13
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn parallel_join_that_can_never_complete_keeps_nobody_waiting() {
        check(
            "<startEvent id='s'/><inclusiveGateway id='f' default='f_a'/><userTask id='a'/><userTask id='b'/><userTask id='c'/>\
             <parallelGateway id='p'/><inclusiveGateway id='j'/><userTask id='d'/>{s>f}{f>a}{f>b ? n = 1}{f>c ? n = 1}{a>p}{b>p}{p>j}{c>j}{j>d}",
            r#"
                start {"n": 1}
                complete c
                leaves
                complete b
            "#,
            expect![[r#"
                > start {"n": 1}
                  started at s
                  n = 1
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + b #4
                  task b !5 of nobody users [] groups []
                  + c #6
                  task c !7 of nobody users [] groups []
                > complete c
                  task !7 gone
                  - #6
                  + j #8
                  - #8
                  + d #9
                  task d !10 of nobody users [] groups []
                > leaves
                  b #4: task of nobody
                  d #9: task of nobody
                > complete b
                  task !5 gone
                  - #4
                  + p #11
                  incident 12 at p, attempt 1: JOIN_CANNOT_COMPLETE: the parallel gateway 'p' waits for 'a_p', on which nothing can arrive any more
            "#]],
        );
    }

    #[test]
    fn tokens_of_another_instance_of_the_scope_do_not_count() {
        check(
            "<startEvent id='s'/><task id='m'/><subProcess id='p'><startEvent id='ps'/><inclusiveGateway id='f' default='f_a'/><userTask id='a'/>\
             <userTask id='b'/><inclusiveGateway id='j'/><endEvent id='pe'/>{ps>f}{f>a}{f>b ? n > 1}{a>j}{b>j}{j>pe}</subProcess>\
             {s>m}{m>p}<sequenceFlow id='m_p2' sourceRef='m' targetRef='p'/>",
            r#"
                start {"n": 0}
                complete a
                leaves
            "#,
            expect![[r#"
                > start {"n": 0}
                  started at s
                  n = 0
                  + s #2
                  - #2
                  + m #3
                  - #3
                  + p #4
                  + ps #5 in #4
                  - #5
                  + f #6 in #4
                  - #6
                  + a #7 in #4
                  task a !8 of nobody users [] groups []
                  + p #9
                  + ps #10 in #9
                  - #10
                  + f #11 in #9
                  - #11
                  + a #12 in #9
                  task a !13 of nobody users [] groups []
                > complete a
                  task !8 gone
                  - #7
                  + j #14 in #4
                  - #14
                  + pe #15 in #4
                  - #15
                  - #4
                > leaves
                  a #12: task of nobody
            "#]],
        );
    }
}
