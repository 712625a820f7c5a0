//! Complex gateways: when they go on, and when they are reset (BPMN 2.0, 13.4.5). Camunda 7 refuses them.
//!
//! A gateway *waits for start* until its activation condition is true, asked whenever a token comes. Then one token of each flow by which
//! some have come is consumed, and it *waits for reset*: for a token by each other flow, unless none can come by it any more. These are
//! consumed as well, and the flows whose conditions are true with `waitingForStart` false are taken, which may be none. Then it waits for
//! start again, with what came by a flow a second time. When all flows had their token at the start, or no token comes later, nothing is
//! left for a reset to do: it makes no token.
//!
//! If the condition is not true and no other token can come, that is an incident.

use std::collections::BTreeSet;

use mandate_model::{ComplexGateway, ElementIndex, ElementKind, FlowIndex};
use serde_json::Value as Json;

use crate::elements::At;
use crate::elements::complex_gateway::{ACTIVATION_COUNT, WAITING_FOR_START, activates};
use crate::ids::ActivityId;
use crate::input::Failure;
use crate::instance::{Phase, Role};
use crate::join::{expects, joins_of};
use crate::step::Machine;
use crate::variable::{Variable, Variables};

impl<'d> Machine<'d> {
    /// A token has come to a complex gateway and stands there.
    pub(crate) fn arrive_at_complex(&mut self, activity: ActivityId, gateway: &ComplexGateway) -> Result<(), Failure> {
        let it = self.instance.at(activity);
        let key = (it.scope(), it.element);
        if self.instance.index.spent.contains_key(&key) {
            return Ok(());
        }
        let count = self.instance.index.standing[&key];
        self.set_variables_in(activity, Variables::from([(ACTIVATION_COUNT.to_owned(), Variable::from_json(&count.into()))]))?;
        let at = At::new(self.definition, self.instance, activity, self.moment);
        if !activates(&at, gateway)? {
            return Ok(());
        }
        let tokens = self.first_by_each(key, |_| true);
        let flows: BTreeSet<_> = tokens.iter().filter_map(|token| self.instance.at(*token).phase.by()).collect();
        if flows.len() < self.definition.element(key.1).incoming.len() {
            for by in flows {
                self.check_room(key.1, key.0)?;
                self.instance.add_activity(key.0, key.1, Phase::Spent { by }, Role::Element, self.now);
            }
        }
        let going = if tokens.contains(&activity) { activity } else { tokens[0] };
        self.merge_tokens(key, going, &tokens, true)
    }

    /// Resets a complex gateway of a scope that waits for no token any more, if there is one: the first in the document. What came by a
    /// flow a second time was left, and may start the gateway anew. To be asked when nothing else moves.
    pub(crate) fn reset_complex(&mut self, scope: ActivityId) -> Result<bool, Failure> {
        if let Some((token, gateway)) = self.unasked(scope) {
            self.arrive_at_complex(token, gateway)?;
            return Ok(true);
        }
        let spent = &self.instance.index.spent;
        let waiting = spent.range((scope, ElementIndex(0))..=(scope, ElementIndex(u32::MAX)));
        let settled = waiting.map(|(key, _)| *key).find(|key| {
            let by = |flow: &FlowIndex| {
                let arrived = self.instance.index.joins.get(key).is_some_and(|arrivals| arrivals.contains_key(flow));
                !arrived && !spent[key].contains_key(flow)
            };
            !expects(self.definition, self.instance, scope, key.1, by)
        });
        let Some(key) = settled else { return Ok(false) };
        let marks: Vec<_> = self.instance.index.spent[&key].values().flatten().copied().collect();
        let late = self.first_by_each(key, |flow| !self.instance.index.spent[&key].contains_key(flow));
        for mark in marks {
            self.forget(mark);
        }
        match late.last() {
            Some(&token) => self.merge_tokens(key, token, &late, false)?,
            None => self.end_scope_if_empty(scope)?,
        }
        Ok(true)
    }

    /// The last token at a complex gateway of a scope that came while it was waiting for reset, and was not asked about since.
    fn unasked(&self, scope: ActivityId) -> Option<(ActivityId, &'d ComplexGateway)> {
        joins_of(self.instance, scope).filter(|gateway| !self.instance.index.spent.contains_key(&(scope, *gateway))).find_map(|gateway| {
            let ElementKind::ComplexGateway(complex) = &self.definition.element(gateway).kind else { return None };
            let tokens = self.instance.index.joins[&(scope, gateway)].values().flatten();
            let unasked = tokens.filter(|token| !self.instance.at(**token).variables.contains_key(ACTIVATION_COUNT));
            unasked.max().map(|token| (*token, complex))
        })
    }

    /// Consumes tokens so that one goes on.
    fn merge_tokens(
        &mut self,
        key: (ActivityId, ElementIndex),
        going: ActivityId,
        tokens: &[ActivityId],
        start: bool,
    ) -> Result<(), Failure> {
        self.resolve_join_incident(going);
        for &token in tokens.iter().filter(|token| **token != going) {
            self.record(crate::HistoryEvent::ActivityEnded { activity: token, end: crate::ActivityEnd::Left });
            self.forget(token);
        }
        self.set_variables_in(going, Variables::from([(WAITING_FOR_START.to_owned(), Variable::from_json(&Json::Bool(start)))]))?;
        let around = self.unit.lineage(self.instance.id, key.0);
        let nth = self.unit.count(around, key.1);
        self.unit.lineages.insert(going, around.joined(&self.definition.element(key.1).id, nth));
        self.resume(going)
    }

    /// Of the tokens at a gateway the oldest by each of these flows, in the order of their numbers.
    fn first_by_each(&self, key: (ActivityId, ElementIndex), by: impl Fn(&FlowIndex) -> bool) -> Vec<ActivityId> {
        let arrivals = self.instance.index.joins.get(&key).into_iter().flatten();
        let tokens: BTreeSet<_> = arrivals.filter(|(flow, _)| by(flow)).filter_map(|(_, tokens)| tokens.get_min().copied()).collect();
        tokens.into_iter().collect()
    }

    /// Raises an incident for each complex gateway of a scope that waits for start although no token can come to it any more.
    pub(crate) fn check_complex(&mut self, scope: ActivityId) {
        let waiting: Vec<_> = joins_of(self.instance, scope)
            .filter(|gateway| matches!(self.definition.element(*gateway).kind, ElementKind::ComplexGateway(_)))
            .filter(|gateway| !self.instance.index.join_incidents.contains_key(&(scope, *gateway)))
            .filter(|gateway| !self.instance.index.spent.contains_key(&(scope, *gateway)))
            .filter(|gateway| !expects(self.definition, self.instance, scope, *gateway, |_| true))
            .collect();
        for gateway in waiting {
            let activity = self.first_by_each((scope, gateway), |_| true)[0];
            let id = &self.definition.element(gateway).id;
            let message =
                format!("the activation condition of the complex gateway '{id}' is not true, and no token can come to it any more");
            self.raise_lost(scope, gateway, activity, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use crate::testing::check;

    /// Three user tasks `a`, `b` and `c` that meet at the complex gateway `g`, with this activation condition and these flows behind it.
    fn three(condition: &str, behind: &str) -> String {
        format!(
            "<startEvent id='s'/><task id='f'/><userTask id='a'/><userTask id='b'/><userTask id='c'/><complexGateway id='g'>\
             <activationCondition>{condition}</activationCondition></complexGateway>{{s>f}}{{f>a>g}}{{f>b>g}}{{f>c>g}}{behind}"
        )
    }

    #[test]
    fn two_of_three_are_enough_and_the_third_resets_the_gateway() {
        check(
            &three("= activationCount >= 2", "<userTask id='u'/>{g>u}"),
            "
                start
                complete c
                leaves
                complete a
                leaves
                complete b
            ",
            expect![[r#"
                > start
                  started at s
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
                > complete c
                  task !9 gone
                  - #8
                  + g #10
                  activationCount = 1 in #10
                > leaves
                  a #4: task of nobody
                  b #6: task of nobody
                  g #10: join, missing a_g, b_g
                > complete a
                  task !5 gone
                  - #4
                  + g #11
                  activationCount = 2 in #11
                  - #10
                  waitingForStart = true in #11
                  - #11
                  + u #14
                  task u !15 of nobody users [] groups []
                > leaves
                  b #6: task of nobody
                  u #14: task of nobody
                > complete b
                  task !7 gone
                  - #6
                  + g #16
                  waitingForStart = false in #16
                  - #16
            "#]],
        );
    }

    #[test]
    fn what_comes_late_may_take_another_way() {
        check(
            &three(
                "= activationCount >= 1",
                "<userTask id='u'/><userTask id='late'/>{g>u ? waitingForStart}{g>late ? not(waitingForStart)}",
            ),
            "
                start
                complete b
                complete a
                leaves
                complete c
            ",
            expect![[r#"
                > start
                  started at s
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
                > complete b
                  task !7 gone
                  - #6
                  + g #10
                  activationCount = 1 in #10
                  waitingForStart = true in #10
                  - #10
                  + u #12
                  task u !13 of nobody users [] groups []
                > complete a
                  task !5 gone
                  - #4
                  + g #14
                > leaves
                  c #8: task of nobody
                  u #12: task of nobody
                  g #14: join, missing c_g
                > complete c
                  task !9 gone
                  - #8
                  + g #15
                  - #14
                  waitingForStart = false in #15
                  - #15
                  + late #16
                  task late !17 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn reset_does_not_wait_for_a_token_that_went_elsewhere() {
        check(
            "<startEvent id='s'/><task id='f'/><userTask id='a'/><userTask id='b' default='b_other'/><complexGateway id='g'/><task id='u'/>\
             <userTask id='other'/>{s>f}{f>a>g}{f>b}{b>g ? n = 1}{b>other}{g>u}",
            r#"
                start {"n": 0}
                complete a
                complete b
                complete other
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
                > complete a
                  task !5 gone
                  - #4
                  + g #8
                  activationCount = 1 in #8
                  waitingForStart = true in #8
                  - #8
                  + u #10
                  - #10
                > complete b
                  task !7 gone
                  - #6
                  + other #11
                  task other !12 of nobody users [] groups []
                > complete other
                  task !12 gone
                  - #11
                  ended: Completed
                  end
            "#]],
        );
    }

    #[test]
    fn second_token_by_a_flow_starts_the_gateway_anew() {
        check(
            "<startEvent id='s'/><task id='f'/><task id='m'/><userTask id='b'/><complexGateway id='g'/><userTask id='u'/>\
             {s>f}{f>m>g}{f>b>g}{g>u}<sequenceFlow id='f_m2' sourceRef='f' targetRef='m'/>",
            "
                start
                leaves
                complete b
            ",
            expect![[r#"
                > start
                  started at s
                  + s #2
                  - #2
                  + f #3
                  - #3
                  + m #4
                  - #4
                  + g #5
                  activationCount = 1 in #5
                  waitingForStart = true in #5
                  - #5
                  + u #7
                  task u !8 of nobody users [] groups []
                  + b #9
                  task b !10 of nobody users [] groups []
                  + m #11
                  - #11
                  + g #12
                > leaves
                  u #7: task of nobody
                  b #9: task of nobody
                  g #12: join, missing b_g
                > complete b
                  task !10 gone
                  - #9
                  + g #13
                  waitingForStart = false in #13
                  - #13
                  activationCount = 1 in #12
                  waitingForStart = true in #12
                  - #12
                  + u #15
                  task u !16 of nobody users [] groups []
            "#]],
        );
    }

    #[test]
    fn incident_says_that_the_condition_never_becomes_true() {
        check(
            &three("= activationCount > 3", "<userTask id='u'/>{g>u}"),
            "
                start
                complete a
                complete b
                complete c
                leaves
                cancel
            ",
            expect![[r#"
                > start
                  started at s
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
                  + g #10
                  activationCount = 1 in #10
                > complete b
                  task !7 gone
                  - #6
                  + g #11
                  activationCount = 2 in #11
                > complete c
                  task !9 gone
                  - #8
                  + g #12
                  activationCount = 3 in #12
                  incident 13 at g, attempt 1: JOIN_CANNOT_COMPLETE: the activation condition of the complex gateway 'g' is not true, and no token can come to it any more
                > leaves
                  g #10: incident 13
                  g #11: incident 13
                  g #12: incident 13
                > cancel
                  - #10 canceled
                  incident 13 deleted
                  - #11 canceled
                  - #12 canceled
                  ended: ExternallyTerminated
                  end
            "#]],
        );
    }

    #[test]
    fn fork_takes_each_true_condition_or_the_default_flow() {
        check(
            "<startEvent id='s'/><complexGateway id='g' default='g_c'/><userTask id='a'/><userTask id='b'/><userTask id='c'/>\
             {s>g}{g>a ? n > 1}{g>b ? n > 2}{g>c}",
            r#"start {"n": 3}"#,
            expect![[r#"
                > start {"n": 3}
                  started at s
                  n = 3
                  + s #2
                  - #2
                  + g #3
                  activationCount = 1 in #3
                  waitingForStart = true in #3
                  - #3
                  + a #4
                  task a !5 of nobody users [] groups []
                  + b #6
                  task b !7 of nobody users [] groups []
            "#]],
        );
    }
}
